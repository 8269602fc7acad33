//! Replies: kept for later, passed on, given from anywhere; and what becomes of them when nobody waits any more.
//!
//! Knows: who answers, and when. Must not know the reasons why there is no answer.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use odeon::prelude::*;
use odeon::task;

use crate::puppet::{Act, Gate, Puppet, act, done, keep, note, notes, number, until_kept};
use crate::runner::{Runner, on_core, run};
use crate::ways::{Answer, WAYS, Ways, hold, spawn_asker, tell};
use crate::world::{PATIENCE, World, until};

/// Hands the reply to the test.
fn hand_over(told: &Sender<Reply<u64>>) -> Act {
    let told = told.clone();
    act(move |_: &mut Puppet, _, reply| told.send(reply).expect("the test listens"))
}

fn next<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(PATIENCE).expect("it is told")
}

pub(crate) fn an_answer_may_come_later_and_from_anywhere(on: BackendChoice) {
    let mut ways = Ways::new(on, |_| {});
    let puppets = [ways.world.puppet(0), ways.world.puppet(1), ways.other.puppet(0)];
    for asked in puppets {
        // From a thread of the program's own.
        let (told, replies) = channel();
        let answerer = thread::spawn(move || {
            for reply in replies {
                Reply::send(reply, 7);
            }
        });
        ways.all(Ok(7), |_| asked.ask(hand_over(&told)));
        drop(told);
        answerer.join().expect("answering does not panic");
        // By another actor, wherever it is.
        for other in puppets {
            ways.all(Ok(8), |_| {
                asked.ask(act(move |_: &mut Puppet, _, reply| {
                    other.tell(act(move |_, _, _| reply.send(8))).expect("there is room");
                }))
            });
        }
        // By a task, after a while.
        ways.all(Ok(9), |_| {
            asked.ask(act(|_: &mut Puppet, _, reply| {
                drop(task::spawn(async move {
                    crate::puppet::yield_now().await;
                    reply.send(9);
                }));
            }))
        });
    }
    ways.finish();
}

pub(crate) fn a_reply_that_is_dropped_anywhere_tells_the_asker(on: BackendChoice) {
    let mut ways = Ways::new(on, |_| {});
    let puppets = [ways.world.puppet(0), ways.world.puppet(1), ways.other.puppet(0)];
    let (told, replies) = channel();
    let dropper = thread::spawn(move || replies.into_iter().for_each(drop::<Reply<u64>>));
    for asked in puppets {
        ways.all(Err(AskError::Unanswered), |_| asked.ask(hand_over(&told)));
    }
    drop(told);
    dropper.join().expect("dropping does not panic");
    ways.finish();
}

pub(crate) fn a_question_is_forwarded_along_a_chain(on: BackendChoice) {
    /// Passes the question on so often, to the others in turn.
    fn hop(hops: u64, chain: [Addr<Puppet>; 4]) -> Act {
        act(move |_: &mut Puppet, _, reply| match hops {
            0 => reply.send(11),
            hops => chain[hops as usize % 4].ask(hop(hops - 1, chain)).forward(reply),
        })
    }

    let mut ways = Ways::new(on, |_| {});
    let chain = [ways.world.puppet(0), ways.world.puppet(1), ways.other.puppet(0), ways.world.puppet(1)];
    for hops in [1, 2, 3, 50] {
        ways.all(Ok(11), |_| chain[0].ask(hop(hops, chain)));
    }
    // To one who does not exist any more.
    let gone = ways.world.mortal::<64>(0).0;
    gone.stop();
    ways.world.settle();
    for asked in chain {
        ways.all(Err(AskError::Stopped), |_| {
            asked.ask(act(move |_: &mut Puppet, _, reply| gone.ask(number(1)).forward(reply)))
        });
    }
    // From a thread of the program's own.
    let (told, replies) = channel();
    let forwarder = thread::spawn(move || replies.into_iter().for_each(|reply| gone_or(chain[1], reply)));
    ways.all(Ok(12), |_| chain[0].ask(hand_over(&told)));
    drop(told);
    forwarder.join().expect("forwarding does not panic");
    ways.finish();
}

