//! Small pools, queues and tables: everything waits in order, nothing is lost, nothing spins.

use std::collections::VecDeque;
use std::time::Duration;

use odeon::driver::backend::{Backend, Wait};
use odeon::driver::{Op, ReceiveEnd, SocketId};
use odeon::mem::Chain;
use odeon::sys::Random;

use crate::harness::{Client, Harness, Limits};
use crate::world::{Last, World, pattern};

/// A connection that is echoed on, and the client that asks.
struct Echo<C> {
    socket: SocketId,
    receive: u64,
    /// Bytes of what was received that have been answered.
    answered: usize,
    sending: Option<u64>,
    client: C,
    asked: usize,
    /// Bytes of the request under way that the client has still to send, and has still to get back.
    to_write: usize,
    to_read: usize,
}

impl<C: Client> Echo<C> {
    /// The client's part: reads and checks answers, asks again. True if a request was answered by this.
    fn play(&mut self, random: &mut Random) -> bool {
        let start = self.asked - self.to_read;
        let bytes = self.client.read(64);
        assert_eq!(bytes, pattern(start, bytes.len()), "bytes come back in order");
        self.to_read -= bytes.len();
        let answered = self.to_read == 0 && !bytes.is_empty();
        if self.to_read == 0 {
            self.to_write = 1 + random.index(400);
            self.to_read = self.to_write;
            self.asked += self.to_write;
        }
        self.to_write -= self.client.write(&pattern(self.asked - self.to_write, self.to_write));
        answered
    }

    /// The server's part: sends back what came, when the pool has room for it.
    fn answer<H: Harness>(&mut self, world: &mut World<H>) {
        if self.sending.is_some_and(|send| world.last(send).is_none()) {
            return;
        }
        let bytes = &world.received(self.receive)[self.answered..];
        let mut chain = Chain::EMPTY;
        if bytes.is_empty() || world.pools.send.write(&mut chain, &bytes[..bytes.len().min(512)]).is_err() {
            return;
        }
        self.answered += chain.bytes() as usize;
        self.sending = Some(world.submit(Op::Send { socket: self.socket, chain }));
    }
}

pub fn tiny_pools_serve_a_thousand_mixed_requests<H: Harness>(round: u32) {
    let limits = Limits {
        queue: 2,
        receive_buffers: 2,
        receive_size: 128,
        send_slots: [2, 0, 0, 0, 0],
        ..Limits::default()
    };
    let mut world = World::<H>::start(round, &limits);
    let mut random = Random::new(u64::from(round));
    let mut echoes: Vec<Echo<H::Client>> = Vec::new();
    for _ in 0..20 {
        let (socket, client) = world.connection();
        let receive = world.receive(socket);
        let echo =
            Echo { socket, receive, answered: 0, sending: None, client, asked: 0, to_write: 0, to_read: 0 };
        echoes.push(echo);
    }
    let mut served = 0;
    world.until("a thousand answers", |world| {
        for echo in &mut echoes {
            echo.answer(world);
            served += u32::from(echo.play(&mut random));
        }
        served >= 1_000
    });
    world.finish();
}

/// Two buffers, both held, of a connection with more to deliver.
fn starved<H: Harness>(round: u32) -> (World<H>, SocketId, u64, H::Client) {
    let limits = Limits { receive_buffers: 2, receive_size: 1024, ..Limits::default() };
    let mut world = World::<H>::start(round, &limits);
    let (socket, mut client) = world.connection();
    world.hold_leases = true;
    let receive = world.receive(socket);
    world.write_all(&mut client, &pattern(0, 5_000));
    // By accident, a shortage may come while there are buffers: what counts is that none is free.
    world.until("all buffers held", |world| {
        world.net.backend().ledger().buffer_shortages > 0 && world.is_full()
    });
    (world, socket, receive, client)
}

impl<H: Harness> World<H> {
    /// True if a step brings nothing more though bytes wait: every buffer is taken.
    fn is_full(&mut self) -> bool {
        let held = |world: &World<H>| world.ops.values().map(|op| op.held.len()).sum::<usize>();
        let before = held(self);
        for _ in 0..20 {
            self.step();
        }
        before > 0 && held(self) == before
    }

    /// Sleeps without need or spinning show here: one long enter that has nothing to bring.
    fn assert_rests(&mut self) {
        let before = self.net.backend().ledger().enters;
        let start = self.net.backend().now();
        let until = start.after(Duration::from_millis(50));
        self.enter(Wait::Until(until));
        assert_eq!(self.completed, 0);
        let enters = self.net.backend().ledger().enters - before;
        assert!(enters <= 3, "{enters} enters while there was nothing to do");
        if H::sleeps() {
            assert!(self.net.backend().now() >= until, "it slept its time");
        }
    }
}

