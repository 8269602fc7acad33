//! Questions: every way to wait for an answer, and every reason why there is none.
//!
//! Knows: what the asker is told, and when. Must not know what becomes of replies that are kept.

use std::rc::Rc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use odeon::Timeout;
use odeon::prelude::*;
use odeon::sys::now;

use crate::puppet::{Act, Gate, Puppet, act, keep, note, notes, number};
use crate::runner::{Runner, on_core, run};
use crate::ways::{Answer, WAYS, Way, Ways, hold, tell};
use crate::world::{PATIENCE, World, until};

const SOON: Duration = Duration::from_millis(30);

pub(crate) fn an_answer_comes_whichever_way_it_is_awaited(on: BackendChoice) {
    let mut ways = Ways::new(on, |_| {});
    for core in [0, 1] {
        let puppet = ways.world.puppet(core);
        for round in 0..10 {
            ways.all(Ok(round), |_| puppet.ask(number(round)));
        }
    }
    ways.finish();
}

pub(crate) fn whoever_hides_its_type_is_asked_as_well(on: BackendChoice) {
    let mut ways = Ways::new(on, |_| {});
    for core in [0, 1] {
        let (puppet, other) = (ways.world.puppet(core), ways.world.puppet(1 - core));
        let (anyone, next): (Recipient<Act>, Recipient<Act>) = (puppet.recipient(), other.recipient());
        ways.all(Ok(1), |_| anyone.ask(number(1)));
        ways.all(Ok(2), |_| {
            anyone.ask(act(move |_: &mut Puppet, _, reply| next.ask(number(2)).forward(reply)))
        });
        ways.all(Err(AskError::Unanswered), |_| anyone.ask(act(|_: &mut Puppet, _, reply| drop(reply))));
        ways.all(Err(AskError::Timeout), |_| anyone.ask(keep()).timeout(Duration::ZERO));
        drop(take_kept(puppet));
        let gone: Recipient<Act> = {
            let (gone, end) = ways.world.mortal::<64>(core);
            gone.stop();
            end.reason();
            gone.recipient()
        };
        ways.world.settle();
        ways.all(Err(AskError::Stopped), |_| gone.ask(number(1)));
    }
    ways.finish();
}

/// A puppet that does not handle what is in its mailbox, which is full.
fn stuffed(world: &mut World, core: usize) -> (Addr<Puppet<1>>, Gate) {
    let (puppet, _) = world.mortal::<1>(core);
    let gate = Gate::default();
    let closed = gate.clone();
    let wait = act(move |_, cx: &mut Context<Puppet<1>>, _| {
        cx.exclusive("waits", Timeout::Never, async move |_, _| {
            closed.pass().await;
            Flow::Continue
        })
    });
    puppet.tell(wait).expect("there is room");
    gate.until_somebody_waits();
    puppet.tell(note(1)).expect("there is room for one");
    (puppet, gate)
}

pub(crate) fn a_full_mailbox_refuses_the_question(on: BackendChoice) {
    let mut ways = Ways::new(on, |_| {});
    let (puppet, gate) = stuffed(&mut ways.world, 0);
    ways.all(Err(AskError::Full), |_| puppet.ask(note(2)));
    gate.open();
    until("room", || notes_if_room(puppet).is_some_and(|notes| !notes.is_empty()));
    ways.all(Ok(3), |_| puppet.ask(note(3)));
    assert_eq!(notes(puppet), [3; WAYS.len()], "what was refused is not handled later");
    puppet.stop();
    ways.finish();
}

/// What the puppet has noted, if it can be asked.
fn notes_if_room(puppet: Addr<Puppet<1>>) -> Option<Vec<u64>> {
    let (told, notes) = channel();
    let tell = act(move |me: &mut Puppet<1>, _, reply| {
        told.send(std::mem::take(&mut me.notes)).expect("the test listens");
        reply.send(0);
    });
    puppet.ask(tell).wait().ok().map(|_| notes.recv().expect("it was told before the answer"))
}

