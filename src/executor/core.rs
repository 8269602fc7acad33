//! The state of one core that is not generic over its backend: what `tell` and handlers reach.
//!
//! Knows: cells, the run queue, the outbox, pools, time, counters. Must not know which backend carries ops out.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use super::address::{CoreId, RawAddress, token};
use super::cell::{Activation, Body, Cells, Demand, Outcome};
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
#[derive(Debug)]
pub struct Core {
    /// Its name, unique in the process.
    pub id: CoreId,
    /// The limits of the system.
    pub config: Rc<Config>,
    /// The actors that live here.
    pub cells: Cells,
    /// Memory that the kernel may touch.
    pub pools: Pools,
    /// Memory for mailboxes.
    pub chunks: ChunkPool,
    /// What has happened, in numbers.
    pub counters: Counters,
    /// The ways to other cores.
    pub links: Links,
    clock: Clock,
    now: Cell<Time>,
    ready: RefCell<VecDeque<u32>>,
    outbox: RefCell<Vec<(Token, Op)>>,
    timers: RefCell<Wheel>,
    requests: RefCell<Vec<Request>>,
    thirsty: RefCell<VecDeque<Key>>,
}

impl Core {
    /// A core with nothing on it.
    #[must_use]
    pub fn new(id: CoreId, config: Rc<Config>, clock: Clock, links: Links) -> Core {
        let now = clock.now();
        Core {
            id,
            cells: Cells::new(config.actors_max),
            pools: Pools {
                receive: ReceivePool::new(config.receive_buffers, config.receive_buffer_bytes),
                send: SendPool::new(config.send_slots),
            },
            chunks: ChunkPool::new(config.mailbox_bytes_max),
            counters: Counters::default(),
            links,
            now: Cell::new(now),
            clock,
            ready: RefCell::new(VecDeque::new()),
            outbox: RefCell::new(Vec::new()),
            timers: RefCell::new(Wheel::new(config.timers_max, now)),
            requests: RefCell::new(Vec::new()),
            thirsty: RefCell::new(VecDeque::new()),
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
        Ok(cell)
    }

    /// Queues a cell to be run, unless it is queued already.
    pub fn schedule(&self, cell: Key) {
        if self.cells.queue(cell) {
            self.ready.borrow_mut().push_back(cell.index);
        }
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
        !self.ready.borrow().is_empty()
    }

    /// Cells that wait to be run.
    #[must_use]
    pub fn ready_len(&self) -> usize {
        self.ready.borrow().len()
    }

    /// Runs the cell that has waited longest. False if none waits.
    pub fn run_next(&self) -> bool {
        let Some(index) = self.ready.borrow_mut().pop_front() else { return false };
        match self.cells.activate(self, index) {
            Some((cell, Outcome::Again)) => self.schedule(cell),
            Some((cell, Outcome::Ended)) => self.end(cell),
            Some((_, Outcome::Rest)) | None => {}
        }
        true
    }

    fn end(&self, cell: Key) {
        self.cells.remove(cell);
        self.cells.bury();
        Counters::add(&self.counters.ended, 1);
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

    /// Puts a cell behind those that wait for send slots. It is queued to run once some have been released.
    pub fn wait_for_slots(&self, cell: Key) {
        self.thirsty.borrow_mut().push_back(cell);
    }

    /// Queues a cell that waits for send slots, the one that has waited longest. False if none waits.
    pub fn wake_for_slots(&self) -> bool {
        let cell = self.thirsty.borrow_mut().pop_front();
        cell.inspect(|cell| self.schedule(*cell)).is_some()
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
    pub fn new() -> Budget {
        Budget { handled: 0, check_at: Budget::FIRST_CHECK, deadline: None }
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

impl Default for Budget {
    fn default() -> Budget {
        Budget::new()
    }
}

impl Activation<'_> {
    /// The time that a timer of this long would be due.
    #[must_use]
    pub fn deadline(&self, after: Duration) -> Time {
        self.core.now().after(after)
    }
}
