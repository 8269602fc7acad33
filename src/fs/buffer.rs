//! What a file can be read into, and written from.
//!
//! Knows: memory that is moved in and handed back. Must not know files.

use crate::mem::{self, RegionBuf};

/// Memory that a [`File`](super::File) is read into or written from: a vector, or a block of a [`Region`](super::Region). It is moved
/// in and handed back. It stays with what has been asked if nobody waits for that any more.
pub trait Buffer: Sealed {}

impl Buffer for Vec<u8> {}
impl Buffer for RegionBuf {}

/// Kinds are not added from outside: the kernel writes there.
pub trait Sealed: Sized {
    /// To be used by the kernel.
    fn moved_in(self) -> mem::Buffer;

    /// The same memory, of the same kind.
    fn handed_back(buffer: mem::Buffer) -> Self;
}

impl Sealed for Vec<u8> {
    fn moved_in(self) -> mem::Buffer {
        self.into()
    }

    fn handed_back(buffer: mem::Buffer) -> Vec<u8> {
        match buffer {
            mem::Buffer::Vec(bytes) => bytes,
            mem::Buffer::Block(_) => unreachable!("a request comes back as it went"),
        }
    }
}

impl Sealed for RegionBuf {
    fn moved_in(self) -> mem::Buffer {
        self.into()
    }

    fn handed_back(buffer: mem::Buffer) -> RegionBuf {
        match buffer {
            mem::Buffer::Block(block) => block,
            mem::Buffer::Vec(_) => unreachable!("a request comes back as it went"),
        }
    }
}
