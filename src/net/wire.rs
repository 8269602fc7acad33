//! The socket of a connection: what of it is in flight, and how it is brought to its end.
//!
//! Knows: receives, sends, deadlines, the phases of an end. Must not know what the actor does, nor the backend.

use std::rc::Rc;

use super::body::goes_on;
use super::codec::Decode;
use super::forward::Forward;
use super::inward::Inward;
use super::last_call::{BETWEEN_LOOKS, LastCall};
use super::late::Since;
use super::listener::Shared;
use super::others::Others;
use crate::actor::{Batch, StopReason};
use crate::driver::{Event, Op, SocketId};
use crate::executor::{Activation, Core, Counters, Matter, Notice, Output, WheelKey};
use crate::mem::{Chain, Lease};
use crate::sys::{Errno, Time};

/// Timer kinds of a connection.
pub(super) const LOOK: u32 = 0;
pub(super) const CLOSE: u32 = 1;
pub(super) const LAST_CALL: u32 = 2;
pub(super) const STOP: u32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    New,
    /// Open, and nothing has arrived.
    Silent,
    /// The same, and lately there was no buffer for what may have.
    Starving,
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
pub(super) enum Stream {
    Open,
    /// A send has failed, with an error number, of which there are fewer than 4,096; what had arrived is received still.
    Failing(u16),
    /// The peer's end of stream has come, and the actor has not been told.
    Ended,
    /// The same, but the actor has been handed what came last, and is busy with it.
    Finished,
    /// The actor has been told.
    Told,
    /// The peer's end of stream had come before a failure, and is passed on before the actor is told of that.
    Torn(u16),
    Failed(u16),
}

/// How the stream to the peer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outward {
    Open,
    /// It ends once everything has been sent.
    Finishing,
    /// The peer has been told that it has ended.
    Finished,
    /// The peer is to see a reset, once everything has been sent.
    Breaking,
    /// The peer is to see a reset.
    Reset,
}

/// The lines that a connection stands in, until it is called, whatever becomes of what it waits for. In one byte.
#[derive(Debug, Default)]
pub(super) struct Lines(u8);

/// What connections stand in line for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Line {
    /// Send slots.
    Slots = 1,
    /// Room for what comes in part.
    Room = 2,
}

impl Lines {
    pub(super) fn has(&self, line: Line) -> bool {
        self.0 & line as u8 != 0
    }

    pub(super) fn enter(&mut self, line: Line) {
        self.0 |= line as u8;
    }

    pub(super) fn leave(&mut self, line: Line) {
        self.0 &= !(line as u8);
    }
}

/// Reasons to end that let answers which are owed out first, in one byte.
#[derive(Debug, Clone, Copy)]
pub(super) enum Orderly {
    Stopped,
    LinkEnded,
    EndOfStream,
    Malformed,
    Idle,
    Late,
    ForwardEnded,
    AssemblyFull,
}

pub(super) struct Wire<C> {
    pub(super) socket: SocketId,
    pub(super) shared: Rc<Shared>,
    pub(super) inward: Inward<C>,
    /// A look for silence and stalls while open, that of the last call or the deadline while stopping, the close deadline
    /// afterwards. One for all: where timers are short, no connection takes the place of another by being busy.
    pub(super) timer: Option<WheelKey>,
    /// While open, when that look is due, if ever; while stopping, by when that must be over.
    pub(super) due: Time,
    /// When the last send began, or the kernel took some of it, or, while closing, let go of what it had pinned.
    pub(super) taken_at: Time,
    /// When bytes last arrived, or the connection was last busy with those that had.
    pub(super) active: Time,
    pub(super) stream: Stream,
    pub(super) phase: Phase,
    /// Bytes of the send in flight; zero if there is none.
    pub(super) sending: u32,
    /// What else is in flight.
    pub(super) others: Others,
    /// A receive is armed.
    pub(super) receiving: bool,
    /// The receive has been cancelled and has not ended.
    pub(super) cancelling: bool,
    /// Reading is paused: what arrives is set aside.
    pub(super) paused: bool,
    /// That nothing arrives is not the peer's silence: see [`Wire::note_busy`].
    pub(super) busy: bool,
    /// How the stream gets on, if it is forwarded.
    pub(super) forward: Forward,
    /// Another connection is forwarded to this one.
    pub(super) fed: bool,
    pub(super) lines: Lines,
    /// How the stream to the peer stands.
    pub(super) outward: Outward,
    /// Stops for this reason once the last call is over, and what has arrived by then is handled.
    pub(super) stopping: Option<Orderly>,
    /// Nothing more is received: the frames that have arrived are the last.
    pub(super) deaf: bool,
    /// Its peer does not get all that it was to get, because it did not read that in time. Counted once it has ended.
    pub(super) cut_off: bool,
    /// Ends for this reason once every answer that is owed has been written.
    pub(super) leaves: Option<Orderly>,
    pub(super) last_call: LastCall,
}

