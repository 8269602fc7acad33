//! A connection actor, as the executor runs it.
//!
//! Knows: the order of hooks, frames, messages and sends, and how a connection ends. Must not know the backend.
//!
//! A connection goes through phases, each entered once:
//! **Open** (the last part of it as one that *leaves*: nothing is read any more, answers that are owed are awaited) →
//! **Flushing** (the actor has ended; what is queued is sent) → **Lingering** (our side is shut down; the
//! peer's bytes are discarded until it closes too) → **Closing** → gone. An abort, an error or the deadline leads from any
//! of them to **Ending**, where whatever is in flight is ended, and from there to **Closing**. The socket is closed only when
//! nothing of it is in flight.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::codec::{Decode, FrameError};
use super::connection::Connection;
use super::forward::Forward;
use super::inward::{Ended, Fed};
use super::late::{Late, Since};
use super::listener::Shared;
use super::pipe::{Turn, Wish};
use super::wire::{LAST_CALL, LOOK, Line, Orderly, Outward, Phase, STOP, Stream, Wire};
use crate::actor::{Addr, Batch, Context, Flow, Head, StopReason, reason_of};
use crate::driver::{Event, SocketId};
use crate::executor::blame::{runtime, user};
use crate::executor::{
    Activation, Body, Bound, Budget, Cause, Core, Counters, Demand, INTERVAL, Matter, Notice, Outcome,
    Output, Overflow,
};
use crate::sys::{Count, Time};

/// Why frames are not handed on for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Enough {
    /// The budget is used up.
    Budget,
    /// The output is at its bound.
    Output,
    /// A body comes before other frames.
    Body,
    /// The actor ends.
    End(Flow),
}

/// The body of a connection's cell.
pub(super) struct ConnectionBody<A: Connection> {
    wire: RefCell<Wire<A::Codec>>,
}

/// Spawns a connection actor for an accepted socket; hands the socket back if the core has no room.
pub(super) fn spawn<A: Connection>(
    core: &Core,
    actor: A,
    socket: SocketId,
    shared: Rc<Shared>,
) -> Result<Addr<A>, (A, SocketId)> {
    const {
        assert!(
            matches!(A::OUTBOX_BYTES_MAX, None | Some(1..=1_073_741_824)),
            "OUTBOX_BYTES_MAX is from 1 to 1,073,741,824"
        );
        assert!(
            !matches!(A::IDLE_TIMEOUT, Some(Duration::ZERO)),
            "IDLE_TIMEOUT is longer than nothing, or None"
        );
        assert!(
            !matches!(A::OUTBOX_GRACE, Some(Duration::ZERO)),
            "OUTBOX_GRACE is longer than nothing, or None"
        );
        assert!(
            !matches!(A::FIRST_BYTE_TIMEOUT, Some(Duration::ZERO)),
            "FIRST_BYTE_TIMEOUT is longer than nothing, or None"
        );
        assert!(
            !matches!(A::FRAME_TIMEOUT, Some(Duration::ZERO)),
            "FRAME_TIMEOUT is longer than nothing, or None"
        );
    };
    let outbox_bytes_max = outbox_bytes_max::<A>(&shared, core);
    // A future that serves a connection waits for room instead.
    let overflow = if A::SERVED { Overflow::Close } else { shared.outbox_overflow };
    let wire = Wire::new(socket, shared, core.now());
    match core.spawn_io(Head::new(actor), ConnectionBody::<A> { wire: RefCell::new(wire) }) {
        Ok(cell) => {
            core.open_output(cell, Output::new(outbox_bytes_max).overflowing(overflow));
            Ok(Addr::from_raw(core.address(cell)))
        }
        Err((head, _)) => Err((head.into_state(), socket)),
    }
}

