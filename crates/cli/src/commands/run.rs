//! `weft run`: run one program with exactly what the flags grant.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use weft_app::grant::{
    Access, AddressBlock, ClockGrant, DirectoryGrant, EnvironmentGrant, HostPattern, HttpGrant, NetworkGrant,
    Origin, Peer, RandomGrant, StdioGrant,
};
use weft_app::quantity::{parse_bytes, parse_duration};
use weft_app::{Grants, Limits};
use weft_runtime::denial::DenialLog;
use weft_runtime::entry::{self, Entry, EntryError, Observe, Outcome};
use weft_runtime::error::SetupError;
use weft_runtime::flamegraph::FlameGraph;
use weft_runtime::wave::Call;
use weft_runtime::{Concurrency, EngineOptions, Imports, LimitHit, PrincipalSetup, Profile, Setup, Stop};

use crate::exit_code::Code;
use crate::input;
use crate::load::{self, LoadOptions};
use crate::output::Output;
use crate::report::Report;
use crate::settings::{self, Settings};
use crate::watch::{CompileBounds, Watch};

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
    /// The program, `-` for standard input, and its own arguments.
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

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Grants")]
struct GrantArguments {
    /// Let the program see a directory: `HOST[::GUEST][:rw]`. Read-only unless it ends in `:rw`.
    #[arg(long = "dir", value_name = "HOST[::GUEST][:rw]")]
    directories: Vec<DirectoryGrant>,

    /// Set an environment variable of the program; `NAME` alone copies the value it has here.
    #[arg(long = "env", value_name = "NAME[=VALUE]")]
    environment: Vec<String>,

    /// Let the program open TCP connections to a host, and look its name up.
    #[arg(long, value_name = "HOST[:PORT]")]
    tcp: Vec<Peer>,

    /// Let the program accept TCP connections on a local address.
    #[arg(long, value_name = "ADDRESS[:PORT]")]
    tcp_listen: Vec<Peer>,

    /// Let the program exchange datagrams with a host, and look its name up.
    #[arg(long, value_name = "HOST[:PORT]")]
    udp: Vec<Peer>,

    /// Let the program receive datagrams on a local address.
    #[arg(long, value_name = "ADDRESS[:PORT]")]
    udp_listen: Vec<Peer>,

    /// Let the program look up a name.
    #[arg(long, value_name = "NAME")]
    dns: Vec<HostPattern>,

    /// Let the program send HTTP requests to an origin, such as `https://example.com` or `http://127.0.0.1:8080`.
    #[arg(long, value_name = "ORIGIN")]
    http: Vec<Origin>,

    /// Private addresses that the names of granted origins may lead to.
    #[arg(long, value_name = "CIDR")]
    http_private: Vec<AddressBlock>,

    /// What the clocks show: `real`, `fixed[:SECONDS]` (repeatable, waiting takes no time) or `none`.
    #[arg(long, value_name = "CLOCK", default_value = "real")]
    clock: ClockGrant,

    /// Where random numbers come from: `real`, `fixed[:SEED]` (repeatable) or `none`.
    #[arg(long, value_name = "RANDOM", default_value = "real")]
    random: RandomGrant,

    /// Standard streams the program reaches: `all`, `none`, or a list of `in`, `out` and `err`.
    #[arg(long, value_name = "STREAMS", default_value = "all")]
    stdio: StdioGrant,

    /// Give the program every environment variable of this process, secrets included.
    #[arg(long)]
    dangerously_inherit_env: bool,

    /// Give the program the whole network, this machine's own services included.
    #[arg(long)]
    dangerously_inherit_network: bool,

    /// Give the program everything you may do yourself: all files, all variables, the whole network.
    #[arg(long)]
    dangerously_inherit_all: bool,

