//! What makes an app run.

pub mod http;
pub mod message;
pub mod schedule;

use crate::Name;

pub use http::HttpTrigger;
pub use message::MessageTrigger;
pub use schedule::ScheduleTrigger;

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
    /// Messages come in, and each is handed to the component.
    Messages(Box<MessageTrigger>),
    /// Its time has come, and the component's `wasi:cli/run` is called.
    Schedule(Box<ScheduleTrigger>),
}

impl Trigger {
    /// The components that it runs, in the order in which they are named. None stands twice.
    #[must_use]
    pub fn components(&self) -> Vec<&Name> {
        match self {
            Self::Command { component, .. } => vec![component],
            Self::Http(http) => http.components(),
            Self::Messages(messages) => vec![&messages.component],
            Self::Schedule(schedule) => vec![&schedule.component],
        }
    }
}
