//! Peers that send in part, more of them than a core has room for: what it holds, who waits, and who is closed.
//!
//! Knows: frames and bodies of known lengths. Must not know how the runtime keeps what has come.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use odeon::fs::File;
use odeon::prelude::*;
use odeon::sys::Random;
use odeon::system::simulation::{SimPeer, Simulation};
use odeon::{ForwardedFile, Timeout};

use super::world::{World, small};

/// The bound of what is held.
const BOUND: usize = 1 << 20;

/// Answers each frame, or what is behind it as a body, with its length.
struct Lengths {
    bodies: bool,
    ended: Sender<StopReason>,
}

#[actor(codec = LengthDelimited<2_097_152>)]
impl Lengths {
    #[frame]
    fn whole(&mut self, frame: &[u8], cx: &mut Context<Self>) {
        if self.bodies {
            let length = u32::from_be_bytes(frame.try_into().expect("four bytes announce a body"));
            cx.read_exact_into(Vec::new(), length as usize).expect("there is one at a time");
        } else {
            writeln!(cx, "{}", frame.len());
        }
    }

    #[body]
    fn body(&mut self, body: Result<Vec<u8>, BodyError>, cx: &mut Context<Self>) {
        writeln!(cx, "{}", body.map_or(0, |body| body.len()));
    }

    #[stopped]
    fn end(&mut self, reason: StopReason) {
        // The test may not want to know any more.
        let _ = self.ended.send(reason);
    }
}

/// Answers each line, of which nobody knows how long it will be, with its length.
struct Words;

#[actor(codec = Lines<2_097_152>)]
impl Words {
    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) {
        writeln!(cx, "{}", line.len());
    }
}

/// The same, and looks each second whether it can go on.
struct Woken;

#[actor(codec = Lines<2_097_152>)]
impl Woken {
    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) {
        writeln!(cx, "{}", line.len());
    }

    #[every("1s")]
    fn wake(&mut self) {}
}

/// Waits for a frame, and has another of its kind forwarded to it, which has the stream of its peer go to the first of them.
struct Tied(Arc<Mutex<Vec<Addr<Tied>>>>);

#[actor(codec = LengthDelimited<2_097_152>)]
impl Tied {
    #[started]
    fn start(&mut self, cx: &mut Context<Self>) {
        self.0.lock().expect("nobody panics with it").push(cx.me());
    }

    #[frame]
    fn tie(&mut self, _: &[u8], cx: &mut Context<Self>) {
        let first = self.0.lock().expect("nobody panics with it")[0];
        cx.forward_to(first).expect("nobody else is tied to it");
    }
}

/// Begins with a file that it keeps nothing in, and has nothing go there for a `keep`. Answers other lines with their lengths.
struct Keeper {
    file: Option<File>,
    ended: Sender<StopReason>,
}

#[actor(codec = Lines<80>)]
impl Keeper {
    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        match (line, self.file.take()) {
            ("keep", Some(file)) => cx.forward_to_file(file, 0, Some(0)).expect("nothing else is under way"),
            ("open", _) => {
                return cx.exclusive(
                    "open",
                    Timeout::Never,
                    async move |me: &mut Self, _: &mut Context<Self>| {
                        me.file = File::create("/kept").await.ok();
                        Flow::Continue
                    },
                );
            }
            _ => writeln!(cx, "{}", line.len()),
        }
        Flow::Continue
    }

    #[forwarded]
    fn kept(&mut self, _: ForwardedFile, cx: &mut Context<Self>) {
        writeln!(cx, "kept");
    }

    #[stopped]
    fn end(&mut self, reason: StopReason) {
        // The test may not want to know any more.
        let _ = self.ended.send(reason);
    }
}

/// Answers each frame with its length, and behind the first it does not read, from a second later on.
struct Pausing;

#[derive(Message)]
struct Pause;

#[actor(codec = LengthDelimited<2_097_152>)]
impl Pausing {
    #[frame]
    fn whole(&mut self, frame: &[u8], cx: &mut Context<Self>) {
        writeln!(cx, "{}", frame.len());
        cx.send_after(Duration::from_secs(1), Pause).expect("there is room");
    }

