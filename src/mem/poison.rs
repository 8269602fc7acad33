//! Memory that nobody may touch for now, as AddressSanitizer sees it.
//!
//! Knows: the sanitizer's two calls. Must not know why memory is off limits.
//!
//! The sanitizer does not see the kernel write into memory, nor that memory is the kernel's. So in builds with
//! `--cfg odeon_asan` the pools poison what is free or in the kernel's hands: any access of ours is then reported. In other
//! builds these functions do nothing.
//!
//! Invariants: 1. The calls change the sanitizer's own notes alone, never the memory.
#![allow(unsafe_code)]

#[cfg(odeon_asan)]
unsafe extern "C" {
    fn __asan_poison_memory_region(start: *const u8, len: usize);
    fn __asan_unpoison_memory_region(start: *const u8, len: usize);
}

#[cfg(all(test, odeon_asan))]
pub(crate) fn is_forbidden(address: *const u8) -> bool {
    unsafe extern "C" {
        fn __asan_address_is_poisoned(address: *const u8) -> i32;
    }
    // SAFETY: only the sanitizer's notes are read.
    unsafe { __asan_address_is_poisoned(address) != 0 }
}

/// From now on an access to these bytes is an error. Bytes that share a word with others may be let off.
pub(crate) fn forbid(start: *const u8, len: usize) {
    #[cfg(odeon_asan)]
    // SAFETY: the memory itself is not touched (invariant 1).
    unsafe {
        __asan_poison_memory_region(start, len);
    }
    let _ = (start, len);
}

/// From now on these bytes may be accessed.
pub(crate) fn allow(start: *const u8, len: usize) {
    #[cfg(odeon_asan)]
    // SAFETY: the memory itself is not touched (invariant 1).
    unsafe {
        __asan_unpoison_memory_region(start, len);
    }
    let _ = (start, len);
}

#[cfg(all(test, odeon_asan))]
mod tests {
    use super::is_forbidden;
    use crate::mem::{Chain, ReceivePool, SendPool};

    #[test]
    fn received_bytes_may_be_read_while_they_are_lent() {
        let pool = ReceivePool::new(1, 64);
        let buffer = pool.take_for_kernel().unwrap();
        let address = pool.buffer_address(buffer);
        assert!(is_forbidden(address), "the buffer is with the kernel");
        let lease = pool.lend_from_kernel(buffer, 16, true);
        assert!(!is_forbidden(address) && is_forbidden(address.wrapping_add(16)));
        pool.release(lease);
        assert!(is_forbidden(address));
    }

    #[test]
    fn what_was_released_while_it_was_kept_is_off_limits_once_that_is_let_go() {
        for kernel in [true, false] {
            let pool = ReceivePool::new(4, 64);
            let buffer = if kernel { pool.take_for_kernel() } else { pool.take_free() }.unwrap();
            let address = pool.buffer_address(buffer);
            let lease = if kernel {
                pool.lend_from_kernel(buffer, 16, true)
            } else {
                pool.fill(buffer, |_| Ok(16)).unwrap().unwrap()
            };
            let kept = pool.keep(pool.bytes(&lease), 1).unwrap();
            pool.release(lease);
            assert!(!is_forbidden(address), "it is kept");
            drop(kept);
            pool.take_returned();
            assert!(pool.free() == 3 && is_forbidden(address), "the buffer is still being filled");
        }
    }

    #[test]
    fn bytes_to_send_are_off_limits_once_they_are_with_the_kernel() {
        let pool = SendPool::new([1, 0, 0, 0, 0]);
        let mut chain = Chain::EMPTY;
        pool.write(&mut chain, b"hello").unwrap();
        let address = pool.segments(&chain, 0).next().unwrap().as_ptr();
        assert!(!is_forbidden(address));
        pool.hand_over(&chain);
        assert!(is_forbidden(address));
        pool.release(chain);
        pool.write(&mut Chain::EMPTY, b"again").unwrap();
        assert!(!is_forbidden(address), "the slot is used again");
    }
}
