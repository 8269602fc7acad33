//! The load generator: connections in a closed loop, every byte that comes back verified.
//!
//! Knows: io_uring, as the cheapest way to keep a server busy from one core. Must not know which server it is.
//!
//! Each connection sends its whole pipeline in one write, waits until all of it has come back, and sends again.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::str::FromStr;

use io_uring::types::{Fixed, TimeoutFlags, Timespec};
use io_uring::{cqueue, opcode};

use super::bare_uring::send;
use super::machine::{Clock, waited_ns};
use super::receive_pool::{GROUP, ReceivePool, Segment, Shape};
use super::ring::Ring;
use super::traffic::Pattern;

pub(crate) const SHAPE: Shape = Shape { buffers: 64, buffer_bytes: 65_536, incremental: true };

/// A tick wakes the load when the server is silent.
const TICK_NS: u32 = 10_000_000;
/// After this long without a byte the load gives up.
pub(crate) const STALL_NS: u64 = 5_000_000_000;

pub(crate) const RECEIVE: u64 = 1 << 32;
pub(crate) const SEND: u64 = 2 << 32;
const TICK: u64 = 3 << 32;

/// What to send, and for how long.
pub(crate) struct Plan {
    pub(crate) server: SocketAddr,
    pub(crate) server_pid: u32,
    pub(crate) connections: usize,
    pub(crate) pipeline: usize,
    pub(crate) size: usize,
    pub(crate) warm_up_ns: u64,
    pub(crate) window_ns: u64,
}

impl Plan {
    /// The plan as arguments of a child process.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let counts = [self.connections, self.pipeline, self.size].map(|count| count.to_string());
        let times = [self.warm_up_ns, self.window_ns].map(|time| time.to_string());
        [self.server.to_string(), self.server_pid.to_string()]
            .into_iter()
            .chain(counts)
            .chain(times)
            .collect()
    }

    /// The plan from the arguments of a child process.
    pub(crate) fn parse(arguments: &[String]) -> io::Result<Plan> {
        let [server, server_pid, connections, pipeline, size, warm_up_ns, window_ns] = arguments else {
            return Err(io::Error::other("a plan has seven parts"));
        };
        Ok(Plan {
            server: part(server)?,
            server_pid: part(server_pid)?,
            connections: part(connections)?,
            pipeline: part(pipeline)?,
            size: part(size)?,
            warm_up_ns: part(warm_up_ns)?,
            window_ns: part(window_ns)?,
        })
    }
}

/// A part of a command line.
pub(crate) fn part<T: FromStr>(text: &str) -> io::Result<T> {
    text.parse().map_err(|_| io::Error::other(format!("{text}: not what a plan has here")))
}

/// What a load saw in its window.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) bytes: u64,
    pub(crate) window_ns: u64,
    pub(crate) server_cpu_ns: u64,
    pub(crate) own_cpu_ns: u64,
    /// How long the server had work and its core was somebody else's.
    pub(crate) server_waited_ns: u64,
}

struct Connection {
    /// Where in the pattern the next request, and the next answer, begin.
    to_send: usize,
    to_receive: usize,
    /// Bytes of this round that are not yet sent, and not yet back.
    unsent: u32,
    unanswered: u32,
}

struct Load {
    ring: Ring,
    pool: ReceivePool,
    pattern: Pattern,
    connections: Vec<Connection>,
    round_bytes: u32,
    received: u64,
    starved: Vec<u32>,
    tick: &'static Timespec,
}

/// Runs the plan.
pub(crate) fn run(plan: &Plan) -> io::Result<Seen> {
    let sockets = connect(plan.server, plan.connections)?;
    let mut load = Load::new(plan, &sockets)?;
    load.start();
    load.turn_until(Clock::MONOTONIC.now_ns() + plan.warm_up_ns)?;
    let server_cpu = Clock::cpu_of(plan.server_pid)?;
    let clocks = [Clock::MONOTONIC, server_cpu, Clock::OWN_CPU];
    let before = clocks.map(Clock::now_ns);
    let received = load.received;
    let waited = waited_ns(plan.server_pid)?;
    load.turn_until(before[0] + plan.window_ns)?;
    let after = clocks.map(Clock::now_ns);
    Ok(Seen {
        bytes: load.received - received,
        window_ns: after[0] - before[0],
        server_cpu_ns: after[1] - before[1],
        own_cpu_ns: after[2] - before[2],
        server_waited_ns: waited_ns(plan.server_pid)? - waited,
    })
}

