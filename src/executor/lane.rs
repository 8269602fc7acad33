//! Messages from one core to another: a ring with one producer and one consumer.
//!
//! Knows: slots, what has been published, what has been taken. Must not know what a message is for, nor who sleeps.
//!
//! `head ≤ published tail ≤ tail ≤ head + capacity`, all counted since the start, and wrapping. Each side keeps its own
//! count, and what it saw last of the other's: a push normally touches no line that the other core writes to.
//!
//! Invariants:
//! 1. The slots from `head` to `tail` are full, the others are not. Only the sender moves `tail`, only the consumer moves
//!    `head`.
//! 2. The sender writes to the slot at `tail` only, and only when it has seen a `head` that makes it free. It has seen
//!    that through an acquiring load of what the consumer released after its last read of the slot.
//! 3. The consumer reads slots below the published `tail` only, which it has loaded, acquiring, after the sender had
//!    released it with the slots filled.
//! 4. The consumer is the [`Receiver`], and once both ends are gone the ring itself, when it is dropped.
#![allow(unsafe_code)]

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::RawAddress;
use super::envelope::{End, Slot};
use crate::sys::sync::{Arc, AtomicBool, AtomicUsize, Ordering, Padded, UnsafeCell};

/// One slot, on a pair of cache lines of its own.
#[repr(align(128))]
struct Place(UnsafeCell<Slot>);

struct Ring {
    /// A power of two of them.
    places: Box<[Place]>,
    /// The receiver is gone. A hint, which no access to a slot relies on.
    closed: AtomicBool,
    /// Written by the consumer, once per batch.
    head: Padded<AtomicUsize>,
    /// Written by the sender, once per turn.
    tail: Padded<AtomicUsize>,
}

// SAFETY: a slot is reached from one thread at a time, with a release and an acquire in between (invariants 1 to 4), and
// what it holds is `Send`. Everything else in a ring is atomic or never changes.
unsafe impl Sync for Ring {}
// SAFETY: what the slots hold is `Send`; everything else is plain data.
unsafe impl Send for Ring {}

impl Ring {
    #[inline]
    fn slot(&self, at: usize) -> &UnsafeCell<Slot> {
        &self.places[at & (self.places.len() - 1)].0
    }

    /// Drops what lies between `head` and `tail`, and moves `head`. A message that panics when it is dropped is done
    /// with all the same.
    ///
    /// # Safety
    /// The caller is the consumer (invariant 4); `tail` was published, and what was published with it is acquired.
    unsafe fn drop_unread(&self, head: usize, tail: usize) {
        let mut at = head;
        while at != tail {
            let slot = self.slot(at);
            at = at.wrapping_add(1);
            let take = || {
                slot.with(|slot| {
                    // SAFETY: the slot is full (invariant 1), and left behind: `at` has moved on.
                    unsafe { Slot::take(slot, End::Drop) }
                });
            };
            if let Err(thrown) = catch_unwind(AssertUnwindSafe(take)) {
                // What was thrown may panic when it is dropped, like what threw it. It is not given a third chance.
                let again = catch_unwind(AssertUnwindSafe(|| drop(thrown)));
                std::mem::forget(again);
            }
        }
        // Releases the slots to the sender: they have been read.
        self.head.0.store(tail, Ordering::Release);
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // Relaxed: whoever drops the last reference has acquired what the others did.
        let head = self.head.0.load(Ordering::Relaxed);
        let tail = self.tail.0.load(Ordering::Relaxed);
        // SAFETY: both sides are gone, so the ring is the consumer; the sender published everything when it was dropped.
        unsafe { self.drop_unread(head, tail) };
    }
}

/// A lane that holds at least `capacity` messages.
///
/// **Costs** 128 bytes per message of the capacity, rounded up to a power of two; the memory is first touched when it is
/// first used.
#[must_use]
pub fn lane(capacity: usize) -> (Sender, Receiver) {
    let places = (0..capacity.next_power_of_two()).map(|_| Place(UnsafeCell::new(Slot::empty()))).collect();
    let head = Padded(AtomicUsize::new(0));
    let tail = Padded(AtomicUsize::new(0));
    let ring = Arc::new(Ring { places, closed: AtomicBool::new(false), head, tail });
    let sender = Sender { ring: Arc::clone(&ring), tail: 0, published: 0, head_seen: 0, closed: false };
    (sender, Receiver { ring, head: 0, tail_seen: 0 })
}

