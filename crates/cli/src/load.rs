//! From a file's bytes to a program that can run: from the cache if it was seen before, else compiled.

use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use weft_app::quantity::show_duration;
use weft_inspect::kind::Kind;
use weft_runtime::cache::{Cache, Digest, Key, Lookup, Meta};
use weft_runtime::error::LoadError;
use weft_runtime::program::{self, Trust};
use weft_runtime::seal::{self, MadeFor, SealError, SealKey, Sealed};
use weft_runtime::{Concurrency, Engine, EngineOptions, Inlining, Profile, Program};

use crate::input::{self, Input};
use crate::output::Output;
use crate::report::Report;
use crate::settings::Settings;
use crate::watch::{CompileBounds, Watch};

/// Bytes that the artifacts of one user take on disk at most.
pub(crate) const CACHE_BYTES_MAX: u64 = 2 << 30;

/// How a program is to be loaded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoadOptions {
    pub(crate) profile: Profile,
    pub(crate) engine: EngineOptions,
    pub(crate) compile: CompileBounds,
    pub(crate) use_cache: bool,
    /// Run an artifact that was made elsewhere.
    pub(crate) trust_artifact: bool,
}

/// A program, and its way into the cache if it is still on it.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) program: Program,
    storing: Option<JoinHandle<Result<(), String>>>,
}

impl Loaded {
    /// Waits until the artifact is in the cache, and says where it could not be kept.
    pub(crate) fn stored(self) -> Result<(), Report> {
        match self.storing.map(JoinHandle::join) {
            Some(Ok(Err(error))) => Err(Report::failed("the artifact cannot be kept").caused_by(error)),
            Some(Err(_)) => Err(Report::failed("the thread that kept the artifact panicked")),
            Some(Ok(Ok(()))) | None => Ok(()),
        }
    }

    /// Waits until the artifact is in the cache. A cache that cannot be written costs time, not results.
    pub(crate) fn finish_storing(self, output: &Output) {
        match self.storing.map(JoinHandle::join) {
            Some(Ok(Err(error))) => output.detail(&format!("the artifact was not kept: {error}")),
            Some(Err(_)) => output.detail("the artifact was not kept: the thread that wrote it panicked"),
            Some(Ok(Ok(()))) | None => {}
        }
    }
}

/// Loads a program.
pub(crate) fn load(
    mut input: Input,
    options: LoadOptions,
    settings: &Settings,
    output: &Output,
    watch: &Watch,
) -> Result<Loaded, Report> {
    match input.kind {
        Kind::Artifact => return load_artifact(&input, options, settings),
        Kind::Text => input::assemble(&mut input)?,
        Kind::Component | Kind::CoreModule => {}
    }
    let cache = open_cache(options, settings, output);
    let (digest, engines) = (Digest::of(&input.bytes), Engines::of(&input, options));
    if let Some(program) = engines.find(cache.as_ref(), digest, output)? {
        return Ok(Loaded {
            program,
            storing: None,
        });
    }
    let program = engines.compile(&input, options.compile, output, watch)?;
    let key = key_of(digest, program.engine());
    let storing = cache.map(|cache| store(cache, key, input.short_name.clone(), program.clone()));
    Ok(Loaded { program, storing })
}

/// Loads a program from the cache, if it is there.
pub(crate) fn cached(
    mut input: Input,
    options: LoadOptions,
    settings: &Settings,
    output: &Output,
) -> Result<Option<Program>, Report> {
    if input.kind == Kind::Text {
        input::assemble(&mut input)?;
    }
    let cache = open_cache(options, settings, output);
    Engines::of(&input, options).find(cache.as_ref(), Digest::of(&input.bytes), output)
}

fn key_of(digest: Digest, engine: &Engine) -> Key {
    Key::new(digest, engine.compatibility(), engine.profile().name())
}

/// The engines that may fit a program, the better one first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Engines {
    profile: Profile,
    options: EngineOptions,
    concurrency: &'static [Concurrency],
}

impl Engines {
    pub(crate) fn of(input: &Input, options: LoadOptions) -> Self {
        // The guess can miss a component that is asynchronous in a way that leaves no trace in names.
        let concurrency: &[Concurrency] = match program::guess_concurrency(&input.bytes) {
            Concurrency::On => &[Concurrency::On],
            Concurrency::Off if program::is_component(&input.bytes) => &[Concurrency::Off, Concurrency::On],
            Concurrency::Off => &[Concurrency::Off],
        };
        Self {
            profile: options.profile,
            options: EngineOptions {
                inlining: Inlining::for_program(input.bytes.len()),
                ..options.engine
            },
            concurrency,
        }
    }

