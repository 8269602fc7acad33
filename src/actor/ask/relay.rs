//! Who waits for an answer and is no actor of this core.
//!
//! Knows: the oneshot behind which they wait. Must not know what was asked, nor of whom.

use std::sync::Arc;

use crate::actor::Flow;
use crate::actor::reply::Answer;
use crate::executor::{Activation, AskError, Core, Oneshot, Waiting, current};

/// Passes an answer on to whoever waits outside of the actors of this core. Wherever it is dropped, they are told.
pub(super) struct Relay<T> {
    pub(super) answer: Arc<Oneshot<Answer<T>>>,
}

impl<T> Relay<T> {
    /// Says that there is no answer, and why.
    pub(super) fn refuse(&self, why: AskError) {
        // Whoever gave up does not get it, and whoever has an answer keeps it.
        let _ = self.answer.set(Err(why));
    }
}

impl<T: 'static> Waiting<Answer<T>> for Relay<T> {
    fn go_on(self, answer: Option<Answer<T>>, _: &Core, _: Option<&Activation<'_>>) -> Flow {
        // Whoever gave up does not get it.
        let _ = self.answer.set(answer.unwrap_or(Err(AskError::Timeout)));
        Flow::Continue
    }

    /// Whoever asks that is about to answer.
    fn is_closed(&self) -> bool {
        !self.answer.claim()
    }

    fn put_aside(&self) {
        self.answer.put_aside();
    }
}

impl<T> Drop for Relay<T> {
    fn drop(&mut self) {
        let why = current::with(|core| core.map_or(AskError::Stopped, Core::why_unanswered));
        self.refuse(if why == AskError::Unanswered { AskError::Stopped } else { why });
    }
}
