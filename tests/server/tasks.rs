//! Tasks: how they begin, are waited for, are woken, and end.
//!
//! Knows: futures on cores. Must not know actors, but as a place to spawn from.

use std::future::{Future, pending, poll_fn};
use std::io::Read;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{TryRecvError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as Waiting, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use futures_core::Stream;
use odeon::prelude::*;
use odeon::task::{self, JoinError, JoinHandle};

use crate::client::{connect, request};
use crate::panics::quietly;
use crate::puppet::{Gate, Puppet, act, yield_now};
use crate::runner::on_core;
use crate::world::{PATIENCE, World};

const MILLISECOND: Duration = Duration::from_millis(1);

pub(crate) fn tasks_begin_and_are_waited_for_everywhere(on: BackendChoice) {
    let mut world = World::new(on, 2);
    let (other, runners) = (World::new(on, 1), [world.runner(0), world.runner(1)]);
    // From a thread, waited for by a thread.
    for core in 0..4 {
        let task = world.system.spawn_task(core, move || async move { core * 10 });
        assert_eq!(task.expect("the core runs").wait(), Ok(core * 10));
    }
    // From a handler and a task; waited for in a task of another core, of another system, of another runtime.
    let spawn = |core: usize| on_core(runners[core], |_| task::spawn(async { yield_twice(5).await }));
    for core in [0, 1] {
        assert_eq!(spawn(core).wait(), Ok(5));
        let task = spawn(core);
        let waits =
            world.system.spawn_task(1 - core, move || async move { task.await.map(|value| value + 1) });
        assert_eq!(waits.expect("the core runs").wait(), Ok(Ok(6)));
        let task = spawn(core);
        let waits = other.system.spawn_task(0, move || async move { task.await.map(|value| value + 2) });
        assert_eq!(waits.expect("the core runs").wait(), Ok(Ok(7)));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build();
        let runtime = runtime.expect("a runtime starts");
        let waits = runtime.spawn(spawn(core));
        assert_eq!(runtime.block_on(waits).expect("no panic"), Ok(5));
        assert_eq!(runtime.block_on(async { spawn(core).await }), Ok(5));
        let nested = world.system.spawn_task(core, || async {
            let inner = task::spawn(async { task::spawn(yield_twice(8)).await });
            inner.await
        });
        assert_eq!(nested.expect("the core runs").wait(), Ok(Ok(Ok(8))));
    }
    // What cannot leave its core does not have to.
    let local = world.system.spawn_task(0, || async {
        let shared = std::rc::Rc::new(3);
        let theirs = shared.clone();
        task::spawn(async move { theirs }).await.map(|theirs| *theirs + *shared)
    });
    assert_eq!(local.expect("the core runs").wait(), Ok(Ok(6)));
    world.finish();
    other.finish();
}

async fn yield_twice(value: u64) -> u64 {
    yield_now().await;
    yield_now().await;
    value
}

#[derive(Message)]
struct Number(u32);

/// Three numbers, then nothing more, and no end.
struct Numbers(u32);

impl Stream for Numbers {
    type Item = Number;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Waiting<'_>) -> Poll<Option<Number>> {
        self.0 += 1;
        if self.0 <= 3 { Poll::Ready(Some(Number(self.0))) } else { Poll::Pending }
    }
}

/// Sends what a stream has, and what its peer sends.
struct Ticker;

#[actor(codec = Lines<16>)]
impl Ticker {
    #[started]
    fn begin(&mut self, cx: &mut Context<Self>) -> Flow {
        cx.attach(Numbers(0))
    }

    #[message]
    fn number(&mut self, Number(number): Number, cx: &mut Context<Self>) {
        cx.write_line(number.to_string());
    }

    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) {
        cx.write_line(line);
    }
}

pub(crate) fn a_connection_takes_the_items_of_a_stream_until_it_ends(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let mut client = connect(world.serve(|_| Ticker));
    let mut numbers = [0; 6];
    client.read_exact(&mut numbers).expect("they are sent");
    assert_eq!(&numbers, b"1\n2\n3\n");
    request(&mut client, "hello", "hello\n");
    drop(client);
    world.settle();
    world.finish();
}

