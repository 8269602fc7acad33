//! What a connection has in flight beside a receive and a send, counted in two bytes.
//!
//! Knows: two counts. Must not know what is counted.

/// Shutdowns, resets and cancels; and sends that were answered and whose memory the kernel still reads. Of those there are as many as
/// [`Config::pinned_parts_max`](crate::Config::pinned_parts_max) says, and those whose end is noticed after the beginning of the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Others(u16);

/// So many of the first kind there may be less one; each of the second counts as so many.
const PINNED: u16 = 1 << 6;

impl Others {
    pub(super) fn begun(&mut self) {
        assert!(self.0 % PINNED < PINNED - 1, "a receive is cancelled once, and a socket ends a few times");
        self.0 += 1;
    }

    pub(super) fn ended(&mut self) {
        assert!(!self.0.is_multiple_of(PINNED), "what ends has begun");
        self.0 -= 1;
    }

    /// A send was.
    #[inline]
    pub(super) fn answered(&mut self, pinned: bool) {
        self.0 += u16::from(pinned) * PINNED;
    }

    pub(super) fn released(&mut self) {
        self.0 -= PINNED;
    }

    pub(super) fn are_pinned(self) -> bool {
        self.0 >= PINNED
    }

    pub(super) fn are_none(self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_counted_as_there_can_be() {
        let mut others = Others::default();
        assert!(others.are_none());
        let pinned = u32::from(u8::MAX) + 16;
        (0..pinned).for_each(|_| others.answered(true));
        (1..PINNED).for_each(|_| others.begun());
        others.answered(false);
        (0..pinned).for_each(|_| others.released());
        assert!(!others.are_none());
        (1..PINNED).for_each(|_| others.ended());
        assert!(others.are_none());
    }
}
