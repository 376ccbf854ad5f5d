//! The engine, set up in one place: every setting that decides how guest code is compiled or run.
//!
//! A [`Profile`] names a purpose; [`Engine::new`] turns it into settings. Nothing else in the workspace
//! configures wasmtime, so what a guest can rely on is read here.
//!
//! What always holds: artifacts made under one profile are refused under another whose code differs, since
//! the [compatibility hash](Engine::compatibility) covers every setting that changes code.

use std::fmt;
use std::sync::Arc;

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

use crate::error::EngineError;
use crate::interruption::{Interruption, Ticks};
use crate::link::Linkers;
use crate::precompiled::CodeRoom;

/// The version of the engine beneath, for people to read.
pub const VERSION: &str = "wasmtime 48.0.8";

/// What an engine is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// One guest in a process of its own, which can be ended from outside: no checks in guest loops.
    Command(Concurrency),
    /// One guest whose instructions are counted: loops and calls pay for fuel.
    Metered(Concurrency),
    /// One guest that is looked at from time to time: loops and calls check an epoch.
    Sampled(Concurrency),
    /// Many guests that share threads: instances from a pool, and code that counts so that none holds a thread.
    Serving(Concurrency),
}

/// Whether the component model's asynchronous functions, streams and futures are available. They cost every
/// call something, so code that has none of them is run without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Concurrency {
    /// Synchronous components and core modules only.
    Off,
    /// Everything that WASI 0.3 needs.
    On,
}

impl Profile {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let purposes = [Self::Command, Self::Metered, Self::Sampled, Self::Serving];
        purposes
            .into_iter()
            .flat_map(|purpose| [Concurrency::Off, Concurrency::On].map(purpose))
    }

    /// The name used in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Command(Concurrency::Off) => "command",
            Self::Command(Concurrency::On) => "command-concurrent",
            Self::Metered(Concurrency::Off) => "metered",
            Self::Metered(Concurrency::On) => "metered-concurrent",
            Self::Sampled(Concurrency::Off) => "sampled",
            Self::Sampled(Concurrency::On) => "sampled-concurrent",
            Self::Serving(Concurrency::Off) => "serving",
            Self::Serving(Concurrency::On) => "serving-concurrent",
        }
    }

    /// The profile of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|profile| profile.name() == name)
    }

    /// What makes guests look up unless something else is asked for.
    pub fn interruption(self) -> Interruption {
        match self {
            Self::Command(_) | Self::Metered(_) => Interruption::None,
            Self::Sampled(_) => Interruption::Epochs,
            Self::Serving(_) => Interruption::Counted,
        }
    }

    /// Whether guests can be made to look up in this way: stacks are sampled when an epoch ends.
    pub fn allows(self, interruption: Interruption) -> bool {
        !matches!(self, Self::Sampled(_)) || interruption == Interruption::Epochs
    }

    /// Whether asynchronous components run under this profile.
    pub fn concurrency(self) -> Concurrency {
        match self {
            Self::Command(c) | Self::Metered(c) | Self::Sampled(c) | Self::Serving(c) => c,
        }
    }

    /// The same purpose with or without asynchronous components.
    pub fn with_concurrency(self, concurrency: Concurrency) -> Self {
        match self {
            Self::Command(_) => Self::Command(concurrency),
            Self::Metered(_) => Self::Metered(concurrency),
            Self::Sampled(_) => Self::Sampled(concurrency),
            Self::Serving(_) => Self::Serving(concurrency),
        }
    }
}

/// Whether calls between the modules of a component are compiled into one piece. That makes a call between fused
/// components nearly free, but the compiler then holds the whole program in memory at once: 3 GiB instead of 0.35
/// for an interpreter of 18 MB. Calls within a module are left alone: their own compiler has inlined what pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inlining {
    /// Across the modules of a component.
    On,
    /// Nowhere.
    Off,
}

impl Inlining {
    /// What suits a program of this many bytes.
    pub fn for_program(bytes: usize) -> Self {
        const BYTES_MAX: usize = 1 << 20;
        if bytes <= BYTES_MAX { Self::On } else { Self::Off }
    }
}

