//! What has happened on a core, in numbers.
//!
//! Knows: counters. Must not know who reads them.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::current;
use crate::sys::Count;

/// Why a message was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeadReason {
    /// The receiver's mailbox was full, or the lane to its core was. Or it is a publication that another has overtaken, after its
    /// [`Topic`](crate::Topic) had moved.
    Full,
    /// The receiver had stopped, or stopped with the message in its mailbox.
    Stopped,
    /// What was to put it into the mailbox panicked, which is code of the receiver; or a supervised receiver has failed on it.
    Failed,
    /// The receiver's mailbox had no room, and dropped this message or an older one, as its actor says.
    Overflow,
}

impl DeadReason {
    /// How many there are.
    const COUNT: usize = DeadReason::Overflow as usize + 1;
}

/// Counters of one core. Each only grows.
#[derive(Debug, Default)]
pub struct Counters {
    /// Actors spawned.
    pub started: Cell<u64>,
    /// Actors ended.
    pub ended: Cell<u64>,
    /// Connections accepted and given an actor.
    pub connections_opened: Cell<u64>,
    /// Connections that have ended.
    pub connections_closed: Cell<u64>,
    /// Those of them that were reset while output was queued, because their peer did not read it by the deadline.
    pub connections_cut_off: Cell<u64>,
    /// Those of them whose peer did not read: their output passed a bound, or none of it was taken for too long.
    pub connections_outbox_full: Cell<u64>,
    /// Those of them whose peer was late with what it was to send.
    pub connections_late: Cell<u64>,
    /// Those of them that have received what there was no room for.
    pub connections_assembly_full: Cell<u64>,
    /// Writes for which an outbox had no room, and without which its connection went on.
    pub writes_refused: Cell<u64>,
    /// Writes that waited in an outbox, and were dropped for newer ones.
    pub writes_dropped: Cell<u64>,
    /// Handlers that panicked.
    pub panics: Cell<u64>,
    /// Values whose `Drop` panicked, and that were leaked in part.
    pub drop_panics: Cell<u64>,
    /// Hooks and handlers that have failed, by an error that nobody was told, or by their time.
    pub failures: Cell<u64>,
    /// Questions that were not handled, because nobody waited for the answer any more.
    pub skipped: Cell<u64>,
    /// Failures after which a supervisor has had actors begin again.
    pub restarts: Cell<u64>,
    /// Supervisors that have given up, because there were too many.
    pub given_up: Cell<u64>,
    /// Messages handled.
    pub handled: Cell<u64>,
    /// Messages not delivered, by reason.
    pub dead: [Cell<u64>; DeadReason::COUNT],
    /// Turns made.
    pub turns: Cell<u64>,
    /// Times that the core was found to have been kept for longer than `Config::slow_handler`: by whatever ran between two reports,
    /// which is a turn, or once somebody has been slow a single activation, or what is dropped and woken between two.
    pub slow: Cell<u64>,
    /// Times that the core slept.
    pub sleeps: Cell<u64>,
}

impl Counters {
    /// Adds to a counter.
    pub fn add(counter: &Cell<u64>, more: u64) {
        counter.set(counter.get().wrapping_add(more));
    }

    /// Counts a message that was not delivered.
    pub fn dead_letter(&self, reason: DeadReason) {
        Counters::add(&self.dead[reason as usize], 1);
    }

    /// Messages not delivered, for whatever reason.
    #[must_use]
    pub fn dead_letters(&self) -> u64 {
        self.dead.iter().map(Cell::get).sum()
    }

    /// The same, by reason.
    #[must_use]
    pub fn dead(&self) -> Dead {
        Dead(std::array::from_fn(|reason| self.dead[reason].get()))
    }
}

/// Messages not delivered, by reason. As text, they are one sentence that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dead([u64; DeadReason::COUNT]);

impl Dead {
    /// Adds those of another core.
    pub fn merge(&mut self, other: Dead) {
        self.0.iter_mut().zip(other.0).for_each(|(count, more)| *count = count.wrapping_add(more));
    }

    /// All of them.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// True if all have been delivered.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Dead::default()
    }
}

impl fmt::Display for Dead {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WORDS: [(DeadReason, &str); DeadReason::COUNT] = [
            (DeadReason::Full, "where a mailbox, or the way to it, was full"),
            (DeadReason::Stopped, "where the receiver had stopped"),
            (DeadReason::Failed, "on which the receiver failed"),
            (DeadReason::Overflow, "dropped by a full mailbox"),
        ];
        write!(out, "{} not delivered", Count(self.count(), "message"))?;
        let mut before = ": ";
        for (reason, why) in WORDS.into_iter().filter(|(reason, _)| self.0[*reason as usize] > 0) {
            write!(out, "{before}{} {why}", self.0[reason as usize])?;
            before = ", ";
        }
        Ok(())
    }
}

/// Messages that threads outside of any system gave up on, by reason.
static DEAD_OUTSIDE: [AtomicU64; DeadReason::COUNT] = [const { AtomicU64::new(0) }; DeadReason::COUNT];

/// Counts a message that its sender gave up on, and has it told of: on the sender's core, or for the process where the sender has none.
pub fn give_up(reason: DeadReason, message: &'static str) {
    current::with(|core| match core {
        Some(core) => core.dead_letter(reason, message, None),
        // Relaxed: a number that is read by itself orders nothing.
        None => drop(DEAD_OUTSIDE[reason as usize].fetch_add(1, Ordering::Relaxed)),
    });
}

/// Messages that threads outside of any system gave up on, for whatever reason.
#[must_use]
pub fn dead_letters_outside() -> u64 {
    // Relaxed: as above.
    DEAD_OUTSIDE.iter().map(|count| count.load(Ordering::Relaxed)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_delivered_reads_as_one_sentence() {
        let counters = Counters::default();
        let mut dead = counters.dead();
        assert!(dead.is_none());
        for reason in [DeadReason::Stopped, DeadReason::Overflow, DeadReason::Stopped] {
            counters.dead_letter(reason);
        }
        dead.merge(counters.dead());
        assert_eq!(
            dead.to_string(),
            "3 messages not delivered: 2 where the receiver had stopped, 1 dropped by a full mailbox"
        );
        assert!(!dead.is_none());
    }
}
