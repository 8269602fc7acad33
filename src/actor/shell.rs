//! The calls into the code of an actor that its life takes: with every panic contained.
//!
//! Knows: hooks, handlers, tasks, budgets. Must not know whether there is a connection.

use std::any::type_name;

use super::head::Head;
use super::watch::{fate_of, link_again};
use super::{Actor, Context, Flow, OnPanic, StopReason, reply};
use crate::executor::blame::{runtime, user};
use crate::executor::{
    Activation, Budget, Cause, Core, Counters, DeadReason, Demand, Errand, Kind, Matter, Ran, Taken,
};
use crate::mem::{Full, Key};

/// How a batch of messages ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Batch {
    /// There is nothing more to do.
    Empty,
    /// The budget is used up, or something more urgent has come.
    Again,
    /// The actor ends.
    End(StopReason),
}

/// What came of all that comes before messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// Messages wait.
    Done(Batch),
    /// Messages follow. True if something is left besides.
    Messages(bool),
}

/// How a batch of messages ended, in one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handled {
    /// None is left.
    All,
    /// The budget is used up, or something more urgent has come.
    Enough,
    Stop,
    Fail,
    Panicked,
}

impl Handled {
    /// Why the actor ends, where it does.
    #[cold]
    pub(crate) fn reason(self) -> StopReason {
        match self {
            Handled::All | Handled::Enough | Handled::Stop => StopReason::Stopped,
            Handled::Fail => StopReason::Failed,
            Handled::Panicked => StopReason::Panicked,
        }
    }

    /// What comes of it; `is_left` if the actor has anything left to do besides.
    #[inline]
    pub(crate) fn batch(self, is_left: bool) -> Batch {
        match self {
            Handled::All if !is_left => Batch::Empty,
            Handled::All | Handled::Enough => Batch::Again,
            ends => Batch::End(ends.reason()),
        }
    }
}

impl Batch {
    fn after(flow: Result<Flow, StopReason>) -> Batch {
        match flow {
            Ok(Flow::Continue) => Batch::Empty,
            Ok(Flow::Stop | Flow::Close) => Batch::End(StopReason::Stopped),
            Ok(Flow::Fail) => Batch::End(StopReason::Failed),
            Err(reason) => Batch::End(reason),
        }
    }
}

impl From<Flow> for Batch {
    fn from(flow: Flow) -> Batch {
        Batch::after(Ok(flow))
    }
}

/// Why an actor ends that is asked to.
pub(crate) fn reason_of(demand: Demand) -> StopReason {
    match demand {
        Demand::Stop => StopReason::Stopped,
        Demand::EndLink => StopReason::LinkEnded,
        Demand::Halt => StopReason::Restarting,
        Demand::GiveUp => StopReason::Escalated,
        Demand::Abort => StopReason::Aborted,
        Demand::Broken => StopReason::Panicked,
        Demand::Overflow => StopReason::MailboxFull,
    }
}

impl<A: Actor> Head<A> {
    /// Calls into the actor. `Err` if that panicked: its state is not to be used again, but for `stopped`.
    pub(crate) fn call<R>(&self, core: &Core, call: impl FnOnce(&mut A) -> R) -> Result<R, StopReason> {
        let Ok(mut state) = self.state().try_borrow_mut() else { return Err(StopReason::Stopped) };
        let Some(actor) = state.as_mut() else { return Err(StopReason::Stopped) };
        core.contain(|| call(actor)).ok_or(StopReason::Panicked)
    }

    /// Sets the actor's intervals and calls `started`.
    #[inline(never)]
    pub(crate) fn start(&self, activation: &Activation<'_>, cx: &mut Context<A>) -> Batch {
        let (core, cell) = (activation.core, activation.cell());
        let mut set = Ok(());
        if !A::INTERVALS.is_empty() {
            set = core.begin_intervals(cell, A::INTERVALS);
        }
        // Also where no timer can be set: `stopped` never comes without `started` before it.
        match Batch::after(self.call(core, |actor| actor.started(cx))) {
            Batch::Empty if set.is_err() => no_timer::<A>(core),
            batch => batch,
        }
    }

