//! Peers that read too slowly: what becomes of what is written to them, to the byte and to the millisecond.
//!
//! Knows: virtual time, peers that take as much as they are told to. Must not know how the runtime keeps what waits.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use odeon::prelude::*;
use odeon::sys::Random;
use odeon::system::simulation::{SimPeer, Simulation};

use super::journal::{Journal, Life};
use super::play::{self, Part};
use super::world::{World, pick, small};

/// The bound of its outbox.
const BOUND: usize = 1000;
const GRACE: Duration = Duration::from_secs(1);
/// Just less, and just more.
const SHORT: Duration = Duration::from_millis(999);
const MOMENT: Duration = Duration::from_millis(2);

/// Writes what it is told to.
struct Teller {
    met: Sender<Addr<Teller>>,
    ended: Sender<StopReason>,
}

#[derive(Message)]
enum Do {
    Write(Vec<u8>),
    Try(Vec<u8>, Sender<bool>),
    Count(Sender<u32>),
}

#[actor(codec = Lines<80>)]
impl Teller {
    #[started]
    fn begin(&mut self, cx: &mut Context<Self>) {
        self.met.send(cx.me()).expect("the test listens");
    }

    #[message]
    fn order(&mut self, order: Do, cx: &mut Context<Self>) {
        match order {
            Do::Write(bytes) => cx.write(bytes),
            Do::Try(bytes, answer) => answer.send(cx.try_write(bytes).is_ok()).expect("the test listens"),
            Do::Count(answer) => answer.send(cx.lost_writes()).expect("the test listens"),
        }
    }

    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) {
        cx.write_line(line);
    }

    #[stopped]
    fn end(&mut self, reason: StopReason) {
        // The test may not want to know any more.
        let _ = self.ended.send(reason);
    }
}

/// A peer that takes a hundred bytes, and then as much as it reads; whoever writes to it; and another, who is served meanwhile.
struct Scene {
    simulation: Simulation,
    peer: SimPeer,
    teller: Addr<Teller>,
    ended: Receiver<StopReason>,
    other: SimPeer,
}

impl Scene {
    fn new(overflow: Overflow, grace: Option<Duration>) -> Scene {
        let mut plan = small(1);
        // Who only reads never says anything.
        plan.config.first_byte_timeout = Duration::MAX;
        let mut simulation = Simulation::new(plan).expect("the limits are possible");
        let ((met, tellers), (ended, ends)) = (channel(), channel());
        let listener = simulation.listener(World::address()).outbox_bytes(BOUND).outbox_overflow(overflow);
        let listener = grace.into_iter().fold(listener, |listener, grace| listener.outbox_grace(grace));
        let make = move |_| Teller { met: met.clone(), ended: ended.clone() };
        listener.start(make).expect("nobody listens there yet");
        let connect = || simulation.network().connect(World::address()).expect("the backlog has room");
        let (mut peer, other) = (connect(), connect());
        peer.limit_unread(100);
        simulation.settle();
        let teller = tellers.recv().expect("it has started");
        let mut scene = Scene { simulation, peer, teller, ended: ends, other };
        scene.write(b'.', 100);
        scene
    }

    fn order(&mut self, order: Do) {
        assert!(self.teller.tell(order).is_ok(), "it is there");
        self.simulation.settle();
    }

    fn write(&mut self, byte: u8, len: usize) {
        self.order(Do::Write(vec![byte; len]));
    }

    fn try_write(&mut self, byte: u8, len: usize) -> bool {
        let (answer, answers) = channel();
        self.order(Do::Try(vec![byte; len], answer));
        answers.try_recv().expect("it has answered")
    }

    fn lost(&mut self) -> u32 {
        let (answer, answers) = channel();
        self.order(Do::Count(answer));
        answers.try_recv().expect("it has answered")
    }

    fn pass(&mut self, time: Duration) {
        self.simulation.run_for(time);
    }

