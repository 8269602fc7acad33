//! A proxy that does to a connection what its plan says. It has threads and blocking sockets, and nothing of the runtime.
//!
//! Knows: plans, and how they are carried out. Must not know what the bytes mean.
//!
//! One proxy is one connection, and two threads, one for each direction. Each looks around every few milliseconds, however long a
//! socket makes it wait: where one direction fails, the other ends as well.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use odeon::sys::{Random, now};
use socket2::{Domain, SockRef, Socket, Type};

use crate::plan::{Accident, Cuts, Faults, Plan};
use crate::wire::log_uniform;
use crate::world::PATIENCE;

/// How often a thread looks around while a socket makes it wait.
const LOOK: Duration = Duration::from_millis(5);

/// How one direction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The sender's stream ended, and so did the other.
    OfStream,
    /// As planned.
    Planned(Accident),
    /// Reading failed: the sender's connection has broken.
    ReadFailed(ErrorKind),
    /// Writing failed: the receiver's connection has broken.
    WriteFailed(ErrorKind),
    /// The other direction broke the connection.
    WithTheOther,
}

/// What a proxy has done to one direction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passed {
    /// Bytes that were handed on.
    pub(crate) bytes: u64,
    pub(crate) end: End,
}

/// What a proxy has done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report {
    pub(crate) up: Passed,
    pub(crate) down: Passed,
}

/// Where a stall is met and released.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    /// The stall has been reached, or will not be.
    reached: bool,
    released: bool,
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().expect("nobody panics while holding it")
    }

    /// Waits until the stall has been reached; returns as well if the direction ends without it.
    pub(crate) fn reached(&self) {
        let waited = self.changed.wait_timeout_while(self.state(), PATIENCE, |state| !state.reached);
        assert!(waited.expect("nobody panics while holding it").0.reached, "waited in vain for a stall");
    }

    /// Lets the direction go on, now or when it stalls.
    pub(crate) fn release(&self) {
        self.state().released = true;
        self.changed.notify_all();
    }

    fn reach(&self) {
        self.state().reached = true;
        self.changed.notify_all();
    }

    fn is_released(&self) -> bool {
        self.state().released
    }

    /// Waits so long, or until it is released.
    fn wait(&self, time: Duration) {
        let waited = self.changed.wait_timeout_while(self.state(), time, |state| !state.released);
        drop(waited.expect("nobody panics while holding it"));
    }
}

/// A proxy for one connection.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    /// Of the stalls upwards and downwards.
    pub(crate) gates: Arc<[Gate; 2]>,
    thread: JoinHandle<Report>,
}

impl Proxy {
    /// Waits for a client, which it connects with the server.
    pub(crate) fn new(server: SocketAddr, plan: Plan) -> Proxy {
        let listener = listener(plan.narrow).expect("a free port is found");
        let address = listener.local_addr().expect("it is bound");
        let gates = Arc::<[Gate; 2]>::default();
        let of_thread = gates.clone();
        let thread = thread::spawn(move || {
            let (client, _) = listener.accept().expect("the client connects");
            drop(listener);
            let server = connect(server, plan.narrow).expect("the server listens");
            let (client, server) = (Endpoint::new(client), Endpoint::new(server));
            Link { client, server, doom: Mutex::default() }.serve(&plan, &of_thread)
        });
        Proxy { address, gates, thread }
    }

    /// Waits until it has closed both connections; tells what it has done.
    pub(crate) fn finish(self) -> Report {
        self.thread.join().expect("the proxy does not fail")
    }
}

fn listener(narrow: Option<usize>) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    narrow.map_or(Ok(()), |bytes| socket.set_recv_buffer_size(bytes))?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(1)?;
    Ok(socket.into())
}

fn connect(server: SocketAddr, narrow: Option<usize>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    narrow.map_or(Ok(()), |bytes| socket.set_recv_buffer_size(bytes))?;
    socket.connect(&server.into())?;
    Ok(socket.into())
}

/// How the connection is to be closed before both streams have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doom {
    Reset,
    Close,
}

