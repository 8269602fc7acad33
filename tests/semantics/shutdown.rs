//! Promise 9: what the end of a system lets finish, in which order, and what it says of the rest.
//!
//! Connections, backlogs and signals: `tests/server/systems.rs` and `tests/server/process.rs`.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use odeon::prelude::*;
use odeon::{CutOffKind, Never, ShutdownReport};

use crate::failure::{Trace, Worker, name, only};
use crate::world::{Notes, On, World};

/// Longer than any case takes.
const AGES: Duration = Duration::from_secs(3600);

#[derive(Message)]
struct Hang;

#[derive(Message)]
struct Wonder(Addr<Stuck>);

/// Has handlers that never finish.
struct Stuck(Notes<StopReason>);

#[actor]
impl Stuck {
    #[message(timeout = "never")]
    async fn hang(&mut self, _: Hang) {
        pending().await
    }

    /// Asks twice, and keeps itself from stopping by one of these.
    #[message(timeout = "never")]
    async fn wonder(&mut self, Wonder(whom): Wonder, cx: &mut Context<Self>) {
        whom.name().timeout(AGES).then(cx, |_, _, _| ());
        let _ = whom.name().timeout(AGES).await;
    }

    #[call]
    fn name(&mut self) -> u8 {
        1
    }

    #[stopped]
    fn stopped(&mut self, reason: StopReason) {
        self.0.note(reason);
    }
}

/// Where nobody waits for long on a real clock.
fn soon(config: &mut Config) {
    config.drain_deadline = Duration::from_millis(100);
}

fn named(report: &ShutdownReport) -> Vec<(CutOffKind, &str, usize)> {
    report.names.iter().map(|name| (name.kind, name.name.as_str(), name.count)).collect()
}

pub fn actors_that_do_not_stop_are_aborted_and_named(on: On) {
    let world = World::with(on, 2, soon);
    let ends = Notes::new();
    for core in 0..2 {
        let [one, other] = [(); 2].map(|()| world.spawn(core, Stuck(ends.clone())));
        world.run(core, move |_| {
            one.tell(Hang).expect("there is room");
            other.tell(Wonder(one)).expect("there is room");
        });
        // Both have begun.
        world.run(core, |_| ());
    }
    let report = world.shutdown();
    assert_eq!(ends.take(), [StopReason::Aborted; 4]);
    let name = std::any::type_name::<Stuck>();
    assert_eq!(named(&report), [(CutOffKind::Actor, name, 4)]);
    assert_eq!((report.actors_cut_off, report.questions_unanswered), (4, 4));
    // Nor are the questions delivered, as messages: they lie with those that hang.
    assert_eq!(
        report.to_string(),
        format!("4 actors (4 × {name}); 4 questions unanswered; 4 messages undelivered")
    );
    assert!(!report.is_clean());
}

pub fn a_supervised_actor_that_does_not_stop_is_counted_once(on: On) {
    let world = World::with(on, 2, soon);
    let ends = Notes::new();
    for core in 0..2 {
        let noted = ends.clone();
        let stuck = world.supervise(core, Restart::one_for_one(), move || Stuck(noted.clone()));
        world.run(0, move |_| stuck.tell(Hang).expect("there is room"));
    }
    world.until("both to hang", || world.ledgers().iter().map(|ledger| ledger.tasks).sum::<usize>() == 2);
    let report = world.shutdown();
    // Not their supervisors, which wait for them.
    assert_eq!((report.actors_cut_off, report.tasks_cut_off, ends.len()), (2, 0, 2));
}

pub fn tasks_that_have_not_finished_are_dropped_and_counted(on: On) {
    let world = World::new(on, 2);
    let done = Notes::new();
    for core in 0..2 {
        let noted = done.clone();
        world.run(core, move |_| {
            odeon::task::spawn(async move { noted.note(()) }).detach();
            odeon::task::spawn(pending::<()>()).detach();
        });
    }
    world.until("the others to finish", || done.len() == 2);
    world.until("them to be gone", || world.ledgers().iter().map(|ledger| ledger.tasks).sum::<usize>() == 2);
    let report = world.shutdown();
    assert_eq!((report.actors_cut_off, report.tasks_cut_off), (0, 2));
    assert!(report.names.iter().all(|name| name.kind == CutOffKind::Task), "{report:?}");
}

