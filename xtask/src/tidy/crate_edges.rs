//! Which crate may use which: the direction of the house, and who may know of WebAssembly.

use super::Problem;
use super::manifest::{self, Purpose};
use super::tree::{File, Tree};

/// What a crate of the workspace may name in its manifest.
struct Allowed {
    package: &'static str,
    /// Crates of the workspace.
    ours: &'static [&'static str],
    /// Crates that know WebAssembly. `wasmtime*` stands for the engine and all that belongs to it.
    webassembly: &'static [&'static str],
}

/// Helpers for tests, which any crate may use in its tests.
const FOR_TESTS: &str = "weft-testing";

/// The allowed edges. Whoever is not here may not exist: a new crate is a decision, and a line.
const TABLE: &[Allowed] = &[
    Allowed {
        package: "weft",
        ours: &[
            "weft-app",
            "weft-compose",
            "weft-inspect",
            "weft-manifest",
            "weft-node",
            "weft-runtime",
            "weft-serve",
            "weft-services",
            "weft-stores",
        ],
        webassembly: &[],
    },
    Allowed {
        package: "weft-node",
        ours: &[
            "weft-app",
            "weft-compose",
            "weft-inspect",
            "weft-manifest",
            "weft-runtime",
            "weft-serve",
            "weft-services",
        ],
        webassembly: &[],
    },
    Allowed {
        package: "weft-serve",
        ours: &["weft-app"],
        webassembly: &[],
    },
    Allowed {
        package: "weft-services",
        ours: &["weft-app", "weft-runtime", "weft-stores"],
        webassembly: &["wasmtime*"],
    },
    Allowed {
        package: "weft-stores",
        ours: &["weft-app"],
        webassembly: &[],
    },
    Allowed {
        package: "weft-runtime",
        ours: &["weft-app", "weft-countdown"],
        webassembly: &["wasmtime*"],
    },
    Allowed {
        package: "weft-compose",
        ours: &["weft-app", "weft-inspect", "weft-sections"],
        webassembly: &[
            "wac-graph",
            "wac-types",
            "wasm-wave",
            "wasmparser",
            "wasi-preview1-component-adapter-provider",
            "wit-component",
        ],
    },
    Allowed {
        package: "weft-inspect",
        ours: &[],
        webassembly: &["wasmparser", "wasmprinter", "wast", "wit-component", "wit-parser"],
    },
    Allowed {
        package: "weft-countdown",
        ours: &["weft-sections"],
        webassembly: &["wasmparser"],
    },
    Allowed {
        package: "weft-sections",
        ours: &[],
        webassembly: &["wasmparser"],
    },
    Allowed {
        package: "weft-manifest",
        ours: &["weft-app"],
        webassembly: &[],
    },
    Allowed {
        package: "weft-app",
        ours: &[],
        webassembly: &[],
    },
    Allowed {
        package: FOR_TESTS,
        ours: &[],
        webassembly: &["wat"],
    },
    Allowed {
        package: "weft-fuzz-properties",
        ours: &["weft-app", "weft-inspect", "weft-runtime", "weft-serve"],
        webassembly: &[],
    },
    Allowed {
        package: "weft-fuzz",
        ours: &["weft-fuzz-properties"],
        webassembly: &[],
    },
    Allowed {
        package: "xtask",
        ours: &[FOR_TESTS],
        webassembly: &["wit-component", "wasi-preview1-component-adapter-provider"],
    },
];

/// Checks the manifest of every crate.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let is_manifest = |file: &&File| {
        let folders: Vec<&str> = file.path.split('/').collect();
        matches!(
            folders.as_slice(),
            ["crates", _, "Cargo.toml"]
                | ["fuzz", "properties", "Cargo.toml"]
                | ["fuzz" | "xtask", "Cargo.toml"]
        )
    };
    tree.files()
        .filter(is_manifest)
        .flat_map(check_manifest)
        .collect()
}

