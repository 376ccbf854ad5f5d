//! One call over an isolated link.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use wasmtime::Result;
use wasmtime::component::{Accessor, Func};
use wasmtime_wasi::I32Exit;
use weft_app::Limits;

use super::cells::Callee;
use super::fate::{Fate, LinkFailed};
use super::invocation::{Invocation, Live, Place, Slot};
use super::link::{Answer, LinkFunction};
use super::typed::{self, Parameters};
use super::wire::{Handle, Wire};
use crate::cell::Cell;
use crate::entry::{http::Pressure, limit_behind};
use crate::interruption::{self, Turn};
use crate::stop::{LimitHit, StopReason};
use crate::trap::TrapReport;

/// What a call needs to know of its caller, so that it need not be held while the callee runs.
pub(super) struct From {
    pub(super) slot: Arc<Slot>,
    pub(super) invocation: Arc<Invocation>,
    pub(super) depth: u32,
    pub(super) pressure: Pressure,
}

impl LinkFunction {
    /// Calls at once, where the callee is there and nothing in it waits: no future, no stack of its own, no counting of
    /// who holds what.
    pub(super) fn call_now(&self, caller: &mut Cell, arguments: &mut Wire) -> Option<Result<Wire>> {
        if !self.callee.is_direct || self.retries > 0 {
            return None;
        }
        let mut taken = caller.calls.known(self.number)?.try_take()?;
        if taken.place().live.is_none() {
            taken.finish();
            return None;
        }
        let ended = self.callee.enter_now(taken.place(), self.function, arguments);
        taken.finish();
        if ended.is_err() {
            caller.pressure.add();
        }
        Some(self.concluded(ended))
    }

    /// Calls a function that others may be called beside.
    pub(super) async fn call_concurrent(&self, caller: &Accessor<Cell>, arguments: Wire) -> Result<Wire> {
        let from = caller.with(|mut caller| self.from(caller.data_mut()));
        self.answered(from, arguments).await
    }

    pub(super) fn from(&self, caller: &mut Cell) -> Option<From> {
        Some(From {
            slot: caller.calls.slot(self.number, &self.callee)?,
            invocation: caller.calls.invocation()?,
            depth: caller.calls.depth() + 1,
            pressure: caller.pressure.clone(),
        })
    }

    /// Calls, in the time of the caller.
    pub(super) async fn answered(&self, from: Option<From>, arguments: Wire) -> Result<Wire> {
        let ended = match from {
            Some(from) => {
                let ended = self.tried(&from, arguments).await;
                if ended.is_err() {
                    // What fails costs others more time than what does not, and is no reason for haste.
                    from.pressure.add();
                }
                ended
            }
            None => Err(Fate::Ended),
        };
        self.concluded(ended)
    }

    /// What the caller sees.
    fn concluded(&self, ended: Result<Wire, Fate>) -> Result<Wire> {
        let fate = match ended {
            Ok(results) => return Ok(results),
            Err(fate) => fate,
        };
        self.callee.counts.failures.fetch_add(1, Ordering::Relaxed);
        if !matches!(fate, Fate::Ended) {
            let plan = &self.callee.plan;
            self.callee
                .telling
                .tell(&plan.tell, &plan.name, &self.name, &fate);
        }
        match &self.on_failure {
            Answer::Value(results) if !matches!(fate, Fate::Ended) => Ok(results.clone()),
            _ => Err(self.failed(fate)),
        }
    }

    fn failed(&self, fate: Fate) -> wasmtime::Error {
        let failed = LinkFailed {
            callee: self.callee.plan.name.clone(),
            function: self.name.clone(),
            fate,
        };
        wasmtime::Error::new(failed)
    }

    /// Calls, and again where it failed and that is allowed.
    async fn tried(&self, from: &From, mut arguments: Wire) -> Result<Wire, Fate> {
        let max = self.callee.plan.settings.depth_max;
        if from.depth > max {
            return Err(Fate::Depth(max));
        }
        for _ in 0..self.retries {
            match self.once(from, &mut arguments.clone()).await {
                Err(fate) if fate.may_be_retried() => {}
                ended => return ended,
            }
        }
        self.once(from, &mut arguments).await
    }

