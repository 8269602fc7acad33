//! Timers of one core: a hierarchical wheel in user space.
//!
//! Knows: deadlines, and what to hand back when one has passed. Must not know who waits, nor the clock: time is given.
//!
//! Time is cut into ticks of 2^16 ns (66 µs): finer would buy nothing, because the kernel rounds the sleep of an
//! ordinary thread by its slack of 50 µs, and with sixteen bits below the tick the eight levels of 64 lists cover every
//! value of [`Time`] exactly, so that no deadline needs a special case. A deadline is rounded up to a tick and a tick is
//! due when it has begun: a timer is never early, and late by less than one tick.
//!
//! A timer hangs in the list of the highest group of six bits in which its tick differs from `elapsed`, at the value of
//! that group. So every list of a level lies ahead of `elapsed`, and all of a level lies before all of the next one: the
//! first bit of the first word that is not zero names the list that comes next. When time reaches a list, its timers
//! become pending; each is then due, or is hung into a lower level.
//!
//! Postponing costs a store: the timer stays where it hangs, is found too early, and is hung again. This is
//! what an idle timeout does all day. Only an earlier deadline unlinks.
//!
//! The lists run through the table of timers, whose first entries are the lists themselves: linking and unlinking have no
//! special cases. A timer and its links are half a cache line, because far away from the cache is where a million are.

use std::num::NonZeroU32;

use crate::mem::Full;
use crate::sys::Time;

pub(super) const TICK_NANOSECONDS: u64 = 1 << 16;
const LEVELS: usize = 8;
const BITS_PER_LEVEL: u32 = 6;
/// The first tick that no clock reaches: what is due then never is.
const NEVER: u64 = 1 << 48;
/// The list of timers whose list has been reached, and of those that were armed too late.
const PENDING: u32 = (LEVELS as u32) << BITS_PER_LEVEL;
const LISTS: u32 = PENDING + 1;
const NONE: u32 = u32::MAX;
/// A shorter list is searched for its earliest deadline before the core sleeps, to save it a wake.
const SEARCHED_MAX: usize = 8;

/// What is handed back when a timer is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimerPayload {
    /// Who waits.
    pub token: u64,
    /// For what.
    pub kind: u32,
}

/// Names a timer of a wheel. Stale once the timer has come due or was cancelled; a stale key names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WheelKey {
    /// Never zero: the first places are those of lists.
    index: NonZeroU32,
    generation: u32,
}

#[derive(Debug, Clone, Copy)]
struct Timer {
    deadline: Time,
    token: u64,
    kind: u32,
    /// Raised when the slot is freed, so that no two timers ever had the same key.
    generation: u32,
    /// The neighbours in its list. A timer in no list is its own neighbour.
    previous: u32,
    /// In a free slot: the next free slot.
    next: u32,
}

/// The timers of one core.
///
/// **Costs** 32 bytes per timer at the fullest that it has been, and 16 KiB. The table grows by doubling and is never
/// given back; in between, nothing allocates.
#[derive(Debug)]
pub struct Wheel {
    /// The lists, then the slots of the timers.
    timers: Vec<Timer>,
    /// Which lists of a level are not empty. The last word has one bit, for [`PENDING`].
    occupied: [u64; LEVELS + 1],
    /// The tick that has been reached.
    elapsed: u64,
    free: u32,
    armed: u32,
    capacity: u32,
}

impl Timer {
    fn alone(place: u32) -> Timer {
        Timer { deadline: Time::MAX, token: 0, kind: 0, generation: 0, previous: place, next: place }
    }
}

impl Wheel {
    /// A wheel for at most `capacity` timers, at time `now`. Allocates for the lists only.
    #[must_use]
    pub fn new(capacity: u32, now: Time) -> Wheel {
        Wheel {
            timers: (0..LISTS).map(Timer::alone).collect(),
            occupied: [0; LEVELS + 1],
            elapsed: now.0 / TICK_NANOSECONDS,
            free: NONE,
            armed: 0,
            capacity,
        }
    }