pub(crate) fn a_full_lane_refuses_the_question_and_loses_none(on: BackendChoice) {
    const MANY: usize = 100;
    let mut world = World::with(on, 2, |config| (config.lane_capacity, config.inbox_capacity) = (8, 4));
    let (asker, blocker, puppet) = (world.runner(0), world.runner(1), world.puppet(1));
    let held = hold(blocker);
    let (told, answers) = channel();
    let theirs = told.clone();
    run(asker, move |cx| {
        for question in 0..MANY as u64 {
            let told = theirs.clone();
            puppet.ask(number(question)).then(cx, move |_, answer, _| tell(&told, (question, answer)));
        }
        Flow::Continue
    });
    // Those that found no room are told so while the other core stands still.
    let full: Vec<_> = (0..MANY - 4).map(|_| answers.recv_timeout(PATIENCE).expect("it is told")).collect();
    assert!(full.iter().all(|(_, answer)| *answer == Err(AskError::Full)), "{full:?}");
    let task = world.system.spawn_task(0, move || async move { puppet.ask(number(0)).await });
    assert_eq!(task.expect("the core runs").wait(), Ok(Err(AskError::Full)), "in the lane");
    let waiting: Vec<_> = (0..6).map(|_| thread::spawn(move || puppet.ask(number(7)).wait())).collect();
    // The inbox has room for four.
    until("two to be refused", || waiting.iter().filter(|waiting| waiting.is_finished()).count() >= 2);
    drop(held);
    for _ in 0..4 {
        let (question, answer) = answers.recv_timeout(PATIENCE).expect("it is told");
        assert_eq!(answer, Ok(question));
    }
    drop(told);
    let outcomes: Vec<_> = waiting.into_iter().map(|waiting| waiting.join().expect("no panic")).collect();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(7) | Err(AskError::Full))), "{outcomes:?}");
    assert!(answers.try_recv().is_err(), "nothing is told twice");
    world.finish();
}

pub(crate) fn too_many_tasks_refuse_the_question(on: BackendChoice) {
    let mut world = World::with(on, 1, |config| config.tasks_max = 1);
    let (runner, puppet) = (world.runner(0), world.puppet(0));
    let (told, answers) = channel();
    let ask = |question: Act| {
        let told = told.clone();
        on_core(runner, move |cx| puppet.ask(question).then(cx, move |_, answer, _| tell(&told, answer)));
    };
    ask(keep());
    assert_eq!(puppet.ask(note(1)).wait(), Err(AskError::Full));
    for _ in 0..3 {
        ask(note(2));
        assert_eq!(answers.recv_timeout(PATIENCE), Ok(Err(AskError::Full)), "a continuation is told, too");
    }
    // Many in one handler, each of which is told.
    let theirs = told.clone();
    run(runner, move |cx| {
        for question in 0..500 {
            let told = theirs.clone();
            puppet.ask(note(question)).then(cx, move |_, answer, _| tell(&told, answer));
        }
        Flow::Continue
    });
    for _ in 0..500 {
        assert_eq!(answers.recv_timeout(PATIENCE), Ok(Err(AskError::Full)));
    }
    let answer = act(|me: &mut Puppet, _, _| me.kept.drain(..).for_each(|reply| reply.send(5)));
    puppet.tell(answer).expect("there is room");
    assert_eq!(answers.recv_timeout(PATIENCE), Ok(Ok(5)));
    assert_eq!(notes(puppet), [0; 0], "what was refused is not handled");
    ask(number(6));
    assert_eq!(answers.recv_timeout(PATIENCE), Ok(Ok(6)));
    world.finish();
}