impl<A: Connection> Body<Head<A>> for ConnectionBody<A> {
    fn activate(&self, head: &Head<A>, activation: &Activation<'_>) -> Outcome {
        // Held while user code runs: nobody but an activation of this cell ever borrows it, and those do not nest.
        let mut wire = self.wire.borrow_mut();
        if !wire.is_open() {
            return wire.close_step(activation);
        }
        let mut cx = Context::at(activation.address());
        let mut batch = Self::run(&mut wire, head, activation, &mut cx);
        if A::SERVED && !matches!(batch, Batch::End(_)) {
            batch = Self::turned(&mut wire, head, activation, &mut cx).unwrap_or(batch);
        }
        if matches!(batch, Batch::End(_)) || !wire.flush(activation, std::any::type_name::<A>()) {
            return Self::end(&mut wire, head, activation, &mut cx, batch);
        }
        Self::rest(&mut wire, head, activation, batch)
    }
}

impl<A: Connection> ConnectionBody<A> {
    /// The actor goes on, when there is something to go on with.
    #[inline(always)]
    fn rest(wire: &mut Wire<A::Codec>, head: &Head<A>, activation: &Activation<'_>, batch: Batch) -> Outcome {
        if A::SERVED || wire.outward == Outward::Finishing {
            wire.finish_step(activation);
        }
        let decided = !A::SERVED && wire.flows_on(activation);
        let resumed = !decided && wire.decide_reading(activation, head.is_full(), A::SERVED);
        if !A::SERVED {
            wire.note_busy(activation);
        }
        if batch == Batch::Again || resumed { Outcome::Again } else { Outcome::Rest }
    }

    /// The actor ends, as soon as it has written what it owes.
    #[inline(never)]
    fn end(
        wire: &mut Wire<A::Codec>,
        head: &Head<A>,
        activation: &Activation<'_>,
        cx: &mut Context<A>,
        batch: Batch,
    ) -> Outcome {
        let reason = Self::reason(wire, activation, batch);
        let owes = owed(activation) > 0;
        if owes && wire.stays(activation, reason) {
            // Messages have waited behind whatever it was that ends it.
            wire.send_waiting(activation);
            return Self::rest(wire, head, activation, Batch::Again);
        }
        match reason {
            StopReason::OutboxFull => Self::tell_outbox_full(wire, activation),
            StopReason::AssemblyFull => Self::tell_assembly_full(activation.core),
            _ => {}
        }
        // There is no timer to wait by: its peer is not to take what it has for all.
        let cut_short = owes && wire.orderly(reason).is_some();
        let reason = if cut_short { StopReason::Aborted } else { reason };
        head.end(activation, reason, cx);
        Wire::<A::Codec>::tell_left_out(activation, std::any::type_name::<A>());
        wire.begin_end(activation, reason);
        wire.close_step(activation)
    }

    /// Counts and reports a connection whose output has passed a bound, or whose peer does not read: it is cut off without a word to
    /// the peer.
    #[cold]
    fn tell_outbox_full(wire: &Wire<A::Codec>, activation: &Activation<'_>) {
        let (core, cell) = (activation.core, activation.cell());
        Counters::add(&core.counters.connections_outbox_full, 1);
        let bound = |output: &mut Output| output.overflowed().then(|| output.refused_by());
        let why = if let Some(bound) = core.with_output(cell, bound).flatten() {
            Self::bound_in_words(wire, core, bound)
        } else if let Some(grace) = wire.shared.outbox_grace.filter(|_| !wire.is_stalled(core)) {
            let grace =
                format!("has waited for {grace:?} (outbox(grace = …), or outbox_grace where it is opened)");
            format!("its peer reads too slowly, and half of what its outbox may hold {grace}")
        } else {
            format!("its peer has read nothing for {:?} (Config::write_stall)", core.config.write_stall)
        };
        core.report(Matter::Outbox, std::any::type_name::<A>(), format_args!("ends: {why}"));
    }

    /// Counts and reports a connection whose peer is late.
    #[cold]
    fn tell_late(wire: &Wire<A::Codec>, core: &Core, late: Late) {
        Counters::add(&core.counters.connections_late, 1);
        let name = std::any::type_name::<A>();
        match late {
            Late::FirstByte => {
                let time = wire.shared.first_byte_timeout;
                let what =
                    format_args!("ends: its peer has sent nothing for {time:?} (Config::first_byte_timeout)");
                core.report(Matter::Late, name, what);
            }
            Late::Frame => {
                let (time, rate) = (wire.shared.frame_timeout, core.config.frame_rate_min);
                let rate = Count(rate.into(), "byte");
                let what = format_args!(
                    "ends: its peer has begun a frame or a body and not sent all of it in {time:?}, nor {rate} each second \
                     (Config::frame_timeout, frame_rate_min)"
                );
                core.report(Matter::Late, name, what);
            }
        }
    }

