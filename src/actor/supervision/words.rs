//! What supervisors and those that they supervise tell each other, on whichever cores they are.
//!
//! Knows: how a word gets there. Must not know what comes of it.
//!
//! A word is never refused. To another core it is sent as what must not be lost, of which the same word from the same cell waits once
//! (`executor/overdue.rs`): so each kind of word has a function of its own that delivers it. One may overtake another of another kind.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use super::super::address::demand;
use crate::executor::{Core, Demand, RawAddress, current, insist};
use crate::mem::Key;

/// What a supervisor is told of one that it supervises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// It has a place, and is not there yet.
    Reserved,
    /// There was no room for it.
    Forgotten,
    /// It is there, and has not begun: the name of its type.
    Adopted(&'static str),
    /// It has begun, for so many times.
    Began(u32),
    /// So it had, and has failed.
    Failed(u32),
    /// It has ended, and waits.
    Halted,
    /// It has ended for good.
    Ended,
}

/// A word to a supervisor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    /// Whose place it is about.
    pub(super) number: u64,
    /// Who says it.
    pub(super) from: RawAddress,
    pub(super) what: What,
}

/// Who supervises an actor, and at which place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Above {
    pub(super) supervisor: RawAddress,
    pub(super) number: u64,
}

/// What a supervisor has been told: the head of its cell.
#[derive(Debug, Default)]
pub(super) struct Board {
    pub(super) words: RefCell<VecDeque<Word>>,
    pub(super) next: Cell<u64>,
}

impl Above {
    /// Tells the supervisor something, on behalf of a cell of this core.
    pub(super) fn tell(self, core: &Core, cell: Key, what: What) {
        let from = core.address(cell);
        let (to, word) = (self.supervisor, Word { number: self.number, from, what });
        if to.core() == core.id {
            return hear(core, to.cell(), word);
        }
        let (way, word, from) = (RawAddress::new(to.core(), cell), (to.cell(), word), Some(core));
        match what {
            What::Reserved => insist(from, way, arrive::<0>, word),
            What::Forgotten => insist(from, way, arrive::<1>, word),
            What::Adopted(_) => insist(from, way, arrive::<2>, word),
            What::Began(_) => insist(from, way, arrive::<3>, word),
            What::Failed(_) => insist(from, way, arrive::<4>, word),
            What::Halted => insist(from, way, arrive::<5>, word),
            What::Ended => insist(from, way, arrive::<6>, word),
        }
    }
}

fn arrive<const KIND: u8>(_: Key, (to, word): (Key, Word)) {
    current::with(|core| core.map(|core| hear(core, to, word)));
}

pub(super) fn hear(core: &Core, supervisor: Key, word: Word) {
    let put = |board: &Board, word| board.words.borrow_mut().push_back(word);
    if core.cells.reach::<Board, _, _>(supervisor, word, put).is_err() && word.what != What::Ended {
        // It was aborted: nobody would begin this one any more, or end it.
        demand(word.from, Demand::Stop);
    }
}

/// Has one that is down begin.
pub(super) fn begin(child: RawAddress) {
    current::with(|core| match core {
        Some(core) if core.id == child.core() => core.cells.begin(child.cell()),
        from => insist(from, child, arrive_begin, ()),
    });
}

fn arrive_begin(cell: Key, (): ()) {
    current::with(|core| core.map(|core| core.cells.begin(cell)));
}
