//! What the process allows: descriptors, backends, the environment.
//!
//! Knows: limits of the process and what becomes of them. Must not know connections in any detail.
//!
//! Invariants: 1. No code of ours runs as a signal handler.
#![allow(unsafe_code)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};
use std::sync::atomic::Ordering;
use std::time::Duration;

use odeon::prelude::*;
use odeon::sys::now;
use odeon::{Error, ShutdownReport};

use crate::child::{self, lines, name, role};
use crate::client::{connect, expect, finish, request, reset};
use crate::load::{self, Load, counted};
use crate::session::{Do, Habits, Told, sessions};
use crate::world::World;

pub(crate) fn a_listener_survives_a_want_of_descriptors(on: BackendChoice) {
    if role().is_none() {
        return child::run(
            on,
            "process::a_listener_survives_a_want_of_descriptors",
            "starve",
            "ulimit -n 128",
            &[],
        );
    }
    let mut world = World::new(on, 1);
    let (make, _events) = sessions(Habits::default());
    let address = world.serve(make);
    request(&mut connect(address), "echo hello", "hello\n");
    world.settle();
    for _ in 0..5 {
        let mut hoard: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        assert!(hoard.len() < 128, "the limit is in force");
        hoard.pop();
        // Takes the last one: none is left for the other end.
        let mut stream = connect(address);
        stream.write_all(b"echo patience\n").expect("the kernel takes it");
        if on == BackendChoice::Mio {
            world.wait_for("the listener to back off", |cores| cores[0].timers > 0);
            // Long enough for it to try again, in vain, a few times.
            let (before, tried) = (world.ledgers()[0], now().after(Duration::from_millis(200)));
            world.wait_for("some tries", |_| now() >= tried);
            assert_eq!(world.ledgers()[0].connections_opened, before.connections_opened);
        }
        drop(hoard);
        expect(&mut stream, b"patience\n");
        drop(stream);
        world.settle();
    }
    world.finish();
}

pub(crate) fn a_listener_that_ends_while_it_pauses_leaves_no_timer(on: BackendChoice) {
    if role().is_none() {
        let case = "process::a_listener_that_ends_while_it_pauses_leaves_no_timer";
        let said = child::said(on, case, "starve", "ulimit -n 128");
        let pauses = lines(&said, "the listener on 127.0.0.1:")
            + lines(&said, "pauses, again and again, until it can accept");
        return assert_eq!(pauses, if on == BackendChoice::Mio { 2 } else { 0 }, "{said}");
    }
    let world = World::new(on, 1);
    let (make, _events) = sessions(Habits::default());
    let listening = world.system.listener("127.0.0.1:0").start(make).expect("a free port is found");
    let mut hoard: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    hoard.pop();
    let stream = connect(listening.address());
    if on == BackendChoice::Mio {
        world.wait_for("the listener to pause", |cores| cores[0].timers > 0);
    }
    listening.stop();
    drop(stream);
    let cores = world.wait_for("its end", |cores| cores[0].socket_actors == 0);
    assert_eq!(cores[0].timers, 0);
    drop(hoard);
    world.finish();
}

pub(crate) fn the_environment_chooses_the_backend(on: BackendChoice) {
    const CASE: &str = "process::the_environment_chooses_the_backend";
    let build = || System::builder().cores(Cores::Count(1)).build();
    match role().as_deref() {
        None => {
            child::run(on, CASE, "choose", "true", &[("ODEON_BACKEND", name(on))]);
            child::run(on, CASE, "nonsense", "true", &[("ODEON_BACKEND", "kqueue")]);
            child::run(on, CASE, "empty", "true", &[("ODEON_BACKEND", "")]);
            child::run(on, CASE, "overrule", "true", &[("ODEON_BACKEND", "kqueue")]);
        }
        Some("choose") => {
            let system = build().expect("the backend can be used: other cases ran on it");
            assert_eq!(system.backend(), name(on));
        }
        Some("nonsense") => {
            let Err(error) = build() else { panic!("there is no such backend") };
            assert!(matches!(&error, Error::BackendVariable(value) if value == "kqueue"), "{error}");
            assert!(error.to_string().starts_with("ODEON_BACKEND is `kqueue`"), "{error}");
        }
        Some("empty") => drop(build().expect("an empty word is none")),
        Some(_) => {
            let system = System::builder().cores(Cores::Count(1)).backend(on).build();
            let system = system.expect("what the program asks for comes before the environment");
            assert_eq!(system.backend(), name(on));
            assert_eq!(system.shutdown(), ShutdownReport::default());
        }
    }
}

