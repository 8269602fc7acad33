//! Memory for values of many types that come and go by the million: pages, cut into blocks of one size each.
//!
//! Knows: pages, blocks, which sizes there are. Must not know what is stored.
//!
//! A general allocator spends more on such a value than the rest of its life costs, and leaves neighbours in time far apart in
//! memory. Here the block that was given back last is the next one out. Pages stay until the end: there are never more of
//! them than were needed at one time.
//!
//! Invariants:
//! 1. A page is an allocation of `PAGE_LAYOUT`, listed in `pages`, and freed when nothing of it is out.
//! 2. A block of a class is a part of one page, of the size of the class. It is out, or in the list `free` of its class, which
//!    is linked by first words, or lies between `fresh` and the end of the page that was made last for the class.
//! 3. A block that is out belongs to whoever took it.
//! 4. The blocks behind a [`BlocksOwner`] are freed with it, or never: not if a value that was stored there is still out.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::ptr::{self, NonNull};

use super::poison;

const PAGE: usize = 64 << 10;
const PAGE_LAYOUT: Layout = match Layout::from_size_align(PAGE, STEP) {
    Ok(layout) => layout,
    Err(_) => panic!("a constant layout"),
};
/// Blocks are multiples of this, and aligned to it.
const STEP: usize = 16;
/// Beyond this a value is an allocation of its own.
const BLOCK_MAX: usize = 1024;

const fn is_block(layout: Layout) -> bool {
    layout.size() <= BLOCK_MAX && layout.align() <= STEP
}

const fn class_of(layout: Layout) -> usize {
    layout.size().saturating_sub(1) / STEP
}

const fn block_bytes(class: usize) -> usize {
    (class + 1) * STEP
}

/// Blocks of one size.
#[derive(Debug)]
struct Class {
    /// The block that was given back last.
    free: Cell<*mut u8>,
    /// The next block that has never been out, and how many there are.
    fresh: Cell<*mut u8>,
    fresh_blocks: Cell<usize>,
}

/// Blocks for the values of one core.
#[derive(Debug)]
pub struct Blocks {
    classes: [Class; BLOCK_MAX / STEP],
    pages: RefCell<Vec<NonNull<u8>>>,
    /// Blocks that have ever been out.
    used: Cell<usize>,
    /// Values that are out and too large for a block.
    large: Cell<usize>,
}

impl Default for Blocks {
    fn default() -> Blocks {
        let none = |_| Class {
            free: Cell::new(ptr::null_mut()),
            fresh: Cell::new(ptr::null_mut()),
            fresh_blocks: Cell::new(0),
        };
        Blocks {
            classes: std::array::from_fn(none),
            pages: RefCell::new(Vec::new()),
            used: Cell::new(0),
            large: Cell::new(0),
        }
    }
}

impl Blocks {
    /// Stores a value. It stays where it is until it is [removed](Blocks::remove). **Costs** no allocation, but that of a page
    /// now and then while there were never so many values before, and that of a value of more than a kilobyte.
    #[inline]
    pub fn insert<T>(&self, value: T) -> NonNull<T> {
        let layout = const { Layout::new::<T>() };
        if !is_block(layout) {
            self.large.set(self.large.get() + 1);
            // Taken apart, and put together again in `remove`.
            return NonNull::from(Box::leak(Box::new(value)));
        }
        let place = self.take_block(class_of(layout)).cast();
        // SAFETY: large enough for a `T` and aligned for it, and nobody else's (invariant 3).
        unsafe { NonNull::write(place, value) };
        place
    }

