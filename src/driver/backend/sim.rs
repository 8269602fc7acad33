//! The simulated backend: ops carried out on an in-memory network, with accidents from a seed.
//!
//! Knows: which op is due and what befalls it. Must not know a real clock, socket or thread.
//!
//! An op goes from the queue (submitted) to the active ones (taken over by an `enter`), is carried out there as soon as
//! the network lets it, and is reported then or later. A multishot goes on being active; what is left of a short send
//! goes back to the front of the queue. [`Backend::enter`] never sleeps: whoever steps the simulated cores looks at
//! [`Backend::ready`] and [`Network::next_event`], and sets the clock forward when nobody has anything to do.
//!
//! One thing is not visible to [`Backend::ready`], here as elsewhere: receive buffers that were released since the last
//! `enter`. So a core enters once more after it has released any, before it is held to be idle.

mod breach;
mod disk;
mod faults;
mod files;
mod network;
mod outgoing;
mod peer;
mod perform;
mod pins;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

pub use breach::{Breach, Breaker};
pub use disk::Disk;
pub use faults::{Canary, Faults};
pub use network::Network;
pub use peer::{Peer, PeerListener};

use self::disk::OpenFile;
use self::network::StreamEnd;
use self::outgoing::{Fate, Outgoing};
use self::pins::Pin;
use super::{Backend, Wait};
use crate::driver::{
    Completion, ConnectOptions, DriverLedger, Event, FileId, InFlight, Left, ListenSocket, ListenSource, Op,
    Pools, SocketId, Token, Waker, Work,
};
use crate::mem::{Key, Lease};
use crate::sys::{Errno, Random, Time};

/// What a simulated backend may hold, and what befalls it.
#[derive(Debug, Clone)]
pub struct SimConfig {
    /// Sockets and open files at once, listeners included.
    pub sockets: u32,
    /// Ops that one `enter` takes over; the rest waits in order.
    pub queue: u32,
    /// Parts of sends of one socket that may be pinned.
    pub pins: u8,
    /// The accidents.
    pub faults: Faults,
}

impl Default for SimConfig {
    fn default() -> SimConfig {
        SimConfig { sockets: 4_096, queue: 256, pins: 64, faults: Faults::default() }
    }
}

/// The simulated backend of one core.
#[derive(Debug)]
pub struct Sim {
    network: Network,
    disk: Disk,
    random: Random,
    faults: Faults,
    sockets_max: usize,
    queue_max: usize,
    table: InFlight<Handle>,
    /// Submitted, not taken over yet.
    queue: VecDeque<Active>,
    /// Taken over, not ended.
    active: Vec<Active>,
    /// Parts of sends whose memory is still read.
    pins: Vec<Pin>,
    /// Answers for the next `enter`: those that found no room in this one, and those to ops on sockets that are gone.
    answers: VecDeque<Completion>,
    /// What this `enter` has to report so far, with the operation that each answer came from.
    done: Vec<(Key, Completion)>,
    /// The buffer that received bytes are put into, until it is full.
    filling: Option<u16>,
    /// Those that wait for a receive buffer, whoever has waited longest first.
    starving: VecDeque<SocketId>,
    /// Receive buffers that there are, as far as is known.
    buffers: usize,
    enters: u64,
    buffer_shortages: u64,
    queue_full: u64,
    overflows: u64,
}

/// What the table keeps of a socket.
#[derive(Debug)]
struct Handle {
    place: Place,
    /// The accept, connect or receive under way is to end.
    cancelled: bool,
    /// The receive under way waits for a buffer, and has told so.
    starving: bool,
}

/// Where a socket is in the network, or a file on the disk.
#[derive(Debug, Clone, Copy)]
enum Place {
    Listener(u32),
    Outgoing(Outgoing),
    Stream(StreamEnd),
    File(OpenFile),
}

/// An operation under way.
#[derive(Debug)]
struct Active {
    key: Key,
    /// For a cancel: what it is to end.
    target: Option<Key>,
    /// Nothing happens before.
    due: Time,
    /// An accident has held it up once: the next attempt is spared.
    held: bool,
    /// What was done and is not reported yet.
    outcome: Option<Outcome>,
}