    #[message]
    fn pause(&mut self, _: Pause, cx: &mut Context<Self>) {
        cx.pause_reading();
    }
}

/// One that sends a frame, or a body, of which all but the last byte comes before any other's last.
struct Part {
    peer: SimPeer,
    bytes: Vec<u8>,
    sent: usize,
    heard: Vec<u8>,
}

struct Scene {
    simulation: Simulation,
    ended: Receiver<StopReason>,
    bodies: bool,
}

impl Scene {
    fn new(bodies: bool) -> Scene {
        let mut plan = small(3);
        plan.config.assembly_bytes_max = BOUND;
        let simulation = Simulation::new(plan).expect("the limits are possible");
        let (ended, ends) = channel();
        let (listener, told) = (simulation.listener(World::address()), ended.clone());
        listener.start(move |_| Lengths { bodies, ended: told.clone() }).expect("nobody listens there yet");
        simulation.listener(World::at(81)).start(|_| Words).expect("nobody listens there yet");
        simulation.listener(World::at(82)).start(|_| Pausing).expect("nobody listens there yet");
        simulation.listener(World::at(83)).start(|_| Woken).expect("nobody listens there yet");
        let all = Arc::default();
        let tied = simulation.listener(World::at(85));
        tied.start(move |_| Tied(Arc::clone(&all))).expect("nobody listens there yet");
        let keeper = simulation.listener(World::at(84));
        keeper.start(move |_| Keeper { file: None, ended: ended.clone() }).expect("nobody listens there yet");
        Scene { simulation, ended: ends, bodies }
    }

    fn sender(&self, length: usize) -> Part {
        let peer = self.simulation.network().connect(World::address()).expect("the backlog has room");
        let announced = (length as u32).to_be_bytes();
        let mut bytes = if self.bodies { vec![0, 0, 0, 4] } else { Vec::new() };
        bytes.extend(announced);
        bytes.resize(bytes.len() + length, b'x');
        Part { peer, bytes, sent: 0, heard: Vec::new() }
    }

    /// One that sends a line of so many bytes.
    fn talker(&self, length: usize) -> Part {
        self.talker_to(81, length)
    }

    /// The same, to the actor that listens at this port.
    fn talker_to(&self, port: u16, length: usize) -> Part {
        let peer = self.simulation.network().connect(World::at(port)).expect("the backlog has room");
        let mut bytes = vec![b'x'; length];
        bytes.push(b'\n');
        Part { peer, bytes, sent: 0, heard: Vec::new() }
    }

    /// One that sends a frame of nothing, and one of so many bytes to an actor that pauses before that is whole.
    fn paused(&self, length: usize) -> Part {
        let peer = self.simulation.network().connect(World::at(82)).expect("the backlog has room");
        let mut bytes = vec![0; 4];
        bytes.extend((length as u32).to_be_bytes());
        bytes.resize(bytes.len() + length, b'x');
        Part { peer, bytes, sent: 0, heard: Vec::new() }
    }

    /// One that sends a frame of so many bytes, whatever others send.
    fn lone(&self, length: usize) -> Part {
        self.lone_to(82, length)
    }

    /// The same, to the actor that listens at this port.
    fn lone_to(&self, port: u16, length: usize) -> Part {
        let peer = self.simulation.network().connect(World::at(port)).expect("the backlog has room");
        let mut bytes = (length as u32).to_be_bytes().to_vec();
        bytes.resize(bytes.len() + length, b'x');
        Part { peer, bytes, sent: 0, heard: Vec::new() }
    }

    /// As much of it as is taken, up to so many bytes before its end.
    fn send(&mut self, sender: &mut Part, piece: usize, short_of: usize) {
        let end = (sender.bytes.len() - short_of).min(sender.sent + piece).max(sender.sent);
        sender.sent += sender.peer.write(&sender.bytes[sender.sent..end]);
        self.simulation.settle();
        let held = self.simulation.ledgers()[0].assembly_bytes;
        assert!(held <= BOUND, "{held} bytes are held");
        sender.heard.extend(sender.peer.read(100));
    }

