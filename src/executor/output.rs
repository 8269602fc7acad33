//! What a connection has written and the kernel has not taken, how many answers it is still to write, and whether it wants
//! to read meanwhile.
//!
//! Knows: the chain that is next to be sent, the spill behind it, the bound, a count. Must not know sockets.
//!
//! Bytes go into send slots, as far as the connection's share of the pool reaches: peers that do not read must not keep
//! the slots from those that do. What is beyond goes into the spill, a buffer of the connection's own within the same bound,
//! and from there into slots as those come back: a small pool makes output slower, never lost. What is spilled on a core is
//! bounded too.

use std::collections::VecDeque;

use crate::mem::{Chain, Full, SendPool};

/// The output of one connection, bounded in bytes.
#[derive(Debug)]
pub struct Output {
    chain: Chain,
    /// Boxed, because a connection hardly ever has one: four words less for each.
    #[allow(clippy::box_collection)]
    spill: Option<Box<VecDeque<u8>>>,
    queued: u32,
    max: u32,
    /// Answers that the actor has yet to write.
    owed: u32,
    /// Reading pauses when so much is queued: half of the bound, or nothing if the actor does not want to read.
    pause_at: u32,
    overflowed: bool,
}

impl Output {
    /// Nothing written yet; at most `max` bytes at a time.
    #[must_use]
    pub fn new(max: usize) -> Output {
        let max = u32::try_from(max).unwrap_or(u32::MAX);
        let pause_at = max.div_ceil(2).max(1);
        Output { chain: Chain::EMPTY, spill: None, queued: 0, max, owed: 0, pause_at, overflowed: false }
    }

    /// Bytes written and not yet taken by the kernel, those in flight included.
    #[must_use]
    pub fn queued(&self) -> u32 {
        self.queued
    }

    /// Bytes that may be written before the bound is reached.
    #[must_use]
    pub fn room(&self) -> usize {
        (self.max - self.queued) as usize
    }