/// The end of a lane that fills it.
///
/// Dropping it publishes what was pushed. If the other end is gone, it drops what that has left: then, code of the
/// messages' types runs.
pub struct Sender {
    ring: Arc<Ring>,
    tail: usize,
    published: usize,
    /// The head, when it was last looked at.
    head_seen: usize,
    closed: bool,
}

impl Sender {
    /// Puts a message into the lane, for `deliver` to be called with on the other side. It is not seen there before
    /// [`Sender::publish`].
    ///
    /// **Costs** a write of 32 bytes and the message, in place; touches nothing that the other core writes, unless the
    /// lane seems full. An allocation if the message is not inline, see [`is_inline`](super::is_inline).
    ///
    /// # Errors
    /// The message, when the lane is full or its other end is gone.
    #[inline]
    pub fn push<M: Send + 'static>(
        &mut self,
        target: RawAddress,
        deliver: fn(RawAddress, M),
        message: M,
    ) -> Result<(), M> {
        if !self.has_room() {
            return Err(message);
        }
        self.ring.slot(self.tail).with_mut(|slot| {
            // SAFETY: the slot at the tail is free, and nobody else looks at it (invariants 1 and 2).
            let slot = unsafe { &mut *slot };
            slot.fill(target, deliver, message);
        });
        self.tail = self.tail.wrapping_add(1);
        Ok(())
    }

    /// Makes everything pushed visible to the other side. True if there was anything, and anybody: then its core may have
    /// to be woken. Every turn, for every lane that was pushed to.
    ///
    /// **Costs** one store, and a look at a line that is hardly ever written.
    #[inline]
    pub fn publish(&mut self) -> bool {
        if self.tail == self.published {
            return false;
        }
        self.published = self.tail;
        // Release: who sees this tail sees the slots below it filled.
        self.ring.tail.0.store(self.tail, Ordering::Release);
        self.look_for_end();
        !self.closed
    }

    /// Whether the other end is known to be gone. Nothing can be pushed any more, and what lies in the lane is dropped
    /// with the sender, which therefore should be soon.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    #[inline]
    fn has_room(&mut self) -> bool {
        let capacity = self.ring.places.len();
        if self.tail.wrapping_sub(self.head_seen) == capacity {
            // Acquire: the consumer has read the slots below this head.
            self.head_seen = self.ring.head.0.load(Ordering::Acquire);
            self.look_for_end();
        }
        !self.closed && self.tail.wrapping_sub(self.head_seen) < capacity
    }

    #[inline]
    fn look_for_end(&mut self) {
        // Relaxed: seen too late, it only means that what was pushed meanwhile is dropped later.
        self.closed = self.closed || self.ring.closed.load(Ordering::Relaxed);
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.publish();
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sender { tail, published, closed, .. } = self;
        write!(out, "Sender {{ tail: {tail}, published: {published}, closed: {closed} }}")
    }
}

/// The end of a lane that empties it.
///
/// Dropping it drops the messages that have been published, and tells the sender.
pub struct Receiver {
    ring: Arc<Ring>,
    head: usize,
    /// The tail, when it was last looked at.
    tail_seen: usize,
}

impl Receiver {
    /// Takes messages out in the order in which they were pushed, at most `limit` of them, and hands each to the function
    /// that came with it. Answers how many. What is published meanwhile waits for the next call.
    ///
    /// Their slots go back to the sender together, at the end.
    ///
    /// # Panics
    /// When such a function does. Its message has left the lane, those behind it are still there.
    #[inline]
    pub fn deliver(&mut self, limit: usize) -> usize {
        if self.tail_seen.wrapping_sub(self.head) < limit {
            // Acquire: the slots below this tail are full.
            self.tail_seen = self.ring.tail.0.load(Ordering::Acquire);
        }
        let count = self.tail_seen.wrapping_sub(self.head).min(limit);
        if count == 0 {
            return 0;
        }
        let batch = Batch(self);
        for _ in 0..count {
            let slot = batch.0.ring.slot(batch.0.head);
            batch.0.head = batch.0.head.wrapping_add(1);
            slot.with(|slot| {
                // SAFETY: the slot is below the published tail, so it is full and not written to (invariant 3); the head
                // has moved on, so it is not taken again, and is released only when the batch ends.
                unsafe { Slot::take(slot, End::Deliver) }
            });
        }
        drop(batch);
        count
    }

