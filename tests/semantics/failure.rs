//! Promise 6: whoever has failed is begun again, as its supervisor was told, with its address and its mailbox.

use std::time::Duration;

use odeon::Time;
use odeon::prelude::*;

use crate::world::{Foot, Notes, On, World, panic_quietly};

/// What happens to whom, in order.
pub type Trace = Notes<(u8, &'static str)>;

/// Restarts without end.
pub fn always() -> Restart {
    Restart::one_for_one().intensity(u32::MAX, Duration::from_secs(1))
}

#[derive(Message)]
pub struct Fail;

#[derive(Message)]
struct Number(u64);

#[derive(Message)]
struct Late;

#[derive(Message)]
struct Finish(Flow);

/// Notes what happens to it.
pub struct Worker {
    name: u8,
    trace: Trace,
    numbers: Notes<u64>,
    owed: Vec<Reply<()>>,
    /// Where it panics.
    breaks: Option<&'static str>,
}

impl Worker {
    pub fn new(name: u8, trace: &Trace) -> Worker {
        trace.note((name, "made"));
        let (trace, numbers) = (trace.clone(), Notes::new());
        Worker { name, trace, numbers, owed: Vec::new(), breaks: None }
    }

    fn counting(mut self, numbers: &Notes<u64>) -> Worker {
        self.numbers = numbers.clone();
        self
    }

    fn breaking(mut self, at: &'static str) -> Worker {
        self.breaks = Some(at);
        self
    }

    fn note(&self, what: &'static str) {
        self.trace.note((self.name, what));
        if self.breaks == Some(what) {
            panic_quietly();
        }
    }
}

#[actor(mailbox(capacity = 4096))]
impl Worker {
    #[started]
    fn started(&mut self) {
        self.note("started");
    }

    #[message]
    fn number(&mut self, Number(number): Number) {
        self.numbers.note(number);
    }

    #[message]
    fn fail(&mut self, _: Fail) {
        panic_quietly();
    }

    #[message]
    fn finish(&mut self, Finish(flow): Finish) -> Flow {
        flow
    }

    #[call]
    fn burst(&mut self) -> u8 {
        panic_quietly()
    }

    #[call]
    fn owe(&mut self, reply: Reply<()>) {
        self.owed.push(reply);
    }

    #[call]
    fn name(&mut self) -> u8 {
        self.name
    }

    /// Begins everything that an actor can begin, and fails.
    #[call]
    fn begin_all(&mut self, never: Addr<Silent>, cx: &mut Context<Self>) {
        cx.send_after(Duration::ZERO, Late).expect("there is room");
        cx.watch(never).expect("there is room");
        never.nothing().then(cx, |me, _, _| me.note("continued"));
        let me = cx.handle();
        let _ = cx.concurrent("late", odeon::Timeout::Never, async move {
            let _ = never.nothing().await;
            let _ = me.with(|me, _| me.note("polled"));
            Flow::Continue
        });
        never.stop();
        panic_quietly();
    }

    #[message]
    fn late(&mut self, _: Late) {
        self.note("late");
    }

    #[message]
    fn down(&mut self, _: Down) {
        self.note("told");
    }

    #[stopped]
    fn stopped(&mut self, _: StopReason) {
        self.note("stopped");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.note("dropped");
    }
}

/// Never answers.
#[derive(Default)]
struct Silent(Vec<Reply<()>>);

#[actor]
impl Silent {
    #[call]
    fn nothing(&mut self, reply: Reply<()>) {
        self.0.push(reply);
    }
}

/// Tells of the end of others.
struct Watcher(Notes<StopReason>);

#[actor]
impl Watcher {
    #[call]
    fn watch(&mut self, who: Addr<Worker>, cx: &mut Context<Self>) {
        cx.watch(who).expect("there is room");
    }

    #[message]
    fn down(&mut self, Down { reason, .. }: Down) {
        self.0.note(reason);
    }
}

/// What a question on the foot of core 0 becomes.
fn answer<R: Send + 'static>(
    world: &World,
    ask: impl FnOnce(&mut Context<Foot>, Notes<Result<R, AskError>>) + Send + 'static,
) -> Result<R, AskError> {
    let answers = Notes::new();
    let noted = answers.clone();
    world.begin(0, move |cx| ask(cx, noted));
    world.until("an answer", || answers.len() == 1);
    answers.take().remove(0)
}

