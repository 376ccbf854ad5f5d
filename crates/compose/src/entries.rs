//! The ways into an app: what its triggers run, and nothing else.
//!
//! Each way is one component that is entered from outside. It becomes an artifact together with everything that
//! it is linked to, and exports only what it is entered by. A component that two ways lead through is in both
//! artifacts, with an instance of its own in each.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use weft_app::link::split_version;
use weft_app::trigger::http::{Route, RouteTarget};
use weft_app::{HttpTrigger, Name, Trigger};

use crate::access::Access;
use crate::context::Context;
use crate::host::{self, Handler, Handling};
use crate::plan::{Owner, ScopedImport};
use crate::problem::{Problem, Reason, Subject, enumerate};
use crate::sharing::Node;
use crate::version;

/// The interface by which a command is run.
const RUN: &str = "wasi:cli/run";

/// The interface by which a program ends itself.
const EXIT: &str = "wasi:cli/exit";

/// One way into an app: the component that is entered, and what is joined with it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The component that is entered, by its index.
    pub component: usize,
    /// How it is entered.
    pub kind: EntryKind,
    /// Those of its exports that the fused component exports: what it is entered by.
    pub exports: Vec<String>,
    /// It and everything that it is linked to, directly or not, in order.
    pub members: Vec<usize>,
    /// Exports of members that other cells call, where it is one that is called.
    pub calls: Vec<CellExport>,
    /// What the host, or another cell, gives to each import that no fused link satisfies.
    pub(crate) imports: BTreeMap<Node, ScopedImport>,
}

/// An export that other cells call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellExport {
    /// The component that has it, by its index.
    pub component: usize,
    /// Its name there.
    pub export: String,
    /// Its name in the fused component.
    pub name: String,
}

/// How a component is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// Its `wasi:cli/run` is called.
    Command,
    /// It is handed requests.
    Http(Handler),
    /// It is handed messages.
    Messages,
    /// It is told of changed keys.
    KeyValue,
    /// Its `wasi:cli/run` is called by the clock.
    Schedule,
    /// Other cells call it.
    Cell,
}

impl Entry {
    /// Every import that the fused component has, once, in the order of components and their imports.
    #[must_use]
    pub fn imports(&self) -> Vec<ScopedImport> {
        let mut seen = HashSet::new();
        self.imports
            .values()
            .filter(|scoped| seen.insert(scoped.name.as_str()))
            .cloned()
            .collect()
    }

    /// Whether calling an import does what its interface says, or traps: it traps where nothing is granted, and
    /// where a component that is not the one that is entered would end it, as if it had been successful.
    #[must_use]
    pub fn gives(&self, import: &ScopedImport) -> bool {
        let ends_the_program = split_version(&import.interface).0 == EXIT;
        let is_entereds = match &import.owner {
            Owner::Component(owner) => *owner == self.component,
            Owner::Group { members, .. } => members.iter().all(|member| *member == self.component),
        };
        import.access == Access::Granted && (is_entereds || !ends_the_program)
    }

    /// What the host gives to an import of one of the members, both by their indices.
    #[must_use]
    pub fn import(&self, component: usize, import: usize) -> Option<&ScopedImport> {
        self.imports.get(&(component, import))
    }
}

impl fmt::Display for EntryKind {
    /// The word by which a trigger is called in a manifest.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Command => "command",
            Self::Http(_) => "http",
            Self::Messages => "message",
            Self::KeyValue => "keyvalue",
            Self::Schedule => "schedule",
            Self::Cell => "cell",
        })
    }
}

/// What enters the app, and by which exports of which components.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The triggers, with everything in them that the manifest leaves to be found.
    pub(crate) triggers: Vec<Trigger>,
    pub(crate) doors: Vec<Door>,
}

impl Found {
    /// Adds a door, if it is not there already.
    fn enter(&mut self, door: Result<Door, Box<Problem>>, problems: &mut Vec<Problem>) {
        match door {
            Ok(door) if self.doors.iter().any(|known| is_same(known, &door)) => {}
            Ok(door) => self.doors.push(door),
            Err(problem) => problems.push(*problem),
        }
    }
}

/// A component that is entered.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) component: usize,
    pub(crate) kind: EntryKind,
    pub(crate) exports: Vec<String>,
}

