//! Buffers that received bytes arrive in.
//!
//! Knows: buffers of one size, how far each is filled, how many parts of it are lent. Must not know who fills them.
//!
//! A buffer goes round: free → with the filler (the kernel, or a backend that reads by itself) → parts of it lent →
//! free again, once the filler is done with it and every part has been released. Parts may also be [kept](ReceivePool::keep)
//! as counted bytes, and come back from wherever those are let go.
//!
//! Invariants:
//! 1. The bytes of a lease were written before it was made, lie below `filled`, and are not written while it lives:
//!    the filler only writes above `filled`, and `filled` goes back to zero only when nothing is lent.
//! 2. A lease is counted once and released once: it is neither `Clone` nor `Copy`. It carries the number of its pool,
//!    which no other pool has while a lease of this one is left.
//! 3. The region lives as long as the pool, or as bytes of it are kept, and is zeroed at the start, so every byte of it is initialised.
//! 4. A buffer that the kernel fills is neither filled nor given back by anybody else: only the crate's own backend lends
//!    its bytes and takes it back.
//! 5. Bytes below `filled`, of a buffer of which anything is lent, are not written to, whoever has lent them: so they can be lent
//!    once more. A part that is kept is lent, until it has come back from the returns and was taken off the books.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::rc::Rc;
use std::sync::Arc;
use std::{io, slice};

use super::kept::{Kept, Memory};
use super::pool_id::PoolId;
use super::region::Region;
use super::returns::Returns;
use super::{AssemblyRoom, Bytes, poison};

/// Part of a receive buffer, lent until it is released to its pool.
#[derive(Debug)]
#[must_use = "a lease that is not released takes its buffer out of circulation"]
pub struct Lease {
    offset: u32,
    len: u32,
    buffer: u16,
    /// Never zero, so that one that may be missing takes no more room.
    pool: NonZeroU16,
}

impl Lease {
    /// How many bytes it covers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// True if it covers none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// With whom a buffer is, to be filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Filler {
    /// With nobody: it is free, or only lent.
    #[default]
    Nobody,
    /// With whoever took it and reads into it by [`ReceivePool::fill`].
    Taker,
    /// With the kernel, which writes to it at any moment.
    Kernel,
}

#[derive(Debug, Default)]
struct Book {
    filled: Cell<u32>,
    lent: Cell<u32>,
    /// How many of the parts that are lent are kept as bytes.
    kept: Cell<u32>,
    /// Whose that buffer is, then: of whoever was the first to keep a part of it.
    keeper: Cell<u64>,
    /// Something is lent more than once.
    again: Cell<bool>,
    filler: Cell<Filler>,
}

/// Keeps a buffer out of everybody's reach, also when `read` panics: not with the filler, and counted as lent.
struct Filling<'a>(&'a ReceivePool, u16);

impl Filling<'_> {
    fn new(pool: &ReceivePool, buffer: u16) -> Filling<'_> {
        let book = &pool.books[buffer as usize];
        book.filler.set(Filler::Nobody);
        pool.count_lent(book);
        Filling(pool, buffer)
    }
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        // First: it goes back to its taker, and does not become free.
        self.0.books[self.1 as usize].filler.set(Filler::Taker);
        self.0.give(self.1, 1);
    }
}

/// So much of the pool is never held beyond its turn: what is received must find buffers, whoever forwards to a slow peer.
const RESERVE: usize = 4;
/// So much of the pool is never kept as bytes, by anybody, for whatever time: what is forwarded finds buffers beside it.
const NEVER_KEPT: usize = 2;
/// Of what may be kept beside that, so much goes to one keeper.
const KEEPER_SHARE: usize = 4;

