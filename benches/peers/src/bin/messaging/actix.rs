//! Actors of actix in the arbiter of one system, with bounded mailboxes, sent to by `try_send`.
//!
//! Knows: `System`, `Actor`, `Handler`. Must not know who plays beside.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::time::Instant;

use actix::prelude::*;
use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::oneshot;
use tokio::task::yield_now;

use crate::crowd;
use crate::stage::Repetition;
use crate::tokio::{each, hops, settle};
use crate::{BURST, DEPTH, GUESTS, Games, IDLE, MESSAGES, PRODUCERS, RING, ROUND};

pub(crate) const GAMES: Games = Games {
    name: "actix",
    ping_pong_same_core: || played(|| pass_round(2)),
    fan_in_same_core: || played(fan_in),
    ask_same_core: || played(ask),
    ring_503: || played(|| pass_round(RING)),
    many_to_many: || played(mingle),
    spawn_message_stop: || played(grow),
    allocations: None,
    idle_actor_bytes: weigh,
};

fn played<F: Future<Output = f64> + 'static>(game: impl Fn() -> F + 'static) -> Repetition {
    let system = System::new();
    Box::new(move || system.block_on(game()))
}

/// An actor whose mailbox holds so many.
macro_rules! actor {
    ($actor:ty, $room:expr) => {
        impl Actor for $actor {
            type Context = Context<Self>;

            fn started(&mut self, cx: &mut Context<Self>) {
                cx.set_mailbox_capacity($room);
            }
        }
    };
}

/// A message without an answer.
macro_rules! message {
    ($message:ty) => {
        impl Message for $message {
            type Result = ();
        }
    };
}

/// Passes on what comes to one after the other of the others.
struct Player {
    others: Vec<Addr<Player>>,
    turn: usize,
    over: Sender<()>,
}

actor!(Player, 128);

struct Meet(Vec<Addr<Player>>);
message!(Meet);

struct Ball(u64);
message!(Ball);

impl Handler<Meet> for Player {
    type Result = ();

    fn handle(&mut self, Meet(others): Meet, _: &mut Context<Self>) {
        self.others = others;
    }
}

impl Handler<Ball> for Player {
    type Result = ();

    fn handle(&mut self, Ball(left): Ball, _: &mut Context<Self>) {
        if left == 0 {
            return self.over.try_send(()).expect("there is room");
        }
        self.others[self.turn].try_send(Ball(left - 1)).expect("there is room");
        self.turn = if self.turn + 1 == self.others.len() { 0 } else { self.turn + 1 };
    }
}

fn players(count: usize, over: &Sender<()>) -> Vec<Addr<Player>> {
    (0..count).map(|_| Player { others: Vec::new(), turn: 0, over: over.clone() }.start()).collect()
}

/// They know each other, so that none of them ends by itself.
async fn part(players: Vec<Addr<Player>>) {
    for player in &players {
        player.send(Meet(Vec::new())).await.expect("it lives");
    }
}

async fn pass_round(size: usize) -> f64 {
    let (over, mut end) = channel(1);
    let players = players(size, &over);
    for (index, player) in players.iter().enumerate() {
        player.send(Meet(vec![players[(index + 1) % size].clone()])).await.expect("it lives");
    }
    let (hops, start) = (hops(size), Instant::now());
    players[0].try_send(Ball(hops)).expect("there is room");
    end.recv().await.expect("the ring plays to the end");
    let took = each(start, hops);
    part(players).await;
    took
}

async fn mingle() -> f64 {
    let hops = MESSAGES / GUESTS as u64;
    let (over, mut ends) = channel(GUESTS);
    let guests = players(GUESTS, &over);
    for (index, guest) in guests.iter().enumerate() {
        let others = (1..GUESTS).map(|further| guests[(index + further) % GUESTS].clone()).collect();
        guest.send(Meet(others)).await.expect("it lives");
    }
    let start = Instant::now();
    guests.iter().for_each(|guest| guest.try_send(Ball(hops)).expect("there is room"));
    for _ in 0..GUESTS {
        ends.recv().await.expect("every ball is passed on");
    }
    let took = each(start, hops * GUESTS as u64);
    part(guests).await;
    took
}

struct Producer(Addr<Sink>);

actor!(Producer, 16);

struct Go;
message!(Go);

impl Handler<Go> for Producer {
    type Result = ();

    fn handle(&mut self, _: Go, _: &mut Context<Self>) {
        for item in 0..BURST {
            self.0.try_send(Item(item)).expect("a round fills the mailbox, and no more");
        }
    }
}

struct Sink {
    producers: Vec<Addr<Producer>>,
    rounds: u64,
    items: u64,
    sum: u64,
    over: Option<oneshot::Sender<u64>>,
}

actor!(Sink, ROUND as usize);

struct Start(Vec<Addr<Producer>>);
message!(Start);

struct Item(u64);
message!(Item);

