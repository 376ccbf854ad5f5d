//! `weft man`: the manual page.

use clap::CommandFactory as _;

use crate::exit_code::Code;
use crate::output::Output;
use crate::report::Report;

/// Print a manual page, of weft itself or of one of its commands.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  weft man run | man -l -")]
pub(crate) struct Arguments {
    /// The command; without one, the page of weft itself.
    command: Option<String>,
}

pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<Code, Report> {
    let mut whole = <crate::args::Arguments>::command();
    whole.build();
    let command = match &arguments.command {
        None => whole,
        Some(name) => whole
            .find_subcommand(name)
            .ok_or_else(|| {
                Report::usage(format!("there is no command `{name}`")).hint("`weft help` lists them")
            })?
            .clone()
            .name(format!("weft-{name}")),
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(|error| Report::failed("cannot write the manual page").caused_by(error))?;
    output.data_bytes(&page)?;
    Ok(Code::DONE)
}
