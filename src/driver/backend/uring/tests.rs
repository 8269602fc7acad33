//! The backend against real loopback sockets. Clients are blocking sockets on the same thread: the kernel's buffers take
//! what they write before the backend looks.

mod answers;
mod connects;
mod files;
mod fills;
mod kept;
mod order;
mod regions;
mod short;
mod shortages;
mod storm;
mod zero_copy;

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::*;
use crate::driver::{Event, ReceiveEnd};
use crate::mem::{Chain, Key, Lease, ReceivePool, SendPool};
use crate::sys::{Errno, assert_deserted, needs_io_uring};

const PATIENCE: Duration = Duration::from_secs(40);
const ACCEPT: Token = Token(1);
const RECEIVE: Token = Token(2);
const SEND: Token = Token(3);
const CANCEL: Token = Token(4);
const SHUTDOWN: Token = Token(5);
const CLOSE: Token = Token(6);

/// One core's driver, as a test drives it.
struct Rig {
    uring: Uring,
    pools: Rc<Pools>,
    address: SocketAddr,
    listener: SocketId,
    queue: std::collections::VecDeque<Completion>,
}

/// Sizes that make everything scarce.
const SCARCE: UringConfig = UringConfig {
    pinned_parts_max: 64,
    submission_entries: 2,
    completion_entries: 2,
    sockets_max: 256,
    head_room: 8,
    incremental: true,
    zero_copy_min: 16 << 10,
    zero_copy_always: false,
    prompt_close: false,
};

impl Rig {
    fn new() -> Rig {
        Rig::of(&UringConfig { sockets_max: 256, ..UringConfig::default() }, ReceivePool::new(8, 16_384))
    }

    fn handle(&mut self, socket: SocketId) -> &mut Handle {
        &mut self.uring.in_flight.socket_mut(socket).unwrap().handle
    }

    fn of(config: &UringConfig, receive: ReceivePool) -> Rig {
        Rig::with_backlog(config, receive, 256)
    }

    fn with_backlog(config: &UringConfig, receive: ReceivePool, backlog: u32) -> Rig {
        let pools = Rc::new(Pools { receive, send: SendPool::new([64, 64, 32, 16, 64]) });
        let mut uring = Uring::open(config, &pools).unwrap();
        let mut sockets = uring.bind("127.0.0.1:0".parse().unwrap(), backlog, 1).unwrap();
        let socket = sockets.remove(0);
        let address = socket.address;
        let ListenSource::Os(os) = &socket.source else { panic!("it is one of the system's") };
        // Inherited by what is accepted: what the kernel would hold by itself depends on connections of the past.
        os.set_send_buffer_size(64 << 10).unwrap();
        let listener = uring.adopt(socket).unwrap();
        let mut rig = Rig { uring, pools, address, listener, queue: std::collections::VecDeque::new() };
        rig.submit(ACCEPT, Op::Accept { listener });
        rig
    }

    fn submit(&mut self, token: Token, op: Op) {
        self.uring.submit(&self.pools, token, op);
    }

    /// The next completion of whatever was asked with `token`; the others wait.
    fn next(&mut self, token: Token) -> Event {
        let until = self.uring.now().after(PATIENCE);
        loop {
            if let Some(place) = self.queue.iter().position(|completion| completion.token == token) {
                return self.queue.remove(place).unwrap().event;
            }
            assert!(self.uring.now() < until, "nothing came for {token:?}; there is {:?}", self.queue);
            self.turn(Wait::Until(until));
        }
    }

    fn turn(&mut self, wait: Wait) {
        let mut completions = Vec::new();
        self.uring.enter(&self.pools, wait, &mut completions);
        // That there was no buffer for a moment is told too; what counts here is what comes of it.
        completions.retain(|completion| !matches!(completion.event, Event::Starving));
        self.queue.extend(completions);
    }

    fn connect(&mut self) -> (TcpStream, SocketId) {
        let client = TcpStream::connect(self.address).unwrap();
        client.set_nodelay(true).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.set_write_timeout(Some(PATIENCE)).unwrap();
        (client, self.accepted())
    }

    fn accepted(&mut self) -> SocketId {
        match self.next(ACCEPT) {
            Event::Accepted { socket } => socket,
            other => panic!("instead of a connection: {other:?}"),
        }
    }

    fn lease(&mut self, token: Token) -> Lease {
        match self.next(token) {
            Event::Received { lease } => lease,
            other => panic!("instead of bytes: {other:?}"),
        }
    }

