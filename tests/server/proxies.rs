//! Connections that are forwarded to each other: a proxy.
//!
//! Knows: what goes in on one side and comes out on the other. Must not know how it gets there.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use odeon::prelude::*;
use odeon::sys::{Random, now};
use odeon::{ForwardError, Timeout};

use crate::client::{connect, expect, is_reset, pattern, rest};
use crate::connects::deserted;
use crate::pressure::push;
use crate::ways::tell;
use crate::world::{PATIENCE, World, until};

/// What the test is told.
#[derive(Debug, PartialEq)]
pub(crate) enum Told {
    Refused(std::io::ErrorKind),
    Tied([Result<(), ForwardError>; 3]),
    Body(Vec<u8>),
    /// With the bytes that it had forwarded.
    ClientSide(StopReason, u64),
    FarSide(StopReason, u64),
}

/// What a client is connected to: it connects to the far side, and is tied to it.
pub(crate) struct Near {
    to: SocketAddr,
    /// So many bytes of the client are not for the far side.
    greeting: usize,
    told: Sender<Told>,
}

impl Actor for Near {
    type Message = Never;

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        cx.exclusive("Near::connect", Timeout::Default, async |me: &mut Near, cx: &mut Context<Near>| {
            let (near, told) = (cx.me(), me.told.clone());
            match odeon::connect(me.to).start(move |_| Far { near, told }).await {
                Ok(far) => {
                    let tied = [cx.forward_to(far), cx.forward_to(cx.me()), cx.forward_to(far)];
                    tell(&me.told, Told::Tied(tied));
                    if me.greeting > 0 {
                        cx.read_exact_into(Vec::new(), me.greeting).expect("it is the first");
                    }
                    Flow::Continue
                }
                Err(error) => {
                    tell(&me.told, Told::Refused(error.kind()));
                    Flow::Fail
                }
            }
        })
    }

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }

    fn stopped(&mut self, reason: StopReason, cx: &mut Context<Self>) {
        tell(&self.told, Told::ClientSide(reason, cx.forwarded_bytes()));
    }
}

impl Connection for Near {
    type Codec = Raw;

    fn frame(&mut self, _: &[u8], _: &mut Context<Self>) -> Flow {
        unreachable!("it is forwarded before anything is read")
    }

    fn body(&mut self, body: Result<Vec<u8>, BodyError>, _: &mut Context<Self>) -> Flow {
        tell(&self.told, Told::Body(body.expect("it is whole")));
        Flow::Continue
    }
}

/// The connection to the far side.
struct Far {
    near: Addr<Near>,
    told: Sender<Told>,
}

impl Actor for Far {
    type Message = Never;

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        cx.forward_to(self.near).expect("it lives, and nobody else feeds it");
        Flow::Continue
    }

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }

    fn stopped(&mut self, reason: StopReason, cx: &mut Context<Self>) {
        tell(&self.told, Told::FarSide(reason, cx.forwarded_bytes()));
    }
}

impl Connection for Far {
    type Codec = Raw;

    fn frame(&mut self, _: &[u8], _: &mut Context<Self>) -> Flow {
        unreachable!("it is forwarded before anything is read")
    }
}

/// A way to make connections that are tied to another one, which leads there.
pub(crate) fn nears(to: SocketAddr, told: Sender<Told>) -> impl FnMut(Peer) -> Near + Clone + Send {
    move |_| Near { to, greeting: 0, told: told.clone() }
}

struct Scene {
    world: World,
    proxy: SocketAddr,
    far: TcpListener,
    told: Receiver<Told>,
}

impl Scene {
    fn new(backend: BackendChoice, change: impl FnOnce(&mut Config)) -> Scene {
        Scene::greeted(backend, 0, change)
    }

