//! Serving until a signal says otherwise: starting the front, telling what happens, draining, reloading.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use weft_app::trigger::http::{ListenAddress, Reuse};
use weft_app::{Grants, Interruption, Limits, Name};
use weft_node::Answers;
use weft_runtime::denial::DenialLog;
use weft_runtime::entry::http::{Background, HttpProgram, ServedPrincipal};
use weft_runtime::{Concurrency, EngineOptions, Imports, Profile, Program};
use weft_serve::{Ended, FaultKind, FaultPages, Notice, Server, Settings, Site};

use crate::background::Triggers;
use crate::changes::Folder;
use crate::exit_code::Code;
use crate::flags::CompileArguments;
use crate::input::Input;
use crate::launch::http_clients;
use crate::load::{self, LoadOptions};
use crate::output::Output;
use crate::report::Report;
use crate::running::Running;
use crate::services::HostServices;
use crate::settings::Settings as Own;
use crate::watch::Watch;

/// How often instances are looked at that nobody uses.
const SWEEP: Duration = Duration::from_millis(250);

/// What a signal, or somebody else, asks a server for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Let requests finish, and end.
    End,
    /// Read what is served again.
    Reload,
}

/// A server, ready to start.
pub(crate) struct Serving<'a> {
    /// What it is called in messages.
    pub(crate) name: &'a str,
    /// The file or folder that is served, by which others find the server.
    pub(crate) served: &'a Path,
    pub(crate) settings: Settings,
    pub(crate) site: Site<Answers>,
    /// What is done beside answering requests.
    pub(crate) triggers: Option<Triggers>,
    pub(crate) is_dev: bool,
}

/// How programs that are served are loaded.
#[derive(Debug, Clone)]
pub(crate) struct Loader {
    pub(crate) compile: CompileArguments,
    pub(crate) use_cache: bool,
    pub(crate) trust_artifact: bool,
    /// Requests worked on at a time.
    pub(crate) requests_max: usize,
    pub(crate) stack_bytes_max: usize,
    pub(crate) settings: Own,
    pub(crate) output: Output,
    pub(crate) watch: Watch,
}

impl Loader {
    pub(crate) fn load(&self, input: Input) -> Result<Program, Report> {
        let (options, output) = (self.options()?, &self.output);
        let loaded = load::load(input, options, &self.settings, output, &self.watch)?;
        let program = loaded.program.clone();
        loaded.finish_storing(output);
        Ok(program)
    }

    /// The same for a component that has an opinion on how it is interrupted. A flag comes before it.
    pub(crate) fn interrupting(&self, how: Option<Interruption>) -> Self {
        let mut loader = self.clone();
        loader.compile.interruption = loader.compile.interruption.or(how);
        loader
    }

    /// As [`Loader::load`], for what has been compiled before.
    pub(crate) fn cached(&self, input: Input) -> Result<Option<Program>, Report> {
        load::cached(input, self.options()?, &self.settings, &self.output)
    }

    fn options(&self) -> Result<LoadOptions, Report> {
        Ok(LoadOptions {
            profile: Profile::Serving(Concurrency::Off),
            engine: EngineOptions {
                stack_bytes_max: self.stack_bytes_max,
                instances_max: instances(self.requests_max)?,
                interruption: self.compile.interruption,
                ..EngineOptions::default()
            },
            compile: self.compile.bounds(),
            use_cache: self.use_cache,
            trust_artifact: self.trust_artifact,
        })
    }

    /// Refuses to bring anything new in where it cannot be compiled in a process of its own, which may run out of time
    /// or memory without anybody noticing here.
    pub(crate) fn refuse_without_cache(&self) -> Result<(), Report> {
        if self.use_cache {
            return Ok(());
        }
        Err(
            Report::failed("with `--no-cache` what has changed cannot be compiled aside")
                .hint("start the server without `--no-cache`, or start it anew"),
        )
    }

    /// Compiles a program into the cache, in a process of its own.
    pub(crate) fn warm(&self, program: &Path) -> Result<(), Report> {
        let failed = || Report::failed(format!("cannot compile `{}`", program.display()));
        let weft = std::env::current_exe().map_err(|error| failed().caused_by(error))?;
        let compiled = Command::new(weft)
            .args(["--quiet", "cache", "warm"])
            .args(self.compile.words())
            .arg("--")
            .arg(program)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| failed().caused_by(error))?;
        if compiled.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&compiled.stderr);
        Err(failed().caused_by(said.trim().trim_start_matches("error: ").to_owned()))
    }

    /// As [`Loader::warm`], for a component that is in no file.
    pub(crate) fn warm_bytes(&self, bytes: &[u8]) -> Result<(), Report> {
        let failed = |error: io::Error| Report::failed("cannot compile the changed app").caused_by(error);
        let mut file = tempfile::Builder::new()
            .suffix(".wasm")
            .tempfile()
            .map_err(failed)?;
        file.write_all(bytes).map_err(failed)?;
        self.warm(file.path())
    }
}

