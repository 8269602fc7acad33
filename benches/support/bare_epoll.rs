//! The second reference: an edge-triggered epoll loop. If the io_uring loop is not about as cheap, it is no reference.
//!
//! Knows: epoll, read, write. Must not know the runtime that is judged.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use super::epoll::{ENDED, Epoll, Events, INTEREST};

const BUFFER_BYTES: usize = 256 * 1024;

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
    epoll: Epoll,
    listener: TcpListener,
    /// By descriptor: the kernel hands out the smallest, so the table stays dense.
    connections: Vec<Option<Connection>>,
    buffer: Vec<u8>,
}

/// Serves until the process is ended.
pub(crate) fn serve(listener: TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut server =
        Server { epoll: Epoll::new()?, listener, connections: Vec::new(), buffer: vec![0; BUFFER_BYTES] };
    server.epoll.watch(&server.listener, libc::EPOLLIN.cast_unsigned())?;
    let mut events = Events::new();
    loop {
        for (descriptor, ready) in server.epoll.wait(&mut events) {
            server.ready(descriptor, ready)?;
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
        self.epoll.watch(&stream, INTEREST)?;
        let descriptor = stream.as_raw_fd() as usize;
        if self.connections.len() <= descriptor {
            self.connections.resize_with(descriptor + 1, || None);
        }
        self.connections[descriptor] = Some(Connection { stream, unsent: Vec::new(), sent: 0, ended: false });
        Ok(())
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

pub(crate) fn written(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}
