//! Bytes as they come.
//!
//! Knows: nothing of what they mean.

use super::{Decode, Decoded, Encode, FrameError, Sink};

/// Whatever has arrived is a frame, in pieces of at most `MAX` bytes (64 KiB unless said otherwise).
///
/// Where a piece ends means nothing: the network cuts a stream as it likes.
///
/// **Costs**: nothing. State: none.
///
/// ```
/// use odeon::net::codec::{Decode, Decoded, Raw};
///
/// let mut codec = Raw::<4>;
/// assert_eq!(codec.decode(b"123456")?, Decoded::Frame { frame: b"1234".as_slice(), consumed: 4 });
/// assert_eq!(codec.decode(b"56")?, Decoded::Frame { frame: b"56".as_slice(), consumed: 2 });
/// assert_eq!(codec.decode(b"")?, Decoded::Incomplete { needed: 1 });
/// # Ok::<(), odeon::net::codec::FrameError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Raw<const MAX: usize = { 1 << 16 }>;

impl<const MAX: usize> Decode for Raw<MAX> {
    type Frame<'a> = &'a [u8];

    #[inline]
    fn decode<'a>(&mut self, bytes: &'a [u8]) -> Result<Decoded<&'a [u8]>, FrameError> {
        const { assert!(MAX > 0, "pieces of no bytes never end") };
        let frame = &bytes[..bytes.len().min(MAX)];
        Ok(match frame.len() {
            0 => Decoded::Incomplete { needed: 1 },
            consumed => Decoded::Frame { frame, consumed },
        })
    }

    fn frame_bytes_max(&self) -> usize {
        MAX
    }
}

impl<const MAX: usize> Encode for Raw<MAX> {
    type Item<'a> = &'a [u8];

    /// Writes every byte, however many: there is no frame to be too large.
    fn encode(&mut self, item: &[u8], sink: &mut impl Sink) -> Result<(), FrameError> {
        sink.write(item);
        Ok(())
    }

    fn encoded_bytes(&mut self, item: &[u8]) -> Result<usize, FrameError> {
        Ok(item.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::codec::tests::{Random, frames_of, random_chunks};

    #[test]
    fn a_piece_is_as_long_as_the_limit_and_no_longer() {
        let (frames, end) = frames_of::<Raw<4>, _>(&[b"123", b"1234", b"12345"], <[u8]>::to_vec);
        assert_eq!(frames, [b"123".as_slice(), b"1234", b"1234", b"5"]);
        assert_eq!(end, Ok(()));
    }

    #[test]
    fn every_byte_arrives_in_order_however_it_is_split() {
        let mut random = Random(13);
        for length in 0..60 {
            let stream: Vec<u8> = (0..length).collect();
            let (frames, end) = frames_of::<Raw<4>, _>(&random_chunks(&stream, &mut random), <[u8]>::to_vec);
            assert_eq!((frames.concat(), end), (stream, Ok(())));
        }
    }

    #[test]
    fn a_long_item_is_written_whole() {
        let mut wire = Vec::new();
        assert_eq!(Raw::<4>.encode(b"123456789", &mut wire), Ok(()));
        assert_eq!(Raw::<4>.encoded_bytes(b"123456789"), Ok(wire.len()));
    }
}
