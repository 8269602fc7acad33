//! Tests of whole systems, simulated: on a network, a disk and a clock in memory, seed by seed.
//!
//! Knows: how a test sees a simulated system. Must not know how its cores take turns.
//!
//! Actors, codecs, listeners and supervisors are those of the program, unchanged: only what is beneath them is simulated. All cores run on
//! the thread of the test, a phase of a turn at a time, in an order that the *seed* chooses. It chooses the accidents, too, such as bytes that
//! come late and in parts. Time is virtual: it passes when nothing can happen before, so an hour takes no time. The same seed gives the
//! same run, and a seed that fails is told with the command that repeats it.
//!
//! | | |
//! |---|---|
//! | [`check`] | runs a test for many seeds |
//! | [`Check`] | the same, with limits, cores, accidents and a number of seeds of its own |
//! | [`Sim`] | the system under test: all of a [`System`], and time, peers, the disk |
//! | [`Peer`], [`PeerListener`] | the far ends of connections |
//! | [`Faults`] | which accidents happen, and how often |
//! | [`Disk`] | files |
//! | [`Random`] | what the seed decides for the test itself |
//!
//! ```
//! use std::time::Duration;
//! use odeon::prelude::*;
//! use odeon::sim;
//!
//! #[derive(Default)]
//! struct Sum(i64);
//!
//! #[actor]
//! impl Sum {
//!     #[call]
//!     fn add(&mut self, more: i64) -> i64 {
//!         self.0 += more;
//!         self.0
//!     }
//! }
//!
//! struct Session {
//!     sum: Addr<Sum>,
//! }
//!
//! #[actor(codec = Lines<32>)]
//! impl Session {
//!     #[frame]
//!     fn line(&mut self, line: &str, cx: &mut Context<Self>) {
//!         let Ok(more) = line.parse() else { return cx.write_line("a number, please") };
//!         let place = cx.defer();
//!         self.sum.add(more).then(cx, move |_, sum, cx| cx.fill_line(place, format!("{sum:?}")));
//!     }
//!
//!     #[idle("10m")]
//!     fn idle(&mut self) -> Flow {
//!         Flow::Close
//!     }
//! }
//!
//! // As the program does, with a real system.
//! fn open(system: &System, address: &str) -> odeon::Result<odeon::Listening> {
//!     let sum = system.spawn(Sum::default())?;
//!     system.listener(address).start(move |_| Session { sum })
//! }
//!
//! // As `#[test]` functions do.
//! sim::check(|sim| {
//!     let listening = open(sim, "10.0.0.1:7000").unwrap();
//!     let (mut alice, mut bob) = (sim.connect(listening.address()), sim.connect(listening.address()));
//!     alice.write_all("40\nforty\n");
//!     alice.expect_line("Ok(40)");
//!     alice.expect_line("a number, please");
//!     bob.write_all("2\n");
//!     bob.expect_line("Ok(42)");
//!     // Nobody writes for ten minutes.
//!     sim.run_for(Duration::from_secs(600));
//!     assert_eq!(bob.read_to_end(), b"");
//! });
//! ```
//!
//! When a seed fails, the last line is the command:
//!
//! ```text
//! repeat it with: ODEON_SEED=17 cargo test -p my-server --test lobby sums_add_up -- --exact
//! ```
//!
//! `ODEON_SEEDS=10000 cargo test` runs more seeds of each check. [The manual](crate::manual::testing) says how such tests are written, and what
//! they cannot show.

mod check;
mod command;
mod peer;
mod scene;
mod seeds;

use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::Deref;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub use check::{Check, Failure, check};
pub use peer::{Peer, PeerListener};
#[doc(hidden)]
pub use seeds::each_seed;

pub use crate::sys::Random;
pub use crate::system::simulation::{Disk, Faults};

use crate::actor::{Message, Probe};
use crate::executor::stage::{self, Stage};
use crate::sys::Time;
use crate::system::simulation::{Remains, Simulation, SimulationConfig};
use crate::system::{ShutdownReport, System};
use scene::Scene;

