//! The cells of an app that others call over isolated links: loading their programs, and joining everything up.

use weft_app::cell::CellSettings;
use weft_app::{App, Component, Interruption};
use weft_compose::{Entry, Fused, PlannedCell};
use weft_inspect::kind::Kind;
use weft_node::Assembled;
use weft_runtime::bridge::{CellPlan, Tell, Told};
use weft_runtime::cache::Digest;
use weft_runtime::entry::http::Background;
use weft_runtime::{Cells, Imports, LinkPlan, Links, Program};

use crate::app;
use crate::input::Input;
use crate::output::Output;
use crate::report::Report;
use crate::services::HostServices;
use crate::serving::{self, Origin};

/// Loads the program of a cell, which is to be interrupted in this way where something is said.
pub(crate) type Load<'a> = &'a mut dyn FnMut(Input, Option<Interruption>) -> Result<Program, Report>;

/// What the components of cells act with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct With<'a> {
    pub(crate) services: &'a HostServices,
    pub(crate) output: Output,
}

/// Links the cells of an app. Those that are the same as before go on with what they know.
pub(crate) fn link(
    app: &App,
    assembled: &Assembled,
    load: Load<'_>,
    before: Option<&Cells>,
    with: With<'_>,
) -> Result<Cells, Report> {
    let mut plans = Vec::new();
    for (cell, fused) in assembled.cells() {
        plans.extend(plan(app, assembled, cell, fused, load, with)?);
    }
    Cells::link(plans, before)
        .map_err(|error| Report::failed("the cells of the app cannot be linked").caused_by(error))
}

fn plan(
    app: &App,
    assembled: &Assembled,
    cell: &PlannedCell,
    fused: &Fused,
    load: Load<'_>,
    with: With<'_>,
) -> Result<Option<CellPlan>, Report> {
    let Some(root) = app.components.get(cell.root) else {
        return Ok(None);
    };
    let program = load(input(app, root, fused), interruption(root))?;
    let members = app::members(app, &cell.entry).map(|(_, member)| {
        let grants = serving::served(&member.grants);
        serving::principal(&member.name, grants, Origin::Manifest, with.services, with.output)
    });
    let output = with.output;
    Ok(Some(CellPlan {
        name: root.name.to_string(),
        program,
        identity: identity(app, cell, fused),
        principals: members.collect::<Result<_, _>>()?,
        imports: Imports::Scoped(app::imports(&cell.entry, fused).into()),
        limits: app.limits.clone(),
        heap_bytes_max: assembled.planned.plan.heap_bytes_max(&cell.entry),
        settings: cell.settings,
        links: links(fused),
        tell: Tell::through(move |told| tell(output, told)),
    }))
}

/// What is compiled for a cell.
pub(crate) fn input(app: &App, root: &Component, fused: &Fused) -> Input {
    Input {
        name: root.name.to_string(),
        short_name: format!("{}-{}-cell", app.name, root.name),
        kind: Kind::Component,
        bytes: fused.bytes.clone(),
    }
}

/// How a cell's code is made to look up: as its manifest says, and where calls have a time they must.
pub(crate) fn interruption(root: &Component) -> Option<Interruption> {
    let CellSettings {
        cpu_time_max,
        wall_time_max,
        ..
    } = root.cell;
    let has_time = cpu_time_max.is_some() || wall_time_max.is_some();
    root.interruption.or(has_time.then_some(Interruption::Counted))
}

/// Everything that makes an instance what it is.
fn identity(app: &App, cell: &PlannedCell, fused: &Fused) -> Digest {
    let members: Vec<&Component> = app::members(app, &cell.entry).map(|(_, member)| member).collect();
    let mut all = fused.bytes.clone();
    all.extend_from_slice(format!("{:?}", (&members, &app.limits, cell.settings)).as_bytes());
    // No text shows a secret, and an instance that has read one is another when it changes.
    for (key, value) in members.iter().flat_map(|member| &member.grants.config.values) {
        for part in [key, value.reveal()] {
            all.extend_from_slice(&part.len().to_le_bytes());
            all.extend_from_slice(part.as_bytes());
        }
    }
    Digest::of(&all)
}

/// The links of a program, as the engine wants to know them.
fn links(fused: &Fused) -> Vec<LinkPlan> {
    let link = |import: &weft_compose::ScopedImport| {
        let link = import.link.as_ref()?;
        Some(LinkPlan {
            import: import.name.clone(),
            cell: link.cell,
            export: link.export.clone(),
            isolation: link.isolation.clone(),
        })
    };
    fused.imports.iter().filter_map(link).collect()
}

/// The links of a program that is entered from outside.
pub(crate) fn links_of(cells: &Cells, fused: &Fused) -> Links {
    let links = links(fused);
    if links.is_empty() {
        return Links::default();
    }
    Links {
        cells: cells.clone(),
        links: links.into(),
    }
}

/// The clock by which calls of cells are ended, where a command has such cells.
pub(crate) fn clock(programs: &[Program]) -> Result<Option<Background>, Report> {
    let mut engines: Vec<weft_runtime::Engine> = Vec::new();
    for program in programs {
        let engine = program.engine();
        if engine.interruption() != Interruption::None && !engines.iter().any(|known| known.is_same(engine)) {
            engines.push(engine.clone());
        }
    }
    if engines.is_empty() {
        return Ok(None);
    }
    let clock = Background::start(1, engines);
    clock
        .map(Some)
        .map_err(|error| Report::failed("cannot start the clock of the cells").caused_by(error))
}

fn tell(output: Output, told: &Told) {
    let Told {
        cell,
        function,
        fate,
        untold,
    } = told;
    let more = match untold {
        0 => String::new(),
        count => format!(" ({count} more failures since the last that was told)"),
    };
    let place = match function {
        Some(function) => format!("in `{function}`"),
        None => "while nobody waited for it".to_owned(),
    };
    output.warn(&format!("component `{cell}` failed {place}: {fate}{more}"));
}

/// The cells of an app, a line for each: who calls it and how long it lives.
pub(crate) fn lines(app: &App, assembled_cells: &[PlannedCell], entries: &[Entry]) -> Vec<String> {
    let name = |index: usize| {
        app.components
            .get(index)
            .map_or_else(String::new, |of| format!("`{}`", of.name))
    };
    let callers = |cell: usize| {
        let all = entries
            .iter()
            .chain(assembled_cells.iter().map(|cell| &cell.entry));
        let calls = all.filter(|entry| {
            let mut imports = entry.imports().into_iter();
            imports.any(|import| import.link.is_some_and(|link| link.cell == cell))
        });
        let mut names: Vec<String> = calls.map(|entry| name(entry.component)).collect();
        names.sort();
        names.dedup();
        names.join(", ")
    };
    let line = |(index, cell): (usize, &PlannedCell)| {
        let with: Vec<String> = cell
            .entry
            .members
            .iter()
            .filter(|member| **member != cell.root)
            .map(|member| name(*member))
            .collect();
        let with = if with.is_empty() {
            String::new()
        } else {
            format!(" with {}", with.join(", "))
        };
        format!(
            "cell {}{with}, called by {}: {}",
            name(cell.root),
            callers(index),
            cell.settings.lifetime
        )
    };
    assembled_cells.iter().enumerate().map(line).collect()
}
