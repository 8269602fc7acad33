//! Buffers that bytes to send wait in, in size classes, linked into chains.
//!
//! Knows: slots, classes, chains. Must not know sockets, nor when the kernel reads.
//!
//! Invariants:
//! 1. A slot is free, or belongs to exactly one [`Chain`]. A chain is neither `Clone` nor `Copy`. A chain with slots carries
//!    the number of its pool, which no other pool has while a slot of this one is taken.
//! 2. Bytes are written only through `&mut Chain`. Whoever owns the chain by value (an operation in flight) therefore
//!    keeps its bytes as they are until it releases it.
//! 3. The region of a class lives as long as the pool and is zeroed at the start, so every byte is initialised.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::{ptr, slice};

use super::Full;
use super::poison;
use super::pool_id::PoolId;
use super::region::Region;

/// Bytes per slot of each size class. A message of 64 bytes must not own 16 KiB, and a large write should not be cut
/// into many parts: a factor of four between classes wastes less than three quarters of a slot, and only briefly.
pub const SEND_CLASSES: [u32; 5] = [256, 1024, 4096, 16_384, 65_536];

const NONE: u32 = u32::MAX;
const CLASS_SHIFT: u32 = 28;
const INDEX_MASK: u32 = (1 << CLASS_SHIFT) - 1;

/// Bytes to send, in order, in slots of a [`SendPool`]. Goes back to its pool by [`SendPool::release`].
// Packed, so that an op with a chain and a socket fits into 24 bytes.
#[derive(Debug)]
#[repr(C, packed(2))]
pub struct Chain {
    first: u32,
    last: u32,
    bytes: u32,
    /// Zero without slots.
    pool: u16,
}

impl Chain {
    /// A chain without bytes or slots.
    pub const EMPTY: Chain = Chain { first: NONE, last: NONE, bytes: 0, pool: 0 };

    /// Bytes in the chain.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        self.bytes
    }

    /// True if there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Takes the chain out and leaves an empty one.
    #[must_use]
    pub fn take(&mut self) -> Chain {
        std::mem::replace(self, Chain::EMPTY)
    }
}

#[derive(Debug)]
struct Slot {
    next: Cell<u32>,
    len: Cell<u32>,
}

#[derive(Debug)]
struct Class {
    region: Region,
    slots: Box<[Slot]>,
    free: RefCell<Vec<u32>>,
}

/// Slots of several sizes that bytes to send are copied into.
#[derive(Debug)]
pub struct SendPool {
    classes: [Option<Class>; SEND_CLASSES.len()],
    taken: Cell<usize>,
    id: PoolId,
    /// Bytes of the slots that are free.
    free_bytes: Cell<usize>,
    /// So many of them are for owners that hold next to nothing.
    reserve_bytes: usize,
    share_bytes_max: usize,
    /// Bytes that wait for slots elsewhere.
    waiting_bytes: Cell<usize>,
    waiting_bytes_max: usize,
}

/// So much of what is free, beyond the reserve, may one owner hold: the more owners hold what they may, the less is the next
/// one's.
const SHARE: usize = 4;
/// So much of the pool is the reserve. Were there none, each owner that keeps its share would take a part of what is left,
/// and a few hundred all of it.
const RESERVE: usize = 8;
/// So much of what may still wait elsewhere may be one owner's.
const WAITING_SHARE: usize = 8;
/// So much may every owner hold, as long as there is a slot.
const SHARE_MIN: usize = SEND_CLASSES[0] as usize;
/// A chain of several slots grows by slots of at least such a part of it: it stays short, and small slots are left to small
/// chains.
const GROWTH: usize = 4;

impl SendPool {
    /// A pool with so many slots of each of [`SEND_CLASSES`]; a class may have none.
    ///
    /// # Panics
    /// When a class has 2²⁸ slots or more: `Config` bounds them.
    #[must_use]
    pub fn new(slots: [u32; SEND_CLASSES.len()]) -> SendPool {
        let classes =
            std::array::from_fn(|class| (slots[class] > 0).then(|| Class::new(class, slots[class])));
        let bytes = |class: usize| SEND_CLASSES[class] as usize * slots[class] as usize;
        let all_bytes = (0..SEND_CLASSES.len()).map(bytes).sum();
        SendPool {
            classes,
            taken: Cell::new(0),
            id: PoolId::new(),
            free_bytes: Cell::new(all_bytes),
            reserve_bytes: all_bytes / RESERVE,
            share_bytes_max: usize::MAX,
            waiting_bytes: Cell::new(0),
            waiting_bytes_max: usize::MAX,
        }
    }

