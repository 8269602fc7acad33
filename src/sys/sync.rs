//! Atomics, cells and locks of the protocols between threads, in a form that a model checker can watch.
//!
//! Knows: which of two libraries they come from. Must not know any protocol.

#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, fence},
    sync::{Arc, Mutex, MutexGuard},
    thread::{Thread, current as current_thread},
};
#[cfg(not(loom))]
pub(crate) use std::{
    sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, fence},
    sync::{Arc, Mutex, MutexGuard},
    thread::{Thread, current as current_thread},
};

use super::Time;

/// A cell whose accesses are bracketed, so that the checker sees when each begins and ends.
#[cfg(not(loom))]
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    pub(crate) fn new(value: T) -> UnsafeCell<T> {
        UnsafeCell(std::cell::UnsafeCell::new(value))
    }

    /// Lends the content for reading.
    #[inline]
    pub(crate) fn with<R>(&self, access: impl FnOnce(*const T) -> R) -> R {
        access(self.0.get())
    }

    /// Lends the content for writing.
    #[inline]
    pub(crate) fn with_mut<R>(&self, access: impl FnOnce(*mut T) -> R) -> R {
        access(self.0.get())
    }
}

/// Blocks this thread until it is unparked or `deadline` has come, or for less. False if that had come before. In a model no
/// time passes.
#[cfg(loom)]
pub(crate) fn park(_: Option<Time>) -> bool {
    loom::thread::park();
    true
}

/// Blocks this thread until it is unparked or `deadline` has come, or for less. False if that had come before.
#[cfg(not(loom))]
pub(crate) fn park(deadline: Option<Time>) -> bool {
    let Some(deadline) = deadline else {
        std::thread::park();
        return true;
    };
    let left = deadline.since(super::now());
    if !left.is_zero() {
        std::thread::park_timeout(left);
    }
    !left.is_zero()
}

/// A value on cache lines of its own. Two lines, because the processor fetches them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);
