//! More connections than there may be, silent ones, and a shutdown at any moment.
//!
//! Knows: limits of listeners, the virtual time. Must not know how credits travel.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use odeon::AtLimit;
use odeon::prelude::*;
use odeon::system::simulation::SimPeer;

use super::journal::Life;
use super::world::{AGES, World, pick};

/// Connections at once, and the most there ever were.
#[derive(Default)]
struct Gauge {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// Greets, and says goodbye when it is asked to or has been idle.
struct Guest {
    life: Life,
    gauge: Arc<Gauge>,
}

impl Actor for Guest {
    type Message = Never;

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        self.life.start();
        let now = self.gauge.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.gauge.most.fetch_max(now, Ordering::Relaxed);
        cx.write("hello");
        Flow::Continue
    }

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }

    fn stopped(&mut self, reason: StopReason, cx: &mut Context<Self>) {
        self.life.stop();
        self.gauge.now.fetch_sub(1, Ordering::Relaxed);
        if reason == StopReason::Idle {
            cx.write("idle");
        }
    }
}

impl Connection for Guest {
    type Codec = Lines<100>;

    fn frame(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        self.life.go_on();
        if line == "panic" {
            self.panic();
        }
        if line == "bye" {
            cx.write("bye");
            return Flow::Close;
        }
        Flow::Continue
    }
}

impl Guest {
    fn panic(&self) {
        self.life.journal().panic();
    }
}

struct Rules {
    max: Option<usize>,
    at_limit: AtLimit,
    idle: Option<Duration>,
}

struct Client {
    peer: SimPeer,
    heard: Vec<u8>,
    said_bye: bool,
    /// It says nothing.
    silent: bool,
}

pub(crate) fn run(seed: u64) -> [u64; 3] {
    let mut world = World::new(seed, |plan, random| {
        plan.config.connections_max = pick(random, [None, None, Some(1), Some(3)]);
    });
    let rules = Rules {
        max: pick(&mut world.random, [None, Some(1), Some(2), Some(5)]),
        at_limit: pick(&mut world.random, [AtLimit::Wait, AtLimit::Wait, AtLimit::Refuse]),
        idle: pick(
            &mut world.random,
            [None, Some(Duration::from_millis(300)), Some(Duration::from_secs(20))],
        ),
    };
    let gauge = Arc::new(Gauge::default());
    listen(&mut world, &rules, &gauge);
    let mut clients = Vec::new();
    for _ in 0..world.rounds(50) {
        act(&mut world, &mut clients);
    }
    if world.random.chance(0.6) {
        end_well(&mut world, &rules, &mut clients);
    } else {
        world.pause_midway();
    }
    let most = gauge.most.load(Ordering::Relaxed);
    let max = [rules.max, world.simulation.config().connections_max].into_iter().flatten().min();
    assert!(max.is_none_or(|max| most <= max), "{most} connections at once, and {max:?} allowed");
    let peers = clients.into_iter().map(|client| client.peer).collect();
    let trace = world.finish(peers);
    assert_eq!(gauge.now.load(Ordering::Relaxed), 0, "everybody has left");
    trace
}

fn listen(world: &mut World, rules: &Rules, gauge: &Arc<Gauge>) {
    let (journal, gauge) = (world.journal.clone(), gauge.clone());
    // Who says nothing is idle here, not late.
    let listener = world.simulation.listener(World::address()).first_byte_timeout(Duration::MAX);
    let mut listener = listener.at_limit(rules.at_limit);
    if let Some(max) = rules.max {
        listener = listener.max_connections(max);
    }
    if let Some(idle) = rules.idle {
        listener = listener.idle_timeout(idle);
    }
    let make = move |_| Guest { life: Life::new(&journal), gauge: gauge.clone() };
    listener.start(make).expect("nobody listens there yet");
}

fn act(world: &mut World, clients: &mut Vec<Client>) {
    let somebody = world.random.index(clients.len().max(1));
    match world.random.below(8) {
        0..4 => {
            let silent = world.random.chance(0.3);
            let peer = world.connect().expect("the backlog has room");
            clients.push(Client { peer, heard: Vec::new(), said_bye: false, silent });
        }
        4 if !clients.is_empty() => clients[somebody].say("something\n"),
        5 if !clients.is_empty() => clients[somebody].say_bye(),
        6 if !world.gentle && !clients.is_empty() && world.random.chance(0.3) => {
            clients[somebody].say("panic\n");
        }
        7 if !clients.is_empty() && world.random.chance(0.3) => {
            let client = clients.swap_remove(somebody);
            if world.random.chance(0.5) { client.peer.reset() } else { client.peer.close() }
        }
        _ => {}
    }
    clients.iter_mut().for_each(Client::listen);
    if world.random.chance(0.3) { world.pause_midway() } else { world.pass() }
}

/// Everybody is served, however few at a time, or was refused.
fn end_well(world: &mut World, rules: &Rules, clients: &mut [Client]) {
    let waiting = rules.idle.is_none();
    world.until("everybody has been served", |_| {
        for client in clients.iter_mut() {
            client.listen();
            if waiting || !client.silent {
                client.say_bye();
            }
            if client.peer.is_ended() {
                client.peer.shutdown_write();
            }
        }
        clients.iter().all(|client| client.peer.is_ended() || client.peer.is_reset())
    });
    let refuses = rules.at_limit == AtLimit::Refuse;
    for client in clients.iter().filter(|_| world.gentle && !refuses) {
        assert!(client.heard.starts_with(b"hello"), "served: {:?}", String::from_utf8_lossy(&client.heard));
        let ending = if client.said_bye { &b"bye"[..] } else { b"idle" };
        let idle = client.heard.ends_with(b"idle") && rules.idle.is_some();
        assert!(client.heard.ends_with(ending) || idle, "{:?}", String::from_utf8_lossy(&client.heard));
    }
    world.simulation.run_for(AGES);
    for ledger in world.simulation.ledgers() {
        let listener = [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(ledger.held(), listener, "back to the listener alone: {ledger:#?}");
    }
}

impl Client {
    fn say(&mut self, line: &str) {
        if !self.said_bye && !self.silent {
            self.peer.write(line.as_bytes());
        }
    }

    fn say_bye(&mut self) {
        if !self.said_bye && self.peer.write(b"bye\n") == 4 {
            self.said_bye = true;
            self.peer.shutdown_write();
        }
    }

    fn listen(&mut self) {
        loop {
            let bytes = self.peer.read(usize::MAX);
            if bytes.is_empty() {
                break;
            }
            self.heard.extend(bytes);
        }
    }
}
