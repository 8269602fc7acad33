//! What can go wrong when a system starts, opens a listener or spawns.
//!
//! Knows: the reasons, each with its cure. Must not know how they come about.

use std::net::SocketAddr;
use std::{fmt, io};

use crate::config::ConfigError;

/// The result of whatever starts or opens something.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a system did not start, a listener did not open, or an actor was not spawned. What it prints is one line that says
/// what to do about it, to whoever runs the program: it may contain addresses and settings, and is not for peers.
///
/// ```
/// use odeon::prelude::*;
///
/// let system = System::builder().cores(Cores::Count(1)).build()?;
/// # #[derive(Clone)] struct Idle;
/// # impl Actor for Idle { type Message = Never; fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow { match message {} } }
/// # impl Connection for Idle { type Codec = Raw; fn frame(&mut self, _: &[u8], _: &mut Context<Self>) -> Flow { Flow::Continue } }
/// let first = system.listener("127.0.0.1:0").start(|_| Idle)?;
/// match system.listener(first.address()).start(|_| Idle) {
///     Err(odeon::Error::Listen { address, .. }) => assert_eq!(address, first.address()),
///     other => panic!("somebody listens there already: {other:?}"),
/// }
/// # Ok::<(), odeon::Error>(())
/// ```
#[non_exhaustive]
pub enum Error {
    /// A limit that cannot be.
    Config(ConfigError),
    /// A limit that this machine cannot honour.
    Limit {
        /// The limit's name in [`Config`](crate::Config).
        limit: &'static str,
        /// What was asked for.
        asked: u64,
        /// What the machine allows.
        allowed: u64,
        /// How to allow more.
        cure: &'static str,
    },
    /// A command line, or whatever else was parsed, names a backend that there is not.
    UnknownBackend(String),
    /// The environment variable `ODEON_BACKEND` has this value, which names no backend.
    BackendVariable(String),
    /// The backend that was asked for cannot be used here.
    Backend {
        /// Its name.
        backend: &'static str,
        /// Why.
        reason: String,
    },
    /// The system was asked for more or fewer cores than there can be.
    Cores(usize),
    /// A thread could not be started.
    Thread(io::Error),
    /// An address that is not one.
    Address {
        /// What was given.
        given: String,
        /// Why it is none.
        source: io::Error,
    },
    /// A listener could not be opened.
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why: `AddrInUse` when somebody listens there already.
        source: io::Error,
    },
    /// A limit of a listener that cannot be.
    ListenerLimit {
        /// Its name in [`ListenerBuilder`](crate::ListenerBuilder).
        limit: &'static str,
        /// What it was set to.
        got: u64,
        /// What it may be.
        expected: &'static str,
    },
    /// The core holds as many actors as `Config::actors_max` allows.
    ActorsFull,
    /// The core has ended, or the system is shutting down.
    CoreEnded,
    /// The supervisor has given up, or was stopped.
    SupervisorEnded,
    /// Called from within a handler, where waiting for a core could never end.
    WithinHandler,
    /// Signals cannot be caught.
    Signals(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Config(error) => error.fmt(out),
            Error::Limit { limit, asked, allowed, cure } => {
                write!(out, "Config::{limit} is {asked}, and this machine allows {allowed}: {cure}")
            }
            Error::UnknownBackend(name) => {
                write!(out, "there is no backend `{name}`: it is one of `auto`, `uring` and `mio`")
            }
            Error::BackendVariable(value) => {
                write!(out, "ODEON_BACKEND is `{value}`: it must be `auto`, `uring` or `mio`, or not set")
            }
            Error::Backend { backend, reason } => {
                write!(out, "the backend `{backend}` cannot be used: {reason}")
            }
            Error::Cores(count) => {
                write!(out, "SystemBuilder::cores is {count}: a system has from 1 to 1,024")
            }
            Error::Thread(error) => write!(out, "a thread could not be started: {error}"),
            Error::Address { given, source } => {
                write!(out, "`{given}` is not an address to listen on, such as 127.0.0.1:7000: {source}")
            }
            Error::Listen { address, source } if source.kind() == io::ErrorKind::AddrInUse => {
                write!(
                    out,
                    "cannot listen on {address}: the port is in use; stop who uses it or choose another"
                )
            }
            Error::Listen { address, source } => {
                write!(out, "cannot listen on {address}: {source}")?;
                out.write_str(match source.kind() {
                    io::ErrorKind::AddrNotAvailable => {
                        "; no interface of this machine has it: 0.0.0.0 and [::] stand for all that it has"
                    }
                    io::ErrorKind::PermissionDenied if address.port() < 1024 => {
                        "; ports below 1024 are not for everybody: choose another, or let the program have CAP_NET_BIND_SERVICE"
                    }
                    _ => "",
                })
            }
            Error::ListenerLimit { limit, got, expected } => {
                write!(out, "ListenerBuilder::{limit} is {got}: it must be {expected}")
            }
            Error::ActorsFull => out.write_str("the core holds as many actors as Config::actors_max allows"),
            Error::CoreEnded => out.write_str("the core has ended: its system is shutting down"),
            Error::SupervisorEnded => out.write_str("the supervisor has given up, or was stopped"),
            Error::WithinHandler => {
                out.write_str("a handler must not wait for a core: use its Context, or a thread of its own")
            }
            Error::Signals(error) => write!(out, "signals cannot be caught: {error}"),
        }
    }
}

/// The same text: it is what a `main` prints that returns a [`Result`].
impl fmt::Debug for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Config(error) => Some(error),
            Error::Thread(error)
            | Error::Address { source: error, .. }
            | Error::Listen { source: error, .. }
            | Error::Signals(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Error {
        Error::Config(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(port: u16, kind: io::ErrorKind, said: &str) {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let error = format!("{:?}", Error::Listen { address, source: kind.into() });
        assert_eq!(error, format!("cannot listen on {address}: {said}"));
    }

    #[test]
    fn a_main_that_fails_says_what_to_do() {
        let cure = "no interface of this machine has it: 0.0.0.0 and [::] stand for all that it has";
        check(7000, io::ErrorKind::AddrInUse, "the port is in use; stop who uses it or choose another");
        check(7000, io::ErrorKind::AddrNotAvailable, &format!("address not available; {cure}"));
        let cure = "ports below 1024 are not for everybody: choose another, or let the program have CAP_NET_BIND_SERVICE";
        check(80, io::ErrorKind::PermissionDenied, &format!("permission denied; {cure}"));
        check(7000, io::ErrorKind::PermissionDenied, "permission denied");
    }
}
