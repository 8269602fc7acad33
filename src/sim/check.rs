//! A test that is run for many seeds.
//!
//! Knows: what a check is made of. Must not know what is checked.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::command::Test;
use super::seeds::{Failed, Seeds, first_failed};
use super::{Faults, Random, Sim};
use crate::config::Config;
use crate::system::simulation::SimulationConfig;

/// Runs a test for many seeds, with a simulated system each: [`Check::new`] with its defaults.
///
/// # Panics
/// When it fails for a seed: with what that has panicked with, behind the command that repeats it.
///
/// ```
/// use odeon::sim;
///
/// sim::check(|sim| {
///     sim.run_for(std::time::Duration::from_secs(3600));
///     assert_eq!(sim.now().0, 3_600_000_000_000);
/// });
/// ```
#[track_caller]
pub fn check<F: FnMut(&Sim) + Send>(test: F) {
    Check::new().run(test);
}

/// How a test is run: for how many seeds, on how many cores, with which limits and accidents.
///
/// Each seed has a thread and a [`Sim`] of its own. `ODEON_SEEDS=10000` in the environment says how many seeds are run, whatever the
/// check says, and `ODEON_SEED=17` that this one is.
///
/// ```
/// use odeon::prelude::*;
/// use odeon::sim::{Check, Faults};
///
/// struct Echo;
///
/// #[actor(codec = Lines<80>)]
/// impl Echo {
///     #[frame]
///     fn line(&mut self, line: &str, cx: &mut Context<Self>) {
///         cx.write_line(line);
///     }
/// }
///
/// // Every byte comes by itself, or nearly so.
/// let split = |_| Faults { short_receive: 1.0, short_send: 1.0, ..Faults::none() };
/// Check::new().seeds(20).cores(1).config(|config| config.receive_buffers = 1).faults(split).run(|sim| {
///     let listening = sim.listener("10.0.0.1:7").start(|_| Echo).unwrap();
///     let mut client = sim.connect(listening.address());
///     client.write_line(&"x".repeat(80));
///     client.expect_line(&"x".repeat(80));
/// });
/// ```
#[derive(Debug, Clone)]
#[must_use = "a check is run by `run`"]
pub struct Check {
    seeds: u64,
    only: Option<u64>,
    cores: Option<usize>,
    config: Config,
    faults: fn(u64) -> Faults,
    patience: Duration,
    twice: bool,
}

/// Seeds of a check that does not say how many.
const SEEDS: u64 = if cfg!(miri) { 1 } else { 50 };

impl Check {
    /// 50 seeds; from 1 to 4 cores, as the seed says; the limits of [`Config::default`], but [`Config::send_slots`], which are few, and
    /// [`Config::receive_buffer_bytes`], of which there are 16 KiB: making as many as a server has takes longer than most tests. What has no place in the slots
    /// is kept beside. The accidents of [`Faults::network`]; patience for a minute.
    ///
    /// **Costs** at most 2 MiB for each core while a seed runs, beside what the actors have.
    pub fn new() -> Check {
        let config =
            Config { send_slots: [64, 32, 16, 8, 4], receive_buffer_bytes: 16 << 10, ..Config::default() };
        Check {
            seeds: SEEDS,
            only: None,
            cores: None,
            config,
            faults: Faults::network,
            patience: Duration::from_secs(60),
            twice: false,
        }
    }

    /// How many seeds are run, from zero on, unless the environment says otherwise.
    pub fn seeds(mut self, seeds: u64) -> Check {
        self.seeds = seeds;
        self
    }

    /// Runs this seed and no other, whatever the environment says: for a mistake that is understood, and must not come back.
    pub fn seed(mut self, seed: u64) -> Check {
        self.only = Some(seed);
        self
    }

    /// How many cores there are. From 1 to 64.
    ///
    /// # Panics
    /// With any other number.
    pub fn cores(mut self, cores: usize) -> Check {
        assert!((1..=64).contains(&cores), "a simulated system has from 1 to 64 cores, not {cores}");
        self.cores = Some(cores);
        self
    }

