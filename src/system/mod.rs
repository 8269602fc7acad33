//! Systems: cores started, actors placed on them, listeners opened, everything stopped and joined.
//!
//! Knows: threads, the choice of the backend, the order of start and shutdown. Must not know what actors do.

mod builder;
mod choice;
mod error;
mod ledger;
mod listen;
mod names;
mod place;
mod report;
mod shutdown;
#[doc(hidden)]
pub mod simulation;
mod supervise;
mod thread;
#[doc(hidden)]
pub mod workbench;

pub use builder::{Cores, SystemBuilder};
pub use choice::BackendChoice;
pub use error::{Error, Result};
pub use ledger::Ledger;
pub use listen::{ListenerBuilder, Listening};
pub use report::{CutOffName, ShutdownReport};
pub use supervise::Supervisor;

use std::sync::Arc;

use crossbeam_channel::TryRecvError;

use crate::config::Config;
use crate::executor::{Arrive, CoreId, RawAddress, Refused, current, post_ahead, stage};
use crate::mem::Key;
use crate::net::Credits;
use crate::sys::{Time, now};

use thread::CoreThread;

/// A set of cores, each with its thread and its executor.
///
/// It is started by [`System::builder`], given actors by [`System::spawn`] and its like, and listeners by
/// [`System::listener`]. It runs by itself, on its own threads; the thread that made it is free, and usually waits in
/// [`System::run_until_signal`]. Dropping it shuts it down, like [`System::shutdown`], and waits for that.
///
/// Several systems can live in one process, and their actors can send each other messages.
///
/// **Costs**: a thread per core. Memory of the send pools is set aside at the start, and becomes resident as it is used;
/// 2 MiB of receive buffers per core are resident at once. Each pair of cores has two lanes of 64 KiB. While
/// nothing happens, no core makes a system call.
///
/// ```
/// use odeon::prelude::*;
///
/// # #[derive(Message)] struct Greet(&'static str);
/// # struct Greeter;
/// # impl Actor for Greeter {
/// #     type Message = Greet;
/// #     fn handle(&mut self, Greet(name): Greet, _: &mut Context<Self>) -> Flow { println!("hello, {name}"); Flow::Continue }
/// # }
/// # impl Accepts<Greet> for Greeter { fn accept(message: Greet) -> Greet { message } }
/// let system = System::builder().cores(Cores::Count(1)).build()?;
/// let greeter = system.spawn(Greeter)?;
/// greeter.tell(Greet("world")).or_dead_letter();
/// system.shutdown();
/// # Ok::<(), odeon::Error>(())
/// ```
#[derive(Debug)]
pub struct System {
    cores: Vec<CoreHandle>,
    config: Arc<Config>,
    backend: &'static str,
    features: String,
    connections: Arc<Credits>,
    next: std::sync::atomic::AtomicUsize,
}

/// A core as seen from outside.
#[derive(Debug)]
struct CoreHandle {
    id: CoreId,
    thread: Option<CoreThread>,
}

impl System {
    /// Starts to describe a system. [`SystemBuilder::build`] starts it.
    #[must_use]
    pub fn builder() -> SystemBuilder {
        SystemBuilder::default()
    }

    /// How many cores it has.
    #[must_use]
    pub fn cores(&self) -> usize {
        self.cores.len()
    }

    /// The backend in use: `uring` or `mio`.
    #[must_use]
    pub fn backend(&self) -> &'static str {
        self.backend
    }

    /// What of the machine the backend uses and what it misses, in one line for people.
    #[must_use]
    pub fn features(&self) -> &str {
        &self.features
    }

    /// The limits in force.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }
}

/// The address of what concerns a core and none of its cells.
fn any_cell(core: CoreId) -> RawAddress {
    RawAddress::new(core, Key { index: 0, generation: 0 })
}

/// Runs `ask` on a core with a message and a way to answer, and waits for the answer.
fn on_core<M: Send + 'static, R>(
    core: CoreId,
    arrive: impl Arrive<(M, crossbeam_channel::Sender<R>)>,
    message: M,
) -> Result<R>
where
    R: Send + 'static,
{
    if current::with(|core| core.is_some()) {
        return Err(Error::WithinHandler);
    }
    let answers = ask_core(core, arrive, message, Time::MAX)?;
    if let Some(stage) = stage::find(core) {
        let mut answer = None;
        stage.run_until(stage.patience(), &mut || {
            answer = match answers.try_recv() {
                Ok(answer) => Some(Ok(answer)),
                Err(TryRecvError::Disconnected) => Some(Err(Error::CoreEnded)),
                Err(TryRecvError::Empty) => None,
            };
            answer.is_some()
        });
        return answer.unwrap_or(Err(Error::CoreEnded));
    }
    answers.recv().map_err(|_| Error::CoreEnded)
}

/// The same for whoever waits for the answer, if at all; nothing is asked if the way to the core is full until then.
fn ask_core<M: Send + 'static, R: Send + 'static>(
    core: CoreId,
    arrive: impl Arrive<(M, crossbeam_channel::Sender<R>)>,
    message: M,
    until: Time,
) -> Result<crossbeam_channel::Receiver<R>> {
    let (answer, answers) = crossbeam_channel::bounded(1);
    let mut message = (message, answer);
    while let Err(refused) = post_ahead(any_cell(core), arrive, message) {
        let Refused::Full(back) = refused else { return Err(Error::CoreEnded) };
        if now() >= until {
            break;
        }
        // The inbox is bounded, and its core empties it every turn.
        message = back;
        stage::yield_to(core);
    }
    Ok(answers)
}
