//! Cells of this core that are found by a number: the hubs of topics.
//!
//! Knows: numbers, which cell stands for each, how many subscriptions there are. Must not know what is published.
//!
//! A topic names its hub on another core by its own number, so it need not hear where that is before it goes on.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::mem::Key;

static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// The hubs of one core.
#[derive(Debug, Default)]
pub struct Hubs {
    cells: RefCell<BTreeMap<u64, Key>>,
    subscriptions: Cell<usize>,
}

impl Hubs {
    /// A number that no other topic of the process has.
    pub fn number() -> u64 {
        // Relaxed: each number is given out once, whoever sees it when.
        NUMBERS.fetch_add(1, Ordering::Relaxed)
    }

    /// The hub of a topic.
    #[must_use]
    pub fn find(&self, number: u64) -> Option<Key> {
        self.cells.borrow().get(&number).copied()
    }

    /// From now on this is the hub of a topic that has none here.
    pub fn open(&self, number: u64, cell: Key) {
        self.cells.borrow_mut().insert(number, cell);
    }

    /// The topic has no hub here any more.
    pub fn close(&self, number: u64) {
        self.cells.borrow_mut().remove(&number);
    }

    /// Subscriptions of actors of this core, to all topics together.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        self.subscriptions.get()
    }

    /// Counts one more, unless there are as many as there may be.
    #[must_use]
    pub fn subscribe(&self, max: usize) -> bool {
        let one_more = self.subscriptions.get() < max;
        self.subscriptions.set(self.subscriptions.get() + usize::from(one_more));
        one_more
    }

    /// So many have ended.
    pub fn unsubscribe(&self, count: usize) {
        self.subscriptions.set(self.subscriptions.get() - count);
    }
}
