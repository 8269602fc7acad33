//! When what comes again comes next.
//!
//! Knows: periods, and what becomes of times that have been missed. Must not know what comes.

use std::time::Duration;

use super::wheel::TICK_NANOSECONDS;
use crate::sys::{Time, nanoseconds};

/// What becomes of the times of a period that have passed before the actor came to them: because it, or its core, was busy.
///
/// ```
/// use std::time::Duration;
/// use odeon::prelude::*;
///
/// #[derive(Default)]
/// struct Meter(u64);
///
/// #[actor]
/// impl Meter {
///     /// Counts seconds, whatever keeps it from that for a while.
///     #[every("1s", missed = burst)]
///     fn second(&mut self) {
///         self.0 += 1;
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MissedTicks {
    /// They are left out: what comes next comes when the schedule says, which began with the actor or the timer.
    #[default]
    Skip,
    /// They are made up for, one after the other, other messages in between.
    Burst,
    /// The schedule begins anew: what comes next comes a whole period after the one that was late.
    Delay,
}

/// A period, and what becomes of times that are missed: what [`Actor::INTERVALS`](crate::Actor::INTERVALS) has, and what
/// [`Context::send_every`](crate::Context::send_every) takes. A [`Duration`] becomes one that [skips](MissedTicks::Skip).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interval {
    every: Duration,
    missed: MissedTicks,
}

impl Interval {
    /// Every so often. Less than 65,536 ns, which timers do not tell apart, counts as that.
    #[must_use]
    pub const fn every(every: Duration) -> Interval {
        Interval { every, missed: MissedTicks::Skip }
    }

    /// What becomes of times that are missed.
    #[must_use]
    pub const fn missed(self, missed: MissedTicks) -> Interval {
        Interval { missed, ..self }
    }

    /// The first time after `begin`.
    pub(crate) fn first(self, begin: Time) -> Time {
        Time(begin.0.saturating_add(self.nanoseconds()))
    }

    /// The time after the one that was due at `due`, to which the actor came at `now`.
    pub(crate) fn next(self, due: Time, now: Time) -> Time {
        let every = self.nanoseconds();
        let ahead = match self.missed {
            MissedTicks::Skip => (now.0.saturating_sub(due.0) / every + 1).saturating_mul(every),
            MissedTicks::Burst => every,
            MissedTicks::Delay => now.0.saturating_sub(due.0).saturating_add(every),
        };
        Time(due.0.saturating_add(ahead))
    }

    fn nanoseconds(self) -> u64 {
        nanoseconds(self.every).max(TICK_NANOSECONDS)
    }
}

impl From<Duration> for Interval {
    fn from(every: Duration) -> Interval {
        Interval::every(every)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: u64 = 1_000_000;

    /// When what was due after 10 ms of a schedule of 10 ms comes next, if it came at this time.
    fn next(missed: MissedTicks, now: u64) -> u64 {
        let interval = Interval::every(Duration::from_millis(10)).missed(missed);
        assert_eq!(interval.first(Time::ZERO), Time(10 * MILLISECOND));
        interval.next(Time(10 * MILLISECOND), Time(now * MILLISECOND)).0 / MILLISECOND
    }

    #[test]
    fn what_is_missed_is_left_out_made_up_for_or_forgotten() {
        for (missed, in_time, late) in
            [(MissedTicks::Skip, 20, 40), (MissedTicks::Burst, 20, 20), (MissedTicks::Delay, 20, 45)]
        {
            assert_eq!((next(missed, 10), next(missed, 35)), (in_time, late), "{missed:?}");
        }
        assert_eq!(next(MissedTicks::Skip, 30), 40, "what comes now has come");
    }

    #[test]
    fn no_period_is_too_short_or_too_long() {
        for missed in [MissedTicks::Skip, MissedTicks::Burst, MissedTicks::Delay] {
            let short = Interval::every(Duration::ZERO).missed(missed);
            assert_eq!(short.next(Time(7), Time(7)), Time(7 + TICK_NANOSECONDS), "{missed:?}");
            let long = Interval::every(Duration::MAX).missed(missed);
            assert_eq!(long.first(Time(7)), Time::MAX, "{missed:?}");
            assert_eq!(long.next(Time(7), Time(u64::MAX - 1)), Time::MAX, "{missed:?}");
        }
    }
}
