//! `weft serve`: answer HTTP requests with one component.

use std::path::{Path, PathBuf};

use weft_app::trigger::http::{HttpTrigger, Route, RouteTarget};
use weft_app::{Grants, Name};
use weft_node::{Answer, Answers};
use weft_runtime::denial::DenialLog;
use weft_runtime::entry::http::{Background, HttpProgram, ServedPrincipal, Serving};
use weft_runtime::{Concurrency, EngineOptions, Imports, Profile, Program, Stop};
use weft_serve::{Settings as FrontSettings, Site};

use crate::app;
use crate::exit_code::Code;
use crate::flags::{CompileArguments, GrantArguments, InstanceLimitArguments, ServingArguments};
use crate::input;
use crate::launch::http_clients;
use crate::load::{self, LoadOptions};
use crate::output::Output;
use crate::report::Report;
use crate::serving::{self, background};
use crate::settings::Settings;
use crate::watch::Watch;

const EXAMPLES: &str = "Examples:
  weft serve hello.wasm
  weft serve --addr 0.0.0.0:443 --tls-certificate site.pem --tls-key site.key site.wasm
  weft serve --http https://api.example.com --response-timeout 5s --admin 127.0.0.1:9090 proxy.wasm

Each request gets an instance of its own unless `--reuse` says otherwise. SIGTERM drains, a second one ends at once,
SIGHUP reads the program again. docs/serving.md says what clients are told and what is refused.";

/// Answer HTTP requests with a component (`wasi:http/proxy` of WASI 0.2 or `wasi:http/service` of 0.3).
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The component.
    #[arg(value_name = "FILE")]
    program: PathBuf,

    #[command(flatten)]
    serving: ServingArguments,

    #[command(flatten)]
    grants: GrantArguments,

    #[command(flatten)]
    limits: InstanceLimitArguments,

    #[command(flatten)]
    compile: CompileArguments,

    /// Neither look into the cache of compiled programs nor write to it.
    #[arg(long, help_heading = "Compilation")]
    no_cache: bool,
}

pub(crate) fn run(arguments: Arguments, settings: &Settings, output: &Output) -> Result<Code, Report> {
    if app::is_app(&arguments.program) {
        return Err(
            Report::usage(format!("`{}` is an app", arguments.program.display()))
                .hint("`weft up` runs apps; what they listen on stands in their manifest"),
        );
    }
    let watch = Watch::start(Stop::new(), *output)?;
    let limits = arguments.serving.limits()?;
    let name = name_of(&arguments.program)?;
    let loader = Loader {
        arguments: &arguments,
        grants: arguments.grants.grants()?,
        name: name.clone(),
        settings,
        output,
        watch: &watch,
    };
    let program = loader.load()?;
    let background = background(vec![program.engine().clone()])?;
    let site = loader.site(&program, &background)?;
    let front = FrontSettings {
        threads: arguments.serving.threads(),
        ..FrontSettings::new(&HttpTrigger {
            listeners: arguments.serving.listeners(),
            admin: arguments.serving.admin(),
            routes: site.routes.clone(),
            limits,
            access_log: arguments.serving.access_log(),
        })
    };
    let serving = serving::Serving {
        name: name.as_str(),
        settings: front,
        site,
        is_dev: arguments.serving.is_dev(),
    };
    serving::serve(serving, &watch, output, None, || loader.reload(&background))
}

/// Everything that makes a site of a file.
struct Loader<'a> {
    arguments: &'a Arguments,
    grants: Grants,
    name: Name,
    settings: &'a Settings,
    output: &'a Output,
    watch: &'a Watch,
}

impl Loader<'_> {
    fn load(&self) -> Result<Program, Report> {
        let arguments = self.arguments;
        let instances_max = serving::instances(Some(arguments.serving.limits()?.requests_max))?;
        let options = LoadOptions {
            profile: Profile::Serving(Concurrency::Off),
            engine: EngineOptions {
                instances_max,
                interruption: arguments.compile.interruption,
                ..EngineOptions::default()
            },
            compile: arguments.compile.bounds(),
            use_cache: !arguments.no_cache,
            trust_artifact: arguments.grants.dangerously_trust_artifact,
        };
        let input = input::read(&arguments.program, arguments.compile.program_size)?;
        let loaded = load::load(input, options, self.settings, self.output, self.watch)?;
        let program = loaded.program.clone();
        loaded.finish_storing(self.output);
        Ok(program)
    }

    fn site(&self, program: &Program, background: &Background) -> Result<Site<Answers>, Report> {
        let denials = DenialLog::default();
        let mut grants = self.grants.clone();
        // Nobody types at a server, and no request should take what was meant for another.
        grants.stdio.input = false;
        let serving = Serving {
            principals: vec![ServedPrincipal {
                http: http_clients(&grants.http, &denials),
                grants,
                arguments: vec![self.name.to_string()],
                denials,
            }],
            imports: Imports::Own,
            limits: self.arguments.limits.limits(),
            heap_bytes_max: None,
            reuse: self.arguments.serving.reuse(),
        };
        let program = HttpProgram::new(program, serving, background.clone()).map_err(|error| {
            Report::failed(format!("cannot serve `{}`", self.arguments.program.display())).caused_by(error)
        })?;
        Ok(Site {
            handler: Answers::new(vec![Answer::Component {
                name: self.name.clone(),
                program,
            }]),
            routes: vec![everything(self.name.clone())?],
        })
    }

    /// Compiles in a process of its own, which may run out of time or memory without anybody noticing here, and loads
    /// what came of it.
    fn reload(&self, background: &Background) -> Result<Site<Answers>, Report> {
        if self.arguments.no_cache {
            return Err(
                Report::failed("with `--no-cache` a changed program cannot be compiled aside")
                    .hint("start the server without `--no-cache`, or start it anew"),
            );
        }
        serving::warm(&self.arguments.program, self.arguments.compile)?;
        let program = self.load()?;
        background.attend(program.engine());
        self.site(&program, background)
    }
}

/// The route that every request takes.
fn everything(component: Name) -> Result<Route, Report> {
    let path = "/*"
        .parse()
        .map_err(|error| Report::failed("cannot set up a route").caused_by(error))?;
    Ok(Route {
        name: component.clone(),
        path,
        hosts: Vec::new(),
        methods: Vec::new(),
        target: RouteTarget::Component(component),
        requests_max: None,
        response_timeout: None,
    })
}

/// What a file is called in messages and metrics: its name, as far as it can stand there.
fn name_of(file: &Path) -> Result<Name, Report> {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().to_lowercase());
    let words: Vec<String> = stem
        .unwrap_or_default()
        .split(|c: char| !c.is_ascii_alphanumeric())
        .map(|word| word.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned())
        .filter(|word| !word.is_empty())
        .collect();
    let name: String = words.join("-").chars().take(48).collect();
    name.trim_end_matches('-')
        .parse()
        .or_else(|_| "component".parse())
        .map_err(|error: weft_app::NameError| Report::failed("the file has no usable name").caused_by(error))
}
