//! The places of tasks, and the lists that run through them.
//!
//! Knows: places, lists, which cell owns what. Must not know cells, nor when anything is due.
//!
//! A place fills one line of the cache: a question that is asked and answered touches that, the desk of its asker, and its
//! neighbours in two lists.
//!
//! What an answer changes on its way is changed through shared references, so that nobody need note who has the table.
//!
//! Invariants: 1. A task is taken out of its place by functions of this file and of `tasks.rs` alone, and by none while a value is on its way
//! to it.
#![allow(unsafe_code)]

use std::cell::Cell;

use super::super::address::CoreId;
use super::super::deadlines::Deadline;
use super::super::output::Output;
use super::super::schedule::Interval;
use super::super::task_block::{AnyTask, Place};
use super::super::wheel::WheelKey;
use super::Kind;
use crate::mem::{Key, MaybeKey};
use crate::sys::Time;

pub(super) const NONE: u32 = u32::MAX;

pub(super) struct Desk {
    pub(super) output: Option<Output>,
}

/// What a cell has begun. Places of the table, or none.
#[repr(align(64))]
pub(super) struct Errands {
    owner: Key,
    pub(super) first: Cell<u32>,
    pub(super) ready_first: Cell<u32>,
    /// Of no account while none is ready.
    ready_last: Cell<u32>,
    pub(super) exclusive: u32,
    /// The first of the answers that the exclusive one waits for.
    pub(super) waits: MaybeKey,
    /// How often exclusive ones have been polled, going round; never zero then.
    pub(super) polls: u32,
    /// Intervals that are due, one bit each.
    pub(super) ticks: u32,
    /// Bytes that were received and have gone to where they go, unseen by the actor.
    pub(super) forwarded: u64,
    pub(super) intervals: Box<[Ticking]>,
}

impl Errands {
    fn of(owner: Key) -> Errands {
        let intervals = Box::default();
        let [first, ready_first, ready_last] = [const { Cell::new(NONE) }; 3];
        let exclusive = NONE;
        let (waits, polls, ticks, forwarded) = (MaybeKey::NONE, 0, 0, 0);
        Errands {
            owner,
            first,
            ready_first,
            ready_last,
            exclusive,
            waits,
            polls,
            ticks,
            forwarded,
            intervals,
        }
    }

    /// Forgets where the waits are, and says it.
    pub(super) fn take_waits(&mut self) -> MaybeKey {
        std::mem::replace(&mut self.waits, MaybeKey::NONE)
    }
}

/// An interval that comes round.
pub(super) struct Ticking {
    pub(super) interval: Interval,
    pub(super) due: Time,
    pub(super) timer: Option<WheelKey>,
}

/// It can go on.
pub(super) const READY: u8 = 1;
/// Its time is over.
pub(super) const EXPIRED: u8 = 2;
/// It stands in the line of answers.
const LINED: u8 = 4;
/// It has a deadline of its own.
const TIMED: u8 = 8;
/// A timer that has come for the last time, or a task that was cancelled when it was ready: its name is as good as none.
const SPENT: u8 = 16;
/// Its question, a watch, found no room on the way, and may be overtaken by the end of it.
pub(super) const DELAYED: u8 = 32;
/// It is a [`Kind::Relay`].
pub(super) const RELAY: u8 = 64;
/// It is a [`Kind::Answer`] that stands in the line.
const QUICK: u8 = 128;

#[repr(align(64))]
pub(super) struct Slot {
    pub(super) generation: Cell<u32>,
    pub(super) kind: Cell<Kind>,
    pub(super) flags: Cell<u8>,
    /// Those of its owner, if it has one.
    errands: Cell<u32>,
    /// The owner's other tasks. Of the first, the previous is of no account.
    previous: Cell<u32>,
    pub(super) next: Cell<u32>,
    /// The task that is ready behind this one; of a free place, the next free one.
    next_ready: Cell<u32>,
    /// The line of answers. Of the first, who is ahead is of no account.
    ahead: Cell<u32>,
    behind: Cell<u32>,
    /// The core to which the question went whose answer it waits for, if that is another one.
    asked: Cell<u32>,
    /// When its time is over.
    time: Cell<Time>,
    /// The timer for that, of one that does not stand in the line.
    timer: Cell<Option<WheelKey>>,
    /// None while it runs.
    pub(super) task: Cell<Option<AnyTask>>,
}

