//! Operations to queue entries: the one `match` that says how each is carried out.
//!
//! Knows: which entry stands for which work. Must not know when entries reach the kernel.
//!
//! Invariants:
//! 1. An operation owns its chain until `advance_send` says that it is done or `unpin` that it is released, which happens only in an
//!    answer of the kernel, and its socket owns the gather until the former.
//! 2. The count of the wake event is boxed, and leaked with the backend if the read of it could not be ended.
//! 3. An operation owns the buffer that it fills until `end_fill`, which happens only in an answer of the kernel.
//! 4. The address of a socket that is connected, and its descriptor while the table takes it in, are boxed, and kept until that has been answered
//!    or the socket is closed.
#![allow(unsafe_code)]

use std::os::fd::AsRawFd;

use super::connect::Connecting;
use super::handle::{Accepting, Ending, File};
use super::outgoing::Target;
use super::{Gather, Uring, room};
use crate::driver::{Completion, Event, Pools, ReceiveEnd, SocketId, Work};
use crate::mem::Key;
use crate::sys::Errno;

impl Uring {
    /// Sets a new operation going.
    pub(super) fn start(&mut self, pools: &Pools, key: Key) {
        let operation = self.in_flight.operation(key).expect("an operation that has just begun");
        let (token, id) = (operation.token, operation.socket);
        let receives = matches!(operation.work, Work::Receive);
        if receives || matches!(operation.work, Work::Accept | Work::Connect | Work::Fill { .. }) {
            let socket = self.in_flight.socket_mut(id).expect("a socket outlives its operations");
            socket.handle.cancelling = false;
        }
        if receives && self.buffers.any_parked() {
            // Others have waited for longer, and would find nothing behind it.
            self.instant.push(Completion { token, event: Event::Starving });
            return self.buffers.park_behind(key);
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
            Work::Connect => self.issue_connect(key, id),
            Work::Fill { .. } => {
                let target = self.target(id);
                let fill = self.in_flight.filling(key);
                let room = room::lend_room(&mut fill.buffer, fill.max);
                // SAFETY: the operation owns the buffer (invariant 3).
                unsafe { self.outgoing.fill(key, target, room) };
            }
            Work::File { .. } => self.issue_file(pools, key, id),
            Work::Pinned { .. } => unreachable!("it has been answered for"),
            Work::Follow { .. } => unreachable!("it leaves with the one before it"),
            Work::Wake => {
                debug_assert!(key != self.narrow, "it stands for nothing by itself");
                let target = Target::Descriptor(self.event.as_raw_fd());
                // SAFETY: only the kernel uses the count, which lives as long as the read (invariant 2).
                unsafe { self.outgoing.read_count(key, target, &raw mut *self.event_count) };
            }
        }
    }

    fn target(&self, id: SocketId) -> Target {
        self.in_flight.socket(id).expect("a socket outlives its operations").handle.file.target()
    }

    pub(super) fn issue_connect(&mut self, key: Key, id: SocketId) {
        let target = self.target(id);
        match self.connects.get_mut(&id) {
            // SAFETY: the address does not move before the answer (invariant 4).
            Some(Connecting::To(address)) => unsafe { self.outgoing.connect(key, target, address) },
            // SAFETY: nor does the descriptor (invariant 4).
            Some(Connecting::Entering(descriptor)) => unsafe { self.outgoing.enter_table(key, descriptor) },
            Some(Connecting::Entered { .. }) | None => {
                // It was connected before, or tried to, or came by an accept.
                let refused = self.in_flight.refuse(key, Errno::EISCONN);
                self.instant.push(refused);
            }
        }
    }

    /// An accept that takes whatever comes, where that cannot be too much; else of one connection, or of none.
    fn issue_accept(&mut self, key: Key, id: SocketId) {
        let target = self.target(id);
        let left = self.places_left();
        let socket = self.in_flight.socket_mut(id).expect("a socket outlives its operations");
        socket.handle.accepting = if left > self.burst_max { Accepting::All } else { Accepting::One };
        match left {
            0 => {
                let completion = self.end_inward(key, Event::AcceptEnded { error: Errno::ENFILE });
                self.instant.push(completion);
            }
            few if few <= self.burst_max => self.outgoing.accept_one(key, target),
            _ => self.outgoing.accept(key, target),
        }
    }

