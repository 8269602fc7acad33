//! Cores that no thread runs: whoever has one steps it, and answers for it, as tests of actors do.
//!
//! Knows: which guests this thread has, what has arrived at them, their clock. Must not know what they are for.
//!
//! A guest is found by its id, like any core, but only on the thread that has it, and there beside the core that the thread
//! runs, if it runs one. While somebody looks at it, it is the current one ([`current::at`]).

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::bounded;

use super::address::CoreId;
use super::core::Core;
use super::current;
use super::directory::{self, Port};
use super::links::{Arrivals, Links};
use super::task_answer::AskError;
use super::wheel::TICK_NANOSECONDS;
use crate::config::Config;
use crate::driver::Waker;
use crate::sys::{Clock, Time, now};

thread_local! {
    static GUESTS: RefCell<BTreeMap<CoreId, Weak<Guest>>> = const { RefCell::new(BTreeMap::new()) };
}

/// A core without a thread and without a driver: nothing happens on it but what its owner does.
pub struct Guest {
    core: Core,
    /// None when it ends.
    arrivals: RefCell<Option<Arrivals>>,
    clock: Rc<Cell<Time>>,
    kept: Box<dyn Any>,
}

impl Guest {
    /// A guest of this thread, with nothing on it. Its clock stands still, at the time of the machine. `kept` is what its owner
    /// wants to find with it.
    #[must_use]
    pub fn new(config: Config, kept: Box<dyn Any>) -> Rc<Guest> {
        let id = directory::reserve(1);
        let clock = Rc::new(Cell::new(now()));
        let core = Core::new(id, Rc::new(config), Clock::Virtual(clock.clone()), Links::new(id, []));
        let (inbox, envelopes) = bounded(core.config.inbox_capacity);
        let port = Arc::new(Port::new(inbox, Waker::None, core.config.ask_timeout));
        directory::open(id, port.clone());
        let arrivals = RefCell::new(Some(Arrivals::new(port, envelopes, Vec::new())));
        let guest = Rc::new(Guest { core, arrivals, clock, kept });
        GUESTS.with_borrow_mut(|guests| guests.insert(id, Rc::downgrade(&guest)));
        guest
    }

    /// The guest of this thread that has this id.
    #[must_use]
    pub fn find(id: CoreId) -> Option<Rc<Guest>> {
        GUESTS.try_with(|guests| guests.borrow().get(&id)?.upgrade()).ok().flatten()
    }

    /// The core itself.
    #[must_use]
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// What its owner keeps with it.
    #[must_use]
    pub fn kept(&self) -> &dyn Any {
        &*self.kept
    }

    /// Runs something with this core as the current one of the thread.
    pub fn enter<R>(&self, run: impl FnOnce(&Core) -> R) -> R {
        current::scope(&self.core, || run(&self.core))
    }

    /// Delivers what has arrived, and tells who waits for a time that has come.
    pub fn receive(&self) {
        self.enter(|core| {
            // Code of users runs meanwhile, and may come here again: what is left is delivered by the first.
            if let Ok(mut arrivals) = self.arrivals.try_borrow_mut()
                && let Some(arrivals) = arrivals.as_mut()
            {
                arrivals.deliver(core);
            }
            core.settle();
            core.links.publish(core);
            // The wheel rounds deadlines up to its ticks, so it is asked for the tick that has begun: whoever moves the clock by
            // five seconds wants to see what happens after five seconds.
            let begun = core.now().0.div_ceil(TICK_NANOSECONDS).saturating_mul(TICK_NANOSECONDS);
            core.expire_until(Time(begun), &mut Vec::new());
        });
    }

    /// True if a time has passed that somebody waits for.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.core.is_due()
    }

    /// True if anything is still to come at a time but messages that an actor has set for later, and intervals.
    #[must_use]
    pub fn awaits_more_than_timers(&self) -> bool {
        self.core.asleep() > 0 || self.core.tasks.has_deadlines()
    }

    /// Moves the clock on.
    pub fn advance(&self, duration: Duration) {
        self.clock.set(self.clock.get().after(duration));
        self.core.read_clock();
    }

    /// Moves the clock on to the next time that somebody waits for. False if nobody does.
    pub fn advance_to_next(&self) -> bool {
        let next = self.core.next_deadline();
        self.advance(if next < Time::MAX { next.since(self.core.now()) } else { Duration::ZERO });
        next < Time::MAX
    }
}

impl Drop for Guest {
    /// Nobody finds it any more, and nobody looks at it. Whoever waits for an answer from it is told that there is none.
    fn drop(&mut self) {
        let core = &self.core;
        // While the thread ends, the list may have gone before.
        drop(GUESTS.try_with(|guests| guests.borrow_mut().remove(&core.id)));
        directory::close(core.id);
        current::scope(core, || {
            core.unanswered_because(AskError::Stopped, || {
                core.contain(|| drop(self.arrivals.take()));
                core.end_all_tasks();
                core.end_all_cells();
                core.settle();
            });
        });
        let kept = self.core.take_kept();
        let core = &self.core;
        current::scope(core, || core.drop_kept(kept));
        core.tell_all_untold();
    }
}

impl fmt::Debug for Guest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Guest").field("core", &self.core).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;
    use crate::driver::backend::null::{Null, NullLoad};
    use crate::executor::Executor;
    use crate::mem::{Bytes, Chain};

    /// Owns bytes, and panics when it is dropped, on a core that is still there.
    struct Grudge(Arc<AtomicUsize>);

    impl AsRef<[u8]> for Grudge {
        fn as_ref(&self) -> &[u8] {
            b"owned"
        }
    }

    impl Drop for Grudge {
        fn drop(&mut self) {
            self.0.fetch_add(current::with(|core| usize::from(core.is_some())), Relaxed);
            panic!("as planned");
        }
    }

    /// Leaves four chains of such bytes: two that nobody has released, and two that nobody has settled.
    fn leave_parts(core: &Core, dropped: &Arc<AtomicUsize>) {
        for is_released in [false, true, false, true] {
            let mut chain = Chain::EMPTY;
            let bytes = Bytes::from_owner(Grudge(Arc::clone(dropped)));
            core.pools.send.push_bytes(&mut chain, bytes).expect("there is a part");
            if is_released {
                core.pools.send.release(chain);
            }
        }
    }

    #[test]
    fn a_guest_that_ends_contains_what_still_keeps_bytes_to_send() {
        let (guest, dropped) = (Guest::new(Config::default(), Box::new(())), Arc::default());
        leave_parts(guest.core(), &dropped);
        drop(guest);
        assert_eq!(dropped.load(Relaxed), 4);
    }

    #[test]
    fn a_core_that_ends_contains_what_still_keeps_bytes_to_send() {
        let (id, config) = (directory::reserve(1), Config::default());
        let core = Core::new(id, Rc::new(config), Clock::Monotonic, Links::new(id, []));
        let (inbox, envelopes) = bounded(1);
        let arrivals =
            Arrivals::new(Arc::new(Port::new(inbox, Waker::None, Duration::ZERO)), envelopes, Vec::new());
        let load = NullLoad { connections: 0, request: Vec::new(), answer_len: 0, requests: 0 };
        let executor = Executor::new(Rc::new(core), Null::new(load, 1), arrivals);
        let dropped = Arc::default();
        leave_parts(executor.core(), &dropped);
        executor.end(0);
        assert_eq!(dropped.load(Relaxed), 4);
    }
}
