//! Where a guest spent its time, as a picture: folded stacks, and a flame graph that opens in any browser.
//!
//! Function names come from the guest's own name section and stacks can be as deep as it likes, so names are made
//! harmless and everything is bounded before it is drawn.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::str::FromStr as _;

use inferno::flamegraph::color::{BackgroundColor, StrokeColor};
use inferno::flamegraph::{Options, Palette, TextTruncateDirection};

/// Different stacks that are kept; the lighter ones are counted together.
const STACKS_MAX: usize = 10_000;

/// Functions of all kept stacks together, which bounds the time and memory of drawing.
const FRAMES_MAX: usize = 100_000;

/// Functions of one stack, counted from the outermost.
const DEPTH_MAX: usize = 256;

/// The longest function name.
const NAME_BYTES_MAX: usize = 160;

/// The sum of all weights: as far as a floating-point number still counts by one.
const WEIGHT_MAX: u128 = 1 << 53;

/// Functions with a smaller share of the width, in per cent, are not drawn: nobody could hit them with a mouse.
const WIDTH_PERCENT_MIN: f64 = 0.05;

const UNNAMED: &str = "(unnamed)";
const DEEPER: &str = "(deeper functions)";
const OTHER: &str = "(other stacks)";

/// Why no flame graph was drawn.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing to draw.
    #[error("no sample of the guest was taken; it may have ended too soon, or waited all the time")]
    Empty,
    /// The picture could not be written.
    #[error("cannot write the flame graph")]
    Write(#[source] io::Error),
}

/// Weighted stacks of a guest, ready to be drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlameGraph {
    /// Harmless names, outermost first, sorted so that equal beginnings lie side by side.
    stacks: BTreeMap<Vec<String>, u64>,
}

impl FlameGraph {
    /// Takes stacks as they were sampled, outermost function first, each with its weight.
    ///
    /// # Limits
    ///
    /// Names are cut after 160 bytes, stacks after 256 functions. The heaviest 10 000 stacks with 100 000 functions
    /// in all are kept; the rest appears as `(other stacks)`, so that the total stays right. Weights that sum to more
    /// than 2⁵³ are scaled down together.
    #[must_use]
    pub fn new(stacks: &[(Vec<String>, u64)]) -> Self {
        let total: u128 = stacks.iter().map(|(_, weight)| u128::from(*weight)).sum();
        let divisor = u64::try_from(total.div_ceil(WEIGHT_MAX).max(1)).unwrap_or(u64::MAX);
        let mut heaviest: Vec<_> = stacks.iter().filter(|(names, _)| !names.is_empty()).collect();
        // The names decide between equal weights, so that the same samples always give the same picture.
        heaviest.sort_by(|(names, weight), (other, other_weight)| {
            other_weight.cmp(weight).then(names.cmp(other))
        });
        let mut graph = Self::default();
        let mut frames = 0;
        for (names, weight) in heaviest {
            let depth = names.len().min(DEPTH_MAX);
            let fits = graph.stacks.len() < STACKS_MAX && frames + depth <= FRAMES_MAX;
            let stack = if fits {
                harmless_stack(names)
            } else {
                vec![OTHER.to_owned()]
            };
            frames += if fits { depth } else { 0 };
            graph.add(stack, weight / divisor);
        }
        graph
    }

    fn add(&mut self, stack: Vec<String>, weight: u64) {
        if weight > 0 {
            let sum = self.stacks.entry(stack).or_default();
            *sum = sum.saturating_add(weight);
        }
    }

    /// Whether there is nothing to draw.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stacks.is_empty()
    }

    /// One line per stack, `outer;inner weight`: the text that flame graph tools read.
    #[must_use]
    pub fn folded(&self) -> String {
        let mut text = String::new();
        for (stack, weight) in &self.stacks {
            push_line(&mut text, stack, *weight);
            text.push('\n');
        }
        text
    }

    /// Writes the flame graph as an SVG with search and zoom, under this title.
    ///
    /// The same stacks give the same bytes, colours included.
    ///
    /// # Errors
    ///
    /// There is nothing to draw, or `writer` fails.
    pub fn write_svg(&self, title: &str, writer: impl io::Write) -> Result<(), Error> {
        if self.is_empty() {
            return Err(Error::Empty);
        }
        let mut options = options(title);
        // The drawing library sorts lines as text, where `a.b` comes between `a` and `a;b` and tears `a` in two.
        // Its flame chart takes lines in the order given, last line first.
        options.flame_chart = true;
        let folded = self.folded();
        inferno::flamegraph::from_lines(&mut options, folded.lines().rev(), writer).map_err(Error::Write)
    }
}

fn options(title: &str) -> Options<'static> {
    let mut options = Options::default();
    options.title = harmless_name(title);
    options.deterministic = true;
    options.min_width = WIDTH_PERCENT_MIN;
    options.text_truncate_direction = TextTruncateDirection::Right;
    options.bgcolors = Some(BackgroundColor::Grey);
    // Both are words of the library; should it ever forget them, its defaults are as readable.
    options.colors = Palette::from_str("hot").unwrap_or(options.colors);
    // Neighbours may get much the same colour: a line keeps them apart.
    options.stroke_color = StrokeColor::from_str("#f8f8f8").unwrap_or(options.stroke_color);
    options
}

