//! One component of an app: where it comes from, what it may use and spend, and what satisfies its imports.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::cell::CellSettings;
use crate::grant::GrantKind;
use crate::trigger::http::Reuse;
use crate::{Grants, Interruption, LinkRule, Name};

/// One component of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Its name within the app.
    pub name: Name,
    /// Where its bytes come from.
    pub source: Source,
    /// What it may use.
    pub grants: Grants,
    /// The kinds of grants that the manifest speaks of, also where it gives nothing of them: an interface is
    /// linked only where its kind is among these.
    pub granted: BTreeSet<GrantKind>,
    /// What happens with an import that nothing satisfies.
    pub grant_on_use: GrantOnUse,
    /// What it may spend by itself.
    pub limits: ComponentLimits,
    /// How its instances live where it is called over isolated links.
    pub cell: CellSettings,
    /// Which of its imports other components satisfy, in the order of the manifest.
    pub links: Vec<LinkRule>,
    /// How long its instances live where it answers HTTP requests itself. A component that is only linked to lives
    /// as long as the one that it was joined with.
    pub reuse: Reuse,
    /// What makes its code look up while it computes, where it is said; it counts for the components that it is joined
    /// with too.
    pub interruption: Option<Interruption>,
}

/// Where the bytes of a component come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file: a component, or a core module of WASI preview 1, which is wrapped.
    File(PathBuf),
    /// A folder whose build command makes the file.
    Build {
        /// Where the command runs.
        folder: PathBuf,
        /// The command, as for `sh -c`.
        command: String,
        /// The file it makes.
        file: PathBuf,
    },
    /// A package of a registry, as it was written.
    Package(String),
}

/// What happens with an import that carries authority, that nothing grants and that no link satisfies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GrantOnUse {
    /// The app is refused before it runs.
    #[default]
    Refuse,
    /// The app runs, and a call of that import is a trap: for components that import what they never call.
    Trap,
}

/// What one component may spend by itself, whatever the others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComponentLimits {
    /// Bytes of each of its linear memories.
    pub memory_bytes_max: u64,
    /// Elements of each of its tables.
    pub table_elements_max: u64,
}

impl Default for ComponentLimits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 256 << 20,
            table_elements_max: 100_000,
        }
    }
}
