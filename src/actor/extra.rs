//! What few mailboxes have: messages that come before others.
//!
//! Knows: queues, and whose turn it is. Must not know who sends or handles.

use std::cell::Cell;

use crate::mem::{ChunkPool, Fifo};

/// Of messages that wait at the usual priority, one is handled after so many others at the latest.
const CONTROL_IN_A_ROW: u8 = 7;

/// What a mailbox has beside its queue once somebody has needed it.
pub(super) struct Extra<T> {
    pub(super) control: Fifo<T>,
    /// Control messages since one of the others was taken, or more.
    since_user: Cell<u8>,
}

impl<T> Extra<T> {
    pub(super) fn new() -> Extra<T> {
        Extra { control: Fifo::new(), since_user: Cell::new(0) }
    }

    /// Takes what is next, of these or of the queue.
    pub(super) fn pop(&self, chunks: &ChunkPool, queue: &Fifo<T>) -> Option<T> {
        let in_a_row = self.since_user.get();
        if (in_a_row < CONTROL_IN_A_ROW || queue.is_empty())
            && let Some(message) = self.control.pop(chunks)
        {
            self.since_user.set(in_a_row.saturating_add(1));
            return Some(message);
        }
        let message = queue.pop(chunks)?;
        self.since_user.set(0);
        Some(message)
    }
}
