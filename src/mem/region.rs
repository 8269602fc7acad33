//! One allocation that a pool cuts its buffers from.
//!
//! Knows: zeroed bytes, aligned to pages. Must not know what they are for.
//!
//! Invariants:
//! 1. `start` is aligned to a page, and at least `len` bytes from there on lie within the allocation.
//! 2. The allocation lives as long as the value and is zeroed at the start, so every byte is initialised.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use super::poison;

const PAGE: usize = 4096;

/// Zeroed memory, aligned to a page, off limits until the pool hands it out.
#[derive(Debug)]
pub(super) struct Region {
    allocation: NonNull<u8>,
    layout: Layout,
    start: *mut u8,
    len: usize,
}

impl Region {
    /// So many bytes, at least one, all resident from the start: for a pool that comes to use every byte soon, however little
    /// it holds at a time.
    ///
    /// # Panics
    /// As [`Region::new`].
    pub(super) fn resident(len: usize) -> Region {
        let region = Region::new(len);
        poison::allow(region.start, len);
        for page in (0..len).step_by(PAGE) {
            // SAFETY: lies within the allocation (invariant 1), which nobody else knows yet. Volatile, because memory that is
            // known to be zero would not be written to otherwise.
            unsafe { region.address(page).write_volatile(0) };
        }
        poison::forbid(region.start, len);
        region
    }

    /// So many bytes, at least one. They become resident page by page, as they are first written.
    ///
    /// # Panics
    /// When that exceeds the address space: `Config` bounds the pools.
    pub(super) fn new(len: usize) -> Region {
        Region::try_new(len).unwrap_or_else(|| handle_alloc_error(layout(len)))
    }

    /// The same, or none if the machine has not so much memory.
    ///
    /// # Panics
    /// As [`Region::new`].
    pub(super) fn try_new(len: usize) -> Option<Region> {
        let layout = layout(len);
        // SAFETY: the size is not zero.
        let allocation = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        let start = allocation.as_ptr().wrapping_add(allocation.as_ptr().align_offset(PAGE));
        poison::forbid(start, len);
        Some(Region { allocation, layout, start, len })
    }

    /// The address of a byte of the region, or of its end.
    ///
    /// # Panics
    /// When it lies beyond.
    pub(super) fn address(&self, offset: usize) -> *mut u8 {
        assert!(offset <= self.len, "an address within the region");
        self.start.wrapping_add(offset)
    }
}

fn layout(len: usize) -> Layout {
    assert!(len > 0, "a region has at least one byte");
    // Asked for with a small alignment and aligned in `try_new`: the allocator would clear memory of a large alignment by
    // writing to it, and all of it would be resident from the start.
    let size = len.checked_add(PAGE).and_then(|size| Layout::from_size_align(size, 16).ok());
    size.expect("Config bounds the pools")
}

impl Drop for Region {
    fn drop(&mut self) {
        poison::allow(self.start, self.len);
        // SAFETY: allocated in `new` with this layout; whoever drops the region has made sure that nobody, the kernel
        // included, refers to it any more.
        unsafe { dealloc(self.allocation.as_ptr(), self.layout) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_aligned_and_bounded() {
        let region = Region::new(100);
        assert_eq!(region.address(0) as usize % PAGE, 0);
        assert_eq!(region.address(100) as usize, region.address(0) as usize + 100);
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| region.address(101))).is_err());
    }
}
