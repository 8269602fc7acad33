//! Who is told when a cell of this core is gone, and which cells of it are linked to others.
//!
//! Knows: tasks that wait for that, by cell. Must not know why a cell ends, nor what a task does.
//!
//! A watch is a question that the runtime itself asks of another core, or of its own, and whose answer is a [`Fate`]. It waits here and in
//! no mailbox, so there are never more than there are tasks that wait.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use super::address::{CoreId, RawAddress};
use super::core::Core;
use super::current;
use super::links::{insist, post};
use super::task_answer::AnswerTo;
use super::task_block::AnyTask;
use super::tasks::{Kind, Limit};
use crate::mem::Key;

/// Why a cell ended, in the words of whoever runs it: a number of [so many bits](Fate::BITS) that means nothing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fate(pub u16);

impl Fate {
    /// What there is room for beside the flags of a cell.
    pub const BITS: u32 = 13;
    /// Nobody has said, or there was nothing any more when somebody asked.
    pub const UNKNOWN: Fate = Fate(0);
}

/// Whom to tell. Dropped on its way to a core that ends, it says that nothing is known.
struct Watcher(AnswerTo<Fate>);

impl Watcher {
    fn tell(self, fate: Fate) {
        let to = self.0;
        std::mem::forget(self);
        to.send(fate);
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.send(Fate::UNKNOWN);
    }
}

/// Those who watch cells of a core.
#[derive(Default)]
pub(super) struct Watches {
    /// The cell that a task watches, on whichever core that is.
    by_watcher: RefCell<BTreeMap<(CoreId, Key), (Key, Watcher)>>,
    by_cell: RefCell<BTreeSet<(Key, CoreId, Key)>>,
    count: Cell<usize>,
    /// The cells of this core that end with another one, each with that. They outlive the tasks that wait for it.
    links: RefCell<BTreeSet<(Key, RawAddress)>>,
}

impl Watches {
    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.count.get() == 0
    }

    fn insert(&self, cell: Key, watcher: (CoreId, Key), tell: Watcher) {
        self.by_watcher.borrow_mut().insert(watcher, (cell, tell));
        self.by_cell.borrow_mut().insert((cell, watcher.0, watcher.1));
        self.count.set(self.by_cell.borrow().len());
    }

    fn remove(&self, watcher: (CoreId, Key)) -> Option<Watcher> {
        let (cell, tell) = self.by_watcher.borrow_mut().remove(&watcher)?;
        self.by_cell.borrow_mut().remove(&(cell, watcher.0, watcher.1));
        self.count.set(self.by_cell.borrow().len());
        Some(tell)
    }

    /// Takes one of those who watch a cell.
    fn take_one(&self, cell: Key) -> Option<Watcher> {
        let first = (cell, CoreId(0), Key { index: 0, generation: 0 });
        let next = self.by_cell.borrow().range(first..).next().copied();
        let (_, core, task) = next.filter(|(watched, ..)| *watched == cell)?;
        self.remove((core, task))
    }
}

impl Core {
    /// Begins to wait for the end of a cell on any core. It is told of once, also if there is no such cell any more.
    ///
    /// # Errors
    /// As [`Core::begin`].
    pub(crate) fn begin_watch(&self, owner: Key, task: AnyTask, watched: RawAddress) -> Result<Key, AnyTask> {
        let task = self.begin_asking(owner, task, Kind::Watch, watched.core(), Limit::Never)?;
        let watcher = Watcher(AnswerTo::named(self.id, task));
        if watched.core() == self.id {
            self.watch(watched.cell(), (self.id, task), watcher);
        } else {
            let watch = (watched.cell(), self.id, watcher);
            insist(Some(self), RawAddress::new(watched.core(), task), arrive_watch, watch);
            if self.links.has_overdue() {
                self.note_delayed(task);
            }
        }
        Ok(task)
    }

    fn watch(&self, cell: Key, watcher: (CoreId, Key), tell: Watcher) {
        if self.cells.exists(cell) {
            self.watches.insert(cell, watcher, tell);
        } else {
            tell.tell(Fate::UNKNOWN);
        }
    }

    /// A task does not wait for the end of a cell any more. If one of the two words has to wait for room, this may overtake the watch.
    pub(super) fn end_watch(&self, watched: CoreId, task: Key, is_delayed: bool) {
        if watched == self.id {
            self.forget_watcher((self.id, task));
            return;
        }
        let to = RawAddress::new(watched, task);
        if post(Some(self), to, arrive_unwatch, (self.id, is_delayed)).is_err() {
            insist(Some(self), to, arrive_unwatch, (self.id, true));
        }
    }

