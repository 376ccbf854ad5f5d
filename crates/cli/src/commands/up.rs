//! `weft up`: run an app, every component with exactly what the manifest grants it.

use std::ffi::OsString;
use std::path::Path;

use weft_app::grant::ClockGrant;
use weft_app::{App, Interruption, Trigger};
use weft_compose::{Entry, EntryKind, Fused};
use weft_inspect::kind::Kind;
use weft_node::{Assembled, Opened};
use weft_runtime::denial::DenialLog;
use weft_runtime::entry::{self, Observe};
use weft_runtime::{Concurrency, EngineOptions, Imports, PrincipalSetup, Profile, Setup, Stop, Thread};

use crate::app::{self, AppArguments};
use crate::cells::{self, With};
use crate::exit_code::Code;
use crate::flags::{CompileArguments, ObserveArguments};
use crate::input::Input;
use crate::launch::{Refused, conclude, entry_failed, http_client, run_to_the_end};
use crate::load::{self, LoadOptions};
use crate::output::Output;
use crate::report::Report;
use crate::services::HostServices;
use crate::settings::Settings;
use crate::site::{self, AppServer, Goings};
use crate::watch::Watch;

const EXAMPLES: &str = "Examples:
  weft up
  weft up examples/report -- --title Numbers
  weft up --watch --dev examples/guestbook

What the app may use and spend stands in its manifest (docs/manifest.md); `weft check` says what that comes to.";

/// Run an app in the foreground: answer the requests that it is there for, or run the component that its trigger names.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    app: AppArguments,

    /// Arguments of the app, after those that its trigger gives.
    #[arg(last = true)]
    arguments: Vec<OsString>,

    #[command(flatten)]
    compile: CompileArguments,

    /// Neither look into the cache of compiled programs nor write to it.
    #[arg(long, help_heading = "Compilation")]
    no_cache: bool,

    /// Build and swap in what changes in the app's folder, while it serves.
    #[arg(long, help_heading = "Serving")]
    watch: bool,

    /// Tell clients in full what went wrong. For whoever develops the app, never for strangers.
    #[arg(long, help_heading = "Serving")]
    dev: bool,

    #[command(flatten)]
    observe: ObserveArguments,
}

/// How an app is served.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Serves {
    watches: bool,
    is_dev: bool,
}

/// Everything that decides about the run of an app beside its manifest.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) app: &'a Path,
    pub(crate) arguments: &'a [OsString],
    pub(crate) compile: CompileArguments,
    pub(crate) use_cache: bool,
    pub(crate) observe: &'a ObserveArguments,
    /// How requests are to be answered, where the app answers some; only its command is run where there is nothing.
    pub(crate) serves: Option<Serves>,
}

pub(crate) fn run(arguments: Arguments, settings: &Settings, output: &Output) -> Result<Code, Report> {
    let run = Run {
        app: &arguments.app.app,
        arguments: &arguments.arguments,
        compile: arguments.compile,
        use_cache: !arguments.no_cache,
        observe: &arguments.observe,
        serves: Some(Serves {
            watches: arguments.watch,
            is_dev: arguments.dev,
        }),
    };
    run_app(&run, settings, output)
}

/// Puts an app together and runs it.
pub(crate) fn run_app(run: &Run<'_>, settings: &Settings, output: &Output) -> Result<Code, Report> {
    let opened = app::open(run.app, output)?;
    let arguments = text_arguments(run.arguments)?;
    let assembled = app::assemble(&opened, output)?;
    let app = opened.app();
    if let Some(serves) = run.serves {
        if let Some(goings) = site::goings(&assembled) {
            return serve(run, serves, (&opened, &assembled, &goings), settings, output);
        }
        if serves.watches || serves.is_dev {
            return Err(Report::usage(
                "`--watch` and `--dev` are for apps that answer requests, and this one is a command",
            ));
        }
    }
    let (entry, fused) = command(&assembled)?;
    let imports = app::imports(entry, fused);
    let stop = Stop::new();
    let watch = Watch::start(stop.clone(), *output)?;
    let input = Input {
        name: app.name.to_string(),
        short_name: app.name.to_string(),
        kind: Kind::Component,
        bytes: fused.bytes.clone(),
    };
    let options = load_options(run, app, entry);
    let loaded = load::load(input, options, settings, output, &watch)?;
    let mut programs = Vec::new();
    let mut load = |input, interruption: Option<Interruption>| {
        let mut options = options;
        options.engine.interruption = run.compile.interruption.or(interruption);
        let loaded = load::load(input, options, settings, output, &watch)?;
        let program = loaded.program.clone();
        loaded.finish_storing(output);
        programs.push(program.clone());
        Ok(program)
    };
    let services = HostServices::of_run(app.name.as_str(), settings)?;
    let with = With {
        services: &services,
        output: *output,
    };
    let linked = cells::link(app, &assembled, &mut load, None, with)?;
    let _clock = cells::clock(&programs)?;
    let (principals, refused) = principals(app, entry, &arguments, &services)?;
    let fixed_clock = app
        .components
        .iter()
        .any(|component| matches!(component.grants.clock, ClockGrant::Fixed(_)));
    let setup = Setup {
        principals,
        imports: Imports::Scoped(imports.into()),
        links: cells::links_of(&linked, fused),
        limits: app.limits.clone(),
        heap_bytes_max: assembled.planned.plan.heap_bytes_max(entry),
        stop,
        thread: Thread::Own,
    };
    let observe: Observe = run.observe.observe();
    let report = {
        let _running = watch.running(
            loaded.program.engine(),
            &app.limits,
            observe.sample_every.is_some(),
        );
        run_to_the_end(
            entry::run(&loaded.program, &entry::Entry::Command, setup, observe),
            fixed_clock,
        )?
    };
    loaded.finish_storing(output);
    let name = app.name.as_str();
    match report {
        Err(error) => Err(entry_failed(name, error)),
        Ok(report) => conclude(name, report, &refused, run.observe, output),
    }
}

