//! Waiting for a time: in tasks, where there are too few timers, across threads.
//!
//! Knows: when a sleep is over. Must not know what timers are made of.
// Futures that have been polled are handed out, to be dropped or polled elsewhere.
#![allow(clippy::async_yields_async)]

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::mpsc::channel;
use std::task::{Context as Waiting, Waker};
use std::thread;
use std::time::Duration;

use odeon::Time;
use odeon::prelude::*;
use odeon::sys::now;
use odeon::task;
use odeon::time::{self, sleep, sleep_until, timeout, timeout_at};

use crate::puppet::{Puppet, act, keep, yield_now};
use crate::ways::Answer;
use crate::world::{PATIENCE, World, until};

const SHORT: Duration = Duration::from_millis(2);

fn run<T: Send + 'static, F: Future<Output = T> + 'static>(
    world: &World,
    core: usize,
    future: impl FnOnce() -> F + Send + 'static,
) -> T {
    world.system.spawn_task(core, future).expect("the core runs").wait().expect("the task ends")
}

pub(crate) fn a_sleep_is_never_early_and_not_for_ever(on: BackendChoice) {
    let world = World::new(on, 2);
    for core in [0, 1] {
        run(&world, core, || async {
            let start = time::now();
            for nanoseconds in [0, 1, 100, 70_000, 1_000_000, 20_000_000] {
                let deadline = time::now().after(Duration::from_nanos(nanoseconds));
                sleep_until(deadline).await;
                assert!(now() >= deadline, "{nanoseconds} ns");
            }
            // What has passed is there at once, and takes up nothing.
            for deadline in [Time::ZERO, start, time::now()] {
                let mut sleep = pin!(sleep_until(deadline));
                assert!(sleep.as_mut().poll(&mut Waiting::from_waker(Waker::noop())).is_ready());
                assert!(
                    sleep.as_mut().poll(&mut Waiting::from_waker(Waker::noop())).is_ready(),
                    "and stays so"
                );
            }
            // Whoever sleeps for ever does not wake.
            for ever in [sleep(Duration::MAX), sleep_until(Time::MAX)] {
                assert!(timeout(SHORT, ever).await.is_err());
            }
            let many: Vec<_> = (0..1000_u32).map(|index| task::spawn(sleep(SHORT * (index % 7)))).collect();
            for one in many {
                one.await.expect("it ends");
            }
        });
    }
    world.finish();
}

pub(crate) fn a_timeout_ends_what_takes_too_long_and_nothing_else(on: BackendChoice) {
    let world = World::new(on, 1);
    run(&world, 0, || async {
        assert_eq!(timeout(PATIENCE, async { 7 }).await, Ok(7));
        assert_eq!(timeout(Duration::ZERO, async { 7 }).await, Ok(7), "what is there is there");
        assert_eq!(timeout(Duration::MAX, yield_and(7)).await, Ok(7));
        assert!(timeout(Duration::ZERO, pending::<()>()).await.is_err());
        assert!(timeout_at(Time::ZERO, pending::<()>()).await.is_err());
        let start = time::now();
        assert!(timeout(SHORT, pending::<()>()).await.is_err());
        assert!(now() >= start.after(SHORT));
        // One within the other.
        assert_eq!(
            timeout(PATIENCE, timeout(SHORT, pending::<()>())).await.map(|inner| inner.is_err()),
            Ok(true)
        );
        assert!(timeout(SHORT, timeout(PATIENCE, pending::<()>())).await.is_err());
    });
    world.finish();
}

async fn yield_and(value: u64) -> u64 {
    yield_now().await;
    value
}

pub(crate) fn whoever_finds_no_timer_is_woken_all_the_same(on: BackendChoice) {
    let mut world = World::with(on, 1, |config| (config.timers_max, config.ask_timeout) = (1, SHORT * 3));
    let puppet = world.puppet(0);
    run(&world, 0, move || async move {
        // The only one is taken for a long time.
        let mut long = pin!(sleep(PATIENCE));
        assert!(long.as_mut().poll(&mut Waiting::from_waker(Waker::noop())).is_pending());
        let sleepers: Vec<_> = (0..50_u32)
            .map(|index| {
                task::spawn(async move {
                    let deadline = time::now().after(SHORT * (index % 5));
                    sleep_until(deadline).await;
                    assert!(now() >= deadline, "never early");
                })
            })
            .collect();
        // Those that are dropped before their time leave nothing behind.
        for round in 0..50 {
            assert!(timeout(Duration::from_micros(round), sleep(PATIENCE)).await.is_err());
        }
        for sleeper in sleepers {
            assert_eq!(sleeper.await, Ok(()));
        }
        // Nor does who waits for an answer wait for ever.
        assert_eq!(puppet.ask(keep()).await, Err(AskError::Timeout));
        assert_eq!(puppet.ask(keep()).timeout(SHORT).await, Err(AskError::Timeout));
        // Whether a timer is free meanwhile or not.
        let again: Vec<_> = (0..20).map(|_| task::spawn(sleep(SHORT))).collect();
        assert!(timeout(SHORT / 2, long).await.is_err());
        for sleeper in again {
            assert_eq!(sleeper.await, Ok(()));
        }
    });
    let asks = act(move |_: &mut Puppet, cx: &mut Context<Puppet>, reply| {
        let told = move |_: &mut Puppet, answer: Answer, _: &mut Context<Puppet>| {
            reply.send(u64::from(answer == Err(AskError::Timeout)));
        };
        cx.me().ask(keep()).timeout(SHORT).then(cx, told);
    });
    assert_eq!(puppet.ask(asks).timeout(PATIENCE).wait(), Ok(1));
    puppet.tell(act(|me: &mut Puppet, _, _| me.kept.clear())).expect("there is room");
    world.finish();
}

