//! Outgoing HTTP, called the way wasmtime calls it for a guest.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Barrier, mpsc, oneshot};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};
use weft_app::grant::HttpGrant;
use weft_services::http_client::{Client, Denial, Limits, Options, Resolve, RootsError};

use crate::http_server::{Authority, Server, ServerBody, Speaks, text};

const HTTP2: &[&str] = &["h2", "http/1.1"];
const HTTP1: &[&str] = &["http/1.1"];
const SOON: Duration = Duration::from_millis(150);

fn grant(origins: &[&str], private: &[&str]) -> HttpGrant {
    HttpGrant {
        origins: origins.iter().map(|text| text.parse().unwrap()).collect(),
        private: private.iter().map(|text| text.parse().unwrap()).collect(),
    }
}

fn for_server(server: &Server) -> Guest {
    Guest::new(grant(&[&server.url("http")], &[]), Options::default())
}

fn for_tls_server(server: &Server, authority: &Authority) -> Guest {
    let options = Options::default()
        .extra_roots(authority.root_pem.as_bytes())
        .unwrap();
    Guest::new(grant(&[&server.url("https")], &[]), options)
}

/// Stands in for a guest: sends through the hooks and keeps the exchange alive as wasmtime does.
struct Guest {
    client: Client,
    denials: Arc<Mutex<Vec<Denial>>>,
}

type InFlight = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

impl Guest {
    fn new(grant: HttpGrant, options: Options) -> Self {
        let denials = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&denials);
        let client = Client::with_options(grant, options, move |denial| record.lock().push(denial));
        Self { client, denials }
    }

    async fn send_with(
        &self,
        request: Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<(Response<WasiBody>, InFlight), Error> {
        let sending = self
            .client
            .clone()
            .send_request(request, Some(options), Box::new(async { Ok(()) }));
        let (response, in_flight) = within(Box::into_pin(sending)).await?;
        Ok((response, Box::into_pin(in_flight)))
    }

    async fn send(&self, request: Request<WasiBody>) -> Result<(Response<WasiBody>, InFlight), Error> {
        self.send_with(request, RequestOptions::default()).await
    }

    /// Sends and reads everything.
    async fn fetch(&self, request: Request<WasiBody>) -> Result<(StatusCode, Bytes), Error> {
        let (response, _in_flight) = self.send(request).await?;
        let status = response.status();
        Ok((status, within(response.into_body().collect()).await?.to_bytes()))
    }

    async fn refusal(&self, request: Request<WasiBody>) -> Error {
        match self.fetch(request).await {
            Ok((status, _)) => panic!("answered with {status}"),
            Err(error) => error,
        }
    }

    fn flags(&self) -> Vec<String> {
        self.denials
            .lock()
            .iter()
            .map(|denial| denial.flag.clone())
            .collect()
    }
}

fn get(url: impl AsRef<str>) -> Request<WasiBody> {
    request(Method::GET, url, Empty::new().map_err(Error::from).boxed_unsync())
}

fn post(url: impl AsRef<str>, body: WasiBody) -> Request<WasiBody> {
    request(Method::POST, url, body)
}

fn request(method: Method, url: impl AsRef<str>, body: WasiBody) -> Request<WasiBody> {
    Request::builder()
        .method(method)
        .uri(url.as_ref())
        .body(body)
        .unwrap()
}

fn whole(body: impl Into<Bytes>) -> WasiBody {
    Full::new(body.into()).map_err(Error::from).boxed_unsync()
}

/// A body of unknown length that ends when the sender is dropped.
fn streamed() -> (mpsc::Sender<Result<Frame<Bytes>, Error>>, WasiBody) {
    let (sender, mut receiver) = mpsc::channel(1);
    let frames = stream::poll_fn(move |context| receiver.poll_recv(context));
    (sender, StreamBody::new(frames).boxed_unsync())
}

/// A body of so many chunks of 64 KiB, made only when asked for; counts those that were asked for.
fn counted(chunks: usize) -> (Arc<AtomicUsize>, WasiBody) {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&made);
    let frames = stream::poll_fn(move |_| {
        let number = counter.fetch_add(1, Ordering::SeqCst);
        Poll::Ready((number < chunks).then(|| Ok(Frame::data(Bytes::from(vec![b'x'; CHUNK_BYTES])))))
    });
    (made, StreamBody::new(frames).boxed_unsync())
}

const CHUNK_BYTES: usize = 64 * 1024;

