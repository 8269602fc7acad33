//! Streams as a source of messages.
//!
//! Knows: that items come when the actor has time for them. Must not know where they come from.

use std::any::type_name;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::forget;
use std::pin::Pin;
use std::task::{self, Poll};

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::head::Head;
use super::shell::failed_on;
use super::{Accepts, AcceptsLocal, Actor, Context, Flow, Message};
use crate::executor::blame::user;
use crate::executor::{Core, Counters, Kind, Limit, RawAddress, current};
use crate::mem::Key;

impl<A: Actor> Context<A> {
    /// Handles every item of a stream as a message, in order, until the stream or the actor ends. Nothing is taken from the stream
    /// while the actor has no time for it: its mailbox is not used, so nothing is refused or lost. Items and messages take turns.
    ///
    /// Answers [`Flow::Continue`]; [`Flow::Fail`] if the core has as many tasks as `Config::tasks_max` allows.
    ///
    /// **Costs** no allocation for a stream of up to a kilobyte.
    ///
    /// ```
    /// use std::time::Duration;
    /// use odeon::prelude::*;
    /// # use std::pin::Pin;
    /// # use std::task::Poll;
    /// # struct Count(u32);
    /// # impl futures_core::Stream for Count {
    /// #     type Item = Tick;
    /// #     fn poll_next(mut self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<Option<Tick>> {
    /// #         self.0 += 1;
    /// #         Poll::Ready((self.0 <= 3).then(|| Tick(self.0)))
    /// #     }
    /// # }
    /// # fn ticks() -> Count { Count(0) }
    ///
    /// #[derive(Message)]
    /// struct Tick(u32);
    ///
    /// #[derive(Default)]
    /// struct Listener(u32);
    ///
    /// #[actor]
    /// impl Listener {
    ///     #[started]
    ///     fn start(&mut self, cx: &mut Context<Self>) -> Flow {
    ///         cx.attach(ticks()) // a stream of `Tick`s
    ///     }
    ///
    ///     #[message]
    ///     fn tick(&mut self, Tick(number): Tick) {
    ///         self.0 += number;
    ///     }
    ///
    ///     #[call]
    ///     fn sum(&self) -> u32 {
    ///         self.0
    ///     }
    /// }
    ///
    /// let system = System::builder().cores(Cores::Count(1)).build()?;
    /// let listener = system.spawn(Listener::default())?;
    /// while listener.sum().wait()? < 6 {
    ///     std::thread::yield_now();
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn attach<S>(&mut self, stream: S) -> Flow
    where
        S: Stream + 'static,
        S::Item: Message,
        A: Accepts<S::Item>,
    {
        let me = self.me().raw();
        let (name, attached) = (type_name::<S>(), Attached::<A, S> { stream, me, actor: PhantomData });
        match self
            .begin(name, |core| core.begin_running(me.cell(), Kind::Source, Limit::Never, name, attached))
        {
            true => Flow::Continue,
            false => Flow::Fail,
        }
    }
}

pin_project! {
    /// Polls a stream on behalf of an actor.
    struct Attached<A, S> {
        #[pin]
        stream: S,
        me: RawAddress,
        actor: PhantomData<fn(A)>,
    }
}

impl<A: Accepts<S::Item>, S: Stream> Future for Attached<A, S>
where
    S::Item: Message,
{
    type Output = Flow;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Flow> {
        let this = self.project();
        let Some(item) = task::ready!(this.stream.poll_next(cx)) else { return Poll::Ready(Flow::Continue) };
        let flow = handle::<A, _>(*this.me, item);
        if flow != Flow::Continue {
            return Poll::Ready(flow);
        }
        // One at a time: others of this actor come in between.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Has an actor of the core that runs handle a message that did not wait in its mailbox, within an activation of its own.
pub(super) fn handle<A: AcceptsLocal<M>, M: Message>(me: RawAddress, item: M) -> Flow {
    current::with(|core| {
        let Some(core) = core.filter(|core| core.id == me.core()) else { return Flow::Continue };
        let handled = core.cells.find(me.cell(), |head: &Head<A>| {
            let mut actor = head.borrow()?;
            Counters::add(&core.counters.handled, 1);
            let fails = Fails::<A, M> { core, cell: me.cell(), types: PhantomData };
            let flow = user(|| actor.handle(A::accept(item), &mut Context::at(me)));
            if flow != Flow::Fail {
                forget(fails);
            }
            Some(flow)
        });
        handled.flatten().unwrap_or(Flow::Continue)
    })
}

/// Dropped if an actor fails on a message, also while it panics.
struct Fails<'a, A: Actor, M> {
    core: &'a Core,
    cell: Key,
    types: PhantomData<fn(A, M)>,
}

impl<A: Actor, M> Drop for Fails<'_, A, M> {
    #[cold]
    fn drop(&mut self) {
        failed_on::<A>(self.core, self.cell, type_name::<M>());
    }
}
