//! A backend driven by hand: ops by token, what became of each, and waiting for a condition without a sleep.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use odeon::driver::backend::{Backend, Wait};
use odeon::driver::{Completion, Event, FileRequest, Fill, Left, Op, Pools, ReceiveEnd, SocketId, Token};
use odeon::mem::{Chain, Lease};
use odeon::sys::Errno;

use crate::harness::{Client, Harness, Limits, Pinning};

/// How many times a condition is looked at before the test gives up, and how long the backend may sleep in between.
const STEPS_MAX: u32 = 20_000;
const STEP: Duration = Duration::from_millis(1);

/// What a client or the server does in one go, at most.
pub const PART: usize = 64 * 1024;

/// The last completion of an op.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    AcceptEnded(Errno),
    ReceiveEnded(ReceiveEnd),
    /// The last unless the send is pinned, see [`Progress::pinned`].
    Sent {
        bytes: u32,
        error: Option<Errno>,
    },
    Cancelled,
    ShutDown(Option<Errno>),
    Closed,
    Connected(Option<Errno>),
    Filled(Result<u32, Errno>),
    File(Result<u32, Errno>),
}

/// What became of an op so far.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes received whose leases were released at once.
    pub received: Vec<u8>,
    /// Leases that are held, see [`World::hold_leases`].
    pub held: Vec<Lease>,
    /// How often it was told that there is no buffer for it.
    pub starving: u32,
    pub last: Option<Last>,
    /// Bytes of a send that were told before its last completion.
    pub sending: u32,
    /// It was sent, and is still to be released.
    pub pinned: bool,
    /// It was pinned, and has been released.
    pub released: bool,
    /// The socket of a send.
    socket: Option<SocketId>,
    /// What a fill or a request about a file handed back.
    pub fill: Option<Box<Fill>>,
    pub request: Option<Box<FileRequest>>,
}

/// A backend with pools, and the books of what it was asked.
pub struct World<H: Harness> {
    // Before the pools, so that it is dropped before them.
    pub net: H,
    pub pools: Rc<Pools>,
    pub ops: BTreeMap<u64, Progress>,
    pub accepted: VecDeque<SocketId>,
    pub address: SocketAddr,
    pub listener: SocketId,
    /// Keep leases in [`Progress::held`] instead of releasing them.
    pub hold_leases: bool,
    /// Accepts under way, and whom they accept for. One that fails for a moment is asked for again.
    accepts: BTreeMap<u64, SocketId>,
    /// Completions of the last step.
    pub completed: usize,
}

impl<H: Harness> World<H> {
    /// A backend with these limits that listens on a free port and accepts.
    pub fn start(round: u32, limits: &Limits) -> World<H> {
        let pools = limits.pools();
        let mut net = H::start(round, limits, &pools);
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut bound = net.backend().bind(any_port, 1024, 1).expect("a free port");
        let socket = bound.pop().expect("one was asked for");
        let address = socket.address;
        let listener = net.backend().adopt(socket).expect("room for one socket");
        let mut world = World {
            net,
            pools,
            ops: BTreeMap::new(),
            accepted: VecDeque::new(),
            address,
            listener,
            hold_leases: false,
            accepts: BTreeMap::new(),
            completed: 0,
        };
        world.accept(listener);
        world
    }

    /// Asks for an op, and answers its token.
    pub fn submit(&mut self, op: Op) -> u64 {
        let token = self.ops.len() as u64;
        let socket = if let Op::Send { socket, .. } = &op { Some(*socket) } else { None };
        self.ops.insert(token, Progress { socket, ..Progress::default() });
        self.net.backend().submit(&self.pools, Token(token), op);
        token
    }

    pub fn chain(&self, bytes: &[u8]) -> Chain {
        let mut chain = Chain::EMPTY;
        self.pools.send.write(&mut chain, bytes).expect("the case leaves room in the pool");
        chain
    }

    pub fn send(&mut self, socket: SocketId, bytes: &[u8]) -> u64 {
        let chain = self.chain(bytes);
        self.submit(Op::Send { socket, chain })
    }

    pub fn receive(&mut self, socket: SocketId) -> u64 {
        self.submit(Op::Receive { socket })
    }

