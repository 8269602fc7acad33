//! Actors at rest: what is stored of each on its core.
//!
//! Knows: slots, generations, the type of what is stored, notices waiting for a cell. Must not know what actors do.
//!
//! A cell is a *head*, which addresses look for by its type, and a *body*, which is run. Both are one allocation.
//!
//! Invariants:
//! 1. `stored` of an occupied slot points to a live `Stored<H, B>` of the types that its vtable was made for; the head
//!    is its first field. Only shared references to it are ever made.
//! 2. A `Stored` is freed only while `borrows` is zero: no reference into any of them is alive then.
//! 3. References to slots never leave the functions of this file, and none is alive while `slots` grows or while code
//!    from outside runs.
#![allow(unsafe_code)]

use std::any::TypeId;
use std::cell::{Cell, RefCell, UnsafeCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::core::Core;
use super::notice::{Notice, NoticeList, Notices};
use crate::mem::Key;

/// The part of a cell that is run.
pub trait Body<H>: 'static {
    /// Runs the cell once, within the budget of `activation`. A panic must not leave it.
    fn activate(&self, head: &H, activation: &Activation<'_>) -> Outcome;
}

/// What a cell is given when it runs.
#[derive(Debug)]
pub struct Activation<'a> {
    /// The core that it runs on.
    pub core: &'a Core,
    /// The cell's own name.
    pub cell: Key,
}

/// How an activation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing more to do until something new arrives.
    Rest,
    /// The budget ran out: run again after the others.
    Again,
    /// The actor has ended and nothing of it is in flight: its slot can be used again.
    Ended,
}

#[repr(C)]
struct Stored<H, B> {
    head: H,
    body: B,
}

struct Vtable {
    head: TypeId,
    activate: unsafe fn(*const (), &Activation<'_>) -> Outcome,
    free: unsafe fn(*mut ()),
}

struct Vtables<H, B>(H, B);

impl<H: 'static, B: Body<H>> Vtables<H, B> {
    const VTABLE: Vtable = Vtable { head: TypeId::of::<H>(), activate: activate::<H, B>, free: free::<H, B> };
}

/// # Safety
/// `stored` points to a live `Stored<H, B>` that is not freed meanwhile.
unsafe fn activate<H, B: Body<H>>(stored: *const (), activation: &Activation<'_>) -> Outcome {
    // SAFETY: as the caller promises.
    let stored = unsafe { &*stored.cast::<Stored<H, B>>() };
    stored.body.activate(&stored.head, activation)
}

/// # Safety
/// `stored` came from `Box::into_raw` of a `Stored<H, B>`, is not referred to, and is not used again.
unsafe fn free<H, B>(stored: *mut ()) {
    // SAFETY: as the caller promises.
    drop(unsafe { Box::from_raw(stored.cast::<Stored<H, B>>()) });
}

struct Slot {
    stored: Cell<*mut ()>,
    vtable: Cell<Option<&'static Vtable>>,
    generation: Cell<u32>,
    notices: NoticeList,
    flags: Cell<u8>,
}

const QUEUED: u8 = 1;
const CLOSED: u8 = 2;
const STOP: u8 = 4;
const ABORT: u8 = 8;
const IO: u8 = 16;

/// What has been asked of a cell from outside, beside its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Stop after the current message.
    Stop,
    /// End now.
    Abort,
}

/// The cells of one core.
pub struct Cells {
    slots: UnsafeCell<Vec<Slot>>,
    free: RefCell<Vec<u32>>,
    live: Cell<usize>,
    live_io: Cell<usize>,
    capacity: u32,
    borrows: Cell<u32>,
    demands: Cell<u32>,
    dead: RefCell<Vec<(*mut (), &'static Vtable)>>,
    notices: Notices,
}

impl std::fmt::Debug for Cells {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Cells").field("live", &self.live.get()).finish_non_exhaustive()
    }
}

/// Counts a reference into stored cells, also when it ends by unwinding.
struct Borrow<'a>(&'a Cell<u32>);

impl<'a> Borrow<'a> {
    fn new(count: &'a Cell<u32>) -> Borrow<'a> {
        count.set(count.get() + 1);
        Borrow(count)
    }
}

impl Drop for Borrow<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Cells {
    /// Room for at most `capacity` cells; memory comes as it is needed.
    #[must_use]
    pub fn new(capacity: u32) -> Cells {
        Cells {
            slots: UnsafeCell::new(Vec::new()),
            free: RefCell::new(Vec::new()),
            live: Cell::new(0),
            live_io: Cell::new(0),
            capacity,
            borrows: Cell::new(0),
            demands: Cell::new(0),
            dead: RefCell::new(Vec::new()),
            notices: Notices::new(),
        }
    }

