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
    Accepts, Actor, Addr, Context, Flow, Message, OrDeadLetter, Recipient, SendError, SendTo, StopReason,
};
pub use crate::config::Config;
pub use crate::net::codec::{Decode, Delimited, Encode, Fixed, FrameError, LengthDelimited, Lines, Raw};
pub use crate::net::{AtLimit, Connection, Never, Peer};
pub use crate::system::{BackendChoice, Cores, System};
pub use odeon_macros::Message;
