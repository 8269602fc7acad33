//! What a core owes others whose inboxes are full.
//!
//! Knows: the order in which it came, whom it is for, and what is there twice. Must not know how it is sent.
//!
//! Bounded by what there is to say: the same word to the same cell waits once, such as a stop, and an answer is for a task that
//! waits for no other, as long as that waits, which may be looked for in a circle meanwhile. So there are never more than a few for each cell, and
//! for each question.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::address::{CoreId, RawAddress};
use super::envelope::Envelope;
use super::room::Wished;
use crate::sys::Time;

/// Whom it is for, and what delivers it.
pub(super) type Word = (RawAddress, TypeId);

/// Envelopes that must not be lost, for each core in the order in which they came.
#[derive(Debug)]
pub(super) struct Overdue {
    /// With the time after which nobody wants it. None is empty.
    waiting: BTreeMap<CoreId, VecDeque<(Word, Time, Envelope)>>,
    /// Of all that wait.
    words: BTreeSet<Word>,
    /// Nothing that waits is late before.
    late_from: Time,
    /// Something has come since it was last tried to hand all of it over.
    untried: bool,
    /// What is left with each core that something waits for.
    wished: BTreeMap<CoreId, Wished>,
}

impl Default for Overdue {
    fn default() -> Overdue {
        Overdue {
            waiting: BTreeMap::new(),
            words: BTreeSet::new(),
            late_from: Time::MAX,
            untried: false,
            wished: BTreeMap::new(),
        }
    }
}

impl Overdue {
    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// True if something has not been tried yet. For the rest, those whom it is for have been asked to say when there is room.
    pub(super) fn is_untried(&self) -> bool {
        self.untried
    }

    /// Keeps an envelope; answers it if the same word waits already.
    pub(super) fn keep(&mut self, word: Word, until: Time, envelope: Envelope) -> Option<Envelope> {
        if !self.words.insert(word) {
            return Some(envelope);
        }
        self.untried = true;
        self.late_from = self.late_from.min(until);
        self.waiting.entry(word.0.core()).or_default().push_back((word, until, envelope));
        None
    }

    /// Hands over what finds room: each core in the order in which it is owed, and none of those whose way is full keeps others
    /// waiting. Answers what nobody wants, or can be handed, any more. **Costs** what is handed over, and one look at each core whose
    /// way is full; what waits behind is looked at when the time of some of it is over.
    pub(super) fn send(
        &mut self,
        now: Time,
        mut send: impl FnMut(CoreId, &mut Wished, Envelope) -> Sent,
    ) -> Vec<Envelope> {
        let mut refused = if self.late_from < now { self.take_late(now) } else { Vec::new() };
        self.untried = false;
        let (words, wished) = (&mut self.words, &mut self.wished);
        self.waiting.retain(|core, waiting| {
            while let Some((word, until, envelope)) = waiting.pop_front() {
                match send(*core, wished.entry(*core).or_default(), envelope) {
                    Sent::Full(envelope) => {
                        waiting.push_front((word, until, envelope));
                        return true;
                    }
                    Sent::Gone(envelope) => refused.push(envelope),
                    Sent::Handed => {}
                }
                words.remove(&word);
            }
            wished.remove(core);
            false
        });
        if self.is_empty() {
            self.late_from = Time::MAX;
        }
        refused
    }

    /// When something is late, if nothing is handed over before; [`Time::MAX`] if nothing will be.
    pub(super) fn late_after(&self) -> Time {
        Time(self.late_from.0.saturating_add(1))
    }

    /// Takes what nobody wants any more.
    fn take_late(&mut self, now: Time) -> Vec<Envelope> {
        let mut late = Vec::new();
        self.late_from = Time::MAX;
        for waiting in self.waiting.values_mut() {
            for _ in 0..waiting.len() {
                let Some((word, until, envelope)) = waiting.pop_front() else { break };
                if until < now {
                    self.words.remove(&word);
                    late.push(envelope);
                } else {
                    self.late_from = self.late_from.min(until);
                    waiting.push_back((word, until, envelope));
                }
            }
        }
        late
    }

    /// Gives up on all of it.
    pub(super) fn take(&mut self) -> Vec<Envelope> {
        let waiting = std::mem::take(self).waiting.into_values().flatten();
        waiting.map(|(.., envelope)| envelope).collect()
    }
}

/// What became of an envelope.
pub(super) enum Sent {
    Handed,
    /// There is no room.
    Full(Envelope),
    /// Its core has ended, or nobody wants it any more.
    Gone(Envelope),
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::mem::Key;

    const NOW: Time = Time(5);