    fn receive(&mut self, token: Token, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            let lease = self.lease(token);
            bytes.extend_from_slice(self.pools.receive.bytes(&lease));
            self.pools.receive.release(lease);
        }
        bytes
    }

    /// Takes bytes of many connections as they come, until each of `count` has `len` more.
    fn receive_each(&mut self, count: u64, len: usize) -> Vec<Vec<u8>> {
        let until = self.uring.now().after(PATIENCE);
        let mut bytes = vec![Vec::new(); count as usize];
        while bytes.iter().any(|bytes| bytes.len() < len) {
            assert!(self.uring.now() < until, "the rest did not come");
            self.turn(Wait::Until(until));
            let completions = std::mem::take(&mut self.queue);
            for Completion { token, event } in completions {
                let Event::Received { lease } = event else { panic!("instead of bytes: {event:?}") };
                bytes[token.0 as usize - 1000].extend_from_slice(self.pools.receive.bytes(&lease));
                self.pools.receive.release(lease);
            }
        }
        bytes
    }

    fn receive_end(&mut self, token: Token) -> ReceiveEnd {
        match self.next(token) {
            Event::ReceiveEnded { why } => why,
            other => panic!("instead of the end: {other:?}"),
        }
    }

    fn chain(&self, bytes: &[u8]) -> Chain {
        let mut chain = Chain::EMPTY;
        self.pools.send.write(&mut chain, bytes).unwrap();
        chain
    }

    fn send(&mut self, socket: SocketId, bytes: &[u8]) {
        let chain = self.chain(bytes);
        self.submit(SEND, Op::Send { socket, chain });
    }

    fn sent(&mut self) -> (u32, Option<Errno>) {
        loop {
            match self.next(SEND) {
                Event::Sending { .. } => {}
                Event::Sent { bytes, error, .. } => return (bytes, error),
                other => panic!("instead of a send: {other:?}"),
            }
        }
    }

    fn close(&mut self, socket: SocketId, reset: bool) {
        self.submit(CLOSE, Op::Close { socket, reset });
        assert!(matches!(self.next(CLOSE), Event::Closed));
    }

    fn cancel(&mut self, socket: SocketId) {
        self.submit(CANCEL, Op::Cancel { socket });
        assert!(matches!(self.next(CANCEL), Event::Cancelled));
    }

    /// Everything is back where it was: one listener with one accept.
    fn assert_at_baseline(&self) {
        let ledger = self.uring.ledger();
        assert_eq!((ledger.sockets, ledger.operations), (1, 1));
        assert_eq!(self.pools.receive.lent(), 0);
        assert_eq!(self.pools.send.taken(), 0);
        assert_eq!(self.uring.stale_answers(), 0);
    }

    fn end(mut self) {
        assert_eq!(self.uring.drain(&self.pools, PATIENCE), Left::default());
        let ledger = self.uring.ledger();
        assert_eq!((ledger.sockets, ledger.operations), (0, 0));
        assert_eq!(self.pools.receive.lent(), 0);
        assert_eq!(self.pools.receive.free(), self.pools.receive.count() as usize);
        assert_eq!(self.pools.send.taken(), 0);
        assert_deserted(self.address);
    }
}

/// One read. An old kernel interrupts it when the ring of this thread has something to do.
fn read(client: &mut TcpStream) -> io::Result<usize> {
    loop {
        match client.read(&mut [0; 8]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[test]
fn an_echo_from_accept_to_close() {
    needs_io_uring!();
    let mut rig = Rig::new();
    let (mut client, socket) = rig.connect();
    rig.submit(RECEIVE, Op::Receive { socket });
    for round in 0..3 {
        let text = format!("hello {round}");
        client.write_all(text.as_bytes()).unwrap();
        let bytes = rig.receive(RECEIVE, text.len());
        assert_eq!(bytes, text.as_bytes());
        rig.send(socket, &bytes);
        assert_eq!(rig.sent(), (text.len() as u32, None));
        let mut answer = vec![0; text.len()];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(answer, text.as_bytes());
    }
    rig.submit(SHUTDOWN, Op::Shutdown { socket, both: false });
    assert!(matches!(rig.next(SHUTDOWN), Event::ShutDown { error: None }));
    assert_eq!(read(&mut client).unwrap(), 0);
    drop(client);
    assert_eq!(rig.receive_end(RECEIVE), ReceiveEnd::EndOfStream);
    rig.close(socket, false);
    rig.assert_at_baseline();
    rig.end();
}

#[test]
fn a_send_in_more_parts_than_fit_arrives_whole_and_in_order() {
    needs_io_uring!();
    let mut rig = Rig::new();
    let (mut client, socket) = rig.connect();
    let text: Vec<u8> = (0..3_000_000_u32).map(|byte| ((byte * 7) >> 3) as u8).collect();
    rig.send(socket, &text);
    let twin = text.clone();
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).unwrap();
        assert!(bytes == twin);
    });
    assert_eq!(rig.sent(), (text.len() as u32, None));
    rig.close(socket, false);
    reader.join().unwrap();
    rig.assert_at_baseline();
    rig.end();
}

