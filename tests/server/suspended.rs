//! Connections whose state an asynchronous handler borrows: nothing is read meanwhile, and nothing lost.
//!
//! Knows: lines, and the gate at which handlers wait. Must not know plain actors.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use odeon::ShutdownReport;
use odeon::Timeout;
use odeon::prelude::*;
use odeon::sys::now;

use crate::client::{connect, ends_by_reset, expect, finish, request, reset, rest};
use crate::panics::quietly;
use crate::puppet::{Gate, yield_now};
use crate::ways::tell;
use crate::world::{PATIENCE, World, until};

/// What the test is told.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Told {
    Started(Addr<Clerk>),
    Message(u64),
    EndOfStream,
    Idle,
    Dropped,
    Stopped(StopReason),
}

/// Where it begins a handler by itself.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum Begins {
    #[default]
    Nowhere,
    WhenStarted,
    WhenIdle,
}

/// Echoes lines. For some it waits at the gate first.
struct Clerk {
    gate: Gate,
    told: Sender<Told>,
    begins: Begins,
    lines: u64,
}

#[derive(Message)]
struct Number(u64);

impl Accepts<Number> for Clerk {
    fn accept(message: Number) -> Number {
        message
    }
}

/// Tells that it was dropped.
struct Guard(Sender<Told>);

impl Drop for Guard {
    fn drop(&mut self) {
        tell(&self.0, Told::Dropped);
    }
}

impl Clerk {
    /// Waits at the gate, then writes.
    fn wait(&mut self, text: &str, timeout: Timeout, cx: &mut Context<Self>) -> Flow {
        let (gate, guard, text) = (self.gate.clone(), Guard(self.told.clone()), text.to_owned());
        cx.exclusive("Clerk::wait", timeout, async move |me: &mut Clerk, cx: &mut Context<Clerk>| {
            let _guard = guard;
            let lines = me.lines;
            gate.pass().await;
            yield_now().await;
            assert_eq!(me.lines, lines, "nothing else has been handled meanwhile");
            cx.write_line(&text);
            match text.as_str() {
                "close" => Flow::Close,
                "fail" => Flow::Fail,
                "panic" => panic!("as planned"),
                _ => Flow::Continue,
            }
        })
    }
}

impl Actor for Clerk {
    type Message = Number;

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        tell(&self.told, Told::Started(cx.me()));
        if self.begins == Begins::WhenStarted {
            self.wait("hello", Timeout::Never, cx)
        } else {
            Flow::Continue
        }
    }

    fn handle(&mut self, Number(number): Number, cx: &mut Context<Self>) -> Flow {
        tell(&self.told, Told::Message(number));
        writeln!(cx, "{number}");
        Flow::Continue
    }

    fn stopped(&mut self, reason: StopReason, cx: &mut Context<Self>) {
        tell(&self.told, Told::Stopped(reason));
        cx.write_line("bye");
    }
}

impl Connection for Clerk {
    type Codec = Lines<4096>;

    fn frame(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        self.lines += 1;
        match line.split_once(' ').unwrap_or((line, "")) {
            ("wait", text) => self.wait(text, Timeout::Never, cx),
            ("soon", text) => self.wait(text, Timeout::After(Duration::from_millis(5)), cx),
            (_, _) => {
                cx.write_line(line);
                Flow::Continue
            }
        }
    }

    fn end_of_stream(&mut self, _: &mut Context<Self>) -> Flow {
        self.lines += 1;
        tell(&self.told, Told::EndOfStream);
        Flow::Close
    }

    fn idle(&mut self, cx: &mut Context<Self>) -> Flow {
        tell(&self.told, Told::Idle);
        if self.begins == Begins::WhenIdle { self.wait("idle", Timeout::Never, cx) } else { Flow::Close }
    }
}

/// A system with clerks, and what they tell.
struct Scene {
    world: World,
    address: std::net::SocketAddr,
    gate: Gate,
    told: Receiver<Told>,
}

impl Scene {
    fn new(
        on: BackendChoice,
        begins: Begins,
        idle: Option<Duration>,
        change: impl FnOnce(&mut Config),
    ) -> Scene {
        let mut world = World::with(on, 1, change);
        let (tell, told) = channel();
        let gate = Gate::default();
        let closed = gate.clone();
        let make = move |_| Clerk { gate: closed.clone(), told: tell.clone(), begins, lines: 0 };
        let mut listener = world.system.listener("127.0.0.1:0");
        if let Some(idle) = idle {
            listener = listener.idle_timeout(idle);
        }
        let address = listener.start(make).expect("a free port is found").address();
        world.listens();
        Scene { world, address, gate, told }
    }

