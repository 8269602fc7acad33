//! The part of an actor that addresses look for: its mailbox and its state.
//!
//! Knows: messages waiting, the bound, who borrows the state. Must not know who runs them.

use std::any::type_name;
use std::cell::{RefCell, RefMut};

use super::extra::{Extra, Line, OnExtra, Weight};
use super::{Actor, MailboxOverflow, Priority, SendError};
use crate::executor::blame::user;
use crate::executor::{Core, DeadReason, INTERVALS_MAX};
use crate::mem::{Fifo, Key, aside};

/// What cannot be handed back any more is a dead letter.
#[cold]
pub(super) fn refuse_wrapped<A: Actor>(core: &Core, wrapped: A::Message) {
    core.dead_letter(DeadReason::Full, name_of::<A>(core, &wrapped), Some(type_name::<A>()));
    core.drop_unanswered(wrapped);
}

/// What a message is called that is not delivered: the actor says that, whose code may panic.
#[cold]
pub(super) fn name_of<A: Actor>(core: &Core, message: &A::Message) -> &'static str {
    core.contain(|| user(|| A::name_of(message))).unwrap_or_else(type_name::<A::Message>)
}

/// A mailbox and a state, found by the type of the actor.
pub(crate) struct Head<A: Actor> {
    mailbox: Fifo<A::Message>,
    /// What it has beside that queue, once it is needed.
    extra: OnExtra<A::Message>,
    /// None once the actor has ended. Borrowed while its code runs, and by a future that borrows it until that has finished.
    state: RefCell<Option<A>>,
}

impl<A: Actor> Head<A> {
    pub(crate) fn new(state: A) -> Head<A> {
        const {
            assert!(
                A::MAILBOX_CAPACITY > 0,
                "MAILBOX_CAPACITY is 0: nothing could ever be sent; help: write how many messages may wait, `const MAILBOX_CAPACITY: u32 = 1024;`, or leave it out"
            );
            assert!(
                A::MAILBOX_BYTES > 0,
                "MAILBOX_BYTES is 0: nothing could ever be sent; help: write how much may wait, `const MAILBOX_BYTES: usize = 1 << 20;`, or leave it out"
            );
            assert!(
                A::INTERVALS.len() <= INTERVALS_MAX,
                "an actor has at most 32 intervals; help: let one of them do what several do, or begin some in `started`: `cx.send_every(…)`"
            );
        };
        Head { mailbox: Fifo::new(), extra: OnExtra::new(), state: RefCell::new(Some(state)) }
    }

