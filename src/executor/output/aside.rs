//! What a connection has written and no slot holds: bytes that wait for slots, and bytes that wait behind answers.
//!
//! Knows: places, their order, bytes. Must not know slots, nor bounds.
//!
//! A place is where an answer will stand. One that is closed is gone: its answer, and what was written behind it, follow what
//! was written behind the place before, or are spilled if it was the first. The shorter part is always moved to the
//! longer one, so that a byte is moved seldom whatever the order in which answers come.

use std::collections::VecDeque;
use std::panic::Location;
use std::task::Waker;

use super::excess::LeftOut;
use crate::executor::flush::Watched;
use crate::mem::Key;
use crate::sys::Time;

/// Names a place in one output; of no use in others. Once the place is closed it names nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaceId(u32);

impl PlaceId {
    pub(super) const FIRST: PlaceId = PlaceId(0);

    /// The name that is given out so many places later.
    pub(super) fn after(self, places: u32) -> PlaceId {
        PlaceId(self.0.wrapping_add(places))
    }

    /// How many were given out from `first` to this one. It stays right when the numbers begin anew.
    fn distance(self, first: PlaceId) -> u32 {
        self.0.wrapping_sub(first.0)
    }
}

/// An open place.
#[derive(Debug)]
struct Place {
    id: PlaceId,
    /// What stands there so far.
    answer: VecDeque<u8>,
    /// What was written behind it and stands before the next place.
    behind: VecDeque<u8>,
}

const _: () = assert!(size_of::<Place>() <= 72, "as `Config::deferred_max` says");

/// Names somebody who watches an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchId(u32);

/// Somebody who waits until what was written before has been sent.
#[derive(Debug)]
struct Watch {
    id: WatchId,
    /// So many bytes are to be sent before.
    left: u32,
    state: Watched,
    waker: Option<Waker>,
}

/// What of other connections goes into the output, and where what is received goes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tie {
    /// What is received goes to the output of this cell.
    pub to: Option<Key>,
    /// What this cell receives goes into this output.
    pub from: Option<Key>,
    /// It waits until there is room.
    pub waits: bool,
    /// Some of what was received for this output has found no room.
    pub left: bool,
    /// The stream that came has ended, and so does this output, once it has been sent.
    pub finished: bool,
}

/// Bytes that are in no slot, open places, and who waits for the output to be sent.
#[derive(Debug, Default)]
pub(super) struct Aside {
    watches: Vec<Watch>,
    next_watch: u32,
    tie: Tie,
    /// Goes into slots as they come back.
    spill: VecDeque<u8>,
    /// What the spill is made of, if old writes may be dropped from it: how long each is, and whether it stays.
    writes: VecDeque<(u32, Stays)>,
    /// Bytes of those that do not.
    droppable: usize,
    can_drop: bool,
    /// Since when half of the bound or more was queued, and a quarter or more has been since.
    pub(super) high_since: Option<Time>,
    /// Writes that were left out since nothing was queued last.
    pub(super) lost: u32,
    /// Those of them, and of what was dropped, that nobody was told of.
    pub(super) untold: LeftOut,
    /// In order. The answer of the first is empty here: it may leave, so it is in slots or spilled.
    places: VecDeque<Place>,
    /// So many may be open.
    places_max: u32,
    /// Bytes at places and behind them.
    held: usize,
    /// Where a place was reserved that was abandoned: whatever is written would stand behind it.
    broken: Option<&'static Location<'static>>,
}

/// Whether a write that waits stays, although old ones may be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stays {
    No,
    /// Its beginning has left, or it stood behind an answer.
    Yes,
}

impl Aside {
    /// With nothing in it.
    pub(super) fn new(can_drop: bool) -> Aside {
        Aside { can_drop, ..Aside::default() }
    }

    /// True if there is nothing to keep this for, with so many bytes queued.
    pub(super) fn is_idle(&self, queued: u32) -> bool {
        let has_history = self.lost > 0 || self.high_since.is_some();
        self.spill.is_empty()
            && self.places.is_empty()
            && self.watches.is_empty()
            && self.tie == Tie::default()
            && self.broken.is_none()
            && self.untold == LeftOut::default()
            && (queued == 0 || !has_history)
    }

    /// True if old writes may be dropped from the spill.
    pub(super) fn can_drop(&self) -> bool {
        self.can_drop
    }

    /// True if the connection has to be looked at, whether to end it or to tell what was left out.
    pub(super) fn is_troubled(&self) -> bool {
        self.broken.is_some() || self.untold != LeftOut::default()
    }

    /// Where the place was reserved that was abandoned last, if one was.
    pub(super) fn broken(&self) -> Option<&'static Location<'static>> {
        self.broken
    }

    pub(super) fn look_at_tie(&self) -> Tie {
        self.tie
    }

