//! Lines of text.
//!
//! Knows: line ends and UTF-8. Must not know what a line means.

use super::delimited::Search;
use super::{Decode, Decoded, Encode, FrameError, Sink};

/// The longest line end: `\r\n`.
const END_BYTES_MAX: usize = 2;

/// Lines of UTF-8 text of at most `MAX` bytes, the line end not counted. A line ends with `\n` or `\r\n`, which is not part
/// of it; at the end of the stream a last line needs none. A `\r` elsewhere is an ordinary character.
///
/// Written lines end with `\n`. Text that ends with `\r` therefore goes out as a line that ends with `\r\n`. Text with a `\n`
/// in it is refused by `send_frame`: the peer would read it as two lines, and if the text came from a stranger, the second would be theirs.
///
/// **Costs**: one search for `\n`, each byte once however it arrives, and one check of UTF-8 for a whole line. State: 4 bytes.
///
/// ```
/// use odeon::net::codec::{Decode, Decoded, Encode, Lines};
///
/// let mut codec = Lines::<80>::default();
/// assert_eq!(codec.decode(b"one\r\ntwo")?, Decoded::Frame { frame: "one", consumed: 5 });
/// assert_eq!(codec.decode(b"two")?, Decoded::Incomplete { needed: 4 });
/// assert_eq!(codec.finish(b"two")?, Some("two"));
///
/// let mut wire = Vec::new();
/// codec.encode("one", &mut wire)?;
/// assert_eq!(wire, b"one\n");
/// assert!(codec.encode("one\nQUIT", &mut wire).is_err());
/// # Ok::<(), odeon::net::codec::FrameError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Lines<const MAX: usize = 8192> {
    search: Search,
}

impl<const MAX: usize> Lines<MAX> {
    const FRAME_BYTES_MAX: usize = {
        assert!(MAX <= u32::MAX as usize - END_BYTES_MAX, "the limit of a line must fit 32 bits");
        MAX + END_BYTES_MAX
    };
}

impl<const MAX: usize> Decode for Lines<MAX> {
    type Frame<'a> = &'a str;

    #[inline]
    fn decode<'a>(&mut self, bytes: &'a [u8]) -> Result<Decoded<&'a str>, FrameError> {
        match self.search.find(b'\n', bytes, Self::FRAME_BYTES_MAX) {
            Some(end) => Ok(Decoded::Frame { frame: line::<MAX>(&bytes[..end])?, consumed: end + 1 }),
            None if without_return(bytes).len() > MAX => Err(too_long::<MAX>(bytes)),
            None => Ok(Decoded::Incomplete { needed: bytes.len() + 1 }),
        }
    }

    fn finish<'a>(&mut self, rest: &'a [u8]) -> Result<Option<&'a str>, FrameError> {
        match self.decode(rest)? {
            Decoded::Frame { .. } => Err(FrameError::malformed(rest, 0, super::UNREAD)),
            Decoded::Incomplete { .. } if rest.is_empty() => Ok(None),
            Decoded::Incomplete { .. } => line::<MAX>(rest).map(Some),
        }
    }

    fn frame_bytes_max(&self) -> usize {
        Self::FRAME_BYTES_MAX
    }
}

/// The error for a line that begins these bytes: it may end among them.
#[cold]
fn too_long<const MAX: usize>(bytes: &[u8]) -> FrameError {
    let line = memchr::memchr(b'\n', bytes).map_or(bytes, |end| without_return(&bytes[..end]));
    FrameError::too_large(MAX, line.len())
}

/// The text of a line whose `\n` has been cut off.
#[inline]
fn line<const MAX: usize>(bytes: &[u8]) -> Result<&str, FrameError> {
    let bytes = without_return(bytes);
    if bytes.len() > MAX {
        return Err(FrameError::too_large(MAX, bytes.len()));
    }
    std::str::from_utf8(bytes).map_err(|error| FrameError::not_utf8(bytes, error.valid_up_to()))
}

