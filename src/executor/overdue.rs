//! What a core owes others whose inboxes are full.
//!
//! Knows: the order in which it came, whom it is for, and what is there twice. Must not know how it is sent.
//!
//! Bounded by what there is to say: the same word to the same cell waits once, such as a stop, and an answer is for a task that
//! waits for no other, as long as that waits. So there are never more than a few for each cell, and one for each question.

use std::any::TypeId;
use std::collections::{BTreeSet, VecDeque};

use super::address::{CoreId, RawAddress};
use super::envelope::Envelope;
use crate::sys::Time;

/// Whom it is for, and what delivers it.
pub(super) type Word = (RawAddress, TypeId);

/// Envelopes that must not be lost, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Overdue {
    /// With the time after which nobody wants it.
    waiting: VecDeque<(Word, Time, Envelope)>,
    words: BTreeSet<Word>,
}

impl Overdue {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Keeps an envelope; answers it if the same word waits already.
    pub(super) fn keep(&mut self, word: Word, until: Time, envelope: Envelope) -> Option<Envelope> {
        if !self.words.insert(word) {
            return Some(envelope);
        }
        self.waiting.push_back((word, until, envelope));
        None
    }

    /// Hands over what finds room: each core in the order in which it is owed, and none of those whose way is full keeps others
    /// waiting. Answers what nobody wants, or can be handed, any more.
    pub(super) fn send(
        &mut self,
        now: Time,
        mut send: impl FnMut(CoreId, Envelope) -> Sent,
    ) -> Vec<Envelope> {
        let (mut full, mut refused) = (BTreeSet::new(), Vec::new());
        for _ in 0..self.waiting.len() {
            let Some((word, until, envelope)) = self.waiting.pop_front() else { break };
            let core = word.0.core();
            let sent = match () {
                () if until < now => Sent::Gone(envelope),
                () if full.contains(&core) => Sent::Full(envelope),
                () => send(core, envelope),
            };
            match sent {
                Sent::Full(envelope) => {
                    full.insert(core);
                    self.waiting.push_back((word, until, envelope));
                    continue;
                }
                Sent::Gone(envelope) => refused.push(envelope),
                Sent::Handed => {}
            }
            self.words.remove(&word);
        }
        refused
    }

    /// Gives up on all of it.
    pub(super) fn take(&mut self) -> Vec<Envelope> {
        self.words.clear();
        self.waiting.drain(..).map(|(.., envelope)| envelope).collect()
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
        let gone = overdue.send(NOW, |core, envelope| match room.get_mut(core.0 as usize) {
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
        overdue.waiting.iter().map(|((to, _), ..)| to.cell().index).collect()
    }

    #[test]
    fn each_core_is_handed_what_it_is_owed_in_order_as_there_is_room() {
        let mut overdue = Overdue::default();
        for (core, cell) in [(0, 9), (1, 3), (0, 1), (1, 2), (0, 5)] {
            assert!(keep(&mut overdue, core, cell, Time::MAX));
        }
        assert_eq!(send(&mut overdue, &mut [0, 0]), (vec![], 0));
        assert_eq!(cells(&overdue), [9, 3, 1, 2, 5]);
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
            assert_eq!(overdue.waiting.len(), 10);
        }
        assert_eq!(send(&mut overdue, &mut [3]).0.len(), 3);
        assert!(keep(&mut overdue, 0, 0, Time(5)), "what was handed over may be said again");
        assert_eq!(overdue.take().len(), 8);
        assert!(overdue.is_empty() && keep(&mut overdue, 0, 0, Time::MAX));
    }
}
