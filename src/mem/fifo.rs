//! Queues that own no memory while they are empty, and the pool of chunks that they draw from.
//!
//! Knows: chunks in size classes, first in, first out. Must not know what a message is.
//!
//! Invariants:
//! 1. A chunk belongs to one queue or lies in the pool. Each is an allocation of its own, so a queue's chunks stay valid
//!    whatever becomes of the pool.
//! 2. In a queue, the entries from `(head, read)` to `(tail, written)` are initialised, `len` of them; no others.
//! 3. `head` and `tail` are chunks of this queue's class, linked by their headers, or both null when `len` is zero.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

/// Bytes per chunk of each class.
const CLASSES: [usize; 4] = [256, 1024, 4096, 16_384];
/// Fewer entries per chunk than this, and the next larger class is used.
const ENTRIES_MIN: usize = 4;
const ALIGN: usize = 16;

#[repr(C, align(16))]
struct Header {
    next: Cell<*mut Header>,
}

/// Chunks for the queues of one core, bounded in bytes.
#[derive(Debug)]
pub struct ChunkPool {
    free: [RefCell<Vec<NonNull<u8>>>; CLASSES.len()],
    bytes: Cell<usize>,
    bytes_max: usize,
    taken: Cell<usize>,
}

impl ChunkPool {
    /// A pool that will hold at most `bytes_max` bytes in all chunks together. Takes no memory yet.
    #[must_use]
    pub fn new(bytes_max: usize) -> ChunkPool {
        let free = std::array::from_fn(|_| RefCell::new(Vec::new()));
        ChunkPool { free, bytes: Cell::new(0), bytes_max, taken: Cell::new(0) }
    }

    /// Chunks that queues hold now.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.get()
    }

    fn has_room(&self, class: usize) -> bool {
        !self.free[class].borrow().is_empty() || self.bytes.get() + CLASSES[class] <= self.bytes_max
    }

    fn take(&self, class: usize) -> Option<NonNull<u8>> {
        let chunk = match self.free[class].borrow_mut().pop() {
            Some(chunk) => chunk,
            None => self.grow(class)?,
        };
        self.taken.set(self.taken.get() + 1);
        Some(chunk)
    }

    #[cold]
    fn grow(&self, class: usize) -> Option<NonNull<u8>> {
        let bytes = self.bytes.get() + CLASSES[class];
        if bytes > self.bytes_max {
            return None;
        }
        self.bytes.set(bytes);
        // SAFETY: no class has size zero.
        let chunk = unsafe { alloc(layout(class)) };
        Some(NonNull::new(chunk).unwrap_or_else(|| handle_alloc_error(layout(class))))
    }

    fn give(&self, class: usize, chunk: NonNull<u8>) {
        self.taken.set(self.taken.get() - 1);
        self.free[class].borrow_mut().push(chunk);
    }
}

impl Drop for ChunkPool {
    fn drop(&mut self) {
        for (class, free) in self.free.iter_mut().enumerate() {
            for chunk in free.get_mut().drain(..) {
                // SAFETY: allocated in `grow` with the layout of its class; in the pool, so in no queue (invariant 1).
                unsafe { dealloc(chunk.as_ptr(), layout(class)) };
            }
        }
    }
}

fn layout(class: usize) -> Layout {
    Layout::from_size_align(CLASSES[class], ALIGN).expect("a constant layout")
}

/// First in, first out. Draws its chunks from a [`ChunkPool`], always the same one, and owns none while empty.
pub struct Fifo<T> {
    head: Cell<*mut Header>,
    tail: Cell<*mut Header>,
    read: Cell<u16>,
    written: Cell<u16>,
    len: Cell<u32>,
    entries: PhantomData<T>,
}

impl<T> Fifo<T> {
    const CLASS: usize = {
        let mut class = 0;
        while class + 1 < CLASSES.len() && Self::entries_in(class) < ENTRIES_MIN {
            class += 1;
        }
        assert!(Self::entries_in(class) >= 1, "this message exceeds 16 KiB: put its large part into a Box");
        assert!(align_of::<T>() <= ALIGN, "this message is aligned to more than 16 bytes: put it into a Box");
        class
    };
    const ENTRIES: u16 = Self::entries_in(Self::CLASS) as u16;

    const fn entries_in(class: usize) -> usize {
        let size = if size_of::<T>() == 0 { 1 } else { size_of::<T>() };
        (CLASSES[class] - size_of::<Header>()) / size
    }

    /// An empty queue.
    #[must_use]
    pub const fn new() -> Fifo<T> {
        Fifo {
            head: Cell::new(ptr::null_mut()),
            tail: Cell::new(ptr::null_mut()),
            read: Cell::new(0),
            written: Cell::new(0),
            len: Cell::new(0),
            entries: PhantomData,
        }
    }

