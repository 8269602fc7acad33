//! Blocks with a codec: frames, silence, ends, and the bound of the outbox.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context as Polling, Poll};
use std::time::Duration;

use futures_core::Stream;
use odeon::prelude::*;
use odeon::system::simulation::SimPeer;

use super::world::{Notes, World};

const OUTBOX: usize = 4096;

struct Session(Notes);

#[actor(
    pub(crate),
    codec = Lines<16>,
    outbox(bytes = OUTBOX),
    mailbox(capacity = Session::ROOM),
    timeouts(first_byte = "never", frame = "1m")
)]
impl Session {
    const ROOM: u32 = 4;

    #[started]
    fn joined(&mut self, cx: &mut Context<Self>) {
        cx.write_line("welcome");
    }

    #[frame]
    fn line(&mut self, cx: &mut Context<Self>, line: &str) -> Flow {
        match line {
            "quit" => return Flow::Close,
            "flood" => (0..=OUTBOX / 16).for_each(|_| cx.write("sixteen bytes...")),
            _ => cx.write_line(line),
        }
        Flow::Continue
    }

    #[end_of_stream]
    fn ended(&mut self, cx: &mut Context<Self>) -> Flow {
        cx.write_line("goodbye");
        Flow::Close
    }

    #[malformed]
    fn refused(&mut self, error: FrameError, cx: &mut Context<Self>) {
        cx.write_line(error.to_string());
    }

    #[idle("10m")]
    fn asleep(&mut self) -> Flow {
        self.0.note("asleep");
        Flow::Close
    }

    #[stopped]
    fn left(&mut self, why: StopReason) {
        self.0.note(format_args!("{why:?}"));
    }
}

/// Names the lifetime of its frames, which are arrays, and takes them as slices.
struct Meter(Vec<u8>);

#[actor(codec = odeon::net::codec::Fixed<2>)]
impl Meter {
    #[frame]
    fn sample<'frame>(&mut self, sample: &'frame [u8], cx: &mut Context<Self>) {
        let larger: &'frame u8 = sample.iter().max().expect("it is not empty");
        self.0.push(*larger);
        cx.write(self.0.as_slice());
    }
}

/// Keeps what it receives, and notes whether that lies where it has arrived.
struct Hoarder(Notes, Vec<Bytes>);

#[actor(codec = odeon::net::codec::Raw)]
impl Hoarder {
    #[frame]
    fn data(&mut self, data: &[u8], cx: &mut Context<Self>) {
        let bytes = cx.bytes_of(&data[1..]);
        assert_eq!(bytes, data[1..]);
        self.0.note(if bytes.as_ptr() == data[1..].as_ptr() { "kept" } else { "copied" });
        self.1.push(bytes);
        if data == b"!" {
            self.1.clear();
        }
    }
}

/// Takes its frames by what they can do, not by their type.
struct Mirror;

#[actor(codec = odeon::net::codec::Fixed<2>)]
impl Mirror {
    #[frame]
    fn pair(&mut self, pair: impl AsRef<[u8]>, cx: &mut Context<Self>) {
        let mut pair = pair.as_ref().to_vec();
        pair.reverse();
        cx.write(pair);
    }
}

/// The same, by a pointer that the frame has to become.
struct Shown;

#[actor(codec = odeon::net::codec::Fixed<2>)]
impl Shown {
    #[frame]
    fn pair(&mut self, pair: &dyn std::fmt::Debug, cx: &mut Context<Self>) {
        cx.write_line(format!("{pair:?}"));
    }
}

/// Three numbers, then nothing more, and no end.
struct Numbers(u32, Notes);

impl Stream for Numbers {
    type Item = Number;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Polling<'_>) -> Poll<Option<Number>> {
        self.0 += 1;
        if self.0 <= 3 { Poll::Ready(Some(Number(self.0))) } else { Poll::Pending }
    }
}

impl Drop for Numbers {
    fn drop(&mut self) {
        self.1.note("the stream is dropped");
    }
}

#[derive(Message)]
struct Number(u32);

/// Sends what a stream has, and what its peer sends.
struct Ticker(Notes);

