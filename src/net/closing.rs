//! How a connection is brought to its end, once its actor has ended.
//!
//! Knows: the phases from Flushing on, and how long each may last. Must not know why the actor has ended, nor the backend.
//!
//! What the kernel has taken it delivers after an ordinary close, for as long as the peer reads: a connection that has sent everything
//! needs no more than that. A reset drops it. So that is for output that has not been sent when its time is over, and for memory of ours
//! that the kernel would read, and keep, for as long as the peer does not.

use std::time::Duration;

use super::codec::Decode;
use super::wire::{CLOSE, Line, Outward, Phase, Stream, Wire};
use crate::actor::StopReason;
use crate::driver::{Event, Op};
use crate::executor::{Activation, Core, Counters, Demand, Notice, Outcome};

/// One that has just stopped listening, as one that stops does, has still heard what there is to hear.
const UNHEARD_MAX: Duration = Duration::from_millis(10);

impl<C: Decode> Wire<C> {
    /// The actor has ended; the socket is brought to its end.
    pub(super) fn begin_end(&mut self, activation: &Activation<'_>, reason: StopReason) {
        let idle = reason == StopReason::Idle;
        let left = activation.core.with_output(activation.cell(), |output| output.tie().left) == Some(true);
        Self::untie(activation, idle && !self.inward.has_rest());
        self.inward.discard(&activation.core.pools);
        activation.core.end_body(activation.cell());
        self.disarm(activation.core);
        self.phase = Phase::Flushing;
        if let Stream::Failing(errno) | Stream::Torn(errno) = self.stream {
            // Nobody is left to whom anything goes before.
            self.stream = Stream::Failed(errno);
        }
        let (core, deadline) = (activation.core, self.shared.close_deadline);
        self.due = core.now().after(deadline.max(core.config.close_deadline_max));
        self.timer = core.arm(activation.cell(), CLOSE, core.now().after(deadline)).ok();
        // The last words may have been too many.
        // What stands behind an answer that will not come cannot be sent.
        let whole = activation.core.with_output(activation.cell(), |output| {
            !output.overflowed() && !output.is_broken() && output.places() == 0
        });
        let whole = whole == Some(true);
        // Some of what was to go to its peer has found no room by the time that it is idle.
        let cuts = idle && left;
        let orderly = whole && !cuts && self.orderly(reason).is_some();
        // What the other had said by then is whole as far as it goes.
        let breaks = whole && (cuts || (!orderly && reason == StopReason::ForwardEnded));
        if breaks {
            self.outward = Outward::Breaking;
        }
        if orderly && self.timer.is_none() && self.has_sent_all(activation) {
            // Nothing is left that a deadline would be for, but to hear the peer out.
            self.phase = Phase::Ending;
            self.end_receive(activation);
            return;
        }
        // Without a timer there is no deadline, and without a deadline a peer that does not read would keep the slot.
        if !(orderly || breaks) || self.timer.is_none() {
            self.end_now(activation, !matches!(reason, StopReason::Disconnected(_)));
        }
    }

    /// True if the kernel has taken everything that was written, and reads none of it where it lies with us.
    fn has_sent_all(&self, activation: &Activation<'_>) -> bool {
        self.sending == 0 && !self.others.are_pinned() && !Self::is_waiting(activation)
    }

    /// Drops what is queued and ends whatever is in flight: that counts as lost from now on, whatever the kernel says of it later.
    pub(super) fn end_now(&mut self, activation: &Activation<'_>, reset: bool) {
        let (core, cell) = (activation.core, activation.cell());
        core.with_output(cell, |output| {
            output.discard(&core.pools.send);
            output.lose();
        });
        core.wake_flushed(cell);
        self.phase = Phase::Ending;
        if reset {
            // No shutdown: the peer would read the end of a stream that was cut short.
            self.reset(activation);
        } else {
            self.shutdown(activation, true);
        }
    }

    fn reset(&mut self, activation: &Activation<'_>) {
        self.outward = Outward::Reset;
        self.others.begun();
        activation.core.push(activation.cell(), Op::Reset { socket: self.socket });
    }

    pub(super) fn shutdown(&mut self, activation: &Activation<'_>, both: bool) {
        self.others.begun();
        activation.core.push(activation.cell(), Op::Shutdown { socket: self.socket, both });
    }

