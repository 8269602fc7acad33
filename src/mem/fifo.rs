//! Queues that own no memory while they are empty, and the pool of chunks that they draw from.
//!
//! Knows: chunks in size classes, first in, first out. Must not know what a message is.
//!
//! Invariants:
//! 1. A chunk belongs to one queue or lies in the pool. Each is an allocation of its own, so a queue's chunks stay valid
//!    whatever becomes of the pool.
//! 2. Chunks are filled from their end to their beginning: the next entry to be read is the one below `left` in the head, the
//!    next to be written the one below `room` in the tail. What lies in between, and in chunks in between, is initialised,
//!    `len` entries; nothing else is.
//! 3. Unless `len` is zero, `head` and `tail` are chunks of this queue, linked by their headers. They are not looked at while
//!    it is zero: then the queue has no chunk.
//! 4. The header of a chunk is initialised from its allocation on, and says its class, which tells how many entries it holds in
//!    a queue. Only shared references to headers are ever made.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

/// Bytes per chunk of each class.
const CLASSES: [usize; Class::ALL.len()] = [64, 128, 256, 1024, 4096, 16_384];
/// Fewer entries per chunk than this, and the next larger class is used.
const ENTRIES_MIN: usize = 8;
/// The same of the first chunk of a queue, if a chunk of at most [`FIRST_BYTES`] holds as many: where many send to many, three or four
/// entries wait now and then, and a second chunk for them costs as much as the message. If not, the first chunk holds what the smallest
/// can: most queues never hold more than one entry.
const FIRST_ENTRIES_MIN: usize = 3;
const FIRST_BYTES: usize = 128;
/// Chunks that follow are not smaller.
const NEXT_BYTES: usize = 256;
const ALIGN: usize = 16;

/// The place of a class among all. No number, so that nobody need look whether there is such a place.
#[derive(Debug, Clone, Copy)]
enum Class {
    First,
    Second,
    Third,
    Fourth,
    Fifth,
    Sixth,
}

impl Class {
    const ALL: [Class; 6] =
        [Class::First, Class::Second, Class::Third, Class::Fourth, Class::Fifth, Class::Sixth];
}

#[repr(C, align(16))]
struct Header {
    /// The next chunk of the queue, but for its last; or of the pool's free ones.
    next: Cell<*mut Header>,
    class: Class,
}

/// Chunks for the queues of one core, bounded in bytes.
#[derive(Debug)]
pub struct ChunkPool {
    /// Free chunks by class, the one given last first: it is in the cache.
    free: [Cell<*mut Header>; CLASSES.len()],
    bytes: Cell<usize>,
    bytes_max: usize,
    /// Chunks that there are, free or not.
    made: Cell<usize>,
}

impl ChunkPool {
    /// A pool that will hold at most `bytes_max` bytes in all chunks together. Takes no memory yet.
    #[must_use]
    pub fn new(bytes_max: usize) -> ChunkPool {
        let free = [const { Cell::new(ptr::null_mut()) }; CLASSES.len()];
        ChunkPool { free, bytes: Cell::new(0), bytes_max, made: Cell::new(0) }
    }

    /// Chunks that queues hold now. **Costs** a walk over those that are free: taking and giving one does not count it.
    #[must_use]
    pub fn taken(&self) -> usize {
        let mut free = 0;
        for first in &self.free {
            let mut chunk = first.get();
            // SAFETY: null, or a chunk of the pool (invariant 1), which has a header, only ever shared (invariant 4).
            while let Some(header) = unsafe { chunk.as_ref() } {
                chunk = header.next.get();
                free += 1;
            }
        }
        self.made.get().wrapping_sub(free)
    }

    #[inline(always)]
    fn has_room(&self, class: usize) -> bool {
        !self.free[class].get().is_null() || self.may_grow(class)
    }

    #[cold]
    fn may_grow(&self, class: usize) -> bool {
        self.bytes.get() + CLASSES[class] <= self.bytes_max
    }

    #[inline(always)]
    fn take(&self, class: usize) -> Option<NonNull<Header>> {
        let Some(chunk) = NonNull::new(self.free[class].get()) else { return self.grow(class) };
        // SAFETY: a chunk of the pool (invariant 1) has a header, only ever shared (invariant 4).
        self.free[class].set(unsafe { chunk.as_ref() }.next.get());
        Some(chunk)
    }

    #[cold]
    fn grow(&self, class: usize) -> Option<NonNull<Header>> {
        self.may_grow(class).then(|| self.make(class))
    }

