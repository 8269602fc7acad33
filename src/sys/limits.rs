//! Limits of the process: descriptors and locked memory.
//!
//! Knows: what the kernel allows. Must not know what they are needed for.
//!
//! Invariants: 1. The kernel reads and writes only a limit of this stack frame.
#![allow(unsafe_code)]

use super::Errno;

/// A limit and how far it may be raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// What counts now. `u64::MAX`: unlimited.
    pub now: u64,
    /// How far it may be raised.
    pub most: u64,
}

/// How many descriptors the process may have open.
#[must_use]
pub fn descriptor_limit() -> Limit {
    read(Resource::Descriptors)
}

/// How many bytes the user of this process may lock in memory, unless privileged. Which parts of a ring count against it
/// differs from kernel to kernel.
#[must_use]
pub fn locked_memory_limit() -> Limit {
    read(Resource::LockedMemory)
}

/// Raises the limit of descriptors to `wanted`, or as far as allowed, and answers with what it is then. Never lowers it.
///
/// # Errors
/// What the kernel said; the limit is as it was.
pub fn raise_descriptor_limit(wanted: u64) -> Result<u64, Errno> {
    raise(Resource::Descriptors, wanted)
}

/// The same for locked memory.
///
/// # Errors
/// What the kernel said; the limit is as it was.
pub fn raise_locked_memory_limit(wanted: u64) -> Result<u64, Errno> {
    raise(Resource::LockedMemory, wanted)
}

fn raise(resource: Resource, wanted: u64) -> Result<u64, Errno> {
    let limit = read(resource);
    let target = wanted.min(limit.most);
    if target <= limit.now {
        return Ok(limit.now);
    }
    let raised = libc::rlimit { rlim_cur: target as libc::rlim_t, rlim_max: limit.most as libc::rlim_t };
    let number = match resource {
        Resource::Descriptors => libc::RLIMIT_NOFILE,
        Resource::LockedMemory => libc::RLIMIT_MEMLOCK,
    };
    // SAFETY: the pointer is to a live limit (invariant 1).
    let result = unsafe { libc::setrlimit(number, &raw const raised) };
    if result < 0 { Err(Errno::last()) } else { Ok(target) }
}

#[derive(Debug, Clone, Copy)]
enum Resource {
    Descriptors,
    LockedMemory,
}

// The type of a limit differs from platform to platform.
#[allow(clippy::unnecessary_cast)]
fn read(resource: Resource) -> Limit {
    let number = match resource {
        Resource::Descriptors => libc::RLIMIT_NOFILE,
        Resource::LockedMemory => libc::RLIMIT_MEMLOCK,
    };
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live limit (invariant 1).
    let result = unsafe { libc::getrlimit(number, &raw mut limit) };
    assert_eq!(result, 0, "every kernel knows these limits");
    Limit { now: limit.rlim_cur as u64, most: limit.rlim_max as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raising_stops_at_the_most_and_never_lowers() {
        let before = descriptor_limit();
        assert_eq!(raise_descriptor_limit(1).unwrap(), before.now);
        assert_eq!(raise_descriptor_limit(u64::MAX).unwrap(), before.most);
        assert_eq!(descriptor_limit(), Limit { now: before.most, most: before.most });
        let most = locked_memory_limit().most;
        assert_eq!(raise_locked_memory_limit(u64::MAX).unwrap(), most);
        assert_eq!(locked_memory_limit(), Limit { now: most, most });
    }
}
