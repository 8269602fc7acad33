//! Buffers that bytes to send wait in, in size classes, linked into chains.
//!
//! Knows: slots, classes, parts, chains. Must not know sockets, nor when the kernel reads.
//!
//! Beside slots, into which bytes are copied, a chain links *parts*: bytes that stay where they are, kept by a count or a lease.
//!
//! Invariants:
//! 1. A slot or a part is free, or belongs to exactly one [`Chain`], or was let go. A chain is neither `Clone` nor `Copy`. A chain
//!    with slots or parts carries the number of its pool, which no other pool has while one of this is taken.
//! 2. Bytes of slots are written only through `&mut Chain`. Whoever owns the chain by value (an operation in flight) therefore
//!    keeps its bytes as they are until it releases it, unless it has the kernel fill a slot without bytes.
//! 3. The region of a class lives as long as the pool and is zeroed at the start, so every byte is initialised.
#![allow(unsafe_code)]

mod parts;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::{ptr, slice};

use super::pool_id::PoolId;
use super::region::Region;
use super::{Bytes, Full, Lease, ReceivePool, poison};
pub use parts::Keeper;
use parts::Parts;

/// Bytes per slot of each size class. A message of 64 bytes must not own 16 KiB, and a large write should not be cut
/// into many parts: a factor of four between classes wastes less than three quarters of a slot, and only briefly.
pub const SEND_CLASSES: [u32; 5] = [256, 1024, 4096, 16_384, 65_536];

/// A link is the class of a slot, or the mark of a part, and an index.
const NONE: u32 = u32::MAX;
const CLASS_SHIFT: u32 = 28;
const PART: u32 = 7;
const INDEX_MASK: u32 = (1 << CLASS_SHIFT) - 1;

/// So many parts may be linked, or let go and not taken yet, if nobody says otherwise: 3.5 MiB, if there ever are as many.
const PARTS_MAX: u32 = 1 << 16;
/// So many counted bytes are worth a part, if nobody says otherwise.
const PART_BYTES_MIN: usize = 4 << 10;

/// Bytes to send, in order, in slots and parts of a [`SendPool`]. Goes back to its pool by [`SendPool::release`].
// Packed, so that an op with a chain and a socket fits into 24 bytes.
#[derive(Debug)]
#[repr(C, packed(2))]
pub struct Chain {
    first: u32,
    last: u32,
    bytes: u32,
    /// Zero without slots and parts.
    pool: u16,
}

impl Chain {
    /// A chain without bytes, slots or parts.
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

/// Slots of several sizes that bytes to send are copied into, and parts that are not copied.
#[derive(Debug)]
pub struct SendPool {
    classes: [Option<Class>; SEND_CLASSES.len()],
    /// Slots that are taken.
    taken: Cell<usize>,
    parts: Parts,
    part_bytes_min: usize,
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
/// So much of the counted bytes that may still be linked may be one owner's.
const LINKED_SHARE: usize = 8;
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
            parts: Parts::new(PARTS_MAX),
            part_bytes_min: PART_BYTES_MIN,
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

    /// Bounds the parts that are linked, or let go and not taken yet, and the counted bytes of those that are linked. Default 65,536, and
    /// any number of bytes.
    #[must_use]
    pub fn with_parts(mut self, parts_max: u32, bytes_max: usize) -> SendPool {
        self.parts.bound(parts_max.min(INDEX_MASK), bytes_max);
        self
    }

    /// So many counted bytes are [worth a part](SendPool::is_worth_a_part). Default 4,096.
    #[must_use]
    pub fn linking_from(mut self, bytes_min: usize) -> SendPool {
        self.part_bytes_min = bytes_min;
        self
    }

    /// True if an owner of whose counted bytes `held` are linked may link so many more: that is its share of what may still be linked.
    #[must_use]
    pub fn may_link(&self, held: usize, bytes: usize) -> bool {
        held + bytes <= self.parts.bytes_left() / LINKED_SHARE
    }

