//! A server twice, without slow peers and with them, in windows that alternate: how much later the others are served.
//!
//! Knows: windows of loads at fixed times, rounds, when a bar is reached. Must not know how servers work, nor what is served.

use std::io;
use std::net::SocketAddr;

use super::child::{Holder, Running};
use super::disturbance::Cores;
use super::machine::{Clock, resident_bytes};
use super::options::Options;
use super::report::Report;
use super::servers::JUDGED;
use super::stats::{Estimate, quantile};
use super::verdict::Verdict;

/// How many peers never read.
pub(crate) const SILENT: usize = 100;
/// How much later others than those may be served.
pub(crate) const SILENT_BAR: f64 = 1.20;
/// A machine that disturbs so many windows in a row is too busy to measure anything.
const TRIES: usize = 40;
/// Less than the 30 s after which a server on Odeon ends a peer that takes nothing, with room for a window that is taken again and again.
const PEERS_STAY_NS: u64 = 12_000_000_000;

/// What a load at fixed times saw in one window.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    /// How long after its time something was served.
    p50_ns: f64,
    p99_ns: f64,
    /// How long after its time the load asked for it.
    late_ns: f64,
    cores: Cores,
}

impl Window {
    /// Of what was served and asked for in the window, which is left sorted.
    pub(crate) fn of(served_ns: &mut [f64], asked_ns: &mut [f64], cores: Cores) -> Window {
        served_ns.sort_by(f64::total_cmp);
        asked_ns.sort_by(f64::total_cmp);
        let [p50_ns, p99_ns] = [0.5, 0.99].map(|part| quantile(served_ns, part));
        Window { p50_ns, p99_ns, late_ns: quantile(asked_ns, 0.99), cores }
    }

    /// Whether somebody had no core for a greater part of it than this.
    pub(crate) fn is_disturbed(&self, bound: f64) -> bool {
        self.cores.disturbed(bound)
    }

    /// For the process that measures.
    pub(crate) fn tell(self) {
        let [busy, absent, waited, stolen] = self.cores.numbers();
        let Window { p50_ns, p99_ns, late_ns, .. } = self;
        println!("result {p50_ns} {p99_ns} {late_ns} {busy} {absent} {waited} {stolen}");
    }

    fn parse(numbers: &[f64]) -> io::Result<Window> {
        let &[p50_ns, p99_ns, late_ns, busy, absent, waited, stolen] = numbers else {
            return Err(io::Error::other("a window has seven numbers"));
        };
        Ok(Window { p50_ns, p99_ns, late_ns, cores: Cores::of([busy, absent, waited, stolen]) })
    }
}

/// Peers that never read. They end with this value.
pub(crate) struct Peers {
    holder: Holder,
    since_ns: u64,
}

impl Peers {
    /// Connects them and lets them send until no more is taken.
    pub(crate) fn connect(server: SocketAddr) -> io::Result<Peers> {
        let since_ns = Clock::MONOTONIC.now_ns();
        let mut holder = Holder::start("never-reading", server)?;
        holder.hold(SILENT)?;
        Ok(Peers { holder, since_ns })
    }

    /// Servers end peers that take nothing for long: there are others before they do.
    fn renew(&mut self) -> io::Result<()> {
        if Clock::MONOTONIC.now_ns() - self.since_ns > PEERS_STAY_NS {
            self.check()?;
            self.since_ns = Clock::MONOTONIC.now_ns();
            self.holder.hold(0)?;
            self.holder.hold(SILENT)?;
        }
        Ok(())
    }

    /// Whether all have been there until now: it fails where the server has ended one.
    fn check(&mut self) -> io::Result<()> {
        self.holder.hold(SILENT)
    }
}

/// One server with its load. Ends with this value.
pub(crate) struct Side {
    running: Running,
    load: Holder,
    /// What the load is told for a window.
    line: String,
    /// In how great a part of a window somebody may have no core.
    bound: f64,
    pub(crate) peers: Option<Peers>,
    /// Whether the load is told to rest while others have their windows.
    pub(crate) rests: bool,
    windows: Vec<Window>,
    thrown_away: usize,
}

impl Side {
    pub(crate) fn new(running: Running, load: Holder, line: String, bound: f64) -> Side {
        Side { running, load, line, bound, peers: None, rests: false, windows: Vec::new(), thrown_away: 0 }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running.address
    }

    /// Has its load do what a line says.
    pub(crate) fn ask(&mut self, line: &str) -> io::Result<Vec<f64>> {
        self.load.ask(line)
    }

    pub(crate) fn resident_bytes(&self) -> io::Result<u64> {
        resident_bytes(self.running.pid())
    }

    /// A window that nothing has disturbed.
    fn window(&mut self) -> io::Result<Window> {
        if let Some(peers) = &mut self.peers {
            peers.renew()?;
        }
        let mut seen = String::new();
        for _ in 0..TRIES {
            let window = Window::parse(&self.load.ask(&self.line)?)?;
            if !window.is_disturbed(self.bound) {
                if self.rests {
                    self.load.ask("rest")?;
                }
                return Ok(window);
            }
            self.thrown_away += 1;
            seen = window.cores.words();
        }
        Err(io::Error::other(format!(
            "too busy to measure: {TRIES} windows in a row were disturbed, the last because {seen}"
        )))
    }

    fn middle(&self, part: fn(&Window) -> f64) -> f64 {
        Estimate::of(self.windows.iter().map(part)).median
    }
}

