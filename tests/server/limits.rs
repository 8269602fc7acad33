//! Limits on connections, and pools so small that everything waits for everything.
//!
//! Knows: credits, policies, sizes of pools. Must not know descriptors of the process.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use odeon::prelude::*;
use odeon::sys::Random;
use odeon::{AtLimit, Config};

use crate::child;
use crate::client::{
    connect, connect_unless_reset, exchange, expect, finish, is_reset, pattern, request, rest, size,
};
use crate::echo::{Echo, Frames};
use crate::puppet::{Puppet, act};
use crate::runner::on_core;
use crate::session::{Habits, sessions};
use crate::soak::descriptors;
use crate::world::{PATIENCE, World, until};

/// So many clients at once, each of which connects, is answered and leaves.
fn crowd(address: SocketAddr, threads: usize, each: usize) {
    thread::scope(|scope| {
        for client in 0..threads {
            scope.spawn(move || {
                for round in 0..each {
                    let mut stream = connect(address);
                    request(&mut stream, &format!("echo {client} {round}"), &format!("{client} {round}\n"));
                    if round % 2 == 0 {
                        finish(&stream);
                        assert_eq!(rest(&mut stream), b"");
                    }
                }
            });
        }
    });
}

fn limited(world: &mut World, max: usize, at_limit: AtLimit) -> SocketAddr {
    let (make, _events) = sessions(Habits::default());
    let listener = world.system.listener("127.0.0.1:0").max_connections(max).at_limit(at_limit).start(make);
    world.listens();
    listener.expect("a free port is found").address()
}

pub(crate) fn whoever_comes_beyond_the_limit_waits_and_is_served(on: BackendChoice) {
    for (cores, max, threads) in [(1, 1, 100), (1, 3, 50), (2, 1, 100), (2, 3, 50)] {
        let mut world = World::new(on, cores);
        let address = limited(&mut world, max, AtLimit::Wait);
        crowd(address, threads, 6);
        assert_eq!(world.sum(|ledger| ledger.connections_opened), threads as u64 * 6, "nobody was dropped");
        world.finish();
    }
}

pub(crate) fn a_newcomer_waits_until_another_ends(on: BackendChoice) {
    let mut world = World::new(on, 2);
    let address = limited(&mut world, 2, AtLimit::Wait);
    let mut first = connect(address);
    request(&mut first, "echo one", "one\n");
    let mut second = connect(address);
    request(&mut second, "echo two", "two\n");
    let mut third = connect(address);
    third.write_all(b"echo three\n").expect("the kernel takes it");
    third.set_nonblocking(true).expect("a socket can be made not to block");
    for _ in 0..100 {
        world.ledgers();
        let early = third.read(&mut [0; 1]).expect_err("it is not served yet");
        assert_eq!(early.kind(), ErrorKind::WouldBlock);
    }
    third.set_nonblocking(false).expect("a socket can be made to block");
    drop(first);
    expect(&mut third, b"three\n");
    request(&mut second, "echo two again", "two again\n");
    drop((second, third));
    world.finish();
}

pub(crate) fn a_server_with_all_of_its_connections_opens_files_and_connects(on: BackendChoice) {
    let mut world = World::with(on, 1, |config| {
        config.connections_max = Some(2);
        // One is the listener's.
        config.sockets_beside = 4;
    });
    let (make, _events) = sessions(Habits::default());
    let listener = world.system.listener("127.0.0.1:0").start(make);
    world.listens();
    let address = listener.expect("a free port is found").address();
    let mut clients = [connect(address), connect(address)];
    clients.iter_mut().for_each(|client| request(client, "echo here", "here\n"));
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port is found");
    let to = elsewhere.local_addr().expect("it is bound");
    let task = world.system.spawn_task(0, move || async move {
        let open = || odeon::fs::File::open("/dev/null");
        let files = [open().await, open().await, open().await];
        assert!(files.iter().all(Result::is_ok), "{files:?}");
        let full = open().await.expect_err("there are as many as there may be");
        assert_eq!(full.raw_os_error(), Some(libc::ENFILE));
        assert!(odeon::connect(to).await.is_err(), "they count together");
        drop(files);
        // They are closed before what is asked for afterwards.
        let mut stream = odeon::connect(to).await;
        while stream.is_err() {
            futures_lite::future::yield_now().await;
            stream = odeon::connect(to).await;
        }
    });
    let task = task.expect("the core runs");
    task.wait().expect("the future ends");
    clients.iter_mut().for_each(|client| request(client, "echo still", "still\n"));
    drop(clients);
    world.finish();
}

