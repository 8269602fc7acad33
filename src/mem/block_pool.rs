//! Memory in equal blocks: taken on one thread, used and given back on any.
//!
//! Knows: which blocks are out, and whom to call when none is. Must not know what they are for, nor who else was told of the memory.
//!
//! A block is exclusive, and can be written; bytes that never change any more are made of it by [`RegionBuf::freeze`]. The pool is
//! kept by each block, so whoever has a block has its memory, whatever has become of everything else.
//!
//! Invariants:
//! 1. A block is free, or belongs to one [`RegionBuf`], through which alone its bytes are read and written. It cannot be cloned.
//! 2. The region lives as long as the pool, and is zeroed at the start: every byte of a block is initialised.
//! 3. Blocks do not overlap, and lie within the region.
#![allow(unsafe_code)]

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use super::region::Region;
use super::{Bytes, poison};
use crate::sys::Room;

/// Where a block begins: those who write to two of them at a time do not disturb one another.
const ALIGNMENT: usize = 64;

/// Memory cut into blocks.
#[derive(Debug)]
pub struct BlockPool {
    region: Region,
    blocks: u16,
    block_len: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Those that nobody has. The last is the next to be taken: it has been used most recently.
    free: Vec<u16>,
    /// No block is taken any more.
    closed: bool,
    /// Whom to call when all blocks are back.
    waits: Option<Waker>,
}

// SAFETY: an allocation is freed by any thread as well as by the one that made it, and the rest can be sent anyway.
unsafe impl Send for BlockPool {}
// SAFETY: the bytes of the region are reached through blocks alone, each by whoever has it (invariant 1), and a block goes from one
// owner to the next through the lock. The rest can be shared anyway.
unsafe impl Sync for BlockPool {}

impl BlockPool {
    /// So many bytes has a pool of such blocks, unless that is more than can be counted.
    #[must_use]
    pub fn bytes_of(blocks: u16, block_len: usize) -> Option<usize> {
        block_len.checked_next_multiple_of(ALIGNMENT)?.checked_mul(blocks.into())
    }

    /// A pool of so many blocks, each of so many bytes. None if the machine has not so much memory.
    ///
    /// # Panics
    /// When that are no bytes, or more than can be counted.
    #[must_use]
    pub fn new(blocks: u16, block_len: usize) -> Option<Arc<BlockPool>> {
        let bytes = BlockPool::bytes_of(blocks, block_len).expect("the caller has counted");
        let free = (0..blocks).rev().collect();
        let state = Mutex::new(State { free, closed: false, waits: None });
        Some(Arc::new(BlockPool { region: Region::try_new(bytes)?, blocks, block_len, state }))
    }

    /// Takes a block that nobody has, without bytes in it. None if there is none, or the pool is closed.
    #[must_use]
    pub fn take(self: &Arc<BlockPool>) -> Option<RegionBuf> {
        let mut state = self.state();
        let index = if state.closed { None } else { state.free.pop() }?;
        drop(state);
        let buffer = RegionBuf { pool: Arc::clone(self), index, len: 0 };
        poison::allow(buffer.start(), self.block_len);
        Some(buffer)
    }

    /// From now on no block is taken.
    pub fn close(&self) {
        self.state().closed = true;
    }

    /// True if no block is taken any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// True if nobody has a block: nobody refers to the memory then, and if the pool is closed, nobody ever will.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.state().free.len() == usize::from(self.blocks)
    }

    /// Has `waker` woken when the last block that is out comes back, on the thread where that happens. If none is out, that is none
    /// of those to come: to be looked at afterwards.
    pub fn call_when_whole(&self, waker: Waker) {
        let before = self.state().waits.replace(waker);
        // Dropped where nothing is locked.
        drop(before);
    }

    /// Blocks that nobody has.
    #[must_use]
    pub fn free(&self) -> usize {
        self.state().free.len()
    }

    /// Blocks in all.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.blocks.into()
    }

    /// Bytes of each block.
    #[must_use]
    pub fn block_len(&self) -> usize {
        self.block_len
    }

    /// Where the memory is: to tell it to somebody, or to recognise what lies in it.
    #[must_use]
    pub fn memory(&self) -> *mut [u8] {
        std::ptr::slice_from_raw_parts_mut(self.region.address(0), self.bytes())
    }

    /// Bytes of all blocks together, with what lies between them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        BlockPool::bytes_of(self.blocks, self.block_len).expect("counted when it was made")
    }

    fn give(&self, index: u16) -> Option<Waker> {
        let mut state = self.state();
        state.free.push(index);
        if state.free.len() == usize::from(self.blocks) { state.waits.take() } else { None }
    }

    // A panic while the lock is held could only come from the allocator, before anything has changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A block of a [`Region`](crate::fs::Region): memory of its owner alone, which goes back to its region when it is dropped, on any
