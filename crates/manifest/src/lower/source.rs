//! Where a component's bytes come from.

use std::ops::Range;
use std::path::PathBuf;

use weft_app::Source;

use super::values::{self, Text};
use super::{Lowering, refused};
use crate::diagnostic::quote;
use crate::document::{Table, Value};
use crate::problems::Problem;

/// Stands where a source could not be read; a problem was told.
const UNREADABLE: Source = Source::File(PathBuf::new());

impl Lowering<'_> {
    pub(super) fn source(&mut self, component: &Table) -> Source {
        let Some(entry) = component.get("source") else {
            return UNREADABLE;
        };
        let source = match &entry.node.value {
            Value::Text(text) => {
                self.warn_of_package_as_path(text, &entry.node.span);
                self.path((text, &entry.node.span)).map(Source::File)
            }
            Value::Table(table) => self.source_table(table, &entry.key_span),
            _ => None,
        };
        source.unwrap_or(UNREADABLE)
    }

    /// `{ file }`, `{ folder, build, file }` or `{ package }`.
    fn source_table(&mut self, table: &Table, place: &Range<usize>) -> Option<Source> {
        let [file, folder, build, package] = ["file", "folder", "build", "package"].map(|key| table.get(key));
        if let Some(package) = package {
            for other in [file, folder, build].into_iter().flatten() {
                let message = format!("a package has no `{}`", other.key);
                let problem = Problem::error(message).at(&other.key_span);
                self.problems.push(problem.note("the package", &package.key_span));
            }
            return self.package(values::text_of(&package.node)?);
        }
        let mut needs = |key: &str, because: &str| {
            let message = format!("the source has no `{key}`{because}");
            self.problems.push(
                Problem::error(message)
                    .at(place)
                    .hint("a source is `{ file }`, `{ folder, build, file }` or `{ package }`"),
            );
        };
        if file.is_none() {
            needs("file", "");
        }
        match (folder, build) {
            (Some(_), None) => needs("build", ": a folder is built"),
            (None, Some(_)) => needs("folder", ": a build command runs in one"),
            _ => {}
        }
        let file_text = values::text_of(&file?.node)?;
        let (Some(folder), Some(build)) = (folder, build) else {
            return self.path(file_text).map(Source::File);
        };
        let folder = self.path(values::text_of(&folder.node)?)?;
        let (command, span) = values::text_of(&build.node)?;
        if command.trim().is_empty() || command.contains('\0') {
            self.problems
                .push(Problem::error("the build command is empty or holds a zero byte").at(span));
        }
        Some(Source::Build {
            file: folder.join(self.checked_path(file_text)?),
            folder,
            command: command.to_owned(),
        })
    }

    /// A path, relative to the folder of the manifest.
    pub(super) fn path(&mut self, text: Text<'_>) -> Option<PathBuf> {
        let path = self.checked_path(text)?;
        Some(self.context.folder.join(path))
    }

    fn checked_path<'t>(&mut self, (text, span): Text<'t>) -> Option<&'t str> {
        let reason = if text.is_empty() {
            "an empty path"
        } else if text.contains('\0') {
            "a path that holds a zero byte"
        } else {
            return Some(text);
        };
        self.problems.push(Problem::error(reason).at(span));
        None
    }

    fn package(&mut self, (text, span): Text<'_>) -> Option<Source> {
        if is_package(text) {
            return Some(Source::Package(text.to_owned()));
        }
        let message = format!("{} is not a package: `NAMESPACE:NAME[@VERSION]`", quote(text));
        self.problems.push(refused(message, span));
        None
    }

    fn warn_of_package_as_path(&mut self, text: &str, span: &Range<usize>) {
        let is_address = ["http://", "https://", "oci://"]
            .iter()
            .any(|scheme| text.starts_with(scheme));
        if is_package(text) || is_address {
            let message = format!("{} is read as the path of a file", quote(text));
            let hint = if is_address {
                "components come from files, folders and packages; save the file beside the manifest"
                    .to_owned()
            } else {
                format!("a package is written `source = {{ package = \"{text}\" }}`")
            };
            self.problems.push(Problem::warning(message).at(span).hint(hint));
        }
    }
}

/// `NAMESPACE:NAME[@VERSION]`, of words as in WIT.
fn is_package(text: &str) -> bool {
    let (path, version) = weft_app::link::split_version(text);
    let is_version = |version: &str| {
        version.starts_with(|first: char| first.is_ascii_digit())
            && version
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte))
    };
    let mut words = path.split(':');
    let both_are_words = [words.next(), words.next()]
        .iter()
        .all(|word| word.is_some_and(super::links::is_word));
    both_are_words && words.next().is_none() && version.is_none_or(is_version)
}

#[cfg(test)]
mod tests {
    use super::is_package;

    #[test]
    fn a_package_has_namespace_and_name() {
        for text in ["docs:markup", "docs:markup@1.2.0", "a:b-c2@0.1.0-rc.1+x"] {
            assert!(is_package(text), "{text}");
        }
        for text in [
            "",
            "docs",
            "docs:",
            ":a",
            "a:b:c",
            "a:b/c",
            "a:b@",
            "a:b@latest",
            "C:\\x",
            "a b:c",
            "a:b@1@2",
        ] {
            assert!(!is_package(text), "{text}");
        }
    }
}
