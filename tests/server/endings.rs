//! How connections end, and that nothing of them stays.
//!
//! Knows: half-closes, resets, killed clients. Must not know deadlines nor limits.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use odeon::Timeout;
use odeon::prelude::*;

use crate::child::{self, report};
use crate::client::{connect, finish, pattern, request, reset, rest};
use crate::echo::Echo;
use crate::session::{Do, Habits, Told, sessions};
use crate::soak::is_soak;
use crate::ways::tell;
use crate::world::{PATIENCE, World};

pub(crate) fn a_reply_after_the_end_of_the_clients_stream_arrives(on: BackendChoice) {
    let (make, events) = sessions(Habits::default());
    let mut world = World::new(on, 1);
    let address = world.serve(make);
    for size in [1, 1000, 900_000] {
        let mut stream = connect(address);
        stream.write_all(format!("big {size}\n").as_bytes()).expect("the server reads");
        finish(&stream);
        assert!(rest(&mut stream) == pattern(1, size), "the whole reply arrives, then the end");
        assert_eq!(events.stopped(), StopReason::EndOfStream);
    }
    // The last line of all, without its end.
    let mut stream = connect(address);
    stream.write_all(b"echo last words").expect("the server reads");
    finish(&stream);
    assert_eq!(rest(&mut stream), b"last words\n");
    drop(stream);
    world.finish();
}

pub(crate) fn the_end_of_the_stream_may_leave_the_output_open(on: BackendChoice) {
    let (make, events) = sessions(Habits { stay_after_end: true, ..Habits::default() });
    let mut world = World::new(on, 1);
    let address = world.serve(make);
    let mut stream = connect(address);
    finish(&stream);
    let session = events.started();
    assert_eq!(events.next(), Told::EndOfStream);
    for part in ["one ", "two ", "three"] {
        session.tell(Do::Write(part.into())).expect("it goes on");
    }
    session.tell(Do::Close).expect("it goes on");
    assert_eq!(rest(&mut stream), b"one two three");
    assert_eq!(events.next(), Told::Stopped(StopReason::Stopped));
    drop(stream);
    world.finish();
}

pub(crate) fn an_output_may_end_before_the_stream_of_the_client(on: BackendChoice) {
    let (make, events) = sessions(Habits::default());
    let mut world = World::new(on, 1);
    let address = world.serve(make);
    for size in [1, 1000, 900_000] {
        let mut stream = connect(address);
        let session = events.started();
        stream
            .write_all(format!("big {size}\nlast word\necho not this\n").as_bytes())
            .expect("the server reads");
        let mut expected = pattern(1, size);
        expected.extend_from_slice(b"word\n");
        assert!(rest(&mut stream) == expected, "all that was written before, and then the end");
        // The other direction is open still, both to frames and for their handlers.
        session.tell(Do::Say(7)).or_dead_letter();
        assert_eq!(events.next(), Told::Handled(7));
        stream.write_all(b"close\n").expect("the server reads");
        assert_eq!(events.next(), Told::Stopped(StopReason::Stopped));
        finish(&stream);
    }
    assert_eq!(world.ledgers()[0].connections_cut_off, 0);
    world.finish();
}

pub(crate) fn the_end_comes_after_what_is_queued(on: BackendChoice) {
    let (make, events) = sessions(Habits { last_words: "the end", ..Habits::default() });
    let mut world = World::new(on, 1);
    let address = world.serve(make);
    for size in [10, 100_000, 400_000] {
        let mut stream = connect(address);
        // What follows the close is not handled, and does not turn the end into a reset.
        stream.write_all(format!("big {size}\nclose\necho not this\n").as_bytes()).expect("the server reads");
        events.started();
        assert_eq!(events.next(), Told::Stopped(StopReason::Stopped));
        // It has ended; only now does the client begin to read.
        let mut expected = pattern(1, size);
        expected.extend_from_slice(b"the end");
        assert!(rest(&mut stream) == expected, "everything that was queued arrives before the end");
    }
    world.finish();
}

