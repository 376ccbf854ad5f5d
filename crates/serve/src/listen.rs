//! Where connections come in: sockets made, accepted from, and closed without turning anybody away who was already
//! let in.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, SockFilter, Socket as RawSocket, Type};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::UnboundedReceiver;
use weft_app::trigger::http::{ListenAddress, ProxyProtocol};

use crate::connection::{self, Socket};
use crate::handler::Handler;
use crate::settings::Notice;
use crate::spread::Handed;
use crate::tls::Certificate;
use crate::worker::Worker;

/// Connections that the system keeps until they are accepted.
const BACKLOG: i32 = 4096;

/// How long a listener is still accepted from after the server was told to end: connections whose handshake was
/// under way are let in. Nobody new is, meanwhile.
const LAST_CALL: Duration = Duration::from_millis(100);

/// How long nothing is accepted after that failed, for want of descriptors for instance.
const PAUSE: Duration = Duration::from_millis(50);

/// A listener of one thread, before its runtime is there.
#[derive(Debug)]
pub(crate) struct Accepting {
    pub(crate) socket: Bound,
    pub(crate) address: ListenAddress,
    pub(crate) proxy_protocol: ProxyProtocol,
    pub(crate) tls: Option<Arc<Certificate>>,
    /// The same for all threads.
    pub(crate) number: usize,
}

/// What a connection needs to know of the listener that it came in by.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) proxy_protocol: ProxyProtocol,
    pub(crate) tls: Option<Arc<Certificate>>,
    /// Its number, the same for all threads.
    number: usize,
}

impl Opened {
    pub(crate) fn by(listener: &Accepting) -> Rc<Self> {
        Rc::new(Self {
            proxy_protocol: listener.proxy_protocol,
            tls: listener.tls.clone(),
            number: listener.number,
        })
    }
}

/// A socket that listens.
#[derive(Debug)]
pub(crate) enum Bound {
    Tcp(std::net::TcpListener),
    Unix(StdUnixListener),
}

/// Binds an address once for each thread: sockets of their own for the network, among which the system spreads
/// connections, and one shared socket for a path. The address has the port that the system chose.
pub(crate) fn bind(address: &ListenAddress, threads: usize) -> io::Result<(ListenAddress, Vec<Bound>)> {
    match address {
        ListenAddress::Tcp(address) => bind_tcp(*address, threads),
        ListenAddress::Unix(path) => {
            let listener = bind_unix(path)?;
            listener.set_nonblocking(true)?;
            let sockets = (0..threads)
                .map(|_| listener.try_clone().map(Bound::Unix))
                .collect::<io::Result<_>>()?;
            Ok((address.clone(), sockets))
        }
    }
}

fn bind_tcp(address: SocketAddr, threads: usize) -> io::Result<(ListenAddress, Vec<Bound>)> {
    if address.port() != 0 {
        // Sockets that share a port would also share it with another server of the same user, silently. This one must
        // not listen: a client that waits for the server to come back would be let in, and turned away with it.
        drop(bind_socket(address, Sharing::No)?);
    }
    let first = open_tcp(address, Sharing::Yes)?;
    let address = first.local_addr()?;
    let mut sockets = vec![Bound::Tcp(first)];
    while sockets.len() < threads {
        sockets.push(Bound::Tcp(open_tcp(address, Sharing::Yes)?));
    }
    Ok((ListenAddress::Tcp(address), sockets))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Yes,
    No,
}

fn open_tcp(address: SocketAddr, sharing: Sharing) -> io::Result<std::net::TcpListener> {
    let socket = bind_socket(address, sharing)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn bind_socket(address: SocketAddr, sharing: Sharing) -> io::Result<RawSocket> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    if sharing == Sharing::Yes {
        socket.set_reuse_port(true)?;
    }
    // Inherited by every connection.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Binds a path. A socket that nobody listens to any more is replaced; anything else is left as it is.
fn bind_unix(path: &Path) -> io::Result<StdUnixListener> {
    let is_socket = fs_err::symlink_metadata(path).is_ok_and(|facts| facts.file_type().is_socket());
    if is_socket {
        let refused = std::os::unix::net::UnixStream::connect(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        if refused {
            fs_err::remove_file(path)?;
        }
    }
    StdUnixListener::bind(path)
}

/// Accepts connections until the server is told to end, and then for a last moment.
pub(crate) async fn accept<H: Handler>(worker: Rc<Worker<H>>, accepting: Accepting, opened: Rc<Opened>) {
    let listener = match Listening::start(accepting.socket) {
        Ok(listener) => listener,
        Err(error) => return tell(&worker, &accepting.address, &error),
    };
    loop {
        let changed = worker.changed.notified();
        if worker.draining.get().is_some() {
            break;
        }
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, client)) => admit(&worker, &opened, socket, client).await,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tell(&worker, &accepting.address, &error);
                    tokio::time::sleep(PAUSE).await;
                }
            },
            () = changed => {}
        }
    }
    listener.close_door();
    let last_call = tokio::time::sleep(LAST_CALL);
    tokio::pin!(last_call);
    loop {
        tokio::select! {
            biased;
            accepted = listener.accept() => match accepted {
                Ok((socket, client)) => start(&worker, &opened, socket, client),
                Err(_) => return,
            },
            () = &mut last_call => return,
        }
    }
}

fn tell<H: Handler>(worker: &Worker<H>, address: &ListenAddress, error: &io::Error) {
    (worker.shared.notify)(Notice::AcceptFailed {
        address: address.clone(),
        reason: error.to_string(),
    });
}

/// Whether an error of accepting is about a connection that went away, and not about the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

