//! Receives into memory that is moved in and handed back.

use odeon::driver::{Fill, Op, ReceiveEnd, SocketId};
use odeon::sys::Errno;

use crate::connections::assert_refused;
use crate::harness::{Client, Harness, Limits};
use crate::world::{Last, World, pattern};

impl<H: Harness> World<H> {
    fn fill(&mut self, socket: SocketId, buffer: Vec<u8>) -> u64 {
        let fill = Fill { buffer, max: usize::MAX, outcome: Ok(0) };
        self.submit(Op::Fill { socket, fill: Box::new(fill) })
    }

    /// What became of a fill.
    fn filled(&mut self, op: u64) -> (Result<u32, Errno>, Vec<u8>) {
        let last = self.await_last(op);
        let fill = self.ops.get_mut(&op).and_then(|op| op.fill.take()).expect("it was handed back");
        assert_eq!(last, Last::Filled(fill.outcome));
        (fill.outcome, fill.buffer)
    }

    /// Fills until so many bytes are there, each time with a little room.
    fn fill_exactly(&mut self, socket: SocketId, room: usize, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            let fill = self.fill(socket, Vec::with_capacity(room.min(count - bytes.len())));
            let (outcome, buffer) = self.filled(fill);
            assert_eq!(outcome, Ok(buffer.len() as u32));
            assert!(!buffer.is_empty(), "the stream goes on");
            bytes.extend(buffer);
        }
        bytes
    }
}

pub fn what_has_come_goes_behind_what_is_there<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (socket, mut client) = world.connection();
    let mut buffer = Vec::with_capacity(100);
    buffer.extend_from_slice(b"head:");
    let (address, capacity) = (buffer.as_ptr(), buffer.capacity());
    let fill = world.fill(socket, buffer);
    for _ in 0..5 {
        world.step();
    }
    assert_eq!(world.last(fill), None, "nothing has come");
    world.write_all(&mut client, b"body");
    let (outcome, buffer) = world.filled(fill);
    let count = outcome.expect("something has come") as usize;
    assert!(count > 0 && buffer.len() == 5 + count && b"head:body".starts_with(&buffer[..]));
    assert_eq!((buffer.as_ptr(), buffer.capacity()), (address, capacity), "it is the same memory");
    assert_eq!(world.fill_exactly(socket, 10, 4 - count), &b"body"[count..]);
    world.finish();
}

pub fn no_more_is_taken_than_was_asked_for<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (socket, mut client) = world.connection();
    world.write_all(&mut client, b"bodynext");
    let mut buffer = Vec::with_capacity(100);
    while buffer.len() < 4 {
        let fill = Fill { max: 4 - buffer.len(), buffer, outcome: Ok(0) };
        let fill = world.submit(Op::Fill { socket, fill: Box::new(fill) });
        let (outcome, filled) = world.filled(fill);
        assert!(outcome.is_ok_and(|count| count > 0), "{outcome:?}");
        buffer = filled;
    }
    assert_eq!(buffer, b"body", "what follows is left");
    assert_eq!(world.fill_exactly(socket, 10, 4), b"next");
    world.finish();
}

pub fn a_large_body_is_filled_bit_by_bit<H: Harness>(round: u32) {
    const TOTAL: usize = 1 << 20;
    let mut world = World::<H>::start(round, &Limits::default());
    let (socket, mut client) = world.connection();
    let bytes = pattern(0, TOTAL);
    let (mut written, mut buffer) = (0, Vec::with_capacity(TOTAL));
    let mut fill = None;
    world.until("a megabyte", |world| {
        written += client.write(&bytes[written..TOTAL.min(written + (64 << 10))]);
        let Some(op) = fill else {
            fill = Some(world.fill(socket, std::mem::take(&mut buffer)));
            return false;
        };
        if world.last(op).is_some() {
            let (outcome, filled) = world.filled(op);
            assert!(outcome.is_ok_and(|count| count > 0), "{outcome:?}");
            (buffer, fill) = (filled, None);
        }
        buffer.len() == TOTAL
    });
    assert!(buffer == bytes, "what came is in order");
    world.finish();
}

pub fn a_fill_takes_no_more_than_there_is_room_for<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (socket, mut client) = world.connection();
    world.write_all(&mut client, &pattern(0, 2_000));
    assert!(world.fill_exactly(socket, 7, 1_000) == pattern(0, 1_000));
    // The rest is there for another receive, and then for a fill again.
    let receive = world.receive(socket);
    world.until("the rest", |world| world.received(receive).len() == 1_000);
    assert!(world.received(receive) == pattern(1_000, 1_000));
    let cancel = world.submit(Op::Cancel { socket });
    assert_eq!(world.await_last(receive), Last::ReceiveEnded(ReceiveEnd::Cancelled));
    assert_eq!(world.await_last(cancel), Last::Cancelled);
    world.write_all(&mut client, b"more");
    assert_eq!(world.fill_exactly(socket, 10, 4), b"more");
    world.finish();
}

