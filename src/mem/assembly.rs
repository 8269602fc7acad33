//! Room for what has come in part: frames that straddle buffers, bodies, and what waits while nobody reads.
//!
//! Knows: bytes that are held, and promised. Must not know what they are, nor who waits for room.
//!
//! What is held never passes the bound. With less than half of it held or promised there is room for everybody. Beyond, more is for
//! those who have a promise: of all that they need, so that whoever goes on comes to an end, and gives back what it holds. The last
//! quarter is kept back from all but one that is alone: half of it is for those who lack little, and half for what has been received
//! already.

use std::cell::Cell;
use std::rc::Rc;

use super::Full;

/// So much of the room is not promised.
const KEPT_BACK: usize = 4;

/// The room of one core.
#[derive(Debug)]
pub struct AssemblyRoom {
    max: usize,
    held: Cell<usize>,
    promised: Cell<usize>,
    /// Shares that have a promise, though they may hold all of it by now.
    going: Cell<usize>,
    /// Those among them of which that is more than a little.
    large: Cell<usize>,
    /// Somebody waits for more.
    awaited: Cell<bool>,
    /// Some was given back since.
    freed: Cell<bool>,
}

/// What one connection holds of it, and was promised: given back when this is dropped.
#[derive(Debug)]
pub struct AssemblyShare {
    room: Rc<AssemblyRoom>,
    held: usize,
    promised: usize,
    /// It has a promise, until that is forgotten.
    going: bool,
    /// The same, of more than a little.
    large: bool,
}

/// What becomes of a wish for more room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// There will be as much, or all that is left where nobody else goes on.
    Given,
    /// Others go on with what they were promised, and give it back.
    Later,
    /// Nobody goes on, and nothing is left.
    Never,
}

impl AssemblyRoom {
    /// Room for so many bytes.
    #[must_use]
    pub fn new(max: usize) -> AssemblyRoom {
        let (held, promised) = (Cell::new(0), Cell::new(0));
        let (awaited, freed) = (Cell::new(false), Cell::new(false));
        AssemblyRoom { max, held, promised, going: Cell::new(0), large: Cell::new(0), awaited, freed }
    }

    /// Bytes that are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.get()
    }

    /// True if nobody needs a promise.
    #[must_use]
    pub fn is_ample(&self) -> bool {
        self.held.get() + self.promised.get() < self.max.div_ceil(2)
    }

    /// True if anybody goes on who was promised more than a little.
    #[must_use]
    pub fn is_any_large(&self) -> bool {
        self.large.get() > 0
    }

    /// Somebody waits until some is given back.
    pub fn be_awaited(&self) {
        self.awaited.set(true);
    }

    /// True, once, if some was given back for which somebody has waited.
    #[must_use]
    pub fn take_freed(&self) -> bool {
        self.freed.take()
    }

    /// The same, as often as it is asked.
    #[inline]
    #[must_use]
    pub fn has_freed(&self) -> bool {
        self.freed.get()
    }

    fn give_back(&self, held: usize, promised: usize) {
        self.held.set(self.held.get() - held);
        self.promised.set(self.promised.get() - promised);
        if self.awaited.take() {
            self.freed.set(true);
        }
    }
}

impl AssemblyShare {
    /// A share of nothing.
    #[must_use]
    pub fn new(room: Rc<AssemblyRoom>) -> AssemblyShare {
        AssemblyShare { room, held: 0, promised: 0, going: false, large: false }
    }

    /// Bytes that it holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// So many bytes was it promised beyond what it holds.
    #[must_use]
    pub fn promised(&self) -> usize {
        self.promised
    }

    /// True if it has a promise, or has had all of one and not forgotten it.
    #[must_use]
    pub fn is_going(&self) -> bool {
        self.going
    }

    /// True if nobody needs a promise.
    #[must_use]
    pub fn is_ample(&self) -> bool {
        self.room.is_ample()
    }

    /// True if it may hold so many bytes more. What was promised to others is theirs.
    #[must_use]
    pub fn may_grow(&self, bytes: usize) -> bool {
        let others = self.room.promised.get() - self.promised;
        bytes <= self.room.max.saturating_sub(self.room.held.get() + others)
    }

    /// Holds so many bytes more.
    ///
    /// # Errors
    /// There is no room for them.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        if !self.may_grow(bytes) {
            return Err(Full);
        }
        let kept = self.promised.min(bytes);
        self.promised -= kept;
        self.room.promised.set(self.room.promised.get() - kept);
        self.held += bytes;
        self.room.held.set(self.room.held.get() + bytes);
        Ok(())
    }

    /// Holds so many bytes less.
    pub fn shrink(&mut self, bytes: usize) {
        self.held -= bytes;
        self.room.give_back(bytes, 0);
    }

    /// Needs no more than it holds: what it was promised beyond that is for others.
    pub fn forget_promise(&mut self) {
        if std::mem::take(&mut self.going) {
            let large = usize::from(std::mem::take(&mut self.large));
            self.room.going.set(self.room.going.get() - 1);
            self.room.large.set(self.room.large.get() - large);
            self.room.give_back(0, std::mem::take(&mut self.promised));
        }
    }

    /// Takes a promise of so many bytes more, instead of any that it has, if there is one to be had.
    pub fn want(&mut self, bytes: usize) -> Promise {
        self.forget_promise();
        let room = &self.room;
        let used = room.held.get() + room.promised.get();
        let left = room.max.saturating_sub(used);
        let bytes = match room.going.get() {
            _ if bytes <= left.saturating_sub(room.max / KEPT_BACK) => bytes,
            0 if left > 0 => left.min(bytes),
            0 => return Promise::Never,
            _ => return Promise::Later,
        };
        self.be_promised(bytes, true);
        Promise::Given
    }

    /// Takes one of so few bytes more that nobody has to wait for them, if they are there: half of what is kept back is for those.
    pub fn want_little(&mut self, bytes: usize) -> bool {
        self.forget_promise();
        let room = &self.room;
        let used = room.held.get() + room.promised.get() + room.max / KEPT_BACK / 2;
        let is_there = bytes <= room.max.saturating_sub(used);
        if is_there {
            self.be_promised(bytes, false);
        }
        is_there
    }

    fn be_promised(&mut self, bytes: usize, large: bool) {
        (self.promised, self.going, self.large) = (bytes, true, large);
        self.room.promised.set(self.room.promised.get() + bytes);
        self.room.going.set(self.room.going.get() + 1);
        self.room.large.set(self.room.large.get() + usize::from(large));
    }
}

