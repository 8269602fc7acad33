//! Where messages wait that found the way into a core full, and whose senders wait for room.
//!
//! Knows: in which order they came, whose sender has given up, how far the core has come. Must not know what makes room.
//!
//! There is one for each core, for whatever comes to it, by lanes and by its inbox. The core takes all that waits before it empties
//! these ways, and delivers it behind what was in them: so what was published before something came here is delivered before it.
//! What waits has a *ticket*, of numbers that grow. A sender keeps its way shut until the core has emptied the ways and begins to deliver
//! what has its ticket, which it sees for itself: nothing that it sends later overtakes, and nobody looks again and again for room.

use std::collections::VecDeque;
use std::fmt;
use std::sync::PoisonError;

use super::envelope::Arrive;
use crate::mem::Key;
use crate::sys::sync::{AtomicBool, AtomicUsize, Mutex, MutexGuard, Ordering};

/// A message whose sender waits until it is delivered.
pub trait Patient: Send + 'static {
    /// Its sender does not wait any more.
    fn is_closed(&self) -> bool;
}

/// The same with whom it is for, its type hidden.
pub trait Waits: Send {
    /// Its sender does not wait any more.
    fn is_closed(&self) -> bool;

    /// Hands it to the function that it came with, on the core that it is for.
    fn deliver(self: Box<Self>);
}

struct To<M, F> {
    cell: Key,
    arrive: F,
    message: M,
}

impl<M: Patient, F: Arrive<M>> Waits for To<M, F> {
    fn is_closed(&self) -> bool {
        self.message.is_closed()
    }

    fn deliver(self: Box<Self>) {
        let To { cell, arrive, message } = *self;
        arrive(cell, message);
    }
}

/// Those who wait, first come, first served.
#[derive(Debug)]
pub struct Queue<T> {
    waiting: VecDeque<T>,
    /// At so many it is looked for those that nobody waits for any more.
    sweep_at: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Queue<T> {
        Queue { waiting: VecDeque::new(), sweep_at: Self::SWEEP_MIN }
    }
}

impl<T> Queue<T> {
    const SWEEP_MIN: usize = 16;

    /// True if nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Puts one behind the others. Answers those that have left by then, so that there are never many more than who wait.
    #[must_use]
    pub fn push(&mut self, one: T, is_closed: impl FnMut(&T) -> bool) -> VecDeque<T> {
        let mut closed = VecDeque::new();
        if self.waiting.len() >= self.sweep_at {
            (closed, self.waiting) = self.waiting.drain(..).partition(is_closed);
            self.sweep_at = Self::SWEEP_MIN.max(2 * self.waiting.len());
        }
        self.waiting.push_back(one);
        closed
    }

    /// Takes the one that has waited longest.
    pub fn pop(&mut self) -> Option<T> {
        self.waiting.pop_front()
    }

    /// Takes all.
    #[must_use]
    pub fn take(&mut self) -> VecDeque<T> {
        std::mem::take(&mut self.waiting)
    }
}

/// Messages in front of a core.
pub type Line = VecDeque<Box<dyn Waits>>;

#[derive(Default)]
struct State {
    queue: Queue<Box<dyn Waits>>,
    /// The ticket that was given out last.
    last: usize,
}

/// The place in front of one core. See above.
#[derive(Default)]
pub struct Anteroom {
    state: Mutex<State>,
    /// Something waits. Written under the lock.
    pending: AtomicBool,
    /// The last ticket of those who have come from threads, or from other systems. Written under the lock.
    last_of_inbox: AtomicUsize,
    /// The ticket up to which all is delivered before whatever is sent now. Written by the core.
    passed: AtomicUsize,
}

impl Anteroom {
    /// Has a message wait, and answers its ticket, and those whose senders have given up: code of users runs as they are dropped.
    pub fn push<M: Patient>(
        &self,
        cell: Key,
        arrive: impl Arrive<M>,
        message: M,
        by_inbox: bool,
    ) -> (usize, VecDeque<Box<dyn Waits>>) {
        let waits = Box::new(To { cell, arrive, message });
        let mut state = self.lock();
        state.last = state.last.wrapping_add(1);
        let ticket = state.last;
        let closed = state.queue.push(waits, |waits| waits.is_closed());
        if by_inbox {
            // Relaxed: whoever else comes from outside has no order with this one; the thread itself sees it.
            self.last_of_inbox.store(ticket, Ordering::Relaxed);
        }
        // Relaxed: nothing is read by way of it. Who pushes then looks whether the core sleeps, behind a fence.
        self.pending.store(true, Ordering::Relaxed);
        (ticket, closed)
    }

