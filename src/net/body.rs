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

use super::codec::{Decode, FrameError};
use super::connection::Connection;
use super::inward::{Fed, Inward};
use super::last_call::{BETWEEN_LOOKS, LastCall};
use super::listener::Shared;
use crate::actor::{Addr, Batch, Context, Flow, Head, Shell, StopReason};
use crate::driver::{Event, Op, ReceiveEnd, SocketId};
use crate::executor::blame::{runtime, user};
use crate::executor::{Activation, Body, Budget, Core, Counters, Demand, Notice, Outcome, Output, TimerKey};
use crate::mem::Lease;
use crate::sys::Time;

/// Timer kinds of a connection.
const LOOK: u32 = 0;
const CLOSE: u32 = 1;
const LAST_CALL: u32 = 2;
const STOP: u32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Open,
    Flushing,
    Lingering,
    /// Everything in flight has been told to end; last completions are awaited.
    Ending,
    Closing,
    Closed,
}

/// How the stream from the peer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Open,
    /// The peer's end of stream has come, and the actor has not been told.
    Ended,
    /// The actor has been told.
    Told,
    Failed(i32),
}

/// Why frames are not handed on for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Enough {
    /// The budget is used up.
    Budget,
    /// The output is at its bound.
    Output,
    /// The actor ends.
    End,
}

/// Reasons to end that let answers which are owed out first, in one byte.
#[derive(Debug, Clone, Copy)]
enum Orderly {
    Stopped,
    EndOfStream,
    Malformed,
    Idle,
}

struct Wire<C> {
    socket: SocketId,
    shared: Rc<Shared>,
    inward: Inward<C>,
    /// With the context while the actor runs.
    output: Option<Output>,
    /// A look for silence and stalls while open, that of the last call or the deadline while stopping, the close deadline
    /// afterwards. One for all: where timers are short, no connection takes the place of another by being busy.
    timer: Option<TimerKey>,
    /// While open, when that look is due, if ever; while stopping, by when that must be over.
    due: Time,
    /// When the last send began, or the kernel took some of it.
    taken_at: Time,
    /// When bytes last arrived.
    active: Time,
    stream: Stream,
    phase: Phase,
    /// Bytes of the send in flight; zero if there is none.
    sending: u32,
    /// Shutdowns and cancels in flight.
    others: u8,
    /// A receive is armed.
    receiving: bool,
    /// The receive has been cancelled and has not ended.
    cancelling: bool,
    /// Reading is paused: what arrives is set aside.
    paused: bool,
    /// In line for send slots.
    thirsty: bool,
    /// Stops once the last call is over, and what has arrived by then is handled.
    stopping: bool,
    /// Nothing more is received: the frames that have arrived are the last.
    deaf: bool,
    /// Ends for this reason once every answer that is owed has been written.
    leaves: Option<Orderly>,
    last_call: LastCall,
    /// The peer is to see a reset.
    reset: bool,
}

/// The body of a connection's cell.
pub(super) struct ConnectionBody<A: Connection> {
    shell: Shell<A>,
    wire: RefCell<Wire<A::Codec>>,
}

/// Spawns a connection actor for an accepted socket; hands the socket back if the core has no room.
pub(super) fn spawn<A: Connection>(
    core: &Core,
    actor: A,
    socket: SocketId,
    shared: Rc<Shared>,
) -> Result<Addr<A>, (A, SocketId)> {
    let wire = Wire {
        socket,
        inward: Inward::new(),
        output: Some(Output::new(shared.outbox_bytes_max)),
        shared,
        timer: None,
        due: Time::MAX,
        taken_at: core.now(),
        active: core.now(),
        stream: Stream::Open,
        phase: Phase::New,
        sending: 0,
        others: 0,
        receiving: false,
        cancelling: false,
        paused: false,
        thirsty: false,
        stopping: false,
        deaf: false,
        leaves: None,
        last_call: LastCall::default(),
        reset: false,
    };
    let body = ConnectionBody { shell: Shell::new(actor), wire: RefCell::new(wire) };
    match core.spawn_io(Head::<A>::new(), body) {
        Ok(cell) => Ok(Addr::from_raw(core.address(cell))),
        Err((_, body)) => Err((body.shell.into_state(), socket)),
    }
}

