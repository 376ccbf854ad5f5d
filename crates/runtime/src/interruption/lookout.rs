//! A counted guest looks up: it asks a memory to grow by what no memory can, and the engine asks here.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::{ResourceLimiter as _, ResourceLimiterAsync, UpdateDeadline};

use super::ticks::{Dependent, Ticks};
use super::{TICK, TURN_TICKS};
use crate::budget::Budget;
use crate::cell::Cell;
use crate::engine::Engine;
use crate::stop::LimitHit;

/// Bytes of a page, by which memories are asked to grow.
const PAGE_BYTES: usize = 1 << 16;

/// When a counted guest's turn is over.
#[derive(Debug, Default)]
pub(crate) struct Lookout {
    ticks: Arc<Ticks>,
    /// Of a guest that checks epochs, and so does not look at the clock.
    _dependent: Option<Dependent>,
    /// The tick at which the turn is over.
    due: u64,
    /// The tick at which the guest looked up last.
    seen: u64,
    call: CallTime,
}

/// What one call may take of the time of its caller.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Turn {
    /// Until it is over, whatever it waits for.
    pub(crate) wall_time_max: Option<Duration>,
    /// In which it computes, in ticks that it was found computing in.
    pub(crate) cpu_time_max: Option<Duration>,
}

/// How much of its time a call has had.
#[derive(Debug, Default)]
struct CallTime {
    turn: Turn,
    /// Found out when the first tick has ended: most calls are over by then.
    started: Option<Instant>,
    /// The tick up to which it was counted.
    counted: u64,
    /// Ticks in which it computed.
    computed: u32,
    ran_out: Option<LimitHit>,
}

/// A guest was told to end; the cell's [`Stop`](crate::Stop) switch has the reason.
#[derive(Debug, thiserror::Error)]
#[error("the guest was told to end")]
struct Ended;

/// A guest that computes looks up far more often than this many ticks. One that did not has waited for the host
/// meanwhile, or its thread for a processor: which of them cannot be told apart here.
const AWAY_TICKS: u64 = 10;

/// What becomes of a guest that looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It goes on.
    GoOn,
    /// It gives the thread back, and nobody need know: a new turn begins.
    GiveBack,
    /// It gives the thread back, and whoever drives it is told that it has computed for a whole turn.
    TurnOver,
}

impl Lookout {
    /// For a guest of this engine.
    pub(crate) fn of(engine: &Engine) -> Self {
        let ticks = engine.ticks();
        Self {
            _dependent: engine.checks_epochs().then(|| ticks.depend()),
            ticks: ticks.clone(),
            ..Self::default()
        }
    }

    pub(super) fn begin_turn(&mut self) {
        self.begin_turn_at(self.ticks.now());
    }

    /// Begins a turn that is a call, with time of its own.
    pub(super) fn begin_call(&mut self, turn: Turn) {
        let now = self.ticks.now();
        self.begin_turn_at(now);
        self.call = CallTime {
            turn,
            counted: now,
            ..CallTime::default()
        };
    }

    /// The limit of time that the call reached, if it did.
    pub(crate) fn ran_out(&self) -> Option<&LimitHit> {
        self.call.ran_out.as_ref()
    }

    fn begin_turn_at(&mut self, now: u64) {
        self.seen = now;
        self.due = now + TURN_TICKS;
    }

    fn call_is_over(&mut self) -> bool {
        self.call.is_over(self.ticks.now())
    }

    fn judge(&mut self) -> Verdict {
        let now = self.ticks.now();
        if now < self.due {
            self.seen = now;
            return Verdict::GoOn;
        }
        if now - self.seen > AWAY_TICKS {
            // Going on would be wrong: on a crowded machine, every look of a guest may be the first after a long gap,
            // and it would never give the thread back, nor end when it is dropped.
            self.begin_turn_at(now);
            return Verdict::GiveBack;
        }
        self.seen = now;
        // Driven on, it competes with others from its next tick on.
        self.due = now + 1;
        Verdict::TurnOver
    }
}

impl CallTime {
    /// Counts the time since the last look; says whether the call has had all of its time.
    fn is_over(&mut self, now: u64) -> bool {
        let Turn {
            wall_time_max,
            cpu_time_max,
        } = self.turn;
        if now == self.counted || (wall_time_max.is_none() && cpu_time_max.is_none()) {
            return false;
        }
        let passed = now - self.counted;
        self.counted = now;
        // After a long gap it waited, or its thread did: it can have computed in the tick that ended just now.
        let computed = if passed > AWAY_TICKS { 1 } else { passed };
        self.computed = self
            .computed
            .saturating_add(u32::try_from(computed).unwrap_or(u32::MAX));
        let time = Instant::now();
        let started = *self.started.get_or_insert(time);
        if let Some(max) = wall_time_max.filter(|max| time - started >= *max) {
            self.ran_out = Some(LimitHit::WallTime(max));
        } else if let Some(max) = cpu_time_max.filter(|max| TICK * self.computed >= *max) {
            self.ran_out = Some(LimitHit::CpuTime(max));
        }
        self.ran_out.is_some()
    }
}

