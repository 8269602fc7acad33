//! Panics wherever a user's code runs: only that actor ends.
//!
//! Knows: where code of users runs. Must not know what else ends connections.

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::panic;
use std::sync::Once;
use std::sync::mpsc::channel;

use odeon::executor::current;
use odeon::net::codec::{Decoded, FrameError};
use odeon::prelude::*;

use crate::child::{self, role};
use crate::client::{connect, connect_unless_reset, ends_by_reset, is_reset, request};
use crate::fragile::{Fragile, HOOKS};
use crate::runner::{Runner, on_core};
use crate::session::{Do, Habits, Told, sessions};
use crate::world::{PATIENCE, World};

const MANY: u64 = 1000;

/// Planned panics are not reported: a thousand of them would hide the others.
pub(crate) fn quietly() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let planned = info.payload_as_str().is_some_and(|text| text.starts_with("as planned"));
            if !planned {
                report(info);
            }
        }));
    });
}

/// Connects and writes, both of which may come too late for an actor that panics at once, and waits for the end.
fn write_if_it_stays(address: SocketAddr, text: &str) {
    if let Some(mut stream) = connect_unless_reset(address) {
        let _ = std::io::Write::write_all(&mut stream, text.as_bytes());
        ends_by_reset(&mut stream);
    }
}

/// Connects so often, writing a line each time; a witness is served all the while.
fn many(on: BackendChoice, habits: Habits, line: &str, reason: Option<StopReason>) -> [u64; 2] {
    quietly();
    let mut world = World::new(on, 2);
    let (make, events) = sessions(habits);
    let address = world.serve(make);
    let (make, _witnessed) = sessions(Habits::default());
    let mut witness = connect(world.serve(make));
    for round in 0..MANY {
        write_if_it_stays(address, line);
        if let Some(reason) = reason {
            assert_eq!(events.stopped(), reason);
        }
        if round % 100 == 0 {
            request(&mut witness, "echo unharmed", "unharmed\n");
        }
    }
    drop(witness);
    world.settle();
    let panics = [world.sum(|ledger| ledger.panics), world.sum(|ledger| ledger.drop_panics)];
    world.finish();
    panics
}

pub(crate) fn a_panic_in_a_frame_ends_its_connection_only(on: BackendChoice) {
    assert_eq!(many(on, Habits::default(), "panic\n", Some(StopReason::Panicked)), [MANY, 0]);
}

pub(crate) fn a_panic_in_started_ends_its_connection_only(on: BackendChoice) {
    let habits = Habits { panic_in_started: true, ..Habits::default() };
    assert_eq!(many(on, habits, "echo\n", Some(StopReason::Panicked)), [MANY, 0]);
}

pub(crate) fn a_panic_in_stopped_ends_its_connection_only(on: BackendChoice) {
    let habits = Habits { panic_in_stopped: true, ..Habits::default() };
    assert_eq!(many(on, habits, "close\n", Some(StopReason::Stopped)), [MANY, 0]);
}

pub(crate) fn a_panic_in_drop_ends_its_connection_only(on: BackendChoice) {
    let habits = Habits { panic_in_drop: true, ..Habits::default() };
    assert_eq!(many(on, habits, "close\n", Some(StopReason::Stopped)), [MANY, MANY]);
}

pub(crate) fn panics_in_a_frame_in_stopped_and_in_drop_together_end_one_connection(on: BackendChoice) {
    let habits = Habits { panic_in_stopped: true, panic_in_drop: true, ..Habits::default() };
    assert_eq!(many(on, habits, "panic\n", Some(StopReason::Panicked)), [3 * MANY, MANY]);
}

pub(crate) fn a_panic_in_the_function_that_makes_actors_costs_one_connection(on: BackendChoice) {
    quietly();
    let mut world = World::new(on, 1);
    let mut count = 0_u64;
    let (mut make, _events) = sessions(Habits::default());
    let address = world.serve(move |peer| {
        count += 1;
        assert!(count.is_multiple_of(2), "as planned, in the factory");
        make(peer)
    });
    for _ in 0..MANY / 2 {
        assert!(is_reset(address), "a connection without an actor is refused");
        request(&mut connect(address), "echo hello", "hello\n");
    }
    assert_eq!(world.sum(|ledger| ledger.panics), MANY / 2);
    world.finish();
}

