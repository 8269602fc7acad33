//! Who waits for whom: the answers that keep an actor from everything else.
//!
//! Knows: which cell waits, for whose answer, and since when. Must not know circles, nor what is answered.
//!
//! A *wait* is an answer that the exclusive future of a cell has looked for when it was polled last, and that has not come. It
//! lies on the core of whoever waits, where everything about it is decided but that the answer has come.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::super::address::{CoreId, RawAddress};
use super::super::core::Core;
use super::super::oneshot::{Oneshot, Refusing};
use super::super::task_answer::AskError;
use crate::mem::{Key, MaybeKey, Slab};

/// An answer that somebody waits for.
pub trait Awaited {
    /// True if it is still to come, from where it was asked for.
    fn is_expected(&self) -> bool;

    /// Says that it will not come, unless it has, or somebody has begun to make it. A panic of a user's waker passes through.
    fn refuse(&self, why: AskError) -> Refusing;
}

impl<T> Awaited for Oneshot<Result<T, AskError>> {
    fn is_expected(&self) -> bool {
        Oneshot::is_expected(self)
    }

    fn refuse(&self, why: AskError) -> Refusing {
        Oneshot::refuse(self, Err(why))
    }
}

/// Names a wait from its beginning, on any core. If it ceases for a while, it is another one after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct WaitId {
    pub(in super::super) core: CoreId,
    pub(in super::super) key: Key,
    since: u32,
}

struct Wait {
    owner: Key,
    to: RawAddress,
    answer: Arc<dyn Awaited>,
    /// The poll of its owner from which on each has looked for the answer.
    since: u32,
    /// The last that has.
    polled: u32,
    previous: MaybeKey,
    next: MaybeKey,
}

/// The waits of one core. Each belongs to a future, so that no limit is needed beside memory.
pub(super) struct Waits {
    all: RefCell<Slab<Wait>>,
    /// The cell whose exclusive future is polled now.
    polling: Cell<Option<Key>>,
}

impl Default for Waits {
    fn default() -> Waits {
        Waits { all: RefCell::new(Slab::new(u32::MAX)), polling: Cell::new(None) }
    }
}

impl Core {
    /// The exclusive future of a cell is polled next.
    pub(in super::super) fn begin_exclusive_poll(&self, cell: Key) {
        self.with_polls(cell, |polls| *polls = polls.wrapping_add(1).max(1));
        self.tasks.waits.polling.set(Some(cell));
    }

    /// It has been polled, or has panicked.
    pub(in super::super) fn end_exclusive_poll(&self) {
        self.tasks.waits.polling.set(None);
    }

    fn with_polls<R>(&self, cell: Key, act: impl FnOnce(&mut u32) -> R) -> Option<R> {
        let desk = self.cells.desk(cell)?;
        self.tasks.table.borrow_mut().errands(desk).map(|errands| act(&mut errands.polls))
    }

    /// True if it is an exclusive future that is polled now.
    #[inline]
    #[must_use]
    pub fn is_polling_exclusive(&self) -> bool {
        self.tasks.waits.polling.get().is_some()
    }

    /// Notes that the exclusive future that is polled now waits for an answer from there; none if none is polled.
    /// [`go_on_waiting`](Core::go_on_waiting) says when that begins.
    pub fn begin_wait(&self, to: RawAddress, answer: Arc<dyn Awaited>) -> Option<Key> {
        let owner = self.tasks.waits.polling.get()?;
        let desk = self.cells.desk(owner)?;
        let mut table = self.tasks.table.borrow_mut();
        let errands = table.errands(desk)?;
        let mut all = self.tasks.waits.all.borrow_mut();
        let next = errands.waits;
        let wait = Wait { owner, to, answer, since: 0, polled: 0, previous: MaybeKey::NONE, next };
        let key = all.insert(wait).ok().expect("four thousand million futures do not find room in memory");
        errands.waits = MaybeKey::some(key);
        if let Some(next) = next.get().and_then(|next| all.get_mut(next)) {
            next.previous = errands.waits;
        }
        Some(key)
    }

