//! Cells: which components share one fate, and which call each other from one cell into another.
//!
//! Components that fused links join are one cell, whichever way the links lead; isolated links lie between cells. So
//! every component is in exactly one cell, and what the manifest says of a link is what happens. Where that cannot be,
//! it is told with the links that contradict.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use weft_app::cell::CellSettings;

use crate::context::Context;
use crate::crossing;
use crate::problem::{Problem, Reason, Subject};
use crate::resolve::{Links, Mode};

/// A cell that others call.
#[derive(Debug, Clone)]
pub(crate) struct Called {
    /// The component that is called; the first of them where there are several.
    pub(crate) root: usize,
    pub(crate) settings: CellSettings,
    /// What is called: the component and its export, both by their indices.
    pub(crate) exports: BTreeSet<(usize, usize)>,
}

/// The cells that others call, and which of them each component is in.
#[derive(Debug, Default)]
pub(crate) struct Partition {
    pub(crate) called: Vec<Called>,
    of: BTreeMap<usize, usize>,
}

impl Partition {
    /// The cell that is called where a component is.
    pub(crate) fn cell_of(&self, provider: usize) -> Option<usize> {
        self.of.get(&provider).copied()
    }
}

/// The links without those that lead into another cell.
pub(crate) fn fused(links: &Links) -> Links {
    let fused = |link: &Option<crate::resolve::Link>| link.filter(|link| link.mode == Mode::Fused);
    links
        .iter()
        .map(|of_one| of_one.iter().map(fused).collect())
        .collect()
}

/// Parts the components that are reached into cells.
pub(crate) fn partition(
    context: &Context<'_>,
    links: &Links,
    reached: &BTreeSet<usize>,
    problems: &mut Vec<Problem>,
) -> Partition {
    let cell_of = join(links, reached);
    let told = problems.len();
    let mut called: BTreeMap<usize, Called> = BTreeMap::new();
    for component in reached {
        for (import, link) in links.get(*component).into_iter().flatten().enumerate() {
            let Some(link) = link.filter(|link| link.mode == Mode::Isolated) else {
                continue;
            };
            let (here, there) = (cell_of.get(component), cell_of.get(&link.provider));
            if here == there {
                problems.push(one_cell(
                    context,
                    links,
                    reached,
                    *component,
                    import,
                    link.provider,
                ));
                continue;
            }
            problems.extend(crossing::check(context, *component, import, &link));
            let Some(there) = there else { continue };
            let settings = context
                .app
                .components
                .get(link.provider)
                .map(|component| component.cell);
            let cell = called.entry(*there).or_insert_with(|| Called {
                root: link.provider,
                settings: settings.unwrap_or_default(),
                exports: BTreeSet::new(),
            });
            if settings.is_some_and(|settings| settings != cell.settings) {
                problems.push(two_settings(context, cell.root, link.provider));
            }
            cell.exports.insert((link.provider, link.export));
        }
    }
    if problems.len() == told {
        problems.extend(circle(context, links, reached, &cell_of));
    }
    let number: BTreeMap<usize, usize> = called.keys().copied().zip(0..).collect();
    let of = cell_of
        .iter()
        .filter_map(|(component, cell)| Some((*component, *number.get(cell)?)));
    Partition {
        of: of.collect(),
        called: called.into_values().collect(),
    }
}

/// For each component that is reached, the first component of its cell.
fn join(links: &Links, reached: &BTreeSet<usize>) -> BTreeMap<usize, usize> {
    let mut cell_of: BTreeMap<usize, usize> = reached.iter().map(|index| (*index, *index)).collect();
    for component in reached {
        for link in links.get(*component).into_iter().flatten().flatten() {
            let (Some(one), Some(other)) = (cell_of.get(component), cell_of.get(&link.provider)) else {
                continue;
            };
            let (first, second) = (*one.min(other), *one.max(other));
            if link.mode == Mode::Fused && first != second {
                cell_of
                    .values_mut()
                    .filter(|cell| **cell == second)
                    .for_each(|cell| *cell = first);
            }
        }
    }
    cell_of
}