pub(crate) fn a_timer_that_nobody_waits_for_is_left_to_others(on: BackendChoice) {
    // The time in which answers come has a timer, long after they have come.
    let mut world = World::with(on, 1, |config| (config.timers_max, config.ask_timeout) = (1, PATIENCE));
    let puppet = world.puppet(0);
    let (make, events) = crate::session::sessions(crate::session::Habits::default());
    for _ in 0..3 {
        assert_eq!(puppet.ask(crate::puppet::number(1)).wait(), Ok(1));
        let listener = world.system.listener("127.0.0.1:0").idle_timeout(PATIENCE);
        let listening = listener.start(make.clone()).expect("a free port is found");
        let mut stream = crate::client::connect(listening.address());
        events.next_started();
        crate::client::request(&mut stream, "echo served", "served\n");
        // While it is taken, answers come as well.
        assert_eq!(puppet.ask(crate::puppet::number(2)).wait(), Ok(2));
        listening.stop();
        drop(stream);
        world.settle();
    }
    world.finish();
}

/// A sleep that has been polled, on its way to somebody else.
struct Begun(std::pin::Pin<Box<odeon::time::Sleep>>);

pub(crate) fn a_sleep_may_be_dropped_and_polled_anywhere(on: BackendChoice) {
    let world = World::new(on, 2);
    let begin = |core: usize| {
        run(&world, core, || async {
            let mut sleep = Box::pin(sleep(PATIENCE));
            assert!(sleep.as_mut().poll(&mut Waiting::from_waker(Waker::noop())).is_pending());
            Begun(sleep)
        })
    };
    for core in [0, 1] {
        let (here, there) = (begin(core), begin(core));
        assert_eq!(world.sum(|ledger| ledger.asleep as u64), 2);
        thread::spawn(move || drop(there)).join().expect("dropping does not panic");
        drop(here);
        world.settle();
        // Polled on another core, it waits there.
        let mut moved = begin(core);
        let moved = run(&world, 1 - core, move || async move {
            assert!(moved.0.as_mut().poll(&mut Waiting::from_waker(Waker::noop())).is_pending());
            moved
        });
        world
            .wait_for("the other core", |ledgers| [ledgers[core].asleep, ledgers[1 - core].asleep] == [0, 1]);
        // On a thread that runs none it does not wake anybody, but knows the time.
        let mut moved = moved;
        assert!(moved.0.as_mut().poll(&mut Waiting::from_waker(Waker::noop())).is_pending());
        drop(moved);
        world.settle();
    }
    let mut past = pin!(sleep(Duration::ZERO));
    assert!(past.as_mut().poll(&mut Waiting::from_waker(Waker::noop())).is_ready());
    // Beyond the end of its system.
    let (kept, short) = (begin(0), World::new(on, 1));
    let other = run(&short, 0, || async {
        let mut sleep = Box::pin(sleep(PATIENCE));
        assert!(sleep.as_mut().poll(&mut Waiting::from_waker(Waker::noop())).is_pending());
        Begun(sleep)
    });
    short.system.shutdown();
    drop((kept, other));
    world.finish();
}

pub(crate) fn who_waits_no_more_holds_no_timer(on: BackendChoice) {
    let mut world = World::new(on, 2);
    let (near, far) = (world.puppet(0), world.puppet(1));
    let (gate, closed) = (crate::puppet::Gate::default(), crate::puppet::Gate::default());
    let (open, passes) = (gate.clone(), closed.clone());
    let task = world.system.spawn_task(0, move || async move {
        let mut answers =
            [near, far].map(|puppet| Box::pin(puppet.ask(crate::puppet::number(1)).into_future()));
        for answer in &mut answers {
            assert_eq!(answer.as_mut().await, Ok(1));
        }
        open.open();
        passes.pass().await;
        drop(answers);
    });
    let task = task.expect("the core runs");
    until("the answers", || gate.is_open());
    assert_eq!(world.sum(|ledger| (ledger.timers + ledger.asleep) as u64), 0, "what has come is not awaited");
    closed.open();
    assert_eq!(task.wait(), Ok(()));
    world.finish();
}

pub(crate) fn a_sleep_wakes_whoever_polled_last(on: BackendChoice) {
    let world = World::new(on, 1);
    let (tell, told) = channel();
    run(&world, 0, move || async move {
        // Polled by one task, and then by another, which waits for it. On a machine that does much else it may be over before.
        let sleep = loop {
            let mut sleep = Box::pin(sleep(SHORT * 10));
            let _ = sleep.as_mut().poll(&mut Waiting::from_waker(Waker::noop()));
            let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(sleep.as_mut().poll(cx))).await;
            if polled.is_pending() {
                break sleep;
            }
        };
        let other = task::spawn(async move {
            sleep.await;
            tell.send(()).expect("the test listens");
        });
        other.await.expect("it ends");
    });
    told.recv().expect("it was woken");
    world.finish();
}
