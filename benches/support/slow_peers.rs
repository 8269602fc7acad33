//! Whether slow peers make others wait, and what becomes of them: those that never read, and those that do everything a byte at a time.
//!
//! Knows: how each side is set up. Must not know how servers work.

use std::io;

use super::child::{Holder, Running};
use super::open_loop::REQUESTS_PER_SECOND;
use super::options::{Options, Point, size_name};
use super::pairs::{self, Case, Pair, Peers, SILENT, SILENT_BAR, Side};
use super::report::Report;
use super::servers::{self, JUDGED, REFERENCE, Server};
use super::slowly::{Ends, REQUEST_BYTES};

/// The slowest hundredth of the requests decides a p99: what has waited for a core is not to be most of it.
const BOUND: f64 = 0.006;
/// The same for each slow peer that comes and goes: workers of the kernel that end its connection wait for the core of their server.
const BOUND_PER_PEER: f64 = 0.000_04;
/// How much later the others may be served beside peers that do everything a byte at a time.
const SLOWLY_BAR: f64 = 2.00;
/// Figures are in microseconds.
const UNIT: (&str, f64) = ("us", 1e3);

/// Measures and reports every point. Answers whether all was served correctly, and every slow peer ended that had to be.
///
/// The reference is left out: peers that do not read keep the few buffers that it has.
pub(crate) fn run(options: &Options, servers: &[Server], report: &Report) -> bool {
    let servers: Vec<&Server> = servers.iter().filter(|server| server.name != REFERENCE).collect();
    let mut correct = true;
    for &point in &options.points {
        let mut attempt = |part, measure: fn(Point, &[&Server], &Options, &Report) -> io::Result<()>| {
            if !options.asks_for(part) {
                return;
            }
            let (size, connections) = (size_name(point.size), point.connections);
            report.line(&format!(
                "\n{size} x {connections} connections, {REQUESTS_PER_SECOND} requests/s at fixed times"
            ));
            if let Err(error) = measure(point, &servers, options, report) {
                report.line(&format!("  FAILED: {error}"));
                correct = false;
            }
        };
        attempt("never-read", never_read);
        attempt("slowly", slowly);
    }
    correct
}

fn never_read(point: Point, servers: &[&Server], options: &Options, report: &Report) -> io::Result<()> {
    let mut pairs = Vec::new();
    for server in servers {
        let mut sides =
            [side(point, server, None, BOUND, options)?, side(point, server, None, BOUND, options)?];
        let before = sides[1].resident_bytes()?;
        sides[1].peers = Some(Peers::connect(sides[1].address())?);
        let held_bytes = Some((sides[1].resident_bytes()? as f64 - before as f64) / SILENT as f64);
        pairs.push(Pair { name: server.name.clone(), sides, held_bytes });
    }
    let prefix = &format!("slow_peers/{}/c{}", size_name(point.size), point.connections);
    let case =
        Case { prefix, words: "never read", peers: SILENT, name: "silent", bar: SILENT_BAR, unit: UNIT };
    pairs::run(case, &mut pairs, options, report)
}

fn slowly(point: Point, servers: &[&Server], options: &Options, report: &Report) -> io::Result<()> {
    if point.size != REQUEST_BYTES {
        return Err(io::Error::other(format!("a request has {REQUEST_BYTES} bytes where peers are slow")));
    }
    let with_times = servers::with_times()?;
    let mut pairs = Vec::new();
    for server in servers {
        let server = if server.name == JUDGED { &with_times } else { server };
        let bound = BOUND.max(BOUND_PER_PEER * options.peers as f64);
        let [without, with] = [0, options.peers].map(|slow| side(point, server, Some(slow), bound, options));
        let sides = [without?, with?];
        pairs.push(Pair { name: server.name.clone(), sides, held_bytes: None });
    }
    let prefix = &format!("slow_peers/{}/c{}", size_name(point.size), point.connections);
    let case =
        Case { prefix, words: "are slow", peers: options.peers, name: "slow", bar: SLOWLY_BAR, unit: UNIT };
    pairs::run(case, &mut pairs, options, report)?;
    pairs.iter_mut().try_for_each(|pair| tell_ends(prefix, pair, report))
}

/// What has become of slow peers. It fails where the judged server has ended none of one kind, or has let one stay.
fn tell_ends(prefix: &str, pair: &mut Pair, report: &Report) -> io::Result<()> {
    let ends = Ends::parse(&pair.sides[1].ask("ends")?)?;
    let [ended, outlived] = [ends.ended, ends.outlived].map(|counts| counts.iter().sum::<u64>());
    report.line(&format!(
        "  {}: slow peers in a request, a body, an answer: {:?} were ended, {:?} stayed too long",
        pair.name, ends.ended, ends.outlived
    ));
    let name = format!("{prefix}/{}", pair.name);
    report.figure(&format!("{name}/ended"), ended as f64, "peers");
    report.figure(&format!("{name}/outlived"), outlived as f64, "peers");
    if pair.name == JUDGED && (ends.ended.contains(&0) || outlived > 0) {
        return Err(io::Error::other("not every slow peer was ended in its time"));
    }
    Ok(())
}

/// A server that has answered for a while on all connections, and in each window beside so many slow peers.
fn side(
    point: Point,
    server: &Server,
    slow: Option<usize>,
    bound: f64,
    options: &Options,
) -> io::Result<Side> {
    let running = Running::start(server)?;
    let mut load = Holder::start("open-loop", running.address)?;
    load.ask(&format!("connect {} {} {}", running.pid(), point.connections, point.size))?;
    if let Some(slow) = slow {
        load.ask(&format!("slowly {slow}"))?;
    }
    let line = format!("window {} {}", options.warm_up.as_nanos(), options.window.as_nanos());
    load.ask(&line)?;
    if slow.is_some() {
        load.ask("rest")?;
    }
    let mut side = Side::new(running, load, line, bound);
    side.rests = slow.is_some();
    Ok(side)
}