pub fn a_receive_without_a_buffer_waits_and_goes_on_when_one_returns<H: Harness>(round: u32) {
    let (mut world, _socket, receive, _client) = starved::<H>(round);
    assert!(world.held(receive) <= 2_048);
    assert_eq!(world.last(receive), None, "a shortage is not an error");
    assert!(world.ops[&receive].starving > 0, "it is told of it");
    world.assert_rests();
    world.hold_leases = false;
    world.release_held();
    world.until("the rest", |world| world.received(receive).len() == 5_000);
    assert!(world.received(receive) == pattern(0, 5_000));
    world.finish();
}

pub fn a_receive_armed_without_a_buffer_goes_on_when_one_returns<H: Harness>(round: u32) {
    let (mut world, _socket, receive, _client) = starved::<H>(round);
    let shortages = world.net.backend().ledger().buffer_shortages;
    let (other, mut client) = world.connection();
    world.write_all(&mut client, b"me too");
    let waiting = world.receive(other);
    for _ in 0..10 {
        world.step();
    }
    assert_eq!((world.held(waiting), world.last(waiting)), (0, None));
    assert!(world.ops[&waiting].starving > 0, "it is told at once");
    assert_eq!(
        world.net.backend().ledger().buffer_shortages,
        shortages,
        "it stands behind another, and has not tried"
    );
    world.assert_rests();
    world.hold_leases = false;
    world.release_held();
    world.until("both", |world| {
        world.received(receive).len() == 5_000 && world.received(waiting) == b"me too"
    });
    world.finish();
}

pub fn a_buffer_goes_to_whoever_has_waited_longest<H: Harness>(round: u32) {
    // One of one byte: who has it is known, and nobody else has any.
    let limits = Limits { receive_buffers: 1, receive_size: 1, ..Limits::default() };
    let mut world = World::<H>::start(round, &limits);
    world.hold_leases = true;
    // The first has it, the second gets it once, and the others have more to deliver.
    let bytes = [1, 1, 3, 3, 3, 3];
    let connections = bytes.map(|count| {
        let (socket, mut client) = world.connection();
        world.write_all(&mut client, &pattern(0, count));
        (socket, client)
    });
    let first = world.receive(connections[0].0);
    world.until("the buffer to be held", |world| world.held(first) == 1);
    let mut line = VecDeque::new();
    for at in 1..5 {
        let receive = world.receive(connections[at].0);
        line.push_back((receive, bytes[at]));
        world.until("it to wait", |world| world.ops[&receive].starving > 0);
    }
    world.release_held();
    // The last asks before anybody can have been given what is there again.
    line.push_back((world.receive(connections[5].0), bytes[5]));
    while let Some((next, left)) = line.pop_front() {
        let told = world.ops[&next].starving;
        world.until("a byte", |world| world.ops.values().any(|op| !op.held.is_empty()));
        assert_eq!(world.held(next), 1, "{next} has waited longest, and then {line:?}");
        if left > 1 {
            world.until("it to wait again", |world| world.ops[&next].starving > told);
            line.push_back((next, left - 1));
        }
        world.until("all to wait", |world| line.iter().all(|(receive, _)| world.ops[receive].starving > 0));
        world.release_held();
    }
    world.hold_leases = false;
    world.finish();
}

pub fn a_receive_without_a_buffer_can_be_cancelled<H: Harness>(round: u32) {
    let (mut world, socket, receive, _client) = starved::<H>(round);
    let cancel = world.submit(Op::Cancel { socket });
    assert_eq!(world.await_last(receive), Last::ReceiveEnded(ReceiveEnd::Cancelled));
    assert_eq!(world.await_last(cancel), Last::Cancelled);
    world.hold_leases = false;
    world.release_held();
    let again = world.receive(socket);
    world.until("the rest", |world| world.received(receive).len() + world.received(again).len() == 5_000);
    assert!([world.received(receive), world.received(again)].concat() == pattern(0, 5_000));
    world.finish();
}

