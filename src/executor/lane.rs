//! Messages from one core to another: a ring with one producer and one consumer.
//!
//! Knows: places, what has been published, what has been taken. Must not know what a message is for, nor who sleeps.
//!
//! A message takes up as many places in a row as it needs; where too few are left before the end of the ring, they are
//! filled with nothing. `head ≤ published tail ≤ tail ≤ head + capacity`, all counted in places since the start, and
//! wrapping. Each side keeps its own count, and the sender what it saw last of the other's: a push normally touches no line
//! that the other core writes to.
//!
//! Invariants:
//! 1. From `head` to `tail` lie records, one behind the other, each full or filling places, none across the end of the ring.
//!    Only the sender moves `tail`, only the consumer moves `head`.
//! 2. The sender writes to places from `tail` on only, and only when it has seen a `head` that makes them free. It has seen
//!    that through an acquiring load of what the consumer released after its last read of the places.
//! 3. The consumer reads places below the published `tail` only, which it has loaded, acquiring, after the sender had
//!    released it with the records filled.
//! 4. The consumer is the [`Receiver`], and once both ends are gone the ring itself, when it is dropped.
#![allow(unsafe_code)]

use std::fmt;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::envelope::{self, Arrive, End, Header, PLACE_BYTES, PLACES_MAX, places};
use crate::mem::Key;
use crate::sys::sync::{Arc, AtomicBool, AtomicUsize, Ordering, Padded, UnsafeCell};

/// Places that are published, and given back, while more follow.
const GROUP: usize = if cfg!(loom) { 2 } else { 32 };

/// Memory for a part of a record, or all of it. Numbers of 16 bytes, for the alignment.
type Bytes = MaybeUninit<[u128; PLACE_BYTES / 16]>;

/// Aligned, so that no place lies on two cache lines.
#[repr(align(32))]
struct Place(UnsafeCell<Bytes>);

#[cfg(not(loom))]
const _: () = assert!(size_of::<Place>() == PLACE_BYTES);

struct Ring {
    /// A power of two of them.
    places: Box<[Place]>,
    /// The receiver is gone. A hint, which no access to a place relies on.
    closed: AtomicBool,
    /// Written by the consumer, once per group.
    head: Padded<AtomicUsize>,
    /// Written by the sender, when it publishes.
    tail: Padded<AtomicUsize>,
}

// SAFETY: a place is reached from one thread at a time, with a release and an acquire in between (invariants 1 to 4), and
// what it holds is `Send`. Everything else in a ring is atomic or never changes.
unsafe impl Sync for Ring {}
// SAFETY: what the places hold is `Send`; everything else is plain data.
unsafe impl Send for Ring {}

impl Ring {
    /// Places from here to the end of the ring.
    #[inline]
    fn to_end(&self, at: usize) -> usize {
        self.places.len() - self.index(at)
    }

    #[inline]
    fn index(&self, at: usize) -> usize {
        at & (self.places.len() - 1)
    }

    /// Lends the record that begins here for writing.
    #[inline]
    fn write<R>(&self, at: usize, access: impl FnOnce(*mut Header) -> R) -> R {
        let index = self.index(at);
        self.places[index].0.with_mut(|place| access(self.record(index, place).cast_mut()))
    }

    /// Lends the record that begins here for reading.
    #[inline]
    fn read<R>(&self, at: usize, access: impl FnOnce(*const Header) -> R) -> R {
        let index = self.index(at);
        self.places[index].0.with(|place| access(self.record(index, place)))
    }

    /// A pointer to a place that is good for the places behind it as well. In a model of threads there are none of those,
    /// and places do not lie next to each other.
    #[inline]
    fn record(&self, index: usize, place: *const Bytes) -> *const Header {
        if cfg!(loom) { place.cast() } else { self.places.as_ptr().wrapping_add(index).cast() }
    }

