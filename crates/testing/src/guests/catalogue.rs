//! Which guests there are and how each is made. `docs/guests.md` says what they are for.

use std::fmt;

use anyhow::{Context as _, Result};

use super::sources;

/// A guest program.
#[derive(Clone, Debug)]
pub struct Guest {
    /// What tests call it; the binary is this name with `.wasm` behind it.
    pub name: String,
    /// How it is made.
    pub recipe: Recipe,
}

/// How a guest is made.
#[derive(Clone, Debug)]
pub enum Recipe {
    /// By cargo, from a package of the workspace `guests/`.
    Rust {
        /// The package's name, which is also its folder's.
        package: &'static str,
        /// What it is compiled for.
        target: Target,
    },
    /// From the text format.
    Text {
        /// The file, from `guests/` on.
        file: String,
    },
    /// By the tool chain of another language, from the folder `guests/LANGUAGE`.
    Foreign {
        /// Whose tool chain.
        language: Language,
        /// The main source file, in the language's folder.
        source: &'static str,
        /// What comes out.
        form: Form,
    },
}

/// What a Rust guest is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A core module of WASI preview 1.
    Preview1,
    /// A component. Those of 0.3 are built for this target too, and bring their own bindings.
    Preview2,
}

impl Target {
    /// The name that rustc knows.
    #[must_use]
    pub fn triple(self) -> &'static str {
        match self {
            Self::Preview1 => "wasm32-wasip1",
            Self::Preview2 => "wasm32-wasip2",
        }
    }
}

/// A language other than Rust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Compiled by zig's clang.
    C,
    /// Compiled by Go's own compiler.
    Go,
    /// Compiled by asc.
    AssemblyScript,
    /// Bundled with an engine by componentize-js.
    JavaScript,
    /// Bundled with an interpreter by componentize-py.
    Python,
}

impl Language {
    /// The folder of its guests, in `guests/`.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            Self::C => "c",
            Self::Go => "go",
            Self::AssemblyScript => "assemblyscript",
            Self::JavaScript => "javascript",
            Self::Python => "python",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::C => "C",
            Self::Go => "Go",
            Self::AssemblyScript => "AssemblyScript",
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
        })
    }
}

/// What a foreign tool chain makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A core module of preview 1.
    Module,
    /// A component; from a core module through the preview 1 adapter where the tool chain makes only those.
    Component,
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rust { target, .. } => f.write_str(target.triple()),
            Self::Text { .. } => f.write_str("text"),
            Self::Foreign {
                language,
                form: Form::Module,
                ..
            } => write!(f, "{language}, module"),
            Self::Foreign {
                language,
                form: Form::Component,
                ..
            } => write!(f, "{language}, component"),
        }
    }
}

/// The Rust guests: name, package, target.
const RUST: &[(&str, &str, Target)] = &[
    ("blobstore", "blobstore", Target::Preview2),
    ("blobstore_wasmcloud", "blobstore_wasmcloud", Target::Preview2),
    ("flows", "flows", Target::Preview2),
    ("flows_caller", "flows_caller", Target::Preview2),
    ("hello.p1", "hello", Target::Preview1),
    ("hello.p2", "hello", Target::Preview2),
    ("probe.p1", "probe", Target::Preview1),
    ("probe.p2", "probe", Target::Preview2),
    ("probe_p3", "probe_p3", Target::Preview2),
    ("sql_p3", "sql_p3", Target::Preview2),
    ("sql_spin", "sql_spin", Target::Preview2),
    ("time_teller.p1", "time_teller", Target::Preview1),
    ("http_client", "http_client", Target::Preview2),
    ("http_client_p3", "http_client_p3", Target::Preview2),
    ("keyvalue", "keyvalue", Target::Preview2),
    ("keyvalue_draft", "keyvalue_draft", Target::Preview2),
    ("keyvalue_spin", "keyvalue_spin", Target::Preview2),
    ("keyvalue_spin_p3", "keyvalue_spin_p3", Target::Preview2),
    ("keyvalue_wasmcloud", "keyvalue_wasmcloud", Target::Preview2),
    ("keyvalue_watcher", "keyvalue_watcher", Target::Preview2),
    (
        "keyvalue_watcher_draft",
        "keyvalue_watcher_draft",
        Target::Preview2,
    ),
    (
        "keyvalue_watcher_wasmcloud",
        "keyvalue_watcher_wasmcloud",
        Target::Preview2,
    ),
    ("messages", "messages", Target::Preview2),
    ("messages_sender", "messages_sender", Target::Preview2),
    ("messages_wasmcloud", "messages_wasmcloud", Target::Preview2),
    ("messages_wasmcloud_p3", "messages_wasmcloud_p3", Target::Preview2),
    ("values", "values", Target::Preview2),
    ("values_p3", "values_p3", Target::Preview2),
    ("web", "web", Target::Preview2),
    ("web_p3", "web_p3", Target::Preview2),
];

