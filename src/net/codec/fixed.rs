//! Frames of one size.
//!
//! Knows: the size. Must not know what a frame means.

use super::{Decode, Decoded, Encode, FrameError, Sink};

/// Frames of exactly `SIZE` bytes.
///
/// **Costs**: a comparison. State: none.
///
/// ```
/// use odeon::net::codec::{Decode, Decoded, Fixed};
///
/// let mut codec = Fixed::<4>;
/// assert_eq!(codec.decode(b"12345")?, Decoded::Frame { frame: b"1234", consumed: 4 });
/// assert_eq!(codec.decode(b"5")?, Decoded::Incomplete { needed: 4 });
/// # Ok::<(), odeon::net::codec::FrameError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Fixed<const SIZE: usize>;

impl<const SIZE: usize> Decode for Fixed<SIZE> {
    type Frame<'a> = &'a [u8; SIZE];

    #[inline]
    fn decode<'a>(&mut self, bytes: &'a [u8]) -> Result<Decoded<&'a [u8; SIZE]>, FrameError> {
        const {
            assert!(
                SIZE > 0,
                "a frame of no bytes never ends; help: write how many bytes a frame has, `Fixed<16>`"
            )
        };
        Ok(match bytes.first_chunk() {
            Some(frame) => Decoded::Frame { frame, consumed: SIZE },
            None => Decoded::Incomplete { needed: SIZE },
        })
    }

    fn frame_bytes_max(&self) -> usize {
        SIZE
    }
}

impl<const SIZE: usize> Encode for Fixed<SIZE> {
    type Item<'a> = &'a [u8; SIZE];

    fn encode(&mut self, item: &[u8; SIZE], sink: &mut impl Sink) -> Result<(), FrameError> {
        sink.write(item);
        Ok(())
    }

    fn encoded_bytes(&mut self, _: &[u8; SIZE]) -> Result<usize, FrameError> {
        Ok(SIZE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::codec::tests::{Random, check_at_every_split, frames_of};

    #[test]
    fn a_stream_is_cut_into_frames_and_a_rest_is_truncated() {
        let (frames, end) = frames_of::<Fixed<3>, _>(&[b"abcdefg"], |frame| *frame);
        assert_eq!(frames, [*b"abc", *b"def"]);
        assert_eq!(end, Err(FrameError::Truncated { expected: 3, got: 1 }));
        let (frames, end) = frames_of::<Fixed<3>, _>(&[b"abc"], |frame| *frame);
        assert_eq!((frames.len(), end), (1, Ok(())));
    }

    #[test]
    fn splits_do_not_matter() {
        let mut random = Random(3);
        for length in 0..40 {
            let stream: Vec<u8> = (0..length).collect();
            check_at_every_split::<Fixed<5>, _>(&stream, &mut random, |frame| *frame);
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut wire = Vec::new();
        assert_eq!(Fixed::<3>.encode(b"abc", &mut wire), Ok(()));
        assert_eq!(Fixed::<3>.encoded_bytes(b"abc"), Ok(wire.len()));
        assert_eq!(Fixed::<3>.decode(&wire), Ok(Decoded::Frame { frame: b"abc", consumed: 3 }));
    }
}