    /// Changes the limits of the system.
    ///
    /// **Costs**, for each seed, the memory that they set aside: a small system is made sooner.
    pub fn config(mut self, change: impl FnOnce(&mut Config)) -> Check {
        change(&mut self.config);
        self
    }

    /// The accidents of each seed: [`Faults::network`], [`Faults::from_seed`], or a closure that captures nothing.
    pub fn faults(mut self, faults: fn(u64) -> Faults) -> Check {
        self.faults = faults;
        self
    }

    /// How long, in virtual time, anything is waited for, before it is held to be in vain. Longer than whatever the system waits for itself,
    /// such as [`Config::ask_timeout`].
    pub fn patience(mut self, patience: Duration) -> Check {
        self.patience = patience;
        self
    }

    /// Runs each seed twice, and fails if the two runs differ: something in them depends on more than the seed, such as the clock of the
    /// machine, threads of the program's own, or the order of a `HashMap`. Such a failure may need more than its seed to be repeated.
    pub fn twice(mut self) -> Check {
        self.twice = true;
        self
    }

    /// Runs the test, seed by seed, up to the first that fails.
    ///
    /// # Panics
    /// As [`check`](super::check).
    #[track_caller]
    pub fn run<F: FnMut(&Sim) + Send>(&self, test: F) {
        let seeds = self.only.map_or_else(|| Seeds::chosen(self.seeds, 1), Seeds::only);
        if let Some(failed) = self.first_failed(seeds, Location::caller(), test) {
            failed.tell();
        }
    }

    /// Runs the test, seed by seed, whatever the environment says, and answers how it has failed first, if it has: for the test of a test,
    /// which plants a mistake that must be found.
    ///
    /// ```
    /// use odeon::sim::Check;
    ///
    /// let failure = Check::new().seeds(1000).first_failure(|sim| assert_ne!(sim.seed(), 17, "unlucky")).unwrap();
    /// assert_eq!(failure.seed(), 17);
    /// assert!(failure.message().contains("unlucky"));
    /// assert!(failure.command().starts_with("ODEON_SEED=17 cargo test"));
    /// ```
    #[track_caller]
    pub fn first_failure<F: FnMut(&Sim) + Send>(&self, test: F) -> Option<Failure> {
        let seeds = self.only.map_or_else(|| Seeds::up_to(self.seeds), Seeds::only);
        let failed = self.first_failed(seeds, Location::caller(), test)?;
        Some(Failure { seed: failed.seed, message: failed.message(), command: failed.command })
    }

    fn first_failed<F: FnMut(&Sim) + Send>(
        &self,
        seeds: Seeds,
        place: &Location<'_>,
        mut test: F,
    ) -> Option<Failed> {
        first_failed(&Test::here(place), seeds, |seed| {
            let trace = self.play(seed, &mut test);
            if self.twice {
                let again = self.play(seed, &mut test);
                assert!(
                    trace == again,
                    "two runs of seed {seed} differ: they depend on more than the seed, such as the time, threads, or the order of a `HashMap`, so \
                     that the command which repeats it may take several attempts"
                );
            }
        })
    }

    fn play(&self, seed: u64, test: &mut impl FnMut(&Sim)) -> u64 {
        let cores = self.cores.unwrap_or_else(|| 1 + Random::new(seed).index(4));
        let faults = (self.faults)(seed);
        let sim =
            Sim::new(SimulationConfig { seed, cores, config: self.config.clone(), faults }, self.patience);
        test(&sim);
        sim.end()
    }
}

impl Default for Check {
    fn default() -> Check {
        Check::new()
    }
}

/// How a test has failed: see [`Check::first_failure`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    seed: u64,
    message: String,
    command: String,
}

impl Failure {
    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// What it has panicked with.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The command that repeats it.
    #[must_use]
    pub fn command(&self) -> &str {
        &self.command
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}; repeat it with: {}", self.message, self.command)
    }
}