const _: () = assert!(size_of::<Slot>() == 64 && size_of::<Errands>() == 64);

impl Slot {
    /// Makes the key of a place stale, and puts it before the free ones. A place whose generation would wrap is retired.
    #[inline(always)]
    fn vacate(&self, index: u32, free: &Cell<u32>) {
        let generation = self.generation.get().wrapping_add(1);
        if generation != 0 {
            self.generation.set(generation);
            self.next_ready.set(free.replace(index));
        }
    }

    #[inline(always)]
    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags.get() & flag != 0
    }

    #[inline(always)]
    pub(super) fn note(&self, flag: u8) {
        self.flags.set(self.flags.get() | flag);
    }

    #[inline(always)]
    pub(super) fn forget(&self, flag: u8) {
        self.flags.set(self.flags.get() & !flag);
    }

    fn deadline(&self) -> Deadline {
        Deadline::of_timer(self.time.get(), self.timer.get())
    }

    /// True if a task is there that does not run.
    pub(super) fn has_task(&self) -> bool {
        self.with_task(|task| task.is_some())
    }

    /// True if a relay that is there waits no more.
    #[inline(never)]
    pub(super) fn is_closed_relay(&self) -> bool {
        self.with_task(|task| task.as_ref().is_some_and(AnyTask::is_closed))
    }

    /// Lends what is there.
    pub(super) fn with_task<R>(&self, look: impl FnOnce(&mut Option<AnyTask>) -> R) -> R {
        let mut task = self.task.take();
        let seen = look(&mut task);
        self.task.set(task);
        seen
    }
}

/// A task that begins.
pub(super) struct Begins {
    pub(super) task: AnyTask,
    pub(super) kind: Kind,
    /// The core to which the question goes whose answer it waits for, if that is another one.
    pub(super) asked: Option<CoreId>,
}

/// The flags of a task that begins.
#[inline(always)]
fn first_flags(kind: Kind, lined: bool) -> u8 {
    match (kind, lined) {
        (Kind::Answer, true) => QUICK | LINED,
        (Kind::Relay, true) => RELAY | LINED,
        (Kind::Relay, false) => RELAY,
        (_, true) => LINED,
        (_, false) => 0,
    }
}

fn is_answer(kind: Kind) -> bool {
    matches!(kind, Kind::Answer | Kind::Watch)
}

/// What is left of a task that was removed.
pub(super) struct Removed {
    pub(super) key: Key,
    pub(super) kind: Kind,
    /// None if it runs.
    pub(super) task: Option<AnyTask>,
    /// Its own, if that has not come.
    pub(super) deadline: Option<Deadline>,
    pub(super) asked: Option<CoreId>,
    /// See [`DELAYED`].
    pub(super) is_delayed: bool,
}

/// What became of the value that a task waits for.
pub(super) enum Settled<V> {
    /// It could go on before.
    Known,
    /// The task is a relay, to be removed.
    Relay,
    /// There is no such task, or it has a value.
    Unwanted(V),
}

/// What a cell goes on with.
pub(super) enum Next {
    /// An answer has come, or its time is over. It is not in the table any more.
    Answer(Removed),
    /// A future was woken. Its place is kept for it.
    Future(Key),
    /// An interval is over, of this index, and will be again at this time.
    Tick(usize, Time),
    /// Nothing, for now.
    Nothing,
}

pub(super) struct Table {
    pub(super) desks: Vec<Desk>,
    free_desks: Vec<u32>,
    /// The place of the errands of each desk, if it has had any: most connections never have. Those of a desk stay with it.
    places: Vec<u32>,
    errands: Vec<Errands>,
    slots: Vec<Slot>,
    free: Cell<u32>,
    pub(super) live: Cell<u32>,
    pub(super) max: u32,
    line_first: Cell<u32>,
    /// Of no account while there is no first.
    line_last: Cell<u32>,
}

impl Table {
    pub(super) fn new(max: u32) -> Table {
        Table {
            desks: Vec::new(),
            free_desks: Vec::new(),
            places: Vec::new(),
            errands: Vec::new(),
            slots: Vec::new(),
            free: Cell::new(NONE),
            live: Cell::new(0),
            max: max.min(NONE - 1),
            line_first: Cell::new(NONE),
            line_last: Cell::new(NONE),
        }
    }

    #[inline(always)]
    pub(super) fn slot(&self, key: Key) -> Option<&Slot> {
        self.slots.get(key.index as usize).filter(|slot| slot.generation.get() == key.generation)
    }

