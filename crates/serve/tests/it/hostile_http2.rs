//! Frames that are no HTTP/2 request, and floods of frames that do nothing.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use weft_serve::Ended;

use crate::serving::{Client, PATIENCE, Running, Setup};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

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
        changed(&[(":path", "")]),
        changed(&[(":path", "a")]),
        changed(&[(":path", "*")]),
        changed(&[(":path", "http://a/")]),
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
    let mut raw = Raw::connect(&server);
    raw.send(&frame(
        HEADERS,
        END_STREAM | END_HEADERS,
        1,
        &block(&with("host", "a")),
    ));
    assert_eq!(raw.outcome(1), Outcome::Answered(200));
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
    let floods: Vec<(&str, Flood)> = vec![
        ("settings", Box::new(|_| frame(SETTINGS, 0, 0, &[]))),
        ("pings", Box::new(|_| frame(PING, 0, 0, &[0; 8]))),
        ("windows", Box::new(|_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]))),
        ("priorities", Box::new(|_| frame(2, 0, 1, &[0, 0, 0, 0, 1]))),
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
            "overflow",
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
