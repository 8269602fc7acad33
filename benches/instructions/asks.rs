//! Questions, and asynchronous code that does not wait.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use odeon::Timeout;
use odeon::prelude::*;

use crate::workbench;

#[derive(Message)]
#[message(reply = u64)]
struct Add(u64);

struct Sum(u64);

#[actor]
impl Sum {
    #[message]
    fn add(&mut self, Add(more): Add) -> u64 {
        self.0 = self.0.wrapping_add(more);
        self.0
    }
}

/// Asks the next question when one is answered, `width` of them at a time.
struct Asker {
    sum: Addr<Sum>,
    width: u64,
    left: u64,
    last: u64,
    over: Rc<Cell<bool>>,
}

impl Actor for Asker {
    type Message = Never;

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        (0..self.width).for_each(|_| self.ask(cx));
        Flow::Continue
    }

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

impl Asker {
    fn ask(&mut self, cx: &mut Context<Self>) {
        self.sum.ask(Add(1)).then(cx, |asker: &mut Asker, sum, cx| {
            asker.last = sum.expect("every question is answered");
            match asker.left {
                0 => asker.over.set(true),
                _ => {
                    asker.left -= 1;
                    asker.ask(cx);
                }
            }
        });
    }
}

fn ask(cores: usize, width: u64, count: u64) {
    let (mut bench, over) = (workbench(cores), Rc::new(Cell::new(false)));
    let sum = bench.spawn_on(0, Sum(0)).expect("there is room for two");
    let asker = Asker { sum, width, left: count, last: 0, over: over.clone() };
    bench.spawn_on(cores - 1, asker).expect("there is room for two");
    bench.run_until(|| over.get());
}

pub(crate) fn one(count: u64) {
    ask(1, 1, count);
}

pub(crate) fn many(count: u64) {
    ask(1, 64, count);
}

/// What both cores need for it together, and their turns.
pub(crate) fn many_across(count: u64) {
    ask(2, 64, count);
}

struct Worker {
    left: u64,
    over: Rc<Cell<bool>>,
}

#[derive(Message)]
struct Work;

impl Accepts<Work> for Worker {
    fn accept(message: Work) -> Work {
        message
    }
}

impl Actor for Worker {
    type Message = Work;

    fn handle(&mut self, _: Work, cx: &mut Context<Self>) -> Flow {
        cx.exclusive("Worker::work", Timeout::Default, async move |worker: &mut Worker, cx| {
            match worker.left {
                0 => worker.over.set(true),
                _ => {
                    worker.left -= 1;
                    cx.me().tell(Work).or_dead_letter();
                }
            }
            Flow::Continue
        })
    }
}

pub(crate) fn exclusive_handler(count: u64) {
    let (mut bench, over) = (workbench(1), Rc::new(Cell::new(false)));
    let worker = Worker { left: count, over: over.clone() };
    bench.spawn_on(0, worker).expect("there is room for one").tell(Work).or_dead_letter();
    bench.run_until(|| over.get());
}

/// Wakes itself until it has been polled so often.
struct Waker {
    left: u64,
    over: Rc<Cell<bool>>,
}

impl Actor for Waker {
    type Message = Never;

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        let (mut left, over) = (self.left, self.over.clone());
        cx.concurrent("Waker::wake", Timeout::Default, async move {
            poll_fn(|cx| {
                if left == 0 {
                    over.set(true);
                    return Poll::Ready(());
                }
                left -= 1;
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            Flow::Continue
        })
    }

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

pub(crate) fn task_wake(count: u64) {
    let (mut bench, over) = (workbench(1), Rc::new(Cell::new(false)));
    bench.spawn_on(0, Waker { left: count, over: over.clone() }).expect("there is room for one");
    bench.run_until(|| over.get());
}

/// Awaits one answer after the other, beside its messages or before them.
struct Awaiter {
    sum: Addr<Sum>,
    left: u64,
    exclusive: bool,
    over: Rc<Cell<bool>>,
}

impl Actor for Awaiter {
    type Message = Never;

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        let (sum, left, over) = (self.sum, self.left, self.over.clone());
        match self.exclusive {
            false => cx.concurrent("Awaiter::ask", Timeout::Never, ask_each(sum, left, over)),
            true => cx
                .exclusive("Awaiter::ask", Timeout::Never, async move |_, _| ask_each(sum, left, over).await),
        }
    }

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

async fn ask_each(sum: Addr<Sum>, left: u64, over: Rc<Cell<bool>>) -> Flow {
    for _ in 0..left {
        sum.ask(Add(1)).await.expect("every question is answered");
    }
    over.set(true);
    Flow::Continue
}

fn await_each(cores: usize, exclusive: bool, count: u64) {
    let (mut bench, over) = (workbench(cores), Rc::new(Cell::new(false)));
    let sum = bench.spawn_on(0, Sum(0)).expect("there is room for two");
    let awaiter = Awaiter { sum, left: count, exclusive, over: over.clone() };
    bench.spawn_on(cores - 1, awaiter).expect("there is room for two");
    bench.run_until(|| over.get());
}

pub(crate) fn awaited(count: u64) {
    await_each(1, false, count);
}

pub(crate) fn awaited_exclusively(count: u64) {
    await_each(1, true, count);
}

pub(crate) fn awaited_across(count: u64) {
    await_each(2, false, count);
}

pub(crate) fn awaited_exclusively_across(count: u64) {
    await_each(2, true, count);
}