    #[cold]
    fn make(&self, class: usize) -> NonNull<Header> {
        self.bytes.set(self.bytes.get() + CLASSES[class]);
        self.made.set(self.made.get() + 1);
        // SAFETY: no class has size zero.
        let chunk = unsafe { alloc(layout(class)) }.cast::<Header>();
        let chunk = NonNull::new(chunk).unwrap_or_else(|| handle_alloc_error(layout(class)));
        let header = Header { next: Cell::new(ptr::null_mut()), class: Class::ALL[class] };
        // SAFETY: just allocated; every class is larger than a header and aligned for it.
        unsafe { chunk.write(header) };
        chunk
    }

    /// Takes back a chunk that no queue holds any more; `header` is its own.
    #[inline(always)]
    fn give(&self, chunk: *mut Header, header: &Header) {
        header.next.set(self.free[header.class as usize].replace(chunk));
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
    /// Entries of the head that have not been read. Widened by hand where it is used: a load that takes in its neighbour as well
    /// would wait for two stores.
    left: Cell<u16>,
    /// Entries of the tail that have not been written.
    room: Cell<u16>,
    len: Cell<u32>,
    entries: PhantomData<T>,
}

impl<T> Fifo<T> {
    /// Of the first chunk, and of those that follow.
    const FIRST: usize = {
        let roomy = Self::class_for(FIRST_ENTRIES_MIN, 0);
        if CLASSES[roomy] <= FIRST_BYTES { roomy } else { Self::class_for(1, 0) }
    };
    const NEXT: usize = {
        assert!(
            Self::entries_in(CLASSES.len() - 1) >= 1,
            "this message exceeds 16 KiB: put its large part into a Box"
        );
        assert!(align_of::<T>() <= ALIGN, "this message is aligned to more than 16 bytes: put it into a Box");
        Self::class_for(ENTRIES_MIN, NEXT_BYTES)
    };
    /// How many entries these chunks hold: one or more.
    const FIRST_ENTRIES: u16 = Self::entries_in(Self::FIRST) as u16;
    const NEXT_ENTRIES: u16 = Self::entries_in(Self::NEXT) as u16;

