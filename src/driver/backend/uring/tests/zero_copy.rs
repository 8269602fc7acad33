//! Sends without a copy: real ones, forced because the way to this machine itself copies, and answers that come seldom.

use super::answers::{Desk, MORE};
use super::*;
use crate::mem::Bytes;

const FORCED: UringConfig = UringConfig { zero_copy_min: 1, zero_copy_always: true, ..WIDE };
const WIDE: UringConfig = UringConfig { submission_entries: 64, completion_entries: 64, ..SCARCE };
/// The bit of an answer that says that memory is free again, and the result by which it says that it was copied.
const RELEASED: u32 = 8;
const COPIED: i32 = i32::MIN;
const RESET: Token = Token(23);

impl Rig {
    /// None, and said so, where the kernel cannot do without a copy or does not report it.
    fn able(config: &UringConfig) -> Option<Rig> {
        let rig = Rig::of(config, ReceivePool::new(8, 16_384));
        if rig.uring.zero_copy.bytes_min == u32::MAX {
            // Not by `eprintln!`, which the test runner would swallow.
            let text = b"SKIPPED: this kernel does not report what it has copied\n";
            io::stderr().write_all(text).unwrap();
            return None;
        }
        Some(rig)
    }

    /// How a send has ended, and whether the kernel still reads it.
    fn sent_pinned(&mut self) -> (u32, Option<Errno>, bool) {
        loop {
            match self.next(SEND) {
                Event::Sending { .. } => {}
                Event::Sent { bytes, error, pinned } => return (bytes, error, pinned),
                other => panic!("instead of a send: {other:?}"),
            }
        }
    }

    fn released(&mut self) {
        match self.next(SEND) {
            Event::Released => {}
            other => panic!("instead of a release: {other:?}"),
        }
    }
}

#[test]
fn a_send_without_a_copy_arrives_and_its_memory_comes_back() {
    needs_io_uring!();
    let Some(mut rig) = Rig::able(&FORCED) else { return };
    let (mut client, socket) = rig.connect();
    let text: Vec<u8> = (0..200_000_u32).map(|byte| ((byte * 7) >> 3) as u8).collect();
    for len in [1, 100, text.len()] {
        rig.send(socket, &text[..len]);
        let twin = text[..len].to_vec();
        let mut reader = client.try_clone().unwrap();
        let reader = std::thread::spawn(move || {
            let mut bytes = vec![0; twin.len()];
            reader.read_exact(&mut bytes).unwrap();
            assert!(bytes == twin);
        });
        let (bytes, error, pinned) = rig.sent_pinned();
        assert_eq!((bytes, error), (len as u32, None));
        reader.join().unwrap();
        if pinned {
            rig.released();
        }
        assert_eq!(rig.pools.send.taken(), 0);
    }
    assert!(rig.uring.zero_copy_sends() >= 3);
    assert!(rig.uring.copied() > 0, "on this way the kernel copies, and says so");
    rig.close(socket, false);
    assert_eq!(read(&mut client).unwrap(), 0);
    rig.assert_at_baseline();
    rig.end();
}

/// A connection whose peer does not read, with a send of which the kernel has taken a part.
fn unread() -> Option<(Rig, TcpStream, SocketId)> {
    let mut rig = Rig::able(&FORCED)?;
    let (client, socket) = rig.connect();
    rig.send(socket, &vec![1; 3_000_000]);
    while rig.uring.in_flight.pinned() == 0 {
        let soon = rig.uring.now().after(Duration::from_millis(5));
        rig.turn(Wait::Until(soon));
    }
    assert!(rig.queue.drain(..).all(|completion| completion.event.more()), "the peer does not read");
    Some((rig, client, socket))
}

#[test]
fn a_reset_frees_what_the_peer_has_not_read() {
    needs_io_uring!();
    let Some((mut rig, _client, socket)) = unread() else { return };
    rig.submit(RESET, Op::Reset { socket });
    assert!(matches!(rig.next(RESET), Event::ShutDown { error: None }));
    let (bytes, error, pinned) = rig.sent_pinned();
    assert!(bytes < 3_000_000 && error.is_some(), "{bytes} bytes, {error:?}");
    if pinned {
        rig.released();
    }
    assert_eq!(rig.uring.in_flight.pinned(), 0);
    rig.close(socket, false);
    rig.assert_at_baseline();
    rig.end();
}

