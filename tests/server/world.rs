//! A system under test, and how its end is asserted.
//!
//! Knows: starting, the ledgers, the shutdown. Must not know the cases.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use odeon::sys::now;
use odeon::{BackendChoice, Config, Connection, Cores, Error, Ledger, Peer, ShutdownReport, System};

/// Long enough for a machine that does much else, short enough to find out about a hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// Runs a case on a backend, unless the machine refuses it.
pub(crate) fn on(backend: BackendChoice, case: fn(BackendChoice)) {
    match System::builder().cores(Cores::Count(1)).backend(backend).build() {
        Ok(system) => drop(system.shutdown()),
        Err(Error::Backend { backend, reason }) => {
            // Not by `eprintln!`, which the test runner would swallow.
            let _ = writeln!(io::stderr(), "SKIPPED: {backend} is refused on this machine: {reason}");
            return;
        }
        Err(error) => panic!("{error}"),
    }
    case(backend);
}

/// Repeats a question until it is answered with yes.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let give_up = now().after(PATIENCE);
    while !done() {
        assert!(now() < give_up, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

/// A system, with what it holds while nothing is going on.
pub(crate) struct World {
    pub(crate) system: System,
    listeners: usize,
    /// By core, as [`Ledger::held`] gives it.
    baseline: Vec<[usize; 13]>,
}

impl World {
    /// A system with the default limits, except that nobody who has no processor for a while is taken for one who does not answer.
    pub(crate) fn new(backend: BackendChoice, cores: usize) -> World {
        World::with(backend, cores, |_| {})
    }

    /// A system with other limits.
    pub(crate) fn with(backend: BackendChoice, cores: usize, change: impl FnOnce(&mut Config)) -> World {
        let mut config = Config::default();
        (config.ask_timeout, config.drain_deadline) = (PATIENCE, PATIENCE);
        change(&mut config);
        let system = System::builder().cores(Cores::Count(cores)).backend(backend).config(config).build();
        let mut world =
            World { system: system.expect("the system starts"), listeners: 0, baseline: Vec::new() };
        world.remember();
        world
    }

    /// Opens a listener with the default options; answers its address.
    pub(crate) fn serve<A, F>(&mut self, make: F) -> SocketAddr
    where
        A: Connection,
        F: FnMut(Peer) -> A + Clone + Send + 'static,
    {
        let listening = self.system.listener("127.0.0.1:0").start(make).expect("a free port is found");
        self.listens();
        listening.address()
    }

    /// A listener has been opened: it belongs to what is held while nothing is going on.
    pub(crate) fn listens(&mut self) {
        self.listeners += 1;
        self.remember();
    }

    /// Waits until there are no connections and each listener accepts on each core, and takes that for the baseline. Actors
    /// that the case needs for its whole length are spawned before.
    pub(crate) fn remember(&mut self) {
        let listeners = self.listeners;
        let ledgers = self.wait_for("its listeners to accept", |ledgers| {
            ledgers.iter().all(|ledger| {
                let [sockets, operations, _, _, rest @ ..] = ledger.held();
                [sockets, operations, ledger.socket_actors] == [listeners; 3] && rest == [0; 9]
            })
        });
        self.baseline = ledgers.iter().map(Ledger::held).collect();
    }

    pub(crate) fn ledgers(&self) -> Vec<Ledger> {
        self.system.ledgers().expect("the system runs")
    }

    /// The sum of a figure over all cores.
    pub(crate) fn sum(&self, figure: impl Fn(&Ledger) -> u64) -> u64 {
        self.ledgers().iter().map(figure).sum()
    }

    /// Asks the ledgers until `done` says so; each question is a turn of every core.
    pub(crate) fn wait_for(&self, what: &str, done: impl Fn(&[Ledger]) -> bool) -> Vec<Ledger> {
        let give_up = now().after(PATIENCE);
        loop {
            let ledgers = self.ledgers();
            if done(&ledgers) {
                return ledgers;
            }
            assert!(now() < give_up, "waited in vain for {what}, baseline {:?}: {ledgers:#?}", self.baseline);
            std::thread::yield_now();
        }
    }

    /// Asks the ledgers until a figure, summed over all cores, has come so far.
    pub(crate) fn wait_for_figure(&self, what: &str, at_least: u64, figure: impl Fn(&Ledger) -> u64) {
        let give_up = now().after(PATIENCE);
        while self.sum(&figure) < at_least {
            assert!(now() < give_up, "waited in vain for {what}: {:#?}", self.ledgers());
            std::thread::yield_now();
        }
    }

    /// Waits until everything that the case took has been given back.
    pub(crate) fn settle(&self) {
        self.wait_for("the ledger to be at its baseline", |ledgers| {
            ledgers.iter().map(Ledger::held).eq(self.baseline.iter().copied())
        });
    }

    /// The end of a case: everything has been given back, and shutting down cuts nothing off.
    pub(crate) fn finish(self) {
        self.settle();
        assert_eq!(self.system.shutdown(), ShutdownReport::default());
    }
}