/// What an operation has done.
#[derive(Debug)]
enum Outcome {
    Sent(Result<u32, Errno>),
    Filled(Result<u32, Errno>),
    /// With the file, if one was opened.
    File(Result<u32, Errno>, Option<FileId>),
    /// An event that is about none of these.
    Event(Event),
    Refused(Errno),
    Closed,
}

impl Sim {
    /// A backend on this network. Its accidents follow from the network's seed and the order of creation.
    #[must_use]
    pub fn new(network: &Network, config: SimConfig) -> Sim {
        Sim {
            network: network.clone(),
            disk: network.disk(),
            random: network.fork_random(),
            faults: config.faults,
            sockets_max: config.sockets as usize,
            queue_max: config.queue.max(1) as usize,
            table: InFlight::with_pins(config.sockets, config.pins),
            queue: VecDeque::new(),
            active: Vec::new(),
            pins: Vec::new(),
            answers: VecDeque::new(),
            done: Vec::new(),
            filling: None,
            starving: VecDeque::new(),
            buffers: 0,
            enters: 0,
            buffer_shortages: 0,
            queue_full: 0,
            overflows: 0,
        }
    }

    /// The address of the far end of a stream; none for a listener or a stale id.
    #[must_use]
    pub fn peer_address(&self, socket: SocketId) -> Option<SocketAddr> {
        let Place::Stream(end) = self.table.socket(socket)?.handle.place else { return None };
        Some(self.network.with(end, |stream, side| stream.peer_address(side)))
    }

    /// Moves submitted ops to the active ones, as many as one `enter` takes.
    fn take_over(&mut self) {
        if self.queue.len() > self.queue_max {
            self.queue_full += 1;
        }
        let mut count = self.queue.len().min(self.queue_max);
        if count > 1 && self.random.chance(self.faults.short_queue) {
            count = 1 + self.random.index(count);
        }
        self.active.extend(self.queue.drain(..count));
        if self.random.chance(self.faults.reorder) {
            self.random.shuffle(&mut self.active);
        } else if !self.active.is_empty() {
            // Nobody is first for ever.
            self.active.rotate_left(1);
        }
    }

    /// By accident, leaves the last of the completions for the next `enter` and ends the multishots among them.
    fn overflow(&mut self) {
        if self.done.is_empty() || !self.random.chance(self.faults.overflow) {
            return;
        }
        self.overflows += 1;
        let room = self.random.index(self.done.len());
        for (key, completion) in self.done.drain(room..) {
            self.answers.push_back(completion);
            if let Some(position) = self.active.iter().position(|active| active.key == key) {
                self.queue.push_back(self.active.remove(position));
            }
        }
    }

    fn note(&self, completion: &Completion) {
        let Completion { token, event } = completion;
        let (kind, detail) = match event {
            Event::Accepted { socket } => (1, socket.0.to_bits()),
            Event::AcceptEnded { error } => (2, error.0 as u64),
            Event::Received { lease } => (3, lease.len() as u64),
            Event::ReceiveEnded { .. } => (4, 0),
            Event::Sent { bytes, error, pinned } => {
                (5, u64::from(*bytes) << 2 | u64::from(*pinned) << 1 | u64::from(error.is_some()))
            }
            Event::Cancelled => (6, 0),
            Event::ShutDown { error } => (7, u64::from(error.is_some())),
            Event::Closed => (8, 0),
            Event::Sending { bytes } => (9, u64::from(*bytes)),
            Event::Released => (10, 0),
            Event::Connected { error } => (11, u64::from(error.is_some())),
            Event::Filled { fill } => (12, fill.outcome.map_or(u64::MAX, u64::from)),
            Event::Starving => (14, 0),
            Event::File { request } => (13, request.outcome.map_or(u64::MAX, u64::from)),
        };
        self.network.note([token.0, kind, detail]);
    }
}

impl Backend for Sim {
    const NAME: &'static str = "sim";

    fn submit(&mut self, pools: &Pools, token: Token, op: Op) {
        let target = match &op {
            Op::Cancel { socket } => self.table.socket(*socket).and_then(|socket| socket.inward()),
            _ => None,
        };
        match self.table.begin(token, op, &pools.send) {
            Ok(key) => {
                self.queue.push_back(Active { key, target, due: Time::ZERO, held: false, outcome: None });
            }
            Err(refused) => self.answers.push_back(refused),
        }
    }