    /// Entries in the queue.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len.get() as usize
    }

    /// True if there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len.get() == 0
    }

    /// True if [`Fifo::push`] would succeed now.
    #[must_use]
    pub fn has_room(&self, pool: &ChunkPool) -> bool {
        let tail_has_room = !self.tail.get().is_null() && self.written.get() < Self::ENTRIES;
        tail_has_room || pool.has_room(Self::CLASS)
    }

    /// Appends an entry; hands it back when the pool is exhausted.
    pub fn push(&self, pool: &ChunkPool, value: T) -> Result<(), T> {
        if (self.tail.get().is_null() || self.written.get() == Self::ENTRIES) && !self.extend(pool) {
            return Err(value);
        }
        let written = self.written.get();
        let place = Self::entry(self.tail.get(), written);
        // SAFETY: the tail chunk has room: `written < ENTRIES` after `extend`; the place holds no entry (invariant 2).
        unsafe { place.write(value) };
        self.written.set(written + 1);
        self.len.set(self.len.get() + 1);
        Ok(())
    }

    /// Takes the oldest entry.
    pub fn pop(&self, pool: &ChunkPool) -> Option<T> {
        let len = self.len.get().checked_sub(1)?;
        let (head, read) = (self.head.get(), self.read.get());
        // SAFETY: `len` was not zero, so the entry at `(head, read)` is initialised (invariant 2); it leaves the queue below.
        let value = unsafe { Self::entry(head, read).read() };
        self.len.set(len);
        self.read.set(read + 1);
        if len == 0 || read + 1 == Self::ENTRIES {
            self.drop_head(pool, len == 0);
        }
        Some(value)
    }

    fn extend(&self, pool: &ChunkPool) -> bool {
        let Some(chunk) = pool.take(Self::CLASS) else { return false };
        let header = chunk.as_ptr().cast::<Header>();
        // SAFETY: a chunk is larger than a header and aligned for it.
        unsafe { header.write(Header { next: Cell::new(ptr::null_mut()) }) };
        let tail = self.tail.replace(header);
        if tail.is_null() {
            self.head.set(header);
            self.read.set(0);
        } else {
            // SAFETY: a chunk of this queue (invariant 3); only shared references to its header are ever made.
            unsafe { &*tail }.next.set(header);
        }
        self.written.set(0);
        true
    }

    fn drop_head(&self, pool: &ChunkPool, empty: bool) {
        let head = self.head.get();
        // SAFETY: a chunk of this queue (invariant 3); only shared references to its header are ever made.
        let next = unsafe { &*head }.next.get();
        debug_assert_eq!(empty, next.is_null(), "the last chunk goes with the last entry");
        self.head.set(next);
        self.read.set(0);
        if next.is_null() {
            self.tail.set(ptr::null_mut());
        }
        pool.give(Self::CLASS, NonNull::new(head.cast()).expect("a queue with entries has a head"));
    }

    fn entry(chunk: *mut Header, index: u16) -> *mut T {
        let start = chunk.wrapping_add(1).cast::<T>();
        start.wrapping_add(index as usize)
    }
}

impl<T> Default for Fifo<T> {
    fn default() -> Fifo<T> {
        Fifo::new()
    }
}

impl<T> std::fmt::Debug for Fifo<T> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Fifo").field("len", &self.len.get()).finish_non_exhaustive()
    }
}

impl<T> Drop for Fifo<T> {
    /// Drops what is left. Empty the queue by [`Fifo::pop`] first, or its chunks do not go back to the pool.
    fn drop(&mut self) {
        if self.is_empty() {
            return;
        }
        // A pool of its own takes the chunks in and frees them; the queue's real pool goes on counting them as taken.
        let heir = ChunkPool::new(0);
        heir.taken.set(usize::MAX / 2);
        while let Some(value) = self.pop(&heir) {
            drop(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::rc::Rc;

    #[test]
    fn random_operations_agree_with_a_deque() {
        let pool = ChunkPool::new(1 << 20);
        let queue = Fifo::new();
        let mut twin = VecDeque::new();
        let mut state = 3_u64;
        for step in 0..if cfg!(miri) { 500 } else { 20_000_u64 } {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let bias = if (step / 500) % 2 == 0 { 6 } else { 3 };
            if (state >> 40) % 9 < bias {
                queue.push(&pool, Rc::new(step)).unwrap();
                twin.push_back(step);
            } else {
                assert_eq!(queue.pop(&pool).map(|value| *value), twin.pop_front());
            }
            assert_eq!(queue.len(), twin.len());
        }
        while queue.pop(&pool).is_some() {}
        assert_eq!(pool.taken(), 0, "an empty queue owns no chunk");
    }

    #[test]
    fn an_exhausted_pool_hands_the_entry_back() {
        let pool = ChunkPool::new(256);
        let queue = Fifo::new();
        let fitting = Fifo::<u64>::ENTRIES as u64;
        for entry in 0..fitting {
            queue.push(&pool, entry).unwrap();
        }
        assert_eq!(queue.push(&pool, 99), Err(99));
        assert_eq!(queue.pop(&pool), Some(0));
        assert_eq!(queue.len() as u64, fitting - 1);
        while queue.pop(&pool).is_some() {}
    }

    #[test]
    fn a_dropped_queue_drops_its_entries_once() {
        let pool = ChunkPool::new(1 << 16);
        let value = Rc::new(());
        let queue = Fifo::new();
        for _ in 0..100 {
            queue.push(&pool, value.clone()).unwrap();
        }
        drop(queue.pop(&pool));
        drop(pool);
        drop(queue);
        assert_eq!(Rc::strong_count(&value), 1);
    }

    #[test]
    fn entries_of_every_size_find_a_class() {
        let pool = ChunkPool::new(1 << 20);
        let small: Fifo<()> = Fifo::new();
        let large: Fifo<[u8; 9000]> = Fifo::new();
        for _ in 0..1000 {
            small.push(&pool, ()).unwrap();
        }
        large.push(&pool, [7; 9000]).unwrap();
        assert_eq!(large.pop(&pool).unwrap()[8999], 7);
        assert_eq!((0..1000).filter(|_| small.pop(&pool).is_some()).count(), 1000);
        assert_eq!(pool.taken(), 0);
    }
}
