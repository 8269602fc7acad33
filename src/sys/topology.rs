//! Processors: how many this process may use, which, and how a thread stays on one.
//!
//! Knows: affinity and quotas. Must not know cores of the runtime.
//!
//! Invariants: 1. A processor set is plain bits: all zeroes is a valid, empty one.
#![allow(unsafe_code)]

use std::thread::available_parallelism;

use super::Errno;

/// How many processors this process has, by its affinity (and so its cpuset) and by the quota of its control group; at
/// least one.
#[must_use]
pub fn available_processors() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// The numbers of the processors that the calling thread may run on, ascending.
///
/// # Errors
/// `EINVAL` on a machine with more than 1,024 processors.
pub fn allowed_processors() -> Result<Vec<usize>, Errno> {
    let mut set = empty_set();
    // SAFETY: the pointer covers a set of the size that is passed.
    let result = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) };
    if result < 0 {
        return Err(Errno::last());
    }
    // SAFETY: looks at bits within the set.
    let allowed = |processor: &usize| unsafe { libc::CPU_ISSET(*processor, &set) };
    Ok((0..libc::CPU_SETSIZE as usize).filter(allowed).collect())
}

/// Keeps the calling thread on one processor.
///
/// # Errors
/// `EINVAL` when there is no such processor, or it is not allowed.
pub fn pin_thread(processor: usize) -> Result<(), Errno> {
    allow_processors(&[processor])
}

/// Lets the calling thread run on these processors and on no others.
///
/// # Errors
/// `EINVAL` when none of them is there and allowed, or the number of one is too high.
pub fn allow_processors(processors: &[usize]) -> Result<(), Errno> {
    let mut set = empty_set();
    for processor in processors {
        if *processor >= libc::CPU_SETSIZE as usize {
            return Err(Errno::EINVAL);
        }
        // SAFETY: the bit lies within the set, as checked above.
        unsafe { libc::CPU_SET(*processor, &mut set) };
    }
    // SAFETY: the pointer covers a set of the size that is passed.
    let result = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    if result < 0 { Err(Errno::last()) } else { Ok(()) }
}

fn empty_set() -> libc::cpu_set_t {
    // SAFETY: see invariant 1.
    unsafe { std::mem::zeroed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_may_run_on_its_processor_only() {
        let all = allowed_processors().unwrap();
        assert!(!all.is_empty());
        assert!((1..=all.len()).contains(&available_processors()));
        for processor in all {
            let pinned = std::thread::spawn(move || {
                pin_thread(processor).unwrap();
                allowed_processors().unwrap()
            });
            assert_eq!(pinned.join().unwrap(), [processor]);
        }
    }

    #[test]
    fn a_thread_may_go_back_to_where_others_are() {
        let all = allowed_processors().unwrap();
        let first = all[0];
        let freed = std::thread::spawn(move || {
            pin_thread(first).unwrap();
            allow_processors(&all).unwrap();
            (allowed_processors().unwrap(), all)
        });
        let (may, all) = freed.join().unwrap();
        assert_eq!(may, all);
    }

    #[test]
    fn a_processor_that_is_not_there_is_refused() {
        assert_eq!(pin_thread(1023).unwrap_err(), Errno::EINVAL);
        assert_eq!(pin_thread(usize::MAX).unwrap_err(), Errno::EINVAL);
        assert_eq!(allow_processors(&[]).unwrap_err(), Errno::EINVAL);
    }
}