    /// Goes on with what the actor has begun, if it has `errands`, and with its messages, unless a future borrows its state. Each
    /// has a budget of its own: futures that always go on do not keep messages waiting, nor the other way round.
    #[inline]
    pub(crate) fn go_on(&self, activation: &Activation<'_>, errands: bool, cx: &mut Context<A>) -> Batch {
        let budget = &mut Budget::new(activation.core);
        match self.run_errands(activation, errands, budget, cx) {
            Before::Done(batch) => batch,
            Before::Messages(is_left) => self.handle_messages(activation, cx).batch(is_left),
        }
    }

    /// Goes on with what the actor has begun, if it has `errands`, and says whether messages follow.
    #[inline]
    pub(crate) fn run_errands(
        &self,
        activation: &Activation<'_>,
        errands: bool,
        budget: &mut Budget,
        cx: &mut Context<A>,
    ) -> Before {
        let core = activation.core;
        let mut left = Batch::Empty;
        if errands {
            let demands = core.cells.demands();
            left = self.run_tasks(activation, budget, cx);
            // Something asked of another cell does not keep messages waiting.
            let asked = demands != core.cells.demands() && core.cells.is_asked(activation.cell());
            if matches!(left, Batch::End(_)) || asked {
                return Before::Done(left);
            }
        }
        let may_be_suspended = errands || activation.suspended() || activation.first();
        if may_be_suspended && activation.is_suspended() {
            return Before::Done(left);
        }
        Before::Messages(left == Batch::Again)
    }

    /// Goes on with what the actor has begun: intervals that are over, answers that have come, futures that were woken. While
    /// a future borrows the state of the actor, with that alone.
    fn run_tasks(&self, activation: &Activation<'_>, budget: &mut Budget, cx: &mut Context<A>) -> Batch {
        let (core, cell, demands) = (activation.core, activation.cell(), activation.core.cells.demands());
        // What is run though the budget is used up.
        let mut owed = 0;
        while activation.has_errands() {
            let Some(errand) = core.next_errand(cell) else { return Batch::Empty };
            let exclusive = matches!(&errand, Errand::Future(taken) if taken.kind == Kind::Exclusive);
            let ticks = matches!(errand, Errand::Tick(..));
            let batch = match errand {
                Errand::Answer(task) => match core.contain(|| runtime(|| task.go_on(core, Some(activation))))
                {
                    Some(flow) => Batch::from(flow),
                    None => Batch::End(StopReason::Panicked),
                },
                Errand::Future(taken) => run_task(activation, taken, failed_on_message::<A>),
                Errand::Tick(index, set) => self.tick(core, index, set, cx),
            };
            if batch != Batch::Empty {
                return batch;
            }
            // That a future has given the state back is asked of nobody: what has waited for that comes before the next message, which
            // may borrow it again. However small the budget, so does something besides intervals, which come first.
            let gave_back = exclusive && !activation.is_suspended();
            owed = match owed {
                _ if gave_back => A::INTERVALS.len() + 1,
                owed if ticks => owed.saturating_sub(1),
                _ => 0,
            };
            let interrupted = demands != core.cells.demands() && core.cells.is_asked(cell);
            let spent = !budget.spend(core);
            if interrupted || (spent && owed == 0) {
                return Batch::Again;
            }
        }
        Batch::Empty
    }

    #[cold]
    fn tick(&self, core: &Core, index: usize, set: Result<(), Full>, cx: &mut Context<A>) -> Batch {
        match Batch::after(self.call(core, |actor| actor.interval(index, cx))) {
            Batch::Empty if set.is_err() => no_timer::<A>(core),
            batch => batch,
        }
    }

    /// Handles messages until none is left, the budget is used up, the actor ends, or a notice or a demand has come.
    #[inline]
    pub(crate) fn handle_messages(&self, activation: &Activation<'_>, cx: &mut Context<A>) -> Handled {
        let core = activation.core;
        let Ok(mut state) = self.state().try_borrow_mut() else { return self.unhandled() };
        let Some(actor) = state.as_mut() else { return self.unhandled() };
        let mut budget = Budget::new(core);
        let (queue, demands) = self.next_queue(core);
        let handled = core.contain(|| {
            loop {
                let flow =
                    runtime(|| queue.pop_with(&core.chunks, |message| user(|| actor.handle(message, cx))));
                let Some(flow) = flow else { return Handled::All };
                let more = budget.spend(core);
                if flow != Flow::Continue {
                    return if flow == Flow::Fail { Handled::Fail } else { Handled::Stop };
                }
                if !more || demands != core.cells.demands() {
                    return Handled::Enough;
                }
            }
        });
        Counters::add(&core.counters.handled, u64::from(budget.handled()));
        let handled = handled.unwrap_or(Handled::Panicked);
        if matches!(handled, Handled::Fail | Handled::Panicked) {
            failed_on_message::<A>(activation);
        }
        handled
    }

