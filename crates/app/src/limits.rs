//! Limits: what a component may spend before it is stopped.

use std::time::Duration;

/// Bounds on one run. `None` means unbounded and is only ever somebody's explicit choice, except for
/// [`Limits::fuel_max`], which costs time in every loop and is therefore off unless asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory, all memories of the run together.
    pub memory_bytes_max: Option<u64>,
    /// Elements of tables, all tables of the run together.
    pub table_elements_max: Option<u64>,
    /// Time on the wall clock from the first instruction of the guest.
    pub wall_time_max: Option<Duration>,
    /// Time the processors spent on the run, all threads together.
    pub cpu_time_max: Option<Duration>,
    /// Units of fuel, roughly one an instruction. Deterministic: the same run ends at the same instruction.
    pub fuel_max: Option<u64>,
    /// Bytes of native stack that guest code may use.
    pub stack_bytes_max: usize,
    /// Handles open at the same time: files, directories, sockets, streams, requests.
    pub handles_max: usize,
    /// Bytes written to standard output and standard error together.
    pub output_bytes_max: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes_max: Some(1 << 30),
            table_elements_max: Some(1_000_000),
            wall_time_max: Some(Duration::from_secs(60 * 60)),
            cpu_time_max: Some(Duration::from_secs(30 * 60)),
            fuel_max: None,
            stack_bytes_max: 1 << 20,
            handles_max: 4096,
            output_bytes_max: Some(16 << 30),
        }
    }
}
