//! A message on its way to another core, with its type erased.
//!
//! Knows: how a message is packed, and which function will take it. Must not know what that function does.
//!
//! One pointer to code stands in for the message's type. It is the one indirect call of a message between cores; the
//! function that it calls in turn is the receiver's own.
//!
//! Invariants:
//! 1. A slot is *full* from [`Slot::fill`] until [`Slot::take`]. The header of a full slot was written by one call of
//!    `fill::<M>`: `unpack` is `unpack::<M>`, `deliver` is a `fn(RawAddress, M)`, and the payload begins with an `M`, or,
//!    where an `M` does not fit, with a `Box<M>`.
//! 2. Whoever holds a full slot owns the message in it. Taking moves it out, once; the bytes left behind are not looked
//!    at again.
//! 3. `M` is `Send`: a full slot may be taken on any thread.
#![allow(unsafe_code)]

use std::fmt;
use std::mem::{ManuallyDrop, MaybeUninit, offset_of};

use crossbeam_channel::TrySendError;

use super::RawAddress;

/// Bytes of a message that travel without an allocation.
pub const INLINE_BYTES: usize = 96;
const INLINE_ALIGN: usize = 16;

/// Whether messages of this type travel without an allocation.
#[must_use]
pub const fn is_inline<M>() -> bool {
    size_of::<M>() <= INLINE_BYTES && align_of::<M>() <= INLINE_ALIGN
}

/// What happens to a message that is taken out.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Deliver,
    Drop,
}

#[derive(Clone, Copy)]
struct Header {
    unpack: unsafe fn(*const Payload, Header, End),
    deliver: *const (),
    target: RawAddress,
}

#[repr(C, align(16))]
struct Payload([MaybeUninit<u8>; INLINE_BYTES]);

/// Room for one message: a header of 32 bytes, then the message. Drops nothing.
#[repr(C)]
pub(super) struct Slot {
    header: MaybeUninit<Header>,
    payload: Payload,
}

impl Slot {
    pub(super) const fn empty() -> Slot {
        Slot { header: MaybeUninit::uninit(), payload: Payload([MaybeUninit::uninit(); INLINE_BYTES]) }
    }

    /// Moves a message in. Touches the header and as many bytes as the message has.
    #[inline]
    pub(super) fn fill<M: Send + 'static>(
        &mut self,
        target: RawAddress,
        deliver: fn(RawAddress, M),
        message: M,
    ) {
        self.header.write(Header { unpack: unpack::<M>, deliver: deliver as *const (), target });
        let payload = self.payload.0.as_mut_ptr();
        if is_inline::<M>() {
            // SAFETY: the payload is exclusively borrowed, large enough for an `M` and aligned for it, as was just asked.
            unsafe { payload.cast::<M>().write(message) };
        } else {
            // SAFETY: as above; a box of a sized type is one pointer.
            unsafe { payload.cast::<Box<M>>().write(Box::new(message)) };
        }
    }

    /// Moves the message out, and ends it. The slot is not looked at any more once the message has left it, so code from
    /// outside that runs here (the receiver's function, a `Drop`) finds no reference into the slot.
    ///
    /// # Safety
    /// The slot is full and valid for reads, nobody writes to it meanwhile, and it is not taken again.
    #[inline]
    pub(super) unsafe fn take(slot: *const Slot, end: End) {
        // SAFETY: the slot is readable, its header comes first (`repr(C)`) and is initialised (invariant 1).
        let header = unsafe { slot.cast::<Header>().read() };
        let payload = slot.wrapping_byte_add(offset_of!(Slot, payload)).cast::<Payload>();
        // SAFETY: the payload belongs to this header (invariant 1) and is taken once, as the caller promises.
        unsafe { (header.unpack)(payload, header, end) };
    }
}

/// # Safety
/// `header` and `payload` are those of one full slot that was filled with an `M`; it is not taken again.
unsafe fn unpack<M>(payload: *const Payload, header: Header, end: End) {
    let message = if is_inline::<M>() {
        // SAFETY: the payload begins with an `M` (invariant 1), which is ours from here on (invariant 2).
        unsafe { payload.cast::<M>().read() }
    } else {
        // SAFETY: the payload begins with a `Box<M>` (invariant 1), which is ours from here on (invariant 2).
        *unsafe { payload.cast::<Box<M>>().read() }
    };
    match end {
        End::Deliver => {
            // SAFETY: `deliver` was made from a pointer to a function of this type (invariant 1).
            let deliver = unsafe { std::mem::transmute::<*const (), fn(RawAddress, M)>(header.deliver) };
            deliver(header.target, message);
        }
        End::Drop => drop(message),
    }
}

/// A message to a cell, from a thread that has no lane. Dropping it drops the message.
pub struct Envelope {
    /// Full, always (invariant 1).
    slot: Slot,
}

// SAFETY: the message is `Send` (invariant 3); the rest is code, which may be called from any thread, and numbers.
unsafe impl Send for Envelope {}