/// One of the two connections.
struct Endpoint {
    stream: TcpStream,
    /// Held while an error may be taken from the socket by anybody but its reader, until that is known to all.
    writing: Mutex<()>,
    /// How many wait for that besides its writer, who comes after them: it holds it nearly all of the time while its peer does not read.
    asking: AtomicUsize,
}

impl Endpoint {
    fn new(stream: TcpStream) -> Endpoint {
        stream.set_nodelay(true).expect("the option exists");
        stream.set_read_timeout(Some(LOOK)).expect("a timeout can be set");
        stream.set_write_timeout(Some(LOOK)).expect("a timeout can be set");
        Endpoint { stream, writing: Mutex::default(), asking: AtomicUsize::default() }
    }

    /// For its writer.
    fn writing(&self) -> MutexGuard<'_, ()> {
        // Nothing but whose turn it is: the lock orders the rest.
        while self.asking.load(Ordering::Relaxed) > 0 {
            thread::yield_now();
        }
        self.writing.lock().expect("nobody panics while holding it")
    }

    /// For whoever looks at it.
    fn asking(&self) -> MutexGuard<'_, ()> {
        // As above.
        self.asking.fetch_add(1, Ordering::Relaxed);
        let guard = self.writing.lock().expect("nobody panics while holding it");
        self.asking.fetch_sub(1, Ordering::Relaxed);
        guard
    }
}

/// The two connections.
struct Link {
    client: Endpoint,
    server: Endpoint,
    doom: Mutex<Option<Doom>>,
}

impl Link {
    fn serve(self, plan: &Plan, gates: &[Gate; 2]) -> Report {
        let direction = |from, to, faults, gate| Direction { link: &self, from, to, faults, gate, bytes: 0 };
        let (up, down) = thread::scope(|scope| {
            let up = scope.spawn(|| direction(&self.client, &self.server, plan.up, &gates[0]).run());
            let down = direction(&self.server, &self.client, plan.down, &gates[1]).run();
            (up.join().expect("the proxy does not fail"), down)
        });
        if self.doomed() == Some(Doom::Reset) {
            for end in [&self.client, &self.server] {
                SockRef::from(&end.stream).set_linger(Some(Duration::ZERO)).expect("the option exists");
            }
        }
        Report { up, down }
    }

    fn doomed(&self) -> Option<Doom> {
        *self.doom.lock().expect("nobody panics while holding it")
    }

    /// The connection is to be closed so, unless it is to be already.
    fn doom(&self, doom: Doom) {
        self.doom.lock().expect("nobody panics while holding it").get_or_insert(doom);
    }
}

/// One direction of a connection.
struct Direction<'a> {
    link: &'a Link,
    from: &'a Endpoint,
    to: &'a Endpoint,
    faults: Faults,
    gate: &'a Gate,
    bytes: u64,
}

