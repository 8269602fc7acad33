//! A task in a block of its core, whatever its type.
//!
//! Knows: where the parts of a task lie, and which functions they have. Must not know tables, owners, nor when a task is run.
//!
//! Invariants:
//! 1. An [`AnyTask`] points to a live `Block<V, W>`, stored by [`Blocks::insert`] in the blocks that its header names, of the types
//!    that its vtable was made for. It belongs to the `AnyTask` alone. The blocks are there as long as it is: they have a
//!    [`BlocksOwner`].
//! 2. A future in a block is never moved: it is lent for changing only behind a [`Pin`], and its memory is not given back
//!    before it has been dropped. What is not polled may be moved out.
//! 3. A `Block<V, W>` begins like a `Valued<V>`, which begins with a header.
#![allow(unsafe_code)]

use std::any::{TypeId, type_name};
use std::cell::Cell;
use std::fmt;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::Poll;

use super::cell::Activation;
use super::core::Core;
use super::flow::Flow;
use crate::mem::{Blocks, BlocksOwner, Key};

/// Waits for a value. Either of two happens to it, unless it is dropped first.
pub trait Waiting<V>: 'static {
    /// The value has come; none if it will not come in time. A panic of code that this calls passes through.
    /// Within an activation of the cell that owns it, if it has an owner.
    fn go_on(self, value: Option<V>, core: &Core, owner: Option<&Activation<'_>>) -> Flow;

    /// True if nobody waits any more.
    fn is_closed(&self) -> bool {
        false
    }

    /// From now on, anybody may be the one who makes the value.
    fn put_aside(&self) {}
}

/// Is polled by the cell that owns it, within an activation of that cell.
pub trait Polled: 'static {
    /// Goes on as far as it can; `Ready` once it is done. A panic of code that this calls passes through.
    fn poll(self: Pin<&mut Self>, core: &Core, me: Key) -> Poll<Flow>;

    /// What it is called in warnings.
    fn name(&self) -> &'static str;
}

#[repr(C)]
struct Header {
    vtable: &'static Vtable,
    blocks: NonNull<Blocks>,
}

#[repr(C)]
struct Valued<V> {
    header: Header,
    value: Option<V>,
}

#[repr(C)]
struct Block<V, W> {
    header: Header,
    value: Option<V>,
    /// What waits for the value, or is polled.
    task: W,
}

/// The functions of one type of block. Each is called with a pointer to such a block that belongs to an [`AnyTask`].
struct Vtable {
    value: TypeId,
    go_on: unsafe fn(NonNull<Header>, &Core, Option<&Activation<'_>>) -> Flow,
    poll: unsafe fn(NonNull<Header>, &Core, Key) -> Poll<Flow>,
    is_closed: unsafe fn(NonNull<Header>) -> bool,
    put_aside: unsafe fn(NonNull<Header>),
    name: unsafe fn(NonNull<Header>) -> &'static str,
    free: unsafe fn(NonNull<Header>),
}

/// The value of a future that is polled: it waits for none.
enum Nothing {}

struct Vtables<V, W>(V, W);

impl<V: 'static, W: Waiting<V>> Vtables<V, W> {
    const WAITING: Vtable = Vtable {
        value: TypeId::of::<V>(),
        go_on: go_on::<V, W>,
        poll: never_polled,
        is_closed: is_closed::<V, W>,
        put_aside: put_aside::<V, W>,
        name: name_of_type::<W>,
        free: free::<V, W>,
    };
}

impl<F: Polled> Vtables<Nothing, F> {
    const POLLED: Vtable = Vtable {
        value: TypeId::of::<Nothing>(),
        go_on: never_answered::<F>,
        poll: poll::<F>,
        is_closed: never_closed,
        put_aside: not_put_aside,
        name: name::<F>,
        free: free::<Nothing, F>,
    };
}

/// Where a value belongs that a task waits for.
pub(super) struct Place<V>(NonNull<Valued<V>>);