    /// The peer reads so many bytes; the other one is served.
    fn read(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            let more = self.peer.read(len - bytes.len());
            assert!(!more.is_empty(), "after {} of {len} bytes nothing comes", bytes.len());
            bytes.extend(more);
            self.simulation.settle();
        }
        bytes
    }

    /// What is left for the peer, as runs of equal bytes.
    fn rest(&mut self) -> Vec<(u8, usize)> {
        let mut bytes = Vec::new();
        loop {
            let more = self.peer.read(usize::MAX);
            if more.is_empty() {
                return bytes.chunk_by(|one, next| one == next).map(|run| (run[0], run.len())).collect();
            }
            bytes.extend(more);
            self.simulation.settle();
        }
    }

    fn end(&mut self) -> Option<StopReason> {
        self.ended.try_recv().ok()
    }

    /// Writes refused, writes dropped, connections ended for their output; and the other peer is served as if nothing were wrong.
    fn books(&mut self) -> [u64; 3] {
        self.other.write(b"still there\n");
        self.simulation.settle();
        assert_eq!(self.other.read(usize::MAX), b"still there\n");
        let ledger = self.simulation.ledgers()[0];
        [ledger.writes_refused, ledger.writes_dropped, ledger.connections_outbox_full]
    }

    fn finish(self) {
        let Scene { simulation, peer, other, .. } = self;
        drop((peer, other));
        assert_eq!(simulation.shutdown().ledgers[0].held(), [0; 13]);
    }
}

#[test]
fn a_peer_that_is_slow_for_longer_than_its_grace_is_closed() {
    let mut scene = Scene::new(Overflow::Close, Some(GRACE));
    scene.write(b'a', 499);
    scene.pass(GRACE * 5);
    assert_eq!(scene.end(), None, "less than half of the bound");
    scene.write(b'b', 1);
    scene.pass(SHORT);
    assert_eq!(scene.end(), None);
    scene.pass(MOMENT);
    assert_eq!(scene.end(), Some(StopReason::OutboxFull));
    assert_eq!(scene.books(), [0, 0, 1]);
    assert!(scene.peer.is_reset());
    scene.finish();
}

#[test]
fn a_peer_that_reads_a_byte_at_a_time_is_closed_after_its_grace() {
    let mut scene = Scene::new(Overflow::Close, Some(GRACE));
    scene.write(b'a', 900);
    for _ in 0..9 {
        scene.pass(GRACE / 10);
        assert_eq!((scene.read(1).len(), scene.end()), (1, None));
    }
    scene.pass(GRACE / 10 + MOMENT);
    assert_eq!(scene.end(), Some(StopReason::OutboxFull), "what it reads is no excuse");
    assert_eq!(scene.books(), [0, 0, 1]);
    assert!(scene.peer.is_reset());
    scene.finish();
}

#[test]
fn a_peer_that_falls_below_a_quarter_has_its_whole_grace_again() {
    let mut scene = Scene::new(Overflow::Close, Some(GRACE));
    scene.write(b'a', 200);
    scene.write(b'b', 300);
    scene.pass(SHORT);
    scene.read(600);
    scene.pass(GRACE * 2);
    assert_eq!(scene.end(), None, "it has taken everything");
    scene.write(b'c', 200);
    scene.write(b'd', 300);
    scene.pass(SHORT);
    scene.read(200);
    assert_eq!(scene.end(), None);
    scene.pass(MOMENT);
    assert_eq!(
        scene.end(),
        Some(StopReason::OutboxFull),
        "less than half is queued, but not less than a quarter"
    );
    scene.finish();
}

#[test]
fn the_bound_is_hard_whatever_the_grace() {
    let mut scene = Scene::new(Overflow::Close, Some(GRACE));
    scene.write(b'a', 1000);
    assert_eq!(scene.end(), None);
    scene.write(b'b', 1);
    assert_eq!(scene.end(), Some(StopReason::OutboxFull));
    scene.finish();
}

#[test]
fn what_is_refused_is_left_out_and_nothing_else() {
    let mut scene = Scene::new(Overflow::Refuse, None);
    scene.write(b'a', 600);
    scene.write(b'b', 401);
    assert!(!scene.try_write(b'c', 401) && scene.try_write(b'd', 400));
    scene.write(b'e', 1);
    assert_eq!((scene.lost(), scene.end()), (2, None));
    assert_eq!(scene.books(), [2, 0, 0], "what was handed back is not counted");
    assert_eq!(scene.rest(), [(b'.', 100), (b'a', 600), (b'd', 400)]);
    assert_eq!(scene.lost(), 0, "everything has been sent");
    scene.write(b'f', 1000);
    assert_eq!(scene.rest(), [(b'f', 1000)]);
    scene.finish();
}

