//! A whole system on one thread: simulated cores, an in-memory network, a virtual clock, all from one seed.
//!
//! Knows: how cores are stepped, one phase at a time, in an order chosen by the seed. Must not know a real clock or socket.
//!
//! Actors, codecs, connections and listeners are the real ones; only what is beneath the driver is simulated. The same seed
//! gives the same run, so a failure is repeated by its seed. Nothing moves unless it is told to: [`Simulation::settle`] lets
//! everything happen that can happen now, [`Simulation::run_for`] lets time pass as well.
//!
//! What users have of it is [`sim`](crate::sim), which stands on this; the tests of the runtime use it as it is.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::bounded;

use super::builder::mesh;
use super::ledger::Ledger;
use super::report::ShutdownReport;
use super::shutdown::LEAST;
use super::{CoreHandle, Error, Result, System};
use crate::actor::{self, Actor, Addr};
use crate::config::Config;
use crate::driver::Waker;
#[doc(hidden)]
pub use crate::driver::backend::sim::Canary;
pub use crate::driver::backend::sim::{
    Breach, Breaker, Disk, Faults, Network, Peer as SimPeer, PeerListener,
};
use crate::driver::backend::sim::{Sim, SimConfig};
use crate::driver::{Backend, ListenSocket, Wait};
use crate::executor::directory::{self, Port};
use crate::executor::stage::{self, Stage};
use crate::executor::{Arrivals, Core, CoreId, Counters, CutOff, Ending, Executor, Links, current};
use crate::net::Credits;
use crate::sys::{Clock, Random, Rehearsal, Time};

/// What a simulated system is made of.
#[derive(Debug, Clone)]
pub struct SimulationConfig {
    /// Decides everything that chance decides.
    pub seed: u64,
    /// How many cores.
    pub cores: usize,
    /// The limits.
    pub config: Config,
    /// The accidents.
    pub faults: Faults,
}

impl SimulationConfig {
    /// One core, default limits, no accidents.
    #[must_use]
    pub fn new(seed: u64) -> SimulationConfig {
        SimulationConfig { seed, cores: 1, config: Config::default(), faults: Faults::default() }
    }
}

/// The phases of a turn, in their order. Two of them are halves, between which other cores and threads do something on a machine, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Enter,
    Lanes,
    Inbox,
    Expire,
    Run,
    Publish,
}

/// Phases of a turn.
const TURN: usize = 6;

#[derive(Debug)]
struct SimCore {
    executor: Executor<Sim>,
    next: Phase,
}

type SimCores = Rc<RefCell<Vec<SimCore>>>;

/// A simulated system, and a [`System`] for whoever is outside of it: what is done by way of that has the cores take in what they are sent,
/// and nothing else happens.
#[derive(Debug)]
pub struct Simulation {
    system: System,
    cores: SimCores,
    network: Network,
    clock: Rc<Cell<Time>>,
    random: Random,
    /// The core whose turn it is, for so many more phases.
    ahead: usize,
    stretch: usize,
    config: Rc<Config>,
    standstill: Rc<dyn Stage>,
    /// Phases so far, and those before the time that it is now.
    phases: u64,
    phases_before: u64,
    _rehearsal: Rehearsal,
}

/// So many phases at one time are too many: something goes round for ever.
const PHASES_MAX: u64 = 10_000_000;

impl Simulation {
    /// Puts a simulated system together.
    ///
    /// # Errors
    /// When a limit cannot be.
    pub fn new(plan: SimulationConfig) -> Result<Simulation> {
        plan.config.check()?;
        let SimulationConfig { seed, cores: count, config, faults } = plan;
        let config = Rc::new(config);
        let network = Network::new(seed);
        let clock = Rc::new(Cell::new(network.now()));
        let first = directory::reserve(count as u32);
        let pins = u8::try_from(config.pinned_parts_max).expect("it was checked");
        let sim = SimConfig { queue: config.submission_entries, pins, faults, ..SimConfig::default() };
        let cores = mesh(count, config.lane_capacity).into_iter().enumerate().map(|(index, (out, lanes))| {
            let id = CoreId(first.0 + index as u32);
            let core = Core::new(id, config.clone(), Clock::Virtual(clock.clone()), Links::new(first, out));
            let (inbox, envelopes) = bounded(config.inbox_capacity);
            let port = Arc::new(Port::new(inbox, Waker::None, config.ask_timeout));
            directory::open(id, port.clone());
            let backend = Sim::new(&network, sim.clone());
            let executor = Executor::new(Rc::new(core), backend, Arrivals::new(port, envelopes, lanes));
            SimCore { executor, next: Phase::Enter }
        });
        let cores: SimCores = Rc::new(RefCell::new(cores.collect()));
        let standstill: Rc<dyn Stage> =
            Rc::new(Standstill { cores: Rc::clone(&cores), network: network.clone() });
        stage::enter(ids(first, count), &standstill);
        let random = network.fork_random();
        Ok(Simulation {
            system: system(ids(first, count), &config),
            cores,
            network,
            clock,
            random,
            ahead: 0,
            stretch: 0,
            config,
            standstill,
            phases: 0,
            phases_before: 0,
            _rehearsal: Rehearsal::begin(),
        })
    }

