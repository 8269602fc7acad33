//! Actors at rest: what is stored of each on its core.
//!
//! Knows: slots, generations, the type of what is stored, notices waiting for a cell, the order in which cells run. Must not
//! know what actors do.
//!
//! A cell is a *head*, which addresses look for by its type, and a *body*, which is run. Both lie in one block. The run
//! queue is a list through the slots, so queueing never allocates.
//!
//! Invariants:
//! 1. `stored` of a slot points to a live `Stored<H, B>` of the types that its vtable was made for: where no cell is, to `VACANT`,
//!    which is never freed. The vtable comes first in it, the head second. Only shared references to it are ever made.
//! 2. A `Stored` is freed only while `loans` is zero: no reference into any of them is alive then. What lends counts itself for as
//!    long as a call lasts. A state that a task borrows for longer is no part of that: the tasks of a cell are ended before it is
//!    removed, because its desk is closed first.
//! 3. References to slots never leave the functions of this file and of `activation.rs`, and none is alive while `slots` grows or while code
//!    from outside runs.
//! 4. `stored` of an [`Activation`] is that of the slot of the cell that runs, lent for as long as there is the activation.
#![allow(unsafe_code)]

mod activation;
mod flags;

use std::any::{TypeId, type_name};
use std::cell::{Cell, UnsafeCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use super::blame;
use super::core::Core;
use super::notice::{Notice, NoticeList, Notices};
use super::watches::Fate;
use crate::mem::{Blocks, BlocksOwner, Key};

pub use activation::Activation;
pub use flags::Demand;
use flags::{
    ABORT, BEGIN, BODY, BROKEN, CLOSED, CUT, DEMANDS, ERRANDS, GIVE_UP, HALT, IO, KEPT, LINK_ENDED, NAMED,
    OVERFLOW, PAUSES, QUEUED, RAN, STOP, SUSPENDED,
};

/// The part of a cell that is run.
pub trait Body<H>: 'static {
    /// Runs the cell once, within the budget of `activation`. A panic must not leave it.
    fn activate(&self, head: &H, activation: &Activation<'_>) -> Outcome;
}

/// How an activation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing more to do until something new arrives.
    Rest,
    /// The budget ran out: run again after the others.
    Again,
    /// The actor has ended and nothing of it is in flight: its slot can be used again.
    Ended,
}

/// What became of the cell that was next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activated {
    /// None waited.
    None,
    /// It was run, or had ended meanwhile, and rests.
    Cell(Key, Outcome),
}

#[repr(C)]
struct Stored<H, B> {
    vtable: &'static Vtable,
    head: H,
    body: B,
}

/// The beginning of a [`Stored`], whatever its body.
#[repr(C)]
struct Headed<H> {
    vtable: &'static Vtable,
    head: H,
}

/// Points to the beginning of a [`Stored`] of any type.
type AnyStored = NonNull<&'static Vtable>;

struct Vtable {
    head: TypeId,
    /// That of the head, for reports.
    name: fn() -> &'static str,
    activate: unsafe fn(AnyStored, &Activation<'_>) -> Outcome,
    free: unsafe fn(AnyStored, &Blocks),
}

struct Vtables<H, B>(H, B);

impl<H: 'static, B: Body<H>> Vtables<H, B> {
    const VTABLE: Vtable = Vtable {
        head: TypeId::of::<H>(),
        name: type_name::<H>,
        activate: activate::<H, B>,
        free: free::<H, B>,
    };
}

/// # Safety
/// `stored` points to a live `Stored<H, B>` that is not freed meanwhile.
unsafe fn activate<H, B: Body<H>>(stored: AnyStored, activation: &Activation<'_>) -> Outcome {
    // SAFETY: as the caller promises.
    let stored = unsafe { stored.cast::<Stored<H, B>>().as_ref() };
    stored.body.activate(&stored.head, activation)
}

/// # Safety
/// `stored` is a `Stored<H, B>` in these blocks, is not referred to, and is not used again.
unsafe fn free<H, B>(stored: AnyStored, blocks: &Blocks) {
    // SAFETY: as the caller promises.
    unsafe { blocks.remove(stored.cast::<Stored<H, B>>()) };
}

