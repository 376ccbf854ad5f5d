//! Files that have grown long enough to ask whether there are two subjects in them. Told, never a failure: tables
//! and tests may be long.

use super::tree::Tree;

/// Lines beyond which it is told.
const LINES_MAX: usize = 500;

/// One sentence for each long Rust file.
pub(super) fn notes(tree: &Tree) -> Vec<String> {
    tree.files()
        .filter(|file| file.is_workspace_rust())
        .map(|file| (file.path.as_str(), file.text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(path, lines)| format!("`{path}` is {lines} lines: are there two subjects in it?"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::notes;

    #[test]
    fn a_long_file_is_told_with_its_length() {
        let (long, short) = ("\n".repeat(501), "\n".repeat(500));
        let tree = Tree::of(&[("crates/a/src/long.rs", &long), ("crates/a/src/short.rs", &short)]);
        assert_eq!(
            notes(&tree),
            ["`crates/a/src/long.rs` is 501 lines: are there two subjects in it?"]
        );
    }
}
