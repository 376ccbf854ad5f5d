//! What is known about requests afterwards: numbers for the admin listener, and a line for the access log.

mod access_log;
mod metrics;
mod record;

pub(crate) use access_log::{Line, LogSender, start as start_log};
pub(crate) use metrics::{Metrics, RouteCounts, render};
pub(crate) use record::{Books, Record, RouteTable};
