//! Connections that close while their peers read slowly, or not at all.
//!
//! Knows: virtual time, what the kernel holds, peers that take as much as they are told to. Must not know how the runtime closes.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use odeon::Timeout;
use odeon::prelude::*;
use odeon::sim;
use odeon::system::simulation::{Faults, SimPeer, Simulation, SimulationConfig};
use odeon::time::sleep;

use super::world::{World, small};

const SECOND: Duration = Duration::from_secs(1);
/// By which a timer may be late.
const MOMENT: Duration = Duration::from_millis(5);

/// Says so many bytes, and ends its output, or itself, if it is told to: `later` and `stopped`, after two seconds in which it does not read,
/// the second because it is stopped at the beginning of these; `paused`, when a pause of as long is over. Owes an answer from then on that
/// never comes, if it is told to: `expects` one, or `asks` for one.
struct Speaker(Sender<Addr<Speaker>>, Vec<Reply<()>>);

#[derive(Message)]
struct End(usize);

#[actor(codec = Lines<80>)]
impl Speaker {
    #[started]
    fn begin(&mut self, cx: &mut Context<Self>) {
        // The test may not want to know any more.
        let _ = self.0.send(cx.me());
    }

    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        let (word, bytes) = line.split_once(' ').expect("a word and a number");
        let bytes = bytes.parse().expect("a number");
        match word {
            "later" | "stopped" => {
                let stops = word == "stopped";
                return cx.exclusive("later", Timeout::Default, async move |_: &mut Self, cx| {
                    sleep(SECOND / 10).await;
                    if stops {
                        cx.me().stop();
                    }
                    sleep(2 * SECOND).await;
                    cx.write(vec![b'x'; bytes]);
                    if stops { Flow::Continue } else { Flow::Close }
                });
            }
            "paused" => {
                cx.pause_reading();
                cx.send_after(2 * SECOND, End(bytes)).expect("there is room");
                return Flow::Continue;
            }
            _ => cx.write(vec![b'x'; bytes]),
        }
        match word {
            "last" => cx.shutdown_write(),
            "end" => return Flow::Close,
            "expects" => cx.expect_answer(),
            "asks" => cx.me().never().then(cx, |_, _, _| ()),
            _ => {}
        }
        Flow::Continue
    }

    #[call]
    fn never(&mut self, reply: Reply<()>) {
        self.1.push(reply);
    }

    #[message]
    fn end(&mut self, End(bytes): End, cx: &mut Context<Self>) -> Flow {
        cx.resume_reading();
        cx.write(vec![b'x'; bytes]);
        Flow::Close
    }
}

struct Scene {
    simulation: Simulation,
    speakers: Receiver<Addr<Speaker>>,
    peer: SimPeer,
}

impl Scene {
    fn new(adapt: impl FnOnce(&mut SimulationConfig)) -> Scene {
        let mut plan = small(1);
        adapt(&mut plan);
        let mut simulation = Simulation::new(plan).expect("the limits are possible");
        let (tell, speakers) = channel();
        let listener = simulation.listener(World::address());
        listener.start(move |_| Speaker(tell.clone(), Vec::new())).expect("nobody listens there yet");
        let peer = simulation.network().connect(World::address()).expect("the backlog has room");
        simulation.settle();
        Scene { simulation, speakers, peer }
    }

    fn ask(&mut self, line: &str) {
        assert_eq!(self.peer.write(line.as_bytes()), line.len());
        self.simulation.settle();
    }

    /// Reads all that comes; answers how much it was.
    fn read_to_end(&mut self) -> usize {
        let (mut bytes, mut more) = (0, 1);
        while more > 0 {
            more = self.peer.read(usize::MAX).len();
            bytes += more;
            self.simulation.settle();
        }
        bytes
    }

    /// Stops the connection.
    fn stop(&mut self) {
        self.speakers.try_recv().expect("it has begun").stop();
        self.simulation.settle();
    }

    fn cut_off(&mut self) -> u64 {
        self.simulation.ledgers()[0].connections_cut_off
    }

    /// The connection has ended for the system, and left nothing behind but this many that were cut off.
    fn has_ended(&mut self, cut_off: u64) {
        let ledger = &self.simulation.ledgers()[0];
        let closed = (ledger.connections_closed, ledger.driver.operations, ledger.send_slots, ledger.timers);
        assert_eq!((closed, ledger.connections_cut_off), ((1, 1, 0, 0), cut_off), "{ledger:#?}");
    }
}

