//! Tasks: futures that run on a core by themselves, beside its actors.
//!
//! Knows: how a task is begun, ended and waited for. Must not know what it does, nor the backend.
//!
//! A task stays on the core where it was spawned, so its future need not be [`Send`]. It runs when somebody wakes it, from any thread, for
//! one poll at a time, in turn with the actors of the core. It must not block: everything else on the core would wait.
//!
//! ```
//! use odeon::prelude::*;
//! use odeon::task;
//!
//! let system = System::builder().cores(Cores::Count(1)).build()?;
//! let sum = system.spawn_task(0, || async {
//!     let parts = [task::spawn(async { 40 }), task::spawn(async { 2 })];
//!     let mut sum = 0;
//!     for part in parts {
//!         sum += part.await.unwrap();
//!     }
//!     sum
//! })?;
//! assert_eq!(sum.wait(), Ok(42));
//! # Ok::<(), odeon::Error>(())
//! ```

use std::any::type_name;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::executor::{
    Activation, AskError, Body, Core, Demand, Errand, Flow, Guest, Limit, Oneshot, Outcome, Ran, RawAddress,
    current, insist, stage,
};
use crate::mem::Key;

/// Why there is no result of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JoinError {
    /// It panicked.
    Panicked,
    /// It was aborted, or its core has ended.
    Aborted,
    /// It was not begun: the thread runs no core, or that has as many actors as `Config::actors_max` allows, or as many tasks as
    /// `Config::tasks_max` does.
    Refused,
    /// [`JoinHandle::wait`] was called on a thread of a system, where it would keep a core from everything else.
    WithinCore,
}

impl fmt::Display for JoinError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            JoinError::Panicked => "the task panicked",
            JoinError::Aborted => "the task was aborted",
            JoinError::Refused => {
                "the task was not begun: this thread runs no core (System::spawn_task needs none), or the core has \
                 Config::actors_max actors or Config::tasks_max tasks"
            }
            JoinError::WithinCore => {
                "a thread of a system cannot wait for a task: `await` it in another task"
            }
        })
    }
}

impl std::error::Error for JoinError {}

/// As [`ErrorKind::Other`](io::ErrorKind::Other), so that `?` works where a connection is served.
///
/// ```
/// use odeon::task::JoinError;
///
/// let error = std::io::Error::from(JoinError::Panicked);
/// assert_eq!(error.to_string(), "the task panicked");
/// ```
impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> io::Error {
        io::Error::other(error)
    }
}

type Joined<T> = Result<T, JoinError>;

/// Waits for the result of a task, as a future that any thread can poll. Dropping it lets the task go on by itself.
#[must_use = "a task goes on by itself; `detach` says that nobody waits for it"]
pub struct JoinHandle<T> {
    result: Arc<Oneshot<Joined<T>>>,
    task: Option<RawAddress>,
    done: bool,
}

impl<T> JoinHandle<T> {
    /// Of a task that panicked before there was a future.
    fn panicked() -> JoinHandle<T> {
        let result = Arc::new(Oneshot::new());
        Completion(result.clone()).complete(Err(JoinError::Panicked));
        JoinHandle { result, task: None, done: false }
    }

    /// Drops the task's future, unless it has finished: on its core, when it is the task's turn, and never in the middle of a poll. It
    /// is not polled again from the moment that its core has heard of this; on that core, that is at once. So a future that
    /// aborts its own task goes on until it waits.
    ///
    /// Whoever waits is told [`JoinError::Aborted`] once the future has been dropped, with all that it held; or the result, if that
    /// came first. If a `Drop` within the future panics, it is [`JoinError::Panicked`]. A task that has finished, or whose core has
    /// ended, is left alone. Tasks that the future has spawned go on.
    ///
    /// Never refused: where the way to its core is full, the abort waits for room there, and so does a thread that runs no core.
    pub fn abort(&self) {
        let Some(task) = self.task else { return };
        current::with(|core| match core {
            Some(core) if core.id == task.core() => drop(core.demand(task.cell(), Demand::Abort)),
            from => insist(from, task, abort_here, ()),
        });
    }

    /// Lets the task go on by itself: nobody waits for it.
    pub fn detach(self) {}