    fn iter(self) -> impl Iterator<Item = Result<Engine, Report>> {
        let engine = move |&concurrency| new_engine(self.profile.with_concurrency(concurrency), self.options);
        self.concurrency.iter().map(engine)
    }

    /// Finds a program in the cache that one of them made.
    fn find(self, cache: Option<&Cache>, digest: Digest, output: &Output) -> Result<Option<Program>, Report> {
        for engine in self.iter() {
            let engine = engine?;
            if let Some(program) = find(cache, &key_of(digest, &engine), &engine, output) {
                return Ok(Some(program));
            }
        }
        Ok(None)
    }

    /// Validates and compiles a program for the first engine that takes it.
    pub(crate) fn compile(
        self,
        input: &Input,
        bounds: CompileBounds,
        output: &Output,
        watch: &Watch,
    ) -> Result<Program, Report> {
        if let Err(error) = weft_inspect::validate::validate(&input.bytes) {
            return Err(
                Report::failed(format!("`{}` is not valid WebAssembly", input.name)).caused_by(error),
            );
        }
        let mut refused = None;
        for engine in self.iter() {
            match compile(&engine?, input, bounds, output, watch) {
                Ok(program) => return Ok(program),
                Err(report) => refused = Some(report),
            }
        }
        // There is always one engine, and its report is the one that counts.
        Err(refused.unwrap_or_else(|| Report::failed(format!("cannot compile `{}`", input.name))))
    }
}

pub(crate) fn new_engine(profile: Profile, options: EngineOptions) -> Result<Engine, Report> {
    match profile {
        Profile::Serving(_) => shared_engine(profile, options),
        _ => start_engine(profile, options),
    }
}

fn start_engine(profile: Profile, options: EngineOptions) -> Result<Engine, Report> {
    Engine::new(profile, options).map_err(|error| Report::failed("cannot start the engine").caused_by(error))
}

/// An engine for serving. The pool of each takes terabytes of address space, so all programs of a kind share one, also
/// those that are loaded later.
fn shared_engine(profile: Profile, options: EngineOptions) -> Result<Engine, Report> {
    type Known = Vec<(Profile, EngineOptions, Engine)>;
    static KNOWN: Mutex<Known> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock();
    let is_it = |(of, with, _): &&(Profile, EngineOptions, Engine)| (*of, *with) == (profile, options);
    if let Some((_, _, engine)) = known.iter().find(is_it) {
        return Ok(engine.clone());
    }
    let engine = start_engine(profile, options)?;
    known.push((profile, options, engine.clone()));
    Ok(engine)
}

/// Compiles within bounds: [`Watch`] ends the process when they are passed.
fn compile(
    engine: &Engine,
    input: &Input,
    bounds: CompileBounds,
    output: &Output,
    watch: &Watch,
) -> Result<Program, Report> {
    let started = std::time::Instant::now();
    let guard = watch.compiling(&input.short_name, input.bytes.len() as u64, bounds);
    let program = Program::compile(engine, &input.bytes)
        .map_err(|error| Report::failed(format!("cannot compile `{}`", input.name)).caused_by(error));
    drop(guard);
    if program.is_ok() {
        output.detail(&format!(
            "compiled `{}` in {}",
            input.short_name,
            show_duration(started.elapsed())
        ));
    }
    program
}

pub(crate) fn open_cache(options: LoadOptions, settings: &Settings, output: &Output) -> Option<Cache> {
    let root = settings.cache.as_ref().filter(|_| options.use_cache)?;
    match Cache::open(root, CACHE_BYTES_MAX) {
        Ok(cache) => Some(cache),
        Err(error) => {
            output.detail(&format!("running without the cache: {error}"));
            None
        }
    }
}

