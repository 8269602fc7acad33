//! Who has subscribed, on one core.
//!
//! Knows: places in a list, what each of them is to get next and has missed. Must not know what is published.
//!
//! A place stays where it is while the list is walked, whoever comes and goes meanwhile: new ones are at the end, or where one has
//! left, and everybody's own number says whether it is concerned.

use std::collections::BTreeMap;

use super::{Lagged, Leave};
use crate::actor::{Message, Recipient};

/// One subscription.
pub(super) struct Member<M: Message> {
    pub(super) id: u64,
    /// Tells it from others of the same id.
    pub(super) since: u64,
    pub(super) to: Recipient<M>,
    pub(super) lagged: Option<Recipient<Lagged>>,
    /// The number of the next publication that it is to get.
    pub(super) next: u64,
    /// Of the first that it is not.
    pub(super) until: u64,
    /// How many it has missed and was not told of.
    pub(super) missed: u64,
    /// One of the same id that has subscribed before is here still.
    pub(super) follows: bool,
}

/// All of one topic on one core, in places that stay.
pub(super) struct Members<M: Message> {
    places: Vec<Option<Member<M>>>,
    free: Vec<usize>,
    /// The place of each, by its id and by [`Member::since`].
    ids: BTreeMap<(u64, u64), usize>,
    /// Those that get no more, but stay until what was published before has come to them.
    leaving: usize,
    /// So many places are filled when those are looked for whose actors have ended.
    sweep_at: usize,
}

/// Whose turn it is when a publication goes round.
pub(super) struct Turn<M: Message> {
    place: usize,
    pub(super) to: Recipient<M>,
    /// It has missed something.
    pub(super) is_behind: bool,
    since: u64,
}

/// The least number of places that are worth looking through.
const SWEEP_MIN: usize = 64;

