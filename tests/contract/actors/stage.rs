//! Where a case plays: a system, real or simulated, and how its end is asserted.
//!
//! Knows: starting, waiting, listeners, the ledgers. Must not know the cases.
//!
//! A simulated system is that of a program's own tests (`odeon::sim`): what waits here has its cores go on, and time pass where nothing else
//! can happen. On a real one the thread of the test looks again and again, for as long as patience lasts.

use std::cell::RefCell;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

use odeon::prelude::*;
use odeon::sim::{Check, Faults, Sim, each_seed};
use odeon::sys::now;
use odeon::{Error, IntoFlow, Ledger, ListenerBuilder, Listening, ShutdownReport};

use super::hand::{Hand, Told, act, script, tell_lines};
use super::peer::{End, Peer, SimulatedEnd};
use crate::harness::{Files, Loopback, OnDisk, Server, TemporaryDirectory, listen};

/// Long enough for a machine that does much else, short enough to find out about a hang.
const PATIENCE: Duration = Duration::from_secs(40);
/// Simulated systems for each case, unless `ODEON_SEEDS` says otherwise. The first is one of no accidents.
const SEEDS: u64 = 8;

/// Which system a case plays in.
#[derive(Debug, Clone, Copy)]
pub enum On {
    /// Simulated ones, one for each seed.
    Seeds,
    /// The simulated one of this seed.
    Seed(u64),
    /// One with the kernel.
    Backend(BackendChoice),
}

/// Runs a case, unless the machine refuses its backend.
pub fn on(on: On, case: fn(On)) {
    match on {
        On::Seeds => each_seed(SEEDS, 1, |seed| case(On::Seed(seed))),
        On::Seed(_) => case(on),
        On::Backend(backend) => match System::builder().cores(Cores::Count(1)).backend(backend).build() {
            Ok(system) => {
                drop(system.shutdown());
                case(on);
            }
            Err(Error::Backend { backend, reason }) => {
                // Not by `eprintln!`, which the test runner would swallow.
                let _ = writeln!(io::stderr(), "SKIPPED: {backend} is refused on this machine: {reason}");
            }
            Err(error) => panic!("{error}"),
        },
    }
}

/// What networks do every day, but for what a peer and its kernel hold, which is up to the case.
fn accidents(seed: u64) -> Faults {
    let faults = if seed == 0 { Faults::none() } else { Faults::network(seed) };
    Faults { slow_reader: 0.0, held_output: 0.0, delay_ns_max: faults.delay_ns_max.min(1_000_000), ..faults }
}

/// Peers may say nothing, and stop in the middle, unless the case says otherwise.
fn usual(config: &mut Config) {
    config.pin = false;
    (config.first_byte_timeout, config.frame_timeout) = (Duration::MAX, Duration::MAX);
    (config.write_stall, config.ask_timeout) = (Duration::from_secs(3600), PATIENCE);
    (config.close_deadline, config.drain_deadline) = (PATIENCE, PATIENCE);
}

/// Changes nothing of that.
pub fn as_usual(_: &mut Config) {}

