//! What a program may spend.

use std::str::FromStr;
use std::time::Duration;

use weft_app::Limits;
use weft_app::quantity::{parse_bytes, parse_duration};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitArguments {
    /// Memory of the program, all its memories together.
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = bounded(parse_bytes))]
    memory: Bound<u64>,

    /// Elements of the program's tables, all together.
    #[arg(long, value_name = "COUNT", default_value = "1000000", value_parser = bounded(parse_count))]
    tables: Bound<u64>,

    /// Time on the clock.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = bounded(parse_duration))]
    timeout: Bound<Duration>,

    /// Processor time.
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = bounded(parse_duration))]
    cpu_time: Bound<Duration>,

    /// Units of fuel, roughly one an instruction: the same run ends at the same place. Slows the program down,
    /// and is off unless given.
    #[arg(long, value_name = "UNITS", default_value = "none", value_parser = bounded(parse_count))]
    fuel: Bound<u64>,

    /// Stack of the program, at most 256 MiB.
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = parse_stack)]
    stack: usize,

    /// Files, sockets, streams and other things open at a time.
    #[arg(long, value_name = "COUNT", default_value = "4096", value_parser = parse_handles)]
    handles: usize,

    /// Bytes written to standard output and standard error together.
    #[arg(long, value_name = "SIZE", default_value = "16GiB", value_parser = bounded(parse_bytes))]
    output_bytes: Bound<u64>,
}

/// A limit that may be lifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bound<T>(Option<T>);

fn bounded<T, E: ToString>(
    parse: impl Fn(&str) -> Result<T, E> + Clone,
) -> impl Fn(&str) -> Result<Bound<T>, String> + Clone {
    move |text| match text {
        "none" => Ok(Bound(None)),
        text => parse(text)
            .map(|value| Bound(Some(value)))
            .map_err(|error| error.to_string()),
    }
}

fn parse_count(text: &str) -> Result<u64, String> {
    text.replace('_', "")
        .parse()
        .map_err(|_| format!("`{text}` is not a whole number"))
}

fn parse_stack(text: &str) -> Result<usize, String> {
    const RANGE: std::ops::RangeInclusive<u64> = 16 << 10..=256 << 20;
    let bytes = parse_bytes(text).map_err(|error| error.to_string())?;
    if !RANGE.contains(&bytes) {
        return Err(format!("`{text}` is not between 16 KiB and 256 MiB"));
    }
    usize::try_from(bytes).map_err(|error| error.to_string())
}

fn parse_handles(text: &str) -> Result<usize, String> {
    match usize::from_str(text) {
        Ok(count) if (16..=1_000_000).contains(&count) => Ok(count),
        _ => Err(format!("`{text}` is not a number from 16 to 1000000")),
    }
}

impl LimitArguments {
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            memory_bytes_max: self.memory.0,
            table_elements_max: self.tables.0,
            wall_time_max: self.timeout.0,
            cpu_time_max: self.cpu_time.0,
            fuel_max: self.fuel.0,
            stack_bytes_max: self.stack,
            handles_max: self.handles,
            output_bytes_max: self.output_bytes.0,
        }
    }
}
