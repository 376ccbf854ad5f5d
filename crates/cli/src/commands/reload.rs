//! `weft reload`: ask a running server to take in what has changed.

use std::path::PathBuf;

use crate::exit_code::Code;
use crate::output::Output;
use crate::report::Report;
use crate::running;
use crate::settings::Settings;

const EXAMPLES: &str = "Examples:
  weft reload              (the app in this folder)
  weft reload site.wasm

It does what SIGHUP does to the process. The server goes on as it was where the new version cannot be used, and says
so; no request is lost either way.";

/// Ask the server of an app, a component or a folder to serve it as it is now.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// What `weft up` or `weft serve` was given.
    #[arg(value_name = "APP|FILE|FOLDER", default_value = ".")]
    served: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, settings: &Settings, output: &Output) -> Result<Code, Report> {
    let servers = running::servers_of(&arguments.served, settings)?;
    if servers.is_empty() {
        return Err(
            Report::failed(format!("nobody serves `{}`", arguments.served.display()))
                .hint("name what `weft up` or `weft serve` was given, as the same user"),
        );
    }
    for server in servers {
        let pid = server.as_raw_nonzero();
        running::ask_to_reload(server)
            .map_err(|error| Report::failed(format!("cannot reach process {pid}")).caused_by(error))?;
        output.note(&format!("asked process {pid} to reload"));
    }
    Ok(Code::DONE)
}
