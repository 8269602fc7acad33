//! An in-memory network with a clock of its own, shared by all simulated cores and peers of one thread.
//!
//! Knows: who listens where, the streams, the time, and that there is a disk. Must not know ops, pools, nor the faults of a backend.
//!
//! Nothing here depends on addresses in memory, on hashing, or on a real clock: one seed gives one run.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use super::disk::Disk;
use super::peer::{Peer, PeerListener};
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
    /// Streams that an accident will cut off, when, and how that is told.
    doomed: Vec<(Time, u32, Errno)>,
    /// The addresses of sockets that backends connect.
    sources: BTreeSet<SocketAddr>,
    port_next: u16,
    disk: Disk,
}

/// Who would answer a connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answerer {
    /// Nobody listens there.
    Nobody,
    /// Every backlog is full.
    Full,
    /// This listener.
    Listener(u32),
}

#[derive(Debug)]
struct Listener {
    address: SocketAddr,
    /// Streams that nobody has accepted yet.
    backlog: VecDeque<u32>,
    backlog_max: usize,
    /// As long as nobody has taken it over, it ends with the last hold on it.
    hold: Option<Weak<()>>,
}

/// A listener that nobody has taken over, with a hold on it.
type Bound = (u32, Arc<()>);

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
            doomed: Vec::new(),
            sources: BTreeSet::new(),
            port_next: EPHEMERAL_PORT_FIRST,
            disk: Disk::default(),
        })))
    }

    /// The disk that all cores of this network share.
    #[must_use]
    pub fn disk(&self) -> Disk {
        self.0.borrow().disk.clone()
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
        self.unbind_forsaken();
        self.0.borrow().listeners.len()
    }

    /// Connects to whoever listens there; if several do, the seed chooses. The connection waits in the backlog until it
    /// is accepted, and can be written to meanwhile.
    ///
    /// # Errors
    /// `ConnectionRefused` if nobody listens there, or every backlog is full.
    pub fn connect(&self, address: SocketAddr) -> io::Result<Peer> {
        let Answerer::Listener(listener) = self.answerer(address) else {
            return Err(io::ErrorKind::ConnectionRefused.into());
        };
        let local = SocketAddr::new(address.ip(), self.0.borrow_mut().choose_port());
        let end = self.open_stream(local, address);
        self.queue(listener, end);
        Ok(Peer::new(self.clone(), end))
    }

    /// Listens, on a free port for port 0, for connections that a backend makes: the test accepts them.
    ///
    /// # Errors
    /// `EADDRINUSE` when anybody listens there already.
    pub fn listen(&self, address: SocketAddr, backlog: u32) -> io::Result<PeerListener> {
        let (address, listeners) = self.bind(address, backlog, 1)?;
        let (listener, _hold) = &listeners[0];
        self.keep(*listener);
        Ok(PeerListener::new(self.clone(), address, *listener))
    }

    /// Who would answer a connect to this address; if several would, the seed chooses.
    pub(super) fn answerer(&self, address: SocketAddr) -> Answerer {
        self.unbind_forsaken();
        let mut guard = self.0.borrow_mut();
        let state = &mut *guard;
        let mut answering =
            state.listeners.iter().filter(|(_, listener)| listener.answers(address)).peekable();
        if answering.peek().is_none() {
            return Answerer::Nobody;
        }
        let open: Vec<u32> =
            answering.filter(|(_, listener)| !listener.is_full()).map(|(&id, _)| id).collect();
        match open.len() {
            0 => Answerer::Full,
            count => Answerer::Listener(open[state.random.index(count)]),
        }
    }

    /// True if [`Network::answerer`] would not find every backlog full.
    pub(super) fn answers(&self, address: SocketAddr) -> bool {
        self.unbind_forsaken();
        let state = self.0.borrow();
        let mut answering = state.listeners.values().filter(|listener| listener.answers(address)).peekable();
        answering.peek().is_none() || answering.any(|listener| !listener.is_full())
    }

    /// Makes a stream from one address to another, and answers with the end that connects.
    pub(super) fn open_stream(&self, from: SocketAddr, to: SocketAddr) -> StreamEnd {
        let mut state = self.0.borrow_mut();
        let stream = state.stream_next;
        state.stream_next += 1;
        state.streams.insert(stream, Stream::new(from, to, STREAM_CAPACITY));
        StreamEnd { stream, side: Side::Connected }
    }

    /// Puts a new stream into the backlog of a listener that has room.
    pub(super) fn queue(&self, listener: u32, end: StreamEnd) {
        let mut state = self.0.borrow_mut();
        let chosen = state.listeners.get_mut(&listener).expect("it answered");
        chosen.backlog.push_back(end.stream);
        drop(state);
        self.note([1, u64::from(listener), u64::from(end.stream)]);
    }

    /// Takes an address for a socket that will be connected to `peer`: this one, with a free port for port 0, or any.
    pub(super) fn take_source(
        &self,
        peer: SocketAddr,
        source: Option<SocketAddr>,
    ) -> Result<SocketAddr, Errno> {
        let mut state = self.0.borrow_mut();
        let mut source = source.unwrap_or(SocketAddr::new(peer.ip(), 0));
        if source.is_ipv4() != peer.is_ipv4() {
            return Err(Errno::EINVAL);
        }
        if source.ip().is_unspecified() {
            source.set_ip(peer.ip());
        }
        if source.port() == 0 {
            source.set_port(state.choose_port());
        } else if state.is_used(source) {
            return Err(Errno::EADDRINUSE);
        }
        state.sources.insert(source);
        Ok(source)
    }

    /// An address of [`Network::take_source`] is free again.
    pub(super) fn release_source(&self, source: SocketAddr) {
        self.0.borrow_mut().sources.remove(&source);
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
    ) -> io::Result<(SocketAddr, Vec<Bound>)> {
        self.unbind_forsaken();
        let mut state = self.0.borrow_mut();
        let mut address = address;
        if address.port() == 0 {
            address.set_port(state.choose_port());
        }
        if state.listeners.values().any(|listener| listener.answers(address)) {
            return Err(Errno::EADDRINUSE.into());
        }
        let first = state.listener_next;
        let listeners: Vec<Bound> = (first..).take(count).map(|id| (id, Arc::default())).collect();
        for (id, hold) in &listeners {
            let (backlog, backlog_max) = (VecDeque::new(), backlog.max(1) as usize);
            let hold = Some(Arc::downgrade(hold));
            state.listeners.insert(*id, Listener { address, backlog, backlog_max, hold });
            state.listener_next = id + 1;
        }
        Ok((address, listeners))
    }

    /// A listener has been taken over: it is there until it is unbound.
    pub(super) fn keep(&self, listener: u32) {
        if let Some(listener) = self.0.borrow_mut().listeners.get_mut(&listener) {
            listener.hold = None;
        }
    }

    /// Ends the listeners that were lost before anybody has taken them over, as the kernel does once their descriptors are closed.
    fn unbind_forsaken(&self) {
        let is_forsaken =
            |listener: &Listener| listener.hold.as_ref().is_some_and(|hold| hold.strong_count() == 0);
        let forsaken: Vec<u32> = {
            let state = self.0.borrow();
            state.listeners.iter().filter(|(_, listener)| is_forsaken(listener)).map(|(id, _)| *id).collect()
        };
        forsaken.into_iter().for_each(|listener| self.unbind(listener));
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
        let now = self.now();
        self.with(end, |stream, side| stream.write(side, parts, limit, now))
    }

    /// Resets the connection, as this end is told to.
    pub(super) fn reset(&self, end: StreamEnd) {
        let now = self.now();
        self.with(end, |stream, side| stream.reset(side, now));
    }

    /// Cuts the connection off by accident, which is told by this number.
    pub(super) fn cut(&self, end: StreamEnd, error: Errno) {
        let now = self.now();
        self.with(end, |stream, _| stream.cut(error, now));
    }

    /// Will cut the connection off at this time, if it is there then.
    pub(super) fn doom(&self, end: StreamEnd, time: Time, error: Errno) {
        self.set_alarm(time);
        self.0.borrow_mut().doomed.push((time, end.stream, error));
    }

    /// Cuts off what was doomed by now.
    pub(super) fn cut_doomed(&self) {
        let mut guard = self.0.borrow_mut();
        let State { doomed, streams, now, .. } = &mut *guard;
        let due: Vec<_> = doomed.extract_if(.., |(time, ..)| *time <= *now).collect();
        for (_, stream, error) in &due {
            if let Some(stream) = streams.get_mut(stream) {
                stream.cut(*error, *now);
            }
        }
        drop(guard);
        due.iter().for_each(|(_, stream, error)| self.note([3, u64::from(*stream), error.0 as u64]));
    }

    /// See [`Stream::close`].
    pub(super) fn close(&self, end: StreamEnd, reset: bool) {
        self.note([2, u64::from(end.stream), u64::from(reset)]);
        if end.side == Side::Connected {
            self.release_source(self.with(end, |stream, side| stream.address(side)));
        }
        let now = self.now();
        if self.with(end, |stream, side| stream.close(side, reset, now)) {
            self.0.borrow_mut().streams.remove(&end.stream);
        }
    }
}

impl State {
    /// A port that nobody has bound, as long as there is one.
    fn choose_port(&mut self) -> u16 {
        for _ in EPHEMERAL_PORT_FIRST..u16::MAX {
            let port = self.next_port();
            let bound = self.listeners.values().any(|listener| listener.address.port() == port);
            if !bound && !self.sources.iter().any(|source| source.port() == port) {
                return port;
            }
        }
        self.next_port()
    }

    fn next_port(&mut self) -> u16 {
        let port = self.port_next;
        self.port_next = port.checked_add(1).unwrap_or(EPHEMERAL_PORT_FIRST);
        port
    }

    /// True if anybody listens there or has connected from there.
    fn is_used(&self, address: SocketAddr) -> bool {
        self.sources.contains(&address)
            || self.listeners.values().any(|listener| listener.answers(address))
            || self.streams.values().any(|stream| stream.address(Side::Connected) == address)
    }
}

impl Listener {
    /// True if a connection to this address comes here.
    fn answers(&self, address: SocketAddr) -> bool {
        let any_host = self.address.ip().is_unspecified() || self.address.ip() == address.ip();
        any_host && self.address.port() == address.port()
    }

    fn is_full(&self) -> bool {
        self.backlog.len() >= self.backlog_max
    }
}
