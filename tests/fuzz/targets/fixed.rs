//! Frames of one size, from a stranger.
#![no_main]

use odeon::net::codec::Fixed;
use odeon_fuzz::{MAX, check, check_written, fixed};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    check::<Fixed<MAX>>(data, |frame| frame.to_vec(), fixed);
    let parts: Vec<Vec<u8>> = data.chunks(MAX).map(<[u8]>::to_vec).collect();
    check_written::<Fixed<MAX>>(&parts, |part| part.try_into().ok(), fixed);
});
