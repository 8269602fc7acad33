//! What it costs to publish to ten thousand connections, and whether peers that never read make others wait for it.
//!
//! `cargo bench --bench publish` measures the CPU time of a server per delivery of 100 bytes, one publication at a time and sixteen at
//! once; and when publications that are due at fixed times arrive, with a hundred connections that never read, and without: of that, windows
//! in which somebody had no core are taken again, and counted. Servers run on core 0, or on both; the process that publishes and receives,
//! and verifies every byte, on core 1. Servers take turns, and the median of the ratios of each round is reported with its 95 % interval.
//! `-- --help` tells what else there is.

#[path = "publish/server.rs"]
mod server;
#[path = "support/mod.rs"]
mod support;

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments[..] {
        [flag, role, cores] if flag == "--role" && role == "odeon" => server::serve(cores),
        _ => support::program::run("publish"),
    }
}
