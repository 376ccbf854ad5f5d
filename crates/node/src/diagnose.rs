//! What composition found, at its place in the manifest.

use weft_compose::{Problem, Subject};
use weft_manifest::{Diagnostic, Position, Positions, Section};

use crate::folder::Opened;
use crate::parts::chain;

/// How severe what was found is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum As {
    Error,
    Warning,
}

/// A problem of composition as a diagnostic of the manifest.
pub(crate) fn diagnostic(opened: &Opened, problem: &Problem, severity: As) -> Diagnostic {
    let message = chain(problem);
    let mut lines = Vec::new();
    for excerpt in &problem.wit {
        lines.push(format!("{}:", excerpt.of));
        lines.extend(excerpt.text.lines().map(|line| format!("  {line}")));
    }
    let diagnostic = match severity {
        As::Error => Diagnostic::error(message),
        As::Warning => Diagnostic::warning(message),
    };
    let diagnostic = diagnostic.excerpt(lines).at(position(opened, &problem.subject));
    match &problem.hint {
        Some(hint) => diagnostic.hint(hint),
        None => diagnostic,
    }
}

fn position(opened: &Opened, subject: &Subject) -> Option<Position> {
    let positions: &Positions = &opened.manifest.positions;
    match subject {
        Subject::App => None,
        Subject::Component(name) => positions.component(name),
        // An import has no place of its own: the grants are where it would be given.
        Subject::Import { component, .. } => positions.section(component, Section::Grants),
        Subject::Link { component, rule } => {
            let links = &opened.app().component(component)?.links;
            positions.link(component, &links.get(*rule)?.imports)
        }
        Subject::Grant { component, kind } => positions.grant(component, *kind),
        Subject::Limits(name) => positions.section(name, Section::Limits),
        Subject::Interruption(name) => positions.interruption(name).or_else(|| positions.component(name)),
        Subject::Cell(name) => positions.cell(name).or_else(|| positions.component(name)),
        Subject::Reuse(name) => positions.reuse(name).or_else(|| positions.component(name)),
        Subject::Route { trigger, route } => {
            let trigger = opened.app().triggers.get(*trigger)?;
            positions.route(trigger, *route)
        }
        Subject::Trigger(index) => positions.trigger(opened.app().triggers.get(*index)?),
    }
}
