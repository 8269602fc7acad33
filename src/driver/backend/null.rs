//! The backend that does nothing: every op completes at once. For measuring what the runtime itself costs per message.
//!
//! Knows: a load of connections that ask again as soon as they were answered. Must not know a socket, a clock, a fault.
//!
//! Nobody connects, receives into memory of its own or works with files here: all of that answers `EOPNOTSUPP`.
//!
//! Its time is virtual: it moves on by a microsecond with each `enter`, and jumps when there is nothing to do.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Backend, Wait};
use crate::driver::{
    Completion, ConnectOptions, DriverLedger, Event, InFlight, Left, ListenSocket, ListenSource, Op, Pools,
    ReceiveEnd, SendStep, SocketId, Token, Waker, Work,
};
use crate::mem::{Key, Lease};
use crate::sys::{Errno, Time};

/// What comes in.
#[derive(Debug, Clone)]
pub struct NullLoad {
    /// Connections that are there to be accepted, once a listener was adopted.
    pub connections: u32,
    /// What each of them sends. Must fit a receive buffer.
    pub request: Vec<u8>,
    /// Bytes of an answer. When so many were sent on a connection, its next request is there.
    pub answer_len: u32,
    /// Requests of all connections together. After the last one was answered, every connection ends its stream.
    pub requests: u64,
}

/// The backend that does nothing.
#[derive(Debug)]
pub struct Null {
    load: NullLoad,
    sockets_max: u32,
    table: InFlight<Answered>,
    accepting: Option<Key>,
    /// Receives whose next request is there.
    due: Vec<Key>,
    completions: Vec<Completion>,
    filling: Option<u16>,
    enters: u64,
    buffer_shortages: u64,
    now: Time,
}

/// Bytes of the current answer that were sent already; `u32::MAX` while no answer is owed.
type Answered = u32;

/// Nothing was asked yet, or what was asked is answered.
const NOTHING_OWED: Answered = u32::MAX;

impl Null {
    /// A backend with this load and room for so many sockets.
    #[must_use]
    pub fn new(load: NullLoad, sockets: u32) -> Null {
        Null {
            load,
            sockets_max: sockets,
            table: InFlight::new(sockets),
            accepting: None,
            due: Vec::new(),
            completions: Vec::new(),
            filling: None,
            enters: 0,
            buffer_shortages: 0,
            now: Time::ZERO,
        }
    }

    /// Requests that have not come in yet.
    #[must_use]
    pub fn requests_left(&self) -> u64 {
        self.load.requests
    }

    fn begin_inward(&mut self, key: Key, accept: bool, socket: SocketId) {
        if accept {
            self.accepting = Some(key);
        } else if self.table.socket(socket).is_some_and(|socket| socket.handle == NOTHING_OWED) {
            self.due.push(key);
        }
    }

    fn send(&mut self, pools: &Pools, key: Key, socket: SocketId, bytes: u32) {
        if let SendStep::Done(completion) = self.table.advance_send(key, Ok(bytes), false, &pools.send) {
            self.completions.push(completion);
        }
        let socket = self.table.socket_mut(socket).expect("a socket outlives its operations");
        if socket.handle == NOTHING_OWED {
            return;
        }
        socket.handle = socket.handle.saturating_add(bytes);
        if socket.handle >= self.load.answer_len {
            socket.handle = NOTHING_OWED;
            self.due.extend(socket.inward());
        }
    }

    fn cancel(&mut self, socket: SocketId) {
        let Some(key) = self.table.socket(socket).and_then(|socket| socket.inward()) else { return };
        let operation = self.table.end(key);
        let event = if matches!(operation.work, Work::Accept) {
            self.accepting = None;
            Event::AcceptEnded { error: Errno::ECANCELED }
        } else {
            self.due.retain(|due| *due != key);
            Event::ReceiveEnded { why: ReceiveEnd::Cancelled }
        };
        self.completions.push(Completion { token: operation.token, event });
    }

    fn accept(&mut self) {
        let Some(key) = self.accepting else { return };
        let token = self.table.operation(key).expect("an accept under way is in the table").token;
        while self.load.connections > 0 && self.table.sockets() < self.sockets_max as usize {
            self.load.connections -= 1;
            let socket = self.table.insert(NOTHING_OWED).expect("there was room for a socket");
            self.completions.push(Completion { token, event: Event::Accepted { socket } });
        }
    }

