//! How many buffers the kernel has, and receives that find none.
//!
//! Knows: leases that are kept. Must not know what was received.

use super::answers::Desk;
use super::*;

#[test]
fn a_receive_without_a_buffer_waits_and_goes_on_when_one_returns() {
    needs_io_uring!();
    for incremental in [false, true] {
        let config = UringConfig { incremental, ..SCARCE };
        let mut rig = Rig::of(&config, ReceivePool::new(2, 64));
        let (mut client, socket) = rig.connect();
        rig.submit(RECEIVE, Op::Receive { socket });
        client.write_all(&[1; 64]).unwrap();
        let first = rig.lease(RECEIVE);
        client.write_all(&[2; 64]).unwrap();
        let second = rig.lease(RECEIVE);
        client.write_all(&[3; 10]).unwrap();
        // The third finds none. It is not an event, and not a busy loop.
        let enters = rig.uring.ledger().enters;
        for _ in 0..5 {
            let soon = rig.uring.now().after(Duration::from_millis(2));
            rig.turn(Wait::Until(soon));
        }
        assert!(rig.queue.is_empty());
        assert!(!rig.uring.ready());
        assert!(rig.uring.ledger().enters - enters <= 10);
        assert!(rig.uring.ledger().buffer_shortages > 0);
        rig.pools.receive.release(first);
        assert_eq!(rig.receive(RECEIVE, 10), [3; 10]);
        rig.pools.receive.release(second);
        rig.cancel(socket);
        assert_eq!(rig.receive_end(RECEIVE), ReceiveEnd::Cancelled);
        rig.close(socket, false);
        rig.assert_at_baseline();
        rig.end();
    }
}

#[test]
fn the_kernel_has_few_buffers_at_a_time_and_fewer_while_others_are_lent() {
    needs_io_uring!();
    const SIZE: usize = 64 << 10;
    let mut rig = Rig::of(&SCARCE, ReceivePool::new(16, SIZE as u32));
    let (mut client, socket) = rig.connect();
    rig.submit(RECEIVE, Op::Receive { socket });
    let mut leases: Vec<Lease> = Vec::new();
    for (lent, with_kernel) in [(0, 4), (1, 4), (4, 4), (5, 3), (6, 2), (8, 2), (14, 2), (15, 1), (16, 0)] {
        while leases.iter().map(Lease::len).sum::<usize>() < lent * SIZE {
            let missing = lent * SIZE - leases.iter().map(Lease::len).sum::<usize>();
            if missing.is_multiple_of(SIZE) {
                client.write_all(&[7; SIZE]).unwrap();
            }
            leases.push(rig.lease(RECEIVE));
        }
        rig.turn(Wait::No);
        assert_eq!(rig.pools.receive.free(), 16 - lent - with_kernel, "beside {lent} that are lent");
    }
    leases.into_iter().for_each(|lease| rig.pools.receive.release(lease));
    rig.turn(Wait::No);
    assert_eq!(rig.pools.receive.free(), 12);
    rig.cancel(socket);
    assert_eq!(rig.receive_end(RECEIVE), ReceiveEnd::Cancelled);
    rig.close(socket, false);
    rig.assert_at_baseline();
    rig.end();
}

#[test]
fn a_buffer_that_is_being_filled_takes_the_place_of_no_other() {
    needs_io_uring!();
    const PIECE: usize = 16 << 10;
    let mut rig = Rig::of(&SCARCE, ReceivePool::new(8, 256 << 10));
    let (mut client, socket) = rig.connect();
    rig.submit(RECEIVE, Op::Receive { socket });
    let mut leases: Vec<Lease> = Vec::new();
    // One is used up, and of the next one a part.
    for piece in 1..=17 {
        client.write_all(&[7; PIECE]).unwrap();
        while leases.iter().map(Lease::len).sum::<usize>() < piece * PIECE {
            leases.push(rig.lease(RECEIVE));
        }
    }
    rig.turn(Wait::No);
    assert_eq!(rig.pools.receive.free(), 6, "as much as may be in use");
    let last = leases.pop().unwrap();
    leases.into_iter().for_each(|lease| rig.pools.receive.release(lease));
    rig.turn(Wait::No);
    assert_eq!(rig.pools.receive.free(), 6, "the kernel has a whole one beside that of the last piece");
    rig.pools.receive.release(last);
    rig.cancel(socket);
    assert_eq!(rig.receive_end(RECEIVE), ReceiveEnd::Cancelled);
    rig.close(socket, false);
    rig.assert_at_baseline();
    rig.end();
}

