//! Receives into memory that is handed back.

use super::answers::Desk;
use super::*;
use crate::driver::Fill;

const FILL: Token = Token(21);

fn fill(buffer: Vec<u8>) -> Box<Fill> {
    Box::new(Fill { buffer, max: usize::MAX, outcome: Ok(0) })
}

fn room(len: usize) -> Vec<u8> {
    Vec::with_capacity(len)
}

impl Rig {
    fn fill(&mut self, socket: SocketId, buffer: Vec<u8>) {
        self.submit(FILL, Op::Fill { socket, fill: fill(buffer) });
    }

    fn filled(&mut self) -> (Vec<u8>, Result<u32, Errno>) {
        match self.next(FILL) {
            Event::Filled { fill } => (fill.buffer, fill.outcome),
            other => panic!("instead of a buffer: {other:?}"),
        }
    }
}

#[test]
fn bytes_come_behind_those_that_a_buffer_holds_up_to_its_capacity() {
    needs_io_uring!();
    let mut rig = Rig::new();
    let (mut client, socket) = rig.connect();
    let mut buffer = Vec::with_capacity(16);
    buffer.extend_from_slice(b"before ");
    let (start, room) = (buffer.as_ptr(), buffer.capacity() - buffer.len());
    rig.fill(socket, buffer);
    rig.turn(Wait::No);
    client.write_all(b"and behind it, and more").unwrap();
    let (buffer, outcome) = rig.filled();
    assert_eq!(outcome, Ok(room as u32));
    assert_eq!(buffer, b"before and behind it, and more"[..buffer.len()]);
    assert_eq!((buffer.len(), buffer.as_ptr()), (buffer.capacity(), start), "it did not grow");
    rig.fill(socket, Vec::with_capacity(100));
    let rest = rig.filled();
    assert_eq!(rest.0, b"and behind it, and more"[room..]);
    drop(client);
    rig.fill(socket, rest.0);
    let (buffer, outcome) = rig.filled();
    assert_eq!((buffer.len(), outcome), (23 - room, Ok(0)), "the end of the stream adds nothing");
    rig.close(socket, false);
    rig.assert_at_baseline();
    rig.end();
}

#[test]
fn a_cancelled_fill_hands_its_buffer_back_and_what_comes_later_is_received() {
    needs_io_uring!();
    let mut rig = Rig::new();
    let (mut client, socket) = rig.connect();
    rig.fill(socket, room(64));
    rig.turn(Wait::No);
    rig.cancel(socket);
    let (buffer, outcome) = rig.filled();
    assert_eq!((buffer.len(), outcome), (0, Err(Errno::ECANCELED)));
    client.write_all(b"later").unwrap();
    rig.submit(RECEIVE, Op::Receive { socket });
    assert_eq!(rig.receive(RECEIVE, 5), b"later");
    rig.cancel(socket);
    assert_eq!(rig.receive_end(RECEIVE), ReceiveEnd::Cancelled);
    rig.fill(socket, buffer);
    client.write_all(b"last").unwrap();
    assert_eq!(rig.filled(), (b"last".to_vec(), Ok(4)));
    rig.close(socket, false);
    rig.assert_at_baseline();
    rig.end();
}

#[test]
fn a_connection_that_fails_hands_the_buffer_back() {
    needs_io_uring!();
    let mut rig = Rig::new();
    let (client, socket) = rig.connect();
    rig.fill(socket, b"kept".to_vec().into_iter().chain(0..60).collect());
    let (kept, _) = {
        socket2::Socket::from(client).set_linger(Some(Duration::ZERO)).unwrap();
        rig.filled()
    };
    assert_eq!(kept[..4], *b"kept");
    rig.close(socket, false);
    rig.assert_at_baseline();
    rig.end();
}

#[test]
fn a_fill_under_way_ends_in_a_drain() {
    needs_io_uring!();
    let mut rig = Rig::new();
    let (_client, socket) = rig.connect();
    rig.fill(socket, room(64));
    rig.turn(Wait::No);
    rig.end();
}

/// A fill that the kernel has not been told of, though it has its memory.
fn desk(bytes: &[u8]) -> (Desk, Key) {
    let mut desk = Desk::new();
    let socket = desk.socket;
    let key = desk.begin(Op::Fill { socket, fill: fill(room(64)) });
    let room = &mut desk.rig.uring.in_flight.filling(key).buffer;
    // What the kernel writes in real life.
    room.extend_from_slice(bytes);
    room.clear();
    (desk, key)
}

#[test]
fn bytes_that_come_in_spite_of_a_cancel_are_delivered() {
    needs_io_uring!();
    let (mut desk, key) = desk(b"in spite");
    let socket = desk.socket;
    desk.rig.handle(socket).cancelling = true;
    desk.answer(key, 8, 0);
    let Event::Filled { fill } = desk.told() else { panic!("it is told") };
    assert_eq!((&fill.buffer[..], fill.outcome), (&b"in spite"[..], Ok(8)));
}

#[test]
fn a_cancel_before_a_fill_has_nothing_to_do_with_it() {
    needs_io_uring!();
    let mut desk = Desk::new();
    let socket = desk.socket;
    desk.rig.cancel(socket);
    desk.rig.fill(socket, room(64));
    let key = desk.rig.uring.in_flight.socket(socket).unwrap().inward().unwrap();
    desk.answer(key, -libc::EINTR, 0);
    assert!(desk.told.is_empty() && desk.rig.uring.in_flight.operation(key).is_some(), "it goes on");
}

#[test]
fn an_interrupted_fill_goes_on_unless_it_is_cancelled() {
    needs_io_uring!();
    for error in [libc::EINTR, libc::EAGAIN] {
        let (mut desk, key) = desk(b"");
        desk.answer(key, -error, 0);
        desk.assert_goes_on(key);
        let socket = desk.socket;
        desk.rig.handle(socket).cancelling = true;
        desk.answer(key, -error, 0);
        let Event::Filled { fill } = desk.told() else { panic!("it is told") };
        assert_eq!(fill.outcome, Err(Errno::ECANCELED));
    }
}
