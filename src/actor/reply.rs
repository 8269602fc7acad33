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
        to.send(Ok(answer));
    }

    /// Says that there is no answer, and why.
    pub(crate) fn refuse(self, why: AskError) {
        let to = self.to;
        std::mem::forget(self);
        to.send(Err(why));
    }

    /// True if it is known here that nobody waits: the asker has ended or given up, or its time is over. An asker on another core
    /// may have given up without its being known here, and on a thread that runs no core only the time is known, to a millisecond or two.
    #[inline(always)]
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.to.is_closed()
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
        self.to.send(Err(why));
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

/// What an actor drops while `run` runs is not answered because it took too long.
pub(crate) fn while_expiring(core: &Core, run: impl FnOnce()) {
    core.unanswered_because(AskError::Timeout, run);
}
