//! Pools of one: each answers that it is full, hands back what it has no room for, and loses nothing.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use odeon::prelude::*;
use odeon::{Error, SpawnError};

use crate::runner::{Held, PATIENCE, Runner, on_core, system};

/// Passes on what it is sent, and has room for one.
struct Narrow(SyncSender<u64>);

#[derive(Message)]
struct Number(u64);

impl Accepts<Number> for Narrow {
    fn accept(message: Number) -> Number {
        message
    }
}

impl Actor for Narrow {
    type Message = Number;
    const MAILBOX_CAPACITY: u32 = 1;

    fn handle(&mut self, Number(number): Number, _: &mut Context<Self>) -> Flow {
        self.0.send(number).expect("the test listens");
        Flow::Continue
    }
}

/// The same with room for more than anybody sends.
struct Wide(Narrow);

impl Accepts<Number> for Wide {
    fn accept(message: Number) -> Number {
        message
    }
}

impl Actor for Wide {
    type Message = Number;

    fn handle(&mut self, message: Number, _: &mut Context<Self>) -> Flow {
        self.0.0.send(message.0).expect("the test listens");
        Flow::Continue
    }
}

fn start(cores: usize, change: impl FnOnce(&mut Config)) -> (System, Vec<Addr<Runner>>) {
    let system = system(BackendChoice::Auto, cores, change).expect("one of the backends is there");
    let spawn = |core| system.spawn_on(core, Runner).expect("there is room for a runner");
    let runners = (0..cores).map(spawn).collect();
    (system, runners)
}

/// Tells numbers from zero on until one is refused; answers how many were taken.
fn tell_until_full<A: Accepts<Number>>(to: Addr<A>) -> u64 {
    for number in 0.. {
        match to.tell(Number(number)) {
            Ok(()) => assert!(number < 100, "there is a limit"),
            Err(SendError::Full(Number(back))) => {
                assert_eq!(back, number, "what is refused comes back");
                return number;
            }
            Err(SendError::Stopped(_)) => panic!("it has not stopped"),
        }
    }
    unreachable!("there is a limit")
}

fn expect(numbers: &Receiver<u64>, expected: impl IntoIterator<Item = u64>) {
    for expected in expected {
        assert_eq!(numbers.recv_timeout(PATIENCE), Ok(expected), "in order, and once");
    }
    assert!(numbers.try_recv().is_err(), "nothing else");
}

fn dead_letters(system: &System) -> u64 {
    system.ledgers().expect("the system runs").iter().map(|ledger| ledger.dead_letters).sum()
}

#[test]
fn a_mailbox_of_one_refuses_the_second() {
    let (system, runners) = start(1, |_| {});
    let (numbers, heard) = sync_channel(100);
    let narrow = system.spawn(Narrow(numbers)).expect("there is room");
    for _ in 0..3 {
        assert_eq!(on_core(runners[0], move |_| tell_until_full(narrow)), 1);
        expect(&heard, 0..1);
    }
    assert_eq!(dead_letters(&system), 0);
    system.shutdown();
}

#[test]
fn a_mailbox_of_one_that_is_told_from_afar_counts_what_it_refuses() {
    let (system, runners) = start(2, |_| {});
    let (numbers, heard) = sync_channel(100);
    let narrow = system.spawn_on(1, Narrow(numbers)).expect("there is room");
    let held = Held::new(runners[1]);
    on_core(runners[0], move |_| (0..5).for_each(|number| narrow.tell(Number(number)).or_dead_letter()));
    // All five are in the lane: they were told in one turn, and the next has begun.
    on_core(runners[0], |_| ());
    held.release();
    assert_eq!(heard.recv_timeout(PATIENCE), Ok(0));
    on_core(runners[1], |_| ());
    assert_eq!(dead_letters(&system), 4);
    expect(&heard, []);
    system.shutdown();
}

#[test]
fn a_mailbox_of_one_that_every_core_wants_is_had_by_each_in_turn() {
    let (system, runners) = start(4, |_| {});
    let (numbers, heard) = sync_channel(100);
    let narrow = system.spawn_on(3, Narrow(numbers)).expect("there is room");
    let mut times = [0; 3];
    for _ in 0..12 {
        let held = Held::new(runners[3]);
        for (runner, core) in runners[..3].iter().zip(0..) {
            on_core(*runner, move |_| narrow.tell(Number(core)).or_dead_letter());
            // In the lane: the next turn has begun.
            on_core(*runner, |_| ());
        }
        held.release();
        times[heard.recv_timeout(PATIENCE).expect("one of them arrives") as usize] += 1;
        on_core(runners[3], |_| ());
    }
    assert_eq!(times, [4; 3]);
    assert_eq!(dead_letters(&system), 24);
    system.shutdown();
}

#[test]
fn a_lane_of_eight_places_refuses_the_ninth_message() {
    let (system, runners) = start(2, |config| config.lane_capacity = 8);
    let (numbers, heard) = sync_channel(100);
    let wide = system.spawn_on(1, Wide(Narrow(numbers))).expect("there is room");
    for _ in 0..3 {
        let held = Held::new(runners[1]);
        assert_eq!(on_core(runners[0], move |_| tell_until_full(wide)), 8);
        held.release();
        expect(&heard, 0..8);
        on_core(runners[1], |_| ());
    }
    assert_eq!(dead_letters(&system), 0);
    system.shutdown();
}

#[test]
fn an_inbox_of_one_refuses_the_second() {
    let (system, runners) = start(1, |config| config.inbox_capacity = 1);
    let (numbers, heard) = sync_channel(100);
    let wide = system.spawn(Wide(Narrow(numbers))).expect("there is room");
    for _ in 0..3 {
        let held = Held::new(runners[0]);
        assert_eq!(tell_until_full(wide), 1);
        held.release();
        expect(&heard, 0..1);
    }
    assert_eq!(dead_letters(&system), 0);
    system.shutdown();
}

#[test]
fn a_core_of_two_actors_hands_the_third_back() {
    let (system, runners) = start(1, |config| config.actors_max = 2);
    let (numbers, heard) = sync_channel(100);
    let again = numbers.clone();
    let wide = system.spawn(Wide(Narrow(numbers))).expect("there is room for two");
    assert!(matches!(system.spawn(Runner), Err(Error::ActorsFull)));
    assert!(on_core(runners[0], |cx| matches!(cx.spawn(Runner), Err(SpawnError(Runner)))));
    wide.tell(Number(0)).or_dead_letter();
    expect(&heard, 0..1);
    wide.stop();
    on_core(runners[0], |_| ());
    let next = system.spawn(Wide(Narrow(again))).expect("one has left");
    let refused =
        on_core(runners[0], move |_| matches!(wide.tell(Number(1)), Err(SendError::Stopped(Number(1)))));
    assert!(refused, "the newcomer in its slot is not reached by the old address");
    next.tell(Number(0)).or_dead_letter();
    expect(&heard, 0..1);
    system.shutdown();
}
