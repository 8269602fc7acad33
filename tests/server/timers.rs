//! Idle timeouts and deadlines of closing.
//!
//! Knows: what fires when. Must not know other ends.

use std::io::{Read, Write};
use std::time::Duration;

use odeon::prelude::*;
use odeon::sys::now;

use crate::client::{connect, ends_by_reset, finish, request, rest};
use crate::session::{Do, Events, Habits, Told, sessions};
use crate::world::World;

const QUIET: Duration = Duration::from_millis(120);

fn idle(world: &mut World, habits: Habits) -> (std::net::SocketAddr, Events) {
    let (make, events) = sessions(habits);
    let listener = world.system.listener("127.0.0.1:0").idle_timeout(QUIET).start(make);
    world.listens();
    (listener.expect("a free port is found").address(), events)
}

pub(crate) fn silence_ends_a_connection_and_traffic_does_not(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let (address, events) = idle(&mut world, Habits { last_words: "idle", ..Habits::default() });
    let mut stream = connect(address);
    events.started();
    let start = now();
    let mut asked = start;
    // That every request is answered shows that the connection stays open.
    while now().since(start) < QUIET * 8 {
        // What was asked last was heard then, or later.
        let before = std::mem::replace(&mut asked, now());
        let mut reply = [0; 5];
        let written = stream.write_all(b"echo busy\n");
        if written.and_then(|()| stream.read_exact(&mut reply)).is_err() || &reply != b"busy\n" {
            // On a machine that did not run this test for so long it was silent after all.
            assert!(now().since(before) >= QUIET, "traffic keeps it open, got {reply:?}");
            drop(stream);
            return world.finish();
        }
    }
    assert_eq!(rest(&mut stream), b"idle");
    assert_eq!(events.next(), Told::Idle);
    assert_eq!(events.next(), Told::Stopped(StopReason::Idle));
    assert!(now().since(asked) >= QUIET, "not before its time");
    drop(stream);
    world.finish();
}

pub(crate) fn an_actor_may_go_on_when_idle(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let (address, events) = idle(&mut world, Habits { stay_when_idle: 3, ..Habits::default() });
    let start = now();
    let mut stream = connect(address);
    events.started();
    for _ in 0..4 {
        assert_eq!(events.next(), Told::Idle);
    }
    assert_eq!(events.next(), Told::Stopped(StopReason::Idle));
    assert!(now().since(start) >= QUIET * 4, "each time as long again");
    assert_eq!(rest(&mut stream), b"");
    drop(stream);
    world.finish();
}

pub(crate) fn a_peer_that_never_closes_is_not_waited_for_beyond_the_deadline(on: BackendChoice) {
    // By then all that the kernel takes is sent, on a machine that does much else as well.
    let mut world = World::with(on, 1, |config| config.close_deadline = QUIET * 10);
    let (make, events) = sessions(Habits::default());
    let address = world.serve(make);
    // Reads the end and stays.
    let mut stays = connect(address);
    stays.write_all(b"echo hello\nclose\n").expect("the server reads");
    assert_eq!(rest(&mut stays), b"hello\n");
    // Does not even read, though there is much.
    while events.stopped() != StopReason::Stopped {}
    let mut deaf = connect(address);
    let session = events.started();
    for _ in 0..8 {
        session.tell(Do::Write(vec![b'x'; 1_000_000])).or_dead_letter();
        // One at a time, so that as much as possible is in the kernel.
        request(&mut connect(address), "echo next", "next\n");
    }
    session.tell(Do::Close).or_dead_letter();
    // Goes on writing, though nobody listens any more.
    let mut talks = connect(address);
    talks.write_all(b"close\n").expect("the server reads");
    while talks.write_all(&[b'x'; 10_000]).is_ok() {}
    world.settle();
    ends_by_reset(&mut deaf);
    drop((stays, deaf, talks));
    world.finish();
}

pub(crate) fn a_half_closed_peer_is_subject_to_the_idle_timeout(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let (address, events) = idle(&mut world, Habits { stay_after_end: true, ..Habits::default() });
    let mut stream = connect(address);
    finish(&stream);
    assert_eq!(events.stopped(), StopReason::Idle);
    assert_eq!(rest(&mut stream), b"");
    drop(stream);
    world.finish();
}

pub(crate) fn a_stop_does_not_wait_for_a_silent_peer(on: BackendChoice) {
    // A deadline that would be noticed: the end of this test is the end of the connection, not of the deadline.
    let mut world = World::with(on, 1, |config| {
        config.close_deadline = Duration::from_secs(3600);
        config.linger_after = Duration::ZERO;
    });
    let (make, events) = sessions(Habits { last_words: "bye", ..Habits::default() });
    let mut stream = connect(world.serve(make));
    let session = events.started();
    session.stop();
    assert_eq!(rest(&mut stream), b"bye");
    // The peer keeps its socket open, and the ledger is back at its baseline all the same.
    world.finish();
    drop(stream);
}

pub(crate) fn times_without_end_never_come(on: BackendChoice) {
    const EVER: Duration = Duration::MAX;
    let mut world = World::with(on, 1, |config| {
        (config.write_stall, config.linger_after) = (EVER, EVER);
        (config.close_deadline, config.drain_deadline) = (EVER, EVER);
        (config.activation_time, config.turn_time) = (EVER, EVER);
    });
    let (make, events) = sessions(Habits::default());
    let listener = world.system.listener("127.0.0.1:0").idle_timeout(EVER).start(make);
    world.listens();
    let address = listener.expect("a free port is found").address();
    let mut stream = connect(address);
    events.started();
    request(&mut stream, "echo served", "served\n");
    // Closed, and not closed by its client: it is waited for.
    let mut closed = connect(address);
    closed.write_all(b"close\n").expect("the server reads");
    assert_eq!(rest(&mut closed), b"");
    // Time passes on this thread only.
    let (before, end) = (world.ledgers()[0], now().after(QUIET));
    while now() < end {
        std::thread::yield_now();
    }
    let after = world.ledgers()[0];
    assert!(after.driver.enters - before.driver.enters < 10, "it does not go round: {before:?}, {after:?}");
    assert_eq!(after.socket_actors, before.socket_actors, "nobody is sent away");
    request(&mut stream, "echo still served", "still served\n");
    drop((stream, closed));
    world.finish();
}

pub(crate) fn times_of_nothing_let_everything_go_on(on: BackendChoice) {
    let mut world = World::with(on, 2, |config| {
        (config.activation_time, config.turn_time) = (Duration::ZERO, Duration::ZERO);
        (config.spin, config.linger_after) = (Duration::ZERO, Duration::ZERO);
        config.write_stall = Duration::from_secs(3600);
    });
    let (make, _events) = sessions(Habits::default());
    let address = world.serve(make);
    let mut streams: Vec<_> = (0..20).map(|_| connect(address)).collect();
    for stream in &mut streams {
        stream.write_all("echo line\n".repeat(1000).as_bytes()).expect("the server reads");
    }
    for stream in &mut streams {
        finish(stream);
        assert_eq!(rest(stream), "line\n".repeat(1000).as_bytes());
    }
    drop(streams);
    world.finish();
}
