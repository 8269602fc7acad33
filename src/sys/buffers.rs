//! A ring of buffers that the kernel picks from when bytes arrive.
//!
//! Knows: the shared array and its tail. Must not know what the buffers hold, nor who owns them.
//!
//! Invariants:
//! 1. The mapping holds `entries` entries, a power of two, and lives as long as the value.
//! 2. The kernel reads entries below the published tail only; entries are written above it, and one release store
//!    publishes them together.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;

use super::{Errno, Mapping};

/// The most entries that the kernel takes.
const ENTRIES_MAX: u16 = 1 << 15;

/// The array that a group of provided buffers is published in.
#[derive(Debug)]
pub struct BufferRing {
    mapping: Mapping,
    entries: u16,
    tail: u16,
    unpublished: bool,
}

impl BufferRing {
    /// An empty array with room for `count` buffers, rounded up to a power of two.
    ///
    /// # Errors
    /// `EINVAL` for more than 32,768, `ENOMEM`.
    pub fn new(count: u16) -> Result<BufferRing, Errno> {
        if count == 0 || count > ENTRIES_MAX {
            return Err(Errno::EINVAL);
        }
        let entries = count.next_power_of_two();
        let mapping = Mapping::new(entries as usize * size_of::<BufRingEntry>())?;
        Ok(BufferRing { mapping, entries, tail: 0, unpublished: false })
    }

    /// Room for so many buffers.
    #[must_use]
    pub fn entries(&self) -> u16 {
        self.entries
    }

    /// Where the array starts, for its registration.
    pub(super) fn address(&self) -> u64 {
        self.mapping.start().expose_provenance() as u64
    }

    /// Adds a buffer, to be seen by the kernel after [`BufferRing::publish`]. The caller adds no more than there is room
    /// for: a buffer comes back with the completion that used it up.
    ///
    /// # Safety
    /// The kernel may write `len` bytes at `start` from the publication until the completion that gives the buffer back,
    /// or until the group is unregistered: nobody else may use them meanwhile.
    pub unsafe fn add(&mut self, buffer: u16, start: *mut u8, len: u32) {
        let place = usize::from(self.tail & (self.entries - 1));
        let entry = self.mapping.start().cast::<BufRingEntry>().wrapping_add(place);
        // SAFETY: `place` is below `entries` (invariant 1); the kernel does not look at it yet (invariant 2), and reads of
        // its tail, which lies in the first entry's reserved field, are not touched by the three setters.
        let entry = unsafe { &mut *entry };
        entry.set_addr(start.expose_provenance() as u64);
        entry.set_len(len);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
        self.unpublished = true;
    }

    /// Shows every added buffer to the kernel, by one store.
    pub fn publish(&mut self) {
        if !self.unpublished {
            return;
        }
        self.unpublished = false;
        let base = self.mapping.start().cast::<BufRingEntry>().cast_const();
        // SAFETY: points to the first entry of a mapping of at least one (invariant 1).
        let tail = unsafe { BufRingEntry::tail(base) };
        // SAFETY: inside the mapping and aligned; the kernel only reads it.
        let tail = unsafe { AtomicU16::from_ptr(tail.cast_mut()) };
        // Release: the kernel, which acquires the tail, must see the entries below it.
        tail.store(self.tail, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_up_and_bounded() {
        assert_eq!(BufferRing::new(3).unwrap().entries(), 4);
        assert_eq!(BufferRing::new(1).unwrap().entries(), 1);
        assert_eq!(BufferRing::new(0).unwrap_err(), Errno::EINVAL);
        assert_eq!(BufferRing::new(40_000).unwrap_err(), Errno::EINVAL);
    }
}