/// Has it fail, and those who ask next on the foot of core 0 find the next one.
pub fn fail(world: &World, who: Addr<Worker>) {
    world.run(0, move |_| who.tell(Fail).expect("there is room"));
}

/// Waits until it has begun, with all before it.
pub fn name(world: &World, who: Addr<Worker>) -> Result<u8, AskError> {
    answer(world, move |cx, noted| who.name().then(cx, move |_, name, _| noted.note(name)))
}

fn watch(world: &World, who: Addr<Worker>) -> Notes<StopReason> {
    let told = Notes::new();
    let watcher = world.spawn(0, Watcher(told.clone()));
    answer(world, move |cx, noted| watcher.watch(who).then(cx, move |_, done, _| noted.note(done)))
        .expect("it is answered");
    world.settle();
    told
}

pub fn count(world: &World, what: impl Fn(&odeon::Ledger) -> u64) -> u64 {
    world.ledgers().iter().map(what).sum()
}

pub fn only(trace: &Trace, which: &[&str]) -> Vec<(u8, &'static str)> {
    trace.take().into_iter().filter(|(_, what)| which.contains(what)).collect()
}

pub fn whoever_has_failed_is_begun_again_under_its_address_and_with_its_mailbox(on: On) {
    let world = World::new(on, 2);
    for core in 0..2 {
        let (trace, numbers, answers) = (Trace::new(), Notes::new(), Notes::new());
        let (traced, noted) = (trace.clone(), numbers.clone());
        let worker = world.supervise(core, always(), move || Worker::new(1, &traced).counting(&noted));
        let before = world.dead_letters();
        let [owed, burst, after] = [(); 3].map(|()| answers.clone());
        world.run(core, move |cx| {
            worker.owe().then(cx, move |_, answer, _| owed.note(("owed", answer.err())));
            worker.tell(Number(1)).expect("there is room");
            worker.burst().then(cx, move |_, answer, _| burst.note(("burst", answer.err())));
            worker.tell(Number(2)).expect("there is room");
            worker.name().then(cx, move |_, answer, _| after.note(("after", answer.err())));
        });
        world.until("all answers", || answers.len() == 3);
        let mut answers = answers.take();
        answers.sort_by_key(|(which, _)| *which);
        assert_eq!(
            answers,
            [("after", None), ("burst", Some(AskError::Panicked)), ("owed", Some(AskError::Restarted))]
        );
        assert_eq!(numbers.take(), [1, 2]);
        assert_eq!(world.dead_letters() - before, 1, "the message on which it has failed");
    }
    assert_eq!(count(&world, |ledger| ledger.restarts), 2);
    world.end();
}

pub fn each_part_of_an_end_comes_before_the_next_beginning(on: On) {
    let world = World::new(on, 2);
    for core in 0..2 {
        for end in [None, Some(Flow::Fail)] {
            let trace = Trace::new();
            let traced = trace.clone();
            let worker = world.supervise(core, always(), move || Worker::new(1, &traced));
            match end {
                None => fail(&world, worker),
                Some(flow) => worker.tell(Finish(flow)).or_dead_letter(),
            }
            world.until("a new one", || trace.len() == 6);
            let whole = ["made", "started", "stopped", "dropped", "made", "started"];
            assert_eq!(trace.take(), whole.map(|what| (1, what)));
            worker.stop();
            world.until("its end", || trace.len() == 2);
            assert_eq!(trace.take(), [(1, "stopped"), (1, "dropped")]);
        }
    }
    world.end();
}

