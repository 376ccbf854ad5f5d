//! Numbers for Prometheus. Every thread counts for itself, so that counting is a load and a store and no two cores
//! ever wait for one another; whoever asks adds them up.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// A number that one thread writes and others read.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_add(more),
            Ordering::Relaxed,
        );
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper ends of the latency classes, in microseconds.
const LATENCIES: [u64; 16] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000, 30_000_000,
];

/// What one thread counts.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct ThreadCounts {
    pub(crate) connections_opened: Counter,
    pub(crate) connections_closed: Counter,
    pub(crate) requests_begun: Counter,
    pub(crate) requests_ended: Counter,
    /// Requests that had to wait, and those that were refused because there was no room.
    pub(crate) queued: Counter,
    pub(crate) shed: Counter,
    /// Requests that were no requests.
    pub(crate) refused: Counter,
    latencies: [Counter; LATENCIES.len() + 1],
    latency_micros: Counter,
}

impl ThreadCounts {
    pub(crate) fn count_latency(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let class = LATENCIES.partition_point(|&end| end < micros);
        if let Some(class) = self.latencies.get(class) {
            class.add(1);
        }
        self.latency_micros.add(micros);
    }
}

/// Responses of one route, by the class of their status; class 0 is for those that never were sent.
#[derive(Debug)]
pub(crate) struct RouteCounts {
    threads: Box<[StatusClasses]>,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct StatusClasses([Counter; 6]);

impl RouteCounts {
    pub(crate) fn count(&self, thread: usize, status: u16) {
        let class = if status == CLIENT_GONE {
            0
        } else {
            usize::from(status / 100)
        };
        if let Some(counter) = self.threads.get(thread).and_then(|classes| classes.0.get(class)) {
            counter.add(1);
        }
    }

    fn sum(&self, class: usize) -> u64 {
        let counters = self.threads.iter().filter_map(|thread| thread.0.get(class));
        counters.map(Counter::get).sum()
    }
}

/// Stands in the log for the status of a response that was not sent because its client went away.
pub(crate) const CLIENT_GONE: u16 = 499;

/// All numbers of one server.
#[derive(Debug)]
pub(crate) struct Metrics {
    threads: Vec<Arc<ThreadCounts>>,
    /// By name, so that a route goes on counting when what answers is replaced.
    routes: Mutex<BTreeMap<String, Arc<RouteCounts>>>,
    pub(crate) log_lines_lost: AtomicU64,
    pub(crate) panics: AtomicU64,
}

impl Metrics {
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            threads: (0..threads).map(|_| Arc::default()).collect(),
            routes: Mutex::default(),
            log_lines_lost: AtomicU64::new(0),
            panics: AtomicU64::new(0),
        }
    }

    pub(crate) fn thread(&self, number: usize) -> Arc<ThreadCounts> {
        self.threads.get(number).cloned().unwrap_or_default()
    }

    /// The counts of a route; the empty name is for requests that no route is for.
    pub(crate) fn route(&self, name: &str) -> Arc<RouteCounts> {
        let mut routes = self.routes.lock();
        let counts = routes.entry(name.to_owned()).or_insert_with(|| {
            let threads = self.threads.iter().map(|_| StatusClasses::default()).collect();
            Arc::new(RouteCounts { threads })
        });
        Arc::clone(counts)
    }

    fn sum(&self, what: impl Fn(&ThreadCounts) -> &Counter) -> u64 {
        self.threads.iter().map(|thread| what(thread).get()).sum()
    }
}

