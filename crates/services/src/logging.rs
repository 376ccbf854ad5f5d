//! Lines for the log, from guests: `wasi:logging`, as the draft 0.1.0 and without a version, which have one shape.
//!
//! [`Logging`] is what one component has of it. What it says becomes an [`Entry`] of bounded length with the name of
//! its component, and goes to a [`Sink`]; the interface has no way to fail, so what is not granted is dropped.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use wasmtime::component::{ComponentType, Lift, LinkerInstance};
use weft_app::grant::{LogLevel, LoggingGrant};
use weft_runtime::Cell;
use weft_runtime::denial::{Denial, DenialLog};
use weft_runtime::service::{Service, ServiceInterface};

/// Bytes of a message that are kept.
pub const MESSAGE_BYTES_MAX: usize = 8 << 10;
/// Bytes of a context that are kept.
pub const CONTEXT_BYTES_MAX: usize = 256;

/// One line of a component.
///
/// Its texts are what the guest wrote, control characters included, cut at [`MESSAGE_BYTES_MAX`] and
/// [`CONTEXT_BYTES_MAX`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When it was said.
    pub time: SystemTime,
    /// How much it matters.
    pub level: LogLevel,
    /// Who says it, by the name that the host knows.
    pub component: Arc<str>,
    /// What it is about, in the guest's words.
    pub context: String,
    /// What it says.
    pub message: String,
    /// Whether something was cut off.
    pub is_cut: bool,
}

/// Where lines go.
///
/// It is called on the thread that runs the guest, so it must not wait for anything slow; and it is the sink that
/// bounds how many lines of one component it holds.
pub trait Sink: Send + Sync {
    /// Takes a line.
    fn take(&self, entry: Entry);
}

/// What one component has of `wasi:logging`.
///
/// # Authority
///
/// Writes lines under its own name to its sink, of the levels that its grant covers.
///
/// # Limits
///
/// [`MESSAGE_BYTES_MAX`] and [`CONTEXT_BYTES_MAX`] of each line; more is cut off.
pub struct Logging {
    grant: LoggingGrant,
    component: Arc<str>,
    sink: Arc<dyn Sink>,
    denials: DenialLog,
}

impl Logging {
    /// A component of this name.
    #[must_use]
    pub fn new(grant: LoggingGrant, component: &str, sink: Arc<dyn Sink>, denials: DenialLog) -> Self {
        Self {
            grant,
            component: component.into(),
            sink,
            denials,
        }
    }

    fn log(&self, level: LogLevel, context: String, message: String) {
        if self.grant == LoggingGrant::None {
            self.denials.record(Denial {
                interface: "wasi:logging/logging".into(),
                attempted: "write to the log".to_owned(),
                flag: format!("--logging {level}"),
            });
        }
        if !self.grant.covers(level) {
            return;
        }
        let is_cut = context.len() > CONTEXT_BYTES_MAX || message.len() > MESSAGE_BYTES_MAX;
        self.sink.take(Entry {
            time: SystemTime::now(),
            level,
            component: Arc::clone(&self.component),
            context: cut(context, CONTEXT_BYTES_MAX),
            message: cut(message, MESSAGE_BYTES_MAX),
            is_cut,
        });
    }
}

/// No more than so many bytes, and whole characters.
fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
        text.shrink_to_fit();
    }
    text
}

const INTERFACES: &[ServiceInterface] = &[
    ServiceInterface::new("wasi:logging/logging", register),
    ServiceInterface::new("wasi:logging/logging@0.1.0-draft", register),
];

impl Service for Logging {
    fn interfaces(&self) -> &'static [ServiceInterface] {
        INTERFACES
    }
}

impl fmt::Debug for Logging {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Logging")
            .field("grant", &self.grant)
            .field("component", &self.component)
            .finish_non_exhaustive()
    }
}

/// The enumeration `level`.
#[derive(Debug, Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "made by the engine, from what a guest says")]
enum Level {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
    #[component(name = "critical")]
    Critical,
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
            Level::Critical => Self::Critical,
        }
    }
}

fn register(instance: &mut LinkerInstance<'_, Cell>, principal: usize) -> wasmtime::Result<()> {
    instance.func_wrap(
        "log",
        move |mut store, (level, context, message): (Level, String, String)| {
            let (logging, _) = store
                .data_mut()
                .service::<Logging>(principal)
                .ok_or_else(|| wasmtime::format_err!("component {principal} has no log"))?;
            logging.log(level.into(), context, message);
            Ok(())
        },
    )
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    #[derive(Default)]
    struct Kept(Mutex<Vec<Entry>>);

    impl Sink for Kept {
        fn take(&self, entry: Entry) {
            self.0.lock().push(entry);
        }
    }

    #[test]
    fn lines_below_the_granted_level_are_dropped_and_long_ones_cut() {
        let kept = Arc::new(Kept::default());
        let grant = "warn".parse().unwrap();
        let logging = Logging::new(grant, "page", kept.clone(), DenialLog::default());
        logging.log(LogLevel::Info, "a".to_owned(), "b".to_owned());
        logging.log(LogLevel::Error, "é".repeat(129), "é".repeat(5000));
        let kept = kept.0.lock();
        let [entry] = &kept[..] else { panic!("{kept:?}") };
        assert_eq!(
            (&*entry.component, entry.level, entry.is_cut),
            ("page", LogLevel::Error, true)
        );
        assert_eq!((entry.context.len(), entry.message.len()), (256, 8192));
    }
}
