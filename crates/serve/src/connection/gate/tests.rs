//! The gate with the parser behind it, against a second reading of the same bytes that was written from the RFCs alone
//! and knows nothing of either: both must come to the same requests, however the bytes are cut.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::*;

/// A request as somebody reads it: method, target, body.
type Seen = (String, String, Vec<u8>);

/// A name in lower case, and a value.
type Field = (String, String);

/// Gives its pieces one at a time, and swallows what is written.
struct Pieces {
    left: VecDeque<Vec<u8>>,
    pauses: bool,
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.pauses = !self.pauses;
        if self.pauses {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(mut piece) = self.left.pop_front() {
            let rest = piece.split_off(piece.len().min(buffer.remaining()));
            buffer.put_slice(&piece);
            if !rest.is_empty() {
                self.left.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Reset for Pieces {
    fn was_reset(&self) -> bool {
        false
    }
}

/// The whole requests that come out of the parser behind the gate.
async fn through_the_gate(pieces: Vec<Vec<u8>>) -> Vec<Seen> {
    let link = Rc::new(Link::new(Instant::now()));
    let bounds = Bounds {
        bytes_max: 4096,
        headers_max: 20,
        body_bytes_max: None,
    };
    let stream = Pieces {
        left: pieces.into(),
        pauses: true,
    };
    let gate = Gate::new(stream, Rc::clone(&link), bounds, Vec::new());
    let seen = RefCell::new(Vec::new());
    let service = service_fn(async |request: Request<Incoming>| {
        let refusal = link.count_request();
        link.enter(Phase::Working, Instant::now());
        let (parts, body) = request.into_parts();
        if refusal.is_none()
            && let Ok(body) = body.collect().await
        {
            let target = parts.uri.to_string();
            seen.borrow_mut()
                .push((parts.method.to_string(), target, body.to_bytes().to_vec()));
        }
        link.finish(Instant::now());
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
    });
    let mut http = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(gate), service);
    // As the driver does: the parser does not look again once everything has been answered.
    let driven = std::future::poll_fn(|context| {
        let has_ended = Pin::new(&mut http).poll(context).is_ready();
        if has_ended || (link.end_seen.get().is_some() && link.is_quiet()) {
            return Poll::Ready(());
        }
        Poll::Pending
    });
    let ended = tokio::time::timeout(std::time::Duration::from_secs(10), driven).await;
    assert!(ended.is_ok(), "the connection hangs");
    drop(http);
    seen.into_inner()
}

/// The whole requests that stand in front of the first thing that is none.
fn by_the_book(bytes: &[u8]) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut rest = bytes;
    while let Some((request, after, goes_on)) = read_request(rest) {
        seen.push(request);
        rest = after;
        if !goes_on {
            break;
        }
    }
    seen
}

/// A line that ends as lines do, without its end, and what follows.
fn read_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")?;
    let line = &bytes[..end];
    let is_text = line
        .iter()
        .all(|&byte| byte == b'\t' || byte >= 0x20 && byte != 0x7f);
    is_text.then(|| (line, &bytes[end + 2..]))
}

fn is_name(text: &[u8]) -> bool {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(is_token)
}

fn read_field(line: &[u8]) -> Option<Field> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let value: String = line[colon + 1..].iter().map(|&byte| char::from(byte)).collect();
    let name =
        is_name(&line[..colon]).then(|| String::from_utf8(line[..colon].to_ascii_lowercase()).ok())??;
    Some((name, value.trim_matches([' ', '\t']).to_owned()))
}

/// Fields to the empty line behind them, and what follows.
fn read_fields(bytes: &[u8]) -> Option<(Vec<Field>, &[u8])> {
    let mut fields = Vec::new();
    let mut rest = bytes;
    loop {
        let (line, after) = read_line(rest)?;
        rest = after;
        if line.is_empty() {
            return Some((fields, rest));
        }
        fields.push(read_field(line)?);
    }
}

