//! Promise 1 says nothing of different senders; but where all of them are refused, each has its share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use odeon::prelude::*;

use crate::world::{Notes, On, World};

const CORES: usize = 4;
/// So often all of them fill the way to one core.
const ROUNDS: usize = 60;
/// The same in each simulated system.
const OF_A_SEED: usize = 8;
/// The share of whoever has least is at most so many times smaller than that of whoever has most.
const FAIR: usize = 10;

/// From which core.
#[derive(Message)]
struct Shot(usize);

/// Has room for less than comes from one core.
struct Target(Notes<usize>);

#[actor(mailbox(capacity = 4))]
impl Target {
    #[message]
    fn shot(&mut self, Shot(from): Shot) {
        self.0.note(from);
    }
}

pub fn every_core_has_its_share_of_a_mailbox_that_every_core_fills(on: On) {
    let world = World::with(on, CORES, |config| config.lane_capacity = 8);
    let mut random = on.random();
    let rounds = if let On::Seed(_) = on { OF_A_SEED } else { ROUNDS };
    for to in 0..CORES {
        let notes = Notes::new();
        let target = world.spawn(to, Target(notes.clone()));
        let mut handled = [0; CORES];
        for _ in 0..rounds {
            // Whose turn it is does not depend on how many turns a round takes.
            (0..random.index(CORES)).for_each(|_| world.run(to, |_| ()));
            let busy = Busy::keep(on, &world, to);
            let first = random.index(CORES);
            let others = (0..CORES).map(|at| (first + at) % CORES).filter(|from| *from != to);
            for from in others.clone() {
                let fill = move |_: &mut Context<_>| while target.tell(Shot(from)).is_ok() {};
                if busy.is_some() { world.run(from, fill) } else { world.begin(from, fill) }
            }
            // What was sent in one turn has left by the next.
            others.for_each(|from| world.run(from, |_| ()));
            drop(busy);
            (0..2).for_each(|_| world.run(to, |_| ()));
            notes.take().into_iter().for_each(|from| handled[from] += 1);
        }
        let shares: Vec<usize> = (0..CORES).filter(|from| *from != to).map(|from| handled[from]).collect();
        let (least, most) = (shares.iter().min(), shares.iter().max());
        assert!(
            most <= least.map(|least| least * FAIR).as_ref(),
            "core {to} hears the others {shares:?} times"
        );
        target.stop();
    }
    assert!(world.dead_letters() > 0, "there was room for less");
    world.end();
}

/// Keeps a core from everything else, until it is dropped. Cores of a simulation take turns on one thread, and none can be kept.
struct Busy(Arc<AtomicBool>);

impl Busy {
    fn keep(on: On, world: &World, core: usize) -> Option<Busy> {
        let On::Backend(_) = on else { return None };
        let (begun, over) = (Notes::new(), Arc::new(AtomicBool::new(false)));
        let (noted, ends) = (begun.clone(), over.clone());
        world.begin(core, move |_| {
            noted.note(());
            while !ends.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
        });
        world.until("the core to be busy", || begun.len() == 1);
        Some(Busy(over))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
