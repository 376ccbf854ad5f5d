//! Drawings of an app: how it is entered, its components, its links, and what of the host each can reach.
//!
//! All forms show the same facts, gathered here once; each form is one file. What is drawn depends on the plan
//! alone, to the byte, so that drawings can be kept under version control.

mod dot;
mod frames;
mod layout;
mod mermaid;
mod svg;
mod text;

use weft_app::grant::GrantKind;
use weft_app::trigger::http::{AccessLog, RouteTarget};
use weft_app::{App, HttpTrigger, Trigger, quantity};

use self::frames::Frame;
use crate::access::Access;
use crate::entries::EntryKind;
use crate::explain;
use crate::host;
use crate::plan::{Plan, Target};
use crate::resolve::Chosen;
use crate::words;

/// An app as boxes and arrows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    pub(crate) app: String,
    /// The components, then where requests come in, then folders whose files answer.
    pub(crate) nodes: Vec<Node>,
    pub(crate) links: Vec<Arrow>,
    /// What shares one fate, where not everything does.
    pub(crate) frames: Vec<Frame>,
    /// What of the host is reached by anyone, in order.
    pub(crate) powers: Vec<GrantKind>,
}

/// One box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// What it may use, with what was granted of it.
    pub(crate) powers: Vec<(GrantKind, String)>,
    /// Lines for its box: grants, limits, and what is special.
    pub(crate) lines: Vec<String>,
}

/// What a box stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A component that is entered from outside: run, or handed requests, or both.
    Entered {
        /// Whether it is run as a command.
        runs: bool,
        /// Whether it answers requests.
        answers: bool,
    },
    /// A component that others are linked to.
    Linked,
    /// A component that nothing leads to.
    Idle,
    /// Where requests come in.
    Door,
    /// A folder whose files answer.
    Folder,
}

/// The links from one component to another, or the routes from where requests come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrow {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// The imports, as the first has them; those that nobody asked for by a rule say so. Or the routes.
    pub(crate) labels: Vec<String>,
    /// Whether it leads into another cell.
    pub(crate) is_isolated: bool,
}

impl Graph {
    /// Gathers what is to be drawn.
    #[must_use]
    pub fn new(app: &App, plan: &Plan) -> Self {
        let mut nodes: Vec<Node> = (0..plan.components().len())
            .filter_map(|index| node(app, plan, index))
            .collect();
        let mut links = arrows(plan);
        for trigger in plan.triggers() {
            if let Trigger::Http(http) = trigger {
                add_door(http, &mut nodes, &mut links);
            }
        }
        let mut powers: Vec<GrantKind> = nodes
            .iter()
            .flat_map(|node| node.powers.iter().map(|(kind, _)| *kind))
            .collect();
        powers.sort();
        powers.dedup();
        Self {
            app: app.name.to_string(),
            nodes,
            links,
            frames: frames::frames(plan),
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
    let reuse = explain::reuse(app, plan, index);
    let mut lines: Vec<String> = reuse.iter().map(ToString::to_string).collect();
    lines.extend(explain::cell(app, plan, index).map(|cell| format!("cell: {cell}")));
    let granted = powers
        .iter()
        .map(|(kind, granted)| format!("{}: {granted}", host::describe(*kind)));
    lines.extend(granted);
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
        role: role(plan, index, planned.is_reached),
        powers,
        lines,
    })
}

fn role(plan: &Plan, index: usize, is_reached: bool) -> Role {
    let is = |wanted: fn(EntryKind) -> bool| {
        let mut entries = plan.entries().iter();
        entries.any(|entry| entry.component == index && wanted(entry.kind))
    };
    let runs = is(|kind| matches!(kind, EntryKind::Command | EntryKind::Schedule));
    let answers = is(|kind| {
        matches!(
            kind,
            EntryKind::Http(_) | EntryKind::Messages | EntryKind::KeyValue
        )
    });
    match (runs || answers, is_reached) {
        (true, _) => Role::Entered { runs, answers },
        (false, true) => Role::Linked,
        (false, false) => Role::Idle,
    }
}

/// Adds where requests come in, the folders that answer some, and an arrow for each route.
fn add_door(http: &HttpTrigger, nodes: &mut Vec<Node>, links: &mut Vec<Arrow>) {
    let from = nodes.len();
    let mut lines: Vec<String> = http
        .listeners
        .iter()
        .map(|listener| format!("listens on {listener}"))
        .collect();
    lines.extend(http.admin.iter().map(|admin| format!("admin on {admin}")));
    match http.access_log {
        AccessLog::Off => {}
        AccessLog::Common => lines.push("access log: common".to_owned()),
        AccessLog::Json => lines.push("access log: json".to_owned()),
    }
    nodes.push(Node {
        name: "HTTP".to_owned(),
        role: Role::Door,
        powers: Vec::new(),
        lines,
    });
    for route in &http.routes {
        let name = match &route.target {
            RouteTarget::Component(name) => name.to_string(),
            RouteTarget::Files(folder) => folder.display().to_string(),
        };
        let is_folder = matches!(route.target, RouteTarget::Files(_));
        let known = nodes
            .iter()
            .position(|node| node.name == name && (node.role == Role::Folder) == is_folder);
        let to = known.unwrap_or(nodes.len());
        if known.is_none() {
            nodes.push(Node {
                name,
                role: Role::Folder,
                powers: Vec::new(),
                lines: vec!["files".to_owned()],
            });
        }
        add_label(links, from, to, format!("{route} ({})", route.name));
    }
}

fn add_label(arrows: &mut Vec<Arrow>, from: usize, to: usize, label: String) {
    match arrows
        .iter_mut()
        .find(|arrow| arrow.from == from && arrow.to == to)
    {
        Some(arrow) => arrow.labels.push(label),
        None => arrows.push(Arrow {
            from,
            to,
            labels: vec![label],
            is_isolated: false,
        }),
    }
}

fn arrows(plan: &Plan) -> Vec<Arrow> {
    let mut arrows: Vec<Arrow> = Vec::new();
    for (from, component) in plan.components().iter().enumerate() {
        for import in &component.imports {
            let Target::Link {
                provider,
                chosen,
                cell,
                ..
            } = &import.target
            else {
                continue;
            };
            let mut label = import.name.clone();
            if *chosen == Chosen::Automatic {
                label.push_str(" (automatic)");
            }
            if cell.is_some() {
                label.push_str(" (isolated)");
            }
            add_label(&mut arrows, from, *provider, label);
            // All links between two components are of one kind: they are in one cell, or they are not.
            if let Some(arrow) = arrows
                .iter_mut()
                .find(|arrow| (arrow.from, arrow.to) == (from, *provider))
            {
                arrow.is_isolated = cell.is_some();
            }
        }
    }
    arrows
}
