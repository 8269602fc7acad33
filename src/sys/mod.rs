//! System calls as safe functions.
//!
//! Knows: the kernel. Must not know anything above.

mod clock;
mod errno;
#[cfg(target_os = "linux")]
mod event;
mod listen;
mod random;

pub use clock::{Time, nanoseconds, now};
pub use errno::Errno;
#[cfg(target_os = "linux")]
pub use event::EventFd;
pub use listen::listen_together;
pub use random::Random;
