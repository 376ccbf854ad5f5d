//! How a component lives and what a call of it may spend, where others call it over isolated links.

use std::ops::RangeInclusive;

use weft_app::cell::{CellSettings, Lifetime, Restarts};

use super::{Lowering, limits, values};
use crate::document::Table;
use crate::problems::Problem;

/// Calls that may be nested.
const DEPTH: RangeInclusive<u32> = 1..=64;

/// Keys that speak of one lifetime only.
const OF_POOLED: [&str; 2] = ["uses", "idle"];
const OF_SHARED: [&str; 4] = ["restarts", "period", "backoff", "backoff-max"];

impl Lowering<'_> {
    pub(super) fn cell(&mut self, component: &Table) -> CellSettings {
        let mut settings = CellSettings::default();
        let Some(table) = values::table(component, "cell") else {
            return settings;
        };
        settings.lifetime = self.lifetime(table);
        self.read_some_time(table, "cpu-time", &mut settings.cpu_time_max);
        self.read_some_time(table, "timeout", &mut settings.wall_time_max);
        self.read(table, "handles", &mut settings.handles_max, limits::parse_handles);
        self.read(table, "depth", &mut settings.depth_max, parse_depth);
        settings.restarts = self.restarts(table);
        settings
    }

    fn lifetime(&mut self, table: &Table) -> Lifetime {
        let lifetime = match values::text(table, "lifetime") {
            Some(("pooled", _)) => {
                let (mut uses_max, mut idle_max) = (Lifetime::USES_MAX, Lifetime::IDLE_MAX);
                self.read(table, "uses", &mut uses_max, limits::parse_some);
                self.read(table, "idle", &mut idle_max, limits::parse_some);
                Lifetime::Pooled { uses_max, idle_max }
            }
            Some(("shared", _)) => Lifetime::Shared,
            _ => Lifetime::Request,
        };
        if !matches!(lifetime, Lifetime::Pooled { .. }) {
            self.refuse_keys(table, &OF_POOLED, "pooled");
        }
        if lifetime != Lifetime::Shared {
            self.refuse_keys(table, &OF_SHARED, "shared");
        }
        lifetime
    }

    fn refuse_keys(&mut self, table: &Table, keys: &[&str], lifetime: &str) {
        for key in keys {
            if let Some(entry) = table.get(key) {
                let message = format!("`{key}` is for `lifetime = \"{lifetime}\"` only");
                self.problems.push(Problem::error(message).at(&entry.key_span));
            }
        }
    }

    fn restarts(&mut self, table: &Table) -> Restarts {
        let mut restarts = Restarts::default();
        self.read(table, "restarts", &mut restarts.intensity, limits::parse_any);
        self.read(table, "period", &mut restarts.period, limits::parse_time);
        self.read(table, "backoff", &mut restarts.backoff_min, limits::parse_time);
        self.read(
            table,
            "backoff-max",
            &mut restarts.backoff_max,
            limits::parse_time,
        );
        restarts
    }

    fn read_some_time(&mut self, table: &Table, key: &str, limit: &mut Option<std::time::Duration>) {
        let mut time = std::time::Duration::ZERO;
        self.read(table, key, &mut time, limits::parse_time);
        if !time.is_zero() {
            *limit = Some(time);
        }
    }
}

fn parse_depth(text: &str) -> Result<u32, String> {
    limits::parse_within(text, DEPTH)
}