/// The guests of other languages: name, language, main source, form.
const FOREIGN: &[(&str, Language, &str, Form)] = &[
    ("hello.c", Language::C, "hello.c", Form::Module),
    ("hello.c.p2", Language::C, "hello.c", Form::Component),
    ("files.c", Language::C, "files.c", Form::Module),
    ("files.c.p2", Language::C, "files.c", Form::Component),
    ("hello.go", Language::Go, "hello.go", Form::Module),
    ("hello.go.p2", Language::Go, "hello.go", Form::Component),
    (
        "hello.assemblyscript",
        Language::AssemblyScript,
        "hello.ts",
        Form::Module,
    ),
    (
        "hello.javascript",
        Language::JavaScript,
        "hello.js",
        Form::Component,
    ),
    ("hello.python", Language::Python, "hello.py", Form::Component),
];

/// Every guest, sorted as a person would look for it: Rust, text, other languages.
///
/// # Errors
///
/// Where the folder `guests/wat` cannot be read.
pub fn list() -> Result<Vec<Guest>> {
    let mut guests: Vec<Guest> = RUST
        .iter()
        .map(|&(name, package, target)| Guest {
            name: name.into(),
            recipe: Recipe::Rust { package, target },
        })
        .collect();
    guests.extend(texts()?);
    guests.extend(FOREIGN.iter().map(|&(name, language, source, form)| Guest {
        name: name.into(),
        recipe: Recipe::Foreign {
            language,
            source,
            form,
        },
    }));
    Ok(guests)
}

/// A guest for every file in `guests/wat`, named like the file.
fn texts() -> Result<Vec<Guest>> {
    let mut names = Vec::new();
    for entry in fs_err::read_dir(sources().join("wat"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".wat") {
            names.push(name);
        }
    }
    names.sort();
    let guest = |name: String| Guest {
        recipe: Recipe::Text {
            file: format!("wat/{name}"),
        },
        name,
    };
    Ok(names.into_iter().map(guest).collect())
}

/// The guest of a name.
///
/// # Errors
///
/// Where there is none.
pub fn find(name: &str) -> Result<Guest> {
    let guest = list()?.into_iter().find(|guest| guest.name == name);
    guest.with_context(|| format!("no guest is called `{name}`; `cargo xtask guests --list` shows them all"))
}

impl Guest {
    /// Whether a machine with nothing but Rust can build it.
    #[must_use]
    pub fn needs_only_rust(&self) -> bool {
        !matches!(self.recipe, Recipe::Foreign { .. })
    }

    /// The files and folders that decide what the binary is, from the root of the repository on.
    pub(super) fn inputs(&self) -> Vec<String> {
        match &self.recipe {
            Recipe::Rust { package, .. } => vec![
                "rust-toolchain.toml".into(),
                "guests/Cargo.toml".into(),
                "guests/Cargo.lock".into(),
                format!("guests/{package}"),
            ],
            Recipe::Text { file } => vec![format!("guests/{file}")],
            Recipe::Foreign { language, .. } => vec![format!("guests/{}", language.folder())],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{FOREIGN, Recipe, list};
    use crate::guests::sources;

    #[test]
    fn every_package_of_the_guest_workspace_is_in_the_catalogue() {
        let listed: BTreeSet<String> = list()
            .unwrap()
            .into_iter()
            .filter_map(|guest| match guest.recipe {
                Recipe::Rust { package, .. } => Some(package.to_string()),
                _ => None,
            })
            .collect();
        let folders: BTreeSet<String> = fs_err::read_dir(sources())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.join("Cargo.toml").is_file())
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(listed, folders);
    }

    #[test]
    fn every_source_of_another_language_is_there() {
        for (name, language, source, _) in FOREIGN {
            let path = sources().join(language.folder()).join(source);
            assert!(
                path.is_file(),
                "guest `{name}` has no source `{}`",
                path.display()
            );
        }
    }

    #[test]
    fn names_are_unique() {
        let guests = list().unwrap();
        let names: BTreeSet<&str> = guests.iter().map(|guest| guest.name.as_str()).collect();
        assert_eq!(names.len(), guests.len());
    }
}
