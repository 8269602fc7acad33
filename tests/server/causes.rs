//! What is told on standard error of actors that end, and why they do.
//!
//! Knows: bounds, failures, panics, the words. Must not know how often.

use std::time::Duration;

use odeon::fs::File;
use odeon::prelude::*;
use odeon::{BodyRefusal, ForwardedFile, Handle, Timeout};

use crate::child::{self, lines, role};
use crate::client::{connect, ends_by_reset, request, reset};
use crate::world::World;

/// Within which failures are counted.
const MINUTE: Duration = Duration::from_secs(60);

/// Writes more than may wait.
struct Flood;

#[actor(codec = Lines<9>, outbox(bytes = "64k"))]
impl Flood {
    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) {
        match line {
            "flood" => cx.write(vec![b'x'; 65_537]),
            line => cx.write_line(line),
        }
    }
}

/// Writes without end, a little at a time, once its client has sent a line.
struct Fountain {
    flows: bool,
}

#[actor(codec = Lines<9>, outbox(bytes = "64k"))]
impl Fountain {
    #[frame]
    fn line(&mut self, _: &str) {
        self.flows = true;
    }

    #[every("1ms")]
    fn pour(&mut self, cx: &mut Context<Self>) {
        if self.flows {
            cx.write([b'x'; 32_768]);
        }
    }
}

/// Writes more than the core has waiting.
struct Spill;

#[actor(codec = Lines<9>)]
impl Spill {
    #[frame]
    fn line(&mut self, _: &str, cx: &mut Context<Self>) {
        cx.write(vec![b'x'; 100_000]);
    }
}

/// Has more questions than it answers.
struct Curious;

#[actor(codec = Lines<9>)]
impl Curious {
    #[frame]
    fn line(&mut self, _: &str, cx: &mut Context<Self>) {
        let places = [(); 3].map(|()| cx.defer());
        for place in places {
            cx.fill(place, "");
        }
    }
}

/// Ends by whatever it is told to.
struct Mortal;

#[actor]
impl Mortal {
    #[message]
    fn end(&mut self, how: End, cx: &mut Context<Self>) -> Flow {
        match how {
            End::Fail => Flow::Fail,
            End::Exclusive => cx.exclusive("Mortal::alone", Timeout::Default, async |_, _| panic!("alone")),
            End::Concurrent => cx.concurrent("Mortal::beside", Timeout::Default, async { panic!("beside") }),
            End::Panic => panic!("at once"),
        }
    }

    #[call]
    fn wait(&self) {}
}

#[derive(Message)]
enum End {
    Fail,
    Exclusive,
    Concurrent,
    Panic,
}

/// Has handlers that never finish.
struct Wedged;

#[actor]
impl Wedged {
    #[call(timeout = "1ms")]
    async fn alone(&mut self) {
        std::future::pending().await
    }

    #[call(concurrent, timeout = "1ms")]
    async fn beside(_: Handle<Self>) {
        std::future::pending().await
    }

    #[call]
    fn wait(&self) {}
}

/// Fails as it starts, and says why.
struct Stillborn;

#[actor]
impl Stillborn {
    #[started]
    fn begin(&mut self) -> Result<(), &'static str> {
        Err("not today")
    }

    #[call]
    fn wait(&self) {}
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

/// Fails in every way in which it goes on, or is begun again.
struct Fickle;

#[actor]
impl Fickle {
    #[message]
    fn mood(&mut self, Mood(how): Mood) -> Result<(), &'static str> {
        Err(how)
    }

    #[message]
    fn asked(&mut self, _: Asked) -> Result<Flow, &'static str> {
        Err("asked")
    }

    #[call]
    fn fail(&mut self, _reply: Reply<()>) -> Result<(), &'static str> {
        Err("fail")
    }

    #[call(timeout = "1ms")]
    async fn dawdle(&mut self) {
        std::future::pending().await
    }

    #[call]
    fn wait(&self) {}

    #[stopped]
    fn last(&mut self, _: StopReason) -> Result<(), &'static str> {
        Err("last")
    }
}

