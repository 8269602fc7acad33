//! The places of tasks, and the lists that run through them.
//!
//! Knows: places, lists, which cell owns what. Must not know cells, nor when anything is due.
//!
//! A place fills one line of the cache: a question that is asked and answered touches that, the desk of its asker, and its
//! neighbours in two lists.

use super::super::address::CoreId;
use super::super::deadlines::Deadline;
use super::super::output::Output;
use super::super::schedule::Interval;
use super::super::task_block::AnyTask;
use super::super::wheel::WheelKey;
use super::Kind;
use crate::mem::{Key, MaybeKey};
use crate::sys::Time;

pub(super) const NONE: u32 = u32::MAX;

pub(super) struct Desk {
    pub(super) output: Option<Output>,
    /// The place of its errands, if it has had any: most connections never have.
    errands: u32,
}

/// What a cell has begun. Places of the table, or none.
#[repr(align(64))]
pub(super) struct Errands {
    owner: Key,
    pub(super) first: u32,
    pub(super) ready_first: u32,
    /// Of no account while none is ready.
    ready_last: u32,
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
        let (first, ready_first, ready_last, exclusive) = (NONE, NONE, NONE, NONE);
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

#[repr(align(64))]
pub(super) struct Slot {
    pub(super) generation: u32,
    pub(super) kind: Kind,
    pub(super) flags: u8,
    /// Those of its owner, if it has one.
    errands: u32,
    /// The owner's other tasks.
    previous: u32,
    pub(super) next: u32,
    /// The task that is ready behind this one; of a free place, the next free one.
    next_ready: u32,
    /// The line of answers.
    ahead: u32,
    behind: u32,
    /// The core to which the question went whose answer it waits for, if that is another one.
    asked: u32,
    pub(super) deadline: Deadline,
    /// None while it runs.
    pub(super) task: Option<AnyTask>,
}

const _: () = assert!(size_of::<Slot>() == 64 && size_of::<Errands>() == 64);

impl Slot {
    /// Makes the key of a place stale, and puts it before the free ones. A place whose generation would wrap is retired.
    #[inline(always)]
    fn vacate(&mut self, index: u32, free: &mut u32) {
        if let Some(generation) = self.generation.checked_add(1) {
            self.generation = generation;
            self.next_ready = std::mem::replace(free, index);
        }
    }
}

/// A task that begins.
pub(super) struct Begins {
    pub(super) task: AnyTask,
    pub(super) kind: Kind,
    /// The core to which the question goes whose answer it waits for, if that is another one.
    pub(super) asked: Option<CoreId>,
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
    /// The task can go on, and the errands of this cell wait.
    Ready(Key),
    /// It could before.
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
    /// Those of a desk stay with it.
    errands: Vec<Errands>,
    slots: Vec<Slot>,
    free: u32,
    pub(super) live: u32,
    pub(super) max: u32,
    line_first: u32,
    line_last: u32,
}

impl Table {
    pub(super) fn new(max: u32) -> Table {
        Table {
            desks: Vec::new(),
            free_desks: Vec::new(),
            errands: Vec::new(),
            slots: Vec::new(),
            free: NONE,
            live: 0,
            max: max.min(NONE - 1),
            line_first: NONE,
            line_last: NONE,
        }
    }

    #[inline(always)]
    pub(super) fn slot(&mut self, key: Key) -> Option<&mut Slot> {
        self.slots.get_mut(key.index as usize).filter(|slot| slot.generation == key.generation)
    }

    #[inline(always)]
    pub(super) fn at(&mut self, index: u32) -> &mut Slot {
        &mut self.slots[index as usize]
    }

    /// Places, used or not.
    pub(super) fn places(&self) -> u32 {
        self.slots.len() as u32
    }

