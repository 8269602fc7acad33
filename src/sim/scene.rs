//! What a check and its peers have in common: the simulation, until it has ended.
//!
//! Knows: how time passes while somebody waits. Must not know what is waited for.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::driver::ListenSocket;
use crate::executor::stage::Stage;
use crate::sys::Time;
use crate::system::simulation::{Network, Simulation};

/// A simulated system under test.
#[derive(Debug)]
pub(super) struct Scene {
    /// None once it has ended.
    simulation: RefCell<Option<Simulation>>,
    network: Network,
    patience: Duration,
    panics_allowed: Cell<bool>,
}

impl Scene {
    pub(super) fn new(simulation: Simulation, patience: Duration) -> Scene {
        let network = simulation.network().clone();
        let simulation = RefCell::new(Some(simulation));
        Scene { simulation, network, patience, panics_allowed: Cell::new(false) }
    }

    pub(super) fn network(&self) -> &Network {
        &self.network
    }

    pub(super) fn allow_panics(&self) {
        self.panics_allowed.set(true);
    }

    /// Takes the simulation, to end it.
    pub(super) fn take(&self) -> Option<Simulation> {
        self.simulation.take()
    }

    /// Does something with the simulation, unless it has ended, and looks whether anybody has panicked meanwhile.
    #[track_caller]
    pub(super) fn with<R>(&self, act: impl FnOnce(&mut Simulation) -> R) -> Option<R> {
        let (result, panics) = {
            let mut simulation = self.simulation.borrow_mut();
            let simulation = simulation.as_mut()?;
            (act(simulation), simulation.panics())
        };
        self.judge(panics);
        Some(result)
    }

    /// Fails if anybody has panicked, unless that is allowed.
    #[track_caller]
    pub(super) fn judge(&self, panics: u64) {
        assert!(
            panics == 0 || self.panics_allowed.get(),
            "code that runs on a core has panicked, as told above; where that is meant, `sim.allow_panics()` lets the test go on"
        );
    }

    /// Waits as long as patience lasts. Answers how long that was, if it was in vain.
    #[track_caller]
    pub(super) fn wait_for(&self, mut done: impl FnMut() -> bool) -> Result<(), Duration> {
        let come = self.go_until(self.patience(), &mut done);
        if come { Ok(()) } else { Err(self.patience) }
    }

    #[track_caller]
    fn go_until(&self, deadline: Time, done: &mut dyn FnMut() -> bool) -> bool {
        loop {
            if done() {
                return true;
            }
            let rests = self.with(|simulation| {
                simulation.go_on();
                simulation.is_at_rest()
            });
            if rests == Some(false) {
                continue;
            }
            if done() {
                return true;
            }
            // Whoever has looked may have begun something.
            let goes_on = self.with(|simulation| !simulation.is_at_rest() || simulation.pass(deadline));
            if goes_on != Some(true) {
                self.with(|simulation| simulation.advance_to(deadline));
                self.with(Simulation::settle);
                return done();
            }
        }
    }
}

impl Stage for Scene {
    fn now(&self) -> Time {
        self.network.now()
    }

    fn patience(&self) -> Time {
        self.now().after(self.patience)
    }

    fn run_until(&self, deadline: Time, done: &mut dyn FnMut() -> bool) -> bool {
        self.go_until(deadline, done)
    }

    fn listen(&self, address: SocketAddr, backlog: u32, sockets: usize) -> io::Result<Vec<ListenSocket>> {
        let bound = self.with(|simulation| simulation.bind(address, backlog, sockets));
        bound.unwrap_or_else(|| Err(io::Error::other("the simulation has ended")))
    }
}
