//! An actor that runs what it is sent: a foot on a core.
//!
//! Knows: closures. Must not know the cases.

use std::sync::mpsc::channel;

use odeon::executor::current;
use odeon::prelude::*;

use crate::world::{PATIENCE, World, until};

pub(crate) type Task = Box<dyn FnOnce(&mut Context<Runner>) -> Flow + Send>;

#[derive(Message)]
pub(crate) struct Run(pub(crate) Task);

pub(crate) struct Runner;

impl Accepts<Run> for Runner {
    fn accept(message: Run) -> Run {
        message
    }
}

impl Actor for Runner {
    type Message = Run;
    const MAILBOX_CAPACITY: u32 = 64;

    fn handle(&mut self, Run(task): Run, cx: &mut Context<Self>) -> Flow {
        task(cx)
    }
}

impl World {
    /// Spawns a runner on a core. It belongs to the baseline from then on.
    pub(crate) fn runner(&mut self, core: usize) -> Addr<Runner> {
        let runner = self.system.spawn_on(core, Runner).expect("the core has room");
        self.remember();
        runner
    }
}

/// Has a runner run something; waits for what it answers.
pub(crate) fn on_core<R: Send + 'static>(
    runner: Addr<Runner>,
    task: impl FnOnce(&mut Context<Runner>) -> R + Send + 'static,
) -> R {
    let (answer, answers) = channel();
    let run = Run(Box::new(move |cx| {
        // The test waits for it.
        let _ = answer.send(task(cx));
        Flow::Continue
    }));
    post(runner, run);
    answers.recv_timeout(PATIENCE).expect("the runner answers")
}

/// Has a runner run something that says how it goes on.
pub(crate) fn run(runner: Addr<Runner>, task: impl FnOnce(&mut Context<Runner>) -> Flow + Send + 'static) {
    post(runner, Run(Box::new(task)));
}

/// Sends a runner something to run. The way to its core may be full for a while of what the case sends there; on a core nobody waits for
/// that.
fn post(runner: Addr<Runner>, run: Run) {
    let waits = current::with(|core| core.is_none());
    let mut refused = Some(run);
    until("room on the way to the runner", || {
        refused = refused.take().and_then(|run| match runner.tell(run) {
            Ok(()) => None,
            Err(SendError::Full(run)) => Some(run),
            Err(SendError::Stopped(_)) => panic!("the runner has stopped"),
        });
        assert!(refused.is_none() || waits, "the runner takes it");
        refused.is_none()
    });
}