    pub(super) fn open_desk(&mut self, owner: Key) -> u32 {
        let Some(desk) = self.free_desks.pop() else {
            self.desks.push(Desk { output: None, errands: NONE });
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
        self.slots.iter().filter(|slot| slot.kind == kind && slot.task.is_some()).count()
    }

    /// True if the time of a task ends some day that is no timer and does not run now.
    pub(super) fn has_deadlines(&self) -> bool {
        let ends = |slot: &Slot| slot.flags & (TIMED | LINED) != 0 && slot.deadline.time() < Time::MAX;
        self.slots.iter().any(|slot| slot.task.is_some() && slot.kind != Kind::Timer && ends(slot))
    }

    /// True if a cell waits for an answer, or for a future that has a time.
    pub(super) fn owes(&self, desk: u32) -> bool {
        let errands = self.errands.get(self.desks[desk as usize].errands as usize);
        let mut at = errands.map_or(NONE, |errands| errands.first);
        while let Some(slot) = self.slots.get(at as usize) {
            if slot.kind == Kind::Answer || (slot.kind == Kind::Future && slot.flags & TIMED != 0) {
                return true;
            }
            at = slot.next;
        }
        false
    }

    #[inline(always)]
    pub(super) fn errands(&mut self, desk: u32) -> Option<&mut Errands> {
        self.errands.get_mut(self.desks.get(desk as usize)?.errands as usize)
    }

    #[inline(always)]
    pub(super) fn open_errands(&mut self, desk: u32, owner: Key) -> &mut Errands {
        let place = self.place_of_errands(desk, owner);
        &mut self.errands[place as usize]
    }

    /// Where the errands of a cell are, from now on if there are none.
    #[inline(always)]
    fn place_of_errands(&mut self, desk: u32, owner: Key) -> u32 {
        let desk = &mut self.desks[desk as usize];
        if desk.errands == NONE {
            desk.errands = self.errands.len() as u32;
            self.errands.push(Errands::of(owner));
        }
        desk.errands
    }

    /// Puts a task into a free place, into the list of its owner, and into the line of answers if it has a deadline there. There is
    /// room: whoever calls has looked.
    #[inline(always)]
    pub(super) fn insert(&mut self, begins: Begins, owned: Option<(u32, Key)>, lined: Option<Time>) -> Key {
        if self.free == NONE {
            self.add_place();
        }
        let errands = owned.map_or(NONE, |(desk, owner)| self.place_of_errands(desk, owner));
        let (kind, asked) = (begins.kind, begins.asked.map_or(NONE, |core| core.0));
        let key = self.put(begins.task, kind, asked, errands, lined);
        key.expect("a place is free")
    }

    /// Puts an answer that waits into a free place, and into all lists; hands it back if there is no place, or if the desk has
    /// never had errands.
    #[inline(always)]
    pub(super) fn insert_answer(
        &mut self,
        desk: u32,
        task: AnyTask,
        asked: u32,
        deadline: Time,
    ) -> Result<Key, AnyTask> {
        let Some(desk) = self.desks.get(desk as usize) else { return Err(task) };
        let place = desk.errands;
        if self.errands.get(place as usize).is_none() {
            return Err(task);
        }
        self.put(task, Kind::Answer, asked, place, Some(deadline))
    }

    /// Puts a task into the place that is free next, and into its lists; hands it back if none is.
    #[inline(always)]
    fn put(
        &mut self,
        task: AnyTask,
        kind: Kind,
        asked: u32,
        errands: u32,
        lined: Option<Time>,
    ) -> Result<Key, AnyTask> {
        let index = self.free;
        let Some(slot) = self.slots.get_mut(index as usize) else { return Err(task) };
        self.live += 1;
        self.free = slot.next_ready;
        let key = Key { index, generation: slot.generation };
        let next = match self.errands.get_mut(errands as usize) {
            Some(errands) => std::mem::replace(&mut errands.first, index),
            None => NONE,
        };
        (slot.kind, slot.flags) = (kind, if lined.is_some() { LINED } else { 0 });
        (slot.errands, slot.asked) = (errands, asked);
        (slot.previous, slot.next) = (NONE, next);
        // It is none: nothing is dropped.
        std::mem::forget(slot.task.replace(task));
        if let Some(deadline) = lined {
            let ahead = std::mem::replace(&mut self.line_last, index);
            (slot.ahead, slot.behind) = (ahead, NONE);
            slot.deadline = Deadline::of_line(deadline);
            match self.slots.get_mut(ahead as usize) {
                Some(ahead) => ahead.behind = index,
                None => self.line_first = index,
            }
        }
        if let Some(next) = self.slots.get_mut(next as usize) {
            next.previous = index;
        }
        Ok(key)
    }

    #[cold]
    fn add_place(&mut self) {
        self.free = self.slots.len() as u32;
        self.slots.push(Slot {
            generation: 0,
            kind: Kind::Relay,
            flags: 0,
            errands: NONE,
            previous: NONE,
            next: NONE,
            next_ready: NONE,
            ahead: NONE,
            behind: NONE,
            asked: NONE,
            deadline: Deadline::NEVER,
            task: None,
        });
    }

    /// Notes the deadline of a task that does not stand in the line.
    pub(super) fn set_deadline(&mut self, key: Key, deadline: Deadline) {
        if let Some(slot) = self.slot(key) {
            slot.flags = slot.flags & !EXPIRED | TIMED;
            slot.deadline = deadline;
        }
    }

    /// A timer has come for the last time.
    pub(super) fn spend_timer(&mut self, key: Key) {
        if let Some(slot) = self.slot(key) {
            slot.flags |= SPENT;
        }
    }

    /// True if a timer has come for the last time, or was cancelled.
    pub(super) fn is_timer_spent(&mut self, key: Key) -> bool {
        self.slot(key).is_none_or(|slot| slot.flags & SPENT != 0)
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
        let errands = self.desks.get(desk as usize)?.errands;
        let slot = self.slot(key)?;
        if slot.kind != kind || slot.errands != errands || slot.flags & SPENT != 0 {
            return None;
        }
        if slot.flags & READY == 0 {
            return Some(self.remove(key.index));
        }
        slot.flags |= SPENT;
        let task = slot.task.replace(idle());
        Some(Removed { key, kind, task, deadline: None, asked: None, is_delayed: false })
    }

    /// Takes a task out of every list but that of the ready ones, where it is not, and makes its key stale.
    #[inline(always)]
    pub(super) fn remove(&mut self, index: u32) -> Removed {
        let slot = &mut self.slots[index as usize];
        let removed = Removed {
            key: Key { index, generation: slot.generation },
            kind: slot.kind,
            task: slot.task.take(),
            deadline: (slot.flags & TIMED != 0).then_some(slot.deadline),
            asked: (slot.asked != NONE).then_some(CoreId(slot.asked)),
            is_delayed: slot.flags & DELAYED != 0,
        };
        self.free(index);
        removed
    }

    /// Takes a place out of all lists, for whoever comes next.
    #[inline(always)]
    fn free(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        let Slot { flags, errands, previous, next, ahead, behind, .. } = *slot;
        slot.vacate(index, &mut self.free);
        self.live -= 1;
        if flags & LINED != 0 {
            self.leave_line(ahead, behind);
        }
        self.leave_siblings(previous, next);
        if previous == NONE
            && let Some(errands) = self.errands.get_mut(errands as usize)
        {
            errands.first = next;
        }
    }

    /// Closes the gap between two tasks of an owner.
    #[inline(always)]
    fn leave_siblings(&mut self, previous: u32, next: u32) {
        if let Some(next) = self.slots.get_mut(next as usize) {
            next.previous = previous;
        }
        if let Some(previous) = self.slots.get_mut(previous as usize) {
            previous.next = next;
        }
    }

    /// Closes the gap in the line of answers between two.
    #[inline(always)]
    fn leave_line(&mut self, ahead: u32, behind: u32) {
        match self.slots.get_mut(ahead as usize) {
            Some(ahead) => ahead.behind = behind,
            None => self.line_first = behind,
        }
        match self.slots.get_mut(behind as usize) {
            Some(behind) => behind.ahead = ahead,
            None => self.line_last = ahead,
        }
    }

    /// The first in the line of answers, and when its time is over.
    pub(super) fn first_in_line(&self) -> Option<(Key, Time)> {
        let slot = self.slots.get(self.line_first as usize)?;
        Some((Key { index: self.line_first, generation: slot.generation }, slot.deadline.time()))
    }

    /// True if nobody stands in the line of answers.
    pub(super) fn is_line_empty(&self) -> bool {
        self.line_first == NONE
    }

    /// The time of a task is over: its deadline has come, and it does not stand in the line any more.
    pub(super) fn expire(&mut self, index: u32) {
        let slot = self.at(index);
        let (flags, ahead, behind) = (slot.flags, slot.ahead, slot.behind);
        slot.flags = flags & !(TIMED | LINED) | EXPIRED;
        if flags & LINED != 0 {
            self.leave_line(ahead, behind);
        }
    }

    /// Notes that a task can go on; answers whose errands wait now. Nobody's if that was known, or it runs: then it is seen when it
    /// is given back.
    #[inline(always)]
    pub(super) fn make_ready(&mut self, index: u32) -> Option<Key> {
        let slot = self.slots.get_mut(index as usize)?;
        if slot.flags & READY != 0 {
            return None;
        }
        slot.flags |= READY;
        slot.task.as_ref()?;
        slot.next_ready = NONE;
        let (kind, errands) = (slot.kind, slot.errands);
        self.append(index, kind, errands)
    }

    /// Puts the value that a task waits for into its place, and the task behind those that are ready.
    #[inline(always)]
    pub(super) fn settle<V: 'static>(&mut self, key: Key, value: V) -> Settled<V> {
        let Some(slot) = self.slot(key) else { return Settled::Unwanted(value) };
        let Some(place) = slot.task.as_mut().and_then(AnyTask::place) else {
            return Settled::Unwanted(value);
        };
        // All that concerns the place of the task is done before the value is stored: then it is not looked up again.
        let (kind, errands, known) = (slot.kind, slot.errands, slot.flags & READY != 0);
        slot.flags |= READY;
        if !known {
            slot.next_ready = NONE;
        }
        *place = Some(value);
        if kind == Kind::Relay {
            return Settled::Relay;
        }
        // The exclusive one waits for no value.
        let queued = if known { None } else { self.append(key.index, Kind::Answer, errands) };
        queued.map_or(Settled::Known, Settled::Ready)
    }

