//! What stands for a topic on a core where somebody has subscribed: it has one copy of each publication, and hands it round.
//!
//! Knows: publications that wait, who has subscribed here. Must not know who publishes.
//!
//! A copy is made while nothing is borrowed: that is code of users, who may subscribe, publish and end meanwhile. A publication goes
//! round within the budget of an activation, like a batch of messages, and goes on in the next where it has stopped.

use std::any::type_name;
use std::cell::{Cell, RefCell};

use super::members::{Member, Members, Turn};
use super::{Forgotten, Join};
use crate::actor::{Message, SendError};
use crate::executor::blame::{runtime, user};
use crate::executor::{Activation, Body, Budget, Core, DeadReason, Fate, Outcome, current};
use crate::mem::{Fifo, Key};

/// What lies in the cell of a hub.
pub(super) struct Hub<M: Message> {
    number: u64,
    queue: Fifo<(u64, M)>,
    members: RefCell<Members<M>>,
    round: Cell<Option<Round<M>>>,
    /// The number behind that of the last publication that has come here, whether it was taken or not.
    arrived: Cell<u64>,
    /// Behind that of the last that has gone round.
    delivered: Cell<u64>,
    /// What it waits for before it ends: none as long as nobody has said that its topic has.
    last: Cell<Option<u64>>,
    forgotten: crossbeam_channel::Sender<Forgotten>,
}

/// A publication that goes round, or none where some have gone by that had no room.
struct Round<M> {
    at: u64,
    message: Option<M>,
    /// Where it goes on.
    place: usize,
}

/// The body of the cell: all that there is lies in its head.
struct Serve;

impl<M: Message + Clone + Send> Body<Hub<M>> for Serve {
    fn activate(&self, hub: &Hub<M>, activation: &Activation<'_>) -> Outcome {
        let (core, cell) = (activation.core, activation.cell());
        if core.cells.take_demand(cell).is_some() {
            return hub.end(core, cell);
        }
        let budget = &mut Budget::new(core);
        while let Some(mut round) = hub.next_round(core) {
            match core.contain(|| runtime(|| hub.go_round(core, &mut round, budget))) {
                Some(true) => core.drop_contained(round.message),
                Some(false) => {
                    hub.round.set(Some(round));
                    return Outcome::Again;
                }
                // A copy could not be made: the next may get one.
                None => hub.round.set(Some(round)),
            }
            if !budget.spend(core) {
                return Outcome::Again;
            }
        }
        let parted = hub.members.borrow_mut().part();
        core.hubs.unsubscribe(parted);
        if hub.is_over() { hub.end(core, cell) } else { Outcome::Rest }
    }
}

impl<M: Message + Clone + Send> Hub<M> {
    fn new(number: u64, join: &Join<M>) -> Hub<M> {
        Hub {
            number,
            queue: Fifo::new(),
            members: RefCell::new(Members::new()),
            round: Cell::new(None),
            arrived: Cell::new(join.next),
            delivered: Cell::new(join.next),
            last: Cell::new(None),
            forgotten: join.forgotten.clone(),
        }
    }

    /// True if there is nobody to hand anything to, or nothing to hand round any more.
    fn is_over(&self) -> bool {
        let has_ended = self.last.get().is_some_and(|last| self.arrived.get() >= last);
        has_ended || self.members.borrow().is_empty()
    }

    fn next_round(&self, core: &Core) -> Option<Round<M>> {
        if let Some(round) = self.round.take() {
            return Some(round);
        }
        self.members.borrow_mut().close_ranks();
        if let Some((at, message)) = self.queue.pop(&core.chunks) {
            return Some(Round { at, message: Some(message), place: 0 });
        }
        // What had no room here is told of at once, for perhaps nothing follows.
        let is_behind = self.delivered.get() < self.arrived.get();
        is_behind.then(|| Round { at: self.arrived.get() - 1, message: None, place: 0 })
    }

    /// Hands copies out until everybody has one. False if the budget is used up first.
    fn go_round(&self, core: &Core, round: &mut Round<M>, budget: &mut Budget) -> bool {
        loop {
            let turn = self.members.borrow_mut().turn(round.place, round.at, round.message.is_none());
            let Some(turn) = turn else {
                self.delivered.set(round.at + 1);
                return true;
            };
            round.place = turn.place + 1;
            self.hand_over(core, &turn, round.message.as_ref());
            if !budget.spend(core) {
                return false;
            }
        }
    }

    #[inline]
    fn hand_over(&self, core: &Core, turn: &Turn<M>, message: Option<&M>) {
        let is_told = !turn.is_behind || self.tell_lag(turn);
        let Some(message) = message else { return };
        if !is_told {
            // Where there is no room for that there is none for more.
            return self.miss(core, turn, DeadReason::Full);
        }
        match turn.to.tell(self.copy(core, turn, message)) {
            Ok(()) => {}
            Err(refused) => self.refused(core, turn, refused),
        }
    }

