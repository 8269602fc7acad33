//! The reference for publishing: what any connection sends goes to all, as lean as a single-threaded io_uring loop can do it.
//!
//! Knows: multishot accept and receive into direct descriptors, a log of what was published. Must not know the runtime that is judged
//! against it.
//!
//! All connections are sent from one log, each from where it has got to: no byte is copied for a connection, and whatever has been
//! published while one was busy leaves as one send. A connection whose place the log is about to overwrite is ended.
//!
//! `--batch N` says how many sends are begun before completions are looked at: 8, 32, 128 and 2,048 differ by less than a run does from the
//! next. Sends that say nothing when they succeed are no help: where a connection has got to must be known. Receives are armed on all
//! connections, as a server must that wants to know who is gone.

use std::io;
use std::net::TcpListener;
use std::os::fd::AsRawFd;

use io_uring::types::Fixed;
use io_uring::{cqueue, opcode, types};

use super::bare_uring::send;
use super::receive_pool::{GROUP, ReceivePool, Shape};
use super::ring::Ring;

const DESCRIPTORS: u32 = 16_384;
/// What is kept of what was published.
const LOG_BYTES: usize = 8 << 20;

/// How many sends are submitted at a time.
pub(crate) const BATCH: usize = 1024;

const ACCEPT: u64 = 0 << 32;
const RECEIVE: u64 = 1 << 32;
const SEND: u64 = 2 << 32;
const END: u64 = 3 << 32;

#[derive(Clone, Copy, Default)]
struct Connection {
    /// How much of the log it has been sent.
    sent: u64,
    open: bool,
    sending: bool,
}

struct Server {
    ring: Ring,
    pool: ReceivePool,
    listener: TcpListener,
    connections: Vec<Connection>,
    log: &'static mut [u8],
    /// How much has been published.
    end: u64,
    /// Who has to be looked at since that grew.
    next: usize,
    batch: usize,
}

/// Serves until the process is ended.
pub(crate) fn serve(listener: TcpListener, shape: Shape, batch: usize) -> io::Result<()> {
    let ring = Ring::new(0)?;
    ring.submitter.register_files_sparse(DESCRIPTORS)?;
    let pool = ReceivePool::register(&ring.submitter, shape)?;
    let log = Box::leak(vec![0; LOG_BYTES].into_boxed_slice());
    let mut server = Server { ring, pool, listener, connections: Vec::new(), log, end: 0, next: 0, batch };
    server.arm_accept();
    loop {
        server.send_some();
        server.ring.enter();
        while let Some(completion) = server.ring.next() {
            server.route(&completion);
        }
        server.pool.publish();
    }
}

impl Server {
    /// Begins sends to the next connections that have not got everything.
    fn send_some(&mut self) {
        let mut left = self.batch;
        while left > 0 && self.next < self.connections.len() {
            left -= usize::from(self.send(self.next));
            self.next += 1;
        }
    }

    /// Sends what a connection has not got. False if there is nothing, or a send is under way.
    #[inline]
    fn send(&mut self, slot: usize) -> bool {
        let connection = &mut self.connections[slot];
        if !connection.open || connection.sending || connection.sent == self.end {
            return false;
        }
        connection.sending = true;
        let place = connection.sent as usize % LOG_BYTES;
        let len = ((self.end - connection.sent) as usize).min(LOG_BYTES - place);
        let bytes = &self.log[place..place + len];
        self.ring.push(send(slot as u32, bytes.as_ptr(), len as u32), SEND | slot as u64);
        true
    }

    #[inline]
    fn route(&mut self, completion: &cqueue::Entry) {
        let slot = completion.user_data() as u32 as usize;
        match completion.user_data() & !0xFFFF_FFFF {
            SEND => self.sent(slot, completion.result()),
            RECEIVE => self.received(slot, completion),
            ACCEPT => self.accepted(completion),
            _ => {}
        }
    }

    #[inline]
    fn sent(&mut self, slot: usize, result: i32) {
        let connection = &mut self.connections[slot];
        connection.sending = false;
        match u64::try_from(result) {
            Ok(sent) => {
                connection.sent += sent;
                // Whoever is not yet passed is looked at anyway.
                if slot < self.next {
                    self.send(slot);
                }
            }
            Err(_) => self.close(slot),
        }
    }

    fn received(&mut self, slot: usize, completion: &cqueue::Entry) {
        if let Some(segment) = self.pool.take(completion) {
            for &byte in self.pool.bytes(segment) {
                self.log[self.end as usize % LOG_BYTES] = byte;
                self.end += 1;
            }
            self.pool.release(segment.buffer);
            self.next = 0;
            self.end_those_left_behind();
        }
        if cqueue::more(completion.flags()) {
            return;
        }
        if completion.result() > 0 || completion.result() == -libc::ENOBUFS {
            self.arm_receive(slot);
        } else {
            self.close(slot);
        }
    }

    /// Once for each half of the log.
    fn end_those_left_behind(&mut self) {
        if self.end as usize % (LOG_BYTES / 2) >= 1 << 16 {
            return;
        }
        for slot in 0..self.connections.len() {
            if self.connections[slot].open
                && (self.end - self.connections[slot].sent) as usize > LOG_BYTES / 4
            {
                self.close(slot);
            }
        }
    }

    fn accepted(&mut self, completion: &cqueue::Entry) {
        if let Ok(slot) = usize::try_from(completion.result()) {
            let count = self.connections.len().max(slot + 1);
            self.connections.resize(count, Connection::default());
            self.connections[slot] = Connection { sent: self.end, open: true, sending: false };
            self.arm_receive(slot);
        }
        if !cqueue::more(completion.flags()) {
            self.arm_accept();
        }
    }

    fn close(&mut self, slot: usize) {
        if std::mem::take(&mut self.connections[slot].open) {
            self.ring.push(opcode::Shutdown::new(Fixed(slot as u32), libc::SHUT_RDWR).build(), END);
            self.ring.push(opcode::Close::new(Fixed(slot as u32)).build(), END);
        }
    }

    fn arm_accept(&mut self) {
        let listener = types::Fd(self.listener.as_raw_fd());
        self.ring.push(opcode::AcceptMulti::new(listener).allocate_file_index(true).build(), ACCEPT);
    }

    fn arm_receive(&mut self, slot: usize) {
        let entry = opcode::RecvMulti::new(Fixed(slot as u32), GROUP).build();
        self.ring.push(entry, RECEIVE | slot as u64);
    }
}
