//! What only Linux tells of a listener, and is told.
//!
//! Knows: options of sockets. Must not know who accepts.
//!
//! Invariants: 1. The kernel reads and writes only what is on this stack frame, as much as it is told.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::AsRawFd;

/// What to expect of a listener that does not tell: the kernel's own bound, unless somebody has raised it.
const UNTOLD: u32 = 4096;

/// The most connections that wait at a listener to be accepted.
#[must_use]
pub fn listen_backlog(listener: &socket2::Socket) -> u32 {
    // SAFETY: numbers only: all zeroes is a valid one.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut len = size_of::<libc::tcp_info>() as libc::socklen_t;
    let descriptor = listener.as_raw_fd();
    let place = (&raw mut info).cast();
    // SAFETY: `place` covers `len` bytes (invariant 1).
    let result =
        unsafe { libc::getsockopt(descriptor, libc::IPPROTO_TCP, libc::TCP_INFO, place, &raw mut len) };
    // Of a listener, these two count the connections that wait, and how many may.
    if result == 0 { info.tcpi_sacked + 1 } else { UNTOLD }
}

/// Bounds the bytes that connections of a listener have in the kernel and that are not on their way yet. The kernel asks for
/// more at half of it, and not only when a third of a send buffer of megabytes is free: so a peer that reads slowly is told
/// from one that does not read, and less memory of the kernel's waits for either.
///
/// # Errors
/// What the kernel says.
pub(super) fn bound_unsent(listener: &socket2::Socket, bytes: u32) -> io::Result<()> {
    let len = size_of::<u32>() as libc::socklen_t;
    let descriptor = listener.as_raw_fd();
    let place = (&raw const bytes).cast();
    // SAFETY: `place` covers `len` bytes (invariant 1).
    let result =
        unsafe { libc::setsockopt(descriptor, libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT, place, len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_tells_its_backlog() {
        let (_, sockets) = crate::sys::listen_together("127.0.0.1:0".parse().unwrap(), 37, 1).unwrap();
        assert_eq!(listen_backlog(&sockets[0]), 38);
    }
}
