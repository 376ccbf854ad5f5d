//! What a guest tried without being granted it, kept so that the person who ran it can be told which flag is
//! missing.
//!
//! The borders of the guest record refusals while it runs; whoever ran it takes them at the end. The guest
//! decides how often and with which words it is refused, so the log is bounded.

use std::borrow::Cow;
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
#[derive(Debug, Clone, Default)]
pub struct DenialLog {
    denials: Arc<Mutex<Denials>>,
}

impl DenialLog {
    /// Writes down a refusal, once.
    pub fn record(&self, denial: Denial) {
        let mut denials = self.denials.lock();
        if denials.entries.contains(&denial) {
            return;
        }
        if denials.entries.len() < ENTRIES_MAX {
            denials.entries.push(denial);
        } else {
            denials.omitted = denials.omitted.saturating_add(1);
        }
    }

    /// Everything recorded so far; the log is empty afterwards.
    pub fn take(&self) -> Denials {
        std::mem::take(&mut *self.denials.lock())
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
    fn a_full_log_counts_what_it_does_not_keep() {
        let log = DenialLog::default();
        (0..ENTRIES_MAX + 10).for_each(|port| log.record(denial(port)));
        log.record(denial(0));
        let denials = log.take();
        assert_eq!(denials.entries.len(), ENTRIES_MAX);
        assert_eq!(denials.omitted, 10);
    }
}