pub(crate) fn the_time_of_whoever_asked_first_goes_along_with_a_question(on: BackendChoice) {
    const SHORT: Duration = Duration::from_millis(3);
    let mut ways = Ways::new(on, |_| {});
    let (near, far) = (ways.world.puppet(0), ways.world.puppet(1));
    let blocker = ways.world.runner(1);
    // Neither a shorter time of whoever passes it on says anything ...
    ways.all(Ok(5), |_| {
        near.ask(act(move |_: &mut Puppet, _, reply| {
            far.ask(number(5)).timeout(Duration::ZERO).forward(reply);
        }))
    });
    // ... nor a longer one: when it comes up at last, nobody waits.
    let held = hold(blocker);
    for hops in 0..3 {
        let ask = near.ask(along(hops, near, far)).timeout(SHORT);
        assert_eq!(ask.wait(), Err(AskError::Timeout), "{hops}");
    }
    // Elsewhere the time is not known to the millisecond.
    let over = odeon::sys::now().after(SHORT * 2);
    until("the time of all to be over", || odeon::sys::now() > over);
    drop(held);
    // Whoever waited has not waited for the core that passes it on either.
    ways.world.wait_for_figure("each to be skipped", 3, |ledger| ledger.skipped);
    assert_eq!((notes(far), ways.world.sum(|ledger| ledger.skipped)), (vec![], 3));
    ways.finish();
}

/// Passes the question on to `far`, which is to note it, after so many hops.
fn along(hops: u32, near: Addr<Puppet>, far: Addr<Puppet>) -> Act {
    act(move |_: &mut Puppet, _, reply| match hops {
        0 => far.ask(note(1)).timeout(Duration::MAX).forward(reply),
        hops => near.ask(along(hops - 1, near, far)).timeout(Duration::MAX).forward(reply),
    })
}

fn gone_or(puppet: Addr<Puppet>, reply: Reply<u64>) {
    puppet.ask(number(12)).forward(reply);
}

pub(crate) fn a_question_is_forwarded_to_a_full_mailbox_and_the_asker_is_told(on: BackendChoice) {
    let mut ways = Ways::new(on, |_| {});
    let asked = ways.world.puppet(0);
    let runners = [ways.world.runner(0), ways.world.runner(1)];
    for (core, runner) in runners.into_iter().enumerate() {
        for way in WAYS {
            let (full, _) = ways.world.mortal::<1>(core);
            let gate = Gate::default();
            let closed = gate.clone();
            let wait = act(move |_, cx: &mut Context<Puppet<1>>, _| {
                cx.exclusive("waits", odeon::Timeout::Never, async move |_, _| {
                    closed.pass().await;
                    Flow::Stop
                })
            });
            full.tell(wait).expect("there is room");
            gate.until_somebody_waits();
            on_core(runner, move |_| full.tell(note(1)).expect("there is room for one"));
            let forwards = act(move |_: &mut Puppet, _, reply| full.ask(note(2)).forward(reply));
            assert_eq!(ways.ask(way, asked.ask(forwards)), Err(AskError::Full), "{way:?}");
            gate.open();
        }
    }
    ways.finish();
}

/// Whether the reply that a puppet keeps has closed.
fn is_closed(puppet: Addr<Puppet>) -> bool {
    let look = act(|me: &mut Puppet, _, reply| {
        let closed = me.kept[0].is_closed();
        // As often as it is looked at.
        reply.send(u64::from(closed == me.kept[0].is_closed()) * (1 + u64::from(closed)));
    });
    let seen = puppet.ask(look).timeout(PATIENCE).wait().expect("the puppet answers");
    assert_ne!(seen, 0, "what is closed stays so");
    seen == 2
}

fn until_closed(puppet: Addr<Puppet>) {
    until("the reply to close", || is_closed(puppet));
    let clear = act(|me: &mut Puppet, _, _| me.kept.drain(..).for_each(|reply| reply.send(7)));
    puppet.tell(clear).expect("there is room");
    done(puppet);
}

pub(crate) fn a_reply_closes_when_its_asker_ends_or_gives_up(on: BackendChoice) {
    let mut world = World::new(on, 2);
    for core in [0, 1] {
        let puppet = world.puppet(core);
        // The asking actor ends.
        let (asker, end) = world.mortal::<64>(0);
        let asks = act(move |_, cx: &mut Context<Puppet>, reply| {
            puppet.ask(keep()).then(cx, |_: &mut Puppet, _, _| -> Flow { panic!("its actor has ended") });
            reply.send(0);
        });
        assert_eq!(asker.ask(asks).wait(), Ok(0));
        until_kept(puppet, 1);
        assert!(!is_closed(puppet));
        asker.stop();
        assert_eq!(end.reason(), StopReason::Stopped);
        until_closed(puppet);
        // A future is dropped that waits for it.
        abort_askers(&world, puppet);
        // The time is over.
        // It may be over before the question has its turn, which is skipped then.
        let times = (0..14).map(|doublings| Duration::from_millis(3 << doublings));
        let kept = |time| {
            assert_eq!(puppet.ask(keep()).timeout(time).wait(), Err(AskError::Timeout));
            puppet.ask(act(|me: &mut Puppet, _, reply| reply.send(me.kept.len() as u64))).wait() == Ok(1)
        };
        assert!(times.into_iter().any(kept), "a question has its turn");
        until_closed(puppet);
    }
    world.finish();
}

