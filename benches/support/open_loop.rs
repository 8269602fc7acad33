//! Requests at fixed times, whatever the server does, and how long after its time each was answered.
//!
//! Knows: a schedule, io_uring, a command per line of input. Must not know which server it is, nor what slow peers do.
//!
//! `connect PID CONNECTIONS SIZE` opens connections, for requests of so many bytes.
//! `slowly COUNT` has so many slow peers beside them from then on, until `rest`: they come back with the next window.
//! `window WARM_UP_NS WINDOW_NS` asks for so long, and looks at what was due after the first part.
//! `ends` tells what has become of the slow peers.
//! A time counts from when a request was due, not from when it was sent: a server that stalls delays all that were due meanwhile.

use std::collections::VecDeque;
use std::io::{self, BufRead};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;

use io_uring::types::Fixed;
use io_uring::{cqueue, opcode};

use super::bare_uring::send;
use super::disturbance::Watch;
use super::load::{RECEIVE, SEND, SHAPE, STALL_NS, connect, part};
use super::machine::Clock;
use super::pairs::Window;
use super::receive_pool::{GROUP, ReceivePool, Segment};
use super::ring::Ring;
use super::slowly::{SETTLE_NS, Slowly};
use super::traffic::Pattern;

/// Of all connections together: a fifth of what a server can do, more or less. Whether this load can is told by how late it asks.
pub(crate) const REQUESTS_PER_SECOND: u64 = 40_000;

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
    server_pid: u32,
    /// Kept open.
    _sockets: Vec<TcpStream>,
    connections: Vec<Connection>,
    begin_ns: u64,
    /// Of each request of the window, how long after its time it was answered, and sent.
    trips_ns: Vec<f64>,
    late_ns: Vec<f64>,
    unanswered: usize,
    slowly: Option<Slowly>,
}

/// Does what its input says, and answers each line with one.
pub(crate) fn run(server: SocketAddr) -> io::Result<()> {
    let mut load = None;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match (&words[..], &mut load) {
            (["connect", pid, connections, size], none) => {
                *none = Some(Load::new(connect(server, part(connections)?)?, part(pid)?, part(size)?)?);
                println!("result");
            }
            (["slowly", count], Some(load)) => {
                load.slowly = Some(Slowly::new(server, part(count)?));
                println!("result");
            }
            (["window", warm_up_ns, window_ns], Some(load)) => {
                load.settled_window(part(warm_up_ns)?, part(window_ns)?)?.tell();
            }
            (["rest"], Some(load)) => {
                load.slowly.iter_mut().for_each(Slowly::leave);
                println!("result");
            }
            (["ends"], Some(Load { slowly: Some(slowly), .. })) => slowly.ends().tell(),
            _ => return Err(io::Error::other(format!("what is `{line}`?"))),
        }
    }
    Ok(())
}

impl Load {
    fn new(sockets: Vec<TcpStream>, server_pid: u32, size: usize) -> io::Result<Load> {
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
            pattern: Pattern::new(size.max(SHAPE.buffer_bytes as usize)),
            size,
            server_pid,
            connections: (0..sockets.len()).map(idle).collect(),
            _sockets: sockets,
            begin_ns: 0,
            trips_ns: Vec::with_capacity(1 << 20),
            late_ns: Vec::with_capacity(1 << 20),
            unanswered: 0,
            slowly: None,
        })
    }

    /// A window in which slow peers come and go as they do at any time.
    fn settled_window(&mut self, warm_up_ns: u64, window_ns: u64) -> io::Result<Window> {
        if self.slowly.as_ref().is_some_and(|slowly| !slowly.settled) {
            let window = self.window(0, SETTLE_NS)?;
            self.slowly.iter_mut().for_each(|slowly| slowly.note(&window));
        }
        let window = self.window(warm_up_ns, window_ns)?;
        if let Some(slowly) = &mut self.slowly {
            slowly.settled = true;
            slowly.note(&window);
        }
        Ok(window)
    }

    /// Asks at fixed times, then waits for the answers.
    fn window(&mut self, warm_up_ns: u64, window_ns: u64) -> io::Result<Window> {
        self.trips_ns.clear();
        self.late_ns.clear();
        let gap_ns = 1_000_000_000 / REQUESTS_PER_SECOND;
        let mut watch = Watch::begin(self.server_pid, 0)?;
        let mut due_ns = Clock::MONOTONIC.now_ns() + gap_ns;
        self.begin_ns = due_ns + warm_up_ns;
        let end_ns = self.begin_ns + window_ns;
        let mut slot = 0;
        while due_ns < end_ns || self.unanswered > 0 {
            watch.look();
            let now_ns = Clock::MONOTONIC.now_ns();
            while due_ns <= now_ns && due_ns < end_ns {
                self.ask(slot, due_ns, now_ns);
                slot = (slot + 1) % self.connections.len() as u32;
                due_ns += gap_ns;
            }
            if now_ns > end_ns + STALL_NS {
                return Err(io::Error::other("the server has fallen silent"));
            }
            self.ring.watch(if due_ns < end_ns { due_ns } else { now_ns + gap_ns });
            self.turn()?;
            if let Some(slowly) = &mut self.slowly {
                slowly.step(Clock::MONOTONIC.now_ns())?;
            }
        }
        Ok(Window::of(&mut self.trips_ns, &mut self.late_ns, watch.end()?))
    }

    fn ask(&mut self, slot: u32, due_ns: u64, now_ns: u64) {
        let connection = &mut self.connections[slot as usize];
        let bytes = self.pattern.at(connection.to_send, self.size);
        connection.to_send = Pattern::advance(connection.to_send, self.size);
        connection.due_ns.push_back(due_ns);
        self.unanswered += 1;
        if due_ns >= self.begin_ns {
            self.late_ns.push((now_ns - due_ns) as f64);
        }
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