    /// Reports a connection whose codec has refused what has come. What that shows of the peer's bytes are a few, in quotes.
    #[cold]
    fn tell_malformed(core: &Core, error: FrameError) {
        let name = std::any::type_name::<A>();
        core.report(Matter::Malformed, name, format_args!("ends: its codec refuses what has come: {error}"));
    }

    /// Counts and reports a connection that has received what there was no room for.
    #[cold]
    fn tell_assembly_full(core: &Core) {
        Counters::add(&core.counters.connections_assembly_full, 1);
        let held = Count::of(core.pools.receive.assembly().held(), "byte");
        let why = format_args!(
            "ends: what has come of a frame or a body finds no room: the core holds {held} of such (Config::assembly_bytes_max)"
        );
        core.report(Matter::Assembly, std::any::type_name::<A>(), why);
    }

    /// Which bound its output has passed, and where that is set. Where the peer has taken all that was sent, it is not to blame.
    fn bound_in_words(wire: &Wire<A::Codec>, core: &Core, bound: Bound) -> String {
        const SPILL: &str =
            "what waits outside of send slots has passed its share of what its core may have waiting there";
        let taken = wire.sending == 0;
        let outbox = Count::of(outbox_bytes_max::<A>(&wire.shared, core), "byte");
        let set = match (wire.shared.outbox_bytes_max, A::OUTBOX_BYTES_MAX) {
            (Some(_), _) => "outbox_bytes, where it is opened",
            (None, Some(_)) => "outbox(bytes = …)",
            (None, None) => "Config::outbox_bytes_max",
        };
        match bound {
            Bound::Bytes if taken => format!(
                "it has written more at once than its outbox of {outbox} holds, which is not its peer's doing: raise that ({set}), or \
                 write piece by piece to a Stream, which waits"
            ),
            Bound::Bytes => format!("its peer does not read, and its outbox of {outbox} is full ({set})"),
            Bound::Places => format!(
                "{} reserved for answers still to come, and there may be no more (Config::deferred_max): it asks for more than it is \
                 answered",
                Count(core.config.deferred_max.into(), "place")
            ),
            Bound::Spill if taken => {
                format!("{SPILL} (Config::spill_bytes_max), which is not its peer's doing")
            }
            Bound::Spill => format!("its peer does not read, and {SPILL} (Config::spill_bytes_max)"),
        }
    }

    /// Why the actor ends: what it has written decides first.
    fn reason(wire: &Wire<A::Codec>, activation: &Activation<'_>, batch: Batch) -> StopReason {
        let (core, cell) = (activation.core, activation.cell());
        let spoiled = core.with_output(cell, |output| (output.overflowed(), output.broken()));
        match (spoiled, batch) {
            (Some((true, _)), _) => StopReason::OutboxFull,
            // One that says more than that an answer is missing comes first.
            (Some((_, Some(reserved))), batch) if !matches!(batch, Batch::End(reason) if wire.orderly(reason).is_none()) =>
            {
                let name = std::any::type_name::<A>();
                core.report_last_failure(
                    name,
                    format_args!(
                        "has dropped unfilled the place that it reserved by `cx.defer()` at {reserved}: the connection is reset; fill \
                         each place, if only with nothing, also before Flow::Close, or reserve it later"
                    ),
                );
                StopReason::Failed
            }
            (_, Batch::End(reason)) => reason,
            (_, Batch::Empty | Batch::Again) => unreachable!("what was written can be sent"),
        }
    }
}

