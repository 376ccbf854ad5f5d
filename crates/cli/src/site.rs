//! Serving an app: its components behind the routes of its manifest, and another version of them when it changes.

use std::num::NonZeroUsize;
use std::path::Path;

use weft_app::trigger::http::{HttpTrigger, RouteTarget};
use weft_app::{App, Component, KeyValueTrigger, Limits, MessageTrigger, ScheduleTrigger, Trigger};
use weft_compose::{Entry, EntryKind, Fused};
use weft_inspect::kind::Kind;
use weft_node::{Answer, Answers, Assembled, Opened};
use weft_runtime::entry::handler::HandlerProgram;
use weft_runtime::entry::http::{Background, HttpProgram, Serving};
use weft_runtime::{Cells, Imports, Stop};
use weft_serve::{Settings as FrontSettings, Site};

use crate::app;
use crate::background::{Current, Entered, Triggers};
use crate::cells::{self, With};
use crate::changes;
use crate::exit_code::Code;
use crate::flags::CompileArguments;
use crate::health::Looking;
use crate::input::Input;
use crate::output::Output;
use crate::report::Report;
use crate::services::HostServices;
use crate::serving::{self, Loader, Origin, background};
use crate::settings::Settings;
use crate::watch::Watch;

/// What goes on from one version of an app to the next.
struct Kept {
    cells: Cells,
    services: HostServices,
    /// What triggers enter.
    current: Current,
}

/// Everything that decides how an app is served, beside its manifest.
#[derive(Debug)]
pub(crate) struct AppServer<'a> {
    pub(crate) path: &'a Path,
    pub(crate) compile: CompileArguments,
    pub(crate) use_cache: bool,
    /// Whether a change of its files brings another version in.
    pub(crate) watches: bool,
    /// Whether clients are told in full what went wrong.
    pub(crate) is_dev: bool,
    pub(crate) settings: &'a Settings,
    pub(crate) output: &'a Output,
}

/// What makes an app run that goes on until a signal ends it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Goings {
    /// Requests; none, at no address, where the app answers none.
    http: HttpTrigger,
    messages: Vec<MessageTrigger>,
    keys: Vec<KeyValueTrigger>,
    schedules: Vec<ScheduleTrigger>,
}

/// What makes an app run, if it is one that goes on.
pub(crate) fn goings(assembled: &Assembled) -> Option<Goings> {
    let mut http = None;
    let (mut messages, mut keys, mut schedules) = (Vec::new(), Vec::new(), Vec::new());
    for trigger in assembled.planned.plan.triggers() {
        match trigger {
            Trigger::Http(trigger) => http = Some((**trigger).clone()),
            Trigger::Messages(trigger) => messages.push((**trigger).clone()),
            Trigger::KeyValue(trigger) => keys.push((**trigger).clone()),
            Trigger::Schedule(trigger) => schedules.push((**trigger).clone()),
            Trigger::Command { .. } => {}
        }
    }
    let is_one = http.is_some() || !messages.is_empty() || !keys.is_empty() || !schedules.is_empty();
    let nowhere = || HttpTrigger {
        listeners: Vec::new(),
        ..HttpTrigger::default()
    };
    is_one.then(|| Goings {
        http: http.unwrap_or_else(nowhere),
        messages,
        keys,
        schedules,
    })
}

