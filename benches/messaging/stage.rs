//! What all games need: repetitions, a system, a clock.
//!
//! Knows: how a game is set up. Must not know how it is played, how often, nor what it is compared with.
//!
//! Each game is a function that sets up what it needs and answers a repetition. The crate for other runtimes plays some of them, too.

use odeon::prelude::*;

/// One repetition of a game, which answers what a figure is counted in.
pub(crate) type Repetition = Box<dyn FnMut() -> f64>;

/// A system with default limits but room in its mailboxes for a message to each of a million actors.
pub(crate) fn system(cores: usize) -> System {
    let mut config = Config::default();
    config.mailbox_bytes_max = 1 << 30;
    System::builder().cores(Cores::Count(cores)).config(config).build().expect("the machine can run a system")
}

/// Nanoseconds that `run` takes.
pub(crate) fn timed(run: impl FnOnce()) -> f64 {
    let start = odeon::sys::now();
    run();
    odeon::sys::now().since(start).as_nanos() as f64
}
