//! CPU per request and requests per second, as ratios of interleaved pairs.
//!
//! Knows: rounds, pairs, when a run is void and when a bar is reached. Must not know how servers work.

use std::io;

use super::child::{Running, run_load};
use super::machine::kernel_workers;
use super::options::{Options, Point, Subject, size_name};
use super::report::Report;
use super::servers::{JUDGED, REFERENCE, SPLICE, Server};
use super::stats::Estimate;
use super::verdict::Verdict;

/// The reference is poor when it costs more than this times another loop.
const POOR: f64 = 1.03;
/// A process that uses more of its core than this is the bottleneck.
const SATURATED: f64 = 0.97;
/// Somebody else has disturbed the run when a server waited longer than this for its core.
const DISTURBED: f64 = 0.02;

/// One window of one server.
#[derive(Clone, Copy)]
struct Sample {
    cpu_us: f64,
    requests_per_second: f64,
    server_busy: f64,
    load_busy: f64,
    waited: f64,
    workers: f64,
}

/// The samples of one server, one per round.
struct Series<'a> {
    server: &'a Server,
    samples: Vec<Sample>,
}

/// Measures and reports every point. Answers whether all loads were served correctly.
pub(crate) fn run(options: &Options, servers: &[Server], report: &Report) -> bool {
    let mut correct = true;
    for &point in &options.points {
        report.line(&format!(
            "\n{} x {} connections x pipeline {}",
            size_name(point.size),
            point.connections,
            point.pipeline
        ));
        correct &= measure(point, servers, options, report);
    }
    correct
}

/// Servers take turns, each round beginning with another one. One that fails is reported and left out.
fn measure(point: Point, servers: &[Server], options: &Options, report: &Report) -> bool {
    let mut taken: Vec<Series> =
        servers.iter().map(|server| Series { server, samples: Vec::new() }).collect();
    for round in 0..options.rounds_max {
        if round >= options.rounds && decided(point, &taken, options) {
            break;
        }
        let count = taken.len();
        for turn in 0..count {
            let series = &mut taken[(round + turn) % count];
            match sample(point, series.server, options) {
                Ok(sample) => series.samples.push(sample),
                Err(error) => report.line(&format!("  FAILED: {}: {error}", series.server.name)),
            }
        }
        taken.retain(|series| series.samples.len() > round);
        if taken.first().is_none_or(|series| series.server.name != REFERENCE) {
            return false;
        }
    }
    tell(point, &taken, options, report);
    taken.len() == servers.len()
}

fn sample(point: Point, server: &Server, options: &Options) -> io::Result<Sample> {
    let running = Running::start(server)?;
    let numbers = run_load("load", &running.plan(point, options))?;
    let &[bytes, window_ns, server_cpu_ns, load_cpu_ns, waited_ns] = &numbers[..] else {
        return Err(io::Error::other("a load answers five numbers"));
    };
    let requests = bytes / point.size as f64;
    Ok(Sample {
        cpu_us: server_cpu_ns / 1e3 / requests,
        requests_per_second: requests / window_ns * 1e9,
        server_busy: server_cpu_ns / window_ns,
        load_busy: load_cpu_ns / window_ns,
        waited: waited_ns / window_ns,
        workers: kernel_workers(running.pid())? as f64,
    })
}

/// Whether the judged server's interval is narrow enough, or clear of the bar.
fn decided(point: Point, taken: &[Series], options: &Options) -> bool {
    taken.iter().filter(|series| series.server.name == JUDGED).all(|series| {
        let cpu = ratio(&series.samples, &taken[0].samples, |sample| sample.cpu_us);
        Verdict::of(cpu, bar(options.subject, point)) != Verdict::Undecided
    })
}

fn tell(point: Point, taken: &[Series], options: &Options, report: &Report) {
    report.line("  server             us/request     requests/s  server busy  load busy    CPU ratio [95 %]      rate ratio");
    let prefix = format!(
        "{}/{}/c{}/p{}",
        if options.subject == Subject::Proxy { "proxy" } else { "echo" },
        size_name(point.size),
        point.connections,
        point.pipeline
    );
    for Series { server, samples: own } in taken {
        let cpu = ratio(own, &taken[0].samples, |sample| sample.cpu_us);
        let rate = ratio(own, &taken[0].samples, |sample| sample.requests_per_second);
        let middle = |part: fn(&Sample) -> f64| Estimate::of(own.iter().map(part)).median;
        let cpu_us = middle(|sample| sample.cpu_us);
        let requests_per_second = middle(|sample| sample.requests_per_second);
        report.line(&format!(
            "  {:<18} {cpu_us:>10.3} {requests_per_second:>14.0} {:>11.0}% {:>9.0}%   {:.3} [{:.3}, {:.3}]   {:.3}{}",
            server.name,
            100.0 * middle(|sample| sample.server_busy),
            100.0 * middle(|sample| sample.load_busy),
            cpu.median,
            cpu.low,
            cpu.high,
            rate.median,
            notes(own)
        ));
        let name = format!("{prefix}/{}", server.name);
        report.figure(&format!("{name}/cpu"), cpu_us, "us");
        report.figure(&format!("{name}/rate"), requests_per_second, "1/s");
        report.figure(&format!("{name}/cpu_ratio"), cpu.median, "ratio");
        report.figure(&format!("{name}/cpu_ratio_low"), cpu.low, "ratio");
        report.figure(&format!("{name}/cpu_ratio_high"), cpu.high, "ratio");
        report.figure(&format!("{name}/rate_ratio"), rate.median, "ratio");
        if server.name == JUDGED {
            let bar = bar(options.subject, point);
            report.line(&format!("  {JUDGED}: bar {bar:.2}: {}", Verdict::of(cpu, bar).words()));
        }
    }
    // Time that the reference has spun is no sign that it is poor.
    let void = options.spin_us == 0 && void(taken, report);
    report.figure(&format!("{prefix}/void"), f64::from(u8::from(void)), "flag");
}

/// Says whether the reference was poor: then no ratio to it means anything.
fn void(taken: &[Series], report: &Report) -> bool {
    let mut void = false;
    for Series { server, samples } in taken {
        let reference = ratio(&taken[0].samples, samples, |sample| sample.cpu_us);
        let peer = !server.name.starts_with(REFERENCE) && server.name != JUDGED && server.name != SPLICE;
        if peer && reference.median > POOR {
            report.line(&format!("  VOID: bare_uring costs {:.3} x {}", reference.median, server.name));
            void = true;
        }
    }
    void
}

/// What somebody who reads the line must know.
fn notes(own: &[Sample]) -> String {
    let middle = |part: fn(&Sample) -> f64| Estimate::of(own.iter().map(part)).median;
    let mut notes = String::new();
    if middle(|sample| sample.load_busy) > SATURATED {
        notes += "  (the load was the bottleneck: its rate is no figure)";
    }
    if middle(|sample| sample.waited) > DISTURBED {
        notes +=
            &format!("  (others used its core {:.0} % of the time)", 100.0 * middle(|sample| sample.waited));
    }
    if own.iter().any(|sample| sample.workers > 0.0) {
        notes += "  (it had kernel workers)";
    }
    notes
}

fn ratio(own: &[Sample], reference: &[Sample], part: fn(&Sample) -> f64) -> Estimate {
    Estimate::of(own.iter().zip(reference).map(|(own, reference)| part(own) / part(reference)))
}

/// What the judged server may cost.
fn bar(subject: Subject, point: Point) -> f64 {
    let noisy = point.connections >= 4096 || point.size >= 256 << 10;
    if noisy || subject == Subject::Proxy { 1.10 } else { 1.05 }
}
