//! What names a cell from anywhere.
//!
//! Knows: core, slot, generation. Must not know what kind of actor lives there.

use crate::driver::Token;
use crate::mem::Key;

/// A core of some system in this process. Ids are unique in the process and never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoreId(pub u32);

/// A cell, on whichever core: what an address is beneath its type. 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RawAddress {
    /// The core on which it lives.
    pub core: CoreId,
    /// Its slot there, and which occupant of the slot it is.
    pub cell: Key,
    /// Room for a machine; always zero today.
    pub node: u32,
}

impl RawAddress {
    /// The address of a cell in this process.
    #[must_use]
    pub fn new(core: CoreId, cell: Key) -> RawAddress {
        RawAddress { core, cell, node: 0 }
    }
}

/// The token of everything that a cell asks of its driver.
#[must_use]
pub fn token(cell: Key) -> Token {
    Token(cell.to_bits())
}

const _: () = assert!(size_of::<RawAddress>() == 16);
