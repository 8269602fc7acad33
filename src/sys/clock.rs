//! Time as the runtime counts it: nanoseconds of the monotonic clock.
//!
//! Knows: the one call that reads the clock. Must not know who asks, nor what waits.

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

/// A duration in nanoseconds; saturates after 584 years.
#[must_use]
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