    /// Drops what lies between `head` and `tail`, and moves `head`. A message that panics when it is dropped is done
    /// with all the same.
    ///
    /// # Safety
    /// The caller is the consumer (invariant 4); `tail` was published, and what was published with it is acquired.
    unsafe fn drop_unread(&self, head: usize, tail: usize) {
        let mut at = head;
        while at != tail {
            let take = || {
                self.read(at, |record| {
                    // SAFETY: a record of the ring (invariant 1), left behind as `at` moves on.
                    unsafe { envelope::take(record, End::Drop, &mut at) }
                });
            };
            if let Err(thrown) = catch_unwind(AssertUnwindSafe(take)) {
                // What was thrown may panic when it is dropped, like what threw it. It is not given a third chance.
                let again = catch_unwind(AssertUnwindSafe(|| drop(thrown)));
                std::mem::forget(again);
            }
        }
        // Releases the places to the sender: they have been read.
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

/// A lane of at least `capacity` places: a message takes up one for every 32 bytes of itself and 16 more.
///
/// **Costs** 32 bytes per place, of which there is a power of two, and never too few for the largest message; the memory is
/// first touched when it is first used.
#[must_use]
pub fn lane(capacity: usize) -> (Sender, Receiver) {
    let capacity = capacity.max(2 * PLACES_MAX).next_power_of_two();
    let places = if cfg!(loom) {
        (0..capacity).map(|_| Place(UnsafeCell::new(MaybeUninit::uninit()))).collect()
    } else {
        // SAFETY: outside of a model a place is memory that need not hold anything.
        unsafe { Box::new_uninit_slice(capacity).assume_init() }
    };
    let head = Padded(AtomicUsize::new(0));
    let tail = Padded(AtomicUsize::new(0));
    let ring = Arc::new(Ring { places, closed: AtomicBool::new(false), head, tail });
    let sender = Sender {
        ring: Arc::clone(&ring),
        tail: 0,
        published: 0,
        head_seen: 0,
        shut: false,
        closed: false,
        held: false,
    };
    (sender, Receiver { ring, head: 0 })
}

/// The end of a lane that fills it.
///
/// Dropping it publishes what was pushed. If the other end is gone, it drops what that has left: then, code of the
/// messages' types runs.
#[repr(align(128))]
pub struct Sender {
    ring: Arc<Ring>,
    tail: usize,
    /// The tail, as the other side sees it.
    published: usize,
    /// The head, when it was last looked at.
    head_seen: usize,
    /// Nothing can be pushed: for one of the two reasons below.
    shut: bool,
    closed: bool,
    held: bool,
}

impl Sender {
    /// Puts a message into the lane, for `arrive` to be called with on the other side. It is not seen there before
    /// [`Sender::publish`].
    ///
    /// **Costs** a write of 16 bytes and the message, in place; touches nothing that the other core writes, unless the
    /// lane seems full. An allocation if the message is not inline, see [`is_inline`](super::is_inline).
    ///
    /// # Errors
    /// The message, when the lane is full or held, or its other end is gone.
    #[inline(always)]
    pub fn push<M: Send + 'static>(
        &mut self,
        cell: Key,
        arrive: impl Arrive<M>,
        message: M,
    ) -> Result<(), M> {
        // Nothing here unwinds, so nothing need be dropped: the message need not lie in memory for that.
        let message = ManuallyDrop::new(message);
        let wanted = places::<M>();
        let to_end = self.ring.to_end(self.tail);
        let unused = if wanted > to_end { to_end } else { 0 };
        if !self.has_room(unused + wanted) {
            return Err(ManuallyDrop::into_inner(message));
        }
        if unused > 0 {
            self.ring.write(self.tail, |record| {
                // SAFETY: the place at the tail is free, and nobody else looks at it (invariants 1 and 2).
                unsafe { envelope::fill_places(record, unused) }
            });
            self.tail = self.tail.wrapping_add(unused);
        }
        self.ring.write(self.tail, |record| {
            // SAFETY: as many places as such a message needs are free behind the tail, in a row, and nobody else looks at
            // them (invariants 1 and 2).
            unsafe { envelope::fill(record, cell, arrive, ManuallyDrop::into_inner(message)) }
        });
        self.tail = self.tail.wrapping_add(wanted);
        Ok(())
    }

    /// True if so much has been pushed that it should be published, though more may follow: so that two cores that are both
    /// busy work at the same time.
    #[inline(always)]
    #[must_use]
    pub fn is_long(&self) -> bool {
        self.tail.wrapping_sub(self.published) >= GROUP
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
        // Release: who sees this tail sees the records below it.
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

    /// Takes nothing any more, or again, whatever room there is: somebody else comes first.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
        self.shut = self.closed || held;
    }

    /// Whether it takes nothing because of that.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held
    }

    #[inline]
    fn has_room(&mut self, places: usize) -> bool {
        let used_max = self.ring.places.len() - places;
        if self.tail.wrapping_sub(self.head_seen) > used_max {
            // Acquire: the consumer has read what lay below this head.
            self.head_seen = self.ring.head.0.load(Ordering::Acquire);
            self.look_for_end();
        }
        !self.shut && self.tail.wrapping_sub(self.head_seen) <= used_max
    }

