//! The tasks of a core, and the desk of each cell that has any.
//!
//! Knows: who owns a task, which are ready, when they expire. Must not know what a task does.
//!
//! A *desk* is what only some cells need: a connection's output, the tasks that a cell has begun, its intervals. A task is in
//! the list of its owner from its beginning to its end. One that can go on is in the list of those that are ready as well, but
//! for the exclusive one, of which a cell has at most one.
//!
//! Most answers are awaited for the same time, so that their deadlines come in the order in which they began: they stand in a
//! line, and one timer serves them all. It is set for the first and not taken back when that is answered, so it may come too early;
//! then it is set again, if anybody waits. While nobody does, it is whoever's who needs a timer and finds none.
//!
//! Invariants: 1. While the table is [lent](Tasks::lend), nobody borrows it for changing: what has it calls nothing but the table.
#![allow(unsafe_code)]

mod outputs;
mod table;
mod timers;
mod unfinished;
mod waits;

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use super::address::CoreId;
use super::cell::Activation;
use super::core::{Core, EXPIRE_MAX};
use super::deadlines::Deadline;
use super::schedule::Interval;
use super::task_block::AnyTask;
use super::waker::WakeHandle;
use super::wheel::TimerPayload;
use crate::mem::{Full, Key, aside};
use crate::sys::Time;

use table::{Begins, DELAYED, EXPIRED, NONE, Next, READY, RELAY, Removed, Settled, Table, Ticking};
pub use waits::Awaited;
pub(super) use waits::WaitId;
use waits::Waits;

/// Timer kind: the token is that of a task.
pub(super) const TASK_DUE: u32 = u32::MAX;
/// Timer kind: the first in the line of answers may be due.
pub(super) const LINE_DUE: u32 = u32::MAX - 1;
/// Timer kinds of intervals, by their index.
pub const INTERVAL: u32 = 1 << 16;
/// A cell has at most so many intervals: one bit for each.
pub const INTERVALS_MAX: usize = 32;
/// Handles for wakers that are kept for the next future.
const HANDLES_KEPT: usize = 256;
/// Beyond the limit, so many continuations may wait to be told that there was no room for their questions.
const REFUSED_MAX: u32 = 1024;

/// The bits of the name of no cell.
const NOBODY: u64 = u64::MAX;

/// What comes when the line is to be looked at.
const LINE: TimerPayload = TimerPayload { token: 0, kind: LINE_DUE };

/// What comes when the time of a task is over.
fn due(task: Key) -> TimerPayload {
    TimerPayload { token: task.to_bits(), kind: TASK_DUE }
}

/// What kind of task it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Waits for an answer.
    Answer,
    /// A future beside others.
    Future,
    /// A future beside others that has messages handled, one after the other.
    Source,
    /// A future that borrows the state of its cell.
    Exclusive,
    /// A message that comes when its time is over, perhaps again and again.
    Timer,
    /// Waits for the end of a cell, which may never come: nobody owes that.
    Watch,
    /// Passes an answer on to somebody outside of the core; nobody owns it.
    Relay,
}

/// How long a task may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// For ever.
    Never,
    /// Until then.
    At(Time),
    /// As long as any answer.
    Usual,
    /// It is to be told that there are as many as there may be, and is over then.
    Refused,
}

/// A future whose turn it is. It must be given back, or finished.
pub struct Taken {
    /// Its name.
    pub key: Key,
    /// The task itself.
    pub task: AnyTask,
    /// What kind it is.
    pub kind: Kind,
    /// Its time is over.
    pub expired: bool,
}

/// What a cell goes on with.
pub enum Errand {
    /// An answer has come, or its time is over.
    Answer(AnyTask),
    /// A future was woken, or its time is over.
    Future(Taken),
    /// An interval is over, of this index. `Err` when there is no timer for its next.
    Tick(usize, Result<(), Full>),
}