    /// False if there was none.
    fn forget_watcher(&self, watcher: (CoreId, Key)) -> bool {
        // It has said itself that it waits no more: it is not told.
        self.watches.remove(watcher).map(std::mem::forget).is_some()
    }

    /// Links a cell of this core to another one; false if it is already.
    pub(crate) fn link(&self, cell: Key, other: RawAddress) -> bool {
        self.watches.links.borrow_mut().insert((cell, other))
    }

    /// Ends that; false if it was not linked.
    pub(crate) fn unlink(&self, cell: Key, other: RawAddress) -> bool {
        self.watches.links.borrow_mut().remove(&(cell, other))
    }

    /// To what a cell of this core is linked.
    pub(crate) fn links_of(&self, cell: Key) -> Vec<RawAddress> {
        let links = self.watches.links.borrow();
        let first = (cell, RawAddress::new(CoreId(0), Key { index: 0, generation: 0 }));
        links.range(first..).take_while(|(linked, _)| *linked == cell).map(|(_, other)| *other).collect()
    }

    /// Tells those who watch a cell that it is gone.
    #[inline(never)]
    pub(super) fn tell_watchers(&self, cell: Key) {
        let fate = self.cells.fate(cell);
        while let Some(watcher) = self.watches.take_one(cell) {
            watcher.tell(fate);
        }
    }
}

fn arrive_watch(task: Key, (cell, asker, watcher): (Key, CoreId, Watcher)) {
    current::with(|core| {
        let Some(core) = core else { return };
        if core.forget_cancelled(asker, task) {
            std::mem::forget(watcher);
        } else {
            core.watch(cell, (asker, task), watcher);
        }
    });
}

