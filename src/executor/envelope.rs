//! A message on its way to another core, with its type erased.
//!
//! Knows: how a message is packed, and which function will take it. Must not know what that function does.
//!
//! One pointer to code stands in for two types: the message's, and that of the function which takes it. It is the one
//! indirect call of a message between cores.
//!
//! Invariants:
//! 1. A record is *full* from [`fill`] until [`take`]. The header of a full record was written by one call of `fill::<M, F>`:
//!    `take` is `take_as::<M, F>`, and behind it lies an `M`, or, where an `M` does not fit, a `Box<M>`.
//! 2. Whoever holds a full record owns the message in it. Taking moves it out, once; the bytes left behind are not looked
//!    at again.
//! 3. `M` is `Send`: a full record may be taken on any thread. `F` has no size, is `Copy` and `Send`: nothing of it is
//!    stored, and where there was one value there may be another, on any thread.
#![allow(unsafe_code)]

use std::fmt;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;

use crossbeam_channel::TrySendError;

use crate::mem::{Key, aside};

/// Bytes of a message that travel without an allocation.
pub const INLINE_BYTES: usize = RECORD_BYTES - size_of::<Header>();
const RECORD_BYTES: usize = 128;
const INLINE_ALIGN: usize = 16;

/// Whether messages of this type travel without an allocation.
#[must_use]
pub const fn is_inline<M>() -> bool {
    size_of::<M>() <= INLINE_BYTES && align_of::<M>() <= INLINE_ALIGN
}

/// Takes a message where it arrives, on the core of the cell that it is for: a function, or a closure that holds nothing.
pub trait Arrive<M>: Fn(Key, M) + Copy + Send + 'static {}

impl<M, F: Fn(Key, M) + Copy + Send + 'static> Arrive<M> for F {}

/// What happens to a message that is taken out.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Deliver,
    Drop,
}

/// The beginning of a record. What follows it belongs to it.
pub(super) struct Header {
    /// Adds to a count the places that the record takes up before it does anything else, for whoever keeps records in a row.
    /// None in one that only fills places.
    take: Option<unsafe fn(*const Header, End, &mut usize)>,
    /// Whom the message is for; in a record that only fills places, their number.
    cell: Key,
}

/// Bytes of a place: records begin at such, and take up one or more. In a model of threads each record has one place to
/// itself, because the checker looks at places one by one.
pub(super) const PLACE_BYTES: usize = if cfg!(loom) { RECORD_BYTES } else { 32 };
/// Places that any record needs at most.
pub(super) const PLACES_MAX: usize = RECORD_BYTES / PLACE_BYTES;

/// Places of a record with such a message.
pub(super) const fn places<M>() -> usize {
    let message = if is_inline::<M>() { size_of::<M>() } else { size_of::<Box<M>>() };
    (size_of::<Header>() + message).div_ceil(PLACE_BYTES)
}

/// Moves a message in.
///
/// # Safety
/// As many [`places`] from `record` on are valid for writes, and nobody else looks at them meanwhile; `record` is aligned to 16.
#[inline(always)]
pub(super) unsafe fn fill<M: Send + 'static, F: Arrive<M>>(record: *mut Header, cell: Key, _: F, message: M) {
    const { assert!(size_of::<F>() == 0, "what takes a message holds nothing") };
    // SAFETY: valid for writes, as the caller promises.
    unsafe { record.write(Header { take: Some(take_as::<M, F>), cell }) };
    let payload = record.wrapping_add(1);
    if is_inline::<M>() {
        // SAFETY: valid for writes, as the caller promises; the header leaves the alignment at 16, which is an `M`'s at most.
        unsafe { payload.cast::<M>().write(message) };
    } else {
        // SAFETY: as above; a box of a sized type is one pointer.
        unsafe { payload.cast::<Box<M>>().write(Box::new(message)) };
    }
}

/// Fills places with nothing.
///
/// # Safety
/// One place from `record` on is valid for writes, and nobody else looks at it meanwhile; `record` is aligned to 16.
#[inline]
pub(super) unsafe fn fill_places(record: *mut Header, places: usize) {
    // SAFETY: valid for writes, as the caller promises.
    unsafe { record.write(Header { take: None, cell: Key { index: places as u32, generation: 0 } }) };
}

