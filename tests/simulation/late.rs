//! Peers that are late, with their first byte or with the rest of what they have begun, to the millisecond; and those that are not.
//!
//! Knows: virtual time, how much comes when. Must not know how the runtime watches them.

use std::io::ErrorKind;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use odeon::ListenerBuilder;
use odeon::prelude::*;
use odeon::system::simulation::{SimPeer, Simulation, SimulationConfig};

use super::world::{World, small};

/// What peers have by default.
const FIRST_BYTE: Duration = Duration::from_secs(10);
const FRAME: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);
/// Just less, and just more.
const MOMENT: Duration = Duration::from_millis(5);

/// Answers each frame with its length: `0` is followed by a body of so many bytes, `1` is a whole frame, and behind `2` it does not read
/// for a minute, and behind `3` from a second later on. Behind `4` it does not for a second in each ten.
struct Lengths {
    ended: Sender<StopReason>,
}

#[actor(codec = LengthDelimited<2_097_152>)]
impl Lengths {
    #[frame]
    fn whole(&mut self, frame: &[u8], cx: &mut Context<Self>) {
        match frame {
            [0, length @ ..] => {
                let length = u32::from_be_bytes(length.try_into().expect("four bytes announce a body"));
                cx.read_exact_into(Vec::new(), length as usize).expect("there is one at a time");
            }
            [2, ..] => {
                cx.pause_reading();
                cx.send_after(60 * SECOND, Read(true)).expect("there is room");
            }
            [3, ..] => {
                cx.send_after(SECOND, Read(false)).expect("there is room");
                cx.send_after(61 * SECOND, Read(true)).expect("there is room");
            }
            [4, ..] => {
                cx.send_after(10 * SECOND, Nap).expect("there is room");
            }
            _ => writeln!(cx, "{}", frame.len()),
        }
    }

    #[message]
    fn nap(&mut self, _: Nap, cx: &mut Context<Self>) {
        cx.pause_reading();
        cx.send_after(SECOND, Read(true)).expect("there is room");
        cx.send_after(10 * SECOND, Nap).expect("there is room");
    }

