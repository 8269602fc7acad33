//! Buffers that received bytes arrive in.
//!
//! Knows: buffers of one size, how far each is filled, how many parts of it are lent. Must not know who fills them.
//!
//! A buffer goes round: free → with the filler (the kernel, or a backend that reads by itself) → parts of it lent →
//! free again, once the filler is done with it and every part has been released.
//!
//! Invariants:
//! 1. The bytes of a lease were written before it was made, lie below `filled`, and are not written while it lives:
//!    the filler only writes above `filled`, and `filled` goes back to zero only when nothing is lent.
//! 2. A lease is made once per part and released once: it is neither `Clone` nor `Copy`. It carries the number of its pool,
//!    which no other pool has while a lease of this one is left.
//! 3. The region lives as long as the pool and is zeroed at the start, so every byte of it is initialised.
//! 4. A buffer that the kernel fills is neither filled nor given back by anybody else: only the crate's own backend lends
//!    its bytes and takes it back.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::{io, slice};

use super::poison;
use super::pool_id::PoolId;
use super::region::Region;

/// Part of a receive buffer, lent until it is released to its pool.
#[derive(Debug)]
#[must_use = "a lease that is not released takes its buffer out of circulation"]
pub struct Lease {
    offset: u32,
    len: u32,
    buffer: u16,
    pool: u16,
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
    filler: Cell<Filler>,
}

/// Keeps a buffer out of everybody's reach, also when `read` panics: not with the filler, and counted as lent.
struct Filling<'a>(&'a Book);

impl Filling<'_> {
    fn new(book: &Book) -> Filling<'_> {
        book.filler.set(Filler::Nobody);
        book.lent.set(book.lent.get() + 1);
        Filling(book)
    }
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        self.0.filler.set(Filler::Taker);
        self.0.lent.set(self.0.lent.get() - 1);
    }
}

/// A pool of receive buffers of one size.
#[derive(Debug)]
pub struct ReceivePool {
    region: Region,
    size: u32,
    books: Box<[Book]>,
    free: RefCell<Vec<u16>>,
    lent: Cell<usize>,
    /// Told apart so that a lease is released to the pool that it came from.
    id: PoolId,
}

