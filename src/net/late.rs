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

impl<C: Decode> Wire<C> {
    /// By when the first byte is to have come, if it is awaited.
    fn first_byte_at(&self) -> Time {
        let tied = self.fed || self.forward != Forward::No;
        if self.phase != Phase::Silent || tied || self.stream != Stream::Open {
            return Time::MAX;
        }
        self.active.after(self.shared.first_byte_timeout)
    }

    /// The first byte has arrived, or nobody looks for that any more.
    pub(super) fn note_first_byte(&mut self) {
        if self.phase == Phase::Silent {
            self.phase = Phase::Open;
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

    /// What the peer is late with by now. Before its first byte, one that does not read is none that waits.
    pub(super) fn is_late(&mut self, core: &Core) -> Option<Late> {
        if core.now() >= self.first_byte_at() {
            if self.receiving && !self.cancelling {
                return Some(Late::FirstByte);
            }
            self.note_first_byte();
        }
        (core.now() >= self.frame_at(core)).then_some(Late::Frame)
    }

    /// Something has come in part, or is to come: there is a look in time for it.
    #[inline(never)]
    pub(super) fn watch_frame(&mut self, activation: &Activation<'_>) {
        let core = activation.core;
        self.inward.note_begun(core.now());
        if self.is_open() && !self.stopping && self.frame_at(core) < self.due {
            self.look_earlier(activation);
        }
    }
}
