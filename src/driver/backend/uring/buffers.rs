//! Receive buffers: how many the kernel has, and which receives wait for some.
//!
//! Knows: the buffer ring, the pool, the parked. Must not know sockets.
//!
//! A receive that finds no buffer is parked here, and armed again when the kernel has buffers: also when it already has
//! some by the time that we hear of the shortage. First parked, first armed; a receive that begins meanwhile is parked behind
//! them. As many are armed at once as there are buffers, so a single buffer does not make a thousand receives fail.
//!
//! The kernel is given few buffers at a time, those that were used last: what it receives into them is still in the cache when it is
//! handled, and sent. A round of the whole pool would fall out of it.
//!
//! Invariants:
//! 1. Every buffer in the ring is with the kernel, as its pool says, until the completion that uses it up.
//! 2. The ring of buffers is unmapped only if its group has been unregistered with nothing in flight.
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::mem::ManuallyDrop;

use crate::mem::{Key, Lease, ReceivePool};
use crate::sys::{Answer, BufferRing, Errno, Ring};

/// So much does the kernel receive into before somebody looks at it, or into two buffers.
const AT_ONCE_BYTES: u32 = 256 << 10;
/// So much does it have together with what is lent: it receives into less then.
const IN_USE_BYTES: u32 = 512 << 10;
/// But never into less, or into one buffer: what peers that do not read hold for long takes no more from the others.
const AT_LEAST_BYTES: u32 = 128 << 10;

/// The buffers of one ring.
#[derive(Debug)]
pub(super) struct Buffers {
    /// Leaked if the kernel may still read it.
    ring: ManuallyDrop<BufferRing>,
    with_kernel: u32,
    /// The one that it has begun to fill: it is both with the kernel and lent.
    filling: Option<u16>,
    parked: VecDeque<Key>,
    shortages: u64,
    /// Shortages since buffers last came or went: a bound on trying again, should the kernel count otherwise.
    futile: usize,
    /// The kernel fills a buffer bit by bit. Otherwise each receive uses up a whole one, however little arrives.
    incremental: bool,
    unregistered: bool,
}

impl Buffers {
    /// Registers a group of buffers, of which there are none yet.
    pub(super) fn register(
        ring: &mut Ring,
        buffers: BufferRing,
        group: u16,
        incremental: bool,
    ) -> Result<Buffers, Errno> {
        // SAFETY: the ring of buffers is dropped only after the drain, which unregisters the group (invariant 2), and
        // its buffers belong to a pool that `Uring` keeps alive until then.
        unsafe { ring.register_buffers(&buffers, group, incremental) }?;
        let ring = ManuallyDrop::new(buffers);
        Ok(Buffers {
            ring,
            with_kernel: 0,
            filling: None,
            parked: VecDeque::new(),
            shortages: 0,
            futile: 0,
            incremental,
            unregistered: false,
        })
    }

    /// How often a receive found no buffer.
    pub(super) fn shortages(&self) -> u64 {
        self.shortages
    }

    /// Gives free buffers of the pool to the kernel: as many as stay in the cache, or all if a receive uses up a whole one.
    pub(super) fn replenish(&mut self, pool: &ReceivePool) {
        let room = if self.incremental { self.in_cache(pool) } else { u32::MAX };
        while self.with_kernel < room
            && let Some(buffer) = pool.take_for_kernel()
        {
            // SAFETY: the buffer is with the kernel from now on (invariant 1), so the pool neither lends nor frees it
            // before the kernel's completion says that it has been used up.
            unsafe { self.ring.add(buffer, pool.buffer_address(buffer), pool.size()) };
            self.with_kernel += 1;
            self.futile = 0;
        }
        self.ring.publish();
    }

    /// As many as stay in the cache together with what is lent of those that are used up.
    fn in_cache(&self, pool: &ReceivePool) -> u32 {
        let buffers = |bytes: u32| (bytes / pool.size()).max(1);
        let is_busy = self.filling.is_some_and(|buffer| pool.is_busy(buffer));
        let used_up = pool.busy() as u32 - u32::from(is_busy);
        let beside = buffers(IN_USE_BYTES).saturating_sub(used_up);
        beside.clamp(buffers(AT_LEAST_BYTES), buffers(AT_ONCE_BYTES).max(2))
    }

    /// The bytes that an answer brought, lent. None if it used no buffer.
    #[inline]
    pub(super) fn lease(&mut self, pool: &ReceivePool, answer: Answer) -> Option<Lease> {
        let buffer = answer.buffer()?;
        let more = answer.buffer_more();
        self.filling = more.then_some(buffer);
        if !more {
            self.with_kernel -= 1;
        }
        self.futile = 0;
        Some(pool.lend_from_kernel(buffer, answer.outcome().unwrap_or(0), more))
    }

    /// A receive found no buffer.
    pub(super) fn park(&mut self, key: Key) {
        self.shortages += 1;
        self.futile += 1;
        self.park_behind(key);
    }

    /// A receive would take the buffers of those that are parked: it has not tried.
    pub(super) fn park_behind(&mut self, key: Key) {
        self.parked.push_back(key);
    }

    /// Takes a receive out of the parked. False if it is not among them.
    pub(super) fn unpark(&mut self, key: Key) -> bool {
        let place = self.parked.iter().position(|parked| *parked == key);
        place.is_some_and(|place| self.parked.remove(place).is_some())
    }

    pub(super) fn any_parked(&self) -> bool {
        !self.parked.is_empty()
    }

    /// True if a parked receive would find a buffer.
    pub(super) fn can_rearm(&self) -> bool {
        !self.parked.is_empty() && self.with_kernel > 0 && self.futile < 4 * (self.parked.len() + 1)
    }

    /// How many parked receives to arm now.
    pub(super) fn rearm_count(&self) -> usize {
        if self.can_rearm() { self.parked.len().min(self.with_kernel as usize) } else { 0 }
    }

    /// The receive that has been parked longest.
    pub(super) fn next_parked(&mut self) -> Option<Key> {
        self.parked.pop_front()
    }

    /// The group is unregistered, and nothing is in flight: the kernel no longer knows any buffer.
    pub(super) fn end(&mut self, pool: &ReceivePool) {
        pool.reclaim();
        self.with_kernel = 0;
        self.unregistered = true;
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        if self.unregistered {
            // SAFETY: dropped here and nowhere else; the kernel does not read it any more (invariant 2).
            unsafe { ManuallyDrop::drop(&mut self.ring) };
        }
    }
}