fn read_request(bytes: &[u8]) -> Option<(Seen, &[u8], bool)> {
    let mut bytes = bytes;
    for _ in 0..2 {
        bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    }
    let (first, rest) = read_line(bytes)?;
    let words: Vec<&[u8]> = first.split(|&byte| byte == b' ').collect();
    let [method, target, version] = words[..] else {
        return None;
    };
    let is_old = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        _ => return None,
    };
    let (fields, rest) = read_fields(rest)?;
    let values = |name: &str| -> Vec<&str> {
        let named = fields.iter().filter(|(found, _)| found == name);
        named.map(|(_, value)| value.as_str()).collect()
    };
    let target = std::str::from_utf8(target).ok()?;
    if !is_name(method) || matches!(method, b"CONNECT" | b"TRACE") {
        return None;
    }
    check_whom(method, target, &values("host"), is_old)?;
    if !is_old
        && values("expect")
            .iter()
            .any(|value| !value.eq_ignore_ascii_case("100-continue"))
    {
        return None;
    }
    let (body, rest) = match (&values("content-length")[..], &values("transfer-encoding")[..]) {
        ([], []) => (Vec::new(), rest),
        ([length], []) => {
            let is_number = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
            let length: usize = is_number.then(|| length.parse().ok())??;
            (rest.get(..length)?.to_vec(), &rest[length..])
        }
        ([], [coding]) if !is_old && coding.eq_ignore_ascii_case("chunked") => read_chunks(rest)?,
        _ => return None,
    };
    let options: Vec<String> = values("connection")
        .iter()
        .flat_map(|value| value.split(','))
        .map(|option| option.trim_matches([' ', '\t']).to_ascii_lowercase())
        .collect();
    let has = |option: &str| options.iter().any(|found| found == option);
    let goes_on = !has("close") && (!is_old || has("keep-alive"));
    let method = String::from_utf8(method.to_vec()).ok()?;
    Some(((method, as_shown(target), body), rest, goes_on))
}

/// A target as the parser shows it: an address without a path has one.
fn as_shown(target: &str) -> String {
    match target.split_once("://").filter(|_| !target.starts_with('/')) {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            let slash = if path.starts_with('/') { "" } else { "/" };
            format!("{}://{host}{slash}{path}", scheme.to_ascii_lowercase())
        }
        None => target.to_owned(),
    }
}

fn check_whom(method: &[u8], target: &str, hosts: &[&str], is_old: bool) -> Option<()> {
    let named = match *hosts {
        [] if is_old => None,
        [host] if is_host(host) => Some(host),
        _ => return None,
    };
    if target == "*" {
        return (method == b"OPTIONS").then_some(());
    }
    let path = if target.starts_with('/') {
        target
    } else {
        let lower = target.to_ascii_lowercase();
        let start = ["http://", "https://"]
            .iter()
            .find(|start| lower.starts_with(**start))?
            .len();
        let rest = &target[start..];
        let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let is_same = named.is_none_or(|named| named.eq_ignore_ascii_case(host));
        (is_host(host) && is_same).then_some(path)?
    };
    let is_clean = path
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"\"#<>\\^`".contains(&byte));
    let before_query = path.split('?').next()?;
    let codes = before_query.split('%').skip(1);
    let are_codes = codes
        .map(|after| after.as_bytes())
        .all(|after| after.len() > 1 && after[..2].iter().all(u8::is_ascii_hexdigit));
    (is_clean && are_codes).then_some(())
}

fn is_host(text: &str) -> bool {
    let (name, port) = match text.rfind(']') {
        Some(end) => text.split_at(end + 1),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| {
            let is_number = digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.is_empty() || is_number && digits.parse::<u16>().is_ok()
        });
    let is_name = match name.strip_prefix('[') {
        Some(inside) => inside
            .strip_suffix(']')
            .is_some_and(|inside| inside.parse::<std::net::Ipv6Addr>().is_ok()),
        None => {
            let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=".contains(&byte);
            !name.is_empty() && name.bytes().all(may_stand)
        }
    };
    is_name && is_port
}

fn read_chunks(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut body = Vec::new();
    let mut rest = bytes;
    loop {
        let (line, after) = read_line(rest)?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let size = std::str::from_utf8(&line[..digits])
            .ok()
            .filter(|_| digits <= 15)?;
        let size = usize::from_str_radix(size, 16).ok()?;
        check_extensions(&line[digits..])?;
        if size == 0 {
            let (trailers, rest) = read_fields(after)?;
            let never = [
                "content-length",
                "transfer-encoding",
                "host",
                "connection",
                "expect",
                "cookie",
                "te",
            ];
            let may_be = trailers.iter().all(|(name, _)| !never.contains(&name.as_str()));
            return may_be.then_some((body, rest));
        }
        body.extend(after.get(..size)?);
        rest = after[size..].strip_prefix(b"\r\n")?;
    }
}

