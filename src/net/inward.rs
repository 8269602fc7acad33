//! Received bytes on their way to frames.
//!
//! Knows: leases, the assembly of what straddles them, the codec. Must not know who wants the frames, nor sockets.
//!
//! Frames are found in the receive buffer itself. Only what cannot be handed on at once is copied, into the assembly: a
//! partial frame, and whatever waits while reading is paused. So no buffer is kept beyond the turn in which it is run.
//!
//! A body comes before frames: as long as there is one, reading is paused, and what arrives belongs to it, up to its end. It goes into
//! memory, or to a file.

mod begun;
mod room;

use std::rc::Rc;

use self::begun::Begun;
use super::bulk::{BodyError, Bulk};
use super::codec::{Decode, Decoded, FrameError, next_frame};
use super::filing::{Filing, ForwardedFile};
use super::late::Since;
use crate::actor::StopReason;
use crate::driver::{Fill, Pools};
use crate::executor::blame::user;
use crate::mem::{AssemblyRoom, AssemblyShare, Full, Lease, ReceivePool};

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
    /// Boxed, because an idle connection has none: four words less for each.
    assembly: Option<Box<Assembly>>,
    /// Bytes in all that the codec waits for.
    needed: u32,
    /// A lease whose bytes from the offset on have not been looked at.
    current: Option<(Lease, u32)>,
    /// While nothing has arrived, since when that counts. Later, since when the connection is not read, if it is not.
    pub(super) silent: Since,
}

/// Bytes that were copied because they could not be handed on where they arrived. Never without any for longer than a step,
/// unless there is a body.
#[derive(Debug)]
struct Assembly {
    bytes: Vec<u8>,
    /// What the bytes, and those of a body, hold of the core's room.
    share: AssemblyShare,
    /// Bytes at the start that have been consumed.
    start: u32,
    /// Bytes at the end that also lie before the offset into the current lease.
    copied: u32,
    /// An operation that fills them has the bytes.
    away: bool,
    /// There was no buffer for what is to follow: it is received into memory of its own, until a frame or a body is whole.
    starved: bool,
    /// The same, and nothing of that has arrived since: its peer may have sent it.
    dry: bool,
    /// What arrives belongs to it, before frames.
    body: Option<Bulk>,
    /// The same of a body that goes to a file.
    filing: Option<Box<Filing>>,
    begun: Option<Begun>,
    /// Bytes have arrived for which there was no room: they are lost, and the connection ends.
    cut: bool,
}

/// A body that is over.
#[derive(Debug)]
pub(super) enum Ended {
    Memory(Result<Vec<u8>, BodyError>),
    File(ForwardedFile),
}