pub(crate) fn a_core_does_not_wait_for_a_task(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let runner = world.runner(0);
    let waited = on_core(runner, |_| task::spawn(async { 1 }).wait());
    assert_eq!(waited, Err(JoinError::WithinCore));
    let waited = world.system.spawn_task(0, || async { task::spawn(async { 1 }).wait() });
    assert_eq!(waited.expect("the core runs").wait(), Ok(Err(JoinError::WithinCore)));
    // Nor does a thread without a core run one: the future is dropped there, and at once.
    let (held, dropped) = channel::<()>();
    let refused = task::spawn(async move {
        let _held = held;
        unreachable!("it is not polled")
    });
    assert!(dropped.try_recv().is_err_and(|error| error == TryRecvError::Disconnected));
    refused.abort();
    let told: Result<(), _> = refused.wait();
    assert_eq!(told, Err(JoinError::Refused));
    world.finish();
}

/// Panics when it is dropped on a core.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        let name = thread::current().name().unwrap_or_default().to_owned();
        assert!(!name.starts_with("odeon-"), "as planned, in a drop");
    }
}

pub(crate) fn a_task_that_panics_says_so_and_harms_nobody(on: BackendChoice) {
    fn panics(
        core: usize,
        world: &World,
        future: impl Future<Output = u64> + Send + 'static,
    ) -> Result<u64, JoinError> {
        world.system.spawn_task(core, move || future).expect("the core runs").wait()
    }

    quietly();
    let world = World::new(on, 2);
    for core in [0, 1] {
        assert_eq!(panics(core, &world, async { panic!("as planned") }), Err(JoinError::Panicked));
        let later = async {
            yield_now().await;
            panic!("as planned, later")
        };
        assert_eq!(panics(core, &world, later), Err(JoinError::Panicked));
        let makes = world.system.spawn_task(core, || -> std::future::Ready<u64> { panic!("as planned") });
        assert_eq!(makes.expect("the core runs").wait(), Err(JoinError::Panicked));
        // It has its result before what it holds is dropped.
        let drops = poll_fn({
            let bomb = Bomb;
            move |_| {
                let _inside = &bomb;
                Poll::Ready(7)
            }
        });
        assert!(matches!(panics(core, &world, drops), Ok(7) | Err(JoinError::Panicked)));
        // What panics when it is dropped because its task is aborted.
        let gate = Gate::default();
        let closed = gate.clone();
        let waits = world.system.spawn_task(core, move || async move {
            let _bomb = Bomb;
            closed.pass().await;
        });
        let waits = waits.expect("the core runs");
        gate.until_somebody_waits();
        waits.abort();
        assert_eq!(waits.wait(), Err(JoinError::Panicked));
        // What nobody waits for any more.
        let nobody = world.system.spawn_task(core, || async {
            yield_now().await;
            Bomb
        });
        drop(nobody);
        world.settle();
    }
    let panics = world.sum(|ledger| ledger.panics);
    assert!((2 * 5..=2 * 6).contains(&panics), "each of them once, but for what the test dropped: {panics}");
    world.finish();
}

pub(crate) fn a_task_is_aborted_from_anywhere_and_at_any_time(on: BackendChoice) {
    let mut world = World::new(on, 2);
    let runners = [world.runner(0), world.runner(1)];
    let abort = |from: usize, task: JoinHandle<u64>| match from {
        2 => {
            task.abort();
            task.wait()
        }
        from => on_core(runners[from], move |_| {
            task.abort();
            task
        })
        .wait(),
    };
    for from in 0..3 {
        // While it waits.
        let (held, dropped) = channel::<()>();
        let waits = world.system.spawn_task(0, move || async move {
            let _held = held;
            pending::<u64>().await
        });
        let waits = waits.expect("the core runs");
        assert_eq!(abort(from, waits), Err(JoinError::Aborted));
        let gone = dropped.try_recv() == Err(TryRecvError::Disconnected);
        assert!(gone, "its future is dropped before anybody is told");
        // While it is ready, always.
        let busy = world.system.spawn_task(0, || async {
            loop {
                yield_now().await;
            }
        });
        assert_eq!(abort(from, busy.expect("the core runs")), Err(JoinError::Aborted));
        // After it has finished, and been gone for long.
        let done = world.system.spawn_task(0, || async { 7 }).expect("the core runs");
        world.settle();
        assert_eq!(abort(from, done), Ok(7));
    }
    // By itself.
    let (tell, told) = sync_channel::<JoinHandle<u64>>(1);
    let itself = world.system.spawn_task(0, move || async move {
        loop {
            match told.try_recv() {
                Ok(own) => {
                    own.abort();
                    yield_now().await;
                    unreachable!("it is aborted before it is polled again");
                }
                Err(_) => yield_now().await,
            }
        }
    });
    let (watch, watched) = channel::<()>();
    let keeps = world.system.spawn_task(0, move || async move {
        let _watch = watch;
        yield_now().await;
    });
    tell.send(itself.expect("the core runs")).expect("the task listens");
    assert_eq!(keeps.expect("the core runs").wait(), Ok(()));
    assert!(watched.recv().is_err());
    world.finish();
}

