//! How long things may take.

use std::net::Shutdown;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::serving::{Setup, route};

const SHORT: Duration = Duration::from_millis(200);

#[test]
fn a_head_must_come_in_time_however_slowly_it_drips() {
    let server = Setup::new().limits(|limits| limits.head_timeout = SHORT).start();
    let mut client = server.connect();
    let begun = Instant::now();
    let head = "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ".bytes();
    for byte in head.chain(std::iter::repeat_n(b'a', 200)) {
        client.send_bytes(&[byte]);
        std::thread::sleep(Duration::from_millis(5));
        if begun.elapsed() > 3 * SHORT {
            break;
        }
    }
    let reply = client.response().unwrap();
    assert_eq!((reply.status, reply.closes()), (408, true));
}

#[test]
fn an_idle_connection_is_closed_after_a_while_also_when_it_was_put_away() {
    let server = Setup::new()
        .limits(|limits| limits.idle_timeout = Duration::from_millis(1500))
        .start();
    let begun = Instant::now();
    assert!(server.connect().is_closed());
    assert!(begun.elapsed() >= Duration::from_millis(1500));
    let mut client = server.connect();
    assert_eq!(client.get("/").status, 200);
    // Put away after a second, and woken.
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(client.get("/").status, 200);
    let begun = Instant::now();
    assert!(client.is_closed());
    assert!(begun.elapsed() >= Duration::from_millis(1400));
}

#[test]
fn a_response_must_begin_in_time_and_a_route_may_say_in_which() {
    let mut patient = route("patient", "/sleep/*");
    patient.response_timeout = Some(Duration::from_secs(5));
    let server = Setup::new()
        .limits(|limits| limits.response_timeout = SHORT)
        .routes(vec![patient, route("all", "/*")])
        .start();
    let begun = Instant::now();
    assert_eq!(server.status("/never"), 504);
    assert!(begun.elapsed() >= SHORT);
    server.wait_for_working(0);
    assert_eq!(server.status("/sleep/400"), 200);
}

#[test]
fn a_body_must_not_stand_still_in_either_direction() {
    let server = Setup::new().limits(|limits| limits.body_timeout = SHORT).start();
    let mut client = server.connect();
    client.send("POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    assert_eq!(client.response().unwrap().status, 408);
    // One that drips steadily may go on.
    let mut client = server.connect();
    client.send("POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    for _ in 0..5 {
        std::thread::sleep(SHORT / 2);
        client.send("x");
    }
    assert_eq!(client.response().unwrap().text(), "read 5");
    // A response that stops, and a client that does not read.
    let mut client = server.connect();
    client.send("GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.response().is_none_or(|reply| !reply.is_whole));
    let mut client = server.connect();
    client.send("GET /large/1000 HTTP/1.1\r\nHost: a\r\n\r\n");
    server.wait_for_working(1);
    server.wait_for_working(0);
    assert!(!client.response().unwrap().is_whole);
    assert_eq!(server.get("/drip/100").text(), "abcde");
}

#[test]
fn a_request_must_end_in_time_whatever_happens_meanwhile() {
    let server = Setup::new()
        .limits(|limits| limits.total_timeout = Duration::from_millis(500))
        .start();
    let reply = server.get("/drip/200");
    assert!(!reply.is_whole && reply.body.starts_with(b"a"), "{reply:?}");
    server.wait_for_working(0);
}

#[test]
fn a_client_that_closes_its_side_gets_its_response_however_long_it_takes() {
    let server = Setup::new().start();
    for path in ["/sleep/1800", "/sleep/240", "/drip/700"] {
        let mut client = server.connect();
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        client.stream.shutdown(Shutdown::Write).unwrap();
        let mut reply = client.response().unwrap();
        let was_asked = reply.status == 100;
        if was_asked {
            reply = client.response().unwrap();
        }
        assert!(
            was_asked || path != "/sleep/1800",
            "nobody asked whether it is there"
        );
        assert_eq!((reply.status, reply.is_whole), (200, true), "{path}");
        assert!(client.is_closed(), "{path}");
    }
    // Two requests, the first of which is slow.
    let mut client = server.connect();
    client.send("GET /sleep/800 HTTP/1.1\r\nHost: a\r\n\r\nGET /sleep/800 HTTP/1.1\r\nHost: a\r\n\r\n");
    client.stream.shutdown(Shutdown::Write).unwrap();
    let replies: Vec<u16> = std::iter::from_fn(|| client.response())
        .map(|reply| reply.status)
        .filter(|status| *status != 100)
        .collect();
    assert_eq!(replies, [200, 200]);
    // HTTP/1.0 knows nothing that it could be asked.
    let mut client = server.connect();
    client.send("GET /sleep/300 HTTP/1.0\r\n\r\n");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.response().unwrap().status, 200);
}

#[test]
fn a_client_that_is_gone_is_noticed_also_when_it_had_closed_its_side_before() {
    let server = Setup::new().start();
    let mut gone = Vec::new();
    for path in ["/never", "/stuck"] {
        let mut client = server.connect();
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        client.stream.shutdown(Shutdown::Write).unwrap();
        gone.push(client);
    }
    server.wait_for_working(2);
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(server.working.load(Ordering::SeqCst), 2);
    let begun = Instant::now();
    drop(gone);
    server.wait_for_working(0);
    assert!(begun.elapsed() < Duration::from_secs(13), "{:?}", begun.elapsed());
    // One that goes altogether is sent something at once.
    let mut client = server.connect();
    client.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    server.wait_for_working(1);
    let begun = Instant::now();
    drop(client);
    server.wait_for_working(0);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}