/// A pool of receive buffers of one size.
#[derive(Debug)]
pub struct ReceivePool {
    memory: Arc<Memory>,
    size: u32,
    books: Box<[Book]>,
    free: RefCell<Vec<u16>>,
    /// Buffers of which something is lent.
    busy: Cell<usize>,
    /// Buffers of which something is kept.
    kept: Cell<usize>,
    /// How many of these are whose.
    keepers: RefCell<BTreeMap<u64, usize>>,
    /// For what cannot be handed on where it lies.
    assembly: Rc<AssemblyRoom>,
    /// Told apart so that a lease is released to the pool that it came from.
    id: PoolId,
}

/// What so many buffers of a size take.
fn bytes(count: u16, size: u32) -> usize {
    assert!(count > 0 && size > 0, "a receive pool has at least one buffer of at least one byte");
    count as usize * size as usize
}

impl ReceivePool {
    /// `count` buffers of `size` bytes each, all resident from the start.
    ///
    /// # Panics
    /// When `count` or `size` is zero or the whole exceeds the address space: `Config` checks both.
    #[must_use]
    pub fn new(count: u16, size: u32) -> ReceivePool {
        ReceivePool::of(Region::resident(bytes(count, size)), count, size)
    }

    /// The same, whose memory becomes resident as it is first written: where few of them are ever filled.
    ///
    /// # Panics
    /// As [`ReceivePool::new`].
    #[must_use]
    pub fn as_needed(count: u16, size: u32) -> ReceivePool {
        ReceivePool::of(Region::new(bytes(count, size)), count, size)
    }

    fn of(region: Region, count: u16, size: u32) -> ReceivePool {
        ReceivePool {
            memory: Arc::new(Memory { region, returns: Returns::new(count) }),
            size,
            books: (0..count).map(|_| Book::default()).collect(),
            free: RefCell::new((0..count).rev().collect()),
            busy: Cell::new(0),
            kept: Cell::new(0),
            keepers: RefCell::default(),
            assembly: Rc::new(AssemblyRoom::new(usize::MAX)),
            id: PoolId::new(),
        }
    }

    /// Bounds what is copied from its buffers because it cannot be handed on yet, in bytes.
    #[must_use]
    pub fn assembling(mut self, bytes_max: usize) -> ReceivePool {
        self.assembly = Rc::new(AssemblyRoom::new(bytes_max));
        self
    }

    /// The room for that.
    #[inline]
    #[must_use]
    pub fn assembly(&self) -> &Rc<AssemblyRoom> {
        &self.assembly
    }

