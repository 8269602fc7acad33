//! What the programs of this crate share.
//!
//! Knows: one flag, and how a figure is printed. Must not know any runtime.

use std::net::SocketAddr;
use std::time::Instant;

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

/// Prints what one of so many things took since the start.
pub fn report(name: &str, count: u64, start: Instant) {
    println!("{name}: {:.1} ns", start.elapsed().as_nanos() as f64 / count as f64);
}
