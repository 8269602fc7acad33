//! Edge-triggered readiness, as the kernel offers it.
//!
//! Knows: epoll. Must not know what is done with a file that is ready.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const EVENTS_PER_WAIT: usize = 256;

/// What a connection is watched for.
pub(crate) const INTEREST: u32 =
    (libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET).cast_unsigned();
/// The peer has said that it sends no more: this was the last edge.
pub(crate) const ENDED: u32 = (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR).cast_unsigned();

pub(crate) struct Epoll(OwnedFd);

/// Descriptors with what they are ready for.
pub(crate) struct Events([libc::epoll_event; EVENTS_PER_WAIT]);

impl Events {
    pub(crate) fn new() -> Events {
        Events([libc::epoll_event { events: 0, u64: 0 }; EVENTS_PER_WAIT])
    }
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Epoll> {
        // SAFETY: no memory is passed.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if epoll < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and nobody else's.
        Ok(Epoll(unsafe { OwnedFd::from_raw_fd(epoll) }))
    }

    pub(crate) fn watch(&self, file: &impl AsRawFd, interest: u32) -> io::Result<()> {
        let mut event = libc::epoll_event { events: interest, u64: file.as_raw_fd() as u64 };
        // SAFETY: the event outlives the call.
        let result = unsafe {
            libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, file.as_raw_fd(), &raw mut event)
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Waits until something is ready.
    #[inline]
    pub(crate) fn wait<'a>(&self, events: &'a mut Events) -> impl Iterator<Item = (usize, u32)> + use<'a> {
        let room = EVENTS_PER_WAIT as i32;
        // SAFETY: the array has the given length and outlives the call.
        let count = unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.0.as_mut_ptr(), room, -1) };
        let ready = events.0.iter().take(usize::try_from(count).unwrap_or(0));
        ready.map(|event| (event.u64 as usize, event.events))
    }
}