    /// Run an artifact that was compiled elsewhere: trust it as you trust a native program.
    #[arg(long)]
    dangerously_trust_artifact: bool,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
struct LimitArguments {
    /// Memory of the program, all its memories together.
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = bounded(parse_bytes))]
    memory: Bound<u64>,

    /// Elements of the program's tables, all together.
    #[arg(long, value_name = "COUNT", default_value = "1000000", value_parser = bounded(parse_count))]
    tables: Bound<u64>,

    /// Time on the clock.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = bounded(parse_duration))]
    timeout: Bound<Duration>,

    /// Processor time.
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = bounded(parse_duration))]
    cpu_time: Bound<Duration>,

    /// Units of fuel, roughly one an instruction: the same run ends at the same place. Slows the program down,
    /// and is off unless given.
    #[arg(long, value_name = "UNITS", default_value = "none", value_parser = bounded(parse_count))]
    fuel: Bound<u64>,

    /// Stack of the program, at most 256 MiB.
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = parse_stack)]
    stack: usize,

    /// Files, sockets, streams and other things open at a time.
    #[arg(long, value_name = "COUNT", default_value = "4096", value_parser = parse_handles)]
    handles: usize,

    /// Bytes written to standard output and standard error together.
    #[arg(long, value_name = "SIZE", default_value = "16GiB", value_parser = bounded(parse_bytes))]
    output_bytes: Bound<u64>,
}

/// Flags of everything that compiles.
#[derive(Debug, Clone, Copy, clap::Args)]
#[command(next_help_heading = "Compilation")]
pub(crate) struct CompileArguments {
    /// Size of the program's file, at most.
    #[arg(long, value_name = "SIZE", default_value = "128MiB", value_parser = parse_bytes)]
    pub(crate) program_size: u64,

    /// Time that compiling may take.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_duration)]
    compile_time: Duration,

    /// Memory that compiling may take.
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = parse_bytes)]
    compile_memory: u64,
}

impl CompileArguments {
    pub(crate) fn bounds(self) -> CompileBounds {
        CompileBounds {
            time_max: self.compile_time,
            memory_bytes_max: self.compile_memory,
        }
    }
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Looking inside")]
struct ObserveArguments {
    /// Write a core dump here when the program traps.
    #[arg(long, value_name = "FILE")]
    coredump: Option<PathBuf>,

    /// Write a profile for the Firefox profiler here (open it at profiler.firefox.com).
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,

    /// Write a flame graph (SVG) here.
    #[arg(long, value_name = "FILE")]
    flamegraph: Option<PathBuf>,

    /// How often the program's stack is taken for a profile or flame graph.
    #[arg(long, value_name = "TIME", default_value = "1ms", value_parser = parse_duration)]
    sample_every: Duration,
}

/// A limit that may be lifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bound<T>(Option<T>);

fn bounded<T, E: ToString>(
    parse: impl Fn(&str) -> Result<T, E> + Clone,
) -> impl Fn(&str) -> Result<Bound<T>, String> + Clone {
    move |text| match text {
        "none" => Ok(Bound(None)),
        text => parse(text)
            .map(|value| Bound(Some(value)))
            .map_err(|error| error.to_string()),
    }
}

fn parse_count(text: &str) -> Result<u64, String> {
    text.replace('_', "")
        .parse()
        .map_err(|_| format!("`{text}` is not a whole number"))
}

fn parse_stack(text: &str) -> Result<usize, String> {
    const RANGE: std::ops::RangeInclusive<u64> = 16 << 10..=256 << 20;
    let bytes = parse_bytes(text).map_err(|error| error.to_string())?;
    if !RANGE.contains(&bytes) {
        return Err(format!("`{text}` is not between 16 KiB and 256 MiB"));
    }
    usize::try_from(bytes).map_err(|error| error.to_string())
}

fn parse_handles(text: &str) -> Result<usize, String> {
    match usize::from_str(text) {
        Ok(count) if (16..=1_000_000).contains(&count) => Ok(count),
        _ => Err(format!("`{text}` is not a number from 16 to 1000000")),
    }
}

impl GrantArguments {
    fn grants(&self) -> Result<Grants, Report> {
        let mut grants = Grants {
            directories: self.directories.clone(),
            environment: self.environment()?,
            network: self.network(),
            http: HttpGrant {
                origins: self.http.clone(),
                private: self.http_private.clone(),
            },
            clock: self.clock,
            random: self.random,
            stdio: self.stdio,
        };
        if self.dangerously_inherit_network || self.dangerously_inherit_all {
            let everywhere = ["0.0.0.0/0", "::/0"];
            grants.http.origins.push(Origin::any());
            grants.http.private.extend(
                everywhere
                    .iter()
                    .filter_map(|block| block.parse::<AddressBlock>().ok()),
            );
        }
        if self.dangerously_inherit_all {
            grants.directories.push(DirectoryGrant {
                host: PathBuf::from("/"),
                guest: "/".to_owned(),
                access: Access::ReadWrite,
            });
        }
        Ok(grants)
    }