/// The numbers as Prometheus reads them. `inside` and `waiting` are requests worked on and requests in the queue.
pub(crate) fn render(metrics: &Metrics, inside: usize, waiting: usize) -> String {
    let mut page = Page(String::with_capacity(4096));
    let opened = metrics.sum(|thread| &thread.connections_opened);
    let closed = metrics.sum(|thread| &thread.connections_closed);
    page.single(
        "weft_http_connections",
        "gauge",
        "Connections open now.",
        opened.saturating_sub(closed),
    );
    page.single(
        "weft_http_connections_total",
        "counter",
        "Connections accepted.",
        opened,
    );
    let begun = metrics.sum(|thread| &thread.requests_begun);
    let ended = metrics.sum(|thread| &thread.requests_ended);
    page.single(
        "weft_http_requests_in_flight",
        "gauge",
        "Requests begun and not ended, those in the queue included.",
        begun.saturating_sub(ended),
    );
    page.single(
        "weft_http_requests_admitted",
        "gauge",
        "Requests worked on now.",
        inside as u64,
    );
    page.single(
        "weft_http_requests_waiting",
        "gauge",
        "Requests in the queue now.",
        waiting as u64,
    );
    let queued = metrics.sum(|thread| &thread.queued);
    page.single(
        "weft_http_requests_queued_total",
        "counter",
        "Requests that had to wait.",
        queued,
    );
    let shed = metrics.sum(|thread| &thread.shed);
    page.single(
        "weft_http_requests_shed_total",
        "counter",
        "Requests refused for want of room.",
        shed,
    );
    let refused = metrics.sum(|thread| &thread.refused);
    page.single(
        "weft_http_requests_refused_total",
        "counter",
        "Requests that were none.",
        refused,
    );
    let lost = metrics.log_lines_lost.load(Ordering::Relaxed);
    page.single(
        "weft_access_log_lines_lost_total",
        "counter",
        "Lines that the log had no room for.",
        lost,
    );
    let panics = metrics.panics.load(Ordering::Relaxed);
    page.single(
        "weft_http_connection_panics_total",
        "counter",
        "Connections ended by a panic.",
        panics,
    );
    page.routes(metrics);
    page.latencies(metrics);
    page.0
}

struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{line}");
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.head(name, kind, help);
        self.line(format_args!("{name} {value}"));
    }

    fn routes(&mut self, metrics: &Metrics) {
        let name = "weft_http_requests_total";
        self.head(
            name,
            "counter",
            "Requests by route and class of status; `none` was never sent.",
        );
        for (route, counts) in &*metrics.routes.lock() {
            for (class, label) in ["none", "1xx", "2xx", "3xx", "4xx", "5xx"]
                .into_iter()
                .enumerate()
            {
                let sum = counts.sum(class);
                if sum > 0 {
                    self.line(format_args!(
                        "{name}{{route=\"{route}\",status=\"{label}\"}} {sum}"
                    ));
                }
            }
        }
    }

    fn latencies(&mut self, metrics: &Metrics) {
        let name = "weft_http_request_seconds";
        self.head(
            name,
            "histogram",
            "From a complete head to the end of the response.",
        );
        let mut sum = 0;
        for class in 0..=LATENCIES.len() {
            let counts = metrics
                .threads
                .iter()
                .filter_map(|thread| thread.latencies.get(class));
            sum += counts.map(Counter::get).sum::<u64>();
            match LATENCIES.get(class) {
                Some(end) => {
                    let end = Duration::from_micros(*end).as_secs_f64();
                    self.line(format_args!("{name}_bucket{{le=\"{end}\"}} {sum}"));
                }
                None => self.line(format_args!("{name}_bucket{{le=\"+Inf\"}} {sum}")),
            }
        }
        let micros = metrics.sum(|thread| &thread.latency_micros);
        self.line(format_args!(
            "{name}_sum {}",
            Duration::from_micros(micros).as_secs_f64()
        ));
        self.line(format_args!("{name}_count {sum}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_thread_counted_is_added_up() {
        let metrics = Metrics::new(2);
        let route = metrics.route("shop");
        route.count(0, 200);
        route.count(1, 204);
        route.count(1, CLIENT_GONE);
        for thread in 0..2 {
            metrics.thread(thread).connections_opened.add(2);
            metrics.thread(thread).count_latency(Duration::from_micros(700));
        }
        metrics.thread(1).connections_closed.add(1);
        let text = render(&metrics, 5, 6);
        for line in [
            "weft_http_connections 3",
            "weft_http_requests_total{route=\"shop\",status=\"2xx\"} 2",
            "weft_http_requests_total{route=\"shop\",status=\"none\"} 1",
            "weft_http_request_seconds_bucket{le=\"0.0005\"} 0",
            "weft_http_request_seconds_bucket{le=\"0.001\"} 2",
            "weft_http_request_seconds_bucket{le=\"+Inf\"} 2",
            "weft_http_requests_waiting 6",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
