//! How many seeds are run.
//!
//! Knows: how many scenarios share them. Must not know what a seed decides, nor how one that fails is repeated.

use super::Scenario;

/// Seeds in all scenarios together, unless `ODEON_SEEDS` says otherwise.
const SEEDS: u64 = if cfg!(miri) { SCENARIOS } else { 200 };

/// How many scenarios share them.
const SCENARIOS: u64 = 16;

/// Runs a scenario seed by seed.
pub(crate) fn each(run: Scenario) {
    odeon::sim::each_seed(SEEDS, SCENARIOS, |seed| {
        run(seed);
    });
}
