//! Frames that are no HTTP/2 request, and floods of frames that do nothing.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use weft_serve::Ended;

use crate::serving::{Client, PATIENCE, Running, Setup};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Headers as they are, without compression.
fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127);
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    block
}

const REQUEST: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":path", "/"),
    (":authority", "a"),
];

/// A connection of HTTP/2 that sends what it is told.
struct Raw(Client);

/// What came of a stream.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// Its response began. The first byte of its headers tells the status, where the table has it.
    Answered(u16),
    /// It was reset.
    Reset,
    /// The connection was ended.
    Ended,
}

impl Raw {
    fn connect(server: &Running) -> Self {
        let mut client = server.connect();
        client.send_bytes(PREFACE);
        client.send_bytes(&frame(SETTINGS, 0, 0, &[]));
        Self(client)
    }

    fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.stream.write_all(bytes).is_ok()
    }

    fn next(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.stream.read_exact(&mut head).ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.0.stream.read_exact(&mut payload).ok()?;
        Some((
            head[3],
            u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        ))
    }

    fn outcome(&mut self, stream: u32) -> Outcome {
        loop {
            match self.next() {
                None | Some((GOAWAY, ..)) => return Outcome::Ended,
                Some((RST_STREAM, found, _)) if found == stream => return Outcome::Reset,
                Some((HEADERS, found, payload)) if found == stream => {
                    // An indexed status, or a literal one whose name is in the table.
                    return Outcome::Answered(match payload[0] {
                        0x88 => 200,
                        0x89 => 204,
                        0x8c => 400,
                        0x8d => 404,
                        0x8e => 500,
                        _ => huffman_status(&payload),
                    });
                }
                Some(_) => {}
            }
        }
    }
}

/// The status of a literal field that is coded in digits of five and six bits.
fn huffman_status(payload: &[u8]) -> u16 {
    let bits: Vec<bool> = payload[2..6]
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1))
        .collect();
    let mut at = 0;
    let mut status = 0;
    for _ in 0..3 {
        let value = |length: usize| {
            bits[at..at + length]
                .iter()
                .fold(0_u16, |sum, bit| sum << 1 | u16::from(*bit))
        };
        let (digit, length) = if value(5) < 3 {
            (value(5), 5)
        } else {
            (value(6) - 0x19 + 3, 6)
        };
        status = status * 10 + digit;
        at += length;
    }
    status
}

fn changed(change: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let mut headers: Vec<(&str, &str)> = REQUEST.to_vec();
    for (name, value) in change {
        headers.retain(|(found, _)| found != name);
        headers.push((name, value));
    }
    headers
}

