//! Requests at fixed times, whatever the server does, and how long after its time each was answered.
//!
//! Knows: a schedule, io_uring. Must not know which server it is, nor who else is connected.
//!
//! A time counts from when a request was due, not from when it was sent: a server that stalls delays all that were due meanwhile.

use std::collections::VecDeque;
use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd;

use io_uring::types::Fixed;
use io_uring::{cqueue, opcode};

use super::bare_uring::send;
use super::load::{Plan, RECEIVE, SEND, SHAPE, STALL_NS, connect};
use super::machine::Clock;
use super::receive_pool::{GROUP, ReceivePool, Segment};
use super::ring::Ring;
use super::round_trip::Trips;
use super::stats::quantile;
use super::traffic::Pattern;

/// Of all connections together: a fifth of what a server can do, more or less.
const REQUESTS_PER_SECOND: u64 = 40_000;

struct Connection {
    to_send: usize,
    to_receive: usize,
    /// When each request was due that is not answered, and how much of the first answer is there.
    due_ns: VecDeque<u64>,
    received: usize,
}

struct Load {
    ring: Ring,
    pool: ReceivePool,
    pattern: Pattern,
    size: usize,
    connections: Vec<Connection>,
    begin_ns: u64,
    trips_ns: Vec<f64>,
    unanswered: usize,
}

/// Runs the plan.
pub(crate) fn run(plan: &Plan) -> io::Result<Trips> {
    let sockets = connect(plan)?;
    let mut load = Load::new(plan, &sockets)?;
    let gap_ns = 1_000_000_000 / REQUESTS_PER_SECOND;
    let mut due_ns = Clock::MONOTONIC.now_ns() + gap_ns;
    load.begin_ns = due_ns + plan.warm_up_ns;
    let end_ns = load.begin_ns + plan.window_ns;
    let mut slot = 0;
    while due_ns < end_ns || load.unanswered > 0 {
        let now_ns = Clock::MONOTONIC.now_ns();
        while due_ns <= now_ns && due_ns < end_ns {
            load.ask(slot, due_ns);
            slot = (slot + 1) % load.connections.len() as u32;
            due_ns += gap_ns;
        }
        if now_ns > end_ns + STALL_NS {
            return Err(io::Error::other("the server has fallen silent"));
        }
        load.ring.watch(if due_ns < end_ns { due_ns } else { now_ns + gap_ns });
        load.turn()?;
    }
    load.trips_ns.sort_by(f64::total_cmp);
    Ok(Trips { p50_ns: quantile(&load.trips_ns, 0.5), p99_ns: quantile(&load.trips_ns, 0.99) })
}

impl Load {
    fn new(plan: &Plan, sockets: &[TcpStream]) -> io::Result<Load> {
        let mut ring = Ring::new(1)?;
        let descriptors: Vec<i32> = sockets.iter().map(AsRawFd::as_raw_fd).collect();
        ring.submitter.register_files(&descriptors)?;
        let pool = ReceivePool::register(&ring.submitter, SHAPE)?;
        (0..sockets.len() as u32).for_each(|slot| arm_receive(&mut ring, slot));
        let idle = |index| {
            let position = Pattern::start(index);
            Connection { to_send: position, to_receive: position, due_ns: VecDeque::new(), received: 0 }
        };
        Ok(Load {
            ring,
            pool,
            pattern: Pattern::new(plan.size.max(SHAPE.buffer_bytes as usize)),
            size: plan.size,
            connections: (0..sockets.len()).map(idle).collect(),
            begin_ns: 0,
            trips_ns: Vec::with_capacity(1 << 20),
            unanswered: 0,
        })
    }

    fn ask(&mut self, slot: u32, due_ns: u64) {
        let connection = &mut self.connections[slot as usize];
        let bytes = self.pattern.at(connection.to_send, self.size);
        connection.to_send = Pattern::advance(connection.to_send, self.size);
        connection.due_ns.push_back(due_ns);
        self.unanswered += 1;
        // So few that each is sent at once, in this order.
        self.ring.push(send(slot, bytes.as_ptr(), self.size as u32), SEND | u64::from(slot));
    }

    fn turn(&mut self) -> io::Result<()> {
        while let Some(completion) = self.ring.next() {
            let slot = completion.user_data() as u32;
            if completion.user_data() & !0xFFFF_FFFF == RECEIVE {
                self.received(slot, &completion)?;
            } else if completion.result() != self.size as i32 {
                return Err(io::Error::other("a request was not sent at once"));
            }
        }
        self.pool.publish();
        Ok(())
    }

    fn received(&mut self, slot: u32, completion: &cqueue::Entry) -> io::Result<()> {
        if let Some(segment) = self.pool.take(completion) {
            self.answered(slot, segment)?;
            self.pool.release(segment.buffer);
        }
        if !cqueue::more(completion.flags()) {
            if completion.result() <= 0 && completion.result() != -libc::ENOBUFS {
                return Err(io::Error::other("the server closed a connection"));
            }
            arm_receive(&mut self.ring, slot);
        }
        Ok(())
    }

    fn answered(&mut self, slot: u32, segment: Segment) -> io::Result<()> {
        let now_ns = Clock::MONOTONIC.now_ns();
        let connection = &mut self.connections[slot as usize];
        let len = segment.len as usize;
        if self.pool.bytes(segment) != self.pattern.at(connection.to_receive, len) {
            return Err(io::Error::other(format!("connection {slot}: what came back is not what was sent")));
        }
        connection.to_receive = Pattern::advance(connection.to_receive, len);
        connection.received += len;
        while connection.received >= self.size {
            connection.received -= self.size;
            let due_ns =
                connection.due_ns.pop_front().ok_or_else(|| io::Error::other("more than was asked for"))?;
            self.unanswered -= 1;
            if due_ns >= self.begin_ns {
                self.trips_ns.push((now_ns - due_ns) as f64);
            }
        }
        Ok(())
    }
}

fn arm_receive(ring: &mut Ring, slot: u32) {
    ring.push(opcode::RecvMulti::new(Fixed(slot), GROUP).build(), RECEIVE | u64::from(slot));
}
