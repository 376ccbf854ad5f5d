//! `weft wit`: the WIT of a component.

use std::path::PathBuf;

use weft_inspect::wit::{self, Selection};

use super::Format;
use crate::exit_code::Code;
use crate::input::{self, PROGRAM_BYTES_MAX};
use crate::output::{Output, visible};
use crate::report::Report;

/// Print the WIT of a component, of a WIT package in binary form, or of a core module that carries its WIT.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  weft wit --world-only hello.wasm")]
pub(crate) struct Arguments {
    /// The file: binary or text; `-` reads standard input.
    file: PathBuf,

    /// Only the world of the file, without the packages that it uses.
    #[arg(long)]
    world_only: bool,

    /// How to show it: as WIT, or as an object with the WIT in its key `wit`.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<Code, Report> {
    let input = input::read(&arguments.file, PROGRAM_BYTES_MAX)?;
    let selection = if arguments.world_only {
        Selection::WorldOnly
    } else {
        Selection::Everything
    };
    let text = wit::world(&input.bytes, selection).map_err(|error| {
        Report::failed(format!("cannot show the WIT of `{}`", input.name)).caused_by(error)
    })?;
    match arguments.format {
        Format::Text => output.data(&visible(&text))?,
        Format::Json => output.data(&format!("{:#}\n", serde_json::json!({ "wit": text })))?,
    }
    Ok(Code::DONE)
}
