//! Intervals on the virtual clock: when they come, what is left out, and what waits for what.
//!
//! Knows: times to the millisecond. Must not know seeds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use odeon::prelude::*;
use odeon::system::simulation::Simulation;
use odeon::{Time, Timeout, time};

use super::world::{AGES, World, small};

const MS: Duration = Duration::from_millis(1);

/// When which interval came, in milliseconds since the start.
type Ticks = Arc<Mutex<Vec<(usize, u64)>>>;

/// What an actor does at its first tick.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Habit {
    Nothing,
    /// Borrows its state for so many milliseconds.
    Busy(u64),
    Stops,
    Fails,
}

struct Clock<const SET: usize> {
    start: Time,
    ticks: Ticks,
    habit: Habit,
}

const TEN: Interval = Interval::every(Duration::from_millis(10));

const SETS: [&[Interval]; 6] = [
    &[TEN, Interval::every(Duration::from_millis(25)), Interval::every(Duration::MAX)],
    &[TEN],
    &[Interval::every(Duration::ZERO)],
    &[Interval::every(Duration::from_millis(7)); 32],
    &[TEN.missed(MissedTicks::Burst)],
    &[TEN.missed(MissedTicks::Delay)],
];

impl<const SET: usize> Clock<SET> {
    fn tick(&mut self, index: usize, cx: &mut Context<Self>) -> Flow {
        let mut ticks = self.ticks.lock().unwrap_or_else(PoisonError::into_inner);
        ticks.push((index, cx.now().since(self.start).as_millis() as u64));
        match self.habit {
            Habit::Busy(milliseconds) if ticks.len() == 1 => {
                cx.exclusive("busy", Timeout::Never, async move |_: &mut Self, _: &mut Context<Self>| {
                    time::sleep(MS * milliseconds as u32).await;
                    Flow::Continue
                })
            }
            Habit::Stops => Flow::Stop,
            Habit::Fails => Flow::Fail,
            _ => Flow::Continue,
        }
    }
}

impl<const SET: usize> Actor for Clock<SET> {
    type Message = Never;
    const INTERVALS: &'static [Interval] = SETS[SET];

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        self.start = cx.now();
        Flow::Continue
    }

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }

    fn interval(&mut self, index: usize, cx: &mut Context<Self>) -> Flow {
        self.tick(index, cx)
    }
}

impl<const SET: usize> Connection for Clock<SET> {
    type Codec = Raw;

    fn frame(&mut self, bytes: &[u8], cx: &mut Context<Self>) -> Flow {
        cx.write(bytes);
        Flow::Continue
    }
}

fn simulation(change: impl FnOnce(&mut Config)) -> Simulation {
    let mut plan = small(0);
    // Nothing here takes long to end, and until then the intervals go on.
    (plan.config.drain_deadline, plan.config.close_deadline) = (MS, MS);
    change(&mut plan.config);
    Simulation::new(plan).expect("the limits are possible")
}

fn clock<const SET: usize>(habit: Habit) -> (Clock<SET>, Ticks) {
    let ticks = Ticks::default();
    (Clock { start: Time::ZERO, ticks: ticks.clone(), habit }, ticks)
}

/// Runs an actor for so long; answers when its intervals came.
fn run<const SET: usize>(habit: Habit, steps: &[Duration]) -> Vec<(usize, u64)> {
    let mut simulation = simulation(|_| {});
    let (clock, ticks) = clock::<SET>(habit);
    simulation.spawn_on(0, clock).expect("there is room");
    simulation.settle();
    for step in steps {
        simulation.run_for(*step);
    }
    let seen = ticks.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let remains = simulation.shutdown();
    assert!(remains.ledgers.iter().all(|ledger| ledger.held() == [0; 13]), "{remains:?}");
    seen
}

fn every(milliseconds: u64, until: u64) -> Vec<u64> {
    (1..).map(|tick| tick * milliseconds).take_while(|at| *at <= until).collect()
}