impl Direction<'_> {
    fn run(mut self) -> Passed {
        let end = self.pass().unwrap_or_else(|end| end);
        match end {
            End::OfStream | End::Planned(Accident::HalfClose) | End::WithTheOther => {}
            End::Planned(Accident::Close) => self.link.doom(Doom::Close),
            // Nobody is to take what was cut short for a whole stream.
            _ => self.link.doom(Doom::Reset),
        }
        self.gate.reach();
        Passed { bytes: self.bytes, end }
    }

    /// Hands on what comes until the stream ends.
    fn pass(&mut self) -> Result<End, End> {
        let mut buffer = vec![0; self.faults.gulp];
        let mut sizes = match self.faults.cuts {
            Cuts::Random { seed, .. } => Random::new(seed),
            Cuts::Nowhere | Cuts::EveryByte => Random::new(0),
        };
        loop {
            let most = self.before_the_accident()?;
            let most = usize::try_from(most).map_or(buffer.len(), |most| most.min(buffer.len()));
            let got = self.read(&mut buffer[..most])?;
            if got == 0 {
                self.end();
                return Ok(End::OfStream);
            }
            let mut rest = &buffer[..got];
            while !rest.is_empty() {
                let piece = match self.faults.cuts {
                    Cuts::Nowhere => rest.len(),
                    Cuts::EveryByte => 1,
                    Cuts::Random { most, .. } => {
                        log_uniform(&mut sizes, most).min(rest.len() as u64) as usize
                    }
                };
                let (piece, behind) = rest.split_at(piece);
                self.write(piece)?;
                self.faults.pace.into_iter().for_each(|pace| self.gate.wait(pace));
                rest = behind;
            }
        }
    }

    /// Lets the accident happen if its time has come; answers how many bytes come before it.
    fn before_the_accident(&mut self) -> Result<u64, End> {
        let Some((at, accident)) = self.faults.accident else { return Ok(u64::MAX) };
        if self.bytes < at {
            return Ok(at - self.bytes);
        }
        match accident {
            Accident::Stall => {
                self.gate.reach();
                self.stall(|| self.gate.is_released())?;
                self.faults.accident = None;
                return Ok(u64::MAX);
            }
            Accident::Deaf => self.stall(|| false)?,
            Accident::HalfClose => {
                self.end();
                let mut swallowed = [0; 16 << 10];
                while self.read(&mut swallowed)? > 0 {}
            }
            Accident::Reset | Accident::Close => {}
        }
        Err(End::Planned(accident))
    }

    /// Reads nothing until then.
    fn stall(&self, done: impl Fn() -> bool) -> Result<(), End> {
        self.patiently(|| {
            if done() {
                return Ok(());
            }
            self.gate.wait(LOOK);
            Err((ErrorKind::WouldBlock, Side::From))
        })
    }

    /// Ends the stream that goes out. Where that cannot be, the connection has broken, and the other direction sees it.
    fn end(&self) {
        let _ = self.to.stream.shutdown(Shutdown::Write);
    }

    fn read(&self, buffer: &mut [u8]) -> Result<usize, End> {
        let mut from = &self.from.stream;
        let got = self.patiently(|| from.read(buffer).map_err(|error| (error.kind(), Side::From)))?;
        if got == 0 {
            // An error is told once, perhaps to whoever wrote to this socket: what looks like the end of a stream may be its.
            drop(self.from.asking());
            if self.link.doomed().is_some() {
                return Err(End::WithTheOther);
            }
        }
        Ok(got)
    }

    fn write(&mut self, mut piece: &[u8]) -> Result<(), End> {
        while !piece.is_empty() {
            let (to, link) = (self.to, self.link);
            let written = self.patiently(|| {
                let _writing = to.writing();
                let mut stream = &to.stream;
                stream.write(piece).map_err(|error| {
                    if !is_for_now(error.kind()) {
                        link.doom(Doom::Reset);
                    }
                    (error.kind(), Side::To)
                })
            })?;
            self.bytes += written as u64;
            piece = &piece[written..];
        }
        Ok(())
    }

    /// Tries again until it works, an error is more than for now, or the other direction has broken the connection.
    fn patiently<T>(&self, mut attempt: impl FnMut() -> Result<T, (ErrorKind, Side)>) -> Result<T, End> {
        let give_up = now().after(PATIENCE);
        loop {
            if self.link.doomed().is_some() {
                return Err(End::WithTheOther);
            }
            match attempt() {
                Ok(value) => return Ok(value),
                Err((kind, _)) if is_for_now(kind) => {}
                Err((kind, Side::From)) => return Err(End::ReadFailed(kind)),
                Err((kind, Side::To)) => return Err(End::WriteFailed(kind)),
            }
            // Whoever waits for one socket learns from the other as well that there is nothing to wait for.
            self.broken(self.to).map_or(Ok(()), |kind| Err(End::WriteFailed(kind)))?;
            self.broken(self.from).map_or(Ok(()), |kind| Err(End::ReadFailed(kind)))?;
            assert!(now() < give_up, "a proxy waited in vain");
        }
    }

    fn broken(&self, end: &Endpoint) -> Option<ErrorKind> {
        let _writing = end.asking();
        let error = end.stream.take_error().expect("the option exists")?;
        self.link.doom(Doom::Reset);
        Some(error.kind())
    }
}

#[derive(Debug, Clone, Copy)]
enum Side {
    From,
    To,
}

/// True for what a socket with a timeout says when it has passed, and now and then without a reason.
fn is_for_now(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
