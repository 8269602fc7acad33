//! Where actors are spawned.
//!
//! Knows: cores by number, the next in turn. Must not know what actors do.

use std::hash::Hash;
use std::sync::atomic::Ordering;

use crossbeam_channel::Sender;

use super::{Error, Result, System, on_core};
use crate::actor::{self, Actor, Addr, DeadLetter, Pool, Recipient, Sharded, Spawnable, subscribe};
use crate::executor::{RawAddress, current};
use crate::mem::Key;
use crate::task::{self, JoinHandle};

impl System {
    /// Spawns an actor on the next core in turn, and waits until it is there. It stays on that core. From within a handler,
    /// use [`Context::spawn`](crate::Context::spawn); for an actor that is not [`Send`], [`System::spawn_with`].
    ///
    /// `Ok` says that the actor has its place. [`Actor::started`] runs as soon as its turn comes: where that fails or stops the actor,
    /// the address leads to one that has ended. A question tells: [`AskError::Stopped`](crate::AskError::Stopped).
    ///
    /// **Costs** two messages between threads; spawn the first few actors like this, and let them spawn the others.
    ///
    /// # Errors
    /// [`Error::ActorsFull`], [`Error::CoreEnded`], or [`Error::WithinHandler`] when called from within a handler.
    pub fn spawn<A: Actor + Spawnable>(&self, actor: A) -> Result<Addr<A>> {
        self.spawn_with(self.next_core(), move || actor)
    }

    /// Spawns an actor on a core by its number, from zero; numbers beyond the last start again.
    ///
    /// # Errors
    /// As [`System::spawn`].
    pub fn spawn_on<A: Actor + Spawnable>(&self, core: usize, actor: A) -> Result<Addr<A>> {
        self.spawn_with(core, move || actor)
    }

    /// Spawns the actor that `make` makes, on a core by its number. `make` runs there, so the actor need not be `Send`.
    ///
    /// # Errors
    /// As [`System::spawn`].
    pub fn spawn_with<A, F>(&self, core: usize, make: F) -> Result<Addr<A>>
    where
        A: Actor,
        F: FnOnce() -> A + Send + 'static,
    {
        let core = &self.cores[core % self.cores.len()];
        let spawned: Option<RawAddress> = on_core(core.id, spawn_here::<A, F>, make)?;
        spawned.map(Addr::from_raw).ok_or(Error::ActorsFull)
    }

    /// Has every core tell `to` of the messages that are not delivered there: what is refused and given up on by
    /// [`or_dead_letter`](crate::OrDeadLetter::or_dead_letter), what finds no room where it arrives, what is dropped for want of room, what is
    /// left of an actor that has ended. There is one who is told; the next to be named takes its place.
    ///
    /// Each core counts by kind, and tells at the end of its turn. What is not delivered of that is only counted, in
    /// [`Ledger::dead_letters`](crate::Ledger::dead_letters), where all of them are. What threads outside of the system give up on is not told of.
    ///
    /// **Costs** a search among the kinds of a turn for each of them, and nothing where all is delivered.
    ///
    /// # Errors
    /// [`Error::CoreEnded`], or [`Error::WithinHandler`] when called from within a handler.
    ///
    /// ```
    /// use odeon::prelude::*;
    /// use odeon::DeadLetter;
    ///
    /// struct Log;
    ///
    /// #[actor]
    /// impl Log {
    ///     #[message]
    ///     fn letter(&mut self, letter: DeadLetter) {
    ///         eprintln!("not delivered: {letter:?}");
    ///     }
    /// }
    ///
    /// let system = System::builder().cores(Cores::Count(1)).build()?;
    /// let log = system.spawn(Log)?;
    /// system.dead_letters(log.recipient())?;
    /// # Ok::<(), odeon::Error>(())
    /// ```
    pub fn dead_letters(&self, to: Recipient<DeadLetter>) -> Result<()> {
        self.cores.iter().try_for_each(|core| on_core(core.id, subscribe_here, to))
    }

