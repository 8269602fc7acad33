//! Whether peers that never read make others wait, and what a server on Odeon holds for them.
//!
//! `cargo bench --bench slow_peers` measures round trips of requests that are due at fixed times, each from when it was due, with a
//! hundred peers that send as long as they may and never read, and without. Each server runs twice, once so and once so, with connections
//! that stay; windows alternate, and the median of the ratios of each pair of them is reported with its 95 % interval. A window in which the
//! load or the server had no core is taken again, and counted. For a bare epoll loop, to which such peers cannot matter, the same is
//! reported: what it shows is the machine's. `-- --help` tells what else there is.

#[path = "support/mod.rs"]
mod support;

use std::process::ExitCode;

fn main() -> ExitCode {
    support::program::run("slow_peers")
}
