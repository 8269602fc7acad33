//! What names a cell from anywhere.
//!
//! Knows: core, slot, generation. Must not know what kind of actor lives there.

use std::fmt;

use crate::driver::Token;
use crate::mem::Key;

/// A core of some system in this process. Ids are unique in the process and never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoreId(pub u32);

/// A cell, on whichever core: what an address is beneath its type. 16 bytes: two words, which stay in registers on their way, and
/// of which no load takes in more than one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RawAddress {
    /// The core on which it lives below; above, room for a machine, always zero today.
    place: u64,
    /// Its slot there, and which occupant of the slot it is.
    cell: u64,
}

impl RawAddress {
    /// The address of a cell in this process.
    #[inline(always)]
    #[must_use]
    pub fn new(core: CoreId, cell: Key) -> RawAddress {
        RawAddress { place: u64::from(core.0), cell: cell.to_bits() }
    }

    /// The core on which it lives.
    #[inline(always)]
    #[must_use]
    pub fn core(self) -> CoreId {
        CoreId(self.place as u32)
    }

    /// Its slot there, and which occupant of the slot it is.
    #[inline(always)]
    #[must_use]
    pub fn cell(self) -> Key {
        Key::from_bits(self.cell)
    }
}

impl fmt::Debug for RawAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (core, cell) = (self.core(), self.cell());
        write!(out, "RawAddress({}:{}:{})", core.0, cell.index, cell.generation)
    }
}

/// The token of everything that a cell asks of its driver.
#[must_use]
pub fn token(cell: Key) -> Token {
    Token(cell.to_bits())
}

const _: () = assert!(size_of::<RawAddress>() == 16);
