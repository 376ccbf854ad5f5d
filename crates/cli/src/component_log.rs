//! What components say through `wasi:logging`: a line each, on standard error.
//!
//! A program that is run writes its lines itself. Where requests are answered, a thread writes them, so that nobody
//! who reads slowly holds a request; each component may have so many lines waiting, and more are lost and counted.
//! Whatever a guest wrote stands in its line with control characters written out.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use serde::Serialize;
use weft_app::grant::LogLevel;
use weft_serve::lines;
use weft_services::logging::{Entry, Sink};

use crate::output::one_line;
use crate::report::Report;
use crate::settings::Settings;

/// Lines of one component that wait to be written.
const WAITING_MAX: usize = 1024;

/// How long the end of the process waits for lines.
const FLUSH: Duration = Duration::from_secs(1);

/// Where the lines of all components go.
#[derive(Debug, Clone)]
pub(crate) struct ComponentLog {
    format: Format,
    thread: Option<Sender<Job>>,
}

#[derive(Debug, Clone, Copy)]
struct Format {
    is_json: bool,
    color: bool,
}

#[derive(Debug)]
enum Job {
    Line(Entry, Arc<Waiting>),
    /// Everything before this was written.
    Flush(SyncSender<()>),
}

/// Lines of one component.
#[derive(Debug, Default)]
struct Waiting {
    lines: AtomicUsize,
    lost: AtomicUsize,
}

impl ComponentLog {
    /// A log that whoever says something writes to.
    pub(crate) fn direct(settings: &Settings) -> Result<Self, Report> {
        let is_json = match settings
            .log_format
            .as_deref()
            .map(|format| format.to_string_lossy())
        {
            None => false,
            Some(format) if format == "text" => false,
            Some(format) if format == "json" => true,
            Some(format) => {
                let message = format!("`WEFT_LOG_FORMAT` is `{format}`, expected `text` or `json`");
                return Err(Report::usage(message));
            }
        };
        let format = Format {
            is_json,
            color: settings.color,
        };
        Ok(Self { format, thread: None })
    }

    /// A log with a thread that writes.
    pub(crate) fn with_thread(settings: &Settings) -> Result<Self, Report> {
        let Self { format, .. } = Self::direct(settings)?;
        let (jobs, received) = channel();
        std::thread::Builder::new()
            .name("component-log".to_owned())
            .spawn(move || write_all(format, &received))
            .map_err(|error| Report::failed("cannot start the log of components").caused_by(error))?;
        let thread = Some(jobs);
        Ok(Self { format, thread })
    }

    /// Where one component writes.
    pub(crate) fn sink(&self) -> Arc<dyn Sink> {
        match &self.thread {
            None => Arc::new(Direct(self.format)),
            Some(jobs) => Arc::new(Queued {
                jobs: jobs.clone(),
                waiting: Arc::default(),
            }),
        }
    }

    /// Waits until what was said is written, at most [`FLUSH`].
    pub(crate) fn flush(&self) {
        let Some(jobs) = &self.thread else { return };
        let (done, written) = sync_channel(1);
        if jobs.send(Job::Flush(done)).is_ok() {
            // Whoever reads standard error too slowly misses the rest.
            let _ = written.recv_timeout(FLUSH);
        }
    }
}

struct Direct(Format);

impl Sink for Direct {
    fn take(&self, entry: Entry) {
        // Nothing is left to be done when standard error cannot be written.
        let _ = io::stderr().lock().write_all(self.0.line(&entry).as_bytes());
    }
}

struct Queued {
    jobs: Sender<Job>,
    waiting: Arc<Waiting>,
}

impl Sink for Queued {
    fn take(&self, entry: Entry) {
        if self.waiting.lines.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            self.waiting.lines.fetch_sub(1, Ordering::Relaxed);
            self.waiting.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // The thread ends with the process only.
        let _ = self.jobs.send(Job::Line(entry, Arc::clone(&self.waiting)));
    }
}

