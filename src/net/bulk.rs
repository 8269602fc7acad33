//! A known number of bytes on their way into memory of the user's own.
//!
//! Knows: how many are there, and where the memory is. Must not know how they arrive, nor frames.
//!
//! The memory grows as bytes arrive, at most to twice as many as have, from a first piece on. None is taken before something has come: a
//! length that is announced costs nothing.

use std::fmt;
use std::io::{self, ErrorKind};

use crate::actor::StopReason;
use crate::driver::Fill;
use crate::executor::NoBody;
use crate::mem::AssemblyShare;
use crate::sys::Count;

/// From so many missing bytes on they are received straight into the memory, by one receive at a time. Below, receiving into
/// buffers that are there anyway and copying costs less than ending that receive and beginning it again.
const FILL_MIN: usize = 32 << 10;

/// The memory grows by so much at least, or by what is missing.
const GROWTH_MIN: usize = 256 << 10;

/// By so much at most before anything has come: where there is no buffer, nobody knows whether anything will.
const FIRST_MAX: usize = 4 << 10;

/// See the header.
#[derive(Debug)]
pub(super) struct Bulk {
    /// None while an operation has the memory.
    fill: Option<Box<Fill>>,
    /// So many bytes will it hold.
    end: usize,
    /// So much has the memory grown here.
    grown: usize,
    /// So many bytes have come, as far as is known here.
    got: u64,
    /// There was no memory for more.
    failed: bool,
    /// Nobody wants the rest.
    given_up: bool,
}

impl Bulk {
    pub(super) fn new(buffer: Vec<u8>, len: usize) -> Bulk {
        let end = buffer.len().saturating_add(len);
        let fill = Some(Box::new(Fill { buffer, max: 0, outcome: Ok(0) }));
        Bulk { fill, end, grown: 0, got: 0, failed: false, given_up: false }
    }

    /// True if an operation has the memory.
    pub(super) fn is_away(&self) -> bool {
        self.fill.is_none()
    }

    /// Bytes that are still to come, as far as is known here.
    pub(super) fn missing(&self) -> usize {
        self.fill.as_ref().map_or(0, |fill| self.end - fill.buffer.len())
    }

    pub(super) fn is_complete(&self) -> bool {
        !self.is_away() && self.missing() == 0
    }

    /// How many bytes have come, but for those that an operation has taken by now.
    pub(super) fn got(&self) -> u64 {
        self.got
    }

    /// So many bytes are received without more memory.
    pub(super) fn spare(&self) -> usize {
        self.fill.as_ref().map_or(0, |fill| fill.buffer.capacity() - fill.buffer.len())
    }

    /// By so many bytes has the memory grown since it was handed over.
    pub(super) fn grown(&self) -> usize {
        self.grown
    }

    /// True if there was no memory for the rest.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// True if nobody wants the rest.
    pub(super) fn is_given_up(&self) -> bool {
        self.given_up
    }

    pub(super) fn give_up(&mut self) {
        self.given_up = true;
    }

    /// True if so much is missing that it is to be received without a copy, and the memory for it is there, or its peer sends.
    pub(super) fn prefers_memory(&self) -> bool {
        self.missing() >= FILL_MIN && (self.got > 0 || self.spare() > 0)
    }

    /// Copies what belongs to it from the start of these bytes, as far as there is room; answers how many those were.
    pub(super) fn take(&mut self, bytes: &[u8], share: &mut AssemblyShare) -> usize {
        let mut taken = 0;
        while taken < bytes.len()
            && self.missing() > 0
            && self.make_room(bytes.len() - taken, usize::MAX, share)
        {
            let missing = self.missing();
            let Some(fill) = &mut self.fill else { break };
            let room = (fill.buffer.capacity() - fill.buffer.len()).min(missing);
            let piece = &bytes[taken..bytes.len().min(taken + room)];
            fill.buffer.extend_from_slice(piece);
            taken += piece.len();
            self.got += piece.len() as u64;
        }
        taken
    }

    /// Hands the memory out, for an operation that fills it. None if there is no memory for more, or no room.
    pub(super) fn lend(&mut self, share: &mut AssemblyShare) -> Option<Box<Fill>> {
        let most = if self.got > 0 { usize::MAX } else { FIRST_MAX };
        if !self.make_room(FILL_MIN.min(most), most, share) {
            return None;
        }
        let max = self.missing();
        let mut fill = self.fill.take()?;
        fill.max = max;
        Some(fill)
    }

