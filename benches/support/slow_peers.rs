//! Whether peers that never read make others wait, and what a server holds for them.
//!
//! Knows: how each side is set up. Must not know how servers work.

use std::io;

use super::child::{Holder, Running};
use super::open_loop::REQUESTS_PER_SECOND;
use super::options::{Options, Point, size_name};
use super::pairs::{self, Pair, Peers, SILENT, Side};
use super::report::Report;
use super::servers::{REFERENCE, Server};

/// The slowest hundredth of the requests decides a p99: what has waited for a core is not to be most of it.
const BOUND: f64 = 0.006;

/// Measures and reports every point. Answers whether all was served correctly.
///
/// The reference is left out: peers that do not read keep the few buffers that it has.
pub(crate) fn run(options: &Options, servers: &[Server], report: &Report) -> bool {
    let servers: Vec<&Server> = servers.iter().filter(|server| server.name != REFERENCE).collect();
    let mut correct = true;
    for &point in &options.points {
        if let Err(error) = measure(point, &servers, options, report) {
            report.line(&format!("  FAILED: {error}"));
            correct = false;
        }
    }
    correct
}

fn measure(point: Point, servers: &[&Server], options: &Options, report: &Report) -> io::Result<()> {
    let (size, connections) = (size_name(point.size), point.connections);
    report.line(&format!(
        "\n{size} x {connections} connections, {REQUESTS_PER_SECOND} requests/s at fixed times"
    ));
    let mut pairs = Vec::new();
    for server in servers {
        let mut sides = [side(point, server, options)?, side(point, server, options)?];
        let before = sides[1].resident_bytes()?;
        sides[1].peers = Some(Peers::connect(sides[1].address())?);
        let held_bytes = (sides[1].resident_bytes()? as f64 - before as f64) / SILENT as f64;
        pairs.push(Pair { name: server.name.clone(), sides, held_bytes });
    }
    pairs::run(&format!("slow_peers/{size}/c{connections}"), &mut pairs, ("us", 1e3), options, report)
}

/// A server that has answered for a while on all connections.
fn side(point: Point, server: &Server, options: &Options) -> io::Result<Side> {
    let running = Running::start(server)?;
    let mut load = Holder::start("open-loop", running.address)?;
    load.ask(&format!("connect {} {} {}", running.pid(), point.connections, point.size))?;
    let line = format!("window {} {}", options.warm_up.as_nanos(), options.window.as_nanos());
    load.ask(&line)?;
    Ok(Side::new(running, load, line, BOUND))
}