    pub(super) fn tie(&mut self) -> &mut Tie {
        &mut self.tie
    }

    /// True if nothing more is to be written.
    pub(super) fn is_finished(&self) -> bool {
        self.tie.finished
    }

    /// True if something of another connection goes into the output, or what is received goes to one's: this is kept for that.
    pub(super) fn is_tied(&self) -> bool {
        self.tie.to.is_some() || self.tie.from.is_some()
    }

    pub(super) fn is_forwarded(&self) -> bool {
        self.tie.to.is_some()
    }

    /// Open places.
    pub(super) fn places(&self) -> u32 {
        self.places.len() as u32
    }

    /// Half of those that may be.
    pub(super) fn has_many_places(&self) -> bool {
        self.places() >= self.places_max.div_ceil(2).max(1)
    }

    /// Less than a quarter of those that may be.
    pub(super) fn has_few_places(&self) -> bool {
        self.places() < self.places_max.div_ceil(4).max(1)
    }

    /// Bytes that may leave as soon as there are slots.
    pub(super) fn spilled(&self) -> usize {
        self.spill.len()
    }

    /// All bytes here.
    pub(super) fn bytes(&self) -> usize {
        self.spill.len() + self.held
    }

    pub(super) fn spill(&mut self, bytes: &[u8], stays: Stays) {
        self.note_write(bytes.len(), stays);
        self.spill.extend(bytes);
    }

    fn note_write(&mut self, bytes: usize, stays: Stays) {
        if self.can_drop && bytes > 0 {
            // Of a stream that is forwarded here nothing may be missing.
            let stays = if self.tie.from.is_some() { Stays::Yes } else { stays };
            self.writes.push_back((bytes as u32, stays));
            self.droppable += if stays == Stays::No { bytes } else { 0 };
        }
    }

    /// Bytes of writes that may be dropped.
    pub(super) fn droppable(&self) -> usize {
        self.droppable
    }

    /// Drops the oldest write that does not stay, with so many bytes queued ahead of the spill; answers how long it was. Whoever
    /// waits for what was written before does not wait for that one.
    pub(super) fn drop_oldest(&mut self, ahead: usize) -> Option<usize> {
        let index = self.writes.iter().position(|(_, stays)| *stays == Stays::No)?;
        let before = self.writes.iter().take(index).map(|(bytes, _)| *bytes as usize).sum::<usize>();
        let (bytes, _) = self.writes.remove(index).expect("it was found there");
        self.spill.drain(before..before + bytes as usize);
        self.droppable -= bytes as usize;
        let end = (ahead + before) as u32 + bytes;
        self.watches.iter_mut().filter(|watch| watch.left >= end).for_each(|watch| watch.left -= bytes);
        Some(bytes as usize)
    }

    /// Some of what is next to leave; empty if nothing may.
    pub(super) fn front(&self) -> &[u8] {
        self.spill.as_slices().0
    }

    /// So much of the front is in slots now.
    pub(super) fn take_front(&mut self, bytes: usize) {
        self.spill.drain(..bytes);
        self.note_taken(bytes);
        if self.spill.is_empty() {
            // While places stay open, the memory is not kept for them.
            self.spill = VecDeque::new();
        }
    }

    /// So many bytes of the spill leave: a write of which some do stays.
    fn note_taken(&mut self, bytes: usize) {
        let mut left = bytes as u32;
        while left > 0 {
            let Some((first, stays)) = self.writes.front_mut() else { return };
            if std::mem::replace(stays, Stays::Yes) == Stays::No {
                self.droppable -= *first as usize;
            }
            if left < *first {
                *first -= left;
                return;
            }
            left -= *first;
            self.writes.pop_front();
        }
    }

    /// Opens a place behind all that was written. False if a place that is still open has this name: then they have all been
    /// used since.
    pub(super) fn open(&mut self, id: PlaceId, places_max: u32) -> bool {
        self.places_max = places_max;
        if self.places.front().is_some_and(|first| first.id == id) {
            return false;
        }
        self.places.push_back(Place { id, answer: VecDeque::new(), behind: VecDeque::new() });
        true
    }

    /// Where among the open places this one is.
    pub(super) fn find(&self, id: PlaceId) -> Option<usize> {
        let first = self.places.front()?.id;
        self.places.binary_search_by_key(&id.distance(first), |place| place.id.distance(first)).ok()
    }

    /// Bytes written behind the last place.
    pub(super) fn hold(&mut self, bytes: &[u8]) {
        let last = self.places.back_mut().expect("asked for only where a place is open");
        last.behind.extend(bytes);
        self.held += bytes.len();
    }

    /// A part of the answer at a place that is not the first.
    pub(super) fn answer(&mut self, index: usize, bytes: &[u8]) {
        debug_assert!(index > 0, "the answer at the first place may leave");
        self.places[index].answer.extend(bytes);
        self.held += bytes.len();
    }

