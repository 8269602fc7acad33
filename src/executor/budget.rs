//! How much a cell does before it is the turn of others.
//!
//! Knows: messages, and when to look at the clock. Must not know what is handled.

use super::core::Core;
use crate::sys::Time;

/// Messages until the next look at the clock, and how many will have been handled then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Messages {
    left: u32,
    look_at: u32,
}

/// Counts messages and time within one activation.
#[derive(Debug)]
pub struct Budget {
    messages: Messages,
    /// Zero until the clock has been looked at.
    deadline: Time,
}

impl Messages {
    /// Reading the clock costs more than a small message, so the first look comes after a few, later ones at each
    /// doubling: a fast actor pays a fraction of a nanosecond per message, a slow one overruns by at most its first few.
    pub(super) const FIRST_LOOK: u32 = 8;

    /// Until the first look, in an activation of at most so many.
    pub(super) fn before_first_look(messages_max: u32) -> Messages {
        let first = Self::FIRST_LOOK.min(messages_max);
        Messages { left: first, look_at: first }
    }
}

impl Budget {
    /// A budget for one activation.
    #[inline(always)]
    #[must_use]
    pub fn new(core: &Core) -> Budget {
        Budget { messages: core.first_messages, deadline: Time::ZERO }
    }

    /// Counts one message; false once the budget is used up.
    #[inline(always)]
    pub fn spend(&mut self, core: &Core) -> bool {
        self.messages.left -= 1;
        self.messages.left > 0 || self.look(core)
    }

    #[cold]
    fn look(&mut self, core: &Core) -> bool {
        if self.deadline == Time::ZERO {
            // As it was read last, before this activation began: it counts from there.
            self.deadline = core.now().after(core.config.activation_time);
        }
        let now = core.read_clock();
        let (handled, max) = (self.messages.look_at, core.config.activation_messages);
        let left = handled.min(max.saturating_sub(handled)).max(1);
        self.messages = Messages { left, look_at: handled.saturating_add(left) };
        handled < max && now < self.deadline
    }

    /// Messages handled so far.
    #[inline(always)]
    #[must_use]
    pub fn handled(&self) -> u32 {
        self.messages.look_at - self.messages.left
    }
}
