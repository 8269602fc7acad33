//! Sends whose memory is read for longer than they take.

use super::bench::{Bench, check, is_found};
use super::*;

const SENDS: usize = 10;

impl Bench {
    fn accepted(&mut self) -> (SocketId, Peer) {
        let socket = self.sim.bind(SocketAddr::from(([127, 0, 0, 1], 0)), 8, 1).unwrap().pop().unwrap();
        let address = socket.address;
        let listener = self.sim.adopt(socket).unwrap();
        let mut peer = None;
        loop {
            peer = peer.or_else(|| self.network.connect(address).ok());
            let accept = self.submit(Op::Accept { listener });
            self.until("a connection", |bench| !bench.answers[accept].is_empty());
            if let Event::Accepted { socket } = self.answers[accept][0] {
                return (socket, peer.expect("it was accepted"));
            }
        }
    }

    fn send(&mut self, socket: SocketId, bytes: &[u8]) -> usize {
        let mut chain = Chain::EMPTY;
        self.pools.send.write(&mut chain, bytes).unwrap();
        self.submit(Op::Send { socket, chain })
    }

    /// How a send was answered for: how many bytes, why no more, and whether it was pinned.
    fn sent(&self, op: usize) -> Option<(u32, Option<Errno>, bool)> {
        self.answers[op].iter().find_map(|event| match event {
            Event::Sent { bytes, error, pinned } => Some((*bytes, *error, *pinned)),
            _ => None,
        })
    }
}

/// Sends one after the other as soon as each is answered for, to a peer that reads little.
fn pour(seed: u64, faults: Faults) -> u64 {
    let faults = Faults { pinned_send: 0.5, slow_reader: 0.0, ..faults };
    let mut bench = Bench::new(seed, faults);
    let (socket, mut peer) = bench.accepted();
    peer.limit_unread(400);
    let mut read = 0;
    let mut sends: Vec<usize> = Vec::new();
    bench.until("everything to be read and released", |bench| {
        read += peer.read(50).len();
        let free = sends.last().is_none_or(|&send| bench.sent(send).is_some());
        if free && sends.len() < SENDS {
            sends.push(bench.send(socket, &[sends.len() as u8; 300]));
        }
        // As many slots as sends that have not had their last answer: none is back before.
        let held = sends.iter().filter(|&&send| !bench.is_over(send)).count();
        assert!(bench.pools.send.taken() <= held, "a send was answered for and holds its memory");
        sends.len() == SENDS && read == SENDS * 300 && held == 0
    });
    for &send in &sends {
        let (bytes, error, pinned) = bench.sent(send).expect("it was waited for");
        let released = bench.answers[send].iter().filter(|event| matches!(event, Event::Released)).count();
        assert_eq!((bytes, error, released), (300, None, usize::from(pinned)));
    }
    let close = bench.submit(Op::Close { socket, reset: false });
    assert!(matches!(bench.last(close), Event::Closed));
    drop(peer);
    let trace = bench.network.trace();
    bench.finish();
    trace
}

#[test]
fn what_is_pinned_is_released_once() {
    check(pour);
}

#[test]
fn a_release_that_is_not_told_is_found() {
    assert!(is_found(Canary::LoseRelease, Faults::default(), pour));
}

#[test]
fn what_is_pinned_until_it_is_read_is_held_until_then_or_until_a_reset() {
    for reset in [false, true] {
        let faults = Faults { pinned_send: 1.0, pinned_until_read: 1.0, ..Faults::default() };
        let mut bench = Bench::new(1, faults);
        let (socket, mut peer) = bench.accepted();
        let send = bench.send(socket, b"hello");
        (0..20).for_each(|_| bench.step());
        assert_eq!(bench.sent(send), Some((5, None, true)));
        assert!(!bench.is_over(send) && !bench.sim.ready());
        assert_eq!((bench.network.next_event(), bench.pools.send.taken()), (None, 1));
        if reset {
            bench.submit(Op::Reset { socket });
        } else {
            assert_eq!(peer.read(3).len(), 3);
            assert!(!bench.sim.ready(), "two bytes are left");
            assert_eq!(peer.read(3).len(), 2);
            assert!(bench.sim.ready());
        }
        assert!(matches!(bench.last(send), Event::Released));
        assert_eq!(bench.pools.send.taken(), 0);
        drop(peer);
        bench.finish();
    }
}

#[test]
fn a_send_that_fails_is_pinned_as_well() {
    let faults = Faults { pinned_send: 1.0, ..Faults::default() };
    let mut bench = Bench::new(1, faults);
    let (socket, mut peer) = bench.accepted();
    peer.limit_unread(2);
    let send = bench.send(socket, b"hello");
    (0..20).for_each(|_| bench.step());
    peer.reset();
    assert!(matches!(bench.last(send), Event::Released));
    let Some((2, Some(Errno::ECONNRESET), true)) = bench.sent(send) else {
        panic!("{:?}", bench.answers[send])
    };
    bench.finish();
}

#[test]
fn a_drain_takes_back_what_is_pinned() {
    let faults = Faults { pinned_send: 1.0, pinned_until_read: 1.0, ..Faults::default() };
    let mut bench = Bench::new(1, faults);
    let (socket, mut peer) = bench.accepted();
    peer.limit_unread(400);
    let first = bench.send(socket, &[1; 300]);
    bench.until("an answer", |bench| bench.sent(first).is_some());
    let second = bench.send(socket, &[2; 300]);
    (0..20).for_each(|_| bench.step());
    assert_eq!((bench.sent(second), bench.pools.send.taken()), (None, 2), "it goes on, and a part is pinned");
    drop(peer);
    bench.finish();
}

#[test]
#[should_panic(expected = "what a send has pinned was written to")]
fn memory_that_is_written_to_while_it_is_pinned_is_found() {
    let faults = Faults { pinned_send: 1.0, ..Faults::default() };
    let mut bench = Bench::new(1, faults);
    let (socket, _peer) = bench.accepted();
    let send = bench.send(socket, b"hello");
    bench.until("an answer", |bench| bench.sent(send).is_some());
    bench.sim.pins[0].forge();
    bench.last(send);
}
