//! Small servers for guests to talk to: on 127.0.0.1, on any free port, gone when the value goes.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A connection that is silent for so long is closed, so that a broken test ends.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// A TCP server that sends back whatever comes, until its peer stops sending.
#[derive(Debug)]
pub struct TcpEcho(Server);

/// A UDP server that sends every datagram back to its sender.
#[derive(Debug)]
pub struct UdpEcho(Server);

/// What both have: a thread that answers until it is told to stop.
#[derive(Debug)]
struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stopping: AtomicBool,
    visitors: AtomicUsize,
}

impl TcpEcho {
    /// Starts the server.
    ///
    /// # Panics
    ///
    /// Where no port can be had.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.unwrap_or_else(|error| panic!("cannot listen on 127.0.0.1: {error}"));
        let address = listener
            .local_addr()
            .unwrap_or_else(|error| panic!("a listener without address: {error}"));
        Self(Server::start(address, move |shared| accept(&listener, shared)))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// How many connections it has accepted: none, where a refusal came before the network.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.shared.visitors.load(Ordering::SeqCst)
    }
}

impl Drop for TcpEcho {
    fn drop(&mut self) {
        // A connection of our own wakes the thread out of `accept`.
        self.0.stop(|address| TcpStream::connect(address).map(drop));
    }
}

impl UdpEcho {
    /// Starts the server.
    ///
    /// # Panics
    ///
    /// Where no port can be had.
    #[must_use]
    pub fn start() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
        let socket = socket.unwrap_or_else(|error| panic!("cannot bind on 127.0.0.1: {error}"));
        let address = socket
            .local_addr()
            .unwrap_or_else(|error| panic!("a socket without address: {error}"));
        Self(Server::start(address, move |shared| {
            answer_datagrams(&socket, shared)
        }))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// How many datagrams have come.
    #[must_use]
    pub fn datagrams(&self) -> usize {
        self.0.shared.visitors.load(Ordering::SeqCst)
    }
}

impl Drop for UdpEcho {
    fn drop(&mut self) {
        let wake = |address| {
            UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?
                .send_to(&[], address)
                .map(drop)
        };
        self.0.stop(wake);
    }
}

impl Server {
    fn start(address: SocketAddr, serve: impl FnOnce(&Arc<Shared>) + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let in_thread = Arc::clone(&shared);
        Self {
            address,
            shared,
            thread: Some(thread::spawn(move || serve(&in_thread))),
        }
    }

    /// Tells the thread to stop and waits for it, where it could be woken.
    fn stop(&mut self, wake: impl FnOnce(SocketAddr) -> io::Result<()>) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        if let (Ok(()), Some(thread)) = (wake(self.address), self.thread.take()) {
            // A panic in the thread is its own message; panicking here could hide the test's.
            let _ = thread.join();
        }
    }
}

/// Gives every connection a thread of its own; they end with their peers, or when they have been silent too long.
fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        shared.visitors.fetch_add(1, Ordering::SeqCst);
        // A connection that broke before it was accepted is its peer's affair.
        if let Ok(stream) = stream {
            thread::spawn(move || echo(stream));
        }
    }
}

/// A peer that goes away ends its own echo and nothing else, so errors end here.
fn echo(mut stream: TcpStream) {
    let mut piece = [0; 4096];
    let silence = stream.set_read_timeout(Some(SILENCE_MAX));
    while let (Ok(()), Ok(length @ 1..)) = (&silence, stream.read(&mut piece)) {
        if piece
            .get(..length)
            .is_none_or(|read| stream.write_all(read).is_err())
        {
            return;
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
}

fn answer_datagrams(socket: &UdpSocket, shared: &Shared) {
    let mut datagram = vec![0; 64 * 1024];
    while let Ok((length, sender)) = socket.recv_from(&mut datagram) {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        shared.visitors.fetch_add(1, Ordering::SeqCst);
        // A sender that is gone needs no answer.
        let _ = datagram.get(..length).map(|bytes| socket.send_to(bytes, sender));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Shutdown, TcpStream, UdpSocket};
    use std::sync::Arc;

    use super::{TcpEcho, UdpEcho};

    #[test]
    fn tcp_comes_back_and_is_counted_and_the_thread_ends_with_the_server() {
        let server = TcpEcho::start();
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.write_all(b"there and back").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert_eq!((reply.as_str(), server.connections()), ("there and back", 1));
        // Not by connecting again: a program just being started by another test may still hold the socket.
        let shared = Arc::clone(&server.0.shared);
        drop(server);
        assert_eq!(Arc::strong_count(&shared), 1);
    }

    #[test]
    fn datagrams_come_back_and_are_counted() {
        let server = UdpEcho::start();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(b"ping", server.address()).unwrap();
        let mut reply = [0; 16];
        let (length, sender) = socket.recv_from(&mut reply).unwrap();
        assert_eq!((&reply[..length], sender), (b"ping".as_slice(), server.address()));
        assert_eq!(server.datagrams(), 1);
    }
}
