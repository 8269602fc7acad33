//! A stream between two ends: what each has still to read, and how it came to its end.
//!
//! Knows: the rules of a TCP connection as its users see them. Must not know a clock, seeds, nor who stands at the ends.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::breach::{Breach, Record};
use crate::sys::{Errno, Time};

/// Which end of a stream: the one that connected, or the one that accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Connected,
    Accepted,
}

impl Side {
    pub(super) fn other(self) -> Side {
        match self {
            Side::Connected => Side::Accepted,
            Side::Accepted => Side::Connected,
        }
    }
}

/// A stream with its two ends.
#[derive(Debug)]
pub(super) struct Stream {
    ends: [End; 2],
    breach: Option<Record>,
}

#[derive(Debug)]
struct End {
    address: SocketAddr,
    /// Bytes that the other end has sent and this one has not read.
    inbox: VecDeque<u8>,
    /// How many bytes this end has read so far.
    read: u64,
    /// How many bytes the inbox holds before the other end must wait.
    capacity: usize,
    /// The most bytes that one read takes.
    pace: usize,
    /// Bytes that this end has sent and the other has no room for: the kernel's, which delivers them after a close as well, and drops
    /// them with a reset.
    outbox: VecDeque<u8>,
    /// How many bytes the outbox holds before this end must wait.
    outbox_capacity: usize,
    /// When the kernel took the last of what this end has sent.
    taken_at: Time,
    /// The other end will send no more.
    ended: bool,
    /// This end will send no more.
    finished: bool,
    /// This end will read no more.
    deaf: bool,
    /// The connection was reset.
    broken: bool,
    /// What went wrong, until one call has reported it.
    error: Option<Errno>,
    closed: bool,
}

impl End {
    fn new(address: SocketAddr, capacity: usize) -> End {
        End {
            address,
            inbox: VecDeque::new(),
            read: 0,
            capacity,
            pace: usize::MAX,
            outbox: VecDeque::new(),
            outbox_capacity: 0,
            taken_at: Time::ZERO,
            ended: false,
            finished: false,
            deaf: false,
            broken: false,
            error: None,
            closed: false,
        }
    }

    fn break_off(&mut self, error: Errno) {
        self.outbox.clear();
        if self.closed || self.broken {
            return;
        }
        // As the kernel has it: a reset after the peer's end of stream reads as a broken pipe.
        let is_late = self.ended && error == Errno::ECONNRESET;
        self.error = Some(if is_late { Errno::EPIPE } else { error });
        self.broken = true;
    }
}

impl Stream {
    pub(super) fn new(connected: SocketAddr, accepted: SocketAddr, capacity: usize) -> Stream {
        Stream { ends: [End::new(connected, capacity), End::new(accepted, capacity)], breach: None }
    }

    fn end(&self, side: Side) -> &End {
        &self.ends[side as usize]
    }

    fn end_mut(&mut self, side: Side) -> &mut End {
        &mut self.ends[side as usize]
    }

    pub(super) fn address(&self, side: Side) -> SocketAddr {
        self.end(side).address
    }

    pub(super) fn peer_address(&self, side: Side) -> SocketAddr {
        self.end(side.other()).address
    }

    /// Limits how many unread bytes this end holds, and how many one read takes.
    pub(super) fn restrict(&mut self, side: Side, capacity: usize, pace: usize) {
        let end = self.end_mut(side);
        end.capacity = capacity.max(1);
        end.pace = pace.max(1);
        self.deliver(side.other());
    }

    /// As [`Stream::restrict`], for the other end.
    pub(super) fn restrict_peer(&mut self, side: Side, capacity: usize, pace: usize) {
        self.restrict(side.other(), capacity, pace);
    }

    /// Has the kernel hold so many bytes of what this end sends, beyond those that the other end has room for.
    pub(super) fn hold(&mut self, side: Side, bytes: usize) {
        self.end_mut(side).outbox_capacity = bytes;
    }

    /// As [`Stream::hold`], for the other end.
    pub(super) fn hold_for_peer(&mut self, side: Side, bytes: usize) {
        self.hold(side.other(), bytes);
    }

    /// Takes what the other end has room for out of the outbox of this one.
    fn deliver(&mut self, side: Side) {
        let peer = self.end(side.other());
        let room = peer.capacity.saturating_sub(peer.inbox.len());
        let me = self.end_mut(side);
        let count = room.min(me.outbox.len());
        let bytes: Vec<u8> = me.outbox.drain(..count).collect();
        self.end_mut(side.other()).inbox.extend(bytes);
    }

