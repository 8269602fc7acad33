//! Servers that see the lengths of what clients send as frames, and receive the rest as bodies: large and small, asked for at
//! once or later, in pauses, given up.
//!
//! Knows: what may happen around a body. Must not know which way it comes by.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use odeon::prelude::*;
use odeon::sys::Random;
use odeon::system::simulation::{Faults, SimPeer, Simulation, SimulationConfig};
use odeon::time::{sleep, timeout};
use odeon::{BodyRefusal, Timeout};

use super::echo::{self, Format};
use super::journal::Life;
use super::world::{World, pick, small};

/// Sends every frame back, whose body it takes in whatever manner comes to its mind.
struct Echo {
    life: Life,
    random: Random,
    /// The length that was announced, until it is asked for.
    head: Option<[u8; 4]>,
    paused: bool,
    /// A handler has not finished.
    busy: bool,
    /// A body was asked for, and nothing has been told of it.
    waits: bool,
}

impl Echo {
    fn ask(&mut self, cx: &mut Context<Self>) {
        let Some(head) = self.head.take() else { return };
        let length = u32::from_be_bytes(head) as usize;
        let mut buffer = Vec::with_capacity(pick(&mut self.random, [0, 10, 4 + length, 200_000]));
        buffer.extend_from_slice(&head);
        cx.read_exact_into(buffer, length).expect("there is one at a time");
        self.waits = true;
        let second = cx.read_exact_into(b"second".to_vec(), 1).expect_err("there is one");
        assert_eq!((second.buffer.as_slice(), second.why), (&b"second"[..], BodyRefusal::Busy));
    }

    fn pause(&mut self, cx: &mut Context<Self>) {
        self.paused = true;
        cx.pause_reading();
    }

    /// Goes on later, and only then.
    fn later(&mut self, cx: &mut Context<Self>) {
        let time = Duration::from_micros(self.random.below(5_000));
        self.busy = true;
        let _ = cx.exclusive("later", Timeout::Default, async move |me: &mut Echo, cx| {
            sleep(time).await;
            me.busy = false;
            me.ask(cx);
            Flow::Continue
        });
    }
}

impl Actor for Echo {
    type Message = Never;

    const INTERVALS: &'static [Interval] = &[Interval::every(Duration::from_millis(10))];

    fn started(&mut self, _: &mut Context<Self>) -> Flow {
        self.life.start();
        Flow::Continue
    }

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }

    fn interval(&mut self, _: usize, cx: &mut Context<Self>) -> Flow {
        if std::mem::take(&mut self.paused) {
            self.ask(cx);
            cx.resume_reading();
        }
        Flow::Continue
    }

    fn stopped(&mut self, reason: StopReason, _: &mut Context<Self>) {
        self.life.stop();
        let untold = self.waits && !self.busy && matches!(reason, StopReason::Disconnected(_));
        assert!(!untold, "it is told of a body before its connection fails");
    }
}

impl Connection for Echo {
    type Codec = Fixed<4>;

    fn frame(&mut self, head: &[u8; 4], cx: &mut Context<Self>) -> Flow {
        self.life.go_on();
        assert!(self.head.is_none(), "no frame comes before the body");
        self.head = Some(*head);
        match self.random.below(8) {
            0 => self.later(cx),
            1 => self.pause(cx),
            2 => {
                self.ask(cx);
                self.pause(cx);
            }
            3 => {
                self.ask(cx);
                self.later(cx);
            }
            _ => self.ask(cx),
        }
        Flow::Continue
    }

    fn body(&mut self, body: Result<Vec<u8>, BodyError>, cx: &mut Context<Self>) -> Flow {
        self.life.go_on();
        self.waits = false;
        let Ok(body) = body else { return Flow::Close };
        assert_eq!(body.len(), 4 + u32::from_be_bytes([body[0], body[1], body[2], body[3]]) as usize);
        cx.write(body);
        Flow::Continue
    }
}

pub(crate) fn run(seed: u64) -> [u64; 3] {
    let mut world = World::new(seed, limits);
    listen(&mut world, World::address());
    echo::play(world, Format::Large)
}

/// Limits with which bodies come.
pub(crate) fn limits(plan: &mut SimulationConfig, random: &mut Random) {
    plan.config.read_ahead_bytes_max = pick(random, [1, 300, 64 << 10]);
    plan.config.timers_max = plan.config.timers_max.max(1 << 10);
    // An echo has something to do every few milliseconds, also while its peer does not read to the end of everything: ages of that take
    // minutes. To say and hear everything takes less.
    plan.config.close_deadline = plan.config.close_deadline.min(Duration::from_secs(600));
}

