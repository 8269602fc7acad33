//! An answer that a future waits for, on any thread.
//!
//! Knows: where the answer comes in, and until when. Must not know who answers.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::reply::Answer;
use crate::executor::{AskError, Awaited, Core, Oneshot, RawAddress, Sleeping, current};
use crate::mem::Key;
use crate::sys::Time;

/// The answer to a question that has been asked: what `.await` on an [`Ask`](crate::Ask) waits for. `Send` if the answer is, and
/// polled by any runtime.
///
/// Dropping it gives up: a question that has not been handled is skipped.
#[must_use = "the answer comes to whoever polls"]
pub struct AnswerFuture<T> {
    answer: Arc<Oneshot<Answer<T>>>,
    /// Whom it was asked; or, if an actor waits that handles nothing else meanwhile, its core and the name of that wait.
    place: RawAddress,
    deadline: Option<Time>,
    /// The core that is asked keeps the time. A core that asks another keeps it as well: that one may be stuck.
    sleeping: Option<Sleeping>,
    waits: bool,
    done: bool,
}

impl<T> AnswerFuture<T> {
    pub(super) fn new(answer: Arc<Oneshot<Answer<T>>>, to: RawAddress, deadline: Option<Time>) -> Self {
        AnswerFuture { answer, place: to, deadline, sleeping: None, waits: false, done: false }
    }

    /// Calls `act` with the core on which an actor waits for the answer, if this is its thread, and the name of the wait.
    fn with_wait(&self, act: impl FnOnce(&Core, Key)) {
        if self.waits {
            current::at(self.place.core(), |core| core.map(|core| act(core, self.place.cell())));
        }
    }
}

impl<T: 'static> AnswerFuture<T> {
    /// Waits on; true if the time is over.
    fn is_over(&mut self, cx: &Context<'_>) -> bool {
        let AnswerFuture { answer, place, deadline, sleeping, waits, .. } = self;
        let to = place.core();
        let sleeping = sleeping.get_or_insert_with(|| {
            current::with(|core| {
                let Some(core) = core else { return Sleeping::never() };
                if answer.is_watched() {
                    *waits = begin_wait(core, place, answer);
                }
                if core.id == to {
                    return Sleeping::never();
                }
                Sleeping::until(deadline.unwrap_or_else(|| core.now().after(core.config.ask_timeout)))
            })
        });
        sleeping.poll(cx.waker())
    }

    /// What else is done where an actor waits that handles nothing else meanwhile.
    #[cold]
    fn poll_for_actor(&mut self, mut polled: Poll<Answer<T>>) -> Poll<Answer<T>> {
        if polled.is_pending() {
            let mut begins = false;
            self.with_wait(|core, wait| begins = core.go_on_waiting(wait));
            if begins {
                self.with_wait(Core::look_for_circle);
                // Perhaps it has been refused just now.
                polled = self.answer.try_take().map_or(Poll::Pending, Poll::Ready);
            }
        }
        if polled.is_ready() {
            self.with_wait(Core::end_wait);
            self.waits = false;
        }
        polled
    }
}

/// Has the actor wait whose exclusive future is polled now, and puts the name of that in the place of whom it has asked.
#[cold]
fn begin_wait<T: 'static>(core: &Core, place: &mut RawAddress, answer: &Arc<Oneshot<Answer<T>>>) -> bool {
    let wait = core.begin_wait(*place, Arc::clone(answer) as Arc<dyn Awaited>);
    wait.is_some_and(|wait| {
        *place = core.address(wait);
        true
    })
}

impl<T: 'static> Future for AnswerFuture<T> {
    type Output = Answer<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer<T>> {
        assert!(!self.done, "an answer is polled after it has come");
        let mut polled = self.answer.poll(cx);
        if polled.is_pending() && self.is_over(cx) {
            polled = Poll::Ready(Err(AskError::Timeout));
        }
        if self.waits {
            polled = self.poll_for_actor(polled);
        }
        if polled.is_ready() {
            (self.done, self.sleeping) = (true, None);
        }
        polled
    }
}

impl<T> Drop for AnswerFuture<T> {
    fn drop(&mut self) {
        self.with_wait(Core::end_wait);
        self.answer.close();
    }
}

impl<T> fmt::Debug for AnswerFuture<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("AnswerFuture").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