impl Drop for AssemblyShare {
    fn drop(&mut self) {
        self.forget_promise();
        if self.held > 0 {
            self.room.give_back(self.held, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Random;

    fn shares<const N: usize>(max: usize) -> (Rc<AssemblyRoom>, [AssemblyShare; N]) {
        let room = Rc::new(AssemblyRoom::new(max));
        (room.clone(), std::array::from_fn(|_| AssemblyShare::new(room.clone())))
    }

    #[test]
    fn what_is_held_never_passes_the_bound() {
        let (room, [mut one, mut other]) = shares(100);
        assert_eq!((one.grow(60), other.grow(41), other.grow(40)), (Ok(()), Err(Full), Ok(())));
        assert_eq!((room.held(), one.grow(1)), (100, Err(Full)));
        one.shrink(10);
        assert_eq!((room.held(), other.grow(10), room.held()), (90, Ok(()), 100));
        drop(one);
        assert_eq!(room.held(), 50);
        drop(other);
        assert_eq!(room.held(), 0);
    }

    #[test]
    fn whoever_waits_is_told_once_that_some_was_given_back() {
        let (room, [mut one, mut other]) = shares(100);
        assert_eq!((one.grow(50), other.want(20)), (Ok(()), Promise::Given));
        one.shrink(10);
        assert!(!room.has_freed(), "nobody waits");
        room.be_awaited();
        assert!(!room.has_freed());
        other.forget_promise();
        drop(one);
        assert_eq!((room.has_freed(), room.take_freed(), room.take_freed()), (true, true, false));
    }

    #[test]
    fn what_is_promised_is_for_nobody_else() {
        let (room, [mut one, mut other, mut third]) = shares(100);
        assert!(room.is_ample());
        assert_eq!((one.grow(30), other.grow(20), room.is_ample()), (Ok(()), Ok(()), false));
        assert_eq!(
            (one.want(15), other.want(11), third.want(10)),
            (Promise::Given, Promise::Later, Promise::Given)
        );
        assert_eq!(
            (other.grow(26), other.grow(25)),
            (Err(Full), Ok(())),
            "the last quarter is for everybody"
        );
        assert_eq!((third.grow(10), one.grow(15)), (Ok(()), Ok(())));
        assert_eq!((one.promised(), room.held()), (0, 100));
        assert_eq!(other.want(1), Promise::Later, "two go on with what they hold by now");
        third.forget_promise();
        one.forget_promise();
        assert_eq!(other.want(1), Promise::Never, "nobody goes on, and there is nothing");
        drop(one);
        assert_eq!((other.want(1000), other.grow(45), other.grow(1)), (Promise::Given, Ok(()), Err(Full)));
    }

    #[test]
    fn who_was_promised_a_little_is_known_from_who_was_promised_more() {
        let (room, [mut one, mut other]) = shares(100);
        assert!(one.want_little(10) && !room.is_any_large());
        assert_eq!((other.want(10), room.is_any_large()), (Promise::Given, true));
        assert!(other.want_little(10) && !room.is_any_large(), "instead of the other promise");
        assert_eq!((one.want(20), one.promised()), (Promise::Given, 20));
        drop(one);
        assert!(!room.is_any_large());
    }

    #[test]
    fn everything_is_given_back_whatever_was_done() {
        let mut random = Random::new(5);
        let (room, shares) = shares::<8>(1000);
        let mut shares = shares.map(Some);
        for _ in 0..10_000 {
            let place = &mut shares[random.index(8)];
            let Some(share) = place else {
                *place = Some(AssemblyShare::new(room.clone()));
                continue;
            };
            let bytes = random.index(400);
            match random.below(7) {
                6 => _ = share.want_little(bytes),
                0 => *place = None,
                1 => share.shrink(bytes.min(share.held())),
                3 => share.forget_promise(),
                2 => drop(share.want(bytes)),
                _ => drop(share.grow(bytes)),
            }
            let held: usize = shares.iter().flatten().map(AssemblyShare::held).sum();
            assert!(room.held() == held && held <= 1000);
            assert!(held + room.promised.get() <= 1000, "what is promised is there");
        }
        drop(shares);
        assert_eq!((room.held(), room.promised.get(), room.going.get(), room.large.get()), (0, 0, 0, 0));
    }
}