    /// Accepts on a listener until [`World::stop_accepting`].
    pub fn accept(&mut self, listener: SocketId) {
        let token = self.submit(Op::Accept { listener });
        self.accepts.insert(token, listener);
    }

    /// Cancels the accept that is under way on a listener.
    pub fn stop_accepting(&mut self, listener: SocketId) {
        let under_way = |(_, of): &(&u64, &SocketId)| **of == listener;
        let token = self.accepts.iter().find(under_way).map(|(token, _)| *token).expect("it is accepted on");
        self.accepts.remove(&token);
        let cancel = self.submit(Op::Cancel { socket: listener });
        assert!(matches!(self.await_last(token), Last::AcceptEnded(_)));
        assert_eq!(self.await_last(cancel), Last::Cancelled);
    }

    pub fn last(&self, op: u64) -> Option<Last> {
        self.ops[&op].last
    }

    pub fn received(&self, op: u64) -> &[u8] {
        &self.ops[&op].received
    }

    /// Bytes of a send that the kernel has taken in steps so far.
    pub fn sending(&self, op: u64) -> usize {
        self.ops[&op].sending as usize
    }

    /// Drives the backend until the op has ended, and answers how.
    pub fn await_last(&mut self, op: u64) -> Last {
        self.until("the last completion of an op", |world| world.last(op).is_some());
        self.last(op).expect("it was waited for")
    }

    /// Ends what is under way on a socket and closes it, in the order that the boundary asks for.
    pub fn close(&mut self, socket: SocketId, receive: Option<u64>) {
        let shutdown = self.submit(Op::Shutdown { socket, both: true });
        self.await_last(shutdown);
        if let Some(receive) = receive {
            self.await_last(receive);
        }
        self.close_ended(socket, false);
    }

    /// Closes a socket on which nothing is under way, as soon as nothing is pinned.
    pub fn close_ended(&mut self, socket: SocketId, reset: bool) {
        self.until("the release of what is pinned", |world| {
            !world.ops.values().any(|op| op.pinned && op.socket == Some(socket))
        });
        let close = self.submit(Op::Close { socket, reset });
        assert_eq!(self.await_last(close), Last::Closed);
    }

    /// Drives the backend until a send has ended and its chain is back.
    pub fn await_released(&mut self, send: u64) -> Last {
        let last = self.await_last(send);
        self.until("the release of a send", |world| !world.ops[&send].pinned);
        last
    }

    /// Connects a client and accepts it.
    pub fn connection(&mut self) -> (SocketId, H::Client) {
        self.connection_with(None)
    }

    pub fn connection_with(&mut self, window: Option<usize>) -> (SocketId, H::Client) {
        assert!(self.accepted.is_empty(), "every other connection was taken");
        let client = self.net.connect(self.address, window).expect("somebody listens");
        self.until("an accepted connection", |world| !world.accepted.is_empty());
        (self.accepted.pop_front().expect("it was waited for"), client)
    }

    /// Looks at a condition, drives the backend a step, and so on, until it holds.
    pub fn until(&mut self, what: &str, mut condition: impl FnMut(&mut World<H>) -> bool) {
        for _ in 0..STEPS_MAX {
            if condition(self) {
                return;
            }
            self.step();
        }
        panic!("waited in vain for {what}; ledger {:?}", self.net.backend().ledger());
    }

    /// Drives the backend until the client has read this many bytes.
    pub fn read_exactly(&mut self, client: &mut H::Client, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.until("bytes at the client", |_| {
            bytes.extend(client.read(count - bytes.len()));
            bytes.len() == count
        });
        bytes
    }

    /// Drives the backend until the client has sent everything.
    pub fn write_all(&mut self, client: &mut H::Client, bytes: &[u8]) {
        let mut written = 0;
        self.until("room for a client's bytes", |_| {
            written += client.write(&bytes[written..]);
            written == bytes.len()
        });
    }

    /// One enter, which may sleep a little.
    pub fn step(&mut self) {
        self.net.pass_time();
        let until = self.net.backend().now().after(STEP);
        self.enter(Wait::Until(until));
    }

    pub fn enter(&mut self, wait: Wait) {
        let mut completions = Vec::new();
        self.net.backend().enter(&self.pools, wait, &mut completions);
        self.completed = completions.len();
        completions.into_iter().for_each(|completion| self.route(completion));
        self.pools.settle(drop);
    }

