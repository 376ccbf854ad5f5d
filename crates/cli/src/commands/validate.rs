//! `weft validate`: whether a file is valid WebAssembly, and if not, where and why.

use std::path::PathBuf;

use weft_app::quantity::show_bytes;
use weft_inspect::validate::{self, Summary};
use weft_inspect::{json, kind::Kind};

use super::Format;
use crate::exit_code::Code;
use crate::input::{self, PROGRAM_BYTES_MAX};
use crate::output::Output;
use crate::report::Report;

/// Check a file by every rule of WebAssembly, and say where it breaks one.
///
/// Valid does not mean that it can be run: `weft inspect` shows what it asks for.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  weft validate --format json hello.wasm")]
pub(crate) struct Arguments {
    /// The file: a component, a core module, or their text; `-` reads standard input.
    file: PathBuf,

    /// How to show it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<Code, Report> {
    let input = input::read(&arguments.file, PROGRAM_BYTES_MAX)?;
    let result = validate::validate(&input.bytes);
    if arguments.format == Format::Json {
        output.data(&format!("{:#}\n", json::validation(&result)))?;
        return Ok(if result.is_ok() { Code::DONE } else { Code::FAILED });
    }
    let summary = result.map_err(|error| {
        Report::failed(format!("`{}` is not valid WebAssembly", input.name)).caused_by(error)
    })?;
    output.data(&format!("{} is valid: {}\n", input.name, describe(summary)))?;
    Ok(Code::DONE)
}

fn describe(summary: Summary) -> String {
    let size = show_bytes(summary.bytes as u64);
    match summary.kind {
        Kind::Component => format!(
            "a component of {size} with {} components and {} core modules inside, {} functions",
            summary.components.saturating_sub(1),
            summary.modules,
            summary.functions,
        ),
        _ => format!("a core module of {size}, {} functions", summary.functions),
    }
}