const _: () = assert!(size_of::<Wire<super::codec::Raw>>() <= 104, "there is one for each connection");

impl Orderly {
    /// None for an end that waits for nothing. What was forwarded to its end, as the peer has been or will be told, is `whole`.
    fn of(reason: StopReason, whole: bool) -> Option<Orderly> {
        match reason {
            StopReason::Stopped => Some(Orderly::Stopped),
            StopReason::LinkEnded => Some(Orderly::LinkEnded),
            StopReason::EndOfStream => Some(Orderly::EndOfStream),
            StopReason::Malformed => Some(Orderly::Malformed),
            StopReason::Idle => Some(Orderly::Idle),
            StopReason::Late => Some(Orderly::Late),
            StopReason::AssemblyFull => Some(Orderly::AssemblyFull),
            StopReason::ForwardEnded if whole => Some(Orderly::ForwardEnded),
            _ => None,
        }
    }

    pub(super) fn reason(self) -> StopReason {
        match self {
            Orderly::Stopped => StopReason::Stopped,
            Orderly::LinkEnded => StopReason::LinkEnded,
            Orderly::EndOfStream => StopReason::EndOfStream,
            Orderly::Malformed => StopReason::Malformed,
            Orderly::Idle => StopReason::Idle,
            Orderly::Late => StopReason::Late,
            Orderly::AssemblyFull => StopReason::AssemblyFull,
            Orderly::ForwardEnded => StopReason::ForwardEnded,
        }
    }
}