#[test]
fn what_is_no_request_is_answered_400_or_reset() {
    let server = Setup::new().start();
    let without = |name: &str| -> Vec<(&str, &str)> {
        REQUEST
            .iter()
            .copied()
            .filter(|(found, _)| *found != name)
            .collect()
    };
    let with = |name, value| [&REQUEST[..], &[(name, value)]].concat();
    for headers in [
        without(":method"),
        without(":scheme"),
        without(":path"),
        without(":authority"),
        with(":method", "GET"),
        with(":path", "/b"),
        with(":unknown", "x"),
        with(":status", "200"),
        [&[("x", "y")], &REQUEST[..]].concat(),
        with("X-Upper", "x"),
        with("connection", "close"),
        with("transfer-encoding", "chunked"),
        with("upgrade", "h2c"),
        with("keep-alive", "1"),
        with("proxy-connection", "keep-alive"),
        with("te", "gzip"),
        with("host", "b"),
        with("x", "a\r\nb: c"),
        with("x", "a\0b"),
        with("x", " padded"),
        with("x", "padded\t"),
        with("", "x"),
        with("x y", "z"),
        with("content-length", "5"),
        with("content-length", "x"),
        with("content-length", "+0"),
        with("content-length", "0, 0"),
        with("content-length", ""),
        with("content-length", "00000000000000000000"),
        [&REQUEST[..], &[("content-length", "0"), ("content-length", "0")]].concat(),
        [&REQUEST[..], &[("content-length", "0"), ("content-length", "5")]].concat(),
        [&REQUEST[..], &[("host", "a"), ("host", "a")]].concat(),
        with("host", ""),
        with("host", "a:80"),
        with("te", "trailers, chunked"),
        with("x", "a\nb"),
        with("x", "a\rb"),
        with("x", "a\u{1}b"),
        with("x", "a\u{7f}b"),
        with("x\r\ny", "z"),
        with("x\0", "z"),
        with("x:", "z"),
        with("x:y", "z"),
        with(":", "z"),
        with(" x", "z"),
        with("\u{e4}", "z"),
        with("Content-length", "0"),
        with(":method ", "GET"),
        with(":protocol", "websocket"),
        with(":authority", "a"),
        with(":scheme", "http"),
        changed(&[(":path", "")]),
        changed(&[(":path", "a")]),
        changed(&[(":path", "*")]),
        changed(&[(":path", "http://a/")]),
        changed(&[(":path", "?x")]),
        changed(&[(":path", "a:80")]),
        changed(&[(":path", "/ HTTP/1.1\r\nx: y")]),
        changed(&[(":path", "/ x")]),
        changed(&[(":path", "/\t")]),
        changed(&[(":path", "/\0")]),
        changed(&[(":path", "/\u{e4}")]),
        changed(&[(":path", "/\"")]),
        changed(&[(":path", "/<")]),
        changed(&[(":path", "/\\")]),
        changed(&[(":path", "/^")]),
        changed(&[(":path", "/%")]),
        changed(&[(":path", "/%zz?x")]),
        changed(&[(":path", "*"), (":method", "PUT")]),
        changed(&[(":path", "**"), (":method", "OPTIONS")]),
        changed(&[(":scheme", "")]),
        changed(&[(":scheme", "ftp")]),
        changed(&[(":scheme", "http://a/?")]),
        changed(&[(":scheme", "ht tp")]),
        changed(&[(":scheme", "http\r\n")]),
        changed(&[(":authority", "")]),
        changed(&[(":authority", ":80")]),
        changed(&[(":authority", "a:b")]),
        changed(&[(":authority", "a,b")]),
        changed(&[(":authority", "a?b")]),
        changed(&[(":authority", "a#b")]),
        changed(&[(":authority", "a\\b")]),
        changed(&[(":authority", "@a")]),
        changed(&[(":authority", "a%00")]),
        changed(&[(":authority", "[::1")]),
        changed(&[(":authority", "a\r\nx: y")]),
        changed(&[(":authority", "http://a")]),
        changed(&[(":method", "")]),
        changed(&[(":method", "GET / HTTP/1.1\r\nx: y")]),
        changed(&[(":method", "G\0T")]),
        changed(&[(":method", "CONNECT"), (":protocol", "websocket")]),
        changed(&[(":authority", "a/b")]),
        changed(&[(":authority", "u@a")]),
        changed(&[(":authority", "a b")]),
        changed(&[(":method", "G T")]),
        changed(&[(":method", "TRACE")]),
        changed(&[(":method", "CONNECT")]),
    ] {
        let mut raw = Raw::connect(&server);
        raw.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(&headers)));
        let outcome = raw.outcome(1);
        let is_refused = matches!(
            outcome,
            Outcome::Reset | Outcome::Ended | Outcome::Answered(400 | 405)
        );
        assert!(is_refused, "{outcome:?} for {headers:?}");
    }
    assert_eq!(*server.seen.lock(), [""; 0]);
    for headers in [
        with("host", "a"),
        with("host", "A"),
        with("te", "trailers"),
        with("x", ""),
        with("x", "a\tb \u{e4}"),
        with("content-length", "0"),
        with("expect", "100-continue"),
        [&without(":authority")[..], &[("host", "a")]].concat(),
        changed(&[(":authority", "[::1]:80")]),
        changed(&[(":path", "/?100%")]),
        changed(&[(":path", "//b/%2f")]),
        changed(&[(":method", "get")]),
        changed(&[(":scheme", "https")]),
    ] {
        let mut raw = Raw::connect(&server);
        raw.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(&headers)));
        assert_eq!(raw.outcome(1), Outcome::Answered(200), "{headers:?}");
    }
}

