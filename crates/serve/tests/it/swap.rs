//! Replacing what answers while requests are in flight.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use weft_serve::Site;

use crate::serving::{Answerer, PATIENCE, Setup, route};

fn site(name: &'static str) -> Site<Answerer> {
    Site {
        handler: Answerer {
            name,
            ..Answerer::default()
        },
        routes: vec![route("all", "/*")],
    }
}

#[test]
fn requests_in_flight_end_on_the_old_site_and_new_ones_are_answered_by_the_new() {
    let mut setup = Setup::new();
    setup.answerer.name = "old";
    let server = setup.start();
    let mut held = server.connect();
    held.send("GET /sleep/600 HTTP/1.1\r\nHost: a\r\n\r\n");
    server.wait_for_working(1);
    let mut kept = server.connect();
    assert_eq!(kept.get("/name").text(), "old");
    let retiring = server.server.as_ref().unwrap().swap(site("new")).unwrap();
    assert_eq!(kept.get("/name").text(), "new");
    assert!(
        !retiring.wait(Duration::from_millis(50)),
        "the old site ended before its request"
    );
    assert_eq!(held.response().unwrap().status, 200);
    assert!(retiring.wait(PATIENCE));
    let mut wrong = site("x");
    wrong.routes[0].methods = vec!["NO METHOD".to_owned()];
    assert!(server.server.as_ref().unwrap().swap(wrong).is_err());
    assert_eq!(kept.get("/name").text(), "new");
}

#[test]
fn no_request_fails_while_the_site_is_replaced_again_and_again() {
    let server = Setup::new().start();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let mut client = server.connect();
            let is_over = &is_over;
            scope.spawn(move || {
                while !is_over.load(Ordering::SeqCst) {
                    assert_eq!(client.get("/drip/1").text(), "abcde");
                }
            });
        }
        for _ in 0..100 {
            let retiring = server.server.as_ref().unwrap().swap(site("again")).unwrap();
            assert!(retiring.wait(PATIENCE));
        }
        is_over.store(true, Ordering::SeqCst);
    });
}
