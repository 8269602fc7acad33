//! The part of an actor that addresses look for: its mailbox and its state.
//!
//! Knows: messages waiting, the bound, who borrows the state. Must not know who runs them.

use std::cell::{RefCell, RefMut};

use super::{Actor, SendError};
use crate::executor::blame::user;
use crate::executor::{AskError, Core, DeadReason, INTERVALS_MAX};
use crate::mem::{ChunkPool, Fifo, aside};

#[cold]
fn refuse_wrapped<M>(core: &Core, wrapped: M) {
    core.counters.dead_letter(DeadReason::Full);
    core.unanswered_because(AskError::Full, || core.drop_contained(wrapped));
}

/// A mailbox and a state, found by the type of the actor.
pub(crate) struct Head<A: Actor> {
    mailbox: Fifo<A::Message>,
    /// None once the actor has ended. Borrowed while its code runs, and by a future that borrows it until that has finished.
    state: RefCell<Option<A>>,
}

impl<A: Actor> Head<A> {
    pub(crate) fn new(state: A) -> Head<A> {
        const { assert!(A::MAILBOX_CAPACITY > 0, "MAILBOX_CAPACITY is 0: nothing could ever be sent") };
        const { assert!(A::INTERVALS.len() <= INTERVALS_MAX, "an actor has at most 32 intervals") };
        Head { mailbox: Fifo::new(), state: RefCell::new(Some(state)) }
    }

    /// A mailbox without a state: that is with a test.
    pub(crate) fn vacant() -> Head<A> {
        Head { mailbox: Fifo::new(), state: RefCell::new(None) }
    }

    /// The state of an actor that has not started.
    ///
    /// # Panics
    /// When the actor has ended.
    pub(crate) fn into_state(self) -> A {
        self.state.into_inner().expect("an actor that has not started has its state")
    }

    /// Where the state is.
    pub(crate) fn state(&self) -> &RefCell<Option<A>> {
        &self.state
    }

    /// Borrows the state; none if it is borrowed already, or gone.
    pub(crate) fn borrow(&self) -> Option<RefMut<'_, A>> {
        RefMut::filter_map(self.state.try_borrow_mut().ok()?, Option::as_mut).ok()
    }

    /// Takes the state out; none if it is borrowed, or gone.
    pub(crate) fn take_state(&self) -> Option<A> {
        self.state.try_borrow_mut().ok()?.take()
    }

    /// Puts a message in. `wrap`, which is user code, runs only if there is room.
    #[inline(always)]
    pub(crate) fn push<M>(
        &self,
        core: &Core,
        message: M,
        wrap: impl FnOnce(M) -> A::Message,
    ) -> Result<(), SendError<M>> {
        if !self.mailbox.has_room(&core.chunks, A::MAILBOX_CAPACITY as usize) {
            return Err(SendError::Full(message));
        }
        if let Err(wrapped) = self.mailbox.push(&core.chunks, user(|| wrap(message))) {
            // `wrap` itself sent messages that took the last chunk of the pool, and the message cannot be unwrapped.
            refuse_wrapped(core, aside(wrapped));
        }
        Ok(())
    }

    /// Takes the oldest message out and passes it to `handle`.
    #[inline]
    pub(crate) fn pop<R>(&self, chunks: &ChunkPool, handle: impl FnOnce(A::Message) -> R) -> Option<R> {
        self.mailbox.pop_with(chunks, handle)
    }

    #[inline]
    pub(crate) fn mailbox_is_empty(&self) -> bool {
        self.mailbox.is_empty()
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
