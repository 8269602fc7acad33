//! Actors of kameo on a runtime of one thread, sent to by `try_send`, which is what it advises for mailboxes that have room.
//!
//! Knows: `Actor`, `Message`, bounded mailboxes. Must not know who plays beside.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use kameo::Actor;
use kameo::actor::{ActorRef, Spawn};
use kameo::mailbox::bounded;
use kameo::message::{Context, Message};
use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::oneshot;
use tokio::task::yield_now;

use crate::crowd;
use crate::stage::Repetition;
use crate::tokio::{each, hops, runtime, settle};
use crate::{BURST, DEPTH, GUESTS, Games, IDLE, MESSAGES, PRODUCERS, RING, ROUND};

pub(crate) const GAMES: Games = Games {
    name: "kameo",
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
    let runtime = runtime();
    Box::new(move || runtime.block_on(game()))
}

/// Passes on what comes to one after the other of the others.
#[derive(Actor)]
struct Player {
    others: Vec<ActorRef<Player>>,
    turn: usize,
    over: Sender<()>,
}

struct Meet(Vec<ActorRef<Player>>);
struct Ball(u64);

impl Message<Meet> for Player {
    type Reply = ();

    async fn handle(&mut self, Meet(others): Meet, _: &mut Context<Self, ()>) {
        self.others = others;
    }
}

impl Message<Ball> for Player {
    type Reply = ();

    async fn handle(&mut self, Ball(left): Ball, _: &mut Context<Self, ()>) {
        if left == 0 {
            return self.over.try_send(()).expect("there is room");
        }
        self.others[self.turn].tell(Ball(left - 1)).try_send().expect("there is room");
        self.turn = if self.turn + 1 == self.others.len() { 0 } else { self.turn + 1 };
    }
}

fn players(count: usize, over: &Sender<()>) -> Vec<ActorRef<Player>> {
    let player = |_| {
        let player = Player { others: Vec::new(), turn: 0, over: over.clone() };
        Player::spawn_with_mailbox(player, bounded(128))
    };
    (0..count).map(player).collect()
}

/// They know each other, so that none of them ends by itself.
async fn part(players: Vec<ActorRef<Player>>) {
    for player in players {
        player.stop_gracefully().await.expect("it lives");
        player.wait_for_shutdown().await;
    }
}

async fn pass_round(size: usize) -> f64 {
    let (over, mut end) = channel(1);
    let players = players(size, &over);
    for (index, player) in players.iter().enumerate() {
        player.ask(Meet(vec![players[(index + 1) % size].clone()])).await.expect("it lives");
    }
    let (hops, start) = (hops(size), Instant::now());
    players[0].tell(Ball(hops)).try_send().expect("there is room");
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
        guest.ask(Meet(others)).await.expect("it lives");
    }
    let start = Instant::now();
    guests.iter().for_each(|guest| guest.tell(Ball(hops)).try_send().expect("there is room"));
    for _ in 0..GUESTS {
        ends.recv().await.expect("every ball is passed on");
    }
    let took = each(start, hops * GUESTS as u64);
    part(guests).await;
    took
}

#[derive(Actor)]
struct Producer(ActorRef<Sink>);

struct Go;

impl Message<Go> for Producer {
    type Reply = ();

    async fn handle(&mut self, _: Go, _: &mut Context<Self, ()>) {
        for item in 0..BURST {
            self.0.tell(Item(item)).try_send().expect("a round fills the mailbox, and no more");
        }
    }
}

#[derive(Actor)]
struct Sink {
    producers: Vec<ActorRef<Producer>>,
    rounds: u64,
    items: u64,
    sum: u64,
    over: Option<oneshot::Sender<u64>>,
}

struct Start(Vec<ActorRef<Producer>>);
struct Item(u64);

impl Sink {
    fn ask_for_more(&mut self) {
        if self.rounds == 0 {
            // They know each other.
            self.producers.clear();
            let over = self.over.take().expect("it is over once");
            return over.send(self.sum).expect("the end is waited for");
        }
        self.rounds -= 1;
        self.producers.iter().for_each(|producer| producer.tell(Go).try_send().expect("it has produced"));
    }
}