#[actor(codec = Lines<16>)]
impl Ticker {
    #[started]
    fn begin(&mut self, cx: &mut Context<Self>) -> Flow {
        cx.attach(Numbers(0, self.0.clone()))
    }

    #[message]
    fn number(&mut self, Number(number): Number, cx: &mut Context<Self>) {
        cx.write_line(number.to_string());
    }

    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) {
        cx.write_line(line);
    }
}

fn read(world: &mut World, peer: &mut SimPeer) -> String {
    world.run();
    String::from_utf8(peer.read(1 << 20)).expect("text was sent")
}

#[test]
fn frames_are_handled_as_they_come() {
    let mut world = World::new();
    let notes = world.notes.clone();
    let mut peer = world.connect(move || Session(notes.clone()));
    assert_eq!(read(&mut world, &mut peer), "welcome\n");
    peer.write(b"one\ntwo\nth");
    assert_eq!(read(&mut world, &mut peer), "one\ntwo\n");
    peer.write(b"ree\nquit\nfour\n");
    assert_eq!(read(&mut world, &mut peer), "three\n");
    assert_eq!(world.notes.take(), ["Stopped"]);
    peer.close();
    world.end();
}

#[test]
fn a_connection_takes_the_items_of_a_stream_until_it_ends() {
    let mut world = World::new();
    let notes = world.notes.clone();
    let mut peer = world.connect(move || Ticker(notes.clone()));
    assert_eq!(read(&mut world, &mut peer), "1\n2\n3\n");
    peer.write(b"hello\n");
    assert_eq!((read(&mut world, &mut peer), world.notes.take()), ("hello\n".to_owned(), vec![]));
    drop(peer);
    world.run();
    assert_eq!(world.notes.take(), ["the stream is dropped"]);
    world.end();
}

#[test]
fn frames_that_are_arrays_may_be_taken_as_slices() {
    let mut world = World::new();
    let mut peer = world.connect(|| Meter(Vec::new()));
    peer.write(b"abdc");
    assert_eq!(read(&mut world, &mut peer), "bbd");
    peer.close();
    world.end();
}

#[test]
fn frames_may_be_taken_without_a_name_of_their_type() {
    let mut world = World::new();
    let mut peer = world.connect(|| Mirror);
    peer.write(b"abcd");
    assert_eq!(read(&mut world, &mut peer), "badc");
    peer.close();
    world.end();

    let mut world = World::new();
    let mut peer = world.connect(|| Shown);
    peer.write(b"ab");
    assert_eq!(read(&mut world, &mut peer), "[97, 98]\n");
    peer.close();
    world.end();
}

#[test]
fn large_parts_of_what_has_arrived_are_kept_where_they_are_and_small_ones_copied() {
    let mut world = World::new();
    let notes = world.notes.clone();
    let mut peer = world.connect(move || Hoarder(notes.clone(), Vec::new()));
    for (bytes, what) in [(4097, "kept"), (4096, "copied"), (20_000, "kept"), (1, "copied")] {
        peer.write(&vec![7; bytes]);
        world.run();
        assert_eq!(world.notes.take(), [what], "{bytes} bytes");
    }
    // What it has kept is let go with it: every buffer comes back.
    peer.close();
    world.end();
}

#[test]
fn buffers_that_were_kept_are_used_again() {
    let mut world = World::new();
    let notes = world.notes.clone();
    let mut peer = world.connect(move || Hoarder(notes.clone(), Vec::new()));
    // More than there are buffers for. Behind a byte that is copied it forgets what it has kept.
    for _ in 0..40 {
        peer.write(&[7; 60_000]);
        world.run();
        assert!(world.notes.take().contains(&"kept".to_owned()));
        peer.write(b"!");
        world.run();
        assert_eq!(world.notes.take(), ["copied"]);
    }
    peer.close();
    world.end();
}