    /// Delivers the requests that are due, as long as there are buffers.
    fn receive(&mut self, pools: &Pools) {
        let mut due = std::mem::take(&mut self.due);
        let mut delivered = 0;
        for &key in &due {
            let operation = self.table.operation(key).expect("a receive that is due is in the table");
            let (token, socket) = (operation.token, operation.socket);
            if self.load.requests == 0 {
                self.table.end(key);
                let event = Event::ReceiveEnded { why: ReceiveEnd::EndOfStream };
                self.completions.push(Completion { token, event });
            } else {
                let Some(lease) = self.fill(pools) else {
                    self.buffer_shortages += 1;
                    break;
                };
                self.load.requests -= 1;
                self.table.socket_mut(socket).expect("a socket outlives its operations").handle = 0;
                self.completions.push(Completion { token, event: Event::Received { lease } });
            }
            delivered += 1;
        }
        due.drain(..delivered);
        self.due = due;
    }

    fn fill(&mut self, pools: &Pools) -> Option<Lease> {
        let request = &self.load.request;
        loop {
            let buffer = self.filling.or_else(|| pools.receive.take_free())?;
            let lease = pools.receive.fill(buffer, |space| match space.get_mut(..request.len()) {
                Some(space) => {
                    space.copy_from_slice(request);
                    Ok(request.len())
                }
                None => Ok(0),
            });
            self.filling = (!pools.receive.is_full(buffer)).then_some(buffer);
            if let Some(lease) = lease.expect("copying does not fail") {
                return Some(lease);
            }
            // No room for a whole request is left in this buffer.
            assert!(request.len() <= pools.receive.size() as usize, "a request fits a receive buffer");
            pools.receive.give_back(buffer);
            self.filling = None;
        }
    }
}

impl Backend for Null {
    const NAME: &'static str = "null";

    fn submit(&mut self, pools: &Pools, token: Token, op: Op) {
        let key = match self.table.begin(token, op, &pools.send) {
            Ok(key) => key,
            Err(refused) => return self.completions.push(refused),
        };
        let operation = self.table.operation(key).expect("it was entered just now");
        let socket = operation.socket;
        let event = match &operation.work {
            Work::Accept => return self.begin_inward(key, true, socket),
            Work::Receive => return self.begin_inward(key, false, socket),
            Work::Send { chain, .. } => {
                let bytes = chain.bytes();
                return self.send(pools, key, socket, bytes);
            }
            Work::Cancel => {
                self.cancel(socket);
                Event::Cancelled
            }
            Work::Shutdown { .. } | Work::Reset => Event::ShutDown { error: None },
            Work::Close { .. } => return self.completions.push(self.table.end_close(key).0),
            Work::Connect | Work::Fill { .. } | Work::File { .. } => {
                let refused = self.table.refuse(key, Errno::EOPNOTSUPP);
                return self.completions.push(refused);
            }
            Work::Pinned { .. } => unreachable!("nothing is pinned here"),
            Work::Wake | Work::Follow { .. } => unreachable!("nobody wakes this backend"),
        };
        self.table.end(key);
        self.completions.push(Completion { token, event });
    }

    fn enter(&mut self, pools: &Pools, wait: Wait, completions: &mut Vec<Completion>) {
        self.enters += 1;
        self.now = Time(self.now.0 + 1_000);
        self.accept();
        self.receive(pools);
        if let Wait::Until(time) = wait
            && self.completions.is_empty()
            && time < Time::MAX
        {
            self.now = self.now.max(time);
        }
        completions.append(&mut self.completions);
    }

    fn ready(&self) -> bool {
        let acceptable = self.accepting.is_some() && self.load.connections > 0;
        !self.completions.is_empty() || !self.due.is_empty() || acceptable
    }

    fn room(&self) -> usize {
        usize::MAX
    }

    fn now(&self) -> Time {
        self.now
    }

    fn waker(&self) -> Waker {
        Waker::None
    }

    fn adopt(&mut self, _socket: ListenSocket) -> io::Result<SocketId> {
        self.table.insert(NOTHING_OWED).map_err(|_| Errno::EMFILE.into())
    }

    fn bind(&mut self, address: SocketAddr, _backlog: u32, count: usize) -> io::Result<Vec<ListenSocket>> {
        Ok((0..count)
            .map(|_| ListenSocket { address, source: ListenSource::Sim(0, Arc::default()) })
            .collect())
    }

    fn connecting(&mut self, _address: SocketAddr, _options: &ConnectOptions) -> io::Result<SocketId> {
        Err(Errno::EOPNOTSUPP.into())
    }

    fn ledger(&self) -> DriverLedger {
        DriverLedger {
            sockets: self.table.sockets(),
            operations: self.table.operations(),
            enters: self.enters,
            buffer_shortages: self.buffer_shortages,
            ..DriverLedger::default()
        }
    }