#[test]
fn a_drain_awaits_what_the_peer_has_not_read() {
    needs_io_uring!();
    let Some((rig, _client, _socket)) = unread() else { return };
    rig.end();
}

/// A send without a copy that the kernel has never heard of.
fn asked() -> (Desk, Key) {
    asked_of(Rig::new())
}

fn asked_of(rig: Rig) -> (Desk, Key) {
    let mut desk = Desk::of(rig);
    let key = desk.send();
    let socket = desk.socket;
    desk.rig.handle(socket).zero_copy = true;
    (desk, key)
}

#[test]
fn memory_comes_back_when_the_kernel_has_let_go_of_each_part() {
    needs_io_uring!();
    let (mut desk, key) = asked();
    desk.answer(key, 2, MORE);
    assert!(matches!(desk.told(), Event::Sending { bytes: 2 }));
    desk.assert_goes_on(key);
    desk.answer(key, 3, MORE);
    assert!(matches!(desk.told(), Event::Sent { bytes: 5, error: None, pinned: true }));
    assert_eq!((desk.rig.pools.send.taken(), desk.rig.uring.in_flight.pinned()), (1, 2));
    desk.answer(key, 0, RELEASED);
    assert!(desk.told.is_empty(), "a part is still read");
    desk.answer(key, 0, RELEASED);
    assert!(matches!(desk.told(), Event::Released));
    assert_eq!((desk.rig.pools.send.taken(), desk.rig.uring.in_flight.pinned()), (0, 0));
    assert_eq!(desk.rig.uring.stale_answers(), 0);
}

#[test]
fn a_part_that_is_released_before_the_rest_fails_is_not_waited_for() {
    needs_io_uring!();
    let (mut desk, key) = asked();
    desk.answer(key, 2, MORE);
    assert!(matches!(desk.told(), Event::Sending { bytes: 2 }));
    desk.answer(key, 0, RELEASED);
    assert!(desk.told.is_empty(), "the send goes on");
    desk.answer(key, -libc::ECONNRESET, 0);
    let Event::Sent { bytes: 2, error: Some(Errno::ECONNRESET), pinned: false } = desk.told() else {
        panic!("nothing is pinned")
    };
    assert_eq!(desk.rig.pools.send.taken(), 0);
}

#[test]
fn an_error_and_nothing_at_all_may_pin_memory_too() {
    needs_io_uring!();
    for (result, expected) in
        [(-libc::EPIPE, Errno::EPIPE), (-libc::ECANCELED, Errno::ECANCELED), (0, Errno::EPIPE)]
    {
        let (mut desk, key) = asked();
        desk.answer(key, result, MORE);
        let Event::Sent { bytes: 0, error: Some(error), pinned: true } = desk.told() else {
            panic!("it is pinned")
        };
        assert_eq!((error, desk.rig.pools.send.taken()), (expected, 1));
        desk.answer(key, 0, RELEASED);
        assert!(matches!(desk.told(), Event::Released));
        assert_eq!(desk.rig.pools.send.taken(), 0);
    }
}

#[test]
fn a_send_that_is_not_pinned_is_over_at_once_though_no_copy_was_wanted() {
    needs_io_uring!();
    let (mut desk, key) = asked();
    desk.answer(key, 5, 0);
    assert!(matches!(desk.told(), Event::Sent { bytes: 5, error: None, pinned: false }));
    assert_eq!(desk.rig.pools.send.taken(), 0);
}

#[test]
fn what_cannot_be_sent_without_a_copy_is_sent_with_one() {
    needs_io_uring!();
    for error in [libc::ENOMEM, libc::ENOBUFS, libc::EOPNOTSUPP] {
        for more in [0, MORE] {
            let Some(rig) = Rig::able(&FORCED) else { return };
            let (mut desk, key) = asked_of(rig);
            let socket = desk.socket;
            desk.answer(key, -error, more);
            desk.assert_goes_on(key);
            assert!(
                !desk.rig.handle(socket).zero_copy && desk.rig.uring.zero_copy_sends() == 0,
                "with a copy"
            );
            assert_eq!(desk.rig.uring.copied(), 1);
            // The kernel takes what was queued in earnest.
            desk.rig.uring.outgoing.ring.enter(Pause::No).unwrap();
            let mut bytes = [0; 5];
            desk.client.read_exact(&mut bytes).unwrap();
            assert_eq!(&bytes, b"hello");
            let mut told = Vec::new();
            desk.rig.uring.collect(&desk.rig.pools, &mut told);
            let Some(Event::Sent { bytes: 5, error: None, pinned }) = told.pop().map(|told| told.event)
            else {
                panic!("it was sent")
            };
            assert_eq!(pinned, more == MORE);
            if pinned {
                desk.answer(key, 0, RELEASED);
                assert!(matches!(desk.told(), Event::Released));
            }
            assert_eq!(desk.rig.pools.send.taken(), 0);
        }
    }
}