    /// The operation has handed the memory back.
    pub(super) fn give_back(&mut self, fill: Box<Fill>) {
        self.got += fill.outcome.unwrap_or(0) as u64;
        self.fill = Some(fill);
    }

    /// Makes room for one byte more at least, and where it has to grow, for so many, or for all that is missing, and for no more than `most`.
    fn make_room(&mut self, least: usize, most: usize, share: &mut AssemblyShare) -> bool {
        let missing = self.missing();
        let Some(fill) = &mut self.fill else { return false };
        let buffer = &mut fill.buffer;
        if buffer.len() == buffer.capacity() && !self.failed {
            let least = missing.min(least);
            let more = match share.promised() {
                0 if share.is_ample() => missing.min(buffer.len().max(GROWTH_MIN)),
                promised => missing.min(promised).max(least),
            };
            let more = more.min(most);
            let more = if share.may_grow(more) { more } else { least };
            if share.grow(more).is_err() {
                return false;
            }
            self.failed = buffer.try_reserve_exact(more).is_err();
            self.grown += more;
        }
        !self.failed
    }

    /// What comes of it.
    pub(super) fn finish(self, end: Result<(), StopReason>) -> Result<Vec<u8>, BodyError> {
        let missing = self.missing();
        let buffer = self.fill.map(|fill| fill.buffer).unwrap_or_default();
        match end {
            Ok(()) => Ok(buffer),
            Err(why) => Err(BodyError { buffer, missing, why }),
        }
    }
}

/// A body of which not all has come. What has come is in the buffer.
#[derive(Debug)]
pub struct BodyError {
    buffer: Vec<u8>,
    missing: usize,
    why: StopReason,
}

impl BodyError {
    /// The buffer, with what it held before and what has come since.
    #[must_use]
    pub fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// The same, lent.
    #[must_use]
    pub fn buffer(&self) -> &[u8] {
        &self.buffer
    }

    /// How many bytes have not come.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// Why: [`EndOfStream`](StopReason::EndOfStream), [`Disconnected`](StopReason::Disconnected) with the kernel's error number,
    /// [`Stopped`](StopReason::Stopped) where somebody stopped the actor, or the system has ended, before all of it came, and
    /// [`Failed`](StopReason::Failed) where there was no memory for it.
    #[must_use]
    pub fn why(&self) -> StopReason {
        self.why
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a body is cut short by {}: ", Count::of(self.missing, "byte"))?;
        match self.why {
            StopReason::EndOfStream => out.write_str("its stream has ended"),
            StopReason::Disconnected(errno) => io::Error::from_raw_os_error(errno).fmt(out),
            StopReason::Failed => out.write_str("there is no memory for them"),
            _ => out.write_str("the connection was stopped"),
        }
    }
}

impl std::error::Error for BodyError {}

/// [`UnexpectedEof`](ErrorKind::UnexpectedEof), the error of the connection, [`ConnectionAborted`](ErrorKind::ConnectionAborted), or
/// [`OutOfMemory`](ErrorKind::OutOfMemory). The buffer is dropped.
impl From<BodyError> for io::Error {
    fn from(error: BodyError) -> io::Error {
        let kind = match error.why {
            StopReason::Disconnected(errno) => return io::Error::from_raw_os_error(errno),
            StopReason::EndOfStream => ErrorKind::UnexpectedEof,
            StopReason::Failed => ErrorKind::OutOfMemory,
            _ => ErrorKind::ConnectionAborted,
        };
        kind.into()
    }
}

/// Nothing will be received into this buffer, which is handed back.
#[derive(Debug)]
pub struct BodyRefused {
    /// The buffer as it was.
    pub buffer: Vec<u8>,
    /// What is in the way.
    pub why: BodyRefusal,
}

/// Why no body is received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyRefusal {
    /// It is above [`Config::body_bytes_max`](crate::Config::body_bytes_max), which is this.
    TooLarge {
        /// The bound.
        max: usize,
    },
    /// The connection receives one already, into memory or to a file: ask for the next in the hook that is told what has come of it.
    Busy,
    /// The connection ends.
    Ended,
}

