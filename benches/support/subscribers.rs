//! Publishes, and receives on thousands of connections what is published, every byte verified.
//!
//! Knows: io_uring, a command per line of input. Must not know which server it is.
//!
//! `connect PID READERS SILENT` opens connections, so many that read and so many that never do; the first one publishes.
//! `more READERS` opens so many more that read.
//! `publish COUNT BURST` publishes so many times, so many messages at once, each time when everybody has got the last.
//! `due COUNT GAP_NS` publishes one message at each of so many fixed times, whatever the server does: a time counts from when it was due.

use std::io::{self, BufRead, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use io_uring::types::{Fixed, Timespec};
use io_uring::{cqueue, opcode};

use super::disturbance::Watch;
use super::idle::SOCKET_BYTES;
use super::load::{RECEIVE, SHAPE, STALL_NS, part};
use super::machine::{Clock, set_option, waited_ns};
use super::pairs::Window;
use super::receive_pool::{GROUP, ReceivePool, Segment};
use super::ring::Ring;
use super::traffic::Pattern;

/// Bytes of a message.
pub(crate) const MESSAGE: usize = 100;
/// Connections at most.
const DESCRIPTORS: u32 = 16_384;
/// Until servers have done what a new connection is to them.
const SETTLE: Duration = Duration::from_millis(500);
/// A tick wakes this process when the server is silent, or something is due.
const TICK_NS: u32 = 500_000;
const TICK: u64 = 3 << 32;
/// A core that slept may be late by as much again.
const SLEEP_NS: u64 = 2 * TICK_NS as u64;

struct Subscribers {
    ring: Ring,
    pool: ReceivePool,
    pattern: Pattern,
    readers: Vec<TcpStream>,
    silent: Vec<TcpStream>,
    server: SocketAddr,
    server_pid: u32,
    /// How much of what was published each reader has got.
    got: Vec<u64>,
    published: u64,
    /// What all readers together have got, and are still to get.
    received: u64,
    owed: u64,
    starved: Vec<u32>,
    tick: &'static Timespec,
    ticking: bool,
    /// When each message was due, from this one on; none where that does not matter.
    first_due: u64,
    due_ns: Vec<u64>,
    delays_ns: Vec<f64>,
    watch: Option<Watch>,
}

/// Does what its input says, and answers each line with one.
pub(crate) fn run(server: SocketAddr) -> io::Result<()> {
    let mut subscribers = None;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match (&words[..], &mut subscribers) {
            (["connect", pid, readers, silent], none) => {
                *none = Some(Subscribers::connect(server, part(pid)?, part(readers)?, part(silent)?)?);
                println!("result");
            }
            (["more", readers], Some(subscribers)) => {
                subscribers.admit(part(readers)?)?;
                println!("result");
            }
            (["publish", count, burst], Some(subscribers)) => {
                let [cpu_ns, own_cpu_ns, waited_ns, took_ns] =
                    subscribers.publish_in_turn(part(count)?, part(burst)?)?;
                println!("result {cpu_ns} {own_cpu_ns} {waited_ns} {took_ns}");
            }
            (["due", count, gap_ns], Some(subscribers)) => {
                subscribers.publish_when_due(part(count)?, part(gap_ns)?)?.tell();
            }
            _ => return Err(io::Error::other(format!("what is `{line}`?"))),
        }
    }
    Ok(())
}

impl Subscribers {
    fn connect(
        server: SocketAddr,
        server_pid: u32,
        readers: usize,
        silent: usize,
    ) -> io::Result<Subscribers> {
        let silent: Vec<TcpStream> =
            (0..silent).map(|_| TcpStream::connect(server)).collect::<io::Result<_>>()?;
        for stream in &silent {
            set_option(stream, libc::SOL_SOCKET, libc::SO_RCVBUF, SOCKET_BYTES)?;
        }
        let ring = Ring::new(0)?;
        ring.submitter.register_files_sparse(DESCRIPTORS)?;
        let mut subscribers = Subscribers {
            pool: ReceivePool::register(&ring.submitter, SHAPE)?,
            ring,
            pattern: Pattern::new(SHAPE.buffer_bytes as usize),
            server,
            got: Vec::new(),
            readers: Vec::new(),
            silent,
            server_pid,
            published: 0,
            received: 0,
            owed: 0,
            starved: Vec::new(),
            tick: Box::leak(Box::new(Timespec::new().nsec(TICK_NS))),
            ticking: false,
            first_due: u64::MAX,
            due_ns: Vec::new(),
            delays_ns: Vec::new(),
            watch: None,
        };
        subscribers.admit(readers)?;
        subscribers.readers[0].set_nodelay(true)?;
        Ok(subscribers)
    }