impl<A: Connection> Body<Head<A>> for ConnectionBody<A> {
    fn activate(&self, head: &Head<A>, activation: &Activation<'_>) -> Outcome {
        // Held while user code runs: nobody but an activation of this cell ever borrows it, and those do not nest.
        let mut wire = self.wire.borrow_mut();
        if !wire.is_open() {
            return wire.close_step(activation);
        }
        let mut cx = Context::new(activation);
        cx.output = wire.output.take();
        let mut batch = self.run(&mut wire, head, activation, &mut cx);
        if cx.output.as_ref().is_some_and(Output::overflowed) {
            batch = Batch::End(StopReason::OutboxFull);
        }
        if let Batch::End(reason) = batch {
            if owed(&cx) > 0 && wire.stays(activation, reason) {
                // Messages have waited behind whatever it was that ends it.
                batch = Batch::Again;
            } else {
                self.shell.end(head, activation, reason, &mut cx);
            }
        }
        wire.output = cx.output.take();
        match batch {
            Batch::End(reason) => {
                wire.begin_end(activation, reason);
                wire.close_step(activation)
            }
            batch => {
                wire.flush(activation);
                let resumed = wire.settle_reading(activation, head.is_full());
                if batch == Batch::Again || resumed { Outcome::Again } else { Outcome::Rest }
            }
        }
    }
}

impl<A: Connection> ConnectionBody<A> {
    fn run(
        &self,
        wire: &mut Wire<A::Codec>,
        head: &Head<A>,
        activation: &Activation<'_>,
        cx: &mut Context<A>,
    ) -> Batch {
        if wire.phase == Phase::New {
            let batch = self.open(wire, activation, cx);
            if batch != Batch::Empty {
                return batch;
            }
        }
        match activation.core.cells.take_demand(activation.cell) {
            Some(Demand::Stop) => wire.begin_stop(activation),
            None => {}
            Some(Demand::Abort) => return Batch::End(StopReason::Aborted),
        }
        let frames = self.read(wire, activation, cx);
        if matches!(frames, Batch::End(_)) {
            return frames;
        }
        if wire.stopping && wire.leaves.is_none() && !wire.is_last_call(activation) {
            wire.deaf = true;
            wire.end_receive(activation);
            // Frames that wait for the output to drain, or for the actor, were read, and so are answered.
            let holds = cx.output.as_ref().is_some_and(Output::holds);
            let waiting = wire.paused && wire.inward.has_rest();
            if frames == Batch::Empty && !wire.receiving && !waiting {
                return Batch::End(StopReason::Stopped);
            }
            if !wire.arm_stop(activation) {
                return Batch::End(StopReason::Aborted);
            }
            if !holds {
                return frames;
            }
        }
        // A budget of its own: frames that never end do not keep messages waiting, nor the other way round.
        match self.shell.handle_messages(head, activation, &mut Budget::new(activation.core), cx) {
            batch if wire.stopping => wire.leave_when_even(activation, owed(cx), batch, frames),
            Batch::Empty => frames,
            batch => batch,
        }
    }

    fn open(&self, wire: &mut Wire<A::Codec>, activation: &Activation<'_>, cx: &mut Context<A>) -> Batch {
        wire.phase = Phase::Open;
        wire.receive(activation);
        let armed = wire.arm_look(activation);
        // Also where no timer can be set: `stopped` never comes without `started` before it.
        match self.shell.start(cx, activation.core) {
            Batch::Empty if !armed => Batch::End(StopReason::Aborted),
            batch => batch,
        }
    }

