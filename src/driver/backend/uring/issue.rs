//! Operations to queue entries: the one `match` that says how each is carried out.
//!
//! Knows: which entry stands for which work. Must not know when entries reach the kernel.
//!
//! Invariants:
//! 1. An operation owns its chain until `advance_send` says that it is done, which happens only in an answer of the kernel,
//!    and its socket owns the gather until then.
//! 2. The count of the wake event is boxed, and leaked with the backend if the read of it could not be ended.
#![allow(unsafe_code)]

use std::os::fd::AsRawFd;

use super::outgoing::Target;
use super::{Ending, File, Gather, Uring};
use crate::driver::{Completion, Event, Pools, ReceiveEnd, SocketId, Work};
use crate::mem::Key;
use crate::sys::Errno;

impl Uring {
    /// Sets a new operation going.
    pub(super) fn start(&mut self, pools: &Pools, key: Key) {
        let operation = self.in_flight.operation(key).expect("an operation that has just begun");
        if matches!(operation.work, Work::Accept | Work::Receive) {
            let id = operation.socket;
            let socket = self.in_flight.socket_mut(id).expect("a socket outlives its operations");
            socket.handle.cancelling = false;
        }
        self.issue(pools, key);
    }

    /// Queues what an operation needs next: at its start, when it goes on, or when it is armed again.
    pub(super) fn issue(&mut self, pools: &Pools, key: Key) {
        let operation = self.in_flight.operation(key).expect("only operations in flight are issued");
        let id = operation.socket;
        match operation.work {
            Work::Receive => {
                let target = self.target(id);
                self.outgoing.receive(key, target);
            }
            Work::Send { .. } => self.issue_send(pools, key, id),
            Work::Accept => self.issue_accept(key, id),
            Work::Cancel => self.issue_cancel(key, id),
            Work::Shutdown { both } => {
                let target = self.target(id);
                self.outgoing.shutdown(key, target, both);
            }
            Work::Reset => {
                let target = self.target(id);
                self.outgoing.disconnect(key, target);
            }
            Work::Close { reset } => self.issue_close(key, id, reset),
            Work::Connect | Work::Fill { .. } | Work::File { .. } => {
                let refused = self.in_flight.refuse(key, Errno::ENOSYS);
                self.instant.push(refused);
            }
            Work::Pinned { .. } => unreachable!("it has been answered for"),
            Work::Wake => {
                debug_assert!(key != self.narrow, "it stands for nothing by itself");
                let target = Target::Descriptor(self.event.as_raw_fd());
                // SAFETY: only the kernel uses the count, which lives as long as the read (invariant 2).
                unsafe { self.outgoing.read_count(key, target, &raw mut *self.event_count) };
            }
        }
    }

    fn target(&self, id: SocketId) -> Target {
        match &self.in_flight.socket(id).expect("a socket outlives its operations").handle.file {
            File::Direct(place) => Target::Direct(*place),
            File::Listener(listener, _) => Target::Descriptor(listener.as_raw_fd()),
        }
    }

    /// An accept that takes whatever comes, where that cannot be too much; else of one connection, or of none.
    fn issue_accept(&mut self, key: Key, id: SocketId) {
        let target = self.target(id);
        let socket = self.in_flight.socket_mut(id).expect("a socket outlives its operations");
        socket.handle.narrowing = false;
        match self.places_left() {
            0 => {
                let completion = self.end_inward(key, Event::AcceptEnded { error: Errno::ENFILE });
                self.instant.push(completion);
            }
            few if few <= self.burst_max => self.outgoing.accept_one(key, target),
            _ => self.outgoing.accept(key, target),
        }
    }

    /// Sockets that there may be beside those that there are.
    pub(super) fn places_left(&self) -> usize {
        self.sockets_max.saturating_sub(self.in_flight.sockets())
    }

    /// The rest of a chain, as one send: of its bytes where they are one part, else of a message of several.
    fn issue_send(&mut self, pools: &Pools, key: Key, id: SocketId) {
        let target = self.target(id);
        let operation = self.in_flight.operation(key).expect("only operations in flight are issued");
        let Work::Send { chain, sent, .. } = &operation.work else { unreachable!("the caller looked") };
        pools.send.hand_over(chain);
        let mut parts = pools.send.segments(chain, *sent);
        let first: *const [u8] = parts.next().unwrap_or(&[]);
        if parts.next().is_none() {
            // SAFETY: the part belongs to the operation's chain (invariant 1).
            return unsafe { self.outgoing.send(key, target, first) };
        }
        drop(parts);
        let mut gather = self.gathers.pop().unwrap_or_else(|| Box::new(Gather::new()));
        let message = gather.name(pools.send.segments(chain, *sent));
        let socket = self.in_flight.socket_mut(id).expect("a socket outlives its operations");
        // That of the part sent before, if any: the kernel has answered it.
        self.gathers.extend(socket.handle.gather.replace(gather));
        // SAFETY: the parts belong to the operation's chain, and the gather to its socket (invariant 1).
        unsafe { self.outgoing.send_message(key, target, message) };
    }

    /// Cancels what is under way inward; answers by itself where the kernel has nothing to cancel.
    fn issue_cancel(&mut self, key: Key, id: SocketId) {
        let socket = self.in_flight.socket_mut(id).expect("a socket outlives its operations");
        socket.handle.cancelling = true;
        let inward = socket.inward();
        match inward {
            Some(target) if !self.buffers.unpark(target) => return self.outgoing.cancel(key, target),
            Some(parked) => {
                let why = ReceiveEnd::Cancelled;
                let completion = self.end_inward(parked, Event::ReceiveEnded { why });
                self.instant.push(completion);
            }
            None => {}
        }
        let token = self.in_flight.end(key).token;
        self.instant.push(Completion { token, event: Event::Cancelled });
    }

    /// Resets the connection first, if asked to; then closes.
    fn issue_close(&mut self, key: Key, id: SocketId, reset: bool) {
        let socket = self.in_flight.socket_mut(id).expect("a socket outlives its operations");
        match (&socket.handle.file, socket.handle.ending) {
            (File::Direct(place), Ending::No) if reset => {
                let target = Target::Direct(*place);
                socket.handle.ending = Ending::Resetting;
                self.outgoing.disconnect(key, target);
            }
            (File::Direct(place), _) => {
                let place = *place;
                socket.handle.ending = Ending::Closing;
                self.outgoing.close(key, place);
            }
            (File::Listener(_, backlog), _) => {
                self.burst_max -= *backlog as usize;
                // A descriptor of the process: dropping it closes it, at once.
                let (completion, _listener) = self.in_flight.end_close(key);
                self.instant.push(completion);
            }
        }
    }

    /// Ends an accept or a receive.
    pub(super) fn end_inward(&mut self, key: Key, event: Event) -> Completion {
        Completion { token: self.in_flight.end(key).token, event }
    }

    /// Arms parked receives, as many as there are buffers.
    pub(super) fn rearm_parked(&mut self, pools: &Pools) {
        for _ in 0..self.buffers.rearm_count() {
            let Some(key) = self.buffers.next_parked() else { break };
            self.issue(pools, key);
        }
    }
}
