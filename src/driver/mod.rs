//! Completion I/O for one core: ops in, completions out.
//!
//! Knows: ops, tokens, completions, what is in flight, the pools that the kernel may touch. Must not know actors.

pub mod backend;
mod file;
mod in_flight;
mod op;
mod owner;
mod pool;
mod regions;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

pub use crate::sys::{ConnectOptions, FileKind, FileStat};
pub use backend::{Backend, Wait};
pub use file::{FileOptions, FileRequest, FileWork, OFFSET_MAX};
pub use in_flight::{InFlight, Operation, SendStep, Socket, Work};
pub use op::{Completion, Event, FileId, Fill, Op, ReceiveEnd, SocketId, Token};
pub use owner::Driver;
pub use pool::BlockingPool;
pub use regions::{Abandoned, Enrolled, REGIONS_MAX, Regions};

use crate::mem::{Bytes, Keeper, ReceivePool, SendPool};

/// The memory that the kernel may touch on behalf of one core.
#[derive(Debug)]
pub struct Pools {
    /// Buffers that received bytes arrive in.
    pub receive: ReceivePool,
    /// Buffers that bytes to send wait in.
    pub send: SendPool,
}

impl Pools {
    /// True if [`Pools::settle`] has something to do. A look at memory.
    #[inline]
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        self.send.has_released() || self.receive.has_returned() || self.receive.assembly().has_freed()
    }

    /// Releases the leases of what was sent, and hands the counted bytes to `let_go`, which drops them: their owner is a user's
    /// value. Takes back what holders on any thread have let go. To be called while nothing is borrowed.
    pub fn settle(&self, mut let_go: impl FnMut(Bytes)) {
        while let Some(keeper) = self.send.take_released() {
            match keeper {
                Keeper::Bytes(bytes) => let_go(bytes),
                Keeper::Lease(lease) => self.receive.release(lease),
            }
        }
        self.receive.take_returned();
    }
}

/// A listening socket on its way to the core that will accept on it.
#[derive(Debug)]
pub struct ListenSocket {
    /// The address that it is bound to, with the port that was chosen.
    pub address: SocketAddr,
    pub(crate) source: ListenSource,
}

/// Opens `count` sockets of the operating system that listen on one address, one for each core of a system.
///
/// # Errors
/// `EADDRINUSE` when anybody listens there already.
pub fn listen(address: SocketAddr, backlog: u32, count: usize) -> std::io::Result<Vec<ListenSocket>> {
    let (address, sockets) = crate::sys::listen_together(address, backlog, count)?;
    let socket = |socket| ListenSocket { address, source: ListenSource::Os(socket) };
    Ok(sockets.into_iter().map(socket).collect())
}

/// What stands behind a [`ListenSocket`].
#[derive(Debug)]
pub(crate) enum ListenSource {
    /// A socket of the operating system, already listening.
    Os(socket2::Socket),
    /// An entry in a simulated network, which ends with the last hold on it unless a backend has taken it over.
    Sim(u32, Arc<()>),
}

/// Ends the sleep of one core, from any thread.
#[derive(Debug, Clone)]
pub enum Waker {
    /// Writes to an event descriptor, kept open as long as a waker lives.
    #[cfg(target_os = "linux")]
    Event(std::sync::Arc<crate::sys::EventFd>),
    /// The poll's own waker.
    Mio(std::sync::Arc<::mio::Waker>),
    /// Nobody sleeps: simulated cores are stepped.
    None,
}

impl Waker {
    /// Ends the sleep of the core, or makes its next one return at once. **Costs** one system call.
    pub fn wake(&self) {
        match self {
            #[cfg(target_os = "linux")]
            Waker::Event(event) => event.signal(),
            // A poll that cannot be woken has been closed: its core has ended, and nobody sleeps.
            Waker::Mio(waker) => drop(waker.wake()),
            Waker::None => {}
        }
    }
}

/// What a drain could not end in time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Left {
    /// Operations that may still use whatever the core has: all of it must be leaked.
    pub operations: usize,
    /// Requests about files, by what they ask for. They go on with memory of their own, which is leaked, or freed by the thread that
    /// ends them: the core may go.
    pub files: BTreeMap<String, usize>,
}

impl Left {
    /// A request goes on.
    fn note(&mut self, request: &FileRequest) {
        *self.files.entry(request.work.to_string()).or_default() += 1;
    }

    /// Requests about files that go on.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.files.values().sum()
    }
}

/// The requests, for people: the first few kinds of them.
impl fmt::Display for Left {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const KINDS_SHOWN: usize = 8;
        for (at, (what, count)) in self.files.iter().take(KINDS_SHOWN).enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            write!(out, "{comma}{count} to {what}")?;
        }
        if self.files.len() > KINDS_SHOWN { out.write_str(", and others") } else { Ok(()) }
    }
}

/// What a driver holds, by kind. Back at its baseline when nothing is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DriverLedger {
    /// Sockets open, listeners included.
    pub sockets: usize,
    /// Operations in flight on behalf of the runtime: the backend's own are not counted.
    pub operations: usize,
    /// System calls made to enter the kernel, since the start.
    pub enters: u64,
    /// Times that a receive found no buffer, since the start: also where others were free, which the kernel gets a few at a time.
    pub buffer_shortages: u64,
    /// Times that the submission queue was full, since the start.
    pub queue_full: u64,
    /// Completion queue overflows, since the start.
    pub overflows: u64,
    /// Sends, or what was left of one, that the kernel was given to send [without a copy](crate::Config::zero_copy_min), since the start.
    /// On io_uring only.
    pub sends_without_copy: u64,
    /// Those of them that were copied after all: by the kernel, as it does on the way to the same machine, or because it could not send
    /// them otherwise, as where it was short of memory.
    pub sends_copied_after_all: u64,
    /// Those of them that were a piece of a [region](crate::fs::Region), whose memory the kernel knew.
    pub sends_from_regions: u64,
}
