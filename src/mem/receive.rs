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
//! 2. A lease is made once per part and released once: it is neither `Clone` nor `Copy`.
//! 3. The region lives as long as the pool and is zeroed at the start, so every byte of it is initialised.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU16, Ordering};
use std::{io, slice};

use super::poison;
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

#[derive(Debug, Default)]
struct Book {
    filled: Cell<u32>,
    lent: Cell<u32>,
    with_filler: Cell<bool>,
}

/// Keeps a buffer out of everybody's reach, also when `read` panics: not with the filler, and counted as lent.
struct Filling<'a>(&'a Book);

impl Filling<'_> {
    fn new(book: &Book) -> Filling<'_> {
        book.with_filler.set(false);
        book.lent.set(book.lent.get() + 1);
        Filling(book)
    }
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        self.0.with_filler.set(true);
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
    pool: u16,
}

impl ReceivePool {
    /// `count` buffers of `size` bytes each. Memory becomes resident as it is first written.
    ///
    /// # Panics
    /// When `count` or `size` is zero or the whole exceeds the address space: `Config` checks both.
    #[must_use]
    pub fn new(count: u16, size: u32) -> ReceivePool {
        static POOLS: AtomicU16 = AtomicU16::new(0);
        assert!(count > 0 && size > 0, "a receive pool has at least one buffer of at least one byte");
        ReceivePool {
            region: Region::new(count as usize * size as usize),
            size,
            books: (0..count).map(|_| Book::default()).collect(),
            free: RefCell::new((0..count).rev().collect()),
            lent: Cell::new(0),
            // Relaxed: only the number matters, it orders nothing.
            pool: POOLS.fetch_add(1, Ordering::Relaxed),
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

    /// Takes a free buffer, to fill it or to have it filled.
    pub fn take_free(&self) -> Option<u16> {
        let buffer = self.free.borrow_mut().pop()?;
        let book = &self.books[buffer as usize];
        debug_assert_eq!(book.lent.get(), 0, "a free buffer is lent to nobody");
        book.filled.set(0);
        book.with_filler.set(true);
        Some(buffer)
    }

    /// True if [`ReceivePool::take_free`] would answer with a buffer.
    #[must_use]
    pub fn has_free(&self) -> bool {
        !self.free.borrow().is_empty()
    }

    /// Gives a taken buffer back that the filler will not use any more.
    pub fn give_back(&self, buffer: u16) {
        let book = &self.books[buffer as usize];
        assert!(book.with_filler.replace(false), "only a buffer that was taken can be given back");
        self.free_if_idle(buffer);
    }

    /// Lends the `len` bytes that the filler has put behind those it put there before. `more`: it goes on filling the
    /// rest of the buffer.
    ///
    /// # Panics
    /// When the buffer is not with the filler, or has no room for that many: the kernel would have written elsewhere.
    pub fn lend(&self, buffer: u16, len: u32, more: bool) -> Lease {
        let book = &self.books[buffer as usize];
        assert!(book.with_filler.get(), "bytes arrived in a buffer that is not with the filler");
        let offset = book.filled.get();
        let filled = offset.checked_add(len).filter(|filled| *filled <= self.size);
        book.filled.set(filled.expect("bytes arrive within their buffer"));
        book.lent.set(book.lent.get() + 1);
        book.with_filler.set(more);
        self.lent.set(self.lent.get() + 1);
        poison::allow(self.address(buffer, offset), len as usize);
        Lease { offset, len, buffer, pool: self.pool }
    }

    /// Fills the free rest of a taken buffer by `read`, and lends what was read; `None` if that was nothing.
    /// The buffer stays with the filler while it has room; ask [`ReceivePool::is_full`].
    pub fn fill(
        &self,
        buffer: u16,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<Option<Lease>> {
        let book = &self.books[buffer as usize];
        assert!(book.with_filler.get(), "only a buffer that was taken can be filled");
        // Neither with the filler nor free while `read` runs, so that no nested call can reach the space.
        let filling = Filling::new(book);
        let filled = book.filled.get();
        let start = self.address(buffer, filled);
        poison::allow(start, (self.size - filled) as usize);
        // SAFETY: the rest of the buffer lies inside the region, is initialised (invariant 3), and nobody else refers to
        // it: leases lie below `filled` (invariant 1), and until `read` has returned the buffer is neither free nor with
        // the filler, so that no other `fill` reaches it.
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

    /// True if a taken buffer has no room left, and so has left the filler.
    #[must_use]
    pub fn is_full(&self, buffer: u16) -> bool {
        !self.books[buffer as usize].with_filler.get()
    }

    /// The bytes of a lease.
    ///
    /// # Panics
    /// When the lease came from another pool.
    #[must_use]
    pub fn bytes<'a>(&'a self, lease: &'a Lease) -> &'a [u8] {
        assert_eq!(lease.pool, self.pool, "a lease is read in the pool that it came from");
        let start = self.address(lease.buffer, lease.offset);
        // SAFETY: a lease of this pool covers written bytes of the region, which stay untouched while it lives
        // (invariant 1), and the borrow of the lease keeps it alive.
        unsafe { slice::from_raw_parts(start, lease.len as usize) }
    }

    /// Ends a lease.
    ///
    /// # Panics
    /// When the lease came from another pool.
    pub fn release(&self, lease: Lease) {
        assert_eq!(lease.pool, self.pool, "a lease is released to the pool that it came from");
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

    /// Takes every buffer back from a filler that has ended: the kernel no longer knows any of them.
    pub fn reclaim(&self) {
        for (buffer, book) in self.books.iter().enumerate() {
            if book.with_filler.replace(false) {
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
        if book.lent.get() == 0 && !book.with_filler.get() {
            self.free.borrow_mut().push(buffer);
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
        pool.reclaim();
        assert_eq!((pool.free(), pool.lent()), (1, 0));
    }

    #[test]
    #[should_panic(expected = "the pool that it came from")]
    fn a_lease_of_another_pool_is_refused() {
        let (one, other) = (ReceivePool::new(1, 8), ReceivePool::new(1, 8));
        let lease = one.lend(one.take_free().unwrap(), 1, false);
        other.release(lease);
    }

    #[test]
    #[should_panic(expected = "within their buffer")]
    fn more_bytes_than_a_buffer_holds_are_refused() {
        let pool = ReceivePool::new(1, 8);
        let buffer = pool.take_free().unwrap();
        let _ = pool.lend(buffer, 9, false);
    }
}
