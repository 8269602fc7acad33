//! System calls as safe functions.
//!
//! Knows: the kernel. Must not know anything above.

mod abort;
#[cfg(target_os = "linux")]
mod backlog;
#[cfg(target_os = "linux")]
mod beneath;
#[cfg(target_os = "linux")]
mod buffers;
mod clock;
mod connect;
mod errno;
#[cfg(target_os = "linux")]
mod event;
mod file;
mod limits;
mod listen;
#[cfg(target_os = "linux")]
mod mapping;
mod open;
mod random;
#[cfg(target_os = "linux")]
mod ring;
mod signals;
mod spare;
#[cfg(target_os = "linux")]
mod statx;
pub mod sync;
#[cfg_attr(not(target_os = "linux"), path = "topology_elsewhere.rs")]
mod topology;

pub use abort::{Count, Rehearsal, abort, abort_as_asked, warn};
#[cfg(target_os = "linux")]
use backlog::bound_unsent;
#[cfg(target_os = "linux")]
pub use backlog::listen_backlog;
#[cfg(target_os = "linux")]
use beneath::open_beneath;
#[cfg(target_os = "linux")]
pub use buffers::BufferRing;
pub use clock::{Clock, Time, nanoseconds, now};
pub use connect::{ConnectOptions, connecting};
pub use errno::Errno;
#[cfg(target_os = "linux")]
pub use event::EventFd;
pub use file::{FileKind, FileStat};
pub use limits::{
    Limit, descriptor_limit, locked_memory_limit, raise_descriptor_limit, raise_locked_memory_limit,
};
#[cfg(test)]
pub(crate) use listen::assert_deserted;
pub use listen::listen_together;
#[cfg(target_os = "linux")]
pub use mapping::Mapping;
pub use open::{OPEN_ALWAYS, close_file, expect_places, open_file};
pub use random::Random;
#[cfg(all(test, target_os = "linux"))]
pub(crate) use ring::needs_io_uring;
#[cfg(target_os = "linux")]
pub use ring::{Answer, Pause, Ring};
pub use signals::{Signal, Signals};
pub use spare::{Room, read_at, receive};
pub use topology::{allow_processors, allowed_processors, available_processors, pin_thread};

// Where the error number of the calling thread lies.
#[cfg(target_os = "linux")]
use libc::__errno_location as error_number;
#[cfg(not(target_os = "linux"))]
use libc::__error as error_number;

/// Elsewhere the kernel decides.
#[cfg(not(target_os = "linux"))]
fn bound_unsent(_: &socket2::Socket, _: u32) -> std::io::Result<()> {
    Ok(())
}

/// Elsewhere no call keeps a path below a directory.
#[cfg(not(target_os = "linux"))]
fn open_beneath(_: i32, _: &std::ffi::CStr, _: i32, _: u32) -> Result<i32, Errno> {
    Err(Errno::ENOSYS)
}

/// Lets a socket share its port with others of this user that say so too. FreeBSD spreads connections only over sockets
/// that ask for it by another name.
fn share_port(socket: &socket2::Socket) -> std::io::Result<()> {
    #[cfg(target_os = "freebsd")]
    return socket.set_reuse_port_lb(true);
    #[cfg(not(target_os = "freebsd"))]
    return socket.set_reuse_port(true);
}

#[cfg(target_os = "linux")]
impl Errno {
    /// `ETIME`: what a ring's timeout answers.
    pub const ETIME: Errno = Errno(libc::ETIME);
}
