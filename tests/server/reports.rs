//! What is told on standard error of handlers, and how often.
//!
//! Knows: failures, what is slow, the words. Must not know where they are kept back.

use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use odeon::prelude::*;
use odeon::sys::now;

use crate::child::{self, lines, role};
use crate::client::connect;
use crate::runner::run;
use crate::world::{PATIENCE, World};

#[derive(Default)]
struct Clerk;

#[actor]
impl Clerk {
    #[call]
    fn count(&self) -> u64 {
        0
    }

    #[message]
    fn noisy(&mut self, Noise(number): Noise) -> Result<(), String> {
        Err(format!("noise {number}"))
    }

    #[message]
    fn quiet(&mut self, _: Quiet) -> Result<(), &'static str> {
        Err("hardly a word")
    }

    #[message]
    fn speechless(&mut self, _: Speechless) -> Result<(), Unspeakable> {
        Err(Unspeakable)
    }
}

#[derive(Message)]
struct Noise(u32);

#[derive(Message)]
struct Quiet;

#[derive(Message)]
struct Speechless;

/// An error that cannot be shown.
struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("there are no words for it")
    }
}

/// Has room for four messages.
struct Small;

#[actor(mailbox(capacity = 4))]
impl Small {
    #[message]
    fn quiet(&mut self, _: Quiet) {}
}

/// What a case says on standard error when it runs in a process of its own.
fn said(on: BackendChoice, case: &str) -> String {
    child::said(on, case, "speaker", "true")
}

/// How a line ends that counts what was held back: it may be one, or several.
const MORE: [&str; 2] = [" more failure within a second", " more failures within a second"];

/// Tells the clerk a noise a thousand times, and one quiet thing.
fn make_noise(clerk: Addr<Clerk>) {
    for number in 0..1000 {
        clerk.tell(Noise(number)).expect("there is room");
    }
    clerk.tell(Quiet).expect("there is room");
    clerk.count().wait().expect("it answers");
}

pub(crate) fn a_handler_that_fails_all_the_time_hides_no_other(on: BackendChoice) {
    if role().is_some() {
        let world = World::new(on, 1);
        make_noise(world.system.spawn(Clerk).expect("there is room"));
        assert_eq!(world.sum(|ledger| ledger.failures), 1001);
        drop(world);
        return;
    }
    let said = said(on, "reports::a_handler_that_fails_all_the_time_hides_no_other");
    assert_eq!(lines(&said, "Clerk::noisy failed: noise 0; its actor goes on"), 1, "{said}");
    assert_eq!(lines(&said, "Clerk::quiet failed: hardly a word; its actor goes on"), 1, "{said}");
    assert_eq!(lines(&said, "Clerk::quiet:"), 0, "{said}");
    // The machine may be so slow that it takes more than a second: then there are more lines, which name all the same.
    let told = said.lines().filter(|line| line.contains("Clerk::noisy failed")).count();
    let untold = said.lines().filter_map(|line| {
        let counted = line.strip_prefix("odeon: Clerk::noisy: ")?;
        MORE.iter().find_map(|more| counted.strip_suffix(more))?.parse().ok()
    });
    let before = said.lines().filter_map(|line| {
        line.split_once("(and ")?.1.strip_suffix(" more before it)")?.parse::<usize>().ok()
    });
    assert_eq!(told + untold.chain(before).sum::<usize>(), 1000, "{said}");
}

pub(crate) fn an_error_that_cannot_be_shown_ends_its_actor_and_nothing_else(on: BackendChoice) {
    if role().is_some() {
        let world = World::new(on, 1);
        let [clerk, other] = [(); 2].map(|()| world.system.spawn(Clerk).expect("there is room"));
        clerk.tell(Speechless).expect("there is room");
        assert_eq!(clerk.count().wait(), Err(AskError::Stopped));
        assert_eq!(other.count().wait(), Ok(0));
        assert_eq!(world.sum(|ledger| ledger.panics), 1);
        return;
    }
    let said = said(on, "reports::an_error_that_cannot_be_shown_ends_its_actor_and_nothing_else");
    assert_eq!(lines(&said, "reports::Clerk ends: it has panicked"), 1, "{said}");
}

