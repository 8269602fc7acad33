//! System calls as safe functions.
//!
//! Knows: the kernel. Must not know anything above.

mod clock;
mod errno;

pub use clock::{Time, nanoseconds};
pub use errno::Errno;
