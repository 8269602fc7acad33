//! What asynchronous code of an actor costs that does not wait for anything outside.

use std::future::poll_fn;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Poll;

use odeon::Timeout;
use odeon::prelude::*;
use odeon::sys::{Time, now};

use crate::stage::system;

#[derive(Message)]
enum Work {
    /// Run so many asynchronous handlers, one after the other.
    Handlers(u64),
    /// Have a future wake itself so many times.
    Wakes(u64),
}

struct Worker {
    started: Time,
    report: Sender<f64>,
}

impl Accepts<Work> for Worker {
    fn accept(message: Work) -> Work {
        message
    }
}

impl Actor for Worker {
    type Message = Work;

    fn handle(&mut self, work: Work, cx: &mut Context<Self>) -> Flow {
        if self.started == Time::ZERO {
            self.started = now();
        }
        match work {
            Work::Handlers(0) => self.end(),
            Work::Handlers(left) => cx.exclusive("Worker::handlers", Timeout::Default, async move |_, cx| {
                cx.me().tell(Work::Handlers(left - 1)).or_dead_letter();
                Flow::Continue
            }),
            Work::Wakes(mut left) => {
                let me = cx.handle();
                cx.concurrent("Worker::wakes", Timeout::Default, async move {
                    poll_fn(|cx| {
                        if left == 0 {
                            return Poll::Ready(());
                        }
                        left -= 1;
                        cx.waker().wake_by_ref();
                        Poll::Pending
                    })
                    .await;
                    me.with(|worker, _| worker.end()).unwrap_or(Flow::Fail)
                })
            }
        }
    }
}

impl Worker {
    fn end(&mut self) -> Flow {
        let took = now().since(self.started).as_nanos() as f64;
        self.started = Time::ZERO;
        self.report.send(took).expect("the bench waits for the end");
        Flow::Continue
    }
}

/// A worker on a core of its own.
struct Bench {
    worker: Addr<Worker>,
    ends: Receiver<f64>,
    /// Ends with the worker.
    _system: System,
}

impl Bench {
    fn new() -> Bench {
        let system = system(1);
        let (report, ends) = channel();
        let worker = Worker { started: Time::ZERO, report };
        let worker = system.spawn(worker).expect("there is room for a worker");
        Bench { worker, ends, _system: system }
    }

    fn run(&self, work: fn(u64) -> Work, count: u64) -> f64 {
        self.worker.tell(work(count)).or_dead_letter();
        self.ends.recv().expect("all work is done") / count as f64
    }
}

/// A message, and an asynchronous handler that borrows the state and does not wait.
pub(crate) fn exclusive_handler() -> impl FnMut() -> f64 {
    let bench = Bench::new();
    move || bench.run(Work::Handlers, 50_000)
}

/// A future wakes itself, and is polled again.
pub(crate) fn task_wake() -> impl FnMut() -> f64 {
    let bench = Bench::new();
    move || bench.run(Work::Wakes, 100_000)
}