/// The tasks and desks of one core.
pub struct Tasks {
    table: RefCell<Table>,
    /// Whose errands were looked up last, and where they are: most continuations ask again.
    recent: Cell<u64>,
    recent_place: Cell<u32>,
    /// How long an answer may take, if nobody says anything else.
    ask_timeout_ns: u64,
    /// When the line is looked at.
    line: Cell<Option<Deadline>>,
    handles: RefCell<Vec<Arc<WakeHandle>>>,
    waits: Waits,
}

impl Tasks {
    /// At most `max` tasks at a time.
    #[must_use]
    pub(super) fn new(max: u32, ask_timeout: Duration) -> Tasks {
        let table = Table::new(max);
        let ask_timeout_ns = crate::sys::nanoseconds(ask_timeout);
        let (line, handles, waits) = (Cell::new(None), RefCell::default(), Waits::default());
        let (table, recent, recent_place) = (RefCell::new(table), Cell::new(NOBODY), Cell::new(NONE));
        Tasks { table, recent, recent_place, ask_timeout_ns, line, handles, waits }
    }

    /// Notes where the errands of the owner of a desk are. Nowhere, if there are none, or nobody looks at the line: whoever is noted may ask
    /// without a look at either.
    #[inline(always)]
    fn note_recent(&self, table: &Table, owner: Key, desk: u32) {
        let place = if self.line.get().is_some() { table.place(desk) } else { NONE };
        self.recent.set(if place == NONE { NOBODY } else { owner.to_bits() });
        self.recent_place.set(place);
    }

    /// Says when the line is looked at.
    fn set_line(&self, line: Option<Deadline>) -> Option<Deadline> {
        self.forget_recent();
        self.line.replace(line)
    }

    fn forget_recent(&self) {
        self.recent.set(NOBODY);
        self.recent_place.set(NONE);
    }

    /// By when an answer comes that is awaited from `now` on, if nobody says anything else.
    pub(super) fn usual_deadline(&self, now: Time) -> Time {
        Time(now.0.saturating_add(self.ask_timeout_ns))
    }

    /// True if one more may begin.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.has_room_beyond(0)
    }

    /// True if one more may begin where there may be so many more.
    fn has_room_beyond(&self, more: u32) -> bool {
        let table = self.table.borrow();
        table.live.get() < table.max.saturating_add(more)
    }

    /// The table, for the path of a single answer: that it is lent is not noted.
    ///
    /// # Safety
    /// Nobody borrows it for changing meanwhile.
    #[inline(always)]
    unsafe fn lend(&self) -> &Table {
        // SAFETY: as the caller promises.
        let lent = unsafe { self.table.try_borrow_unguarded() };
        lent.unwrap_or_else(|_| borrowed())
    }

    /// Tasks of one kind that have begun and not finished, and do not run now. Looks at all.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        self.table.borrow().count(kind)
    }

    /// True if the time of one ends some day, timers left out. Looks at all.
    #[must_use]
    pub fn has_deadlines(&self) -> bool {
        self.table.borrow().has_deadlines()
    }

    /// Tasks that have begun and not finished.
    #[must_use]
    pub fn live(&self) -> usize {
        self.table.borrow().live.get() as usize
    }
}

#[cold]
fn borrowed() -> ! {
    panic!("the table of tasks is not lent while code from outside runs")
}

impl Core {
    #[inline(always)]
    fn desk_of(&self, cell: Key, table: &mut Table) -> u32 {
        self.cells.desk(cell).unwrap_or_else(|| self.open_desk(cell, table))
    }

    #[cold]
    fn open_desk(&self, cell: Key, table: &mut Table) -> u32 {
        let desk = table.open_desk(cell);
        self.cells.set_desk(cell, Some(desk));
        desk
    }

    /// Begins a task. It is not ready before somebody says so. Answers its name, and when its time is over.
    ///
    /// # Errors
    /// Hands the task back when there are as many as `Config::tasks_max` allows.
    pub(crate) fn begin(
        &self,
        owner: Option<Key>,
        task: AnyTask,
        kind: Kind,
        limit: Limit,
    ) -> Result<(Key, Time), AnyTask> {
        self.begin_by(owner, Begins { task, kind, asked: None }, limit)
    }

