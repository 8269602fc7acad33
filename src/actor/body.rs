//! An actor without a connection, as the executor runs it.
//!
//! Knows: the order of hooks and messages. Must not know how it was scheduled.

use super::head::Head;
use super::shell::{Batch, Shell};
use super::{Actor, Addr, Context, SpawnError, StopReason};
use crate::executor::{Activation, Body, Budget, Core, Demand, Outcome};

struct Plain<A> {
    shell: Shell<A>,
}

impl<A: Actor> Body<Head<A>> for Plain<A> {
    fn activate(&self, head: &Head<A>, activation: &Activation<'_>) -> Outcome {
        let mut cx = Context::new(activation);
        match self.run(head, activation, &mut cx) {
            Batch::Empty => Outcome::Rest,
            Batch::Again => Outcome::Again,
            Batch::End(reason) => {
                self.shell.end(head, activation, reason, &mut cx);
                while activation.core.cells.next_notice(activation.cell).is_some() {}
                Outcome::Ended
            }
        }
    }
}

impl<A: Actor> Plain<A> {
    fn run(&self, head: &Head<A>, activation: &Activation<'_>, cx: &mut Context<A>) -> Batch {
        if activation.first {
            let batch = self.shell.start(cx, activation.core);
            if batch != Batch::Empty {
                return batch;
            }
        }
        if activation.demanded || activation.first {
            match activation.core.cells.take_demand(activation.cell) {
                Some(Demand::Stop) => return Batch::End(StopReason::Stopped),
                Some(Demand::Abort) => return Batch::End(StopReason::Aborted),
                None => {}
            }
        }
        self.shell.handle_messages(head, activation, &mut Budget::new(activation.core), cx)
    }
}

/// Spawns an actor without a connection on `core`.
pub fn spawn<A: Actor>(core: &Core, actor: A) -> Result<Addr<A>, SpawnError<A>> {
    let body = Plain { shell: Shell::new(actor) };
    match core.spawn(Head::<A>::new(), body) {
        Ok(cell) => Ok(Addr::from_raw(core.address(cell))),
        Err((_, body)) => Err(SpawnError(body.shell.into_state())),
    }
}
