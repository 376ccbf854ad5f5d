//! Programs: guest code made ready to run, from WebAssembly, from the cache or from a sealed artifact.

use std::fmt;
use std::path::{Path, PathBuf};

use wasmtime::component::Component;
use wasmtime::{Module, Precompiled};

use crate::engine::{Concurrency, Engine};
use crate::error::LoadError;
use crate::interruption::Interruption;
use crate::precompiled::{self, Vouched};
use crate::seal::{SealKey, Sealed};

/// Code that one engine can run.
#[derive(Clone)]
pub struct Program {
    pub(crate) engine: Engine,
    pub(crate) code: Code,
}

#[derive(Clone)]
pub(crate) enum Code {
    Component(Component),
    Module(Module),
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.code {
            Code::Component(_) => "component",
            Code::Module(_) => "module",
        };
        f.debug_struct("Program")
            .field("kind", &kind)
            .field("engine", &self.engine)
            .finish()
    }
}

/// Whose word it takes to run a sealed artifact.
#[derive(Debug, Clone, Copy)]
pub enum Trust<'a> {
    /// The seal must have been made with this key.
    Key(&'a SealKey),
    /// The user vouches for the artifact; it need only be whole. Running a hostile one is running a hostile
    /// native program.
    UserVouches,
}

impl Program {
    /// Compiles WebAssembly in binary form, a component or a core module.
    ///
    /// # Errors
    /// When the bytes are not valid for this engine.
    ///
    /// # Limits
    /// None of its own on time and memory: callers bound the process or thread that compiles.
    pub fn compile(engine: &Engine, wasm: &[u8]) -> Result<Self, LoadError> {
        let compile = |error: wasmtime::Error| LoadError::Compile(error.into());
        let counted = match engine.interruption() {
            Interruption::Counted => {
                Some(weft_countdown::rewrite(wasm).map_err(|error| LoadError::Compile(error.into()))?)
            }
            Interruption::None | Interruption::Epochs => None,
        };
        let wasm = counted.as_deref().unwrap_or(wasm);
        let code = if is_component(wasm) {
            Code::Component(Component::from_binary(engine.wasmtime(), wasm).map_err(compile)?)
        } else {
            Code::Module(Module::from_binary(engine.wasmtime(), wasm).map_err(compile)?)
        };
        Ok(Self {
            engine: engine.clone(),
            code,
        })
    }

    /// The machine code of the program, for [`crate::cache`] and [`crate::seal`].
    ///
    /// # Errors
    /// When the engine cannot write it.
    pub fn serialize(&self) -> Result<Vec<u8>, LoadError> {
        match &self.code {
            Code::Component(component) => component.serialize(),
            Code::Module(module) => module.serialize(),
        }
        .map_err(|error| LoadError::Compile(error.into()))
    }

    /// Loads an artifact that the cache has just checked.
    ///
    /// # Errors
    /// When it was made for another engine.
    pub fn from_cache(engine: &Engine, hit: &crate::cache::Hit) -> Result<Self, LoadError> {
        use std::os::fd::AsRawFd as _;
        let vouched = Vouched::checked();
        if let Some(bytes) = hit.bytes() {
            return Self::from_bytes(engine, bytes, &vouched);
        }
        // The very file that was hashed, whatever happens to its name meanwhile.
        let path = PathBuf::from(format!("/proc/self/fd/{}", hit.file().as_raw_fd()));
        Self::load(engine, Engine::detect_file(&path)?, |engine, kind| match kind {
            Precompiled::Component => {
                precompiled::component_file(engine, &path, &vouched).map(Code::Component)
            }
            Precompiled::Module => precompiled::module_file(engine, &path, &vouched).map(Code::Module),
        })
    }

    fn from_bytes(engine: &Engine, bytes: &[u8], vouched: &Vouched) -> Result<Self, LoadError> {
        let room = engine.code_room();
        Self::load(
            engine,
            wasmtime::Engine::detect_precompiled(bytes),
            |engine, kind| match kind {
                Precompiled::Component => {
                    precompiled::component(engine, room, bytes, vouched).map(Code::Component)
                }
                Precompiled::Module => precompiled::module(engine, bytes, vouched).map(Code::Module),
            },
        )
    }

    /// Loads a sealed artifact.
    ///
    /// # Authority
    /// Runs native code: see [`Trust`].
    ///
    /// # Errors
    /// When the artifact is damaged, not trusted, or made for another engine.
    pub fn from_sealed(engine: &Engine, sealed: &Sealed<'_>, trust: Trust<'_>) -> Result<Self, LoadError> {
        match trust {
            Trust::Key(key) => sealed.check_seal(key)?,
            Trust::UserVouches => sealed.check_whole()?,
        }
        Self::from_bytes(engine, sealed.artifact, &Vouched::checked())
    }

    fn load(
        engine: &Engine,
        kind: Option<Precompiled>,
        load: impl FnOnce(&wasmtime::Engine, Precompiled) -> wasmtime::Result<Code>,
    ) -> Result<Self, LoadError> {
        let not_an_artifact =
            || LoadError::Incompatible(anyhow::anyhow!("the file holds no precompiled code"));
        let code = load(engine.wasmtime(), kind.ok_or_else(not_an_artifact)?)
            .map_err(|error| LoadError::Incompatible(error.into()))?;
        Ok(Self {
            engine: engine.clone(),
            code,
        })
    }

    /// The engine that runs the program.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether the program is a component.
    pub fn is_component(&self) -> bool {
        matches!(self.code, Code::Component(_))
    }
}

impl Engine {
    fn detect_file(path: &Path) -> Result<Option<Precompiled>, LoadError> {
        wasmtime::Engine::detect_precompiled_file(path).map_err(|error| LoadError::Incompatible(error.into()))
    }
}

/// Whether the bytes begin like a component; anything else is taken for a core module.
pub fn is_component(wasm: &[u8]) -> bool {
    wasm.get(4..8) == Some(&[0x0d, 0x00, 0x01, 0x00])
}

/// A quick guess whether a component needs asynchronous functions: it names an interface of WASI 0.3 or one
/// of the asynchronous built-ins. A wrong `On` only costs speed. A wrong `Off` shows when the code is compiled,
/// and the caller tries again with `On`.
pub fn guess_concurrency(wasm: &[u8]) -> Concurrency {
    const SIGNS: [&[u8]; 4] = [b"@0.3.", b"[async-l", b"[task-return]", b"[async]"];
    if !is_component(wasm) {
        return Concurrency::Off;
    }
    let found = SIGNS
        .iter()
        .any(|sign| memchr::memmem::find(wasm, sign).is_some());
    if found { Concurrency::On } else { Concurrency::Off }
}