    /// A mailbox without a state: that is with a test.
    pub(crate) fn vacant() -> Head<A> {
        Head { mailbox: Fifo::new(), extra: OnExtra::new(), state: RefCell::new(None) }
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

    /// Puts a state in, where there is none.
    pub(crate) fn put_state(&self, state: A) {
        let before = self.state.replace(Some(state));
        debug_assert!(before.is_none(), "the state of an actor is dropped before there is another");
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
        let queue = self.queue(core, priority);
        if !queue.has_room(&core.chunks, A::MAILBOX_CAPACITY as usize) || self.is_heavy(priority) {
            if matches!(A::MAILBOX_OVERFLOW, MailboxOverflow::Refuse) || priority != Priority::User {
                return Err(SendError::Full(message));
            }
            return self.overflow(core, cell, aside(message), wrap);
        }
        let wrapped = user(|| wrap(message));
        // There is none only if `wrap` itself has sent messages that took the last chunk of the pool.
        self.put(core, wrapped, priority);
        Ok(())
    }

    #[inline(always)]
    fn queue(&self, core: &Core, priority: Priority) -> &Fifo<A::Message> {
        match priority {
            Priority::User => &self.mailbox,
            Priority::Control => self.control(core),
        }
    }

    /// Puts in what has been wrapped; hands it back when there is no memory for it.
    #[inline(always)]
    pub(super) fn push_wrapped(
        &self,
        core: &Core,
        wrapped: A::Message,
        priority: Priority,
    ) -> Result<(), A::Message> {
        if Self::IS_WEIGHED {
            self.weigh_in(&self.extra(core).line(priority).weight, &wrapped);
        }
        self.queue(core, priority).push(&core.chunks, wrapped)
    }

    /// Takes out the oldest message of the usual priority.
    pub(super) fn pop_oldest(&self, core: &Core) -> Option<A::Message> {
        match self.extra.get() {
            None => self.mailbox.pop(&core.chunks),
            Some(extra) => {
                let taken = extra.line(Priority::User).pop_queue(&core.chunks, &self.mailbox)?;
                Some(taken.unweighed(|message| Self::weigh_contained(core, message)))
            }
        }
    }

    /// Something is to be put there: whoever takes messages from the mailbox alone looks again.
    #[cold]
    fn control(&self, core: &Core) -> &Fifo<A::Message> {
        core.cells.interrupt();
        &self.extra(core).control
    }

    /// What comes before the mailbox, made if it is not there.
    #[cold]
    pub(super) fn extra(&self, core: &Core) -> &Extra<A::Message> {
        self.extra.made_by(|| core.cells.interrupt())
    }

    /// The same, if it is there.
    pub(super) fn extra_if_made(&self) -> Option<&Extra<A::Message>> {
        self.extra.get()
    }

    /// True if nothing comes before the mailbox, nor will without an [interrupt](crate::executor::Cells::interrupt).
    #[inline(always)]
    pub(crate) fn is_simple(&self) -> bool {
        self.extra.get().is_none()
    }

    /// Where the next message is taken from, and what [`Cells::demands`](crate::executor::Cells::demands) must be for the one after
    /// it to be taken from there as well. That is one place for each mailbox, because handlers are inlined where there is one call of
    /// them.
    #[inline(always)]
    pub(crate) fn next_queue(&self, core: &Core) -> (&Fifo<A::Message>, u32) {
        if self.is_simple() { (&self.mailbox, core.cells.demands()) } else { self.choose(core) }
    }

    /// The mailbox itself while nothing comes before it, which is an interrupt, nor anything is counted; else a place where the next
    /// message is put, alone.
    #[cold]
    fn choose(&self, core: &Core) -> (&Fifo<A::Message>, u32) {
        let extra = self.extra(core);
        if !Self::IS_WEIGHED && extra.passes(&self.mailbox) {
            return (&self.mailbox, core.cells.demands());
        }
        match self.pop(core) {
            Some(message) => extra.next.push_beyond(&core.chunks, message),
            None => self.end_of_drain(core),
        }
        (&extra.next, core.cells.demands().wrapping_sub(1))
    }

    /// Takes out the message that is next.
    #[inline]
    pub(crate) fn pop(&self, core: &Core) -> Option<A::Message> {
        match self.extra.get() {
            None => self.mailbox.pop(&core.chunks),
            Some(extra) => self.pop_with_extra(core, extra),
        }
    }

    #[inline(never)]
    fn pop_with_extra(&self, core: &Core, extra: &Extra<A::Message>) -> Option<A::Message> {
        let Some(taken) = extra.pop(&core.chunks, &self.mailbox) else {
            // Those who wait do so because the memory for all mailboxes is used up, and need none of it.
            return extra.lines().find_map(|line| self.accept_offer(core, line));
        };
        let message = taken.unweighed(|message| Self::weigh_contained(core, message));
        for priority in [Priority::Control, Priority::User] {
            while self.has_room(core, priority)
                && let Some(wrapped) = self.accept_offer(core, extra.line(priority))
            {
                self.put(core, wrapped, priority);
            }
        }
        Some(message)
    }

    /// Takes the message of the one who has waited longest; of those whose `accept` panics, that is told.
    fn accept_offer(&self, core: &Core, line: &Line<A::Message>) -> Option<A::Message> {
        loop {
            let offer = line.offers.next(core)?;
            if let Some(wrapped) = core.contain(|| offer.accept()) {
                return Some(wrapped);
            }
            core.dead_letter(DeadReason::Failed, type_name::<A::Message>(), Some(type_name::<A>()));
        }
    }

    fn has_room(&self, core: &Core, priority: Priority) -> bool {
        let queue = self.queue(core, priority);
        queue.has_room(&core.chunks, A::MAILBOX_CAPACITY as usize) && !self.is_heavy(priority)
    }

    /// True if there is room for a message that may wait, and nobody waits yet.
    pub(super) fn takes_offers(&self, core: &Core, priority: Priority) -> bool {
        let nobody = self.extra.get().is_none_or(|extra| extra.line(priority).offers.is_empty());
        nobody && self.has_room(core, priority)
    }

    /// Puts in what has been wrapped; what cannot be handed back any more is a dead letter if there is no memory for it.
    #[inline(always)]
    pub(super) fn put(&self, core: &Core, wrapped: A::Message, priority: Priority) {
        if let Err(wrapped) = self.push_wrapped(core, wrapped, priority) {
            refuse_wrapped::<A>(core, aside(wrapped));
        }
    }

    /// True if for certain no message waits.
    #[inline]
    pub(crate) fn mailbox_is_empty(&self) -> bool {
        self.mailbox.is_empty() && self.is_simple()
    }

    /// How many messages wait at the usual priority.
    pub(super) fn len(&self) -> usize {
        self.mailbox.len()
    }

    /// True if the bound of the usual priority is reached, in messages or in bytes.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.mailbox.len() >= A::MAILBOX_CAPACITY as usize || self.is_heavy(Priority::User)
    }

    /// Counts and drops what is left.
    pub(crate) fn discard(&self, core: &Core) {
        if !self.mailbox_is_empty() {
            self.discard_all(core);
        }
    }

    #[inline(never)]
    fn discard_all(&self, core: &Core) {
        if let Some(extra) = self.extra.get() {
            extra.lines().for_each(|line| line.offers.give_back(core));
            self.unstash(core);
        }
        while let Some(message) = self.pop(core) {
            core.dead_letter(DeadReason::Stopped, name_of::<A>(core, &message), Some(type_name::<A>()));
            core.drop_contained(message);
        }
    }
}

/// What messages weigh, of actors that bound that.
impl<A: Actor> Head<A> {
    const IS_WEIGHED: bool = A::MAILBOX_BYTES != usize::MAX;

    fn weigh(message: &A::Message) -> usize {
        size_of::<A::Message>().saturating_add(user(|| A::heap_bytes_of(message)))
    }

    /// The same where a panic would end more than the message.
    fn weigh_contained(core: &Core, message: &A::Message) -> usize {
        core.contain(|| Self::weigh(message)).unwrap_or(0)
    }

    #[inline(always)]
    pub(super) fn weigh_in(&self, weight: &Weight, message: &A::Message) {
        if Self::IS_WEIGHED {
            weight.add(Self::weigh(message));
        }
    }

    /// True if what waits at a priority weighs as much as it may.
    #[inline(always)]
    fn is_heavy(&self, priority: Priority) -> bool {
        let heavy = |extra: &Extra<A::Message>| extra.line(priority).weight.bytes() >= A::MAILBOX_BYTES;
        Self::IS_WEIGHED && self.extra.get().is_some_and(heavy)
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
        assert!(beside <= 96, "{beside} bytes");
    }
}
