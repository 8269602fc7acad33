//! Tests of the table of tasks: whose turn it is, what expires when, and that each task is dropped once.
//!
//! Knows: a plain twin that keeps every task in a map. Must not know what tasks do.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use super::*;
use crate::config::Config;
use crate::executor::task_block::{Polled, Waiting};
use crate::executor::{Activation, Body, Flow, Links, Outcome, current};
use crate::sys::{Clock, Random};

/// Timers do not tell times apart that are closer.
const TICK: u64 = 1 << 16;
const LINE_TICKS: u64 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Settled(u64, u64),
    Expired(u64),
    Dropped(u64),
}

type Log = Rc<RefCell<Vec<Event>>>;

/// Notes what happens to it.
struct Probe(u64, Log);

impl Waiting<u64> for Probe {
    fn go_on(self, value: Option<u64>, _: &Core, _: Option<&Activation<'_>>) -> Flow {
        self.1.borrow_mut().push(told(self.0, value));
        Flow::Continue
    }
}

impl Polled for Probe {
    fn poll(self: Pin<&mut Self>, _: &Core, _: Key) -> Poll<Flow> {
        Poll::Ready(Flow::Continue)
    }

    fn name(&self) -> &'static str {
        "probe"
    }
}

fn told(id: u64, value: Option<u64>) -> Event {
    value.map_or(Event::Expired(id), |value| Event::Settled(id, value))
}

fn is_future(kind: Kind) -> bool {
    matches!(kind, Kind::Future | Kind::Exclusive)
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.1.borrow_mut().push(Event::Dropped(self.0));
    }
}

struct Idle;

impl Body<()> for Idle {
    fn activate(&self, (): &(), _: &Activation<'_>) -> Outcome {
        Outcome::Rest
    }
}

struct Bench {
    core: Core,
    now: Rc<Cell<Time>>,
    log: Log,
}

fn bench(change: impl FnOnce(&mut Config)) -> Bench {
    let mut config = Config { receive_buffers: 1, receive_buffer_bytes: 64, ..Config::default() };
    (config.send_slots, config.ask_timeout) = ([1, 0, 0, 0, 0], Duration::from_nanos(LINE_TICKS * TICK));
    change(&mut config);
    let now = Rc::new(Cell::new(Time::ZERO));
    let first = CoreId(0);
    let clock = Clock::Virtual(now.clone());
    Bench { core: Core::new(first, Rc::new(config), clock, Links::new(first, [])), now, log: Log::default() }
}

impl Bench {
    fn owner(&self) -> Key {
        let owner = self.core.spawn((), Idle).ok().expect("there is room");
        while self.core.run_next() {}
        owner
    }

    fn begin(&self, owner: Option<Key>, kind: Kind, limit: Limit, id: u64) -> Option<Key> {
        let (blocks, probe) = (self.core.cells.blocks(), Probe(id, self.log.clone()));
        let task =
            if is_future(kind) { AnyTask::polled(blocks, probe) } else { AnyTask::waiting(blocks, probe) };
        self.core.begin(owner, task, kind, limit).ok().map(|(key, _)| key)
    }

    /// Goes on with an answer that has come, or will not; none if there is none.
    fn go_on(&self, owner: Key) -> Option<Event> {
        let Errand::Answer(task) = self.core.next_errand(owner)? else { panic!("nothing else was begun") };
        let before = self.log.borrow().len();
        assert_eq!(task.go_on(&self.core, None), Flow::Continue);
        Some(self.log.borrow()[before])
    }

    fn pass(&self, ticks: u64) {
        self.now.set(Time(self.now.get().0 + ticks * TICK));
        self.core.read_clock();
        self.core.expire(&mut Vec::new());
    }
}

/// What is known of a task without a table.
#[derive(Debug, Clone)]
struct Entry {
    id: u64,
    owner: Option<usize>,
    kind: Kind,
    deadline: Option<Time>,
    value: Option<u64>,
    /// Since when it can go on.
    ready: Option<u64>,
    expired: bool,
}

struct Twins {
    bench: Bench,
    random: Random,
    owners: Vec<Key>,
    tasks: BTreeMap<Key, Entry>,
    /// Keys that name nothing any more.
    stale: Vec<Key>,
    taken: Option<(usize, Taken)>,
    events: Vec<Event>,
    begun: u64,
    step: u64,
}

impl Twins {
    fn new(seed: u64) -> Twins {
        let bench = bench(|config| (config.tasks_max, config.timers_max) = (12, 3));
        let owners = (0..3).map(|_| bench.owner()).collect();
        let (random, tasks) = (Random::new(seed), BTreeMap::new());
        let (stale, events) = (Vec::new(), Vec::new());
        Twins { bench, random, owners, tasks, stale, taken: None, events, begun: 0, step: 0 }
    }

