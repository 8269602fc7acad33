//! Messages that an actor sends itself for later.
//!
//! Knows: that a message comes when its time is over. Must not know how time is kept.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use pin_project_lite::pin_project;

use super::attach::handle;
use super::{AcceptsLocal, Actor, Context, Flow, Message, TimerError};
use crate::executor::blame::user;
use crate::executor::{AnyTask, Core, CoreId, Interval, Polled, RawAddress};
use crate::mem::Key;
use crate::sys::Time;

/// Names a message that an actor has sent itself for later, to [cancel](Context::cancel) it. Once that has come for the last time,
/// or was cancelled, it names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimerKey {
    core: CoreId,
    task: Key,
}

impl<A: Actor> Context<A> {
    /// Sends this actor a message that comes after so long: see [`send_at`](Context::send_at).
    ///
    /// ```
    /// use std::time::Duration;
    /// use odeon::prelude::*;
    ///
    /// #[derive(Message)]
    /// struct TooLate;
    ///
    /// /// Ends when it is not fed for a second.
    /// #[derive(Default)]
    /// struct Watchdog(Option<TimerKey>);
    ///
    /// #[actor]
    /// impl Watchdog {
    ///     #[call]
    ///     fn feed(&mut self, cx: &mut Context<Self>) -> Result<(), TimerError<TooLate>> {
    ///         if let Some(timer) = self.0.take() {
    ///             cx.cancel(timer);
    ///         }
    ///         self.0 = Some(cx.send_after(Duration::from_secs(1), TooLate)?);
    ///         Ok(())
    ///     }
    ///
    ///     #[message]
    ///     fn too_late(&mut self, _: TooLate) -> Flow {
    ///         Flow::Stop
    ///     }
    /// }
    ///
    /// let system = System::builder().cores(Cores::Count(1)).build()?;
    /// let dog = system.spawn(Watchdog::default())?;
    /// assert!(dog.feed().wait().is_ok_and(|fed| fed.is_ok()));
    /// # Ok::<(), odeon::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`send_at`](Context::send_at).
    pub fn send_after<M>(&mut self, after: Duration, message: M) -> Result<TimerKey, TimerError<M>>
    where
        M: Message,
        A: AcceptsLocal<M>,
    {
        // Not from when the turn began: the time that others took is not this one's. What this handler sees as now stays.
        let due = self.with_core(|core| core.peek_clock().after(after)).unwrap_or(Time::MAX);
        self.send_at(due, message)
    }

    /// Sends this actor a message that comes at `due`. It has no place in the mailbox, so it is not refused when its time has come;
    /// it is handled between the others, and not while an asynchronous handler borrows the actor's state. It need not be [`Send`].
    ///
    /// It is never early, and late by less than 66 µs and what the core has to do first. A time that has passed comes as soon as this
    /// handler has returned, [`Time::MAX`] never. If the actor ends first, the message is dropped.
    ///
    /// **Costs** no allocation for a message of up to a kilobyte, once there were as many timers before, and no system call. Beyond
    /// `Config::timers_max` its time stands in an ordered list, which may allocate.
    ///
    /// # Errors
    /// Hands the message back when the core has as many tasks as `Config::tasks_max` allows.
    pub fn send_at<M>(&mut self, due: Time, message: M) -> Result<TimerKey, TimerError<M>>
    where
        M: Message,
        A: AcceptsLocal<M>,
    {
        self.begin_timer(due, message, |message, me| Later::<A, M> {
            message: Some(message),
            me,
            actor: PhantomData,
        })
    }