    /// Sockets and files that there may be beside those that there are, or are being opened.
    pub(super) fn places_left(&self) -> usize {
        self.sockets_max.saturating_sub(self.in_flight.sockets() + self.opening)
    }

    /// The rest of a chain, as one send: of its bytes where they are one part, else of a message of several.
    fn issue_send(&mut self, pools: &Pools, key: Key, id: SocketId) {
        let target = self.target(id);
        let operation = self.in_flight.operation(key).expect("only operations in flight are issued");
        let Work::Send { chain, sent, .. } = &operation.work else { unreachable!("the caller looked") };
        pools.send.hand_over(chain);
        let is_long = chain.bytes() - *sent >= self.zero_copy.bytes_min;
        let mut parts = pools.send.segments(chain, *sent);
        let first: *const [u8] = parts.next().unwrap_or(&[]);
        let is_one = parts.next().is_none();
        drop(parts);
        if is_long && self.goes_without_copy(pools, key, id) {
            return self.issue_zero_copy(pools, key, id);
        }
        if is_one {
            // SAFETY: the part belongs to the operation's chain (invariant 1).
            return unsafe { self.outgoing.send(key, target, first) };
        }
        let message = self.gather(pools, key);
        // SAFETY: the parts belong to the operation's chain, and the gather to its socket (invariant 1).
        unsafe { self.outgoing.send_message(key, target, message) };
    }

    /// Names the rest of a chain, in a gather that its socket keeps.
    #[inline]
    fn gather(&mut self, pools: &Pools, key: Key) -> *const libc::msghdr {
        let (handle, chain, sent) = self.in_flight.sending(key);
        // That of the part sent before, if any, is used again: the kernel has answered it.
        let kept = handle.gather.take().or_else(|| self.gathers.pop());
        let mut gather = kept.unwrap_or_else(|| Box::new(Gather::new()));
        let message = gather.name(pools.send.segments(chain, sent));
        handle.gather = Some(gather);
        message
    }

    /// As a message also where it is one part: there is one way to send without a copy, but for registered memory, which takes the
    /// kernel less, and which it takes as a message only where all of it is.
    #[cold]
    fn issue_zero_copy(&mut self, pools: &Pools, key: Key, id: SocketId) {
        let target = self.target(id);
        self.counts.zero_copy += 1;
        let (handle, chain, sent) = self.in_flight.sending(key);
        handle.zero_copy = true;
        let mut parts = pools.send.segments(chain, sent);
        let first: *const [u8] = parts.next().unwrap_or(&[]);
        let is_one = parts.next().is_none();
        drop(parts);
        if is_one
            && self.zero_copy.registered
            && let Some(place) = self.in_flight.regions.place_of(first)
        {
            self.counts.registered_sends += 1;
            // SAFETY: the part belongs to the operation's chain until it is released (invariant 1).
            return unsafe { self.outgoing.send_registered(key, target, first, place) };
        }
        let message = self.gather(pools, key);
        // SAFETY: the parts belong to the operation's chain until they are released, and the gather to its socket (invariant 1).
        unsafe { self.outgoing.send_message_zero_copy(key, target, message) };
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

    /// Resets the connection first, if asked to; then closes. Where the kernel keeps what is closed, the peer would not see the end until
    /// the kernel lets go of it: there it is told first, unless everything ends.
    fn issue_close(&mut self, key: Key, id: SocketId, reset: bool) {
        let socket = self.in_flight.socket_mut(id).expect("a socket outlives its operations");
        let target = socket.handle.file.target();
        match (&socket.handle.file, socket.handle.ending) {
            (File::Listener(_), _) => {
                let route = &mut self.routes[usize::from(socket.handle.route)];
                route.listener = None;
                self.burst_max -= route.backlog as usize;
                // A descriptor of the process: dropping it closes it, at once.
                let (completion, _listener) = self.in_flight.end_close(key);
                self.instant.push(completion);
            }
            (_, Ending::No | Ending::Finished) if reset => {
                socket.handle.ending = Ending::Resetting;
                self.outgoing.disconnect(key, target);
            }
            (File::Direct(_), Ending::No) if self.keeps_closed && !self.draining => {
                socket.handle.ending = Ending::Leaving;
                self.outgoing.shutdown(key, target, true);
            }
            _ => {
                socket.handle.ending = Ending::Closing;
                self.outgoing.close(key, target);
            }
        }
    }

    /// Ends a connect, an accept or a receive.
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
