//! What becomes of requests and of what a handler says to them.

use crate::serving::{Setup, wait_until};
use weft_serve::{FaultPages, Notice};

#[test]
fn a_handler_sees_the_request_as_it_was_sent_and_who_sent_it() {
    let server = Setup::new().start();
    let mut client = server.connect();
    client.send(
        "GET /seen?a=%20 HTTP/1.1\r\nHost: a:80\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\
         tracestate: x=y\r\nX-Request-Id: theirs\r\n\r\n",
    );
    let reply = client.response().unwrap();
    let text = reply.text();
    let address = client.stream.local_addr().unwrap();
    let id = reply.header("x-request-id").unwrap();
    for part in [
        "GET /seen?a=%20 HTTP/1.1",
        &format!("client={address}"),
        "encrypted=false",
        "route=0",
        &format!("id={id}"),
        "traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate=x=y",
        "x-request-id=theirs",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(id.len() == 32 && id != client.get("/seen").header("x-request-id").unwrap());
}

#[test]
fn bodies_go_through_in_both_directions() {
    let server = Setup::new().start();
    let mut client = server.connect();
    let body = "x".repeat(300_000);
    client.send(&format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!(client.response().unwrap().text(), body);
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
    assert_eq!(client.response().unwrap().text(), "hello world");
    assert_eq!(client.get("/large/20").body.len(), 20 << 16);
}

#[test]
fn a_fault_becomes_a_status_and_its_detail_goes_to_the_log_alone() {
    let server = Setup::new().start();
    let reply = server.get("/fault/guest");
    assert_eq!(reply.status, 500);
    let id = reply.header("x-request-id").unwrap().to_owned();
    assert_eq!(reply.text(), format!("500 Internal Server Error\nrequest {id}\n"));
    let told = |notice: &Notice| match notice {
        Notice::RequestFailed { id: found, fault } => {
            found.to_string() == id && fault.detail == "the secret of the guest"
        }
        _ => false,
    };
    assert!(server.notices.lock().iter().any(told));
    let busy = server.get("/fault/busy");
    assert_eq!((busy.status, busy.header("retry-after")), (503, Some("1")));
    let mut setup = Setup::new();
    setup.settings.fault_pages = FaultPages::Detailed;
    let page = setup.start().get("/fault/guest");
    assert!(page.text().contains("the secret of the guest"), "{page:?}");
}

#[test]
fn a_response_is_as_long_as_it_says_or_its_connection_ends() {
    let server = Setup::new().start();
    let mut client = server.connect();
    assert_eq!(client.get("/length/right").text(), "hello");
    assert_eq!(client.get("/length/two").status, 502);
    assert_eq!(client.get("/length/none").status, 502);
    for path in ["/length/short", "/length/long", "/fault/late"] {
        let mut client = server.connect();
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let reply = client.response();
        assert!(reply.is_none_or(|reply| !reply.is_whole), "{path}");
        assert!(client.is_closed(), "{path}");
    }
}

#[test]
fn what_speaks_of_one_connection_is_the_front_s_business() {
    let server = Setup::new().start();
    let mut client = server.connect();
    let reply = client.get("/hop");
    for name in ["connection", "x-named", "keep-alive", "upgrade"] {
        assert_eq!(reply.header(name), None, "{name}");
    }
    assert_eq!(
        (reply.header("x-kept"), reply.text().as_str()),
        (Some("1"), "hello")
    );
    assert_eq!(client.get("/cookies").head.matches("set-cookie").count(), 2);
    assert_eq!(client.get("/status/101").status, 502);
    assert_eq!(client.get("/status/103").status, 502);
    assert_eq!(client.get("/status/204").status, 204);
    assert_eq!(client.get("/status/304").status, 304);
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response_to("HEAD").unwrap().status, 200);
    assert_eq!(client.get("/").text(), "hello");
}

#[test]
fn a_panic_ends_one_connection_and_not_the_server() {
    let mut setup = Setup::new();
    setup.settings.threads = std::num::NonZeroUsize::new(1);
    let server = setup.start();
    let mut other = server.connect();
    assert_eq!(other.get("/").status, 200);
    assert_eq!(server.status("/panic"), 0);
    assert_eq!(other.get("/").status, 200);
    assert_eq!(server.status("/"), 200);
    assert!(
        server
            .notices
            .lock()
            .iter()
            .any(|notice| matches!(notice, Notice::ConnectionPanicked))
    );
}

#[test]
fn work_ends_when_its_client_is_gone() {
    let server = Setup::new().start();
    let mut client = server.connect();
    client.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    server.wait_for_working(1);
    drop(client);
    server.wait_for_working(0);
    let mut client = server.connect();
    client.send("GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n");
    server.wait_for_working(1);
    drop(client);
    wait_until("the body to be dropped", || {
        server.working.load(std::sync::atomic::Ordering::SeqCst) == 0
    });
}