    /// Takes notices in their order, and hands the frames in what has arrived to the actor.
    fn read(&self, wire: &mut Wire<A::Codec>, activation: &Activation<'_>, cx: &mut Context<A>) -> Batch {
        let mut budget = Budget::new(activation.core);
        let batch = loop {
            if !wire.paused && wire.inward.has_rest() {
                match self.feed(wire, activation.core, cx, &mut budget) {
                    Ok(None) => {}
                    Ok(Some(Enough::Budget)) => break Batch::Again,
                    Ok(Some(Enough::Output)) => wire.paused = true,
                    Ok(Some(Enough::End)) => break Batch::End(StopReason::Stopped),
                    Err(reason) => break Batch::End(reason),
                }
            }
            let Some(notice) = activation.core.cells.next_notice(activation.cell) else {
                break self.stream_state(wire, activation.core, cx);
            };
            if let Some(batch) = self.notice(wire, activation, cx, notice) {
                break batch;
            }
        };
        Counters::add(&activation.core.counters.handled, u64::from(budget.handled()));
        batch
    }

    fn feed(
        &self,
        wire: &mut Wire<A::Codec>,
        core: &Core,
        cx: &mut Context<A>,
        budget: &mut Budget,
    ) -> Result<Option<Enough>, StopReason> {
        let inward = &mut wire.inward;
        let fed = self.shell.call(core, |actor| {
            let mut take = |frame: <A::Codec as Decode>::Frame<'_>| {
                let flow = user(|| actor.frame(frame, cx));
                let more = budget.spend(core);
                if flow != Flow::Continue {
                    return Some(Enough::End);
                }
                if cx.output.as_ref().is_some_and(Output::must_pause) {
                    return Some(Enough::Output);
                }
                (!more).then_some(Enough::Budget)
            };
            runtime(|| inward.feed(&core.pools.receive, &mut take))
        })?;
        match fed {
            Fed::Hungry => Ok(None),
            Fed::Enough(enough) => Ok(Some(enough)),
            Fed::Malformed(error) => self.malformed(core, cx, error).map(|()| None),
        }
    }

    fn malformed(&self, core: &Core, cx: &mut Context<A>, error: FrameError) -> Result<(), StopReason> {
        self.shell.call(core, |actor| actor.malformed(error, cx))?;
        Err(StopReason::Malformed)
    }

    /// Takes one notice; `Some` if the actor ends for it.
    fn notice(
        &self,
        wire: &mut Wire<A::Codec>,
        activation: &Activation<'_>,
        cx: &mut Context<A>,
        notice: Notice,
    ) -> Option<Batch> {
        match notice {
            Notice::Io(Event::Received { lease }) => {
                wire.active = activation.core.now();
                wire.last_call.heard();
                if wire.leaves.is_some() {
                    activation.core.pools.receive.release(lease);
                } else if wire.paused {
                    wire.set_aside(activation, lease);
                } else {
                    wire.inward.arrived(lease);
                }
            }
            Notice::Timer(LAST_CALL) => {
                wire.timer = None;
                wire.last_call.look();
            }
            Notice::Timer(LOOK) if !wire.stopping => {
                // Another may have been set since this one came due.
                wire.disarm(activation.core);
                return self.look(wire, activation, cx);
            }
            // What was read is answered in time or not at all: the peer does not read, or asks for ever.
            Notice::Timer(STOP) => {
                wire.timer = None;
                if owed(cx) > 0 && activation.core.is_ending() {
                    // What others are to answer has the time that the end of the system leaves them.
                    wire.due = Time::MAX;
                    return None;
                }
                let cut_off = wire.sending > 0 || owed(cx) > 0;
                return Some(wire.end_late(activation.core, cut_off, StopReason::Aborted));
            }
            notice => {
                let sent = wire.settle(activation.core, notice);
                if let Some(output) = &mut cx.output {
                    output.sent(sent);
                }
            }
        }
        None
    }

    /// The time of a look has come: ends a connection that is idle, or whose peer does not read.
    #[cold]
    fn look(
        &self,
        wire: &mut Wire<A::Codec>,
        activation: &Activation<'_>,
        cx: &mut Context<A>,
    ) -> Option<Batch> {
        if wire.is_stalled(activation.core) {
            return Some(wire.end_late(activation.core, true, StopReason::OutboxFull));
        }
        if wire.idle_at().is_some_and(|idle_at| activation.core.now() >= idle_at) {
            match self.shell.call(activation.core, |actor| actor.idle(cx)) {
                Ok(Flow::Continue) => wire.active = activation.core.now(),
                Ok(Flow::Stop | Flow::Close) => return Some(Batch::End(StopReason::Idle)),
                Err(reason) => return Some(Batch::End(reason)),
            }
        }
        (!wire.arm_look(activation)).then_some(Batch::End(StopReason::Aborted))
    }

    /// Everything that has arrived is handled, or set aside: tells the actor of the end of the stream.
    fn stream_state(&self, wire: &mut Wire<A::Codec>, core: &Core, cx: &mut Context<A>) -> Batch {
        match wire.stream {
            Stream::Failed(errno) => Batch::End(StopReason::Disconnected(errno)),
            Stream::Ended if !wire.paused && wire.leaves.is_none() => {
                wire.stream = Stream::Told;
                self.end_of_stream(wire, core, cx)
            }
            Stream::Ended | Stream::Open | Stream::Told => Batch::Empty,
        }
    }

    fn end_of_stream(&self, wire: &mut Wire<A::Codec>, core: &Core, cx: &mut Context<A>) -> Batch {
        let inward = &mut wire.inward;
        let called = self.shell.call(core, |actor| {
            let mut flow = Flow::Continue;
            if let Err(error) = inward.finish(|frame| flow = actor.frame(frame, cx)) {
                actor.malformed(error, cx);
                return Batch::End(StopReason::Malformed);
            }
            if flow != Flow::Continue {
                return Batch::End(StopReason::Stopped);
            }
            match actor.end_of_stream(cx) {
                Flow::Continue => Batch::Empty,
                Flow::Stop | Flow::Close => Batch::End(StopReason::EndOfStream),
            }
        });
        called.unwrap_or_else(Batch::End)
    }
}

