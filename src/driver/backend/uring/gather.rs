//! What a send or a write in several parts names: a message header and its parts.
//!
//! Knows: addresses of parts. Must not know whose they are.
//!
//! Invariants: 1. A gather does not move while the kernel may read it: it lives in a box, owned by a socket in the table, or kept
//!    as the note of a request.
#![allow(unsafe_code)]

use std::fmt;

/// Parts that one entry names; a chain of more goes out in several, one after the other.
pub(super) const PARTS_MAX: usize = 16;

/// A message header and the parts that it points to.
pub(super) struct Gather {
    header: libc::msghdr,
    parts: [libc::iovec; PARTS_MAX],
}

impl fmt::Debug for Gather {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Gather").field("parts", &self.header.msg_iovlen).finish_non_exhaustive()
    }
}

impl Gather {
    pub(super) fn new() -> Gather {
        // SAFETY: a message header of zeroes is a valid one: no name, no parts, no control data.
        let header = unsafe { std::mem::zeroed() };
        let empty = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        Gather { header, parts: [empty; PARTS_MAX] }
    }

    /// Names as many of the parts as fit. The header is for the kernel, as long as the box stays where it is.
    pub(super) fn name<'a>(
        self: &mut Box<Gather>,
        parts: impl Iterator<Item = &'a [u8]>,
    ) -> *const libc::msghdr {
        self.list(parts);
        &raw const self.header
    }

    /// As [`Gather::name`], for what takes the parts and how many there are.
    pub(super) fn list<'a>(
        self: &mut Box<Gather>,
        parts: impl Iterator<Item = &'a [u8]>,
    ) -> (*const libc::iovec, u32) {
        let mut count = 0;
        for (place, part) in self.parts.iter_mut().zip(parts) {
            // The kernel only reads what is sent or written.
            *place = libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() };
            count += 1;
        }
        self.header.msg_iov = self.parts.as_mut_ptr();
        self.header.msg_iovlen = count;
        (self.header.msg_iov, count as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_as_many_parts_as_fit() {
        let text = [7_u8; 3];
        let mut gather = Box::new(Gather::new());
        for (given, named) in [(2, 2), (PARTS_MAX, PARTS_MAX), (40, PARTS_MAX)] {
            let header = gather.name((0..given).map(|_| &text[..]));
            // SAFETY: it points into the box, which lives.
            let header = unsafe { *header };
            assert_eq!(header.msg_iovlen, named);
        }
    }
}
