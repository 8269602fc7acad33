//! Processors, where threads cannot be kept on one.
//!
//! Knows: how many there are. Must not know cores of the runtime.

use std::thread::available_parallelism;

use super::Errno;

/// How many processors this process has; at least one.
#[must_use]
pub fn available_processors() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// The numbers of the processors, ascending.
///
/// # Errors
/// None here.
pub fn allowed_processors() -> Result<Vec<usize>, Errno> {
    Ok((0..available_processors()).collect())
}

/// Keeps the calling thread on one processor.
///
/// # Errors
/// `ENOSYS`: this platform does not offer it.
pub fn pin_thread(_processor: usize) -> Result<(), Errno> {
    Err(Errno::ENOSYS)
}

/// Lets the calling thread run on these processors and on no others.
///
/// # Errors
/// `ENOSYS`: this platform does not offer it.
pub fn allow_processors(_processors: &[usize]) -> Result<(), Errno> {
    Err(Errno::ENOSYS)
}
