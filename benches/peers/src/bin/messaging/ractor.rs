//! Actors of ractor on a runtime of one thread, spawned without waiting for their start. Their mailboxes have no bound.
//!
//! Knows: `Actor`, `cast`, `call`. Must not know who plays beside.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ractor::rpc::CallResult;
use ractor::{Actor, ActorProcessingErr, ActorRef, ActorRuntime, RpcReplyPort};
use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::oneshot;
use tokio::task::yield_now;

use crate::crowd;
use crate::stage::Repetition;
use crate::tokio::{each, hops, runtime, settle};
use crate::{BURST, DEPTH, GUESTS, Games, IDLE, MESSAGES, PRODUCERS, RING, ROUND};

pub(crate) const GAMES: Games = Games {
    name: "ractor",
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

/// An actor that is where it begins; its state is what it is spawned with.
fn spawn<A: Actor>(actor: A, state: A::Arguments) -> ActorRef<A::Msg> {
    ActorRuntime::spawn_instant(None, actor, state).expect("it has no name that another could have").0
}

/// An actor whose state is its arguments.
macro_rules! state_is_arguments {
    ($message:ty, $state:ty) => {
        type Msg = $message;
        type State = $state;
        type Arguments = $state;

        async fn pre_start(
            &self,
            _: ActorRef<Self::Msg>,
            state: Self::State,
        ) -> Result<Self::State, ActorProcessingErr> {
            Ok(state)
        }
    };
}

/// Passes on what comes to one after the other of the others.
struct Player;

struct Hand {
    others: Vec<ActorRef<Play>>,
    turn: usize,
    over: Sender<()>,
}

enum Play {
    Meet(Vec<ActorRef<Play>>),
    Ball(u64),
}

impl Actor for Player {
    state_is_arguments!(Play, Hand);

    async fn handle(&self, _: ActorRef<Play>, play: Play, hand: &mut Hand) -> Result<(), ActorProcessingErr> {
        match play {
            Play::Meet(others) => hand.others = others,
            Play::Ball(0) => hand.over.try_send(()).expect("there is room"),
            Play::Ball(left) => {
                hand.others[hand.turn].cast(Play::Ball(left - 1)).expect("it lives");
                hand.turn = if hand.turn + 1 == hand.others.len() { 0 } else { hand.turn + 1 };
            }
        }
        Ok(())
    }
}

fn players(count: usize, over: &Sender<()>) -> Vec<ActorRef<Play>> {
    (0..count).map(|_| spawn(Player, Hand { others: Vec::new(), turn: 0, over: over.clone() })).collect()
}

async fn part(players: Vec<ActorRef<Play>>) {
    for player in players {
        player.stop_and_wait(None, None).await.expect("it lives");
    }
}

async fn pass_round(size: usize) -> f64 {
    let (over, mut end) = channel(1);
    let players = players(size, &over);
    for (index, player) in players.iter().enumerate() {
        player.cast(Play::Meet(vec![players[(index + 1) % size].clone()])).expect("it lives");
    }
    settle(4 * size).await;
    let (hops, start) = (hops(size), Instant::now());
    players[0].cast(Play::Ball(hops)).expect("it lives");
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
        guest.cast(Play::Meet(others)).expect("it lives");
    }
    settle(4 * GUESTS).await;
    let start = Instant::now();
    guests.iter().for_each(|guest| guest.cast(Play::Ball(hops)).expect("it lives"));
    for _ in 0..GUESTS {
        ends.recv().await.expect("every ball is passed on");
    }
    let took = each(start, hops * GUESTS as u64);
    part(guests).await;
    took
}

struct Producer;

struct Go;

impl Actor for Producer {
    state_is_arguments!(Go, ActorRef<Fed>);

    async fn handle(
        &self,
        _: ActorRef<Go>,
        _: Go,
        sink: &mut ActorRef<Fed>,
    ) -> Result<(), ActorProcessingErr> {
        for item in 0..BURST {
            sink.cast(Fed::Item(item)).expect("it lives");
        }
        Ok(())
    }
}

struct Sink;

struct Store {
    producers: Vec<ActorRef<Go>>,
    rounds: u64,
    items: u64,
    sum: u64,
    over: Option<oneshot::Sender<u64>>,
}

enum Fed {
    Start(Vec<ActorRef<Go>>),
    Item(u64),
}

impl Store {
    fn ask_for_more(&mut self) {
        if self.rounds == 0 {
            let over = self.over.take().expect("it is over once");
            return over.send(self.sum).expect("the end is waited for");
        }
        self.rounds -= 1;
        self.producers.iter().for_each(|producer| producer.cast(Go).expect("it lives"));
    }
}

