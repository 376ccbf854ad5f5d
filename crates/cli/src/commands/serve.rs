//! `weft serve`: answer HTTP requests with one component.

use std::path::{Path, PathBuf};

use weft_app::trigger::http::{HttpTrigger, Route};
use weft_app::{Grants, Name};
use weft_node::{Answer, Answers};
use weft_runtime::entry::http::{Background, HttpProgram, Serving};
use weft_runtime::{Imports, Stop};
use weft_serve::{Settings as FrontSettings, Site};

use crate::app;
use crate::exit_code::Code;
use crate::flags::{CompileArguments, GrantArguments, InstanceLimitArguments, ServingArguments};
use crate::input;
use crate::output::Output;
use crate::report::Report;
use crate::serving::{self, Loader, background};
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
    let name = name_of(&arguments.program);
    let file = File {
        arguments: &arguments,
        grants: arguments.grants.grants()?,
        name: name.clone(),
        background: background()?,
        loader: Loader {
            compile: arguments.compile,
            use_cache: !arguments.no_cache,
            trust_artifact: arguments.grants.dangerously_trust_artifact,
            requests_max: limits.requests_max,
            stack_bytes_max: arguments.limits.limits().stack_bytes_max,
            settings,
            output,
            watch: &watch,
        },
    };
    let site = file.site()?;
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
    serving::serve(serving, &watch, output, None, || {
        file.loader.refuse_without_cache()?;
        file.loader.warm(&arguments.program)?;
        file.site()
    })
}

/// Everything that makes a site of a file.
struct File<'a> {
    arguments: &'a Arguments,
    grants: Grants,
    name: Name,
    background: Background,
    loader: Loader<'a>,
}

impl File<'_> {
    /// What answers, from the file as it is now.
    fn site(&self) -> Result<Site<Answers>, Report> {
        let arguments = self.arguments;
        let program = self
            .loader
            .load(input::read(&arguments.program, arguments.compile.program_size)?)?;
        self.background.attend(program.engine());
        let serving = Serving {
            principals: vec![serving::principal(&self.name, &self.grants)],
            imports: Imports::Own,
            limits: arguments.limits.limits(),
            heap_bytes_max: None,
            reuse: arguments.serving.reuse(),
        };
        let program = HttpProgram::new(&program, serving, self.background.clone()).map_err(|error| {
            Report::failed(format!("cannot serve `{}`", arguments.program.display())).caused_by(error)
        })?;
        Ok(Site {
            routes: vec![Route::everything(&self.name)],
            handler: Answers::new(vec![Answer::Component {
                name: self.name.clone(),
                program,
            }]),
        })
    }
}

/// What a file is called in messages and metrics: its name, as far as it can stand there.
fn name_of(file: &Path) -> Name {
    let stem = file.file_stem().unwrap_or_default();
    weft_manifest::name_of_folder(&stem.to_string_lossy())
}
