//! Memory that a read fills, or that is written from: one that is moved in and handed back, of either kind.
//!
//! Knows: vectors, blocks of regions. Must not know what is read or written.
//!
//! Invariants: 1. Whatever is promised of the room of a buffer is passed on to the one kind of memory that it is.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};

use super::RegionBuf;
use crate::sys::Room;

/// Bytes, with room behind them. It does not grow by itself.
#[derive(Debug)]
pub enum Buffer {
    /// Of the allocator.
    Vec(Vec<u8>),
    /// Of a region.
    Block(RegionBuf),
}

impl Buffer {
    /// How many bytes there may be.
    #[must_use]
    pub fn capacity(&self) -> usize {
        match self {
            Buffer::Vec(bytes) => bytes.capacity(),
            Buffer::Block(block) => block.capacity(),
        }
    }

    /// So many bytes, of which those that are new are anything.
    ///
    /// # Panics
    /// When a block has no room for so many.
    pub fn resize(&mut self, len: usize) {
        match self {
            Buffer::Vec(bytes) => bytes.resize(len, 0),
            Buffer::Block(block) => block.set_len(len),
        }
    }
}

impl Room for Buffer {
    unsafe fn room(&mut self) -> &mut [MaybeUninit<u8>] {
        match self {
            // SAFETY: promised by the caller.
            Buffer::Vec(bytes) => unsafe { bytes.room() },
            // SAFETY: promised by the caller.
            Buffer::Block(block) => unsafe { block.room() },
        }
    }

    unsafe fn filled(&mut self, count: usize) {
        match self {
            // SAFETY: promised by the caller.
            Buffer::Vec(bytes) => unsafe { bytes.filled(count) },
            // SAFETY: promised by the caller.
            Buffer::Block(block) => unsafe { block.filled(count) },
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Buffer::Vec(bytes) => bytes,
            Buffer::Block(block) => block,
        }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Buffer::Vec(bytes) => bytes,
            Buffer::Block(block) => block,
        }
    }
}

impl Default for Buffer {
    fn default() -> Buffer {
        Buffer::Vec(Vec::new())
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Buffer {
        Buffer::Vec(bytes)
    }
}

impl From<RegionBuf> for Buffer {
    fn from(block: RegionBuf) -> Buffer {
        Buffer::Block(block)
    }
}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Buffer {
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}
