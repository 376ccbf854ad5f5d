//! What compiling may take.

use std::time::Duration;

use weft_app::quantity::{parse_bytes, parse_duration};

use weft_app::Interruption;

use crate::watch::CompileBounds;

/// Flags of everything that compiles.
#[derive(Debug, Clone, Copy, clap::Args)]
#[command(next_help_heading = "Compilation")]
pub(crate) struct CompileArguments {
    /// Size of the program's file, at most.
    #[arg(long, value_name = "SIZE", default_value = "128MiB", value_parser = parse_bytes)]
    pub(crate) program_size: u64,

    /// Time that compiling may take.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_duration)]
    compile_time: Duration,

    /// Memory that compiling may take.
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = parse_bytes)]
    compile_memory: u64,

    /// What makes the program look up while it computes: `none`, `counted` or `epochs`.
    ///
    /// A process that runs one program can be ended from outside and needs nothing. `counted` is what `weft serve` does
    /// to programs that share threads, and costs a few per cent; `epochs` costs more, and keeps line numbers.
    #[arg(long, value_name = "HOW")]
    pub(crate) interruption: Option<Interruption>,
}

impl CompileArguments {
    /// The flags as they stand on a command line.
    pub(crate) fn words(self) -> Vec<String> {
        let interruption = self.interruption.map(|how| format!("--interruption={how}"));
        [
            format!("--program-size={}", self.program_size),
            format!("--compile-time={}ms", self.compile_time.as_millis()),
            format!("--compile-memory={}", self.compile_memory),
        ]
        .into_iter()
        .chain(interruption)
        .collect()
    }

    pub(crate) fn bounds(self) -> CompileBounds {
        CompileBounds {
            time_max: self.compile_time,
            memory_bytes_max: self.compile_memory,
        }
    }
}
