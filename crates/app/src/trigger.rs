//! What makes an app run.

use crate::Name;

/// What makes a component of an app run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// The app is started, and the component's `wasi:cli/run` is called once.
    Command {
        /// The component.
        component: Name,
        /// Arguments before those of the command line.
        arguments: Vec<String>,
    },
}

impl Trigger {
    /// The component that it runs.
    #[must_use]
    pub fn component(&self) -> &Name {
        match self {
            Self::Command { component, .. } => component,
        }
    }
}
