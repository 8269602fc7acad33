//! Tasks and channels of tokio, as its users write actors: a task that receives from its channel until nobody has a sender.
//!
//! Knows: `LocalSet`, bounded channels of `mpsc`, `oneshot`. Must not know who plays beside.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::time::Instant;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local, yield_now};

use crate::crowd;
use crate::stage::Repetition;
use crate::{BURST, DEPTH, GUESTS, Games, IDLE, MESSAGES, PRODUCERS, RING, ROUND};

pub(crate) const GAMES: Games = Games {
    name: "tokio",
    ping_pong_same_core: || played(|| pass_round(2)),
    fan_in_same_core: || played(fan_in),
    ask_same_core: || played(ask),
    ring_503: || played(|| pass_round(RING)),
    many_to_many: || played(mingle),
    spawn_message_stop: || played(grow),
    allocations: None,
    idle_actor_bytes: weigh,
};

/// A runtime of one thread.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("the machine can run a runtime")
}

fn played<F: Future<Output = f64> + 'static>(game: impl Fn() -> F + 'static) -> Repetition {
    let runtime = runtime();
    Box::new(move || LocalSet::new().block_on(&runtime, game()))
}

/// Nanoseconds of each of so many.
pub(crate) fn each(start: Instant, count: u64) -> f64 {
    start.elapsed().as_nanos() as f64 / count as f64
}

/// Hops of a repetition that end where they began.
pub(crate) fn hops(size: usize) -> u64 {
    MESSAGES.next_multiple_of(size as u64)
}

/// Until tasks of which there are so many have run: a set runs some sixty of them at a time.
pub(crate) async fn settle(tasks: usize) {
    for _ in 0..tasks / 16 + 2 {
        yield_now().await;
    }
}

/// One ball goes round in a ring of so many.
async fn pass_round(size: usize) -> f64 {
    let (first, mut last) = channel::<u64>(64);
    let mut next = first;
    for _ in 1..size {
        let (own, mut inbox) = channel::<u64>(64);
        let to = std::mem::replace(&mut next, own);
        spawn_local(async move {
            while let Some(left) = inbox.recv().await {
                to.try_send(left - 1).expect("there is room");
            }
        });
    }
    settle(size).await;
    let hops = hops(size);
    let ended = spawn_local(async move {
        let start = Instant::now();
        next.try_send(hops - 1).expect("there is room");
        while let Some(left) = last.recv().await {
            if left == 0 {
                return each(start, hops);
            }
            next.try_send(left - 1).expect("there is room");
        }
        unreachable!("the ring plays to the end")
    });
    ended.await.expect("it does not panic")
}

async fn produce(mut go: Receiver<()>, sink: Sender<u64>) {
    while go.recv().await.is_some() {
        for item in 0..BURST {
            sink.try_send(item).expect("a round fills the channel, and no more");
        }
    }
}

async fn fan_in() -> f64 {
    let (feed, mut items) = channel::<u64>(ROUND as usize);
    let producer = |_| {
        let (go, gone) = channel(1);
        spawn_local(produce(gone, feed.clone()));
        go
    };
    let producers: Vec<Sender<()>> = (0..PRODUCERS).map(producer).collect();
    let ended = spawn_local(async move {
        let (rounds, start, mut sum) = (MESSAGES / ROUND, Instant::now(), 0_u64);
        for _ in 0..rounds {
            producers.iter().for_each(|go| go.try_send(()).expect("it has produced"));
            for _ in 0..ROUND {
                sum = sum.wrapping_add(items.recv().await.expect("every item arrives"));
            }
        }
        assert_eq!(sum, rounds * PRODUCERS * (BURST * (BURST - 1) / 2));
        each(start, rounds * ROUND)
    });
    ended.await.expect("it does not panic")
}

async fn ask() -> f64 {
    let (sum, mut questions) = channel::<(u64, oneshot::Sender<u64>)>(64);
    spawn_local(async move {
        let mut sum = 0_u64;
        while let Some((more, reply)) = questions.recv().await {
            sum += more;
            reply.send(sum).expect("the answer is waited for");
        }
    });
    let ended = spawn_local(async move {
        let (start, mut last) = (Instant::now(), 0);
        for _ in 0..MESSAGES {
            let (reply, answer) = oneshot::channel();
            sum.try_send((1, reply)).expect("there is room");
            last = answer.await.expect("every question is answered");
        }
        assert_eq!(last, MESSAGES);
        each(start, MESSAGES)
    });
    ended.await.expect("it does not panic")
}

async fn mingle() -> f64 {
    let hops = MESSAGES / GUESTS as u64;
    let (over, mut ends) = channel(GUESTS);
    let (guests, inboxes): (Vec<Sender<u64>>, Vec<_>) = (0..GUESTS).map(|_| channel(128)).unzip();
    for (index, mut inbox) in inboxes.into_iter().enumerate() {
        let others: Vec<_> = (1..GUESTS).map(|further| guests[(index + further) % GUESTS].clone()).collect();
        let (over, mut turn) = (over.clone(), 0);
        spawn_local(async move {
            while let Some(left) = inbox.recv().await {
                if left == 0 {
                    over.try_send(()).expect("there is room");
                    continue;
                }
                others[turn].try_send(left - 1).expect("there is room");
                turn = if turn + 1 == others.len() { 0 } else { turn + 1 };
            }
        });
    }
    settle(GUESTS).await;
    let start = Instant::now();
    guests.iter().for_each(|guest| guest.try_send(hops).expect("there is room"));
    for _ in 0..GUESTS {
        ends.recv().await.expect("every ball is passed on");
    }
    each(start, hops * GUESTS as u64)
}

/// What the actors of a tree share.
struct Tree {
    leaves: Cell<u64>,
    over: Sender<()>,
}

/// Gets one message, and ends.
async fn node(mut inbox: Receiver<u32>, tree: Rc<Tree>) {
    match inbox.recv().await.expect("it gets one message") {
        0 => {
            tree.leaves.set(tree.leaves.get() - 1);
            if tree.leaves.get() == 0 {
                tree.over.try_send(()).expect("there is room");
            }
        }
        depth => (0..crowd::BRANCHES).for_each(|_| plant(depth - 1, &tree)),
    }
}

fn plant(depth: u32, tree: &Rc<Tree>) {
    let (own, inbox) = channel(1);
    spawn_local(node(inbox, tree.clone()));
    own.try_send(depth).expect("there is room");
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
    let (runtime, local) = (runtime(), LocalSet::new());
    let spawn = |count| {
        local.block_on(&runtime, async move {
            for _ in 0..count {
                let (own, mut inbox) = channel::<u64>(64);
                let state = 0_u64;
                spawn_local(async move { while inbox.recv().await.is_some_and(|more| more != state) {} });
                std::mem::forget(own);
            }
            settle(count).await;
        });
    };
    let bytes = crowd::slope(IDLE, spawn) - size_of::<u64>() as f64;
    // A process of its own ends here; a million tasks need not be taken apart.
    std::mem::forget(local);
    bytes
}