    fn environment(&self) -> Result<EnvironmentGrant, Report> {
        let mut environment = EnvironmentGrant::default();
        if self.dangerously_inherit_env || self.dangerously_inherit_all {
            environment.variables.extend(settings::variables());
        }
        for text in &self.environment {
            match text.split_once('=') {
                Some(("", _)) => {
                    return Err(Report::usage(format!(
                        "`--env {text}` has no name before the `=`"
                    )));
                }
                Some((name, value)) => environment.set(name, value),
                None => {
                    let value = settings::variable(text).ok_or_else(|| {
                        Report::usage(format!("`--env {text}`: there is no such variable here"))
                            .hint(format!("give it a value: `--env {text}=VALUE`"))
                    })?;
                    let value = value.into_string().map_err(|_| {
                        Report::usage(format!("`--env {text}`: its value here is not valid UTF-8"))
                    })?;
                    environment.set(text, &value);
                }
            }
        }
        Ok(environment)
    }

    fn network(&self) -> NetworkGrant {
        if self.dangerously_inherit_network || self.dangerously_inherit_all {
            return NetworkGrant::unrestricted();
        }
        NetworkGrant {
            tcp_connect: self.tcp.clone(),
            tcp_listen: self.tcp_listen.clone(),
            udp_connect: self.udp.clone(),
            udp_listen: self.udp_listen.clone(),
            names: self.dns.clone(),
        }
    }
}

impl LimitArguments {
    fn limits(&self) -> Limits {
        Limits {
            memory_bytes_max: self.memory.0,
            table_elements_max: self.tables.0,
            wall_time_max: self.timeout.0,
            cpu_time_max: self.cpu_time.0,
            fuel_max: self.fuel.0,
            stack_bytes_max: self.stack,
            handles_max: self.handles,
            output_bytes_max: self.output_bytes.0,
        }
    }
}

impl ObserveArguments {
    fn samples(&self) -> bool {
        self.profile.is_some() || self.flamegraph.is_some()
    }

    fn observe(&self) -> Observe {
        Observe {
            core_dump: self.coredump.is_some(),
            sample_every: self
                .samples()
                .then(|| self.sample_every.max(Duration::from_micros(50))),
        }
    }
}

pub(crate) fn run(arguments: Arguments, settings: &Settings, output: &Output) -> Result<Code, Report> {
    let (file, guest_arguments) = arguments
        .program_and_arguments
        .split_first()
        .ok_or_else(|| Report::usage("the program's file is missing"))?;
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
            core_dumps: arguments.observe.coredump.is_some(),
            ..EngineOptions::default()
        },
        compile: arguments.compile.bounds(),
        use_cache: !arguments.no_cache,
        trust_artifact: arguments.grants.dangerously_trust_artifact,
    };
    let name = input.name.clone();
    let loaded = load::load(input, options, settings, output, &watch)?;
    let denials = DenialLog::default();
    let fixed_clock = matches!(grants.clock, ClockGrant::Fixed(_));
    let setup = Setup {
        principals: vec![PrincipalSetup {
            http: http_client(&grants.http, &denials),
            grants,
            arguments: names,
            denials: denials.clone(),
        }],
        imports: Imports::Own,
        limits: limits.clone(),
        stop,
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
        Ok(report) => conclude(&name, report, &denials, &arguments.observe, output),
    }
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

fn http_client(grant: &HttpGrant, denials: &DenialLog) -> Option<Box<dyn weft_runtime::WasiHttpHooks>> {
    if grant.origins.is_empty() {
        return None;
    }
    let denials = denials.clone();
    Some(Box::new(weft_services::http_client::Client::new(
        grant.clone(),
        move |denial| {
            let weft_services::http_client::Denial {
                interface,
                attempted,
                flag,
            } = denial;
            denials.record(weft_runtime::denial::Denial {
                interface,
                attempted,
                flag,
            });
        },
    )))
}

/// Drives the run on this thread. With a fixed clock time stands still, and jumps to the next moment that the
/// guest waits for.
fn run_to_the_end<T>(run: impl Future<Output = T>, fixed_clock: bool) -> Result<T, Report> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(fixed_clock)
        .build()
        .map_err(|error| Report::failed("cannot start the run").caused_by(error))?;
    let ended = runtime.block_on(run);
    // A guest that left a read of standard input behind must not keep the process.
    runtime.shutdown_background();
    Ok(ended)
}

