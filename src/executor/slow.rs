//! Whose code keeps its core from everything else.
//!
//! Knows: how much time may pass between two looks at the clock. Must not know what ran meanwhile.
//!
//! Everybody on a core waits while a handler runs. That one took long shows afterwards, when the clock is read: which it is a few
//! times a turn anyway, and not once more for this. Several actors may have run between two looks, so the first report
//! names none. From then on the core looks after each activation, for a while, and so names the next.

use std::cell::Cell;
use std::time::Duration;

use super::core::Core;
use super::counters::Counters;
use super::reports::Matter;
use crate::config::Config;
use crate::sys::{Clock, Time, nanoseconds};

/// How long the core looks more closely.
const WATCH: Duration = Duration::from_secs(60);

/// What has taken too long.
pub(super) struct Slow {
    /// More than this is too long.
    limit_ns: u64,
    /// The longest that has not been told of; zero if there is none.
    longest_ns: Cell<u64>,
    watched_until: Cell<Time>,
}

impl Slow {
    pub(super) fn new(config: &Config, clock: &Clock) -> Slow {
        let limit_ns = match clock {
            Clock::Monotonic => nanoseconds(config.slow_handler),
            // Such a clock moves while nothing runs.
            Clock::Virtual(_) => u64::MAX,
        };
        Slow { limit_ns, longest_ns: Cell::new(0), watched_until: Cell::new(Time::ZERO) }
    }

    /// Nothing but code that ran on the core took this time.
    #[inline(always)]
    pub(super) fn note(&self, from: Time, to: Time) {
        let taken = to.0.saturating_sub(from.0);
        if taken > self.limit_ns {
            self.note_slow(taken);
        }
    }

    #[cold]
    fn note_slow(&self, taken: u64) {
        self.longest_ns.set(self.longest_ns.get().max(taken));
    }
}

impl Core {
    /// True while it is to be found out who takes so long.
    pub(super) fn is_watched(&self) -> bool {
        self.now() < self.slow.watched_until.get()
    }

    /// Tells of what took too long since this was called last, if anything did. `name` is that of the only cell that ran.
    #[inline]
    pub(super) fn tell_slow(&self, name: Option<&'static str>) {
        if self.slow.longest_ns.get() > 0 {
            self.tell_longest(name);
        }
    }

    #[cold]
    fn tell_longest(&self, name: Option<&'static str>) {
        Counters::add(&self.counters.slow, 1);
        self.slow.watched_until.set(self.now().after(WATCH));
        let taken = Duration::from_millis(self.slow.longest_ns.take() / 1_000_000);
        let limit = self.config.slow_handler;
        match name {
            Some(name) => self.report(
                Matter::Slow,
                name,
                format_args!(
                    "has kept its core from everything else for {taken:?} (Config::slow_handler is {limit:?})"
                ),
            ),
            None => self.report(
                Matter::Slow,
                "a handler",
                format_args!(
                    "has kept its core from everything else for {taken:?} (Config::slow_handler is {limit:?}): the next \
                     such within {WATCH:?} is named"
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_limit_is_too_long_and_the_longest_counts() {
        let config = Config { slow_handler: Duration::from_nanos(100), ..Config::default() };
        let slow = Slow::new(&config, &Clock::Monotonic);
        slow.note(Time(1000), Time(1100));
        assert_eq!(slow.longest_ns.get(), 0);
        slow.note(Time(1000), Time(1150));
        slow.note(Time(1150), Time(1251));
        assert_eq!(slow.longest_ns.get(), 150);
    }

    #[test]
    fn what_is_told_to_pass_is_no_work() {
        let slow = Slow::new(&Config::default(), &Clock::Virtual(std::rc::Rc::default()));
        slow.note(Time::ZERO, Time(u64::MAX - 1));
        assert_eq!(slow.longest_ns.get(), 0);
    }
}
