//! `weft check`: say what is wrong with an app, and what it comes to, before anything runs.

use weft_app::Name;

use crate::app::{self, AppArguments, BuildArgument};
use crate::exit_code::Code;
use crate::output::Output;
use crate::report::Report;

/// Check an app without running it: its manifest, its links, its grants, its lock file.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  weft check examples/report\n  weft check examples/report --explain parser"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    app: AppArguments,

    #[command(flatten)]
    build: BuildArgument,

    /// Say what this component could do at worst.
    #[arg(long, value_name = "COMPONENT")]
    explain: Option<Name>,
}

pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<Code, Report> {
    let opened = app::open(&arguments.app.app, output)?;
    let planned = app::plan(&opened, &arguments.build, output)?;
    if let Some(name) = &arguments.explain {
        let explanation = weft_compose::explain(opened.app(), &planned.plan, name).ok_or_else(|| {
            let known: Vec<_> = opened
                .app()
                .components
                .iter()
                .map(|of| format!("`{}`", of.name))
                .collect();
            Report::usage(format!("the app has no component `{name}`"))
                .hint(format!("it has {}", known.join(", ")))
        })?;
        output.data(&explanation.to_string())?;
        return Ok(Code::DONE);
    }
    let mut text = String::new();
    let links = app::chosen_links(&planned.plan);
    for line in links.into_iter().chain(app::ways_in(opened.app(), &planned.plan)) {
        text.push_str(&format!("{line}\n"));
    }
    let count = planned.plan.components().len();
    let plural = if count == 1 { "" } else { "s" };
    text.push_str(&format!(
        "app `{}` is fine: {count} component{plural}\n",
        opened.app().name
    ));
    output.data(&text)?;
    Ok(Code::DONE)
}
