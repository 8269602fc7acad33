//! Ids of sockets that are gone, and sockets that are not gone yet.

use odeon::driver::{Op, ReceiveEnd};
use odeon::sys::Errno;

use crate::connections::assert_refused;
use crate::harness::{Client, Harness, Limits};
use crate::world::{Last, World};

pub fn a_stale_socket_answers_and_gives_the_chain_back<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (socket, _client) = world.connection();
    world.close(socket, None);
    let send = world.send(socket, b"to nobody");
    let ops = [
        world.submit(Op::Accept { listener: socket }),
        world.receive(socket),
        world.submit(Op::Cancel { socket }),
        world.submit(Op::Shutdown { socket, both: true }),
        world.submit(Op::Close { socket, reset: false }),
    ];
    assert_eq!(world.await_last(send), Last::Sent { bytes: 0, error: Some(Errno::EBADF) });
    assert_eq!(world.pools.send.taken(), 0, "the chain went back to its pool");
    let lasts = ops.map(|op| world.await_last(op));
    let expected = [
        Last::AcceptEnded(Errno::EBADF),
        Last::ReceiveEnded(ReceiveEnd::Failed(Errno::EBADF)),
        Last::Cancelled,
        Last::ShutDown(Some(Errno::EBADF)),
        Last::Closed,
    ];
    assert_eq!(lasts, expected);
    world.finish();
}

pub fn a_stale_socket_does_not_reach_the_next_one_in_its_place<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (old, _gone) = world.connection();
    world.close(old, None);
    let (new, mut client) = world.connection();
    assert_ne!(old, new);
    assert_eq!(old.0.index, new.0.index, "the place is used again");
    let receive = world.receive(new);
    let send = world.send(old, b"stray");
    let cancel = world.submit(Op::Cancel { socket: old });
    let shutdown = world.submit(Op::Shutdown { socket: old, both: true });
    let close = world.submit(Op::Close { socket: old, reset: true });
    for op in [send, cancel, shutdown, close] {
        world.await_last(op);
    }
    let send = world.send(new, b"for you");
    assert_eq!(world.await_last(send), Last::Sent { bytes: 7, error: None });
    assert_eq!(world.read_exactly(&mut client, 7), b"for you");
    world.write_all(&mut client, b"thanks");
    world.until("an answer", |world| world.received(receive) == b"thanks");
    world.finish();
}

pub fn closing_a_socket_in_use_is_a_bug<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (socket, mut client) = world.connection();
    world.receive(socket);
    assert!(client.write(b"x") <= 1);
    assert_refused(|| world.submit(Op::Close { socket, reset: false }), "closing a socket that is in use");
}
