//! Bodies that go to a file, on virtual time and a simulated disk: what is written, what is told, what ends them.
//!
//! Knows: what `Context::forward_to_file` promises. Must not know how a file is written.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use odeon::fs::File;
use odeon::prelude::*;
use odeon::sys::Random;
use odeon::system::simulation::{Faults, SimPeer, Simulation, SimulationConfig};
use odeon::{FileForwardError, FileRefusal, ForwardedFile, Timeout};

use super::echo::{self, Format};
use super::journal::Life;
use super::world::{World, pick, small};

/// What a connection has told.
#[derive(Debug, Clone, PartialEq)]
enum Told {
    /// So many bytes are written, and how that ended.
    Kept(u64, End),
    /// What came behind.
    Frame(String),
    /// Why it ended, and so many bytes were known to be written.
    Ended(StopReason, u64),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Whole,
    File(i32),
    Stream(StopReason),
}

fn end(forwarded: &ForwardedFile) -> End {
    match &forwarded.end {
        Ok(()) => End::Whole,
        Err(FileForwardError::File(error)) => End::File(error.raw_os_error().expect("the kernel said so")),
        Err(FileForwardError::Stream(why)) => End::Stream(*why),
        Err(other) => panic!("{other}"),
    }
}

/// A line is a length, or `all`: what follows goes to a file. `hog` is answered with much, `quit` ends it soon; any other line is told.
struct Keeper(Arc<Mutex<Vec<Told>>>, Option<u32>);

impl Keeper {
    fn tell(&self, told: Told) {
        self.0.lock().expect("nobody panics with it").push(told);
    }
}

impl Actor for Keeper {
    type Message = Never;

    const INTERVALS: &'static [Interval] = &[Interval::every(Duration::from_secs(1))];

    fn interval(&mut self, _: usize, _: &mut Context<Self>) -> Flow {
        // Some time after something goes to a file.
        self.1 = self.1.map(|ticks| ticks.saturating_sub(1));
        if self.1 == Some(0) { Flow::Close } else { Flow::Continue }
    }

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }

    fn stopped(&mut self, reason: StopReason, cx: &mut Context<Self>) {
        self.tell(Told::Ended(reason, cx.forwarded_bytes()));
    }
}

impl Connection for Keeper {
    type Codec = Lines<80>;

    fn frame(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        match line {
            "hog" => cx.write([7; 500]),
            line if line.starts_with("echo") => cx.write(line),
            "quit" => self.1 = Some(20),
            _ => {}
        }
        let len: Option<u64> = line.parse().ok();
        if len.is_none() && line != "all" {
            self.tell(Told::Frame(line.to_owned()));
            return Flow::Continue;
        }
        cx.exclusive("keep", Timeout::Never, async move |me: &mut Keeper, cx: &mut Context<Keeper>| {
            let Ok(file) = File::create("/kept").await else { return Flow::Fail };
            cx.forward_to_file(file, 0, len).expect("nothing else is under way");
            me.1 = me.1.map(|_| 1);
            if len == Some(20_000) {
                let second = File::open("/kept").await.expect("it was made");
                let refused = cx.forward_to_file(second, 0, len).expect_err("one is under way");
                assert_eq!(refused.why, FileRefusal::Busy);
            }
            Flow::Continue
        })
    }

    fn forwarded(&mut self, forwarded: ForwardedFile, cx: &mut Context<Self>) -> Flow {
        self.tell(Told::Kept(forwarded.bytes, end(&forwarded)));
        cx.write("kept\n");
        Flow::Continue
    }
}