    /// Begins to wait for an answer, as long as for any. `asked`: the core to which the question goes, if that is another one: it is
    /// told when nobody waits any more. Answers the bits of its name: two words that stay in registers.
    ///
    /// # Errors
    /// As [`Core::begin`].
    #[inline(always)]
    pub(crate) fn begin_answer(
        &self,
        owner: Key,
        task: AnyTask,
        asked: Option<CoreId>,
    ) -> Result<u64, AnyTask> {
        self.begin_next_answer(owner, task, asked).or_else(|task| self.begin_first_answer(owner, task, asked))
    }

    /// The same of an answer that is not the first for which its cell waits, nor the first in the line since that was looked at.
    ///
    /// # Errors
    /// Hands the task back if it is, or there is no place: then [`Core::begin_answer`] knows more.
    #[inline(always)]
    pub(crate) fn begin_next_answer(
        &self,
        owner: Key,
        task: AnyTask,
        asked: Option<CoreId>,
    ) -> Result<u64, AnyTask> {
        // SAFETY: it calls nothing but the table (invariant 1).
        let table = unsafe { self.tasks.lend() };
        if self.tasks.recent.get() != owner.to_bits() {
            self.tasks.note_recent(table, owner, self.cells.desk_or_none(owner));
        }
        if table.live.get() >= table.max {
            return Err(task);
        }
        let (place, asked) = (self.tasks.recent_place.get(), asked.map_or(NONE, |core| core.0));
        table.insert_answer(place, task, asked, self.usual_deadline()).map(Key::to_bits)
    }

    #[cold]
    fn begin_first_answer(&self, owner: Key, task: AnyTask, asked: Option<CoreId>) -> Result<u64, AnyTask> {
        let begins = Begins { task, kind: Kind::Answer, asked };
        self.begin_by(Some(owner), begins, Limit::Usual).map(|(key, _)| key.to_bits())
    }

    /// The same until a time that somebody has chosen.
    ///
    /// # Errors
    /// As [`Core::begin`].
    #[inline(never)]
    pub(crate) fn begin_answer_until(
        &self,
        owner: Key,
        task: AnyTask,
        asked: Option<CoreId>,
        deadline: Time,
    ) -> Result<Key, AnyTask> {
        let begins = Begins { task, kind: Kind::Answer, asked };
        self.begin_by(Some(owner), begins, Limit::At(deadline)).map(|(key, _)| key)
    }

    /// The same of another kind that waits for something of a core, this one included: it is told when nobody waits any more.
    ///
    /// # Errors
    /// As [`Core::begin`].
    pub(super) fn begin_asking(
        &self,
        owner: Key,
        task: AnyTask,
        kind: Kind,
        asked: CoreId,
        limit: Limit,
    ) -> Result<Key, AnyTask> {
        self.begin_by(Some(owner), Begins { task, kind, asked: Some(asked) }, limit).map(|(key, _)| key)
    }

    fn begin_by(&self, owner: Option<Key>, begins: Begins, limit: Limit) -> Result<(Key, Time), AnyTask> {
        let more = if limit == Limit::Refused { REFUSED_MAX } else { 0 };
        let has_room = self.tasks.has_room_beyond(more);
        if !has_room || owner.is_some_and(|owner| !self.cells.exists(owner)) {
            return Err(begins.task);
        }
        let lined = (limit == Limit::Usual).then(|| self.usual_deadline());
        let key = self.insert(owner, begins, lined);
        let deadline = match limit {
            Limit::Usual => self.usual_deadline(),
            Limit::At(deadline) => deadline,
            Limit::Never | Limit::Refused => Time::MAX,
        };
        match limit {
            Limit::Usual => self.look_at_line(deadline),
            Limit::At(_) => self.set_own_deadline(key, deadline),
            Limit::Never | Limit::Refused => {}
        }
        Ok((key, deadline))
    }

