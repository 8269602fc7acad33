//! What a connection has written and the kernel has not taken, where answers are still to be written, how many, and whether
//! it wants to read meanwhile.
//!
//! Knows: the chain that is next to be sent, what is kept aside behind it, the bounds, a count. Must not know sockets.
//!
//! Bytes go into send slots, as far as the connection's share of the pool reaches: peers that do not read must not keep
//! the slots from those that do. What is beyond goes into the spill, a buffer of the connection's own within the same bound,
//! and from there into slots as those come back: a small pool makes output slower, never lost. What is spilled on a core is
//! bounded too.
//!
//! An answer that becomes ready later has a place. What is written behind an open place waits, outside of the slots, which
//! are for what can be sent, and counts as if it were spilled. What is written at the first open place does not wait.
//!
//! Counted bytes that are worth it are linked into the chain, and take no slot: they count within the bound, and not as a share
//! of the pool. What would have to wait in the spill, or behind a place, is copied there like everything else.

mod aside;
mod excess;
#[cfg(test)]
mod tests;

use std::panic::Location;
use std::task::Waker;

use super::flush::Watched;
use crate::driver::Pools;
use crate::mem::{Bytes, Chain, Full, Lease, SEND_CLASSES, SendPool};

pub(super) use aside::WatchId;
use aside::{Aside, Stays};
pub use aside::{PlaceId, Tie};
use excess::Excess;
pub use excess::{Bound, LeftOut, Overflow};

/// So much is read from a file at a time: the largest slot.
const READ_MAX: usize = SEND_CLASSES[SEND_CLASSES.len() - 1] as usize;

/// The output of one connection, bounded in bytes and in open places.
#[derive(Debug)]
pub struct Output {
    chain: Chain,
    /// None as long as all that is written goes into slots, which is nearly always: one look tells.
    aside: Option<Box<Aside>>,
    queued: u32,
    max: u32,
    /// Answers that the actor has yet to write, those with a place not included.
    owed: u32,
    /// Reading pauses when so much is queued: half of the bound, or nothing if the actor does not want to read.
    pause_at: u32,
    /// Of the bytes that are queued, those that lie in no slot of ours.
    owned: u32,
    next_place: PlaceId,
    excess: Excess,
    /// Whether reading must pause, as it was last told.
    told: bool,
}

const _: () = assert!(size_of::<Option<Output>>() <= 48, "there is one for each connection");

/// Why nothing was written at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceError {
    /// There is no room, within the bound or on the core. The place is still open.
    Full,
    /// The place is not open: it was closed, is behind one that was abandoned, or all output was discarded.
    Closed,
}

impl From<Full> for PlaceError {
    fn from(_: Full) -> PlaceError {
        PlaceError::Full
    }
}

impl Output {
    /// Nothing written yet; at most `max` bytes at a time.
    #[must_use]
    pub fn new(max: usize) -> Output {
        let max = u32::try_from(max).unwrap_or(u32::MAX);
        let pause_at = max.div_ceil(2).max(1);
        Output {
            chain: Chain::EMPTY,
            aside: None,
            queued: 0,
            max,
            owed: 0,
            pause_at,
            owned: 0,
            next_place: PlaceId::FIRST,
            excess: Excess::default(),
            told: false,
        }
    }

    /// Bytes written and not yet taken by the kernel, those in flight and those behind open places included.
    #[must_use]
    pub fn queued(&self) -> u32 {
        self.queued
    }

    /// Bytes that may be written before the bound is reached.
    #[must_use]
    pub fn room(&self) -> usize {
        (self.max - self.queued) as usize
    }

    /// True if half of the bound is queued: who can wait does, until less than a quarter is, [`Output::low`] at most.
    #[must_use]
    pub fn is_high(&self) -> bool {
        self.queued >= self.half()
    }

    /// The most bytes that are less than a quarter of the bound.
    #[must_use]
    pub fn low(&self) -> u32 {
        self.max.div_ceil(4).saturating_sub(1)
    }

    fn half(&self) -> u32 {
        self.max.div_ceil(2).max(1)
    }