    /// The network, for clients that the test plays.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The virtual time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.clock.get()
    }

    /// Spawns an actor on a core by its number, as [`System::spawn_on`] does; as the core is on this thread, it need not be `Send`.
    ///
    /// # Errors
    /// [`Error::ActorsFull`].
    pub fn spawn_on<A: Actor>(&self, core: usize, actor: A) -> Result<Addr<A>> {
        let core = self.core(core % self.system.cores());
        current::scope(&core, || actor::spawn(&core, actor)).map_err(|_| Error::ActorsFull)
    }

    fn core(&self, index: usize) -> Rc<Core> {
        self.cores.borrow()[index].executor.core().clone()
    }

    /// All cores, one after the other, with nothing borrowed.
    fn all(&self) -> impl Iterator<Item = Rc<Core>> + '_ {
        (0..self.system.cores()).map(|index| self.core(index))
    }

    /// The same system once more: it ends with the simulation, not with this.
    pub(crate) fn system(&self) -> System {
        system(self.ids(), &self.config)
    }

    /// The cores by their ids.
    pub(crate) fn ids(&self) -> impl Iterator<Item = CoreId> + use<> {
        ids(self.system.cores[0].id, self.system.cores())
    }

    /// Binds so many sockets to an address of the network.
    pub(crate) fn bind(
        &self,
        address: SocketAddr,
        backlog: u32,
        count: usize,
    ) -> io::Result<Vec<ListenSocket>> {
        self.standstill.listen(address, backlog, count)
    }

    /// Runs the next phase of a core chosen by the seed. Mostly each has its turn soon; sometimes one goes on while the others stand, as
    /// a machine has them do that gives their processors to something else.
    ///
    /// # Panics
    /// After ten million phases at one time: something goes round for ever.
    pub fn step(&mut self) {
        /// Of so many choices one is for a stretch, of so many phases at most.
        const STRETCH: (usize, usize) = (128, 16 * TURN);
        if self.stretch == 0 {
            self.ahead = self.random.index(self.system.cores());
            let is_long = self.system.cores() > 1 && self.random.index(STRETCH.0) == 0;
            self.stretch = if is_long { 1 + self.random.index(STRETCH.1) } else { 1 };
        }
        self.stretch -= 1;
        self.step_core(self.ahead);
    }

    /// Runs a few phases: as many as the seed says, so that whoever looks comes in the middle of things.
    pub(crate) fn go_on(&mut self) {
        for _ in 0..=self.random.index(2 * TURN * self.system.cores()) {
            self.step();
        }
    }

    fn step_core(&mut self, index: usize) {
        self.phases += 1;
        assert!(
            self.phases - self.phases_before < PHASES_MAX,
            "the simulation does not come to rest: something goes round for ever"
        );
        let SimCore { executor, next } = &mut self.cores.borrow_mut()[index];
        let core = executor.core().clone();
        current::scope(&core, || match *next {
            Phase::Enter => {
                executor.enter(Wait::No);
                *next = Phase::Lanes;
            }
            Phase::Lanes => {
                executor.receive_lanes();
                *next = Phase::Inbox;
            }
            Phase::Inbox => {
                executor.receive_inbox();
                *next = Phase::Expire;
            }
            Phase::Expire => {
                executor.expire();
                *next = Phase::Run;
            }
            Phase::Run => {
                executor.run_cells();
                *next = Phase::Publish;
            }
            Phase::Publish => {
                executor.publish();
                *next = Phase::Enter;
            }
        });
    }

    /// Steps until nothing more can happen at this time. Answers how many phases that took.
    ///
    /// # Panics
    /// As [`Simulation::step`].
    pub fn settle(&mut self) -> u64 {
        let mut steps = 0;
        loop {
            for _ in 0..TURN * self.system.cores() {
                self.step();
                steps += 1;
            }
            if self.is_at_rest() {
                return steps;
            }
        }
    }

    /// True if nothing can happen before time passes.
    pub(crate) fn is_at_rest(&mut self) -> bool {
        self.is_idle() && self.turn_all_finds_nothing()
    }

    fn is_idle(&self) -> bool {
        self.cores.borrow().iter().all(|core| core.executor.is_idle())
    }

    /// True if a whole turn of every core found nothing to do, from its first phase to its last: what an activation releases
    /// is seen by the next enter only. Each core has come to the end of its turn then, where a real one rests: time that passes in the
    /// middle of a turn is not seen before the next, and whatever began until then would have begun too early.
    fn turn_all_finds_nothing(&mut self) -> bool {
        let before = self.network.trace();
        for index in 0..self.system.cores() {
            while self.cores.borrow()[index].next != Phase::Enter {
                self.step_core(index);
            }
            for _ in 0..2 * TURN {
                self.step_core(index);
            }
        }
        self.is_idle() && self.network.trace() == before
    }

    /// Lets time pass: settles, sets the clock forward to whatever comes next, and so on until `duration` has passed.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now().after(duration);
        loop {
            self.settle();
            if !self.pass(end) || self.now() == end {
                break;
            }
        }
        self.advance_to(end);
        self.settle();
    }

    /// Lets time pass at once, in which no core does anything, as if a handler or the machine had held each of them: what has come
    /// meanwhile and what is due by then are found together. Then settles.
    pub fn stand_still(&mut self, duration: Duration) {
        self.advance_to(self.now().after(duration));
        self.settle();
    }

    /// Sets the clock forward to whatever comes next. False if there is nothing, or not before the end, which is
    /// not passed.
    pub(crate) fn pass(&mut self, end: Time) -> bool {
        let timer = self.all().map(|core| core.next_deadline()).min();
        let event = self.network.next_event();
        let next = timer.into_iter().chain(event).min().unwrap_or(Time::MAX);
        if next > end || next == Time::MAX || end <= self.now() {
            return false;
        }
        // A timer may be due and not yet expired: time never goes back, and always goes on.
        self.advance_to(next.max(Time(self.now().0 + 1)).min(end));
        true
    }

    pub(crate) fn advance_to(&mut self, time: Time) {
        self.network.advance_to(time);
        self.clock.set(self.network.now());
        self.phases_before = self.phases;
    }

    /// A sum over everything that has happened so far: two runs of one seed are alike in it.
    pub(crate) fn trace(&self) -> u64 {
        let handled = self.counters(|counters| counters.handled.get());
        [handled, self.phases, self.now().0].iter().fold(self.network.trace(), |trace, word| {
            (trace ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29)
        })
    }

    /// Panics of users' code so far, whoever they have ended.
    pub(crate) fn panics(&self) -> u64 {
        self.counters(|counters| counters.panics.get() + counters.drop_panics.get())
    }

    fn counters(&self, figure: impl Fn(&Counters) -> u64) -> u64 {
        self.all().map(|core| figure(&core.counters)).sum()
    }

    /// What each core holds.
    #[must_use]
    pub fn ledgers(&mut self) -> Vec<Ledger> {
        let ledger = |core: &mut SimCore| {
            let driver = core.executor.driver_mut().ledger();
            Ledger::of(core.executor.core(), driver)
        };
        self.cores.borrow_mut().iter_mut().map(ledger).collect()
    }

    /// Shuts down as a real system does, and answers what was left of it.
    #[must_use]
    pub fn shutdown(mut self) -> Remains {
        let deadline = self.now().after(self.config.drain_deadline);
        let late = self.stage(Ending::Connections, deadline);
        let late_actors = self.stage(Ending::All, deadline.max(self.now().after(LEAST)));
        if late || late_actors {
            self.stage(Ending::Abort, self.now().after(self.config.close_deadline));
        }
        self.end_in_flight();
        let ledgers = self.ledgers();
        let (mut leaked, mut buffers_missing, mut cut_off) = (0, 0, CutOff::default());
        for (index, core) in self.all().enumerate() {
            let pools = &core.pools;
            let mut cores = self.cores.borrow_mut();
            let left = cores[index].executor.driver_mut().drain(pools, Duration::from_secs(1));
            drop(cores);
            leaked += left.operations + left.requests();
            current::scope(&core, || core.settle());
            cut_off.merge(core.take_cut_off());
            buffers_missing += usize::from(pools.receive.count()) - pools.receive.free();
        }
        Remains { ledgers, leaked, buffers_missing, report: ShutdownReport::new(cut_off, 0) }
    }
}

