//! Waiting for room in a mailbox.
//!
//! Knows: who waits, in which order, and how they are told. Must not know what makes room.
//!
//! A message that waits is an *offer*. It lies on the receiver's core, wherever its sender is, and goes into the mailbox when it is its
//! turn. Its sender is told by a oneshot: once it is in, or with the message that the actor has stopped. Offers wait only where the
//! mailbox is full, and go in with each message that is taken out, so who does not wait finds it full. Where the way to that core is full, an
//! offer waits in front of it (`executor/anteroom.rs`), and its sender is told of nothing in between.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::head::Head;
use super::{Actor, Priority, SendError, SendTo};
use crate::executor::blame::user;
use crate::executor::{Core, Oneshot, Patient, Queue, RawAddress, Refused, current, post, wait_for_way};
use crate::mem::Key;

type Sent<M> = Result<(), SendError<M>>;

/// A message that waits for room. If it is dropped, its sender has it back.
struct Offer<M> {
    message: Option<M>,
    answer: Arc<Oneshot<Sent<M>>>,
}

impl<M> Offer<M> {
    fn new(message: M) -> Offer<M> {
        Offer { message: Some(message), answer: Arc::new(Oneshot::new()) }
    }

    fn take(&mut self) -> M {
        self.message.take().expect("it is taken once")
    }
}

impl<M: Send + 'static> Patient for Offer<M> {
    fn is_closed(&self) -> bool {
        self.answer.is_closed()
    }
}

impl<M> Drop for Offer<M> {
    fn drop(&mut self) {
        if let Some(message) = self.message.take() {
            let unwanted = self.answer.set(Err(SendError::Stopped(message)));
            user(|| drop(unwanted));
        }
    }
}

/// An offer to an actor, whose type of message is hidden.
pub(super) trait Offered<T> {
    /// Its sender does not wait any more.
    fn is_closed(&self) -> bool;

    /// Tells its sender that it is taken, and answers what the mailbox is to hold.
    fn accept(self: Box<Self>) -> T;
}

struct To<A, M>(Offer<M>, PhantomData<A>);

impl<A: Actor, M: SendTo<A>> Offered<A::Message> for To<A, M> {
    fn is_closed(&self) -> bool {
        self.0.answer.is_closed()
    }

    fn accept(mut self: Box<Self>) -> A::Message {
        let message = self.0.take();
        // Before anything can panic. Whoever has given up just now is not told.
        let _ = self.0.answer.set(Ok(()));
        user(|| M::accepted(message))
    }
}

/// Those who wait for room at one priority.
pub(super) struct Offers<T> {
    waiting: RefCell<Queue<Box<dyn Offered<T>>>>,
}

