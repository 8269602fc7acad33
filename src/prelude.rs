//! What most programs need, in one import.
//!
//! ```
//! use odeon::prelude::*;
//! ```

pub use crate::actor::{
    Accepts, Actor, Addr, Context, Flow, Message, OrDeadLetter, Recipient, SendError, SendTo, StopReason,
};
pub use crate::config::Config;
pub use odeon_macros::Message;
