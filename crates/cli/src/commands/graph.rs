//! `weft graph`: draw an app.

use std::path::PathBuf;

use weft_compose::graph::Graph;
use weft_node::write_whole;

use crate::app::{self, AppArguments, BuildArgument};
use crate::exit_code::Code;
use crate::output::Output;
use crate::report::Report;

const EXAMPLES: &str = "Examples:
  weft graph examples/report
  weft graph --format svg -o report.svg examples/report";

/// Draw an app: its components, what links them, what each was granted and can reach.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    app: AppArguments,

    #[command(flatten)]
    build: BuildArgument,

    /// The form of the drawing.
    #[arg(long, value_enum, default_value = "text")]
    format: Form,

    /// Where the drawing goes; without it, to standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Forms of a drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// For the terminal.
    Text,
    /// A picture that browsers show.
    Svg,
    /// For Markdown that renders Mermaid.
    Mermaid,
    /// For Graphviz.
    Dot,
}

pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<Code, Report> {
    let opened = app::open(&arguments.app.app, output)?;
    let planned = app::plan(&opened, &arguments.build, output)?;
    let graph = Graph::new(opened.app(), &planned.plan);
    let drawing = match arguments.format {
        Form::Text => graph.text(),
        Form::Svg => graph.svg(),
        Form::Mermaid => graph.mermaid(),
        Form::Dot => graph.dot(),
    };
    match &arguments.output {
        None => output.data(&drawing)?,
        Some(path) => write_whole(path, drawing.as_bytes())
            .map_err(|error| Report::failed(format!("cannot write `{}`", path.display())).caused_by(error))?,
    }
    Ok(Code::DONE)
}