    /// Notes that the future that is polled now looks for the answer; true if that begins, for the first time or once more. A future that is
    /// not the one of the cell that waits says nothing of that.
    pub fn go_on_waiting(&self, wait: Key) -> bool {
        let mut all = self.tasks.waits.all.borrow_mut();
        let polling = self.tasks.waits.polling.get();
        let Some(wait) = all.get_mut(wait).filter(|wait| polling == Some(wait.owner)) else { return false };
        let Some(polls) = self.with_polls(wait.owner, |polls| *polls) else { return false };
        let begins = wait.since == 0 || polls.wrapping_sub(wait.polled) > 1;
        if begins {
            wait.since = polls;
        }
        wait.polled = polls;
        begins
    }

    /// Forgets a wait; does nothing if it has been forgotten.
    pub fn end_wait(&self, wait: Key) {
        let removed = self.tasks.waits.all.borrow_mut().remove(wait);
        let Some(removed) = removed else { return };
        let mut all = self.tasks.waits.all.borrow_mut();
        if let Some(next) = removed.next.get().and_then(|next| all.get_mut(next)) {
            next.previous = removed.previous;
        }
        if let Some(previous) = removed.previous.get() {
            all.get_mut(previous).expect("they are in one list").next = removed.next;
            return;
        }
        if let Some(desk) = self.cells.desk(removed.owner)
            && let Some(errands) = self.tasks.table.borrow_mut().errands(desk)
        {
            errands.waits = removed.next;
        }
    }

    /// Forgets what a cell has waited for whose exclusive future has ended.
    pub(super) fn end_waits(&self, first: MaybeKey) {
        let mut at = first;
        while let Some(key) = at.get() {
            let removed = self.tasks.waits.all.borrow_mut().remove(key);
            at = removed.map_or(MaybeKey::NONE, |wait| wait.next);
        }
    }

    /// Calls `each` with what a cell waits for: whom it has asked, and the name of the wait.
    pub(in super::super) fn each_wait(&self, cell: Key, mut each: impl FnMut(RawAddress, WaitId)) {
        let Some(desk) = self.cells.desk(cell) else { return };
        let mut table = self.tasks.table.borrow_mut();
        let Some(errands) = table.errands(desk) else { return };
        let (mut at, polls, all) = (errands.waits, errands.polls, self.tasks.waits.all.borrow());
        while let Some((key, wait)) = at.get().and_then(|key| Some((key, all.get(key)?))) {
            if wait.lasts(polls) {
                each(wait.to, WaitId { core: self.id, key, since: wait.since });
            }
            at = wait.next;
        }
    }

    /// Who waits, for whom, and the name of the wait.
    pub(in super::super) fn wait(&self, key: Key) -> Option<(RawAddress, RawAddress, WaitId)> {
        let all = self.tasks.waits.all.borrow();
        let wait = all.get(key)?;
        Some((self.address(wait.owner), wait.to, WaitId { core: self.id, key, since: wait.since }))
    }

    /// True if a wait of this core has not ceased since it was named.
    pub(in super::super) fn still_waits(&self, id: WaitId) -> bool {
        let all = self.tasks.waits.all.borrow();
        let wait = all.get(id.key).filter(|wait| wait.since == id.since);
        wait.is_some_and(|wait| self.with_polls(wait.owner, |polls| wait.lasts(*polls)) == Some(true))
    }

    /// Tells whoever waits that there will be no answer, unless somebody has begun to make it.
    pub(in super::super) fn refuse_wait(&self, id: WaitId, why: AskError) -> Refusing {
        let answer = self.tasks.waits.all.borrow().get(id.key).map(|wait| Arc::clone(&wait.answer));
        // One whose waker panics has been told.
        let refusing = answer.map(|answer| self.contain(|| answer.refuse(why)).unwrap_or(Refusing::Refused));
        refusing.unwrap_or(Refusing::Over)
    }
}

impl Wait {
    fn lasts(&self, polls: u32) -> bool {
        self.polled == polls && self.answer.is_expected()
    }
}