    /// True if the actor does not want to read.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.pause_at == 0
    }

    /// The actor does not want to read, or wants to again.
    pub fn hold(&mut self, holds: bool) {
        self.pause_at = if holds { 0 } else { self.max.div_ceil(2).max(1) };
    }

    /// True if reading must pause: the actor wants it so, half of the bound is queued, or an eighth of it beyond the share of
    /// the pool.
    #[inline]
    #[must_use]
    pub fn must_pause(&self) -> bool {
        self.queued >= self.pause_at
            || self.spill.as_ref().is_some_and(|spill| spill.len() >= self.max as usize / 8)
    }

    /// True if reading that was paused may go on: the actor wants it so, and less than a quarter of the bound is queued.
    #[must_use]
    pub fn may_resume(&self) -> bool {
        !self.holds() && self.queued < self.max.div_ceil(4) && self.spill.is_none()
    }

    /// Answers that are still to be written.
    #[must_use]
    pub fn owed(&self) -> u32 {
        self.owed
    }

    /// One more answer is still to be written.
    pub fn owe(&mut self) {
        self.owed = self.owed.saturating_add(1);
    }

    /// One of these has been written.
    pub fn settle_one(&mut self) {
        self.owed = self.owed.saturating_sub(1);
    }

    /// True if a write was refused for the bound.
    #[must_use]
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    fn spilled(&self) -> usize {
        self.spill.as_ref().map_or(0, |spill| spill.len())
    }

    /// True if there are bytes that no send carries yet.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.chain.is_empty() || self.spill.is_some()
    }

    /// Appends bytes: all, or none if the bound would be passed, or the share of what may be spilled on the core. **Costs** one copy; two of what is
    /// spilled.
    pub fn write(&mut self, pool: &SendPool, bytes: &[u8]) -> Result<(), Full> {
        if bytes.len() > self.room() {
            return Err(Full);
        }
        let share = if self.spill.is_some() { 0 } else { pool.share(self.queued as usize) };
        if bytes.len() <= share && pool.write(&mut self.chain, bytes).is_ok() {
            self.queued += bytes.len() as u32;
            return Ok(());
        }
        self.write_beyond(pool, bytes, share)
    }

    /// As much as the share has room for goes into slots, the rest into the spill.
    #[cold]
    fn write_beyond(&mut self, pool: &SendPool, bytes: &[u8], share: usize) -> Result<(), Full> {
        let (first, rest) = bytes.split_at(share.min(bytes.len()));
        if !rest.is_empty() && pool.wait(self.spilled(), rest.len()).is_ok() {
            if pool.write(&mut self.chain, first).is_ok() {
                self.queued += bytes.len() as u32;
                self.spill.get_or_insert_default().extend(rest);
                return Ok(());
            }
            pool.waited(rest.len());
        }
        self.spill(pool, bytes)
    }

    /// Remembers that a write was refused, for which its connection will be closed.
    pub fn overflow(&mut self) {
        self.overflowed = true;
    }

    fn spill(&mut self, pool: &SendPool, bytes: &[u8]) -> Result<(), Full> {
        if bytes.is_empty() {
            return Ok(());
        }
        pool.wait(self.spilled(), bytes.len())?;
        self.queued += bytes.len() as u32;
        self.spill.get_or_insert_default().extend(bytes);
        Ok(())
    }

    /// Takes what is next to be sent; empty if nothing is, or if the pool has no slot for any of the spill.
    pub fn next(&mut self, pool: &SendPool) -> Chain {
        self.unspill(pool);
        self.chain.take()
    }

    /// Moves what the connection has a share for from the spill into slots.
    fn unspill(&mut self, pool: &SendPool) {
        /// Small enough for the smallest class of slots, so that any free slot is of use.
        const PIECE_MIN: usize = 256;
        let Some(spill) = &mut self.spill else { return };
        let mut piece_max = usize::MAX;
        loop {
            let (front, _) = spill.as_slices();
            if front.is_empty() {
                self.spill = None;
                return;
            }
            let held = self.queued as usize - spill.len();
            let piece = front.len().min(pool.share(held)).min(piece_max);
            if piece == 0 {
                return;
            }
            if pool.write(&mut self.chain, &front[..piece]).is_ok() {
                spill.drain(..piece);
                pool.waited(piece);
            } else if piece <= PIECE_MIN {
                return;
            } else {
                piece_max = (piece / 2).max(PIECE_MIN);
            }
        }
    }

    /// The kernel has taken, or dropped, `bytes` of what was sent.
    pub fn sent(&mut self, bytes: u32) {
        self.queued -= bytes;
    }

    /// Drops everything that no send carries yet.
    pub fn discard(&mut self, pool: &SendPool) {
        let spilled = self.spilled();
        self.spill = None;
        pool.waited(spilled);
        self.queued -= self.chain.bytes() + spilled as u32;
        pool.release(self.chain.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(pool: &SendPool, chain: &Chain) -> Vec<u8> {
        pool.segments(chain, 0).flatten().copied().collect()
    }

    #[test]
    fn bytes_beyond_the_bound_are_refused_whole() {
        let pool = SendPool::new([4, 0, 0, 0, 0]);
        let mut output = Output::new(100);
        output.write(&pool, &[1; 60]).unwrap();
        assert_eq!(output.write(&pool, &[2; 41]), Err(Full));
        output.write(&pool, &[3; 40]).unwrap();
        let chain = output.next(&pool);
        assert_eq!(content(&pool, &chain), [vec![1; 60], vec![3; 40]].concat());
        assert_eq!(output.write(&pool, &[4]), Err(Full), "bytes in flight count");
        pool.release(chain);
        output.sent(100);
        assert_eq!(output.queued(), 0);
    }

    #[test]
    fn an_exhausted_pool_delays_bytes_and_loses_none() {
        let pool = SendPool::new([2, 0, 0, 0, 0]);
        let mut output = Output::new(10_000);
        let twin: Vec<u8> = (0..5000_u32).map(|byte| byte as u8).collect();
        for part in twin.chunks(77) {
            output.write(&pool, part).unwrap();
        }
        let mut got = Vec::new();
        while output.is_waiting() {
            let chain = output.next(&pool);
            assert!(!chain.is_empty());
            got.extend(content(&pool, &chain));
            output.sent(chain.bytes());
            pool.release(chain);
        }
        assert_eq!(got, twin);
        assert_eq!((output.queued(), pool.taken()), (0, 0));
    }

    #[test]
    fn a_connection_holds_its_share_of_the_pool_and_spills_the_rest() {
        let pool = SendPool::new([64, 64, 64, 16, 4]).bounded(1000, 42_300);
        let mut output = Output::new(10_000);
        let twin: Vec<u8> = (0..6000_u32).map(|byte| byte as u8).collect();
        output.write(&pool, &twin[..900]).unwrap();
        output.write(&pool, &twin[900..4000]).unwrap();
        output.write(&pool, &twin[4000..5900]).unwrap();
        assert_eq!(output.write(&pool, &twin[5900..]), Err(Full), "so much is spilled on this core");
        let mut got = Vec::new();
        while output.is_waiting() {
            let chain = output.next(&pool);
            assert!((1..=1000).contains(&chain.bytes()));
            got.extend(content(&pool, &chain));
            output.sent(chain.bytes());
            pool.release(chain);
        }
        assert_eq!(got, twin[..5900]);
        assert_eq!((output.queued(), pool.taken()), (0, 0));
        assert_eq!(pool.wait(0, 4950), Ok(()), "nothing is spilled any more");
    }

    #[test]
    fn discarding_gives_slots_back() {
        let pool = SendPool::new([1, 0, 0, 0, 0]);
        let mut output = Output::new(10_000);
        output.write(&pool, &[1; 200]).unwrap();
        output.write(&pool, &[2; 200]).unwrap();
        output.discard(&pool);
        assert_eq!((output.queued(), pool.taken()), (0, 0));
        assert_eq!(pool.share(0), 256);
    }
}