/// Where it stands what a component may do, and so how it is told what would grant more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Flags,
    Manifest,
}

/// What one component of a served program may do. What it is refused is told at once, each refusal once.
pub(crate) fn principal(
    name: &Name,
    grants: Arc<Grants>,
    origin: Origin,
    services: &HostServices,
    output: Output,
) -> Result<ServedPrincipal, Report> {
    let component = match origin {
        Origin::Flags => None,
        Origin::Manifest => Some(name.to_string()),
    };
    let denials = DenialLog::telling(move |denial| output.denial(component.as_deref(), denial));
    Ok(ServedPrincipal {
        http: http_clients(&grants.http, &denials),
        services: services.granted(name.as_str(), &grants, &denials)?,
        grants,
        arguments: [name.to_string()].into(),
        denials,
    })
}

/// What a component may do of what it was granted, where it answers requests.
pub(crate) fn served(grants: &Grants) -> Arc<Grants> {
    let mut grants = grants.clone();
    // Nobody types at a server, and no request should take what was meant for another.
    grants.stdio.input = false;
    grants.into()
}

/// Components that are in no app: what each of them may do and spend, by itself.
#[derive(Clone)]
pub(crate) struct Alone {
    pub(crate) grants: Arc<Grants>,
    pub(crate) limits: Limits,
    pub(crate) reuse: Reuse,
    pub(crate) background: Background,
    pub(crate) services: HostServices,
    pub(crate) output: Output,
}

impl Alone {
    /// What answers with a component.
    pub(crate) fn link(&self, name: &Name, path: &Path, program: &Program) -> Result<HttpProgram, Report> {
        self.background.attend(program.engine());
        let serving = weft_runtime::entry::http::Serving {
            principals: vec![principal(
                name,
                self.grants.clone(),
                Origin::Flags,
                &self.services,
                self.output,
            )?],
            imports: Imports::Own,
            links: weft_runtime::Links::default(),
            limits: self.limits.clone(),
            heap_bytes_max: None,
            reuse: self.reuse,
        };
        HttpProgram::new(program, serving, self.background.clone())
            .map_err(|error| Report::failed(format!("cannot serve `{}`", path.display())).caused_by(error))
    }
}

/// Threads for guests that compute for long, one for each processor.
pub(crate) fn background() -> Result<Background, Report> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Background::start(threads, Vec::new())
        .map_err(|error| Report::failed("cannot start threads").caused_by(error))
}

/// Serves until a signal ends it. `reload` makes what is to answer from then on; it is asked for when a signal says so,
/// or when files change that are watched.
pub(crate) fn serve(
    serving: Serving<'_>,
    own: &Own,
    watch: &Watch,
    output: &Output,
    mut changes: Option<Folder>,
    mut reload: impl FnMut() -> Result<Site<Answers>, Report>,
) -> Result<Code, Report> {
    let Serving {
        name,
        served,
        mut settings,
        site,
        triggers,
        is_dev,
    } = serving;
    let grace = settings.limits.grace;
    settings.log_writer = Box::new(io::stdout());
    settings.notify = teller(*output);
    if is_dev {
        settings.fault_pages = FaultPages::Detailed;
    }
    let encrypted: Vec<bool> = settings
        .listeners
        .iter()
        .map(|listener| listener.tls.is_some())
        .collect();
    raise_descriptors(output);
    let (wish, wishes) = mpsc::channel();
    watch.serving(wish.clone());
    on_hangup(wish)?;
    let _running = Running::announce(served, own).unwrap_or_else(|error| {
        output.detail(&format!("`weft reload` will not find this server: {error}"));
        None
    });
    let mut site_now = site.clone();
    // First: a request may publish what one of them takes.
    let working = match triggers {
        Some(triggers) => triggers.start()?,
        None => None,
    };
    let server = Server::start(settings, site)
        .map_err(|error| Report::failed(format!("cannot serve `{name}`")).caused_by(error))?;
    for (address, encrypted) in server.addresses().iter().zip(encrypted) {
        output.note(&format!("serving `{name}` on {}", url(address, encrypted)));
    }
    if let Some(address) = server.admin_address() {
        output.note(&format!("health and numbers on {}", url(address, false)));
    }
    if server.addresses().is_empty() {
        output.note(&format!("`{name}` is at work"));
    }
    loop {
        let is_wanted = match wishes.recv_timeout(SWEEP) {
            Ok(Wish::Reload) => true,
            Ok(Wish::End) | Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                site_now.handler.sweep();
                give_memory_back();
                changes.as_mut().is_some_and(Folder::has_changed)
            }
        };
        if !is_wanted {
            continue;
        }
        let next = reload();
        if let Some(changes) = &mut changes {
            changes.was_built();
        }
        match next.and_then(|next| swap(&server, next)) {
            Ok(next) => {
                site_now = next;
                server.reload_certificates();
                output.note(&format!("reloaded `{name}`"));
            }
            Err(report) => {
                let report = report.within(not_reloaded(name));
                // Whoever reads of it in the terminal finds it on the page, too.
                if is_dev {
                    show(&server, &site_now, &report);
                }
                output.report(&report);
            }
        }
    }
    output.note("draining: what is in flight may finish, nothing more is accepted");
    let until = Instant::now() + grace;
    if let Some(working) = &working {
        working.begin_end();
    }
    if let Ended::CutOff(count) = server.drain() {
        output.warn(&format!(
            "the time to drain was over: {count} connections were cut off"
        ));
    }
    let left = until.saturating_duration_since(Instant::now());
    if working.is_some_and(|working| !working.end(left)) {
        output
            .warn("the time to drain was over: what triggers had begun was cut off, and messages come again");
    }
    Ok(Code::DONE)
}