#[test]
fn a_peer_that_is_slow_for_too_long_is_refused_until_it_has_caught_up() {
    let mut scene = Scene::new(Overflow::Refuse, Some(GRACE));
    scene.write(b'a', 400);
    scene.write(b'b', 249);
    scene.pass(SHORT);
    assert!(scene.try_write(b'c', 1));
    scene.pass(MOMENT);
    assert!(!scene.try_write(b'd', 1));
    scene.write(b'e', 1);
    scene.read(400);
    assert!(!scene.try_write(b'f', 1), "a quarter is queued");
    scene.read(250);
    assert!(scene.try_write(b'g', 1));
    assert_eq!(scene.books(), [1, 0, 0]);
    scene.write(b'h', 500);
    scene.pass(SHORT);
    assert!(scene.try_write(b'i', 1), "its grace is a new one");
    scene.pass(MOMENT);
    assert!(!scene.try_write(b'j', 1));
    assert_eq!(scene.rest(), [(b'b', 99), (b'c', 1), (b'g', 1), (b'h', 500), (b'i', 1)]);
    assert_eq!(scene.end(), None);
    scene.finish();
}

#[test]
fn the_oldest_make_room_for_the_newest() {
    let mut scene = Scene::new(Overflow::DropOldest, None);
    scene.write(b'-', 100);
    for byte in b'a'..=b'k' {
        scene.write(byte, 90);
    }
    assert_eq!(scene.lost(), 1);
    assert!(scene.try_write(b'l', 200), "there is room whenever old ones can go");
    assert!(!scene.try_write(b'm', 901), "but not beside what is on its way");
    scene.write(b'n', 901);
    assert_eq!(scene.lost(), 5);
    assert_eq!(scene.books(), [1, 4, 0]);
    let slots = scene.simulation.ledgers()[0].send_slots;
    assert_eq!(slots, 1, "what waits takes no slots");
    let kept = (b'e'..=b'k').map(|byte| (byte, 90));
    let expected: Vec<_> = [(b'.', 100), (b'-', 100)].into_iter().chain(kept).chain([(b'l', 200)]).collect();
    assert_eq!(scene.rest(), expected);
    assert_eq!((scene.lost(), scene.end()), (0, None));
    scene.finish();
}

#[test]
fn a_peer_that_is_slow_for_too_long_misses_more_of_the_old() {
    let mut scene = Scene::new(Overflow::DropOldest, Some(GRACE));
    scene.write(b'-', 100);
    for byte in b'a'..=b'i' {
        scene.write(byte, 100);
    }
    scene.pass(SHORT);
    assert_eq!(scene.books(), [0, 0, 0]);
    scene.pass(MOMENT);
    assert_eq!(scene.books(), [0, 0, 0], "nothing is dropped for the time alone");
    scene.write(b'j', 100);
    assert_eq!(scene.books(), [0, 6, 0], "half of the bound is left");
    scene.write(b'k', 100);
    let expected: Vec<_> = [b'.', b'-', b'h', b'i', b'j', b'k'].map(|byte| (byte, 100)).into();
    assert_eq!(scene.rest(), expected);
    for byte in b'a'..=b'i' {
        scene.write(byte, 100);
    }
    assert_eq!(scene.books(), [0, 7, 0], "it has caught up, and may be slow again");
    scene.finish();
}

#[test]
fn a_peer_that_takes_nothing_at_all_is_closed_whatever_becomes_of_the_rest() {
    for overflow in [Overflow::Refuse, Overflow::DropOldest] {
        let mut scene = Scene::new(overflow, Some(GRACE));
        scene.write(b'a', 900);
        scene.pass(Duration::from_secs(29));
        assert_eq!(scene.end(), None);
        scene.pass(Duration::from_secs(2));
        assert_eq!(scene.end(), Some(StopReason::OutboxFull), "Config::write_stall is 30 s");
        scene.finish();
    }
}

/// Writes as many numbered lines as it is told to.
pub(crate) struct Crier {
    life: Life,
    next: u64,
    journal: Journal,
    /// What it says of its own accord.
    greeting: Option<String>,
}

impl Crier {
    pub(crate) fn new(journal: &Journal, greeting: Option<String>) -> Crier {
        Crier { life: Life::new(journal), next: 0, journal: journal.clone(), greeting }
    }
}

#[actor(codec = Lines<80>)]
impl Crier {
    #[started]
    fn begin(&mut self, cx: &mut Context<Self>) {
        self.life.start();
        if let Some(greeting) = self.greeting.take() {
            cx.write_line(greeting);
        }
    }

    #[frame]
    fn cry(&mut self, line: &str, cx: &mut Context<Self>) {
        self.life.go_on();
        for _ in 0..line.len() {
            let rest = "x".repeat(self.next as usize * 7 % 50);
            match self.next % 3 {
                0 => cx.write_line(format!("{} {rest}", self.next)),
                1 => writeln!(cx, "{} {rest}", self.next),
                _ => cx.write_bytes(format!("{} {rest}\n", self.next).into_bytes()),
            }
            self.next += 1;
        }
        self.journal.note([line.len() as u64, 0, 0]);
    }

