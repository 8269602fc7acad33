//! Every core of the process, by its id: how threads outside of a system reach one.
//!
//! Knows: inboxes, who waits in front of them, and wakes. Must not know what an envelope is for.
//!
//! Ids are given out once and never again, so an address kept beyond the end of its system finds nothing. The table keeps
//! one word for each core that the process ever had.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use crossbeam_channel::Sender;

use super::address::CoreId;
use super::anteroom::Anteroom;
use super::envelope::Envelope;
use super::names;
use super::room::Room;
use super::sleep::SleepFlag;
use super::waker::WakeList;
use crate::driver::Waker;

/// The way into a core from any thread.
#[derive(Debug)]
pub struct Port {
    /// Where envelopes are put, by whoever holds [`Ports`]: once the way is closed, what is there is all there will be.
    pub inbox: Sender<Envelope>,
    /// Where those wait who find the inbox full, or their lane to the core. What was said of the inbox holds here as well.
    pub anteroom: Anteroom,
    /// Where tasks are put that were woken from elsewhere.
    pub wakes: WakeList,
    /// Whether others have room by now for what the core owes them.
    pub room: Room,
    /// Whether the core sleeps.
    pub sleep: SleepFlag,
    /// What ends its sleep.
    pub waker: Waker,
    /// How long its actors have to answer.
    pub ask_timeout: Duration,
}

impl Port {
    /// The way into a core that is awake.
    #[must_use]
    pub fn new(inbox: Sender<Envelope>, waker: Waker, ask_timeout: Duration) -> Port {
        Port {
            inbox,
            anteroom: Anteroom::default(),
            wakes: WakeList::new(),
            room: Room::default(),
            sleep: SleepFlag::new(),
            waker,
            ask_timeout,
        }
    }

    /// Wakes the core if it has announced that it sleeps. Call it after something was made visible to it.
    pub fn wake_if_asleep(&self) {
        if self.sleep.should_wake() {
            self.waker.wake();
        }
    }
}

static PORTS: RwLock<Vec<Option<Arc<Port>>>> = RwLock::new(Vec::new());

// A panic while the lock is held could only come from the allocator; the table is whole at every point.
fn read() -> RwLockReadGuard<'static, Vec<Option<Arc<Port>>>> {
    PORTS.read().unwrap_or_else(PoisonError::into_inner)
}

fn write() -> RwLockWriteGuard<'static, Vec<Option<Arc<Port>>>> {
    PORTS.write().unwrap_or_else(PoisonError::into_inner)
}

/// Gives out `count` ids in a row, answers the first.
#[must_use]
pub fn reserve(count: u32) -> CoreId {
    let mut ports = write();
    let first = u32::try_from(ports.len()).unwrap_or(u32::MAX);
    assert!(first < u32::MAX - count, "the process has used up its core ids");
    ports.resize_with((first + count) as usize, || None);
    CoreId(first)
}

/// Makes a core reachable.
pub fn open(core: CoreId, port: Arc<Port>) {
    write()[core.0 as usize] = Some(port);
}

/// Makes a core unreachable, for ever: it is not to be found any more, and those who hold wakers of its tasks wake nobody.
pub fn close(core: CoreId) {
    let port = write()[core.0 as usize].take();
    if let Some(port) = port {
        // The handles on the list hold the port, which holds the list.
        port.wakes.close();
    }
    names::close(core);
}

/// The ways into all cores, of which none is closed while this is held. Nothing of this file may be called meanwhile.
pub struct Ports(RwLockReadGuard<'static, Vec<Option<Arc<Port>>>>);

/// Keeps every way open.
#[must_use]
pub fn ports() -> Ports {
    Ports(read())
}

impl Ports {
    /// The way into a core, unless it has ended.
    #[must_use]
    pub fn find(&self, core: CoreId) -> Option<&Port> {
        self.0.get(core.0 as usize)?.as_deref()
    }
}

/// The way into a core, unless it has ended.
#[must_use]
pub fn port(core: CoreId) -> Option<Arc<Port>> {
    read().get(core.0 as usize)?.clone()
}
