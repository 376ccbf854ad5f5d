//! Several turns of one load on one server, put together.

use anyhow::{Result, ensure};

use super::super::numbers::Sample;
use super::Row;
use super::pace::Paced;

/// What each turn gave.
#[derive(Debug, Default)]
pub(super) struct Turns {
    rate: Sample,
    median: Sample,
    tail: Sample,
    late: Sample,
    failed: u64,
    failure: String,
}

impl Turns {
    pub(super) fn add(&mut self, paced: &Paced) -> Result<()> {
        ensure!(
            paced.latency.count() > 0,
            "nothing was answered: {}",
            paced.failure()
        );
        self.rate.push(paced.rate());
        self.median.push(paced.latency.quantile(0.5));
        self.tail.push(paced.latency.quantile(0.99));
        self.late.push(paced.late.quantile(0.99));
        self.failed += paced.failed();
        if self.failure.is_empty() {
            paced.failure().clone_into(&mut self.failure);
        }
        Ok(())
    }

    /// The latency that one request in a hundred exceeds, in the turn in the middle.
    pub(super) fn tail(&self) -> f64 {
        self.tail.median()
    }

    /// Rate and latencies, without a bar.
    pub(super) fn row(&self, what: impl Into<String>) -> Row {
        Row::new(
            what,
            format!(
                "{:.0}/s, p50 {:.0} µs, p99 {:.0} µs ({:.0} to {:.0}; sent late {:.0})",
                self.rate.median(),
                self.median.median(),
                self.tail.median(),
                self.tail.min(),
                self.tail.max(),
                self.late.median(),
            ),
        )
    }

    /// Requests without the answer that they should have had.
    pub(super) fn row_of_failures(&self, what: impl Into<String>) -> Row {
        let failure = match self.failure.as_str() {
            "" => String::new(),
            failure => format!(" ({failure})"),
        };
        Row::new(what, format!("{}{failure}", self.failed)).bar("0", self.failed == 0)
    }

    /// The tail as a multiple of another's.
    pub(super) fn row_of_ratio(
        &self,
        what: impl Into<String>,
        other: &Self,
        bar: (f64, &'static str),
    ) -> Row {
        let ratio = self.tail() / other.tail();
        Row::new(what, format!("{ratio:.2}")).bar(bar.1, ratio <= bar.0)
    }
}
