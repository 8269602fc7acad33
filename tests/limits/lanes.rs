//! What is set aside for messages between cores, and for those of simulations, is no memory before it is used.

use std::env;
use std::process::Command;

use odeon::executor::lane::lane;
use odeon::sim::Check;

/// What is in memory of this process, in bytes. None: the machine does not say.
fn resident() -> Option<u64> {
    /// At least; a machine with larger ones counts fewer.
    const PAGE_BYTES: u64 = 4096;
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split(' ').nth(1)?.parse::<u64>().ok()? * PAGE_BYTES)
}

/// Runs a test in a process of its own, whose memory is nobody else's.
fn alone(name: &str, test: impl FnOnce()) {
    const ALONE: &str = "ODEON_TEST_ALONE";
    if env::var_os(ALONE).is_some() {
        return test();
    }
    let program = env::current_exe().expect("the program knows its own path");
    let output = Command::new(program).args(["--exact", name, "--nocapture"]).env(ALONE, "1").output();
    let output = output.expect("the program can be run");
    let said = String::from_utf8_lossy(&output.stdout);
    let ran = output.status.success() && said.contains("1 passed");
    assert!(ran, "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_lane_takes_no_memory_before_it_is_used() {
    const PLACE_BYTES: u64 = 32;
    const PLACES: usize = 1 << 25;
    alone("lanes::a_lane_takes_no_memory_before_it_is_used", || {
        let Some(before) = resident() else { return };
        let ends = lane(PLACES);
        let grown = resident().expect("it has said so before").saturating_sub(before);
        drop(ends);
        assert!(grown < PLACES as u64 * PLACE_BYTES / 100, "{grown} bytes");
    });
}

#[test]
fn a_simulated_core_takes_as_much_memory_as_it_uses() {
    const CORES: usize = 16;
    /// As `Check::new` says.
    const BYTES_MAX: u64 = 2 << 20;
    alone("lanes::a_simulated_core_takes_as_much_memory_as_it_uses", || {
        let Some(before) = resident() else { return };
        Check::new().seeds(1).cores(CORES).run(|_| {
            let grown = resident().expect("it has said so before").saturating_sub(before);
            assert!(grown < CORES as u64 * BYTES_MAX, "{grown} bytes");
        });
    });
}
