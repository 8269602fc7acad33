//! Clients that are late with their first byte, or with the rest of a frame or a body, and those that do everything a byte at a time.
//!
//! Knows: who is closed. Must not know when: that is for the simulation.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use odeon::prelude::*;

use crate::client::{connect, request, rest};
use crate::pressure::slow_reader;
use crate::session::{Habits, sessions};
use crate::world::World;

const TIME: Duration = Duration::from_millis(50);
/// Nobody is so late.
const PATIENCE: Duration = Duration::from_secs(3600);

pub(crate) fn a_client_that_sends_nothing_is_closed_and_others_are_not(on: BackendChoice) {
    let mut world = World::with(on, 1, |config| config.first_byte_timeout = PATIENCE);
    let (make, events) = sessions(Habits { last_words: "late", ..Habits::default() });
    let patient = world.serve(make.clone());
    let hasty = world.system.listener("127.0.0.1:0").first_byte_timeout(TIME);
    let hasty = hasty.start(make).expect("a free port is found").address();
    world.listens();
    let mut other = connect(patient);
    request(&mut other, "echo hello", "hello\n");
    events.started();
    let mut silent = connect(hasty);
    events.started();
    assert_eq!(rest(&mut silent), b"late");
    assert_eq!(events.stopped(), StopReason::Late);
    request(&mut other, "echo still served", "still served\n");
    assert_eq!(world.ledgers()[0].connections_late, 1);
    drop((other, silent));
    world.finish();
}

/// Receives a body behind each line that says how long it is.
struct Bodies;

#[actor(codec = Lines<{ 1 << 16 }>)]
impl Bodies {
    #[frame]
    fn length(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        let Ok(length) = line.parse() else { return Flow::Fail };
        cx.read_exact_into(Vec::new(), length).map_or(Flow::Fail, |()| Flow::Continue)
    }

    #[body]
    fn whole(&mut self, body: Result<Vec<u8>, BodyError>, cx: &mut Context<Self>) {
        writeln!(cx, "{}", body.map_or(0, |body| body.len()));
    }
}

pub(crate) fn a_client_that_does_not_go_on_with_a_frame_or_a_body_is_closed(on: BackendChoice) {
    let mut world = World::with(on, 1, |config| {
        (config.first_byte_timeout, config.frame_timeout) = (PATIENCE, TIME);
        // Nothing is earned by a few bytes.
        config.frame_rate_min = u32::MAX;
    });
    let address = world.serve(|_| Bodies);
    for begun in ["12", "6\n1234", "1000000\n1234"] {
        let mut client = connect(address);
        client.write_all(b"3\n123").expect("the server reads");
        crate::client::expect(&mut client, b"3\n");
        client.write_all(begun.as_bytes()).expect("the server reads");
        world.ledgers();
        // It may be gone by now.
        let _ = client.write_all(b"1");
        assert_eq!(rest(&mut client), b"", "after {begun:?}");
    }
    assert_eq!(world.ledgers()[0].connections_late, 3);
    world.finish();
}

/// Far more than is sent or read in the time that there is for it, and less than the kernel waits for to take more.
const BYTES: usize = 60_000;

pub(crate) fn whoever_does_everything_a_byte_at_a_time_is_closed_and_others_are_served(on: BackendChoice) {
    let mut world = World::with(on, 1, |config| {
        (config.frame_timeout, config.write_stall) = (TIME, TIME);
        config.frame_rate_min = u32::MAX;
    });
    let bodies = world.serve(|_| Bodies);
    let (make, events) = sessions(Habits::default());
    let readers = world.serve(make);
    let mut other = connect(readers);
    request(&mut other, "echo served", "served\n");
    events.started();
    // In the middle of a line, of a body, and of what is read.
    let mut slow = [connect(bodies), connect(bodies), slow_reader(readers)];
    // In one piece: there is little time between its first byte and its last.
    slow[1].write_all(format!("{BYTES}\n").as_bytes()).expect("the server reads");
    slow.iter().for_each(|client| client.set_nonblocking(true).expect("a socket can be made not to block"));
    let mut ended = [false; 3];
    let mut rounds = 0..BYTES;
    while ended != [true; 3] && rounds.next().is_some() {
        request(&mut other, "echo still served", "still served\n");
        for ((client, ended), writes) in slow.iter_mut().zip(&mut ended).zip([true, true, false]) {
            *ended = *ended || has_ended(client, writes);
        }
    }
    assert_eq!(ended, [true; 3]);
    assert_eq!(events.stopped(), StopReason::OutboxFull);
    let ledger = world.ledgers()[0];
    assert_eq!((ledger.connections_late, ledger.connections_outbox_full), (2, 1));
    drop((slow, other));
    world.finish();
}

/// Writes a byte, or reads one; answers whether there is no connection any more.
fn has_ended(client: &mut TcpStream, writes: bool) -> bool {
    // A reset comes ahead of what has not been read.
    let error = client.take_error().expect("a socket can be asked");
    let written = if writes { client.write(b"1") } else { Ok(1) };
    let read = client.read(&mut [0]);
    let is_over = |error: std::io::Error| error.kind() != ErrorKind::WouldBlock;
    error.is_some() || matches!(read, Ok(0)) || written.is_err_and(is_over) || read.is_err_and(is_over)
}