fn find(cache: Option<&Cache>, key: &Key, engine: &Engine, output: &Output) -> Option<Program> {
    let hit = match cache?.lookup(key) {
        Ok(Lookup::Hit(hit)) => hit,
        Ok(Lookup::Absent) => return None,
        Ok(Lookup::Damaged(damage)) => {
            output.warn(&format!("{damage}; compiling again"));
            return None;
        }
        Err(error) => {
            output.warn(&format!("the cache is not used: {error}"));
            return None;
        }
    };
    match Program::from_cache(engine, &hit) {
        Ok(program) => Some(program),
        Err(error) => {
            output.detail(&format!("the cached artifact is not used: {error}"));
            None
        }
    }
}

/// Writes the artifact beside the running guest, which need not wait for the disk.
fn store(cache: Cache, key: Key, name: String, program: Program) -> JoinHandle<Result<(), String>> {
    std::thread::spawn(move || {
        let meta = Meta {
            name,
            engine_version: weft_runtime::engine::VERSION.to_owned(),
        };
        let artifact = program.serialize().map_err(|error| error.to_string())?;
        cache
            .insert(&key, &meta, &artifact)
            .map(drop)
            .map_err(|error| error.to_string())
    })
}

fn load_artifact(input: &Input, options: LoadOptions, settings: &Settings) -> Result<Loaded, Report> {
    let refuse = || Report::failed(format!("`{}` is not run", input.name));
    let Some(sealed) = seal::read(&input.bytes) else {
        return Err(refuse()
            .caused_by("it is machine code that `weft compile` did not make, or it was cut off")
            .hint("compile the WebAssembly it was made from with `weft compile`"));
    };
    let MadeFor {
        profile: made_for,
        inlining,
        interruption,
    } = sealed.made_for().map_err(|error| refuse().caused_by(error))?;
    if made_for.with_concurrency(Concurrency::On) != options.profile.with_concurrency(Concurrency::On) {
        return Err(refuse()
            .caused_by(format!("it was compiled for profile `{}`", made_for.name()))
            .hint("run the WebAssembly it was made from, or compile it with the flags of this run"));
    }
    if options
        .engine
        .interruption
        .is_some_and(|asked| asked != interruption)
    {
        return Err(refuse()
            .caused_by(format!("it was compiled with `--interruption {interruption}`"))
            .hint("run the WebAssembly it was made from, or compile it with the flags of this run"));
    }
    let engine = new_engine(
        made_for,
        EngineOptions {
            inlining,
            interruption: Some(interruption),
            ..options.engine
        },
    )?;
    let program = if options.trust_artifact {
        Program::from_sealed(&engine, &sealed, Trust::UserVouches)
    } else {
        from_sealed_here(&engine, &sealed, settings)
    };
    let program = program.map_err(|error| refuse().caused_by(error).hint(FOREIGN_HINT))?;
    Ok(Loaded {
        program,
        storing: None,
    })
}

/// Loads an artifact that was sealed with the key of this user on this machine.
fn from_sealed_here(engine: &Engine, sealed: &Sealed<'_>, settings: &Settings) -> Result<Program, LoadError> {
    let with = |key: Option<SealKey>| match key {
        Some(key) => Program::from_sealed(engine, sealed, Trust::Key(&key)),
        None => Err(SealError::Foreign.into()),
    };
    match with(key(settings, KEY_STAYS)) {
        // It may have been made with a key that is newer than the one that is known.
        Err(LoadError::Seal(SealError::Foreign)) => with(key(settings, Duration::ZERO)),
        loaded => loaded,
    }
}

const FOREIGN_HINT: &str = "compile it here with `weft compile`; if you made it elsewhere and trust it as you \
    trust a native program, `--dangerously-trust-artifact` runs it";

/// How long the key is not looked at again. A server loads hundreds of artifacts in that time.
const KEY_STAYS: Duration = Duration::from_secs(1);

/// The key that seals artifacts, as it was at most so long ago.
fn key(settings: &Settings, age_max: Duration) -> Option<SealKey> {
    struct Known {
        path: PathBuf,
        read: Instant,
        key: SealKey,
    }
    static KNOWN: Mutex<Option<Known>> = Mutex::new(None);
    let path = settings.seal_key.as_deref()?;
    let mut known = KNOWN.lock();
    if let Some(known) = &*known
        && known.path == path
        && known.read.elapsed() < age_max
    {
        return Some(known.key.clone());
    }
    let key = SealKey::open(path).ok()?;
    *known = Some(Known {
        path: path.to_owned(),
        read: Instant::now(),
        key: key.clone(),
    });
    Some(key)
}
