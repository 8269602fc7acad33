//! How a proxy on Odeon compares with the barest loops that Linux allows, in the same minutes on the same cores.
//!
//! `cargo bench --bench proxy` measures the CPU time that a proxy needs per request, which goes through it twice: to an echo server
//! and back. The proxies run on core 0; the load, which verifies every byte, and the echo server on core 1. Pairs are interleaved
//! and the median of their ratios is reported with its 95 % interval. `-- --help` tells what else there is.

#[path = "support/mod.rs"]
mod support;

use std::process::ExitCode;

fn main() -> ExitCode {
    support::program::run("proxy")
}
