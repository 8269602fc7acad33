//! Timers among a million.

use odeon::executor::{TimerPayload, Wheel, WheelKey};
use odeon::sys::Time;

use crate::stage::timed;

const TIMERS: u32 = 1_000_000;
/// Between which deadlines lie, in nanoseconds: up to seventeen seconds.
const SPREAD: u64 = 1 << 34;

/// Xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn deadline(&mut self) -> Time {
        Time(self.next() % SPREAD)
    }
}

fn full(random: &mut Random) -> (Wheel, Vec<WheelKey>) {
    let mut wheel = Wheel::new(2 * TIMERS, Time::ZERO);
    let arm = |token| {
        let payload = TimerPayload { token, kind: 0 };
        wheel.arm(random.deadline(), payload).expect("there is room for the timers")
    };
    let keys = (0..u64::from(TIMERS)).map(arm).collect();
    (wheel, keys)
}

/// Arms timers with random deadlines, and takes them back outside of the time that counts.
pub(crate) fn arm() -> impl FnMut() -> f64 {
    const MORE: u64 = 100_000;
    let mut random = Random(7);
    let (mut wheel, _) = full(&mut random);
    let mut armed = Vec::with_capacity(MORE as usize);
    move || {
        let took = timed(|| {
            for token in 0..MORE {
                let payload = TimerPayload { token, kind: 0 };
                armed.push(wheel.arm(random.deadline(), payload).expect("there is room for more"));
            }
        });
        for key in armed.drain(..) {
            assert!(wheel.cancel(key), "the timer is armed");
        }
        took / MORE as f64
    }
}

/// Gives random timers random deadlines: every other one comes earlier.
pub(crate) fn rearm() -> impl FnMut() -> f64 {
    let mut random = Random(7);
    let (mut wheel, keys) = full(&mut random);
    rearmed(&keys, move |key| wheel.rearm(key, random.deadline()))
}

/// Postpones the timers of a few thousand busy connections, whose state is in the cache, among those of a million.
pub(crate) fn idle_timeout_rearm() -> impl FnMut() -> f64 {
    const BUSY: usize = 4096;
    let mut random = Random(7);
    let (mut wheel, keys) = full(&mut random);
    let mut now = SPREAD;
    rearmed(&keys[..BUSY], move |key| {
        now += 1;
        wheel.rearm(key, Time(now))
    })
}

fn rearmed<R: FnMut(WheelKey) -> bool>(keys: &[WheelKey], mut rearm: R) -> impl FnMut() -> f64 + use<R> {
    const COUNT: usize = 200_000;
    let mut random = Random(9);
    let mut chosen = || keys[random.next() as usize % keys.len()];
    let order: Vec<WheelKey> = (0..COUNT).map(|_| chosen()).collect();
    move || {
        let took = timed(|| {
            for key in &order {
                assert!(rearm(*key), "the timer is armed");
            }
        });
        took / COUNT as f64
    }
}
