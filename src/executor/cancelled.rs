//! Questions from other cores whose asker has ended meanwhile.
//!
//! Knows: which task of which core waits no more. Must not know the question.
//!
//! Whether an asker on the same core still waits is seen in the table of tasks. An asker elsewhere says so when it ends, by the
//! lane on which the question came, and so after it. This saves work and decides nothing: an answer that nobody waits for
//! is dropped anyway. So the number that is remembered is bounded, and what does not fit is forgotten.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::address::{CoreId, RawAddress};
use super::core::Core;
use super::current;
use super::links::post;
use crate::mem::Key;
use crate::sys::Time;

/// More than this are forgotten.
pub(super) const REMEMBERED_MAX: usize = if cfg!(miri) { 32 } else { 1024 };

/// Askers that have ended, and until when a question of theirs may still be waiting here.
#[derive(Default)]
pub(super) struct Cancelled {
    askers: RefCell<BTreeMap<(CoreId, Key), Time>>,
    /// Before then none of them can be forgotten, if there are as many as there may be.
    full_until: Cell<Time>,
}

impl Core {
    /// Tells another core that nobody waits for the answer to a question any more.
    pub(super) fn tell_cancelled(&self, core: CoreId, task: Key) {
        let any_cell = Key { index: 0, generation: 0 };
        // If there is no room on the way, the question is handled in vain.
        let _ = post(Some(self), RawAddress::new(core, any_cell), arrive, (self.id, task));
    }

    /// An asker has said that it waits no more.
    pub(super) fn note_cancelled(&self, asker: CoreId, task: Key) {
        let (now, Cancelled { askers, full_until }) = (self.now(), &self.cancelled);
        let mut askers = askers.borrow_mut();
        if askers.len() >= REMEMBERED_MAX && full_until.get() <= now {
            askers.retain(|_, until| *until > now);
            full_until.set(askers.values().min().copied().unwrap_or(now));
        }
        if askers.len() < REMEMBERED_MAX {
            askers.insert((asker, task), now.after(self.config.ask_timeout));
        }
    }

    /// True if the asker has said that it waits no more.
    pub(super) fn is_cancelled(&self, asker: CoreId, task: Key) -> bool {
        self.cancelled.askers.borrow().contains_key(&(asker, task))
    }

    /// The same, when its question is done with; it is forgotten by that.
    pub(super) fn forget_cancelled(&self, asker: CoreId, task: Key) -> bool {
        let mut askers = self.cancelled.askers.borrow_mut();
        !askers.is_empty() && askers.remove(&(asker, task)).is_some()
    }
}

fn arrive(_: Key, (asker, task): (CoreId, Key)) {
    current::with(|core| core.map(|core| core.note_cancelled(asker, task)));
}
