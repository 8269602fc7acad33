//! Asynchronous handlers of plain actors: those that borrow the state, and those that run beside others.
//!
//! Knows: what waits for whom, and how each ends. Must not know sockets.

use std::future::pending;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use odeon::prelude::*;
use odeon::sys::now;
use odeon::{HandleError, Timeout, task};

use crate::panics::quietly;
use crate::puppet::{Act, Gate, Puppet, act, done, keep, note, notes, number, until_kept, yield_now};
use crate::ways::tell;
use crate::world::{PATIENCE, World, until};

const SOON: Duration = Duration::from_millis(5);

type Cx<'a> = &'a mut Context<Puppet>;

/// Borrows the state, notes what it is given, waits at the gate, and notes what it is given then.
fn waits_at(gate: &Gate, before: u64, after: u64, timeout: Timeout) -> Act {
    let gate = gate.clone();
    act(move |_: &mut Puppet, cx: Cx<'_>, reply: Reply<u64>| {
        cx.exclusive("waits", timeout, async move |me: &mut Puppet, _: Cx<'_>| {
            me.notes.push(before);
            gate.pass().await;
            me.notes.push(after);
            reply.send(after);
            Flow::Continue
        })
    })
}

pub(crate) fn everything_waits_for_a_handler_that_borrows_the_state(on: BackendChoice) {
    let mut world = World::new(on, 2);
    let (puppet, far) = (world.puppet(0), world.puppet(1));
    for round in 0..20 {
        let gate = Gate::default();
        // A continuation that could run, and a future beside it that could go on.
        let begins = act(move |_: &mut Puppet, cx: Cx<'_>, _| {
            far.ask(number(7))
                .then(cx, |me: &mut Puppet, answer, _| me.notes.push(answer.expect("it is there")));
            let me = cx.handle();
            cx.concurrent("beside", Timeout::Never, async move {
                yield_now().await;
                me.with(|me, _| me.notes.push(8)).expect("nobody borrows it for long");
                Flow::Continue
            })
        });
        puppet.tell(waits_at(&gate, 1, 2, Timeout::Never)).expect("there is room");
        if round % 2 == 0 {
            gate.until_somebody_waits();
        }
        puppet.tell(begins).expect("there is room");
        for number in 10..20 {
            puppet.tell(note(number)).expect("there is room");
        }
        // One after the other.
        puppet.tell(waits_at(&gate, 3, 4, Timeout::Never)).expect("there is room");
        puppet.tell(note(5)).expect("there is room");
        gate.until_somebody_waits();
        done(far);
        gate.open();
        done(puppet);
        world.wait_for("the others", |ledgers| ledgers[0].tasks == 0);
        let mut seen = notes(puppet);
        let beside: Vec<_> = [7, 8].map(|note| seen.iter().position(|seen| *seen == note)).into();
        assert!(beside.iter().all(|at| at.is_some_and(|at| at > 1)), "{seen:?}");
        seen.retain(|note| ![7, 8].contains(note));
        assert_eq!(seen, [&[1, 2][..], &(10..20).collect::<Vec<_>>(), &[3, 4, 5]].concat(), "{round}");
    }
    world.finish();
}

pub(crate) fn a_stop_waits_for_it_and_an_abort_does_not(on: BackendChoice) {
    let world = World::new(on, 1);
    for abort in [false, true] {
        let (puppet, end) = world.mortal::<64>(0);
        let gate = Gate::default();
        puppet.tell(waits_at(&gate, 1, 2, Timeout::Never)).expect("there is room");
        gate.until_somebody_waits();
        puppet.tell(note(3)).expect("there is room");
        puppet.stop();
        if abort {
            puppet.abort();
            assert_eq!(end.wait(), (StopReason::Aborted, vec![1]));
            gate.open();
        } else {
            // A turn of its core later, and another, it still waits.
            world.ledgers();
            world.ledgers();
            gate.open();
            assert_eq!(end.wait(), (StopReason::Stopped, vec![1, 2]), "ahead of queued messages");
        }
        world.settle();
    }
    world.finish();
}