impl AppServer<'_> {
    /// Serves an app until a signal ends it.
    pub(crate) fn serve(
        &self,
        opened: &Opened,
        assembled: &Assembled,
        goings: &Goings,
    ) -> Result<Code, Report> {
        let http = &goings.http;
        let watch = Watch::start(Stop::new(), *self.output)?;
        let background = background()?;
        let loader = Loader {
            compile: self.compile,
            use_cache: self.use_cache,
            trust_artifact: false,
            requests_max: http.limits.requests_max,
            stack_bytes_max: opened.app().limits.stack_bytes_max,
            settings: self.settings.clone(),
            output: *self.output,
            watch: watch.clone(),
        };
        let mut kept = Kept {
            cells: Cells::default(),
            services: HostServices::of_server(opened.app().name.as_str(), self.settings)?,
            current: Current::default(),
        };
        // Before components are granted what they may do: they may reply to whoever waits in one of these.
        let triggers = self.triggers(goings, &kept)?;
        let site = site(opened.app(), assembled, http, &loader, &background, &mut kept)?;
        let mut settings = FrontSettings::new(http);
        if http.listeners.is_empty() {
            settings.threads = Some(NonZeroUsize::MIN);
        }
        let _looking = match &settings.admin {
            Some(_) => Some(Looking::start(kept.services.clone(), settings.health.clone())?),
            None => None,
        };
        let serving = serving::Serving {
            name: opened.app().name.as_str(),
            served: self.path,
            settings,
            site,
            triggers: Some(triggers),
            is_dev: self.is_dev,
        };
        let changes = self.watches.then(|| changes::Folder::of(self.path));
        let services = kept.services.clone();
        let ended = serving::serve(serving, self.settings, &watch, self.output, changes, || {
            self.reload(goings, &loader, &background, &mut kept)
        });
        services.flush();
        ended
    }

    /// What is done beside answering requests.
    fn triggers(&self, goings: &Goings, kept: &Kept) -> Result<Triggers, Report> {
        let messages = goings.messages.iter().map(|trigger| {
            let queue = kept.services.queue(&trigger.queue)?;
            Ok((trigger.clone(), queue))
        });
        let keys = goings.keys.iter().map(|trigger| {
            let store = kept.services.store(&trigger.bucket.store)?;
            Ok((trigger.clone(), store))
        });
        Ok(Triggers {
            messages: messages.collect::<Result<_, Report>>()?,
            keys: keys.collect::<Result<_, Report>>()?,
            schedules: goings.schedules.clone(),
            current: kept.current.clone(),
            output: *self.output,
        })
    }

    /// Puts the app together once more, and what answers with it.
    fn reload(
        &self,
        goings: &Goings,
        loader: &Loader,
        background: &Background,
        kept: &mut Kept,
    ) -> Result<Site<Answers>, Report> {
        let http = &goings.http;
        loader.refuse_without_cache()?;
        let opened = app::open(self.path, self.output)?;
        let assembled = app::assemble(&opened, self.output)?;
        let goes_on = self::goings(&assembled);
        let all = goes_on.ok_or_else(|| Report::failed("nothing makes the app go on any more"))?;
        let next = &all.http;
        if (&next.listeners, &next.admin, &next.limits, next.access_log)
            != (&http.listeners, &http.admin, &http.limits, http.access_log)
        {
            return Err(
                Report::failed("listeners, limits and logs of a running app cannot be changed")
                    .hint("start the app anew for that; routes and components change while it runs"),
            );
        }
        if (&all.messages, &all.keys, &all.schedules) != (&goings.messages, &goings.keys, &goings.schedules) {
            return Err(Report::failed(
                "messages and schedules of a running app cannot be changed, nor buckets that are watched",
            )
            .hint("start the app anew for that; components change while it runs"));
        }
        for (entry, fused) in entered(&assembled) {
            let entered = opened.app().components.get(entry.component);
            loader
                .interrupting(entered.and_then(|component| component.interruption))
                .warm_bytes(&fused.bytes)?;
        }
        for (cell, fused) in assembled.cells() {
            let root = opened.app().components.get(cell.root);
            loader
                .interrupting(root.and_then(cells::interruption))
                .warm_bytes(&fused.bytes)?;
        }
        site(opened.app(), &assembled, next, loader, background, kept)
    }
}

/// The ways into an app that goes on, and the component that each became.
fn entered(assembled: &Assembled) -> impl Iterator<Item = (&Entry, &Fused)> {
    assembled
        .entries()
        .filter(|(entry, _)| !matches!(entry.kind, EntryKind::Command | EntryKind::Cell))
}