struct Scene {
    simulation: Simulation,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Scene {
    fn new(change: impl FnOnce(&mut SimulationConfig)) -> Scene {
        let mut plan = small(0);
        // Disks here take minutes, and peers wait for them between two writes.
        plan.config.frame_timeout = Duration::MAX;
        change(&mut plan);
        let simulation = Simulation::new(plan).expect("the plan is possible");
        let told = Arc::<Mutex<Vec<Told>>>::default();
        let its = told.clone();
        let listener = simulation.listener(World::address());
        listener.start(move |_| Keeper(its.clone(), None)).expect("nobody listens there yet");
        Scene { simulation, told }
    }

    fn peer(&mut self) -> SimPeer {
        let peer = self.simulation.network().connect(World::address()).expect("there is room");
        self.simulation.settle();
        peer
    }

    /// Has these bytes sent, as fast as they are taken.
    fn send(&mut self, peer: &mut SimPeer, bytes: &[u8]) {
        let mut sent = 0;
        for _ in 0..10_000 {
            sent += peer.write(&bytes[sent..]);
            if sent == bytes.len() {
                return;
            }
            self.simulation.run_for(Duration::from_millis(1));
        }
        panic!("{sent} of {} bytes are taken", bytes.len());
    }

    fn pass(&mut self) {
        self.simulation.run_for(Duration::from_secs(60));
    }

    fn told(&self) -> Vec<Told> {
        std::mem::take(&mut self.told.lock().expect("nobody panics with it"))
    }

    fn kept(&self) -> Vec<u8> {
        self.simulation.network().disk().contents("/kept").expect("it was made")
    }

    /// Nothing is held but the listener.
    fn assert_even(&mut self) {
        assert_eq!(self.simulation.ledgers()[0].held(), [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(self.simulation.network().disk().open_files(), 0);
    }
}

/// Sends every body back, from the file that it has gone to.
struct Echo {
    life: Life,
    random: Random,
    path: String,
    offset: u64,
    len: u64,
}

impl Echo {
    fn keep(&mut self, cx: &mut Context<Self>) -> Flow {
        cx.exclusive("keep", Timeout::Never, async |me: &mut Echo, cx: &mut Context<Echo>| {
            let Ok(file) = File::create(&me.path).await else { return Flow::Close };
            // What is in front of it is none of its business.
            me.offset = pick(&mut me.random, [0, 0, 1, 1000]);
            cx.forward_to_file(file, me.offset, Some(me.len)).expect("there is one at a time");
            Flow::Continue
        })
    }

    fn answer(&mut self, cx: &mut Context<Self>) -> Flow {
        cx.exclusive("answer", Timeout::Never, async |me: &mut Echo, cx: &mut Context<Echo>| {
            match odeon::fs::read(&me.path).await {
                Ok(body) => {
                    cx.write((me.len as u32).to_be_bytes());
                    // Where there is nothing to write, nothing is in front of it either.
                    cx.write(body.get(me.offset as usize..).unwrap_or_default());
                    Flow::Continue
                }
                Err(_) => Flow::Close,
            }
        })
    }
}

#[actor(codec = Fixed<4>)]
impl Echo {
    #[started]
    fn start(&mut self) {
        self.life.start();
    }

    #[stopped]
    fn stop(&mut self) {
        self.life.stop();
    }

    #[frame]
    fn head(&mut self, head: &[u8; 4], cx: &mut Context<Self>) -> Flow {
        self.life.go_on();
        self.len = u32::from_be_bytes(*head).into();
        self.keep(cx)
    }

    #[forwarded]
    fn forwarded(&mut self, forwarded: ForwardedFile, cx: &mut Context<Self>) -> Flow {
        self.life.go_on();
        let whole = forwarded.end.is_ok();
        self.life.journal().expect(whole == (forwarded.bytes == self.len), || format!("{forwarded:?}"));
        if whole { self.answer(cx) } else { Flow::Close }
    }
}

pub(crate) fn run(seed: u64) -> [u64; 3] {
    let mut world = World::new(seed, |plan, random| {
        plan.config.unwritten_bytes_max = pick(random, [500, 5_000, 1 << 20]);
        // Else a body takes too many of them to end in time.
        plan.config.receive_buffer_bytes = plan.config.receive_buffer_bytes.max(1000);
        plan.config.timers_max = plan.config.timers_max.max(1 << 10);
    });
    let (seeds, journal) = (world.random.bits(), world.journal.clone());
    let listening = world.simulation.listener(World::address()).start(move |peer| Echo {
        life: Life::new(&journal),
        // Numbers of cores differ from run to run.
        random: Random::new(seeds ^ (peer.id() & 0xFFFF_FFFF)),
        path: format!("/{}", peer.id()),
        offset: 0,
        len: 0,
    });
    listening.expect("nobody listens there yet");
    echo::play(world, Format::Large)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

/// A disk that takes its time.
fn slow(plan: &mut SimulationConfig) {
    plan.faults = Faults { slow_file: 1.0, delay_ns_max: 20_000_000, ..Faults::default() };
}

#[test]
fn what_comes_before_and_behind_a_body_is_not_in_the_file() {
    for (pieces, buffer) in [(1, 64 << 10), (1, 1000), (3, 700), (7000, 64)] {
        let mut scene = Scene::new(|plan| plan.config.receive_buffer_bytes = buffer);
        let mut peer = scene.peer();
        let body = pattern(20_000);
        let all = [b"before\n20000\n", &body[..], b"behind\n"].concat();
        for piece in all.chunks(all.len().div_ceil(pieces)) {
            scene.send(&mut peer, piece);
            scene.simulation.settle();
        }
        scene.pass();
        let frame = |text: &str| Told::Frame(text.to_owned());
        assert_eq!(scene.told(), [frame("before"), Told::Kept(20_000, End::Whole), frame("behind")]);
        assert!(scene.kept() == body);
        drop(peer);
        scene.pass();
        scene.assert_even();
    }
}

#[test]
fn nothing_of_a_body_is_no_body() {
    let mut scene = Scene::new(|_| {});
    let mut peer = scene.peer();
    peer.write(b"0\nbehind\n");
    scene.pass();
    assert_eq!(scene.told(), [Told::Kept(0, End::Whole), Told::Frame("behind".to_owned())]);
}

#[test]
fn short_writes_are_gone_on_with() {
    let mut scene = Scene::new(|plan| {
        plan.faults = Faults { short_file: 1.0, slow_file: 0.5, delay_ns_max: 1000, ..Faults::default() };
    });
    let mut peer = scene.peer();
    let body = pattern(200_000);
    scene.send(&mut peer, b"200000\n");
    scene.send(&mut peer, &body);
    scene.pass();
    assert_eq!(scene.told(), [Told::Kept(200_000, End::Whole)]);
    assert!(scene.kept() == body);
}

#[test]
fn a_disk_that_is_slow_makes_the_peer_wait() {
    let mut scene = Scene::new(|plan| {
        slow(plan);
        plan.faults.delay_ns_max = 60_000_000_000;
        plan.config.unwritten_bytes_max = 100_000;
        plan.config.receive_buffer_bytes = 4096;
    });
    let mut peer = scene.peer();
    let body = pattern(2_000_000);
    scene.send(&mut peer, b"2000000\n");
    scene.pass();
    scene.pass();
    let mut sent = 0;
    for _ in 0..50 {
        sent += peer.write(&body[sent..]);
        scene.simulation.settle();
    }
    let buffered = sent;
    assert!(buffered < 600_000, "{buffered} bytes are taken, of which nothing is written");
    assert!(scene.simulation.ledgers()[0].receive_leases > 0, "they are kept where they lie");
    for _ in 0..1000 {
        sent += peer.write(&body[sent..]);
        scene.pass();
    }
    assert_eq!(scene.told(), [Told::Kept(2_000_000, End::Whole)]);
    assert!(scene.kept() == body);
}

/// What comes at the last moment is not late though it finds no buffer in the turn in which its time is over.
#[test]
fn a_peer_whose_last_bytes_find_no_buffer_in_time_is_not_late() {
    for comes in [true, false] {
        let mut scene = Scene::new(|plan| {
            plan.config.frame_timeout = Duration::from_secs(30);
            plan.config.frame_rate_min = 1 << 30;
            plan.faults.no_buffer = 1.0;
        });
        let mut peer = scene.peer();
        let body = pattern(20_000);
        scene.send(&mut peer, b"20000\n");
        scene.simulation.settle();
        scene.simulation.run_for(Duration::from_millis(29_990));
        peer.write(&body[..if comes { 20_000 } else { 10_000 }]);
        scene.simulation.stand_still(Duration::from_millis(20));
        scene.simulation.settle();
        if comes {
            assert_eq!(scene.told(), [Told::Kept(20_000, End::Whole)]);
            assert!(scene.kept() == body);
        } else {
            scene.simulation.run_for(Duration::from_millis(29_900));
            assert_eq!(scene.told(), [], "it has all of its time again");
            scene.simulation.run_for(Duration::from_millis(200));
            assert_eq!(scene.told(), [Told::Ended(StopReason::Late, 10_000)]);
        }
    }
}

#[test]
fn a_peer_that_does_not_go_on_is_late() {
    let mut scene = Scene::new(|plan| plan.config.frame_timeout = Duration::from_secs(30));
    let mut peer = scene.peer();
    scene.send(&mut peer, b"200000\n");
    scene.send(&mut peer, &pattern(100_000));
    // Each kibibyte has earned it a second.
    scene.simulation.run_for(Duration::from_secs(30 + 97));
    assert_eq!(scene.told(), []);
    scene.simulation.run_for(Duration::from_secs(1));
    assert_eq!(scene.told(), [Told::Ended(StopReason::Late, 100_000)]);
    scene.simulation.run_for(Duration::from_secs(10));
    scene.assert_even();
}

#[test]
fn a_peer_that_may_send_as_much_as_it_likes_is_late_with_none_of_it() {
    let mut scene = Scene::new(|plan| plan.config.frame_timeout = Duration::from_secs(30));
    let mut peer = scene.peer();
    for piece in [&b"all\n"[..], b"some ", b"and more"] {
        scene.send(&mut peer, piece);
        scene.simulation.run_for(Duration::from_secs(1000));
        assert_eq!(scene.told(), []);
    }
    peer.shutdown_write();
    scene.pass();
    assert_eq!(scene.told(), [Told::Kept(13, End::Whole), Told::Ended(StopReason::EndOfStream, 13)]);
}

#[test]
fn a_full_disk_ends_it_with_what_is_written() {
    let mut scene = Scene::new(slow);
    scene.simulation.network().disk().limit(50_000);
    let mut peer = scene.peer();
    let body = pattern(100_000);
    scene.send(&mut peer, b"100000\n");
    scene.send(&mut peer, &body);
    scene.pass();
    assert_eq!(
        scene.told(),
        [
            Told::Kept(50_000, End::File(libc::ENOSPC)),
            // It would take the rest for frames.
            Told::Ended(StopReason::Failed, 50_000)
        ]
    );
    assert!(scene.kept() == body[..50_000] && peer.is_reset());
    scene.assert_even();
}

#[test]
fn a_disk_that_fails_ends_it_at_once() {
    let mut scene = Scene::new(|_| {});
    let mut peer = scene.peer();
    peer.write(b"all\n");
    scene.simulation.settle();
    scene.simulation.network().disk().limit(0);
    peer.write(b"no room");
    scene.simulation.settle();
    assert_eq!(scene.told(), [Told::Kept(0, End::File(libc::ENOSPC)), Told::Ended(StopReason::Failed, 0)]);
}

#[test]
fn the_end_of_the_stream_comes_behind_the_last_byte() {
    for (head, how) in
        [("all", End::Whole), ("100001", End::Stream(StopReason::EndOfStream)), ("100000", End::Whole)]
    {
        let mut scene = Scene::new(slow);
        let mut peer = scene.peer();
        let body = pattern(100_000);
        scene.send(&mut peer, format!("{head}\n").as_bytes());
        scene.send(&mut peer, &body);
        peer.shutdown_write();
        scene.pass();
        assert_eq!(scene.told(), [Told::Kept(100_000, how), Told::Ended(StopReason::EndOfStream, 100_000)]);
        assert!(scene.kept() == body);
        assert_eq!(peer.read(100), b"kept\n");
        drop(peer);
        scene.pass();
        scene.assert_even();
    }
}

#[test]
fn what_came_before_a_reset_is_written_and_counted() {
    let mut scene = Scene::new(slow);
    let mut peer = scene.peer();
    let body = pattern(100_000);
    scene.send(&mut peer, b"200000\n");
    scene.pass();
    scene.send(&mut peer, &body);
    scene.simulation.settle();
    peer.reset();
    scene.simulation.settle();
    assert!(scene.simulation.ledgers()[0].receive_leases > 0, "a write is under way");
    scene.pass();
    let broken = StopReason::Disconnected(libc::ECONNRESET);
    let told = scene.told();
    let [Told::Kept(bytes, End::Stream(why)), Told::Ended(last, counted)] = told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((why, last, counted), (broken, broken, bytes));
    assert!(bytes > 0 && scene.kept() == body[..bytes as usize]);
    scene.assert_even();
}

#[test]
fn whoever_is_stopped_in_the_middle_has_written_what_had_come() {
    let mut scene = Scene::new(slow);
    let mut peer = scene.peer();
    let body = pattern(100_000);
    scene.send(&mut peer, b"200000\n");
    scene.pass();
    scene.send(&mut peer, &body);
    scene.simulation.settle();
    let network = scene.simulation.network().clone();
    let remains = scene.simulation.shutdown();
    assert_eq!(remains.ledgers[0].held(), [0; 13]);
    let told = scene.told.lock().expect("nobody panics with it").clone();
    let stopped = End::Stream(StopReason::Stopped);
    assert_eq!(told, [Told::Kept(100_000, stopped), Told::Ended(StopReason::Stopped, 100_000)]);
    assert!(network.disk().contents("/kept").expect("it was made") == body);
    assert_eq!(network.disk().open_files(), 0);
}

#[test]
fn an_end_while_a_write_is_under_way_waits_for_it_alone() {
    let mut scene = Scene::new(|plan| {
        slow(plan);
        plan.config.close_deadline = Duration::from_millis(1);
    });
    let mut peer = scene.peer();
    let body = pattern(100_000);
    scene.send(&mut peer, b"200000\n");
    scene.pass();
    scene.send(&mut peer, &body);
    scene.simulation.settle();
    let network = scene.simulation.network().clone();
    // The deadline is over before the disk has answered.
    let remains = scene.simulation.shutdown();
    assert_eq!((remains.leaked, remains.ledgers[0].held()), (0, [0; 13]));
    let told = scene.told.lock().expect("nobody panics with it").clone();
    let [Told::Ended(StopReason::Aborted, counted)] = told[..] else { panic!("{told:?}") };
    let kept = network.disk().contents("/kept").expect("it was made");
    assert!(counted <= kept.len() as u64 && kept == body[..kept.len()]);
    assert_eq!(network.disk().open_files(), 0);
}

#[test]
fn nothing_is_written_behind_what_the_disk_has_not_taken() {
    let mut failures = 0;
    for seed in 0..40 {
        let mut scene = Scene::new(|plan| {
            *plan = small(seed);
            plan.config.frame_timeout = Duration::MAX;
            slow(plan);
            plan.faults.failed_file = 0.3;
        });
        let mut peer = scene.peer();
        let body = pattern(300_000);
        scene.send(&mut peer, b"300000\n");
        scene.pass();
        peer.write(&body);
        scene.pass();
        for told in scene.told() {
            let Told::Kept(bytes, how) = told else { continue };
            assert!(scene.kept() == body[..bytes as usize], "{bytes} bytes");
            failures += usize::from(how == End::File(libc::EIO));
        }
    }
    assert!(failures > 10, "{failures} of them");
}

#[test]
fn a_connection_that_ends_by_itself_leaves_nothing_behind() {
    for seed in 0..20 {
        let mut scene = Scene::new(|plan| {
            *plan = small(seed);
            slow(plan);
            plan.faults.delay_ns_max = 5_000_000_000;
        });
        let mut peer = scene.peer();
        let body = pattern(100_000);
        scene.send(&mut peer, b"quit\n200000\n");
        scene.send(&mut peer, &body);
        scene.pass();
        let told = scene.told();
        let [Told::Frame(_), Told::Ended(StopReason::Stopped, counted)] = told[..] else {
            panic!("{told:?}")
        };
        assert!(counted <= scene.kept().len() as u64);
        drop(peer);
        scene.pass();
        scene.assert_even();
    }
}

/// What has come of a write that ends after the actor, while the peer is heard out.
#[test]
fn what_a_disk_answers_late_is_let_go_while_the_connection_lingers() {
    let mut late = 0;
    for seed in 0..20 {
        let mut scene = Scene::new(|plan| {
            *plan = small(seed);
            slow(plan);
            plan.faults.delay_ns_max = 2_000_000_000;
        });
        let mut peer = scene.peer();
        scene.send(&mut peer, b"quit\n200000\n");
        scene.send(&mut peer, &pattern(100_000));
        let mut waits = false;
        for _ in 0..150 {
            // Whoever is silent is not heard out.
            peer.write(b"x");
            scene.simulation.run_for(Duration::from_millis(100));
            let ended = scene.told.lock().expect("nobody panics with it").len() == 2;
            let [sockets, _, _, _, _, receive_leases, _, send_slots, _, _, requests, ..] =
                scene.simulation.ledgers()[0].held();
            let lingers = ended && sockets > 1;
            if lingers && waits && requests == 0 {
                assert_eq!([receive_leases, send_slots], [0, 0], "with seed {seed}");
                late += 1;
            }
            waits = lingers && requests > 0;
        }
        drop(peer);
        scene.pass();
        scene.assert_even();
    }
    assert!(late > 5, "{late} of them");
}

#[test]
fn behind_a_body_what_is_written_is_copied_no_more_often_than_before() {
    let mut scene = Scene::new(|plan| plan.config.owned_bytes_min = 20);
    let mut peer = scene.peer();
    scene.send(&mut peer, b"1000\n");
    scene.send(&mut peer, &pattern(1000));
    scene.pass();
    assert_eq!(peer.read(100), b"kept\n");
    peer.limit_unread(1);
    peer.write(b"echo of what is long enough\n");
    scene.simulation.settle();
    let [_, _, _, _, _, receive_leases, ..] = scene.simulation.ledgers()[0].held();
    assert_eq!(receive_leases, 1, "it is sent from where it was received");
}

#[test]
fn a_file_goes_on_when_others_let_go_of_the_slots() {
    let mut scene = Scene::new(|plan| {
        plan.config.send_slots = [8, 0, 0, 0, 0];
        plan.config.spill_bytes_max = 64 << 10;
        plan.config.receive_buffer_bytes = 1000;
    });
    let mut peer = scene.peer();
    let body = pattern(15_000);
    scene.send(&mut peer, b"15000\n");
    let hogs: Vec<SimPeer> = (0..150)
        .map(|_| {
            let mut hog = scene.peer();
            hog.limit_unread(1);
            hog.write(b"hog\n");
            scene.simulation.settle();
            hog
        })
        .collect();
    scene.told();
    assert_eq!(peer.write(&body), body.len());
    scene.simulation.settle();
    assert!(scene.kept().len() < 2_000 && scene.told().is_empty(), "others hold all the memory there is");
    drop(hogs);
    scene.simulation.settle();
    assert!(scene.told().contains(&Told::Kept(15_000, End::Whole)));
    assert!(scene.kept() == body);
}

#[test]
fn a_peer_is_not_idle_while_what_it_sent_is_written() {
    let mut scene = Scene::new(|plan| {
        slow(plan);
        plan.faults.delay_ns_max = 300_000_000_000;
    });
    let told = scene.told.clone();
    let address = std::net::SocketAddr::from(([10, 0, 0, 1], 81));
    let listener = scene.simulation.listener(address).idle_timeout(Duration::from_secs(1));
    listener.start(move |_| Keeper(told.clone(), None)).expect("nobody listens there yet");
    let mut peer = scene.simulation.network().connect(address).expect("there is room");
    peer.write(b"9\n123456789");
    for _ in 0..20 {
        scene.pass();
    }
    assert_eq!(scene.told()[0], Told::Kept(9, End::Whole));
}

thread_local! {
    /// A file on its way from the core of one system to that of another, which one thread runs.
    static FILE: std::cell::RefCell<Option<File>> = const { std::cell::RefCell::new(None) };
}

/// Has what lies there go to a file that is open elsewhere.
struct Misled(Arc<Mutex<Vec<FileRefusal>>>);

#[actor(codec = Lines<80>)]
impl Misled {
    #[frame]
    fn line(&mut self, _: &str, cx: &mut Context<Self>) {
        let file = FILE.take().expect("it was opened");
        let refused = cx.forward_to_file(file, 0, None).expect_err("it is not of this core");
        self.0.lock().expect("nobody panics with it").push(refused.why);
        assert!(refused.to_string().contains("another core"), "{refused}");
        // It is handed back as it was.
        FILE.set(Some(refused.file));
        cx.write_line("go on");
    }
}

#[test]
fn a_file_of_another_core_is_refused_and_handed_back() {
    let mut elsewhere = Simulation::new(small(0)).expect("the plan is possible");
    elsewhere.spawn_on(0, Opener).expect("there is room");
    elsewhere.settle();
    elsewhere.run_for(Duration::from_secs(1));
    let mut simulation = Simulation::new(small(0)).expect("the plan is possible");
    let refusals = Arc::<Mutex<Vec<FileRefusal>>>::default();
    let told = refusals.clone();
    let listener = simulation.listener(World::address());
    listener.start(move |_| Misled(told.clone())).expect("nobody listens there yet");
    let mut peer = simulation.network().connect(World::address()).expect("there is room");
    for _ in 0..2 {
        peer.write(b"now\n");
        simulation.run_for(Duration::from_secs(1));
    }
    assert_eq!(*refusals.lock().expect("nobody panics with it"), [FileRefusal::OnAnotherCore; 2]);
    drop((peer, simulation.shutdown()));
    // It is still open where it was opened, and closed there.
    assert_eq!(elsewhere.network().disk().open_files(), 1);
    elsewhere.spawn_on(0, Closer).expect("there is room");
    elsewhere.run_for(Duration::from_secs(1));
    assert_eq!(elsewhere.network().disk().open_files(), 0);
    drop(elsewhere.shutdown());
}

/// Opens a file, for whoever takes it.
struct Opener;

#[actor]
impl Opener {
    #[started]
    fn started(&mut self) {
        odeon::task::spawn(async { FILE.set(File::create("/kept").await.ok()) }).detach();
    }
}

/// Drops it.
struct Closer;

#[actor]
impl Closer {
    #[started]
    fn started(&mut self) {
        assert!(FILE.take().is_some());
    }
}
