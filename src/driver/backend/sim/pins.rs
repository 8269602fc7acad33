//! Memory of sends that is read for longer than the sends take.
//!
//! Knows: what is pinned, and until when. Must not know why a send is cut short.
//!
//! Nothing of it is read here, of course: but what is pinned must be, in the end, what it was in the beginning.

use super::{Canary, Place, Sim, StreamEnd};
use crate::driver::{Pools, Work};
use crate::mem::{Chain, Key, SendPool};
use crate::sys::{Errno, Time};

/// How many parts of one send are pinned, at most.
const PARTS_MAX: u16 = 16;

/// A part of a send.
#[derive(Debug)]
pub(super) struct Pin {
    /// The send.
    pub(super) key: Key,
    from: u32,
    len: u32,
    /// Over its bytes.
    sum: u64,
    until: Until,
}

#[derive(Debug)]
enum Until {
    Time(Time),
    /// The other end has read so many bytes, or will not.
    Read(StreamEnd, u64),
}

impl Sim {
    /// By accident, pins what a send has taken just now, or would have if it had not failed.
    pub(super) fn pin(&mut self, pools: &Pools, key: Key, result: Result<u32, Errno>) -> bool {
        let id = self.operation(key).socket;
        if !self.table.may_pin(id) || !self.random.chance(self.faults.pinned_send) {
            return false;
        }
        let operation = self.operation(key);
        let place = self.table.socket(id).map(|socket| socket.handle.place);
        let (Work::Send { chain, sent, pins }, Some(Place::Stream(end))) = (&operation.work, place) else {
            return false;
        };
        if chain.is_empty() || *pins >= PARTS_MAX {
            return false;
        }
        let (from, len) = (*sent, result.unwrap_or(chain.bytes() - sent));
        let sum = checksum(&pools.send, chain, from, len);
        let until = if self.random.chance(self.faults.pinned_until_read) {
            Until::Read(end, self.network.with(end, |stream, side| stream.sent(side)))
        } else {
            let time = self.later();
            self.network.set_alarm(time);
            Until::Time(time)
        };
        self.pins.push(Pin { key, from, len, sum, until });
        true
    }

    /// True if what is pinned is pinned no more.
    pub(super) fn is_over(&self, pin: &Pin) -> bool {
        match pin.until {
            Until::Time(time) => time <= self.network.now(),
            Until::Read(end, bytes) => self.network.with(end, |stream, side| stream.is_read(side, bytes)),
        }
    }

    /// Tells of what is pinned no more.
    ///
    /// # Panics
    /// When its memory has changed meanwhile: a peer could have read what was never sent to it.
    pub(super) fn release_pins(&mut self, pools: &Pools) {
        for pin in std::mem::take(&mut self.pins) {
            if !self.is_over(&pin) {
                self.pins.push(pin);
                continue;
            }
            let (Work::Send { chain, .. } | Work::Pinned { chain, .. }) = &self.operation(pin.key).work
            else {
                unreachable!("only sends are pinned");
            };
            let sum = checksum(&pools.send, chain, pin.from, pin.len);
            assert_eq!(sum, pin.sum, "what a send has pinned was written to");
            if self.faults.canary != Canary::LoseRelease {
                let told = self.table.unpin(pin.key, &pools.send);
                self.done.extend(told.map(|told| (pin.key, told)));
            }
        }
    }
}

#[cfg(test)]
impl Pin {
    /// As if its memory were written to.
    pub(super) fn forge(&mut self) {
        self.sum ^= 1;
    }
}

/// FNV-1a, by words.
fn checksum(pool: &SendPool, chain: &Chain, from: u32, len: u32) -> u64 {
    let (mut sum, mut left) = (0xcbf2_9ce4_8422_2325, len as usize);
    for piece in pool.segments(chain, from) {
        let piece = &piece[..piece.len().min(left)];
        left -= piece.len();
        for part in piece.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            let mixed: u64 = sum ^ u64::from_le_bytes(word);
            sum = mixed.wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
        }
    }
    sum
}
