//! Driving a run to its end, and saying how it ended.

use weft_app::grant::HttpGrant;
use weft_runtime::LimitHit;
use weft_runtime::denial::DenialLog;
use weft_runtime::entry::{self, EntryError, Outcome};
use weft_runtime::error::SetupError;

use crate::exit_code::Code;
use crate::flags::ObserveArguments;
use crate::output::Output;
use crate::report::Report;

/// What sends the HTTP requests of one component; nothing where it may send none.
pub(crate) fn http_client(
    grant: &HttpGrant,
    denials: &DenialLog,
) -> Option<Box<dyn weft_runtime::WasiHttpHooks>> {
    Some(Box::new(client(grant, denials)?))
}

/// As [`http_client`], for any number of instances that share its connections.
pub(crate) fn http_clients(
    grant: &HttpGrant,
    denials: &DenialLog,
) -> Option<weft_runtime::entry::http::HttpClients> {
    let client = client(grant, denials)?;
    Some(std::sync::Arc::new(move || Box::new(client.clone())))
}

fn client(grant: &HttpGrant, denials: &DenialLog) -> Option<weft_services::http_client::Client> {
    if grant.origins.is_empty() {
        return None;
    }
    let denials = denials.clone();
    Some(weft_services::http_client::Client::new(
        grant.clone(),
        move |denial| {
            let weft_services::http_client::Denial {
                interface,
                attempted,
                flag,
            } = denial;
            denials.record(weft_runtime::denial::Denial {
                interface: interface.into(),
                attempted,
                flag,
            });
        },
    ))
}

/// Drives the run on this thread. With a fixed clock time stands still, and jumps to the next moment that the
/// guest waits for.
pub(crate) fn run_to_the_end<T>(run: impl Future<Output = T>, fixed_clock: bool) -> Result<T, Report> {
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

/// Where the refusals of one component are.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The component of an app; none for a program that is run by itself.
    pub(crate) component: Option<String>,
    pub(crate) log: DenialLog,
}

pub(crate) fn conclude(
    name: &str,
    report: entry::Report,
    refused: &[Refused],
    observe: &ObserveArguments,
    output: &Output,
) -> Result<Code, Report> {
    observe.write(name, &report, output)?;
    let failed = !matches!(report.outcome, Outcome::Exit(0) | Outcome::Returned(_));
    for Refused { component, log } in refused {
        output.denials(component.as_deref(), &log.take(), failed);
    }
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
        LimitHit::Heap { .. } => {
            return "`memory` under `[component.NAME.limits]` sets the limit, which the heap and the memories of the component share".to_owned();
        }
        LimitHit::TableElements { .. } => "--tables COUNT",
        LimitHit::WallTime(_) => "--timeout TIME",
        LimitHit::CpuTime(_) => "--cpu-time TIME",
        LimitHit::Fuel(_) => "--fuel UNITS",
        LimitHit::Stack(_) => "--stack SIZE",
        LimitHit::Handles(_) => "--handles COUNT",
        LimitHit::Output(_) => "--output-bytes SIZE",
    };
    let key = flag.trim_start_matches('-').split(' ').next().unwrap_or_default();
    format!("`{flag}` sets the limit; for an app, `{key}` under `[limits]` of its manifest")
}

pub(crate) fn entry_failed(name: &str, error: EntryError) -> Report {
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
