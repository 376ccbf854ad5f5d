//! Byte streams that are no HTTP/1, or could be read in two ways, and those that look odd and are fine.

use crate::serving::{Client, Setup};

/// What comes of a stream of bytes: the statuses of the responses, and whether the connection is closed after them.
fn outcome(client: &mut Client, bytes: &[u8]) -> (Vec<u16>, bool) {
    client.send_bytes(bytes);
    // Whatever was left open ends with this, and everything else has been answered before it.
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut statuses = Vec::new();
    let mut closes = false;
    while let Some(reply) = client.response() {
        statuses.push(reply.status);
        closes = reply.closes();
    }
    (statuses, closes)
}

fn long(before: &str, count: usize, after: &str) -> String {
    format!("{before}{}{after}", "a".repeat(count))
}

#[test]
fn what_could_be_read_in_two_ways_is_refused_and_nothing_after_it_is_read() {
    let server = Setup::new().start();
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let post = |headers: &str, body: &str| {
        format!("POST /read HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n{body}{smuggled}")
    };
    let cases: Vec<(u16, String)> = [
        // Two lengths, or none that is a number.
        (
            400,
            post("Content-Length: 0\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
        ),
        (
            400,
            post("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n"),
        ),
        (400, post("Content-Length: 5\r\nContent-Length: 6", "hello")),
        (400, post("Content-Length: 5\r\nContent-Length: 5", "hello")),
        (400, post("Content-Length: 5, 5", "hello")),
        (400, post("Content-Length: +5", "hello")),
        (400, post("Content-Length: -5", "hello")),
        (400, post("Content-Length: 5 5", "hello")),
        (400, post("Content-Length: 0x5", "hello")),
        (400, post("Content-Length: 5.0", "hello")),
        (400, post("Content-Length:", "")),
        (400, post("Content-Length: ,", "")),
        (400, post("Content-Length: 99999999999999999999", "hello")),
        (400, post("Content-Length: 18446744073709551621", "hello")),
        (400, post("Content-Length: 5\u{b}", "hello")),
        (400, post("Content-Length\u{0}: 5", "hello")),
        // Transfer codings that are not `chunked`.
        (
            400,
            post(
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                "0\r\n\r\n",
            ),
        ),
        (
            400,
            post(
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
                "0\r\n\r\n",
            ),
        ),
        (400, post("Transfer-Encoding: chunked, chunked", "0\r\n\r\n")),
        (400, post("Transfer-Encoding: chunked, identity", "0\r\n\r\n")),
        (400, post("Transfer-Encoding: identity", "")),
        (400, post("Transfer-Encoding: identity, chunked", "0\r\n\r\n")),
        (400, post("Transfer-Encoding: chunked, gzip", "0\r\n\r\n")),
        (400, post("Transfer-Encoding: xchunked", "0\r\n\r\n")),
        (400, post("Transfer-Encoding: \"chunked\"", "0\r\n\r\n")),
        (400, post("Transfer-Encoding: chunked;q=1", "0\r\n\r\n")),
        (400, post("Transfer-Encoding: , chunked", "0\r\n\r\n")),
        (400, post("Transfer-Encoding: chunked,", "0\r\n\r\n")),
        (400, post("Transfer-Encoding:", "0\r\n\r\n")),
        (400, post("Transfer-Encoding: \u{b}chunked", "0\r\n\r\n")),
        (400, post("Transfer-Encoding : chunked", "0\r\n\r\n")),
        (400, post("Transfer-Encoding\t: chunked", "0\r\n\r\n")),
        (400, post(" Transfer-Encoding: chunked", "0\r\n\r\n")),
        (400, post("Transfer-Encoding:\r\n chunked", "0\r\n\r\n")),
        (
            400,
            post("Transfer-Encoding: chunked\r\n , identity", "0\r\n\r\n"),
        ),
        (400, post("X: a\r\n\tTransfer-Encoding: chunked", "0\r\n\r\n")),
        (501, post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n")),
        (
            400,
            "POST /read HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        ),
        // Chunks that are none.
        (
            400,
            post("Transfer-Encoding: chunked", "+5\r\nhello\r\n0\r\n\r\n"),
        ),
        (
            400,
            post("Transfer-Encoding: chunked", "-5\r\nhello\r\n0\r\n\r\n"),
        ),
        (
            400,
            post("Transfer-Encoding: chunked", " 5\r\nhello\r\n0\r\n\r\n"),
        ),
        (
            400,
            post("Transfer-Encoding: chunked", "5 \r\nhello\r\n0\r\n\r\n"),
        ),
        (
            400,
            post("Transfer-Encoding: chunked", "0x5\r\nhello\r\n0\r\n\r\n"),
        ),
        (400, post("Transfer-Encoding: chunked", "5\nhello\r\n0\r\n\r\n")),
        (400, post("Transfer-Encoding: chunked", "5\r\nhello0\r\n\r\n")),
        (400, post("Transfer-Encoding: chunked", "5\r\nhello\n0\r\n\r\n")),
        (
            400,
            post("Transfer-Encoding: chunked", "5\r\nhelloworld\r\n0\r\n\r\n"),
        ),
        (
            400,
            post(
                "Transfer-Encoding: chunked",
                "10000000000000000\r\nhello\r\n0\r\n\r\n",
            ),
        ),
        (
            400,
            post(
                "Transfer-Encoding: chunked",
                "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
            ),
        ),
        (400, post("Transfer-Encoding: chunked", "\r\nhello\r\n0\r\n\r\n")),
        (
            400,
            post("Transfer-Encoding: chunked", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
        ),
        (
            400,
            post("Transfer-Encoding: chunked", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
        ),
        (
            400,
            post(
                "Transfer-Encoding: chunked",
                &long("5;", 200_000, "\r\nhello\r\n0\r\n\r\n"),
            ),
        ),
        (
            400,
            post("Transfer-Encoding: chunked", "0\r\nContent-Length: 5\r\n\r\n"),
        ),
        (
            400,
            post(
                "Transfer-Encoding: chunked",
                "0\r\nTransfer-Encoding: chunked\r\n\r\n",
            ),
        ),
        (
            400,
            post("Transfer-Encoding: chunked", "0\r\nbad trailer\r\n\r\n"),
        ),
        (400, post("Transfer-Encoding: chunked", "0\r\nX: a\n\r\n")),
        // Lines that end in other ways, and bytes that no line has.
        (400, "GET / HTTP/1.1\nHost: a\n\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a\r\n\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\rHost: a\r\r".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\u{1b}c\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\u{7f}c\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a\r\nX\u{1}: b\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a\r\nX y: b\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a\r\nnocolon\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n".to_owned()),
        (
            400,
            "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n folded\r\n\r\n".to_owned(),
        ),
        (400, "GET / HTTP/1.1\r\nHost: a\r\n\u{e4}: b\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a\r\nX(y): b\r\n\r\n".to_owned()),
        // Hosts.
        (400, "GET / HTTP/1.1\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost:\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a:port\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: http://a\r\n\r\n".to_owned()),
        (400, "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        (400, "GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        (400, "GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        (400, "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        // First lines.
        (400, "GET\r\n\r\n".to_owned()),
        (400, "GET /\r\n\r\n".to_owned()),
        (400, "GET / \r\n\r\n".to_owned()),
        (400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        (400, "GET /  HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n".to_owned()),
        (400, " GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        (400, "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        (400, "GET / a HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        (400, "GET /#fragment HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        (400, "GET /\u{e4} HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        (400, "GET /\"<> HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        (400, "GET a HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        (400, "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        (400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        (400, "G(T / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        (400, "GET / http/1.1\r\nHost: a\r\n\r\n".to_owned()),
        (400, "GET / HTTP/11\r\nHost: a\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.10\r\nHost: a\r\n\r\n".to_owned()),
        (400, "GET / HTTP/ 1.1\r\nHost: a\r\n\r\n".to_owned()),
        (400, "\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        (400, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        (400, "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}".to_owned()),
        (505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n".to_owned()),
        (505, "GET / HTTP/1.2\r\nHost: a\r\n\r\n".to_owned()),
        (505, "GET / HTTP/0.9\r\nHost: a\r\n\r\n".to_owned()),
        (505, "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_owned()),
        (405, "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n".to_owned()),
        (405, "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        (417, post("Content-Length: 5\r\nExpect: nonsense", "hello")),
        // More than there may be.
        (414, long("GET /", 70_000, " HTTP/1.1\r\nHost: a\r\n\r\n")),
        (431, long("GET / HTTP/1.1\r\nHost: a\r\nX: ", 70_000, "\r\n\r\n")),
        (
            431,
            format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: a\r\n".repeat(200)),
        ),
        (431, long("GET / HTTP/1.1\r\nHost: a\r\nX: ", 200_000, "")),
        // The end before the end.
        (400, "GET / HTTP/1.1\r\nHost: a\r\n".to_owned()),
        (
            400,
            "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello".to_owned(),
        ),
        (
            400,
            "POST /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel".to_owned(),
        ),
    ]
    .into_iter()
    .map(|(status, text): (u16, String)| (status, text))
    .collect();
    let mut wrong = Vec::new();
    for (status, text) in &cases {
        let at_once = outcome(&mut server.connect(), text.as_bytes());
        if at_once != (vec![*status], true) {
            wrong.push(format!(
                "{at_once:?} for {:?}",
                text.chars().take(120).collect::<String>()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn it_does_not_matter_how_a_hostile_stream_is_cut() {
    let server = Setup::new().start();
    let text = "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n\
                GET / HTTP/1.1\r\nHost : a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for cut in (1..text.len()).step_by(7) {
        let mut client = server.connect();
        client.send(&text[..cut]);
        std::thread::sleep(std::time::Duration::from_millis(3));
        assert_eq!(
            outcome(&mut client, &text.as_bytes()[cut..]),
            (vec![200, 200, 400], true),
            "cut at {cut}"
        );
    }
}

#[test]
fn what_looks_odd_and_is_right_is_answered() {
    let server = Setup::new().start();
    for (statuses, text) in [
        (vec![200], "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (vec![200], "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (vec![200], "GET / HTTP/1.1\r\nhOST:a:80\r\nX:\r\n\r\n"),
        (vec![200], "GET / HTTP/1.1\r\nHost: \t a \t \r\n\r\n"),
        (vec![200], "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"),
        (vec![200], "GET /?a=b|c&d={e}'[f] HTTP/1.1\r\nHost: a\r\n\r\n"),
        (vec![200], "GET http://A/x HTTP/1.1\r\nHost: a\r\n\r\n"),
        (vec![200], "GET / HTTP/1.0\r\n\r\n"),
        (vec![204], "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
        (
            vec![200],
            "PATCH / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        ),
        (vec![200], "QUERY / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (vec![200], "GET / HTTP/1.1\r\nHost: a\r\nX: \u{e4}\r\n\r\n"),
        (
            vec![200],
            "POST /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
        ),
        (
            vec![200],
            "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 005\r\n\r\nhello",
        ),
        (
            vec![200],
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
        ),
        (
            vec![200],
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        ),
        (
            vec![200, 200, 200],
            "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        (
            vec![200],
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        (
            vec![200],
            "GET / HTTP/1.0\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        (
            vec![100, 200],
            "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
        ),
    ] {
        let found = outcome(&mut server.connect(), text.as_bytes()).0;
        assert_eq!(found, statuses, "{text:?}");
    }
}

#[test]
fn http_1_0_keeps_a_connection_when_it_is_asked_to() {
    let server = Setup::new().start();
    let mut client = server.connect();
    for _ in 0..3 {
        client.send("GET /length/right HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        assert_eq!(client.response().unwrap().status, 200);
    }
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().unwrap().status, 200);
    assert!(client.is_closed());
}

#[test]
fn a_client_that_waits_for_100_is_told_to_go_on_when_somebody_reads() {
    let server = Setup::new().start();
    let mut client = server.connect();
    client.send("POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.response().unwrap().status, 100);
    client.send("hello");
    assert_eq!(client.response().unwrap().text(), "read 5");
    // Nobody reads here, so nobody asks for it.
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.response().unwrap().status, 200);
}
