//! Entering a component of WASI 0.3: `wasi:http/handler`.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Uri, header};
use http_body::Body;
use wasmtime::Store;
use wasmtime::component::Accessor;
use wasmtime_wasi_http::p3;
use wasmtime_wasi_http::p3::bindings::{Service, ServicePre};

use super::body::{BodyError, for_guest};
use super::failure::Failure;
use super::instances::Way;
use super::pressure::Pressure;
use super::work::Answer;
use super::{Inner, Transport};
use crate::cell::Cell;

/// Answers one request with an instance of its own, or with one that is kept.
pub(super) async fn answer<B>(
    inner: Arc<Inner<ServicePre<Cell>>>,
    request: Request<B>,
    transport: Transport,
    answer: Answer,
    pressure: Pressure,
) -> Result<(), Failure>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BodyError>,
{
    let mut instance = inner.instance(pressure).await?;
    let request = complete(request, transport).map(for_guest);
    let service = &instance.proxy;
    let ran = instance
        .store
        .run_concurrent(async |accessor| {
            respond(accessor, service, request, answer).await?;
            // The body is written by tasks of the guest that outlive the call.
            poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
            Ok(())
        })
        .await
        .flatten();
    inner.finish(instance, ran)
}

/// How the host fared with the body of the request, once the guest has read it.
type Received = Pin<Box<dyn Future<Output = Result<(), wasmtime_wasi_http::Error>> + Send>>;

/// Calls the handler, and hands on what it returns.
pub(super) async fn respond<B>(
    accessor: &Accessor<Cell>,
    service: &Service,
    request: Request<B>,
    answer: Answer,
) -> wasmtime::Result<()>
where
    B: Body<Data = Bytes, Error = wasmtime_wasi_http::Error> + Send + 'static,
{
    let (request, received) = accessor.with(|mut store| {
        let view = store.data_mut().http_view();
        let (request, received) = p3::Request::from_http(view.hooks, request);
        // Boxed, it is known to borrow nothing of the store.
        let received: Received = Box::pin(received);
        view.table.push(request).map(|request| (request, received))
    })?;
    let response = match service.wasi_http_handler().call_handle(accessor, request).await? {
        Ok(response) => response,
        Err(code) => {
            // Whoever waited for it may be gone.
            let _ = answer.send(Err(Failure::Refused(format!("{code:?}"))));
            return Ok(());
        }
    };
    let response = accessor.with(|mut store| {
        let response = store.data_mut().http_view().table.delete(response)?;
        response.into_http_with_getter(&mut store, received, Cell::http_view)
    })?;
    let _ = answer.send(Ok(response));
    Ok(())
}

/// Adds what a request of WASI 0.3 has that one of HTTP/1 leaves to the connection: scheme and authority.
pub(super) fn complete<B>(mut request: Request<B>, transport: Transport) -> Request<B> {
    let scheme = match transport {
        Transport::Plain => Scheme::HTTP,
        Transport::Encrypted => Scheme::HTTPS,
    };
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    let host = || request.headers().get(header::HOST);
    if parts.authority.is_none() {
        parts.authority = host().and_then(|host| Authority::try_from(host.as_bytes()).ok());
    }
    if parts.authority.is_some() {
        parts.scheme = Some(scheme);
        parts.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
    }
    // Parts that were a URI before still are one, with what a URI needs besides.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    request
}

impl Way for ServicePre<Cell> {
    type Proxy = Service;

    async fn instantiate(&self, store: &mut Store<Cell>) -> wasmtime::Result<Service> {
        self.instantiate_async(store).await
    }
}
