//! Sends without a copy: which there are, and when the kernel has let go of their memory.
//!
//! Knows: pins, what the kernel reports. Must not know whose the bytes are.
//!
//! The kernel answers such a send twice, unless it says otherwise (`F_MORE`, also beside an error): with what it took, and
//! when it does not read the memory any more. Then it also says whether it has copied the bytes after all, as it does on the
//! way to this machine itself: there, a send without a copy costs more than one with it, and is not asked for again on this
//! connection. Those that its listener accepts next probably take the same way, but need not: one listener may have peers on this
//! machine and on others. So they begin with what was heard last, and what they begin with is tried anew: after a number of
//! sends of each such connection, and by one in so many connections from the start. In the long run, that is what it costs to be wrong.

use super::complete::Answered;
use super::{Uring, UringConfig};
use crate::driver::{Completion, Pools, SendStep, SocketId};
use crate::mem::Key;
use crate::sys::Errno;

/// What there is to know of them.
#[derive(Debug)]
pub(super) struct ZeroCopy {
    /// So many bytes are worth it; no send has as many where the kernel cannot do without a copy.
    pub(super) bytes_min: u32,
    /// Whatever the bytes lie in, and whatever the kernel reports.
    pub(super) always: bool,
    /// Also from registered memory. Not before there was any.
    pub(super) registered: bool,
}

impl ZeroCopy {
    /// `able`: the kernel can.
    pub(super) fn new(config: &UringConfig, able: bool) -> ZeroCopy {
        let bytes_min = if able { config.zero_copy_min.max(1) } else { u32::MAX };
        ZeroCopy { bytes_min, always: config.zero_copy_always, registered: false }
    }
}

/// Connections that begin with what one of their listener's has heard, between two that do not.
const CONNECTIONS_PER_TRIAL: u8 = 16;
/// Sends of such a connection that are copied before one is tried without.
const SENDS_PER_TRIAL: u8 = 16;

/// Sends of a connection that are copied, although they are long enough to go without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Copies(u8);

impl Copies {
    /// None.
    pub(super) const NONE: Copies = Copies(0);
    /// The next ones. Then it is tried.
    pub(super) const SOME: Copies = Copies(SENDS_PER_TRIAL);
    /// All: the kernel has said of this connection that it copies.
    pub(super) const ALL: Copies = Copies(u8::MAX);

    /// True if this send is one of them.
    fn next(&mut self) -> bool {
        match *self {
            Copies::NONE => return false,
            Copies::ALL => {}
            Copies(left) => self.0 = left - 1,
        }
        true
    }
}

/// What is known of the way that the connections of a listener take.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// What was heard last is that the kernel copies.
    pub(super) copied: bool,
    /// Connections that begin with that, before one is accepted that does not.
    left: u8,
}

impl Way {
    /// What a connection begins with that has been accepted.
    pub(super) fn next(&mut self) -> Copies {
        if !self.copied {
            return Copies::NONE;
        }
        if self.left == 0 {
            self.left = CONNECTIONS_PER_TRIAL;
            return Copies::NONE;
        }
        self.left -= 1;
        Copies::SOME
    }

    /// The kernel has sent without a copy, or has copied after all.
    fn hear(&mut self, copied: bool) {
        if copied && !self.copied {
            self.left = CONNECTIONS_PER_TRIAL;
        }
        self.copied = copied;
    }
}

impl Uring {
    /// True if a chain that is long enough for it goes out without a copy.
    #[inline(never)]
    pub(super) fn goes_without_copy(&mut self, pools: &Pools, key: Key, id: SocketId) -> bool {
        let zero_copy = &self.zero_copy;
        let may_pin = self.in_flight.may_pin(id);
        let (handle, chain, _) = self.in_flight.sending(key);
        may_pin
            && (zero_copy.always || pools.send.owned_bytes(chain) >= zero_copy.bytes_min)
            && !handle.copies.next()
    }

    /// The answer to a send that says something else than how many bytes the kernel took and has done with.
    #[cold]
    pub(super) fn sent_otherwise(
        &mut self,
        pools: &Pools,
        Answered { key, id, answer }: Answered,
        completions: &mut Vec<Completion>,
    ) {
        if answer.released() {
            return self.released(pools, Answered { key, id, answer }, completions);
        }
        let handle = &mut self.in_flight.socket_mut(id).expect("a socket outlives its operations").handle;
        let pinned = answer.more();
        let zero_copy = std::mem::take(&mut handle.zero_copy);
        let result = match answer.outcome() {
            // While everything ends, a send that failed for now is not begun again. One that was short goes on, and is
            // cancelled in the next round.
            Err(_) if self.draining => Err(Errno::ECANCELED),
            // Without a copy it cannot be done here, or not now: the same bytes are copied.
            Err(error @ (Errno::ENOMEM | Errno::ENOBUFS | Errno::EOPNOTSUPP)) if zero_copy => {
                handle.copies = if error == Errno::EOPNOTSUPP { Copies::ALL } else { Copies::SOME };
                self.counts.copied += 1;
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
        Answered { key, id, answer }: Answered,
        completions: &mut Vec<Completion>,
    ) {
        completions.extend(self.in_flight.unpin(key, &pools.send));
        let copied = answer.copied();
        self.counts.copied += u64::from(copied);
        if self.zero_copy.always {
            return;
        }
        let handle = &mut self.in_flight.socket_mut(id).expect("a socket outlives its operations").handle;
        if copied {
            handle.copies = Copies::ALL;
        }
        if let Some(route) = self.routes.get_mut(usize::from(handle.route)) {
            route.way.hear(copied);
        }
    }
}