#[derive(Message)]
struct Mood(&'static str);

#[derive(Message)]
struct Asked;

/// Owes its client an answer when it says what it thinks of what it was sent.
struct Picky;

#[actor(codec = Lines<9>)]
impl Picky {
    #[frame]
    fn line(&mut self, _: &str, cx: &mut Context<Self>) {
        cx.expect_answer();
    }

    #[malformed]
    fn endless(&mut self, _: FrameError) -> Result<(), &'static str> {
        Err("not for me")
    }
}

/// Reserves a place, and closes before it has filled it.
struct Hasty;

/// Where it does.
const HASTY: u32 = line!() + 6;

#[actor(codec = Lines<9>)]
impl Hasty {
    #[frame]
    fn line(&mut self, _: &str, cx: &mut Context<Self>) -> Flow {
        let _place = cx.defer();
        Flow::Close
    }
}

/// Asks for a body, and has nothing that takes it.
struct Careless;

impl Actor for Careless {
    type Message = Never;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }

    fn stopped(&mut self, _: StopReason, cx: &mut Context<Self>) {
        let refused = cx.read_exact_into(Vec::new(), 1).expect_err("it ends");
        assert_eq!(refused.why, BodyRefusal::Ended);
    }
}

impl Connection for Careless {
    type Codec = Lines<9>;

    fn frame(&mut self, _: &str, cx: &mut Context<Self>) -> Flow {
        cx.read_exact_into(Vec::new(), 3).expect("it is the first");
        Flow::Continue
    }
}

/// Has what it is sent go to a file that cannot be written to, and is content with that.
struct Content(std::path::PathBuf);

#[actor(codec = Lines<9>)]
impl Content {
    #[frame]
    fn line(&mut self, _: &str, cx: &mut Context<Self>) -> Flow {
        cx.exclusive(
            "Content::keep",
            Timeout::Default,
            async |me: &mut Content, cx: &mut Context<Content>| {
                let file = File::open(&me.0).await.expect("it is there");
                cx.forward_to_file(file, 0, Some(3)).expect("it is the first");
                Flow::Continue
            },
        )
    }

    #[forwarded]
    fn kept(&mut self, forwarded: ForwardedFile) {
        assert!(forwarded.end.is_err(), "the file cannot be written to");
    }
}

/// Has what it is sent go to a file that cannot be written to, and has nothing that is told.
struct Deaf(std::path::PathBuf);

#[actor(codec = Lines<9>)]
impl Deaf {
    #[frame]
    fn line(&mut self, _: &str, cx: &mut Context<Self>) -> Flow {
        cx.exclusive("Deaf::keep", Timeout::Default, async |me: &mut Deaf, cx: &mut Context<Deaf>| {
            let file = File::open(&me.0).await.expect("it is there");
            cx.forward_to_file(file, 0, Some(3)).expect("it is the first");
            Flow::Continue
        })
    }
}

fn said(on: BackendChoice, case: &str) -> String {
    child::said(on, case, "dying", "true")
}

pub(crate) fn a_connection_that_ends_because_its_peer_does_not_read_is_told_of(on: BackendChoice) {
    if role().is_some() {
        let mut world = World::new(on, 1);
        let mut client = connect(world.serve(|_| Fountain { flows: false }));
        std::io::Write::write_all(&mut client, b"flow\n").expect("the server reads");
        world.wait_for_figure("a connection has been cut off", 1, |ledger| ledger.connections_outbox_full);
        drop(client);
        world.settle();
        return world.finish();
    }
    let said = said(on, "causes::a_connection_that_ends_because_its_peer_does_not_read_is_told_of");
    assert_eq!(
        lines(
            &said,
            "causes::Fountain ends: its peer does not read, and its outbox of 65536 bytes is full (outbox(bytes = …))"
        ),
        1,
        "{said}"
    );
}

