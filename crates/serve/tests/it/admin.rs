//! The listener for whoever runs the server.

use weft_app::trigger::http::ListenAddress;
use weft_serve::Part;

use crate::serving::{Client, Setup};

#[test]
fn health_readiness_and_numbers_are_shown_apart_from_the_app() {
    let mut setup = Setup::new();
    setup.settings.admin = Some("127.0.0.1:0".parse().unwrap());
    let health = setup.settings.health.clone();
    let server = setup.start();
    let handle = server.server.as_ref().unwrap();
    let Some(ListenAddress::Tcp(address)) = handle.admin_address() else {
        panic!("no admin listener")
    };
    let mut admin = Client::connect(*address);
    assert_eq!(admin.get("/livez").status, 200);
    assert_eq!(admin.get("/readyz").status, 200);
    handle.set_ready(false);
    assert_eq!(admin.get("/readyz").status, 503);
    assert_eq!(admin.get("/").status, 404);
    assert_eq!(admin.get("/healthz").status, 200);
    let part = |name: &str, problem: Option<&str>| Part {
        kind: "store",
        name: name.to_owned(),
        problem: problem.map(str::to_owned),
    };
    health.set(vec![part("carts", None), part("far", Some("no answer\nat all"))]);
    let told = admin.get("/healthz");
    assert_eq!(told.status, 503);
    assert_eq!(told.text(), "store carts: works\nstore far: no answer at all\n");
    let numbers = admin.get("/metrics").text();
    assert!(
        numbers.contains("weft_part_up{kind=\"store\",name=\"far\"} 0\n"),
        "{numbers}"
    );
    health.set(vec![part("carts", None)]);
    assert_eq!(admin.get("/healthz").status, 200);
    for _ in 0..3 {
        assert_eq!(server.status("/"), 200);
    }
    assert_eq!(server.status("/fault/guest"), 500);
    let mut bad = server.connect();
    bad.send("nonsense\r\n\r\n");
    assert_eq!(bad.response().unwrap().status, 400);
    let numbers = admin.get("/metrics").text();
    for line in [
        "weft_http_requests_total{route=\"all\",status=\"2xx\"} 3",
        "weft_http_requests_total{route=\"all\",status=\"5xx\"} 1",
        "weft_http_requests_total{route=\"\",status=\"4xx\"} 1",
        "weft_http_requests_refused_total 1",
        "weft_http_requests_in_flight 0",
        "weft_http_request_seconds_count 5",
    ] {
        assert!(numbers.lines().any(|found| found == line), "{line}\n{numbers}");
    }
    // What the app answers at these paths is the app's.
    assert_eq!(server.get("/metrics").text(), "hello");
}