#[test]
fn the_kernel_has_every_buffer_where_a_receive_uses_up_a_whole_one() {
    needs_io_uring!();
    let config = UringConfig { incremental: false, ..SCARCE };
    let mut rig = Rig::of(&config, ReceivePool::new(16, 64 << 10));
    rig.turn(Wait::No);
    assert_eq!(rig.pools.receive.free(), 0);
    rig.end();
}

/// A connection whose receive is parked, and the leases that hold every buffer.
fn parked() -> (Rig, TcpStream, SocketId, Vec<Lease>) {
    let mut rig = Rig::of(&SCARCE, ReceivePool::new(2, 32));
    let (mut client, socket) = rig.connect();
    rig.submit(RECEIVE, Op::Receive { socket });
    client.write_all(&[7; 96]).unwrap();
    let mut leases = Vec::new();
    while leases.iter().map(Lease::len).sum::<usize>() < 64 {
        leases.push(rig.lease(RECEIVE));
    }
    while rig.uring.ledger().buffer_shortages == 0 {
        rig.turn(Wait::No);
    }
    (rig, client, socket, leases)
}

#[test]
fn a_parked_receive_can_be_cancelled() {
    needs_io_uring!();
    let (mut rig, _client, socket, leases) = parked();
    rig.cancel(socket);
    assert_eq!(rig.receive_end(RECEIVE), ReceiveEnd::Cancelled);
    leases.into_iter().for_each(|lease| rig.pools.receive.release(lease));
    rig.close(socket, false);
    rig.assert_at_baseline();
    rig.end();
}

#[test]
fn a_parked_receive_is_ended_by_shutting_down() {
    needs_io_uring!();
    let (mut rig, _client, socket, leases) = parked();
    rig.submit(SHUTDOWN, Op::Shutdown { socket, both: true });
    assert!(matches!(rig.next(SHUTDOWN), Event::ShutDown { error: None }));
    assert_eq!(rig.receive_end(RECEIVE), ReceiveEnd::EndOfStream);
    leases.into_iter().for_each(|lease| rig.pools.receive.release(lease));
    rig.close(socket, false);
    rig.assert_at_baseline();
    rig.end();
}

#[test]
fn a_parked_receive_does_not_survive_the_drain() {
    needs_io_uring!();
    let (mut rig, _client, _socket, leases) = parked();
    assert_eq!(rig.uring.drain(&rig.pools, PATIENCE), Left::default());
    leases.into_iter().for_each(|lease| rig.pools.receive.release(lease));
    rig.end();
}

/// By the time that it is heard of, others have given theirs back, and nothing else happens any more.
#[test]
fn a_shortage_that_is_over_when_it_is_heard_of_strands_nobody() {
    needs_io_uring!();
    let mut desk = Desk::new();
    let key = desk.receive();
    desk.answer(key, -libc::ENOBUFS, 0);
    assert!(matches!(desk.told(), Event::Starving));
    assert!(desk.rig.uring.ready(), "it could go on");
    desk.client.write_all(b"hello").unwrap();
    assert_eq!(desk.rig.receive(Token(9), 5), b"hello");
}

/// Who is parked behind others has tried nothing: that says nothing about whether the kernel has buffers.
#[test]
fn many_that_are_parked_behind_one_strand_nobody_and_are_no_shortages() {
    needs_io_uring!();
    let mut desk = Desk::of(Rig::of(&SCARCE, ReceivePool::new(2, 512)));
    let mut clients: Vec<_> = (0..40).map(|_| desk.rig.connect()).collect();
    let key = desk.receive();
    desk.answer(key, -libc::ENOBUFS, 0);
    for (number, (_, socket)) in clients.iter().enumerate() {
        desk.rig.submit(Token(1000 + number as u64), Op::Receive { socket: *socket });
    }
    clients[39].0.write_all(b"hello").unwrap();
    assert_eq!(desk.rig.receive(Token(1039), 5), b"hello");
    assert_eq!(desk.rig.uring.ledger().buffer_shortages, 1);
}
