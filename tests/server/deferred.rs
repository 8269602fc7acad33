//! Answers that become ready out of order, and leave in the order of requests.
//!
//! Knows: pipelined lines, an oracle on another core. Must not know how places are kept.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};

use odeon::Place;
use odeon::prelude::*;
use odeon::sys::Random;

use crate::client::{connect, ends_by_reset, expect, finish, rest};
use crate::puppet::{Puppet, act, done, keep};
use crate::ways::tell;
use crate::world::{PATIENCE, World, until};

thread_local! {
    /// Places that their connections have given away.
    static PLACES: RefCell<VecDeque<Place>> = const { RefCell::new(VecDeque::new()) };
}

/// Keeps every question until the test has it answered.
type Oracle = Puppet<1024>;

/// Has an oracle answer each line, whenever it does.
struct Reader {
    oracle: Addr<Oracle>,
    told: Sender<Result<Addr<Reader>, StopReason>>,
}

/// What a reader is to do.
#[derive(Message)]
enum Fill {
    /// The oldest place that was given away.
    Given(&'static str),
    /// Drop it instead.
    Dropped,
}

impl Accepts<Fill> for Reader {
    fn accept(message: Fill) -> Fill {
        message
    }
}

impl Actor for Reader {
    type Message = Fill;

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        tell(&self.told, Ok(cx.me()));
        Flow::Continue
    }

    fn handle(&mut self, fill: Fill, cx: &mut Context<Self>) -> Flow {
        let place = PLACES.with_borrow_mut(VecDeque::pop_front).expect("one was given away");
        match fill {
            Fill::Given(text) => cx.fill_line(place, text),
            Fill::Dropped => drop(place),
        }
        Flow::Continue
    }

    fn stopped(&mut self, reason: StopReason, _: &mut Context<Self>) {
        tell(&self.told, Err(reason));
    }
}

impl Connection for Reader {
    type Codec = Lines<4096>;

    fn frame(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        let (how, text) = line.split_once(' ').unwrap_or((line, ""));
        let text = text.to_owned();
        match how {
            "now" => cx.write_line(text),
            "give" => {
                let place = cx.defer();
                PLACES.with_borrow_mut(|places| places.push_back(place));
            }
            "drop" => drop(cx.defer()),
            "quit" => {
                drop(cx.defer());
                return Flow::Close;
            }
            "close" => return Flow::Close,
            "many" => (0..text.parse().expect("a number")).for_each(|_| {
                let place = cx.defer();
                PLACES.with_borrow_mut(|places| places.push_back(place));
            }),
            _ => {
                let (how, place) = (how.to_owned(), cx.defer());
                self.oracle.ask(keep()).timeout(PATIENCE).then(cx, move |_, answer, cx| {
                    let said = format!("{text} {}", answer.expect("the oracle answers"));
                    match how.as_str() {
                        "fill" => cx.fill(place, said + "\n"),
                        "parts" => {
                            said.split_inclusive(' ').for_each(|part| cx.append(&place, part));
                            cx.fill(place, "\n");
                        }
                        "frame" => cx.fill_frame(place, &said).expect("a line"),
                        _ => cx.fill_line(place, said),
                    }
                });
            }
        }
        Flow::Continue
    }
}

struct Scene {
    world: World,
    address: std::net::SocketAddr,
    oracle: Addr<Oracle>,
    told: Receiver<Result<Addr<Reader>, StopReason>>,
}

impl Scene {
    /// With the oracle on the last core.
    fn new(on: BackendChoice, cores: usize, change: impl FnOnce(&mut Config)) -> Scene {
        let mut world = World::with(on, cores, change);
        let (oracle, _) = world.mortal(cores - 1);
        world.remember();
        let (tell, told) = channel();
        let address = world.serve(move |_| Reader { oracle, told: tell.clone() });
        Scene { world, address, oracle, told }
    }

    fn connect(&self) -> (TcpStream, Addr<Reader>) {
        let stream = connect(self.address);
        let reader = self.told.recv_timeout(PATIENCE).expect("a reader starts").expect("it does not end");
        (stream, reader)
    }

    fn end(&self) -> StopReason {
        self.told.recv_timeout(PATIENCE).expect("a reader ends").expect_err("it ends")
    }

    /// How many questions wait at the oracle.
    fn asked(&self) -> u64 {
        let count = act(|me: &mut Oracle, _, reply| reply.send(me.kept.len() as u64));
        self.oracle.ask(count).wait().expect("the oracle answers")
    }

    fn wait_for_questions(&self, count: u64) {
        until("the questions", || self.asked() >= count);
    }

    /// Has the oracle answer one of its questions with a number.
    fn answer(&self, at: usize, number: u64) {
        let answer = act(move |me: &mut Oracle, _, _| me.kept.remove(at).send(number));
        self.oracle.tell(answer).expect("there is room");
        done(self.oracle);
    }
}