/// A simulated system, and the world around it: what a test is given by [`check`].
///
/// It is a [`System`]: what the program does with one, it does with this, by way of `&System`, to which it dereferences. Spawning,
/// supervising, names, listeners, dead letters and ledgers are the same. Addresses are of a network of its own: any IP address will do, and
/// port 0 chooses a port. Names of hosts are still asked of the machine, so tests write addresses.
///
/// Nothing moves by itself. What waits has the cores take turns, and time pass, until it has what it waits for: [`Ask::wait`](crate::Ask::wait),
/// [`JoinHandle::wait`](crate::task::JoinHandle::wait), [`run_until`](Sim::run_until), [`block_on`](Sim::block_on), and what reads from a
/// [`Peer`]. [`settle`](Sim::settle) has everything happen that needs no time, [`run_for`](Sim::run_for) lets time pass.
///
/// **What fails a test**, beside its own assertions: a wait that is in vain for as long as [`Check::patience`]; a panic of code that runs on a
/// core, unless [panics are allowed](Sim::allow_panics); and at the end, when the system is shut down, whatever is left on a core or had to
/// be cut off. What a system says on standard error, a simulated one says as a test prints: a test harness shows it where the test fails.
///
/// It stays on its thread.
#[derive(Debug)]
pub struct Sim {
    scene: Rc<Scene>,
    system: System,
    seed: u64,
    random: RefCell<Random>,
}

impl Sim {
    fn new(plan: SimulationConfig, patience: Duration) -> Sim {
        let (seed, random) = (plan.seed, RefCell::new(Random::new(plan.seed ^ 0x7E57)));
        let simulation = match Simulation::new(plan) {
            Ok(simulation) => simulation,
            Err(error) => panic!("{error}"),
        };
        let (system, cores) = (simulation.system(), simulation.ids());
        let scene = Rc::new(Scene::new(simulation, patience));
        stage::enter(cores, &(Rc::clone(&scene) as Rc<dyn Stage>));
        Sim { scene, system, seed, random }
    }

    /// The seed of this run.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A generator for what the test itself decides by chance: another one each time, all of them from the seed.
    #[must_use]
    pub fn random(&self) -> Random {
        self.random.borrow_mut().fork()
    }

    /// The virtual time. It begins at zero, is the same on all cores, and is what [`Context::now`](crate::Context::now) and
    /// [`time::now`](crate::time::now) answer there.
    #[must_use]
    pub fn now(&self) -> Time {
        self.scene.now()
    }

    /// Has everything happen that can happen now. Time stands still.
    ///
    /// # Panics
    /// When something goes round for ever, as two actors do that send to each other without an end.
    #[track_caller]
    pub fn settle(&self) {
        self.scene.with(Simulation::settle);
    }

    /// Lets so much time pass, and has everything happen in it that happens.
    ///
    /// ```
    /// use std::time::Duration;
    /// use odeon::prelude::*;
    /// use odeon::sim;
    ///
    /// #[derive(Default)]
    /// struct Heart(u32);
    ///
    /// #[actor]
    /// impl Heart {
    ///     #[every("1s")]
    ///     fn beat(&mut self) {
    ///         self.0 += 1;
    ///     }
    ///
    ///     #[call]
    ///     fn beats(&self) -> u32 {
    ///         self.0
    ///     }
    /// }
    ///
    /// sim::check(|sim| {
    ///     let heart = sim.spawn(Heart::default()).unwrap();
    ///     sim.run_for(Duration::from_millis(3_500));
    ///     assert_eq!(heart.beats().wait(), Ok(3));
    /// });
    /// ```
    #[track_caller]
    pub fn run_for(&self, duration: Duration) {
        self.scene.with(|simulation| simulation.run_for(duration));
    }

    /// Has the cores take turns, and time pass, until `done` answers true. It is asked in the middle of things, as often as the seed says.
    ///
    /// # Panics
    /// When it does not for as long as [patience](Check::patience) lasts: with `what`, which says what was waited for.
    #[track_caller]
    pub fn run_until(&self, what: &str, done: impl FnMut() -> bool) {
        if let Err(patience) = self.scene.wait_for(done) {
            panic!("waited in vain for {patience:?}: {what}");
        }
    }

