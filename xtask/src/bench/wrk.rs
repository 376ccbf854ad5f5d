//! Load from `wrk`, and what a server needed under it.

use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use super::server::Server;

/// How much load.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) seconds: u32,
    pub(super) connections: u32,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    /// Responses per second.
    pub(super) rate: f64,
    /// Latency in the middle.
    pub(super) median_us: f64,
    /// Latency that one request in a hundred exceeds.
    pub(super) tail_us: f64,
    /// Processor time of the server for one request, the system's part included.
    pub(super) processor_us: f64,
    /// The most memory that the server had.
    pub(super) peak_mib: f64,
}

/// Checks that the load generator is there.
pub(super) fn find() -> Result<()> {
    // It ends with 1 when it is asked for its version.
    Command::new("wrk")
        .arg("--version")
        .output()
        .context("the load generator `wrk` is missing; `apt-get install wrk` brings it")?;
    Ok(())
}

impl Load {
    /// Warms a server up, and measures it.
    pub(super) fn measure(self, server: &Server) -> Result<Measured> {
        self.wrk(server, 1)?;
        let before = server.processor_seconds()?;
        let said = self.wrk(server, self.seconds)?;
        let spent = server.processor_seconds()? - before;
        ensure!(
            !said.contains("Non-2xx") && !said.contains("Socket errors"),
            "`{}` failed under load: {said}",
            server.name()
        );
        let requests = number_before(&said, " requests in ")?;
        ensure!(requests > 0.0, "`{}` answered nothing: {said}", server.name());
        Ok(Measured {
            rate: number_after(&said, "Requests/sec:")?,
            median_us: microseconds_after(&said, "50%")?,
            tail_us: microseconds_after(&said, "99%")?,
            processor_us: spent * 1e6 / requests,
            peak_mib: server.peak_mib()?,
        })
    }

    fn wrk(self, server: &Server, seconds: u32) -> Result<String> {
        let output = Command::new("wrk")
            .args(["--threads", "1", "--latency", "--timeout", "10s"])
            .args(["--connections", &self.connections.to_string()])
            .args(["--duration", &format!("{seconds}s")])
            .arg(server.url())
            .output()
            .context("cannot start `wrk`")?;
        if !output.status.success() {
            bail!(
                "`wrk` ended with {}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn number_before(text: &str, mark: &str) -> Result<f64> {
    let before = text
        .split(mark)
        .next()
        .and_then(|before| before.split_whitespace().last());
    before
        .and_then(|number| number.parse().ok())
        .with_context(|| format!("`wrk` said nothing before `{mark}`: {text}"))
}

fn word_after<'t>(text: &'t str, mark: &str) -> Result<&'t str> {
    text.split_once(mark)
        .and_then(|(_, after)| after.split_whitespace().next())
        .with_context(|| format!("`wrk` said nothing after `{mark}`: {text}"))
}

fn number_after(text: &str, mark: &str) -> Result<f64> {
    Ok(word_after(text, mark)?.parse()?)
}

fn microseconds_after(text: &str, mark: &str) -> Result<f64> {
    // Other lines have percentages too, but not at their beginning.
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(mark));
    let word = line
        .map(str::trim)
        .with_context(|| format!("`wrk` gave no {mark}: {text}"))?;
    let units = [("us", 1.0), ("ms", 1e3), ("s", 1e6), ("m", 6e7)];
    for (unit, factor) in units {
        if let Some(number) = word.strip_suffix(unit) {
            return Ok(number.parse::<f64>()? * factor);
        }
    }
    bail!("`{word}` is no time")
}
