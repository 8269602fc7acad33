//! Bytes that a stream has taken over and its user has not read.
//!
//! Knows: bytes, and how far they have been read. Must not know where they come from.

/// See the header. While it is empty it owns no memory.
#[derive(Debug, Default)]
pub(super) struct Unread {
    bytes: Vec<u8>,
    start: usize,
}

impl Unread {
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Puts more behind what is there. **Costs** a copy, unless nothing is there.
    pub(super) fn append(&mut self, more: Vec<u8>) {
        if self.rest().is_empty() {
            *self = Unread { bytes: more, start: 0 };
        } else if !more.is_empty() {
            self.bytes.drain(..std::mem::take(&mut self.start));
            self.bytes.extend_from_slice(&more);
        }
    }

    /// The first bytes have been read; at most as many as there are.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.bytes.len());
        if self.rest().is_empty() {
            *self = Unread::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_in_order_and_nothing_is_kept_when_none_is_left() {
        let mut unread = Unread::default();
        unread.append(vec![1, 2, 3]);
        unread.consume(2);
        unread.append(Vec::new());
        unread.append(vec![4, 5]);
        assert_eq!(unread.rest(), [3, 4, 5]);
        unread.consume(3);
        assert_eq!((unread.rest(), unread.bytes.capacity()), ([].as_slice(), 0));
        unread.append(vec![6]);
        unread.consume(9);
        assert!(unread.rest().is_empty());
    }
}