#[test]
fn pieces_of_a_cookie_become_one() {
    let server = Setup::new().start();
    let mut raw = Raw::connect(&server);
    let headers = [
        &changed(&[(":path", "/seen")])[..],
        &[
            ("cookie", "a=1"),
            ("x", "y"),
            ("cookie", "b=2"),
            ("cookie", "c=3"),
        ],
    ]
    .concat();
    raw.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(&headers)));
    let body = loop {
        match raw.next() {
            Some((DATA, 1, payload)) => break String::from_utf8(payload).unwrap(),
            Some(_) => {}
            None => panic!("no body came"),
        }
    };
    assert!(body.contains("cookie=a=1; b=2; c=3"), "{body}");
    assert_eq!(body.matches("cookie").count(), 1, "{body}");
}

#[test]
fn trailers_say_nothing_that_belongs_into_a_head() {
    let server = Setup::new().start();
    let post = block(&changed(&[(":method", "POST"), (":path", "/read")]));
    let outcome = |flags, trailers: &[(&str, &str)]| {
        let mut raw = Raw::connect(&server);
        raw.send(&frame(HEADERS, END_HEADERS, 1, &post));
        raw.send(&frame(DATA, 0, 1, b"hello"));
        raw.send(&frame(HEADERS, flags | END_HEADERS, 1, &block(trailers)));
        raw.outcome(1)
    };
    assert_eq!(outcome(END_STREAM, &[("x", "y")]), Outcome::Answered(200));
    for (name, value) in [
        (":unknown", "x"),
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
        ("content-length", "5"),
        ("content-length", "0"),
        ("host", "b"),
        ("authorization", "x"),
        ("content-type", "x"),
        ("X", "y"),
        ("x", "a\r\nb"),
    ] {
        let outcome = outcome(END_STREAM, &[(name, value)]);
        let is_refused = matches!(outcome, Outcome::Reset | Outcome::Ended | Outcome::Answered(400));
        assert!(is_refused, "{outcome:?} for {name}: {value}");
    }
    // Trailers that do not end their stream.
    let outcome = outcome(0, &[("x", "y")]);
    assert!(matches!(outcome, Outcome::Reset | Outcome::Ended), "{outcome:?}");
}

#[test]
fn bodies_are_as_long_as_they_say() {
    let server = Setup::new()
        .limits(|limits| limits.body_bytes_max = Some(20))
        .start();
    let post = |length: &'static str| {
        changed(&[
            (":method", "POST"),
            (":path", "/read"),
            ("content-length", length),
        ])
    };
    for (length, data, status) in [
        ("5", "hello", Some(200)),
        ("4", "hello", None),
        ("6", "hello", None),
    ] {
        let mut raw = Raw::connect(&server);
        raw.send(&frame(HEADERS, END_HEADERS, 1, &block(&post(length))));
        raw.send(&frame(DATA, END_STREAM, 1, data.as_bytes()));
        let outcome = raw.outcome(1);
        match status {
            Some(status) => assert_eq!(outcome, Outcome::Answered(status)),
            None => assert!(
                matches!(outcome, Outcome::Reset | Outcome::Ended | Outcome::Answered(400)),
                "{outcome:?}"
            ),
        }
    }
    // Also where nobody reads them.
    let mut raw = Raw::connect(&server);
    let unread = changed(&[(":method", "POST"), ("content-length", "4")]);
    raw.send(&frame(HEADERS, END_HEADERS, 1, &block(&unread)));
    std::thread::sleep(Duration::from_millis(10));
    raw.send(&frame(DATA, END_STREAM, 1, b"hello"));
    assert_eq!(raw.outcome(1), Outcome::Reset);
    let mut raw = Raw::connect(&server);
    raw.send(&frame(
        HEADERS,
        END_HEADERS,
        1,
        &block(&changed(&[(":method", "POST"), (":path", "/read")])),
    ));
    raw.send(&frame(DATA, END_STREAM, 1, &[b'x'; 21]));
    assert_eq!(raw.outcome(1), Outcome::Answered(413));
}

/// The bytes of a flood, one after another.
type Flood = Box<dyn FnMut(u32) -> Vec<u8>>;

/// What a client does wrong on a stream.
type Wrong = fn(u32) -> Vec<u8>;

/// Frames of a flood: far more than what the buffers of both sides take before anybody has looked at them.
const FLOOD: u32 = 400_000;