pub fn nothing_of_the_old_one_comes_to_the_new(on: On) {
    let world = World::new(on, 2);
    for core in 0..2 {
        let trace = Trace::new();
        let traced = trace.clone();
        let worker = world.supervise(core, always(), move || Worker::new(1, &traced));
        for other in 0..2 {
            let silent = world.spawn(other, Silent::default());
            let failed = answer(&world, move |cx, noted| {
                worker.begin_all(silent).then(cx, move |_, answer, _| noted.note(answer));
            });
            assert_eq!(failed, Err(AskError::Panicked));
            // It has come up, and whatever was on its way to it has arrived.
            assert_eq!(name(&world, worker), Ok(1));
            world.run(other, |_| ());
            assert_eq!(name(&world, worker), Ok(1));
        }
        let allowed = ["made", "started", "stopped", "dropped"];
        let trace = trace.take();
        assert!(trace.iter().all(|(_, what)| allowed.contains(what)), "{trace:?}");
    }
    world.end();
}

pub fn a_storm_of_restarts_stops_at_its_intensity(on: On) {
    let world = World::new(on, 2);
    for core in 0..2 {
        let before = count(&world, |ledger| ledger.actors as u64);
        let trace = Trace::new();
        let traced = trace.clone();
        let restart = Restart::one_for_one().intensity(3, Duration::from_secs(3600));
        let worker = world.supervise(core, restart, move || Worker::new(1, &traced).breaking("started"));
        let told = watch(&world, worker);
        world.until("its end", || told.len() == 1);
        assert!(matches!(told.take()[..], [StopReason::Escalated | StopReason::Gone]));
        assert_eq!(only(&trace, &["started"]).len(), 4, "it has begun, and three times again");
        assert_eq!(count(&world, |ledger| ledger.given_up), core as u64 + 1);
        assert_eq!(count(&world, |ledger| ledger.restarts), 3 * (core as u64 + 1));
        assert!(matches!(name(&world, worker), Err(AskError::Stopped)));
        // The supervisor goes with it; the watcher stays, and the one of those that are nobody's.
        world.until("nothing is left", || count(&world, |ledger| ledger.actors as u64) <= before + 2);
    }
    world.end();
}

/// Fails some time after it has begun; once it has so often, at once.
struct Brief(Notes<Time>);

impl Brief {
    const PATIENT: usize = 20;
    const APART: Duration = Duration::from_millis(6);
    const WITHIN: Duration = Duration::from_millis(10);
}

#[actor]
impl Brief {
    #[started]
    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        self.0.note(odeon::sys::now());
        if self.0.len() > Brief::PATIENT {
            return Flow::Fail;
        }
        cx.send_after(Brief::APART, Fail).expect("there is room");
        Flow::Continue
    }

    #[message]
    fn fail(&mut self, _: Fail) -> Flow {
        Flow::Fail
    }
}

pub fn failures_that_are_far_enough_apart_are_forgiven_without_end(on: On) {
    let world = World::new(on, 2);
    for core in 0..2 {
        let begun = Notes::new();
        let noted = begun.clone();
        let restart = Restart::one_for_one().intensity(2, Brief::WITHIN);
        world.supervise(core, restart, move || Brief(noted.clone()));
        world.until("the end of patience", || count(&world, |ledger| ledger.given_up) > core as u64);
        // The one before counts as well, where the time between them is no longer than it is said to be.
        let begun = begun.take();
        if let On::Seed(_) = on {
            assert_eq!(begun.len(), Brief::PATIENT + 1);
            continue;
        }
        // It is core 0 that counts failures, by its clock: those of the other core may reach it late, and so be too close together.
        assert!(core == 1 || begun.len() > Brief::PATIENT, "{begun:?}");
        // A machine may take longer for all of it. Between the first and the last of five beginnings core 0 has counted three failures in
        // a row: too many within that time.
        let is_forgiven = |five: &[Time]| five[4].since(five[0]) >= Brief::WITHIN;
        assert!(begun.windows(5).all(is_forgiven), "{begun:?}");
    }
    world.end();
}

