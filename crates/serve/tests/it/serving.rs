//! A server with a handler that does what its path says, and clients that send what they are told.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use weft_app::trigger::http::{
    AccessLog, HttpLimits, ListenAddress, Listener, ProxyProtocol, Route, RouteTarget, TlsFiles,
};
use weft_serve::{About, Fault, FaultKind, FaultPages, Handler, Notice, RequestBody, Server, Settings, Site};

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Does what the path of a request says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answerer {
    pub(crate) name: &'static str,
    /// Requests that are worked on now, those whose body still goes out included.
    pub(crate) working: Arc<AtomicUsize>,
    /// Methods and targets of all requests, in the order in which they came.
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
}

/// A body of frames that come one after another, with pauses between them.
pub(crate) struct Frames {
    frames: std::collections::VecDeque<Result<Frame<Bytes>, Fault>>,
    pause: Duration,
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
    then_never: bool,
    echo: Option<RequestBody>,
    _working: Option<Working>,
}

pub(crate) struct Working(Arc<AtomicUsize>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn frames(frames: &[&'static str]) -> Frames {
    let frames = frames
        .iter()
        .map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes()))));
    Frames {
        frames: frames.collect(),
        pause: Duration::ZERO,
        sleep: None,
        then_never: false,
        echo: None,
        _working: None,
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if let Some(echo) = &mut self.echo {
            return Pin::new(echo).poll_frame(context);
        }
        if !self.pause.is_zero() {
            let pause = self.pause;
            let sleep = self
                .sleep
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
            if sleep.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.sleep = None;
        }
        match self.frames.pop_front() {
            None if self.then_never => Poll::Pending,
            frame => Poll::Ready(frame),
        }
    }
}

fn fault(kind: FaultKind, detail: &str) -> Fault {
    Fault {
        kind,
        detail: detail.to_owned(),
    }
}

fn number(path: &str) -> u64 {
    path.rsplit('/').next().unwrap().parse().unwrap()
}

impl Handler for Answerer {
    type Body = Frames;

    async fn handle(&self, request: Request<RequestBody>, about: &About) -> Result<Response<Frames>, Fault> {
        self.working.fetch_add(1, Ordering::SeqCst);
        let working = Working(Arc::clone(&self.working));
        let path = request.uri().path().to_owned();
        self.seen
            .lock()
            .push(format!("{} {}", request.method(), request.uri()));
        let mut response = Response::new(frames(&["hello"]));
        let headers = response.headers_mut();
        match path.as_str() {
            "/name" => {
                let name = self.name;
                response = Response::new(frames(&[name]));
            }
            "/seen" => {
                let headers: Vec<String> = request
                    .headers()
                    .iter()
                    .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value.as_bytes())))
                    .collect();
                let client = about.client.map_or("-".to_owned(), |client| client.to_string());
                let text = format!(
                    "{} {} {:?} client={client} encrypted={} route={} id={} {}",
                    request.method(),
                    request.uri(),
                    request.version(),
                    about.encrypted,
                    about.route,
                    about.id,
                    headers.join(" ")
                );
                let mut body = frames(&[]);
                body.frames.push_back(Ok(Frame::data(Bytes::from(text))));
                response = Response::new(body);
            }
            "/thread" => {
                let name = std::thread::current().name().unwrap().to_owned();
                let mut body = frames(&[]);
                body.frames.push_back(Ok(Frame::data(Bytes::from(name))));
                response = Response::new(body);
            }
            "/read" => {
                let body = request.into_body().collect().await?.to_bytes();
                let mut answer = frames(&[]);
                answer
                    .frames
                    .push_back(Ok(Frame::data(Bytes::from(format!("read {}", body.len())))));
                response = Response::new(answer);
            }
            "/echo" => {
                let mut body = frames(&[]);
                body.echo = Some(request.into_body());
                response = Response::new(body);
            }
            "/never" => std::future::pending().await,
            "/stuck" => response.body_mut().then_never = true,
            "/fault/guest" => return Err(fault(FaultKind::Guest, "the secret of the guest")),
            "/fault/busy" => return Err(fault(FaultKind::Busy, "no room")),
            "/fault/late" => {
                let broken = Err(fault(FaultKind::Guest, "broke off"));
                response.body_mut().frames.push_back(broken);
            }
            "/panic" => panic!("on purpose"),
            "/length/right" => drop(headers.insert("content-length", "5".parse().unwrap())),
            "/length/short" => drop(headers.insert("content-length", "10".parse().unwrap())),
            "/length/long" => drop(headers.insert("content-length", "3".parse().unwrap())),
            "/length/two" => {
                headers.append("content-length", "5".parse().unwrap());
                headers.append("content-length", "6".parse().unwrap());
            }
            "/length/none" => drop(headers.insert("content-length", "+5".parse().unwrap())),
            "/hop" => {
                for (name, value) in [
                    ("connection", "keep-alive, x-named"),
                    ("x-named", "1"),
                    ("transfer-encoding", "gzip"),
                    ("keep-alive", "1"),
                    ("upgrade", "h2c"),
                    ("x-kept", "1"),
                ] {
                    headers.insert(name, value.parse().unwrap());
                }
            }
            "/cookies" => {
                headers.append("set-cookie", "a=1".parse().unwrap());
                headers.append("set-cookie", "b=2".parse().unwrap());
            }
            path if path.starts_with("/status/") => {
                *response.status_mut() =
                    http::StatusCode::from_u16(u16::try_from(number(path)).unwrap()).unwrap();
            }
            path if path.starts_with("/sleep/") => {
                tokio::time::sleep(Duration::from_millis(number(path))).await
            }
            path if path.starts_with("/drip/") => {
                response = Response::new(frames(&["a", "b", "c", "d", "e"]));
                response.body_mut().pause = Duration::from_millis(number(path));
            }
            path if path.starts_with("/large/") => {
                let mut body = frames(&[]);
                for _ in 0..number(path) {
                    body.frames
                        .push_back(Ok(Frame::data(Bytes::from(vec![b'x'; 64 << 10]))));
                }
                response = Response::new(body);
            }
            _ => {}
        }
        response.body_mut()._working = Some(working);
        Ok(response)
    }
}

