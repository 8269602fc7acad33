//! CPU per delivery of what is published, and whether peers that never read make others wait for it.
//!
//! Knows: rounds, servers that all stay connected and take turns, when a bar is reached. Must not know how servers work.

use std::io;

use super::child::{Holder, Running};
use super::options::Options;
use super::pairs::{self, Case, Pair, SILENT, SILENT_BAR, Side};
use super::report::Report;
use super::servers::{JUDGED, REFERENCE, Server};
use super::stats::Estimate;
use super::subscribers::MESSAGE;

/// Publications of a window, one at a time.
const SINGLE: u32 = 4;
/// Messages that are published at once.
const BURST: u32 = 16;
/// Publications at fixed times, and how far apart: a core is busy for half of that with each.
const DUE: u32 = 2;
const GAP_NS: u64 = 140_000_000;
/// Publications that peers that do not read are sent before the others come: 4 MB, more than the kernel takes for them.
const FILL: u32 = 2_500;
/// What the judged server may cost beside the reference, one publication at a time.
const COST_BAR: f64 = 1.15;
/// A process that others have kept from its core for longer was disturbed. (The kernel, too, that sends to so many connections.)
const DISTURBED: f64 = 0.02;

/// A server with its subscribers. Ends with this value.
struct Session {
    name: String,
    running: Running,
    subscribers: Holder,
    readers: usize,
}

/// What one window showed.
#[derive(Clone, Copy)]
struct Sample {
    cpu_ns: f64,
    /// How long all of it took.
    took_ns: f64,
    waited: f64,
    load_busy: f64,
}

impl Session {
    fn start(server: &Server, readers: usize, silent: usize) -> io::Result<Session> {
        let running = Running::start(server)?;
        let mut subscribers = Holder::start("subscribers", running.address)?;
        let pid = running.pid();
        subscribers.ask(&format!("connect {pid} {readers} {silent}"))?;
        Ok(Session { name: server.name.clone(), running, subscribers, readers })
    }

    /// Publishes so many times, so many messages at once; per delivery.
    fn publish(&mut self, count: u32, burst: u32) -> io::Result<Sample> {
        let numbers = self.subscribers.ask(&format!("publish {count} {burst}"))?;
        let &[cpu_ns, load_cpu_ns, waited_ns, took_ns] = &numbers[..] else {
            return Err(io::Error::other("subscribers answer four numbers"));
        };
        let deliveries = f64::from(count * burst) * self.readers as f64;
        Ok(Sample {
            cpu_ns: cpu_ns / deliveries,
            took_ns: took_ns / deliveries,
            waited: waited_ns / took_ns,
            load_busy: load_cpu_ns / took_ns,
        })
    }
}

/// Measures and reports whatever is asked for. Answers whether everybody got what was published.
pub(crate) fn run(options: &Options, servers: &[Server], report: &Report) -> bool {
    let mut correct = true;
    for &point in &options.points {
        let connections = point.connections;
        let mut attempt = |result: io::Result<()>| {
            if let Err(error) = result {
                report.line(&format!("  FAILED: {error}"));
                correct = false;
            }
        };
        if options.asks_for("cost") {
            attempt(cost(connections, servers, options, report));
        }
        if options.asks_for("slow") {
            attempt(slow(connections, servers, options, report));
        }
    }
    correct
}

/// Servers take turns, each round beginning with another one.
fn cost(connections: usize, servers: &[Server], options: &Options, report: &Report) -> io::Result<()> {
    let mut sessions = servers
        .iter()
        .map(|server| Session::start(server, connections, 0))
        .collect::<io::Result<Vec<_>>>()?;
    let mut taken: Vec<[Vec<Sample>; 2]> = sessions.iter().map(|_| [Vec::new(), Vec::new()]).collect();
    for round in 0..=options.rounds {
        for turn in 0..sessions.len() {
            let index = (round + turn) % sessions.len();
            let session = &mut sessions[index];
            let samples = [session.publish(SINGLE, 1)?, session.publish(1, BURST)?];
            // The first round warms up.
            if round > 0 {
                taken[index].iter_mut().zip(samples).for_each(|(own, sample)| own.push(sample));
            }
        }
    }
    for (way, name) in [(0, "one at a time"), (1, "16 at once")] {
        report.line(&format!("\n{MESSAGE} B to {connections} connections, {name}"));
        report.line("  server             CPU ns/delivery   ns/delivery   load busy   CPU ratio [95 %]");
        for (session, own) in sessions.iter().zip(&taken) {
            tell(way, connections, &session.name, &own[way], &taken[0][way], report);
        }
        judge(way, &sessions, &taken, report);
    }
    Ok(())
}