pub(crate) fn connect(server: SocketAddr, connections: usize) -> io::Result<Vec<TcpStream>> {
    let open = |_| {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    (0..connections).map(open).collect()
}

impl Load {
    fn new(plan: &Plan, sockets: &[TcpStream]) -> io::Result<Load> {
        let ring = Ring::new(0)?;
        let descriptors: Vec<i32> = sockets.iter().map(AsRawFd::as_raw_fd).collect();
        ring.submitter.register_files(&descriptors)?;
        let round_bytes = plan.size * plan.pipeline;
        let longest = round_bytes.max(SHAPE.buffer_bytes as usize);
        let idle = |index| {
            let position = Pattern::start(index);
            Connection { to_send: position, to_receive: position, unsent: 0, unanswered: 0 }
        };
        Ok(Load {
            pool: ReceivePool::register(&ring.submitter, SHAPE)?,
            ring,
            pattern: Pattern::new(longest),
            connections: (0..sockets.len()).map(idle).collect(),
            round_bytes: u32::try_from(round_bytes).map_err(io::Error::other)?,
            received: 0,
            starved: Vec::new(),
            tick: Box::leak(Box::new(Timespec::new().nsec(TICK_NS))),
        })
    }

    fn start(&mut self) {
        self.arm_tick();
        for slot in 0..self.connections.len() as u32 {
            self.arm_receive(slot);
            self.begin_round(slot);
        }
    }

    fn turn_until(&mut self, end_ns: u64) -> io::Result<()> {
        let mut progress = (self.received, Clock::MONOTONIC.now_ns());
        loop {
            self.turn()?;
            let now_ns = Clock::MONOTONIC.now_ns();
            if now_ns >= end_ns {
                return Ok(());
            }
            if self.received > progress.0 {
                progress = (self.received, now_ns);
            } else if now_ns - progress.1 > STALL_NS {
                return Err(io::Error::other("the server has fallen silent"));
            }
        }
    }

    #[inline]
    fn turn(&mut self) -> io::Result<()> {
        self.ring.enter();
        while let Some(completion) = self.ring.next() {
            let slot = completion.user_data() as u32;
            match completion.user_data() & !0xFFFF_FFFF {
                RECEIVE => self.received(slot, &completion)?,
                SEND => self.sent(slot, completion.result())?,
                _ if cqueue::more(completion.flags()) => {}
                _ => self.arm_tick(),
            }
        }
        self.pool.publish();
        if !self.starved.is_empty() && self.pool.room() > 0 {
            std::mem::take(&mut self.starved).into_iter().for_each(|slot| self.arm_receive(slot));
        }
        Ok(())
    }

    #[inline]
    fn received(&mut self, slot: u32, completion: &cqueue::Entry) -> io::Result<()> {
        if let Some(segment) = self.pool.take(completion) {
            self.verify(slot, segment)?;
            self.pool.release(segment.buffer);
        }
        if cqueue::more(completion.flags()) {
            return Ok(());
        }
        match completion.result() {
            result if result == -libc::ENOBUFS => self.starved.push(slot),
            result if result > 0 => self.arm_receive(slot),
            0 => return Err(io::Error::other("the server closed a connection")),
            result => return Err(io::Error::from_raw_os_error(-result)),
        }
        Ok(())
    }

    #[inline]
    fn verify(&mut self, slot: u32, segment: Segment) -> io::Result<()> {
        let connection = &mut self.connections[slot as usize];
        let len = segment.len as usize;
        let expected = self.pattern.at(connection.to_receive, len);
        if segment.len > connection.unanswered || self.pool.bytes(segment) != expected {
            return Err(io::Error::other(format!("connection {slot}: what came back is not what was sent")));
        }
        connection.to_receive = Pattern::advance(connection.to_receive, len);
        connection.unanswered -= segment.len;
        self.received += u64::from(segment.len);
        if connection.unanswered == 0 {
            self.begin_round(slot);
        }
        Ok(())
    }

    /// A round begins once all of the one before is back, hence also sent; its completion may still be on the way.
    fn begin_round(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        connection.unanswered = self.round_bytes;
        let idle = connection.unsent == 0;
        connection.unsent += self.round_bytes;
        if idle {
            self.send(slot);
        }
    }

    #[inline]
    fn sent(&mut self, slot: u32, result: i32) -> io::Result<()> {
        let sent = u32::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))?;
        let connection = &mut self.connections[slot as usize];
        connection.to_send = Pattern::advance(connection.to_send, sent as usize);
        connection.unsent -= sent;
        if connection.unsent > 0 {
            self.send(slot);
        }
        Ok(())
    }

    #[inline]
    fn send(&mut self, slot: u32) {
        let connection = &self.connections[slot as usize];
        let len = connection.unsent.min(self.round_bytes);
        let bytes = self.pattern.at(connection.to_send, len as usize);
        self.ring.push(send(slot, bytes.as_ptr(), len), SEND | u64::from(slot));
    }

    fn arm_receive(&mut self, slot: u32) {
        self.ring.push(opcode::RecvMulti::new(Fixed(slot), GROUP).build(), RECEIVE | u64::from(slot));
    }

    fn arm_tick(&mut self) {
        self.ring.push(opcode::Timeout::new(self.tick).flags(TimeoutFlags::MULTISHOT).build(), TICK);
    }
}
