//! A codec with a seeded bug, to prove that the rig finds one.

use odeon::net::codec::{self, Decode, Decoded, Encode, FrameError, Sink};

/// Lines, but a stream that is cut between `\r` and `\n` loses its place by a byte.
#[derive(Default)]
pub struct Lines<const MAX: usize> {
    inner: codec::Lines<MAX>,
    cut_behind_return: Option<usize>,
}

impl<const MAX: usize> Decode for Lines<MAX> {
    type Frame<'a> = &'a str;

    fn decode<'a>(&mut self, bytes: &'a [u8]) -> Result<Decoded<&'a str>, FrameError> {
        let cut = self.cut_behind_return.take();
        match self.inner.decode(bytes)? {
            Decoded::Frame { frame, consumed } if cut == Some(consumed - 1) => {
                Ok(Decoded::Frame { frame, consumed: consumed - 1 })
            }
            decoded => {
                self.cut_behind_return = bytes.ends_with(b"\r").then_some(bytes.len());
                Ok(decoded)
            }
        }
    }

    fn finish<'a>(&mut self, rest: &'a [u8]) -> Result<Option<&'a str>, FrameError> {
        self.inner.finish(rest)
    }

    fn frame_bytes_max(&self) -> usize {
        self.inner.frame_bytes_max()
    }
}

impl<const MAX: usize> Encode for Lines<MAX> {
    type Item<'a> = &'a str;

    fn encode(&mut self, item: &str, sink: &mut impl Sink) -> Result<(), FrameError> {
        self.inner.encode(item, sink)
    }
}
