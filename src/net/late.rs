//! Peers that are late: with their first byte, or with the rest of a frame or a body.
//!
//! Knows: since when they have been at it, and how much has come. Must not know frames, nor what becomes of who is late.
//!
//! Nothing is done for the bytes that arrive: a look finds out by when all of it is to have come, and comes again then. It is the one
//! timer of the connection, which is set anew only if it would come too late.

use std::time::Duration;

use super::codec::Decode;
use super::forward::Forward;
use super::wire::{Phase, Stream, Wire};
use crate::executor::{Activation, Core};
use crate::sys::Time;

/// What a peer is late with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    FirstByte,
    Frame,
}

/// A time, to a millisecond or so, in half the room: each connection has one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Since(u32);

impl Since {
    /// Nanoseconds that it is exact to.
    const UNIT: u64 = 1 << 20;

    /// This time, or up to a unit later.
    pub(super) fn of(time: Time) -> Since {
        Since(time.0.div_ceil(Since::UNIT) as u32)
    }

    /// The time, if it is no more than three weeks from another one.
    pub(super) fn near(self, other: Time) -> Time {
        let units = other.0.div_ceil(Since::UNIT);
        let later = self.0.wrapping_sub(units as u32).cast_signed();
        Time(units.saturating_add_signed(later.into()).saturating_mul(Since::UNIT))
    }
}

impl<C: Decode> Wire<C> {
    /// By when the first byte is to have come, if it is awaited.
    fn first_byte_at(&self) -> Time {
        let tied = self.fed || self.forward != Forward::No;
        if !self.is_unheard() || tied || self.stream != Stream::Open {
            return Time::MAX;
        }
        self.inward.silent.near(self.active).after(self.shared.first_byte_timeout)
    }

    /// True if nothing has arrived.
    #[inline]
    fn is_unheard(&self) -> bool {
        matches!(self.phase, Phase::Silent | Phase::Starving)
    }

    /// The time for the first byte begins anew, if it has not come.
    #[cold]
    #[inline(never)]
    pub(super) fn await_first_byte(&mut self, activation: &Activation<'_>) {
        if self.is_unheard() {
            self.inward.silent = Since::of(activation.core.now());
            if self.stopping.is_none() && self.first_byte_at() < self.due {
                self.look_earlier(activation);
            }
        }
    }

    /// It is not read from now on. As long as the first byte is awaited, that is not what counts.
    pub(super) fn note_unread(&mut self, now: Time) {
        if self.deaf || !self.is_unheard() {
            self.inward.silent = Since::of(now);
        }
    }

    /// The first byte has arrived, or nobody looks for that any more.
    #[inline]
    fn note_first_byte(&mut self) {
        if self.is_unheard() {
            self.phase = Phase::Open;
        }
    }

    /// Bytes have arrived.
    #[inline]
    pub(super) fn heard(&mut self, now: Time) {
        self.active = now;
        self.note_first_byte();
        self.last_call.heard();
    }

    /// There was no buffer for what may have arrived.
    pub(super) fn note_starving(&mut self) {
        if self.phase == Phase::Silent {
            self.phase = Phase::Starving;
        }
    }

    /// By when what has begun is to have come whole.
    fn frame_at(&self, core: &Core) -> Time {
        let begun = self.inward.begun().filter(|_| self.is_heard());
        let Some((begun, got)) = begun else { return Time::MAX };
        let earned = got.saturating_mul(1_000_000) / u64::from(core.config.frame_rate_min);
        begun.after(self.shared.frame_timeout).after(Duration::from_micros(earned))
    }

    /// When the peer will be late with something.
    pub(super) fn late_at(&self, core: &Core) -> Time {
        self.first_byte_at().min(self.frame_at(core))
    }

    /// What the peer is late with by now. Before its first byte, one that does not read is none that waits. Where there was no buffer for
    /// what is awaited, its peer has all of its time again.
    pub(super) fn is_late(&mut self, core: &Core) -> Option<Late> {
        if core.now() >= self.first_byte_at() {
            if self.phase == Phase::Starving {
                (self.phase, self.inward.silent) = (Phase::Silent, Since::of(core.now()));
                return None;
            }
            if self.receiving && !self.cancelling {
                return Some(Late::FirstByte);
            }
            self.note_first_byte();
        }
        if core.now() < self.frame_at(core) {
            return None;
        }
        if self.inward.was_dry(&core.pools.receive) {
            self.inward.excuse();
            self.inward.note_begun(core.now());
            return None;
        }
        Some(Late::Frame)
    }

    /// Something has come in part, or is to come: there is a look in time for it.
    #[inline(never)]
    pub(super) fn watch_frame(&mut self, activation: &Activation<'_>) {
        let core = activation.core;
        self.inward.note_begun(core.now());
        if self.is_open() && self.stopping.is_none() && self.frame_at(core) < self.due {
            self.look_earlier(activation);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_in_half_the_room_is_found_again_from_one_that_is_not_far_from_it() {
        let wraps = Since::UNIT << 32;
        for time in [0, 1, 5 * Since::UNIT, wraps - 1, wraps, wraps + 1, 7 * wraps + 12_345] {
            for later in [0, 1, Since::UNIT, 1_000_000_000, wraps / 2 - 2 * Since::UNIT] {
                let found = Since::of(Time(time)).near(Time(time + later)).0;
                assert!((time..time + Since::UNIT).contains(&found), "{found} for {time}, {later} later");
            }
        }
    }
}