    /// True if something waits: a look at memory. What a core asks before it sleeps.
    #[inline]
    pub fn is_pending(&self) -> bool {
        // Relaxed: a hint, and before a sleep the fence of the announcement orders it. The lock is for what is there.
        self.pending.load(Ordering::Relaxed)
    }

    /// Takes all that waits, for the core alone, with the ticket to [pass](Anteroom::pass) when it is delivered. None if nothing waits.
    #[inline]
    pub fn take(&self) -> Option<(Line, usize)> {
        if self.is_pending() { Some(self.take_all()) } else { None }
    }

    #[cold]
    fn take_all(&self) -> (Line, usize) {
        let mut state = self.lock();
        // Relaxed: as where it is set.
        self.pending.store(false, Ordering::Relaxed);
        (state.queue.take(), state.last)
    }

    /// The ways have been emptied, and all up to this ticket is delivered before they are again.
    pub fn pass(&self, ticket: usize) {
        // Release: what whoever sees this sends was not there when the ways were emptied.
        self.passed.store(ticket, Ordering::Release);
    }

    /// True if what has this ticket is delivered before whatever is sent from here on.
    pub fn has_passed(&self, ticket: usize) -> bool {
        // Acquire: what is sent from here on comes behind what the core took before.
        let ahead = self.passed.load(Ordering::Acquire).wrapping_sub(ticket);
        ahead <= usize::MAX / 2
    }

    /// True if somebody waits who has come by the inbox: nobody passes.
    #[inline]
    pub fn shuts_inbox(&self) -> bool {
        // Relaxed: see where it is written.
        !self.has_passed(self.last_of_inbox.load(Ordering::Relaxed))
    }

    /// Nothing that could panic runs under the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Anteroom {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Anteroom").field("pending", &self.is_pending()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use super::*;

    const CELL: Key = Key { index: 7, generation: 0 };

    /// Waits as long as somebody else has it as well.
    struct Shared(Arc<()>);

    impl Patient for Shared {
        fn is_closed(&self) -> bool {
            Arc::strong_count(&self.0) == 1
        }
    }

    #[test]
    fn a_ticket_is_passed_with_all_before_it() {
        let anteroom = Anteroom::default();
        assert!(anteroom.take().is_none() && !anteroom.shuts_inbox());
        let stays = Arc::new(());
        let push = |by_inbox| anteroom.push(CELL, |_, _: Shared| {}, Shared(stays.clone()), by_inbox).0;
        let tickets = [push(false), push(true), push(false)];
        assert!(anteroom.is_pending() && anteroom.shuts_inbox());
        let (taken, last) = anteroom.take().expect("they wait");
        let later = push(false);
        assert!(!tickets.into_iter().any(|ticket| anteroom.has_passed(ticket)) && anteroom.shuts_inbox());
        anteroom.pass(last);
        taken.into_iter().for_each(|waits| waits.deliver());
        assert!(tickets.into_iter().all(|ticket| anteroom.has_passed(ticket)) && !anteroom.shuts_inbox());
        assert!(!anteroom.has_passed(later) && anteroom.is_pending());
    }

    #[test]
    fn those_who_have_given_up_make_room() {
        let (anteroom, stays) = (Anteroom::default(), Arc::new(()));
        let mut gone = 0;
        for number in 0..1000 {
            let message = if number % 100 == 0 { stays.clone() } else { Arc::default() };
            gone += anteroom.push(CELL, |_, _: Shared| {}, Shared(message), false).1.len();
        }
        let (left, _) = anteroom.take().expect("they wait");
        assert!(left.len() <= 64 && left.len() + gone == 1000, "{} of 1000 are left", left.len());
        assert_eq!(left.iter().filter(|waits| !waits.is_closed()).count(), 10);
    }
}
