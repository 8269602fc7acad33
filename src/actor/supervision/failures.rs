//! How many failures there were within a time.
//!
//! Knows: when each was. Must not know whose they were, or what follows.

use std::collections::VecDeque;
use std::time::Duration;

use crate::sys::Time;

/// So many are kept one by one. Where more may be forgiven, those within one of so many parts of the time are forgotten together, with
/// the first of them.
const PARTS: u32 = 1024;

/// The failures of the last while, in memory that is bounded however many there are.
pub(super) struct Failures {
    within: Duration,
    part: Duration,
    /// When the first of some was, and how many they are.
    kept: VecDeque<(Time, u64)>,
    count: u64,
}

impl Failures {
    /// None yet. `forgiven`: when there are more, it does not matter how many.
    pub(super) fn new(forgiven: u32, within: Duration) -> Failures {
        let part = if forgiven < PARTS { Duration::ZERO } else { within / PARTS };
        Failures { within, part, kept: VecDeque::new(), count: 0 }
    }

    /// Counts one more, and answers how many there were.
    pub(super) fn add(&mut self, now: Time) -> u64 {
        while let Some((first, count)) = self.kept.front()
            && now.since(*first) >= self.within
        {
            self.count -= count;
            self.kept.pop_front();
        }
        self.count += 1;
        match self.kept.back_mut() {
            Some((first, count)) if now.since(*first) < self.part => *count += 1,
            _ => self.kept.push_back((now, 1)),
        }
        self.count
    }

    /// How many there were by the last one.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// All are forgiven.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Random;

    const WITHIN: Duration = Duration::from_millis(10);

    /// Adds many by chance, and tells of each what was answered, what a twin that keeps all of them counts within a time, and what within a
    /// part less.
    fn add_many(forgiven: u32, mut told: impl FnMut(&Failures, u64, [u64; 2])) {
        let (mut random, mut now) = (Random::new(7), Time(1));
        let (mut failures, mut all) = (Failures::new(forgiven, WITHIN), VecDeque::new());
        for _ in 0..50_000 {
            let pause = if random.chance(0.001) { 10_000_000 } else { 2_000 };
            now = now.after(Duration::from_nanos(random.below(pause)));
            all.push_back(now);
            let older = |than| all.partition_point(|at: &Time| now.since(*at) >= than);
            let [lately, within] =
                [WITHIN - WITHIN / PARTS, WITHIN].map(|than| (all.len() - older(than)) as u64);
            let answer = failures.add(now);
            assert_eq!(failures.count(), answer);
            told(&failures, answer, [lately, within]);
        }
    }

    #[test]
    fn few_are_counted_exactly() {
        add_many(PARTS - 1, |_, answer, [_, all]| assert_eq!(answer, all));
        let mut failures = Failures::new(3, WITHIN);
        let second = Time(1).after(WITHIN / 2);
        assert_eq!([Time(1), second, second].map(|now| failures.add(now)), [1, 2, 3]);
        assert_eq!(failures.add(Time(0).after(WITHIN)), 4, "the first is just within the time");
        assert_eq!(failures.add(Time(1).after(WITHIN)), 4, "the first is too long past");
        failures.clear();
        assert_eq!([failures.count(), failures.add(second)], [0, 1]);
    }

    #[test]
    fn many_are_counted_to_a_part_of_the_time_and_take_no_more_memory_than_there_are_parts() {
        let (mut most, mut kept) = (0, 0);
        add_many(u32::MAX, |failures, answer, [lately, all]| {
            assert!((lately..=all).contains(&answer), "{lately}, {answer}, {all}");
            (most, kept) = (most.max(answer), kept.max(failures.kept.len()));
        });
        assert!(most > 5_000 && kept <= PARTS as usize + 1, "{most} in {kept}");
    }
}
