//! The drawing for a terminal.

use std::fmt::Write as _;

use super::{Graph, Node};

pub(super) fn draw(graph: &Graph) -> String {
    let mut out = String::new();
    // Writing to a text cannot fail.
    let _ = writeln!(out, "{}", graph.app);
    let last = graph.components.len().saturating_sub(1);
    for (index, node) in graph.components.iter().enumerate() {
        let (branch, trunk) = if index == last {
            ("└─", "  ")
        } else {
            ("├─", "│ ")
        };
        let _ = writeln!(out, "│\n{branch} {}", title(node));
        let links: Vec<String> = graph
            .links
            .iter()
            .filter(|arrow| arrow.from == index)
            .flat_map(|arrow| {
                let to = graph.components.get(arrow.to).map_or("", |node| &node.name);
                arrow
                    .labels
                    .iter()
                    .map(move |label| format!("──▶ {to}   {label}"))
            })
            .collect();
        for line in node.lines.iter().chain(&links) {
            let _ = writeln!(out, "{trunk}   {line}");
        }
    }
    out
}

fn title(node: &Node) -> String {
    match (node.is_main, node.is_reached) {
        (true, _) => format!("{} (runs)", node.name),
        (false, true) => node.name.clone(),
        (false, false) => format!("{} (left out)", node.name),
    }
}
