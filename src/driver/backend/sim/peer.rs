//! The far end of a simulated connection, and a listener for such, in the hands of a test.
//!
//! Knows: one end of one stream. Must not know the backend at the other.

use std::net::SocketAddr;

use super::breach::Breach;
use super::network::{Network, StreamEnd};

/// A listener that connections of a backend come to. Accepts at once, without a clock, and only when asked to: until then they
/// wait in its backlog. Dropped: closed, and what waits there is reset.
#[derive(Debug)]
pub struct PeerListener {
    network: Network,
    address: SocketAddr,
    listener: u32,
}

impl PeerListener {
    pub(super) fn new(network: Network, address: SocketAddr, listener: u32) -> PeerListener {
        PeerListener { network, address, listener }
    }

    /// The address that it is bound to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The connection that has waited longest, if any does.
    pub fn accept(&mut self) -> Option<Peer> {
        self.network.accept(self.listener).map(|end| Peer::new(self.network.clone(), end))
    }
}

impl Drop for PeerListener {
    fn drop(&mut self) {
        self.network.unbind(self.listener);
    }
}

/// A client, or any other far end. Reads and writes at once, without a clock; does not read unless asked to, so that
/// what is sent to it piles up until the sender must wait. Dropped: closed.
#[derive(Debug)]
pub struct Peer {
    network: Network,
    end: StreamEnd,
    closed: bool,
}

impl Peer {
    pub(super) fn new(network: Network, end: StreamEnd) -> Peer {
        Peer { network, end, closed: false }
    }

    /// Sends what there is room for, and answers how much that was: fewer bytes than given if the other end does not
    /// read, none if the connection was reset.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        self.network.write(self.end, std::iter::once(bytes), bytes.len()).unwrap_or(0)
    }

    /// Takes up to `max` of the bytes that have arrived. Empty if there are none; [`Peer::is_ended`] and
    /// [`Peer::is_reset`] tell whether more may come.
    pub fn read(&mut self, max: usize) -> Vec<u8> {
        let mut bytes = vec![0; max.min(self.network.with(self.end, |stream, side| stream.unread(side)))];
        let count = self.network.with(self.end, |stream, side| {
            // An error is kept by `broken`, which is what a test asks for.
            stream.read(side, &mut bytes).unwrap_or(0)
        });
        bytes.truncate(count);
        bytes
    }

    /// Limits how many unread bytes pile up here before the sender must wait.
    pub fn limit_unread(&mut self, bytes: usize) {
        self.network.with(self.end, |stream, side| stream.restrict(side, bytes, usize::MAX));
    }

    /// Has the kernel at the other end hold so many bytes more, until there is room for them here: they are delivered after a close as
    /// well.
    pub fn hold_for_sender(&mut self, bytes: usize) {
        self.network.with(self.end, |stream, side| stream.hold_for_peer(side, bytes));
    }

    /// Sends no more: the other end reads the end of the stream once it has read everything. Reading goes on.
    pub fn shutdown_write(&mut self) {
        // Nothing to be told on a connection that was reset.
        let _ = self.network.with(self.end, |stream, side| stream.finish(side));
    }

    /// Ends the connection with a reset.
    pub fn reset(mut self) {
        self.end_with(true);
    }

    /// Closes this end; with bytes left unread, that is a reset, as it is everywhere.
    pub fn close(mut self) {
        self.end_with(false);
    }

    /// True if the other end has finished sending and every byte was read here.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.network.with(self.end, |stream, side| stream.ended(side))
    }

    /// True if the connection was reset.
    #[must_use]
    pub fn is_reset(&self) -> bool {
        self.network.with(self.end, |stream, side| stream.broken(side))
    }

    /// How the connection came to be reset, if it was.
    #[must_use]
    pub fn breach(&self) -> Option<Breach> {
        self.network.with(self.end, |stream, side| stream.breach(side))
    }

    /// The address of this end.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.network.with(self.end, |stream, side| stream.address(side))
    }

    /// The address of the other end.
    #[must_use]
    pub fn remote_address(&self) -> SocketAddr {
        self.network.with(self.end, |stream, side| stream.peer_address(side))
    }

    fn end_with(&mut self, reset: bool) {
        if !std::mem::replace(&mut self.closed, true) {
            self.network.close(self.end, reset);
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.end_with(false);
    }
}
