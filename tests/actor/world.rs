//! A simulated system, and what its actors have noted.
//!
//! Knows: how to ask and to wait. Must not know what is tested.

use std::fmt::{self, Display};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use odeon::prelude::{Actor, Addr, Ask, AskError};
use odeon::system::simulation::{SimPeer, Simulation, SimulationConfig};
use odeon::{Connection, Question};

/// What actors note, for tests to read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    pub(crate) fn note(&self, what: impl Display) {
        self.0.lock().expect("nobody panics here").push(what.to_string());
    }

    /// What was noted since this was last called.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("nobody panics here"))
    }
}

/// An error that notes that it is shown.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) Notes);

impl Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.note("shown");
        out.write_str("on purpose")
    }
}

pub(crate) struct World {
    simulation: Simulation,
    pub(crate) notes: Notes,
}

impl World {
    pub(crate) fn new() -> World {
        let simulation = Simulation::new(SimulationConfig { cores: 2, ..SimulationConfig::new(1) });
        World { simulation: simulation.expect("the limits are possible"), notes: Notes::default() }
    }

    /// One core, which looks for what has arrived between any two activations.
    pub(crate) fn of_single_activations() -> World {
        let mut plan = SimulationConfig::new(1);
        plan.config.turn_activations = 1;
        let simulation = Simulation::new(plan);
        World { simulation: simulation.expect("the limits are possible"), notes: Notes::default() }
    }

    pub(crate) fn spawn<A: Actor>(&self, actor: A) -> Addr<A> {
        self.simulation.spawn_on(0, actor).expect("there is room for an actor")
    }

    /// A listener whose connections are made by `make`, and a client of it.
    pub(crate) fn connect<A, F>(&mut self, make: F) -> SimPeer
    where
        A: Connection,
        F: Fn() -> A + Clone + Send + 'static,
    {
        let address = "10.0.0.1:7000".parse().expect("an address");
        let listener = self.simulation.listener(address);
        let _listening = listener.start(move |_| make()).expect("nobody listens there");
        self.run();
        self.simulation.network().connect(address).expect("somebody listens there")
    }

    /// Lets everything happen that needs no time.
    pub(crate) fn run(&mut self) {
        self.run_for(Duration::from_millis(1));
    }

    pub(crate) fn run_for(&mut self, duration: Duration) {
        self.simulation.run_for(duration);
    }

    /// Asks, and answers what comes at once.
    pub(crate) fn ask<A, Q>(&mut self, ask: Ask<A, Q>) -> Result<Q::Reply, AskError>
    where
        A: Actor,
        Q: Question<A> + Send,
        Q::Reply: Send,
    {
        let answer = ask.into_future();
        self.run();
        self.poll(answer).expect("there is an answer already")
    }

    /// What has come of something that was asked before.
    pub(crate) fn poll<F: Future>(&self, future: F) -> Option<F::Output> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
    }

    /// Everything ends, and nothing is left behind.
    pub(crate) fn end(self) {
        let remains = self.simulation.shutdown();
        assert!(remains.ledgers.iter().all(|ledger| ledger.held() == [0; 13]), "{remains:?}");
        assert_eq!((remains.leaked, remains.buffers_missing), (0, 0));
    }
}