/// thread.
///
/// It holds bytes, none at first, and has room for more behind them up to its [capacity](RegionBuf::capacity), as a vector; but it never
/// grows. It is a `[u8]` in every respect, and is written to by [`set_len`](RegionBuf::set_len) and as a slice, or as an
/// [`io::Write`]. What the block was used for before may be found in it.
///
/// **Costs**: taking and dropping one are a lock each that nobody waits for, unless both happen at one time.
///
/// ```
/// use std::io::Write;
///
/// use odeon::fs::Region;
/// use odeon::prelude::*;
///
/// # let system = System::builder().cores(Cores::Count(1)).build()?;
/// # let blocks = system.spawn_task(0, || async {
/// let region = Region::new(2, 8).await?;
/// let mut block = region.take().expect("nobody has one yet");
/// assert_eq!((block.len(), block.capacity()), (0, 8));
/// block.write_all(b"hello")?;
/// block[0] = b'J';
/// assert_eq!(*block, *b"Jello");
/// let bytes: Bytes = block.freeze();
/// assert_eq!((region.free(), bytes.slice(1..).unwrap()), (1, Bytes::from("ello")));
/// drop(bytes);
/// assert_eq!(region.free(), 2);
/// # std::io::Result::Ok(())
/// # })?;
/// # blocks.wait().unwrap()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RegionBuf {
    pool: Arc<BlockPool>,
    index: u16,
    len: usize,
}

impl RegionBuf {
    /// Bytes that the block can hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.pool.block_len
    }

    /// Says how many bytes of the block there are. Those that are new are what was there before.
    ///
    /// # Panics
    /// When that is more than its capacity.
    pub fn set_len(&mut self, len: usize) {
        assert!(len <= self.capacity(), "a block holds no more than {} bytes", self.capacity());
        self.len = len;
    }

    /// Bytes that never change any more, without a copy. The block goes back when the last clone or part of them is dropped.
    ///
    /// **Costs** one allocation.
    #[must_use]
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }

    fn start(&self) -> *mut u8 {
        let stride = self.pool.block_len.next_multiple_of(ALIGNMENT);
        self.pool.region.address(usize::from(self.index) * stride)
    }
}

impl Deref for RegionBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the block has so many bytes, all of them initialised (invariants 2 and 3), and nobody else can write them while this
        // one owner is borrowed (invariant 1).
        unsafe { slice::from_raw_parts(self.start(), self.len) }
    }
}