#[test]
fn a_plain_send_that_is_short_of_memory_has_failed() {
    needs_io_uring!();
    let mut desk = Desk::new();
    let key = desk.send();
    desk.answer(key, -libc::ENOMEM, 0);
    assert!(matches!(desk.told(), Event::Sent { bytes: 0, error: Some(Errno::ENOMEM), pinned: false }));
}

/// A desk whose kernel sends without a copy what has a byte, unless it is told that it copies.
fn able_desk() -> Option<Desk> {
    Rig::able(&UringConfig { zero_copy_min: 1, ..WIDE }).map(Desk::of)
}

impl Desk {
    /// The kernel has sent something without a copy on the desk's connection, or has copied it after all.
    fn hear(&mut self, copied: bool) {
        let key = self.send();
        self.answer(key, 5, MORE);
        self.told();
        self.answer(key, if copied { COPIED } else { 0 }, RELEASED);
        assert!(matches!(self.told(), Event::Released));
    }

    /// Sends from here, and answers whether that was asked for without a copy.
    fn sends_without_copy(&mut self, socket: SocketId) -> bool {
        let before = self.rig.uring.zero_copy_sends();
        let chain = chain_of(&self.rig, 0, 5);
        let key = self.begin(Op::Send { socket, chain });
        self.rig.uring.start(&self.rig.pools, key);
        // It is not taken to the kernel.
        self.answer(key, 5, 0);
        self.told();
        self.rig.uring.zero_copy_sends() > before
    }
}

#[test]
fn where_the_kernel_copies_it_is_not_asked_again_on_that_connection() {
    needs_io_uring!();
    let Some(mut desk) = able_desk() else { return };
    let (socket, (_other_client, other)) = (desk.socket, desk.rig.connect());
    desk.hear(true);
    assert_eq!(desk.rig.uring.copied(), 1);
    assert!((0..1000).all(|_| !desk.sends_without_copy(socket)));
    assert!(desk.sends_without_copy(other), "it was there before, and may take another way");
}

#[test]
fn what_a_listener_accepts_begins_with_what_was_heard_last_and_tries_for_itself_now_and_then() {
    needs_io_uring!();
    let Some(mut desk) = able_desk() else { return };
    desk.hear(true);
    let mut accepted: Vec<_> = (0..40).map(|_| desk.rig.connect()).collect();
    let begins: Vec<bool> = accepted.iter().map(|(_, late)| desk.sends_without_copy(*late)).collect();
    let trials: Vec<usize> = (0..40).filter(|late| begins[*late]).collect();
    assert_eq!(trials, [16, 33], "nobody has heard anything since");
    let (_, first) = accepted.swap_remove(0);
    assert_eq!((0..40).filter(|_| desk.sends_without_copy(first)).count(), 25, "from the 17th on");
    // It took the other way: those who come next try at once.
    let (_, trial) = accepted.swap_remove(16);
    desk.socket = trial;
    desk.hear(false);
    let (_client, late) = desk.rig.connect();
    assert!(desk.sends_without_copy(late));
}

#[test]
fn a_listener_in_the_place_of_one_that_is_closed_begins_anew() {
    needs_io_uring!();
    let Some(mut desk) = able_desk() else { return };
    desk.hear(true);
    let listener = desk.rig.listener;
    desk.rig.cancel(listener);
    desk.rig.close(listener, false);
    let bound = desk.rig.uring.bind("127.0.0.1:0".parse().unwrap(), 4, 1).unwrap().remove(0);
    let next = desk.rig.uring.adopt(bound).unwrap();
    let (socket, route) = (desk.socket, desk.rig.handle(desk.socket).route);
    assert_eq!((desk.rig.handle(next).route, desk.rig.handle(socket).route), (route, route));
    assert!(!desk.rig.uring.routes[usize::from(route)].way.copied);
}