    fn greeted(backend: BackendChoice, greeting: usize, change: impl FnOnce(&mut Config)) -> Scene {
        let far = TcpListener::bind("127.0.0.1:0").expect("a free port is found");
        let to = far.local_addr().expect("it is bound");
        let mut world = World::with(backend, 1, change);
        let (telling, told) = channel();
        let proxy = world.serve(move |_| Near { to, greeting, told: telling.clone() });
        Scene { world, proxy, far, told }
    }

    /// A client, and what it is connected to on the far side.
    fn pair(&self) -> (TcpStream, TcpStream) {
        let client = connect(self.proxy);
        let (far, _) = self.far.accept().expect("the proxy connects");
        far.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        let expected = [Ok(()), Err(ForwardError::Itself), Err(ForwardError::Tied)];
        assert_eq!(self.next(), Told::Tied(expected));
        (client, far)
    }

    fn next(&self) -> Told {
        self.told.recv_timeout(PATIENCE).expect("it is told")
    }

    /// Waits for the end of both sides, which have forwarded so many bytes.
    fn ends(&self, near: StopReason, far: StopReason, forwarded: [usize; 2]) {
        self.tells_ends(near, far, forwarded);
        self.world.settle();
    }

    fn tells_ends(&self, near: StopReason, far: StopReason, [up, down]: [usize; 2]) {
        let mut ends = [self.next(), self.next()];
        ends.sort_by_key(|end| matches!(end, Told::FarSide(..)));
        assert_eq!(ends, [Told::ClientSide(near, up as u64), Told::FarSide(far, down as u64)]);
    }
}

/// Sends these bytes in pieces, and ends.
fn send(mut stream: &TcpStream, bytes: &[u8], random: &mut Random) {
    let mut left = bytes;
    while !left.is_empty() {
        let (piece, rest) = left.split_at(left.len().min(1 + random.index(100_000)));
        stream.write_all(piece).expect("somebody reads");
        left = rest;
    }
    stream.shutdown(Shutdown::Write).expect("it is open");
}

pub(crate) fn bytes_go_both_ways_at_once(backend: BackendChoice) {
    let scene = Scene::new(backend, |config| config.outbox_bytes_max = 100_000);
    for (seed, sizes) in [(1, [1, 0]), (2, [0, 70_000]), (3, [5_000_000, 3_000_000])] {
        let (mut client, mut far) = scene.pair();
        let [up, down] = [pattern(seed, sizes[0]), pattern(seed + 10, sizes[1])];
        thread::scope(|scope| {
            scope.spawn(|| send(&client, &up, &mut Random::new(seed)));
            scope.spawn(|| send(&far, &down, &mut Random::new(seed + 20)));
            let far = &far;
            let read = scope.spawn(move || {
                let mut bytes = Vec::new();
                (&*far).read_to_end(&mut bytes).map(|_| bytes)
            });
            let mut bytes = Vec::new();
            (&client).read_to_end(&mut bytes).expect("the stream ends in order");
            assert!(bytes == down, "{} bytes instead of {}", bytes.len(), down.len());
            let bytes = read.join().expect("it reads").expect("the stream ends in order");
            assert!(bytes == up, "{} bytes instead of {}", bytes.len(), up.len());
        });
        assert_eq!(
            [
                client.read_to_end(&mut Vec::new()).expect("the other side is there"),
                far.read_to_end(&mut Vec::new()).expect("the other side is there")
            ],
            [0, 0]
        );
        drop((client, far));
        scene.ends(StopReason::EndOfStream, StopReason::EndOfStream, sizes);
    }
}

pub(crate) fn an_answer_arrives_after_a_half_close(backend: BackendChoice) {
    let scene = Scene::new(backend, |_| {});
    let (mut client, mut far) = scene.pair();
    client.write_all(b"question").expect("the other side is there");
    client.shutdown(Shutdown::Write).expect("the other side is there");
    assert_eq!(rest(&mut far), b"question");
    let answer = pattern(7, 2_000_000);
    far.write_all(&answer).expect("the other side is there");
    drop(far);
    assert!(rest(&mut client) == answer);
    drop(client);
    scene.ends(StopReason::EndOfStream, StopReason::EndOfStream, [8, 2_000_000]);
}