    /// Timers armed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.armed as usize
    }

    /// Whether no timer is armed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.armed == 0
    }

    /// Sets a timer. A deadline that has passed is due at the next [`Wheel::expire`]; [`Time::MAX`] never is, and costs
    /// nothing but its slot.
    ///
    /// # Errors
    /// [`Full`] when `capacity` timers are armed.
    pub fn arm(&mut self, deadline: Time, payload: TimerPayload) -> Result<WheelKey, Full> {
        if self.armed == self.capacity {
            return Err(Full);
        }
        let index = self.take_slot()?;
        let timer = &mut self.timers[index as usize];
        timer.deadline = deadline;
        timer.token = payload.token;
        timer.kind = payload.kind;
        let index_named = NonZeroU32::new(index).expect("timers come after the lists");
        let key = WheelKey { index: index_named, generation: timer.generation };
        self.armed += 1;
        self.hang(index, deadline);
        Ok(key)
    }

    /// Takes a timer back; false when the key is stale.
    pub fn cancel(&mut self, key: WheelKey) -> bool {
        if self.timers.get(key.index.get() as usize).is_none_or(|timer| timer.generation != key.generation) {
            return false;
        }
        self.unlink(key.index.get());
        self.free_slot(key.index.get());
        true
    }

    /// Gives a timer another deadline. It keeps its key and its payload; false when the key is stale.
    ///
    /// **Costs** a store when the deadline is postponed.
    pub fn rearm(&mut self, key: WheelKey, deadline: Time) -> bool {
        let Some(timer) = self.timers.get_mut(key.index.get() as usize) else { return false };
        if timer.generation != key.generation {
            return false;
        }
        let earlier = deadline < timer.deadline;
        timer.deadline = deadline;
        if earlier {
            self.unlink(key.index.get());
            self.hang(key.index.get(), deadline);
        }
        true
    }

    /// The time before which [`Wheel::expire`] has nothing to do: exact for a near deadline, possibly early for a
    /// distant one. After an `expire` that was not cut short it is later than the time given there, so that a core that
    /// sleeps until then makes progress.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        let tick = if self.occupied[LEVELS] != 0 {
            self.elapsed
        } else {
            let (list, start, end) = self.next_list()?;
            // Timers of this list that were postponed may be later than those of the next one.
            self.earliest(list).unwrap_or(start).clamp(start, end)
        };
        Some(Time(tick.saturating_mul(TICK_NANOSECONDS)))
    }

    /// True if the deadline of a timer has passed at `now`, to the nanosecond: none that was postponed. Looks at all that may come next.
    #[must_use]
    pub(super) fn has_passed(&self, now: Time) -> bool {
        let first = self.next_list().map_or(PENDING, |(list, ..)| list);
        [PENDING, first].into_iter().any(|list| {
            let next = |place: &u32| Some(self.timers[*place as usize].next);
            let mut timers = std::iter::successors(next(&list), next).take_while(|place| *place != list);
            timers.any(|place| self.timers[place as usize].deadline <= now)
        })
    }

    /// Appends what is due at `now` to `due`, in the order of the ticks. Looks at no more than `limit` timers, so that a
    /// million of them do not stall a turn; what is left makes [`Wheel::next_deadline`] answer a time that has passed.
    pub fn expire(&mut self, now: Time, limit: usize, due: &mut Vec<TimerPayload>) {
        let now = now.0 / TICK_NANOSECONDS;
        let mut looked = 0;
        loop {
            while let Some(index) = self.first_pending() {
                if looked == limit {
                    return;
                }
                looked += 1;
                self.unlink(index);
                let Timer { deadline, token, kind, .. } = self.timers[index as usize];
                if tick_of(deadline) <= self.elapsed {
                    self.free_slot(index);
                    due.push(TimerPayload { token, kind });
                } else {
                    self.hang(index, deadline);
                }
            }
            match self.next_list() {
                Some((list, start, _)) if start <= now => {
                    self.elapsed = start;
                    self.make_pending(list);
                }
                _ => break,
            }
        }
        // No list begins before `now`, so every timer keeps its place.
        self.elapsed = self.elapsed.max(now);
    }

    /// The next list that is not empty, the tick at which it begins, and the one at which the next begins.
    fn next_list(&self) -> Option<(u32, u64, u64)> {
        let level = self.occupied[..LEVELS].iter().position(|lists| *lists != 0)? as u32;
        let slot = self.occupied[level as usize].trailing_zeros();
        let shift = level * BITS_PER_LEVEL;
        let turn = self.elapsed >> (shift + BITS_PER_LEVEL) << (shift + BITS_PER_LEVEL);
        let start = turn | u64::from(slot) << shift;
        Some((level << BITS_PER_LEVEL | slot, start, start + (1 << shift)))
    }

    /// The earliest tick in a list; none for a list too long to be searched.
    fn earliest(&self, list: u32) -> Option<u64> {
        let mut earliest = NEVER;
        let mut place = list;
        for _ in 0..=SEARCHED_MAX {
            place = self.timers[place as usize].next;
            if place == list {
                return Some(earliest);
            }
            earliest = earliest.min(tick_of(self.timers[place as usize].deadline));
        }
        None
    }

    fn first_pending(&self) -> Option<u32> {
        Some(self.timers[PENDING as usize].next).filter(|place| *place != PENDING)
    }

    /// Moves all of a list, which is not empty, to the pending one, which is.
    fn make_pending(&mut self, list: u32) {
        let Timer { previous, next, .. } = self.timers[list as usize];
        self.timers[PENDING as usize].previous = previous;
        self.timers[PENDING as usize].next = next;
        self.timers[next as usize].previous = PENDING;
        self.timers[previous as usize].next = PENDING;
        self.timers[list as usize] = Timer::alone(list);
        self.occupied[LEVELS] = 1;
        self.clear_occupied(list);
    }

    /// Hangs a timer that is in no list where its deadline belongs.
    fn hang(&mut self, index: u32, deadline: Time) {
        let tick = tick_of(deadline);
        if tick >= NEVER {
            self.timers[index as usize].previous = index;
            self.timers[index as usize].next = index;
            return;
        }
        let list = if tick <= self.elapsed {
            PENDING
        } else {
            let level = (tick ^ self.elapsed).ilog2() / BITS_PER_LEVEL;
            let slot = (tick >> (level * BITS_PER_LEVEL)) as u32 % 64;
            level << BITS_PER_LEVEL | slot
        };
        let last = std::mem::replace(&mut self.timers[list as usize].previous, index);
        self.timers[last as usize].next = index;
        self.timers[index as usize].previous = last;
        self.timers[index as usize].next = list;
        self.occupied[(list >> BITS_PER_LEVEL) as usize] |= 1 << (list % 64);
    }

    fn unlink(&mut self, index: u32) {
        let Timer { previous, next, .. } = self.timers[index as usize];
        self.timers[previous as usize].next = next;
        self.timers[next as usize].previous = previous;
        // Only a list that has become empty has itself on both sides; a timer in no list is its own neighbour.
        if previous == next && previous < LISTS {
            self.clear_occupied(previous);
        }
    }

    fn clear_occupied(&mut self, list: u32) {
        self.occupied[(list >> BITS_PER_LEVEL) as usize] &= !(1 << (list % 64));
    }

    fn take_slot(&mut self) -> Result<u32, Full> {
        if self.free != NONE {
            let index = self.free;
            self.free = self.timers[index as usize].next;
            return Ok(index);
        }
        let index = u32::try_from(self.timers.len()).ok().filter(|index| *index != NONE).ok_or(Full)?;
        if self.timers.len() == self.timers.capacity() {
            let slots = index - LISTS;
            let more = slots.max(64).min(self.capacity.saturating_sub(slots)).max(1);
            self.timers.reserve_exact(more as usize);
        }
        self.timers.push(Timer::alone(index));
        Ok(index)
    }

    /// Makes the keys of a slot stale, and the slot free for another timer. The last generation names no timer: a slot
    /// that has used up all others is retired.
    fn free_slot(&mut self, index: u32) {
        self.armed -= 1;
        let generation = &mut self.timers[index as usize].generation;
        *generation += 1;
        if *generation < u32::MAX {
            self.timers[index as usize].next = self.free;
            self.free = index;
        }
    }
}

