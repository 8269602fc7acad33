//! Every way to wait for an answer, for cases that must come out the same whichever is taken.
//!
//! Knows: who can wait, and where. Must not know what is asked.

use std::sync::mpsc::{Sender, channel};
use std::thread;

use odeon::prelude::*;
use odeon::{Receiver, Timeout, task};

use crate::puppet::{Act, Puppet, act};
use crate::runner::{Runner, run};
use crate::world::{PATIENCE, World};

pub(crate) type Answer = Result<u64, AskError>;

/// Two systems, of two cores and of one, with somebody on each core who asks.
pub(crate) struct Ways {
    pub(crate) world: World,
    pub(crate) other: World,
    runners: [Addr<Runner>; 3],
    puppets: [Addr<Puppet>; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// A continuation, of an actor on this core, the third being that of another system.
    Then(usize),
    /// A task on this core.
    Task(usize),
    /// An asynchronous handler on this core that borrows the state.
    Exclusive(usize),
    /// One that does not.
    Concurrent(usize),
    /// A thread of the program's own.
    Wait,
    /// Another runtime.
    Tokio { threads: bool },
    /// A thread of another runtime, which it blocks.
    TokioBlocked,
}

pub(crate) const WAYS: [Way; 14] = [
    Way::Then(0),
    Way::Then(1),
    Way::Then(2),
    Way::Task(0),
    Way::Task(1),
    Way::Task(2),
    Way::Exclusive(0),
    Way::Exclusive(1),
    Way::Concurrent(0),
    Way::Concurrent(1),
    Way::Wait,
    Way::Tokio { threads: false },
    Way::Tokio { threads: true },
    Way::TokioBlocked,
];

impl Ways {
    pub(crate) fn new(on: BackendChoice, change: impl Fn(&mut Config)) -> Ways {
        let (mut world, mut other) = (World::with(on, 2, &change), World::with(on, 1, &change));
        let runners = [world.runner(0), world.runner(1), other.runner(0)];
        let puppets = [world.puppet(0), world.puppet(1)];
        Ways { world, other, runners, puppets }
    }

    /// Asks in one way; answers what came of it.
    pub(crate) fn ask<A, const ROOM: u32>(&self, way: Way, ask: Ask<A, Act<ROOM>>) -> Answer
    where
        A: Receiver<Act<ROOM>, Reply = u64>,
    {
        let (told, answers) = channel();
        match way {
            Way::Then(core) => {
                run(self.runners[core], move |cx| {
                    ask.then(cx, move |_: &mut Runner, answer, _| tell(&told, answer));
                    Flow::Continue
                });
            }
            Way::Task(core) => {
                let world = if core == 2 { &self.other } else { &self.world };
                let asked = world.system.spawn_task(core % 2, move || async move { ask.await });
                return asked.expect("the core runs").wait().expect("the task is neither aborted nor panics");
            }
            Way::Exclusive(core) => {
                let begin = act(move |_, cx: &mut Context<Puppet>, _| {
                    cx.exclusive("asks", Timeout::Never, async move |_, _| {
                        told.send(ask.await).expect("the test listens");
                        Flow::Continue
                    })
                });
                self.puppets[core].tell(begin).expect("the puppet takes it");
            }
            Way::Concurrent(core) => {
                let begin = act(move |_, cx: &mut Context<Puppet>, _| {
                    cx.concurrent("asks", Timeout::Never, async move {
                        told.send(ask.await).expect("the test listens");
                        Flow::Continue
                    })
                });
                self.puppets[core].tell(begin).expect("the puppet takes it");
            }
            Way::Wait => return thread::spawn(move || ask.wait()).join().expect("waiting does not panic"),
            Way::Tokio { threads } => {
                let mut builder = match threads {
                    true => tokio::runtime::Builder::new_multi_thread(),
                    false => tokio::runtime::Builder::new_current_thread(),
                };
                let runtime = builder.worker_threads(2).enable_time().build().expect("a runtime starts");
                // Spawned: it may be polled on any thread.
                let asked = runtime.spawn(async move { ask.await });
                return runtime.block_on(asked).expect("the task does not panic");
            }
            Way::TokioBlocked => {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
                return runtime.block_on(async move { ask.wait() });
            }
        }
        answers.recv_timeout(PATIENCE).expect("exactly one answer, and it comes")
    }

    /// Whatever is sent after this is received in a turn whose look at the clock comes after the call as well: what tells its ledger
    /// has received all that this turn does.
    pub(crate) fn begin_turns(&self) {
        self.world.ledgers();
        self.other.ledgers();
    }

    /// Asks in every way, each time what `ask` makes, and expects the same of all.
    pub(crate) fn all<A, const ROOM: u32>(&self, expected: Answer, ask: impl Fn(&Ways) -> Ask<A, Act<ROOM>>)
    where
        A: Receiver<Act<ROOM>, Reply = u64>,
    {
        for way in WAYS {
            assert_eq!(self.ask(way, ask(self)), expected, "{way:?}");
        }
    }

    /// The end of a case.
    pub(crate) fn finish(self) {
        self.world.finish();
        self.other.finish();
    }
}

/// Tells the test, which may not want to know any more.
pub(crate) fn tell<T>(told: &Sender<T>, what: T) {
    let _ = told.send(what);
}

/// Keeps a core from everything else until this is dropped.
pub(crate) struct Held {
    _let_go: Sender<()>,
}

/// When this returns, the core of the runner stands still.
pub(crate) fn hold(runner: Addr<Runner>) -> Held {
    let (let_go, until) = channel::<()>();
    let (hold, held) = channel();
    run(runner, move |_| {
        hold.send(()).expect("the test waits for it");
        // Whether it is let go in time is seen by those who wait for what comes then.
        let _ = until.recv_timeout(PATIENCE);
        Flow::Continue
    });
    held.recv_timeout(PATIENCE).expect("the runner runs");
    Held { _let_go: let_go }
}

/// A task of the core of this thread that asks, and tells what came of it.
pub(crate) fn spawn_asker<const ROOM: u32>(
    ask: Ask<Puppet<ROOM>, Act<ROOM>>,
    told: Sender<Answer>,
) -> task::JoinHandle<()> {
    task::spawn(async move {
        tell(&told, ask.await);
    })
}