    fn enter(&mut self, pools: &Pools, _wait: Wait, completions: &mut Vec<Completion>) {
        self.enters += 1;
        self.network.cut_doomed();
        self.count_buffers(pools);
        let late = std::mem::take(&mut self.answers);
        late.iter().for_each(|completion| self.note(completion));
        completions.extend(late);
        self.take_over();
        for active in std::mem::take(&mut self.active) {
            self.step(pools, active);
        }
        self.release_pins(pools);
        self.count_buffers(pools);
        self.overflow();
        let done = std::mem::take(&mut self.done);
        done.iter().for_each(|(_, completion)| self.note(completion));
        completions.extend(done.into_iter().map(|(_, completion)| completion));
    }

    fn ready(&self) -> bool {
        let due = |active: &Active| active.due <= self.network.now();
        !self.answers.is_empty()
            || !self.queue.is_empty()
            || self.active.iter().any(|active| due(active) && self.can_go_on(active))
            || self.pins.iter().any(|pin| self.is_over(pin))
    }

    fn room(&self) -> usize {
        self.queue_max.saturating_sub(self.queue.len())
    }

    fn now(&self) -> Time {
        self.network.now()
    }

    fn waker(&self) -> Waker {
        Waker::None
    }

    fn adopt(&mut self, socket: ListenSocket) -> io::Result<SocketId> {
        let ListenSource::Sim(listener, _hold) = socket.source else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a listener of another backend"));
        };
        let handle = Handle { place: Place::Listener(listener), cancelled: false, starving: false };
        let adopted = self.table.insert(handle).map_err(|_| Errno::EMFILE)?;
        self.network.keep(listener);
        Ok(adopted)
    }

    fn bind(&mut self, address: SocketAddr, backlog: u32, count: usize) -> io::Result<Vec<ListenSocket>> {
        let (address, listeners) = self.network.bind(address, backlog, count)?;
        Ok(listeners
            .into_iter()
            .map(|(listener, hold)| ListenSocket { address, source: ListenSource::Sim(listener, hold) })
            .collect())
    }

    fn connecting(&mut self, address: SocketAddr, options: &ConnectOptions) -> io::Result<SocketId> {
        if self.table.sockets() >= self.sockets_max {
            return Err(Errno::ENFILE.into());
        }
        let from = self.network.take_source(address, options.source)?;
        let place = Place::Outgoing(Outgoing { to: address, from, fate: Fate::Open });
        let socket = self.table.insert(Handle { place, cancelled: false, starving: false });
        Ok(socket.expect("there was room for a socket"))
    }

    fn ledger(&self) -> DriverLedger {
        DriverLedger {
            sockets: self.table.sockets(),
            operations: self.table.operations(),
            enters: self.enters,
            buffer_shortages: self.buffer_shortages,
            queue_full: self.queue_full,
            overflows: self.overflows,
            ..DriverLedger::default()
        }
    }

    fn drain(&mut self, pools: &Pools, _patience: Duration) -> Left {
        for pin in std::mem::take(&mut self.pins) {
            self.table.unpin(pin.key, &pools.send);
        }
        let under_way: Vec<Active> = self.queue.drain(..).chain(self.active.drain(..)).collect();
        let mut unreported: Vec<Completion> = self.answers.drain(..).collect();
        for active in under_way {
            if let Some(Outcome::Event(event)) = active.outcome {
                unreported.push(Completion { token: Token(0), event });
            }
            self.abandon(pools, active.key);
        }
        for completion in unreported {
            completion.event.release(pools);
        }
        self.starving.clear();
        drop(self.table.regions.take_all());
        for id in self.table.socket_ids() {
            let key = self.table.begin(Token(0), Op::Close { socket: id, reset: false }, &pools.send);
            self.close(key.expect("the id was listed just now"), false);
        }
        if let Some(buffer) = self.filling.take() {
            pools.receive.give_back(buffer);
        }
        Left::default()
    }
}

