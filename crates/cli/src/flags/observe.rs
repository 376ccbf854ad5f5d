//! How a run is looked at.

use std::path::{Path, PathBuf};
use std::time::Duration;

use weft_app::quantity::parse_duration;
use weft_runtime::entry::{self, Observe};
use weft_runtime::flamegraph::FlameGraph;
use weft_runtime::sampling::Sampled;

use crate::output::Output;
use crate::report::Report;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Looking inside")]
pub(crate) struct ObserveArguments {
    /// Write a core dump here when the program traps.
    #[arg(long, value_name = "FILE")]
    coredump: Option<PathBuf>,

    /// Write a profile for the Firefox profiler here (open it at profiler.firefox.com).
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,

    /// Write a flame graph (SVG) here.
    #[arg(long, value_name = "FILE")]
    flamegraph: Option<PathBuf>,

    /// How often the program's stack is taken for a profile or flame graph.
    #[arg(long, value_name = "TIME", default_value = "1ms", value_parser = parse_duration)]
    sample_every: Duration,
}

impl ObserveArguments {
    pub(crate) fn samples(&self) -> bool {
        self.profile.is_some() || self.flamegraph.is_some()
    }

    pub(crate) fn observe(&self) -> Observe {
        Observe {
            core_dump: self.coredump.is_some(),
            sample_every: self
                .samples()
                .then(|| self.sample_every.max(Duration::from_micros(50))),
        }
    }

    /// Whether anything of a run is to be written.
    pub(crate) fn is_wanted(&self) -> bool {
        self.samples() || self.wants_core_dump()
    }

    /// Whether somebody asked for a core dump.
    pub(crate) fn wants_core_dump(&self) -> bool {
        self.coredump.is_some()
    }

    /// Writes what was asked for.
    pub(crate) fn write(&self, name: &str, report: &entry::Report, output: &Output) -> Result<(), Report> {
        if let Some(sampled) = &report.sampled {
            self.write_samples(name, sampled, output)?;
        }
        if let (Some(path), Some(dump)) = (&self.coredump, &report.core_dump) {
            write(path, dump)?;
            output.detail(&format!("wrote the core dump to `{}`", path.display()));
        }
        Ok(())
    }

    fn write_samples(&self, name: &str, sampled: &Sampled, output: &Output) -> Result<(), Report> {
        if let Some(path) = &self.profile {
            match &sampled.firefox {
                Ok(json) => write(path, json)?,
                Err(error) => return Err(Report::failed("cannot make the profile").caused_by(error.clone())),
            }
            output.detail(&format!("wrote the profile to `{}`", path.display()));
        }
        if let Some(path) = &self.flamegraph {
            let mut svg = Vec::new();
            FlameGraph::new(&sampled.stacks)
                .write_svg(name, &mut svg)
                .map_err(|error| Report::failed("cannot draw the flame graph").caused_by(error))?;
            write(path, &svg)?;
            output.detail(&format!("wrote the flame graph to `{}`", path.display()));
        }
        Ok(())
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Report> {
    fs_err::write(path, bytes)
        .map_err(|error| Report::failed(format!("cannot write `{}`", path.display())).caused_by(error))
}
