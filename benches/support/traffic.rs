//! The bytes that the loads send and expect back.
//!
//! Knows: a fixed pattern whose period is a prime, so that a lost, doubled or swapped message shows. Must not know
//! sockets.

const PERIOD: usize = 65_521;

/// Requests and their expected answers, without a copy per connection.
pub(crate) struct Pattern {
    bytes: Vec<u8>,
}

impl Pattern {
    /// A pattern from which parts of up to `longest` bytes can be taken.
    pub(crate) fn new(longest: usize) -> Pattern {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut bytes: Vec<u8> = (0..PERIOD).map(|_| next(&mut state)).collect();
        (0..longest).for_each(|index| bytes.push(bytes[index]));
        Pattern { bytes }
    }

    /// Where the stream of a connection starts: elsewhere for each, so that mixed-up connections show.
    pub(crate) fn start(connection: usize) -> usize {
        connection * 8191 % PERIOD
    }

    /// The position `len` bytes further on.
    #[inline]
    pub(crate) fn advance(position: usize, len: usize) -> usize {
        (position + len) % PERIOD
    }

    /// The `len` bytes from a position on.
    #[inline]
    pub(crate) fn at(&self, position: usize, len: usize) -> &[u8] {
        &self.bytes[position..position + len]
    }
}

/// Xorshift64, Marsaglia 2003.
fn next(state: &mut u64) -> u8 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 32) as u8
}