impl<C: Decode> Wire<C> {
    pub(super) fn new(socket: SocketId, shared: Rc<Shared>, now: Time) -> Wire<C> {
        let mut inward = Inward::new();
        inward.silent = Since::of(now);
        Wire {
            socket,
            inward,
            shared,
            timer: None,
            due: Time::MAX,
            taken_at: Time::ZERO,
            active: now,
            stream: Stream::Open,
            phase: Phase::New,
            sending: 0,
            others: Others::default(),
            receiving: false,
            cancelling: false,
            paused: false,
            busy: false,
            forward: Forward::No,
            fed: false,
            lines: Lines::default(),
            outward: Outward::Open,
            stopping: None,
            deaf: false,
            cut_off: false,
            leaves: None,
            last_call: LastCall::default(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::New | Phase::Silent | Phase::Starving | Phase::Open)
    }

    /// How it ends for this reason, unless that waits for nothing.
    pub(super) fn orderly(&self, reason: StopReason) -> Option<Orderly> {
        Orderly::of(reason, matches!(self.outward, Outward::Finishing | Outward::Finished))
    }

    #[cold]
    #[inline(never)]
    pub(super) fn receive(&mut self, activation: &Activation<'_>) {
        self.receiving = true;
        let socket = self.socket;
        let op = match self.inward.lend() {
            None if self.inward.is_cut() => {
                self.receiving = false;
                return;
            }
            None => Op::Receive { socket },
            Some(fill) => Op::Fill { socket, fill },
        };
        activation.core.push(activation.cell(), op);
    }

    /// True while a core that ends waits for what the peer may have sent before: a request that lies in the kernel is
    /// answered.
    pub(super) fn is_last_call(&mut self, activation: &Activation<'_>) -> bool {
        let core = activation.core;
        if !core.is_ending() || self.stream != Stream::Open || self.last_call.is_over() {
            return false;
        }
        if self.timer.is_none() {
            self.timer = core.arm(activation.cell(), LAST_CALL, activation.deadline(BETWEEN_LOOKS)).ok();
        }
        self.timer.is_some()
    }

    /// When nothing will have been received for too long, if that matters.
    pub(super) fn idle_at(&self) -> Option<Time> {
        self.shared.idle_timeout.map(|timeout| self.active.after(timeout))
    }

    /// Notes whether the peer waits for the connection rather than the other way round: it has not been answered, or what it
    /// sent has not been handled, or is not read. Then the time of idleness begins anew once that is over. A pause that the
    /// actor asked for is no excuse.
    #[inline]
    pub(super) fn note_busy(&mut self, activation: &Activation<'_>) {
        if self.shared.idle_timeout.is_some() {
            self.note_busy_if_timed(activation);
        }
    }

    /// The same, when frames have been handled.
    #[inline]
    pub(super) fn note_handled(&mut self, activation: &Activation<'_>) {
        if self.shared.idle_timeout.is_some() {
            self.busy |= goes_on(activation);
        }
    }

    #[inline(never)]
    fn note_busy_if_timed(&mut self, activation: &Activation<'_>) {
        let core = activation.core;
        let (holds, owed) =
            core.with_output(activation.cell(), |output| (output.holds(), output.owed())).unwrap_or_default();
        let reads = self.receiving && !self.cancelling;
        let lags = !self.inward.is_hungry() || (self.paused && !reads);
        // What frames have begun, and not what an interval has.
        let handles = self.busy && goes_on(activation);
        let was = std::mem::replace(&mut self.busy, owed > 0 || (lags && !holds) || handles);
        if was || self.busy {
            self.active = core.now();
        }
    }

    /// When the send in flight will have made no progress for too long.
    pub(super) fn stalled_at(&self, core: &Core) -> Time {
        self.taken_at.after(core.config.write_stall)
    }

    /// True if the kernel has taken nothing of a send for too long. Its slots are for others.
    pub(super) fn is_stalled(&self, core: &Core) -> bool {
        self.sending > 0 && core.now() >= self.stalled_at(core)
    }

    /// When its peer will have read too slowly for too long, if it does now.
    fn grace_over_at(&self, activation: &Activation<'_>) -> Option<Time> {
        let grace = self.shared.outbox_grace?;
        let since = activation.core.with_output(activation.cell(), |output| match output.is_slow() {
            true => None,
            false => output.high_since(),
        });
        Some(since??.after(grace))
    }

    /// True if the grace of its peer has just come to its end.
    pub(super) fn is_grace_over(&self, activation: &Activation<'_>) -> bool {
        self.grace_over_at(activation).is_some_and(|over| activation.core.now() >= over)
    }

    /// Output waits: notes whether its peer reads too slowly, from when on its grace counts.
    #[cold]
    fn note_high(&mut self, activation: &Activation<'_>) {
        if self.shared.outbox_grace.is_none() || !self.is_open() || self.stopping.is_some() {
            return;
        }
        let core = activation.core;
        core.with_output(activation.cell(), |output| output.note_high(core.now()));
        if self.grace_over_at(activation).is_some_and(|over| over < self.due) {
            self.look_earlier(activation);
        }
    }

    /// Sets the timer for the next look, if there is anything to look for. False if an idle timeout cannot be kept.
    pub(super) fn arm_look(&mut self, activation: &Activation<'_>) -> bool {
        self.bound_earned(activation.core);
        let idle_at = self.idle_at();
        let stalled_at = if self.sending > 0 { self.stalled_at(activation.core) } else { Time::MAX };
        let grace_over_at = self.grace_over_at(activation).unwrap_or(Time::MAX);
        let due = idle_at
            .unwrap_or(Time::MAX)
            .min(stalled_at)
            .min(grace_over_at)
            .min(self.late_at(activation.core));
        if due < Time::MAX {
            self.timer = activation.core.arm(activation.cell(), LOOK, due).ok();
        }
        // Without a timer a send is not watched; the next one tries again.
        self.due = if self.timer.is_some() { due } else { Time::MAX };
        self.timer.is_some() || idle_at.is_none_or(|idle_at| idle_at == Time::MAX)
    }

    /// Who has been promised room, for which others may wait, is never further ahead than by the time that it has without earning any.
    fn bound_earned(&mut self, core: &Core) {
        if self.late_at(core) > core.now().after(self.shared.frame_timeout) {
            self.inward.forget_earned(core.now());
        }
    }

    /// A send has begun: there is a look in time for it. One look serves all sends until then.
    pub(super) fn watch_send(&mut self, activation: &Activation<'_>) {
        self.taken_at = activation.core.now();
        if self.is_open() && self.stopping.is_none() && self.stalled_at(activation.core) < self.due {
            self.look_earlier(activation);
        }
    }

    #[cold]
    pub(super) fn look_earlier(&mut self, activation: &Activation<'_>) {
        self.disarm(activation.core);
        self.arm_look(activation);
    }

    /// Stops once the last call is over, by a deadline.
    #[cold]
    pub(super) fn begin_stop(&mut self, activation: &Activation<'_>, why: Orderly) {
        if self.stopping.is_none() {
            self.stopping = Some(why);
            self.disarm(activation.core);
            self.due = activation.deadline(self.shared.close_deadline);
        }
    }

    /// Sets the timer by which a stop must be over. False if none can be set.
    pub(super) fn arm_stop(&mut self, activation: &Activation<'_>) -> bool {
        if self.timer.is_none() && self.due < Time::MAX {
            self.timer = activation.core.arm(activation.cell(), STOP, self.due).ok();
        }
        self.timer.is_some() || self.due == Time::MAX
    }

    /// What follows a batch of messages of one that stops, and perhaps leaves: it ends once every answer that is owed has been
    /// written.
    #[cold]
    pub(super) fn leave_when_even(
        &mut self,
        activation: &Activation<'_>,
        owed: u32,
        batch: Batch,
        frames: Batch,
    ) -> Batch {
        match (self.leaves, batch) {
            (None, Batch::Empty) => frames,
            (None, batch) | (_, batch @ Batch::End(StopReason::Panicked | StopReason::Failed)) => batch,
            (Some(leaves), _) if owed == 0 => Batch::End(leaves.reason()),
            _ if !self.arm_stop(activation) => Batch::End(StopReason::Aborted),
            // It ends already.
            (_, Batch::End(_)) => Batch::Again,
            (_, batch) => batch,
        }
    }

    /// True if an actor that owes answers does not end yet for this reason.
    #[cold]
    pub(super) fn stays(&mut self, activation: &Activation<'_>, reason: StopReason) -> bool {
        let Some(orderly) = self.orderly(reason) else { return false };
        if self.leaves.is_none() {
            self.leaves = Some(orderly);
            self.deaf = true;
            self.begin_stop(activation, orderly);
            self.end_receive(activation);
            self.inward.discard(&activation.core.pools);
            activation.core.end_body(activation.cell());
        }
        self.arm_stop(activation)
    }

    #[cold]
    pub(super) fn be_cut_off(&mut self, activation: &Activation<'_>, cut_off: bool) {
        if cut_off {
            self.cut_off = true;
            activation.core.note_cut_off(activation.cell());
        }
    }

    /// Bytes have arrived while reading is paused: they are kept, and the receive is ended, so that the peer waits.
    pub(super) fn set_aside(&mut self, activation: &Activation<'_>, lease: Lease) {
        let pools = &activation.core.pools;
        let wanted = match self.inward.filing() {
            Some(_) => self.inward.file(pools, lease),
            None => self.inward.set_aside(&pools.receive, lease),
        };
        if !wanted {
            self.end_receive(activation);
        }
    }

    pub(super) fn end_receive(&mut self, activation: &Activation<'_>) {
        if self.receiving && !self.cancelling {
            self.cancelling = true;
            self.others.begun();
            activation.core.push(activation.cell(), Op::Cancel { socket: self.socket });
        }
    }

    /// Enters a last completion into the books.
    pub(super) fn take_notice(&mut self, activation: &Activation<'_>, notice: Notice) {
        let core = activation.core;
        let event = match notice {
            Notice::Io(event) => event,
            Notice::Slots => {
                self.lines.leave(Line::Slots);
                return;
            }
            Notice::Fed => {
                self.fed = true;
                return;
            }
            Notice::FeedEnded => {
                self.fed = false;
                self.await_first_byte(activation);
                return self.finish();
            }
            Notice::Finished => return self.finish(),
            Notice::Room => return self.called_for_room(activation),
            Notice::Stored(request) => return self.stored(activation, request),
            Notice::Timer(_) | Notice::Untied => return,
        };
        match event {
            Event::ReceiveEnded { why } => self.receive_ended(activation, why),
            Event::Sending { .. } => {
                self.taken_at = core.now();
                self.note_forwarded(core);
            }
            Event::Sent { error, pinned, .. } => self.sent(activation, error, pinned),
            Event::ShutDown { .. } | Event::Cancelled => self.others.ended(),
            Event::Released => {
                self.others.released();
                // Where nothing more is pinned, nobody waits for that.
                if !self.is_open() && self.others.are_pinned() {
                    self.taken_at = core.now();
                }
            }
            Event::Closed => self.phase = Phase::Closed,
            Event::Starving => self.starve(activation),
            Event::Filled { fill } => self.filled(activation, fill),
            Event::Received { .. }
            | Event::Accepted { .. }
            | Event::AcceptEnded { .. }
            | Event::Connected { .. }
            | Event::File { .. } => {
                unreachable!("taken before, or never asked for by a connection")
            }
        }
    }

    /// Enters the end of a send into the books. Inlined where notices are taken: nearly every second one is this.
    #[inline(always)]
    pub(super) fn sent(&mut self, activation: &Activation<'_>, error: Option<Errno>, pinned: bool) {
        let core = activation.core;
        self.others.answered(pinned);
        match error {
            None => self.taken_at = core.now(),
            Some(errno) => self.send_failed(activation, errno),
        }
        self.note_forwarded(core);
        let sent = std::mem::take(&mut self.sending);
        if core.with_own_output(activation, |output| output.sent(&core.pools.send, sent)) == Some(true) {
            core.wake_flushed(activation.cell());
        }
    }

    /// Bytes have left: where they were another's, none of the two is idle.
    #[inline]
    fn note_forwarded(&mut self, core: &Core) {
        if self.fed || self.forward != Forward::No {
            self.active = core.now();
        }
    }

    /// Enters the end of a send into the books before what has been noticed earlier: while a buffer is full of frames, answers to
    /// the first of them are not to wait for the last.
    pub(super) fn take_sent(&mut self, activation: &Activation<'_>) {
        if self.sending > 0
            && let Some(notice) = activation.take_sent()
        {
            self.take_notice(activation, notice);
        }
    }

    /// Sends what has been written, unless a send is in flight: then it leaves with the next. False if it is too much, or not
    /// whole: the actor of this name ends.
    #[inline(always)]
    pub(super) fn flush(&mut self, activation: &Activation<'_>, name: &'static str) -> bool {
        let core = activation.core;
        let may_send = self.sending == 0;
        let next = |output: &mut Output| {
            let is_sound = output.is_sound();
            is_sound
                .then(|| (may_send && output.is_waiting()).then(|| output.next_if_sound(&core.pools.send)))
        };
        match core.with_own_output(activation, next) {
            Some(Some(Some(chain))) => self.send(activation, chain),
            Some(None) => return self.flush_in_trouble(activation, name),
            Some(Some(None)) | None => {}
        }
        true
    }

    /// The same where something is wrong with what was written, or might be.
    #[cold]
    fn flush_in_trouble(&mut self, activation: &Activation<'_>, name: &'static str) -> bool {
        Self::tell_left_out(activation, name);
        let is_sound = |output: &mut Output| !output.overflowed() && !output.is_broken();
        if activation.core.with_output(activation.cell(), is_sound) == Some(false) {
            return false;
        }
        self.send_waiting(activation);
        true
    }

    /// Counts and reports the writes that were left out.
    #[cold]
    pub(super) fn tell_left_out(activation: &Activation<'_>, name: &'static str) {
        let core = activation.core;
        let left_out = core.with_output(activation.cell(), Output::take_left_out).unwrap_or_default();
        Counters::add(&core.counters.writes_refused, left_out.refused.into());
        Counters::add(&core.counters.writes_dropped, left_out.dropped.into());
        if left_out.refused > 0 {
            let what =
                "leaves out what it writes: its peer does not read, or not as fast (outbox(overflow = …))";
            core.report(Matter::Outbox, name, format_args!("{what}"));
        }
        if left_out.dropped > 0 {
            let what = "drops the oldest of what waits for its peer, which does not read, or not as fast \
                        (outbox(overflow = drop_oldest))";
            core.report(Matter::Outbox, name, format_args!("{what}"));
        }
    }

    /// Sends what has been written, also where it is too much, or is not all.
    pub(super) fn send_waiting(&mut self, activation: &Activation<'_>) {
        let (core, cell) = (activation.core, activation.cell());
        if self.sending > 0 {
            return;
        }
        let next = |output: &mut Output| output.is_waiting().then(|| output.next(&core.pools.send));
        if let Some(chain) = core.with_output(cell, next).flatten() {
            self.send(activation, chain);
        }
    }

    #[inline(always)]
    fn send(&mut self, activation: &Activation<'_>, chain: Chain) {
        let (core, cell) = (activation.core, activation.cell());
        if chain.is_empty() {
            return self.wait_for_slots(activation);
        }
        self.sending = chain.bytes();
        core.push(cell, Op::Send { socket: self.socket, chain });
        self.watch_send(activation);
    }

    /// Gets in line for send slots.
    pub(super) fn wait_for_slots(&mut self, activation: &Activation<'_>) {
        if !self.lines.has(Line::Slots) {
            self.lines.enter(Line::Slots);
            activation.core.wait_for_slots(activation.cell());
        }
    }

    /// Nothing more will be written.
    pub(super) fn finish(&mut self) {
        if self.outward == Outward::Open {
            self.outward = Outward::Finishing;
        }
    }

    /// Tells the peer that nothing more comes, once everything has been sent.
    pub(super) fn finish_step(&mut self, activation: &Activation<'_>) {
        if self.outward == Outward::Finishing && Self::is_even(activation) {
            self.outward = Outward::Finished;
            self.shutdown(activation, false);
        }
    }

    /// True if everything that was written has been sent, what stands behind an answer that will be written included.
    fn is_even(activation: &Activation<'_>) -> bool {
        let is_even = |output: &mut Output| output.queued() == 0 && output.places() == 0;
        activation.core.with_output(activation.cell(), is_even) != Some(false)
    }

    /// True if something that was written has not been sent.
    pub(super) fn is_waiting(activation: &Activation<'_>) -> bool {
        activation.core.with_output(activation.cell(), |output| output.is_waiting()) == Some(true)
    }

    /// Decides whether reading is paused, `apart` from how much is queued or not; true if it has just been resumed and there is
    /// something to go on with.
    #[inline]
    pub(super) fn decide_reading(
        &mut self,
        activation: &Activation<'_>,
        mailbox_full: bool,
        apart: bool,
    ) -> bool {
        let (core, cell) = (activation.core, activation.cell());
        // Messages are not handled any more then, so their number decides nothing.
        let mailbox_full = mailbox_full && !self.deaf;
        let was = self.paused;
        let output_pauses = match (apart, was) {
            (true, _) => core.with_output(cell, |output| output.holds()) == Some(true),
            (false, true) => {
                // One that flows is forwarded, which is no time to resume.
                self.forward == Forward::Flows
                    || core.with_output(cell, |output| !output.may_resume()) == Some(true)
            }
            (false, false) => activation.pauses(),
        };
        self.paused = mailbox_full || output_pauses || activation.is_suspended();
        if self.paused {
            return self.decide_pause(activation, mailbox_full, apart);
        }
        if was && activation.has_body() {
            return self.decide_body(activation, mailbox_full, apart);
        }
        let hungry = self.inward.is_hungry();
        if was && (!hungry || self.deaf || matches!(self.stream, Stream::Ended | Stream::Finished)) {
            return true;
        }
        // Not before everything is used up: a peer that sends fast would fill the assembly without bound.
        if hungry && !self.deaf && self.is_heard() {
            self.receive_more(activation);
        }
        self.inward.is_cut()
    }

    /// Receives, if there is room for what has come in part.
    #[inline]
    fn receive_more(&mut self, activation: &Activation<'_>) {
        if self.inward.gathers() && !self.has_room(activation) {
            return self.end_receive(activation);
        }
        if !self.receiving {
            self.receive(activation);
        }
        if self.inward.has_begun() {
            self.watch_frame(activation);
        }
    }

    /// Reading is paused.
    #[cold]
    #[inline(never)]
    fn decide_pause(&mut self, activation: &Activation<'_>, mailbox_full: bool, apart: bool) -> bool {
        if activation.has_body() {
            if !apart {
                self.note_high(activation);
            }
            return self.decide_body(activation, mailbox_full, apart);
        }
        if self.forward == Forward::Flows {
            if !self.receiving && !self.deaf && self.is_heard() {
                self.receive(activation);
            }
            return false;
        }
        self.inward.rest(activation.core.now());
        // For as long as the pause takes: buffers are few.
        self.inward.set_current_aside(&activation.core.pools.receive);
        if !apart {
            self.note_high(activation);
        }
        self.inward.is_cut()
    }

    pub(super) fn disarm(&mut self, core: &Core) {
        if let Some(timer) = self.timer.take() {
            core.disarm(timer);
        }
    }
}
