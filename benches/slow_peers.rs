//! Whether peers that never read make others wait, and what a server on Odeon holds for them.
//!
//! `cargo bench --bench slow_peers` measures round trips of requests that are due at fixed times, each from when it was due, with a
//! hundred peers that send as long as they may and never read, and without. Pairs are interleaved and the median of their ratios is
//! reported with its 95 % interval. `-- --help` tells what else there is.

#[path = "support/mod.rs"]
mod support;

use std::process::ExitCode;

fn main() -> ExitCode {
    support::program::run("slow_peers")
}
