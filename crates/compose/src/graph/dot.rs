//! The drawing in the language of Graphviz.

use std::fmt::Write as _;

use super::{Graph, Role};
use crate::host;

pub(super) fn draw(graph: &Graph) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "digraph \"{}\" {{", quote(&graph.app));
    out.push_str("  node [shape=box, style=rounded, fontname=\"monospace\", fontsize=10];\n");
    out.push_str("  edge [fontname=\"monospace\", fontsize=9];\n");
    for (index, node) in graph.nodes.iter().enumerate() {
        // `\l` ends a line that is set to the left.
        let lines: String = node
            .lines
            .iter()
            .map(|line| format!("{}\\l", quote(line)))
            .collect();
        let style = match node.role {
            Role::Entered { .. } => ", penwidth=3",
            Role::Linked => "",
            Role::Idle => ", style=\"rounded,dashed\"",
            Role::Door => ", shape=cds, style=solid, color=\"#047857\"",
            Role::Folder => ", shape=folder, style=solid, color=\"#047857\"",
        };
        let _ = writeln!(
            out,
            "  c{index} [label=\"{}\\n{lines}\"{style}];",
            quote(&node.name)
        );
    }
    for (index, frame) in graph.frames.iter().enumerate() {
        let members: Vec<String> = frame.members.iter().map(|member| format!("c{member};")).collect();
        let _ = writeln!(
            out,
            "  subgraph cluster_{index} {{ label=\"{}\"; labeljust=l; labelloc=b; fontname=\"monospace\"; fontsize=10; style=\"rounded,dashed\"; color=\"#7c3aed\"; {} }}",
            quote(&frame.label),
            members.join(" ")
        );
    }
    for (index, kind) in graph.powers.iter().enumerate() {
        let label = host::describe(*kind);
        let _ = writeln!(
            out,
            "  h{index} [label=\"{label}\", shape=ellipse, style=solid, color=\"#c2410c\"];"
        );
    }
    for arrow in &graph.links {
        let labels: Vec<String> = arrow.labels.iter().map(|label| quote(label)).collect();
        let _ = writeln!(
            out,
            "  c{} -> c{} [label=\"{}\"{}];",
            arrow.from,
            arrow.to,
            labels.join("\\n"),
            if arrow.is_isolated {
                ", style=bold, color=\"#1d4ed8\""
            } else {
                ""
            }
        );
    }
    for (index, node) in graph.nodes.iter().enumerate() {
        for (kind, _) in &node.powers {
            if let Some(power) = graph.powers.iter().position(|power| power == kind) {
                let _ = writeln!(out, "  c{index} -> h{power} [style=dashed, color=\"#c2410c\"];");
            }
        }
    }
    out.push_str("}\n");
    out
}

fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            other if other.is_control() => quoted.push(' '),
            other => quoted.push(other),
        }
    }
    quoted
}