    async fn once(&self, from: &From, arguments: &mut Wire) -> Result<Wire, Fate> {
        if let Some(shared) = &self.callee.shared {
            let arguments = std::mem::take(arguments);
            return shared.call(&self.callee, self.function, from, arguments).await;
        }
        let mut taken = from.slot.take().await;
        let place = taken.place();
        if place.live.is_none() {
            let opened = self
                .callee
                .open(&from.invocation, from.depth, from.pressure.clone());
            place.live = Some(opened.await?);
        }
        let ended = self.callee.enter(place, self.function, arguments).await;
        taken.finish();
        ended
    }
}

impl Callee {
    /// Calls a function of the instance in a place. One that fails is gone afterwards.
    pub(super) async fn enter(
        &self,
        place: &mut Place,
        function: usize,
        arguments: &mut Wire,
    ) -> Result<Wire, Fate> {
        if self.is_direct {
            return self.enter_now(place, function, arguments);
        }
        let Some(live) = &mut place.live else {
            return Err(Fate::Ended);
        };
        let called = match self.prepare(live, function, arguments) {
            Ok((function, results)) => {
                let wall_time_max = self.plan.settings.wall_time_max;
                let call = waiting(live, function, results, Parameters(arguments));
                match within(wall_time_max, call).await {
                    Some(called) => called.map_err(|error| self.fate(live, &error)),
                    None => Err(Fate::Limit(
                        LimitHit::WallTime(wall_time_max.unwrap_or_default()),
                        None,
                    )),
                }
            }
            Err(fate) => Err(fate),
        };
        conclude(place, called)
    }

    /// The same on the stack of the caller.
    fn enter_now(&self, place: &mut Place, function: usize, arguments: &mut Wire) -> Result<Wire, Fate> {
        let Some(live) = &mut place.live else {
            return Err(Fate::Ended);
        };
        let called = self
            .prepare(live, function, arguments)
            .and_then(|(function, results)| {
                direct(live, function, results, Parameters(arguments))
                    .map_err(|error| self.fate(live, &error))
            });
        conclude(place, called)
    }

    /// Finds the function, begins its time, and makes numbers of handles the resources that they stand for.
    fn prepare(&self, live: &mut Live, function: usize, arguments: &mut Wire) -> Result<(Func, usize), Fate> {
        live.calls += 1;
        let (Some(export), Some(known)) = (self.functions.get(function), live.functions.get_mut(function))
        else {
            return Err(Fate::Ended);
        };
        let function = match known {
            Some(function) => *function,
            None => match live.instance.get_func(&mut live.store, export.index) {
                Some(function) => *known.insert(function),
                None => return Err(Fate::Ended),
            },
        };
        live.inward(arguments)?;
        let settings = &self.plan.settings;
        let turn = Turn {
            wall_time_max: settings.wall_time_max,
            cpu_time_max: settings.cpu_time_max,
        };
        interruption::begin_call(&self.engine, &mut live.store, turn);
        Ok((function, export.results))
    }

    fn fate(&self, live: &Live, error: &wasmtime::Error) -> Fate {
        fate_of(error, live.store.data(), &self.plan.limits)
    }

    /// Ends a resource of which a caller had the last handle.
    pub(super) async fn drop_resource(&self, slot: &Slot, id: u32) {
        if let Some(shared) = &self.shared {
            return shared.drop_resource(self, slot, id).await;
        }
        let mut taken = slot.take().await;
        self.end_resource(taken.place(), id).await;
        taken.finish();
    }

    pub(super) async fn end_resource(&self, place: &mut Place, id: u32) {
        let Some(live) = &mut place.live else { return };
        let Some(resource) = live.resources.remove(&id) else {
            return;
        };
        interruption::begin_call(&self.engine, &mut live.store, Turn::default());
        // A destructor that traps takes its instance along, as any call does.
        if resource.resource_drop_async(&mut live.store).await.is_err() {
            self.counts.failures.fetch_add(1, Ordering::Relaxed);
            place.live = None;
        }
    }
}