pub(crate) fn whoever_comes_beyond_the_limit_is_refused(on: BackendChoice) {
    let mut world = World::new(on, 2);
    let address = limited(&mut world, 2, AtLimit::Refuse);
    for _ in 0..20 {
        let mut kept: Vec<TcpStream> = (0..2).map(|_| connect(address)).collect();
        for stream in &mut kept {
            request(stream, "echo served", "served\n");
        }
        for _ in 0..5 {
            assert!(is_reset(address), "one too many");
        }
        drop(kept);
        world.settle();
    }
    world.finish();
}

pub(crate) fn the_limit_of_the_system_may_be_one(on: BackendChoice) {
    for cores in [1, 2] {
        let mut world = World::with(on, cores, |config| config.connections_max = Some(1));
        let (make, _events) = sessions(Habits::default());
        let address = world.serve(make);
        let (make, _events) = sessions(Habits::default());
        let other = world.serve(make);
        thread::scope(|scope| {
            scope.spawn(|| crowd(address, 20, 3));
            scope.spawn(|| crowd(other, 20, 3));
        });
        world.finish();
    }
}

pub(crate) fn a_newcomer_is_served_though_the_ways_between_cores_are_full(on: BackendChoice) {
    let mut world = World::with(on, 2, |config| {
        config.lane_capacity = 8;
        config.inbox_capacity = 8;
    });
    let runners = [world.runner(0), world.runner(1)];
    let address = limited(&mut world, 1, AtLimit::Wait);
    for _ in 0..30 {
        let mut first = connect(address);
        request(&mut first, "echo one", "one\n");
        let mut second = connect(address);
        second.write_all(b"echo two\n").expect("the kernel takes it");
        // Both lanes are crowded while the first connection ends, on whichever core it is.
        for (runner, other) in [(runners[0], runners[1]), (runners[1], runners[0])] {
            on_core(
                runner,
                move |_| {
                    while other.tell(crate::runner::Run(Box::new(|_| Flow::Continue))).is_ok() {}
                },
            );
        }
        drop(first);
        expect(&mut second, b"two\n");
    }
    world.finish();
}

pub(crate) fn whoever_gets_no_actor_gives_its_place_back(on: BackendChoice) {
    crate::panics::quietly();
    // Every second function call panics, and the core holds three actors: a listener, and two more.
    let mut world = World::with(on, 1, |config| config.actors_max = 3);
    let (mut make, _events) = sessions(Habits::default());
    let mut count = 0_u64;
    let listener = world.system.listener("127.0.0.1:0").max_connections(3).start(move |peer| {
        count += 1;
        assert!(count.is_multiple_of(2), "as planned, in the factory");
        make(peer)
    });
    let address = listener.expect("a free port is found").address();
    world.listens();
    for _ in 0..10 {
        let mut kept = Vec::new();
        while kept.len() < 2 {
            // Refused by a reset, perhaps before it is written to.
            let Some(mut stream) = connect_unless_reset(address) else { continue };
            let asked = stream.write_all(b"echo hello\n").is_ok();
            if asked && stream.read_exact(&mut [0; 6]).is_ok() {
                kept.push(stream);
            }
        }
        for _ in 0..4 {
            assert!(is_reset(address), "there is no room, or no actor");
        }
        drop(kept);
        world.settle();
    }
    world.finish();
}

/// A thousand requests of all sizes over twenty connections at once.
fn mixed_requests(on: BackendChoice, change: impl FnOnce(&mut Config)) {
    let mut world = World::with(on, 1, change);
    let echo = world.serve(|_| Echo);
    let frames = world.serve(|_| Frames);
    thread::scope(|scope| {
        for client in 0..20 {
            scope.spawn(move || {
                let mut random = Random::new(client);
                let stream = connect(if client % 2 == 0 { echo } else { frames });
                for round in 0..50 {
                    let mut bytes = pattern(client << 32 | round, size(&mut random, 15));
                    if client % 2 == 1 {
                        let len = (bytes.len() as u32).to_be_bytes();
                        bytes.splice(0..0, len);
                    }
                    exchange(&stream, &mut random, &bytes);
                }
            });
        }
    });
    world.finish();
}

fn few_receive_buffers(config: &mut Config) {
    config.receive_buffers = 2;
    config.receive_buffer_bytes = 256;
}

fn few_send_slots(config: &mut Config) {
    config.send_slots = [2, 0, 0, 0, 0];
}

fn few_entries(config: &mut Config) {
    config.submission_entries = 2;
    config.completion_entries = 4;
}