/// What answers, for each route.
fn site(
    app: &App,
    assembled: &Assembled,
    http: &HttpTrigger,
    loader: &Loader,
    background: &Background,
    kept: &mut Kept,
) -> Result<Site<Answers>, Report> {
    refuse_what_cannot_be_kept(app)?;
    let mut load = |input: Input, interruption| {
        let program = loader.interrupting(interruption).load(input)?;
        background.attend(program.engine());
        Ok(program)
    };
    let with = With {
        services: &kept.services,
        output: loader.output,
    };
    let cells = cells::link(app, assembled, &mut load, Some(&kept.cells), with)?;
    let mut programs: Vec<(&Component, HttpProgram)> = Vec::new();
    let mut by_itself = Entered::default();
    for (entry, fused) in entered(assembled) {
        let Some(component) = app.components.get(entry.component) else {
            continue;
        };
        let program = loader.interrupting(component.interruption).load(Input {
            name: component.name.to_string(),
            short_name: format!("{}-{}", app.name, component.name),
            kind: Kind::Component,
            bytes: fused.bytes.clone(),
        })?;
        background.attend(program.engine());
        let members = app::members(app, entry);
        let serving = Serving {
            principals: members
                .map(|(_, member)| {
                    let grants = serving::served(&member.grants);
                    serving::principal(
                        &member.name,
                        grants,
                        Origin::Manifest,
                        &kept.services,
                        loader.output,
                    )
                })
                .collect::<Result<_, _>>()?,
            imports: Imports::Scoped(app::imports(entry, fused).into()),
            links: cells::links_of(&cells, fused),
            limits: app.limits.clone(),
            heap_bytes_max: assembled.planned.plan.heap_bytes_max(entry),
            reuse: component.reuse,
        };
        let failed = || Report::failed(format!("component `{}` cannot be served", component.name));
        let handler =
            |serving| HandlerProgram::new(&program, serving).map_err(|error| failed().caused_by(error));
        match entry.kind {
            EntryKind::Messages => {
                by_itself
                    .messages
                    .insert(component.name.clone(), handler(serving)?);
            }
            EntryKind::KeyValue => {
                let is_it = |member: &usize| *member == entry.component;
                // One that is no member has no bucket, which whoever tells it is told.
                let principal = entry.members.iter().position(is_it).unwrap_or(usize::MAX);
                let told = (handler(serving)?, principal);
                by_itself.keys.insert(component.name.clone(), told);
            }
            EntryKind::Schedule => {
                by_itself
                    .schedules
                    .insert(component.name.clone(), (program, serving));
            }
            _ => {
                let program = HttpProgram::new(&program, serving, background.clone());
                programs.push((component, program.map_err(|error| failed().caused_by(error))?));
            }
        }
    }
    let answer = |target: &RouteTarget| match target {
        RouteTarget::Files(_) => Ok(Answer::Files),
        RouteTarget::Component(name) => {
            let found = programs.iter().find(|(of, _)| of.name == *name);
            found
                .map(|(_, program)| Answer::Component {
                    name: name.clone(),
                    program: program.clone(),
                })
                .ok_or_else(|| Report::failed(format!("component `{name}` of a route was not put together")))
        }
    };
    let answers = http.routes.iter().map(|route| answer(&route.target));
    let answers = answers.collect::<Result<_, _>>()?;
    kept.cells = cells.clone();
    kept.current.set(by_itself);
    Ok(Site {
        handler: Answers::new(answers).calling(cells),
        routes: http.routes.clone(),
    })
}

/// Limits of a whole run that say nothing about an instance.
fn refuse_what_cannot_be_kept(app: &App) -> Result<(), Report> {
    let (given, usual) = (&app.limits, Limits::default());
    let refused = [
        ("fuel", given.fuel_max != usual.fuel_max),
        ("timeout", given.wall_time_max != usual.wall_time_max),
        ("cpu-time", given.cpu_time_max != usual.cpu_time_max),
    ];
    match refused.iter().find(|(_, is_given)| *is_given) {
        None => Ok(()),
        Some((key, _)) => Err(Report::usage(format!(
            "`{key}` under `[limits]` bounds the run of a command, and this app answers requests"
        ))
        .hint("`response-timeout` and `total-timeout` under `[trigger.http.limits]` bound the time of a request")),
    }
}
