//! One socket as a readiness backend keeps it: its descriptor, and what is known of its readiness.
//!
//! Knows: the calls on a socket, and what their answers say about readiness. Must not know ops, nor other sockets.
//!
//! Readiness is edge-triggered: the poll tells once, so each direction remembers it until a call says otherwise.

use std::io::{self, IoSlice};
use std::net::{self, Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use ::mio::event::Event;
use ::mio::net::{TcpListener, TcpStream};
use ::mio::unix::SourceFd;
use ::mio::{Interest, Registry, Token};
use socket2::{SockRef, Socket};

use crate::mem::{Chain, Lease, ReceivePool, SendPool};
use crate::sys::{self, Errno};

/// Segments of a chain in one call: sixteen of the largest make a mebibyte, more than a socket takes at once.
const SEGMENTS_MAX: usize = 16;

/// A socket, with what is known of its readiness.
#[derive(Debug)]
pub(super) struct Source {
    kind: Kind,
    /// A read may yield something: nothing has said otherwise since the last edge.
    pub(super) readable: bool,
    /// A write may be taken: nothing has said otherwise since the last edge.
    pub(super) writable: bool,
    /// The end of the stream or an error lies behind what can be read, and no further edge will tell.
    ended: bool,
    /// It stands in the list of sockets to try.
    pub(super) queued: bool,
    /// It stands in the line for receive buffers.
    pub(super) starving: bool,
    /// A connect is under way: what edges say of it counts for that alone.
    pub(super) connecting: bool,
}

#[derive(Debug)]
enum Kind {
    Listener(TcpListener),
    Stream(Socket),
    /// A place in the table and nothing else: the file lies elsewhere, for it is never ready.
    File,
}

impl Source {
    /// A socket that listens already.
    pub(super) fn listener(socket: Socket) -> io::Result<Source> {
        socket.set_nonblocking(true)?;
        Ok(Source::new(Kind::Listener(TcpListener::from_std(net::TcpListener::from(socket)))))
    }

    fn stream(stream: TcpStream) -> Source {
        // Small answers must not wait for the acknowledgement of earlier ones. A connection that has failed meanwhile
        // refuses the option; its receive will say why.
        drop(stream.set_nodelay(true));
        Source::new(Kind::Stream(Socket::from(OwnedFd::from(stream))))
    }

    /// A stream that is to be connected.
    pub(super) fn unconnected(socket: Socket) -> io::Result<Source> {
        socket.set_nonblocking(true)?;
        Ok(Source::new(Kind::Stream(socket)))
    }

    /// The place of a file.
    pub(super) fn file() -> Source {
        Source::new(Kind::File)
    }

    fn new(kind: Kind) -> Source {
        Source {
            kind,
            // Not tried yet, so nothing says that it is not ready.
            readable: true,
            writable: true,
            ended: false,
            queued: false,
            starving: false,
            connecting: false,
        }
    }

    /// What is under way inward may get further.
    pub(super) fn may_go_inward(&self) -> bool {
        if self.connecting { self.writable } else { self.readable && !self.starving }
    }

    /// A send may get further.
    pub(super) fn may_send(&self) -> bool {
        self.writable && !self.connecting
    }

    /// # Panics
    /// When this is no stream: a bug of the runtime.
    fn as_stream(&self) -> &Socket {
        match &self.kind {
            Kind::Stream(socket) => socket,
            other => panic!("what only a stream can do, of {other:?}"),
        }
    }

    /// Asks for the edges of this socket, under a token. Closing the socket ends it.
    pub(super) fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        let (descriptor, interest) = match &self.kind {
            Kind::Listener(listener) => (listener.as_raw_fd(), Interest::READABLE),
            Kind::Stream(socket) => (socket.as_raw_fd(), Interest::READABLE | Interest::WRITABLE),
            Kind::File => unreachable!("a file has no edges"),
        };
        registry.register(&mut SourceFd(&descriptor), token, interest)
    }

    /// An edge has come.
    pub(super) fn on_edge(&mut self, event: &Event) {
        // An error shows in whichever call comes first, and wakes both directions.
        self.ended |= event.is_read_closed() || event.is_error();
        self.readable |= event.is_readable() || self.ended;
        self.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
    }

    /// Begins to connect. An edge tells when it has ended, unless it is connected already.
    ///
    /// # Panics
    /// When this is no stream: a bug of the runtime.
    pub(super) fn connect(&mut self, address: SocketAddr) -> Result<(), Errno> {
        let connected = match self.as_stream().connect(&address.into()).map_err(|error| Errno::of(&error)) {
            Ok(()) | Err(Errno::EISCONN) => true,
            // It goes on by itself.
            Err(Errno::EINPROGRESS | Errno::EINTR) => false,
            Err(error) => return Err(error),
        };
        // What was known of it was known of no connection.
        (self.readable, self.writable, self.ended) = (connected, connected, false);
        Ok(())
    }

    /// How a connect has ended; none while it goes on.
    ///
    /// # Panics
    /// When this is no stream: a bug of the runtime.
    pub(super) fn connected(&mut self) -> Option<Result<(), Errno>> {
        if !self.writable {
            return None;
        }
        let socket = self.as_stream();
        let error = socket.take_error().unwrap_or_else(Some).map(|error| Errno::of(&error));
        match (error, socket.peer_addr()) {
            (Some(error), _) => Some(Err(error)),
            (None, Ok(_)) => Some(Ok(())),
            // Shut down meanwhile, and the platform calls that no error.
            (None, Err(error)) if self.ended => Some(Err(Errno::of(&error))),
            (None, Err(_)) => {
                // An edge without a reason.
                self.writable = false;
                None
            }
        }
    }

    /// Takes the next connection from the backlog.
    ///
    /// # Panics
    /// When this is not a listener: a bug of the runtime.
    pub(super) fn accept(&mut self) -> io::Result<Source> {
        let Kind::Listener(listener) = &self.kind else { panic!("an accept on what does not listen") };
        let result = listener.accept();
        self.readable = !would_block(&result);
        result.map(|(stream, _)| Source::stream(stream))
    }

    /// Reads once into the free rest of a buffer. `None` at the end of the stream.
    ///
    /// # Panics
    /// When this is no stream: a bug of the runtime.
    pub(super) fn receive(&mut self, pool: &ReceivePool, buffer: u16) -> io::Result<Option<Lease>> {
        let socket = self.as_stream();
        let mut drained = false;
        let result = pool.fill(buffer, |space| {
            let len = io::Read::read(&mut &*socket, space)?;
            drained = len < space.len();
            Ok(len)
        });
        // A short read has emptied the socket, which spares the call that would only say so. What comes later makes an
        // edge; an end that has been told already does not.
        self.readable = !would_block(&result) && (self.ended || !drained);
        result
    }

    /// Reads once behind what a buffer holds, up to its capacity and at most `max` bytes. Zero at the end of the stream.
    ///
    /// # Panics
    /// When this is no stream: a bug of the runtime.
    pub(super) fn fill(&mut self, buffer: &mut Vec<u8>, max: usize) -> io::Result<usize> {
        let room = max.min(buffer.capacity() - buffer.len());
        let result = sys::receive(self.as_stream(), buffer, max);
        // As above: a buffer that was not filled up has emptied the socket.
        let drained = result.as_ref().is_ok_and(|received| *received < room);
        self.readable = !would_block(&result) && (self.ended || !drained);
        result
    }

    /// Offers what is left of a chain to the kernel, which takes some of it.
    ///
    /// # Panics
    /// When this is no stream: a bug of the runtime.
    pub(super) fn send(&mut self, pool: &SendPool, chain: &Chain, sent: u32) -> io::Result<usize> {
        let socket = self.as_stream();
        let mut parts = [IoSlice::new(&[]); SEGMENTS_MAX];
        let mut count = 0;
        for (part, segment) in parts.iter_mut().zip(pool.segments(chain, sent)) {
            *part = IoSlice::new(segment);
            count += 1;
        }
        let result = socket.send_vectored_with_flags(&parts[..count], libc::MSG_NOSIGNAL);
        self.writable = !would_block(&result);
        result
    }

    /// Ends the sending direction, or both. Whatever waits on the socket will find out by its next call.
    pub(super) fn shut_down(&mut self, both: bool) -> io::Result<()> {
        if both {
            (self.readable, self.writable, self.ended) = (true, true, true);
        }
        let direction = if both { Shutdown::Both } else { Shutdown::Write };
        match &self.kind {
            Kind::Listener(listener) => SockRef::from(listener).shutdown(direction),
            Kind::Stream(socket) => socket.shutdown(direction),
            Kind::File => Err(Errno::ENOTSOCK.into()),
        }
    }

    /// Closes the socket; the poll forgets it. `reset`: the peer sees a reset, and bytes on their way are dropped.
    pub(super) fn close(self, reset: bool) {
        if let Kind::Stream(socket) = &self.kind
            && reset
        {
            // Refused only by a connection that is gone already.
            drop(socket.set_linger(Some(Duration::ZERO)));
        }
    }
}

fn would_block<T>(result: &io::Result<T>) -> bool {
    matches!(result, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}
