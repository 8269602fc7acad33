//! The kernel's error numbers.

use std::{fmt, io};

/// An error number as the kernel gave it: positive, never zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

macro_rules! errnos { ($($name:ident)*) => { impl Errno { $(
    #[doc = concat!("`", stringify!($name), "`")]
    pub const $name: Errno = Errno(libc::$name);
)* } } }

errnos! { EAGAIN EBADF EBUSY ECANCELED ECONNABORTED ECONNRESET EINTR EINVAL EMFILE ENFILE ENOBUFS ENOMEM ENOSYS ENOTCONN EPERM EPIPE ETIMEDOUT EADDRINUSE ENOENT EALREADY EACCES ECONNREFUSED ENETUNREACH EHOSTUNREACH EXDEV EOPNOTSUPP EEXIST ENOTDIR EISCONN EADDRNOTAVAIL ENOTSOCK EIO ENOSPC EISDIR ELOOP EINPROGRESS EFAULT }

impl Errno {
    /// Why the last system call of this thread failed.
    #[must_use]
    pub fn last() -> Errno {
        Errno::of(&io::Error::last_os_error())
    }

    /// The number inside an `io::Error`; EINVAL where it carries none.
    #[must_use]
    pub fn of(error: &io::Error) -> Errno {
        Errno(error.raw_os_error().unwrap_or(libc::EINVAL))
    }
}

impl std::error::Error for Errno {}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.0)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        io::Error::from(*self).fmt(out)
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Errno({}: {})", self.0, io::Error::from(*self))
    }
}