impl From<NoBody> for BodyRefusal {
    fn from(why: NoBody) -> BodyRefusal {
        match why {
            NoBody::Busy => BodyRefusal::Busy,
            NoBody::Ended => BodyRefusal::Ended,
        }
    }
}

impl fmt::Display for BodyRefused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why {
            BodyRefusal::TooLarge { max } => {
                write!(out, "a body of more than {} (body_bytes_max of Config)", Count::of(max, "byte"))
            }
            BodyRefusal::Busy => NoBody::Busy.fmt(out),
            BodyRefusal::Ended => NoBody::Ended.fmt(out),
        }
    }
}

impl std::error::Error for BodyRefused {}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::mem::AssemblyRoom;

    fn share() -> AssemblyShare {
        AssemblyShare::new(Rc::new(AssemblyRoom::new(usize::MAX)))
    }

    fn bulk(held: &[u8], len: usize) -> Bulk {
        Bulk::new(held.to_vec(), len)
    }

    #[test]
    fn what_belongs_to_a_body_is_taken_and_no_more() {
        let mut bulk = bulk(b"head:", 4);
        assert_eq!((bulk.take(b"bo", &mut share()), bulk.missing(), bulk.is_complete()), (2, 2, false));
        assert_eq!((bulk.take(b"dynext", &mut share()), bulk.is_complete()), (2, true));
        assert_eq!(bulk.take(b"next", &mut share()), 0);
        assert_eq!(bulk.finish(Ok(())).unwrap(), b"head:body");
    }

    #[test]
    fn memory_comes_as_bytes_do() {
        let len = 1 << 40;
        let mut bulk = bulk(b"", len);
        assert!(!bulk.prefers_memory(), "nothing has come");
        let mut filled = 0;
        while filled < 3 << 20 {
            let mut fill = bulk.lend(&mut share()).expect("there is memory");
            assert_eq!(fill.max, len - filled);
            let most = if filled == 0 { FIRST_MAX } else { (2 * filled).max(filled + GROWTH_MIN) };
            assert!(fill.buffer.capacity() <= most, "after {filled} bytes");
            assert!(bulk.is_away() && !bulk.is_complete());
            fill.buffer.resize(fill.buffer.capacity(), 7);
            filled = fill.buffer.len();
            fill.outcome = Ok(1);
            bulk.give_back(fill);
            assert!(bulk.prefers_memory(), "its peer sends");
        }
    }

    #[test]
    fn memory_that_is_there_is_used_at_once() {
        let mut bulk = Bulk::new(Vec::with_capacity(FILL_MIN), FILL_MIN);
        assert!(bulk.prefers_memory());
        assert_eq!(bulk.lend(&mut share()).map(|fill| fill.buffer.capacity()), Some(FILL_MIN));
    }

    #[test]
    fn what_is_missing_is_counted_in_words() {
        for (missing, said) in [(1, "1 byte"), (3, "3 bytes")] {
            let error = bulk(b"", missing).finish(Err(StopReason::EndOfStream)).unwrap_err();
            assert_eq!(error.to_string(), format!("a body is cut short by {said}: its stream has ended"));
        }
        let refused = BodyRefused { buffer: Vec::new(), why: BodyRefusal::TooLarge { max: 1 } };
        assert_eq!(refused.to_string(), "a body of more than 1 byte (body_bytes_max of Config)");
    }

    #[test]
    fn a_body_for_which_there_is_no_memory_keeps_what_it_has() {
        let mut bulk = bulk(&[], usize::MAX);
        assert_eq!(bulk.take(b"abc", &mut share()), 3);
        // As if so much had come: nobody has room for as much again.
        bulk.end = usize::MAX;
        let Some(fill) = &mut bulk.fill else { panic!("it is here") };
        fill.buffer.shrink_to_fit();
        bulk.failed = true;
        assert!(bulk.lend(&mut share()).is_none() && bulk.take(b"d", &mut share()) == 0);
        let error = bulk.finish(Err(StopReason::Failed)).unwrap_err();
        assert_eq!(error.buffer(), b"abc");
        assert_eq!(io::Error::from(error).kind(), ErrorKind::OutOfMemory);
    }
}