    /// True if so many counted bytes are rather linked than copied. None are not.
    #[must_use]
    pub fn is_worth_a_part(&self, bytes: usize) -> bool {
        bytes > 0 && bytes >= self.part_bytes_min
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
        if self.append_if_it_fits(chain, bytes) {
            return Ok(());
        }
        self.write_more(chain, bytes)
    }

    #[inline(never)]
    fn write_more(&self, chain: &mut Chain, bytes: &[u8]) -> Result<(), Full> {
        if bytes.is_empty() {
            return Ok(());
        }
        if chain.last == NONE
            && let Some(slot) = self.take_exact(bytes.len())
        {
            self.link(chain, slot);
            self.append(chain, bytes);
            return Ok(());
        }
        self.lengthen(chain, bytes)
    }

    /// The rest of it, where the bytes are not the first of a chain, or do not fit into one slot. Apart: it needs all registers.
    #[inline(never)]
    fn lengthen(&self, chain: &mut Chain, bytes: &[u8]) -> Result<(), Full> {
        if chain.first == chain.last
            && is_slot(chain.last)
            // One slot so far: one slot that holds everything keeps the send a single segment.
            && let Some(slot) = self.take_exact(chain.bytes as usize + bytes.len())
        {
            self.move_into(chain, slot);
            self.append(chain, bytes);
            return Ok(());
        }
        let room = if is_slot(chain.last) { self.room(chain.last).min(bytes.len()) } else { 0 };
        // Everything is reserved before anything is committed.
        let more = self.reserve(bytes.len() - room, self.growth(chain))?;
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

    /// The least bytes of the next slot of a chain, if that can be had.
    fn growth(&self, chain: &Chain) -> usize {
        let (last, growth) = (chain.last, chain.bytes as usize / GROWTH);
        if !is_slot(last) {
            // Between parts there are a few bytes each time, however many are in the parts.
            return 0;
        }
        if self.parts.linked() > 0 { growth.min(capacity(last) * GROWTH) } else { growth }
    }

    /// Appends counted bytes to a chain, which keeps them. What is written next goes into another slot. No bytes are let go at once.
    /// **Costs** no copy, and no allocation unless there never were so many parts.
    ///
    /// # Errors
    /// Hands the bytes back if the pool has no part left, or as many bytes are linked as may be.
    ///
    /// # Panics
    /// When the chain belongs to another pool.
    pub fn push_bytes(&self, chain: &mut Chain, bytes: Bytes) -> Result<(), (Full, Bytes)> {
        self.assert_own(chain);
        let len = bytes.len();
        if len > (u32::MAX - chain.bytes) as usize {
            return Err((Full, bytes));
        }
        let part = self.parts.link_bytes(bytes).map_err(|bytes| (Full, bytes))?;
        self.link_part(chain, part, len as u32);
        Ok(())
    }

    /// Appends the bytes of a lease to a chain, which keeps it. Otherwise as [`SendPool::push_bytes`].
    ///
    /// # Errors
    /// Hands the lease back if the pool has no part left.
    ///
    /// # Panics
    /// When the chain belongs to another pool, or the lease to another than `receive`.
    pub fn push_lease(
        &self,
        chain: &mut Chain,
        lease: Lease,
        receive: &ReceivePool,
    ) -> Result<(), (Full, Lease)> {
        self.assert_own(chain);
        let len = lease.len();
        if len > (u32::MAX - chain.bytes) as usize {
            return Err((Full, lease));
        }
        let part = self.parts.link_lease(lease, receive).map_err(|lease| (Full, lease))?;
        self.link_part(chain, part, len as u32);
        Ok(())
    }

    fn link_part(&self, chain: &mut Chain, part: u32, len: u32) {
        if len == 0 {
            self.parts.release(part);
            return;
        }
        self.link(chain, PART << CLASS_SHIFT | part);
        chain.bytes += len;
    }

    /// Bytes of a chain that lie in parts.
    ///
    /// # Panics
    /// When the chain belongs to another pool.
    #[must_use]
    pub fn owned_bytes(&self, chain: &Chain) -> u32 {
        self.assert_own(chain);
        let mut link = if self.parts.linked() > 0 { chain.first } else { NONE };
        let mut owned = 0;
        while link != NONE {
            let (bytes, next) = self.look(link);
            owned += if is_slot(link) { 0 } else { bytes.len() as u32 };
            link = next;
        }
        owned
    }

    /// The bytes of a chain in order, piece by piece, without the first `skip` bytes.
    ///
    /// # Panics
    /// When the chain belongs to another pool.
    pub fn segments<'a>(&'a self, chain: &'a Chain, skip: u32) -> impl Iterator<Item = &'a [u8]> {
        self.assert_own(chain);
        let (mut link, mut skip) = (chain.first, skip as usize);
        std::iter::from_fn(move || {
            while link != NONE {
                let (bytes, next) = self.look(link);
                link = next;
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
        self.set_next(chain.last, more.first);
        chain.last = more.last;
        chain.bytes = chain.bytes.checked_add(more.bytes).expect("an outbox is bounded below 4 GiB");
    }

    /// A chain of one slot without bytes, with room for so many, or for fewer where there is no such slot; none if no slot is free at
    /// all. To be filled by whoever asks the kernel to.
    #[must_use]
    pub fn space(&self, bytes: usize) -> Option<Chain> {
        let slot = self.take_exact(bytes).or_else(|| self.take_largest_below(bytes))?;
        let mut chain = Chain::EMPTY;
        self.link(&mut chain, slot);
        Some(chain)
    }

    /// The room of a chain of one slot without bytes. It is with the kernel from now on, until [`SendPool::filled`]: an access of ours is an
    /// error that AddressSanitizer reports.
    ///
    /// # Panics
    /// When it is another chain, or belongs to another pool.
    #[must_use]
    pub fn space_address(&self, chain: &Chain) -> *mut [u8] {
        let slot = self.assert_space(chain);
        let (start, len) = (self.address(slot), capacity(slot));
        poison::forbid(start, len);
        ptr::slice_from_raw_parts_mut(start, len)
    }

    /// So many bytes were written to the room of a chain.
    ///
    /// # Panics
    /// When they are more than there is room for, when it is another chain, or belongs to another pool.
    pub fn filled(&self, chain: &mut Chain, bytes: u32) {
        let slot = self.assert_space(chain);
        assert!(bytes as usize <= capacity(slot), "more was written than there is room for");
        poison::allow(self.address(slot), capacity(slot));
        self.slot(slot).len.set(bytes);
        chain.bytes = bytes;
    }

    /// Keeps no more than the first `bytes` of a chain of one slot.
    ///
    /// # Panics
    /// When it is another chain, or belongs to another pool.
    pub fn truncate(&self, chain: &mut Chain, bytes: u32) {
        self.assert_own(chain);
        let slot = chain.first;
        assert!(is_slot(slot) && slot == chain.last, "a chain of one slot");
        let kept = self.slot(slot).len.get().min(bytes);
        self.slot(slot).len.set(kept);
        chain.bytes = kept;
    }

    fn assert_space(&self, chain: &Chain) -> u32 {
        self.assert_own(chain);
        let slot = chain.first;
        assert!(is_slot(slot) && slot == chain.last && chain.bytes == 0, "a chain of one slot without bytes");
        slot
    }

    /// The kernel reads the bytes of this chain from now on, until it is released: an access of ours is an error that
    /// AddressSanitizer reports. Not one of parts: others may read those as well.
    pub(crate) fn hand_over(&self, chain: &Chain) {
        self.assert_own(chain);
        // Only the sanitizer wants to know: other builds do not even walk the chain.
        let mut link = if cfg!(odeon_asan) { chain.first } else { NONE };
        while link != NONE {
            if is_slot(link) {
                poison::forbid(self.address(link), capacity(link));
            }
            link = self.next(link);
        }
    }

    /// Gives every slot of a chain back, and lets its parts go: what kept them waits to be [taken](SendPool::take_released), because
    /// to drop it here might run code of a user.
    ///
    /// # Panics
    /// When the chain belongs to another pool.
    pub fn release(&self, chain: Chain) {
        self.assert_own(&chain);
        let mut link = chain.first;
        while link != NONE {
            link = if is_slot(link) { self.give(link) } else { self.parts.release(link & INDEX_MASK) };
        }
    }

    /// True if there is something to [take](SendPool::take_released).
    #[inline]
    #[must_use]
    pub fn has_released(&self) -> bool {
        self.parts.has_released()
    }

    /// Takes what has kept a part that was let go.
    pub fn take_released(&self) -> Option<Keeper> {
        self.parts.take_released()
    }

    /// Takes what has kept any part, also of chains that nobody has released: they have no bytes in parts from then on. For the end of
    /// the pool, which runs no code of a user.
    #[must_use]
    pub fn take_all(&mut self) -> Vec<Keeper> {
        self.parts.take_all()
    }

    /// Slots and parts that belong to a chain.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.get() + self.parts.linked()
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
        assert!(pool == self.id.number().get() || pool == 0, "a chain is used in the pool that it came from");
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

    /// Puts a slot or a part at the end of a chain.
    fn link(&self, chain: &mut Chain, link: u32) {
        if chain.last == NONE {
            chain.first = link;
            chain.pool = self.id.number().get();
        } else {
            self.set_next(chain.last, link);
        }
        chain.last = link;
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

    /// Copies into the last slot of a chain, all or nothing; nothing if it does not end with a slot.
    #[inline]
    fn append_if_it_fits(&self, chain: &mut Chain, bytes: &[u8]) -> bool {
        let Some(Some(class)) = self.classes.get((chain.last >> CLASS_SHIFT) as usize) else { return false };
        let index = (chain.last & INDEX_MASK) as usize;
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

    /// The bytes of a slot or part, and whatever is behind it.
    #[inline]
    fn look(&self, link: u32) -> (&[u8], u32) {
        let Some(class) = self.classes.get((link >> CLASS_SHIFT) as usize) else {
            return self.parts.look(link & INDEX_MASK);
        };
        let class = class.as_ref().expect(HAS_SLOTS);
        let (index, capacity) = ((link & INDEX_MASK) as usize, capacity(link));
        let (slot, start) = (&class.slots[index], class.region.address(index * capacity));
        // SAFETY: the first `len` bytes of a slot were written (invariant 3), and are not written again while the chain
        // that the caller borrows owns the slot (invariants 1 and 2).
        (unsafe { slice::from_raw_parts(start, slot.len.get() as usize) }, slot.next.get())
    }

    fn next(&self, link: u32) -> u32 {
        if is_slot(link) { self.slot(link).next.get() } else { self.parts.look(link & INDEX_MASK).1 }
    }

    fn set_next(&self, link: u32, next: u32) {
        if is_slot(link) {
            self.slot(link).next.set(next);
        } else {
            self.parts.set_next(link & INDEX_MASK, next);
        }
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
        self.classes[(slot >> CLASS_SHIFT) as usize].as_ref().expect(HAS_SLOTS)
    }
}

impl Drop for SendPool {
    fn drop(&mut self) {
        if self.taken() == 0 {
            self.id.end();
        }
    }
}

const HAS_SLOTS: &str = "a slot of a class that has slots";

/// False for a part, and for no link at all.
fn is_slot(link: u32) -> bool {
    ((link >> CLASS_SHIFT) as usize) < SEND_CLASSES.len()
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