    /// Sends up to `limit` bytes of the parts. `EAGAIN`: the other end holds all that it can, and the kernel as well.
    pub(super) fn write<'a>(
        &mut self,
        side: Side,
        parts: impl Iterator<Item = &'a [u8]>,
        limit: usize,
        now: Time,
    ) -> Result<usize, Errno> {
        let me = self.end_mut(side);
        if let Some(error) = me.error.take() {
            return Err(error);
        }
        if me.finished || me.broken {
            return Err(Errno::EPIPE);
        }
        let held = me.outbox_capacity.saturating_sub(me.outbox.len());
        let peer = self.end(side.other());
        let closed = peer.closed;
        let room = match closed {
            true => limit,
            false => (peer.capacity.saturating_sub(peer.inbox.len()) + held).min(limit),
        };
        let mut taken = 0;
        let mut left_over = false;
        for part in parts {
            let count = part.len().min(room - taken);
            if !closed {
                self.end_mut(side).outbox.extend(&part[..count]);
            }
            taken += count;
            left_over |= count < part.len();
        }
        if taken > 0 {
            self.end_mut(side).taken_at = now;
        }
        if closed && taken > 0 {
            // Nobody is there to read: a reset comes back, and what either had sent is gone.
            self.reset(side.other(), now);
        }
        self.deliver(side);
        if taken == 0 && left_over { Err(Errno::EAGAIN) } else { Ok(taken) }
    }

    /// Reads into `space`; 0 at the end of the stream. `EAGAIN`: nothing there yet.
    pub(super) fn read(&mut self, side: Side, space: &mut [u8]) -> Result<usize, Errno> {
        let me = self.end_mut(side);
        let count = space.len().min(me.inbox.len()).min(me.pace);
        for (byte, from) in space.iter_mut().zip(me.inbox.drain(..count)) {
            *byte = from;
        }
        me.read += count as u64;
        if count > 0 {
            self.deliver(side.other());
        }
        let me = self.end_mut(side);
        if count > 0 || me.ended || me.deaf {
            return Ok(count);
        }
        match me.error.take() {
            Some(error) => Err(error),
            None if me.broken => Ok(0),
            None => Err(Errno::EAGAIN),
        }
    }

    /// True if [`Stream::read`] would not answer `EAGAIN`.
    pub(super) fn readable(&self, side: Side) -> bool {
        let me = self.end(side);
        !me.inbox.is_empty() || me.ended || me.deaf || me.broken
    }

    /// Bytes that a read would give.
    pub(super) fn unread(&self, side: Side) -> usize {
        self.end(side).inbox.len()
    }

    /// True if [`Stream::write`] would not answer `EAGAIN`.
    pub(super) fn writable(&self, side: Side) -> bool {
        let (me, peer) = (self.end(side), self.end(side.other()));
        let held = me.outbox.len() < me.outbox_capacity;
        me.finished || me.broken || peer.closed || held || peer.inbox.len() < peer.capacity
    }

    /// How many bytes this end has sent so far, unless nobody is there to read them.
    pub(super) fn sent(&self, side: Side) -> u64 {
        let peer = self.end(side.other());
        peer.read + (peer.inbox.len() + self.end(side).outbox.len()) as u64
    }

    /// True if of the bytes that this end has sent the other has read so many, or never will.
    pub(super) fn is_read(&self, side: Side, bytes: u64) -> bool {
        let peer = self.end(side.other());
        peer.read >= bytes || peer.closed || self.end(side).broken
    }

    /// True if the other end has finished and every byte was read.
    pub(super) fn ended(&self, side: Side) -> bool {
        let me = self.end(side);
        me.ended && me.inbox.is_empty()
    }

    pub(super) fn broken(&self, side: Side) -> bool {
        self.end(side).broken
    }

    /// Ends the sending direction: the other end reads the end of the stream.
    pub(super) fn finish(&mut self, side: Side) -> Result<(), Errno> {
        let me = self.end_mut(side);
        if me.broken {
            return Err(Errno::ENOTCONN);
        }
        me.finished = true;
        self.end_mut(side.other()).ended = true;
        Ok(())
    }

    /// Ends both directions. Bytes that have arrived can still be read.
    pub(super) fn finish_both(&mut self, side: Side) -> Result<(), Errno> {
        self.end_mut(side).deaf = true;
        self.finish(side)
    }

    /// Ends the connection for both, as one end has it: neither sees an orderly end.
    pub(super) fn reset(&mut self, by: Side, now: Time) {
        self.note_breach(Some(by), now);
        self.ends.iter_mut().for_each(|end| end.break_off(Errno::ECONNRESET));
    }

    /// Ends the connection for both by accident, which is told by this number.
    pub(super) fn cut(&mut self, error: Errno, now: Time) {
        self.note_breach(None, now);
        self.ends.iter_mut().for_each(|end| end.break_off(error));
    }

    /// Closes one end; the other sees the end of the stream, or a reset if bytes were left unread here.
    /// True if both are closed: nobody knows the stream any more.
    pub(super) fn close(&mut self, side: Side, reset: bool, now: Time) -> bool {
        let reset = reset || !self.end(side).inbox.is_empty();
        if reset {
            self.note_breach(Some(side), now);
            self.end_mut(side.other()).break_off(Errno::ECONNRESET);
            self.end_mut(side).outbox.clear();
        } else if !self.end(side).broken {
            self.end_mut(side.other()).ended = true;
        }
        let me = self.end_mut(side);
        me.closed = true;
        me.inbox = VecDeque::new();
        self.ends.iter().all(|end| end.closed)
    }

    /// Takes note of what a reset drops, if it is the first.
    fn note_breach(&mut self, by: Option<Side>, at: Time) {
        let lost = [&self.ends[0], &self.ends[1]].map(|end| end.outbox.len());
        self.breach.get_or_insert(Record { by, at, lost });
    }

    /// How the connection came to be reset, as this end sees it, if it does.
    pub(super) fn breach(&self, side: Side) -> Option<Breach> {
        let seen = self.breach.filter(|_| self.end(side).broken)?;
        Some(seen.seen_from(side, self.end(side.other()).taken_at))
    }
}

