//! Serving an app: its components behind the routes of its manifest, and another version of them when it changes.

use std::path::Path;

use weft_app::trigger::http::{HttpTrigger, RouteTarget};
use weft_app::{App, Limits, Name, Trigger};
use weft_compose::{Entry, EntryKind, Fused};
use weft_inspect::kind::Kind;
use weft_node::{Answer, Answers, Assembled, Opened};
use weft_runtime::denial::DenialLog;
use weft_runtime::entry::http::{Background, HttpProgram, ServedPrincipal, Serving};
use weft_runtime::{Concurrency, EngineOptions, Imports, Profile, Program, Stop};
use weft_serve::{Settings as FrontSettings, Site};

use crate::app;
use crate::changes;
use crate::exit_code::Code;
use crate::flags::CompileArguments;
use crate::input::Input;
use crate::launch::http_clients;
use crate::load::{self, LoadOptions};
use crate::output::Output;
use crate::report::Report;
use crate::serving::{self, background};
use crate::settings::Settings;
use crate::watch::Watch;

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

/// The trigger by which an app answers requests, if it does.
pub(crate) fn trigger(assembled: &Assembled) -> Option<&HttpTrigger> {
    assembled
        .planned
        .plan
        .triggers()
        .iter()
        .find_map(|trigger| match trigger {
            Trigger::Http(http) => Some(&**http),
            Trigger::Command { .. } => None,
        })
}

impl AppServer<'_> {
    /// Serves an app until a signal ends it.
    pub(crate) fn serve(
        &self,
        opened: &Opened,
        assembled: &Assembled,
        http: &HttpTrigger,
    ) -> Result<Code, Report> {
        refuse_what_cannot_be_kept(opened.app())?;
        let watch = Watch::start(Stop::new(), *self.output)?;
        let background = background(Vec::new())?;
        let site = self.site(opened.app(), assembled, http, &watch, &background)?;
        let serving = serving::Serving {
            name: opened.app().name.as_str(),
            settings: FrontSettings::new(http),
            site,
            is_dev: self.is_dev,
        };
        let changes = self.watches.then(|| changes::Folder::of(self.path));
        serving::serve(serving, &watch, self.output, changes, || {
            self.reload(http, &watch, &background)
        })
    }

    /// Puts the app together once more, and what answers with it.
    fn reload(
        &self,
        http: &HttpTrigger,
        watch: &Watch,
        background: &Background,
    ) -> Result<Site<Answers>, Report> {
        if !self.use_cache {
            return Err(
                Report::failed("with `--no-cache` a changed app cannot be compiled aside")
                    .hint("start it without `--no-cache`, or start it anew"),
            );
        }
        let opened = app::open(self.path, self.output)?;
        let assembled = app::assemble(&opened, self.output)?;
        let next =
            trigger(&assembled).ok_or_else(|| Report::failed("the app answers no requests any more"))?;
        if (&next.listeners, &next.admin, &next.limits, next.access_log)
            != (&http.listeners, &http.admin, &http.limits, http.access_log)
        {
            return Err(
                Report::failed("listeners, limits and logs of a running app cannot be changed")
                    .hint("start the app anew for that; routes and components change while it runs"),
            );
        }
        refuse_what_cannot_be_kept(opened.app())?;
        for (entry, fused) in assembled.entries() {
            if matches!(entry.kind, EntryKind::Http(_)) {
                serving::warm_bytes(&fused.bytes, self.compile)?;
            }
        }
        self.site(opened.app(), &assembled, next, watch, background)
    }

    /// What answers, for each route.
    fn site(
        &self,
        app: &App,
        assembled: &Assembled,
        http: &HttpTrigger,
        watch: &Watch,
        background: &Background,
    ) -> Result<Site<Answers>, Report> {
        let mut programs: Vec<(Name, HttpProgram)> = Vec::new();
        for (entry, fused) in assembled.entries() {
            let Some(component) = app.components.get(entry.component) else {
                continue;
            };
            if matches!(entry.kind, EntryKind::Http(_)) {
                let program = self.load(&component.name, app, fused, watch)?;
                background.attend(program.engine());
                let serving = serving_of(app, assembled, entry, fused);
                let program = HttpProgram::new(&program, serving, background.clone()).map_err(|error| {
                    Report::failed(format!("component `{}` cannot be served", component.name))
                        .caused_by(error)
                })?;
                programs.push((component.name.clone(), program));
            }
        }
        let answer = |target: &RouteTarget| match target {
            RouteTarget::Files(_) => Ok(Answer::Files),
            RouteTarget::Component(name) => {
                let found = programs.iter().find(|(of, _)| of == name);
                found
                    .map(|(name, program)| Answer::Component {
                        name: name.clone(),
                        program: program.clone(),
                    })
                    .ok_or_else(|| {
                        Report::failed(format!("component `{name}` of a route was not put together"))
                    })
            }
        };
        let answers = http.routes.iter().map(|route| answer(&route.target));
        Ok(Site {
            handler: Answers::new(answers.collect::<Result<_, _>>()?),
            routes: http.routes.clone(),
        })
    }

    fn load(&self, name: &Name, app: &App, fused: &Fused, watch: &Watch) -> Result<Program, Report> {
        let input = Input {
            name: name.to_string(),
            short_name: format!("{}-{name}", app.name),
            kind: Kind::Component,
            bytes: fused.bytes.clone(),
        };
        let requests = app.triggers.iter().find_map(|trigger| match trigger {
            Trigger::Http(http) => Some(http.limits.requests_max),
            Trigger::Command { .. } => None,
        });
        let options = LoadOptions {
            profile: Profile::Serving(Concurrency::Off),
            engine: EngineOptions {
                stack_bytes_max: app.limits.stack_bytes_max,
                instances_max: serving::instances(requests)?,
                interruption: self.compile.interruption,
                ..EngineOptions::default()
            },
            compile: self.compile.bounds(),
            use_cache: self.use_cache,
            trust_artifact: false,
        };
        let loaded = load::load(input, options, self.settings, self.output, watch)?;
        let program = loaded.program.clone();
        loaded.finish_storing(self.output);
        Ok(program)
    }
}

/// What the instances of one entry may do and spend.
fn serving_of(app: &App, assembled: &Assembled, entry: &Entry, fused: &Fused) -> Serving {
    let principal = |component: &weft_app::Component| {
        let denials = DenialLog::default();
        let mut grants = component.grants.clone();
        // Nobody types at a server, and no request should take what was meant for another.
        grants.stdio.input = false;
        ServedPrincipal {
            http: http_clients(&grants.http, &denials),
            grants,
            arguments: vec![component.name.to_string()],
            denials,
        }
    };
    let reuse = app
        .components
        .get(entry.component)
        .map(|component| component.reuse);
    Serving {
        principals: app.components.iter().map(principal).collect(),
        imports: Imports::Scoped(app::imports(entry, fused).into()),
        limits: app.limits.clone(),
        heap_bytes_max: assembled.planned.plan.heap_bytes_max(entry),
        reuse: reuse.unwrap_or_default(),
    }
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
