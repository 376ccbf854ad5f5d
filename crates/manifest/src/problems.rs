//! Problems while they are gathered: places as bytes, made into lines and columns once, at the end.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::bounds::{PROBLEMS_KEPT_MAX, PROBLEMS_TOLD_MAX};
use crate::position::Lines;
use crate::{Diagnostic, Severity};

/// One problem, not yet placed.
#[derive(Debug)]
pub(crate) struct Problem {
    severity: Severity,
    message: String,
    span: Option<Range<usize>>,
    note: Option<(String, Range<usize>)>,
    hint: Option<String>,
}

impl Problem {
    pub(crate) fn error(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            span: None,
            note: None,
            hint: None,
        }
    }

    pub(crate) fn warning(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(message)
        }
    }

    pub(crate) fn at(mut self, span: &Range<usize>) -> Self {
        self.span = Some(span.clone());
        self
    }

    pub(crate) fn note(mut self, message: impl Into<String>, span: &Range<usize>) -> Self {
        self.note = Some((message.into(), span.clone()));
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn place(&self) -> Option<(usize, usize)> {
        self.span.as_ref().map(|span| (span.start, span.end))
    }

    /// The same with a hint where there is one.
    pub(crate) fn hint_maybe(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }
}

/// Problems in the order in which they were found. What a hostile text can make of them is bounded.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    kept: Vec<Problem>,
    places: BTreeSet<(usize, usize)>,
    left_off: usize,
    errors: usize,
}

impl Problems {
    pub(crate) fn push(&mut self, problem: Problem) {
        if problem.severity == Severity::Error {
            self.errors += 1;
        }
        if !self.is_full() {
            self.places.extend(problem.place());
            self.kept.push(problem);
        } else {
            self.left_off += 1;
        }
    }

    /// Tells of a value that cannot be read, unless something is known to be wrong with it.
    pub(crate) fn push_unless_told(&mut self, problem: Problem) {
        if !problem.place().is_some_and(|place| self.places.contains(&place)) {
            self.push(problem);
        }
    }

    /// Whether the next problem is only counted.
    pub(crate) fn is_full(&self) -> bool {
        self.kept.len() >= PROBLEMS_KEPT_MAX
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// All of them, sorted by place; those without a place come last.
    pub(crate) fn into_diagnostics(mut self, lines: &Lines) -> Vec<Diagnostic> {
        self.kept
            .sort_by_key(|problem| problem.place().unwrap_or((usize::MAX, usize::MAX)));
        let untold = self.kept.len().saturating_sub(PROBLEMS_TOLD_MAX) + self.left_off;
        let mut diagnostics: Vec<Diagnostic> = self
            .kept
            .into_iter()
            .take(PROBLEMS_TOLD_MAX)
            .map(|problem| Diagnostic {
                severity: problem.severity,
                message: problem.message,
                excerpt: Vec::new(),
                position: problem.span.map(|span| lines.position(span)),
                notes: problem
                    .note
                    .map(|(message, span)| crate::Note {
                        message,
                        position: lines.position(span),
                    })
                    .into_iter()
                    .collect(),
                hint: problem.hint,
            })
            .collect();
        if untold > 0 {
            let rest = format!("{untold} more problems are not shown");
            diagnostics.push(match self.errors {
                0 => Diagnostic::warning(rest),
                _ => Diagnostic::error(rest),
            });
        }
        diagnostics
    }
}
