//! The drawing as a picture.

use std::fmt::Write as _;

use super::layout::{self, Layout, Place, Spacing};
use super::{Graph, Node, Role, frames};
use crate::host;

/// How wide a character of the font is taken to be, in tenths of a pixel: a little wider than most fonts have it.
const CHARACTER: i64 = 73;
/// How wide a character of a label is.
const LABEL_CHARACTER: i64 = 62;
/// How far lines of a box are apart.
const LINE: i64 = 17;
const PADDING: i64 = 12;
/// How far lines of a label are apart.
const LABEL_LINE: i64 = 14;
/// How much of an arrow stays free below its label.
const TIP: i64 = 16;
/// The longest line that is shown whole.
const LINE_CHARACTERS_MAX: usize = 44;
const SPACING: Spacing = Spacing {
    margin: 24,
    beside: 48,
    below: 96,
};

const STYLE: &str = "\
  svg { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; background: #ffffff; color: #1f2937 }
  text { fill: currentColor }
  .name { font-weight: bold; font-size: 13px }
  .box { fill: #f3f4f6; stroke: #6b7280 }
  .main .box { stroke: #1d4ed8; stroke-width: 2.5 }
  .idle { opacity: 0.5 }
  .idle .box { stroke-dasharray: 5 4 }
  .host .box { fill: #fff7ed; stroke: #c2410c }
  .door .box { fill: #ecfdf5; stroke: #047857 }
  .cell .box { fill: #7c3aed; fill-opacity: 0.06; stroke: #7c3aed; stroke-dasharray: 6 4 }
  .cell text { fill: #6d28d9 }
  .link { fill: none; stroke: #374151; stroke-width: 1.4 }
  .isolated { stroke: #1d4ed8; stroke-width: 2.4 }
  .reach { fill: none; stroke: #c2410c; stroke-width: 1; stroke-dasharray: 4 4; opacity: 0.7 }
  .label { font-size: 10.5px }
  .behind { fill: #ffffff; opacity: 0.9 }
  .tip { fill: #374151 }
  @media (prefers-color-scheme: dark) {
    svg { background: #111827; color: #e5e7eb }
    .box { fill: #1f2937; stroke: #9ca3af }
    .main .box { stroke: #60a5fa }
    .host .box { fill: #2c1a10; stroke: #fb923c }
    .door .box { fill: #06281d; stroke: #34d399 }
    .cell .box { fill: #a78bfa; fill-opacity: 0.1; stroke: #a78bfa }
    .cell text { fill: #c4b5fd }
    .link { stroke: #d1d5db }
    .isolated { stroke: #93c5fd }
    .reach { stroke: #fb923c }
    .behind { fill: #111827 }
    .tip { fill: #d1d5db }
  }
";

pub(super) fn draw(graph: &Graph) -> String {
    let nodes = graph.nodes.len();
    let mut sizes: Vec<(i64, i64)> = graph.nodes.iter().map(node_size).collect();
    sizes.extend(graph.powers.iter().map(|kind| size(&[host::describe(*kind)])));
    let mut arrows: Vec<(usize, usize)> = graph.links.iter().map(|arrow| (arrow.from, arrow.to)).collect();
    for (index, node) in graph.nodes.iter().enumerate() {
        let reached = node
            .powers
            .iter()
            .filter_map(|(kind, _)| graph.powers.iter().position(|power| power == kind));
        arrows.extend(reached.map(|power| (index, nodes + power)));
    }
    let last: Vec<usize> = (nodes..sizes.len()).collect();
    let frame_of = |index: usize| {
        let mut frames = graph.frames.iter();
        frames.position(|frame| frame.members.contains(&index))
    };
    let groups: Vec<Option<usize>> = (0..sizes.len()).map(frame_of).collect();
    let layout = layout::place(&sizes, &arrows, &last, &groups, SPACING);
    let mut out = head(graph, &layout);
    draw_frames(&mut out, graph, &layout);
    draw_arrows(&mut out, graph, &layout);
    for (node, place) in graph.nodes.iter().zip(&layout.boxes) {
        draw_node(&mut out, node, *place);
    }
    for (kind, place) in graph.powers.iter().zip(layout.boxes.iter().skip(nodes)) {
        let _ = writeln!(out, "<g class=\"host\">");
        draw_box(&mut out, *place, 18);
        draw_text(
            &mut out,
            place.x + PADDING,
            place.y + PADDING + 11,
            "",
            host::describe(*kind),
        );
        out.push_str("</g>\n");
    }
    draw_labels(&mut out, graph, &layout);
    out.push_str("</svg>\n");
    out
}

fn node_size(node: &Node) -> (i64, i64) {
    let mut lines = vec![node.name.as_str()];
    lines.extend(node.lines.iter().map(String::as_str));
    size(&lines)
}

fn size(lines: &[&str]) -> (i64, i64) {
    let longest = lines
        .iter()
        .map(|line| line.chars().count().min(LINE_CHARACTERS_MAX));
    let longest = number(longest.max().unwrap_or(0));
    (
        longest * CHARACTER / 10 + 2 * PADDING,
        number(lines.len()) * LINE + 2 * PADDING - 4,
    )
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX / 1000)
}

fn head(graph: &Graph, layout: &Layout) -> String {
    let (width, height) = (layout.width, layout.height);
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">"
    );
    let _ = writeln!(out, "<title>{}</title>", escape(&graph.app));
    let _ = writeln!(out, "<style>\n{STYLE}</style>");
    out.push_str(
        "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerUnits=\"userSpaceOnUse\" markerWidth=\"11\" markerHeight=\"11\" orient=\"auto\"><path class=\"tip\" d=\"M0 0 L8 4 L0 8 z\"/></marker></defs>\n",
    );
    out
}

/// Frames come first, so that everything else stands on them.
fn draw_frames(out: &mut String, graph: &Graph, layout: &Layout) {
    let places = frames::places(&graph.frames, &layout.boxes);
    for (frame, places) in graph.frames.iter().zip(places) {
        for place in places {
            let _ = writeln!(out, "<g class=\"cell\">");
            draw_box(out, place, 10);
            let y = place.y + place.height - 7;
            draw_text(out, place.x + PADDING, y, "label", &frame.label);
            out.push_str("</g>\n");
        }
    }
}

fn draw_arrows(out: &mut String, graph: &Graph, layout: &Layout) {
    for (index, places) in layout.arrows.iter().enumerate() {
        let (class, end) = if index < graph.links.len() {
            let is_isolated = graph.links.get(index).is_some_and(|arrow| arrow.is_isolated);
            let class = if is_isolated { "link isolated" } else { "link" };
            (class, " marker-end=\"url(#tip)\"")
        } else {
            ("reach", "")
        };
        let _ = writeln!(out, "<path class=\"{class}\" d=\"{}\"{end}/>", path(places));
    }
}

/// A line that leaves each place at the middle of its lower edge and enters the next at that of its upper.
fn path(places: &[Place]) -> String {
    let mut path = String::new();
    for pair in places.windows(2) {
        let [from, to] = pair else { continue };
        let (x1, y1) = (from.x + from.width / 2, from.y + from.height);
        let (x2, y2) = (to.x + to.width / 2, to.y);
        let bend = (y2 - y1) / 2;
        let begin = if path.is_empty() { "M" } else { " L" };
        let _ = write!(
            path,
            "{begin}{x1} {y1} C{x1} {} {x2} {} {x2} {y2}",
            y1 + bend,
            y2 - bend
        );
    }
    path
}

/// Labels come last, so that no line crosses them. Each stands above the tip of its arrow, where arrows from one
/// box have parted; those of arrows to one box are stacked.
fn draw_labels(out: &mut String, graph: &Graph, layout: &Layout) {
    let mut stacked = vec![0_i64; graph.nodes.len()];
    for (arrow, places) in graph.links.iter().zip(&layout.arrows) {
        let (Some(to), Some(above)) = (places.last(), stacked.get_mut(arrow.to)) else {
            continue;
        };
        let lines = number(arrow.labels.len());
        *above += lines;
        let y = to.y - TIP - *above * LABEL_LINE;
        let longest = arrow.labels.iter().map(|label| label.chars().count()).max();
        let width = number(longest.unwrap_or(0).min(LINE_CHARACTERS_MAX)) * LABEL_CHARACTER / 10 + 8;
        let left = (to.x + to.width / 2 - width / 2).clamp(2, (layout.width - width - 2).max(2));
        let height = lines * LABEL_LINE;
        let _ = writeln!(
            out,
            "<rect class=\"behind\" x=\"{left}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"3\"/>"
        );
        for (line, label) in arrow.labels.iter().enumerate() {
            draw_text(out, left + 4, y + 11 + number(line) * LABEL_LINE, "label", label);
        }
    }
}

fn draw_node(out: &mut String, node: &Node, place: Place) {
    let class = match node.role {
        Role::Entered { .. } => "main",
        Role::Linked => "component",
        Role::Idle => "idle",
        Role::Door | Role::Folder => "door",
    };
    let _ = writeln!(out, "<g class=\"{class}\">");
    draw_box(out, place, 6);
    draw_text(out, place.x + PADDING, place.y + PADDING + 11, "name", &node.name);
    for (index, line) in node.lines.iter().enumerate() {
        let y = place.y + PADDING + 11 + (number(index) + 1) * LINE;
        draw_text(out, place.x + PADDING, y, "", line);
    }
    out.push_str("</g>\n");
}

fn draw_box(out: &mut String, place: Place, corner: i64) {
    let Place { x, y, width, height } = place;
    let _ = writeln!(
        out,
        "<rect class=\"box\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{corner}\"/>"
    );
}

fn draw_text(out: &mut String, x: i64, y: i64, class: &str, text: &str) {
    let class = if class.is_empty() {
        String::new()
    } else {
        format!(" class=\"{class}\"")
    };
    let is_long = text.chars().count() > LINE_CHARACTERS_MAX;
    if is_long {
        let short: String = text.chars().take(LINE_CHARACTERS_MAX - 1).collect();
        let _ = writeln!(
            out,
            "<text{class} x=\"{x}\" y=\"{y}\">{}…<title>{}</title></text>",
            escape(&short),
            escape(text)
        );
    } else {
        let _ = writeln!(out, "<text{class} x=\"{x}\" y=\"{y}\">{}</text>", escape(text));
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other if other.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}
