//! The command line: what there is to ask for.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands;
use crate::exit_code::Code;

const EXAMPLES: &str = "Example:
  weft run --dir .::/work hello.wasm --greet you

Exit codes: 0 done, 1 failed, 2 wrong usage, 124 a limit ended the program, 134 the program trapped,
128+N a signal ended it, anything else is the program's own.";

/// Run WebAssembly components that do not have to trust each other.
#[derive(Debug, Parser)]
#[command(name = "weft", version, about, after_help = EXAMPLES, max_term_width = 110)]
pub(crate) struct Arguments<C: Subcommand = Command> {
    #[command(subcommand)]
    pub(crate) command: C,

    /// Say nothing but errors.
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    quiet: bool,

    /// Say more: what was found, what came from the cache, how long things took.
    #[arg(long, global = true)]
    verbose: bool,
}

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    New(commands::new::Arguments),
    Run(Box<commands::run::Arguments>),
    Serve(Box<commands::serve::Arguments>),
    Up(Box<commands::up::Arguments>),
    Reload(commands::reload::Arguments),
    Check(commands::check::Arguments),
    Graph(commands::graph::Arguments),
    Compose(commands::compose::Arguments),
    Update(commands::update::Arguments),
    Compile(commands::compile::Arguments),
    Inspect(commands::inspect::Arguments),
    Wit(commands::wit::Arguments),
    Print(commands::print::Arguments),
    Validate(commands::validate::Arguments),
    Schema(commands::schema::Arguments),
    Cache(commands::cache::Arguments),
    Data(commands::data::Arguments),
    Completions(commands::completions::Arguments),
    Man(commands::man::Arguments),
}

/// The one command that must start fast.
#[derive(Debug, Subcommand)]
enum Run {
    Run(Box<commands::run::Arguments>),
}

impl Arguments {
    pub(crate) fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        }
    }
}

/// Reads the command line. `Err` is how the process ends when there is nothing to do: help, version, or a
/// command line that cannot be understood, all of which have been printed.
pub(crate) fn parse() -> Result<Arguments, ExitCode> {
    if let Some(arguments) = parse_run() {
        return Ok(arguments);
    }
    Arguments::try_parse().map_err(|error| {
        // Nothing is left to be done when the terminal itself cannot be written.
        let _ = error.print();
        if error.use_stderr() {
            Code::USAGE.into()
        } else {
            Code::DONE.into()
        }
    })
}

/// The same for `weft run` alone, without building what the other commands know: that costs as much as all that
/// a small run does by itself. Whatever is not understood here is read again by the whole.
fn parse_run() -> Option<Arguments> {
    std::env::args_os().nth(1).filter(|word| word == "run")?;
    let Arguments {
        command: Run::Run(run),
        quiet,
        verbose,
    } = Arguments::<Run>::try_parse().ok()?;
    let command = Command::Run(run);
    Some(Arguments {
        command,
        quiet,
        verbose,
    })
}
