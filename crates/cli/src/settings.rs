//! What the environment says: the only place that reads environment variables.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use crate::args::{Arguments, Verbosity};

/// Everything that comes from outside the command line.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// How much is said.
    pub(crate) verbosity: Verbosity,
    /// Whether standard error shows colours and moving progress.
    pub(crate) terminal: bool,
    /// Whether colours are welcome.
    pub(crate) color: bool,
    /// Filter of the log, from `WEFT_LOG`.
    pub(crate) log: Option<String>,
    /// How lines of components are written, from `WEFT_LOG_FORMAT`, as it stands there.
    pub(crate) log_format: Option<OsString>,
    /// Folder of the artifact cache; absent where there is no home.
    pub(crate) cache: Option<PathBuf>,
    /// File of the key that seals artifacts.
    pub(crate) seal_key: Option<PathBuf>,
    /// Folder with a folder for each app that keeps data.
    pub(crate) apps: Option<PathBuf>,
    /// Folder in which running servers say that they are there.
    pub(crate) running: Option<PathBuf>,
}

impl Settings {
    pub(crate) fn read(arguments: &Arguments) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let no_color = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = variable("TERM").is_some_and(|value| value == "dumb");
        Self {
            verbosity: arguments.verbosity(),
            terminal: terminal && !dumb,
            color: terminal && !no_color && !dumb,
            log: variable("WEFT_LOG").and_then(|value| value.into_string().ok()),
            log_format: variable("WEFT_LOG_FORMAT").filter(|format| !format.is_empty()),
            cache: folder("WEFT_CACHE_DIR", "XDG_CACHE_HOME", ".cache")
                .map(|folder| folder.join("artifacts")),
            seal_key: folder("WEFT_DATA_DIR", "XDG_DATA_HOME", ".local/share")
                .map(|folder| folder.join("artifact.key")),
            apps: folder("WEFT_DATA_DIR", "XDG_DATA_HOME", ".local/share").map(|folder| folder.join("apps")),
            running: folder("WEFT_DATA_DIR", "XDG_DATA_HOME", ".local/share")
                .map(|folder| folder.join("running")),
        }
    }
}

/// A variable of this process, for a guest that was granted it by name.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// All variables of this process that are text, for `--dangerously-inherit-env`.
pub(crate) fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Weft's own folder: named by a variable of ours, else below the standard one.
fn folder(own: &str, standard: &str, below_home: &str) -> Option<PathBuf> {
    if let Some(own) = variable(own).filter(|value| !value.is_empty()) {
        return Some(PathBuf::from(own));
    }
    let base = match variable(standard)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
    {
        Some(base) => base,
        None => PathBuf::from(variable("HOME").filter(|home| !home.is_empty())?).join(below_home),
    };
    Some(base.join("weft"))
}

/// Starts the log when `WEFT_LOG` asks for one: `WEFT_LOG=debug weft run …`.
pub(crate) fn start_log(settings: &Settings) {
    let Some(filter) = &settings.log else { return };
    let filter = tracing_subscriber::EnvFilter::new(filter);
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(settings.color)
        .init();
}