    /// Whether nothing more has been published than has been taken. What a core asks before it sleeps.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ring.tail.0.load(Ordering::Acquire) == self.head
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // Acquire: the slots below this tail are full.
        let tail = self.ring.tail.0.load(Ordering::Acquire);
        // SAFETY: the receiver is the consumer, and has just acquired this tail.
        unsafe { self.ring.drop_unread(self.head, tail) };
        // Relaxed: only a hint. What the sender pushes before it sees this is dropped with the ring.
        self.ring.closed.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Receiver { head, tail_seen, .. } = self;
        write!(out, "Receiver {{ head: {head}, tail_seen: {tail_seen} }}")
    }
}

/// Gives the slots of a batch back when it ends, also when it ends in a panic.
struct Batch<'a>(&'a mut Receiver);

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        // Release: the sender may write to the slots below this head, which have been read.
        self.0.ring.head.0.store(self.0.head, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use super::*;
    use crate::executor::CoreId;
    use crate::mem::Key;

    type Log = std::sync::Arc<Mutex<Vec<u64>>>;

    fn target(slot: u32) -> RawAddress {
        RawAddress::new(CoreId(0), Key { index: slot, generation: 0 })
    }

    /// Notes its number when it is dropped.
    struct Noisy(u64, Log);

    impl Drop for Noisy {
        fn drop(&mut self) {
            self.1.lock().expect("no test panics while it notes").push(self.0);
        }
    }

    fn note(target: RawAddress, message: Noisy) {
        assert_eq!(u64::from(target.cell.index), message.0);
    }

    fn push(sender: &mut Sender, number: u64, log: &Log) -> bool {
        let refused = sender.push(target(number as u32), note, Noisy(number, Log::clone(log)));
        // What is refused comes back and is no part of the log.
        refused.map_err(|mut message| message.1 = Log::default()).is_ok()
    }

    #[test]
    fn a_push_is_seen_when_it_is_published_and_in_order() {
        let log = Log::default();
        let (mut sender, mut receiver) = lane(4);
        assert!(!sender.publish());
        assert!((0..4).all(|number| push(&mut sender, number, &log)));
        assert!(receiver.is_empty());
        assert_eq!(receiver.deliver(9), 0);
        assert!(sender.publish());
        assert!(!sender.publish());
        assert!(!receiver.is_empty());
        assert!(!push(&mut sender, 4, &log));
        assert_eq!(receiver.deliver(3), 3);
        assert!(push(&mut sender, 4, &log));
        sender.publish();
        assert_eq!(receiver.deliver(9), 2);
        assert!(receiver.is_empty());
        assert_eq!(*log.lock().unwrap(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn counts_wrap() {
        let log = Log::default();
        let (mut sender, mut receiver) = lane(2);
        let near = usize::MAX - 2;
        sender.ring.head.0.store(near, Ordering::Relaxed);
        sender.ring.tail.0.store(near, Ordering::Relaxed);
        (sender.tail, sender.published, sender.head_seen) = (near, near, near);
        (receiver.head, receiver.tail_seen) = (near, near);
        for number in 0..6 {
            assert!(push(&mut sender, number, &log));
            if number % 2 == 1 {
                assert!(!push(&mut sender, 9, &log));
                assert!(sender.publish());
                assert_eq!(receiver.deliver(usize::MAX), 2);
            }
        }
        assert_eq!(*log.lock().unwrap(), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_panic_on_delivery_costs_its_own_message_only() {
        let log = Log::default();
        let (mut sender, mut receiver) = lane(4);
        push(&mut sender, 0, &log);
        let planned = |_, _: Noisy| panic!("as planned");
        assert!(sender.push(target(1), planned, Noisy(1, Log::clone(&log))).is_ok());
        push(&mut sender, 2, &log);
        push(&mut sender, 3, &log);
        sender.publish();
        assert!(catch_unwind(AssertUnwindSafe(|| receiver.deliver(9))).is_err());
        assert_eq!(*log.lock().unwrap(), [0, 1]);
        assert!(push(&mut sender, 4, &log), "the slot of the one that panicked is free");
        assert!(push(&mut sender, 5, &log));
        assert!(!push(&mut sender, 6, &log));
        sender.publish();
        assert_eq!(receiver.deliver(9), 4);
        assert_eq!(*log.lock().unwrap(), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn unread_messages_are_dropped_once_whoever_goes_first() {
        for sender_first in [true, false] {
            let log = Log::default();
            let (mut sender, mut receiver) = lane(8);
            for number in 0..4 {
                push(&mut sender, number, &log);
            }
            sender.publish();
            receiver.deliver(1);
            push(&mut sender, 4, &log);
            if sender_first {
                drop(sender);
                assert_eq!(*log.lock().unwrap(), [0]);
                assert_eq!(receiver.deliver(1), 1);
                drop(receiver);
            } else {
                drop(receiver);
                assert_eq!(*log.lock().unwrap(), [0, 1, 2, 3]);
                assert!(push(&mut sender, 5, &log));
                assert!(!sender.publish(), "nobody to wake");
                assert!(sender.is_closed());
                assert!(!push(&mut sender, 6, &log));
                drop(sender);
                log.lock().unwrap().retain(|number| *number != 5);
            }
            assert_eq!(*log.lock().unwrap(), [0, 1, 2, 3, 4]);
        }
    }

    #[test]
    fn a_full_lane_whose_receiver_goes_is_noticed() {
        let log = Log::default();
        let (mut sender, receiver) = lane(1);
        push(&mut sender, 0, &log);
        sender.publish();
        assert!(!push(&mut sender, 1, &log));
        drop(receiver);
        assert!(!push(&mut sender, 1, &log));
        assert!(sender.is_closed());
    }

    #[test]
    fn a_message_that_panics_when_dropped_does_not_keep_the_others() {
        struct Bad(Noisy);
        impl Drop for Bad {
            fn drop(&mut self) {
                assert!(self.0.0 != 1, "as planned");
            }
        }
        let log = Log::default();
        let (mut sender, receiver) = lane(4);
        for number in 0..3 {
            let pushed = sender.push(target(0), |_, _: Bad| {}, Bad(Noisy(number, Log::clone(&log))));
            assert!(pushed.is_ok());
        }
        sender.publish();
        drop(receiver);
        assert_eq!(*log.lock().unwrap(), [0, 1, 2]);
    }

    #[test]
    fn large_messages_arrive_whole() {
        let (mut sender, mut receiver) = lane(4);
        assert!(sender.push(target(0), |_, small: [u8; 96]| assert_eq!(small[95], 1), [1; 96]).is_ok());
        assert!(sender.push(target(0), |_, large: [u8; 200]| assert_eq!(large[199], 2), [2; 200]).is_ok());
        assert!(sender.push(target(0), |_, _: [u8; 200]| {}, [2; 200]).is_ok());
        sender.publish();
        assert_eq!(receiver.deliver(2), 2);
    }

    #[test]
    fn random_operations_agree_with_a_queue() {
        let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
        let mut below = move |bound: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 11) % bound
        };
        let log = Log::default();
        let (mut sender, mut receiver) = lane(8);
        let (mut published, mut pushed, mut taken, mut number) = (VecDeque::new(), Vec::new(), Vec::new(), 0);
        for _ in 0..if cfg!(miri) { 500 } else { 100_000 } {
            match below(8) {
                0..4 => {
                    let room = published.len() + pushed.len() < 8;
                    assert_eq!(push(&mut sender, number, &log), room);
                    if room {
                        pushed.push(number);
                    }
                    number += 1;
                }
                4..6 => {
                    assert_eq!(sender.publish(), !pushed.is_empty());
                    published.extend(pushed.drain(..));
                }
                _ => {
                    let count = published.len().min(below(10) as usize);
                    assert_eq!(receiver.deliver(count), count);
                    taken.extend(published.drain(..count));
                    assert_eq!(receiver.is_empty(), published.is_empty());
                }
            }
        }
        assert_eq!(*log.lock().unwrap(), taken);
    }

    #[test]
    fn two_threads_lose_nothing_and_keep_the_order() {
        let count = if cfg!(miri) { 300 } else { 100_000 };
        let log = Log::default();
        let (mut sender, mut receiver) = lane(16);
        let theirs = Log::clone(&log);
        let pusher = std::thread::spawn(move || {
            let mut number = 0;
            while number < count {
                if push(&mut sender, number, &theirs) {
                    number += 1;
                    if number % 5 != 0 {
                        continue;
                    }
                }
                sender.publish();
                std::thread::yield_now();
            }
        });
        let mut taken = 0;
        while taken < count {
            taken += receiver.deliver(7) as u64;
            std::thread::yield_now();
        }
        pusher.join().unwrap();
        assert!((0..count).eq(log.lock().unwrap().iter().copied()));
    }
}