#[test]
fn an_empty_send_completes() {
    needs_io_uring!();
    let mut rig = Rig::new();
    let (_client, socket) = rig.connect();
    rig.submit(SEND, Op::Send { socket, chain: Chain::EMPTY });
    assert_eq!(rig.sent(), (0, None));
    rig.close(socket, false);
    rig.assert_at_baseline();
}

#[test]
fn queues_and_pools_of_two_serve_a_hundred_connections() {
    needs_io_uring!();
    let mut rig = Rig::of(&SCARCE, ReceivePool::new(2, 512));
    let mut clients = Vec::new();
    for number in 0..100 {
        clients.push(rig.connect());
        let socket = clients[number].1;
        rig.submit(Token(1000 + number as u64), Op::Receive { socket });
    }
    for round in 0..3_u8 {
        for (number, (client, _)) in clients.iter_mut().enumerate() {
            client.write_all(&[number as u8 ^ round; 700]).unwrap();
        }
        for (number, bytes) in rig.receive_each(100, 700).into_iter().enumerate() {
            assert!(bytes == [number as u8 ^ round; 700], "connection {number}");
            rig.send(clients[number].1, &bytes[..64]);
        }
        for (number, (client, _)) in clients.iter_mut().enumerate() {
            assert_eq!(rig.sent(), (64, None));
            let mut answer = [0; 64];
            client.read_exact(&mut answer).unwrap();
            assert_eq!(answer, [number as u8 ^ round; 64]);
        }
    }
    assert!(rig.uring.ledger().queue_full > 0);
    for (number, (client, socket)) in clients.into_iter().enumerate() {
        drop(client);
        assert_eq!(rig.receive_end(Token(1000 + number as u64)), ReceiveEnd::EndOfStream);
        rig.submit(CLOSE, Op::Close { socket, reset: false });
    }
    for _ in 0..100 {
        assert!(matches!(rig.next(CLOSE), Event::Closed));
    }
    rig.assert_at_baseline();
    rig.end();
}

#[test]
fn a_completion_queue_that_overflows_loses_nothing() {
    needs_io_uring!();
    let mut rig = Rig::of(&SCARCE, ReceivePool::new(64, 256));
    let (mut clients, mut sockets) = (Vec::new(), Vec::new());
    for number in 0..50 {
        let (client, socket) = rig.connect();
        rig.submit(Token(1000 + number), Op::Receive { socket });
        clients.push(client);
        sockets.push(socket);
    }
    rig.turn(Wait::No);
    for client in &mut clients {
        client.write_all(b"all at once").unwrap();
    }
    for number in 0..50 {
        assert_eq!(rig.receive(Token(1000 + number), 11), b"all at once");
    }
    assert!(rig.uring.ledger().overflows > 0, "the queue of two was too small, as intended");
    rig.end();
}

#[test]
fn a_burst_of_connections_is_accepted_whole() {
    needs_io_uring!();
    let config = UringConfig { sockets_max: 600, ..SCARCE };
    let mut rig = Rig::of(&config, ReceivePool::new(2, 256));
    let clients: Vec<_> = (0..200).map(|_| TcpStream::connect(rig.address).unwrap()).collect();
    let sockets: Vec<_> = clients.iter().map(|_| rig.accepted()).collect();
    for socket in sockets {
        rig.close(socket, false);
    }
    rig.assert_at_baseline();
    rig.end();
}