#[test]
fn as_many_sends_may_be_pinned_as_there_may_be_while_a_connection_ends() {
    let mut scene = Scene::new(|plan| {
        (plan.config.pinned_parts_max, plan.config.send_slots) = (255, [256, 0, 0, 0, 0]);
        plan.faults = Faults { pinned_send: 1.0, pinned_until_read: 1.0, ..Faults::default() };
    });
    for _ in 0..254 {
        scene.ask("say 1\n");
    }
    // What it reads still is cancelled as well, and its output ended.
    scene.ask("end 1\n");
    assert_eq!((scene.cut_off(), scene.peer.is_reset()), (0, false));
    scene.simulation.run_for(6 * SECOND);
    assert!(scene.peer.is_reset(), "only by a reset does the kernel let go of what the peer has not read");
    scene.has_ended(1);
}

#[test]
fn what_the_kernel_has_taken_arrives_however_late_it_is_read() {
    const BYTES: usize = 100_000;
    let mut scene = Scene::new(|_| {});
    scene.peer.limit_unread(1000);
    scene.peer.hold_for_sender(BYTES);
    scene.ask(&format!("end {BYTES}\n"));
    scene.simulation.run_for(60 * SECOND);
    scene.has_ended(0);
    assert_eq!(scene.read_to_end(), BYTES);
    assert!(scene.peer.is_ended() && !scene.peer.is_reset());
}

/// A close on what it has not read would be a reset, which drops what the kernel has of the answer.
#[test]
fn whoever_sends_on_while_nothing_is_read_gets_all_of_the_answer() {
    const BYTES: usize = 10_000;
    // One that is stopped answers what it had been sent by then, though it had not read that.
    for (word, more) in [("later", 0), ("stopped", 1), ("paused", 0)] {
        let mut scene = Scene::new(|_| {});
        scene.peer.limit_unread(1000);
        scene.peer.hold_for_sender(BYTES);
        scene.ask(&format!("{word} {BYTES}\n"));
        scene.simulation.run_for(SECOND / 2);
        // The first of them ends the receive.
        for _ in 0..2 {
            scene.ask("say 1\n");
        }
        scene.simulation.run_for(2 * SECOND);
        assert_eq!((scene.read_to_end(), scene.peer.is_reset()), (BYTES + more, false), "{word}");
        assert!(scene.peer.is_ended());
        scene.simulation.run_for(6 * SECOND);
        scene.has_ended(0);
    }
}

#[test]
fn whoever_sends_on_while_the_answer_is_sent_gets_all_of_it() {
    let mut scene = Scene::new(|_| {});
    scene.peer.limit_unread(1000);
    scene.ask("end 5000\n");
    let mut got = 0;
    for _ in 0..4 {
        scene.simulation.run_for(2 * SECOND);
        scene.ask("say 1\n");
        got += scene.peer.read(1000).len();
        scene.simulation.settle();
    }
    // By now the kernel has everything.
    scene.ask("say 1\n");
    got += scene.read_to_end();
    assert_eq!((got, scene.peer.is_ended(), scene.peer.is_reset()), (5000, true, false));
    scene.simulation.run_for(6 * SECOND);
    scene.has_ended(0);
}

#[test]
fn whoever_has_been_silent_is_not_waited_for_when_its_connection_stops() {
    for speaks in [false, true] {
        let mut scene = Scene::new(|_| {});
        if speaks {
            scene.ask("say 1\n");
        }
        scene.simulation.run_for(5 * SECOND);
        scene.stop();
        scene.has_ended(0);
        scene.read_to_end();
        assert!(scene.peer.is_ended() && !scene.peer.is_reset());
    }
}

#[test]
fn whoever_reads_is_waited_for_and_gets_everything() {
    let mut scene = Scene::new(|_| {});
    scene.peer.limit_unread(1000);
    scene.ask("end 10000\n");
    for _ in 0..10 {
        scene.simulation.run_for(4 * SECOND);
        assert_eq!(scene.peer.read(1000).len(), 1000);
    }
    scene.simulation.run_for(6 * SECOND);
    scene.has_ended(0);
    assert!(scene.peer.is_ended() && !scene.peer.is_reset());
}

#[test]
fn whoever_reads_for_too_long_is_cut_off_and_counted() {
    let mut scene = Scene::new(|_| {});
    scene.peer.limit_unread(1000);
    scene.ask("end 100000\n");
    for _ in 0..59 {
        scene.simulation.run_for(SECOND);
        assert_eq!((scene.peer.read(1000).len(), scene.cut_off()), (1000, 0));
    }
    scene.simulation.run_for(SECOND + MOMENT);
    assert!(scene.peer.is_reset());
    scene.has_ended(1);
}

#[test]
fn whoever_does_not_read_is_cut_off_and_counted() {
    let mut scene = Scene::new(|_| {});
    scene.peer.limit_unread(1000);
    scene.ask("end 2000\n");
    scene.simulation.run_for(4 * SECOND);
    assert_eq!((scene.cut_off(), scene.peer.is_reset()), (0, false));
    scene.simulation.run_for(SECOND + MOMENT);
    assert!(scene.peer.is_reset());
    scene.has_ended(1);
}