/// Plays a case in a system with these limits. Behind it everything has been given back, and nothing had to be cut off.
pub fn play(on: On, cores: usize, limits: impl Fn(&mut Config), case: impl Fn(&Stage<'_>) + Sync) {
    play_with(on, cores, accidents, limits, case);
}

/// The same where, if it is simulated, nothing happens to the network.
pub fn play_undisturbed(
    on: On,
    cores: usize,
    limits: impl Fn(&mut Config),
    case: impl Fn(&Stage<'_>) + Sync,
) {
    play_with(on, cores, |_| Faults::none(), limits, case);
}

fn play_with(
    on: On,
    cores: usize,
    faults: fn(u64) -> Faults,
    limits: impl Fn(&mut Config),
    case: impl Fn(&Stage<'_>) + Sync,
) {
    let change = |config: &mut Config| {
        usual(config);
        limits(config);
    };
    match on {
        On::Seed(seed) => {
            let check = Check::new().seed(seed).cores(cores).config(change).faults(faults);
            check.run(|sim| case(&Stage::new(Cored::Simulated(sim))));
        }
        On::Backend(backend) => {
            let mut config = Config::default();
            change(&mut config);
            let system = System::builder().cores(Cores::Count(cores)).backend(backend).config(config);
            let system = system.build().expect("the system starts");
            let stage = Stage::new(Cored::Real(&system));
            let baseline: Vec<_> = stage.ledgers().iter().map(Ledger::held).collect();
            case(&stage);
            stage.listeners.take().into_iter().for_each(Listening::stop);
            stage.until("everything to be given back", || {
                stage.ledgers().iter().map(Ledger::held).eq(baseline.iter().copied())
            });
            assert_eq!(system.shutdown(), ShutdownReport::default());
        }
        On::Seeds => unreachable!("a case is run for each seed"),
    }
}

enum Cored<'a> {
    Simulated(&'a Sim),
    Real(&'a System),
}

/// See the header.
pub struct Stage<'a> {
    cored: Cored<'a>,
    listeners: RefCell<Vec<Listening>>,
}

/// A listener whose connections are hands.
pub struct Service {
    pub address: SocketAddr,
    told: Receiver<Told>,
}

impl<'a> Stage<'a> {
    fn new(cored: Cored<'a>) -> Stage<'a> {
        Stage { cored, listeners: RefCell::default() }
    }

    pub fn system(&self) -> &System {
        match self.cored {
            Cored::Simulated(sim) => sim,
            Cored::Real(system) => system,
        }
    }

    /// More bytes than are held for a peer that holds [`few`](Stage::connect_narrow) and does not read.
    pub fn more_than_held(&self) -> usize {
        match self.cored {
            Cored::Simulated(_) => 40_000,
            Cored::Real(_) => 8 << 20,
        }
    }

    /// Waits until `done` says so.
    pub fn until(&self, what: &str, mut done: impl FnMut() -> bool) {
        match self.cored {
            Cored::Simulated(sim) => sim.run_until(what, done),
            Cored::Real(_) => {
                let give_up = now().after(PATIENCE);
                while !done() {
                    assert!(now() < give_up, "waited in vain for {what}: {:#?}", self.ledgers());
                    std::thread::yield_now();
                }
            }
        }
    }

    /// Has every core take a few turns, by the end of which it has begun whatever it is going to begin by itself.
    pub fn turns(&self) {
        match self.cored {
            Cored::Simulated(sim) => sim.run_for(Duration::from_millis(20)),
            Cored::Real(_) => (0..4).for_each(|_| drop(self.ledgers())),
        }
    }

    pub fn ledgers(&self) -> Vec<Ledger> {
        self.system().ledgers().expect("the system runs")
    }

    /// The sum of a figure over all cores.
    pub fn sum(&self, figure: impl Fn(&Ledger) -> u64) -> u64 {
        self.ledgers().iter().map(figure).sum()
    }

    /// Waits until a figure, summed over all cores, has come so far.
    pub fn until_sum(&self, what: &str, at_least: u64, figure: impl Fn(&Ledger) -> u64) {
        self.until(what, || self.sum(&figure) >= at_least);
    }

    /// Waits for what is told next.
    pub fn next<T>(&self, told: &Receiver<T>) -> T {
        let mut next = None;
        self.until("what an actor tells", || {
            next = match told.try_recv() {
                Ok(told) => Some(told),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => panic!("nobody is left to tell anything"),
            };
            next.is_some()
        });
        next.expect("it was waited for")
    }

    /// Listens; hands tell which lines come.
    pub fn serve(&self) -> Service {
        self.serve_with(|listener| listener, tell_lines)
    }

    /// Listens, with other limits, for connections whose lines are handled like this.
    pub fn serve_with<O: IntoFlow>(
        &self,
        limits: impl FnOnce(ListenerBuilder<'_>) -> ListenerBuilder<'_>,
        handle: impl Fn(&mut Hand, &str, &mut Context<Hand>) -> O + Send + Sync + 'static,
    ) -> Service {
        let ((tell, told), script) = (channel(), script(handle));
        let listener = limits(self.system().listener("127.0.0.1:0"));
        let listening = listener.start(move |_| Hand::new(&tell, &script)).expect("a free port is found");
        let address = listening.address();
        self.listeners.borrow_mut().push(listening);
        Service { address, told }
    }

    /// Listens for connections of another kind. Answers where.
    pub fn open<A: Connection>(
        &self,
        make: impl FnMut(odeon::Peer) -> A + Clone + Send + 'static,
    ) -> SocketAddr {
        let listening = self.system().listener("127.0.0.1:0").start(make).expect("a free port is found");
        let address = listening.address();
        self.listeners.borrow_mut().push(listening);
        address
    }

    /// Connects a peer that holds much, and answers with whom it is connected to.
    pub fn connect(&self, service: &Service) -> (Peer<'_>, Addr<Hand>) {
        self.meet(service, None)
    }

    /// Connects a peer that holds few unread bytes.
    pub fn connect_narrow(&self, service: &Service) -> (Peer<'_>, Addr<Hand>) {
        let few = if self.is_real() { 128 << 10 } else { 1000 };
        self.meet(service, Some(few))
    }

    fn meet(&self, service: &Service, window: Option<usize>) -> (Peer<'_>, Addr<Hand>) {
        let peer = self.connect_to(service.address, window);
        match self.told(service) {
            Told::Started(hand) => (peer, hand),
            other => panic!("instead of a start: {other:?}"),
        }
    }

    /// Connects a peer that holds about so many unread bytes.
    pub fn connect_to(&self, address: SocketAddr, window: Option<usize>) -> Peer<'_> {
        let end = match self.cored {
            Cored::Simulated(sim) => {
                let mut peer = sim.connect(address);
                window.into_iter().for_each(|bytes| peer.limit_unread(bytes));
                End::Simulated(SimulatedEnd::new(peer))
            }
            Cored::Real(_) => End::Real(Loopback::connect(address, window).expect("somebody listens")),
        };
        Peer::new(self, end)
    }

    /// What a hand of this listener tells next.
    pub fn told(&self, service: &Service) -> Told {
        self.next(&service.told)
    }

    /// The reason for which the next hand stops, whatever is told before.
    pub fn stopped(&self, service: &Service) -> StopReason {
        loop {
            if let Told::Stopped(reason, _) = self.told(service) {
                return reason;
            }
        }
    }

    /// What has been told and not taken, if anything.
    pub fn at_hand(&self, service: &Service) -> Option<Told> {
        service.told.try_recv().ok()
    }

    /// Has a hand do something in a handler, and answers what came of it.
    pub fn ask<R: Send + 'static>(
        &self,
        hand: Addr<Hand>,
        act: impl FnOnce(&mut Hand, &mut Context<Hand>) -> R + Send + 'static,
    ) -> R {
        let (answer, answers) = channel();
        self.order(hand, move |hand, cx| {
            // The test waits for it.
            let _ = answer.send(act(hand, cx));
        });
        self.next(&answers)
    }

    /// Has a hand do something in a handler, some time.
    pub fn order<O: IntoFlow>(
        &self,
        hand: Addr<Hand>,
        order: impl FnOnce(&mut Hand, &mut Context<Hand>) -> O + Send + 'static,
    ) {
        assert!(hand.tell(act(order)).is_ok(), "it is there, and has room");
    }

    /// Listens for connections that actors make.
    pub fn listen(&self) -> Far<'_> {
        let listener = match self.cored {
            Cored::Simulated(sim) => FarListener::Simulated(sim.listen("10.0.0.9:0")),
            Cored::Real(_) => FarListener::Real(listen()),
        };
        Far { stage: self, listener }
    }

    /// Has a core connect, and answers with both ends, and where the hand tells what happens.
    pub fn connect_from(&self, core: usize) -> (Peer<'_>, Addr<Hand>, Receiver<Told>) {
        let (mut far, (tell, told)) = (self.listen(), channel());
        let to = far.address();
        let connecting = self.system().spawn_task(core, move || async move {
            odeon::connect(to).start(move |_| Hand::new(&tell, &script(tell_lines))).await
        });
        let connected = connecting.expect("the core runs");
        let peer = far.accept();
        let hand = connected.wait().expect("it ends").expect("somebody listens");
        assert!(matches!(self.next(&told), Told::Started(_)));
        (peer, hand, told)
    }

    /// A directory for the files of a case.
    pub fn files(&self) -> Box<dyn Files> {
        match self.cored {
            Cored::Simulated(sim) => Box::new(OnDisk::new(sim.disk())),
            Cored::Real(_) => Box::new(TemporaryDirectory::new()),
        }
    }

    /// True if cores run by themselves, on threads that a handler may block.
    pub fn is_real(&self) -> bool {
        matches!(self.cored, Cored::Real(_))
    }
}

enum FarListener {
    Simulated(odeon::sim::PeerListener),
    Real(TcpListener),
}

/// Where actors connect to.
pub struct Far<'a> {
    stage: &'a Stage<'a>,
    listener: FarListener,
}

impl<'a> Far<'a> {
    pub fn address(&self) -> SocketAddr {
        match &self.listener {
            FarListener::Simulated(listener) => listener.address(),
            FarListener::Real(listener) => Server::address(listener),
        }
    }

    pub fn accept(&mut self) -> Peer<'a> {
        let mut end = None;
        let listener = &mut self.listener;
        self.stage.until("a connection that an actor makes", || {
            end = match listener {
                FarListener::Simulated(listener) => {
                    listener.try_accept().map(|peer| End::Simulated(SimulatedEnd::new(peer)))
                }
                FarListener::Real(listener) => Server::accept(listener).map(|(end, _)| End::Real(end)),
            };
            end.is_some()
        });
        Peer::new(self.stage, end.expect("it was waited for"))
    }
}