fn arrive_unwatch(task: Key, (asker, may_overtake): (CoreId, bool)) {
    current::with(|core| {
        let Some(core) = core else { return };
        // Else its cell has ended, or never was: nothing more comes of it.
        if !core.forget_watcher((asker, task)) && may_overtake {
            core.note_cancelled(asker, task);
        }
    });
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::config::Config;
    use crate::driver::Waker;
    use crate::executor::directory::{self, Port};
    use crate::executor::{Activation, Body, Demand, Envelope, Flow, Links, Outcome, Waiting, lane};
    use crate::sys::Clock;

    /// Rests until something is asked of it, and ends then.
    struct Rests;

    impl Body<()> for Rests {
        fn activate(&self, (): &(), activation: &Activation<'_>) -> Outcome {
            let cell = activation.cell();
            if activation.core.cells.take_demand(cell).is_none() {
                return Outcome::Rest;
            }
            activation.core.cells.close(cell, Fate(7));
            Outcome::Ended
        }
    }

    type Told = Rc<RefCell<Vec<Option<Fate>>>>;

    struct Waits(Told);

    impl Waiting<Fate> for Waits {
        fn go_on(self, fate: Option<Fate>, _: &Core, _: Option<&Activation<'_>>) -> Flow {
            self.0.borrow_mut().push(fate);
            Flow::Continue
        }
    }

    fn core(id: u32) -> Core {
        let config = Config { receive_buffers: 1, receive_buffer_bytes: 64, ..Config::default() };
        Core::new(CoreId(id), Rc::new(config), Clock::Monotonic, Links::new(CoreId(0), []))
    }

    fn cell(core: &Core) -> Key {
        core.spawn((), Rests).ok().expect("there is room")
    }

    fn watch(core: &Core, owner: Key, cell: Key) -> (Key, Told) {
        let told = Told::default();
        let task = AnyTask::waiting::<Fate, _>(core.cells.blocks(), Waits(told.clone()));
        let begun = core.begin_watch(owner, task, core.address(cell));
        (begun.expect("there is room"), told)
    }

    fn run(core: &Core, cell: Key) {
        while core.run_next() {}
        while let Some(errand) = core.next_errand(cell) {
            let super::super::Errand::Answer(task) = errand else { panic!("an answer has come") };
            assert_eq!(task.go_on(core, None), Flow::Continue);
        }
    }

    #[test]
    fn nothing_is_left_of_a_watch_that_has_told_or_ended_or_whose_owner_has() {
        let core = core(0);
        current::scope(&core, || {
            let [owner, other, watched] = [(); 3].map(|()| cell(&core));
            let (first, told) = watch(&core, owner, watched);
            let (_, of_other) = watch(&core, other, watched);
            let (_, kept) = watch(&core, owner, watched);
            assert!(!core.cancel_watch(other, first), "another's");
            assert!(core.cancel_watch(owner, first) && !core.cancel_watch(owner, first));
            core.demand(other, Demand::Stop);
            run(&core, owner);
            assert_eq!(core.watches.count.get(), 1);
            core.demand(watched, Demand::Stop);
            run(&core, owner);
            assert!(core.watches.is_empty() && core.watches.by_watcher.borrow().is_empty());
            assert_eq!((told.borrow().len(), of_other.borrow().len()), (0, 0));
            assert_eq!(*kept.borrow(), [Some(Fate(7))]);
        });
    }

    #[test]
    fn a_watch_that_has_told_and_is_ended_before_that_is_heard_is_not() {
        let core = core(0);
        current::scope(&core, || {
            let [owner, watched] = [(); 2].map(|()| cell(&core));
            let (key, told) = watch(&core, owner, watched);
            core.demand(watched, Demand::Stop);
            while core.run_next() {}
            assert!(core.cancel_watch(owner, key) && !core.cancel_watch(owner, key));
            run(&core, owner);
            assert_eq!((told.borrow().len(), core.tasks.live()), (0, 0));
        });
    }

    #[test]
    fn the_end_of_a_watch_may_overtake_it() {
        let core = core(0);
        let task = Key { index: 3, generation: 1 };
        current::scope(&core, || {
            let watched = cell(&core);
            arrive_unwatch(task, (CoreId(1), true));
            let message = (watched, CoreId(1), Watcher(AnswerTo::named(CoreId(1), task)));
            arrive_watch(task, message);
            assert!(core.watches.is_empty());
        });
    }

    #[test]
    fn the_end_of_a_watch_that_has_told_leaves_nothing() {
        let core = core(0);
        let task = Key { index: 3, generation: 1 };
        current::scope(&core, || {
            arrive_unwatch(task, (CoreId(1), false));
            assert!(!core.is_cancelled(CoreId(1), task));
        });
    }

    /// By the lane, while what has waited is in the inbox still; or by the inbox, while what it follows is in the lane.
    #[test]
    fn one_of_two_words_that_waits_for_room_says_so() {
        for late_watch in [true, false] {
            let first = directory::reserve(2);
            let [one, two] = [first, CoreId(first.0 + 1)];
            let (lane, mut lane_end) = lane::lane(1);
            let (inbox, envelopes) = crossbeam_channel::bounded(4);
            directory::open(two, Arc::new(Port::new(inbox, Waker::None, Duration::ZERO)));
            let [asker, asked] = [(one, Some(lane)), (two, None)].map(|(id, lane)| {
                let config = Config { receive_buffers: 1, receive_buffer_bytes: 64, ..Config::default() };
                Core::new(id, Rc::new(config), Clock::Monotonic, Links::new(one, [None, lane]))
            });
            let watched = current::scope(&asked, || asked.address(cell(&asked)));
            let fill = || while post(Some(&asker), watched, |_, ()| (), ()).is_ok() {};
            current::scope(&asker, || {
                let owner = cell(&asker);
                late_watch.then(fill);
                let task = AnyTask::waiting::<Fate, _>(asker.cells.blocks(), Waits(Told::default()));
                let task = asker.begin_watch(owner, task, watched).expect("there is room");
                asker.links.publish(&asker);
                if late_watch {
                    current::scope(&asked, || lane_end.deliver(usize::MAX));
                }
                (!late_watch).then(fill);
                assert!(asker.cancel_watch(owner, task));
                asker.links.publish(&asker);
            });
            current::scope(&asked, || {
                let mut deliver_lane = || lane_end.deliver(usize::MAX);
                late_watch.then(&mut deliver_lane);
                envelopes.try_iter().for_each(Envelope::deliver);
                (!late_watch).then(&mut deliver_lane);
                assert!(asked.watches.is_empty());
            });
            directory::close(two);
        }
    }

    #[test]
    fn a_watch_that_is_lost_with_a_core_is_answered() {
        let core = core(0);
        current::scope(&core, || {
            let owner = cell(&core);
            let told = Told::default();
            let task = AnyTask::waiting::<Fate, _>(core.cells.blocks(), Waits(told.clone()));
            let task = core.begin_watch(owner, task, core.address(owner)).expect("there is room");
            drop(core.watches.remove((core.id, task)));
            run(&core, owner);
            assert_eq!(*told.borrow(), [Some(Fate::UNKNOWN)]);
        });
    }
}