pub(crate) fn a_panic_in_any_hook_ends_its_connection_only(on: BackendChoice) {
    let mut world = World::new(on, 2);
    let (make, _witnessed) = sessions(Habits::default());
    let healthy = world.serve(make);
    let file = std::env::temp_dir().join(format!("odeon-fragile-{}-{on:?}", std::process::id()));
    let fragile = HOOKS.map(|(breaks, said)| {
        let ((told, reasons), file) = (channel(), file.clone());
        let address = world.serve(move |_| Fragile { breaks, file: file.clone(), told: told.clone() });
        (breaks, said, address, reasons)
    });
    let mut witness = connect(healthy);
    for (breaks, said, address, reasons) in fragile {
        for round in 1..=3 {
            let before = world.sum(|ledger| ledger.panics);
            if let Some(mut stream) = connect_unless_reset(address) {
                let _ = std::io::Write::write_all(&mut stream, said.as_bytes());
                if breaks == "end_of_stream" {
                    let _ = stream.shutdown(std::net::Shutdown::Write);
                }
                ends_by_reset(&mut stream);
            }
            assert_eq!(reasons.recv_timeout(PATIENCE), Ok(StopReason::Panicked), "{breaks}, {round}");
            assert_eq!(world.sum(|ledger| ledger.panics), before + 1, "{breaks}");
            request(&mut witness, "echo unharmed", "unharmed\n");
        }
    }
    drop(witness);
    world.finish();
    std::fs::remove_file(file).expect("it was made");
}

/// A codec that panics where it is told to.
struct Touchy<const WHERE: u8>;

impl<const WHERE: u8> Default for Touchy<WHERE> {
    fn default() -> Self {
        assert!(WHERE != b'n', "as planned, in a new codec");
        Touchy
    }
}

impl<const WHERE: u8> Drop for Touchy<WHERE> {
    fn drop(&mut self) {
        assert!(WHERE != b'o', "as planned, in an old codec");
    }
}

impl<const WHERE: u8> Decode for Touchy<WHERE> {
    type Frame<'a> = u8;

    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded<u8>, FrameError> {
        assert!(WHERE != b'd' || bytes[0] != b'!', "as planned, in decode");
        Ok(Decoded::Frame { frame: bytes[0], consumed: 1 })
    }

    fn frame_bytes_max(&self) -> usize {
        1
    }
}

struct Uses<const WHERE: u8>;

impl<const WHERE: u8> Actor for Uses<WHERE> {
    type Message = Never;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

impl<const WHERE: u8> Connection for Uses<WHERE> {
    type Codec = Touchy<WHERE>;

    fn frame(&mut self, byte: u8, cx: &mut Context<Self>) -> Flow {
        cx.write([byte]);
        if byte == b'.' { Flow::Close } else { Flow::Continue }
    }
}

fn with_codec<const WHERE: u8>(on: BackendChoice) -> u64 {
    let mut world = World::new(on, 1);
    let address = world.serve(|_| Uses::<WHERE>);
    for _ in 0..50 {
        write_if_it_stays(address, "hello!.");
    }
    world.settle();
    let panics = world.sum(|ledger| ledger.panics.max(ledger.drop_panics));
    world.finish();
    panics
}

pub(crate) fn a_panic_in_a_codec_ends_its_connection_only(on: BackendChoice) {
    quietly();
    assert_eq!(with_codec::<b'-'>(on), 0);
    assert_eq!(with_codec::<b'n'>(on), 50);
    assert_eq!(with_codec::<b'd'>(on), 50);
    assert_eq!(with_codec::<b'o'>(on), 50);
}

pub(crate) fn a_function_that_makes_actors_may_panic_when_dropped(on: BackendChoice) {
    struct Bomb;
    impl Clone for Bomb {
        fn clone(&self) -> Bomb {
            Bomb
        }
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            // Only on a core: the test's own thread drops one, too.
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            assert!(!name.starts_with("odeon-"), "as planned, in the drop of a factory");
        }
    }

    quietly();
    let world = World::new(on, 1);
    let bomb = Bomb;
    let listening = world.system.listener("127.0.0.1:0").start(move |_| {
        let _inside = &bomb;
        Uses::<b'-'>
    });
    listening.expect("a free port is found").stop();
    world.wait_for_figure("the panic", 1, |ledger| ledger.drop_panics);
    world.finish();
}

