//! Apps on the command line: finding the manifest, showing what is wrong with it, running what comes of it.

use std::path::{Path, PathBuf};

use weft_app::trigger::http::RouteTarget;
use weft_app::trigger::schedule::Times;
use weft_app::{App, Component, HttpTrigger, Trigger};
use weft_compose::{Entry, Fused, Owner, Plan, Target};
use weft_manifest::Severity;
use weft_node::{Assembled, Building, Failure, Opened, Planned};
use weft_runtime::ScopedImport;

use crate::exit_code::Code;
use crate::output::Output;
use crate::report::Report;
use crate::settings;

/// Which app.
#[derive(Debug, clap::Args)]
pub(crate) struct AppArguments {
    /// The app: its folder, or its manifest.
    #[arg(value_name = "APP", default_value = ".")]
    pub(crate) app: PathBuf,
}

/// Whether a path names an app and not a program: a folder, or a file that is called like a manifest.
pub(crate) fn is_app(path: &Path) -> bool {
    path.is_dir() || path.extension().is_some_and(|ending| ending == "toml")
}

/// Reads the manifest.
pub(crate) fn open(path: &Path, output: &Output) -> Result<Opened, Report> {
    let variable = |name: &str| settings::variable(name)?.into_string().ok();
    weft_node::open(path, &variable).map_err(|failure| report(failure, output))
}

/// Shows the problems of an app, and says in one line that there are some.
pub(crate) fn report(failure: Failure, output: &Output) -> Report {
    match failure {
        Failure::Problems { file, text, problems } => {
            let mut told = Vec::new();
            for problem in &problems {
                let is_error = problem.severity == Severity::Error;
                let drawn = problem.render(&file.display().to_string(), &text);
                output.diagnostic(&drawn, is_error);
                told.push(drawn);
            }
            let errors = problems
                .iter()
                .filter(|problem| problem.severity == Severity::Error)
                .count();
            let plural = if errors == 1 { "" } else { "s" };
            let mut report = Report::usage(format!("`{}` has {errors} problem{plural}", file.display()));
            report.told = told;
            report
        }
        Failure::NoManifest { .. } => Report::usage(failure.to_string())
            .hint("name the app's folder or its manifest, or begin one with `weft new NAME`"),
        Failure::Io { .. } | Failure::Join(_) => {
            Report::new(Code::FAILED, "cannot put the app together").caused_by(failure)
        }
    }
}

/// Whether looking at an app may run something of it.
#[derive(Debug, clap::Args)]
pub(crate) struct BuildArgument {
    /// Run the build commands of components whose file is not there. They run with your rights; without this flag
    /// nothing of the app runs.
    #[arg(long)]
    build: bool,
}

/// Plans an app without changing anything, and shows what is wrong or probably not meant.
pub(crate) fn plan(opened: &Opened, build: &BuildArgument, output: &Output) -> Result<Planned, Report> {
    let tell = |what: &str| output.note(what);
    let building = if build.build {
        Building::WhereMissing
    } else {
        Building::Never
    };
    let planned = weft_node::plan(opened, building, &tell).map_err(|failure| report(failure, output))?;
    warn(opened, &planned, output);
    Ok(planned)
}

/// Puts an app together, and shows what is wrong or probably not meant.
pub(crate) fn assemble(opened: &Opened, output: &Output) -> Result<Assembled, Report> {
    let tell = |what: &str| output.note(what);
    let assembled =
        weft_node::assemble(opened, Building::Always, &tell).map_err(|failure| report(failure, output))?;
    warn(opened, &assembled.planned, output);
    Ok(assembled)
}

/// Shows what is not wrong, but probably not meant.
fn warn(opened: &Opened, planned: &Planned, output: &Output) {
    for warning in &planned.warnings {
        output.diagnostic(
            &warning.render(&opened.file.display().to_string(), &opened.text),
            false,
        );
    }
    for change in &planned.locking.changes {
        output.detail(&format!("since `weft.lock` was written: {change}"));
    }
}