impl<V> Place<V> {
    /// Puts the value in. One that is there is forgotten.
    #[inline(always)]
    pub(super) fn fill(self, value: V) {
        // SAFETY: a live block of a `V` (invariant 1, the type was compared, and the task is still there) begins like this
        // (invariant 3).
        let place = unsafe { &raw mut (*self.0.as_ptr()).value };
        // SAFETY: within that block, of which nobody has a reference.
        unsafe { place.write(Some(value)) };
    }
}

/// A task in a block of its core: what a `Box<dyn Task>` would be. It stays on its thread.
///
/// **Costs** no allocation, but that of a page now and then while there were never so many before, and that of a task of more
/// than a kilobyte.
pub struct AnyTask(NonNull<Header>);

impl AnyTask {
    /// Stores something that waits for a `V`.
    #[inline]
    pub fn waiting<V: 'static, W: Waiting<V>>(blocks: &BlocksOwner, waiting: W) -> AnyTask {
        AnyTask::store::<V, W>(blocks, &Vtables::<V, W>::WAITING, waiting)
    }

    /// Stores something that is polled.
    pub fn polled<F: Polled>(blocks: &BlocksOwner, future: F) -> AnyTask {
        AnyTask::store::<Nothing, F>(blocks, &Vtables::<Nothing, F>::POLLED, future)
    }

    #[inline(always)]
    fn store<V, W>(blocks: &BlocksOwner, vtable: &'static Vtable, task: W) -> AnyTask {
        let header = Header { vtable, blocks: blocks.place() };
        AnyTask(blocks.insert(Block::<V, W> { header, value: None, task }).cast())
    }

    #[inline(always)]
    fn vtable(&self) -> &'static Vtable {
        // SAFETY: a live block, which begins with a header (invariants 1 and 3).
        unsafe { self.0.as_ref() }.vtable
    }

    /// Where the value belongs that it waits for; none if it waits for one of another type, or has one.
    #[inline(always)]
    pub fn place<V: 'static>(&mut self) -> Option<&mut Option<V>> {
        if self.vtable().value != TypeId::of::<V>() {
            return None;
        }
        // SAFETY: a live block of a `V` (invariant 1, the type was compared) begins like this (invariant 3), and is borrowed like
        // the task that it belongs to.
        let place = unsafe { &mut self.0.cast::<Valued<V>>().as_mut().value };
        place.is_none().then_some(place)
    }

    /// Where the value belongs that the task waits for that lies there; none if there is no task, or it waits for one of another type.
    ///
    /// # Safety
    /// The task stays there until the place is filled, or is not filled.
    #[inline(always)]
    pub(super) unsafe fn place_in<V: 'static>(task: &Cell<Option<AnyTask>>) -> Option<Place<V>> {
        // SAFETY: a cell is reached from one thread, and nothing is called while this reference is alive.
        let task = unsafe { &*task.as_ptr() }.as_ref()?;
        (task.vtable().value == TypeId::of::<V>()).then(|| Place(task.0.cast()))
    }

    /// Tells what waits that its value has come, if that has been handed over, and that it will not, if not.
    #[inline]
    pub fn go_on(self, core: &Core, owner: Option<&Activation<'_>>) -> Flow {
        let (vtable, task) = (self.vtable(), ManuallyDrop::new(self));
        // SAFETY: a block of the types of its vtable, which belonged to the task (invariant 1), which is not used again.
        unsafe { (vtable.go_on)(task.0, core, owner) }
    }

    /// Polls what is polled.
    pub fn poll(&mut self, core: &Core, me: Key) -> Poll<Flow> {
        // SAFETY: a block of the types of its vtable (invariant 1), borrowed like the task that it belongs to.
        unsafe { (self.vtable().poll)(self.0, core, me) }
    }

    /// True if nobody waits any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        // SAFETY: a block of the types of its vtable (invariant 1), borrowed like the task that it belongs to.
        unsafe { (self.vtable().is_closed)(self.0) }
    }

    /// Tells what waits that anybody may be the one who makes the value, from now on.
    pub fn put_aside(&self) {
        // SAFETY: a block of the types of its vtable (invariant 1), borrowed like the task that it belongs to.
        unsafe { (self.vtable().put_aside)(self.0) }
    }

    /// What it is called in warnings.
    #[must_use]
    pub fn name(&self) -> &'static str {
        // SAFETY: a block of the types of its vtable (invariant 1), borrowed like the task that it belongs to.
        unsafe { (self.vtable().name)(self.0) }
    }
}