    /// Puts a task behind those that are ready; answers whose errands wait now.
    pub(super) fn queue(&mut self, index: u32) -> Option<Key> {
        let slot = self.slots.get_mut(index as usize)?;
        slot.next_ready = NONE;
        let (kind, errands) = (slot.kind, slot.errands);
        self.append(index, kind, errands)
    }

    /// Puts a task behind those that are ready of its owner, and answers whose errands wait now; nobody's if others were ready: they wait
    /// already, or will once the exclusive task has finished. That one has a place of its own.
    #[inline(always)]
    fn append(&mut self, index: u32, kind: Kind, errands: u32) -> Option<Key> {
        let errands = self.errands.get_mut(errands as usize)?;
        if kind != Kind::Exclusive {
            let last = std::mem::replace(&mut errands.ready_last, index);
            if errands.ready_first != NONE {
                self.slots.get_mut(last as usize)?.next_ready = index;
                return None;
            }
            errands.ready_first = index;
        }
        Some(errands.owner)
    }

    /// True if an answer is what a cell goes on with.
    pub(super) fn is_answer_next(&mut self, desk: u32) -> bool {
        let Some(&mut Errands { exclusive: NONE, ticks: 0, ready_first, .. }) = self.errands(desk) else {
            return false;
        };
        self.slots.get(ready_first as usize).is_some_and(|slot| is_answer(slot.kind))
    }

