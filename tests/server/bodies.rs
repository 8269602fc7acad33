//! Bodies: bytes whose number is known, received into memory of the user's own.
//!
//! Knows: what is promised of a body, however it ends. Must not know which way it comes by.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};

use odeon::prelude::*;
use odeon::{BodyRefusal, ShutdownReport};

use crate::client::{connect, expect, finish, pattern, reset, rest};
use crate::world::{PATIENCE, World};

/// What an actor has been told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Started(Addr<Store>),
    Began,
    Body(Vec<u8>),
    /// What had come, how much had not, and why.
    Cut(Vec<u8>, usize, StopReason),
    EndOfStream,
    Stopped(StopReason),
}

/// Receives a body behind each line that says how long it is, and answers with the sum of its bytes.
pub(crate) struct Store {
    told: Sender<Told>,
    /// What the next body is appended to.
    buffer: Vec<u8>,
}

#[derive(Message)]
pub(crate) enum Order {
    Stop,
    /// From a message: what is behind the last line.
    Body(usize),
}

#[actor(codec = Lines<80>)]
impl Store {
    #[started]
    fn begin(&mut self, cx: &mut Context<Self>) {
        self.tell(Told::Started(cx.me()));
    }

    #[message]
    fn order(&mut self, order: Order, cx: &mut Context<Self>) -> Flow {
        match order {
            Order::Stop => return Flow::Stop,
            Order::Body(length) => self.receive(length, cx),
        }
        Flow::Continue
    }

    #[frame]
    fn length(&mut self, line: &str, cx: &mut Context<Self>) {
        match line.parse() {
            Ok(length) => self.receive(length, cx),
            Err(_) => cx.write_line(line),
        }
    }

    #[body]
    fn whole(&mut self, body: Result<Vec<u8>, BodyError>, cx: &mut Context<Self>) {
        match body {
            Ok(body) => {
                cx.write_line(sum(&body).to_string());
                self.tell(Told::Body(body));
            }
            Err(error) => {
                let (missing, why) = (error.missing(), error.why());
                self.tell(Told::Cut(error.into_buffer(), missing, why));
            }
        }
    }

    #[end_of_stream]
    fn end(&mut self) -> Flow {
        self.tell(Told::EndOfStream);
        Flow::Close
    }

    #[stopped]
    fn stop(&mut self, reason: StopReason) {
        self.tell(Told::Stopped(reason));
    }
}

impl Store {
    fn tell(&self, told: Told) {
        // The test may have failed.
        let _ = self.told.send(told);
    }

    fn receive(&mut self, length: usize, cx: &mut Context<Self>) {
        let buffer = std::mem::take(&mut self.buffer);
        let held = buffer.clone();
        match cx.read_exact_into(buffer, length) {
            Ok(()) => self.tell(Told::Began),
            Err(refused) => {
                assert_eq!(refused.buffer, held, "it is handed back");
                let BodyRefusal::TooLarge { max } = refused.why else { panic!("{refused}") };
                cx.write_line(format!("at most {max}"));
            }
        }
    }
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte)).sum()
}

/// Opens a listener with stores; what they are told.
pub(crate) fn stores(world: &mut World, held: &[u8]) -> (SocketAddr, Receiver<Told>) {
    let (told, heard) = channel();
    let held = held.to_vec();
    let address = world.serve(move |_| Store { told: told.clone(), buffer: held.clone() });
    (address, heard)
}

fn next(heard: &Receiver<Told>) -> Told {
    heard.recv_timeout(PATIENCE).expect("the actor tells something")
}

/// The actor of the connection that has begun.
fn started(heard: &Receiver<Told>) -> Addr<Store> {
    match next(heard) {
        Told::Started(store) => store,
        other => panic!("instead of a start: {other:?}"),
    }
}

const LARGE: usize = 5 << 20;