impl Drop for AnyTask {
    fn drop(&mut self) {
        // SAFETY: a block of the types of its vtable, which belongs to the task (invariant 1), which is gone after this.
        unsafe { (self.vtable().free)(self.0) };
    }
}

impl fmt::Debug for AnyTask {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "AnyTask({})", self.name())
    }
}

/// # Safety
/// `block` is a `Block<V, W>` that belongs to nobody else, and is not used again.
unsafe fn go_on<V: 'static, W: Waiting<V>>(
    block: NonNull<Header>,
    core: &Core,
    owner: Option<&Activation<'_>>,
) -> Flow {
    // SAFETY: as the caller promises.
    let blocks = unsafe { blocks_of(block) };
    // SAFETY: as the caller promises; it was stored in these blocks (invariant 1).
    let Block { value, task, .. } = unsafe { blocks.take(block.cast::<Block<V, W>>()) };
    task.go_on(value, core, owner)
}

/// # Safety
/// `block` is a `Block<Nothing, F>` that is borrowed from its owner.
unsafe fn poll<F: Polled>(block: NonNull<Header>, core: &Core, me: Key) -> Poll<Flow> {
    // SAFETY: as the caller promises.
    let task = unsafe { &mut block.cast::<Block<Nothing, F>>().as_mut().task };
    // SAFETY: it is not moved before it is dropped, nor is its memory used for anything else (invariant 2).
    unsafe { Pin::new_unchecked(task) }.poll(core, me)
}

/// # Safety
/// `block` is a `Block<V, W>` that is borrowed from its owner.
unsafe fn is_closed<V: 'static, W: Waiting<V>>(block: NonNull<Header>) -> bool {
    // SAFETY: as the caller promises.
    unsafe { block.cast::<Block<V, W>>().as_ref() }.task.is_closed()
}

/// # Safety
/// `block` is a `Block<V, W>` that is borrowed from its owner.
unsafe fn put_aside<V: 'static, W: Waiting<V>>(block: NonNull<Header>) {
    // SAFETY: as the caller promises.
    unsafe { block.cast::<Block<V, W>>().as_ref() }.task.put_aside();
}

/// # Safety
/// `block` is a `Block<Nothing, F>` that is borrowed from its owner.
unsafe fn name<F: Polled>(block: NonNull<Header>) -> &'static str {
    // SAFETY: as the caller promises.
    unsafe { block.cast::<Block<Nothing, F>>().as_ref() }.task.name()
}

/// # Safety
/// `block` is a `Block<V, W>` that belongs to nobody else, and is not used again.
unsafe fn free<V, W>(block: NonNull<Header>) {
    // SAFETY: as the caller promises.
    let blocks = unsafe { blocks_of(block) };
    // SAFETY: as the caller promises; it was stored in these blocks (invariant 1).
    unsafe { blocks.remove(block.cast::<Block<V, W>>()) };
}

/// # Safety
/// `block` is a live block, which stays so for as long as its blocks are used.
unsafe fn blocks_of<'a>(block: NonNull<Header>) -> &'a Blocks {
    // SAFETY: a block begins with a header (invariant 3).
    let header = unsafe { block.as_ref() };
    // SAFETY: they are there as long as the block is (invariant 1).
    unsafe { header.blocks.as_ref() }
}