/// A server of that kind.
pub(crate) fn listen(world: &mut World, address: SocketAddr) {
    let (streams, seeds, journal) = (world.random.chance(0.4), world.random.bits(), world.journal.clone());
    let listener = world.simulation.listener(address);
    // Numbers of cores differ from run to run.
    let random = move |id: u64| Random::new(seeds ^ (id & 0xFFFF_FFFF));
    let listening = if streams {
        listener.serve(move |stream: Stream| {
            let random = random(stream.id());
            impatient(stream, random)
        })
    } else {
        listener.start(move |peer| Echo {
            life: Life::new(&journal),
            random: random(peer.id()),
            head: None,
            paused: false,
            busy: false,
            waits: false,
        })
    };
    listening.expect("nobody listens there yet");
}

/// Gives most bodies up, reads a little of what had come, and asks for the rest.
async fn impatient(mut stream: Stream, mut random: Random) -> io::Result<()> {
    let mut head = [0; 4];
    loop {
        match stream.read_exact(&mut head).await {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            read => read?,
        }
        let length = 4 + u32::from_be_bytes(head) as usize;
        let mut body = head.to_vec();
        while body.len() < length {
            let left = length - body.len();
            let time = Duration::from_micros(random.below(20_000));
            match timeout(time, stream.read_exact_into(Vec::new(), left)).await {
                Ok((read, rest)) => {
                    read?;
                    body.extend(rest);
                }
                Err(_) if random.chance(0.5) => {
                    let mut some = vec![0; 1 + random.index(left)];
                    let count = stream.read(&mut some).await?;
                    if count == 0 {
                        return Ok(());
                    }
                    body.extend_from_slice(&some[..count]);
                }
                Err(_) => {}
            }
        }
        stream.write_all(body).await?;
    }
}

/// Receives one body behind each length, and keeps it.
#[derive(Clone, Default)]
struct Store {
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
    /// Does not read before it is told to.
    pauses: bool,
}

impl Store {
    fn bodies(&self) -> Vec<Vec<u8>> {
        self.bodies.lock().expect("nobody panics while holding it").clone()
    }
}

impl Actor for Store {
    type Message = Never;

    const INTERVALS: &'static [Interval] = &[Interval::every(Duration::from_millis(500))];

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }

    fn interval(&mut self, _: usize, cx: &mut Context<Self>) -> Flow {
        cx.resume_reading();
        Flow::Continue
    }
}

impl Connection for Store {
    type Codec = Fixed<4>;

    fn frame(&mut self, head: &[u8; 4], cx: &mut Context<Self>) -> Flow {
        cx.read_exact_into(Vec::new(), u32::from_be_bytes(*head) as usize).expect("there is one at a time");
        if self.pauses {
            cx.pause_reading();
        }
        Flow::Continue
    }

    fn body(&mut self, body: Result<Vec<u8>, BodyError>, _: &mut Context<Self>) -> Flow {
        let mut bodies = self.bodies.lock().expect("nobody panics while holding it");
        bodies.push(body.unwrap_or_else(BodyError::into_buffer));
        Flow::Continue
    }
}

/// A system with a store, and a client of it that has announced so many bytes.
fn announced(store: &Store, length: u32, change: impl FnOnce(&mut Config)) -> (Simulation, SimPeer) {
    let mut plan = small(0);
    change(&mut plan.config);
    let simulation = Simulation::new(plan).expect("the limits are possible");
    let store = store.clone();
    let listener = simulation.listener(World::address()).idle_timeout(Duration::from_secs(1));
    listener.start(move |_| store.clone()).expect("nobody listens there yet");
    let mut peer = simulation.network().connect(World::address()).expect("the backlog has room");
    assert_eq!(peer.write(&length.to_be_bytes()), 4);
    (simulation, peer)
}

#[test]
fn a_body_that_trickles_is_activity_and_one_that_stands_still_is_silence() {
    for length in [100, 1 << 20] {
        let store = Store::default();
        let (mut simulation, mut peer) = announced(&store, length, |_| {});
        for _ in 0..20 {
            simulation.run_for(Duration::from_millis(900));
            assert_eq!(peer.write(b"x"), 1);
        }
        simulation.run_for(Duration::from_millis(900));
        assert!(!peer.is_ended(), "it was never silent for a second");
        simulation.run_for(Duration::from_secs(2));
        assert!(peer.is_ended(), "it is idle");
        drop(peer);
        assert!(store.bodies().is_empty());
        drop(simulation.shutdown());
    }
}

#[test]
fn a_peer_has_to_wait_with_a_body_that_is_not_read() {
    for length in [20_000, 1 << 20] {
        let store = Store { pauses: true, ..Store::default() };
        let (mut simulation, mut peer) = announced(&store, length, |_| {});
        simulation.settle();
        let body: Vec<u8> = (0..length).map(|at| at as u8).collect();
        let mut sent = 0;
        for _ in 0..100 {
            sent += peer.write(&body[sent..]);
            simulation.run_for(Duration::from_millis(1));
        }
        assert!(sent < 300 << 10, "{sent} bytes were taken in a pause");
        assert!(store.bodies().is_empty(), "what waits is not told");
        // Until it resumes.
        simulation.run_for(Duration::from_millis(500));
        while sent < body.len() {
            sent += peer.write(&body[sent..]);
            simulation.run_for(Duration::from_millis(1));
        }
        simulation.settle();
        assert!(store.bodies() == [body]);
        drop(peer);
        drop(simulation.shutdown());
    }
}

