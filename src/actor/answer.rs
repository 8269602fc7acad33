//! An answer that a future waits for, on any thread.
//!
//! Knows: where the answer comes in, and until when. Must not know who answers.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::reply::Answer;
use crate::executor::{AskError, CoreId, Oneshot, Sleeping, current};
use crate::sys::Time;

/// The answer to a question that has been asked: what `.await` on an [`Ask`](crate::Ask) waits for. `Send` if the answer is, and
/// polled by any runtime.
///
/// Dropping it gives up: a question that has not been handled is skipped.
#[must_use = "the answer comes to whoever polls"]
pub struct AnswerFuture<T> {
    answer: Arc<Oneshot<Answer<T>>>,
    to: CoreId,
    deadline: Option<Time>,
    /// The core that is asked keeps the time. A core that asks another keeps it as well: that one may be stuck.
    sleeping: Option<Sleeping>,
    done: bool,
}

impl<T> AnswerFuture<T> {
    pub(super) fn new(answer: Arc<Oneshot<Answer<T>>>, to: CoreId, deadline: Option<Time>) -> Self {
        AnswerFuture { answer, to, deadline, sleeping: None, done: false }
    }

    fn is_over(&mut self, cx: &Context<'_>) -> bool {
        let (to, deadline) = (self.to, self.deadline);
        let sleeping = self.sleeping.get_or_insert_with(|| {
            current::with(|core| match core.filter(|core| core.id != to) {
                Some(core) => {
                    let usual = || core.now().after(core.config.ask_timeout);
                    Sleeping::until(deadline.unwrap_or_else(usual))
                }
                None => Sleeping::never(),
            })
        });
        sleeping.poll(cx.waker())
    }
}

impl<T> Future for AnswerFuture<T> {
    type Output = Answer<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer<T>> {
        assert!(!self.done, "an answer is polled after it has come");
        let mut polled = self.answer.poll(cx);
        if polled.is_pending() && self.is_over(cx) {
            polled = Poll::Ready(Err(AskError::Timeout));
        }
        if polled.is_ready() {
            (self.done, self.sleeping) = (true, None);
        }
        polled
    }
}

impl<T> Drop for AnswerFuture<T> {
    fn drop(&mut self) {
        self.answer.close();
    }
}

impl<T> fmt::Debug for AnswerFuture<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("AnswerFuture").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
