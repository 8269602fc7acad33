//! What is known of a reset, for whoever judges what became of the bytes before it.
//!
//! Knows: whose doing it was, when, and what was lost by it. Must not know what was promised.

use super::stream::Side;
use crate::sys::Time;

/// How the connection of a peer came to be reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breach {
    /// Whose doing it was.
    pub by: Breaker,
    /// When it was.
    pub at: Time,
    /// Bytes that the kernel at the other end had taken and this one had no room for: they were dropped. What had arrived can be read
    /// still.
    pub lost: usize,
    /// When that kernel took the last of what was sent to this end; the beginning of time if there was nothing.
    pub taken_at: Time,
}

/// Who resets a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaker {
    /// The network, by [`Faults::reset`](super::Faults::reset) or [`Faults::reset_connect`](super::Faults::reset_connect).
    Accident,
    /// The end that asks: it was told to, or has closed with bytes unread, or has been written to after it had closed.
    Itself,
    /// The other end, for one of these reasons.
    Other,
}

/// The first reset of a stream, for both of its ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    /// Which end it came from; none: it was an accident.
    pub(super) by: Option<Side>,
    pub(super) at: Time,
    /// What each end had sent and the other had no room for.
    pub(super) lost: [usize; 2],
}

impl Record {
    /// As the end on this side sees it, to which bytes were taken last at that time.
    pub(super) fn seen_from(&self, side: Side, taken_at: Time) -> Breach {
        let by = match self.by {
            None => Breaker::Accident,
            Some(by) if by == side => Breaker::Itself,
            Some(_) => Breaker::Other,
        };
        Breach { by, at: self.at, lost: self.lost[side.other() as usize], taken_at }
    }
}