#[test]
fn the_limit_of_sockets_is_kept_and_who_comes_too_early_waits() {
    needs_io_uring!();
    // Enough places for a burst in the first case: the accept is exchanged on the way.
    for sockets_max in [110, 12, 2] {
        let config = UringConfig { sockets_max, head_room: 0, ..UringConfig::default() };
        let mut rig = Rig::with_backlog(&config, ReceivePool::new(4, 256), 60);
        let mut open = std::collections::VecDeque::new();
        let mut served = 0;
        let mut clients = Vec::new();
        while served < 200 {
            while clients.len() < 200 && clients.len() - served - open.len() < 30 {
                let mut client = TcpStream::connect(rig.address).unwrap();
                client.write_all(b"?").unwrap();
                clients.push(client);
            }
            match rig.next(ACCEPT) {
                Event::Accepted { socket } => open.push_back(socket),
                Event::AcceptEnded { error } => {
                    assert_eq!(error, Errno::ENFILE);
                    assert_eq!(rig.uring.ledger().sockets, sockets_max as usize);
                    // Room again, by serving half.
                    for _ in 0..open.len().div_ceil(2) {
                        let socket = open.pop_front().unwrap();
                        rig.submit(RECEIVE, Op::Receive { socket });
                        assert_eq!(rig.receive(RECEIVE, 1), b"?", "a connection that nobody closed");
                        rig.cancel(socket);
                        rig.receive_end(RECEIVE);
                        rig.close(socket, false);
                        served += 1;
                    }
                    let listener = rig.listener;
                    rig.submit(ACCEPT, Op::Accept { listener });
                }
                other => panic!("{other:?}"),
            }
            if clients.len() == 200 && open.len() + served == 200 {
                served += open.len();
            }
            assert!(rig.uring.ledger().sockets <= sockets_max as usize);
        }
        rig.end();
    }
}

#[test]
fn many_parked_receives_are_served_in_turn() {
    needs_io_uring!();
    let mut rig = Rig::of(&SCARCE, ReceivePool::new(1, 16));
    let mut clients: Vec<_> = (0..40).map(|_| rig.connect()).collect();
    for (number, (client, socket)) in clients.iter_mut().enumerate() {
        rig.submit(Token(1000 + number as u64), Op::Receive { socket: *socket });
        client.write_all(&[number as u8; 48]).unwrap();
    }
    for (number, bytes) in rig.receive_each(40, 48).into_iter().enumerate() {
        assert_eq!(bytes, [number as u8; 48]);
    }
    // Armed receives without data must not be stranded either: one more message each.
    for (number, (client, _)) in clients.iter_mut().enumerate() {
        client.write_all(&[number as u8; 3]).unwrap();
    }
    for (number, bytes) in rig.receive_each(40, 3).into_iter().enumerate() {
        assert_eq!(bytes, [number as u8; 3]);
    }
    rig.end();
}

#[test]
fn a_cancelled_receive_can_begin_again_without_losing_bytes() {
    needs_io_uring!();
    let mut rig = Rig::new();
    let (mut client, socket) = rig.connect();
    for round in 0..5_u8 {
        rig.submit(RECEIVE, Op::Receive { socket });
        client.write_all(&[round; 20]).unwrap();
        let mut bytes = Vec::new();
        if round % 2 == 0 {
            bytes = rig.receive(RECEIVE, 20);
        }
        rig.cancel(socket);
        loop {
            match rig.next(RECEIVE) {
                Event::Received { lease } => {
                    bytes.extend_from_slice(rig.pools.receive.bytes(&lease));
                    rig.pools.receive.release(lease);
                }
                Event::ReceiveEnded { why } => break assert_eq!(why, ReceiveEnd::Cancelled),
                other => panic!("{other:?}"),
            }
        }
        if bytes.is_empty() {
            rig.submit(RECEIVE, Op::Receive { socket });
            bytes = rig.receive(RECEIVE, 20);
            rig.cancel(socket);
            assert_eq!(rig.receive_end(RECEIVE), ReceiveEnd::Cancelled);
        }
        assert_eq!(bytes, [round; 20]);
    }
    rig.close(socket, false);
    rig.assert_at_baseline();
}

#[test]
fn cancelling_where_nothing_is_under_way_answers() {
    needs_io_uring!();
    let mut rig = Rig::new();
    let (_client, socket) = rig.connect();
    rig.cancel(socket);
    rig.close(socket, false);
    rig.assert_at_baseline();
}

#[test]
fn a_cancelled_accept_ends_and_can_begin_again() {
    needs_io_uring!();
    let mut rig = Rig::new();
    let listener = rig.listener;
    rig.turn(Wait::No);
    rig.cancel(listener);
    assert!(matches!(rig.next(ACCEPT), Event::AcceptEnded { error: Errno::ECANCELED }));
    let client = TcpStream::connect(rig.address).unwrap();
    rig.submit(ACCEPT, Op::Accept { listener });
    let socket = rig.accepted();
    drop(client);
    rig.close(socket, false);
    rig.assert_at_baseline();
}