/// Answers that the actor is still to write.
fn owed<A: Connection>(cx: &Context<A>) -> u32 {
    cx.output.as_ref().map_or(0, Output::owed)
}

impl Orderly {
    /// None for an end that waits for nothing.
    fn of(reason: StopReason) -> Option<Orderly> {
        match reason {
            StopReason::Stopped => Some(Orderly::Stopped),
            StopReason::EndOfStream => Some(Orderly::EndOfStream),
            StopReason::Malformed => Some(Orderly::Malformed),
            StopReason::Idle => Some(Orderly::Idle),
            _ => None,
        }
    }

    fn reason(self) -> StopReason {
        match self {
            Orderly::Stopped => StopReason::Stopped,
            Orderly::EndOfStream => StopReason::EndOfStream,
            Orderly::Malformed => StopReason::Malformed,
            Orderly::Idle => StopReason::Idle,
        }
    }
}

impl<C: Decode> Wire<C> {
    fn is_open(&self) -> bool {
        matches!(self.phase, Phase::New | Phase::Open)
    }

    fn receive(&mut self, activation: &Activation<'_>) {
        self.receiving = true;
        activation.core.push(activation.cell, Op::Receive { socket: self.socket });
    }

    /// True while a core that ends waits for what the peer may have sent before: a request that lies in the kernel is
    /// answered.
    fn is_last_call(&mut self, activation: &Activation<'_>) -> bool {
        let core = activation.core;
        if !core.is_ending() || self.stream != Stream::Open || self.last_call.is_over() {
            return false;
        }
        if self.timer.is_none() {
            self.timer = core.arm(activation.cell, LAST_CALL, activation.deadline(BETWEEN_LOOKS)).ok();
        }
        self.timer.is_some()
    }

    /// When nothing will have been received for too long, if that matters.
    fn idle_at(&self) -> Option<Time> {
        self.shared.idle_timeout.map(|timeout| self.active.after(timeout))
    }

