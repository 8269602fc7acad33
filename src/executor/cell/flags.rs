//! What is noted of a cell, one bit each, and what it can be asked.
//!
//! Knows: the bits. Must not know what follows from them.

use crate::executor::watches::Fate;

pub(super) const QUEUED: u32 = 1;
pub(super) const CLOSED: u32 = 2;
pub(super) const STOP: u32 = 4;
pub(super) const ABORT: u32 = 8;
pub(super) const IO: u32 = 16;
pub(super) const RAN: u32 = 32;
pub(super) const BROKEN: u32 = 64;
pub(super) const ERRANDS: u32 = 128;
pub(super) const SUSPENDED: u32 = 256;
pub(super) const PAUSES: u32 = 512;
pub(super) const BODY: u32 = 1024;
pub(super) const OVERFLOW: u32 = 2048;
pub(super) const LINK_ENDED: u32 = 4096;
pub(super) const HALT: u32 = 8192;
pub(super) const GIVE_UP: u32 = 16384;
pub(super) const BEGIN: u32 = 32768;
pub(super) const KEPT: u32 = 65536;
pub(super) const CUT: u32 = 131_072;
pub(super) const NAMED: u32 = 262_144;

/// Where the fate of a closed cell begins, above all flags.
const FATE: u32 = u32::BITS - Fate::BITS;

/// The same flags of a cell that is closed, and ends for this reason.
#[inline(always)]
pub(super) const fn closed(flags: u32, fate: Fate) -> u32 {
    debug_assert!(fate.0 >> Fate::BITS == 0, "a fate has room beside the flags");
    flags & ((1 << FATE) - 1) | CLOSED | (fate.0 as u32) << FATE
}

/// Why a cell ended with these flags.
pub(super) const fn fate(flags: u32) -> Fate {
    Fate((flags >> FATE) as u16)
}

const _: () = assert!(NAMED < 1 << FATE);

/// What has been asked of a cell from outside, beside its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Stop after the current message.
    Stop,
    /// Stop after the current message, because an actor that this one is tied to has ended.
    EndLink,
    /// End after the current message, and begin again when that is [said](super::Cells::begin).
    Halt,
    /// Stop, because whoever would have it begin again does not.
    GiveUp,
    /// End now.
    Abort,
    /// End now, because code that was lent its state has panicked.
    Broken,
    /// End now, because its mailbox had no room.
    Overflow,
}

impl Demand {
    pub(super) const fn flag(self) -> u32 {
        match self {
            Demand::Stop => STOP,
            Demand::EndLink => LINK_ENDED,
            Demand::Halt => HALT,
            Demand::GiveUp => GIVE_UP,
            Demand::Abort => ABORT,
            Demand::Broken => BROKEN,
            Demand::Overflow => OVERFLOW,
        }
    }

    /// The flags of what is no more asked of a cell once this has been taken. An actor that is broken may be begun again: whatever else is
    /// asked of it is asked of the cell still.
    pub(super) const fn settled(self) -> u32 {
        match self {
            Demand::Broken => BROKEN,
            _ => DEMANDS,
        }
    }
}

/// Everything that a cell can be asked.
pub(super) const DEMANDS: u32 = STOP | LINK_ENDED | HALT | GIVE_UP | ABORT | BROKEN | OVERFLOW;