/// What is stored where no cell is, so that nobody need look whether anything is: nobody looks for such a head, and there is nothing
/// to run.
struct Vacant;

static VACANT: Stored<Vacant, Vacant> =
    Stored { vtable: &Vtables::<Vacant, Vacant>::VTABLE, head: Vacant, body: Vacant };

impl Body<Vacant> for Vacant {
    fn activate(&self, _: &Vacant, _: &Activation<'_>) -> Outcome {
        Outcome::Rest
    }
}

fn vacant() -> AnyStored {
    NonNull::from(&VACANT).cast()
}

struct Slot {
    stored: Cell<AnyStored>,
    generation: Cell<u32>,
    notices: NoticeList,
    /// The slot behind this one in the run queue; none if it is the last.
    next_ready: Cell<u32>,
    /// Its desk, if it has one; of a free slot, the next that is free.
    desk: Cell<u32>,
    /// Above them, once it is closed, why it ended.
    flags: Cell<u32>,
}

/// Where a slot is, is a shift of its number.
const _: () = assert!(size_of::<Slot>() == 32 || size_of::<usize>() < 8);

const NONE: u32 = u32::MAX;

/// The cells of one core.
pub struct Cells {
    slots: UnsafeCell<Vec<Slot>>,
    /// The slot that was freed last.
    free: Cell<u32>,
    live: Cell<usize>,
    live_io: Cell<usize>,
    capacity: u32,
    /// Calls that are lent references into what is stored: no more than there is room for on the stack.
    loans: Cell<u64>,
    demands: Cell<u32>,
    /// The bits of the name of the cell that was activated last, in one word.
    activated: Cell<u64>,
    /// The ends of the run queue: slots whose flag says that they are queued, each once. The last is of no account while there is no
    /// first.
    first_ready: Cell<u32>,
    last_ready: Cell<u32>,
    blocks: BlocksOwner,
    notices: Notices,
}

impl std::fmt::Debug for Cells {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Cells").field("live", &self.live.get()).finish_non_exhaustive()
    }
}

/// Notes that references into stored cells are alive, also when that ends by unwinding.
struct Loan<'a>(&'a Cell<u64>);

impl<'a> Loan<'a> {
    #[inline(always)]
    fn new(loans: &'a Cell<u64>) -> Loan<'a> {
        loans.set(loans.get() + 1);
        Loan(loans)
    }
}

impl Drop for Loan<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// What is done with the head of a cell, and a value that is for it.
pub trait Visit<H, V> {
    /// What comes of it.
    type Result;

    /// Is lent the head.
    fn visit(self, head: &H, value: V) -> Self::Result;
}

struct Act<F>(F);

impl<H, V, R, F: FnOnce(&H, V) -> R> Visit<H, V> for Act<F> {
    type Result = R;

    #[inline]
    fn visit(self, head: &H, value: V) -> R {
        (self.0)(head, value)
    }
}

impl Cells {
    /// What the core has of each cell beside what is stored.
    pub const SLOT_BYTES: usize = size_of::<Slot>();

    /// Room for at most `capacity` cells; memory comes as it is needed.
    #[must_use]
    pub fn new(capacity: u32) -> Cells {
        Cells {
            slots: UnsafeCell::new(Vec::new()),
            free: Cell::new(NONE),
            live: Cell::new(0),
            live_io: Cell::new(0),
            capacity: capacity.min(NONE - 1),
            loans: Cell::new(0),
            activated: Cell::new(Key { index: NONE, generation: 0 }.to_bits()),
            demands: Cell::new(0),
            first_ready: Cell::new(NONE),
            last_ready: Cell::new(NONE),
            blocks: BlocksOwner::default(),
            notices: Notices::new(),
        }
    }

    /// Stores a cell; hands its parts back when there is no room.
    pub fn insert<H: 'static, B: Body<H>>(&self, head: H, body: B) -> Result<Key, (H, B)> {
        self.store(head, body, false)
    }