    fn route(&mut self, completion: Completion) {
        let Completion { token, event } = completion;
        let progress = self.ops.get_mut(&{ token.0 }).expect("a completion carries a token that was given");
        let is_over = progress.last.is_some() && !progress.pinned;
        assert!(!is_over, "nothing comes after the last completion, but {event:?} did");
        assert_eq!(progress.pinned, matches!(event, Event::Released), "after {:?}", progress.last);
        let more = event.more();
        match event {
            Event::Accepted { socket } => self.accepted.push_back(socket),
            Event::Received { lease } => {
                assert!(!lease.is_empty(), "bytes were received");
                if self.hold_leases {
                    progress.held.push(lease);
                } else {
                    progress.received.extend_from_slice(self.pools.receive.bytes(&lease));
                    self.pools.receive.release(lease);
                }
            }
            Event::Starving => progress.starving += 1,
            Event::AcceptEnded { error } => progress.last = Some(Last::AcceptEnded(error)),
            Event::ReceiveEnded { why } => progress.last = Some(Last::ReceiveEnded(why)),
            Event::Sending { bytes } => progress.sending += bytes,
            Event::Sent { bytes, error, pinned } => {
                assert!(H::PINS != Pinning::Never || !pinned, "nothing is pinned here");
                progress.last = Some(Last::Sent { bytes, error });
                progress.pinned = pinned;
            }
            Event::Released => (progress.pinned, progress.released) = (false, true),
            Event::Connected { error } => progress.last = Some(Last::Connected(error)),
            Event::Filled { fill } => {
                progress.last = Some(Last::Filled(fill.outcome));
                progress.fill = Some(fill);
            }
            Event::File { request } => {
                progress.last = Some(Last::File(request.outcome));
                progress.request = Some(request);
            }
            Event::Cancelled => progress.last = Some(Last::Cancelled),
            Event::ShutDown { error } => progress.last = Some(Last::ShutDown(error)),
            Event::Closed => progress.last = Some(Last::Closed),
        }
        let goes_on = progress.last.is_none() || progress.pinned;
        assert_eq!(more, goes_on, "an event is last or it is not");
        self.accept_again(token.0);
    }

    /// An accept that failed for a moment is asked for again.
    fn accept_again(&mut self, op: u64) {
        let transient = [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM];
        if let Some(Last::AcceptEnded(error)) = self.last(op)
            && let Some(listener) = self.accepts.remove(&op)
        {
            assert!(transient.contains(&error), "an accept ended without a reason: {error}");
            self.accept(listener);
        }
    }

    /// Releases every lease that is held, and counts its bytes as received.
    pub fn release_held(&mut self) {
        for progress in self.ops.values_mut() {
            for lease in progress.held.drain(..) {
                progress.received.extend_from_slice(self.pools.receive.bytes(&lease));
                self.pools.receive.release(lease);
            }
        }
    }

    /// Bytes in leases that are held by an op.
    pub fn held(&self, op: u64) -> usize {
        self.ops[&op].held.iter().map(Lease::len).sum()
    }

    /// Drains the backend: nothing may be left, and everything must be back.
    pub fn finish(mut self) {
        let left = self.net.backend().drain(&self.pools, Duration::from_secs(5));
        assert_eq!(left, Left::default(), "everything in flight could be awaited");
        self.release_held();
        self.assert_empty();
    }

    pub fn assert_empty(&mut self) {
        self.net.assert_clean();
        self.pools.settle(drop);
        let ledger = self.net.backend().ledger();
        assert_eq!((ledger.sockets, ledger.operations), (0, 0), "no socket and no operation is left");
        assert_eq!(self.pools.receive.lent(), 0, "no part of a receive buffer is lent");
        assert_eq!(self.pools.receive.free(), self.pools.receive.count() as usize, "every buffer is back");
        assert_eq!(self.pools.send.taken(), 0, "every send slot is back");
    }
}

/// Bytes that tell their place in a stream.
pub fn pattern(start: usize, count: usize) -> Vec<u8> {
    (start..start + count).map(|at| (at * 7 + at / 251) as u8).collect()
}
