//! The recipe: from a manifest to one component for each way into the app.
//!
//! Everything here can be done again at any time, from the same folder, beside an app that runs: what comes back is
//! new and whole, and the only file that is written is the lock file, whole or not at all.

use weft_compose::{Entry, Fused, Plan, PlannedCell};
use weft_manifest::Diagnostic;

use crate::diagnose::{As, diagnostic};
use crate::folder::{Failure, Opened};
use crate::lock::{self, Locking};
use crate::own_files;
use crate::parts::{Building, Parts};
use crate::served;

/// An app whose every import is decided.
#[derive(Debug)]
pub struct Planned {
    /// The bytes of its components.
    pub parts: Parts,
    /// Who satisfies which import.
    pub plan: Plan,
    /// How it stands to its lock file.
    pub locking: Locking,
    /// What is not wrong, but probably not meant.
    pub warnings: Vec<Diagnostic>,
}

/// An app as one component for each way into it.
#[derive(Debug)]
pub struct Assembled {
    /// What came before.
    pub planned: Planned,
    /// The components, and whose their imports are; one for each entry of the plan, in their order.
    pub fused: Vec<Fused>,
    /// The same of the cells that are called over isolated links, in the order of the plan.
    pub fused_cells: Vec<Fused>,
}

impl Assembled {
    /// Each way into the app, and the component that it became.
    pub fn entries(&self) -> impl Iterator<Item = (&Entry, &Fused)> {
        self.planned.plan.entries().iter().zip(&self.fused)
    }

    /// Each cell that is called over isolated links, and the component that it became.
    pub fn cells(&self) -> impl Iterator<Item = (&PlannedCell, &Fused)> {
        self.planned.plan.cells().iter().zip(&self.fused_cells)
    }
}

/// Decides about every import of an app, and whether its lock file allows it.
///
/// # Errors
/// Whatever is wrong, with its place in the manifest where it has one.
///
/// # Authority
/// That of [`Parts::load`], and reading the lock file.
pub fn plan(opened: &Opened, building: Building, tell: &dyn Fn(&str)) -> Result<Planned, Failure> {
    let parts = Parts::load(opened, building, tell)?;
    let plan = weft_compose::plan(opened.app(), &parts.list()).map_err(|problems| {
        let problems = problems
            .iter()
            .map(|problem| diagnostic(opened, problem, As::Error));
        opened.problems(problems.collect())
    })?;
    let missing = served::missing_files(opened);
    if !missing.is_empty() {
        return Err(opened.problems(missing));
    }
    let locking = lock::check(opened, &parts)?;
    lock::refuse_widened(opened, &locking)?;
    lock::refuse_captured(opened, &plan, &locking)?;
    let found = plan
        .warnings()
        .iter()
        .map(|problem| diagnostic(opened, problem, As::Warning));
    let warnings = opened.manifest.warnings.iter().cloned();
    let warnings = warnings.chain(own_files::warnings(opened)).chain(found).collect();
    Ok(Planned {
        parts,
        plan,
        locking,
        warnings,
    })
}

/// Plans an app and joins its components. The lock file is written where it is not up to date.
///
/// # Errors
/// As [`plan`]; or the components do not fit together after all, or the lock file cannot be written.
pub fn assemble(opened: &Opened, building: Building, tell: &dyn Fn(&str)) -> Result<Assembled, Failure> {
    let planned = plan(opened, building, tell)?;
    let parts = planned.parts.list();
    let plan = &planned.plan;
    let fuse =
        |entry| weft_compose::fuse(plan, entry, &parts).map_err(|error| Failure::Join(Box::new(error)));
    let fused = plan.entries().iter().map(fuse).collect::<Result<_, _>>()?;
    let cells = plan.cells().iter().map(|cell| &cell.entry);
    let fused_cells = cells.map(fuse).collect::<Result<_, _>>()?;
    drop(parts);
    if planned.locking.is_stale() {
        lock::settle(opened, &planned.parts, &planned.plan)?;
    }
    Ok(Assembled {
        planned,
        fused,
        fused_cells,
    })
}