    fn exclusive(&self, owner: usize) -> Option<Key> {
        let of = |entry: &Entry| entry.owner == Some(owner) && entry.kind == Kind::Exclusive;
        self.tasks.iter().find(|(_, entry)| of(entry)).map(|(key, _)| *key)
    }

    /// A key that names a task, or did once.
    fn any(&mut self) -> Option<Key> {
        if self.random.chance(0.2) && !self.stale.is_empty() {
            return Some(self.stale[self.random.index(self.stale.len())]);
        }
        let count = self.tasks.len();
        (count > 0).then(|| *self.tasks.keys().nth(self.random.index(count)).expect("so many there are"))
    }

    fn make_ready(&mut self, key: Key) {
        let step = self.step;
        if let Some(entry) = self.tasks.get_mut(&key) {
            entry.ready.get_or_insert(step);
        }
    }

    fn forget(&mut self, key: Key) -> Entry {
        let entry = self.tasks.remove(&key).expect("it was there");
        self.stale.push(key);
        self.events.push(Event::Dropped(entry.id));
        entry
    }

    fn begin(&mut self) {
        let owner = self.random.index(self.owners.len());
        let kind = match self.random.below(4) {
            0 => Kind::Relay,
            1 if self.exclusive(owner).is_none() => Kind::Exclusive,
            2 => Kind::Future,
            _ => Kind::Answer,
        };
        let limit = match self.random.below(4) {
            0 => Limit::Never,
            1 => Limit::At(Time::MAX),
            2 => Limit::At(Time(self.bench.now.get().0 + self.random.below(8) * TICK)),
            _ => Limit::Usual,
        };
        let deadline = match limit {
            Limit::Usual => Some(Time(self.bench.now.get().0 + LINE_TICKS * TICK)),
            Limit::At(deadline) => Some(deadline).filter(|deadline| *deadline < Time::MAX),
            Limit::Never | Limit::Refused => None,
        };
        let owner = Some(owner).filter(|_| kind != Kind::Relay);
        let id = self.begun;
        self.begun += 1;
        match self.bench.begin(owner.map(|owner| self.owners[owner]), kind, limit, id) {
            None => {
                assert!(self.tasks.len() >= 12, "there is room");
                self.events.push(Event::Dropped(id));
            }
            Some(key) => {
                assert!(self.tasks.len() < 12 && !self.stale.contains(&key));
                self.tasks.insert(
                    key,
                    Entry { id, owner, kind, deadline, value: None, ready: None, expired: false },
                );
            }
        }
    }

    fn settle(&mut self) {
        let Some(key) = self.any() else { return };
        let settled = self.bench.core.answer_task(key, self.step);
        match self.tasks.get(&key).cloned() {
            Some(entry) if !is_future(entry.kind) && entry.value.is_none() => {
                assert!(settled);
                if entry.kind == Kind::Relay {
                    self.events.push(Event::Settled(entry.id, self.step));
                    self.forget(key);
                } else {
                    self.tasks.get_mut(&key).expect("it is there").value = Some(self.step);
                    self.make_ready(key);
                }
            }
            _ => assert!(!settled, "whoever is gone, waits for nothing, or has it, is not told"),
        }
    }

    fn take(&mut self) {
        let owner = self.random.index(self.owners.len());
        if self.taken.as_ref().is_some_and(|(of, _)| *of == owner) {
            return;
        }
        let exclusive = self.exclusive(owner);
        let turn = |(key, entry): &(&Key, &Entry)| {
            entry.owner == Some(owner) && exclusive.is_none_or(|exclusive| exclusive == **key)
        };
        let first = self.tasks.iter().filter(turn).filter_map(|(_, entry)| entry.ready).min();
        assert!(first.is_none() || self.bench.core.cells.has_errands(self.owners[owner]));
        assert_eq!(exclusive.is_some(), self.bench.core.cells.is_suspended(self.owners[owner]));
        if exclusive.is_none()
            && self.random.below(2) == 0
            && let Some(task) = self.next_answer(self.owners[owner])
        {
            return self.answer(owner, first, task);
        }
        let taken = match self.bench.core.next_errand(self.owners[owner]) {
            None => return assert_eq!(first, None),
            Some(Errand::Tick(..)) => unreachable!("no interval was begun"),
            Some(Errand::Future(taken)) => taken,
            Some(Errand::Answer(task)) => return self.answer(owner, first, task),
        };
        let entry = self.tasks.get_mut(&taken.key).expect("it names a task");
        assert!(exclusive.is_none_or(|exclusive| exclusive == taken.key));
        assert_eq!((entry.ready.take(), entry.owner), (first, Some(owner)), "one that is ready for longest");
        assert_eq!((taken.expired, taken.kind), (entry.expired, entry.kind));
        self.put_back();
        self.taken = Some((owner, taken));
    }

