//! The state of one core that is not generic over its backend: what `tell` and handlers reach.
//!
//! Knows: cells, the run queue, the outbox, pools, time, counters. Must not know which backend carries ops out.

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::address::{CoreId, RawAddress, token};
use super::blame;
use super::bodies::Bodies;
use super::budget::Budget;
use super::cancelled::Cancelled;
use super::cell::{Activated, Activation, Body, Cells, Demand, Outcome};
use super::counters::Counters;
use super::cut_off::CutOffs;
use super::dead_letters::DeadLetters;
use super::deadlines::Beyond;
use super::directory::{self, Port};
use super::files::Files;
use super::hubs::Hubs;
use super::links::Links;
use super::notice::Notice;
use super::regions::OpenRegions;
use super::reports::Reports;
use super::request::Request;
use super::sleepers::{SLEEPER_DUE, Sleepers};
use super::slow::Slow;
use super::task_answer::{self, AskError};
use super::tasks::{LINE_DUE, TASK_DUE, Tasks};
use super::watches::Watches;
use super::wheel::{TimerPayload, Wheel, WheelKey};
use crate::config::Config;
use crate::driver::{Op, Pools, Token, Waker};
use crate::mem::{ChunkPool, Full, Keeper, Key, ReceivePool, SendPool};
use crate::sys::{Clock, Time};

/// Timers that come due in one turn; the rest waits for the next, so that a million at once cannot stall the core.
pub(super) const EXPIRE_MAX: usize = if cfg!(miri) { 64 } else { 4096 };

/// Everything on a core but its driver. Reached through [`super::current`]; never shared between threads.
pub struct Core {
    /// Its name, unique in the process.
    pub id: CoreId,
    /// The limits of the system.
    pub config: Rc<Config>,
    /// What these actors have begun. Dropped before the actors, whose state it may borrow.
    pub tasks: Tasks,
    /// The actors that live here.
    pub cells: Cells,
    /// Memory that the kernel may touch.
    pub pools: Rc<Pools>,
    /// Memory for mailboxes.
    pub chunks: ChunkPool,
    /// What has happened, in numbers.
    pub counters: Counters,
    /// What is dropped, and who hears of it.
    pub dead_letters: DeadLetters,
    /// The ways to other cores.
    pub links: Links,
    /// What stands for topics here.
    pub hubs: Hubs,
    clock: Clock,
    now: Cell<Time>,
    /// By when an answer comes, if nobody says anything else; and the same as it travels with a question to this core.
    usual_deadline: Cell<Time>,
    usual_place: Cell<u64>,
    turn_end: Cell<Time>,
    outbox_max: Cell<usize>,
    looks: Cell<bool>,
    /// Messages of an activation before it looks at the clock.
    pub(super) first_look: u32,
    outbox: RefCell<Vec<(Token, Op)>>,
    timers: RefCell<Wheel>,
    pub(super) beyond: Beyond,
    pub(super) sleepers: Sleepers,
    pub(super) files: Files,
    pub(super) regions: OpenRegions,
    pub(super) bodies: Bodies,
    pub(super) cancelled: Cancelled,
    pub(super) watches: Watches,
    /// What somebody is told whose reply is dropped now.
    unanswered: Cell<AskError>,
    pub(super) reports: Reports,
    pub(super) slow: Slow,
    pub(super) cut_offs: CutOffs,
    /// The way into this core, once somebody has asked for it.
    port: OnceCell<Arc<Port>>,
    /// The cell that sees to the end of those that are [kept](Core::spawn_kept) and nobody else's, if there is one.
    pub roots: Cell<Option<Key>>,
    requests: RefCell<Vec<Request>>,
    pub(super) thirsty: RefCell<VecDeque<Key>>,
    /// How many of these have ended meanwhile.
    pub(super) thirsty_ended: Cell<usize>,
    /// Futures that served a connection, and go on after it has gone.
    epilogues: Cell<usize>,
    ending: Cell<Ending>,
    /// Called at the end of a stage: once per shutdown, so an indirect call is of no account (R6).
    quiet: Cell<Option<Box<dyn FnOnce()>>>,
}