/// Called for no block: what waits for a value is not polled.
fn never_polled(_: NonNull<Header>, _: &Core, _: Key) -> Poll<Flow> {
    Poll::Ready(Flow::Continue)
}

/// What is polled waits for nothing, and is over when it is told so.
///
/// # Safety
/// As [`free`].
unsafe fn never_answered<F: Polled>(block: NonNull<Header>, _: &Core, _: Option<&Activation<'_>>) -> Flow {
    // SAFETY: as the caller promises.
    unsafe { free::<Nothing, F>(block) };
    Flow::Continue
}

fn never_closed(_: NonNull<Header>) -> bool {
    false
}

fn not_put_aside(_: NonNull<Header>) {}

fn name_of_type<W>(_: NonNull<Header>) -> &'static str {
    type_name::<W>()
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::ptr;
    use std::rc::Rc;

    use super::*;
    use crate::config::Config;
    use crate::executor::{CoreId, Links};
    use crate::sys::{Clock, Time};

    const NOBODY: Key = Key { index: 0, generation: 0 };

    /// Counts those that are alive; panics when it is dropped if it is told to.
    #[derive(Clone)]
    struct Counted(Rc<Cell<bool>>);

    impl Drop for Counted {
        fn drop(&mut self) {
            assert!(!self.0.get(), "as planned");
        }
    }

    impl Counted {
        fn new() -> Counted {
            Counted(Rc::default())
        }

        fn alive(&self) -> usize {
            Rc::strong_count(&self.0) - 1
        }
    }

    /// Writes down what it was told.
    struct Told<M> {
        log: Rc<RefCell<Vec<Option<u64>>>>,
        _counted: Counted,
        _mass: M,
    }

    impl<V: Into<u64>, M: 'static> Waiting<V> for Told<M>
    where
        V: 'static,
    {
        fn go_on(self, value: Option<V>, _: &Core, _: Option<&Activation<'_>>) -> Flow {
            self.log.borrow_mut().push(value.map(Into::into));
            Flow::Stop
        }

        fn is_closed(&self) -> bool {
            true
        }
    }

    /// Is done once it has been polled at the same place twice.
    struct Stays {
        place: usize,
        _counted: Counted,
    }

    impl Polled for Stays {
        fn poll(self: Pin<&mut Self>, _: &Core, _: Key) -> Poll<Flow> {
            let place = ptr::from_ref(&*self).addr();
            match self.get_mut() {
                this if this.place == place => Poll::Ready(Flow::Stop),
                this => {
                    this.place = place;
                    Poll::Pending
                }
            }
        }

        fn name(&self) -> &'static str {
            "stays"
        }
    }

    fn core() -> Core {
        let mut config = Config { receive_buffers: 1, ..Config::default() };
        (config.receive_buffer_bytes, config.send_slots) = (64, [1, 0, 0, 0, 0]);
        let clock = Clock::Virtual(Rc::new(Cell::new(Time::ZERO)));
        Core::new(CoreId(0), Rc::new(config), clock, Links::new(CoreId(0), []))
    }

    fn settle<V: 'static>(task: &mut AnyTask, value: V) -> Result<(), V> {
        match task.place() {
            Some(place) => *place = Some(value),
            None => return Err(value),
        }
        Ok(())
    }

    #[test]
    fn a_value_of_the_right_type_comes_once_whatever_the_size_and_alignment_of_who_waits() {
        #[derive(Clone, Copy)]
        #[repr(align(64))]
        struct Aligned;
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(align(32))]
        struct Wide(u64);
        impl From<Wide> for u64 {
            fn from(wide: Wide) -> u64 {
                wide.0
            }
        }
        fn check<M: Copy + 'static>(core: &Core, mass: M) {
            let (log, counted) = (Rc::default(), Counted::new());
            let told = || Told { log: Rc::clone(&log), _counted: counted.clone(), _mass: mass };
            let mut task = AnyTask::waiting::<u64, _>(core.cells.blocks(), told());
            assert_eq!((settle(&mut task, 7_u32), settle(&mut task, "seven")), (Err(7), Err("seven")));
            assert_eq!((settle(&mut task, 7_u64), settle(&mut task, 8_u64)), (Ok(()), Err(8)));
            assert!(task.is_closed());
            assert_eq!(task.go_on(core, None), Flow::Stop);
            let mut task = AnyTask::waiting::<Wide, _>(core.cells.blocks(), told());
            assert_eq!((settle(&mut task, 9_u64), settle(&mut task, Wide(9))), (Err(9), Ok(())));
            assert_eq!(task.go_on(core, None), Flow::Stop);
            assert_eq!(AnyTask::waiting::<u8, _>(core.cells.blocks(), told()).go_on(core, None), Flow::Stop);
            drop(AnyTask::waiting::<u64, _>(core.cells.blocks(), told()));
            assert_eq!(*log.borrow(), [Some(7), Some(9), None]);
            assert_eq!(counted.alive(), 0);
        }
        let core = core();
        check(&core, ());
        check(&core, 1_u128);
        check(&core, [7_u8; 900]);
        check(&core, [7_u8; 70_000]);
        check(&core, Aligned);
        assert_eq!(core.cells.blocks().out(), 0);
    }

    #[test]
    fn what_is_polled_stays_where_it_is_while_its_task_moves() {
        let (core, counted) = (core(), Counted::new());
        let stays = || Stays { place: 0, _counted: counted.clone() };
        let mut task = AnyTask::polled(core.cells.blocks(), stays());
        assert_eq!((task.name(), task.is_closed(), settle(&mut task, 7_u64)), ("stays", false, Err(7)));
        assert_eq!(task.poll(&core, NOBODY), Poll::Pending);
        let mut moved = Box::new(task);
        assert_eq!(moved.poll(&core, NOBODY), Poll::Ready(Flow::Stop));
        assert_eq!(counted.alive(), 1);
        drop(moved);
        // What is polled is not answered, and what waits is not polled.
        assert_eq!(AnyTask::polled(core.cells.blocks(), stays()).go_on(&core, None), Flow::Continue);
        let told = Told { log: Rc::default(), _counted: counted.clone(), _mass: () };
        let mut task = AnyTask::waiting::<u64, _>(core.cells.blocks(), told);
        assert_eq!(task.poll(&core, NOBODY), Poll::Ready(Flow::Continue));
        drop(task);
        assert_eq!((counted.alive(), core.cells.blocks().out()), (0, 0));
    }

    #[test]
    fn a_task_that_panics_as_it_is_dropped_gives_its_block_back() {
        let (core, counted) = (core(), Counted::new());
        let stays = || Stays { place: 0, _counted: counted.clone() };
        let bad = AnyTask::polled(core.cells.blocks(), stays());
        let place = bad.0;
        counted.0.set(true);
        assert!(catch_unwind(AssertUnwindSafe(|| drop(bad))).is_err());
        counted.0.set(false);
        assert_eq!(core.cells.blocks().out(), 0);
        let next = AnyTask::polled(core.cells.blocks(), stays());
        assert_eq!(next.0, place);
    }

    #[test]
    fn blocks_stay_as_long_as_a_task_of_theirs() {
        let (core, counted) = (core(), Counted::new());
        let task = AnyTask::polled(core.cells.blocks(), Stays { place: 0, _counted: counted.clone() });
        let blocks = core.cells.blocks().place();
        drop(core);
        assert_eq!((task.name(), counted.alive()), ("stays", 1));
        drop(task);
        assert_eq!(counted.alive(), 0);
        // SAFETY: a box whose owner has left it there, because something was out, which is not so any more.
        assert_eq!(unsafe { Box::from_raw(blocks.as_ptr()) }.out(), 0);
    }
}
