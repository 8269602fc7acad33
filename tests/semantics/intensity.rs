//! Promise 6, over time: failures that are long past are forgiven, and an interval is that of one incarnation.

use std::time::Duration;

use odeon::Time;
use odeon::prelude::*;

use crate::failure::{always, count};
use crate::world::{Notes, On, World};

#[derive(Message)]
struct Fail;

/// Fails when it is told to, and notes when it does, and when it starts.
struct Fragile {
    failed: Notes<Time>,
    started: Notes<Time>,
}

#[actor]
impl Fragile {
    #[started]
    fn started(&mut self, cx: &mut Context<Self>) {
        self.started.note(cx.now());
    }

    #[message]
    fn fail(&mut self, _: Fail, cx: &mut Context<Self>) -> Flow {
        self.failed.note(cx.now());
        Flow::Fail
    }
}

struct Scene {
    world: World,
    to: Addr<Fragile>,
    failed: Notes<Time>,
    started: Notes<Time>,
}

impl Scene {
    fn new(on: On, restart: Restart) -> Scene {
        let (world, failed, started) = (World::new(on, 2), Notes::new(), Notes::new());
        let noted = (failed.clone(), started.clone());
        let to = world
            .supervise(1, restart, move || Fragile { failed: noted.0.clone(), started: noted.1.clone() });
        world.until("its beginning", || started.len() == 1);
        Scene { world, to, failed, started }
    }

    /// Has it fail so many times, each after it has begun again.
    fn fail(&self, times: usize) {
        for _ in 0..times {
            let before = self.started.len();
            self.to.tell(Fail).expect("there is room");
            self.world.until("its next beginning", || self.started.len() > before);
        }
    }

    fn pass(&self, time: Duration) {
        let passed = Notes::new();
        let noted = passed.clone();
        self.world.run(0, move |_| {
            let passes = async move {
                odeon::time::sleep(time).await;
                noted.note(());
            };
            odeon::task::spawn(passes).detach();
        });
        self.world.until("the time", || passed.len() == 1);
    }
}

pub fn failures_that_are_long_past_are_forgiven(on: On) {
    const WITHIN: Duration = Duration::from_millis(200);
    let scene = Scene::new(on, Restart::one_for_one().intensity(2, WITHIN));
    for _ in 0..3 {
        scene.fail(2);
        scene.pass(WITHIN);
    }
    assert_eq!(count(&scene.world, |ledger| ledger.restarts), 6);
    // A machine may be so busy that even these are far apart.
    if let On::Seed(_) = on {
        scene.fail(2);
        scene.to.tell(Fail).expect("there is room");
        let given_up = || count(&scene.world, |ledger| ledger.given_up);
        scene.world.until("the end of patience", || given_up() == 1);
        assert_eq!(count(&scene.world, |ledger| ledger.restarts), 8);
    }
    scene.world.end();
}

/// A group has its patience anew each time that it is begun.
pub fn a_group_that_is_begun_again_is_forgiven_what_was_before(on: On) {
    const HOUR: Duration = Duration::from_secs(3600);
    let (world, failed, started) = (World::new(on, 2), Notes::new(), Notes::new());
    let (once, noted) = (Restart::one_for_one().intensity(1, HOUR), (failed.clone(), started.clone()));
    let to = world.with_supervisor(once, |above| {
        let group = above.supervisor(once).expect("there is room");
        let make = move || Fragile { failed: noted.0.clone(), started: noted.1.clone() };
        group.spawn_on(1, make).expect("there is room")
    });
    world.until("its beginning", || started.len() == 1);
    let scene = Scene { world, to, failed, started };
    // One is forgiven, the second has the group begun again, and one is forgiven again.
    scene.fail(3);
    let counted =
        || [count(&scene.world, |ledger| ledger.restarts), count(&scene.world, |ledger| ledger.given_up)];
    assert_eq!(counted(), [3, 1]);
    scene.to.tell(Fail).expect("there is room");
    scene.world.until("the end of all patience", || counted() == [3, 3]);
    scene.world.end();
}