/// Tells in which order things happen.
struct Told(&'static str, Sender<&'static str>);

impl Drop for Told {
    fn drop(&mut self) {
        tell(&self.1, self.0);
    }
}

pub(crate) fn whoever_takes_too_long_is_ended_and_its_actor_fails(on: BackendChoice) {
    let world = World::with(on, 1, |config| config.handler_timeout = SOON);
    for timeout in [Timeout::Default, Timeout::After(SOON), Timeout::After(Duration::ZERO)] {
        let (puppet, end) = world.mortal::<64>(0);
        let (tell, told) = channel();
        let start = now();
        let kept = std::thread::spawn(move || puppet.ask(keep()).timeout(PATIENCE).wait());
        until_kept(puppet, 1);
        let hangs = act(move |_: &mut Puppet, cx: Cx<'_>, reply: Reply<u64>| {
            let future = Told("the future", tell.clone());
            cx.exclusive("hangs", timeout, async move |me: &mut Puppet, _: Cx<'_>| {
                let _held = (future, reply);
                me.notes.push(1);
                pending::<()>().await;
                Flow::Continue
            })
        });
        assert_eq!(puppet.ask(hangs).timeout(PATIENCE).wait(), Err(AskError::Timeout));
        assert_eq!(end.reason(), StopReason::Failed);
        assert_eq!(told.try_recv(), Ok("the future"), "is dropped before the actor has stopped");
        assert!(
            !matches!(timeout, Timeout::After(SOON)) || now().since(start) >= SOON,
            "not before its time"
        );
        assert_eq!(kept.join().expect("no panic"), Err(AskError::Stopped), "what else it owed");
    }
    assert_eq!(world.sum(|ledger| ledger.failures), 3);
    // As long as it likes.
    let (puppet, _) = world.mortal::<64>(0);
    let gate = Gate::default();
    for timeout in [Timeout::Never, Timeout::After(Duration::MAX)] {
        puppet.tell(waits_at(&gate, 1, 2, timeout)).expect("there is room");
    }
    gate.until_somebody_waits();
    let end = now().after(SOON * 3);
    while now() < end {
        std::thread::yield_now();
    }
    gate.open();
    assert_eq!(notes(puppet), [1, 2, 1, 2]);
    puppet.stop();
    world.finish();
}

pub(crate) fn a_handler_that_borrows_the_state_may_panic(on: BackendChoice) {
    quietly();
    let world = World::new(on, 1);
    for late in [false, true] {
        let (puppet, end) = world.mortal::<64>(0);
        let panics = act(move |_: &mut Puppet, cx: Cx<'_>, reply: Reply<u64>| {
            cx.exclusive("panics", Timeout::Never, async move |me: &mut Puppet, _: Cx<'_>| {
                let _reply = reply;
                me.notes.push(1);
                if late {
                    yield_now().await;
                }
                panic!("as planned")
            })
        });
        assert_eq!(puppet.ask(panics).wait(), Err(AskError::Panicked));
        assert_eq!(end.wait(), (StopReason::Panicked, vec![1]));
    }
    world.settle();
    assert_eq!(world.sum(|ledger| ledger.panics), 2);
    world.finish();
}

pub(crate) fn a_handler_that_never_waits_is_done_at_once(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let puppet = world.puppet(0);
    for number in 0..1000 {
        let at_once = act(move |_: &mut Puppet, cx: Cx<'_>, _| {
            cx.exclusive("at once", Timeout::Default, async move |me: &mut Puppet, _: Cx<'_>| {
                me.notes.push(number);
                Flow::Continue
            })
        });
        assert!(puppet.tell(at_once).is_ok());
        if number % 50 == 0 {
            done(puppet);
        }
    }
    done(puppet);
    assert_eq!(notes(puppet), (0..1000).collect::<Vec<_>>());
    // And what it returns counts.
    for (flow, reason) in [(Flow::Stop, StopReason::Stopped), (Flow::Fail, StopReason::Failed)] {
        let (puppet, end) = world.mortal::<64>(0);
        let ends = act(move |_: &mut Puppet, cx: Cx<'_>, _| {
            cx.exclusive("ends", Timeout::Default, async move |_: &mut Puppet, _: Cx<'_>| flow)
        });
        puppet.tell(ends).expect("there is room");
        assert_eq!(end.reason(), reason);
    }
    world.finish();
}