    /// Stores a cell; hands its parts back when there is no room. **Costs** one allocation.
    pub fn insert<H: 'static, B: Body<H>>(&self, head: H, body: B) -> Result<Key, (H, B)> {
        let Some(index) = self.vacant() else { return Err((head, body)) };
        let stored = Box::into_raw(Box::new(Stored { head, body })).cast::<()>();
        let slot = self.slot(index).expect("a vacant slot exists");
        slot.stored.set(stored);
        slot.vtable.set(Some(&Vtables::<H, B>::VTABLE));
        // Nothing of the occupant before reaches the new one, but that its slot may still stand in the run queue.
        slot.flags.set(slot.flags.get() & QUEUED);
        self.live.set(self.live.get() + 1);
        Ok(Key { index, generation: slot.generation.get() })
    }

    fn vacant(&self) -> Option<u32> {
        if let Some(index) = self.free.borrow_mut().pop() {
            return Some(index);
        }
        // SAFETY: no reference to a slot is alive (invariant 3).
        let slots = unsafe { &mut *self.slots.get() };
        if slots.len() >= self.capacity as usize {
            return None;
        }
        slots.push(Slot {
            stored: Cell::new(std::ptr::null_mut()),
            vtable: Cell::new(None),
            generation: Cell::new(0),
            notices: NoticeList::new(),
            flags: Cell::new(0),
        });
        Some(slots.len() as u32 - 1)
    }

    fn slot(&self, index: u32) -> Option<&Slot> {
        // SAFETY: only `vacant` grows the vector, and no reference obtained here is alive then (invariant 3).
        let slots = unsafe { &*self.slots.get() };
        slots.get(index as usize)
    }

    fn occupied(&self, cell: Key) -> Option<&Slot> {
        self.slot(cell.index)
            .filter(|slot| slot.generation.get() == cell.generation && slot.vtable.get().is_some())
    }