/// A server without slow peers, and with them.
pub(crate) struct Pair {
    pub(crate) name: String,
    pub(crate) sides: [Side; 2],
    /// What the server holds for each of them, where they stay.
    pub(crate) held_bytes: Option<f64>,
}

/// What is reported of pairs.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a> {
    /// What the names of figures begin with.
    pub(crate) prefix: &'a str,
    /// What the peers do, how many there are, and what they are called in the names of figures.
    pub(crate) words: &'static str,
    pub(crate) peers: usize,
    pub(crate) name: &'static str,
    /// How much later the others may be served.
    pub(crate) bar: f64,
    /// A unit of time, and how many nanoseconds it has.
    pub(crate) unit: (&'static str, f64),
}

impl Pair {
    fn ratio(&self, part: fn(&Window) -> f64) -> Estimate {
        let [without, with] = &self.sides;
        Estimate::of(
            with.windows.iter().zip(&without.windows).map(|(with, without)| part(with) / part(without)),
        )
    }
}

/// Measures and reports the pairs, also those of a machine that becomes too busy: then it fails after that.
pub(crate) fn run(case: Case<'_>, pairs: &mut [Pair], options: &Options, report: &Report) -> io::Result<()> {
    let measured = measure(pairs, options);
    if pairs.iter().flat_map(|pair| &pair.sides).all(|side| !side.windows.is_empty()) {
        tell(case, pairs, report)?;
    }
    measured
}

/// Takes the windows of all rounds, and one of each side before them to warm up. All servers but one are idle meanwhile.
fn measure(pairs: &mut [Pair], options: &Options) -> io::Result<()> {
    for round in 0..=options.rounds {
        for pair in &mut *pairs {
            for turn in 0..2 {
                let side = &mut pair.sides[(round + turn) % 2];
                let window = side.window()?;
                if round > 0 {
                    side.windows.push(window);
                } else {
                    side.thrown_away = 0;
                }
            }
        }
    }
    let peers = pairs.iter_mut().flat_map(|pair| &mut pair.sides).filter_map(|side| side.peers.as_mut());
    for peers in peers {
        peers.check()?;
    }
    Ok(())
}

/// Reports all sides, ratios and what they say.
fn tell(case: Case<'_>, pairs: &[Pair], report: &Report) -> io::Result<()> {
    let Case { prefix, words, unit: (unit, unit_ns), .. } = case;
    report.line(&format!(
        "  server             {words:>10}     p50 {unit}     p99 {unit}   asked late by {unit}   server busy   resident MB   windows thrown away"
    ));
    for pair in pairs {
        for (side, peers) in pair.sides.iter().zip([0, case.peers]) {
            let middle = |part: fn(&Window) -> f64| side.middle(part) / unit_ns;
            let [p50, p99] = [middle(|window| window.p50_ns), middle(|window| window.p99_ns)];
            let late = middle(|window| window.late_ns);
            let megabytes = side.resident_bytes()? as f64 / 1e6;
            report.line(&format!(
                "  {:<18} {peers:>10} {p50:>10.2} {p99:>10.2} {late:>18.2} {:>12.0}% {megabytes:>13.2} {:>21}",
                pair.name,
                100.0 * side.middle(|window| window.cores.busy),
                side.thrown_away
            ));
            let name = format!("{prefix}/{}/{}{peers}", pair.name, case.name);
            report.figure(&format!("{name}/p50"), p50, unit);
            report.figure(&format!("{name}/p99"), p99, unit);
            report.figure(&format!("{name}/resident"), megabytes, "MB");
            report.figure(&format!("{name}/thrown_away"), side.thrown_away as f64, "windows");
        }
    }
    pairs.iter().for_each(|pair| judge(case, pair, report));
    Ok(())
}

/// One server beside itself. Slow peers cannot matter to any but the judged one: what they show there is the machine's.
fn judge(case: Case<'_>, pair: &Pair, report: &Report) {
    let Case { prefix, words, bar, .. } = case;
    let ratios = [pair.ratio(|window| window.p50_ns), pair.ratio(|window| window.p99_ns)];
    let told = ratios.map(|ratio| format!("{:.3} [{:.3}, {:.3}]", ratio.median, ratio.low, ratio.high));
    let verdict = Verdict::of(ratios[1], bar);
    let says = match (pair.name.starts_with(JUDGED), verdict) {
        (true, _) => format!("bar {bar:.2}: {}", verdict.words()),
        (false, Verdict::Reached) => "the control".to_owned(),
        (false, _) => "VOID: they cannot matter to it".to_owned(),
    };
    let held =
        pair.held_bytes.map(|bytes| format!("; {:.1} KB held for each of those that {words}", bytes / 1e3));
    report.line(&format!(
        "  {}: p50 ratio {}, p99 ratio {} of {} pairs, {says}{}",
        pair.name,
        told[0],
        told[1],
        pair.sides[0].windows.len(),
        held.unwrap_or_default()
    ));
    let name = format!("{prefix}/{}", pair.name);
    for (part, ratio) in ["p50", "p99"].into_iter().zip(ratios) {
        report.figure(&format!("{name}/{part}_ratio"), ratio.median, "ratio");
        report.figure(&format!("{name}/{part}_ratio_low"), ratio.low, "ratio");
        report.figure(&format!("{name}/{part}_ratio_high"), ratio.high, "ratio");
    }
    if let Some(bytes) = pair.held_bytes {
        report.figure(&format!("{name}/held_per_peer"), bytes, "B");
    }
}
