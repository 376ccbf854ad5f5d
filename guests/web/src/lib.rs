//! Answers HTTP requests of 0.2; what it does is the path of the request:
//!
//! `/hello` greets; `/echo` sends the body back as it comes; `/headers` lists the request's head; `/slow?ms=N` waits
//! first; `/spin` computes for ever; `/trap` traps; `/memory?mib=N` uses so much memory; `/no-response` ends without an
//! answer; `/big?bytes=N` sends so much; `/trailers` sends one after the body; `/status?code=N` answers with it; `/exit`
//! ends the program; `/env` lists the variables; `/count` says how many requests this instance has had; `/early` answers
//! before it reads the body; `/late-trap` traps in the middle of its body; `/short` promises more than it sends.

use std::sync::atomic::{AtomicU32, Ordering};

use wasip2::cli::environment;
use wasip2::clocks::monotonic_clock;
use wasip2::http::types::{
    Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam, Scheme,
};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

struct Web;
wasip2::http::proxy::export!(Web);

/// One blocking write takes no more.
const PIECE_BYTES_MAX: usize = 4096;

static REQUESTS: AtomicU32 = AtomicU32::new(0);

impl wasip2::exports::http::incoming_handler::Guest for Web {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let count = REQUESTS.fetch_add(1, Ordering::Relaxed) + 1;
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match path {
            "/echo" => echo(&request, out),
            "/headers" => say(out, 200, &head(&request)),
            "/slow" => {
                monotonic_clock::subscribe_duration(number(query) * 1_000_000).block();
                say(out, 200, "slow\n");
            }
            "/spin" => spin(),
            "/trap" => panic!("asked to trap"),
            "/memory" => say(out, 200, &format!("{}\n", use_memory(number(query)))),
            "/no-response" => {}
            "/big" => big(out, number(query)),
            "/trailers" => trailers(out),
            "/status" => say(out, number(query) as u16, "as asked\n"),
            "/exit" => wasip2::cli::exit::exit(Ok(())),
            "/env" => say(out, 200, &variables()),
            "/count" => say(out, 200, &format!("{count}\n")),
            "/early" => early(&request, out),
            "/late-trap" => late_trap(out),
            "/short" => short(out),
            _ => say(out, 200, "hello world\n"),
        }
    }
}

fn number(query: &str) -> u64 {
    let value = query.split_once('=').map_or("", |(_, value)| value);
    value.parse().unwrap_or(0)
}

fn begin(out: ResponseOutparam, status: u16, headers: &[(&str, &str)]) -> (OutgoingBody, OutputStream) {
    let fields = Fields::new();
    for (name, value) in headers {
        fields
            .append(name, value.as_bytes())
            .expect("a header that may be set");
    }
    let response = OutgoingResponse::new(fields);
    response.set_status_code(status).expect("a status");
    let body = response.body().expect("the body of a new response");
    let stream = body.write().expect("the stream of a new body");
    ResponseOutparam::set(out, Ok(response));
    (body, stream)
}

fn say(out: ResponseOutparam, status: u16, text: &str) {
    let (body, stream) = begin(out, status, &[("content-type", "text/plain")]);
    write(&stream, text.as_bytes());
    drop(stream);
    OutgoingBody::finish(body, None).expect("a whole body");
}

fn write(stream: &OutputStream, bytes: &[u8]) -> bool {
    bytes
        .chunks(PIECE_BYTES_MAX)
        .all(|piece| stream.blocking_write_and_flush(piece).is_ok())
}

fn body_of(request: &IncomingRequest) -> (IncomingBody, InputStream) {
    let body = request.consume().expect("the body of a request");
    let stream = body.stream().expect("the stream of a body");
    (body, stream)
}

fn echo(request: &IncomingRequest, out: ResponseOutparam) {
    let (_body, input) = body_of(request);
    let (body, output) = begin(out, 200, &[]);
    loop {
        match input.blocking_read(PIECE_BYTES_MAX as u64) {
            Ok(piece) if write(&output, &piece) => {}
            Ok(_) | Err(StreamError::Closed) => break,
            // The rest of the request is missing: so is the rest of the response.
            Err(StreamError::LastOperationFailed(_)) => return,
        }
    }
    drop(output);
    OutgoingBody::finish(body, None).expect("a whole body");
}

fn early(request: &IncomingRequest, out: ResponseOutparam) {
    say(out, 200, "early\n");
    let (_body, input) = body_of(request);
    while input.blocking_read(PIECE_BYTES_MAX as u64).is_ok() {}
}

fn head(request: &IncomingRequest) -> String {
    let scheme = match request.scheme() {
        Some(Scheme::Http) => "http",
        Some(Scheme::Https) => "https",
        _ => "other",
    };
    let mut text = format!(
        "method {:?}\nscheme {scheme}\nauthority {}\n",
        request.method(),
        request.authority().unwrap_or_default()
    );
    for (name, value) in request.headers().entries() {
        text += &format!("{name}: {}\n", String::from_utf8_lossy(&value));
    }
    text
}

fn variables() -> String {
    let variables = environment::get_environment();
    variables
        .iter()
        .map(|(name, value)| format!("{name}={value}\n"))
        .collect()
}

fn spin() -> ! {
    let mut number = 0_u64;
    loop {
        number = std::hint::black_box(number.wrapping_mul(31).wrapping_add(7));
    }
}

fn use_memory(mebibytes: u64) -> usize {
    let memory = vec![1_u8; (mebibytes as usize) << 20];
    std::hint::black_box(&memory).len()
}

fn big(out: ResponseOutparam, bytes: u64) {
    let (body, stream) = begin(out, 200, &[]);
    let piece = [b'x'; PIECE_BYTES_MAX];
    let mut left = bytes as usize;
    while left > 0 {
        let next = left.min(piece.len());
        if !write(&stream, &piece[..next]) {
            return;
        }
        left -= next;
    }
    drop(stream);
    OutgoingBody::finish(body, None).expect("a whole body");
}

fn trailers(out: ResponseOutparam) {
    let (body, stream) = begin(out, 200, &[("trailer", "x-checksum")]);
    write(&stream, b"with trailers\n");
    drop(stream);
    let trailers = Fields::new();
    trailers
        .append("x-checksum", b"14")
        .expect("a trailer that may be set");
    OutgoingBody::finish(body, Some(trailers)).expect("a whole body");
}

fn late_trap(out: ResponseOutparam) {
    let (_body, stream) = begin(out, 200, &[]);
    write(&stream, &[b'x'; 4 * PIECE_BYTES_MAX]);
    panic!("asked to trap late");
}

fn short(out: ResponseOutparam) {
    let (body, stream) = begin(out, 200, &[("content-length", "100")]);
    write(&stream, b"less");
    drop(stream);
    // The host says that it is too short, and cuts the response off.
    let _ = OutgoingBody::finish(body, None);
}