pub(crate) fn one_at_a_time_borrows_the_state(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let puppet = world.puppet(0);
    let twice = act(|_: &mut Puppet, cx: Cx<'_>, reply: Reply<u64>| {
        let first = cx.exclusive("first", Timeout::Never, async move |me: &mut Puppet, cx: Cx<'_>| {
            me.notes.push(1);
            let within = cx.exclusive("within", Timeout::Never, async |me: &mut Puppet, _: Cx<'_>| {
                me.notes.push(9);
                Flow::Continue
            });
            yield_now().await;
            reply.send(u64::from(within == Flow::Continue));
            Flow::Continue
        });
        let second = cx.exclusive("second", Timeout::Never, async |me: &mut Puppet, _: Cx<'_>| {
            me.notes.push(9);
            Flow::Continue
        });
        assert_eq!((first, second), (Flow::Continue, Flow::Continue));
    });
    assert_eq!(puppet.ask(twice).wait(), Ok(1));
    assert_eq!(notes(puppet), [1]);
    assert_eq!(world.sum(|ledger| ledger.failures), 2, "each that was refused");
    world.finish();
}

pub(crate) fn a_handler_for_which_there_is_no_room_is_refused_and_nothing_else(on: BackendChoice) {
    /// Dropping it panics.
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("as planned, in a drop");
        }
    }

    quietly();
    let world = World::with(on, 1, |config| config.tasks_max = 2);
    let (keeper, _) = world.mortal::<64>(0);
    let waits = [0, 1].map(|_| std::thread::spawn(move || keeper.ask(keep()).timeout(PATIENCE).wait()));
    world.wait_for("the questions", |ledgers| ledgers[0].tasks == 2);
    for exclusive in [false, true] {
        let (puppet, end) = world.mortal::<64>(0);
        let begins = act(move |_: &mut Puppet, cx: Cx<'_>, _| match (exclusive, Bomb) {
            (true, bomb) => {
                cx.exclusive("is refused", Timeout::Never, async move |_: &mut Puppet, _: Cx<'_>| {
                    let _bomb = bomb;
                    Flow::Continue
                })
            }
            (false, bomb) => cx.concurrent("is refused", Timeout::Never, async move {
                let _bomb = bomb;
                Flow::Continue
            }),
        });
        puppet.tell(begins).expect("there is room");
        puppet.tell(note(7)).expect("there is room");
        puppet.tell(act(|_: &mut Puppet, _, _| Flow::Stop)).expect("there is room");
        assert_eq!(end.wait(), (StopReason::Stopped, vec![7]), "its actor goes on");
    }
    // Where one has begun already, the other is dropped as well.
    let (puppet, end) = world.mortal::<64>(0);
    keeper.tell(act(|me: &mut Puppet, _, _| me.kept.clear())).expect("there is room");
    for waits in waits {
        assert_eq!(waits.join().expect("no panic"), Err(AskError::Unanswered));
    }
    let begins = act(move |_: &mut Puppet, cx: Cx<'_>, _| {
        let bomb = Bomb;
        let first = cx.exclusive("first", Timeout::Never, async |_: &mut Puppet, _: Cx<'_>| Flow::Stop);
        assert_eq!(first, Flow::Continue);
        let second = cx.exclusive("second", Timeout::Never, async move |_: &mut Puppet, _: Cx<'_>| {
            let _bomb = bomb;
            Flow::Continue
        });
        assert_eq!(second, Flow::Continue);
    });
    puppet.tell(begins).expect("there is room");
    assert_eq!(end.reason(), StopReason::Stopped);
    keeper.stop();
    world.settle();
    assert_eq!(world.sum(|ledger| ledger.drop_panics), 3);
    world.finish();
}

