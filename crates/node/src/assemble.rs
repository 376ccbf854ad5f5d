//! The recipe: from a manifest to one component.

use weft_compose::{Fused, Plan};
use weft_manifest::Diagnostic;

use crate::diagnose::{As, diagnostic};
use crate::folder::{Failure, Opened};
use crate::lock::{self, Locking};
use crate::own_files;
use crate::parts::{Building, Parts};

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

/// An app as one component.
#[derive(Debug)]
pub struct Assembled {
    /// What came before.
    pub planned: Planned,
    /// The component, and whose its imports are.
    pub fused: Fused,
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
    let fused = weft_compose::fuse(&planned.plan, &planned.parts.list())
        .map_err(|error| Failure::Join(Box::new(error)))?;
    if planned.locking.is_stale() {
        lock::settle(opened, &planned.parts, &planned.plan)?;
    }
    Ok(Assembled { planned, fused })
}
