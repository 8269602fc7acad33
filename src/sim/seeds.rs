//! Which seeds are run, and what is said when one fails.
//!
//! Knows: `ODEON_SEEDS` (how many), `ODEON_SEED` (this one only). Must not know what a seed decides.

use std::any::Any;
use std::panic::{Location, resume_unwind};
use std::{env, thread};

use super::command::Test;

/// What a run has panicked with.
type Panic = Box<dyn Any + Send>;

/// A seed that has failed.
pub(super) struct Failed {
    pub(super) seed: u64,
    pub(super) command: String,
    pub(super) panic: Panic,
}

impl Failed {
    /// Says how it is repeated, and fails.
    pub(super) fn tell(self) -> ! {
        eprintln!("\nrepeat it with: {}", self.command);
        resume_unwind(self.panic)
    }

    /// What the panic says.
    pub(super) fn message(&self) -> String {
        let text = self.panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| self.panic.downcast_ref::<&str>().copied());
        text.unwrap_or("a panic without words").to_owned()
    }
}

/// Runs seeds as the environment says: `usual` of them, or as many as `ODEON_SEEDS`, which so many `sharers` have between them, or that of
/// `ODEON_SEED` alone. A seed that fails is told with the command that repeats it. For tests that have a simulation of their own.
///
/// # Panics
/// With what a seed has panicked with.
#[doc(hidden)]
#[track_caller]
pub fn each_seed(usual: u64, sharers: u64, run: impl FnMut(u64) + Send) {
    let test = Test::here(Location::caller());
    if let Some(failed) = first_failed(&test, Seeds::chosen(usual, sharers), run) {
        failed.tell();
    }
}

/// Seeds in a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seeds {
    first: u64,
    count: u64,
}

impl Seeds {
    /// This one.
    pub(super) fn only(seed: u64) -> Seeds {
        Seeds { first: seed, count: 1 }
    }

    /// So many from zero on.
    pub(super) fn up_to(count: u64) -> Seeds {
        Seeds { first: 0, count }
    }

    /// Those that the environment wants.
    pub(super) fn chosen(usual: u64, sharers: u64) -> Seeds {
        match number("ODEON_SEED") {
            Some(seed) => Seeds::only(seed),
            None => Seeds::up_to(number("ODEON_SEEDS").unwrap_or(usual).div_ceil(sharers)),
        }
    }
}

/// Runs seed by seed, up to the first that fails. Each has a thread of its own, whose name is the command that repeats it, so that it
/// is told whatever way the seed fails: by a panic, or by the runtime when it aborts the process.
pub(super) fn first_failed(test: &Test, seeds: Seeds, mut run: impl FnMut(u64) + Send) -> Option<Failed> {
    for seed in (0..seeds.count).map(|later| seeds.first + later) {
        let (command, run) = (test.command(seed), &mut run);
        let ended = thread::scope(|scope| {
            let thread = thread::Builder::new().name(command.clone()).spawn_scoped(scope, move || run(seed));
            thread.expect("there is a thread for the seed").join()
        });
        if let Err(panic) = ended {
            return Some(Failed { seed, command, panic });
        }
    }
    None
}

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable}={value} is not a number")))
}
