//! Event descriptors: what one thread writes to end the sleep of another.
//!
//! Knows: the descriptor and its counter. Must not know who sleeps on it.
//!
//! Invariants: 1. The descriptor is open as long as the value lives.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// A kernel counter that can be waited for.
#[derive(Debug)]
pub struct EventFd(OwnedFd);

impl EventFd {
    /// A counter at zero. Reads block while it is zero, so that a ring can wait in a read.
    pub fn new() -> io::Result<EventFd> {
        // SAFETY: takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call above has just opened it, and nobody else knows it.
        Ok(EventFd(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Adds one to the counter. **Costs** one system call.
    pub fn signal(&self) {
        let one = 1_u64;
        // SAFETY: the pointer covers eight readable bytes, and the descriptor is open (invariant 1).
        let written = unsafe { libc::write(self.0.as_raw_fd(), (&raw const one).cast(), 8) };
        // The only other answer is a counter at its maximum, which has woken the sleeper already.
        debug_assert_eq!(written, 8, "an event descriptor takes eight bytes");
    }
}

impl AsRawFd for EventFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
