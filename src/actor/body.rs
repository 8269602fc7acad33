//! An actor without a connection, as the executor runs it.
//!
//! Knows: the order of hooks and messages. Must not know how it was scheduled.

use super::head::Head;
use super::shell::{Answered, Batch, Before, Handled, reason_of, run_answer, run_more_answers};
use super::{Actor, Addr, Context, SpawnError, StopReason};
use crate::executor::{Activation, Body, Budget, Core, INTERVAL, Notice, Outcome};
use crate::mem::Key;

/// The body of a cell that is an actor and nothing more: all that there is lies in its head.
struct Plain;

impl<A: Actor> Body<Head<A>> for Plain {
    fn activate(&self, head: &Head<A>, activation: &Activation<'_>) -> Outcome {
        let mut cx = Context::at(activation.address());
        match run_before(head, activation, &mut cx) {
            Before::Messages(false) => {}
            // Nothing of that need be known while messages are handled.
            Before::Messages(true) => activation.core.schedule(activation.cell()),
            Before::Done(Batch::Empty) => return Outcome::Rest,
            Before::Done(Batch::Again) => return Outcome::Again,
            Before::Done(Batch::End(reason)) => return end(head, activation, reason, &mut cx),
        }
        // In numbers of one byte: what came of messages is not put together to be taken apart.
        match head.handle_messages(activation, &mut cx) {
            Handled::All => Outcome::Rest,
            Handled::Enough => Outcome::Again,
            ends => end(head, activation, ends.reason(), &mut cx),
        }
    }
}

/// Activates an actor.
#[inline]
pub(super) fn run<A: Actor>(head: &Head<A>, activation: &Activation<'_>, cx: &mut Context<A>) -> Batch {
    match run_before(head, activation, cx) {
        Before::Done(batch) => batch,
        Before::Messages(is_left) => head.handle_messages(activation, cx).batch(is_left),
    }
}

/// Runs what comes before messages: nothing, most times.
#[inline(always)]
fn run_before<A: Actor>(head: &Head<A>, activation: &Activation<'_>, cx: &mut Context<A>) -> Before {
    if A::INTERVALS.is_empty() && activation.is_plain() {
        return Before::Messages(false);
    }
    if !A::INTERVALS.is_empty() || !activation.has_only_errands() {
        return before_messages(head, activation, (Answered::NotNext, None), cx);
    }
    let demands = activation.core.cells.demands();
    match run_answer(activation, demands) {
        Answered::All => when_answered(head),
        answered => run_behind_answer(head, activation, (answered, demands), cx),
    }
}

/// Nothing is left that comes before messages: and most times, of those neither.
#[inline(always)]
fn when_answered<A: Actor>(head: &Head<A>) -> Before {
    if head.mailbox_is_empty() { Before::Done(Batch::Empty) } else { Before::Messages(false) }
}

/// Runs what comes before messages, of which one answer was first.
#[inline(never)]
fn run_behind_answer<A: Actor>(
    head: &Head<A>,
    activation: &Activation<'_>,
    (answered, demands): (Answered, u32),
    cx: &mut Context<A>,
) -> Before {
    let (answered, budget) = match answered {
        Answered::Some => {
            let (answered, budget) = run_more_answers(activation, demands);
            (answered, Some(budget))
        }
        answered => (answered, None),
    };
    match answered {
        Answered::All => when_answered(head),
        answered => before_messages(head, activation, (answered, budget), cx),
    }
}

/// Runs what comes before messages, and is not answers alone, with what those have left of the budget.
#[inline(always)]
fn before_messages<A: Actor>(
    head: &Head<A>,
    activation: &Activation<'_>,
    (answered, budget): (Answered, Option<Budget>),
    cx: &mut Context<A>,
) -> Before {
    if activation.first() {
        let batch = head.start(activation, cx);
        if batch != Batch::Empty {
            return Before::Done(batch);
        }
        // Most actors have begun nothing, and nobody has asked anything of them.
        if A::INTERVALS.is_empty() && activation.is_plain_now() {
            return Before::Messages(false);
        }
    }
    run_before_messages(head, activation, (answered, budget), cx)
}

/// The same of an actor that has started.
#[inline(never)]
fn run_before_messages<A: Actor>(
    head: &Head<A>,
    activation: &Activation<'_>,
    (answered, budget): (Answered, Option<Budget>),
    cx: &mut Context<A>,
) -> Before {
    if let Some(before) = answered.before(activation) {
        return before;
    }
    let (core, cell) = (activation.core, activation.cell());
    if (activation.demanded() || activation.first())
        && let Some(demand) = core.cells.take_demand(cell)
    {
        return Before::Done(Batch::End(reason_of(demand)));
    }
    if !A::INTERVALS.is_empty() {
        take_ticks(activation);
    }
    let errands = activation.errands() || !A::INTERVALS.is_empty();
    let mut budget = budget.unwrap_or_else(|| Budget::new(core));
    head.run_errands(activation, errands, &mut budget, cx)
}

#[inline(never)]
fn end<A: Actor>(
    head: &Head<A>,
    activation: &Activation<'_>,
    reason: StopReason,
    cx: &mut Context<A>,
) -> Outcome {
    head.end(activation, reason, cx);
    while activation.next_notice().is_some() {}
    Outcome::Ended
}

fn take_ticks(activation: &Activation<'_>) {
    while let Some(notice) = activation.next_notice() {
        if let Notice::Timer(kind) = notice {
            activation.core.tick(activation, kind - INTERVAL);
        }
    }
}

/// Spawns an actor without a connection on `core`.
pub fn spawn<A: Actor>(core: &Core, actor: A) -> Result<Addr<A>, SpawnError<A>> {
    match core.spawn(Head::new(actor), Plain) {
        Ok(cell) => Ok(Addr::from_raw(core.address(cell))),
        Err((head, _)) => Err(SpawnError(head.into_state())),
    }
}

/// Makes a cell for an actor whose state is with a test. It is not run; none if there is no room.
pub(super) fn reserve<A: Actor>(core: &Core) -> Option<Key> {
    core.cells.insert(Head::<A>::vacant(), Plain).ok()
}
