//! Answers, as whoever is asked gives them.
//!
//! Knows: that somebody waits, and what they are told if there is no answer. Must not know who they are.

use std::fmt;

use crate::executor::{AnswerTo, AskError, Core, Counters, current};

/// What a question becomes: an answer, or the reason why there is none.
pub(crate) type Answer<T> = Result<T, AskError>;

/// Whom to answer. A handler that takes one may answer at once, keep it for later, or pass it on by
/// [`Ask::forward`](crate::Ask::forward); its own result then says nothing to the asker.
///
/// Dropping it without an answer tells the asker so: [`AskError::Unanswered`], or [`AskError::Stopped`] or
/// [`AskError::Panicked`] where that is why, or [`AskError::Timeout`] where the handler that held it took too long.
///
/// 16 bytes. `Send` if the answer is: it may be given from any core and any thread. **Costs** no allocation; an answer to another core
/// goes by the lane, and is never refused.
///
/// ```
/// use odeon::prelude::*;
///
/// /// Answers everybody at once, when the door opens.
/// #[derive(Default)]
/// struct Door {
///     waiting: Vec<Reply<u32>>,
/// }
///
/// #[actor]
/// impl Door {
///     #[call]
///     fn wait(&mut self, reply: Reply<u32>) {
///         self.waiting.push(reply);
///     }
///
///     #[call]
///     fn open(&mut self) -> usize {
///         self.waiting.retain(|reply| !reply.is_closed());
///         let count = self.waiting.len();
///         for (place, reply) in self.waiting.drain(..).enumerate() {
///             reply.send(place as u32);
///         }
///         count
///     }
/// }
///
/// let system = System::builder().cores(Cores::Count(1)).build()?;
/// let door = system.spawn(Door::default())?;
/// let waiting = std::thread::spawn(move || door.wait().wait());
/// while door.open().wait()? == 0 {
///     std::thread::yield_now();
/// }
/// assert_eq!(waiting.join().unwrap(), Ok(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a reply that is dropped tells the asker that there is no answer"]
pub struct Reply<T: 'static> {
    to: AnswerTo<Answer<T>>,
}

impl<T: 'static> Reply<T> {
    pub(crate) fn new(to: AnswerTo<Answer<T>>) -> Reply<T> {
        Reply { to }
    }

    /// A reply that nobody waits for: what a handler is given that was told and not asked.
    pub fn nobody() -> Reply<T> {
        Reply { to: AnswerTo::nobody() }
    }

    /// Answers. If nobody waits any more, the answer is dropped.
    #[inline(always)]
    pub fn send(self, answer: T) {
        let to = self.to;
        std::mem::forget(self);
        to.send_made(answer, Ok);
    }

    /// Says that there is no answer, and why.
    pub(crate) fn refuse(self, why: AskError) {
        let to = self.to;
        std::mem::forget(self);
        to.send_made(why, Err);
    }

    /// True if it is known here that nobody waits: the asker has ended or given up, or its time is over. An asker on another core
    /// may have given up without its being known here, and on a thread that runs no core only the time is known, to a millisecond or two.
    #[inline(always)]
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.to.is_closed()
    }

    /// As [`open`](Reply::open), for a handler that is given the reply itself, and may pass it on: whoever waits for it does not wait for
    /// this actor then, when [circles](AskError::Cycle) are looked for.
    #[inline(always)]
    pub fn keep(self) -> Option<Reply<T>> {
        let reply = self.open()?;
        reply.put_aside();
        Some(reply)
    }

    /// Whoever waits may be answered by anybody.
    pub(crate) fn put_aside(&self) {
        self.to.put_aside();
    }

    /// The reply, if somebody waits for it. Counts the question as skipped if not: its handler need not run.
    #[inline(always)]
    pub fn open(self) -> Option<Reply<T>> {
        if !self.is_closed() {
            return Some(self);
        }
        skip(self);
        None
    }
}

#[cold]
fn skip<T: 'static>(reply: Reply<T>) {
    current::with(|core| core.map(|core| Counters::add(&core.counters.skipped, 1)));
    // One that still waits is about to be told so by its own core.
    reply.refuse(AskError::Timeout);
}

impl<T: 'static> Drop for Reply<T> {
    fn drop(&mut self) {
        let why = if std::thread::panicking() {
            AskError::Panicked
        } else {
            current::with(|core| core.map_or(AskError::Unanswered, Core::why_unanswered))
        };
        self.to.send_made(why, Err);
    }
}

impl<T: 'static> fmt::Debug for Reply<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to.fmt(out)
    }
}

/// What an actor drops while `run` runs is not answered because it ends.
pub(crate) fn while_stopping(core: &Core, run: impl FnOnce()) {
    core.unanswered_because(AskError::Stopped, run);
}

/// What an actor drops while `run` runs is not answered because it has failed, and is perhaps begun again.
pub(crate) fn while_restarting(core: &Core, run: impl FnOnce()) {
    core.unanswered_because(AskError::Restarted, run);
}

/// What an actor drops while `run` runs is not answered because it took too long.
pub(crate) fn while_expiring(core: &Core, run: impl FnOnce()) {
    core.unanswered_because(AskError::Timeout, run);
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::config::Config;
    use crate::driver::Waker;
    use crate::executor::directory::{self, Port};
    use crate::executor::{Activation, AnyTask, CoreId, Flow, Kind, Limit, Links, Waiting};
    use crate::sys::{Clock, Time};

    /// Notes what its question becomes.
    struct Asker(Rc<RefCell<Vec<Answer<u64>>>>);

    impl Waiting<Answer<u64>> for Asker {
        fn go_on(self, answer: Option<Answer<u64>>, _: &Core, _: Option<&Activation<'_>>) -> Flow {
            self.0.borrow_mut().extend(answer);
            Flow::Continue
        }
    }

    fn core(id: CoreId, now: &Rc<Cell<Time>>) -> Core {
        let config = Config { receive_buffers: 1, receive_buffer_bytes: 64, ..Config::default() };
        Core::new(id, Rc::new(config), Clock::Virtual(now.clone()), Links::new(CoreId(0), []))
    }

    #[test]
    fn whoever_asked_from_elsewhere_and_is_skipped_is_told_that_the_time_is_over() {
        let now = Rc::new(Cell::new(Time(1)));
        let first = directory::reserve(2);
        let (asking, asked) = (core(first, &now), core(CoreId(first.0 + 1), &now));
        let (inbox, envelopes) = crossbeam_channel::bounded(1);
        directory::open(first, Arc::new(Port::new(inbox, Waker::None, Duration::ZERO)));
        let answers = Rc::default();
        let limit = Limit::At(now.get().after(Duration::from_millis(20)));
        let waiting = AnyTask::waiting::<Answer<u64>, _>(asking.cells.blocks(), Asker(Rc::clone(&answers)));
        let Ok((task, deadline)) = asking.begin(None, waiting, Kind::Relay, limit) else {
            panic!("there is room")
        };
        let reply = Reply::<u64>::new(AnswerTo::new(&asking, task, deadline));
        // The core that asks has not looked at the time for a while.
        now.set(Time(1).after(Duration::from_millis(30)));
        asked.read_clock();
        current::scope(&asked, || assert!(reply.open().is_none(), "its handler does not run"));
        assert_eq!((asked.counters.skipped.get(), answers.borrow().len()), (1, 0));
        current::scope(&asking, || envelopes.recv().expect("it is told").deliver());
        assert_eq!(*answers.borrow(), [Err(AskError::Timeout)]);
        directory::close(first);
    }
}