    /// What came of messages where there is no state to handle any.
    #[cold]
    fn unhandled(&self) -> Handled {
        if self.mailbox_is_empty() { Handled::All } else { Handled::Stop }
    }

    /// Ends the actor: closes its mailbox, ends what it has begun, calls `stopped`, discards what it did not handle, drops its
    /// state. Whoever waits for an answer of it is told.
    pub(crate) fn end(&self, activation: &Activation<'_>, reason: StopReason, cx: &mut Context<A>) {
        let (core, cell) = (activation.core, activation.cell());
        if reason == StopReason::Stopped {
            activation.close(fate_of(StopReason::Stopped));
        } else {
            close_otherwise::<A>(activation, reason);
        }
        reply::while_stopping(core, || self.end_state(activation, reason, cx, || self.discard(core)));
        // Of what went wrong since, nobody ends.
        core.take_cause(cell);
    }
}

impl<A: Actor> Head<A> {
    /// Ends what there is of an actor that may be begun again: its mailbox and its links stay, and what it has set aside comes before what
    /// waits there. Whoever waits for an answer of it is told.
    pub(crate) fn end_incarnation(
        &self,
        activation: &Activation<'_>,
        reason: StopReason,
        cx: &mut Context<A>,
    ) {
        let (core, cell) = (activation.core, activation.cell());
        if matches!(reason, StopReason::Panicked | StopReason::Failed) {
            tell_end::<A>(core, cell, reason, Then::SupervisorDecides);
        }
        reply::while_restarting(core, || self.end_state(activation, reason, cx, || self.unstash(core)));
        link_again(core, cell);
        core.take_cause(cell);
        // A panic with the state lent may have been what it has ended for: the next one does not end for it.
        activation.clear_broken();
    }

    /// Ends what an actor has begun, calls `stopped`, then `discard`, and drops its state.
    fn end_state(
        &self,
        activation: &Activation<'_>,
        reason: StopReason,
        cx: &mut Context<A>,
        discard: impl FnOnce(),
    ) {
        let core = activation.core;
        activation.end_tasks();
        // A panic in `stopped` has been counted; the actor ends all the same.
        let _ = self.call(core, |actor| actor.stopped(reason, cx));
        activation.end_tasks();
        discard();
        core.drop_contained(self.take_state());
    }
}

/// Closes the mailbox of an actor that does not end because it is stopped, and says why if it has gone wrong.
#[cold]
#[inline(never)]
fn close_otherwise<A: Actor>(activation: &Activation<'_>, reason: StopReason) {
    activation.close(fate_of(reason));
    if matches!(reason, StopReason::Panicked | StopReason::Failed) {
        tell_end::<A>(activation.core, activation.cell(), reason, Then::Nothing);
    }
}

/// What comes of an actor that has gone wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Nothing,
    /// It is begun again, or has failed too often, which is told there.
    SupervisorDecides,
}

impl Then {
    /// Of an actor that runs.
    fn of(core: &Core, cell: Key) -> Then {
        if core.cells.is_kept(cell) { Then::SupervisorDecides } else { Then::Nothing }
    }

    /// What it does, and what follows.
    fn in_words(self) -> (&'static str, &'static str) {
        match self {
            Then::Nothing => ("ends", ""),
            Then::SupervisorDecides => ("fails", "; its supervisor decides"),
        }
    }
}

/// Says why an actor ends that has gone wrong, unless that has been said; or ends the process, if it asks for that.
#[cold]
fn tell_end<A: Actor>(core: &Core, cell: Key, reason: StopReason, then: Then) {
    let name = type_name::<A>();
    let (ends, then) = then.in_words();
    if reason == StopReason::Panicked && A::ON_PANIC == OnPanic::Abort {
        crate::sys::abort_as_asked(format_args!("{name} has panicked (OnPanic::Abort)"));
    }
    match (reason, core.take_cause(cell)) {
        (StopReason::Panicked, Some(Cause::Panic(handler))) => {
            core.report(Matter::Panic, name, format_args!("{ends}: {reason} in {handler}{then}"));
        }
        (StopReason::Panicked, _) => core.report(Matter::Panic, name, format_args!("{ends}: {reason}{then}")),
        (_, Some(Cause::Told)) => {}
        (_, Some(Cause::Body)) => core.report_failure(
            name,
            format_args!("{ends}: {reason}, for what was to be its body, or go to a file, did not get there"),
        ),
        _ => core.report_failure(
            name,
            format_args!("{ends}: {reason}, a hook or a handler of it has answered Flow::Fail{then}"),
        ),
    }
}

