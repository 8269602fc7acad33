//! Frames that end with a zero, from a stranger.
#![no_main]

use odeon::net::codec::Delimited;
use odeon_fuzz::{MAX, check, check_written, delimited};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    check::<Delimited<0, MAX>>(data, <[u8]>::to_vec, delimited);
    let parts: Vec<Vec<u8>> = data.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    check_written::<Delimited<0, MAX>>(&parts, |part| Some(part), delimited);
});