#[test]
fn a_closed_listener_refuses_and_its_port_is_free() {
    needs_io_uring!();
    let mut rig = Rig::new();
    let listener = rig.listener;
    rig.cancel(listener);
    assert!(matches!(rig.next(ACCEPT), Event::AcceptEnded { .. }));
    rig.close(listener, false);
    assert_deserted(rig.address);
    drop(rig.uring.bind(rig.address, 4, 2).unwrap());
}

#[test]
fn a_reset_is_seen_as_one_by_the_peer() {
    needs_io_uring!();
    let mut rig = Rig::new();
    for reset in [true, false] {
        let (mut client, socket) = rig.connect();
        rig.close(socket, reset);
        let read = read(&mut client);
        match reset {
            true => assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset),
            false => assert_eq!(read.unwrap(), 0),
        }
    }
    rig.assert_at_baseline();
}

#[test]
fn a_reset_by_the_peer_ends_the_receive_with_the_error() {
    needs_io_uring!();
    let mut rig = Rig::new();
    let (client, socket) = rig.connect();
    rig.submit(RECEIVE, Op::Receive { socket });
    rig.turn(Wait::No);
    socket2::Socket::from(client).set_linger(Some(Duration::ZERO)).unwrap();
    assert_eq!(rig.receive_end(RECEIVE), ReceiveEnd::Failed(Errno::ECONNRESET));
    rig.send(socket, b"too late");
    let (bytes, error) = rig.sent();
    assert_eq!((bytes, error), (0, Some(Errno::EPIPE)));
    rig.close(socket, true);
    rig.assert_at_baseline();
}

#[test]
fn a_half_closed_connection_still_gets_its_answer() {
    needs_io_uring!();
    let mut rig = Rig::new();
    let (mut client, socket) = rig.connect();
    rig.submit(RECEIVE, Op::Receive { socket });
    client.write_all(b"last words").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rig.receive(RECEIVE, 10), b"last words");
    assert_eq!(rig.receive_end(RECEIVE), ReceiveEnd::EndOfStream);
    rig.send(socket, b"answer");
    assert_eq!(rig.sent(), (6, None));
    rig.close(socket, false);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "answer");
    rig.assert_at_baseline();
}

#[test]
fn shutting_down_both_directions_ends_a_send_that_is_stuck() {
    needs_io_uring!();
    let mut rig = Rig::new();
    let (_client, socket) = rig.connect();
    // More than the kernel's buffers hold: it stays under way.
    rig.send(socket, &vec![1; 4_000_000]);
    let soon = rig.uring.now().after(Duration::from_millis(5));
    rig.turn(Wait::Until(soon));
    assert!(rig.queue.drain(..).all(|completion| completion.event.more()), "the peer does not read");
    rig.submit(SHUTDOWN, Op::Shutdown { socket, both: true });
    assert!(matches!(rig.next(SHUTDOWN), Event::ShutDown { error: None }));
    let (bytes, error) = rig.sent();
    assert!(bytes < 4_000_000);
    assert!(error.is_some());
    rig.close(socket, true);
    rig.assert_at_baseline();
    rig.end();
}

#[test]
fn everything_in_flight_ends_in_a_drain() {
    needs_io_uring!();
    let mut rig = Rig::new();
    let mut clients = Vec::new();
    for number in 0..20 {
        let (client, socket) = rig.connect();
        rig.submit(RECEIVE, Op::Receive { socket });
        if number % 3 == 0 {
            rig.send(socket, &vec![1; 150_000]);
        }
        if number % 5 == 0 {
            rig.submit(CANCEL, Op::Cancel { socket });
        }
        clients.push(client);
    }
    rig.end();
}

#[test]
fn a_wake_from_another_thread_ends_a_sleep_each_time() {
    needs_io_uring!();
    let mut rig = Rig::new();
    rig.turn(Wait::No);
    let waker = rig.uring.waker();
    for round in 1..=3 {
        let waker = waker.clone();
        let thread = std::thread::spawn(move || waker.wake());
        while rig.uring.wakes() < round {
            rig.turn(Wait::Until(Time::MAX));
        }
        thread.join().unwrap();
        assert!(rig.queue.is_empty());
    }
    rig.assert_at_baseline();
    rig.end();
    waker.wake();
}