/// Asks in a task that is aborted once the question has arrived.
fn abort_askers(world: &World, puppet: Addr<Puppet>) {
    let asking = world.system.spawn_task(0, move || async move { puppet.ask(keep()).await });
    let asking = asking.expect("the core runs");
    until_kept(puppet, 1);
    assert!(!is_closed(puppet));
    asking.abort();
    assert_eq!(asking.wait(), Err(task::JoinError::Aborted));
    until_closed(puppet);
}

pub(crate) fn questions_that_nobody_waits_for_are_skipped_and_counted(on: BackendChoice) {
    let mut world = World::new(on, 2);
    let (blocker, puppet) = (world.runner(1), world.puppet(1));
    let near = world.puppet(0);
    // On one core: the asker ends before its question has its turn.
    let (asker, end) = world.mortal::<64>(0);
    let asks = act(move |_, cx: &mut Context<Puppet>, _| {
        for number in 0..10 {
            near.ask(note(number)).then(cx, |_: &mut Puppet, _, _| ());
        }
        Flow::Stop
    });
    asker.tell(asks).expect("there is room");
    end.reason();
    assert_eq!((notes(near), world.sum(|ledger| ledger.skipped)), (vec![], 10));
    // From another core, which is heard when this one goes on.
    let held = hold(blocker);
    let (asker, end) = world.mortal::<64>(0);
    let asks = act(move |_, cx: &mut Context<Puppet>, _| {
        for number in 0..10 {
            puppet.ask(note(number)).then(cx, |_: &mut Puppet, _, _| ());
        }
        Flow::Stop
    });
    asker.tell(asks).expect("there is room");
    end.reason();
    // From a future that is dropped.
    let dropped = world.system.spawn_task(0, move || async move {
        let asking = std::pin::pin!(puppet.ask(note(1)).into_future());
        assert!(odeon::time::timeout(Duration::ZERO, asking).await.is_err());
    });
    assert_eq!(dropped.expect("the core runs").wait(), Ok(()));
    // A turn of its core later, all of them are on their way.
    done(near);
    // From a thread whose time is over.
    for timeout in [Duration::ZERO, Duration::from_millis(3)] {
        assert_eq!(puppet.ask(note(1)).timeout(timeout).wait(), Err(AskError::Timeout));
    }
    drop(held);
    assert_eq!((notes(puppet), world.sum(|ledger| ledger.skipped)), (vec![], 23));
    world.finish();
}

pub(crate) fn a_reply_finds_its_way_though_everything_is_full(on: BackendChoice) {
    const MANY: u64 = 100;
    let mut world = World::with(on, 2, |config| config.lane_capacity = 1024);
    let (near, far) = (world.runner(0), world.runner(1));
    let (asked, _) = world.mortal::<1024>(1);
    world.remember();
    let (asker, end) = world.mortal::<1>(0);
    let (told, answers) = channel();
    let asks = act(move |_: &mut Puppet<1>, cx: &mut Context<Puppet<1>>, _| {
        for number in 0..MANY {
            let told = told.clone();
            asked.ask(keep()).timeout(PATIENCE).then(cx, move |_, answer: Answer, _| {
                told.send((number, answer)).expect("the test listens");
            });
        }
    });
    asker.tell(asks).expect("there is room");
    until_kept(asked, MANY);
    // Its mailbox is full, its core stands still, and the lane to that is full as well.
    on_core(near, move |_| asker.tell(note(1)).expect("there is room for one"));
    done(asker);
    let held = hold(near);
    let filled = on_core(far, move |_| (0..).take_while(|_| near.tell(idle()).is_ok()).count());
    assert!(filled > 0);
    let answer = act(|me: &mut Puppet<1024>, _, _| {
        for (number, reply) in me.kept.drain(..).enumerate() {
            reply.send(number as u64);
        }
    });
    asked.tell(answer).expect("there is room");
    done(asked);
    drop(held);
    let mut got: Vec<_> = (0..MANY).map(|_| next(&answers)).collect();
    got.sort_unstable_by_key(|(number, _)| *number);
    assert!(got.iter().all(|(number, answer)| *answer == Ok(*number)), "{got:?}");
    asker.stop();
    assert_eq!(end.wait(), (StopReason::Stopped, vec![1]));
    assert!(answers.try_recv().is_err(), "nothing is told twice");
    world.finish();
}

