//! How many pieces a stream comes in, as the kernel counts them.
//!
//! Knows: `TCP_INFO` of Linux. Must not know who has sent them.
//!
//! Invariants: 1. The kernel is told how much room there is.
#![allow(unsafe_code)]

use std::net::TcpStream;

/// Segments with bytes in them that have come, also those that had come before; none where the kernel does not say. A send of few bytes
/// is one.
#[cfg(target_os = "linux")]
pub fn segments(stream: &TcpStream) -> Option<u32> {
    use std::os::fd::AsRawFd;
    /// Where `tcpi_data_segs_in` lies in `struct tcp_info`, and how long that is at least then.
    const PLACE: usize = 152;
    let mut info = [0_u8; 256];
    let mut len = info.len() as libc::socklen_t;
    let (socket, place) = (stream.as_raw_fd(), info.as_mut_ptr());
    // SAFETY: the kernel writes at most `len` bytes, for which there is room, and how many these were (invariant 1).
    let result =
        unsafe { libc::getsockopt(socket, libc::IPPROTO_TCP, libc::TCP_INFO, place.cast(), &raw mut len) };
    let field = info[..len as usize].get(PLACE..PLACE + 4)?;
    (result == 0).then(|| u32::from_ne_bytes(field.try_into().expect("four bytes")))
}

/// The same elsewhere.
#[cfg(not(target_os = "linux"))]
pub fn segments(_: &TcpStream) -> Option<u32> {
    None
}