/// Where time is imagined, and so exact.
pub fn after_a_quiet_time_the_wait_is_the_shortest_again(on: On) {
    let On::Seed(_) = on else { return };
    let ms = Duration::from_millis;
    let scene = Scene::new(on, Restart::one_for_one().intensity(5, ms(500)).backoff(ms(8)..ms(64)));
    let waited = |times| {
        scene.started.take();
        scene.failed.take();
        // The last that has begun was noted with those that were taken.
        scene.fail(times);
        let pairs = scene.failed.take().into_iter().zip(scene.started.take());
        pairs.map(|(failed, started)| started.since(failed)).collect::<Vec<_>>()
    };
    for _ in 0..2 {
        let waits = waited(3);
        assert!(waits[0] <= ms(9) && waits[1] >= ms(8) && waits[2] >= ms(16), "{waits:?}");
        scene.pass(ms(500));
    }
    scene.world.end();
}

/// Where time is imagined, so that all fail at the same one.
pub fn those_who_fail_together_do_not_come_back_together(on: On) {
    const EACH: usize = 4;
    let On::Seed(_) = on else { return };
    let (world, wait) = (World::new(on, 2), Duration::from_millis(500));
    let restart = Restart::one_for_one().backoff(wait..wait);
    let all: Vec<_> = (0..2 * EACH).map(|_| (Notes::new(), Notes::new())).collect();
    // Each is the only one of its supervisor.
    for (core, all) in all.chunks(EACH).enumerate() {
        let all = all.to_vec();
        world.begin(core, move |cx| {
            for (failed, started) in all {
                let make = move || Fragile { failed: failed.clone(), started: started.clone() };
                let to = cx.supervise(restart, make).expect("there is room");
                to.tell(Fail).expect("there is room");
            }
        });
    }
    world.until("all beginnings", || all.iter().all(|(_, started)| started.len() == 2));
    let waits = all.iter().map(|(failed, started)| started.take()[1].since(failed.take()[0]));
    let mut waits: Vec<_> = waits.collect();
    waits.sort_unstable();
    let apart = waits.windows(2).filter(|pair| pair[0] < pair[1]).count();
    // Some may be alike by chance.
    assert!(apart >= 2 * EACH - 3, "{waits:?}");
    assert!(waits[0] >= wait / 2 && waits[2 * EACH - 1] <= wait + Duration::from_millis(1), "{waits:?}");
    world.end();
}

/// Has two intervals, of which one panics in the first of its kind.
struct Ticking {
    which: u64,
    ticks: Notes<(u64, Time)>,
}

#[actor]
impl Ticking {
    #[every("10ms")]
    fn tick(&mut self, cx: &mut Context<Self>) {
        self.ticks.note((self.which, cx.now()));
    }

    #[every("25ms")]
    fn tock(&mut self) {
        if self.which < 3 {
            std::panic::resume_unwind(Box::new("as planned"));
        }
    }
}

pub fn an_interval_that_panics_is_gone_and_the_next_one_has_its_own(on: On) {
    let world = World::new(on, 2);
    for core in 0..2 {
        let ticks = Notes::new();
        let (noted, mut made) = (ticks.clone(), 0);
        let to = world.supervise(core, always(), move || {
            made += 1;
            Ticking { which: made, ticks: noted.clone() }
        });
        world.until("ticks of the third", || ticks.len() >= 16);
        to.stop();
        let ticks = ticks.take();
        assert!(
            ticks.is_sorted_by_key(|(which, _)| *which),
            "each is gone when the next is there: {ticks:?}"
        );
        assert_eq!(ticks.last().map(|(which, _)| *which), Some(3));
        if let On::Seed(_) = on {
            let ends = |which| ticks.iter().filter(|(of, _)| *of == which).count();
            assert_eq!((ends(1), ends(2)), (2, 2), "{ticks:?}");
            let apart = |pair: &[(u64, Time)]| pair[1].1.since(pair[0].1);
            assert!(ticks.windows(2).all(|pair| apart(pair) >= Duration::from_millis(9)), "{ticks:?}");
        }
    }
    assert_eq!(count(&world, |ledger| ledger.restarts), 4);
    assert_eq!(count(&world, |ledger| ledger.panics), 4);
    world.end();
}
