//! `weft serve`: answer HTTP requests with one component.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use weft_app::Name;
use weft_app::trigger::http::{HttpTrigger, Route};
use weft_node::{Answer, Answers, Functions};
use weft_runtime::Stop;
use weft_runtime::entry::http::HttpProgram;
use weft_serve::{Settings as FrontSettings, Site};

use crate::app;
use crate::exit_code::Code;
use crate::flags::{CompileArguments, GrantArguments, InstanceLimitArguments, ServingArguments};
use crate::functions::{self, FunctionFolder};
use crate::input;
use crate::output::Output;
use crate::report::Report;
use crate::services::HostServices;
use crate::serving::{self, Alone, Loader, background};
use crate::settings::Settings;
use crate::watch::Watch;

const EXAMPLES: &str = "Examples:
  weft serve hello.wasm
  weft serve --addr 0.0.0.0:443 --tls-certificate site.pem --tls-key site.key site.wasm
  weft serve functions/
  weft serve --http https://api.example.com --response-timeout 5s --admin 127.0.0.1:9090 proxy.wasm

Each request gets an instance of its own unless `--reuse` says otherwise. SIGTERM drains, a second one ends at once,
SIGHUP reads the program again. docs/serving.md says what clients are told and what is refused.";

/// Answer HTTP requests with a component (`wasi:http/proxy` of WASI 0.2 or `wasi:http/service` of 0.3), or with a
/// folder of them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The component, or a folder: `NAME.wasm`, `NAME.cwasm` or `NAME.wat` in it answers `/NAME` and all paths below.
    #[arg(value_name = "FILE|FOLDER")]
    program: PathBuf,

    /// Components of a folder that stay loaded; each is loaded when it is first asked for.
    #[arg(long, value_name = "COUNT", default_value = "1000", help_heading = "Serving")]
    loaded: NonZeroUsize,

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
    let is_folder = arguments.program.is_dir();
    let is_app = app::is_app(&arguments.program);
    if is_app && (!is_folder || arguments.program.join("weft.toml").exists()) {
        return Err(
            Report::usage(format!("`{}` is an app", arguments.program.display()))
                .hint("`weft up` runs apps; what they listen on stands in their manifest"),
        );
    }
    let watch = Watch::start(Stop::new(), *output)?;
    let limits = arguments.serving.limits()?;
    let name = name_of(&arguments.program);
    let served = Served {
        arguments: &arguments,
        name: name.clone(),
        alone: Alone {
            grants: serving::served(&arguments.grants.grants()?),
            limits: arguments.limits.limits(),
            reuse: arguments.serving.reuse(),
            background: background()?,
            services: HostServices::of_server(name.as_str(), settings)?,
            output: *output,
        },
        loader: Loader {
            compile: arguments.compile,
            use_cache: !arguments.no_cache,
            trust_artifact: arguments.grants.dangerously_trust_artifact,
            requests_max: limits.requests_max,
            stack_bytes_max: arguments.limits.limits().stack_bytes_max,
            settings: settings.clone(),
            output: *output,
            watch: watch.clone(),
        },
    };
    let site = served.site()?;
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
        served: &arguments.program,
        settings: front,
        site,
        triggers: None,
        is_dev: arguments.serving.is_dev(),
    };
    let ended = serving::serve(serving, settings, &watch, output, None, || {
        served.loader.refuse_without_cache()?;
        if !is_folder {
            served.loader.warm(&arguments.program)?;
        }
        served.site()
    });
    served.alone.services.flush();
    ended
}

/// Everything that makes a site of a file, or of a folder.
struct Served<'a> {
    arguments: &'a Arguments,
    name: Name,
    alone: Alone,
    loader: Loader,
}

impl Served<'_> {
    /// What answers, from what is there now.
    fn site(&self) -> Result<Site<Answers>, Report> {
        let answer = if self.arguments.program.is_dir() {
            Answer::Functions(self.functions()?)
        } else {
            Answer::Component {
                name: self.name.clone(),
                program: self.program()?,
            }
        };
        Ok(Site {
            routes: vec![Route::everything(&self.name)],
            handler: Answers::new(vec![answer]),
        })
    }

    fn program(&self) -> Result<HttpProgram, Report> {
        let path = &self.arguments.program;
        let program = self
            .loader
            .load(input::read(path, self.arguments.compile.program_size)?)?;
        self.alone.link(&self.name, path, &program)
    }

    fn functions(&self) -> Result<Functions, Report> {
        self.loader.refuse_without_cache()?;
        let folder = &self.arguments.program;
        let count = functions::survey(folder, &self.loader.output)?;
        let plural = if count == 1 { "" } else { "s" };
        self.loader
            .output
            .note(&format!("`{}` has {count} function{plural}", folder.display()));
        let source = FunctionFolder {
            folder: folder.clone(),
            program_bytes_max: self.arguments.compile.program_size,
            alone: self.alone.clone(),
            loader: self.loader.clone(),
        };
        let compiling_max = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Functions::new(source, self.arguments.loaded, compiling_max))
    }
}

/// What a file is called in messages and metrics: its name, as far as it can stand there.
fn name_of(file: &Path) -> Name {
    let stem = file.file_stem().unwrap_or_default();
    weft_manifest::name_of_folder(&stem.to_string_lossy())
}