    #[inline(always)]
    pub(super) fn at(&self, index: u32) -> &Slot {
        &self.slots[index as usize]
    }

    /// Places, used or not.
    pub(super) fn places(&self) -> u32 {
        self.slots.len() as u32
    }

    pub(super) fn open_desk(&mut self, owner: Key) -> u32 {
        let Some(desk) = self.free_desks.pop() else {
            self.desks.push(Desk { output: None });
            self.places.push(NONE);
            return self.desks.len() as u32 - 1;
        };
        if let Some(errands) = self.errands(desk) {
            (errands.owner, errands.forwarded) = (owner, 0);
        }
        desk
    }

    /// Clears a desk, and answers the output that lay there. The place of its errands stays, for the next cell that has it.
    pub(super) fn close_desk(&mut self, desk: u32) -> Option<Output> {
        self.free_desks.push(desk);
        self.desks[desk as usize].output.take()
    }

    /// Tasks of one kind that do not run now.
    pub(super) fn count(&self, kind: Kind) -> usize {
        self.slots.iter().filter(|slot| slot.kind.get() == kind && slot.has_task()).count()
    }

    /// True if the time of a task ends some day that is no timer and does not run now.
    pub(super) fn has_deadlines(&self) -> bool {
        let ends = |slot: &Slot| slot.has(TIMED | LINED) && slot.time.get() < Time::MAX;
        self.slots.iter().any(|slot| slot.has_task() && slot.kind.get() != Kind::Timer && ends(slot))
    }

    /// True if a cell waits for an answer, or for a future that has a time.
    pub(super) fn owes(&self, desk: u32) -> bool {
        let errands = self.errands.get(self.place(desk) as usize);
        let mut at = errands.map_or(NONE, |errands| errands.first.get());
        while let Some(slot) = self.slots.get(at as usize) {
            let kind = slot.kind.get();
            if kind == Kind::Answer || (kind == Kind::Future && slot.has(TIMED)) {
                return true;
            }
            at = slot.next.get();
        }
        false
    }

    #[inline(always)]
    pub(super) fn errands(&mut self, desk: u32) -> Option<&mut Errands> {
        let place = self.place(desk);
        self.errands.get_mut(place as usize)
    }

    /// Where the errands of a desk are; none if there are none, or no such desk.
    #[inline(always)]
    pub(super) fn place(&self, desk: u32) -> u32 {
        self.places.get(desk as usize).copied().unwrap_or(NONE)
    }

    #[inline(always)]
    pub(super) fn open_errands(&mut self, desk: u32, owner: Key) -> &mut Errands {
        let place = self.place_of_errands(desk, owner);
        &mut self.errands[place as usize]
    }

    /// Where the errands of a cell are, from now on if there are none.
    #[inline(always)]
    fn place_of_errands(&mut self, desk: u32, owner: Key) -> u32 {
        let place = &mut self.places[desk as usize];
        if *place == NONE {
            *place = self.errands.len() as u32;
            self.errands.push(Errands::of(owner));
        }
        *place
    }

    /// Puts a task into a free place, into the list of its owner, and into the line of answers if it has a deadline there. There is
    /// room: whoever calls has looked.
    #[inline(always)]
    pub(super) fn insert(&mut self, begins: Begins, owned: Option<(u32, Key)>, lined: Option<Time>) -> Key {
        if self.free.get() == NONE {
            self.add_place();
        }
        let errands = owned.map_or(NONE, |(desk, owner)| self.place_of_errands(desk, owner));
        let asked = begins.asked.map_or(NONE, |core| core.0);
        let owner = self.errands.get(errands as usize).map(|owner| (errands, owner));
        self.put(begins.task, begins.kind, asked, owner, lined).expect("a place is free")
    }

    /// Puts an answer that waits into a free place, and into all lists, for whoever has its errands at this place; hands it back if there is
    /// no free place, or nobody has.
    #[inline(always)]
    pub(super) fn insert_answer(
        &self,
        place: u32,
        task: AnyTask,
        asked: u32,
        deadline: Time,
    ) -> Result<Key, AnyTask> {
        let Some(errands) = self.errands.get(place as usize) else { return Err(task) };
        self.put(task, Kind::Answer, asked, Some((place, errands)), Some(deadline))
    }

