//! A server as its owner holds it: started, told to replace what answers, told to end.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::LocalOptions;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Semaphore, watch};
use weft_app::trigger::http::{HttpLimits, ListenAddress};

use crate::admin;
use crate::admission::Admission;
use crate::files::FolderError;
use crate::handler::Handler;
use crate::listen::{self, Accepting, Bound};
use crate::observe::{self, LogSender, Metrics};
use crate::router;
use crate::settings::{Notice, Notify, Settings, Site};
use crate::spread::{Desks, Handed};
use crate::tls::{Certificate, TlsError};
use crate::worker::{Installed, Order, Shared, Worker};

/// How often the files of certificates are looked at.
const CERTIFICATE_PERIOD: Duration = Duration::from_secs(2);

/// Longer times mean this one: so long that it is over for nobody, so short that it can be added to any time.
const TIME_MAX: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Threads of each serving thread that may wait for disks.
const BLOCKING_THREADS_MAX: usize = 16;

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be bound.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// The address.
        address: ListenAddress,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A certificate cannot be used.
    #[error("the certificate `{certificate}` cannot be used")]
    Certificate {
        /// Its file.
        certificate: PathBuf,
        /// Why.
        #[source]
        source: TlsError,
    },
    /// What answers cannot be installed.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// The system gives no thread or no randomness.
    #[error("the system does not give what a server needs")]
    System(#[source] io::Error),
}

/// Why a site cannot be installed.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// A route names a method that is none.
    #[error("`{0}` is not a method of HTTP")]
    Method(String),
    /// A folder cannot be served.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// A running server.
///
/// # Authority
/// It listens where its settings say, and reads the folders of its routes and the files of its certificates.
/// What else happens is up to the handler.
pub struct Server<H: Handler> {
    shared: Arc<Shared<H>>,
    addresses: Vec<ListenAddress>,
    admin_address: Option<ListenAddress>,
    orders: watch::Sender<Order>,
    workers: Vec<JoinHandle<()>>,
    log: Option<JoinHandle<()>>,
    keeper: Option<Keeper>,
    admin: Option<(watch::Sender<()>, JoinHandle<()>)>,
}

/// A site that was replaced. Requests that began on it end on it.
#[derive(Debug)]
pub struct Retiring(mpsc::Receiver<()>);

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every request had its response.
    Drained,
    /// Some had none when the time was over: this many connections were cut off.
    CutOff(usize),
}

impl Retiring {
    /// Waits until nothing uses the old site any more, and its handler is gone: whether that happened in time.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> bool {
        matches!(
            self.0.recv_timeout(timeout),
            Err(mpsc::RecvTimeoutError::Disconnected)
        )
    }
}