/// How far the end of a core has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// It has not begun.
    No,
    /// Listeners and connections stop.
    Connections,
    /// Everything stops; listeners and connections that are left are aborted.
    All,
    /// Everything that is left is aborted.
    Abort,
}

impl fmt::Debug for Core {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Core").field("id", &self.id).field("cells", &self.cells).finish_non_exhaustive()
    }
}

impl Core {
    /// A core with nothing on it.
    #[must_use]
    pub fn new(id: CoreId, config: Rc<Config>, clock: Clock, links: Links) -> Core {
        let now = clock.now();
        let (buffers, buffer_bytes) = (config.receive_buffers, config.receive_buffer_bytes);
        let receive = match clock {
            Clock::Monotonic => ReceivePool::new(buffers, buffer_bytes),
            // There are many such cores, one after the other, and each does little.
            Clock::Virtual(_) => ReceivePool::as_needed(buffers, buffer_bytes),
        };
        let core = Core {
            id,
            tasks: Tasks::new(config.tasks_max, config.ask_timeout),
            cells: Cells::new(config.actors_max),
            pools: Rc::new(Pools {
                receive: receive.assembling(config.assembly_bytes_max),
                send: SendPool::new(config.send_slots)
                    .bounded(config.connection_slot_bytes_max, config.spill_bytes_max)
                    .with_parts(config.send_parts_max, config.send_part_bytes_max)
                    .linking_from(config.owned_bytes_min),
            }),
            chunks: ChunkPool::new(config.mailbox_bytes_max),
            counters: Counters::default(),
            dead_letters: DeadLetters::default(),
            links,
            hubs: Hubs::default(),
            now: Cell::new(now),
            usual_deadline: Cell::new(now),
            usual_place: Cell::new(0),
            turn_end: Cell::new(Time::MAX),
            outbox_max: Cell::new(usize::MAX),
            looks: Cell::new(false),
            first_look: Budget::FIRST_LOOK.min(config.activation_messages),
            outbox: RefCell::new(Vec::new()),
            timers: RefCell::new(Wheel::new(config.timers_max, now)),
            beyond: Beyond::default(),
            sleepers: Sleepers::default(),
            files: Files::default(),
            regions: OpenRegions::default(),
            bodies: Bodies::default(),
            cancelled: Cancelled::default(),
            watches: Watches::default(),
            unanswered: Cell::new(AskError::Unanswered),
            reports: Reports::default(),
            slow: Slow::new(&config, &clock),
            cut_offs: CutOffs::default(),
            port: OnceCell::new(),
            roots: Cell::new(None),
            requests: RefCell::new(Vec::new()),
            thirsty: RefCell::new(VecDeque::new()),
            thirsty_ended: Cell::new(0),
            epilogues: Cell::new(0),
            ending: Cell::new(Ending::No),
            quiet: Cell::new(None),
            clock,
            config,
        };
        core.set_now(now);
        core
    }

    /// The time at the start of this turn: what handlers see as now.
    #[inline(always)]
    #[must_use]
    pub fn now(&self) -> Time {
        self.now.get()
    }

    /// A number that no other core of the process has; on virtual time none of the same system, so that two runs of a seed are alike.
    #[must_use]
    pub fn number(&self) -> u32 {
        match self.clock {
            Clock::Monotonic => self.id.0,
            Clock::Virtual(_) => self.id.0 - self.links.system().0,
        }
    }

    /// Reads the clock. **Costs** about 25 ns.
    pub fn read_clock(&self) -> Time {
        let before = self.now();
        let now = self.read_clock_after_rest();
        self.note_work(before, now);
        now
    }

    /// The time by the clock, for one who is in the middle of a handler: what handlers see as now stays, and so does from when it is
    /// counted how long they take. **Costs** as much.
    #[must_use]
    pub fn peek_clock(&self) -> Time {
        self.clock.now()
    }

    /// Reads the clock, when it was not code that has taken the time since the last look.
    pub(super) fn read_clock_after_rest(&self) -> Time {
        let now = self.clock.now();
        self.set_now(now);
        if now >= self.turn_end.get() {
            self.looks.set(true);
        }
        now
    }

