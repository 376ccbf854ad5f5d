//! Words that do not belong in a file: work put off without an issue, and the paths of somebody's machine.

use super::Problem;
use super::tree::Tree;

// Put together here, so that this file does not hold what it looks for.
const FIX: &str = concat!("FIX", "ME");
const LATER: &str = concat!("TO", "DO");
const MACHINE_PATHS: &[&str] = &[
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/tmp/", "bash"),
];

/// Checks every line of every text file of ours.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in tree.own_files() {
        for (number, line) in file.lines() {
            problems.extend(wrong_with(line).map(|what| Problem::new(&file.path, number, what)));
        }
    }
    problems
}

fn wrong_with(line: &str) -> Option<String> {
    if words(line).any(|(word, _)| word == FIX) {
        return Some(format!(
            "`{FIX}` does not reach the main branch: mend it, or open an issue"
        ));
    }
    if words(line).any(|(word, after)| word == LATER && !names_issue(after)) {
        return Some(format!("`{LATER}` names no issue: write `{LATER}(#12)`"));
    }
    let path = MACHINE_PATHS.iter().find(|path| line.contains(**path))?;
    Some(format!("`{path}` is a path of one machine"))
}

/// The words of a line, each with what stands after it.
fn words(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = line;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c| !is_part(c));
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        (!word.is_empty()).then_some((word, after))
    })
}

/// Whether a text begins with the number of an issue: `(#12)`, ` #12`.
fn names_issue(text: &str) -> bool {
    let number = text.trim_start_matches([' ', '(', ':']).strip_prefix('#');
    number.is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::{FIX, LATER, check};

    fn problems(line: &str) -> usize {
        check(&Tree::of(&[("a.rs", &format!("first\n{line}\n"))])).len()
    }

    #[test]
    fn work_put_off_needs_an_issue() {
        assert_eq!(problems(&format!("// {LATER}: later")), 1);
        assert_eq!(problems(&format!("// {LATER}(#12): later")), 0);
        assert_eq!(problems(&format!("// {LATER} #12")), 0);
        assert_eq!(problems(&format!("// {FIX}(#12)")), 1);
        assert_eq!(problems(&format!("let MY{LATER}S = 1;")), 0);
    }

    #[test]
    fn paths_of_a_machine_are_told() {
        assert_eq!(problems(concat!("see /ro", "ot/notes")), 1);
        assert_eq!(problems("network/host and .::/work"), 0);
    }

    #[test]
    fn text_of_others_is_theirs() {
        let path = "crates/runtime/tests/conformance/component-model/x.wast";
        assert!(check(&Tree::of(&[(path, &format!(";; {LATER}"))])).is_empty());
        let path = "guests/blobstore/wit/deps/blobstore/package.wit";
        assert!(check(&Tree::of(&[(path, &format!("/// {LATER}: seconds"))])).is_empty());
    }
}