    /// Waits for a future, which is polled here: an answer that is awaited, a message that waits for room
    /// ([`Addr::send`](crate::Addr::send)), or both at once. What waits for a time, as [`time::sleep`](crate::time::sleep) does, needs a core: for that,
    /// [`System::spawn_task`] and [`JoinHandle::wait`](crate::task::JoinHandle::wait).
    ///
    /// # Panics
    /// When it is not ready for as long as patience lasts.
    #[track_caller]
    pub fn block_on<F: IntoFuture>(&self, future: F) -> F::Output {
        let mut future = pin!(future.into_future());
        let mut output = None;
        let waited = self.scene.wait_for(|| {
            if let Poll::Ready(ready) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                output = Some(ready);
            }
            output.is_some()
        });
        match (output, waited) {
            (Some(output), _) => output,
            (None, waited) => {
                let patience = waited.err().unwrap_or_default();
                panic!("waited in vain for {patience:?}: {}", std::any::type_name::<F>())
            }
        }
    }

    /// Waits for the next message to a [probe](crate::testing::probe).
    ///
    /// ```
    /// use odeon::prelude::*;
    /// use odeon::{sim, testing::probe};
    ///
    /// #[derive(Message, Debug, PartialEq)]
    /// struct Pong(u32);
    ///
    /// struct Server;
    ///
    /// #[actor]
    /// impl Server {
    ///     #[call]
    ///     fn ping(&self, number: u32, client: Recipient<Pong>) {
    ///         client.tell(Pong(number)).or_dead_letter();
    ///     }
    /// }
    ///
    /// sim::check(|sim| {
    ///     let server = sim.spawn(Server).unwrap();
    ///     let (client, mut pongs) = probe::<Pong>();
    ///     server.ping(7, client).wait().unwrap();
    ///     assert_eq!(sim.receive(&mut pongs), Pong(7));
    /// });
    /// ```
    ///
    /// # Panics
    /// When none comes for as long as patience lasts.
    #[track_caller]
    pub fn receive<M: Message>(&self, probe: &mut Probe<M>) -> M {
        let mut message = None;
        let waited = self.scene.wait_for(|| {
            message = probe.take_one();
            message.is_some()
        });
        match (message, waited) {
            (Some(message), _) => message,
            (None, waited) => {
                let patience = waited.err().unwrap_or_default();
                panic!("waited in vain for {patience:?}: a message {}", std::any::type_name::<M>())
            }
        }
    }

    /// Connects to a listener. The connection waits in the backlog until the system accepts it, and can be written to meanwhile.
    ///
    /// # Panics
    /// When nobody listens there, or the backlog is full: see [`try_connect`](Sim::try_connect).
    #[track_caller]
    pub fn connect(&self, address: impl ToSocketAddrs) -> Peer {
        match self.try_connect(address) {
            Ok(peer) => peer,
            Err(error) => panic!("there is no connecting: {error}"),
        }
    }

    /// The same.
    ///
    /// # Errors
    /// [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) when nobody listens there, or the backlogs of all cores are full; else, when the address is
    /// none.
    pub fn try_connect(&self, address: impl ToSocketAddrs) -> io::Result<Peer> {
        let peer = self.scene.network().connect(first(address)?)?;
        Ok(Peer::new(peer, &self.scene))
    }

    /// Listens, in the place of a server that actors [connect](crate::connect) to. Up to 128 connections wait to be accepted. Port 0 chooses a free
    /// port.
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use odeon::prelude::*;
    /// use odeon::sim;
    ///
    /// struct Client;
    ///
    /// #[actor]
    /// impl Client {
    ///     #[call]
    ///     async fn greet(&mut self, server: SocketAddr) -> std::io::Result<String> {
    ///         let mut stream = odeon::connect(server).await?;
    ///         stream.write_all("hello\n").await?;
    ///         Ok(stream.read_line(80).await?.unwrap_or_default())
    ///     }
    /// }
    ///
    /// sim::check(|sim| {
    ///     let mut server = sim.listen("10.0.0.9:25");
    ///     let client = sim.spawn(Client).unwrap();
    ///     let answer = client.greet(server.address()).into_future();
    ///     let mut peer = server.accept();
    ///     peer.expect_line("hello");
    ///     peer.write_line("hello yourself");
    ///     assert_eq!(sim.block_on(answer).unwrap().unwrap(), "hello yourself");
    /// });
    /// ```
    ///
    /// # Panics
    /// When somebody listens there already.
    #[track_caller]
    pub fn listen(&self, address: impl ToSocketAddrs) -> PeerListener {
        /// As many as systems usually keep.
        const BACKLOG: u32 = 128;
        match first(address).and_then(|address| self.scene.network().listen(address, BACKLOG)) {
            Ok(listener) => PeerListener::new(listener, &self.scene),
            Err(error) => panic!("there is no listening: {error}"),
        }
    }

    /// The disk that all cores share, which [`fs`](crate::fs) reads and writes. It is empty at first.
    #[must_use]
    pub fn disk(&self) -> Disk {
        self.scene.network().disk()
    }

    /// From now on, panics of code that runs on a core do not fail the test: it provokes them. They are counted in
    /// [`Ledger::panics`](crate::Ledger::panics) all the same.
    ///
    /// ```
    /// use odeon::prelude::*;
    /// use odeon::sim;
    ///
    /// struct Glass;
    ///
    /// #[actor]
    /// impl Glass {
    ///     #[call]
    ///     fn strike(&self) {
    ///         panic!("broken")
    ///     }
    /// }
    ///
    /// sim::check(|sim| {
    ///     sim.allow_panics();
    ///     let glass = sim.spawn(Glass).unwrap();
    ///     assert_eq!(glass.strike().wait(), Err(AskError::Panicked));
    ///     assert_eq!(sim.ledgers().unwrap().iter().map(|ledger| ledger.panics).sum::<u64>(), 1);
    /// });
    /// ```
    pub fn allow_panics(&self) {
        self.scene.allow_panics();
    }

    /// A sum over everything that has happened so far. Two runs of one seed are alike in it, where nothing depends on anything but the seed:
    /// see [`Check::twice`].
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.scene.with(|simulation| simulation.trace()).unwrap_or_else(|| self.scene.network().trace())
    }

    /// Shuts the system down, as [`System::shutdown`] does, and answers what had to be cut off, which is for the test to judge. A test that
    /// does not call this has it done at its end, where nothing may be cut off. Peers read nothing meanwhile; what had been
    /// sent to them they may read afterwards.
    ///
    /// # Panics
    /// When something is left on a core then: memory, timers, sockets, requests. When code has panicked as it ended, unless
    /// [that is allowed](Sim::allow_panics). Or when it has been shut down before.
    #[track_caller]
    pub fn shutdown(&self) -> ShutdownReport {
        let Some(simulation) = self.scene.take() else { panic!("the system has been shut down before") };
        let remains = simulation.shutdown();
        self.scene.judge(remains.ledgers.iter().map(|ledger| ledger.panics + ledger.drop_panics).sum());
        let held = held(&remains);
        assert!(held.is_empty(), "left after the end: {}", held.join(", "));
        remains.report
    }

    /// The end of a test.
    fn end(&self) -> u64 {
        let trace = self.trace();
        if self.scene.with(|_| ()).is_some() {
            let report = self.shutdown();
            assert!(report.is_clean(), "cut off at the end: {report}");
            let open = self.scene.network().streams();
            assert!(open == 0, "{open} connections were left open");
        }
        trace
    }
}

/// What is left of a system and should not be, by name.
fn held(remains: &Remains) -> Vec<String> {
    let mut held = Vec::new();
    for (core, ledger) in remains.ledgers.iter().enumerate() {
        let some = ledger.held_by_name().into_iter().filter(|(_, count)| *count > 0);
        held.extend(some.map(|(name, count)| format!("{name} of core {core}: {count}")));
    }
    let others = [("operations", remains.leaked), ("receive buffers", remains.buffers_missing)];
    let some = others.into_iter().filter(|(_, count)| *count > 0);
    held.extend(some.map(|(name, count)| format!("{name}: {count}")));
    held
}

/// What the program does with its system, a test does with this one.
impl Deref for Sim {
    type Target = System;

    fn deref(&self) -> &System {
        &self.system
    }
}

fn first(address: impl ToSocketAddrs) -> io::Result<SocketAddr> {
    address.to_socket_addrs()?.next().ok_or_else(|| io::Error::other("the name has no address"))
}
