//! Connections that a simulated core makes, and receives into memory of its own on them.

use super::bench::{Bench, check, is_found};
use super::*;
use crate::driver::{Fill, ReceiveEnd};

const COUNT: usize = 12;

impl Bench {
    fn connecting(&mut self, to: SocketAddr, from: Option<SocketAddr>) -> SocketId {
        self.sim.connecting(to, &ConnectOptions { source: from }).unwrap()
    }

    fn fill(&mut self, socket: SocketId, room: usize) -> usize {
        let fill = Fill { buffer: Vec::with_capacity(room), max: usize::MAX, outcome: Ok(0) };
        self.submit(Op::Fill { socket, fill: Box::new(fill) })
    }

    fn filled(&mut self, op: usize) -> Box<Fill> {
        match self.last(op) {
            Event::Filled { fill } => fill,
            other => panic!("not expected: {other:?}"),
        }
    }

    /// Listens as a test, connects to it, and accepts.
    fn connection(&mut self) -> (SocketId, Peer) {
        let mut listener = self.network.listen(any_port(), 8).unwrap();
        let socket = self.connecting(listener.address(), None);
        let connect = self.submit(Op::Connect { socket });
        assert!(matches!(self.last(connect), Event::Connected { error: None }));
        (socket, listener.accept().unwrap())
    }
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Many connects to a listener with a short backlog; each peer greets by the address that it sees.
fn meet(seed: u64, faults: Faults) -> u64 {
    let mut bench = Bench::new(seed, faults);
    let mut listener = bench.network.listen(any_port(), 2).unwrap();
    let sources: Vec<SocketAddr> =
        (0..COUNT as u16).map(|at| SocketAddr::from(([127, 0, 0, 2], 100 + at))).collect();
    let sockets: Vec<SocketId> =
        sources.iter().map(|source| bench.connecting(listener.address(), Some(*source))).collect();
    let connects: Vec<usize> = sockets.iter().map(|&socket| bench.submit(Op::Connect { socket })).collect();
    let mut peers: Vec<Peer> = Vec::new();
    bench.until("all connections", |bench| {
        if let Some(mut peer) = listener.accept() {
            peer.write(peer.remote_address().to_string().as_bytes());
            peers.push(peer);
        }
        connects.iter().all(|&connect| bench.is_over(connect)) && peers.len() == COUNT
    });
    assert!(listener.accept().is_none());
    for (at, connect) in connects.into_iter().enumerate() {
        assert!(matches!(bench.last(connect), Event::Connected { error: None }));
        let expected = sources[at].to_string();
        let mut greeting = Vec::new();
        while greeting.len() < expected.len() {
            let op = bench.fill(sockets[at], 7);
            let fill = bench.filled(op);
            assert_eq!(fill.outcome, Ok(fill.buffer.len() as u32));
            greeting.extend(fill.buffer);
        }
        assert_eq!(String::from_utf8(greeting).unwrap(), expected);
    }
    let trace = bench.network.trace();
    drop((listener, peers));
    bench.finish();
    trace
}

/// Fills that are cancelled again and again, while bytes come.
fn interrupt(seed: u64, faults: Faults) -> u64 {
    let mut bench = Bench::new(seed, faults);
    let (socket, mut peer) = bench.connection();
    let bytes: Vec<u8> = (0..1_000).map(|at| at as u8).collect();
    let (mut written, mut got) = (0, Vec::new());
    let mut rounds = 0;
    while got.len() < bytes.len() {
        let fill = bench.fill(socket, 40);
        rounds += 1;
        // Every other one is left alone, so that bytes come at all.
        let is_left = rounds % 2 == 0;
        if !is_left {
            bench.step();
        }
        written += peer.write(&bytes[written..bytes.len().min(written + 30)]);
        if !is_left {
            let cancel = bench.submit(Op::Cancel { socket });
            assert!(matches!(bench.last(cancel), Event::Cancelled));
        }
        let fill = bench.filled(fill);
        match fill.outcome {
            Ok(count) => assert_eq!(count as usize, fill.buffer.len()),
            Err(error) => assert_eq!((error, fill.buffer.len()), (Errno::ECANCELED, 0)),
        }
        got.extend(fill.buffer);
    }
    assert!(got == bytes, "what one fill did not deliver, the next one did");
    peer.close();
    let end = bench.fill(socket, 40);
    assert_eq!(bench.filled(end).outcome, Ok(0));
    let trace = bench.network.trace();
    bench.finish();
    trace
}

#[test]
fn whoever_connects_is_accepted_once_and_is_seen_where_it_comes_from() {
    check(meet);
}

#[test]
fn a_connection_that_is_lost_is_found() {
    assert!(is_found(Canary::LoseConnection, Faults::default(), meet));
}

#[test]
fn a_fill_that_is_cancelled_loses_nothing() {
    check(interrupt);
}

#[test]
fn bytes_that_a_fill_loses_or_swaps_are_found() {
    assert!(is_found(Canary::DropFilled, Faults { reorder: 1.0, ..Faults::default() }, interrupt));
    assert!(is_found(Canary::SwapBytes, Faults::default(), interrupt));
}

#[test]
fn each_accident_of_a_connect_alone_is_survived() {
    let faults = Faults { slow_connect: 1.0, ..Faults::default() };
    meet(1, faults);
    let faults = Faults { unanswered_connect: 1.0, ..Faults::default() };
    let mut bench = Bench::new(1, faults);
    let mut listener = bench.network.listen(any_port(), 8).unwrap();
    for to in [listener.address(), SocketAddr::from(([127, 0, 0, 1], 9))] {
        let socket = bench.connecting(to, None);
        let connect = bench.submit(Op::Connect { socket });
        (0..20).for_each(|_| bench.step());
        assert!(!bench.is_over(connect) && !bench.sim.ready(), "nobody answers");
        bench.submit(Op::Cancel { socket });
        assert!(matches!(bench.last(connect), Event::Connected { error: Some(Errno::ECANCELED) }));
    }
    assert!(listener.accept().is_none());
    drop(listener);
    bench.finish();
    let mut bench = Bench::new(1, Faults { failed_connect: 1.0, ..Faults::default() });
    let listener = bench.network.listen(any_port(), 8).unwrap();
    let socket = bench.connecting(listener.address(), None);
    let connect = bench.submit(Op::Connect { socket });
    let Event::Connected { error: Some(error) } = bench.last(connect) else { panic!("it fails") };
    assert!([Errno::ETIMEDOUT, Errno::EHOSTUNREACH, Errno::ENETUNREACH].contains(&error));
    drop(listener);
    bench.finish();
    let faults = Faults { reset_connect: 1.0, ..Faults::default() };
    let mut bench = Bench::new(1, faults);
    let (socket, peer) = bench.connection();
    assert!(peer.is_reset());
    let fill = bench.fill(socket, 1);
    assert_eq!(bench.filled(fill).outcome, Err(Errno::ECONNRESET));
    drop(peer);
    bench.finish();
}

#[test]
fn a_connection_on_which_nothing_happens_is_cut_off_as_well() {
    for given_up in [false, true] {
        let faults = Faults { reset_later: 1.0, given_up: given_up.into(), ..Faults::default() };
        let mut bench = Bench::new(1, faults);
        let (socket, peer) = bench.connection();
        let receive = bench.submit(Op::Receive { socket });
        let Event::ReceiveEnded { why: ReceiveEnd::Failed(error) } = bench.last(receive) else {
            panic!("it is cut off")
        };
        assert_eq!(error != Errno::ECONNRESET, given_up, "{error}");
        let (breach, now) = (peer.breach().expect("it is cut off"), bench.network.now());
        assert_eq!((breach.by, breach.at), (Breaker::Accident, now));
        assert!(now > Time::ZERO);
        drop(peer);
        bench.finish();
    }
}

#[test]
fn a_connect_is_refused_where_nobody_listens_and_another_is_not() {
    let mut bench = Bench::new(1, Faults::default());
    let listener = bench.network.listen(any_port(), 1).unwrap();
    let address = listener.address();
    drop(listener);
    let socket = bench.connecting(address, None);
    let connect = bench.submit(Op::Connect { socket });
    assert!(matches!(bench.last(connect), Event::Connected { error: Some(Errno::ECONNREFUSED) }));
    let listener = bench.network.listen(address, 1).unwrap();
    let another = bench.connecting(address, None);
    for (socket, expected) in [(socket, Some(Errno::EISCONN)), (another, None)] {
        let connect = bench.submit(Op::Connect { socket });
        let Event::Connected { error } = bench.last(connect) else { panic!("the end of a connect") };
        assert_eq!(error, expected);
    }
    drop(listener);
    bench.finish();
}

#[test]
fn a_shutdown_or_a_reset_ends_a_connect() {
    for reset in [false, true] {
        let mut bench = Bench::new(1, Faults { unanswered_connect: 1.0, ..Faults::default() });
        let socket = bench.connecting(SocketAddr::from(([127, 0, 0, 1], 9)), None);
        let connect = bench.submit(Op::Connect { socket });
        bench.step();
        bench.submit(if reset { Op::Reset { socket } } else { Op::Shutdown { socket, both: true } });
        assert!(matches!(bench.last(connect), Event::Connected { error: Some(Errno::ECONNABORTED) }));
        bench.finish();
    }
}

#[test]
fn a_source_address_is_used_once_and_again_when_it_is_free() {
    let mut bench = Bench::new(1, Faults::default());
    let listener = bench.network.listen(any_port(), 8).unwrap();
    let (to, source) = (listener.address(), SocketAddr::from(([127, 0, 0, 3], 77)));
    let options = |source| ConnectOptions { source: Some(source) };
    let socket = bench.sim.connecting(to, &options(source)).unwrap();
    for taken in [source, to] {
        let refused = bench.sim.connecting(to, &options(taken)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
    }
    let connect = bench.submit(Op::Connect { socket });
    assert!(matches!(bench.last(connect), Event::Connected { error: None }));
    assert_eq!(bench.sim.peer_address(socket), Some(to));
    assert!(bench.sim.connecting(to, &options(source)).is_err(), "it is in use");
    let close = bench.submit(Op::Close { socket, reset: false });
    assert!(matches!(bench.last(close), Event::Closed));
    drop(listener);
    let unconnected = bench.sim.connecting(to, &options(source)).unwrap();
    let close = bench.submit(Op::Close { socket: unconnected, reset: false });
    assert!(matches!(bench.last(close), Event::Closed));
    assert!(bench.sim.connecting(to, &options(source)).is_ok());
    bench.finish();
}
