//! Opening what is below a directory, as Linux can do it in one call.
//!
//! Knows: `openat2`. Must not know what to do where it is refused.
//!
//! Invariants: 1. A path is a C string, and lives until the call has returned.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::os::fd::RawFd;

use super::Errno;

/// How often a walk is begun again that others have disturbed by renaming what lies on the way.
const TRIES: u32 = 16;

/// Opens a file below a directory. The path may have links and `..` as long as they do not lead out.
pub(super) fn open_beneath(directory: RawFd, path: &CStr, flags: i32, mode: u32) -> Result<RawFd, Errno> {
    // SAFETY: numbers only: all zeroes is a valid one.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = u64::from(flags.cast_unsigned());
    // Unlike its elder, this call refuses a mode that means nothing.
    how.mode = if flags & libc::O_CREAT != 0 { u64::from(mode & 0o7777) } else { 0 };
    how.resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS;
    let mut tries = 0;
    loop {
        // SAFETY: the path is one (invariant 1), and `how` covers as many bytes as it is said to.
        let result = unsafe {
            libc::syscall(libc::SYS_openat2, directory, path.as_ptr(), &raw const how, size_of_val(&how))
        };
        if result >= 0 {
            return Ok(result as RawFd);
        }
        tries += 1;
        match Errno::last() {
            Errno::EINTR | Errno::EAGAIN if tries < TRIES => {}
            error => return Err(error),
        }
    }
}
