//! The bytes of an app's components: read from files, or made by the build commands of their folders first.

use std::path::Path;
use std::process::{Command, Stdio};

use weft_app::{Component, Name, Source};
use weft_compose::{Part, adapt};
use weft_inspect::{digest, text};
use weft_manifest::{Diagnostic, Position};

use crate::files::read_regular;
use crate::folder::{Failure, Opened};

/// Bytes of one component.
const COMPONENT_BYTES_MAX: u64 = 128 << 20;

/// When the build commands of components run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Building {
    /// Every time: build tools know best what is up to date.
    Always,
    /// Only where the file is not there yet.
    WhereMissing,
    /// Never: nothing of the app runs, not even to find out what it is.
    Never,
}

/// The bytes of every component of an app.
#[derive(Debug)]
pub struct Parts {
    list: Vec<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    name: Name,
    digest: String,
    bytes: Vec<u8>,
}

impl Loaded {
    fn part(&self) -> Part<'_> {
        Part {
            component: &self.name,
            bytes: &self.bytes,
        }
    }
}

impl Parts {
    /// The bytes, for composition.
    #[must_use]
    pub fn list(&self) -> Vec<Part<'_>> {
        self.list.iter().map(Loaded::part).collect()
    }

    /// For each component its name, the digest of its file (`sha256:` and hexadecimal digits) and its bytes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Name, &str, &[u8])> {
        self.list
            .iter()
            .map(|loaded| (&loaded.name, loaded.digest.as_str(), loaded.bytes.as_slice()))
    }

    /// Gets the bytes of every component of an app. `tell` hears what takes time.
    ///
    /// # Errors
    /// Everything that is wrong with the files, and the first build that fails.
    ///
    /// # Authority
    /// Reads the files that the manifest names, and runs its build commands as the user who runs this.
    ///
    /// # Limits
    /// 128 MiB for a component. Build commands take what they take.
    pub fn load(opened: &Opened, building: Building, tell: &dyn Fn(&str)) -> Result<Self, Failure> {
        let mut problems = Vec::new();
        let mut list = Vec::new();
        for component in &opened.app().components {
            match load(component, building, tell) {
                Ok(loaded) => list.push(loaded),
                Err(wrong) => problems.push((*wrong).at(position(opened, component))),
            }
        }
        if problems.is_empty() {
            Ok(Self { list })
        } else {
            Err(opened.problems(problems))
        }
    }
}

fn position(opened: &Opened, component: &Component) -> Option<Position> {
    let positions = &opened.manifest.positions;
    positions
        .source(&component.name)
        .or_else(|| positions.component(&component.name))
}

fn load(component: &Component, building: Building, tell: &dyn Fn(&str)) -> Result<Loaded, Box<Diagnostic>> {
    let file = match &component.source {
        Source::File(file) => file,
        Source::Build {
            folder,
            command,
            file,
        } => {
            let is_missing = !file.exists();
            match building {
                Building::Never if is_missing => return Err(not_built(component, file, command)),
                Building::WhereMissing | Building::Always if is_missing || building == Building::Always => {
                    tell(&format!("building component `{}`: {command}", component.name));
                    build(component, folder, command)?;
                }
                Building::Never | Building::WhereMissing | Building::Always => {}
            }
            file
        }
        Source::Package(package) => {
            let message = format!(
                "component `{}` comes from package `{package}`, and packages cannot be fetched yet",
                component.name
            );
            let wrong = Diagnostic::error(message)
                .hint("download the component and name its file: `source = \"path/to/it.wasm\"`");
            return Err(Box::new(wrong));
        }
    };
    let (digest, bytes) = read(component, file)?;
    Ok(Loaded {
        name: component.name.clone(),
        digest,
        bytes,
    })
}

fn not_built(component: &Component, file: &Path, command: &str) -> Box<Diagnostic> {
    let message = format!(
        "component `{}` is not built: there is no `{}`",
        component.name,
        file.display()
    );
    let hint = format!("its build command is `{command}`, and runs with your rights: `--build` runs it");
    Box::new(Diagnostic::error(message).hint(hint))
}

fn build(component: &Component, folder: &Path, command: &str) -> Result<(), Box<Diagnostic>> {
    let failed = |why: String| {
        let wrong = Diagnostic::error(format!("building component `{}` failed: {why}", component.name));
        Box::new(wrong.hint(format!("run `{command}` in `{}` yourself", folder.display())))
    };
    // What a build says belongs to the talk of this program, not to its data.
    let status = Command::new("sh")
        .args(["-c", command])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .map_err(|error| failed(format!("cannot start it in `{}`: {error}", folder.display())))?;
    if status.success() {
        Ok(())
    } else {
        Err(failed(status.to_string()))
    }
}

fn read(component: &Component, file: &Path) -> Result<(String, Vec<u8>), Box<Diagnostic>> {
    let cannot = |why: String| {
        Box::new(Diagnostic::error(format!(
            "component `{}`: {why}",
            component.name
        )))
    };
    let bytes = read_regular(file, COMPONENT_BYTES_MAX).map_err(|error| cannot(error.to_string()))?;
    if bytes.len() as u64 > COMPONENT_BYTES_MAX {
        return Err(cannot(format!("`{}` is larger than 128 MiB", file.display())));
    }
    let digest = digest(&bytes);
    let adapted = text::to_binary(&bytes)
        .map_err(|error| chain(&error))
        .and_then(|wasm| {
            adapt::component(&wasm)
                .map(std::borrow::Cow::into_owned)
                .map_err(|error| chain(&error))
        })
        .map_err(|why| cannot(format!("`{}` cannot be used: {why}", file.display())))?;
    Ok((digest, adapted))
}

/// A reason and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
