//! `weft compose`: write an app, or one way into it, as one component.

use std::path::PathBuf;

use weft_app::quantity::show_bytes;
use weft_compose::{Entry, Fused};
use weft_node::{Assembled, write_whole};

use crate::app::{self, AppArguments};
use crate::exit_code::Code;
use crate::output::Output;
use crate::report::Report;

const EXAMPLES: &str = "Examples:
  weft compose -o report.wasm examples/report
  weft compose --entry api -o api.wasm examples/shop
  weft compose --standard -o report.wasm examples/report && wasmtime run report.wasm

Without `--standard` the imports of the component say whose they are (`parser:wasi-cli/environment@0.2.3`), which
only Weft understands. With it they have their own names, and any host runs it; that is refused where two
components may do different things with one interface, since a host that knows only one name cannot tell them apart.

An app that is entered in several ways, as one with routes to several components, becomes as many components, each with
what it is linked to: `--entry` says which of them to write.";

/// Write an app as one component, for use elsewhere.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    app: AppArguments,

    /// Where the component goes.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,

    /// Which way into the app, where there are several: the component that is entered, or `NAME:command` or
    /// `NAME:http` where it is entered in both ways.
    #[arg(long, value_name = "NAME")]
    entry: Option<String>,

    /// Give imports their own names back, so that other hosts run the component too.
    #[arg(long)]
    standard: bool,
}

pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<Code, Report> {
    let opened = app::open(&arguments.app.app, output)?;
    let assembled = app::assemble(&opened, output)?;
    let (entry, fused) = choose(&assembled, arguments.entry.as_deref())?;
    let standard = if arguments.standard {
        let planned = &assembled.planned;
        let written = weft_compose::standard(opened.app(), &planned.plan, entry, &planned.parts.list());
        Some(written.map_err(|error| {
            Report::failed("the app cannot be written with the interfaces' own names").caused_by(error)
        })?)
    } else {
        None
    };
    let bytes = standard.as_ref().unwrap_or(&fused.bytes);
    let path = &arguments.output;
    write_whole(path, bytes)
        .map_err(|error| Report::failed(format!("cannot write `{}`", path.display())).caused_by(error))?;
    output.detail(&format!(
        "wrote `{}` ({})",
        path.display(),
        show_bytes(bytes.len() as u64)
    ));
    Ok(Code::DONE)
}

/// The way into the app that is meant.
fn choose<'a>(assembled: &'a Assembled, wanted: Option<&str>) -> Result<(&'a Entry, &'a Fused), Report> {
    let plan = &assembled.planned.plan;
    let name = |entry: &Entry| {
        let component = plan.components().get(entry.component);
        component.map_or_else(String::new, |component| component.name.to_string())
    };
    let full_name = |entry: &Entry| format!("{}:{}", name(entry), entry.kind);
    let is_meant =
        |entry: &Entry| wanted.is_none_or(|wanted| name(entry) == wanted || full_name(entry) == wanted);
    let meant: Vec<(&Entry, &Fused)> = assembled.entries().filter(|(entry, _)| is_meant(entry)).collect();
    if let [one] = meant.as_slice() {
        return Ok(*one);
    }
    let known: Vec<String> = plan
        .entries()
        .iter()
        .map(|entry| format!("`{}`", full_name(entry)))
        .collect();
    if known.is_empty() {
        return Err(Report::usage(
            "files answer everything: no component is entered, so there is none to write",
        ));
    }
    let message = match wanted {
        None => "the app is entered in several ways, and each becomes a component of its own".to_owned(),
        Some(wanted) if meant.is_empty() => format!("no way into the app is called `{wanted}`"),
        Some(wanted) => format!("component `{wanted}` is entered in several ways"),
    };
    Err(Report::usage(message).hint(format!("`--entry` takes one of {}", known.join(", "))))
}
