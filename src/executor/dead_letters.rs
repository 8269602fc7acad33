//! Messages that are not delivered.
//!
//! Knows: that one is being dropped. Must not know why, nor what it is.

use std::cell::Cell;

use super::core::Core;
use super::task_answer::AskError;

/// What a core knows of its dead letters.
#[derive(Debug, Default)]
pub struct DeadLetters {
    evicting: Cell<bool>,
}

impl DeadLetters {
    /// True while something is dropped for which there was no room.
    #[must_use]
    pub fn is_evicting(&self) -> bool {
        self.evicting.get()
    }

    /// Notes that something is dropped while `run` runs, also if that panics.
    pub fn while_evicting(&self, run: impl FnOnce()) {
        struct Restore<'a>(&'a Cell<bool>, bool);
        impl Drop for Restore<'_> {
            fn drop(&mut self) {
                self.0.set(self.1);
            }
        }
        let _restore = Restore(&self.evicting, self.evicting.replace(true));
        run();
    }
}

impl Core {
    /// Drops something for which there was no room; whoever has asked is told so.
    #[cold]
    pub fn drop_unanswered<T>(&self, value: T) {
        self.unanswered_because(AskError::Full, || self.drop_contained(value));
    }
}