pub(crate) fn panics_in_handlers_and_messages_end_one_actor_each(on: BackendChoice) {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("as planned, in the drop of a message");
        }
    }

    quietly();
    let mut world = World::new(on, 1);
    let runner = world.runner(0);
    let (make, events) = sessions(Habits::default());
    let address = world.serve(make);
    for _ in 0..MANY / 4 {
        // A handler that panics, with messages behind it whose drop panics.
        let mut stream = connect(address);
        let session = events.started();
        on_core(runner, move |_| {
            session.tell(Do::Panic).or_dead_letter();
            session.tell(Do::Keep(Box::new(Bomb))).or_dead_letter();
            session.tell(Do::Keep(Box::new(Bomb))).or_dead_letter();
        });
        ends_by_reset(&mut stream);
        assert_eq!(events.next(), Told::Stopped(StopReason::Panicked));
        // A message whose drop panics in the handler.
        let mut stream = connect(address);
        events.started().tell(Do::Keep(Box::new(Bomb))).or_dead_letter();
        ends_by_reset(&mut stream);
        assert_eq!(events.next(), Told::Stopped(StopReason::Panicked));
        // One that is refused where it arrives.
        let plain = world.system.spawn(Runner).expect("the core has room");
        plain.stop();
        let bomb = Bomb;
        plain
            .tell(crate::runner::Run(Box::new(move |_| {
                let _inside = &bomb;
                Flow::Continue
            })))
            .or_dead_letter();
        // A plain actor whose handler panics.
        let plain = world.system.spawn(Runner).expect("the core has room");
        crate::runner::run(plain, |_| panic!("as planned, in a plain actor"));
    }
    world.settle();
    assert_eq!(world.sum(|ledger| ledger.panics), MANY / 4 * 6);
    assert_eq!(world.sum(|ledger| ledger.drop_panics), MANY / 4 * 3);
    world.finish();
}

/// Bytes that cannot be had.
struct Unspeakable;

impl AsRef<[u8]> for Unspeakable {
    fn as_ref(&self) -> &[u8] {
        panic!("as planned, in a conversion to bytes")
    }
}

/// A connection that breaks what its first frame names.
struct Breaker;

impl Actor for Breaker {
    type Message = Never;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

impl Connection for Breaker {
    type Codec = Lines<99>;

    fn frame(&mut self, what: &str, cx: &mut Context<Self>) -> Flow {
        match what {
            // As sending and spawning reach the core.
            "sending" => current::with(|_| panic!("a planted bug")),
            // Outside of any handler.
            "turning" => {
                current::with(|core| {
                    let broken = odeon::executor::Request::Inspect(Box::new(|_, _| panic!("a planted bug")));
                    core.expect("a handler runs on a core").request(broken);
                });
                // There is another turn for this.
                return Flow::Close;
            }
            _ => cx.write(Unspeakable),
        }
        Flow::Continue
    }
}

pub(crate) fn a_broken_invariant_below_a_handler_ends_the_process(on: BackendChoice) {
    const CASE: &str = "panics::a_broken_invariant_below_a_handler_ends_the_process";
    if let Some(what) = role() {
        let mut world = World::new(on, 1);
        let mut stream = connect(world.serve(|_| Breaker));
        std::io::Write::write_all(&mut stream, format!("{what}\n").as_bytes()).expect("the server reads");
        ends_by_reset(&mut stream);
        drop(stream);
        return world.finish();
    }
    for what in ["sending", "turning"] {
        let ended =
            child::start(on, CASE, what, "ulimit -c 0", &[("RUST_BACKTRACE", "0")]).wait_with_output();
        let ended = ended.expect("it was started");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.signal(), Some(libc::SIGABRT), "{what}: {said}");
        assert!(said.contains("a broken invariant of the runtime"), "{what}: {said}");
    }
    child::run(on, CASE, "converting", "true", &[]);
}

pub(crate) fn a_panic_ends_the_process_where_its_actor_asks_for_that(on: BackendChoice) {
    const CASE: &str = "panics::a_panic_ends_the_process_where_its_actor_asks_for_that";

    struct Vital;

    #[actor(on_panic = abort)]
    impl Vital {
        #[call]
        fn fail(&mut self) {
            panic!("as planned");
        }
    }

    if role().is_some() {
        let system = System::builder().cores(Cores::Count(1)).backend(on).build().expect("the system starts");
        let _ = system.spawn(Vital).expect("there is room").fail().wait();
        panic!("the process goes on");
    }
    let ended = child::start(on, CASE, "dying", "ulimit -c 0", &[("RUST_BACKTRACE", "0")]).wait_with_output();
    let ended = ended.expect("it was started");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.signal(), Some(libc::SIGABRT), "{said}");
    assert_eq!(child::lines(&said, "Vital has panicked (OnPanic::Abort)"), 1, "{said}");
}

pub(crate) fn an_actor_that_finds_no_room_may_panic_when_dropped(on: BackendChoice) {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("as planned");
        }
    }
    impl Actor for Bad {
        type Message = Never;
        fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
            match message {}
        }
    }
    quietly();
    let mut world = World::with(on, 1, |config| config.actors_max = 1);
    world.runner(0);
    assert!(matches!(world.system.spawn_with(0, || Bad), Err(odeon::Error::ActorsFull)));
    assert_eq!(world.ledgers()[0].drop_panics, 1);
    world.finish();
}