    /// Enters a task for which there is room.
    #[inline(always)]
    fn insert(&self, owner: Option<Key>, begins: Begins, lined: Option<Time>) -> Key {
        let exclusive = begins.kind == Kind::Exclusive;
        let mut table = self.tasks.table.borrow_mut();
        let owned = owner.map(|owner| (self.desk_of(owner, &mut table), owner));
        let key = table.insert(begins, owned, lined);
        if exclusive && let Some((desk, owner)) = owned {
            table.open_errands(desk, owner).exclusive = key.index;
            self.cells.set_suspended(owner, true);
        }
        key
    }

    #[inline(never)]
    fn set_own_deadline(&self, key: Key, deadline: Time) {
        let deadline = self.set_deadline(deadline, due(key));
        self.tasks.table.borrow_mut().set_deadline(key, deadline);
    }

    /// Sees to it that the line is looked at, by then at the latest.
    #[inline]
    fn look_at_line(&self, deadline: Time) {
        if self.tasks.line.get().is_none() {
            self.tasks.set_line(Some(self.set_deadline(deadline, LINE)));
        }
    }

    /// True if a timer is set for the line, although nobody stands there.
    pub(super) fn is_line_timer_idle(&self) -> bool {
        self.tasks.line.get().is_some_and(Deadline::has_timer) && self.tasks.table.borrow().is_line_empty()
    }

    /// Gives the timer of the line back if nobody stands there; false if there was none.
    #[cold]
    pub(super) fn give_line_timer_back(&self) -> bool {
        let idle = self.is_line_timer_idle();
        if idle && let Some(deadline) = self.tasks.set_line(None) {
            self.clear_deadline(deadline, LINE);
        }
        idle
    }

    /// Notes that a task can go on, and queues its owner. Does nothing if there is no such task any more.
    pub fn wake_task(&self, key: Key) {
        let table = self.tasks.table.borrow();
        if table.slot(key).is_some()
            && let Some(owner) = table.make_ready(key.index)
        {
            self.cells.set_errands(owner, true);
        }
    }

