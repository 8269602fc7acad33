//! The ways between cores, as one core sees them: out by [`Links`], in by [`Arrivals`].
//!
//! Knows: lanes, inboxes, who sleeps. Must not know what an envelope is for.

use std::any::TypeId;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use crossbeam_channel::{Receiver, TrySendError};

use super::address::{CoreId, RawAddress};
use super::blame::runtime;
use super::core::Core;
use super::counters::DeadReason;
use super::directory::{self, Port};
use super::envelope::{Arrive, Envelope};
use super::lane;

/// Why a message did not leave; it is handed back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused<M> {
    /// The way to that core is full.
    Full(M),
    /// That core has ended.
    Gone(M),
}

#[derive(Debug)]
struct Way {
    lane: RefCell<lane::Sender>,
    port: OnceCell<Arc<Port>>,
    /// Something was pushed and not published.
    pushed: Cell<bool>,
}

/// The ways from one core to the others of its system.
#[derive(Debug)]
pub struct Links {
    first: CoreId,
    /// By core, counted from the first of the system; none to itself.
    ways: Box<[Option<Way>]>,
    pushed: Cell<bool>,
    /// What found no room and must not be lost, with the core that it is for. Few: stops, and words to listeners.
    /// By whom it is for and what delivers it: the same word to the same cell waits once, so there are never more than a
    /// few for each cell.
    overdue: RefCell<BTreeMap<(RawAddress, TypeId), Envelope>>,
}

impl Links {
    /// Ways by the sending ends of lanes, in the order of the system's cores; none for the core itself.
    #[must_use]
    pub fn new(first: CoreId, lanes: impl IntoIterator<Item = Option<lane::Sender>>) -> Links {
        let way = |lane| Way { lane: RefCell::new(lane), port: OnceCell::new(), pushed: Cell::new(false) };
        let ways = lanes.into_iter().map(|lane| lane.map(way)).collect();
        Links { first, ways, pushed: Cell::new(false), overdue: RefCell::new(BTreeMap::new()) }
    }

    fn index(&self, core: CoreId) -> usize {
        core.0.wrapping_sub(self.first.0) as usize
    }

    fn way(&self, core: CoreId) -> Option<&Way> {
        self.ways.get(self.index(core))?.as_ref()
    }

    /// Makes everything that was sent visible, and wakes the cores that sleep: at least once per turn.
    pub fn publish(&self) {
        if self.has_overdue() {
            self.send_overdue();
        }
        if !self.pushed.replace(false) {
            return;
        }
        for (index, way) in self.ways.iter().enumerate() {
            if let Some(way) = way
                && way.pushed.replace(false)
            {
                self.publish_way(index, way);
            }
        }
    }

    fn publish_way(&self, index: usize, way: &Way) {
        if !way.lane.borrow_mut().publish() {
            return;
        }
        if way.port.get().is_none() {
            let core = CoreId(self.first.0 + index as u32);
            directory::port(core).map(|port| way.port.set(port).ok());
        }
        if let Some(port) = way.port.get() {
            port.wake_if_asleep();
        }
    }

    /// Does not wait for the end of the turn: the other core begins while this one goes on.
    #[cold]
    #[inline(never)]
    fn publish_early(&self, core: CoreId) {
        if let Some(way) = self.way(core) {
            self.publish_way(self.index(core), way);
        }
    }
}

impl Links {
    /// True if something must be tried again: the core does not rest.
    #[must_use]
    pub fn has_overdue(&self) -> bool {
        !self.overdue.borrow().is_empty()
    }

    #[cold]
    fn send_overdue(&self) {
        let mut overdue = self.overdue.borrow_mut();
        for (key, envelope) in std::mem::take(&mut *overdue) {
            let Some(port) = directory::port(key.0.core) else { continue };
            match port.inbox.try_send(envelope) {
                Ok(()) => port.wake_if_asleep(),
                Err(TrySendError::Full(envelope)) => drop(overdue.insert(key, envelope)),
                Err(TrySendError::Disconnected(_)) => {}
            }
        }
    }
}

