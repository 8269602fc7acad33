//! Clients that do not read, and what that costs: their own connection, and a bounded memory.
//!
//! Knows: outboxes, pauses. Must not know the pools.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use odeon::prelude::*;
use odeon::sys::{Time, now};
use socket2::SockRef;

use crate::client::{connect, ends_by_reset, expect, pattern, request};
use crate::echo::Echo;
use crate::session::{Do, Habits, sessions};
use crate::world::World;

/// Writes as much of `bytes` as the socket takes; answers how much that was.
pub(crate) fn push(mut stream: &TcpStream, bytes: &[u8]) -> usize {
    let mut written = 0;
    while written < bytes.len() {
        match stream.write(&bytes[written..]) {
            Ok(more) => written += more,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("the connection is open: {error}"),
        }
    }
    written
}

/// Reads at most `most` bytes, which must be those expected; answers how many came.
fn pull(mut stream: &TcpStream, expected: &[u8], most: usize) -> usize {
    let mut bytes = vec![0; most.min(expected.len())];
    match stream.read(&mut bytes) {
        Ok(got) => {
            assert!(bytes[..got] == expected[..got], "everything arrives byte for byte");
            got
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
        Err(error) => panic!("the connection is open: {error}"),
    }
}

pub(crate) fn a_client_that_reads_slowly_makes_itself_wait(on: BackendChoice) {
    const TOTAL: usize = 64 << 20;
    // What both sockets of both ends hold at most, the receive pool, the outbox, and something in between.
    const BETWEEN_MAX: usize = 28 << 20;
    let mut world = World::new(on, 1);
    let stream = connect(world.serve(|_| Echo));
    stream.set_nonblocking(true).expect("a socket can be made not to block");
    let bytes = pattern(5, TOTAL);
    let (mut written, mut read, mut most_between) = (0, 0, 0);
    while read < TOTAL {
        written += push(&stream, &bytes[written..]);
        // A turn of the core, so that the server does what it can before the client reads on.
        world.ledgers();
        if written < TOTAL {
            written += push(&stream, &bytes[written..]);
            most_between = most_between.max(written - read);
        }
        read += pull(&stream, &bytes[read..], 128 << 10);
    }
    assert!(most_between < BETWEEN_MAX, "{most_between} bytes were on their way at one time");
    drop(stream);
    world.finish();
}

pub(crate) fn a_client_that_never_reads_is_not_read_from(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let address = world.serve(|_| Echo);
    let stream = connect(address);
    stream.set_nonblocking(true).expect("a socket can be made not to block");
    let bytes = pattern(6, 64 << 20);
    let (mut written, mut quiet) = (0, 0);
    while quiet < 200 {
        let more = push(&stream, &bytes[written..]);
        written += more;
        quiet = if more == 0 { quiet + 1 } else { 0 };
        assert!(written < 28 << 20, "the client's writes block");
        world.ledgers();
    }
    // It is alive: what it took comes back, whole.
    stream.set_nonblocking(false).expect("a socket can be made to block");
    let (mut reader, mut got) = (&stream, vec![0; written]);
    reader.read_exact(&mut got).expect("everything comes back");
    assert!(got == bytes[..written], "everything arrives byte for byte");
    drop(stream);
    world.finish();
}

/// What a core has lent of its receive buffers to anybody.
fn leases(world: &World) -> usize {
    world.ledgers()[0].receive_leases
}

pub(crate) fn what_waits_for_its_reader_holds_no_receive_buffer(on: BackendChoice) {
    let (make, events) = sessions(Habits::default());
    let mut world = World::new(on, 1);
    let address = world.serve(make);
    // Because the actor does not want to read. Whoever has the reply knows that the turn is over.
    let mut stream = connect(address);
    let session = events.started();
    request(&mut stream, "echo before\npause\necho behind", "before\n");
    assert_eq!(leases(&world), 0, "what is behind the pause lies in a buffer of its own");
    session.tell(Do::Resume).expect("messages are handled");
    expect(&mut stream, b"behind\n");
    // Because the client does not: far more replies than all sockets take.
    let mut slow = slow_reader(address);
    expect(&mut slow, &pattern(1, 500_000)[..1]);
    world.wait_for("the output to be at its bound", |cores| cores[0].send_slots > 0);
    assert_eq!(leases(&world), 0, "requests that wait for room lie in a buffer of their own");
    drop((stream, slow));
    world.finish();
}

/// From its first frame on it has a message for itself, for which alone there is a place, until the other end is dropped.
struct Busy(Arc<Mutex<Receiver<()>>>);

#[derive(Message)]
struct Again;

impl Accepts<Again> for Busy {
    fn accept(message: Again) -> Again {
        message
    }
}

impl Actor for Busy {
    type Message = Again;
    const MAILBOX_CAPACITY: u32 = 1;

    fn handle(&mut self, again: Again, cx: &mut Context<Self>) -> Flow {
        let until = self.0.lock().expect("nobody panics");
        if until.try_recv() == Err(TryRecvError::Empty) {
            cx.me().tell(again).or_dead_letter();
        }
        Flow::Continue
    }
}

impl Connection for Busy {
    type Codec = Lines<100>;

    fn frame(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        cx.write_line(line);
        cx.me().tell(Again).or_dead_letter();
        Flow::Continue
    }
}

pub(crate) fn what_waits_behind_a_full_mailbox_holds_no_receive_buffer(on: BackendChoice) {
    // One line and one message in each activation: the second line waits, and the mailbox is full.
    let mut world = World::with(on, 1, |config| config.activation_messages = 1);
    let (go, until) = channel();
    let until = Arc::new(Mutex::new(until));
    let mut stream = connect(world.serve(move |_| Busy(until.clone())));
    request(&mut stream, "first\nsecond", "first\n");
    assert_eq!(leases(&world), 0, "what is not handled yet lies in a buffer of its own");
    drop(go);
    expect(&mut stream, b"second\n");
    drop(stream);
    world.finish();
}

pub(crate) fn requests_that_were_read_before_a_stop_are_answered(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let (make, events) = sessions(Habits { last_words: "bye", ..Habits::default() });
    let mut stream = connect(world.serve(make));
    let session = events.started();
    // Replies far beyond the outbox, so that requests wait in front of it when the stop comes.
    let requests = "big 300000\n".repeat(40);
    let mut writer = stream.try_clone().expect("a descriptor is left");
    let all = thread::spawn(move || writer.write_all(requests.as_bytes()).expect("the server reads"));
    all.join().expect("requests are short");
    world.wait_for_figure("the first requests", 2, |ledger| ledger.handled);
    session.stop();
    let mut got = Vec::new();
    stream.read_to_end(&mut got).expect("the stream ends in order");
    assert!(got.ends_with(b"bye"), "it has ended in order");
    let reply = pattern(1, 300_000);
    assert_eq!((got.len() - 3) % reply.len(), 0, "no reply is cut off");
    assert!(got.chunks_exact(reply.len()).all(|part| part == reply), "every reply is whole");
    assert_eq!(got.len() / reply.len(), 40, "every request that was read is answered");
    drop(stream);
    world.finish();
}

/// A client that has asked for more than the sockets take, and reads nothing.
pub(crate) fn slow_reader(address: SocketAddr) -> TcpStream {
    let mut stream = connect(address);
    SockRef::from(&stream).set_recv_buffer_size(64 << 10).expect("the option exists");
    stream.write_all("big 500000\n".repeat(24).as_bytes()).expect("the kernel takes it");
    stream
}

pub(crate) fn clients_that_do_not_read_leave_slots_to_the_others(on: BackendChoice) {
    const SLOW: usize = 120;
    // No deadline helps: those that do not read stay. Slots for a few of them only.
    let mut world = World::with(on, 1, |config| {
        config.write_stall = Duration::from_secs(3600);
        config.send_slots = [1024, 512, 128, 32, 8];
    });
    let (make, _events) = sessions(Habits::default());
    let address = world.serve(make);
    let mut other = connect(address);
    let slow: Vec<TcpStream> = (0..SLOW).map(|_| slow_reader(address)).collect();
    world.wait_for("all of them to be in the way", |cores| cores[0].send_slots >= SLOW);
    for _ in 0..10 {
        request(&mut other, "echo served", "served\n");
        request(&mut connect(address), "echo served too", "served too\n");
    }
    assert_eq!(world.ledgers()[0].connections_cut_off, 0, "nobody had to go for that");
    drop((slow, other));
    world.finish();
}

pub(crate) fn a_client_that_reads_a_little_at_a_time_is_waited_for(on: BackendChoice) {
    // A machine that does much else does not keep the client from reading for so long.
    const STALL: Duration = Duration::from_millis(1500);
    const BYTES_PER_MILLISECOND: usize = 1600;
    let mut world = World::with(on, 1, |config| config.write_stall = STALL);
    let stream = connect(world.serve(|_| Echo));
    // A window that opens by little: with a large one, the kernel lets the server wait for as long as the stall allows.
    SockRef::from(&stream).set_recv_buffer_size(64 << 10).expect("the option exists");
    stream.set_nonblocking(true).expect("a socket can be made not to block");
    let bytes = pattern(7, 64 << 20);
    let (start, mut written, mut read) = (now(), 0, 0);
    // The first time that the server took nothing, and the last; in between it takes a little now and then.
    let mut took_nothing: Option<(Time, Time)> = None;
    // Nothing comes to this one: it is the clock by which the client reads, for twice as long.
    let clock = UdpSocket::bind("127.0.0.1:0").expect("a free port is found");
    clock.set_read_timeout(Some(Duration::from_millis(10))).expect("a timeout can be set");
    while now() < start.after(STALL * 2) {
        // As much as the time allows: where a step comes late, more at once.
        let due = now().since(start).as_millis() as usize * BYTES_PER_MILLISECOND;
        read += pull(&stream, &bytes[read..], due.saturating_sub(read));
        written += push(&stream, &bytes[written..]);
        // A turn of the core, in which the server reads what it can: where it takes nothing, its output waits.
        world.ledgers();
        let more = push(&stream, &bytes[written..]);
        written += more;
        if more == 0 {
            took_nothing = Some((took_nothing.map_or_else(now, |(first, _)| first), now()));
        }
        assert!(clock.recv(&mut [0]).is_err(), "nobody sends anything here");
    }
    let (first, last) = took_nothing.expect("the server does not take everything");
    assert!(last.since(first) > STALL, "its output is behind for longer than a client may take nothing");
    assert_eq!(world.ledgers()[0].connections_cut_off, 0);
    drop(stream);
    world.finish();
}

pub(crate) fn a_stop_does_not_wait_for_a_client_that_does_not_read(on: BackendChoice) {
    let mut world = World::with(on, 1, |config| config.close_deadline = Duration::from_millis(150));
    let (make, events) = sessions(Habits::default());
    let mut slow = slow_reader(world.serve(make));
    let session = events.started();
    world.wait_for_figure("the first request", 1, |ledger| ledger.handled);
    session.stop();
    assert_eq!(events.stopped(), StopReason::Aborted);
    assert!(ends_by_reset(&mut slow), "a stream that was cut short does not look like one that ended");
    drop(slow);
    world.finish();
}