/// The components of an entry, in the order in which they are principals.
pub(crate) fn members<'a>(app: &'a App, entry: &'a Entry) -> impl Iterator<Item = (usize, &'a Component)> {
    let members = entry.members.iter();
    members.filter_map(|index| Some((*index, app.components.get(*index)?)))
}

/// Whose import is whose, as the engine wants to know it: by the number among the [`members`] of the entry.
pub(crate) fn imports(entry: &Entry, fused: &Fused) -> Vec<ScopedImport> {
    let scoped = |import: &weft_compose::ScopedImport| {
        let (Owner::Component(owner) | Owner::Group { principal: owner, .. }) = &import.owner;
        ScopedImport {
            name: import.name.clone(),
            interface: import.interface.clone(),
            // One that is no member is refused when the program is linked.
            principal: entry
                .members
                .iter()
                .position(|member| member == owner)
                .unwrap_or(usize::MAX),
            granted: entry.gives(import),
        }
    };
    let of_host = fused.imports.iter().filter(|import| import.link.is_none());
    of_host.map(scoped).collect()
}

/// How an app is entered, a line for each place, route and command; nothing where it is one command and no more.
pub(crate) fn ways_in(app: &App, plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    let serves = plan
        .triggers()
        .iter()
        .any(|trigger| !matches!(trigger, Trigger::Command { .. }));
    for trigger in plan.triggers() {
        match trigger {
            Trigger::Http(http) => lines.extend(http_lines(app, http)),
            Trigger::Command { component, .. } if serves => {
                lines.push(format!("`weft run` runs component `{component}`"));
            }
            Trigger::Command { .. } => {}
            Trigger::Messages(messages) => lines.push(format!(
                "hands messages of `{}` in queue `{}` to component `{}`, {} at a time",
                messages.subject, messages.queue.name, messages.component, messages.concurrent_max
            )),
            Trigger::KeyValue(keyvalue) => lines.push(format!(
                "tells component `{}` of changed keys in store `{}`{}, {} at a time",
                keyvalue.component,
                keyvalue.bucket.store.name,
                match keyvalue.prefix_in_store().as_str() {
                    "" => String::new(),
                    prefix => format!(" that begin with `{prefix}`"),
                },
                keyvalue.concurrent_max
            )),
            Trigger::Schedule(schedule) => lines.push(match &schedule.times {
                Times::Every(period) => format!(
                    "runs component `{}` every {}",
                    schedule.component,
                    weft_app::quantity::show_duration(*period)
                ),
                Times::Cron(cron) => {
                    format!("runs component `{}` at `{cron}` in UTC", schedule.component)
                }
            }),
        }
    }
    lines.extend(crate::cells::lines(app, plan.cells(), plan.entries()));
    lines
}

fn http_lines(app: &App, http: &HttpTrigger) -> Vec<String> {
    let listeners = http.listeners.iter();
    let mut lines: Vec<String> = listeners
        .map(|listener| format!("listens on {listener}"))
        .collect();
    lines.extend(
        http.admin
            .iter()
            .map(|admin| format!("shows health and numbers on {admin}")),
    );
    for route in &http.routes {
        let who = match &route.target {
            RouteTarget::Files(folder) => format!("files of `{}`", folder.display()),
            RouteTarget::Component(name) => {
                let reuse = app.component(name).map(|component| component.reuse);
                format!("component `{name}`, {}", reuse.unwrap_or_default())
            }
        };
        lines.push(format!("route `{}`, {route}: {who}", route.name));
    }
    lines
}

/// Links that nobody wrote down: what was chosen because only one component offers it.
pub(crate) fn chosen_links(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    for component in plan.components() {
        for import in &component.imports {
            if let Target::Link {
                provider,
                export,
                chosen: weft_compose::Chosen::Automatic,
                ..
            } = &import.target
            {
                let provider = plan.components().get(*provider).map(|of| of.name.to_string());
                lines.push(format!(
                    "`{}` of component `{}` comes from `{export}` of `{}`, the only one that offers it",
                    import.name,
                    component.name,
                    provider.unwrap_or_default()
                ));
            }
        }
    }
    lines
}