pub(crate) fn a_handler_may_be_begun_from_anywhere_within_its_actor(on: BackendChoice) {
    /// Begins one before anything else.
    struct Eager(Sender<u64>);
    impl Actor for Eager {
        type Message = Never;
        fn started(&mut self, cx: &mut Context<Self>) -> Flow {
            cx.exclusive("begins", Timeout::Never, async |me: &mut Eager, _: &mut Context<Eager>| {
                tell(&me.0, 1);
                yield_now().await;
                tell(&me.0, 2);
                Flow::Stop
            })
        }
        fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
            match message {}
        }
        fn stopped(&mut self, reason: StopReason, _: &mut Context<Self>) {
            assert_eq!(reason, StopReason::Stopped);
            tell(&self.0, 3);
        }
    }

    let mut world = World::new(on, 1);
    let (told, numbers) = channel();
    let eager = world.system.spawn(Eager(told)).expect("the core has room");
    eager.stop();
    assert_eq!(numbers.iter().collect::<Vec<_>>(), [1, 2, 3]);
    world.settle();
    // From a continuation, and from a future that runs beside others.
    let puppet = world.puppet(0);
    let begins = act(move |me: &mut Puppet, cx: Cx<'_>, reply: Reply<u64>| {
        me.notes.push(1);
        cx.me().ask(number(1)).then(cx, |me: &mut Puppet, _, cx| {
            me.notes.push(2);
            cx.exclusive("continues", Timeout::Never, async |me: &mut Puppet, cx: Cx<'_>| {
                let handle = cx.handle();
                me.notes.push(3);
                cx.concurrent("beside", Timeout::Never, async move {
                    let begun = handle.with(|me, cx| {
                        me.notes.push(5);
                        cx.exclusive("again", Timeout::Never, async move |me: &mut Puppet, _: Cx<'_>| {
                            me.notes.push(6);
                            yield_now().await;
                            reply.send(7);
                            Flow::Continue
                        })
                    });
                    begun.expect("nobody borrows it")
                })
            })
        });
    });
    assert_eq!(puppet.ask(begins).wait(), Ok(7));
    assert_eq!(notes(puppet), [1, 2, 3, 5, 6]);
    world.finish();
}

pub(crate) fn handlers_that_run_beside_others_take_turns(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let puppet = world.puppet(0);
    let begin = |number: u64| {
        act(move |_: &mut Puppet, cx: Cx<'_>, reply: Reply<u64>| {
            let me = cx.handle();
            cx.concurrent("takes turns", Timeout::Default, async move {
                for turn in 0..50 {
                    me.with(|me, _| me.notes.push(number * 100 + turn)).expect("nobody borrows it");
                    yield_now().await;
                }
                reply.send(number);
                Flow::Continue
            })
        })
    };
    let gate = Gate::default();
    puppet.tell(waits_at(&gate, 0, 0, Timeout::Never)).expect("there is room");
    gate.until_somebody_waits();
    puppet.tell(begin(1)).expect("there is room");
    puppet.tell(begin(2)).expect("there is room");
    for number in 900..910 {
        puppet.tell(note(number)).expect("there is room");
    }
    gate.open();
    assert_eq!(puppet.ask(begin(3)).wait(), Ok(3));
    world.wait_for("the others", |ledgers| ledgers[0].tasks == 0);
    let seen = notes(puppet);
    for number in 1..=3 {
        let turns: Vec<_> = seen.iter().copied().filter(|note| note / 100 == number).collect();
        assert_eq!(turns, (0..50).map(|turn| number * 100 + turn).collect::<Vec<_>>());
    }
    let first = |hundred| seen.iter().position(|note| note / 100 == hundred).expect("it was noted");
    let last = |hundred| seen.iter().rposition(|note| note / 100 == hundred).expect("it was noted");
    assert!(first(2) < last(1) && first(1) < last(2), "they interleave: {seen:?}");
    assert!(last(9) < last(1), "messages come between: {seen:?}");
    world.finish();
}

