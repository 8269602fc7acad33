//! The readiness backend on real sockets of the loopback interface.

mod connect;
mod files;
mod fill;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::thread;

use super::pass::BURST;
use super::*;
use crate::driver::ReceiveEnd;
use crate::mem::{Chain, ReceivePool, SendPool};

const LISTENER: Token = Token(1);
const PATIENCE: Duration = Duration::from_secs(40);

/// A backend with its pools, and everything that it has answered.
struct Rig {
    mio: Mio,
    pools: Pools,
    seen: VecDeque<Completion>,
}

impl Rig {
    fn new(sockets: u32, buffers: u16, size: u32) -> Rig {
        let pools =
            Pools { receive: ReceivePool::new(buffers, size), send: SendPool::new([64, 16, 16, 16, 64]) };
        Rig { mio: Mio::new(sockets).unwrap(), pools, seen: VecDeque::new() }
    }

    fn submit(&mut self, token: Token, op: Op) {
        self.mio.submit(&self.pools, token, op);
    }

    fn enter(&mut self, wait: Wait) {
        let mut completions = Vec::new();
        self.mio.enter(&self.pools, wait, &mut completions);
        // That there was no buffer for a moment is told too; what counts here is what comes of it.
        completions.retain(|completion| !matches!(completion.event, Event::Starving));
        self.seen.extend(completions);
    }

    /// The next completion; waits for it.
    fn next(&mut self) -> (Token, Event) {
        let deadline = self.mio.now().after(PATIENCE);
        while self.seen.is_empty() {
            assert!(self.mio.now() < deadline, "nothing has completed for too long");
            self.enter(Wait::Until(deadline));
        }
        let completion = self.seen.pop_front().unwrap();
        (completion.token, completion.event)
    }

    /// The bytes of the next completion, which is a receive's.
    fn next_bytes(&mut self) -> (Token, Vec<u8>) {
        let (token, event) = self.next();
        let Event::Received { lease } = event else { panic!("expected bytes, got {event:?}") };
        let bytes = self.pools.receive.bytes(&lease).to_vec();
        self.pools.receive.release(lease);
        (token, bytes)
    }

    fn listen(&mut self) -> (SocketAddr, SocketId) {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let socket = self.mio.bind(any, 128, 1).unwrap().pop().unwrap();
        let ListenSource::Os(listener) = &socket.source else { panic!("it is one of the system's") };
        // Inherited by what is accepted: what the kernel would hold by itself depends on connections of the past.
        listener.set_send_buffer_size(64 << 10).unwrap();
        (socket.address, self.mio.adopt(socket).unwrap())
    }

    fn accepting(&mut self) -> (SocketAddr, SocketId) {
        let (address, listener) = self.listen();
        self.submit(LISTENER, Op::Accept { listener });
        (address, listener)
    }

    fn accepted(&mut self) -> SocketId {
        match self.next() {
            (LISTENER, Event::Accepted { socket }) => socket,
            other => panic!("expected a connection, got {other:?}"),
        }
    }

    /// A connection and its client. The listener is closed again.
    fn connection(&mut self) -> (SocketId, TcpStream) {
        let (address, listener) = self.accepting();
        let client = TcpStream::connect(address).unwrap();
        let socket = self.accepted();
        self.submit(LISTENER, Op::Cancel { socket: listener });
        assert!(matches!(self.next(), (LISTENER, Event::AcceptEnded { error: Errno::ECANCELED })));
        assert!(matches!(self.next(), (LISTENER, Event::Cancelled)));
        self.close(listener, false);
        (socket, client)
    }

    fn close(&mut self, socket: SocketId, reset: bool) {
        self.submit(Token(0), Op::Close { socket, reset });
        assert!(matches!(self.next(), (Token(0), Event::Closed)));
    }

    fn chain(&self, bytes: &[u8]) -> Chain {
        let mut chain = Chain::EMPTY;
        self.pools.send.write(&mut chain, bytes).unwrap();
        chain
    }

    fn assert_nothing_left(&mut self) {
        self.assert_nothing_left_within(PATIENCE);
    }

    fn assert_nothing_left_within(&mut self, patience: Duration) {
        assert_eq!(self.mio.drain(&self.pools, patience), Left::default());
        let ledger = self.mio.ledger();
        assert_eq!((ledger.sockets, ledger.operations), (0, 0));
        assert_eq!(self.pools.send.taken(), 0);
        assert_eq!(self.pools.receive.lent(), 0);
        assert_eq!(self.pools.receive.free(), usize::from(self.pools.receive.count()));
    }
}

