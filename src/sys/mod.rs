//! System calls as safe functions.
//!
//! Knows: the kernel. Must not know anything above.

mod abort;
mod clock;
mod errno;
#[cfg(target_os = "linux")]
mod event;
mod listen;
mod random;

pub use abort::abort;
pub use clock::{Clock, Time, nanoseconds, now};
pub use errno::Errno;
#[cfg(target_os = "linux")]
pub use event::EventFd;
pub use listen::listen_together;
pub use random::Random;

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
