//! Which seeds are run, and what is said when one fails.
//!
//! Knows: `ODEON_SEEDS` (how many in all), `ODEON_SEED` (this one only), the command that repeats one. Must not know what a
//! seed decides.

use std::panic::resume_unwind;
use std::thread;

use super::Scenario;

/// Seeds in all scenarios together, unless `ODEON_SEEDS` says otherwise.
const SEEDS: u64 = if cfg!(miri) { SCENARIOS } else { 200 };

/// How many scenarios share them.
const SCENARIOS: u64 = 16;

/// Runs a scenario seed by seed. Each has a thread of its own, whose name is the command that repeats it, so that it is
/// told whatever way the seed fails: by a panic, or by the runtime when it aborts the process.
pub(crate) fn each(scenario: &'static str, run: Scenario) {
    for seed in chosen() {
        if let Err(panic) = in_thread(scenario, seed, run) {
            eprintln!("\nrepeat it with: {}", command(scenario, seed));
            resume_unwind(panic);
        }
    }
}

/// Runs one seed and answers with what it panicked, if it did.
fn in_thread(scenario: &'static str, seed: u64, run: Scenario) -> thread::Result<[u64; 3]> {
    let thread = thread::Builder::new().name(command(scenario, seed)).spawn(move || run(seed));
    thread.expect("a thread for the seed").join()
}

fn command(scenario: &str, seed: u64) -> String {
    format!("ODEON_SEED={seed} cargo test --test simulation {scenario}")
}

fn chosen() -> std::ops::Range<u64> {
    if let Some(seed) = number("ODEON_SEED") {
        return seed..seed + 1;
    }
    0..number("ODEON_SEEDS").unwrap_or(SEEDS).div_ceil(SCENARIOS)
}

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable}={value} is not a number")))
}
