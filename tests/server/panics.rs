//! Panics wherever a user's code runs: only that actor ends.
//!
//! Knows: where code of users runs. Must not know what else ends connections.

use std::panic;
use std::sync::Once;

use odeon::prelude::*;

use crate::client::{connect, ends_by_reset, request};
use crate::runner::{Runner, on_core};
use crate::session::{Do, Habits, Told, sessions};
use crate::world::World;

const MANY: u64 = 1000;

/// Planned panics are not reported: a thousand of them would hide the others.
pub(crate) fn quietly() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let planned = info.payload_as_str().is_some_and(|text| text.starts_with("as planned"));
            if !planned {
                report(info);
            }
        }));
    });
}

/// Connects so often, writing a line each time; a witness is served all the while.
fn many(on: BackendChoice, habits: Habits, line: &str, reason: Option<StopReason>) -> [u64; 2] {
    quietly();
    let mut world = World::new(on, 2);
    let (make, events) = sessions(habits);
    let address = world.serve(make);
    let (make, _witnessed) = sessions(Habits::default());
    let mut witness = connect(world.serve(make));
    for round in 0..MANY {
        let mut stream = connect(address);
        // The actor may be gone by now.
        let _ = std::io::Write::write_all(&mut stream, line.as_bytes());
        ends_by_reset(&mut stream);
        if let Some(reason) = reason {
            assert_eq!(events.stopped(), reason);
        }
        if round % 100 == 0 {
            request(&mut witness, "echo unharmed", "unharmed\n");
        }
    }
    drop(witness);
    world.settle();
    let panics = [world.sum(|ledger| ledger.panics), world.sum(|ledger| ledger.drop_panics)];
    world.finish();
    panics
}

pub(crate) fn a_panic_in_a_frame_ends_its_connection_only(on: BackendChoice) {
    assert_eq!(many(on, Habits::default(), "panic\n", Some(StopReason::Panicked)), [MANY, 0]);
}

pub(crate) fn a_panic_in_started_ends_its_connection_only(on: BackendChoice) {
    let habits = Habits { panic_in_started: true, ..Habits::default() };
    assert_eq!(many(on, habits, "echo\n", Some(StopReason::Panicked)), [MANY, 0]);
}

pub(crate) fn a_panic_in_stopped_ends_its_connection_only(on: BackendChoice) {
    let habits = Habits { panic_in_stopped: true, ..Habits::default() };
    assert_eq!(many(on, habits, "close\n", Some(StopReason::Stopped)), [MANY, 0]);
}

pub(crate) fn a_panic_in_drop_ends_its_connection_only(on: BackendChoice) {
    let habits = Habits { panic_in_drop: true, ..Habits::default() };
    assert_eq!(many(on, habits, "close\n", Some(StopReason::Stopped)), [MANY, MANY]);
}

pub(crate) fn panics_in_a_frame_in_stopped_and_in_drop_together_end_one_connection(on: BackendChoice) {
    let habits = Habits { panic_in_stopped: true, panic_in_drop: true, ..Habits::default() };
    assert_eq!(many(on, habits, "panic\n", Some(StopReason::Panicked)), [3 * MANY, MANY]);
}

pub(crate) fn a_panic_in_the_function_that_makes_actors_costs_one_connection(on: BackendChoice) {
    quietly();
    let mut world = World::new(on, 1);
    let mut count = 0_u64;
    let (mut make, _events) = sessions(Habits::default());
    let address = world.serve(move |peer| {
        count += 1;
        assert!(count.is_multiple_of(2), "as planned, in the factory");
        make(peer)
    });
    for _ in 0..MANY / 2 {
        assert!(ends_by_reset(&mut connect(address)), "a connection without an actor is refused");
        request(&mut connect(address), "echo hello", "hello\n");
    }
    assert_eq!(world.sum(|ledger| ledger.panics), MANY / 2);
    world.finish();
}

pub(crate) fn panics_in_handlers_and_messages_end_one_actor_each(on: BackendChoice) {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("as planned, in the drop of a message");
        }
    }

    quietly();
    let mut world = World::new(on, 1);
    let runner = world.runner(0);
    let (make, events) = sessions(Habits::default());
    let address = world.serve(make);
    for _ in 0..MANY / 4 {
        // A handler that panics, with messages behind it whose drop panics.
        let mut stream = connect(address);
        let session = events.started();
        on_core(runner, move |_| {
            session.tell(Do::Panic).or_dead_letter();
            session.tell(Do::Keep(Box::new(Bomb))).or_dead_letter();
            session.tell(Do::Keep(Box::new(Bomb))).or_dead_letter();
        });
        ends_by_reset(&mut stream);
        assert_eq!(events.next(), Told::Stopped(StopReason::Panicked));
        // A message whose drop panics in the handler.
        let mut stream = connect(address);
        events.started().tell(Do::Keep(Box::new(Bomb))).or_dead_letter();
        ends_by_reset(&mut stream);
        assert_eq!(events.next(), Told::Stopped(StopReason::Panicked));
        // One that is refused where it arrives.
        let plain = world.system.spawn(Runner).expect("the core has room");
        plain.stop();
        let bomb = Bomb;
        plain
            .tell(crate::runner::Run(Box::new(move |_| {
                let _inside = &bomb;
                Flow::Continue
            })))
            .or_dead_letter();
        // A plain actor whose handler panics.
        let plain = world.system.spawn(Runner).expect("the core has room");
        crate::runner::run(plain, |_| panic!("as planned, in a plain actor"));
    }
    world.settle();
    assert_eq!(world.sum(|ledger| ledger.panics), MANY / 4 * 6);
    assert_eq!(world.sum(|ledger| ledger.drop_panics), MANY / 4 * 3);
    world.finish();
}