pub fn whoever_stops_is_not_begun_again(on: On) {
    let world = World::new(on, 2);
    for core in 0..2 {
        for (end, reason) in [
            (0, StopReason::Stopped),
            (1, StopReason::Stopped),
            (2, StopReason::Aborted),
            (3, StopReason::Panicked),
        ] {
            let trace = Trace::new();
            let traced = trace.clone();
            let told = if end == 3 {
                let fragile = world.supervise(core, always(), Fragile::default);
                let told = Notes::new();
                let noted = told.clone();
                let watcher = world.spawn(0, FragileWatcher(noted));
                answer(&world, move |cx, noted| {
                    watcher.watch(fragile).then(cx, move |_, done, _| noted.note(done));
                })
                .expect("it is answered");
                world.settle();
                fragile.tell(Fail).or_dead_letter();
                told
            } else {
                let worker = world.supervise(core, always(), move || Worker::new(1, &traced));
                let told = watch(&world, worker);
                match end {
                    0 => worker.stop(),
                    1 => worker.tell(Finish(Flow::Stop)).or_dead_letter(),
                    _ => worker.abort(),
                }
                told
            };
            world.until("its end", || told.len() == 1);
            assert_eq!(told.take(), [reason]);
            assert!(only(&trace, &["made"]).len() <= 1);
        }
    }
    assert_eq!(count(&world, |ledger| ledger.restarts), 0);
    world.end();
}

/// Ends when it panics.
#[derive(Default)]
struct Fragile;

#[actor(on_panic = stop)]
impl Fragile {
    #[message]
    fn fail(&mut self, Fail: Fail) -> Flow {
        panic_quietly()
    }
}

struct FragileWatcher(Notes<StopReason>);

#[actor]
impl FragileWatcher {
    #[call]
    fn watch(&mut self, who: Addr<Fragile>, cx: &mut Context<Self>) {
        cx.watch(who).expect("there is room");
    }

    #[message]
    fn down(&mut self, Down { reason, .. }: Down) {
        self.0.note(reason);
    }
}

pub fn whoever_is_down_can_be_stopped(on: On) {
    let world = World::new(on, 2);
    for core in 0..2 {
        for abort in [false, true] {
            let trace = Trace::new();
            let traced = trace.clone();
            let hour = Duration::from_secs(3600);
            let restart = Restart::one_for_one().backoff(hour..hour);
            let worker = world.supervise(core, restart, move || Worker::new(1, &traced));
            let told = watch(&world, worker);
            let waits = Notes::new();
            let noted = waits.clone();
            world.run(core, move |cx| {
                worker.tell(Fail).expect("there is room");
                worker.name().then(cx, move |_, answer, _| noted.note(answer));
            });
            world.until("its end", || trace.len() == 4);
            assert_eq!((told.len(), waits.len()), (0, 0), "it is down, and keeps what it has");
            if abort {
                worker.abort()
            } else {
                worker.stop()
            }
            world.until("the end of all", || told.len() == 1 && waits.len() == 1);
            let reason = if abort { StopReason::Aborted } else { StopReason::Stopped };
            assert_eq!((told.take(), waits.take()), (vec![reason], vec![Err(AskError::Stopped)]));
            assert_eq!(trace.len(), 4, "it has not begun again");
        }
    }
    world.end();
}

pub fn a_wait_before_a_restart_is_as_long_as_it_was_said(on: On) {
    let world = World::new(on, 1);
    let ms = Duration::from_millis;
    let restart = Restart::one_for_one().intensity(3, Duration::from_secs(3600)).backoff(ms(8)..ms(16));
    let times = Notes::new();
    let noted = times.clone();
    world.supervise(0, restart, move || Clocked(noted.clone()));
    world.until("all that are made", || times.len() == 4);
    let times = times.take();
    for (pair, whole) in times.windows(2).zip([8, 16, 16]) {
        let waited = pair[1].since(pair[0]);
        assert!(waited >= ms(whole) / 2, "{waited:?} of {whole}");
        if matches!(on, On::Seed(_)) {
            assert!(waited <= ms(whole) + ms(1), "{waited:?} of {whole}");
        }
    }
    world.end();
}

/// Notes when it has started, and fails.
struct Clocked(Notes<odeon::Time>);

impl Actor for Clocked {
    type Message = Never;

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        self.0.note(cx.now());
        Flow::Fail
    }

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

