//! One pass over the sockets on which something can be tried.
//!
//! Knows: whose turn it is, for how much, and who waits for buffers. Must not know how readiness is learned.

use super::Mio;
use crate::driver::{Completion, Event, Pools, ReceiveEnd, SendStep, SocketId, Token, Work};
use crate::mem::Key;
use crate::sys::Errno;

/// Calls on one socket in one pass, for each direction.
pub(super) const BURST: usize = 4;
/// Connections accepted from one listener in one pass: each is cheap, and many tend to come at once.
const ACCEPT_BURST: usize = 32;

impl Mio {
    /// Goes on with every op that may get further: each socket gets one burst.
    pub(super) fn carry_on(&mut self, pools: &Pools, completions: &mut Vec<Completion>) {
        self.collect_jobs(pools, completions);
        self.feed_starving(pools, completions);
        for _ in 0..self.ready.len() {
            let Some(id) = self.ready.pop_front() else { break };
            // A socket may have been closed while it stood in line.
            let Some(socket) = self.table.socket_mut(id) else { continue };
            socket.handle.queued = false;
            let (outward, inward, connecting) = (socket.outward(), socket.inward(), socket.handle.connecting);
            // What is sent goes first, but on a connection.
            if let Some(key) = inward.filter(|_| connecting) {
                self.carry_on_inward(pools, id, key, completions);
            }
            if let Some(key) = outward {
                self.send(pools, key, completions);
            }
            if let Some(key) = inward.filter(|_| !connecting) {
                self.carry_on_inward(pools, id, key, completions);
            }
            self.look_at(id);
        }
    }

    fn carry_on_inward(&mut self, pools: &Pools, id: SocketId, key: Key, completions: &mut Vec<Completion>) {
        if !self.table.socket(id).is_some_and(|socket| socket.handle.may_go_inward()) {
            return;
        }
        match self.table.operation(key).map(|operation| &operation.work) {
            Some(Work::Connect) => self.carry_on_connect(id, key, completions),
            Some(Work::Accept) => self.accept(id, key, completions),
            // It has memory of its own, and is one call: less than a burst.
            Some(Work::Fill { .. }) => self.fill(id, key, completions),
            _ if self.starving.is_empty() => self.receive(pools, id, key, BURST, completions),
            // Others have waited for longer.
            _ => self.starve(id, key, completions),
        }
    }

    /// Serves those who wait for buffers, in order, as far as the buffers go.
    fn feed_starving(&mut self, pools: &Pools, completions: &mut Vec<Completion>) {
        for _ in 0..self.starving.len() {
            if !self.has_buffer(pools) {
                break;
            }
            let Some(id) = self.starving.pop_front() else { break };
            let Some(socket) = self.table.socket_mut(id) else { continue };
            socket.handle.starving = false;
            if let Some(key) = socket.inward() {
                self.receive(pools, id, key, 1, completions);
            }
            self.look_at(id);
        }
    }

    fn starve(&mut self, id: SocketId, key: Key, completions: &mut Vec<Completion>) {
        completions.push(Completion { token: self.token(key), event: Event::Starving });
        let socket = self.table.socket_mut(id).expect("a socket outlives its operations");
        socket.handle.starving = true;
        self.starving.push_back(id);
    }

    /// Takes a socket out of the line for buffers.
    pub(super) fn stop_starving(&mut self, id: SocketId) {
        let socket = self.table.socket_mut(id).expect("a socket outlives its operations");
        if std::mem::take(&mut socket.handle.starving) {
            self.starving.retain(|other| *other != id);
        }
    }

    /// True if a receive that is tried now will find a buffer.
    pub(super) fn has_buffer(&self, pools: &Pools) -> bool {
        self.filling.is_some() || pools.receive.has_free()
    }

    fn send(&mut self, pools: &Pools, key: Key, completions: &mut Vec<Completion>) {
        for _ in 0..BURST {
            let (source, chain, sent) = self.table.sending(key);
            if !source.may_send() {
                return;
            }
            let result = source.send(&pools.send, chain, sent);
            // No call takes four gibibytes: a chain is shorter.
            let result = result.map(|bytes| bytes as u32).map_err(|error| Errno::of(&error));
            match self.table.advance_send(key, result, false, &pools.send) {
                SendStep::Continue(told) => completions.extend(told),
                SendStep::Done(completion) => return completions.push(completion),
            }
        }
    }

