//! What compiling may take.

use std::time::Duration;

use weft_app::quantity::{parse_bytes, parse_duration};

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
}

impl CompileArguments {
    /// The flags as they stand on a command line.
    pub(crate) fn words(self) -> [String; 3] {
        [
            format!("--program-size={}", self.program_size),
            format!("--compile-time={}ms", self.compile_time.as_millis()),
            format!("--compile-memory={}", self.compile_memory),
        ]
    }

    pub(crate) fn bounds(self) -> CompileBounds {
        CompileBounds {
            time_max: self.compile_time,
            memory_bytes_max: self.compile_memory,
        }
    }
}
