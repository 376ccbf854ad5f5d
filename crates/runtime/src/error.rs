//! What can go wrong before a guest runs, and whose fault it is.

use std::path::PathBuf;

/// The machine cannot give what an engine needs.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the engine for profile `{profile}`")]
pub struct EngineError {
    pub(crate) profile: &'static str,
    pub(crate) source: anyhow::Error,
}

/// A program cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The compiler gave up.
    #[error("the program cannot be compiled")]
    Compile(#[source] anyhow::Error),
    /// A precompiled artifact does not fit this engine.
    #[error("the artifact was made for another engine or version of Weft")]
    Incompatible(#[source] anyhow::Error),
    /// A precompiled artifact is damaged, or was not sealed with this machine's key.
    #[error(transparent)]
    Seal(#[from] crate::seal::SealError),
}

/// A program cannot be set up to run.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A granted directory cannot be opened.
    #[error("cannot open the granted directory `{}`", path.display())]
    Directory {
        /// The directory on the host.
        path: PathBuf,
        /// Why it cannot be opened.
        #[source]
        source: anyhow::Error,
    },
    /// The program imports something that nothing here provides.
    #[error("the program imports {} that nothing grants: {}", plural(missing.len()), list(missing))]
    ImportMissing {
        /// Names of the imports, as the program spells them.
        missing: Vec<String>,
    },
    /// The program imports something under a known name with another type.
    #[error("an import of the program does not fit what Weft provides")]
    ImportMismatch(#[source] anyhow::Error),
    /// The setup names principals that it does not have.
    #[error("an import belongs to a component that the setup does not name; it names {known}")]
    PrincipalUnknown {
        /// How many it names.
        known: usize,
    },
    /// The setup links to a cell that it does not have.
    #[error("a link leads to cell {cell}, which the setup does not have")]
    CellUnknown {
        /// Its number.
        cell: usize,
    },
    /// The host side cannot be put together.
    #[error("cannot link the host functions")]
    Link(#[source] anyhow::Error),
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "an interface" } else { "interfaces" }
}

fn list(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    if names.len() > SHOWN {
        shown.push(format!("and {} more", names.len() - SHOWN));
    }
    shown.join(", ")
}
