//! Parts of buffers that are given back by any thread.
//!
//! Knows: how many of each buffer have come back, and of which any have. Must not know what a buffer is.
//!
//! Any number of threads give, and the pool's own thread takes all at once. Each buffer has a count of the parts that have come
//! back, and a link. Whoever raises the count from zero puts the buffer on the list, where it is once. So to give allocates
//! nothing, wakes nobody, and never finds the list full. Who takes reads the link first and clears the count then: from then on
//! the buffer may be put on the list anew.

use crate::sys::sync::{AtomicUsize, Ordering};

const NONE: usize = usize::MAX;

/// What has come back, of each buffer.
#[derive(Debug)]
pub struct Returns {
    /// The buffer that was put on the list last.
    first: AtomicUsize,
    buffers: Box<[Returned]>,
}

#[derive(Debug)]
struct Returned {
    parts: AtomicUsize,
    /// The buffer that was put on the list before this one.
    next: AtomicUsize,
}

impl Returns {
    /// For so many buffers, of which nothing has come back.
    #[must_use]
    pub fn new(count: u16) -> Returns {
        let none = |_| Returned { parts: AtomicUsize::new(0), next: AtomicUsize::new(NONE) };
        Returns { first: AtomicUsize::new(NONE), buffers: (0..count).map(none).collect() }
    }

    /// One part of this buffer comes back.
    ///
    /// # Panics
    /// When there is no such buffer.
    pub fn give(&self, buffer: u16) {
        let returned = &self.buffers[buffer as usize];
        // Releases what this thread has read of the bytes, to whoever takes the part. Acquires that `take` has read the link, which
        // it does before it clears the count.
        if returned.parts.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        // Relaxed: a guess, which the exchange looks at.
        let mut first = self.first.load(Ordering::Relaxed);
        loop {
            // Relaxed: released by the exchange.
            returned.next.store(first, Ordering::Relaxed);
            // Releases the link to `take`; if it fails, nothing was seen but where the list begins.
            match self.first.compare_exchange_weak(first, buffer.into(), Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(other) => first = other,
            }
        }
    }

    /// True if nothing has come back that is known here by now.
    pub fn is_empty(&self) -> bool {
        // Relaxed: only a reason to take, or to look again later.
        self.first.load(Ordering::Relaxed) == NONE
    }

    /// Takes what has come back: buffers, and how many parts of each. Only one thread does.
    pub fn take(&self, mut back: impl FnMut(u16, u32)) {
        // Acquires the links, from every `give` whose buffer is in the list.
        let mut next = self.first.swap(NONE, Ordering::Acquire);
        while next != NONE {
            let buffer = next;
            let returned = &self.buffers[buffer];
            // Relaxed: acquired with the list, and not written to before the count is clear.
            next = returned.next.load(Ordering::Relaxed);
            // Acquires the last look at the bytes of every `give` that is counted. Releases that the link has been read.
            let parts = returned.parts.swap(0, Ordering::AcqRel);
            back(buffer as u16, parts as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(returns: &Returns) -> Vec<(u16, u32)> {
        let mut taken = Vec::new();
        returns.take(|buffer, parts| taken.push((buffer, parts)));
        taken
    }

    #[test]
    fn what_is_given_is_taken_once() {
        let returns = Returns::new(3);
        assert!(returns.is_empty());
        [2, 0, 2, 2].into_iter().for_each(|buffer| returns.give(buffer));
        assert!(!returns.is_empty());
        assert_eq!(taken(&returns), [(0, 1), (2, 3)]);
        assert!(returns.is_empty() && taken(&returns).is_empty());
        returns.give(2);
        assert_eq!(taken(&returns), [(2, 1)]);
    }

    #[test]
    fn threads_that_give_at_the_same_time_lose_nothing() {
        const PARTS: u32 = if cfg!(miri) { 20 } else { 2_000 };
        let (returns, mut sum) = (Returns::new(4), [0; 4]);
        std::thread::scope(|scope| {
            for thread in 0..2 {
                let returns = &returns;
                scope.spawn(move || (0..PARTS).for_each(|part| returns.give(((part + thread) % 4) as u16)));
            }
            while sum.iter().sum::<u32>() < 2 * PARTS {
                returns.take(|buffer, parts| sum[usize::from(buffer)] += parts);
                std::thread::yield_now();
            }
        });
        assert_eq!(sum, [PARTS / 2; 4]);
    }
}