#[test]
fn a_shortage_of_memory_ends_and_a_socket_that_cannot_never_can() {
    needs_io_uring!();
    for (error, expected) in [(libc::ENOBUFS, 4), (libc::EOPNOTSUPP, 0)] {
        let Some(mut desk) = able_desk() else { return };
        let socket = desk.socket;
        let key = desk.send();
        desk.rig.handle(socket).zero_copy = true;
        desk.answer(key, -error, 0);
        desk.answer(key, 5, 0);
        desk.told();
        let without = (0..20).filter(|_| desk.sends_without_copy(socket)).count();
        assert_eq!(without, expected);
    }
}

#[test]
fn no_more_is_pinned_than_may_be() {
    needs_io_uring!();
    let Some(rig) = Rig::able(&FORCED) else { return };
    let mut desk = Desk::of(rig);
    let socket = desk.socket;
    let first = desk.send();
    desk.answer(first, 5, MORE);
    desk.told();
    while desk.rig.uring.in_flight.may_pin(socket) {
        let key = desk.send();
        desk.answer(key, 5, MORE);
        desk.told();
    }
    desk.rig.send(socket, b"hello");
    assert_eq!(desk.rig.sent_pinned(), (5, None, false));
    assert_eq!(desk.rig.uring.zero_copy_sends(), 0, "with a copy");
    desk.answer(first, 0, RELEASED);
    assert!(matches!(desk.told(), Event::Released));
    desk.rig.send(socket, b"hello");
    assert_eq!(desk.rig.uring.zero_copy_sends(), 1);
    desk.rig.sent_pinned();
}

/// A chain with some bytes in a slot, and some by reference.
fn chain_of(rig: &Rig, copied: usize, owned: usize) -> Chain {
    let mut chain = rig.chain(&vec![1; copied]);
    rig.pools.send.push_bytes(&mut chain, Bytes::from_owner(vec![2; owned])).unwrap();
    chain
}

#[test]
fn it_is_bytes_that_are_held_by_reference_which_go_without_a_copy() {
    needs_io_uring!();
    let config = UringConfig { zero_copy_min: 4096, ..WIDE };
    for (copied, owned, without) in [(100, 4096, 1), (8000, 4095, 0), (9000, 1, 0), (0, 5000, 1)] {
        let Some(mut rig) = Rig::able(&config) else { return };
        let (mut client, socket) = rig.connect();
        let chain = chain_of(&rig, copied, owned);
        rig.submit(SEND, Op::Send { socket, chain });
        let (bytes, error, pinned) = rig.sent_pinned();
        assert_eq!((bytes as usize, error), (copied + owned, None));
        assert_eq!(rig.uring.zero_copy_sends(), without, "{copied} and {owned} bytes");
        let mut arrived = vec![0; copied + owned];
        client.read_exact(&mut arrived).unwrap();
        let twin: Vec<u8> = std::iter::repeat_n(1, copied).chain(std::iter::repeat_n(2, owned)).collect();
        assert!(arrived == twin);
        if pinned {
            rig.released();
        }
        rig.pools.settle(drop);
        rig.close(socket, false);
        rig.assert_at_baseline();
        rig.end();
    }
}

#[test]
fn the_first_send_on_the_way_to_this_machine_itself_is_the_last_one_without_a_copy() {
    needs_io_uring!();
    let Some(mut rig) = Rig::able(&WIDE) else { return };
    for _ in 0..3 {
        let (mut client, socket) = rig.connect();
        for _ in 0..3 {
            let chain = chain_of(&rig, 0, 20_000);
            rig.submit(SEND, Op::Send { socket, chain });
            let (bytes, error, pinned) = rig.sent_pinned();
            assert_eq!((bytes, error), (20_000, None));
            client.read_exact(&mut [0; 20_000]).unwrap();
            if pinned {
                rig.released();
            }
        }
        rig.close(socket, false);
    }
    assert_eq!((rig.uring.zero_copy_sends(), rig.uring.copied()), (1, 1));
    rig.pools.settle(drop);
    rig.assert_at_baseline();
    rig.end();
}
