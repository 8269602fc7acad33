//! Codecs: bytes to frames and frames to bytes, without any I/O.
//!
//! Knows: the shape of a frame and its limit. Must not know sockets, buffers, or who wants the frames.
//!
//! A codec sees everything that has been received and not yet consumed, as one slice, and answers with a frame borrowed
//! from it or with how many bytes it waits for. It owns no bytes. What it keeps between calls is a few bytes of progress,
//! one value per connection, so that a frame which arrives a byte at a time is still read once and not once per byte.
//!
//! | codec | a frame is | ends by |
//! |---|---|---|
//! | [`Lines`] | `&str` | `\n` or `\r\n` |
//! | [`Delimited`] | `&[u8]` | a byte of your choice |
//! | [`LengthDelimited`] | `&[u8]` | a length of 32 bits in front of it |
//! | [`Fixed`] | `&[u8; SIZE]` | its size |
//! | [`Raw`] | `&[u8]` | whatever has arrived |
//!
//! Every codec has a limit: a frame above it is [`FrameError::TooLarge`] as soon as that can be known, before memory is
//! set aside for it.
//!
//! # A codec of your own
//! Netstrings: a length in decimal, a colon, the bytes, a comma.
//!
//! ```
//! use odeon::net::codec::{Decode, Decoded, Encode, FrameError, Sink};
//!
//! #[derive(Default)]
//! struct Netstring;
//!
//! const PAYLOAD_BYTES_MAX: usize = 9_999;
//!
//! impl Decode for Netstring {
//!     type Frame<'a> = &'a [u8];
//!
//!     fn decode<'a>(&mut self, bytes: &'a [u8]) -> Result<Decoded<&'a [u8]>, FrameError> {
//!         let digits = bytes.iter().take(5).take_while(|byte| byte.is_ascii_digit()).count();
//!         match bytes.get(digits) {
//!             _ if digits > 4 => return Err(FrameError::malformed(bytes, 4, "at most four digits")),
//!             None => return Ok(Decoded::Incomplete { needed: digits + 1 }),
//!             Some(b':') if digits > 0 => {}
//!             Some(_) => return Err(FrameError::malformed(bytes, digits, "digits and a colon")),
//!         }
//!         let payload = bytes[..digits].iter().fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
//!         let comma = digits + 1 + payload;
//!         match bytes.get(comma) {
//!             None => Ok(Decoded::Incomplete { needed: comma + 1 }),
//!             Some(b',') => Ok(Decoded::Frame { frame: &bytes[digits + 1..comma], consumed: comma + 1 }),
//!             Some(_) => Err(FrameError::malformed(bytes, comma, "a comma")),
//!         }
//!     }
//!
//!     fn frame_bytes_max(&self) -> usize {
//!         "9999:,".len() + PAYLOAD_BYTES_MAX
//!     }
//! }
//!
//! impl Encode for Netstring {
//!     type Item<'a> = &'a [u8];
//!
//!     fn encode(&mut self, item: &[u8], sink: &mut impl Sink) -> Result<(), FrameError> {
//!         if item.len() > PAYLOAD_BYTES_MAX {
//!             return Err(FrameError::too_large(PAYLOAD_BYTES_MAX, item.len()));
//!         }
//!         sink.write(item.len().to_string().as_bytes());
//!         sink.write(b":");
//!         sink.write(item);
//!         sink.write(b",");
//!         Ok(())
//!     }
//! }
//!
//! let mut wire = Vec::new();
//! Netstring.encode(b"hello", &mut wire)?;
//! assert_eq!(wire, b"5:hello,");
//! assert_eq!(Netstring.decode(&wire)?, Decoded::Frame { frame: b"hello".as_slice(), consumed: 8 });
//! assert_eq!(Netstring.decode(&wire[..3])?, Decoded::Incomplete { needed: 8 });
//! assert!(Netstring.decode(b"GET / HTTP/1.1").is_err());
//! # Ok::<(), FrameError>(())
//! ```

mod delimited;
mod error;
mod fixed;
mod length_delimited;
mod lines;
mod raw;

pub use delimited::Delimited;
pub use error::{Excerpt, FrameError};
pub use fixed::Fixed;
pub use length_delimited::LengthDelimited;
pub use lines::Lines;
pub use raw::Raw;

/// Finds frames in received bytes. One value per connection, made by `Default`; keep it within a few bytes.
///
/// **Costs** of the codecs here: no allocation, no copy, and every byte is looked at once however it arrives.
///
/// Answers are checked by [`next_frame`] before anyone relies on them, so a codec with a mistake costs its connection and
/// nothing else. A codec must not panic on any input: bytes are whatever a stranger sends.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a codec",
    label = "received bytes cannot become frames by this",
    note = "use `Lines`, `Delimited`, `LengthDelimited`, `Fixed` or `Raw`, or implement `Decode` for a codec of your own"
)]
pub trait Decode: Default + 'static {
    /// What is found, borrowed from the received bytes.
    type Frame<'a>;

    /// Looks for one frame at the start of `bytes`: everything received and not yet consumed.
    ///
    /// After [`Decoded::Frame`] the next call starts behind the bytes that were consumed. After [`Decoded::Incomplete`] the
    /// next call brings the same bytes and more.
    ///
    /// # Errors
    /// When what is there cannot become a frame. The stream has lost its place: nothing after it is decoded.
    fn decode<'a>(&mut self, bytes: &'a [u8]) -> Result<Decoded<Self::Frame<'a>>, FrameError>;

    /// The stream has ended, and `rest` is what [`Decode::decode`] called incomplete: a last frame, or none.
    ///
    /// Unless a codec says otherwise, nothing may be left.
    ///
    /// # Errors
    /// [`FrameError::Truncated`] when the stream ended within a frame.
    fn finish<'a>(&mut self, rest: &'a [u8]) -> Result<Option<Self::Frame<'a>>, FrameError> {
        if rest.is_empty() {
            return Ok(None);
        }
        match self.decode(rest)? {
            Decoded::Incomplete { needed } => {
                Err(FrameError::Truncated { expected: needed, got: rest.len() })
            }
            Decoded::Frame { .. } => Err(FrameError::malformed(rest, 0, UNREAD)),
        }
    }

    /// The most bytes that one frame can need, with its delimiter or header. Never unlimited, never zero.
    fn frame_bytes_max(&self) -> usize;
}

