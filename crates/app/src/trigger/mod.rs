//! What makes an app run.

pub mod http;

use crate::Name;

pub use http::HttpTrigger;

/// What makes components of an app run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// The app is started, and the component's `wasi:cli/run` is called once.
    Command {
        /// The component.
        component: Name,
        /// Arguments before those of the command line.
        arguments: Vec<String>,
    },
    /// HTTP requests come in, and each is answered by the component or the folder that its route names.
    Http(Box<HttpTrigger>),
}

impl Trigger {
    /// The components that it runs, in the order in which they are named. None stands twice.
    #[must_use]
    pub fn components(&self) -> Vec<&Name> {
        match self {
            Self::Command { component, .. } => vec![component],
            Self::Http(http) => http.components(),
        }
    }
}