    #[stopped]
    fn end(&mut self) {
        self.life.stop();
    }
}

/// Clients that read when they like: what reaches them is whole and in order, and what does not is counted.
pub(crate) fn run(seed: u64) -> [u64; 3] {
    let mut world =
        World::new(seed, |plan, random| plan.config.owned_bytes_min = pick(random, [0, 20, 4096]));
    let mut cries = Cries::default();
    cries.listen(&mut world);
    play::play(world, vec![Box::new(cries)])
}

/// An outbox for those who read slowly.
pub(crate) fn lenient(random: &mut Random) -> (Overflow, usize, Duration) {
    let overflow = pick(random, [Overflow::Refuse, Overflow::DropOldest]);
    let (bound, grace) = pick(random, [(100, 1), (1000, 20), (10_000, 3000)]);
    (overflow, bound, Duration::from_millis(grace))
}

/// Those who have somebody cry for them, what they have got, and how many lines they have asked for.
#[derive(Default)]
pub(crate) struct Cries {
    clients: Vec<(SimPeer, Vec<u8>)>,
    asked: u64,
}

impl Cries {
    /// The port of those who cry.
    const PORT: u16 = 83;

    /// Begins to listen, and sends a few clients there.
    pub(crate) fn listen(&mut self, world: &mut World) {
        let (overflow, bound, grace) = lenient(&mut world.random);
        let journal = world.journal.clone();
        let listener = world.simulation.listener(World::at(Cries::PORT)).outbox_bytes(bound);
        let listener = listener.outbox_overflow(overflow).outbox_grace(grace);
        let made = move |_| Crier::new(&journal, None);
        listener.start(made).expect("nobody listens there yet");
        for _ in 0..1 + world.random.index(4) {
            let Some(peer) = world.connect_to(World::at(Cries::PORT)) else { continue };
            self.add(peer, Vec::new(), &mut world.random);
        }
    }

    /// One more, who has got this already.
    pub(crate) fn add(&mut self, mut peer: SimPeer, got: Vec<u8>, random: &mut Random) {
        peer.limit_unread(pick(random, [1, 100, 5000]));
        self.clients.push((peer, got));
    }
}

impl Part for Cries {
    fn act(&mut self, world: &mut World) {
        for (peer, got) in &mut self.clients {
            if world.random.chance(0.4) {
                let count = 1 + world.random.index(20);
                let line = format!("{}\n", "w".repeat(count));
                self.asked += if peer.write(line.as_bytes()) == line.len() { count as u64 } else { 0 };
            }
            if world.random.chance(0.3) {
                let most = 1 + world.random.index(1000);
                got.extend(peer.read(most));
            }
        }
    }

    fn hurry(&mut self) -> bool {
        for (peer, got) in &mut self.clients {
            peer.shutdown_write();
            got.extend(peer.read(usize::MAX));
        }
        self.clients.iter().all(|(peer, _)| peer.is_ended() || peer.is_reset())
    }

    fn close(&mut self, world: &mut World, whole: bool) {
        let heard: u64 =
            self.clients.iter().map(|(peer, got)| look_at(world, got, peer.is_reset() || !whole)).sum();
        if world.gentle && whole {
            let ledgers = world.simulation.ledgers();
            let left_out: u64 =
                ledgers.iter().map(|ledger| ledger.writes_refused + ledger.writes_dropped).sum();
            let asked = self.asked;
            world.journal.expect(heard + left_out == asked, || {
                format!("{asked} lines were asked for, {heard} came, and {left_out} were left out")
            });
        }
    }

    fn look_at(&mut self, _: &Journal, _: bool) {
        self.clients.clear();
    }
}

/// Counts the lines that a client has got: each is whole, and later than the one before.
fn look_at(world: &World, got: &[u8], cut: bool) -> u64 {
    let (mut count, mut next) = (0, 0);
    for line in got.split_inclusive(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        let whole =
            text.strip_suffix('\n').and_then(|line| line.split_once(' ')).and_then(|(number, rest)| {
                let number = number.parse::<u64>().ok()?;
                (number >= next && rest.len() as u64 == number * 7 % 50).then_some(number)
            });
        world.journal.expect(whole.is_some() || cut, || format!("`{text}` came after line {next}"));
        next = whole.map_or(next, |number| number + 1);
        count += u64::from(whole.is_some());
    }
    count
}
