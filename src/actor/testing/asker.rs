//! Whoever waits for a reply, played by a test.
//!
//! Knows: whether an answer has come. Must not know who answers.

use std::fmt;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use super::super::reply::Answer;
use crate::executor::{Guest, Oneshot};

/// What whoever asked sees of the [`Reply`](crate::Reply) that was made with it: see [`TestContext::reply`](super::TestContext::reply).
/// Dropping it is giving up: the reply [is closed](crate::Reply::is_closed) then.
#[must_use = "an asker that is dropped waits for no answer"]
pub struct Asker<T> {
    guest: Weak<Guest>,
    answer: Arc<Oneshot<Answer<T>>>,
}

impl<T> Asker<T> {
    pub(super) fn new(guest: &Rc<Guest>, answer: Arc<Oneshot<Answer<T>>>) -> Asker<T> {
        Asker { guest: Rc::downgrade(guest), answer }
    }

    /// The answer, or why there is none; `None` as long as neither has come, and once it was taken.
    #[must_use]
    pub fn take(&self) -> Option<Answer<T>> {
        if let Some(guest) = self.guest.upgrade() {
            guest.receive();
        }
        self.answer.try_take()
    }
}

impl<T> Drop for Asker<T> {
    fn drop(&mut self) {
        self.answer.close();
    }
}

impl<T> fmt::Debug for Asker<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Asker").finish_non_exhaustive()
    }
}
