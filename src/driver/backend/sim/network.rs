//! An in-memory network with a clock of its own, shared by all simulated cores and peers of one thread.
//!
//! Knows: who listens where, the streams, the time. Must not know ops, pools, nor the faults of a backend.
//!
//! Nothing here depends on addresses in memory, on hashing, or on a real clock: one seed gives one run.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use super::peer::Peer;
use super::stream::{Side, Stream};
use crate::sys::{Errno, Random, Time};

/// Unread bytes per direction of a stream, unless somebody limits them further. About what a kernel holds.
const STREAM_CAPACITY: usize = 256 * 1024;

/// The first port of those that the network chooses itself.
const EPHEMERAL_PORT_FIRST: u16 = 49_152;

/// A handle to a simulated network; clones name the same one.
#[derive(Debug, Clone)]
pub struct Network(Rc<RefCell<State>>);

/// One end of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StreamEnd {
    pub(super) stream: u32,
    pub(super) side: Side,
}

#[derive(Debug)]
struct State {
    now: Time,
    random: Random,
    trace: u64,
    alarms: BTreeSet<Time>,
    listeners: BTreeMap<u32, Listener>,
    listener_next: u32,
    streams: BTreeMap<u32, Stream>,
    stream_next: u32,
    port_next: u16,
}

#[derive(Debug)]
struct Listener {
    address: SocketAddr,
    /// Streams that nobody has accepted yet.
    backlog: VecDeque<u32>,
    backlog_max: usize,
}

impl Network {
    /// A network without anybody in it, at time zero.
    #[must_use]
    pub fn new(seed: u64) -> Network {
        Network(Rc::new(RefCell::new(State {
            now: Time::ZERO,
            random: Random::new(seed),
            trace: 0xcbf2_9ce4_8422_2325,
            alarms: BTreeSet::new(),
            listeners: BTreeMap::new(),
            listener_next: 0,
            streams: BTreeMap::new(),
            stream_next: 0,
            port_next: EPHEMERAL_PORT_FIRST,
        })))
    }