fn push_line(text: &mut String, stack: &[String], weight: u64) {
    for (depth, name) in stack.iter().enumerate() {
        if depth > 0 {
            text.push(';');
        }
        text.push_str(name);
    }
    // Writing into a string cannot fail.
    let _written = write!(text, " {weight}");
}

fn harmless_stack(names: &[String]) -> Vec<String> {
    let kept = if names.len() > DEPTH_MAX {
        DEPTH_MAX - 1
    } else {
        names.len()
    };
    let mut stack: Vec<String> = names.iter().take(kept).map(|name| harmless_name(name)).collect();
    if kept < names.len() {
        stack.push(DEEPER.to_owned());
    }
    stack
}

/// A name that keeps its place in a line of folded stacks, in XML and on a terminal.
fn harmless_name(name: &str) -> String {
    let mut harmless = String::with_capacity(name.len().min(NAME_BYTES_MAX));
    for character in name.trim().chars() {
        let character = harmless_character(character);
        if harmless.len() + character.len_utf8() > NAME_BYTES_MAX {
            break;
        }
        harmless.push(character);
    }
    harmless.truncate(harmless.trim_end().len());
    if harmless.is_empty() {
        return UNNAMED.to_owned();
    }
    without_count(without_comment(harmless))
}

fn harmless_character(character: char) -> char {
    match character {
        // The separator of folded stacks. Rust names have it, as in `<[u8; 4]>`.
        ';' => ',',
        '\t' => ' ',
        // XML cannot hold the last two at all; the others turn the direction of writing or end the line.
        '\u{2028}'
        | '\u{2029}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{fffe}'
        | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
        character if character.is_control() => char::REPLACEMENT_CHARACTER,
        character => character,
    }
}

/// A line that begins with `# ` is a comment to the readers of folded stacks.
fn without_comment(name: String) -> String {
    match name.strip_prefix("# ") {
        Some(rest) => format!("#{rest}"),
        None => name,
    }
}