#[test]
fn an_announcement_alone_takes_no_memory() {
    let store = Store::default();
    let (mut simulation, peer) = announced(&store, u32::MAX, |config| config.body_bytes_max = 1 << 40);
    simulation.settle();
    peer.close();
    simulation.settle();
    let bodies = store.bodies();
    assert_eq!(bodies, [[0; 0]], "the end is told");
    assert_eq!(bodies[0].capacity(), 0);
    drop(simulation.shutdown());
}

#[test]
fn what_was_begun_comes_though_no_buffer_is_found() {
    let mut plan = small(0);
    // None is ever found, but by who has begun nothing.
    plan.faults = Faults { no_buffer: 0.9, ..Faults::default() };
    let mut simulation = Simulation::new(plan).expect("the limits are possible");
    let store = Store::default();
    let made = store.clone();
    let listener = simulation.listener(World::address());
    listener.start(move |_| made.clone()).expect("nobody listens there yet");
    let mut peer = simulation.network().connect(World::address()).expect("the backlog has room");
    let mut expected = Vec::new();
    for length in 0..50_u8 {
        let body = vec![length; length.into()];
        for byte in [0, 0, 0, length].iter().chain(&body) {
            assert_eq!(peer.write(&[*byte]), 1);
            simulation.settle();
        }
        expected.push(body);
    }
    assert!(simulation.ledgers()[0].driver.buffer_shortages > 0);
    assert_eq!(store.bodies(), expected);
    drop(peer);
    drop(simulation.shutdown());
}

/// Takes a body whenever it is told to, whatever has arrived of a line.
struct Taker {
    met: Sender<Addr<Taker>>,
    got: Sender<Vec<u8>>,
}

#[derive(Message)]
struct Take(usize);

#[actor(codec = Lines<80>)]
impl Taker {
    #[started]
    fn begin(&mut self, cx: &mut Context<Self>) {
        self.met.send(cx.me()).expect("the test listens");
    }

    #[message]
    fn take(&mut self, Take(bytes): Take, cx: &mut Context<Self>) {
        cx.read_exact_into(Vec::new(), bytes).expect("there is one at a time");
    }

    #[frame]
    fn line(&mut self, line: &str) {
        self.got.send(line.as_bytes().to_vec()).expect("the test listens");
    }

    #[body]
    fn body(&mut self, body: Result<Vec<u8>, BodyError>) {
        let body = body.unwrap_or_else(|error| [b"a part: ", error.buffer()].concat());
        self.got.send(body).expect("the test listens");
    }
}

/// One that has been sent these bytes and told to take so many, and what it gets.
fn taking(seed: u64, first: &[u8], bytes: usize) -> (Simulation, SimPeer, Addr<Taker>, Receiver<Vec<u8>>) {
    let mut simulation = Simulation::new(small(seed)).expect("the limits are possible");
    let ((met, takers), (got, gets)) = (channel(), channel());
    let listener = simulation.listener(World::address());
    let listening = listener.start(move |_| Taker { met: met.clone(), got: got.clone() });
    listening.expect("nobody listens there yet");
    let mut peer = simulation.network().connect(World::address()).expect("the backlog has room");
    peer.write(first);
    simulation.settle();
    let taker = takers.recv().expect("it has started");
    taker.tell(Take(bytes)).expect("it lives");
    simulation.settle();
    (simulation, peer, taker, gets)
}

#[test]
fn a_codec_forgets_the_part_of_a_frame_that_a_body_took() {
    let (mut simulation, mut peer, _, gets) = taking(0, b"no end", 8);
    peer.write(b"ed\n\nline\n");
    simulation.settle();
    assert_eq!(gets.try_iter().collect::<Vec<_>>(), [&b"no ended"[..], b"", b"", b"line"]);
}

#[test]
fn what_came_before_the_receive_has_ended_belongs_to_a_body_that_is_stopped() {
    // It is chance whether a receive that has been told to end takes what it finds.
    let got = (0..16).flat_map(|seed| {
        let (mut simulation, mut peer, taker, gets) = taking(seed, b"head", 10);
        taker.stop();
        // One turn, by whose end it does not want to receive any more.
        for _ in 0..4 {
            simulation.step();
        }
        assert!(gets.try_recv().is_err(), "its receive may still bring something");
        peer.write(b"behind");
        simulation.settle();
        gets.try_iter().collect::<Vec<_>>()
    });
    let mut got: Vec<Vec<u8>> = got.collect();
    assert_eq!(got.len(), 16, "each is told once");
    got.sort_unstable();
    got.dedup();
    assert_eq!(got, [&b"a part: head"[..], b"headbehind"]);
}
