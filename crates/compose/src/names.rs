//! The names that imports get in a fused component.
//!
//! `wasi:cli/environment@0.2.3` of component `auth` becomes `auth:wasi-cli/environment@0.2.3`: an interface
//! name like any other, still with its version. What must never happen is that two imports which belong to
//! different owners get names that a linker, or the tool that joins components, takes for one. Therefore every
//! scope is unique among scopes and namespaces in use, and within a scope no two names are of one track.

use std::collections::BTreeSet;

use weft_app::link::split_version;

use crate::version;

/// The names of scopes, none used twice.
#[derive(Debug)]
pub(crate) struct Scopes {
    taken: BTreeSet<String>,
    /// Names without a namespace, of all scopes: `b-c` of `a` and `c` of `a-b` would be one.
    plain: BTreeSet<String>,
}

impl Scopes {
    /// Begins with the namespaces that stand in names of imports and exports: no scope may be called like one.
    pub(crate) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let namespaces = names.filter_map(|name| name.split_once(':'));
        Self {
            taken: namespaces.map(|(namespace, _)| namespace.to_owned()).collect(),
            plain: BTreeSet::new(),
        }
    }

    /// A scope of this name, or of the first that is free of `NAME-scope`, `NAME-scope-scope` and so on.
    pub(crate) fn open(&mut self, name: &str) -> Scope {
        let mut name = name.to_owned();
        while !self.taken.insert(name.clone()) {
            name.push_str("-scope");
        }
        Scope {
            name,
            keys: BTreeSet::new(),
        }
    }

    /// The name that an import or export gets in one of these scopes, also where it is no interface.
    pub(crate) fn name(&mut self, scope: &mut Scope, item: &str) -> Option<String> {
        if item.contains(':') {
            return scope.name(item);
        }
        let mut name = format!("{}-{item}", scope.name);
        // Names that differ in capitals alone are one name.
        while !self.plain.insert(name.to_ascii_lowercase()) {
            name.push_str("-x");
        }
        Some(name)
    }
}

/// One scope and the names in it.
#[derive(Debug)]
pub(crate) struct Scope {
    name: String,
    keys: BTreeSet<String>,
}

impl Scope {
    /// The name that an import gets in this scope; none for what is no interface.
    pub(crate) fn name(&mut self, import: &str) -> Option<String> {
        let (path, version) = split_version(import);
        let (namespace, rest) = path.split_once(':')?;
        let (package, interface) = rest.split_once('/')?;
        let version = version.map(|version| format!("@{version}")).unwrap_or_default();
        // `a:b-c/d` and `a-b:c/d` would be one name, as would two versions of one track: those get an ordinal.
        let mut ordinal = String::new();
        for next in 2_u32.. {
            let name = format!(
                "{}:{namespace}-{package}{ordinal}/{interface}{version}",
                self.name
            );
            if self.keys.insert(version::key(&name)) {
                return Some(name);
            }
            ordinal = format!("-x{next}");
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_interface_and_version() {
        let mut scopes = Scopes::new(["wasi:cli/environment@0.2.3"].into_iter());
        let mut auth = scopes.open("auth");
        assert_eq!(
            auth.name("wasi:cli/environment@0.2.3").as_deref(),
            Some("auth:wasi-cli/environment@0.2.3")
        );
        assert_eq!(auth.name("a:b/c").as_deref(), Some("auth:a-b/c"));
        assert_eq!(auth.name("plain"), None);
    }

    #[test]
    fn a_scope_is_never_called_like_a_namespace_or_another_scope() {
        let mut scopes = Scopes::new(["auth:wasi-cli/environment@0.2.3", "wasi:cli/exit@0.2.3"].into_iter());
        assert_eq!(
            scopes.open("auth").name("a:b/c").as_deref(),
            Some("auth-scope:a-b/c")
        );
        assert_eq!(
            scopes.open("wasi").name("wasi:cli/exit@0.2.3").as_deref(),
            Some("wasi-scope:wasi-cli/exit@0.2.3")
        );
        assert_eq!(
            scopes.open("auth").name("a:b/c").as_deref(),
            Some("auth-scope-scope:a-b/c")
        );
    }

    #[test]
    fn names_that_would_fall_together_get_an_ordinal() {
        let mut scope = Scopes::new(std::iter::empty()).open("x");
        let names: Vec<_> = [
            "a:b-c/d@0.2.3",
            "a-b:c/d@0.2.3",
            "a:b-c/d@0.2.6",
            "a:b-c/d@0.3.0",
            "a:b-c-x2/d@0.2.3",
        ]
        .iter()
        .filter_map(|name| scope.name(name))
        .collect();
        assert_eq!(
            names,
            [
                "x:a-b-c/d@0.2.3",
                "x:a-b-c-x2/d@0.2.3",
                "x:a-b-c-x3/d@0.2.6",
                "x:a-b-c/d@0.3.0",
                "x:a-b-c-x2-x2/d@0.2.3"
            ]
        );
    }

    #[test]
    fn plain_names_of_two_scopes_never_fall_together() {
        let mut scopes = Scopes::new(std::iter::empty());
        let (mut one, mut other) = (scopes.open("a"), scopes.open("a-b"));
        assert_eq!(scopes.name(&mut one, "b-c").as_deref(), Some("a-b-c"));
        assert_eq!(scopes.name(&mut other, "c").as_deref(), Some("a-b-c-x"));
        assert_eq!(scopes.name(&mut other, "C").as_deref(), Some("a-b-C-x-x"));
        assert_eq!(scopes.name(&mut other, "a:b/c").as_deref(), Some("a-b:a-b/c"));
    }
}