#[test]
fn a_wake_before_the_sleep_is_not_lost() {
    needs_io_uring!();
    let mut rig = Rig::new();
    rig.uring.waker().wake();
    rig.turn(Wait::Until(Time::MAX));
    assert_eq!(rig.uring.wakes(), 1);
}

#[test]
fn an_idle_backend_makes_no_system_call() {
    needs_io_uring!();
    let mut rig = Rig::new();
    rig.turn(Wait::No);
    let enters = rig.uring.ledger().enters;
    for _ in 0..10 {
        assert!(!rig.uring.ready());
        rig.turn(Wait::No);
    }
    assert_eq!(rig.uring.ledger().enters, enters);
}

#[test]
fn an_echo_costs_one_system_call_per_turn() {
    needs_io_uring!();
    let mut rig = Rig::new();
    let (mut client, socket) = rig.connect();
    rig.submit(RECEIVE, Op::Receive { socket });
    rig.turn(Wait::No);
    let enters = rig.uring.ledger().enters;
    for _ in 0..100 {
        client.write_all(b"ping").unwrap();
        rig.turn(Wait::Until(Time::MAX));
        let bytes = rig.receive(RECEIVE, 4);
        rig.send(socket, &bytes);
        rig.turn(Wait::Until(Time::MAX));
        assert_eq!(rig.sent(), (4, None));
        client.read_exact(&mut [0; 4]).unwrap();
    }
    assert_eq!(rig.uring.ledger().enters - enters, 200);
}

#[test]
fn an_answer_for_an_operation_that_has_ended_is_counted_and_its_buffer_returned() {
    needs_io_uring!();
    let mut rig = Rig::new();
    rig.turn(Wait::No);
    let key = Key { index: 0, generation: 77 };
    let answer = Answer { user_data: key.to_bits(), result: 5, flags: 1 };
    let mut completions = Vec::new();
    rig.uring.complete(&rig.pools, answer, &mut completions);
    assert!(completions.is_empty());
    assert_eq!(rig.uring.stale_answers(), 1);
    assert_eq!(rig.pools.receive.lent(), 0);
    assert!(rig.pools.receive.has_free(), "the buffer came back");
}

#[test]
fn ops_on_a_closed_socket_are_answered() {
    needs_io_uring!();
    let mut rig = Rig::new();
    let (_client, socket) = rig.connect();
    rig.close(socket, false);
    rig.submit(RECEIVE, Op::Receive { socket });
    assert_eq!(rig.receive_end(RECEIVE), ReceiveEnd::Failed(Errno::EBADF));
    rig.send(socket, b"nobody");
    assert_eq!(rig.sent(), (0, Some(Errno::EBADF)));
    rig.close(socket, false);
    rig.assert_at_baseline();
}

#[test]
fn a_dropped_backend_leaves_the_process_sound() {
    needs_io_uring!();
    for _ in 0..20 {
        let mut rig = Rig::new();
        let (mut client, socket) = rig.connect();
        rig.submit(RECEIVE, Op::Receive { socket });
        rig.send(socket, &vec![1; 1_000_000]);
        rig.turn(Wait::No);
        client.write_all(b"unread").unwrap();
        let Rig { uring, pools, .. } = rig;
        drop(uring);
        // Not drained: the kernel may still write to the pools, which must live on.
        assert!(Rc::strong_count(&pools) > 1, "the backend has leaked them");
    }
}

#[test]
fn an_impossible_table_names_its_stage() {
    needs_io_uring!();
    let pools = Rc::new(Pools { receive: ReceivePool::new(2, 64), send: SendPool::new([1, 0, 0, 0, 0]) });
    let config = UringConfig { sockets_max: 1 << 20, ..UringConfig::default() };
    let error = Uring::open(&config, &pools).unwrap_err();
    assert_eq!((error.stage, error.errno), (Stage::Descriptors, Errno::EMFILE));
    assert!(!error.fallback_allowed());
    assert!(error.to_string().contains("RLIMIT_NOFILE"));
}

#[test]
fn other_pools_are_refused() {
    needs_io_uring!();
    let mut rig = Rig::new();
    let other = Pools { receive: ReceivePool::new(2, 64), send: SendPool::new([1, 0, 0, 0, 0]) };
    let entered = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        rig.uring.enter(&other, Wait::No, &mut Vec::new());
    }));
    assert!(entered.is_err(), "the kernel would keep addresses of pools that may go");
    rig.assert_at_baseline();
}
