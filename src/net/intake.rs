//! How a connection receives into memory that is not a receive buffer.
//!
//! Knows: when a body begins and ends, which of both ways it comes by, shortages, when it has been written where it goes to a file. Must
//! not know who asked for it.
//!
//! Both ways are never open at once: what is under way is cancelled, and may still bring bytes, before the other begins.

use super::bulk::Bulk;
use super::codec::Decode;
use super::filing::Filing;
use super::wire::{Line, Stream, Wire};
use crate::actor::StopReason;
use crate::driver::{Event, FileRequest, Fill, ReceiveEnd};
use crate::executor::blame::user;
use crate::executor::{Activation, Demand, Wanted};
use crate::mem::Promise;
use crate::sys::Errno;

impl<C: Decode> Wire<C> {
    /// What was lent to a receive has come back.
    #[cold]
    #[inline(never)]
    pub(super) fn filled(&mut self, activation: &Activation<'_>, fill: Box<Fill>) {
        if let Ok(1..) = fill.outcome {
            self.heard(activation.core.now());
        }
        let why = match fill.outcome {
            Ok(0) => ReceiveEnd::EndOfStream,
            Ok(_) | Err(Errno::ECANCELED) => ReceiveEnd::Cancelled,
            Err(errno) => ReceiveEnd::Failed(errno),
        };
        self.receive_ended(activation, why);
        self.inward.filled(fill);
    }

    /// There is no buffer for what the peer sends. Who has a part of a frame, or of a body, does not wait for one: that it is
    /// whole does not depend on when others let their buffers go.
    #[cold]
    #[inline(never)]
    pub(super) fn starve(&mut self, activation: &Activation<'_>) {
        let reads = self.receiving && !self.cancelling && !self.deaf;
        if reads && (!self.paused || activation.has_body()) && self.inward.starve() {
            self.end_receive(activation);
        }
        self.note_starving();
    }

    /// Begins with a body that was asked for, unless memory is still away.
    pub(super) fn begin_body(&mut self, activation: &Activation<'_>) {
        if self.inward.filing().is_some() {
            return self.file_step(activation);
        }
        if self.inward.body().is_some() || self.inward.is_away() {
            return;
        }
        let (core, cell) = (activation.core, activation.cell());
        let Some(wanted) = core.take_wanted(cell) else { return core.end_body(cell) };
        let fresh = self.inward.has_partial().then(|| core.contain(|| user(C::default)));
        if let Some(None) = fresh {
            core.demand(cell, Demand::Broken);
        }
        match wanted {
            Wanted::Memory { buffer, len } => {
                self.inward.begin_body(&core.pools.receive, Bulk::new(buffer, len), fresh.flatten());
            }
            Wanted::File { file, offset, len } => {
                let filing = Filing::new(file, offset, len, core.config.unwritten_bytes_max);
                self.inward.begin_filing(&core.pools.receive, filing, fresh.flatten());
                self.file_step(activation);
            }
        }
    }

    /// Has written what is here of a body that goes to a file.
    fn file_step(&mut self, activation: &Activation<'_>) {
        let core = activation.core;
        let all = self.inward.hand_to_file(&core.pools);
        let Some(filing) = self.inward.filing_mut() else { return };
        let written = filing.write(core, activation.cell());
        if !written || (!all && !filing.is_busy()) {
            // It is slots that are missing, and nothing is under way whose end would tell.
            self.wait_for_slots(activation);
        }
    }

    /// A write has been answered.
    #[cold]
    pub(super) fn stored(&mut self, activation: &Activation<'_>, request: Box<FileRequest>) {
        let (core, cell) = (activation.core, activation.cell());
        let Some(filing) = self.inward.filing_mut().filter(|filing| filing.has_asked(&request)) else {
            // It has ended meanwhile.
            return Event::File { request }.release(&core.pools);
        };
        let bytes = u64::from(filing.stored(core, cell, request));
        core.note_forwarded(cell, bytes);
    }

    /// How the body ends, if it does by now.
    pub(super) fn body_end(&self) -> Option<Result<(), StopReason>> {
        if let Some(filing) = self.inward.filing() {
            return self.filing_end(filing);
        }
        let body = self.inward.body().filter(|body| !body.is_away())?;
        let why = match self.stream {
            _ if body.is_complete() => return Some(Ok(())),
            _ if body.has_failed() => StopReason::Failed,
            Stream::Failed(errno) => StopReason::Disconnected(errno.into()),
            Stream::Ended | Stream::Finished | Stream::Told | Stream::Torn(_) => StopReason::EndOfStream,
            _ if body.is_given_up() || (self.deaf && !self.receiving) => StopReason::Stopped,
            Stream::Open | Stream::Failing(_) => return None,
        };
        Some(Err(why))
    }