    /// When the send in flight will have made no progress for too long.
    fn stalled_at(&self, core: &Core) -> Time {
        self.taken_at.after(core.config.write_stall)
    }

    /// True if the kernel has taken nothing of a send for too long. Its slots are for others.
    fn is_stalled(&self, core: &Core) -> bool {
        self.sending > 0 && core.now() >= self.stalled_at(core)
    }

    /// Sets the timer for the next look, if there is anything to look for. False if an idle timeout cannot be kept.
    fn arm_look(&mut self, activation: &Activation<'_>) -> bool {
        let idle_at = self.idle_at();
        let stalled_at = if self.sending > 0 { self.stalled_at(activation.core) } else { Time::MAX };
        let due = idle_at.unwrap_or(Time::MAX).min(stalled_at);
        if due < Time::MAX {
            self.timer = activation.core.arm(activation.cell, LOOK, due).ok();
        }
        // Without a timer a send is not watched; the next one tries again.
        self.due = if self.timer.is_some() { due } else { Time::MAX };
        self.timer.is_some() || idle_at.is_none_or(|idle_at| idle_at == Time::MAX)
    }

    /// A send has begun: there is a look in time for it. One look serves all sends until then.
    fn watch_send(&mut self, activation: &Activation<'_>) {
        self.taken_at = activation.core.now();
        if self.is_open() && !self.stopping && self.stalled_at(activation.core) < self.due {
            self.look_earlier(activation);
        }
    }

    #[cold]
    fn look_earlier(&mut self, activation: &Activation<'_>) {
        self.disarm(activation.core);
        self.arm_look(activation);
    }

    /// Stops once the last call is over, by a deadline.
    #[cold]
    fn begin_stop(&mut self, activation: &Activation<'_>) {
        if !self.stopping {
            self.stopping = true;
            self.disarm(activation.core);
            self.due = activation.deadline(self.shared.close_deadline);
        }
    }

    /// Sets the timer by which a stop must be over. False if none can be set.
    fn arm_stop(&mut self, activation: &Activation<'_>) -> bool {
        if self.timer.is_none() && self.due < Time::MAX {
            self.timer = activation.core.arm(activation.cell, STOP, self.due).ok();
        }
        self.timer.is_some() || self.due == Time::MAX
    }

    /// What follows a batch of messages of one that stops, and perhaps leaves: it ends once every answer that is owed has been
    /// written.
    #[cold]
    fn leave_when_even(
        &mut self,
        activation: &Activation<'_>,
        owed: u32,
        batch: Batch,
        frames: Batch,
    ) -> Batch {
        match (self.leaves, batch) {
            (None, Batch::Empty) => frames,
            (None, batch) | (_, batch @ Batch::End(StopReason::Panicked)) => batch,
            (Some(leaves), _) if owed == 0 => Batch::End(leaves.reason()),
            _ if !self.arm_stop(activation) => Batch::End(StopReason::Aborted),
            // It ends already.
            (_, Batch::End(_)) => Batch::Again,
            (_, batch) => batch,
        }
    }

    /// True if an actor that owes answers does not end yet for this reason.
    #[cold]
    fn stays(&mut self, activation: &Activation<'_>, reason: StopReason) -> bool {
        let Some(orderly) = Orderly::of(reason) else { return false };
        if self.leaves.is_none() {
            self.leaves = Some(orderly);
            self.deaf = true;
            self.begin_stop(activation);
            self.end_receive(activation);
            self.inward.discard(&activation.core.pools.receive);
        }
        self.arm_stop(activation)
    }

    #[cold]
    fn end_late(&self, core: &Core, cut_off: bool, reason: StopReason) -> Batch {
        if cut_off {
            Counters::add(&core.counters.connections_cut_off, 1);
        }
        Batch::End(reason)
    }

    /// Bytes have arrived while reading is paused: they are kept, and the receive is ended, so that the peer waits.
    fn set_aside(&mut self, activation: &Activation<'_>, lease: Lease) {
        self.inward.set_aside(&activation.core.pools.receive, lease);
        self.end_receive(activation);
    }

