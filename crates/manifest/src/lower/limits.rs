//! What a component, and what a whole run, may spend.

use std::fmt::Display;
use std::ops::{Range, RangeInclusive};

use weft_app::quantity::{parse_bytes, parse_duration};
use weft_app::{ComponentLimits, Limits};

use super::{Lowering, values};
use crate::diagnostic::quote;
use crate::document::Table;
use crate::problems::Problem;

/// Bytes of native stack, as for `--stack`.
const STACK_BYTES: RangeInclusive<u64> = 16 << 10..=256 << 20;

/// Handles, as for `--handles`.
const HANDLES: RangeInclusive<u64> = 16..=1_000_000;

impl Lowering<'_> {
    pub(super) fn component_limits(&mut self, component: &Table) -> ComponentLimits {
        let mut limits = ComponentLimits::default();
        let Some(table) = values::table(component, "limits") else {
            return limits;
        };
        for key in ["memory", "tables"] {
            if let Some((text, span)) = values::quantity(table, key).filter(|(text, _)| text == "none") {
                let message =
                    format!("`{text}` cannot stand here: what a component may spend is always bounded");
                self.problems.push(Problem::error(message).at(span));
                return limits;
            }
        }
        self.read(table, "memory", &mut limits.memory_bytes_max, parse_bytes);
        self.read(table, "tables", &mut limits.table_elements_max, parse_count);
        limits
    }

    pub(super) fn app_limits(&mut self, root: &Table) -> Limits {
        let mut limits = Limits::default();
        let Some(table) = values::table(root, "limits") else {
            return limits;
        };
        self.read_bound(table, "memory", &mut limits.memory_bytes_max, parse_bytes);
        self.read_bound(table, "tables", &mut limits.table_elements_max, parse_count);
        self.read_bound(table, "timeout", &mut limits.wall_time_max, parse_duration);
        self.read_bound(table, "cpu-time", &mut limits.cpu_time_max, parse_duration);
        self.read_bound(table, "fuel", &mut limits.fuel_max, parse_count);
        self.read(table, "stack", &mut limits.stack_bytes_max, parse_stack);
        self.read(table, "handles", &mut limits.handles_max, parse_handles);
        self.read_bound(table, "output-bytes", &mut limits.output_bytes_max, parse_bytes);
        limits
    }

    /// Reads a limit that cannot be lifted.
    fn read<T, E: Display>(
        &mut self,
        table: &Table,
        key: &str,
        limit: &mut T,
        parse: fn(&str) -> Result<T, E>,
    ) {
        if let Some((text, span)) = values::quantity(table, key) {
            match parse(&text) {
                Ok(value) => *limit = value,
                Err(error) => self.refuse_limit(error, &text, span),
            }
        }
    }

    /// Reads a limit that `none` lifts.
    fn read_bound<T, E: Display>(
        &mut self,
        table: &Table,
        key: &str,
        limit: &mut Option<T>,
        parse: fn(&str) -> Result<T, E>,
    ) {
        if let Some((text, span)) = values::quantity(table, key) {
            match parse(&text) {
                _ if text == "none" => *limit = None,
                Ok(value) => *limit = Some(value),
                Err(error) => self.refuse_limit(error, &text, span),
            }
        }
    }

    fn refuse_limit(&mut self, error: impl Display, text: &str, span: &Range<usize>) {
        let mut problem = super::refused(error, span);
        if ["unlimited", "infinite", "inf", "off", "never", "-1"].contains(&text) {
            problem = problem.hint("`\"none\"` lifts a limit that allows it");
        }
        self.problems.push_unless_told(problem);
    }
}

fn parse_count(text: &str) -> Result<u64, String> {
    text.replace('_', "")
        .parse()
        .map_err(|_| format!("{} is not a whole number", quote(text)))
}

fn parse_stack(text: &str) -> Result<usize, String> {
    let bytes = parse_bytes(text).map_err(|error| error.to_string())?;
    usize::try_from(bytes)
        .ok()
        .filter(|_| STACK_BYTES.contains(&bytes))
        .ok_or_else(|| format!("{} is not between 16 KiB and 256 MiB", quote(text)))
}

fn parse_handles(text: &str) -> Result<usize, String> {
    parse_count(text)
        .ok()
        .filter(|count| HANDLES.contains(count))
        .and_then(|count| usize::try_from(count).ok())
        .ok_or_else(|| format!("{} is not a number from 16 to 1000000", quote(text)))
}
