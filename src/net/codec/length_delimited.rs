//! Frames with their length in front.
//!
//! Knows: the header. Must not know what a frame means.

use super::{Decode, Decoded, Encode, FrameError, Sink};

/// Bytes of the header: the length of the payload, 32 bits, big endian.
const HEADER_BYTES: usize = 4;

/// Frames of a 32-bit big endian length and so many bytes, at most `MAX` (1 MiB unless said otherwise), header not counted.
///
/// A length above the limit is refused as soon as the header is there. The limit itself is at most 2³² − 5, so that a frame
/// and its header are counted in 32 bits:
///
/// ```compile_fail
/// use odeon::net::codec::{Decode, LengthDelimited};
///
/// println!("{}", LengthDelimited::<{ u32::MAX as usize - 3 }>.frame_bytes_max());
/// ```
///
/// **Costs**: reading four bytes. State: none.
///
/// ```
/// use odeon::net::codec::{Decode, Decoded, Encode, FrameError, LengthDelimited};
///
/// let mut codec = LengthDelimited::<100>;
/// let mut wire = Vec::new();
/// codec.encode(b"hello", &mut wire)?;
/// assert_eq!(wire, b"\0\0\0\x05hello");
/// assert_eq!(codec.decode(&wire)?, Decoded::Frame { frame: b"hello".as_slice(), consumed: 9 });
/// assert_eq!(codec.decode(&wire[..6])?, Decoded::Incomplete { needed: 9 });
/// assert_eq!(codec.decode(b"GET / HTTP/1.1"), Err(FrameError::TooLarge { limit: 100, got: 0x4745_5420 }));
/// # Ok::<(), FrameError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct LengthDelimited<const MAX: usize = { 1 << 20 }>;

impl<const MAX: usize> LengthDelimited<MAX> {
    const FRAME_BYTES_MAX: usize = {
        assert!(MAX <= u32::MAX as usize - HEADER_BYTES, "a frame and its header must fit 32 bits");
        MAX + HEADER_BYTES
    };
}

impl<const MAX: usize> Decode for LengthDelimited<MAX> {
    type Frame<'a> = &'a [u8];

    #[inline]
    fn decode<'a>(&mut self, bytes: &'a [u8]) -> Result<Decoded<&'a [u8]>, FrameError> {
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(Decoded::Incomplete { needed: HEADER_BYTES });
        };
        let announced = u32::from_be_bytes(*header);
        let payload = announced as usize;
        if payload > MAX {
            return Err(FrameError::TooLarge { limit: MAX, got: u64::from(announced) });
        }
        Ok(match rest.get(..payload) {
            Some(frame) => Decoded::Frame { frame, consumed: HEADER_BYTES + payload },
            None => Decoded::Incomplete { needed: HEADER_BYTES + payload },
        })
    }

    fn frame_bytes_max(&self) -> usize {
        Self::FRAME_BYTES_MAX
    }
}

impl<const MAX: usize> Encode for LengthDelimited<MAX> {
    type Item<'a> = &'a [u8];

    fn encode(&mut self, item: &[u8], sink: &mut impl Sink) -> Result<(), FrameError> {
        self.encoded_bytes(item)?;
        // The limit fits 32 bits: see `FRAME_BYTES_MAX`.
        sink.write(&(item.len() as u32).to_be_bytes());
        sink.write(item);
        Ok(())
    }

    fn encoded_bytes(&mut self, item: &[u8]) -> Result<usize, FrameError> {
        if item.len() > MAX {
            Err(FrameError::too_large(MAX, item.len()))
        } else {
            Ok(HEADER_BYTES + item.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::codec::tests::{Random, check_at_every_split, frames_of};

    type Codec = LengthDelimited<4>;

    #[test]
    fn the_limit_holds_and_one_more_is_refused_by_the_header_alone() {
        let (frames, end) = frames_of::<Codec, _>(&[b"\0\0\0\x04abcd\0\0\0\0"], <[u8]>::to_vec);
        assert_eq!(frames, [b"abcd".to_vec(), b"".to_vec()]);
        assert_eq!(end, Ok(()));
        assert_eq!(Codec::default().decode(b"\0\0\0\x05"), Err(FrameError::too_large(4, 5)));
        let all_ones = FrameError::TooLarge { limit: 4, got: u64::from(u32::MAX) };
        assert_eq!(Codec::default().decode(&[0xff; 4]), Err(all_ones));
    }

    #[test]
    fn the_largest_limit_leaves_room_for_the_header() {
        const MAX: usize = u32::MAX as usize - 4;
        let mut codec = LengthDelimited::<MAX>;
        let largest = [0xff, 0xff, 0xff, 0xfb, 0];
        assert_eq!(codec.decode(&largest), Ok(Decoded::Incomplete { needed: u32::MAX as usize }));
        assert_eq!(codec.frame_bytes_max(), u32::MAX as usize);
        assert_eq!(codec.decode(&[0xff; 9]), Err(FrameError::too_large(MAX, u32::MAX as usize)));
    }

    #[test]
    fn a_header_or_a_payload_cut_short_is_truncated() {
        let mut codec = Codec::default();
        assert_eq!(codec.finish(b""), Ok(None));
        assert_eq!(codec.finish(b"\0\0\0"), Err(FrameError::Truncated { expected: 4, got: 3 }));
        assert_eq!(codec.finish(b"\0\0\0\x02a"), Err(FrameError::Truncated { expected: 6, got: 5 }));
    }

    #[test]
    fn splits_do_not_matter() {
        let mut random = Random(11);
        for _ in 0..200 {
            let mut stream = Vec::new();
            for _ in 0..random.below(6) {
                let payload = vec![b'x'; random.below(6)];
                let mut writer = LengthDelimited::<5>;
                assert_eq!(writer.encode(&payload, &mut stream), Ok(()));
            }
            stream.truncate(stream.len() - random.below(3).min(stream.len()));
            check_at_every_split::<Codec, _>(&stream, &mut random, <[u8]>::to_vec);
        }
    }

    #[test]
    fn what_is_above_the_limit_is_not_written() {
        let mut wire = Vec::new();
        assert_eq!(Codec::default().encode(b"12345", &mut wire), Err(FrameError::too_large(4, 5)));
        assert_eq!(wire, b"");
    }
}
