//! `weft update`: accept what the components of an app are and ask for now.

use weft_node::{Building, Parts};

use crate::app::{self, AppArguments};
use crate::exit_code::Code;
use crate::output::Output;
use crate::report::Report;

/// Accept what the components of an app are now: show what changed since `weft.lock` was written, and write it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  weft update examples/report")]
pub(crate) struct Arguments {
    #[command(flatten)]
    app: AppArguments,

    /// Show what changed, and write nothing. The exit code is 1 where something did.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<Code, Report> {
    let opened = app::open(&arguments.app.app, output)?;
    let tell = |what: &str| output.note(what);
    let failed = |failure| app::report(failure, output);
    let parts = Parts::load(&opened, Building::Always, &tell).map_err(failed)?;
    // What is shown is what is accepted: no other process may come between.
    let held = weft_node::hold_lock(&opened).map_err(failed)?;
    let locking = weft_node::check_lock(&opened, &parts).map_err(failed)?;
    let mut text = String::new();
    for change in &locking.changes {
        text.push_str(&format!("{change}\n"));
    }
    if !locking.is_stale() {
        text.push_str("`weft.lock` is up to date\n");
    }
    let shown = || output.data(&text);
    if arguments.dry_run {
        shown()?;
        return Ok(if locking.is_stale() {
            Code::FAILED
        } else {
            Code::DONE
        });
    }
    if locking.is_stale() {
        weft_node::write_lock(&opened, &locking, &held).map_err(failed)?;
    }
    // A reader who does not read must not keep others from the lock.
    drop(held);
    shown()?;
    Ok(Code::DONE)
}