pub(crate) fn far_too_many_questions_are_refused_and_counted(on: BackendChoice) {
    const MANY: u64 = 3000;
    const TOLD: u64 = 1024;
    let mut world = World::with(on, 1, |config| config.tasks_max = 2);
    let puppet = world.puppet(0);
    let (told, answers) = channel();
    let failures = world.sum(|ledger| ledger.failures);
    // The thread that waits takes one task, and what it asks for takes the other.
    let asking = puppet.ask(act(move |_: &mut Puppet, cx: &mut Context<Puppet>, reply| {
        puppet.ask(keep()).then(cx, |_: &mut Puppet, _, _| ());
        for question in 0..MANY {
            let told = told.clone();
            puppet.ask(note(question)).then(cx, move |_: &mut Puppet, answer, _| {
                tell(&told, (question, answer));
            });
        }
        puppet.ask(note(MANY)).then(cx, move |_: &mut Puppet, _, _| reply.send(1));
    }));
    assert_eq!(asking.wait(), Err(AskError::Full), "what holds a reply is not dropped without a word");
    let heard: Vec<_> = (0..).map_while(|_| answers.recv_timeout(PATIENCE).ok()).collect();
    assert_eq!(answers.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected), "the others are gone");
    let expected: Vec<_> = (0..TOLD).map(|question| (question, Err(AskError::Full))).collect();
    assert!(heard == expected, "{} were told", heard.len());
    let dropped = world.sum(|ledger| ledger.failures) - failures;
    assert_eq!(dropped, MANY - TOLD + 1, "each of the others is counted");
    assert_eq!(world.sum(|ledger| ledger.tasks as u64), 1, "and none is left but what waits");
    let clear = act(|me: &mut Puppet, _, _| me.kept.drain(..).for_each(|reply| reply.send(5)));
    puppet.tell(clear).expect("there is room");
    assert_eq!(notes(puppet), [0; 0], "what was refused is not handled");
    world.finish();
}

pub(crate) fn whoever_has_stopped_is_not_asked(on: BackendChoice) {
    let ways = Ways::new(on, |_| {});
    let (puppet, end) = ways.world.mortal::<64>(1);
    puppet.stop();
    assert_eq!(end.reason(), StopReason::Stopped);
    ways.world.settle();
    ways.all(Err(AskError::Stopped), |_| puppet.ask(number(1)));
    let gone = {
        let world = World::new(on, 1);
        let (puppet, _) = world.mortal::<64>(0);
        world.system.shutdown();
        puppet
    };
    ways.all(Err(AskError::Stopped), |_| gone.ask(number(1)));
    ways.finish();
}

pub(crate) fn whoever_stops_answers_that_it_has_stopped(on: BackendChoice) {
    let ways = Ways::new(on, |_| {});
    for core in [0, 1] {
        ways.all(Err(AskError::Stopped), |ways| {
            let (puppet, _) = ways.world.mortal::<64>(core);
            puppet.ask(act(|me, _, reply| {
                me.kept.push(reply);
                Flow::Stop
            }))
        });
        ways.all(Err(AskError::Stopped), |ways| {
            let (puppet, _) = ways.world.mortal::<64>(core);
            puppet.ask(act(|me, cx, reply| {
                me.kept.push(reply);
                cx.me().abort();
            }))
        });
    }
    ways.finish();
}

/// A puppet that handles nothing, with a question in its mailbox; then `end` ends it.
fn ends_with_a_question(ways: &Ways, way: Way, core: usize, end: fn(Addr<Puppet>, &Gate)) -> Answer {
    let (puppet, _) = ways.world.mortal::<64>(core);
    let gate = Gate::default();
    let closed = gate.clone();
    let wait = act(move |_, cx: &mut Context<Puppet>, _| {
        cx.exclusive("waits", Timeout::Never, async move |_, _| {
            closed.pass().await;
            Flow::Stop
        })
    });
    puppet.tell(wait).expect("there is room");
    gate.until_somebody_waits();
    thread::scope(|scope| {
        scope.spawn(|| {
            ways.world.wait_for("the question", |ledgers| ledgers[core].mailbox_chunks > 0);
            end(puppet, &gate);
        });
        ways.ask(way, puppet.ask(number(1)))
    })
}