pub(crate) fn bodies_of_any_size_come_whole_and_in_order(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let (address, heard) = stores(&mut world, b"");
    let mut stream = connect(address);
    started(&heard);
    let sizes = [0, 1, 100, 32_767, 32_768, 32_769, 65_536, 1, 300_000, 0, 0, LARGE, 7];
    let bodies: Vec<Vec<u8>> = (0..).zip(sizes).map(|(seed, size)| pattern(seed, size)).collect();
    // One after the other, and then all at once, lines between them.
    for body in &bodies {
        stream.write_all(format!("{}\n", body.len()).as_bytes()).expect("the server reads");
        stream.write_all(body).expect("the server reads");
        expect(&mut stream, format!("{}\n", sum(body)).as_bytes());
        assert_eq!(next(&heard), Told::Began);
        assert!(next(&heard) == Told::Body(body.clone()), "a body of {} bytes", body.len());
    }
    let mut wire = Vec::new();
    for body in &bodies {
        wire.extend(format!("{}\n", body.len()).bytes());
        wire.extend_from_slice(body);
        wire.extend(b"and\n");
    }
    stream.write_all(&wire).expect("the server reads");
    for body in &bodies {
        expect(&mut stream, format!("{}\nand\n", sum(body)).as_bytes());
        assert_eq!(next(&heard), Told::Began);
        assert!(next(&heard) == Told::Body(body.clone()), "a body of {} bytes", body.len());
    }
    drop(stream);
    world.finish();
}

pub(crate) fn a_body_goes_behind_what_its_buffer_holds(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let (address, heard) = stores(&mut world, b"held:");
    let mut stream = connect(address);
    let store = started(&heard);
    // Asked for by a message, in the middle of a line.
    stream.write_all(b"echo\na long bod").expect("the server reads");
    expect(&mut stream, b"echo\n");
    store.tell(Order::Body(11)).expect("it goes on");
    assert_eq!(next(&heard), Told::Began);
    stream.write_all(b"yecho\nand\nso on\n").expect("the server reads");
    assert_eq!(next(&heard), Told::Body(b"held:a long body".to_vec()));
    expect(&mut stream, format!("{}\necho\nand\nso on\n", sum(b"held:a long body")).as_bytes());
    drop(stream);
    world.finish();
}

pub(crate) fn a_body_beyond_the_bound_is_refused_and_its_buffer_handed_back(on: BackendChoice) {
    let mut world = World::with(on, 1, |config| config.body_bytes_max = 1000);
    let (address, heard) = stores(&mut world, b"held");
    let mut stream = connect(address);
    started(&heard);
    stream.write_all(b"1001\n18446744073709551615\nnext\n").expect("the server reads");
    expect(&mut stream, b"at most 1000\nat most 1000\nnext\n");
    stream.write_all(b"1000\n").expect("the server reads");
    stream.write_all(&[1; 1000]).expect("the server reads");
    expect(&mut stream, b"1000\n");
    drop(stream);
    world.finish();
}

/// Sends half of a body; what the actor has been told so far is that it began.
fn half(address: SocketAddr, heard: &Receiver<Told>, size: usize) -> (std::net::TcpStream, Addr<Store>) {
    let mut stream = connect(address);
    let store = started(heard);
    stream.write_all(format!("{size}\n").as_bytes()).expect("the server reads");
    stream.write_all(&pattern(1, size / 2)).expect("the server reads");
    assert_eq!(next(heard), Told::Began);
    (stream, store)
}

const SIZES: [usize; 3] = [2, 10_000, LARGE];

pub(crate) fn the_end_of_the_stream_within_a_body_is_told_with_what_had_come(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let (address, heard) = stores(&mut world, b"");
    for size in SIZES {
        let (mut stream, _) = half(address, &heard, size);
        finish(&stream);
        let cut = Told::Cut(pattern(1, size / 2), size / 2, StopReason::EndOfStream);
        assert!(next(&heard) == cut, "a body of {size} bytes");
        assert_eq!(next(&heard), Told::EndOfStream);
        assert_eq!(next(&heard), Told::Stopped(StopReason::EndOfStream));
        assert_eq!(rest(&mut stream), b"");
    }
    world.finish();
}

