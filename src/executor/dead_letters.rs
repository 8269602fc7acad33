//! Messages that are not delivered: what is counted of them, and who hears of it.
//!
//! Knows: reasons, names, counts; that something is being dropped. Must not know what it is, nor who hears.
//!
//! What happens in a turn is gathered by kind and told at its end, when nothing is borrowed. There are few places for kinds: where
//! there is none left, those that have no place of their own are told together.

use std::cell::{Cell, RefCell};
use std::fmt;

use super::core::Core;
use super::counters::DeadReason;
use super::task_answer::AskError;

/// Kinds that are told apart in one turn.
const KINDS_MAX: usize = 64;

/// Messages that were not delivered, of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undelivered {
    /// Why.
    pub reason: DeadReason,
    /// The type of the message; none for several together.
    pub message: Option<&'static str>,
    /// The type of the actor that it was for, where that is known.
    pub receiver: Option<&'static str>,
    /// How many.
    pub count: u64,
}

/// Who hears of dead letters: whatever it is, it is told once for each kind and turn.
type Told = Box<dyn Fn(Undelivered)>;

/// What a core knows of its dead letters.
#[derive(Default)]
pub struct DeadLetters {
    evicting: Cell<bool>,
    told: RefCell<Option<Told>>,
    /// True if somebody hears of them, and is not told just now: what becomes of that is only counted.
    is_heard: Cell<bool>,
    gathered: RefCell<Vec<Undelivered>>,
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

    /// From now on it is this that hears of them.
    pub fn tell_to(&self, told: Told) {
        self.is_heard.set(true);
        let before = self.told.borrow_mut().replace(told);
        drop(before);
    }

    fn gather(&self, reason: DeadReason, message: &'static str, receiver: Option<&'static str>) {
        let gathered = &mut *self.gathered.borrow_mut();
        let same = |one: &&mut Undelivered| {
            one.reason == reason && one.message == Some(message) && one.receiver == receiver
        };
        if let Some(one) = gathered.iter_mut().find(same) {
            one.count += 1;
        } else if gathered.len() < KINDS_MAX {
            gathered.push(Undelivered { reason, message: Some(message), receiver, count: 1 });
        } else if let Some(one) =
            gathered.iter_mut().find(|one| one.reason == reason && one.message.is_none())
        {
            one.count += 1;
        } else {
            // One for each reason at most, beyond the bound.
            gathered.push(Undelivered { reason, message: None, receiver: None, count: 1 });
        }
    }

    /// True if somebody is to be told something.
    #[must_use]
    pub fn is_untold(&self) -> bool {
        self.is_heard.get() && !self.gathered.borrow().is_empty()
    }
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("DeadLetters").field("is_heard", &self.is_heard.get()).finish_non_exhaustive()
    }
}

impl Core {
    /// Counts a message that is not delivered, and has it told of at the end of the turn.
    #[cold]
    pub fn dead_letter(&self, reason: DeadReason, message: &'static str, receiver: Option<&'static str>) {
        self.counters.dead_letter(reason);
        if self.dead_letters.is_heard.get() {
            self.dead_letters.gather(reason, message, receiver);
        }
    }

    /// Tells of the dead letters of this turn. Nothing of the runtime may be borrowed.
    #[inline]
    pub(super) fn tell_dead_letters(&self) {
        if self.dead_letters.is_untold() {
            self.tell_gathered();
        }
    }

    #[cold]
    fn tell_gathered(&self) {
        let gathered = self.dead_letters.gathered.take();
        let Some(told) = self.dead_letters.told.take() else { return };
        self.dead_letters.is_heard.set(false);
        for one in gathered {
            if self.contain(|| told(one)).is_none() {
                self.counters.dead_letter(DeadReason::Failed);
            }
        }
        self.dead_letters.tell_to(told);
    }

    /// Drops something for which there was no room; whoever has asked is told so.
    #[cold]
    pub fn drop_unanswered<T>(&self, value: T) {
        self.unanswered_because(AskError::Full, || self.drop_contained(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart_and_beyond_the_bound_together() {
        const NAMES: &str = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
        let letters = DeadLetters::default();
        for _ in 0..3 {
            (1..=70).for_each(|length| letters.gather(DeadReason::Full, &NAMES[..length], None));
        }
        letters.gather(DeadReason::Stopped, "a", None);
        letters.gather(DeadReason::Full, "a", Some("b"));
        let gathered = letters.gathered.take();
        assert_eq!(gathered.len(), KINDS_MAX + 2);
        assert!(gathered[..KINDS_MAX].iter().all(|one| one.count == 3 && one.message.is_some()));
        let rest: Vec<_> =
            gathered[KINDS_MAX..].iter().map(|one| (one.reason, one.message, one.count)).collect();
        assert_eq!(rest, [(DeadReason::Full, None, 19), (DeadReason::Stopped, None, 1)]);
    }
}