    /// All of it, piece by piece, up to the answer.
    fn finish(&mut self, sender: &mut Part, piece: usize) {
        let mut rounds = 0..20;
        while sender.heard.is_empty() {
            assert!(rounds.next().is_some(), "it has to wait for ever: {:#?}", self.simulation.ledgers());
            self.send(sender, piece, 0);
        }
    }

    /// Somebody else is served at once.
    fn serves(&mut self) {
        while self.ended.try_recv().is_ok() {}
        let mut other = self.sender(4);
        let bytes = other.bytes.clone();
        other.peer.write(&bytes);
        self.simulation.settle();
        assert_eq!(other.peer.read(100), b"4\n");
        other.peer.close();
        self.simulation.settle();
        assert_eq!(self.ended.try_recv(), Ok(StopReason::EndOfStream));
    }

    fn closed_for_want_of_room(&mut self) -> u64 {
        self.simulation.ledgers()[0].connections_assembly_full
    }
}

#[test]
fn who_sends_in_part_has_to_wait_until_there_is_room_and_comes_to_its_turn() {
    for bodies in [false, true] {
        let mut scene = Scene::new(bodies);
        let mut random = Random::new(7);
        let lengths = std::iter::repeat_with(|| 20_000 + random.index(300_000));
        let mut senders: Vec<Part> = lengths.take(40).map(|length| scene.sender(length)).collect();
        for _ in 0..30 {
            for sender in &mut senders {
                scene.send(sender, 2_000, 1);
            }
            scene.serves();
        }
        let waits = senders.iter().filter(|sender| sender.sent + 1 < sender.bytes.len()).count();
        assert!(waits > 10, "{waits} of 40 have to wait, with bodies: {bodies}");
        let mut rounds = 0..1000;
        while senders.iter().any(|sender| sender.heard.is_empty()) {
            assert!(rounds.next().is_some(), "{:#?}", scene.simulation.ledgers());
            for sender in &mut senders {
                scene.send(sender, 2_000, 0);
            }
        }
        for sender in &senders {
            let length = sender.bytes.len() - if bodies { 8 } else { 4 };
            assert_eq!(sender.heard, format!("{length}\n").as_bytes(), "with bodies: {bodies}");
        }
        assert_eq!(scene.closed_for_want_of_room(), 0);
        scene.simulation.settle();
        assert_eq!(scene.simulation.ledgers()[0].assembly_bytes, 0);
        drop(scene.simulation.shutdown());
    }
}

#[test]
fn lines_of_which_nobody_knows_the_length_keep_nobody_waiting_for_ever() {
    let mut scene = Scene::new(false);
    let mut senders: Vec<Part> = (0..4).map(|_| scene.talker(240_000)).collect();
    let mut rounds = 0..1000;
    while senders.iter().any(|sender| sender.heard.is_empty() && !sender.peer.is_ended()) {
        assert!(rounds.next().is_some(), "{:#?}", scene.simulation.ledgers());
        for sender in senders.iter_mut().filter(|sender| !sender.peer.is_ended()) {
            scene.send(sender, 10_000, 0);
        }
    }
    let served = senders.iter().filter(|sender| sender.heard == b"240000\n").count();
    assert!(
        served >= 3,
        "{served} are served: room that is set aside for what does not come is lacking for one"
    );
    assert_eq!(scene.closed_for_want_of_room(), 4 - served as u64);
    drop(scene.simulation.shutdown());
}

/// Two that hold half of the room, for a body of which most has come.
fn half(scene: &mut Scene) -> [Part; 2] {
    let mut holders = [(); 2].map(|()| scene.sender(BOUND / 4));
    for holder in &mut holders {
        scene.send(holder, 200_000, 1);
        scene.send(holder, 200_000, 60_000);
    }
    assert_eq!(scene.simulation.ledgers()[0].assembly_bytes, BOUND / 2);
    holders
}

#[test]
fn who_lacks_little_does_not_wait_for_one_who_was_promised_all_and_sends_nothing() {
    let mut scene = Scene::new(true);
    let holders = half(&mut scene);
    let mut idle = scene.sender(BOUND / 4);
    scene.send(&mut idle, 100_000, 0);
    let mut small = scene.sender(1000);
    for piece in [500, 600] {
        scene.send(&mut small, piece, 0);
    }
    assert_eq!(small.heard, b"1000\n", "at once");
    let mut talker = scene.talker(1000);
    for piece in [500, 600] {
        scene.send(&mut talker, piece, 0);
    }
    assert_eq!(talker.heard, b"1000\n", "at once, too");
    drop((holders, idle));
    drop(scene.simulation.shutdown());
}