pub(crate) fn whoever_ends_with_a_question_in_its_mailbox_answers_that_it_has_stopped(on: BackendChoice) {
    let ways = Ways::new(on, |_| {});
    for core in [0, 1] {
        for way in WAYS {
            let ends: [fn(Addr<Puppet>, &Gate); 2] = [|puppet, _| puppet.abort(), |_, gate| gate.open()];
            for end in ends {
                assert_eq!(ends_with_a_question(&ways, way, core, end), Err(AskError::Stopped), "{way:?}");
                ways.world.settle();
            }
        }
    }
    ways.finish();
}

pub(crate) fn an_answer_that_does_not_come_in_time_is_not_awaited_for_longer(on: BackendChoice) {
    let mut ways = Ways::new(on, |config| config.ask_timeout = SOON);
    for core in [0, 1] {
        let puppet = ways.world.puppet(core);
        for way in WAYS {
            let start = now();
            // By default it counts from the last look at the clock of the core that begins to wait.
            ways.begin_turns();
            assert_eq!(ways.ask(way, puppet.ask(keep())), Err(AskError::Timeout), "{way:?}");
            assert!(now().since(start) >= SOON, "{way:?} by default");
            let start = now();
            let ask = puppet.ask(keep()).timeout(SOON / 3);
            assert_eq!(ways.ask(way, ask), Err(AskError::Timeout), "{way:?}");
            assert!(now().since(start) >= SOON / 3, "{way:?} as it was said");
        }
        for reply in take_kept(puppet) {
            // Here only the time is known, and that not to the millisecond.
            until("the end of its time", || reply.is_closed());
            reply.send(7);
        }
    }
    ways.finish();
}

/// Takes the replies that a puppet has kept.
fn take_kept(puppet: Addr<Puppet>) -> Vec<Reply<u64>> {
    let (told, replies) = channel();
    let tell = act(move |me: &mut Puppet, _, _| tell(&told, std::mem::take(&mut me.kept)));
    puppet.tell(tell).expect("there is room");
    replies.recv_timeout(PATIENCE).expect("the puppet hands them over")
}

pub(crate) fn a_question_may_wait_for_nothing_or_for_ever(on: BackendChoice) {
    let mut ways = Ways::new(on, |_| {});
    for core in [0, 1] {
        let puppet = ways.world.puppet(core);
        ways.all(Ok(3), |_| puppet.ask(number(3)).timeout(Duration::MAX));
        ways.all(Err(AskError::Timeout), |_| puppet.ask(keep()).timeout(Duration::ZERO));
        for way in WAYS {
            let answer = ways.ask(way, puppet.ask(number(4)).timeout(Duration::ZERO));
            assert!(matches!(answer, Ok(4) | Err(AskError::Timeout)), "{way:?}: {answer:?}");
        }
        drop(take_kept(puppet));
    }
    ways.finish();
    // And as the limit of a system.
    let mut ways = Ways::new(on, |config| config.ask_timeout = Duration::MAX);
    let puppet = ways.world.puppet(0);
    ways.all(Ok(3), |_| puppet.ask(number(3)));
    ways.finish();
}

pub(crate) fn a_question_that_is_dropped_is_not_answered(on: BackendChoice) {
    /// Accepts questions as if they were told.
    struct Deaf;
    #[derive(Message)]
    #[message(reply = u64)]
    struct Well;
    impl Actor for Deaf {
        type Message = Well;
        fn handle(&mut self, _: Well, _: &mut Context<Self>) -> Flow {
            Flow::Continue
        }
    }
    impl Accepts<Well> for Deaf {
        fn accept(message: Well) -> Well {
            message
        }
    }

    let mut ways = Ways::new(on, |_| {});
    for core in [0, 1] {
        let puppet = ways.world.puppet(core);
        ways.all(Err(AskError::Unanswered), |_| puppet.ask(act(|_, _, reply| drop(reply))));
    }
    let deaf = ways.world.system.spawn(Deaf).expect("the core has room");
    assert_eq!(deaf.ask(Well).wait(), Err(AskError::Unanswered));
    deaf.stop();
    ways.finish();
}

