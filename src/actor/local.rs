//! Addresses for one core only, by which messages travel that must not leave it.
//!
//! Knows: that sender and receiver share a core. Must not know what is sent.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use super::ask::LocalAsk;
use super::reply::Reply;
use super::{Accepts, Actor, Addr, Context, Message, Priority, SendError, address};
use crate::executor::current;

/// An actor that accepts an `M` from actors of its own core, where `M` need not be [`Send`]: what `#[message(local)]` makes.
/// Follows from [`Accepts`] for every other message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no handler for `{M}`",
    label = "this message cannot be sent to `{Self}`",
    note = "help: write a `#[message]` or `#[message(local)]` handler that takes a `{M}`"
)]
pub trait AcceptsLocal<M: Message>: Actor {
    /// What it comes before, whether it is told or asked.
    const PRIORITY: Priority = Priority::User;

    /// Puts the message into what the mailbox holds.
    fn accept(message: M) -> Self::Message;

    /// The same for a message that is to be answered.
    fn accept_ask(message: M, reply: Reply<M::Reply>) -> Self::Message;
}

impl<A: Accepts<M>, M: Message> AcceptsLocal<M> for A {
    const PRIORITY: Priority = <A as Accepts<M>>::PRIORITY;

    fn accept(message: M) -> A::Message {
        <A as Accepts<M>>::accept(message)
    }

    fn accept_ask(message: M, reply: Reply<M::Reply>) -> A::Message {
        <A as Accepts<M>>::accept_ask(message, reply)
    }
}

/// The address of an actor on the same core. It is not [`Send`], and so stays there: what is sent by it need not be `Send`
/// either, an `Rc` for example. Made by [`Context::local`] and [`Addr::local`]. Everything that an [`Addr`] can do it can as
/// well.
///
/// ```
/// use std::rc::Rc;
/// use odeon::prelude::*;
///
/// #[derive(Message)]
/// struct Share(Rc<str>);
///
/// struct Cache(Option<Rc<str>>);
///
/// #[actor]
/// impl Cache {
///     #[message(local)]
///     fn share(&mut self, Share(text): Share) {
///         self.0 = Some(text);
///     }
/// }
///
/// struct Reader(Addr<Cache>);
///
/// #[actor]
/// impl Reader {
///     #[started]
///     fn start(&mut self, _: &mut Context<Self>) {
///         // None if the cache lives on another core.
///         if let Some(cache) = self.0.local() {
///             cache.tell(Share(Rc::from("text"))).or_dead_letter();
///         }
///     }
/// }
/// ```
pub struct LocalAddr<A> {
    address: Addr<A>,
    local: PhantomData<*const ()>,
}

impl<A: Actor> LocalAddr<A> {
    fn new(address: Addr<A>) -> LocalAddr<A> {
        LocalAddr { address, local: PhantomData }
    }

    /// Sends a message, like [`Addr::tell`], which need not be `Send`.
    ///
    /// # Errors
    /// As [`Addr::tell`], and always exact.
    pub fn tell<M: Message>(self, message: M) -> Result<(), SendError<M>>
    where
        A: AcceptsLocal<M>,
    {
        address::tell_local::<A, M>(self.address.raw(), message)
    }

    /// Describes a question, like [`Addr::ask`]. Neither it nor the answer needs to be `Send`.
    pub fn ask<M: Message>(self, message: M) -> LocalAsk<A, M>
    where
        A: AcceptsLocal<M>,
    {
        LocalAsk::new(self.address.raw(), message)
    }
}

impl<A: Actor> Addr<A> {
    /// The address as actors of its own core may use it. None on any other thread.
    #[must_use]
    pub fn local(self) -> Option<LocalAddr<A>> {
        current::at(self.raw().core(), |core| core.map(|_| LocalAddr::new(self)))
    }
}

impl<A: Actor> Context<A> {
    /// The actor's own address, for actors of the same core.
    #[must_use]
    pub fn local(&self) -> LocalAddr<A> {
        LocalAddr::new(self.me())
    }
}

impl<A> Deref for LocalAddr<A> {
    type Target = Addr<A>;

    fn deref(&self) -> &Addr<A> {
        &self.address
    }
}

impl<A> Clone for LocalAddr<A> {
    fn clone(&self) -> LocalAddr<A> {
        *self
    }
}

impl<A> Copy for LocalAddr<A> {}

impl<A> PartialEq for LocalAddr<A> {
    fn eq(&self, other: &LocalAddr<A>) -> bool {
        self.address == other.address
    }
}

impl<A> Eq for LocalAddr<A> {}

impl<A> fmt::Debug for LocalAddr<A> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Local{:?}", self.address)
    }
}
