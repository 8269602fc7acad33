//! Regions: memory that the kernel is told of once, and operations name by its place.
//!
//! Knows: the ring's table of memory. Must not know what is read into a region, nor what is sent from it.
//!
//! The table is made with the first region. Where the kernel refuses it, or a region in it, everything is done as without: the
//! table of regions has no place for its bytes then. But that no more memory may be locked is an error, because it can be cured.
//!
//! Invariants:
//! 1. Memory of a region whose place is set is kept by the table of regions, and is taken out of it to clear the place; if that
//!    fails, it is leaked. A place is cleared either when no block of the region is out, so that no operation names it, or by a
//!    drain, when nothing else is in flight than requests about files that the drain has let go of. Such a request may name the
//!    place. It was leaked with its block, which keeps the memory of the whole region for ever; and the kernel counts references: what
//!    was in a place stays pinned until the last operation on it has ended. One that it begins later finds no memory in the place, and
//!    fails.
#![allow(unsafe_code)]

use std::sync::Arc;

use super::Uring;
use super::preflight::sends_registered;
use crate::driver::{Abandoned, Backend, Enrolled, FileWork, REGIONS_MAX};
use crate::mem::{BlockPool, Key};
use crate::sys::Errno;

impl Uring {
    /// Tells the kernel of a region.
    pub(super) fn enrol(&mut self, key: Key) {
        // Places of those that nobody uses any more may be needed.
        self.end_dismissals();
        let pool = self.region_of(key);
        let place = self.in_flight.regions.enter(&pool);
        let outcome = place.and_then(|place| match self.set_memory(place, &pool) {
            Err(Errno::ENOMEM) => {
                self.in_flight.regions.forget(place);
                Err(Errno::ENOMEM)
            }
            set => Ok(u32::from(set.is_ok())),
        });
        let (completion, _) = self.in_flight.end_file(key, outcome, None);
        self.instant.push(completion);
    }

    fn set_memory(&mut self, place: u16, pool: &BlockPool) -> Result<(), Errno> {
        if !self.has_memory_table {
            self.outgoing.ring.register_memory_table(REGIONS_MAX)?;
            self.has_memory_table = true;
            self.zero_copy.registered = sends_registered().unwrap_or(false);
        }
        // SAFETY: the table of regions keeps the memory until its place is cleared (invariant 1).
        unsafe { self.outgoing.ring.set_memory(place, pool.memory()) }?;
        self.in_flight.regions.set_known(place);
        Ok(())
    }

    /// Lets a region go once nobody uses it.
    pub(super) fn dismiss(&mut self, key: Key) {
        let (pool, waker) = (self.region_of(key), self.waker());
        self.in_flight.regions.leave(key, pool, waker);
        self.end_dismissals();
    }

    fn region_of(&mut self, key: Key) -> Arc<BlockPool> {
        match &self.in_flight.file_request(key).work {
            FileWork::Enrol { pool } | FileWork::Dismiss { pool } => Arc::clone(pool),
            other => unreachable!("the caller looked, and it is {other:?}"),
        }
    }

    /// Takes regions back from the kernel that nobody uses any more.
    pub(super) fn end_dismissals(&mut self) {
        while let Some(Abandoned { key, region }) = self.in_flight.regions.take_left() {
            let outcome = region.map_or(Ok(()), |region| self.take_back(region));
            let (completion, _) = self.in_flight.end_file(key, outcome.map(|()| 0), None);
            self.instant.push(completion);
        }
    }

    fn take_back(&mut self, region: Enrolled) -> Result<(), Errno> {
        let Enrolled { place, known, pool } = region;
        if !known {
            return Ok(());
        }
        self.outgoing.ring.clear_memory(place).inspect_err(|_| {
            // The kernel still knows it.
            std::mem::forget(pool);
        })
    }

    /// Who waits for the end of a region is told that everything ends.
    pub(super) fn give_up_dismissals(&mut self) {
        for key in self.in_flight.regions.give_up() {
            let refused = self.in_flight.refuse(key, Errno::ECANCELED);
            self.instant.push(refused);
        }
    }

    /// Takes every region back, when nothing is in flight but what was left to the kernel. False if one could not be: its memory is leaked.
    pub(super) fn take_regions_back(&mut self) -> bool {
        let all = self.in_flight.regions.take_all();
        let failed = all.into_iter().filter_map(|region| self.take_back(region).err());
        failed.count() == 0
    }
}