/// An actor has failed on a message that was in its mailbox.
#[cold]
fn failed_on_message<A: Actor>(activation: &Activation<'_>) {
    failed_on::<A>(activation.core, activation.cell(), type_name::<A::Message>());
}

/// Where the actor is begun again, it goes on behind the message, which nobody has handled.
#[cold]
pub(super) fn failed_on<A: Actor>(core: &Core, cell: Key, message: &'static str) {
    if core.cells.is_kept(cell) {
        core.dead_letter(DeadReason::Failed, message, Some(type_name::<A>()));
    }
}

/// What came of answers, in one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    /// None is left, nor anything else that comes before messages.
    All,
    /// Others are left, or something else that comes before messages.
    Some,
    /// A notice or a demand has come.
    Interrupted,
    /// Something else is next: what is left is for [`Head::run_errands`].
    NotNext,
    Stop,
    Fail,
    Panicked,
}

impl Answered {
    /// What came of all that comes before messages; none if something else is next.
    pub(crate) fn before(self, activation: &Activation<'_>) -> Option<Before> {
        Some(match self {
            Answered::All => Before::Messages(false),
            Answered::NotNext => return None,
            Answered::Some => Before::Messages(true),
            Answered::Interrupted => after_interruption(activation),
            Answered::Stop => Before::Done(Batch::End(StopReason::Stopped)),
            Answered::Fail => Before::Done(Batch::End(StopReason::Failed)),
            Answered::Panicked => Before::Done(Batch::End(StopReason::Panicked)),
        })
    }
}

/// Something asked of another cell does not keep messages waiting.
#[cold]
fn after_interruption(activation: &Activation<'_>) -> Before {
    let asked = activation.core.cells.is_asked(activation.cell());
    if asked || activation.is_suspended() { Before::Done(Batch::Again) } else { Before::Messages(true) }
}

/// Goes on with an answer that has come, where that is all that an actor has to go on with: it has no intervals, and no future borrows its
/// state. If one begins to, that is an interruption, as whatever changes `demands` is.
#[inline(always)]
pub(crate) fn run_answer(activation: &Activation<'_>, demands: u32) -> Answered {
    let core = activation.core;
    let Some(task) = core.next_answer(activation) else { return Answered::NotNext };
    let flow = core.contain(|| runtime(|| task.go_on(core, Some(activation))));
    if flow == Some(Flow::Continue) && demands == core.cells.demands() {
        return if activation.has_errands() { Answered::Some } else { Answered::All };
    }
    match flow {
        Some(Flow::Continue) => Answered::Interrupted,
        Some(Flow::Stop | Flow::Close) => Answered::Stop,
        Some(Flow::Fail) => Answered::Fail,
        None => Answered::Panicked,
    }
}

/// Goes on with those behind the first, for which there is always time. Says what is left of the budget as well.
#[inline(never)]
pub(super) fn run_more_answers(activation: &Activation<'_>, demands: u32) -> (Answered, Budget) {
    let mut budget = Budget::new(activation.core);
    while budget.spend(activation.core) {
        let answered = run_answer(activation, demands);
        if answered != Answered::Some {
            return (answered, budget);
        }
    }
    (Answered::Some, budget)
}