    /// Bounds what one owner may hold, and what may wait for slots elsewhere, in bytes.
    #[must_use]
    pub fn bounded(mut self, share_bytes_max: usize, waiting_bytes_max: usize) -> SendPool {
        self.share_bytes_max = share_bytes_max;
        self.waiting_bytes_max = waiting_bytes_max;
        self
    }

    /// How many bytes an owner that holds `held` may write now.
    #[must_use]
    pub fn share(&self, held: usize) -> usize {
        let beyond = self.free_bytes.get().saturating_sub(self.reserve_bytes);
        let share = (beyond / SHARE).min(self.share_bytes_max);
        share.max(SHARE_MIN).saturating_sub(held)
    }

    /// Enters bytes that wait for slots elsewhere into the books, for an owner of whose `held` wait already, unless they are
    /// more than its share of what may still wait: where memory is short, it is those that hold most of it who are refused
    /// next.
    pub fn wait(&self, held: usize, bytes: usize) -> Result<(), Full> {
        let waiting = self.waiting_bytes.get();
        if held + bytes > (self.waiting_bytes_max - waiting) / WAITING_SHARE {
            return Err(Full);
        }
        self.waiting_bytes.set(waiting + bytes);
        Ok(())
    }

    /// So many of them wait no more.
    pub fn waited(&self, bytes: usize) {
        self.waiting_bytes.set(self.waiting_bytes.get() - bytes);
    }

    /// Appends bytes to a chain: all of them, or none if the pool cannot hold them.
    /// **Costs** one copy; at most two where a growing chain moves to a larger slot.
    ///
    /// # Panics
    /// When the chain belongs to another pool.
    pub fn write(&self, chain: &mut Chain, bytes: &[u8]) -> Result<(), Full> {
        if bytes.len() > (u32::MAX - chain.bytes) as usize {
            return Err(Full);
        }
        self.assert_own(chain);
        if chain.last != NONE && self.append_if_it_fits(chain, bytes) {
            return Ok(());
        }
        self.write_more(chain, bytes)
    }

    #[inline(never)]
    fn write_more(&self, chain: &mut Chain, bytes: &[u8]) -> Result<(), Full> {
        if bytes.is_empty() {
            return Ok(());
        }
        if chain.last == NONE {
            if let Some(slot) = self.take_exact(bytes.len()) {
                self.link(chain, slot);
                self.append(chain, bytes);
                return Ok(());
            }
        } else if chain.first == chain.last
            // One slot so far: one slot that holds everything keeps the send a single segment.
            && let Some(slot) = self.take_exact(chain.bytes as usize + bytes.len())
        {
            self.move_into(chain, slot);
            self.append(chain, bytes);
            return Ok(());
        }
        let room = if chain.last == NONE { 0 } else { self.room(chain.last).min(bytes.len()) };
        // Everything is reserved before anything is committed.
        let more = self.reserve(bytes.len() - room, chain.bytes as usize / GROWTH)?;
        let (head, mut rest) = bytes.split_at(room);
        if !head.is_empty() {
            self.append(chain, head);
        }
        let mut slot = more.first;
        while slot != NONE {
            let next = self.slot(slot).next.replace(NONE);
            self.link(chain, slot);
            let (part, tail) = rest.split_at(rest.len().min(capacity(slot)));
            self.append(chain, part);
            rest = tail;
            slot = next;
        }
        Ok(())
    }

    /// The parts of a chain in order, without the first `skip` bytes.
    ///
    /// # Panics
    /// When the chain belongs to another pool.
    pub fn segments<'a>(&'a self, chain: &'a Chain, skip: u32) -> impl Iterator<Item = &'a [u8]> {
        self.assert_own(chain);
        let (mut slot, mut skip) = (chain.first, skip as usize);
        std::iter::from_fn(move || {
            while slot != NONE {
                let bytes = self.bytes(slot);
                slot = self.slot(slot).next.get();
                if skip < bytes.len() {
                    return Some(&bytes[std::mem::take(&mut skip)..]);
                }
                skip -= bytes.len();
            }
            None
        })
    }

    /// Puts `more` behind what `chain` holds. Copies nothing.
    ///
    /// # Panics
    /// When one of them belongs to another pool.
    pub fn join(&self, chain: &mut Chain, more: Chain) {
        self.assert_own(chain);
        self.assert_own(&more);
        if more.first == NONE {
            return;
        }
        if chain.last == NONE {
            *chain = more;
            return;
        }
        self.slot(chain.last).next.set(more.first);
        chain.last = more.last;
        chain.bytes = chain.bytes.checked_add(more.bytes).expect("an outbox is bounded below 4 GiB");
    }