    #[inline]
    fn look_for_end(&mut self) {
        // Relaxed: seen too late, it only means that what was pushed meanwhile is dropped later.
        self.closed = self.closed || self.ring.closed.load(Ordering::Relaxed);
        self.shut = self.closed || self.held;
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
#[repr(align(128))]
pub struct Receiver {
    ring: Arc<Ring>,
    head: usize,
}

impl Receiver {
    /// Takes messages out in the order in which they were pushed, at most `limit` of them, and hands each to the function
    /// that came with it. Answers how many. What is published meanwhile waits for the next call.
    ///
    /// Their places go back to the sender in groups.
    ///
    /// # Panics
    /// When such a function does. Its message has left the lane, those behind it are still there.
    #[inline]
    pub fn deliver(&mut self, limit: usize) -> usize {
        // Acquire: below this tail lie records.
        let tail = self.ring.tail.0.load(Ordering::Acquire);
        if tail == self.head {
            return 0;
        }
        let mut batch = Batch { released: self.head, receiver: self };
        let mut count = 0;
        while batch.receiver.head != tail && count < limit {
            count += usize::from(batch.take());
        }
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
        // Acquire: below this tail lie records.
        let tail = self.ring.tail.0.load(Ordering::Acquire);
        // SAFETY: the receiver is the consumer, and has just acquired this tail.
        unsafe { self.ring.drop_unread(self.head, tail) };
        // Relaxed: only a hint. What the sender pushes before it sees this is dropped with the ring.
        self.ring.closed.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Receiver {{ head: {} }}", self.head)
    }
}

/// Gives the places of a batch back when it ends, also when it ends in a panic.
struct Batch<'a> {
    receiver: &'a mut Receiver,
    /// The head, as the other side sees it.
    released: usize,
}

impl Batch<'_> {
    /// Takes the next record; false if there was no message in it.
    #[inline]
    fn take(&mut self) -> bool {
        let Receiver { ring, head } = &mut *self.receiver;
        let message = ring.read(*head, |record| {
            // SAFETY: a record below the published tail, so it is not written to (invariant 3); the head moves on before
            // anything else runs, so it is not taken again.
            unsafe { envelope::take(record, End::Deliver, head) }
        });
        if self.receiver.head.wrapping_sub(self.released) >= GROUP {
            self.release();
        }
        message
    }