    /// Runs `look` on the head of a cell, if the cell exists, is open, and has a head of this type.
    pub fn with_head<H: 'static, R>(&self, cell: Key, look: impl FnOnce(&H) -> R) -> Option<R> {
        let slot = self.occupied(cell)?;
        if slot.flags.get() & CLOSED != 0 || slot.vtable.get()?.head != TypeId::of::<H>() {
            return None;
        }
        let stored = slot.stored.get();
        let _borrow = Borrow::new(&self.borrows);
        // SAFETY: the slot is occupied by a `Stored` whose first field is an `H` (invariant 1, the type was compared), and
        // it is not freed while the borrow is counted (invariant 2).
        let head = unsafe { &*stored.cast::<H>() };
        Some(look(head))
    }

    /// Runs a cell once. `None` if it is gone.
    pub fn activate(&self, core: &Core, index: u32) -> Option<(Key, Outcome)> {
        let slot = self.slot(index)?;
        slot.flags.set(slot.flags.get() & !QUEUED);
        let vtable = slot.vtable.get()?;
        let (stored, cell) = (slot.stored.get(), Key { index, generation: slot.generation.get() });
        let _borrow = Borrow::new(&self.borrows);
        // SAFETY: the vtable was made for what is stored (invariant 1), which is not freed meanwhile (invariant 2).
        let outcome = unsafe { (vtable.activate)(stored, &Activation { core, cell }) };
        Some((cell, outcome))
    }

    /// Marks a cell as queued; true if it was not.
    pub fn queue(&self, cell: Key) -> bool {
        let Some(slot) = self.occupied(cell) else { return false };
        let flags = slot.flags.get();
        slot.flags.set(flags | QUEUED);
        flags & QUEUED == 0
    }

    /// From now on no address finds the cell.
    pub fn close(&self, cell: Key) {
        if let Some(slot) = self.occupied(cell) {
            slot.flags.set(slot.flags.get() | CLOSED);
        }
    }

    /// Records what is asked of a cell; false if it is gone.
    pub fn demand(&self, cell: Key, demand: Demand) -> bool {
        let Some(slot) = self.occupied(cell) else { return false };
        slot.flags.set(slot.flags.get() | if demand == Demand::Stop { STOP } else { ABORT });
        self.demands.set(self.demands.get().wrapping_add(1));
        true
    }

    /// Changes whenever something is asked of any cell: an actor that runs looks whether it may go on.
    #[must_use]
    pub fn demands(&self) -> u32 {
        self.demands.get()
    }

    /// Takes what was asked of a cell; the sterner demand if both were.
    pub fn take_demand(&self, cell: Key) -> Option<Demand> {
        let slot = self.occupied(cell)?;
        let flags = slot.flags.get();
        if flags & (STOP | ABORT) == 0 {
            return None;
        }
        slot.flags.set(flags & !(STOP | ABORT));
        Some(if flags & ABORT != 0 { Demand::Abort } else { Demand::Stop })
    }

    /// Puts a notice behind those that wait for the cell; hands it back if the cell is gone.
    pub fn notify(&self, cell: Key, notice: Notice) -> Result<(), Notice> {
        let Some(slot) = self.occupied(cell) else { return Err(notice) };
        self.notices.push(&slot.notices, notice);
        Ok(())
    }

    /// Takes the oldest notice of a cell.
    pub fn next_notice(&self, cell: Key) -> Option<Notice> {
        self.notices.pop(&self.occupied(cell)?.notices)
    }

    /// True if a notice waits for the cell.
    #[must_use]
    pub fn has_notice(&self, cell: Key) -> bool {
        self.occupied(cell).is_some_and(|slot| !slot.notices.is_empty())
    }

    /// Frees the slot of a cell that has ended. What is stored goes with the next [`Cells::bury`].
    ///
    /// # Panics
    /// When a notice still waits for it: something of it was in flight, and a slot is not reused then.
    pub fn remove(&self, cell: Key) {
        let Some(slot) = self.occupied(cell) else { return };
        assert!(slot.notices.is_empty(), "a cell ended with a notice waiting for it");
        let vtable = slot.vtable.take().expect("an occupied slot has a vtable");
        self.dead.borrow_mut().push((slot.stored.replace(std::ptr::null_mut()), vtable));
        self.live.set(self.live.get() - 1);
        self.live_io.set(self.live_io.get() - usize::from(slot.flags.get() & IO != 0));
        // A slot whose generation would wrap is retired: an old address must never reach a stranger.
        if let Some(next) = slot.generation.get().checked_add(1) {
            slot.generation.set(next);
            self.free.borrow_mut().push(cell.index);
        }
    }

    /// Frees what removed cells stored.
    ///
    /// # Panics
    /// When called from within a cell.
    pub fn bury(&self) {
        assert_eq!(self.borrows.get(), 0, "cells are buried between activations");
        loop {
            let Some((stored, vtable)) = self.dead.borrow_mut().pop() else { break };
            // SAFETY: taken out of its slot by `remove`, so nobody finds it any more; nobody refers to it, as no borrow is
            // alive (invariant 2); popped, so freed once.
            unsafe { (vtable.free)(stored) };
        }
    }

    /// Notes that a cell owns a socket.
    pub fn mark_io(&self, cell: Key) {
        if let Some(slot) = self.occupied(cell) {
            slot.flags.set(slot.flags.get() | IO);
            self.live_io.set(self.live_io.get() + 1);
        }
    }

    /// True if the cell owns a socket.
    #[must_use]
    pub fn is_io(&self, cell: Key) -> bool {
        self.occupied(cell).is_some_and(|slot| slot.flags.get() & IO != 0)
    }

    /// Cells that own a socket.
    #[must_use]
    pub fn live_io(&self) -> usize {
        self.live_io.get()
    }

    /// Cells that exist.
    #[must_use]
    pub fn live(&self) -> usize {
        self.live.get()
    }

    /// The keys of all cells, by slot.
    #[must_use]
    pub fn keys(&self) -> Vec<Key> {
        // SAFETY: only `vacant` grows the vector, and the reference ends in this function (invariant 3).
        let slots = unsafe { &*self.slots.get() };
        let occupied = slots.iter().enumerate().filter(|(_, slot)| slot.vtable.get().is_some());
        occupied.map(|(index, slot)| Key { index: index as u32, generation: slot.generation.get() }).collect()
    }
}

impl Drop for Cells {
    /// Drops what is left, each cell by itself: a state whose `Drop` panics does not keep the others.
    fn drop(&mut self) {
        for cell in self.keys() {
            while self.next_notice(cell).is_some() {}
            self.remove(cell);
            let buried = catch_unwind(AssertUnwindSafe(|| self.bury()));
            if let Err(panic) = buried {
                std::mem::forget(panic);
            }
        }
    }
}
