//! One message that goes round: between two actors, on one core or two, and through a ring of 503.

use std::sync::mpsc::{Receiver, Sender, channel};

use odeon::prelude::*;
use odeon::sys::{Time, now};

use crate::heap;
use crate::stage::system;

/// What one round of play took.
struct Lap {
    nanoseconds: f64,
    allocations: u64,
}

struct Player {
    next: Option<Addr<Player>>,
    started: (Time, u64),
    report: Sender<Lap>,
}

#[derive(Message)]
enum Play {
    Meet(Addr<Player>),
    /// Send the ball round for so many hops, back to here.
    Start(u64),
    Ball(u64),
}

impl Accepts<Play> for Player {
    fn accept(message: Play) -> Play {
        message
    }
}

impl Actor for Player {
    type Message = Play;

    fn handle(&mut self, message: Play, _: &mut Context<Self>) -> Flow {
        match message {
            Play::Meet(next) => self.next = Some(next),
            Play::Start(hops) => {
                self.started = (now(), heap::allocations());
                self.pass(hops - 1);
            }
            Play::Ball(0) => {
                let nanoseconds = now().since(self.started.0).as_nanos() as f64;
                let lap = Lap { nanoseconds, allocations: heap::allocations() - self.started.1 };
                self.report.send(lap).expect("the bench waits for the lap");
            }
            Play::Ball(hops) => self.pass(hops - 1),
        }
        Flow::Continue
    }
}

impl Player {
    fn pass(&self, hops: u64) {
        self.next.expect("players have met before they play").tell(Play::Ball(hops)).or_dead_letter();
    }
}

/// Players in a ring, dealt to the cores of a system in turn.
struct Ring {
    first: Addr<Player>,
    laps: Receiver<Lap>,
    size: u64,
    /// Ends with the ring.
    _system: System,
}

impl Ring {
    fn new(cores: usize, size: usize) -> Ring {
        let system = system(cores);
        let (report, laps) = channel();
        let spawn = |place, next| {
            let player = Player { next, started: (Time::ZERO, 0), report: report.clone() };
            system.spawn_on(place, player).expect("there is room for a ring")
        };
        let first = spawn(0, None);
        let second = (1..size).rev().fold(first, |next, place| spawn(place, Some(next)));
        first.tell(Play::Meet(second)).or_dead_letter();
        Ring { first, laps, size: size as u64, _system: system }
    }

    /// Plays `hops` or a few more; answers nanoseconds and allocations of each.
    fn play(&self, hops: u64) -> (f64, f64) {
        let hops = hops.next_multiple_of(self.size);
        self.first.tell(Play::Start(hops)).or_dead_letter();
        let lap = self.laps.recv().expect("the ring plays to the end");
        (lap.nanoseconds / hops as f64, lap.allocations as f64 / hops as f64)
    }
}

/// So many hops through a ring of so many: nanoseconds of each.
pub(crate) fn pass_round(cores: usize, size: usize, hops: u64) -> impl FnMut() -> f64 {
    let ring = Ring::new(cores, size);
    move || ring.play(hops).0
}

pub(crate) fn allocations_per_tell() -> impl FnMut() -> f64 {
    let ring = Ring::new(1, 2);
    move || ring.play(200_000).1
}