impl Assembly {
    fn new(room: &Rc<AssemblyRoom>) -> Assembly {
        Assembly {
            bytes: Vec::new(),
            share: AssemblyShare::new(room.clone()),
            start: 0,
            copied: 0,
            away: false,
            starved: false,
            dry: false,
            body: None,
            filing: None,
            begun: None,
            cut: false,
        }
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.start as usize..]
    }

    /// Bytes that have come of what is not whole.
    fn got(&self) -> u64 {
        match (&self.body, &self.filing) {
            (Some(body), _) => body.got(),
            (_, Some(filing)) => filing.got(),
            _ => self.rest().len() as u64,
        }
    }

    /// Puts bytes behind the others, if there is room.
    fn append(&mut self, bytes: &[u8]) {
        self.cut |= self.make_room(bytes.len()).is_err();
        if !self.cut {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Capacities are powers of two, as long as there is room for everybody: memory of few sizes is found again when others have let it
    /// go. What was promised is taken at once.
    fn make_room(&mut self, more: usize) -> Result<(), Full> {
        let (held, needed) = (self.bytes.capacity(), self.bytes.len() + more);
        if needed <= held {
            return Ok(());
        }
        let capacity = match self.share.promised() {
            0 if self.share.is_ample() => needed.next_power_of_two().max(PIECE),
            promised => needed.max(held + promised),
        };
        let capacity = if self.share.may_grow(capacity - held) { capacity } else { needed };
        self.share.grow(capacity - held)?;
        self.bytes.reserve_exact(capacity - self.bytes.len());
        Ok(())
    }

    /// Drops the bytes.
    fn clear(&mut self) {
        self.share.shrink(self.bytes.capacity());
        (self.bytes, self.start) = (Vec::new(), 0);
    }
}

/// A straddling frame is completed by copying what its codec asked for, and at least so much: codecs that cannot know ask
/// for one byte more.
const PIECE: usize = 256;

/// The same where it is completed by a receive of its own, and at most so much: who announces a large frame has not sent it.
const RECEIVED_PIECE: std::ops::RangeInclusive<usize> = 4096..=64 << 10;

impl<C: Decode> Inward<C> {
    pub(super) fn new() -> Inward<C> {
        Inward { codec: user(C::default), assembly: None, needed: 0, current: None, silent: Since::default() }
    }

    /// True if bytes wait, looked at or not.
    pub(super) fn has_rest(&self) -> bool {
        self.current.is_some() || self.has_assembled()
    }

    fn has_assembled(&self) -> bool {
        self.assembly.as_ref().is_some_and(|assembly| !assembly.rest().is_empty())
    }

    /// True if everything that has arrived has been looked at: only more bytes lead to another frame.
    pub(super) fn is_hungry(&self) -> bool {
        self.current.is_none() && self.assembly.as_ref().is_none_or(|assembly| self.is_partial(assembly))
    }

    fn is_partial(&self, assembly: &Assembly) -> bool {
        let waiting = assembly.rest().len();
        let whole = assembly.body.as_ref().is_some_and(Bulk::is_complete)
            || assembly.filing.as_ref().is_some_and(|filing| filing.is_busy());
        (waiting == 0 || waiting < self.needed as usize) && !whole
    }

    /// Takes over what has arrived. The lease before must have been used up.
    pub(super) fn arrived(&mut self, lease: Lease) {
        debug_assert!(self.current.is_none(), "leases are used up in their order");
        self.current = Some((lease, 0));
    }

    /// Copies what has arrived to the body, if one has not all of its bytes, and else to the end of the assembly: reading is
    /// paused. True if there was such a body.
    pub(super) fn set_aside(&mut self, pool: &ReceivePool, lease: Lease) -> bool {
        self.note_arrival();
        self.set_current_aside(pool);
        let bytes = pool.bytes(&lease);
        let taken = self.take_for_body(bytes);
        self.copy(pool, &bytes[taken..]);
        pool.release(lease);
        taken > 0
    }

    /// Copies what belongs to the body, if there is one; answers how many bytes that were.
    fn take_for_body(&mut self, bytes: &[u8]) -> usize {
        let Some(Assembly { body: Some(body), share, cut, .. }) = self.assembly.as_deref_mut() else {
            return 0;
        };
        let taken = body.take(bytes, share);
        // What follows would be taken for what is behind the body.
        *cut |= taken < bytes.len() && body.missing() > 0 && !body.has_failed();
        taken
    }

    /// Copies what is left of the current lease to the end of the assembly.
    pub(super) fn set_current_aside(&mut self, pool: &ReceivePool) {
        if let Some((lease, offset)) = self.current.take() {
            self.copy(pool, &pool.bytes(&lease)[offset as usize..]);
            self.forget_copied();
            pool.release(lease);
        }
    }

    /// The assembly, made if there is none.
    fn assemble(&mut self, pool: &ReceivePool) -> &mut Assembly {
        self.assembly.get_or_insert_with(|| Box::new(Assembly::new(pool.assembly())))
    }

    fn copy(&mut self, pool: &ReceivePool, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let assembly = self.assemble(pool);
        let Assembly { bytes: assembled, start, .. } = assembly;
        // What has been consumed goes once it is half of all: a peer whose bytes always come while reading is paused would
        // make this grow for ever otherwise.
        if *start as usize >= assembled.len() / 2 {
            assembled.drain(..std::mem::take(start) as usize);
        }
        assembly.append(bytes);
    }

    fn forget_copied(&mut self) {
        if let Some(assembly) = &mut self.assembly {
            assembly.copied = 0;
        }
    }

    /// Hands every whole frame to `take`, in order, until that has enough or none is left.
    pub(super) fn feed<S>(
        &mut self,
        pool: &ReceivePool,
        mut take: impl FnMut(C::Frame<'_>) -> Option<S>,
    ) -> Fed<S> {
        loop {
            if self.assembly.is_some() {
                match self.feed_assembly(&mut take) {
                    Fed::Hungry if self.assembly.is_none() || self.rewind() => {}
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
            if matches!(fed, Fed::Hungry) && !rest.is_empty() {
                let assembly = self.assembly.get_or_insert_with(|| Box::new(Assembly::new(pool.assembly())));
                assembly.append(rest);
            }
            self.release_current(pool);
            return fed;
        }
    }

    fn release_current(&mut self, pool: &ReceivePool) {
        self.forget_copied();
        if let Some((lease, _)) = self.current.take() {
            pool.release(lease);
        }
    }

    /// The frame that straddled is complete. What was copied beyond it is looked at where it arrived: true if that was
    /// possible, and the assembly is empty.
    fn rewind(&mut self) -> bool {
        let Some((_, offset)) = &mut self.current else { return false };
        let Some(assembly) =
            self.assembly.take_if(|assembly| assembly.rest().len() <= assembly.copied as usize)
        else {
            return false;
        };
        *offset -= assembly.rest().len() as u32;
        true
    }

    #[inline(never)]
    fn feed_assembly<S>(&mut self, take: &mut impl FnMut(C::Frame<'_>) -> Option<S>) -> Fed<S> {
        let Some(assembly) = &mut self.assembly else { return Fed::Hungry };
        let bytes = assembly.rest();
        if bytes.len() < self.needed as usize {
            return Fed::Hungry;
        }
        let mut consumed = 0;
        let fed = decode(&mut self.codec, bytes, &mut consumed, &mut self.needed, take);
        assembly.start += consumed as u32;
        if assembly.rest().is_empty() {
            // An idle connection keeps no buffer.
            self.assembly = None;
        } else if consumed > 0 {
            // It was for what is whole.
            assembly.share.forget_promise();
            (assembly.begun, assembly.dry) = (None, false);
        }
        fed
    }

    /// The body that comes before any frame.
    pub(super) fn body(&self) -> Option<&Bulk> {
        self.assembly.as_ref()?.body.as_ref()
    }

    pub(super) fn body_mut(&mut self) -> Option<&mut Bulk> {
        self.assembly.as_mut()?.body.as_mut()
    }

    /// True if an operation has what the assembly holds.
    pub(super) fn is_away(&self) -> bool {
        self.assembly.as_ref().is_some_and(|assembly| assembly.away)
    }

    /// True if the codec has seen a part of a frame that will never be whole once a body begins.
    pub(super) fn has_partial(&self) -> bool {
        self.needed > 0
    }

    /// From now on what arrives belongs to a body, up to its end, and first what is here. A codec that has seen a part of it as one
    /// of a frame is replaced.
    pub(super) fn begin_body(&mut self, pool: &ReceivePool, mut body: Bulk, codec: Option<C>) {
        let assembly = self.assembly.get_or_insert_with(|| Box::new(Assembly::new(pool.assembly())));
        let Assembly { bytes, start, share, .. } = &mut **assembly;
        *start += body.take(&bytes[*start as usize..], share) as u32;
        // What was copied from the current lease is looked at here.
        assembly.copied = 0;
        if assembly.rest().is_empty() {
            assembly.clear();
            if let Some((lease, offset)) = &mut self.current {
                *offset += body.take(&pool.bytes(lease)[*offset as usize..], &mut assembly.share) as u32;
            }
        }
        let left = !assembly.rest().is_empty()
            || self
                .current
                .as_ref()
                .is_some_and(|(lease, offset)| pool.bytes(lease).len() > *offset as usize);
        assembly.cut |= left && body.missing() > 0 && !body.has_failed();
        assembly.body = Some(body);
        assembly.begun = None;
        self.begin_anew(codec);
        if self.current.as_ref().is_some_and(|(lease, offset)| pool.bytes(lease).len() == *offset as usize) {
            self.release_current(pool);
        }
    }

    /// The codec sees nothing of what comes next, and then begins anew.
    fn begin_anew(&mut self, codec: Option<C>) {
        self.needed = 0;
        if let Some(codec) = codec {
            self.codec = codec;
        }
    }

    /// The same for a body that goes to a file. What is here is to be [handed to it](Inward::hand_to_file).
    pub(super) fn begin_filing(&mut self, pool: &ReceivePool, filing: Filing, codec: Option<C>) {
        let assembly = self.assemble(pool);
        assembly.copied = 0;
        assembly.filing = Some(Box::new(filing));
        assembly.begun = None;
        self.begin_anew(codec);
    }

    /// The file that a body goes to.
    pub(super) fn filing(&self) -> Option<&Filing> {
        self.assembly.as_ref()?.filing.as_deref()
    }

    pub(super) fn filing_mut(&mut self) -> Option<&mut Filing> {
        self.assembly.as_mut()?.filing.as_deref_mut()
    }

    /// Takes over what has arrived while a body goes to a file. True if more is to be received for that now.
    pub(super) fn file(&mut self, pools: &Pools, lease: Lease) -> bool {
        self.note_arrival();
        self.set_current_aside(&pools.receive);
        if self.has_assembled() {
            self.copy(&pools.receive, pools.receive.bytes(&lease));
            pools.receive.release(lease);
        } else {
            self.arrived(lease);
        }
        self.hand_to_file(pools);
        self.filing().is_some_and(|filing| filing.wants() > 0 && !filing.is_full()) && !self.has_assembled()
    }

    /// Moves what has arrived to the queue of the file, as far as it belongs there and there is room, and sets the rest aside. True if
    /// nothing that belongs there is left.
    pub(super) fn hand_to_file(&mut self, pools: &Pools) -> bool {
        let filing = self.assembly.as_mut().and_then(|assembly| assembly.filing.take());
        let Some(mut filing) = filing else { return true };
        let (mut bytes, wants) = (0, filing.wants());
        let all = filing.room().is_some_and(|queue| self.hand_on(pools, queue, &mut bytes, wants));
        filing.received(bytes);
        self.assemble(&pools.receive).filing = Some(filing);
        self.set_current_aside(&pools.receive);
        all || wants == 0 || !self.has_assembled()
    }

    /// The body is over: frames go on behind it.
    pub(super) fn end_body(&mut self, end: Result<(), StopReason>) -> Option<Ended> {
        let assembly = self.assembly.as_mut()?;
        let ended = match assembly.filing.take() {
            Some(filing) => Ended::File(filing.finish(end)),
            None => {
                let body = assembly.body.take()?;
                assembly.share.shrink(body.grown());
                assembly.share.forget_promise();
                Ended::Memory(body.finish(end))
            }
        };
        (assembly.starved, assembly.dry) = (false, false);
        assembly.begun = None;
        self.drop_assembly_if_empty();
        Some(ended)
    }

    /// There was no buffer for what is to follow. True if something is here that waits for just that, which gets memory of its own.
    pub(super) fn starve(&mut self) -> bool {
        let Some(assembly) = &mut self.assembly else { return false };
        assembly.dry = true;
        if assembly.filing.is_some() {
            // It needs no more than that others are written, which does not depend on it.
            return false;
        }
        if !assembly.share.may_grow(*RECEIVED_PIECE.end()) {
            return false;
        }
        let waits = assembly.body.as_ref().is_some_and(|body| body.missing() > 0);
        assembly.starved |= waits || (self.current.is_none() && !assembly.rest().is_empty());
        assembly.starved
    }

    /// True if there was no buffer for what is to follow, nor has been since: that it does not come is not its peer's doing. Once there are
    /// some, it is not so any more.
    pub(super) fn was_dry(&mut self, pool: &ReceivePool) -> bool {
        let Some(assembly) = &mut self.assembly else { return false };
        let dry = assembly.dry;
        assembly.dry &= !pool.has_free();
        dry
    }

    /// Something that was to follow has arrived: time in which there was no buffer for it does not count.
    fn note_arrival(&mut self) {
        if let Some(assembly) = &mut self.assembly
            && std::mem::take(&mut assembly.dry)
        {
            assembly.begun = None;
        }
    }

    /// True if what is missing of the body is not to come in a receive buffer.
    pub(super) fn prefers_memory(&self) -> bool {
        self.assembly.as_ref().is_some_and(|assembly| {
            let wants = |body: &Bulk| !body.is_away() && (assembly.starved || body.prefers_memory());
            assembly.body.as_ref().is_some_and(wants)
        })
    }

    /// Memory for what is to be received next, if that is not to come in a receive buffer. It comes back by `filled`.
    pub(super) fn lend(&mut self) -> Option<Box<Fill>> {
        let assembly = self.assembly.as_mut()?;
        if let Some(body) = &mut assembly.body {
            if !assembly.starved && !body.prefers_memory() {
                return None;
            }
            let lent = body.lend(&mut assembly.share);
            if lent.is_none() && !body.has_failed() {
                // Others may have taken the room since: where it was for want of a buffer, it waits for one.
                assembly.cut |= !std::mem::take(&mut assembly.starved);
            }
            return lent;
        }
        if !assembly.starved {
            return None;
        }
        assembly.bytes.drain(..std::mem::take(&mut assembly.start) as usize);
        let missing = (self.needed as usize).saturating_sub(assembly.bytes.len());
        let max = missing.clamp(*RECEIVED_PIECE.start(), *RECEIVED_PIECE.end());
        if assembly.make_room(max).is_err() {
            // Others have taken it since: it waits for a buffer.
            assembly.starved = false;
            return None;
        }
        assembly.away = true;
        Some(Box::new(Fill { buffer: std::mem::take(&mut assembly.bytes), max, outcome: Ok(0) }))
    }

    /// What was lent has come back. Where nobody waits for it any more, it is dropped.
    pub(super) fn filled(&mut self, fill: Box<Fill>) {
        self.note_arrival();
        let Some(assembly) = &mut self.assembly else { return };
        if std::mem::take(&mut assembly.away) {
            assembly.bytes = fill.buffer;
        } else if let Some(body) = &mut assembly.body {
            body.give_back(fill);
        }
    }

    /// Moves a piece of the current lease to the assembly; false if there is none.
    fn extend_assembly(&mut self, pool: &ReceivePool) -> bool {
        let Some((lease, offset)) = &mut self.current else { return false };
        let bytes = &pool.bytes(lease)[*offset as usize..];
        if bytes.is_empty() {
            self.release_current(pool);
            return false;
        }
        let Some(assembly) = &mut self.assembly else { return false };
        assembly.bytes.drain(..std::mem::take(&mut assembly.start) as usize);
        let missing = (self.needed as usize).saturating_sub(assembly.bytes.len());
        let piece = missing.max(PIECE).min(bytes.len());
        assembly.append(&bytes[..piece]);
        *offset += piece as u32;
        assembly.copied += piece as u32;
        !assembly.cut
    }

    /// The stream has ended: hands a last frame to `take`, if what is left is one.
    pub(super) fn finish(&mut self, take: impl FnOnce(C::Frame<'_>)) -> Result<(), FrameError> {
        let rest = self.assembly.take();
        if let Some(frame) = self.codec.finish(rest.as_ref().map_or(&[], |rest| rest.rest()))? {
            take(frame);
        }
        Ok(())
    }

    /// What was set aside and has not been consumed, if anything was.
    pub(super) fn assembled(&self) -> Option<&[u8]> {
        self.assembly.as_ref().map(|assembly| assembly.rest()).filter(|rest| !rest.is_empty())
    }

    /// So much of that has been consumed, by whoever looks at no frames.
    pub(super) fn consume_assembled(&mut self, bytes: usize) {
        self.needed = 0;
        let Some(assembly) = &mut self.assembly else { return };
        assembly.start += bytes as u32;
        self.drop_assembly_if_empty();
    }

    /// One that is cut stays, until the connection ends for that.
    fn drop_assembly_if_empty(&mut self) {
        self.assembly.take_if(|assembly| assembly.rest().is_empty() && !assembly.cut);
    }

    /// The current lease, with what of it has been looked at.
    pub(super) fn take_current(&mut self) -> Option<(Lease, u32)> {
        self.forget_copied();
        self.current.take()
    }

    /// Puts it back.
    pub(super) fn put_current(&mut self, lease: Lease, offset: u32) {
        self.current = Some((lease, offset));
    }

    /// True if bytes have arrived for which there was no room: nothing behind them can be looked at.
    #[inline]
    pub(super) fn is_cut(&self) -> bool {
        self.assembly.as_ref().is_some_and(|assembly| assembly.cut)
    }

    /// Drops everything that has arrived.
    pub(super) fn discard(&mut self, pools: &Pools) {
        self.release_current(&pools.receive);
        if let Some(filing) = self.filing_mut() {
            filing.discard(pools);
        }
        self.assembly = None;
    }
}

#[inline(always)]
fn decode<C: Decode, S>(
    codec: &mut C,
    bytes: &[u8],
    consumed: &mut usize,
    needed: &mut u32,
    take: &mut impl FnMut(C::Frame<'_>) -> Option<S>,
) -> Fed<S> {
    while *consumed < bytes.len() {
        match user(|| next_frame(codec, &bytes[*consumed..])) {
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

#[cfg(test)]
mod tests {
    use super::super::codec::LengthDelimited;
    use super::*;
    use crate::sys::Random;

    fn lease(pool: &ReceivePool, bytes: &[u8]) -> Lease {
        let buffer = pool.take_free().expect("every lease before was released");
        let filled = pool.fill(buffer, |space| {
            space[..bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        });
        let lease = filled.unwrap().expect("there were bytes");
        if !pool.is_full(buffer) {
            pool.give_back(buffer);
        }
        lease
    }

    fn frames(count: usize, random: &mut Random) -> (Vec<Vec<u8>>, Vec<u8>) {
        let mut wire = Vec::new();
        let frames: Vec<Vec<u8>> = (0..count)
            .map(|number| vec![number as u8; random.index(700)])
            .inspect(|frame| {
                wire.extend((frame.len() as u32).to_be_bytes());
                wire.extend(frame);
            })
            .collect();
        (frames, wire)
    }

    #[test]
    fn frames_come_whole_and_in_order_however_they_are_split_and_interrupted() {
        let mut random = Random::new(11);
        for _ in 0..200 {
            let (expected, wire) = frames(60, &mut random);
            let pool = ReceivePool::new(2, 4096);
            let mut inward = Inward::<LengthDelimited>::new();
            let (mut got, mut left) = (Vec::new(), wire.as_slice());
            while !left.is_empty() {
                let (part, rest) = left.split_at(left.len().min(1 + random.index(3000)));
                left = rest;
                let lease = lease(&pool, part);
                if random.chance(0.1) {
                    inward.set_aside(&pool, lease);
                    continue;
                }
                inward.arrived(lease);
                while let Fed::Enough(pause) = inward.feed(&pool, |frame: &[u8]| {
                    got.push(frame.to_vec());
                    random.chance(0.2).then(|| random.chance(0.2))
                }) {
                    if pause {
                        inward.set_current_aside(&pool);
                    }
                }
            }
            let fed = inward.feed(&pool, |frame: &[u8]| {
                got.push(frame.to_vec());
                None::<()>
            });
            assert_eq!(fed, Fed::Hungry);
            assert_eq!(got, expected);
            assert!(!inward.has_rest(), "an idle connection keeps no buffer");
            assert_eq!(pool.lent(), 0);
        }
    }

    #[test]
    fn what_has_been_consumed_goes_though_a_part_of_a_frame_always_waits() {
        let pool = ReceivePool::new(1, 4096);
        let mut inward = Inward::<LengthDelimited>::new();
        let mut frames = 0;
        // The first byte of a length, and later the rest of a frame of ten bytes and the next first byte, while paused.
        inward.set_aside(&pool, lease(&pool, &[0]));
        for _ in 0..1000 {
            inward.set_aside(&pool, lease(&pool, &[0, 0, 10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0]));
            let fed = inward.feed(&pool, |frame| {
                assert_eq!(frame, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
                frames += 1;
                None::<()>
            });
            assert_eq!(fed, Fed::Hungry);
            let held = inward.assembly.as_ref().map_or(0, |assembly| assembly.bytes.len());
            assert!(held < 64, "{held} bytes are held for a part of one");
        }
        assert_eq!(frames, 1000);
    }

    #[test]
    fn nobody_is_late_as_long_as_there_is_no_buffer_nor_then_at_once() {
        let pool = ReceivePool::new(1, 4096);
        let mut inward = Inward::<LengthDelimited>::new();
        inward.set_aside(&pool, lease(&pool, &[0, 0]));
        assert!(!inward.was_dry(&pool));
        let taken = pool.take_free().expect("there is one");
        inward.starve();
        assert_eq!([inward.was_dry(&pool), inward.was_dry(&pool)], [true; 2]);
        pool.give_back(taken);
        assert_eq!([inward.was_dry(&pool), inward.was_dry(&pool)], [true, false]);
    }

    #[test]
    fn that_something_has_found_no_room_is_not_forgotten() {
        let pool = ReceivePool::new(1, 4096).assembling(64);
        let mut inward = Inward::<LengthDelimited>::new();
        inward.begin_body(&pool, Bulk::new(Vec::new(), 0), None);
        inward.set_aside(&pool, lease(&pool, &[7; 65]));
        assert!(inward.is_cut());
        assert!(inward.end_body(Ok(())).is_some() && inward.is_cut(), "frames were behind the body");
        let mut inward = Inward::<LengthDelimited>::new();
        inward.set_aside(&pool, lease(&pool, &[7; 40]));
        inward.set_aside(&pool, lease(&pool, &[7; 40]));
        inward.consume_assembled(40);
        assert!(inward.is_cut() && !inward.has_rest(), "more was behind what has gone on");
    }

    #[test]
    fn who_found_no_buffer_and_finds_no_memory_either_waits_for_a_buffer() {
        const MAX: usize = 1 << 20;
        for body in [false, true] {
            let pool = ReceivePool::new(1, 4096).assembling(MAX);
            let mut other = AssemblyShare::new(pool.assembly().clone());
            other.grow(MAX - 100).expect("it is the first");
            let mut inward = Inward::<LengthDelimited>::new();
            inward.set_aside(&pool, lease(&pool, &[0, 0, 4, 0, 7, 7]));
            if body {
                inward.begin_body(&pool, Bulk::new(Vec::new(), 1000), None);
            }
            other.shrink(MAX - 100);
            assert!(inward.starve());
            other.grow(MAX - pool.assembly().held()).expect("there is as much");
            assert!(inward.lend().is_none() && !inward.is_cut() && !inward.starve());
            drop(other);
            assert!(inward.lend().is_none(), "it waits for a buffer");
            assert!(inward.starve() && inward.lend().is_some(), "there is none still");
        }
    }

    #[test]
    fn only_what_straddles_is_copied() {
        let pool = ReceivePool::new(2, 65_536);
        let mut inward = Inward::<LengthDelimited>::new();
        let wire: Vec<u8> = [&[0, 0, 0, 100_u8][..], &[7; 100]].concat().repeat(300);
        let (first, second) = wire.split_at(150);
        let mut outside = 0;
        for part in [first, second] {
            let lease = lease(&pool, part);
            let within = pool.bytes(&lease).as_ptr_range();
            inward.arrived(lease);
            let fed = inward.feed(&pool, |frame: &[u8]| {
                outside += u32::from(!within.contains(&frame.as_ptr()));
                None::<()>
            });
            assert_eq!(fed, Fed::Hungry);
        }
        assert!(outside <= 4, "{outside} of 300 frames were copied");
    }
}