pub(crate) fn where_nothing_can_be_said_everything_else_goes_on(on: BackendChoice) {
    if role().is_some() {
        let world = World::new(on, 1);
        make_noise(world.system.spawn(Clerk).expect("there is room"));
        assert_eq!(world.sum(|ledger| ledger.failures), 1001);
        return;
    }
    let case = "reports::where_nothing_can_be_said_everything_else_goes_on";
    child::run(on, case, "speaker", "exec 2>/dev/full", &[]);
}

pub(crate) fn messages_that_a_full_mailbox_drops_are_told_of(on: BackendChoice) {
    if role().is_some() {
        let mut world = World::new(on, 1);
        let small = world.system.spawn(Small).expect("there is room");
        // The core is busy until all of them are on their way.
        let ((busy, begun), (go, waits)) = (channel(), channel());
        run(world.runner(0), move |_| {
            busy.send(()).expect("the test waits for it");
            waits.recv().expect("it is told to go on");
            Flow::Continue
        });
        begun.recv().expect("it begins");
        for _ in 0..20 {
            small.tell(Quiet).expect("there is room on the way");
        }
        go.send(()).expect("it waits");
        world.settle();
        assert_eq!(world.sum(|ledger| ledger.dead_letters), 16);
        return;
    }
    let said = said(on, "reports::messages_that_a_full_mailbox_drops_are_told_of");
    assert_eq!(
        lines(&said, "reports::Small has no room for a message that was on its way to it"),
        1,
        "{said}"
    );
    assert!(said.contains("its mailbox holds 4 (Actor::MAILBOX_CAPACITY, mailbox(capacity = …))"), "{said}");
    let sum = "odeon: 16 messages not delivered: 16 where a mailbox, or the way to it, was full; System::dead_letters tells ";
    assert_eq!(lines(&said, sum), 1, "at the end: {said}");
}

pub(crate) fn what_was_held_back_is_told_without_another_failure(on: BackendChoice) {
    if role().is_some() {
        let world = World::new(on, 1);
        make_noise(world.system.spawn(Clerk).expect("there is room"));
        // Whoever has started this process ends it, when it has read enough.
        let (tell, told) = channel();
        std::thread::spawn(move || {
            let mut end = String::new();
            std::io::stdin().read_line(&mut end).expect("it can be read");
            tell.send(end)
        });
        // At once, so that the end of the system tells nothing.
        std::process::exit(i32::from(told.recv_timeout(PATIENCE).is_err()));
    }
    let case = "reports::what_was_held_back_is_told_without_another_failure";
    let mut child = child::start(on, case, "speaker", "true", &[]);
    let errors = std::io::BufReader::new(child.stderr.take().expect("it is a pipe"));
    let found = std::io::BufRead::lines(errors).map_while(Result::ok).find(|line| {
        line.starts_with("odeon: Clerk::noisy: ") && MORE.iter().any(|more| line.ends_with(more))
    });
    drop(child.stdin.take());
    child.wait().expect("it was started");
    assert!(found.is_some(), "it is told while the core rests");
}

/// Keeps its core to itself, for longer than it should.
struct Sloth;

#[actor]
impl Sloth {
    #[call]
    fn dawdle(&self) {
        take(SLOW * 2);
    }

    /// Until the case lets go of it.
    #[message]
    fn keep(&mut self, Keep { kept, leave }: Keep) {
        kept.send(()).expect("the case waits");
        leave.recv_timeout(PATIENCE).expect("the case says so");
    }
}

#[derive(Message)]
struct Keep {
    kept: Sender<()>,
    leave: Receiver<()>,
}

/// Has a sloth keep its core, until it is told to let go of it.
fn kept(sloth: Addr<Sloth>) -> Sender<()> {
    let ((tell_kept, kept), (tell_leave, leave)) = (channel(), channel());
    sloth.tell(Keep { kept: tell_kept, leave }).expect("there is room");
    kept.recv_timeout(PATIENCE).expect("it is its turn");
    tell_leave
}

/// Panics at once.
struct Brittle;

#[actor]
impl Brittle {
    #[call]
    fn touch(&self) {
        panic!("broken")
    }
}

const SLOW: Duration = Duration::from_millis(20);
/// So much that the machine hardly takes it from somebody.
const SLOWER: Duration = Duration::from_millis(150);