    /// The kernel reads the bytes of this chain from now on, until it is released: an access of ours is an error that
    /// AddressSanitizer reports.
    pub(crate) fn hand_over(&self, chain: &Chain) {
        self.assert_own(chain);
        // Only the sanitizer wants to know: other builds do not even walk the chain.
        let mut slot = if cfg!(odeon_asan) { chain.first } else { NONE };
        while slot != NONE {
            poison::forbid(self.address(slot), capacity(slot));
            slot = self.slot(slot).next.get();
        }
    }

    /// Gives every slot of a chain back.
    ///
    /// # Panics
    /// When the chain belongs to another pool.
    pub fn release(&self, chain: Chain) {
        self.assert_own(&chain);
        let mut slot = chain.first;
        while slot != NONE {
            slot = self.give(slot);
        }
    }

    /// Slots that belong to a chain.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.get()
    }

    /// True if any slot is free.
    #[must_use]
    pub fn has_free(&self) -> bool {
        self.classes.iter().flatten().any(|class| !class.free.borrow().is_empty())
    }

    /// A chain of another pool would name slots of this one that it does not own.
    #[inline]
    fn assert_own(&self, chain: &Chain) {
        let pool = chain.pool;
        assert!(pool == self.id.number() || pool == 0, "a chain is used in the pool that it came from");
    }

    /// Slots for `len` bytes, linked, each as large as useful, and where possible as large as `useful`.
    fn reserve(&self, len: usize, useful: usize) -> Result<Chain, Full> {
        let useful = useful.min(SEND_CLASSES[SEND_CLASSES.len() - 1] as usize);
        let (mut reserved, mut left) = (Chain::EMPTY, len);
        while left > 0 {
            let size = left.max(useful);
            let Some(slot) = self.take_exact(size).or_else(|| self.take_largest_below(size)) else {
                self.release(reserved);
                return Err(Full);
            };
            left = left.saturating_sub(capacity(slot));
            self.link(&mut reserved, slot);
        }
        Ok(reserved)
    }

    /// A slot of the smallest class with a free one that holds `len` bytes.
    fn take_exact(&self, len: usize) -> Option<u32> {
        (0..SEND_CLASSES.len())
            .filter(|class| len <= SEND_CLASSES[*class] as usize)
            .find_map(|class| self.take(class))
    }

    fn take_largest_below(&self, len: usize) -> Option<u32> {
        (0..SEND_CLASSES.len())
            .rev()
            .filter(|class| (SEND_CLASSES[*class] as usize) < len)
            .find_map(|class| self.take(class))
    }

    fn take(&self, class: usize) -> Option<u32> {
        let of_class = self.classes[class].as_ref()?;
        let index = of_class.free.borrow_mut().pop()?;
        let slot = (class as u32) << CLASS_SHIFT | index;
        let place = &of_class.slots[index as usize];
        place.len.set(0);
        place.next.set(NONE);
        self.taken.set(self.taken.get() + 1);
        self.free_bytes.set(self.free_bytes.get() - capacity(slot));
        poison::allow(self.address(slot), capacity(slot));
        Some(slot)
    }

    fn give(&self, slot: u32) -> u32 {
        let (class, index) = (self.class(slot), slot & INDEX_MASK);
        let next = class.slots[index as usize].next.get();
        poison::forbid(self.address(slot), capacity(slot));
        class.free.borrow_mut().push(index);
        self.taken.set(self.taken.get() - 1);
        self.free_bytes.set(self.free_bytes.get() + capacity(slot));
        next
    }

    fn link(&self, chain: &mut Chain, slot: u32) {
        if chain.last == NONE {
            chain.first = slot;
            chain.pool = self.id.number();
        } else {
            self.slot(chain.last).next.set(slot);
        }
        chain.last = slot;
    }

    /// Moves the bytes of a chain of at most one slot into `slot`, which becomes its only one.
    fn move_into(&self, chain: &mut Chain, slot: u32) {
        let old = chain.take();
        self.link(chain, slot);
        for part in self.segments(&old, 0) {
            self.append(chain, part);
        }
        self.release(old);
    }

    /// Copies into the last slot of a chain, which has room for it.
    fn append(&self, chain: &mut Chain, bytes: &[u8]) {
        assert!(self.append_if_it_fits(chain, bytes), "the room was looked at before");
    }

    /// Copies into the last slot of a chain, all or nothing.
    #[inline]
    fn append_if_it_fits(&self, chain: &mut Chain, bytes: &[u8]) -> bool {
        let (class, index) = (self.class(chain.last), (chain.last & INDEX_MASK) as usize);
        let (slot, capacity) = (&class.slots[index], capacity(chain.last));
        let len = slot.len.get() as usize;
        if bytes.len() > capacity - len {
            return false;
        }
        let target = class.region.address(index * capacity).wrapping_add(len);
        // SAFETY: the target lies inside the slot, which has room for so many bytes (looked at above); the slot belongs to
        // this chain alone (invariants 1 and 2), and `bytes` is a shared slice, which cannot cover unwritten bytes of it.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) };
        slot.len.set((len + bytes.len()) as u32);
        chain.bytes += bytes.len() as u32;
        true
    }

    fn bytes(&self, slot: u32) -> &[u8] {
        let len = self.slot(slot).len.get() as usize;
        // SAFETY: the first `len` bytes of a slot were written (invariant 3), and are not written again while the chain
        // that the caller borrows owns the slot (invariants 1 and 2).
        unsafe { slice::from_raw_parts(self.address(slot), len) }
    }

    fn address(&self, slot: u32) -> *mut u8 {
        let index = (slot & INDEX_MASK) as usize;
        let class = self.class(slot);
        debug_assert!(index < class.slots.len(), "a slot of this pool");
        class.region.address(index * capacity(slot))
    }

    fn room(&self, slot: u32) -> usize {
        capacity(slot) - self.slot(slot).len.get() as usize
    }

    fn slot(&self, slot: u32) -> &Slot {
        &self.class(slot).slots[(slot & INDEX_MASK) as usize]
    }

    fn class(&self, slot: u32) -> &Class {
        self.classes[(slot >> CLASS_SHIFT) as usize].as_ref().expect("a slot of a class that has slots")
    }
}