pub(crate) fn a_body_comes_before_what_is_forwarded(backend: BackendChoice) {
    for greeting in [5, 100_000] {
        let scene = Scene::greeted(backend, greeting, |_| {});
        let (mut client, mut far) = scene.pair();
        let bytes = pattern(3, greeting + 300_000);
        client.write_all(&bytes).expect("the other side is there");
        client.shutdown(Shutdown::Write).expect("the other side is there");
        assert!(scene.next() == Told::Body(bytes[..greeting].to_vec()));
        assert!(rest(&mut far) == bytes[greeting..]);
        far.write_all(b"answer").expect("the other side is there");
        drop(far);
        assert_eq!(rest(&mut client), b"answer");
        drop(client);
        scene.ends(StopReason::EndOfStream, StopReason::EndOfStream, [300_000, 6]);
    }
}

pub(crate) fn nobody_at_the_far_side_ends_the_connection(backend: BackendChoice) {
    let (mut world, (_nobody, to)) = (World::new(backend, 1), deserted());
    let (telling, told) = channel();
    let proxy = world.serve(move |_| Near { to, greeting: 0, told: telling.clone() });
    assert!(is_reset(proxy));
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Refused(std::io::ErrorKind::ConnectionRefused)));
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::ClientSide(StopReason::Failed, 0)));
    world.settle();
}

/// True if everything that was written there is with the other side: what is not, a reset drops.
fn is_taken(stream: &TcpStream) -> bool {
    let port =
        |address: std::io::Result<SocketAddr>| format!(":{:04X}", address.expect("it is connected").port());
    let (here, there) = (port(stream.local_addr()), port(stream.peer_addr()));
    let sockets = std::fs::read_to_string("/proc/net/tcp").expect("it is there");
    let mut lines = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines.find(|words| words[1].ends_with(&here) && words[2].ends_with(&there));
    line.expect("it is listed")[4].starts_with("00000000:")
}

/// Who answers before everything is read, and closes, resets the connection.
pub(crate) fn an_early_answer_arrives_before_the_reset_behind_it(backend: BackendChoice) {
    // A busy machine may leave the client no turn for a second.
    let scene = Scene::new(backend, |config| config.linger_after = Duration::from_secs(4));
    let request = pattern(1, 16 << 20);
    for (seed, ends) in [(0, false), (1, true), (2, true)] {
        let (client, mut far) = scene.pair();
        let answer = pattern(seed, 100_000);
        thread::scope(|scope| {
            let writing = scope.spawn(|| (&client).write_all(&request));
            expect(&mut far, &request[..1000]);
            far.write_all(&answer).expect("the other side is there");
            until("all of the answer is there", || is_taken(&far));
            if ends {
                far.shutdown(Shutdown::Write).expect("the other side is there");
            }
            drop(far);
            let mut bytes = Vec::new();
            let read = (&client).read_to_end(&mut bytes);
            assert!(bytes == answer, "{} bytes instead of {}", bytes.len(), answer.len());
            if ends {
                assert!(read.is_ok(), "all of it has come");
                client.shutdown(Shutdown::Both).expect("it is connected");
            }
            // The kernel tells one of them.
            assert!(writing.join().expect("it writes").is_err() || ends || read.is_err());
        });
        drop(client);
        let mut ends = [scene.next(), scene.next()];
        ends.sort_by_key(|end| matches!(end, Told::FarSide(..)));
        let [Told::ClientSide(StopReason::ForwardEnded, _), Told::FarSide(broken, 100_000)] = ends else {
            panic!("{ends:?}");
        };
        let either = [libc::ECONNRESET, libc::EPIPE].map(StopReason::Disconnected);
        assert!(either.contains(&broken), "{broken:?}");
        scene.world.settle();
    }
}

