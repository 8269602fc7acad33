//! What a handler is given.
//!
//! Knows: the actor's own address, and what can be done from within. Must not know how it is done.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use super::head::Head;
use super::{Actor, Addr, AskError, Flow, Handle, Recipient, SendTo, SpawnError, body};
use crate::executor::{Core, Limit, RawAddress, current};
use crate::mem::{Full, Key};
use crate::sys::Time;

/// What a handler can do beside changing its actor's state: name the actor, look at the time, spawn other actors, and,
/// where the actor is a [`Connection`](crate::Connection), write to its peer.
///
/// It is lent to hooks and handlers, and cannot be kept. Unit tests have one of their own:
/// [`TestContext`](crate::testing::TestContext).
///
/// ```
/// use odeon::prelude::*;
///
/// /// Asks for a room of this name; the answer is its address.
/// #[derive(Message)]
/// struct Open {
///     name: String,
///     answer: Recipient<Opened>,
/// }
///
/// #[derive(Message)]
/// struct Opened(Addr<Room>);
///
/// struct Room {
///     name: String,
/// }
///
/// impl Actor for Room {
///     type Message = Never;
///     fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
///         match message {}
///     }
/// }
///
/// struct Directory;
///
/// impl Actor for Directory {
///     type Message = Open;
///     fn handle(&mut self, Open { name, answer }: Open, cx: &mut Context<Self>) -> Flow {
///         match cx.spawn(Room { name }) {
///             Ok(room) => answer.tell(Opened(room)).or_dead_letter(),
///             Err(error) => println!("no room {}: {error}", error.0.name),
///         }
///         Flow::Continue
///     }
/// }
/// ```
pub struct Context<A: Actor> {
    me: RawAddress,
    actor: PhantomData<fn(A)>,
}

/// How long an asynchronous handler may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Timeout {
    /// As long as `Config::handler_timeout` says.
    #[default]
    Default,
    /// So long.
    After(Duration),
    /// As long as it likes.
    Never,
}

impl Timeout {
    fn limit(self, core: &Core) -> Limit {
        let duration = match self {
            Timeout::Default => core.config.handler_timeout,
            Timeout::After(duration) => duration,
            Timeout::Never => return Limit::Never,
        };
        // Not from when the turn began: the time that others took is not this one's.
        Limit::At(core.read_clock().after(duration))
    }
}

impl<A: Actor> Context<A> {
    pub(crate) fn at(me: RawAddress) -> Context<A> {
        Context { me, actor: PhantomData }
    }

    /// The actor's own address. Valid anywhere, and beyond the actor's end, when it answers
    /// [`SendError::Stopped`](super::SendError::Stopped).
    #[must_use]
    pub fn me(&self) -> Addr<A> {
        Addr::from_raw(self.me)
    }

    /// The actor's own address as a sender of `M` sees it: what goes into a question, for the answer to come back.
    #[must_use]
    pub fn recipient<M: SendTo<A>>(&self) -> Recipient<M> {
        self.me().recipient()
    }

    /// The time, on the monotonic clock. **Costs** no look at the clock: that has been read already,
    /// a few times per turn, so this may lie behind it by the time that other actors took, 500 µs unless one of them blocks.
    #[must_use]
    pub fn now(&self) -> Time {
        self.with_core(Core::now).unwrap_or(Time::ZERO)
    }

    /// Spawns an actor on this core. [`Actor::started`] runs after this handler has returned. The new actor does not depend on
    /// this one: it lives until it is stopped, or the system is.
    ///
    /// **Costs** the actor's state and some 100 bytes, from pages that the core keeps; an allocation of its own if the state
    /// is more than a kilobyte.
    ///
    /// # Errors
    /// Hands the actor back when the core holds as many as `Config::actors_max` allows.
    pub fn spawn<B: Actor>(&mut self, actor: B) -> Result<Addr<B>, SpawnError<B>> {
        current::at(self.me.core(), |core| match core {
            Some(core) => body::spawn(core, actor),
            None => Err(SpawnError(actor)),
        })
    }