/// Handles what came before the end, says good-bye, and is no loss.
pub fn whoever_stops_in_time_is_not_cut_off(on: On) {
    let world = World::new(on, 2);
    let ends = Notes::new();
    for core in 0..2 {
        for _ in 0..10 {
            world.spawn(core, Stuck(ends.clone()));
        }
    }
    assert_eq!(world.shutdown(), ShutdownReport::default());
    assert_eq!(ends.take(), [StopReason::Stopped; 20]);
}

/// Has one more word as it stops.
struct Farewell(Addr<Stuck>);

#[actor]
impl Farewell {
    #[stopped]
    fn stopped(&mut self, _: StopReason) {
        self.0.tell(Hang).or_dead_letter();
    }
}

/// On both cores: what waits behind a handler that is aborted, and what is sent at the end to somebody who has ended. What was lost before
/// was not cut off.
pub fn messages_that_are_not_delivered_any_more_are_counted(on: On) {
    let world = World::with(on, 2, soon);
    let ends = Notes::new();
    let gone = world.spawn(0, Stuck(ends.clone()));
    gone.stop();
    world.until("its end", || ends.len() == 1);
    for core in 0..2 {
        let stuck = world.spawn(core, Stuck(ends.clone()));
        world.run(core, move |_| (0..4).for_each(|_| stuck.tell(Hang).expect("there is room")));
        // The first of them has begun.
        world.run(core, |_| ());
    }
    world.run(0, move |_| (0..5).for_each(|_| gone.tell(Hang).or_dead_letter()));
    assert_eq!(world.dead_letters(), 5);
    for core in 0..2 {
        world.spawn(core, Farewell(gone));
        world.run(core, |_| ());
    }
    let report = world.shutdown();
    assert_eq!((report.actors_cut_off, report.messages_undelivered), (2, 8), "{report}");
    assert!(report.to_string().ends_with("; 8 messages undelivered"), "{report}");
}

/// Counts what it handles.
struct Counting(Arc<AtomicU64>, Arc<AtomicBool>);

#[derive(Message)]
struct One;

#[actor]
impl Counting {
    #[message]
    fn one(&mut self, _: One) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    #[stopped]
    fn stopped(&mut self, _: StopReason) {
        self.1.store(true, Ordering::Relaxed);
    }
}

/// A thread goes on sending until it is told that nobody is there: also to a core that has made its last turn.
pub fn what_comes_until_the_very_end_is_handled_or_counted(on: On) {
    /// Fewer than there is room for anywhere, so that none is lost before it stops. Who has stopped has no mailbox that could be full.
    const WINDOW: u64 = 500;
    let On::Backend(_) = on else { return };
    for _ in 0..10 {
        let world = World::new(on, 2);
        let (handled, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::new(AtomicBool::new(false));
        let counting = world.spawn(1, Counting(Arc::clone(&handled), Arc::clone(&stopped)));
        let (its, over) = (Arc::clone(&handled), Arc::clone(&is_over));
        let sender = thread::spawn(move || {
            let mut told = 0;
            while !over.load(Ordering::Relaxed) {
                if !stopped.load(Ordering::Relaxed) && told - its.load(Ordering::Relaxed) >= WINDOW {
                    thread::yield_now();
                    continue;
                }
                match counting.tell(One) {
                    Ok(()) => told += 1,
                    Err(SendError::Full(_)) => thread::yield_now(),
                    Err(SendError::Stopped(_)) => break,
                }
            }
            told
        });
        world.until("some of them", || handled.load(Ordering::Relaxed) > 0);
        let report = world.shutdown();
        is_over.store(true, Ordering::Relaxed);
        let told = sender.join().expect("it does not panic");
        assert_eq!(told, handled.load(Ordering::Relaxed) + report.messages_undelivered, "{report}");
    }
}

/// Begins one more task as it stops.
struct Last;

#[actor]
impl Last {
    #[stopped]
    fn stopped(&mut self, _: StopReason) {
        odeon::task::spawn(pending::<()>()).detach();
    }
}

pub fn what_is_begun_at_the_end_keeps_nobody_and_is_cut_off(on: On) {
    let world = World::with(on, 1, soon);
    world.spawn(0, Last);
    let report = world.shutdown();
    assert_eq!((report.actors_cut_off, report.tasks_cut_off), (0, 1), "{report}");
    assert!(report.names.iter().all(|name| name.kind == CutOffKind::Task), "{report:?}");
}

/// Begins a task as it ends, and notes that it has.
struct Dying<T> {
    task: Option<T>,
    begun: Notes<()>,
}

impl<T: Future<Output = ()> + Send + 'static> Actor for Dying<T> {
    type Message = Never;

    fn started(&mut self, _: &mut Context<Self>) -> Flow {
        Flow::Stop
    }

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }

    fn stopped(&mut self, _: StopReason, _: &mut Context<Self>) {
        odeon::task::spawn(self.task.take().expect("it ends once")).detach();
        self.begun.note(());
    }
}

