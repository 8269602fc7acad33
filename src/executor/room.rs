//! How a core learns that there is room in the inbox of another, for which it has something that must not be lost.
//!
//! Knows: who wishes for room, and that some has been made. Must not know what for.
//!
//! A core that finds the inbox of another full leaves a *wish* with that, once, in front of its ways (`anteroom.rs`): the other
//! is woken by it, empties its inbox, comes to the wish, says so here and wakes the first, which rests until then. A wish keeps nobody out: it has
//! no order with messages.

use super::address::CoreId;
use super::anteroom::{Anteroom, Line, Patient};
use super::directory;
use crate::mem::Key;
use crate::sys::sync::{AtomicBool, Ordering};

/// Whether others have made room for what one core owes them.
#[derive(Debug, Default)]
pub struct Room {
    made: AtomicBool,
}

impl Room {
    /// Another core has emptied its inbox. Then wake the one that this is told, if it sleeps.
    pub fn make(&self) {
        // Release: who sees this finds the inbox empty, or filled by others since, and the wish fulfilled.
        self.made.store(true, Ordering::Release);
    }

    /// True if something is to be tried again: a look at memory. What a core asks before it sleeps.
    #[inline]
    #[must_use]
    pub fn is_made(&self) -> bool {
        // Relaxed: a hint, and before a sleep the fence of the announcement orders it.
        self.made.load(Ordering::Relaxed)
    }

    /// The core tries everything again that it owes, from here to its next rest.
    #[inline]
    pub fn take(&self) {
        if self.is_made() {
            // Acquire: what is tried after this is tried on inboxes that have been emptied. What is made from here on is seen next time.
            self.made.swap(false, Ordering::Acquire);
        }
    }
}

/// What one core has left with another, at most once at a time: the ticket of its last wish there.
#[derive(Debug, Default)]
pub struct Wished(Option<usize>);

impl Wished {
    /// Wishes for room in front of a core whose inbox was full, unless a wish of before is there still: then that core has yet to
    /// empty its inbox. True if there is a new one, for which the other has to be woken.
    ///
    /// `fulfil` is called there. Those are answered in `closed` who have given up waiting: code of users runs as they are dropped.
    pub fn wish<M: Patient>(
        &mut self,
        anteroom: &Anteroom,
        fulfil: impl super::Arrive<M>,
        wish: impl FnOnce() -> M,
        closed: &mut Line,
    ) -> bool {
        if self.0.is_some_and(|ticket| !anteroom.has_passed(ticket)) {
            return false;
        }
        let (ticket, mut given_up) = anteroom.push(NOBODY, fulfil, wish(), false);
        self.0 = Some(ticket);
        closed.append(&mut given_up);
        true
    }
}

/// A wish is for a core, and no cell of it.
const NOBODY: Key = Key { index: 0, generation: 0 };

/// The wish of a core. It is fulfilled when it is dropped, also by a core that ends: whoever tries again is told of that.
pub(super) struct Wish(pub(super) CoreId);

impl Patient for Wish {
    fn is_closed(&self) -> bool {
        false
    }
}

impl Drop for Wish {
    fn drop(&mut self) {
        let ports = directory::ports();
        if let Some(port) = ports.find(self.0) {
            port.room.make();
            port.wake_if_asleep();
        }
    }
}