pub fn a_fill_needs_no_receive_buffer<H: Harness>(round: u32) {
    let limits = Limits { receive_buffers: 2, receive_size: 1024, ..Limits::default() };
    let mut world = World::<H>::start(round, &limits);
    let (greedy, mut floods) = world.connection();
    let (socket, mut client) = world.connection();
    world.hold_leases = true;
    let receive = world.receive(greedy);
    world.write_all(&mut floods, &pattern(0, 5_000));
    world.until("leases", |world| world.held(receive) > 0);
    for _ in 0..20 {
        world.step();
    }
    world.write_all(&mut client, b"hello");
    assert_eq!(world.fill_exactly(socket, 10, 5), b"hello");
    world.finish();
}

pub fn the_end_of_the_stream_is_zero_bytes<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (socket, mut client) = world.connection();
    world.write_all(&mut client, b"last");
    client.shutdown_write();
    assert_eq!(world.fill_exactly(socket, 10, 4), b"last");
    for _ in 0..2 {
        let fill = world.fill(socket, Vec::with_capacity(10));
        assert_eq!(world.filled(fill), (Ok(0), Vec::new()));
    }
    world.finish();
}

pub fn a_reset_fails_a_fill_and_hands_its_memory_back<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (socket, client) = world.connection();
    let mut buffer = Vec::with_capacity(100);
    buffer.push(7);
    let fill = world.fill(socket, buffer);
    world.step();
    client.reset();
    assert_eq!(world.filled(fill), (Err(Errno::ECONNRESET), vec![7]));
    world.close_ended(socket, false);
    world.finish();
}

pub fn a_fill_that_nothing_comes_for_is_cancelled<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (socket, mut client) = world.connection();
    for steps in [0, 5] {
        let fill = world.fill(socket, Vec::with_capacity(10));
        for _ in 0..steps {
            world.step();
        }
        let cancel = world.submit(Op::Cancel { socket });
        assert_eq!(world.filled(fill), (Err(Errno::ECANCELED), Vec::new()));
        assert_eq!(world.await_last(cancel), Last::Cancelled);
    }
    world.write_all(&mut client, b"late");
    assert_eq!(world.fill_exactly(socket, 10, 4), b"late");
    world.finish();
}

pub fn a_cancelled_fill_loses_nothing<H: Harness>(round: u32) {
    const TOTAL: usize = 40_000;
    let mut world = World::<H>::start(round, &Limits::default());
    let (socket, mut client) = world.connection();
    let bytes = pattern(0, TOTAL);
    let (mut written, mut got) = (0, Vec::new());
    for turn in 0..4_000 {
        if got.len() == TOTAL {
            break;
        }
        let fill = world.fill(socket, Vec::with_capacity(2_000));
        if turn % 2 == 0 {
            world.step();
        }
        written += client.write(&bytes[written..TOTAL.min(written + 1_000)]);
        let cancel = world.submit(Op::Cancel { socket });
        let (outcome, buffer) = world.filled(fill);
        match outcome {
            Ok(count) => assert_eq!(count as usize, buffer.len()),
            Err(error) => assert_eq!((error, buffer.len()), (Errno::ECANCELED, 0)),
        }
        assert_eq!(world.await_last(cancel), Last::Cancelled);
        got.extend(buffer);
    }
    assert!(got == bytes, "what one fill did not deliver, the next one did");
    world.finish();
}

pub fn a_shutdown_ends_a_fill<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    for reset in [false, true] {
        let (socket, _client) = world.connection();
        let fill = world.fill(socket, Vec::with_capacity(10));
        world.step();
        let end = if reset { Op::Reset { socket } } else { Op::Shutdown { socket, both: true } };
        let end = world.submit(end);
        let (outcome, buffer) = world.filled(fill);
        assert!(reset || outcome == Ok(0), "{outcome:?}");
        assert!(outcome.is_err() || buffer.is_empty());
        assert_eq!(world.await_last(end), Last::ShutDown(None));
        world.close_ended(socket, reset);
    }
    world.finish();
}

pub fn a_fill_beside_a_receive_is_a_bug<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (socket, _client) = world.connection();
    world.receive(socket);
    assert_refused(|| world.fill(socket, Vec::with_capacity(1)), "a second receive");
}

pub fn a_fill_of_a_stale_socket_hands_its_memory_back<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (socket, _client) = world.connection();
    world.close(socket, None);
    let mut buffer = Vec::with_capacity(10);
    buffer.push(7);
    let fill = world.fill(socket, buffer);
    assert_eq!(world.filled(fill), (Err(Errno::EBADF), vec![7]));
    world.finish();
}

pub fn a_drain_ends_fills<H: Harness>(round: u32) {
    for steps in [0, 1, 10] {
        let mut world = World::<H>::start(round, &Limits { queue: 2, ..Limits::default() });
        let mut connections: Vec<_> = (0..6).map(|_| world.connection()).collect();
        for (socket, _) in &connections {
            world.fill(*socket, Vec::with_capacity(1_000));
        }
        for _ in 0..steps {
            world.step();
        }
        for (_, client) in &mut connections[..3] {
            assert!(client.write(&[1; 100]) > 0);
        }
        world.submit(Op::Cancel { socket: connections[0].0 });
        world.finish();
    }
}
