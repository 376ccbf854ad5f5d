//! Every guest is there for a test or a bench.

use weft_testing::guests::{Guest, Recipe};

use super::Problem;
use super::tree::Tree;

/// Where guests are listed; those in the text format are listed by being there.
const CATALOGUE: &str = "crates/testing/src/guests/catalogue.rs";

/// Checks that each guest is named, between quotes, by some file of tests or benches.
pub(super) fn check(tree: &Tree, guests: &[Guest]) -> Vec<Problem> {
    guests
        .iter()
        .filter(|guest| !is_used(tree, guest))
        .map(|guest| {
            let path = match &guest.recipe {
                Recipe::Text { file } => format!("guests/{file}"),
                Recipe::Rust { .. } | Recipe::Foreign { .. } => CATALOGUE.to_owned(),
            };
            let line = line_of(tree, &path, &guest.name);
            Problem::new(
                &path,
                line,
                format!("no test and no bench names guest `{}`", guest.name),
            )
        })
        .collect()
}

fn is_used(tree: &Tree, guest: &Guest) -> bool {
    let mut names = vec![format!("\"{}\"", guest.name)];
    // The text itself is asked for without its ending.
    names.extend(guest.name.strip_suffix(".wat").map(|name| format!("\"{name}\"")));
    let mut lines = tree
        .files()
        .filter(|file| file.is_test_code())
        .flat_map(|file| file.text.lines());
    lines.any(|line| !line.trim_start().starts_with("//") && names.iter().any(|name| line.contains(name)))
}

fn line_of(tree: &Tree, path: &str, name: &str) -> usize {
    let quoted = format!("\"{name}\"");
    let lines = tree.file(path).into_iter().flat_map(|file| file.lines());
    lines
        .filter(|(_, line)| line.contains(&quoted))
        .map(|(number, _)| number)
        .next()
        .unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use weft_testing::guests::{Guest, Recipe, Target};

    use super::super::tree::Tree;
    use super::{CATALOGUE, check};

    #[test]
    fn a_guest_that_nobody_runs_is_told() {
        let rust = |name: &str| Guest {
            name: name.to_owned(),
            recipe: Recipe::Rust {
                package: "x",
                target: Target::Preview2,
            },
        };
        let text = |name: &str| Guest {
            name: name.to_owned(),
            recipe: Recipe::Text {
                file: format!("wat/{name}"),
            },
        };
        let guests = [rust("used"), rust("idle"), text("used.wat"), text("idle.wat")];
        let tree = Tree::of(&[
            (CATALOGUE, "//! Guests.\n    (\"idle\", 1),\n"),
            (
                "crates/a/tests/it/main.rs",
                "// \"idle\"\nrun(guest(\"used\"), text(\"used\"));\n",
            ),
        ]);
        let told: Vec<String> = check(&tree, &guests).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                format!("{CATALOGUE}:2: no test and no bench names guest `idle`"),
                "guests/wat/idle.wat:1: no test and no bench names guest `idle.wat`".to_owned(),
            ]
        );
    }
}
