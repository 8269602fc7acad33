//! The end: nothing stays in flight, or what does is leaked and counted.
//!
//! Knows: the order of teardown. Must not know why it ends.
//!
//! Cancel everything, reset what the kernel still reads from, reap last completions, leave requests about files to the kernel that a
//! disk does not end in time, close every socket and file, take the buffers away from the kernel. The ring itself is closed when
//! the backend is dropped. Closing it first would not wait for what is in flight.

use std::time::Duration;

use super::Uring;
use super::handle::Ending;
use crate::driver::{Backend, Completion, Event, FileWork, Left, Op, Pools, Token, Wait};
use crate::sys::Time;

/// How long to wait at a time, so that what began meanwhile is cancelled too.
const ROUND: Duration = Duration::from_millis(10);
/// How long closes may take at least: they wait for nobody.
const CLOSING: Duration = Duration::from_millis(100);

impl Uring {
    pub(super) fn drain_all(&mut self, pools: &Pools, patience: Duration) -> Left {
        if self.drained {
            return Left::default();
        }
        let until = self.now().after(patience);
        self.draining = true;
        let mut answers = Vec::new();
        self.give_up_dismissals();
        self.end_everything(pools, until, 0, &mut answers);
        if self.in_flight.operation(self.narrow).is_some() {
            // Nothing stands behind it.
            self.in_flight.end(self.narrow);
            self.own_operations -= 1;
        }
        let mut left = self.leave_requests();
        // What has not ended by now does not keep the others from being closed.
        let late = self.in_flight.operations();
        self.close_everything(pools);
        self.end_everything(pools, until.max(self.now().after(CLOSING)), late, &mut answers);
        left.operations = self.in_flight.operations();
        let forgotten = self.outgoing.ring.unregister_buffers(super::outgoing::BUFFER_GROUP).is_ok();
        // While anything else is in flight than requests that were left, it may name any region. Those may, too, but what each names is a
        // block that was leaked with it (invariant 1 of `regions.rs`).
        let forgotten = forgotten && left.operations == 0 && self.take_regions_back();
        if left.operations == 0 && forgotten {
            self.buffers.end(&pools.receive);
            self.drained = true;
        }
        // Memory that could not be taken away from the kernel is leaked like an operation that did not end.
        left.operations = left.operations.max(usize::from(!forgotten));
        left
    }

    /// Lets go of requests about files that have not ended: what hangs there is a disk, and no reason to leak a core. Their memory is
    /// left to the kernel, and so are the pools where it is a part of those.
    pub(super) fn leave_requests(&mut self) -> Left {
        let mut left = Left::default();
        for (key, request, closed) in self.in_flight.leave_files() {
            left.note(&request);
            if let FileWork::Open { .. } = request.work {
                self.left_opens.insert(key);
            }
            self.keeps_pools |= matches!(request.work, FileWork::Load { .. } | FileWork::Store { .. });
            // The kernel closes the descriptor, sooner or later.
            std::mem::forget((request, closed));
        }
        std::mem::forget(std::mem::take(&mut self.notes));
        self.own_operations -= self.in_flight.leave_follows();
        self.pairs.clear();
        left
    }

    /// Cancels, and takes last completions, until no more than `late` operations are in flight or the time is over. Once at least: what
    /// needs no time to end does so, however late it is.
    fn end_everything(&mut self, pools: &Pools, until: Time, late: usize, answers: &mut Vec<Completion>) {
        for round in 0.. {
            self.end_parked(answers);
            self.reset_pinned(pools);
            self.turn(pools, Wait::No, answers);
            let now = self.now();
            let nothing = usize::from(self.in_flight.operation(self.narrow).is_some());
            if self.in_flight.operations() <= nothing + late || (round > 0 && now > until) {
                return;
            }
            // An error means that there was nothing to cancel, or that not all of it has ended yet: looked at above.
            let _ = self.outgoing.ring.cancel_all(ROUND);
            self.turn(pools, Wait::Until(now.after(ROUND).min(until)), answers);
        }
    }

    fn close_everything(&mut self, pools: &Pools) {
        for socket in self.in_flight.socket_ids() {
            let in_use = self.in_flight.socket(socket).is_none_or(|socket| socket.operations > 0);
            if !in_use {
                self.submit(pools, Token(u64::MAX), Op::Close { socket, reset: false });
            }
        }
    }

    /// The kernel reads what a peer has not taken for as long as that may come, unless the connection is reset.
    fn reset_pinned(&mut self, pools: &Pools) {
        if self.in_flight.pinned() == 0 {
            return;
        }
        for socket in self.in_flight.socket_ids() {
            if let Some(found) = self.in_flight.socket_mut(socket)
                && found.is_pinned()
                && found.handle.ending != Ending::Resetting
            {
                found.handle.ending = Ending::Resetting;
                self.submit(pools, Token(u64::MAX), Op::Reset { socket });
            }
        }
    }

    fn end_parked(&mut self, answers: &mut Vec<Completion>) {
        while let Some(key) = self.buffers.next_parked() {
            let why = crate::driver::ReceiveEnd::Cancelled;
            answers.push(self.end_inward(key, Event::ReceiveEnded { why }));
        }
    }

    /// Enters once, and lets go of what came: nobody is there any more to be told.
    fn turn(&mut self, pools: &Pools, wait: Wait, answers: &mut Vec<Completion>) {
        self.enter(pools, wait, answers);
        for completion in answers.drain(..) {
            completion.event.release(pools);
        }
    }
}