    fn usual(on: BackendChoice) -> Scene {
        Scene::new(on, Begins::Nowhere, None, |_| {})
    }

    fn next(&self) -> Told {
        self.told.recv_timeout(PATIENCE).expect("a clerk tells something")
    }

    fn connect(&self) -> (TcpStream, Addr<Clerk>) {
        let stream = connect(self.address);
        match self.next() {
            Told::Started(clerk) => (stream, clerk),
            other => panic!("expected a start, got {other:?}"),
        }
    }

    /// A client whose clerk waits at the gate.
    fn waiting(&self, lines: &str) -> (TcpStream, Addr<Clerk>) {
        let (mut stream, clerk) = self.connect();
        stream.write_all(lines.as_bytes()).expect("the server reads");
        self.gate.until_somebody_waits();
        (stream, clerk)
    }
}

pub(crate) fn what_had_arrived_comes_after_the_handler_and_in_order(on: BackendChoice) {
    for round in 0..10 {
        let scene = Scene::usual(on);
        let many: Vec<String> = (0..2000).map(|line| format!("line {line}\n")).collect();
        let lines = format!("first\nwait one\n{}wait two\nlast\n", many.concat());
        let (mut stream, clerk) = scene.waiting(&lines[..if round % 2 == 0 { 20 } else { lines.len() }]);
        for number in 0..5 {
            clerk.tell(Number(number)).expect("there is room");
        }
        stream
            .write_all(&lines.as_bytes()[if round % 2 == 0 { 20 } else { lines.len() }..])
            .expect("the server reads");
        expect(&mut stream, b"first\n");
        scene.world.ledgers();
        assert!(scene.told.try_recv().is_err(), "messages wait as well");
        scene.gate.open();
        expect(&mut stream, b"one\n");
        assert_eq!(scene.next(), Told::Dropped);
        let (mut numbers, mut answers) = (String::new(), String::new());
        let mut bytes = vec![0; many.concat().len() + "0\n".len() * 5 + "two\nlast\n".len()];
        stream.read_exact(&mut bytes).expect("the server answers");
        for line in String::from_utf8(bytes).expect("text").lines() {
            let to = if line.parse::<u64>().is_ok() { &mut numbers } else { &mut answers };
            to.push_str(line);
            to.push('\n');
        }
        assert_eq!(numbers, "0\n1\n2\n3\n4\n");
        assert_eq!(answers, format!("{}two\nlast\n", many.concat()));
        drop(stream);
        scene.world.finish();
    }
}

pub(crate) fn a_client_that_goes_on_writing_waits_and_holds_no_buffer(on: BackendChoice) {
    let scene = Scene::usual(on);
    let (mut stream, _) = scene.waiting("wait one\n");
    let mut writer = stream.try_clone().expect("a descriptor is left");
    let writing = thread::spawn(move || {
        // Far more than all buffers of both kernels and the server together.
        for line in 0..200_000 {
            writer.write_all(format!("a line of some length that is number {line:>10}\n").as_bytes())?;
        }
        writer.shutdown(std::net::Shutdown::Write)
    });
    // Others are served, and nothing is held for it.
    let (mut other, _) = scene.connect();
    for _ in 0..100 {
        request(&mut other, "hello", "hello\n");
    }
    assert_eq!(scene.world.ledgers()[0].receive_leases, 0);
    assert!(!writing.is_finished(), "it waits");
    drop(other);
    scene.gate.open();
    let text = rest(&mut stream);
    writing.join().expect("no panic").expect("the server reads on");
    let text = String::from_utf8(text).expect("text");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("one"));
    for line in 0..200_000 {
        assert_eq!(lines.next(), Some(format!("a line of some length that is number {line:>10}").as_str()));
    }
    assert_eq!((lines.next(), lines.next()), (Some("bye"), None));
    drop(stream);
    scene.world.finish();
}

