//! Bytes as they come, from a stranger: where they are cut means nothing, so only their order is looked at.
#![no_main]

use odeon::net::codec::{Decode, Decoded, Raw, next_frame};
use odeon_fuzz::MAX;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut codec = Raw::<MAX>;
    let mut seen = Vec::new();
    let ended = loop {
        match next_frame(&mut codec, &data[seen.len()..]).expect("bytes are always right") {
            Decoded::Frame { frame, consumed } => {
                assert!(frame.len() == consumed && consumed <= MAX);
                seen.extend_from_slice(frame);
            }
            Decoded::Incomplete { .. } => break codec.finish(&data[seen.len()..]),
        }
    };
    assert_eq!(ended, Ok(None));
    assert_eq!(seen, data);
});