pub(crate) fn futures_that_always_go_on_do_not_keep_messages_waiting(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let (puppet, other) = (world.puppet(0), world.puppet(0));
    let gate = Gate::default();
    for _ in 0..3 {
        let gate = gate.clone();
        let spins = act(move |_: &mut Puppet, cx: Cx<'_>, _| {
            cx.concurrent("spins", Timeout::Never, async move {
                while !gate.is_open() {
                    yield_now().await;
                }
                Flow::Continue
            })
        });
        puppet.tell(spins).expect("there is room");
    }
    for number in 0..200 {
        assert_eq!(puppet.ask(note(number)).timeout(PATIENCE).wait(), Ok(number));
        assert_eq!(other.ask(note(number)).timeout(PATIENCE).wait(), Ok(number));
    }
    gate.open();
    world.wait_for("their end", |ledgers| ledgers[0].tasks == 0);
    assert_eq!((notes(puppet).len(), notes(other).len()), (200, 200));
    world.finish();
}

pub(crate) fn the_state_is_lent_to_one_at_a_time_and_while_there_is_one(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let (puppet, witness) = (world.puppet(0), world.puppet(0));
    let nested = act(|me: &mut Puppet, cx: Cx<'_>, reply: Reply<u64>| {
        let handle = cx.handle();
        assert_eq!(handle.with(|_, _| ()), Err(HandleError::Busy), "within a handler");
        assert_eq!(handle.me(), cx.me());
        me.notes.push(1);
        cx.concurrent("lends", Timeout::Never, async move {
            let inner = handle.clone();
            let lent = handle.with(|me, _| {
                me.notes.push(2);
                inner.with(|_, _| ())
            });
            assert_eq!(lent, Ok(Err(HandleError::Busy)), "within itself");
            reply.send(1);
            Flow::Continue
        })
    });
    assert_eq!(puppet.ask(nested).wait(), Ok(1));
    // While another handler borrows it, and once there is none any more.
    let (mortal, end) = world.mortal::<64>(0);
    let (gate, seen) = (Gate::default(), Gate::default());
    let (closed, tell_seen) = (gate.clone(), seen.clone());
    let (told, results) = channel();
    let watches = act(move |_: &mut Puppet, cx: Cx<'_>, _| {
        let handle = cx.handle();
        drop(task::spawn(async move {
            tell(&told, handle.with(|me, _| me.notes.push(3)));
            closed.pass().await;
            tell(&told, handle.with(|me, _| me.notes.push(4)));
            tell_seen.pass().await;
            tell(&told, handle.with(|me, _| me.notes.push(5)));
        }));
    });
    mortal.tell(watches).expect("there is room");
    gate.until_somebody_waits();
    let borrows = Gate::default();
    mortal.tell(waits_at(&borrows, 6, 7, Timeout::Never)).expect("there is room");
    borrows.until_somebody_waits();
    gate.open();
    assert_eq!(results.recv(), Ok(Ok(())));
    assert_eq!(results.recv(), Ok(Err(HandleError::Busy)));
    mortal.abort();
    assert_eq!(end.wait(), (StopReason::Aborted, vec![3, 6]));
    seen.open();
    assert_eq!(results.recv(), Ok(Err(HandleError::Stopped)));
    done(witness);
    world.finish();
}

