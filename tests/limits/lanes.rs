//! What is set aside for messages between cores, and for those of simulations, is no memory before it is used.

use odeon::executor::lane::lane;
use odeon::sim::Check;

/// What is in memory of this process, in bytes. None: the machine does not say.
fn resident() -> Option<u64> {
    /// At least; a machine with larger ones counts fewer.
    const PAGE_BYTES: u64 = 4096;
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split(' ').nth(1)?.parse::<u64>().ok()? * PAGE_BYTES)
}

#[test]
fn a_lane_takes_no_memory_before_it_is_used() {
    const PLACE_BYTES: u64 = 32;
    const PLACES: usize = 1 << 25;
    let Some(before) = resident() else { return };
    let ends = lane(PLACES);
    let grown = resident().expect("it has said so before").saturating_sub(before);
    drop(ends);
    // Other tests may run beside this one.
    assert!(grown < PLACES as u64 * PLACE_BYTES / 4, "{grown} bytes");
}

#[test]
fn a_simulated_core_takes_as_much_memory_as_it_uses() {
    const CORES: usize = 16;
    /// As `Check::new` says.
    const BYTES_MAX: u64 = 2 << 20;
    let Some(before) = resident() else { return };
    Check::new().seeds(1).cores(CORES).run(|_| {
        let grown = resident().expect("it has said so before").saturating_sub(before);
        assert!(grown < CORES as u64 * BYTES_MAX, "{grown} bytes");
    });
}
