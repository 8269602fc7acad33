//! The io_uring backend: ops become queue entries, answers become completions.
//!
//! Knows: how each op is carried out by the kernel. Must not know who asks, nor what a completion leads to.
//!
//! Every entry carries the key of its operation, so there is one table of what is in flight and one path for answers
//! (`complete.rs`). Sockets live in the ring's table of direct descriptors: the kernel picks the place of those that it accepts,
//! and of those that it has connected (`connect.rs`).
//! Entries that do not fit into the submission queue wait behind it, in order (`outgoing.rs`). A receive that finds no
//! buffer is parked until there are some again (`buffers.rs`).
//!
//! A `Uring` belongs to the thread that opened it.

mod buffers;
mod complete;
mod connect;
mod drain;
mod files;
mod gather;
mod handle;
mod issue;
mod links;
mod open;
mod outgoing;
mod preflight;
mod regions;
mod room;
#[cfg(test)]
mod tests;
mod zero_copy;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::{Backend, Wait};
use crate::driver::{
    Completion, ConnectOptions, DriverLedger, InFlight, Left, ListenSocket, ListenSource, Op, Pools,
    SocketId, Token, Waker,
};
use crate::mem::Key;
use crate::sys::{Answer, Errno, EventFd, Pause, Time, listen_backlog, listen_together};

use buffers::Buffers;
use connect::Connecting;
use files::Note;
use gather::Gather;
use handle::{File, Handle, Route};
use links::Pair;
pub use open::{OpenError, Stage, UringConfig};
use outgoing::Outgoing;
use zero_copy::{Way, ZeroCopy};

/// Answers taken out of the completion queue at a time: one look at its indices for so many.
const BATCH: usize = 32;

/// What has been counted since the start.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    enters: u64,
    overflows: u64,
    stale: u64,
    wakes: u64,
    zero_copy: u64,
    copied: u64,
    registered_reads: u64,
    registered_writes: u64,
    registered_sends: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Uring {
    /// The memory that the kernel knows. None once it has been leaked.
    pools: Option<Rc<Pools>>,
    outgoing: Outgoing,
    in_flight: InFlight<Handle>,
    buffers: Buffers,
    /// Last completions that need no kernel; they go out with the next `enter`.
    instant: Vec<Completion>,
    /// Gathers that no send uses. Boxed, because a gather does not move while the kernel may read it.
    #[allow(clippy::vec_box)]
    gathers: Vec<Box<Gather>>,
    /// Sockets that are to be connected, until that has been answered; those that keep a descriptor beside their place, until they are closed.
    connects: HashMap<SocketId, Connecting>,
    /// What requests about files name, until they have been answered.
    notes: HashMap<Key, Note>,
    /// How often requests about files have been carried out in vain; seldom any.
    tries: HashMap<Key, u32>,
    /// Writes with a sync behind them.
    pairs: HashMap<Key, Pair>,
    /// Requests to open a file that a drain has let go of, and that may be answered.
    left_opens: HashSet<Key>,
    routes: Vec<Route>,
    zero_copy: ZeroCopy,
    /// The ring has a table for memory.
    has_memory_table: bool,
    /// The kernel keeps sockets of the table that have been closed, while operations on older ones go on.
    keeps_closed: bool,
    /// Files that are being opened.
    opening: usize,
    batch: [Answer; BATCH],
    /// The most sockets and files at a time.
    sockets_max: usize,
    /// Connections that may come at once: so far below the limit they are accepted one by one.
    burst_max: usize,
    /// Cancels accepts that take whatever comes; its answers mean nothing.
    narrow: Key,
    event: Arc<EventFd>,
    /// Where the kernel puts the count of the event descriptor.
    event_count: Box<u64>,
    /// Operations that answer nobody: the read that waits for a wake, and `narrow`.
    own_operations: usize,
    draining: bool,
    /// Nothing is in flight, and the kernel knows no memory of ours.
    drained: bool,
    /// Requests that go on name memory of the pools.
    keeps_pools: bool,
    counts: Counts,
    features: String,
    shortage: Option<String>,
}

impl Backend for Uring {
    const NAME: &'static str = "uring";

    fn features(&self) -> &str {
        &self.features
    }

    fn shortage(&self) -> Option<&str> {
        self.shortage.as_deref()
    }

    fn submit(&mut self, pools: &Pools, token: Token, op: Op) {
        self.assert_own(pools);
        match self.in_flight.begin(token, op, &pools.send) {
            Ok(key) => self.start(pools, key),
            Err(completion) => self.instant.push(completion),
        }
    }

    fn enter(&mut self, pools: &Pools, wait: Wait, completions: &mut Vec<Completion>) {
        self.assert_own(pools);
        self.buffers.replenish(&pools.receive);
        self.rearm_parked(pools);
        self.end_dismissals();
        let wait = if self.instant.is_empty() { wait } else { Wait::No };
        completions.append(&mut self.instant);
        self.hand_over(pools, wait, completions);
        self.collect(pools, completions);
    }

    fn ready(&self) -> bool {
        !self.instant.is_empty()
            || self.outgoing.ring.answered()
            || self.outgoing.waiting()
            || self.buffers.can_rearm()
            || self.in_flight.regions.is_due()
            || self.outgoing.ring.must_enter()
    }

    fn room(&self) -> usize {
        self.outgoing.room()
    }

    fn now(&self) -> Time {
        crate::sys::now()
    }

    fn waker(&self) -> Waker {
        Waker::Event(Arc::clone(&self.event))
    }

