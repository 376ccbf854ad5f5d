//! What documents point at is there: links between files of the repository, headings, and paths between backticks.

use super::Problem;
use super::tree::{File, Tree};

/// Checks every Markdown file of ours. Links to other places are left alone: no check needs the network.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in tree.own_files().filter(|file| file.path.ends_with(".md")) {
        for (number, line) in prose(file) {
            let (talk, spans) = split_code(line);
            let links = targets(&talk).filter_map(|target| wrong_link(tree, file, target));
            let paths = spans.into_iter().filter_map(|span| wrong_path(tree, span));
            problems.extend(
                links
                    .chain(paths)
                    .map(|what| Problem::new(&file.path, number, what)),
            );
        }
    }
    problems
}

/// The lines outside fenced blocks of code.
fn prose(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    file.lines().filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// What stands outside backticks, and each piece between them.
fn split_code(line: &str) -> (String, Vec<&str>) {
    let (mut talk, mut spans) = (String::new(), Vec::new());
    for (position, piece) in line.split('`').enumerate() {
        if position % 2 == 0 {
            talk.push_str(piece);
        } else {
            spans.push(piece);
        }
    }
    (talk, spans)
}

/// Where the links of a line lead: `[text](target)` and `[name]: target`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let inline = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let definition = line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]: "))
        .map(|(_, target)| target);
    // A title may follow the target.
    inline
        .chain(definition)
        .filter_map(|target| target.split_whitespace().next())
}

fn wrong_link(tree: &Tree, from: &File, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, heading) = target
        .split_once('#')
        .map_or((target, None), |(path, heading)| (path, Some(heading)));
    let path = if path.is_empty() {
        Some(from.path.clone())
    } else {
        resolve(&from.path, path)
    };
    let Some(path) = path.filter(|path| tree.exists(path)) else {
        return Some(format!("the link to `{target}` leads nowhere"));
    };
    let heading = heading?;
    let is_there = tree
        .file(&path)
        .is_some_and(|file| headings(file).any(|known| known == heading));
    (!is_there).then(|| format!("`{path}` has no heading for `#{heading}`"))
}

/// A path relative to a file, from the root of the repository on; nothing where it leaves the repository.
fn resolve(from: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The names under which links reach the headings of a document.
fn headings(file: &File) -> impl Iterator<Item = String> {
    prose(file)
        .filter(|(_, line)| line.starts_with('#'))
        .map(|(_, line)| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
}

/// A path between backticks must be there if it begins with a folder of ours and holds no placeholder.
fn wrong_path(tree: &Tree, span: &str) -> Option<String> {
    let (folder, _) = span.split_once('/')?;
    let is_plain = span
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
    let is_example = span
        .chars()
        .filter(|c| c.is_ascii_alphabetic())
        .all(|c| c.is_ascii_uppercase())
        || span.split(['/', '.']).any(|part| part == "NAME");
    let path = span.trim_end_matches('/');
    let is_wrong = is_plain && !is_example && !folder.is_empty() && tree.exists(folder) && !tree.exists(path);
    is_wrong.then(|| format!("there is no `{span}`"))
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::check;

    const OTHER: &str = "# Other\n\n## What it `costs`, and why\n";

    fn told(text: &str) -> Vec<String> {
        let tree = Tree::of(&[
            ("docs/a.md", text),
            ("docs/b.md", OTHER),
            ("README.md", "# Weft\n"),
        ]);
        check(&tree)
            .into_iter()
            .map(|problem| format!("{}: {}", problem.line, problem.what))
            .collect()
    }

    #[test]
    fn links_that_lead_somewhere_are_fine() {
        assert!(told("[b](b.md) [`b`](./b.md \"title\") [up](../README.md) [docs](../docs)\n").is_empty());
        assert!(told("[out](https://example.com/nothing) <mail> [m](mailto:a@example.com)\n").is_empty());
        assert!(told("# Here\n\n[here](#here) [there](b.md#what-it-costs-and-why)\n").is_empty());
        assert!(told("[b]\n\n[b]: b.md\n").is_empty());
    }

    #[test]
    fn links_that_lead_nowhere_are_told_with_their_line() {
        assert_eq!(told("fine\n[c](c.md)\n"), ["2: the link to `c.md` leads nowhere"]);
        assert_eq!(told("[out](../../README.md)").len(), 1);
        assert_eq!(told("[c]: c.md").len(), 1);
        assert_eq!(
            told("[a](b.md#nothing)"),
            ["1: `docs/b.md` has no heading for `#nothing`"]
        );
        assert_eq!(told("[a](#nothing)").len(), 1);
    }

    #[test]
    fn code_is_not_read_as_links() {
        assert!(told("`[c](c.md)`\n```text\n[c](c.md)\n```\n").is_empty());
    }

    #[test]
    fn paths_between_backticks_are_there() {
        assert!(told("`docs/b.md` `docs/` `docs/*.md` `other/place` `docs/NAME.md` `HOST/PORT`").is_empty());
        assert_eq!(told("`docs/c.md`"), ["1: there is no `docs/c.md`"]);
    }
}
