//! Drawings of an app: its components, its links, and what of the host each can reach.
//!
//! All forms show the same facts, gathered here once; each form is one file. What is drawn depends on the plan
//! alone, to the byte, so that drawings can be kept under version control.

mod dot;
mod layout;
mod mermaid;
mod svg;
mod text;

use weft_app::grant::GrantKind;
use weft_app::{App, quantity};

use crate::access::Access;
use crate::explain;
use crate::host;
use crate::plan::{Plan, Target};
use crate::resolve::Chosen;
use crate::words;

/// An app as boxes and arrows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    pub(crate) app: String,
    pub(crate) components: Vec<Node>,
    pub(crate) links: Vec<Arrow>,
    /// What of the host is reached by anyone, in order.
    pub(crate) powers: Vec<GrantKind>,
}

/// One component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) is_main: bool,
    pub(crate) is_reached: bool,
    /// What it may use, with what was granted of it.
    pub(crate) powers: Vec<(GrantKind, String)>,
    /// Lines for its box: grants, limits, and what is special.
    pub(crate) lines: Vec<String>,
}

/// The links from one component to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrow {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// The imports, as the first has them; those that nobody asked for by a rule say so.
    pub(crate) labels: Vec<String>,
}

impl Graph {
    /// Gathers what is to be drawn.
    #[must_use]
    pub fn new(app: &App, plan: &Plan) -> Self {
        let components: Vec<Node> = (0..plan.components().len())
            .filter_map(|index| node(app, plan, index))
            .collect();
        let mut powers: Vec<GrantKind> = components
            .iter()
            .flat_map(|node| node.powers.iter().map(|(kind, _)| *kind))
            .collect();
        powers.sort();
        powers.dedup();
        Self {
            app: app.name.to_string(),
            components,
            links: arrows(plan),
            powers,
        }
    }

    /// For a terminal: one component after the other, what it runs on and whom it asks.
    #[must_use]
    pub fn text(&self) -> String {
        text::draw(self)
    }

    /// For pages that know Mermaid.
    #[must_use]
    pub fn mermaid(&self) -> String {
        mermaid::draw(self)
    }

    /// For Graphviz.
    #[must_use]
    pub fn dot(&self) -> String {
        dot::draw(self)
    }

    /// A picture that needs no other program; it follows the viewer's choice of light or dark.
    #[must_use]
    pub fn svg(&self) -> String {
        svg::draw(self)
    }
}

fn node(app: &App, plan: &Plan, index: usize) -> Option<Node> {
    let planned = plan.components().get(index)?;
    let described = app.components.get(index)?;
    let powers: Vec<(GrantKind, String)> = explain::powers(app, plan, index)
        .into_iter()
        .map(|power| (power.kind, words::line(power.kind, &described.grants)))
        .collect();
    let mut lines: Vec<String> = powers
        .iter()
        .map(|(kind, granted)| format!("{}: {granted}", host::describe(*kind)))
        .collect();
    for shared in explain::shared(plan, index) {
        let with: Vec<&str> = shared.with.iter().map(weft_app::Name::as_str).collect();
        lines.push(format!("shares handles with {}", with.join(", ")));
    }
    let traps = planned
        .imports
        .iter()
        .filter(|import| matches!(&import.target, Target::Host(host) if host.access == Access::Trap))
        .count();
    if traps > 0 {
        lines.push(format!(
            "{traps} import{} that would trap",
            if traps == 1 { "" } else { "s" }
        ));
    }
    lines.push(format!(
        "memory {}, tables {}",
        quantity::show_bytes(planned.limits.memory_bytes_max),
        planned.limits.table_elements_max
    ));
    Some(Node {
        name: planned.name.to_string(),
        is_main: index == plan.main(),
        is_reached: planned.is_reached,
        powers,
        lines,
    })
}

fn arrows(plan: &Plan) -> Vec<Arrow> {
    let mut arrows: Vec<Arrow> = Vec::new();
    for (from, component) in plan.components().iter().enumerate() {
        for import in &component.imports {
            let Target::Link { provider, chosen, .. } = &import.target else {
                continue;
            };
            let mut label = import.name.clone();
            if *chosen == Chosen::Automatic {
                label.push_str(" (automatic)");
            }
            match arrows
                .iter_mut()
                .find(|arrow| arrow.from == from && arrow.to == *provider)
            {
                Some(arrow) => arrow.labels.push(label),
                None => arrows.push(Arrow {
                    from,
                    to: *provider,
                    labels: vec![label],
                }),
            }
        }
    }
    arrows
}