fn take(time: Duration) {
    let end = now().after(time);
    while now() < end {
        std::hint::spin_loop();
    }
}

pub(crate) fn a_handler_that_keeps_its_core_is_named(on: BackendChoice) {
    if role().is_some() {
        for spin in [Duration::ZERO, Duration::from_micros(20)] {
            let world = World::with(on, 1, |config| (config.slow_handler, config.spin) = (SLOW, spin));
            let sloth = world.system.spawn(Sloth).expect("there is room");
            for _ in 0..2 {
                sloth.dawdle().wait().expect("it answers");
            }
            world.wait_for_figure("both to be noticed", 2, |ledger| ledger.slow);
            drop(world);
        }
        let world = World::with(on, 1, |config| config.slow_handler = Duration::MAX);
        world.system.spawn(Sloth).expect("there is room").dawdle().wait().expect("it answers");
        world.ledgers();
        assert_eq!(world.sum(|ledger| ledger.slow), 0, "nothing is too long for ever");
        return;
    }
    let said = said(on, "reports::a_handler_that_keeps_its_core_is_named");
    assert!(lines(&said, "a handler has kept its core from everything else for ") >= 2, "{said}");
    assert!(lines(&said, "reports::Sloth has kept its core from everything else for ") >= 2, "{said}");
}

/// Comes, and stays.
struct Guest;

#[actor(codec = Lines<9>)]
impl Guest {
    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) {
        cx.write_line(line);
    }
}

/// Keeps whoever enters until it is opened.
#[derive(Default)]
struct Gate(Vec<Reply<()>>);

#[actor]
impl Gate {
    #[call]
    fn enter(&mut self, reply: Reply<()>) {
        self.0.push(reply);
    }

    #[call]
    fn open(&mut self) -> usize {
        let count = self.0.len();
        self.0.drain(..).for_each(|reply| reply.send(()));
        count
    }
}

/// Has something to do when it has ended.
struct Lingers(Addr<Gate>);

#[actor]
impl Lingers {
    #[stopped]
    fn end(&mut self, _: StopReason) {
        let gate = self.0;
        odeon::task::spawn(async move { gate.enter().await.expect("it is opened") }).detach();
    }
}

pub(crate) fn a_shutdown_that_takes_time_says_whom_it_waits_for(on: BackendChoice) {
    if role().is_some() {
        let mut world = World::with(on, 1, |config| {
            (config.drain_deadline, config.close_deadline) = (PATIENCE, PATIENCE);
        });
        let mut client = connect(world.serve(|_| Guest));
        crate::client::request(&mut client, "hello", "hello\n");
        let gate = world.system.spawn(Gate::default()).expect("there is room");
        world.system.spawn(Lingers(gate)).expect("there is room").stop();
        // Whoever has started this process has it leave.
        let leave = std::thread::spawn(move || {
            let mut end = String::new();
            std::io::stdin().read_line(&mut end).expect("it can be read");
            drop(client);
            assert_eq!(gate.open().wait(), Ok(1));
        });
        let report = world.system.shutdown();
        assert!(report.is_clean(), "{report}");
        return leave.join().expect("it leaves");
    }
    let case = "reports::a_shutdown_that_takes_time_says_whom_it_waits_for";
    let mut child = child::start(on, case, "speaker", "true", &[]);
    let errors = std::io::BufReader::new(child.stderr.take().expect("it is a pipe"));
    let told = "odeon: shutting down: waits for 1 connection (server::reports::Guest) to finish, and for their peers to close, for ";
    let told_next = "odeon: shutting down: waits for 1 task that actors have begun as they ended";
    let mut lines = std::io::BufRead::lines(errors).map_while(Result::ok);
    let found = [told, told_next].map(|told| lines.find(|line| line.starts_with(told)));
    drop(child.stdin.take());
    let ended = child.wait().expect("it was started");
    assert!(found.iter().all(Option::is_some) && ended.success(), "{found:?}, {ended}");
}

/// Does not let go of what it does.
struct Stubborn;

#[actor]
impl Stubborn {
    #[call(timeout = "never")]
    async fn hold(&mut self) {
        std::future::pending().await
    }
}

/// Keeps its core as it ends, until the case lets go of it.
struct Lasting(Receiver<()>);

