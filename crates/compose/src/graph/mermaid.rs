//! The drawing in Mermaid's language.

use std::fmt::Write as _;

use super::{Graph, Role};
use crate::host;

pub(super) fn draw(graph: &Graph) -> String {
    let mut out = String::from("flowchart TD\n");
    for (index, node) in graph.nodes.iter().enumerate() {
        let lines: Vec<String> = std::iter::once(format!("<b>{}</b>", quote(&node.name)))
            .chain(node.lines.iter().map(|line| quote(line)))
            .collect();
        let text = lines.join("<br>");
        let (open, close, class) = match node.role {
            Role::Entered { .. } => ("[", "]", "main"),
            Role::Linked => ("[", "]", "component"),
            Role::Idle => ("[", "]", "idle"),
            Role::Door => ("{{", "}}", "door"),
            Role::Folder => ("[/", "/]", "door"),
        };
        let _ = writeln!(out, "  c{index}{open}\"{text}\"{close}:::{class}");
    }
    for (index, frame) in graph.frames.iter().enumerate() {
        let _ = writeln!(out, "  subgraph f{index} [\"{}\"]", quote(&frame.label));
        for member in &frame.members {
            let _ = writeln!(out, "    c{member}");
        }
        out.push_str("  end\n");
        let _ = writeln!(
            out,
            "  style f{index} fill:none,stroke:#7c3aed,stroke-dasharray:6 4"
        );
    }
    for (index, kind) in graph.powers.iter().enumerate() {
        let _ = writeln!(out, "  h{index}([\"{}\"]):::host", host::describe(*kind));
    }
    for arrow in &graph.links {
        let labels: Vec<String> = arrow.labels.iter().map(|label| quote(label)).collect();
        let _ = writeln!(
            out,
            "  c{} {}|\"{}\"| c{}",
            arrow.from,
            if arrow.is_isolated { "==>" } else { "-->" },
            labels.join("<br>"),
            arrow.to
        );
    }
    for (index, node) in graph.nodes.iter().enumerate() {
        for (kind, _) in &node.powers {
            if let Some(power) = graph.powers.iter().position(|power| power == kind) {
                let _ = writeln!(out, "  c{index} -.-> h{power}");
            }
        }
    }
    out.push_str("  classDef main stroke-width:3px\n");
    out.push_str("  classDef idle stroke-dasharray:4\n");
    out.push_str("  classDef host stroke:#c2410c\n");
    if graph.nodes.iter().any(|node| node.role == Role::Door) {
        out.push_str("  classDef door stroke:#047857\n");
    }
    out
}

/// Text that Mermaid takes as it is: what it gives a meaning becomes an entity.
fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("#quot;"),
            '#' => quoted.push_str("#35;"),
            '<' => quoted.push_str("#lt;"),
            '>' => quoted.push_str("#gt;"),
            '&' => quoted.push_str("#amp;"),
            '`' => quoted.push_str("#96;"),
            other if other.is_control() => quoted.push(' '),
            other => quoted.push(other),
        }
    }
    quoted
}
