//! The one path for answers of the kernel.
//!
//! Knows: what an answer means for its operation. Must not know how entries reach the kernel.
//!
//! An answer is looked at in this order: does its operation exist (else it is stale: counted, its buffer given back; or opens a file
//! that a drain has given up, which is closed);
//! did it bring bytes; will there be more; then the result. A multishot that ended without having been asked to is armed
//! again here, and the runtime sees it go on.
//!
//! Invariants: 1. What an answer says of memory is true: it comes from the kernel, or from a test that has written there.
#![allow(unsafe_code)]

use super::files::close_late;
use super::handle::{Accepting, Ending, File, Handle};
use super::{Uring, room};
use crate::driver::{Completion, Event, Pools, ReceiveEnd, SocketId, Work};
use crate::mem::Key;
use crate::sys::{Answer, Errno};

/// An answer, with the operation that it answers, and on which socket or file that is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered {
    pub(super) key: Key,
    pub(super) id: SocketId,
    pub(super) answer: Answer,
}

impl Uring {
    #[inline]
    pub(super) fn complete(&mut self, pools: &Pools, answer: Answer, completions: &mut Vec<Completion>) {
        let key = Key::from_bits(answer.user_data);
        let Some(operation) = self.in_flight.operation(key) else {
            return self.stale(pools, answer);
        };
        let (token, id) = (operation.token, operation.socket);
        let answered = Answered { key, id, answer };
        match operation.work {
            Work::Receive => {
                if let Some(lease) = self.buffers.lease(&pools.receive, answer) {
                    if lease.is_empty() {
                        pools.receive.release(lease);
                    } else {
                        completions.push(Completion { token, event: Event::Received { lease } });
                    }
                }
                if !answer.more() {
                    self.receive_paused(pools, answered, completions);
                }
            }
            Work::Send { .. } => self.sent(pools, answered, completions),
            Work::Accept => self.accepted(pools, answered, completions),
            Work::Cancel => self.cancelled(pools, answered, completions),
            Work::Shutdown { both } => self.shut_down(answered, both, completions),
            // What is under way finds out by itself, as after a shutdown of both directions.
            Work::Reset => self.shut_down(answered, true, completions),
            Work::Close { .. } => self.closed(pools, answered, completions),
            Work::Connect => self.connected(answered, completions),
            Work::Fill { .. } => self.filled(pools, answered, completions),
            Work::File { .. } => self.file_done(pools, answered, completions),
            Work::Pinned { .. } if answer.released() => self.released(pools, answered, completions),
            Work::Pinned { .. } => self.stale(pools, answer),
            Work::Follow { first } => self.followed(pools, [key, first], answer, completions),
            Work::Wake => self.woken(pools, key),
        }
    }

    #[cold]
    fn stale(&mut self, pools: &Pools, answer: Answer) {
        if self.left_opens.remove(&Key::from_bits(answer.user_data)) {
            return close_late(answer);
        }
        self.counts.stale += 1;
        if let Some(lease) = self.buffers.lease(&pools.receive, answer) {
            pools.receive.release(lease);
        }
    }

    /// The kernel has stopped receiving: for good, for want of a buffer, or by the way.
    fn receive_paused(
        &mut self,
        pools: &Pools,
        Answered { key, id, answer }: Answered,
        completions: &mut Vec<Completion>,
    ) {
        let handle = &self.in_flight.socket(id).expect("a socket outlives its operations").handle;
        let cancelling = handle.cancelling || self.draining;
        let why = match answer.outcome() {
            Ok(0) => ReceiveEnd::EndOfStream,
            Err(Errno::ECANCELED) => ReceiveEnd::Cancelled,
            Err(Errno::ENOBUFS) if handle.ending == Ending::Finished => ReceiveEnd::EndOfStream,
            Ok(_) | Err(Errno::ENOBUFS | Errno::EINTR | Errno::EAGAIN) if cancelling => ReceiveEnd::Cancelled,
            Err(Errno::ENOBUFS) => {
                let token = self.in_flight.operation(key).expect("looked at before").token;
                completions.push(Completion { token, event: Event::Starving });
                return self.buffers.park(key);
            }
            Ok(_) | Err(Errno::EINTR | Errno::EAGAIN) => return self.issue(pools, key),
            Err(error) => ReceiveEnd::Failed(error),
        };
        completions.push(self.end_inward(key, Event::ReceiveEnded { why }));
    }

    fn accepted(
        &mut self,
        pools: &Pools,
        Answered { key, id, answer }: Answered,
        completions: &mut Vec<Completion>,
    ) {
        if let Ok(place) = answer.outcome() {
            self.take_in(key, id, place, completions);
        }
        let narrow = self.places_left() <= self.burst_max;
        let handle = &mut self.in_flight.socket_mut(id).expect("a socket outlives its operations").handle;
        if answer.more() {
            if narrow && handle.accepting == Accepting::All {
                handle.accepting = Accepting::Narrowing;
                self.outgoing.cancel(self.narrow, key);
            }
            return;
        }
        let cancelling = handle.cancelling || self.draining;
        let narrowed = handle.accepting == Accepting::Narrowing;
        let error = match answer.outcome() {
            Ok(_) | Err(Errno::ECONNABORTED | Errno::EINTR | Errno::EAGAIN) if !cancelling => {
                return self.issue(pools, key);
            }
            Err(Errno::ECANCELED) if narrowed && !cancelling => return self.issue(pools, key),
            Ok(_) => Errno::ECANCELED,
            Err(error) => error,
        };
        completions.push(self.end_inward(key, Event::AcceptEnded { error }));
    }