    fn set_now(&self, now: Time) {
        let deadline = self.tasks.usual_deadline(now);
        self.now.set(now);
        self.usual_deadline.set(deadline);
        self.usual_place.set(task_answer::place(self.id, now, deadline));
    }

    /// By when an answer comes, if nobody says anything else.
    #[inline(always)]
    #[must_use]
    pub fn usual_deadline(&self) -> Time {
        self.usual_deadline.get()
    }

    /// The same, with the name of this core, for an [`AnswerTo`](super::AnswerTo).
    #[inline(always)]
    pub(super) fn usual_place(&self) -> u64 {
        self.usual_place.get()
    }

    /// Sets what a turn may take: [`Core::must_look`] once it has.
    pub(super) fn limit_turn(&self, end: Time, outbox_max: usize) {
        self.turn_end.set(end);
        self.outbox_max.set(outbox_max);
        self.looks.set(end <= self.now() || self.outbox_len() >= outbox_max);
    }

    /// True if the time of the turn is over by the last look at the clock, or so many ops wait that they are to be submitted. One
    /// look per activation serves for both.
    #[inline(always)]
    pub(super) fn must_look(&self) -> bool {
        self.looks.get()
    }

    /// The address of a cell of this core.
    #[inline(always)]
    #[must_use]
    pub fn address(&self, cell: Key) -> RawAddress {
        RawAddress::new(self.id, cell)
    }

