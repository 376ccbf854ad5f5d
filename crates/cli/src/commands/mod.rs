//! The commands, one file each: what it takes, what it does, what it prints.

pub(crate) mod cache;
pub(crate) mod check;
pub(crate) mod compile;
pub(crate) mod completions;
pub(crate) mod compose;
pub(crate) mod data;
pub(crate) mod graph;
pub(crate) mod inspect;
pub(crate) mod man;
pub(crate) mod new;
pub(crate) mod print;
pub(crate) mod reload;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod serve;
pub(crate) mod up;
pub(crate) mod update;
pub(crate) mod validate;
pub(crate) mod wit;

use crate::args::Command;
use crate::exit_code::Code;
use crate::output::Output;
use crate::report::Report;
use crate::settings::Settings;

/// How facts are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

pub(crate) fn run(command: Command, settings: &Settings, output: &Output) -> Result<Code, Report> {
    match command {
        Command::New(arguments) => new::run(arguments, output),
        Command::Run(arguments) => run::run(*arguments, settings, output),
        Command::Serve(arguments) => serve::run(*arguments, settings, output),
        Command::Reload(arguments) => reload::run(&arguments, settings, output),
        Command::Up(arguments) => up::run(*arguments, settings, output),
        Command::Check(arguments) => check::run(arguments, output),
        Command::Graph(arguments) => graph::run(arguments, output),
        Command::Compose(arguments) => compose::run(arguments, output),
        Command::Update(arguments) => update::run(arguments, output),
        Command::Compile(arguments) => compile::run(arguments, settings, output),
        Command::Inspect(arguments) => inspect::run(arguments, output),
        Command::Wit(arguments) => wit::run(arguments, output),
        Command::Print(arguments) => print::run(arguments, output),
        Command::Validate(arguments) => validate::run(arguments, output),
        Command::Schema(arguments) => schema::run(arguments, output),
        Command::Cache(arguments) => cache::run(arguments, settings, output),
        Command::Data(arguments) => data::run(arguments, settings, output),
        Command::Completions(arguments) => completions::run(arguments, output),
        Command::Man(arguments) => man::run(arguments, output),
    }
}
