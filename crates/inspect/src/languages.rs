//! Which languages and tools made a file: what its producers sections say, and well-known names in it.

use std::collections::{BTreeMap, BTreeSet};

use crate::structure::Part;

/// A language that a part of the file was written in, and how that was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Language {
    /// The language, such as `Rust`.
    pub name: String,
    /// What says so: `producers`, or the name in the file that gives it away.
    pub sign: String,
}

/// Names of functions, exports, modules and custom sections that only one family of tools writes.
const SIGNS: &[(&str, &str)] = &[
    ("go:buildid", "Go"),
    ("_rt0_wasm_wasip1", "Go"),
    ("runtime.alloc", "Go (TinyGo)"),
    ("__rtti_base", "AssemblyScript"),
    ("~lib/", "AssemblyScript"),
    ("componentize-py", "Python"),
    ("libcomponentize_py_runtime.so", "Python"),
    ("Py_InitializeFromConfig", "Python"),
    ("mono_wasm_load_runtime", "C#"),
    ("ruby_init", "Ruby"),
    ("swift_retain", "Swift"),
    ("rust_begin_unwind", "Rust"),
    ("__rust_alloc", "Rust"),
    ("__wasm_call_ctors", "C or another language through LLVM"),
];

/// Tools in producers sections that speak for a language.
const TOOLS: &[(&str, &str)] = &[
    ("rustc", "Rust"),
    ("tinygo", "Go (TinyGo)"),
    ("componentize-js", "JavaScript"),
    ("componentizejs", "JavaScript"),
    ("starlingmonkey", "JavaScript"),
    ("componentize-py", "Python"),
    ("assemblyscript", "AssemblyScript"),
    ("zig", "Zig"),
    ("grain", "Grain"),
    ("moonc", "MoonBit"),
    ("kotlin", "Kotlin"),
    ("swift", "Swift"),
];

/// Gives the sign that a name is, if it is one.
pub(crate) fn sign(name: &str) -> Option<&'static str> {
    let found = SIGNS
        .iter()
        .find(|(sign, _)| *sign == name || name.strip_suffix(".wasm") == Some(*sign));
    if let Some((sign, _)) = found {
        return Some(sign);
    }
    if name.starts_with("__rustc[") {
        return Some("__rust_alloc");
    }
    // The standard library of AssemblyScript lives under this path.
    if name.starts_with("~lib/") {
        return Some("~lib/");
    }
    // The interpreter travels as a library with its version in the name.
    name.starts_with("libpython3.").then_some("componentize-py")
}

/// The languages of a file, in alphabetical order; the surest sign of each.
pub(crate) fn of(root: &Part) -> Vec<Language> {
    let mut found = BTreeMap::new();
    let mut signs = BTreeSet::new();
    root.each(&mut |part| {
        for producer in &part.producers {
            if producer.field == "language" {
                found
                    .entry(language_name(&producer.name))
                    .or_insert_with(|| "producers".to_owned());
                continue;
            }
            let name = producer.name.to_lowercase();
            if let Some((_, language)) = TOOLS.iter().find(|(tool, _)| name == *tool) {
                found
                    .entry((*language).to_owned())
                    .or_insert_with(|| producer.name.clone());
            }
        }
        signs.extend(part.signs.iter().copied());
    });
    // From sure to vague: the last sign only says that LLVM was there, which a named language explains.
    for (sign, language) in SIGNS {
        let is_vague = *sign == "__wasm_call_ctors";
        let is_known = found.keys().any(|name: &String| name.as_str() == *language);
        if signs.contains(sign) && !is_known && (found.is_empty() || !is_vague) {
            found.insert((*language).to_owned(), (*sign).to_owned());
        }
    }
    found
        .into_iter()
        .map(|(name, sign)| Language { name, sign })
        .collect()
}

/// Compilers write language standards (`C11`, `C_plus_plus_14`); a person wants the language.
fn language_name(written: &str) -> String {
    if written.starts_with("C_plus_plus") || written.starts_with("C++") {
        return "C++".to_owned();
    }
    let is_c = written
        .strip_prefix('C')
        .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    if is_c { "C".to_owned() } else { written.to_owned() }
}
