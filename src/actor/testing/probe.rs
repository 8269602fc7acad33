//! Receivers for tests: one that keeps what it is sent, and nobody.
//!
//! Knows: messages of one type. Must not know who sends them.

use std::cell::Cell;
use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;

use super::super::{Accepts, Actor, Addr, Context, Flow, Message, Recipient, Reply};
use super::TestContext;
use crate::executor::{CoreId, RawAddress};
use crate::mem::Key;

/// A recipient that can be given to actors, and what it has been sent. It works without a system, and on every thread, like any
/// recipient. Up to 1,024 messages wait to be taken; more are refused with [`SendError::Full`](crate::SendError::Full), and after the
/// probe is dropped with [`SendError::Stopped`](crate::SendError::Stopped).
///
/// ```
/// use odeon::prelude::*;
/// use odeon::testing::probe;
///
/// #[derive(Message, Debug, PartialEq)]
/// struct Said(&'static str);
///
/// let (recipient, mut said) = probe::<Said>();
/// recipient.tell(Said("hello"))?;
/// std::thread::spawn(move || recipient.tell(Said("hello from afar"))).join().unwrap()?;
/// assert_eq!(said.take(), [Said("hello"), Said("hello from afar")]);
/// assert_eq!(said.take(), []);
/// # Ok::<(), SendError<Said>>(())
/// ```
#[must_use]
pub fn probe<M: Message + Send>() -> (Recipient<M>, Probe<M>) {
    let context = TestContext::<Keeper<M>>::new();
    (context.recipient(), Probe { context })
}

/// What was sent to the recipient that [`probe`] made with it. It stays on its thread.
pub struct Probe<M: Message> {
    context: TestContext<Keeper<M>>,
}

impl<M: Message> Probe<M> {
    /// Takes what has been sent since the last look, in order. Whoever asked is told that there is no answer.
    pub fn take(&mut self) -> Vec<M> {
        self.take_asked().into_iter().map(|(message, _)| message).collect()
    }

    /// Takes the oldest of them alone.
    pub fn take_one(&mut self) -> Option<M> {
        self.context.message().map(|(message, _)| message)
    }

    /// The same as [`take`](Probe::take), each with the reply for whoever asked; where nobody did, it is one to nobody.
    pub fn take_asked(&mut self) -> Vec<(M, Reply<M::Reply>)> {
        self.context.messages()
    }
}

impl<M: Message> fmt::Debug for Probe<M> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Probe").finish_non_exhaustive()
    }
}

/// The actor that a recipient leads to. There is none: messages wait for it.
struct Keeper<M>(Infallible, PhantomData<M>);

impl<M: Message> Actor for Keeper<M> {
    type Message = (M, Reply<M::Reply>);

    fn handle(&mut self, _: Self::Message, _: &mut Context<Self>) -> Flow {
        match self.0 {}
    }
}

impl<M: Message> Accepts<M> for Keeper<M> {
    fn accept(message: M) -> Self::Message {
        (message, Reply::nobody())
    }

    fn accept_ask(message: M, reply: Reply<M::Reply>) -> Self::Message {
        (message, reply)
    }
}

/// The address of an actor that does not exist, another one each time on a thread: for a test of an actor that needs one. What
/// is told to it comes back as [`SendError::Stopped`](crate::SendError::Stopped); what is asked of it with a
/// [`TestContext`] waits for the test to [answer](TestContext::answer).
///
/// ```
/// use odeon::prelude::*;
/// use odeon::testing::nobody;
///
/// # #[derive(Message)] struct Print(&'static str);
/// # struct Printer;
/// # impl Actor for Printer {
/// #     type Message = Print;
/// #     fn handle(&mut self, _: Print, _: &mut Context<Self>) -> Flow { Flow::Continue }
/// # }
/// # impl Accepts<Print> for Printer { fn accept(message: Print) -> Print { message } }
/// let printer: Addr<Printer> = nobody();
/// assert!(matches!(printer.tell(Print("page 1")), Err(SendError::Stopped(Print("page 1")))));
/// assert_ne!(printer, nobody());
/// ```
#[must_use]
pub fn nobody<A: Actor>() -> Addr<A> {
    /// Given out last, and so never.
    const NOWHERE: CoreId = CoreId(u32::MAX);
    thread_local! {
        static NEXT: Cell<u64> = const { Cell::new(0) };
    }
    let cell = NEXT.replace(NEXT.get() + 1);
    Addr::from_raw(RawAddress::new(NOWHERE, Key::from_bits(cell)))
}