pub(crate) fn a_client_that_does_not_read_makes_the_far_side_wait(backend: BackendChoice) {
    let scene = Scene::new(backend, |config| config.outbox_bytes_max = 1 << 20);
    let (mut client, far) = scene.pair();
    let much = pattern(3, 32 << 20);
    far.set_nonblocking(true).expect("a socket can be made not to block");
    let (mut written, mut quiet) = (0, 0);
    while quiet < 200 {
        let more = push(&far, &much[written..]);
        written += more;
        quiet = if more == 0 { quiet + 1 } else { 0 };
        // What the sockets of both connections hold at most, the outbox, and the buffers between.
        assert!(written < 28 << 20, "nothing more is taken");
        scene.world.ledgers();
    }
    far.set_nonblocking(false).expect("a socket can be made to block");
    thread::scope(|scope| {
        scope.spawn(|| send(&far, &much[written..], &mut Random::new(3)));
        let mut bytes = vec![0; much.len()];
        client.read_exact(&mut bytes).expect("everything arrives");
        assert!(bytes == much);
    });
    client.shutdown(Shutdown::Write).expect("the other side is there");
    assert_eq!(rest(&mut client), b"");
    drop((client, far));
    scene.ends(StopReason::EndOfStream, StopReason::EndOfStream, [0, 32 << 20]);
}

const IDLE: Duration = Duration::from_millis(300);

/// A scene in which clients' connections have an idle timeout.
fn timed(backend: BackendChoice, change: impl FnOnce(&mut Config)) -> Scene {
    let mut scene = Scene::new(backend, change);
    let (to, (telling, told)) = (scene.far.local_addr().expect("it is bound"), channel());
    scene.told = told;
    let listener = scene.world.system.listener("127.0.0.1:0").idle_timeout(IDLE);
    let listening = listener.start(move |_| Near { to, greeting: 0, told: telling.clone() });
    scene.proxy = listening.expect("a free port is found").address();
    scene.world.listens();
    scene
}

pub(crate) fn what_has_come_before_silence_arrives_and_then_both_streams_end(backend: BackendChoice) {
    let scene = timed(backend, |config| config.outbox_bytes_max = 4 << 20);
    let (up, down) = (pattern(1, 1 << 20), pattern(2, 700_000));
    let (mut client, mut far) = loop {
        let (began, (mut client, mut far)) = (now(), scene.pair());
        let written = client.write_all(&up).and_then(|()| far.write_all(&down));
        if now().since(began) < IDLE {
            written.expect("the other side is there");
            break (client, far);
        }
        // On a machine that did not run this test for so long there may have been silence before: then another pair tries.
        drop((client, far));
        (0..2).for_each(|_| drop(scene.next()));
        scene.world.settle();
    };
    let ends = [StopReason::Idle, StopReason::ForwardEnded];
    scene.tells_ends(ends[0], ends[1], [up.len(), down.len()]);
    assert!(rest(&mut far) == up);
    assert!(rest(&mut client) == down);
    drop((client, far));
    scene.world.settle();
}

/// Bytes in one direction keep both connections; silence ends both in order.
pub(crate) fn silence_on_both_sides_is_idleness(backend: BackendChoice) {
    let scene = timed(backend, |_| {});
    let mut sent = now();
    let (mut client, mut far) = scene.pair();
    let until = now().after(IDLE * 3);
    let mut bytes = 0;
    while now() < until {
        // What was sent last was passed on then, or later.
        let before = std::mem::replace(&mut sent, now());
        let mut got = [0; 4];
        let written = far.write_all(b"more");
        if written.and_then(|()| client.read_exact(&mut got)).is_err() {
            // On a machine that did not run this test for so long there was silence after all.
            assert!(now().since(before) >= IDLE, "bytes keep both");
            drop((client, far));
            return scene.world.settle();
        }
        assert_eq!(&got, b"more");
        bytes += 4;
    }
    assert_eq!(rest(&mut client), b"");
    assert_eq!(rest(&mut far), b"");
    drop((client, far));
    scene.ends(StopReason::Idle, StopReason::ForwardEnded, [0, bytes]);
}
