//! Watching and linking: who is told that an actor has ended, and who ends with it.
//!
//! Knows: reasons, and the message that brings one. Must not know how the end of a cell is noticed.

use std::fmt;
use std::marker::PhantomData;

use super::address::demand;
use super::attach::handle;
use super::{AcceptsLocal, Actor, Addr, Context, Flow, Message, StopReason};
use crate::executor::{
    Activation, AnyTask, AskError, Core, CoreId, Demand, Fate, RawAddress, Waiting, current,
};
use crate::mem::{Full, Key};

/// Which actor, whatever its type: what [`Addr::actor_id`] answers. No two actors of a process ever have the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorId(RawAddress);

impl fmt::Debug for ActorId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (core, cell) = (self.0.core(), self.0.cell());
        write!(out, "ActorId({}:{}:{})", core.0, cell.index, cell.generation)
    }
}

impl<A: Actor> Addr<A> {
    /// Which actor it leads to, in a form that hides the actor's type.
    #[must_use]
    pub fn actor_id(self) -> ActorId {
        ActorId(self.raw())
    }
}

/// An actor has ended that was [watched](Context::watch).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Down {
    /// Which.
    pub who: ActorId,
    /// Why; [`StopReason::Gone`] if that is not known, because it had ended before.
    pub reason: StopReason,
}

// Whoever has sent what is no message has not meant this one.
#[diagnostic::do_not_recommend]
impl Message for Down {
    type Reply = ();
}

/// Names a watch, to [end](Context::unwatch) it. Once it has told, or was ended, it names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WatchKey {
    core: CoreId,
    task: Key,
}

impl<A: Actor> Context<A> {
    /// Has this actor told when another one has ended: [`Down`] comes once for each watch, after the last that the other did. It comes
    /// at once if that has ended already, and from any core and any system of the process. The other one notices nothing.
    ///
    /// `Down` has no place in the mailbox, so it is not refused; it is handled between messages, and not while an asynchronous
    /// handler borrows the actor's state. What the other has sent before may come after it. A watch ends with this actor.
    ///
    /// ```
    /// use odeon::prelude::*;
    ///
    /// struct Worker;
    ///
    /// #[actor]
    /// impl Worker {
    ///     #[call]
    ///     fn divide(&mut self, what: u32, by: u32) -> u32 {
    ///         what / by
    ///     }
    /// }
    ///
    /// /// Has a worker, and another when that has ended.
    /// #[derive(Default)]
    /// struct Office {
    ///     ended: Vec<StopReason>,
    /// }
    ///
    /// #[actor]
    /// impl Office {
    ///     #[call]
    ///     fn worker(&mut self, cx: &mut Context<Self>) -> Option<Addr<Worker>> {
    ///         let worker = cx.spawn(Worker).ok()?;
    ///         cx.watch(worker).ok()?;
    ///         Some(worker)
    ///     }
    ///
    ///     #[message]
    ///     fn down(&mut self, Down { reason, .. }: Down) {
    ///         self.ended.push(reason);
    ///     }
    ///
    ///     #[call]
    ///     fn ended(&mut self) -> Vec<StopReason> {
    ///         self.ended.clone()
    ///     }
    /// }
    ///
    /// let system = System::builder().cores(Cores::Count(1)).build()?;
    /// let office = system.spawn(Office::default())?;
    /// let worker = office.worker().wait()?.expect("there is room");
    /// assert_eq!(worker.divide(1, 0).wait(), Err(AskError::Panicked));
    /// while office.ended().wait()?.is_empty() {}
    /// assert_eq!(office.ended().wait()?, [StopReason::Panicked]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// **Costs** a task, and on the core of the other a few words in two trees until one of both ends. For another core, two messages
    /// between cores.
    ///
    /// # Errors
    /// [`Full`] when the core has as many tasks as `Config::tasks_max` allows.
    pub fn watch<B: Actor>(&mut self, who: Addr<B>) -> Result<WatchKey, Full>
    where
        A: AcceptsLocal<Down>,
    {
        let (who, me) = (who.raw(), self.me().raw());
        self.begin_watch(who, || Watching::<A> { who, me, actor: PhantomData })
    }

