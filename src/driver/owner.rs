//! The driver of one core: the owner of a backend.
//!
//! Knows: the order in which ops go out. Must not know what they are for.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::{
    Backend, Completion, ConnectOptions, DriverLedger, Left, ListenSocket, Op, Pools, SocketId, Token, Wait,
    Waker,
};

/// Completion I/O for one core. Beside the executor the only type that is generic over the backend.
#[derive(Debug)]
pub struct Driver<B> {
    backend: B,
}

impl<B: Backend> Driver<B> {
    /// Takes a backend over.
    #[must_use]
    pub fn new(backend: B) -> Driver<B> {
        Driver { backend }
    }

    /// The backend, for whoever put it there.
    #[must_use]
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// Hands an op to the backend. Neither blocks nor fails.
    pub fn submit(&mut self, pools: &Pools, token: Token, op: Op) {
        self.backend.submit(pools, token, op);
    }

    /// See [`Backend::enter`].
    pub fn enter(&mut self, pools: &Pools, wait: Wait, completions: &mut Vec<Completion>) {
        self.backend.enter(pools, wait, completions);
    }

    /// True if entering would find something: a look at memory.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.backend.ready()
    }

    /// How many ops fit in before they should be handed to the kernel.
    #[must_use]
    pub fn room(&self) -> usize {
        self.backend.room()
    }

    /// Ends the sleep of this core from any thread.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.backend.waker()
    }

    /// Binds listening sockets that share one address.
    pub fn bind(&mut self, address: SocketAddr, backlog: u32, count: usize) -> io::Result<Vec<ListenSocket>> {
        self.backend.bind(address, backlog, count)
    }

    /// Takes a listening socket over.
    pub fn adopt(&mut self, socket: ListenSocket) -> io::Result<SocketId> {
        self.backend.adopt(socket)
    }

    /// Opens a socket that is to be connected.
    pub fn connecting(&mut self, address: SocketAddr, options: &ConnectOptions) -> io::Result<SocketId> {
        self.backend.connecting(address, options)
    }

    /// What is in use now.
    #[must_use]
    pub fn ledger(&self) -> DriverLedger {
        self.backend.ledger()
    }

    /// Ends everything in flight; answers what could not be awaited.
    pub fn drain(&mut self, pools: &Pools, patience: Duration) -> Left {
        self.backend.drain(pools, patience)
    }
}
