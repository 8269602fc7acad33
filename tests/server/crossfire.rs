//! Every core sends to every core, and nobody has room.
//!
//! Knows: tell, full mailboxes, full lanes. Must not know sockets.

use std::sync::mpsc::{Receiver, Sender, channel};

use odeon::prelude::*;

use crate::world::{PATIENCE, World};

const CORES: usize = 4;
/// Each of them is to be heard by each so often.
const ENOUGH: u64 = 500;
/// What one tries to send to each other for every message that it handles: far more than there is room for. So there is
/// always somebody who goes on: whoever is full has something to handle.
const SHOTS: u32 = 4;

#[derive(Message)]
enum Shot {
    At(Vec<Addr<Fighter>>),
    From(usize),
}

enum Told {
    Ready,
    HeardEnough,
    /// Messages that were taken, and messages that were handled.
    Ended(u64, u64),
}

struct Fighter {
    number: usize,
    all: Vec<Addr<Fighter>>,
    heard: [u64; CORES],
    taken: u64,
    handled: u64,
    told: Sender<Told>,
}

impl Fighter {
    fn others(&self) -> impl Iterator<Item = &Addr<Fighter>> {
        self.all.iter().enumerate().filter(|(at, _)| *at != self.number).map(|(_, one)| one)
    }

    fn is_enough(&self) -> bool {
        self.heard.iter().enumerate().all(|(at, heard)| at == self.number || *heard >= ENOUGH)
    }
}

impl Accepts<Shot> for Fighter {
    fn accept(message: Shot) -> Shot {
        message
    }
}

impl Actor for Fighter {
    type Message = Shot;
    const MAILBOX_CAPACITY: u32 = 4;

    fn handle(&mut self, shot: Shot, _: &mut Context<Self>) -> Flow {
        self.handled += 1;
        match shot {
            Shot::At(all) => {
                self.all = all;
                self.told.send(Told::Ready).expect("the test waits for it");
                return Flow::Continue;
            }
            Shot::From(sender) => {
                self.heard[sender] += 1;
                if self.heard[sender] == ENOUGH && self.is_enough() {
                    self.told.send(Told::HeardEnough).expect("the test waits for it");
                }
            }
        }
        let shoot = |other: &Addr<Fighter>| other.tell(Shot::From(self.number)).is_ok();
        let taken = self.others().map(|other| (0..SHOTS).filter(|_| shoot(other)).count()).sum::<usize>();
        self.taken += taken as u64;
        Flow::Continue
    }

    fn stopped(&mut self, _: StopReason, _: &mut Context<Self>) {
        self.told.send(Told::Ended(self.taken, self.handled)).expect("the test waits for it");
    }
}

fn next(events: &Receiver<Told>) -> Told {
    events.recv_timeout(PATIENCE).expect("everyone is heard by everyone")
}

pub(crate) fn every_core_hears_every_core_though_every_mailbox_is_full(on: BackendChoice) {
    let world = World::with(on, CORES, |config| config.lane_capacity = 8);
    let (told, events) = channel();
    let fighter = |number| Fighter {
        number,
        all: Vec::new(),
        heard: [0; CORES],
        taken: 0,
        handled: 0,
        told: told.clone(),
    };
    let spawn = |number| world.system.spawn_on(number, fighter(number)).expect("there is room");
    let all: Vec<Addr<Fighter>> = (0..CORES).map(spawn).collect();
    for one in &all {
        one.tell(Shot::At(all.clone())).or_dead_letter();
    }
    for _ in 0..CORES {
        assert!(matches!(next(&events), Told::Ready), "nobody begins by itself");
    }
    all[1].tell(Shot::From(0)).or_dead_letter();
    for _ in 0..CORES {
        assert!(matches!(next(&events), Told::HeardEnough), "nobody ends by itself");
    }
    assert!(world.sum(|ledger| ledger.dead_letters) > 0, "mailboxes were full");
    all.iter().for_each(|one| one.stop());
    let (mut taken, mut handled, mut ended) = (CORES as u64 + 1, 0, 0);
    while ended < CORES {
        let Told::Ended(more, done) = next(&events) else { panic!("told once") };
        (taken, handled, ended) = (taken + more, handled + done, ended + 1);
    }
    world.settle();
    let dead = world.sum(|ledger| ledger.dead_letters);
    assert_eq!(taken, handled + dead, "what was taken was handled or is a dead letter");
    world.finish();
}