type Growing<'a> = Pin<Box<dyn Future<Output = wasmtime::Result<bool>> + Send + 'a>>;

/// What becomes of a guest that looks up: it goes on, gives the thread back once, or ends.
fn look_up(cell: &mut Cell) -> Growing<'static> {
    if cell.stop.reason().is_some() || cell.lookout.call_is_over() {
        return Box::pin(ready(Err(Ended.into())));
    }
    match cell.lookout.judge() {
        Verdict::GoOn => return Box::pin(ready(Ok(false))),
        Verdict::GiveBack => {}
        Verdict::TurnOver => cell.pressure.add(),
    }
    let stop = cell.stop.clone();
    Box::pin(async move {
        tokio::task::yield_now().await;
        match stop.reason() {
            Some(_) => Err(Ended.into()),
            None => Ok(false),
        }
    })
}

/// The same for a guest that checks epochs.
pub(super) fn at_epoch(cell: &mut Cell) -> wasmtime::Result<UpdateDeadline> {
    if cell.stop.reason().is_some() || cell.lookout.call_is_over() {
        return Err(Ended.into());
    }
    cell.pressure.add();
    Ok(UpdateDeadline::Yield(1))
}

fn is_look(current: usize, desired: usize, unit: usize) -> bool {
    let delta = usize::try_from(weft_countdown::LOOK_UP_DELTA).unwrap_or(usize::MAX);
    desired.checked_sub(current) == delta.checked_mul(unit)
}

/// Asks the budget, unless the guest only looks up.
fn grow(
    cell: &mut Cell,
    is_look: bool,
    ask: impl FnOnce(&mut Budget) -> wasmtime::Result<bool>,
) -> Growing<'static> {
    if is_look {
        return look_up(cell);
    }
    Box::pin(ready(ask(&mut cell.budget)))
}

/// Written out, since the engine's trait is made for a macro that is not needed elsewhere.
impl ResourceLimiterAsync for Cell {
    fn memory_growing<'a, 'b>(
        &'a mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Growing<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        grow(self, is_look(current, desired, PAGE_BYTES), |budget| {
            budget.memory_growing(current, desired, maximum)
        })
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.budget.memory_grow_failed(error)
    }

    fn table_growing<'a, 'b>(
        &'a mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Growing<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        grow(self, is_look(current, desired, 1), |budget| {
            budget.table_growing(current, desired, maximum)
        })
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.budget.table_grow_failed(error)
    }

    fn instances(&self) -> usize {
        self.budget.instances()
    }

    fn tables(&self) -> usize {
        self.budget.tables()
    }

    fn memories(&self) -> usize {
        self.budget.memories()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use Verdict::{GiveBack, GoOn, TurnOver};

    fn after(ticks: &[u64]) -> Vec<Verdict> {
        let mut lookout = Lookout::default();
        lookout.begin_turn();
        let look = |passed: &u64| {
            (0..*passed).for_each(|_| lookout.ticks.advance());
            lookout.judge()
        };
        ticks.iter().map(look).collect()
    }

    #[test]
    fn a_turn_is_over_after_a_whole_tick() {
        assert_eq!(after(&[0, 0, 1, 0, 1]), [GoOn, GoOn, GoOn, GoOn, TurnOver]);
    }

    #[test]
    fn who_goes_on_computing_is_told_at_every_tick() {
        assert_eq!(after(&[2, 0, 1, 1]), [TurnOver, GoOn, TurnOver, TurnOver]);
    }

    #[test]
    fn who_was_away_gives_the_thread_back_and_begins_a_new_turn() {
        assert_eq!(after(&[0, 5000, 1, 1]), [GoOn, GiveBack, GoOn, TurnOver]);
    }

    #[test]
    fn who_is_always_away_gives_the_thread_back_all_the_same() {
        assert_eq!(
            after(&[50, 0, 50, 1, 50]),
            [GiveBack, GoOn, GiveBack, GoOn, GiveBack]
        );
    }

    #[test]
    fn only_one_growth_is_a_look() {
        let delta = weft_countdown::LOOK_UP_DELTA as usize;
        assert!(is_look(0, delta << 16, PAGE_BYTES) && is_look(7 << 16, (delta + 7) << 16, PAGE_BYTES));
        assert!(!is_look(0, 1 << 32, PAGE_BYTES) && !is_look(1, 0, 1));
    }
}
