//! An actor that runs what it is sent: a foot on a core.
//!
//! Knows: closures. Must not know the cases.

use std::io::{self, Write};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use odeon::Error;
use odeon::prelude::*;

use crate::heap;

/// Long enough for a machine that does much else, short enough to find out about a hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

type Task = Box<dyn FnOnce(&mut Context<Runner>) + Send>;

#[derive(Message)]
pub(crate) struct Run(Task);

pub(crate) struct Runner;

impl Accepts<Run> for Runner {
    fn accept(message: Run) -> Run {
        message
    }
}

impl Actor for Runner {
    type Message = Run;

    fn handle(&mut self, Run(task): Run, cx: &mut Context<Self>) -> Flow {
        task(cx);
        Flow::Continue
    }
}

/// A system with these limits, or none where the machine refuses its backend.
pub(crate) fn system(
    backend: BackendChoice,
    cores: usize,
    change: impl FnOnce(&mut Config),
) -> Option<System> {
    let mut config = Config::default();
    // A machine that does much else keeps cores waiting as a slow handler does, and to say so takes memory.
    config.slow_handler = Duration::MAX;
    change(&mut config);
    match System::builder().cores(Cores::Count(cores)).backend(backend).config(config).build() {
        Ok(system) => Some(system),
        Err(Error::Backend { backend, reason }) => {
            // Not by `eprintln!`, which the test runner would swallow.
            let _ = writeln!(io::stderr(), "SKIPPED: {backend} is refused on this machine: {reason}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Has a runner run something; waits for what it answers.
pub(crate) fn on_core<R: Send + 'static>(
    runner: Addr<Runner>,
    task: impl FnOnce(&mut Context<Runner>) -> R + Send + 'static,
) -> R {
    let (answer, answers) = sync_channel(1);
    let run = Run(Box::new(move |cx| answer.send(task(cx)).expect("the test waits for it")));
    assert!(runner.tell(run).is_ok(), "the runner takes it");
    answers.recv_timeout(PATIENCE).expect("the runner answers")
}

/// Allocations that the thread of this runner's core has made.
pub(crate) fn allocations(runner: Addr<Runner>) -> u64 {
    on_core(runner, |_| heap::allocations())
}

/// How often everything may have to grow before it is warm: on a busy machine more is under way at once than ever before.
const GROWTHS_MAX: usize = 20;

/// What that may take each time: lists and queues that double, and chunks of them, on two cores.
const GROWTH_MAX: u64 = 16;

/// What is counted once everything is warm: as much as is expected, or what was counted last. Nothing may grow by more than a
/// handful before.
pub(crate) fn when_warm<const N: usize>(expected: [u64; N], mut count: impl FnMut() -> [u64; N]) -> [u64; N] {
    let mut counted = count();
    for _ in 1..GROWTHS_MAX {
        if counted == expected {
            break;
        }
        let is_growth = |(counted, expected)| (expected..=expected + GROWTH_MAX).contains(&counted);
        assert!(
            counted.into_iter().zip(expected).all(is_growth),
            "{counted:?} are more than {expected:?} by more than what grows"
        );
        counted = count();
    }
    counted
}

/// A core that does nothing until it is let go. It takes no memory for that.
pub(crate) struct Held(Arc<(Mutex<bool>, Condvar)>);

impl Held {
    /// When this returns, the core is held.
    pub(crate) fn new(runner: Addr<Runner>) -> Held {
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        let (hold, held) = sync_channel(1);
        let closed = gate.clone();
        let wait = move |_: &mut Context<Runner>| {
            let (open, changed) = &*closed;
            hold.send(()).expect("the test waits for it");
            let open = open.lock().expect("nobody panics");
            let waited = changed.wait_timeout_while(open, PATIENCE, |open| !*open).expect("nobody panics");
            assert!(!waited.1.timed_out(), "the test lets go");
        };
        assert!(runner.tell(Run(Box::new(wait))).is_ok(), "the runner takes it");
        held.recv_timeout(PATIENCE).expect("the runner runs");
        Held(gate)
    }

    pub(crate) fn release(self) {
        let (open, changed) = &*self.0;
        *open.lock().expect("nobody panics") = true;
        changed.notify_one();
    }
}
