//! One thread that serves: its runtime, its connections, and what it shares with nobody.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use hyper::server::conn::http1;
use parking_lot::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Notify as Signal, Semaphore, watch};
use tokio::task::JoinHandle;
use weft_app::trigger::http::HttpLimits;

use crate::admission::{Admission, Door};
use crate::files::Folders;
use crate::handler::Handler;
use crate::health::Health;
use crate::ids::Ids;
use crate::listen::{Accepting, Opened, accept, take_over};
use crate::observe::{Books, LogSender, Metrics, RouteCounts, RouteTable};
use crate::protocol::head::Bounds;
use crate::router::Router;
use crate::settings::{FaultPages, Notify, Site};
use crate::spread::{Desks, Handed};
use crate::timers::Timers;

/// What all threads share.
pub(crate) struct Shared<H> {
    pub(crate) limits: HttpLimits,
    pub(crate) pages: FaultPages,
    pub(crate) site: Mutex<Arc<Installed<H>>>,
    /// Grows with every site.
    pub(crate) version: AtomicU64,
    pub(crate) admission: Arc<Admission>,
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) desks: Desks,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) is_ready: AtomicBool,
    /// Connections that were open when their thread ended.
    pub(crate) cut_off: AtomicUsize,
    pub(crate) health: Health,
    pub(crate) notify: Notify,
}

/// A site in use.
pub(crate) struct Installed<H> {
    pub(crate) handler: H,
    pub(crate) router: Router,
    pub(crate) folders: Folders,
    /// For each route, in the order of the app.
    routes: Vec<InstalledRoute>,
    nowhere: Arc<RouteCounts>,
    /// Dropped with the site: whoever waits for its end hears of it.
    _alive: mpsc::Sender<()>,
    end: Mutex<Option<mpsc::Receiver<()>>>,
}

struct InstalledRoute {
    admission: Option<Arc<Admission>>,
    counts: Arc<RouteCounts>,
}

/// A site as one thread sees it.
pub(crate) struct LocalSite<H> {
    installed: Arc<Installed<H>>,
    doors: Vec<Option<Door>>,
    counts: Rc<RouteTable>,
}

/// What the threads are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Serve what is installed now.
    Serve(u64),
    /// Accept nothing more, and end when the last request has ended, or at this time.
    Drain(Instant),
    /// End now.
    Stop,
}

pub(crate) struct Worker<H> {
    pub(crate) shared: Arc<Shared<H>>,
    pub(crate) limits: HttpLimits,
    pub(crate) bounds: Bounds,
    pub(crate) books: Rc<Books>,
    pub(crate) timers: Rc<Timers>,
    pub(crate) ids: RefCell<Ids>,
    pub(crate) door: Door,
    pub(crate) http1: http1::Builder,
    site: RefCell<(u64, Rc<LocalSite<H>>)>,
    /// When it was told to drain.
    pub(crate) draining: Cell<Option<Instant>>,
    pub(crate) is_stopping: Cell<bool>,
    /// Whether its own listeners have ended.
    pub(crate) has_accepted_all: Cell<bool>,
    open: Cell<usize>,
    pub(crate) changed: Signal,
}

impl<H: Handler> Installed<H> {
    pub(crate) fn new(
        site: Site<H>,
        limits: &HttpLimits,
        metrics: &Metrics,
    ) -> Result<Self, crate::files::FolderError> {
        let routes = site
            .routes
            .iter()
            .map(|route| InstalledRoute {
                admission: route
                    .requests_max
                    .map(|max| Admission::new(max, limits.queue_max)),
                counts: metrics.route(route.name.as_str()),
            })
            .collect();
        let (alive, end) = mpsc::channel();
        Ok(Self {
            folders: Folders::open(&site.routes)?,
            handler: site.handler,
            router: Router::new(site.routes),
            routes,
            nowhere: metrics.route(""),
            _alive: alive,
            end: Mutex::new(Some(end)),
        })
    }

    /// Hears of the end of the site. There is one to be had.
    pub(crate) fn take_end(&self) -> mpsc::Receiver<()> {
        self.end.lock().take().unwrap_or_else(|| mpsc::channel().1)
    }
}

impl<H> LocalSite<H> {
    fn new(installed: Arc<Installed<H>>) -> Rc<Self> {
        let door = |route: &InstalledRoute| route.admission.clone().map(Door::new);
        let doors = installed.routes.iter().map(door).collect();
        let counts = installed
            .routes
            .iter()
            .map(|route| Arc::clone(&route.counts))
            .collect();
        let counts = RouteTable::new(counts, Arc::clone(&installed.nowhere));
        Rc::new(Self {
            installed,
            doors,
            counts,
        })
    }

    pub(crate) fn installed(&self) -> &Installed<H> {
        &self.installed
    }

    pub(crate) fn door(&self, route: usize) -> Option<&Door> {
        self.doors.get(route).and_then(Option::as_ref)
    }

