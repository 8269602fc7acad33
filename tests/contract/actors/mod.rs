//! What actors do with a socket, whatever is beneath: one body per case, in simulated systems, on mio and on io_uring.
//!
//! Knows: which files there are. Must not know what they are about.

pub mod ends;
pub mod forwards;
pub mod frames;
pub mod hand;
pub mod outboxes;
pub mod peer;
pub mod scarce;
pub mod segments;
pub mod sends;
pub mod stage;