#[actor]
impl Lasting {
    #[stopped]
    fn end(&mut self, _: StopReason) {
        self.0.recv_timeout(PATIENCE).expect("the case says so");
    }
}

pub(crate) fn a_core_that_is_kept_leaves_the_others_known(on: BackendChoice) {
    if role().is_some() {
        let world = World::with(on, 2, |config| {
            // By then the other core is kept, on a machine that does much else as well.
            config.drain_deadline = Duration::from_millis(1200);
            config.close_deadline = Duration::from_millis(1);
        });
        let stubborn = world.system.spawn_on(0, Stubborn).expect("there is room");
        let held = std::thread::spawn(move || stubborn.hold().wait());
        world.wait_for_figure("that it holds", 1, |ledger| ledger.handled);
        let (tell_leave, leave) = channel();
        world.system.spawn_on(1, Lasting(leave)).expect("there is room");
        // Whoever has started this process has it leave.
        let leave = std::thread::spawn(move || {
            let mut end = String::new();
            std::io::stdin().read_line(&mut end).expect("it can be read");
            tell_leave.send(()).expect("it waits");
        });
        world.system.shutdown();
        assert!(held.join().expect("it is answered").is_err());
        return leave.join().expect("it leaves");
    }
    let case = "reports::a_core_that_is_kept_leaves_the_others_known";
    let mut child = child::start(on, case, "speaker", "true", &[]);
    let errors = std::io::BufReader::new(child.stderr.take().expect("it is a pipe"));
    let mut lines = std::io::BufRead::lines(errors).map_while(Result::ok);
    let said = lines.find(|line| line.ends_with(" did not finish within Config::drain_deadline"));
    drop(child.stdin.take());
    lines.for_each(drop);
    assert!(child.wait().expect("it was started").success());
    let told = "odeon: shutting down: 1 actor (server::reports::Stubborn), and whatever there is on 1 core without an answer \
                did not finish within Config::drain_deadline";
    assert_eq!(said.as_deref(), Some(told));
}

pub(crate) fn a_panic_that_takes_long_to_be_told_is_named_as_such(on: BackendChoice) {
    if role().is_some() {
        // As with a backtrace.
        std::panic::set_hook(Box::new(|_| take(SLOWER * 2)));
        let world = World::with(on, 1, |config| config.slow_handler = SLOWER);
        for noticed in [1, 2] {
            let brittle = world.system.spawn(Brittle).expect("there is room");
            assert_eq!(brittle.touch().wait(), Err(AskError::Panicked));
            world.wait_for_figure("it to be noticed", noticed, |ledger| ledger.slow);
        }
        let leave = kept(world.system.spawn(Sloth).expect("there is room"));
        take(SLOWER * 2);
        leave.send(()).expect("it waits");
        world.wait_for_figure("what is slow without a panic", 3, |ledger| ledger.slow);
        return drop(world);
    }
    let said = said(on, "reports::a_panic_that_takes_long_to_be_told_is_named_as_such");
    let with_panic = |name| {
        let of =
            |line: &&str| line.contains(name) && line.contains("has kept its core from everything else for ");
        let mut lines = said.lines().filter(of).peekable();
        assert!(lines.peek().is_some(), "{said}");
        lines.all(|line| line.contains(", a panic and what the process says of it included, unless"))
    };
    assert!(with_panic("reports::Brittle ") && !with_panic("reports::Sloth "), "{said}");
    assert_eq!(lines(&said, "not delivered"), 0, "{said}");
}

/// Does next to nothing.
struct Innocent;

#[actor]
impl Innocent {
    #[message]
    fn hear(&mut self, Word(heard): Word) {
        heard.send(()).expect("the case waits");
    }
}

#[derive(Message)]
struct Word(Sender<()>);

/// Has stopped before it is sent anything.
struct Gone(Sender<()>);

#[actor]
impl Gone {
    #[message]
    fn bear(&mut self, _: Burden) {}

    #[stopped]
    fn left(&mut self) {
        self.0.send(()).expect("the case waits");
    }
}

/// Takes long to be dropped.
#[derive(Message)]
struct Burden;

impl Drop for Burden {
    fn drop(&mut self) {
        take(SLOWER * 2);
    }
}

