//! How long a peer has been at what is not whole.
//!
//! Knows: when it began, what of that does not count, and how much has come. Must not know how much time it has.

use super::{Assembly, Inward};
use crate::net::codec::Decode;
use crate::sys::Time;

/// See the header.
#[derive(Debug)]
pub(super) struct Begun {
    since: Time,
    /// So many bytes of it earn no more time.
    unearned: u64,
    /// It has been promised room: no later promise gives it all of its time again.
    promised: bool,
    /// Since when it does not count, if it does not.
    stands: Option<Time>,
}

impl Assembly {
    /// Its peer has all of its time again with the first promise: up to then it may have been in line for long.
    pub(super) fn begin_promised(&mut self) {
        self.begun.take_if(|begun| !begun.promised);
    }
}

impl<C: Decode> Inward<C> {
    /// True if something has come in part, or is to come.
    #[inline]
    pub(in crate::net) fn has_begun(&self) -> bool {
        self.assembly.is_some()
    }

    /// The peer is at what is not whole: from now on, or again.
    pub(in crate::net) fn note_begun(&mut self, now: Time) {
        let Some(assembly) = &mut self.assembly else { return };
        if let Some(begun) = &mut assembly.begun {
            if let Some(stood) = begun.stands.take() {
                begun.since = begun.since.after(now.since(stood));
            }
            return;
        }
        let promised = assembly.share.is_going();
        let unearned = if promised { assembly.got() } else { 0 };
        assembly.begun = Some(Begun { since: now, unearned, promised, stands: None });
    }

    /// From now on that it does not get on is not its peer's doing, until that is noted again.
    pub(in crate::net) fn stand(&mut self, now: Time) {
        if let Some(begun) = self.assembly.as_mut().and_then(|assembly| assembly.begun.as_mut()) {
            begun.stands.get_or_insert(now);
        }
    }

    /// What has come so far earns its peer nothing any more, if others may wait for what it was promised.
    pub(in crate::net) fn forget_earned(&mut self, now: Time) {
        let Some(assembly) = self.assembly.as_mut().filter(|assembly| assembly.share.is_going()) else {
            return;
        };
        let got = assembly.got();
        if let Some(begun) = assembly.begun.as_mut().filter(|begun| begun.stands.is_none()) {
            (begun.since, begun.unearned) = (now, got);
        }
    }

    /// True if some of what is not whole has come, or has been promised room.
    pub(in crate::net) fn has_come(&self) -> bool {
        self.has_promise()
            || (self.begun().is_some() && self.assembly.as_ref().is_some_and(|all| all.got() > 0))
    }

    /// That what has begun has not got on was not the peer's doing: it has all of its time again.
    pub(in crate::net) fn excuse(&mut self) {
        if let Some(assembly) = &mut self.assembly {
            assembly.begun = None;
        }
    }

    /// Since when the peer has been at what is not whole, if that counts, and how many bytes of it have earned it more time.
    pub(in crate::net) fn begun(&self) -> Option<(Time, u64)> {
        let assembly = self.assembly.as_ref()?;
        match (&assembly.body, &assembly.filing) {
            (Some(body), _) if body.is_complete() => return None,
            // Without a length it is never whole.
            (_, Some(filing)) if filing.is_endless() || filing.wants() == 0 || filing.is_full() => {
                return None;
            }
            _ => {}
        }
        let begun = assembly.begun.as_ref().filter(|begun| begun.stands.is_none())?;
        Some((begun.since, assembly.got().saturating_sub(begun.unearned)))
    }
}
