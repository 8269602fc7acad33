//! Why bytes are not a frame.
//!
//! Knows: what was expected and what was there. Must not know what becomes of the connection.

use std::fmt;

use crate::sys::Count;

/// Bytes that are not a frame, or an item that cannot be one. Each says what was expected and what was there. What
/// it prints may be told to the peer whose bytes they were: it quotes a few of them, and nothing else but the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// A frame above the limit of its codec.
    TooLarge {
        /// The most bytes allowed.
        limit: usize,
        /// The bytes that it has, or announces, or has so far without an end in sight.
        got: u64,
    },
    /// Bytes that the format does not allow.
    Malformed {
        /// Where, in bytes from the start of the frame.
        at: usize,
        /// What would have been right there.
        expected: &'static str,
        /// What was there.
        got: Excerpt,
    },
    /// The stream ended within a frame.
    Truncated {
        /// At least so many bytes would have been needed.
        expected: usize,
        /// So many were there.
        got: usize,
    },
    /// Text that is not UTF-8.
    NotUtf8 {
        /// Where, in bytes from the start of the frame.
        at: usize,
        /// What was there.
        got: Excerpt,
    },
    /// The codec itself is wrong: it consumed nothing, or more than there was, or waited for what it had.
    Contract {
        /// The number of bytes that it answered.
        answered: usize,
        /// The number of bytes that it was given.
        got: usize,
    },
}

impl FrameError {
    /// A frame of `got` bytes where at most `limit` are allowed.
    #[must_use]
    pub fn too_large(limit: usize, got: usize) -> FrameError {
        FrameError::TooLarge { limit, got: u64::try_from(got).unwrap_or(u64::MAX) }
    }

    /// `bytes` is wrong from `at` on, where there should have been `expected` (a phrase such as "a colon").
    #[must_use]
    pub fn malformed(bytes: &[u8], at: usize, expected: &'static str) -> FrameError {
        FrameError::Malformed { at, expected, got: Excerpt::of(bytes, at) }
    }

    /// `bytes` is not UTF-8 from `at` on.
    #[must_use]
    pub fn not_utf8(bytes: &[u8], at: usize) -> FrameError {
        FrameError::NotUtf8 { at, got: Excerpt::of(bytes, at) }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::TooLarge { limit, got } => {
                let limit_in_words = Count::of(*limit, "byte");
                write!(
                    out,
                    "frame too large: at most {limit_in_words} expected, got {got}; whoever reads sets the limit, as in \
                     `Lines<{limit}>` or `read_line({limit})`"
                )
            }
            FrameError::Malformed { at, expected, got } => {
                write!(out, "malformed frame: expected {expected} at byte {at}, got {got}")
            }
            FrameError::Truncated { expected, got } => {
                write!(
                    out,
                    "stream ended within a frame: at least {} expected, got {got}",
                    Count::of(*expected, "byte")
                )
            }
            FrameError::NotUtf8 { at, got } => {
                write!(out, "not UTF-8: expected text at byte {at}, got {got}")
            }
            FrameError::Contract { answered, got } => {
                write!(
                    out,
                    "the codec is wrong: it was given {} and answered {answered}",
                    Count::of(*got, "byte")
                )
            }
        }
    }
}

impl std::error::Error for FrameError {}

/// The first few bytes of what was found, so that a log line can show them. At most seven, copied, never allocated.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Excerpt {
    length: u8,
    bytes: [u8; Excerpt::BYTES_MAX],
}

impl Excerpt {
    /// The most bytes that an excerpt shows.
    pub const BYTES_MAX: usize = 7;

    /// Up to seven bytes of `bytes` from `at` on; none when `at` is behind the end.
    #[must_use]
    pub fn of(bytes: &[u8], at: usize) -> Excerpt {
        let mut excerpt = Excerpt::default();
        let rest = bytes.get(at..).unwrap_or_default();
        for (place, byte) in excerpt.bytes.iter_mut().zip(rest) {
            *place = *byte;
            excerpt.length += 1;
        }
        excerpt
    }

    /// The bytes shown.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bytes() {
            [] => write!(out, "nothing"),
            bytes => write!(out, "\"{}\"", bytes.escape_ascii()),
        }
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: FrameError, text: &str) {
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn errors_say_what_was_expected_and_what_was_there() {
        check(
            FrameError::too_large(10, 11),
            "frame too large: at most 10 bytes expected, got 11; whoever reads sets the limit, as in `Lines<10>` or \
             `read_line(10)`",
        );
        assert!(FrameError::too_large(1, 2).to_string().contains("at most 1 byte expected"));
        check(
            FrameError::malformed(b"GET / HTTP/1.1", 4, "a colon"),
            "malformed frame: expected a colon at byte 4, got \"/ HTTP/\"",
        );
        check(
            FrameError::malformed(b"12", 2, "a colon"),
            "malformed frame: expected a colon at byte 2, got nothing",
        );
        check(FrameError::not_utf8(b"a\xff\n", 1), "not UTF-8: expected text at byte 1, got \"\\xff\\n\"");
        check(
            FrameError::Truncated { expected: 9, got: 3 },
            "stream ended within a frame: at least 9 bytes expected, got 3",
        );
    }

    #[test]
    fn an_excerpt_is_bounded_and_may_start_behind_the_end() {
        assert_eq!(Excerpt::of(b"0123456789", 1).bytes(), b"1234567");
        assert_eq!(Excerpt::of(b"0123", usize::MAX).bytes(), b"");
        assert!(size_of::<FrameError>() <= 40);
    }
}
