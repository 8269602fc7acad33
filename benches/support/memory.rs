//! Memory per idle connection, base memory, and wake-ups of a server that has nothing to do.
//!
//! Knows: resident memory, context switches. Must not know how servers work.

use std::io;
use std::thread;
use std::time::Duration;

use super::child::{Holder, Running};
use super::machine::{context_switches, resident_bytes};
use super::report::Report;
use super::servers::Server;

const FEW: usize = 1_000;
const MANY: usize = 9_000;
/// Until what a start or an accept leaves behind is done.
const SETTLE: Duration = Duration::from_millis(500);
const WATCH: Duration = Duration::from_secs(2);

/// What one server needs to do nothing.
struct Idle {
    base_bytes: u64,
    bytes_per_connection: f64,
    wakes_alone: f64,
    wakes_connected: f64,
}

/// Measures and reports every server. Answers whether all were measured.
pub(crate) fn run(servers: &[Server], report: &Report) -> bool {
    report.line(&format!(
        "\nidle: resident memory between {FEW} and {MANY} connections, each used once; wake-ups per second"
    ));
    report.line("  server              base MB    B/connection    wake-ups/s alone    with connections");
    let mut correct = true;
    for server in servers {
        match measure(server) {
            Ok(idle) => tell(server, &idle, report),
            Err(error) => {
                report.line(&format!("  {} FAILED: {error}", server.name));
                correct = false;
            }
        }
    }
    correct
}

fn measure(server: &Server) -> io::Result<Idle> {
    let running = Running::start(server)?;
    thread::sleep(SETTLE);
    let base_bytes = resident_bytes(running.pid())?;
    let wakes_alone = wakes_per_second(running.pid())?;
    let mut holder = Holder::start("idle", running.address)?;
    holder.hold(FEW)?;
    thread::sleep(SETTLE);
    let few_bytes = resident_bytes(running.pid())?;
    holder.hold(MANY)?;
    thread::sleep(SETTLE);
    let many_bytes = resident_bytes(running.pid())?;
    let wakes_connected = wakes_per_second(running.pid())?;
    let bytes_per_connection = (many_bytes as f64 - few_bytes as f64) / (MANY - FEW) as f64;
    Ok(Idle { base_bytes, bytes_per_connection, wakes_alone, wakes_connected })
}

fn wakes_per_second(pid: u32) -> io::Result<f64> {
    let before = context_switches(pid)?;
    thread::sleep(WATCH);
    Ok((context_switches(pid)? - before) as f64 / WATCH.as_secs_f64())
}

fn tell(server: &Server, idle: &Idle, report: &Report) {
    let base_megabytes = idle.base_bytes as f64 / 1e6;
    report.line(&format!(
        "  {:<18} {base_megabytes:>8.2} {:>15.0} {:>19.1} {:>19.1}",
        server.name, idle.bytes_per_connection, idle.wakes_alone, idle.wakes_connected
    ));
    let name = format!("memory/{}", server.name);
    report.figure(&format!("{name}/base"), base_megabytes, "MB");
    report.figure(&format!("{name}/per_connection"), idle.bytes_per_connection, "B");
    report.figure(&format!("{name}/wakes_alone"), idle.wakes_alone, "1/s");
    report.figure(&format!("{name}/wakes_connected"), idle.wakes_connected, "1/s");
}
