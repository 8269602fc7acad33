//! Round trips of one connection whose client blocks.
//!
//! Knows: plain reads and writes. Must not know which server it is.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::load::Plan;
use super::machine::Clock;
use super::stats::quantile;
use super::traffic::Pattern;

/// A server that does not answer for so long has failed.
pub(crate) const SILENCE: Duration = Duration::from_secs(5);

/// Percentiles of the round trips in a window.
pub(crate) struct Trips {
    pub(crate) p50_ns: f64,
    pub(crate) p99_ns: f64,
}

/// Sends the plan's message and waits for it, again and again, on one connection.
pub(crate) fn run(plan: &Plan) -> io::Result<Trips> {
    let mut stream = TcpStream::connect(plan.server)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE))?;
    let pattern = Pattern::new(plan.size);
    let mut answer = vec![0; plan.size];
    let mut position = 0;
    let mut trips_ns: Vec<f64> = Vec::with_capacity(1 << 20);
    let begin_ns = Clock::MONOTONIC.now_ns() + plan.warm_up_ns;
    let mut now_ns = 0;
    while now_ns < begin_ns + plan.window_ns {
        let request = pattern.at(position, plan.size);
        let start_ns = Clock::MONOTONIC.now_ns();
        stream.write_all(request)?;
        stream.read_exact(&mut answer)?;
        now_ns = Clock::MONOTONIC.now_ns();
        if answer != request {
            return Err(io::Error::other("what came back is not what was sent"));
        }
        if start_ns >= begin_ns {
            trips_ns.push((now_ns - start_ns) as f64);
        }
        position = Pattern::advance(position, plan.size);
    }
    trips_ns.sort_by(f64::total_cmp);
    Ok(Trips { p50_ns: quantile(&trips_ns, 0.5), p99_ns: quantile(&trips_ns, 0.99) })
}
