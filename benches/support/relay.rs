//! A proxy as an edge-triggered epoll loop, whose bytes go through memory or through pipes.
//!
//! Knows: epoll, read, write, splice. Must not know the runtime that is judged.
//!
//! `splice` is called and not queued to a ring: a ring leaves each to a thread.
#![allow(unsafe_code)]

use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use super::bare_epoll::written;
use super::epoll::{ENDED, Epoll, Events, INTEREST};

const BUFFER_BYTES: usize = 256 * 1024;

/// What an end of a relay receives, on its way to its mate.
struct Direction {
    from: TcpStream,
    mate: usize,
    carrier: Carrier,
    /// The peer has said that it sends no more: this was the last edge.
    ended: bool,
    /// That has been passed on.
    finished: bool,
}

enum Carrier {
    /// What the socket did not take, and how much of it has gone since.
    Memory { unsent: Vec<u8>, sent: usize },
    /// How many bytes are in the pipe.
    Pipe { out: PipeReader, into: PipeWriter, held: usize },
}

struct Relay {
    epoll: Epoll,
    listener: TcpListener,
    upstream: SocketAddr,
    /// Of each pipe. None: bytes go through memory.
    pipe_bytes: Option<usize>,
    /// By the descriptor that is received from.
    directions: Vec<Option<Direction>>,
    buffer: Vec<u8>,
}

/// Serves until the process is ended.
pub(crate) fn serve(
    listener: TcpListener,
    upstream: SocketAddr,
    pipe_bytes: Option<usize>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let epoll = Epoll::new()?;
    epoll.watch(&listener, libc::EPOLLIN.cast_unsigned())?;
    let buffer = vec![0; BUFFER_BYTES];
    let mut relay = Relay { epoll, listener, upstream, pipe_bytes, directions: Vec::new(), buffer };
    let mut events = Events::new();
    loop {
        for (descriptor, ready) in relay.epoll.wait(&mut events) {
            relay.ready(descriptor, ready)?;
        }
    }
}

impl Relay {
    #[inline]
    fn ready(&mut self, descriptor: usize, events: u32) -> io::Result<()> {
        if descriptor == self.listener.as_raw_fd() as usize {
            return self.accept();
        }
        let Some(Some(direction)) = self.directions.get_mut(descriptor) else { return Ok(()) };
        direction.ended |= events & ENDED != 0;
        let mate = direction.mate;
        if events & !libc::EPOLLOUT.cast_unsigned() != 0 {
            self.pump(descriptor);
        }
        let behind = |direction: &Direction| direction.carrier.held() > 0;
        if events & libc::EPOLLOUT.cast_unsigned() != 0 && self.directions[mate].as_ref().is_some_and(behind)
        {
            self.pump(mate);
        }
        Ok(())
    }

    /// Moves what there is. Both ends are over when one has failed, or both have finished.
    #[inline]
    fn pump(&mut self, descriptor: usize) {
        let Some(mut direction) = self.directions[descriptor].take() else { return };
        let mate = direction.mate;
        let Some(to) = &self.directions[mate] else { return };
        let alive = direction.pump(&to.from, &mut self.buffer).is_ok();
        if alive && !(direction.finished && to.finished) {
            self.directions[descriptor] = Some(direction);
        } else {
            self.directions[mate] = None;
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((client, _)) => {
                    let upstream = TcpStream::connect(self.upstream)?;
                    upstream.set_nodelay(true)?;
                    let ends = [&client, &upstream].map(|end| end.as_raw_fd() as usize);
                    self.admit(client, ends[1])?;
                    self.admit(upstream, ends[0])?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn admit(&mut self, from: TcpStream, mate: usize) -> io::Result<()> {
        from.set_nonblocking(true)?;
        self.epoll.watch(&from, INTEREST)?;
        let descriptor = from.as_raw_fd() as usize;
        let count = self.directions.len().max(descriptor.max(mate) + 1);
        self.directions.resize_with(count, || None);
        let carrier = Carrier::new(self.pipe_bytes)?;
        self.directions[descriptor] = Some(Direction { from, mate, carrier, ended: false, finished: false });
        Ok(())
    }
}

impl Carrier {
    fn new(pipe_bytes: Option<usize>) -> io::Result<Carrier> {
        let Some(bytes) = pipe_bytes else { return Ok(Carrier::Memory { unsent: Vec::new(), sent: 0 }) };
        let (out, into) = io::pipe()?;
        // SAFETY: no memory is passed.
        if unsafe { libc::fcntl(into.as_raw_fd(), libc::F_SETPIPE_SZ, bytes as i32) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Carrier::Pipe { out, into, held: 0 })
    }

    #[inline]
    fn held(&self) -> usize {
        match self {
            Carrier::Memory { unsent, sent } => unsent.len() - sent,
            Carrier::Pipe { held, .. } => *held,
        }
    }

    /// Gives the socket what it takes of what is held.
    #[inline]
    fn flush(&mut self, mut to: &TcpStream) -> io::Result<()> {
        match self {
            Carrier::Memory { unsent, sent } => {
                *sent += written(to.write(&unsent[*sent..]))?;
                if *sent == unsent.len() {
                    unsent.clear();
                    *sent = 0;
                }
            }
            Carrier::Pipe { out, held, .. } => *held -= written(splice(out, to, *held))?,
        }
        Ok(())
    }

    /// Takes what has arrived, as far as there is room, and hands on what the other socket takes at once. The number of bytes,
    /// and whether that has emptied the first or filled the second: then there will be another edge.
    #[inline]
    fn take(
        &mut self,
        mut from: &TcpStream,
        mut to: &TcpStream,
        buffer: &mut [u8],
    ) -> io::Result<(usize, bool)> {
        match self {
            Carrier::Memory { unsent, .. } => {
                let len = from.read(buffer)?;
                let sent = if len > 0 { written(to.write(&buffer[..len]))? } else { 0 };
                unsent.extend_from_slice(&buffer[sent..len]);
                Ok((len, len < buffer.len() || sent < len))
            }
            Carrier::Pipe { into, held, .. } => {
                let len = splice(from, into, BUFFER_BYTES)?;
                *held += len;
                Ok((len, false))
            }
        }
    }
}

impl Direction {
    /// Moves bytes until one socket has no more or the other takes no more.
    #[inline]
    fn pump(&mut self, to: &TcpStream, buffer: &mut [u8]) -> io::Result<()> {
        while !self.finished {
            if self.carrier.held() > 0 {
                self.carrier.flush(to)?;
                if self.carrier.held() > 0 {
                    return Ok(());
                }
            }
            match self.carrier.take(&self.from, to, buffer) {
                Ok((0, _)) => {
                    to.shutdown(Shutdown::Write)?;
                    self.finished = true;
                }
                Ok((_, true)) if !self.ended || self.carrier.held() > 0 => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Moves bytes between a socket and a pipe without waiting for either.
#[inline]
fn splice(from: &impl AsRawFd, to: &impl AsRawFd, bytes: usize) -> io::Result<usize> {
    let (from, to) = (from.as_raw_fd(), to.as_raw_fd());
    let none = std::ptr::null_mut();
    // SAFETY: no offsets are passed, hence no memory.
    let moved =
        unsafe { libc::splice(from, none, to, none, bytes, libc::SPLICE_F_NONBLOCK | libc::SPLICE_F_MOVE) };
    usize::try_from(moved).map_err(|_| io::Error::last_os_error())
}