fn serve(
    run: &Run<'_>,
    serves: Serves,
    (opened, assembled, goings): (&Opened, &Assembled, &Goings),
    settings: &Settings,
    output: &Output,
) -> Result<Code, Report> {
    if !run.arguments.is_empty() {
        return Err(Report::usage(
            "an app that goes on until it is ended takes no arguments",
        ));
    }
    if run.observe.is_wanted() {
        return Err(Report::usage(
            "profiles and core dumps are made of runs, and this app goes on until it is ended",
        ));
    }
    let server = AppServer {
        path: run.app,
        compile: run.compile,
        use_cache: run.use_cache,
        watches: serves.watches,
        is_dev: serves.is_dev,
        settings,
        output,
    };
    server.serve(opened, assembled, goings)
}

/// What is run: the way into the app that is its command, and the component that it became.
fn command(assembled: &Assembled) -> Result<(&Entry, &Fused), Report> {
    let mut entries = assembled.entries();
    entries
        .find(|(entry, _)| entry.kind == EntryKind::Command)
        .ok_or_else(|| {
            Report::failed("the app goes on until it is ended, and has no command to run")
                .hint("`weft up` is for apps that answer requests, take messages or keep to a schedule")
        })
}

fn text_arguments(arguments: &[OsString]) -> Result<Vec<String>, Report> {
    let text = |argument: &OsString| {
        argument.to_str().map(str::to_owned).ok_or_else(|| {
            Report::usage(format!(
                "the argument `{}` is not valid UTF-8",
                argument.to_string_lossy()
            ))
        })
    };
    arguments.iter().map(text).collect()
}

fn load_options(run: &Run<'_>, app: &App, entry: &Entry) -> LoadOptions {
    let entered = app.components.get(entry.component);
    let profile = match (app.limits.fuel_max, run.observe.samples()) {
        (Some(_), _) => Profile::Metered(Concurrency::Off),
        (None, true) => Profile::Sampled(Concurrency::Off),
        (None, false) => Profile::Command(Concurrency::Off),
    };
    LoadOptions {
        profile,
        engine: EngineOptions {
            stack_bytes_max: app.limits.stack_bytes_max,
            core_dumps: run.observe.wants_core_dump(),
            interruption: run
                .compile
                .interruption
                .or(entered.and_then(|component| component.interruption)),
            ..EngineOptions::default()
        },
        compile: run.compile.bounds(),
        use_cache: run.use_cache,
        trust_artifact: false,
    }
}

/// What every component may do. Only the one that runs gets the arguments: others learn nothing of the command
/// line but their own names.
fn principals(
    app: &App,
    entry: &Entry,
    arguments: &[String],
    services: &HostServices,
) -> Result<(Vec<PrincipalSetup>, Vec<Refused>), Report> {
    let mut principals = Vec::new();
    let mut refused = Vec::new();
    for (index, component) in app::members(app, entry) {
        let mut own = vec![component.name.to_string()];
        if index == entry.component {
            for trigger in &app.triggers {
                if let Trigger::Command {
                    component: runs,
                    arguments,
                } = trigger
                    && *runs == component.name
                {
                    own.extend(arguments.iter().cloned());
                }
            }
            own.extend(arguments.iter().cloned());
        }
        let denials = DenialLog::default();
        principals.push(PrincipalSetup {
            http: http_client(&component.grants.http, &denials),
            services: services.granted(component.name.as_str(), &component.grants, &denials)?,
            grants: component.grants.clone().into(),
            arguments: own.into(),
            denials: denials.clone(),
        });
        refused.push(Refused {
            component: Some(component.name.to_string()),
            log: denials,
        });
    }
    Ok((principals, refused))
}
