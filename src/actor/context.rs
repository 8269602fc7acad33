//! What a handler is given.
//!
//! Knows: the actor's own address, and what can be done from within. Must not know how it is done.

use std::fmt;
use std::marker::PhantomData;

use super::{Actor, Addr, SpawnError, body};
use crate::executor::{Activation, Core, Output, RawAddress, current};
use crate::sys::Time;

/// What a handler can do beside changing its actor's state. Valid for one activation.
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

    /// The time at the start of this activation, on the monotonic clock.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// Spawns an actor on this core. **Costs** one allocation.
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
