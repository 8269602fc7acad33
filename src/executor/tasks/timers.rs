//! Messages that come when their time is over, and what is cancelled before it has come.
//!
//! Knows: the tasks of a cell. Must not know what a message is.

use std::pin::Pin;
use std::task::Poll;

use super::super::cell::Activation;
use super::super::core::Core;
use super::super::flow::Flow;
use super::super::task_block::{AnyTask, Polled, Waiting};
use super::{Kind, Limit};
use crate::mem::Key;
use crate::sys::Time;

/// Messages that come when their time is over.
impl Core {
    /// Begins to wait for `due`, when `task` is polled; and again whenever it has set another time by [`Core::set_timer`].
    ///
    /// # Errors
    /// As [`Core::begin`].
    pub(crate) fn begin_timer(&self, owner: Key, task: AnyTask, due: Time) -> Result<Key, AnyTask> {
        self.begin(Some(owner), task, Kind::Timer, Limit::At(due)).map(|(key, _)| key)
    }

    /// Sets the next time of a timer that runs; none if it has come for the last time.
    pub(crate) fn set_timer(&self, timer: Key, due: Option<Time>) {
        match due {
            Some(due) => self.set_own_deadline(timer, due),
            None => self.tasks.table.borrow_mut().spend_timer(timer),
        }
    }

    /// True if a timer that runs has come for the last time, or was cancelled meanwhile.
    pub(crate) fn is_timer_spent(&self, timer: Key) -> bool {
        self.tasks.table.borrow_mut().is_timer_spent(timer)
    }

    /// Ends a timer of this cell; false if there is none of this name any more. Code of users may run: the `Drop` of its message.
    pub(crate) fn cancel_timer(&self, owner: Key, timer: Key) -> bool {
        self.cancel(owner, timer, Kind::Timer, || AnyTask::polled(self.cells.blocks(), Idle))
    }

    /// Ends a watch of this cell in the same way.
    pub(crate) fn cancel_watch(&self, owner: Key, watch: Key) -> bool {
        self.cancel(owner, watch, Kind::Watch, || AnyTask::waiting::<(), _>(self.cells.blocks(), Idle))
    }

    fn cancel(&self, owner: Key, task: Key, kind: Kind, idle: impl FnOnce() -> AnyTask) -> bool {
        let Some(desk) = self.cells.desk(owner) else { return false };
        let cancelled = self.tasks.table.borrow_mut().cancel(desk, task, kind, idle);
        let Some(removed) = cancelled else { return false };
        self.stop_asking(&removed);
        self.drop_contained(self.release(removed));
        true
    }
}

/// Is over when its turn comes.
struct Idle;

impl Polled for Idle {
    fn poll(self: Pin<&mut Self>, _: &Core, _: Key) -> Poll<Flow> {
        Poll::Ready(Flow::Continue)
    }

    fn name(&self) -> &'static str {
        "a timer that was cancelled"
    }
}

impl Waiting<()> for Idle {
    fn go_on(self, _: Option<()>, _: &Core, _: Option<&Activation<'_>>) -> Flow {
        Flow::Continue
    }
}
