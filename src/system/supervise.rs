//! Supervised actors, from outside of a system.
//!
//! Knows: cores by number, and where supervisors live. Must not know when actors are begun again.

use crossbeam_channel::Sender;

use super::{Error, Result, System, on_core};
use crate::actor::{self, Above, Actor, Addr, Restart};
use crate::executor::{Core, RawAddress, current};
use crate::mem::{Full, Key};

/// Has actors begun again that have failed: a group, in an order, or a part of one. Made by [`System::supervisor`].
///
/// Those below it begin in the order in which they are spawned, each after the one before has [started](crate::Actor::started); they are
/// stopped in the reverse of it, each after the one behind has ended. When more of them fail than [`Restart::intensity`] allows, all
/// are ended, and the supervisor fails itself: for the one above that is as if an actor had failed. Where there is none, all of
/// them end for good, with [`StopReason::Escalated`](crate::StopReason::Escalated), which is counted
/// ([`Ledger::given_up`](crate::Ledger::given_up)) and told on standard error.
///
/// It is an actor of the runtime, on core 0, and counts as one. Dropping this handle changes nothing.
///
/// ```
/// use std::time::Duration;
/// use odeon::prelude::*;
///
/// #[derive(Default)]
/// struct Index(Vec<u32>);
///
/// #[actor]
/// impl Index {
///     #[call]
///     fn at(&mut self, place: usize) -> u32 {
///         self.0[place]
///     }
/// }
///
/// struct Search {
///     index: Addr<Index>,
/// }
///
/// #[actor]
/// impl Search {
///     #[call]
///     fn index(&mut self) -> Addr<Index> {
///         self.index
///     }
/// }
///
/// let system = System::builder().cores(Cores::Count(2)).build()?;
/// let group = system.supervisor(Restart::rest_for_one().intensity(3, Duration::from_secs(10)))?;
/// let index = group.spawn(Index::default)?;
/// let search = group.spawn_on(1, move || Search { index })?;
/// assert_eq!(search.index().wait()?.at(0).wait(), Err(AskError::Panicked));
/// // Both have been begun again, under the same addresses.
/// assert_eq!(search.index().wait()?, index);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Supervisor<'a> {
    system: &'a System,
    at: RawAddress,
}

type Opens = (Restart, Option<Above>, bool);

impl System {
    fn open_supervisor(&self, opens: Opens) -> Result<Supervisor<'_>> {
        let opened = on_core(self.cores[0].id, open_here, opens)?;
        opened.map(|at| Supervisor { system: self, at }).map_err(|Full| Error::ActorsFull)
    }

    fn spawn_below<A: Actor, F>(&self, core: usize, supervisor: RawAddress, make: F) -> Result<Addr<A>>
    where
        F: FnMut() -> A + Send + 'static,
    {
        let above = self.reserve_below(supervisor)?;
        let core = &self.cores[core % self.cores.len()];
        on_core(core.id, spawn_here::<A, F>, (above, make))?.map_err(|Full| Error::ActorsFull)
    }

    fn reserve_below(&self, supervisor: RawAddress) -> Result<Above> {
        on_core(self.cores[0].id, reserve_here, supervisor)?.ok_or(Error::SupervisorEnded)
    }
}

