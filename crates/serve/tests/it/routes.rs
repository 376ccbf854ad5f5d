//! Who answers which request.

use crate::serving::{Setup, route};

fn ask(server: &crate::serving::Running, method: &str, host: &str, path: &str) -> (u16, String) {
    let mut client = server.connect();
    client.send(&format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    let reply = client.response().unwrap();
    let allow = reply.header("allow").unwrap_or_default().to_owned();
    let route = reply
        .text()
        .split(' ')
        .find_map(|word| word.strip_prefix("route=").map(str::to_owned));
    (reply.status, route.unwrap_or(allow))
}

#[test]
fn the_most_specific_route_answers() {
    let mut host = route("host", "/seen");
    host.hosts = vec!["a.example".parse().unwrap()];
    let mut below = route("below", "/*");
    below.hosts = vec!["*.example".parse().unwrap()];
    let mut read = route("read", "/only/*");
    read.methods = vec!["GET".to_owned(), "HEAD".to_owned()];
    let server = Setup::new()
        .routes(vec![below, host, read, route("exact", "/seen")])
        .start();
    for (method, target_host, path, status, found) in [
        ("GET", "A.example.:8080", "/seen", 200, "1"),
        ("GET", "b.example", "/seen", 200, "0"),
        ("GET", "other", "/seen", 200, "3"),
        ("GET", "other", "/missing", 404, ""),
        ("POST", "other", "/only/x", 405, "GET, HEAD"),
        ("OPTIONS", "other", "/seen", 200, "3"),
        ("OPTIONS", "other", "/only/x", 405, "GET, HEAD"),
    ] {
        let answer = ask(&server, method, target_host, path);
        assert_eq!(
            answer,
            (status, found.to_owned()),
            "{method} {target_host} {path}"
        );
    }
}
