//! What a backend is. The only place, with `sys/mod.rs`, where platforms differ.

pub mod mio;
pub mod null;
pub mod sim;
#[cfg(target_os = "linux")]
pub mod uring;

use std::net::SocketAddr;

use super::op::{Completion, Op, SocketId, Token};
use super::{DriverLedger, Left, ListenSocket, Pools, Waker};
use crate::sys::{ConnectOptions, Time};

/// How long [`Backend::enter`] may stay away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Not at all: collect what is there.
    No,
    /// Until a completion, a wake, or this time. [`Time::MAX`]: no time limit.
    Until(Time),
}

/// Carries out ops and answers with completions. The contract is tested as one suite on every backend:
/// submit neither blocks nor fails; every op has exactly one last completion; a buffer handed over comes back with it;
/// bytes of one socket stay in order; `enter` sleeps only if nothing is ready.
pub trait Backend: Sized {
    /// The name by which users choose it and logs announce it.
    const NAME: &'static str;

    /// What of the machine is in use and what is missing, in one line for people.
    fn features(&self) -> &str {
        Self::NAME
    }

    /// What there is less of than was asked for, because the machine allows no more; with the limit and the cure.
    fn shortage(&self) -> Option<&str> {
        None
    }

    /// Takes over an op. Neither blocks nor fails: what cannot go out now waits, in order.
    fn submit(&mut self, pools: &Pools, token: Token, op: Op);

    /// Hands everything submitted to the kernel, publishes returned receive buffers, and appends what has completed.
    /// At most one system call where the backend can; none if there is neither anything to hand over nor to collect.
    fn enter(&mut self, pools: &Pools, wait: Wait, completions: &mut Vec<Completion>);

    /// True if [`Backend::enter`] with [`Wait::No`] would find something: a look at memory, never a system call.
    fn ready(&self) -> bool;

    /// How many ops fit in before [`Backend::enter`] should be called to make room.
    fn room(&self) -> usize;

    /// The time, by this backend's clock.
    fn now(&self) -> Time;

    /// Ends a sleep from any thread.
    fn waker(&self) -> Waker;

    /// Takes a listening socket over.
    fn adopt(&mut self, socket: ListenSocket) -> std::io::Result<SocketId>;

    /// Binds `count` listening sockets that share one address (`SO_REUSEPORT`), one for each core of a system.
    fn bind(&mut self, address: SocketAddr, backlog: u32, count: usize)
    -> std::io::Result<Vec<ListenSocket>>;

    /// Opens a socket that [`Op::Connect`] is to connect to this address.
    ///
    /// # Errors
    /// As [`sys::connecting`](crate::sys::connecting); `ENFILE` when there are as many sockets as there may be.
    fn connecting(&mut self, address: SocketAddr, options: &ConnectOptions) -> std::io::Result<SocketId>;

    /// What is in use now, for the ledger.
    fn ledger(&self) -> DriverLedger;

    /// Ends everything in flight and closes every socket, waiting for every last completion; what cannot be awaited
    /// within `patience` is counted in the answer. Afterwards the kernel knows no address of the pools, or the backend keeps them
    /// alive for ever, or the answer has [operations](Left::operations) and the caller must leak them.
    fn drain(&mut self, pools: &Pools, patience: std::time::Duration) -> Left;
}