    /// Hands a task the value that it waits for. If there is no such task any more, the value is dropped, and this false.
    #[inline(always)]
    pub fn answer_task<V: 'static>(&self, key: Key, value: V) -> bool {
        // SAFETY: it calls nothing but the table (invariant 1).
        let table = unsafe { self.tasks.lend() };
        // SAFETY: the place is filled at once.
        let Some((place, owner)) = (unsafe { table.make_settled(key) }) else {
            return self.answer_otherwise(key, aside(value));
        };
        place.fill(value);
        if let Some(owner) = owner {
            self.cells.queue_errands(owner);
        }
        true
    }

    /// The same of a task that is ready, or a relay, or gone.
    #[inline(never)]
    fn answer_otherwise<V: 'static>(&self, key: Key, value: V) -> bool {
        let settled = self.tasks.table.borrow().settle(key, value);
        match settled {
            Settled::Known => {}
            Settled::Relay => self.relay_answered(key.index),
            Settled::Unwanted(value) => {
                self.drop_contained(value);
                return false;
            }
        }
        true
    }

    fn relay_answered(&self, index: u32) {
        let removed = self.tasks.table.borrow().remove(index);
        self.go_on_now(removed);
    }

    /// Somebody outside is told what has come: code of users, and nothing is borrowed meanwhile.
    #[inline(never)]
    fn go_on_now(&self, removed: Removed) {
        if let Some(task) = self.release(removed) {
            self.contain(|| task.go_on(self, None));
        }
    }

    /// True if nobody waits for this task any more.
    #[inline(always)]
    #[must_use]
    pub fn is_task_closed(&self, key: Key) -> bool {
        // SAFETY: it calls nothing but the table, and what a relay says of itself (invariant 1).
        let table = unsafe { self.tasks.lend() };
        table.slot(key).is_none_or(|slot| slot.has(RELAY) && slot.is_closed_relay())
    }

    /// Notes of a question that somebody else may answer than whoever has it now.
    pub fn put_aside(&self, task: Key) {
        let table = self.tasks.table.borrow();
        if let Some(slot) = table.slot(task).filter(|slot| slot.has(RELAY)) {
            slot.with_task(|task| task.as_ref().map(AnyTask::put_aside));
        }
    }

    /// True if a cell waits for an answer, or for a future that is to finish in a time: something is still to come of that.
    #[must_use]
    pub fn owes(&self, cell: Key) -> bool {
        self.cells.desk(cell).is_some_and(|desk| self.tasks.table.borrow().owes(desk))
    }

    /// Takes the answer that the cell goes on with that runs, and notes if that is all for now; none if something else is next.
    /// Otherwise as [`Core::next_errand`], and quicker, for a cell that has neither an exclusive task nor intervals.
    #[inline(always)]
    pub(crate) fn next_answer(&self, activation: &Activation<'_>) -> Option<AnyTask> {
        // SAFETY: it calls nothing but the table (invariant 1).
        let table = unsafe { self.tasks.lend() };
        if self.tasks.recent.get() != activation.cell().to_bits() {
            self.tasks.note_recent(table, activation.cell(), activation.desk_or_none());
        }
        let next = table.next_answer(self.tasks.recent_place.get());
        let Some((task, was_last)) = next else { return self.next_timed_answer(activation) };
        if was_last {
            activation.clear_errands();
        }
        Some(task)
    }

    /// The same of an answer with a deadline of its own, or whose time is over.
    #[cold]
    fn next_timed_answer(&self, activation: &Activation<'_>) -> Option<AnyTask> {
        let desk = activation.desk()?;
        let mut table = self.tasks.table.borrow_mut();
        if !table.is_answer_next(desk) {
            return None;
        }
        let (Next::Answer(removed), was_last) = table.next(desk, || self.now()) else { return None };
        drop(table);
        if was_last {
            activation.clear_errands();
        }
        self.release(removed)
    }

    /// Takes what a cell goes on with, and notes if that is all for now. While an exclusive task has not finished, nothing
    /// else.
    pub(crate) fn next_errand(&self, cell: Key) -> Option<Errand> {
        let desk = self.cells.desk(cell)?;
        let mut table = self.tasks.table.borrow_mut();
        // What is late is so by the clock: others may have blocked the core since it was looked at.
        let (next, was_last) = table.next(desk, || self.read_clock());
        if was_last {
            self.cells.set_errands(cell, false);
        }
        match next {
            Next::Nothing => None,
            Next::Answer(removed) => {
                drop(table);
                self.release(removed).map(Errand::Answer)
            }
            Next::Future(key) => {
                let slot = table.at(key.index);
                let (kind, expired) = (slot.kind.get(), slot.has(EXPIRED));
                let task = slot.task.take().expect("a task that is ready does not run");
                Some(Errand::Future(Taken { key, task, kind, expired }))
            }
            Next::Tick(index, due) => {
                drop(table);
                Some(Errand::Tick(index, self.set_tick(cell, desk, index, due)))
            }
        }
    }

    /// Gives a future back that has not finished.
    pub(crate) fn keep_task(&self, cell: Key, taken: Taken) {
        let table = self.tasks.table.borrow();
        let Some(slot) = table.slot(taken.key) else {
            drop(table);
            return self.drop_contained(taken.task);
        };
        slot.task.set(Some(taken.task));
        if slot.has(READY) {
            // Woken while it ran.
            table.queue(taken.key.index);
            self.cells.set_errands(cell, true);
        }
    }

    /// Ends a future that was taken. Code of users may run: its `Drop`.
    pub(crate) fn finish_task(&self, cell: Key, taken: Taken) {
        let mut table = self.tasks.table.borrow_mut();
        if table.slot(taken.key).is_some() {
            let removed = table.remove(taken.key.index);
            if taken.kind == Kind::Exclusive
                && let Some(errands) = self.cells.desk(cell).and_then(|desk| table.errands(desk))
            {
                errands.exclusive = NONE;
                let waits = errands.take_waits();
                self.end_waits(waits);
            }
            drop(table);
            self.release(removed);
        } else {
            drop(table);
        }
        self.drop_contained(taken.task);
        if taken.kind == Kind::Exclusive {
            self.cells.set_suspended(cell, false);
            self.cells.set_errands(cell, true);
        }
    }

    #[inline(never)]
    fn clear_own_deadline(&self, deadline: Deadline, task: Key) {
        self.clear_deadline(deadline, due(task));
    }

    /// Clears the deadline of a task that was removed; answers the task.
    #[inline(always)]
    fn release(&self, removed: Removed) -> Option<AnyTask> {
        if let Some(deadline) = removed.deadline {
            self.clear_own_deadline(deadline, removed.key);
        }
        removed.task
    }

    /// Ends every task of a cell, and its intervals. Code of users may run, and begin others: these are ended as well.
    pub fn end_tasks(&self, cell: Key) {
        if let Some(desk) = self.cells.desk(cell) {
            self.end_tasks_at(cell, desk);
        }
    }

    #[inline(never)]
    pub(super) fn end_tasks_at(&self, cell: Key, desk: u32) {
        loop {
            let mut table = self.tasks.table.borrow_mut();
            let Some(errands) = table.errands(desk) else { break };
            let intervals = errands.end();
            let (first, waits) = (errands.first.get(), errands.take_waits());
            self.end_waits(waits);
            let removed = (first != NONE).then(|| table.remove(first));
            drop(table);
            for ticking in intervals {
                ticking.timer.map(|timer| self.disarm(timer));
            }
            let Some(removed) = removed else { break };
            self.stop_asking(&removed);
            self.drop_contained(self.release(removed));
        }
        if self.cells.is_suspended(cell) {
            self.cells.set_suspended(cell, false);
        }
    }

    /// Tells the core that was asked that nobody waits for the answer any more.
    fn stop_asking(&self, removed: &Removed) {
        match (removed.kind, removed.asked) {
            (_, None) => {}
            (Kind::Watch, Some(core)) => self.end_watch(core, removed.key, removed.is_delayed),
            (_, Some(core)) => self.tell_cancelled(core, removed.key),
        }
    }

    /// The question of a task found no room on its way.
    #[cold]
    pub(super) fn note_delayed(&self, task: Key) {
        if let Some(slot) = self.tasks.table.borrow().slot(task) {
            slot.note(DELAYED);
        }
    }

    /// Takes the desk of a cell that has ended away.
    #[inline]
    pub(super) fn close_desk(&self, cell: Key) {
        if let Some(desk) = self.cells.desk(cell) {
            self.close_desk_at(cell, desk);
        }
    }

    #[inline(never)]
    fn close_desk_at(&self, cell: Key, desk: u32) {
        self.end_tasks_at(cell, desk);
        self.tasks.forget_recent();
        self.cells.set_desk(cell, None);
        let output = self.tasks.table.borrow_mut().close_desk(desk);
        if let Some(mut output) = output
            && output.queued() > 0
        {
            output.discard(&self.pools.send);
        }
    }

    /// Ends every task, when the core ends: whoever waits for one is told. No other is begun from then on.
    pub(super) fn end_all_tasks(&self) {
        self.tasks.table.borrow_mut().max = 0;
        for cell in self.cells.keys() {
            self.end_tasks(cell);
        }
        let count = self.tasks.table.borrow().places();
        for index in 0..count {
            let table = self.tasks.table.borrow();
            let slot = table.at(index);
            if slot.has_task() && slot.has(RELAY) {
                let removed = table.remove(index);
                drop(table);
                self.drop_contained(self.release(removed));
            }
        }
    }

    /// The time of a task is over.
    pub(super) fn expire_task(&self, key: Key) {
        let table = self.tasks.table.borrow();
        let Some(slot) = table.slot(key) else { return };
        let relay = slot.has(RELAY);
        table.expire(key.index);
        if relay {
            let removed = table.remove(key.index);
            drop(table);
            self.go_on_now(removed);
        } else if let Some(owner) = table.make_ready(key.index) {
            self.cells.set_errands(owner, true);
        }
    }

    /// Ends the time of those in the line whose time is over, as many as in any turn, and looks again when that of the next is.
    pub(super) fn expire_line(&self) {
        // Who is told may ask again at once, and stands last: the line is not looked at for them before it is for the first.
        self.tasks.set_line(Some(Deadline::NEVER));
        for _ in 0..EXPIRE_MAX {
            let first = self.tasks.table.borrow().first_in_line();
            let Some((key, _)) = first.filter(|(_, deadline)| *deadline <= self.now()) else { break };
            self.expire_task(key);
        }
        self.tasks.set_line(None);
        let first = self.tasks.table.borrow().first_in_line();
        if let Some((_, deadline)) = first {
            self.look_at_line(deadline);
        }
    }

    /// A waker's handle for a task of this core.
    #[must_use]
    pub fn wake_handle(&self, task: Key) -> Arc<WakeHandle> {
        let kept = self.tasks.handles.borrow_mut().pop();
        if let Some(mut handle) = kept
            && WakeHandle::reuse(&mut handle, task)
        {
            return handle;
        }
        WakeHandle::new(self.id, self.port(), task)
    }

    /// Keeps a handle for the next task, if nobody else holds it.
    pub fn keep_wake_handle(&self, mut handle: Arc<WakeHandle>) {
        let mut handles = self.tasks.handles.borrow_mut();
        if handles.len() < HANDLES_KEPT && Arc::get_mut(&mut handle).is_some() {
            handles.push(handle);
        }
    }
}

