//! The regions of one core, as every backend keeps them: which there are, what lies in them, and who waits for the end of one.
//!
//! Knows: pools of blocks, places. Must not know what the kernel is told of them.
//!
//! Everything that is done with memory of a region owns the block that it lies in: a request about a file by itself, a send by the
//! part of its chain. So when no block is out, nothing in flight names the region, and nothing that waits to be submitted does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Wake;

use super::Waker;
use crate::mem::{BlockPool, Key};
use crate::sys::Errno;

/// Regions of one core, at most. As many places a backend may keep for them.
pub const REGIONS_MAX: u16 = 256;

/// See the module.
#[derive(Debug, Default)]
pub struct Regions {
    places: Vec<Option<Arc<BlockPool>>>,
    /// Where the memory of those begins that the kernel knows.
    known: BTreeMap<usize, u16>,
    /// Requests that end when a region does.
    leaving: Vec<(Key, Arc<BlockPool>)>,
}

/// A region that nobody uses any more, and is not among the others now.
#[derive(Debug)]
pub struct Abandoned {
    /// The request that waited for it.
    pub key: Key,
    /// The region, if it was among them.
    pub region: Option<Enrolled>,
}

/// A region that has been taken out. Its memory is kept until this is dropped.
#[derive(Debug)]
pub struct Enrolled {
    /// Its place.
    pub place: u16,
    /// Whether the kernel knows its memory.
    pub known: bool,
    /// Its memory.
    pub pool: Arc<BlockPool>,
}

impl Regions {
    /// Takes a region in; answers with its place.
    ///
    /// # Errors
    /// `ENOSPC` when there are as many as may be, `ECANCELED` when nobody wants it any more.
    pub fn enter(&mut self, pool: &Arc<BlockPool>) -> Result<u16, Errno> {
        if pool.is_closed() {
            return Err(Errno::ECANCELED);
        }
        let free = self.places.iter().position(Option::is_none).unwrap_or(self.places.len());
        let place = u16::try_from(free).ok().filter(|place| *place < REGIONS_MAX).ok_or(Errno::ENOSPC)?;
        if free == self.places.len() {
            self.places.push(None);
        }
        self.places[free] = Some(Arc::clone(pool));
        Ok(place)
    }

    /// Takes a region out again that has just come in.
    pub fn forget(&mut self, place: u16) {
        self.places[usize::from(place)] = None;
    }

    /// The kernel knows the memory of the region in this place.
    pub fn set_known(&mut self, place: u16) {
        let pool = self.places[usize::from(place)].as_ref().expect("a region that has come in");
        self.known.insert(pool.memory().cast::<u8>().addr(), place);
    }

    /// The place of the region that all of these bytes lie in, if the kernel knows it.
    #[must_use]
    pub fn place_of(&self, bytes: *const [u8]) -> Option<u16> {
        let start = bytes.cast::<u8>().addr();
        let (from, place) = self.known.range(..=start).next_back()?;
        let len = self.places[usize::from(*place)].as_ref()?.bytes();
        (start - from <= len && bytes.len() <= len - (start - from)).then_some(*place)
    }

    /// The request of this key ends when nobody has a block of the region any more. `waker` is told of that.
    pub fn leave(&mut self, key: Key, pool: Arc<BlockPool>, waker: Waker) {
        pool.close();
        pool.call_when_whole(std::task::Waker::from(Arc::new(WakesCore(waker))));
        self.leaving.push((key, pool));
    }