/// Sends something until the server ends the connection; how often it was taken.
fn flood(server: &Running, bytes: &mut dyn FnMut(u32) -> Vec<u8>) -> u32 {
    let mut raw = Raw::connect(server);
    raw.0.stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let mut reader = raw.0.stream.try_clone().unwrap();
    let reading = std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()).is_ok());
    let mut taken = 0;
    for number in 0..FLOOD {
        if !raw.send(&bytes(number)) {
            break;
        }
        taken += 1;
    }
    let _ = raw.0.stream.shutdown(std::net::Shutdown::Both);
    reading.join().unwrap();
    taken
}

#[test]
fn floods_are_cut_off_and_others_are_served_meanwhile() {
    let server = Setup::new().start();
    let begin = frame(
        HEADERS,
        END_HEADERS,
        1,
        &block(&changed(&[(":method", "POST"), (":path", "/read")])),
    );
    let post = begin.clone();
    let floods: Vec<(&str, Flood)> = vec![
        ("settings", Box::new(|_| frame(SETTINGS, 0, 0, &[]))),
        ("pings", Box::new(|_| frame(PING, 0, 0, &[0; 8]))),
        ("windows", Box::new(|_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]))),
        (
            "priorities",
            Box::new(|_| frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1])),
        ),
        ("unknown", Box::new(|_| frame(0x42, 0, 0, b"x"))),
        (
            "resets",
            Box::new(|number| {
                let stream = 2 * number + 1;
                [
                    frame(
                        HEADERS,
                        END_STREAM | END_HEADERS,
                        stream,
                        &block(&changed(&[(":path", "/never")])),
                    ),
                    frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]),
                ]
                .concat()
            }),
        ),
        (
            "continuations",
            Box::new(|number| match number {
                0 => frame(HEADERS, END_STREAM, 1, &block(&REQUEST)),
                _ => frame(CONTINUATION, 0, 1, &block(&[("x", "y")])),
            }),
        ),
        (
            "empty continuations",
            Box::new(|number| match number {
                0 => frame(HEADERS, END_STREAM, 1, &block(&REQUEST)),
                _ => frame(CONTINUATION, 0, 1, &[]),
            }),
        ),
        (
            "empty data",
            Box::new(move |number| {
                if number == 0 {
                    begin.clone()
                } else {
                    frame(DATA, 0, 1, &[])
                }
            }),
        ),
        (
            "padding",
            Box::new(move |number| {
                if number == 0 {
                    post.clone()
                } else {
                    frame(DATA, PADDED, 1, &[0])
                }
            }),
        ),
        (
            "settings that change a window to and fro",
            Box::new(|number| frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, number as u8])),
        ),
        (
            "table sizes",
            Box::new(|number| frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0x0f, number as u8])),
        ),
        (
            "reset streams that nobody opened",
            Box::new(|number| frame(RST_STREAM, 0, 2 * number + 1, &[0, 0, 0, 8])),
        ),
        (
            "windows that are too large",
            Box::new(|_| frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff])),
        ),
    ];
    for (name, mut bytes) in floods {
        let taken = flood(&server, &mut bytes);
        assert!(taken < FLOOD, "a flood of {name} was taken to its end");
        assert_eq!(server.status("/"), 200, "after a flood of {name}");
    }
}

#[test]
fn a_client_that_makes_the_server_reset_its_streams_is_cut_off() {
    let server = Setup::new().start();
    let open = |stream, flags| {
        let path = changed(&[(":method", "POST"), (":path", "/never")]);
        frame(HEADERS, flags | END_HEADERS, stream, &block(&path))
    };
    // What follows each request is wrong on its stream, and makes the server end it while it is worked on.
    let wrongs: [(&str, u8, Wrong); 5] = [
        ("a window that grows by nothing", END_STREAM, |stream| {
            frame(WINDOW_UPDATE, 0, stream, &[0; 4])
        }),
        ("a window that is too large", END_STREAM, |stream| {
            frame(WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff])
        }),
        ("a second head", 0, |stream| {
            frame(HEADERS, END_HEADERS, stream, &block(&[("x", "y")]))
        }),
        ("data after the end", END_STREAM, |stream| {
            frame(DATA, 0, stream, b"x")
        }),
        ("a stream that depends on itself", END_STREAM, |stream| {
            let [a, b, c, d] = stream.to_be_bytes();
            frame(PRIORITY, 0, stream, &[a, b, c, d, 1])
        }),
    ];
    for (name, flags, wrong) in wrongs {
        let taken = flood(&server, &mut |number| {
            let stream = 2 * number + 1;
            [open(stream, flags), wrong(stream)].concat()
        });
        assert!(taken < FLOOD, "{name} was taken to its end");
        server.wait_for_working(0);
        assert_eq!(server.status("/"), 200, "after {name}");
        let seen = std::mem::take(&mut *server.seen.lock()).len();
        assert!(seen < 2_000, "{name} made the handler begin {seen} times");
    }
}