    /// True if the actor does not want to read.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.pause_at == 0
    }

    /// The actor does not want to read, or wants to again.
    pub fn hold(&mut self, holds: bool) {
        self.pause_at = if holds { 0 } else { self.half() };
    }

    /// True if reading must pause: the actor wants it so, half of the bound is queued, or an eighth of it beyond the share of
    /// the pool, half of the places are open, or one was abandoned.
    #[inline]
    #[must_use]
    pub fn must_pause(&self) -> bool {
        self.queued >= self.pause_at || self.aside.as_ref().is_some_and(|aside| self.is_much(aside))
    }

    /// Tells whether reading must pause, if that has changed since it was told last.
    #[inline(always)]
    pub(super) fn tell_pause(&mut self) -> Option<bool> {
        let pauses = self.must_pause();
        if pauses == self.told {
            return None;
        }
        self.told = pauses;
        Some(pauses)
    }

    fn is_much(&self, aside: &Aside) -> bool {
        // Where old writes may be dropped, it is the half that counts.
        let spilled = if aside.can_drop() { 0 } else { aside.spilled() };
        aside.is_forwarded()
            || (spilled > 0 && spilled >= self.max as usize / 8)
            || aside.has_many_places()
            || aside.broken().is_some()
    }

    /// True if reading that was paused may go on: the actor wants it so, less than a quarter of the bound is queued, and less
    /// than a quarter of the places are open.
    #[must_use]
    pub fn may_resume(&self) -> bool {
        self.may_go_on() && !self.aside.as_ref().is_some_and(|aside| aside.is_forwarded())
    }

    /// The same for what comes before anything that is forwarded.
    #[must_use]
    pub fn may_go_on(&self) -> bool {
        !self.holds()
            && self.queued <= self.low()
            && self.aside.as_ref().is_none_or(|aside| {
                (aside.spilled() == 0 || aside.can_drop())
                    && aside.has_few_places()
                    && aside.broken().is_none()
            })
    }

    /// Answers that are still to be written, those with a place included.
    #[must_use]
    pub fn owed(&self) -> u32 {
        self.owed.saturating_add(self.places())
    }

    /// One more answer is still to be written.
    pub fn owe(&mut self) {
        self.owed = self.owed.saturating_add(1);
    }

    /// One of these has been written.
    pub fn answered(&mut self) {
        self.owed = self.owed.saturating_sub(1);
    }

    /// Open places.
    #[must_use]
    pub fn places(&self) -> u32 {
        self.aside.as_ref().map_or(0, |aside| aside.places())
    }

    /// True if a place was abandoned: the peer cannot be sent what follows, and the connection has to be closed.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken().is_some()
    }

    /// Where the place was reserved that was abandoned last.
    #[must_use]
    pub fn broken(&self) -> Option<&'static Location<'static>> {
        self.aside.as_ref().and_then(|aside| aside.broken())
    }

    /// True if there are bytes that may be sent and that no send carries yet.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.chain.is_empty() || self.aside.as_ref().is_some_and(|aside| aside.spilled() > 0)
    }

    /// Appends bytes: all, or none if the bound would be passed, or the share of what may be spilled on the core. Behind an
    /// abandoned place they are dropped. **Costs** one copy; two of what is spilled, or waits behind an open place.
    pub fn write(&mut self, pool: &SendPool, bytes: &[u8]) -> Result<(), Full> {
        if self.aside.is_some() || bytes.len() > self.room() {
            return self.write_aside(pool, bytes);
        }
        self.push(pool, bytes, pool.share((self.queued - self.owned) as usize), Stays::No)
    }

    /// Appends bytes, as [`Output::write`]. Part of what was received just now is not copied if it is [worth
    /// it](SendPool::is_worth_a_part), may leave, and enough other buffers are free.
    #[inline]
    pub fn write_received(&mut self, pools: &Pools, bytes: &[u8]) -> Result<(), Full> {
        if pools.send.is_worth_a_part(bytes.len()) && self.link_again(pools, bytes) {
            return Ok(());
        }
        self.write(&pools.send, bytes)
    }

    #[inline(never)]
    fn link_again(&mut self, pools: &Pools, bytes: &[u8]) -> bool {
        if self.aside.is_some() || bytes.len() > self.room() {
            return false;
        }
        let Some(lease) = pools.receive.lend_again(bytes) else { return false };
        self.link(pools, lease).map_err(|lease| pools.receive.release(lease)).is_ok()
    }

    /// Appends counted bytes, as [`Output::write`]. Where they are [worth it](SendPool::is_worth_a_part) they are linked, and taken;
    /// where they were copied, they are left to the caller, who drops them when nothing is borrowed. **Costs** no copy of what is
    /// linked: that is what may leave, unless something is spilled before it, the pool has no part left, or so many bytes are linked that
    /// these would be more than a share of what is left.
    pub fn write_bytes(&mut self, pool: &SendPool, bytes: &mut Bytes) -> Result<(), Full> {
        let waits = |aside: &Aside| {
            aside.places() > 0 || aside.broken().is_some() || aside.can_drop() || aside.is_finished()
        };
        if self.is_slow() || bytes.len() > self.room() || self.aside.as_deref().is_some_and(waits) {
            return self.write_aside(pool, bytes);
        }
        self.push_bytes(pool, bytes, Stays::No)
    }

    /// Appends counted bytes that may leave and are within the bound.
    fn push_bytes(&mut self, pool: &SendPool, bytes: &mut Bytes, stays: Stays) -> Result<(), Full> {
        let spilled = self.aside.as_ref().map_or(0, |aside| aside.spilled());
        let may_link = pool.is_worth_a_part(bytes.len()) && pool.may_link(self.owned as usize, bytes.len());
        if spilled == 0 && may_link {
            let len = bytes.len() as u32;
            match pool.push_bytes(&mut self.chain, std::mem::take(bytes)) {
                Ok(()) => {
                    self.queued += len;
                    self.owned += len;
                    return Ok(());
                }
                Err((Full, back)) => *bytes = back,
            }
        }
        self.push(pool, bytes, self.share_beside(pool), stays)
    }

    /// Room to read into, for bytes that [go into](Output::append_read) this output next, and how many of them at most: as many as are
    /// asked for, and as the bound and the share of the pool allow. None before something has been sent, or where no slot is free.
    #[must_use]
    pub fn space(&self, pool: &SendPool, bytes: usize) -> Option<(Chain, u32)> {
        let bytes = bytes.min(self.room()).min(self.share_beside(pool)).min(READ_MAX);
        if bytes == 0 || !self.goes_next() {
            return None;
        }
        let chain = pool.space(bytes)?;
        Some((chain, bytes as u32))
    }

    /// Appends what was read into such room, without a copy. Nothing else was written meanwhile.
    pub fn append_read(&mut self, pool: &SendPool, chain: Chain) {
        let bytes = chain.bytes();
        assert!(bytes as usize <= self.room() && self.goes_next(), "room was made before");
        self.queued += bytes;
        pool.join(&mut self.chain, chain);
    }

    /// True if what is written next may leave next.
    fn goes_next(&self) -> bool {
        self.aside.as_ref().is_none_or(|aside| aside.spilled() == 0 && aside.places() == 0)
    }

    /// Appends bytes and `\n`, as one write. Where there is no room for both, they are [left out](Output::leave_out).
    pub fn write_line(&mut self, pool: &SendPool, line: &[u8]) {
        let held = (self.queued - self.owned) as usize;
        let fits = self.aside.is_none() && line.len() < self.room().min(pool.share(held));
        if !fits || pool.write(&mut self.chain, line).is_err() {
            return self.write_line_aside(pool, line);
        }
        self.queued += line.len() as u32;
        if pool.write(&mut self.chain, b"\n").is_err() {
            return self.end_line(pool);
        }
        self.queued += 1;
    }

    /// The same where it does not just go into slots.
    #[cold]
    fn write_line_aside(&mut self, pool: &SendPool, line: &[u8]) {
        if self.is_lenient() {
            // One write, which is refused, waits and is dropped as one.
            let line = [line, b"\n"].concat();
            if self.write(pool, &line).is_err() {
                self.leave_out();
            }
            return;
        }
        let written = self.look_for_room(line.len() + 1).and_then(|()| self.write(pool, line));
        if written.and_then(|()| self.write(pool, b"\n")).is_err() {
            self.overflow();
        }
    }

    /// Writes the end of a line whose beginning will leave: a line without one is no line.
    #[cold]
    fn end_line(&mut self, pool: &SendPool) {
        match self.keep(pool, 1) {
            Ok(aside) => aside.spill(b"\n", Stays::Yes),
            Err(Full) => self.overflow(),
        }
    }

    /// As [`Output::write`], where something is spilled or waits behind a place, where there is no room, or where the connection
    /// is slow.
    #[cold]
    #[inline(never)]
    fn write_aside(&mut self, pool: &SendPool, bytes: &[u8]) -> Result<(), Full> {
        if self.is_finished() || (self.is_broken() && bytes.len() <= self.room()) {
            return Ok(());
        }
        self.make_way(pool, bytes.len())?;
        if self.places() > 0 {
            self.keep(pool, bytes.len())?.hold(bytes);
            return Ok(());
        }
        if self.drops_oldest() && (self.in_flight() > 0 || self.bytes_aside() > 0) {
            return self.wait(pool, bytes);
        }
        self.push(pool, bytes, self.share_beside(pool), Stays::No)
    }

    /// How many bytes may go into slots beside what is aside.
    fn share_beside(&self, pool: &SendPool) -> usize {
        match &self.aside {
            Some(aside) if aside.spilled() > 0 => 0,
            _ => pool.share((self.queued - self.owned) as usize - self.bytes_aside()),
        }
    }

    /// Appends bytes that may leave and are within the bound.
    #[inline]
    fn push(&mut self, pool: &SendPool, bytes: &[u8], share: usize, stays: Stays) -> Result<(), Full> {
        if bytes.len() <= share && pool.write(&mut self.chain, bytes).is_ok() {
            self.queued += bytes.len() as u32;
            return Ok(());
        }
        self.push_beyond(pool, bytes, share, stays)
    }

    /// As much as the share has room for goes into slots, the rest into the spill.
    #[cold]
    fn push_beyond(&mut self, pool: &SendPool, bytes: &[u8], share: usize, stays: Stays) -> Result<(), Full> {
        let (first, rest) = bytes.split_at(share.min(bytes.len()));
        if !rest.is_empty() && pool.wait(self.bytes_aside(), rest.len()).is_ok() {
            if pool.write(&mut self.chain, first).is_ok() {
                self.queued += bytes.len() as u32;
                let stays = if first.is_empty() { stays } else { Stays::Yes };
                self.aside().spill(rest, stays);
                return Ok(());
            }
            pool.waited(rest.len());
        }
        self.spill(pool, bytes, stays)
    }

    fn spill(&mut self, pool: &SendPool, bytes: &[u8], stays: Stays) -> Result<(), Full> {
        if !bytes.is_empty() {
            self.keep(pool, bytes.len())?.spill(bytes, stays);
        }
        Ok(())
    }

    /// Enters bytes that go into no slot into the books; answers where they are to go.
    fn keep(&mut self, pool: &SendPool, bytes: usize) -> Result<&mut Aside, Full> {
        if bytes > 0 {
            pool.wait(self.bytes_aside(), bytes).map_err(|Full| self.refuse(Bound::Spill))?;
            self.queued += bytes as u32;
        }
        Ok(self.aside())
    }

    fn aside(&mut self) -> &mut Aside {
        let can_drop = self.drops_oldest();
        self.aside.get_or_insert_with(|| Box::new(Aside::new(can_drop)))
    }

    fn bytes_aside(&self) -> usize {
        self.aside.as_ref().map_or(0, |aside| aside.bytes())
    }

    /// Opens a place behind all that was written, for an answer that becomes ready later. What is written from now on waits
    /// behind it. Refused if as many as `places_max` are open, which is the same each time. Behind an abandoned place, and behind the end
    /// of the output, there are none: the name that is given out then is that of a closed one. **Costs** up to two allocations if no place is open,
    /// otherwise one now and then.
    pub fn defer(&mut self, places_max: u32) -> Result<PlaceId, Full> {
        let id = self.next_place;
        let ends = self.is_broken() || self.is_finished();
        if self.places() >= places_max || (!ends && !self.aside().open(id, places_max)) {
            return Err(self.refuse(Bound::Places));
        }
        self.next_place = id.after(1);
        Ok(id)
    }

    /// Writes the answer at a place, or the last part of it, and closes the place: whole or not at all. What was written behind
    /// the place, up to the next one that is open, waits no more if the place was the first.
    ///
    /// What waits behind a place counts: an answer may find no room, and never will find any if its place is the first. Then
    /// the place has to be abandoned. **Costs** one copy if the place is the first, otherwise two, and up to one allocation.
    pub fn fill(&mut self, pool: &SendPool, place: PlaceId, bytes: &[u8]) -> Result<(), PlaceError> {
        let index = self.find(place)?;
        self.append_at(pool, index, bytes)?;
        self.close_at(pool, index);
        Ok(())
    }

    /// Writes a part of the answer at a place, whole or not at all, and leaves the place open. At the first place it may be sent
    /// at once. Otherwise as [`Output::fill`].
    pub fn append(&mut self, pool: &SendPool, place: PlaceId, bytes: &[u8]) -> Result<(), PlaceError> {
        let index = self.find(place)?;
        Ok(self.append_at(pool, index, bytes)?)
    }

    /// Writes counted bytes at a place, as a part of the answer, whole or not at all, and leaves the place open. At the first place
    /// they are linked where that is [worth it](Output::write_bytes), elsewhere copied.
    pub fn append_bytes(
        &mut self,
        pool: &SendPool,
        place: PlaceId,
        bytes: &mut Bytes,
    ) -> Result<(), PlaceError> {
        let index = self.find(place)?;
        if index == 0 && bytes.len() <= self.room() {
            let (ahead, len) = (self.ahead_of(index), bytes.len());
            self.push_bytes(pool, bytes, Stays::Yes)?;
            self.put_between(ahead, len);
            return Ok(());
        }
        Ok(self.append_at(pool, index, bytes)?)
    }

    /// The answer at a place is complete. Refused only if the place is not open.
    pub fn close(&mut self, pool: &SendPool, place: PlaceId) -> Result<(), PlaceError> {
        let index = self.find(place)?;
        self.close_at(pool, index);
        Ok(())
    }

    /// There will be no answer at a place, or not the rest of it: the output [is broken](Output::is_broken) from there on. What
    /// stands there and behind is dropped, and so is what is written later; what stands before may still leave, and places
    /// before may still be filled. Does nothing if the place is not open. `reserved`: by which code it was.
    pub fn abandon(&mut self, pool: &SendPool, place: PlaceId, reserved: &'static Location<'static>) {
        let Some(aside) = &mut self.aside else { return };
        let Some(index) = aside.find(place) else { return };
        let dropped = aside.abandon(index, reserved);
        self.queued -= dropped as u32;
        pool.waited(dropped);
    }

    fn find(&self, place: PlaceId) -> Result<usize, PlaceError> {
        self.aside.as_ref().and_then(|aside| aside.find(place)).ok_or(PlaceError::Closed)
    }

    fn append_at(&mut self, pool: &SendPool, index: usize, bytes: &[u8]) -> Result<(), Full> {
        self.make_room(pool, bytes.len())?;
        let ahead = self.ahead_of(index);
        if index == 0 {
            self.push(pool, bytes, self.share_beside(pool), Stays::Yes)?;
        } else {
            self.keep(pool, bytes.len())?.answer(index, bytes);
        }
        self.put_between(ahead, bytes.len());
        Ok(())
    }

    /// How many bytes leave before what is written at a place next.
    fn ahead_of(&self, index: usize) -> usize {
        self.aside.as_ref().map_or(0, |aside| aside.ahead_of(index, self.queued as usize))
    }

    fn put_between(&mut self, ahead: usize, bytes: usize) {
        if let Some(aside) = &mut self.aside {
            aside.put_between(ahead, bytes);
        }
    }

    fn close_at(&mut self, pool: &SendPool, index: usize) {
        if let Some(aside) = &mut self.aside {
            aside.close(index);
        }
        // At once, so that what is written next finds the way into the slots free.
        self.unspill(pool);
    }

    /// Takes what is next to be sent; empty if nothing is, or if the pool has no slot for any of the spill.
    pub fn next(&mut self, pool: &SendPool) -> Chain {
        let chain = self.next_if_sound(pool);
        if self.drops_oldest() && !chain.is_empty() {
            // What is written from now on until it has been sent waits there.
            self.aside();
        }
        chain
    }

    /// The same for an output that [is sound](Output::is_sound).
    #[inline]
    pub fn next_if_sound(&mut self, pool: &SendPool) -> Chain {
        if self.aside.as_ref().is_some_and(|aside| aside.spilled() > 0 || !aside.is_tied()) {
            self.unspill(pool);
        }
        self.chain.take()
    }

    /// Moves what the connection has a share for from the spill into slots.
    fn unspill(&mut self, pool: &SendPool) {
        /// Small enough for the smallest class of slots, so that any free slot is of use.
        const PIECE_MIN: usize = 256;
        if self.drops_oldest() && self.in_flight() > 0 {
            // What no send carries can still be dropped.
            return self.drop_idle();
        }
        // Nor does one carry more than half of the bound: the rest may make room for what is written meanwhile.
        let most = if self.drops_oldest() { self.half() as usize } else { usize::MAX };
        let Some(aside) = &mut self.aside else { return };
        let mut piece_max = usize::MAX;
        loop {
            let front = aside.front();
            if front.is_empty() {
                break;
            }
            let in_slots = (self.queued - self.owned) as usize - aside.bytes();
            let share = pool.share(in_slots).min(most.saturating_sub(in_slots));
            let piece = front.len().min(share).min(piece_max);
            if piece == 0 {
                break;
            }
            if pool.write(&mut self.chain, &front[..piece]).is_ok() {
                aside.take_front(piece);
                pool.waited(piece);
            } else if piece <= PIECE_MIN {
                break;
            } else {
                piece_max = (piece / 2).max(PIECE_MIN);
            }
        }
        self.drop_idle();
    }

    fn drop_idle(&mut self) {
        if self.aside.as_ref().is_none_or(|aside| aside.is_tied() || !aside.is_idle(self.queued)) {
            return;
        }
        let waits = self.queued > 0 && self.drops_oldest() && self.in_flight() > 0;
        if !waits {
            self.aside = None;
        }
    }

    /// The kernel has taken, or dropped, `bytes` of what was sent. True if somebody [watches](Output::watch) the last of them.
    #[inline]
    pub fn sent(&mut self, pool: &SendPool, bytes: u32) -> bool {
        self.queued -= bytes;
        (self.owned > 0 || self.aside.is_some()) && self.sent_otherwise(pool, bytes)
    }

    /// The same where some of it was owned, or something is kept aside.
    #[cold]
    #[inline(never)]
    fn sent_otherwise(&mut self, pool: &SendPool, bytes: u32) -> bool {
        if self.owned > 0 {
            self.owned = pool.owned_bytes(&self.chain);
        }
        let low = self.low();
        let (watched, room) = self
            .aside
            .as_mut()
            .map_or((false, false), |aside| (aside.sent(bytes), aside.tie().waits && self.queued <= low));
        self.look_for_fall();
        self.drop_idle();
        watched || room
    }

    /// What of other connections goes into this output, and where what is received goes.
    #[must_use]
    pub fn tie(&self) -> Tie {
        self.aside.as_ref().map_or_else(Tie::default, |aside| aside.look_at_tie())
    }

    /// Changes that.
    pub fn set_tie(&mut self, tie: Tie) {
        if tie != self.tie() {
            *self.aside().tie() = tie;
            self.drop_idle();
        }
    }

    /// Nothing more is to be written: it ends once it has been sent, and what is written nevertheless is dropped. Answers at open places
    /// still are not. False if that was so already, or if another connection feeds this output, whose end will be its end.
    pub fn finish(&mut self) -> bool {
        let tie = self.tie();
        let finishes = !tie.finished && tie.from.is_none();
        if finishes {
            self.set_tie(Tie { finished: true, ..tie });
        }
        finishes
    }

    /// True if nothing more is to be written.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.aside.as_ref().is_some_and(|aside| aside.is_finished())
    }

    /// Whoever feeds this output waits until there is room, or does not; and some of what it has received is left with it, or nothing.
    pub fn keep_waiting(&mut self, waits: bool, left: bool) {
        if let Some(aside) = &mut self.aside {
            let tie = aside.tie();
            (tie.waits, tie.left) = (waits, left);
        }
    }

    /// Appends the bytes of a lease that another connection has received, which is kept if enough others are free; else they are
    /// copied. Hands it back if there is no room.
    pub fn forward(&mut self, pools: &Pools, lease: Lease) -> Result<(), Lease> {
        let aside = self.aside.as_ref().is_some_and(|aside| aside.spilled() > 0 || aside.places() > 0);
        if self.is_broken() {
            pools.receive.release(lease);
            return Ok(());
        }
        let mut lease = lease;
        if !aside
            && lease.len() <= self.room()
            && pools.send.is_worth_a_part(lease.len())
            && pools.receive.can_spare()
        {
            match self.link(pools, lease) {
                Ok(()) => return Ok(()),
                Err(back) => lease = back,
            }
        }
        match self.write(&pools.send, pools.receive.bytes(&lease)) {
            Ok(()) => {
                pools.receive.release(lease);
                Ok(())
            }
            Err(Full) => Err(lease),
        }
    }

    /// Appends the bytes of a lease that may leave and are within the bound. Hands it back if the pool has no part left.
    fn link(&mut self, pools: &Pools, lease: Lease) -> Result<(), Lease> {
        let bytes = lease.len() as u32;
        pools.send.push_lease(&mut self.chain, lease, &pools.receive).map_err(|(Full, back)| back)?;
        self.queued += bytes;
        self.owned += bytes;
        Ok(())
    }

    /// The connection has failed, or is cut off: what is watched will not be sent, or not arrive.
    pub fn lose(&mut self) {
        self.note_lost();
        if let Some(aside) = &mut self.aside {
            aside.lose();
        }
    }

    /// Somebody waits until everything that is queued now has been sent.
    pub fn watch(&mut self) -> WatchId {
        let queued = self.queued;
        self.aside().watch(queued)
    }

    /// How far what is watched has come; if it waits, it is `waker` that is [flushed](Output::next_flushed) then. Answers with whoever
    /// is not any more, to be dropped while nothing is borrowed.
    pub fn look(&mut self, id: WatchId, waker: Waker) -> (Watched, Option<Waker>) {
        match &mut self.aside {
            Some(aside) => aside.look(id, waker),
            None => (Watched::Lost, Some(waker)),
        }
    }

    /// Nobody watches any more. Answers who was to be woken.
    pub fn unwatch(&mut self, id: WatchId) -> Option<Waker> {
        let waker = self.aside.as_mut()?.unwatch(id);
        self.drop_idle();
        waker
    }

    /// The next who is to be woken because what was watched has been sent, or lost.
    pub fn next_flushed(&mut self) -> Option<Waker> {
        self.aside.as_mut()?.next_flushed()
    }

    /// Drops everything that no send carries yet, and closes all places. To be called before an output with open places is
    /// dropped: what waits behind them is in the books of the pool.
    pub fn discard(&mut self, pool: &SendPool) {
        let aside = self.bytes_aside();
        pool.waited(aside);
        self.queued -= self.chain.bytes() + aside as u32;
        self.owned -= pool.owned_bytes(&self.chain);
        pool.release(self.chain.take());
        if let Some(aside) = &mut self.aside {
            aside.clear();
        }
        self.drop_idle();
    }
}