    /// True if a request can end. A look at memory.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.leaving.iter().any(|(_, pool)| pool.is_whole())
    }

    /// Takes a region out that nobody uses any more, and for whose end a request waits.
    pub fn take_left(&mut self) -> Option<Abandoned> {
        let position = self.leaving.iter().position(|(_, pool)| pool.is_whole())?;
        let (key, pool) = self.leaving.swap_remove(position);
        Some(Abandoned { key, region: self.take_out(&pool) })
    }

    fn take_out(&mut self, pool: &Arc<BlockPool>) -> Option<Enrolled> {
        let is_it =
            |other: &Option<Arc<BlockPool>>| other.as_ref().is_some_and(|other| Arc::ptr_eq(other, pool));
        let place = self.places.iter().position(is_it)?;
        let pool = self.places[place].take()?;
        let known = self.known.remove(&pool.memory().cast::<u8>().addr()).is_some();
        Some(Enrolled { place: place as u16, known, pool })
    }

    /// Takes the requests that wait, to be ended as they are.
    #[must_use]
    pub fn give_up(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.leaving).into_iter().map(|(key, _)| key).collect()
    }

    /// Takes all regions out, used or not: nothing of theirs is in flight. Blocks that are out are memory like any other then.
    #[must_use]
    pub fn take_all(&mut self) -> Vec<Enrolled> {
        let all: Vec<_> = self.places.iter().flatten().cloned().collect();
        all.iter().filter_map(|pool| self.take_out(pool)).collect()
    }

    /// Regions that there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.places.iter().flatten().count()
    }
}

/// Ends the sleep of a core.
struct WakesCore(Waker);

impl Wake for WakesCore {
    fn wake(self: Arc<Self>) {
        self.0.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> Arc<BlockPool> {
        BlockPool::new(2, 64).unwrap()
    }

    const KEY: Key = Key { index: 3, generation: 0 };

    #[test]
    fn bytes_are_found_in_the_region_that_they_lie_in_and_nowhere_else() {
        let mut regions = Regions::default();
        let pools: Vec<_> = (0..4).map(|_| pool()).collect();
        for pool in &pools {
            let place = regions.enter(pool).unwrap();
            if place != 2 {
                regions.set_known(place);
            }
        }
        for (at, pool) in pools.iter().enumerate() {
            let place = (at != 2).then_some(at as u16);
            let start = pool.memory().cast::<u8>().cast_const();
            let part = |from: usize, len| std::ptr::slice_from_raw_parts(start.wrapping_add(from), len);
            for (from, len) in [(0, 128), (0, 0), (127, 1), (128, 0), (64, 64)] {
                assert_eq!(regions.place_of(part(from, len)), place, "{len} bytes from {from} on");
            }
            for (from, len) in [(0, 129), (127, 2), (128, 1), (64, usize::MAX >> 1)] {
                assert_eq!(regions.place_of(part(from, len)), None, "{len} bytes from {from} on");
            }
        }
        assert_eq!(regions.place_of(&[0_u8; 4]), None);
    }

    #[test]
    fn a_region_leaves_when_its_last_block_is_back_and_its_place_is_used_again() {
        let mut regions = Regions::default();
        let [first, second] = [pool(), pool()];
        assert_eq!((regions.enter(&first), regions.enter(&second)), (Ok(0), Ok(1)));
        regions.set_known(0);
        let block = first.take().unwrap();
        regions.leave(KEY, first.clone(), Waker::None);
        assert!(!regions.is_due() && regions.take_left().is_none());
        assert!(first.take().is_none(), "nobody takes another");
        assert_eq!(regions.place_of(first.memory()), Some(0), "it is there until then");
        drop(block);
        assert!(regions.is_due());
        let Abandoned { key, region } = regions.take_left().unwrap();
        assert_eq!((key, region.map(|region| (region.place, region.known))), (KEY, Some((0, true))));
        assert_eq!((regions.place_of(first.memory()), regions.count()), (None, 1));
        assert_eq!(regions.enter(&first), Err(Errno::ECANCELED), "nobody wants it any more");
        // Whoever asks again is answered.
        regions.leave(KEY, first, Waker::None);
        assert!(regions.take_left().unwrap().region.is_none());
        assert_eq!(regions.enter(&pool()), Ok(0));
    }

    #[test]
    fn there_are_no_more_than_there_may_be() {
        let mut regions = Regions::default();
        let pools: Vec<_> = (0..REGIONS_MAX).map(|_| pool()).collect();
        assert!(pools.iter().all(|pool| regions.enter(pool).is_ok()));
        assert_eq!(regions.enter(&pool()), Err(Errno::ENOSPC));
        regions.forget(7);
        assert_eq!(regions.enter(&pool()), Ok(7));
        assert_eq!((regions.take_all().len(), regions.count()), (256, 0));
    }
}