pub(crate) fn whoever_panics_with_the_state_ends_the_actor(on: BackendChoice) {
    quietly();
    let world = World::new(on, 1);
    let panics: [fn(Handle<Puppet>); 2] = [
        |_| panic!("as planned"),
        |me| me.with(|me, _| me.notes.push(panic_as_planned())).expect("nobody borrows it"),
    ];
    for panics in panics {
        for late in [false, true] {
            let (puppet, end) = world.mortal::<64>(0);
            let begins = act(move |_: &mut Puppet, cx: Cx<'_>, reply: Reply<u64>| {
                let me = cx.handle();
                cx.concurrent("panics", Timeout::Never, async move {
                    let _reply = reply;
                    if late {
                        yield_now().await;
                    }
                    panics(me);
                    Flow::Continue
                })
            });
            assert_eq!(puppet.ask(begins).wait(), Err(AskError::Panicked));
            assert_eq!(end.reason(), StopReason::Panicked);
        }
    }
    // Also if it is somebody else who was lent it.
    let (puppet, end) = world.mortal::<64>(0);
    let (told, result) = channel();
    let begins = act(move |_: &mut Puppet, cx: Cx<'_>, _| {
        let me = cx.handle();
        let panics = task::spawn(async move { me.with(|me, _| me.notes.push(panic_as_planned())) });
        drop(task::spawn(async move { tell(&told, panics.await) }));
    });
    puppet.tell(begins).expect("there is room");
    assert_eq!(result.recv(), Ok(Err(task::JoinError::Panicked)));
    assert_eq!(end.reason(), StopReason::Panicked);
    world.finish();
}

fn panic_as_planned() -> u64 {
    panic!("as planned, with the state")
}

pub(crate) fn handlers_beside_others_end_each_in_its_own_way(on: BackendChoice) {
    let world = World::with(on, 1, |config| config.handler_timeout = SOON);
    // Too late: it alone is ended, and counted.
    let (puppet, end) = world.mortal::<64>(0);
    for timeout in [Timeout::Default, Timeout::After(SOON), Timeout::After(Duration::ZERO)] {
        let hangs = act(move |_: &mut Puppet, cx: Cx<'_>, reply: Reply<u64>| {
            cx.concurrent("hangs", timeout, async move {
                let _reply = reply;
                pending::<()>().await;
                Flow::Continue
            })
        });
        assert_eq!(puppet.ask(hangs).timeout(PATIENCE).wait(), Err(AskError::Timeout));
    }
    assert_eq!(world.sum(|ledger| ledger.failures), 3);
    assert_eq!(puppet.ask(number(5)).wait(), Ok(5));
    // By what it returns, with others that have not finished.
    let (held, dropped) = channel::<()>();
    let begin = |flow: Option<Flow>| {
        let held = held.clone();
        act(move |_: &mut Puppet, cx: Cx<'_>, _| {
            cx.concurrent("returns", Timeout::Never, async move {
                let _held = held;
                yield_now().await;
                match flow {
                    Some(flow) => flow,
                    None => pending().await,
                }
            })
        })
    };
    puppet.tell(begin(None)).expect("there is room");
    puppet.tell(begin(Some(Flow::Continue))).expect("there is room");
    puppet.tell(begin(None)).expect("there is room");
    assert_eq!(puppet.ask(number(6)).wait(), Ok(6));
    puppet.tell(begin(Some(Flow::Fail))).expect("there is room");
    assert_eq!(end.reason(), StopReason::Failed);
    drop(held);
    assert!(dropped.recv().is_err(), "they end with the actor");
    world.finish();
}

