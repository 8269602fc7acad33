//! Describing a system and starting it.
//!
//! Knows: how many cores, which backend, which limits; that all cores start or none. Must not know what runs on them.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::choice::BackendChoice;
use super::thread::{HEAD_ROOM, Plan, Start, StartError, start};
use super::{Error, Result, System};
use crate::config::Config;
use crate::driver::BlockingPool;
use crate::executor::{directory, lane};
use crate::net::Credits;
use crate::sys::{available_processors, descriptor_limit, raise_descriptor_limit, warn};

/// How many cores a system has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cores {
    /// One for each processor that the process may use: affinity, cpusets and quotas of control groups are respected.
    #[default]
    All,
    /// So many, 1,024 at most. Cores beyond the number of processors share them, and do not spin before they sleep. Each pair has
    /// [lanes](crate#sizing), so that what they take grows with the square of this.
    Count(usize),
}

/// Describes a system. See [`System::builder`].
///
/// ```
/// use odeon::prelude::*;
///
/// let system = System::builder().cores(Cores::Count(2)).backend(BackendChoice::Mio).build()?;
/// assert_eq!((system.cores(), system.backend()), (2, "mio"));
/// # Ok::<(), odeon::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct SystemBuilder {
    cores: Cores,
    backend: BackendChoice,
    config: Config,
}

impl SystemBuilder {
    /// How many cores. Default: all.
    #[must_use]
    pub fn cores(mut self, cores: Cores) -> SystemBuilder {
        self.cores = cores;
        self
    }

    /// Which backend. Default: io_uring where it can be had, else mio.
    #[must_use]
    pub fn backend(mut self, backend: BackendChoice) -> SystemBuilder {
        self.backend = backend;
        self
    }

    /// Which limits. Default: [`Config::default`].
    #[must_use]
    pub fn config(mut self, config: Config) -> SystemBuilder {
        self.config = config;
        self
    }

    /// Starts the cores. When this returns, each is ready.
    ///
    /// # Errors
    /// When a limit cannot be, or exceeds what the machine allows; when the backend that was asked for cannot be used; when
    /// a thread cannot be started. Nothing is left running then.
    pub fn build(self) -> Result<System> {
        self.config.check()?;
        let count = match self.cores {
            Cores::All => available_processors(),
            Cores::Count(count) => count,
        };
        if !(1..=CORES_MAX).contains(&count) {
            return Err(Error::Cores(count));
        }
        let mut config = self.config;
        if count > available_processors() {
            config.spin = std::time::Duration::ZERO;
        }
        let connections = connection_limit(&config)?;
        config.connections_max = Some(connections);
        let config = Arc::new(config);
        let credits = Arc::new(Credits::new(connections));
        match self.backend.resolve()? {
            BackendChoice::Uring => start_all(count, Start::Uring, &config, credits),
            BackendChoice::Mio => start_all(count, Start::Mio, &config, credits),
            BackendChoice::Auto => match start_all(count, Start::UringPreferred, &config, credits.clone()) {
                Err(Failed::Unavailable(reason)) => {
                    warn(format_args!("io_uring cannot be used ({reason}): using mio"));
                    start_all(count, Start::Mio, &config, credits)
                }
                result => result,
            },
        }
        .map_err(Error::from)
    }
}

/// More would have lanes for more memory than machines have.
const CORES_MAX: usize = 1024;

/// The kernel's table of a ring's direct descriptors ends there (`IORING_MAX_FIXED_FILES`).
const PLACES_MAX: u64 = 1 << 20;

/// Connections of which so few are allowed that it should be said.
const FEW: u64 = 64;

fn connection_limit(config: &Config) -> Result<usize> {
    let limit = descriptor_limit();
    let files = raise_descriptor_limit(limit.most).unwrap_or(limit.now);
    // For everything but connections.
    let kept = u64::from(config.sockets_beside + HEAD_ROOM);
    let allowed = files.saturating_sub(kept).max(1);
    if config.connections_max.is_none() && allowed < FEW {
        warn(format_args!(
            "Config::connections_max is {allowed}, because only {files} files may be open: raise the hard limit \
             (ulimit -Hn, LimitNOFILE= in systemd)"
        ));
    }
    let allowed = allowed.min(u64::from(config.actors_max)).min(PLACES_MAX - kept);
    match config.connections_max {
        Some(asked) if asked as u64 > allowed => Err(Error::Limit {
            limit: "connections_max",
            asked: asked as u64,
            allowed,
            cure: "raise the hard limit of open files (ulimit -Hn, LimitNOFILE= in systemd) or Config::actors_max, or ask \
                   for less; 1,048,544 less Config::sockets_beside is the most",
        }),
        Some(asked) => Ok(asked),
        None => Ok(usize::try_from(allowed).unwrap_or(usize::MAX)),
    }
}

/// Why the cores did not start.
enum Failed {
    /// This machine does not offer the backend: another may do.
    Unavailable(String),
    Error(Error),
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Error {
        match failed {
            Failed::Unavailable(reason) => Error::Backend { backend: "uring", reason },
            Failed::Error(error) => error,
        }
    }
}

/// Starts every core, or none: those that have started are shut down when one fails.
fn start_all(
    count: usize,
    backend: Start,
    config: &Arc<Config>,
    connections: Arc<Credits>,
) -> std::result::Result<System, Failed> {
    let first = directory::reserve(count as u32);
    let mut system = System {
        cores: Vec::with_capacity(count),
        config: config.clone(),
        backend: backend.name(),
        features: String::new(),
        connections,
        next: AtomicUsize::new(0),
    };
    let blocking = BlockingPool::new(count, config.blocking_tasks_max as usize);
    for (index, (senders, receivers)) in mesh(count, config.lane_capacity).into_iter().enumerate() {
        let (config, blocking) = (config.clone(), blocking.clone());
        let plan = Plan { index, count, first, config, senders, receivers, blocking };
        match start(backend, plan) {
            Ok((core, features)) => {
                system.cores.push(core);
                system.features = features;
            }
            Err(StartError::Unavailable(reason)) => return Err(Failed::Unavailable(reason)),
            Err(StartError::Failed(reason)) => {
                return Err(Failed::Error(Error::Backend { backend: backend.name(), reason }));
            }
            Err(StartError::Thread(error)) => return Err(Failed::Error(Error::Thread(error))),
        }
    }
    Ok(system)
}

/// The ends of the lanes of one core: out, in the order of the cores, with none to itself; and in.
type Ends = (Vec<Option<lane::Sender>>, Vec<lane::Receiver>);

/// A lane from every core to every other.
pub(super) fn mesh(count: usize, capacity: u32) -> Vec<Ends> {
    let mut ends: Vec<Ends> = (0..count).map(|_| (Vec::new(), Vec::new())).collect();
    for from in 0..count {
        for to in 0..count {
            if from == to {
                ends[from].0.push(None);
                continue;
            }
            let (sender, receiver) = lane::lane(capacity as usize);
            ends[from].0.push(Some(sender));
            ends[to].1.push(receiver);
        }
    }
    ends
}
