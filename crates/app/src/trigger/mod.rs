//! What makes an app run.

pub mod http;
pub mod keyvalue;
pub mod message;
pub mod schedule;

use std::time::Duration;

use crate::Name;

pub use http::HttpTrigger;
pub use keyvalue::KeyValueTrigger;
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
    /// Keys of a bucket are set and removed, and the component is told of them.
    KeyValue(Box<KeyValueTrigger>),
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
            Self::KeyValue(keyvalue) => vec![&keyvalue.component],
            Self::Schedule(schedule) => vec![&schedule.component],
        }
    }
}

/// No wait for another attempt is longer.
const BACKOFF_MAX: Duration = Duration::from_secs(3600);

/// How long something waits that has failed so many times: twice as long after each further time.
fn backoff_after(first: Duration, failures: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1).min(31));
    first.saturating_mul(doubled).min(BACKOFF_MAX)
}
