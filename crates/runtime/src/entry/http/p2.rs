//! Entering a component of WASI 0.2: `wasi:http/incoming-handler`.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body::Body;
use wasmtime::Store;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};

use super::body::{BodyError, for_guest};
use super::failure::Failure;
use super::instances::Way;
use super::pressure::Pressure;
use super::work::Answer;
use super::{Inner, Transport};
use crate::cell::Cell;

/// Answers one request with an instance of its own, or with one that is kept.
pub(super) async fn answer<B>(
    inner: Arc<Inner<ProxyPre<Cell>>>,
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
    let scheme = match transport {
        Transport::Plain => Scheme::Http,
        Transport::Encrypted => Scheme::Https,
    };
    let mut view = instance.store.data_mut().http_view();
    let platform = |error: wasmtime::Error| Failure::platform(format!("{error:#}"));
    let request = view
        .new_incoming_request(scheme, request.map(for_guest))
        .map_err(platform)?;
    let out = view
        .new_response_outparam_from_callback(move |response| {
            // Whoever waited for it may be gone.
            let _ = answer.send(response.map_err(|code| Failure::Refused(format!("{code:?}"))));
        })
        .map_err(platform)?;
    let handler = instance.proxy.wasi_http_incoming_handler();
    let called = handler.call_handle(&mut instance.store, request, out).await;
    inner.finish(instance, called)
}

impl Way for ProxyPre<Cell> {
    type Proxy = Proxy;

    async fn instantiate(&self, store: &mut Store<Cell>) -> wasmtime::Result<Proxy> {
        self.instantiate_async(store).await
    }
}
