//! What a handler is given.
//!
//! Knows: the actor's own address, and what can be done from within. Must not know how it is done.

use std::fmt;
use std::marker::PhantomData;

use super::{Actor, Addr, Recipient, SendTo, SpawnError, body};
use crate::executor::{Activation, Core, Output, RawAddress, current};
use crate::sys::Time;

/// What a handler can do beside changing its actor's state: name the actor, look at the time, spawn other actors, and,
/// where the actor is a [`Connection`](crate::Connection), write to its peer.
///
/// It is lent to hooks and handlers, and cannot be kept.
///
/// ```
/// use odeon::prelude::*;
///
/// /// Asks for a room of this name; the answer is its address.
/// #[derive(Message)]
/// struct Open {
///     name: String,
///     answer: Recipient<Opened>,
/// }
///
/// #[derive(Message)]
/// struct Opened(Addr<Room>);
///
/// struct Room {
///     name: String,
/// }
///
/// impl Actor for Room {
///     type Message = Never;
///     fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
///         match message {}
///     }
/// }
///
/// struct Directory;
///
/// impl Actor for Directory {
///     type Message = Open;
///     fn handle(&mut self, Open { name, answer }: Open, cx: &mut Context<Self>) -> Flow {
///         match cx.spawn(Room { name }) {
///             Ok(room) => answer.tell(Opened(room)).or_dead_letter(),
///             Err(error) => println!("no room {}: {error}", error.0.name),
///         }
///         Flow::Continue
///     }
/// }
/// ```
pub struct Context<A: Actor> {
    me: RawAddress,
    now: Time,
    demands: u32,
    /// What a connection has written; none for other actors.
    pub(crate) output: Option<Output>,
    actor: PhantomData<fn(A)>,
}

impl<A: Actor> Context<A> {
    pub(crate) fn new(activation: &Activation<'_>) -> Context<A> {
        let core = activation.core;
        Context {
            me: core.address(activation.cell),
            now: core.now(),
            demands: core.cells.demands(),
            output: None,
            actor: PhantomData,
        }
    }

    /// The actor's own address. Valid anywhere, and beyond the actor's end, when it answers
    /// [`SendError::Stopped`](super::SendError::Stopped).
    #[must_use]
    pub fn me(&self) -> Addr<A> {
        Addr::from_raw(self.me)
    }

    /// The actor's own address as a sender of `M` sees it: what goes into a question, for the answer to come back.
    #[must_use]
    pub fn recipient<M: SendTo<A>>(&self) -> Recipient<M> {
        self.me().recipient()
    }

    /// The time at the start of this activation, on the monotonic clock. **Costs** nothing: the clock has been read already,
    /// a few times per turn, so this may lie behind it by the time that other actors took, 500 µs unless one of them blocks.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// Spawns an actor on this core. [`Actor::started`] runs after this handler has returned. The new actor does not depend on
    /// this one: it lives until it is stopped, or the system is.
    ///
    /// **Costs** the actor's state and some 100 bytes, from pages that the core keeps; an allocation of its own if the state
    /// is more than a kilobyte.
    ///
    /// # Errors
    /// Hands the actor back when the core holds as many as `Config::actors_max` allows.
    pub fn spawn<B: Actor>(&mut self, actor: B) -> Result<Addr<B>, SpawnError<B>> {
        current::with(|core| match core {
            Some(core) => body::spawn(core, actor),
            None => Err(SpawnError(actor)),
        })
    }

    /// True if something was asked of an actor on this core, perhaps of this one: look before the next message.
    pub(crate) fn must_pause(&self, core: &Core) -> bool {
        core.cells.demands() != self.demands
    }
}

impl<A: Actor> fmt::Debug for Context<A> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Context").field("me", &self.me).finish_non_exhaustive()
    }
}
