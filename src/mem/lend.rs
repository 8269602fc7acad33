//! A value that is lent to where others look for it, and comes back.
//!
//! Knows: whose it is, and where it is meanwhile. Must not know what is done with it.
//!
//! Invariants:
//! 1. From the read in [`lend`] until the write in `Back`, the value lies in the place that it was lent to, and its owner's variable
//!    is not looked at: it is borrowed exclusively.
//! 2. It is written back once, also when what ran meanwhile panics. If it is not to be had then, the process ends.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::ptr;

use crate::sys::abort;

/// Moves `value` into `place` while `run` runs, and back. Whatever borrows it from the place must have ended by then: otherwise
/// the process ends, because the owner would be left without.
///
/// # Panics
/// When there is a value in the place already, or the place is borrowed.
pub fn lend<T, R>(value: &mut T, place: &RefCell<Option<T>>, run: impl FnOnce() -> R) -> R {
    let mut vacant = place.borrow_mut();
    assert!(vacant.is_none(), "a value is lent to a place where there is none");
    // SAFETY: the value is exclusively borrowed; from here on it is that in the place (invariant 1), until it is written back.
    *vacant = Some(unsafe { ptr::read(value) });
    drop(vacant);
    let _back = Back { value, place };
    run()
}

struct Back<'a, T> {
    value: &'a mut T,
    place: &'a RefCell<Option<T>>,
}

impl<T> Drop for Back<'_, T> {
    fn drop(&mut self) {
        let Some(value) = self.place.try_borrow_mut().ok().and_then(|mut place| place.take()) else {
            abort(format_args!("a value that was lent has not come back"));
        };
        // SAFETY: exclusively borrowed; what it held was moved to the place, so nothing is overwritten that is anybody's
        // (invariants 1 and 2).
        unsafe { ptr::write(self.value, value) };
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::rc::Rc;

    use super::*;

    #[test]
    fn a_value_comes_back_changed_and_is_dropped_once() {
        let (count, place) = (Rc::new(()), RefCell::new(None));
        let mut value = (String::from("text"), Rc::clone(&count));
        let length = lend(&mut value, &place, || {
            let mut lent = place.borrow_mut();
            let text = &mut lent.as_mut().unwrap().0;
            text.push_str(", longer");
            text.len()
        });
        assert_eq!((length, value.0.as_str()), (12, "text, longer"));
        assert!(place.borrow().is_none());
        drop(value);
        assert_eq!(Rc::strong_count(&count), 1);
    }

    #[test]
    fn a_panic_brings_it_back_too() {
        let (count, place) = (Rc::new(()), RefCell::new(None));
        let mut value = Some(Rc::clone(&count));
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            lend(&mut value, &place, || {
                *place.borrow_mut().as_mut().unwrap() = None;
                panic!("as planned");
            });
        }));
        assert!(panicked.is_err());
        assert_eq!((value, Rc::strong_count(&count)), (None, 1));
    }

    #[test]
    fn a_place_that_is_taken_is_left_alone() {
        let place = RefCell::new(Some(1));
        let mut value = 2;
        assert!(catch_unwind(AssertUnwindSafe(|| lend(&mut value, &place, || ()))).is_err());
        assert_eq!((value, *place.borrow()), (2, Some(1)));
    }
}