/// A server that is set up step by step.
pub(crate) struct Setup {
    pub(crate) settings: Settings,
    pub(crate) routes: Vec<Route>,
    pub(crate) answerer: Answerer,
    pub(crate) notices: Arc<Mutex<Vec<Notice>>>,
}

/// A server that runs.
pub(crate) struct Running {
    pub(crate) server: Option<Server<Answerer>>,
    pub(crate) address: SocketAddr,
    pub(crate) working: Arc<AtomicUsize>,
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
    pub(crate) notices: Arc<Mutex<Vec<Notice>>>,
}

pub(crate) fn listener(address: &str) -> Listener {
    Listener {
        address: address.parse().unwrap(),
        tls: None,
        proxy_protocol: ProxyProtocol::Off,
    }
}

pub(crate) fn route(name: &str, path: &str) -> Route {
    Route {
        name: name.parse().unwrap(),
        path: path.parse().unwrap(),
        hosts: Vec::new(),
        methods: Vec::new(),
        target: RouteTarget::Component("app".parse().unwrap()),
        requests_max: None,
        response_timeout: None,
    }
}

impl Setup {
    pub(crate) fn new() -> Self {
        let notices: Arc<Mutex<Vec<Notice>>> = Arc::default();
        let told = Arc::clone(&notices);
        let settings = Settings {
            listeners: vec![listener("127.0.0.1:0")],
            admin: None,
            limits: HttpLimits::default(),
            access_log: AccessLog::Off,
            log_writer: Box::new(std::io::sink()),
            threads: std::num::NonZeroUsize::new(2),
            fault_pages: FaultPages::Terse,
            health: weft_serve::Health::default(),
            notify: Arc::new(move |notice| told.lock().push(notice)),
        };
        Self {
            settings,
            routes: vec![route("all", "/*")],
            answerer: Answerer::default(),
            notices,
        }
    }

    pub(crate) fn limits(mut self, change: impl FnOnce(&mut HttpLimits)) -> Self {
        change(&mut self.settings.limits);
        self
    }

    pub(crate) fn routes(mut self, routes: Vec<Route>) -> Self {
        self.routes = routes;
        self
    }

