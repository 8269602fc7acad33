//! What a cell is given when it runs.
//!
//! Knows: the slot of the cell that runs, as it was when that began and as it is now. Must not know what actors do.
//!
//! Invariants: 1. to 4. are those of `cell.rs`.
//! 5. The name of an [`Activation`] has the index of a slot. There are never fewer slots than there were.
#![allow(unsafe_code)]

use super::{
    AnyStored, BODY, BROKEN, Cells, DEMANDS, ERRANDS, Loan, NAMED, NONE, PAUSES, RAN, SUSPENDED, Slot, flags,
    vacant,
};
use crate::driver::Event;
use crate::executor::address::RawAddress;
use crate::executor::core::Core;
use crate::executor::notice::Notice;
use crate::executor::watches::Fate;
use crate::mem::Key;

/// What a cell is given when it runs.
#[derive(Debug)]
pub struct Activation<'a> {
    /// The core that it runs on.
    pub core: &'a Core,
    /// The bits of the cell's own name, in one word: it is copied into contexts.
    pub(super) name: u64,
    /// What is stored of it.
    pub(super) stored: AnyStored,
    /// The flags of its slot when it was its turn.
    pub(super) flags: u32,
}

impl<'a> Activation<'a> {
    /// Of a cell that has run before, by whoever steps it, for as long as `act` takes.
    pub fn of_started<R>(core: &'a Core, cell: Key, act: impl FnOnce(&Activation<'a>) -> R) -> R {
        assert!(core.cells.slot(cell.index).is_some(), "a cell that has run has had a slot");
        let _loan = Loan::new(&core.cells.loans);
        let occupied = core.cells.occupied(cell);
        let (stored, flags) = occupied.map_or((vacant(), 0), |slot| (slot.stored.get(), slot.flags.get()));
        act(&Activation { core, name: cell.to_bits(), stored, flags: flags | RAN })
    }
}

impl Activation<'_> {
    /// The cell's own name.
    #[inline(always)]
    #[must_use]
    pub fn cell(&self) -> Key {
        Key::from_bits(self.name)
    }

    /// The cell's own address.
    #[inline(always)]
    #[must_use]
    pub fn address(&self) -> RawAddress {
        self.core.address(self.cell())
    }

    /// True if there is nothing to look at but what waits in the cell's mailbox: what most activations are.
    #[inline(always)]
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.flags & (DEMANDS | RAN | ERRANDS | SUSPENDED) == RAN
    }

    /// True if nothing waits but errands, and perhaps messages.
    #[inline(always)]
    #[must_use]
    pub fn has_only_errands(&self) -> bool {
        self.flags & (DEMANDS | RAN | ERRANDS | SUSPENDED) == RAN | ERRANDS
    }

    /// Something was asked of the cell before it ran: see [`Cells::take_demand`](super::Cells::take_demand).
    #[inline(always)]
    #[must_use]
    pub fn demanded(&self) -> bool {
        self.flags & DEMANDS != 0
    }

    /// It has not run before.
    #[inline(always)]
    #[must_use]
    pub fn first(&self) -> bool {
        self.flags & RAN == 0
    }

    /// A reply, a wake or an interval waits for it.
    #[inline(always)]
    #[must_use]
    pub fn errands(&self) -> bool {
        self.flags & ERRANDS != 0
    }

    /// It handles nothing else until a future that borrows its state has finished.
    #[inline(always)]
    #[must_use]
    pub fn suspended(&self) -> bool {
        self.flags & SUSPENDED != 0
    }
}