pub(crate) fn a_link_ends_a_connection_as_a_stop_does(on: BackendChoice) {
    let (make, events) = sessions(Habits { last_words: "the end", ..Habits::default() });
    let mut world = World::new(on, 2);
    let address = world.serve(make);
    for size in [10, 100_000, 400_000] {
        let mut other = connect(address);
        let ends = events.started();
        let mut stream = connect(address);
        let session = events.started();
        for act in [Do::Link(ends), Do::Write(pattern(1, size)), Do::Say(7)] {
            session.tell(act).expect("there is room");
        }
        assert_eq!(events.next(), Told::Handled(7));
        ends.tell(Do::Close).expect("there is room");
        assert_eq!(events.next(), Told::Stopped(StopReason::Stopped));
        assert_eq!(rest(&mut other), b"the end");
        drop(other);
        assert_eq!(events.next(), Told::Stopped(StopReason::LinkEnded));
        // It has ended; only now does the client begin to read.
        let mut expected = pattern(1, size);
        expected.extend_from_slice(b"the end");
        assert!(rest(&mut stream) == expected, "everything that was queued arrives before the end");
    }
    world.finish();
}

pub(crate) fn end_reset_and_silence_are_told_apart(on: BackendChoice) {
    let (make, events) = sessions(Habits::default());
    let mut world = World::new(on, 1);
    let quiet = Duration::from_millis(30);
    let listener = world.system.listener("127.0.0.1:0").idle_timeout(quiet).start(make.clone());
    let idle = listener.expect("a free port is found").address();
    world.listens();
    let address = world.serve(make);

    let mut stream = connect(address);
    finish(&stream);
    assert_eq!(rest(&mut stream), b"");
    assert_eq!(events.stopped(), StopReason::EndOfStream);
    drop(stream);

    let mut stream = connect(address);
    request(&mut stream, "echo hello", "hello\n");
    reset(stream);
    assert!(matches!(events.stopped(), StopReason::Disconnected(errno) if errno > 0));

    let mut stream = connect(idle);
    assert_eq!(rest(&mut stream), b"");
    assert_eq!(events.stopped(), StopReason::Idle);
    drop(stream);
    world.finish();
}

pub(crate) fn a_client_that_resets_in_the_middle_of_a_transfer_leaves_nothing(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let address = world.serve(|_| Echo);
    let bytes = pattern(3, 8 << 20);
    for round in 0..40_usize {
        let mut stream = connect(address);
        // More than the kernel takes, so that both directions are in the middle of something.
        stream.set_nonblocking(true).expect("a socket can be made not to block");
        while stream.write(&bytes).is_ok() {}
        stream.set_nonblocking(false).expect("a socket can be made to block");
        let mut some = vec![0; 1 + round * 10_000];
        stream.read_exact(&mut some).expect("the echo begins");
        assert!(some == bytes[..some.len()], "it is an echo");
        reset(stream);
    }
    served(address);
    world.finish();
}

/// A new client is served.
fn served(address: SocketAddr) {
    let mut stream = connect(address);
    stream.write_all(b"echo still here\n").expect("the server reads");
    finish(&stream);
    let reply = rest(&mut stream);
    assert!(reply.ends_with(b"still here\n"), "got {:?}", String::from_utf8_lossy(&reply));
}

pub(crate) fn a_thousand_connections_reset_at_once_leave_a_server_that_serves(on: BackendChoice) {
    let mut world = World::new(on, 2);
    let address = world.serve(|_| Echo);
    for round in 0..3 {
        let mut streams: Vec<_> = (0..1000).map(|_| connect(address)).collect();
        for stream in &mut streams[..round * 400] {
            stream.write_all(b"half a request").expect("the kernel takes it");
        }
        streams.into_iter().for_each(reset);
        served(address);
    }
    world.finish();
}

