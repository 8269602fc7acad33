//! What a connection has written and the kernel has not taken.
//!
//! Knows: the chain that is next to be sent, the spill behind it, the bound. Must not know sockets.
//!
//! Bytes go into send slots. While the pool has none left they go into the spill, a buffer of the connection's own within
//! the same bound, and from there into slots as those come back: a small pool makes output slower, never lost.

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
    overflowed: bool,
}

impl Output {
    /// Nothing written yet; at most `max` bytes at a time.
    #[must_use]
    pub fn new(max: usize) -> Output {
        let max = u32::try_from(max).unwrap_or(u32::MAX);
        Output { chain: Chain::EMPTY, spill: None, queued: 0, max, overflowed: false }
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

    /// True if reading must pause: half of the bound is queued, or the pool was exhausted.
    #[must_use]
    pub fn must_pause(&self) -> bool {
        self.queued >= self.max.div_ceil(2) || self.spill.is_some()
    }

    /// True if reading that was paused may go on: less than a quarter of the bound is queued.
    #[must_use]
    pub fn may_resume(&self) -> bool {
        self.queued < self.max.div_ceil(4) && self.spill.is_none()
    }

    /// True if a write was refused for the bound.
    #[must_use]
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// True if there are bytes that no send carries yet.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.chain.is_empty() || self.spill.is_some()
    }

    /// Appends bytes: all, or none if the bound would be passed. **Costs** one copy.
    pub fn write(&mut self, pool: &SendPool, bytes: &[u8]) -> Result<(), Full> {
        if bytes.len() > self.room() {
            return Err(Full);
        }
        if self.spill.is_none() && pool.write(&mut self.chain, bytes).is_ok() {
            self.queued += bytes.len() as u32;
            return Ok(());
        }
        self.spill(bytes);
        Ok(())
    }

    /// Remembers that a write was refused, for which its connection will be closed.
    pub fn overflow(&mut self) {
        self.overflowed = true;
    }

    #[cold]
    fn spill(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.queued += bytes.len() as u32;
        self.spill.get_or_insert_default().extend(bytes);
    }

    /// Takes what is next to be sent; empty if nothing is, or if the pool has no slot for any of the spill.
    pub fn next(&mut self, pool: &SendPool) -> Chain {
        self.unspill(pool);
        self.chain.take()
    }

    /// Moves what fits from the spill into slots.
    fn unspill(&mut self, pool: &SendPool) {
        /// Small enough for the smallest class of slots, so that any free slot is of use.
        const PIECE: usize = 256;
        let Some(spill) = &mut self.spill else { return };
        loop {
            let (front, _) = spill.as_slices();
            if front.is_empty() {
                self.spill = None;
                return;
            }
            let piece = front.len().min(PIECE);
            if pool.write(&mut self.chain, &front[..piece]).is_err() {
                return;
            }
            spill.drain(..piece);
        }
    }

    /// The kernel has taken, or dropped, `bytes` of what was sent.
    pub fn sent(&mut self, bytes: u32) {
        self.queued -= bytes;
    }

    /// Drops everything that no send carries yet.
    pub fn discard(&mut self, pool: &SendPool) {
        self.queued -= self.chain.bytes() + self.spill.take().map_or(0, |spill| spill.len() as u32);
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
    fn discarding_gives_slots_back() {
        let pool = SendPool::new([1, 0, 0, 0, 0]);
        let mut output = Output::new(10_000);
        output.write(&pool, &[1; 200]).unwrap();
        output.write(&pool, &[2; 200]).unwrap();
        output.discard(&pool);
        assert_eq!((output.queued(), pool.taken()), (0, 0));
    }
}
