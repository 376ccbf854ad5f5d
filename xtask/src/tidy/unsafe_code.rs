//! `unsafe` stands in three files only.

use super::Problem;
use super::rust_source::code_of;
use super::tree::Tree;

/// What cannot be done otherwise: loading machine code, telling the engine how values lie in a guest, and standing
/// between SQLite and its files.
const ALLOWED: [&str; 3] = [
    "crates/runtime/src/precompiled.rs",
    "crates/runtime/src/bridge/typed.rs",
    "crates/stores/src/sql/sqlite/sums/vfs.rs",
];

/// Checks the code of the workspace, tests included.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in tree
        .files()
        .filter(|file| file.is_workspace_rust() && !ALLOWED.contains(&file.path.as_str()))
    {
        for (number, line) in (1..).zip(code_of(&file.text).lines()) {
            let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            if words.any(|word| word == "unsafe") {
                let what = format!("`unsafe` is allowed in `{}` only", ALLOWED.join("` and `"));
                problems.push(Problem::new(&file.path, number, what));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::{ALLOWED, check};

    #[test]
    fn unsafe_code_is_told_and_talk_about_it_is_not() {
        let code = "fn f() {\n    unsafe { g() }\n}\n";
        let talk = "//! Not `unsafe`.\n#![deny(unsafe_code)]\nconst A: &str = \"unsafe\";\n";
        let tree = Tree::of(&[
            ("crates/a/src/lib.rs", code),
            ("crates/b/src/lib.rs", talk),
            (ALLOWED[0], code),
        ]);
        let problems = check(&tree);
        assert_eq!(problems.len(), 1);
        assert_eq!(
            (problems[0].path.as_str(), problems[0].line),
            ("crates/a/src/lib.rs", 2)
        );
    }
}