    /// Ties the lives of two actors: when one of them has ended, for whatever reason, the other stops after the message that it is
    /// handling, with [`StopReason::LinkEnded`]; at once if it had ended before. They may live on different cores. To link two that are
    /// linked changes nothing. A connection ends so as one does that is [stopped](crate::Addr::stop): the frames that have been read are
    /// handled, what is queued is sent, and its peer reads the end of the stream.
    ///
    /// A restart is no end: whichever of them a supervisor begins again, the other goes on, and both stay linked. What a supervised actor
    /// has made in `started`, and makes again there, it stops in `stopped`. One that ends for this reason is not begun again.
    ///
    /// ```
    /// use odeon::prelude::*;
    ///
    /// struct Cache;
    ///
    /// #[actor]
    /// impl Cache {
    ///     #[call]
    ///     fn size(&mut self) -> usize {
    ///         0
    ///     }
    /// }
    ///
    /// /// Has a cache that does not outlive it.
    /// #[derive(Default)]
    /// struct Store {
    ///     cache: Option<Addr<Cache>>,
    /// }
    ///
    /// #[actor]
    /// impl Store {
    ///     #[started]
    ///     fn started(&mut self, cx: &mut Context<Self>) -> Flow {
    ///         let Ok(cache) = cx.spawn(Cache) else { return Flow::Fail };
    ///         self.cache = Some(cache);
    ///         if cx.link(cache).is_ok() { Flow::Continue } else { Flow::Fail }
    ///     }
    ///
    ///     #[call]
    ///     fn cache(&mut self) -> Option<Addr<Cache>> {
    ///         self.cache
    ///     }
    /// }
    ///
    /// let system = System::builder().cores(Cores::Count(1)).build()?;
    /// let store = system.spawn(Store::default())?;
    /// let cache = store.cache().wait()?.expect("there is room");
    /// store.stop();
    /// while cache.size().wait().is_ok() {}
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// **Costs** as [`watch`](Context::watch), and a message when this actor ends.
    ///
    /// # Errors
    /// As [`watch`](Context::watch).
    pub fn link<B: Actor>(&mut self, other: Addr<B>) -> Result<(), Full> {
        let (other, me) = (other.raw(), self.me().raw());
        if self.with_core(|core| core.link(self.cell(), other)) == Some(false) {
            return Ok(());
        }
        let begun = self.begin_watch(other, || Link { other: Some(other), me });
        if begun.is_err() {
            self.with_core(|core| core.unlink(self.cell(), other));
        }
        begun.map(|_| ())
    }

    fn begin_watch<W: Waiting<Fate>>(
        &self,
        who: RawAddress,
        waiting: impl FnOnce() -> W,
    ) -> Result<WatchKey, Full> {
        let begun = self.with_core(|core| {
            if !core.tasks.has_room() {
                return Err(Full);
            }
            let task = AnyTask::waiting::<Fate, _>(core.cells.blocks(), waiting());
            let begun = core.begin_watch(self.cell(), task, who);
            begun.map(|task| WatchKey { core: core.id, task }).map_err(|_| Full)
        });
        begun.unwrap_or(Err(Full))
    }

    /// Ends a watch: no [`Down`] comes of it any more. False if it has come, or the watch was ended before, or is another actor's.
    pub fn unwatch(&mut self, watch: WatchKey) -> bool {
        let cancel = |core: &Core| core.id == watch.core && core.cancel_watch(self.cell(), watch.task);
        self.with_core(cancel).unwrap_or(false)
    }
}

/// Waits for the end of an actor, to tell another.
struct Watching<A> {
    who: RawAddress,
    me: RawAddress,
    actor: PhantomData<fn(A)>,
}

impl<A: AcceptsLocal<Down>> Waiting<Fate> for Watching<A> {
    fn go_on(self, fate: Option<Fate>, _: &Core, owner: Option<&Activation<'_>>) -> Flow {
        if owner.is_none() {
            return Flow::Continue;
        }
        let reason = reason_of(fate.unwrap_or(Fate::UNKNOWN));
        handle::<A, Down>(self.me, Down { who: ActorId(self.who), reason })
    }
}

/// Waits for the end of an actor, to end another; and ends it, if it goes before, unless that is begun again.
struct Link {
    other: Option<RawAddress>,
    me: RawAddress,
}

