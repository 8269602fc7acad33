//! The state of one core that is not generic over its backend: what `tell` and handlers reach.
//!
//! Knows: cells, the run queue, the outbox, pools, time, counters. Must not know which backend carries ops out.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use super::address::{CoreId, RawAddress, token};
use super::blame;
use super::cell::{Activated, Activation, Body, Cells, Demand, Outcome};
use super::counters::Counters;
use super::links::Links;
use super::notice::Notice;
use super::request::Request;
use super::wheel::{TimerKey, TimerPayload, Wheel};
use crate::config::Config;
use crate::driver::{Op, Pools, Token};
use crate::mem::{ChunkPool, Full, Key, ReceivePool, SendPool};
use crate::sys::{Clock, Time};

/// Timers that come due in one turn; the rest waits for the next, so that a million at once cannot stall the core.
const EXPIRE_MAX: usize = 4096;

/// Everything on a core but its driver. Reached through [`super::current`]; never shared between threads.
pub struct Core {
    /// Its name, unique in the process.
    pub id: CoreId,
    /// The limits of the system.
    pub config: Rc<Config>,
    /// The actors that live here.
    pub cells: Cells,
    /// Memory that the kernel may touch.
    pub pools: Rc<Pools>,
    /// Memory for mailboxes.
    pub chunks: ChunkPool,
    /// What has happened, in numbers.
    pub counters: Counters,
    /// The ways to other cores.
    pub links: Links,
    clock: Clock,
    now: Cell<Time>,
    outbox: RefCell<Vec<(Token, Op)>>,
    timers: RefCell<Wheel>,
    requests: RefCell<Vec<Request>>,
    thirsty: RefCell<VecDeque<Key>>,
    /// How many of these have ended meanwhile.
    thirsty_ended: Cell<usize>,
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
        Core {
            id,
            cells: Cells::new(config.actors_max),
            pools: Rc::new(Pools {
                receive: ReceivePool::new(config.receive_buffers, config.receive_buffer_bytes),
                send: SendPool::new(config.send_slots)
                    .bounded(config.connection_slot_bytes_max, config.spill_bytes_max),
            }),
            chunks: ChunkPool::new(config.mailbox_bytes_max),
            counters: Counters::default(),
            links,
            now: Cell::new(now),
            clock,
            outbox: RefCell::new(Vec::new()),
            timers: RefCell::new(Wheel::new(config.timers_max, now)),
            requests: RefCell::new(Vec::new()),
            thirsty: RefCell::new(VecDeque::new()),
            thirsty_ended: Cell::new(0),
            ending: Cell::new(Ending::No),
            quiet: Cell::new(None),
            config,
        }
    }

    /// The time at the start of this turn: what handlers see as now.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now.get()
    }

    /// Reads the clock. **Costs** about 25 ns.
    pub fn read_clock(&self) -> Time {
        self.now.set(self.clock.now());
        self.now.get()
    }

    /// The address of a cell of this core.
    #[must_use]
    pub fn address(&self, cell: Key) -> RawAddress {
        RawAddress::new(self.id, cell)
    }

    /// Stores a cell and queues it for its first activation; hands its parts back when there is no room.
    pub fn spawn<H: 'static, B: Body<H>>(&self, head: H, body: B) -> Result<Key, (H, B)> {
        let cell = self.cells.insert(head, body)?;
        Counters::add(&self.counters.started, 1);
        self.schedule(cell);
        if self.ending.get() >= Ending::All {
            self.demand(cell, Demand::Stop);
        }
        Ok(cell)
    }

    /// Stores a cell that owns a socket: it ends before the others when the system shuts down.
    pub fn spawn_io<H: 'static, B: Body<H>>(&self, head: H, body: B) -> Result<Key, (H, B)> {
        let cell = self.spawn(head, body)?;
        self.cells.mark_io(cell);
        if self.ending.get() >= Ending::Connections {
            self.demand(cell, Demand::Stop);
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

    /// Begins a stage of the end of this core. `quiet` is called once no cell is left that the stage ends: perhaps at once.
    pub fn begin_ending(&self, ending: Ending, quiet: Box<dyn FnOnce()>) {
        self.ending.set(ending);
        self.quiet.replace(Some(quiet));
        for cell in self.cells.keys() {
            // Whatever owns a socket has had its time before the others stop.
            let demand = match (ending, self.cells.is_io(cell)) {
                (Ending::No, _) | (Ending::Connections, false) => continue,
                (Ending::Connections, true) | (Ending::All, false) => Demand::Stop,
                (Ending::All, true) | (Ending::Abort, _) => Demand::Abort,
            };
            self.demand(cell, demand);
        }
        self.look_for_quiet();
    }

    /// True once the end of this core has begun.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending.get() > Ending::No
    }

    fn look_for_quiet(&self) {
        let left = match self.ending.get() {
            Ending::No => return,
            Ending::Connections => self.cells.live_io(),
            Ending::All | Ending::Abort => self.cells.live(),
        };
        if left == 0
            && let Some(quiet) = self.quiet.take()
        {
            quiet();
        }
    }

    /// Queues a cell to be run, unless it is queued already.
    pub fn schedule(&self, cell: Key) {
        self.cells.schedule(cell);
    }

    /// Tells a cell something, ahead of its messages, and queues it. Hands the notice back when the cell is gone.
    pub fn notify(&self, cell: Key, notice: Notice) -> Result<(), Notice> {
        self.cells.notify(cell, notice)?;
        self.schedule(cell);
        Ok(())
    }

    /// Asks a cell to stop or to end; false if it is gone.
    pub fn demand(&self, cell: Key, demand: Demand) -> bool {
        let found = self.cells.demand(cell, demand);
        self.schedule(cell);
        found
    }

    /// Asks the driver for something on behalf of a cell. Goes out with the next submission.
    pub fn push(&self, cell: Key, op: Op) {
        self.outbox.borrow_mut().push((token(cell), op));
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

    /// Sets a timer: the cell is notified with `kind` once `deadline` has come.
    pub fn arm(&self, cell: Key, kind: u32, deadline: Time) -> Result<TimerKey, Full> {
        self.timers.borrow_mut().arm(deadline, TimerPayload { token: cell.to_bits(), kind })
    }

    /// Takes a timer back; false if it has come due or was taken back before.
    pub fn disarm(&self, timer: TimerKey) -> bool {
        self.timers.borrow_mut().cancel(timer)
    }

    /// When the next timer is due; [`Time::MAX`] if none is set.
    #[must_use]
    pub fn next_deadline(&self) -> Time {
        self.timers.borrow().next_deadline().unwrap_or(Time::MAX)
    }

    /// Timers that are set.
    #[must_use]
    pub fn timers(&self) -> usize {
        self.timers.borrow().len()
    }

    /// Notifies the cells whose timers are due. `due` is scratch.
    pub fn expire(&self, due: &mut Vec<TimerPayload>) {
        self.timers.borrow_mut().expire(self.now(), EXPIRE_MAX, due);
        for timer in due.drain(..) {
            // A cell disarms its timers before it ends; one that is gone has nothing left to be told.
            drop(self.notify(Key::from_bits(timer.token), Notice::Timer(timer.kind)));
        }
    }

    /// True if a cell waits to be run.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        self.cells.has_ready()
    }

    /// Runs the cell that has waited longest. False if none waits.
    pub fn run_next(&self) -> bool {
        match self.cells.activate_next(self) {
            Activated::Cell(_, Outcome::Rest) | Activated::Gone => {}
            Activated::Cell(cell, Outcome::Again) => self.schedule(cell),
            Activated::Cell(cell, Outcome::Ended) => self.end(cell),
            Activated::None => return false,
        }
        true
    }

    #[inline(never)]
    fn end(&self, cell: Key) {
        self.cells.remove(cell);
        // The state went before, with the actor; what panics here is a codec, or what made the connections of a listener.
        Counters::add(&self.counters.drop_panics, self.cells.bury() as u64);
        Counters::add(&self.counters.ended, 1);
        self.look_for_quiet();
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

    /// Puts a cell behind those that wait for send slots. It is told once some have been released, and waits no more then.
    pub fn wait_for_slots(&self, cell: Key) {
        self.thirsty.borrow_mut().push_back(cell);
    }

    /// Tells the cell that has waited longest for send slots that there are some. False if none waits.
    pub fn wake_for_slots(&self) -> bool {
        loop {
            let Some(cell) = self.thirsty.borrow_mut().pop_front() else { return false };
            // One that has ended meanwhile does not use up the turn of the next.
            if self.notify(cell, Notice::Slots).is_ok() {
                return true;
            }
            self.thirsty_ended.set(self.thirsty_ended.get().saturating_sub(1));
        }
    }

    /// A cell that waits for send slots ends. Those that have are taken out of the line once they are half of it.
    pub fn wait_no_more(&self, cell: Key) {
        let mut thirsty = self.thirsty.borrow_mut();
        self.thirsty_ended.set(self.thirsty_ended.get() + 1);
        if self.thirsty_ended.get() * 2 >= thirsty.len() {
            thirsty.retain(|other| *other != cell && self.cells.is_io(*other));
            self.thirsty_ended.set(0);
        }
    }

    /// Cells in the line for send slots.
    #[must_use]
    pub fn waiting_for_slots(&self) -> usize {
        self.thirsty.borrow().len()
    }
}

