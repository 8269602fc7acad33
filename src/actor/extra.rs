//! What few mailboxes have: messages that come before others.
//!
//! Knows: queues, and whose turn it is. Must not know who sends or handles.

use std::cell::Cell;

use super::Priority;
use super::stash::Stash;
use crate::mem::{ChunkPool, Fifo};

/// Of messages that wait at the usual priority, one is handled after so many others at the latest.
const CONTROL_IN_A_ROW: u8 = 7;

/// What a mailbox has beside its queue once somebody has needed it.
pub(super) struct Extra<T> {
    pub(super) control: Fifo<T>,
    lines: [Line<T>; 2],
    /// Control messages since one of the others was taken, or more.
    since_user: Cell<u8>,
}

/// What there is of one priority beside its queue.
pub(super) struct Line<T> {
    pub(super) stash: Stash<T>,
}

impl<T> Line<T> {
    fn new() -> Line<T> {
        Line { stash: Stash::new() }
    }

    fn is_empty(&self, queue: &Fifo<T>) -> bool {
        queue.is_empty() && !self.stash.has_returned()
    }

    fn pop(&self, chunks: &ChunkPool, queue: &Fifo<T>) -> Option<T> {
        self.stash.pop().or_else(|| queue.pop(chunks))
    }
}

impl<T> Extra<T> {
    pub(super) fn new() -> Extra<T> {
        Extra { control: Fifo::new(), lines: [Line::new(), Line::new()], since_user: Cell::new(0) }
    }

    pub(super) fn line(&self, priority: Priority) -> &Line<T> {
        &self.lines[priority as usize]
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &Line<T>> {
        self.lines.iter()
    }

    /// Takes what is next, of these or of the queue.
    pub(super) fn pop(&self, chunks: &ChunkPool, queue: &Fifo<T>) -> Option<T> {
        let (in_a_row, user) = (self.since_user.get(), self.line(Priority::User));
        if (in_a_row < CONTROL_IN_A_ROW || user.is_empty(queue))
            && let Some(message) = self.line(Priority::Control).pop(chunks, &self.control)
        {
            self.since_user.set(in_a_row.saturating_add(1));
            return Some(message);
        }
        let message = user.pop(chunks, queue)?;
        self.since_user.set(0);
        Some(message)
    }
}
