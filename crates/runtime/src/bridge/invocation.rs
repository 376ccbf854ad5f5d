//! What one call of an app from outside brings to life: the instances of the cells that it calls, and how they end.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use tokio::sync::Notify;
use wasmtime::Store;
use wasmtime::component::{Func, Instance, ResourceAny};

use super::cells::{Callee, Cells, Counts};
use super::drive::Drive;
use super::fate::Fate;
use super::wire::{Handle, Wire};
use crate::cell::{self, Cell, Thread};
use crate::entry::http::Pressure;
use crate::stop::Stop;

/// The cells that a cell calls, as they are in this invocation.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    invocation: Hold,
    /// How many calls are nested where this cell runs.
    depth: u32,
    /// The callees, by the places that this cell's links know them by.
    slots: Vec<Option<Arc<Slot>>>,
}

#[derive(Debug, Default)]
enum Hold {
    /// It calls none.
    #[default]
    None,
    /// The cell was entered from outside, and what it calls ends with it.
    Root(Arc<Invocation>),
    /// It is called itself.
    Inner(Weak<Invocation>),
}

/// Instances that live as long as one call from outside.
#[derive(Debug)]
pub(crate) struct Invocation {
    slots: parking_lot::Mutex<HashMap<usize, Arc<Slot>>>,
    pub(super) stop: Stop,
    pub(super) thread: Thread,
}

/// The place of one callee's instance.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) callee: Arc<Callee>,
    /// Missing while somebody uses it.
    place: parking_lot::Mutex<Option<Box<Place>>>,
    given_back: Notify,
    /// The instance, where it goes on by itself.
    pub(super) driven: tokio::sync::Mutex<Option<Arc<Drive>>>,
    /// Handles that were given out in this invocation, where the instance is there for all.
    leases: parking_lot::Mutex<HashSet<u32>>,
}

/// An instance, where there is one, and what must not begin anew with another.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) live: Option<Live>,
    /// The last number that was given to a handle: a later instance gives none again.
    pub(super) last_handle: AtomicU32,
}

/// A place in use. Whoever lets go of it in the middle of a call leaves no instance behind.
pub(super) struct Taken<'a> {
    slot: &'a Slot,
    place: Option<Box<Place>>,
    is_whole: bool,
}

/// An instance that can be called.
pub(super) struct Live {
    pub(super) store: Store<Cell>,
    pub(super) instance: Instance,
    pub(super) functions: Vec<Option<Func>>,
    pub(super) handles: Handles,
    /// How often it was somebody's.
    pub(super) uses: u32,
    pub(super) calls: u64,
    counts: Arc<Counts>,
}

/// Resources of an instance that callers have handles of, by the numbers that stand for them.
#[derive(Debug, Default)]
pub(super) struct Handles(HashMap<u32, ResourceAny>);

impl Handles {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<ResourceAny> {
        self.0.remove(&id)
    }

    /// Numbers that callers have become the resources that they stand for.
    pub(super) fn inward(&mut self, wire: &mut Wire) -> Result<(), Fate> {
        for handle in &mut wire.handles {
            let (id, owned) = match handle {
                Handle::Proxy { id, owned } => (*id, *owned),
                Handle::Pipe(_) => continue,
                Handle::Real(_) | Handle::Reader(_) => return Err(Fate::Ended),
            };
            let resource = if owned {
                self.0.remove(&id)
            } else {
                self.0.get(&id).copied()
            };
            *handle = Handle::Real(resource.ok_or(Fate::HandleGone)?);
        }
        Ok(())
    }

    /// Resources become numbers for the caller.
    pub(super) fn outward(&mut self, wire: &mut Wire, last: &AtomicU32) -> Result<(), Fate> {
        for handle in &mut wire.handles {
            let resource = match handle {
                Handle::Real(resource) => *resource,
                Handle::Reader(_) => continue,
                Handle::Proxy { .. } | Handle::Pipe(_) => return Err(Fate::Ended),
            };
            let next = |last: u32| last.checked_add(1);
            let given = last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
            let given =
                given.map_err(|_| Fate::Values("it has given out all handles that there are".to_owned()))?;
            // What was there before is what the last one was.
            let id = given + 1;
            self.0.insert(id, resource);
            *handle = Handle::Proxy { id, owned: true };
        }
        Ok(())
    }
}

