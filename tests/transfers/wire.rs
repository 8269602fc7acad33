//! What is sent: bytes that say where they belong, as a stream of the shape that a codec wants.
//!
//! Knows: shapes, a seed, positions. Must not know sockets. Holds none of the bytes, however many there are.

use odeon::sys::Random;

/// The shape of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Bytes,
    /// Lines, each with its end.
    Lines,
    /// Frames, each behind its length.
    Frames,
}

/// The longest line or frame.
pub(crate) const FRAME_BYTES_MAX: usize = 60_000;

/// The bytes of one transfer from a place on. What is sent and what is expected are two of these with the same seed.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    shape: Shape,
    seed: u64,
    sizes: Random,
    position: u64,
    length: u64,
    /// Where the line or frame began that has begun last.
    began: u64,
    head: [u8; 4],
    head_left: usize,
    body_left: u64,
    end_left: bool,
}

impl Wire {
    /// A stream of so many bytes, which are whole lines or frames: of frames, at least four.
    pub(crate) fn new(shape: Shape, seed: u64, length: u64) -> Wire {
        Wire {
            shape,
            seed,
            sizes: Random::new(seed),
            position: 0,
            length: if shape == Shape::Frames { length.max(4) } else { length },
            began: 0,
            head: [0; 4],
            head_left: 0,
            body_left: 0,
            end_left: false,
        }
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Writes what comes next; answers how many bytes that was: fewer than there is room for at the end only.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < bytes.len() && self.position < self.length {
            let count = self.step(&mut bytes[filled..]);
            filled += count;
            self.position += count as u64;
        }
        filled
    }

    fn step(&mut self, room: &mut [u8]) -> usize {
        if self.head_left == 0 && self.body_left == 0 && !self.end_left {
            self.begin();
        }
        if self.head_left > 0 {
            room[0] = self.head[4 - self.head_left];
            self.head_left -= 1;
            1
        } else if self.body_left > 0 {
            let count = usize::try_from(self.body_left).map_or(room.len(), |left| left.min(room.len()));
            self.body(&mut room[..count]);
            self.body_left -= count as u64;
            count
        } else if self.end_left {
            room[0] = b'\n';
            self.end_left = false;
            1
        } else {
            // A frame of nothing has a head, a line of nothing an end.
            unreachable!("what has begun has a byte")
        }
    }

    fn begin(&mut self) {
        self.began = self.position;
        let left = self.length - self.position;
        let wanted = log_uniform(&mut self.sizes, FRAME_BYTES_MAX as u64 - 4) - 1;
        match self.shape {
            Shape::Bytes => self.body_left = left,
            Shape::Lines => {
                self.body_left = wanted.min(left - 1);
                self.end_left = true;
            }
            Shape::Frames => {
                let room = left - 4;
                // What is left must be nothing, or have room for another length.
                let body = if room < wanted + 4 { room.min(FRAME_BYTES_MAX as u64) } else { wanted };
                self.head = u32::try_from(body).expect("frames are short").to_be_bytes();
                (self.head_left, self.body_left) = (4, body);
            }
        }
    }

    /// Eight bytes at a time depend on where they are, so that none can be missing, doubled, or in the place of another.
    fn body(&self, mut bytes: &mut [u8]) {
        let mut position = self.position;
        while !bytes.is_empty() {
            let mut word = mixed(self.seed ^ (position >> 3));
            if self.shape == Shape::Lines {
                // Letters and signs, no line end among them.
                word = word & 0x3f3f_3f3f_3f3f_3f3f | 0x4040_4040_4040_4040;
            }
            let from = (position & 7) as usize;
            let count = (8 - from).min(bytes.len());
            let (now, later) = bytes.split_at_mut(count);
            now.copy_from_slice(&word.to_le_bytes()[from..from + count]);
            position += count as u64;
            bytes = later;
        }
    }

