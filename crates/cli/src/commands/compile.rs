//! `weft compile`: a precompiled artifact, sealed for this user on this machine.

use std::path::PathBuf;

use weft_app::quantity::show_bytes;
use weft_inspect::kind::Kind;
use weft_node::write_whole;
use weft_runtime::seal::{MadeFor, SealKey, seal};
use weft_runtime::{Concurrency, EngineOptions, Inlining, Profile, Stop};

use crate::exit_code::Code;
use crate::flags::CompileArguments;
use crate::input;
use crate::load::{Engines, LoadOptions};
use crate::output::Output;
use crate::report::Report;
use crate::settings::Settings;
use crate::watch::Watch;

/// Compile a program ahead of time into an artifact that `weft run`, or `weft serve`, starts at once.
///
/// The artifact holds machine code for this version of Weft and this kind of processor. It is sealed: other
/// users and machines do not run it unless they say that they trust it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  weft compile hello.wasm -o hello.cwasm && weft run hello.cwasm\n  weft compile --serving site.wasm && weft serve site.cwasm"
)]
pub(crate) struct Arguments {
    /// The program: a component, a core module, or their text; `-` reads standard input.
    program: PathBuf,

    /// Where the artifact goes; without it, beside the program with the ending `.cwasm`.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Make code that counts fuel, for `weft run --fuel`.
    #[arg(long)]
    metered: bool,

    /// Make code for `weft serve`.
    #[arg(long, conflicts_with = "metered")]
    serving: bool,

    #[command(flatten)]
    compile: CompileArguments,
}

pub(crate) fn run(arguments: Arguments, settings: &Settings, output: &Output) -> Result<Code, Report> {
    let mut program = input::read(&arguments.program, arguments.compile.program_size)?;
    match program.kind {
        Kind::Artifact => return Err(Report::failed(format!("`{}` is compiled already", program.name))),
        Kind::Text => input::assemble(&mut program)?,
        Kind::Component | Kind::CoreModule => {}
    }
    let path = artifact_path(&arguments)?;
    let key = seal_key(settings)?;
    let watch = Watch::start(Stop::new(), *output)?;
    let options = LoadOptions {
        profile: match (arguments.metered, arguments.serving) {
            (true, _) => Profile::Metered(Concurrency::Off),
            (false, true) => Profile::Serving(Concurrency::Off),
            (false, false) => Profile::Command(Concurrency::Off),
        },
        engine: EngineOptions {
            // Nothing is run here.
            instances_max: 1,
            interruption: arguments.compile.interruption,
            ..EngineOptions::default()
        },
        compile: arguments.compile.bounds(),
        use_cache: false,
        trust_artifact: false,
    };
    let compiled = Engines::of(&program, options).compile(&program, options.compile, output, &watch)?;
    let artifact = compiled
        .serialize()
        .map_err(|error| Report::failed("cannot write the artifact").caused_by(error))?;
    let sealed = seal(
        artifact,
        MadeFor {
            profile: compiled.engine().profile(),
            inlining: Inlining::for_program(program.bytes.len()),
            interruption: compiled.engine().interruption(),
        },
        &program.bytes,
        &key,
    );
    write_whole(&path, &sealed)
        .map_err(|error| Report::failed(format!("cannot write `{}`", path.display())).caused_by(error))?;
    output.detail(&format!(
        "wrote `{}` ({})",
        path.display(),
        show_bytes(sealed.len() as u64)
    ));
    Ok(Code::DONE)
}

fn artifact_path(arguments: &Arguments) -> Result<PathBuf, Report> {
    if arguments.output.is_none() && arguments.program.as_os_str() == "-" {
        return Err(Report::usage("an artifact made from standard input needs a name").hint("add `-o FILE`"));
    }
    Ok(input::output_path(
        arguments.output.clone(),
        &arguments.program,
        "cwasm",
    ))
}

fn seal_key(settings: &Settings) -> Result<SealKey, Report> {
    let path = settings.seal_key.as_ref().ok_or_else(|| {
        Report::failed("there is no folder for the key that seals artifacts")
            .hint("set `HOME` or `WEFT_DATA_DIR`")
    })?;
    SealKey::open_or_create(path).map_err(|error| Report::failed("cannot seal the artifact").caused_by(error))
}
