//! How long things may take.

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