    /// Drops a value, and takes its memory back: also when it panics as it is dropped. Its type may have been erased since
    /// it was stored: size and alignment are those of the value.
    ///
    /// # Safety
    /// `value` came from [`Blocks::insert`] of these blocks, perhaps unsized by a coercion, is not referred to, and is not
    /// used again.
    #[inline]
    pub unsafe fn remove<T: ?Sized>(&self, value: NonNull<T>) {
        struct Back<'a>(&'a Blocks, usize, NonNull<u8>);
        impl Drop for Back<'_> {
            fn drop(&mut self) {
                self.0.give(self.1, self.2);
            }
        }
        // SAFETY: a live value, as the caller promises.
        let layout = Layout::for_value(unsafe { value.as_ref() });
        if !is_block(layout) {
            self.large.set(self.large.get() - 1);
            // SAFETY: was a box before `insert` took it apart.
            drop(unsafe { Box::from_raw(value.as_ptr()) });
            return;
        }
        let _back = Back(self, class_of(layout), value.cast());
        // SAFETY: a live value, which nobody uses any more, as the caller promises.
        unsafe { value.drop_in_place() };
    }

    /// Moves a value out, and takes its memory back.
    ///
    /// # Safety
    /// `value` came from [`Blocks::insert`] of these blocks, is not referred to, and is not used again. If it was pinned, it does not
    /// mind being moved.
    #[inline]
    pub unsafe fn take<T>(&self, value: NonNull<T>) -> T {
        let layout = const { Layout::new::<T>() };
        if !is_block(layout) {
            self.large.set(self.large.get() - 1);
            // SAFETY: was a box before `insert` took it apart.
            return *unsafe { Box::from_raw(value.as_ptr()) };
        }
        // SAFETY: a live value, which nobody uses any more, as the caller promises.
        let taken = unsafe { value.read() };
        self.give(class_of(layout), value.cast());
        taken
    }

    #[inline]
    fn take_block(&self, index: usize) -> NonNull<u8> {
        let class = &self.classes[index];
        let Some(block) = NonNull::new(class.free.get()) else { return self.take_fresh(index) };
        // SAFETY: a block in the list begins with a link (invariant 2).
        class.free.set(unsafe { block.cast().read() });
        poison::allow(block.as_ptr(), block_bytes(index));
        block
    }

    #[inline(never)]
    fn take_fresh(&self, index: usize) -> NonNull<u8> {
        let class = &self.classes[index];
        if class.fresh_blocks.get() == 0 {
            // SAFETY: the size is not zero.
            let page = NonNull::new(unsafe { alloc(PAGE_LAYOUT) })
                .unwrap_or_else(|| handle_alloc_error(PAGE_LAYOUT));
            self.pages.borrow_mut().push(page);
            class.fresh.set(page.as_ptr());
            class.fresh_blocks.set(PAGE / block_bytes(index));
        }
        let block = class.fresh.get();
        class.fresh.set(block.wrapping_add(block_bytes(index)));
        class.fresh_blocks.set(class.fresh_blocks.get() - 1);
        self.used.set(self.used.get() + 1);
        NonNull::new(block).expect("a block lies within a page")
    }

    /// Takes a block back that was out.
    #[inline]
    fn give(&self, index: usize, block: NonNull<u8>) {
        const LINK: usize = size_of::<*mut u8>();
        let next = self.classes[index].free.replace(block.as_ptr());
        // SAFETY: a block is larger than a link and aligned for one; nobody else uses it any more (invariant 3).
        unsafe { block.cast().write(next) };
        poison::forbid(block.as_ptr().wrapping_add(LINK), block_bytes(index) - LINK);
    }

    /// Values that are out. **Costs** a walk over the blocks that are free: taking and giving one does not count it.
    #[must_use]
    pub fn out(&self) -> usize {
        let mut free = 0;
        for class in &self.classes {
            let mut next = class.free.get();
            while let Some(block) = NonNull::new(next) {
                // SAFETY: a block in the list begins with a link (invariant 2).
                next = unsafe { block.cast().read() };
                free += 1;
            }
        }
        self.used.get() - free + self.large.get()
    }
}

impl Drop for Blocks {
    /// Frees the pages, or leaks them if a block is still out.
    fn drop(&mut self) {
        if self.out() > 0 {
            return;
        }
        for page in self.pages.get_mut().drain(..) {
            poison::allow(page.as_ptr(), PAGE);
            // SAFETY: allocated in `take_fresh` with this layout; nothing of it is out (invariant 1).
            unsafe { dealloc(page.as_ptr(), PAGE_LAYOUT) };
        }
    }
}

/// Owns blocks. While a value that was stored there is out, they are where they were, also when their owner is gone: then they are
/// there for ever.
#[derive(Debug)]
pub struct BlocksOwner(NonNull<Blocks>);

impl BlocksOwner {
    /// Where they are.
    #[must_use]
    pub fn place(&self) -> NonNull<Blocks> {
        self.0
    }
}

impl Default for BlocksOwner {
    fn default() -> BlocksOwner {
        BlocksOwner(NonNull::from(Box::leak(Box::default())))
    }
}