    /// Waits for the result on a thread of the program's own.
    ///
    /// # Errors
    /// [`JoinError::WithinCore`] on a thread of a system; else as for every task.
    ///
    /// # Panics
    /// In a test, when the task was spawned with a [`TestContext`](crate::testing::TestContext) of this thread, where it does not run.
    #[track_caller]
    pub fn wait(self) -> Result<T, JoinError> {
        if current::with(|core| core.is_some()) {
            return Err(JoinError::WithinCore);
        }
        if let Some(task) = self.task {
            assert!(
                Guest::find(task.core()).is_none(),
                "this task would never end: a task that is spawned with a `TestContext` does not run; test what needs it in a \
                 whole `System`"
            );
        }
        let ended = match self.task {
            Some(task) => stage::wait(task.core(), &self.result, None),
            None => self.result.wait(None),
        };
        ended.unwrap_or(Err(JoinError::Aborted))
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Joined<T>> {
        assert!(!self.done, "a task is waited for after its result has come");
        let polled = self.result.poll(cx);
        self.done = polled.is_ready();
        polled
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        self.result.close();
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("JoinHandle").field("task", &self.task).finish_non_exhaustive()
    }
}

fn abort_here(task: Key, (): ()) {
    current::with(|core| core.map(|core| core.demand(task, Demand::Abort)));
}

/// Runs a future on the core of this thread, from a handler or another task. Outside of a system, see
/// [`System::spawn_task`](crate::System::spawn_task).
///
/// A panic ends the task, and whoever waits for it is told.
///
/// When the system ends, tasks are dropped with the actors that are no connections, and counted as cut off. Those that an actor has begun
/// as it ended, in [`stopped`](crate::Actor::stopped), are waited for like connections, up to `Config::drain_deadline`: they are its last
/// words. What actors begin that the end of the system stops itself, after connections, is not run any more.
///
/// Where there is no core, or no room, the future is dropped, and the handle answers [`JoinError::Refused`].
///
/// **Costs** one allocation for the handle, and another for a future of more than a kilobyte.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
{
    let result = Arc::new(Oneshot::new());
    let completion = Completion(result.clone());
    if current::with(|core| core.is_none()) {
        // The future is dropped out here: that is code of a user.
        completion.complete(Err(JoinError::Refused));
        return JoinHandle { result, task: None, done: false };
    }
    let task = current::with(|core| core.and_then(|core| begin(core, future, completion)));
    JoinHandle { result, task, done: false }
}

fn begin<F>(core: &Core, future: F, completion: Completion<F::Output>) -> Option<RawAddress>
where
    F: Future + 'static,
{
    let Some(cell) = cell_for(core, type_name::<F>()) else {
        core.drop_contained(future);
        completion.complete(Err(JoinError::Refused));
        return None;
    };
    let epilogue = Epilogue::begin(core);
    let run = async move {
        // It is over when all that the future held is.
        let _epilogue = epilogue;
        let completion = completion;
        let value = future.await;
        completion.complete(Ok(value));
        Flow::Stop
    };
    run_in(core, cell, type_name::<F>(), run);
    Some(core.address(cell))
}

/// Runs a future for which nobody waits, under a name for reports. False if there is no room: it is dropped, and that is
/// reported.
pub(crate) fn detach<F>(core: &Core, name: &'static str, future: F) -> bool
where
    F: Future<Output = ()> + 'static,
{
    let Some(cell) = cell_for(core, name) else {
        core.drop_contained(future);
        return false;
    };
    run_in(core, cell, name, async move {
        future.await;
        Flow::Stop
    });
    true
}

/// A cell for one task; none, which is reported, if there is no room for the cell or the task.
fn cell_for(core: &Core, name: &'static str) -> Option<Key> {
    let cell = if core.tasks.has_room() { core.spawn(TaskHead, TaskBody).ok() } else { None };
    if cell.is_none() {
        core.report_failure(
            name,
            format_args!("is not begun: there are Config::actors_max actors, or Config::tasks_max tasks"),
        );
    }
    cell
}

fn run_in<F>(core: &Core, cell: Key, name: &'static str, run: F)
where
    F: Future<Output = Flow> + 'static,
{
    let begun = core.begin_future(cell, Limit::Never, name, run);
    debug_assert!(begun.is_ok(), "there was room just now");
}

/// Hands the result of a task to whoever waits; that there is none, if it is dropped without.
struct Completion<T>(Arc<Oneshot<Joined<T>>>);

impl<T> Completion<T> {
    fn complete(&self, result: Joined<T>) {
        // Whoever does not wait any more does not get it.
        drop(self.0.set(result));
    }
}

impl<T> Drop for Completion<T> {
    fn drop(&mut self) {
        let panicking = std::thread::panicking();
        self.complete(Err(if panicking { JoinError::Panicked } else { JoinError::Aborted }));
    }
}

/// What an actor has begun as it ended: the end of connections waits for it.
struct Epilogue;

impl Epilogue {
    /// None if no actor ends now.
    fn begin(core: &Core) -> Option<Epilogue> {
        // What an actor owes until it has ended is not answered for that reason.
        if !matches!(core.why_unanswered(), AskError::Stopped | AskError::Restarted) {
            return None;
        }
        core.begin_epilogue();
        Some(Epilogue)
    }
}

impl Drop for Epilogue {
    fn drop(&mut self) {
        current::with(|core| core.map(|core| core.end_epilogue()));
    }
}

/// Marks a cell as a task: nobody sends messages to it.
struct TaskHead;

/// The body of a cell that polls one future.
struct TaskBody;

impl Body<TaskHead> for TaskBody {
    fn activate(&self, _: &TaskHead, activation: &Activation<'_>) -> Outcome {
        let (core, cell) = (activation.core, activation.cell());
        if core.cells.take_demand(cell).is_some() {
            return Outcome::Ended;
        }
        let Some(errand) = core.next_errand(cell) else { return Outcome::Rest };
        let Errand::Future(taken) = errand else { unreachable!("a task has begun nothing but its future") };
        match core.run_task(cell, taken) {
            Ran::Pending => Outcome::Rest,
            Ran::Done(_) => Outcome::Ended,
            Ran::Panicked => {
                // Whoever waits for it is told that.
                core.take_cause(cell);
                Outcome::Ended
            }
        }
    }
}

/// Where a task was begun from outside.
pub(crate) fn spawn_on<F>(core: &Core, make: impl FnOnce() -> F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
{
    core.contain(make).map_or_else(JoinHandle::panicked, spawn)
}
