//! Frames with their length in front, from a stranger.
#![no_main]

use odeon::net::codec::LengthDelimited;
use odeon_fuzz::{MAX, check, check_written, length_delimited};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    check::<LengthDelimited<MAX>>(data, <[u8]>::to_vec, length_delimited);
    let parts: Vec<Vec<u8>> = data.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    check_written::<LengthDelimited<MAX>>(&parts, |part| Some(part), length_delimited);
});
