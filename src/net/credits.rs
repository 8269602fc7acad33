//! How many connections there may be, counted over all cores.
//!
//! Knows: a number, and who waits for it to rise. Must not know sockets.
//!
//! A credit is taken before a connection is served and returned when it has ended. A listener that finds none registers,
//! and looks once more; whoever returns a credit first adds it and then looks who is registered. Either the listener sees
//! the credit or the other sees the listener: both steps of both sides are sequentially consistent.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::executor::RawAddress;

/// A bound on connections.
#[derive(Debug)]
pub struct Credits {
    free: AtomicUsize,
    /// How many are registered: looked at without the lock each time that a connection ends.
    waiting: AtomicUsize,
    waiters: Mutex<Vec<RawAddress>>,
}

impl Credits {
    /// So many connections at a time.
    #[must_use]
    pub fn new(count: usize) -> Credits {
        Credits {
            free: AtomicUsize::new(count),
            waiting: AtomicUsize::new(0),
            waiters: Mutex::new(Vec::new()),
        }
    }

    /// Takes one; false if there is none.
    #[must_use]
    pub fn take(&self) -> bool {
        // SeqCst on success and failure: a look after `register` must see what was returned before (module header).
        self.free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |free| free.checked_sub(1)).is_ok()
    }

    /// Asks to be told, once, when a credit has been returned. Then look once more.
    pub fn register(&self, listener: RawAddress) {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiters.contains(&listener) {
            waiters.push(listener);
        }
        self.waiting.store(waiters.len(), Ordering::SeqCst);
    }

    /// Returns one; answers who is to be told.
    #[must_use = "listeners that wait are told"]
    pub fn give(&self) -> Vec<RawAddress> {
        self.free.fetch_add(1, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return Vec::new();
        }
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.store(0, Ordering::SeqCst);
        std::mem::take(&mut waiters)
    }

    /// Credits that nobody has taken.
    #[must_use]
    pub fn free(&self) -> usize {
        // Relaxed: a number to look at.
        self.free.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::CoreId;
    use crate::mem::Key;

    fn listener(index: u32) -> RawAddress {
        RawAddress::new(CoreId(0), Key { index, generation: 0 })
    }

    #[test]
    fn there_are_as_many_as_there_are() {
        let credits = Credits::new(2);
        assert!(credits.take() && credits.take() && !credits.take());
        assert!(credits.give().is_empty());
        assert!(credits.take());
    }

    #[test]
    fn whoever_waits_is_told_once() {
        let credits = Credits::new(0);
        credits.register(listener(1));
        credits.register(listener(1));
        credits.register(listener(2));
        assert_eq!(credits.give(), [listener(1), listener(2)]);
        assert!(credits.give().is_empty());
        assert_eq!(credits.free(), 2);
    }
}
