//! The turn: the phases that every core repeats.
//!
//! Knows: the driver, the core's state, when to sleep. Must not know what actors do.
//!
//! The loop is started by `system` on the thread of a core, and comes round through [`Executor::run`]; a simulation
//! calls the phases itself, one at a time.

use std::io;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use super::core::Core;
use super::counters::{Counters, Dead};
use super::current;
use super::links::Arrivals;
use super::notice::Notice;
use super::request::{NO_ROOM, Request};
use super::spin::Spin;
use super::task_answer::AskError;
use super::wheel::TimerPayload;
use crate::driver::{Backend, Completion, Driver, Event, Left, Wait};
use crate::mem::Key;
use crate::sys::{Time, nanoseconds};

/// One core: its state, its driver, and what arrives from other cores.
#[derive(Debug)]
pub struct Executor<B> {
    core: Rc<Core>,
    driver: Driver<B>,
    arrivals: Arrivals,
    completions: Vec<Completion>,
    due: Vec<TimerPayload>,
    spin: Spin,
    finished: bool,
}

impl<B: Backend> Executor<B> {
    /// Puts a core together.
    #[must_use]
    pub fn new(core: Rc<Core>, backend: B, arrivals: Arrivals) -> Executor<B> {
        let spin = Spin::new(nanoseconds(core.config.spin));
        Executor {
            core,
            driver: Driver::new(backend),
            arrivals,
            completions: Vec::with_capacity(256),
            due: Vec::new(),
            spin,
            finished: false,
        }
    }

    /// The state that handlers reach.
    #[must_use]
    pub fn core(&self) -> &Rc<Core> {
        &self.core
    }

    /// The driver, for whoever steps the core.
    pub fn driver_mut(&mut self) -> &mut Driver<B> {
        &mut self.driver
    }

