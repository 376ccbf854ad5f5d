//! Cells of which there is one instance for all who call, watched over and started anew when it fails.

use std::collections::{HashSet, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::Handle as Runtime;
use weft_app::cell::Restarts;

use super::call::From;
use super::cells::{Callee, Circuit};
use super::fate::Fate;
use super::invocation::{Calls, Place, Slot};
use super::wire::{Handle, Wire};
use crate::cell::Thread;
use crate::entry::http::Pressure;
use crate::stop::Stop;

/// The one instance, and what it did lately.
pub(super) struct Shared {
    /// Locked for as long as a call takes: one after the other.
    place: Arc<tokio::sync::Mutex<Place>>,
    watched: Mutex<Watched>,
    restarts: Restarts,
}

/// For whom the instance runs.
struct Caller {
    pressure: Pressure,
    thread: Thread,
    depth: u32,
}

/// What is known of failures.
#[derive(Debug, Default)]
struct Watched {
    failed: VecDeque<Instant>,
    /// Failures since a call succeeded, or since the circuit was last open.
    in_a_row: u32,
    /// Until when nobody is to call.
    open_until: Option<Instant>,
}

impl Shared {
    pub(super) fn new(restarts: Restarts) -> Self {
        Self {
            place: Arc::default(),
            watched: Mutex::default(),
            restarts,
        }
    }

    pub(super) fn circuit(&self) -> Circuit {
        self.watched.lock().circuit(Instant::now())
    }

    /// Calls when it is the caller's turn. A call that has begun goes on to its end when the caller is gone: others
    /// still need the instance.
    pub(super) async fn call(
        self: &Arc<Self>,
        callee: &Arc<Callee>,
        function: usize,
        from: &From,
        arguments: Wire,
    ) -> Result<Wire, Fate> {
        self.is_called()?;
        let mut place = self.place.clone().lock_owned().await;
        // It may have failed while this call waited.
        self.is_called()?;
        let (shared, callee, slot) = (self.clone(), callee.clone(), Arc::downgrade(&from.slot));
        let caller = Caller {
            pressure: from.pressure.clone(),
            thread: from.invocation.thread,
            depth: from.depth,
        };
        let call = async move {
            let ended = match shared.open(&callee, &mut place, caller).await {
                Ok(()) => shared.serve(&callee, &mut place, function, arguments).await,
                Err(fate) => Err(fate),
            };
            match &ended {
                Ok(results) => shared.lease(&callee, &mut place, results, &slot).await,
                Err(fate) if fate.ends_the_instance() => shared.note_failure(),
                Err(_) => {}
            }
            ended
        };
        ToTheEnd(Some(Box::pin(call))).await
    }

    /// Sees to it that there is an instance, which runs for this caller.
    async fn open(&self, callee: &Callee, place: &mut Place, caller: Caller) -> Result<(), Fate> {
        let Caller {
            pressure,
            thread,
            depth,
        } = caller;
        if let Some(live) = &mut place.live {
            live.store.data_mut().pressure = pressure;
            return Ok(());
        }
        // Whom it calls belongs to it, and not to who happens to call it first.
        let calls = Calls::of_shared(&callee.links.cells, thread, depth);
        place.live = Some(callee.open_new(calls, Stop::new(), thread, pressure).await?);
        Ok(())
    }

    async fn serve(
        &self,
        callee: &Callee,
        place: &mut Place,
        function: usize,
        mut arguments: Wire,
    ) -> Result<Wire, Fate> {
        let ended = callee.enter(place, function, &mut arguments).await;
        if let Some(live) = &mut place.live {
            live.store.data_mut().pressure = Pressure::default();
            live.count();
        }
        if ended.is_ok() {
            self.watched.lock().in_a_row = 0;
        }
        ended
    }

    /// Notes whose the handles are that a call returned; if its caller is gone, they are nobody's.
    async fn lease(&self, callee: &Callee, place: &mut Place, results: &Wire, slot: &Weak<Slot>) {
        let slot = slot.upgrade();
        for handle in &results.handles {
            let Handle::Proxy { id, .. } = handle else {
                continue;
            };
            match &slot {
                Some(slot) => slot.lease(*id),
                None => callee.end_resource(place, *id).await,
            }
        }
    }

    /// Ends a resource of which a caller had the last handle.
    pub(super) async fn drop_resource(&self, callee: &Callee, slot: &Slot, id: u32) {
        if slot.end_lease(id) {
            let mut place = self.place.clone().lock_owned().await;
            callee.end_resource(&mut place, id).await;
        }
    }

    /// Ends resources whose caller is gone.
    pub(super) fn give_back(&self, callee: &Arc<Callee>, handles: HashSet<u32>) {
        let Some(runtime) = Runtime::try_current().ok().filter(|_| !handles.is_empty()) else {
            return;
        };
        let (place, callee) = (self.place.clone(), callee.clone());
        runtime.spawn(async move {
            let mut place = place.lock_owned().await;
            for id in handles {
                callee.end_resource(&mut place, id).await;
            }
        });
    }

    fn is_called(&self) -> Result<(), Fate> {
        match self.circuit() {
            Circuit::Closed => Ok(()),
            Circuit::Open(left) => Err(Fate::CircuitOpen(left)),
        }
    }

    fn note_failure(&self) {
        self.watched.lock().note_failure(&self.restarts, Instant::now());
    }
}

impl Watched {
    fn circuit(&self, now: Instant) -> Circuit {
        match self.open_until {
            Some(until) if until > now => Circuit::Open(until - now),
            _ => Circuit::Closed,
        }
    }

    fn note_failure(&mut self, restarts: &Restarts, now: Instant) {
        self.failed.push_back(now);
        while self
            .failed
            .front()
            .is_some_and(|first| now - *first > restarts.period)
        {
            self.failed.pop_front();
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        // The first failure of a while costs nobody a wait.
        let wait = if self.failed.len() as u64 > u64::from(restarts.intensity) {
            restarts.backoff_max.max(restarts.period)
        } else if self.in_a_row > 1 {
            let doubled = 2_u32.saturating_pow(self.in_a_row - 2);
            restarts
                .backoff_min
                .saturating_mul(doubled)
                .min(restarts.backoff_max)
        } else {
            return;
        };
        self.open_until = Some(now + jittered(wait));
    }
}

/// Some of the time less: those who fail together need not come back together.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(rand::random_range(0.5..=1.0))
}

/// A call that ends by itself, even if nobody waits for it any more.
struct ToTheEnd(Option<Pin<Box<Call>>>);

type Call = dyn Future<Output = Result<Wire, Fate>> + Send;

impl Future for ToTheEnd {
    type Output = Result<Wire, Fate>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(call) = &mut self.0 else {
            return Poll::Ready(Err(Fate::Ended));
        };
        let polled = call.as_mut().poll(cx);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl Drop for ToTheEnd {
    fn drop(&mut self) {
        if let (Some(call), Ok(runtime)) = (self.0.take(), Runtime::try_current()) {
            runtime.spawn(call);
        }
    }
}