    /// Enters a new connection into the table.
    fn take_in(&mut self, key: Key, id: SocketId, place: u32, completions: &mut Vec<Completion>) {
        let token = self.in_flight.operation(key).expect("looked at before").token;
        let route = self.in_flight.socket(id).expect("a socket outlives its operations").handle.route;
        let copies = self.routes[usize::from(route)].way.next();
        match self.in_flight.insert(Handle { route, copies, ..Handle::new(File::Direct(place)) }) {
            Ok(socket) => completions.push(Completion { token, event: Event::Accepted { socket } }),
            // Two entries per place make this unreachable in practice; a connection too many is closed, not leaked.
            Err(_) => drop(self.outgoing.ring.clear_file(place)),
        }
    }

    fn sent(
        &mut self,
        pools: &Pools,
        Answered { key, id, answer }: Answered,
        completions: &mut Vec<Completion>,
    ) {
        if answer.flags != 0 || answer.result < 0 {
            return self.sent_otherwise(pools, Answered { key, id, answer }, completions);
        }
        let step = self.in_flight.advance_send(key, Ok(answer.result as u32), false, &pools.send);
        self.send_stepped(pools, key, id, step, completions);
    }

    /// A receive into owned memory has ended, or is begun again if nothing came of it.
    fn filled(
        &mut self,
        pools: &Pools,
        Answered { key, id, answer }: Answered,
        completions: &mut Vec<Completion>,
    ) {
        let handle = &self.in_flight.socket(id).expect("a socket outlives its operations").handle;
        let cancelling = handle.cancelling || self.draining;
        let mut outcome = answer.outcome();
        // SAFETY: so many bytes has the kernel written to the room that the entry named.
        unsafe { room::take_back(&mut self.in_flight.filling(key).buffer, outcome.unwrap_or(0)) };
        if let Err(Errno::EINTR | Errno::EAGAIN) = outcome {
            if !cancelling {
                return self.issue(pools, key);
            }
            outcome = Err(Errno::ECANCELED);
        }
        completions.push(self.in_flight.end_fill(key, outcome));
    }

    fn cancelled(
        &mut self,
        pools: &Pools,
        Answered { key, id, answer }: Answered,
        completions: &mut Vec<Completion>,
    ) {
        let socket = self.in_flight.socket(id).expect("a socket outlives its operations");
        if answer.outcome() == Err(Errno::EALREADY) && socket.inward().is_some() {
            // It was running at that moment, and may go on: ask again.
            return self.issue(pools, key);
        }
        let token = self.in_flight.end(key).token;
        completions.push(Completion { token, event: Event::Cancelled });
    }

    fn shut_down(
        &mut self,
        Answered { key, id, answer }: Answered,
        both: bool,
        completions: &mut Vec<Completion>,
    ) {
        let error = answer.outcome().err();
        let token = self.in_flight.end(key).token;
        completions.push(Completion { token, event: Event::ShutDown { error } });
        if !both {
            return;
        }
        let socket = self.in_flight.socket_mut(id).expect("a socket outlives its operations");
        if socket.handle.ending == Ending::No {
            socket.handle.ending = Ending::Finished;
        }
        // A parked receive is not known to the kernel, so the shutdown cannot have ended it.
        if let Some(receive) = socket.inward()
            && self.buffers.unpark(receive)
        {
            let why = error.map_or(ReceiveEnd::EndOfStream, ReceiveEnd::Failed);
            completions.push(self.end_inward(receive, Event::ReceiveEnded { why }));
        }
    }

    /// Answers to what goes before a close, and to the close proper.
    fn closed(
        &mut self,
        pools: &Pools,
        Answered { key, id, answer }: Answered,
        completions: &mut Vec<Completion>,
    ) {
        let socket = self.in_flight.socket_mut(id).expect("a socket outlives its operations");
        if matches!(socket.handle.ending, Ending::Resetting | Ending::Leaving) {
            // Whether that succeeded or not (the connection may have been gone before), what is left is to close.
            return self.issue(pools, key);
        }
        let (completion, handle) = self.in_flight.end_close(key);
        if !self.connects.is_empty() {
            self.connects.remove(&id);
        }
        self.closed_by_kernel(handle.file, answer.outcome());
        completions.push(completion);
    }

    fn woken(&mut self, pools: &Pools, key: Key) {
        if key == self.narrow {
            return;
        }
        self.counts.wakes += 1;
        if self.draining {
            self.in_flight.end(key);
            self.own_operations -= 1;
        } else {
            self.issue(pools, key);
        }
    }
}
