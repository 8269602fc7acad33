//! How much a cell does before it is the turn of others.
//!
//! Knows: messages, and when to look at the clock. Must not know what is handled.

use super::core::Core;
use crate::sys::Time;

/// Counts messages and time within one activation.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Messages until the next look at the clock.
    left: u32,
    /// Messages that will have been handled then.
    look_at: u32,
    /// Zero until the clock has been looked at.
    deadline: Time,
}

impl Budget {
    /// Reading the clock costs more than a small message, so the first look comes after a few, later ones at each
    /// doubling: a fast actor pays a fraction of a nanosecond per message, a slow one overruns by at most its first few.
    pub(super) const FIRST_LOOK: u32 = 8;

    /// A budget for one activation.
    #[inline(always)]
    #[must_use]
    pub fn new(core: &Core) -> Budget {
        Budget { left: core.first_look, look_at: core.first_look, deadline: Time::ZERO }
    }

    /// Counts one message; false once the budget is used up.
    #[inline(always)]
    pub fn spend(&mut self, core: &Core) -> bool {
        self.left -= 1;
        if self.left > 0 {
            return true;
        }
        let (budget, more) = self.looked(core);
        *self = budget;
        more
    }

    /// By value, so that a budget is in registers where nobody looks at the clock.
    #[cold]
    fn looked(mut self, core: &Core) -> (Budget, bool) {
        if self.deadline == Time::ZERO {
            // From the last look, before this activation began: whoever comes behind slow ones may end sooner, behind its first few.
            self.deadline = core.now().after(core.config.activation_time);
        }
        let now = core.read_clock();
        let (handled, max) = (self.look_at, core.config.activation_messages);
        self.left = handled.min(max.saturating_sub(handled)).max(1);
        self.look_at = handled.saturating_add(self.left);
        (self, handled < max && now < self.deadline)
    }

    /// Messages handled so far.
    #[inline(always)]
    #[must_use]
    pub fn handled(&self) -> u32 {
        self.look_at - self.left
    }
}
