//! Time as the runtime counts it: nanoseconds of the monotonic clock.
//!
//! Knows: the one call that reads the clock. Must not know who asks, nor what waits.
//!
//! Invariants: 1. The kernel writes only into a `timespec` of this stack frame.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// A point on the monotonic clock, or on the virtual clock of a simulation. Unit: nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub u64);

impl Time {
    /// The start of the clock.
    pub const ZERO: Time = Time(0);
    /// Never: no timer set for it comes due.
    pub const MAX: Time = Time(u64::MAX);

    /// This time plus `duration`; saturates at [`Time::MAX`].
    #[must_use]
    pub fn after(self, duration: Duration) -> Time {
        Time(self.0.saturating_add(nanoseconds(duration)))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Where a core takes its time from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's monotonic clock.
    Monotonic,
    /// The clock of a simulation, which moves only when it is told to.
    Virtual(Rc<Cell<Time>>),
}

impl Clock {
    /// The time now.
    #[must_use]
    pub fn now(&self) -> Time {
        match self {
            Clock::Monotonic => now(),
            Clock::Virtual(time) => time.get(),
        }
    }
}

/// Reads the monotonic clock: the only place that does. **Costs** no system call where the platform maps its clock.
#[must_use]
pub fn now() -> Time {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live, aligned `timespec` that nobody else refers to (invariant 1).
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    assert_eq!(result, 0, "every supported platform has a monotonic clock");
    // The monotonic clock starts at boot: it is not negative, and in range for 584 years.
    Time(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
}

/// A duration in nanoseconds; saturates after 584 years.
#[must_use]
pub fn nanoseconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_does_not_go_back() {
        let earlier = now();
        assert!(earlier > Time::ZERO);
        assert!(now() >= earlier);
    }

    #[test]
    fn times_saturate() {
        assert_eq!(Time(7).after(Duration::MAX), Time::MAX);
        assert_eq!(Time(7).since(Time(9)), Duration::ZERO);
        assert_eq!(Time(9).since(Time(7)), Duration::from_nanos(2));
    }
}