    /// Spawns an actor on the core that a key belongs to: the one on which [`Sharded::by_key`] finds the actor of the same key.
    ///
    /// ```
    /// use odeon::prelude::*;
    ///
    /// struct Account(u64);
    ///
    /// #[actor]
    /// impl Account {
    ///     #[call]
    ///     fn balance(&self) -> u64 {
    ///         self.0
    ///     }
    /// }
    ///
    /// let system = System::builder().cores(Cores::Count(2)).build()?;
    /// let account = system.spawn_by_key("alice", Account(42))?;
    /// assert_eq!(account.balance().wait(), Ok(42));
    /// # Ok::<(), odeon::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`System::spawn`].
    pub fn spawn_by_key<A, K>(&self, key: &K, actor: A) -> Result<Addr<A>>
    where
        A: Actor + Spawnable,
        K: Hash + ?Sized,
    {
        self.spawn_on(actor::place_of(key, self.cores()), actor)
    }

    /// Spawns one actor on each core, to be found by core and by key. `make` is given the core's number.
    ///
    /// # Errors
    /// As [`System::spawn`]; those spawned before stay.
    pub fn sharded<A, F>(&self, make: F) -> Result<Sharded<A>>
    where
        A: Actor,
        F: FnOnce(usize) -> A + Clone + Send + 'static,
    {
        Ok(Sharded::of(self.spawn_each(make)?))
    }

    /// Spawns so many actors of which any will do, on the cores in turn; one if `count` is zero. `make` is given the number of each, from
    /// zero. Nobody supervises them, and one that has failed keeps its place: [`Pool::of`] takes actors that are begun again.
    ///
    /// # Errors
    /// As [`System::spawn`]; those spawned before stay.
    pub fn pool<A, F>(&self, count: usize, make: F) -> Result<Pool<A>>
    where
        A: Actor,
        F: FnOnce(usize) -> A + Clone + Send + 'static,
    {
        let spawn = |number| {
            let make = make.clone();
            self.spawn_with(number, move || make(number))
        };
        Ok(Pool::of((0..count.max(1)).map(spawn).collect::<Result<Vec<_>>>()?))
    }

    /// Spawns one actor on each core, in the order of the cores. `make` is given the core's number.
    ///
    /// # Errors
    /// As [`System::spawn`]; those spawned before stay.
    pub fn spawn_each<A, F>(&self, make: F) -> Result<Vec<Addr<A>>>
    where
        A: Actor,
        F: FnOnce(usize) -> A + Clone + Send + 'static,
    {
        (0..self.cores())
            .map(|core| {
                let make = make.clone();
                self.spawn_with(core, move || make(core))
            })
            .collect()
    }

    /// Runs the future that `make` makes, on a core by its number, from zero; numbers beyond the last start again. `make` runs
    /// there, so the future need not be `Send`. From within a handler or a task, use [`task::spawn`].
    ///
    /// # Errors
    /// [`Error::CoreEnded`], or [`Error::WithinHandler`] when called from within a handler. A future that the core has no room
    /// for is dropped, and its handle says so.
    pub fn spawn_task<F, M>(&self, core: usize, make: M) -> Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: Send,
        M: FnOnce() -> F + Send + 'static,
    {
        let core = &self.cores[core % self.cores.len()];
        on_core(core.id, spawn_task_here::<F, M>, make)
    }

    fn next_core(&self) -> usize {
        // Relaxed: only spreads actors over cores.
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

fn spawn_here<A, F>(_: Key, (make, answer): (F, Sender<Option<RawAddress>>))
where
    A: Actor,
    F: FnOnce() -> A + Send + 'static,
{
    current::with(|core| {
        let Some(core) = core else { return };
        let spawned = core.contain(make).map(|actor| actor::spawn(core, actor));
        let spawned =
            spawned.and_then(|spawned| spawned.map_err(|refused| core.drop_contained(refused)).ok());
        // Whoever asked may have given up; the actor is there all the same.
        let _ = answer.send(spawned.map(Addr::raw));
    });
}

fn subscribe_here(_: Key, (to, answer): (Recipient<DeadLetter>, Sender<()>)) {
    current::with(|core| core.map(|core| subscribe(core, to)));
    // Whoever asked may have given up; it is told all the same.
    let _ = answer.send(());
}

type Spawned<F> = JoinHandle<<F as Future>::Output>;

fn spawn_task_here<F, M>(_: Key, (make, answer): (M, Sender<Spawned<F>>))
where
    F: Future + 'static,
    F::Output: Send,
    M: FnOnce() -> F + Send + 'static,
{
    current::with(|core| {
        // Whoever asked may have given up; the task is there all the same.
        core.map(|core| answer.send(task::spawn_on(core, make)).ok());
    });
}
