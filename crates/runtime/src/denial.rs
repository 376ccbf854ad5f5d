//! What a guest tried without being granted it, kept so that the person who ran it can be told which flag is
//! missing.
//!
//! The borders of the guest record refusals while it runs; whoever ran it takes them at the end. The guest
//! decides how often and with which words it is refused, so the log is bounded.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

/// Different refusals that one log keeps; later ones are only counted.
const ENTRIES_MAX: usize = 64;

/// One thing that a guest was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The WIT interface, or the package where several interfaces lead to the same refusal.
    pub interface: Cow<'static, str>,
    /// What the guest tried, as the middle of a sentence: "a TCP connection to 192.0.2.1:80".
    pub attempted: String,
    /// The flag that grants exactly this: `--tcp 192.0.2.1:80`. Empty where the interface as a whole is not granted,
    /// which only happens to components of an app.
    pub flag: String,
}

/// Everything that was refused since the log was last emptied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Denials {
    /// The different refusals, in the order in which they first happened.
    pub entries: Vec<Denial>,
    /// How many refusals came after the log was full and are none of the entries.
    pub omitted: u64,
}

/// Collects refusals. Clones write into the same log.
///
/// # Limits
///
/// Keeps 64 different refusals and counts those beyond. A refusal that is already kept is not counted again.
#[derive(Clone, Default)]
pub struct DenialLog(Arc<Log>);

/// Who is told of a refusal.
type Tell = Box<dyn Fn(&Denial) + Send + Sync>;

#[derive(Default)]
struct Log {
    denials: Mutex<Denials>,
    tell: Option<Tell>,
}

impl fmt::Debug for DenialLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DenialLog").field(&self.0.denials).finish()
    }
}

impl DenialLog {
    /// A log that tells of each refusal that it keeps, when it first happens: for guests that do not end.
    pub fn telling(tell: impl Fn(&Denial) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Log {
            denials: Mutex::default(),
            tell: Some(Box::new(tell)),
        }))
    }

    /// Writes down a refusal, once.
    pub fn record(&self, denial: Denial) {
        let mut denials = self.0.denials.lock();
        if denials.entries.contains(&denial) {
            return;
        }
        if denials.entries.len() >= ENTRIES_MAX {
            denials.omitted = denials.omitted.saturating_add(1);
            return;
        }
        denials.entries.push(denial.clone());
        drop(denials);
        if let Some(tell) = &self.0.tell {
            tell(&denial);
        }
    }

    /// Everything recorded so far; the log is empty afterwards.
    pub fn take(&self) -> Denials {
        std::mem::take(&mut *self.0.denials.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(port: usize) -> Denial {
        let attempted = format!("a TCP connection to 192.0.2.1:{port}");
        Denial {
            interface: "wasi:sockets".into(),
            attempted,
            flag: format!("--tcp 192.0.2.1:{port}"),
        }
    }

    #[test]
    fn a_refusal_is_written_down_once() {
        let log = DenialLog::default();
        let clone = log.clone();
        log.record(denial(1));
        clone.record(denial(1));
        clone.record(denial(2));
        assert_eq!(
            log.take(),
            Denials {
                entries: vec![denial(1), denial(2)],
                omitted: 0
            }
        );
        assert_eq!(clone.take(), Denials::default());
    }

    #[test]
    fn a_log_tells_of_each_refusal_once() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let hears = told.clone();
        let log = DenialLog::telling(move |denial| hears.lock().push(denial.flag.clone()));
        for port in [1, 2, 1, 2, 2] {
            log.record(denial(port));
        }
        assert_eq!(*told.lock(), ["--tcp 192.0.2.1:1", "--tcp 192.0.2.1:2"]);
    }

    #[test]
    fn a_full_log_counts_what_it_does_not_keep() {
        let log = DenialLog::default();
        (0..ENTRIES_MAX + 10).for_each(|port| log.record(denial(port)));
        log.record(denial(0));
        let denials = log.take();
        assert_eq!(denials.entries.len(), ENTRIES_MAX);
        assert_eq!(denials.omitted, 10);
    }
}