/// Half of the room is held, one has been promised a quarter, and one is in line that needs more than a quarter.
fn scarce(scene: &mut Scene) -> ([Part; 2], Part, Part) {
    let holders = half(scene);
    let (mut going, mut first) = (scene.sender(BOUND / 4 - 1), scene.sender(300_000));
    scene.send(&mut going, 1000, 0);
    scene.send(&mut first, 1000, 0);
    (holders, going, first)
}

/// One that takes what is left for those who lack little.
fn filler(scene: &mut Scene) -> Part {
    let mut filler = scene.lone(65_500);
    scene.send(&mut filler, 1000, 0);
    filler
}

#[test]
fn who_has_used_up_a_little_and_stands_in_line_keeps_nobody_waiting() {
    let mut scene = Scene::new(true);
    let (holders, mut going, mut first) = scarce(&mut scene);
    let mut filler = filler(&mut scene);
    let mut talker = scene.talker_to(83, 200_000);
    scene.send(&mut talker, 500, 0);
    // It is in line. Now there is room for a little, which it finds by itself.
    scene.finish(&mut filler, 65_500);
    scene.simulation.run_for(Duration::from_secs(2));
    scene.send(&mut talker, 60_000, 0);
    scene.simulation.run_for(Duration::from_secs(1));
    scene.finish(&mut going, 100_000);
    scene.finish(&mut first, 100_000);
    scene.finish(&mut talker, 100_000);
    assert_eq!((first.heard, talker.heard), (b"300000\n".to_vec(), b"200000\n".to_vec()));
    drop((holders, going, filler));
    drop(scene.simulation.shutdown());
}

#[test]
fn who_goes_on_with_a_little_keeps_its_place_in_line_and_gets_no_second_one() {
    let mut scene = Scene::new(true);
    let (holders, mut going, mut first) = scarce(&mut scene);
    let mut talker = scene.talker_to(83, 600);
    for _ in 0..10 {
        let mut filler = filler(&mut scene);
        (talker.sent, talker.heard) = (0, Vec::new());
        scene.send(&mut talker, 500, 0);
        scene.send(&mut talker, 500, 0);
        assert_eq!(talker.heard, b"", "it is in line");
        scene.finish(&mut filler, 65_500);
        scene.simulation.run_for(Duration::from_secs(2));
        scene.finish(&mut talker, 500);
    }
    scene.finish(&mut going, 100_000);
    scene.finish(&mut first, 100_000);
    drop((holders, talker));
    drop(scene.simulation.shutdown());
}

#[test]
fn those_who_lack_little_one_after_the_other_do_not_keep_the_first_in_line_waiting_for_ever() {
    let mut scene = Scene::new(true);
    let holders = half(&mut scene);
    let mut little = scene.lone(60_000);
    scene.send(&mut little, 1000, 0);
    let mut first = scene.sender(BOUND / 4 + 100_000);
    scene.send(&mut first, 1000, 0);
    let mut littles = vec![little];
    while first.heard.is_empty() {
        assert!(littles.len() < 20, "one of them always goes on");
        let mut next = scene.lone(60_000);
        scene.send(&mut next, 1000, 0);
        let last = littles.last_mut().expect("there is one");
        scene.send(last, 60_000, 0);
        littles.push(next);
        scene.send(&mut first, 400_000, 0);
    }
    for little in &mut littles {
        scene.finish(little, 60_000);
    }
    drop((holders, first, littles));
    drop(scene.simulation.shutdown());
}