pub(crate) fn an_answer_that_never_fits_is_not_blamed_on_the_peer(on: BackendChoice) {
    if role().is_some() {
        let mut world = World::new(on, 1);
        let address = world.serve(|_| Flood);
        let mut client = connect(address);
        request(&mut client, "hello", "hello\n");
        std::io::Write::write_all(&mut client, b"flood\n").expect("the server reads");
        ends_by_reset(&mut client);
        drop(client);
        world.settle();
        assert_eq!(world.sum(|ledger| ledger.connections_outbox_full), 1);
        assert_eq!(world.sum(|ledger| ledger.failures), 0, "nobody here has failed");
        return world.finish();
    }
    let said = said(on, "causes::an_answer_that_never_fits_is_not_blamed_on_the_peer");
    let told = "causes::Flood ends: it has written more at once than its outbox of 65536 bytes holds, which is not its peer's doing: \
                raise that (outbox(bytes = …)), ";
    assert_eq!(lines(&said, told), 1, "{said}");
}

pub(crate) fn the_bound_that_was_met_is_named(on: BackendChoice) {
    if role().is_some() {
        let mut world = World::with(on, 1, |config| {
            (config.deferred_max, config.spill_bytes_max) = (2, 64 << 10);
            config.connection_slot_bytes_max = 1 << 10;
        });
        let listener = world.system.listener("127.0.0.1:0").outbox_bytes(1000);
        let small = listener.start(|_| Flood).expect("a free port is found").address();
        world.listens();
        let (curious, spills) = (world.serve(|_| Curious), world.serve(|_| Spill));
        for address in [curious, small, spills] {
            let mut client = connect(address);
            std::io::Write::write_all(&mut client, b"flood\n").expect("the server reads");
            ends_by_reset(&mut client);
        }
        return world.finish();
    }
    let said = said(on, "causes::the_bound_that_was_met_is_named");
    let told = "causes::Curious ends: 2 places reserved for answers still to come, and there may be no more (Config::deferred_max)";
    assert_eq!(lines(&said, told), 1, "{said}");
    let told = "causes::Flood ends: it has written more at once than its outbox of 1000 bytes holds, which is not its peer's doing: \
                raise that (outbox_bytes, where it is opened)";
    assert_eq!(lines(&said, told), 1, "{said}");
    let told = "causes::Spill ends: what waits outside of send slots has passed its share of what its core may have waiting there \
                (Config::spill_bytes_max)";
    assert_eq!(lines(&said, told), 1, "{said}");
}

pub(crate) fn an_actor_that_fails_is_told_of_once(on: BackendChoice) {
    if role().is_some() {
        let world = World::new(on, 1);
        let mortal = world.system.spawn(Mortal).expect("there is room");
        mortal.tell(End::Fail).expect("there is room");
        assert_eq!(mortal.wait().wait(), Err(AskError::Stopped));
        let stillborn = world.system.spawn(Stillborn).expect("there is room");
        assert_eq!(stillborn.wait().wait(), Err(AskError::Stopped));
        assert_eq!(world.sum(|ledger| ledger.failures), 2);
        return world.finish();
    }
    let said = said(on, "causes::an_actor_that_fails_is_told_of_once");
    let told = "causes::Mortal ends: it has failed, a hook or a handler of it has answered Flow::Fail";
    assert_eq!(lines(&said, told), 1, "{said}");
    assert_eq!(lines(&said, "Stillborn::begin failed: not today; its actor ends"), 1, "{said}");
    assert_eq!(lines(&said, "Stillborn ends"), 0, "it has been said why: {said}");
}

