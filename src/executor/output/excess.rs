//! What becomes of writes for which a connection has no room, and of a peer that reads too slowly.
//!
//! Knows: the bound of an output, its policy, how long it has been high. Must not know clocks, nor who is told.
//!
//! An output is *high* from half of its bound on until less than a quarter is queued. One that has been for as long as its connection
//! allows is *slow*: then its policy applies as if the bound were half of what it is. Of an output of which old writes may be dropped, a
//! send takes no more than half of the bound from where they wait: what it carries can make room for nothing.

use super::Output;
use super::aside::Stays;
use crate::mem::{Full, SendPool};
use crate::sys::Time;

/// What becomes of the output of a connection whose peer reads too slowly: see [`Connection::OUTBOX_OVERFLOW`](crate::Connection::OUTBOX_OVERFLOW).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overflow {
    /// The connection ends, with [`StopReason::OutboxFull`](crate::StopReason::OutboxFull): its peer sees a reset.
    #[default]
    Close,
    /// What is written is left out. [`Context::try_write`](crate::Context::try_write) says so, and leaves it to the actor.
    Refuse,
    /// The oldest of what waits is left out, whole writes of it, so that there is room for the newest.
    DropOldest,
}

/// What a connection has no room within.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bound {
    /// What its outbox may hold.
    #[default]
    Bytes,
    /// The places that may be open in it.
    Places,
    /// What all connections of the core may have waiting outside of slots.
    Spill,
}

/// How an output stands with regard to its bound and to what it carries, in one byte.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Excess(u8);

impl Excess {
    const OVERFLOWED: u8 = 1;
    const SLOW: u8 = 2;
    const REFUSES: u8 = 4;
    const DROPS: u8 = 8;
    /// Which bound was met last, before it overflowed.
    const BY_PLACES: u8 = 16;
    const BY_SPILL: u8 = 32;
    const LOST: u8 = 64;

    #[inline]
    fn has(self, any: u8) -> bool {
        self.0 & any != 0
    }

    fn set(&mut self, bit: u8, on: bool) {
        self.0 = if on { self.0 | bit } else { self.0 & !bit };
    }
}

/// Writes that were left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// For which there was no room.
    pub refused: u32,
    /// That waited, and had to make room.
    pub dropped: u32,
}

impl Output {
    /// What becomes of writes for which there is no room. Unless this is said, the connection ends.
    #[must_use]
    pub fn overflowing(mut self, overflow: Overflow) -> Output {
        self.excess.set(Excess::REFUSES, overflow == Overflow::Refuse);
        self.excess.set(Excess::DROPS, overflow == Overflow::DropOldest);
        self
    }

    /// True if writes may be left out without an end of the connection: each then has to be whole.
    #[must_use]
    pub fn is_lenient(&self) -> bool {
        self.excess.has(Excess::REFUSES | Excess::DROPS)
    }

    #[inline]
    pub(super) fn drops_oldest(&self) -> bool {
        self.excess.has(Excess::DROPS)
    }

    /// True if a write was refused for which the connection has to end.
    #[inline]
    #[must_use]
    pub fn overflowed(&self) -> bool {
        self.excess.has(Excess::OVERFLOWED)
    }