impl Envelope {
    /// Packs a message. **Costs** an allocation if it is not inline, see [`is_inline`].
    #[must_use]
    pub fn new<M: Send + 'static>(target: RawAddress, deliver: fn(RawAddress, M), message: M) -> Envelope {
        let mut slot = Slot::empty();
        slot.fill(target, deliver, message);
        Envelope { slot }
    }

    /// Packs a message and puts it into an inbox.
    ///
    /// # Errors
    /// The message: `Full` when the inbox is, `Disconnected` when nobody will ever empty it.
    pub fn send<M: Send + 'static>(
        inbox: &crossbeam_channel::Sender<Envelope>,
        target: RawAddress,
        deliver: fn(RawAddress, M),
        message: M,
    ) -> Result<(), TrySendError<M>> {
        let Err(refused) = inbox.try_send(Envelope::new(target, deliver, message)) else { return Ok(()) };
        let again: fn(M) -> TrySendError<M> =
            if refused.is_full() { TrySendError::Full } else { TrySendError::Disconnected };
        let envelope = ManuallyDrop::new(refused.into_inner());
        let payload = (&raw const envelope.slot.payload).cast::<M>();
        if !is_inline::<M>() {
            // SAFETY: the envelope that comes back is the one that was packed above, so its payload begins with a `Box<M>`
            // (invariant 1); it is neither used nor dropped after this.
            return Err(again(*unsafe { payload.cast::<Box<M>>().read() }));
        }
        // SAFETY: as above, with an `M`.
        Err(again(unsafe { payload.read() }))
    }

    /// Hands the message to the function that it was packed with, on this thread.
    pub fn deliver(self) {
        let envelope = ManuallyDrop::new(self);
        // SAFETY: the slot of an envelope is full, and this one is neither used nor dropped after this.
        unsafe { Slot::take(&raw const envelope.slot, End::Deliver) };
    }
}

impl Drop for Envelope {
    fn drop(&mut self) {
        // SAFETY: the slot of an envelope is full, and this one is gone after this.
        unsafe { Slot::take(&raw const self.slot, End::Drop) };
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Envelope").finish_non_exhaustive()
    }
}

const _: () = assert!(size_of::<Slot>() == 128);
const _: () = assert!(align_of::<Slot>() == INLINE_ALIGN);

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use super::*;
    use crate::executor::CoreId;
    use crate::mem::Key;

    fn target() -> RawAddress {
        RawAddress::new(CoreId(1), Key { index: 2, generation: 3 })
    }

    /// Packs, and both ways of ending: the message arrives whole, and is dropped once.
    fn check<M: Send + Sync + 'static>(message: M, deliver: fn(RawAddress, Arc<M>)) {
        let count = Arc::new(message);
        let envelope = Envelope::new(target(), deliver, Arc::clone(&count));
        assert_eq!(Arc::strong_count(&count), 2);
        envelope.deliver();
        assert_eq!(Arc::strong_count(&count), 1);
        drop(Envelope::new(target(), deliver, Arc::clone(&count)));
        assert_eq!(Arc::strong_count(&count), 1);
    }

    #[test]
    fn a_message_is_delivered_or_dropped_once() {
        check(String::from("text"), |to, message| {
            assert_eq!(to, target());
            assert_eq!(*message, "text");
        });
    }

    #[repr(align(64))]
    struct Aligned(Arc<u8>);
    struct Large([u8; 97], Arc<u8>);
    struct Exact([u128; 5], u64, Arc<u8>);

    #[test]
    fn size_and_alignment_decide_whether_a_message_is_boxed() {
        assert!(is_inline::<()>() && is_inline::<Exact>() && size_of::<Exact>() == INLINE_BYTES);
        assert!(!is_inline::<Aligned>() && !is_inline::<Large>());
        let count = Arc::new(7);
        Envelope::new(target(), |_, ()| {}, ()).deliver();
        let aligned =
            |_, aligned: Aligned| assert_eq!((*aligned.0, &raw const aligned as usize % 64), (7, 0));
        Envelope::new(target(), aligned, Aligned(Arc::clone(&count))).deliver();
        let large = |_, large: Large| assert_eq!((large.0[96], *large.1), (96, 7));
        Envelope::new(target(), large, Large([96; 97], Arc::clone(&count))).deliver();
        let exact = |_, exact: Exact| assert_eq!((exact.0[4], exact.1, *exact.2), (4, 5, 7));
        Envelope::new(target(), exact, Exact([4; 5], 5, Arc::clone(&count))).deliver();
        drop(Envelope::new(target(), large, Large([0; 97], Arc::clone(&count))));
        assert_eq!(Arc::strong_count(&count), 1);
    }

    #[test]
    fn a_panic_on_delivery_drops_the_message_once() {
        let count = Arc::new(());
        let envelope = Envelope::new(target(), |_, _: Arc<()>| panic!("as planned"), Arc::clone(&count));
        assert!(catch_unwind(AssertUnwindSafe(|| envelope.deliver())).is_err());
        assert_eq!(Arc::strong_count(&count), 1);
    }

    #[test]
    fn an_envelope_crosses_threads_by_value() {
        let count = Arc::new(());
        let envelope = Envelope::new(target(), |_, message: Arc<()>| drop(message), Arc::clone(&count));
        std::thread::spawn(move || envelope.deliver()).join().unwrap();
        assert_eq!(Arc::strong_count(&count), 1);
    }
}