#[inline]
fn without_return(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

impl<const MAX: usize> Encode for Lines<MAX> {
    type Item<'a> = &'a str;

    fn encode(&mut self, item: &str, sink: &mut impl Sink) -> Result<(), FrameError> {
        self.encoded_bytes(item)?;
        sink.write(item.as_bytes());
        sink.write(b"\n");
        Ok(())
    }

    fn encoded_bytes(&mut self, item: &str) -> Result<usize, FrameError> {
        let bytes = item.as_bytes();
        if without_return(bytes).len() > MAX {
            return Err(FrameError::too_large(MAX, bytes.len()));
        }
        match memchr::memchr(b'\n', bytes) {
            Some(at) => Err(FrameError::malformed(bytes, at, "no line end within a line")),
            None => Ok(bytes.len() + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::codec::tests::{Random, check_at_every_split, frames_of};

    type Codec = Lines<4>;

    fn check(stream: &[u8], lines: &[&str], end: Result<(), FrameError>) {
        let (found, how) = frames_of::<Codec, _>(&[stream], str::to_owned);
        assert_eq!(found, lines, "of {:?}", stream.escape_ascii().to_string());
        assert_eq!(how, end, "of {:?}", stream.escape_ascii().to_string());
    }

    #[test]
    fn both_line_ends_end_a_line_and_the_last_needs_none() {
        check(b"", &[], Ok(()));
        check(b"\n", &[""], Ok(()));
        check(b"\r\n", &[""], Ok(()));
        check(b"a\nb\r\n\nc", &["a", "b", "", "c"], Ok(()));
        check(b"a\rb\n", &["a\rb"], Ok(()));
        check(b"a\r\r\n", &["a\r"], Ok(()));
        check(b"a\n\r", &["a", ""], Ok(()));
    }

    #[test]
    fn the_limit_counts_the_text_and_not_its_end() {
        check(b"1234\n1234\r\n1234", &["1234"; 3], Ok(()));
        check(b"1234\r", &["1234"], Ok(()));
        check(b"12345\n", &[], Err(FrameError::too_large(4, 5)));
        check(b"12345", &[], Err(FrameError::too_large(4, 5)));
        check(b"12345\r\n", &[], Err(FrameError::too_large(4, 5)));
        check(b"1234567\nnext\nnext\n", &[], Err(FrameError::too_large(4, 7)));
        check(b"1234\rx", &[], Err(FrameError::too_large(4, 6)));
        check(b"1234\r\r\n", &[], Err(FrameError::too_large(4, 5)));
    }

    #[test]
    fn a_line_that_is_too_long_is_refused_at_its_first_byte_too_many() {
        let mut codec = Codec::default();
        assert_eq!(codec.decode(b"1234"), Ok(Decoded::Incomplete { needed: 5 }));
        assert_eq!(codec.decode(b"1234\r"), Ok(Decoded::Incomplete { needed: 6 }));
        assert!(codec.decode(b"1234\rx").is_err());
        assert!(Codec::default().decode(b"12345").is_err());
    }

    #[test]
    fn text_that_is_not_utf8_is_refused_and_a_character_may_be_split() {
        check(b"a\xffb\n", &[], Err(FrameError::not_utf8(b"a\xffb", 1)));
        check(b"\xc3", &[], Err(FrameError::not_utf8(b"\xc3", 0)));
        let (lines, end) = frames_of::<Codec, _>(&[b"\xc3", b"\xbc", b"\n"], str::to_owned);
        assert_eq!((lines, end), (vec!["ü".to_owned()], Ok(())));
    }

    #[test]
    fn bytes_that_come_one_at_a_time_are_searched_once() {
        let line = vec![b'x'; 1000];
        let mut codec = Lines::<1000>::default();
        for end in 1..=line.len() {
            assert_eq!(codec.decode(&line[..end]), Ok(Decoded::Incomplete { needed: end + 1 }));
            // A line end put where the search has been is not seen: it does not look there again.
            let mut altered = line[..end].to_vec();
            altered[end - 1] = b'\n';
            assert_eq!(codec.clone().decode(&altered), Ok(Decoded::Incomplete { needed: end + 1 }));
        }
    }

    #[test]
    fn a_shorter_input_than_before_is_survived() {
        let mut codec = Codec::default();
        assert_eq!(codec.decode(b"123"), Ok(Decoded::Incomplete { needed: 4 }));
        assert_eq!(codec.decode(b""), Ok(Decoded::Incomplete { needed: 1 }));
        assert_eq!(codec.decode(b"\n"), Ok(Decoded::Frame { frame: "", consumed: 1 }));
    }

    #[test]
    fn splits_do_not_matter() {
        let mut random = Random(5);
        for _ in 0..400 {
            let stream: Vec<u8> =
                (0..random.below(30)).map(|_| b"ab\n\r\xc3\xbc\n"[random.below(7)]).collect();
            check_at_every_split::<Codec, _>(&stream, &mut random, str::to_owned);
        }
    }

    #[test]
    fn what_is_written_is_one_line() {
        let mut wire = Vec::new();
        let mut codec = Codec::default();
        assert_eq!(codec.encode("1234", &mut wire), Ok(()));
        assert_eq!(codec.encode("1234\r", &mut wire), Ok(()));
        assert_eq!(codec.encode("12345", &mut wire), Err(FrameError::too_large(4, 5)));
        assert!(matches!(codec.encode("1\n", &mut wire), Err(FrameError::Malformed { at: 1, .. })));
        assert_eq!(wire, b"1234\n1234\r\n");
        assert_eq!(codec.encoded_bytes("1234"), Ok(5));
    }
}
