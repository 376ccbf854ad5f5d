//! `weft new`: write an app to begin with.

use std::path::PathBuf;

use weft_app::Name;
use weft_manifest::name_of_folder;
use weft_node::template::{self, Template};

use crate::exit_code::Code;
use crate::output::Output;
use crate::report::Report;

const EXAMPLES: &str = "Examples:
  weft new hello && cd hello && weft up
  weft new --template pair shop

Building what it writes takes a Rust tool chain: `rustup target add wasm32-wasip2`.";

/// Write an app to begin with: a manifest, a program that it builds, a README.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The folder to write it into: a new or an empty one. The app is called like it.
    #[arg(value_name = "NAME")]
    folder: PathBuf,

    /// What to begin with.
    #[arg(long, value_enum, default_value_t = Kind::Program)]
    template: Kind,
}

/// What there is to begin with.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// A program in Rust.
    Program,
    /// A program in Rust and a library beside it, which is granted nothing.
    Pair,
}

pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<Code, Report> {
    let folder = arguments.folder;
    let name = name(&folder)?;
    let template = match arguments.template {
        Kind::Program => Template::Program,
        Kind::Pair => Template::Pair,
    };
    template::create(&folder, &name, template).map_err(|error| match error {
        template::Error::NotEmpty { .. } => {
            Report::usage(error.to_string()).hint("name a folder that is new or empty")
        }
        template::Error::Io(_) => Report::failed(format!("cannot make the app `{name}`")).caused_by(error),
    })?;
    output.note(&format!(
        "made the app `{name}`; run it with `weft up {}`",
        folder.display()
    ));
    Ok(Code::DONE)
}

/// The name of an app in a folder.
fn name(folder: &std::path::Path) -> Result<Name, Report> {
    // `.` and `..` are somebody's folders too.
    let whole = if folder.file_name().is_some() {
        folder.to_owned()
    } else {
        fs_err::canonicalize(folder)
            .map_err(|error| Report::usage("cannot find the folder").caused_by(error))?
    };
    let last = whole.file_name().unwrap_or_default().to_string_lossy();
    last.parse().map_err(|error: weft_app::NameError| {
        Report::usage(format!("an app cannot be called `{last}`"))
            .caused_by(error)
            .hint(format!("`{}` would be a name", name_of_folder(&last)))
    })
}
