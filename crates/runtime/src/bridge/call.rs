//! One call over an isolated link.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use wasmtime::component::{Accessor, Func, Instance};
use wasmtime::{AsContextMut, Result};
use wasmtime_wasi::I32Exit;
use weft_app::Limits;

use super::cells::Callee;
use super::drive::Drive;
use super::fate::Fate;
use super::invocation::{Invocation, Live, Place, Slot};
use super::link::{Answer, LinkFunction};
use super::typed::{self, Parameters};
use super::wire::Wire;
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
        self.callee.failed(Some(&self.blame.function), &fate);
        match &self.on_failure {
            Answer::Value(results) if !matches!(fate, Fate::Ended) => match results.again() {
                Some(results) => Ok(results),
                None => Err(self.blame.error(fate)),
            },
            _ => Err(self.blame.error(fate)),
        }
    }

    /// Calls, and again where it failed and that is allowed.
    async fn tried(&self, from: &From, mut arguments: Wire) -> Result<Wire, Fate> {
        let max = self.callee.plan.settings.depth_max;
        if from.depth > max {
            return Err(Fate::Depth(max));
        }
        for _ in 0..self.retries {
            // What is read while it is sent cannot be sent again.
            let Some(mut again) = arguments.again() else { break };
            match self.once(from, &mut again).await {
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
        if self.callee.is_driven {
            let drive = self.callee.driven(from).await?;
            return self.callee.call_driven(drive, self.function, arguments).await;
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
    /// The instance that goes on by itself: the one that is there, else a new one.
    async fn driven(self: &Arc<Self>, from: &From) -> Result<Arc<Drive>, Fate> {
        let mut place = from.slot.driven.lock().await;
        if let Some(drive) = place.as_ref().filter(|drive| drive.is_alive()) {
            return Ok(drive.clone());
        }
        let live = self.open(&from.invocation, from.depth, from.pressure.clone());
        // A later instance gives out no number again.
        let last_handle = place.as_ref().map(|before| before.last_handle.clone());
        let drive = Drive::start(self.clone(), live.await?, last_handle.unwrap_or_default());
        *place = Some(drive.clone());
        Ok(drive)
    }

    /// Calls a function of an instance that goes on by itself, in the time that a call has. Whoever lets go of a call in
    /// the middle leaves no instance behind.
    async fn call_driven(
        &self,
        drive: Arc<Drive>,
        function: usize,
        arguments: &mut Wire,
    ) -> Result<Wire, Fate> {
        let guard = EndsUnlessDone(Some(&drive));
        let wall_time_max = self.plan.settings.wall_time_max;
        let call = drive.call(function, std::mem::take(arguments));
        let ended = within(wall_time_max, call).await;
        guard.done();
        match ended {
            Some(ended) => ended,
            None => {
                let fate = Fate::Limit(LimitHit::WallTime(wall_time_max.unwrap_or_default()), None);
                drive.end(fate.clone());
                drive.gone().await;
                Err(fate)
            }
        }
    }

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
        let found = self.find(function, live.instance, &mut live.functions, &mut live.store)?;
        live.handles.inward(arguments)?;
        self.begin(&mut live.store);
        Ok(found)
    }

    /// A function of an instance, and how many core values it returns.
    pub(super) fn find(
        &self,
        function: usize,
        instance: Instance,
        known: &mut [Option<Func>],
        store: impl AsContextMut<Data = Cell>,
    ) -> Result<(Func, usize), Fate> {
        let (Some(export), Some(known)) = (self.functions.get(function), known.get_mut(function)) else {
            return Err(Fate::Ended);
        };
        let function = match known {
            Some(function) => *function,
            None => match instance.get_func(store, export.index) {
                Some(function) => *known.insert(function),
                None => return Err(Fate::Ended),
            },
        };
        Ok((function, export.results))
    }

    /// Begins the time of a call.
    pub(super) fn begin(&self, store: impl AsContextMut<Data = Cell>) {
        let settings = &self.plan.settings;
        let turn = Turn {
            wall_time_max: settings.wall_time_max,
            cpu_time_max: settings.cpu_time_max,
        };
        interruption::begin_call(&self.engine, store, turn);
    }

    /// Counts a failure and tells of it: in a call of a function, or while there was none.
    pub(super) fn failed(&self, function: Option<&str>, fate: &Fate) {
        self.counts.failures.fetch_add(1, Ordering::Relaxed);
        if !matches!(fate, Fate::Ended) {
            let plan = &self.plan;
            self.telling.tell(&plan.tell, &plan.name, function, fate);
        }
    }

    fn fate(&self, live: &Live, error: &wasmtime::Error) -> Fate {
        fate_of(error, live.store.data(), &self.plan.limits)
    }

    /// Ends a resource of which a caller had the last handle.
    pub(super) async fn drop_resource(&self, slot: &Slot, id: u32) {
        if let Some(shared) = &self.shared {
            return shared.drop_resource(self, slot, id).await;
        }
        if self.is_driven {
            if let Some(drive) = &*slot.driven.lock().await {
                drive.drop_resource(id);
            }
            return;
        }
        let mut taken = slot.take().await;
        self.end_resource(taken.place(), id).await;
        taken.finish();
    }

    pub(super) async fn end_resource(&self, place: &mut Place, id: u32) {
        let Some(live) = &mut place.live else { return };
        // A destructor that traps takes its instance along, as any call does.
        if let Err(fate) = self.end_resource_of(live, id).await {
            self.failed(None, &fate);
            place.live = None;
        }
    }

    pub(super) async fn end_resource_of(&self, live: &mut Live, id: u32) -> Result<(), Fate> {
        let Some(resource) = live.handles.remove(id) else {
            return Ok(());
        };
        interruption::begin_call(&self.engine, &mut live.store, Turn::default());
        let dropped = resource.resource_drop_async(&mut live.store).await;
        dropped.map_err(|error| self.fate(live, &error))
    }
}

/// Ends an instance whose call nobody waits for any more.
struct EndsUnlessDone<'a>(Option<&'a Drive>);

impl EndsUnlessDone<'_> {
    fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for EndsUnlessDone<'_> {
    fn drop(&mut self) {
        if let Some(drive) = self.0 {
            drive.end(Fate::Ended);
        }
    }
}

