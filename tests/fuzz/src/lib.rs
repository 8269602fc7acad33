//! What the targets assert about every codec.
//!
//! Knows: how a connection feeds a codec, and what each format means, written plainly. Must not share code with the codecs.

#[cfg(feature = "canary")]
mod canary;

use odeon::net::codec::{Decode, Decoded, Encode, FrameError, next_frame};

#[cfg(feature = "canary")]
pub use canary::Lines;
#[cfg(not(feature = "canary"))]
pub use odeon::net::codec::Lines;

/// The limit of the codecs under test, small enough for inputs to reach it.
pub const MAX: usize = 40;

/// Frames of a stream, and whether it ended well.
pub type Outcome = (Vec<Vec<u8>>, bool);

/// Asserts that the stream in `data` (behind a seed of two bytes) decodes to what `twin` says, however it is cut.
pub fn check<D: Decode>(data: &[u8], own: fn(D::Frame<'_>) -> Vec<u8>, twin: fn(&[u8]) -> Outcome) {
    let Some((seed, stream)) = data.split_first_chunk::<2>() else { return };
    let expected = twin(stream);
    let whole = outcome::<D>(&[stream], own);
    assert_eq!(whole, expected, "a stream means what the format says");
    let singles: Vec<&[u8]> = stream.chunks(1).collect();
    let cut = cuts(stream, u16::from_le_bytes(*seed));
    for chunks in [singles, cut] {
        assert_eq!(outcome::<D>(&chunks, own), expected, "a stream means the same however it is cut");
    }
}

/// Asserts that frames which `E` accepts are read back by the twin as they were written, and counted right.
pub fn check_written<E: Encode>(
    frames: &[Vec<u8>],
    item: fn(&[u8]) -> Option<E::Item<'_>>,
    twin: fn(&[u8]) -> Outcome,
) {
    let mut codec = E::default();
    let mut wire = Vec::new();
    let mut written = Vec::new();
    for frame in frames {
        let Some(item) = item(frame) else { continue };
        let before = wire.len();
        let Ok(bytes) = codec.encoded_bytes(item) else { continue };
        assert_eq!(codec.encode(item, &mut wire), Ok(()), "what can be counted can be written");
        assert_eq!(wire.len() - before, bytes, "bytes are counted right");
        written.push(frame.clone());
    }
    assert_eq!(twin(&wire), (written, true), "what is written is read back");
}

/// Feeds `chunks` as a connection does, in a buffer that the codec's limit bounds.
fn outcome<D: Decode>(chunks: &[&[u8]], own: fn(D::Frame<'_>) -> Vec<u8>) -> Outcome {
    let mut codec = D::default();
    let (mut frames, mut received, mut start, mut needed) = (Vec::new(), Vec::new(), 0, 1);
    for chunk in chunks {
        received.extend_from_slice(chunk);
        while received.len() - start >= needed {
            match next_frame(&mut codec, &received[start..]) {
                Ok(Decoded::Frame { frame, consumed }) => {
                    frames.push(own(frame));
                    start += consumed;
                    needed = 1;
                }
                Ok(Decoded::Incomplete { needed: more }) => needed = more,
                Err(error) => {
                    assert!(!matches!(error, FrameError::Contract { .. }), "{error}");
                    return (frames, false);
                }
            }
        }
        assert!(
            received.len() - start < codec.frame_bytes_max(),
            "a frame's worth of bytes is a frame or an error"
        );
    }
    match codec.finish(&received[start..]) {
        Ok(last) => {
            frames.extend(last.map(own));
            (frames, true)
        }
        Err(_) => (frames, false),
    }
}

/// Cuts a stream by a seed: xorshift, after Marsaglia (2003).
fn cuts(stream: &[u8], seed: u16) -> Vec<&[u8]> {
    let mut state = u32::from(seed) | 1 << 16;
    let mut rest = stream;
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let (chunk, after) = rest.split_at(1 + state as usize % rest.len().min(7));
        chunks.push(chunk);
        rest = after;
    }
    chunks
}

/// What lines are.
pub fn lines(stream: &[u8]) -> Outcome {
    let mut frames = Vec::new();
    let mut rest = stream.to_vec();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let mut line: Vec<u8> = rest.drain(..end.unwrap_or(rest.len())).collect();
        if end.is_some() {
            rest.remove(0);
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if line.len() > MAX || String::from_utf8(line.clone()).is_err() {
            return (frames, false);
        }
        frames.push(line);
    }
    (frames, true)
}

/// What frames that end with a zero are.
pub fn delimited(stream: &[u8]) -> Outcome {
    let mut frames: Vec<Vec<u8>> = stream.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    let rest = frames.pop().unwrap_or_default();
    match frames.iter().position(|frame| frame.len() > MAX) {
        Some(index) => (frames[..index].to_vec(), false),
        None => (frames, rest.is_empty()),
    }
}

/// What frames with their length in front are.
pub fn length_delimited(stream: &[u8]) -> Outcome {
    let mut frames = Vec::new();
    let mut rest = stream.iter().copied();
    loop {
        let header: Vec<u8> = rest.by_ref().take(4).collect();
        if header.len() < 4 {
            return (frames, header.is_empty());
        }
        let length = header.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        if length > MAX as u64 {
            return (frames, false);
        }
        let payload: Vec<u8> = rest.by_ref().take(length as usize).collect();
        if (payload.len() as u64) < length {
            return (frames, false);
        }
        frames.push(payload);
    }
}

/// What frames of `MAX` bytes are.
pub fn fixed(stream: &[u8]) -> Outcome {
    let whole = stream.len() / MAX;
    let frames = (0..whole).map(|index| stream[index * MAX..(index + 1) * MAX].to_vec()).collect();
    (frames, stream.len() % MAX == 0)
}