    fn end_receive(&mut self, activation: &Activation<'_>) {
        if self.receiving && !self.cancelling {
            self.cancelling = true;
            self.others += 1;
            activation.core.push(activation.cell, Op::Cancel { socket: self.socket });
        }
    }

    /// Enters a last completion into the books; answers how many bytes have left the output by it.
    fn settle(&mut self, core: &Core, notice: Notice) -> u32 {
        let event = match notice {
            Notice::Io(event) => event,
            Notice::Slots => {
                self.thirsty = false;
                return 0;
            }
            Notice::Timer(_) => return 0,
        };
        match event {
            Event::ReceiveEnded { why } => {
                self.receiving = false;
                self.cancelling = false;
                match why {
                    // The kernel tells of a failure once: after a send has heard of it, a receive sees an end.
                    ReceiveEnd::EndOfStream if matches!(self.stream, Stream::Failed(_)) => {}
                    ReceiveEnd::EndOfStream => self.stream = Stream::Ended,
                    ReceiveEnd::Failed(errno) => self.stream = Stream::Failed(errno.0),
                    ReceiveEnd::Cancelled => {}
                }
                0
            }
            Event::Sending { .. } => {
                self.taken_at = core.now();
                0
            }
            Event::Sent { error, .. } => {
                if let Some(errno) = error {
                    self.stream = Stream::Failed(errno.0);
                }
                std::mem::take(&mut self.sending)
            }
            Event::ShutDown { .. } | Event::Cancelled => {
                self.others -= 1;
                0
            }
            Event::Closed => {
                self.phase = Phase::Closed;
                0
            }
            Event::Received { .. } | Event::Accepted { .. } | Event::AcceptEnded { .. } => {
                unreachable!("taken before, or never asked for by a connection")
            }
        }
    }

    /// Sends what has been written, unless a send is in flight: then it leaves with the next.
    fn flush(&mut self, activation: &Activation<'_>) {
        let Some(output) = &mut self.output else { return };
        if self.sending > 0 || !output.is_waiting() {
            return;
        }
        let core = activation.core;
        let chain = output.next(&core.pools.send);
        if chain.is_empty() {
            if !self.thirsty {
                self.thirsty = true;
                core.wait_for_slots(activation.cell);
            }
            return;
        }
        self.sending = chain.bytes();
        core.push(activation.cell, Op::Send { socket: self.socket, chain });
        self.watch_send(activation);
    }

    /// Decides whether reading is paused; true if it has just been resumed and there is something to go on with.
    fn settle_reading(&mut self, activation: &Activation<'_>, mailbox_full: bool) -> bool {
        // Messages are not handled any more then, so their number decides nothing.
        let mailbox_full = mailbox_full && !self.deaf;
        let output = self.output.as_ref();
        let was = self.paused;
        self.paused = if was {
            mailbox_full || output.is_some_and(|output| !output.may_resume())
        } else {
            mailbox_full || output.is_some_and(Output::must_pause)
        };
        if self.paused {
            // For as long as the pause takes: buffers are few.
            self.inward.set_current_aside(&activation.core.pools.receive);
            return false;
        }
        let hungry = self.inward.is_hungry();
        if was && (!hungry || self.deaf || self.stream == Stream::Ended) {
            return true;
        }
        // Not before everything is used up: a peer that sends fast would fill the assembly without bound.
        if hungry && !self.receiving && !self.deaf && self.stream == Stream::Open {
            self.receive(activation);
        }
        false
    }

    /// The actor has ended; the socket is brought to its end.
    fn begin_end(&mut self, activation: &Activation<'_>, reason: StopReason) {
        self.inward.discard(&activation.core.pools.receive);
        self.disarm(activation.core);
        self.phase = Phase::Flushing;
        let deadline = activation.core.now().after(self.shared.close_deadline);
        self.timer = activation.core.arm(activation.cell, CLOSE, deadline).ok();
        // The last words may have been too many.
        let whole = !self.output.as_ref().is_some_and(Output::overflowed);
        let orderly = whole && Orderly::of(reason).is_some();
        // Without a timer there is no deadline, and without a deadline a peer that does not read would keep the slot.
        if !orderly || self.timer.is_none() {
            self.end_now(activation, !matches!(reason, StopReason::Disconnected(_)));
        }
    }