    /// Puts a task into the place that is free next, and into its lists; hands it back if none is.
    #[inline(always)]
    fn put(
        &self,
        task: AnyTask,
        kind: Kind,
        asked: u32,
        owner: Option<(u32, &Errands)>,
        lined: Option<Time>,
    ) -> Result<Key, AnyTask> {
        let index = self.free.get();
        let Some(slot) = self.slots.get(index as usize) else { return Err(task) };
        self.live.set(self.live.get() + 1);
        self.free.set(slot.next_ready.get());
        slot.kind.set(kind);
        slot.flags.set(first_flags(kind, lined.is_some()));
        slot.errands.set(owner.map_or(NONE, |(place, _)| place));
        slot.behind.set(NONE);
        slot.asked.set(asked);
        // It is none: nothing is dropped.
        std::mem::forget(slot.task.replace(Some(task)));
        if let Some(deadline) = lined {
            self.stand_last(index, slot, deadline);
        }
        match owner {
            Some((_, errands)) => self.link_first(index, slot, errands),
            None => slot.next.set(NONE),
        }
        Ok(Key { index, generation: slot.generation.get() })
    }

    /// Puts an answer at the end of the line.
    #[inline(always)]
    fn stand_last(&self, index: u32, slot: &Slot, deadline: Time) {
        slot.time.set(deadline);
        let last = self.line_last.replace(index);
        slot.ahead.set(last);
        if self.line_first.get() == NONE {
            self.line_first.set(index);
        } else if let Some(last) = self.slots.get(last as usize) {
            last.behind.set(index);
        }
    }

    /// Puts a task before the others of its owner.
    #[inline(always)]
    fn link_first(&self, index: u32, slot: &Slot, errands: &Errands) {
        let next = errands.first.replace(index);
        slot.next.set(next);
        if let Some(next) = self.slots.get(next as usize) {
            next.previous.set(index);
        }
    }

    #[cold]
    fn add_place(&mut self) {
        self.free.set(self.slots.len() as u32);
        let none = const { Cell::new(NONE) };
        self.slots.push(Slot {
            generation: Cell::new(0),
            kind: Cell::new(Kind::Relay),
            flags: Cell::new(0),
            errands: none.clone(),
            previous: none.clone(),
            next: none.clone(),
            next_ready: none.clone(),
            ahead: none.clone(),
            behind: none.clone(),
            asked: none,
            time: Cell::new(Time::MAX),
            timer: Cell::new(None),
            task: Cell::new(None),
        });
    }

    /// Notes the deadline of a task that does not stand in the line.
    pub(super) fn set_deadline(&mut self, key: Key, deadline: Deadline) {
        if let Some(slot) = self.slot(key) {
            slot.flags.set(slot.flags.get() & !EXPIRED | TIMED);
            slot.time.set(deadline.time());
            slot.timer.set(deadline.timer());
        }
    }

    /// A timer has come for the last time.
    pub(super) fn spend_timer(&mut self, key: Key) {
        if let Some(slot) = self.slot(key) {
            slot.note(SPENT);
        }
    }

    /// True if a timer has come for the last time, or was cancelled.
    pub(super) fn is_timer_spent(&mut self, key: Key) -> bool {
        self.slot(key).is_none_or(|slot| slot.has(SPENT))
    }

    /// What is left of a task of this desk that is cancelled; none if there is none of this kind and name, or no more. One that is ready is
    /// left in its place, with `idle` for what it was.
    pub(super) fn cancel(
        &mut self,
        desk: u32,
        key: Key,
        kind: Kind,
        idle: impl FnOnce() -> AnyTask,
    ) -> Option<Removed> {
        let (errands, slot) = (self.place(desk), self.slot(key)?);
        if slot.kind.get() != kind || slot.errands.get() != errands || slot.has(SPENT) {
            return None;
        }
        if !slot.has(READY) {
            return Some(self.remove(key.index));
        }
        slot.note(SPENT);
        let task = slot.task.replace(Some(idle()));
        Some(Removed { key, kind, task, deadline: None, asked: None, is_delayed: false })
    }

    /// Takes a task out of every list but that of the ready ones, where it is not, and makes its key stale.
    #[inline(always)]
    pub(super) fn remove(&self, index: u32) -> Removed {
        let slot = self.at(index);
        let asked = slot.asked.get();
        let removed = Removed {
            key: Key { index, generation: slot.generation.get() },
            kind: slot.kind.get(),
            task: slot.task.take(),
            deadline: slot.has(TIMED).then(|| slot.deadline()),
            asked: (asked != NONE).then_some(CoreId(asked)),
            is_delayed: slot.has(DELAYED),
        };
        slot.vacate(index, &self.free);
        self.live.set(self.live.get() - 1);
        if slot.has(LINED) {
            self.leave_line(index, slot);
        }
        if let Some(errands) = self.errands.get(slot.errands.get() as usize) {
            self.leave_siblings(index, slot, errands);
        }
        removed
    }

