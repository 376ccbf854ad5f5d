//! Serving until a signal says otherwise: starting the front, telling what happens, draining, reloading.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use weft_app::trigger::http::ListenAddress;
use weft_node::Answers;
use weft_runtime::Engine;
use weft_runtime::entry::http::Background;
use weft_serve::{Ended, FaultPages, Notice, Server, Settings, Site};

use crate::exit_code::Code;
use crate::flags::CompileArguments;
use crate::output::Output;
use crate::report::Report;
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
    pub(crate) settings: Settings,
    pub(crate) site: Site<Answers>,
    pub(crate) is_dev: bool,
}

/// Threads for guests that compute for long, one for each processor.
pub(crate) fn background(engines: Vec<Engine>) -> Result<Background, Report> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Background::start(threads, engines)
        .map_err(|error| Report::failed("cannot start threads").caused_by(error))
}

/// Serves until a signal ends it. `reload` makes what is to answer from then on.
pub(crate) fn serve(
    serving: Serving<'_>,
    watch: &Watch,
    output: &Output,
    mut reload: impl FnMut() -> Result<Site<Answers>, Report>,
) -> Result<Code, Report> {
    let Serving {
        name,
        mut settings,
        site,
        is_dev,
    } = serving;
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
    let (wish, wishes) = mpsc::channel();
    watch.serving(wish.clone());
    on_hangup(wish)?;
    let mut answers = site.handler.clone();
    let server = Server::start(settings, site)
        .map_err(|error| Report::failed(format!("cannot serve `{name}`")).caused_by(error))?;
    for (address, encrypted) in server.addresses().iter().zip(encrypted) {
        output.note(&format!("serving `{name}` on {}", url(address, encrypted)));
    }
    if let Some(address) = server.admin_address() {
        output.note(&format!("health and numbers on {}", url(address, false)));
    }
    loop {
        match wishes.recv_timeout(SWEEP) {
            Err(RecvTimeoutError::Timeout) => answers.sweep(),
            Ok(Wish::Reload) => match reload() {
                Ok(site) => {
                    let next = site.handler.clone();
                    match server.swap(site) {
                        Ok(_retiring) => {
                            answers = next;
                            server.reload_certificates();
                            output.note(&format!("reloaded `{name}`"));
                        }
                        Err(error) => output.report(&not_reloaded(name).caused_by(error)),
                    }
                }
                Err(report) => output.report(&report.within(not_reloaded(name))),
            },
            Ok(Wish::End) | Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    output.note("draining: requests in flight may finish, nothing more is accepted");
    match server.drain() {
        Ended::Drained => Ok(Code::DONE),
        Ended::CutOff(count) => {
            output.warn(&format!(
                "the time to drain was over: {count} connections were cut off"
            ));
            Ok(Code::DONE)
        }
    }
}

/// Compiles a program into the cache, in a process of its own.
pub(crate) fn warm(program: &Path, compile: CompileArguments) -> Result<(), Report> {
    let failed = || Report::failed(format!("cannot compile `{}`", program.display()));
    let weft = std::env::current_exe().map_err(|error| failed().caused_by(error))?;
    let compiled = Command::new(weft)
        .args(["--quiet", "cache", "warm"])
        .args(compile.words())
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
