//! The end of a core: nothing in flight, no socket, every buffer back.

use std::time::Duration;

use odeon::driver::backend::Backend;
use odeon::driver::{Left, Op};

use crate::harness::{Client, Harness, Limits};
use crate::world::{World, pattern};

pub fn a_drain_leaves_nothing_behind<H: Harness>(round: u32) {
    let limits = Limits { send_slots: [64, 0, 0, 0, 64], receive_buffers: 4, ..Limits::default() };
    let mut world = World::<H>::start(round, &limits);
    // A receive that waits, one with a send that is stuck, one that was cut off, one with bytes that nobody reads.
    let (idle, mut idle_client) = world.connection();
    let (stuck, _stuck_client) = world.connection_with(Some(4096));
    let (cut, cut_client) = world.connection();
    let (deaf, mut deaf_client) = world.connection();
    world.receive(idle);
    world.receive(stuck);
    world.receive(cut);
    world.send(stuck, &pattern(0, 3 << 20));
    for _ in 0..10 {
        world.step();
    }
    cut_client.reset();
    assert!(deaf_client.write(&[1; 1_000]) > 0);
    world.receive(deaf);
    // Connections that nobody has heard of yet, and completions that nobody has collected.
    let _backlog: Vec<H::Client> =
        (0..10).map(|_| world.net.connect(world.address, None).expect("somebody listens")).collect();
    assert!(idle_client.write(b"late") > 0);
    world.submit(Op::Cancel { socket: idle });
    world.submit(Op::Shutdown { socket: stuck, both: true });
    let address = world.address;
    assert_eq!(world.net.backend().drain(&world.pools, Duration::from_secs(5)), Left::default());
    world.assert_empty();
    // To the clients their connections have ended, one way or the other, and nobody listens any more.
    let mut ended = || idle_client.is_ended() || idle_client.is_reset();
    assert!((0..1_000_000).any(|_| ended()), "the client learns of the end");
    assert!(world.net.connect(address, None).is_err());
}

pub fn a_drain_takes_what_was_not_submitted_yet<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits { queue: 2, ..Limits::default() });
    let connections: Vec<_> = (0..10).map(|_| world.connection()).collect();
    for (at, (socket, _)) in connections.iter().enumerate() {
        world.receive(*socket);
        world.send(*socket, &pattern(at, 100));
    }
    world.finish();
}

pub fn a_drain_of_nothing_is_nothing<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    for _ in 0..2 {
        assert_eq!(world.net.backend().drain(&world.pools, Duration::from_secs(5)), Left::default());
        world.assert_empty();
    }
}