#[test]
fn a_request_is_received_and_answered() {
    let mut rig = Rig::new(8, 4, 4096);
    let (socket, mut client) = rig.connection();
    rig.submit(Token(7), Op::Receive { socket });
    client.write_all(b"question").unwrap();
    assert_eq!(rig.next_bytes(), (Token(7), b"question".to_vec()));
    let chain = rig.chain(b"answer");
    rig.submit(Token(8), Op::Send { socket, chain });
    assert!(matches!(rig.next(), (Token(8), Event::Sent { bytes: 6, error: None, .. })));
    let mut answer = [0; 6];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"answer");
    client.write_all(b"again").unwrap();
    assert_eq!(rig.next_bytes(), (Token(7), b"again".to_vec()), "the receive goes on");
    rig.assert_nothing_left();
}

#[test]
fn a_request_and_its_answer_cost_one_poll() {
    let mut rig = Rig::new(8, 4, 4096);
    let (socket, mut client) = rig.connection();
    rig.submit(Token(7), Op::Receive { socket });
    rig.enter(Wait::No);
    let before = rig.mio.ledger().enters;
    for _ in 0..10 {
        client.write_all(b"question").unwrap();
        assert_eq!(rig.next_bytes().1, b"question");
        let chain = rig.chain(b"answer");
        rig.submit(Token(8), Op::Send { socket, chain });
        assert!(matches!(rig.next(), (Token(8), Event::Sent { bytes: 6, error: None, .. })));
        client.read_exact(&mut [0; 6]).unwrap();
    }
    assert_eq!(rig.mio.ledger().enters - before, 10);
    rig.assert_nothing_left();
}

#[test]
fn an_end_that_arrives_with_the_bytes_is_not_missed() {
    for _ in 0..50 {
        let mut rig = Rig::new(8, 4, 4096);
        let (socket, mut client) = rig.connection();
        client.write_all(b"all").unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        // The edge of both is taken before the receive begins.
        rig.enter(Wait::Until(rig.mio.now().after(Duration::from_millis(1))));
        rig.submit(Token(7), Op::Receive { socket });
        assert_eq!(rig.next_bytes().1, b"all");
        assert!(matches!(rig.next(), (Token(7), Event::ReceiveEnded { why: ReceiveEnd::EndOfStream })));
        // The other direction is still open.
        let chain = rig.chain(b"late answer");
        rig.submit(Token(8), Op::Send { socket, chain });
        assert!(matches!(rig.next(), (Token(8), Event::Sent { bytes: 11, error: None, .. })));
        rig.close(socket, false);
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "late answer");
        rig.assert_nothing_left();
    }
}

#[test]
fn a_fast_peer_does_not_starve_the_others() {
    let mut rig = Rig::new(8, 64, 1024);
    let (fast, mut flood) = rig.connection();
    let (slow, mut drop_of_water) = rig.connection();
    flood.write_all(&[1; 32 * 1024]).unwrap();
    drop_of_water.write_all(&[2]).unwrap();
    rig.submit(Token(1), Op::Receive { socket: fast });
    rig.submit(Token(2), Op::Receive { socket: slow });
    let (mut total, mut order) = (0, Vec::new());
    while total < 32 * 1024 + 1 {
        let (token, bytes) = rig.next_bytes();
        total += bytes.len();
        order.push(token);
    }
    let first = order.iter().position(|token| *token == Token(2)).expect("the slow one was served");
    assert!(first <= BURST, "served after one burst of the fast one, not after {first} receives");
    rig.assert_nothing_left();
}

#[test]
fn without_buffers_receives_wait_in_order_and_do_not_spin() {
    let mut rig = Rig::new(16, 1, 16);
    let mut connections: Vec<_> = (0..4).map(|_| rig.connection()).collect();
    for (index, (socket, client)) in connections.iter_mut().enumerate() {
        client.write_all(&[index as u8; 16]).unwrap();
        rig.submit(Token(index as u64), Op::Receive { socket: *socket });
    }
    let (token, Event::Received { lease }) = rig.next() else { panic!("one buffer, one receive") };
    assert_eq!(token, Token(0));
    let enters = rig.mio.ledger().enters;
    rig.enter(Wait::Until(rig.mio.now().after(Duration::from_millis(30))));
    assert!(rig.seen.is_empty());
    let woken = rig.mio.ledger().enters - enters;
    assert!(woken < 10, "a shortage is slept through, not spun through: {woken} polls");
    assert_eq!(rig.mio.ledger().buffer_shortages, 1, "the others stand behind one that has found none");
    rig.pools.receive.release(lease);
    for index in 1..4 {
        assert_eq!(rig.next_bytes(), (Token(index), vec![index as u8; 16]), "first come, first served");
    }
    connections[0].1.write_all(b"more").unwrap();
    assert_eq!(rig.next_bytes(), (Token(0), b"more".to_vec()));
    rig.assert_nothing_left();
}

