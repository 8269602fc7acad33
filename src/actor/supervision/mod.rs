//! Supervision: who begins an actor again that has failed, and when nobody does any more.
//!
//! Knows: what users choose. Must not know how it is carried out: see `child.rs` and `supervisor.rs`.

mod child;
mod failures;
mod place;
mod supervisor;
mod words;

use std::ops::Range;
use std::time::Duration;

use crate::sys::Random;

pub(crate) use place::{open, reserve, spawn_child, stop_supervisor};
pub(crate) use words::Above;

/// Which actors are begun again when one of them has failed, how often, and how soon.
///
/// An actor has failed when it has panicked, unless its [`Actor::ON_PANIC`](crate::Actor::ON_PANIC) says something else, or has ended with
/// [`StopReason::Failed`](crate::StopReason::Failed). One that has stopped, or was aborted, is not begun again.
///
/// ```
/// use std::time::Duration;
/// use odeon::prelude::*;
///
/// let patient = Restart::one_for_one()
///     .intensity(5, Duration::from_secs(10))
///     .backoff(Duration::from_millis(50)..Duration::from_secs(5));
/// assert_eq!(Restart::default(), Restart::one_for_one().intensity(1, Duration::from_secs(5)));
/// # let _ = patient;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restart {
    strategy: Strategy,
    count: u32,
    within: Duration,
    backoff: Option<(Duration, Duration)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strategy {
    OneForOne,
    OneForAll,
    RestForOne,
}

/// One for one.
impl Default for Restart {
    fn default() -> Restart {
        Restart::one_for_one()
    }
}

impl Restart {
    const fn new(strategy: Strategy) -> Restart {
        Restart { strategy, count: 1, within: Duration::from_secs(5), backoff: None }
    }

    /// The one that has failed is begun again, and no other.
    #[must_use]
    pub const fn one_for_one() -> Restart {
        Restart::new(Strategy::OneForOne)
    }

    /// All of them are: the others are ended in the reverse of their order before, with
    /// [`StopReason::Restarting`](crate::StopReason::Restarting).
    #[must_use]
    pub const fn one_for_all() -> Restart {
        Restart::new(Strategy::OneForAll)
    }

    /// So is it, and so are those after it.
    #[must_use]
    pub const fn rest_for_one() -> Restart {
        Restart::new(Strategy::RestForOne)
    }

    /// At most `count` failures within this time are followed by a new beginning: one more, and the supervisor gives up. Default: one
    /// in five seconds. Of a thousand and more, those of a thousandth part of the time are forgotten together.
    #[must_use]
    pub const fn intensity(mut self, count: u32, within: Duration) -> Restart {
        (self.count, self.within) = (count, within);
        self
    }

    /// How long to wait before: the shorter of these times after the first failure [within the time](Self::intensity), twice as long
    /// after each other, and the longer at most. Of each, a part of up to a half is left out by chance, so that those who failed
    /// together do not come back together. Default: not at all.
    #[must_use]
    pub const fn backoff(mut self, times: Range<Duration>) -> Restart {
        self.backoff = Some((times.start, times.end));
        self
    }

    /// The time to wait after so many failures.
    fn delay(&self, failures: u64, random: &mut Random) -> Duration {
        let Some((min, max)) = self.backoff else { return Duration::ZERO };
        let doubled = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let factor = 1_u32.checked_shl(doubled).unwrap_or(u32::MAX);
        let whole = crate::sys::nanoseconds(min.saturating_mul(factor).min(max));
        Duration::from_nanos(whole - random.below(whole / 2 + 1))
    }
}

/// What follows when a handler or a hook of an actor panics: [`Actor::ON_PANIC`](crate::Actor::ON_PANIC), or `on_panic = stop` in
/// `#[actor(…)]`, and `restart` or `abort`. It speaks of panics alone: who [fails](crate::Flow::Fail) in another way is begun again whatever it says.
///
/// ```
/// use odeon::prelude::*;
///
/// /// Half a booking is worse than none: it is not begun again with an empty book.
/// #[derive(Default)]
/// struct Book {
///     sum: u32,
/// }
///
/// #[actor(on_panic = stop)]
/// impl Book {
///     #[call]
///     fn add(&mut self, more: u32) -> u32 {
///         self.sum = self.sum.checked_add(more).expect("it fits");
///         self.sum
///     }
/// }
///
/// let system = System::builder().cores(Cores::Count(1)).build()?;
/// let book = system.supervise(Restart::one_for_one(), Book::default)?;
/// assert_eq!(book.add(7).wait(), Ok(7));
/// assert_eq!(book.add(u32::MAX).wait(), Err(AskError::Panicked));
/// // There is no other one.
/// assert_eq!(book.add(7).wait(), Err(AskError::Stopped));
/// # Ok::<(), odeon::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnPanic {
    /// The supervisor decides. An actor without one ends.
    #[default]
    Restart,
    /// The actor ends, with or without a supervisor.
    Stop,
    /// The process ends, by an abort: for an actor whose state nothing can do without.
    Abort,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_twice_as_long_and_a_part_of_it_is_left_to_chance() {
        let ms = Duration::from_millis;
        let restart = Restart::one_for_one().backoff(ms(50)..ms(1000));
        let mut random = Random::new(7);
        for (failures, whole) in [(1, 50), (2, 100), (3, 200), (5, 800), (6, 1000), (7, 1000), (40, 1000)] {
            let delays: Vec<_> = (0..200).map(|_| restart.delay(failures, &mut random)).collect();
            assert!(delays.iter().all(|delay| (ms(whole) / 2..=ms(whole)).contains(delay)), "{delays:?}");
            assert!(delays.iter().any(|delay| *delay < ms(whole) * 5 / 8));
            assert!(delays.iter().any(|delay| *delay > ms(whole) * 7 / 8));
        }
        assert_eq!(Restart::one_for_all().delay(9, &mut random), Duration::ZERO);
        let endless = Restart::one_for_one().backoff(Duration::MAX..Duration::MAX);
        assert!(endless.delay(9, &mut random) > Duration::from_secs(3600));
    }
}