impl Drop for SendPool {
    fn drop(&mut self) {
        if self.taken() == 0 {
            self.id.end();
        }
    }
}

fn capacity(slot: u32) -> usize {
    SEND_CLASSES[(slot >> CLASS_SHIFT) as usize] as usize
}

impl Class {
    fn new(class: usize, count: u32) -> Class {
        assert!(count <= INDEX_MASK, "Config bounds the slots of a class");
        Class {
            region: Region::new(SEND_CLASSES[class] as usize * count as usize),
            slots: (0..count).map(|_| Slot { next: Cell::new(NONE), len: Cell::new(0) }).collect(),
            free: RefCell::new((0..count).rev().collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(pool: &SendPool, chain: &Chain, skip: u32) -> Vec<u8> {
        pool.segments(chain, skip).flatten().copied().collect()
    }

    #[test]
    fn small_writes_share_a_slot_and_grow_into_a_larger_one() {
        let pool = SendPool::new([4, 4, 0, 0, 0]);
        let mut chain = Chain::EMPTY;
        let mut twin = Vec::new();
        for part in 0..16_u8 {
            pool.write(&mut chain, &[part; 64]).unwrap();
            twin.extend_from_slice(&[part; 64]);
            assert_eq!(pool.taken(), 1, "one slot holds it all");
        }
        assert_eq!(content(&pool, &chain, 0), twin);
        assert_eq!(content(&pool, &chain, 100), twin[100..]);
        pool.release(chain);
        assert_eq!(pool.taken(), 0);
    }

    #[test]
    fn a_large_write_spans_slots_and_keeps_its_order() {
        let pool = SendPool::new([8, 2, 0, 0, 0]);
        let mut chain = Chain::EMPTY;
        let twin: Vec<u8> = (0..3000_u32).map(|byte| byte as u8).collect();
        pool.write(&mut chain, &twin[..100]).unwrap();
        pool.write(&mut chain, &twin[100..]).unwrap();
        assert_eq!(content(&pool, &chain, 0), twin);
        assert_eq!(content(&pool, &chain, 1500), twin[1500..]);
        pool.release(chain);
        assert_eq!(pool.taken(), 0);
    }

    #[test]
    fn a_write_that_does_not_fit_leaves_everything_as_it_was() {
        let pool = SendPool::new([2, 0, 0, 0, 0]);
        let mut chain = Chain::EMPTY;
        pool.write(&mut chain, &[1; 200]).unwrap();
        assert_eq!(pool.write(&mut chain, &[2; 400]), Err(Full));
        assert_eq!(content(&pool, &chain, 0), [1; 200]);
        pool.write(&mut chain, &[2; 312]).unwrap();
        assert_eq!(chain.bytes(), 512);
        assert!(!pool.has_free());
        pool.release(chain);
        assert!(pool.has_free());
    }

    #[test]
    fn a_chain_of_another_pool_is_refused() {
        let (one, other) = (SendPool::new([2, 0, 0, 0, 0]), SendPool::new([2, 0, 0, 0, 0]));
        let stray = || {
            let mut chain = Chain::EMPTY;
            one.write(&mut chain, b"x").unwrap();
            chain
        };
        let refused = |act: &dyn Fn(Chain)| {
            let chain = stray();
            let slot = chain.first;
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| act(chain)))
                .expect_err("of another pool");
            one.give(slot);
        };
        refused(&|chain| other.release(chain));
        refused(&|mut chain| other.write(&mut chain, b"y").unwrap());
        refused(&|chain| assert_eq!(other.segments(&chain, 0).count(), 0));
        refused(&|chain| other.join(&mut { Chain::EMPTY }, chain));
        refused(&|mut chain| other.join(&mut chain, Chain::EMPTY));
        other.release(Chain::EMPTY);
        assert_eq!((one.taken(), other.taken()), (0, 0));
    }

    #[test]
    fn however_many_take_their_share_the_next_has_one() {
        const SLOTS: [u32; SEND_CLASSES.len()] = [1024, 512, 128, 32, 8];
        let pool = SendPool::new(SLOTS).bounded(100_000, 0);
        let mut chains: Vec<Chain> = Vec::new();
        for _ in 0..900 {
            let mut chain = Chain::EMPTY;
            while pool.share(chain.bytes() as usize) >= 100 {
                if pool.write(&mut chain, &[7; 100]).is_err() {
                    break;
                }
            }
            assert!(chain.bytes() >= 200, "there is something for everybody");
            assert!(chain.bytes() <= 100_000, "nobody has more than the bound");
            chains.push(chain);
        }
        chains.into_iter().for_each(|chain| pool.release(chain));
        let all: u32 = SLOTS.iter().zip(SEND_CLASSES).map(|(slots, bytes)| slots * bytes).sum();
        assert_eq!(pool.free_bytes.get(), all as usize);
    }

    #[test]
    fn what_waits_elsewhere_is_bounded_and_whoever_holds_most_of_it_is_refused_first() {
        let pool = SendPool::new([1, 0, 0, 0, 0]).bounded(100, 8000);
        assert_eq!(pool.wait(0, 1001), Err(Full));
        pool.wait(0, 1000).unwrap();
        assert_eq!(pool.wait(1000, 1), Err(Full));
        let mut owners = 1;
        while pool.wait(0, 500).is_ok() {
            owners += 1;
        }
        assert_eq!(owners, 1 + 7, "half of it is left");
        for _ in 0..100 {
            pool.wait(0, 10).unwrap();
        }
        assert_eq!(pool.wait(500, 1), Err(Full), "an owner whose share was larger before");
        pool.waited(pool.waiting_bytes.get());
        pool.wait(0, 1000).unwrap();
    }

    #[test]
    fn chains_are_joined_without_copying() {
        let pool = SendPool::new([4, 0, 0, 0, 0]);
        let (mut one, mut two) = (Chain::EMPTY, Chain::EMPTY);
        pool.write(&mut one, b"abc").unwrap();
        pool.write(&mut two, b"def").unwrap();
        pool.join(&mut one, two);
        assert_eq!(content(&pool, &one, 0), b"abcdef");
        let mut empty = Chain::EMPTY;
        pool.join(&mut empty, one.take());
        pool.join(&mut empty, Chain::EMPTY);
        assert_eq!(empty.bytes(), 6);
        pool.release(empty);
        assert_eq!(pool.taken(), 0);
    }

    #[test]
    fn random_chains_agree_with_vectors() {
        let pool = SendPool::new([16, 8, 4, 2, 1]);
        let mut chains: Vec<(Chain, Vec<u8>)> = (0..6).map(|_| (Chain::EMPTY, Vec::new())).collect();
        let mut state = 7_u64;
        for step in 0..if cfg!(miri) { 60 } else { 3_000_u32 } {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let pick = (state >> 33) as usize;
            let (chain, twin) = &mut chains[pick % 6];
            if pick.is_multiple_of(7) {
                assert_eq!(content(&pool, chain, 0), *twin);
                pool.release(chain.take());
                twin.clear();
            } else {
                let bytes = vec![step as u8; (pick >> 8) % 3000];
                if pool.write(chain, &bytes).is_ok() {
                    twin.extend_from_slice(&bytes);
                }
            }
            assert_eq!(chain.bytes() as usize, twin.len());
        }
        for (chain, twin) in chains {
            assert_eq!(content(&pool, &chain, 0), twin);
            pool.release(chain);
        }
        assert_eq!(pool.taken(), 0);
    }
}