    /// The quick way to an answer.
    fn next_answer(&self, owner: Key) -> Option<AnyTask> {
        let core = &self.bench.core;
        Activation::of_started(core, owner, |activation| core.next_answer(activation))
    }

    /// An answer has come, or will not: that of the one which is ready for longest.
    fn answer(&mut self, owner: usize, first: Option<u64>, task: AnyTask) {
        let before = self.bench.log.borrow().len();
        assert_eq!(task.go_on(&self.bench.core, None), Flow::Continue);
        let id = match self.bench.log.borrow()[before] {
            Event::Settled(id, _) | Event::Expired(id) | Event::Dropped(id) => id,
        };
        let (key, entry) = self.tasks.iter().find(|(_, entry)| entry.id == id).expect("it is there");
        let (key, told) = (*key, told(id, entry.value));
        assert_eq!((entry.kind, entry.ready, entry.owner), (Kind::Answer, first, Some(owner)));
        self.events.push(told);
        self.forget(key);
    }

    /// Gives back what was taken, or ends it.
    fn put_back(&mut self) {
        let Some((owner, taken)) = self.taken.take() else { return };
        let (key, core) = (taken.key, &self.bench.core);
        if self.random.chance(0.5) {
            core.keep_task(self.owners[owner], taken);
            // Woken meanwhile, it stands behind those that were ready before it came back.
            if let Some(ready) = &mut self.tasks.get_mut(&key).expect("it is there").ready {
                *ready = self.step;
            }
        } else {
            core.finish_task(self.owners[owner], taken);
            self.forget(key);
        }
    }

    fn pass(&mut self) {
        self.bench.pass(self.random.below(4));
        let now = self.bench.now.get();
        let due = |entry: &Entry| entry.deadline.is_some_and(|deadline| deadline <= now);
        let over: Vec<Key> = self.tasks.iter().filter(|(_, entry)| due(entry)).map(|(key, _)| *key).collect();
        for key in over {
            let entry = self.tasks.get_mut(&key).expect("it is there");
            (entry.deadline, entry.expired) = (None, true);
            if entry.kind == Kind::Relay {
                let id = entry.id;
                self.events.push(Event::Expired(id));
                self.forget(key);
            } else {
                self.make_ready(key);
            }
        }
    }

    fn end(&mut self, owner: usize) {
        if self.taken.as_ref().is_some_and(|(of, _)| *of == owner) {
            self.put_back();
        }
        let cell = self.owners[owner];
        self.bench.core.close_desk(cell);
        assert!(!self.bench.core.cells.is_suspended(cell));
        assert!(!self.bench.core.cells.remove(cell));
        let of = |entry: &Entry| entry.owner == Some(owner);
        let ended: Vec<Key> = self.tasks.iter().filter(|(_, entry)| of(entry)).map(|(key, _)| *key).collect();
        for key in ended {
            self.forget(key);
        }
        self.owners[owner] = self.bench.owner();
    }

    fn check(&mut self) {
        let core = &self.bench.core;
        assert_eq!(core.tasks.live(), self.tasks.len());
        let next = self.tasks.values().filter_map(|entry| entry.deadline).min().unwrap_or(Time::MAX);
        assert!(core.next_deadline() <= next, "a time that has come is looked at");
        assert!(core.timers() <= 3);
        for key in self.tasks.keys() {
            assert!(!core.is_task_closed(*key));
        }
        for key in &self.stale {
            assert!(core.is_task_closed(*key));
        }
        // What happens at one time happens in any order.
        let key = |event: &Event| match *event {
            Event::Settled(id, _) => (id, 0),
            Event::Expired(id) => (id, 1),
            Event::Dropped(id) => (id, 2),
        };
        let mut events = self.bench.log.take();
        events.sort_unstable_by_key(key);
        self.events.sort_unstable_by_key(key);
        assert_eq!(events, std::mem::take(&mut self.events));
    }
}

