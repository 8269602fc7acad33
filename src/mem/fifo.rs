//! Queues that own no memory while they are empty, and the pool of chunks that they draw from.
//!
//! Knows: chunks in size classes, first in, first out. Must not know what a message is.
//!
//! Invariants:
//! 1. A chunk belongs to one queue or lies in the pool. Each is an allocation of its own, so a queue's chunks stay valid
//!    whatever becomes of the pool.
//! 2. In a queue, the entries from `(head, read)` to `(tail, written)` are initialised, `len` of them; no others.
//! 3. `head` and `tail` are chunks of this queue, linked by their headers, or both null when `len` is zero.
//! 4. The header of a chunk is initialised from its allocation on, and says its class and, in a queue, how many entries it
//!    holds. Only shared references to headers are ever made.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

/// Bytes per chunk of each class.
const CLASSES: [usize; 5] = [64, 256, 1024, 4096, 16_384];
/// Fewer entries per chunk than this, and the next larger class is used. The first chunk of a queue may hold a single one:
/// most queues never hold more, and a million that do are a million cache lines.
const ENTRIES_MIN: usize = 8;
const ALIGN: usize = 16;

#[repr(C, align(16))]
struct Header {
    /// The next chunk of the queue, or of the pool's free ones.
    next: Cell<*mut Header>,
    entries: Cell<u16>,
    class: u8,
}

/// Chunks for the queues of one core, bounded in bytes.
#[derive(Debug)]
pub struct ChunkPool {
    /// Free chunks by class, the one given last first: it is in the cache.
    free: [Cell<*mut Header>; CLASSES.len()],
    bytes: Cell<usize>,
    bytes_max: usize,
    taken: Cell<usize>,
}

impl ChunkPool {
    /// A pool that will hold at most `bytes_max` bytes in all chunks together. Takes no memory yet.
    #[must_use]
    pub fn new(bytes_max: usize) -> ChunkPool {
        let free = [const { Cell::new(ptr::null_mut()) }; CLASSES.len()];
        ChunkPool { free, bytes: Cell::new(0), bytes_max, taken: Cell::new(0) }
    }

    /// Chunks that queues hold now.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.get()
    }

    fn has_room(&self, class: usize) -> bool {
        !self.free[class].get().is_null() || self.bytes.get() + CLASSES[class] <= self.bytes_max
    }

    #[inline]
    fn take(&self, class: usize) -> Option<NonNull<Header>> {
        let chunk = match NonNull::new(self.free[class].get()) {
            Some(chunk) => {
                // SAFETY: a chunk of the pool (invariant 1) has a header, only ever shared (invariant 4).
                let header = unsafe { chunk.as_ref() };
                self.free[class].set(header.next.replace(ptr::null_mut()));
                chunk
            }
            None => self.grow(class)?,
        };
        self.taken.set(self.taken.get() + 1);
        Some(chunk)
    }

    #[cold]
    fn grow(&self, class: usize) -> Option<NonNull<Header>> {
        let bytes = self.bytes.get() + CLASSES[class];
        if bytes > self.bytes_max {
            return None;
        }
        self.bytes.set(bytes);
        // SAFETY: no class has size zero.
        let chunk = unsafe { alloc(layout(class)) }.cast::<Header>();
        let chunk = NonNull::new(chunk).unwrap_or_else(|| handle_alloc_error(layout(class)));
        let header = Header { next: Cell::new(ptr::null_mut()), entries: Cell::new(0), class: class as u8 };
        // SAFETY: just allocated; every class is larger than a header and aligned for it.
        unsafe { chunk.write(header) };
        Some(chunk)
    }

    /// Takes back a chunk that no queue holds any more.
    #[inline]
    fn give(&self, chunk: NonNull<Header>) {
        // SAFETY: a chunk has a header, only ever shared (invariant 4).
        let header = unsafe { chunk.as_ref() };
        self.taken.set(self.taken.get() - 1);
        header.next.set(self.free[usize::from(header.class)].replace(chunk.as_ptr()));
    }
}