fn idle() -> crate::runner::Run {
    crate::runner::Run(Box::new(|_| Flow::Continue))
}

pub(crate) fn an_asker_that_ends_leaves_nothing(on: BackendChoice) {
    crate::panics::quietly();
    let mut world = World::new(on, 2);
    let asked = [world.puppet(0), world.puppet(1)];
    let ends: [fn(&mut Context<Puppet>) -> Flow; 4] = [
        |_| Flow::Stop,
        |_| Flow::Fail,
        |cx| {
            cx.me().abort();
            Flow::Continue
        },
        |_| panic!("as planned"),
    ];
    for end in ends {
        let (asker, ended) = world.mortal::<64>(0);
        let (alive, dropped) = channel::<()>();
        let asks = act(move |_, cx: &mut Context<Puppet>, _| {
            for round in 0..20 {
                let alive = alive.clone();
                let then = move |_: &mut Puppet, _: Answer, _: &mut Context<Puppet>| drop(alive);
                asked[round % 2].ask(keep()).timeout(PATIENCE).then(cx, then);
            }
            end(cx)
        });
        asker.tell(asks).expect("there is room");
        ended.reason();
        assert!(dropped.recv_timeout(PATIENCE).is_err(), "every continuation is dropped");
        for puppet in asked {
            // Those that were handled already are answered in vain.
            let answer = act(|me: &mut Puppet, _, _| me.kept.drain(..).for_each(|reply| reply.send(1)));
            puppet.tell(answer).expect("there is room");
            done(puppet);
        }
        world.settle();
    }
    world.finish();
}

pub(crate) fn a_system_that_ends_tells_whoever_waits_elsewhere(on: BackendChoice) {
    let (world, mut other) = (World::new(on, 1), World::new(on, 1));
    let (puppet, runner) = (world.mortal::<64>(0).0, other.runner(0));
    let (told, answers) = channel();
    for timeout in [PATIENCE, Duration::MAX] {
        let told = told.clone();
        run(runner, move |cx| {
            let theirs = told.clone();
            let then = move |_: &mut Runner, answer, _: &mut Context<Runner>| tell(&told, answer);
            puppet.ask(keep()).timeout(timeout).then(cx, then);
            drop(spawn_asker(puppet.ask(keep()).timeout(timeout), theirs));
            Flow::Continue
        });
    }
    let waiting: Vec<_> =
        (0..3).map(|_| thread::spawn(move || puppet.ask(keep()).timeout(Duration::MAX).wait())).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    let elsewhere = runtime.spawn(puppet.ask(keep()).timeout(Duration::MAX).into_future());
    until_kept(puppet, 8);
    world.system.shutdown();
    for _ in 0..4 {
        assert_eq!(next(&answers), Err(AskError::Stopped));
    }
    for waiting in waiting {
        assert_eq!(waiting.join().expect("no panic"), Err(AskError::Stopped));
    }
    assert_eq!(runtime.block_on(elsewhere).expect("no panic"), Err(AskError::Stopped));
    other.finish();
}

pub(crate) fn an_answer_that_finds_no_room_is_handed_over_though_its_core_ends(on: BackendChoice) {
    let (world, mut other) = (World::new(on, 1), World::with(on, 1, |config| config.inbox_capacity = 1));
    let (puppet, runner) = (world.mortal::<64>(0).0, other.runner(0));
    let (told, answers) = channel();
    run(runner, move |cx| {
        let then = move |_: &mut Runner, answer: Answer, _: &mut Context<Runner>| tell(&told, answer);
        puppet.ask(keep()).timeout(PATIENCE).then(cx, then);
        Flow::Continue
    });
    until_kept(puppet, 1);
    // The core that waits for it stands still, and the way to it is full.
    let held = hold(runner);
    while runner.tell(idle()).is_ok() {}
    let answer = act(|me: &mut Puppet, _, _| me.kept.drain(..).for_each(|reply| reply.send(7)));
    puppet.tell(answer).expect("there is room");
    done(puppet);
    let ending = thread::spawn(move || world.system.shutdown());
    until("the end of the way", || matches!(puppet.tell(note(1)), Err(SendError::Stopped(_))));
    drop(held);
    assert_eq!(next(&answers), Ok(7));
    ending.join().expect("it shuts down");
    other.finish();
}