fn check_extensions(text: &[u8]) -> Option<()> {
    fn skip(text: &[u8]) -> &[u8] {
        &text[text
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count()..]
    }
    fn name(text: &[u8]) -> Option<&[u8]> {
        let length = (0..text.len())
            .find(|&at| !is_name(&text[at..=at]))
            .unwrap_or(text.len());
        (length > 0).then(|| &text[length..])
    }
    let mut rest = text;
    while !rest.is_empty() {
        rest = name(skip(skip(rest).strip_prefix(b";")?))?;
        if let Some(value) = skip(rest).strip_prefix(b"=") {
            let value = skip(value);
            rest = match value.strip_prefix(b"\"") {
                None => name(value)?,
                Some(mut quoted) => loop {
                    match quoted {
                        [b'"', after @ ..] => break after,
                        [b'\\', _, after @ ..] | [_, after @ ..] => quoted = after,
                        [] => return None,
                    }
                },
            };
        }
    }
    Some(())
}

const REQUESTS: [&str; 14] = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /a%20b?c=%d HTTP/1.1\r\nhost:\ta:80 \r\nX: y\r\n\r\n",
    "GET http://a/b HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    "GET https://[::1]:80?b HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "PUT / HTTP/1.0\r\nContent-Length: 1\r\nConnection: Keep-Alive\r\n\r\nx",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n..",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\nHost: a\r\n\r\n3;a=b;c=\"d;\\\"\"\r\nabc\r\n0 ; e\r\nx-y: z\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
    "\r\nDELETE /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
];

const BITS: [&[u8]; 48] = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\0",
    b" ",
    b"\t",
    b"\x0b",
    b"\x7f",
    b"\x80",
    b"\xff",
    b":",
    b";",
    b",",
    b"=",
    b"\"",
    b"\\",
    b"%",
    b"%2",
    b"#",
    b"?",
    b"/",
    b"@",
    b"[",
    b"*",
    b"+",
    b"-",
    b"0",
    b"1",
    b"5",
    b"F",
    b"0x",
    b"00",
    b"\r\n ",
    b"\n\n",
    b"0\r\n\r\n",
    b"5\r\n",
    b";a",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"transfer-encoding:\tidentity\r\n",
    b"Host: a\r\n",
    b"Host: b\r\n",
    b"Expect: x\r\n",
    b"Connection: close\r\n",
    b"HTTP/1.0",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
];

fn mutate(random: &mut fastrand::Rng, bytes: &mut Vec<u8>) {
    let at = random.usize(..=bytes.len());
    let bit = BITS[random.usize(..BITS.len())];
    let end = (at + random.usize(..4)).min(bytes.len());
    match random.u8(..6) {
        0 | 1 => drop(bytes.splice(at..at, bit.iter().copied())),
        2 => drop(bytes.splice(at..end, bit.iter().copied())),
        3 => drop(bytes.drain(at..end)),
        4 => {
            let end = (at + random.usize(..40)).min(bytes.len());
            let again = bytes[at..end].to_vec();
            let to = random.usize(..=bytes.len());
            bytes.splice(to..to, again);
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.u8(..8);
            }
        }
    }
}

fn cut(random: &mut fastrand::Rng, bytes: &[u8]) -> Vec<Vec<u8>> {
    let cuts = random.usize(..6);
    let mut places: Vec<usize> = (0..cuts).map(|_| random.usize(..=bytes.len())).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.dedup();
    places
        .windows(2)
        .map(|pair| bytes[pair[0]..pair[1]].to_vec())
        .collect()
}

#[test]
fn the_parser_sees_what_the_rfcs_say_and_nothing_else() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    // One after another in a fixed order, so that what fails once fails again.
    let mut random = fastrand::Rng::with_seed(9112);
    let (mut whole, mut refused) = (0, 0);
    for number in 0..30_000 {
        let mut bytes: Vec<u8> = (0..random.usize(1..4))
            .flat_map(|_| REQUESTS[random.usize(..REQUESTS.len())].bytes())
            .collect();
        for _ in 0..random.usize(..4) {
            mutate(&mut random, &mut bytes);
        }
        let pieces = cut(&mut random, &bytes);
        let expected = by_the_book(&bytes);
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let seen = runtime.block_on(through_the_gate(pieces.clone()));
        assert_eq!(
            seen,
            expected,
            "number {number}: {shown:?} in {:?}",
            pieces.iter().map(Vec::len).collect::<Vec<_>>()
        );
        whole += expected.len();
        refused += usize::from(expected.is_empty());
    }
    // Neither everything nor nothing is refused.
    assert!(
        whole > 20_000 && refused > 3_000,
        "{whole} whole, {refused} with none"
    );
}
