//! What few mailboxes have: messages that come before others, and a bound in bytes.
//!
//! Knows: queues, whose turn it is, what they weigh. Must not know who sends or handles.

use std::cell::{Cell, OnceCell};

use super::Priority;
use super::send::Offers;
use super::stash::Stash;
use crate::mem::{ChunkPool, Fifo, Key};

/// Of messages that wait at the usual priority, one is handled after so many others at the latest.
const CONTROL_IN_A_ROW: u8 = 7;

/// What a mailbox has beside its queue once somebody has needed it.
pub(super) struct Extra<T> {
    pub(super) control: Fifo<T>,
    /// What is handled next, from when it is known to when it is taken.
    pub(super) next: Fifo<T>,
    lines: [Line<T>; 2],
    /// Control messages since one of the others was taken, or more.
    since_user: Cell<u8>,
    /// The cell of an actor that stops when nothing waits any more.
    pub(super) drained: Cell<Option<Key>>,
}

/// The place of what a mailbox has beside its queue.
pub(super) struct OnExtra<T>(OnceCell<Box<Extra<T>>>);

impl<T> OnExtra<T> {
    pub(super) const fn new() -> OnExtra<T> {
        OnExtra(OnceCell::new())
    }

    #[inline(always)]
    pub(super) fn get(&self) -> Option<&Extra<T>> {
        self.0.get().map(|extra| &**extra)
    }

    /// Calls `made` if it has to be made.
    pub(super) fn made_by(&self, made: impl FnOnce()) -> &Extra<T> {
        self.0.get_or_init(|| {
            made();
            Box::new(Extra::new())
        })
    }
}

impl<T> Drop for OnExtra<T> {
    /// Aside, so that what most actors do not have costs their end nothing.
    #[inline(always)]
    fn drop(&mut self) {
        if self.0.get().is_some() {
            drop_aside(&mut self.0);
        }
    }
}

#[cold]
fn drop_aside<T>(extra: &mut OnceCell<Box<Extra<T>>>) {
    drop(extra.take());
}

/// What there is of one priority beside its queue.
pub(super) struct Line<T> {
    pub(super) stash: Stash<T>,
    /// Those who wait for room in the queue.
    pub(super) offers: Offers<T>,
    /// What waits in the queue.
    pub(super) weight: Weight,
}

/// How many bytes wait somewhere, where that is counted.
#[derive(Default)]
pub(super) struct Weight(Cell<usize>);

impl Weight {
    pub(super) fn bytes(&self) -> usize {
        self.0.get()
    }

    pub(super) fn add(&self, bytes: usize) {
        self.0.set(self.0.get().saturating_add(bytes));
    }

    /// Something weighs nothing here any more. A message may say something else by now than it did: where nothing is left, nothing weighs
    /// anything.
    fn take(&self, bytes: usize, is_last: bool) {
        self.0.set(if is_last { 0 } else { self.0.get().saturating_sub(bytes) });
    }
}

/// A message that has been taken out, and where its weight was counted.
pub(super) struct Taken<'a, T> {
    message: T,
    weight: &'a Weight,
    is_last: bool,
}

impl<T> Taken<'_, T> {
    /// The message, which weighs nothing any more.
    pub(super) fn unweighed(self, weigh: impl FnOnce(&T) -> usize) -> T {
        if self.weight.bytes() > 0 {
            self.weight.take(weigh(&self.message), self.is_last);
        }
        self.message
    }
}

impl<T> Line<T> {
    fn new() -> Line<T> {
        Line { stash: Stash::new(), offers: Offers::new(), weight: Weight::default() }
    }

    /// True if nothing is there beside the queue.
    fn is_plain(&self) -> bool {
        !self.stash.has_returned() && self.offers.is_empty()
    }

    fn is_empty(&self, queue: &Fifo<T>) -> bool {
        queue.is_empty() && !self.stash.has_returned()
    }

    fn pop(&self, chunks: &ChunkPool, queue: &Fifo<T>) -> Option<Taken<'_, T>> {
        if let Some(message) = self.stash.pop() {
            return Some(Taken { message, weight: &self.stash.weight, is_last: self.stash.len() == 0 });
        }
        self.pop_queue(chunks, queue)
    }

    /// Takes out what has waited longest in the queue.
    pub(super) fn pop_queue(&self, chunks: &ChunkPool, queue: &Fifo<T>) -> Option<Taken<'_, T>> {
        let message = queue.pop(chunks)?;
        Some(Taken { message, weight: &self.weight, is_last: queue.is_empty() })
    }
}

impl<T> Extra<T> {
    pub(super) fn new() -> Extra<T> {
        Extra {
            control: Fifo::new(),
            next: Fifo::new(),
            lines: [Line::new(), Line::new()],
            since_user: Cell::new(0),
            drained: Cell::new(None),
        }
    }

    pub(super) fn line(&self, priority: Priority) -> &Line<T> {
        &self.lines[priority as usize]
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &Line<T>> {
        self.lines.iter()
    }

    /// True if nothing comes before the queue, from which something is taken then, and nobody asks when it is empty.
    pub(super) fn passes(&self, queue: &Fifo<T>) -> bool {
        let passes =
            self.control.is_empty() && self.drained.get().is_none() && self.lines().all(Line::is_plain);
        if passes && !queue.is_empty() {
            self.since_user.set(0);
        }
        passes
    }

    /// Takes what is next, of these or of the queue.
    pub(super) fn pop(&self, chunks: &ChunkPool, queue: &Fifo<T>) -> Option<Taken<'_, T>> {
        let (in_a_row, user) = (self.since_user.get(), self.line(Priority::User));
        if (in_a_row < CONTROL_IN_A_ROW || user.is_empty(queue))
            && let Some(taken) = self.line(Priority::Control).pop(chunks, &self.control)
        {
            self.since_user.set(in_a_row.saturating_add(1));
            return Some(taken);
        }
        let taken = user.pop(chunks, queue)?;
        self.since_user.set(0);
        Some(taken)
    }
}
