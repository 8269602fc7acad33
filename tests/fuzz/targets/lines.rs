//! Lines from a stranger.
#![no_main]

use odeon_fuzz::{Lines, MAX, check, check_written, lines};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    check::<Lines<MAX>>(data, |line| line.as_bytes().to_vec(), lines);
    let parts: Vec<Vec<u8>> = data.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    check_written::<Lines<MAX>>(&parts, text, lines);
});

/// Text that ends with a carriage return is written so that its end becomes part of the line end: left out.
fn text(part: &[u8]) -> Option<&str> {
    std::str::from_utf8(part).ok().filter(|text| !text.ends_with('\r'))
}