/// Starts a connection when there is room for it; until then nothing else is accepted here.
async fn admit<H: Handler>(
    worker: &Rc<Worker<H>>,
    opened: &Rc<Opened>,
    socket: Socket,
    client: Option<SocketAddr>,
) {
    let has_room = worker.shared.connections.available_permits() > 0;
    if !has_room {
        tokio::select! {
            // Dropped at once: `start` takes it. Another thread may be faster, which costs one connection more.
            _permit = worker.shared.connections.acquire() => {}
            () = worker.wait_for_end() => {}
        }
    }
    match worker.shared.desks.better(worker.books.thread) {
        Some(thread) => hand_on(worker, opened, socket, client, thread),
        None => start(worker, opened, socket, client),
    }
}

/// Lets another thread have a connection, which serves it unless it is at its end already.
fn hand_on<H: Handler>(
    worker: &Rc<Worker<H>>,
    opened: &Rc<Opened>,
    socket: Socket,
    client: Option<SocketAddr>,
    thread: usize,
) {
    // A socket that cannot be moved is closed: the system is out of what it takes to watch another.
    let Ok(socket) = socket.loosen() else { return };
    let handed = Handed {
        listener: opened.number,
        socket,
        client,
        permit: permit(worker),
    };
    if let Err(handed) = worker.shared.desks.hand(thread, handed)
        && let Ok(socket) = Socket::adopt(handed.socket)
    {
        worker.shared.desks.add(worker.books.thread);
        serve(worker, opened, socket, client, handed.permit);
    }
}

/// Serves what other threads hand on, until the server is told to end and nothing more comes.
pub(crate) async fn take_over<H: Handler>(
    worker: Rc<Worker<H>>,
    opened: Rc<[Rc<Opened>]>,
    mut handed: UnboundedReceiver<Handed>,
) {
    loop {
        let changed = worker.changed.notified();
        if worker.has_accepted_all.get() {
            // What is on its way already still comes.
            handed.close();
        }
        let next = tokio::select! {
            biased;
            next = handed.recv() => next,
            () = changed => continue,
        };
        let Some(next) = next else { return };
        match (opened.get(next.listener), Socket::adopt(next.socket)) {
            (Some(opened), Ok(socket)) => serve(&worker, opened, socket, next.client, next.permit),
            _ => worker.shared.desks.remove(worker.books.thread),
        }
    }
}

fn permit<H: Handler>(worker: &Worker<H>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(&worker.shared.connections).try_acquire_owned().ok()
}

fn start<H: Handler>(
    worker: &Rc<Worker<H>>,
    opened: &Rc<Opened>,
    socket: Socket,
    client: Option<SocketAddr>,
) {
    worker.shared.desks.add(worker.books.thread);
    serve(worker, opened, socket, client, permit(worker));
}

/// Serves a connection that is counted for this thread.
fn serve<H: Handler>(
    worker: &Rc<Worker<H>>,
    opened: &Rc<Opened>,
    socket: Socket,
    client: Option<SocketAddr>,
    permit: Option<OwnedSemaphorePermit>,
) {
    worker.count_open();
    let worker = Rc::clone(worker);
    let opened = Rc::clone(opened);
    tokio::task::spawn_local(async move {
        let _permit = permit;
        let _open = Open(Rc::clone(&worker));
        connection::serve(worker, socket, opened, client).await;
    });
}

/// Counts a connection down, however it ends.
struct Open<H: Handler>(Rc<Worker<H>>);

impl<H: Handler> Drop for Open<H> {
    fn drop(&mut self) {
        self.0.count_closed();
        if std::thread::panicking() {
            self.0
                .shared
                .metrics
                .panics
                .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            (self.0.shared.notify)(Notice::ConnectionPanicked);
        }
    }
}

enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listening {
    fn start(socket: Bound) -> io::Result<Self> {
        Ok(match socket {
            Bound::Tcp(socket) => Self::Tcp(TcpListener::from_std(socket)?),
            Bound::Unix(socket) => Self::Unix(UnixListener::from_std(socket)?),
        })
    }

    async fn accept(&self) -> io::Result<(Socket, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, client) = listener.accept().await?;
                Ok((Socket::Tcp(stream), Some(client)))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Socket::Unix(stream), None))
            }
        }
    }

    /// Lets nobody new in. Closing a socket resets the connections that wait to be accepted; so first of all no new
    /// ones may come, and what has begun is accepted. A filter on the socket drops what begins a connection: the
    /// client tries again, and then finds the port closed.
    fn close_door(&self) {
        /// Instructions of the classic packet filter: load a byte, jump if a bit is set, return.
        const LOAD: u16 = 0x30;
        const JUMP_IF_SET: u16 = 0x45;
        const RETURN: u16 = 0x06;
        /// Where the flags of a TCP header are, and the one that begins a connection.
        const FLAGS_AT: u32 = 13;
        const SYN: u32 = 2;
        let filter = [
            SockFilter::new(LOAD, 0, 0, FLAGS_AT),
            SockFilter::new(JUMP_IF_SET, 0, 1, SYN),
            SockFilter::new(RETURN, 0, 0, 0),
            SockFilter::new(RETURN, 0, 0, u32::MAX),
        ];
        if let Self::Tcp(listener) = self {
            // Where the system has no filters, a connection that begins in this very moment may be reset.
            let _ = socket2::SockRef::from(listener).attach_filter(&filter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_looked_at_without_letting_anybody_in() {
        let (taken, listening) = bind_tcp(([127, 0, 0, 1], 0).into(), 2).unwrap();
        let ListenAddress::Tcp(address) = taken else {
            panic!("{taken}")
        };
        assert!(bind_socket(address, Sharing::No).is_err());
        drop(listening);
        let looking = bind_socket(address, Sharing::No).unwrap();
        let refused = std::net::TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        drop(looking);
    }
}