pub(crate) fn a_client_that_ends_meanwhile_is_answered_and_one_that_resets_ends_it(on: BackendChoice) {
    let scene = Scene::usual(on);
    let (mut stream, _) = scene.waiting("wait one\ntwo\nthree");
    finish(&stream);
    scene.gate.open();
    assert_eq!(rest(&mut stream), b"one\ntwo\nthree\nbye\n");
    let told = [scene.next(), scene.next(), scene.next()];
    assert_eq!(told, [Told::Dropped, Told::EndOfStream, Told::Stopped(StopReason::EndOfStream)]);
    drop(stream);
    scene.world.finish();

    let scene = Scene::usual(on);
    let (stream, _) = scene.waiting("wait one\ntwo\n");
    reset(stream);
    let told = [scene.next(), scene.next()];
    assert!(matches!(told, [Told::Dropped, Told::Stopped(StopReason::Disconnected(_))]), "{told:?}");
    scene.world.finish();
}

pub(crate) fn what_came_last_is_handled_before_the_end_is_told(on: BackendChoice) {
    // The last line has no end, and its handler waits.
    let scene = Scene::usual(on);
    let (mut stream, _) = scene.connect();
    stream.write_all(b"one\nwait two").expect("the server reads");
    finish(&stream);
    scene.gate.until_somebody_waits();
    scene.world.ledgers();
    assert!(scene.told.try_recv().is_err(), "its handler has not finished");
    scene.gate.open();
    assert_eq!(rest(&mut stream), b"one\ntwo\nbye\n");
    let told = [scene.next(), scene.next(), scene.next()];
    assert_eq!(told, [Told::Dropped, Told::EndOfStream, Told::Stopped(StopReason::EndOfStream)]);
    drop(stream);
    scene.world.finish();
}

pub(crate) fn what_a_handler_writes_leaves_while_it_waits(on: BackendChoice) {
    /// Writes before and after it waits; beside its frames, or with its state.
    struct Writer(Gate);
    impl Actor for Writer {
        type Message = Never;
        fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
            match message {}
        }
    }
    impl Connection for Writer {
        type Codec = Lines<99>;
        fn frame(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
            let (gate, me) = (self.0.clone(), cx.handle());
            if line == "beside" {
                return cx.concurrent("beside", Timeout::Never, async move {
                    me.with(|_, cx| cx.write_line("before")).expect("nobody borrows it");
                    gate.pass().await;
                    me.with(|_, cx| cx.write_line("after")).expect("nobody borrows it");
                    Flow::Continue
                });
            }
            cx.exclusive("alone", Timeout::Never, async move |_: &mut Writer, cx: &mut Context<Writer>| {
                cx.write_line("before");
                gate.pass().await;
                cx.write_line("after");
                Flow::Continue
            })
        }
    }

    for line in ["beside\n", "alone\n"] {
        let mut world = World::new(on, 1);
        let gate = Gate::default();
        let closed = gate.clone();
        let mut stream = connect(world.serve(move |_| Writer(closed.clone())));
        stream.write_all(line.as_bytes()).expect("the server reads");
        expect(&mut stream, b"before\n");
        gate.open();
        expect(&mut stream, b"after\n");
        drop(stream);
        world.finish();
    }
}

pub(crate) fn a_stop_waits_for_the_handler_and_an_abort_does_not(on: BackendChoice) {
    let scene = Scene::usual(on);
    let (mut stream, clerk) = scene.waiting("wait one\ntwo\n");
    clerk.stop();
    scene.world.ledgers();
    assert!(scene.told.try_recv().is_err(), "it waits");
    scene.gate.open();
    assert_eq!(rest(&mut stream), b"one\ntwo\nbye\n", "and what had been read is answered");
    assert_eq!([scene.next(), scene.next()], [Told::Dropped, Told::Stopped(StopReason::Stopped)]);
    drop(stream);
    scene.world.finish();

    let scene = Scene::usual(on);
    let (mut stream, clerk) = scene.waiting("wait one\ntwo\n");
    clerk.abort();
    assert!(ends_by_reset(&mut stream));
    assert_eq!([scene.next(), scene.next()], [Told::Dropped, Told::Stopped(StopReason::Aborted)]);
    scene.world.finish();
}