/// Without a deadline it would keep its place for as long as its peer likes.
#[test]
fn whoever_does_not_read_is_cut_off_at_once_where_there_is_no_timer() {
    let mut scene = Scene::new(|plan| plan.config.timers_max = 1);
    let mut other = scene.simulation.network().connect(World::address()).expect("the backlog has room");
    scene.peer.limit_unread(1000);
    other.limit_unread(1000);
    // It has the only one.
    scene.ask("end 2000\n");
    assert_eq!(other.write(b"end 2000\n"), 9);
    scene.simulation.settle();
    assert_eq!((scene.peer.is_reset(), other.is_reset()), (false, true));
    scene.simulation.run_for(5 * SECOND + MOMENT);
    assert!(scene.peer.is_reset());
    let ledger = &scene.simulation.ledgers()[0];
    assert_eq!(
        (ledger.connections_closed, ledger.driver.operations, ledger.timers),
        (2, 1, 0),
        "it accepts still"
    );
}

/// Nothing is left that a deadline would be for.
#[test]
fn whoever_has_been_sent_everything_gets_it_where_there_is_no_timer() {
    let mut scene = Scene::new(|plan| plan.config.timers_max = 1);
    let mut other = scene.simulation.network().connect(World::address()).expect("the backlog has room");
    other.limit_unread(100);
    other.hold_for_sender(5000);
    scene.peer.limit_unread(1000);
    // It has the only one.
    scene.ask("end 2000\n");
    assert_eq!(other.write(b"say 2000\n"), 9);
    scene.simulation.settle();
    other.shutdown_write();
    scene.simulation.settle();
    let peer = std::mem::replace(&mut scene.peer, other);
    assert_eq!((scene.read_to_end(), scene.peer.is_ended(), scene.peer.is_reset()), (2000, true, false));
    assert!(!peer.is_reset());
    scene.simulation.run_for(6 * SECOND);
    let ledger = &scene.simulation.ledgers()[0];
    assert_eq!((ledger.connections_closed, ledger.timers, ledger.connections_cut_off), (2, 0, 1));
}

/// Its peer would take what it has been sent for the whole.
#[test]
fn whoever_is_owed_an_answer_is_reset_where_there_is_no_timer() {
    for word in ["expects", "asks"] {
        let mut scene = Scene::new(|plan| plan.config.timers_max = 1);
        let mut other = scene.simulation.network().connect(World::address()).expect("the backlog has room");
        scene.peer.limit_unread(1000);
        // It has the only one.
        scene.ask("end 2000\n");
        let line = format!("{word} 2000\n");
        assert_eq!(other.write(line.as_bytes()), line.len());
        scene.simulation.settle();
        assert_eq!(other.read(usize::MAX).len(), 2000);
        other.shutdown_write();
        scene.simulation.settle();
        assert_eq!((other.is_reset(), scene.peer.is_reset()), (true, false), "one that {word}");
        scene.simulation.run_for(6 * SECOND);
        let ledger = &scene.simulation.ledgers()[0];
        assert_eq!((ledger.connections_closed, ledger.timers), (2, 0));
    }
}

/// Whether the last is taken by a second part of a send, or by one that had to wait for the first.
#[test]
fn what_the_kernel_has_taken_by_the_deadline_is_not_cut_off_by_a_core_that_was_held() {
    for line in ["end 1500\n", "say 1200\nend 300\n"] {
        let mut scene = Scene::new(|_| {});
        scene.peer.limit_unread(1000);
        scene.ask(line);
        assert_eq!(scene.peer.read(1000).len(), 1000);
        // The core finds that its time is over when it finds what the kernel has taken.
        scene.simulation.stand_still(5 * SECOND + MOMENT);
        assert_eq!(scene.read_to_end(), 500);
        scene.simulation.run_for(6 * SECOND);
        scene.has_ended(0);
        assert!(scene.peer.is_ended() && !scene.peer.is_reset());
    }
}

/// Everything has been sent, and the kernel lets go of one part after the other.
#[test]
fn whoever_reads_what_is_pinned_bit_by_bit_is_waited_for() {
    for silent in [true, false] {
        let mut scene = Scene::new(|plan| {
            plan.faults = Faults { pinned_send: 1.0, pinned_until_read: 1.0, ..Faults::default() };
            plan.config.linger_after = if silent { Duration::ZERO } else { 3600 * SECOND };
        });
        for _ in 0..9 {
            scene.ask("say 100\n");
        }
        scene.ask("end 100\n");
        for _ in 0..10 {
            scene.simulation.run_for(4 * SECOND);
            assert_eq!(scene.peer.read(100).len(), 100);
        }
        scene.simulation.run_for(6 * SECOND);
        scene.has_ended(0);
        assert!(scene.peer.is_ended() && !scene.peer.is_reset(), "silent: {silent}");
    }
}