    /// What an echo makes of the first `cut` bytes, if the stream ends there.
    pub(crate) fn answer_to(mut self, cut: u64) -> Answer {
        let mut bytes = [0; 4096];
        while self.position < cut {
            let most = usize::try_from(cut - self.position).map_or(bytes.len(), |left| left.min(bytes.len()));
            if self.fill(&mut bytes[..most]) == 0 {
                break;
            }
        }
        let in_the_middle = self.head_left > 0 || self.body_left > 0 || self.end_left;
        match self.shape {
            Shape::Frames if in_the_middle => Answer { bytes: self.began, line_end: false, malformed: true },
            // The last line needs no end, and is answered with one.
            Shape::Lines if in_the_middle => {
                Answer { bytes: self.position, line_end: true, malformed: false }
            }
            _ => Answer { bytes: self.position, line_end: false, malformed: false },
        }
    }
}

/// How an echo answers a stream, or the part of it that it has received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    /// So many of its bytes come back.
    pub(crate) bytes: u64,
    /// With a line end behind them that was not among them.
    pub(crate) line_end: bool,
    /// The codec misses something.
    pub(crate) malformed: bool,
}

/// From 1 to `most`, small ones as likely as large ones.
pub(crate) fn log_uniform(random: &mut Random, most: u64) -> u64 {
    let bits = u64::BITS - most.leading_zeros();
    let below = 2 << random.below(u64::from(bits));
    1 + random.below(u64::min(below, most))
}

/// The finalizer of `SplitMix64`.
fn mixed(word: u64) -> u64 {
    let mut mixed = word.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

mod tests {
    use super::*;

    fn whole(shape: Shape, length: u64) -> Vec<u8> {
        let mut wire = Wire::new(shape, 7, length);
        let mut bytes = vec![0; wire.length() as usize + 1];
        assert_eq!(wire.fill(&mut bytes) as u64, wire.length());
        bytes.pop();
        bytes
    }

    #[test]
    fn a_stream_is_the_same_however_it_is_asked_for() {
        for shape in [Shape::Bytes, Shape::Lines, Shape::Frames] {
            let (expected, mut random) = (whole(shape, 300_000), Random::new(1));
            let (mut wire, mut got) = (Wire::new(shape, 7, 300_000), Vec::new());
            while got.len() < expected.len() {
                let mut piece = vec![0; log_uniform(&mut random, 9000) as usize];
                let count = wire.fill(&mut piece);
                got.extend_from_slice(&piece[..count]);
            }
            assert!(got == expected, "{shape:?}");
        }
    }

    #[test]
    fn streams_of_all_lengths_are_whole_lines_and_frames() {
        for length in 1..300 {
            let lines = whole(Shape::Lines, length);
            assert!(lines.ends_with(b"\n") && lines.is_ascii(), "{length}");
            let frames = whole(Shape::Frames, length);
            let mut rest = &frames[..];
            while let Some((head, behind)) = rest.split_first_chunk() {
                rest = &behind[u32::from_be_bytes(*head) as usize..];
            }
            assert!(rest.is_empty(), "{length}");
        }
    }

    #[test]
    fn a_part_is_answered_as_far_as_it_is_whole() {
        let lines = whole(Shape::Lines, 5000);
        let frames = whole(Shape::Frames, 5000);
        let mut ends = vec![0];
        while let Some((head, _)) = frames[*ends.last().expect("there is one")..].split_first_chunk() {
            ends.push(ends[ends.len() - 1] + 4 + u32::from_be_bytes(*head) as usize);
        }
        for cut in 0..=5000_usize {
            let at = |shape| Wire::new(shape, 7, 5000).answer_to(cut as u64);
            let bytes = cut as u64;
            assert_eq!(at(Shape::Bytes), Answer { bytes, line_end: false, malformed: false });
            let line_end = cut > 0 && lines[cut - 1] != b'\n';
            assert_eq!(at(Shape::Lines), Answer { bytes, line_end, malformed: false });
            let last = ends[..].iter().rev().find(|end| **end <= cut).expect("the first is zero");
            let expected = Answer { bytes: *last as u64, line_end: false, malformed: *last < cut };
            assert_eq!(at(Shape::Frames), expected, "{cut}");
        }
    }
}