pub(crate) fn what_follows_a_failure_is_said(on: BackendChoice) {
    if role().is_some() {
        let world = World::new(on, 1);
        let fickle = world.system.spawn(Fickle).expect("there is room");
        fickle.tell(Mood("told")).expect("there is room");
        assert_eq!(fickle.ask(Asked).wait(), Err(AskError::Unanswered));
        let kept = world
            .system
            .supervise(Restart::one_for_one().intensity(2, MINUTE), || Fickle)
            .expect("there is room");
        assert_eq!(kept.fail().wait(), Err(AskError::Unanswered));
        assert_eq!(kept.dawdle().wait(), Err(AskError::Timeout));
        assert_eq!(kept.wait().wait(), Ok(()), "it has been begun again");
        drop(world);
        return;
    }
    let said = said(on, "causes::what_follows_a_failure_is_said");
    for told in [
        "Fickle::mood failed: told; its actor goes on",
        "Fickle::asked failed: asked; its actor goes on, and whoever has asked gets no answer",
        "Fickle::fail failed: fail; its actor fails, and its supervisor decides",
        "Fickle::dawdle has not finished in its time (timeout = …, else Config::handler_timeout): its actor fails, and its state is gone; its supervisor decides",
        "Fickle::last failed: last; its actor ends as it would have",
    ] {
        assert!(lines(&said, told) >= 1, "{told}: {said}");
    }
}

pub(crate) fn who_does_not_finish_is_told_as_the_report_counts_it(on: BackendChoice) {
    if role().is_some() {
        let world = World::with(on, 1, |config| config.drain_deadline = Duration::from_millis(1));
        // The supervisors are actors as well, but not the program's.
        let group = world.system.supervisor(Restart::one_for_one()).expect("there is room");
        let stubborn = group.spawn(|| Stubborn).expect("there is room");
        let held = std::thread::spawn(move || stubborn.hold().wait());
        world.wait_for_figure("that it holds", 1, |ledger| ledger.handled);
        let report = world.system.shutdown();
        assert_eq!(report.actors_cut_off, 1, "{report}");
        assert!(held.join().expect("it is answered").is_err());
        return;
    }
    let said = said(on, "causes::who_does_not_finish_is_told_as_the_report_counts_it");
    let told =
        "shutting down: 1 actor (server::causes::Stubborn) did not finish within Config::drain_deadline";
    assert_eq!(lines(&said, told), 1, "{said}");
}

pub(crate) fn a_codec_that_refuses_what_comes_is_told_of(on: BackendChoice) {
    if role().is_some() {
        let mut world = World::new(on, 1);
        let address = world.serve(|_| Fountain { flows: false });
        for _ in 0..3 {
            let mut client = connect(address);
            std::io::Write::write_all(&mut client, b"more than a line may have\n").expect("the server reads");
            crate::client::rest(&mut client);
        }
        return world.finish();
    }
    let said = said(on, "causes::a_codec_that_refuses_what_comes_is_told_of");
    let told =
        "causes::Fountain ends: its codec refuses what has come: frame too large: at most 9 bytes expected";
    let at_once = lines(&said, told);
    assert!(at_once >= 1, "{said}");
    // As many as the machine has made of it within a second.
    let more = |line| held_back(line, "odeon: server::causes::Fountain");
    assert_eq!(at_once + said.lines().filter_map(more).sum::<usize>(), 3, "{said}");
}

pub(crate) fn a_line_that_is_none_is_told_of_by_the_function_that_reads(on: BackendChoice) {
    async fn read(mut stream: Stream) -> std::io::Result<()> {
        while stream.read_line(9).await?.is_some() {}
        Ok(())
    }
    if role().is_some() {
        let mut world = World::new(on, 1);
        let listening = world.system.listener("127.0.0.1:0").serve(read).expect("there is a port");
        world.listens();
        for _ in 0..3 {
            let mut client = connect(listening.address());
            std::io::Write::write_all(&mut client, b"more than a line may have\n").expect("the server reads");
            crate::client::rest(&mut client);
        }
        return world.finish();
    }
    let said = said(on, "causes::a_line_that_is_none_is_told_of_by_the_function_that_reads");
    let told = "read ends: it refuses what has come: frame too large: at most 9 bytes expected";
    let at_once = lines(&said, told);
    assert!(at_once >= 1, "{said}");
    let name = "odeon: server::causes::a_line_that_is_none_is_told_of_by_the_function_that_reads::read";
    assert_eq!(at_once + said.lines().filter_map(|line| held_back(line, name)).sum::<usize>(), 3, "{said}");
}

