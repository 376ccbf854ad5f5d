//! A guest at work on a request: on the thread of its connection, until it turns out to compute for long.
//!
//! The first tick that ends while a guest computes sends it to the [`Background`]: from then on it competes for the
//! processor under the scheduler's rules and not for the thread, and the connection waits for it as for any other
//! event.

use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use wasmtime_wasi_http::WasiBody;

use super::failure::Failure;
use super::pressure::{Background, Pressure};

/// What a guest answers: a response, or that there is none.
pub(super) type Answered = oneshot::Receiver<Result<Response<WasiBody>, Failure>>;
pub(super) type Answer = oneshot::Sender<Result<Response<WasiBody>, Failure>>;

type Guest = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

pub(super) struct Work {
    place: Place,
    pressure: Pressure,
    background: Background,
}

enum Place {
    Here(Guest),
    Away(JoinHandle<Result<(), Failure>>),
    Done,
}

impl Work {
    pub(super) fn new(
        guest: impl Future<Output = Result<(), Failure>> + Send + 'static,
        pressure: Pressure,
        background: Background,
    ) -> Self {
        Self {
            place: Place::Here(Box::pin(guest)),
            pressure,
            background,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.place, Place::Done)
    }

    /// Goes on with the work. Once it is done, it stays so.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        if let Place::Here(guest) = &mut self.place {
            let before = self.pressure.count();
            if let Poll::Ready(done) = guest.as_mut().poll(cx) {
                self.place = Place::Done;
                return Poll::Ready(done);
            }
            if self.pressure.count() == before {
                return Poll::Pending;
            }
            self.send_away();
        }
        let Place::Away(guest) = &mut self.place else {
            return Poll::Ready(Ok(()));
        };
        match Pin::new(guest).poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(done) => {
                self.place = Place::Done;
                Poll::Ready(done.unwrap_or_else(|error| Err(Failure::platform(error.to_string()))))
            }
        }
    }

    fn send_away(&mut self) {
        let Place::Here(guest) = mem::replace(&mut self.place, Place::Done) else {
            return;
        };
        self.place = Place::Away(self.background.spawn(guest));
    }

    /// Goes on until there is a response.
    pub(super) async fn until_answered(
        &mut self,
        mut answered: Answered,
    ) -> Result<Response<WasiBody>, Failure> {
        poll_fn(|cx| {
            // The guest first: most have answered and ended when it returns, and then neither has to be woken.
            match self.poll(cx) {
                Poll::Ready(Err(failure)) => return Poll::Ready(Err(failure)),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
            match Pin::new(&mut answered).poll(cx) {
                Poll::Ready(Ok(response)) => Poll::Ready(response),
                Poll::Ready(Err(_)) if self.is_done() => Poll::Ready(Err(Failure::NoResponse)),
                // It will never answer, but may fail in a way that says more.
                Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Place::Away(guest) = &self.place {
            guest.abort();
        }
    }
}
