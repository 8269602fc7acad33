//! The backends under test, and clients that talk to them.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use odeon::driver::Pools;
use odeon::driver::backend::Backend;
use odeon::driver::backend::mio::Mio;
use odeon::driver::backend::sim::{Faults, Network, Peer, Sim, SimConfig};
#[cfg(target_os = "linux")]
use odeon::driver::backend::uring::{OpenError, Uring, UringConfig};
use odeon::mem::{ReceivePool, SendPool};
use socket2::{Domain, Socket, Type};

/// What a backend under test may hold.
#[derive(Debug, Clone)]
pub struct Limits {
    pub sockets: u32,
    pub queue: u32,
    pub receive_buffers: u16,
    pub receive_size: u32,
    pub send_slots: [u32; 5],
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            sockets: 512,
            queue: 64,
            receive_buffers: 16,
            receive_size: 4096,
            send_slots: [256, 64, 64, 64, 64],
        }
    }
}

impl Limits {
    pub fn pools(&self) -> Rc<Pools> {
        Rc::new(Pools {
            receive: ReceivePool::new(self.receive_buffers, self.receive_size),
            send: SendPool::new(self.send_slots),
        })
    }
}

/// A backend with clients that can reach it.
pub trait Harness: Sized {
    /// How often each case runs, each time a little differently.
    const ROUNDS: u32;
    type Backend: Backend;
    type Client: Client;

    /// Why this machine refuses the backend, if it does.
    fn refused() -> Option<String>;
    fn start(round: u32, limits: &Limits, pools: &Rc<Pools>) -> Self;
    fn backend(&mut self) -> &mut Self::Backend;
    /// Connects a client that holds about `window` unread bytes at most.
    fn connect(&mut self, address: SocketAddr, window: Option<usize>) -> io::Result<Self::Client>;
    /// Lets virtual time pass if nothing else can happen.
    fn pass_time(&mut self);
    /// True if waiting takes real time.
    fn sleeps() -> bool {
        true
    }
}

/// The far end of a connection. Nothing here waits.
pub trait Client {
    /// Sends a part of the bytes, and answers how many.
    fn write(&mut self, bytes: &[u8]) -> usize;
    /// Up to `max` of the bytes that are there.
    fn read(&mut self, max: usize) -> Vec<u8>;
    /// True once a read has met the end of the stream.
    fn is_ended(&mut self) -> bool;
    /// True once the connection was found to be reset.
    fn is_reset(&mut self) -> bool;
    fn shutdown_write(&mut self);
    fn reset(self);
}

/// Runs a case on a backend as often as it asks for, unless the machine refuses the backend.
pub fn rounds<H: Harness>(case: fn(u32)) {
    if let Some(reason) = H::refused() {
        // Not by `eprintln!`, which the test runner would swallow.
        let name = H::Backend::NAME;
        let _ = writeln!(io::stderr(), "SKIPPED: {name} is refused on this machine: {reason}");
        return;
    }
    for round in 0..H::ROUNDS {
        let failed = std::panic::catch_unwind(|| case(round));
        if let Err(cause) = failed {
            let _ = writeln!(io::stderr(), "failed on {} in round {round}", H::Backend::NAME);
            std::panic::resume_unwind(cause);
        }
    }
}

/// The simulated backend.
pub struct InSim {
    network: Network,
    sim: Sim,
}

impl Harness for InSim {
    const ROUNDS: u32 = 16;
    type Backend = Sim;
    type Client = Peer;

    fn refused() -> Option<String> {
        None
    }

    fn start(round: u32, limits: &Limits, _pools: &Rc<Pools>) -> InSim {
        let seed = u64::from(round);
        let network = Network::new(seed);
        let faults = if round == 0 { Faults::default() } else { Faults::from_seed(seed).harmless() };
        // How much a client holds is up to the case.
        let faults = Faults { slow_reader: 0.0, ..faults };
        let sim = Sim::new(&network, SimConfig { sockets: limits.sockets, queue: limits.queue, faults });
        InSim { network, sim }
    }

    fn backend(&mut self) -> &mut Sim {
        &mut self.sim
    }

    fn connect(&mut self, address: SocketAddr, window: Option<usize>) -> io::Result<Peer> {
        let mut peer = self.network.connect(address)?;
        if let Some(bytes) = window {
            peer.limit_unread(bytes);
        }
        Ok(peer)
    }

    fn pass_time(&mut self) {
        if !self.sim.ready()
            && let Some(time) = self.network.next_event()
        {
            self.network.advance_to(time);
        }
    }

    fn sleeps() -> bool {
        false
    }
}