/// How many more of these reports there were than this line is about.
fn held_back(line: &str, name: &str) -> Option<usize> {
    const LATER: &str = " that what a peer has sent is refused, within a second";
    let line = line.strip_prefix(name)?;
    let later = line.strip_prefix(": ").and_then(|line| line.strip_suffix(LATER));
    let later = later.and_then(|line| line.split_once(" more report")).map(|(count, _)| count);
    let before = line.split_once("(and ").and_then(|(_, line)| line.strip_suffix(" more before it)"));
    later.or(before)?.parse().ok()
}

/// The peer is silent for a while, and the function goes on; the question that is not answered later has nothing to do with that.
pub(crate) fn a_time_that_is_over_behind_one_that_was_survived_is_told_of(on: BackendChoice) {
    async fn patient(mut stream: Stream) -> std::io::Result<()> {
        let silent = stream.read_line(9).await.expect_err("nothing comes");
        assert_eq!(silent.kind(), std::io::ErrorKind::TimedOut);
        odeon::time::timeout(Duration::from_millis(1), std::future::pending::<()>()).await?;
        Ok(())
    }
    if role().is_some() {
        let mut world = World::new(on, 1);
        let listener = world.system.listener("127.0.0.1:0").idle_timeout(Duration::from_millis(20));
        let listening = listener.serve(patient).expect("there is a port");
        world.listens();
        let mut client = connect(listening.address());
        crate::client::rest(&mut client);
        drop(client);
        return world.finish();
    }
    let said = said(on, "causes::a_time_that_is_over_behind_one_that_was_survived_is_told_of");
    let told = "patient failed: a future has not finished in time; its connection is closed";
    assert_eq!(lines(&said, told), 1, "{said}");
}

pub(crate) fn what_an_actor_has_said_is_not_taken_for_why_another_ends(on: BackendChoice) {
    if role().is_some() {
        let mut world = World::new(on, 1);
        let mut client = connect(world.serve(|_| Picky));
        std::io::Write::write_all(&mut client, b"owe me\nmore than a line may have\n")
            .expect("the server reads");
        world.wait_for_figure("what it says", 1, |ledger| ledger.failures);
        let mortal = world.system.spawn(Mortal).expect("there is room");
        mortal.tell(End::Fail).expect("there is room");
        assert_eq!(mortal.wait().wait(), Err(AskError::Stopped));
        assert_eq!(world.sum(|ledger| ledger.failures), 2);
        reset(client);
        return world.finish();
    }
    let said = said(on, "causes::what_an_actor_has_said_is_not_taken_for_why_another_ends");
    assert_eq!(
        lines(&said, "Picky::endless failed: not for me; its actor ends as it would have"),
        1,
        "{said}"
    );
    let told = "causes::Mortal ends: it has failed, a hook or a handler of it has answered Flow::Fail";
    assert_eq!(lines(&said, told), 1, "{said}");
}

pub(crate) fn the_handler_that_has_panicked_is_named_by_its_name(on: BackendChoice) {
    if role().is_some() {
        // Each in a system of its own, so that none is held back for another.
        for end in [End::Exclusive, End::Concurrent, End::Panic] {
            let world = World::new(on, 1);
            let mortal = world.system.spawn(Mortal).expect("there is room");
            mortal.tell(end).expect("there is room");
            world.wait_for_figure("the panic", 1, |ledger| ledger.panics);
            world.finish();
        }
        return;
    }
    let said = said(on, "causes::the_handler_that_has_panicked_is_named_by_its_name");
    for how in [" in Mortal::alone", " in Mortal::beside", "\n"] {
        let told = format!("causes::Mortal ends: it has panicked{how}");
        assert_eq!(said.matches(&told).count(), 1, "{said}");
    }
}

