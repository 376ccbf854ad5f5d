//! A guest at work on a request: on the thread of its connection, until it turns out to compute for long.
//!
//! The first tick that ends while a guest computes sends it to the [`Background`]: from then on it competes for the
//! processor under the scheduler's rules and not for the thread, and the connection waits for it as for any other
//! event.

use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
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
    habit: Arc<Habit>,
}

/// What requests of one program were like lately: where they computed for long or failed, the next ones do not begin on
/// the thread of others at all. Each would hold it for a turn before it is found out, and failing takes time as well.
#[derive(Debug, Default)]
pub(super) struct Habit(AtomicU32);

impl Habit {
    /// From how many long ones on the next one is taken for long.
    const HEAVY: u32 = 2;
    /// How many short ones it takes at most until the next one is taken for short.
    const MOST: u32 = 4;

    fn is_heavy(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= Self::HEAVY
    }

    /// Notes one. Of two that end at the same moment one may go missing: it is a habit and not an account.
    fn note(&self, was_heavy: bool) {
        let now = self.0.load(Ordering::Relaxed);
        let next = if was_heavy {
            (now + 1).min(Self::MOST)
        } else {
            now.saturating_sub(1)
        };
        if next != now {
            self.0.store(next, Ordering::Relaxed);
        }
    }
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
        habit: Arc<Habit>,
    ) -> Self {
        let mut work = Self {
            place: Place::Here(Box::pin(guest)),
            pressure,
            background,
            habit,
        };
        if work.habit.is_heavy() {
            work.send_away();
        }
        work
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
                if done.as_ref().is_err_and(is_costly) {
                    self.pressure.add();
                }
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
                if matches!(&done, Ok(Err(failure)) if is_costly(failure)) {
                    self.pressure.add();
                }
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

/// Whether a failure took its time. One for want of room took none, and must be told at once.
fn is_costly(failure: &Failure) -> bool {
    !matches!(failure, Failure::NoRoom(_))
}

impl Drop for Work {
    fn drop(&mut self) {
        self.habit.note(self.pressure.count() > 0);
        if let Place::Away(guest) = &self.place {
            guest.abort();
        }
    }
}