    fn word(core: u32, cell: u32) -> Word {
        (RawAddress::new(CoreId(core), Key { index: cell, generation: 0 }), TypeId::of::<()>())
    }

    fn envelope() -> Envelope {
        Envelope::new(Key { index: 0, generation: 0 }, |_, ()| (), ())
    }

    fn keep(overdue: &mut Overdue, core: u32, cell: u32, until: Time) -> bool {
        overdue.keep(word(core, cell), until, envelope()).is_none()
    }

    /// Hands over as much as `room` says; answers to which cores, and how many were given up.
    fn send(overdue: &mut Overdue, room: &mut [usize]) -> (Vec<u32>, usize) {
        let handed = Rc::new(RefCell::new(Vec::new()));
        let gone = overdue.send(NOW, |core, _, envelope| match room.get_mut(core.0 as usize) {
            None => Sent::Gone(envelope),
            Some(0) => Sent::Full(envelope),
            Some(room) => {
                *room -= 1;
                handed.borrow_mut().push(core.0);
                Sent::Handed
            }
        });
        (handed.take(), gone.len())
    }

    fn cells(overdue: &Overdue) -> Vec<u32> {
        overdue.waiting.values().flatten().map(|((to, _), ..)| to.cell().index).collect()
    }

    #[test]
    fn each_core_is_handed_what_it_is_owed_in_order_as_there_is_room() {
        let mut overdue = Overdue::default();
        for (core, cell) in [(0, 9), (1, 3), (0, 1), (1, 2), (0, 5)] {
            assert!(keep(&mut overdue, core, cell, Time::MAX));
        }
        assert_eq!(send(&mut overdue, &mut [0, 0]), (vec![], 0));
        assert_eq!(cells(&overdue), [9, 1, 5, 3, 2]);
        assert_eq!(send(&mut overdue, &mut [1, 2]), (vec![0, 1, 1], 0), "one that is full keeps nobody else");
        assert!(keep(&mut overdue, 0, 0, Time::MAX));
        assert_eq!(cells(&overdue), [1, 5, 0]);
        assert_eq!(send(&mut overdue, &mut [2]), (vec![0, 0], 0));
        assert_eq!(cells(&overdue), [0]);
        assert_eq!(send(&mut overdue, &mut []), (vec![], 1), "whom it is for has ended");
        assert!(overdue.is_empty());
    }

    #[test]
    fn no_more_waits_than_there_is_to_say() {
        let mut overdue = Overdue::default();
        for round in 0..100 {
            for cell in 0..10 {
                assert_eq!(keep(&mut overdue, 0, cell, Time::MAX), round == 0, "once");
            }
            // An answer for which nobody waits any more.
            assert!(keep(&mut overdue, 0, 100 + round, Time(4)));
            assert_eq!(send(&mut overdue, &mut [0]), (vec![], 1));
            assert_eq!((overdue.words.len(), cells(&overdue).len()), (10, 10));
        }
        assert_eq!(send(&mut overdue, &mut [3]).0.len(), 3);
        assert!(keep(&mut overdue, 0, 0, Time(5)), "what was handed over may be said again");
        assert_eq!(overdue.take().len(), 8);
        assert!(overdue.is_empty() && keep(&mut overdue, 0, 0, Time::MAX));
    }

    #[test]
    fn what_waits_for_a_core_that_is_full_is_looked_at_when_some_of_it_is_late() {
        let places = |overdue: &Overdue| -> Vec<*const Envelope> {
            overdue.waiting.values().flatten().map(|(.., envelope)| std::ptr::from_ref(envelope)).collect()
        };
        let mut overdue = Overdue::default();
        for (cell, until) in [(1, Time::MAX), (2, Time(7)), (3, Time(6)), (4, Time(7)), (5, Time(8))] {
            assert!(keep(&mut overdue, 0, cell, until));
        }
        let mut pass = |now| {
            let (before, mut tried) = (places(&overdue), 0);
            let late = overdue.send(Time(now), |_, _, envelope| {
                tried += 1;
                Sent::Full(envelope)
            });
            assert_eq!(tried, 1);
            (late.len(), before == places(&overdue), cells(&overdue))
        };
        for now in [5, 6] {
            assert_eq!(pass(now), (0, true, vec![1, 2, 3, 4, 5]), "nothing is moved");
        }
        assert_eq!(pass(7), (1, false, vec![1, 2, 4, 5]));
        assert_eq!(pass(7), (0, true, vec![1, 2, 4, 5]));
        assert_eq!(pass(9), (3, false, vec![1]));
        assert_eq!(pass(u64::MAX - 1), (0, true, vec![1]));
    }
}