/// Sends what must not be lost to any core that has not ended. A core that finds no room tries again every turn; a thread
/// that runs none waits for room.
pub fn insist<M: Send + 'static, F: Arrive<M>>(
    from: Option<&Core>,
    target: RawAddress,
    arrive: F,
    message: M,
) {
    let mut message = message;
    while let Err(Refused::Full(back)) = post(from, target, arrive, message) {
        if let Some(core) = from {
            let envelope = Envelope::new(target.cell, arrive, back);
            core.links.overdue.borrow_mut().insert((target, TypeId::of::<F>()), envelope);
            return;
        }
        message = back;
        std::thread::yield_now();
    }
}

/// Sends an envelope to any core: by a lane where there is one, else through the core's inbox.
///
/// # Errors
/// Hands the message back when there is no room on the way, or the core has ended.
///
/// Inlined as a whole, but for the inbox: a message that went through memory on its way into a lane would be read back
/// with loads wider than the stores before them, and such a load waits for all stores to lines that the other core has.
#[inline(always)]
pub fn post<M: Send + 'static>(
    from: Option<&Core>,
    target: RawAddress,
    arrive: impl Arrive<M>,
    message: M,
) -> Result<(), Refused<M>> {
    if let Some(links) = from.map(|core| &core.links)
        && let Some(way) = links.way(target.core)
    {
        let mut lane = way.lane.borrow_mut();
        return match lane.push(target.cell, arrive, message) {
            Ok(()) => {
                way.pushed.set(true);
                links.pushed.set(true);
                if lane.is_long() {
                    drop(lane);
                    links.publish_early(target.core);
                }
                Ok(())
            }
            Err(message) if lane.is_closed() => Err(Refused::Gone(message)),
            Err(message) => Err(Refused::Full(message)),
        };
    }
    post_to_inbox(target, arrive, message)
}

#[inline(never)]
fn post_to_inbox<M: Send + 'static>(
    target: RawAddress,
    arrive: impl Arrive<M>,
    message: M,
) -> Result<(), Refused<M>> {
    let Some(port) = directory::port(target.core) else { return Err(Refused::Gone(message)) };
    Envelope::send(&port.inbox, target.cell, arrive, message).map_err(|refused| match refused {
        TrySendError::Full(message) => Refused::Full(message),
        TrySendError::Disconnected(message) => Refused::Gone(message),
    })?;
    port.wake_if_asleep();
    Ok(())
}

/// What arrives at one core.
#[derive(Debug)]
pub struct Arrivals {
    port: Arc<Port>,
    inbox: Receiver<Envelope>,
    lanes: Vec<lane::Receiver>,
    /// The lane that is emptied first.
    first: usize,
}

impl Arrivals {
    /// The receiving ends of a core.
    #[must_use]
    pub fn new(port: Arc<Port>, inbox: Receiver<Envelope>, lanes: Vec<lane::Receiver>) -> Arrivals {
        Arrivals { port, inbox, lanes, first: 0 }
    }

    /// True if an envelope waits: a look at memory.
    #[must_use]
    pub fn pending(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.is_empty()) || !self.inbox.is_empty()
    }

    /// Delivers what was there when it was called: what arrives meanwhile waits for the next turn. The lane that came first
    /// comes last next time, because the first fills the mailboxes that have little room. A panic in a user's
    /// `Accepts::accept` ends that message, which is then a dead letter.
    pub fn deliver(&mut self, core: &Core) {
        let (count, first) = (self.lanes.len(), self.first);
        for at in (first..count).chain(0..first) {
            let lane = &mut self.lanes[at];
            if self.first == first && !lane.is_empty() {
                self.first = if at + 1 < count { at + 1 } else { 0 };
            }
            while core.contain(|| runtime(|| lane.deliver(usize::MAX))).is_none() {
                core.counters.dead_letter(DeadReason::Failed);
            }
        }
        for _ in 0..self.inbox.len() {
            let Ok(envelope) = self.inbox.try_recv() else { break };
            if core.contain(|| runtime(|| envelope.deliver())).is_none() {
                core.counters.dead_letter(DeadReason::Failed);
            }
        }
    }

    /// Says that the core is about to sleep. Look at [`Arrivals::pending`] once more before it does.
    pub fn announce_sleep(&self) {
        self.port.sleep.announce();
    }

    /// Says that the core is awake.
    pub fn awake(&self) {
        self.port.sleep.awake();
    }
}