    fn drain(&mut self, pools: &Pools, _patience: Duration) -> Left {
        self.due.clear();
        self.accepting = None;
        for completion in self.completions.drain(..) {
            if let Event::Received { lease } = completion.event {
                pools.receive.release(lease);
            }
        }
        for id in self.table.socket_ids() {
            if let Some(key) = self.table.socket(id).and_then(|socket| socket.inward()) {
                self.table.end(key);
            }
            let close = Op::Close { socket: id, reset: false };
            let key = self.table.begin(Token(0), close, &pools.send).expect("the id was listed just now");
            self.table.end_close(key);
        }
        if let Some(buffer) = self.filling.take() {
            pools.receive.give_back(buffer);
        }
        Left::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{FileOptions, FileRequest, FileWork, Fill};
    use crate::mem::{Chain, ReceivePool, SendPool};

    #[test]
    fn every_connection_asks_again_once_answered_until_all_requests_are_spent() {
        let pools = Pools { receive: ReceivePool::new(2, 100), send: SendPool::new([4, 0, 0, 0, 0]) };
        let load = NullLoad { connections: 3, request: vec![7; 64], answer_len: 64, requests: 10 };
        let mut null = Null::new(load, 8);
        let socket = null.bind(SocketAddr::from(([127, 0, 0, 1], 1)), 1, 1).unwrap().pop().unwrap();
        let listener = null.adopt(socket).unwrap();
        null.submit(&pools, Token(0), Op::Accept { listener });
        let (mut served, mut ended) = (0, 0);
        let mut sockets = Vec::new();
        while ended < 3 {
            assert!(null.ready());
            let mut completions = Vec::new();
            null.enter(&pools, Wait::No, &mut completions);
            for Completion { token, event } in completions {
                match event {
                    Event::Accepted { socket } => {
                        sockets.push(socket);
                        null.submit(&pools, Token(sockets.len() as u64), Op::Receive { socket });
                    }
                    Event::Received { lease } => {
                        let mut chain = Chain::EMPTY;
                        pools.send.write(&mut chain, pools.receive.bytes(&lease)).unwrap();
                        pools.receive.release(lease);
                        served += 1;
                        let socket = sockets[token.0 as usize - 1];
                        null.submit(&pools, token, Op::Send { socket, chain });
                    }
                    Event::ReceiveEnded { why } => {
                        assert_eq!(why, ReceiveEnd::EndOfStream);
                        ended += 1;
                    }
                    Event::Sent { bytes: 64, error: None, .. } => {}
                    other => panic!("not expected: {other:?}"),
                }
            }
        }
        assert_eq!(served, 10);
        assert_eq!(null.drain(&pools, Duration::ZERO), Left::default());
        let ledger = null.ledger();
        assert_eq!((ledger.sockets, ledger.operations), (0, 0));
        assert_eq!((pools.receive.free(), pools.send.taken()), (2, 0));
    }

    #[test]
    fn what_it_does_not_do_it_refuses_and_hands_back() {
        let pools = Pools { receive: ReceivePool::new(2, 100), send: SendPool::new([4, 0, 0, 0, 0]) };
        let load = NullLoad { connections: 0, request: vec![7], answer_len: 1, requests: 0 };
        let mut null = Null::new(load, 8);
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let refused = null.connecting(address, &ConnectOptions::default()).unwrap_err();
        assert_eq!(Errno::of(&refused), Errno::EOPNOTSUPP);
        let listener = null.bind(address, 1, 1).unwrap().pop().unwrap();
        let socket = null.adopt(listener).unwrap();
        let fill = Fill { buffer: Vec::with_capacity(1), max: usize::MAX, outcome: Ok(0) };
        let open = FileWork::Open { path: c"file".into(), options: FileOptions::default() };
        null.submit(&pools, Token(0), Op::Connect { socket });
        null.submit(&pools, Token(1), Op::Fill { socket, fill: Box::new(fill) });
        null.submit(&pools, Token(2), Op::File { request: FileRequest::new(None, open) });
        let mut completions = Vec::new();
        null.enter(&pools, Wait::No, &mut completions);
        let outcomes = completions.into_iter().map(|completion| match completion.event {
            Event::Connected { error } => error,
            Event::Filled { fill } => fill.outcome.err(),
            Event::File { request } => request.outcome.err(),
            other => panic!("not expected: {other:?}"),
        });
        assert_eq!(outcomes.collect::<Vec<_>>(), [Some(Errno::EOPNOTSUPP); 3]);
        assert_eq!(null.drain(&pools, Duration::ZERO), Left::default());
    }
}
