//! What comes later does so by the clock, whoever has blocked the core: what becomes of times that are missed, and a crowd of timers.
//!
//! No simulated system: there, nothing takes time.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use odeon::Time;
use odeon::prelude::*;
use odeon::sys::{Random, now};

use crate::world::{Notes, On, Run, World};

const PERIOD: Duration = Duration::from_millis(5);

fn block(duration: Duration) {
    let end = now().after(duration);
    while now() < end {
        std::hint::spin_loop();
    }
}

#[derive(Message, Clone)]
struct Again;

/// Notes when it was called.
struct Ticker(Notes<Time>);

#[actor]
impl Ticker {
    #[started]
    fn start(&mut self, cx: &mut Context<Self>) {
        let often = Interval::every(PERIOD).missed(MissedTicks::Delay);
        assert!(cx.send_every(often, Again).is_ok(), "there is room");
        // What was set before this comes due in the same turn, ahead of it.
        block(2 * PERIOD);
    }

    #[message]
    fn again(&mut self, _: Again) {
        self.0.note(now());
    }
}

pub fn what_was_late_comes_again_a_whole_period_later(on: On) {
    let world = World::new(on, 1);
    for _ in 0..3 {
        let (ticks, ended) = (Notes::new(), Notes::new());
        let (noted, ends) = (ticks.clone(), ended.clone());
        let ticker = world.run(0, move |cx| {
            let blocks = move |_: &mut Context<_>| {
                block(4 * PERIOD);
                ends.note(now());
            };
            assert!(cx.send_after(PERIOD / 2, Run(Box::new(blocks))).is_ok(), "there is room");
            cx.spawn(Ticker(noted)).expect("there is room")
        });
        let (mut end, mut after) = (None, Vec::new());
        world.until("two that come after the block", || {
            end = end.or_else(|| ended.take().pop());
            after.extend(ticks.take());
            after.retain(|tick| end.is_none_or(|end| *tick > end));
            end.is_some() && after.len() >= 2
        });
        let apart = end.map(|end| after[1].since(end));
        assert!(apart >= Some(PERIOD), "{apart:?} after the core was free for the first, it came again");
        ticker.stop();
    }
    world.end();
}

/// What a metronome notes: when its schedule began, at the earliest and at the latest, and when it was called, as its context says.
#[derive(Debug, Clone, Copy)]
enum Beat {
    Begun(Time, Time),
    At(Time),
}

/// Keeps its core busy when it is called for the first time, for some periods and a half.
struct Metronome {
    interval: Interval,
    beats: Notes<Beat>,
    called: bool,
}

/// So many whole ones.
const MISSED: u32 = 4;
const BEAT: Duration = Duration::from_millis(8);

#[actor]
impl Metronome {
    #[started]
    fn start(&mut self, cx: &mut Context<Self>) {
        let before = now();
        assert!(cx.send_every(self.interval, Again).is_ok(), "there is room");
        self.beats.note(Beat::Begun(before, now()));
    }

    #[message]
    fn again(&mut self, _: Again, cx: &mut Context<Self>) {
        self.beats.note(Beat::At(cx.now()));
        if !std::mem::replace(&mut self.called, true) {
            block(MISSED * BEAT + BEAT / 2);
        }
    }
}

/// Time after so many beats.
fn after(begin: Time, beats: usize) -> Time {
    begin.after(BEAT * beats as u32)
}

/// Lets metronomes beat so often, until one has kept time as `has_kept` says, which is given its beats and when its schedule
/// began at the latest. No beat of any comes before its time.
fn beat(on: On, missed: MissedTicks, beats: usize, has_kept: impl Fn(&[Time], Time) -> bool) {
    let world = World::new(on, 1);
    world.until("one that keeps time", || {
        let noted = Notes::new();
        let interval = Interval::every(BEAT).missed(missed);
        let metronome = Metronome { interval, beats: noted.clone(), called: false };
        let metronome = world.spawn(0, metronome);
        world.until("its beats", || noted.len() > beats);
        metronome.stop();
        let noted = noted.take();
        let Beat::Begun(earliest, latest) = noted[0] else { panic!("{noted:?}") };
        let at = |beat: &Beat| if let Beat::At(time) = beat { *time } else { panic!("it begins once") };
        let times: Vec<Time> = noted[1..].iter().map(at).collect();
        for (place, time) in times.iter().enumerate() {
            assert!(*time >= after(earliest, place + 1), "beat {place} is early: {noted:?}");
        }
        has_kept(&times, latest)
    });
    world.end();
}