    /// True if something that was written has been [lost](Output::lose).
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.excess.has(Excess::LOST)
    }

    pub(super) fn note_lost(&mut self) {
        self.excess.set(Excess::LOST, true);
    }

    /// Something is refused for this bound. Once the connection has to end, it ends for the one before.
    #[cold]
    pub(super) fn refuse(&mut self, bound: Bound) -> Full {
        if self.overflowed() {
            return Full;
        }
        self.excess.set(Excess::BY_PLACES, bound == Bound::Places);
        self.excess.set(Excess::BY_SPILL, bound == Bound::Spill);
        Full
    }

    /// The bound for which the connection has to end; unless it has, the one for which something was refused last.
    #[must_use]
    pub fn refused_by(&self) -> Bound {
        if self.excess.has(Excess::BY_SPILL) {
            Bound::Spill
        } else if self.excess.has(Excess::BY_PLACES) {
            Bound::Places
        } else {
            Bound::Bytes
        }
    }

    /// Refused if there is no room for so many bytes within the bound of the outbox.
    pub fn look_for_room(&mut self, bytes: usize) -> Result<(), Full> {
        if bytes > self.room() && !self.is_finished() { Err(self.refuse(Bound::Bytes)) } else { Ok(()) }
    }

    /// Remembers that something was refused, for which its connection will be closed.
    pub fn overflow(&mut self) {
        self.excess.set(Excess::OVERFLOWED, true);
    }

    /// Remembers that a write was refused: whether the connection ends for it, its policy says.
    pub fn leave_out(&mut self) {
        if !self.is_lenient() {
            return self.overflow();
        }
        let aside = self.aside();
        aside.untold.refused += 1;
        aside.lost = aside.lost.saturating_add(1);
    }

    /// True if what was written can be sent, and nothing is to be told of it, nor can be: nothing is ever dropped from it.
    #[inline]
    #[must_use]
    pub fn is_sound(&self) -> bool {
        !self.excess.has(Excess::OVERFLOWED | Excess::DROPS)
            && !self.aside.as_ref().is_some_and(|aside| aside.is_troubled())
    }

    /// What was left out since this was asked last.
    pub fn take_left_out(&mut self) -> LeftOut {
        let left_out =
            self.aside.as_mut().map_or_else(LeftOut::default, |aside| std::mem::take(&mut aside.untold));
        self.drop_idle();
        left_out
    }

    /// Writes that were left out since nothing was queued last.
    #[must_use]
    pub fn lost(&self) -> u32 {
        self.aside.as_ref().map_or(0, |aside| aside.lost)
    }

    /// Notes the time if the output is high and was not; answers since when it has been.
    pub fn note_high(&mut self, now: Time) -> Option<Time> {
        if self.is_high() && self.high_since().is_none() {
            self.aside().high_since = Some(now);
        }
        self.high_since()
    }

    /// Since when the output has been high.
    #[must_use]
    pub fn high_since(&self) -> Option<Time> {
        self.aside.as_ref()?.high_since
    }

    /// True if it has been high for too long.
    #[inline]
    #[must_use]
    pub fn is_slow(&self) -> bool {
        self.excess.has(Excess::SLOW)
    }

    /// It has been high for too long.
    pub fn be_slow(&mut self) {
        self.excess.set(Excess::SLOW, true);
    }

    /// Notes if less than a quarter of the bound is queued.
    pub(super) fn look_for_fall(&mut self) {
        if self.queued > self.low() {
            return;
        }
        self.excess.set(Excess::SLOW, false);
        if let Some(aside) = &mut self.aside {
            aside.high_since = None;
        }
    }

    /// Bytes of the send in flight.
    pub(super) fn in_flight(&self) -> usize {
        (self.queued - self.chain.bytes()) as usize - self.bytes_aside()
    }

    /// Makes room for a write, if there is none and old ones may be dropped. Refused if there is none then, or the peer is slow and
    /// writes are refused for that.
    pub(super) fn make_way(&mut self, pool: &SendPool, bytes: usize) -> Result<(), Full> {
        if self.is_slow() && !self.drops_oldest() {
            return Err(self.refuse(Bound::Bytes));
        }
        self.make_room(pool, bytes)?;
        while self.is_slow() && self.queued as usize + bytes > self.half() as usize {
            if !self.drop_oldest(pool) {
                break;
            }
        }
        Ok(())
    }

    /// Makes room within the bound, if there is none and as many old writes may be dropped.
    pub(super) fn make_room(&mut self, pool: &SendPool, bytes: usize) -> Result<(), Full> {
        let can_go = self.aside.as_ref().map_or(0, |aside| aside.droppable());
        if bytes > self.room() + can_go {
            return Err(self.refuse(Bound::Bytes));
        }
        while bytes > self.room() && self.drop_oldest(pool) {}
        Ok(())
    }

    /// Has a write wait behind others, from where it may be dropped.
    pub(super) fn wait(&mut self, pool: &SendPool, bytes: &[u8]) -> Result<(), Full> {
        while self.spill(pool, bytes, Stays::No).is_err() {
            if !self.drop_oldest(pool) {
                return Err(Full);
            }
        }
        Ok(())
    }

    /// Drops the oldest write that waits and may be; false if there is none.
    fn drop_oldest(&mut self, pool: &SendPool) -> bool {
        let ahead = self.queued as usize - self.bytes_aside();
        let Some(aside) = &mut self.aside else { return false };
        let Some(dropped) = aside.drop_oldest(ahead) else { return false };
        aside.untold.dropped += 1;
        aside.lost = aside.lost.saturating_add(1);
        pool.waited(dropped);
        self.queued -= dropped as u32;
        true
    }
}