/// Waits until the number stands still.
async fn settled(number: &AtomicUsize) -> usize {
    loop {
        let before = number.load(Ordering::SeqCst);
        tokio::time::sleep(SOON * 2).await;
        if before > 0 && number.load(Ordering::SeqCst) == before {
            return before;
        }
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("should have happened by now")
}

/// Answers look-ups from a list, one entry for each look-up; the last entry stays.
struct Answers {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Answers {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |list: &&[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Self {
            answers: Mutex::new(answers.iter().map(parse).collect()),
            asked: AtomicUsize::new(0),
        })
    }
}

impl Resolve for Answers {
    fn resolve(&self, _name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock();
        let answer = if answers.len() > 1 {
            answers.pop_front()
        } else {
            answers.front().cloned()
        };
        Box::pin(async move { answer.ok_or_else(|| io::Error::other("no such name")) })
    }
}

fn resolved_by(resolver: &Arc<Answers>) -> Options {
    Options::default().resolver(Arc::clone(resolver) as Arc<dyn Resolve>)
}

fn limited(limits: Limits) -> Options {
    Options::default().limits(limits)
}

async fn hello() -> Server {
    Server::start(Speaks::Http1, async |_| text("hello")).await
}

// What is granted.

#[test]
fn a_client_is_made_without_a_runtime() {
    let client = Client::new(HttpGrant::default(), |_| {});
    assert!(format!("{client:?}").contains("Client"));
}

#[tokio::test]
async fn without_a_grant_nothing_is_sent() {
    let server = hello().await;
    let guest = Guest::new(HttpGrant::default(), Options::default());
    let error = guest.refusal(get(server.url("http"))).await;
    assert!(matches!(error, Error::HttpRequestDenied), "{error}");
    let denials = guest.denials.lock().clone();
    let url = server.url("http");
    let expected = Denial {
        interface: "wasi:http",
        attempted: format!("a request to `{url}`"),
        flag: format!("--http {url}"),
    };
    assert_eq!(denials, [expected]);
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn a_granted_origin_answers() {
    let server = hello().await;
    let (status, body) = for_server(&server).fetch(get(server.url("http"))).await.unwrap();
    assert_eq!((status, &body[..]), (StatusCode::OK, &b"hello"[..]));
}

#[tokio::test]
async fn another_port_host_or_scheme_is_denied_before_any_look_up() {
    let server = hello().await;
    let resolver = Answers::new(&[&["127.0.0.1"]]);
    let guest = Guest::new(
        grant(&[&server.url("http"), "https://*.example.com"], &[]),
        resolved_by(&resolver),
    );
    for url in [
        "http://127.0.0.1:1/",
        "http://127.0.0.2/",
        "https://example.com/",
        "https://a.example.org/",
        "https://a.example.com:444/",
        "http://a.example.com/",
    ] {
        let error = guest.refusal(get(url)).await;
        assert!(matches!(error, Error::HttpRequestDenied), "{url}: {error}");
    }
    let error = guest.refusal(get(server.url("https"))).await;
    assert!(matches!(error, Error::HttpRequestDenied), "{error}");
    assert_eq!(
        (
            guest.flags().len(),
            resolver.asked.load(Ordering::SeqCst),
            server.accepted()
        ),
        (7, 0, 0)
    );
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_refused() {
    let server = hello().await;
    let resolver = Answers::new(&[&["127.0.0.1"]]);
    let url = format!("http://public.example:{}", server.address.port());
    let guest = Guest::new(grant(&[&url], &[]), resolved_by(&resolver));
    let error = guest.refusal(get(&url)).await;
    assert!(matches!(error, Error::DestinationIpProhibited), "{error}");
    assert_eq!(guest.flags(), ["--http-private 127.0.0.1"]);
    assert_eq!(server.accepted(), 0);

    let allowed = Guest::new(grant(&[&url], &["127.0.0.0/8"]), resolved_by(&resolver));
    assert_eq!(allowed.fetch(get(&url)).await.unwrap().1, "hello");
    assert!(allowed.flags().is_empty());
}

#[tokio::test]
async fn a_star_leads_to_no_private_address() {
    let server = hello().await;
    let guest = Guest::new(grant(&["*"], &[]), Options::default());
    let by_number = format!("http://2130706433:{}", server.address.port());
    let by_name = format!("http://localhost:{}", server.address.port());
    for url in [server.url("http"), by_number, by_name] {
        let error = guest.refusal(get(&url)).await;
        assert!(matches!(error, Error::DestinationIpProhibited), "{url}: {error}");
    }
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn localhost_granted_by_name_leads_to_this_machine() {
    let server = hello().await;
    let url = format!("http://localhost:{}", server.address.port());
    let guest = Guest::new(grant(&[&url], &[]), Options::default());
    assert_eq!(guest.fetch(get(&url)).await.unwrap().1, "hello");
}

#[tokio::test]
async fn only_the_allowed_ones_among_the_addresses_are_tried() {
    let server = hello().await;
    let other = std::net::TcpListener::bind(("127.0.0.2", server.address.port())).unwrap();
    other.set_nonblocking(true).unwrap();
    let resolver = Answers::new(&[&["127.0.0.2", "127.0.0.1"]]);
    let url = format!("http://public.example:{}", server.address.port());
    let guest = Guest::new(grant(&[&url], &["127.0.0.1"]), resolved_by(&resolver));
    assert_eq!(guest.fetch(get(&url)).await.unwrap().1, "hello");
    assert_eq!(other.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn an_address_that_refuses_is_followed_by_the_next() {
    let server = hello().await;
    let resolver = Answers::new(&[&["127.0.0.9", "::1", "127.0.0.1"]]);
    let url = format!("http://public.example:{}", server.address.port());
    let guest = Guest::new(grant(&[&url], &["127.0.0.0/8", "::1"]), resolved_by(&resolver));
    assert_eq!(guest.fetch(get(&url)).await.unwrap().1, "hello");
}

#[tokio::test]
async fn a_name_is_looked_up_once_for_each_connection() {
    let server = Server::start(Speaks::Http1, async |_| {
        let mut response = text("bye");
        response
            .headers_mut()
            .insert("connection", HeaderValue::from_static("close"));
        response
    })
    .await;
    let resolver = Answers::new(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let url = format!("http://public.example:{}", server.address.port());
    let guest = Guest::new(grant(&[&url], &["127.0.0.1"]), resolved_by(&resolver));
    assert_eq!(guest.fetch(get(&url)).await.unwrap().1, "bye");
    assert_eq!(resolver.asked.load(Ordering::SeqCst), 1);
    // The name leads elsewhere by now, which is checked anew.
    let error = guest.refusal(get(&url)).await;
    assert!(matches!(error, Error::DestinationIpProhibited), "{error}");
    assert_eq!(guest.flags(), ["--http-private 127.0.0.2"]);
}

// What is sent.

/// A server that answers one request with `hello` and tells what it was sent.
async fn telltale() -> (Server, mpsc::Receiver<String>) {
    let (sender, receiver) = mpsc::channel(8);
    let server = Server::start_raw(move |mut stream| {
        let sender = sender.clone();
        async move {
            let head = read_head(&mut stream).await;
            sender.send(head).await.unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello")
                .await
                .unwrap();
        }
    })
    .await;
    (server, receiver)
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn the_request_names_the_origin_that_was_checked() {
    let (server, mut heads) = telltale().await;
    let guest = for_server(&server);
    let mut request = get(format!("{}/a?b=http://other.example/", server.url("http")));
    for (name, value) in [
        ("host", "other.example"),
        ("proxy-authorization", "x"),
        ("connection", "upgrade"),
        ("te", "gzip"),
    ] {
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    guest.fetch(request).await.unwrap();
    let head = heads.recv().await.unwrap();
    let expected = format!(
        "GET /a?b=http://other.example/ HTTP/1.1\r\nhost: {}\r\n\r\n",
        server.address
    );
    assert_eq!(head, expected);
}

#[tokio::test]
async fn user_information_other_schemes_and_tunnels_are_refused() {
    let server = hello().await;
    let guest = Guest::new(grant(&["*"], &["127.0.0.0/8"]), Options::default());
    let address = server.address;
    for (method, url, expected) in [
        (
            Method::GET,
            format!("http://user:word@{address}/"),
            "invalid HTTP request URI",
        ),
        (
            Method::GET,
            format!("http://127.0.0.1@{address}/"),
            "invalid HTTP request URI",
        ),
        (Method::GET, format!("ftp://{address}/"), "HTTP protocol error"),
        (
            Method::CONNECT,
            format!("http://{address}/"),
            "invalid HTTP request method",
        ),
    ] {
        let error = guest.refusal(request(method, &url, whole(""))).await;
        assert_eq!(error.to_string(), expected, "{url}");
    }
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn a_get_request_announces_a_body_only_if_it_has_one() {
    let (server, mut heads) = telltale().await;
    let guest = for_server(&server);
    let (sender, body) = streamed();
    drop(sender);
    guest
        .fetch(request(Method::GET, server.url("http"), body))
        .await
        .unwrap();
    assert!(!heads.recv().await.unwrap().contains("transfer-encoding"));

    let (sender, body) = streamed();
    sender
        .send(Ok(Frame::data(Bytes::from_static(b"question"))))
        .await
        .unwrap();
    guest
        .fetch(request(Method::GET, server.url("http"), body))
        .await
        .unwrap();
    assert!(heads.recv().await.unwrap().contains("transfer-encoding: chunked"));
}

#[tokio::test]
async fn redirects_are_the_business_of_the_guest() {
    let server = Server::start(Speaks::Http1, async |_| {
        let mut response = text("");
        *response.status_mut() = StatusCode::FOUND;
        response
            .headers_mut()
            .insert("location", HeaderValue::from_static("http://127.0.0.1:1/"));
        response
    })
    .await;
    let (response, _in_flight) = for_server(&server).send(get(server.url("http"))).await.unwrap();
    assert_eq!(
        (response.status(), &response.headers()["location"]),
        (
            StatusCode::FOUND,
            &HeaderValue::from_static("http://127.0.0.1:1/")
        )
    );
}

// Connections.

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_request_uses_the_connection_of_the_first() {
    let server = Server::start(Speaks::Http1, async |request: Request<_>| {
        request.into_body().collect().await.unwrap();
        text("done")
    })
    .await;
    let guest = for_server(&server);
    for _ in 0..20 {
        guest.fetch(get(server.url("http"))).await.unwrap();
        guest
            .fetch(post(server.url("http"), whole("data")))
            .await
            .unwrap();
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn an_unfinished_response_takes_its_connection_with_it() {
    let server = Server::start(Speaks::Http1, async |_| text(vec![b'x'; 8 << 20])).await;
    let guest = for_server(&server);
    let (response, in_flight) = guest.send(get(server.url("http"))).await.unwrap();
    drop((response, in_flight));
    within(server.closed(1)).await;
    let (_, body) = guest.fetch(get(server.url("http"))).await.unwrap();
    assert_eq!((body.len(), server.accepted()), (8 << 20, 2));
}

#[tokio::test]
async fn many_requests_share_one_http2_connection() {
    const REQUESTS: usize = 20;
    let authority = Authority::new();
    let barrier = Arc::new(Barrier::new(REQUESTS));
    // No answer before the last question: the requests really are in flight together.
    let server = Server::start(
        Speaks::Tls(Arc::clone(&authority), HTTP2),
        move |request: Request<_>| {
            let barrier = Arc::clone(&barrier);
            async move {
                barrier.wait().await;
                text(format!("{:?} {}", request.version(), request.uri()))
            }
        },
    )
    .await;
    let guest = for_tls_server(&server, &authority);
    let requests = (0..REQUESTS).map(|_| guest.fetch(get(format!("{}/x", server.url("https")))));
    for answer in within(futures::future::join_all(requests)).await {
        assert_eq!(answer.unwrap().1, format!("HTTP/2.0 {}/x", server.url("https")));
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_tls_server_without_http2_is_spoken_to_in_http1() {
    let authority = Authority::new();
    let server = Server::start(
        Speaks::Tls(Arc::clone(&authority), HTTP1),
        async |request: Request<_>| text(format!("{:?}", request.version())),
    )
    .await;
    let guest = for_tls_server(&server, &authority);
    for _ in 0..3 {
        assert_eq!(guest.fetch(get(server.url("https"))).await.unwrap().1, "HTTP/1.1");
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closed_is_replaced() {
    // Each connection answers once, takes a second request, and closes without a word.
    let server = Server::start_raw(async |mut stream| {
        read_head(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .await
            .unwrap();
        read_head(&mut stream).await;
    })
    .await;
    let guest = for_server(&server);
    for _ in 0..3 {
        assert_eq!(guest.fetch(get(server.url("http"))).await.unwrap().1, "ok");
    }
    assert_eq!(server.accepted(), 3);
    // What may have had an effect is not repeated.
    let error = guest.refusal(post(server.url("http"), whole("data"))).await;
    assert!(matches!(error, Error::ConnectionTerminated), "{error}");
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let server = hello().await;
    let limits = Limits {
        idle_timeout: SOON,
        ..Limits::default()
    };
    let guest = Guest::new(grant(&[&server.url("http")], &[]), limited(limits));
    guest.fetch(get(server.url("http"))).await.unwrap();
    within(server.closed(1)).await;

    let authority = Authority::new();
    let server = Server::start(Speaks::Tls(Arc::clone(&authority), HTTP2), async |_| {
        text("hello")
    })
    .await;
    let limits = Limits {
        idle_timeout: SOON,
        ..Limits::default()
    };
    let options = Options::default()
        .limits(limits)
        .extra_roots(authority.root_pem.as_bytes())
        .unwrap();
    let guest = Guest::new(grant(&[&server.url("https")], &[]), options);
    guest.fetch(get(server.url("https"))).await.unwrap();
    within(server.closed(1)).await;
}

#[tokio::test]
async fn connections_end_with_their_client() {
    let server = hello().await;
    let guest = for_server(&server);
    guest.fetch(get(server.url("http"))).await.unwrap();
    drop(guest);
    within(server.closed(1)).await;
}

#[tokio::test]
async fn no_more_connections_are_opened_than_allowed() {
    let server = Server::start(Speaks::Http1, async |_| text(vec![b'x'; 8 << 20])).await;
    let limits = Limits {
        connections_per_origin_max: 1,
        connect_timeout: SOON,
        ..Limits::default()
    };
    let guest = Guest::new(grant(&[&server.url("http")], &[]), limited(limits));
    let (first, in_flight) = guest.send(get(server.url("http"))).await.unwrap();
    let error = guest.refusal(get(server.url("http"))).await;
    assert!(matches!(error, Error::ConnectionLimitReached), "{error}");
    first.into_body().collect().await.unwrap();
    in_flight.await.unwrap();
    guest.fetch(get(server.url("http"))).await.unwrap();
    assert_eq!(server.accepted(), 1);
}

// Time.

#[tokio::test]
async fn a_handshake_that_never_ends_times_out() {
    let server = Server::start_raw(async |_stream| std::future::pending().await).await;
    let guest = Guest::new(grant(&[&server.url("https")], &[]), Options::default());
    let options = RequestOptions {
        connect_timeout: Some(SOON),
        ..RequestOptions::default()
    };
    let error = within(guest.send_with(get(server.url("https")), options))
        .await
        .err()
        .unwrap();
    assert!(matches!(error, Error::ConnectionTimeout), "{error}");
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_look_up_that_never_ends_times_out() {
    struct Silent;
    impl Resolve for Silent {
        fn resolve(&self, _name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
            Box::pin(std::future::pending())
        }
    }
    let guest = Guest::new(grant(&["*"], &[]), Options::default().resolver(Arc::new(Silent)));
    let options = RequestOptions {
        connect_timeout: Some(SOON),
        ..RequestOptions::default()
    };
    let error = within(guest.send_with(get("http://a.example/"), options))
        .await
        .err()
        .unwrap();
    assert!(matches!(error, Error::DnsTimeout), "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers_times_out() {
    let server = Server::start(Speaks::Http1, async |_| std::future::pending().await).await;
    let options = RequestOptions {
        first_byte_timeout: Some(SOON),
        ..RequestOptions::default()
    };
    let guest = for_server(&server);
    let error = within(guest.send_with(get(server.url("http")), options))
        .await
        .err()
        .unwrap();
    assert!(matches!(error, Error::ConnectionReadTimeout), "{error}");
    within(server.closed(1)).await;
}

#[tokio::test]
async fn an_upload_that_moves_is_not_timed_out() {
    let server = Server::start(Speaks::Http1, async |request: Request<_>| {
        text(request.into_body().collect().await.unwrap().to_bytes())
    })
    .await;
    let guest = for_server(&server);
    let options = RequestOptions {
        first_byte_timeout: Some(SOON * 2),
        ..RequestOptions::default()
    };
    let (sender, body) = streamed();
    let upload = async {
        for _ in 0..6 {
            tokio::time::sleep(SOON).await;
            sender
                .send(Ok(Frame::data(Bytes::from_static(b"x"))))
                .await
                .unwrap();
        }
        drop(sender);
    };
    let (sent, ()) = tokio::join!(guest.send_with(post(server.url("http"), body), options), upload);
    let (response, _in_flight) = sent.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "xxxxxx");
}

/// A response that begins and never goes on.
fn endless() -> Response<ServerBody> {
    let mut first = Some(Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"begin"))));
    let frames = stream::poll_fn(move |_| {
        first
            .take()
            .map_or(Poll::Pending, |frame| Poll::Ready(Some(frame)))
    });
    Response::new(StreamBody::new(frames).boxed_unsync())
}

#[tokio::test]
async fn a_response_that_stops_times_out() {
    let server = Server::start(Speaks::Http1, async |_| endless()).await;
    let options = RequestOptions {
        between_bytes_timeout: Some(SOON),
        ..RequestOptions::default()
    };
    let (response, _in_flight) = for_server(&server)
        .send_with(get(server.url("http")), options)
        .await
        .unwrap();
    let mut body = response.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "begin");
    let error = within(body.frame()).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::ConnectionReadTimeout), "{error}");
    assert!(body.frame().await.is_none());
    within(server.closed(1)).await;
}

#[tokio::test]
async fn timeouts_of_zero_and_without_end_are_only_timeouts() {
    let server = hello().await;
    let guest = for_server(&server);
    let all = |timeout| RequestOptions {
        connect_timeout: Some(timeout),
        first_byte_timeout: Some(timeout),
        between_bytes_timeout: Some(timeout),
    };
    // This machine may well answer within the millisecond that timers can tell apart.
    if let Err(error) = guest
        .send_with(get(server.url("http")), all(Duration::ZERO))
        .await
    {
        assert!(
            matches!(error, Error::ConnectionTimeout | Error::ConnectionReadTimeout),
            "{error}"
        );
    }
    let (response, _in_flight) = guest
        .send_with(get(server.url("http")), all(Duration::MAX))
        .await
        .unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");

    let server = Server::start(Speaks::Http1, async |_| endless()).await;
    let guest = for_server(&server);
    let options = RequestOptions {
        between_bytes_timeout: Some(Duration::ZERO),
        ..RequestOptions::default()
    };
    let (response, _in_flight) = guest.send_with(get(server.url("http")), options).await.unwrap();
    let error = within(response.into_body().collect()).await.unwrap_err();
    assert!(matches!(error, Error::ConnectionReadTimeout), "{error}");
}

// Bodies.

/// Sends back what it receives, as it comes, trailers included.
async fn echo(request: Request<hyper::body::Incoming>) -> Response<ServerBody> {
    let mut response = Response::new(());
    if let Some(names) = request.headers().get("trailer") {
        response.headers_mut().insert("trailer", names.clone());
    }
    let mut body = request.into_body();
    let frames = stream::poll_fn(move |context| {
        // A guest that goes away ends the echo, which no test mistakes for a complete one.
        http_body::Body::poll_frame(Pin::new(&mut body), context)
            .map(|frame| frame.and_then(Result::ok).map(Ok::<_, Infallible>))
    });
    response.map(|()| StreamBody::new(frames).boxed_unsync())
}

/// The echo server in all the ways it can be spoken to, each with a guest for it.
async fn echoes() -> Vec<(Server, Guest, String)> {
    let authority = Authority::new();
    let plain = Server::start(Speaks::Http1, echo).await;
    let guest = for_server(&plain);
    let url = plain.url("http");
    let mut all = vec![(plain, guest, url)];
    for protocols in [HTTP1, HTTP2] {
        let server = Server::start(Speaks::Tls(Arc::clone(&authority), protocols), echo).await;
        let guest = for_tls_server(&server, &authority);
        let url = server.url("https");
        all.push((server, guest, url));
    }
    all
}

#[tokio::test]
async fn trailers_travel_both_ways() {
    for (_server, guest, url) in echoes().await {
        let (sender, body) = streamed();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("42"));
        let mut request = post(&url, body);
        request
            .headers_mut()
            .insert("trailer", HeaderValue::from_static("x-sum"));
        request
            .headers_mut()
            .insert("te", HeaderValue::from_static("trailers"));
        let upload = async {
            sender
                .send(Ok(Frame::data(Bytes::from_static(b"data"))))
                .await
                .unwrap();
            sender.send(Ok(Frame::trailers(trailers.clone()))).await.unwrap();
            drop(sender);
        };
        let (sent, ()) = tokio::join!(guest.send(request), upload);
        let (response, in_flight) = sent.unwrap();
        let body = within(response.into_body().collect()).await.unwrap();
        assert_eq!(body.trailers(), Some(&trailers), "{url}");
        assert_eq!(body.to_bytes(), "data");
        within(in_flight).await.unwrap();
    }
}

#[tokio::test]
async fn both_bodies_stream_at_the_same_time() {
    for (_server, guest, url) in echoes().await {
        let (sender, body) = streamed();
        let (response, in_flight) = within(guest.send(post(&url, body))).await.unwrap();
        let mut body = response.into_body();
        for word in ["one", "two", "three"] {
            sender
                .send(Ok(Frame::data(Bytes::from_static(word.as_bytes()))))
                .await
                .unwrap();
            let frame = within(body.frame()).await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), word, "{url}");
        }
        drop(sender);
        assert_eq!(within(body.collect()).await.unwrap().to_bytes(), "", "{url}");
        within(in_flight).await.unwrap();
    }
}

#[tokio::test]
async fn big_bodies_wait_for_the_slower_side() {
    const CHUNKS: usize = 1024;
    for (_server, guest, url) in echoes().await {
        let (made, body) = counted(CHUNKS);
        let (response, in_flight) = within(guest.send(post(&url, body))).await.unwrap();
        // Nobody reads, so the echo stands still, and with it the upload: what was made fills the buffers of
        // two sockets and no more.
        let stalled = settled(&made).await;
        assert!(
            stalled < CHUNKS / 2,
            "{url}: {stalled} of {CHUNKS} chunks were taken"
        );
        let mut body = response.into_body();
        let mut received = 0;
        while let Some(frame) = within(body.frame()).await {
            received += frame.unwrap().into_data().unwrap().len();
        }
        assert_eq!(received, CHUNKS * CHUNK_BYTES, "{url}");
        within(in_flight).await.unwrap();
    }
}

#[tokio::test]
async fn an_error_of_the_guest_body_comes_back_to_the_guest() {
    for (_server, guest, url) in echoes().await {
        let (sender, body) = streamed();
        sender
            .send(Err(Error::HttpRequestBodySize(Some(7))))
            .await
            .unwrap();
        let error = within(guest.refusal(post(&url, body))).await;
        assert!(
            matches!(error, Error::HttpRequestBodySize(Some(7))),
            "{url}: {error}"
        );
    }
}

// Giving up.

/// Says so when it is dropped.
struct OnDrop(Option<oneshot::Sender<()>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            _ = sender.send(());
        }
    }
}

#[tokio::test]
async fn a_request_that_the_guest_drops_is_given_up() {
    let authority = Authority::new();
    for speaks in [Speaks::Http1, Speaks::Tls(Arc::clone(&authority), HTTP2)] {
        let (arriving, mut arrived) = mpsc::channel(1);
        let server = Server::start(speaks.clone(), move |_| {
            let arriving = arriving.clone();
            async move {
                let (sender, receiver) = oneshot::channel();
                let _guard = OnDrop(Some(sender));
                arriving.send(receiver).await.unwrap();
                std::future::pending().await
            }
        })
        .await;
        let (guest, url) = match speaks {
            Speaks::Http1 => (for_server(&server), server.url("http")),
            Speaks::Tls(..) => (for_tls_server(&server, &authority), server.url("https")),
        };
        let given_up = tokio::select! {
            Some(given_up) = arrived.recv() => given_up,
            _ = guest.send(get(&url)) => panic!("answered"),
        };
        within(given_up).await.unwrap();
    }
}

#[tokio::test]
async fn an_exchange_that_the_guest_drops_ends_in_both_directions() {
    for (_server, guest, url) in echoes().await {
        let (sender, body) = streamed();
        let (response, in_flight) = within(guest.send(post(&url, body))).await.unwrap();
        drop(in_flight);
        // The upload is over: nobody takes what the guest still sends.
        within(sender.closed()).await;
        let error = within(response.into_body().collect()).await.unwrap_err();
        assert!(matches!(error, Error::ConnectionTerminated), "{url}: {error}");
    }
}

#[tokio::test]
async fn an_upload_goes_on_when_only_the_response_is_dropped() {
    let (telling, mut told) = mpsc::channel(1);
    let server = Server::start(Speaks::Http1, move |request: Request<_>| {
        let telling = telling.clone();
        async move {
            tokio::spawn(async move {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                telling.send(body).await.unwrap();
            });
            endless()
        }
    })
    .await;
    let (sender, body) = streamed();
    let (response, in_flight) = for_server(&server)
        .send(post(server.url("http"), body))
        .await
        .unwrap();
    drop(response);
    let in_flight = tokio::spawn(in_flight);
    sender
        .send(Ok(Frame::data(Bytes::from_static(b"later"))))
        .await
        .unwrap();
    drop(sender);
    assert_eq!(within(told.recv()).await.unwrap(), "later");
    within(in_flight).await.unwrap().unwrap();
    within(server.closed(1)).await;
}

// What can go wrong.

#[tokio::test]
async fn a_refused_connection_is_a_refused_connection() {
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{address}");
    let error = Guest::new(grant(&[&url], &[]), Options::default())
        .refusal(get(&url))
        .await;
    assert!(matches!(error, Error::ConnectionRefused), "{error}");
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_a_dns_error() {
    for answers in [&[][..], &[&[][..]][..]] {
        let guest = Guest::new(grant(&["*"], &[]), resolved_by(&Answers::new(answers)));
        let error = guest.refusal(get("http://nowhere.example/")).await;
        assert!(matches!(error, Error::DnsError { .. }), "{error}");
    }
}

#[tokio::test]
async fn certificates_are_checked() {
    let authority = Authority::new();
    let server = Server::start(Speaks::Tls(Arc::clone(&authority), HTTP2), async |_| {
        text("hello")
    })
    .await;
    let stranger = Guest::new(grant(&[&server.url("https")], &[]), Options::default());
    let error = stranger.refusal(get(server.url("https"))).await;
    assert!(matches!(error, Error::TlsCertificateError), "{error}");

    for (name, is_named) in [("api.test", true), ("other.test", false)] {
        let url = format!("https://{name}:{}", server.address.port());
        let resolver = Answers::new(&[&["127.0.0.1"]]);
        let options = resolved_by(&resolver)
            .extra_roots(authority.root_pem.as_bytes())
            .unwrap();
        let guest = Guest::new(grant(&[&url], &["127.0.0.1"]), options);
        match guest.fetch(get(&url)).await {
            Ok((_, body)) => assert!(is_named && body == "hello", "{name}"),
            Err(error) => assert!(
                !is_named && matches!(error, Error::TlsCertificateError),
                "{error}"
            ),
        }
    }
}

#[tokio::test]
async fn a_server_without_tls_is_a_tls_error() {
    let server = hello().await;
    let guest = Guest::new(grant(&[&server.url("https")], &[]), Options::default());
    let error = guest.refusal(get(server.url("https"))).await;
    assert!(matches!(error, Error::TlsProtocolError), "{error}");
}

#[test]
fn extra_roots_must_be_certificates() {
    let outcome = |pem: &str| Options::default().extra_roots(pem.as_bytes()).map(|_| ());
    assert!(matches!(outcome("no certificate"), Err(RootsError::Empty)));
    assert!(matches!(
        outcome("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"),
        Err(RootsError::Text(_))
    ));
    let wrong = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(outcome(wrong), Err(RootsError::Certificate(_))));
}

#[tokio::test]
async fn broken_responses_are_told_apart() {
    let long_head = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n", "x".repeat(256 * 1024));
    type Expected = fn(&Error) -> bool;
    let broken: [(&str, Expected); 6] = [
        ("", |error| matches!(error, Error::ConnectionTerminated)),
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", |error| {
            matches!(error, Error::HttpResponseIncomplete)
        }),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf",
            |error| matches!(error, Error::HttpResponseIncomplete),
        ),
        ("what is this?\r\n\r\n", |error| {
            matches!(error, Error::HttpProtocolError)
        }),
        (
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            |error| matches!(error, Error::HttpUpgradeFailed),
        ),
        (&long_head, |error| {
            matches!(error, Error::HttpResponseHeaderSectionSize(_))
        }),
    ];
    for (answer, is_expected) in broken {
        let bytes = Bytes::from(answer.to_owned());
        let server = Server::start_raw(move |mut stream| {
            let bytes = bytes.clone();
            async move {
                read_head(&mut stream).await;
                // The client may hang up on the long head before its end.
                _ = stream.write_all(&bytes).await;
            }
        })
        .await;
        let error = for_server(&server).refusal(get(server.url("http"))).await;
        assert!(
            is_expected(&error),
            "{error} for {:?}",
            &answer[..answer.len().min(60)]
        );
    }
}
