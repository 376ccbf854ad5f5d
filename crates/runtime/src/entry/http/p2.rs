//! Entering a component of WASI 0.2: `wasi:http/incoming-handler`.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body::Body;
use wasmtime_wasi_http::p2::bindings::Proxy;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;

use super::body::{BodyError, for_guest};
use super::failure::Failure;
use super::instances::{Instance, Kept};
use super::pressure::Pressure;
use super::work::Answer;
use super::{Inner, Linked, Transport, open};

/// Answers one request with an instance of its own, or with one that is kept.
pub(super) async fn answer<B>(
    inner: Arc<Inner>,
    request: Request<B>,
    transport: Transport,
    answer: Answer,
    pressure: Pressure,
) -> Result<(), Failure>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BodyError>,
{
    let mut instance = instance(&inner, pressure).await?;
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
    if let Err(error) = called {
        return Err(Failure::of(&error, instance.store.data(), &inner.serving.limits));
    }
    instance.answered += 1;
    inner
        .instances
        .give_back(instance.answered, || Kept::P2(instance));
    Ok(())
}

async fn instance(inner: &Inner, pressure: Pressure) -> Result<Instance<Proxy>, Failure> {
    if let Some(Kept::P2(mut instance)) = inner.instances.take() {
        instance.attend(&inner.engine, pressure);
        return Ok(instance);
    }
    let Linked::P2(linked) = &inner.linked else {
        return Err(Failure::platform("the program is not one of WASI 0.2"));
    };
    let mut store = open(inner, pressure)?;
    let proxy = linked.instantiate_async(&mut store).await;
    let proxy =
        proxy.map_err(|error| Failure::of_instantiation(&error, store.data(), &inner.serving.limits))?;
    Ok(Instance {
        store,
        proxy,
        answered: 0,
    })
}