impl ReceivePool {
    /// `count` buffers of `size` bytes each. Memory becomes resident as it is first written.
    ///
    /// # Panics
    /// When `count` or `size` is zero or the whole exceeds the address space: `Config` checks both.
    #[must_use]
    pub fn new(count: u16, size: u32) -> ReceivePool {
        assert!(count > 0 && size > 0, "a receive pool has at least one buffer of at least one byte");
        ReceivePool {
            region: Region::resident(count as usize * size as usize),
            size,
            books: (0..count).map(|_| Book::default()).collect(),
            free: RefCell::new((0..count).rev().collect()),
            lent: Cell::new(0),
            id: PoolId::new(),
        }
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
        self.region.address(buffer as usize * self.size as usize)
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

    fn lend(&self, buffer: u16, len: u32, more: bool) -> Lease {
        let book = &self.books[buffer as usize];
        let offset = book.filled.get();
        let filled = offset.checked_add(len).filter(|filled| *filled <= self.size);
        book.filled.set(filled.expect("bytes arrive within their buffer"));
        book.lent.set(book.lent.get() + 1);
        if !more {
            book.filler.set(Filler::Nobody);
        }
        self.lent.set(self.lent.get() + 1);
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
        let filling = Filling::new(book);
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
        poison::forbid(self.address(lease.buffer, lease.offset), lease.len as usize);
        let book = &self.books[lease.buffer as usize];
        book.lent.set(book.lent.get() - 1);
        self.lent.set(self.lent.get() - 1);
        self.free_if_idle(lease.buffer);
    }

    /// Leases that have not been released.
    #[must_use]
    pub fn lent(&self) -> usize {
        self.lent.get()
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
        self.region.address(buffer as usize * self.size as usize + offset as usize)
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
mod tests {
    use super::*;

    fn put(pool: &ReceivePool, buffer: u16, text: &[u8]) -> Lease {
        pool.fill(buffer, |space| {
            space[..text.len()].copy_from_slice(text);
            Ok(text.len())
        })
        .unwrap()
        .unwrap()
    }

    #[test]
    fn a_buffer_is_lent_in_parts_and_comes_back_when_all_are_released() {
        let pool = ReceivePool::new(1, 8);
        let buffer = pool.take_free().unwrap();
        let first = put(&pool, buffer, b"abc");
        let second = put(&pool, buffer, b"defgh");
        assert!(pool.is_full(buffer));
        assert_eq!(pool.bytes(&first), b"abc");
        assert_eq!(pool.bytes(&second), b"defgh");
        pool.release(first);
        assert!(!pool.has_free());
        pool.release(second);
        assert_eq!(pool.take_free(), Some(buffer));
        assert_eq!(pool.lent(), 0);
    }

    #[test]
    fn a_buffer_with_room_stays_with_its_filler() {
        let pool = ReceivePool::new(1, 8);
        let buffer = pool.take_free().unwrap();
        let lease = put(&pool, buffer, b"abc");
        pool.release(lease);
        assert!(!pool.has_free());
        assert!(pool.fill(buffer, |_| Ok(0)).unwrap().is_none());
        pool.give_back(buffer);
        assert!(pool.has_free());
    }

    #[test]
    fn a_buffer_that_is_being_filled_cannot_be_taken() {
        let pool = ReceivePool::new(1, 8);
        let buffer = pool.take_free().unwrap();
        let first = put(&pool, buffer, b"abc");
        let second = pool.fill(buffer, |space| {
            pool.release(first);
            assert_eq!(pool.take_free(), None);
            space[0] = b'd';
            Ok(1)
        });
        pool.release(second.unwrap().unwrap());
        assert_eq!((pool.free(), pool.lent()), (0, 0));
        pool.give_back(buffer);
        assert_eq!(pool.free(), 1);
    }

    #[test]
    fn a_failed_read_lends_nothing() {
        let pool = ReceivePool::new(1, 8);
        let buffer = pool.take_free().unwrap();
        let error = pool.fill(buffer, |_| Err(io::ErrorKind::WouldBlock.into())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        pool.give_back(buffer);
        assert_eq!((pool.free(), pool.lent()), (1, 0));
    }

    #[test]
    #[should_panic(expected = "the pool that it came from")]
    fn a_lease_of_another_pool_is_refused() {
        let (one, other) = (ReceivePool::new(1, 8), ReceivePool::new(1, 8));
        let lease = one.lend_from_kernel(one.take_for_kernel().unwrap(), 1, false);
        other.release(lease);
    }

    #[test]
    #[should_panic(expected = "the pool that it came from")]
    fn a_lease_that_outlives_its_pool_is_refused_by_every_later_one() {
        let first = ReceivePool::new(1, 64);
        let lease = first.lend_from_kernel(first.take_for_kernel().unwrap(), 64, false);
        drop(first);
        for _ in 0..if cfg!(miri) { 10 } else { u16::MAX } {
            drop(ReceivePool::new(1, 1));
        }
        let _ = ReceivePool::new(1, 1).bytes(&lease);
    }

    #[test]
    fn a_buffer_that_the_kernel_fills_is_out_of_reach() {
        let refused = |act: &dyn Fn()| {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).expect_err("the kernel has it");
        };
        let pool = ReceivePool::new(1, 8);
        let buffer = pool.take_for_kernel().unwrap();
        refused(&|| drop(pool.fill(buffer, |space| Ok(space.len()))));
        refused(&|| pool.give_back(buffer));
        let lease = pool.lend_from_kernel(buffer, 3, true);
        refused(&|| drop(pool.fill(buffer, |space| Ok(space.len()))));
        pool.release(lease);
        assert!(!pool.has_free(), "it is still with the kernel");
        pool.reclaim();
        assert!(pool.has_free());
    }

    #[test]
    #[should_panic(expected = "within their buffer")]
    fn more_bytes_than_a_buffer_holds_are_refused() {
        let pool = ReceivePool::new(1, 8);
        let buffer = pool.take_for_kernel().unwrap();
        let _ = pool.lend_from_kernel(buffer, 9, false);
    }
}