    /// Runs `run` with the actor's state as soon as this handler has returned, and nothing else on this actor until it has
    /// finished: messages, intervals, answers and concurrent futures wait, and a connection does not read. This is what an `async fn(&mut self, …)` handler becomes.
    ///
    /// If it has not finished by `timeout`, it is dropped, and the actor ends with
    /// [`StopReason::Failed`](crate::StopReason::Failed), for its state may be half changed. An abort and the end of the actor's
    /// connection drop it as well; a stop waits.
    ///
    /// It counts as the handling of a message, whoever begins it: if a supervised actor fails in it, by its time too, that is a dead letter.
    ///
    /// Answers [`Flow::Continue`]. If the core has as many tasks as `Config::tasks_max` allows, or this actor has begun another one
    /// that has not run yet, it is dropped, and counted as a failure; whoever holds a reply of it is told
    /// [`AskError::Full`].
    pub fn exclusive<F>(&mut self, handler: &'static str, timeout: Timeout, run: F) -> Flow
    where
        F: AsyncFnOnce(&mut A, &mut Context<A>) -> Flow + 'static,
    {
        let me = self.me;
        self.begin(handler, |core| {
            if core.cells.is_suspended(me.cell()) {
                core.drop_contained(run);
                return Err(Full);
            }
            let run = async move |actor: &mut A| run(actor, &mut Context::at(me)).await;
            core.begin_exclusive(me.cell(), timeout.limit(core), handler, Head::<A>::state, run)
        });
        Flow::Continue
    }

    /// Polls `future` beside the actor's messages, until it has finished or the actor ends. This is what a `concurrent` handler
    /// becomes. While an [exclusive](Context::exclusive) one has not finished, it is not polled, and its time runs on. If it has not finished by `timeout`, it is dropped, and counted as a failure. A connection does not end in order
    /// before it has finished, or `Config::close_deadline` is over, unless it may take for ever.
    ///
    /// It counts as the handling of a message, whoever begins it: if a supervised actor fails in it, that is a dead letter.
    ///
    /// Answers [`Flow::Continue`]. If the core has as many tasks as `Config::tasks_max` allows, it is dropped, and counted as a
    /// failure; whoever holds a reply of it is told [`AskError::Full`].
    pub fn concurrent<F>(&mut self, handler: &'static str, timeout: Timeout, future: F) -> Flow
    where
        F: Future<Output = Flow> + 'static,
    {
        let cell = self.me.cell();
        self.begin(handler, |core| core.begin_future(cell, timeout.limit(core), handler, future));
        Flow::Continue
    }

    /// Begins something of this name; false if it was not begun, which is then counted as a failure.
    pub(super) fn begin(
        &self,
        handler: &'static str,
        begin: impl FnOnce(&Core) -> Result<Key, Full>,
    ) -> bool {
        let begun = self.with_core(|core| {
            let mut begun = false;
            core.unanswered_because(AskError::Full, || begun = begin(core).is_ok());
            if !begun {
                not_begun(core, self.me.cell(), handler);
            }
            begun
        });
        begun == Some(true)
    }

    /// What a future holds of this actor that is polled beside its messages.
    #[must_use]
    pub fn handle(&self) -> Handle<A> {
        Handle::new(self.me)
    }

    /// The core of this actor, if this is its thread.
    pub(crate) fn with_core<R>(&self, look: impl FnOnce(&Core) -> R) -> Option<R> {
        current::at(self.me.core(), |core| core.map(look))
    }

    /// The same where this thread runs that core, and nothing else: what is asked first for every write.
    pub(crate) fn with_running_core<R>(&self, look: impl FnOnce(&Core) -> R) -> Option<R> {
        current::with(|core| core.filter(|core| core.id == self.me.core()).map(look))
    }

    /// The name of the actor's cell.
    pub(crate) fn cell(&self) -> Key {
        self.me.cell()
    }
}

#[cold]
fn not_begun(core: &Core, cell: Key, handler: &'static str) {
    if core.cells.is_suspended(cell) {
        core.report_failure(handler, format_args!("is not run: another handler of its actor has not begun"));
    } else {
        core.report_failure(handler, format_args!("is not run: there are Config::tasks_max tasks"));
    }
}

impl<A: Actor> fmt::Debug for Context<A> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Context").field("me", &self.me).finish_non_exhaustive()
    }
}
