//! How many connections may wait at a listener.
//!
//! Knows: what the kernel tells about a socket. Must not know who accepts.
//!
//! Invariants: 1. The kernel writes only into what is on this stack frame, as much as it is told.
#![allow(unsafe_code)]

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_tells_its_backlog() {
        let (_, sockets) = crate::sys::listen_together("127.0.0.1:0".parse().unwrap(), 37, 1).unwrap();
        assert_eq!(listen_backlog(&sockets[0]), 38);
    }
}
