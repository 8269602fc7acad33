//! An actor that is begun again, as the executor runs it.
//!
//! Knows: what an incarnation is, and what becomes of the mailbox between two. Must not know when it is to begin.
//!
//! It is *up* while there is an actor. When that ends without ending for good, it is *down*: the mailbox takes messages, and nothing
//! runs, until its supervisor has it begin or stop.

use std::cell::{Cell, RefCell};

use super::super::body::run;
use super::super::head::Head;
use super::super::shell::{Batch, reason_of};
use super::super::{Actor, Context, OnPanic, StopReason};
use super::words::{Above, What};
use crate::executor::blame::user;
use crate::executor::{Activation, Body, Demand, Errand, Outcome};

/// The body of a cell whose actor is made by `make`, again and again.
pub(super) struct Supervised<F> {
    make: RefCell<F>,
    above: Above,
    up: Cell<bool>,
    /// How many times it has begun.
    begun: Cell<u32>,
}

impl<F> Supervised<F> {
    pub(super) fn new(make: F, above: Above) -> Supervised<F> {
        Supervised { make: RefCell::new(make), above, up: Cell::new(false), begun: Cell::new(0) }
    }
}

impl<A: Actor, F: FnMut() -> A + 'static> Body<Head<A>> for Supervised<F> {
    fn activate(&self, head: &Head<A>, activation: &Activation<'_>) -> Outcome {
        let mut cx = Context::at(activation.address());
        let batch = if self.up.get() {
            run(head, activation, &mut cx)
        } else {
            self.go_on_while_down(head, activation, &mut cx)
        };
        match batch {
            Batch::Empty => Outcome::Rest,
            Batch::Again => Outcome::Again,
            Batch::End(reason) => self.end(head, activation, reason, &mut cx),
        }
    }
}

impl<F> Supervised<F> {
    fn go_on_while_down<A: Actor>(
        &self,
        head: &Head<A>,
        activation: &Activation<'_>,
        cx: &mut Context<A>,
    ) -> Batch
    where
        F: FnMut() -> A,
    {
        let (core, cell) = (activation.core, activation.cell());
        // Of what it had begun, its links are left.
        while let Some(Errand::Answer(link)) = core.next_errand(cell) {
            core.contain(|| link.go_on(core, None));
        }
        match core.cells.take_demand(cell) {
            // It has failed before it heard that.
            None | Some(Demand::Halt) => {}
            Some(demand) => return Batch::End(reason_of(demand)),
        }
        if !core.cells.take_begin(cell) {
            return Batch::Empty;
        }
        self.up.set(true);
        self.begun.set(self.begun.get().wrapping_add(1));
        let made = core.contain(|| user(|| (self.make.borrow_mut())()));
        let Some(actor) = made else { return Batch::End(StopReason::Panicked) };
        head.put_state(actor);
        match head.start(activation, cx) {
            Batch::Empty => {
                self.above.tell(core, cell, What::Began(self.begun.get()));
                Batch::Again
            }
            batch => batch,
        }
    }

    #[inline(never)]
    fn end<A: Actor>(
        &self,
        head: &Head<A>,
        activation: &Activation<'_>,
        reason: StopReason,
        cx: &mut Context<A>,
    ) -> Outcome {
        let (core, cell) = (activation.core, activation.cell());
        let what = match reason {
            StopReason::Panicked if A::ON_PANIC == OnPanic::Restart => What::Failed(self.begun.get()),
            StopReason::Failed => What::Failed(self.begun.get()),
            StopReason::Restarting => What::Halted,
            _ => What::Ended,
        };
        if what == What::Ended {
            head.end(activation, reason, cx);
        } else {
            head.end_incarnation(activation, reason, cx);
            self.up.set(false);
        }
        while activation.next_notice().is_some() {}
        self.above.tell(core, cell, what);
        if what == What::Ended { Outcome::Ended } else { Outcome::Again }
    }
}
