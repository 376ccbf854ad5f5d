//! What of an app can be entered from outside: what its triggers run, and nothing else.

use weft_app::link::split_version;
use weft_app::{Name, Trigger};

use crate::context::Context;
use crate::problem::{Problem, Reason, Subject, enumerate};

/// The interface by which a command is run.
const RUN: &str = "wasi:cli/run";

/// The component that is run, and the exports by which that happens.
#[derive(Debug)]
pub(crate) struct Main {
    pub(crate) component: usize,
    pub(crate) exports: Vec<String>,
}

/// Finds what runs the app: what a trigger names, else the one component that is a command.
pub(crate) fn find(context: &Context<'_>, problems: &mut Vec<Problem>) -> Option<Main> {
    let found = if context.app.triggers.is_empty() {
        only_command(context)
    } else {
        triggered(context)
    };
    found.map_err(|problem| problems.push(*problem)).ok()
}

/// Every version of `wasi:cli/run` that a component exports.
fn run_exports(context: &Context<'_>, component: usize) -> Vec<String> {
    let exports = context
        .surfaces
        .list
        .get(component)
        .map(|surface| surface.exports.as_slice());
    let exports = exports.unwrap_or_default().iter();
    exports
        .filter(|export| split_version(&export.name).0 == RUN)
        .map(|export| export.name.clone())
        .collect()
}

fn only_command(context: &Context<'_>) -> Result<Main, Box<Problem>> {
    let commands: Vec<Main> = (0..context.surfaces.list.len())
        .map(|component| Main {
            component,
            exports: run_exports(context, component),
        })
        .filter(|main| !main.exports.is_empty())
        .collect();
    if commands.len() > 1 {
        let names = commands.iter().map(|main| context.name(main.component));
        let components = enumerate(names);
        let problem = Problem::new(Subject::App, Reason::SeveralRun { components });
        return Err(problem.hint("add a trigger that names one").into());
    }
    commands
        .into_iter()
        .next()
        .ok_or_else(|| Problem::new(Subject::App, Reason::NothingRuns).into())
}

fn triggered(context: &Context<'_>) -> Result<Main, Box<Problem>> {
    let mut main: Option<(Main, Name)> = None;
    for (index, trigger) in context.app.triggers.iter().enumerate() {
        let problem = |reason| Box::new(Problem::new(Subject::Trigger(index), reason));
        let Trigger::Command { component: name, .. } = trigger else {
            continue;
        };
        let name = name.clone();
        let Some(component) = context.index(&name) else {
            return Err(problem(Reason::UnknownTriggered { component: name }));
        };
        let exports = run_exports(context, component);
        if exports.is_empty() {
            return Err(problem(Reason::NotACommand { component: name }));
        }
        match main {
            Some((other, first)) if other.component != component => {
                return Err(problem(Reason::TwoCommands { first, second: name }));
            }
            _ => main = Some((Main { component, exports }, name)),
        }
    }
    main.map(|(main, _)| main)
        .ok_or_else(|| Problem::new(Subject::App, Reason::NothingRuns).into())
}