pub(crate) fn a_question_on_which_the_asked_panics_is_told_so(on: BackendChoice) {
    crate::panics::quietly();
    let ways = Ways::new(on, |_| {});
    for core in [0, 1] {
        let before = ways.world.sum(|ledger| ledger.panics);
        // With the reply in its hands.
        ways.all(Err(AskError::Panicked), |ways| {
            let panics =
                |_: &mut Puppet, _: &mut Context<Puppet>, _: Reply<u64>| -> Flow { panic!("as planned") };
            ways.world.mortal::<64>(core).0.ask(act(panics))
        });
        // With the reply among what it keeps: that goes because it ends.
        ways.all(Err(AskError::Stopped), |ways| {
            let panics = |me: &mut Puppet, _: &mut Context<Puppet>, reply| -> Flow {
                me.kept.push(reply);
                panic!("as planned")
            };
            ways.world.mortal::<64>(core).0.ask(act(panics))
        });
        let panics = ways.world.sum(|ledger| ledger.panics) - before;
        assert_eq!(panics, 2 * WAYS.len() as u64, "and nobody else does");
    }
    ways.finish();
}

pub(crate) fn only_the_question_on_which_the_asked_panics_is_told_so(on: BackendChoice) {
    crate::panics::quietly();
    let mut world = World::new(on, 2);
    let runner = world.runner(0);
    for core in [0, 1] {
        let (puppet, end) = world.mortal::<64>(core);
        let (told, answers) = channel();
        // They lie in its mailbox behind each other: sent within one handler.
        run(runner, move |cx| {
            let panics = act(|_, _, reply| -> Flow {
                let _reply: Reply<u64> = reply;
                panic!("as planned")
            });
            for (place, question) in [keep(), panics, note(1), note(2)].into_iter().enumerate() {
                let told = told.clone();
                puppet.ask(question).then(cx, move |_: &mut Runner, answer, _| tell(&told, (place, answer)));
            }
            Flow::Continue
        });
        assert_eq!(end.wait(), (StopReason::Panicked, vec![]));
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.sort_unstable_by_key(|(place, _)| *place);
        let stopped = |place| (place, Err(AskError::Stopped));
        assert_eq!(answers, [stopped(0), (1, Err(AskError::Panicked)), stopped(2), stopped(3)]);
    }
    world.finish();
}

pub(crate) fn a_core_does_not_wait(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let (runner, puppet) = (world.runner(0), world.puppet(0));
    assert_eq!(on_core(runner, move |_| puppet.ask(note(1)).wait()), Err(AskError::WithinCore));
    let task = world.system.spawn_task(0, move || async move { puppet.ask(note(1)).wait() });
    assert_eq!(task.expect("the core runs").wait(), Ok(Err(AskError::WithinCore)));
    assert_eq!(notes(puppet), [0; 0], "it is not asked");
    world.finish();
}

pub(crate) fn continuations_run_between_handlers(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let (asker, asked) = (world.puppet(0), world.puppet(0));
    for round in 0..50 {
        let asks = act(move |me: &mut Puppet, cx: &mut Context<Puppet>, reply| {
            me.notes.push(1);
            // Answered at once, and on this core: but not before this handler has ended.
            for other in [asked, cx.me()] {
                other.ask(number(5)).then(cx, move |me, answer: Answer, cx| {
                    me.notes.extend([3, answer.expect("it is there")]);
                    // From within a continuation as well.
                    other
                        .ask(number(6))
                        .then(cx, |me, answer, _| me.notes.push(answer.expect("it is there")));
                    me.notes.push(4);
                });
            }
            cx.me().tell(act(|me, _, _| me.notes.extend([8, 9]))).expect("there is room");
            me.notes.push(2);
            reply.send(0);
        });
        assert_eq!(asker.ask(asks).wait(), Ok(0));
        until("every answer", || world.ledgers()[0].tasks == 0);
        let notes = notes(asker);
        assert_eq!((notes.len(), &notes[..2]), (2 + 2 * 4 + 2, &[1, 2][..]), "{round}: {notes:?}");
        let at = |number| notes.iter().position(|note| *note == number).expect("it was noted");
        assert_eq!(notes[at(8)..][..2], [8, 9], "{notes:?}");
        let begun: Vec<_> = (0..notes.len()).filter(|index| notes[*index] == 3).collect();
        assert!(begun.iter().all(|index| notes[*index..][..3] == [3, 5, 4]), "{notes:?}");
        assert_eq!(notes.iter().filter(|note| **note == 6).count(), 2, "{notes:?}");
    }
    world.finish();
}