impl<H: Handler> Server<H> {
    /// Starts a server: when this returns, connections are accepted, if it listens anywhere.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub fn start(settings: Settings, site: Site<H>) -> Result<Self, StartError> {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = settings.threads.map_or_else(processors, usize::from);
        let limits = bounded(settings.limits);
        let metrics = Arc::new(Metrics::new(threads));
        let installed = install(site, &limits, &metrics)?;
        let mut certificates = Vec::new();
        let mut addresses = Vec::new();
        let mut sockets: Vec<Vec<Accepting>> = (0..threads).map(|_| Vec::new()).collect();
        for (number, listener) in settings.listeners.iter().enumerate() {
            let tls = listener.tls.as_ref().map(|files| {
                Certificate::open(files).map_err(|source| StartError::Certificate {
                    certificate: files.certificate.clone(),
                    source,
                })
            });
            let tls = tls.transpose()?;
            certificates.extend(tls.clone());
            let (address, bound) = bind(&listener.address, threads)?;
            for (thread, socket) in sockets.iter_mut().zip(bound) {
                thread.push(Accepting {
                    socket,
                    address: address.clone(),
                    proxy_protocol: listener.proxy_protocol,
                    tls: tls.clone(),
                    number,
                });
            }
            addresses.push(address);
        }
        let (desks, handed) = Desks::new(threads);
        let shared = Arc::new(Shared {
            desks,
            pages: settings.fault_pages,
            site: Mutex::new(Arc::new(installed)),
            version: AtomicU64::new(0),
            admission: Admission::new(limits.requests_max, limits.queue_max),
            connections: Arc::new(Semaphore::new(
                limits.connections_max.clamp(1, Semaphore::MAX_PERMITS),
            )),
            metrics,
            is_ready: AtomicBool::new(true),
            cut_off: AtomicUsize::new(0),
            health: settings.health,
            notify: settings.notify,
            limits,
        });
        let log = observe::start_log(settings.access_log, settings.log_writer, &shared.metrics);
        let (log_sender, log) = log.map_err(StartError::System)?.unzip();
        let mut server = Self {
            orders: watch::Sender::new(Order::Serve(0)),
            addresses,
            admin_address: None,
            workers: Vec::new(),
            log,
            keeper: None,
            admin: None,
            shared,
        };
        // From here on, dropping the server ends what was started. It waits for the log, which ends with its last
        // sender: so this one must be dropped before the server.
        let log_sender = log_sender;
        if let Some(address) = &settings.admin {
            server.start_admin(address)?;
        }
        if !certificates.is_empty() {
            let notify = Arc::clone(&server.shared.notify);
            server.keeper = Some(Keeper::start(certificates, notify).map_err(StartError::System)?);
        }
        for (number, (listeners, handed)) in sockets.into_iter().zip(handed).enumerate() {
            let worker = server.start_worker(number, listeners, handed, log_sender.clone());
            server.workers.push(worker.map_err(StartError::System)?);
        }
        Ok(server)
    }

    fn start_admin(&mut self, address: &ListenAddress) -> Result<(), StartError> {
        let (address, mut sockets) = bind(address, 1)?;
        let Some(socket) = sockets.pop() else {
            return Ok(());
        };
        let (until, ended) = watch::channel(());
        let thread = admin::start(socket, Arc::clone(&self.shared), ended).map_err(StartError::System)?;
        self.admin = Some((until, thread));
        self.admin_address = Some(address);
        Ok(())
    }

    fn start_worker(
        &self,
        number: usize,
        listeners: Vec<Accepting>,
        handed: UnboundedReceiver<Handed>,
        log: Option<LogSender>,
    ) -> io::Result<JoinHandle<()>> {
        let shared = Arc::clone(&self.shared);
        let orders = self.orders.subscribe();
        // What can fail is done here, where somebody hears of it.
        let runtime = move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(BLOCKING_THREADS_MAX)
                .build_local(LocalOptions::default())
        };
        let (started, is_started) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name(format!("serve-{number}"))
            .spawn(move || {
                let prepared = runtime().and_then(|runtime| Ok((runtime, Worker::new(shared, number, log)?)));
                match prepared {
                    Ok((runtime, worker)) => {
                        // Nobody listening means that the server is being dropped, which the orders tell as well.
                        let _ = started.send(Ok(()));
                        runtime.block_on(worker.run(listeners, handed, orders));
                        runtime.shutdown_background();
                    }
                    Err(error) => {
                        let _ = started.send(Err(error));
                    }
                }
            })?;
        is_started.recv().map_err(io::Error::other)??;
        Ok(thread)
    }

    /// Where connections are accepted, with the ports that the system chose, in the order of the listeners.
    #[must_use]
    pub fn addresses(&self) -> &[ListenAddress] {
        &self.addresses
    }

    /// Where health and numbers are shown, where they are.
    #[must_use]
    pub fn admin_address(&self) -> Option<&ListenAddress> {
        self.admin_address.as_ref()
    }

    /// Says whether balancers may send requests here. A server is ready when it has started, and not when it drains.
    pub fn set_ready(&self, is_ready: bool) {
        self.shared.is_ready.store(is_ready, Ordering::Release);
    }

    /// Replaces what answers. Requests that come after this returns are answered by the new site; those in flight
    /// end on the old one, and its handler is dropped with the last of them.
    ///
    /// # Errors
    /// [`SiteError`]; the old site goes on then.
    pub fn swap(&self, site: Site<H>) -> Result<Retiring, SiteError> {
        let old_alive = {
            let installed = install(site, &self.shared.limits, &self.shared.metrics)?;
            let mut current = self.shared.site.lock();
            let old = std::mem::replace(&mut *current, Arc::new(installed));
            let version = self.shared.version.fetch_add(1, Ordering::AcqRel) + 1;
            // Threads without requests let go of the old site as well.
            self.orders.send_if_modified(|order| {
                let is_serving = matches!(order, Order::Serve(_));
                if is_serving {
                    *order = Order::Serve(version);
                }
                is_serving
            });
            old.take_end()
        };
        Ok(Retiring(old_alive))
    }

    /// Looks at the files of certificates now, instead of within two seconds.
    pub fn reload_certificates(&self) {
        if let Some(keeper) = &self.keeper {
            keeper.look();
        }
    }

    /// Begins to end: readiness turns false, nothing more is accepted, connections end after their present request.
    pub fn begin_drain(&self) {
        self.set_ready(false);
        let until = Instant::now() + self.shared.limits.grace;
        self.orders.send_if_modified(|order| {
            let is_serving = matches!(order, Order::Serve(_));
            if is_serving {
                *order = Order::Drain(until);
            }
            is_serving
        });
    }

    /// Ends when every request has its response, or when [`HttpLimits::grace`] is over.
    #[must_use]
    pub fn drain(mut self) -> Ended {
        self.begin_drain();
        self.join()
    }

    /// Ends at once: requests in flight have no response.
    #[must_use]
    pub fn stop(mut self) -> Ended {
        self.set_ready(false);
        self.orders.send_replace(Order::Stop);
        self.join()
    }

    fn join(&mut self) -> Ended {
        for worker in self.workers.drain(..) {
            if worker.join().is_err() {
                (self.shared.notify)(Notice::ConnectionPanicked);
            }
        }
        if let Some((until, thread)) = self.admin.take() {
            drop(until);
            // Its end is all that is wanted of it.
            let _ended = thread.join();
        }
        self.keeper = None;
        if let Some(log) = self.log.take() {
            let _ended = log.join();
        }
        for address in self.addresses.drain(..).chain(self.admin_address.take()) {
            if let ListenAddress::Unix(path) = address {
                // Whoever removed it before did what is wanted here.
                let _removed = fs_err::remove_file(path);
            }
        }
        match self.shared.cut_off.load(Ordering::Acquire) {
            0 => Ended::Drained,
            number => Ended::CutOff(number),
        }
    }
}