    fn receive(
        &mut self,
        pools: &Pools,
        id: SocketId,
        key: Key,
        burst: usize,
        completions: &mut Vec<Completion>,
    ) {
        for _ in 0..burst {
            let Some(buffer) = self.filling.take().or_else(|| pools.receive.take_free()) else {
                self.buffer_shortages += 1;
                return self.starve(id, key, completions);
            };
            let socket = self.table.socket_mut(id).expect("a socket outlives its operations");
            let result = socket.handle.receive(&pools.receive, buffer);
            let readable = socket.handle.readable;
            self.filling = (!pools.receive.is_full(buffer)).then_some(buffer);
            match result {
                Ok(Some(lease)) => {
                    let token = self.token(key);
                    completions.push(Completion { token, event: Event::Received { lease } });
                }
                Ok(None) => return self.end_receive(key, ReceiveEnd::EndOfStream, completions),
                Err(error) => match Errno::of(&error) {
                    Errno::EAGAIN | Errno::EINTR => {}
                    error => return self.end_receive(key, ReceiveEnd::Failed(error), completions),
                },
            }
            if !readable {
                return;
            }
        }
    }

    fn fill(&mut self, id: SocketId, key: Key, completions: &mut Vec<Completion>) {
        let fill = self.table.filling(key);
        let (mut buffer, max) = (std::mem::take(&mut fill.buffer), fill.max);
        let socket = self.table.socket_mut(id).expect("a socket outlives its operations");
        let result = socket.handle.fill(&mut buffer, max);
        self.table.filling(key).buffer = buffer;
        let outcome = match result.map_err(|error| Errno::of(&error)) {
            Err(Errno::EAGAIN | Errno::EINTR) => return,
            // No call takes four gibibytes.
            result => result.map(|bytes| bytes as u32),
        };
        completions.push(self.table.end_fill(key, outcome));
    }

    fn end_receive(&mut self, key: Key, why: ReceiveEnd, completions: &mut Vec<Completion>) {
        let token = self.table.end(key).token;
        completions.push(Completion { token, event: Event::ReceiveEnded { why } });
    }

    fn accept(&mut self, id: SocketId, key: Key, completions: &mut Vec<Completion>) {
        for _ in 0..ACCEPT_BURST {
            // Looked at before the call: who is not accepted stays in the backlog.
            let accepted = if self.table.sockets() < self.sockets_max {
                let listener = self.table.socket_mut(id).expect("a socket outlives its operations");
                listener.handle.accept()
            } else {
                Err(Errno::ENFILE.into())
            };
            let error = match accepted.and_then(|source| self.admit(source)) {
                Ok(socket) => {
                    let token = self.token(key);
                    completions.push(Completion { token, event: Event::Accepted { socket } });
                    continue;
                }
                Err(error) => Errno::of(&error),
            };
            if error == Errno::EAGAIN {
                return;
            }
            if !concerns_one_connection(error) {
                let token = self.table.end(key).token;
                completions.push(Completion { token, event: Event::AcceptEnded { error } });
                return;
            }
        }
    }

    fn token(&self, key: Key) -> Token {
        self.table.operation(key).expect("an operation in flight").token
    }
}

/// True for errors of a connection that failed before it was accepted: the next one may well succeed. `accept(2)` names
/// them; the others concern the listener or the process.
fn concerns_one_connection(error: Errno) -> bool {
    matches!(error, Errno::ECONNABORTED | Errno::EINTR)
        || matches!(
            error.0,
            libc::EPROTO | libc::ENETDOWN | libc::ENETUNREACH | libc::EHOSTDOWN | libc::EHOSTUNREACH
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_one_connection_keeps_no_listener_from_the_next() {
        for errno in [libc::ECONNABORTED, libc::EINTR, libc::EPROTO, libc::ENETDOWN, libc::EHOSTUNREACH] {
            assert!(concerns_one_connection(Errno(errno)), "{errno}");
        }
        // A want of something, or a socket that does not listen: to try at once would go round for ever.
        for errno in [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOBUFS, libc::EINVAL, libc::EBADF] {
            assert!(!concerns_one_connection(Errno(errno)), "{errno}");
        }
    }
}