/// Choices besides the purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineOptions {
    /// Whether functions are inlined. Artifacts run only on an engine of the same choice.
    pub inlining: Inlining,
    /// Bytes of native stack for guest code.
    pub stack_bytes_max: usize,
    /// Keep what a core dump needs when a guest traps.
    pub core_dumps: bool,
    /// Instances that a profile with a pool has room for at a time.
    pub instances_max: u32,
    /// What makes guests look up; `None` is what the profile has. Artifacts run only on an engine of the same choice.
    pub interruption: Option<Interruption>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            inlining: Inlining::On,
            stack_bytes_max: weft_app::Limits::default().stack_bytes_max,
            core_dumps: false,
            instances_max: 1024,
            interruption: None,
        }
    }
}

/// A set-up engine. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: wasmtime::Engine,
    profile: Profile,
    interruption: Interruption,
    /// How often [`Engine::advance_epoch`] was called.
    ticks: Arc<Ticks>,
    linkers: Arc<Linkers>,
    /// Where the code of small programs goes.
    code_room: Option<Arc<CodeRoom>>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("profile", &self.profile)
            .field("interruption", &self.interruption)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Sets up an engine for a purpose.
    ///
    /// # Errors
    /// When the machine cannot give what the profile needs, such as address space for a pool, or when stacks are to be
    /// sampled without epochs.
    pub fn new(profile: Profile, options: EngineOptions) -> Result<Self, EngineError> {
        let interruption = options.interruption.unwrap_or(profile.interruption());
        let error = |source| EngineError {
            profile: profile.name(),
            source,
        };
        if !profile.allows(interruption) {
            let why = "stacks are taken when an epoch ends, so interruption must be `epochs`";
            return Err(error(anyhow::Error::msg(why)));
        }
        let mut config = configure(profile, options, interruption);
        let code_room = match profile {
            Profile::Serving(_) => CodeRoom::open().map(Arc::new),
            Profile::Command(_) | Profile::Metered(_) | Profile::Sampled(_) => None,
        };
        if let Some(room) = &code_room {
            config.with_custom_code_memory(Some(room.clone()));
        }
        let inner = wasmtime::Engine::new(&config).map_err(|source| error(source.into()))?;
        Ok(Self {
            inner,
            profile,
            interruption,
            ticks: Arc::default(),
            linkers: Arc::default(),
            code_room,
        })
    }

    /// What the engine is for.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// A number that two engines share exactly when they can run each other's artifacts.
    pub fn compatibility(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        // `DefaultHasher::new()` starts from fixed keys: the number is the same in every process.
        let mut hasher = DefaultHasher::new();
        self.inner.precompile_compatibility_hash().hash(&mut hasher);
        self.interruption.hash(&mut hasher);
        weft_countdown::VERSION.hash(&mut hasher);
        hasher.finish()
    }

    /// Whether both are the same engine, and not only set up alike.
    pub fn is_same(&self, other: &Self) -> bool {
        wasmtime::Engine::same(&self.inner, &other.inner)
    }

    /// Ends the current epoch, or tick: guests that can be interrupted look up soon, and give their thread back when
    /// they have computed for a whole one. Safe to call from any thread; does nothing to guests that cannot.
    pub fn advance_epoch(&self) {
        self.ticks.advance();
        self.inner.increment_epoch();
    }

    /// Whether guests look up when an epoch ends.
    pub fn checks_epochs(&self) -> bool {
        self.interruption == Interruption::Epochs
    }

    /// What makes guests look up.
    pub fn interruption(&self) -> Interruption {
        self.interruption
    }

    pub(crate) fn code_room(&self) -> Option<&CodeRoom> {
        self.code_room.as_deref()
    }

    /// What has been linked before.
    pub(crate) fn linkers(&self) -> &Linkers {
        &self.linkers
    }

    pub(crate) fn ticks(&self) -> &Arc<Ticks> {
        &self.ticks
    }

    /// Whether guests pay fuel.
    pub(crate) fn counts_fuel(&self) -> bool {
        matches!(self.profile, Profile::Metered(_))
    }

    /// The engine beneath, for the crates that may name it.
    pub fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner
    }
}

