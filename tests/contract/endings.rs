//! How connections end: each way is told apart from the others, and loses nothing that came before it.

use odeon::driver::{Op, ReceiveEnd};
use odeon::sys::Errno;

use crate::harness::{Client, Harness, Limits};
use crate::world::{Last, World, pattern};

pub fn a_reply_after_half_close_arrives<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (socket, mut client) = world.connection();
    let receive = world.receive(socket);
    world.write_all(&mut client, b"the last request");
    client.shutdown_write();
    assert_eq!(world.await_last(receive), Last::ReceiveEnded(ReceiveEnd::EndOfStream));
    assert_eq!(world.received(receive), b"the last request");
    let send = world.send(socket, b"its reply");
    assert_eq!(world.await_last(send), Last::Sent { bytes: 9, error: None });
    assert_eq!(world.read_exactly(&mut client, 9), b"its reply");
    assert!(!client.is_ended());
    let shutdown = world.submit(Op::Shutdown { socket, both: false });
    assert_eq!(world.await_last(shutdown), Last::ShutDown(None));
    world.until("the end of the stream", |_| client.is_ended());
    world.close_ended(socket, false);
    world.finish();
}

pub fn a_reset_by_the_peer_is_seen_once<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (socket, client) = world.connection();
    let receive = world.receive(socket);
    world.step();
    client.reset();
    let last = world.await_last(receive);
    assert_eq!(last, Last::ReceiveEnded(ReceiveEnd::Failed(Errno::ECONNRESET)));
    // Whatever is asked of the socket from now on, the reset is not told again.
    let again = world.receive(socket);
    assert_eq!(world.await_last(again), Last::ReceiveEnded(ReceiveEnd::EndOfStream));
    let send = world.send(socket, b"to nobody");
    assert_eq!(world.await_last(send), Last::Sent { bytes: 0, error: Some(Errno::EPIPE) });
    world.close_ended(socket, false);
    world.finish();
}

pub fn a_send_to_a_peer_that_is_gone_fails<H: Harness>(round: u32) {
    const TOTAL: usize = 3 << 20;
    let limits = Limits { send_slots: [0, 0, 0, 0, 48], ..Limits::default() };
    let mut world = World::<H>::start(round, &limits);
    let (socket, client) = world.connection_with(Some(4096));
    let send = world.send(socket, &pattern(0, TOTAL));
    for _ in 0..10 {
        world.step();
    }
    client.reset();
    let Last::Sent { bytes, error } = world.await_released(send) else { panic!("a send answers as one") };
    assert!((bytes as usize) < TOTAL, "a cut send is not a success");
    assert!(matches!(error, Some(Errno::ECONNRESET | Errno::EPIPE)), "{error:?}");
    assert_eq!(world.pools.send.taken(), 0);
    world.finish();
}

pub fn end_failure_and_cancel_are_three_things<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (ending, mut ends) = world.connection();
    let (failing, fails) = world.connection();
    let (cancelled, _idle) = world.connection();
    let receives = [ending, failing, cancelled].map(|socket| world.receive(socket));
    world.step();
    ends.shutdown_write();
    fails.reset();
    let cancel = world.submit(Op::Cancel { socket: cancelled });
    let [end, failure, cancelled] = receives.map(|receive| world.await_last(receive));
    assert_eq!(end, Last::ReceiveEnded(ReceiveEnd::EndOfStream));
    assert_eq!(failure, Last::ReceiveEnded(ReceiveEnd::Failed(Errno::ECONNRESET)));
    assert_eq!(cancelled, Last::ReceiveEnded(ReceiveEnd::Cancelled));
    assert_eq!(world.await_last(cancel), Last::Cancelled);
    world.finish();
}

pub fn a_cancelled_receive_loses_nothing<H: Harness>(round: u32) {
    const TOTAL: usize = 40_000;
    let mut world = World::<H>::start(round, &Limits::default());
    let (socket, mut client) = world.connection();
    let bytes = pattern(0, TOTAL);
    let (mut written, mut got) = (0, Vec::new());
    // Every round brings something: far more rounds than are needed.
    for _ in 0..2_000 {
        if got.len() == TOTAL {
            break;
        }
        let receive = world.receive(socket);
        written += client.write(&bytes[written..TOTAL.min(written + 1_000)]);
        world.step();
        written += client.write(&bytes[written..TOTAL.min(written + 1_000)]);
        let cancel = world.submit(Op::Cancel { socket });
        let last = world.await_last(receive);
        assert_eq!(last, Last::ReceiveEnded(ReceiveEnd::Cancelled));
        assert_eq!(world.await_last(cancel), Last::Cancelled);
        got.extend_from_slice(world.received(receive));
    }
    assert!(got == bytes, "what one receive did not deliver, the next one did");
    world.finish();
}