    /// The smallest class of so many bytes that holds so many entries; the largest if none does.
    const fn class_for(entries: usize, bytes: usize) -> usize {
        let mut class = 0;
        while class + 1 < CLASSES.len() && (CLASSES[class] < bytes || Self::entries_in(class) < entries) {
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
            left: Cell::new(0),
            room: Cell::new(0),
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

    /// True if [`Fifo::push`] would succeed now, and the queue has fewer than `max` entries, or none.
    #[must_use]
    #[inline(always)]
    pub fn has_room(&self, pool: &ChunkPool, max: usize) -> bool {
        match self.len() {
            0 => pool.has_room(Self::FIRST),
            len => len < max && (self.room.get() > 0 || pool.has_room(Self::NEXT)),
        }
    }

    /// Appends an entry; hands it back when the pool is exhausted.
    #[inline(always)]
    pub fn push(&self, pool: &ChunkPool, value: T) -> Result<(), T> {
        if self.is_empty() { self.push_first(pool, value) } else { self.push_behind(pool, value) }
    }

    /// Appends an entry to a queue that has none, also if the pool is exhausted: then that has one chunk more than it was to have. For a
    /// queue whose entry is taken before anything else happens.
    pub fn push_beyond(&self, pool: &ChunkPool, value: T) {
        let chunk = if pool.has_room(Self::FIRST) { None } else { Some(pool.make(Self::FIRST)) };
        if let Some(chunk) = chunk {
            // SAFETY: just made, with a header (invariant 4).
            pool.give(chunk.as_ptr(), unsafe { chunk.as_ref() });
        }
        assert!(self.is_empty() && self.push_first(pool, value).is_ok(), "there is a chunk");
    }

    /// Most queues hold one entry at a time.
    #[inline(always)]
    fn push_first(&self, pool: &ChunkPool, value: T) -> Result<(), T> {
        // Nothing here unwinds, so nothing need be dropped: the value need not lie in memory for that.
        let value = ManuallyDrop::new(value);
        let Some(chunk) = pool.take(Self::FIRST) else { return Err(ManuallyDrop::into_inner(value)) };
        self.head.set(chunk.as_ptr());
        self.tail.set(chunk.as_ptr());
        self.left.set(Self::FIRST_ENTRIES);
        self.room.set(Self::FIRST_ENTRIES - 1);
        self.len.set(1);
        let place = Self::entry(chunk.as_ptr(), u32::from(Self::FIRST_ENTRIES) - 1);
        // SAFETY: the last place of a chunk that this queue took just now (invariant 2).
        unsafe { place.write(ManuallyDrop::into_inner(value)) };
        Ok(())
    }

    #[inline(always)]
    fn push_behind(&self, pool: &ChunkPool, value: T) -> Result<(), T> {
        // As above.
        let value = ManuallyDrop::new(value);
        if self.room.get() == 0 && !self.extend(pool) {
            return Err(ManuallyDrop::into_inner(value));
        }
        let room = u32::from(self.room.get()) - 1;
        // SAFETY: the tail chunk had room, as was just made sure; the place below it holds no entry (invariant 2).
        unsafe { Self::entry(self.tail.get(), room).write(ManuallyDrop::into_inner(value)) };
        self.room.set(room as u16);
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
    #[inline(always)]
    pub fn pop_with<R>(&self, pool: &ChunkPool, take: impl FnOnce(T) -> R) -> Option<R> {
        let len = self.len.get().checked_sub(1)?;
        let (head, left) = (self.head.get(), u32::from(self.left.get()) - 1);
        self.len.set(len);
        self.left.set(left as u16);
        // SAFETY: `len` was not zero, so the head is a chunk (invariant 3); its header is only ever shared (invariant 4).
        let header = unsafe { &*head };
        if len == 0 {
            pool.give(head, header);
        } else if left == 0 {
            self.head.set(header.next.get());
            self.left.set(Self::NEXT_ENTRIES);
            pool.give(head, header);
        }
        // SAFETY: `len` was not zero, so the entry below `left` was initialised (invariant 2), and has left the queue above.
        // Its chunk may lie in the pool by now, which keeps it, and nobody has written to it since.
        let entry = unsafe { Self::entry(head, left).read() };
        Some(take(entry))
    }

    /// Takes one more chunk for a queue with entries.
    #[inline(never)]
    fn extend(&self, pool: &ChunkPool) -> bool {
        let Some(chunk) = pool.take(Self::NEXT) else { return false };
        // SAFETY: a chunk of this queue, which is not empty (invariant 3), whose header is only ever shared (invariant 4).
        let tail = unsafe { &*self.tail.replace(chunk.as_ptr()) };
        tail.next.set(chunk.as_ptr());
        self.room.set(Self::NEXT_ENTRIES);
        true
    }

    #[inline(always)]
    fn entry(chunk: *mut Header, index: u32) -> *mut T {
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
        let classes = [Fifo::<u64>::FIRST, Fifo::<u64>::NEXT];
        let fitting = classes.map(|class| Fifo::<u64>::entries_in(class) as u64).iter().sum();
        for entry in 0..fitting {
            queue.push(&pool, entry).unwrap();
        }
        assert_eq!(queue.push(&pool, 99), Err(99));
        assert_eq!(queue.pop(&pool), Some(0));
        assert_eq!(queue.len() as u64, fitting - 1);
        while queue.pop(&pool).is_some() {}
    }

    #[test]
    fn an_exhausted_pool_has_one_chunk_more_for_what_goes_on_at_once() {
        let pool = ChunkPool::new(64);
        let (first, queue) = (Fifo::new(), Fifo::new());
        first.push(&pool, 1_u64).unwrap();
        assert_eq!(queue.push(&pool, 2), Err(2));
        for value in 2..5 {
            queue.push_beyond(&pool, value);
            assert_eq!((queue.pop(&pool), pool.taken()), (Some(value), 1));
            assert_eq!(pool.made.get(), 2, "the pool keeps it");
        }
        assert_eq!(first.pop(&pool), Some(1));
    }

    #[test]
    fn a_few_entries_take_one_small_chunk() {
        fn check<T: Copy + PartialEq + std::fmt::Debug>(bytes: usize, entries: &[T]) {
            let pool = ChunkPool::new(bytes);
            let queue = Fifo::new();
            for _ in 0..2 {
                for entry in entries {
                    queue.push(&pool, *entry).unwrap();
                }
                assert!(!queue.has_room(&pool, usize::MAX));
                assert_eq!(queue.push(&pool, entries[0]), Err(entries[0]));
                for entry in entries {
                    assert_eq!(queue.pop(&pool), Some(*entry));
                }
                assert_eq!(pool.taken(), 0);
            }
        }
        check(64, &[1_u64, 2, 3, 4, 5, 6]);
        check(128, &[[1_u64; 3], [2; 3], [3; 3], [4; 3]]);
        // Three of them would take a larger one.
        check(64, &[[1_u64; 6]]);
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