#[cfg(test)]
mod tests {
    use super::Side::{Accepted, Connected};
    use super::*;
    use crate::driver::backend::sim::breach::Breaker::{Accident, Itself, Other};

    const NOW: Time = Time(7);

    fn stream(capacity: usize) -> Stream {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Stream::new(address(1), address(2), capacity)
    }

    fn write(stream: &mut Stream, side: Side, bytes: &[u8]) -> Result<usize, Errno> {
        stream.write(side, std::iter::once(bytes), bytes.len(), NOW)
    }

    fn read(stream: &mut Stream, side: Side) -> Result<Vec<u8>, Errno> {
        let mut space = [0; 64];
        stream.read(side, &mut space).map(|count| space[..count].to_vec())
    }

    #[test]
    fn a_full_inbox_makes_the_writer_wait_and_a_read_lets_it_go_on() {
        let mut stream = stream(4);
        assert_eq!(write(&mut stream, Connected, b"abcdef"), Ok(4));
        assert!(!stream.writable(Connected));
        assert_eq!(write(&mut stream, Connected, b"ef"), Err(Errno::EAGAIN));
        assert_eq!(read(&mut stream, Accepted), Ok(b"abcd".to_vec()));
        assert_eq!(write(&mut stream, Connected, b"ef"), Ok(2));
        assert_eq!(read(&mut stream, Accepted), Ok(b"ef".to_vec()));
        assert_eq!(read(&mut stream, Accepted), Err(Errno::EAGAIN));
    }

    #[test]
    fn the_other_direction_lives_on_after_a_half_close() {
        let mut stream = stream(64);
        assert_eq!(write(&mut stream, Connected, b"last"), Ok(4));
        assert_eq!(stream.finish(Connected), Ok(()));
        assert_eq!(read(&mut stream, Accepted), Ok(b"last".to_vec()));
        assert_eq!(read(&mut stream, Accepted), Ok(Vec::new()));
        assert_eq!(write(&mut stream, Accepted, b"reply"), Ok(5));
        assert!(!stream.close(Accepted, false, NOW));
        assert_eq!(read(&mut stream, Connected), Ok(b"reply".to_vec()));
        assert!(stream.ended(Connected));
        assert!(stream.close(Connected, false, NOW));
    }

    #[test]
    fn a_reset_is_reported_once() {
        let mut stream = stream(64);
        stream.close(Connected, true, NOW);
        assert_eq!(read(&mut stream, Accepted), Err(Errno::ECONNRESET));
        assert_eq!(read(&mut stream, Accepted), Ok(Vec::new()));
        assert_eq!(write(&mut stream, Accepted, b"late"), Err(Errno::EPIPE));
    }

    #[test]
    fn what_was_sent_is_held_until_it_was_read_or_nobody_will() {
        let mut stream = stream(64);
        assert_eq!(write(&mut stream, Connected, b"first"), Ok(5));
        assert_eq!(read(&mut stream, Accepted), Ok(b"first".to_vec()));
        assert_eq!(write(&mut stream, Connected, b"second"), Ok(6));
        let sent = stream.sent(Connected);
        assert_eq!((sent, stream.is_read(Connected, 5), stream.is_read(Connected, sent)), (11, true, false));
        let mut cut = stream;
        assert_eq!(read(&mut cut, Accepted), Ok(b"second".to_vec()));
        assert!(cut.is_read(Connected, sent));
        assert_eq!(write(&mut cut, Connected, b"third"), Ok(5));
        assert!(!cut.is_read(Connected, cut.sent(Connected)));
        cut.cut(Errno::ETIMEDOUT, NOW);
        assert!(cut.is_read(Connected, cut.sent(Connected)));
    }

