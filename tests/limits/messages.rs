//! Messages and timers take no memory once everything is warm.

use std::sync::mpsc::{SyncSender, sync_channel};

use odeon::executor::{TimerPayload, Wheel};
use odeon::prelude::*;
use odeon::sys::Time;

use crate::heap;
use crate::runner::{PATIENCE, Runner, allocations, system, when_warm};

const ROUNDS: u64 = 5_000;

struct Player {
    other: Option<Addr<Player>>,
    done: SyncSender<()>,
}

#[derive(Message)]
enum Play {
    With(Addr<Player>),
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
            Play::With(other) => self.other = Some(other),
            Play::Ball(0) => self.done.send(()).expect("the test waits for it"),
            Play::Ball(left) => {
                let other = self.other.expect("they have met before they play");
                assert!(other.tell(Play::Ball(left - 1)).is_ok(), "one ball finds room");
            }
        }
        Flow::Continue
    }
}

/// Plays between two cores, or on one, first to warm up and then for the count.
fn play(cores: usize) {
    let system = system(BackendChoice::Auto, cores, |_| {}).expect("one of the backends is there");
    let (done, end) = sync_channel(1);
    let spawn = |core, other| {
        system.spawn_on(core, Player { other, done: done.clone() }).expect("there is room for a player")
    };
    let first = spawn(0, None);
    let second = spawn(1, Some(first));
    let runners: Vec<_> =
        (0..2).map(|core| system.spawn_on(core, Runner).expect("there is room for a runner")).collect();
    first.tell(Play::With(second)).or_dead_letter();
    let rally = || {
        first.tell(Play::Ball(ROUNDS)).or_dead_letter();
        end.recv_timeout(PATIENCE).expect("the ball comes back");
    };
    let count = || runners.iter().map(|runner| allocations(*runner)).sum::<u64>();
    rally();
    count();
    let taken = || {
        let before = count();
        rally();
        [count() - before]
    };
    // On one core nothing depends on how busy the machine is.
    let taken = if cores == 1 { taken() } else { when_warm([0], taken) };
    assert_eq!(taken, [0], "{ROUNDS} messages take no memory");
    system.shutdown();
}

#[test]
fn a_message_on_one_core_takes_no_memory() {
    play(1);
}

#[test]
fn a_message_to_another_core_takes_no_memory() {
    play(2);
}

#[test]
fn a_message_from_a_foreign_thread_takes_no_memory() {
    let system = system(BackendChoice::Auto, 1, |_| {}).expect("one of the backends is there");
    let (done, end) = sync_channel(1);
    let player = system.spawn(Player { other: None, done }).expect("there is room for a player");
    let runner = system.spawn(Runner).expect("there is room for a runner");
    let tell = || {
        for _ in 0..ROUNDS {
            player.tell(Play::Ball(0)).or_dead_letter();
            end.recv_timeout(PATIENCE).expect("it arrives");
        }
    };
    tell();
    allocations(runner);
    let taken = when_warm([0; 2], || {
        let (there, here) = (allocations(runner), heap::allocations());
        tell();
        let here = heap::allocations() - here;
        [here, allocations(runner) - there]
    });
    assert_eq!(taken, [0; 2], "sending {ROUNDS} messages takes no memory, and receiving them");
    system.shutdown();
}

#[test]
fn a_timer_takes_no_memory() {
    let mut wheel = Wheel::new(10_000, Time::ZERO);
    let mut due = Vec::new();
    let mut round = |wheel: &mut Wheel, start: u64| {
        for timer in 0..10_000 {
            let deadline = Time((start + timer * 7) << 16);
            let key = wheel.arm(deadline, TimerPayload { token: timer, kind: 0 }).expect("there is room");
            assert!(wheel.rearm(key, Time(deadline.0 / 2)), "it is armed");
            assert!(timer % 2 == 0 || wheel.cancel(key), "it is armed");
        }
        wheel.expire(Time((start + 80_000) << 16), usize::MAX, &mut due);
        assert_eq!((due.drain(..).count(), wheel.len()), (5_000, 0));
    };
    round(&mut wheel, 0);
    let before = heap::allocations();
    round(&mut wheel, 80_000);
    assert_eq!(heap::allocations(), before, "10,000 timers take no memory");
}
