//! What a handler that runs beside others holds of its actor.
//!
//! Knows: when the state can be had. Must not know what it is wanted for.

use std::fmt;
use std::marker::PhantomData;

use super::head::Head;
use super::{Actor, Addr, Context};
use crate::executor::blame::user;
use crate::executor::{Core, Demand, RawAddress, current};

/// An actor, as a future sees it that runs beside the actor's handlers: what `#[call(concurrent)]` and
/// `#[message(concurrent)]` are given instead of `&mut self`.
///
/// It borrows the state for as long as [`with`](Handle::with) runs and not across an `await`. It stays on its core. It is no address:
/// what is sent to the actor is sent to [`me`](Handle::me), as in `handle.me().tell(message)`, and waits in its mailbox.
///
/// ```
/// use odeon::prelude::*;
///
/// #[derive(Default)]
/// struct Counter {
///     searches: u32,
/// }
///
/// #[actor]
/// impl Counter {
///     #[call(concurrent)]
///     async fn search(me: Handle<Self>, word: String) -> usize {
///         let before = me.with(|counter, _| counter.searches);
///         me.with(|counter, _| counter.searches += 1).ok();
///         word.len() + before.unwrap_or(0) as usize
///     }
/// }
///
/// let system = System::builder().cores(Cores::Count(1)).build()?;
/// let counter = system.spawn(Counter::default())?;
/// assert_eq!(counter.search("odeon".to_owned()).wait(), Ok(5));
/// assert_eq!(counter.search("odeon".to_owned()).wait(), Ok(6));
/// # Ok::<(), odeon::Error>(())
/// ```
pub struct Handle<A: Actor> {
    me: RawAddress,
    actor: PhantomData<*const A>,
}

/// Why the state of an actor cannot be had now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandleError {
    /// The actor has ended.
    Stopped,
    /// Its state is borrowed. A concurrent handler is not told so, unless it calls within `with`: it is not polled while another handler has
    /// the state. A handle that is used elsewhere may be, such as within an exclusive handler of the actor, in a continuation, or in a task
    /// of its own ([`task::spawn`](crate::task::spawn)) while an exclusive handler has not finished.
    Busy,
    /// It has none: the actor or another one has failed, and its supervisor has not begun it again. That may take as long as a
    /// [back-off](crate::Restart::backoff), and the actor may end instead.
    Restarting,
}

impl fmt::Display for HandleError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            HandleError::Stopped => "the actor has stopped",
            HandleError::Busy => "the actor's state is borrowed by another handler of it",
            HandleError::Restarting => "the actor has not been begun again yet",
        })
    }
}

impl std::error::Error for HandleError {}

/// Ends the actor if code that was lent its state panics: half of what that did may be done.
struct Broken(RawAddress);

impl Drop for Broken {
    fn drop(&mut self) {
        current::with(|core| core.map(|core| core.demand(self.0.cell(), Demand::Broken)));
    }
}

impl<A: Actor> Handle<A> {
    pub(super) fn new(me: RawAddress) -> Handle<A> {
        Handle { me, actor: PhantomData }
    }

    /// The actor's address.
    #[must_use]
    pub fn me(&self) -> Addr<A> {
        Addr::from_raw(self.me)
    }

    /// Lends the actor's state, and a context of it, to `act`. What that writes to the actor's connection leaves in the
    /// actor's next turn.
    ///
    /// If `act` panics, the actor ends, and the panic goes on.
    ///
    /// # Errors
    /// [`HandleError::Stopped`] once the actor has ended; [`HandleError::Restarting`] until one that has failed is begun again;
    /// [`HandleError::Busy`] within `with`, within a handler, hook or continuation of
    /// the same actor that has its state, and, from a task of its own, while an exclusive handler of it has not finished.
    pub fn with<R>(&self, act: impl FnOnce(&mut A, &mut Context<A>) -> R) -> Result<R, HandleError> {
        // Where it is not called, what it holds is dropped by whoever called: that may be code of a user, too.
        let mut act = Some(act);
        current::at(self.me.core(), |core| {
            let core = core.ok_or(HandleError::Stopped)?;
            let lend = |head: &Head<A>, ()| {
                if core.cells.is_suspended(self.me.cell()) {
                    return Err(HandleError::Busy);
                }
                let mut state = head.borrow().ok_or_else(|| self.why_not(core, head))?;
                let act = act.take().expect("it is called once");
                let broken = Broken(self.me);
                let result = user(|| act(&mut state, &mut Context::at(self.me)));
                std::mem::forget(broken);
                Ok(result)
            };
            core.cells.reach(self.me.cell(), (), lend).unwrap_or(Err(HandleError::Stopped))
        })
    }

    /// Why the state of an actor that has not ended cannot be borrowed.
    #[cold]
    fn why_not(&self, core: &Core, head: &Head<A>) -> HandleError {
        let is_there = head.state().try_borrow().map_or(true, |state| state.is_some());
        // One that is with a test has none either.
        if is_there || !core.cells.is_kept(self.me.cell()) {
            HandleError::Busy
        } else {
            HandleError::Restarting
        }
    }
}

impl<A: Actor> Clone for Handle<A> {
    fn clone(&self) -> Handle<A> {
        Handle::new(self.me)
    }
}

impl<A: Actor> fmt::Debug for Handle<A> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Handle({:?})", self.me())
    }
}