pub fn a_cancel_with_nothing_to_cancel_answers<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (socket, mut client) = world.connection();
    let cancel = world.submit(Op::Cancel { socket });
    assert_eq!(world.await_last(cancel), Last::Cancelled);
    // It does not reach the receive that comes after it.
    let receive = world.receive(socket);
    world.write_all(&mut client, b"still here");
    world.until("bytes", |world| world.received(receive).len() == 10);
    assert_eq!(world.last(receive), None);
    world.finish();
}

pub fn a_shutdown_ends_what_is_under_way_and_then_a_close_ends_the_socket<H: Harness>(round: u32) {
    const TOTAL: usize = 3 << 20;
    let limits = Limits { send_slots: [0, 0, 0, 0, 48], ..Limits::default() };
    let mut world = World::<H>::start(round, &limits);
    let (socket, client) = world.connection_with(Some(4096));
    let receive = world.receive(socket);
    let send = world.send(socket, &pattern(0, TOTAL));
    for _ in 0..10 {
        world.step();
    }
    assert_eq!((world.last(receive), world.last(send)), (None, None));
    let shutdown = world.submit(Op::Shutdown { socket, both: true });
    assert_eq!(world.await_last(shutdown), Last::ShutDown(None));
    assert!(matches!(world.await_last(receive), Last::ReceiveEnded(_)));
    let Last::Sent { bytes, error } = world.await_last(send) else { panic!("a send answers as one") };
    assert!((bytes as usize) < TOTAL && error.is_some(), "the rest of the send was cut off");
    world.close_ended(socket, true);
    drop(client);
    world.finish();
}

pub fn a_reset_ends_what_is_under_way_and_is_not_the_end_of_a_stream<H: Harness>(round: u32) {
    const TOTAL: usize = 3 << 20;
    let limits = Limits { send_slots: [0, 0, 0, 0, 48], ..Limits::default() };
    for sending in [false, true] {
        let mut world = World::<H>::start(round, &limits);
        let (socket, mut client) = world.connection_with(Some(4096));
        let receive = world.receive(socket);
        let send = sending.then(|| world.send(socket, &pattern(0, TOTAL)));
        for _ in 0..10 {
            world.step();
        }
        let reset = world.submit(Op::Reset { socket });
        assert_eq!(world.await_last(reset), Last::ShutDown(None));
        assert!(matches!(world.await_last(receive), Last::ReceiveEnded(_)));
        if let Some(send) = send {
            let Last::Sent { bytes, error } = world.await_last(send) else { panic!("a send answers as one") };
            assert!((bytes as usize) < TOTAL && error.is_some(), "the rest of the send was cut off");
        }
        world.close_ended(socket, true);
        world.until("a reset at the client", |_| {
            client.read(1 << 16);
            assert!(!client.is_ended(), "a stream that was cut short does not look like one that ended");
            client.is_reset()
        });
        world.finish();
    }
}

pub fn a_close_delivers_what_was_sent<H: Harness>(round: u32) {
    const TOTAL: usize = 50_000;
    let mut world = World::<H>::start(round, &Limits::default());
    let (socket, mut client) = world.connection();
    let receive = world.receive(socket);
    let bytes = pattern(0, TOTAL);
    let send = world.send(socket, &bytes);
    assert_eq!(world.await_last(send), Last::Sent { bytes: TOTAL as u32, error: None });
    world.close(socket, Some(receive));
    assert!(world.read_exactly(&mut client, TOTAL) == bytes);
    world.until("the end of the stream", |_| client.is_ended());
    assert!(!client.is_reset());
    world.finish();
}

pub fn a_close_is_seen_while_an_older_connection_waits<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (older, mut older_client) = world.connection();
    let waits = world.receive(older);
    world.step();
    for ended_by_peer in [false, true] {
        let (socket, mut client) = world.connection();
        if ended_by_peer {
            let receive = world.receive(socket);
            client.shutdown_write();
            assert_eq!(world.await_last(receive), Last::ReceiveEnded(ReceiveEnd::EndOfStream));
        }
        // Without a shutdown before it.
        world.close_ended(socket, false);
        world.until("the end of the stream", |_| {
            client.read(1);
            client.is_ended()
        });
        assert!(!client.is_reset());
    }
    world.write_all(&mut older_client, b"still here");
    world.until("bytes", |world| world.received(waits).len() == 10);
    assert_eq!(world.last(waits), None);
    world.finish();
}

pub fn a_close_with_reset_is_seen_as_one<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (socket, mut client) = world.connection();
    world.close_ended(socket, true);
    world.until("a reset at the client", |_| client.is_reset());
    world.finish();
}
