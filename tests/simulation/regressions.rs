//! Bugs that seeds have found, each with the accident that mattered.
//!
//! Knows: the smallest system in which each showed. Must not know the seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use odeon::prelude::*;
use odeon::system::simulation::{Faults, Simulation};

use super::journal::{Journal, Life};
use super::world::{World, small};

struct Silent(Life);

#[actor(codec = Raw)]
impl Silent {
    #[started]
    fn start(&mut self) {
        self.0.start();
    }

    #[frame]
    fn hear(&mut self, _: &[u8]) {}

    #[stopped]
    fn stop(&mut self) {
        self.0.stop();
    }
}

#[test]
fn a_connection_for_which_there_is_no_timer_starts_before_it_stops() {
    let mut plan = small(0);
    plan.config.timers_max = 1;
    let mut simulation = Simulation::new(plan).expect("the limits are possible");
    let journal = Journal::default();
    let lives = journal.clone();
    let listener = simulation.listener(World::address()).idle_timeout(Duration::from_secs(60));
    listener.start(move |_| Silent(Life::new(&lives))).expect("nobody listens there yet");
    let connect = || simulation.network().connect(World::address()).expect("the backlog has room");
    let peers = [connect(), connect()];
    simulation.settle();
    assert_eq!(journal.lives(), (2, 1), "one of them was aborted");
    assert_eq!(peers.iter().filter(|peer| peer.is_reset()).count(), 1);
    drop(simulation.shutdown());
    assert_eq!(journal.lives(), (2, 2));
    assert_eq!(journal.sums().problems, [""; 0]);
}

/// Answers every line, and wants whole ones.
struct Whole(Journal);

impl Actor for Whole {
    type Message = Never;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

impl Connection for Whole {
    type Codec = Lines<80>;

    fn frame(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        self.0.expect(line == "whole", || format!("`{line}` was handled"));
        cx.write_line(line);
        Flow::Continue
    }
}

/// A send that was told of the reset had left the receive nothing but the end of the stream, and that ended the line.
#[test]
fn a_line_that_a_reset_cut_short_is_not_handled() {
    for seed in 0..if cfg!(miri) { 1 } else { 64 } {
        let mut plan = small(seed);
        plan.faults =
            Faults { reset: 0.2, reorder: 0.5, delay: 0.5, late_completion: 0.5, ..Faults::default() };
        let mut simulation = Simulation::new(plan).expect("the limits are possible");
        let journal = Journal::default();
        let lines = journal.clone();
        let listener = simulation.listener(World::address());
        listener.start(move |_| Whole(lines.clone())).expect("nobody listens there yet");
        let mut peer = simulation.network().connect(World::address()).expect("the backlog has room");
        peer.write(b"who");
        for _ in 0..10 {
            peer.write(b"le\nwhole\nwho");
            simulation.run_for(Duration::from_millis(1));
        }
        drop((peer, simulation.shutdown()));
        assert_eq!(journal.sums().problems, [""; 0], "seed {seed}");
    }
}

/// Waits for ever, with its state borrowed, and begins another like it when it ends.
struct Again {
    life: Life,
    lives: Journal,
    more: u32,
}

impl Actor for Again {
    type Message = Never;

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        self.life.start();
        let wait = async |_: &mut Self, _: &mut Context<Self>| std::future::pending().await;
        cx.exclusive("waits", odeon::Timeout::Never, wait)
    }

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }

    fn stopped(&mut self, _: StopReason, cx: &mut Context<Self>) {
        self.life.stop();
        if self.more > 0 {
            let (life, lives) = (Life::new(&self.lives), self.lives.clone());
            drop(cx.spawn(Again { life, lives, more: self.more - 1 }));
        }
    }
}

/// It was asked to stop, for which it had no time, and nobody aborted it.
#[test]
fn an_actor_that_is_begun_while_all_are_aborted_is_aborted() {
    let simulation = Simulation::new(small(0)).expect("the limits are possible");
    let lives = Journal::default();
    let again = Again { life: Life::new(&lives), lives: lives.clone(), more: 3 };
    simulation.spawn_on(0, again).expect("there is room");
    let remains = simulation.shutdown();
    assert_eq!(lives.lives(), (4, 4));
    assert_eq!(remains.ledgers[0].held(), [0; 13]);
    assert_eq!(lives.sums().problems, [""; 0]);
}

/// Counts what it answers.
struct Counting(Arc<AtomicUsize>);

impl Actor for Counting {
    type Message = Never;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

impl Connection for Counting {
    type Codec = Lines<80>;

    fn frame(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        self.0.fetch_add(1, Ordering::Relaxed);
        cx.write_line(line);
        Flow::Continue
    }
}

/// The end of a send was noticed only when the buffer behind which it had come was used up.
#[test]
fn answers_leave_while_frames_of_the_same_buffer_remain() {
    const LINES: usize = 4000;
    let mut plan = small(0);
    plan.config.turn_activations = 1;
    let mut simulation = Simulation::new(plan).expect("the limits are possible");
    let handled = Arc::new(AtomicUsize::new(0));
    let counted = handled.clone();
    let listener = simulation.listener(World::address());
    listener.start(move |_| Counting(counted.clone())).expect("nobody listens there yet");
    let mut peer = simulation.network().connect(World::address()).expect("the backlog has room");
    simulation.settle();
    assert_eq!(peer.write("a\n".repeat(LINES).as_bytes()), 2 * LINES, "all of it fits into one buffer");
    let (mut pieces, mut steps) = (0, 0);
    while handled.load(Ordering::Relaxed) < LINES {
        simulation.step();
        pieces += usize::from(!peer.read(1 << 20).is_empty());
        steps += 1;
        assert!(steps < 100_000, "it takes for ever");
    }
    assert!(pieces > 16, "only {pieces} sends for {LINES} frames, 64 at a time");
    peer.close();
    drop(simulation.shutdown());
}

struct Idler;

#[actor]
impl Idler {}

/// On one core there is no room for its cell: the sockets of both are closed.
#[test]
fn a_listener_that_is_not_begun_on_every_core_leaves_its_address() {
    let mut plan = small(0);
    plan.cores = 2;
    plan.config.actors_max = 8;
    let mut simulation = Simulation::new(plan).expect("the limits are possible");
    let idlers: Vec<_> = std::iter::from_fn(|| simulation.spawn_on(1, Idler).ok()).collect();
    let journal = Journal::default();
    let make = move |_| Silent(Life::new(&journal));
    let refused = simulation.listener(World::address()).start(make.clone()).expect_err("there is no room");
    assert!(refused.to_string().contains("Config::actors_max"), "{refused}");
    simulation.run_for(Duration::from_secs(1));
    assert_eq!(simulation.network().listeners(), 0);
    idlers.into_iter().for_each(Addr::stop);
    simulation.settle();
    simulation.listener(World::address()).start(make).expect("the address is free, and so are places");
    assert_eq!(simulation.network().listeners(), 2);
    let remains = simulation.shutdown();
    assert!(remains.ledgers.iter().all(|ledger| ledger.held() == [0; 13]));
}