#[test]
fn the_end_of_the_stream_and_what_is_malformed_have_hooks() {
    let mut world = World::new();
    let notes = world.notes.clone();
    let mut peer = world.connect(move || Session(notes.clone()));
    peer.write(b"last");
    peer.shutdown_write();
    let said = read(&mut world, &mut peer);
    assert!(said.starts_with("welcome\n") && said.ends_with("goodbye\n"), "{said:?}");
    assert_eq!(world.notes.take(), ["EndOfStream"]);
    peer.close();
    world.end();

    let mut world = World::new();
    let notes = world.notes.clone();
    let mut peer = world.connect(move || Session(notes.clone()));
    peer.write(b"far more than sixteen bytes\n");
    let said = read(&mut world, &mut peer);
    assert!(said.starts_with("welcome\n") && said.len() > "welcome\n".len(), "{said:?}");
    assert_eq!(world.notes.take(), ["Malformed"]);
    peer.close();
    world.end();
}

#[test]
fn the_time_of_idle_is_that_of_the_attribute() {
    let mut world = World::new();
    assert_eq!(Session::IDLE_TIMEOUT, Some(Duration::from_secs(600)));
    let late = (Session::FIRST_BYTE_TIMEOUT, Session::FRAME_TIMEOUT);
    assert_eq!(late, (Some(Duration::MAX), Some(Duration::from_secs(60))));
    let notes = world.notes.clone();
    let peer = world.connect(move || Session(notes.clone()));
    world.run_for(Duration::from_secs(590));
    assert_eq!(world.notes.take(), [""; 0]);
    world.run_for(Duration::from_secs(20));
    assert_eq!(world.notes.take(), ["asleep", "Idle"]);
    peer.close();
    world.end();
}

/// Reads nothing from the first time that it is idle to the second.
struct Moody {
    notes: Notes,
    reads: bool,
}

#[actor(codec = Lines<16>)]
impl Moody {
    #[frame]
    fn line(&mut self, line: &str) {
        self.notes.note(line);
    }

    #[idle("10ms")]
    fn changed(&mut self, cx: &mut Context<Self>) {
        self.reads = !self.reads;
        match self.reads {
            true => cx.resume_reading(),
            false => cx.pause_reading(),
        }
        self.notes.note(if self.reads { "reads" } else { "pauses" });
    }
}

thread_local! {
    /// What the hurried client of this test writes by.
    static CLIENT: RefCell<Option<SimPeer>> = const { RefCell::new(None) };
}

/// Writes at the very time at which the connection is idle.
struct Hurried;

#[actor]
impl Hurried {
    #[every("10ms")]
    fn write(&mut self) -> Flow {
        CLIENT.with_borrow_mut(|client| client.as_mut().expect("it is connected").write(b"one\ntwo\n"));
        Flow::Stop
    }
}

/// Answers as slowly as a database.
struct Store;

#[actor]
impl Store {
    #[call]
    async fn after(&mut self, milliseconds: u64) -> u64 {
        odeon::time::sleep(Duration::from_millis(milliseconds)).await;
        milliseconds
    }
}

/// Each line is so many milliseconds for the store.
struct Asking(Notes, Addr<Store>, bool);

#[actor(codec = Lines<16>)]
impl Asking {
    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) {
        let asked = self.1.after(line.parse().unwrap_or(0)).timeout(Duration::from_secs(3600));
        if self.2 {
            let place = cx.defer();
            asked.then(cx, move |_, answer, cx| cx.fill_line(place, answer.unwrap_or(0).to_string()));
        } else {
            asked.then(cx, |_, answer, cx| cx.write_line(answer.unwrap_or(0).to_string()));
        }
    }

    #[idle("100ms")]
    fn asleep(&mut self) -> Flow {
        Flow::Close
    }

    #[stopped]
    fn left(&mut self, why: StopReason) {
        self.0.note(format_args!("{why:?}"));
    }
}

#[test]
fn a_pause_that_begins_in_idle_holds_for_what_has_arrived_meanwhile() {
    let mut world = World::of_single_activations();
    let notes = world.notes.clone();
    let peer = world.connect(move || Moody { notes: notes.clone(), reads: true });
    CLIENT.set(Some(peer));
    world.spawn(Hurried);
    world.run_for(Duration::from_millis(15));
    assert_eq!(world.notes.take(), ["pauses"]);
    world.run_for(Duration::from_millis(10));
    assert_eq!(world.notes.take(), ["reads", "one", "two"]);
    CLIENT.take().expect("it is connected").close();
    world.end();
}

