//! The provided buffers of a ring: who holds which, and how far each is filled.
//!
//! Knows: the layout of a buffer ring, incremental consumption. Must not know connections.
//!
//! Invariants:
//! 1. Both mappings are leaked: they are valid until the process ends.
//! 2. A buffer is in the ring exactly while the kernel is one of its holders.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed};
use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::{BufRingEntry, IOU_PBUF_RING_INC};
use io_uring::{Submitter, cqueue};

/// The buffer group of the pool; a ring has one.
pub(crate) const GROUP: u16 = 0;

/// How the pool is cut.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// How many buffers: a power of two.
    pub(crate) buffers: u16,
    pub(crate) buffer_bytes: u32,
    /// Whether the kernel fills a buffer in several completions, or hands it over with the first.
    pub(crate) incremental: bool,
}

/// Received bytes: a part of one buffer.
#[derive(Clone, Copy, Default)]
pub(crate) struct Segment {
    /// Offset in the pool.
    pub(crate) start: u32,
    pub(crate) len: u32,
    pub(crate) buffer: u16,
}

#[derive(Clone, Copy)]
struct Buffer {
    filled: u32,
    /// The kernel, and every segment that is not yet released.
    holders: u32,
}

pub(crate) struct ReceivePool {
    memory: *mut u8,
    entries: *mut BufRingEntry,
    tail: u16,
    /// How many buffers the kernel holds.
    provided: u16,
    shape: Shape,
    buffers: Vec<Buffer>,
}

impl ReceivePool {
    /// Allocates the buffers and registers them with the ring.
    pub(crate) fn register(submitter: &Submitter<'_>, shape: Shape) -> io::Result<ReceivePool> {
        let memory = map(usize::from(shape.buffers) * shape.buffer_bytes as usize);
        let entries: *mut BufRingEntry = map(usize::from(shape.buffers) * size_of::<BufRingEntry>()).cast();
        let flags = if shape.incremental { IOU_PBUF_RING_INC as u16 } else { 0 };
        // SAFETY: invariant 1; the mapping has room for the entries.
        unsafe { submitter.register_buf_ring_with_flags(entries as u64, shape.buffers, GROUP, flags)? };
        let buffers = vec![Buffer { filled: 0, holders: 0 }; usize::from(shape.buffers)];
        let mut pool = ReceivePool { memory, entries, tail: 0, provided: 0, shape, buffers };
        (0..shape.buffers).for_each(|buffer| pool.provide(buffer));
        pool.publish();
        Ok(pool)
    }

    /// What a completion received, if anything.
    #[inline]
    pub(crate) fn take(&mut self, completion: &cqueue::Entry) -> Option<Segment> {
        let buffer = cqueue::buffer_select(completion.flags())?;
        let len = completion.result().max(0).cast_unsigned();
        let state = &mut self.buffers[usize::from(buffer)];
        let start = u32::from(buffer) * self.shape.buffer_bytes + state.filled;
        state.filled += len;
        state.holders += 1;
        if !cqueue::buffer_more(completion.flags()) {
            self.provided -= 1;
            self.release(buffer);
        }
        if len == 0 {
            self.release(buffer);
            return None;
        }
        Some(Segment { start, len, buffer })
    }

    /// Gives up one hold; the last one returns the buffer to the kernel.
    #[inline]
    pub(crate) fn release(&mut self, buffer: u16) {
        let state = &mut self.buffers[usize::from(buffer)];
        state.holders -= 1;
        if state.holders == 0 {
            self.provide(buffer);
        }
    }

    /// Shows the kernel the buffers that came back since the last call.
    #[inline]
    pub(crate) fn publish(&mut self) {
        // SAFETY: `entries` is the base of the ring, as required.
        let tail = unsafe { BufRingEntry::tail(self.entries) };
        // SAFETY: invariant 1; the kernel reads this word atomically.
        let tail = unsafe { &*tail.cast::<AtomicU16>() };
        // The kernel must see the entries before it sees the tail that covers them.
        tail.store(self.tail, Ordering::Release);
    }

    /// How many buffers receives would find.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        usize::from(self.provided)
    }

    /// The memory of received bytes, for a send.
    #[inline]
    pub(crate) fn pointer(&self, start: u32) -> *const u8 {
        // SAFETY: `start` came from `take`, inside the mapping.
        unsafe { self.memory.add(start as usize) }
    }

    /// The received bytes of a segment that is not yet released.
    #[inline]
    pub(crate) fn bytes(&self, segment: Segment) -> &[u8] {
        // SAFETY: the kernel has written these bytes and, as the segment holds the buffer, writes them no more.
        unsafe { std::slice::from_raw_parts(self.pointer(segment.start), segment.len as usize) }
    }

    fn provide(&mut self, buffer: u16) {
        self.buffers[usize::from(buffer)] = Buffer { filled: 0, holders: 1 };
        let address = self.pointer(u32::from(buffer) * self.shape.buffer_bytes);
        let index = usize::from(self.tail & (self.shape.buffers - 1));
        // SAFETY: the index is below the number of entries.
        let entry = unsafe { self.entries.add(index) };
        // SAFETY: the kernel does not read an entry beyond the published tail.
        let entry = unsafe { &mut *entry };
        entry.set_addr(address as u64);
        entry.set_len(self.shape.buffer_bytes);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
        self.provided += 1;
    }
}

/// Zeroed memory on a page boundary, never freed.
fn map(bytes: usize) -> *mut u8 {
    let layout = Layout::from_size_align(bytes.max(4096), 4096).expect("the size of a pool is no overflow");
    // SAFETY: the size is not zero.
    let memory = unsafe { alloc_zeroed(layout) };
    assert!(!memory.is_null(), "out of memory");
    memory
}
