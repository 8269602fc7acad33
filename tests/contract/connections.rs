//! Accepting, receiving and sending: bytes arrive, all of them, in order.

use std::panic::{AssertUnwindSafe, catch_unwind};

use odeon::driver::Op;
use odeon::mem::Chain;

use crate::harness::{Client, Harness, Limits};
use crate::world::{Last, PART, World, pattern};

pub fn an_accepted_connection_echoes<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (socket, mut client) = world.connection();
    let receive = world.receive(socket);
    world.write_all(&mut client, b"hello");
    world.until("a greeting", |world| world.received(receive).len() == 5);
    assert_eq!(world.received(receive), b"hello");
    let send = world.send(socket, b"hello to you");
    assert_eq!(world.await_last(send), Last::Sent { bytes: 12, error: None });
    assert_eq!(world.read_exactly(&mut client, 12), b"hello to you");
    world.finish();
}

pub fn many_connections_are_told_apart<H: Harness>(round: u32) {
    const COUNT: usize = 200;
    let mut world = World::<H>::start(round, &Limits { queue: 16, ..Limits::default() });
    let mut clients: Vec<H::Client> =
        (0..COUNT).map(|_| world.net.connect(world.address, None).expect("somebody listens")).collect();
    world.until("all connections", |world| world.accepted.len() == COUNT);
    let sockets: Vec<_> = world.accepted.drain(..).collect();
    let receives: Vec<u64> = sockets.iter().map(|socket| world.receive(*socket)).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        world.write_all(client, &pattern(number, 100));
    }
    world.until("a message from everybody", |world| {
        receives.iter().all(|receive| world.received(*receive).len() == 100)
    });
    for (socket, receive) in sockets.iter().zip(&receives) {
        let bytes = world.received(*receive).to_vec();
        world.send(*socket, &bytes);
    }
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(world.read_exactly(client, 100), pattern(number, 100), "each gets its own bytes back");
    }
    world.finish();
}

pub fn large_transfers_run_both_ways_at_once<H: Harness>(round: u32) {
    const TOTAL: usize = 1 << 20;
    let mut world = World::<H>::start(round, &Limits::default());
    let (socket, mut client) = world.connection();
    let receive = world.receive(socket);
    let (inward, outward) = (pattern(0, TOTAL), pattern(5, TOTAL));
    let (mut written, mut queued, mut sending) = (0, 0, None);
    let mut read = Vec::new();
    world.until("a megabyte each way", |world| {
        written += client.write(&inward[written..TOTAL.min(written + PART)]);
        read.extend(client.read(PART));
        if queued < TOTAL && sending.is_none_or(|send| world.last(send).is_some()) {
            let part = PART.min(TOTAL - queued);
            sending = Some(world.send(socket, &outward[queued..queued + part]));
            queued += part;
        }
        read.len() == TOTAL && world.received(receive).len() == TOTAL
    });
    assert!(world.received(receive) == inward, "what the client sent arrived in order");
    assert!(read == outward, "what the server sent arrived in order");
    world.finish();
}

pub fn short_sends_continue_in_order<H: Harness>(round: u32) {
    const TOTAL: usize = 3 << 20;
    let limits = Limits { send_slots: [0, 0, 0, 0, 48], ..Limits::default() };
    let mut world = World::<H>::start(round, &limits);
    let (socket, mut client) = world.connection_with(Some(4096));
    let bytes = pattern(0, TOTAL);
    // More than the connection holds: the send stays under way until the client reads.
    let send = world.send(socket, &bytes);
    for _ in 0..10 {
        world.step();
    }
    assert_eq!(world.last(send), None, "the peer does not read");
    assert!(world.read_exactly(&mut client, TOTAL) == bytes, "every part continued where the last one ended");
    assert_eq!(world.await_last(send), Last::Sent { bytes: TOTAL as u32, error: None });
    world.finish();
}

pub fn a_send_tells_what_a_slow_peer_lets_it_get_rid_of<H: Harness>(round: u32) {
    const TOTAL: usize = 8 << 20;
    // What one system call carries: one that waited for all of it would tell of a slow peer too late.
    const CALL: usize = 16 * PART;
    let limits = Limits { send_slots: [0, 0, 0, 0, 128], ..Limits::default() };
    let mut world = World::<H>::start(round, &limits);
    let (socket, mut client) = world.connection_with(Some(4096));
    let send = world.send(socket, &vec![7; TOTAL]);
    world.until("what the connection holds to be taken", |world| world.sending(send) > 0);
    let (mut read, mut told, mut steps) = (0, 0, 0);
    world.until("the rest to be taken", |world| {
        read += client.read(PART).len();
        let sending = world.sending(send);
        steps += u32::from(sending > told && sending % CALL != 0);
        told = sending;
        world.last(send).is_some()
    });
    assert!(steps > 1, "a peer that reads a little is told from one that does not read");
    assert!(told < TOTAL, "the last part is not told twice");
    assert_eq!(world.last(send), Some(Last::Sent { bytes: TOTAL as u32, error: None }));
    assert_eq!(world.read_exactly(&mut client, TOTAL - read).len(), TOTAL - read);
    world.finish();
}

pub fn sends_of_several_slots_arrive_whole<H: Harness>(round: u32) {
    let limits = Limits { send_slots: [40, 0, 0, 0, 0], ..Limits::default() };
    let mut world = World::<H>::start(round, &limits);
    let (socket, mut client) = world.connection();
    let mut start = 0;
    for count in [1, 256, 257, 1000, 10_000] {
        let bytes = pattern(start, count);
        start += count;
        let send = world.send(socket, &bytes);
        assert!(world.read_exactly(&mut client, count) == bytes);
        assert_eq!(world.await_released(send), Last::Sent { bytes: count as u32, error: None });
        assert_eq!(world.pools.send.taken(), 0, "the chain is back before the completion is seen");
    }
    world.finish();
}

pub fn an_empty_send_completes<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (socket, _client) = world.connection();
    let send = world.submit(Op::Send { socket, chain: Chain::EMPTY });
    assert_eq!(world.await_last(send), Last::Sent { bytes: 0, error: None });
    world.finish();
}

pub fn a_second_send_on_one_socket_is_a_bug<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (socket, _client) = world.connection();
    world.send(socket, b"first");
    assert_refused(|| world.submit(Op::Send { socket, chain: Chain::EMPTY }), "a second send in flight");
}

pub fn a_second_receive_on_one_socket_is_a_bug<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (socket, _client) = world.connection();
    world.receive(socket);
    assert_refused(|| world.receive(socket), "a second receive");
}

/// The boundary refuses what would be a bug of the runtime by a panic that names it.
pub fn assert_refused(body: impl FnOnce() -> u64, what: &str) {
    let cause = catch_unwind(AssertUnwindSafe(body)).expect_err("the boundary refuses this");
    let text = cause.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| cause.downcast_ref::<String>().cloned()).unwrap_or_default();
    assert!(text.contains(what), "expected `{what}`, got `{text}`");
}
