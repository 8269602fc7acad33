//! Many connections: one after the other, and at the same time.
//!
//! Knows: what may not grow. Must not know what connections do.
//!
//! With `ODEON_SOAK=1` in the environment there are a million of the former, and nineteen thousand of the latter.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Child;
use std::{env, fs, io, thread};

use odeon::prelude::*;
use odeon::sys::now;

use crate::child::{self, name, report, role};
use crate::client::{connect, expect, finish, request, reset, rest};
use crate::echo::Echo;
use crate::session::{Habits, sessions};
use crate::world::World;

/// True if whoever runs this has time.
pub(crate) fn is_soak() -> bool {
    env::var_os("ODEON_SOAK").is_some()
}

pub(crate) fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, |open| open.count())
}

/// Resident memory of a process, in KiB.
pub(crate) fn resident(process: &str) -> u64 {
    figure(process, "VmRSS:")
}

/// That of it which the process has taken, in KiB. The rest is the program itself: of that, more becomes resident whenever a part is run
/// for the first time, 64 KiB at once, such as what tells of a handler that was slow. It is no larger than its file, whatever is sent.
pub(crate) fn taken(process: &str) -> u64 {
    figure(process, "RssAnon:")
}

fn figure(process: &str, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("it says so");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

pub(crate) fn connections_that_come_and_go_leave_everything_as_it_was(on: BackendChoice) {
    const CASE: &str = "soak::connections_that_come_and_go_leave_everything_as_it_was";
    // In a process where nobody else opens descriptors or takes memory.
    if child::apart(on, CASE) {
        return;
    }
    let cycles: u32 = if is_soak() { 1_000_000 } else { 20_000 };
    // Buffers become resident as they are first used: few, so that all are by the end of the warm-up.
    let mut world = World::with(on, 2, |config| config.receive_buffers = 2);
    // Nobody listens: what sessions tell is not kept.
    let (make, _) = sessions(Habits::default());
    let listener = world.system.listener("0.0.0.0:0").start(make).expect("a free port is found");
    world.listens();
    let port = listener.address().port();
    let cycle = |number: u32| {
        // Many addresses, so that no port waits for its last connection to be forgotten.
        let host = Ipv4Addr::from_octets([127, 0, (number % 200) as u8, 1 + (number / 200 % 200) as u8]);
        let mut stream = connect(SocketAddr::from((host, port)));
        request(&mut stream, "echo hello", "hello\n");
        match number % 4 {
            0 => reset(stream),
            1 => {
                finish(&stream);
                assert_eq!(rest(&mut stream), b"");
            }
            2 => {
                stream.write_all(b"close\n").expect("the server reads");
                assert_eq!(rest(&mut stream), b"");
            }
            _ => drop(stream),
        }
    };
    let warm = cycles / 4;
    (0..warm).for_each(cycle);
    world.settle();
    let (open, memory, start) = (descriptors(), resident("self"), now());
    (warm..cycles).for_each(cycle);
    let took = now().since(start);
    world.settle();
    assert_eq!(descriptors(), open, "descriptors are where they were");
    let grown = resident("self").saturating_sub(memory);
    report(&format!(
        "{}: {} cycles in {took:.1?} after {warm} to warm up: {open} descriptors, {memory} KiB resident, then {grown} more",
        name(on),
        cycles - warm,
    ));
    assert!(grown < 1024, "memory grew by {grown} KiB");
    world.finish();
}

/// Holds so many connections open at once, each of which has been used; reports what one costs the server.
pub(crate) fn many_connections_are_open_at_once(on: BackendChoice) {
    const CASE: &str = "soak::many_connections_are_open_at_once";
    if role().is_some() {
        return serve_until_told(on);
    }
    let count = if is_soak() { 19_000 } else { 2_000 };
    let (server, address) = served_elsewhere(on, CASE);
    let process = server.id().to_string();
    let mut streams: Vec<TcpStream> = Vec::with_capacity(count);
    let mut fill = |to: usize| {
        while streams.len() < to {
            let mut stream = connect(address);
            stream.write_all(&[b'x'; 64]).expect("the server reads");
            expect(&mut stream, &[b'x'; 64]);
            streams.push(stream);
        }
        resident(&process)
    };
    let (few, many) = (count / 19, count);
    let (first, last) = (fill(few), fill(many));
    let each = last.saturating_sub(first) as f64 * 1024.0 / (many - few) as f64;
    report(&format!(
        "{}: {first} KiB resident with {few} connections, {last} KiB with {many}: {each:.0} B each",
        name(on)
    ));
    for stream in &mut streams {
        stream.write_all(b"still").expect("the server reads");
        expect(stream, b"still");
    }
    drop(streams);
    ends_well(server);
}

/// They are open in one moment and reset in the next; all the while others come, and are served.
pub(crate) fn ten_thousand_connections_reset_at_once_leave_nothing(on: BackendChoice) {
    const CASE: &str = "soak::ten_thousand_connections_reset_at_once_leave_nothing";
    if role().is_some() {
        return serve_until_told(on);
    }
    let rounds = if is_soak() { 10 } else { 1 };
    let (server, address) = served_elsewhere(on, CASE);
    for _ in 0..rounds {
        let streams: Vec<TcpStream> = (0..10_000).map(|_| connect(address)).collect();
        let resets = thread::spawn(move || {
            for (at, mut stream) in streams.into_iter().enumerate() {
                // Every other one in the middle of a request.
                assert!(at % 2 == 0 || stream.write_all(b"half").is_ok(), "the server reads");
                reset(stream);
            }
        });
        while !resets.is_finished() {
            let mut stream = connect(address);
            stream.write_all(b"new").expect("the server reads");
            expect(&mut stream, b"new");
        }
        resets.join().expect("nothing failed");
    }
    ends_well(server);
}

/// A server in a process of its own, and its address.
fn served_elsewhere(on: BackendChoice, case: &str) -> (Child, SocketAddr) {
    let mut server = child::start(on, case, "serve", "true", &[]);
    let output = server.stdout.as_mut().expect("it is piped");
    let mut said = BufReader::new(output).lines();
    let address = said.find_map(|line| line.expect("it writes text").split("serving ").nth(1)?.parse().ok());
    (server, address.expect("the server says where it is"))
}

/// The end of its input tells the server to assert that nothing is left, and to end.
fn ends_well(mut server: Child) {
    drop(server.stdin.take());
    let status = server.wait().expect("it was started");
    assert!(status.success(), "the server ends well: {status}");
}

fn serve_until_told(on: BackendChoice) {
    let mut world = World::new(on, 2);
    let address = world.serve(|_| Echo);
    println!("serving {address}");
    let mut nothing = Vec::new();
    io::stdin().read_to_end(&mut nothing).expect("it is a pipe");
    world.finish();
}
