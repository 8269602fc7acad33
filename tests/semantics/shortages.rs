//! Promise 6 where there is want of timers, of places, of ways between cores: whoever has failed is begun again all the same, or refused.

use std::time::Duration;

use odeon::prelude::*;

use crate::failure::{Fail, HOUR, Trace, Worker, always, count, fail, name, only};
use crate::world::{On, Run, World};

/// Takes a place.
struct Filler;

#[actor]
impl Filler {
    #[call]
    fn fill(&mut self) {}
}

/// Nobody waits then, which is better than for ever.
pub fn who_waits_for_a_restart_where_there_is_no_timer_is_begun_again_at_once(on: On) {
    for one_for_all in [false, true] {
        let world = World::with(on, 2, |config| config.timers_max = 1);
        for core in 0..2 {
            // The one timer of the supervisors' core.
            let taken = world.run(0, |cx| cx.send_after(HOUR, Run(Box::new(|_| ()))).ok());
            let restart = if one_for_all { Restart::one_for_all() } else { Restart::one_for_one() };
            let trace = Trace::new();
            let traced = trace.clone();
            let worker = world.supervise(core, restart.backoff(HOUR..HOUR), move || Worker::new(1, &traced));
            world.until("it to begin", || trace.len() == 2);
            fail(&world, worker);
            world.until("it to begin again", || trace.len() == 6);
            assert_eq!(only(&trace, &["started"]).len(), 2);
            worker.stop();
            world.until("its end", || trace.len() == 2);
            world.run(0, move |cx| taken.is_none_or(|timer| cx.cancel(timer)));
        }
        world.end();
    }
}

/// The words between those on different cores wait where there is no room, and are not lost.
pub fn full_ways_between_cores_lose_no_restart(on: On) {
    const ROUNDS: usize = 20;
    let world = World::with(on, 2, |config| config.lane_capacity = 8);
    let fillers = [0, 1].map(|core| world.spawn(core, Filler));
    for core in 0..2 {
        let trace = Trace::new();
        let traced = trace.clone();
        let worker = world.supervise(core, always(), move || Worker::new(1, &traced));
        world.until("it to begin", || trace.len() == 2);
        for round in 1..=ROUNDS {
            for from in 0..2 {
                world.begin(from, move |cx| {
                    if from == core {
                        worker.tell(Fail).expect("there is room on its own core");
                    }
                    // Until nothing fits.
                    for _ in 0..100 {
                        fillers[1 - from].fill().timeout(Duration::from_millis(1)).then(cx, |_, _, _| ());
                    }
                });
            }
            world.until("it to begin again", || trace.len() == 2 + 4 * round);
        }
        worker.stop();
        world.until("its end", || trace.len() == 4 + 4 * ROUNDS);
    }
    assert_eq!(count(&world, |ledger| ledger.restarts), 2 * ROUNDS as u64);
    world.end();
}

pub fn what_finds_no_place_below_a_supervisor_is_refused_and_leaves_nothing(on: On) {
    let world = World::with(on, 1, |config| config.actors_max = 16);
    let trace = Trace::new();
    // One has been begun before, so that those that are nobody's have their supervisor.
    let traced = trace.clone();
    let first = world.supervise(0, always(), move || Worker::new(0, &traced));
    assert_eq!(name(&world, first), Ok(0));
    let actors = || count(&world, |ledger| ledger.actors as u64);
    let held = actors();
    // All places are taken; then there is one too few; then there are enough.
    for free in 0..3 {
        let traced = trace.clone();
        let (fillers, traced) = world.run(0, move |cx| {
            let mut fillers: Vec<_> = std::iter::from_fn(|| cx.spawn(Filler).ok()).collect();
            fillers.drain(..free).for_each(|filler| filler.stop());
            (fillers, traced)
        });
        let left = held + fillers.len() as u64;
        world.until("so many places to be free", || actors() == left);
        let worker = world.run(0, move |cx| cx.supervise(always(), move || Worker::new(1, &traced)).ok());
        assert_eq!(worker.is_some(), free == 2, "with {free} free");
        if let Some(worker) = worker {
            // It is begun again in its own place.
            fail(&world, worker);
            assert_eq!(name(&world, worker), Ok(1));
            worker.stop();
        }
        world.until("what was begun for it to end", || actors() == left);
        fillers.iter().for_each(|filler| filler.stop());
        world.until("all places to be free", || actors() == held);
    }
    assert_eq!(only(&trace, &["started"]), [(0, "started"), (1, "started"), (1, "started")]);
    world.end();
}
