//! Which imports of a component other components satisfy.

use std::collections::BTreeSet;
use std::ops::Range;

use weft_app::link::{Idempotent, Isolation, LinkMode, OnFailure};
use weft_app::{ImportPattern, LinkRule, Name};

use super::{Lowering, values};
use crate::bounds::ENTRIES_MAX;
use crate::diagnostic::quote;
use crate::document::{Entry, Table, Value};
use crate::problems::Problem;

impl Lowering<'_> {
    pub(super) fn links(&mut self, name: &Name, component: &Table) -> Vec<LinkRule> {
        let Some(links) = values::table(component, "links") else {
            return Vec::new();
        };
        links
            .entries()
            .iter()
            .take(ENTRIES_MAX)
            .filter_map(|entry| self.link(name, entry))
            .collect()
    }

    fn link(&mut self, name: &Name, entry: &Entry) -> Option<LinkRule> {
        let imports = self.pattern(&entry.key, &entry.key_span);
        let (provider, provider_span, table) = match &entry.node.value {
            Value::Text(text) => (text.as_str(), &entry.node.span, None),
            Value::Table(table) => {
                let (text, span) = values::text(table, "component")?;
                (text, span, Some(table))
            }
            _ => return None,
        };
        let provider = self.known_component(provider, provider_span)?;
        if provider == *name {
            let message = format!("component `{name}` cannot satisfy its own imports");
            self.problems.push(Problem::error(message).at(provider_span));
        }
        let imports = imports?;
        let export = table.and_then(|table| self.export(&imports, table));
        let mode = table.map(|table| self.mode(table)).unwrap_or_default();
        Some(LinkRule {
            imports,
            provider,
            export,
            mode,
        })
    }

    fn pattern(&mut self, text: &str, span: &Range<usize>) -> Option<ImportPattern> {
        if is_pattern(text) {
            return Some(ImportPattern::parse(text));
        }
        let message = format!("{} is not an import", quote(text));
        self.problems.push(Problem::error(message).at(span).hint(
            "write an interface (`docs:markup/render`), a package (`docs:markup`), a plain name (`render`) or `*`",
        ));
        None
    }

    fn export(&mut self, imports: &ImportPattern, table: &Table) -> Option<String> {
        let (text, span) = values::text(table, "export")?;
        if !matches!(imports, ImportPattern::Name(_)) {
            self.problems.push(
                Problem::error("`export` needs one import on the left, not many")
                    .at(span)
                    .hint("name the interface on the left: `\"docs:markup/render\" = { … }`"),
            );
            return None;
        }
        if !matches!(ImportPattern::parse(text), ImportPattern::Name(_)) || !is_pattern(text) {
            let message = format!("{} is not an export: an interface or a plain name", quote(text));
            self.problems.push(Problem::error(message).at(span));
            return None;
        }
        Some(text.to_owned())
    }

    fn mode(&mut self, table: &Table) -> LinkMode {
        match values::text(table, "mode") {
            Some(("isolated", _)) => LinkMode::Isolated(self.isolation(table)),
            Some(("remote", span)) => {
                let message = "links of mode `remote` are not there yet";
                let hint = "`isolated` gives the other component a fate of its own on this machine";
                self.problems.push(Problem::error(message).at(span).hint(hint));
                LinkMode::Fused
            }
            _ => {
                for key in OF_ISOLATED {
                    if let Some(entry) = table.get(key) {
                        let message = format!("`{key}` is for isolated links only");
                        let hint = "add `mode = \"isolated\"`: components that are fused fail together";
                        self.problems
                            .push(Problem::error(message).at(&entry.key_span).hint(hint));
                    }
                }
                LinkMode::Fused
            }
        }
    }

    fn isolation(&mut self, table: &Table) -> Isolation {
        let mut isolation = Isolation {
            on_failure: self.on_failure(table).unwrap_or_default(),
            ..Isolation::default()
        };
        let mut names: BTreeSet<String> = BTreeSet::new();
        match table.node("idempotent").map(|node| &node.value) {
            Some(Value::Boolean(true)) => isolation.idempotent = Idempotent::All,
            Some(Value::List(_)) => {
                let listed = values::texts(table, "idempotent");
                names.extend(listed.into_iter().map(|(name, _)| name.to_owned()));
            }
            _ => {}
        }
        let functions = values::table(table, "functions").map_or(&[][..], |functions| functions.entries());
        for entry in functions.iter().take(ENTRIES_MAX) {
            let Value::Table(function) = &entry.node.value else {
                continue;
            };
            if let Some(on_failure) = self.on_failure(function) {
                isolation.functions.insert(entry.key.clone(), on_failure);
            }
            match function.node("idempotent").map(|node| &node.value) {
                Some(Value::Boolean(true)) => drop(names.insert(entry.key.clone())),
                Some(Value::Boolean(false)) if isolation.idempotent == Idempotent::All => {
                    let message = format!("all functions are idempotent here, and `{}` is not", entry.key);
                    let hint = "list those that are: `idempotent = [\"…\"]`";
                    self.problems
                        .push(Problem::error(message).at(&entry.key_span).hint(hint));
                }
                _ => {}
            }
        }
        if let Idempotent::Named(named) = &mut isolation.idempotent {
            *named = names;
        }
        self.read(table, "retry", &mut isolation.retries, parse_retries);
        if let (Idempotent::Named(named), Some(entry)) = (&isolation.idempotent, table.get("retry"))
            && isolation.retries > 0
            && named.is_empty()
        {
            let message = "only calls of idempotent functions are made again, and none is";
            let hint = "add `idempotent = true`, or name the functions: `idempotent = [\"…\"]`";
            self.problems
                .push(Problem::error(message).at(&entry.key_span).hint(hint));
        }
        isolation
    }

    fn on_failure(&mut self, table: &Table) -> Option<OnFailure> {
        let node = table.node("on-failure")?;
        let Value::Table(answer) = &node.value else {
            return Some(OnFailure::Trap);
        };
        let text = |key| values::text(answer, key).map(|(text, _)| text.to_owned());
        match (text("error"), text("value")) {
            (Some(error), None) => Some(OnFailure::Error(error)),
            (None, Some(value)) => Some(OnFailure::Value(value)),
            (Some(_), Some(_)) => {
                let message = "`error` and `value` cannot both be the answer";
                self.problems.push(Problem::error(message).at(&node.span));
                None
            }
            (None, None) => {
                if answer.entries().is_empty() {
                    let message = "`on-failure` says nothing";
                    let hint = "write `\"trap\"`, `{ error = \"…\" }` or `{ value = \"…\" }`";
                    self.problems
                        .push(Problem::error(message).at(&node.span).hint(hint));
                }
                None
            }
        }
    }
}