/// Brings the results out, or ends the instance.
fn conclude(place: &mut Place, called: Result<Wire, Fate>) -> Result<Wire, Fate> {
    let ended = called.and_then(|mut results| {
        if let Some(live) = &mut place.live {
            live.handles.outward(&mut results, &place.last_handle)?;
        }
        Ok(results)
    });
    if ended.as_ref().is_err_and(Fate::ends_the_instance) {
        place.live = None;
    }
    ended
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
fn direct(live: &mut Live, function: Func, results: usize, arguments: Parameters<&Wire>) -> Result<Wire> {
    match results {
        0 => typed::any::<_, 0>(function)
            .call(&mut live.store, arguments)
            .map(|returned| returned.0),
        _ => typed::any::<_, 1>(function)
            .call(&mut live.store, arguments)
            .map(|returned| returned.0),
    }
}

/// Calls a function as the number of core values that it returns has it. What nearly every function is goes without a
/// box.
macro_rules! by_results {
    ($call:ident, $on:ident, $function:ident, $arguments:ident, $count:expr) => {
        by_results!($call, $on, $function, $arguments, $count, 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
    };
    ($call:ident, $on:ident, $function:ident, $arguments:ident, $count:expr, $($number:literal)*) => {
        match $count {
            0 => $call::<0>($on, $function, $arguments).await,
            1 => $call::<1>($on, $function, $arguments).await,
            $($number => Box::pin($call::<$number>($on, $function, $arguments)).await,)*
            _ => wasmtime::bail!("a function returns more than 16 core values"),
        }
    };
}

async fn returning<const N: usize>(
    live: &mut Live,
    function: Func,
    arguments: Parameters<&Wire>,
) -> Result<Wire> {
    let returned = typed::any::<_, N>(function)
        .call_async(&mut live.store, arguments)
        .await?;
    Ok(returned.0)
}

/// Calls on a stack of its own, which can be left and come back to.
async fn waiting(
    live: &mut Live,
    function: Func,
    results: usize,
    arguments: Parameters<&Wire>,
) -> Result<Wire> {
    by_results!(returning, live, function, arguments, results)
}

async fn returning_beside<const N: usize>(
    accessor: &Accessor<Cell>,
    function: Func,
    arguments: Parameters<Wire>,
) -> Result<Wire> {
    let returned = typed::any::<_, N>(function)
        .call_concurrent(accessor, arguments)
        .await?;
    Ok(returned.0)
}

/// Calls beside other calls of the same instance.
pub(super) async fn beside(
    accessor: &Accessor<Cell>,
    function: Func,
    results: usize,
    arguments: Parameters<Wire>,
) -> Result<Wire> {
    by_results!(returning_beside, accessor, function, arguments, results)
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