fn ratio(own: &[Sample], reference: &[Sample]) -> Estimate {
    Estimate::of(own.iter().zip(reference).map(|(own, reference)| own.cpu_ns / reference.cpu_ns))
}

fn tell(way: usize, connections: usize, name: &str, own: &[Sample], reference: &[Sample], report: &Report) {
    let middle = |part: fn(&Sample) -> f64| Estimate::of(own.iter().map(part)).median;
    let (cpu_ns, took_ns) = (middle(|sample| sample.cpu_ns), middle(|sample| sample.took_ns));
    let (load, waited) = (middle(|sample| sample.load_busy), middle(|sample| sample.waited));
    let cpu = ratio(own, reference);
    let note = match waited > DISTURBED {
        true => format!("   (others used its core {:.0} % of the time)", 100.0 * waited),
        false => String::new(),
    };
    report.line(&format!(
        "  {name:<18} {cpu_ns:>15.0} {took_ns:>13.0} {:>10.0}%   {:.3} [{:.3}, {:.3}]{note}",
        100.0 * load,
        cpu.median,
        cpu.low,
        cpu.high
    ));
    let prefix = format!("publish/c{connections}/burst{}/{name}", [1, BURST][way]);
    report.figure(&format!("{prefix}/cpu"), cpu_ns, "ns");
    report.figure(&format!("{prefix}/cpu_ratio"), cpu.median, "ratio");
    report.figure(&format!("{prefix}/cpu_ratio_low"), cpu.low, "ratio");
    report.figure(&format!("{prefix}/cpu_ratio_high"), cpu.high, "ratio");
}

/// The judged server beside every other, and beside the reference the bar.
fn judge(way: usize, sessions: &[Session], taken: &[[Vec<Sample>; 2]], report: &Report) {
    for (session, own) in sessions.iter().zip(taken).filter(|(session, _)| session.name.starts_with(JUDGED)) {
        for (other, theirs) in sessions.iter().zip(taken).filter(|(other, _)| !other.name.starts_with(JUDGED))
        {
            let cpu = ratio(&own[way], &theirs[way]);
            let bar = match (other.name == REFERENCE, way) {
                (true, 0) => format!(", bar {COST_BAR:.2}"),
                _ => String::new(),
            };
            report.line(&format!(
                "  {} / {}: {:.3} [{:.3}, {:.3}]{bar}",
                session.name, other.name, cpu.median, cpu.low, cpu.high
            ));
        }
    }
}

/// Each server twice, once with connections that never read.
///
/// Servers with two cores are left out: one of the two is the load's.
fn slow(connections: usize, servers: &[Server], options: &Options, report: &Report) -> io::Result<()> {
    let mut pairs = Vec::new();
    for server in servers.iter().filter(|server| server.cores == 1 && server.name != REFERENCE) {
        let sides = [side(connections, server, 0)?, side(connections, server, SILENT)?];
        let [without, with] = [sides[0].resident_bytes()? as f64, sides[1].resident_bytes()? as f64];
        let held_bytes = Some((with - without) / SILENT as f64);
        pairs.push(Pair { name: server.name.clone(), sides, held_bytes });
    }
    report.line(&format!("\n{MESSAGE} B to {connections} connections, at fixed times"));
    let case = Case {
        prefix: &format!("publish/c{connections}"),
        words: "never read",
        peers: SILENT,
        name: "silent",
        bar: SILENT_BAR,
        unit: ("ms", 1e6),
    };
    pairs::run(case, &mut pairs, options, report)
}

/// A server that has published more than the kernel takes for those that never read, before the others come: as many on both sides.
fn side(connections: usize, server: &Server, silent: usize) -> io::Result<Side> {
    let mut session = Session::start(server, 1, silent)?;
    session.publish(FILL, BURST)?;
    session.subscribers.ask(&format!("more {}", connections - 1 - SILENT))?;
    Ok(Side::new(session.running, session.subscribers, format!("due {DUE} {GAP_NS}"), DISTURBED))
}