pub(crate) fn a_reset_within_a_body_is_told_with_what_had_come(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let (address, heard) = stores(&mut world, b"");
    for size in SIZES {
        let (stream, _) = half(address, &heard, size);
        reset(stream);
        let Told::Cut(body, missing, why) = next(&heard) else { panic!("the body is cut") };
        // The kernel drops what has not been received.
        assert!(pattern(1, size / 2).starts_with(&body) && body.len() + missing == size);
        assert!(matches!(why, StopReason::Disconnected(errno) if errno > 0), "{why:?}");
        assert_eq!(next(&heard), Told::Stopped(why));
    }
    world.finish();
}

pub(crate) fn a_stop_within_a_body_is_told_with_what_had_come(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let (address, heard) = stores(&mut world, b"");
    for size in SIZES {
        let (stream, store) = half(address, &heard, size);
        store.stop();
        let Told::Cut(body, missing, why) = next(&heard) else { panic!("the body is cut") };
        assert!(pattern(1, size / 2).starts_with(&body) && body.len() + missing == size);
        assert_eq!(why, StopReason::Stopped);
        assert_eq!(next(&heard), Told::Stopped(StopReason::Stopped));
        drop(stream);
    }
    world.finish();
}

pub(crate) fn an_actor_that_ends_within_a_body_is_told_by_its_end(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let (address, heard) = stores(&mut world, b"");
    for size in SIZES {
        let (stream, store) = half(address, &heard, size);
        store.abort();
        assert_eq!(next(&heard), Told::Stopped(StopReason::Aborted));
        drop(stream);
        let (stream, store) = half(address, &heard, size);
        store.tell(Order::Stop).expect("it goes on");
        assert_eq!(next(&heard), Told::Stopped(StopReason::Stopped));
        drop(stream);
    }
    world.finish();
}

pub(crate) fn the_end_of_the_system_within_a_body_is_told_with_all_that_was_sent(on: BackendChoice) {
    for size in SIZES {
        let mut world = World::new(on, 1);
        let (address, heard) = stores(&mut world, b"");
        let (mut stream, _) = half(address, &heard, size);
        let peer = std::thread::spawn(move || rest(&mut stream));
        assert_eq!(world.system.shutdown(), ShutdownReport::default());
        assert_eq!(peer.join().expect("it hears the end"), b"");
        // Everything had been sent before the end began.
        let cut = Told::Cut(pattern(1, size / 2), size / 2, StopReason::Stopped);
        assert!(next(&heard) == cut, "a body of {size} bytes");
        assert_eq!(next(&heard), Told::Stopped(StopReason::Stopped));
    }
}

pub(crate) fn a_stream_tells_how_its_body_ended(on: BackendChoice) {
    let mut world = World::with(on, 1, |config| config.body_bytes_max = LARGE);
    let (told, heard) = channel();
    let address = world.attend(move |mut stream: Stream| async move {
        let (refused, buffer) = stream.read_exact_into(b"held".to_vec(), LARGE + 1).await;
        let refused = refused.expect_err("it is above the bound").kind();
        // The test may have failed.
        let _ = told.send((refused, buffer));
        let (first, buffer) = stream.read_exact_into(b"held:".to_vec(), 4).await;
        first?;
        let _ = told.send((refused, buffer));
        let (cut, buffer) = stream.read_exact_into(Vec::new(), LARGE).await;
        let _ = told.send((cut.expect_err("it is cut").kind(), buffer));
        Ok(())
    });
    let mut stream = connect(address);
    let next = || heard.recv_timeout(PATIENCE).expect("the future tells something");
    assert_eq!(next(), (std::io::ErrorKind::InvalidInput, b"held".to_vec()));
    stream.write_all(b"body").expect("the server reads");
    assert_eq!(next().1, b"held:body");
    stream.write_all(&pattern(2, 100_000)).expect("the server reads");
    finish(&stream);
    assert!(next() == (std::io::ErrorKind::UnexpectedEof, pattern(2, 100_000)));
    assert_eq!(rest(&mut stream), b"");
    drop(stream);
    world.finish();
}