impl Actor for Sink {
    state_is_arguments!(Fed, Store);

    async fn handle(&self, _: ActorRef<Fed>, fed: Fed, store: &mut Store) -> Result<(), ActorProcessingErr> {
        match fed {
            Fed::Start(producers) => {
                store.producers = producers;
                store.ask_for_more();
            }
            Fed::Item(item) => {
                store.sum = store.sum.wrapping_add(item);
                store.items += 1;
                if store.items.is_multiple_of(ROUND) {
                    store.ask_for_more();
                }
            }
        }
        Ok(())
    }
}

async fn fan_in() -> f64 {
    let (over, end) = oneshot::channel();
    let rounds = MESSAGES / ROUND;
    let sink = spawn(Sink, Store { producers: Vec::new(), rounds, items: 0, sum: 0, over: Some(over) });
    let producers: Vec<_> = (0..PRODUCERS).map(|_| spawn(Producer, sink.clone())).collect();
    settle(4 * producers.len()).await;
    let start = Instant::now();
    sink.cast(Fed::Start(producers.clone())).expect("it lives");
    let sum = end.await.expect("every item arrives");
    let took = each(start, rounds * ROUND);
    assert_eq!(sum, rounds * PRODUCERS * (BURST * (BURST - 1) / 2));
    for producer in producers {
        producer.stop_and_wait(None, None).await.expect("it lives");
    }
    sink.stop_and_wait(None, None).await.expect("it lives");
    took
}

struct Sum;

struct Add(u64, RpcReplyPort<u64>);

impl Actor for Sum {
    state_is_arguments!(Add, u64);

    async fn handle(
        &self,
        _: ActorRef<Add>,
        Add(more, reply): Add,
        sum: &mut u64,
    ) -> Result<(), ActorProcessingErr> {
        *sum += more;
        reply.send(*sum).expect("the answer is waited for");
        Ok(())
    }
}

struct Asker;

struct Ask(u64, oneshot::Sender<u64>);

impl Actor for Asker {
    state_is_arguments!(Ask, ActorRef<Add>);

    async fn handle(
        &self,
        _: ActorRef<Ask>,
        Ask(questions, over): Ask,
        sum: &mut ActorRef<Add>,
    ) -> Result<(), ActorProcessingErr> {
        let mut last = 0;
        for _ in 0..questions {
            match sum.call(|reply| Add(1, reply), None).await? {
                CallResult::Success(sum) => last = sum,
                _ => unreachable!("every question is answered"),
            }
        }
        over.send(last).expect("the end is waited for");
        Ok(())
    }
}

async fn ask() -> f64 {
    let sum = spawn(Sum, 0);
    let asker = spawn(Asker, sum.clone());
    settle(8).await;
    let (over, end) = oneshot::channel();
    let start = Instant::now();
    asker.cast(Ask(MESSAGES, over)).expect("it lives");
    let last = end.await.expect("every question is answered");
    let took = each(start, MESSAGES);
    assert_eq!(last, MESSAGES);
    asker.stop_and_wait(None, None).await.expect("it lives");
    sum.stop_and_wait(None, None).await.expect("it lives");
    took
}

/// Gets one message, and ends.
struct Node;

/// What the actors of a tree share.
struct Tree {
    leaves: AtomicU64,
    over: Sender<()>,
}

struct Grow(u32);

impl Actor for Node {
    state_is_arguments!(Grow, Arc<Tree>);

    async fn handle(
        &self,
        me: ActorRef<Grow>,
        Grow(depth): Grow,
        tree: &mut Arc<Tree>,
    ) -> Result<(), ActorProcessingErr> {
        if depth > 0 {
            (0..crowd::BRANCHES).for_each(|_| plant(depth - 1, tree));
        // Relaxed: it is one thread.
        } else if tree.leaves.fetch_sub(1, Ordering::Relaxed) == 1 {
            tree.over.try_send(()).expect("there is room");
        }
        me.stop(None);
        Ok(())
    }
}

fn plant(depth: u32, tree: &Arc<Tree>) {
    spawn(Node, tree.clone()).cast(Grow(depth)).expect("it lives");
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
    let idle = |count| {
        runtime.block_on(async {
            for _ in 0..count {
                std::mem::forget(spawn(Sum, 0));
            }
            settle(4 * count).await;
        });
    };
    let bytes = crowd::slope(IDLE, idle) - size_of::<u64>() as f64;
    // A process of its own ends here: they need not be stopped.
    std::mem::forget(runtime);
    bytes
}