/// Other processes, each with one connection: in the middle of a reply, in the middle of a request, or silent. With `ODEON_SOAK=1` in
/// the environment a thousand.
pub(crate) fn clients_that_are_killed_leave_nothing(on: BackendChoice) {
    let (make, _events) = sessions(Habits::default());
    let mut world = World::new(on, 1);
    let address = world.serve(make);
    let kills = if is_soak() { 1_000 } else { 30 };
    for round in 0..kills {
        let last = match round % 3 {
            0 => format!("printf 'big 900000\\n' >&3; head -c {} <&3 >/dev/null", 1 + round % 20 * 1000),
            1 => "printf 'half a requ' >&3".to_owned(),
            _ => ":".to_owned(),
        };
        let script = format!("exec 3<>/dev/tcp/127.0.0.1/{}; {last}; kill -9 $$", address.port());
        let status = std::process::Command::new("bash").args(["-c", &script]).status();
        assert!(!status.expect("there is a bash").success(), "it was killed");
        if round % 100 == 99 {
            world.settle();
        }
    }
    let mut stream = connect(address);
    request(&mut stream, "echo still here", "still here\n");
    drop(stream);
    world.finish();
    report(&format!("{}: {kills} clients have been killed", child::name(on)));
}

/// Says what happens to it.
struct Parting {
    starting: Sender<Addr<Parting>>,
    told: Sender<&'static str>,
    _state: Noisy,
}

/// Says that it is dropped.
struct Noisy(&'static str, Sender<&'static str>);

impl Drop for Noisy {
    fn drop(&mut self) {
        tell(&self.1, self.0);
    }
}

#[derive(Message)]
struct Later {
    _held: Noisy,
}

#[actor(codec = Lines<80>)]
impl Parting {
    #[started]
    fn started(&mut self, cx: &mut Context<Self>) {
        tell(&self.starting, cx.me());
    }

    #[frame]
    fn line(&mut self, _: &str, cx: &mut Context<Self>) -> Flow {
        let noisy = |what| Noisy(what, self.told.clone());
        assert!(cx.send_after(PATIENCE, Later { _held: noisy("timer dropped") }).is_ok(), "there is room");
        let held = noisy("future dropped");
        let _ = cx.concurrent("waits", Timeout::Never, async move {
            let _held = held;
            std::future::pending().await
        });
        cx.write_line("bye");
        Flow::Close
    }

    #[message]
    fn later(&mut self, _: Later) {}

    #[stopped]
    fn stopped(&mut self, _: StopReason) {
        tell(&self.told, "stopped");
    }
}

/// Watches a connection.
struct Watcher(Sender<&'static str>);

#[actor]
impl Watcher {
    #[call]
    fn watch(&mut self, who: Addr<Parting>, cx: &mut Context<Self>) {
        cx.watch(who).expect("there is room");
    }

    #[message]
    fn down(&mut self, Down { reason, .. }: Down) {
        tell(&self.0, if reason == StopReason::Stopped { "watcher told" } else { "watcher told otherwise" });
    }
}

pub(crate) fn whoever_watches_a_connection_is_told_once_its_socket_is_closed(on: BackendChoice) {
    let mut world = World::with(on, 2, |config| {
        (config.close_deadline, config.linger_after) = (PATIENCE, PATIENCE);
    });
    let (telling, told) = channel();
    let (starting, started) = channel();
    let watcher = |core| world.system.spawn_on(core, Watcher(telling.clone())).expect("there is room");
    let watchers = [watcher(0), watcher(1)];
    let address = world.serve(move |_| Parting {
        starting: starting.clone(),
        told: telling.clone(),
        _state: Noisy("state dropped", telling.clone()),
    });
    let next = || told.recv_timeout(PATIENCE).expect("it happens");
    for watcher in watchers {
        let mut client = connect(address);
        let parting = started.recv_timeout(PATIENCE).expect("it starts");
        watcher.watch(parting).wait().expect("it is answered");
        client.write_all(b"go\n").expect("the server reads");
        let order: [&str; 4] = std::array::from_fn(|_| next());
        assert_eq!(order, ["future dropped", "timer dropped", "stopped", "state dropped"]);
        assert_eq!(rest(&mut client), b"bye\n");
        // A few turns: whoever was told would have said so.
        (0..5).for_each(|_| drop(world.ledgers()));
        assert!(told.try_recv().is_err(), "the socket is open until the client has closed as well");
        drop(client);
        assert_eq!(next(), "watcher told");
        // One that is gone is told of at once.
        watcher.watch(parting).wait().expect("it is answered");
        assert_eq!(next(), "watcher told otherwise");
    }
    world.finish();
}
