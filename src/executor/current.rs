//! Which core this thread is running, if any.
//!
//! Knows: one pointer per thread. Must not know what is done with it.
//!
//! Invariants:
//! 1. The pointer is null, or points to a `Core` that `scope` borrows for as long as it is set.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ptr;

use super::address::CoreId;
use super::blame;
use super::core::Core;
use super::guest::Guest;
use crate::mem::aside;

thread_local! {
    static CURRENT: Cell<*const Core> = const { Cell::new(ptr::null()) };
}

struct Restore(*const Core);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Makes `core` this thread's current one while `run` runs, and restores what was before: also on unwinding.
pub fn scope<R>(core: &Core, run: impl FnOnce() -> R) -> R {
    let _restore = Restore(CURRENT.replace(ptr::from_ref(core)));
    run()
}

/// Calls `look` with the current core of this thread; `None` on a thread that runs none.
#[inline]
pub fn with<R>(look: impl FnOnce(Option<&Core>) -> R) -> R {
    let core = CURRENT.get();
    // SAFETY: null, or a core that an enclosing `scope` borrows until after this returns (invariant 1).
    let core = unsafe { core.as_ref() };
    // This is how code of users comes into the runtime.
    blame::runtime(|| look(core))
}

/// Calls `look` with the core of this id, if this thread runs it, or has it as a [guest](Guest): then it is the current one
/// meanwhile. `None` if neither is so.
#[inline]
pub fn at<R>(id: CoreId, look: impl FnOnce(Option<&Core>) -> R) -> R {
    let core = CURRENT.get();
    // SAFETY: null, or a core that an enclosing `scope` borrows until after this returns (invariant 1).
    let core = unsafe { core.as_ref() };
    match core {
        Some(core) if core.id == id => blame::runtime(|| look(Some(core))),
        _ => at_guest(id, look),
    }
}

#[cold]
#[inline(never)]
fn at_guest<R>(id: CoreId, look: impl FnOnce(Option<&Core>) -> R) -> R {
    match Guest::find(id) {
        Some(guest) => scope(guest.core(), || blame::runtime(|| look(Some(guest.core())))),
        None => blame::runtime(|| look(None)),
    }
}

/// What [`with_value`] calls.
pub trait Look<T> {
    /// What comes of it.
    type Result;

    /// Is given the current core of this thread; `None` on a thread that runs none.
    fn look(core: Option<&Core>, value: T) -> Self::Result;
}

/// Like [`at`], for the path of a single question: see [`with_value`].
#[inline(always)]
pub fn at_value<L: Look<T>, T>(id: CoreId, value: T) -> L::Result {
    let core = CURRENT.get();
    // SAFETY: null, or a core that an enclosing `scope` borrows until after this returns (invariant 1).
    let core = unsafe { core.as_ref() };
    if core.is_none_or(|core| core.id != id) {
        let value = aside(value);
        return at_guest(id, |core| L::look(core, value));
    }
    let judge = blame::Judge::begin();
    let result = L::look(core, value);
    judge.dismiss();
    result
}

/// Like [`with`], for the path of a single message: where `look` is always inlined, the value never goes through memory. A
/// closure that holds it would be a function of its own.
#[inline(always)]
pub fn with_value<L: Look<T>, T>(value: T) -> L::Result {
    let core = CURRENT.get();
    // SAFETY: null, or a core that an enclosing `scope` borrows until after this returns (invariant 1).
    let core = unsafe { core.as_ref() };
    let judge = blame::Judge::begin();
    let result = L::look(core, value);
    judge.dismiss();
    result
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::rc::Rc;

    use super::*;
    use crate::config::Config;
    use crate::executor::Links;
    use crate::sys::Clock;

    #[test]
    fn whichever_core_was_current_is_so_again_behind_a_panic() {
        let config = Config { receive_buffers: 1, send_slots: [1, 0, 0, 0, 0], ..Config::default() };
        let config = Rc::new(config);
        let [outer, inner] = [0, 1]
            .map(|id| Core::new(CoreId(id), config.clone(), Clock::Monotonic, Links::new(CoreId(0), [])));
        let current = || with(|core| core.map(|core| core.id));
        let panics = || scope(&inner, || panic!("as planned"));
        scope(&outer, || {
            assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
            assert_eq!(current(), Some(outer.id));
        });
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        assert_eq!(current(), None);
    }
}
