//! Links as a manifest asks for them: imports of one component, satisfied by exports of another.

use std::collections::{BTreeMap, BTreeSet};

use crate::Name;

/// One rule of a component's links: these imports come from that component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRule {
    /// Which imports.
    pub imports: ImportPattern,
    /// The component that satisfies them.
    pub provider: Name,
    /// The export that satisfies the import, where it is named otherwise. Only with [`ImportPattern::Name`].
    pub export: Option<String>,
    /// Whether both share one fate.
    pub mode: LinkMode,
}

/// Whether the two components of a link share one fate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LinkMode {
    /// They are one: a call costs next to nothing, and what ends one ends both.
    #[default]
    Fused,
    /// The one that is called is in a cell of its own, and fails alone.
    Isolated(Isolation),
}

/// What a caller sees of a call over an isolated link that fails.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Isolation {
    /// For functions of which nothing else is said.
    pub on_failure: OnFailure,
    /// For single functions, by their names.
    pub functions: BTreeMap<String, OnFailure>,
    /// How often a call is made again that failed, if its function is idempotent.
    pub retries: u32,
    /// Functions that may be called again.
    pub idempotent: Idempotent,
}

impl Isolation {
    /// The same for a link that has this one function and no other.
    #[must_use]
    pub fn of_one(&self, function: &str) -> Self {
        Self {
            on_failure: self.on_failure_of(function).clone(),
            functions: BTreeMap::new(),
            retries: self.retries_of(function),
            idempotent: Idempotent::All,
        }
    }

    /// What the caller of a function sees.
    #[must_use]
    pub fn on_failure_of(&self, function: &str) -> &OnFailure {
        self.functions.get(function).unwrap_or(&self.on_failure)
    }

    /// How often a call of a function is made again.
    #[must_use]
    pub fn retries_of(&self, function: &str) -> u32 {
        match &self.idempotent {
            Idempotent::All => self.retries,
            Idempotent::Named(names) if names.contains(function) => self.retries,
            Idempotent::Named(_) => 0,
        }
    }
}

/// What stands for the results of a call that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// Nothing: the caller fails too.
    #[default]
    Trap,
    /// The error of a function that returns a `result`, as WAVE; empty where the error carries nothing.
    Error(String),
    /// The whole result, as WAVE.
    Value(String),
}

/// Functions that do the same when they are called twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Idempotent {
    /// All of the link.
    All,
    /// These.
    Named(BTreeSet<String>),
}

impl Default for Idempotent {
    fn default() -> Self {
        Self::Named(BTreeSet::new())
    }
}

/// Which imports a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportPattern {
    /// One import: an interface with or without its version (`docs:markup/render@1.0.0`,
    /// `docs:markup/render`), or a plain name.
    Name(String),
    /// Every imported interface of a package, with or without its version: `docs:markup`.
    Package(String),
    /// Every import that the provider exports: `*`.
    All,
}

impl ImportPattern {
    /// Reads `*`, `namespace:package[@version]`, `namespace:package/interface[@version]` or a plain name.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "*" => Self::All,
            _ if text.contains(':') && !text.contains('/') => Self::Package(text.to_owned()),
            _ => Self::Name(text.to_owned()),
        }
    }

    /// Whether the rule is about an import of this name.
    #[must_use]
    pub fn matches(&self, import: &str) -> bool {
        let (path, version) = split_version(import);
        match self {
            Self::All => true,
            Self::Name(name) => name == import || name == path,
            Self::Package(package) => {
                let Some((import_package, _)) = path.split_once('/') else {
                    return false;
                };
                match package.split_once('@') {
                    Some((name, asked)) => name == import_package && version == Some(asked),
                    None => package == import_package,
                }
            }
        }
    }
}

/// The name of an interface without its version, and the version.
#[must_use]
pub fn split_version(name: &str) -> (&str, Option<&str>) {
    match name.split_once('@') {
        Some((path, version)) => (path, Some(version)),
        None => (name, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_by_interface_package_or_all() {
        let import = "docs:markup/render@1.2.0";
        for (pattern, expected) in [
            ("*", true),
            ("docs:markup", true),
            ("docs:markup@1.2.0", true),
            ("docs:markup@1.2.1", false),
            ("docs:mark", false),
            ("docs:markup/render", true),
            ("docs:markup/render@1.2.0", true),
            ("docs:markup/render@1.0.0", false),
            ("docs:markup/rend", false),
            ("render", false),
        ] {
            assert_eq!(
                ImportPattern::parse(pattern).matches(import),
                expected,
                "{pattern}"
            );
        }
        assert!(ImportPattern::parse("format").matches("format"));
        assert!(!ImportPattern::parse("docs:markup").matches("format"));
    }
}