impl Waiting<Fate> for Link {
    fn go_on(mut self, _: Option<Fate>, core: &Core, _: Option<&Activation<'_>>) -> Flow {
        if let Some(other) = self.other.take() {
            core.unlink(self.me.cell(), other);
        }
        demand(self.me, Demand::EndLink);
        Flow::Continue
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let Some(other) = self.other.take() else { return };
        let ends = current::at(self.me.core(), |core| {
            core.is_none_or(|core| {
                core.why_unanswered() != AskError::Restarted && core.unlink(self.me.cell(), other)
            })
        });
        if ends {
            demand(other, Demand::EndLink);
        }
    }
}

/// What an actor had begun has ended, because it is to begin again: it waits again for the ends of those that it is linked to.
#[cold]
pub(super) fn link_again(core: &Core, cell: Key) {
    for other in core.links_of(cell) {
        let link = Link { other: Some(other), me: core.address(cell) };
        let task = AnyTask::waiting::<Fate, _>(core.cells.blocks(), link);
        if let Err(task) = core.begin_watch(cell, task, other) {
            // Code that ran meanwhile has taken the places of all tasks. Two that could not be told of each other both end.
            core.drop_contained(task);
            core.demand(cell, Demand::EndLink);
        }
    }
}

/// Reasons that carry nothing, by their numbers from one on. A number above those of errors is that of no other reason.
const REASONS: [StopReason; 15] = [
    StopReason::MailboxFull,
    StopReason::Stopped,
    StopReason::Aborted,
    StopReason::Panicked,
    StopReason::Failed,
    StopReason::EndOfStream,
    StopReason::Malformed,
    StopReason::Idle,
    StopReason::Late,
    StopReason::OutboxFull,
    StopReason::AssemblyFull,
    StopReason::ForwardEnded,
    StopReason::LinkEnded,
    StopReason::Escalated,
    StopReason::Restarting,
];
/// Above it lie the numbers of errors: those of the kernel are below 4,096.
const ERRNO: u16 = 1 << (Fate::BITS - 1);

/// A reason on its way, within a core or to another.
#[inline]
pub(super) fn fate_of(reason: StopReason) -> Fate {
    if let StopReason::Disconnected(errno) = reason {
        return Fate(ERRNO | (errno as u16 & (ERRNO - 1)));
    }
    let place = REASONS.iter().position(|known| *known == reason);
    place.map_or(Fate::UNKNOWN, |place| Fate(place as u16 + 1))
}

fn reason_of(fate: Fate) -> StopReason {
    if fate.0 & ERRNO != 0 {
        return StopReason::Disconnected((fate.0 & (ERRNO - 1)).into());
    }
    let reason = fate.0.checked_sub(1).and_then(|place| REASONS.get(usize::from(place)));
    reason.copied().unwrap_or(StopReason::Gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reason behind this one: one that is new does not compile before it stands here.
    fn next(reason: StopReason) -> Option<StopReason> {
        Some(match reason {
            StopReason::Stopped => StopReason::Aborted,
            StopReason::Aborted => StopReason::Panicked,
            StopReason::Panicked => StopReason::Failed,
            StopReason::Failed => StopReason::EndOfStream,
            StopReason::EndOfStream => StopReason::Disconnected(104),
            StopReason::Disconnected(_) => StopReason::Malformed,
            StopReason::Malformed => StopReason::Idle,
            StopReason::Idle => StopReason::Late,
            StopReason::Late => StopReason::OutboxFull,
            StopReason::OutboxFull => StopReason::AssemblyFull,
            StopReason::AssemblyFull => StopReason::MailboxFull,
            StopReason::MailboxFull => StopReason::ForwardEnded,
            StopReason::ForwardEnded => StopReason::Restarting,
            StopReason::Restarting => StopReason::Escalated,
            StopReason::Escalated => StopReason::LinkEnded,
            StopReason::LinkEnded => StopReason::Gone,
            StopReason::Gone => return None,
        })
    }

    #[test]
    fn every_reason_comes_through() {
        for reason in std::iter::successors(Some(StopReason::Stopped), |reason| next(*reason)) {
            assert_eq!(reason_of(fate_of(reason)), reason);
        }
    }
}