pub(crate) fn a_task_goes_on_when_nobody_waits_for_it(on: BackendChoice) {
    let world = World::new(on, 1);
    let (tell, told) = channel();
    let gate = Gate::default();
    let closed = gate.clone();
    drop(world.system.spawn_task(0, move || async move {
        closed.pass().await;
        tell.send(7).expect("the test listens");
    }));
    gate.open();
    assert_eq!(told.recv(), Ok(7));
    world.finish();
}

pub(crate) fn tasks_that_never_end_do_not_keep_a_system(on: BackendChoice) {
    let world = World::new(on, 2);
    let endless: Vec<_> = (0..20)
        .map(|core| {
            let task = world.system.spawn_task(core, move || async move {
                loop {
                    match core % 3 {
                        0 => pending().await,
                        1 => yield_now().await,
                        _ => odeon::time::sleep(Duration::from_secs(3600)).await,
                    }
                }
            });
            task.expect("the core runs")
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    let mut endless: Vec<JoinHandle<u64>> = endless;
    let count = endless.len();
    let elsewhere = runtime.spawn(endless.pop().expect("there are some"));
    let report = world.system.shutdown();
    assert_eq!((report.actors_cut_off, report.tasks_cut_off), (0, count));
    for task in endless {
        task.abort();
        assert_eq!(task.wait(), Err(JoinError::Aborted));
    }
    assert_eq!(runtime.block_on(elsewhere).expect("no panic"), Err(JoinError::Aborted));
}

pub(crate) fn what_a_task_does_when_its_system_ends_is_contained(on: BackendChoice) {
    /// Spawns another like it when it is dropped, and panics.
    struct Hydra(u32);
    impl Drop for Hydra {
        fn drop(&mut self) {
            for _ in 0..if self.0 < 6 { 2 } else { 0 } {
                let another = Hydra(self.0 + 1);
                drop(task::spawn(async move {
                    let _another = another;
                    pending::<()>().await;
                }));
            }
            panic!("as planned, in a drop");
        }
    }

    quietly();
    let world = World::new(on, 1);
    let hydra = world.system.spawn_task(0, || async {
        let _hydra = Hydra(0);
        pending::<()>().await;
    });
    let hydra = hydra.expect("the core runs");
    // Each of those that are dropped begins two, which do not run.
    assert_eq!(world.system.shutdown().tasks_cut_off, (1 << 7) - 1);
    assert_eq!(hydra.wait(), Err(JoinError::Panicked));
}

pub(crate) fn a_hundred_thousand_tasks_run_at_once(on: BackendChoice) {
    const MANY: u64 = 100_000;
    let world = World::new(on, 2);
    for core in [0, 1] {
        let all = world.system.spawn_task(core, || async {
            let gate = Gate::default();
            let spawn = |number: u64| {
                let gate = gate.clone();
                task::spawn(async move {
                    gate.pass().await;
                    number
                })
            };
            let tasks: Vec<_> = (0..MANY).map(spawn).collect();
            while gate.waiting() < MANY as usize {
                yield_now().await;
            }
            gate.open();
            let mut sum = 0;
            for task in tasks {
                sum += task.await.expect("it ends");
            }
            sum
        });
        assert_eq!(all.expect("the core runs").wait(), Ok(MANY * (MANY - 1) / 2));
    }
    world.finish();
}

pub(crate) fn tasks_beyond_the_limits_are_refused(on: BackendChoice) {
    let mut world = World::with(on, 1, |config| config.tasks_max = 3);
    let runner = world.runner(0);
    let refused = |world: &World, room: usize| {
        let gate = Gate::default();
        let closed = gate.clone();
        let (held, dropped) = channel::<()>();
        let tasks = on_core(runner, move |_| {
            let spawn = |_| {
                let (gate, held) = (closed.clone(), held.clone());
                task::spawn(async move {
                    let _held = held;
                    gate.pass().await;
                })
            };
            (0..10).map(spawn).collect::<Vec<_>>()
        });
        gate.open();
        let results: Vec<_> = tasks.into_iter().map(JoinHandle::wait).collect();
        assert!(results[..room].iter().all(|result| *result == Ok(())), "{results:?}");
        assert!(results[room..].iter().all(|result| *result == Err(JoinError::Refused)), "{results:?}");
        assert!(dropped.recv().is_err(), "futures that are refused are dropped");
        assert!(world.sum(|ledger| ledger.failures) >= 10 - room as u64, "and counted");
        world.settle();
    };
    refused(&world, 3);
    refused(&world, 3);
    world.finish();
    let mut world = World::with(on, 1, |config| config.actors_max = 5);
    let runner = world.runner(0);
    let tasks = on_core(runner, |_| (0..10).map(|_| task::spawn(async {})).collect::<Vec<_>>());
    let done = tasks.into_iter().map(JoinHandle::wait).filter(Result::is_ok).count();
    assert_eq!(done, 4, "beside the runner");
    world.finish();
}

/// A number that threads raise and a task waits for.
#[derive(Default)]
struct Tally {
    count: AtomicU64,
    waker: Mutex<Option<Waker>>,
}

impl Tally {
    fn raise(&self) {
        self.count.fetch_add(1, Ordering::Release);
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    async fn reaches(&self, end: u64) -> u64 {
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
            match self.count.load(Ordering::Acquire) {
                count if count < end => Poll::Pending,
                _ => Poll::Ready(()),
            }
        })
        .await;
        polls
    }
}

pub(crate) fn a_storm_of_wakes_from_threads_loses_none(on: BackendChoice) {
    const THREADS: u64 = 6;
    const WAKES: u64 = 5_000;
    const TASKS: usize = 16;
    let world = World::new(on, 2);
    for _ in 0..3 {
        let tallies: Arc<[Tally; TASKS]> = Arc::default();
        let tasks: Vec<_> = (0..TASKS)
            .map(|index| {
                let tallies = tallies.clone();
                let ends = move || async move { tallies[index].reaches(THREADS * WAKES).await };
                world.system.spawn_task(index, ends).expect("the core runs")
            })
            .collect();
        let threads: Vec<_> = (0..THREADS as usize)
            .map(|thread| {
                let tallies = tallies.clone();
                thread::spawn(move || {
                    for wake in 0..WAKES as usize * TASKS {
                        tallies[(wake + thread) % TASKS].raise();
                    }
                })
            })
            .collect();
        for task in tasks {
            assert!(task.wait().expect("it ends") > 0);
        }
        threads.into_iter().for_each(|thread| thread.join().expect("waking does not panic"));
        world.settle();
    }
    world.finish();
}

pub(crate) fn tasks_that_always_go_on_do_not_keep_others_waiting(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let puppet = world.puppet(0);
    let (make, _events) = crate::session::sessions(crate::session::Habits::default());
    let mut stream = crate::client::connect(world.serve(make));
    let gate = Gate::default();
    let spinning: Vec<_> = (0..10)
        .map(|_| {
            let gate = gate.clone();
            let spins = move || async move {
                while !gate.is_open() {
                    yield_now().await;
                }
            };
            world.system.spawn_task(0, spins).expect("the core runs")
        })
        .collect();
    for round in 0..200 {
        crate::client::request(&mut stream, &format!("echo {round}"), &format!("{round}\n"));
        assert_eq!(puppet.ask(crate::puppet::number(round)).wait(), Ok(round));
        let sleeps = world.system.spawn_task(0, || odeon::time::sleep(Duration::from_micros(100)));
        assert_eq!(sleeps.expect("the core runs").wait(), Ok(()));
    }
    gate.open();
    for task in spinning {
        assert_eq!(task.wait(), Ok(()));
    }
    drop(stream);
    world.finish();
}

pub(crate) fn a_wake_during_a_poll_is_another_poll(on: BackendChoice) {
    let world = World::new(on, 2);
    for core in [0, 1] {
        // By the task itself.
        let itself = world.system.spawn_task(core, || async {
            for _ in 0..10_000 {
                yield_now().await;
            }
        });
        assert_eq!(itself.expect("the core runs").wait(), Ok(()));
        // By a thread, which is done with it before the poll is.
        let (tell, wakers) = channel::<Waker>();
        let (woken, told) = sync_channel(1);
        let waking = thread::spawn(move || {
            for waker in wakers {
                waker.wake();
                woken.send(()).expect("the task waits for it");
            }
        });
        let woken = world.system.spawn_task(core, move || async move {
            for _ in 0..500 {
                let mut polled = false;
                poll_fn(|cx| {
                    if std::mem::replace(&mut polled, true) {
                        return Poll::Ready(());
                    }
                    tell.send(cx.waker().clone()).expect("the thread listens");
                    told.recv().expect("the thread wakes it");
                    Poll::Pending
                })
                .await;
            }
        });
        assert_eq!(woken.expect("the core runs").wait(), Ok(()));
        waking.join().expect("waking does not panic");
    }
    world.finish();
}

pub(crate) fn a_waker_outlives_its_task_and_its_system(on: BackendChoice) {
    let world = World::new(on, 1);
    let (tell, wakers) = channel::<Waker>();
    for _ in 0..100 {
        let tell = tell.clone();
        let task = world.system.spawn_task(0, move || {
            poll_fn(move |cx| {
                tell.send(cx.waker().clone()).expect("the test listens");
                Poll::Ready(())
            })
        });
        assert_eq!(task.expect("the core runs").wait(), Ok(()));
    }
    let kept: Vec<Waker> = wakers.try_iter().collect();
    assert_eq!(kept.len(), 100);
    // They wake nobody, although other tasks have taken the places of theirs.
    let polls = Arc::new(AtomicU64::new(0));
    let counted = polls.clone();
    let gate = Gate::default();
    let closed = gate.clone();
    let other = world.system.spawn_task(0, move || {
        let mut pass = Box::pin(async move { closed.pass().await });
        poll_fn(move |cx| {
            counted.fetch_add(1, Ordering::Relaxed);
            pass.as_mut().poll(cx)
        })
    });
    gate.until_somebody_waits();
    kept.iter().for_each(Waker::wake_by_ref);
    world.settle_but(1);
    assert_eq!(polls.load(Ordering::Relaxed), 1, "who was not woken is not polled");
    gate.open();
    assert_eq!(other.expect("the core runs").wait(), Ok(()));
    let end = world.system.spawn_task(0, move || async move {
        poll_fn(|cx| {
            tell.send(cx.waker().clone()).expect("the test listens");
            Poll::<()>::Pending
        })
        .await;
    });
    let last = wakers.recv().expect("it is polled");
    assert_eq!(world.system.shutdown().tasks_cut_off, 1);
    assert_eq!(end.expect("the core ran").wait(), Err(JoinError::Aborted));
    for waker in kept.into_iter().chain([last]) {
        let clone = waker.clone();
        waker.wake_by_ref();
        waker.wake();
        clone.wake();
    }
}

impl World {
    /// Waits until there is nothing but so many tasks more than at first.
    fn settle_but(&self, tasks: usize) {
        self.wait_for("the tasks", |ledgers| {
            ledgers.iter().map(|ledger| ledger.tasks).sum::<usize>() == tasks
        });
        // And whatever has been begun by then.
        self.ledgers();
    }
}

/// Polls many futures by wakers of its own, each when it was woken.
struct Group<F: Future> {
    futures: Vec<Option<Pin<Box<F>>>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    ready: Mutex<Vec<usize>>,
    waker: Mutex<Option<Waker>>,
}

struct Child(usize, Arc<Shared>);

impl Wake for Child {
    fn wake(self: Arc<Self>) {
        let Child(index, shared) = &*self;
        shared.ready.lock().unwrap_or_else(PoisonError::into_inner).push(*index);
        let waker = shared.waker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<F: Future> Group<F> {
    fn new(futures: impl IntoIterator<Item = F>) -> Group<F> {
        let futures: Vec<_> = futures.into_iter().map(|future| Some(Box::pin(future))).collect();
        let shared = Arc::new(Shared::default());
        shared.ready.lock().unwrap_or_else(PoisonError::into_inner).extend(0..futures.len());
        Group { futures, shared }
    }

    /// Waits for all; answers how many there were, and how many polls it took.
    async fn all(mut self) -> (usize, usize) {
        let (mut done, mut polls) = (0, 0);
        poll_fn(|cx| {
            *self.shared.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
            let ready =
                std::mem::take(&mut *self.shared.ready.lock().unwrap_or_else(PoisonError::into_inner));
            for index in ready {
                let Some(future) = &mut self.futures[index] else { continue };
                polls += 1;
                let waker = Waker::from(Arc::new(Child(index, self.shared.clone())));
                if future.as_mut().poll(&mut Waiting::from_waker(&waker)).is_ready() {
                    self.futures[index] = None;
                    done += 1;
                }
            }
            if done == self.futures.len() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        (done, polls)
    }
}

pub(crate) fn futures_with_wakers_of_their_own_are_woken(on: BackendChoice) {
    const MANY: u64 = 500;
    let mut world = World::new(on, 2);
    let puppets = [world.puppet(0), world.puppet(1)];
    for timers in [1 << 20, 1] {
        let small = World::with(on, 1, |config| config.timers_max = timers);
        let group = small.system.spawn_task(0, move || async move {
            let one = |number: u64| async move {
                let sleep = odeon::time::sleep(Duration::from_micros(number * 20));
                match number % 4 {
                    0 => sleep.await,
                    1 => {
                        let ask = puppets[number as usize / 4 % 2].ask(crate::puppet::number(number));
                        assert_eq!(ask.await, Ok(number));
                    }
                    2 => assert_eq!(task::spawn(yield_twice(number)).await, Ok(number)),
                    _ => assert!(odeon::time::timeout_at(sleep.deadline(), pending::<()>()).await.is_err()),
                }
            };
            Group::new((0..MANY).map(one)).all().await
        });
        let (done, polls) = group.expect("the core runs").wait().expect("the task ends");
        assert_eq!(done as u64, MANY);
        assert!(polls < 5 * done, "{polls} polls: who was not woken is not polled");
        small.finish();
    }
    world.finish();
}

/// A waker that panics when it is woken.
struct Unruly(AtomicBool);

impl Wake for Unruly {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
        panic!("as planned, in a waker");
    }
}

pub(crate) fn a_waker_that_panics_harms_nobody(on: BackendChoice) {
    /// Whatever is polled again once such a waker was woken.
    async fn poll_once(future: impl Future) {
        let (mut future, unruly) = (pin!(future), Arc::new(Unruly(AtomicBool::new(false))));
        let waker = Waker::from(unruly.clone());
        assert!(future.as_mut().poll(&mut Waiting::from_waker(&waker)).is_pending());
        let give_up = odeon::sys::now().after(PATIENCE);
        while !unruly.0.load(Ordering::Acquire) {
            odeon::time::sleep(MILLISECOND).await;
            assert!(odeon::sys::now() < give_up, "it is woken");
        }
        future.await;
    }

    quietly();
    let mut world = World::new(on, 2);
    let puppets = [world.puppet(0), world.puppet(1)];
    for puppet in puppets {
        let task = world.system.spawn_task(0, move || async move {
            poll_once(odeon::time::sleep(MILLISECOND)).await;
            let answers = act(|_: &mut Puppet, _, reply| {
                task::spawn(async move {
                    yield_now().await;
                    reply.send(1);
                })
                .detach();
            });
            poll_once(puppet.ask(answers).into_future()).await;
            let keeps = puppet.ask(crate::puppet::keep()).timeout(MILLISECOND);
            poll_once(keeps.into_future()).await;
            poll_once(task::spawn(yield_twice(1))).await;
        });
        assert_eq!(task.expect("the core runs").wait(), Ok(()));
    }
    for puppet in puppets {
        puppet.tell(act(|me: &mut Puppet, _, _| me.kept.clear())).expect("there is room");
    }
    assert!(world.sum(|ledger| ledger.panics) >= 8, "each is counted");
    world.finish();
}