impl<M: Message> Members<M> {
    pub(super) fn new() -> Members<M> {
        Members {
            places: Vec::new(),
            free: Vec::new(),
            ids: BTreeMap::new(),
            leaving: 0,
            sweep_at: SWEEP_MIN,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True when so many have come that those who have ended should be looked for.
    pub(super) fn wants_sweep(&self) -> bool {
        self.len() >= self.sweep_at
    }

    /// Takes out all of which `is_gone` says so.
    pub(super) fn sweep(&mut self, is_gone: impl Fn(&Recipient<M>) -> bool) -> Vec<Member<M>> {
        let gone = |member: &Member<M>| is_gone(&member.to);
        let places: Vec<usize> =
            (0..self.places.len()).filter(|place| self.places[*place].as_ref().is_some_and(gone)).collect();
        let gone = places.into_iter().filter_map(|place| self.take(place)).collect();
        self.sweep_at = (2 * self.len()).max(SWEEP_MIN);
        gone
    }

    pub(super) fn join(&mut self, mut member: Member<M>) {
        let key = (member.id, member.since);
        member.follows = self.before(key).next().is_some();
        let place = match self.free.pop() {
            Some(place) => {
                self.places[place] = Some(member);
                place
            }
            None => {
                self.places.push(Some(member));
                self.places.len() - 1
            }
        };
        self.ids.insert(key, place);
    }

    /// The places of those of the same id that have subscribed before.
    fn before(&self, (id, since): (u64, u64)) -> impl Iterator<Item = usize> {
        self.ids.range((id, 0)..(id, since)).map(|(_, place)| *place)
    }

    /// One of them gets no publication from a number on.
    pub(super) fn leave(&mut self, Leave { id, since, until }: Leave) {
        let Some(place) = self.ids.get(&(id, since)) else { return };
        if let Some(member) = self.places[*place].as_mut().filter(|member| member.until == u64::MAX) {
            member.until = until;
            self.leaving += 1;
        }
    }

    /// Takes out those that leave and get nothing from this number on, where all before it has gone round. Answers how many.
    pub(super) fn part(&mut self, from: u64) -> usize {
        if self.leaving == 0 {
            return 0;
        }
        let before = self.len();
        for place in 0..self.places.len() {
            if self.places[place].as_ref().is_some_and(|member| member.until <= from) {
                self.take(place);
            }
        }
        before - self.len()
    }

    /// Forgets places that nobody has, where most are such. Not while the list is walked.
    pub(super) fn close_ranks(&mut self) {
        if self.free.len() <= SWEEP_MIN.max(self.len()) {
            return;
        }
        self.places.retain(Option::is_some);
        self.places.shrink_to_fit();
        self.free = Vec::new();
        for (place, member) in self.places.iter().enumerate() {
            if let Some(member) = member {
                self.ids.insert((member.id, member.since), place);
            }
        }
    }

    /// The first from this place on that is to get any of the publications between two numbers, these included.
    #[inline]
    pub(super) fn place(&self, from: usize, first: u64, last: u64) -> Option<usize> {
        let wants = |member: &Member<M>| member.next <= last && first.max(member.next) < member.until;
        let places = self.places.iter().enumerate().skip(from);
        places.filter(|(_, member)| member.as_ref().is_some_and(wants)).map(|(place, _)| place).next()
    }

    /// True if one of the same id as who is at this place has subscribed before, and is here still.
    #[inline]
    pub(super) fn follows(&self, place: usize) -> bool {
        self.places[place].as_ref().is_some_and(|member| member.follows)
    }

    /// True if such a one is to get something first. `is_left` says of a number and one behind it whether a publication between them goes
    /// round.
    #[cold]
    pub(super) fn has_to_wait(&self, place: usize, is_left: impl Fn(u64, u64) -> bool) -> bool {
        let Some(member) = &self.places[place] else { return false };
        let before = self.before((member.id, member.since));
        before
            .filter_map(|place| self.places[place].as_ref())
            .any(|before| is_left(before.next, before.until))
    }

    /// Who is at this place, if publication `at` is for it; what it has missed before is counted. A publication that is none only says
    /// that so many have gone by.
    #[inline]
    pub(super) fn turn(&mut self, place: usize, at: u64, is_none: bool) -> Option<Turn<M>> {
        let member = self.places.get_mut(place)?.as_mut()?;
        if at < member.next || member.until <= at {
            return None;
        }
        member.missed += at - member.next + u64::from(is_none);
        member.next = at + 1;
        Some(Turn { place, to: member.to, is_behind: member.missed > 0, since: member.since })
    }

    /// It gets this one later, which was its turn to get.
    pub(super) fn put_off(&mut self, turn: &Turn<M>, at: u64) {
        if let Some(member) = self.of(turn) {
            member.next = at;
        }
    }

    fn of(&mut self, turn: &Turn<M>) -> Option<&mut Member<M>> {
        self.places[turn.place].as_mut().filter(|member| member.since == turn.since)
    }

    /// It has missed what was its turn to get.
    pub(super) fn miss(&mut self, turn: &Turn<M>) {
        if let Some(member) = self.of(turn) {
            member.missed += 1;
        }
    }

    /// What it is to be told of what it has missed, if it is to be told.
    pub(super) fn lag(&mut self, turn: &Turn<M>) -> Option<(Recipient<Lagged>, Lagged)> {
        let member = self.of(turn)?;
        let lagged = Lagged { id: member.id, missed: member.missed };
        if member.lagged.is_none() {
            member.missed = 0;
        }
        Some((member.lagged?, lagged))
    }

    /// It knows of so many that it has missed.
    pub(super) fn told(&mut self, turn: &Turn<M>, missed: u64) {
        if let Some(member) = self.of(turn) {
            member.missed -= missed;
        }
    }

    /// Nobody wants to know any more what it misses.
    pub(super) fn tell_no_more(&mut self, turn: &Turn<M>) {
        if let Some(member) = self.of(turn) {
            (member.lagged, member.missed) = (None, 0);
        }
    }

    /// Its actor has ended.
    pub(super) fn forget(&mut self, turn: &Turn<M>) -> Option<Member<M>> {
        self.of(turn)?;
        self.take(turn.place)
    }

    fn take(&mut self, place: usize) -> Option<Member<M>> {
        let member = self.places[place].take()?;
        self.free.push(place);
        let key = (member.id, member.since);
        self.ids.remove(&key);
        let next = self.ids.range(key..).next().filter(|((id, _), _)| *id == member.id);
        if let Some((_, next)) = next.filter(|_| self.before(key).next().is_none())
            && let Some(next) = &mut self.places[*next]
        {
            next.follows = false;
        }
        self.leaving -= usize::from(member.until < u64::MAX);
        Some(member)
    }
}