/// The slot of the cell that runs, as it is now. It is that of no other cell, which saves a comparison of names.
impl Activation<'_> {
    #[inline(always)]
    fn slot(&self) -> &Slot {
        // SAFETY: the index is that of a slot (invariant 5).
        unsafe { self.core.cells.slot_unchecked(self.cell().index) }
    }

    #[inline(always)]
    fn flags_now(&self) -> u32 {
        self.slot().flags.get()
    }

    /// True if nothing comes before messages by now.
    #[inline(always)]
    #[must_use]
    pub fn is_plain_now(&self) -> bool {
        self.flags_now() & (DEMANDS | ERRANDS | SUSPENDED) == 0
    }

    /// From now on no address finds the cell, which ends for this reason; nor does a name, if it has one.
    #[inline(always)]
    pub fn close(&self, fate: Fate) {
        let slot = self.slot();
        let before = slot.flags.get();
        slot.flags.set(flags::closed(before, fate));
        if before & NAMED != 0 {
            self.core.forget_name(self.cell());
        }
    }

    /// True if errands wait for the cell by now.
    #[inline(always)]
    #[must_use]
    pub fn has_errands(&self) -> bool {
        self.flags_now() & ERRANDS != 0
    }

    /// True if a future borrows the state of the cell by now.
    #[inline(always)]
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.flags_now() & SUSPENDED != 0
    }

    /// True if so much output waits by now that reading must pause, or a body comes before anything that is read.
    #[inline(always)]
    #[must_use]
    pub fn pauses(&self) -> bool {
        self.flags_now() & (PAUSES | BODY) != 0
    }

    /// True if a body is to be received before anything else by now.
    #[inline(always)]
    #[must_use]
    pub fn has_body(&self) -> bool {
        self.flags_now() & BODY != 0
    }

    /// What has panicked with the state of the cell's actor is of no account any more: that one has ended, and the cell has not.
    pub fn clear_broken(&self) {
        let flags = &self.slot().flags;
        flags.set(flags.get() & !BROKEN);
    }

    /// Notes that errands wait. The cell is not queued for that: it runs, and has not gone on with its errands yet.
    #[inline]
    pub(in crate::executor) fn note_errands(&self) {
        let flags = &self.slot().flags;
        flags.set(flags.get() | ERRANDS);
    }

    /// Notes that no errands wait.
    #[inline(always)]
    pub fn clear_errands(&self) {
        let flags = &self.slot().flags;
        flags.set(flags.get() & !ERRANDS);
    }

    /// The number that stands for the cell's desk, if it has one.
    #[inline(always)]
    #[must_use]
    pub fn desk(&self) -> Option<u32> {
        Some(self.desk_or_none()).filter(|desk| *desk != NONE)
    }

    /// The same where a number that stands for none is as good as none.
    #[inline(always)]
    #[must_use]
    pub(in crate::executor) fn desk_or_none(&self) -> u32 {
        self.slot().desk.get()
    }

    /// What [`Core::end_tasks`] does, without a search.
    #[inline(always)]
    pub fn end_tasks(&self) {
        if let Some(desk) = self.desk() {
            self.core.end_tasks_at(self.cell(), desk);
        }
    }

    /// Takes the oldest notice.
    #[inline(always)]
    #[must_use]
    pub fn next_notice(&self) -> Option<Notice> {
        self.core.cells.notices.pop(&self.slot().notices)
    }

    /// Takes the notice that everything of a send is with the kernel, from among the others.
    #[must_use]
    pub fn take_sent(&self) -> Option<Notice> {
        let is_sent = |notice: &Notice| matches!(notice, Notice::Io(Event::Sent { error: None, .. }));
        self.core.cells.notices.take(&self.slot().notices, is_sent)
    }
}

impl Activation<'_> {
    /// What [`Cells::find`] does, without a search.
    #[inline(always)]
    pub fn with_head<H: 'static, R>(&self, act: impl FnOnce(&H) -> R) -> Option<R> {
        // SAFETY: what a slot stores is live (invariants 1 and 4).
        let head = unsafe { Cells::head_of(self.stored) }?;
        // SAFETY: a live head, as was just seen, which is not freed while it is lent (invariants 2 and 4).
        Some(act(unsafe { head.as_ref() }))
    }
}