    pub(crate) fn counts(&self) -> &Rc<RouteTable> {
        &self.counts
    }
}

impl<H: Handler> Worker<H> {
    pub(crate) fn new(
        shared: Arc<Shared<H>>,
        thread: usize,
        log: Option<LogSender>,
    ) -> std::io::Result<Rc<Self>> {
        let limits = shared.limits.clone();
        let version = shared.version.load(Ordering::Acquire);
        let site = LocalSite::new(Arc::clone(&shared.site.lock()));
        let books = Books {
            thread,
            counts: shared.metrics.thread(thread),
            log,
            notify: Arc::clone(&shared.notify),
        };
        Ok(Rc::new(Self {
            bounds: Bounds {
                bytes_max: limits.head_bytes_max,
                headers_max: limits.headers_max,
                body_bytes_max: limits.body_bytes_max,
            },
            http1: http1_builder(&limits),
            books: Rc::new(books),
            timers: Timers::new(),
            ids: RefCell::new(Ids::new()?),
            door: Door::new(Arc::clone(&shared.admission)),
            site: RefCell::new((version, site)),
            draining: Cell::new(None),
            is_stopping: Cell::new(false),
            has_accepted_all: Cell::new(false),
            open: Cell::new(0),
            changed: Signal::new(),
            limits,
            shared,
        }))
    }

    /// The site that answers now.
    pub(crate) fn site(&self) -> Rc<LocalSite<H>> {
        let version = self.shared.version.load(Ordering::Acquire);
        let mut site = self.site.borrow_mut();
        if site.0 != version {
            let installed = Arc::clone(&self.shared.site.lock());
            *site = (version, LocalSite::new(installed));
        }
        Rc::clone(&site.1)
    }

    /// Waits until it is told to end.
    pub(crate) async fn wait_for_end(&self) {
        loop {
            let changed = self.changed.notified();
            if self.draining.get().is_some() || self.is_stopping.get() {
                return;
            }
            changed.await;
        }
    }

    pub(crate) fn count_open(&self) {
        self.open.set(self.open.get() + 1);
        self.books.counts.connections_opened.add(1);
    }

    pub(crate) fn count_closed(&self) {
        self.open.set(self.open.get() - 1);
        self.shared.desks.remove(self.books.thread);
        self.books.counts.connections_closed.add(1);
        self.changed.notify_waiters();
    }

    /// Serves until it is told to end and its last connection has ended.
    pub(crate) async fn run(
        self: Rc<Self>,
        listeners: Vec<Accepting>,
        handed: UnboundedReceiver<Handed>,
        mut orders: watch::Receiver<Order>,
    ) {
        tokio::task::spawn_local(Rc::clone(&self.timers).run());
        let opened: Rc<[Rc<Opened>]> = listeners.iter().map(Opened::by).collect();
        let taking = tokio::task::spawn_local(take_over(Rc::clone(&self), Rc::clone(&opened), handed));
        let accepting: Vec<_> = listeners
            .into_iter()
            .zip(opened.iter())
            .map(|(listener, opened)| accept(Rc::clone(&self), listener, Rc::clone(opened)))
            .map(tokio::task::spawn_local)
            .collect();
        let until = loop {
            let order = *orders.borrow_and_update();
            match order {
                Order::Serve(_) => drop(self.site()),
                Order::Drain(until) => break until,
                Order::Stop => return self.stop(),
            }
            if orders.changed().await.is_err() {
                return self.stop();
            }
        };
        self.draining.set(Some(Instant::now()));
        self.timers.wake_all();
        self.changed.notify_waiters();
        tokio::select! {
            () = tokio::time::sleep_until(until.into()) => {}
            // Only `Stop` can follow.
            _ = orders.changed() => {}
            () = self.wait_for_connections(accepting, taking) => {}
        }
        self.stop();
    }

    async fn wait_for_connections(&self, accepting: Vec<JoinHandle<()>>, taking: JoinHandle<()>) {
        for listener in accepting {
            // A panic there ends the listener, which is what is waited for.
            let _ended = listener.await;
        }
        self.has_accepted_all.set(true);
        self.changed.notify_waiters();
        let _ended = taking.await;
        loop {
            let changed = self.changed.notified();
            if self.open.get() == 0 {
                return;
            }
            changed.await;
        }
    }

    fn stop(&self) {
        self.shared.cut_off.fetch_add(self.open.get(), Ordering::AcqRel);
        self.is_stopping.set(true);
        self.timers.wake_all();
    }
}

fn http1_builder(limits: &HttpLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // Heads are bounded by the gate; the parser behind it must have room for what the gate lets through.
    builder.max_buf_size(limits.head_bytes_max.saturating_add(16 << 10).max(64 << 10));
    builder.max_header_size(limits.head_bytes_max.max(16 << 10));
    if limits.headers_max > 100 {
        builder.max_headers(limits.headers_max);
    }
    builder
}
