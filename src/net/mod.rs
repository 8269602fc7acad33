//! Connections as actors.
//!
//! Knows: streams of bytes, frames, what a connection does with them. Must not know the backend.

pub mod codec;
