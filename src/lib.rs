//! Odeon: an actor runtime for Linux servers.
//!
//! Every network connection is an actor with a mailbox; every core runs one io_uring executor.

#[doc(hidden)]
pub mod actor;
pub mod config;
#[doc(hidden)]
pub mod driver;
#[doc(hidden)]
pub mod executor;
#[doc(hidden)]
pub mod mem;
pub mod net;
pub mod prelude;
pub mod sys;
pub mod system;

pub use actor::{
    Accepts, Actor, Addr, Context, Flow, Message, OrDeadLetter, Recipient, SendError, SendTo, SpawnError,
    StopReason,
};
pub use config::{Config, ConfigError};
pub use net::{AtLimit, Connection, Never, Peer};
pub use odeon_macros::Message;
pub use system::{
    BackendChoice, Cores, Error, Ledger, Listening, Result, ShutdownReport, System, SystemBuilder,
};