#[test]
fn the_table_does_what_a_map_does() {
    for seed in 0..if cfg!(miri) { 1 } else { 20 } {
        let mut twins = Twins::new(seed);
        for step in 1..if cfg!(miri) { 400 } else { 5_000 } {
            twins.step = step;
            match twins.random.below(12) {
                0..3 => twins.begin(),
                3 => twins.settle(),
                4 | 5 => {
                    if let Some(key) = twins.any() {
                        // Those that nobody owns are never woken.
                        if twins.tasks.get(&key).is_none_or(|entry| entry.kind != Kind::Relay) {
                            twins.bench.core.wake_task(key);
                            twins.make_ready(key);
                        }
                    }
                }
                6..9 => twins.take(),
                9 => twins.put_back(),
                10 => twins.pass(),
                _ if twins.random.chance(0.1) => {
                    let owner = twins.random.index(3);
                    twins.end(owner);
                }
                _ => {}
            }
            twins.check();
        }
        (0..3).for_each(|owner| twins.end(owner));
        twins.bench.core.end_all_tasks();
        let left: Vec<Key> = twins.tasks.keys().copied().collect();
        for key in left {
            twins.forget(key);
        }
        twins.check();
        assert_eq!(twins.bench.core.timers(), 0);
    }
}

#[test]
fn a_line_that_is_over_ends_over_several_turns() {
    const MANY: u64 = 3 * EXPIRE_MAX as u64 / 2;
    let bench = bench(|_| {});
    let owner = bench.owner();
    for id in 0..MANY {
        bench.begin(Some(owner), Kind::Answer, Limit::Usual, id).expect("there is room");
    }
    let expired = |told: &Event| matches!(told, Event::Expired(_));
    let over = || std::iter::from_fn(|| bench.go_on(owner)).inspect(|told| assert!(expired(told))).count();
    bench.pass(LINE_TICKS - 1);
    assert_eq!(over(), 0);
    bench.pass(1);
    assert_eq!(over(), EXPIRE_MAX);
    assert!(bench.core.next_deadline() <= bench.now.get(), "the rest is looked at in the next turn");
    bench.pass(0);
    assert_eq!(over(), MANY as usize - EXPIRE_MAX);
    assert_eq!((bench.core.tasks.live(), bench.core.timers()), (0, 0));
}

/// Asks again when its time is over, as the waker of somebody outside may.
struct Again(Log);

impl Waiting<u64> for Again {
    fn go_on(self, _: Option<u64>, core: &Core, _: Option<&Activation<'_>>) -> Flow {
        let task = AnyTask::waiting(core.cells.blocks(), Probe(0, self.0));
        core.begin(None, task, Kind::Relay, Limit::Usual).expect("there is room");
        Flow::Continue
    }
}

#[test]
fn who_asks_again_while_a_line_ends_keeps_nobody_in_it_waiting() {
    let bench = bench(|_| {});
    let owner = bench.owner();
    let again = AnyTask::waiting(bench.core.cells.blocks(), Again(bench.log.clone()));
    bench.core.begin(None, again, Kind::Relay, Limit::Usual).expect("there is room");
    bench.pass(1);
    bench.begin(Some(owner), Kind::Answer, Limit::Usual, 1).expect("there is room");
    bench.pass(LINE_TICKS - 1);
    assert_eq!(bench.go_on(owner), None);
    bench.pass(1);
    assert_eq!(bench.go_on(owner), Some(Event::Expired(1)));
    assert_eq!((bench.core.tasks.live(), bench.core.timers()), (1, 1));
    bench.pass(LINE_TICKS - 1);
    assert_eq!((bench.core.tasks.live(), bench.core.timers()), (0, 0));
}

#[test]
fn the_timer_of_an_empty_line_is_whoevers_who_needs_one() {
    let bench = bench(|config| config.timers_max = 1);
    let owner = bench.owner();
    let answered = |id| {
        let key = bench.begin(Some(owner), Kind::Answer, Limit::Usual, id).expect("there is room");
        assert_eq!(bench.core.timers(), 1);
        assert!(bench.core.answer_task(key, 7_u64), "it waits");
        assert_eq!(bench.go_on(owner), Some(Event::Settled(id, 7)));
        assert_eq!(bench.core.timers(), 0, "nobody waits for it");
    };
    answered(0);
    let timer = bench.core.arm(owner, 0, Time(TICK)).expect("there is one");
    assert_eq!(bench.core.timers(), 1);
    assert!(bench.core.arm(owner, 0, Time(TICK)).is_err());
    // Now the line has none, and is looked at all the same.
    bench.begin(Some(owner), Kind::Answer, Limit::Usual, 1).expect("there is room");
    assert!(bench.core.arm(owner, 0, Time(TICK)).is_err());
    bench.pass(LINE_TICKS);
    assert_eq!(bench.go_on(owner), Some(Event::Expired(1)));
    assert!(!bench.core.disarm(timer), "it has come due meanwhile");
}

