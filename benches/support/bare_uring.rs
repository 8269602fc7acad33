//! The reference: an echo server, or a proxy, as lean as a single-threaded io_uring loop can be. It defines 1.00.
//!
//! Knows: multishot accept and receive into direct descriptors, sends straight from the received bytes, one at a time
//! per connection. Must not know the runtime that is judged against it.
//!
//! What a connection receives is sent on its mate: on itself in an echo server, in a proxy on the one that was connected for it.
//!
//! One turn is one `io_uring_enter`: it submits the sends of the turn before and collects what has completed.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use io_uring::types::Fixed;
use io_uring::{cqueue, opcode, squeue, types};

use super::receive_pool::{GROUP, ReceivePool, Segment, Shape};
use super::ring::Ring;

const DESCRIPTORS: u32 = 16_384;
const NONE: u32 = u32::MAX;

const ACCEPT: u64 = 0 << 32;
const RECEIVE: u64 = 1 << 32;
const SEND: u64 = 2 << 32;
const END: u64 = 3 << 32;

/// What a connection needs while the kernel works for it.
#[derive(Clone, Copy)]
struct Connection {
    /// What it has received and its mate is sending, less what is already gone.
    sending: Segment,
    /// The queue behind it: first and last index in `Server::waiting`.
    first: u32,
    last: u32,
    send_in_flight: bool,
    armed: bool,
    /// A send failed: what arrives is dropped.
    failed: bool,
}

const IDLE: Connection = Connection {
    sending: Segment { start: 0, len: 0, buffer: 0 },
    first: NONE,
    last: NONE,
    send_in_flight: false,
    armed: true,
    failed: false,
};

/// A segment behind the one that is being sent.
#[derive(Clone, Copy)]
struct Waiting {
    segment: Segment,
    next: u32,
}

struct Server {
    ring: Ring,
    pool: ReceivePool,
    listener: TcpListener,
    /// Where a proxy connects the mate of each connection to.
    upstream: Option<SocketAddr>,
    /// Makes the slot of a mate of a slot: nothing, or the lowest bit.
    mirror: u32,
    connections: Vec<Connection>,
    waiting: Vec<Waiting>,
    /// First free entry of `waiting`.
    free: u32,
    /// Connections whose receive ended for want of a buffer, in the order in which they get one.
    starved: VecDeque<u32>,
}

/// Serves until the process is ended.
pub(crate) fn serve(
    listener: TcpListener,
    upstream: Option<SocketAddr>,
    shape: Shape,
    spin_us: u64,
) -> io::Result<()> {
    let ring = Ring::new(spin_us)?;
    ring.submitter.register_files_sparse(DESCRIPTORS)?;
    let pool = ReceivePool::register(&ring.submitter, shape)?;
    listener.set_nonblocking(upstream.is_some())?;
    let mut server = Server {
        mirror: u32::from(upstream.is_some()),
        ring,
        pool,
        listener,
        upstream,
        connections: Vec::with_capacity(DESCRIPTORS as usize),
        waiting: Vec::new(),
        free: NONE,
        starved: VecDeque::new(),
    };
    server.arm_accept();
    loop {
        server.ring.enter();
        while let Some(completion) = server.ring.next() {
            server.route(&completion)?;
        }
        server.pool.publish();
        server.feed();
    }
}

impl Server {
    #[inline]
    fn route(&mut self, completion: &cqueue::Entry) -> io::Result<()> {
        let slot = completion.user_data() as u32;
        match completion.user_data() & !0xFFFF_FFFF {
            RECEIVE => self.received(slot, completion),
            SEND => self.sent(slot, completion.result()),
            ACCEPT => self.accepted(completion)?,
            _ => {}
        }
        Ok(())
    }

    fn accepted(&mut self, completion: &cqueue::Entry) -> io::Result<()> {
        if let Some(upstream) = self.upstream {
            self.join_all(upstream)?;
        } else if let Ok(slot) = u32::try_from(completion.result()) {
            self.open(slot);
        }
        if !cqueue::more(completion.flags()) {
            self.arm_accept();
        }
        Ok(())
    }

