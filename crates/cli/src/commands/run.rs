//! `weft run`: run one program with exactly what the flags grant.

use std::ffi::OsString;
use std::path::Path;

use weft_app::grant::ClockGrant;
use weft_app::{Grants, Limits};
use weft_runtime::denial::DenialLog;
use weft_runtime::entry::{self, Entry};
use weft_runtime::wave::Call;
use weft_runtime::{Concurrency, EngineOptions, Imports, PrincipalSetup, Profile, Setup, Stop, Thread};

use super::up;
use crate::app;
use crate::exit_code::Code;
use crate::flags::{CompileArguments, GrantArguments, LimitArguments, ObserveArguments};
use crate::input;
use crate::launch::{Refused, conclude, entry_failed, http_client, run_to_the_end};
use crate::load::{self, LoadOptions};
use crate::output::Output;
use crate::report::Report;
use crate::services::HostServices;
use crate::settings::Settings;
use crate::watch::Watch;

const EXAMPLES: &str = "Examples:
  weft run hello.wasm
  weft run --dir ./data::/data --env LANG=en tool.wasm --verbose /data/in.txt
  weft run --http https://api.example.com fetch.wasm
  weft run --invoke 'add(1, 2)' calculator.wasm

Everything after FILE belongs to the program. Sizes are written like `64MiB`, times like `30s`; `none` lifts a
limit. Hosts are names, addresses, blocks (`10.0.0.0/8`), `*.example.com` or `*`.";

/// Run a program with exactly what the flags grant: by default the standard streams, clocks and randomness.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The program, an app (its folder or manifest) or `-` for standard input, and its own arguments.
    #[arg(value_name = "FILE", trailing_var_arg = true, required = true)]
    program_and_arguments: Vec<OsString>,

    /// Call an exported function instead of running the program: `function(arguments)`, or
    /// `package:name/interface#function(arguments)`, with arguments in WAVE (numbers for a core module).
    #[arg(long, value_name = "CALL", value_parser = Call::parse)]
    invoke: Option<Call>,

    /// The name the program sees as its own; without it, the file's name.
    #[arg(long, value_name = "NAME")]
    argv0: Option<String>,

    #[command(flatten)]
    grants: GrantArguments,

    #[command(flatten)]
    limits: LimitArguments,

    #[command(flatten)]
    compile: CompileArguments,

    /// Neither look into the cache of compiled programs nor write to it.
    #[arg(long, help_heading = "Compilation")]
    no_cache: bool,

    #[command(flatten)]
    observe: ObserveArguments,
}

pub(crate) fn run(arguments: Arguments, settings: &Settings, output: &Output) -> Result<Code, Report> {
    let (file, guest_arguments) = arguments
        .program_and_arguments
        .split_first()
        .ok_or_else(|| Report::usage("the program's file is missing"))?;
    if app::is_app(Path::new(file)) {
        return run_as_app(&arguments, Path::new(file), guest_arguments, settings, output);
    }
    let grants = arguments.grants.grants()?;
    let limits = arguments.limits.limits();
    let profile = profile(&limits, &arguments.observe)?;
    let stop = Stop::new();
    let watch = Watch::start(stop.clone(), *output)?;
    let input = input::read(Path::new(file), arguments.compile.program_size)?;
    let names = guest_names(&arguments, &input.short_name, guest_arguments)?;
    let options = LoadOptions {
        profile,
        engine: EngineOptions {
            stack_bytes_max: limits.stack_bytes_max,
            core_dumps: arguments.observe.wants_core_dump(),
            interruption: arguments.compile.interruption,
            ..EngineOptions::default()
        },
        compile: arguments.compile.bounds(),
        use_cache: !arguments.no_cache,
        trust_artifact: arguments.grants.dangerously_trust_artifact,
    };
    let (name, short_name) = (input.name.clone(), input.short_name.clone());
    let loaded = load::load(input, options, settings, output, &watch)?;
    let denials = DenialLog::default();
    let refused = Refused {
        component: None,
        log: denials.clone(),
    };
    let fixed_clock = matches!(grants.clock, ClockGrant::Fixed(_));
    let services = HostServices::of_run(&name, settings)?.granted(&short_name, &grants, &denials)?;
    let setup = Setup {
        principals: vec![PrincipalSetup {
            http: http_client(&grants.http, &denials),
            services,
            grants: grants.into(),
            arguments: names.into(),
            denials: denials.clone(),
        }],
        imports: Imports::Own,
        links: weft_runtime::Links::default(),
        limits: limits.clone(),
        heap_bytes_max: None,
        stop,
        thread: Thread::Own,
    };
    let entry = arguments.invoke.map_or(Entry::Command, Entry::Invoke);
    let observe = arguments.observe.observe();
    let report = {
        let _running = watch.running(loaded.program.engine(), &limits, observe.sample_every.is_some());
        run_to_the_end(entry::run(&loaded.program, &entry, setup, observe), fixed_clock)?
    };
    loaded.finish_storing(output);
    match report {
        Err(error) => Err(entry_failed(&name, error)),
        Ok(report) => conclude(&name, report, &[refused], &arguments.observe, output),
    }
}

/// `weft run APP` is `weft up APP`: what an app may use and spend stands in its manifest, so flags about that are
/// refused.
fn run_as_app(
    arguments: &Arguments,
    app: &Path,
    rest: &[OsString],
    settings: &Settings,
    output: &Output,
) -> Result<Code, Report> {
    let decided = arguments.grants.grants()? != Grants::default()
        || arguments.limits.limits() != Limits::default()
        || arguments.grants.dangerously_trust_artifact
        || arguments.invoke.is_some()
        || arguments.argv0.is_some();
    if decided {
        return Err(Report::usage(format!(
            "`{}` is an app: what it may use and spend stands in its manifest, not in flags",
            app.display()
        ))
        .hint("write it under `[component.NAME.grants]` and `[limits]` of the manifest"));
    }
    let run = up::Run {
        app,
        arguments: rest,
        compile: arguments.compile,
        use_cache: !arguments.no_cache,
        observe: &arguments.observe,
        serves: None,
    };
    up::run_app(&run, settings, output)
}

fn profile(limits: &Limits, observe: &ObserveArguments) -> Result<Profile, Report> {
    match (limits.fuel_max, observe.samples()) {
        (Some(_), true) => Err(Report::usage(
            "`--fuel` cannot be combined with `--profile` or `--flamegraph`",
        )),
        (Some(_), false) => Ok(Profile::Metered(Concurrency::Off)),
        (None, true) => Ok(Profile::Sampled(Concurrency::Off)),
        (None, false) => Ok(Profile::Command(Concurrency::Off)),
    }
}

fn guest_names(arguments: &Arguments, own: &str, rest: &[OsString]) -> Result<Vec<String>, Report> {
    let mut names = vec![arguments.argv0.clone().unwrap_or_else(|| own.to_owned())];
    for argument in rest {
        let text = argument.to_str().ok_or_else(|| {
            Report::usage(format!(
                "the argument `{}` is not valid UTF-8",
                argument.to_string_lossy()
            ))
        })?;
        names.push(text.to_owned());
    }
    Ok(names)
}