#[test]
fn who_waits_for_room_is_not_late_and_whoever_keeps_a_promise_and_sends_nothing_is() {
    let mut scene = Scene::new(true);
    let second = Duration::from_secs(1);
    // What they send at once earns three minutes.
    let mut idle = scene.sender(BOUND / 2);
    scene.send(&mut idle, 100_000, 0);
    scene.send(&mut idle, 100_000, 0);
    scene.simulation.run_for(25 * second);
    let mut waits = scene.lone(200_000);
    scene.send(&mut waits, 1000, 0);
    scene.simulation.run_for(6 * second);
    let mut holder = scene.sender(BOUND / 4);
    scene.send(&mut holder, 200_000, 1);
    while idle.sent < BOUND / 4 + 8 {
        let piece = BOUND / 4 + 8 - idle.sent;
        scene.send(&mut idle, piece, 0);
    }
    assert_eq!(scene.simulation.ledgers()[0].assembly_bytes, 3 * BOUND / 4 + 1024, "it has room for all");
    let mut seconds = 0..65;
    while waits.heard.is_empty() && seconds.next().is_some() {
        // It earns next to nothing while it waits.
        let piece = if idle.peer.is_ended() { 100_000 } else { 1000 };
        scene.send(&mut waits, piece, 0);
        scene.simulation.run_for(second);
    }
    assert_eq!((waits.heard.as_slice(), waits.peer.is_ended()), (&b"200000\n"[..], false));
    assert!(idle.peer.is_ended() && !holder.peer.is_ended(), "it was given room, and did not use it");
    assert_eq!(scene.ended.try_recv(), Ok(StopReason::Late));
    drop((holder, idle, waits));
    drop(scene.simulation.shutdown());
}

#[test]
fn who_announces_a_body_and_sends_none_of_it_holds_nothing() {
    let mut scene = Scene::new(true);
    let mut senders: Vec<Part> = (0..100).map(|_| scene.sender(BOUND / 2)).collect();
    for sender in &mut senders {
        scene.send(sender, 8, 0);
    }
    assert_eq!(scene.simulation.ledgers()[0].assembly_bytes, 0);
    scene.serves();
    let mut last = senders.pop().expect("there are a hundred");
    scene.send(&mut last, 1, 0);
    let held = scene.simulation.ledgers()[0].assembly_bytes;
    assert!((1..=256 << 10).contains(&held), "{held} bytes are held for the one that sends");
    while last.heard.is_empty() {
        scene.send(&mut last, 100_000, 0);
    }
    assert_eq!(last.heard, b"524288\n");
    drop((senders, last));
    drop(scene.simulation.shutdown());
}

#[test]
fn who_pauses_keeps_no_promise_and_is_given_none() {
    for paused_first in [true, false] {
        let mut scene = Scene::new(true);
        let holders = half(&mut scene);
        let mut senders = [scene.paused(BOUND / 4 - 1), scene.sender(BOUND / 4 - 1)];
        if !paused_first {
            senders.reverse();
        }
        // The first of them is given room, and the other one is in line.
        for sender in &mut senders {
            scene.send(sender, 1000, 0);
        }
        // Another one stands behind both.
        let mut last = scene.sender(BOUND / 4 - 1);
        scene.send(&mut last, 1000, 0);
        scene.simulation.run_for(Duration::from_millis(1100));
        let [first, second] = &mut senders;
        let other = if paused_first { second } else { first };
        for sender in [other, &mut last] {
            let mut rounds = 0..10;
            while sender.heard.is_empty() {
                assert!(rounds.next().is_some(), "nobody waits for who pauses, first: {paused_first}");
                scene.send(sender, 100_000, 0);
            }
            assert_eq!(sender.heard, b"262143\n");
        }
        drop((holders, senders, last));
        drop(scene.simulation.shutdown());
    }
}

#[test]
fn who_waits_for_nothing_any_more_keeps_no_promise_and_is_given_none() {
    // The end comes when it has been given room, or so many steps after what puts it in line behind one that has.
    for steps in std::iter::once(None).chain((0..16).map(Some)) {
        let mut scene = Scene::new(true);
        let mut fed = scene.lone_to(85, BOUND / 4 - 1);
        scene.simulation.settle();
        let mut feeding = scene.lone_to(85, 1);
        scene.send(&mut feeding, 5, 0);
        let holders = half(&mut scene);
        let mut other = scene.sender(BOUND / 4 - 1);
        let mut last = scene.sender(BOUND / 4 - 1);
        if steps.is_none() {
            scene.send(&mut fed, 1000, 0);
        }
        scene.send(&mut other, 1000, 0);
        if let Some(steps) = steps {
            fed.peer.write(&fed.bytes[..1000]);
            (0..steps).for_each(|_| scene.simulation.step());
        }
        fed.peer.shutdown_write();
        scene.simulation.settle();
        scene.send(&mut last, 1000, 0);
        scene.finish(&mut other, 100_000);
        scene.finish(&mut last, 100_000);
        feeding.peer.write(b"fed");
        scene.simulation.settle();
        assert_eq!(fed.peer.read(100), b"fed", "it is open still");
        drop((holders, fed, feeding));
        drop(scene.simulation.shutdown());
    }
}