pub(crate) fn a_limit_that_the_machine_cannot_honour_is_an_error(on: BackendChoice) {
    let mut config = Config::default();
    config.connections_max = Some(1 << 30);
    let Err(error) = System::builder().backend(on).config(config).build() else {
        panic!("it cannot be honoured")
    };
    let Error::Limit { limit, asked, allowed, cure } = &error else { panic!("another error: {error}") };
    assert_eq!((*limit, *asked), ("connections_max", 1 << 30));
    assert!(*allowed < 1 << 30 && cure.contains("ulimit"), "{error}");
    for cores in [0, 1025] {
        let built = System::builder().cores(Cores::Count(cores)).backend(on).build();
        assert!(matches!(built, Err(Error::Cores(count)) if count == cores));
    }
}

pub(crate) fn the_limit_on_descriptors_bounds_the_connections(on: BackendChoice) {
    if role().is_none() {
        return child::run(
            on,
            "process::the_limit_on_descriptors_bounds_the_connections",
            "few",
            "ulimit -n 100",
            &[],
        );
    }
    let mut world = World::new(on, 1);
    assert_eq!(world.system.config().connections_max, Some(36));
    let (make, _events) = sessions(Habits::default());
    let address = world.serve(make);
    // More clients than there may be connections, one after the other and some at a time.
    for _ in 0..20 {
        let mut streams: Vec<_> = (0..20).map(|_| connect(address)).collect();
        for stream in &mut streams {
            request(stream, "echo hello", "hello\n");
        }
    }
    world.finish();
}

pub(crate) fn a_write_to_a_client_that_is_gone_raises_no_signal(on: BackendChoice) {
    const CASE: &str = "process::a_write_to_a_client_that_is_gone_raises_no_signal";
    if role().is_none() {
        return child::run(on, CASE, "write", "true", &[]);
    }
    end_at_sigpipe();
    let mut world = World::new(on, 1);
    let (make, events) = sessions(Habits { stay_after_end: true, ..Habits::default() });
    let address = world.serve(make);
    for _ in 0..50 {
        let stream = connect(address);
        let session = events.next_started();
        finish(&stream);
        while events.next() != Told::EndOfStream {}
        // The server has read all there is, so nothing tells it of the reset before it writes.
        reset(stream);
        for _ in 0..3 {
            session.tell(Do::Write(vec![b'x'; 1000])).or_dead_letter();
        }
        assert!(matches!(events.stopped(), StopReason::Disconnected(_)));
    }
    world.finish();
}

/// Programs in Rust ignore SIGPIPE from the start. A library in another language may not find it so.
fn end_at_sigpipe() {
    // SAFETY: the default runs no code of ours (invariant 1).
    let before = unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    assert_eq!(before, libc::SIG_IGN);
}

/// Signals of which something holds, as the kernel says it: `SigCgt:`, `SigIgn:`.
fn signals_of(process: u32, which: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let mask = status.lines().find_map(|line| line.strip_prefix(which)).expect("it says so").trim();
    u64::from_str_radix(mask, 16).expect("a mask")
}

/// SIGINT and SIGTERM, as bits of a mask.
const CAUGHT: u64 = (1 << (libc::SIGINT - 1)) | (1 << (libc::SIGTERM - 1));

fn until_signals_are_caught(process: u32) {
    while signals_of(process, "SigCgt:") & CAUGHT != CAUGHT {
        std::thread::yield_now();
    }
}