    fn release(&mut self) {
        self.released = self.receiver.head;
        // Release: the sender may write to the places below this head, which have been read.
        self.receiver.ring.head.0.store(self.released, Ordering::Release);
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use super::*;

    type Log = std::sync::Arc<Mutex<Vec<u64>>>;

    fn cell(index: u32) -> Key {
        Key { index, generation: 0 }
    }

    /// Notes its number when it is dropped.
    struct Noisy(u64, Log);

    impl Drop for Noisy {
        fn drop(&mut self) {
            self.1.lock().expect("no test panics while it notes").push(self.0);
        }
    }

    fn note(cell: Key, message: Noisy) {
        assert_eq!(u64::from(cell.index), message.0);
    }

    fn push(sender: &mut Sender, number: u64, log: &Log) -> bool {
        let refused = sender.push(cell(number as u32), note, Noisy(number, Log::clone(log)));
        // What is refused comes back and is no part of the log.
        refused.map_err(|mut message| message.1 = Log::default()).is_ok()
    }

    #[test]
    fn a_push_is_seen_when_it_is_published_and_in_order() {
        let log = Log::default();
        let (mut sender, mut receiver) = lane(8);
        assert!(!sender.publish());
        assert!((0..8).all(|number| push(&mut sender, number, &log)));
        assert!(receiver.is_empty());
        assert_eq!(receiver.deliver(9), 0);
        assert!(sender.publish());
        assert!(!sender.publish());
        assert!(!receiver.is_empty());
        assert!(!push(&mut sender, 8, &log));
        assert_eq!(receiver.deliver(7), 7);
        assert!(push(&mut sender, 8, &log));
        sender.publish();
        assert_eq!(receiver.deliver(9), 2);
        assert!(receiver.is_empty());
        assert_eq!(*log.lock().unwrap(), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn a_long_row_is_given_back_in_groups() {
        let log = Log::default();
        let (mut sender, mut receiver) = lane(4 * GROUP);
        let group = GROUP as u64;
        for _ in 0..2 * group {
            let looks = |_, (ring, log): (Arc<Ring>, Log)| {
                log.lock().unwrap().push(ring.head.0.load(Ordering::Relaxed) as u64);
            };
            assert!(sender.push(cell(0), looks, (Arc::clone(&receiver.ring), Log::clone(&log))).is_ok());
        }
        assert!(sender.is_long());
        sender.publish();
        assert!(!sender.is_long());
        receiver.deliver(usize::MAX);
        let seen = [[0; GROUP], [group; GROUP]].concat();
        assert_eq!(*log.lock().unwrap(), seen);
    }

    #[test]
    fn counts_wrap() {
        let log = Log::default();
        let (mut sender, mut receiver) = lane(8);
        let near = usize::MAX - 10;
        sender.ring.head.0.store(near, Ordering::Relaxed);
        sender.ring.tail.0.store(near, Ordering::Relaxed);
        (sender.tail, sender.published, sender.head_seen) = (near, near, near);
        receiver.head = near;
        for number in 0..24 {
            assert!(push(&mut sender, number, &log));
            if number % 8 == 7 {
                assert!(!push(&mut sender, 99, &log));
                assert!(sender.publish());
                assert_eq!(receiver.deliver(usize::MAX), 8);
            }
        }
        assert!((0..24).eq(log.lock().unwrap().iter().copied()));
    }

    #[test]
    fn a_panic_on_delivery_costs_its_own_message_only() {
        let log = Log::default();
        let (mut sender, mut receiver) = lane(8);
        push(&mut sender, 0, &log);
        let planned = |_, _: Noisy| panic!("as planned");
        assert!(sender.push(cell(1), planned, Noisy(1, Log::clone(&log))).is_ok());
        assert!((2..8).all(|number| push(&mut sender, number, &log)));
        sender.publish();
        assert!(catch_unwind(AssertUnwindSafe(|| receiver.deliver(9))).is_err());
        assert_eq!(*log.lock().unwrap(), [0, 1]);
        assert!(push(&mut sender, 8, &log), "the place of the one that panicked is free");
        assert!(push(&mut sender, 9, &log));
        assert!(!push(&mut sender, 10, &log));
        sender.publish();
        assert_eq!(receiver.deliver(9), 8);
        assert!((0..10).eq(log.lock().unwrap().iter().copied()));
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
        let (mut sender, receiver) = lane(8);
        assert!((0..8).all(|number| push(&mut sender, number, &log)));
        sender.publish();
        assert!(!push(&mut sender, 8, &log));
        drop(receiver);
        assert!(!push(&mut sender, 8, &log));
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
            let pushed = sender.push(cell(0), |_, _: Bad| {}, Bad(Noisy(number, Log::clone(&log))));
            assert!(pushed.is_ok());
        }
        sender.publish();
        drop(receiver);
        assert_eq!(*log.lock().unwrap(), [0, 1, 2]);
    }

    /// Pushes and takes messages of this size alone, so many times that they come to lie at every place of the ring.
    fn check_size<const SIZE: usize>(expected_places: usize) {
        assert_eq!(places::<[u8; SIZE]>(), expected_places);
        let whole = |cell: Key, bytes: [u8; SIZE]| assert_eq!(bytes, [cell.index as u8; SIZE]);
        let (mut sender, mut receiver) = lane(1);
        for number in 0..40 {
            assert!(sender.push(cell(number), |_, ()| {}, ()).is_ok());
            assert!(sender.push(cell(number), whole, [number as u8; SIZE]).is_ok(), "round {number}");
            sender.publish();
            assert_eq!(receiver.deliver(if number % 2 == 0 { 2 } else { usize::MAX }), 2);
        }
    }

    #[test]
    fn messages_of_any_size_fit_into_the_smallest_lane_and_arrive_whole() {
        check_size::<0>(1);
        check_size::<16>(1);
        check_size::<17>(2);
        check_size::<48>(2);
        check_size::<80>(3);
        check_size::<81>(4);
        check_size::<112>(4);
        check_size::<113>(1);
        check_size::<4096>(1);
    }

    #[test]
    fn messages_of_all_sizes_that_are_not_taken_are_dropped_with_the_lane() {
        let counted = Arc::new(());
        for rest in 0..8 {
            let (mut sender, mut receiver) = lane(16);
            let one = || Arc::clone(&counted);
            for number in 0..rest + 6 {
                let pushed = match number % 3 {
                    0 => sender.push(cell(0), |_, _| {}, one()).is_ok(),
                    1 => sender.push(cell(0), |_, _| {}, (one(), [0_u64; 4])).is_ok(),
                    _ => sender.push(cell(0), |_, _| {}, (one(), [0_u64; 60])).is_ok(),
                };
                assert!(pushed);
                sender.publish();
                if number < rest {
                    receiver.deliver(1);
                }
            }
            assert_eq!(Arc::strong_count(&counted), 1 + 6);
            drop((receiver, sender));
            assert_eq!(Arc::strong_count(&counted), 1);
        }
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
