//! `weft print`: a binary as WebAssembly text.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use weft_inspect::print::{self, Detail, Error, Options, Shape};

use crate::exit_code::Code;
use crate::input::{self, PROGRAM_BYTES_MAX};
use crate::output::Output;
use crate::report::Report;

/// Print a component or core module as WebAssembly text.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  weft print --skeleton hello.wasm | less")]
pub(crate) struct Arguments {
    /// The file: binary or text; `-` reads standard input.
    file: PathBuf,

    /// Leave out the bodies of functions and the bytes of data.
    #[arg(long)]
    skeleton: bool,

    /// Write operands inside the instructions that use them.
    #[arg(long)]
    folded: bool,
}

pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<Code, Report> {
    let input = input::read(&arguments.file, PROGRAM_BYTES_MAX)?;
    let options = Options {
        detail: if arguments.skeleton {
            Detail::Skeleton
        } else {
            Detail::Whole
        },
        shape: if arguments.folded {
            Shape::Folded
        } else {
            Shape::Flat
        },
    };
    let mut writer = BufWriter::with_capacity(1 << 16, Data(output));
    let printed = print::text(&input.bytes, options, &mut writer);
    // What could be printed is shown even where the rest does not read.
    let written = writer.flush();
    match (printed, written) {
        (Ok(()), Ok(())) => Ok(Code::DONE),
        (Err(Error::Output(error)), _) | (Ok(()), Err(error)) => {
            Err(Report::failed("cannot write to standard output").caused_by(error))
        }
        (Err(error), _) => Err(Report::failed(format!("cannot print `{}`", input.name)).caused_by(error)),
    }
}

/// Standard output, as something that text can be written to piece by piece.
struct Data<'a>(&'a Output);

impl Write for Data<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.data_bytes(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(report) => Err(io::Error::other(report.causes.join(": "))),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
