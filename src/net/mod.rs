//! Connections as actors.
//!
//! Knows: streams of bytes, frames, what a connection does with them. Must not know the backend.

mod body;
mod bulk;
mod closing;
pub mod codec;
mod connect;
mod connection;
mod credits;
mod failures;
mod filing;
mod forward;
mod intake;
mod inward;
mod last_call;
mod late;
mod listener;
mod others;
mod pipe;
mod place;
mod send_file;
mod served;
mod stream;
mod testing;
mod unread;
mod wire;

pub use bulk::{BodyError, BodyRefusal, BodyRefused};
pub use connect::{Connect, Connecting, connect};
pub use connection::{Connection, Never};
pub use credits::Credits;
pub use filing::{FileForwardError, FileRefusal, FileRefused, ForwardedFile};
pub use forward::ForwardError;
pub use listener::{AtLimit, Peer};
pub use place::Place;
pub use stream::{ReadHalf, Stream, WriteHalf};

pub(crate) use listener::{Shared, spawn_listener};
pub(crate) use served::Served;
