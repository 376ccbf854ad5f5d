//! What went wrong, made ready for a person: the message, the chain of causes, and what to do about it.

use std::error::Error;

use weft_runtime::trap::TrapReport;

use crate::exit_code::Code;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Report {
    /// How the process ends.
    pub(crate) code: Code,
    /// What could not be done.
    pub(crate) message: String,
    /// Why, outermost cause first.
    pub(crate) causes: Vec<String>,
    /// Where in the guest.
    pub(crate) trap: Option<Box<TrapReport>>,
    /// What would help.
    pub(crate) hints: Vec<String>,
    /// What was told before it already, for those who see only the report.
    pub(crate) told: Vec<String>,
}

impl Report {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            causes: Vec::new(),
            trap: None,
            hints: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Something that was asked for failed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Code::FAILED, message)
    }

    /// The command line is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::USAGE, message)
    }

    /// Adds an error with everything behind it. A cause that only repeats its parent is left out.
    pub(crate) fn caused_by(mut self, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let error = error.into();
        let mut next: Option<&(dyn Error + 'static)> = Some(&*error);
        while let Some(error) = next {
            let text = error.to_string();
            let repeats = self.causes.last().is_some_and(|last| last.contains(&text));
            if !repeats && !text.is_empty() {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// The same as the cause of something larger.
    pub(crate) fn within(self, mut larger: Self) -> Self {
        larger.causes.push(self.message);
        larger.causes.extend(self.causes);
        larger.trap = self.trap;
        larger.hints.extend(self.hints);
        larger.told.extend(self.told);
        larger
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    pub(crate) fn with_trap(mut self, trap: TrapReport) -> Self {
        self.trap = Some(Box::new(trap));
        self
    }
}