pub(crate) fn an_actor_that_is_begun_again_is_told_of_as_one(on: BackendChoice) {
    if role().is_some() {
        let world = World::new(on, 1);
        let wait = Duration::from_millis(1)..Duration::from_millis(2);
        let twice = Restart::rest_for_one().intensity(2, MINUTE).backoff(wait);
        let mortal = world.system.supervise(twice, || Mortal).expect("there is room");
        mortal.tell(End::Exclusive).expect("there is room");
        assert_eq!(mortal.wait().wait(), Ok(()));
        return drop(world);
    }
    let said = said(on, "causes::an_actor_that_is_begun_again_is_told_of_as_one");
    let told = "causes::Mortal fails: it has panicked in Mortal::alone; its supervisor decides";
    assert_eq!(lines(&said, told), 1, "{said}");
    assert_eq!(lines(&said, "causes::Mortal ends"), 0, "{said}");
    let told = |line: &&str| {
        let (begins, ends) =
            ("odeon: server::causes::Mortal is begun again after ", " of 2 failures forgiven within ");
        line.starts_with(begins) && line.contains(ends)
    };
    let [told] = said.lines().filter(told).collect::<Vec<_>>()[..] else { panic!("{said}") };
    let rest = "s, and those behind it with it: 1 of 2 failures forgiven within 60s (Restart::intensity)";
    assert!(told.ends_with(rest), "{said}");
}

pub(crate) fn a_supervisor_that_gives_up_names_those_below_it(on: BackendChoice) {
    if role().is_some() {
        let world = World::new(on, 2);
        let root =
            world.system.supervisor(Restart::one_for_one().intensity(0, MINUTE)).expect("there is room");
        let group = root.supervisor(Restart::one_for_one().intensity(1, MINUTE)).expect("there is room");
        group.spawn(|| Wedged).expect("there is room");
        let [mortal, _] = [(); 2].map(|()| group.spawn(|| Mortal).expect("there is room"));
        for _ in 0..2 {
            mortal.tell(End::Panic).expect("there is room");
        }
        assert_eq!(mortal.wait().wait(), Err(AskError::Stopped));
        return drop(world);
    }
    let said = said(on, "causes::a_supervisor_that_gives_up_names_those_below_it");
    let told = "causes::Mortal is begun again: 1 of 1 failure forgiven within 60s (Restart::intensity)";
    assert_eq!(lines(&said, told), 1, "{said}");
    let told = "causes::Mortal is not begun again: its supervisor gives up, after more than 1 failure within 60s \
                (Restart::intensity), and ends all below it: server::causes::Wedged, 2 × server::causes::Mortal; the one above it \
                decides";
    assert_eq!(lines(&said, told), 1, "{said}");
    let told = "odeon: a supervisor is not begun again: its supervisor gives up, after more than 0 failures within 60s \
                (Restart::intensity), and ends all below it: a supervisor\n";
    assert_eq!(said.matches(told).count(), 1, "{said}");
}

pub(crate) fn a_place_that_is_not_filled_is_told_of_by_where_it_was_reserved(on: BackendChoice) {
    if role().is_some() {
        let mut world = World::new(on, 1);
        let mut client = connect(world.serve(|_| Hasty));
        std::io::Write::write_all(&mut client, b"hello\n").expect("the server reads");
        ends_by_reset(&mut client);
        return world.finish();
    }
    let said = said(on, "causes::a_place_that_is_not_filled_is_told_of_by_where_it_was_reserved");
    assert_eq!(lines(&said, "causes::Hasty "), 1, "{said}");
    let told =
        format!("has dropped unfilled the place that it reserved by `cx.defer()` at {}:{HASTY}:", file!());
    assert_eq!(lines(&said, &told), 1, "{said}");
    assert!(said.contains("fill each place, if only with nothing, also before Flow::Close"), "{said}");
}

