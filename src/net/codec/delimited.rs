//! Frames that end with a delimiter of one byte.
//!
//! Knows: how far it has looked. Must not know what a frame means.

use super::{Decode, Decoded, Encode, FrameError, Sink};

/// How far a stream has been searched for a delimiter, so that no byte is searched twice.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Search {
    /// So many bytes at the start of the input are known to hold no delimiter.
    clean: u32,
}

impl Search {
    /// Where the first delimiter is among the first `bytes_max` bytes. Found: the search starts anew with the next frame.
    #[inline]
    pub(super) fn find(&mut self, delimiter: u8, bytes: &[u8], bytes_max: usize) -> Option<usize> {
        let window = &bytes[..bytes.len().min(bytes_max)];
        let clean = (self.clean as usize).min(window.len());
        let found = memchr::memchr(delimiter, &window[clean..]).map(|index| clean + index);
        // The window is bounded by a limit of at most 32 bits, which every codec checks when it is compiled.
        self.clean = if found.is_some() { 0 } else { window.len() as u32 };
        found
    }
}

/// Frames that end with the byte `DELIMITER`, which is not part of them, of at most `MAX` bytes.
///
/// At the end of the stream, a last frame without its delimiter is an error: it may be half of one.
///
/// **Costs**: one search for the delimiter, each byte once. State: 4 bytes.
///
/// ```
/// use odeon::net::codec::{Decode, Decoded, Delimited, Encode};
///
/// let mut codec = Delimited::<0, 100>::default();
/// assert_eq!(codec.decode(b"one\0two")?, Decoded::Frame { frame: b"one".as_slice(), consumed: 4 });
/// assert_eq!(codec.decode(b"two")?, Decoded::Incomplete { needed: 4 });
///
/// let mut wire = Vec::new();
/// codec.encode(b"one", &mut wire)?;
/// assert_eq!(wire, b"one\0");
/// assert!(codec.encode(b"t\0wo", &mut wire).is_err(), "it would be read as two");
/// # Ok::<(), odeon::net::codec::FrameError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Delimited<const DELIMITER: u8, const MAX: usize = 8192> {
    search: Search,
}

impl<const DELIMITER: u8, const MAX: usize> Decode for Delimited<DELIMITER, MAX> {
    type Frame<'a> = &'a [u8];

    #[inline]
    fn decode<'a>(&mut self, bytes: &'a [u8]) -> Result<Decoded<&'a [u8]>, FrameError> {
        const { assert!(MAX < u32::MAX as usize, "the limit of a frame must fit 32 bits") };
        match self.search.find(DELIMITER, bytes, MAX + 1) {
            Some(end) => Ok(Decoded::Frame { frame: &bytes[..end], consumed: end + 1 }),
            None if bytes.len() > MAX => Err(too_long::<DELIMITER, MAX>(bytes)),
            None => Ok(Decoded::Incomplete { needed: bytes.len() + 1 }),
        }
    }

    fn frame_bytes_max(&self) -> usize {
        MAX + 1
    }
}

/// The error for a frame that begins these bytes: it may end among them.
#[cold]
fn too_long<const DELIMITER: u8, const MAX: usize>(bytes: &[u8]) -> FrameError {
    FrameError::too_large(MAX, memchr::memchr(DELIMITER, bytes).unwrap_or(bytes.len()))
}

impl<const DELIMITER: u8, const MAX: usize> Encode for Delimited<DELIMITER, MAX> {
    type Item<'a> = &'a [u8];

    fn encode(&mut self, item: &[u8], sink: &mut impl Sink) -> Result<(), FrameError> {
        self.encoded_bytes(item)?;
        sink.write(item);
        sink.write(&[DELIMITER]);
        Ok(())
    }

    fn encoded_bytes(&mut self, item: &[u8]) -> Result<usize, FrameError> {
        if item.len() > MAX {
            return Err(FrameError::too_large(MAX, item.len()));
        }
        match memchr::memchr(DELIMITER, item) {
            Some(at) => Err(FrameError::malformed(item, at, "no delimiter within a frame")),
            None => Ok(item.len() + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::codec::tests::{Random, check_at_every_split, frames_of};

    type Codec = Delimited<b';', 4>;

    #[test]
    fn frames_may_be_empty_and_as_long_as_the_limit() {
        let (frames, end) = frames_of::<Codec, _>(&[b";a;1234;"], <[u8]>::to_vec);
        assert_eq!(frames, [b"".to_vec(), b"a".to_vec(), b"1234".to_vec()]);
        assert_eq!(end, Ok(()));
    }

    #[test]
    fn one_byte_above_the_limit_is_too_large_with_or_without_its_delimiter() {
        for stream in [b"12345".as_slice(), b"12345;"] {
            let (_, end) = frames_of::<Codec, _>(&[stream], <[u8]>::to_vec);
            assert_eq!(end, Err(FrameError::too_large(4, 5)));
        }
        assert_eq!(Codec::default().decode(b"1234"), Ok(Decoded::Incomplete { needed: 5 }));
    }

    #[test]
    fn a_frame_without_its_delimiter_is_truncated() {
        let (_, end) = frames_of::<Codec, _>(&[b"a;b"], <[u8]>::to_vec);
        assert_eq!(end, Err(FrameError::Truncated { expected: 2, got: 1 }));
    }

    #[test]
    fn splits_do_not_matter() {
        let mut random = Random(7);
        for _ in 0..200 {
            let stream: Vec<u8> = (0..random.below(40)).map(|_| b"ab;"[random.below(3)]).collect();
            check_at_every_split::<Codec, _>(&stream, &mut random, <[u8]>::to_vec);
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_never_as_two() {
        let mut wire = Vec::new();
        let mut codec = Codec::default();
        assert_eq!(codec.encode(b"1234", &mut wire), Ok(()));
        assert_eq!(codec.encode(b"12345", &mut wire), Err(FrameError::too_large(4, 5)));
        let error = FrameError::malformed(b"1;2", 1, "no delimiter within a frame");
        assert_eq!(codec.encode(b"1;2", &mut wire), Err(error));
        assert_eq!(wire, b"1234;");
    }
}
