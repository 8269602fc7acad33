//! The thread of a core: where the backend that was chosen becomes a type.
//!
//! Knows: how a core is put together and taken apart. Must not know what runs on it.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::CoreHandle;
use crate::config::Config;
use crate::driver::backend::mio::Mio;
#[cfg(target_os = "linux")]
use crate::driver::backend::uring::{Uring, UringConfig};
use crate::driver::{Backend, BlockingPool, Left};
use crate::executor::directory::{self, Port};
use crate::executor::{Arrivals, Core, CoreId, CutOff, Dead, Envelope, Executor, Links, lane};
use crate::sys::{Clock, Count, abort, allowed_processors, descriptor_limit, pin_thread, warn};

/// Which backend the threads are started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// io_uring, if nothing speaks against it.
    UringPreferred,
    /// io_uring, if it can be used at all.
    Uring,
    Mio,
}

impl Start {
    pub(super) fn name(self) -> &'static str {
        match self {
            Start::UringPreferred | Start::Uring => "uring",
            Start::Mio => "mio",
        }
    }
}

/// What a core is made of.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) index: usize,
    pub(super) count: usize,
    pub(super) first: CoreId,
    pub(super) config: Arc<Config>,
    pub(super) senders: Vec<Option<lane::Sender>>,
    pub(super) receivers: Vec<lane::Receiver>,
    pub(super) blocking: BlockingPool,
}

/// Why a core did not start.
#[derive(Debug)]
pub(super) enum StartError {
    /// The machine does not offer this backend.
    Unavailable(String),
    /// The backend failed for another reason.
    Failed(String),
    /// There is no thread to be had.
    Thread(io::Error),
}

/// The features of the backend.
type Ready = Result<String, StartError>;

/// Starts the thread of a core and waits until it is ready. Answers with the features of its backend, too.
pub(super) fn start(backend: Start, plan: Plan) -> Result<(CoreHandle, String), StartError> {
    let (ready, answer) = bounded(1);
    let (ended, end) = bounded(1);
    let id = CoreId(plan.first.0 + plan.index as u32);
    let name = format!("odeon-{}", plan.index);
    let thread = thread::Builder::new()
        .name(name)
        .spawn(move || {
            let end = match backend {
                Start::UringPreferred => run_uring(plan, &ready, true),
                Start::Uring => run_uring(plan, &ready, false),
                Start::Mio => run_mio(plan, &ready),
            };
            // A system that is dropped within a handler waits for nobody.
            let _ = ended.send(end);
        })
        .map_err(StartError::Thread)?;
    match answer.recv() {
        Ok(Ok(features)) => Ok((CoreHandle { id, thread: Some(CoreThread { thread, end }) }, features)),
        Ok(Err(error)) => {
            // It has ended, or is about to: it has nothing to do.
            drop(thread.join());
            Err(error)
        }
        Err(_) => Err(StartError::Failed("the thread of a core ended while it started".to_owned())),
    }
}

/// How a core has ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CoreEnd {
    /// Requests about files that it has left to the kernel or to other threads.
    pub(super) requests_left: usize,
    pub(super) cut_off: CutOff,
    /// Messages that were not delivered there.
    pub(super) dead: Dead,
}

/// The thread of a core that runs.
#[derive(Debug)]
pub(super) struct CoreThread {
    thread: thread::JoinHandle<()>,
    end: Receiver<CoreEnd>,
}

impl CoreThread {
    /// One that has ended already.
    #[cfg(test)]
    pub(super) fn ended(with: CoreEnd) -> CoreThread {
        let (ended, end) = bounded(1);
        let thread = thread::spawn(move || ended.send(with).expect("somebody waits"));
        CoreThread { thread, end }
    }

    /// Waits until the core has ended.
    ///
    /// The thread itself is joined, unless requests are left: the kernel lets no thread go before what it does for it has ended.
    pub(super) fn wait(self) -> thread::Result<CoreEnd> {
        match self.end.recv() {
            Ok(end) if end.requests_left > 0 => Ok(end),
            end => self.thread.join().map(|()| end.unwrap_or_default()),
        }
    }
}

/// `prompt_close`: see [`UringConfig`].
#[cfg(target_os = "linux")]
fn run_uring(plan: Plan, ready: &Sender<Ready>, prompt_close: bool) -> CoreEnd {
    let config = &plan.config;
    let sizes = UringConfig {
        submission_entries: config.submission_entries,
        completion_entries: config.completion_entries,
        sockets_max: sockets_max(config),
        head_room: HEAD_ROOM,
        // No send has as many bytes as there are numbers.
        zero_copy_min: u32::try_from(config.zero_copy_min).unwrap_or(u32::MAX),
        pinned_parts_max: u8::try_from(config.pinned_parts_max).unwrap_or(u8::MAX),
        prompt_close,
        ..UringConfig::default()
    };
    run(plan, ready, |core| {
        Uring::open(&sizes, &core.pools).map_err(|error| {
            let reason = error.to_string();
            if error.fallback_allowed() {
                StartError::Unavailable(reason)
            } else {
                StartError::Failed(reason)
            }
        })
    })
}

#[cfg(not(target_os = "linux"))]
fn run_uring(_: Plan, ready: &Sender<Ready>, _: bool) -> CoreEnd {
    // Whoever waits for the answer is there until it has come.
    drop(ready.send(Err(StartError::Unavailable("this is not Linux".to_owned()))));
    CoreEnd::default()
}