impl<A: Connection> ConnectionBody<A> {
    fn run(
        wire: &mut Wire<A::Codec>,
        head: &Head<A>,
        activation: &Activation<'_>,
        cx: &mut Context<A>,
    ) -> Batch {
        let (core, cell) = (activation.core, activation.cell());
        if wire.phase == Phase::New {
            let batch = Self::open(wire, head, activation, cx);
            if batch != Batch::Empty {
                return batch;
            }
            wire.paused |= activation.is_suspended();
        }
        let pauses = if A::SERVED { activation.has_body() } else { activation.pauses() };
        wire.paused |= activation.suspended() || pauses;
        if activation.demanded() || activation.first() {
            match core.cells.take_demand(cell) {
                Some(Demand::Stop) => wire.begin_stop(activation, Orderly::Stopped),
                Some(Demand::EndLink) => wire.begin_stop(activation, Orderly::LinkEnded),
                None => {}
                Some(demand) => return Batch::End(reason_of(demand)),
            }
        }
        let frames = Self::read(wire, head, activation, cx);
        if matches!(frames, Batch::End(_)) {
            return frames;
        }
        if wire.paused
            && !A::SERVED
            && !wire.flows(activation)
            && let Some(batch) = wire.forward(activation)
        {
            return batch;
        }
        // Where a stream that comes or goes has not ended, its peer would take what was cut short for whole.
        let tied = wire.forward != Forward::No || wire.fed;
        if tied && wire.stopping.is_some() && !wire.arm_stop(activation) {
            return Batch::End(StopReason::Aborted);
        }
        if let Some(why) = wire.stopping.filter(|_| !tied && wire.leaves.is_none())
            && !wire.is_last_call(activation)
        {
            wire.deaf = true;
            wire.end_receive(activation);
            // Frames that wait for the output to drain, or for the actor, were read, and so are answered. Where it is not the
            // peer that they wait for, it is what follows below.
            let waits = activation.is_suspended()
                || core.with_output(cell, |output| output.holds() || output.places() > 0) == Some(true);
            let waiting = wire.paused && (wire.inward.has_rest() || activation.has_body());
            if frames == Batch::Empty && !wire.receiving && !waiting {
                return Batch::End(why.reason());
            }
            if !wire.arm_stop(activation) {
                return Batch::End(StopReason::Aborted);
            }
            if !waits {
                return frames;
            }
        }
        // A budget of its own: frames that never end do not keep messages waiting, nor the other way round.
        match head.go_on(activation, activation.has_errands(), cx) {
            batch if wire.stopping.is_some() => {
                wire.leave_when_even(activation, owed(activation), batch, frames)
            }
            Batch::Empty => frames,
            batch => batch,
        }
    }

    fn open(
        wire: &mut Wire<A::Codec>,
        head: &Head<A>,
        activation: &Activation<'_>,
        cx: &mut Context<A>,
    ) -> Batch {
        wire.phase = Phase::Silent;
        wire.receive(activation);
        let armed = wire.arm_look(activation);
        // Also where no timer can be set: `stopped` never comes without `started` before it.
        match head.start(activation, cx) {
            Batch::Empty if !armed => Batch::End(StopReason::Aborted),
            batch => batch,
        }
    }

    /// Tells who serves the connection what has changed; `Some` if the actor ends.
    fn turned(
        wire: &mut Wire<A::Codec>,
        head: &Head<A>,
        activation: &Activation<'_>,
        cx: &mut Context<A>,
    ) -> Option<Batch> {
        let leaves = wire.leaves.is_some();
        let turn = Turn {
            leaves,
            cuts: leaves && wire.stream == Stream::Open,
            thirsty: wire.lines.has(Line::Slots),
        };
        match head.call(activation.core, |actor| actor.turned(turn, cx)) {
            Ok(Wish::Nothing) => return None,
            Ok(Wish::Slots) => wire.wait_for_slots(activation),
            Ok(Wish::Finish) => wire.finish(),
            Ok(Wish::GiveUpBody) => wire.give_up_body(activation),
            Ok(Wish::Close) => return Some(Batch::End(StopReason::Stopped)),
            Err(reason) => return Some(Batch::End(reason)),
        }
        None
    }

