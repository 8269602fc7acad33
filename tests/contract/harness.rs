//! The backends under test, and clients that talk to them.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use odeon::driver::backend::Backend;
use odeon::driver::backend::mio::Mio;
use odeon::driver::backend::sim::{Disk, Faults, Network, Peer, PeerListener, Sim, SimConfig};
#[cfg(target_os = "linux")]
use odeon::driver::backend::uring::{OpenError, Uring, UringConfig};
use odeon::driver::{Left, Pools};
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
    pub pins: Pins,
}

/// Which sends are pinned, where the backend [pins](Harness::PINS) as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pins {
    /// Some or none, for a while.
    Some,
    /// All, for a while.
    All,
    /// All, until their peer has read them.
    UntilRead,
}

/// Whether a backend pins sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pinning {
    /// No send at all.
    Never,
    /// As far as the kernel can, for as long as the kernel likes.
    Perhaps,
    /// As [`Pins`] says.
    AsAsked,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            sockets: 512,
            queue: 64,
            receive_buffers: 16,
            receive_size: 4096,
            send_slots: [256, 64, 64, 64, 64],
            pins: Pins::Some,
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
    const PINS: Pinning;
    type Backend: Backend;
    type Client: Client;
    type Server: Server<Client = Self::Client>;
    type Files: Files;

    /// Why this machine refuses the backend, if it does.
    fn refused() -> Option<String>;
    fn start(round: u32, limits: &Limits, pools: &Rc<Pools>) -> Self;
    fn backend(&mut self) -> &mut Self::Backend;
    /// Connects a client that holds about `window` unread bytes at most.
    fn connect(&mut self, address: SocketAddr, window: Option<usize>) -> io::Result<Self::Client>;
    /// Listens for connections that the backend makes, with room for a few of them.
    fn listen(&mut self) -> Self::Server;
    /// A directory for the files of a case, gone when it is dropped.
    fn files(&mut self) -> Self::Files;
    /// Looks whether anything is left of what the backend has given up, where that can be seen.
    fn assert_clean(&self) {}
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

/// What accepts connections that a backend makes. Nothing here waits.
pub trait Server {
    type Client: Client;
    fn address(&self) -> SocketAddr;
    /// A connection, with the address that it comes from.
    fn accept(&mut self) -> Option<(Self::Client, SocketAddr)>;
}

/// A directory that a backend works in, from outside of it. Names are relative to it.
pub trait Files {
    /// Its path.
    fn directory(&self) -> String;
    fn put(&self, name: &str, bytes: &[u8]);
    fn contents(&self, name: &str) -> Option<Vec<u8>>;
    /// Makes a link that stands for another path.
    fn link(&self, name: &str, target: &str);
    /// The place in an empty file from which on there is no room for anything.
    fn end(&self, name: &str) -> u64;
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
    const PINS: Pinning = Pinning::AsAsked;
    type Backend = Sim;
    type Client = Peer;
    type Server = PeerListener;
    type Files = OnDisk;

    fn refused() -> Option<String> {
        None
    }

