//! Tests of the places of tasks: against plain lists.
//!
//! Knows: the table. Must not know cells.

use std::collections::{BTreeSet, VecDeque};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use super::*;
use crate::executor::{Core, Flow, Polled};
use crate::mem::BlocksOwner;
use crate::sys::Random;

struct Idle;

impl Polled for Idle {
    fn poll(self: Pin<&mut Self>, _: &Core, _: Key) -> Poll<Flow> {
        Poll::Pending
    }

    fn name(&self) -> &'static str {
        "idle"
    }
}

const OWNERS: u32 = 3;
const INTERVALS: usize = 3;

fn owner(desk: u32) -> Key {
    Key { index: 100 + desk, generation: 7 }
}

/// The same with plain lists.
#[derive(Default)]
struct Twin {
    /// Name, owner, whether it is ready.
    tasks: Vec<(Key, u32, bool)>,
    ready: [VecDeque<Key>; OWNERS as usize],
    line: VecDeque<Key>,
    /// Intervals that are over, by owner.
    ticks: [BTreeSet<usize>; OWNERS as usize],
    /// How many owners a desk has had.
    owners: [u32; OWNERS as usize],
}

impl Twin {
    fn owner(&self, desk: u32) -> Key {
        Key { index: 100 + desk, generation: self.owners[desk as usize] }
    }

    fn forget(&mut self, key: Key) {
        self.tasks.retain(|(other, ..)| *other != key);
        self.line.retain(|other| *other != key);
    }

    /// An interval is over.
    fn tick(&mut self, table: &mut Table, desk: u32, index: usize) {
        let errands = table.open_errands(desk, self.owner(desk));
        if errands.intervals.is_empty() {
            let interval = Interval::every(Duration::from_millis(7));
            let ticking = || Ticking { interval, due: Time::ZERO, timer: None };
            errands.intervals = (0..INTERVALS).map(|_| ticking()).collect();
        }
        errands.ticks |= 1 << index;
        self.ticks[desk as usize].insert(index);
    }

    /// What an owner goes on with.
    fn next(&mut self, table: &mut Table, desk: u32) {
        let (ready, ticks) = (&mut self.ready[desk as usize], &mut self.ticks[desk as usize]);
        let tick = ticks.pop_first();
        let expected = if tick.is_some() { None } else { ready.pop_front() };
        let (next, was_last) = table.next(desk, || Time::ZERO);
        assert_eq!(was_last, ready.is_empty() && ticks.is_empty());
        match next {
            Next::Answer(removed) => assert_eq!(Some(removed.key), expected),
            Next::Future(key) => {
                assert_eq!(Some(key), expected);
                table.remove(key.index);
            }
            Next::Tick(index, _) => assert_eq!(Some(index), tick),
            Next::Nothing => assert_eq!((None, None), (expected, tick)),
        }
        expected.into_iter().for_each(|key| self.forget(key));
    }

    /// An owner ends, and another has its desk.
    fn end(&mut self, table: &mut Table, desk: u32) {
        while let Some(errands) = table.errands(desk) {
            errands.end();
            let first = errands.first.get();
            if first == NONE {
                break;
            }
            let key = table.remove(first).key;
            self.forget(key);
        }
        table.close_desk(desk);
        self.ready[desk as usize].clear();
        self.ticks[desk as usize].clear();
        self.owners[desk as usize] += 1;
        assert_eq!(table.open_desk(self.owner(desk)), desk);
    }
}

fn begin(table: &mut Table, blocks: &BlocksOwner, desk: (u32, Key), kind: Kind, lined: bool) -> Key {
    let begins = Begins { task: AnyTask::polled(blocks, Idle), kind, asked: None };
    table.insert(begins, Some(desk), lined.then_some(Time(7)))
}

/// Every task of an owner is in its list, once.
fn check_owned(table: &mut Table, twin: &Twin, desk: u32) {
    let mut owned = Vec::new();
    let mut index = table.errands(desk).map_or(NONE, |errands| errands.first.get());
    while index != NONE {
        let slot = table.at(index);
        owned.push(Key { index, generation: slot.generation.get() });
        index = slot.next.get();
    }
    let mut expected: Vec<Key> =
        twin.tasks.iter().filter(|(_, of, _)| *of == desk).map(|(key, ..)| *key).collect();
    owned.sort();
    expected.sort();
    assert_eq!(owned, expected);
}

#[test]
fn random_operations_agree_with_plain_lists() {
    let (blocks, mut random) = (BlocksOwner::default(), Random::new(5));
    let (mut table, mut twin) = (Table::new(1000), Twin::default());
    (0..OWNERS).for_each(|desk| assert_eq!(table.open_desk(twin.owner(desk)), desk));
    for _ in 0..if cfg!(miri) { 300 } else { 100_000 } {
        let desk = random.below(u64::from(OWNERS)) as u32;
        match random.below(8) {
            0 | 1 if twin.tasks.len() < 40 => {
                let kind = if random.below(2) == 0 { Kind::Answer } else { Kind::Future };
                let lined = random.below(2) == 0;
                let key = begin(&mut table, &blocks, (desk, twin.owner(desk)), kind, lined);
                twin.tasks.push((key, desk, false));
                twin.line.extend(lined.then_some(key));
            }
            2 if !twin.tasks.is_empty() => {
                let chosen = random.index(twin.tasks.len());
                let owner = twin.owner(twin.tasks[chosen].1);
                let (key, desk, ready) = &mut twin.tasks[chosen];
                let (queued, others) = (table.make_ready(key.index), &mut twin.ready[*desk as usize]);
                let first = !*ready && others.is_empty();
                assert_eq!(queued, first.then_some(owner), "whoever has errands already need not be told");
                if !std::mem::replace(ready, true) {
                    others.push_back(*key);
                }
            }
            3 | 4 => twin.next(&mut table, desk),
            5 => twin.tick(&mut table, desk, random.index(INTERVALS)),
            6 if random.chance(0.05) => twin.end(&mut table, desk),
            _ if twin.tasks.iter().any(|(.., ready)| !ready) => {
                let waiting: Vec<_> = twin.tasks.iter().filter(|(.., ready)| !ready).collect();
                let key = waiting[random.index(waiting.len())].0;
                assert!(table.remove(key.index).task.is_some());
                assert!(table.slot(key).is_none(), "its key is stale");
                twin.forget(key);
            }
            _ => {}
        }
        assert_eq!(table.first_in_line().map(|(key, _)| key), twin.line.front().copied());
        assert_eq!(table.live.get() as usize, twin.tasks.len());
        check_owned(&mut table, &twin, desk);
    }
}

#[test]
fn an_exclusive_task_comes_alone() {
    let blocks = BlocksOwner::default();
    let mut table = Table::new(10);
    let desk = table.open_desk(owner(0));
    let other = begin(&mut table, &blocks, (desk, owner(desk)), Kind::Future, false);
    let exclusive = begin(&mut table, &blocks, (desk, owner(desk)), Kind::Exclusive, false);
    table.open_errands(desk, owner(desk)).exclusive = exclusive.index;
    assert_eq!(table.make_ready(other.index), Some(owner(desk)));
    assert!(matches!(table.next(desk, || Time::ZERO), (Next::Nothing, true)));
    assert_eq!(table.make_ready(exclusive.index), Some(owner(desk)));
    assert!(matches!(table.next(desk, || Time::ZERO), (Next::Future(key), true) if key == exclusive));
    table.remove(exclusive.index);
    table.open_errands(desk, owner(desk)).exclusive = NONE;
    assert!(matches!(table.next(desk, || Time::ZERO), (Next::Future(key), true) if key == other));
}
