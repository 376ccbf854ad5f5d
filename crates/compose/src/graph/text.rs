//! The drawing for a terminal. Where requests come in stands first; folders stand only where a route leads to them.

use std::fmt::Write as _;

use super::{Graph, Node, Role};

pub(super) fn draw(graph: &Graph) -> String {
    let mut out = String::new();
    // Writing to a text cannot fail.
    let _ = writeln!(out, "{}", graph.app);
    let of_role = |is_door: bool| {
        let nodes = graph.nodes.iter().enumerate();
        nodes.filter(move |(_, node)| node.role != Role::Folder && (node.role == Role::Door) == is_door)
    };
    let shown: Vec<(usize, &Node)> = of_role(true).chain(of_role(false)).collect();
    let last = shown.last().map(|(index, _)| *index);
    for (index, node) in shown {
        let (branch, trunk) = if last == Some(index) {
            ("└─", "  ")
        } else {
            ("├─", "│ ")
        };
        let frame = graph.frames.iter().find(|frame| frame.members.contains(&index));
        let cell = frame.map_or_else(String::new, |frame| format!(", {}", frame.label));
        let _ = writeln!(out, "│\n{branch} {}{cell}", title(node));
        let links: Vec<String> = graph
            .links
            .iter()
            .filter(|arrow| arrow.from == index)
            .flat_map(|arrow| {
                let to = graph.nodes.get(arrow.to).map_or("", |node| &node.name);
                arrow.labels.iter().map(move |label| {
                    format!("{}▶ {to}   {label}", if arrow.is_isolated { "──┃" } else { "──" })
                })
            })
            .collect();
        for line in node.lines.iter().chain(&links) {
            let _ = writeln!(out, "{trunk}   {line}");
        }
    }
    out
}

fn title(node: &Node) -> String {
    let name = &node.name;
    match node.role {
        Role::Entered {
            runs: true,
            answers: true,
        } => format!("{name} (runs, answers)"),
        Role::Entered { runs: true, .. } => format!("{name} (runs)"),
        Role::Entered { .. } => format!("{name} (answers)"),
        Role::Idle => format!("{name} (left out)"),
        Role::Linked | Role::Door | Role::Folder => name.clone(),
    }
}