#[test]
fn headers_that_grow_when_they_are_unpacked_are_refused() {
    let server = Setup::new().start();
    let mut raw = Raw::connect(&server);
    // One field of four kilobytes goes into the table, and is then meant again and again.
    let mut bomb = block(&REQUEST);
    bomb.extend([0x40, 1, b'x', 0x7f, 0x81, 0x1e]);
    bomb.extend([b'y'; 3968]);
    bomb.extend(std::iter::repeat_n(0xbe, 10_000));
    raw.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &bomb));
    let outcome = raw.outcome(1);
    assert!(
        matches!(outcome, Outcome::Reset | Outcome::Ended | Outcome::Answered(431)),
        "{outcome:?}"
    );
    let many: Vec<(&str, &str)> = [&REQUEST[..], &[("x", "y"); 200]].concat();
    let mut raw = Raw::connect(&server);
    raw.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(&many)));
    assert_eq!(raw.outcome(1), Outcome::Answered(431));
}

#[test]
fn streams_have_the_same_time_limits_and_the_same_end() {
    let server = Setup::new()
        .limits(|limits| {
            limits.response_timeout = Duration::from_millis(300);
            limits.body_timeout = Duration::from_millis(500);
        })
        .start();
    let get = |path| block(&changed(&[(":path", path)]));
    let mut raw = Raw::connect(&server);
    raw.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &get("/never")));
    assert_eq!(raw.outcome(1), Outcome::Answered(504));
    raw.send(&frame(HEADERS, END_STREAM | END_HEADERS, 3, &get("/stuck")));
    assert_eq!(raw.outcome(3), Outcome::Answered(200));
    assert_eq!(raw.outcome(3), Outcome::Reset);
    // A client that gives no room for the response.
    let mut raw = Raw::connect(&server);
    raw.send(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]));
    raw.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &get("/large/10")));
    assert_eq!(raw.outcome(1), Outcome::Answered(200));
    assert_eq!(raw.outcome(1), Outcome::Reset);
    server.wait_for_working(0);
    // A stream that its client resets ends at once.
    let server = Setup::new().start();
    let mut raw = Raw::connect(&server);
    raw.send(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &get("/never")));
    server.wait_for_working(1);
    raw.send(&frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]));
    server.wait_for_working(0);
}

#[test]
fn a_server_that_ends_says_goodbye_and_finishes_its_streams() {
    let mut server = Setup::new().start();
    let mut raw = Raw::connect(&server);
    raw.send(&frame(
        HEADERS,
        END_STREAM | END_HEADERS,
        1,
        &block(&changed(&[(":path", "/sleep/400")])),
    ));
    server.wait_for_working(1);
    let draining = server.server.take().unwrap();
    let ending = std::thread::spawn(move || draining.drain());
    let mut frames = Vec::new();
    while let Some((kind, stream, _)) = raw.next() {
        frames.push((kind, stream));
        if kind == PING {
            raw.send(&frame(
                PING,
                1,
                0,
                &[0x0b, 0x7b, 0xa2, 0xf0, 0x8b, 0x9b, 0xfe, 0x54],
            ));
        }
    }
    assert!(frames.contains(&(GOAWAY, 0)), "{frames:?}");
    assert!(
        frames.contains(&(HEADERS, 1)) && frames.contains(&(DATA, 1)),
        "{frames:?}"
    );
    assert_eq!(ending.join().unwrap(), Ended::Drained);
}
