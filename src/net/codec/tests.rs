//! What the tests of all codecs share, and the tests of what all codecs share.
//!
//! Knows: how a connection feeds a codec. Must not know a single format.

use super::{Decode, Decoded, Encode, FrameError, Sink, next_frame};

/// Random numbers from a seed: splitmix64, after Steele, Lea and Flood (2014).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// Feeds `chunks` one after another as a connection does, asking only when as many bytes are there as the codec needs.
/// Answers the frames, and how the stream ended.
pub(super) fn frames_of<D: Decode, O>(
    chunks: &[&[u8]],
    own: impl Fn(D::Frame<'_>) -> O,
) -> (Vec<O>, Result<(), FrameError>) {
    let mut codec = D::default();
    let mut frames = Vec::new();
    let mut received = Vec::new();
    let mut start = 0;
    let mut needed = 1;
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
                Err(error) => return (frames, Err(error)),
            }
        }
    }
    let end = codec.finish(&received[start..]).map(|frame| frames.extend(frame.map(&own)));
    (frames, end)
}

pub(super) fn random_chunks<'a>(stream: &'a [u8], random: &mut Random) -> Vec<&'a [u8]> {
    let mut rest = stream;
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(1 + random.below(rest.len().min(9)));
        chunks.push(chunk);
        rest = after;
    }
    chunks
}

/// Asserts that a stream means the same in one piece, in single bytes, cut in two anywhere, and cut at random.
pub(super) fn check_at_every_split<D: Decode, O: PartialEq + std::fmt::Debug>(
    stream: &[u8],
    random: &mut Random,
    own: impl Fn(D::Frame<'_>) -> O,
) {
    let (frames, end) = frames_of::<D, _>(&[stream], &own);
    let check = |chunks: &[&[u8]]| {
        let (split_frames, split_end) = frames_of::<D, _>(chunks, &own);
        assert_eq!(split_frames, frames, "{chunks:?}");
        // How much of a frame that is too large has been seen when it is refused depends on the split.
        assert_eq!(split_end.map_err(kind), end.map_err(kind), "{chunks:?}");
    };
    check(&stream.chunks(1).collect::<Vec<_>>());
    for at in 0..=stream.len() {
        check(&[&stream[..at], &stream[at..]]);
    }
    for _ in 0..5 {
        check(&random_chunks(stream, random));
    }
}

fn kind(error: FrameError) -> std::mem::Discriminant<FrameError> {
    std::mem::discriminant(&error)
}

/// A codec that answers as it was told.
#[derive(Default)]
struct Parrot(Option<Decoded<()>>);

impl Decode for Parrot {
    type Frame<'a> = ();

    fn decode(&mut self, _: &[u8]) -> Result<Decoded<()>, FrameError> {
        Ok(self.0.expect("the test sets an answer"))
    }

    fn frame_bytes_max(&self) -> usize {
        8
    }
}

#[test]
fn a_codec_that_breaks_its_contract_costs_an_error_and_no_more() {
    let ask = |answer| next_frame(&mut Parrot(Some(answer)), b"four");
    let frame = |consumed| Decoded::Frame { frame: (), consumed };
    let incomplete = |needed| Decoded::Incomplete { needed };
    assert_eq!(ask(frame(1)), Ok(frame(1)));
    assert_eq!(ask(frame(4)), Ok(frame(4)));
    assert_eq!(ask(frame(0)), Err(FrameError::Contract { answered: 0, got: 4 }));
    assert_eq!(ask(frame(5)), Err(FrameError::Contract { answered: 5, got: 4 }));
    assert_eq!(ask(incomplete(4)), Err(FrameError::Contract { answered: 4, got: 4 }));
    assert_eq!(ask(incomplete(5)), Ok(incomplete(5)));
    assert_eq!(ask(incomplete(8)), Ok(incomplete(8)));
    assert_eq!(ask(incomplete(9)), Err(FrameError::too_large(8, 9)));
}

#[test]
fn the_end_of_a_stream_with_a_whole_frame_unread_is_an_error() {
    let mut codec = Parrot(Some(Decoded::Frame { frame: (), consumed: 1 }));
    assert!(matches!(codec.finish(b"x"), Err(FrameError::Malformed { .. })));
    assert_eq!(codec.finish(b""), Ok(None));
}

#[test]
fn bytes_are_counted_by_encoding_unless_a_codec_knows_better() {
    #[derive(Default)]
    struct Quoted;
    impl Encode for Quoted {
        type Item<'a> = &'a str;
        fn encode(&mut self, item: &str, sink: &mut impl Sink) -> Result<(), FrameError> {
            sink.write(b"\"");
            sink.write(item.as_bytes());
            sink.write(b"\"");
            Ok(())
        }
    }
    assert_eq!(Quoted.encoded_bytes("text"), Ok(6));
}

#[test]
fn a_codec_is_a_few_bytes_per_connection() {
    assert!(size_of::<super::Lines>() <= 8);
    assert!(size_of::<super::Delimited<0>>() <= 8);
    assert_eq!(
        size_of::<super::LengthDelimited>() + size_of::<super::Raw>() + size_of::<super::Fixed<1>>(),
        0
    );
}