pub(crate) fn a_thousand_handlers_run_at_once(on: BackendChoice) {
    const MANY: u64 = 1000;
    let mut world = World::new(on, 2);
    let (puppet, far) = (world.puppet(0), world.puppet(1));
    let gate = Gate::default();
    let asking: Vec<_> = (0..MANY)
        .map(|number| {
            let gate = gate.clone();
            let begins = move || {
                act(move |_: &mut Puppet, cx: Cx<'_>, reply: Reply<u64>| {
                    let me = cx.handle();
                    cx.concurrent("one of many", Timeout::Never, async move {
                        gate.pass().await;
                        let asked = far.ask(crate::puppet::number(number)).timeout(PATIENCE).await;
                        let answer = asked.map(|answer| {
                            me.with(|me, _| me.notes.push(answer)).expect("nobody borrows it");
                            answer + 1
                        });
                        match answer {
                            Ok(answer) => reply.send(answer),
                            Err(AskError::Full) => reply.send(number + 1),
                            Err(error) => panic!("{error}"),
                        }
                        Flow::Continue
                    })
                })
            };
            let ask = move || async move {
                // More than the mailbox has room for.
                let begins = begins;
                loop {
                    match puppet.ask(begins.clone()()).timeout(PATIENCE).await {
                        Err(AskError::Full) => yield_now().await,
                        answer => return answer,
                    }
                }
            };
            world.system.spawn_task(number as usize, ask).expect("the core runs")
        })
        .collect();
    until("all of them", || gate.waiting() == MANY as usize);
    gate.open();
    for (number, asking) in asking.into_iter().enumerate() {
        assert_eq!(asking.wait(), Ok(Ok(number as u64 + 1)));
    }
    world.settle();
    assert!(!notes(puppet).is_empty());
    world.finish();
}

/// An actor that tells in which order it ends.
struct Orderly {
    told: Sender<&'static str>,
    _state: Told,
}

#[derive(Message)]
#[message(reply = u64)]
enum Be {
    Busy,
    Held { _told: Told },
}

impl Accepts<Be> for Orderly {
    fn accept(message: Be) -> (Be, Reply<u64>) {
        (message, Reply::nobody())
    }

    fn accept_ask(message: Be, reply: Reply<u64>) -> (Be, Reply<u64>) {
        (message, reply)
    }
}

impl Actor for Orderly {
    type Message = (Be, Reply<u64>);

    fn handle(&mut self, (be, _): (Be, Reply<u64>), cx: &mut Context<Self>) -> Flow {
        let Be::Busy = be else { return Flow::Continue };
        let future = Told("future", self.told.clone());
        let begun = cx.concurrent("busy", Timeout::Never, async move {
            let _future = future;
            pending().await
        });
        let then = Told("continuation", self.told.clone());
        cx.me().ask(Be::Busy).then(cx, move |_: &mut Orderly, _, _| drop(then));
        cx.me().tell(Be::Held { _told: Told("message", self.told.clone()) }).expect("there is room");
        cx.me().abort();
        begun
    }

    fn stopped(&mut self, _: StopReason, cx: &mut Context<Self>) {
        tell(&self.told, "stopped");
        let closed = cx.me().tell(Be::Busy);
        assert!(matches!(closed, Err(SendError::Stopped(_))), "the mailbox is closed");
        let told = self.told.clone();
        let late = Told("late continuation", told.clone());
        cx.me().ask(Be::Busy).then(cx, move |_: &mut Orderly, _, _| drop(late));
        let late = Told("late future", told);
        let _ = cx.concurrent("late", Timeout::Never, async move {
            let _late = late;
            pending().await
        });
    }
}

pub(crate) fn an_actor_ends_in_order(on: BackendChoice) {
    let world = World::new(on, 1);
    let (told, events) = channel();
    let state = Told("state", told.clone());
    let orderly = world.system.spawn_with(0, move || Orderly { told, _state: state }).expect("there is room");
    let asked = std::thread::spawn(move || orderly.ask(Be::Busy).timeout(PATIENCE).wait());
    let order: Vec<_> = std::iter::from_fn(|| events.recv_timeout(PATIENCE).ok()).take(7).collect();
    assert_eq!(order[2..], ["stopped", "late future", "late continuation", "message", "state"]);
    assert!(order[..2].contains(&"future") && order[..2].contains(&"continuation"), "{order:?}");
    assert_eq!(asked.join().expect("no panic"), Err(AskError::Unanswered), "its reply was dropped before");
    world.finish();
}

/// When it is dropped, it sends, asks, and answers.
struct Busybody {
    to: Addr<Puppet>,
    reply: Option<Reply<u64>>,
    told: Sender<u64>,
}

