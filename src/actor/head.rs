//! The part of an actor that addresses look for: its mailbox and its state.
//!
//! Knows: messages waiting, the bound, who borrows the state. Must not know who runs them.

use std::cell::{OnceCell, RefCell, RefMut};

use super::extra::Extra;
use super::{Actor, MailboxOverflow, Priority, SendError};
use crate::executor::blame::user;
use crate::executor::{Core, DeadReason, INTERVALS_MAX};
use crate::mem::{Fifo, Key, aside};

/// What cannot be handed back any more is a dead letter.
#[cold]
pub(super) fn refuse_wrapped<M>(core: &Core, wrapped: M) {
    core.counters.dead_letter(DeadReason::Full);
    core.drop_unanswered(wrapped);
}

/// A mailbox and a state, found by the type of the actor.
pub(crate) struct Head<A: Actor> {
    mailbox: Fifo<A::Message>,
    /// What it has beside that queue, once it is needed.
    extra: OnceCell<Box<Extra<A::Message>>>,
    /// None once the actor has ended. Borrowed while its code runs, and by a future that borrows it until that has finished.
    state: RefCell<Option<A>>,
}

impl<A: Actor> Head<A> {
    pub(crate) fn new(state: A) -> Head<A> {
        const { assert!(A::MAILBOX_CAPACITY > 0, "MAILBOX_CAPACITY is 0: nothing could ever be sent") };
        const { assert!(A::INTERVALS.len() <= INTERVALS_MAX, "an actor has at most 32 intervals") };
        Head { mailbox: Fifo::new(), extra: OnceCell::new(), state: RefCell::new(Some(state)) }
    }

    /// A mailbox without a state: that is with a test.
    pub(crate) fn vacant() -> Head<A> {
        Head { mailbox: Fifo::new(), extra: OnceCell::new(), state: RefCell::new(None) }
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

    /// Puts a message in. `wrap`, which is user code, runs only if there is room. `cell` is the actor's.
    #[inline(always)]
    pub(crate) fn push<M>(
        &self,
        core: &Core,
        cell: Key,
        message: M,
        priority: Priority,
        wrap: impl FnOnce(M) -> A::Message,
    ) -> Result<(), SendError<M>> {
        let queue = match priority {
            Priority::User => &self.mailbox,
            Priority::Control => &self.extra(core).control,
        };
        if !queue.has_room(&core.chunks, A::MAILBOX_CAPACITY as usize) {
            if matches!(A::MAILBOX_OVERFLOW, MailboxOverflow::Refuse) || priority != Priority::User {
                return Err(SendError::Full(message));
            }
            return self.overflow(core, cell, aside(message), wrap);
        }
        if let Err(wrapped) = queue.push(&core.chunks, user(|| wrap(message))) {
            // `wrap` itself sent messages that took the last chunk of the pool, and the message cannot be unwrapped.
            refuse_wrapped(core, aside(wrapped));
        }
        Ok(())
    }

    /// Takes out the oldest message of the usual priority.
    pub(super) fn pop_oldest(&self, core: &Core) -> Option<A::Message> {
        self.mailbox.pop(&core.chunks)
    }

    /// Puts in what has been wrapped; hands it back when there is no memory for it.
    pub(super) fn push_wrapped(&self, core: &Core, wrapped: A::Message) -> Result<(), A::Message> {
        self.mailbox.push(&core.chunks, wrapped)
    }

    /// What comes before the mailbox, made if it is not there. Whoever takes messages from that alone looks again.
    #[cold]
    pub(super) fn extra(&self, core: &Core) -> &Extra<A::Message> {
        self.extra.get_or_init(|| {
            core.cells.interrupt();
            Box::new(Extra::new())
        })
    }

    /// True if nothing comes before the mailbox, nor will without an [interrupt](crate::executor::Cells::interrupt).
    #[inline(always)]
    pub(crate) fn is_simple(&self) -> bool {
        self.extra.get().is_none()
    }

    /// Takes the oldest message out of a mailbox that [is simple](Self::is_simple), and passes it to `handle`.
    #[inline]
    pub(crate) fn pop_simple<R>(&self, core: &Core, handle: impl FnOnce(A::Message) -> R) -> Option<R> {
        self.mailbox.pop_with(&core.chunks, handle)
    }

    /// Takes out the message that is next.
    #[inline]
    pub(crate) fn pop(&self, core: &Core) -> Option<A::Message> {
        match self.extra.get() {
            None => self.mailbox.pop(&core.chunks),
            Some(extra) => extra.pop(&core.chunks, &self.mailbox),
        }
    }

    /// True if for certain no message waits.
    #[inline]
    pub(crate) fn mailbox_is_empty(&self) -> bool {
        self.mailbox.is_empty() && self.is_simple()
    }

    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.mailbox.len() >= A::MAILBOX_CAPACITY as usize
    }

    /// Counts and drops what is left.
    pub(crate) fn discard(&self, core: &Core) {
        if !self.is_simple() {
            self.unstash(core);
        }
        while let Some(message) = self.pop(core) {
            core.counters.dead_letter(DeadReason::Stopped);
            core.drop_contained(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::{Context, Flow};
    use crate::executor::Cells;

    struct Idle(u64);

    impl Actor for Idle {
        type Message = u64;

        fn handle(&mut self, more: u64, _: &mut Context<Self>) -> Flow {
            self.0 += more;
            Flow::Continue
        }
    }

    #[test]
    fn an_actor_at_rest_takes_little_beside_its_state() {
        let vtable = size_of::<usize>();
        let beside = vtable + size_of::<Head<Idle>>() - size_of::<Idle>() + Cells::SLOT_BYTES;
        assert!(beside <= 128, "{beside} bytes");
    }
}