/// Finds what enters the app: what its triggers name, else the one component that is a command, else the one that
/// answers HTTP requests. A component is entered once in each way, however many routes lead to it.
pub(crate) fn find(context: &Context<'_>, problems: &mut Vec<Problem>) -> Found {
    let mut found = Found::default();
    let told = problems.len();
    if context.app.triggers.is_empty() {
        match implied(context) {
            Ok((trigger, door)) => {
                found.triggers.push(trigger);
                found.doors.push(door);
            }
            Err(problem) => problems.push(*problem),
        }
    }
    for (index, trigger) in context.app.triggers.iter().enumerate() {
        match trigger {
            Trigger::Command { component, .. } => match command(context, index, component) {
                Ok(door) => found.doors.push(door),
                Err(problem) => problems.push(*problem),
            },
            Trigger::Http(http) => {
                let http = answered(context, index, http, &mut found.doors, problems);
                found.triggers.push(Trigger::Http(Box::new(http)));
                continue;
            }
            Trigger::Messages(messages) => {
                let door = exporting_door(context, index, &messages.component, &MESSAGES);
                found.enter(door, problems);
            }
            Trigger::KeyValue(keyvalue) => {
                let door = exporting_door(context, index, &keyvalue.component, &KEYVALUE);
                found.enter(door, problems);
            }
            Trigger::Schedule(schedule) => {
                let door = command(context, index, &schedule.component).map(|door| Door {
                    kind: EntryKind::Schedule,
                    ..door
                });
                found.enter(door, problems);
            }
        }
        found.triggers.push(trigger.clone());
    }
    if problems.len() == told {
        check_commands(context, &found.doors, problems);
        check_reuse(context, &found.doors, problems);
    }
    found
}

/// What an app without triggers is for.
fn implied(context: &Context<'_>) -> Result<(Trigger, Door), Box<Problem>> {
    let all = 0..context.surfaces.list.len();
    let commands: Vec<usize> = all
        .filter(|component| !run_exports(context, *component).is_empty())
        .collect();
    if let [component] = commands.as_slice() {
        let trigger = Trigger::Command {
            component: context.name(*component),
            arguments: Vec::new(),
        };
        return Ok((trigger, command_door(context, *component)));
    }
    if !commands.is_empty() {
        let components = enumerate(commands.into_iter().map(|component| context.name(component)));
        let problem = Problem::new(Subject::App, Reason::SeveralRun { components });
        return Err(problem
            .hint("add a trigger that names one: `[trigger.command]` with `component` under it")
            .into());
    }
    let door = only_handler(context, Subject::App, Reason::NothingRuns)?;
    let http = HttpTrigger {
        routes: vec![Route::everything(&context.name(door.component))],
        ..HttpTrigger::default()
    };
    Ok((Trigger::Http(Box::new(http)), door))
}

/// The one component that answers HTTP requests.
fn only_handler(context: &Context<'_>, subject: Subject, none: Reason) -> Result<Door, Box<Problem>> {
    let mut doors = Vec::new();
    let mut others = None;
    for component in 0..context.surfaces.list.len() {
        match handling(context, component) {
            Handling::Here(handler, export) => doors.push(http_door(component, handler, export)),
            Handling::OtherVersions(export) => others = others.or(Some((component, export))),
            Handling::Nothing => {}
        }
    }
    if doors.len() > 1 {
        let components = enumerate(doors.iter().map(|door| context.name(door.component)));
        let problem = Problem::new(subject, Reason::SeveralAnswer { components });
        return Err(problem
            .hint("say which: `component = \"NAME\"` under `[trigger.http]`, or routes")
            .into());
    }
    match (doors.into_iter().next(), others) {
        (Some(door), _) => Ok(door),
        (None, Some((component, export))) => {
            Err(Problem::new(subject, handler_version(context, component, export)).into())
        }
        (None, None) => Err(Problem::new(subject, none).into()),
    }
}

fn command(context: &Context<'_>, trigger: usize, name: &Name) -> Result<Door, Box<Problem>> {
    let problem = |reason| Box::new(Problem::new(Subject::Trigger(trigger), reason));
    let component = context.index(name).ok_or_else(|| {
        problem(Reason::UnknownTriggered {
            component: name.clone(),
        })
    })?;
    let door = command_door(context, component);
    if door.exports.is_empty() {
        return Err(problem(Reason::NotACommand {
            component: name.clone(),
        }));
    }
    Ok(door)
}

/// How components are entered that export one of some interfaces.
struct Exporting {
    kind: EntryKind,
    /// Whether an export is one; an error where it is another version of one.
    is_one: fn(&str) -> Result<bool, ()>,
    none: fn(Name) -> Reason,
    version: fn(Name, String) -> Reason,
}

const MESSAGES: Exporting = Exporting {
    kind: EntryKind::Messages,
    is_one: host::takes_messages,
    none: |component| Reason::TakesNoMessages { component },
    version: |component, export| Reason::MessageVersion { component, export },
};

const KEYVALUE: Exporting = Exporting {
    kind: EntryKind::KeyValue,
    is_one: host::hears_of_keys,
    none: |component| Reason::HearsOfNoKeys { component },
    version: |component, export| Reason::WatcherVersion { component, export },
};

fn exporting_door(
    context: &Context<'_>,
    trigger: usize,
    name: &Name,
    how: &Exporting,
) -> Result<Door, Box<Problem>> {
    let problem = |reason| Box::new(Problem::new(Subject::Trigger(trigger), reason));
    let component = context.index(name).ok_or_else(|| {
        problem(Reason::UnknownTriggered {
            component: name.clone(),
        })
    })?;
    let mut other = None;
    for export in exports(context, component) {
        match (how.is_one)(export) {
            Ok(false) => {}
            Err(()) => other = Some(export.to_owned()),
            Ok(true) => {
                return Ok(Door {
                    component,
                    kind: how.kind,
                    exports: vec![export.to_owned()],
                });
            }
        }
    }
    Err(problem(match other {
        Some(export) => (how.version)(name.clone(), export),
        None => (how.none)(name.clone()),
    }))
}