/// The first tick that begins at the deadline or after it.
fn tick_of(deadline: Time) -> u64 {
    deadline.0.div_ceil(TICK_NANOSECONDS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;

    const TICK: u64 = TICK_NANOSECONDS;
    const ALL: usize = usize::MAX;

    fn payload(token: u64) -> TimerPayload {
        TimerPayload { token, kind: token as u32 % 7 }
    }

    fn expired(wheel: &mut Wheel, now: u64, limit: usize) -> Vec<u64> {
        let mut due = Vec::new();
        wheel.expire(Time(now), limit, &mut due);
        assert!(due.iter().all(|timer| *timer == payload(timer.token)));
        due.iter().map(|timer| timer.token).collect()
    }

    #[test]
    fn a_timer_is_never_early_and_late_by_less_than_a_tick() {
        for deadline in [1, TICK - 1, TICK, TICK + 1, 64 * TICK, 4096 * TICK - 1, (1 << 40) + 5, 1 << 60] {
            let mut wheel = Wheel::new(1, Time::ZERO);
            wheel.arm(Time(deadline), payload(0)).unwrap();
            assert_eq!(expired(&mut wheel, deadline - 1, ALL), [0; 0], "{deadline}");
            let next = wheel.next_deadline().unwrap();
            assert!(next.0 >= deadline && next.0 < deadline + TICK, "{deadline}");
            assert_eq!(expired(&mut wheel, deadline + TICK - 1, ALL), [0], "{deadline}");
            assert_eq!(wheel.next_deadline(), None);
        }
    }

    #[test]
    fn what_is_over_is_due_at_once_and_what_never_comes_never_is() {
        let now = 1 << 40;
        let mut wheel = Wheel::new(4, Time(now));
        let never = wheel.arm(Time::MAX, payload(1)).unwrap();
        assert_eq!(wheel.next_deadline(), None);
        assert_eq!(expired(&mut wheel, u64::MAX, ALL), [0; 0]);
        assert!(wheel.cancel(never));

        let mut wheel = Wheel::new(4, Time(now));
        let never = wheel.arm(Time(1).after(Duration::MAX), payload(1)).unwrap();
        wheel.arm(Time::ZERO, payload(2)).unwrap();
        wheel.arm(Time(now), payload(3)).unwrap();
        assert_eq!(wheel.next_deadline(), Some(Time(now)));
        assert_eq!(expired(&mut wheel, now, ALL), [2, 3]);
        assert_eq!(wheel.next_deadline(), None);
        assert_eq!(wheel.len(), 1);
        assert!(wheel.rearm(never, Time(now + 5 * TICK)));
        assert_eq!(expired(&mut wheel, now + 5 * TICK, ALL), [1]);
    }

    #[test]
    fn a_clock_that_stands_or_steps_back_does_no_harm() {
        let mut wheel = Wheel::new(4, Time(100 * TICK));
        wheel.arm(Time(200 * TICK), payload(1)).unwrap();
        assert_eq!(expired(&mut wheel, 150 * TICK, ALL), [0; 0]);
        assert_eq!(expired(&mut wheel, 120 * TICK, ALL), [0; 0]);
        wheel.arm(Time(130 * TICK), payload(2)).unwrap();
        assert_eq!(expired(&mut wheel, 120 * TICK, ALL), [2]);
        assert_eq!(expired(&mut wheel, 200 * TICK, ALL), [1]);
    }

    #[test]
    fn a_key_is_stale_once_its_timer_has_ended() {
        let mut wheel = Wheel::new(1, Time::ZERO);
        let first = wheel.arm(Time(TICK), payload(1)).unwrap();
        assert_eq!(wheel.arm(Time(TICK), payload(2)), Err(Full));
        assert_eq!(expired(&mut wheel, TICK, ALL), [1]);
        let second = wheel.arm(Time(9 * TICK), payload(2)).unwrap();
        assert!(!wheel.cancel(first));
        assert!(!wheel.rearm(first, Time(2 * TICK)));
        assert!(wheel.cancel(second));
        assert!(!wheel.cancel(second));
        assert!(wheel.is_empty());
        assert_eq!(wheel.next_deadline(), None);
    }

    #[test]
    fn a_slot_whose_generations_are_used_up_is_retired() {
        let mut wheel = Wheel::new(1, Time::ZERO);
        let old = wheel.arm(Time(TICK), payload(1)).unwrap();
        wheel.timers[LISTS as usize].generation = u32::MAX - 1;
        let last = WheelKey { generation: u32::MAX - 1, ..old };
        assert!(wheel.cancel(last));
        let next = wheel.arm(Time(TICK), payload(2)).unwrap();
        assert_eq!((next.index.get(), next.generation), (LISTS + 1, 0));
        assert_eq!(wheel.arm(Time(TICK), payload(3)), Err(Full));
        assert!(!wheel.cancel(last));
    }

    #[test]
    fn a_limit_leaves_the_rest_for_the_next_call() {
        let mut wheel = Wheel::new(1000, Time::ZERO);
        for token in 0..1000 {
            wheel.arm(Time((5000 + token / 100) * TICK), payload(token)).unwrap();
        }
        let now = 6000 * TICK;
        let mut all = Vec::new();
        let mut calls = 0;
        while !wheel.is_empty() {
            assert!(wheel.next_deadline().unwrap() <= Time(now));
            let due = expired(&mut wheel, now, 100);
            assert!(due.len() <= 100);
            all.extend(due);
            calls += 1;
        }
        assert_eq!(all, (0..1000).collect::<Vec<u64>>());
        assert!(calls <= 40, "{calls}");
    }

    #[test]
    fn timers_set_and_cancelled_give_their_slots_back() {
        let count = if cfg!(miri) { 1_000 } else { 1_000_000 };
        let mut wheel = Wheel::new(count, Time::ZERO);
        for _ in 0..2 {
            let keys: Vec<_> =
                (0..u64::from(count)).map(|n| wheel.arm(Time(n * 12345), payload(n)).unwrap()).collect();
            assert!(keys.into_iter().all(|key| wheel.cancel(key)));
            assert_eq!((wheel.len(), wheel.next_deadline()), (0, None));
            assert_eq!(wheel.timers.len(), (LISTS + count) as usize);
        }
    }

    /// An idle core wakes a few times for a distant deadline, not at every tick, and is not late.
    #[test]
    fn sleeping_until_the_next_deadline_arrives_in_few_steps() {
        let mut random = Random(7);
        for _ in 0..if cfg!(miri) { 10 } else { 1000 } {
            let start = random.up_to(62);
            let mut wheel = Wheel::new(64, Time(start));
            let timers = 1 + random.below(64);
            let first = (0..timers).map(|token| {
                let deadline = start + random.up_to(62);
                wheel.arm(Time(deadline), payload(token)).unwrap();
                deadline
            });
            let first = first.min().unwrap();
            let mut steps = 0;
            loop {
                let now = wheel.next_deadline().unwrap();
                let due = expired(&mut wheel, now.0, ALL);
                if !due.is_empty() {
                    assert!(now.0 >= first / TICK * TICK && now.0 < first + TICK);
                    break;
                }
                steps += 1;
                assert!(steps <= LEVELS);
            }
        }
    }

    /// Xorshift; the seed must not be zero.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }

        fn below(&mut self, bound: u64) -> u64 {
            (self.next() >> 11) % bound
        }

        /// Of any magnitude below `2^bits`.
        fn up_to(&mut self, bits: u64) -> u64 {
            let bits = self.below(bits + 1);
            self.next() >> 1 & ((1 << bits) - 1)
        }
    }

    struct Twin {
        key: WheelKey,
        deadline: u64,
        /// The tick of the deadline, or the one at which it was set if the deadline had passed.
        due: u64,
    }

    /// The wheel, and what it should be: a map by tokens.
    struct Pair {
        random: Random,
        wheel: Wheel,
        twin: BTreeMap<u64, Twin>,
        now: u64,
        tokens: u64,
        stale: Vec<WheelKey>,
    }

    impl Pair {
        fn deadline(&mut self) -> u64 {
            match self.random.below(16) {
                0 => u64::MAX,
                1 => self.random.below(self.now + 1),
                2..8 => self.now + self.random.up_to(24),
                _ => self.now.saturating_add(self.random.up_to(56)),
            }
        }

        fn anyone(&mut self) -> Option<u64> {
            let from = self.random.below(self.tokens + 1);
            self.twin.range(from..).next().map(|(token, _)| *token)
        }

        fn step(&mut self, capacity: u32) {
            match self.random.below(10) {
                0..4 => {
                    let deadline = self.deadline();
                    match self.wheel.arm(Time(deadline), payload(self.tokens)) {
                        Ok(key) => {
                            let due = tick_of(Time(deadline)).max(self.wheel.elapsed);
                            self.twin.insert(self.tokens, Twin { key, deadline, due });
                        }
                        Err(Full) => assert_eq!(self.twin.len(), capacity as usize),
                    }
                    self.tokens += 1;
                }
                4..6 => {
                    let Some(token) = self.anyone() else { return };
                    let deadline = self.deadline();
                    let entry = self.twin.get_mut(&token).unwrap();
                    entry.deadline = deadline;
                    entry.due = tick_of(Time(deadline)).max(self.wheel.elapsed);
                    assert!(self.wheel.rearm(entry.key, Time(deadline)));
                }
                6..8 => {
                    let Some(token) = self.anyone() else { return };
                    let key = self.twin.remove(&token).unwrap().key;
                    assert!(self.wheel.cancel(key));
                    self.stale.push(key);
                }
                _ => self.expire(),
            }
            if let Some(stale) = self.stale.last() {
                assert!(!self.wheel.cancel(*stale));
                assert!(!self.wheel.rearm(*stale, Time::ZERO));
            }
        }

        fn expire(&mut self) {
            self.now = match self.random.below(4) {
                0 => self.wheel.next_deadline().map_or(self.now, |next| next.0.max(self.now)),
                1 => self.now.saturating_add(self.random.up_to(50)),
                _ => self.now + self.random.up_to(22),
            };
            let limit = if self.random.below(3) == 0 { 1 + self.random.below(9) as usize } else { ALL };
            let mut last = 0;
            for token in expired(&mut self.wheel, self.now, limit) {
                let twin = self.twin.remove(&token).unwrap();
                assert!(tick_of(Time(twin.deadline)) * TICK <= self.now, "early");
                assert!(twin.due >= last, "order");
                last = twin.due;
                self.stale.push(twin.key);
            }
            let first = self.twin.values().map(|twin| tick_of(Time(twin.deadline))).min();
            let next = self.wheel.next_deadline();
            if let Some(first) = first.filter(|first| *first < NEVER) {
                assert!(next.unwrap().0 <= first.max(self.wheel.elapsed) * TICK, "late");
                if limit == ALL {
                    assert!(first * TICK > self.now, "lost");
                }
            }
            if limit == ALL {
                assert!(next.is_none_or(|next| next.0 > self.now), "busy");
            }
            assert_eq!(self.wheel.len(), self.twin.len());
        }
    }

    #[test]
    fn random_operations_agree_with_a_map() {
        let seeds: u64 = if cfg!(miri) { 3 } else { 200 };
        for seed in 1..=seeds {
            let capacity = 1 << (seed % 10) as u32;
            let wheel = Wheel::new(capacity, Time(0));
            let random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let mut pair =
                Pair { random, wheel, twin: BTreeMap::new(), now: 0, tokens: 0, stale: Vec::new() };
            for _ in 0..if cfg!(miri) { 300 } else { 3000 } {
                pair.step(capacity);
            }
            assert!(pair.now > 1 << 50 || cfg!(miri), "the walk is long enough to see every level");
        }
    }
}