/// Answers with what panics when it is dropped.
struct Giver(Vec<Reply<Bomb>>);

/// Panics when it is dropped on a core.
#[derive(Debug)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(!thread::current().name().unwrap_or_default().starts_with("odeon-"), "as planned");
    }
}

#[derive(Message)]
#[message(reply = Bomb)]
struct Give {
    later: bool,
}

impl Actor for Giver {
    type Message = Option<(Give, Reply<Bomb>)>;

    fn handle(&mut self, asked: Self::Message, _: &mut Context<Self>) -> Flow {
        match asked {
            Some((Give { later: true }, reply)) => self.0.push(reply),
            Some((Give { later: false }, reply)) => reply.send(Bomb),
            None => self.0.drain(..).for_each(|reply| reply.send(Bomb)),
        }
        Flow::Continue
    }
}

impl Accepts<Give> for Giver {
    fn accept(_: Give) -> Self::Message {
        None
    }

    fn accept_ask(give: Give, reply: Reply<Bomb>) -> Self::Message {
        Some((give, reply))
    }
}

pub(crate) fn an_answer_whose_drop_panics_ends_nobody_else(on: BackendChoice) {
    crate::panics::quietly();
    let mut world = World::new(on, 2);
    let givers = [0, 1].map(|core| world.system.spawn_on(core, Giver(Vec::new())).expect("there is room"));
    world.remember();
    for giver in givers {
        assert!(giver.ask(Give { later: false }).wait().is_ok());
        // Nobody waits any more for what comes later: on this core, on another, in a system that has ended.
        assert!(giver.ask(Give { later: true }).timeout(Duration::from_millis(2)).wait().is_err());
        let (asker, end) = world.mortal::<64>(0);
        let asks = act(move |_, cx: &mut Context<Puppet>, _| {
            giver.ask(Give { later: true }).then(cx, |_: &mut Puppet, _, _| ());
            Flow::Stop
        });
        asker.tell(asks).expect("there is room");
        end.reason();
        let gone = World::new(on, 1);
        let (asker, _) = gone.mortal::<64>(0);
        let asks = act(move |_, cx: &mut Context<Puppet>, reply| {
            giver.ask(Give { later: true }).timeout(PATIENCE).then(cx, |_: &mut Puppet, _, _| ());
            reply.send(0);
        });
        assert_eq!(asker.ask(asks).wait(), Ok(0));
        assert!(giver.ask(Give { later: false }).wait().is_ok());
        gone.system.shutdown();
        giver.tell(Give { later: false }).expect("there is room");
        assert!(giver.ask(Give { later: false }).wait().is_ok(), "it lives on");
    }
    world.finish();
    given_up_at_the_end(on);
}

/// The core that waits for the answer stands still until the other has given up.
fn given_up_at_the_end(on: BackendChoice) {
    let ends = World::with(on, 1, |config| config.close_deadline = Duration::from_millis(20));
    let mut other = World::with(on, 1, |config| config.inbox_capacity = 1);
    let giver = ends.system.spawn(Giver(Vec::new())).expect("there is room");
    let (runner, (told, answers)) = (other.runner(0), channel());
    // Its time may be over before the question has its turn, which is skipped then.
    let handled = |time| {
        let told = told.clone();
        run(runner, move |cx| {
            let then = move |_: &mut Runner, answer: Result<Bomb, AskError>, _: &mut Context<Runner>| {
                told.send(answer.map(drop)).expect("the test listens");
            };
            giver.ask(Give { later: true }).timeout(time).then(cx, then);
            Flow::Continue
        });
        let handled = |ledgers: &[odeon::Ledger]| ledgers[0].handled > 0;
        let seen = ends.wait_for("the question", |ledgers| handled(ledgers) || answers.try_recv().is_ok());
        handled(&seen)
    };
    let times = (0..7).map(|doublings| Duration::from_millis(500 << doublings));
    assert!(times.into_iter().any(handled), "a question has its turn");
    let held = hold(runner);
    while runner.tell(idle()).is_ok() {}
    giver.tell(Give { later: true }).expect("there is room");
    ends.wait_for_figure("the answer", 2, |ledger| ledger.handled);
    ends.system.shutdown();
    drop(held);
    assert_eq!(next(&answers), Err(AskError::Timeout));
    other.finish();
}