pub fn what_was_missed_is_left_out_and_the_schedule_stays(on: On) {
    beat(on, MissedTicks::Skip, 8, |times, begun| {
        // The second was late. What comes next comes at the next time of the schedule, and each other at a later one.
        let place = |time: Time| (time.since(begun).as_nanos() / BEAT.as_nanos()) as usize;
        let late = place(times[1]);
        assert!(late >= MISSED as usize, "the core was busy: {times:?}");
        for (more, time) in times[1..].iter().enumerate().skip(1) {
            // When the schedule began, the earliest is not far from the latest, but not known: half a beat is between them.
            let due = after(begun, late + more);
            assert!(time.after(BEAT / 2) >= due, "made up for: {times:?}, {begun:?}");
        }
        // On a machine that does nothing else the last ones come at times of the schedule, however late those before.
        times[5..].iter().all(|time| time.since(after(begun, place(*time))) < BEAT / 4)
    });
}

pub fn what_was_missed_is_made_up_for_and_the_schedule_stays(on: On) {
    beat(on, MissedTicks::Burst, 12, |times, begun| {
        // None is missing: by and by each comes at its own time.
        times.iter().zip(1..).skip(8).any(|(time, beats)| *time < after(begun, beats + 1))
    });
}

/// All together, and how many of them are to be there at a time.
fn crowd() -> (u64, Duration) {
    match env::var_os("ODEON_SOAK") {
        Some(_) => (1_000_000, Duration::from_secs(10)),
        None => (20_000, Duration::from_millis(300)),
    }
}

/// By its number, and when it is due.
#[derive(Message)]
struct One(usize, Time);

/// Sets many timers, and cancels half of them: half of these at once, the others when one comes.
struct Crowded {
    random: Random,
    keys: Vec<Option<TimerKey>>,
    /// Those that are still to be cancelled.
    doomed: Vec<usize>,
    /// In the units of time that timers tell apart.
    last: u64,
    came: Arc<AtomicU64>,
    cancelled: Arc<AtomicU64>,
    wrong: Notes<String>,
}

#[derive(Message)]
struct SetAll(u64, Duration);

impl Crowded {
    fn cancel(&mut self, number: usize, cx: &mut Context<Self>) {
        // One that has come before cannot be cancelled.
        let Some(key) = self.keys[number].take() else { return };
        if !cx.cancel(key) {
            self.wrong.note(format!("{number} was not to be cancelled"));
        }
        self.cancelled.fetch_add(1, Ordering::Relaxed);
    }
}

/// So many bits of a time do not matter: see `Interval::every`.
const TICK_BITS: u32 = 16;

#[actor]
impl Crowded {
    #[message]
    fn set_all(&mut self, SetAll(count, within): SetAll, cx: &mut Context<Self>) {
        let begin = now();
        for number in 0..count as usize {
            let due = begin.after(Duration::from_nanos(self.random.below(within.as_nanos() as u64)));
            self.keys.push(Some(cx.send_at(due, One(number, due)).expect("there is room")));
        }
        for number in (0..count as usize).step_by(2) {
            if self.random.chance(0.5) { self.cancel(number, cx) } else { self.doomed.push(number) }
        }
    }

    #[message]
    fn one(&mut self, One(number, due): One, cx: &mut Context<Self>) {
        if now() < due {
            self.wrong.note(format!("{number} was early"));
        }
        let tick = due.0.div_ceil(1 << TICK_BITS);
        if tick < self.last {
            self.wrong.note(format!("{number}, due at {tick}, came after {}", self.last));
        }
        self.last = tick;
        match self.keys[number].take() {
            Some(_) => drop(self.came.fetch_add(1, Ordering::Relaxed)),
            None => self.wrong.note(format!("{number} came again, or was cancelled")),
        }
        if let Some(number) = self.doomed.pop() {
            self.cancel(number, cx);
        }
    }
}

pub fn each_of_many_timers_comes_once_and_in_the_order_of_their_times(on: On) {
    const ACTORS: u64 = 8;
    let (count, within) = crowd();
    let world = World::with(on, 2, |config| {
        (config.timers_max, config.tasks_max) = (count as u32, count as u32 + 100);
    });
    let (came, cancelled, wrong) = (Arc::default(), Arc::default(), Notes::new());
    for number in 0..ACTORS {
        let actor = Crowded {
            random: Random::new(number),
            keys: Vec::new(),
            doomed: Vec::new(),
            last: 0,
            came: Arc::clone(&came),
            cancelled: Arc::clone(&cancelled),
            wrong: wrong.clone(),
        };
        let to = world.spawn(number as usize % 2, actor);
        assert!(to.tell(SetAll(count / ACTORS, within)).is_ok(), "there is room");
    }
    let sum = || [&came, &cancelled].map(|count: &Arc<AtomicU64>| count.load(Ordering::Relaxed));
    world.until("all of them", || sum().iter().sum::<u64>() == count);
    assert_eq!(wrong.take(), [""; 0]);
    let [came, cancelled] = sum();
    assert!(came >= count / 2 && cancelled >= count / 5, "{came} came, {cancelled} were cancelled");
    assert!(world.ledgers().iter().all(|ledger| (ledger.timers, ledger.tasks) == (0, 0)));
    world.end();
}