    /// How many bytes, of so many queued, leave before what is written at a place next.
    pub(super) fn ahead_of(&self, index: usize, queued: usize) -> usize {
        if self.watches.is_empty() {
            // Nobody asks for more.
            return queued;
        }
        let before = self.places.iter().take(index).map(|place| place.answer.len() + place.behind.len());
        queued - self.held + before.sum::<usize>() + self.places[index].answer.len()
    }

    /// So many bytes were put behind the first `ahead`: whoever watches what leaves after them waits for them too.
    pub(super) fn put_between(&mut self, ahead: usize, bytes: usize) {
        let behind = self.watches.iter_mut().filter(|watch| watch.left as usize > ahead);
        behind.for_each(|watch| watch.left += bytes as u32);
    }

    /// Closes a place. If it was the first, what was held by it is spilled.
    pub(super) fn close(&mut self, index: usize) {
        let Place { answer, behind, .. } = self.places.remove(index).expect("the place was found");
        if index > 0 {
            let before = &mut self.places[index - 1].behind;
            join(before, answer);
            join(before, behind);
            return;
        }
        self.let_go(behind);
        if let Some(first) = self.places.front_mut() {
            let answer = std::mem::take(&mut first.answer);
            self.let_go(answer);
        }
    }

    fn let_go(&mut self, bytes: VecDeque<u8>) {
        self.held -= bytes.len();
        self.note_write(bytes.len(), Stays::Yes);
        join(&mut self.spill, bytes);
    }

    /// Closes a place for which there will be no answer, and all behind it; answers how many bytes were dropped.
    pub(super) fn abandon(&mut self, index: usize, reserved: &'static Location<'static>) -> usize {
        self.broken = Some(reserved);
        let dropped = self.places.drain(index..).map(|place| place.answer.len() + place.behind.len()).sum();
        self.held -= dropped;
        dropped
    }

    /// Drops all bytes and closes all places. Whoever watches them has lost them.
    pub(super) fn clear(&mut self) {
        self.lose();
        let before = std::mem::take(self);
        let Aside { broken, tie, watches, next_watch, can_drop, lost, untold, .. } = before;
        *self = Aside { broken, tie, watches, next_watch, can_drop, lost, untold, ..Aside::default() };
    }

    /// Somebody waits until so many bytes have been sent.
    pub(super) fn watch(&mut self, left: u32) -> WatchId {
        let id = WatchId(self.next_watch);
        self.next_watch = self.next_watch.wrapping_add(1);
        self.watches.push(Watch { id, left, state: Watched::Waits, waker: None });
        id
    }

    /// What is watched will not be sent.
    pub(super) fn lose(&mut self) {
        for watch in self.watches.iter_mut().filter(|watch| watch.state == Watched::Waits) {
            watch.state = Watched::Lost;
        }
    }

    /// So many bytes have been sent. True if somebody has waited for the last of them.
    pub(super) fn sent(&mut self, bytes: u32) -> bool {
        let mut any = false;
        for watch in self.watches.iter_mut().filter(|watch| watch.state == Watched::Waits) {
            watch.left = watch.left.saturating_sub(bytes);
            if watch.left == 0 {
                watch.state = Watched::Sent;
                any = true;
            }
        }
        any
    }

    /// How far it has come, and who was to be woken before.
    pub(super) fn look(&mut self, id: WatchId, waker: Waker) -> (Watched, Option<Waker>) {
        let Some(watch) = self.watches.iter_mut().find(|watch| watch.id == id) else {
            return (Watched::Lost, Some(waker));
        };
        match watch.state {
            Watched::Waits => (Watched::Waits, watch.waker.replace(waker)),
            state => (state, Some(waker)),
        }
    }

    /// Nobody waits any more; answers who was to be woken.
    pub(super) fn unwatch(&mut self, id: WatchId) -> Option<Waker> {
        let place = self.watches.iter().position(|watch| watch.id == id)?;
        self.watches.swap_remove(place).waker
    }

    /// The next who is to be told.
    pub(super) fn next_flushed(&mut self) -> Option<Waker> {
        self.watches
            .iter_mut()
            .filter(|watch| watch.state != Watched::Waits)
            .find_map(|watch| watch.waker.take())
    }
}

/// Puts `more` behind `bytes`, by moving whichever is shorter.
fn join(bytes: &mut VecDeque<u8>, mut more: VecDeque<u8>) {
    if more.is_empty() {
        return;
    }
    if bytes.len() >= more.len() {
        bytes.append(&mut more);
        return;
    }
    let (first, rest) = bytes.as_slices();
    more.extend(first);
    more.extend(rest);
    more.rotate_right(bytes.len());
    *bytes = more;
}
