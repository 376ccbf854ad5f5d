//! `weft completions`: scripts that teach a shell to complete weft's command line.

use clap::CommandFactory as _;

use crate::exit_code::Code;
use crate::output::Output;
use crate::report::Report;

/// Print a script that completes weft's commands and flags in a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  weft completions bash > ~/.local/share/bash-completion/completions/weft")]
pub(crate) struct Arguments {
    /// The shell.
    shell: clap_complete::Shell,
}

pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<Code, Report> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut <crate::args::Arguments>::command(),
        "weft",
        &mut script,
    );
    output.data_bytes(&script)?;
    Ok(Code::DONE)
}
