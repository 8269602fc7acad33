//! The ways between cores, as one core sees them: out by [`Links`], in by [`Arrivals`].
//!
//! Knows: lanes, inboxes, who sleeps. Must not know what an envelope is for.

use std::sync::Arc;

use crossbeam_channel::Receiver;

use super::address::RawAddress;
use super::core::Core;
use super::directory::{self, Port};
use super::envelope::Envelope;

/// Why a message did not leave; it is handed back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused<M> {
    /// The way to that core is full.
    Full(M),
    /// That core has ended.
    Gone(M),
}

/// The ways from one core to the others.
#[derive(Debug, Default)]
pub struct Links {}

impl Links {
    /// Makes everything that was sent visible, and wakes the cores that sleep.
    pub fn publish(&self) {}
}

/// Sends an envelope to any core: by a lane where there is one, else through the core's inbox.
pub fn post<M: Send + 'static>(
    from: Option<&Core>,
    target: RawAddress,
    deliver: fn(RawAddress, M),
    message: M,
) -> Result<(), Refused<M>> {
    let _ = from;
    let Some(port) = directory::port(target.core) else { return Err(Refused::Gone(message)) };
    let _ = port.inbox.try_send(Envelope::new(target, deliver, message));
    port.wake_if_asleep();
    Ok(())
}

/// What arrives at one core.
#[derive(Debug)]
pub struct Arrivals {
    port: Arc<Port>,
    inbox: Receiver<Envelope>,
}

impl Arrivals {
    /// The receiving ends of a core.
    #[must_use]
    pub fn new(port: Arc<Port>, inbox: Receiver<Envelope>) -> Arrivals {
        Arrivals { port, inbox }
    }

    /// True if an envelope waits: a look at memory.
    #[must_use]
    pub fn pending(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// Delivers what was there when it was called: what arrives meanwhile waits for the next turn.
    pub fn deliver(&mut self, _core: &Core) {
        for _ in 0..self.inbox.len() {
            let Ok(envelope) = self.inbox.try_recv() else { break };
            envelope.deliver();
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