pub(crate) fn a_listener_for_which_a_core_has_no_room_leaves_no_socket(on: BackendChoice) {
    if child::apart(on, "limits::a_listener_for_which_a_core_has_no_room_leaves_no_socket") {
        return;
    }
    let free = TcpListener::bind((child::own_loopback(), 0)).expect("a free port is found");
    let address = free.local_addr().expect("it is bound");
    drop(free);
    let mut world = World::with(on, 2, |config| config.actors_max = 16);
    let open = descriptors();
    let puppets: Vec<_> = std::iter::from_fn(|| world.system.spawn_on(1, Idler).ok()).collect();
    let error = world.system.listener(address).start(|_| Echo).expect_err("there is no room on one core");
    assert!(error.to_string().contains("Config::actors_max"), "{error}");
    world.wait_for("no socket to be left", |ledgers| ledgers.iter().all(|ledger| ledger.held()[0] == 0));
    assert_eq!(descriptors(), open);
    TcpStream::connect(address).expect_err("nobody listens there");
    puppets.into_iter().for_each(Addr::stop);
    world.wait_for("room", |ledgers| ledgers[1].actors == 0);
    world.system.listener(address).start(|_| Echo).expect("the address is free");
    world.listens();
    exchange(&connect(address), &mut Random::new(1), &pattern(1, 1000));
    world.finish();
}

/// Takes up a place.
struct Idler;

#[actor]
impl Idler {}

/// Accepted and waiting for a place, in the backlog, and connected a moment ago: with a system that ends at once.
pub(crate) fn whoever_is_on_its_way_to_a_core_that_ends_is_closed(on: BackendChoice) {
    if child::apart(on, "limits::whoever_is_on_its_way_to_a_core_that_ends_is_closed") {
        return;
    }
    let open = descriptors();
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let mut world = World::with(on, 1 + random.index(2), |config| {
            config.drain_deadline = Duration::from_millis(random.below(3));
            config.close_deadline = Duration::from_millis(20);
        });
        let address = limited(&mut world, 1 + random.index(3), AtLimit::Wait);
        let elsewhere = TcpListener::bind("127.0.0.1:0").expect("a free port is found");
        let to = elsewhere.local_addr().expect("it is bound");
        let mut clients: Vec<TcpStream> = (0..12).map(|_| connect(address)).collect();
        for _ in 0..random.index(5) {
            world.ledgers();
        }
        let calls = random.index(8);
        for _ in 0..calls {
            let core = random.index(world.system.cores());
            let task = world.system.spawn_task(core, move || async move {
                let _stream = odeon::connect(to).await;
                futures_lite::future::pending::<()>().await;
            });
            task.expect("the core runs").detach();
        }
        drop(world.system);
        for client in &mut clients {
            // Served or not: it is told an end, or a reset.
            let _ = client.read_to_end(&mut Vec::new());
        }
        elsewhere.set_nonblocking(true).expect("a socket can be made not to block");
        while let Ok((mut called, _)) = elsewhere.accept() {
            called.set_nonblocking(false).expect("a socket can be made to block");
            let _ = called.read_to_end(&mut Vec::new());
        }
    }
    assert_eq!(descriptors(), open);
}

pub(crate) fn two_receive_buffers_serve_a_thousand_requests(on: BackendChoice) {
    mixed_requests(on, few_receive_buffers);
}

pub(crate) fn two_send_slots_serve_a_thousand_requests(on: BackendChoice) {
    mixed_requests(on, few_send_slots);
    mixed_requests(on, |config| config.send_slots = [0, 0, 0, 1, 1]);
}

pub(crate) fn a_submission_queue_of_two_serves_a_thousand_requests(on: BackendChoice) {
    mixed_requests(on, few_entries);
}

pub(crate) fn queues_of_a_few_entries_serve_a_thousand_clients_at_once(on: BackendChoice) {
    let mut world = World::with(on, 1, |config| {
        config.submission_entries = 4;
        config.completion_entries = 8;
    });
    let (make, _events) = sessions(Habits::default());
    let address = world.serve(make);
    let mut streams: Vec<_> = (0..1000).map(|_| connect(address)).collect();
    // Ten requests of each, and so ten thousand completions, before anybody takes a reply.
    for number in 0..10 {
        for (at, stream) in streams.iter_mut().enumerate() {
            stream.write_all(format!("echo {at}.{number}\n").as_bytes()).expect("the kernel takes it");
        }
    }
    for (at, stream) in streams.iter_mut().enumerate() {
        let replies: String = (0..10).map(|number| format!("{at}.{number}\n")).collect();
        expect(stream, replies.as_bytes());
    }
    drop(streams);
    world.finish();
}

pub(crate) fn everything_scarce_at_once_serves_a_thousand_requests(on: BackendChoice) {
    mixed_requests(on, |config| {
        few_receive_buffers(config);
        few_send_slots(config);
        few_entries(config);
        config.outbox_bytes_max = 40_000;
        config.activation_messages = 1;
    });
}