/// Who answers, with the one component that does where the manifest names nobody.
fn answered(
    context: &Context<'_>,
    index: usize,
    http: &HttpTrigger,
    doors: &mut Vec<Door>,
    problems: &mut Vec<Problem>,
) -> HttpTrigger {
    let mut http = http.clone();
    if http.routes.is_empty() {
        match only_handler(context, Subject::Trigger(index), Reason::NothingAnswers) {
            Ok(door) => http.routes.push(Route::everything(&context.name(door.component))),
            Err(problem) => problems.push(*problem),
        }
    }
    for (at, route) in http.routes.iter().enumerate() {
        let RouteTarget::Component(name) = &route.target else {
            continue;
        };
        let subject = Subject::Route {
            trigger: index,
            route: at,
        };
        match route_door(context, route, name) {
            Ok(door) if doors.iter().any(|known| is_same(known, &door)) => {}
            Ok(door) => doors.push(door),
            Err(reason) => problems.push(Problem::new(subject, *reason)),
        }
    }
    http
}

fn is_same(one: &Door, other: &Door) -> bool {
    one.component == other.component && one.kind == other.kind
}

fn route_door(context: &Context<'_>, route: &Route, name: &Name) -> Result<Door, Box<Reason>> {
    let component = context.index(name).ok_or_else(|| Reason::UnknownTriggered {
        component: name.clone(),
    })?;
    match handling(context, component) {
        Handling::Here(handler, export) => Ok(http_door(component, handler, export)),
        Handling::OtherVersions(export) => Err(handler_version(context, component, export).into()),
        Handling::Nothing => {
            let (route, component) = (route.name.clone(), name.clone());
            Err(Reason::NotAHandler { route, component }.into())
        }
    }
}

fn handler_version(context: &Context<'_>, component: usize, export: String) -> Reason {
    Reason::HandlerVersion {
        component: context.name(component),
        export,
    }
}

fn command_door(context: &Context<'_>, component: usize) -> Door {
    Door {
        component,
        kind: EntryKind::Command,
        exports: run_exports(context, component),
    }
}

fn http_door(component: usize, handler: Handler, export: String) -> Door {
    Door {
        component,
        kind: EntryKind::Http(handler),
        exports: vec![export],
    }
}

fn exports<'a>(context: &'a Context<'_>, component: usize) -> impl Iterator<Item = &'a str> {
    let surface = context.surfaces.list.get(component);
    surface
        .into_iter()
        .flat_map(|surface| surface.exports.iter().map(|export| export.name.as_str()))
}

/// Every version of `wasi:cli/run` that a component exports.
fn run_exports(context: &Context<'_>, component: usize) -> Vec<String> {
    exports(context, component)
        .filter(|export| split_version(export).0 == RUN)
        .map(str::to_owned)
        .collect()
}

/// How a component answers requests: by the newest handler that the host enters.
fn handling(context: &Context<'_>, component: usize) -> Handling {
    let mut best = Handling::Nothing;
    for export in exports(context, component) {
        best = match (best, host::handling(export)) {
            (best, Handling::Nothing) | (best @ Handling::Here(..), Handling::OtherVersions(_)) => best,
            (Handling::Here(known, name), Handling::Here(handler, _))
                if known > handler || (known == handler && version::later(&name, export) == name) =>
            {
                Handling::Here(known, name)
            }
            (_, found) => found,
        };
    }
    best
}

/// One app is one command.
fn check_commands(context: &Context<'_>, doors: &[Door], problems: &mut Vec<Problem>) {
    let mut commands = doors.iter().filter(|door| door.kind == EntryKind::Command);
    if let (Some(first), Some(second)) = (commands.next(), commands.next()) {
        let reason = Reason::TwoCommands {
            first: context.name(first.component),
            second: context.name(second.component),
        };
        problems.push(Problem::new(Subject::App, reason));
    }
}

/// Instances of WASI 0.2 answer one request after the other.
fn check_reuse(context: &Context<'_>, doors: &[Door], problems: &mut Vec<Problem>) {
    for door in doors {
        let Some(component) = context.app.components.get(door.component) else {
            continue;
        };
        let concurrent = component.reuse.concurrent_max;
        if door.kind != EntryKind::Http(Handler::P2) || concurrent <= 1 {
            continue;
        }
        let reason = Reason::OneAtATime {
            component: component.name.clone(),
            export: door.exports.first().cloned().unwrap_or_default(),
            concurrent,
        };
        let problem = Problem::new(Subject::Reuse(component.name.clone()), reason);
        problems
            .push(problem.hint(
                "leave `concurrent` out: further instances answer requests that come at the same time",
            ));
    }
}
