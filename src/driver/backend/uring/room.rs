//! Memory of a request, as the kernel gets it and hands it back.
//!
//! Knows: bytes, and the room behind them. Must not know what they are for.
//!
//! Invariants:
//! 1. Between `lend_room` and `take_back` the buffer belongs to an operation in flight, which neither reads nor moves its memory.
#![allow(unsafe_code)]

use std::ptr;

use crate::mem::poison;
use crate::sys::Room;

/// The kernel takes no more in one request.
const BYTES_MAX: usize = 0x7fff_f000;

/// What is behind the bytes of a buffer, at most `max` bytes of it, for the kernel to fill.
pub(super) fn lend_room(buffer: &mut impl Room, max: usize) -> *mut [u8] {
    // SAFETY: nothing but the kernel writes there.
    let room = unsafe { buffer.room() };
    let (start, len) = (room.as_mut_ptr().cast::<u8>(), room.len());
    poison::forbid(start, len);
    ptr::slice_from_raw_parts_mut(start, len.min(max).min(BYTES_MAX))
}

/// The kernel has filled so much of it, and knows it no more.
///
/// # Panics
/// When it has filled more than there was.
///
/// # Safety
/// The kernel has answered that it has written so many bytes to what `lend_room` named.
pub(super) unsafe fn take_back(buffer: &mut impl Room, bytes: u32) {
    // SAFETY: nothing is written there.
    let room = unsafe { buffer.room() };
    poison::allow(room.as_mut_ptr().cast(), room.len());
    assert!(bytes as usize <= room.len(), "the kernel wrote more than it was given room for");
    // SAFETY: there is room for them (looked at above), and the kernel has written them (promised by the caller) while nobody else
    // used the buffer (invariant 1).
    unsafe { buffer.filled(bytes as usize) };
}

/// The bytes of a buffer from `from` on, for the kernel to read.
pub(super) fn lend(buffer: &[u8], from: usize) -> *const [u8] {
    let bytes = &buffer[from.min(buffer.len())..];
    let bytes = &bytes[..bytes.len().min(BYTES_MAX)];
    poison::forbid(bytes.as_ptr(), bytes.len());
    bytes
}

/// The kernel reads the bytes no more.
pub(super) fn lent(buffer: &[u8]) {
    poison::allow(buffer.as_ptr(), buffer.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_filled_belongs_to_the_vector() {
        let mut buffer = Vec::with_capacity(8);
        // What lies behind the bytes stands for what the kernel writes there: nobody else may while it has the room.
        buffer.extend_from_slice(b"abc");
        buffer.truncate(2);
        assert_eq!(lend_room(&mut buffer, 3).len(), 3);
        let room = lend_room(&mut buffer, usize::MAX);
        assert_eq!(room.len(), buffer.capacity() - 2);
        // SAFETY: one byte was written.
        unsafe { take_back(&mut buffer, 1) };
        assert_eq!(buffer, b"abc");
    }

    #[cfg(odeon_asan)]
    #[test]
    fn memory_is_off_limits_while_the_kernel_has_it() {
        use crate::mem::poison::is_forbidden;

        let mut buffer = Vec::with_capacity(64);
        buffer.extend_from_slice(&[7; 32]);
        let room = lend_room(&mut buffer, usize::MAX).cast::<u8>().cast_const();
        assert!(is_forbidden(room) && !is_forbidden(buffer.as_ptr()));
        // SAFETY: nothing was written.
        unsafe { take_back(&mut buffer, 0) };
        assert!(!is_forbidden(room));
        lend(&buffer, 8);
        assert!(is_forbidden(buffer.as_ptr().wrapping_add(8)));
        lent(&buffer);
        assert!(!is_forbidden(buffer.as_ptr().wrapping_add(8)));
    }

    #[test]
    #[should_panic(expected = "the kernel wrote more")]
    fn no_more_than_the_room_is_believed() {
        let mut buffer = Vec::with_capacity(8);
        let room = lend_room(&mut buffer, usize::MAX).len() as u32;
        // SAFETY: it panics before it believes it.
        unsafe { take_back(&mut buffer, room + 1) };
    }

    #[test]
    fn bytes_are_lent_from_where_they_are_to_go_on() {
        let buffer = b"hello".to_vec();
        for (from, len) in [(0, 5), (2, 3), (5, 0), (9, 0)] {
            assert_eq!(lend(&buffer, from).len(), len);
            lent(&buffer);
        }
    }
}
