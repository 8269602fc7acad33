//! Messages that an actor sets aside until it can handle them.
//!
//! Knows: what is set aside, and in which order it comes back. Must not know why.

use std::cell::RefCell;
use std::collections::VecDeque;

use super::extra::Weight;
use super::head::Head;
use super::{AcceptsLocal, Actor, AskError, Context, Message, Priority, Reply, SendError};
use crate::executor::Core;
use crate::executor::blame::user;

/// What an actor has set aside of one priority.
pub(super) struct Stash<T> {
    parts: RefCell<Parts<T>>,
    /// What is in it, and what has come back and was not handled yet.
    pub(super) weight: Weight,
}

struct Parts<T> {
    set_aside: VecDeque<T>,
    /// What comes before everything else that waits.
    returned: VecDeque<T>,
}

impl<T> Stash<T> {
    pub(super) fn new() -> Stash<T> {
        let parts = Parts { set_aside: VecDeque::new(), returned: VecDeque::new() };
        Stash { parts: RefCell::new(parts), weight: Weight::default() }
    }

    /// Messages in it, and those that have come back and were not handled yet.
    pub(super) fn len(&self) -> usize {
        let parts = self.parts.borrow();
        parts.set_aside.len() + parts.returned.len()
    }

    fn push(&self, message: T) {
        self.parts.borrow_mut().set_aside.push_back(message);
    }

    /// All of it comes back. What was set aside again was handled before what has come back and was not handled.
    fn give_back(&self) {
        let parts = &mut *self.parts.borrow_mut();
        while let Some(message) = parts.set_aside.pop_back() {
            parts.returned.push_front(message);
        }
        parts.set_aside = VecDeque::new();
    }

    /// True if something has come back.
    pub(super) fn has_returned(&self) -> bool {
        !self.parts.borrow().returned.is_empty()
    }

    /// Takes the first of what has come back.
    pub(super) fn pop(&self) -> Option<T> {
        let returned = &mut self.parts.borrow_mut().returned;
        let message = returned.pop_front();
        if returned.is_empty() {
            // Nothing is kept where nothing waits.
            *returned = VecDeque::new();
        }
        message
    }
}

impl<A: Actor> Head<A> {
    /// Sets something aside. `wrap`, which is user code, runs only if there is room.
    fn stash<M>(
        &self,
        core: &Core,
        message: M,
        priority: Priority,
        wrap: impl FnOnce(M) -> A::Message,
    ) -> Result<(), SendError<M>> {
        let stash = &self.extra(core).line(priority).stash;
        if stash.len() >= A::MAILBOX_CAPACITY as usize || stash.weight.bytes() >= A::MAILBOX_BYTES {
            return Err(SendError::Full(message));
        }
        let message = user(|| wrap(message));
        self.weigh_in(&stash.weight, &message);
        stash.push(message);
        Ok(())
    }

    /// Has all come back that was set aside.
    pub(super) fn unstash(&self, core: &Core) {
        core.cells.interrupt();
        if let Some(extra) = self.extra_if_made() {
            extra.lines().for_each(|line| line.stash.give_back());
        }
    }
}

impl<A: Actor> Context<A> {
    /// Sets a message aside until [`unstash`](Context::unstash): for an actor that cannot handle it yet. It is handled again like one that
    /// has just come.
    ///
    /// As many can be set aside as [`Actor::MAILBOX_CAPACITY`] and [`Actor::MAILBOX_BYTES`] say, of each priority, beside what waits in the mailbox. An
    /// actor that has failed and is begun again finds all of it before what waits, as if it had been unstashed: the new one sets aside again what
    /// it cannot handle yet. When the actor ends, what is left is counted among the dead letters.
    ///
    /// **Costs** memory of its own while something is set aside, and an allocation, once, for an actor that has never done this.
    ///
    /// # Errors
    /// Hands the message back: [`SendError::Full`] when so many are set aside, [`SendError::Stopped`] where there is no such actor.
    ///
    /// ```
    /// use odeon::prelude::*;
    /// use odeon::testing::TestContext;
    ///
    /// #[derive(Message)]
    /// struct Login(&'static str);
    /// #[derive(Message)]
    /// struct Say(&'static str);
    ///
    /// /// What it is comes first in its state, and so does what it does with a message.
    /// #[derive(Default)]
    /// enum Session {
    ///     #[default]
    ///     Waiting,
    ///     Named(&'static str, Vec<&'static str>),
    /// }
    ///
    /// #[actor]
    /// impl Session {
    ///     #[message]
    ///     fn login(&mut self, Login(name): Login, cx: &mut Context<Self>) {
    ///         *self = Session::Named(name, Vec::new());
    ///         cx.unstash();
    ///     }
    ///
    ///     #[message]
    ///     fn say(&mut self, say: Say, cx: &mut Context<Self>) {
    ///         match self {
    ///             Session::Waiting => cx.stash(say).or_dead_letter(),
    ///             Session::Named(_, said) => said.push(say.0),
    ///         }
    ///     }
    /// }
    ///
    /// let (mut session, mut cx) = (Session::default(), TestContext::new());
    /// session.say(Say("one"), &mut cx);
    /// session.say(Say("two"), &mut cx);
    /// session.login(Login("Ada"), &mut cx);
    /// cx.run(&mut session);
    /// assert!(matches!(session, Session::Named("Ada", said) if said == ["one", "two"]));
    /// ```
    pub fn stash<M: Message>(&mut self, message: M) -> Result<(), SendError<M>>
    where
        A: AcceptsLocal<M>,
    {
        self.set_aside(message, <A as AcceptsLocal<M>>::PRIORITY, <A as AcceptsLocal<M>>::accept)
    }

    /// The same for a message that is to be answered, by a handler that takes its [`Reply`].
    ///
    /// # Errors
    /// As [`stash`](Context::stash). Whoever has asked is told why.
    pub fn stash_ask<M: Message>(&mut self, message: M, reply: Reply<M::Reply>) -> Result<(), SendError<M>>
    where
        A: AcceptsLocal<M>,
    {
        let wrap = |(message, reply)| <A as AcceptsLocal<M>>::accept_ask(message, reply);
        let set_aside = self.set_aside((message, reply), <A as AcceptsLocal<M>>::PRIORITY, wrap);
        set_aside.map_err(|refused| match refused {
            SendError::Full((message, reply)) => {
                reply.refuse(AskError::Full);
                SendError::Full(message)
            }
            SendError::Stopped((message, reply)) => {
                reply.refuse(AskError::Stopped);
                SendError::Stopped(message)
            }
        })
    }

    /// Has everything handled that was [set aside](Context::stash), in the order in which it was: before what waits in the mailbox at the
    /// same priority, once this handler has returned.
    pub fn unstash(&mut self) {
        let cell = self.cell();
        self.with_core(|core| {
            core.cells.find(cell, |head: &Head<A>| head.unstash(core));
            core.schedule(cell);
        });
    }

    fn set_aside<V>(
        &self,
        value: V,
        priority: Priority,
        wrap: impl FnOnce(V) -> A::Message,
    ) -> Result<(), SendError<V>> {
        let mut value = Some(value);
        let set_aside = self.with_core(|core| {
            core.cells.find(self.cell(), |head: &Head<A>| {
                let value = value.take().expect("it is called once");
                head.stash(core, value, priority, wrap)
            })
        });
        match (set_aside.flatten(), value) {
            (Some(result), _) => result,
            (None, Some(value)) => Err(SendError::Stopped(value)),
            (None, None) => unreachable!("it is taken where it is set aside"),
        }
    }
}