impl Client for Peer {
    fn write(&mut self, bytes: &[u8]) -> usize {
        Peer::write(self, bytes)
    }

    fn read(&mut self, max: usize) -> Vec<u8> {
        Peer::read(self, max)
    }

    fn is_ended(&mut self) -> bool {
        Peer::is_ended(self)
    }

    fn is_reset(&mut self) -> bool {
        Peer::is_reset(self)
    }

    fn shutdown_write(&mut self) {
        Peer::shutdown_write(self);
    }

    fn reset(self) {
        Peer::reset(self);
    }
}

/// The readiness backend.
pub struct InMio(Mio);

impl Harness for InMio {
    const ROUNDS: u32 = 1;
    type Backend = Mio;
    type Client = Loopback;

    fn refused() -> Option<String> {
        None
    }

    fn start(_round: u32, limits: &Limits, _pools: &Rc<Pools>) -> InMio {
        InMio(Mio::new(limits.sockets).expect("every platform has a poll"))
    }

    fn backend(&mut self) -> &mut Mio {
        &mut self.0
    }

    fn connect(&mut self, address: SocketAddr, window: Option<usize>) -> io::Result<Loopback> {
        Loopback::connect(address, window)
    }

    fn pass_time(&mut self) {}
}

/// The io_uring backend: with buffers that are filled bit by bit, then with buffers that are used whole.
#[cfg(target_os = "linux")]
pub struct InUring(Uring);

#[cfg(target_os = "linux")]
impl InUring {
    fn open(round: u32, limits: &Limits, pools: &Rc<Pools>) -> Result<Uring, OpenError> {
        let config = UringConfig {
            submission_entries: limits.queue,
            completion_entries: limits.queue,
            sockets_max: limits.sockets,
            incremental: round == 0,
            ..UringConfig::default()
        };
        Uring::open(&config, pools)
    }
}

#[cfg(target_os = "linux")]
impl Harness for InUring {
    const ROUNDS: u32 = 2;
    type Backend = Uring;
    type Client = Loopback;

    fn refused() -> Option<String> {
        let limits = Limits::default();
        let pools = limits.pools();
        match InUring::open(0, &limits, &pools) {
            Ok(mut uring) => {
                assert_eq!(uring.drain(&pools, Duration::from_secs(5)), 0);
                None
            }
            Err(error) if error.fallback_allowed() => Some(error.to_string()),
            Err(error) => panic!("{error}"),
        }
    }

    fn start(round: u32, limits: &Limits, pools: &Rc<Pools>) -> InUring {
        InUring(InUring::open(round, limits, pools).expect("it is not refused"))
    }

    fn backend(&mut self) -> &mut Uring {
        &mut self.0
    }

    fn connect(&mut self, address: SocketAddr, window: Option<usize>) -> io::Result<Loopback> {
        Loopback::connect(address, window)
    }

    fn pass_time(&mut self) {}
}

/// A client over the loopback interface.
pub struct Loopback {
    stream: TcpStream,
    ended: bool,
    reset: bool,
}

impl Loopback {
    fn connect(address: SocketAddr, window: Option<usize>) -> io::Result<Loopback> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        if let Some(bytes) = window {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.connect(&address.into())?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        Ok(Loopback { stream: socket.into(), ended: false, reset: false })
    }

    fn note(&mut self, error: &io::Error) {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => {}
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => self.reset = true,
            other => panic!("a client met {other:?}: {error}"),
        }
    }

    /// Looks whether the connection has ended, without taking anything.
    fn look(&mut self) {
        match self.stream.peek(&mut [0]) {
            Ok(0) => self.ended = true,
            Ok(_) => {}
            Err(error) => self.note(&error),
        }
    }
}

impl Client for Loopback {
    fn write(&mut self, bytes: &[u8]) -> usize {
        self.stream.write(bytes).unwrap_or_else(|error| {
            self.note(&error);
            0
        })
    }

    fn read(&mut self, max: usize) -> Vec<u8> {
        let mut bytes = vec![0; max];
        let count = self.stream.read(&mut bytes).unwrap_or_else(|error| {
            self.note(&error);
            0
        });
        bytes.truncate(count);
        bytes
    }

    fn is_ended(&mut self) -> bool {
        self.look();
        self.ended && !self.reset
    }

    fn is_reset(&mut self) -> bool {
        self.look();
        self.reset
    }

    fn shutdown_write(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("the connection is up");
    }

    fn reset(self) {
        let socket = Socket::from(self.stream);
        socket.set_linger(Some(Duration::ZERO)).expect("the socket is open");
    }
}
