//! Peers that do not read, on real sockets: what becomes of what is written to them.
//!
//! Knows: sessions, policies, and that everything is accounted for. Must not know how much the kernel holds.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use odeon::prelude::*;
use socket2::SockRef;

use crate::client::{connect, ends_by_reset, finish, pattern, request, rest};
use crate::session::{Do, Events, Habits, Session, Told, sessions};
use crate::world::World;

const BOUND: usize = 256 << 10;
/// In each line that is written.
const LINE: usize = 10_000;

/// A peer that does not read, and another one that does.
fn meet(
    world: &mut World,
    overflow: Overflow,
    grace: Option<Duration>,
) -> ([TcpStream; 2], Addr<Session>, Events) {
    let (make, events) = sessions(Habits::default());
    let listener = world.system.listener("127.0.0.1:0").outbox_bytes(BOUND).outbox_overflow(overflow);
    let listener = grace.into_iter().fold(listener, |listener, grace| listener.outbox_grace(grace));
    let address = listener.start(make).expect("a free port is found").address();
    world.listens();
    let (slow, session) = (connect(address), events.started());
    let other = connect(address);
    events.started();
    ([slow, other], session, events)
}

/// Writes numbered lines until so many have been left out; answers how many were written.
fn write_until(
    world: &World,
    session: Addr<Session>,
    other: &mut TcpStream,
    left_out: u64,
    figure: fn(&odeon::Ledger) -> u64,
) -> u64 {
    let mut written = 0;
    while world.sum(figure) < left_out {
        assert!(written < 10_000, "the kernel does not hold as much");
        for _ in 0..5 {
            let line = format!("{written:0width$}\n", width = LINE - 1);
            session.tell(Do::Write(line.into_bytes())).or_dead_letter();
            written += 1;
        }
        request(other, "echo still served", "still served\n");
        let held: usize = world.ledgers().iter().map(|ledger| ledger.send_slots).sum();
        assert!(held < 100, "{held} slots are used");
    }
    written
}

/// Ends a peer's stream, and reads what it was sent: numbers of lines, which are whole.
fn numbers(stream: TcpStream) -> Vec<u64> {
    finish(&stream);
    let lines = BufReader::new(stream).lines().map(|line| line.expect("the stream ends in order"));
    lines
        .map(|line| {
            assert_eq!(line.len(), LINE - 1, "a line was cut");
            line.parse().expect("a number")
        })
        .collect()
}

pub(crate) fn a_peer_that_does_not_read_is_closed_after_its_grace(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let grace = Some(Duration::from_millis(20));
    let ([mut slow, mut other], session, events) = meet(&mut world, Overflow::Close, grace);
    // Until the kernel takes no more: half of the bound waits then, and never the bound.
    let mut rounds = 0..10_000;
    let reason = loop {
        assert!(rounds.next().is_some(), "it ends");
        session.tell(Do::Write(vec![b'x'; LINE])).or_dead_letter();
        request(&mut other, "echo still served", "still served\n");
        if let Some(told) = events.at_hand() {
            break told;
        }
    };
    assert_eq!(reason, Told::Stopped(StopReason::OutboxFull));
    assert!(ends_by_reset(&mut slow));
    assert_eq!(world.sum(|ledger| ledger.connections_outbox_full), 1);
    drop(other);
    world.finish();
}

pub(crate) fn what_is_refused_is_counted_and_the_rest_arrives(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let ([slow, mut other], session, events) = meet(&mut world, Overflow::Refuse, None);
    let written = write_until(&world, session, &mut other, 20, |ledger| ledger.writes_refused);
    let got = numbers(slow);
    assert!(got.iter().copied().eq(0..got.len() as u64), "the first are there, and all of those");
    assert_eq!(got.len() as u64 + world.sum(|ledger| ledger.writes_refused), written);
    assert_eq!(events.stopped(), StopReason::EndOfStream);
    assert_eq!(world.sum(|ledger| ledger.connections_outbox_full), 0);
    drop(other);
    world.finish();
}

