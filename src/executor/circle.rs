//! Circles of actors that wait for one another.
//!
//! Knows: what each waits for, the way from one core to the next. Must not know what is asked, nor who answers.
//!
//! Whoever begins to wait has what it waits for followed: from the actor that it has asked to those that this one waits for, and so on. An
//! actor that does not wait for answers alone leads nowhere. If one of them waits for whoever has begun, that is a circle. The last
//! of its waits finds all others, so no circle is missed.
//!
//! Where the search has led over several cores, what it has seen was seen at different times. So each wait of the circle is looked at
//! once more. One that is still the same has lasted all the time, and therefore all of them when the search was over: then there was a circle,
//! and the wait that was followed is refused. Waits that end meanwhile refuse nobody. A question that somebody has begun to handle is not
//! refused, for it could not be said that nothing has come of it; then that is the next of the circle.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use super::address::{CoreId, RawAddress};
use super::core::Core;
use super::current;
use super::envelope::Arrive;
use super::links::insist;
use super::oneshot::Refusing;
use super::reports::of_users;
use super::task_answer::AskError;
use super::tasks::WaitId;
use crate::mem::Key;

/// A search looks at so many actors at most: a circle is as good as never larger, and behind a wait for one actor there may be as
/// many as there are.
const SEEN_MAX: usize = 256;
/// So many actors of a circle are named.
const NAMED_MAX: usize = 8;
/// So many circles are told apart by their names. They are never forgotten, so that an error stays as small as it is.
const CIRCLES_MAX: usize = 1024;

/// The actors of a circle: see [`AskError::Cycle`]. Two bytes.
///
/// It shows the types of the actors, from the one that is refused, which waits for the next, and so on, back to that one. Of more than eight,
/// the first eight are named. A process names 1,024 different circles; those that come after show no names.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Circle(u16);

#[derive(Clone, PartialEq, Eq, Default)]
struct Path {
    names: Vec<&'static str>,
    /// There are more.
    cut: bool,
}

/// At each place the circle of that number, less one.
static CIRCLES: RwLock<Vec<Path>> = RwLock::new(Vec::new());

impl Circle {
    fn of(path: Path) -> Circle {
        // The table is whole at every point.
        let mut circles = CIRCLES.write().unwrap_or_else(PoisonError::into_inner);
        let known = circles.iter().position(|known| *known == path);
        let place = known.or_else(|| {
            (circles.len() < CIRCLES_MAX).then(|| {
                circles.push(path);
                circles.len() - 1
            })
        });
        Circle(place.map_or(0, |place| place as u16 + 1))
    }

    fn path(self) -> Path {
        let circles = CIRCLES.read().unwrap_or_else(PoisonError::into_inner);
        let path = usize::from(self.0).checked_sub(1).and_then(|place| circles.get(place));
        path.cloned().unwrap_or_default()
    }

    /// The types of the actors, eight at most: the first is refused, each waits for the next, and the last for the first. None if
    /// this process has named too many circles.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        self.path().names
    }
}

impl fmt::Display for Circle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Path { names, cut } = self.path();
        let Some(first) = names.first() else { return out.write_str("…") };
        for name in &names {
            write!(out, "{name} → ")?;
        }
        if cut {
            out.write_str("… → ")?;
        }
        out.write_str(first)
    }
}

impl fmt::Debug for Circle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Circle({self})")
    }
}

/// A question, as far as it matters here.
struct Question {
    asker: RawAddress,
    name: &'static str,
    wait: WaitId,
    to: Key,
}

impl Core {
    /// Refuses a wait that has begun, if it has closed a circle: at once where all of that is on this core, else soon.
    #[inline(never)]
    pub fn look_for_circle(&self, wait: Key) {
        let Some((asker, to, wait)) = self.wait(wait) else { return };
        let name = self.cells.name(asker.cell()).map_or("", of_users);
        let question = Question { asker, name, wait, to: to.cell() };
        match to.core() == self.id {
            true => follow(self, question),
            // Behind the question itself.
            false => send(self, to.core(), wait, arrive_question, question),
        }
    }
}

/// Sends something about a wait. What waits for room is told apart by what it names; a search is at one place at a time.
fn send<M: Send + 'static>(core: &Core, to: CoreId, wait: WaitId, arrive: impl Arrive<M>, word: M) {
    let index = wait.key.index ^ wait.core.0.reverse_bits();
    insist(Some(core), RawAddress::new(to, Key { index, ..wait.key }), arrive, word);
}

fn arrive_question(_: Key, question: Question) {
    current::with(|core| core.map(|core| follow(core, question)));
}