impl Message<Start> for Sink {
    type Reply = ();

    async fn handle(&mut self, Start(producers): Start, _: &mut Context<Self, ()>) {
        self.producers = producers;
        self.ask_for_more();
    }
}

impl Message<Item> for Sink {
    type Reply = ();

    async fn handle(&mut self, Item(item): Item, _: &mut Context<Self, ()>) {
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
    let sink = Sink { producers: Vec::new(), rounds, items: 0, sum: 0, over: Some(over) };
    let sink = Sink::spawn_with_mailbox(sink, bounded(ROUND as usize));
    let producers: Vec<_> = (0..PRODUCERS).map(|_| Producer::spawn(Producer(sink.clone()))).collect();
    settle(producers.len()).await;
    let start = Instant::now();
    sink.tell(Start(producers)).try_send().expect("there is room");
    let sum = end.await.expect("every item arrives");
    let took = each(start, rounds * ROUND);
    assert_eq!(sum, rounds * PRODUCERS * (BURST * (BURST - 1) / 2));
    took
}

#[derive(Actor)]
struct Sum(u64);

struct Add(u64);

impl Message<Add> for Sum {
    type Reply = u64;

    async fn handle(&mut self, Add(more): Add, _: &mut Context<Self, u64>) -> u64 {
        self.0 += more;
        self.0
    }
}

#[derive(Actor)]
struct Asker(ActorRef<Sum>);

struct Ask(u64);

impl Message<Ask> for Asker {
    type Reply = u64;

    async fn handle(&mut self, Ask(questions): Ask, _: &mut Context<Self, u64>) -> u64 {
        let mut last = 0;
        for _ in 0..questions {
            last = self.0.ask(Add(1)).await.expect("every question is answered");
        }
        last
    }
}

async fn ask() -> f64 {
    let asker = Asker::spawn(Asker(Sum::spawn(Sum(0))));
    settle(2).await;
    let start = Instant::now();
    let last = asker.ask(Ask(MESSAGES)).await.expect("it lives");
    assert_eq!(last, MESSAGES);
    each(start, MESSAGES)
}

/// Gets one message, and ends.
#[derive(Actor)]
struct Node(Arc<Tree>);

/// What the actors of a tree share.
struct Tree {
    leaves: AtomicU64,
    over: Sender<()>,
}

struct Grow(u32);

impl Message<Grow> for Node {
    type Reply = ();

    async fn handle(&mut self, Grow(depth): Grow, cx: &mut Context<Self, ()>) {
        cx.stop();
        if depth == 0 {
            // Relaxed: it is one thread.
            if self.0.leaves.fetch_sub(1, Ordering::Relaxed) == 1 {
                self.0.over.try_send(()).expect("there is room");
            }
            return;
        }
        for _ in 0..crowd::BRANCHES {
            plant(depth - 1, &self.0);
        }
    }
}

fn plant(depth: u32, tree: &Arc<Tree>) {
    let node = Node::spawn_with_mailbox(Node(tree.clone()), bounded(1));
    node.tell(Grow(depth)).try_send().expect("there is room");
}

async fn grow() -> f64 {
    let (over, mut end) = channel(1);
    let tree = Arc::new(Tree { leaves: AtomicU64::new(crowd::leaves(DEPTH)), over });
    let start = Instant::now();
    plant(DEPTH, &tree);
    end.recv().await.expect("every leaf is reached");
    let took = each(start, crowd::actors(DEPTH));
    while Arc::strong_count(&tree) > 1 {
        yield_now().await;
    }
    took
}

fn weigh() -> f64 {
    let runtime = runtime();
    let spawn = |count| {
        runtime.block_on(async {
            for _ in 0..count {
                std::mem::forget(Sum::spawn_with_mailbox(Sum(0), bounded(64)));
            }
            settle(count).await;
        });
    };
    let bytes = crowd::slope(IDLE, spawn) - size_of::<Sum>() as f64;
    // A process of its own ends here: they need not be stopped.
    std::mem::forget(runtime);
    bytes
}
