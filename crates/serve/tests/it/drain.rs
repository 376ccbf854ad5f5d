//! The end of a server, without the loss of a request.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use weft_serve::Ended;

use crate::serving::{PATIENCE, Setup};

/// Cycles of the test below, unless `WEFT_DRAIN_CYCLES` says otherwise.
const CYCLES: usize = 12;

#[test]
fn requests_in_flight_have_their_responses_and_idle_connections_are_closed() {
    let mut server = Setup::new().start();
    let mut held = server.connect();
    held.send("GET /sleep/500 HTTP/1.1\r\nHost: a\r\n\r\n");
    server.wait_for_working(1);
    let mut idle = server.connect();
    assert_eq!(idle.get("/").status, 200);
    let fresh = server.connect();
    let server = server.server.take().unwrap();
    server.begin_drain();
    // A request that comes just now is answered, and told that it is the last one.
    let last = idle.get("/");
    assert_eq!((last.status, last.closes()), (200, true));
    let begun = Instant::now();
    assert_eq!(server.drain(), Ended::Drained);
    assert!(begun.elapsed() < Duration::from_secs(5));
    let reply = held.response().unwrap();
    assert_eq!((reply.status, reply.closes()), (200, true));
    assert!(idle.is_closed() && held.is_closed());
    drop(fresh);
}

#[test]
fn what_is_not_done_when_the_time_is_over_is_cut_off() {
    let mut server = Setup::new()
        .limits(|limits| limits.grace = Duration::from_millis(300))
        .start();
    let mut held = server.connect();
    held.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    server.wait_for_working(1);
    let begun = Instant::now();
    assert_eq!(server.server.take().unwrap().drain(), Ended::CutOff(1));
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert!(held.response().is_none());
    assert_eq!(server.working.load(Ordering::SeqCst), 0);
    let mut server = Setup::new().start();
    let mut held = server.connect();
    held.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    server.wait_for_working(1);
    let begun = Instant::now();
    let _ended = server.server.take().unwrap().stop();
    assert!(begun.elapsed() < Duration::from_secs(5));
}

/// Sends requests one after another on connections that are kept, and on fresh ones, until nobody listens any more.
/// A request that has no response although its connection was let in is a failure.
fn load(address: std::net::SocketAddr, is_fresh: bool, sent: &AtomicUsize, is_over: &AtomicBool) {
    let mut kept: Option<TcpStream> = None;
    while !is_over.load(Ordering::SeqCst) {
        let mut stream = match kept.take() {
            Some(stream) => stream,
            None => match TcpStream::connect_timeout(&address, Duration::from_millis(400)) {
                Ok(stream) => stream,
                Err(_) => return,
            },
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        if let Err(error) = stream.write_all(b"GET /length/right HTTP/1.1\r\nHost: a\r\n\r\n") {
            panic!("a request could not be sent: {error}");
        }
        let mut read = Vec::new();
        let mut room = [0; 1024];
        while !read.ends_with(b"hello") {
            match stream.read(&mut room) {
                Ok(0) => panic!(
                    "a request had no response; {} were sent",
                    sent.load(Ordering::SeqCst)
                ),
                Ok(length) => read.extend_from_slice(&room[..length]),
                Err(error) => panic!("a request failed: {error}"),
            }
        }
        sent.fetch_add(1, Ordering::SeqCst);
        let closes = String::from_utf8_lossy(&read)
            .to_lowercase()
            .contains("connection: close");
        if !closes && !is_fresh {
            kept = Some(stream);
        }
    }
}

#[test]
fn no_request_is_lost_however_often_a_server_ends_under_load() {
    let cycles = std::env::var("WEFT_DRAIN_CYCLES").map_or(CYCLES, |cycles| cycles.parse().unwrap());
    for _ in 0..cycles {
        let mut server = Setup::new().start();
        let (address, sent, is_over) = (server.address, AtomicUsize::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for number in 0..4 {
                let (sent, is_over) = (&sent, &is_over);
                scope.spawn(move || load(address, number % 2 == 0, sent, is_over));
            }
            crate::serving::wait_until("the load to begin", || sent.load(Ordering::SeqCst) > 20);
            assert_eq!(server.server.take().unwrap().drain(), Ended::Drained);
            is_over.store(true, Ordering::SeqCst);
        });
    }
}
