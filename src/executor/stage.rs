//! Cores that no thread runs, and that whoever waits for them runs until they have answered, as simulations do.
//!
//! Knows: which stages this thread has, and which cores are on them. Must not know in which order their cores take turns.
//!
//! A stage is found by the id of a core, on the thread that has it and nowhere else. A thread that runs a core at the moment does not wait
//! for one, so no stage is set going from within itself.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};

use super::address::CoreId;
use super::oneshot::Oneshot;
use crate::driver::ListenSocket;
use crate::sys::{self, Time};

/// Cores, and a time that passes while somebody waits for them.
pub trait Stage: fmt::Debug {
    /// The time on it.
    fn now(&self) -> Time;

    /// Until when whoever says nothing else waits for what begins now.
    fn patience(&self) -> Time;

    /// Has the cores take turns, and time pass, until `done` answers true. False if it has not by the deadline.
    fn run_until(&self, deadline: Time, done: &mut dyn FnMut() -> bool) -> bool;

    /// Listens on an address of this stage, with so many sockets.
    ///
    /// # Errors
    /// When somebody listens there already.
    fn listen(&self, address: SocketAddr, backlog: u32, sockets: usize) -> io::Result<Vec<ListenSocket>>;
}

thread_local! {
    static STAGES: RefCell<BTreeMap<CoreId, Weak<dyn Stage>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Has this thread find a stage by these cores, for as long as it is there.
pub fn enter(cores: impl IntoIterator<Item = CoreId>, stage: &Rc<dyn Stage>) {
    STAGES.with_borrow_mut(|stages| {
        stages.retain(|_, stage| stage.strong_count() > 0);
        stages.extend(cores.into_iter().map(|core| (core, Rc::downgrade(stage))));
    });
}

/// The stage of this thread that has this core.
#[must_use]
pub fn find(core: CoreId) -> Option<Rc<dyn Stage>> {
    STAGES.try_with(|stages| stages.borrow().get(&core)?.upgrade()).ok().flatten()
}

/// The time of whoever waits for a core from outside: of its stage, or of the machine.
#[must_use]
pub fn now(core: CoreId) -> Time {
    find(core).map_or_else(sys::now, |stage| stage.now())
}

/// Waits for a value that comes from a core, as [`Oneshot::wait`] does; or has its stage go on until the value is there.
///
/// # Panics
/// When there is no deadline, and the patience of the stage is over.
#[track_caller]
pub fn wait<T>(core: CoreId, value: &Oneshot<T>, deadline: Option<Time>) -> Option<T> {
    let Some(stage) = find(core) else { return value.wait(deadline) };
    let mut taken = None;
    let come = stage.run_until(deadline.unwrap_or_else(|| stage.patience()), &mut || {
        taken = value.try_take();
        taken.is_some()
    });
    assert!(come || deadline.is_some(), "waited in vain for the end of a task");
    taken
}

/// Lets a core go on for a moment, because the way to it is full.
pub fn yield_to(core: CoreId) {
    let Some(stage) = find(core) else { return std::thread::yield_now() };
    let mut asked = false;
    stage.run_until(stage.now(), &mut || std::mem::replace(&mut asked, true));
}
