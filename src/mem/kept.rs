//! Bytes of receive buffers that are kept beyond their lease, by anybody, on any thread.
//!
//! Knows: the memory of a pool, the way back to it. Must not know why somebody keeps them, nor when the pool takes them back.
//!
//! Invariants:
//! 1. The bytes of a [`Kept`] were written before it was made, and nobody writes to them before it has been given back: the pool
//!    counts it as a part of its buffer that is lent.
//! 2. The memory lives as long as anything that names a part of it: a `Kept` and the pool hold a reference each.
#![allow(unsafe_code)]

use std::slice;
use std::sync::Arc;

use super::region::Region;
use super::returns::Returns;

/// The memory of a pool of receive buffers. It outlives the pool as long as somebody keeps bytes of it.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) region: Region,
    pub(super) returns: Returns,
}

// SAFETY: an allocation is freed by any thread as well as by the one that made it, and the rest can be sent anyway.
unsafe impl Send for Memory {}
// SAFETY: other threads than that of the pool get at the region by a `Kept` alone, which reads bytes that nobody writes
// (invariant 1); that the pool writes elsewhere in it is no race. The rest can be shared anyway.
unsafe impl Sync for Memory {}

/// Bytes of a buffer, from an offset in the region on. The buffer is told when they are let go.
#[derive(Debug)]
pub(super) struct Kept {
    memory: Arc<Memory>,
    offset: usize,
    len: usize,
    buffer: u16,
}

impl Kept {
    /// Keeps bytes that the caller has looked at, and has entered into the books: they were written, nobody writes to them, and
    /// they are a part of this buffer.
    ///
    /// # Safety
    /// The first of invariants, until `buffer` comes back from the returns of the memory.
    pub(super) unsafe fn new(memory: &Arc<Memory>, offset: usize, len: usize, buffer: u16) -> Kept {
        Kept { memory: Arc::clone(memory), offset, len, buffer }
    }
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: written bytes of the region, which nobody writes to (invariant 1) and which lives (invariant 2).
        unsafe { slice::from_raw_parts(self.memory.region.address(self.offset), self.len) }
    }
}

impl Drop for Kept {
    /// Tells the pool, and wakes nobody: whatever is kept, there are buffers left that do not wait for it, since the pool refuses
    /// to keep more than that. So nobody starves who could only be fed by this one.
    fn drop(&mut self) {
        self.memory.returns.give(self.buffer);
    }
}