pub(crate) fn a_signal_under_load_loses_no_answer(on: BackendChoice) {
    const CASE: &str = "process::a_signal_under_load_loses_no_answer";
    if role().is_some() {
        end_at_sigpipe();
        let mut world = World::with(on, 2, load::patient);
        let (make, handled) = counted();
        println!("serving {}", world.serve(make));
        let report = world.system.run_until_signal().expect("signals can be caught");
        assert_eq!(report, ShutdownReport::default());
        println!("answered {}", handled.load(Ordering::Relaxed));
        return;
    }
    for signal in ["TERM", "INT"] {
        let mut server = child::start(on, CASE, "serve", "true", &[]);
        let mut word = words(&mut server);
        let clients = Load::new(word("serving ").parse().expect("an address"), 10);
        until_signals_are_caught(server.id());
        let ignored = signals_of(server.id(), "SigIgn:");
        assert_eq!(
            ignored & 1 << (libc::SIGPIPE - 1),
            1 << (libc::SIGPIPE - 1),
            "{ignored:x}: SIGPIPE is ignored"
        );
        while clients.answered.load(Ordering::Relaxed) < 20_000 {
            std::thread::yield_now();
        }
        send(signal, &server);
        assert_eq!(word("answered "), clients.ended().to_string(), "every answer arrives");
        let status = server.wait().expect("it was started");
        assert!(status.success(), "the server ends well: {status}");
    }
}

/// Takes what stands behind words that a child writes, one after the other.
fn words(server: &mut Child) -> impl FnMut(&str) -> String + use<> {
    let mut said = BufReader::new(server.stdout.take().expect("it is piped")).lines();
    move |before| {
        let line =
            said.find_map(|line| line.expect("it writes text").split(before).nth(1).map(str::to_owned));
        line.expect("the server says so")
    }
}

fn send(signal: &str, server: &Child) {
    let sent = Command::new("kill").args(["-s", signal, &server.id().to_string()]).status();
    assert!(sent.expect("there is a kill").success());
}

pub(crate) fn a_second_signal_under_load_ends_the_process_at_once_and_says_what_that_cuts_off(
    on: BackendChoice,
) {
    const CASE: &str =
        "process::a_second_signal_under_load_ends_the_process_at_once_and_says_what_that_cuts_off";
    const MUCH: usize = 32 << 20;
    if role().is_some() {
        let mut world = World::with(on, 2, |config| {
            load::patient(config);
            (config.outbox_bytes_max, config.spill_bytes_max) = (2 * MUCH, 16 * MUCH);
        });
        let (make, _) = counted();
        let (others, _events) = sessions(Habits::default());
        let (serving, flooding) = (world.serve(make), world.serve(others));
        println!("serving {serving}\nflooding {flooding}");
        let _ = world.system.run_until_signal();
        return println!("not ended by the second");
    }
    let mut server = child::start(on, CASE, "serve", "true", &[]);
    let mut word = words(&mut server);
    let clients = Load::new(word("serving ").parse().expect("an address"), 10);
    // One that does not read what it has asked for.
    let mut stays = connect(word("flooding ").parse().expect("an address"));
    stays.write_all(format!("big {MUCH}\n").as_bytes()).expect("the server reads");
    stays.read_exact(&mut [0]).expect("some of it comes");
    until_signals_are_caught(server.id());
    while clients.answered.load(Ordering::Relaxed) < 20_000 {
        std::thread::yield_now();
    }
    send("TERM", &server);
    // Everybody else is served to the end, and then there is nobody any more.
    clients.ended();
    send("TERM", &server);
    let ended = server.wait_with_output().expect("it was started");
    assert_eq!(ended.status.signal(), Some(libc::SIGTERM), "{ended:?}");
    let said = String::from_utf8_lossy(&ended.stderr);
    let session = std::any::type_name::<crate::session::Session>();
    assert_eq!(
        child::lines(&said, "a second signal, SIGTERM: the process ends at once, cut off: "),
        1,
        "{said}"
    );
    // A core may not have seen yet that others have closed.
    assert!(said.contains(session) && said.contains(" bytes unsent"), "{said}");
}