impl Sim {
    /// Ends an operation that nobody will hear of.
    fn abandon(&mut self, pools: &Pools, key: Key) {
        match self.table.operation(key).map(|operation| &operation.work) {
            Some(Work::Close { reset }) => {
                let reset = *reset;
                self.close(key, reset);
            }
            Some(Work::File { .. }) => {
                let (completion, closed) = self.table.end_file(key, Err(Errno::ECANCELED), None);
                completion.event.release(pools);
                if let Some(closed) = closed {
                    self.leave(closed.place);
                }
            }
            Some(_) => {
                if let Work::Send { chain, .. } = self.table.end(key).work {
                    pools.send.release(chain);
                }
            }
            None => {}
        }
    }

    /// Carries a close out.
    fn close(&mut self, key: Key, reset: bool) -> Completion {
        let (completion, handle) = self.table.end_close(key);
        match handle.place {
            Place::Stream(end) => self.network.close(end, reset),
            other => self.leave(other),
        }
        completion
    }

    /// Gives up what a socket or a file was.
    fn leave(&self, place: Place) {
        match place {
            Place::Listener(listener) => self.network.unbind(listener),
            Place::Outgoing(outgoing) => self.network.release_source(outgoing.from),
            Place::Stream(end) => self.network.close(end, false),
            Place::File(file) => self.disk.close(file),
        }
    }

    fn count_buffers(&mut self, pools: &Pools) {
        self.buffers = pools.receive.free() + usize::from(self.filling.is_some());
    }

    /// True if there is a buffer for a receive on this socket beside those for whoever has waited for longer.
    fn has_buffer(&self, id: SocketId) -> bool {
        let place = self.starving.iter().position(|waiting| *waiting == id);
        place.unwrap_or(self.starving.len()) < self.buffers
    }

    /// Takes a socket out of the line for buffers.
    fn stop_starving(&mut self, id: SocketId) {
        let socket = self.table.socket_mut(id).expect("a socket outlives its operations");
        if std::mem::take(&mut socket.handle.starving) {
            self.starving.retain(|waiting| *waiting != id);
        }
    }

    /// Reads what there is room for, into a buffer that is free or has room left. `None`: the end of the stream.
    fn read(&mut self, pools: &Pools, end: StreamEnd) -> Result<Option<Lease>, Errno> {
        let buffer = self.filling.or_else(|| pools.receive.take_free()).expect("it was counted");
        self.filling = Some(buffer);
        let part = self.received_max();
        let (network, canary) = (&self.network, self.faults.canary);
        let lease = pools.receive.fill(buffer, |space| {
            let len = space.len().min(part);
            let count = network.with(end, |stream, side| stream.read(side, &mut space[..len]))?;
            swap(canary, &mut space[..count]);
            Ok(count)
        });
        if pools.receive.is_full(buffer) {
            self.filling = None;
        } else if self.random.chance(self.faults.buffer_cut) {
            if canary != Canary::LoseBuffer {
                pools.receive.give_back(buffer);
            }
            self.filling = None;
        }
        self.count_buffers(pools);
        lease.map_err(|error| Errno::of(&error))
    }

    /// Reads once into memory of its own, see [`Op::Fill`]. `None`: there is nothing yet.
    fn read_into(&mut self, key: Key, end: StreamEnd) -> Option<Result<u32, Errno>> {
        let part = self.received_max();
        let unread = self.network.with(end, |stream, side| stream.unread(side));
        let fill = self.table.filling(key);
        let (buffer, max) = (&mut fill.buffer, fill.max);
        let start = buffer.len();
        let room = max.min(buffer.capacity() - start);
        assert!(room > 0, "there is room for at least one byte");
        buffer.resize(start + room.min(part).min(unread), 0);
        let result = self.network.with(end, |stream, side| stream.read(side, &mut buffer[start..]));
        buffer.truncate(start + result.unwrap_or(0));
        swap(self.faults.canary, &mut buffer[start..]);
        match result {
            Err(Errno::EAGAIN) => None,
            result => Some(result.map(|count| count as u32)),
        }
    }

    /// How many bytes a receive delivers, at most.
    fn received_max(&mut self) -> usize {
        if self.random.chance(self.faults.short_receive) {
            1 + self.random.index(64)
        } else {
            u32::MAX as usize
        }
    }
}

/// The mistake by that name.
fn swap(canary: Canary, received: &mut [u8]) {
    if canary == Canary::SwapBytes && received.len() > 8 {
        received.swap(0, 8);
    }
}
