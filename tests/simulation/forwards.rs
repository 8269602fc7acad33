//! Connections that are forwarded to each other, on virtual time: what ends them, and what does not.
//!
//! Knows: ties, exact times and counts. Must not know how bytes are handed on.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use odeon::prelude::*;
use odeon::system::simulation::{Faults, SimPeer, Simulation, SimulationConfig};
use odeon::time::sleep;
use odeon::{ForwardError, ListenerBuilder, Place, Timeout};

use super::world::{World, small};

/// What the connections of a scene have told, by the order in which they came.
#[derive(Default)]
struct Book {
    nodes: Vec<Addr<Node>>,
    tied: Vec<Result<(), ForwardError>>,
    bodies: Vec<Vec<u8>>,
    ended: Vec<(usize, StopReason)>,
    /// By those that have ended.
    forwarded: Vec<(usize, u64)>,
}

/// A connection that does what its peer says, in one letter.
struct Node {
    book: Arc<Mutex<Book>>,
    number: usize,
    place: Option<Place>,
}

impl Node {
    fn with<R>(&self, act: impl FnOnce(&mut Book) -> R) -> R {
        act(&mut self.book.lock().expect("nobody panics with it"))
    }
}

#[derive(Message)]
enum Order {
    Fill,
    /// So many bytes of its peer are for itself.
    Body(usize),
    /// The same, after a second.
    BodyLater(usize),
    Pause,
}

impl Accepts<Order> for Node {
    fn accept(order: Order) -> Order {
        order
    }
}

impl Actor for Node {
    type Message = Order;

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        let me = cx.me();
        self.number = self.with(|book| {
            book.nodes.push(me);
            book.nodes.len() - 1
        });
        Flow::Continue
    }

    fn handle(&mut self, order: Order, cx: &mut Context<Self>) -> Flow {
        match (order, self.place.take()) {
            (Order::BodyLater(length), _) => {
                let set = cx.send_after(Duration::from_secs(1), Order::Body(length));
                assert!(set.is_ok(), "there is room");
            }
            (Order::Body(length), _) => cx.read_exact_into(Vec::new(), length).expect("one at a time"),
            (Order::Pause, _) => cx.pause_reading(),
            (Order::Fill, Some(place)) => cx.fill(place, b"answer "),
            (Order::Fill, None) => cx.write(b"unasked..."),
        }
        Flow::Continue
    }

    fn stopped(&mut self, reason: StopReason, cx: &mut Context<Self>) {
        let (number, forwarded) = (self.number, cx.forwarded_bytes());
        self.with(|book| {
            book.ended.push((number, reason));
            book.forwarded.push((number, forwarded));
        });
    }
}

impl Connection for Node {
    type Codec = Raw;

    fn frame(&mut self, bytes: &[u8], cx: &mut Context<Self>) -> Flow {
        match bytes[0] {
            b'w' => cx.write(vec![7; (bytes.len() - 1) * 10]),
            b'd' => self.place = Some(cx.defer()),
            b'p' => cx.pause_reading(),
            b'q' => {
                cx.write(b"bye");
                return Flow::Close;
            }
            digit => {
                let to = self.with(|book| book.nodes[usize::from(digit - b'0')]);
                let tied = cx.forward_to(to);
                self.with(|book| book.tied.push(tied));
            }
        }
        Flow::Continue
    }

    fn body(&mut self, body: Result<Vec<u8>, BodyError>, _: &mut Context<Self>) -> Flow {
        self.with(|book| book.bodies.push(body.expect("all of it was sent")));
        Flow::Continue
    }
}

/// A connection that is tied to the first node by what its one line says.
struct Tied(Arc<Mutex<Book>>);

impl Tied {
    fn tie(&self, cx: &mut Context<Self>) {
        let mut book = self.0.lock().expect("nobody panics with it");
        let tied = cx.forward_to(book.nodes[0]);
        book.tied.push(tied);
    }
}

