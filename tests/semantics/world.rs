//! A system under test, real or simulated, and how its end is asserted.
//!
//! Knows: starting, running something on a core, waiting. Must not know the cases.

use std::cell::RefCell;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use odeon::prelude::*;
use odeon::sim::{Check, each_seed};
use odeon::sys::{Random, now};
use odeon::system::simulation::{Faults, Simulation, SimulationConfig};
use odeon::{DeadLetter, Error, Ledger, ShutdownReport, Supervisor};

/// Long enough for a machine that does much else, short enough to find out about a hang.
const PATIENCE: Duration = Duration::from_secs(40);
/// Phases of simulated cores while somebody waits, before time passes: some turns of each.
const PHASES: usize = 64;
/// Simulated systems for each case, unless `ODEON_SEEDS` says otherwise; `ODEON_SEED` names the only one.
pub const SEEDS: u64 = 24;

/// Where a case runs.
#[derive(Debug, Clone, Copy)]
pub enum On {
    /// In simulated systems, one for each seed.
    Seeds,
    /// In the simulated system of this seed.
    Seed(u64),
    /// With the kernel.
    Backend(BackendChoice),
}

/// Runs a case, unless the machine refuses its backend.
pub fn on(on: On, case: fn(On)) {
    match on {
        On::Seeds => each_seed(SEEDS, 1, |seed| case(On::Seed(seed))),
        On::Seed(_) => case(on),
        On::Backend(backend) => match System::builder().cores(Cores::Count(1)).backend(backend).build() {
            Ok(system) => {
                let _ = system.shutdown();
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

impl On {
    /// Chance, for what the case does.
    pub fn random(self) -> Random {
        match self {
            On::Seed(seed) => Random::new(seed),
            On::Seeds | On::Backend(_) => Random::new(0),
        }
    }
}

/// Most cases have no network, and what is made for one in each of thousands of systems would take most of their time.
fn lean(config: &mut Config) {
    config.pin = false;
    (config.receive_buffers, config.receive_buffer_bytes) = (1, 64);
    config.send_slots = [1, 0, 0, 0, 0];
    // However busy the machine is: what waits for an actor is handled before the foot on its core runs again.
    config.activation_time = PATIENCE;
}

/// Runs something with a system as programs have it, whose cores, where they are simulated, work while somebody waits.
pub fn with_system(on: On, cores: usize, run: fn(&System)) {
    match on {
        On::Backend(backend) => {
            let mut config = Config::default();
            lean(&mut config);
            let system = System::builder().cores(Cores::Count(cores)).backend(backend).config(config);
            let system = system.build().expect("the system starts");
            run(&system);
            assert_eq!(system.shutdown(), ShutdownReport::default());
        }
        On::Seed(seed) => Check::new().seed(seed).cores(cores).config(lean).run(|sim| run(sim)),
        On::Seeds => unreachable!("a case is run for each seed"),
    }
}

enum Cored {
    Simulated(RefCell<Simulation>),
    Real(System),
}

/// A system, and an actor on each of its cores that runs what it is told.
pub struct World {
    cored: Cored,
    feet: Vec<Addr<Foot>>,
}

type Task = Box<dyn FnOnce(&mut Context<Foot>) + Send>;

#[derive(Message)]
pub struct Run(pub Task);

/// Runs what it is told: a foot on a core.
pub struct Foot;

#[actor]
impl Foot {
    #[message]
    fn run(&mut self, Run(task): Run, cx: &mut Context<Self>) {
        task(cx);
    }
}

impl World {
    /// A system with the default limits.
    pub fn new(on: On, cores: usize) -> World {
        World::with(on, cores, |_| {})
    }

    /// A system with other limits.
    pub fn with(on: On, cores: usize, change: impl FnOnce(&mut Config)) -> World {
        World::build(on, cores, change, |_| Faults::none())
    }

    /// The same where, if it is simulated, all happens to a network and a disk that can.
    pub fn with_accidents(on: On, cores: usize, change: impl FnOnce(&mut Config)) -> World {
        World::build(on, cores, change, Faults::from_seed)
    }

    fn build(
        on: On,
        cores: usize,
        change: impl FnOnce(&mut Config),
        faults: impl FnOnce(u64) -> Faults,
    ) -> World {
        let mut config = Config::default();
        lean(&mut config);
        change(&mut config);
        let cored = match on {
            On::Backend(backend) => {
                let system = System::builder().cores(Cores::Count(cores)).backend(backend).config(config);
                Cored::Real(system.build().expect("the system starts"))
            }
            On::Seed(seed) => {
                let plan = SimulationConfig { seed, cores, config, faults: faults(seed) };
                Cored::Simulated(RefCell::new(Simulation::new(plan).expect("the limits are possible")))
            }
            On::Seeds => unreachable!("a case is run for each seed"),
        };
        let mut world = World { cored, feet: Vec::new() };
        world.feet = (0..cores).map(|core| world.spawn(core, Foot)).collect();
        world
    }

    fn with_system<R>(&self, act: impl FnOnce(&System) -> R) -> R {
        match &self.cored {
            Cored::Simulated(simulation) => act(&simulation.borrow()),
            Cored::Real(system) => act(system),
        }
    }

    pub fn spawn<A: Actor + Send>(&self, core: usize, actor: A) -> Addr<A> {
        self.with_system(|system| system.spawn_on(core, actor)).expect("there is room for an actor")
    }

    /// Spawns an actor under a supervisor of its own.
    pub fn supervise<A: Actor>(
        &self,
        core: usize,
        restart: Restart,
        make: impl FnMut() -> A + Send + 'static,
    ) -> Addr<A> {
        self.with_system(|system| system.supervise_on(core, restart, make))
            .expect("there is room for an actor")
    }

    /// Makes a supervisor, and lends it.
    pub fn with_supervisor<R>(&self, restart: Restart, with: impl FnOnce(Supervisor<'_>) -> R) -> R {
        self.with_system(|system| with(system.supervisor(restart).expect("there is room")))
    }

    /// Lets cores work until `done` says so.
    pub fn until(&self, what: &str, mut done: impl FnMut() -> bool) {
        match &self.cored {
            Cored::Simulated(simulation) => {
                for _ in 0..10_000 {
                    // Whoever looks comes in the middle of things, as on a machine.
                    for _ in 0..PHASES {
                        if done() {
                            return;
                        }
                        simulation.borrow_mut().step();
                    }
                    simulation.borrow_mut().run_for(Duration::from_millis(1));
                }
                panic!("waited in vain for {what}");
            }
            Cored::Real(_) => {
                let give_up = now().after(PATIENCE);
                while !done() {
                    assert!(now() < give_up, "waited in vain for {what}");
                    std::thread::yield_now();
                }
            }
        }
    }

    /// Lets cores work until a thread of the test's own has ended, for whose time a simulation cares nothing.
    pub fn join<R>(&self, thread: JoinHandle<R>) -> R {
        let give_up = now().after(PATIENCE);
        while !thread.is_finished() {
            assert!(now() < give_up, "waited in vain for a thread");
            if let Cored::Simulated(simulation) = &self.cored {
                simulation.borrow_mut().run_for(Duration::from_millis(1));
            }
            std::thread::yield_now();
        }
        thread.join().expect("it does not panic")
    }

    /// Has something run on a core, by nobody's handler but the foot's, and answers what it does.
    pub fn run<R: Send + 'static>(
        &self,
        core: usize,
        task: impl FnOnce(&mut Context<Foot>) -> R + Send + 'static,
    ) -> R {
        let answer = Arc::new(Mutex::new(None));
        let answered = Arc::clone(&answer);
        self.begin(core, move |cx| {
            let result = task(cx);
            *answered.lock().expect("nobody panics here") = Some(result);
        });
        let mut result = None;
        self.until("a foot", || {
            result = answer.lock().expect("nobody panics here").take();
            result.is_some()
        });
        result.expect("it was waited for")
    }

    /// Has something run on a core, some time.
    pub fn begin(&self, core: usize, task: impl FnOnce(&mut Context<Foot>) + Send + 'static) {
        assert!(self.feet[core].tell(Run(Box::new(task))).is_ok(), "there is room");
    }

    /// Whatever was sent by handlers that have done what the test knows of has arrived, also on other cores: after one round all of it has
    /// been published, and between the next two each core looks at its lanes. What the test sends by itself takes another way, and
    /// might come before it otherwise.
    pub fn settle(&self) {
        for _ in 0..3 {
            (0..self.feet.len()).for_each(|core| self.run(core, |_| ()));
        }
    }

    /// Has connections accepted. Answers where.
    pub fn listen<A, F>(&self, make: F) -> SocketAddr
    where
        A: Connection,
        F: FnMut(Peer) -> A + Clone + Send + 'static,
    {
        let listening = match &self.cored {
            Cored::Simulated(simulation) => {
                simulation.borrow_mut().listener(SocketAddr::from(([10, 0, 0, 1], 80))).start(make)
            }
            Cored::Real(system) => system.listener("127.0.0.1:0").start(make),
        };
        listening.expect("nobody listens there").address()
    }

    pub fn ledgers(&self) -> Vec<Ledger> {
        self.with_system(System::ledgers).expect("the system runs")
    }

    /// Has somebody told of messages that are not delivered.
    pub fn subscribe(&self, to: Recipient<DeadLetter>) {
        self.with_system(|system| system.dead_letters(to)).expect("the system runs");
    }

    /// Messages that were not delivered.
    pub fn dead_letters(&self) -> u64 {
        self.ledgers().iter().map(|ledger| ledger.dead_letters).sum()
    }

    /// Everything ends, and nothing is left behind. Answers what was cut off.
    pub fn shutdown(self) -> ShutdownReport {
        match self.cored {
            Cored::Simulated(simulation) => {
                let remains = simulation.into_inner().shutdown();
                assert!(remains.ledgers.iter().all(|ledger| ledger.held() == [0; 13]), "{remains:?}");
                assert_eq!((remains.leaked, remains.buffers_missing), (0, 0));
                remains.report
            }
            Cored::Real(system) => system.shutdown(),
        }
    }

    /// The same where nothing is to be cut off. Messages may be on their way.
    pub fn end(self) {
        let mut report = self.shutdown();
        report.messages_undelivered = 0;
        assert_eq!(report, ShutdownReport::default());
    }
}

/// Panics without a word on standard error: where traces are wanted, to write one takes longer than all the rest.
pub fn panic_quietly() -> ! {
    resume_unwind(Box::new("as planned"))
}

/// What actors note, for tests to read.
pub struct Notes<T>(Arc<Mutex<Vec<T>>>);

impl<T> Notes<T> {
    pub fn new() -> Notes<T> {
        Notes(Arc::default())
    }

    pub fn note(&self, what: T) {
        self.0.lock().expect("nobody panics here").push(what);
    }

    pub fn len(&self) -> usize {
        self.0.lock().expect("nobody panics here").len()
    }

    /// What was noted since this was last called.
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.0.lock().expect("nobody panics here"))
    }
}

impl<T> Clone for Notes<T> {
    fn clone(&self) -> Notes<T> {
        Notes(Arc::clone(&self.0))
    }
}
