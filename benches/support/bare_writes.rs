//! The second reference for publishing: an edge-triggered epoll loop with one write for each connection.
//!
//! Knows: epoll, read, write, a log of what was published. Must not know the runtime that is judged.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use super::bare_epoll::written;
use super::epoll::{Epoll, Events, INTEREST};

const BUFFER_BYTES: usize = 64 << 10;
/// Whoever is further behind is ended.
const BEHIND_BYTES_MAX: usize = 8 << 20;

struct Connection {
    stream: TcpStream,
    /// How much of the log it has been sent.
    sent: usize,
}

struct Server {
    epoll: Epoll,
    listener: TcpListener,
    /// By descriptor.
    connections: Vec<Option<Connection>>,
    buffer: Vec<u8>,
    log: Vec<u8>,
}

/// Serves until the process is ended.
pub(crate) fn serve(listener: TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let (epoll, buffer) = (Epoll::new()?, vec![0; BUFFER_BYTES]);
    epoll.watch(&listener, libc::EPOLLIN.cast_unsigned())?;
    let mut server = Server { epoll, listener, connections: Vec::new(), buffer, log: Vec::new() };
    let mut events = Events::new();
    loop {
        for (descriptor, _) in server.epoll.wait(&mut events) {
            match server.connections.get(descriptor) {
                Some(Some(_)) => server.ready(descriptor),
                _ => server.accept()?,
            }
        }
    }
}

impl Server {
    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(true)?;
                    self.epoll.watch(&stream, INTEREST)?;
                    let descriptor = stream.as_raw_fd() as usize;
                    let count = self.connections.len().max(descriptor + 1);
                    self.connections.resize_with(count, || None);
                    self.connections[descriptor] = Some(Connection { stream, sent: self.log.len() });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes what has come, and sends it to all; and to this one what it has not taken before.
    fn ready(&mut self, descriptor: usize) {
        let before = self.log.len();
        if !self.receive(descriptor) {
            self.connections[descriptor] = None;
        } else if self.log.len() > before {
            (0..self.connections.len()).for_each(|descriptor| self.send(descriptor));
            self.forget();
        } else {
            self.send(descriptor);
        }
    }

    /// False if the stream has ended.
    fn receive(&mut self, descriptor: usize) -> bool {
        while let Some(connection) = &mut self.connections[descriptor] {
            match connection.stream.read(&mut self.buffer) {
                Ok(0) => return false,
                Ok(len) => self.log.extend_from_slice(&self.buffer[..len]),
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
        false
    }

    #[inline]
    fn send(&mut self, descriptor: usize) {
        let Some(connection) = &mut self.connections[descriptor] else { return };
        match written(connection.stream.write(&self.log[connection.sent..])) {
            Ok(len) => connection.sent += len,
            Err(_) => self.connections[descriptor] = None,
        }
    }

    /// Forgets what all have been sent, from time to time.
    fn forget(&mut self) {
        if self.log.len() < BEHIND_BYTES_MAX {
            return;
        }
        let keep = self.log.len() - BEHIND_BYTES_MAX / 4;
        self.log.drain(..keep);
        for place in &mut self.connections {
            *place = place.take().filter(|one| one.sent >= keep);
            place.iter_mut().for_each(|one| one.sent -= keep);
        }
    }
}
