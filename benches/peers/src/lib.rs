//! What the servers of this crate share.
//!
//! Knows: one flag. Must not know any runtime.

use std::net::SocketAddr;

/// Bytes that an echo reads at a time.
pub const BUFFER_BYTES: usize = 64 << 10;

/// The address after `--listen`, or any free port.
#[must_use]
pub fn address() -> SocketAddr {
    let mut words = std::env::args().skip_while(|word| word != "--listen").skip(1);
    let word = words.next().unwrap_or_else(|| "127.0.0.1:0".to_owned());
    word.parse().unwrap_or_else(|error| panic!("--listen {word}: {error}"))
}

/// Says where a server listens, as the benchmark expects it.
pub fn announce(address: SocketAddr) {
    println!("listening on {address}");
}