impl Sink {
    fn ask_for_more(&mut self) {
        if self.rounds == 0 {
            // They know each other.
            self.producers.clear();
            let over = self.over.take().expect("it is over once");
            return over.send(self.sum).expect("the end is waited for");
        }
        self.rounds -= 1;
        self.producers.iter().for_each(|producer| producer.try_send(Go).expect("it has produced"));
    }
}

impl Handler<Start> for Sink {
    type Result = ();

    fn handle(&mut self, Start(producers): Start, _: &mut Context<Self>) {
        self.producers = producers;
        self.ask_for_more();
    }
}

impl Handler<Item> for Sink {
    type Result = ();

    fn handle(&mut self, Item(item): Item, _: &mut Context<Self>) {
        self.sum = self.sum.wrapping_add(item);
        self.items += 1;
        if self.items.is_multiple_of(ROUND) {
            self.ask_for_more();
        }
    }
}

async fn fan_in() -> f64 {
    let (over, end) = oneshot::channel();
    let rounds = MESSAGES / ROUND;
    let sink = Sink { producers: Vec::new(), rounds, items: 0, sum: 0, over: Some(over) }.start();
    let producers: Vec<_> = (0..PRODUCERS).map(|_| Producer(sink.clone()).start()).collect();
    settle(2 * producers.len()).await;
    let start = Instant::now();
    sink.try_send(Start(producers)).expect("there is room");
    let sum = end.await.expect("every item arrives");
    let took = each(start, rounds * ROUND);
    assert_eq!(sum, rounds * PRODUCERS * (BURST * (BURST - 1) / 2));
    took
}

struct Sum(u64);

actor!(Sum, 64);

struct Add(u64);

impl Message for Add {
    type Result = u64;
}

impl Handler<Add> for Sum {
    type Result = u64;

    fn handle(&mut self, Add(more): Add, _: &mut Context<Self>) -> u64 {
        self.0 += more;
        self.0
    }
}

/// Asks the next question when one is answered.
struct Asker {
    sum: Addr<Sum>,
    left: u64,
    over: Option<oneshot::Sender<u64>>,
}

actor!(Asker, 64);

struct Ask;
message!(Ask);

impl Handler<Ask> for Asker {
    type Result = AtomicResponse<Self, ()>;

    /// One future that asks them all: spawning one for each question costs more.
    fn handle(&mut self, _: Ask, _: &mut Context<Self>) -> AtomicResponse<Self, ()> {
        let (sum, questions) = (self.sum.clone(), self.left);
        let asked = async move {
            let mut last = 0;
            for _ in 0..questions {
                last = sum.send(Add(1)).await.expect("every question is answered");
            }
            last
        };
        AtomicResponse::new(Box::pin(asked.into_actor(self).map(|last, asker, _| {
            let over = asker.over.take().expect("it is over once");
            over.send(last).expect("the end is waited for");
        })))
    }
}

async fn ask() -> f64 {
    let (over, end) = oneshot::channel();
    let asker = Asker { sum: Sum(0).start(), left: MESSAGES, over: Some(over) }.start();
    settle(4).await;
    let start = Instant::now();
    asker.try_send(Ask).expect("there is room");
    let last = end.await.expect("every question is answered");
    assert_eq!(last, MESSAGES);
    each(start, MESSAGES)
}

/// Gets one message, and ends.
struct Node(Rc<Tree>);

actor!(Node, 1);

/// What the actors of a tree share.
struct Tree {
    leaves: Cell<u64>,
    over: Sender<()>,
}

struct Grow(u32);
message!(Grow);

impl Handler<Grow> for Node {
    type Result = ();

    fn handle(&mut self, Grow(depth): Grow, cx: &mut Context<Self>) {
        cx.stop();
        if depth > 0 {
            return (0..crowd::BRANCHES).for_each(|_| plant(depth - 1, &self.0));
        }
        self.0.leaves.set(self.0.leaves.get() - 1);
        if self.0.leaves.get() == 0 {
            self.0.over.try_send(()).expect("there is room");
        }
    }
}

fn plant(depth: u32, tree: &Rc<Tree>) {
    Node(tree.clone()).start().try_send(Grow(depth)).expect("there is room");
}

async fn grow() -> f64 {
    let (over, mut end) = channel(1);
    let tree = Rc::new(Tree { leaves: Cell::new(crowd::leaves(DEPTH)), over });
    let start = Instant::now();
    plant(DEPTH, &tree);
    end.recv().await.expect("every leaf is reached");
    let took = each(start, crowd::actors(DEPTH));
    while Rc::strong_count(&tree) > 1 {
        yield_now().await;
    }
    took
}

fn weigh() -> f64 {
    let system = System::new();
    let spawn = |count| {
        system.block_on(async move {
            for _ in 0..count {
                std::mem::forget(Sum(0).start());
            }
            settle(count).await;
        });
    };
    let bytes = crowd::slope(IDLE, spawn) - size_of::<Sum>() as f64;
    // A process of its own ends here: they need not be stopped.
    std::mem::forget(system);
    bytes
}
