//! Every module says at its top what it is.

use super::Problem;
use super::tree::Tree;

/// Checks the first line of every file of product code.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    tree.files()
        .filter(|file| file.is_product_code() && !file.text.starts_with("//!"))
        .map(|file| {
            Problem::new(
                &file.path,
                1,
                "the module does not open with `//!`: what it is and where it sits",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::check;

    #[test]
    fn a_module_without_its_sentence_is_told() {
        let tree = Tree::of(&[
            ("crates/a/src/told.rs", "use std::fmt;\n"),
            ("crates/a/src/fine.rs", "//! Fine.\n"),
            ("crates/a/tests/it/main.rs", "mod a_test;\n"),
            ("guests/hello/src/main.rs", "fn main() {}\n"),
        ]);
        let problems = check(&tree);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].path, "crates/a/src/told.rs");
    }
}
