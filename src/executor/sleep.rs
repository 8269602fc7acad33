//! When a core must be woken.
//!
//! Knows: that a core sleeps, or is about to. Must not know what wakes it, nor what for.
//!
//! A core announces that it will sleep, looks once more at everything that others can fill, and sleeps. A pusher publishes
//! and looks for the announcement. That is two stores to two places, each followed by a look at the other place, with a
//! sequentially consistent fence in between on both sides. The fences have one order:
//!
//! - the pusher's is first: what it published is seen by the core's last look, and the core does not sleep;
//! - the core's is first: the pusher sees the announcement, or something written after it: either by another pusher, who
//!   took the announcement and so is about to wake the core, or by the core itself, which is awake and will announce, fence
//!   and look again before it sleeps. (In that second round the pusher's fence is first: had it come after the second
//!   announcement, the pusher would have seen that.)
//!
//! (The flag is changed by swaps only: each takes its place directly after the value that it replaced, so that an
//! announcement cannot be undone by somebody who took an earlier one.)
//!
//! So a core never sleeps on something published unless somebody is on the way to wake it. The reverse happens and is
//! harmless: a wake that comes when the core is awake already makes its next sleep return at once.

use crate::sys::sync::{AtomicBool, Ordering, Padded, fence};

/// The announcement of one core, shared with everybody who fills its lanes.
#[derive(Debug, Default)]
pub struct SleepFlag {
    announced: Padded<AtomicBool>,
}

impl SleepFlag {
    /// The flag of a core that is awake.
    #[must_use]
    pub fn new() -> SleepFlag {
        SleepFlag::default()
    }

    /// The core will sleep. It must now look once more at all that can be filled, and call [`SleepFlag::awake`] when it
    /// has slept or has found something.
    #[inline]
    pub fn announce(&self) {
        // Relaxed: nothing is handed over here. The fence orders it before the looks that follow.
        self.announced.0.swap(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The core does not sleep any more.
    #[inline]
    pub fn awake(&self) {
        // Acquire: what was published by the pusher who took the announcement is seen from here on.
        self.announced.0.swap(false, Ordering::Acquire);
    }

    /// Whether the caller, who has just published something, must wake the core. True for one pusher per announcement.
    #[inline]
    pub fn should_wake(&self) -> bool {
        // Orders what was published before the look at the flag, whatever the ordering of either.
        fence(Ordering::SeqCst);
        // The load keeps the line shared while the core is awake. Of those who see the announcement, the swap picks one.
        // Release: what it has published is seen by the core that it wakes.
        self.announced.0.load(Ordering::Relaxed) && self.announced.0.swap(false, Ordering::Release)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_pusher_per_announcement_wakes() {
        let flag = SleepFlag::new();
        assert!(!flag.should_wake());
        flag.announce();
        assert!(flag.should_wake());
        assert!(!flag.should_wake());
        flag.announce();
        flag.awake();
        assert!(!flag.should_wake());
    }
}