pub(crate) fn a_shutdown_waits_for_a_handler_until_its_deadline(on: BackendChoice) {
    let scene = Scene::usual(on);
    let (mut stream, _) = scene.waiting("wait one\ntwo\n");
    let (mut other, _) = scene.connect();
    let system = scene.world.system;
    let end = thread::spawn(move || system.shutdown());
    // By then it has begun.
    assert_eq!(rest(&mut other), b"bye\n");
    drop(other);
    scene.gate.open();
    assert_eq!(rest(&mut stream), b"one\ntwo\nbye\n");
    drop(stream);
    assert_eq!(end.join().expect("it shuts down"), ShutdownReport::default());

    let scene =
        Scene::new(on, Begins::Nowhere, None, |config| config.drain_deadline = Duration::from_millis(100));
    let (mut stream, _) = scene.waiting("wait one\ntwo\n");
    let Scene { world, told, .. } = scene;
    let report = world.system.shutdown();
    assert_eq!((report.connections_cut_off, report.actors_cut_off), (1, 0));
    assert!(ends_by_reset(&mut stream));
    assert!(told.try_iter().eq([Told::Dropped, Told::Stopped(StopReason::Aborted)]));
}

pub(crate) fn a_handler_ends_its_connection_by_what_it_returns_or_by_its_time(on: BackendChoice) {
    quietly();
    let ends = [
        ("wait close\nmore\n", StopReason::Stopped),
        ("wait fail\nmore\n", StopReason::Failed),
        ("wait panic\nmore\n", StopReason::Panicked),
        ("soon or never\nmore\n", StopReason::Failed),
    ];
    for (lines, reason) in ends {
        let scene = Scene::usual(on);
        let (mut stream, _) = scene.waiting(lines);
        if reason != StopReason::Failed || lines.contains("fail") {
            scene.gate.open();
        }
        match reason {
            StopReason::Stopped => assert_eq!(rest(&mut stream), b"close\nbye\n"),
            _ => assert!(ends_by_reset(&mut stream), "{lines}"),
        }
        assert_eq!([scene.next(), scene.next()], [Told::Dropped, Told::Stopped(reason)], "{lines}");
        drop(stream);
        scene.world.finish();
    }
}

pub(crate) fn whoever_waits_for_a_handler_is_not_idle(on: BackendChoice) {
    const QUIET: Duration = Duration::from_millis(20);
    let scene = Scene::new(on, Begins::Nowhere, Some(QUIET), |_| {});
    // A client that had no processor for so long was idle before it asked: then another tries.
    let mut stream = loop {
        let (mut stream, _) = scene.connect();
        let _ = stream.write_all(b"wait one\ntwo\n");
        let mut early = None;
        until("somebody at the gate", || {
            scene.gate.waiting() > 0 || {
                early = scene.told.try_recv().ok();
                early.is_some()
            }
        });
        if early.is_none() {
            break stream;
        }
        assert_eq!([early, scene.told.recv().ok()], [Told::Idle, Told::Stopped(StopReason::Idle)].map(Some));
    };
    let end = now().after(QUIET * 5);
    while now() < end {
        thread::yield_now();
    }
    assert!(scene.told.try_recv().is_err(), "it is not asked whether it is idle");
    scene.gate.open();
    expect(&mut stream, b"one\ntwo\n");
    assert_eq!([scene.next(), scene.next()], [Told::Dropped, Told::Idle]);
    assert_eq!(scene.next(), Told::Stopped(StopReason::Idle));
    assert_eq!(rest(&mut stream), b"bye\n");
    drop(stream);
    scene.world.finish();
}

pub(crate) fn hooks_may_begin_a_handler_and_frames_wait_for_it(on: BackendChoice) {
    let scene = Scene::new(on, Begins::WhenStarted, None, |_| {});
    let mut stream = connect(scene.address);
    stream.write_all(b"one\ntwo\n").expect("the server reads");
    scene.gate.until_somebody_waits();
    scene.world.ledgers();
    scene.gate.open();
    expect(&mut stream, b"hello\none\ntwo\n");
    drop(stream);
    scene.world.finish();

    // What arrives together with the end of the silence waits, too.
    const QUIET: Duration = Duration::from_millis(3);
    for _ in 0..20 {
        let scene = Scene::new(on, Begins::WhenIdle, Some(QUIET), |_| {});
        scene.gate.open();
        let (mut stream, _) = scene.connect();
        let end = now().after(QUIET * 3);
        let mut lines = 0;
        while now() < end {
            stream.write_all(b"line\n").expect("the server reads");
            lines += 1;
        }
        finish(&stream);
        let text = String::from_utf8(rest(&mut stream)).expect("text");
        assert_eq!(text.lines().filter(|line| *line == "line").count(), lines);
        let panics = scene.world.sum(|ledger| ledger.panics);
        assert_eq!(panics, 0, "nothing was handled while a handler had the state");
        drop(stream);
        scene.world.finish();
    }
}