pub(crate) fn what_a_continuation_returns_is_what_a_handler_may_return(on: BackendChoice) {
    crate::panics::quietly();
    let mut world = World::new(on, 1);
    let asked = world.puppet(0);
    let reason = |then: fn(&mut Puppet) -> Flow| {
        let (asker, end) = world.mortal::<64>(0);
        let asks = act(move |_, cx: &mut Context<Puppet>, _| {
            asked.ask(number(1)).then(cx, move |me: &mut Puppet, _, _| then(me));
        });
        asker.tell(asks).expect("there is room");
        end.reason()
    };
    assert_eq!(reason(|_| Flow::Stop), StopReason::Stopped);
    assert_eq!(reason(|_| Flow::Fail), StopReason::Failed);
    assert_eq!(reason(|_| panic!("as planned")), StopReason::Panicked);
    let failures = world.sum(|ledger| ledger.failures);
    let (asker, end) = world.mortal::<64>(0);
    let asks = act(move |_, cx: &mut Context<Puppet>, _| {
        asked.ask(number(1)).then(cx, |_: &mut Puppet, _, _| Err::<(), _>("as planned"));
    });
    asker.tell(asks).expect("there is room");
    assert_eq!(end.reason(), StopReason::Failed);
    assert_eq!(world.sum(|ledger| ledger.failures), failures + 1);
    world.finish();
}

pub(crate) fn questions_may_lead_to_questions_a_thousand_deep(on: BackendChoice) {
    fn deeper(depth: u64, here: Addr<Puppet>, there: Addr<Puppet>) -> Act {
        act(move |_, cx: &mut Context<Puppet>, reply| {
            if depth == 0 {
                return reply.send(0);
            }
            let ask = there.ask(deeper(depth - 1, there, here)).timeout(PATIENCE);
            ask.then(cx, move |_: &mut Puppet, answer, _| reply.send(answer.expect("it is there") + 1));
        })
    }

    let mut world = World::new(on, 2);
    let puppets = [world.puppet(0), world.puppet(0), world.puppet(1)];
    for other in [puppets[0], puppets[1], puppets[2]] {
        let ask = puppets[0].ask(deeper(1000, puppets[0], other)).timeout(PATIENCE);
        assert_eq!(ask.wait(), Ok(1000));
    }
    world.finish();
}

pub(crate) fn whoever_asks_itself_is_answered_by_the_next_handler(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let puppet = world.puppet(0);
    let asks = act(|_, cx: &mut Context<Puppet>, reply| {
        cx.me().ask(number(7)).then(cx, |_: &mut Puppet, answer, _| reply.send(answer.expect("it is there")));
    });
    assert_eq!(puppet.ask(asks).wait(), Ok(7));
    // Its mailbox waits for the handler that asks, which is told so at once: that is a circle of one.
    let waits = act(|_, cx: &mut Context<Puppet>, reply| {
        cx.exclusive("asks itself", Timeout::Never, async move |_, cx: &mut Context<Puppet>| {
            let answer = cx.me().ask(note(8)).await;
            reply.send(u64::from(matches!(answer, Err(AskError::Cycle(_)))));
            Flow::Continue
        })
    });
    assert_eq!(puppet.ask(waits).wait(), Ok(1));
    assert_eq!(notes(puppet), [0; 0], "nobody waits for it any more");
    assert_eq!(world.sum(|ledger| ledger.skipped), 1);
    world.finish();
}

/// An actor of which others on its core are sent what cannot leave it.
struct Shelf(Vec<Rc<str>>);