impl DerefMut for RegionBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`; and nobody else can read them, because the owner is borrowed exclusively (invariant 1).
        unsafe { slice::from_raw_parts_mut(self.start(), self.len) }
    }
}

impl AsRef<[u8]> for RegionBuf {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Room for RegionBuf {
    unsafe fn room(&mut self) -> &mut [MaybeUninit<u8>] {
        let (start, len) = (self.start().wrapping_add(self.len), self.capacity() - self.len);
        // SAFETY: the rest of the block, which nobody else reads or writes (invariants 1 and 3). It is initialised (invariant
        // 2), and stays so: promised by the caller.
        unsafe { slice::from_raw_parts_mut(start.cast(), len) }
    }

    unsafe fn filled(&mut self, bytes: usize) {
        self.set_len(self.len + bytes);
    }
}

/// Appends as much as there is room for.
impl io::Write for RegionBuf {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (before, count) = (self.len, bytes.len().min(self.capacity() - self.len));
        self.set_len(before + count);
        self[before..].copy_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for RegionBuf {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RegionBuf { index, len, .. } = self;
        out.debug_struct("RegionBuf").field("index", index).field("len", len).finish_non_exhaustive()
    }
}

impl Drop for RegionBuf {
    fn drop(&mut self) {
        poison::forbid(self.start(), self.pool.block_len);
        if let Some(waker) = self.pool.give(self.index) {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Calls(AtomicU32);

    impl Wake for Calls {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn blocks_are_exclusive_aligned_and_back_when_they_are_dropped() {
        let pool = BlockPool::new(3, 100).unwrap();
        assert_eq!((pool.bytes(), pool.free(), pool.memory().len()), (384, 3, 384));
        let mut blocks: Vec<RegionBuf> = std::iter::from_fn(|| pool.take()).collect();
        assert_eq!((blocks.len(), pool.free(), pool.is_whole()), (3, 0, false));
        for (at, block) in blocks.iter_mut().enumerate() {
            assert_eq!((block.len(), block.capacity(), block.start() as usize % 64), (0, 100, 0));
            block.set_len(100);
            block.fill(at as u8);
        }
        for (at, block) in blocks.iter().enumerate() {
            assert!(block.iter().all(|byte| *byte == at as u8), "nobody else has written there");
            let (memory, start) = (pool.memory().cast::<u8>() as usize, block.start() as usize);
            assert!(start >= memory && start + 100 <= memory + pool.bytes());
        }
        blocks.remove(1);
        assert_eq!(pool.free(), 1);
        let again = pool.take().unwrap();
        assert!(again.is_empty() && pool.take().is_none());
    }

    #[test]
    fn a_block_is_filled_up_to_its_end_and_not_beyond() {
        let pool = BlockPool::new(1, 5).unwrap();
        let mut block = pool.take().unwrap();
        assert_eq!(block.write(b"abc").unwrap(), 3);
        assert_eq!(block.write(b"def").unwrap(), 2);
        assert_eq!(block.write(b"g").unwrap(), 0);
        assert_eq!(*block, *b"abcde");
        block.set_len(2);
        // SAFETY: what is written is initialised.
        let room = unsafe { block.room() };
        room[0].write(b'x');
        // SAFETY: one byte was written.
        unsafe { block.filled(1) };
        // SAFETY: nothing is written.
        assert_eq!(unsafe { block.room() }.len(), 2);
        assert_eq!(*block, *b"abx");
        let beyond = std::panic::AssertUnwindSafe(|| block.set_len(6));
        assert!(std::panic::catch_unwind(beyond).is_err());
        assert_eq!(block.len(), 3);
    }

    #[test]
    fn the_last_block_to_come_back_calls_once_from_whatever_thread() {
        let (pool, calls) = (BlockPool::new(4, 8).unwrap(), Arc::<Calls>::default());
        let [first, second] = [(); 2].map(|()| pool.take().unwrap());
        pool.call_when_whole(calls.clone().into());
        let mut second = second;
        second.write_all(b"frozen").unwrap();
        let bytes = second.freeze();
        let part = bytes.slice(2..).unwrap();
        drop(bytes);
        std::thread::spawn(move || drop(first)).join().unwrap();
        assert_eq!((calls.0.load(Ordering::Relaxed), pool.is_whole()), (0, false));
        std::thread::spawn(move || assert_eq!(part, "ozen")).join().unwrap();
        assert_eq!((calls.0.load(Ordering::Relaxed), pool.is_whole()), (1, true));
        drop(pool.take().unwrap());
        assert_eq!(calls.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_block_outlives_what_it_was_taken_from_and_a_closed_pool_gives_no_more() {
        let pool = BlockPool::new(2, 16).unwrap();
        let mut block = pool.take().unwrap();
        pool.close();
        assert!(pool.is_closed() && pool.take().is_none());
        drop(pool);
        block.write_all(b"still here").unwrap();
        assert_eq!(block.freeze(), "still here");
    }

    #[test]
    fn threads_that_take_and_give_at_the_same_time_lose_no_block() {
        let pool = BlockPool::new(3, 8).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..2_u8 {
                let pool = &pool;
                scope.spawn(move || {
                    for _ in 0..if cfg!(miri) { 20 } else { 2_000 } {
                        let Some(mut block) = pool.take() else { continue };
                        block.set_len(8);
                        block.fill(thread);
                        assert_eq!(*block, [thread; 8]);
                    }
                });
            }
        });
        assert!(pool.is_whole());
    }

    #[test]
    fn more_than_can_be_counted_is_no_number_of_bytes() {
        assert_eq!(BlockPool::bytes_of(2, 1), Some(128));
        assert_eq!(BlockPool::bytes_of(2, usize::MAX), None);
        assert_eq!(BlockPool::bytes_of(u16::MAX, usize::MAX >> 8), None);
    }
}