pub(crate) fn what_is_dropped_is_counted_and_the_newest_arrive(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let ([slow, mut other], session, events) = meet(&mut world, Overflow::DropOldest, None);
    let written = write_until(&world, session, &mut other, 50, |ledger| ledger.writes_dropped);
    let got = numbers(slow);
    assert!(got.is_sorted_by(|one, next| one < next));
    assert_eq!(got.last(), Some(&(written - 1)), "the newest is there");
    let dropped = world.sum(|ledger| ledger.writes_dropped);
    assert_eq!(got.len() as u64 + dropped, written);
    assert_eq!(world.sum(|ledger| ledger.writes_refused), 0);
    assert_eq!(events.stopped(), StopReason::EndOfStream);
    drop(other);
    world.finish();
}

pub(crate) fn a_peer_that_reads_only_when_its_connection_has_closed_gets_everything(on: BackendChoice) {
    // So much the kernel takes, and so little of it is with the peer.
    const BYTES: usize = 200_000;
    const WINDOW: usize = 4 << 10;
    let mut world = World::with(on, 1, |config| {
        // So long the kernel may take nothing, on a busy machine; and so long it takes until a connection has closed.
        config.close_deadline = Duration::from_millis(300);
        config.linger_after = Duration::from_secs(3600);
    });
    let (make, events) = sessions(Habits::default());
    let address = world.serve(make);
    for round in 1..=3 {
        let mut stream = connect(address);
        SockRef::from(&stream).set_recv_buffer_size(WINDOW).expect("the option exists");
        stream.write_all(format!("big {BYTES}\nclose\n").as_bytes()).expect("the server reads");
        assert_eq!(events.stopped(), StopReason::Stopped);
        world.wait_for_figure("its end", round, |ledger| ledger.connections_closed);
        assert!(rest(&mut stream) == pattern(1, BYTES), "the kernel delivers what it has taken");
    }
    assert_eq!(world.sum(|ledger| ledger.connections_cut_off), 0);
    world.finish();
}

/// Counts the bytes of all that exist.
struct Counted {
    bytes: Vec<u8>,
    held: Arc<AtomicUsize>,
}

impl Counted {
    fn new(len: usize, held: &Arc<AtomicUsize>) -> Counted {
        held.fetch_add(len, Ordering::SeqCst);
        Counted { bytes: vec![7; len], held: held.clone() }
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes.len(), Ordering::SeqCst);
    }
}

pub(crate) fn what_many_peers_do_not_read_is_bounded_by_the_core(on: BackendChoice) {
    const PEERS: usize = 100;
    const EACH: usize = 64 << 10;
    const LINKED_MAX: usize = 4 << 20;
    let mut world = World::with(on, 1, |config| {
        config.send_part_bytes_max = LINKED_MAX;
        // What is copied beyond has its own bounds.
        (config.spill_bytes_max, config.send_slots) = (64 << 10, [1024, 64, 0, 0, 0]);
        config.write_stall = Duration::from_secs(3600);
    });
    let (make, events) = sessions(Habits::default());
    let listener =
        world.system.listener("127.0.0.1:0").outbox_bytes(16 << 20).outbox_overflow(Overflow::Refuse);
    let address = listener.start(make).expect("a free port is found").address();
    world.listens();
    let mut other = connect(address);
    events.started();
    let slow: Vec<_> = (0..PEERS).map(|_| (connect(address), events.started())).collect();
    let held = Arc::new(AtomicUsize::new(0));
    // More than all sockets take: the rest is refused, and let go.
    let mut rounds = 0;
    while world.sum(|ledger| ledger.writes_refused) < 20 * PEERS as u64 {
        rounds += 1;
        assert!(rounds < 1000, "the kernel does not hold as much");
        for (_, session) in &slow {
            session.tell(Do::Give(Bytes::from_owner(Counted::new(EACH, &held)))).or_dead_letter();
            session.tell(Do::Say(rounds)).or_dead_letter();
        }
        (0..PEERS).for_each(|_| assert_eq!(events.next(), Told::Handled(rounds)));
        request(&mut other, "echo still served", "still served\n");
        world.ledgers();
        let held = held.load(Ordering::SeqCst);
        assert!(held <= LINKED_MAX, "{held} bytes are in memory");
    }
    assert!(held.load(Ordering::SeqCst) > LINKED_MAX / 2, "those that wait");
    assert_eq!(world.sum(|ledger| ledger.connections_outbox_full), 0);
    drop((slow, other));
    world.finish();
    assert_eq!(held.load(Ordering::SeqCst), 0);
}