impl<T> Offers<T> {
    pub(super) fn new() -> Offers<T> {
        Offers { waiting: RefCell::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    fn push(&self, core: &Core, offer: Box<dyn Offered<T>>) {
        let closed = self.waiting.borrow_mut().push(offer, |offer| offer.is_closed());
        closed.into_iter().for_each(|offer| core.drop_contained(offer));
    }

    /// Takes the one that has waited longest and still does.
    pub(super) fn next(&self, core: &Core) -> Option<Box<dyn Offered<T>>> {
        loop {
            let offer = self.waiting.borrow_mut().pop()?;
            if !offer.is_closed() {
                return Some(offer);
            }
            core.drop_contained(offer);
        }
    }

    /// Gives all that waits back to its senders.
    pub(super) fn give_back(&self, core: &Core) {
        let waiting = self.waiting.borrow_mut().take();
        waiting.into_iter().for_each(|offer| core.drop_contained(offer));
    }
}

/// What has come of a message that may wait.
pub(super) enum Offering<M> {
    /// It is in the mailbox, or comes back.
    Done(Sent<M>),
    /// It waits at the receiver's core, or is on its way there.
    Waits(Arc<Oneshot<Sent<M>>>),
}

impl<A: Actor> Head<A> {
    /// Has a message wait for room. Whoever takes messages from the mailbox alone looks again.
    fn keep_offer(&self, core: &Core, offer: Box<dyn Offered<A::Message>>, priority: Priority) {
        core.cells.interrupt();
        self.extra(core).line(priority).offers.push(core, offer);
    }
}

/// Sends a message, or has it wait for room.
pub(super) fn offer<A: Actor, M: SendTo<A>>(to: RawAddress, message: M) -> Offering<M> {
    current::with(|core| match core {
        Some(core) if core.id == to.core() => offer_here::<A, M>(core, to.cell(), message),
        from => {
            let offer = Offer::new(message);
            let answer = Arc::clone(&offer.answer);
            let posted = match post(from, to, arrive::<A, M>, offer) {
                Err(Refused::Full(offer)) => wait_for_way(from, to, arrive::<A, M>, offer),
                Err(Refused::Gone(offer)) => Err(offer),
                Ok(()) => Ok(()),
            };
            match posted {
                Ok(()) => Offering::Waits(answer),
                Err(mut offer) => Offering::Done(Err(SendError::Stopped(offer.take()))),
            }
        }
    })
}

fn offer_here<A: Actor, M: SendTo<A>>(core: &Core, cell: Key, message: M) -> Offering<M> {
    let offered = core.cells.reach(cell, message, |head: &Head<A>, message| {
        if head.takes_offers(core, M::PRIORITY) {
            head.put(core, user(|| M::accepted(message)), M::PRIORITY);
            return Offering::Done(Ok(()));
        }
        let offer = Offer::new(message);
        let answer = Arc::clone(&offer.answer);
        head.keep_offer(core, Box::new(To::<A, M>(offer, PhantomData)), M::PRIORITY);
        Offering::Waits(answer)
    });
    offered.unwrap_or_else(|message| Offering::Done(Err(SendError::Stopped(message))))
}

/// An offer arrives from another core or thread.
fn arrive<A: Actor, M: SendTo<A>>(cell: Key, offer: Offer<M>) {
    current::with(|core| {
        let Some(core) = core else { return };
        let refused = core.cells.reach(cell, offer, |head: &Head<A>, offer| {
            let offer = Box::new(To::<A, M>(offer, PhantomData));
            if offer.is_closed() {
                core.drop_contained(offer);
            } else if head.takes_offers(core, M::PRIORITY) {
                head.put(core, offer.accept(), M::PRIORITY);
            } else {
                head.keep_offer(core, offer, M::PRIORITY);
            }
        });
        // Its sender is told as it is dropped.
        core.drop_contained(refused);
    });
}

enum State<M> {
    Begins(M),
    Waits(Arc<Oneshot<Sent<M>>>),
    Over,
}

/// A message that waits for room: what [`Addr::send`](super::Addr::send) and [`Recipient::send`](super::Recipient::send) answer. It is polled by any runtime.
///
/// Dropping it withdraws the message, if it is not in the mailbox yet.
#[must_use = "nothing is sent before it is awaited"]
pub struct SendFuture<M: 'static> {
    to: RawAddress,
    offer: fn(RawAddress, M) -> Offering<M>,
    state: State<M>,
}

/// Nothing in it is pinned.
impl<M> Unpin for SendFuture<M> {}

impl<M> SendFuture<M> {
    pub(super) fn new(to: RawAddress, offer: fn(RawAddress, M) -> Offering<M>, message: M) -> SendFuture<M> {
        SendFuture { to, offer, state: State::Begins(message) }
    }
}

impl<M> Future for SendFuture<M> {
    type Output = Result<(), SendError<M>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (to, offer) = (self.to, self.offer);
        match std::mem::replace(&mut self.state, State::Over) {
            State::Begins(message) => match offer(to, message) {
                Offering::Done(sent) => return Poll::Ready(sent),
                Offering::Waits(answer) => self.state = State::Waits(answer),
            },
            waits => self.state = waits,
        }
        let State::Waits(answer) = &self.state else { panic!("a message that has been sent is polled") };
        let sent = std::task::ready!(answer.poll(cx));
        self.state = State::Over;
        Poll::Ready(sent)
    }
}

impl<M> Drop for SendFuture<M> {
    fn drop(&mut self) {
        if let State::Waits(answer) = &self.state {
            answer.close();
        }
    }
}

impl<M> fmt::Debug for SendFuture<M> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SendFuture")
            .field("waits", &matches!(self.state, State::Waits(_)))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