impl Deref for BlocksOwner {
    type Target = Blocks;

    fn deref(&self) -> &Blocks {
        // SAFETY: not freed before this is dropped, and only ever shared.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for BlocksOwner {
    fn drop(&mut self) {
        if self.out() == 0 {
            // SAFETY: was a box. Nothing is out, so nobody else knows it (invariant 4).
            drop(unsafe { Box::from_raw(self.0.as_ptr()) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::rc::Rc;

    use super::*;

    fn remove<T>(blocks: &Blocks, value: NonNull<T>) {
        // SAFETY: the tests take from and give to the same blocks, once.
        unsafe { blocks.remove(value) };
    }

    #[test]
    fn the_block_that_came_back_last_goes_out_first() {
        let blocks = Blocks::default();
        let [a, b, c] = [1_u64, 2, 3].map(|value| blocks.insert(value));
        assert_eq!(b.addr().get() - a.addr().get(), STEP);
        remove(&blocks, a);
        remove(&blocks, b);
        assert_eq!((blocks.insert(4_u64), blocks.insert(5_u64)), (b, a));
        // SAFETY: still stored.
        assert_eq!([a, b, c].map(|value| unsafe { value.read() }), [5, 4, 3]);
        [a, b, c].into_iter().for_each(|value| remove(&blocks, value));
    }

    #[test]
    fn there_are_as_many_pages_as_were_needed_at_one_time() {
        let blocks = Blocks::default();
        let per_page = PAGE / 1008;
        for _ in 0..3 {
            let values: Vec<_> =
                (0..per_page * 2 + 1).map(|index| blocks.insert([index as u8; 1000])).collect();
            assert_eq!(blocks.pages.borrow().len(), 3);
            for (index, value) in values.into_iter().enumerate() {
                // SAFETY: still stored.
                assert_eq!(unsafe { value.read() }, [index as u8; 1000]);
                remove(&blocks, value);
            }
        }
        assert_eq!(blocks.out(), 0);
    }

    #[test]
    fn values_of_any_size_and_alignment_are_stored_and_dropped_once() {
        fn check<T>(value: T) {
            let (blocks, counted) = (Blocks::default(), Rc::new(()));
            let stored = blocks.insert((value, Rc::clone(&counted)));
            assert!(stored.is_aligned());
            assert_eq!(Rc::strong_count(&counted), 2);
            remove(&blocks, stored);
            assert_eq!(Rc::strong_count(&counted), 1);
        }
        #[repr(align(64))]
        struct Aligned;
        check(());
        check(1_u128);
        check([0_u8; 1016]);
        check([0_u8; 1017]);
        check([0_u8; 70_000]);
        check(Aligned);
        let blocks = Blocks::default();
        remove(&blocks, blocks.insert(()));
    }

    #[test]
    fn a_value_that_panics_when_it_is_dropped_gives_its_block_back() {
        struct Bad;
        impl Drop for Bad {
            fn drop(&mut self) {
                panic!("as planned");
            }
        }
        let blocks = Blocks::default();
        let bad = blocks.insert((Bad, 0_u64));
        assert!(catch_unwind(AssertUnwindSafe(|| remove(&blocks, bad))).is_err());
        let next = blocks.insert(7_u64);
        assert_eq!(next.addr(), bad.addr());
        remove(&blocks, next);
    }

    #[test]
    fn random_operations_agree_with_boxes() {
        let mut random = crate::sys::Random::new(7);
        let blocks = Blocks::default();
        let mut values = Vec::new();
        for step in 0..if cfg!(miri) { 3_000 } else { 300_000_u64 } {
            let growing = (step / 1_000) % 2 == 0;
            if random.below(10) < if growing { 7 } else { 3 } {
                values.push((blocks.insert([step; 20]), Box::new([step; 20])));
            } else if !values.is_empty() {
                let index = random.below(values.len() as u64) as usize;
                let (value, twin) = values.swap_remove(index);
                // SAFETY: still stored.
                assert_eq!(unsafe { value.read() }, *twin);
                remove(&blocks, value);
            }
        }
        for (value, twin) in values {
            // SAFETY: still stored.
            assert_eq!(unsafe { value.read() }, *twin);
            remove(&blocks, value);
        }
        assert_eq!(blocks.out(), 0);
    }
}