#[test]
fn short_writes_continue_in_order() {
    let mut rig = Rig::new(8, 4, 4096);
    let (socket, mut client) = rig.connection();
    let bytes: Vec<u8> = (0..4_000_000_u32).map(|index| (index / 7) as u8).collect();
    let chain = rig.chain(&bytes);
    rig.submit(Token(9), Op::Send { socket, chain });
    rig.enter(Wait::No);
    let reader = thread::spawn(move || {
        let mut all = vec![0; 4_000_000];
        client.read_exact(&mut all).unwrap();
        all
    });
    let mut told = 0;
    let sent = loop {
        match rig.next() {
            (Token(9), Event::Sending { bytes }) => told += bytes,
            (Token(9), Event::Sent { bytes, error: None, .. }) => break bytes,
            other => panic!("instead of a send: {other:?}"),
        }
    };
    assert_eq!(sent, 4_000_000);
    assert!((1..sent).contains(&told), "{told} bytes before the last");
    assert!(reader.join().unwrap() == bytes);
    rig.assert_nothing_left();
}

#[test]
fn an_empty_send_completes() {
    let mut rig = Rig::new(8, 4, 4096);
    let (socket, _client) = rig.connection();
    rig.submit(Token(9), Op::Send { socket, chain: Chain::EMPTY });
    assert!(matches!(rig.next(), (Token(9), Event::Sent { bytes: 0, error: None, .. })));
    rig.assert_nothing_left();
}

#[test]
fn a_cancelled_receive_loses_no_bytes() {
    let mut rig = Rig::new(8, 4, 4096);
    let (socket, mut client) = rig.connection();
    rig.submit(Token(7), Op::Receive { socket });
    rig.enter(Wait::No);
    client.write_all(b"kept").unwrap();
    rig.submit(Token(8), Op::Cancel { socket });
    assert!(rig.mio.ready());
    assert!(matches!(rig.next(), (Token(7), Event::ReceiveEnded { why: ReceiveEnd::Cancelled })));
    assert!(matches!(rig.next(), (Token(8), Event::Cancelled)));
    rig.submit(Token(9), Op::Receive { socket });
    assert_eq!(rig.next_bytes(), (Token(9), b"kept".to_vec()));
    rig.assert_nothing_left();
}

#[test]
fn a_reset_reaches_both_sides() {
    let mut rig = Rig::new(8, 4, 4096);
    let (socket, mut client) = rig.connection();
    rig.close(socket, true);
    assert_eq!(client.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::ConnectionReset);

    let (socket, client) = rig.connection();
    rig.submit(Token(7), Op::Receive { socket });
    rig.enter(Wait::No);
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    let (Token(7), Event::ReceiveEnded { why }) = rig.next() else { panic!("the receive ends") };
    assert_eq!(why, ReceiveEnd::Failed(Errno::ECONNRESET));
    let chain = rig.chain(b"too late");
    rig.submit(Token(8), Op::Send { socket, chain });
    assert!(matches!(rig.next(), (Token(8), Event::Sent { bytes: 0, error: Some(Errno::EPIPE), .. })));
    rig.assert_nothing_left();
}

#[test]
fn shutting_down_both_directions_ends_what_is_parked() {
    let mut rig = Rig::new(8, 4, 4096);
    let (socket, client) = rig.connection();
    let chain = rig.chain(&[0; 4_000_000]);
    rig.submit(Token(1), Op::Send { socket, chain });
    rig.submit(Token(2), Op::Receive { socket });
    rig.enter(Wait::No);
    rig.submit(Token(3), Op::Shutdown { socket, both: true });
    let mut ended = [false; 3];
    while ended != [true; 3] {
        match rig.next() {
            (Token(1), Event::Sending { .. }) => {}
            (Token(1), Event::Sent { error: Some(Errno::EPIPE), .. }) => ended[0] = true,
            (Token(2), Event::ReceiveEnded { why: ReceiveEnd::EndOfStream }) => ended[1] = true,
            (Token(3), Event::ShutDown { error: None }) => ended[2] = true,
            other => panic!("unexpected {other:?}"),
        }
    }
    drop(client);
    rig.assert_nothing_left();
}

