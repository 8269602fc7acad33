//! How an echo server on Odeon compares with the barest loops that Linux allows, in the same minutes on the same cores.
//!
//! `cargo bench --bench echo` measures the CPU time that a server needs per request; `-- --help` tells what else there is.
//! Servers run on core 0, loads on core 1, both as child processes; a load verifies every byte. Pairs are interleaved
//! and the median of their ratios is reported with its 95 % interval.

#[path = "support/mod.rs"]
mod support;

use std::process::ExitCode;

fn main() -> ExitCode {
    support::program::run("echo")
}
