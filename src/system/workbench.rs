//! Cores on one thread with nothing beneath them, for measuring what the runtime itself costs.
//!
//! Knows: how cores are put together and stepped. Must not know a socket, nor what is measured.
//!
//! Actors, connections and listeners are the real ones, the clock is the machine's, and every operation completes at once. Nothing
//! else runs, so a count of instructions is the same each time.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use crossbeam_channel::bounded;

use super::builder::mesh;
use super::listen::{Options, adopt};
use super::{Error, Result};
use crate::actor::{self, Actor, Addr};
use crate::config::Config;
use crate::driver::backend::null::Null;
pub use crate::driver::backend::null::NullLoad;
use crate::driver::{Wait, Waker};
use crate::executor::directory::{self, Port};
use crate::executor::{Arrivals, Core, CoreId, Executor, Links, current};
use crate::net::{Connection, Credits, Peer};
use crate::sys::Clock;

/// Cores that take their turns one after the other.
#[derive(Debug)]
pub struct Workbench {
    first: CoreId,
    cores: Vec<Executor<Null>>,
    config: Rc<Config>,
}

impl Workbench {
    /// So many cores. `load` comes in at each core that has a listener.
    #[must_use]
    pub fn new(count: usize, config: Config, load: &NullLoad) -> Workbench {
        let config = Rc::new(config);
        let first = directory::reserve(count as u32);
        let cores = mesh(count, config.lane_capacity).into_iter().enumerate().map(|(index, (out, lanes))| {
            let id = CoreId(first.0 + index as u32);
            let core = Core::new(id, config.clone(), Clock::Monotonic, Links::new(first, out));
            let (inbox, envelopes) = bounded(config.inbox_capacity);
            let port = Arc::new(Port::new(inbox, Waker::None, config.ask_timeout));
            directory::open(id, port.clone());
            let null = Null::new(load.clone(), load.connections + 1);
            Executor::new(Rc::new(core), null, Arrivals::new(port, envelopes, lanes))
        });
        Workbench { first, cores: cores.collect(), config }
    }

    /// No connections.
    #[must_use]
    pub fn without_load(count: usize, config: Config) -> Workbench {
        let load = NullLoad { connections: 0, request: Vec::new(), answer_len: 0, requests: 0 };
        Workbench::new(count, config, &load)
    }

    /// Spawns an actor on a core by its number.
    ///
    /// # Errors
    /// [`Error::ActorsFull`].
    pub fn spawn_on<A: Actor>(&self, core: usize, actor: A) -> Result<Addr<A>> {
        let core = self.cores[core].core();
        current::scope(core, || actor::spawn(core, actor)).map_err(|_| Error::ActorsFull)
    }

    /// Opens a listener on a core, to which the load comes.
    ///
    /// # Errors
    /// When the core holds as many actors as it may.
    pub fn listen<A, F>(&mut self, core: usize, make: F) -> io::Result<()>
    where
        A: Connection,
        F: FnMut(Peer) -> A + 'static,
    {
        let executor = &mut self.cores[core];
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let socket = executor.driver_mut().bind(address, 1, 1)?.pop().ok_or(io::ErrorKind::NotFound)?;
        let options = Options::new(&self.config);
        let credits = Arc::new(Credits::new(usize::MAX));
        let state = executor.core().clone();
        let opened = Rc::new(Cell::new(None));
        current::scope(&state, || {
            let answer = opened.clone();
            let shared = options.shared::<A>(options.credits(&credits));
            adopt(&state, socket, make, shared, move |cell| answer.set(Some(cell)));
            executor.receive();
        });
        opened.take().unwrap_or_else(|| Err(io::Error::other("the core did not answer"))).map(drop)
    }

    /// One turn of every core, until `done`.
    pub fn run_until(&mut self, mut done: impl FnMut() -> bool) {
        while !done() {
            self.turn();
        }
    }

    /// One turn of every core, until all requests of the load of one of them have come in, whether they are answered or not.
    pub fn run_until_spent(&mut self, core: usize) {
        while self.cores[core].driver_mut().backend().requests_left() > 0 {
            self.turn();
        }
    }

    fn turn(&mut self) {
        for executor in &mut self.cores {
            let core = executor.core().clone();
            current::scope(&core, || {
                executor.enter(Wait::No);
                executor.receive();
                executor.expire();
                executor.activate();
            });
        }
    }
}

impl Drop for Workbench {
    fn drop(&mut self) {
        for index in 0..self.cores.len() {
            directory::close(CoreId(self.first.0 + index as u32));
        }
        // What was in the middle of a panic is dropped as it is.
        if !std::thread::panicking() {
            std::mem::take(&mut self.cores).into_iter().for_each(Executor::dismantle);
        }
    }
}