/// Ends a full record, and adds to `at` the places that it takes up: before code from outside runs. False if there was no
/// message in it.
///
/// # Safety
/// The record is full, or only fills places; it is valid for reads, nobody writes to it meanwhile, and it is not taken
/// again.
#[inline]
pub(super) unsafe fn take(record: *const Header, end: End, at: &mut usize) -> bool {
    // SAFETY: a record has a header (invariant 1).
    let header = unsafe { &*record };
    let Some(take) = header.take else {
        *at = at.wrapping_add(header.cell.index as usize);
        return false;
    };
    // SAFETY: the function was written for this record (invariant 1), which is taken once, as the caller promises.
    unsafe { take(record, end, at) };
    true
}

/// Moves the message out, and ends it. The record is not looked at any more once the message has left it, so code from
/// outside that runs here (the receiver's function, a `Drop`) finds no reference into it.
///
/// # Safety
/// As [`take`]; the record was filled by `fill::<M, F>`.
unsafe fn take_as<M, F: Arrive<M>>(record: *const Header, end: End, at: &mut usize) {
    *at = at.wrapping_add(places::<M>());
    // SAFETY: a full record has a header (invariant 1).
    let cell = unsafe { (*record).cell };
    let payload = record.wrapping_add(1);
    let message = if is_inline::<M>() {
        // SAFETY: an `M` lies behind the header (invariant 1), which is ours from here on (invariant 2).
        unsafe { payload.cast::<M>().read() }
    } else {
        // SAFETY: a `Box<M>` lies behind the header (invariant 1), which is ours from here on (invariant 2).
        *unsafe { payload.cast::<Box<M>>().read() }
    };
    match end {
        End::Deliver => {
            // SAFETY: an `F` has no bytes, and may be copied from the one that `fill` was given (invariant 3).
            let arrive = unsafe { NonNull::<F>::dangling().read() };
            arrive(cell, message);
        }
        End::Drop => drop(aside(message)),
    }
}

/// Room for a record with any message, which is not dropped with it. Numbers of 16 bytes, for the alignment.
type Room = MaybeUninit<[u128; RECORD_BYTES / 16]>;

/// A message to a cell, from a thread that has no lane. Dropping it drops the message.
pub struct Envelope {
    /// A full record, always (invariant 1).
    room: Room,
}

// SAFETY: the message is `Send` (invariant 3); the rest is code, which may be called from any thread, and numbers.
unsafe impl Send for Envelope {}

impl Envelope {
    /// Packs a message. **Costs** an allocation if it is not inline, see [`is_inline`].
    #[must_use]
    pub fn new<M: Send + 'static>(cell: Key, arrive: impl Arrive<M>, message: M) -> Envelope {
        let mut room = Room::uninit();
        // SAFETY: there is room for any record, aligned to 16, and exclusively borrowed.
        unsafe { fill(room.as_mut_ptr().cast(), cell, arrive, message) };
        Envelope { room }
    }

    fn record(&self) -> *const Header {
        self.room.as_ptr().cast()
    }

    /// Packs a message and puts it into an inbox.
    ///
    /// # Errors
    /// The message: `Full` when the inbox is, `Disconnected` when nobody will ever empty it.
    pub fn send<M: Send + 'static>(
        inbox: &crossbeam_channel::Sender<Envelope>,
        cell: Key,
        arrive: impl Arrive<M>,
        message: M,
    ) -> Result<(), TrySendError<M>> {
        let Err(refused) = inbox.try_send(Envelope::new(cell, arrive, message)) else { return Ok(()) };
        let again: fn(M) -> TrySendError<M> =
            if refused.is_full() { TrySendError::Full } else { TrySendError::Disconnected };
        let envelope = ManuallyDrop::new(refused.into_inner());
        let payload = envelope.record().wrapping_add(1).cast::<M>();
        if !is_inline::<M>() {
            // SAFETY: the envelope that comes back is the one that was packed above, so a `Box<M>` lies behind its
            // header (invariant 1); it is neither used nor dropped after this.
            return Err(again(*unsafe { payload.cast::<Box<M>>().read() }));
        }
        // SAFETY: as above, with an `M`.
        Err(again(unsafe { payload.read() }))
    }

    /// Hands the message to the function that it was packed with, on this thread.
    pub fn deliver(self) {
        let envelope = ManuallyDrop::new(self);
        // SAFETY: the record of an envelope is full, and this one is neither used nor dropped after this.
        unsafe { take(envelope.record(), End::Deliver, &mut 0) };
    }
}