fn write_all(format: Format, jobs: &Receiver<Job>) {
    let mut batch = String::new();
    while let Ok(first) = jobs.recv() {
        let mut flushed = Vec::new();
        batch.clear();
        for job in std::iter::once(first).chain(jobs.try_iter().take(256)) {
            match job {
                Job::Line(entry, waiting) => {
                    batch.push_str(&format.line(&entry));
                    waiting.lines.fetch_sub(1, Ordering::Relaxed);
                    let lost = waiting.lost.swap(0, Ordering::Relaxed);
                    if lost > 0 {
                        batch.push_str(&format.line(&told_of_lost(entry, lost)));
                    }
                }
                Job::Flush(done) => flushed.push(done),
            }
        }
        // Nothing is left to be done when standard error cannot be written.
        let _ = io::stderr().lock().write_all(batch.as_bytes());
        for done in flushed {
            let _ = done.try_send(());
        }
    }
}

fn told_of_lost(last: Entry, lost: usize) -> Entry {
    Entry {
        level: LogLevel::Warn,
        context: "weft".to_owned(),
        message: format!("{lost} lines of this component were lost: they came faster than they are written"),
        is_cut: false,
        ..last
    }
}

#[derive(Serialize)]
struct JsonLine<'a> {
    time: String,
    level: &'static str,
    component: &'a str,
    context: &'a str,
    message: &'a str,
    cut: bool,
}

impl Format {
    fn line(self, entry: &Entry) -> String {
        let time = lines::rfc3339(entry.time);
        if self.is_json {
            return lines::json(&JsonLine {
                time,
                level: entry.level.word(),
                component: &entry.component,
                context: &entry.context,
                message: &entry.message,
                cut: entry.is_cut,
            });
        }
        let context = match entry.context.as_str() {
            "" => String::new(),
            context => format!(" [{}]", one_line(context)),
        };
        let level = if self.color {
            format!("\x1b[{}m{:<8}\x1b[0m", style(entry.level), entry.level)
        } else {
            format!("{:<8}", entry.level)
        };
        format!(
            "{time} {level} {}{context}: {}{}\n",
            one_line(&entry.component),
            one_line(&entry.message),
            if entry.is_cut { "…" } else { "" },
        )
    }
}

fn style(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Trace | LogLevel::Debug => "2",
        LogLevel::Info => "32",
        LogLevel::Warn => "33",
        LogLevel::Error | LogLevel::Critical => "1;31",
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn entry(message: &str) -> Entry {
        Entry {
            time: UNIX_EPOCH + Duration::from_millis(971_186_136_007),
            level: LogLevel::Warn,
            component: "page".into(),
            context: "till".to_owned(),
            message: message.to_owned(),
            is_cut: false,
        }
    }

    #[test]
    fn a_line_is_one_line_whatever_a_guest_writes() {
        let hostile = "a\n2000 info other: b\r\x1b[31m\u{7f}\u{9b}\u{202e}x";
        for is_json in [false, true] {
            let format = Format {
                is_json,
                color: false,
            };
            let line = format.line(&entry(hostile));
            let inside = line.strip_suffix('\n').unwrap();
            assert!(!inside.chars().any(char::is_control), "{inside:?}");
        }
        let format = Format {
            is_json: false,
            color: false,
        };
        assert_eq!(
            format.line(&entry("low on tea")),
            "2000-10-10T13:55:36.007Z warn     page [till]: low on tea\n"
        );
    }

    #[test]
    fn a_component_that_floods_loses_its_own_lines_and_is_told_of() {
        let (jobs, received) = channel();
        let [loud, quiet] = [(); 2].map(|()| Queued {
            jobs: jobs.clone(),
            waiting: Arc::default(),
        });
        for _ in 0..WAITING_MAX + 5 {
            loud.take(entry("again"));
        }
        quiet.take(entry("once"));
        let lines = received.try_iter().count();
        assert_eq!(lines, WAITING_MAX + 1);
        assert_eq!(loud.waiting.lost.load(Ordering::Relaxed), 5);
        assert!(told_of_lost(entry("again"), 5).message.starts_with("5 lines"));
    }
}
