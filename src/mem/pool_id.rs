//! Numbers by which the pools of the process are told apart.
//!
//! Knows: which numbers are in use. Must not know what a pool holds.
//!
//! What a pool lends carries its number, so that no other pool accepts it. A number is used again only after its pool was
//! dropped with nothing outstanding: then nothing is left that could be taken for a part of the next one.

use std::num::NonZeroU16;
use std::sync::{Mutex, PoisonError};

static NUMBERS: Mutex<Numbers> = Mutex::new(Numbers { next: 1, ended: Vec::new() });

#[derive(Debug)]
struct Numbers {
    next: u16,
    ended: Vec<u16>,
}

impl Numbers {
    fn take(&mut self) -> Option<u16> {
        if let Some(number) = self.ended.pop() {
            return Some(number);
        }
        let number = self.next;
        self.next = number.checked_add(1)?;
        Some(number)
    }
}

/// The number of a pool, never zero.
#[derive(Debug)]
pub(super) struct PoolId(NonZeroU16);

impl PoolId {
    /// A number that nothing carries.
    ///
    /// # Panics
    /// When 65,534 pools live, or were dropped while parts of them were outstanding.
    pub(super) fn new() -> PoolId {
        let number = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner).take();
        let number = number.and_then(NonZeroU16::new);
        PoolId(number.expect("a process has at most 65,534 pools of buffers at a time"))
    }

    /// The number.
    pub(super) fn number(&self) -> NonZeroU16 {
        self.0
    }

    /// The pool is being dropped, and nothing that carries its number is left.
    pub(super) fn end(&self) {
        NUMBERS.lock().unwrap_or_else(PoisonError::into_inner).ended.push(self.0.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_not_used_twice_unless_they_have_ended() {
        let first = if cfg!(miri) { u16::MAX - 100 } else { 1 };
        let mut numbers = Numbers { next: first, ended: Vec::new() };
        for expected in first..u16::MAX {
            assert_eq!(numbers.take(), Some(expected));
        }
        assert_eq!(numbers.take(), None);
        assert_eq!(numbers.take(), None, "they do not begin anew");
        numbers.ended.push(7);
        assert_eq!((numbers.take(), numbers.take()), (Some(7), None));
    }
}