pub(crate) fn who_closes_while_waiting_for_send_slots_sends_everything(on: BackendChoice) {
    let mut world = World::with(on, 1, |config| config.send_slots = [2, 0, 0, 0, 0]);
    let (make, _events) = sessions(Habits::default());
    let address = world.serve(make);
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(move || {
                let mut stream = connect(address);
                stream.write_all(b"big 50000\nbig 50000\nclose\n").expect("the server reads");
                let twice = [pattern(1, 50_000), pattern(1, 50_000)].concat();
                assert!(rest(&mut stream) == twice, "the end comes after what is queued");
            });
        }
    });
    world.finish();
}

pub(crate) fn who_waits_for_send_slots_and_goes_does_not_keep_the_others_waiting(on: BackendChoice) {
    let mut world = World::with(on, 1, |config| config.send_slots = [2, 0, 0, 0, 0]);
    let (make, events) = sessions(Habits::default());
    let address = world.serve(make);
    // These take the slots and do not read: their sends stay in flight.
    let mut holders: Vec<TcpStream> = Vec::new();
    for _ in 0..2 {
        let stream = connect(address);
        events.next_started();
        let mut fill = stream.try_clone().expect("a descriptor is left");
        // More than the sockets take.
        thread::spawn(move || drop(fill.write_all("big 1000000\n".repeat(12).as_bytes())));
        stream.set_nonblocking(true).expect("a socket can be made not to block");
        holders.push(stream);
    }
    // They wait for slots, and are aborted while they do; the one behind them is served all the same.
    for _ in 0..20 {
        let mut waiting = Vec::new();
        for _ in 0..3 {
            let mut stream = connect(address);
            stream.write_all(b"big 5000\n").expect("the kernel takes it");
            waiting.push((stream, events.next_started()));
        }
        let mut last = connect(address);
        last.write_all(b"big 5000\n").expect("the kernel takes it");
        events.next_started();
        world.ledgers();
        waiting.iter().for_each(|(_, session)| session.abort());
        // The holders read a little, so that slots come back one by one.
        let mut got = Vec::new();
        last.set_nonblocking(true).expect("a socket can be made not to block");
        while got.len() < 5000 {
            for holder in &mut holders {
                let _ = holder.read(&mut [0; 1 << 16]);
            }
            let mut some = [0; 5000];
            if let Ok(more) = last.read(&mut some) {
                assert!(more > 0, "it is served");
                got.extend_from_slice(&some[..more]);
            }
        }
        assert!(got == pattern(1, 5000));
    }
    drop(holders);
    world.finish();
}

/// Says how many its core has accepted.
struct Counts(u64, Arc<Mutex<BTreeMap<u64, usize>>>);

impl Counts {
    /// Which core that is: a part of the number of each of its connections.
    fn core(&self) -> u64 {
        self.0 >> 40
    }
}

#[actor(codec = Lines<80>)]
impl Counts {
    #[started]
    fn started(&mut self) {
        *self.1.lock().expect("nobody panics with it").entry(self.core()).or_default() += 1;
    }

    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) {
        cx.write_line(line);
    }
}

pub(crate) fn each_core_accepts_its_share_and_none_waits_for_one_that_is_busy(on: BackendChoice) {
    const CLIENTS: usize = 400;
    let mut world = World::new(on, 2);
    let accepted = Arc::<Mutex<BTreeMap<u64, usize>>>::default();
    let counts = accepted.clone();
    let address = world.serve(move |peer| Counts(peer.id(), counts.clone()));
    let counts = || accepted.lock().expect("nobody panics with it").values().copied().collect::<Vec<_>>();
    let puppet = world.puppet(0);
    let (release, released) = channel::<()>();
    let (busy, begun) = channel();
    let block = act(move |_: &mut Puppet, _, _| {
        busy.send(()).expect("the test waits for it");
        let _ = released.recv();
    });
    puppet.tell(block).or_dead_letter();
    begun.recv_timeout(PATIENCE).expect("it begins");
    let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| connect(address)).collect();
    for stream in &mut clients {
        stream.write_all(b"hello\n").expect("there is room");
    }
    // The other core serves its share meanwhile. Who comes to this one waits in the backlog: it takes nobody whom it cannot serve.
    until("those who came to the other core", || counts().iter().sum::<usize>() >= CLIENTS / 4);
    assert_eq!(counts().len(), 1);
    drop(release);
    for stream in &mut clients {
        expect(stream, b"hello\n");
    }
    // The kernel deals them out by chance.
    let counts = counts();
    assert!(counts.len() == 2 && counts.iter().all(|count| *count >= CLIENTS / 4), "{counts:?}");
    assert_eq!(counts.iter().sum::<usize>(), CLIENTS);
    drop(clients);
    world.finish();
}