    /// Takes notices in their order, and hands the frames in what has arrived to the actor.
    fn read(
        wire: &mut Wire<A::Codec>,
        head: &Head<A>,
        activation: &Activation<'_>,
        cx: &mut Context<A>,
    ) -> Batch {
        let mut budget = Budget::new(activation.core);
        let batch = loop {
            if wire.inward.is_cut() {
                break Batch::End(StopReason::AssemblyFull);
            }
            if wire.paused {
                if activation.has_body()
                    && let Some(batch) = Self::end_body(wire, head, activation, cx)
                {
                    break batch;
                }
            } else if wire.inward.has_rest() {
                match Self::feed(wire, head, activation, cx, &mut budget) {
                    Ok(None) if wire.inward.is_cut() => continue,
                    Ok(None) => {}
                    Ok(Some(Enough::Budget)) => {
                        wire.take_sent(activation);
                        break Batch::Again;
                    }
                    Ok(Some(Enough::Output)) => wire.paused = true,
                    Ok(Some(Enough::Body)) => {
                        wire.paused = true;
                        continue;
                    }
                    Ok(Some(Enough::End(flow))) => break Batch::from(flow),
                    Err(reason) => break Batch::End(reason),
                }
            }
            let Some(notice) = activation.next_notice() else {
                break Self::stream_state(wire, head, activation, cx);
            };
            if let Some(batch) = Self::notice(wire, head, activation, cx, notice) {
                break batch;
            }
        };
        Counters::add(&activation.core.counters.handled, u64::from(budget.handled()));
        batch
    }