#[test]
fn a_connection_that_is_behind_is_not_idle() {
    const LINES: usize = 2000;
    let mut world = World::new();
    let (notes, store) = (world.notes.clone(), world.spawn(Store));
    let mut peer = world.connect(move || Asking(notes.clone(), store, true));
    let mut sent = 0;
    let lines = "1\n".repeat(LINES);
    let mut said = String::new();
    for _ in 0..LINES {
        sent += peer.write(&lines.as_bytes()[sent..]);
        if sent == lines.len() {
            peer.shutdown_write();
        }
        said += &read(&mut world, &mut peer);
    }
    world.run_for(Duration::from_secs(2));
    said += &read(&mut world, &mut peer);
    assert_eq!((said.lines().count(), world.notes.take()), (LINES, vec!["EndOfStream".to_owned()]));
    peer.close();
    world.end();
}

/// Owes an answer for each line, and gives it when its time comes.
struct Owing(Notes, bool);

#[actor(codec = Lines<16>)]
impl Owing {
    #[frame]
    fn line(&mut self, _: &str, cx: &mut Context<Self>) {
        cx.expect_answer();
        self.1 = true;
    }

    #[every("350ms")]
    fn pay(&mut self, cx: &mut Context<Self>) {
        if std::mem::take(&mut self.1) {
            cx.write_line("paid");
            cx.answered();
        }
    }

    #[idle("100ms")]
    fn asleep(&mut self) -> Flow {
        Flow::Close
    }

    #[stopped]
    fn left(&mut self, why: StopReason) {
        self.0.note(format_args!("{why:?}"));
    }
}

#[test]
fn a_peer_that_expects_an_answer_is_not_idle() {
    let mut world = World::new();
    let notes = world.notes.clone();
    let mut peer = world.connect(move || Owing(notes.clone(), false));
    peer.write(b"please\n");
    world.run_for(Duration::from_millis(360));
    assert_eq!(read(&mut world, &mut peer), "paid\n");
    world.run_for(Duration::from_millis(70));
    assert_eq!(world.notes.take(), [""; 0], "the time begins anew after the answer");
    world.run_for(Duration::from_millis(50));
    assert_eq!(world.notes.take(), ["Idle"]);
    peer.close();
    world.end();
}

#[test]
fn a_peer_that_waits_for_an_answer_is_not_idle() {
    for deferring in [true, false] {
        let mut world = World::new();
        let (notes, store) = (world.notes.clone(), world.spawn(Store));
        let mut peer = world.connect(move || Asking(notes.clone(), store, deferring));
        peer.write(b"350\n");
        world.run_for(Duration::from_millis(360));
        assert_eq!((read(&mut world, &mut peer), world.notes.take()), ("350\n".to_owned(), vec![]));
        world.run_for(Duration::from_millis(70));
        assert_eq!(world.notes.take(), [""; 0], "the time begins anew after the answer");
        peer.write(b"0\n");
        world.run_for(Duration::from_millis(20));
        assert_eq!(read(&mut world, &mut peer), "0\n");
        world.run_for(Duration::from_millis(120));
        assert_eq!(world.notes.take(), ["Idle"]);
        peer.close();
        world.end();
    }
}

#[test]
fn limits_are_those_of_the_attribute() {
    let mut world = World::new();
    assert_eq!((Session::OUTBOX_BYTES_MAX, Session::MAILBOX_CAPACITY), (Some(OUTBOX), 4));
    let notes = world.notes.clone();
    let mut peer = world.connect(move || Session(notes.clone()));
    peer.write(b"flood\n");
    world.run();
    assert_eq!(world.notes.take(), ["OutboxFull"]);
    peer.close();
    world.end();
}

/// What is not there is as the runtime has it.
struct Plain;

#[actor(codec = Raw)]
impl Plain {
    #[frame]
    fn bytes(&mut self, bytes: &[u8], cx: &mut Context<Self>) {
        cx.write(bytes);
    }
}

#[test]
fn only_frames_need_a_handler() {
    let mut world = World::new();
    assert_eq!((Plain::OUTBOX_BYTES_MAX, Plain::IDLE_TIMEOUT), (None, None));
    let mut peer = world.connect(|| Plain);
    peer.write(b"anything");
    assert_eq!(read(&mut world, &mut peer), "anything");
    peer.close();
    world.end();
}
