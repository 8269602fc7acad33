//! The far end of a connection, real or simulated, in the hands of a test.
//!
//! Knows: bytes, ends, and how to wait for them. Must not know who is at the other end.

use odeon::sim;

use super::segments::segments;
use super::stage::Stage;
use crate::harness::{Client, Loopback};
use crate::world::PART;

/// The far end of a simulated connection.
pub struct SimulatedEnd {
    peer: sim::Peer,
    /// What was taken from the network and not read.
    unread: Vec<u8>,
}

impl SimulatedEnd {
    pub fn new(peer: sim::Peer) -> SimulatedEnd {
        SimulatedEnd { peer, unread: Vec::new() }
    }
}

impl Client for SimulatedEnd {
    fn write(&mut self, bytes: &[u8]) -> usize {
        self.peer.write(bytes)
    }

    fn read(&mut self, max: usize) -> Vec<u8> {
        if self.unread.is_empty() {
            self.unread = self.peer.take();
        }
        let rest = self.unread.split_off(max.min(self.unread.len()));
        std::mem::replace(&mut self.unread, rest)
    }

    fn is_ended(&mut self) -> bool {
        self.unread.is_empty() && self.peer.is_ended()
    }

    fn is_reset(&mut self) -> bool {
        self.peer.is_reset()
    }

    fn shutdown_write(&mut self) {
        self.peer.shutdown_write();
    }

    fn reset(self) {
        self.peer.reset();
    }
}

pub enum End {
    Simulated(SimulatedEnd),
    Real(Loopback),
}

/// See the header. Reads nothing unless it is told to. What is said to wait has the system go on meanwhile.
pub struct Peer<'a> {
    stage: &'a Stage<'a>,
    end: End,
}

/// Does the same with either end.
macro_rules! with {
    ($end:expr, $one:ident => $act:expr) => {
        match $end {
            End::Simulated($one) => $act,
            End::Real($one) => $act,
        }
    };
}

impl<'a> Peer<'a> {
    pub fn new(stage: &'a Stage<'a>, end: End) -> Peer<'a> {
        Peer { stage, end }
    }

    /// Writes what there is room for now, and answers how much that was.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        with!(&mut self.end, end => end.write(bytes))
    }

    /// Takes up to `max` of the bytes that have come by now.
    pub fn pull(&mut self, max: usize) -> Vec<u8> {
        with!(&mut self.end, end => end.read(max))
    }

    /// How many segments have come, where that is known.
    pub fn segments(&self) -> Option<u32> {
        match &self.end {
            End::Simulated(_) => None,
            End::Real(end) => segments(end.stream()),
        }
    }

    pub fn is_ended(&mut self) -> bool {
        with!(&mut self.end, end => end.is_ended())
    }

    pub fn is_reset(&mut self) -> bool {
        with!(&mut self.end, end => end.is_reset())
    }

    /// Waits until everything has been written.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let (stage, mut left) = (self.stage, bytes.as_ref());
        stage.until("room for what a peer writes", || {
            left = &left[self.push(left)..];
            assert!(left.is_empty() || !self.is_reset(), "the connection is reset");
            left.is_empty()
        });
    }

    /// Waits for so many bytes.
    pub fn read(&mut self, count: usize) -> Vec<u8> {
        let (stage, mut bytes) = (self.stage, Vec::new());
        stage.until("bytes for a peer", || {
            bytes.extend(self.pull(count - bytes.len()));
            let over = bytes.len() < count && (self.is_reset() || self.is_ended());
            assert!(!over, "it is over after {} of {count} bytes", bytes.len());
            bytes.len() == count
        });
        bytes
    }

    /// Waits for these bytes.
    pub fn expect(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let got = self.read(bytes.len());
        assert!(got == bytes, "got {:?}", String::from_utf8_lossy(&got[..got.len().min(200)]));
    }

    /// Waits for the end of the stream, and answers what has come before it.
    pub fn rest(&mut self) -> Vec<u8> {
        let (stage, mut bytes) = (self.stage, Vec::new());
        stage.until("the end of a stream", || {
            bytes.extend(self.pull(PART));
            assert!(!self.is_reset(), "reset after {} bytes", bytes.len());
            self.is_ended()
        });
        bytes
    }

    /// Waits until the connection is reset, and answers what has come before.
    pub fn until_reset(&mut self) -> Vec<u8> {
        let (stage, mut bytes) = (self.stage, Vec::new());
        stage.until("a reset", || {
            bytes.extend(self.pull(PART));
            assert!(!self.is_ended(), "a stream that was cut short does not look like one that ended");
            self.is_reset()
        });
        bytes
    }

    /// Sends no more.
    pub fn finish(&mut self) {
        with!(&mut self.end, end => end.shutdown_write());
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        with!(self.end, end => end.reset());
    }
}