#[actor(codec = Lines<80>)]
impl Tied {
    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        if let "body" = line {
            cx.read_exact_into(Vec::new(), 4).expect("it is the first");
            cx.pause_reading();
            self.tie(cx);
            return Flow::Continue;
        }
        cx.exclusive("later", Timeout::Default, async |me: &mut Self, cx| {
            sleep(Duration::from_secs(1)).await;
            me.tie(cx);
            Flow::Continue
        })
    }

    #[body]
    fn body(&mut self, body: Result<Vec<u8>, BodyError>) {
        let body = body.expect("all of it was sent");
        self.0.lock().expect("nobody panics with it").bodies.push(body);
    }

    #[every("10s")]
    fn resume(&mut self, cx: &mut Context<Self>) {
        cx.resume_reading();
    }
}

struct Scene {
    simulation: Simulation,
    book: Arc<Mutex<Book>>,
}

impl Scene {
    fn new(idle: Option<Duration>, change: impl FnOnce(&mut SimulationConfig)) -> Scene {
        Scene::listening(|listener| idle.into_iter().fold(listener, ListenerBuilder::idle_timeout), change)
    }

    fn listening(
        adapt: impl FnOnce(ListenerBuilder<'_>) -> ListenerBuilder<'_>,
        change: impl FnOnce(&mut SimulationConfig),
    ) -> Scene {
        let mut plan = small(0);
        change(&mut plan);
        let simulation = Simulation::new(plan).expect("the plan is possible");
        let book = Arc::<Mutex<Book>>::default();
        let listener = adapt(simulation.listener(World::address()));
        let its = book.clone();
        let make = move |_| Node { book: its.clone(), number: 0, place: None };
        listener.start(make).expect("nobody listens there yet");
        Scene { simulation, book }
    }

    /// The peer of the next connection.
    fn peer(&mut self) -> SimPeer {
        let peer = self.simulation.network().connect(World::address()).expect("there is room");
        self.simulation.settle();
        peer
    }

    /// The peer of a connection that is the only one with an idle timeout.
    fn timed_peer(&mut self) -> SimPeer {
        let book = self.book.clone();
        let listener = self.simulation.listener(World::at(82)).idle_timeout(Duration::from_secs(5));
        let listening = listener.start(move |_| Node { book: book.clone(), number: 0, place: None });
        let peer = self.simulation.network().connect(World::at(82)).expect("there is room");
        self.simulation.settle();
        listening.expect("nobody listens there yet").stop();
        self.simulation.settle();
        peer
    }

    /// Ties the connection of this peer to that of this number.
    fn tie(&mut self, peer: &mut SimPeer, to: u8) {
        peer.write(&[b'0' + to]);
        self.simulation.settle();
    }

    /// The peer of a connection that is tied to the first node by what it says.
    fn tied_by(&mut self, line: &[u8]) -> SimPeer {
        let (address, book) = (SocketAddr::from(([10, 0, 0, 1], 81)), self.book.clone());
        let listening = self.simulation.listener(address).start(move |_| Tied(book.clone()));
        listening.expect("nobody listens there yet");
        let mut peer = self.simulation.network().connect(address).expect("there is room");
        peer.write(line);
        peer.shutdown_write();
        self.simulation.settle();
        peer
    }

    fn fill(&mut self, number: usize) {
        self.order(number, Order::Fill);
    }

    fn order(&mut self, number: usize, order: Order) {
        let node = self.book.lock().expect("nobody panics with it").nodes[number];
        assert!(node.tell(order).is_ok(), "it lives");
        self.simulation.settle();
    }

    /// Bodies that have been told of since this was asked last.
    fn bodies(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.book.lock().expect("nobody panics with it").bodies)
    }

    fn tied(&self) -> Vec<Result<(), ForwardError>> {
        self.book.lock().expect("nobody panics with it").tied.clone()
    }

    fn ended(&self) -> Vec<(usize, StopReason)> {
        self.book.lock().expect("nobody panics with it").ended.clone()
    }

    fn pass(&mut self, seconds: u64) {
        self.simulation.run_for(Duration::from_secs(seconds));
    }

