//! What keeps others waiting, and what does not.
//!
//! Knows: who has something to do, and what a client is owed. Must not know queues or budgets.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use odeon::prelude::*;
use odeon::system::simulation::{Simulation, SimulationConfig};
use odeon::time::sleep;
use odeon::{HandleError, Timeout};

struct Worker;

#[actor]
impl Worker {
    #[call]
    fn job(&mut self) {}
}

/// Has one worker after the other do a job, and stops it.
struct Manager {
    jobs: Rc<Cell<u64>>,
    asked: Rc<Cell<u64>>,
}

#[actor]
impl Manager {
    #[started]
    fn begin(&mut self, cx: &mut Context<Self>) {
        for _ in 0..4 {
            self.next(cx);
        }
    }

    #[call]
    fn ping(&mut self) {
        self.asked.set(self.asked.get() + 1);
    }
}

impl Manager {
    fn next(&self, cx: &mut Context<Self>) {
        let Ok(worker) = cx.spawn(Worker) else { return };
        worker.job().then(cx, move |me, _, cx| {
            me.jobs.set(me.jobs.get() + 1);
            worker.stop();
            me.next(cx);
        });
    }
}

#[test]
fn continuations_that_stop_others_keep_no_messages_waiting() {
    let mut simulation = Simulation::new(SimulationConfig::new(1)).expect("the limits are possible");
    let (jobs, asked) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let manager = Manager { jobs: jobs.clone(), asked: asked.clone() };
    let manager = simulation.spawn_on(0, manager).expect("there is room");
    for _ in 0..1_000 {
        simulation.step();
    }
    let before = jobs.get();
    let _waiting: Vec<_> = (0..10).map(|_| manager.ping().into_future()).collect();
    for _ in 0..1_000 {
        simulation.step();
    }
    assert_eq!(asked.get(), 10);
    assert!(jobs.get() > before, "it had something else to do all the time");
}

/// Takes its time.
struct Clerk;

#[actor]
impl Clerk {
    #[call]
    async fn work(&mut self) {
        sleep(Duration::from_millis(1)).await;
    }
}

/// How a line is answered a while later.
#[derive(Debug, Clone, Copy)]
enum Manner {
    Exclusive,
    Concurrent,
    /// By a handler that borrows the state, begun by one that runs beside others.
    OneByTheOther,
    /// By the continuation of a question.
    Asks,
}

/// Answers each line a while later.
struct Slow {
    manner: Manner,
}

#[actor(codec = Lines<64>)]
impl Slow {
    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        let (line, me) = (line.to_owned(), cx.handle());
        match self.manner {
            Manner::Exclusive => Slow::answer_later(line, cx),
            Manner::Concurrent => cx.concurrent("Slow::line", Timeout::Default, async move {
                sleep(Duration::from_millis(1)).await;
                me.with(|_, cx| cx.write_line(&line)).expect("its connection waits for it");
                Flow::Continue
            }),
            Manner::OneByTheOther => cx.concurrent("Slow::line", Timeout::Default, async move {
                sleep(Duration::from_millis(1)).await;
                while me.with(|_, cx| Slow::answer_later(line.clone(), cx)) == Err(HandleError::Busy) {
                    sleep(Duration::from_millis(1)).await;
                }
                Flow::Continue
            }),
            Manner::Asks => {
                let clerk = cx.spawn(Clerk).expect("there is room");
                clerk.work().then(cx, move |_, _, cx| cx.write_line(&line));
                Flow::Continue
            }
        }
    }
}

impl Slow {
    fn answer_later(line: String, cx: &mut Context<Slow>) -> Flow {
        cx.exclusive("Slow::line", Timeout::Default, async move |_: &mut Slow, cx: &mut Context<Slow>| {
            sleep(Duration::from_millis(1)).await;
            cx.write_line(&line);
            Flow::Continue
        })
    }
}

#[test]
fn a_client_that_has_ended_its_stream_gets_what_handlers_have_begun() {
    for manner in [Manner::Exclusive, Manner::Concurrent, Manner::OneByTheOther, Manner::Asks] {
        let mut world = crate::world::World::new();
        let mut client = world.connect(move || Slow { manner });
        client.write(b"one\ntwo\n");
        client.shutdown_write();
        world.run_for(Duration::from_millis(50));
        assert_eq!(client.read(100), b"one\ntwo\n", "{manner:?}");
    }
}
