//! Sends without a copy: which there are, and when the kernel has let go of their memory.
//!
//! Knows: pins, what the kernel reports. Must not know whose the bytes are.
//!
//! The kernel answers such a send twice, unless it says otherwise (`F_MORE`, also beside an error): with what it took, and
//! when it does not read the memory any more. Then it also says whether it has copied the bytes after all, as it does on the
//! way to this machine itself: there, a send without a copy costs more than one with it, and is not asked for again, neither
//! on this connection nor on those that its listener accepts from then on.

use super::handle::Handle;
use super::{Uring, UringConfig};
use crate::driver::{Completion, Pools, SendStep, SocketId};
use crate::mem::{Chain, Key};
use crate::sys::{Answer, Errno};

/// What there is to know of them.
#[derive(Debug)]
pub(super) struct ZeroCopy {
    /// So many bytes are worth it; no send has as many where the kernel cannot do without a copy.
    pub(super) bytes_min: u32,
    /// Whatever the bytes lie in, and whatever the kernel reports.
    pub(super) always: bool,
}

impl ZeroCopy {
    /// `able`: the kernel can.
    pub(super) fn new(config: &UringConfig, able: bool) -> ZeroCopy {
        let bytes_min = if able { config.zero_copy_min.max(1) } else { u32::MAX };
        ZeroCopy { bytes_min, always: config.zero_copy_always }
    }
}

impl Uring {
    /// True if a chain that is long enough for it goes out without a copy.
    #[inline(never)]
    pub(super) fn goes_without_copy(
        &self,
        pools: &Pools,
        id: SocketId,
        handle: &Handle,
        chain: &Chain,
    ) -> bool {
        !handle.copied
            && self.in_flight.may_pin(id)
            && (self.zero_copy.always || pools.send.owned_bytes(chain) >= self.zero_copy.bytes_min)
    }

    /// The answer to a send that says something else than how many bytes the kernel took and has done with.
    #[cold]
    pub(super) fn sent_otherwise(
        &mut self,
        pools: &Pools,
        key: Key,
        id: SocketId,
        answer: Answer,
        completions: &mut Vec<Completion>,
    ) {
        if answer.released() {
            return self.released(pools, key, id, answer, completions);
        }
        let handle = &mut self.in_flight.socket_mut(id).expect("a socket outlives its operations").handle;
        let pinned = answer.more();
        let zero_copy = std::mem::take(&mut handle.zero_copy);
        let result = match answer.outcome() {
            // While everything ends, a send that failed for now is not begun again. One that was short goes on, and is
            // cancelled in the next round.
            Err(_) if self.draining => Err(Errno::ECANCELED),
            // Without a copy it cannot be done here, or not now: the same bytes are copied.
            Err(Errno::ENOMEM | Errno::ENOBUFS | Errno::EOPNOTSUPP) if zero_copy => {
                handle.copied = true;
                Err(Errno::EAGAIN)
            }
            result => result,
        };
        let step = self.in_flight.advance_send(key, result, pinned, &pools.send);
        self.send_stepped(pools, key, id, step, completions);
    }

    /// What follows an answer to a send.
    #[inline]
    pub(super) fn send_stepped(
        &mut self,
        pools: &Pools,
        key: Key,
        id: SocketId,
        step: SendStep,
        completions: &mut Vec<Completion>,
    ) {
        match step {
            SendStep::Continue(told) => {
                completions.extend(told);
                self.issue(pools, key);
            }
            SendStep::Done(completion) => {
                let socket = self.in_flight.socket_mut(id).expect("a socket outlives its operations");
                self.gathers.extend(socket.handle.gather.take());
                completions.push(completion);
            }
        }
    }

    /// The kernel does not read the memory of a part of a send any more.
    pub(super) fn released(
        &mut self,
        pools: &Pools,
        key: Key,
        id: SocketId,
        answer: Answer,
        completions: &mut Vec<Completion>,
    ) {
        completions.extend(self.in_flight.unpin(key, &pools.send));
        if !answer.copied() {
            return;
        }
        self.counts.copied += 1;
        let handle = &mut self.in_flight.socket_mut(id).expect("a socket outlives its operations").handle;
        if !self.zero_copy.always {
            handle.copied = true;
            if let Some(route) = self.routes.get_mut(usize::from(handle.route)) {
                route.copied = true;
            }
        }
    }
}