#[test]
fn a_full_table_ends_the_accept_and_keeps_the_backlog() {
    let mut rig = Rig::new(2, 4, 4096);
    let (address, listener) = rig.accepting();
    let (_first, mut second) = (TcpStream::connect(address).unwrap(), TcpStream::connect(address).unwrap());
    let socket = rig.accepted();
    assert!(matches!(rig.next(), (LISTENER, Event::AcceptEnded { error: Errno::ENFILE })));
    second.write_all(b"still here").unwrap();
    rig.close(socket, false);
    rig.submit(LISTENER, Op::Accept { listener });
    let socket = rig.accepted();
    rig.submit(Token(7), Op::Receive { socket });
    loop {
        match rig.next() {
            (LISTENER, Event::AcceptEnded { error: Errno::ENFILE }) => {}
            (Token(7), Event::Received { lease }) => break rig.pools.receive.release(lease),
            other => panic!("unexpected {other:?}"),
        }
    }
    rig.assert_nothing_left();
}

/// Runs in a process of its own, so that it takes nobody else's descriptors.
#[test]
fn running_out_of_descriptors_ends_the_accept_and_keeps_the_backlog() {
    const ALONE: &str = "ODEON_TEST_WITH_FEW_DESCRIPTORS";
    if std::env::var_os(ALONE).is_none() {
        let (_, module) = module_path!().split_once("::").unwrap();
        let status = Command::new("sh")
            .args(["-c", "ulimit -n 40 && exec \"$0\" --exact \"$1\""])
            .arg(std::env::current_exe().unwrap())
            .arg(format!("{module}::running_out_of_descriptors_ends_the_accept_and_keeps_the_backlog"))
            .env(ALONE, "1")
            .status();
        assert!(status.unwrap().success());
        return;
    }
    let mut rig = Rig::new(64, 4, 4096);
    let (address, listener) = rig.accepting();
    let _client = TcpStream::connect(address).unwrap();
    let hoard: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
    assert!(matches!(rig.next(), (LISTENER, Event::AcceptEnded { error: Errno::EMFILE })));
    drop(hoard);
    rig.submit(LISTENER, Op::Accept { listener });
    rig.accepted();
    rig.assert_nothing_left();
}

#[test]
fn ops_on_a_socket_that_is_gone_are_answered() {
    let mut rig = Rig::new(8, 4, 4096);
    let (socket, _client) = rig.connection();
    rig.close(socket, false);
    let chain = rig.chain(b"nowhere");
    rig.submit(Token(1), Op::Send { socket, chain });
    assert!(rig.mio.ready());
    assert!(matches!(rig.next(), (Token(1), Event::Sent { bytes: 0, error: Some(Errno::EBADF), .. })));
    rig.submit(Token(2), Op::Receive { socket });
    assert!(matches!(rig.next(), (Token(2), Event::ReceiveEnded { .. })));
    // A later connection is not touched by what the earlier one left in the lists.
    let (later, mut client) = rig.connection();
    assert_ne!(later, socket);
    rig.submit(Token(3), Op::Receive { socket: later });
    client.write_all(b"mine").unwrap();
    assert_eq!(rig.next_bytes(), (Token(3), b"mine".to_vec()));
    rig.assert_nothing_left();
}

#[test]
fn a_wake_ends_the_sleep_from_any_thread() {
    let mut rig = Rig::new(8, 4, 4096);
    let waker = rig.mio.waker();
    let clone = waker.clone();
    waker.wake();
    rig.enter(Wait::Until(Time::MAX));
    let other = thread::spawn(move || clone.wake());
    rig.enter(Wait::Until(Time::MAX));
    other.join().unwrap();
    assert!(rig.seen.is_empty());
    rig.assert_nothing_left();
}

#[test]
fn a_wait_ends_in_time() {
    let mut rig = Rig::new(8, 4, 4096);
    let until = rig.mio.now().after(Duration::from_millis(3));
    rig.enter(Wait::Until(until));
    assert!(rig.mio.now() >= until);
    rig.enter(Wait::Until(Time::ZERO));
}

#[test]
fn without_anything_in_flight_nothing_is_asked_of_the_kernel() {
    let mut rig = Rig::new(8, 4, 4096);
    rig.enter(Wait::No);
    assert_eq!(rig.mio.ledger().enters, 0);
}

#[test]
fn a_drain_ends_everything_in_flight() {
    let mut rig = Rig::new(8, 4, 64);
    let (address, _listener) = rig.accepting();
    let mut client = TcpStream::connect(address).unwrap();
    let socket = rig.accepted();
    client.write_all(b"unread").unwrap();
    rig.submit(Token(1), Op::Receive { socket });
    rig.next_bytes();
    let chain = rig.chain(&[0; 4_000_000]);
    rig.submit(Token(2), Op::Send { socket, chain });
    rig.enter(Wait::No);
    rig.submit(Token(3), Op::Cancel { socket });
    assert_eq!(rig.mio.ledger().operations, 2, "the accept and the send");
    rig.assert_nothing_left();
    assert!(!rig.mio.ready());
    sys::assert_deserted(address);
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert!(rest.len() < 4_000_000);
}