fn arrive_search(_: Key, search: Box<Search>) {
    current::with(|core| core.map(|core| search.go_on(core)));
}

fn arrive_proof(_: Key, proof: Box<Proof>) {
    current::with(|core| core.map(|core| proof.go_on(core)));
}

/// Follows a question that has come to an actor of this core.
fn follow(core: &Core, question: Question) {
    let to = core.address(question.to);
    if to == question.asker {
        let circle = vec![(question.wait, question.name)];
        return Box::new(Proof { waits: vec![question.wait], circle, refused: 0 }).go_on(core);
    }
    let mut leads_on = false;
    core.each_wait(question.to, |_, _| leads_on = true);
    if leads_on {
        let first = Seen { actor: to, name: "", by: question.wait, from: usize::MAX };
        Box::new(Search { question, seen: vec![first], next: 0 }).go_on(core);
    }
}

/// An actor that is waited for.
struct Seen {
    actor: RawAddress,
    /// Known once its waits have been looked at.
    name: &'static str,
    /// Who waits for it, by their place, and by which wait. The first is waited for by the asker.
    from: usize,
    by: WaitId,
}

/// Looks for a way back to the asker, nearest actors first.
struct Search {
    question: Question,
    /// Everybody whom the asker waits for in the end. Those before `next` have been looked at.
    seen: Vec<Seen>,
    next: usize,
}

impl Search {
    fn go_on(mut self: Box<Search>, core: &Core) {
        while let Some(seen) = self.seen.get(self.next) {
            let there = seen.actor.core();
            if there != core.id {
                return send(core, there, self.question.wait, arrive_search, self);
            }
            if let Some(closing) = self.look(core) {
                return Box::new(self.prove(closing)).go_on(core);
            }
            self.next += 1;
        }
    }

    /// Looks at whom the next actor waits for; answers the wait that leads back.
    fn look(&mut self, core: &Core) -> Option<WaitId> {
        let (cell, from) = (self.seen[self.next].actor.cell(), self.next);
        self.seen[from].name = core.cells.name(cell).map_or("", of_users);
        let mut closing = None;
        core.each_wait(cell, |actor, by| {
            if actor == self.question.asker {
                closing = Some(by);
            } else if self.seen.len() < SEEN_MAX && self.seen.iter().all(|seen| seen.actor != actor) {
                self.seen.push(Seen { actor, name: "", from, by });
            }
        });
        closing
    }

    /// The circle whose last wait is `closing`, of the actor that was looked at just now.
    fn prove(&self, closing: WaitId) -> Proof {
        let (mut circle, mut wait) = (Vec::new(), closing);
        let mut at = self.seen.get(self.next);
        while let Some(seen) = at {
            circle.push((wait, seen.name));
            wait = seen.by;
            at = self.seen.get(seen.from);
        }
        circle.push((wait, self.question.name));
        circle.reverse();
        let mut waits: Vec<WaitId> = circle.iter().map(|(wait, _)| *wait).collect();
        // Taken from the end: the core of the asker comes last.
        let home = self.question.wait.core;
        waits.sort_by_key(|wait| (wait.core != home, wait.core));
        Proof { waits, circle, refused: 0 }
    }
}

/// Looks at every wait of a circle once more, and refuses one whose question has not been begun to be handled.
struct Proof {
    /// Those that are still to be looked at, the next ones last.
    waits: Vec<WaitId>,
    /// From the one that was followed, with the names of those who wait.
    circle: Vec<(WaitId, &'static str)>,
    /// The one that is refused next.
    refused: usize,
}

impl Proof {
    fn go_on(mut self: Box<Proof>, core: &Core) {
        let asked = self.circle[0].0;
        while let Some(&wait) = self.waits.last() {
            if wait.core != core.id {
                return send(core, wait.core, asked, arrive_proof, self);
            }
            if !core.still_waits(wait) {
                return;
            }
            self.waits.pop();
        }
        // Not all of them can have begun: each that has was asked by one that had begun before.
        while let Some(&(wait, _)) = self.circle.get(self.refused) {
            if wait.core != core.id {
                return send(core, wait.core, asked, arrive_proof, self);
            }
            if !core.still_waits(wait) {
                return;
            }
            let why = AskError::Cycle(Circle::of(self.path()));
            if core.refuse_wait(wait, why) != Refusing::Claimed {
                return;
            }
            self.refused += 1;
        }
    }

    /// The names, beginning with whoever is refused.
    fn path(&self) -> Path {
        let (before, from) = self.circle.split_at(self.refused);
        let names = from.iter().chain(before).map(|(_, name)| *name).take(NAMED_MAX);
        Path { names: names.collect(), cut: self.circle.len() > NAMED_MAX }
    }
}