    /// Stores a cell and queues it for its first activation; hands its parts back when there is no room.
    pub fn spawn<H: 'static, B: Body<H>>(&self, head: H, body: B) -> Result<Key, (H, B)> {
        let cell = self.cells.insert_ready(head, body)?;
        Counters::add(&self.counters.started, 1);
        let demand = match self.ending.get() {
            Ending::No | Ending::Connections => return Ok(cell),
            Ending::All => Demand::Stop,
            // It may not be ready to stop, and nobody asks again.
            Ending::Abort => Demand::Abort,
        };
        // A task is dropped where an actor stops.
        if self.is_task(cell) {
            self.note_cut_off(cell);
        }
        self.demand(cell, demand);
        Ok(cell)
    }

    /// Stores a cell that another one stops when the system shuts down, or aborts: nobody else asks it to.
    pub fn spawn_kept<H: 'static, B: Body<H>>(&self, head: H, body: B) -> Result<Key, (H, B)> {
        let cell = self.cells.insert_ready(head, body)?;
        Counters::add(&self.counters.started, 1);
        self.cells.mark_kept(cell);
        if self.ending.get() == Ending::Abort {
            self.demand(cell, Demand::Abort);
        }
        Ok(cell)
    }

    /// Stores a cell that owns a socket: it ends before the others when the system shuts down.
    pub fn spawn_io<H: 'static, B: Body<H>>(&self, head: H, body: B) -> Result<Key, (H, B)> {
        let cell = self.spawn(head, body)?;
        self.cells.mark_io(cell);
        match self.ending.get() {
            Ending::No => {}
            Ending::Connections => drop(self.demand(cell, Demand::Stop)),
            Ending::All | Ending::Abort => drop(self.demand(cell, Demand::Abort)),
        }
        Ok(cell)
    }

    /// Calls into user code; `None` if that panicked, which is counted.
    pub fn contain<R>(&self, call: impl FnOnce() -> R) -> Option<R> {
        let result = catch_unwind(AssertUnwindSafe(call));
        result.map_err(|panic| self.drop_panic(panic)).ok()
    }

    /// Counts a panic, and drops what it carried: that too is a user's value, and leaked if its `Drop` panics.
    #[cold]
    fn drop_panic(&self, panic: Box<dyn Any + Send>) {
        Counters::add(&self.counters.panics, 1);
        self.note_panic();
        blame::contained();
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            std::mem::forget(second);
        }
    }

    /// Drops a value of the user's, whose `Drop` may panic or send messages. Nothing of the runtime may be borrowed.
    pub fn drop_contained<T>(&self, value: T) {
        if std::mem::needs_drop::<T>() && self.contain(|| drop(value)).is_none() {
            Counters::add(&self.counters.drop_panics, 1);
        }
    }

    /// What somebody is told whose reply is dropped now.
    #[must_use]
    pub fn why_unanswered(&self) -> AskError {
        self.unanswered.get()
    }

    /// Runs something whose dropped replies have this reason.
    pub fn unanswered_because(&self, why: AskError, run: impl FnOnce()) {
        struct Restore<'a>(&'a Cell<AskError>, AskError);
        impl Drop for Restore<'_> {
            fn drop(&mut self) {
                self.0.set(self.1);
            }
        }
        let _restore = Restore(&self.unanswered, self.unanswered.replace(why));
        run();
    }

    /// Begins a stage of the end of this core. `quiet` is called once no cell is left that the stage ends: perhaps at once.
    pub fn begin_ending(&self, ending: Ending, quiet: Box<dyn FnOnce()>) {
        if !self.is_ending() {
            self.begin_cut_off();
        }
        self.ending.set(ending);
        self.quiet.replace(Some(quiet));
        for cell in self.cells.keys() {
            // Whatever owns a socket has had its time before the others stop.
            let demand = match (ending, self.cells.is_io(cell)) {
                (Ending::No, _) | (Ending::Connections, false) => continue,
                (Ending::All, false) if self.cells.is_kept(cell) => continue,
                (Ending::Connections, true) | (Ending::All, false) => Demand::Stop,
                (Ending::All, true) | (Ending::Abort, _) => Demand::Abort,
            };
            // A task is dropped where an actor stops.
            if demand == Demand::Abort || self.is_task(cell) {
                self.note_cut_off(cell);
            }
            self.demand(cell, demand);
        }
        self.look_for_quiet();
    }

    /// True once the end of this core has begun.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending.get() > Ending::No
    }

    #[inline(never)]
    fn look_for_quiet(&self) {
        let left = match self.ending.get() {
            Ending::No => return,
            Ending::Connections => self.cells.live_io() + self.epilogues.get(),
            Ending::All | Ending::Abort => self.cells.live(),
        };
        if left == 0
            && let Some(quiet) = self.quiet.take()
        {
            quiet();
        }
    }

    /// An actor ends before the future that serves it, or that it has begun as it ended: the end of connections waits for that as well.
    pub fn begin_epilogue(&self) {
        self.epilogues.set(self.epilogues.get() + 1);
    }

    /// Such a future has ended.
    pub fn end_epilogue(&self) {
        self.epilogues.set(self.epilogues.get() - 1);
        self.look_for_quiet();
    }

    /// Futures that go on after the connection that they served, or the actor that has begun them as it ended.
    #[must_use]
    pub fn epilogues(&self) -> usize {
        self.epilogues.get()
    }

    /// Queues a cell to be run, unless it is queued already.
    pub fn schedule(&self, cell: Key) {
        self.cells.schedule(cell);
    }

    /// Tells a cell something, ahead of its messages, and queues it. Hands the notice back when the cell is gone.
    pub fn notify(&self, cell: Key, notice: Notice) -> Result<(), Notice> {
        self.cells.notify(cell, notice)
    }

    /// Asks a cell to stop or to end; false if it is gone.
    pub fn demand(&self, cell: Key, demand: Demand) -> bool {
        let found = self.cells.demand(cell, demand);
        self.schedule(cell);
        found
    }

    /// Asks the driver for something on behalf of a cell. Goes out with the next submission.
    #[inline]
    pub fn push(&self, cell: Key, op: Op) {
        self.submit(token(cell), op);
    }

    #[inline]
    pub(super) fn submit(&self, token: Token, op: Op) {
        let mut outbox = self.outbox.borrow_mut();
        outbox.push((token, op));
        if outbox.len() >= self.outbox_max.get() {
            self.looks.set(true);
        }
    }

    /// Ops that wait to be submitted.
    #[must_use]
    pub fn outbox_len(&self) -> usize {
        self.outbox.borrow().len()
    }

    /// Hands every op that waits to `submit`, in order.
    pub fn drain_outbox(&self, mut submit: impl FnMut(&Pools, Token, Op)) {
        for (token, op) in self.outbox.borrow_mut().drain(..) {
            submit(&self.pools, token, op);
        }
    }

    /// Runs code of users that had to wait for that: puts back into the pools what was let go, see [`Pools::settle`], and wakes those
    /// whose requests about files have been answered. Nothing of the runtime may be borrowed.
    #[inline]
    pub fn settle(&self) {
        if self.pools.is_unsettled() || self.files.has_woken() {
            self.settle_all();
        }
    }

    #[inline(never)]
    fn settle_all(&self) {
        while self.pools.is_unsettled() || self.files.has_woken() {
            self.pools.settle(|bytes| self.drop_contained(bytes));
            self.wake_for_files();
            if self.pools.receive.assembly().take_freed() {
                self.call_for_room();
            }
        }
        // What owners and wakers have told other cores: a rest may follow.
        self.links.publish(self);
    }

    /// Takes what still keeps bytes to send, where the core ends and its driver has: to be dropped by [`Core::drop_kept`].
    pub(super) fn take_kept(&mut self) -> Vec<Keeper> {
        Rc::get_mut(&mut self.pools).map_or_else(Vec::new, |pools| pools.send.take_all())
    }

    /// Drops what has kept bytes to send. Nothing of the runtime may be borrowed.
    pub(super) fn drop_kept(&self, kept: Vec<Keeper>) {
        for keeper in kept {
            match keeper {
                Keeper::Bytes(bytes) => self.drop_contained(bytes),
                Keeper::Lease(lease) => self.pools.receive.release(lease),
            }
        }
    }

    /// The way into this core from any thread. To one that nobody can reach it leads nowhere.
    pub(super) fn port(&self) -> Arc<Port> {
        let nowhere = || Arc::new(Port::new(crossbeam_channel::bounded(0).0, Waker::None, Duration::ZERO));
        self.port.get_or_init(|| directory::port(self.id).unwrap_or_else(nowhere)).clone()
    }

    /// Sets a timer: the cell is notified with `kind` once `deadline` has come.
    pub fn arm(&self, cell: Key, kind: u32, deadline: Time) -> Result<WheelKey, Full> {
        self.arm_timer(deadline, TimerPayload { token: cell.to_bits(), kind })
    }

    pub(super) fn arm_timer(&self, deadline: Time, payload: TimerPayload) -> Result<WheelKey, Full> {
        let armed = self.timers.borrow_mut().arm(deadline, payload);
        if armed.is_err() && self.give_line_timer_back() {
            return self.timers.borrow_mut().arm(deadline, payload);
        }
        armed
    }

    /// Takes a timer back; false if it has come due or was taken back before.
    pub fn disarm(&self, timer: WheelKey) -> bool {
        self.timers.borrow_mut().cancel(timer)
    }

    /// When something is due next; [`Time::MAX`] if nothing is.
    #[must_use]
    pub fn next_deadline(&self) -> Time {
        let timer = self.timers.borrow().next_deadline().unwrap_or(Time::MAX);
        self.beyond.first().map_or(timer, |beyond| beyond.min(timer))
    }

    /// True if a time has passed that somebody waits for.
    pub(super) fn is_due(&self) -> bool {
        let now = self.now();
        self.timers.borrow().has_passed(now) || self.beyond.first().is_some_and(|first| first <= now)
    }

    /// Futures that sleep.
    #[must_use]
    pub fn asleep(&self) -> usize {
        self.sleepers.count()
    }

    /// Requests about files that are under way, or whose answers nobody has taken yet.
    #[must_use]
    pub fn file_requests(&self) -> usize {
        self.files.count()
    }

    /// Timers that are set, and that somebody waits for.
    #[must_use]
    pub fn timers(&self) -> usize {
        self.timers.borrow().len() - usize::from(self.is_line_timer_idle())
    }

    /// Does what is due: notifies the cells whose timers are, wakes sleepers, ends the time of tasks. `due` is scratch.
    pub fn expire(&self, due: &mut Vec<TimerPayload>) {
        self.expire_until(self.now(), due);
    }

    /// The same, for all timers that are due at `time`.
    pub(super) fn expire_until(&self, time: Time, due: &mut Vec<TimerPayload>) {
        if !self.timers.borrow().is_empty() {
            self.timers.borrow_mut().expire(time, EXPIRE_MAX, due);
        }
        for timer in due.drain(..) {
            self.come_due(timer);
        }
        for _ in 0..EXPIRE_MAX {
            let Some(timer) = self.beyond.take_due(self.now()) else { break };
            self.come_due(timer);
        }
    }

    fn come_due(&self, timer: TimerPayload) {
        let key = Key::from_bits(timer.token);
        match timer.kind {
            TASK_DUE => self.expire_task(key),
            LINE_DUE => self.expire_line(),
            SLEEPER_DUE => self.wake_sleeper(key),
            // A cell disarms its timers before it ends; one that is gone has nothing left to be told.
            kind => drop(self.notify(key, Notice::Timer(kind))),
        }
    }

    /// True if a cell waits to be run, or something has been asked of the driver.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        self.cells.has_ready() || !self.requests.borrow().is_empty()
    }

    /// Runs the cell that has waited longest. False if none waits.
    #[inline(always)]
    pub fn run_next(&self) -> bool {
        match self.cells.activate_next(self) {
            Activated::Cell(_, Outcome::Rest) => {}
            Activated::Cell(cell, Outcome::Again) => self.schedule(cell),
            Activated::Cell(cell, Outcome::Ended) => self.end(cell),
            Activated::None => return false,
        }
        true
    }

    #[inline(never)]
    fn end(&self, cell: Key) {
        self.close_desk(cell);
        if !self.watches.is_empty() {
            self.tell_watchers(cell);
        }
        // The state went before, with the actor; what panics here is a codec, or what made the connections of a listener.
        if self.cells.remove(cell) {
            Counters::add(&self.counters.drop_panics, 1);
        }
        Counters::add(&self.counters.ended, 1);
        if self.is_ending() {
            self.look_for_quiet();
        }
    }

    /// Frees every cell as it is, when a core ends on which nothing is in flight.
    pub(super) fn end_all_cells(&self) {
        for cell in self.cells.keys() {
            self.with_output(cell, |output| output.discard(&self.pools.send));
            while self.cells.next_notice(cell).is_some() {}
            self.end(cell);
        }
    }

    /// Asks the executor for something that needs its driver.
    pub fn request(&self, request: Request) {
        self.requests.borrow_mut().push(request);
    }

    /// Takes what was asked of the executor.
    #[must_use]
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.requests.borrow_mut())
    }
}