    #[message]
    fn read(&mut self, Read(reads): Read, cx: &mut Context<Self>) {
        if reads { cx.resume_reading() } else { cx.pause_reading() }
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

#[derive(Message)]
struct Read(bool);

#[derive(Message)]
struct Nap;

struct Scene {
    simulation: Simulation,
    ended: Receiver<StopReason>,
}

impl Scene {
    fn new(
        change: impl FnOnce(&mut Config),
        listen: impl FnOnce(ListenerBuilder<'_>) -> ListenerBuilder<'_>,
    ) -> Scene {
        Scene::with(|plan| change(&mut plan.config), listen)
    }

    fn with(
        change: impl FnOnce(&mut SimulationConfig),
        listen: impl FnOnce(ListenerBuilder<'_>) -> ListenerBuilder<'_>,
    ) -> Scene {
        let mut plan = small(4);
        change(&mut plan);
        let simulation = Simulation::new(plan).expect("the limits are possible");
        let (ended, ends) = channel();
        let listener = listen(simulation.listener(World::address()));
        listener.start(move |_| Lengths { ended: ended.clone() }).expect("nobody listens there yet");
        Scene { simulation, ended: ends }
    }

    fn usual() -> Scene {
        Scene::new(|_| {}, |listener| listener)
    }

    fn peer(&mut self) -> SimPeer {
        let peer = self.simulation.network().connect(World::address()).expect("the backlog has room");
        self.simulation.settle();
        peer
    }

    /// A peer that sends the beginning of a frame, or of a body, of so many bytes.
    fn begins(&mut self, body: bool, length: u32) -> SimPeer {
        let mut peer = self.peer();
        if body {
            peer.write(&[0, 0, 0, 5, 0]);
        }
        peer.write(&length.to_be_bytes());
        self.simulation.settle();
        peer
    }

    fn pass(&mut self, time: Duration) {
        self.simulation.run_for(time);
    }

    /// It is there until this time has passed, and not after that.
    fn ends_after(&mut self, peer: &mut SimPeer, time: Duration) {
        self.pass(time - MOMENT);
        assert_eq!(self.ended.try_recv().ok(), None, "not before its time");
        assert!(!peer.is_ended());
        self.pass(2 * MOMENT);
        assert_eq!(self.ended.try_recv(), Ok(StopReason::Late));
        assert!(peer.is_ended() && !peer.is_reset(), "it is told that nothing more comes");
    }

    fn late(&mut self) -> u64 {
        self.simulation.ledgers()[0].connections_late
    }

    /// Nothing is left of anybody.
    fn finish(self) {
        let remains = self.simulation.shutdown();
        assert_eq!(remains.ledgers[0].held(), [0; 13]);
    }
}

#[test]
fn who_sends_nothing_is_closed_and_who_has_sent_a_frame_may_be_silent() {
    let mut scene = Scene::usual();
    let (mut silent, mut other) = (scene.peer(), scene.peer());
    assert_eq!(other.write(b"\0\0\0\x011"), 5);
    scene.ends_after(&mut silent, FIRST_BYTE);
    scene.pass(1000 * SECOND);
    assert!(!other.is_ended());
    assert_eq!((other.read(10), scene.late()), (b"1\n".to_vec(), 1));
    let timers = scene.simulation.ledgers()[0].timers;
    assert_eq!(timers, 0, "nothing is waited for");
    drop((silent, other));
    scene.finish();
}

/// Goes on whenever it is idle.
struct Restless(Sender<StopReason>);

#[actor(codec = Lines<80>)]
impl Restless {
    #[frame]
    fn line(&mut self, _: &str) {}

    #[idle("3s")]
    fn idle(&mut self) -> Flow {
        Flow::Continue
    }

    #[stopped]
    fn end(&mut self, reason: StopReason) {
        // The test may not want to know any more.
        let _ = self.0.send(reason);
    }
}

#[test]
fn an_actor_that_goes_on_when_it_is_idle_gives_no_more_time_for_the_first_byte() {
    let mut scene = Scene::usual();
    let (told, ends) = channel();
    let listener = scene.simulation.listener(World::at(81));
    listener.start(move |_| Restless(told.clone())).expect("nobody listens there yet");
    let mut peers =
        [(); 2].map(|()| scene.simulation.network().connect(World::at(81)).expect("the backlog has room"));
    peers[1].write(b"a line\n");
    scene.pass(FIRST_BYTE - MOMENT);
    assert_eq!(ends.try_recv().ok(), None);
    scene.pass(2 * MOMENT);
    assert_eq!((ends.try_recv(), peers[0].is_ended()), (Ok(StopReason::Late), true));
    scene.pass(1000 * SECOND);
    assert!(!peers[1].is_ended());
    drop(peers);
    scene.finish();
}

#[test]
fn a_peer_whose_first_byte_finds_no_buffer_in_time_is_not_late() {
    let mut scene = Scene::with(|plan| plan.faults.no_buffer = 1.0, |listener| listener);
    let (silent, mut peer) = (scene.peer(), scene.peer());
    scene.pass(FIRST_BYTE - MOMENT);
    peer.write(b"\0\0\0\x011");
    scene.simulation.stand_still(2 * MOMENT);
    scene.simulation.settle();
    assert_eq!((scene.ended.try_recv(), silent.is_ended()), (Ok(StopReason::Late), true));
    assert_eq!((scene.ended.try_recv().ok(), peer.read(10)), (None, b"1\n".to_vec()));
    drop((silent, peer));
    scene.finish();
}

#[test]
fn a_peer_whose_last_bytes_find_no_buffer_in_time_is_not_late() {
    for body in [false, true] {
        let mut scene = Scene::with(
            |plan| {
                plan.faults.no_buffer = 1.0;
                plan.config.frame_rate_min = 1 << 30;
            },
            |listener| listener,
        );
        let mut peers = [(); 2].map(|()| scene.begins(body, 100));
        scene.pass(FRAME - MOMENT);
        peers[0].write(&[b'x'; 100]);
        scene.simulation.stand_still(2 * MOMENT);
        scene.simulation.settle();
        assert_eq!(
            (peers[0].read(10), peers[1].is_ended()),
            (b"100\n".to_vec(), true),
            "with a body: {body}"
        );
        assert_eq!(scene.late(), 1);
        drop(peers);
        scene.finish();
    }
}

#[test]
fn what_has_begun_is_whole_in_its_time_or_comes_at_the_rate_or_its_peer_is_closed() {
    for (body, length) in [(false, 100_000), (true, 20_000), (true, 1 << 20)] {
        let mut scene = Scene::usual();
        let mut still = scene.begins(body, length);
        scene.ends_after(&mut still, FRAME);
        // Each byte earns it a millisecond.
        let mut slow = scene.begins(body, length);
        for _ in 0..29 {
            slow.write(b"x");
            scene.pass(SECOND);
        }
        scene.ends_after(&mut slow, SECOND + Duration::from_millis(29));
        let mut steady = scene.begins(body, 150_000);
        for sent in 0..100 {
            assert_eq!(steady.write(&[b'x'; 1500]), 1500);
            scene.pass(SECOND);
            assert!(!steady.is_ended(), "after {sent} seconds");
        }
        assert_eq!((steady.read(10), scene.late()), (b"150000\n".to_vec(), 2), "with a body: {body}");
        // The next one has a time of its own.
        steady.write(&[0, 0]);
        scene.ends_after(&mut steady, FRAME);
        drop((still, slow, steady));
        scene.finish();
    }
}

#[test]
fn time_in_which_nothing_is_read_does_not_count() {
    let mut scene = Scene::usual();
    let mut peer = scene.peer();
    // A pause, and half a frame behind it.
    peer.write(b"\0\0\0\x01\x02\0\0");
    scene.pass(60 * SECOND - MOMENT);
    assert!(!peer.is_ended());
    scene.ends_after(&mut peer, FRAME + MOMENT);
    drop(peer);
    scene.finish();
}

#[test]
fn a_pause_in_the_middle_of_a_frame_does_not_count_and_what_was_before_does() {
    let mut scene = Scene::usual();
    let mut peer = scene.peer();
    // Half a frame is there when it pauses, after a second, for a minute.
    peer.write(b"\0\0\0\x01\x03\0\0");
    scene.pass(61 * SECOND - MOMENT);
    assert!(!peer.is_ended());
    scene.ends_after(&mut peer, FRAME - SECOND + MOMENT);
    drop(peer);
    scene.finish();
}

#[test]
fn pauses_again_and_again_give_no_more_time_than_they_take() {
    for begins in [&b"\0\0"[..], b"\0\0\0\x05\0\0\x01\0\0"] {
        let mut scene = Scene::usual();
        let mut peer = scene.peer();
        peer.write(b"\0\0\0\x01\x04");
        peer.write(begins);
        scene.simulation.settle();
        scene.ends_after(&mut peer, FRAME + 3 * SECOND);
        drop(peer);
        scene.finish();
    }
}

#[test]
fn whoever_is_promised_room_after_each_pause_has_no_more_time_for_that() {
    let mut scene = Scene::new(|config| config.assembly_bytes_max = 1 << 20, |listener| listener);
    // Half of the room is held by two, for the rest of whose bodies there are minutes left.
    let mut holders = [(); 2].map(|()| scene.begins(true, 256 << 10));
    for _ in 0..26 {
        for holder in &mut holders {
            assert_eq!(holder.write(&[b'x'; 10_000]), 10_000);
            scene.simulation.settle();
        }
    }
    assert_eq!(scene.simulation.ledgers()[0].assembly_bytes, 512 << 10);
    let mut peer = scene.peer();
    peer.write(b"\0\0\0\x01\x04");
    peer.write(&100_000_u32.to_be_bytes());
    peer.write(b"begun");
    scene.simulation.settle();
    scene.ends_after(&mut peer, FRAME + 3 * SECOND);
    drop((holders, peer));
    scene.finish();
}

#[test]
fn many_that_are_late_keep_nobody_waiting() {
    let mut scene = Scene::usual();
    let late: Vec<SimPeer> = (0..300).map(|number| scene.begins(number % 2 == 0, 100_000)).collect();
    let mut other = scene.peer();
    for _ in 0..60 {
        other.write(b"\0\0\0\x011");
        scene.simulation.settle();
        assert_eq!(other.read(10), b"1\n", "at once");
        scene.pass(SECOND);
    }
    assert_eq!((scene.late(), late.iter().filter(|peer| peer.is_ended()).count()), (300, 300));
    drop((late, other));
    scene.finish();
}

#[test]
fn those_who_wait_for_room_come_to_their_turn_when_the_others_are_late() {
    let mut scene = Scene::new(|config| config.assembly_bytes_max = 1 << 20, |listener| listener);
    let mut late: Vec<SimPeer> = (0..40).map(|_| scene.begins(false, 100_000)).collect();
    for _ in 0..20 {
        for peer in &mut late {
            peer.write(&[b'x'; 2000]);
            scene.simulation.settle();
        }
    }
    scene.pass(20 * SECOND);
    let mut waits = scene.begins(false, 100_000);
    let (mut sent, mut heard) = (0, Vec::new());
    // No more than one after the other, each of whom has its time and as much as it has earned by what it sent before it went on.
    let mut seconds = 0..40 * 2 * 30;
    while heard.is_empty() {
        assert!(seconds.next().is_some(), "{:#?}", scene.simulation.ledgers());
        sent += waits.write(&vec![b'x'; 100_000 - sent]);
        scene.pass(SECOND);
        heard = waits.read(10);
    }
    assert_eq!(heard, b"100000\n");
    assert!(scene.late() > 20, "{} were late before", scene.late());
    drop((late, waits));
    scene.finish();
}

#[test]
fn times_are_the_listeners_the_actors_or_the_systems() {
    for (listener, config) in [(Some(3), 9), (None, 9)] {
        let time = Duration::from_secs(listener.unwrap_or(config));
        let mut scene = Scene::new(
            |limits| {
                limits.first_byte_timeout = Duration::from_secs(config);
                limits.frame_timeout = Duration::from_secs(config);
            },
            |builder| match listener.map(Duration::from_secs) {
                Some(time) => builder.first_byte_timeout(time).frame_timeout(time),
                None => builder,
            },
        );
        let mut silent = scene.peer();
        scene.ends_after(&mut silent, time);
        let mut still = scene.begins(false, 100);
        scene.ends_after(&mut still, time);
        drop((silent, still));
        scene.finish();
    }
    let mut scene = Scene::usual();
    let own = scene.simulation.listener(World::at(81));
    let (told, ends) = channel();
    own.start(move |_| Patient(told.clone())).expect("nobody listens there yet");
    let mut peers =
        [(); 2].map(|()| scene.simulation.network().connect(World::at(81)).expect("the backlog has room"));
    peers[1].write(b"half a li");
    scene.pass(Duration::from_secs(90) - MOMENT);
    assert_eq!(ends.try_recv().ok(), None);
    // Its nine bytes have earned it as many milliseconds.
    scene.pass(4 * MOMENT);
    assert_eq!(
        (ends.try_recv(), peers[0].is_ended(), peers[1].is_ended()),
        (Ok(StopReason::Late), false, true)
    );
    scene.pass(1000 * SECOND);
    assert!(!peers[0].is_ended(), "it may wait for ever");
    drop(peers);
    scene.finish();
}

/// Has times of its own.
struct Patient(Sender<StopReason>);

#[actor(codec = Lines<80>, timeouts(first_byte = "never", frame = "90s"))]
impl Patient {
    #[frame]
    fn line(&mut self, _: &str) {}

    #[stopped]
    fn end(&mut self, reason: StopReason) {
        // The test may not want to know any more.
        let _ = self.0.send(reason);
    }
}

#[test]
fn a_read_that_waits_for_the_first_byte_is_told_and_one_for_a_line_waits() {
    let mut simulation = Simulation::new(small(5)).expect("the limits are possible");
    let (told, ends) = channel();
    let listener = simulation.listener(World::address());
    let served = listener.serve(move |mut stream: Stream| {
        let told = told.clone();
        async move {
            let read = stream.read_line(80).await.map_err(|error| error.kind());
            told.send(read).expect("the test listens");
            Ok(())
        }
    });
    served.expect("nobody listens there yet");
    let connect = || simulation.network().connect(World::address()).expect("the backlog has room");
    let (silent, mut slow) = (connect(), connect());
    slow.write(b"half");
    simulation.run_for(FIRST_BYTE - MOMENT);
    assert_eq!(ends.try_recv().ok(), None);
    simulation.run_for(2 * MOMENT);
    assert_eq!(ends.try_recv(), Ok(Err(ErrorKind::TimedOut)));
    simulation.run_for(100 * SECOND);
    slow.write(b" a line\n");
    simulation.settle();
    assert_eq!(ends.try_recv(), Ok(Ok(Some("half a line".to_owned()))));
    drop((silent, slow));
    drop(simulation.shutdown());
}