    pub(crate) fn tls(mut self, files: TlsFiles) -> Self {
        self.settings.listeners[0].tls = Some(files);
        self
    }

    pub(crate) fn start(self) -> Running {
        let working = Arc::clone(&self.answerer.working);
        let seen = Arc::clone(&self.answerer.seen);
        let site = Site {
            handler: self.answerer,
            routes: self.routes,
        };
        let server = Server::start(self.settings, site).unwrap();
        let address = match &server.addresses()[0] {
            ListenAddress::Tcp(address) => *address,
            ListenAddress::Unix(_) => "127.0.0.1:1".parse().unwrap(),
        };
        Running {
            server: Some(server),
            address,
            working,
            seen,
            notices: self.notices,
        }
    }
}

impl Running {
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// The status of a request on a connection of its own, or 0 where the connection ended without one.
    pub(crate) fn status(&self, path: &str) -> u16 {
        let mut client = self.connect();
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        client.response().map_or(0, |response| response.status)
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        let mut client = self.connect();
        client.get(path)
    }

    /// Waits until so many requests are worked on.
    pub(crate) fn wait_for_working(&self, count: usize) {
        wait_until(&format!("{count} requests to be worked on"), || {
            self.working.load(Ordering::SeqCst) == count
        });
    }
}

pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A client that sends bytes and reads responses.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Whether the body has ended as its head said.
    pub(crate) is_whole: bool,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn closes(&self) -> bool {
        self.header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            read: Vec::new(),
        }
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes());
    }

    /// Sends bytes; a server that does not want them may close the connection meanwhile.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    pub(crate) fn get(&mut self, path: &str) -> Reply {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        self.response().unwrap()
    }

    /// The next response, if one comes before the connection ends.
    pub(crate) fn response(&mut self) -> Option<Reply> {
        self.response_to("GET")
    }

    pub(crate) fn response_to(&mut self, method: &str) -> Option<Reply> {
        let head = self.read_until(b"\r\n\r\n")?;
        let head = String::from_utf8(head).unwrap();
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut reply = Reply {
            status,
            head,
            body: Vec::new(),
            is_whole: true,
        };
        if method == "HEAD" || status == 204 || status == 304 || status < 200 {
            return Some(reply);
        }
        if let Some(length) = reply.header("content-length") {
            let length: usize = length.parse().unwrap();
            while self.read.len() < length && self.more() {}
            reply.is_whole = self.read.len() >= length;
            let end = length.min(self.read.len());
            reply.body = self.read.drain(..end).collect();
        } else if reply.header("transfer-encoding").is_some() {
            loop {
                let Some(line) = self.read_until(b"\r\n") else {
                    reply.is_whole = false;
                    break;
                };
                let size = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
                while self.read.len() < size + 2 && self.more() {}
                if self.read.len() < size + 2 {
                    reply.is_whole = false;
                    break;
                }
                reply.body.extend(self.read.drain(..size));
                self.read.drain(..2);
                if size == 0 {
                    break;
                }
            }
        } else {
            while self.more() {}
            reply.body = std::mem::take(&mut self.read);
        }
        Some(reply)
    }

    /// Whether the server has closed the connection, with nothing more to read.
    pub(crate) fn is_closed(&mut self) -> bool {
        while self.more() {}
        self.read.is_empty()
    }

    /// Whether the server closes the connection within a moment, with nothing more to read.
    pub(crate) fn is_closed_soon(&mut self) -> bool {
        self.stream
            .set_read_timeout(Some(Duration::from_secs(2)))
            .unwrap();
        let mut room = [0; 1024];
        match self.stream.read(&mut room) {
            Ok(length) => length == 0 && self.read.is_empty(),
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }

    /// Everything until the connection ends.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.more() {}
        std::mem::take(&mut self.read)
    }

    fn read_until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|window| window == end) {
                return Some(self.read.drain(..at + end.len()).collect());
            }
            if !self.more() {
                return None;
            }
        }
    }

    fn more(&mut self) -> bool {
        let mut room = [0; 16 << 10];
        match self.stream.read(&mut room) {
            Ok(0) => false,
            Ok(length) => {
                self.read.extend_from_slice(&room[..length]);
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("the server says nothing"),
            Err(_) => false,
        }
    }
}
