//! The io_uring backend: ops become queue entries, answers become completions.
//!
//! Knows: how each op is carried out by the kernel. Must not know who asks, nor what a completion leads to.
//!
//! Every entry carries the key of its operation, so there is one table of what is in flight and one path for answers
//! (`complete.rs`). Sockets that were accepted live in the ring's table of direct descriptors; the kernel picks the place.
//! Entries that do not fit into the submission queue wait behind it, in order (`outgoing.rs`). A receive that finds no
//! buffer is parked until there are some again (`buffers.rs`).
//!
//! A `Uring` belongs to the thread that opened it.

mod buffers;
mod complete;
mod drain;
mod gather;
mod issue;
mod open;
mod outgoing;
mod preflight;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::{Backend, Wait};
use crate::driver::{
    Completion, ConnectOptions, DriverLedger, InFlight, ListenSocket, ListenSource, Op, Pools, SocketId,
    Token, Waker,
};
use crate::mem::Key;
use crate::sys::{Answer, Errno, EventFd, Pause, Time, listen_backlog, listen_together};

use buffers::Buffers;
use gather::Gather;
pub use open::{OpenError, Stage, UringConfig};
use outgoing::Outgoing;

/// Answers taken out of the completion queue at a time: one look at its indices for so many.
const BATCH: usize = 32;

/// The backend's state of a socket.
#[derive(Debug)]
struct Handle {
    file: File,
    /// What a send in several parts names, while one is under way.
    gather: Option<Box<Gather>>,
    /// The accept or receive under way is to end: it is not armed again.
    cancelling: bool,
    /// The accept under way takes whatever comes, and is being exchanged for one that takes one connection at a time.
    narrowing: bool,
    /// Both directions are shut down: nothing will arrive that anybody wants.
    finished: bool,
    /// How far a close has come.
    ending: Ending,
}

/// How far a close has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Nobody has asked.
    No,
    /// The connection is being reset, to be closed next.
    Resetting,
    /// It is being closed.
    Closing,
}

/// By what the kernel knows a socket.
#[derive(Debug)]
enum File {
    /// A place in the ring's table.
    Direct(u32),
    /// A descriptor of the process: listeners have one.
    Listener(socket2::Socket, Backlog),
}

/// Connections that wait at most to be accepted.
type Backlog = u32;

impl Handle {
    fn new(file: File) -> Handle {
        Handle {
            file,
            gather: None,
            cancelling: false,
            narrowing: false,
            finished: false,
            ending: Ending::No,
        }
    }
}

/// What has been counted since the start.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    enters: u64,
    overflows: u64,
    stale: u64,
    wakes: u64,
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
    batch: [Answer; BATCH],
    /// The most sockets at a time.
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
        let inserted = self.in_flight.insert(Handle::new(File::Listener(listener, backlog)));
        let id = inserted.map_err(|_| std::io::Error::from(Errno::ENFILE))?;
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

    fn connecting(&mut self, _address: SocketAddr, _options: &ConnectOptions) -> std::io::Result<SocketId> {
        Err(Errno::ENOSYS.into())
    }

    fn ledger(&self) -> DriverLedger {
        DriverLedger {
            sockets: self.in_flight.sockets(),
            operations: self.in_flight.operations() - self.own_operations,
            enters: self.counts.enters,
            buffer_shortages: self.buffers.shortages(),
            queue_full: self.outgoing.full(),
            overflows: self.counts.overflows,
        }
    }

    fn drain(&mut self, pools: &Pools, patience: Duration) -> usize {
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
        let entered = self.outgoing.ring.enter(pause).is_ok();
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
        if !self.drained {
            // The kernel may still write there, and to the pools.
            std::mem::forget(self.pools.take());
            std::mem::forget(std::mem::take(&mut self.event_count));
            let sockets = std::mem::replace(&mut self.in_flight, InFlight::new(0));
            std::mem::forget(sockets);
        }
    }
}
