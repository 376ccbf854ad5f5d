//! A greeting, served by the front or by bare hyper: `hello front|bare PORT [FOLDER]`. For measuring what the front
//! costs.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use weft_app::trigger::http::{
    AccessLog, HttpLimits, HttpTrigger, ListenAddress, Listener, ProxyProtocol, Route, RouteTarget, TlsFiles,
};
use weft_serve::{About, Fault, Handler, RequestBody, Server, Settings, Site};

const GREETING: Bytes = Bytes::from_static(b"hello world");

struct Greeter;

impl Handler for Greeter {
    type Body = http_body_util::combinators::MapErr<Full<Bytes>, fn(Infallible) -> Fault>;

    async fn handle(&self, _: Request<RequestBody>, _: &About) -> Result<Response<Self::Body>, Fault> {
        let body = Full::new(GREETING).map_err((|never| match never {}) as fn(Infallible) -> Fault);
        Ok(Response::new(body))
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let which = arguments.next().ok_or("`front` or `bare`?")?;
    let port: u16 = arguments.next().ok_or("which port?")?.parse()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    if which == "bare" {
        return bare(address);
    }
    // A folder with `cert.pem` and `key.pem` adds a listener with TLS at the next port.
    let tls = arguments.next().map(std::path::PathBuf::from);
    let mut listeners = vec![listener(address, None)];
    if let Some(folder) = tls {
        let files = TlsFiles {
            certificate: folder.join("cert.pem"),
            key: folder.join("key.pem"),
        };
        listeners.push(listener(
            SocketAddr::from((Ipv4Addr::LOCALHOST, port + 1)),
            Some(files),
        ));
    }
    let routes = vec![Route {
        name: "all".parse()?,
        path: "/*".parse()?,
        hosts: Vec::new(),
        methods: Vec::new(),
        target: RouteTarget::Component("app".parse()?),
        requests_max: None,
        response_timeout: None,
    }];
    let trigger = HttpTrigger {
        listeners,
        admin: None,
        routes: routes.clone(),
        limits: HttpLimits::default(),
        access_log: AccessLog::Off,
    };
    let site = Site {
        handler: Greeter,
        routes,
    };
    let _server = Server::start(Settings::new(&trigger), site)?;
    loop {
        std::thread::park();
    }
}

fn listener(address: SocketAddr, tls: Option<TlsFiles>) -> Listener {
    Listener {
        address: ListenAddress::Tcp(address),
        tls,
        proxy_protocol: ProxyProtocol::Off,
    }
}

/// Hyper with nothing around it, one runtime of one thread on each processor.
fn bare(address: SocketAddr) -> Result<(), Failure> {
    let serve = move || -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let tasks = tokio::task::LocalSet::new();
        tasks.block_on(&runtime, async move {
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.set_reuseport(true)?;
            socket.bind(address)?;
            let listener = socket.listen(1024)?;
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(greet));
                tokio::task::spawn_local(connection);
            }
        })
    };
    let threads = std::thread::available_parallelism()?.get();
    let started: Vec<_> = (0..threads).map(|_| std::thread::spawn(serve)).collect();
    for thread in started {
        thread.join().map_err(|_| "a thread panicked")??;
    }
    Ok(())
}

async fn greet(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(GREETING)))
}
