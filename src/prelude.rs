//! What most programs need, in one import: `use odeon::prelude::*;`.
//!
//! Knows: names. Must not know anything else.
//!
//! ```
//! use odeon::prelude::*;
//!
//! let system = System::builder().cores(Cores::Count(1)).build()?;
//! assert_eq!(system.cores(), 1);
//! # Ok::<(), odeon::Error>(())
//! ```

pub use crate::actor::{
    Accepts, Actor, Addr, Ask, AskError, Context, Down, Flow, Handle, HandleError, Lagged, LocalAddr,
    MailboxOverflow, Message, NameError, OrDeadLetter, Pool, Priority, Recipient, Reply, Restart, SendError,
    SendTo, Sharded, StopReason, TimerError, TimerKey, Topic, WatchKey,
};
pub use crate::config::Config;
pub use crate::executor::{Interval, MissedTicks, Overflow};
pub use crate::mem::Bytes;
pub use crate::net::codec::{Decode, Delimited, Encode, Fixed, FrameError, LengthDelimited, Lines, Raw};
pub use crate::net::{AtLimit, BodyError, Connection, Never, Peer, Place, Stream};
pub use crate::system::{BackendChoice, Cores, System};
pub use odeon_macros::{
    Message, actor, body, call, end_of_stream, every, forwarded, frame, idle, malformed, message, started,
    stopped,
};