/// What it means when a stream cannot be brought from one store into the other.
pub(super) fn of_wire(error: wasmtime::Error) -> Fate {
    Fate::Values(error.to_string())
}

impl Drop for Live {
    fn drop(&mut self) {
        // Before anything of it goes: what its guests wrote is not all that they were to write.
        self.store.data().end(Fate::Ended);
        self.count();
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live")
            .field("uses", &self.uses)
            .finish_non_exhaustive()
    }
}

impl Calls {
    /// Of a program that is entered from outside.
    pub(crate) fn of(cells: &Cells, stop: &Stop, thread: Thread) -> Self {
        if cells.is_empty() {
            return Self::default();
        }
        let invocation = Arc::new(Invocation {
            slots: parking_lot::Mutex::default(),
            stop: stop.clone(),
            thread,
        });
        Self {
            invocation: Hold::Root(invocation),
            ..Self::default()
        }
    }

    /// Of a cell that is there for all: what it calls ends with it, and not with those who call it.
    pub(super) fn of_shared(cells: &Cells, thread: Thread, depth: u32) -> Self {
        Self {
            depth,
            ..Self::of(cells, &Stop::new(), thread)
        }
    }

    fn inner(invocation: &Arc<Invocation>, depth: u32) -> Self {
        Self {
            invocation: Hold::Inner(Arc::downgrade(invocation)),
            depth,
            slots: Vec::new(),
        }
    }

    /// The place of an instance that was called from here before.
    pub(super) fn known(&self, number: usize) -> Option<&Slot> {
        self.slots.get(number)?.as_deref()
    }

    pub(super) fn depth(&self) -> u32 {
        self.depth
    }

    pub(super) fn invocation(&self) -> Option<Arc<Invocation>> {
        match &self.invocation {
            Hold::None => None,
            Hold::Root(invocation) => Some(invocation.clone()),
            Hold::Inner(invocation) => invocation.upgrade(),
        }
    }

    /// The place of a callee's instance, by the number that this cell's links have for it.
    pub(super) fn slot(&mut self, number: usize, callee: &Arc<Callee>) -> Option<Arc<Slot>> {
        if let Some(Some(slot)) = self.slots.get(number) {
            return Some(slot.clone());
        }
        let slot = self.invocation()?.slot(callee);
        if self.slots.len() <= number {
            self.slots.resize(number + 1, None);
        }
        if let Some(place) = self.slots.get_mut(number) {
            *place = Some(slot.clone());
        }
        Some(slot)
    }

    /// Lets the cells that were called before go, and begins anew.
    pub(crate) fn renew(&mut self) {
        if let Hold::Root(old) = &self.invocation {
            let invocation = Arc::new(Invocation {
                slots: parking_lot::Mutex::default(),
                stop: old.stop.clone(),
                thread: old.thread,
            });
            *self = Self {
                invocation: Hold::Root(invocation),
                ..Self::default()
            };
        }
    }
}

impl Live {
    /// Adds its calls to those of the cell.
    pub(super) fn count(&mut self) {
        self.counts
            .calls
            .fetch_add(std::mem::take(&mut self.calls), Ordering::Relaxed);
    }
}

impl Invocation {
    /// The place of a callee's instance in this invocation.
    pub(super) fn slot(&self, callee: &Arc<Callee>) -> Arc<Slot> {
        let key = Arc::as_ptr(callee).addr();
        let mut slots = self.slots.lock();
        let slot = slots.entry(key).or_insert_with(|| {
            Arc::new(Slot {
                callee: callee.clone(),
                place: parking_lot::Mutex::new(Some(Box::default())),
                given_back: Notify::new(),
                driven: tokio::sync::Mutex::default(),
                leases: parking_lot::Mutex::default(),
            })
        });
        slot.clone()
    }
}