impl Drop for ChunkPool {
    fn drop(&mut self) {
        for (class, free) in self.free.iter().enumerate() {
            let mut free = free.get();
            while let Some(chunk) = NonNull::new(free) {
                // SAFETY: a chunk of the pool has a header (invariant 4), not looked at again below.
                free = unsafe { chunk.as_ref() }.next.get();
                // SAFETY: allocated in `grow` with the layout of its class; in the pool, so in no queue (invariant 1).
                unsafe { dealloc(chunk.as_ptr().cast(), layout(class)) };
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
    /// Of the first chunk, and of those that follow.
    const FIRST: usize = Self::class_for(1);
    const NEXT: usize = {
        assert!(
            Self::entries_in(CLASSES.len() - 1) >= 1,
            "this message exceeds 16 KiB: put its large part into a Box"
        );
        assert!(align_of::<T>() <= ALIGN, "this message is aligned to more than 16 bytes: put it into a Box");
        Self::class_for(ENTRIES_MIN)
    };

    const fn class_for(entries: usize) -> usize {
        let mut class = 0;
        while class + 1 < CLASSES.len() && Self::entries_in(class) < entries {
            class += 1;
        }
        class
    }

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
    #[inline]
    pub fn has_room(&self, pool: &ChunkPool) -> bool {
        self.tail_has_room() || pool.has_room(self.class_of_next())
    }

    /// Appends an entry; hands it back when the pool is exhausted.
    #[inline]
    pub fn push(&self, pool: &ChunkPool, value: T) -> Result<(), T> {
        if !self.tail_has_room() && !self.extend(pool) {
            return Err(value);
        }
        let written = self.written.get();
        let place = Self::entry(self.tail.get(), written);
        // SAFETY: the tail chunk has room, as was just made sure; the place holds no entry (invariant 2).
        unsafe { place.write(value) };
        self.written.set(written + 1);
        self.len.set(self.len.get() + 1);
        Ok(())
    }

    /// Takes the oldest entry.
    #[inline]
    pub fn pop(&self, pool: &ChunkPool) -> Option<T> {
        self.pop_with(pool, |entry| entry)
    }

    /// Takes the oldest entry and passes it to `take`, which may push to this queue and pop from it. Moves the entry once,
    /// from its chunk to where `take` wants it.
    #[inline]
    pub fn pop_with<R>(&self, pool: &ChunkPool, take: impl FnOnce(T) -> R) -> Option<R> {
        let len = self.len.get().checked_sub(1)?;
        let (head, read) = (self.head.get(), self.read.get());
        self.len.set(len);
        self.read.set(read + 1);
        // SAFETY: `len` was not zero, so the head is a chunk (invariant 3); its header is only ever shared (invariant 4).
        if len == 0 || read + 1 == unsafe { &*head }.entries.get() {
            self.drop_head(pool, len == 0);
        }
        // SAFETY: `len` was not zero, so the entry at `(head, read)` was initialised (invariant 2) and has left the queue above.
        // Its chunk may lie in the pool by now, which keeps it, and nobody has written to it since.
        let entry = unsafe { Self::entry(head, read).read() };
        Some(take(entry))
    }

    #[inline]
    fn tail_has_room(&self) -> bool {
        // SAFETY: null, or a chunk of this queue (invariant 3), whose header is only ever shared (invariant 4).
        unsafe { self.tail.get().as_ref() }.is_some_and(|tail| self.written.get() < tail.entries.get())
    }

    #[inline]
    fn class_of_next(&self) -> usize {
        if self.tail.get().is_null() { Self::FIRST } else { Self::NEXT }
    }

    #[inline]
    fn extend(&self, pool: &ChunkPool) -> bool {
        let class = self.class_of_next();
        let Some(chunk) = pool.take(class) else { return false };
        // SAFETY: a chunk has a header, only ever shared (invariant 4).
        unsafe { chunk.as_ref() }.entries.set(Self::entries_in(class) as u16);
        let tail = self.tail.replace(chunk.as_ptr());
        // SAFETY: null, or a chunk of this queue (invariant 3), whose header is only ever shared (invariant 4).
        match unsafe { tail.as_ref() } {
            Some(tail) => tail.next.set(chunk.as_ptr()),
            None => {
                self.head.set(chunk.as_ptr());
                self.read.set(0);
            }
        }
        self.written.set(0);
        true
    }

    #[inline]
    fn drop_head(&self, pool: &ChunkPool, empty: bool) {
        let head = NonNull::new(self.head.get()).expect("a queue with entries has a head");
        // SAFETY: a chunk has a header, only ever shared (invariant 4).
        let next = unsafe { head.as_ref() }.next.get();
        debug_assert_eq!(empty, next.is_null(), "the last chunk goes with the last entry");
        self.head.set(next);
        self.read.set(0);
        if next.is_null() {
            self.tail.set(ptr::null_mut());
        }
        pool.give(head);
    }

    #[inline]
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
        let pool = ChunkPool::new(64 + 256);
        let queue = Fifo::new();
        let fitting = [0, 1].map(|class| Fifo::<u64>::entries_in(class) as u64).iter().sum();
        for entry in 0..fitting {
            queue.push(&pool, entry).unwrap();
        }
        assert_eq!(queue.push(&pool, 99), Err(99));
        assert_eq!(queue.pop(&pool), Some(0));
        assert_eq!(queue.len() as u64, fitting - 1);
        while queue.pop(&pool).is_some() {}
    }

    #[test]
    fn a_few_entries_take_one_small_chunk() {
        let pool = ChunkPool::new(64);
        let queue = Fifo::new();
        for _ in 0..2 {
            queue.push(&pool, [7_u64; 3]).unwrap();
            queue.push(&pool, [8; 3]).unwrap();
            assert!(!queue.has_room(&pool));
            assert_eq!(queue.push(&pool, [9; 3]), Err([9; 3]));
            assert_eq!((queue.pop(&pool), queue.pop(&pool)), (Some([7; 3]), Some([8; 3])));
            assert_eq!(pool.taken(), 0);
        }
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
