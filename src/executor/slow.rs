//! Whose code keeps its core from everything else.
//!
//! Knows: how much time may pass between two looks at the clock. Must not know what ran meanwhile.
//!
//! Everybody on a core waits while a handler runs. That one took long shows afterwards, when the clock is read: which it is a few
//! times a turn anyway, and not once more for this. Several actors may have run between two looks, so the first report
//! names none. From then on the core looks around each activation, for a while, and so names the next. What it finds between
//! them then is not the kernel's time, which it leaves out, but code all the same: what is dropped on its way, and what is woken.

use std::cell::Cell;
use std::time::Duration;

use super::core::Core;
use super::counters::Counters;
use super::reports::Matter;
use crate::config::Config;
use crate::sys::{Clock, Time, nanoseconds};

/// How long the core looks more closely. Reports say it in words.
const WATCH: Duration = Duration::from_secs(60);

/// What has taken too long.
pub(super) struct Slow {
    /// More than this is too long.
    limit_ns: u64,
    /// The longest that has not been told of; zero if there is none.
    longest_ns: Cell<u64>,
    /// The look at the clock before a panic was contained last.
    panicked_after: Cell<Option<Time>>,
    /// One was while something took too long that has not been told of.
    has_panicked: Cell<bool>,
    watched_until: Cell<Time>,
}

impl Slow {
    pub(super) fn new(config: &Config, clock: &Clock) -> Slow {
        let limit_ns = match clock {
            Clock::Monotonic => nanoseconds(config.slow_handler),
            // Such a clock moves while nothing runs.
            Clock::Virtual(_) => u64::MAX,
        };
        Slow {
            limit_ns,
            longest_ns: Cell::new(0),
            panicked_after: Cell::new(None),
            has_panicked: Cell::new(false),
            watched_until: Cell::new(Time::ZERO),
        }
    }

    /// True if nothing but code that ran on the core may not take so long.
    #[inline(always)]
    fn is_too_long(&self, from: Time, to: Time) -> bool {
        to.0.saturating_sub(from.0) > self.limit_ns
    }
}

impl Core {
    /// Nothing but code that ran on the core has taken this time.
    #[inline(always)]
    pub(super) fn note_work(&self, from: Time, to: Time) {
        if self.slow.is_too_long(from, to) {
            self.note_slow(from, to.0 - from.0);
        }
    }

    #[cold]
    fn note_slow(&self, from: Time, taken_ns: u64) {
        let slow = &self.slow;
        slow.longest_ns.set(slow.longest_ns.get().max(taken_ns));
        slow.has_panicked.set(slow.has_panicked.get() || slow.panicked_after.get() >= Some(from));
        self.reports.be_due(Time::ZERO);
    }

    /// Notes that a panic has been contained: to say so on standard error, with a backtrace, takes time.
    pub(super) fn note_panic(&self) {
        self.slow.panicked_after.set(Some(self.now()));
    }

    /// True while it is to be found out who takes so long.
    pub(super) fn is_watched(&self) -> bool {
        self.now() < self.slow.watched_until.get()
    }

    /// Tells of what took too long since this was called last, if anything did. `name` is that of the only cell that ran.
    #[cold]
    pub(super) fn tell_slow(&self, name: Option<&'static str>) {
        let longest_ns = self.slow.longest_ns.take();
        if longest_ns == 0 {
            return;
        }
        let (name, next) = match name {
            Some(name) => (name, ""),
            None if self.is_watched() => ("something other than a handler", ""),
            None => ("a handler", ": the next such within a minute is named"),
        };
        let panic = match self.slow.has_panicked.take() {
            true => ", a panic and what the process says of it included",
            false => "",
        };
        Counters::add(&self.counters.slow, 1);
        self.slow.watched_until.set(self.now().after(WATCH));
        let taken = Duration::from_millis(longest_ns / 1_000_000);
        let limit = self.config.slow_handler;
        self.report(
            Matter::Slow,
            name,
            format_args!(
                "has kept its core from everything else for {taken:?}{panic}, unless the machine has (Config::slow_handler is \
                 {limit:?}){next}"
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::executor::{CoreId, Links};

    #[test]
    fn more_than_the_limit_is_too_long() {
        let config = Config { slow_handler: Duration::from_nanos(100), ..Config::default() };
        let slow = Slow::new(&config, &Clock::Monotonic);
        assert!(!slow.is_too_long(Time(1000), Time(1100)));
        assert!(slow.is_too_long(Time(1000), Time(1101)));
    }

    #[test]
    fn what_is_told_to_pass_is_no_work() {
        let slow = Slow::new(&Config::default(), &Clock::Virtual(Rc::default()));
        assert!(!slow.is_too_long(Time::ZERO, Time::MAX));
    }

    #[test]
    fn what_is_told_at_once_counts_once_whoever_it_was() {
        let config = Config { slow_handler: Duration::from_nanos(100), ..Config::default() };
        let core = Core::new(CoreId(0), Rc::new(config), Clock::Monotonic, Links::new(CoreId(0), []));
        let found = |times, name| {
            (0..times).for_each(|_| core.note_work(Time(1000), Time(1101)));
            core.tell_slow(name);
            core.counters.slow.get()
        };
        assert_eq!((found(0, None), core.is_watched()), (0, false));
        assert_eq!((found(2, None), core.is_watched()), (1, true));
        assert_eq!((found(1, Some("sloth")), found(0, Some("innocent"))), (2, 2));
        assert_eq!(found(1, None), 3, "what is of nobody counts as well");
    }

    #[test]
    fn a_handler_that_asks_for_the_time_in_between_takes_no_less() {
        let config = Config { slow_handler: Duration::from_millis(100), ..Config::default() };
        let (slow, now) = (Slow::new(&config, &Clock::Monotonic), Rc::new(Cell::new(Time::ZERO)));
        let clock = Clock::Virtual(now.clone());
        let mut core = Core::new(CoreId(0), Rc::new(config), clock, Links::new(CoreId(0), []));
        // As if nothing but code moved this clock.
        core.slow = slow;
        let work = || now.set(now.get().after(Duration::from_millis(90)));
        work();
        assert_eq!((core.peek_clock(), core.now()), (now.get(), Time::ZERO));
        work();
        core.read_clock();
        core.tell_slow(None);
        assert_eq!(core.counters.slow.get(), 1);
    }
}
