//! What happened to the actors and messages of one seed, and what of it must not have.
//!
//! Knows: lives, messages, planned panics, as sums. Must not know the scenario.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The sums of one seed, shared by everybody in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Sums>>);

#[derive(Debug, Default)]
pub(crate) struct Sums {
    /// Actors made, started, stopped, dropped.
    pub(crate) made: u64,
    pub(crate) started: u64,
    pub(crate) stopped: u64,
    pub(crate) dropped: u64,
    /// Messages that exist.
    pub(crate) messages: u64,
    /// Messages that `tell` took.
    pub(crate) sent: u64,
    /// Messages that a handler was given.
    pub(crate) handled: u64,
    /// Refused messages that their senders counted as dead letters.
    pub(crate) refused: u64,
    /// Panics on purpose.
    pub(crate) panics: u64,
    /// Every connection ended before the shutdown.
    pub(crate) all_left: bool,
    /// What must not have happened.
    pub(crate) problems: Vec<String>,
    trace: u64,
}

impl Journal {
    pub(crate) fn sums(&self) -> MutexGuard<'_, Sums> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many actors have started, and how many have stopped.
    pub(crate) fn lives(&self) -> (u64, u64) {
        let sums = self.sums();
        (sums.started, sums.stopped)
    }

    /// Takes note of something that happened: two runs of a seed must be alike in this too.
    pub(crate) fn note(&self, words: [u64; 3]) {
        let mut sums = self.sums();
        for word in words {
            sums.trace = (sums.trace ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
        }
    }

    pub(crate) fn trace(&self) -> u64 {
        self.sums().trace
    }

    /// Takes note of something that must not happen. An assertion in a handler would only stop its actor.
    pub(crate) fn expect(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.sums().problems.push(what());
        }
    }

    /// Panics, as planned: without a word, and counted.
    pub(crate) fn panic(&self) -> ! {
        self.sums().panics += 1;
        resume_unwind(Box::new("as planned"))
    }
}

/// The life of one actor, kept in its state.
#[derive(Debug)]
pub(crate) struct Life {
    journal: Journal,
    started: bool,
    stopped: bool,
}

impl Life {
    pub(crate) fn new(journal: &Journal) -> Life {
        journal.sums().made += 1;
        Life { journal: journal.clone(), started: false, stopped: false }
    }

    pub(crate) fn start(&mut self) {
        self.journal.expect(!self.started, || "an actor started twice".to_owned());
        self.started = true;
        self.journal.sums().started += 1;
    }

    /// A handler runs.
    pub(crate) fn go_on(&self) {
        self.journal.expect(self.started, || "a handler ran before `started`".to_owned());
        self.journal.expect(!self.stopped, || "a handler ran after `stopped`".to_owned());
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    pub(crate) fn has_stopped(&self) -> bool {
        self.stopped
    }

    pub(crate) fn stop(&mut self) {
        self.journal.expect(self.started, || "an actor stopped that had not started".to_owned());
        self.journal.expect(!self.stopped, || "an actor stopped twice".to_owned());
        self.stopped = true;
        self.journal.sums().stopped += 1;
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.journal.expect(self.stopped == self.started, || "an actor was dropped unstopped".to_owned());
        self.journal.sums().dropped += 1;
    }
}

/// The life of what is no actor: a future, or what somebody owns. It starts when it is made and stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Present(Life);

impl Present {
    pub(crate) fn new(journal: &Journal) -> Present {
        let mut life = Life::new(journal);
        life.start();
        Present(life)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// The existence of one message, kept in it.
#[derive(Debug)]
pub(crate) struct Token(Journal);

impl Token {
    pub(crate) fn new(journal: &Journal) -> Token {
        journal.sums().messages += 1;
        Token(journal.clone())
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.0
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        let mut sums = self.0.sums();
        sums.messages = sums.messages.wrapping_sub(1);
    }
}
