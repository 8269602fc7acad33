//! CPU per delivery of what is published, and whether peers that never read make others wait for it.
//!
//! Knows: rounds, servers that all stay connected and take turns, when a bar is reached. Must not know how servers work.

use std::io;

use super::child::{Holder, Running};
use super::machine::resident_bytes;
use super::options::Options;
use super::report::Report;
use super::servers::{JUDGED, REFERENCE, Server};
use super::stats::Estimate;
use super::subscribers::MESSAGE;

/// Publications of a window, one at a time.
const SINGLE: u32 = 4;
/// Messages that are published at once.
const BURST: u32 = 16;
const SILENT: usize = 100;
/// Publications at fixed times, and how far apart: a core is busy for half of that with each.
const DUE: u32 = 6;
const GAP_NS: u64 = 140_000_000;
/// Publications that peers that do not read are sent before the others come: 4 MB, more than the kernel takes for them.
const FILL: u32 = 2_500;
/// How much later the others may get what is published.
const LATER_BAR: f64 = 1.20;
/// What the judged server may cost beside the reference, one publication at a time.
const COST_BAR: f64 = 1.15;
/// A process that others have kept from its core for longer was disturbed.
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

    /// Quantiles of how long after its time a publication came, in milliseconds.
    fn due(&mut self) -> io::Result<[f64; 2]> {
        let numbers = self.subscribers.ask(&format!("due {DUE} {GAP_NS}"))?;
        let &[p50_ns, p99_ns] = &numbers[..] else {
            return Err(io::Error::other("subscribers answer two numbers"));
        };
        Ok([p50_ns / 1e6, p99_ns / 1e6])
    }
}

/// Measures and reports whatever is asked for. Answers whether everybody got what was published.
pub(crate) fn run(options: &Options, servers: &[Server], report: &Report) -> bool {
    let asked = |part| options.parts.is_empty() || options.parts.iter().any(|name| name == part);
    let mut correct = true;
    for &point in &options.points {
        let connections = point.connections;
        let mut attempt = |result: io::Result<()>| {
            if let Err(error) = result {
                report.line(&format!("  FAILED: {error}"));
                correct = false;
            }
        };
        if asked("cost") {
            attempt(cost(connections, servers, options, report));
        }
        if asked("slow") {
            for server in servers.iter().filter(|server| server.name.starts_with(JUDGED)) {
                attempt(slow(connections, server, options, report));
            }
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

/// One server twice, once with connections that never read.
fn slow(connections: usize, server: &Server, options: &Options, report: &Report) -> io::Result<()> {
    let mut sessions = [Session::start(server, 1, 0)?, Session::start(server, 1, SILENT)?];
    for (session, silent) in sessions.iter_mut().zip([0, SILENT]) {
        session.publish(FILL, BURST)?;
        session.subscribers.ask(&format!("more {}", connections - 1 - silent))?;
    }
    let mut taken = [Vec::new(), Vec::new()];
    for round in 0..=options.rounds {
        for turn in 0..2 {
            let side = (round + turn) % 2;
            let delays_ms = sessions[side].due()?;
            if round > 0 {
                taken[side].push(delays_ms);
            }
        }
    }
    report.line(&format!("\n{}: {MESSAGE} B to {connections} connections, at fixed times", server.name));
    report.line("  connections that never read     p50 ms     p99 ms    resident MB");
    let mut resident = [0.0; 2];
    for (side, session) in sessions.iter().enumerate() {
        let middle = |place: usize| Estimate::of(taken[side].iter().map(|delays| delays[place])).median;
        resident[side] = resident_bytes(session.running.pid())? as f64 / 1e6;
        let (silent, megabytes) = ([0, SILENT][side], resident[side]);
        report.line(&format!("  {silent:<27} {:>10.2} {:>10.2} {megabytes:>14.2}", middle(0), middle(1)));
        let name = format!("publish/c{connections}/{}/silent{silent}", server.name);
        report.figure(&format!("{name}/p50"), middle(0), "ms");
        report.figure(&format!("{name}/p99"), middle(1), "ms");
        report.figure(&format!("{name}/resident"), megabytes, "MB");
    }
    let p99 = Estimate::of(taken[1].iter().zip(&taken[0]).map(|(with, without)| with[1] / without[1]));
    report.line(&format!(
        "  p99 ratio {:.3} [{:.3}, {:.3}], bar {LATER_BAR:.2}; {:.1} KB held for each connection that does not read",
        p99.median,
        p99.low,
        p99.high,
        (resident[1] - resident[0]) * 1e3 / SILENT as f64
    ));
    report.figure(&format!("publish/c{connections}/{}/p99_ratio", server.name), p99.median, "ratio");
    Ok(())
}