    /// Closes the gap between two tasks of an owner.
    #[inline(always)]
    fn leave_siblings(&self, index: u32, slot: &Slot, errands: &Errands) {
        let (previous, next) = (slot.previous.get(), slot.next.get());
        if errands.first.get() == index {
            errands.first.set(next);
        } else if let Some(previous) = self.slots.get(previous as usize) {
            previous.next.set(next);
        }
        if let Some(next) = self.slots.get(next as usize) {
            next.previous.set(previous);
        }
    }

    /// Closes the gap in the line of answers between two.
    #[inline(always)]
    fn leave_line(&self, index: u32, slot: &Slot) {
        let (ahead, behind) = (slot.ahead.get(), slot.behind.get());
        if self.line_first.get() == index {
            self.line_first.set(behind);
        } else if let Some(ahead) = self.slots.get(ahead as usize) {
            ahead.behind.set(behind);
        }
        match self.slots.get(behind as usize) {
            Some(behind) => behind.ahead.set(ahead),
            None => self.line_last.set(ahead),
        }
    }

    /// The first in the line of answers, and when its time is over.
    pub(super) fn first_in_line(&self) -> Option<(Key, Time)> {
        let index = self.line_first.get();
        let slot = self.slots.get(index as usize)?;
        Some((Key { index, generation: slot.generation.get() }, slot.time.get()))
    }

    /// True if nobody stands in the line of answers.
    pub(super) fn is_line_empty(&self) -> bool {
        self.line_first.get() == NONE
    }

    /// The time of a task is over: its deadline has come, and it does not stand in the line any more.
    pub(super) fn expire(&self, index: u32) {
        let slot = self.at(index);
        if slot.has(LINED) {
            self.leave_line(index, slot);
        }
        slot.forget(TIMED | LINED | QUICK);
        slot.note(EXPIRED);
    }

    /// Notes that a task can go on; answers whose errands wait now. Nobody's if that was known, or it runs: then it is seen when it
    /// is given back.
    #[inline(always)]
    pub(super) fn make_ready(&self, index: u32) -> Option<Key> {
        let slot = self.slots.get(index as usize)?;
        if slot.has(READY) {
            return None;
        }
        slot.note(READY);
        if !slot.has_task() {
            return None;
        }
        self.queue(index)
    }