/// An isolated link between two components that fused links make one.
fn one_cell(
    context: &Context<'_>,
    links: &Links,
    reached: &BTreeSet<usize>,
    component: usize,
    import: usize,
    provider: usize,
) -> Problem {
    let name = context
        .surfaces
        .import(component, import)
        .map_or_else(String::new, |import| import.name.clone());
    let reason = Reason::OneCell {
        component: context.name(component),
        provider: context.name(provider),
        import: name.clone(),
        path: chain(context, &fused_path(links, reached, component, provider)),
    };
    let subject = Subject::Import {
        component: context.name(component),
        import: name,
    };
    Problem::new(subject, reason).hint(
        "make one of these links isolated, too, or give the component that both use a second name of its own: two components may have one file",
    )
}

/// The shortest way from one component to another over fused links, in either direction of each.
fn fused_path(links: &Links, reached: &BTreeSet<usize>, from: usize, to: usize) -> Vec<usize> {
    let joined = |component: usize| {
        let down = links.get(component).into_iter().flatten().flatten();
        let down = down
            .filter(|link| link.mode == Mode::Fused)
            .map(|link| link.provider);
        let up = reached.iter().copied().filter(move |other| {
            let mut of_other = links.get(*other).into_iter().flatten().flatten();
            of_other.any(|link| link.mode == Mode::Fused && link.provider == component)
        });
        down.chain(up).collect::<Vec<_>>()
    };
    let mut came_from: BTreeMap<usize, usize> = BTreeMap::from([(from, from)]);
    let mut ahead = VecDeque::from([from]);
    while let Some(component) = ahead.pop_front() {
        if component == to {
            break;
        }
        for next in joined(component) {
            came_from.entry(next).or_insert_with(|| {
                ahead.push_back(next);
                component
            });
        }
    }
    let mut path = vec![to];
    while let Some(before) = path.last().and_then(|last| came_from.get(last)) {
        if path.last() == Some(before) {
            break;
        }
        path.push(*before);
    }
    path.reverse();
    path
}

fn chain(context: &Context<'_>, path: &[usize]) -> String {
    let names: Vec<String> = path
        .iter()
        .map(|index| format!("`{}`", context.name(*index)))
        .collect();
    names.join(" – ")
}

fn two_settings(context: &Context<'_>, first: usize, second: usize) -> Problem {
    let reason = Reason::TwoCellSettings {
        first: context.name(first),
        second: context.name(second),
    };
    let subject = Subject::Cell(context.name(second));
    Problem::new(subject, reason).hint("say the same of both, or make the link between them isolated")
}

/// Cells that call each other in a circle, although no single components do: an instance that waits for another cannot
/// be called by it.
fn circle(
    context: &Context<'_>,
    links: &Links,
    reached: &BTreeSet<usize>,
    cell_of: &BTreeMap<usize, usize>,
) -> Option<Problem> {
    // From each cell to the next, with the components between which the link lies.
    let mut edges: BTreeMap<usize, BTreeMap<usize, (usize, usize)>> = BTreeMap::new();
    for component in reached {
        for link in links.get(*component).into_iter().flatten().flatten() {
            let (Some(here), Some(there)) = (cell_of.get(component), cell_of.get(&link.provider)) else {
                continue;
            };
            if link.mode == Mode::Isolated {
                let of_cell = edges.entry(*here).or_default();
                of_cell.entry(*there).or_insert((*component, link.provider));
            }
        }
    }
    let mut left: BTreeSet<usize> = cell_of.values().copied().collect();
    loop {
        let ends: Vec<usize> = left
            .iter()
            .copied()
            .filter(|cell| {
                edges
                    .get(cell)
                    .is_none_or(|to| to.keys().all(|next| !left.contains(next)))
            })
            .collect();
        if ends.is_empty() {
            break;
        }
        left.retain(|cell| !ends.contains(cell));
    }
    let mut at = *left.first()?;
    let mut path: Vec<(usize, (usize, usize))> = Vec::new();
    loop {
        if let Some(start) = path.iter().position(|(cell, _)| *cell == at) {
            let steps = path.get(start..).unwrap_or_default();
            let steps = steps.iter().map(|(_, (caller, callee))| {
                format!("`{}` calls `{}`", context.name(*caller), context.name(*callee))
            });
            let first = path.get(start).map_or(0, |(_, (caller, _))| *caller);
            let path = steps.collect::<Vec<_>>().join(", fused with what ");
            let reason = Reason::CellCircle { path };
            let problem = Problem::new(Subject::Component(context.name(first)), reason);
            return Some(problem.hint("make one of the fused links isolated, so that the cells fall apart"));
        }
        let (next, link) = edges.get(&at)?.iter().find(|(next, _)| left.contains(next))?;
        path.push((at, *link));
        at = *next;
    }
}