fn configure(profile: Profile, options: EngineOptions, interruption: Interruption) -> Config {
    let mut config = Config::new();
    language(&mut config, profile.concurrency());
    code(&mut config, options.inlining);
    diagnostics(&mut config, options);
    stacks(&mut config, options.stack_bytes_max);
    match interruption {
        Interruption::None => {}
        // The code says which of its branches are hardly ever taken.
        Interruption::Counted => {
            config.wasm_branch_hinting(true);
        }
        Interruption::Epochs => {
            config.epoch_interruption(true);
        }
    }
    match profile {
        // Tables filled when they are made spare every indirect call a check.
        Profile::Command(_) => {
            config.table_lazy_init(false);
        }
        Profile::Metered(_) => {
            config.consume_fuel(true);
            // The same fuel must end at the same instruction with the same results everywhere.
            config
                .cranelift_nan_canonicalization(true)
                .relaxed_simd_deterministic(true);
        }
        Profile::Sampled(_) => {
            // Inlined functions are missing from stacks, and so from profiles.
            config.compiler_inlining(wasmtime::Inlining::No);
        }
        Profile::Serving(_) => {
            // Only debuggers of the host would read it, and registering it costs every program that is loaded.
            config.native_unwind_info(false);
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options.instances_max)));
        }
    }
    config
}

/// Which WebAssembly is accepted: the 3.0 core language and the component model as WASI 0.2 and 0.3 use it.
///
/// Shared memories stay off: no limit of ours counts them.
fn language(config: &mut Config, concurrency: Concurrency) {
    config.concurrency_support(concurrency == Concurrency::On);
    config.shared_memory(false);
}

/// How code is made: for speed, across the modules of a component.
fn code(config: &mut Config, inlining: Inlining) {
    config.compiler_inlining(match inlining {
        Inlining::On => wasmtime::Inlining::InterModuleAndIntraGc,
        Inlining::Off => wasmtime::Inlining::No,
    });
    // A reservation that covers everything a 32-bit memory can address never moves, so its base address
    // need not be loaded anew after each call.
    config.memory_reservation(4 << 30).memory_may_move(true);
}

fn diagnostics(config: &mut Config, options: EngineOptions) {
    config.wasm_backtrace_details(WasmBacktraceDetails::Enable);
    config.coredump_on_trap(options.core_dumps);
}

/// Guest code gets its bytes; host functions run on what is left of the same stack and must never be the
/// ones to run out, since that ends the process.
fn stacks(config: &mut Config, guest_bytes: usize) {
    const HOST_BYTES: usize = 1 << 20;
    config
        .max_wasm_stack(guest_bytes)
        .async_stack_size(guest_bytes.saturating_add(HOST_BYTES));
}

/// Slots for instances, kept warm: pages that stay resident cost no page fault when a slot is used again.
///
/// The kernel is asked which pages were written (where it can tell, Linux 6.7 on), and only those are reset: one
/// call that costs less than clearing a single WebAssembly page, and the rest of 128 KiB then holds what a whole
/// guest of Rust writes. The sizes were measured on small WASI 0.2 components (docs/performance.md).
///
/// Of core instances, memories, tables and stacks there is room for as many as so many components need. Memories are
/// the dearest: each slot takes address space, 4 GiB and guards, and an address space has room for some 30 000.
fn pool(instances: u32) -> PoolingAllocationConfig {
    const MEMORIES_EACH: u32 = 2;
    const TABLES_EACH: u32 = 4;
    /// What joins two languages in one app instantiates many small modules.
    const CORE_INSTANCES_EACH: u32 = 64;
    let mut pool = PoolingAllocationConfig::new();
    pool.linear_memory_keep_resident(128 << 10)
        .table_keep_resident(16 << 10)
        .async_stack_keep_resident(64 << 10)
        .max_unused_warm_slots(256)
        .pagemap_scan(Enabled::Auto)
        .max_memories_per_module(16)
        .max_tables_per_module(8)
        .table_elements(100_000)
        .total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES_EACH))
        .total_memories(instances.saturating_mul(MEMORIES_EACH))
        .total_tables(instances.saturating_mul(TABLES_EACH))
        .total_stacks(instances);
    pool
}