impl Slot {
    /// The place, if nobody uses it.
    pub(super) fn try_take(&self) -> Option<Taken<'_>> {
        let place = self.place.lock().take()?;
        Some(Taken {
            slot: self,
            place: Some(place),
            is_whole: false,
        })
    }

    /// The place, as soon as nobody uses it.
    pub(super) async fn take(&self) -> Taken<'_> {
        loop {
            // Asked before the look, so that nothing that happens between is missed.
            let given_back = self.given_back.notified();
            if let Some(taken) = self.try_take() {
                return taken;
            }
            given_back.await;
        }
    }

    pub(super) fn lease(&self, id: u32) {
        self.leases.lock().insert(id);
    }

    pub(super) fn end_lease(&self, id: u32) -> bool {
        self.leases.lock().remove(&id)
    }
}

impl Taken<'_> {
    /// What is in the place.
    pub(super) fn place(&mut self) -> &mut Place {
        self.place.get_or_insert_default()
    }

    /// Gives it back as it is.
    pub(super) fn finish(mut self) {
        self.is_whole = true;
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if !self.is_whole {
            self.place().live = None;
        }
        *self.slot.place.lock() = self.place.take();
        self.slot.given_back.notify_one();
    }
}

impl Drop for Slot {
    /// Whoever called is done: an instance that may have another caller waits for it, and handles of one that all use
    /// are given back.
    fn drop(&mut self) {
        if let Some(shared) = &self.callee.shared {
            let left = std::mem::take(self.leases.get_mut());
            shared.give_back(&self.callee, left);
            return;
        }
        if self.callee.pool().is_none() {
            return;
        }
        if let Some(drive) = self.driven.get_mut().take() {
            drive.rest();
        }
        let place = self.place.get_mut();
        if let Some(live) = place.as_mut().and_then(|place| place.live.take()) {
            self.callee.keep(live);
        }
    }
}

impl Callee {
    /// Keeps an instance for its next caller, if it may have one.
    pub(super) fn keep(&self, mut live: Live) {
        let Some((uses_max, idle_max)) = self.pool() else {
            return;
        };
        live.count();
        // Handles die with the caller; an instance that still has some is not as it was.
        if live.uses >= uses_max || !live.handles.is_empty() {
            return;
        }
        live.store.data_mut().calls = Calls::default();
        let mut idle = self.idle.lock();
        if idle.len() < idle_max {
            idle.push(live);
        }
    }

    /// An instance for somebody who calls `depth` calls deep: one that waits, else a new one.
    pub(super) async fn open(
        &self,
        invocation: &Arc<Invocation>,
        depth: u32,
        pressure: Pressure,
    ) -> Result<Live, Fate> {
        let calls = Calls::inner(invocation, depth);
        if self.pool().is_some()
            && let Some(mut live) = self.idle.lock().pop()
        {
            live.uses += 1;
            let cell = live.store.data_mut();
            cell.calls = calls;
            cell.stop = invocation.stop.clone();
            cell.pressure = pressure;
            return Ok(live);
        }
        self.open_new(calls, invocation.stop.clone(), invocation.thread, pressure)
            .await
    }

    pub(super) async fn open_new(
        &self,
        calls: Calls,
        stop: Stop,
        thread: Thread,
        pressure: Pressure,
    ) -> Result<Live, Fate> {
        self.counts.instances.fetch_add(1, Ordering::Relaxed);
        let start = |error: &dyn std::fmt::Display| Fate::Start(error.to_string());
        let mut store =
            cell::open(&self.engine, self.setup(stop, thread), pressure).map_err(|error| start(&error))?;
        store.data_mut().calls = calls;
        let instance = match self.is_direct {
            true => self.linked.instantiate(&mut store),
            false => self.linked.instantiate_async(&mut store).await,
        };
        let instance = instance.map_err(|error| {
            let fate = super::call::fate_of(&error, store.data(), &self.plan.limits);
            match fate {
                Fate::Trap(trap) => Fate::Start(trap.reason),
                other => other,
            }
        })?;
        Ok(Live {
            store,
            instance,
            functions: vec![None; self.functions.len()],
            handles: Handles::default(),
            uses: 1,
            calls: 0,
            counts: self.counts.clone(),
        })
    }
}