    /// Where the value belongs that a task waits for, which is behind those that are ready from now on, and whose errands wait now. None if
    /// there is no such task, or it is ready, or somebody else's: then [`Table::settle`] knows more.
    ///
    /// # Safety
    /// The place is filled before anything takes the task.
    #[inline(always)]
    pub(super) unsafe fn make_settled<V: 'static>(&self, key: Key) -> Option<(Place<V>, Option<Key>)> {
        let slot = self.slot(key)?;
        let flags = slot.flags.get();
        if flags & (READY | RELAY) != 0 {
            return None;
        }
        // SAFETY: as the caller promises.
        let place = unsafe { AnyTask::place_in(&slot.task) }?;
        let errands = slot.errands.get();
        slot.flags.set(flags | READY);
        slot.next_ready.set(NONE);
        // The exclusive one waits for no value.
        Some((place, self.append(key.index, Kind::Answer, errands)))
    }

    /// Puts the value that a task waits for into its place: of one that is ready, because its time is over, or that nobody owns.
    pub(super) fn settle<V: 'static>(&self, key: Key, value: V) -> Settled<V> {
        let Some(slot) = self.slot(key) else { return Settled::Unwanted(value) };
        slot.with_task(|task| {
            let Some(place) = task.as_mut().and_then(AnyTask::place) else {
                return Settled::Unwanted(value);
            };
            *place = Some(value);
            slot.note(READY);
            if slot.has(RELAY) { Settled::Relay } else { Settled::Known }
        })
    }

    /// Puts a task behind those that are ready; answers whose errands wait now.
    pub(super) fn queue(&self, index: u32) -> Option<Key> {
        let slot = self.slots.get(index as usize)?;
        slot.next_ready.set(NONE);
        self.append(index, slot.kind.get(), slot.errands.get())
    }

    /// Puts a task behind those that are ready of its owner, and answers whose errands wait now; nobody's if others were ready: they wait
    /// already, or will once the exclusive task has finished. That one has a place of its own.
    #[inline(always)]
    fn append(&self, index: u32, kind: Kind, errands: u32) -> Option<Key> {
        let errands = self.errands.get(errands as usize)?;
        if kind != Kind::Exclusive {
            let last = errands.ready_last.replace(index);
            if errands.ready_first.get() != NONE {
                self.slots.get(last as usize)?.next_ready.set(index);
                return None;
            }
            errands.ready_first.set(index);
        }
        Some(errands.owner)
    }

    /// True if an answer is what a cell goes on with.
    pub(super) fn is_answer_next(&mut self, desk: u32) -> bool {
        let Some(&mut Errands { exclusive: NONE, ticks: 0, ref ready_first, .. }) = self.errands(desk) else {
            return false;
        };
        let index = ready_first.get();
        self.slots.get(index as usize).is_some_and(|slot| is_answer(slot.kind.get()))
    }

    /// Takes an answer, if that is ready first, and says whether that is all for now. One that does not stand in the line is left. The
    /// cell has neither an exclusive task nor intervals: whoever calls has looked.
    #[inline(always)]
    pub(super) fn next_answer(&self, place: u32) -> Option<(AnyTask, bool)> {
        let errands = self.errands.get(place as usize)?;
        let before = (errands.exclusive, errands.ticks);
        debug_assert_eq!(before, (NONE, 0), "an answer is what the cell goes on with");
        let index = errands.ready_first.get();
        let slot = self.slots.get(index as usize)?;
        if !slot.has(QUICK) {
            return None;
        }
        let task = slot.task.take()?;
        let next_ready = slot.next_ready.get();
        errands.ready_first.set(next_ready);
        slot.vacate(index, &self.free);
        self.live.set(self.live.get() - 1);
        self.leave_line(index, slot);
        self.leave_siblings(index, slot, errands);
        Some((task, next_ready == NONE))
    }

    /// Takes what a cell goes on with, and says whether that is all for now. While there is an exclusive task, that alone;
    /// otherwise intervals come first.
    #[inline(always)]
    pub(super) fn next(&mut self, desk: u32, now: impl FnOnce() -> Time) -> (Next, bool) {
        let place = self.place(desk);
        let Some(errands) = self.errands.get_mut(place as usize) else { return (Next::Nothing, true) };
        let (exclusive, index) = (errands.exclusive, errands.ready_first.get());
        if exclusive != NONE {
            return (self.take_exclusive(exclusive), true);
        }
        if errands.ticks != 0
            && let Some((index, due)) = errands.take_tick(now())
        {
            return (Next::Tick(index, due), errands.ticks == 0 && errands.ready_first.get() == NONE);
        }
        let Some(slot) = self.slots.get(index as usize) else { return (Next::Nothing, true) };
        let next_ready = slot.next_ready.get();
        errands.ready_first.set(next_ready);
        slot.forget(READY);
        if is_answer(slot.kind.get()) {
            return (Next::Answer(self.remove(index)), next_ready == NONE);
        }
        (Next::Future(Key { index, generation: slot.generation.get() }), next_ready == NONE)
    }

    fn take_exclusive(&self, index: u32) -> Next {
        let slot = self.at(index);
        if !slot.has(READY) {
            return Next::Nothing;
        }
        slot.forget(READY);
        Next::Future(Key { index, generation: slot.generation.get() })
    }
}

impl Errands {
    /// Nothing is ready any more, and no interval over: the next cell that has this desk has its own. The tasks stay, to be removed.
    pub(super) fn end(&mut self) -> Box<[Ticking]> {
        (self.exclusive, self.ticks) = (NONE, 0);
        self.ready_first.set(NONE);
        std::mem::take(&mut self.intervals)
    }

    /// Takes an interval that is over; answers which, and when it is over again.
    #[cold]
    fn take_tick(&mut self, now: Time) -> Option<(usize, Time)> {
        let index = self.ticks.trailing_zeros() as usize;
        self.ticks &= self.ticks - 1;
        let ticking = self.intervals.get_mut(index)?;
        ticking.due = ticking.interval.next(ticking.due, now);
        Some((index, ticking.due))
    }
}

#[cfg(test)]
mod tests;