pub(crate) fn a_handler_that_does_not_finish_in_its_time_is_named(on: BackendChoice) {
    if role().is_some() {
        let world = World::new(on, 1);
        let wedged = world.system.spawn(Wedged).expect("there is room");
        assert_eq!(wedged.beside().wait(), Err(AskError::Timeout));
        assert_eq!(wedged.wait().wait(), Ok(()), "its actor goes on");
        assert_eq!(wedged.alone().wait(), Err(AskError::Timeout));
        assert_eq!(wedged.wait().wait(), Err(AskError::Stopped));
        assert_eq!(world.sum(|ledger| ledger.failures), 2);
        return world.finish();
    }
    let said = said(on, "causes::a_handler_that_does_not_finish_in_its_time_is_named");
    let told = "odeon: Wedged::alone has not finished in its time (timeout = …, else Config::handler_timeout): its actor ends, and its state is gone";
    assert_eq!(lines(&said, told), 1, "{said}");
    let told = "odeon: Wedged::beside has not finished in its time (timeout = …, else Config::handler_timeout), and is dropped; its actor goes on";
    assert_eq!(lines(&said, told), 1, "{said}");
    assert_eq!(lines(&said, "Wedged ends"), 0, "it has been said why: {said}");
}

pub(crate) fn a_body_that_no_hook_takes_is_told_of(on: BackendChoice) {
    if role().is_some() {
        let mut world = World::new(on, 1);
        let mut client = connect(world.serve(|_| Careless));
        std::io::Write::write_all(&mut client, b"3\nabc").expect("the server reads");
        ends_by_reset(&mut client);
        assert_eq!(world.sum(|ledger| ledger.panics), 0);
        return world.finish();
    }
    let said = said(on, "causes::a_body_that_no_hook_takes_is_told_of");
    assert_eq!(lines(&said, "causes::Careless "), 1, "{said}");
    let told = "causes::Careless has no hook that takes what Context::read_exact_into has received";
    assert_eq!(lines(&said, told), 1, "{said}");
}

pub(crate) fn a_file_that_fails_is_told_of_where_no_hook_is(on: BackendChoice) {
    if role().is_some() {
        let mut world = World::new(on, 1);
        let path = std::env::current_exe().expect("the program knows its own path");
        let mut client = connect(world.serve(move |_| Deaf(path.clone())));
        std::io::Write::write_all(&mut client, b"3\nabc").expect("the server reads");
        ends_by_reset(&mut client);
        return world.finish();
    }
    let said = said(on, "causes::a_file_that_fails_is_told_of_where_no_hook_is");
    assert_eq!(lines(&said, "causes::Deaf "), 1, "{said}");
    let told = "causes::Deaf fails in Context::forward_to_file: a file does not take what it is to hold: Bad file descriptor";
    assert_eq!(lines(&said, told), 1, "{said}");
    assert!(said.contains("write `#[forwarded]`"), "{said}");
}

pub(crate) fn a_file_that_fails_is_told_of_where_a_hook_goes_on(on: BackendChoice) {
    if role().is_some() {
        let mut world = World::new(on, 1);
        let path = std::env::current_exe().expect("the program knows its own path");
        let mut client = connect(world.serve(move |_| Content(path.clone())));
        std::io::Write::write_all(&mut client, b"3\nabc").expect("the server reads");
        ends_by_reset(&mut client);
        assert_eq!(world.sum(|ledger| ledger.failures), 1);
        return world.finish();
    }
    let said = said(on, "causes::a_file_that_fails_is_told_of_where_a_hook_goes_on");
    assert_eq!(lines(&said, "causes::Content ends: it has failed, "), 1, "{said}");
}

pub(crate) fn a_connection_for_which_there_is_no_actor_is_told_of(on: BackendChoice) {
    if role().is_some() {
        // There is room for the listener.
        let mut world = World::with(on, 1, |config| config.actors_max = 1);
        ends_by_reset(&mut connect(world.serve(|_| Flood)));
        assert_eq!(world.sum(|ledger| ledger.failures), 1);
        return world.finish();
    }
    let said = said(on, "causes::a_connection_for_which_there_is_no_actor_is_told_of");
    assert_eq!(lines(&said, "causes::Flood is not begun: there are Config::actors_max actors"), 1, "{said}");
}
