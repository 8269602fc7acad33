//! The part of an actor that addresses look for: its mailbox.
//!
//! Knows: messages waiting, and the bound. Must not know who runs them.

use super::{Actor, SendError};
use crate::executor::{Core, DeadReason};
use crate::mem::{ChunkPool, Fifo};

/// A mailbox, found by the type of its actor.
pub(crate) struct Head<A: Actor> {
    mailbox: Fifo<A::Message>,
}

impl<A: Actor> Head<A> {
    pub(crate) fn new() -> Head<A> {
        const { assert!(A::MAILBOX_CAPACITY > 0, "MAILBOX_CAPACITY is 0: nothing could ever be sent") };
        Head { mailbox: Fifo::new() }
    }

    /// Puts a message in. `wrap`, which is user code, runs only if there is room.
    #[inline(always)]
    pub(crate) fn push<M>(
        &self,
        core: &Core,
        message: M,
        wrap: impl FnOnce(M) -> A::Message,
    ) -> Result<(), SendError<M>> {
        if self.is_full() || !self.mailbox.has_room(&core.chunks) {
            return Err(SendError::Full(message));
        }
        if let Err(wrapped) = self.mailbox.push(&core.chunks, wrap(message)) {
            // `wrap` itself sent messages that took the last chunk of the pool, and the message cannot be unwrapped.
            core.counters.dead_letter(DeadReason::Full);
            core.drop_contained(wrapped);
        }
        Ok(())
    }

    /// Takes the oldest message out and passes it to `handle`.
    #[inline]
    pub(crate) fn pop<R>(&self, chunks: &ChunkPool, handle: impl FnOnce(A::Message) -> R) -> Option<R> {
        self.mailbox.pop_with(chunks, handle)
    }

    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.mailbox.len() >= A::MAILBOX_CAPACITY as usize
    }

    /// Counts and drops what is left.
    pub(crate) fn discard(&self, core: &Core) {
        while let Some(message) = self.pop(&core.chunks, |message| message) {
            core.counters.dead_letter(DeadReason::Stopped);
            core.drop_contained(message);
        }
    }
}
