//! Everything the command line prints: data on standard output, talk on standard error.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the one place that prints"
)]

use std::io::{self, Write as _};
use std::time::Duration;

use weft_app::quantity::{show_bytes, show_duration};
use weft_runtime::denial::{Denial, Denials};
use weft_runtime::trap::{Frame, TrapReport};

use crate::args::Verbosity;
use crate::exit_code::Code;
use crate::report::Report;
use crate::settings::Settings;

/// Where things are said, and how much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    verbosity: Verbosity,
    terminal: bool,
    color: bool,
}

const RED: &str = "1;31";
const YELLOW: &str = "1;33";
const CYAN: &str = "1;36";
const DIM: &str = "2";

impl Output {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            verbosity: settings.verbosity,
            terminal: settings.terminal,
            color: settings.color,
        }
    }

    /// Prints what was asked for.
    ///
    /// # Errors
    /// When standard output cannot be written; a reader that went away is nobody's fault and counts as done.
    pub(crate) fn data(&self, text: &str) -> Result<(), Report> {
        self.data_bytes(text.as_bytes())
    }

    /// As [`Output::data`], for bytes.
    pub(crate) fn data_bytes(&self, bytes: &[u8]) -> Result<(), Report> {
        let mut out = io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Report::new(Code::FAILED, "cannot write to standard output").caused_by(error))
            }
            _ => Ok(()),
        }
    }

    /// Says why a command failed. Never silenced: without it the exit code is all there is.
    pub(crate) fn report(&self, report: &Report) {
        let mut text = format!("{}: {}\n", self.paint(RED, "error"), part(&report.message));
        for cause in &report.causes {
            text.push_str(&format!("  {}: {}\n", self.paint(DIM, "caused by"), part(cause)));
        }
        if let Some(trap) = &report.trap {
            text.push_str(&self.trap(trap));
        }
        for hint in &report.hints {
            text.push_str(&format!("{}: {}\n", self.paint(CYAN, "hint"), part(hint)));
        }
        self.say(&text);
    }

    /// Something that did not stop the command but should be known.
    pub(crate) fn warn(&self, message: &str) {
        if self.verbosity >= Verbosity::Normal {
            self.say(&format!("{}: {}\n", self.paint(YELLOW, "warning"), part(message)));
        }
    }

    /// What was done, for whoever asked for it.
    pub(crate) fn note(&self, message: &str) {
        if self.verbosity >= Verbosity::Normal {
            self.say(&format!("{}\n", part(message)));
        }
    }

    /// Something for whoever asked for details.
    pub(crate) fn detail(&self, message: &str) {
        if self.verbosity >= Verbosity::Verbose {
            self.say(&format!("{} {}\n", self.paint(DIM, "weft:"), part(message)));
        }
    }

    /// A problem of a manifest with its place, as it was drawn.
    pub(crate) fn diagnostic(&self, drawn: &str, is_error: bool) {
        if is_error || self.verbosity >= Verbosity::Normal {
            self.say(&format!("{}\n", drawn.trim_end()));
        }
    }

    /// What the guest was refused, with the flags that would grant it; for a component of an app, with the line of
    /// its grants.
    pub(crate) fn denials(&self, component: Option<&str>, denials: &Denials, guest_failed: bool) {
        let wanted = if guest_failed {
            Verbosity::Normal
        } else {
            Verbosity::Verbose
        };
        if self.verbosity < wanted || denials.entries.is_empty() {
            return;
        }
        let mut text = String::new();
        for denial in &denials.entries {
            text.push_str(&self.denied(component, denial));
        }
        if denials.omitted > 0 {
            text.push_str(&format!(
                "{}: and {} more\n",
                self.paint(YELLOW, "denied"),
                denials.omitted
            ));
        }
        self.say(&text);
    }

    /// Tells at once what a component was refused that does not end: one that answers requests.
    pub(crate) fn denial(&self, component: Option<&str>, denial: &Denial) {
        if self.verbosity >= Verbosity::Normal {
            self.say(&self.denied(component, denial));
        }
    }

    fn denied(&self, component: Option<&str>, denial: &Denial) -> String {
        let (who, cure) = match component {
            None => (
                "the program".to_owned(),
                format!("grant it with `{}`", part(&denial.flag)),
            ),
            Some(name) if denial.flag.is_empty() => (
                format!("component `{name}`"),
                format!("`weft check --explain {name}` says what it may do, and what would end the app"),
            ),
            Some(name) => (
                format!("component `{name}`"),
                format!(
                    "grant it with `{}` under `[component.{name}.grants]`",
                    part(&manifest_line(&denial.flag))
                ),
            ),
        };
        format!(
            "{}: {who} was refused: {} ({}); {cure}\n",
            self.paint(YELLOW, "denied"),
            part(&denial.attempted),
            denial.interface,
        )
    }

    /// Shows that something takes its time; drawn over by the next call.
    pub(crate) fn progress(&self, what: &str, size: u64, elapsed: Duration, spinner: usize) {
        if !self.shows_progress() {
            return;
        }
        const SPINNER: [&str; 4] = ["⠋", "⠙", "⠸", "⠴"];
        let turn = SPINNER.get(spinner % SPINNER.len()).copied().unwrap_or_default();
        let elapsed = show_duration(Duration::from_millis(elapsed.as_millis() as u64 / 100 * 100));
        self.say(&format!(
            "\r\x1b[2K{turn} compiling {} ({}), {elapsed}",
            part(what),
            show_bytes(size)
        ));
    }

    /// Takes the progress line away.
    pub(crate) fn clear_progress(&self) {
        if self.shows_progress() {
            self.say("\r\x1b[2K");
        }
    }

    /// Whether anybody sees moving progress.
    pub(crate) fn shows_progress(&self) -> bool {
        self.terminal && self.verbosity >= Verbosity::Normal
    }

    fn trap(&self, trap: &TrapReport) -> String {
        let mut text = String::new();
        for (number, frame) in trap.frames.iter().enumerate() {
            text.push_str(&self.frame(number, frame));
        }
        text
    }

    fn frame(&self, number: usize, frame: &Frame) -> String {
        let module = frame
            .module
            .as_deref()
            .map_or(String::new(), |module| format!("{}!", line(module)));
        let offset = frame
            .offset
            .map_or(String::new(), |offset| format!(" at {offset:#x}"));
        let mut text = format!(
            "  {number:>3}: {module}{}{}\n",
            line(&frame.function),
            self.paint(DIM, &offset)
        );
        for place in &frame.source {
            text.push_str(&format!(
                "         {}\n",
                self.paint(DIM, &format!("at {}", line(&place.to_string())))
            ));
        }
        text
    }

    fn paint(&self, style: &str, text: &str) -> String {
        if self.color && !text.is_empty() {
            format!("\x1b[{style}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    fn say(&self, text: &str) {
        // Nothing is left to be done when standard error itself cannot be written.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

/// Text that may come from a guest or its file, made harmless for a terminal: control characters, which could
/// move the cursor or rewrite lines, are shown as escapes.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => shown.push(c),
            // Marks that turn the direction of writing round can make a name look like another.
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                shown.extend(c.escape_default());
            }
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

/// The same within one line.
pub(crate) fn one_line(text: &str) -> String {
    visible(text).replace('\n', "\\n")
}

/// A part of a message: harmless, and no longer than a screen, whatever a guest called its functions.
fn part(text: &str) -> String {
    const LENGTH_MAX: usize = 4000;
    match text.char_indices().nth(LENGTH_MAX) {
        Some((at, _)) => format!("{}…", visible(text.get(..at).unwrap_or_default())),
        None => visible(text),
    }
}

/// A part of a message that stays in its line: a name that goes on in the next one could look like a message.
fn line(text: &str) -> String {
    part(text).replace('\n', "\\n")
}

/// The line of a manifest that grants what a flag would: they use the same words.
fn manifest_line(flag: &str) -> String {
    let (name, value) = flag.split_once(' ').unwrap_or((flag, ""));
    let name = name.trim_start_matches('-');
    match name {
        "clock" | "random" | "stdio" | "logging" => format!("{name} = \"{value}\""),
        // Where the data is stands under `[store.NAME]`, `[blobstore.NAME]` or `[database.NAME]`.
        "keyvalue" | "blobstore" | "sql" => format!(
            "{name} = [\"{}\"]",
            value.split(['=', ':']).next().unwrap_or(value)
        ),
        _ => format!("{name} = [\"{value}\"]"),
    }
}
