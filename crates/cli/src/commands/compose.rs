//! `weft compose`: write an app as one component.

use std::path::PathBuf;

use weft_app::quantity::show_bytes;
use weft_node::write_whole;

use crate::app::{self, AppArguments};
use crate::exit_code::Code;
use crate::output::Output;
use crate::report::Report;

const EXAMPLES: &str = "Examples:
  weft compose -o report.wasm examples/report
  weft compose --standard -o report.wasm examples/report && wasmtime run report.wasm

Without `--standard` the imports of the component say whose they are (`parser:wasi-cli/environment@0.2.3`), which
only Weft understands. With it they have their own names, and any host runs it; that is refused where two
components may do different things with one interface, since a host that knows only one name cannot tell them apart.";

/// Write an app as one component, for use elsewhere.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    app: AppArguments,

    /// Where the component goes.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,

    /// Give imports their own names back, so that other hosts run the component too.
    #[arg(long)]
    standard: bool,
}

pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<Code, Report> {
    let opened = app::open(&arguments.app.app, output)?;
    let assembled = app::assemble(&opened, output)?;
    let bytes = if arguments.standard {
        let planned = &assembled.planned;
        weft_compose::standard(opened.app(), &planned.plan, &planned.parts.list()).map_err(|error| {
            Report::failed("the app cannot be written with the interfaces' own names").caused_by(error)
        })?
    } else {
        assembled.fused.bytes
    };
    let path = &arguments.output;
    write_whole(path, &bytes)
        .map_err(|error| Report::failed(format!("cannot write `{}`", path.display())).caused_by(error))?;
    output.detail(&format!(
        "wrote `{}` ({})",
        path.display(),
        show_bytes(bytes.len() as u64)
    ));
    Ok(Code::DONE)
}
