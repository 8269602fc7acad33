//! Bytes to send that lie elsewhere than in slots, and what keeps them there.
//!
//! Knows: counted bytes, leases, which of them are linked and which let go. Must not know what a chain is.
//!
//! A part is free, or linked, or let go: then it waits, with its keeper, until somebody takes that who may drop it. Nothing is dropped
//! here, because the owner of counted bytes is a user's value, and a lease is the receive pool's.
//!
//! Invariants:
//! 1. `start` and `len` name the bytes of the keeper of a part, which was asked for them once, when it came. They stay where they are
//!    however the keeper is moved, and as they are, until it is dropped or released: counted bytes never change, and those of a
//!    lease not while it lives (invariant 1 of `receive.rs`).
//! 2. The keeper of a part leaves it by [`Parts::take_released`], after the part was let go by whoever linked it, or by
//!    [`Parts::take_all`], while nobody borrows any of its bytes: it has none from then on.
//! 3. Memory of every lease that has ever come is kept by `memories`, also beyond its pool.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;

use super::NONE;
use crate::mem::kept::Memory;
use crate::mem::{Bytes, Lease, ReceivePool};

/// What keeps bytes to send where they lie.
#[derive(Debug)]
#[must_use = "a lease has to be released"]
pub enum Keeper {
    /// A count of theirs. To drop it may run code of a user.
    Bytes(Bytes),
    /// A lease of a receive pool, to be released there.
    Lease(Lease),
}

#[derive(Debug)]
struct Part {
    start: *const u8,
    len: u32,
    /// Whatever is behind it in a chain, or the next that is free or let go.
    next: u32,
    /// No bytes, while the part is free.
    keeper: Keeper,
}

/// The parts of a pool, bounded in number and in counted bytes. Memory for as many as there have been at one time.
#[derive(Debug)]
pub(super) struct Parts {
    table: RefCell<Vec<Part>>,
    free: Cell<u32>,
    released: Cell<u32>,
    linked: Cell<usize>,
    /// Counted bytes of those that are linked.
    bytes: Cell<usize>,
    max: u32,
    bytes_max: usize,
    memories: RefCell<Vec<Arc<Memory>>>,
}

impl Parts {
    /// None yet, and at most `max`.
    pub(super) fn new(max: u32) -> Parts {
        Parts {
            table: RefCell::default(),
            free: Cell::new(NONE),
            released: Cell::new(NONE),
            linked: Cell::new(0),
            bytes: Cell::new(0),
            max,
            bytes_max: usize::MAX,
            memories: RefCell::default(),
        }
    }

    /// Bounds the counted bytes that are linked.
    pub(super) fn bound(&mut self, max: u32, bytes_max: usize) {
        (self.max, self.bytes_max) = (max, bytes_max);
    }

    /// Counted bytes that may still be linked.
    pub(super) fn bytes_left(&self) -> usize {
        self.bytes_max - self.bytes.get()
    }

    /// A part of these bytes, with nothing behind it.
    pub(super) fn link_bytes(&self, bytes: Bytes) -> Result<u32, Bytes> {
        if self.is_full() || bytes.len() > self.bytes_left() {
            return Err(bytes);
        }
        self.bytes.set(self.bytes.get() + bytes.len());
        let place: *const [u8] = &*bytes;
        Ok(self.insert(place, Keeper::Bytes(bytes)))
    }

    /// A part of the bytes of a lease, with nothing behind it.
    pub(super) fn link_lease(&self, lease: Lease, pool: &ReceivePool) -> Result<u32, Lease> {
        if self.is_full() {
            return Err(lease);
        }
        let place: *const [u8] = pool.bytes(&lease);
        let mut memories = self.memories.borrow_mut();
        if !memories.iter().any(|memory| Arc::ptr_eq(memory, pool.memory())) {
            memories.push(Arc::clone(pool.memory()));
        }
        Ok(self.insert(place, Keeper::Lease(lease)))
    }

    fn is_full(&self) -> bool {
        self.free.get() == NONE && self.table.borrow().len() >= self.max as usize
    }

    fn insert(&self, place: *const [u8], keeper: Keeper) -> u32 {
        let mut table = self.table.borrow_mut();
        let part = Part { start: place.cast(), len: place.len() as u32, next: NONE, keeper };
        self.linked.set(self.linked.get() + 1);
        let index = self.free.get();
        if let Some(free) = table.get_mut(index as usize) {
            self.free.set(free.next);
            *free = part;
            return index;
        }
        table.push(part);
        table.len() as u32 - 1
    }

    /// The bytes of a part that is linked, and whatever is behind it.
    pub(super) fn look(&self, index: u32) -> (&[u8], u32) {
        let (start, len, next) = self.read(index);
        // SAFETY: the keeper of the part keeps them as they are (invariant 1), in memory that lives (invariant 3), and stays in
        // the part while that is linked (invariant 2): whoever borrows the chain that links it holds off its release.
        (unsafe { slice::from_raw_parts(start, len as usize) }, next)
    }

    fn read(&self, index: u32) -> (*const u8, u32, u32) {
        let part = &self.table.borrow()[index as usize];
        (part.start, part.len, part.next)
    }

    /// Puts something behind a part.
    pub(super) fn set_next(&self, index: u32, next: u32) {
        self.table.borrow_mut()[index as usize].next = next;
    }

    /// Lets a linked part go; answers what was behind it.
    pub(super) fn release(&self, index: u32) -> u32 {
        self.linked.set(self.linked.get() - 1);
        let behind = self.released.replace(index);
        let part = &mut self.table.borrow_mut()[index as usize];
        if matches!(part.keeper, Keeper::Bytes(_)) {
            self.bytes.set(self.bytes.get() - part.len as usize);
        }
        std::mem::replace(&mut part.next, behind)
    }

    /// Parts that are linked.
    pub(super) fn linked(&self) -> usize {
        self.linked.get()
    }

    /// True if a keeper waits to be taken.
    #[inline]
    pub(super) fn has_released(&self) -> bool {
        self.released.get() != NONE
    }

    /// Takes the keeper of a part that was let go, which is free then.
    pub(super) fn take_released(&self) -> Option<Keeper> {
        let index = self.released.get();
        let mut table = self.table.borrow_mut();
        let part = table.get_mut(index as usize)?;
        self.released.set(part.next);
        part.next = self.free.replace(index);
        Some(std::mem::replace(&mut part.keeper, Keeper::Bytes(Bytes::new())))
    }

    /// Takes what has kept any part, linked or let go; no bytes, of one that is free. Parts that are linked stay so, without bytes.
    pub(super) fn take_all(&mut self) -> Vec<Keeper> {
        self.bytes.set(0);
        let take = |part: &mut Part| {
            (part.start, part.len) = (NonNull::dangling().as_ptr(), 0);
            std::mem::replace(&mut part.keeper, Keeper::Bytes(Bytes::new()))
        };
        self.table.get_mut().iter_mut().map(take).collect()
    }
}