    fn adopt(&mut self, socket: ListenSocket) -> std::io::Result<SocketId> {
        let ListenSource::Os(listener) = socket.source else {
            return Err(std::io::ErrorKind::InvalidInput.into());
        };
        // A socket that does not block would answer EAGAIN instead of waiting.
        listener.set_nonblocking(false)?;
        // Accepted sockets inherit it: small answers must not wait for the acknowledgement of earlier ones.
        listener.set_tcp_nodelay(true)?;
        if self.places_left() == 0 {
            return Err(Errno::ENFILE.into());
        }
        let backlog = listen_backlog(&listener);
        let free = self.routes.iter().position(|route| route.listener.is_none());
        let place = free.unwrap_or(self.routes.len());
        let route = u16::try_from(place).ok().filter(|route| *route != handle::NO_ROUTE);
        let route = route.ok_or_else(|| std::io::Error::from(Errno::ENFILE))?;
        let inserted = self.in_flight.insert(Handle { route, ..Handle::new(File::Listener(listener)) });
        let id = inserted.map_err(|_| std::io::Error::from(Errno::ENFILE))?;
        let new = Route { listener: Some(id), backlog, way: Way::default() };
        match self.routes.get_mut(place) {
            Some(route) => *route = new,
            None => self.routes.push(new),
        }
        self.burst_max += backlog as usize;
        Ok(id)
    }

    fn bind(
        &mut self,
        address: SocketAddr,
        backlog: u32,
        count: usize,
    ) -> std::io::Result<Vec<ListenSocket>> {
        let (address, sockets) = listen_together(address, backlog, count)?;
        let listener = |socket| ListenSocket { address, source: ListenSource::Os(socket) };
        Ok(sockets.into_iter().map(listener).collect())
    }

    fn connecting(&mut self, address: SocketAddr, options: &ConnectOptions) -> std::io::Result<SocketId> {
        self.open_connecting(address, options)
    }

    fn ledger(&self) -> DriverLedger {
        DriverLedger {
            sockets: self.in_flight.sockets(),
            operations: self.in_flight.operations() - self.own_operations,
            enters: self.counts.enters,
            buffer_shortages: self.buffers.shortages(),
            queue_full: self.outgoing.full(),
            overflows: self.counts.overflows,
            sends_without_copy: self.counts.zero_copy,
            sends_copied_after_all: self.counts.copied,
            sends_from_regions: self.counts.registered_sends,
        }
    }

    fn drain(&mut self, pools: &Pools, patience: Duration) -> Left {
        self.assert_own(pools);
        self.drain_all(pools, patience)
    }
}

impl Uring {
    /// Answers that named an operation which had ended: none, unless the kernel or this file has a bug.
    #[must_use]
    pub fn stale_answers(&self) -> u64 {
        self.counts.stale
    }

    /// Wakes from other threads that were seen.
    #[must_use]
    pub fn wakes(&self) -> u64 {
        self.counts.wakes
    }

    /// Sends that were asked for without a copy.
    #[must_use]
    pub fn zero_copy_sends(&self) -> u64 {
        self.counts.zero_copy
    }

    /// How often the kernel has said that it copied what it was to send without.
    #[must_use]
    pub fn copied(&self) -> u64 {
        self.counts.copied
    }

    /// Reads into, writes from and sends from registered memory, as such.
    #[must_use]
    pub fn registered(&self) -> [u64; 3] {
        [self.counts.registered_reads, self.counts.registered_writes, self.counts.registered_sends]
    }

    /// The kernel may be told of no other memory than what this backend keeps alive.
    fn assert_own(&self, pools: &Pools) {
        let own = self.pools.as_ref().is_some_and(|own| std::ptr::eq(&raw const **own, pools));
        assert!(own, "a backend is used with the pools that it was opened with");
    }

    /// Gives the kernel everything that has been submitted; waits if nothing is at hand.
    fn hand_over(&mut self, pools: &Pools, mut wait: Wait, completions: &mut Vec<Completion>) {
        // A queue smaller than what waits takes several rounds; their answers make room for each other.
        let before = completions.len();
        while self.outgoing.refill() {
            if !self.enter_once(Pause::No) {
                return;
            }
            self.collect(pools, completions);
        }
        if completions.len() > before {
            wait = Wait::No;
        }
        let pause = match wait {
            Wait::Until(time) if !self.outgoing.ring.answered() && !self.buffers.can_rearm() => {
                Pause::Until(time)
            }
            _ => Pause::No,
        };
        if pause != Pause::No || self.outgoing.ring.queued() > 0 || self.outgoing.ring.must_enter() {
            self.enter_once(pause);
        }
    }

    /// One system call. False when the kernel is short of something: back-pressure, to be tried again later.
    fn enter_once(&mut self, pause: Pause) -> bool {
        self.counts.enters += 1;
        let entered = self.outgoing.enter(pause);
        if self.outgoing.ring.overflowed() {
            self.counts.overflows += 1;
        }
        entered
    }

    /// Turns every answer that is there into completions.
    fn collect(&mut self, pools: &Pools, completions: &mut Vec<Completion>) {
        loop {
            let count = self.outgoing.ring.take(&mut self.batch);
            for place in 0..count {
                let answer = self.batch[place];
                self.complete(pools, answer, completions);
            }
            if count < BATCH {
                break;
            }
        }
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        if self.keeps_pools {
            std::mem::forget(self.pools.take());
        }
        if !self.drained {
            // The kernel may still write there, and to the pools.
            std::mem::forget(self.pools.take());
            std::mem::forget(std::mem::take(&mut self.event_count));
            let sockets = std::mem::replace(&mut self.in_flight, InFlight::new(0));
            std::mem::forget(sockets);
            std::mem::forget(std::mem::take(&mut self.connects));
            std::mem::forget(std::mem::take(&mut self.notes));
        }
    }
}