#[derive(Message)]
#[message(reply = Rc<str>)]
struct Exchange(Rc<str>);

#[derive(Message)]
struct Burn;

#[actor]
impl Shelf {
    #[message(local)]
    fn exchange(&mut self, Exchange(text): Exchange) -> Rc<str> {
        let last = self.0.last().cloned().unwrap_or_else(|| Rc::from("nothing"));
        self.0.push(text);
        last
    }

    #[message]
    fn burn(&mut self, _: Burn) -> Flow {
        Flow::Stop
    }
}

pub(crate) fn what_cannot_leave_its_core_is_asked_by_local_addresses(on: BackendChoice) {
    let mut world = World::new(on, 2);
    let (near, far) = (world.runner(0), world.runner(1));
    let shelf = world.system.spawn_with(0, || Shelf(Vec::new())).expect("the core has room");
    assert!(shelf.local().is_none() && on_core(far, move |_| shelf.local().is_none()));
    let (told, texts) = channel();
    let exchange = move |text: &'static str, timeout: Duration| {
        let told = told.clone();
        run(near, move |cx| {
            let shelf = shelf.local().expect("it is on this core");
            let heard = Rc::new(told);
            // The continuation holds something of this core as well.
            shelf.ask(Exchange(Rc::from(text))).timeout(timeout).then(
                cx,
                move |_: &mut Runner, answer, _| {
                    let answer = answer.map(|text| text.to_string());
                    heard.send(answer).expect("the test listens");
                },
            );
            Flow::Continue
        });
    };
    let next = || texts.recv_timeout(PATIENCE).expect("it is told");
    exchange("one", PATIENCE);
    assert_eq!(next().as_deref(), Ok("nothing"));
    exchange("two", Duration::MAX);
    assert_eq!(next().as_deref(), Ok("one"));
    let task = world.system.spawn_task(0, move || async move {
        let shelf = shelf.local().expect("it is on this core");
        shelf.tell(Exchange(Rc::from("three"))).expect("there is room");
        let text = shelf.ask(Exchange(Rc::from("four"))).await.expect("it answers");
        (text.to_string(), Rc::strong_count(&text))
    });
    let (text, count) = task.expect("the core runs").wait().expect("the task ends");
    assert_eq!((text.as_str(), count), ("three", 2), "the very same, here and there");
    shelf.tell(Burn).expect("there is room");
    exchange("five", PATIENCE);
    assert_eq!(next(), Err(AskError::Stopped));
    world.finish();
}

pub(crate) fn a_question_whose_drop_panics_ends_nobody_but_who_asks(on: BackendChoice) {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("as planned, in the drop of a question");
        }
    }
    fn fused() -> Act {
        let bomb = Bomb;
        act(move |_, _, _| {
            let _inside = &bomb;
        })
    }

    crate::panics::quietly();
    let ways = Ways::new(on, |_| {});
    let (puppet, end) = ways.world.mortal::<64>(0);
    puppet.stop();
    end.reason();
    ways.world.settle();
    for way in [Way::Then(0), Way::Then(1), Way::Then(2), Way::Task(0), Way::Task(1), Way::Concurrent(1)] {
        assert_eq!(ways.ask(way, puppet.ask(fused())), Err(AskError::Stopped), "{way:?}");
    }
    // Where there is no core, the panic is that of whoever asks.
    let gone = {
        let world = World::new(on, 1);
        let (puppet, _) = world.mortal::<64>(0);
        world.system.shutdown();
        puppet
    };
    assert!(thread::spawn(move || gone.ask(fused()).wait()).join().is_err());
    // Nor where there is no room on the way.
    let mut world = World::with(on, 1, |config| config.inbox_capacity = 1);
    let (runner, puppet) = (world.runner(0), world.puppet(0));
    let held = hold(runner);
    while puppet.tell(note(1)).is_ok() {}
    assert!(thread::spawn(move || puppet.ask(fused()).wait()).join().is_err());
    drop(held);
    world.finish();
    ways.finish();
}