pub(crate) fn whoever_runs_after_something_slow_is_not_named(on: BackendChoice) {
    if role().is_some() {
        let world = World::with(on, 1, |config| config.slow_handler = SLOWER);
        let (sloth, innocent) = (world.system.spawn(Sloth), world.system.spawn(Innocent));
        let (sloth, innocent) = (sloth.expect("there is room"), innocent.expect("there is room"));
        let (tell_end, ended) = channel();
        let gone = world.system.spawn(Gone(tell_end)).expect("there is room");
        gone.stop();
        ended.recv_timeout(PATIENCE).expect("it stops");
        let leave = kept(sloth);
        take(SLOWER * 2);
        leave.send(()).expect("it waits");
        world.wait_for_figure("it to be noticed", 1, |ledger| ledger.slow);
        // Both arrive in the same turn, as the core is kept from looking until then.
        let leave = kept(sloth);
        gone.tell(Burden).expect("there is room");
        let (tell_heard, heard) = channel();
        innocent.tell(Word(tell_heard)).expect("there is room");
        leave.send(()).expect("it waits");
        heard.recv_timeout(PATIENCE).expect("it is its turn");
        world.wait_for_figure("the burden to be noticed", 2, |ledger| ledger.slow);
        return drop(world);
    }
    let said = said(on, "reports::whoever_runs_after_something_slow_is_not_named");
    assert_eq!(lines(&said, "reports::Innocent has kept its core "), 0, "{said}");
    let other = "something other than a handler has kept its core from everything else for ";
    assert!(lines(&said, other) >= 1, "{said}");
}

pub(crate) fn functions_that_serve_are_named_by_where_they_are(on: BackendChoice) {
    if role().is_some() {
        let mut world = World::new(on, 1);
        let serve = |_: Stream| async { Err(std::io::Error::other("no mood")) };
        let first = world.system.listener("127.0.0.1:0").serve(serve);
        world.listens();
        let second = world.system.listener("127.0.0.1:0").serve(|stream| moody(stream, "none either"));
        world.listens();
        for listener in [first, second] {
            let mut client = connect(listener.expect("a free port is found").address());
            crate::client::rest(&mut client);
        }
        return world.finish();
    }
    let said = said(on, "reports::functions_that_serve_are_named_by_where_they_are");
    let name = "code in server::reports::functions_that_serve_are_named_by_where_they_are failed: no mood; its connection is closed";
    assert_eq!(lines(&said, name), 1, "{said}");
    let called = "code in server::reports::moody failed: none either; its connection is closed";
    assert_eq!(lines(&said, called), 1, "{said}");
    assert!(!said.contains("{{closure}}"), "{said}");
}

async fn moody(_: Stream, why: &str) -> std::io::Result<()> {
    Err(std::io::Error::other(why))
}

pub(crate) fn a_task_that_keeps_its_core_is_named_by_its_function(on: BackendChoice) {
    if role().is_some() {
        let world = World::with(on, 1, |config| config.slow_handler = SLOW);
        for noticed in [1, 2] {
            let slow = world.system.spawn_task(0, dawdle).expect("the core runs");
            slow.wait().expect("it ends");
            world.wait_for_figure("it to be noticed", noticed, |ledger| ledger.slow);
        }
        return drop(world);
    }
    let said = said(on, "reports::a_task_that_keeps_its_core_is_named_by_its_function");
    let name = "code in server::reports::dawdle has kept its core from everything else for ";
    assert!(lines(&said, name) >= 1, "{said}");
}

async fn dawdle() {
    take(SLOW * 2);
}

pub(crate) fn a_connection_for_which_there_is_no_task_is_named_by_what_was_called(on: BackendChoice) {
    if role().is_some() {
        let world = World::with(on, 1, |config| config.tasks_max = 1);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port is found");
        let address = listener.local_addr().expect("it is bound");
        let connect =
            world.system.spawn_task(0, move || async move { odeon::connect(address).await.map(drop) });
        assert!(connect.expect("the core runs").wait().expect("the future ends").is_err());
        return world.finish();
    }
    let said = said(on, "reports::a_connection_for_which_there_is_no_task_is_named_by_what_was_called");
    assert_eq!(lines(&said, "odeon::connect is not begun: there are "), 1, "{said}");
}