/// `name 12` at the end of a stack would be read as a name and a first count.
fn without_count(name: String) -> String {
    match name.rsplit_once(' ') {
        Some((before, last)) if last.chars().all(|digit| digit.is_ascii_digit() || digit == '.') => {
            format!("{before}_{last}")
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stacks(written: &[(&str, u64)]) -> Vec<(Vec<String>, u64)> {
        written
            .iter()
            .map(|(names, weight)| (names.split('/').map(str::to_owned).collect(), *weight))
            .collect()
    }

    fn svg(graph: &FlameGraph) -> String {
        let mut bytes = Vec::new();
        graph.write_svg("hello.wasm", &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// How many drawn functions have a title that begins like this.
    fn drawn(svg: &str, title: &str) -> usize {
        svg.matches(&format!("<title>{title}")).count()
    }

    #[test]
    fn equal_stacks_are_counted_together() {
        let graph = FlameGraph::new(&stacks(&[("main/parse", 2), ("main", 1), ("main/parse", 3)]));
        assert_eq!(graph.folded(), "main 1\nmain;parse 5\n");
    }

    #[test]
    fn the_picture_shows_each_function_with_its_share() {
        let svg = svg(&FlameGraph::new(&stacks(&[
            ("main/parse", 30),
            ("main/run/step", 60),
            ("main", 10),
        ])));
        assert_eq!(drawn(&svg, "main (100 samples, 100.00%)"), 1);
        assert_eq!(drawn(&svg, "parse (30 samples, 30.00%)"), 1);
        assert_eq!(drawn(&svg, "step (60 samples, 60.00%)"), 1);
        assert!(svg.contains(">hello.wasm</text>"));
    }

    #[test]
    fn a_function_is_not_torn_by_a_neighbour_that_sorts_between_it_and_its_callees() {
        let graph = FlameGraph::new(&stacks(&[
            ("a", 1),
            ("a/b", 1),
            ("a.b/c", 1),
            ("a b", 1),
            ("a::b", 1),
        ]));
        assert_eq!(drawn(&svg(&graph), "a (2 samples"), 1);
    }

    #[test]
    fn the_same_stacks_give_the_same_bytes() {
        let forward = FlameGraph::new(&stacks(&[("a/b", 4), ("a/c", 4), ("d", 4)]));
        let backward = FlameGraph::new(&stacks(&[("d", 4), ("a/c", 4), ("a/b", 4)]));
        assert_eq!(svg(&forward), svg(&backward));
    }

    #[test]
    fn names_cannot_break_the_line_or_the_markup() {
        let table = [
            ("<[u8; 4]>::fmt", "<[u8, 4]>::fmt"),
            ("a\nb\u{1b}[31m\0", "a\u{fffd}b\u{fffd}[31m\u{fffd}"),
            ("\u{202e}live\u{ffff}", "\u{fffd}live\u{fffd}"),
            ("", UNNAMED),
            ("  ", UNNAMED),
            ("# not a comment", "#not a comment"),
            ("function 12", "function_12"),
            ("function 1 2", "function 1_2"),
            ("version 1.5", "version_1.5"),
            (
                "</title><script>alert(1)</script>",
                "</title><script>alert(1)</script>",
            ),
        ];
        for (hostile, harmless) in table {
            assert_eq!(harmless_name(hostile), harmless);
            let graph = FlameGraph::new(&[(vec![hostile.to_owned()], 7)]);
            assert_eq!(graph.folded(), format!("{harmless} 7\n"));
            let svg = svg(&graph);
            let escaped = harmless
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;");
            assert_eq!(
                drawn(&svg, &format!("{escaped} (7 samples, 100.00%)")),
                1,
                "{svg}"
            );
            assert!(!svg.contains("<script>alert"));
            assert!(
                svg.chars()
                    .all(|character| character == '\n' || !character.is_control() || character == '\t')
            );
        }
    }

    #[test]
    fn the_title_is_escaped_too() {
        let graph = FlameGraph::new(&stacks(&[("a", 1)]));
        let mut bytes = Vec::new();
        graph
            .write_svg("</text><script>alert(1)</script>\u{1}", &mut bytes)
            .unwrap();
        let svg = String::from_utf8(bytes).unwrap();
        assert!(!svg.contains("<script>alert") && !svg.contains('\u{1}'));
        assert!(svg.contains("&lt;/text&gt;&lt;script&gt;alert"));
    }

    #[test]
    fn a_long_name_is_cut_at_a_character() {
        let name = harmless_name(&"é".repeat(1000));
        assert_eq!(name, "é".repeat(NAME_BYTES_MAX / 2));
        assert_eq!(
            harmless_name(&format!("x{}", "é".repeat(1000))).len(),
            NAME_BYTES_MAX - 1
        );
    }

    #[test]
    fn a_deep_stack_ends_in_a_word_about_the_rest() {
        let deep: Vec<String> = (0..100_000).map(|depth| format!("f{depth}")).collect();
        let graph = FlameGraph::new(&[(deep, 1)]);
        let (stack, _) = graph.stacks.first_key_value().unwrap();
        assert_eq!(stack.len(), DEPTH_MAX);
        assert_eq!(stack.last().unwrap(), DEEPER);
        assert_eq!(drawn(&svg(&graph), "f254 "), 1);
    }

    #[test]
    fn many_stacks_keep_the_heaviest_and_the_total() {
        let many: Vec<_> = (0..30_000_u64)
            .map(|number| (vec![format!("f{number}")], number + 1))
            .collect();
        let graph = FlameGraph::new(&many);
        assert_eq!(graph.stacks.len(), STACKS_MAX + 1);
        assert_eq!(graph.stacks.values().sum::<u64>(), 30_000 * 30_001 / 2);
        assert_eq!(graph.stacks.get(&vec!["f29999".to_owned()]), Some(&30_000));
        assert_eq!(graph.stacks.get(&vec!["f0".to_owned()]), None);
    }

    #[test]
    fn many_deep_stacks_are_bounded_by_all_their_functions() {
        let tail = vec!["x".repeat(1000); 300];
        let deep: Vec<_> = (0..5_000_u64)
            .map(|number| ([vec![format!("f{number}")], tail.clone()].concat(), 1))
            .collect();
        let graph = FlameGraph::new(&deep);
        let frames: usize = graph.stacks.keys().map(Vec::len).sum();
        assert!(frames <= FRAMES_MAX + 1, "{frames}");
        assert_eq!(graph.stacks.values().sum::<u64>(), 5_000);
        assert!(svg(&graph).len() < 128 * 1024 * 1024);
    }

    #[test]
    fn weights_that_overflow_are_scaled_together() {
        let graph = FlameGraph::new(&stacks(&[
            ("a", u64::MAX),
            ("b", u64::MAX),
            ("c", u64::MAX / 2),
            ("d", 1),
        ]));
        let weights: Vec<u64> = graph.stacks.values().copied().collect();
        assert_eq!(weights.len(), 3, "a weight of nothing is not drawn");
        assert!(weights.iter().sum::<u64>() <= 1 << 53);
        assert_eq!(weights[0], weights[1]);
        assert!(weights[0].abs_diff(2 * weights[2]) <= 2, "{weights:?}");
        assert_eq!(drawn(&svg(&graph), "c ("), 1);
    }

    #[test]
    fn nothing_to_draw_is_said_and_writes_nothing() {
        for nothing in [vec![], vec![(vec![], 5)], stacks(&[("a", 0)])] {
            let graph = FlameGraph::new(&nothing);
            let mut bytes = Vec::new();
            assert!(graph.is_empty());
            assert!(matches!(graph.write_svg("x", &mut bytes), Err(Error::Empty)));
            assert!(bytes.is_empty());
        }
    }

    #[test]
    fn a_writer_that_fails_is_reported() {
        struct Full;
        impl io::Write for Full {
            fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
                Err(io::Error::from(io::ErrorKind::StorageFull))
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let error = FlameGraph::new(&stacks(&[("a", 1)]))
            .write_svg("x", Full)
            .unwrap_err();
        assert!(matches!(error, Error::Write(_)), "{error:?}");
    }
}