    /// Sends this actor copies of a message, one after each period: a [`Duration`], or an [`Interval`] that says what becomes of
    /// times that are missed. The schedule begins now and does not drift: what comes late does not make the next late. Ends
    /// with the actor, or when it is [cancelled](Context::cancel). Otherwise as [`send_at`](Context::send_at).
    ///
    /// For a period that is known beforehand, and does not end before the actor, there is `#[every("1s")]`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use odeon::prelude::*;
    ///
    /// #[derive(Message, Clone)]
    /// struct Poll(u32);
    ///
    /// struct Poller;
    ///
    /// #[actor]
    /// impl Poller {
    ///     #[started]
    ///     fn start(&mut self, cx: &mut Context<Self>) -> Result<(), TimerError<Poll>> {
    ///         let often = Interval::every(Duration::from_secs(1)).missed(MissedTicks::Delay);
    ///         cx.send_every(often, Poll(7))?;
    ///         Ok(())
    ///     }
    ///
    ///     #[message]
    ///     fn poll(&mut self, Poll(sensor): Poll) {
    ///         println!("asks sensor {sensor}");
    ///     }
    /// }
    /// # System::builder().cores(Cores::Count(1)).build()?.spawn(Poller)?;
    /// # Ok::<(), odeon::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`send_at`](Context::send_at).
    pub fn send_every<M>(
        &mut self,
        interval: impl Into<Interval>,
        message: M,
    ) -> Result<TimerKey, TimerError<M>>
    where
        M: Message + Clone,
        A: AcceptsLocal<M>,
    {
        let interval = interval.into();
        let due = self.with_core(|core| interval.first(core.peek_clock())).unwrap_or(Time::MAX);
        self.begin_timer(due, message, |message, me| Again::<A, M> {
            message,
            interval,
            due,
            me,
            actor: PhantomData,
        })
    }

    fn begin_timer<M, T: Polled>(
        &self,
        due: Time,
        message: M,
        timer: impl FnOnce(M, RawAddress) -> T,
    ) -> Result<TimerKey, TimerError<M>> {
        let (me, mut message) = (self.me().raw(), Some(message));
        let begun = self.with_core(|core| {
            if !core.tasks.has_room() {
                return None;
            }
            let task = AnyTask::polled(core.cells.blocks(), timer(message.take()?, me));
            core.begin_timer(me.cell(), task, due).ok()
        });
        match (begun.flatten(), message) {
            (Some(task), _) => Ok(TimerKey { core: me.core(), task }),
            (None, Some(message)) => Err(TimerError(message)),
            // There was room, so its cell is gone: nobody has its context then.
            (None, None) => unreachable!("an actor that has a context has a cell"),
        }
    }

    /// Takes a message back that was to come later; false if it has come for the last time, was cancelled before, or is another
    /// actor's. One that has come due and was not handled yet does not come any more.
    pub fn cancel(&mut self, timer: TimerKey) -> bool {
        let cancel = |core: &Core| core.id == timer.core && core.cancel_timer(self.cell(), timer.task);
        self.with_core(cancel).unwrap_or(false)
    }
}

pin_project! {
    /// A message that comes once.
    struct Later<A, M> {
        message: Option<M>,
        me: RawAddress,
        actor: PhantomData<fn(A)>,
    }
}

impl<A: AcceptsLocal<M>, M: Message> Polled for Later<A, M> {
    fn poll(self: Pin<&mut Self>, core: &Core, timer: Key) -> Poll<Flow> {
        let this = self.project();
        core.set_timer(timer, None);
        let flow = this.message.take().map(|message| handle::<A, M>(*this.me, message));
        Poll::Ready(flow.unwrap_or(Flow::Continue))
    }

    fn name(&self) -> &'static str {
        std::any::type_name::<M>()
    }
}

pin_project! {
    /// A message that comes again and again.
    struct Again<A, M> {
        message: M,
        interval: Interval,
        due: Time,
        me: RawAddress,
        actor: PhantomData<fn(A)>,
    }
}

impl<A: AcceptsLocal<M>, M: Message + Clone> Polled for Again<A, M> {
    fn poll(self: Pin<&mut Self>, core: &Core, timer: Key) -> Poll<Flow> {
        let this = self.project();
        // What is late is so by the clock: others may have blocked the core since it was looked at.
        *this.due = this.interval.next(*this.due, core.read_clock());
        // Before it is handled: the handler may cancel it.
        core.set_timer(timer, Some(*this.due));
        let message = user(|| this.message.clone());
        if core.is_timer_spent(timer) {
            // By the clone itself.
            user(|| drop(message));
            return Poll::Pending;
        }
        match handle::<A, M>(*this.me, message) {
            Flow::Continue => Poll::Pending,
            flow => Poll::Ready(flow),
        }
    }

    fn name(&self) -> &'static str {
        std::any::type_name::<M>()
    }
}

#[cfg(test)]
mod tests;