/// Runs one task once. `failed` is told if the actor has failed in one that handles a message.
fn run_task(activation: &Activation<'_>, taken: Taken, failed: fn(&Activation<'_>)) -> Batch {
    let (core, cell) = (activation.core, activation.cell());
    let handles = matches!(taken.kind, Kind::Exclusive | Kind::Future);
    // The time of a timer is what it has waited for.
    if taken.expired && taken.kind != Kind::Timer {
        let (exclusive, name) = (taken.kind == Kind::Exclusive, taken.task.name());
        if exclusive {
            let (ends, then) = Then::of(core, cell).in_words();
            core.report_last_failure(
                name,
                format_args!("has not finished in its time (timeout = …, else Config::handler_timeout): its actor {ends}, and its state \
                     is gone{then}"),
            );
        } else {
            core.report_failure(
                name,
                format_args!("has not finished in its time (timeout = …, else Config::handler_timeout), and is dropped; its actor goes on"),
            );
        }
        reply::while_expiring(core, || core.finish_task(cell, taken));
        if !exclusive {
            return Batch::Empty;
        }
        failed(activation);
        return Batch::End(StopReason::Failed);
    }
    let ran = core.run_task(cell, taken);
    if handles && matches!(ran, Ran::Done(Flow::Fail) | Ran::Panicked) {
        failed(activation);
    }
    match ran {
        Ran::Pending => Batch::Empty,
        Ran::Done(flow) => Batch::from(flow),
        Ran::Panicked => Batch::End(StopReason::Panicked),
    }
}

#[cold]
fn no_timer<A>(core: &Core) -> Batch {
    let name = type_name::<A>();
    let (ends, then) = Then::of(core, core.cells.activated()).in_words();
    core.report_last_failure(
        name,
        format_args!("{ends}: there is no timer for an interval of it, see Config::timers_max{then}"),
    );
    Batch::End(StopReason::Failed)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::Never;
    use crate::actor::{Timeout, spawn};
    use crate::config::Config;
    use crate::executor::{AnyTask, Ending, Limit, Links, Waiting, current, directory};
    use crate::sys::Clock;

    struct Idle;

    impl Actor for Idle {
        type Message = Never;

        fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
            match message {}
        }
    }

    /// Counts answers.
    struct Answered(Rc<Cell<u32>>);

    impl Waiting<()> for Answered {
        fn go_on(self, _: Option<()>, _: &Core, _: Option<&Activation<'_>>) -> Flow {
            self.0.set(self.0.get() + 1);
            Flow::Continue
        }
    }

    /// Without a thread, with so many messages in an activation.
    fn core(activation_messages: u32) -> Core {
        let small = Config { receive_buffers: 1, receive_buffer_bytes: 64, ..Config::default() };
        let (config, id) = (Config { activation_messages, ..small }, directory::reserve(1));
        Core::new(id, Rc::new(config), Clock::Virtual(Rc::default()), Links::new(id, []))
    }

    #[test]
    fn what_is_cut_off_counts_once_whenever_somebody_looks() {
        let core = core(4);
        current::scope(&core, || {
            let [first, _] = [(); 2].map(|()| spawn(&core, Idle).expect("there is room").raw().cell());
            while core.run_next() {}
            core.note_cut_off(first);
            core.dead_letter(DeadReason::Full, "before", None);
            let before = [core.cut_off_now().messages, core.take_cut_off().messages];
            assert_eq!((core.take_cut_off().actors, before), (0, [0; 2]), "that was not at the end");
            for ending in [Ending::Connections, Ending::All] {
                core.begin_ending(ending, Box::new(|| ()));
                core.dead_letter(DeadReason::Stopped, "since", None);
            }
            (0..2).for_each(|_| core.note_cut_off(first));
            let now = core.cut_off_now();
            assert_eq!((now.actors, now.messages), (2, 2), "both would be if all ended now");
            assert_eq!(core.take_cut_off().actors, 1);
        });
    }

    #[test]
    fn answers_and_futures_have_one_budget() {
        let core = core(4);
        let count = Rc::new(Cell::new(0));
        current::scope(&core, || {
            let idle = spawn(&core, Idle).expect("there is room");
            while core.run_next() {}
            for _ in 0..3 {
                let task = AnyTask::waiting::<(), _>(core.cells.blocks(), Answered(count.clone()));
                let begun = core.begin(Some(idle.raw().cell()), task, Kind::Answer, Limit::Never);
                assert!(core.answer_task(begun.expect("there is room").0, ()), "it waits");
            }
            for _ in 0..4 {
                let count = count.clone();
                let begun =
                    Context::<Idle>::at(idle.raw()).concurrent("counts", Timeout::Never, async move {
                        count.set(count.get() + 1);
                        Flow::Continue
                    });
                assert_eq!(begun, Flow::Continue);
            }
            for expected in [4, 7] {
                assert!(core.run_next());
                assert_eq!(count.get(), expected);
            }
        });
    }
}