    /// The same for one that goes to a file: everything that has come is written before.
    fn filing_end(&self, filing: &Filing) -> Option<Result<(), StopReason>> {
        if filing.is_busy() {
            return None;
        }
        let why = match self.stream {
            _ if filing.has_failed() => StopReason::Failed,
            _ if filing.wants() == 0 => return Some(Ok(())),
            _ if self.inward.has_rest() => return None,
            Stream::Failed(errno) => StopReason::Disconnected(errno.into()),
            Stream::Open | Stream::Failing(_) if self.deaf && !self.receiving => StopReason::Stopped,
            Stream::Open | Stream::Failing(_) => return None,
            _ if filing.is_endless() => return Some(Ok(())),
            Stream::Ended | Stream::Finished | Stream::Told | Stream::Torn(_) => StopReason::EndOfStream,
        };
        Some(Err(why))
    }

    /// True if an operation has the memory of a body, or not all of it is written, without which its end cannot be told.
    pub(super) fn awaits_memory(&self, activation: &Activation<'_>) -> bool {
        let away = self.inward.is_away() || self.inward.body().is_some_and(Bulk::is_away);
        let unwritten = |filing: &Filing| filing.is_busy() || (filing.wants() > 0 && self.inward.has_rest());
        (away || self.inward.filing().is_some_and(unwritten)) && activation.has_body()
    }

    /// True if the actor is told of no end of a body for now.
    pub(super) fn is_body_blocked(&self, activation: &Activation<'_>, apart: bool) -> bool {
        let (core, cell) = (activation.core, activation.cell());
        let waits = || core.with_output(cell, |output| !output.may_go_on()) == Some(true);
        activation.is_suspended() || (!apart && waits())
    }

    /// Decides how it goes on with a body; true if the actor can be told of its end.
    #[cold]
    #[inline(never)]
    pub(super) fn decide_body(
        &mut self,
        activation: &Activation<'_>,
        mailbox_full: bool,
        apart: bool,
    ) -> bool {
        self.paused = true;
        self.begin_body(activation);
        if !activation.has_body() {
            return true;
        }
        let blocked = mailbox_full || self.is_body_blocked(activation, apart);
        if blocked {
            self.inward.rest(activation.core.now());
            self.inward.set_current_aside(&activation.core.pools.receive);
            if self.inward.filing().is_some() || !self.awaits_memory(activation) {
                self.end_receive(activation);
            }
            return self.inward.is_cut();
        }
        if self.body_end().is_none() {
            self.receive_body(activation);
        }
        self.inward.is_cut() || self.body_end().is_some()
    }

    fn receive_body(&mut self, activation: &Activation<'_>) {
        if self.deaf || !self.is_heard() {
            return;
        }
        match self.inward.filing() {
            Some(filing) if filing.wants() == 0 => return,
            // There is no room for more, or no slot for what is here.
            Some(filing) if filing.is_full() || self.inward.has_rest() => {
                self.inward.excuse();
                return self.end_receive(activation);
            }
            _ => {}
        }
        if self.inward.gathers() && !self.has_room(activation) {
            if !self.awaits_memory(activation) {
                self.end_receive(activation);
            }
            return;
        }
        self.watch_frame(activation);
        if !self.receiving {
            self.receive(activation);
        } else if self.inward.prefers_memory() {
            self.end_receive(activation);
        }
    }

    /// True if there is room for what is to come, whose beginning has come: else it is in line for that, which is not its peer's doing.
    pub(super) fn has_room(&mut self, activation: &Activation<'_>) -> bool {
        let (core, cell) = (activation.core, activation.cell());
        let pool = &core.pools.receive;
        if pool.assembly().is_ample() || self.inward.has_promise() || self.inward.lacks(pool) == 0 {
            return true;
        }
        // It has had all that it was promised, and does not go on with that while others wait for it to end.
        self.inward.forget_promise();
        let first = !core.is_anybody_in_line();
        // Where only such go on, the first in line waits for them alone: others would take their place again and again.
        if (first || pool.assembly().is_any_large()) && self.inward.want_little(pool) {
            return true;
        }
        self.inward.stand(core.now());
        if self.lines.has(Line::Room) {
            return false;
        }
        if first && self.inward.want_room(pool) != Promise::Later {
            return true;
        }
        self.lines.enter(Line::Room);
        core.wait_for_room(cell);
        false
    }

    /// It is the first in line for room, and there may be some. If it needs none, or finds enough, it is the turn of the next. One that is
    /// not read has lost its place.
    #[cold]
    #[inline(never)]
    pub(super) fn called_for_room(&mut self, activation: &Activation<'_>) {
        let (core, cell) = (activation.core, activation.cell());
        let pool = &core.pools.receive;
        let reads = (!self.paused || activation.has_body()) && self.is_heard();
        let wants = reads && self.inward.gathers() && !self.inward.has_promise();
        if wants && !self.inward.want_little(pool) && self.inward.want_room(pool) == Promise::Later {
            return core.stay_in_line(cell);
        }
        self.lines.leave(Line::Room);
        core.leave_line_for_room();
    }

    /// Nobody waits for the rest of the body.
    #[cold]
    #[inline(never)]
    pub(super) fn give_up_body(&mut self, activation: &Activation<'_>) {
        let Some(body) = self.inward.body_mut() else { return };
        body.give_up();
        if body.is_away() {
            self.end_receive(activation);
        }
    }
}