/// Its end.
impl Simulation {
    /// Has every core end what the stage ends. True if one of them had not at the deadline.
    fn stage(&mut self, ending: Ending, deadline: Time) -> bool {
        let quiet = Rc::new(Cell::new(0));
        for core in self.all() {
            let quiet = Rc::clone(&quiet);
            current::scope(&core, || core.begin_ending(ending, Box::new(move || quiet.set(quiet.get() + 1))));
        }
        loop {
            self.settle();
            if quiet.get() == self.system.cores() {
                return false;
            }
            if !self.pass(deadline) {
                break;
            }
        }
        // What nothing happens to any more is not waited for without an end.
        if deadline < Time::MAX {
            self.advance_to(deadline);
        }
        true
    }

    /// Has end what nobody is there for any more. A real core waits for that, too, but for less long, and leaves a slow disk behind:
    /// here what is left would never end.
    fn end_in_flight(&mut self) {
        let deadline = self.now().after(self.config.drain_deadline).after(self.config.close_deadline);
        while self.pass(deadline) {
            self.settle();
        }
    }
}

/// What is left of a simulated system after its shutdown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remains {
    /// What each core held after everything had stopped: nothing.
    pub ledgers: Vec<Ledger>,
    /// Operations that could not be ended: none.
    pub leaked: usize,
    /// Receive buffers that were not free after the backend had given back those that it filled: none.
    pub buffers_missing: usize,
    /// What was cut off.
    pub report: ShutdownReport,
}

