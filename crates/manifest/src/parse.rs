//! From the text of a manifest to an app.

use std::fmt;
use std::path::{Path, PathBuf};

use weft_app::{App, Name};

use crate::bounds::MANIFEST_BYTES_MAX;
use crate::position::Lines;
use crate::problems::Problems;
use crate::{Diagnostic, Positions, check, document, lower};

/// What a manifest's text does not say itself.
pub struct Context<'a> {
    /// The folder of the manifest, to which its paths are relative.
    pub folder: PathBuf,
    /// What the app is called where the manifest does not say; [`name_of_folder`] makes it of a folder.
    pub default_name: Name,
    /// The value of an environment variable, for grants that copy one: `env = ["HOME"]`.
    ///
    /// # Authority
    /// Asked for exactly the variables that the manifest names.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The text of a file that holds a secret, at most so many bytes of it; what is wrong where there is none.
    ///
    /// # Authority
    /// Asked for exactly the files that the manifest names, by paths joined to [`Context::folder`].
    pub secret: &'a dyn Fn(&Path, usize) -> Result<String, String>,
}

/// A manifest that was understood.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// What it describes.
    pub app: App,
    /// Where everything in it stands.
    pub positions: Positions,
    /// What is accepted but was probably not meant.
    pub warnings: Vec<Diagnostic>,
}

/// Reads a manifest.
///
/// # Errors
/// Everything that is wrong with it, sorted by place. Where the text is not TOML, only that is told.
///
/// # Limits
/// Texts of more than 1 MiB are refused; the bounds on what is in them are part of the reference page.
///
/// # Example
/// ```
/// let text = "[component.main]\nsource = \"main.wasm\"\n[component.main.grants]\nstdio = \"all\"\n";
/// let context = weft_manifest::Context {
///     folder: "/apps/hello".into(),
///     default_name: weft_manifest::name_of_folder("hello"),
///     variable: &|_| None,
///     secret: &|_, _| Err("there are no files here".to_owned()),
/// };
/// let manifest = weft_manifest::parse(text, &context).map_err(|problems| problems[0].render("weft.toml", text))?;
/// assert_eq!(manifest.app.name.as_str(), "hello");
/// assert_eq!(manifest.app.components.len(), 1);
/// # Ok::<(), String>(())
/// ```
pub fn parse(text: &str, context: &Context<'_>) -> Result<Manifest, Vec<Diagnostic>> {
    if text.len() > MANIFEST_BYTES_MAX {
        let message = format!(
            "the manifest has {} bytes, more than the {MANIFEST_BYTES_MAX} allowed",
            text.len()
        );
        return Err(vec![Diagnostic::error(message)]);
    }
    let lines = Lines::new(text);
    let mut problems = Problems::default();
    let Some(root) = document::read(text, &mut problems) else {
        return Err(problems.into_diagnostics(&lines));
    };
    check::check(&root, &mut problems);
    let app = lower::app(&root, context, &mut problems);
    let has_errors = problems.has_errors();
    let diagnostics = problems.into_diagnostics(&lines);
    if has_errors {
        return Err(diagnostics);
    }
    Ok(Manifest {
        app,
        positions: Positions::new(root, lines),
        warnings: diagnostics,
    })
}

/// The name of an app that lies in a folder of this name: letters in lower case, everything else made into
/// single hyphens; `app` where nothing is left.
#[must_use]
pub fn name_of_folder(folder: &str) -> Name {
    let mut text = String::new();
    for c in folder.chars().map(|c| c.to_ascii_lowercase()) {
        let begins_word = text.is_empty() || text.ends_with('-');
        match c {
            'a'..='z' => text.push(c),
            '0'..='9' if !begins_word => text.push(c),
            // A word cannot begin with a digit, so digits stay with the word before them.
            '0'..='9' if text.len() > 1 => {
                text.pop();
                text.push(c);
            }
            _ if !begins_word => text.push('-'),
            _ => {}
        }
        if text.len() >= 64 {
            break;
        }
    }
    let parsed = text.trim_end_matches('-').parse();
    parsed.unwrap_or_else(|_| fallback_name())
}

#[expect(clippy::expect_used, reason = "`app` is a name, and the test below says so")]
fn fallback_name() -> Name {
    "app".parse().expect("`app` is a name")
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Context")
            .field("folder", &self.folder)
            .field("default_name", &self.default_name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_any_name_gives_a_name() {
        for (folder, name) in [
            ("report", "report"),
            ("My Report", "my-report"),
            ("2024-report", "report"),
            ("v1.2", "v12"),
            ("a__b--", "a-b"),
            ("", "app"),
            ("..", "app"),
            ("Ünicode", "nicode"),
        ] {
            assert_eq!(name_of_folder(folder).as_str(), name, "{folder}");
        }
        assert_eq!(name_of_folder(&"x".repeat(500)).as_str().len(), 64);
    }
}