/// Brings the results out, or ends the instance.
fn conclude(place: &mut Place, called: Result<Wire, Fate>) -> Result<Wire, Fate> {
    let ended = called.and_then(|mut results| {
        if let Some(live) = &mut place.live {
            live.outward(&mut results, &mut place.last_handle)?;
        }
        Ok(results)
    });
    if ended.as_ref().is_err_and(Fate::ends_the_instance) {
        place.live = None;
    }
    ended
}

impl Live {
    /// Numbers that callers have become the resources that they stand for.
    fn inward(&mut self, wire: &mut Wire) -> Result<(), Fate> {
        for handle in &mut wire.handles {
            let Handle::Proxy { id, owned } = *handle else {
                return Err(Fate::Ended);
            };
            let resource = if owned {
                self.resources.remove(&id)
            } else {
                self.resources.get(&id).copied()
            };
            *handle = Handle::Real(resource.ok_or(Fate::HandleGone)?);
        }
        Ok(())
    }

    /// Resources become numbers for the caller.
    fn outward(&mut self, wire: &mut Wire, last: &mut u32) -> Result<(), Fate> {
        for handle in &mut wire.handles {
            let Handle::Real(resource) = *handle else {
                return Err(Fate::Ended);
            };
            *last = last
                .checked_add(1)
                .ok_or_else(|| Fate::Values("it has given out all handles that there are".to_owned()))?;
            self.resources.insert(*last, resource);
            *handle = Handle::Proxy {
                id: *last,
                owned: true,
            };
        }
        Ok(())
    }
}

/// Waits for a future for so long. What is ready at once costs no timer.
async fn within<T>(limit: Option<Duration>, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let Some(limit) = limit else {
        return Some(future.await);
    };
    let first = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
    match first {
        Poll::Ready(output) => Some(output),
        Poll::Pending => tokio::time::timeout(limit, future).await.ok(),
    }
}

/// Calls on the stack of the caller.
fn direct(live: &mut Live, function: Func, results: usize, arguments: Parameters<'_>) -> Result<Wire> {
    match results {
        0 => typed::any::<0>(function)
            .call(&mut live.store, arguments)
            .map(|returned| returned.0),
        _ => typed::any::<1>(function)
            .call(&mut live.store, arguments)
            .map(|returned| returned.0),
    }
}

macro_rules! returning {
    ($live:ident, $function:ident, $arguments:ident, $count:expr, $($number:literal)*) => {
        match $count {
            $($number => Box::pin(returning::<$number>($live, $function, $arguments)),)*
            _ => Box::pin(async { wasmtime::bail!("a function returns more than 16 core values") }),
        }
    };
}

async fn returning<const N: usize>(
    live: &mut Live,
    function: Func,
    arguments: Parameters<'_>,
) -> Result<Wire> {
    let returned = typed::any::<N>(function)
        .call_async(&mut live.store, arguments)
        .await?;
    Ok(returned.0)
}

/// Calls on a stack of its own, which can be left and come back to.
async fn waiting(live: &mut Live, function: Func, results: usize, arguments: Parameters<'_>) -> Result<Wire> {
    // What nearly every function is goes without another box.
    match results {
        0 => return returning::<0>(live, function, arguments).await,
        1 => return returning::<1>(live, function, arguments).await,
        _ => {}
    }
    let many: Pin<Box<dyn Future<Output = Result<Wire>> + Send + '_>> =
        returning!(live, function, arguments, results, 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
    many.await
}

/// What an error that ended a callee means.
pub(super) fn fate_of(error: &wasmtime::Error, cell: &Cell, limits: &Limits) -> Fate {
    if let Some(I32Exit(code)) = error.downcast_ref() {
        return Fate::Exit(*code);
    }
    if let Some(hit) = cell.lookout.ran_out() {
        return Fate::Limit(hit.clone(), None);
    }
    match cell.stop.reason() {
        Some(StopReason::Limit(hit)) => return Fate::Limit(hit.clone(), None),
        Some(StopReason::Signal(_)) => return Fate::Ended,
        None => {}
    }
    if let Some(hit) = limit_behind(error, limits) {
        return Fate::Limit(hit, None);
    }
    let trap = TrapReport::new(error);
    match cell.budget.refused() {
        Some(hit) => Fate::Limit(hit.clone(), Some(trap)),
        None => Fate::Trap(trap),
    }
}
