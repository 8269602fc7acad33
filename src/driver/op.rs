//! What the runtime asks of a backend, and what a backend answers: plain data, at most 24 bytes each.
//!
//! Knows: sockets and pool memory by their ids. Must not know how an op is carried out, nor what an actor is.

use crate::mem::{Chain, Key, Lease};
use crate::sys::Errno;

/// Who asked. The executor chooses it, the backend hands it back untouched.
///
/// Aligned like two words of half its size, of which it is mostly made: what holds it needs no filling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C, packed(4))]
pub struct Token(pub u64);

/// A socket of this core's driver: a stream or a listener. Stale after its [`Event::Closed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SocketId(pub Key);

/// Something that a backend is asked to do. Every op has exactly one last completion.
#[derive(Debug)]
pub enum Op {
    /// Accept until cancelled: any number of [`Event::Accepted`], then one [`Event::AcceptEnded`].
    Accept { listener: SocketId },
    /// Receive until the stream ends: any number of [`Event::Received`], then one [`Event::ReceiveEnded`].
    /// One at a time per socket. A shortage of buffers parks it and is not seen here.
    Receive { socket: SocketId },
    /// Send every byte of the chain, in order; one at a time per socket. Short sends are continued beneath: any number of
    /// [`Event::Sending`], then one [`Event::Sent`]. The chain goes back to its pool before that one is seen.
    Send { socket: SocketId, chain: Chain },
    /// End the accept or receive that is under way on the socket, which answers with its own last completion. A send is
    /// not cancelled: shutting the socket down ends it. Last: [`Event::Cancelled`], before or after that one.
    Cancel { socket: SocketId },
    /// Shut down the sending direction (the peer reads the end of the stream), or both. Last: [`Event::ShutDown`].
    /// Never while a send is under way, unless `both`.
    Shutdown { socket: SocketId, both: bool },
    /// Reset the connection, whatever is under way on it, which ends by this: the peer sees a reset and not the end of a
    /// stream, and bytes that the kernel still holds are dropped. Last: [`Event::ShutDown`].
    Reset { socket: SocketId },
    /// Close a socket on which nothing else is under way. `reset`: the peer sees a reset, and bytes that the kernel
    /// still holds are dropped. Last: [`Event::Closed`]; from then on the id is stale.
    Close { socket: SocketId, reset: bool },
}

/// What became of an op.
#[derive(Debug)]
pub struct Completion {
    /// The token that came with the op.
    pub token: Token,
    /// What happened.
    pub event: Event,
}

/// What happened. Whether an event is the last of its op is a property of its variant.
#[derive(Debug)]
pub enum Event {
    /// A connection was accepted; the accept goes on.
    Accepted { socket: SocketId },
    /// Last of [`Op::Accept`]. `ECANCELED`: as asked for. Else the reason: `EMFILE`, `ENFILE`, `ENOMEM`, …
    /// The backlog survives; ask again to go on.
    AcceptEnded { error: Errno },
    /// Bytes arrived; the receive goes on. The lease must be released to the receive pool.
    Received { lease: Lease },
    /// Last of [`Op::Receive`].
    ReceiveEnded { why: ReceiveEnd },
    /// The kernel took some of the chain, and the send goes on with the rest: the peer is slow, and not gone.
    Sending { bytes: u32 },
    /// Last of [`Op::Send`]: how many bytes the kernel took, and the error that cut it short, if any did.
    Sent { bytes: u32, error: Option<Errno> },
    /// Last of [`Op::Cancel`].
    Cancelled,
    /// Last of [`Op::Shutdown`] and of [`Op::Reset`].
    ShutDown { error: Option<Errno> },
    /// Last of [`Op::Close`].
    Closed,
}

/// Why a receive ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiveEnd {
    /// The peer has sent everything that it will send.
    EndOfStream,
    /// [`Op::Cancel`] ended it. Bytes that came before were delivered before.
    Cancelled,
    /// The connection failed.
    Failed(Errno),
}

impl Event {
    /// True if the op that this answers will complete again.
    #[must_use]
    pub fn more(&self) -> bool {
        matches!(self, Event::Accepted { .. } | Event::Received { .. } | Event::Sending { .. })
    }
}

const _: () = assert!(size_of::<Op>() <= 24);
const _: () = assert!(size_of::<Completion>() <= 24);