pub fn panics_anywhere_are_failures_like_others(on: On) {
    let world = World::new(on, 2);
    for core in 0..2 {
        for place in ["made", "started", "stopped", "dropped"] {
            let trace = Trace::new();
            let (traced, mut made) = (trace.clone(), 0);
            let worker = world.supervise(core, always(), move || {
                made += 1;
                if made > 1 {
                    return Worker::new(1, &traced);
                }
                if place == "made" {
                    panic_quietly();
                }
                Worker::new(1, &traced).breaking(place)
            });
            fail(&world, worker);
            world.until("the second", || name(&world, worker) == Ok(1));
            let trace = trace.take();
            let begun = trace.iter().filter(|(_, what)| *what == "started").count();
            // The first has failed before it was sent anything, or because of that; of those two, only one may fail because of that.
            assert!((2..=3).contains(&begun), "{place}: {trace:?}");
        }
    }
    world.end();
}

/// Three in a group, on both cores, and their trace.
fn group(world: &World, restart: Restart) -> ([Addr<Worker>; 3], Trace) {
    let trace = Trace::new();
    let workers = world.with_supervisor(restart.intensity(u32::MAX, Duration::from_secs(1)), |group| {
        [(0, 1), (1, 0), (2, 1)].map(|(name, core)| {
            let traced = trace.clone();
            group.spawn_on(core, move || Worker::new(name, &traced)).expect("there is room")
        })
    });
    world.until("all of them", || trace.len() == 6);
    let begun = [(0, "made"), (0, "started"), (1, "made"), (1, "started"), (2, "made"), (2, "started")];
    assert_eq!(trace.take(), begun, "in order");
    (workers, trace)
}

pub fn all_are_begun_again_for_one(on: On) {
    let world = World::new(on, 2);
    let (workers, trace) = group(&world, Restart::one_for_all());
    for (failed, others) in [(0, [2, 1]), (1, [2, 0]), (2, [1, 0])] {
        fail(&world, workers[failed]);
        world.until("all of them", || trace.len() == 12);
        let order = only(&trace, &["stopped", "started"]);
        let stopped = [failed as u8, others[0], others[1]].map(|name| (name, "stopped"));
        assert_eq!(order[..3], stopped);
        assert_eq!(order[3..], [0, 1, 2].map(|name| (name, "started")));
    }
    assert_eq!(count(&world, |ledger| ledger.restarts), 3);
    world.end();
}

pub fn the_rest_is_begun_again_for_one(on: On) {
    let world = World::new(on, 2);
    let (workers, trace) = group(&world, Restart::rest_for_one());
    for (failed, stopped, started) in
        [(0, vec![0, 2, 1], vec![0, 1, 2]), (1, vec![1, 2], vec![1, 2]), (2, vec![2], vec![2])]
    {
        fail(&world, workers[failed]);
        world.until("the rest", || trace.len() == 4 * stopped.len());
        let order = only(&trace, &["stopped", "started"]);
        let whole: Vec<_> = stopped.into_iter().map(|name| (name, "stopped")).collect();
        assert_eq!(order[..whole.len()], whole);
        let whole: Vec<_> = started.into_iter().map(|name| (name, "started")).collect();
        assert_eq!(order[whole.len()..], whole);
    }
    world.end();
}

pub fn groups_begin_in_order_and_stop_in_reverse(on: On) {
    let world = World::new(on, 2);
    let (workers, trace) = group(&world, Restart::one_for_one());
    fail(&world, workers[1]);
    world.until("the one", || trace.len() == 4);
    assert_eq!(only(&trace, &["stopped", "started"]), [(1, "stopped"), (1, "started")]);
    world.end();
    let ends =
        [(2, "stopped"), (2, "dropped"), (1, "stopped"), (1, "dropped"), (0, "stopped"), (0, "dropped")];
    assert_eq!(trace.take(), ends);
}

