//! `weft compile`: a precompiled artifact, sealed for this user on this machine.

use std::path::{Path, PathBuf};

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

/// Compile programs ahead of time into artifacts that `weft run`, or `weft serve`, start at once.
///
/// An artifact holds machine code for this version of Weft and this kind of processor. It is sealed: other
/// users and machines do not run it unless they say that they trust it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  weft compile hello.wasm -o hello.cwasm && weft run hello.cwasm\n  weft compile --serving site.wasm && weft serve site.cwasm"
)]
pub(crate) struct Arguments {
    /// The programs: components, core modules, or their text; `-` reads standard input.
    #[arg(required = true, value_name = "PROGRAM")]
    programs: Vec<PathBuf>,

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
    if arguments.output.is_some() && arguments.programs.len() > 1 {
        return Err(
            Report::usage("`-o` names one artifact, and there are several programs")
                .hint("without `-o`, each artifact goes beside its program"),
        );
    }
    let key = seal_key(settings)?;
    let watch = Watch::start(Stop::new(), *output)?;
    for program in &arguments.programs {
        compile(&arguments, program, &key, output, &watch)?;
    }
    Ok(Code::DONE)
}

fn compile(
    arguments: &Arguments,
    program: &Path,
    key: &SealKey,
    output: &Output,
    watch: &Watch,
) -> Result<(), Report> {
    let path = artifact_path(arguments, program)?;
    let mut program = input::read(program, arguments.compile.program_size)?;
    match program.kind {
        Kind::Artifact => return Err(Report::failed(format!("`{}` is compiled already", program.name))),
        Kind::Text => input::assemble(&mut program)?,
        Kind::Component | Kind::CoreModule => {}
    }
    let options = arguments.options();
    let compiled = Engines::of(&program, options).compile(&program, options.compile, output, watch)?;
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
        key,
    );
    write_whole(&path, &sealed)
        .map_err(|error| Report::failed(format!("cannot write `{}`", path.display())).caused_by(error))?;
    output.detail(&format!(
        "wrote `{}` ({})",
        path.display(),
        show_bytes(sealed.len() as u64)
    ));
    Ok(())
}

impl Arguments {
    fn options(&self) -> LoadOptions {
        LoadOptions {
            profile: match (self.metered, self.serving) {
                (true, _) => Profile::Metered(Concurrency::Off),
                (false, true) => Profile::Serving(Concurrency::Off),
                (false, false) => Profile::Command(Concurrency::Off),
            },
            engine: EngineOptions {
                // Nothing is run here.
                instances_max: 1,
                interruption: self.compile.interruption,
                ..EngineOptions::default()
            },
            compile: self.compile.bounds(),
            use_cache: false,
            trust_artifact: false,
        }
    }
}

fn artifact_path(arguments: &Arguments, program: &Path) -> Result<PathBuf, Report> {
    if arguments.output.is_none() && program.as_os_str() == "-" {
        return Err(Report::usage("an artifact made from standard input needs a name").hint("add `-o FILE`"));
    }
    Ok(input::output_path(arguments.output.clone(), program, "cwasm"))
}

fn seal_key(settings: &Settings) -> Result<SealKey, Report> {
    let path = settings.seal_key.as_ref().ok_or_else(|| {
        Report::failed("there is no folder for the key that seals artifacts")
            .hint("set `HOME` or `WEFT_DATA_DIR`")
    })?;
    SealKey::open_or_create(path).map_err(|error| Report::failed("cannot seal the artifact").caused_by(error))
}