/// Whether the kernel reads them where they lie makes no difference to whoever reads in time.
#[test]
fn what_is_pinned_is_cut_off_only_if_it_is_not_read_in_time() {
    for reads in [true, false] {
        for silent in [true, false] {
            let mut scene = Scene::new(|plan| {
                plan.faults = Faults { pinned_send: 1.0, pinned_until_read: 1.0, ..Faults::default() };
                plan.config.linger_after = if silent { Duration::ZERO } else { 3600 * SECOND };
            });
            scene.ask("end 1000\n");
            scene.simulation.run_for(4 * SECOND);
            if reads {
                assert_eq!(scene.read_to_end(), 1000);
            }
            scene.simulation.run_for(2 * SECOND);
            assert_eq!(scene.peer.is_reset(), !reads, "silent: {silent}");
            scene.has_ended((!reads).into());
        }
    }
}

#[test]
fn an_output_that_has_ended_is_sent_and_the_peer_is_heard_still() {
    let mut scene = Scene::new(|_| {});
    scene.peer.limit_unread(1000);
    scene.ask("last 5000\n");
    scene.ask("say 10\n");
    scene.simulation.run_for(20 * SECOND);
    assert_eq!((scene.read_to_end(), scene.peer.is_ended()), (5000, true));
    let handled = scene.simulation.ledgers()[0].handled;
    scene.ask("say 10\n");
    assert_eq!(scene.simulation.ledgers()[0].handled, handled + 1);
    assert_eq!((scene.read_to_end(), scene.peer.is_reset()), (0, false));
    scene.ask("end 10\n");
    scene.peer.shutdown_write();
    scene.simulation.settle();
    scene.has_ended(0);
    assert!(!scene.peer.is_reset());
}

#[test]
fn a_byte_a_second_arrives_both_ways_where_a_frame_may_take_as_long() {
    const BYTES: usize = 300;
    let pace = |scene: &mut Scene| {
        for _ in 0..BYTES {
            scene.simulation.run_for(SECOND);
            assert_eq!(scene.peer.read(1).len(), 1);
        }
    };
    // All other times are those of every system.
    let patient = |plan: &mut SimulationConfig| {
        plan.config = Config::default();
        plan.config.frame_timeout = Duration::MAX;
    };
    // Sent at the speed at which it is read, while the connection is open.
    let mut scene = Scene::new(patient);
    scene.peer.limit_unread(1);
    scene.ask(&format!("say {BYTES}\n"));
    pace(&mut scene);
    // Received so.
    for byte in format!("end {BYTES:070}\n").bytes() {
        scene.simulation.run_for(SECOND);
        assert_eq!(scene.peer.write(&[byte]), 1);
    }
    // And with the kernel, which holds as much as it does: the connection is closed long before.
    scene.peer.hold_for_sender(64 << 10);
    scene.simulation.settle();
    pace(&mut scene);
    scene.has_ended(0);
    assert!(scene.peer.is_ended() && !scene.peer.is_reset());
}

#[derive(Message)]
struct Announce(u32);

/// Has much to announce when it begins, and nothing to do afterwards.
struct Crier;

impl Crier {
    const COUNT: u32 = 20;
}

#[actor(codec = Lines<80>)]
impl Crier {
    #[started]
    fn started(&mut self, cx: &mut Context<Self>) {
        (0..Crier::COUNT).for_each(|number| cx.me().tell(Announce(number)).expect("there is room"));
        cx.me().drain();
        assert!(cx.me().tell(Announce(Crier::COUNT)).is_err());
    }

    #[message]
    fn announce(&mut self, Announce(number): Announce, cx: &mut Context<Self>) {
        cx.write_line(number.to_string());
    }

    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) {
        cx.write_line(line);
    }

    #[stopped]
    fn stopped(&mut self, why: StopReason, cx: &mut Context<Self>) {
        cx.write_line(why.to_string());
    }
}

#[test]
fn one_that_is_drained_sends_what_its_last_messages_write_and_ends_in_order() {
    sim::check(|sim| {
        let listening = sim.listener(World::address()).start(|_| Crier).expect("nobody listens there yet");
        let mut peer = sim.connect(listening.address());
        (0..Crier::COUNT).for_each(|number| peer.expect_line(&number.to_string()));
        peer.expect_line("it was stopped");
        assert_eq!(peer.read_to_end(), b"");
    });
}