#[test]
fn intervals_come_on_a_schedule_that_does_not_drift() {
    let whole = if cfg!(miri) { 100 } else { 1000 };
    let ticks = run::<0>(Habit::Nothing, &[MS * (whole as u32 + 1)]);
    let of = |index| ticks.iter().filter(|tick| tick.0 == index).map(|tick| tick.1).collect::<Vec<_>>();
    assert_eq!(of(0), every(10, whole), "timers are late by less than a tenth of a millisecond, each");
    assert_eq!(of(1), every(25, whole));
    assert_eq!(of(2), [0; 0]);
    let rounds = if cfg!(miri) { 2 } else { 10 };
    let ticks = run::<3>(Habit::Nothing, &[MS * (7 * rounds + 1)]);
    assert_eq!(ticks.len(), 32 * rounds as usize);
}

#[test]
fn what_has_been_missed_is_left_out_and_the_schedule_stays() {
    // Its own handler takes 35 ms: from 10 to 45.
    let ticks: Vec<u64> = run::<1>(Habit::Busy(35), &[MS * 81]).into_iter().map(|tick| tick.1).collect();
    assert_eq!(ticks, [10, 45, 50, 60, 70, 80]);
}

#[test]
fn what_has_been_missed_is_made_up_for_or_the_schedule_begins_anew_where_the_interval_says_so() {
    let ticks = |ticks: Vec<(usize, u64)>| ticks.into_iter().map(|tick| tick.1).collect::<Vec<_>>();
    assert_eq!(ticks(run::<4>(Habit::Busy(35), &[MS * 71])), [10, 45, 45, 45, 50, 60, 70]);
    assert_eq!(ticks(run::<5>(Habit::Busy(35), &[MS * 71])), [10, 45, 55, 65]);
}

#[test]
fn an_interval_of_nothing_does_not_keep_a_core_busy() {
    let whole = if cfg!(miri) { 1 } else { 10 };
    let ticks = run::<2>(Habit::Nothing, &[MS * whole as u32]).len();
    assert!((10 * whole..20 * whole).contains(&ticks), "each time a timer can be due: {ticks}");
}

#[test]
fn an_interval_ends_with_its_actor_and_may_end_it() {
    for habit in [Habit::Stops, Habit::Fails] {
        assert_eq!(run::<1>(habit, &[MS * 100]), [(0, 10)]);
    }
}

#[test]
fn an_actor_for_whose_interval_there_is_no_timer_fails() {
    let mut simulation = simulation(|config| config.timers_max = 2);
    let (clock, ticks) = clock::<0>(Habit::Nothing);
    simulation.spawn_on(0, clock).expect("there is room");
    simulation.run_for(MS * 100);
    assert_eq!(ticks.lock().unwrap_or_else(PoisonError::into_inner).len(), 0);
    let ledger = simulation.ledgers()[0];
    assert_eq!((ledger.actors, ledger.timers, ledger.failures), (0, 0, 1));
}

#[test]
fn a_connection_has_intervals_beside_its_frames() {
    let mut simulation = simulation(|_| {});
    let all = Ticks::default();
    let ticks = all.clone();
    let make = move |_| Clock::<1> { start: Time::ZERO, ticks: ticks.clone(), habit: Habit::Busy(35) };
    simulation.listener(World::address()).start(make).expect("nobody listens there yet");
    let mut peer = simulation.network().connect(World::address()).expect("the backlog has room");
    simulation.settle();
    let mut echoed = vec![0];
    let rounds = if cfg!(miri) { 57 } else { 81 };
    for _ in 0..rounds {
        peer.write(b"x");
        simulation.run_for(MS);
        echoed.push(echoed[echoed.len() - 1] + peer.read(100).len());
    }
    assert_eq!(echoed[12], echoed[44], "while a handler has the state, nothing is read");
    assert!((9..=11).contains(&echoed[12]), "{echoed:?}");
    assert_eq!(echoed[47..], (47..=rounds).collect::<Vec<_>>(), "and nothing is lost");
    let ticks: Vec<u64> =
        all.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|tick| tick.1).collect();
    let due = [10, 45, 50, 60, 70, 80].into_iter().filter(|at| *at <= rounds as u64);
    assert_eq!(ticks, due.collect::<Vec<_>>());
    peer.shutdown_write();
    simulation.run_for(AGES);
    assert_eq!(simulation.ledgers()[0].timers, 0, "they end with it");
    drop((peer, simulation.shutdown()));
}
