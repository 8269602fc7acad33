//! Whose panic it is: one of a user's code ends an actor, one of the runtime's ends the process.
//!
//! Knows: which of the two is running when a panic passes. Must not know what either does.
//!
//! Code of users calls the runtime, which calls code of users, and so on. A panic that passes from the runtime into code of a
//! user, where it would be contained as if that had failed, must have come from a user's code further in. Nothing of this
//! costs anything unless there is a panic.

use std::cell::Cell;
use std::mem::forget;

use crate::sys::abort;

thread_local! {
    /// The panic that passes through this thread came from code of a user.
    static OF_USER: Cell<bool> = const { Cell::new(false) };
}

/// Calls code of a user from within [`runtime`].
#[inline]
pub fn user<R>(call: impl FnOnce() -> R) -> R {
    let blame = Blame;
    let result = call();
    forget(blame);
    result
}

/// Runs code of the runtime that code of a user has called. A panic ends the process, unless it comes out of [`user`].
#[inline]
pub fn runtime<R>(run: impl FnOnce() -> R) -> R {
    let judge = Judge::begin();
    let result = run();
    judge.dismiss();
    result
}

/// A panic has been contained: the next one is another.
pub fn contained() {
    OF_USER.set(false);
}

struct Blame;

impl Drop for Blame {
    #[cold]
    fn drop(&mut self) {
        OF_USER.set(true);
    }
}

/// Code of the runtime that code of a user has called, from here until it is dismissed: what [`runtime`] runs, where that
/// would be a closure too many.
pub struct Judge(());

impl Judge {
    /// The runtime begins.
    #[inline(always)]
    #[must_use]
    pub fn begin() -> Judge {
        Judge(())
    }

    /// There was no panic.
    #[inline(always)]
    pub fn dismiss(self) {
        forget(self);
    }
}

impl Drop for Judge {
    #[cold]
    fn drop(&mut self) {
        // Not forgotten here: code of the runtime further out has to be told as well.
        if !OF_USER.get() {
            abort(format_args!("a panic within the runtime, below a handler"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_panic_of_a_user_passes_through_the_runtime_however_often_it_is_entered() {
        let within = || runtime(|| runtime(|| user(|| panic!("as planned"))));
        assert!(catch_unwind(AssertUnwindSafe(|| user(within))).is_err());
        assert!(OF_USER.get(), "whoever contains it says so");
        contained();
        assert!(!OF_USER.get());
    }
}