/// Writes, and leaves when the client is gone.
fn write(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).expect("the server reads");
}

/// Writes lines behind one that is answered at once: by then the others have been read with it.
fn read(stream: &mut TcpStream, lines: &str) {
    write(stream, &format!("now read\n{lines}"));
    expect(stream, b"read\n");
}

/// Nothing has come, and nothing will before something else happens.
fn nothing_comes(scene: &Scene, stream: &TcpStream) {
    for _ in 0..3 {
        scene.world.ledgers();
    }
    stream.set_nonblocking(true).expect("the option exists");
    let read = std::io::Read::read(&mut &*stream, &mut [0; 1]);
    assert_eq!(read.expect_err("nothing comes").kind(), std::io::ErrorKind::WouldBlock);
    stream.set_nonblocking(false).expect("the option exists");
}

pub(crate) fn answers_leave_in_the_order_of_requests(on: BackendChoice) {
    const CLIENTS: usize = 6;
    const LINES: usize = 60;
    const HOW: [&str; 5] = ["ask", "fill", "parts", "frame", "now"];
    for cores in [1, 2] {
        // The clients have ended their streams long before the last answer.
        let scene = Scene::new(on, cores, |config| config.close_deadline = PATIENCE);
        let mut random = Random::new(cores as u64);
        let mut streams: Vec<_> = (0..CLIENTS).map(|_| scene.connect().0).collect();
        let how: Vec<Vec<_>> =
            (0..CLIENTS).map(|_| (0..LINES).map(|_| HOW[random.index(HOW.len())]).collect()).collect();
        let asked = how.iter().flatten().filter(|how| **how != "now").count();
        for (stream, how) in streams.iter_mut().zip(&how) {
            let lines: String = how.iter().enumerate().map(|(line, how)| format!("{how} {line}\n")).collect();
            write(stream, &lines);
            finish(stream);
        }
        for number in 0..asked as u64 {
            scene.wait_for_questions(1);
            let waiting = scene.asked() as usize;
            scene.answer(random.index(waiting), number);
        }
        let mut seen = Vec::new();
        for (stream, how) in streams.iter_mut().zip(&how) {
            let text = String::from_utf8(rest(stream)).expect("text");
            for (line, (got, how)) in text.lines().zip(how).enumerate() {
                match got.split_once(' ') {
                    Some((text, number)) => {
                        assert_eq!((text, *how != "now"), (line.to_string().as_str(), true));
                        seen.push(number.parse::<u64>().expect("a number"));
                    }
                    None => assert_eq!((got, *how), (line.to_string().as_str(), "now")),
                }
            }
            assert_eq!(text.lines().count(), LINES);
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..asked as u64).collect::<Vec<_>>(), "each answer once");
        drop(streams);
        scene.world.finish();
    }
}

pub(crate) fn what_is_written_behind_a_place_waits_for_it(on: BackendChoice) {
    let scene = Scene::new(on, 1, |_| {});
    let (mut stream, _) = scene.connect();
    write(&mut stream, "now zero\nask one\nnow two\nparts three\nask four\nnow five\n");
    expect(&mut stream, b"zero\n");
    scene.wait_for_questions(3);
    scene.answer(2, 40);
    scene.answer(1, 30);
    nothing_comes(&scene, &stream);
    scene.answer(0, 10);
    expect(&mut stream, b"one 10\ntwo\nthree 30\nfour 40\nfive\n");
    // Others are served meanwhile.
    write(&mut stream, "ask six\nnow seven\n");
    scene.wait_for_questions(1);
    let (mut other, _) = scene.connect();
    write(&mut other, "now here\n");
    expect(&mut other, b"here\n");
    nothing_comes(&scene, &stream);
    scene.answer(0, 60);
    expect(&mut stream, b"six 60\nseven\n");
    drop((stream, other));
    scene.world.finish();
}

pub(crate) fn whatever_ends_a_connection_in_order_waits_for_its_places(on: BackendChoice) {
    let scene = Scene::new(on, 2, |_| {});
    let (mut stream, _) = scene.connect();
    write(&mut stream, "ask one\nnow two\nask three\nclose\nnow nothing\n");
    scene.wait_for_questions(2);
    scene.answer(1, 3);
    nothing_comes(&scene, &stream);
    scene.answer(0, 1);
    assert_eq!(rest(&mut stream), b"one 1\ntwo\nthree 3\n");
    assert_eq!(scene.end(), StopReason::Stopped);
    drop(stream);
    let (mut stream, reader) = scene.connect();
    write(&mut stream, "ask one\nnow two\n");
    scene.wait_for_questions(1);
    reader.stop();
    nothing_comes(&scene, &stream);
    scene.answer(0, 1);
    assert_eq!(rest(&mut stream), b"one 1\ntwo\n");
    assert_eq!(scene.end(), StopReason::Stopped);
    drop(stream);
    scene.world.finish();
}