    /// Nothing is held but the listener.
    fn assert_even(&mut self) {
        assert_eq!(self.simulation.ledgers()[0].held(), [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
}

const IDLE: Option<Duration> = Some(Duration::from_secs(5));

#[test]
fn a_silent_peer_whose_bytes_are_pinned_is_reset_in_the_end() {
    let mut scene = Scene::new(IDLE, |plan| {
        plan.faults = Faults { pinned_send: 1.0, pinned_until_read: 1.0, ..Faults::default() };
    });
    let mut client = scene.peer();
    client.write(b"www");
    scene.pass(60);
    assert_eq!(scene.ended(), [(0, StopReason::Idle)]);
    assert!(client.is_reset(), "nothing else frees what the kernel may still read");
    scene.assert_even();
}

#[test]
fn a_long_answer_after_a_half_close_is_not_idle() {
    let mut scene = Scene::new(IDLE, |_| {});
    let (mut near, mut far) = (scene.peer(), scene.peer());
    scene.tie(&mut near, 1);
    scene.tie(&mut far, 0);
    near.write(b"question");
    near.shutdown_write();
    scene.simulation.settle();
    assert_eq!(far.read(100), b"question");
    for second in 0..20 {
        far.write(b"x");
        scene.pass(1);
        assert_eq!(near.read(100), b"x", "in second {second}");
    }
    far.shutdown_write();
    scene.pass(60);
    assert!(near.is_ended() && !near.is_reset());
    assert_eq!(scene.ended().len(), 2);
    scene.assert_even();
}

#[test]
fn whoever_is_fed_is_not_idle() {
    let mut scene = Scene::new(IDLE, |_| {});
    let (mut feeder, mut fed) = (scene.peer(), scene.peer());
    scene.tie(&mut feeder, 1);
    for second in 0..20 {
        feeder.write(b"x");
        scene.pass(1);
        assert_eq!(fed.read(100), b"x", "in second {second}");
    }
    assert_eq!(scene.ended(), []);
}

/// Two that are tied, of which the first has an idle timeout, and which read next to nothing unless they are asked to.
fn silent(scene: &mut Scene, timed_first: bool) -> [SimPeer; 2] {
    let mut peers = if timed_first {
        [scene.timed_peer(), scene.peer()]
    } else {
        let far = scene.peer();
        [scene.timed_peer(), far]
    };
    let numbers = if timed_first { [1, 0] } else { [0, 1] };
    for (peer, to) in peers.iter_mut().zip(numbers) {
        scene.tie(peer, to);
        peer.limit_unread(100);
    }
    peers
}

fn why_ended(scene: &Scene, timed_first: bool) -> [StopReason; 2] {
    let mut ended = scene.ended();
    ended.sort_by_key(|(number, _)| *number);
    let [(_, first), (_, second)] = ended[..] else { panic!("both have ended: {ended:?}") };
    if timed_first { [first, second] } else { [second, first] }
}

#[test]
fn one_that_is_idle_and_what_it_is_tied_to_end_in_order_behind_what_has_come() {
    for (timed_first, half_closed) in [(true, false), (false, false), (true, true), (false, true)] {
        let mut scene = Scene::new(None, |_| {});
        let mut peers = silent(&mut scene, timed_first);
        for (peer, byte) in peers.iter_mut().zip(1..) {
            assert_eq!(peer.write(&[byte; 20_000]), 20_000);
            scene.simulation.settle();
        }
        if half_closed {
            peers[1].shutdown_write();
        }
        scene.pass(4);
        assert_eq!(scene.ended(), []);
        scene.pass(2);
        assert_eq!(why_ended(&scene, timed_first), [StopReason::Idle, StopReason::ForwardEnded]);
        for (peer, byte) in peers.iter_mut().zip([2, 1]) {
            assert!(!peer.is_ended(), "most of it is on its way");
            assert!(read_all(&mut scene, peer) == [byte; 20_000]);
            assert!(peer.is_ended() && !peer.is_reset());
        }
        drop(peers);
        scene.simulation.settle();
        scene.assert_even();
    }
}

#[test]
fn one_that_is_idle_while_there_is_no_room_for_some_of_what_has_come_is_no_end_of_that() {
    let mut scene = Scene::new(None, |plan| plan.config.outbox_bytes_max = 1000);
    let [mut silent, mut other] = silent(&mut scene, true);
    assert_eq!(other.write(&[1; 20_000]), 20_000);
    scene.pass(6);
    assert_eq!(why_ended(&scene, true), [StopReason::Idle, StopReason::ForwardEnded]);
    let got = read_all(&mut scene, &mut silent).len();
    assert!((100..20_000).contains(&got), "{got} bytes have come");
    scene.pass(2);
    assert!(silent.is_reset(), "it takes no part for the whole");
    assert!(other.is_ended() && !other.is_reset());
    drop((silent, other));
    scene.pass(60);
    scene.assert_even();
}

#[test]
fn one_that_is_idle_and_does_not_read_is_no_end_of_what_it_has_left() {
    let mut scene = Scene::new(None, |plan| plan.config.outbox_bytes_max = 1000);
    let [mut idle, mut other] = silent(&mut scene, true);
    assert_eq!(idle.write(&[1; 20_000]), 20_000);
    // While it waits for room it is not idle, unless it pauses, which is no excuse.
    scene.pass(10);
    assert_eq!(scene.ended(), []);
    scene.order(0, Order::Pause);
    scene.pass(6);
    assert_eq!(why_ended(&scene, true), [StopReason::Idle, StopReason::ForwardEnded]);
    let got = read_all(&mut scene, &mut other).len();
    assert!((100..20_000).contains(&got), "{got} bytes have come");
    scene.pass(2);
    assert!(other.is_reset() && idle.is_ended());
    drop((idle, other));
    scene.pass(60);
    scene.assert_even();
}

#[test]
fn one_that_is_idle_ends_by_its_deadline_and_so_does_what_it_is_tied_to() {
    let mut scene = Scene::new(None, |_| {});
    let mut peers = silent(&mut scene, true);
    for peer in &mut peers {
        peer.write(&[1; 20_000]);
        scene.simulation.settle();
    }
    scene.pass(120);
    assert!(peers.iter().all(SimPeer::is_reset), "they read nothing");
    assert_eq!(scene.simulation.ledgers()[0].connections_cut_off, 2);
    scene.assert_even();
}

#[test]
fn a_peer_that_has_said_nothing_has_its_time_for_the_first_byte_once_it_is_fed_no_more() {
    let mut scene = Scene::new(None, |_| {});
    let (mut feeder, fed) = (scene.peer(), scene.peer());
    scene.tie(&mut feeder, 1);
    scene.pass(100);
    assert_eq!(scene.ended(), []);
    feeder.shutdown_write();
    scene.pass(9);
    assert_eq!(scene.ended(), [(0, StopReason::EndOfStream)]);
    scene.pass(2);
    assert_eq!(scene.ended(), [(0, StopReason::EndOfStream), (1, StopReason::Late)]);
    drop((feeder, fed));
    scene.pass(60);
    scene.assert_even();
}

#[test]
fn nothing_is_forwarded_to_what_has_ended() {
    let mut scene = Scene::new(None, |_| {});
    let (mut feeder, mut ends) = (scene.peer(), scene.peer());
    ends.write(b"q");
    scene.simulation.settle();
    assert_eq!(scene.ended(), [(1, StopReason::Stopped)]);
    scene.tie(&mut feeder, 1);
    assert_eq!(scene.tied(), [Err(ForwardError::Gone)], "its socket lingers, and its actor is gone");
    assert_eq!(ends.read(100), b"bye");
    drop((feeder, ends));
    scene.pass(60);
    scene.assert_even();
}

#[test]
fn a_feed_that_finds_no_slots_goes_on_when_there_are_some() {
    let mut scene = Scene::new(None, |plan| {
        plan.config.send_slots = [8, 0, 0, 0, 0];
        plan.config.spill_bytes_max = 64 << 10;
    });
    let (mut feeder, mut fed) = (scene.peer(), scene.peer());
    scene.tie(&mut feeder, 1);
    let hogs: Vec<SimPeer> = (0..150)
        .map(|_| {
            let mut hog = scene.peer();
            hog.limit_unread(1);
            hog.write(&[b'w'; 51]);
            scene.simulation.settle();
            hog
        })
        .collect();
    feeder.write(&[1; 2000]);
    scene.simulation.settle();
    let mut got = fed.read(100_000).len();
    assert!(got < 2000, "others hold all the memory there is");
    drop(hogs);
    scene.pass(60);
    got += fed.read(100_000).len();
    assert_eq!(got, 2000);
}

#[test]
fn an_output_ends_with_what_fed_it() {
    let mut scene = Scene::new(None, |_| {});
    let (mut first, mut fed, mut second) = (scene.peer(), scene.peer(), scene.peer());
    scene.tie(&mut first, 1);
    first.write(b"hello");
    first.shutdown_write();
    scene.simulation.settle();
    assert_eq!(fed.read(10), b"hello");
    assert!(fed.is_ended());
    scene.tie(&mut second, 1);
    assert_eq!(scene.tied(), [Ok(()), Err(ForwardError::Tied)]);
    // What it writes by itself is too late, and harms nobody.
    fed.write(b"ww");
    scene.pass(1);
    assert!(fed.read(100).is_empty() && !fed.is_reset());
    assert_eq!(scene.ended(), [(0, StopReason::EndOfStream)]);
}

#[test]
fn the_end_of_a_feed_waits_for_an_answer_before_it() {
    let mut scene = Scene::new(None, |_| {});
    let (mut feeder, mut fed) = (scene.peer(), scene.peer());
    fed.write(b"d");
    scene.simulation.settle();
    scene.tie(&mut feeder, 1);
    feeder.write(b"forwarded");
    feeder.shutdown_write();
    scene.simulation.settle();
    assert!(fed.read(100).is_empty() && !fed.is_ended(), "the answer comes first");
    scene.fill(1);
    assert_eq!(fed.read(100), b"answer forwarded");
    assert!(fed.is_ended() && !fed.is_reset());
}

/// A stop was in order as soon as its own stream had ended, and its peer took what had come of the other for all of it.
#[test]
fn whoever_is_fed_stops_when_its_feed_has_ended_and_is_cut_off_when_that_takes_too_long() {
    for ends in [true, false] {
        let mut scene = Scene::new(None, |_| {});
        let (mut feeder, mut fed) = (scene.peer(), scene.peer());
        scene.tie(&mut feeder, 1);
        scene.tie(&mut fed, 0);
        fed.shutdown_write();
        feeder.write(b"a part");
        scene.simulation.settle();
        let node = scene.book.lock().expect("nobody panics with it").nodes[1];
        node.stop();
        scene.pass(1);
        assert_eq!(fed.read(100), b"a part");
        assert!(!fed.is_ended());
        if ends {
            feeder.write(b" and the rest");
            feeder.shutdown_write();
            scene.pass(1);
            assert_eq!(fed.read(100), b" and the rest");
            assert!(fed.is_ended() && !fed.is_reset());
        } else {
            scene.pass(60);
            assert!(fed.is_reset());
        }
        drop((feeder, fed));
        scene.pass(60);
        scene.assert_even();
    }
}

#[test]
fn a_body_is_told_of_before_what_is_behind_it_is_forwarded() {
    let mut scene = Scene::new(None, |_| {});
    let mut fed = scene.peer();
    let feeder = scene.tied_by(b"body\nbodybehind");
    assert_eq!(scene.tied(), [Ok(())]);
    assert!(fed.read(100).is_empty() && !fed.is_ended(), "the body waits, and so does what follows it");
    scene.pass(11);
    assert_eq!(scene.bodies(), [b"body"]);
    assert_eq!(fed.read(100), b"behind");
    assert!(fed.is_ended() && feeder.is_ended() && !feeder.is_reset());
}

#[test]
fn a_body_that_is_asked_for_while_a_stream_flows_comes_next() {
    let mut scene = Scene::new(None, |_| {});
    let (mut feeder, mut fed) = (scene.peer(), scene.peer());
    scene.tie(&mut feeder, 1);
    for length in [0, 1, 100_000] {
        feeder.write(b"before");
        scene.simulation.settle();
        assert_eq!(fed.read(100), b"before");
        // By a timer: whoever has handled a message looks around once more.
        scene.order(0, Order::BodyLater(length));
        scene.pass(2);
        if length == 0 {
            assert_eq!(scene.bodies(), [b""], "nothing has to come for it");
        }
        let mut bytes = vec![b'x'; length];
        bytes.extend(b"behind");
        let mut written = 0;
        while written < bytes.len() {
            written += feeder.write(&bytes[written..]);
            scene.simulation.settle();
        }
        assert_eq!(fed.read(100), b"behind");
        let whole = vec![b'x'; length];
        assert_eq!(scene.bodies(), if length == 0 { vec![] } else { vec![whole] });
    }
    drop((feeder, fed));
    scene.pass(60);
    scene.assert_even();
}

#[test]
fn a_tie_made_while_the_last_frame_is_handled_passes_the_end_on() {
    let mut scene = Scene::new(None, |_| {});
    let mut fed = scene.peer();
    let feeder = scene.tied_by(b"unfinished");
    scene.pass(2);
    assert_eq!(scene.tied(), [Ok(())]);
    assert!(fed.read(100).is_empty() && fed.is_ended());
    assert!(feeder.is_ended() && !feeder.is_reset());
}

/// Old writes make room for what is forwarded, so that less may be queued afterwards than before.
#[test]
fn what_is_forwarded_is_counted_whatever_is_dropped_for_it() {
    let mut scene = Scene::listening(
        |listener| {
            let listener = listener.outbox_bytes(1000).outbox_overflow(Overflow::DropOldest);
            listener.outbox_grace(Duration::from_secs(1))
        },
        |_| {},
    );
    let (mut feeder, mut fed) = (scene.peer(), scene.peer());
    fed.limit_unread(100);
    // A hundred that arrive, a hundred on their way, and three writes that wait.
    for bytes in [100, 100, 60, 330, 10] {
        fed.write(&vec![b'w'; 1 + bytes / 10]);
        scene.simulation.settle();
    }
    scene.pass(2);
    scene.fill(1);
    scene.tie(&mut feeder, 1);
    feeder.write(&[1; 131]);
    scene.simulation.settle();
    let mut got = Vec::new();
    while let more @ [_, ..] = &*fed.read(100) {
        got.extend_from_slice(more);
        scene.simulation.settle();
    }
    let rest = [&[7; 210], &b"unasked..."[..], &[1; 131]].concat();
    assert!(got == rest, "{} bytes instead of {}", got.len(), rest.len());
    drop((feeder, fed));
    scene.pass(60);
    let mut forwarded = std::mem::take(&mut scene.book.lock().expect("nobody panics with it").forwarded);
    forwarded.sort_unstable();
    assert_eq!(forwarded, [(0, 131), (1, 0)]);
    scene.assert_even();
}

/// The peer of the second node has much to say to the first one's, has not read what came of that one, and closes, which is a reset.
/// `ends`: it says before that this was all.
fn answer_early(scene: &mut Scene, client: &mut SimPeer, answer: &[u8], ends: bool) {
    let mut far = scene.peer();
    scene.tie(client, 1);
    scene.tie(&mut far, 0);
    far.limit_unread(10);
    assert_eq!(far.write(answer), answer.len());
    scene.simulation.settle();
    client.write(&[1; 1000]);
    scene.simulation.settle();
    if ends {
        far.shutdown_write();
    }
    far.close();
    scene.pass(1);
}

/// Reads until nothing more comes.
fn read_all(scene: &mut Scene, peer: &mut SimPeer) -> Vec<u8> {
    let mut got = Vec::new();
    while let more @ [_, ..] = &*peer.read(100) {
        got.extend(more);
        scene.simulation.settle();
    }
    got
}

/// The client reads an end if the far side's stream had one, else a reset within a time; and nothing is left.
fn assert_broken(mut scene: Scene, client: SimPeer, (seed, ends): (u64, bool), reset_after: u64) {
    scene.pass(if ends { 0 } else { reset_after });
    assert_eq!((client.is_ended(), client.is_reset()), (ends, !ends), "with seed {seed}");
    let why = StopReason::Disconnected(if ends { libc::EPIPE } else { libc::ECONNRESET });
    assert_eq!(scene.ended(), [(1, why), (0, StopReason::ForwardEnded)]);
    drop(client);
    scene.pass(60);
    scene.assert_even();
}

/// Which is noticed first, that a send has failed or what has arrived, is by chance.
#[test]
fn an_answer_arrives_although_its_sender_breaks_then() {
    for (seed, ends) in (0..20).flat_map(|seed| [(seed, false), (seed, true)]) {
        let mut scene = Scene::new(None, |plan| *plan = small(seed));
        let mut client = scene.peer();
        answer_early(&mut scene, &mut client, &[5; 3000], ends);
        assert_eq!(read_all(&mut scene, &mut client).len(), 3000, "with seed {seed}");
        assert_broken(scene, client, (seed, ends), 2);
    }
}

#[test]
fn an_answer_arrives_although_its_reader_is_slow_and_its_sender_breaks_then() {
    for (seed, ends) in (0..20).flat_map(|seed| [(seed, false), (seed, true)]) {
        let mut scene = Scene::listening(|listener| listener.outbox_bytes(1000), |plan| *plan = small(seed));
        let mut client = scene.peer();
        client.limit_unread(10);
        answer_early(&mut scene, &mut client, &[5; 20_000], ends);
        assert_eq!(read_all(&mut scene, &mut client).len(), 20_000, "with seed {seed}");
        assert_broken(scene, client, (seed, ends), 60);
    }
}

/// A reset waits for what the kernel has just taken, and for nothing else.
#[test]
fn a_reset_is_passed_on_at_once_where_nothing_has_been_said_or_nobody_hears() {
    let mut scene = Scene::new(None, |_| {});
    // Time begins at nought.
    scene.pass(2);
    let (mut client, mut far) = (scene.peer(), scene.peer());
    scene.tie(&mut client, 1);
    scene.tie(&mut far, 0);
    far.reset();
    scene.simulation.settle();
    assert!(client.is_reset());
    drop(client);
    scene.assert_even();
    let (mut client, mut far) = (scene.peer(), scene.peer());
    scene.tie(&mut client, 3);
    scene.tie(&mut far, 2);
    far.write(b"an answer");
    scene.simulation.settle();
    far.reset();
    scene.simulation.settle();
    assert!(!client.is_reset(), "it may be on its way");
    client.reset();
    scene.simulation.settle();
    scene.assert_even();
}

#[test]
fn a_reset_does_not_wait_beyond_the_close_deadline() {
    let deadline = Duration::from_millis(100);
    let mut scene = Scene::new(None, |plan| plan.config.close_deadline = deadline);
    let (mut client, mut far) = (scene.peer(), scene.peer());
    scene.tie(&mut client, 1);
    scene.tie(&mut far, 0);
    far.write(b"an answer");
    scene.simulation.settle();
    far.reset();
    scene.simulation.run_for(2 * deadline);
    assert!(client.is_reset());
    scene.assert_even();
}

/// It reads on for nobody then.
#[test]
fn a_connection_that_has_failed_ends_at_once_with_the_one_that_it_reads_for() {
    let mut scene = Scene::listening(|listener| listener.outbox_bytes(1000), |_| {});
    let mut client = scene.peer();
    client.limit_unread(10);
    answer_early(&mut scene, &mut client, &[5; 20_000], false);
    client.write(&[1; 500]);
    scene.simulation.settle();
    assert_eq!(scene.ended(), []);
    client.reset();
    scene.simulation.settle();
    scene.assert_even();
}

#[test]
fn an_answer_that_nobody_reads_keeps_nobody_for_ever() {
    for answer in [100, 20_000] {
        let mut scene = Scene::listening(|listener| listener.outbox_bytes(1000), |_| {});
        let mut client = scene.peer();
        client.limit_unread(10);
        answer_early(&mut scene, &mut client, &vec![5; answer], false);
        scene.pass(120);
        assert!(client.is_reset() && client.read(20_000).len() < answer);
        scene.assert_even();
    }
}

#[test]
fn whoever_does_not_read_hears_at_once_that_a_send_has_failed() {
    for seed in 0..20 {
        let mut scene = Scene::new(None, |plan| *plan = small(seed));
        let mut peer = scene.peer();
        peer.limit_unread(10);
        for bytes in ["wwwwww", "p", "set aside"] {
            peer.write(bytes.as_bytes());
            scene.simulation.settle();
        }
        peer.write(b"left behind");
        peer.close();
        scene.pass(1);
        assert_eq!(scene.ended(), [(0, StopReason::Disconnected(libc::ECONNRESET))]);
        scene.assert_even();
    }
}
