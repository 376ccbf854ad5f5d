//! Answers HTTP requests of 0.3 with what the guest `web` of 0.2 answers.

use std::sync::atomic::{AtomicU32, Ordering};

use wasip3::cli::environment;
use wasip3::clocks::monotonic_clock;
use wasip3::http::types::{ErrorCode, Fields, Request, Response, Scheme};
use wasip3::wit_bindgen::{StreamResult, StreamWriter, spawn_local};
use wasip3::{wit_future, wit_stream};

struct Web;
wasip3::http::service::export!(Web);

const PIECE_BYTES: usize = 64 << 10;

static REQUESTS: AtomicU32 = AtomicU32::new(0);

impl wasip3::exports::http::handler::Guest for Web {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let count = REQUESTS.fetch_add(1, Ordering::Relaxed) + 1;
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match path {
            "/echo" => Ok(echo(request)),
            "/headers" => Ok(say(200, head(&request))),
            "/slow" => {
                monotonic_clock::wait_for(number(query) * 1_000_000).await;
                Ok(say(200, "slow\n".to_owned()))
            }
            "/spin" => spin(),
            "/trap" => panic!("asked to trap"),
            "/memory" => Ok(say(200, format!("{}\n", use_memory(number(query))))),
            "/no-response" => Err(ErrorCode::InternalError(Some("no response".to_owned()))),
            "/big" => Ok(big(number(query) as usize)),
            "/trailers" => Ok(trailers()),
            "/status" => Ok(say(number(query) as u16, "as asked\n".to_owned())),
            "/exit" => {
                wasip3::cli::exit::exit(Ok(()));
                Err(ErrorCode::InternalError(None))
            }
            "/env" => Ok(say(200, variables())),
            "/count" => Ok(say(200, format!("{count}\n"))),
            "/early" => Ok(early(request)),
            "/late-trap" => Ok(late_trap()),
            "/short" => Ok(short()),
            _ => Ok(say(200, "hello world\n".to_owned())),
        }
    }
}

fn number(query: &str) -> u64 {
    let value = query.split_once('=').map_or("", |(_, value)| value);
    value.parse().unwrap_or(0)
}

/// A response whose body is written by a task.
fn respond<F>(status: u16, headers: &[(&str, &str)], write: impl FnOnce(StreamWriter<u8>) -> F) -> Response
where
    F: Future<Output = Option<Fields>> + 'static,
{
    let fields = Fields::new();
    for (name, value) in headers {
        fields
            .append(name, value.as_bytes())
            .expect("a header that may be set");
    }
    let (writer, body) = wit_stream::new();
    let (ended, end) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(fields, Some(body), end);
    response.set_status_code(status).expect("a status");
    let writing = write(writer);
    spawn_local(async move {
        let trailers = writing.await;
        // Nobody is there to read them where the client is gone.
        let _ = ended.write(Ok(trailers)).await;
    });
    response
}

fn say(status: u16, text: String) -> Response {
    respond(
        status,
        &[("content-type", "text/plain")],
        |mut writer| async move {
            writer.write_all(text.into_bytes()).await;
            None
        },
    )
}

fn echo(request: Request) -> Response {
    let (_read, wanted) = wit_future::new(|| Ok(()));
    let (mut input, _trailers) = Request::consume_body(request, wanted);
    respond(200, &[], |mut writer| async move {
        let mut buffer = Vec::with_capacity(PIECE_BYTES);
        loop {
            let (result, read) = input.read(buffer).await;
            buffer = read;
            match result {
                StreamResult::Complete(_) => buffer = writer.write_all(buffer).await,
                StreamResult::Dropped | StreamResult::Cancelled => return None,
            }
            buffer.clear();
        }
    })
}

fn early(request: Request) -> Response {
    let (_read, wanted) = wit_future::new(|| Ok(()));
    let (mut input, _trailers) = Request::consume_body(request, wanted);
    respond(200, &[], |mut writer| async move {
        writer.write_all(b"early\n".to_vec()).await;
        drop(writer);
        while let (StreamResult::Complete(_), _) = input.read(Vec::with_capacity(PIECE_BYTES)).await {}
        None
    })
}

fn head(request: &Request) -> String {
    let scheme = match request.get_scheme() {
        Some(Scheme::Http) => "http",
        Some(Scheme::Https) => "https",
        _ => "other",
    };
    let mut text = format!(
        "method {:?}\nscheme {scheme}\nauthority {}\n",
        request.get_method(),
        request.get_authority().unwrap_or_default()
    );
    for (name, value) in request.get_headers().copy_all() {
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

fn big(bytes: usize) -> Response {
    respond(200, &[], move |mut writer| async move {
        let mut left = bytes;
        while left > 0 {
            let next = left.min(PIECE_BYTES);
            if !writer.write_all(vec![b'x'; next]).await.is_empty() {
                return None;
            }
            left -= next;
        }
        None
    })
}

fn trailers() -> Response {
    respond(200, &[("trailer", "x-checksum")], |mut writer| async move {
        writer.write_all(b"with trailers\n".to_vec()).await;
        let trailers = Fields::new();
        trailers
            .append("x-checksum", b"14")
            .expect("a trailer that may be set");
        Some(trailers)
    })
}

fn late_trap() -> Response {
    respond(200, &[], |mut writer| async move {
        writer.write_all(vec![b'x'; 16 << 10]).await;
        panic!("asked to trap late");
    })
}

fn short() -> Response {
    respond(200, &[("content-length", "100")], |mut writer| async move {
        writer.write_all(b"less".to_vec()).await;
        None
    })
}