    /// Buffers in the pool.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.books.len() as u16
    }

    /// Bytes per buffer.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.size
    }

    /// Where a buffer starts, for its registration with the kernel.
    #[must_use]
    pub fn buffer_address(&self, buffer: u16) -> *mut u8 {
        assert!(buffer < self.count(), "a buffer of this pool");
        self.address(buffer, 0)
    }

    /// Takes a free buffer, to read into it by [`ReceivePool::fill`].
    pub fn take_free(&self) -> Option<u16> {
        self.take(Filler::Taker)
    }

    /// Takes a free buffer that the kernel is to fill.
    pub(crate) fn take_for_kernel(&self) -> Option<u16> {
        self.take(Filler::Kernel)
    }

    fn take(&self, filler: Filler) -> Option<u16> {
        let buffer = self.free.borrow_mut().pop()?;
        let book = &self.books[buffer as usize];
        debug_assert_eq!(book.lent.get(), 0, "a free buffer is lent to nobody");
        book.filled.set(0);
        book.filler.set(filler);
        Some(buffer)
    }

    /// True if [`ReceivePool::take_free`] would answer with a buffer.
    #[must_use]
    pub fn has_free(&self) -> bool {
        !self.free.borrow().is_empty()
    }

    /// Gives a taken buffer back that its taker will not use any more.
    ///
    /// # Panics
    /// When nobody has taken it, or the kernel has it.
    pub fn give_back(&self, buffer: u16) {
        let book = &self.books[buffer as usize];
        assert_eq!(book.filler.get(), Filler::Taker, "only a buffer that was taken can be given back");
        book.filler.set(Filler::Nobody);
        self.free_if_idle(buffer);
    }

    /// Lends the `len` bytes that the kernel has put behind those it put there before. `more`: it goes on filling the
    /// rest of the buffer.
    ///
    /// # Panics
    /// When the buffer is not with the kernel, or has no room for that many: it would have written elsewhere.
    pub(crate) fn lend_from_kernel(&self, buffer: u16, len: u32, more: bool) -> Lease {
        let filler = self.books[buffer as usize].filler.get();
        assert_eq!(filler, Filler::Kernel, "bytes arrived in a buffer that is not with the kernel");
        self.lend(buffer, len, more)
    }

    #[inline]
    fn lend(&self, buffer: u16, len: u32, more: bool) -> Lease {
        let book = &self.books[buffer as usize];
        let offset = book.filled.get();
        let filled = offset.checked_add(len).filter(|filled| *filled <= self.size);
        book.filled.set(filled.expect("bytes arrive within their buffer"));
        self.count_lent(book);
        if !more {
            book.filler.set(Filler::Nobody);
        }
        poison::allow(self.address(buffer, offset), len as usize);
        Lease { offset, len, buffer, pool: self.id.number() }
    }

    /// Fills the free rest of a taken buffer by `read`, and lends what was read; `None` if that was nothing.
    /// The buffer stays with its taker while it has room; ask [`ReceivePool::is_full`].
    ///
    /// # Panics
    /// When nobody has taken the buffer, or the kernel has it.
    pub fn fill(
        &self,
        buffer: u16,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<Option<Lease>> {
        let book = &self.books[buffer as usize];
        assert_eq!(book.filler.get(), Filler::Taker, "only a buffer that was taken can be filled");
        // Neither with the filler nor free while `read` runs, so that no nested call can reach the space.
        let filling = Filling::new(self, buffer);
        let filled = book.filled.get();
        let start = self.address(buffer, filled);
        poison::allow(start, (self.size - filled) as usize);
        // SAFETY: the rest of the buffer lies inside the region, is initialised (invariant 3), and nobody else refers to
        // it: leases lie below `filled` (invariant 1), the kernel does not have it (asserted above), and until `read` has
        // returned the buffer is neither free nor with its taker, so that no other `fill` reaches it.
        let space = unsafe { slice::from_raw_parts_mut(start, (self.size - filled) as usize) };
        let result = read(space);
        drop(filling);
        poison::forbid(start, (self.size - filled) as usize);
        let len = result?;
        Ok((len > 0).then(|| {
            let more = filled + (len as u32) < self.size;
            self.lend(buffer, len as u32, more)
        }))
    }

    /// True if a taken buffer has no room left, and so has left its taker.
    #[must_use]
    pub fn is_full(&self, buffer: u16) -> bool {
        self.books[buffer as usize].filler.get() == Filler::Nobody
    }

    /// The bytes of a lease.
    ///
    /// # Panics
    /// When the lease came from another pool.
    #[must_use]
    pub fn bytes<'a>(&'a self, lease: &'a Lease) -> &'a [u8] {
        assert_eq!(lease.pool, self.id.number(), "a lease is read in the pool that it came from");
        assert!(u64::from(lease.offset) + u64::from(lease.len) <= u64::from(self.size), "within its buffer");
        let start = self.address(lease.buffer, lease.offset);
        // SAFETY: a lease of this pool (invariant 2) covers written bytes of the region, which stay untouched while it
        // lives (invariant 1), and the borrow of the lease keeps it alive. It ends within its buffer, as asserted.
        unsafe { slice::from_raw_parts(start, lease.len as usize) }
    }

    /// Ends a lease.
    ///
    /// # Panics
    /// When the lease came from another pool.
    pub fn release(&self, lease: Lease) {
        assert_eq!(lease.pool, self.id.number(), "a lease is released to the pool that it came from");
        let book = &self.books[lease.buffer as usize];
        // The same bytes may be kept, or lent once more.
        if cfg!(odeon_asan) && book.kept.get() == 0 && !book.again.get() {
            poison::forbid(self.address(lease.buffer, lease.offset), lease.len as usize);
        }
        self.give(lease.buffer, 1);
    }

    /// Enters a part of a buffer into the books.
    #[inline]
    fn count_lent(&self, book: &Book) {
        let lent = book.lent.get();
        book.lent.set(lent + 1);
        self.busy.set(self.busy.get() + usize::from(lent == 0));
    }

    /// Takes parts of a buffer off the books.
    #[inline]
    fn give(&self, buffer: u16, parts: u32) {
        let book = &self.books[buffer as usize];
        let lent = book.lent.get() - parts;
        book.lent.set(lent);
        if lent == 0 {
            if cfg!(odeon_asan) {
                // Also what was released while it was kept; whoever has the buffer writes behind it.
                poison::forbid(self.address(buffer, 0), book.filled.get() as usize);
            }
            book.again.set(false);
            self.busy.set(self.busy.get() - 1);
            self.free_if_idle(buffer);
        }
    }

    /// Leases that have not been released.
    #[must_use]
    pub fn lent(&self) -> usize {
        self.books.iter().map(|book| (book.lent.get() - book.kept.get()) as usize).sum()
    }

    /// Buffers of which something is lent.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.busy.get()
    }

    /// True if something of this buffer is lent.
    pub(crate) fn is_busy(&self, buffer: u16) -> bool {
        self.books[buffer as usize].lent.get() > 0
    }

    /// True if a buffer may be held beyond its turn: of a quarter of the buffers, or one, nothing is lent.
    #[must_use]
    pub fn can_spare(&self) -> bool {
        self.leaves(RESERVE)
    }

    /// True if nothing is lent of a buffer, and of the given part of them all.
    fn leaves(&self, part: usize) -> bool {
        self.idle() >= self.reserve(part)
    }

    /// Buffers of which nothing is lent.
    fn idle(&self) -> usize {
        self.books.len() - self.busy()
    }

    /// The given part of all buffers, and one at least.
    fn reserve(&self, part: usize) -> usize {
        (self.books.len() / part).max(1)
    }

    /// True if one buffer more may be kept by `keeper`: any, if it keeps none, else up to a quarter of those that may be kept now.
    fn may_keep(&self, keeper: u64) -> bool {
        let idle = self.idle();
        let reserve = self.reserve(NEVER_KEPT);
        let own = self.keepers.borrow().get(&keeper).copied().unwrap_or(0);
        // Beside the idle ones, that whose part is to be kept.
        idle >= reserve && own < ((idle - reserve + 1) / KEEPER_SHARE).max(1)
    }

    /// Counted bytes that are these, without a copy, if they lie in a part of a buffer that is lent. They may be let go on any
    /// thread, also after the pool is gone. Until then the buffer is not filled again: `None` if fewer than half of the buffers,
    /// or none, would be left of which nothing is lent, or if `keeper` keeps its share of them.
    ///
    /// **Costs** one allocation, and an atomic operation on what the pool shares with all that is kept. Buffers are counted by keeper in an
    /// ordered map.
    #[must_use]
    pub fn keep(&self, bytes: &[u8], keeper: u64) -> Option<Bytes> {
        let (buffer, start) = self.find_lent(bytes)?;
        let book = &self.books[buffer];
        let is_kept = book.kept.get() > 0;
        let may_keep = if is_kept { self.leaves(NEVER_KEPT) } else { self.may_keep(keeper) };
        if !may_keep {
            return None;
        }
        let offset = buffer * self.size as usize + start;
        self.count_lent(book);
        if !is_kept {
            self.kept.set(self.kept.get() + 1);
            book.keeper.set(keeper);
            *self.keepers.borrow_mut().entry(keeper).or_default() += 1;
        }
        book.kept.set(book.kept.get() + 1);
        // SAFETY: written bytes of a buffer of which something is lent, which stays so, because they are counted as lent
        // (invariant 5) until they are taken from the returns of this memory.
        let kept = unsafe { Kept::new(&self.memory, offset, bytes.len(), buffer as u16) };
        Some(Bytes::from_owner(kept))
    }

    /// A second lease of these bytes, or of some of them, if they lie in a part of a buffer that is lent, and it [can be
    /// spared](ReceivePool::can_spare).
    pub fn lend_again(&self, bytes: &[u8]) -> Option<Lease> {
        let (buffer, start) = self.find_lent(bytes)?;
        if !self.can_spare() {
            return None;
        }
        let book = &self.books[buffer];
        self.count_lent(book);
        book.again.set(true);
        Some(Lease {
            offset: start as u32,
            len: bytes.len() as u32,
            buffer: buffer as u16,
            pool: self.id.number(),
        })
    }

    /// The buffer that bytes lie in, and where, if it is one of which something is lent.
    fn find_lent(&self, bytes: &[u8]) -> Option<(usize, usize)> {
        let offset = bytes.as_ptr().addr().checked_sub(self.memory.region.address(0).addr())?;
        let (buffer, start) = (offset / self.size as usize, offset % self.size as usize);
        let book = self.books.get(buffer)?;
        let is_lent = book.lent.get() > 0 && start + bytes.len() <= book.filled.get() as usize;
        (is_lent && !bytes.is_empty()).then_some((buffer, start))
    }

    /// Buffers of which something is [kept](ReceivePool::keep), as far as is known here: each whole, however little of it that is.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept.get()
    }

    /// True if something that was kept has come back: buffers may become free by [`ReceivePool::take_returned`]. A look at
    /// memory that others write to, unless nothing is kept.
    #[inline]
    #[must_use]
    pub fn has_returned(&self) -> bool {
        self.kept.get() > 0 && !self.memory.returns.is_empty()
    }

    /// Takes what was kept and has come back off the books.
    pub fn take_returned(&self) {
        self.memory.returns.take(|buffer, parts| {
            let book = &self.books[buffer as usize];
            book.kept.set(book.kept.get() - parts);
            if book.kept.get() == 0 {
                self.kept.set(self.kept.get() - 1);
                self.count_returned(book.keeper.get());
            }
            self.give(buffer, parts);
        });
    }

    fn count_returned(&self, keeper: u64) {
        let mut keepers = self.keepers.borrow_mut();
        let own = keepers.get_mut(&keeper).expect("whoever keeps a buffer is counted");
        *own -= 1;
        if *own == 0 {
            keepers.remove(&keeper);
        }
    }

    /// The memory that leases are parts of.
    pub(super) fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// Takes every buffer back that the kernel had: it no longer knows any of them.
    pub(crate) fn reclaim(&self) {
        for (buffer, book) in self.books.iter().enumerate() {
            if book.filler.get() == Filler::Kernel {
                book.filler.set(Filler::Nobody);
                self.free_if_idle(buffer as u16);
            }
        }
    }

    /// Buffers that are free, with nobody.
    #[must_use]
    pub fn free(&self) -> usize {
        self.free.borrow().len()
    }

    fn address(&self, buffer: u16, offset: u32) -> *mut u8 {
        self.memory.region.address(buffer as usize * self.size as usize + offset as usize)
    }

    fn free_if_idle(&self, buffer: u16) {
        let book = &self.books[buffer as usize];
        if book.lent.get() == 0 && book.filler.get() == Filler::Nobody {
            self.free.borrow_mut().push(buffer);
        }
    }
}

impl Drop for ReceivePool {
    fn drop(&mut self) {
        if self.lent() == 0 {
            self.id.end();
        }
    }
}

#[cfg(test)]
mod tests;