    /// True if a turn would find nothing to do before time passes or something arrives from outside.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let core = &self.core;
        !core.has_ready()
            && core.outbox_len() == 0
            && !core.links.has_untried()
            && !core.links.has_unpublished()
            && !core.dead_letters.is_untold()
            && self.completions.is_empty()
            && !self.arrivals.pending()
            && !self.driver.ready()
            && core.next_deadline() > core.now()
    }

    /// True once [`Request::Finish`] has come.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.finished
    }

    /// Repeats the turn until the core is asked to finish, then ends everything that is in flight. Answers what could not be awaited.
    pub fn run(&mut self) -> Left {
        let core = self.core.clone();
        core.read_clock_after_rest();
        current::scope(&core, || {
            while !self.finished {
                let wait = self.rest();
                self.enter(wait);
                self.receive();
                self.expire();
                self.activate();
            }
        });
        let left = self.driver.drain(&core.pools, core.config.close_deadline);
        current::scope(&core, || core.settle());
        left
    }

    /// Takes the core apart after its last turn, when nobody finds it any more. What arrived meanwhile is dropped here, as
    /// dead letters: those are values of users. `leaked` operations may still use its memory: then that is kept for ever. Answers what the
    /// core has not delivered in all.
    pub fn end(self, leaked: usize) -> Dead {
        self.take_apart(leaked, hand_over)
    }

    /// The same of a core that was not asked to finish, whatever it is in the middle of: everything in flight is ended, and nobody waited
    /// for. Panics of what is dropped are contained.
    pub fn dismantle(mut self) {
        let core = self.core.clone();
        let left = self.driver.drain(&core.pools, Duration::ZERO);
        drop(core);
        self.take_apart(left.operations, |core| core.links.give_up_overdue(core));
    }

    fn take_apart(self, leaked: usize, hand_over: impl FnOnce(&Core)) -> Dead {
        let Executor { mut core, driver, mut arrivals, .. } = self;
        current::scope(&core, || {
            core.unanswered_because(AskError::Stopped, || {
                arrivals.deliver(&core);
                core.contain(|| drop(arrivals));
                core.end_all_tasks();
                core.settle();
            });
        });
        // Nobody but the driver shares the pools, and by then nobody but this function the core. Where the kernel still reads from
        // the pools, they are shared for ever, and what they keep is kept.
        let driver = (leaked > 0).then_some(driver);
        let kept = if leaked > 0 {
            Vec::new()
        } else {
            Rc::get_mut(&mut core).map_or_else(Vec::new, Core::take_kept)
        };
        current::scope(&core, || {
            core.drop_kept(kept);
            hand_over(&core);
        });
        core.tell_all_untold();
        let dead = core.counters.dead();
        if leaked > 0 {
            std::mem::forget((core, driver));
        } else {
            drop(core);
        }
        dead
    }

    /// Phases 1 and 2, **enter** and **route**: hands the outbox over, collects completions, and takes each to its cell.
    pub fn enter(&mut self, wait: Wait) {
        Counters::add(&self.core.counters.turns, 1);
        let core = &*self.core;
        let watched = core.is_watched();
        if watched {
            // What ran until now is told from the kernel, which is no code of anybody here.
            core.read_clock();
        }
        core.drain_outbox(|pools, token, op| self.driver.submit(pools, token, op));
        self.driver.enter(&core.pools, wait, &mut self.completions);
        if wait != Wait::No {
            self.arrivals.awake();
        }
        let (before, now) = (core.now(), core.read_clock_after_rest());
        if wait == Wait::No && !watched {
            core.note_work(before, now);
        }
        for completion in self.completions.drain(..) {
            if matches!(completion.event, Event::Sent { .. }) {
                core.wake_for_slots();
            }
            route(core, completion);
        }
        core.settle();
    }

    /// Phase 3, **receive**: takes what other cores and threads have published, and does what needs the driver.
    pub fn receive(&mut self) {
        self.receive_lanes();
        self.receive_inbox();
    }

    /// The first half of that, up to a point at which others may go on: what they have published in lanes.
    pub fn receive_lanes(&mut self) {
        self.arrivals.deliver_lanes(&self.core);
    }

    /// The second half: what threads have sent, and requests.
    pub fn receive_inbox(&mut self) {
        self.arrivals.deliver_inbox(&self.core);
        for request in self.core.take_requests() {
            match request {
                Request::Adopt(socket, adopted) => {
                    // It is closed by the cell that is made for it, so without room for one it is not taken over.
                    let socket = if self.core.cells.live() < self.core.config.actors_max as usize {
                        self.driver.adopt(socket)
                    } else {
                        drop(socket);
                        Err(io::Error::other(NO_ROOM))
                    };
                    adopted(&self.core, socket);
                }
                Request::Connect(address, options, opened) => {
                    opened(&self.core, self.driver.connecting(address, &options));
                }
                Request::Inspect(inspect) => inspect(&self.core, self.driver.ledger()),
                Request::Finish => self.finished = true,
            }
        }
    }

    /// Phase 4, **expire**: timers that are due become notices, sleepers are woken, the time of tasks ends, and it is
    /// told what was held back, and what took too long.
    pub fn expire(&mut self) {
        self.core.expire(&mut self.due);
        self.core.tell_due();
    }

    /// Phase 5, **run** and **publish**: runs ready cells until none is left or the turn's budget is used up, then makes
    /// envelopes for other cores visible.
    pub fn activate(&mut self) {
        self.run_cells();
        self.publish();
    }

    /// The first half of that, behind which others may go on that know of what was done: **run**.
    pub fn run_cells(&mut self) {
        let core = self.core.clone();
        let end = core.now().after(core.config.turn_time);
        core.limit_turn(end, self.driver.room() / 2);
        if core.is_watched() {
            self.run_watched(&core, end);
        } else {
            self.run_ready(&core, end);
        }
        // Slots also come back without a completion, from a connection that dropped what it had queued. Whoever waits for
        // slots is woken one a turn, and there is no rest while somebody waits and a slot is free.
        if core.pools.send.has_free() {
            core.wake_for_slots();
        }
        // What cells have let go is not kept through a rest.
        core.settle();
        core.tell_dead_letters();
    }

    /// The second half: **publish**.
    pub fn publish(&mut self) {
        self.core.links.publish(&self.core);
    }

    #[inline(always)]
    fn run_ready(&mut self, core: &Core, end: Time) {
        /// Activations between two looks whether something is to be published: others begin while this core goes on.
        const GROUP: u32 = 8;
        let (mut left, mut looks) = (core.config.turn_activations, Looks::new(core.now()));
        'turn: while left > 0 {
            let group = left.min(GROUP);
            left -= group;
            for _ in 0..group {
                if !core.run_next() {
                    break 'turn;
                }
                // Cells that run for long read the clock themselves.
                if core.must_look() && self.look(core, end).is_break() {
                    break 'turn;
                }
            }
            core.links.publish(core);
            if looks.is_due() {
                looks.note(core.read_clock());
            }
        }
    }

    /// The same, looking at the clock around each activation: somebody has taken too long, not long ago.
    #[cold]
    fn run_watched(&mut self, core: &Core, end: Time) {
        for _ in 0..core.config.turn_activations {
            // Values of users are dropped as envelopes are delivered and published, and wakers of theirs called as timers come
            // due: whoever runs next has no part in that.
            core.read_clock();
            core.tell_slow(None);
            let name = core.next_name();
            if !core.run_next() {
                return;
            }
            core.read_clock();
            core.tell_slow(name);
            if core.must_look() {
                if self.look(core, end).is_break() {
                    return;
                }
                // Nothing but the kernel has taken the time of a look.
                core.read_clock_after_rest();
            }
            core.links.publish(core);
        }
    }

    /// Something has reached its limit. If it is the time of the turn, that ends. If it is the outbox, which has reached half of
    /// the submission queue: out with it, without waiting. What has completed meanwhile is routed with the next enter.
    #[cold]
    fn look(&mut self, core: &Core, end: Time) -> ControlFlow<()> {
        if core.outbox_len() >= self.driver.room() / 2 {
            core.drain_outbox(|pools, token, op| self.driver.submit(pools, token, op));
            self.driver.enter(&core.pools, Wait::No, &mut self.completions);
        }
        if core.now() >= end {
            return ControlFlow::Break(());
        }
        core.limit_turn(end, self.driver.room() / 2);
        ControlFlow::Continue(())
    }

    /// Phase 6, **rest?**: says how long the next enter may stay away. Spins on memory first, then announces sleep and
    /// looks once more.
    pub fn rest(&mut self) -> Wait {
        let core = &self.core;
        let unfinished = core.links.has_untried() || core.dead_letters.is_untold();
        if core.has_ready() || unfinished || self.arrivals.pending() {
            return Wait::No;
        }
        if !self.completions.is_empty() {
            return Wait::No;
        }
        if !self.spin.is_off() {
            self.enter(Wait::No);
            if self.core.has_ready() || self.spin_on_memory().is_break() {
                return Wait::No;
            }
        }
        self.arrivals.announce_sleep();
        // Owners that were dropped meanwhile may have owed others something.
        if self.arrivals.pending() || self.core.links.has_untried() {
            self.arrivals.awake();
            return Wait::No;
        }
        if self.spin.is_off() {
            // What ran until now is told from the rest that follows.
            self.core.read_clock();
        }
        Counters::add(&self.core.counters.sleeps, 1);
        let deadline = self.core.next_deadline().min(self.core.links.late_after());
        Wait::Until(deadline.min(self.core.next_report()))
    }

    /// Looks at memory until something is there (`Break`) or the time for it has run out.
    fn spin_on_memory(&mut self) -> ControlFlow<()> {
        const LOOKS: u32 = 32;
        // Nobody's code runs meanwhile: if this takes long, it is the machine.
        let start = self.core.read_clock_after_rest();
        let end = Time(start.0.saturating_add(self.spin.next_ns())).min(self.core.next_deadline());
        loop {
            for _ in 0..LOOKS {
                if self.driver.ready() || self.arrivals.pending() {
                    self.spin.found();
                    return ControlFlow::Break(());
                }
                std::hint::spin_loop();
            }
            if self.core.read_clock_after_rest() >= end {
                self.spin.missed();
                return ControlFlow::Continue(());
            }
        }
    }
}

