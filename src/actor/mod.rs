//! What actors are: their traits, addresses, mailboxes, contexts and lives.
//!
//! Knows: messages and who handles them. Must not know ops, tokens or buffers.

mod address;
mod body;
mod context;
mod error;
mod head;
mod shell;
mod traits;

pub use address::{Addr, Recipient};
pub use context::Context;
pub use error::{OrDeadLetter, SendError, SpawnError};
pub use traits::{Accepts, Actor, Flow, Message, SendTo, StopReason};

pub use body::spawn;
pub(crate) use head::Head;
pub(crate) use shell::{Batch, Shell};
