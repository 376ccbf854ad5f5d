//! How many requests and connections there may be.

use std::time::{Duration, Instant};

use crate::serving::{Setup, route};

#[test]
fn more_requests_than_may_wait_and_those_that_wait_too_long_are_refused() {
    let server = Setup::new()
        .limits(|limits| {
            limits.requests_max = 2;
            limits.queue_max = 1;
            limits.queue_timeout = Duration::from_millis(900);
        })
        .start();
    let mut held: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for client in &mut held {
        client.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    server.wait_for_working(2);
    let mut waiting = server.connect();
    let begun = Instant::now();
    waiting.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    std::thread::sleep(Duration::from_millis(50));
    let refused = server.get("/");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert!(
        begun.elapsed() < Duration::from_millis(890),
        "it was not refused at once"
    );
    assert_eq!(waiting.response().unwrap().status, 503);
    assert!(begun.elapsed() >= Duration::from_millis(900));
    // A place that becomes free is taken by whoever waits.
    waiting.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    std::thread::sleep(Duration::from_millis(50));
    held.pop();
    assert_eq!(waiting.response().unwrap().status, 200);
}

#[test]
fn a_route_has_a_bound_of_its_own() {
    let mut bounded = route("bounded", "/never");
    bounded.requests_max = Some(1);
    let server = Setup::new()
        .limits(|limits| {
            limits.queue_max = 0;
        })
        .routes(vec![bounded, route("all", "/*")])
        .start();
    let mut held = server.connect();
    held.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    server.wait_for_working(1);
    assert_eq!(server.status("/never"), 503);
    assert_eq!(server.status("/"), 200);
}

#[test]
fn under_ten_times_the_load_the_excess_is_refused_quickly() {
    let server = Setup::new()
        .limits(|limits| {
            limits.requests_max = 4;
            limits.queue_max = 4;
            limits.queue_timeout = Duration::from_millis(200);
        })
        .start();
    let results: Vec<(u16, Duration)> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..40)
            .map(|_| {
                let mut client = server.connect();
                scope.spawn(move || {
                    let ask = |_| {
                        let begun = Instant::now();
                        (client.get("/sleep/20").status, begun.elapsed())
                    };
                    (0..10).map(ask).collect::<Vec<_>>()
                })
            })
            .collect();
        clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect()
    });
    let mut refused: Vec<Duration> = results
        .iter()
        .filter(|(status, _)| *status == 503)
        .map(|(_, time)| *time)
        .collect();
    refused.sort();
    let answered = results.iter().filter(|(status, _)| *status == 200).count();
    assert_eq!(refused.len() + answered, 400);
    assert!(answered >= 40, "{answered}");
    // Most are refused at once; the machine that runs the tests may be busy with others.
    assert!(
        refused[refused.len() / 2] < Duration::from_millis(50),
        "{refused:?}"
    );
}

#[test]
fn connections_beyond_the_bound_wait_to_be_accepted() {
    let mut setup = Setup::new().limits(|limits| limits.connections_max = 1);
    setup.settings.threads = std::num::NonZeroUsize::new(1);
    let server = setup.start();
    let mut first = server.connect();
    assert_eq!(first.get("/").status, 200);
    let mut second = server.connect();
    second.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    second
        .stream
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let mut byte = [0];
    assert!(std::io::Read::read(&mut second.stream, &mut byte).is_err());
    drop(first);
    second
        .stream
        .set_read_timeout(Some(crate::serving::PATIENCE))
        .unwrap();
    assert_eq!(second.response().unwrap().status, 200);
}

#[test]
fn a_body_is_no_longer_than_it_may_be() {
    let server = Setup::new()
        .limits(|limits| limits.body_bytes_max = Some(10))
        .start();
    for (status, request) in [
        (200, "Content-Length: 10\r\n\r\n0123456789"),
        (413, "Content-Length: 11\r\n\r\n01234567890"),
        (
            413,
            "Transfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n",
        ),
        (
            413,
            "Transfer-Encoding: chunked\r\n\r\n9\r\n012345678\r\n2\r\n01\r\n0\r\n\r\n",
        ),
        (
            200,
            "Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5\r\n01234\r\n0\r\n\r\n",
        ),
    ] {
        let mut client = server.connect();
        client.send(&format!("POST /read HTTP/1.1\r\nHost: a\r\n{request}"));
        let reply = client.response().unwrap();
        assert_eq!(
            (reply.status, reply.closes()),
            (status, status == 413),
            "{request}"
        );
    }
}
