//! What actors are: their traits, addresses, mailboxes, contexts and lives.
//!
//! Knows: messages and who handles them. Must not know ops, tokens or buffers.

mod address;
mod answer;
mod ask;
mod attach;
mod body;
mod context;
mod dead_letter;
mod drain;
mod error;
mod extra;
mod handle;
mod head;
mod local;
mod mailbox;
mod names;
mod overflow;
mod pool;
mod reply;
mod respond;
mod send;
mod sharded;
mod shell;
mod stash;
mod supervision;
mod testing;
mod timers;
mod topic;
mod traits;
mod watch;

pub use crate::executor::{AskError, Circle, Flow};
pub use address::{Addr, Recipient};
pub use answer::AnswerFuture;
pub use ask::{Anyone, Ask, Call, LocalAsk, Question, Receiver};
pub use context::{Context, Timeout};
pub use dead_letter::DeadLetter;
pub(crate) use dead_letter::subscribe;
pub use error::{OrDeadLetter, SendError, SpawnError, TimerError};
pub use handle::{Handle, HandleError};
pub use local::{AcceptsLocal, LocalAddr};
pub use mailbox::{MailboxOverflow, Priority};
pub use names::NameError;
pub use pool::{Busy, Pool};
pub use reply::Reply;
pub use respond::{Failure, IntoFlow, Respond, Told, Unheard, failed, tell_hook};
pub(crate) use respond::{Follows, failed_so};
pub use send::SendFuture;
pub use sharded::Sharded;
pub use testing::{Asker, Probe, TestContext, nobody, probe};
pub use timers::TimerKey;
pub use topic::{Lagged, Topic};
pub use traits::{Accepts, Actor, Message, SendTo, Sendable, Spawnable, StopReason};

pub(crate) use supervision::{Above, open, reserve, spawn_child, stop_supervisor};
pub use supervision::{OnPanic, Restart};
pub use watch::{ActorId, Down, WatchKey};

pub use body::spawn;
pub(crate) use head::Head;
pub(crate) use names::{lookup, register};
pub(crate) use sharded::place_of;
pub(crate) use shell::{Batch, reason_of};
