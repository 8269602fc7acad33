//! What kept a window from showing a server alone: the load, or the server, had no core.
//!
//! Knows: clocks, what /proc tells, when a window is void. Must not know how soon anything was answered: whoever throws windows away for
//! that chooses his own result.

use std::array;
use std::io;

use super::machine::{Clock, stolen_ns, time_slices, waited_ns};

/// A load that was away for less had nothing to do, or was late by what a core needs to wake.
const SLACK_NS: u64 = 100_000;
/// What a process waits for its core each time that it wakes when nobody else uses it: a tenth of what a question takes to be answered.
const WAKE_NS: u64 = 100;
/// Watches a window of one server, in the process of its load.
pub(crate) struct Watch {
    server_pid: u32,
    server_cpu: Clock,
    /// How long the load may sleep between two looks.
    sleep_ns: u64,
    begin_ns: u64,
    begin: [u64; 4],
    /// Time, and time of this process, at the last look.
    last: [u64; 2],
    absent_ns: u64,
}

/// Parts of a window.
#[derive(Clone, Copy)]
pub(crate) struct Cores {
    /// The server had its core.
    pub(crate) busy: f64,
    /// The load was not there to look at the clock.
    absent: f64,
    /// The server waited for its core, beyond what each wake takes.
    waited: f64,
    /// The host ran somebody else on one of the cores.
    stolen: f64,
}

impl Watch {
    pub(crate) fn begin(server_pid: u32, sleep_ns: u64) -> io::Result<Watch> {
        let server_cpu = Clock::cpu_of(server_pid)?;
        let begin = counters(server_pid, server_cpu)?;
        let last = look();
        Ok(Watch { server_pid, server_cpu, sleep_ns, begin_ns: last[0], begin, last, absent_ns: 0 })
    }

    /// Called in every turn of the load's loop.
    #[inline]
    pub(crate) fn look(&mut self) {
        let now = look();
        let [passed_ns, used_ns] = array::from_fn(|clock| now[clock] - self.last[clock]);
        let away_ns = passed_ns.saturating_sub(used_ns);
        if away_ns > self.sleep_ns + SLACK_NS {
            self.absent_ns += away_ns;
        }
        self.last = now;
    }

    pub(crate) fn end(mut self) -> io::Result<Cores> {
        self.look();
        let end = counters(self.server_pid, self.server_cpu)?;
        let [used_ns, waited_ns, slices, stolen_ns] =
            array::from_fn(|index| end[index].saturating_sub(self.begin[index]));
        let part = |ns: u64| ns as f64 / (self.last[0] - self.begin_ns) as f64;
        Ok(Cores {
            busy: part(used_ns),
            absent: part(self.absent_ns),
            waited: part(waited_ns.saturating_sub(slices * WAKE_NS)),
            stolen: part(stolen_ns),
        })
    }
}

impl Cores {
    pub(crate) fn numbers(self) -> [f64; 4] {
        [self.busy, self.absent, self.waited, self.stolen]
    }

    pub(crate) fn of([busy, absent, waited, stolen]: [f64; 4]) -> Cores {
        Cores { busy, absent, waited, stolen }
    }

    /// Whether the window says nothing of the server: somebody had no core for a greater part of it than this.
    pub(crate) fn disturbed(self, bound: f64) -> bool {
        self.absent + self.waited + self.stolen > bound
    }

    /// What kept whom from its core.
    pub(crate) fn words(self) -> String {
        let [absent, waited, stolen] = [self.absent, self.waited, self.stolen].map(|part| 100.0 * part);
        format!(
            "for {absent:.1} % of it the load had no core, for {waited:.1} % the server, for {stolen:.1} % the machine"
        )
    }
}

fn look() -> [u64; 2] {
    [Clock::MONOTONIC, Clock::OWN_CPU].map(Clock::now_ns)
}

fn counters(pid: u32, cpu: Clock) -> io::Result<[u64; 4]> {
    Ok([cpu.now_ns(), waited_ns(pid)?, time_slices(pid)?, stolen_ns()?])
}
