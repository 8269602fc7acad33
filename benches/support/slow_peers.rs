//! Whether peers that never read make others wait, and what a server holds for them.
//!
//! Knows: rounds and pairs of a server with such peers and without. Must not know how servers work.

use std::io;

use super::child::{Holder, Running, run_load};
use super::machine::resident_bytes;
use super::options::{Options, Point, size_name};
use super::report::Report;
use super::servers::{REFERENCE, Server};
use super::stats::Estimate;

const SLOW_PEERS: usize = 100;
/// How much later the others may be answered.
const BAR: f64 = 1.20;

/// One window of one server.
#[derive(Clone, Copy)]
struct Sample {
    p50_us: f64,
    p99_us: f64,
    resident_megabytes: f64,
}

/// Measures and reports every point. Answers whether all was served correctly.
///
/// The reference is left out: peers that do not read keep the few buffers that it has.
pub(crate) fn run(options: &Options, servers: &[Server], report: &Report) -> bool {
    let mut correct = true;
    for server in servers.iter().filter(|server| server.name != REFERENCE) {
        for &point in &options.points {
            if let Err(error) = measure(point, server, options, report) {
                report.line(&format!("  FAILED: {}: {error}", server.name));
                correct = false;
            }
        }
    }
    correct
}

fn measure(point: Point, server: &Server, options: &Options, report: &Report) -> io::Result<()> {
    let (size, connections) = (size_name(point.size), point.connections);
    report.line(&format!("\n{}: {size} x {connections} connections", server.name));
    report.line("  peers that never read     p50 us     p99 us    resident MB");
    let mut taken = [Vec::new(), Vec::new()];
    for round in 0..options.rounds {
        for turn in 0..2 {
            let side = (round + turn) % 2;
            taken[side].push(sample(point, server, [0, SLOW_PEERS][side], options)?);
        }
    }
    let name = format!("slow_peers/{size}/c{connections}/{}", server.name);
    for (own, peers) in taken.iter().zip([0, SLOW_PEERS]) {
        let middle = |part: fn(&Sample) -> f64| Estimate::of(own.iter().map(part)).median;
        let (p50_us, p99_us) = (middle(|sample| sample.p50_us), middle(|sample| sample.p99_us));
        let resident_megabytes = middle(|sample| sample.resident_megabytes);
        report.line(&format!("  {peers:<21} {p50_us:>10.1} {p99_us:>10.1} {resident_megabytes:>14.2}"));
        report.figure(&format!("{name}/{peers}/p50"), p50_us, "us");
        report.figure(&format!("{name}/{peers}/p99"), p99_us, "us");
        report.figure(&format!("{name}/{peers}/resident"), resident_megabytes, "MB");
    }
    let pairs = || taken[1].iter().zip(&taken[0]);
    let p99 = Estimate::of(pairs().map(|(with, without)| with.p99_us / without.p99_us));
    let held =
        Estimate::of(pairs().map(|(with, without)| with.resident_megabytes - without.resident_megabytes));
    report.line(&format!(
        "  p99 ratio {:.3} [{:.3}, {:.3}], bar {BAR:.2}; {:.0} KB held for each peer that does not read",
        p99.median,
        p99.low,
        p99.high,
        held.median * 1e3 / SLOW_PEERS as f64
    ));
    report.figure(&format!("{name}/p99_ratio"), p99.median, "ratio");
    report.figure(&format!("{name}/p99_ratio_low"), p99.low, "ratio");
    report.figure(&format!("{name}/p99_ratio_high"), p99.high, "ratio");
    report.figure(&format!("{name}/held_per_peer"), held.median * 1e6 / SLOW_PEERS as f64, "B");
    Ok(())
}

fn sample(point: Point, server: &Server, slow_peers: usize, options: &Options) -> io::Result<Sample> {
    let running = Running::start(server)?;
    let mut holder = Holder::start("never-reading", running.address)?;
    holder.hold(slow_peers)?;
    let numbers = run_load("open-loop", &running.plan(point, options))?;
    let &[p50_ns, p99_ns] = &numbers[..] else {
        return Err(io::Error::other("an open loop answers two numbers"));
    };
    let resident_megabytes = resident_bytes(running.pid())? as f64 / 1e6;
    Ok(Sample { p50_us: p50_ns / 1e3, p99_us: p99_ns / 1e3, resident_megabytes })
}
