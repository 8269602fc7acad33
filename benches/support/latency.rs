//! Round trips of one blocking client, server by server.
//!
//! Knows: rounds and pairs. Must not know how servers work.

use std::io;

use super::child::{Running, run_load};
use super::options::{Options, Point, size_name};
use super::report::Report;
use super::servers::Server;
use super::stats::Estimate;

/// Measures and reports every message size of the options. Answers whether all was served correctly.
pub(crate) fn run(options: &Options, servers: &[Server], report: &Report) -> bool {
    let mut sizes: Vec<usize> = options.points.iter().map(|point| point.size).collect();
    sizes.dedup();
    let mut correct = true;
    for size in sizes {
        if let Err(error) = measure(size, options, servers, report) {
            report.line(&format!("  FAILED: {error}"));
            correct = false;
        }
    }
    correct
}

fn measure(size: usize, options: &Options, servers: &[Server], report: &Report) -> io::Result<()> {
    let spin_us = options.spin_us;
    report
        .line(&format!("\n{}, one connection, blocking client, servers spin {spin_us} us", size_name(size)));
    report.line("  server                  p50 us     p99 us     p50 ratio [95 %]");
    let mut trips: Vec<Vec<[f64; 2]>> = servers.iter().map(|_| Vec::new()).collect();
    for round in 0..options.rounds {
        for turn in 0..servers.len() {
            let index = (round + turn) % servers.len();
            let running = Running::start(&servers[index])?;
            let point = Point { size, connections: 1, pipeline: 1 };
            let numbers = run_load("round-trip", &running.plan(point, options))?;
            let &[p50_ns, p99_ns] = &numbers[..] else {
                return Err(io::Error::other("a client answers two numbers"));
            };
            trips[index].push([p50_ns / 1e3, p99_ns / 1e3]);
        }
    }
    for (server, own) in servers.iter().zip(&trips) {
        let p50_us = Estimate::of(own.iter().map(|trips| trips[0])).median;
        let p99_us = Estimate::of(own.iter().map(|trips| trips[1])).median;
        let ratio = Estimate::of(own.iter().zip(&trips[0]).map(|(own, reference)| own[0] / reference[0]));
        report.line(&format!(
            "  {:<18} {p50_us:>11.2} {p99_us:>10.2}     {:.3} [{:.3}, {:.3}]",
            server.name, ratio.median, ratio.low, ratio.high
        ));
        let name = format!("latency/{}/spin{spin_us}/{}", size_name(size), server.name);
        report.figure(&format!("{name}/p50"), p50_us, "us");
        report.figure(&format!("{name}/p99"), p99_us, "us");
        report.figure(&format!("{name}/p50_ratio"), ratio.median, "ratio");
    }
    Ok(())
}
