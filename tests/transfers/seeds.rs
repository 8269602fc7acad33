//! Which seeds are run, and what is said when one fails.
//!
//! Knows: `ODEON_SEEDS` (how many for each case), `ODEON_SEED` (this one only), `ODEON_SOAK`. Must not know what a seed decides.

use std::panic::resume_unwind;
use std::thread;

/// Runs a case seed by seed: as many as it says, unless the environment says otherwise. Each has a thread of its own, whose
/// name is the command that repeats it.
pub(crate) fn each(case: &str, seeds: u64, run: impl Fn(u64) + Sync) {
    let only = number("ODEON_SEED");
    let seeds = match only {
        Some(seed) => seed..seed + 1,
        None => 0..number("ODEON_SEEDS").unwrap_or(seeds),
    };
    for seed in seeds {
        let command = format!("ODEON_SEED={seed} cargo test --test transfers {case}");
        let ended = thread::scope(|scope| {
            let thread = thread::Builder::new().name(command.clone()).spawn_scoped(scope, || run(seed));
            thread.expect("a thread for the seed").join()
        });
        if let Err(panic) = ended {
            eprintln!("\nrepeat it with: {command}");
            resume_unwind(panic);
        }
    }
}

/// True if whoever runs this has time.
pub(crate) fn is_soak() -> bool {
    std::env::var_os("ODEON_SOAK").is_some()
}

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable}={value} is not a number")))
}
