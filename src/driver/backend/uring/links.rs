//! Entries that are linked: the second begins when the first has succeeded, and is answered also when it has not.
//!
//! Knows: a write and the sync behind it. Must not know how entries reach the kernel.
//!
//! Both are pushed next to each other or not at all, and each is answered once: the second with `ECANCELED` where the first
//! has failed or was short. So nothing is decided before both answers are there, in whatever order they come. A short write is
//! gone on with, linked again to a sync of its own. A sync that may not have waited for its write is done again, alone.
//!
//! Invariants:
//! 1. An operation owns its request, with the buffer in it, until `synced_step` ends it, which happens after all answers.
#![allow(unsafe_code)]

use super::complete::Answered;
use super::{Uring, room};
use crate::driver::{Completion, FileWork, Pools, SocketId};
use crate::mem::Key;
use crate::sys::{Answer, Errno};

/// How often a request is asked again without getting on.
const TRIES: u32 = 16;

/// What is known of a write and its sync.
#[derive(Debug)]
pub(super) struct Pair {
    /// The answers, as they come. What was not asked for has one from the start.
    written: Option<Result<u32, Errno>>,
    synced: Option<Result<u32, Errno>>,
    /// How many chains may have been torn before it was pushed.
    torn: u64,
}

impl Uring {
    /// Asks for what is left: a write with a sync behind it, or the sync alone.
    pub(super) fn issue_synced(&mut self, key: Key, file: std::os::fd::RawFd) {
        let torn = self.outgoing.torn();
        let FileWork::WriteSynced { offset, buffer, written } = &mut self.in_flight.file_request(key).work
        else {
            unreachable!("the caller looked")
        };
        let (bytes, offset) = (room::lend(buffer, *written), *offset + *written as u64);
        let registered = self.in_flight.regions.place_of(bytes);
        self.counts.registered_writes += u64::from(registered.is_some() && !bytes.is_empty());
        let mut pair = Pair { written: None, synced: None, torn };
        if bytes.is_empty() {
            pair.written = Some(Ok(0));
            self.outgoing.sync(key, file, true);
        } else if self.outgoing.can_link() {
            let second = self.in_flight.begin_follow(key);
            self.own_operations += 1;
            // SAFETY: the operation owns the buffer until both are answered (invariant 1).
            unsafe { self.outgoing.write_synced([key, second], file, bytes, offset, registered) };
        } else {
            pair.synced = Some(Err(Errno::ECANCELED));
            // SAFETY: the operation owns the buffer (invariant 1).
            unsafe { self.outgoing.write(key, file, bytes, offset, registered) };
        }
        self.pairs.insert(key, pair);
    }

    /// As if the kernel had been asked. Answers the key of the sync.
    #[cfg(test)]
    pub(super) fn expect_pair(&mut self, key: Key) -> Key {
        self.own_operations += 1;
        self.pairs.insert(key, Pair { written: None, synced: None, torn: self.outgoing.torn() });
        self.in_flight.begin_follow(key)
    }

    /// The sync behind a write has been answered.
    pub(super) fn followed(
        &mut self,
        pools: &Pools,
        [second, first]: [Key; 2],
        answer: Answer,
        completions: &mut Vec<Completion>,
    ) {
        self.in_flight.end(second);
        self.own_operations -= 1;
        if let Some(pair) = self.pairs.get_mut(&first) {
            pair.synced = Some(answer.outcome());
        }
        // A drain lets go of both together.
        let id = self.in_flight.operation(first).expect("a pair ends with the last of its answers").socket;
        self.synced_step(pools, first, id, completions);
    }

    /// The first entry has been answered, or a sync alone.
    pub(super) fn synced_done(
        &mut self,
        pools: &Pools,
        Answered { key, id, answer }: Answered,
        completions: &mut Vec<Completion>,
    ) {
        if let Some(pair) = self.pairs.get_mut(&key) {
            let place = if pair.written.is_none() { &mut pair.written } else { &mut pair.synced };
            *place = Some(answer.outcome());
        }
        self.synced_step(pools, key, id, completions);
    }

    /// Goes on, or ends, once everything has been answered.
    fn synced_step(&mut self, pools: &Pools, key: Key, id: SocketId, completions: &mut Vec<Completion>) {
        let Some(&Pair { written: Some(bytes), synced: Some(synced), torn }) = self.pairs.get(&key) else {
            return;
        };
        self.pairs.remove(&key);
        let torn = torn != self.outgoing.torn();
        let FileWork::WriteSynced { buffer, written, .. } = &mut self.in_flight.file_request(key).work else {
            unreachable!("a request stays what it is")
        };
        room::lent(buffer);
        let asked = *written < buffer.len();
        *written += bytes.unwrap_or(0) as usize;
        let whole = *written == buffer.len();
        let outcome = match (bytes, synced) {
            (Err(Errno::EINTR | Errno::EAGAIN), _) => None,
            (Err(error), _) => Some(Err(error)),
            (Ok(0), _) if asked => Some(Ok(0)),
            (Ok(_), _) if !whole => None,
            (Ok(_), Err(Errno::EINTR | Errno::EAGAIN | Errno::ECANCELED)) => None,
            (Ok(_), Ok(_)) if asked && torn => None,
            (Ok(_), synced) => Some(synced),
        };
        let tries = self.tries.remove(&key).unwrap_or(0) + u32::from(bytes.unwrap_or(0) == 0);
        let outcome = outcome.or_else(|| match (self.draining, tries) {
            (true, _) => Some(Err(Errno::ECANCELED)),
            (_, TRIES..) => Some(bytes.and(synced)),
            _ => None,
        });
        let Some(outcome) = outcome else {
            self.tries.insert(key, tries);
            return self.issue_file(pools, key, id);
        };
        completions.push(self.in_flight.end_file(key, outcome, None).0);
    }
}
