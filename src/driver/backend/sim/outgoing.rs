//! Connections that a simulated core makes.
//!
//! Knows: where they go, where they come from, and whether anybody will answer. Must not know who accepts them.

use std::net::SocketAddr;

use super::network::Answerer;
use super::{Canary, Place, Sim};
use crate::driver::{Event, SocketId};
use crate::sys::Errno;

/// Why a connect fails that somebody would have answered.
const ERRORS: [Errno; 3] = [Errno::ETIMEDOUT, Errno::EHOSTUNREACH, Errno::ENETUNREACH];

/// A socket that is not connected yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outgoing {
    pub(super) to: SocketAddr,
    pub(super) from: SocketAddr,
    pub(super) fate: Fate,
}

/// What becomes of its connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Not decided yet.
    Open,
    /// Whoever listens answers.
    Answered,
    /// Nobody answers.
    Lost,
    /// It has been shut down.
    Aborted,
}

impl Sim {
    /// True if a connect that is not cancelled can come to an end.
    pub(super) fn is_answered(&self, outgoing: &Outgoing) -> bool {
        match outgoing.fate {
            Fate::Aborted => true,
            Fate::Lost => false,
            Fate::Open | Fate::Answered => self.network.answers(outgoing.to),
        }
    }

    /// Connects, if anybody answers. `None`: it must wait.
    pub(super) fn connect(&mut self, id: SocketId, outgoing: Outgoing) -> Option<Event> {
        if outgoing.fate == Fate::Aborted {
            return Some(Event::Connected { error: Some(Errno::ECONNABORTED) });
        }
        // What has been asked to end may still find somebody.
        if self.is_cancelled(id) && !(self.is_answered(&outgoing) && self.random.chance(0.5)) {
            return Some(Event::Connected { error: Some(Errno::ECANCELED) });
        }
        if outgoing.fate == Fate::Open {
            let lost = self.random.chance(self.faults.unanswered_connect);
            self.decide(id, if lost { Fate::Lost } else { Fate::Answered });
            if lost {
                return None;
            }
            if self.random.chance(self.faults.failed_connect) {
                let error = ERRORS[self.random.index(ERRORS.len())];
                return Some(Event::Connected { error: Some(error) });
            }
        }
        match self.network.answerer(outgoing.to) {
            Answerer::Nobody => Some(Event::Connected { error: Some(Errno::ECONNREFUSED) }),
            Answerer::Full => None,
            Answerer::Listener(listener) => {
                let end = self.network.open_stream(outgoing.from, outgoing.to);
                if self.faults.canary != Canary::LoseConnection {
                    self.network.queue(listener, end);
                }
                if self.random.chance(self.faults.reset_connect) {
                    self.network.cut(end, Errno::ECONNRESET);
                }
                self.may_doom(end);
                self.table.socket_mut(id).expect("a socket outlives its operations").handle.place =
                    Place::Stream(end);
                Some(Event::Connected { error: None })
            }
        }
    }

    /// Says what becomes of a connect, unless it is over.
    pub(super) fn decide(&mut self, id: SocketId, fate: Fate) {
        let socket = self.table.socket_mut(id).expect("a socket outlives its operations");
        if let Place::Outgoing(outgoing) = &mut socket.handle.place {
            outgoing.fate = fate;
        }
    }
}