/// Keys that say something of calls that fail.
const OF_ISOLATED: [&str; 4] = ["on-failure", "functions", "retry", "idempotent"];

fn parse_retries(text: &str) -> Result<u32, String> {
    super::limits::parse_within(text, 0..=100)
}

/// `*`, a plain name, a package or an interface, the latter two with or without a version.
fn is_pattern(text: &str) -> bool {
    if text == "*" {
        return true;
    }
    let (path, version) = weft_app::link::split_version(text);
    let version_is_fine = version.is_none_or(|version| {
        !version.is_empty()
            && version
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte))
    });
    let path_is_fine = match path.split_once(':') {
        None => version.is_none() && is_word(path),
        Some((namespace, rest)) => {
            let (package, interface) = rest.split_once('/').unwrap_or((rest, "interface"));
            [namespace, package, interface].into_iter().all(is_word)
        }
    };
    version_is_fine && path_is_fine
}

/// A word of WIT: letters, digits and single hyphens. Acronyms in capitals are allowed.
pub(super) fn is_word(text: &str) -> bool {
    text.split('-').enumerate().all(|(at, part)| {
        let begins_well = |first: char| first.is_ascii_alphabetic() || (at > 0 && first.is_ascii_digit());
        part.starts_with(begins_well) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::is_pattern;

    #[test]
    fn a_pattern_is_an_interface_a_package_a_name_or_everything() {
        for text in [
            "*",
            "render",
            "docs:markup",
            "docs:markup@1.0.0",
            "docs:markup/render",
            "docs:markup/render@1.0.0-rc.1",
            "a-b:c-d/e-f2",
        ] {
            assert!(is_pattern(text), "{text}");
        }
        for text in [
            "",
            "a b",
            "docs:",
            "docs:markup/",
            ":a",
            "a:b/c/d",
            "a:b@",
            "render@1.0.0",
            "*/x",
            "docs/markup",
            "a:b/*",
            "-a",
            "a_b",
        ] {
            assert!(!is_pattern(text), "{text}");
        }
    }
}