    #[test]
    fn what_the_kernel_holds_is_delivered_after_a_close_and_dropped_by_a_reset() {
        for reset in [false, true] {
            let mut stream = stream(4);
            stream.hold(Accepted, 3);
            assert_eq!(write(&mut stream, Accepted, b"abcdefgh"), Ok(7));
            assert_eq!(write(&mut stream, Accepted, b"h"), Err(Errno::EAGAIN));
            assert_eq!((stream.unread(Connected), stream.sent(Accepted)), (4, 7));
            stream.close(Accepted, reset, NOW);
            assert_eq!(read(&mut stream, Connected), Ok(b"abcd".to_vec()));
            let rest = if reset { Err(Errno::ECONNRESET) } else { Ok(b"efg".to_vec()) };
            assert_eq!(read(&mut stream, Connected), rest);
            assert_eq!((stream.ended(Connected), stream.broken(Connected)), (!reset, reset));
        }
    }

    #[test]
    fn a_write_to_an_end_that_is_closed_drops_what_the_kernel_holds_for_it() {
        let mut stream = stream(4);
        stream.hold(Accepted, 3);
        assert_eq!(write(&mut stream, Accepted, b"abcdefg"), Ok(7));
        stream.close(Accepted, false, NOW);
        assert_eq!(write(&mut stream, Connected, b"late"), Ok(4));
        assert_eq!(read(&mut stream, Connected), Ok(b"abcd".to_vec()));
        assert!(stream.broken(Connected));
    }

    #[test]
    fn closing_with_unread_bytes_is_a_reset() {
        let mut stream = stream(64);
        assert_eq!(write(&mut stream, Accepted, b"unread"), Ok(6));
        stream.close(Connected, false, NOW);
        assert_eq!(write(&mut stream, Accepted, b"late"), Err(Errno::ECONNRESET));
    }

    #[test]
    fn a_write_to_a_closed_end_is_taken_and_breaks_the_connection() {
        let mut stream = stream(4);
        stream.close(Connected, false, NOW);
        assert_eq!(write(&mut stream, Accepted, b"more than four"), Ok(14));
        assert_eq!(write(&mut stream, Accepted, b"again"), Err(Errno::EPIPE));
        assert_eq!(read(&mut stream, Accepted), Ok(Vec::new()));
    }

    #[test]
    fn what_a_reset_drops_and_whose_doing_it_was_is_seen_at_the_other_end() {
        let seen = |act: fn(&mut Stream)| {
            let mut stream = stream(4);
            stream.hold(Accepted, 3);
            assert_eq!(write(&mut stream, Accepted, b"abcdefg"), Ok(7));
            assert_eq!(stream.breach(Connected), None);
            act(&mut stream);
            stream.breach(Connected)
        };
        let by = |by| Some(Breach { by, at: Time(9), lost: 3, taken_at: NOW });
        const LATER: Time = Time(9);
        assert_eq!(seen(|stream| stream.cut(Errno::ETIMEDOUT, LATER)), by(Accident));
        assert_eq!(seen(|stream| stream.reset(Accepted, LATER)), by(Other));
        assert_eq!(seen(|stream| _ = stream.close(Accepted, true, LATER)), by(Other));
        assert_eq!(seen(|stream| stream.reset(Connected, LATER)), by(Itself));
        assert_eq!(seen(|stream| _ = stream.close(Accepted, false, LATER)), None, "the kernel delivers it");
        let unread = seen(|stream| {
            assert_eq!(write(stream, Connected, b"unread"), Ok(4));
            stream.close(Accepted, false, LATER);
        });
        assert_eq!(unread, by(Other));
        let late = seen(|stream| {
            stream.close(Accepted, false, NOW);
            assert_eq!(stream.write(Connected, std::iter::once(&b"late"[..]), 4, LATER), Ok(4));
            // Who comes second has done nothing.
            stream.cut(Errno::ECONNRESET, Time(10));
        });
        assert_eq!(late, by(Other));
    }

    #[test]
    fn one_that_nobody_answers_any_more_says_so_whatever_had_come() {
        for ended in [false, true] {
            let mut stream = stream(4);
            if ended {
                assert_eq!(stream.finish(Connected), Ok(()));
            }
            stream.cut(Errno::ETIMEDOUT, NOW);
            assert_eq!(write(&mut stream, Accepted, b"late"), Err(Errno::ETIMEDOUT));
            assert_eq!(write(&mut stream, Accepted, b"late"), Err(Errno::EPIPE));
            assert_eq!(read(&mut stream, Accepted), Ok(Vec::new()));
        }
    }
}
