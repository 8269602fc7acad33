//! What the backend keeps of a socket or of a file.
//!
//! Knows: places of the ring's table, descriptors, how far things have come. Must not know what is done with them.

use std::os::fd::{AsRawFd, OwnedFd};

use super::gather::Gather;
use super::outgoing::Target;
use super::zero_copy::{Copies, Way};
use crate::driver::SocketId;

/// The backend's state of a socket or of a file.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) file: File,
    /// What a send in several parts names, while one is under way.
    pub(super) gather: Option<Box<Gather>>,
    /// Of a listener and of what it has accepted: its place among the [`Route`]s.
    pub(super) route: u16,
    /// The connect, accept or receive under way is to end: it is not begun again.
    pub(super) cancelling: bool,
    pub(super) accepting: Accepting,
    /// The send under way was asked for without a copy.
    pub(super) zero_copy: bool,
    pub(super) copies: Copies,
    pub(super) ending: Ending,
}

const _: () = assert!(size_of::<Handle>() <= 24, "there is one for each connection");

/// How much the accept under way takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accepting {
    /// One connection, or there is none under way.
    One,
    /// Whatever comes.
    All,
    /// Whatever comes, but it is being exchanged for one that takes one connection at a time.
    Narrowing,
}

/// How far the end of a socket has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Nobody has asked.
    No,
    /// Both directions are shut down: nothing will arrive that anybody wants.
    Finished,
    /// The connection is being reset, to be closed next.
    Resetting,
    /// Its peer is being told of the end, to be closed next.
    Leaving,
    /// It is being closed.
    Closing,
}

/// By what the kernel knows it.
#[derive(Debug)]
pub(super) enum File {
    /// A place in the ring's table.
    Direct(u32),
    /// A descriptor of the process: every file has one, and so has every socket until it is connected, or for longer where the table has no
    /// place for it.
    Descriptor(OwnedFd),
    /// A descriptor of the process, of a listener.
    Listener(socket2::Socket),
}

impl File {
    pub(super) fn target(&self) -> Target {
        match self {
            File::Direct(place) => Target::Direct(*place),
            File::Descriptor(descriptor) => Target::Descriptor(descriptor.as_raw_fd()),
            File::Listener(listener) => Target::Descriptor(listener.as_raw_fd()),
        }
    }
}

/// The route of what was not accepted.
pub(super) const NO_ROUTE: u16 = u16::MAX;

impl Handle {
    pub(super) fn new(file: File) -> Handle {
        Handle {
            file,
            gather: None,
            route: NO_ROUTE,
            cancelling: false,
            accepting: Accepting::One,
            zero_copy: false,
            copies: Copies::NONE,
            ending: Ending::No,
        }
    }
}

/// What is known of a listener, and of its connections. There are few.
#[derive(Debug)]
pub(super) struct Route {
    /// None once it is closed: the next listener takes the place.
    pub(super) listener: Option<SocketId>,
    /// Connections that wait at most to be accepted.
    pub(super) backlog: u32,
    pub(super) way: Way,
}
