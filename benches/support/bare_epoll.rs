//! The second reference: an edge-triggered epoll loop. If the io_uring loop is not about as cheap, it is no reference.
//!
//! Knows: epoll, read, write. Must not know the runtime that is judged.
#![allow(unsafe_code)]

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const EVENTS_PER_WAIT: usize = 256;
const BUFFER_BYTES: usize = 256 * 1024;
const INTEREST: u32 = (libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET).cast_unsigned();
const ENDED: u32 = (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR).cast_unsigned();

struct Connection {
    stream: TcpStream,
    /// What the socket did not take; nothing is read until it is gone.
    unsent: Vec<u8>,
    /// How much of it has gone since.
    sent: usize,
    /// The peer has said that it sends no more: this was the last edge.
    ended: bool,
}

struct Server {
    epoll: OwnedFd,
    listener: TcpListener,
    /// By descriptor: the kernel hands out the smallest, so the table stays dense.
    connections: Vec<Option<Connection>>,
    buffer: Vec<u8>,
}

/// Serves until the process is ended.
pub(crate) fn serve(listener: TcpListener) -> io::Result<()> {
    // SAFETY: no memory is passed.
    let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    if epoll < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
    listener.set_nonblocking(true)?;
    let mut server = Server { epoll, listener, connections: Vec::new(), buffer: vec![0; BUFFER_BYTES] };
    server.watch(&server.listener, libc::EPOLLIN.cast_unsigned())?;
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; EVENTS_PER_WAIT];
    loop {
        // SAFETY: the array has the given length and outlives the call.
        let count = unsafe {
            libc::epoll_wait(server.epoll.as_raw_fd(), events.as_mut_ptr(), EVENTS_PER_WAIT as i32, -1)
        };
        for event in events.iter().take(usize::try_from(count).unwrap_or(0)) {
            server.ready(event.u64 as usize, event.events)?;
        }
    }
}

impl Server {
    #[inline]
    fn ready(&mut self, descriptor: usize, events: u32) -> io::Result<()> {
        match self.connections.get_mut(descriptor) {
            Some(Some(connection)) => {
                connection.ended |= events & ENDED != 0;
                if connection.serve(&mut self.buffer).is_err() {
                    self.connections[descriptor] = None;
                }
                Ok(())
            }
            _ => self.accept(),
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => self.admit(stream)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn admit(&mut self, stream: TcpStream) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        self.watch(&stream, INTEREST)?;
        let descriptor = stream.as_raw_fd() as usize;
        if self.connections.len() <= descriptor {
            self.connections.resize_with(descriptor + 1, || None);
        }
        self.connections[descriptor] = Some(Connection { stream, unsent: Vec::new(), sent: 0, ended: false });
        Ok(())
    }

    fn watch(&self, file: &impl AsRawFd, interest: u32) -> io::Result<()> {
        let mut event = libc::epoll_event { events: interest, u64: file.as_raw_fd() as u64 };
        // SAFETY: the event outlives the call.
        let result = unsafe {
            libc::epoll_ctl(self.epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, file.as_raw_fd(), &raw mut event)
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

impl Connection {
    /// Echoes until the socket has no more or takes no more. An error means that the connection is over.
    #[inline]
    fn serve(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        loop {
            if !self.unsent.is_empty() && !self.flush()? {
                return Ok(());
            }
            let len = match self.stream.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let sent = written(self.stream.write(&buffer[..len]))?;
            self.unsent.extend_from_slice(&buffer[sent..len]);
            // A read that does not fill the buffer has emptied the socket: the next arrival is a new edge.
            if len < buffer.len() && self.unsent.is_empty() && !self.ended {
                return Ok(());
            }
        }
    }

    /// Writes what is left over. Answers whether all of it is gone.
    fn flush(&mut self) -> io::Result<bool> {
        self.sent += written(self.stream.write(&self.unsent[self.sent..]))?;
        if self.sent < self.unsent.len() {
            return Ok(false);
        }
        self.unsent.clear();
        self.sent = 0;
        Ok(true)
    }
}

fn written(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}