fn conclude(
    name: &str,
    report: entry::Report,
    denials: &DenialLog,
    observe: &ObserveArguments,
    output: &Output,
) -> Result<Code, Report> {
    if let Some(sampled) = &report.sampled {
        write_samples(name, sampled, observe, output)?;
    }
    if let (Some(path), Some(dump)) = (&observe.coredump, &report.core_dump) {
        write(path, dump)?;
        output.detail(&format!("wrote the core dump to `{}`", path.display()));
    }
    let failed = !matches!(report.outcome, Outcome::Exit(0) | Outcome::Returned(_));
    let denied = denials.take();
    output.denials(&denied, failed);
    match report.outcome {
        Outcome::Exit(code) => {
            if let (true, Some(hit)) = (code != 0, &report.refused) {
                output.warn(&format!("before it failed, {hit} ({})", limit_hint(hit)));
            }
            Ok(Code::of_guest(code))
        }
        Outcome::Returned(text) if text.is_empty() => Ok(Code::DONE),
        Outcome::Returned(text) => output.data(&format!("{text}\n")).map(|()| Code::DONE),
        Outcome::Signal(signal) => Ok(Code::of_signal(signal)),
        Outcome::Trap(trap) => {
            Err(Report::new(Code::TRAP, format!("`{name}` trapped: {}", trap.reason)).with_trap(trap))
        }
        Outcome::Limit(hit, trap) => {
            let report = report_limit(&hit);
            Err(match trap {
                Some(trap) => report
                    .caused_by(format!("it was refused, and trapped: {}", trap.reason))
                    .with_trap(trap),
                None => report,
            })
        }
    }
}

/// The report of a run that a limit ended.
pub(crate) fn report_limit(hit: &LimitHit) -> Report {
    Report::new(Code::LIMIT, hit.to_string()).hint(limit_hint(hit))
}

fn limit_hint(hit: &LimitHit) -> String {
    let flag = match hit {
        LimitHit::Memory { .. } => "--memory SIZE",
        LimitHit::TableElements { .. } => "--tables COUNT",
        LimitHit::WallTime(_) => "--timeout TIME",
        LimitHit::CpuTime(_) => "--cpu-time TIME",
        LimitHit::Fuel(_) => "--fuel UNITS",
        LimitHit::Stack(_) => "--stack SIZE",
        LimitHit::Handles(_) => "--handles COUNT",
        LimitHit::Output(_) => "--output-bytes SIZE",
    };
    format!("`{flag}` sets the limit")
}

fn entry_failed(name: &str, error: EntryError) -> Report {
    let report = Report::failed(format!("cannot run `{name}`"));
    match &error {
        EntryError::NoCommand { .. } => report.caused_by(error).hint("call one of its functions with `--invoke 'NAME(ARGUMENTS)'`"),
        EntryError::FunctionUnknown { exports, .. } => {
            let hint = match exports.as_slice() {
                [] => "the program exports no function at all".to_owned(),
                some => format!("it exports {}", some.join(", ")),
            };
            report.caused_by(error).hint(hint)
        }
        EntryError::FunctionAmbiguous { .. } => report.caused_by(error).hint("name the interface: `INTERFACE#FUNCTION(ARGUMENTS)`"),
        EntryError::Setup(SetupError::ImportMissing { .. }) => report.caused_by(error).hint(
            "`weft run` provides WASI 0.1, 0.2 and 0.3; other interfaces must come from a component that exports them",
        ),
        _ => report.caused_by(error),
    }
}

fn write_samples(
    name: &str,
    sampled: &weft_runtime::sampling::Sampled,
    observe: &ObserveArguments,
    output: &Output,
) -> Result<(), Report> {
    if let Some(path) = &observe.profile {
        match &sampled.firefox {
            Ok(json) => write(path, json)?,
            Err(error) => return Err(Report::failed("cannot make the profile").caused_by(error.clone())),
        }
        output.detail(&format!("wrote the profile to `{}`", path.display()));
    }
    if let Some(path) = &observe.flamegraph {
        let mut svg = Vec::new();
        FlameGraph::new(&sampled.stacks)
            .write_svg(name, &mut svg)
            .map_err(|error| Report::failed("cannot draw the flame graph").caused_by(error))?;
        write(path, &svg)?;
        output.detail(&format!("wrote the flame graph to `{}`", path.display()));
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Report> {
    fs_err::write(path, bytes)
        .map_err(|error| Report::failed(format!("cannot write `{}`", path.display())).caused_by(error))
}
