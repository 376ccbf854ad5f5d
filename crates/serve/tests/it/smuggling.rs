//! Requests that hide in others: whatever a stream of bytes is cut into, the handler sees what the RFCs say it is.

use std::time::Duration;

use weft_app::trigger::http::Route;

use crate::serving::{Running, Setup, route};

/// A stream of bytes, and what it must come to.
pub(crate) struct Case {
    bytes: Vec<u8>,
    statuses: Vec<u16>,
    /// Whether another request can be sent afterwards.
    stays_open: bool,
    /// Methods and targets that the handler saw.
    seen: Vec<&'static str>,
}

pub(crate) fn case(
    bytes: impl AsRef<[u8]>,
    statuses: &[u16],
    stays_open: bool,
    seen: &[&'static str],
) -> Case {
    Case {
        bytes: bytes.as_ref().to_vec(),
        statuses: statuses.to_vec(),
        stays_open,
        seen: seen.to_vec(),
    }
}

/// One that is refused before anybody saw it.
pub(crate) fn refused(status: u16, bytes: impl AsRef<[u8]>) -> Case {
    case(bytes, &[status], false, &[])
}

fn server() -> Running {
    serves(vec![route("all", "/*")])
}

fn serves(routes: Vec<Route>) -> Running {
    Setup::new()
        .routes(routes)
        .limits(|limits| {
            limits.head_timeout = Duration::from_millis(400);
            limits.body_timeout = Duration::from_millis(400);
            limits.body_bytes_max = Some(100_000);
        })
        .start()
}

/// Sends the bytes of a case, whole or in two pieces, and says where what came of it differs.
fn compare(server: &Running, case: &Case, cut: Option<usize>) -> Option<String> {
    server.seen.lock().clear();
    let mut client = server.connect();
    if let Some(cut) = cut {
        client.send_bytes(&case.bytes[..cut]);
        std::thread::sleep(Duration::from_millis(2));
    }
    client.send_bytes(&case.bytes[cut.unwrap_or(0)..]);
    let mut statuses = Vec::new();
    while statuses.len() < case.statuses.len() {
        let Some(reply) = client.response_to(&method_of(case, &statuses)) else {
            break;
        };
        statuses.push(reply.status);
    }
    let stays_open = if case.stays_open {
        client.send("GET /after HTTP/1.1\r\nHost: a\r\n\r\n");
        client.response().is_some_and(|reply| reply.status == 200)
    } else {
        !client.is_closed_soon()
    };
    let mut seen = server.seen.lock().clone();
    if case.stays_open && seen.last().is_some_and(|last| last == "GET /after") {
        seen.pop();
    }
    let is_right = statuses == case.statuses && stays_open == case.stays_open && seen == case.seen;
    let start: String = String::from_utf8_lossy(&case.bytes).chars().take(160).collect();
    (!is_right).then(|| {
        format!(
            "{start:?}, cut at {cut:?}\n    came to {statuses:?}, open: {stays_open}, seen: {seen:?}\n    instead of \
             {:?}, open: {}, seen: {:?}",
            case.statuses, case.stays_open, case.seen
        )
    })
}

/// The method of the request that is answered next: a response to `HEAD` has no body.
fn method_of(case: &Case, before: &[u16]) -> String {
    let is_head = before.is_empty() && case.bytes.starts_with(b"HEAD ");
    if is_head { "HEAD" } else { "GET" }.to_owned()
}

pub(crate) fn check(cases: &[Case]) {
    check_with(&server(), cases);
}

fn check_with(server: &Running, cases: &[Case]) {
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| compare(server, case, None))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

pub(crate) const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

fn with_length(first: &str, body: &str) -> String {
    format!(
        "{first} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn chunked(first: &str, chunks: &str) -> String {
    format!("{first} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")
}

#[test]
fn a_body_that_nobody_reads_is_never_taken_for_a_request() {
    let in_a_chunk = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    let mut cases = Vec::new();
    // By the handler, by the front itself where no route takes the request, and by whoever answers `OPTIONS *`.
    for (first, status, seen) in [
        ("POST /", 200, Some("POST /")),
        ("GET /", 200, Some("GET /")),
        ("HEAD /", 200, Some("HEAD /")),
        ("DELETE /", 200, Some("DELETE /")),
        ("OPTIONS /", 200, Some("OPTIONS /")),
        ("POST /puts", 405, None),
        ("POST /elsewhere", 404, None),
        ("OPTIONS *", 204, None),
    ] {
        let seen: Vec<&str> = seen.into_iter().collect();
        for bytes in [with_length(first, SMUGGLED), chunked(first, &in_a_chunk)] {
            cases.push(case(&bytes, &[status], true, &seen));
            // What follows the body is the next request.
            let mut both = seen.clone();
            both.push("GET /next");
            let next = format!("{bytes}GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
            cases.push(case(next, &[status, 200], true, &both));
        }
    }
    let mut puts = route("puts", "/puts");
    puts.methods = vec!["PUT".parse().unwrap()];
    let routes = ["/", "/next", "/smuggled", "/after"].map(|path| route("some", path));
    check_with(&serves([&routes[..], &[puts]].concat()), &cases);
}

#[test]
fn a_request_that_is_answered_before_its_body_came_ends_its_connection() {
    let body = SMUGGLED.repeat(3);
    let server = server();
    for expect in ["", "Expect: 100-continue\r\n"] {
        server.seen.lock().clear();
        let mut client = server.connect();
        client.send(&format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n{expect}\r\n",
            body.len()
        ));
        assert_eq!(client.response().unwrap().status, 200);
        // A client that was not told to go on may leave the body out.
        client.send(&body);
        assert!(client.is_closed());
        assert_eq!(*server.seen.lock(), ["POST /"]);
    }
}

#[test]
fn expectations_are_one_word_or_none() {
    let post = |expect: &str, version: &str| {
        format!("POST /read HTTP/1.{version}\r\nHost: a\r\nContent-Length: 5\r\n{expect}\r\n\r\nhello")
    };
    let seen = ["POST /read"];
    check(&[
        case(post("Expect: 100-Continue", "1"), &[100, 200], true, &seen),
        // A client of HTTP/1.0 cannot take an interim response.
        case(post("Expect: 100-continue", "0"), &[200], false, &seen),
        case(post("Expect: nonsense", "0"), &[200], false, &seen),
        refused(417, post("Expect: y 100-continue", "1")),
        refused(417, post("Expect: 100-continue, 100-continue", "1")),
        refused(417, post("Expect: 100-continue, y", "1")),
        refused(417, post("Expect: 100-continue;a=b", "1")),
        refused(417, post("Expect: 100-continue\r\nExpect: y", "1")),
        refused(417, post("Expect:", "1")),
        refused(400, post("Expect: 100-continue\u{b}", "1")),
        refused(400, post("Expect: 100-continue\r\n 100-continue", "1")),
    ]);
}

#[test]
fn a_length_is_digits_and_stands_once() {
    let post = |length: &str| format!("POST /read HTTP/1.1\r\nHost: a\r\n{length}\r\n\r\nhello{SMUGGLED}");
    let next = ["POST /read", "GET /smuggled"];
    check(&[
        case(post("Content-Length: 5"), &[200, 200], true, &next),
        case(post("Content-Length:5"), &[200, 200], true, &next),
        case(post("Content-Length:\t 5 \t"), &[200, 200], true, &next),
        case(
            post("CONTENT-LENGTH: 0000000000000000005"),
            &[200, 200],
            true,
            &next,
        ),
        refused(400, post("Content-Length: 00000000000000000005")),
        refused(400, post("Content-Length: 9223372036854775808000")),
        refused(413, post("Content-Length: 9223372036854775807")),
        refused(400, post("Content-Length: 5;")),
        refused(400, post("Content-Length: 5,")),
        refused(400, post("Content-Length: 5\r\nContent-Length: 0")),
        refused(400, post("Content-Length: 5\r\nContent-Length:")),
        refused(400, post("Content-Length: \"5\"")),
        refused(400, post("Content-Length: 5a")),
        refused(400, post("Content-Length: 1e1")),
        refused(400, post("Content-Length: \u{0665}")),
        refused(400, post("Content-Length: \u{a0}5")),
        refused(400, post("Content-Length: 5\0")),
        refused(400, post("Content-Length: 5\r")),
        refused(400, post("Content-Length: \r5")),
        refused(400, post("Content-Length: 5\r\r\n")),
        refused(400, post("Content-Length: \n5")),
        refused(400, post("Content-Length:\r\n 5")),
        refused(400, post("Content-Length : 5")),
        refused(400, post("Content-Length\t: 5")),
        refused(400, post("\tContent-Length: 5")),
        refused(400, post("X: y\n Content-Length: 5")),
        refused(400, post("X: y\nContent-Length: 5")),
        refused(400, post("X: y\rContent-Length: 5")),
        refused(400, post("Content Length: 5")),
        refused(400, post("Content-Length\\: 5")),
        refused(400, post("\u{feff}Content-Length: 5")),
        refused(400, post("Content-Length: 5\r\nTransfer-Encoding: identity")),
        refused(400, post("Content-Length: 5\r\ntransfer-encoding:")),
    ]);
}

#[test]
fn a_coding_is_chunked_and_stands_once() {
    let post =
        |coding: &str| format!("POST /read HTTP/1.1\r\nHost: a\r\n{coding}\r\n\r\n0\r\n\r\n{SMUGGLED}");
    let next = ["POST /read", "GET /smuggled"];
    check(&[
        case(post("Transfer-Encoding:chunked"), &[200, 200], true, &next),
        case(post("transfer-encoding: \t chunked\t "), &[200, 200], true, &next),
        case(post("TRANSFER-ENCODING: CHUNKED"), &[200, 200], true, &next),
        refused(400, post("Transfer-Encoding: chunked\r")),
        refused(400, post("Transfer-Encoding: chunke")),
        refused(400, post("Transfer-Encoding: chunkedx")),
        refused(400, post("Transfer-Encoding: chunked x")),
        refused(400, post("Transfer-Encoding: 'chunked'")),
        refused(400, post("Transfer-Encoding: =chunked")),
        refused(400, post("Transfer-Encoding: x=chunked")),
        refused(400, post("Transfer-Encoding: chunked;")),
        refused(400, post("Transfer-Encoding: chunked, ")),
        refused(400, post("Transfer-Encoding: ,chunked")),
        refused(400, post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked")),
        refused(400, post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x")),
        refused(400, post("Transfer-Encoding: x\r\nTransfer-Encoding: chunked")),
        refused(400, post("Transfer-Encoding: nothing, chunked")),
        refused(400, post("Transfer-Encoding: \u{17f}hunked")),
        refused(400, post("Transfer-Encoding: c\u{212a}unked")),
        refused(400, post("Transfer-Encoding: \u{a0}chunked")),
        refused(400, post("Transfer-Encoding: chunked\u{ff}")),
        refused(400, post("Transfer-Encoding: \0chunked")),
        refused(400, post("Transfer-Encoding: \u{7f}chunked")),
        refused(400, post("Transfer-Encoding: \u{8}chunked")),
        refused(400, post("Transfer-Encoding\0: chunked")),
        refused(400, post("Transfer-Encoding\u{b}: chunked")),
        refused(400, post("Transfer-Encoding\r\n: chunked")),
        refused(400, post("Transfer-Encoding\n: chunked")),
        refused(400, post("Transfer-Encoding:\n chunked")),
        refused(400, post("Transfer-Encoding:\r\n\tchunked")),
        refused(400, post("Transfer-Encoding\\: chunked")),
        refused(400, post("Transfer Encoding: chunked")),
        refused(400, post("X: y\rTransfer-Encoding: chunked")),
        refused(400, post("X: y\nTransfer-Encoding: chunked")),
        refused(400, post("X: y\n\nTransfer-Encoding: chunked")),
        refused(400, post("X: y\r\n\rTransfer-Encoding: chunked")),
        refused(400, post(": Transfer-Encoding: chunked")),
        refused(400, post("Host: b\r\nTransfer-Encoding: chunked")),
        refused(501, post("Transfer-Encoding: gzip, deflate, chunked")),
        // Without a coding, there is no body, and what follows is no request.
        case(
            post("X-Transfer-Encoding: chunked"),
            &[200, 400],
            false,
            &["POST /read"],
        ),
        case(
            post("Transfer_Encoding: chunked"),
            &[200, 400],
            false,
            &["POST /read"],
        ),
        case(post("TE: chunked"), &[200, 400], false, &["POST /read"]),
    ]);
}

#[test]
fn chunks_are_sizes_and_data_and_nothing_else() {
    let seen = ["POST /read"];
    let next = ["POST /read", "GET /smuggled"];
    let mut cases = Vec::new();
    for whole in [
        "5\r\nhello\r\n0\r\n\r\n",
        "005\r\nhello\r\n000\r\n\r\n",
        "A\r\nhellohello\r\n0\r\n\r\n",
        "5;a\r\nhello\r\n0\r\n\r\n",
        "5;a=b;c=d\r\nhello\r\n0;e\r\n\r\n",
        "5 ; a = b\r\nhello\r\n0\t;\ta\r\n\r\n",
        "5;a=\"b;c\\\"d\u{e4} \"\r\nhello\r\n0\r\n\r\n",
        "0\r\nX: y\r\nZ:\r\n\r\n",
    ] {
        cases.push(case(
            chunked("POST /read", &format!("{whole}{SMUGGLED}")),
            &[200, 200],
            true,
            &next,
        ));
    }
    for broken in [
        // Sizes.
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\t\r\nhello\r\n0\r\n\r\n",
        "\t5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "0X5\r\nhello\r\n0\r\n\r\n",
        "5h\r\nhello\r\n0\r\n\r\n",
        "5_0\r\nhello\r\n0\r\n\r\n",
        "5.0\r\nhello\r\n0\r\n\r\n",
        "\"5\"\r\nhello\r\n0\r\n\r\n",
        "5,5\r\nhello\r\n0\r\n\r\n",
        "5\0\r\nhello\r\n0\r\n\r\n",
        "\u{ff15}\r\nhello\r\n0\r\n\r\n",
        ";a\r\nhello\r\n0\r\n\r\n",
        "0000000000000005\r\nhello\r\n0\r\n\r\n",
        "100000000000000005\r\nhello\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        // Ends of lines that others take for one.
        "5\rhello\r\n0\r\n\r\n",
        "5\r\rhello\r\n0\r\n\r\n",
        "5\n\rhello\r\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello\n\r0\r\n\r\n",
        "5\r\nhello\r\r0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello\r\n\r\n0\r\n\r\n",
        "4\r\nhello\r\n0\r\n\r\n",
        "6\r\nhello\r\n0\r\n\r\n",
        "0\n\n",
        "0\r\n\n",
        "0\r\n\r\r\n",
        "0\n\r\n",
        "0\r\r\n\r\n",
        "0\r\nXX",
        // Extensions.
        "5;\r\nhello\r\n0\r\n\r\n",
        "5;;\r\nhello\r\n0\r\n\r\n",
        "5;a;\r\nhello\r\n0\r\n\r\n",
        "5;=b\r\nhello\r\n0\r\n\r\n",
        "5;a=\r\nhello\r\n0\r\n\r\n",
        "5;a=b=c\r\nhello\r\n0\r\n\r\n",
        "5;a b\r\nhello\r\n0\r\n\r\n",
        "5;a \r\nhello\r\n0\r\n\r\n",
        "5;a,b\r\nhello\r\n0\r\n\r\n",
        "5;a=\"\r\nhello\r\n0\r\n\r\n",
        "5;a=\"b\r\nhello\r\n0\r\n\r\n",
        "5;a=\"b\\\"\r\nhello\r\n0\r\n\r\n",
        "5;a=\"b\"c\r\nhello\r\n0\r\n\r\n",
        "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n",
        "5;\"a\"\r\nhello\r\n0\r\n\r\n",
        "5;\nhello\r\n0\r\n\r\n",
        "5;a\nhello\r\n0\r\n\r\n",
        "5;a\rhello\r\n0\r\n\r\n",
        "5;\rX\nhello\r\n0\r\n\r\n",
        "5;\r\n\r\nhello\r\n0\r\n\r\n",
        "5;a\0\r\nhello\r\n0\r\n\r\n",
        "5;a\u{7f}\r\nhello\r\n0\r\n\r\n",
        "5;\u{e4}\r\nhello\r\n0\r\n\r\n",
        // Trailers.
        "0\r\nX : y\r\n\r\n",
        "0\r\n X: y\r\n\r\n",
        "0\r\nX: y\r\n z\r\n\r\n",
        "0\r\nX: y\n\r\n",
        "0\r\nX: y\rz\r\n\r\n",
        "0\r\nX: \0\r\n\r\n",
        "0\r\nX\r\n\r\n",
        "0\r\n: y\r\n\r\n",
        "0\r\nGET / HTTP/1.1\r\n\r\n",
        "0\r\nContent-Length: 0\r\n\r\n",
        "0\r\nX: y\r\nTRANSFER-ENCODING: chunked\r\n\r\n",
        "0\r\nHost: b\r\n\r\n",
        "0\r\nConnection: close\r\n\r\n",
        "0\r\nContent-Encoding: gzip\r\n\r\n",
        "0\r\nAuthorization: x\r\n\r\n",
        "0\r\nExpect: 100-continue\r\n\r\n",
        "0\r\nTrailer: X\r\n\r\n",
    ] {
        cases.push(refused(
            400,
            chunked("POST /read", &format!("{broken}{SMUGGLED}")),
        ));
    }
    check(&cases);
    // The handler may have been asked before the body turned out to be none, and sees an error then.
    let server = server();
    for broken in ["5\r\nhello\r\nX\r\n", "5\r\nhello\r\n0\r\nHost: b\r\n\r\n"] {
        let bytes = chunked("POST /read", &format!("{broken}{SMUGGLED}"));
        let cut = bytes.find("hello").unwrap();
        let wrong = compare(&server, &case(&bytes, &[400], false, &seen), Some(cut));
        assert_eq!(wrong, None);
    }
}

#[test]
fn nothing_is_read_behind_a_request_that_ends_the_connection() {
    let get = |headers: &str, version: &str| {
        format!("GET / HTTP/1.{version}\r\nHost: a\r\n{headers}\r\n{SMUGGLED}")
    };
    let first = ["GET /"];
    let both = ["GET /", "GET /smuggled"];
    check(&[
        case(get("", "1"), &[200, 200], true, &both),
        case(get("Connection: close\r\n", "1"), &[200], false, &first),
        case(get("Connection: x, CLOSE\r\n", "1"), &[200], false, &first),
        case(
            get("Connection: close\r\nConnection: keep-alive\r\n", "1"),
            &[200],
            false,
            &first,
        ),
        case(
            get("Connection: keep-alive, close\r\n", "1"),
            &[200],
            false,
            &first,
        ),
        case(get("", "0"), &[200], false, &first),
        case(get("Connection: closed\r\n", "1"), &[200, 200], true, &both),
        // Nothing that `Connection` names goes away, neither a length nor a host.
        case(
            "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: content-length, host\r\n\r\nhello",
            &[200],
            true,
            &["POST /read"],
        ),
        // Upgrades are not taken, and the bytes after such a request are the next request.
        case(
            get(
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
                "1",
            ),
            &[200, 200],
            true,
            &both,
        ),
        case(
            get(
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
                "1",
            ),
            &[200, 200],
            true,
            &both,
        ),
        case(
            format!("GET / HTTP/1.1\r\nHost: a\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{SMUGGLED}"),
            &[200, 505],
            false,
            &first,
        ),
        case(
            format!("GET / HTTP/1.1\r\nHost: a\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{SMUGGLED}"),
            &[200, 400],
            false,
            &first,
        ),
    ]);
}