pub fn a_watch_is_told_of_the_last_end_only(on: On) {
    let world = World::new(on, 2);
    for core in 0..2 {
        let trace = Trace::new();
        let traced = trace.clone();
        let worker = world.supervise(core, always(), move || Worker::new(1, &traced));
        let told = watch(&world, worker);
        for _ in 0..5 {
            fail(&world, worker);
            assert_eq!(name(&world, worker), Ok(1));
        }
        assert_eq!(told.len(), 0);
        worker.stop();
        world.until("the last end", || told.len() == 1);
        assert_eq!(told.take(), [StopReason::Stopped]);
    }
    world.end();
}

/// A group of two, below it a group of two, and one behind that; in this order.
fn tree(world: &World, above: Restart, below: Restart) -> ([Addr<Worker>; 4], Trace) {
    let trace = Trace::new();
    let workers = world.with_supervisor(above, |group| {
        let spawn = |group: odeon::Supervisor<'_>, name: u8| {
            let traced = trace.clone();
            group.spawn_on(usize::from(name % 2), move || Worker::new(name, &traced)).expect("there is room")
        };
        let first = spawn(group, 0);
        let inner = group.supervisor(below).expect("there is room");
        let last = spawn(group, 3);
        [first, spawn(inner, 1), spawn(inner, 2), last]
    });
    world.until("all of them", || trace.len() == 8);
    trace.take();
    (workers, trace)
}

pub const HOUR: Duration = Duration::from_secs(3600);

pub fn a_group_that_gives_up_is_begun_again_as_a_whole(on: On) {
    let world = World::new(on, 2);
    let above = Restart::one_for_one().intensity(1, HOUR);
    let (workers, trace) = tree(&world, above, Restart::one_for_one().intensity(0, HOUR));
    let told = watch(&world, workers[1]);
    fail(&world, workers[2]);
    world.until("both", || trace.len() == 8);
    let order = only(&trace, &["stopped", "started"]);
    assert_eq!(order, [(2, "stopped"), (1, "stopped"), (1, "started"), (2, "started")]);
    for (place, worker) in (0..).zip(workers) {
        assert_eq!(name(&world, worker), Ok(place), "under the address that it had");
    }
    assert_eq!(told.len(), 0);
    assert_eq!((count(&world, |ledger| ledger.given_up), count(&world, |ledger| ledger.restarts)), (1, 1));
    world.end();
}

pub fn whoever_is_above_a_group_that_gives_up_halts_it_in_its_order(on: On) {
    let world = World::new(on, 2);
    let above = Restart::rest_for_one().intensity(5, HOUR);
    let (workers, trace) = tree(&world, above, Restart::one_for_all().intensity(5, HOUR));
    fail(&world, workers[0]);
    world.until("all", || trace.len() == 16);
    let order = only(&trace, &["stopped", "started"]);
    assert_eq!(order[..4], [(0, "stopped"), (3, "stopped"), (2, "stopped"), (1, "stopped")]);
    // What is behind a group begins when all in it have.
    assert_eq!(order[4..], [0, 1, 2, 3].map(|name| (name, "started")));
    world.end();
}

pub fn the_end_of_patience_is_passed_on_to_the_root(on: On) {
    let world = World::new(on, 2);
    let impatient = Restart::one_for_one().intensity(0, HOUR);
    let (workers, trace) = tree(&world, impatient, impatient);
    let told = workers.map(|worker| watch(&world, worker));
    fail(&world, workers[1]);
    world.until("all ends", || told.iter().all(|told| told.len() == 1));
    for told in told {
        assert_eq!(told.take(), [StopReason::Escalated]);
    }
    let order = only(&trace, &["stopped", "started"]);
    assert_eq!(order, [(1, "stopped"), (2, "stopped"), (3, "stopped"), (0, "stopped")]);
    assert_eq!((count(&world, |ledger| ledger.given_up), count(&world, |ledger| ledger.restarts)), (2, 0));
    world.end();
}