fn run_mio(plan: Plan, ready: &Sender<Ready>) -> CoreEnd {
    let sockets = sockets_max(&plan.config);
    let blocking = plan.blocking.clone();
    run(plan, ready, |_| {
        Mio::with_pool(sockets, &blocking).map_err(|error| StartError::Failed(error.to_string()))
    })
}

/// Places for connections that come while others are accepted. With `Config::sockets_beside` they are what the limit of connections
/// leaves free of the limit of descriptors, which bounds the table of sockets.
pub(super) const HEAD_ROOM: u32 = 32;

fn sockets_max(config: &Config) -> u32 {
    let connections = config.connections_max.and_then(|max| u32::try_from(max).ok()).unwrap_or(u32::MAX);
    let descriptors = u32::try_from(descriptor_limit().now).unwrap_or(u32::MAX);
    // Where few descriptors are allowed, a backend may not even reserve places for more sockets.
    connections.saturating_add(config.sockets_beside).min(descriptors.max(connections))
}

/// Keeps this thread on a processor of its own, if there are enough. A core that cannot be bound runs all the same, wherever
/// the scheduler puts it.
///
/// Counted by the core's id, which is unique in the process, so that several small systems do not share one processor.
fn bind(core: CoreId, count: usize) {
    let Ok(processors) = allowed_processors() else { return };
    if count <= processors.len()
        && let Err(error) = pin_thread(processors[core.0 as usize % processors.len()])
    {
        warn(format_args!("core {} is not bound to a processor: {error}", core.0));
    }
}

/// Puts a core together, runs it to its end, and takes it apart.
fn run<B: Backend>(
    plan: Plan,
    ready: &Sender<Ready>,
    open: impl FnOnce(&Core) -> Result<B, StartError>,
) -> CoreEnd {
    let id = CoreId(plan.first.0 + plan.index as u32);
    if plan.config.pin {
        bind(id, plan.count);
    }
    let links = Links::new(plan.first, plan.senders);
    let core = Rc::new(Core::new(id, Rc::new((*plan.config).clone()), Clock::Monotonic, links));
    let backend = match open(&core) {
        Ok(backend) => backend,
        Err(error) => {
            // Whoever waits for the answer is there until it has come.
            drop(ready.send(Err(error)));
            return CoreEnd::default();
        }
    };
    let (inbox, envelopes): (_, Receiver<Envelope>) = bounded(plan.config.inbox_capacity);
    let port = Arc::new(Port::new(inbox, backend.waker(), plan.config.ask_timeout));
    directory::open(id, port.clone());
    let arrivals = Arrivals::new(port, envelopes, plan.receivers);
    let features = backend.features().to_owned();
    // Said once: whoever starts last finds least.
    if plan.index + 1 == plan.count
        && let Some(shortage) = backend.shortage()
    {
        warn(format_args!("{shortage}"));
    }
    let mut executor = Executor::new(core, backend, arrivals);
    drop(ready.send(Ok(features)));
    let abort = AbortOnUnwind(plan.index);
    let left = executor.run();
    directory::close(id);
    warn_of(plan.index, &left);
    let (mut cut_off, dead_before) = (executor.core().take_cut_off(), executor.core().dead_before_end());
    let dead = executor.end(left.operations);
    // Also what arrived too late for the last turn.
    cut_off.messages = dead.count().wrapping_sub(dead_before);
    std::mem::forget(abort);
    CoreEnd { requests_left: left.requests(), cut_off, dead }
}

/// Says what a core could not end.
fn warn_of(core: usize, left: &Left) {
    const LIMIT: &str = "not ended by Config::close_deadline";
    if left.operations > 0 {
        let leaked = Count::of(left.operations, "operation");
        warn(format_args!("core {core} leaks the memory of {leaked}, {LIMIT}"));
    }
    if !left.files.is_empty() {
        let requests = Count::of(left.requests(), "request");
        warn(format_args!("core {core} leaves {requests} about files behind, {LIMIT}: {left}"));
    }
}

/// Ends the process if the thread of a core ends by a panic: that is a bug of the runtime, the connections of the core would
/// hang for ever, and its memory would be freed under the kernel's hands.
struct AbortOnUnwind(usize);

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        abort(format_args!("the thread of core {} panicked", self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_joined_unless_it_has_left_requests_behind() {
        for requests_left in [0, 3] {
            let (ended, end) = bounded(1);
            let (go_on, gate) = bounded::<()>(0);
            let thread = thread::spawn(move || {
                ended.send(CoreEnd { requests_left, ..CoreEnd::default() }).expect("somebody waits");
                // Like the kernel, which lets no thread go for which it still does something.
                let _ = gate.recv();
            });
            let held = (requests_left > 0).then_some(go_on);
            let end = CoreThread { thread, end }.wait().expect("it has not panicked");
            assert_eq!(end.requests_left, requests_left);
            drop(held);
        }
    }

    #[test]
    fn a_thread_that_panics_is_told_from_one_that_has_ended() {
        let (ended, end) = bounded::<CoreEnd>(1);
        let thread = thread::spawn(move || {
            let _ended = ended;
            panic!("as planned");
        });
        assert!(CoreThread { thread, end }.wait().is_err());
    }
}