/// When a turn looks at the clock, which costs as much as several small activations: after a few groups of them, and then, if they
/// are fast, after more. At the pace since the last look, what takes its time from the core has one that is old by no more than
/// [`Looks::AGE_NS`]; where slow ones follow fast ones, by no more than [`Looks::GROUPS_MAX`] take.
struct Looks {
    /// Groups between two looks, and until the next.
    every: u32,
    left: u32,
    last: Time,
}

impl Looks {
    const FIRST: u32 = 4;
    /// More are not worth it: of a hundred of the smallest activations, a look is a thirtieth.
    const GROUPS_MAX: u32 = 16;
    /// What may pass between two looks, at the pace since the last.
    const AGE_NS: u64 = 32_000;

    fn new(now: Time) -> Looks {
        Looks { every: Self::FIRST, left: Self::FIRST, last: now }
    }

    #[inline(always)]
    fn is_due(&mut self) -> bool {
        self.left -= 1;
        self.left == 0
    }

    /// At most twice as many as before: that these were fast does not say that the next are.
    #[inline(never)]
    fn note(&mut self, now: Time) {
        let passed = now.since(self.last).as_nanos().max(1) as u64;
        let at_this_pace = (u64::from(self.every) * Self::AGE_NS / passed).max(1);
        let most = (self.every * 2).min(Self::GROUPS_MAX);
        self.every = at_this_pace.min(u64::from(most)) as u32;
        (self.left, self.last) = (self.every, now);
    }
}

/// Waits until others have made room for what they are owed by a core that ends, for a while: they may stand still. Then it is
/// dropped, and whoever waits there is told when the time is over.
fn hand_over(core: &Core) {
    let deadline = core.read_clock().after(core.config.close_deadline);
    core.links.publish(core);
    while core.links.has_overdue() && core.read_clock() < deadline {
        std::thread::yield_now();
        core.links.publish(core);
    }
    core.links.give_up_overdue(core);
}

/// Takes a completion to the cell that asked, as data.
///
/// # Panics
/// When the cell is gone: its slot was reused, or could have been, with an operation in flight. The process aborts.
// Inlined, because an event may hold a box: for a call it would be put into memory, to be dropped there if the call panicked.
#[inline(always)]
fn route(core: &Core, completion: Completion) {
    let Completion { token, event } = completion;
    // Asked by a future, not by a cell.
    if let Event::File { request } = event {
        return core.file_answered(token, request);
    }
    let cell = Key::from_bits(token.0);
    if let Err(notice) = core.cells.notify(cell, Notice::Io(event)) {
        crate::sys::abort(format_args!("a completion for a cell that is gone: {cell:?} {notice:?}"));
    }
}

#[cfg(test)]
mod tests;