impl Drop for Busybody {
    fn drop(&mut self) {
        tell(&self.told, 1);
        self.to.tell(note(7)).or_dead_letter();
        if let Some(reply) = self.reply.take() {
            self.to.ask(note(8)).forward(reply);
        }
        let (to, told) = (self.to, self.told.clone());
        // While the system ends, it is not begun any more.
        drop(task::spawn(async move {
            if to.ask(note(9)).await.is_ok() {
                tell(&told, 2);
            }
        }));
    }
}

pub(crate) fn what_a_future_drops_may_send_ask_and_answer(on: BackendChoice) {
    quietly();
    let mut world = World::new(on, 2);
    let puppets = [world.puppet(0), world.puppet(1)];
    let ends: [fn(Addr<Puppet>); 4] = [
        |puppet| puppet.abort(),
        |puppet| puppet.tell(act(|_, _, _| Flow::Stop)).or_dead_letter(),
        |puppet| puppet.tell(act(|_, _, _| -> Flow { panic!("as planned") })).or_dead_letter(),
        |_| {},
    ];
    for (round, end) in ends.into_iter().enumerate() {
        for to in puppets {
            for exclusive in [false, true] {
                let (mortal, ended) = world.mortal::<64>(0);
                let (told, events) = channel();
                let gate = Gate::default();
                let closed = gate.clone();
                let begins = act(move |_: &mut Puppet, cx: Cx<'_>, reply| {
                    let busybody = Busybody { to, reply: Some(reply), told };
                    // The last is ended by its time.
                    let timeout = if round == 3 { Timeout::After(SOON) } else { Timeout::Never };
                    let waits = async move {
                        let _busybody = busybody;
                        closed.pass().await;
                        pending().await
                    };
                    match exclusive {
                        true => {
                            cx.exclusive("holds", timeout, async move |_: &mut Puppet, _: Cx<'_>| waits.await)
                        }
                        false => cx.concurrent("holds", timeout, waits),
                    }
                });
                let asking = std::thread::spawn(move || mortal.ask(begins).timeout(PATIENCE).wait());
                gate.until_somebody_waits();
                if exclusive && (round == 1 || round == 2) {
                    // Messages wait for it.
                    mortal.abort();
                } else {
                    end(mortal);
                }
                assert_eq!(asking.join().expect("no panic"), Ok(8), "round {round}");
                assert_eq!(events.iter().collect::<Vec<_>>(), [1, 2]);
                let mut seen = notes(to);
                seen.sort_unstable();
                assert_eq!(seen, [7, 8, 9]);
                mortal.abort();
                ended.reason();
            }
        }
    }
    world.finish();
}

pub(crate) fn a_shutdown_waits_for_nobody_but_as_long_as_it_may(on: BackendChoice) {
    // A handler that borrows the state has until the deadline; one beside it none.
    let world = World::with(on, 1, |config| config.drain_deadline = Duration::from_millis(150));
    let ends: Vec<Receiver<()>> = (0..4)
        .map(|index| {
            let (held, dropped) = channel::<()>();
            let (puppet, _) = world.mortal::<64>(0);
            let gate = Gate::default();
            let closed = gate.clone();
            let begins = act(move |_: &mut Puppet, cx: Cx<'_>, _| {
                let waits = async move {
                    let _held = held;
                    closed.pass().await;
                    Flow::Continue
                };
                match index % 2 {
                    0 => cx.concurrent("waits", Timeout::Never, waits),
                    _ => cx.exclusive("waits", Timeout::Never, async move |_: &mut Puppet, _: Cx<'_>| {
                        waits.await
                    }),
                }
            });
            puppet.tell(begins).expect("there is room");
            gate.until_somebody_waits();
            dropped
        })
        .collect();
    let report = world.system.shutdown();
    assert_eq!((report.connections_cut_off, report.actors_cut_off), (0, 2));
    for end in ends {
        assert!(end.recv().is_err(), "every future is dropped");
    }
}