pub(crate) fn a_place_that_is_dropped_ends_its_connection(on: BackendChoice) {
    let scene = Scene::new(on, 1, |_| {});
    for lines in ["now one\ndrop\nnow two\n", "drop\n", "quit\n", "ask one\ndrop\n", "now one\nquit\n"] {
        let (mut stream, _) = scene.connect();
        write(&mut stream, lines);
        assert!(ends_by_reset(&mut stream), "{lines:?}");
        assert_eq!(scene.end(), StopReason::Failed, "{lines:?}");
    }
    // Later, by somebody else.
    let (mut stream, _) = scene.connect();
    write(&mut stream, "now one\ngive\nnow two\n");
    expect(&mut stream, b"one\n");
    let (other, reader) = scene.connect();
    reader.tell(Fill::Dropped).expect("there is room");
    assert!(ends_by_reset(&mut stream));
    assert_eq!(scene.end(), StopReason::Failed);
    scene.oracle.tell(act(|me: &mut Oracle, _, _| me.kept.clear())).expect("there is room");
    drop((stream, other));
    scene.world.finish();
}

pub(crate) fn a_place_outlives_its_connection_and_means_nothing_then(on: BackendChoice) {
    let scene = Scene::new(on, 1, |_| {});
    let (mut filler, reader) = scene.connect();
    // While it lives, anybody fills it.
    let (mut stream, _) = scene.connect();
    read(&mut stream, "give\nnow two\n");
    nothing_comes(&scene, &stream);
    reader.tell(Fill::Given("one")).expect("there is room");
    expect(&mut stream, b"one\ntwo\n");
    for fill in [|| Fill::Given("late"), || Fill::Dropped] {
        read(&mut stream, "give\ngive\nnow two\n");
        let (mut stays, _) = scene.connect();
        write(&mut stays, "now here\n");
        expect(&mut stays, b"here\n");
        crate::client::reset(stream);
        assert!(matches!(scene.end(), StopReason::Disconnected(_)));
        scene.world.wait_for("its end", |ledgers| ledgers[0].socket_actors == 3);
        // Another in its place.
        stream = scene.connect().0;
        reader.tell(fill()).expect("there is room");
        reader.tell(fill()).expect("there is room");
        write(&mut filler, "now done\n");
        expect(&mut filler, b"done\n");
        nothing_comes(&scene, &stream);
        drop(stays);
        assert_eq!(scene.end(), StopReason::EndOfStream);
    }
    write(&mut stream, "now well\n");
    expect(&mut stream, b"well\n");
    drop((stream, filler));
    scene.world.finish();
}

pub(crate) fn a_client_that_asks_faster_than_it_is_answered_waits(on: BackendChoice) {
    const LINES: usize = 3000;
    for (cores, deferred_max) in [(1, 1), (2, 4), (2, 100)] {
        let scene = Scene::new(on, cores, |config| config.deferred_max = deferred_max);
        let (mut stream, _) = scene.connect();
        let mut writer = stream.try_clone().expect("a descriptor is left");
        let writing = std::thread::spawn(move || {
            for line in 0..LINES {
                write(&mut writer, &format!("ask {line}\n"));
            }
            finish(&writer);
        });
        let reading = std::thread::spawn(move || rest(&mut stream));
        let mut most = 0;
        let mut answered = 0;
        while answered < LINES {
            let waiting = scene.asked();
            most = most.max(waiting);
            let answer = act(move |me: &mut Oracle, _, _| {
                me.kept.drain(..waiting as usize).rev().for_each(|reply| reply.send(7));
            });
            scene.oracle.tell(answer).expect("there is room");
            answered += waiting as usize;
        }
        assert!(most <= u64::from(deferred_max), "{most} at once");
        let text = String::from_utf8(reading.join().expect("no panic")).expect("text");
        assert!(text.lines().eq((0..LINES).map(|line| format!("{line} 7"))));
        writing.join().expect("no panic");
        scene.world.finish();
    }
}

pub(crate) fn more_places_than_allowed_end_the_connection(on: BackendChoice) {
    let scene = Scene::new(on, 1, |config| config.deferred_max = 4);
    let (mut stream, _) = scene.connect();
    write(&mut stream, "many 5\n");
    assert!(ends_by_reset(&mut stream));
    assert_eq!(scene.end(), StopReason::OutboxFull);
    drop(stream);
    let (mut stream, _) = scene.connect();
    read(&mut stream, "many 4\nnow last\n");
    nothing_comes(&scene, &stream);
    let (filler, reader) = scene.connect();
    // The five of the one that has ended come first.
    for _ in 0..9 {
        reader.tell(Fill::Given("line")).expect("there is room");
    }
    expect(&mut stream, b"line\nline\nline\nline\nlast\n");
    drop((stream, filler));
    scene.world.finish();
}
