//! Whether slow peers make others wait, and what a server on Odeon holds for them.
//!
//! `cargo bench --bench slow_peers` measures round trips of requests that are due at fixed times, each from when it was due, with a
//! hundred slow peers, and without. Each server runs twice, once so and once so, with connections
//! that stay; windows alternate, and the median of the ratios of each pair of them is reported with its 95 % interval. A window in which the
//! load or the server had no core is taken again, and counted. For a bare epoll loop, to which such peers cannot matter, the same is
//! reported: what it shows is the machine's.
//!
//! There are two kinds, one after the other. `-- --part never-read`: peers that send as long as they may and never read. `-- --part slowly`:
//! a third of the peers sends a request, a third a body behind its request, a byte at a time, and a third reads an answer so. The
//! server ends each when its time is over, and another comes instead of it: that all of them were ended so is a part of the result.
//! `-- --help` tells what else there is.

#[path = "slow_peers/server.rs"]
mod server;
#[path = "support/mod.rs"]
mod support;

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments[..] {
        [flag, role] if flag == "--role" && role == "odeon" => server::serve(),
        _ => support::program::run("slow_peers"),
    }
}