    /// One step towards the end of the socket, after the actor has ended.
    pub(super) fn close_step(&mut self, activation: &Activation<'_>) -> Outcome {
        let core = activation.core;
        let mut is_due = false;
        while let Some(notice) = activation.next_notice() {
            match notice {
                Notice::Io(Event::Received { lease }) => {
                    self.active = core.now();
                    core.pools.receive.release(lease);
                }
                Notice::Timer(CLOSE) => {
                    self.timer = None;
                    is_due = true;
                }
                notice => self.take_notice(activation, notice),
            }
        }
        if matches!(core.cells.take_demand(activation.cell()), Some(Demand::Abort | Demand::Broken))
            || (self.sends_still() && matches!(self.stream, Stream::Failed(_)))
        {
            self.end_unless_ending(activation);
        }
        self.advance(activation);
        // Not before it has got as far as it has come: where the core was held, its last send may have ended meanwhile.
        if is_due && self.timer.is_none() && !matches!(self.phase, Phase::Closing | Phase::Closed) {
            self.end_in_time(activation);
            self.advance(activation);
        }
        if self.phase != Phase::Closed {
            return Outcome::Rest;
        }
        self.disarm(core);
        if self.lines.has(Line::Slots) {
            core.wait_no_more(activation.cell());
        }
        Counters::add(&core.counters.connections_cut_off, self.cut_off.into());
        self.shared.give_credits(core);
        Outcome::Ended
    }

    /// The time to close in is over, unless the kernel has taken something meanwhile: then it begins anew, up to a bound.
    fn end_in_time(&mut self, activation: &Activation<'_>) {
        let core = activation.core;
        let breaks = self.phase == Phase::Lingering && self.outward == Outward::Breaking;
        let until = self.taken_at.after(self.shared.close_deadline).min(self.due);
        if !breaks && core.now() < until {
            self.timer = core.arm(activation.cell(), CLOSE, until).ok();
            if self.timer.is_some() {
                return;
            }
        }
        // What it has pinned its peer has not read, unless there is no peer any more.
        let is_pinned = self.others.are_pinned() && !matches!(self.stream, Stream::Failed(_));
        match self.phase {
            Phase::Lingering if !breaks && !is_pinned => {
                self.phase = Phase::Ending;
                self.end_receive(activation);
            }
            Phase::Ending if !self.others.are_pinned() && self.sending == 0 => {}
            _ => {
                let sends_still = self.phase == Phase::Flushing || (is_pinned && !breaks);
                self.be_cut_off(activation, sends_still && self.outward != Outward::Reset);
                self.end_unless_ending(activation);
            }
        }
    }

    /// True if what was written may not have reached the peer, whose failure is then the end of it.
    fn sends_still(&self) -> bool {
        self.phase == Phase::Flushing || (self.phase == Phase::Lingering && self.outward == Outward::Breaking)
    }

    pub(super) fn end_unless_ending(&mut self, activation: &Activation<'_>) {
        match self.phase {
            Phase::Flushing | Phase::Lingering => self.end_now(activation, true),
            // What the kernel still reads of a send, because the peer does not, it lets go of by a reset alone.
            Phase::Ending if self.outward != Outward::Reset => self.reset(activation),
            _ => {}
        }
    }

    /// Everything has been sent. A peer that may be sending is told so and heard out: closing on its unread bytes would
    /// reset the connection, and with it what is still on its way to the peer. One that has ended its stream, or is
    /// [silent](Wire::is_silent), is not waited for.
    pub(super) fn leave(&mut self, activation: &Activation<'_>) {
        self.phase = Phase::Lingering;
        let core = activation.core;
        if self.outward == Outward::Breaking {
            return self.break_later(activation);
        }
        if self.stream != Stream::Open {
            return;
        }
        if self.is_silent(core) {
            self.phase = Phase::Ending;
            self.end_receive(activation);
        } else if self.outward != Outward::Finished {
            self.shutdown(activation, false);
        }
    }

    /// True if the peer was listened to for long enough, up to now, and has said nothing. While a connection does not read, what its peer
    /// says lies in the kernel.
    fn is_silent(&self, core: &Core) -> bool {
        let now = core.now();
        let listens = self.receiving && !self.cancelling;
        let listened = listens || now < self.inward.silent.near(now).after(UNHEARD_MAX);
        listened && self.active.after(core.config.linger_after) <= now
    }

    pub(super) fn advance(&mut self, activation: &Activation<'_>) {
        if self.phase == Phase::Flushing {
            self.send_waiting(activation);
            if self.sending > 0 || Self::is_waiting(activation) {
                return;
            }
            self.leave(activation);
        }
        let quiet = !self.receiving && self.sending == 0 && self.others.are_none();
        match self.phase {
            Phase::Lingering if quiet && self.stream == Stream::Open => self.receive(activation),
            // It waits for its timer.
            Phase::Lingering if self.outward == Outward::Breaking => {}
            Phase::Lingering | Phase::Ending if quiet => {
                self.phase = Phase::Closing;
                let (socket, reset) = (self.socket, self.outward == Outward::Reset);
                activation.core.push(activation.cell(), Op::Close { socket, reset });
            }
            _ => {}
        }
    }
}