/// Lets the allocator give back to the system what was freed a while ago. It does so only when somebody asks it for
/// room that it does not have at hand, or returns such room: a server that was busy and is idle now would keep
/// everything. So a block is asked for that is too large to be at hand; nobody touches it, so it costs no memory.
fn give_memory_back() {
    const BYTES: usize = 4 << 20;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(BYTES)));
}

/// Allows as many open files as the system lets this process have: many systems start every process with 1024, for the
/// sake of old programs, and each connection is one.
fn raise_descriptors(output: &Output) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        output.warn(&format!("the number of open files stays as it was: {error}"));
    }
}

fn swap(server: &Server<Answers>, next: Site<Answers>) -> Result<Site<Answers>, Report> {
    let retiring = server.swap(next.clone());
    retiring.map_err(|error| Report::failed("the new routes cannot be used").caused_by(error))?;
    Ok(next)
}

/// Lets every page say what is wrong with the new version, for whoever looks at the page and not at the terminal.
fn show(server: &Server<Answers>, site: &Site<Answers>, report: &Report) {
    let mut lines = vec![report.message.clone()];
    lines.extend(report.causes.iter().chain(&report.told).cloned());
    let broken = Site {
        handler: site.handler.broken(&lines.join("\n")),
        routes: site.routes.clone(),
    };
    // The routes are those that were there before, so that they can be used is known.
    let _ = server.swap(broken);
}

/// Instances for which a pool must have room: as many as there can be requests, and those that wait for their next.
fn instances(requests_max: usize) -> Result<u32, Report> {
    let requests = u32::try_from(requests_max).ok();
    let instances = requests.and_then(|requests| requests.checked_add(64));
    instances.filter(|instances| *instances <= 12_000).ok_or_else(|| {
        Report::usage("so many requests at a time cannot be worked on").hint("at most 11936 at a time")
    })
}

fn not_reloaded(name: &str) -> Report {
    Report::failed(format!("`{name}` was not reloaded, and goes on as it was"))
}

fn url(address: &ListenAddress, encrypted: bool) -> String {
    match address {
        ListenAddress::Tcp(address) if encrypted => format!("https://{address}"),
        ListenAddress::Tcp(address) => format!("http://{address}"),
        ListenAddress::Unix(_) => address.to_string(),
    }
}

/// SIGHUP asks for a reload.
fn on_hangup(wish: mpsc::Sender<Wish>) -> Result<(), Report> {
    let failed = |error: io::Error| Report::failed("cannot listen for signals").caused_by(error);
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGHUP]).map_err(failed)?;
    std::thread::Builder::new()
        .name("hangup".to_owned())
        .spawn(move || {
            for _ in signals.forever() {
                if wish.send(Wish::Reload).is_err() {
                    return;
                }
            }
        })
        .map_err(failed)?;
    Ok(())
}

/// Tells on standard error what the front tells, one line at a time.
fn teller(output: Output) -> weft_serve::Notify {
    Arc::new(move |notice| match notice {
        // Strangers ask for all kinds of things.
        Notice::RequestFailed { fault, .. } if fault.kind == FaultKind::NotFound => {}
        Notice::RequestFailed { id, fault } => output.warn(&format!("request {id} failed: {fault}")),
        Notice::CertificateReplaced(path) => {
            output.note(&format!("the certificate `{}` is in use", path.display()));
        }
        Notice::CertificateRefused { certificate, reason } => output.warn(&format!(
            "the certificate `{}` cannot be used, and the one before stays: {reason}",
            certificate.display()
        )),
        Notice::AcceptFailed { address, reason } => {
            output.warn(&format!("cannot accept a connection on `{address}`: {reason}"));
        }
        Notice::ConnectionPanicked => output.warn("a connection ended by a fault of weft itself"),
        _ => {}
    })
}
