//! The folder of an app: where its manifest is, and what is read from there.

use std::io;
use std::path::{Path, PathBuf};

use weft_app::App;
use weft_manifest::{Context, Diagnostic, Manifest, name_of_folder};

use crate::files::read_regular;

/// The name of a manifest.
const MANIFEST: &str = "weft.toml";
/// Bytes of a manifest that are read at most; the reader of manifests has a tighter bound and a better message.
const MANIFEST_BYTES_MAX: u64 = 8 << 20;

/// Why an app cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There is no manifest.
    #[error("there is no `{MANIFEST}` in `{}`", folder.display())]
    NoManifest {
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// Something of the app cannot be read or written.
    #[error("{what}")]
    Io {
        /// What could not be done.
        what: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The manifest, or a component of it, is wrong.
    #[error("`{}` has {} problem{}", file.display(), problems.len(), if problems.len() == 1 { "" } else { "s" })]
    Problems {
        /// The manifest.
        file: PathBuf,
        /// Its text, for showing the places.
        text: String,
        /// Everything that is wrong, and warnings among it.
        problems: Vec<Diagnostic>,
    },
    /// The components were planned and cannot be joined.
    #[error("the components cannot be joined")]
    Join(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// An app whose manifest has been read.
#[derive(Debug)]
pub struct Opened {
    /// The manifest's path.
    pub file: PathBuf,
    /// Its text.
    pub text: String,
    /// What it says.
    pub manifest: Manifest,
}

impl Opened {
    /// The app.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.manifest.app
    }

    /// The folder that the manifest is in.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        folder_of(&self.file)
    }

    /// A file beside the manifest.
    #[must_use]
    pub fn beside(&self, name: &str) -> PathBuf {
        self.file.with_file_name(name)
    }

    pub(crate) fn problems(&self, problems: Vec<Diagnostic>) -> Failure {
        Failure::Problems {
            file: self.file.clone(),
            text: self.text.clone(),
            problems,
        }
    }
}

/// Reads the manifest of an app: `path` is the manifest, or the folder that `weft.toml` is in.
///
/// # Errors
/// There is none, it cannot be read, or it is wrong.
///
/// # Authority
/// Reads that one file, and those that it names as secrets. `variable` answers for variables that the manifest copies by
/// name.
pub fn open(path: &Path, variable: &dyn Fn(&str) -> Option<String>) -> Result<Opened, Failure> {
    let file = if path.is_dir() {
        path.join(MANIFEST)
    } else {
        path.to_owned()
    };
    let text = read(&file).map_err(|source| {
        if path.is_dir() && source.kind() == io::ErrorKind::NotFound {
            return Failure::NoManifest {
                folder: path.to_owned(),
            };
        }
        Failure::Io {
            what: format!("cannot read `{}`", file.display()),
            source,
        }
    })?;
    let folder = folder_of(&file);
    let name = fs_err::canonicalize(&folder).ok().and_then(|folder| {
        let name = folder.file_name()?.to_string_lossy().into_owned();
        Some(name)
    });
    let context = Context {
        folder,
        default_name: name_of_folder(name.as_deref().unwrap_or("app")),
        variable,
        secret: &secret,
    };
    match weft_manifest::parse(&text, &context) {
        Ok(manifest) => Ok(Opened { file, text, manifest }),
        Err(problems) => Err(Failure::Problems { file, text, problems }),
    }
}

/// Reads the secret that a file holds, as one that a manifest names is read.
///
/// # Errors
/// The file cannot be read, or is none that holds a secret; why, without any of it.
///
/// # Authority
/// Reads that file.
pub fn read_secret(path: &Path) -> Result<String, String> {
    let text = secret(path, weft_manifest::SECRET_BYTES_MAX)?;
    Ok(weft_manifest::secret_in(&text).to_owned())
}

/// The text of a file that holds a secret.
fn secret(path: &Path, bytes_max: usize) -> Result<String, String> {
    let bytes_max_u64 = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    let bytes = read_regular(path, bytes_max_u64).map_err(|error| error.to_string())?;
    if bytes.len() > bytes_max {
        return Err(format!("it has more than {} KiB", bytes_max >> 10));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())
}

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn read(file: &Path) -> io::Result<String> {
    let mut bytes = read_regular(file, MANIFEST_BYTES_MAX)?;
    // The reader of manifests refuses what is longer than its own bound, and says so.
    bytes.truncate(usize::try_from(MANIFEST_BYTES_MAX).unwrap_or(usize::MAX));
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