/// Intervals: timers that come round.
impl Core {
    /// Sets a timer for each interval of a cell.
    ///
    /// # Errors
    /// When there are as many timers as there may be; those that were set stay.
    pub fn begin_intervals(&self, cell: Key, intervals: &[Interval]) -> Result<(), Full> {
        let mut set = Vec::with_capacity(intervals.len());
        let mut result = Ok(());
        for (index, &interval) in intervals.iter().enumerate() {
            let due = interval.first(self.now());
            let timer = self.arm(cell, INTERVAL + index as u32, due);
            result = result.and(timer.map(|_| ()));
            set.push(Ticking { interval, due, timer: timer.ok() });
        }
        let mut table = self.tasks.table.borrow_mut();
        let desk = self.desk_of(cell, &mut table);
        let errands = table.open_errands(desk, cell);
        assert_eq!(errands.ticks, 0, "what others have left on a desk is cleared with it");
        errands.intervals = set.into_boxed_slice();
        result
    }

    /// An interval of the cell that runs is over, which goes on with that before it rests.
    pub fn tick(&self, activation: &Activation<'_>, index: u32) {
        let Some(desk) = activation.desk() else { return };
        self.tasks.table.borrow_mut().open_errands(desk, activation.cell()).ticks |= 1 << index;
        activation.note_errands();
    }

    /// Sets the next end of an interval. `Err` when there is no timer for it.
    #[cold]
    fn set_tick(&self, cell: Key, desk: u32, index: usize, due: Time) -> Result<(), Full> {
        let timer = self.arm(cell, INTERVAL + index as u32, due);
        let mut table = self.tasks.table.borrow_mut();
        if let Some(ticking) = table.errands(desk).and_then(|errands| errands.intervals.get_mut(index)) {
            ticking.timer = timer.ok();
        }
        timer.map(|_| ())
    }
}

#[cfg(test)]
mod tests;