#[test]
fn who_needs_more_room_than_there_is_gets_all_of_it_and_is_closed() {
    for bodies in [false, true] {
        let mut scene = Scene::new(bodies);
        let mut sender = scene.sender(BOUND + 1);
        while !sender.peer.is_ended() && sender.sent < sender.bytes.len() {
            scene.send(&mut sender, 100_000, 0);
        }
        assert_eq!(scene.ended.try_recv(), Ok(StopReason::AssemblyFull));
        assert!(sender.sent > BOUND / 2, "{} bytes were taken before", sender.sent);
        assert_eq!(scene.closed_for_want_of_room(), 1);
        drop(sender);
        scene.simulation.settle();
        scene.serves();
        assert_eq!(scene.simulation.ledgers()[0].assembly_bytes, 0);
        drop(scene.simulation.shutdown());
    }
}

#[test]
fn what_is_behind_a_body_of_nothing_and_finds_no_room_is_not_lost_in_silence() {
    let mut scene = Scene::new(false);
    let connect = |scene: &Scene| scene.simulation.network().connect(World::at(84)).expect("there is room");
    let mut keepers = [connect(&scene), connect(&scene)];
    for keeper in &mut keepers {
        keeper.write(b"open\n");
        scene.simulation.run_for(Duration::from_secs(1));
    }
    let answers = b"keep\nmore\nand more\n";
    keepers[0].write(answers);
    scene.simulation.run_for(Duration::from_secs(1));
    assert_eq!(keepers[0].read(100), b"kept\n4\n8\n");
    // One that has been promised all that is left.
    let mut going = scene.lone(BOUND - 4);
    while going.sent < BOUND / 2 + 100_000 {
        scene.send(&mut going, 100_000, 0);
    }
    keepers[1].write(answers);
    scene.simulation.run_for(Duration::from_secs(1));
    assert_eq!(keepers[1].read(100), b"kept\n");
    assert_eq!((scene.ended.try_recv(), keepers[1].is_ended()), (Ok(StopReason::AssemblyFull), true));
    assert_eq!(scene.closed_for_want_of_room(), 1);
    drop((keepers, going));
    drop(scene.simulation.shutdown());
}

#[test]
fn what_many_have_sent_at_once_is_within_the_bound_and_costs_some_of_them_their_connection() {
    for bodies in [false, true] {
        let mut scene = Scene::new(bodies);
        let mut senders: Vec<Part> = (0..60).map(|_| scene.sender(60_000)).collect();
        for sender in &mut senders {
            sender.sent += sender.peer.write(&sender.bytes[..50_000]);
        }
        for _ in 0..1000 {
            scene.simulation.step();
            let held = scene.simulation.ledgers()[0].assembly_bytes;
            assert!(held <= BOUND, "{held} bytes are held");
        }
        let mut rounds = 0..100;
        while senders.iter().any(|sender| sender.heard.is_empty() && !sender.peer.is_ended()) {
            assert!(rounds.next().is_some(), "{:#?}", scene.simulation.ledgers());
            for sender in senders.iter_mut().filter(|sender| !sender.peer.is_ended()) {
                scene.send(sender, 60_000, 0);
            }
        }
        let served = senders.iter().filter(|sender| sender.heard == b"60000\n").count();
        assert!(served >= 8, "{served} of 60 are served");
        assert_eq!(scene.closed_for_want_of_room(), 60 - served as u64);
        drop(senders);
        scene.simulation.settle();
        scene.serves();
        drop(scene.simulation.shutdown());
    }
}
