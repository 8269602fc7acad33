//! Received bytes on their way to frames.
//!
//! Knows: leases, the assembly of what straddles them, the codec. Must not know who wants the frames, nor sockets.
//!
//! Frames are found in the receive buffer itself. Only what cannot be handed on at once is copied, into the assembly: a
//! partial frame, and whatever waits while reading is paused. So no buffer is kept beyond the turn in which it is run.

use super::codec::{Decode, Decoded, FrameError, next_frame};
use crate::mem::{Lease, ReceivePool};

/// What became of a look for frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fed<S> {
    /// Everything that is there has been looked at; a partial frame waits in the assembly.
    Hungry,
    /// The taker of frames has had enough for now.
    Enough(S),
    /// The bytes cannot become frames.
    Malformed(FrameError),
}

/// The receiving side of one connection.
#[derive(Debug)]
pub(super) struct Inward<C> {
    codec: C,
    assembly: Vec<u8>,
    /// Bytes at the start of the assembly that have been consumed.
    start: u32,
    /// Bytes in all that the codec waits for.
    needed: u32,
    /// A lease whose bytes from the offset on have not been looked at.
    current: Option<(Lease, u32)>,
}

/// A straddling frame is completed by copying what its codec asked for, and at least so much: codecs that cannot know ask
/// for one byte more.
const PIECE: usize = 256;

impl<C: Decode> Inward<C> {
    pub(super) fn new() -> Inward<C> {
        Inward { codec: C::default(), assembly: Vec::new(), start: 0, needed: 0, current: None }
    }

    /// True if bytes wait, looked at or not.
    pub(super) fn has_rest(&self) -> bool {
        self.current.is_some() || !self.assembly.is_empty()
    }

    /// Takes over what has arrived. The lease before must have been used up.
    pub(super) fn arrived(&mut self, lease: Lease) {
        debug_assert!(self.current.is_none(), "leases are used up in their order");
        self.current = Some((lease, 0));
    }

    /// Copies what has arrived to the end of the assembly: reading is paused.
    pub(super) fn set_aside(&mut self, pool: &ReceivePool, lease: Lease) {
        self.set_current_aside(pool);
        self.assembly.extend_from_slice(pool.bytes(&lease));
        pool.release(lease);
    }

    /// Copies what is left of the current lease to the end of the assembly.
    pub(super) fn set_current_aside(&mut self, pool: &ReceivePool) {
        if let Some((lease, offset)) = self.current.take() {
            self.assembly.extend_from_slice(&pool.bytes(&lease)[offset as usize..]);
            pool.release(lease);
        }
    }

    /// Hands every whole frame to `take`, in order, until that has enough or none is left.
    pub(super) fn feed<S>(
        &mut self,
        pool: &ReceivePool,
        mut take: impl FnMut(C::Frame<'_>) -> Option<S>,
    ) -> Fed<S> {
        loop {
            if !self.assembly.is_empty() {
                match self.feed_assembly(&mut take) {
                    Fed::Hungry if self.assembly.is_empty() => continue,
                    Fed::Hungry if self.extend_assembly(pool) => continue,
                    fed => return fed,
                }
            }
            // The lease stays where it is while `take` runs, so that a panic there does not lose it.
            let Some((lease, offset)) = &mut self.current else { return Fed::Hungry };
            let bytes = &pool.bytes(lease)[*offset as usize..];
            let mut consumed = 0;
            let fed = decode(&mut self.codec, bytes, &mut consumed, &mut self.needed, &mut take);
            let rest = &bytes[consumed..];
            if matches!(fed, Fed::Enough(_)) && !rest.is_empty() {
                *offset += consumed as u32;
                return fed;
            }
            if matches!(fed, Fed::Hungry) {
                self.assembly.extend_from_slice(rest);
            }
            self.release_current(pool);
            return fed;
        }
    }

    fn release_current(&mut self, pool: &ReceivePool) {
        if let Some((lease, _)) = self.current.take() {
            pool.release(lease);
        }
    }

    fn feed_assembly<S>(&mut self, take: &mut impl FnMut(C::Frame<'_>) -> Option<S>) -> Fed<S> {
        let bytes = &self.assembly[self.start as usize..];
        if bytes.len() < self.needed as usize {
            return Fed::Hungry;
        }
        let mut consumed = 0;
        let fed = decode(&mut self.codec, bytes, &mut consumed, &mut self.needed, take);
        self.start += consumed as u32;
        if self.start as usize == self.assembly.len() {
            // An idle connection keeps no buffer.
            self.assembly = Vec::new();
            self.start = 0;
        }
        fed
    }

    /// Moves a piece of the current lease to the assembly; false if there is none.
    fn extend_assembly(&mut self, pool: &ReceivePool) -> bool {
        let Some((lease, offset)) = self.current.take() else { return false };
        if self.start > 0 {
            self.assembly.drain(..self.start as usize);
            self.start = 0;
        }
        let bytes = &pool.bytes(&lease)[offset as usize..];
        let missing = (self.needed as usize).saturating_sub(self.assembly.len());
        let piece = missing.max(PIECE).min(bytes.len());
        self.assembly.extend_from_slice(&bytes[..piece]);
        if piece < bytes.len() {
            self.current = Some((lease, offset + piece as u32));
        } else {
            pool.release(lease);
        }
        true
    }

    /// The stream has ended: hands a last frame to `take`, if what is left is one.
    pub(super) fn finish(&mut self, take: impl FnOnce(C::Frame<'_>)) -> Result<(), FrameError> {
        let rest = std::mem::take(&mut self.assembly);
        let start = std::mem::take(&mut self.start) as usize;
        if let Some(frame) = self.codec.finish(&rest[start..])? {
            take(frame);
        }
        Ok(())
    }

    /// Drops everything that has arrived.
    pub(super) fn discard(&mut self, pool: &ReceivePool) {
        self.release_current(pool);
        self.assembly = Vec::new();
        self.start = 0;
    }
}

fn decode<C: Decode, S>(
    codec: &mut C,
    bytes: &[u8],
    consumed: &mut usize,
    needed: &mut u32,
    take: &mut impl FnMut(C::Frame<'_>) -> Option<S>,
) -> Fed<S> {
    while *consumed < bytes.len() {
        match next_frame(codec, &bytes[*consumed..]) {
            Ok(Decoded::Frame { frame, consumed: more }) => {
                *needed = 0;
                *consumed += more;
                if let Some(enough) = take(frame) {
                    return Fed::Enough(enough);
                }
            }
            Ok(Decoded::Incomplete { needed: more }) => {
                *needed = u32::try_from(more).unwrap_or(u32::MAX);
                return Fed::Hungry;
            }
            Err(error) => return Fed::Malformed(error),
        }
    }
    Fed::Hungry
}