    /// Takes an answer, if that is ready first, and says whether that is all for now. One that does not stand in the line is left. The
    /// cell has neither an exclusive task nor intervals: whoever calls has looked.
    #[inline(always)]
    pub(super) fn next_answer(&mut self, desk: u32) -> Option<(AnyTask, bool)> {
        let errands = self.errands.get_mut(self.desks.get(desk as usize)?.errands as usize)?;
        debug_assert_eq!(
            (errands.exclusive, errands.ticks),
            (NONE, 0),
            "an answer is what the cell goes on with"
        );
        let index = errands.ready_first;
        let slot = self.slots.get_mut(index as usize)?;
        if slot.kind != Kind::Answer || slot.flags & LINED == 0 {
            return None;
        }
        let task = slot.task.take()?;
        let Slot { previous, next, next_ready, ahead, behind, .. } = *slot;
        errands.ready_first = next_ready;
        if previous == NONE {
            errands.first = next;
        }
        slot.vacate(index, &mut self.free);
        self.live -= 1;
        self.leave_line(ahead, behind);
        self.leave_siblings(previous, next);
        Some((task, next_ready == NONE))
    }

    /// Takes what a cell goes on with, and says whether that is all for now. While there is an exclusive task, that alone;
    /// otherwise intervals come first.
    #[inline(always)]
    pub(super) fn next(&mut self, desk: u32, now: impl FnOnce() -> Time) -> (Next, bool) {
        let Some(errands) = self.errands.get_mut(self.desks[desk as usize].errands as usize) else {
            return (Next::Nothing, true);
        };
        let (exclusive, index) = (errands.exclusive, errands.ready_first);
        if exclusive != NONE {
            return (self.take_exclusive(exclusive), true);
        }
        if errands.ticks != 0
            && let Some((index, due)) = errands.take_tick(now())
        {
            return (Next::Tick(index, due), errands.ticks == 0 && errands.ready_first == NONE);
        }
        let Some(slot) = self.slots.get_mut(index as usize) else { return (Next::Nothing, true) };
        errands.ready_first = slot.next_ready;
        let was_last = slot.next_ready == NONE;
        slot.flags &= !READY;
        if is_answer(slot.kind) {
            return (Next::Answer(self.remove(index)), was_last);
        }
        (Next::Future(Key { index, generation: slot.generation }), was_last)
    }

    fn take_exclusive(&mut self, index: u32) -> Next {
        let slot = self.at(index);
        if slot.flags & READY == 0 {
            return Next::Nothing;
        }
        slot.flags &= !READY;
        Next::Future(Key { index, generation: slot.generation })
    }
}

impl Errands {
    /// Nothing is ready any more, and no interval over: the next cell that has this desk has its own. The tasks stay, to be removed.
    pub(super) fn end(&mut self) -> Box<[Ticking]> {
        (self.ready_first, self.exclusive, self.ticks) = (NONE, NONE, 0);
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
