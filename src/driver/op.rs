//! What the runtime asks of a backend, and what a backend answers: plain data, at most 24 bytes each.
//!
//! Knows: sockets and pool memory by their ids. Must not know how an op is carried out, nor what an actor is.

use super::Pools;
use super::file::{FileRequest, FileWork};
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

/// A file of this core's driver. Stale after it has been closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId(pub Key);

/// Memory that a receive fills, moved in and handed back.
#[derive(Debug)]
pub struct Fill {
    /// What arrives goes behind what it holds, up to its capacity: it does not grow.
    pub buffer: Vec<u8>,
    /// So many bytes at most, and at least one.
    pub max: usize,
    /// How many bytes have arrived, zero for the end of the stream, or why none have. Bytes that came before a cancellation are
    /// delivered, not lost.
    pub outcome: Result<u32, Errno>,
}

/// Something that a backend is asked to do. Every op has exactly one last completion.
#[derive(Debug)]
pub enum Op {
    /// Accept until cancelled: any number of [`Event::Accepted`], then one [`Event::AcceptEnded`].
    Accept { listener: SocketId },
    /// Connect a socket that [`Backend::connecting`](super::Backend::connecting) has opened. Ended by [`Op::Cancel`].
    /// Once for each socket: `EISCONN` to whoever asks again, whatever has become of the first, or for one that was accepted.
    /// Last: [`Event::Connected`].
    Connect { socket: SocketId },
    /// Receive until the stream ends: any number of [`Event::Received`] and [`Event::Starving`], then one
    /// [`Event::ReceiveEnded`]. One at a time per socket. A shortage of buffers parks it.
    Receive { socket: SocketId },
    /// Receive once, into memory that is handed back, as soon as anything has arrived: one [`Event::Filled`]. Never beside
    /// another receive. There is room for at least one byte.
    Fill { socket: SocketId, fill: Box<Fill> },
    /// Send every byte of the chain, in order; one at a time per socket. Short sends are continued beneath: any number of
    /// [`Event::Sending`], then one [`Event::Sent`]. If that says that the chain is pinned, the kernel still reads its memory: the
    /// next send may begin, and one [`Event::Released`] follows, however long that takes; else the chain has gone back to its pool.
    Send { socket: SocketId, chain: Chain },
    /// End the connect, accept or receive that is under way on the socket, which answers with its own last completion. A send is
    /// not cancelled: shutting the socket down ends it. Last: [`Event::Cancelled`], before or after that one.
    Cancel { socket: SocketId },
    /// Shut down the sending direction (the peer reads the end of the stream), or both. Last: [`Event::ShutDown`].
    /// Never while a send is under way, unless `both`.
    Shutdown { socket: SocketId, both: bool },
    /// Reset the connection, whatever is under way on it, which ends by this: the peer sees a reset and not the end of a
    /// stream, and bytes that the kernel still holds are dropped. Last: [`Event::ShutDown`].
    Reset { socket: SocketId },
    /// Close a socket on which nothing else is under way and no chain is pinned. `reset`: the peer sees a reset, and bytes that
    /// the kernel still holds are dropped. Last: [`Event::Closed`]; from then on the id is stale.
    Close { socket: SocketId, reset: bool },
    /// Do something with a file. Last: [`Event::File`], with the request and what became of it. Requests are not ordered among
    /// each other; a file is closed when nothing else is under way on it.
    File { request: Box<FileRequest> },
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
    /// Last of [`Op::Connect`]. `ECANCELED`: as asked for.
    Connected { error: Option<Errno> },
    /// Bytes arrived; the receive goes on. The lease must be released to the receive pool.
    Received { lease: Lease },
    /// There are bytes, perhaps, and no buffer for them. The receive goes on by itself when buffers come back; who cannot wait for
    /// that cancels it, and receives into memory of its own.
    Starving,
    /// Last of [`Op::Receive`].
    ReceiveEnded { why: ReceiveEnd },
    /// Last of [`Op::Fill`].
    Filled { fill: Box<Fill> },
    /// The kernel took some of the chain, and the send goes on with the rest: the peer is slow, and not gone.
    Sending { bytes: u32 },
    /// How many bytes the kernel took, and the error that cut it short, if any did. Last of [`Op::Send`], unless the chain is
    /// pinned.
    Sent { bytes: u32, error: Option<Errno>, pinned: bool },
    /// Last of [`Op::Send`] whose chain was pinned: it has gone back to its pool.
    Released,
    /// Last of [`Op::Cancel`].
    Cancelled,
    /// Last of [`Op::Shutdown`] and of [`Op::Reset`].
    ShutDown { error: Option<Errno> },
    /// Last of [`Op::Close`].
    Closed,
    /// Last of [`Op::File`].
    File { request: Box<FileRequest> },
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
        matches!(
            self,
            Event::Accepted { .. }
                | Event::Received { .. }
                | Event::Starving
                | Event::Sending { .. }
                | Event::Sent { pinned: true, .. }
        )
    }

    /// Gives back to the pools what nobody will take out of it.
    pub fn release(self, pools: &Pools) {
        match self {
            Event::Received { lease } => pools.receive.release(lease),
            Event::File { request } => {
                if let FileWork::Load { chain, .. } | FileWork::Store { chain, .. } = request.work {
                    pools.send.release(chain);
                }
            }
            _ => {}
        }
    }
}

const _: () = assert!(size_of::<Op>() <= 24);
const _: () = assert!(size_of::<Completion>() <= 24);
