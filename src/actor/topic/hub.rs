//! What stands for a topic on a core where somebody has subscribed: it has one copy of each publication, and hands it round.
//!
//! Knows: publications that wait, who has subscribed here. Must not know who publishes.
//!
//! Publications that wait go round together, a few at a time: each subscriber is handed all of these in a row, so that what it does with
//! them, like writing to a connection, it does once. Whoever has no room for the next of them is handed that when everybody has had a turn,
//! and so is whoever has subscribed anew while there are some left for its subscription before.
//!
//! A copy is made while nothing is borrowed: that is code of users, who may subscribe, publish and end meanwhile. A publication goes
//! round within the budget of an activation, like a batch of messages, and goes on in the next where it has stopped.

#[cfg(test)]
mod tests;

use std::any::type_name;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::members::{Member, Members, Turn};
use super::{Forgotten, Join, Leave, Shared};
use crate::actor::{Message, SendError};
use crate::executor::blame::{runtime, user};
use crate::executor::{Activation, Body, Budget, Core, Counters, DeadReason, Fate, Outcome, current};
use crate::mem::{Fifo, Key};

/// What lies in the cell of a hub.
pub(super) struct Hub<M: Message> {
    number: u64,
    queue: Fifo<(u64, M)>,
    members: RefCell<Members<M>>,
    round: Cell<Option<Round<M>>>,
    /// The memory of a round, while there is none.
    spare: Cell<Vec<(u64, Option<M>)>>,
    /// How many publications go round beside the first.
    beside: Cell<usize>,
    /// The number behind that of the last publication that has come here, whether it was taken or not.
    arrived: Cell<u64>,
    /// So many have come, and before there was this hub at most so many.
    publications: Cell<u64>,
    /// Behind that of the last that has gone round.
    delivered: Cell<u64>,
    shared: Arc<Shared>,
    forgotten: crossbeam_channel::Sender<Forgotten>,
}

/// So many publications go round together at most.
const TOGETHER: usize = 16;

/// Publications that go round, each with its number; one without a message says that some have gone by that had no room.
struct Round<M> {
    publications: Vec<(u64, Option<M>)>,
    /// Where it goes on: with whom, with which of the publications, and whether that one has been handed another on this way round.
    place: usize,
    index: usize,
    has_got: bool,
    /// Somebody is to be handed more on another way round.
    again: bool,
}

impl<M> Round<M> {
    /// The numbers of the first and the last.
    fn span(&self) -> (u64, u64) {
        let at = |publication: Option<&(u64, Option<M>)>| publication.map_or(0, |(at, _)| *at);
        (at(self.publications.first()), at(self.publications.last()))
    }

    /// True if one from a number on goes round, before another number.
    fn has_any(&self, from: u64, until: u64) -> bool {
        self.publications.iter().any(|(at, _)| (from..until).contains(at))
    }

