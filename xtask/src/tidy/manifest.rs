//! What a `Cargo.toml` says about dependencies. Reads the forms that this repository uses, line by line, so that a
//! check of a few names does not bring a parser into the build.

/// A crate that a manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dependency {
    /// Where, from 1.
    pub(super) line: usize,
    /// The name of the package.
    pub(super) package: String,
    /// What it is for.
    pub(super) purpose: Purpose,
}

/// What a dependency is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The product, or building it.
    Product,
    /// Tests and benches.
    Tests,
}

/// Where the reader is.
enum Section {
    Package,
    /// A table whose keys are the names of crates.
    Dependencies(Purpose),
    /// A table about one crate.
    OneDependency(Purpose),
    Other,
}

/// The package's name.
pub(super) fn package_name(manifest: &str) -> Option<&str> {
    let mut section = Section::Other;
    for line in manifest.lines() {
        match header(line) {
            Some(header) => section = classify(header).0,
            None if matches!(section, Section::Package) && key(line) == Some("name") => {
                return string_value(line);
            }
            None => {}
        }
    }
    None
}

/// The dependencies of every kind. A crate that is renamed counts under the name of its package.
pub(super) fn dependencies(manifest: &str) -> Vec<Dependency> {
    let mut found = Vec::new();
    let mut section = Section::Other;
    for (line_number, line) in (1..).zip(manifest.lines()) {
        let mut add = |package: &str, purpose| {
            found.push(Dependency {
                line: line_number,
                package: package.to_owned(),
                purpose,
            });
        };
        if let Some(header) = header(line) {
            let (entered, named) = classify(header);
            if let (Section::OneDependency(purpose), Some(package)) = (&entered, named) {
                add(package, *purpose);
            }
            section = entered;
            continue;
        }
        match (&section, key(line)) {
            (Section::Dependencies(purpose), Some(name)) => {
                add(renamed(line).unwrap_or(name), *purpose);
            }
            (Section::OneDependency(purpose), Some("package")) => {
                if let Some(package) = string_value(line) {
                    add(package, *purpose);
                }
            }
            _ => {}
        }
    }
    found
}

/// What stands between the brackets of a table's header.
fn header(line: &str) -> Option<&str> {
    line.trim().strip_prefix('[')?.strip_suffix(']')
}

/// The kind of a table, and the crate that its header names.
fn classify(header: &str) -> (Section, Option<&str>) {
    if header == "package" {
        return (Section::Package, None);
    }
    if header.starts_with("workspace.") {
        return (Section::Other, None);
    }
    let (before, last) = header.rsplit_once('.').unwrap_or(("", header));
    let around = before.rsplit_once('.').map_or(before, |(_, around)| around);
    match (purpose(last), purpose(around)) {
        (Some(purpose), _) => (Section::Dependencies(purpose), None),
        (None, Some(purpose)) => (Section::OneDependency(purpose), Some(last)),
        (None, None) => (Section::Other, None),
    }
}

fn purpose(table: &str) -> Option<Purpose> {
    match table {
        "dependencies" | "build-dependencies" => Some(Purpose::Product),
        "dev-dependencies" => Some(Purpose::Tests),
        _ => None,
    }
}

/// The key of a line, up to its first dot.
fn key(line: &str) -> Option<&str> {
    let (key, _) = line.split_once('=')?;
    let key = key.split('.').next().unwrap_or_default().trim().trim_matches('"');
    (!key.is_empty() && !key.starts_with('#')).then_some(key)
}

/// The first string after the first equals sign.
fn string_value(line: &str) -> Option<&str> {
    line.split_once('=')?.1.split('"').nth(1)
}

/// The package in `name = { package = "…" }`.
fn renamed(line: &str) -> Option<&str> {
    let (_, after) = line.split_once("package")?;
    string_value(after)
}

#[cfg(test)]
mod tests {
    use super::{Purpose, dependencies, package_name};

    const MANIFEST: &str = r#"
[package]
name = "weft-cart"

[dependencies]
# a comment = with an equals sign
bytes.workspace = true
alias = { package = "wasmtime", version = "1" }

[target.'cfg(target_os = "linux")'.dependencies.rustix]
version = "1"

[build-dependencies]
made = "1"

[dev-dependencies]
"weft-testing" = { workspace = true }

[lints]
workspace = true
"#;

    #[test]
    fn every_way_to_name_a_dependency_is_read() {
        use Purpose::{Product, Tests};
        let found = dependencies(MANIFEST);
        let found: Vec<_> = found
            .iter()
            .map(|found| (found.line, found.package.as_str(), found.purpose))
            .collect();
        assert_eq!(
            found,
            [
                (7, "bytes", Product),
                (8, "wasmtime", Product),
                (10, "rustix", Product),
                (14, "made", Product),
                (17, "weft-testing", Tests),
            ]
        );
    }

    #[test]
    fn the_name_is_the_packages() {
        assert_eq!(package_name(MANIFEST), Some("weft-cart"));
        assert_eq!(package_name("[lib]\nname = \"x\"\n"), None);
    }
}
