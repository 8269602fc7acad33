//! Questions, tasks and asynchronous handlers take no memory once everything is warm, or as much as they say.

use std::future::poll_fn;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::task::Poll;

use odeon::prelude::*;
use odeon::{Timeout, task};

use crate::heap;
use crate::runner::{PATIENCE, Runner, allocations, system, when_warm};

const ROUNDS: u64 = 2_000;

/// How an asker waits for its answers.
#[derive(Debug, Clone, Copy, PartialEq)]
enum How {
    Then,
    /// By a future beside its messages, one for all questions.
    Await,
    /// By a handler for each, which borrows the state.
    Exclusive,
    /// By one for each that does not.
    Concurrent,
    /// By a task for each.
    Task,
}

/// Asks another so often, one question after the other.
#[derive(Message)]
struct Ask {
    other: Addr<Player>,
    how: How,
    left: u64,
    done: SyncSender<()>,
}

#[derive(Message)]
#[message(reply = u64)]
struct Double(u64);

struct Player;

#[actor]
impl Player {
    #[message]
    fn begin(&mut self, ask: Ask, cx: &mut Context<Self>) -> Flow {
        next(ask, cx)
    }

    #[message]
    fn double(&mut self, Double(number): Double) -> u64 {
        number * 2
    }
}

/// The next question, until none is left.
fn next(ask: Ask, cx: &mut Context<Player>) -> Flow {
    let Ask { other, how, left, done } = ask;
    if left == 0 {
        done.send(()).expect("the test waits for it");
        return Flow::Continue;
    }
    let more = Ask { other, how, left: left - 1, done };
    let me = cx.me();
    let again = move |more| assert!(me.tell(more).is_ok(), "there is room for one");
    match how {
        How::Then => other.ask(Double(left)).then(cx, move |_: &mut Player, answer, cx| {
            assert_eq!(answer, Ok(left * 2));
            next(more, cx)
        }),
        How::Await => {
            return cx.concurrent("asks", Timeout::Never, async move {
                for left in (0..left).rev() {
                    assert_eq!(other.ask(Double(left)).await, Ok(left * 2));
                }
                again(Ask { left: 0, ..more });
                Flow::Continue
            });
        }
        How::Exclusive => {
            return cx.exclusive(
                "asks",
                Timeout::Default,
                async move |_: &mut Player, _: &mut Context<Player>| {
                    yield_now().await;
                    again(more);
                    Flow::Continue
                },
            );
        }
        How::Concurrent => {
            return cx.concurrent("asks", Timeout::Default, async move {
                yield_now().await;
                again(more);
                Flow::Continue
            });
        }
        How::Task => drop(task::spawn(async move {
            yield_now().await;
            again(more);
        })),
    }
    Flow::Continue
}

async fn yield_now() {
    let mut polled = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Each core makes so many allocations while a player asks another, on the same core or on another one, once everything is warm.
fn takes(how: How, cores: usize, expected: [u64; 2]) {
    let system = system(BackendChoice::Auto, cores, |_| {}).expect("one of the backends is there");
    let [asker, other] =
        [0, 1].map(|core| system.spawn_on(core, Player).expect("there is room for a player"));
    let runners = [0, 1].map(|core| system.spawn_on(core, Runner).expect("there is room for a runner"));
    let (done, end) = sync_channel(1);
    let ask = || {
        asker.tell(Ask { other, how, left: ROUNDS, done: done.clone() }).or_dead_letter();
        end.recv_timeout(PATIENCE).expect("every answer comes");
        runners.map(allocations)
    };
    ask();
    let mut before = ask();
    let mut taken = || {
        let after = ask();
        let before = std::mem::replace(&mut before, after);
        [after[0] - before[0], after[1] - before[1]]
    };
    // On one core nothing depends on how busy the machine is.
    let taken = if cores == 1 { taken() } else { when_warm(expected, taken) };
    assert_eq!(taken, expected, "{how:?} on {cores}");
    system.shutdown();
}

#[test]
fn a_question_takes_no_memory_on_one_core() {
    takes(How::Then, 1, [0; 2]);
}

#[test]
fn a_question_to_another_core_takes_no_memory() {
    takes(How::Then, 2, [0; 2]);
}

#[test]
fn an_answer_that_a_future_waits_for_takes_one_allocation() {
    // Both are counted on one core where there is only one.
    takes(How::Await, 1, [ROUNDS; 2]);
    takes(How::Await, 2, [ROUNDS, 0]);
}

#[test]
fn an_asynchronous_handler_takes_no_memory() {
    takes(How::Exclusive, 1, [0; 2]);
    takes(How::Concurrent, 1, [0; 2]);
}

#[test]
fn a_task_takes_one_allocation() {
    takes(How::Task, 1, [ROUNDS; 2]);
}

#[test]
fn a_thread_that_waits_takes_two_allocations_and_the_core_none() {
    let system = system(BackendChoice::Auto, 1, |_| {}).expect("one of the backends is there");
    let player = system.spawn(Player).expect("there is room for a player");
    let runner = system.spawn(Runner).expect("there is room for a runner");
    let ask = || {
        let before = heap::allocations();
        for number in 0..ROUNDS {
            assert_eq!(player.ask(Double(number)).wait(), Ok(number * 2));
        }
        heap::allocations() - before
    };
    ask();
    let mut before = allocations(runner);
    let taken = when_warm([0; 2], || {
        let beyond_two_each = ask().saturating_sub(2 * ROUNDS);
        let after = allocations(runner);
        [beyond_two_each, after - std::mem::replace(&mut before, after)]
    });
    assert_eq!(taken, [0; 2]);
    system.shutdown();
}