    /// Opens connections that read what is published from now on.
    fn admit(&mut self, readers: usize) -> io::Result<()> {
        let before = self.readers.len() as u32;
        for _ in 0..readers {
            self.readers.push(TcpStream::connect(self.server)?);
        }
        thread::sleep(SETTLE);
        let descriptors: Vec<i32> = self.readers[before as usize..].iter().map(AsRawFd::as_raw_fd).collect();
        self.ring.submitter.register_files_update(before, &descriptors)?;
        self.got.resize(self.readers.len(), self.published);
        (before..self.readers.len() as u32).for_each(|slot| self.arm_receive(slot));
        self.turn()
    }

    /// CPU time of the server and of this process, how long the server waited for a core, and how long it took.
    fn publish_in_turn(&mut self, count: usize, burst: usize) -> io::Result<[u64; 4]> {
        let server_cpu = Clock::cpu_of(self.server_pid)?;
        let clocks = [server_cpu, Clock::OWN_CPU, Clock::MONOTONIC];
        let waited = waited_ns(self.server_pid)?;
        let before = clocks.map(Clock::now_ns);
        for _ in 0..count {
            self.publish(burst)?;
            self.receive_until(|this| this.owed == 0)?;
        }
        let after = clocks.map(Clock::now_ns);
        let took = [0, 1, 2].map(|clock: usize| after[clock] - before[clock]);
        Ok([took[0], took[1], waited_ns(self.server_pid)? - waited, took[2]])
    }

    /// How long after its time a message came to each reader.
    fn publish_when_due(&mut self, count: u64, gap_ns: u64) -> io::Result<Window> {
        self.first_due = self.published / MESSAGE as u64;
        (self.due_ns, self.delays_ns) = (Vec::new(), Vec::new());
        let mut late_ns = Vec::new();
        self.watch = Some(Watch::begin(self.server_pid, SLEEP_NS)?);
        let start_ns = Clock::MONOTONIC.now_ns() + gap_ns;
        for index in 0..count {
            let due_ns = start_ns + index * gap_ns;
            self.receive_until(|_| Clock::MONOTONIC.now_ns() >= due_ns)?;
            self.due_ns.push(due_ns);
            late_ns.push((Clock::MONOTONIC.now_ns() - due_ns) as f64);
            self.publish(1)?;
        }
        self.receive_until(|this| this.owed == 0)?;
        self.first_due = u64::MAX;
        let cores = self.watch.take().expect("the watch has begun with the window").end()?;
        // Fails where the server has ended one that never reads.
        self.silent.iter().try_for_each(|stream| stream.take_error()?.map_or(Ok(()), Err))?;
        Ok(Window::of(&mut self.delays_ns, &mut late_ns, cores))
    }

    fn publish(&mut self, messages: usize) -> io::Result<()> {
        let place = self.published as usize;
        let len = messages * MESSAGE;
        self.published += len as u64;
        self.owed += (len * self.readers.len()) as u64;
        let bytes = self.pattern.at(Pattern::advance(0, place), len);
        (&self.readers[0]).write_all(bytes)
    }

    fn receive_until(&mut self, enough: impl Fn(&Subscribers) -> bool) -> io::Result<()> {
        let mut progress = (self.received, Clock::MONOTONIC.now_ns());
        while !enough(self) {
            self.turn()?;
            if self.received > progress.0 {
                progress = (self.received, Clock::MONOTONIC.now_ns());
            } else if Clock::MONOTONIC.now_ns() - progress.1 > STALL_NS {
                return Err(io::Error::other("not everybody has got everything"));
            }
        }
        Ok(())
    }

    #[inline]
    fn turn(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.ticking, true) {
            self.ring.push(opcode::Timeout::new(self.tick).build(), TICK);
        }
        if let Some(watch) = &mut self.watch {
            watch.look();
        }
        self.ring.enter();
        while let Some(completion) = self.ring.next() {
            let slot = completion.user_data() as u32;
            match completion.user_data() & !0xFFFF_FFFF {
                RECEIVE => self.received(slot, &completion)?,
                _ => self.ticking = false,
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
        let got = &mut self.got[slot as usize];
        let (before, len) = (*got, u64::from(segment.len));
        *got += len;
        self.received += len;
        self.owed = self.owed.saturating_sub(len);
        let expected = self.pattern.at(Pattern::advance(0, before as usize), segment.len as usize);
        if *got > self.published || self.pool.bytes(segment) != expected {
            return Err(io::Error::other(format!("connection {slot}: what came is not what was published")));
        }
        let complete = before / MESSAGE as u64..*got / MESSAGE as u64;
        if complete.start >= self.first_due {
            let now_ns = Clock::MONOTONIC.now_ns();
            let due = |message: u64| self.due_ns[(message - self.first_due) as usize];
            self.delays_ns.extend(complete.map(|message| (now_ns - due(message)) as f64));
        }
        Ok(())
    }

    fn arm_receive(&mut self, slot: u32) {
        self.ring.push(opcode::RecvMulti::new(Fixed(slot), GROUP).build(), RECEIVE | u64::from(slot));
    }
}