    fn start(round: u32, limits: &Limits, _pools: &Rc<Pools>) -> InSim {
        let seed = u64::from(round);
        let network = Network::new(seed);
        let faults = if round == 0 { Faults::default() } else { Faults::from_seed(seed).harmless() };
        let (pinned_send, pinned_until_read) = match limits.pins {
            Pins::Some => (faults.pinned_send, 0.0),
            Pins::All => (1.0, 0.0),
            Pins::UntilRead => (1.0, 1.0),
        };
        // How much a client holds is up to the case.
        let faults = Faults { slow_reader: 0.0, held_output: 0.0, pinned_send, pinned_until_read, ..faults };
        let sim = SimConfig { sockets: limits.sockets, queue: limits.queue, faults, ..SimConfig::default() };
        let sim = Sim::new(&network, sim);
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

    fn listen(&mut self) -> PeerListener {
        self.network.listen(any_port(), 16).expect("a free port")
    }

    fn files(&mut self) -> OnDisk {
        OnDisk::new(self.network.disk())
    }

    fn assert_clean(&self) {
        assert_eq!(self.network.disk().open_files(), 0, "every file was closed");
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

impl Server for PeerListener {
    type Client = Peer;

    fn address(&self) -> SocketAddr {
        PeerListener::address(self)
    }

    fn accept(&mut self) -> Option<(Peer, SocketAddr)> {
        let peer = PeerListener::accept(self)?;
        let address = peer.remote_address();
        Some((peer, address))
    }
}

/// A directory of a simulated disk.
pub struct OnDisk(Disk);

impl OnDisk {
    pub fn new(disk: Disk) -> OnDisk {
        disk.make_directory("/case");
        OnDisk(disk)
    }
}

impl Files for OnDisk {
    fn directory(&self) -> String {
        "/case".into()
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        self.0.put(&format!("/case/{name}"), bytes);
    }

    fn contents(&self, name: &str) -> Option<Vec<u8>> {
        self.0.contents(&format!("/case/{name}"))
    }

    fn link(&self, name: &str, target: &str) {
        self.0.link(&format!("/case/{name}"), target);
    }

    fn end(&self, _: &str) -> u64 {
        const ROOM: u64 = 200_000;
        self.0.limit(ROOM);
        ROOM
    }
}

/// The readiness backend.
pub struct InMio(Mio);

impl Harness for InMio {
    const ROUNDS: u32 = 1;
    const PINS: Pinning = Pinning::Never;
    type Backend = Mio;
    type Client = Loopback;
    type Server = TcpListener;
    type Files = TemporaryDirectory;

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

    fn listen(&mut self) -> TcpListener {
        listen()
    }

    fn files(&mut self) -> TemporaryDirectory {
        TemporaryDirectory::new()
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
            zero_copy_min: if limits.pins == Pins::Some { 16 << 10 } else { 1 },
            zero_copy_always: limits.pins != Pins::Some,
            ..UringConfig::default()
        };
        Uring::open(&config, pools)
    }
}

#[cfg(target_os = "linux")]
impl Harness for InUring {
    const ROUNDS: u32 = 2;
    const PINS: Pinning = Pinning::Perhaps;
    type Backend = Uring;
    type Client = Loopback;
    type Server = TcpListener;
    type Files = TemporaryDirectory;

    fn refused() -> Option<String> {
        let limits = Limits::default();
        let pools = limits.pools();
        match InUring::open(0, &limits, &pools) {
            Ok(mut uring) => {
                assert_eq!(uring.drain(&pools, Duration::from_secs(5)), Left::default());
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

    fn listen(&mut self) -> TcpListener {
        listen()
    }

    fn files(&mut self) -> TemporaryDirectory {
        TemporaryDirectory::new()
    }

    fn pass_time(&mut self) {}
}

fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

pub fn listen() -> TcpListener {
    let listener = TcpListener::bind(any_port()).expect("a free port");
    listener.set_nonblocking(true).expect("the socket is open");
    listener
}

impl Server for TcpListener {
    type Client = Loopback;

    fn address(&self) -> SocketAddr {
        self.local_addr().expect("it is bound")
    }

    fn accept(&mut self) -> Option<(Loopback, SocketAddr)> {
        match TcpListener::accept(self) {
            Ok((stream, address)) => Some((Loopback::over(stream.into()).expect("it is open"), address)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => panic!("a server met {error}"),
        }
    }
}

/// A directory of the real file system.
pub struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    pub fn new() -> TemporaryDirectory {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Every one another: nothing else is to be seen by anybody. Another process of this number may have left some.
        loop {
            let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let path = std::env::temp_dir().join(format!("odeon-contract-{process}-{number}"));
            match std::fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => {
                    made.expect("a directory can be made");
                    return TemporaryDirectory(path);
                }
            }
        }
    }
}

impl Files for TemporaryDirectory {
    fn directory(&self) -> String {
        self.0.to_str().expect("a path of plain letters").into()
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.0.join(name);
        let directory = path.parent().expect("it is in a directory");
        std::fs::create_dir_all(directory).expect("the directory can be written to");
        std::fs::write(path, bytes).expect("the directory can be written to");
    }

    fn contents(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.0.join(name)).ok()
    }

    fn link(&self, name: &str, target: &str) {
        std::os::unix::fs::symlink(target, self.0.join(name)).expect("the directory can be written to");
    }

    /// The longest that a file of this file system may be.
    fn end(&self, name: &str) -> u64 {
        let file = std::fs::OpenOptions::new().write(true).open(self.0.join(name)).expect("it is there");
        let (mut may_be, mut too_long) = (0, 1 << 63);
        while too_long - may_be > 1 {
            let length = may_be + (too_long - may_be) / 2;
            *if file.set_len(length).is_ok() { &mut may_be } else { &mut too_long } = length;
        }
        file.set_len(0).expect("it may be empty");
        may_be
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // Nobody is harmed by what stays in a directory for what is temporary.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A client over the loopback interface.
pub struct Loopback {
    stream: TcpStream,
    ended: bool,
    reset: bool,
}

impl Loopback {
    pub fn connect(address: SocketAddr, window: Option<usize>) -> io::Result<Loopback> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        if let Some(bytes) = window {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.connect(&address.into())?;
        Loopback::over(socket)
    }

    fn over(socket: Socket) -> io::Result<Loopback> {
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        Ok(Loopback { stream: socket.into(), ended: false, reset: false })
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
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