/// Has an actor end that begins this task in its last hook, which has run when this answers.
fn end_with(world: &World, core: usize, task: impl Future<Output = ()> + Send + 'static) {
    let begun = Notes::new();
    world.spawn(core, Dying { task: Some(task), begun: begun.clone() });
    world.until("its end", || begun.len() == 1);
}

pub fn what_an_actor_begins_as_it_ends_is_waited_for(on: On) {
    let world = World::new(on, 2);
    let done = Notes::new();
    for core in 0..2 {
        let noted = done.clone();
        end_with(&world, core, async move {
            odeon::time::sleep(Duration::from_millis(20)).await;
            noted.note(());
        });
    }
    world.end();
    assert_eq!(done.len(), 2);
}

pub fn what_an_actor_begins_as_it_ends_has_until_the_deadline(on: On) {
    let world = World::with(on, 2, soon);
    for core in 0..2 {
        end_with(&world, core, pending());
    }
    let report = world.shutdown();
    assert_eq!((report.actors_cut_off, report.tasks_cut_off), (0, 2), "{report}");
}

/// While the system waits for the one that does so.
pub fn whoever_is_aborted_by_the_program_meanwhile_is_not_cut_off(on: On) {
    let world = World::new(on, 2);
    let ends = Notes::new();
    let stuck = [0, 1].map(|core| {
        let noted = ends.clone();
        let stuck = world.supervise(core, Restart::one_for_one(), move || Stuck(noted.clone()));
        world.run(0, move |_| stuck.tell(Hang).expect("there is room"));
        stuck
    });
    world.until("both to hang", || world.ledgers().iter().map(|ledger| ledger.tasks).sum::<usize>() == 2);
    end_with(&world, 0, async move {
        odeon::time::sleep(Duration::from_millis(20)).await;
        stuck.iter().for_each(|stuck| stuck.abort());
    });
    world.end();
    assert_eq!(ends.take(), [StopReason::Aborted; 2]);
}

/// Whoever has its actors supervised from a core, and whoever does so from outside, has an order: there is none between cores.
pub fn what_each_core_has_begun_stops_there_in_reverse(on: On) {
    let world = World::new(on, 2);
    let trace = Trace::new();
    for place in 0..8_u8 {
        let traced = trace.clone();
        let make = move || Worker::new(place, &traced);
        let restart = Restart::one_for_one();
        let worker = match place % 4 {
            // Of one order, whichever core they run on.
            0 | 1 => world.supervise(usize::from(place % 4), restart, make),
            2 => world.run(0, move |cx| cx.supervise(restart, make).expect("there is room")),
            _ => world.run(1, move |cx| cx.supervise(restart, make).expect("there is room")),
        };
        assert_eq!(name(&world, worker), Ok(place));
    }
    trace.take();
    world.end();
    let stopped: Vec<u8> = only(&trace, &["stopped"]).into_iter().map(|(place, _)| place).collect();
    let (there, here): (Vec<u8>, Vec<u8>) = stopped.into_iter().partition(|place| place % 4 == 3);
    assert_eq!((here, there), (vec![6, 5, 4, 2, 1, 0], vec![7, 3]));
}
