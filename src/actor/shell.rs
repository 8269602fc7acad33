//! The state of an actor, and the calls into user code that it takes: with every panic contained.
//!
//! Knows: hooks, handlers, budgets. Must not know whether there is a connection.

use std::cell::RefCell;

use super::head::Head;
use super::{Actor, Context, Flow, StopReason};
use crate::executor::blame::{runtime, user};
use crate::executor::{Activation, Budget, Core, Counters};

/// How a batch of messages ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Batch {
    /// The mailbox is empty.
    Empty,
    /// The budget is used up, or something more urgent has come.
    Again,
    /// The actor ends.
    End(StopReason),
}

/// The state of an actor, until it ends.
pub(crate) struct Shell<A> {
    state: RefCell<Option<A>>,
}

impl<A: Actor> Shell<A> {
    pub(crate) fn new(state: A) -> Shell<A> {
        Shell { state: RefCell::new(Some(state)) }
    }

    /// The state of an actor that has not started.
    ///
    /// # Panics
    /// When the actor has ended.
    pub(crate) fn into_state(self) -> A {
        self.state.into_inner().expect("an actor that has not started has its state")
    }

    /// Calls into the actor. `Err` if that panicked: its state is not to be used again, but for `stopped`.
    pub(crate) fn call<R>(&self, core: &Core, call: impl FnOnce(&mut A) -> R) -> Result<R, StopReason> {
        let mut state = self.state.borrow_mut();
        let Some(state) = state.as_mut() else { return Err(StopReason::Stopped) };
        core.contain(|| call(state)).ok_or(StopReason::Panicked)
    }

    /// Calls `started`.
    pub(crate) fn start(&self, cx: &mut Context<A>, core: &Core) -> Batch {
        match self.call(core, |actor| actor.started(cx)) {
            Ok(Flow::Continue) => Batch::Empty,
            Ok(Flow::Stop | Flow::Close) => Batch::End(StopReason::Stopped),
            Err(reason) => Batch::End(reason),
        }
    }

    /// Handles messages until none is left, the budget is used up, the actor ends, or a notice or a demand has come.
    pub(crate) fn handle_messages(
        &self,
        head: &Head<A>,
        activation: &Activation<'_>,
        budget: &mut Budget,
        cx: &mut Context<A>,
    ) -> Batch {
        let core = activation.core;
        let before = budget.handled();
        let batch = self.call(core, |actor| {
            loop {
                let flow = runtime(|| head.pop(&core.chunks, |message| user(|| actor.handle(message, cx))));
                let Some(flow) = flow else { return Batch::Empty };
                let more = budget.spend(core);
                if flow != Flow::Continue {
                    return Batch::End(StopReason::Stopped);
                }
                if !more || cx.must_pause(core) {
                    return Batch::Again;
                }
            }
        });
        Counters::add(&core.counters.handled, u64::from(budget.handled() - before));
        batch.unwrap_or_else(Batch::End)
    }

    /// Ends the actor: closes its mailbox, calls `stopped`, discards what it did not handle, drops its state.
    pub(crate) fn end(
        &self,
        head: &Head<A>,
        activation: &Activation<'_>,
        reason: StopReason,
        cx: &mut Context<A>,
    ) {
        let core = activation.core;
        core.cells.close(activation.cell);
        // A panic in `stopped` has been counted; the actor ends all the same.
        let _ = self.call(core, |actor| actor.stopped(reason, cx));
        head.discard(core);
        let state = self.state.borrow_mut().take();
        core.drop_contained(state);
    }
}