    /// Gives a mate to every client that has connected. Their slots are not used again: a proxy lives for one measurement.
    fn join_all(&mut self, upstream: SocketAddr) -> io::Result<()> {
        loop {
            let client = match self.listener.accept() {
                Ok((client, _)) => client,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let mate = TcpStream::connect(upstream)?;
            mate.set_nodelay(true)?;
            let slot = self.connections.len() as u32;
            self.ring.submitter.register_files_update(slot, &[client.as_raw_fd(), mate.as_raw_fd()])?;
            self.open(slot);
            self.open(slot + 1);
        }
    }

    fn open(&mut self, slot: u32) {
        let count = self.connections.len().max(slot as usize + 1);
        self.connections.resize(count, IDLE);
        self.connections[slot as usize] = IDLE;
        self.arm_receive(slot);
    }

    #[inline]
    fn received(&mut self, slot: u32, completion: &cqueue::Entry) {
        if let Some(segment) = self.pool.take(completion) {
            self.echo(slot, segment);
        }
        if !cqueue::more(completion.flags()) {
            self.receive_ended(slot, completion.result());
        }
    }

    #[inline]
    fn echo(&mut self, slot: u32, segment: Segment) {
        let connection = &mut self.connections[slot as usize];
        if connection.failed {
            self.pool.release(segment.buffer);
        } else if connection.send_in_flight {
            self.enqueue(slot, segment);
        } else {
            connection.sending = segment;
            connection.send_in_flight = true;
            self.send(slot, segment);
        }
    }

    #[inline]
    fn sent(&mut self, slot: u32, result: i32) {
        let connection = &mut self.connections[slot as usize];
        let Ok(sent) = u32::try_from(result) else { return self.send_failed(slot) };
        connection.sending.start += sent;
        connection.sending.len -= sent;
        if connection.sending.len > 0 {
            let rest = connection.sending;
            return self.send(slot, rest);
        }
        let buffer = connection.sending.buffer;
        if connection.first == NONE {
            connection.send_in_flight = false;
        } else {
            let next = self.dequeue(slot);
            self.connections[slot as usize].sending = next;
            self.send(slot, next);
        }
        self.pool.release(buffer);
        self.close_if_done(slot);
    }

    /// The peer is gone: give up what is queued, and end the receive if it has not ended by itself.
    fn send_failed(&mut self, slot: u32) {
        self.pool.release(self.connections[slot as usize].sending.buffer);
        while self.connections[slot as usize].first != NONE {
            let segment = self.dequeue(slot);
            self.pool.release(segment.buffer);
        }
        let connection = &mut self.connections[slot as usize];
        connection.send_in_flight = false;
        connection.failed = true;
        if connection.armed {
            self.ring.push(opcode::Shutdown::new(Fixed(slot), libc::SHUT_RDWR).build(), END);
        }
        self.close_if_done(slot);
    }

    fn receive_ended(&mut self, slot: u32, result: i32) {
        if result > 0 {
            self.arm_receive(slot);
        } else if result == -libc::ENOBUFS {
            self.starved.push_back(slot);
        } else {
            self.connections[slot as usize].armed = false;
            self.close_if_done(slot);
        }
    }

    #[inline]
    fn close_if_done(&mut self, slot: u32) {
        if self.done(slot) {
            self.close(slot);
        }
    }

    /// Whether everything that was received has been sent, and nothing more comes.
    #[inline]
    fn done(&self, slot: u32) -> bool {
        let connection = &self.connections[slot as usize];
        !connection.armed && !connection.send_in_flight
    }

    /// Passes on the end of a stream to the mate, or closes both when that was the second end.
    fn close(&mut self, slot: u32) {
        let mate = slot ^ self.mirror;
        if !self.done(mate) {
            return self.ring.push(opcode::Shutdown::new(Fixed(mate), libc::SHUT_WR).build(), END);
        }
        self.ring.push(opcode::Close::new(Fixed(slot)).build(), END);
        if mate != slot {
            self.ring.push(opcode::Close::new(Fixed(mate)).build(), END);
        }
    }

    /// Receives again on connections that found no buffer: on as many as there are buffers now.
    #[inline]
    fn feed(&mut self) {
        let count = self.starved.len().min(self.pool.room());
        for _ in 0..count {
            if let Some(slot) = self.starved.pop_front() {
                self.arm_receive(slot);
            }
        }
    }

    fn enqueue(&mut self, slot: u32, segment: Segment) {
        let last = self.connections[slot as usize].last;
        if let Some(tail) = self.waiting.get_mut(last as usize) {
            let end = tail.segment.start + tail.segment.len;
            if tail.segment.buffer == segment.buffer && end == segment.start {
                tail.segment.len += segment.len;
                return self.pool.release(segment.buffer);
            }
        }
        let index = self.waiting_entry(Waiting { segment, next: NONE });
        match self.waiting.get_mut(last as usize) {
            Some(tail) => tail.next = index,
            None => self.connections[slot as usize].first = index,
        }
        self.connections[slot as usize].last = index;
    }

    fn waiting_entry(&mut self, entry: Waiting) -> u32 {
        let index = self.free;
        if index == NONE {
            self.waiting.push(entry);
            return self.waiting.len() as u32 - 1;
        }
        self.free = std::mem::replace(&mut self.waiting[index as usize], entry).next;
        index
    }

    fn dequeue(&mut self, slot: u32) -> Segment {
        let connection = &mut self.connections[slot as usize];
        let index = connection.first;
        let entry = &mut self.waiting[index as usize];
        connection.first = entry.next;
        if entry.next == NONE {
            connection.last = NONE;
        }
        entry.next = self.free;
        self.free = index;
        entry.segment
    }

    fn arm_accept(&mut self) {
        let listener = types::Fd(self.listener.as_raw_fd());
        let entry = match self.upstream {
            None => opcode::AcceptMulti::new(listener).allocate_file_index(true).build(),
            Some(_) => opcode::PollAdd::new(listener, libc::POLLIN as u32).multi(true).build(),
        };
        self.ring.push(entry, ACCEPT);
    }

    fn arm_receive(&mut self, slot: u32) {
        self.ring.push(opcode::RecvMulti::new(Fixed(slot), GROUP).build(), RECEIVE | u64::from(slot));
    }

    #[inline]
    fn send(&mut self, slot: u32, segment: Segment) {
        let mate = slot ^ self.mirror;
        self.ring.push(send(mate, self.pool.pointer(segment.start), segment.len), SEND | u64::from(slot));
    }
}

/// A send that the kernel continues by itself where it can.
#[inline]
pub(crate) fn send(slot: u32, bytes: *const u8, len: u32) -> squeue::Entry {
    opcode::Send::new(Fixed(slot), bytes, len).flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL).build()
}