#[test]
fn there_may_be_a_few_more_that_are_told_that_there_are_too_many() {
    let bench = bench(|config| config.tasks_max = 2);
    let owner = bench.owner();
    let begin = |limit, id| bench.begin(Some(owner), Kind::Answer, limit, id);
    let refused: Vec<_> = (0..2 + u64::from(REFUSED_MAX)).map_while(|id| begin(Limit::Refused, id)).collect();
    assert_eq!(refused.len(), 2 + REFUSED_MAX as usize);
    assert!(begin(Limit::Refused, 5000).is_none() && begin(Limit::Never, 5001).is_none());
    assert!(!bench.core.tasks.has_room());
    for key in refused {
        assert!(bench.core.answer_task(key, 7_u64), "it waits");
        assert!(bench.go_on(owner).is_some(), "it is ready");
    }
    assert!(bench.core.tasks.has_room() && begin(Limit::Never, 5002).is_some());
}

/// Begins another when it is dropped.
struct Hydra(Rc<Cell<u32>>);

impl Drop for Hydra {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
        if self.0.get() == 20 {
            return;
        }
        let another = Hydra(self.0.clone());
        crate::executor::current::with(|core| {
            let core = core.expect("within a core");
            let owner = core.spawn((), Idle).ok().expect("there is room");
            let begun = core.begin_future(owner, Limit::Never, "hydra", async move {
                let _another = another;
                Flow::Continue
            });
            assert!(begun.is_err(), "so it is dropped at once");
        });
    }
}

#[test]
fn nothing_is_begun_any_more_when_a_core_ends() {
    let bench = bench(|_| {});
    let (owner, dropped) = (bench.owner(), Rc::new(Cell::new(0)));
    let hydra = Hydra(dropped.clone());
    current::scope(&bench.core, || {
        let future = async move {
            let _hydra = hydra;
            std::future::pending().await
        };
        bench.core.begin_future(owner, Limit::Never, "hydra", future).expect("there is room");
        bench.core.end_all_tasks();
    });
    assert_eq!((bench.core.tasks.live(), dropped.get()), (0, 20));
}

#[test]
fn who_has_ended_asks_nobody_at_the_desk_that_is_somebody_elses_now() {
    let bench = bench(|_| {});
    let [first, second] = [bench.owner(), bench.owner()];
    let ask = |owner, id| {
        let task = AnyTask::waiting(bench.core.cells.blocks(), Probe(id, bench.log.clone()));
        bench.core.begin_answer(owner, task, None).ok().map(Key::from_bits)
    };
    // All but the first of each are asked without a search.
    (0..3).for_each(|id| assert!(ask(first, id).is_some(), "there is room"));
    bench.core.close_desk(first);
    assert!(!bench.core.cells.remove(first));
    assert!(ask(first, 3).is_none(), "nobody has that desk");
    (4..6).for_each(|id| assert!(ask(second, id).is_some(), "there is room"));
    assert!(ask(first, 6).is_none(), "it is the desk of another");
    let key = ask(second, 7).expect("there is room");
    assert!(bench.core.answer_task(key, 8_u64), "it waits");
    assert_eq!(bench.go_on(second), Some(Event::Settled(7, 8)));
    assert_eq!(bench.core.tasks.live(), 2);
}

#[test]
fn a_line_at_which_nobody_looks_is_looked_at_for_who_asks_again() {
    let bench = bench(|config| config.timers_max = 1);
    let owner = bench.owner();
    let ask = |id| {
        let task = AnyTask::waiting(bench.core.cells.blocks(), Probe(id, bench.log.clone()));
        Key::from_bits(bench.core.begin_answer(owner, task, None).expect("there is room"))
    };
    // All but the first are asked without a search.
    for id in 0..3 {
        assert!(bench.core.answer_task(ask(id), 7_u64), "it waits");
        assert_eq!(bench.go_on(owner), Some(Event::Settled(id, 7)));
    }
    // Its timer is that of another.
    let timer = bench.core.arm(owner, 0, Time(TICK)).expect("nobody waits for the only one");
    ask(3);
    bench.pass(LINE_TICKS - 1);
    assert_eq!(bench.go_on(owner), None);
    bench.pass(1);
    assert_eq!(bench.go_on(owner), Some(Event::Expired(3)));
    assert!(!bench.core.disarm(timer), "it has come due meanwhile");
    // Nobody stood there when it was looked at last.
    ask(4);
    bench.pass(LINE_TICKS);
    assert_eq!(bench.go_on(owner), Some(Event::Expired(4)));
}