pub fn an_actor_can_have_others_supervised(on: On) {
    let world = World::new(on, 2);
    for core in 0..2 {
        let trace = Trace::new();
        let traced = trace.clone();
        let restart = Restart::one_for_one().intensity(1, HOUR);
        let worker = world.run(core, move |cx| {
            cx.supervise(restart, move || Worker::new(1, &traced)).expect("there is room")
        });
        let told = watch(&world, worker);
        fail(&world, worker);
        assert_eq!(name(&world, worker), Ok(1));
        assert_eq!(only(&trace, &["started"]).len(), 2);
        fail(&world, worker);
        world.until("its end", || told.len() == 1);
        assert_eq!(told.take(), [StopReason::Escalated]);
    }
    world.end();
}

pub fn what_was_begun_first_stops_last_when_a_system_ends(on: On) {
    let world = World::new(on, 2);
    let trace = Trace::new();
    for place in 0..6 {
        let traced = trace.clone();
        let restart = Restart::one_for_one();
        let worker = match place {
            2 => world.run(0, move |cx| {
                cx.supervise(restart, move || Worker::new(place, &traced)).expect("there is room")
            }),
            _ => world.supervise(usize::from(place % 2), restart, move || Worker::new(place, &traced)),
        };
        assert_eq!(name(&world, worker), Ok(place));
    }
    trace.take();
    world.end();
    let order: Vec<u8> = only(&trace, &["stopped"]).into_iter().map(|(place, _)| place).collect();
    assert_eq!(order, [5, 4, 3, 2, 1, 0]);
}

/// One that is down, and one that never stops going down: neither keeps a system from ending.
pub fn a_system_ends_whoever_is_down(on: On) {
    let world = World::new(on, 2);
    for core in 0..2 {
        let trace = Trace::new();
        let traced = trace.clone();
        let waits = Restart::one_for_one().backoff(HOUR..HOUR);
        let worker = world.supervise(core, waits, move || Worker::new(1, &traced));
        fail(&world, worker);
        world.until("its end", || trace.len() == 4);
    }
    world.end();
}

/// Has a handler that never finishes, and notes what happens when.
struct Wedged(Notes<(&'static str, Time)>);

#[derive(Message)]
struct Wedge;

/// How long it may take.
const WEDGED: Duration = Duration::from_millis(20);
/// What a timer may be late by. A turn takes no time where that is imagined.
const TICK: Duration = Duration::from_nanos(65_536);

impl Wedged {
    fn note(&self, what: &'static str) {
        self.0.note((what, odeon::time::now()));
    }
}

#[actor]
impl Wedged {
    #[started]
    fn started(&mut self) {
        self.note("started");
    }

    #[message(timeout = "20ms")]
    async fn wedge(&mut self, _: Wedge) {
        self.note("wedged");
        std::future::pending().await
    }

    #[call]
    fn alive(&self) {}

    #[stopped]
    fn stopped(&mut self, reason: StopReason) {
        self.note(if reason == StopReason::Failed { "failed" } else { "stopped" });
    }
}

pub fn a_handler_that_hangs_ends_within_its_time_and_one_turn(on: On) {
    let world = World::new(on, 2);
    for core in 0..2 {
        let trace = Notes::new();
        let traced = trace.clone();
        let wedged = world.supervise(core, always(), move || Wedged(traced.clone()));
        world.run(0, move |_| wedged.tell(Wedge).or_dead_letter());
        world.until("the next beginning", || trace.len() == 4);
        let noted = trace.take();
        let what: Vec<_> = noted.iter().map(|(what, _)| *what).collect();
        assert_eq!(what, ["started", "wedged", "failed", "started"]);
        let [_, from, to, again] =
            noted[..].try_into().map(|all: [_; 4]| all.map(|(_, at)| at)).expect("four");
        let took = to.since(from);
        assert!(took >= WEDGED, "{took:?}");
        if let On::Seed(_) = on {
            assert!(took <= WEDGED + TICK && again == to, "{took:?}, and {:?}", again.since(to));
        }
        let alive =
            answer(&world, move |cx, noted| wedged.alive().then(cx, move |_, alive, _| noted.note(alive)));
        assert_eq!((alive, count(&world, |ledger| ledger.restarts)), (Ok(()), core as u64 + 1));
    }
    world.end();
}
