//! Messages within a process, as other runtimes pass them on one thread: one line per figure.
//!
//! Knows: the same games that `cargo bench --bench messaging` plays. Must not know how Odeon plays them.

// What is measured beside reads the clock by itself.
#![allow(clippy::disallowed_methods)]

use std::time::Instant;

use kameo::Actor;
use kameo::actor::ActorRef;
use kameo::message::{Context, Message};
use odeon_peers::report;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

const HOPS: u64 = 1_000_000;

/// Two tasks and two channels: a ball goes to and fro.
async fn tokio_ping_pong() {
    let (to_second, mut at_second) = mpsc::channel::<u64>(64);
    let (to_first, mut at_first) = mpsc::channel::<u64>(64);
    tokio::task::spawn_local(async move {
        while let Some(ball) = at_second.recv().await {
            if to_first.send(ball + 1).await.is_err() {
                return;
            }
        }
    });
    let start = Instant::now();
    let mut ball = 0;
    while ball < HOPS {
        to_second.send(ball + 1).await.expect("the second plays");
        ball = at_first.recv().await.expect("the second plays");
    }
    report("tokio mpsc, ping-pong, per hop", HOPS, start);
}

/// One task sends, the other counts.
async fn tokio_stream() {
    let (sender, mut receiver) = mpsc::channel::<u64>(1024);
    let counted = tokio::task::spawn_local(async move {
        let mut sum = 0;
        while let Some(number) = receiver.recv().await {
            sum += number;
        }
        sum
    });
    let start = Instant::now();
    for number in 0..HOPS {
        sender.send(number).await.expect("the other counts");
    }
    drop(sender);
    assert_eq!(counted.await.expect("it does not panic"), HOPS * (HOPS - 1) / 2);
    report("tokio mpsc, stream, per message", HOPS, start);
}

/// Hits every ball back until it has gone to and fro often enough.
#[derive(Actor)]
struct Player {
    other: Option<ActorRef<Player>>,
    done: Option<oneshot::Sender<()>>,
}

struct Meet(ActorRef<Player>);
struct Ball(u64);

impl Message<Meet> for Player {
    type Reply = ();

    async fn handle(&mut self, Meet(other): Meet, _: &mut Context<Self, ()>) {
        self.other = Some(other);
    }
}

impl Message<Ball> for Player {
    type Reply = ();

    async fn handle(&mut self, Ball(hops): Ball, _: &mut Context<Self, ()>) {
        match (&self.other, self.done.take()) {
            (_, Some(done)) if hops >= HOPS => done.send(()).expect("the game is waited for"),
            (Some(other), done) => {
                self.done = done;
                other.tell(Ball(hops + 1)).await.expect("the other plays");
            }
            (None, _) => unreachable!("they meet before they play"),
        }
    }
}

async fn kameo_ping_pong() {
    let (done, end) = oneshot::channel();
    let first = Player::spawn(Player { other: None, done: Some(done) });
    let second = Player::spawn(Player { other: Some(first.clone()), done: None });
    first.ask(Meet(second)).await.expect("it lives");
    let start = Instant::now();
    first.tell(Ball(0)).await.expect("it lives");
    end.await.expect("the game ends");
    report("kameo, ping-pong, per hop", HOPS, start);
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let local = LocalSet::new();
    local.run_until(tokio_ping_pong()).await;
    local.run_until(tokio_stream()).await;
    kameo_ping_pong().await;
}