fn check_manifest(file: &File) -> Vec<Problem> {
    let Some(package) = manifest::package_name(&file.text) else {
        return vec![Problem::new(&file.path, 1, "no package is named")];
    };
    let Some(allowed) = TABLE.iter().find(|allowed| allowed.package == package) else {
        let what = format!("crate `{package}` is not in the table of `{}`", file!());
        return vec![Problem::new(&file.path, 1, what)];
    };
    let mut problems = Vec::new();
    for dependency in manifest::dependencies(&file.text) {
        let other = dependency.package.as_str();
        let is_for_tests = dependency.purpose == Purpose::Tests;
        let is_fine = if is_ours(other) {
            allowed.ours.contains(&other) || (is_for_tests && other == FOR_TESTS)
        } else {
            !knows_webassembly(other) || is_for_tests || stands_in(other, allowed.webassembly)
        };
        if !is_fine {
            let what = format!("crate `{package}` may not use `{other}`");
            problems.push(Problem::new(&file.path, dependency.line, what));
        }
    }
    problems
}

fn is_ours(package: &str) -> bool {
    package.starts_with("weft") || TABLE.iter().any(|allowed| allowed.package == package)
}

fn knows_webassembly(package: &str) -> bool {
    let beginnings = ["wac-", "wasm", "wasi", "wit-", "cranelift", "wiggle", "winch"];
    ["wat", "wast"].contains(&package) || beginnings.iter().any(|beginning| package.starts_with(beginning))
}

fn stands_in(package: &str, list: &[&str]) -> bool {
    list.iter().any(|entry| match entry.strip_suffix('*') {
        Some(beginning) => package.starts_with(beginning),
        None => *entry == package,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::check;

    fn wrong(package: &str, rest: &str) -> Vec<String> {
        let manifest = format!("[package]\nname = \"{package}\"\n{rest}");
        let problems = check(&Tree::of(&[("crates/x/Cargo.toml", &manifest)]));
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn edges_of_the_table_are_allowed() {
        assert!(
            wrong(
                "weft-runtime",
                "[dependencies]\nweft-app.workspace = true\nwasmtime-wasi = \"1\"\n"
            )
            .is_empty()
        );
        assert!(
            wrong(
                "weft-app",
                "[dev-dependencies]\nweft-testing.workspace = true\nwat = \"1\"\n"
            )
            .is_empty()
        );
        assert!(wrong("xtask", "[dependencies]\nweft-testing.workspace = true\n").is_empty());
    }

    #[test]
    fn an_edge_against_the_direction_is_told_with_its_line() {
        assert_eq!(
            wrong("weft-app", "[dependencies]\nweft-runtime.workspace = true\n"),
            ["crates/x/Cargo.toml:4: crate `weft-app` may not use `weft-runtime`"]
        );
        assert_eq!(
            wrong(
                "weft-inspect",
                "[dev-dependencies]\nweft-runtime.workspace = true\n"
            )
            .len(),
            1
        );
        assert_eq!(wrong("weft", "[dependencies]\nxtask.workspace = true\n").len(), 1);
    }

    #[test]
    fn helpers_for_tests_are_never_a_normal_dependency() {
        assert_eq!(
            wrong("weft", "[dependencies]\nweft-testing.workspace = true\n").len(),
            1
        );
    }

    #[test]
    fn the_engine_is_named_by_two_crates_only() {
        assert_eq!(
            wrong("weft", "[dependencies]\nwasmtime.workspace = true\n").len(),
            1
        );
        assert_eq!(
            wrong(
                "weft",
                "[dependencies]\nalias = { package = \"wasmtime-wasi\" }\n"
            )
            .len(),
            1
        );
        assert_eq!(
            wrong(
                "weft-inspect",
                "[build-dependencies]\ncranelift-codegen = \"1\"\n"
            )
            .len(),
            1
        );
    }

    #[test]
    fn a_crate_that_nobody_decided_on_is_told() {
        assert_eq!(wrong("weft-surprise", "").len(), 1);
    }
}