impl<H: Handler> Drop for Server<H> {
    fn drop(&mut self) {
        self.orders.send_replace(Order::Stop);
        self.join();
    }
}

impl<H: Handler> std::fmt::Debug for Server<H> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Server")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

fn install<H: Handler>(
    site: Site<H>,
    limits: &HttpLimits,
    metrics: &Metrics,
) -> Result<Installed<H>, SiteError> {
    if let Some(method) = router::first_bad_method(&site.routes) {
        return Err(SiteError::Method(method.to_owned()));
    }
    Ok(Installed::new(site, limits, metrics)?)
}

fn bind(address: &ListenAddress, threads: usize) -> Result<(ListenAddress, Vec<Bound>), StartError> {
    listen::bind(address, threads).map_err(|source| StartError::Listen {
        address: address.clone(),
        source,
    })
}

/// Limits whose times can be added to any moment.
fn bounded(mut limits: HttpLimits) -> HttpLimits {
    for time in [
        &mut limits.queue_timeout,
        &mut limits.head_timeout,
        &mut limits.body_timeout,
        &mut limits.idle_timeout,
        &mut limits.response_timeout,
        &mut limits.total_timeout,
        &mut limits.grace,
    ] {
        *time = (*time).min(TIME_MAX);
    }
    limits
}

/// The thread that looks at the files of certificates.
struct Keeper {
    look: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    fn start(certificates: Vec<Arc<Certificate>>, notify: Notify) -> io::Result<Self> {
        let (look, looks) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("certificates".to_owned())
            .spawn(move || {
                while !matches!(
                    looks.recv_timeout(CERTIFICATE_PERIOD),
                    Err(mpsc::RecvTimeoutError::Disconnected)
                ) {
                    certificates
                        .iter()
                        .for_each(|certificate| refresh(certificate, &notify));
                }
            })?;
        Ok(Self {
            look: Some(look),
            thread: Some(thread),
        })
    }

    fn look(&self) {
        if let Some(look) = &self.look {
            // A thread that has ended looks at nothing any more.
            let _ = look.send(());
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.look = None;
        if let Some(thread) = self.thread.take() {
            // Its end is all that is wanted of it.
            let _ended = thread.join();
        }
    }
}

fn refresh(certificate: &Certificate, notify: &Notify) {
    let path = certificate.path().to_owned();
    match certificate.refresh() {
        Ok(false) => {}
        Ok(true) => notify(Notice::CertificateReplaced(path)),
        Err(error) => {
            let mut reason = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                reason = format!("{reason}: {cause}");
                source = cause.source();
            }
            notify(Notice::CertificateRefused {
                certificate: path,
                reason,
            });
        }
    }
}