/// Counts messages and time within one activation.
#[derive(Debug)]
pub struct Budget {
    handled: u32,
    check_at: u32,
    deadline: Option<Time>,
}

impl Budget {
    /// Reading the clock costs more than a small message, so the first look comes after a few, later ones at each
    /// doubling: a fast actor pays a fraction of a nanosecond per message, a slow one overruns by at most its first few.
    const FIRST_CHECK: u32 = 4;

    /// A budget for one activation.
    #[must_use]
    pub fn new(core: &Core) -> Budget {
        let check_at = Budget::FIRST_CHECK.min(core.config.activation_messages);
        Budget { handled: 0, check_at, deadline: None }
    }

    /// Counts one message; false once the budget is used up.
    pub fn spend(&mut self, core: &Core) -> bool {
        self.handled += 1;
        if self.handled < self.check_at {
            return true;
        }
        self.check(core)
    }

    #[cold]
    fn check(&mut self, core: &Core) -> bool {
        let now = core.read_clock();
        let deadline = *self.deadline.get_or_insert(now.after(core.config.activation_time));
        self.check_at = self.check_at.saturating_mul(2).min(core.config.activation_messages);
        self.handled < core.config.activation_messages && now < deadline
    }

    /// Messages handled so far.
    #[must_use]
    pub fn handled(&self) -> u32 {
        self.handled
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
    use crate::executor::Links;

    /// Waits for slots, and ends when it is asked to.
    struct Waits;

    impl Body<()> for Waits {
        fn activate(&self, (): &(), activation: &Activation<'_>) -> Outcome {
            let (core, cell) = (activation.core, activation.cell);
            if core.cells.take_demand(cell).is_none() {
                core.wait_for_slots(cell);
                return Outcome::Rest;
            }
            core.wait_no_more(cell);
            Outcome::Ended
        }
    }

    #[test]
    fn who_ends_leaves_the_line_for_send_slots() {
        let first = CoreId(0);
        let core = Core::new(first, Rc::new(Config::default()), Clock::Monotonic, Links::new(first, []));
        let waits = || {
            let cell = core.spawn_io((), Waits).ok().expect("there is room");
            while core.run_next() {}
            cell
        };
        waits();
        for _ in 0..1000 {
            let cell = waits();
            core.demand(cell, Demand::Stop);
            while core.run_next() {}
        }
        assert!(core.waiting_for_slots() <= 3, "{} are in the line", core.waiting_for_slots());
        assert!(core.wake_for_slots(), "the one that stays is still in it");
        assert!(!core.wake_for_slots());
    }
}