    /// Stores a cell and queues it to be run; hands its parts back when there is no room.
    #[inline]
    pub fn insert_ready<H: 'static, B: Body<H>>(&self, head: H, body: B) -> Result<Key, (H, B)> {
        self.store(head, body, true)
    }

    #[inline(always)]
    fn store<H: 'static, B: Body<H>>(&self, head: H, body: B, ready: bool) -> Result<Key, (H, B)> {
        let Some(index) = self.vacant() else { return Err((head, body)) };
        let stored = Stored { vtable: &Vtables::<H, B>::VTABLE, head, body };
        let slot = self.slot(index).expect("a vacant slot exists");
        slot.stored.set(self.blocks.insert(stored).cast());
        // Nothing of the occupant before reaches the new one, but that its slot may still stand in the run queue.
        let queued = slot.flags.get() & QUEUED;
        slot.flags.set(if ready { QUEUED } else { queued });
        if ready && queued == 0 {
            self.append(index, slot);
        }
        self.live.set(self.live.get() + 1);
        Ok(Key { index, generation: slot.generation.get() })
    }

    #[inline(always)]
    fn vacant(&self) -> Option<u32> {
        let index = self.free.get();
        let Some(slot) = self.slot(index) else { return self.add_slot() };
        self.free.set(slot.desk.replace(NONE));
        Some(index)
    }

    #[inline(never)]
    fn add_slot(&self) -> Option<u32> {
        // SAFETY: no reference to a slot is alive (invariant 3).
        let slots = unsafe { &mut *self.slots.get() };
        if slots.len() >= self.capacity as usize {
            return None;
        }
        slots.push(Slot {
            stored: Cell::new(vacant()),
            generation: Cell::new(0),
            notices: NoticeList::new(),
            next_ready: Cell::new(NONE),
            desk: Cell::new(NONE),
            flags: Cell::new(0),
        });
        Some(slots.len() as u32 - 1)
    }

    #[inline(always)]
    fn slot(&self, index: u32) -> Option<&Slot> {
        // SAFETY: only `add_slot` grows the vector, and no reference obtained here is alive then (invariant 3).
        let slots = unsafe { &*self.slots.get() };
        slots.get(index as usize)
    }

    /// # Safety
    /// There is a slot of this index.
    #[inline(always)]
    unsafe fn slot_unchecked(&self, index: u32) -> &Slot {
        // SAFETY: only `add_slot` grows the vector, and no reference obtained here is alive then (invariant 3).
        let slots = unsafe { &*self.slots.get() };
        // SAFETY: as the caller promises.
        unsafe { slots.get_unchecked(index as usize) }
    }

    #[inline(always)]
    fn occupied(&self, cell: Key) -> Option<&Slot> {
        // A free slot has the generation of its next occupant, which names nobody yet.
        self.slot(cell.index).filter(|slot| slot.generation.get() == cell.generation)
    }

    /// Calls `act` with the head of a cell and a value, if the cell exists, is open, and has a head of this type; and queues the
    /// cell to be run, for who looks for a head has something to put into it. The head stays where it is meanwhile, even if the cell
    /// ends.
    ///
    /// # Errors
    /// The value, if there is no such head.
    #[inline(always)]
    pub fn reach<H: 'static, V, R>(&self, cell: Key, value: V, act: impl FnOnce(&H, V) -> R) -> Result<R, V> {
        self.reach_with(cell, value, Act(act))
    }

    /// The same for the path of a single message: where `visit` is always inlined, the value never goes through memory.
    #[inline(always)]
    pub fn reach_with<H: 'static, V, T: Visit<H, V>>(
        &self,
        cell: Key,
        value: V,
        visitor: T,
    ) -> Result<T::Result, V> {
        let slot = self.occupied(cell).filter(|slot| slot.flags.get() & CLOSED == 0);
        let Some((slot, head)) = slot.and_then(|slot| Some((slot, Self::head(slot)?))) else {
            return Err(value);
        };
        self.enqueue(cell.index, slot);
        let _loan = Loan::new(&self.loans);
        // SAFETY: a live head (see `head`), which is not freed while it is lent (invariant 2).
        Ok(visitor.visit(unsafe { head.as_ref() }, value))
    }

    /// Calls `act` with the head of a cell, open or not, if the cell exists and has a head of this type.
    #[inline]
    pub fn find<H: 'static, R>(&self, cell: Key, act: impl FnOnce(&H) -> R) -> Option<R> {
        let head = Self::head(self.occupied(cell)?)?;
        let _loan = Loan::new(&self.loans);
        // SAFETY: a live head (see `head`), which is not freed while it is lent (invariant 2).
        Some(act(unsafe { head.as_ref() }))
    }

    /// The head of what is stored, if it is of this type. It lives until what is stored is freed.
    #[inline(always)]
    fn head<H: 'static>(slot: &Slot) -> Option<NonNull<H>> {
        // SAFETY: what a slot stores is live (invariant 1).
        unsafe { Cells::head_of(slot.stored.get()) }
    }

    /// The same of something that is stored.
    ///
    /// # Safety
    /// It is a live `Stored`.
    #[inline(always)]
    unsafe fn head_of<H: 'static>(stored: AnyStored) -> Option<NonNull<H>> {
        // SAFETY: the first field of a `Stored` is its vtable (invariant 1).
        let vtable = unsafe { stored.read() };
        if vtable.head != TypeId::of::<H>() {
            return None;
        }
        // SAFETY: a `Stored` whose head is an `H` (invariant 1, the type was compared) begins like a `Headed<H>`.
        let stored = unsafe { stored.cast::<Headed<H>>().as_ref() };
        Some(NonNull::from(&stored.head))
    }

    /// Runs the cell that has waited longest.
    #[inline(always)]
    pub fn activate_next(&self, core: &Core) -> Activated {
        let index = self.first_ready.get();
        let Some(slot) = self.slot(index) else { return Activated::None };
        self.first_ready.set(slot.next_ready.get());
        let flags = slot.flags.get();
        slot.flags.set(flags & !QUEUED | RAN);
        let stored = slot.stored.get();
        let cell = Key { index, generation: slot.generation.get() };
        let name = cell.to_bits();
        self.activated.set(name);
        let _loan = Loan::new(&self.loans);
        let activation = Activation { core, name, stored, flags };
        // SAFETY: what a slot stores is live, and its first field is its vtable (invariant 1).
        let vtable = unsafe { stored.read() };
        // SAFETY: the vtable was made for what is stored (invariant 1), which is not freed meanwhile (invariant 2).
        let outcome = unsafe { (vtable.activate)(stored, &activation) };
        Activated::Cell(cell, outcome)
    }

    /// The cell that runs, or has run last.
    #[must_use]
    pub fn activated(&self) -> Key {
        Key::from_bits(self.activated.get())
    }

    /// The cell that has waited longest; none if none waits.
    #[must_use]
    pub fn next(&self) -> Option<Key> {
        let index = self.first_ready.get();
        self.slot(index).map(|slot| Key { index, generation: slot.generation.get() })
    }

    /// The type of the head of a cell; none if there is no such cell.
    #[must_use]
    pub fn name(&self, cell: Key) -> Option<&'static str> {
        Self::name_of(self.occupied(cell)?)
    }

    fn name_of(slot: &Slot) -> Option<&'static str> {
        let stored = Some(slot.stored.get()).filter(|stored| *stored != vacant())?;
        // SAFETY: what a slot stores is live, and its first field is its vtable (invariant 1).
        let vtable = unsafe { stored.read() };
        Some((vtable.name)())
    }

    /// True if a cell waits to be run.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        self.first_ready.get() != NONE
    }

    /// Queues a cell to be run, unless it is queued already or gone.
    pub fn schedule(&self, cell: Key) {
        if let Some(slot) = self.occupied(cell) {
            self.enqueue(cell.index, slot);
        }
    }

    #[inline(always)]
    fn enqueue(&self, index: u32, slot: &Slot) {
        let flags = slot.flags.get();
        if flags & QUEUED != 0 {
            return;
        }
        slot.flags.set(flags | QUEUED);
        self.append(index, slot);
    }

    /// Puts a slot, whose flag says so, at the end of the run queue.
    #[inline(always)]
    fn append(&self, index: u32, slot: &Slot) {
        slot.next_ready.set(NONE);
        let last = self.last_ready.replace(index);
        if self.first_ready.get() == NONE {
            self.first_ready.set(index);
        } else if let Some(last) = self.slot(last) {
            last.next_ready.set(index);
        }
    }

    /// From now on no address finds the cell, which ends for this reason.
    pub fn close(&self, cell: Key, fate: Fate) {
        if let Some(slot) = self.occupied(cell) {
            slot.flags.set(flags::closed(slot.flags.get(), fate));
        }
    }

    /// Why a cell ended, if it has and that was said.
    #[must_use]
    pub(super) fn fate(&self, cell: Key) -> Fate {
        self.occupied(cell).map_or(Fate::UNKNOWN, |slot| flags::fate(slot.flags.get()))
    }

    /// Records what is asked of a cell; false if it is gone.
    pub fn demand(&self, cell: Key, demand: Demand) -> bool {
        let Some(slot) = self.occupied(cell) else { return false };
        slot.flags.set(slot.flags.get() | demand.flag());
        self.interrupt();
        true
    }

    /// Has a cell that waits for it begin again.
    pub fn begin(&self, cell: Key) {
        if let Some(slot) = self.occupied(cell) {
            slot.flags.set(slot.flags.get() | BEGIN);
            self.enqueue(cell.index, slot);
        }
    }

    /// True if a cell is to begin again; once.
    #[must_use]
    pub fn take_begin(&self, cell: Key) -> bool {
        self.occupied(cell).is_some_and(|slot| slot.flags.replace(slot.flags.get() & !BEGIN) & BEGIN != 0)
    }

    /// Notes that another cell sees to it that this one stops.
    pub(super) fn mark_kept(&self, cell: Key) {
        if let Some(slot) = self.occupied(cell) {
            slot.flags.set(slot.flags.get() | KEPT);
        }
    }

    /// Notes that an actor has a name. False if it has ended.
    pub(super) fn mark_named(&self, cell: Key) -> bool {
        let open = self.occupied(cell).filter(|slot| slot.flags.get() & CLOSED == 0);
        open.is_some_and(|slot| {
            slot.flags.set(slot.flags.get() | NAMED);
            true
        })
    }

    /// True if another cell sees to it that this one stops.
    #[must_use]
    pub fn is_kept(&self, cell: Key) -> bool {
        self.occupied(cell).is_some_and(|slot| slot.flags.get() & KEPT != 0)
    }

    /// Notes that a cell was cut off; true if that was not known.
    pub(super) fn mark_cut(&self, cell: Key) -> bool {
        self.occupied(cell).is_some_and(|slot| slot.flags.replace(slot.flags.get() | CUT) & CUT == 0)
    }

    /// True if a cell was cut off.
    pub(super) fn is_cut(&self, cell: Key) -> bool {
        self.occupied(cell).is_some_and(|slot| slot.flags.get() & CUT != 0)
    }

    /// Has the actor that runs look whether it may go on.
    pub fn interrupt(&self) {
        self.demands.set(self.demands.get().wrapping_add(1));
    }

    /// Changes whenever something is asked of any cell: an actor that runs looks whether it may go on.
    #[must_use]
    pub fn demands(&self) -> u32 {
        self.demands.get()
    }

    /// True if its actor has ended, and what is left is its socket; or if there is none.
    #[must_use]
    pub fn is_closed(&self, cell: Key) -> bool {
        self.occupied(cell).is_none_or(|slot| slot.flags.get() & CLOSED != 0)
    }

    /// True if something is asked of a cell, or it is to be told something: that comes before its messages.
    #[must_use]
    pub fn is_asked(&self, cell: Key) -> bool {
        self.occupied(cell).is_some_and(|slot| slot.flags.get() & DEMANDS != 0 || !slot.notices.is_empty())
    }

    /// Takes what was asked of a cell; the sternest demand if there are several, which [settles](Demand::settled) the others. All but an
    /// abort stay where they are while the cell is suspended.
    pub fn take_demand(&self, cell: Key) -> Option<Demand> {
        let slot = self.occupied(cell)?;
        let flags = slot.flags.get();
        let demand = if flags & BROKEN != 0 {
            Demand::Broken
        } else if flags & ABORT != 0 {
            Demand::Abort
        } else if flags & OVERFLOW != 0 {
            Demand::Overflow
        } else if flags & SUSPENDED != 0 {
            return None;
        } else if flags & STOP != 0 {
            Demand::Stop
        } else if flags & GIVE_UP != 0 {
            Demand::GiveUp
        } else if flags & LINK_ENDED != 0 {
            Demand::EndLink
        } else if flags & HALT != 0 {
            Demand::Halt
        } else {
            return None;
        };
        slot.flags.set(flags & !demand.settled());
        Some(demand)
    }

    /// True if there is such a cell.
    #[inline]
    #[must_use]
    pub fn exists(&self, cell: Key) -> bool {
        self.occupied(cell).is_some()
    }

    /// The number that stands for a cell's desk, if it has one.
    #[inline]
    #[must_use]
    pub fn desk(&self, cell: Key) -> Option<u32> {
        Some(self.desk_or_none(cell)).filter(|desk| *desk != NONE)
    }

    /// The same where a number that stands for none is as good as none.
    #[inline(always)]
    #[must_use]
    pub(super) fn desk_or_none(&self, cell: Key) -> u32 {
        self.occupied(cell).map_or(NONE, |slot| slot.desk.get())
    }

    /// Gives a cell a desk, or takes it away.
    pub fn set_desk(&self, cell: Key, desk: Option<u32>) {
        if let Some(slot) = self.occupied(cell) {
            slot.desk.set(desk.unwrap_or(NONE));
        }
    }

    /// Notes whether errands wait for the cell, and queues it if they do.
    #[inline]
    pub fn set_errands(&self, cell: Key, waiting: bool) {
        if let Some(slot) = self.occupied(cell) {
            if !waiting {
                return slot.flags.set(slot.flags.get() & !ERRANDS);
            }
            self.queue_errands(cell);
        }
    }

    /// Notes that errands wait for the cell, and queues it: for the path of a single answer.
    #[inline(always)]
    pub(super) fn queue_errands(&self, cell: Key) {
        if let Some(slot) = self.occupied(cell) {
            let flags = slot.flags.get();
            slot.flags.set(flags | ERRANDS | QUEUED);
            if flags & QUEUED == 0 {
                self.append(cell.index, slot);
            }
        }
    }

    /// True if errands wait for the cell.
    #[must_use]
    pub fn has_errands(&self, cell: Key) -> bool {
        self.occupied(cell).is_some_and(|slot| slot.flags.get() & ERRANDS != 0)
    }

    /// Notes whether a future borrows the state of the cell.
    pub fn set_suspended(&self, cell: Key, suspended: bool) {
        if let Some(slot) = self.occupied(cell) {
            let flags = slot.flags.get();
            slot.flags.set(if suspended { flags | SUSPENDED } else { flags & !SUSPENDED });
            self.interrupt();
        }
    }

    /// Notes whether so much output of the cell waits that reading must pause.
    #[cold]
    pub(super) fn set_pauses(&self, cell: Key, pauses: bool) {
        if let Some(slot) = self.occupied(cell) {
            let flags = slot.flags.get();
            slot.flags.set(if pauses { flags | PAUSES } else { flags & !PAUSES });
            if pauses {
                self.interrupt();
            }
        }
    }

    /// Notes whether the cell is to receive a body before anything else.
    #[cold]
    pub(super) fn set_body(&self, cell: Key, has: bool) {
        if let Some(slot) = self.occupied(cell) {
            let flags = slot.flags.get();
            slot.flags.set(if has { flags | BODY } else { flags & !BODY });
            self.interrupt();
        }
    }

    /// True if the cell is to receive a body before anything else.
    #[must_use]
    pub fn has_body(&self, cell: Key) -> bool {
        self.occupied(cell).is_some_and(|slot| slot.flags.get() & BODY != 0)
    }

    /// True if a future borrows the state of the cell, which handles nothing else meanwhile.
    #[must_use]
    pub fn is_suspended(&self, cell: Key) -> bool {
        self.occupied(cell).is_some_and(|slot| slot.flags.get() & SUSPENDED != 0)
    }

    /// Puts a notice behind those that wait for the cell, and queues it; hands the notice back if the cell is gone. Inlined where
    /// completions are routed; others call [`Core::notify`](super::Core::notify).
    #[inline(always)]
    pub fn notify(&self, cell: Key, notice: Notice) -> Result<(), Notice> {
        let Some(slot) = self.occupied(cell) else { return Err(notice) };
        self.notices.push(&slot.notices, notice);
        self.enqueue(cell.index, slot);
        Ok(())
    }

    /// Takes the oldest notice of a cell.
    pub fn next_notice(&self, cell: Key) -> Option<Notice> {
        self.notices.pop(&self.occupied(cell)?.notices)
    }

    /// True if a notice waits for the cell.
    #[must_use]
    pub fn has_notice(&self, cell: Key) -> bool {
        self.occupied(cell).is_some_and(|slot| !slot.notices.is_empty())
    }

    /// True if no cell is being visited, so that one may be freed.
    pub(crate) fn none_is_lent(&self) -> bool {
        self.loans.get() == 0
    }

    /// Frees a cell that has ended, and what is stored of it. True if that panicked as it was dropped.
    ///
    /// # Panics
    /// When called from within a cell. When a notice still waits for it: something of it was in flight, and a slot is not reused
    /// then.
    #[inline(always)]
    pub(crate) fn remove(&self, cell: Key) -> bool {
        let Some(slot) = self.occupied(cell) else { return false };
        assert!(self.loans.get() == 0, "cells are freed between activations");
        assert!(slot.notices.is_empty(), "a cell ended with a notice waiting for it");
        let stored = slot.stored.replace(vacant());
        if stored == vacant() {
            return false;
        }
        self.live.set(self.live.get() - 1);
        self.live_io.set(self.live_io.get() - usize::from(slot.flags.get() & IO != 0));
        // A slot whose generation would wrap is retired: an old address must never reach a stranger. The last generation is that
        // of no cell.
        let next = slot.generation.get() + 1;
        slot.generation.set(next);
        if next < u32::MAX {
            slot.desk.set(self.free.replace(cell.index));
        }
        self.bury(stored)
    }

    /// Frees what was stored of a cell that was taken out of its slot. True if that panicked.
    #[inline]
    fn bury(&self, stored: AnyStored) -> bool {
        // SAFETY: a `Stored` that is live until it is freed below; its first field is its vtable (invariant 1).
        let vtable = unsafe { stored.read() };
        // SAFETY: taken out of its slot by `remove`, so nobody finds it any more, and freed once; nobody refers to it, as
        // nothing was lent (invariant 2).
        let free = || unsafe { (vtable.free)(stored, &self.blocks) };
        let Err(panic) = catch_unwind(AssertUnwindSafe(free)) else { return false };
        blame::contained();
        std::mem::forget(panic);
        true
    }

    /// The memory of cells, and of what belongs to one.
    #[must_use]
    pub fn blocks(&self) -> &BlocksOwner {
        &self.blocks
    }

    /// Notes that a cell owns a socket.
    pub fn mark_io(&self, cell: Key) {
        if let Some(slot) = self.occupied(cell) {
            slot.flags.set(slot.flags.get() | IO);
            self.live_io.set(self.live_io.get() + 1);
        }
    }

    /// True if the cell owns a socket.
    #[must_use]
    pub fn is_io(&self, cell: Key) -> bool {
        self.occupied(cell).is_some_and(|slot| slot.flags.get() & IO != 0)
    }

    /// Cells that own a socket.
    #[must_use]
    pub fn live_io(&self) -> usize {
        self.live_io.get()
    }

    /// Cells that exist.
    #[must_use]
    pub fn live(&self) -> usize {
        self.live.get()
    }

    /// The keys of all cells, by slot.
    #[must_use]
    pub fn keys(&self) -> Vec<Key> {
        // SAFETY: only `add_slot` grows the vector, and the reference ends in this function (invariant 3).
        let slots = unsafe { &*self.slots.get() };
        let occupied = slots.iter().enumerate().filter(|(_, slot)| slot.stored.get() != vacant());
        occupied.map(|(index, slot)| Key { index: index as u32, generation: slot.generation.get() }).collect()
    }
}

impl Drop for Cells {
    /// Drops what is left.
    fn drop(&mut self) {
        for cell in self.keys() {
            while self.next_notice(cell).is_some() {}
            self.remove(cell);
        }
    }
}

#[cfg(test)]
mod tests;
