//! How the process ends. The table is part of the interface: docs/exit-codes.md.

use std::process::ExitCode;

/// The code the process ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) u8);

impl Code {
    /// What was asked for was done.
    pub(crate) const DONE: Self = Self(0);
    /// What was asked for failed, before or outside of any guest.
    pub(crate) const FAILED: Self = Self(1);
    /// The command line is wrong.
    pub(crate) const USAGE: Self = Self(2);
    /// A limit ended the guest.
    pub(crate) const LIMIT: Self = Self(124);
    /// The guest trapped.
    pub(crate) const TRAP: Self = Self(134);

    /// The guest's own code. Only eight bits reach the parent process; a failure must not turn into success
    /// on the way, so a code whose low bits are zero becomes 1.
    pub(crate) fn of_guest(code: i32) -> Self {
        match (code, code & 0xff) {
            (0, _) => Self::DONE,
            (_, 0) => Self(1),
            (_, low) => Self(low as u8),
        }
    }

    /// The run was ended by this signal.
    pub(crate) fn of_signal(signal: i32) -> Self {
        Self(128_i32.saturating_add(signal).clamp(129, 255) as u8)
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guests_failure_never_looks_like_success() {
        assert_eq!(Code::of_guest(0), Code::DONE);
        assert_eq!(Code::of_guest(256), Code(1));
        assert_eq!(Code::of_guest(-1), Code(255));
        assert_eq!(Code::of_guest(3), Code(3));
    }
}
