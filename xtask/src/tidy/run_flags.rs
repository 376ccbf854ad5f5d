//! Every flag of `weft run` is explained somewhere in `docs/`.

use super::Problem;
use super::tree::Tree;

/// Where the flags are declared.
const COMMAND: &str = "crates/cli/src/commands/run.rs";

/// Checks that each flag is mentioned.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let is_doc = |path: &str| path.starts_with("docs/") && path.ends_with(".md");
    let docs: Vec<&str> = tree
        .files()
        .filter(|file| is_doc(&file.path))
        .map(|file| file.text.as_str())
        .collect();
    let declared = tree
        .file(COMMAND)
        .map(|file| flags(&file.text))
        .unwrap_or_default();
    declared
        .into_iter()
        .filter(|(_, flag)| !docs.iter().any(|doc| mentions(doc, flag)))
        .map(|(line, flag)| Problem::new(COMMAND, line, format!("no page in `docs/` mentions `{flag}`")))
        .collect()
}

/// The flags that a command declares with `#[arg(long)]` or `#[arg(long = "name")]`, and their lines.
fn flags(source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut attribute: Option<String> = None;
    let mut takes_name_of_field = false;
    for (number, line) in (1..).zip(source.lines()) {
        let line = line.trim();
        if line.starts_with("#[arg(") {
            attribute = Some(String::new());
        }
        if let Some(text) = &mut attribute {
            text.push_str(line);
            if line.ends_with(")]") {
                match long_name(text) {
                    Some(Some(name)) => found.push((number, format!("--{name}"))),
                    Some(None) => takes_name_of_field = true,
                    None => {}
                }
                attribute = None;
            }
        } else if takes_name_of_field && let Some(field) = field_name(line) {
            found.push((number, format!("--{}", field.replace('_', "-"))));
            takes_name_of_field = false;
        }
    }
    found
}

/// Whether an attribute declares a flag, and the name if it gives one.
fn long_name(attribute: &str) -> Option<Option<&str>> {
    let inside = attribute.strip_prefix("#[arg(")?.strip_suffix(")]")?;
    inside
        .split(',')
        .map(str::trim)
        .find_map(|setting| match setting.split_once('=') {
            None if setting == "long" => Some(None),
            Some((key, name)) if key.trim() == "long" => Some(Some(name.trim().trim_matches('"'))),
            _ => None,
        })
}

fn field_name(line: &str) -> Option<&str> {
    let (before, _) = line.split_once(": ")?;
    let name = before.rsplit(' ').next()?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!line.starts_with("//") && !line.starts_with('#') && name.chars().all(is_name)).then_some(name)
}

/// Whether a text names a flag, and not only one that begins like it.
fn mentions(text: &str, flag: &str) -> bool {
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
    text.split(flag).skip(1).any(ends)
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::{COMMAND, check, flags};

    const SOURCE: &str = r#"
    /// The program: its file.
    #[arg(value_name = "FILE", required = true)]
    program: PathBuf,

    /// Directories: some.
    #[arg(long = "dir", value_name = "HOST")]
    directories: Vec<PathBuf>,

    /// Time.
    #[arg(
        long,
        value_name = "TIME"
    )]
    pub(crate) cpu_time: Duration,

    #[command(flatten)]
    rest: Rest,
"#;

    #[test]
    fn flags_are_found_by_their_own_name_or_that_of_their_field() {
        let found: Vec<String> = flags(SOURCE).into_iter().map(|(_, flag)| flag).collect();
        assert_eq!(found, ["--dir", "--cpu-time"]);
    }

    #[test]
    fn a_flag_that_no_page_mentions_is_told() {
        let tree = |doc| {
            Tree::of(&[
                (COMMAND, SOURCE),
                ("docs/a.md", doc),
                ("README.md", "`--cpu-time`"),
            ])
        };
        assert!(check(&tree("`--dir HOST` and `--cpu-time`")).is_empty());
        let told = check(&tree("`--dir` and `--cpu-time-max`"));
        assert_eq!(told.len(), 1);
        assert!(told[0].what.contains("`--cpu-time`"), "{}", told[0]);
    }
}
