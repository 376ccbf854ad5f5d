//! The limit: hyper with nothing behind it, one runtime of one thread on each processor.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use bytes::Bytes;
use clap::Args;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket};

/// Answer every request on this port with a greeting. For the bench `http`.
#[derive(Debug, Args)]
pub(crate) struct Bare {
    port: u16,
}

/// Serves until the process is ended.
pub(crate) fn run(arguments: &Bare) -> Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    let threads = std::thread::available_parallelism()?.get();
    let started: Vec<_> = (0..threads)
        .map(|_| std::thread::spawn(move || serve(address)))
        .collect();
    for thread in started {
        match thread.join() {
            Ok(ended) => ended?,
            Err(_) => anyhow::bail!("a thread of the server panicked"),
        }
    }
    Ok(())
}

fn serve(address: SocketAddr) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async move {
        let listener = listen(address)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::task::spawn_local(
                http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(greet)),
            );
        }
    })
}

fn listen(address: SocketAddr) -> Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket.listen(1024)?)
}

async fn greet(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(b"hello world"))))
}