/// What [`Decode::decode`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded<F> {
    /// A whole frame, in the first `consumed` bytes: at least one, delimiter and header included.
    Frame {
        /// The frame.
        frame: F,
        /// How many bytes it took.
        consumed: usize,
    },
    /// Not yet. It is pointless to ask again before there are `needed` bytes in all, which is more than there are now.
    ///
    /// A stranger chose this figure, within [`Decode::frame_bytes_max`]: wait for so many bytes, but do not set memory
    /// aside for them before they come.
    Incomplete {
        /// Bytes in all, those that are there included.
        needed: usize,
    },
}

/// A frame that a handler which takes a `T` can be given: a `T`. Never implemented by hand; it is there for the words of the
/// compiler.
#[diagnostic::on_unimplemented(
    message = "the codec of this actor makes `{Self}` of what it receives, and its `#[frame]` takes `{T}`",
    label = "the frames are of type `{Self}`",
    note = "help: take what the codec makes, or choose another codec: `Lines` makes `&str`, `Fixed<N>` makes `&[u8; N]`, and \
            `Delimited`, `LengthDelimited` and `Raw` make `&[u8]`"
)]
#[doc(hidden)]
pub trait FrameFor<T> {
    /// The frame, as the handler takes it.
    fn hand_over(self) -> T;
}

#[diagnostic::do_not_recommend]
impl<T> FrameFor<T> for T {
    #[inline(always)]
    fn hand_over(self) -> T {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<'a, const N: usize> FrameFor<&'a [u8]> for &'a [u8; N] {
    #[inline(always)]
    fn hand_over(self) -> &'a [u8] {
        self
    }
}

/// The frame, as a handler takes it.
#[doc(hidden)]
#[inline(always)]
pub fn hand_over<T, F: FrameFor<T>>(frame: F) -> T {
    frame.hand_over()
}

/// Writes frames. The codecs that read a format write it too.
pub trait Encode: Default + 'static {
    /// What is written: something borrowed.
    type Item<'a>: Copy;

    /// Writes one frame into `sink`, in as many pieces as it has: nothing is put together beforehand.
    ///
    /// # Errors
    /// When the item has no encoding or is above the limit. Then what `sink` got is void.
    fn encode(&mut self, item: Self::Item<'_>, sink: &mut impl Sink) -> Result<(), FrameError>;

    /// How many bytes [`Encode::encode`] will write for this item, so that room can be set aside for all of them before the
    /// first is committed. By default it encodes once to count; codecs that know better say so.
    ///
    /// # Errors
    /// The same as those of [`Encode::encode`].
    fn encoded_bytes(&mut self, item: Self::Item<'_>) -> Result<usize, FrameError> {
        let mut count = ByteCount::default();
        self.encode(item, &mut count)?;
        Ok(count.bytes)
    }
}

/// Where encoded bytes go. It takes everything: room was made by [`Encode::encoded_bytes`].
pub trait Sink {
    /// Appends `bytes`.
    fn write(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn write(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// A sink that only counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ByteCount {
    /// Bytes written so far.
    pub bytes: usize,
}

impl Sink for ByteCount {
    fn write(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len());
    }
}

const UNREAD: &str = "every whole frame to be taken before the end";

/// Asks a codec for the next frame and holds it to its contract. This is what a connection calls.
///
/// Guarantees, whatever the codec does: a frame consumes at least one byte and at most all of them; an incomplete frame needs
/// more bytes than there are, and never more than the codec's limit, so a buffer of
/// [`frame_bytes_max`](Decode::frame_bytes_max) bytes always suffices.
///
/// # Errors
/// Those of the codec; [`FrameError::TooLarge`] where it waits for more than its own limit; [`FrameError::Contract`] where
/// its answer is impossible.
///
/// ```
/// use odeon::net::codec::{Decoded, Lines, next_frame};
///
/// let mut codec = Lines::<80>::default();
/// assert_eq!(next_frame(&mut codec, b"one\ntwo")?, Decoded::Frame { frame: "one", consumed: 4 });
/// assert_eq!(next_frame(&mut codec, b"two")?, Decoded::Incomplete { needed: 4 });
/// # Ok::<(), odeon::net::codec::FrameError>(())
/// ```
#[inline]
pub fn next_frame<'a, D: Decode>(
    codec: &mut D,
    bytes: &'a [u8],
) -> Result<Decoded<D::Frame<'a>>, FrameError> {
    let decoded = codec.decode(bytes)?;
    let got = bytes.len();
    match decoded {
        Decoded::Frame { consumed, .. } if consumed == 0 || consumed > got => {
            Err(FrameError::Contract { answered: consumed, got })
        }
        Decoded::Incomplete { needed } if needed <= got => {
            Err(FrameError::Contract { answered: needed, got })
        }
        Decoded::Incomplete { needed } if needed > codec.frame_bytes_max() => {
            Err(FrameError::too_large(codec.frame_bytes_max(), needed))
        }
        decoded => Ok(decoded),
    }
}

#[cfg(test)]
mod tests;