impl System {
    /// Has the actor that `make` makes run on core 0, under a supervisor of its own, which has `make` make another one when it has
    /// failed. The new one has the address and the mailbox of the old; the message on which that has failed is a dead letter. Messages
    /// wait meanwhile. What the old one had begun, its timers, futures and questions, is gone, and whoever waits for its answer is
    /// told [`AskError::Restarted`](crate::AskError::Restarted). [`Actor::stopped`] of the old one has ended before
    /// [`Actor::started`] of the new.
    ///
    /// `make` runs on the core of the actor, when its turn comes, once for each; a panic of it counts as a failure. When the actor
    /// fails more often than [`Restart::intensity`] allows, it ends, with [`StopReason::Escalated`](crate::StopReason::Escalated). When it
    /// ends in another way, it is not begun again.
    ///
    /// ```
    /// use odeon::prelude::*;
    ///
    /// #[derive(Default)]
    /// struct Sum(u32);
    ///
    /// #[actor]
    /// impl Sum {
    ///     #[call]
    ///     fn add(&mut self, more: u32) -> u32 {
    ///         self.0 = self.0.checked_add(more).expect("it fits");
    ///         self.0
    ///     }
    /// }
    ///
    /// let system = System::builder().cores(Cores::Count(1)).build()?;
    /// let sum = system.supervise(Restart::one_for_one(), Sum::default)?;
    /// assert_eq!(sum.add(7).wait(), Ok(7));
    /// assert_eq!(sum.add(u32::MAX).wait(), Err(AskError::Panicked));
    /// assert_eq!(sum.add(5).wait(), Ok(5));
    /// # Ok::<(), odeon::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`System::spawn`].
    pub fn supervise<A, F>(&self, restart: Restart, make: F) -> Result<Addr<A>>
    where
        A: Actor,
        F: FnMut() -> A + Send + 'static,
    {
        self.supervise_on(0, restart, make)
    }

    /// The same on a core by its number, from zero; numbers beyond the last start again. The supervisor is on core 0 all the same.
    ///
    /// # Errors
    /// As [`System::spawn`].
    pub fn supervise_on<A, F>(&self, core: usize, restart: Restart, make: F) -> Result<Addr<A>>
    where
        A: Actor,
        F: FnMut() -> A + Send + 'static,
    {
        let supervisor = self.open_supervisor((restart, None, true))?;
        self.spawn_below(core, supervisor.at, make)
    }

    /// A supervisor for a group of actors.
    ///
    /// # Errors
    /// As [`System::spawn`].
    pub fn supervisor(&self, restart: Restart) -> Result<Supervisor<'_>> {
        self.open_supervisor((restart, None, false))
    }
}

impl<'a> Supervisor<'a> {
    /// Has the actor that `make` makes run on core 0, behind those that were spawned before. See [`System::supervise`].
    ///
    /// # Errors
    /// As [`System::spawn`]; [`Error::SupervisorEnded`] when this one has given up or was stopped.
    pub fn spawn<A, F>(self, make: F) -> Result<Addr<A>>
    where
        A: Actor,
        F: FnMut() -> A + Send + 'static,
    {
        self.spawn_on(0, make)
    }

    /// The same on a core by its number, from zero; numbers beyond the last start again.
    ///
    /// # Errors
    /// As [`Supervisor::spawn`].
    pub fn spawn_on<A, F>(self, core: usize, make: F) -> Result<Addr<A>>
    where
        A: Actor,
        F: FnMut() -> A + Send + 'static,
    {
        self.system.spawn_below(core, self.at, make)
    }

    /// A supervisor below this one, with a place in its order: if it gives up, it has failed like an actor would, and is begun again
    /// with all that are below it, under the addresses that they had.
    ///
    /// # Errors
    /// As [`Supervisor::spawn`].
    pub fn supervisor(self, restart: Restart) -> Result<Supervisor<'a>> {
        let above = self.system.reserve_below(self.at)?;
        self.system.open_supervisor((restart, Some(above), false))
    }

    /// Stops those below it in the reverse of their order, and then itself. Does not wait for that.
    pub fn stop(self) {
        actor::stop_supervisor(self.at);
    }
}

fn open_here(
    _: Key,
    ((restart, above, lone), answer): (Opens, Sender<std::result::Result<RawAddress, Full>>),
) {
    current::with(|core| core.map(|core| answer.send(actor::open(core, restart, above, lone)).ok()));
}

fn reserve_here(_: Key, (supervisor, answer): (RawAddress, Sender<Option<Above>>)) {
    current::with(|core| core.map(|core| answer.send(actor::reserve(core, supervisor)).ok()));
}

type Spawned<A> = std::result::Result<Addr<A>, Full>;

fn spawn_here<A: Actor, F>(_: Key, ((above, make), answer): ((Above, F), Sender<Spawned<A>>))
where
    F: FnMut() -> A + Send + 'static,
{
    let spawn = |core: &Core| answer.send(actor::spawn_child(core, above, make)).ok();
    current::with(|core| core.map(spawn));
}