    /// Drops what is queued and ends whatever is in flight.
    fn end_now(&mut self, activation: &Activation<'_>, reset: bool) {
        if let Some(output) = &mut self.output {
            output.discard(&activation.core.pools.send);
        }
        self.reset = reset;
        self.phase = Phase::Ending;
        if reset {
            // No shutdown: the peer would read the end of a stream that was cut short.
            self.others += 1;
            activation.core.push(activation.cell, Op::Reset { socket: self.socket });
        } else {
            self.shutdown(activation, true);
        }
    }

    fn shutdown(&mut self, activation: &Activation<'_>, both: bool) {
        self.others += 1;
        activation.core.push(activation.cell, Op::Shutdown { socket: self.socket, both });
    }

    fn disarm(&mut self, core: &Core) {
        if let Some(timer) = self.timer.take() {
            core.disarm(timer);
        }
    }

    /// One step towards the end of the socket, after the actor has ended.
    fn close_step(&mut self, activation: &Activation<'_>) -> Outcome {
        let core = activation.core;
        while let Some(notice) = core.cells.next_notice(activation.cell) {
            match notice {
                Notice::Io(Event::Received { lease }) => core.pools.receive.release(lease),
                Notice::Timer(CLOSE) => {
                    self.timer = None;
                    if self.phase == Phase::Flushing {
                        Counters::add(&core.counters.connections_cut_off, 1);
                    }
                    self.end_unless_ending(activation);
                }
                notice => {
                    let sent = self.settle(core, notice);
                    if let Some(output) = &mut self.output {
                        output.sent(sent);
                    }
                }
            }
        }
        if core.cells.take_demand(activation.cell) == Some(Demand::Abort)
            || (self.phase == Phase::Flushing && matches!(self.stream, Stream::Failed(_)))
        {
            self.end_unless_ending(activation);
        }
        self.advance(activation);
        if self.phase != Phase::Closed {
            return Outcome::Rest;
        }
        self.disarm(core);
        if self.thirsty {
            core.wait_no_more(activation.cell);
        }
        self.shared.give_credits(core);
        Outcome::Ended
    }

    fn end_unless_ending(&mut self, activation: &Activation<'_>) {
        if matches!(self.phase, Phase::Flushing | Phase::Lingering) {
            self.end_now(activation, true);
        }
    }

    /// Everything has been sent. A peer that may be sending is told so and heard out: closing on its unread bytes would
    /// reset the connection, and with it what is still on its way to the peer. One that has ended its stream, or has been
    /// silent, is not waited for.
    fn leave(&mut self, activation: &Activation<'_>) {
        self.phase = Phase::Lingering;
        let core = activation.core;
        if self.stream != Stream::Open {
            return;
        }
        if core.now() >= self.active.after(core.config.linger_after) {
            self.phase = Phase::Ending;
            self.end_receive(activation);
        } else {
            self.shutdown(activation, false);
        }
    }

    fn advance(&mut self, activation: &Activation<'_>) {
        if self.phase == Phase::Flushing {
            self.flush(activation);
            if self.sending > 0 || self.output.as_ref().is_some_and(Output::is_waiting) {
                return;
            }
            self.leave(activation);
        }
        let quiet = !self.receiving && self.sending == 0 && self.others == 0;
        match self.phase {
            Phase::Lingering if quiet && self.stream == Stream::Open => self.receive(activation),
            Phase::Lingering | Phase::Ending if quiet => {
                self.phase = Phase::Closing;
                let (socket, reset) = (self.socket, self.reset);
                activation.core.push(activation.cell, Op::Close { socket, reset });
            }
            _ => {}
        }
    }
}