    /// A copy. Where that panics, it is missed like one that is refused.
    #[inline]
    fn copy(&self, core: &Core, turn: &Turn<M>, message: &M) -> M {
        struct Missed<'a, M: Message + Clone + Send>(&'a Hub<M>, &'a Core, &'a Turn<M>);
        impl<M: Message + Clone + Send> Drop for Missed<'_, M> {
            #[cold]
            fn drop(&mut self) {
                self.0.miss(self.1, self.2, DeadReason::Failed);
            }
        }
        let missed = Missed(self, core, turn);
        let copy = user(|| message.clone());
        std::mem::forget(missed);
        copy
    }

    #[cold]
    fn refused(&self, core: &Core, turn: &Turn<M>, refused: SendError<M>) {
        match &refused {
            SendError::Full(_) => self.miss(core, turn, DeadReason::Full),
            SendError::Stopped(_) => {
                let member = self.members.borrow_mut().forget(turn);
                self.forget(core, member);
            }
        }
        core.drop_contained(refused);
    }

    /// Tells how many it has missed, if it wants to know. False if it has no room.
    #[cold]
    fn tell_lag(&self, turn: &Turn<M>) -> bool {
        let Some((to, lagged)) = self.members.borrow_mut().lag(turn) else { return true };
        let is_told = to.tell(lagged).is_ok();
        if is_told {
            self.members.borrow_mut().told(turn, lagged.missed);
        }
        is_told
    }

    fn miss(&self, core: &Core, turn: &Turn<M>, reason: DeadReason) {
        core.dead_letter(reason, type_name::<M>(), None);
        self.members.borrow_mut().miss(turn);
    }

    /// Says that actors have ended.
    fn forget(&self, core: &Core, members: impl IntoIterator<Item = Member<M>>) {
        for member in members {
            core.hubs.unsubscribe(1);
            // One that leaves is known to leave, and its topic may have ended.
            let _ = self.forgotten.send(Forgotten { id: member.id, since: member.since });
        }
    }

    fn join(&self, core: &Core, join: Join<M>) {
        if self.members.borrow().wants_sweep() {
            let gone = self.members.borrow_mut().sweep(|to| core.cells.is_closed(to.raw().cell()));
            self.forget(core, gone);
        }
        if !core.hubs.subscribe(core.config.subscriptions_max) {
            return refuse(core, join, "Config::subscriptions_max");
        }
        let Join { id, since, to, lagged, next, .. } = join;
        self.members.borrow_mut().join(Member { id, since, to, lagged, next, until: u64::MAX, missed: 0 });
    }

    fn publish(&self, core: &Core, at: u64, message: M) {
        self.arrived.set(at + 1);
        if !self.queue.has_room(&core.chunks, core.config.topic_backlog_max as usize) {
            core.dead_letter(DeadReason::Full, type_name::<M>(), None);
            return core.drop_contained(message);
        }
        let pushed = self.queue.push(&core.chunks, (at, message));
        debug_assert!(pushed.is_ok(), "there was room");
    }

    fn end(&self, core: &Core, cell: Key) -> Outcome {
        core.cells.close(cell, Fate::UNKNOWN);
        core.hubs.close(self.number);
        let members = self.members.replace(Members::new());
        core.hubs.unsubscribe(members.len());
        let round = self.round.take().and_then(|round| round.message);
        let waiting = std::iter::from_fn(|| Some(self.queue.pop(&core.chunks)?.1));
        for message in round.into_iter().chain(waiting) {
            core.dead_letter(DeadReason::Stopped, type_name::<M>(), None);
            core.drop_contained(message);
        }
        Outcome::Ended
    }
}

#[cold]
fn refuse<M: Message>(core: &Core, join: Join<M>, limit: &'static str) {
    core.report_failure(
        type_name::<M>(),
        format_args!("has one subscriber less: its core has as many as {limit} allows"),
    );
    let _ = join.forgotten.send(Forgotten { id: join.id, since: join.since });
}

/// Somebody of this core subscribes.
pub(super) fn arrive_join<M: Message + Clone + Send>(number: Key, join: Join<M>) {
    current::with(|core| {
        let Some(core) = core else { return };
        let number = number.to_bits();
        let hub = core.hubs.find(number).or_else(|| {
            let hub = core.spawn(Hub::new(number, &join), Serve).ok()?;
            core.hubs.open(number, hub);
            Some(hub)
        });
        let Some(hub) = hub else { return refuse(core, join, "Config::actors_max") };
        core.cells.find(hub, |hub: &Hub<M>| hub.join(core, join));
    });
}

/// Somebody of this core, or whoever was that, wants no publication from a number on.
pub(super) fn arrive_leave<M: Message + Clone + Send>(number: Key, (id, until): (u64, u64)) {
    at_hub(number, |hub: &Hub<M>| hub.members.borrow_mut().leave(id, until));
}

/// Something is published. Where nobody has subscribed any more, it is for nobody.
pub(super) fn arrive_publication<M: Message + Clone + Send>(number: Key, (at, message): (u64, M)) {
    current::with(|core| {
        let Some(core) = core else { return };
        let Some(hub) = core.hubs.find(number.to_bits()) else { return core.drop_contained(message) };
        let left = core.cells.reach(hub, message, |hub: &Hub<M>, message| hub.publish(core, at, message));
        if let Err(message) = left {
            core.drop_contained(message);
        }
        run_on_guest::<M>(core, hub);
    });
}

/// The topic has ended: what was published before a number is delivered.
pub(super) fn arrive_end<M: Message + Clone + Send>(number: Key, last: u64) {
    at_hub(number, |hub: &Hub<M>| hub.last.set(Some(last)));
}

fn at_hub<M: Message + Clone + Send>(number: Key, act: impl FnOnce(&Hub<M>)) {
    current::with(|core| {
        let Some(core) = core else { return };
        let Some(hub) = core.hubs.find(number.to_bits()) else { return };
        let _ = core.cells.reach(hub, (), |hub, ()| act(hub));
        run_on_guest::<M>(core, hub);
    });
}

/// On the core of a test nothing runs by itself, and what a topic does is no part of the test.
#[inline]
fn run_on_guest<M: Message + Clone + Send>(core: &Core, hub: Key) {
    if core.links.are_none() {
        let activation = Activation::of_started(core, hub);
        let run = |head: &Hub<M>| Serve.activate(head, &activation);
        while core.cells.find(hub, run) == Some(Outcome::Again) {}
    }
}