/// Drops a value of a user's on the thread of a core, as [`Core::drop_contained`] does, or on one that runs none: then a panic is
/// that of whoever called the runtime.
pub fn drop_from<T>(core: Option<&Core>, value: T) {
    match core {
        Some(core) => core.drop_contained(value),
        None => blame::user(|| drop(value)),
    }
}

impl Activation<'_> {
    /// The time that a timer of this long would be due.
    #[must_use]
    pub fn deadline(&self, after: Duration) -> Time {
        self.core.now().after(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::{Links, current};
    use crate::mem::{Bytes, Chain};

    fn alone() -> Core {
        let first = CoreId(0);
        Core::new(first, Rc::new(Config::default()), Clock::Monotonic, Links::new(first, []))
    }

    /// Lets go of bytes whose owner lets others go, so many times, and panics at last.
    struct Owner(u32);

    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            b"owned"
        }
    }

    impl Drop for Owner {
        fn drop(&mut self) {
            assert!(self.0 > 0, "as planned");
            current::with(|core| let_go(core.expect("it runs"), self.0 - 1));
        }
    }

    fn let_go(core: &Core, times: u32) {
        let mut chain = Chain::EMPTY;
        core.pools.send.push_bytes(&mut chain, Bytes::from_owner(Owner(times))).expect("there is a part");
        core.pools.send.release(chain);
    }

    #[test]
    fn owners_of_what_was_sent_are_dropped_while_nothing_is_borrowed_and_may_panic() {
        let core = alone();
        current::scope(&core, || {
            let_go(&core, 2);
            core.settle();
        });
        assert!(!core.pools.is_unsettled());
        assert_eq!((core.counters.panics.get(), core.counters.drop_panics.get()), (1, 1));
    }
}