    /// The virtual time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.0.borrow().now
    }

    /// Sets the clock forward; does nothing if it is already later.
    pub fn advance_to(&self, time: Time) {
        let mut state = self.0.borrow_mut();
        state.now = state.now.max(time);
    }

    /// When the next delayed operation of any backend comes due; none if nothing is delayed. What is due already is
    /// not counted: the backend that it belongs to says that it is ready.
    #[must_use]
    pub fn next_event(&self) -> Option<Time> {
        let mut state = self.0.borrow_mut();
        let now = state.now;
        while state.alarms.first().is_some_and(|&alarm| alarm <= now) {
            state.alarms.pop_first();
        }
        state.alarms.first().copied()
    }

    /// A sum over everything that happened so far: two runs are alike if and (almost certainly) only if it is.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.0.borrow().trace
    }

    /// Streams that at least one end has not closed.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.0.borrow().streams.len()
    }

    /// Listeners that are bound.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.0.borrow().listeners.len()
    }

    /// Connects to whoever listens there; if several do, the seed chooses. The connection waits in the backlog until it
    /// is accepted, and can be written to meanwhile.
    ///
    /// # Errors
    /// `ConnectionRefused` if nobody listens there, or every backlog is full.
    pub fn connect(&self, address: SocketAddr) -> io::Result<Peer> {
        let mut guard = self.0.borrow_mut();
        let state = &mut *guard;
        let open: Vec<u32> = state
            .listeners
            .iter()
            .filter(|(_, listener)| {
                listener.answers(address) && listener.backlog.len() < listener.backlog_max
            })
            .map(|(&id, _)| id)
            .collect();
        if open.is_empty() {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let chosen = open[state.random.index(open.len())];
        let local = SocketAddr::new(address.ip(), state.choose_port());
        let stream = state.stream_next;
        state.stream_next += 1;
        state.streams.insert(stream, Stream::new(local, address, STREAM_CAPACITY));
        let listener = state.listeners.get_mut(&chosen).expect("it was found above");
        listener.backlog.push_back(stream);
        drop(guard);
        self.note([1, u64::from(chosen), u64::from(stream)]);
        Ok(Peer::new(self.clone(), stream))
    }

    /// Takes note of something that happened, for [`Network::trace`].
    pub(super) fn note(&self, words: [u64; 3]) {
        let mut state = self.0.borrow_mut();
        let now = state.now.0;
        // FNV-1a, by words.
        for word in words.into_iter().chain([now]) {
            state.trace = (state.trace ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
        }
    }

    /// A generator for one backend.
    #[must_use]
    pub fn fork_random(&self) -> Random {
        self.0.borrow_mut().random.fork()
    }

    /// Something will be ready at this time.
    pub(super) fn set_alarm(&self, time: Time) {
        self.0.borrow_mut().alarms.insert(time);
    }

    /// Binds `count` listeners to one address, and answers it with its port, and their ids.
    pub(super) fn bind(
        &self,
        address: SocketAddr,
        backlog: u32,
        count: usize,
    ) -> io::Result<(SocketAddr, Vec<u32>)> {
        let mut state = self.0.borrow_mut();
        let mut address = address;
        if address.port() == 0 {
            address.set_port(state.choose_port());
        }
        if state.listeners.values().any(|listener| listener.answers(address)) {
            return Err(Errno::EADDRINUSE.into());
        }
        let ids: Vec<u32> = (state.listener_next..).take(count).collect();
        for &id in &ids {
            let backlog_max = backlog.max(1) as usize;
            state.listeners.insert(id, Listener { address, backlog: VecDeque::new(), backlog_max });
            state.listener_next = id + 1;
        }
        Ok((address, ids))
    }

    /// Stops listening: what waits in the backlog is reset.
    pub(super) fn unbind(&self, listener: u32) {
        let gone = self.0.borrow_mut().listeners.remove(&listener).expect("a listener is closed once");
        for stream in gone.backlog {
            self.close(StreamEnd { stream, side: Side::Accepted }, true);
        }
    }

    /// True if a connection waits to be accepted.
    pub(super) fn acceptable(&self, listener: u32) -> bool {
        self.0.borrow().listeners.get(&listener).is_some_and(|listener| !listener.backlog.is_empty())
    }

    /// The connection that has waited longest.
    pub(super) fn accept(&self, listener: u32) -> Option<StreamEnd> {
        let mut state = self.0.borrow_mut();
        let stream = state.listeners.get_mut(&listener)?.backlog.pop_front()?;
        Some(StreamEnd { stream, side: Side::Accepted })
    }

    /// Looks at a stream, or changes it.
    ///
    /// # Panics
    /// When the stream is gone: an end lives until it closes.
    pub(super) fn with<R>(&self, end: StreamEnd, body: impl FnOnce(&mut Stream, Side) -> R) -> R {
        let mut state = self.0.borrow_mut();
        let stream = state.streams.get_mut(&end.stream).expect("a stream lives as long as one of its ends");
        body(stream, end.side)
    }

    /// See [`Stream::write`].
    pub(super) fn write<'a>(
        &self,
        end: StreamEnd,
        parts: impl Iterator<Item = &'a [u8]>,
        limit: usize,
    ) -> Result<usize, Errno> {
        self.with(end, |stream, side| stream.write(side, parts, limit))
    }

    /// See [`Stream::close`].
    pub(super) fn close(&self, end: StreamEnd, reset: bool) {
        self.note([2, u64::from(end.stream), u64::from(reset)]);
        if self.with(end, |stream, side| stream.close(side, reset)) {
            self.0.borrow_mut().streams.remove(&end.stream);
        }
    }
}

impl State {
    fn choose_port(&mut self) -> u16 {
        let port = self.port_next;
        self.port_next = port.checked_add(1).unwrap_or(EPHEMERAL_PORT_FIRST);
        port
    }
}

impl Listener {
    /// True if a connection to this address comes here.
    fn answers(&self, address: SocketAddr) -> bool {
        let any_host = self.address.ip().is_unspecified() || self.address.ip() == address.ip();
        any_host && self.address.port() == address.port()
    }
}
