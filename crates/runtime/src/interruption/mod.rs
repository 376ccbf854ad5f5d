//! How a guest that computes is made to look up, so that it can give the thread back or be ended.
//!
//! | [`Interruption`] | what the guest's code does | who is asked |
//! |---|---|---|
//! | `None` | nothing | nobody: only the process can be ended |
//! | `Counted` | counts down in registers ([`weft_countdown`]) | this module, every few microseconds |
//! | `Epochs` | reads the engine's epoch in every loop and function | the engine's own callback, when a tick has ended |
//!
//! Ticks are the same for both: whoever serves calls [`Engine::advance_epoch`] at a steady pace, from a thread of its
//! own, which may stop while nobody needs them (`ticks.rs`). A guest that is found computing when its turn is over is *told* (the cell's `Pressure` goes up by one, which
//! the future that drives it can compare before and after each poll) and returns `Poll::Pending` once, so that others
//! get the thread. It has waked itself: polling it again goes on.
//!
//! Counted guests also see the [`Stop`](crate::Stop) switch when they look up. So a deadline needs nobody's help: use
//! the switch, and the guest ends with the reason within microseconds of its next turn, however it loops.
//!
//! What always holds: a guest looks up after at most [`weft_countdown::UNITS`] units of work in each of its modules,
//! in any loop, recursion or chain of tail calls; looking up changes nothing that the guest can see.

mod lookout;
mod ticks;

use std::time::Duration;

use wasmtime::{AsContextMut, Store};

pub(crate) use lookout::{Lookout, Turn};
pub(crate) use ticks::Ticks;
pub use weft_app::Interruption;

use crate::cell::Cell;
use crate::engine::Engine;

/// Begins a turn: from now on the guest may compute for what is left of this tick, and for the next one.
///
/// A store's first turn begins when it is opened; an instance that is used again needs another.
pub(crate) fn begin_turn(engine: &Engine, store: &mut Store<Cell>) {
    match engine.interruption() {
        Interruption::None => {}
        Interruption::Counted => store.data_mut().lookout.begin_turn(),
        // The deadline of a new store has passed already.
        Interruption::Epochs => store.set_epoch_deadline(TURN_TICKS),
    }
}

/// Begins a call, which has time of its own.
pub(crate) fn begin_call(engine: &Engine, mut store: impl AsContextMut<Data = Cell>, turn: Turn) {
    let mut store = store.as_context_mut();
    if engine.interruption() == Interruption::Epochs {
        store.set_epoch_deadline(TURN_TICKS);
    }
    store.data_mut().lookout.begin_call(turn);
}

/// How often guests that compute look up: the longest that one holds the thread of others.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// The tick that is under way may be nearly over, so a turn is this one and the next.
const TURN_TICKS: u64 = 2;

/// Lets a store be interrupted in the way its engine has.
pub(crate) fn attach(engine: &Engine, store: &mut Store<Cell>) {
    match engine.interruption() {
        Interruption::None => store.limiter(|cell| &mut cell.budget),
        Interruption::Counted => store.limiter_async(|cell| cell),
        Interruption::Epochs => {
            store.limiter(|cell| &mut cell.budget);
            store.epoch_deadline_callback(|mut context| lookout::at_epoch(context.data_mut()));
        }
    }
    begin_turn(engine, store);
}
