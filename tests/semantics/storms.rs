//! Promise 6, ten thousand times: panics end those that panic, and nothing is left of them; everybody else is served.

use odeon::prelude::*;

use crate::failure::{always, count};
use crate::world::{Notes, On, World, panic_quietly};

/// Panics of each kind on each core, in a real system.
const PANICS: u64 = 2_500;
/// The same in each simulated one: of all that are usually run, as many.
const OF_A_SEED: u64 = PANICS.div_ceil(crate::world::SEEDS);
/// So many at once.
const TOGETHER: u64 = 50;

struct Fragile;

#[actor]
impl Fragile {
    #[call]
    fn burst(&mut self) {
        panic_quietly();
    }
}

/// Counts how often it was asked.
#[derive(Default)]
struct Steady(u64);

#[actor]
impl Steady {
    #[call]
    fn count(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Told {
    Alone(Result<(), AskError>),
    Supervised(Result<(), AskError>),
    Counted(Result<u64, AskError>),
    Down(StopReason),
}

#[derive(Message)]
struct Round {
    count: u64,
    supervised: Addr<Fragile>,
    steady: Addr<Steady>,
}

/// Has others panic, and tells what it is told.
struct Driver(Notes<Told>);

#[actor]
impl Driver {
    #[message]
    fn round(&mut self, Round { count, supervised, steady }: Round, cx: &mut Context<Self>) {
        for _ in 0..count {
            let alone = cx.spawn(Fragile).expect("there is room");
            cx.watch(alone).expect("there is room");
            alone.burst().then(cx, |me, answer, _| me.0.note(Told::Alone(answer)));
            supervised.burst().then(cx, |me, answer, _| me.0.note(Told::Supervised(answer)));
            steady.count().then(cx, |me, answer, _| me.0.note(Told::Counted(answer)));
        }
    }

    #[message]
    fn down(&mut self, Down { reason, .. }: Down) {
        self.0.note(Told::Down(reason));
    }
}

pub fn ten_thousand_panics_leave_nothing_and_everybody_else_is_served(on: On) {
    let panics = if let On::Seed(_) = on { OF_A_SEED } else { PANICS };
    let world = World::new(on, 2);
    let scenes = [0, 1].map(|core| {
        let notes = Notes::new();
        let driver = world.spawn(core, Driver(notes.clone()));
        // What is asked is on the other core.
        let supervised = world.supervise(1 - core, always(), || Fragile);
        (driver, supervised, world.spawn(1 - core, Steady::default()), notes)
    });
    let held = || world.ledgers().iter().map(odeon::Ledger::held).collect::<Vec<_>>();
    let before = held();
    let mut done = 0;
    while done < panics {
        let count = TOGETHER.min(panics - done);
        for &(driver, supervised, steady, _) in &scenes {
            assert!(driver.tell(Round { count, supervised, steady }).is_ok(), "there is room");
        }
        world
            .until("all that is to be told", || scenes.iter().all(|scene| scene.3.len() as u64 == 4 * count));
        for (.., notes) in &scenes {
            let (noted, mut counted) = (notes.take(), done);
            for told in noted {
                match told {
                    Told::Counted(answer) => {
                        counted += 1;
                        assert_eq!(answer, Ok(counted), "whoever does not panic is served, in order");
                    }
                    Told::Alone(answer) | Told::Supervised(answer) => {
                        assert_eq!(answer, Err(AskError::Panicked));
                    }
                    Told::Down(reason) => assert_eq!(reason, StopReason::Panicked),
                }
            }
            assert_eq!(counted, done + count);
        }
        done += count;
    }
    world.until("nothing to be left of them", || held() == before);
    let all = |what: fn(&odeon::Ledger) -> u64| count(&world, what);
    assert_eq!(all(|ledger| ledger.panics), 4 * panics, "two kinds on two cores");
    assert_eq!(all(|ledger| ledger.restarts), 2 * panics);
    assert_eq!(all(|ledger| ledger.drop_panics), 0);
    assert_eq!(world.dead_letters(), 2 * panics, "on which those that were begun again have failed");
    world.end();
}