impl Drop for Envelope {
    fn drop(&mut self) {
        // SAFETY: the record of an envelope is full, and this one is gone after this.
        unsafe { take(self.record(), End::Drop, &mut 0) };
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Envelope").finish_non_exhaustive()
    }
}

const _: () = assert!(size_of::<Header>() == INLINE_ALIGN);
const _: () = assert!(size_of::<Room>() == RECORD_BYTES);
const _: () = assert!(align_of::<Room>() == INLINE_ALIGN);

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use super::*;

    const CELL: Key = Key { index: 2, generation: 3 };

    /// Packs, and both ways of ending: the message arrives whole, and is dropped once.
    fn check<M: Send + Sync + 'static>(message: M, arrive: impl Arrive<Arc<M>>) {
        let count = Arc::new(message);
        let envelope = Envelope::new(CELL, arrive, Arc::clone(&count));
        assert_eq!(Arc::strong_count(&count), 2);
        envelope.deliver();
        assert_eq!(Arc::strong_count(&count), 1);
        drop(Envelope::new(CELL, arrive, Arc::clone(&count)));
        assert_eq!(Arc::strong_count(&count), 1);
    }

    #[test]
    fn a_message_is_delivered_or_dropped_once() {
        check(String::from("text"), |to, message| {
            assert_eq!(to, CELL);
            assert_eq!(*message, "text");
        });
    }

    #[repr(align(64))]
    struct Aligned(Arc<u8>);
    struct Large([u8; 113], Arc<u8>);
    struct Exact([u128; 6], u64, Arc<u8>);

    #[test]
    fn size_and_alignment_decide_whether_a_message_is_boxed() {
        assert!(is_inline::<()>() && is_inline::<Exact>() && size_of::<Exact>() == INLINE_BYTES);
        assert!(!is_inline::<Aligned>() && !is_inline::<Large>());
        let count = Arc::new(7);
        Envelope::new(CELL, |_, ()| {}, ()).deliver();
        let aligned =
            |_, aligned: Aligned| assert_eq!((*aligned.0, &raw const aligned as usize % 64), (7, 0));
        Envelope::new(CELL, aligned, Aligned(Arc::clone(&count))).deliver();
        let large = |_, large: Large| assert_eq!((large.0[112], *large.1), (96, 7));
        Envelope::new(CELL, large, Large([96; 113], Arc::clone(&count))).deliver();
        let exact = |_, exact: Exact| assert_eq!((exact.0[4], exact.1, *exact.2), (4, 5, 7));
        Envelope::new(CELL, exact, Exact([4; 6], 5, Arc::clone(&count))).deliver();
        drop(Envelope::new(CELL, large, Large([0; 113], Arc::clone(&count))));
        assert_eq!(Arc::strong_count(&count), 1);
    }

    #[test]
    fn a_panic_on_delivery_drops_the_message_once() {
        let count = Arc::new(());
        let envelope = Envelope::new(CELL, |_, _: Arc<()>| panic!("as planned"), Arc::clone(&count));
        assert!(catch_unwind(AssertUnwindSafe(|| envelope.deliver())).is_err());
        assert_eq!(Arc::strong_count(&count), 1);
    }

    #[test]
    fn an_envelope_crosses_threads_by_value() {
        let count = Arc::new(());
        let envelope = Envelope::new(CELL, |_, message: Arc<()>| drop(message), Arc::clone(&count));
        std::thread::spawn(move || envelope.deliver()).join().unwrap();
        assert_eq!(Arc::strong_count(&count), 1);
    }
}
