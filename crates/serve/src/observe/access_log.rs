//! The access log: a line for every request, written by a thread of its own.
//!
//! The threads that serve never wait for it. When the writer is slower than the requests, lines are lost, and
//! counted. Whatever a client sent stands in a line with its control characters written out, so that no client can
//! make a line of its own or speak to a terminal.

use std::fmt::Write as _;
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use http::request::Parts;
use serde::Serialize;
use weft_app::trigger::http::AccessLog;

use super::metrics::Metrics;
use crate::handler::RequestId;
use crate::lines;

/// Lines that wait to be written.
const WAITING_MAX: usize = 8192;

/// Bytes of what a client sent that stand in a line.
const TEXT_BYTES_MAX: usize = 2048;

/// What is known of a request.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) id: RequestId,
    pub(crate) client: Option<IpAddr>,
    pub(crate) time: SystemTime,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) version: &'static str,
    pub(crate) host: String,
    pub(crate) agent: String,
    pub(crate) route: String,
    pub(crate) status: u16,
    pub(crate) bytes: u64,
    pub(crate) latency: Duration,
    pub(crate) is_complete: bool,
}

impl Line {
    /// What the head of a request says.
    pub(crate) fn new(id: RequestId, client: Option<IpAddr>, parts: &Parts) -> Box<Self> {
        let header = |name| {
            let value: Option<&http::HeaderValue> = parts.headers.get(name);
            value.map_or(String::new(), |value| text(value.as_bytes()))
        };
        let authority = parts
            .uri
            .authority()
            .map(|authority| text(authority.as_str().as_bytes()));
        Box::new(Self {
            id,
            client,
            time: SystemTime::now(),
            method: text(parts.method.as_str().as_bytes()),
            target: text(
                parts
                    .uri
                    .path_and_query()
                    .map_or("", |target| target.as_str())
                    .as_bytes(),
            ),
            version: match parts.version {
                http::Version::HTTP_10 => "HTTP/1.0",
                http::Version::HTTP_2 => "HTTP/2.0",
                _ => "HTTP/1.1",
            },
            host: authority.unwrap_or_else(|| header(http::header::HOST)),
            agent: header(http::header::USER_AGENT),
            route: String::new(),
            status: 0,
            bytes: 0,
            latency: Duration::ZERO,
            is_complete: false,
        })
    }

    fn common(&self) -> String {
        let client = self
            .client
            .map_or_else(|| "-".to_owned(), |client| client.to_string());
        let mut out = format!("{client} - - [{}] \"", lines::common_time(self.time));
        escape(&self.method, &mut out);
        out.push(' ');
        escape(&self.target, &mut out);
        // Writing to a string does not fail.
        let _ = writeln!(out, " {}\" {} {}", self.version, self.status, self.bytes);
        out
    }

    fn json(&self) -> String {
        let line = JsonLine {
            time: lines::rfc3339(self.time),
            id: self.id.to_string(),
            client: self.client,
            method: &self.method,
            target: &self.target,
            version: self.version,
            host: &self.host,
            user_agent: &self.agent,
            route: &self.route,
            status: self.status,
            bytes: self.bytes,
            micros: u64::try_from(self.latency.as_micros()).unwrap_or(u64::MAX),
            complete: self.is_complete,
        };
        lines::json(&line)
    }
}

#[derive(Serialize)]
struct JsonLine<'a> {
    time: String,
    id: String,
    client: Option<IpAddr>,
    method: &'a str,
    target: &'a str,
    version: &'a str,
    host: &'a str,
    user_agent: &'a str,
    route: &'a str,
    status: u16,
    bytes: u64,
    micros: u64,
    complete: bool,
}

/// Where threads leave their lines.
#[derive(Debug, Clone)]
pub(crate) struct LogSender {
    lines: SyncSender<Box<Line>>,
    metrics: Arc<Metrics>,
}

impl LogSender {
    pub(crate) fn send(&self, line: Box<Line>) {
        if self.lines.try_send(line).is_err() {
            self.metrics.log_lines_lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Starts the thread that writes; it ends when nobody can send any more.
pub(crate) fn start(
    format: AccessLog,
    writer: Box<dyn Write + Send>,
    metrics: &Arc<Metrics>,
) -> std::io::Result<Option<(LogSender, JoinHandle<()>)>> {
    if format == AccessLog::Off {
        return Ok(None);
    }
    let (lines, received) = sync_channel(WAITING_MAX);
    let lost = Arc::clone(metrics);
    let thread = std::thread::Builder::new()
        .name("access-log".to_owned())
        .spawn(move || write(format, writer, &received, &lost))?;
    let sender = LogSender {
        lines,
        metrics: Arc::clone(metrics),
    };
    Ok(Some((sender, thread)))
}

fn write(format: AccessLog, mut writer: Box<dyn Write + Send>, lines: &Receiver<Box<Line>>, lost: &Metrics) {
    let mut batch = String::new();
    while let Ok(first) = lines.recv() {
        let mut count = 0;
        batch.clear();
        for line in std::iter::once(first).chain(lines.try_iter().take(256)) {
            match format {
                AccessLog::Json => batch.push_str(&line.json()),
                AccessLog::Common | AccessLog::Off => batch.push_str(&line.common()),
            }
            count += 1;
        }
        let written = writer.write_all(batch.as_bytes()).and_then(|()| writer.flush());
        if written.is_err() {
            lost.log_lines_lost.fetch_add(count, Ordering::Relaxed);
        }
    }
}

fn text(bytes: &[u8]) -> String {
    let bytes = bytes.get(..TEXT_BYTES_MAX).unwrap_or(bytes);
    String::from_utf8_lossy(bytes).into_owned()
}

/// Writes a text without control characters, quotes and backslashes.
fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            // Writing to a string does not fail.
            control if control.is_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn line(target: &str) -> Box<Line> {
        let request = http::Request::builder().uri("/").body(()).unwrap();
        let mut line = Line::new(RequestId(1), Some([127, 0, 0, 1].into()), &request.into_parts().0);
        line.time = UNIX_EPOCH + Duration::from_millis(971_186_136_007);
        line.target = target.to_owned();
        line.status = 200;
        line
    }

    #[test]
    fn lines_are_what_the_tools_expect() {
        let common = line("/a?b").common();
        assert_eq!(
            common,
            "127.0.0.1 - - [10/Oct/2000:13:55:36 +0000] \"GET /a?b HTTP/1.1\" 200 0\n"
        );
        let json: serde_json::Value = serde_json::from_str(&line("/a").json()).unwrap();
        assert_eq!(json["time"], "2000-10-10T13:55:36.007Z");
        assert_eq!(json["status"], 200);
    }

    #[test]
    fn no_client_can_write_a_line_of_its_own() {
        let hostile = "/\r\n\u{1b}[31m\"\\\u{7f}\u{9b}x";
        for text in [line(hostile).common(), line(hostile).json()] {
            let inside = text.strip_suffix('\n').unwrap();
            assert!(!inside.chars().any(char::is_control), "{inside:?}");
        }
        let json: serde_json::Value = serde_json::from_str(&line(hostile).json()).unwrap();
        assert_eq!(json["target"], hostile);
    }
}