impl Drop for Simulation {
    fn drop(&mut self) {
        self.ids().for_each(directory::close);
        let cores = self.cores.take();
        // What was in the middle of a panic is dropped as it is.
        if !std::thread::panicking() {
            cores.into_iter().for_each(|core| core.executor.dismantle());
        }
    }
}

/// What a program does with its system, a test does with a simulated one.
impl Deref for Simulation {
    type Target = System;

    fn deref(&self) -> &System {
        &self.system
    }
}

fn ids(first: CoreId, count: usize) -> impl Iterator<Item = CoreId> {
    (first.0..).take(count).map(CoreId)
}

/// Cores as whoever is outside of a system sees them.
fn system(ids: impl Iterator<Item = CoreId>, config: &Config) -> System {
    System {
        cores: ids.map(|id| CoreHandle { id, thread: None }).collect(),
        config: Arc::new(config.clone()),
        backend: Sim::NAME,
        features: "simulated: a network, a disk and a clock in memory".to_owned(),
        connections: Arc::new(Credits::new(config.connections_max.unwrap_or(usize::MAX))),
        next: Default::default(),
    }
}

/// Has whoever waits for a core from outside be answered at once, by the core alone: nothing runs, and no time passes.
#[derive(Debug)]
struct Standstill {
    cores: SimCores,
    network: Network,
}

impl Stage for Standstill {
    fn now(&self) -> Time {
        self.network.now()
    }

    fn patience(&self) -> Time {
        self.now()
    }

    fn run_until(&self, _: Time, done: &mut dyn FnMut() -> bool) -> bool {
        /// What arrives may ask something of the driver, which is done when the core receives once more.
        const ROUNDS: usize = 2;
        for _ in 0..ROUNDS {
            for SimCore { executor, .. } in self.cores.borrow_mut().iter_mut() {
                let core = executor.core().clone();
                current::scope(&core, || executor.receive());
            }
            if done() {
                return true;
            }
        }
        false
    }

    fn listen(&self, address: SocketAddr, backlog: u32, sockets: usize) -> io::Result<Vec<ListenSocket>> {
        match self.cores.borrow_mut().first_mut() {
            Some(core) => core.executor.driver_mut().bind(address, backlog, sockets),
            None => Err(io::Error::other("the simulation has ended")),
        }
    }
}