pub fn a_full_submission_queue_keeps_everything_in_order<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits { queue: 2, ..Limits::default() });
    let mut connections: Vec<(SocketId, H::Client)> = (0..30).map(|_| world.connection()).collect();
    // Ninety ops at once, on a queue of two.
    let sends: Vec<u64> = connections
        .iter()
        .enumerate()
        .map(|(at, (socket, _))| world.send(*socket, &pattern(at, 50)))
        .collect();
    let receives: Vec<u64> = connections.iter().map(|(socket, _)| world.receive(*socket)).collect();
    let cancels: Vec<u64> =
        connections.iter().map(|(socket, _)| world.submit(Op::Cancel { socket: *socket })).collect();
    for op in sends {
        assert_eq!(world.await_last(op), Last::Sent { bytes: 50, error: None });
    }
    for op in receives {
        assert_eq!(world.await_last(op), Last::ReceiveEnded(ReceiveEnd::Cancelled));
    }
    for op in cancels {
        assert_eq!(world.await_last(op), Last::Cancelled);
    }
    for (at, (_, client)) in connections.iter_mut().enumerate() {
        assert_eq!(world.read_exactly(client, 50), pattern(at, 50));
    }
    let full = world.net.backend().ledger().queue_full;
    // On mio there is none.
    assert_eq!(full > 0, H::Backend::NAME != "mio", "the queue was full {full} times");
    world.finish();
}

pub fn a_burst_of_ten_thousand_completions_loses_nothing<H: Harness>(round: u32) {
    const EACH: usize = 100;
    // A buffer for every byte, so that each is a completion, and a queue of eight for them.
    let limits = Limits { queue: 8, receive_buffers: 1 << 14, receive_size: 1, ..Limits::default() };
    let mut world = World::<H>::start(round, &limits);
    let mut connections: Vec<(SocketId, H::Client)> = (0..100).map(|_| world.connection()).collect();
    let receives: Vec<u64> = connections.iter().map(|(socket, _)| world.receive(*socket)).collect();
    world.step();
    for (at, (_, client)) in connections.iter_mut().enumerate() {
        assert_eq!(client.write(&pattern(at, EACH)), EACH, "nobody looks meanwhile");
    }
    world.until("all of it", |world| receives.iter().all(|receive| world.received(*receive).len() == EACH));
    // They all go on.
    connections.iter_mut().for_each(|(_, client)| assert_eq!(client.write(&[7]), 1));
    world.until("more", |world| receives.iter().all(|receive| world.received(*receive).len() == EACH + 1));
    for (at, receive) in receives.iter().enumerate() {
        assert!(world.received(*receive)[..EACH] == pattern(at, EACH), "in order");
    }
    let ledger = world.net.backend().ledger();
    match H::Backend::NAME {
        "uring" => assert!(ledger.overflows > 0, "the queue of eight was too small, as intended"),
        "sim" => assert!(ledger.queue_full > 0, "the same for what is asked"),
        // It has none.
        other => assert_eq!((other, ledger.queue_full, ledger.overflows), ("mio", 0, 0)),
    }
    world.finish();
}

pub fn a_full_socket_table_ends_the_accept_and_keeps_the_backlog<H: Harness>(round: u32) {
    // Room for the listener and three connections.
    let mut world = World::<H>::start(round, &Limits { sockets: 4, ..Limits::default() });
    let mut clients: Vec<H::Client> =
        (0..6).map(|_| world.net.connect(world.address, None).expect("somebody listens")).collect();
    for (at, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.write(&[at as u8]), 1);
    }
    let mut greeted = [false; 6];
    for _ in 0..6 {
        world.until("a connection", |world| !world.accepted.is_empty());
        for _ in 0..5 {
            world.step();
        }
        assert!(world.net.backend().ledger().sockets <= 4, "the table keeps its limit");
        let socket = world.accepted.pop_front().expect("it was waited for");
        let receive = world.receive(socket);
        world.until("a greeting", |world| world.received(receive).len() == 1);
        greeted[world.received(receive)[0] as usize] = true;
        world.close(socket, Some(receive));
    }
    assert_eq!(greeted, [true; 6], "nobody in the backlog was forgotten");
    world.finish();
}

pub fn places_of_connections_that_were_reset_are_taken_again<H: Harness>(round: u32) {
    // More than any table has places, those included that a ring has beyond what is asked for.
    const CONNECTIONS: usize = 300;
    let mut world = World::<H>::start(round, &Limits { sockets: 4, ..Limits::default() });
    for _ in 0..CONNECTIONS {
        let (socket, mut client) = world.connection();
        world.close_ended(socket, true);
        world.until("a reset at the client", |_| client.is_reset());
    }
    world.finish();
}
