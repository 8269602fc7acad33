//! What the end of a core cuts off, counted and named.
//!
//! Knows: what cells are, as they are asked to end at once. Must not know deadlines, nor who reads this.
//!
//! But for messages, noted where it happens, each once, so nothing counts that ended by itself a moment before.

use std::cell::{Cell, RefCell};

use super::core::Core;
use super::reports::{ACTOR, TASK, of_users};
use crate::mem::Key;

/// Kinds and names that are told apart; all beyond are counted together.
const NAMES_MAX: usize = 16;

/// What something was that was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CutOffKind {
    /// An actor with a connection.
    Connection,
    /// An actor without.
    Actor,
    /// A future that ran by itself.
    Task,
}

/// What was cut off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CutOff {
    /// Connections that were reset.
    pub connections: usize,
    /// Bytes that these had written, and of which the kernel had not said that it has taken them.
    pub bytes_unsent: u64,
    /// Actors that were aborted.
    pub actors: usize,
    /// Futures that were dropped.
    pub tasks: usize,
    /// Answers that all of these waited for.
    pub questions: usize,
    /// Messages that were not delivered since the end had begun.
    pub messages: u64,
    /// How many of each.
    pub names: Vec<(CutOffKind, &'static str, usize)>,
    /// How many of others.
    pub unnamed: usize,
}

impl CutOff {
    fn note(&mut self, kind: CutOffKind, name: &'static str, count: usize) {
        let known =
            |(its_kind, its_name, _): &&mut (CutOffKind, &str, usize)| *its_kind == kind && *its_name == name;
        if let Some((_, _, before)) = self.names.iter_mut().find(known) {
            *before += count;
        } else if self.names.len() < NAMES_MAX {
            self.names.push((kind, name, count));
        } else {
            self.unnamed += count;
        }
    }

    /// Only what is of these kinds.
    #[must_use]
    pub fn only(mut self, kinds: &[CutOffKind]) -> CutOff {
        self.names.retain(|(kind, ..)| kinds.contains(kind));
        let keep = |kind, count| if kinds.contains(&kind) { count } else { 0 };
        CutOff {
            connections: keep(CutOffKind::Connection, self.connections),
            actors: keep(CutOffKind::Actor, self.actors),
            tasks: keep(CutOffKind::Task, self.tasks),
            names: self.names,
            ..CutOff::default()
        }
    }

    /// Adds what another core has cut off.
    pub fn merge(&mut self, other: CutOff) {
        self.connections += other.connections;
        self.bytes_unsent += other.bytes_unsent;
        self.actors += other.actors;
        self.tasks += other.tasks;
        self.questions += other.questions;
        self.messages += other.messages;
        self.unnamed += other.unnamed;
        for (kind, name, count) in other.names {
            self.note(kind, name, count);
        }
    }
}

/// What the end of a core has cut off until now.
#[derive(Debug, Default)]
pub(super) struct CutOffs {
    /// But for messages, which are counted anyway.
    noted: RefCell<CutOff>,
    /// Messages that were not delivered before.
    dead_before: Cell<u64>,
}

impl Core {
    /// Notes that a cell is ended before it was done, because the system ends. Once for each; the runtime's own do not count.
    #[cold]
    pub fn note_cut_off(&self, cell: Key) {
        if self.is_ending() && self.cells.mark_cut(cell) {
            self.add_cut_off(cell, &mut self.cut_offs.noted.borrow_mut());
        }
    }

    /// True if a cell is a future that runs by itself.
    pub(super) fn is_task(&self, cell: Key) -> bool {
        self.cells.name(cell) == Some(TASK)
    }

    fn add_cut_off(&self, cell: Key, cut_off: &mut CutOff) {
        let Some(head) = self.cells.name(cell) else { return };
        let (kind, name) = match (of_users(head), self.cells.is_io(cell)) {
            (TASK, _) => (CutOffKind::Task, self.name_of_task(cell).map_or(TASK, of_users)),
            (name, true) if head.starts_with(ACTOR) => (CutOffKind::Connection, name),
            (name, false) if head.starts_with(ACTOR) => (CutOffKind::Actor, name),
            _ => return,
        };
        match kind {
            CutOffKind::Connection => cut_off.connections += 1,
            CutOffKind::Actor => cut_off.actors += 1,
            CutOffKind::Task => cut_off.tasks += 1,
        }
        cut_off.bytes_unsent += self.with_output(cell, |output| output.queued()).map_or(0, u64::from);
        cut_off.questions += self.unanswered(cell);
        cut_off.note(kind, name, 1);
    }

    /// From now on a message that is not delivered is cut off.
    pub(super) fn begin_cut_off(&self) {
        self.cut_offs.dead_before.set(self.counters.dead_letters());
    }

    /// Messages that had not been delivered before the end began.
    #[must_use]
    pub fn dead_before_end(&self) -> u64 {
        self.cut_offs.dead_before.get()
    }

    /// Messages that were not delivered since.
    fn messages_cut_off(&self) -> u64 {
        // A second signal may come before the first has led to anything here.
        if self.is_ending() { self.counters.dead_letters().wrapping_sub(self.dead_before_end()) } else { 0 }
    }

    /// What has been cut off by now.
    #[must_use]
    pub fn take_cut_off(&self) -> CutOff {
        CutOff { messages: self.messages_cut_off(), ..self.cut_offs.noted.take() }
    }

    /// What there is that would be, or is being, cut off, and has not gone.
    #[must_use]
    pub fn left_now(&self) -> CutOff {
        let mut left = CutOff::default();
        self.cells.keys().into_iter().for_each(|cell| self.add_cut_off(cell, &mut left));
        left
    }

    /// What has been, and what would be if the core ended now.
    #[must_use]
    pub fn cut_off_now(&self) -> CutOff {
        let mut cut_off =
            CutOff { messages: self.messages_cut_off(), ..self.cut_offs.noted.borrow().clone() };
        for cell in self.cells.keys() {
            if !self.cells.is_cut(cell) {
                self.add_cut_off(cell, &mut cut_off);
            }
        }
        cut_off
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_what_is_beyond_is_counted() {
        const LETTERS: &str = "each end of this sentence is a name";
        let mut all = CutOff::default();
        for _ in 0..2 {
            let mut one = CutOff { connections: 2, ..CutOff::default() };
            for index in 0..NAMES_MAX + 3 {
                one.note(CutOffKind::Actor, &LETTERS[index..], 1);
            }
            one.note(CutOffKind::Connection, LETTERS, 2);
            assert_eq!((one.names.len(), one.unnamed), (NAMES_MAX, 5));
            all.merge(one);
        }
        assert_eq!((all.connections, all.names.len(), all.unnamed), (4, NAMES_MAX, 10));
        assert!(all.names.iter().all(|(_, _, count)| *count == 2), "{all:?}");
    }

    #[test]
    fn an_actor_and_a_connection_of_one_name_are_two() {
        let mut cut_off = CutOff::default();
        cut_off.note(CutOffKind::Actor, "both", 1);
        cut_off.note(CutOffKind::Connection, "both", 1);
        assert_eq!(cut_off.names.len(), 2);
    }
}
