//! System calls as safe functions.
//!
//! Knows: the kernel. Must not know anything above.

mod clock;
mod errno;
#[cfg(target_os = "linux")]
mod event;

pub use clock::{Time, nanoseconds};
pub use errno::Errno;
#[cfg(target_os = "linux")]
pub use event::EventFd;