    fn go_to(&mut self, place: usize) {
        (self.place, self.index, self.has_got) = (place, 0, false);
    }
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
                Some(true) => {
                    hub.end_round(core, round);
                    // Publications may follow without an end.
                    hub.part(core, hub.delivered.get());
                }
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
        hub.part(core, u64::MAX - 1);
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
            spare: Cell::new(Vec::new()),
            beside: Cell::new(0),
            arrived: Cell::new(join.next),
            publications: Cell::new(join.publications),
            delivered: Cell::new(join.next),
            shared: join.shared.clone(),
            forgotten: join.forgotten.clone(),
        }
    }

    /// True if there is nobody to hand anything to, or nothing to hand round any more.
    fn is_over(&self) -> bool {
        self.shared.has_ended_at(self.arrived.get(), self.publications.get())
            || self.members.borrow().is_empty()
    }

    fn next_round(&self, core: &Core) -> Option<Round<M>> {
        if let Some(round) = self.round.take() {
            return Some(round);
        }
        self.members.borrow_mut().close_ranks();
        let (mut publications, mut next) = (self.spare.take(), self.delivered.get());
        while publications.len() < TOGETHER
            && let Some((at, message)) = self.queue.pop(&core.chunks)
        {
            if at < next {
                // It was overtaken, and nobody gets it behind the other.
                core.dead_letter(DeadReason::Full, type_name::<M>(), None);
                core.drop_contained(message);
                continue;
            }
            next = at + 1;
            publications.push((at, Some(message)));
        }
        // What had no room here is told of at once, for perhaps nothing follows.
        if publications.is_empty() && self.delivered.get() < self.arrived.get() {
            publications.push((self.arrived.get() - 1, None));
        }
        if publications.is_empty() {
            self.spare.set(publications);
            return None;
        }
        self.beside.set(publications.len() - 1);
        Some(Round { publications, place: 0, index: 0, has_got: false, again: false })
    }

    /// Takes out those that have left and get nothing from this number on.
    fn part(&self, core: &Core, from: u64) {
        let parted = self.members.borrow_mut().part(from);
        core.hubs.unsubscribe(parted);
    }

    /// Drops what has gone round. That runs code of users.
    fn end_round(&self, core: &Core, mut round: Round<M>) {
        self.beside.set(0);
        for (_, message) in round.publications.drain(..) {
            core.drop_contained(message);
        }
        self.spare.set(round.publications);
    }

    /// Hands copies out until everybody has one of each. False if the budget is used up first.
    fn go_round(&self, core: &Core, round: &mut Round<M>, budget: &mut Budget) -> bool {
        let (first, last) = round.span();
        loop {
            let members = self.members.borrow();
            let place = members.place(round.place, first, last);
            if let Some(place) = place
                && members.follows(place)
                && members.has_to_wait(place, |from, until| round.has_any(from, until))
            {
                round.again = true;
                round.go_to(place + 1);
                continue;
            }
            drop(members);
            match place {
                Some(place) if place != round.place => round.go_to(place),
                Some(_) => {}
                None if round.again => {
                    round.again = false;
                    round.go_to(0);
                    continue;
                }
                None => {
                    self.delivered.set(last + 1);
                    return true;
                }
            }
            if !self.hand_all(core, round, budget) {
                return false;
            }
            round.go_to(round.place + 1);
        }
    }

    /// Hands them to the one whose turn it is. False if the budget is used up first.
    fn hand_all(&self, core: &Core, round: &mut Round<M>, budget: &mut Budget) -> bool {
        while let Some((at, message)) = round.publications.get(round.index) {
            let turn = self.members.borrow_mut().turn(round.place, *at, message.is_none());
            round.index += 1;
            let Some(turn) = turn else { continue };
            let has_got = std::mem::replace(&mut round.has_got, true);
            if !self.hand_over(core, &turn, message.as_ref(), has_got) {
                self.members.borrow_mut().put_off(&turn, *at);
                round.again = true;
                return true;
            }
            if !budget.spend(core) {
                return false;
            }
        }
        true
    }

    /// False if it has no room, but may have had some for what it `has_got` just now.
    #[inline]
    fn hand_over(&self, core: &Core, turn: &Turn<M>, message: Option<&M>, has_got: bool) -> bool {
        let is_told = !turn.is_behind || self.tell_lag(turn);
        let Some(message) = message else { return true };
        if !is_told {
            // Where there is no room for that there is none for more.
            if !has_got {
                self.miss(core, turn, DeadReason::Full);
            }
            return !has_got;
        }
        match turn.to.tell(self.copy(core, turn, message)) {
            Ok(()) => true,
            Err(SendError::Full(copy)) if has_got => {
                core.drop_contained(copy);
                false
            }
            Err(refused) => {
                self.refused(core, turn, refused);
                true
            }
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
        match to.tell(lagged) {
            Ok(()) => self.members.borrow_mut().told(turn, lagged.missed),
            // Whoever wanted to know has ended.
            Err(SendError::Stopped(_)) => self.members.borrow_mut().tell_no_more(turn),
            Err(SendError::Full(_)) => return false,
        }
        true
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
        self.members.borrow_mut().join(Member {
            id,
            since,
            to,
            lagged,
            next,
            until: u64::MAX,
            missed: 0,
            follows: false,
        });
    }

    fn publish(&self, core: &Core, at: u64, message: M) {
        self.arrived.set(self.arrived.get().max(at + 1));
        self.publications.set(self.publications.get() + 1);
        let waiting_max = (core.config.topic_backlog_max as usize).saturating_sub(self.beside.get());
        if !self.queue.has_room(&core.chunks, waiting_max) || waiting_max == 0 {
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
        let round = self.round.take().map_or_else(Vec::new, |round| round.publications);
        let going_round = round.into_iter().filter_map(|(_, message)| message);
        let waiting = std::iter::from_fn(|| Some(self.queue.pop(&core.chunks)?.1));
        for message in going_round.chain(waiting) {
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
        join.shared.has_joined();
        let number = number.to_bits();
        let hub = core.hubs.find(number).or_else(|| {
            let hub = Hub::new(number, &join);
            // On the core of a test what is spawned is what the actor under test has spawned.
            let stored = if core.links.are_none() {
                core.cells.insert_ready(hub, Serve)
            } else {
                core.spawn(hub, Serve)
            };
            let hub = stored.ok()?;
            core.hubs.open(number, hub);
            Some(hub)
        });
        let Some(hub) = hub else { return refuse(core, join, "Config::actors_max") };
        core.cells.find(hub, |hub: &Hub<M>| hub.join(core, join));
    });
}

/// Somebody of this core, or whoever was that, wants no publication from a number on.
pub(super) fn arrive_leave<M: Message + Clone + Send>(number: Key, leave: Leave) {
    at_hub(number, |hub: &Hub<M>| hub.members.borrow_mut().leave(leave));
}

/// Something is published. Where nobody has subscribed any more, it is for nobody.
pub(super) fn arrive_publication<M: Message + Clone + Send>(number: Key, (at, message): (u64, M)) {
    current::with(|core| {
        let Some(core) = core else { return };
        let hub = core.hubs.find(number.to_bits());
        let left = match hub {
            Some(hub) => {
                core.cells.reach(hub, message, |hub: &Hub<M>, message| hub.publish(core, at, message))
            }
            None => Err(message),
        };
        if let Err(message) = left {
            // Else whoever had subscribed has ended before.
            if core.is_ending() {
                core.dead_letter(DeadReason::Stopped, type_name::<M>(), None);
            }
            core.drop_contained(message);
        }
        if let Some(hub) = hub {
            run_on_guest::<M>(core, hub);
        }
    });
}

/// The topic has ended: its hub looks up what was published before.
pub(super) fn arrive_end<M: Message + Clone + Send>(number: Key, (): ()) {
    at_hub(number, |_: &Hub<M>| {});
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
        let outcome = Activation::of_started(core, hub, |activation| {
            loop {
                match activation.with_head(|head: &Hub<M>| Serve.activate(head, activation)) {
                    Some(Outcome::Again) => {}
                    outcome => break outcome,
                }
            }
        });
        if outcome == Some(Outcome::Ended) && core.cells.none_is_lent() && core.cells.remove(hub) {
            Counters::add(&core.counters.drop_panics, 1);
        }
    }
}