    fn feed(
        wire: &mut Wire<A::Codec>,
        head: &Head<A>,
        activation: &Activation<'_>,
        cx: &mut Context<A>,
        budget: &mut Budget,
    ) -> Result<Option<Enough>, StopReason> {
        let (core, cell) = (activation.core, activation.cell());
        let (inward, mut demands) = (&mut wire.inward, core.cells.demands());
        let fed = head.call(core, |actor| {
            let mut take = |frame: <A::Codec as Decode>::Frame<'_>| {
                let flow = user(|| actor.frame(frame, cx));
                let more = budget.spend(core);
                if flow != Flow::Continue {
                    return Some(Enough::End(flow));
                }
                // Whoever serves a connection by a future decides when it reads, and when it writes.
                if A::SERVED && core.with_output(cell, |output| output.holds()) == Some(true) {
                    return Some(Enough::Output);
                }
                // Too much output is a demand, and so is a future that borrows the state.
                if demands != core.cells.demands() {
                    demands = core.cells.demands();
                    if activation.has_body() && !activation.is_suspended() {
                        return Some(Enough::Body);
                    }
                    if activation.is_suspended() || (!A::SERVED && activation.pauses()) {
                        return Some(Enough::Output);
                    }
                }
                (!more).then_some(Enough::Budget)
            };
            runtime(|| inward.feed(&core.pools.receive, &mut take))
        })?;
        if !A::SERVED {
            wire.note_handled(activation);
        }
        match fed {
            Fed::Hungry => Ok(None),
            Fed::Enough(enough) => Ok(Some(enough)),
            Fed::Malformed(error) => {
                Self::tell_malformed(core, error);
                head.call(core, |actor| actor.malformed(error, cx))?;
                // Whatever it has answered, it does not end for that, nor always now.
                core.take_cause(cell);
                Err(StopReason::Malformed)
            }
        }
    }

    /// Tells the actor how its body has ended, if it has; `Some` if the actor ends, or others come first.
    #[cold]
    #[inline(never)]
    fn end_body(
        wire: &mut Wire<A::Codec>,
        head: &Head<A>,
        activation: &Activation<'_>,
        cx: &mut Context<A>,
    ) -> Option<Batch> {
        let core = activation.core;
        wire.begin_body(activation);
        let end = wire.body_end()?;
        // There is no later for one that has failed.
        let fails = matches!(wire.stream, Stream::Failed(_));
        let blocked =
            if fails { activation.is_suspended() } else { wire.is_body_blocked(activation, A::SERVED) };
        if blocked {
            return None;
        }
        let body = wire.inward.end_body(end)?;
        core.end_body(activation.cell());
        let called = head.call(core, |actor| match body {
            Ended::Memory(body) => actor.body(body, cx),
            Ended::File(forwarded) => actor.forwarded(forwarded, cx),
        });
        let batch = match called {
            Ok(Flow::Continue) if end == Err(StopReason::Failed) => {
                core.expect_end(Cause::Body);
                Batch::End(StopReason::Failed)
            }
            Ok(flow) => Batch::from(flow),
            Err(reason) => Batch::End(reason),
        };
        if !A::SERVED {
            wire.note_handled(activation);
        }
        (batch != Batch::Empty).then_some(batch)
    }

    /// Takes one notice; `Some` if the actor ends for it.
    fn notice(
        wire: &mut Wire<A::Codec>,
        head: &Head<A>,
        activation: &Activation<'_>,
        cx: &mut Context<A>,
        notice: Notice,
    ) -> Option<Batch> {
        match notice {
            Notice::Io(Event::Received { lease }) => {
                wire.heard(activation.core.now());
                if wire.leaves.is_some() {
                    activation.core.pools.receive.release(lease);
                } else if !wire.paused {
                    wire.inward.arrived(lease);
                } else if wire.forward == Forward::Flows && !wire.inward.has_rest() && !activation.has_body()
                {
                    wire.inward.arrived(lease);
                    return wire.forward(activation);
                } else {
                    wire.set_aside(activation, lease);
                }
            }
            Notice::Io(Event::Sent { error, pinned, .. }) => wire.sent(activation, error, pinned),
            Notice::Timer(LAST_CALL) => {
                wire.timer = None;
                wire.last_call.look();
            }
            Notice::Timer(LOOK) if wire.stopping.is_none() => {
                // Another may have been set since this one came due.
                wire.disarm(activation.core);
                return Self::look(wire, head, activation, cx);
            }
            // What was read is answered in time or not at all: the peer does not read, or asks for ever.
            Notice::Timer(STOP) => {
                wire.timer = None;
                if owed(activation) > 0 && activation.core.is_ending() {
                    // What others are to answer has the time that the end of the system leaves them.
                    wire.due = Time::MAX;
                    return None;
                }
                let cut_off = wire.sending > 0 || owed(activation) > 0;
                return Some(end_late(wire, activation, cut_off, StopReason::Aborted));
            }
            Notice::Timer(kind) if kind >= INTERVAL => activation.core.tick(activation, kind - INTERVAL),
            // What it was tied to has ended.
            Notice::Untied => return Some(Batch::End(StopReason::ForwardEnded)),
            notice => wire.take_notice(activation, notice),
        }
        None
    }

    /// The time of a look has come: ends a connection that is idle, or whose peer does not read.
    #[cold]
    fn look(
        wire: &mut Wire<A::Codec>,
        head: &Head<A>,
        activation: &Activation<'_>,
        cx: &mut Context<A>,
    ) -> Option<Batch> {
        if wire.is_stalled(activation.core) {
            return Some(end_late(wire, activation, true, StopReason::OutboxFull));
        }
        if wire.is_grace_over(activation) {
            if wire.shared.outbox_overflow == Overflow::Close {
                return Some(end_late(wire, activation, true, StopReason::OutboxFull));
            }
            activation.core.with_output(activation.cell(), Output::be_slow);
        }
        if let Some(late) = wire.is_late(activation.core) {
            if !A::SERVED {
                Self::tell_late(wire, activation.core, late);
                return Some(Batch::End(StopReason::Late));
            }
            // Who serves it decides what follows for a read that waits, and how long it waits for something to begin.
            let begun = late == Late::FirstByte || wire.inward.has_come();
            wire.inward.silent = Since::of(activation.core.now());
            wire.inward.excuse();
            wire.inward.note_begun(activation.core.now());
            if begun {
                wire.active = activation.core.now();
            }
            if begun && let Err(reason) = head.call(activation.core, |actor| actor.idle(cx)) {
                return Some(Batch::End(reason));
            }
        }
        if wire.busy {
            wire.active = activation.core.now();
        }
        if wire.idle_at().is_some_and(|idle_at| activation.core.now() >= idle_at) {
            let idle = head.call(activation.core, |actor| actor.idle(cx));
            // Whatever it has written, or wants: nothing interrupts the frames that follow for it.
            wire.paused |= activation.is_suspended() || (!A::SERVED && activation.pauses());
            match idle {
                // It is not asked while a handler of it has not finished.
                Ok(Flow::Continue) | Err(StopReason::Stopped) => wire.active = activation.core.now(),
                Ok(Flow::Stop | Flow::Close) => return Some(Batch::End(StopReason::Idle)),
                Ok(Flow::Fail) => return Some(Batch::End(StopReason::Failed)),
                Err(reason) => return Some(Batch::End(reason)),
            }
        }
        (!wire.arm_look(activation)).then_some(Batch::End(StopReason::Aborted))
    }

    /// Everything that has arrived is handled, or set aside: tells the actor of the end of the stream.
    fn stream_state(
        wire: &mut Wire<A::Codec>,
        head: &Head<A>,
        activation: &Activation<'_>,
        cx: &mut Context<A>,
    ) -> Batch {
        match wire.stream {
            // It is told what has come of its body before.
            Stream::Failed(_) if wire.awaits_memory(activation) => {
                wire.end_receive(activation);
                Batch::Empty
            }
            // What it is tied to gets all of it before: it ends when that is done.
            Stream::Failed(_) if Wire::<A::Codec>::has_tie(activation) => Batch::Empty,
            Stream::Failed(errno) => Batch::End(StopReason::Disconnected(errno.into())),
            Stream::Ended | Stream::Finished if !wire.paused && wire.leaves.is_none() && !wire.fed => {
                Self::end_of_stream(wire, head, activation.core, cx)
            }
            _ => Batch::Empty,
        }
    }

    fn end_of_stream(wire: &mut Wire<A::Codec>, head: &Head<A>, core: &Core, cx: &mut Context<A>) -> Batch {
        let (inward, finished) = (&mut wire.inward, wire.stream == Stream::Finished);
        wire.stream = Stream::Told;
        let called = head.call(core, |actor| {
            let mut flow = Flow::Continue;
            let last = if finished { Ok(()) } else { inward.finish(|frame| flow = actor.frame(frame, cx)) };
            if let Err(error) = last {
                Self::tell_malformed(core, error);
                actor.malformed(error, cx);
                core.take_cause(cx.cell());
                return Batch::End(StopReason::Malformed);
            }
            if flow != Flow::Continue {
                return Batch::from(flow);
            }
            if core.cells.is_suspended(cx.cell()) {
                // It is told once it has handled that frame.
                (wire.stream, wire.paused) = (Stream::Finished, true);
                return Batch::Empty;
            }
            match actor.end_of_stream(cx) {
                Flow::Continue => Batch::Empty,
                Flow::Stop | Flow::Close => Batch::End(StopReason::EndOfStream),
                Flow::Fail => Batch::End(StopReason::Failed),
            }
        });
        called.unwrap_or_else(Batch::End)
    }
}

/// Bytes that may be queued for the peer.
fn outbox_bytes_max<A: Connection>(shared: &Shared, core: &Core) -> usize {
    shared.outbox_bytes_max.or(A::OUTBOX_BYTES_MAX).unwrap_or(core.config.outbox_bytes_max)
}

/// Ends a connection that has had its time.
fn end_late<C>(wire: &mut Wire<C>, activation: &Activation<'_>, cut_off: bool, reason: StopReason) -> Batch
where
    C: Decode,
{
    wire.be_cut_off(activation, cut_off);
    Batch::End(reason)
}

/// Answers that the actor is still to write. One that waits for an answer itself may write some, and so may one of which a
/// handler has not finished.
fn owed(activation: &Activation<'_>) -> u32 {
    let (core, cell) = (activation.core, activation.cell());
    let owed = core.with_output(cell, |output| output.owed()).unwrap_or(0);
    owed + u32::from(goes_on(activation))
}

/// True if a handler has not finished, or waits for an answer.
pub(super) fn goes_on(activation: &Activation<'_>) -> bool {
    let (core, cell) = (activation.core, activation.cell());
    core.cells.is_suspended(cell) || core.owes(cell)
}
