//! Room on the core for what has come in part.
//!
//! Knows: what is lacking, promises. Must not know the line in which connections wait.

use super::Inward;
use crate::mem::{Promise, ReceivePool};
use crate::net::codec::Decode;
use crate::sys::Time;

impl<C: Decode> Inward<C> {
    /// True if something has come in part, or a body has begun: for the rest of it there has to be room.
    #[inline]
    pub(in crate::net) fn gathers(&self) -> bool {
        self.assembly.as_ref().is_some_and(|assembly| assembly.filing.is_none())
    }

    /// It is not read for now, which is not its peer's doing. What it was promised is for others.
    pub(in crate::net) fn rest(&mut self, now: Time) {
        self.stand(now);
        self.forget_promise();
    }

    /// True if what is to come has been promised room.
    pub(in crate::net) fn has_promise(&self) -> bool {
        self.assembly.as_ref().is_some_and(|assembly| assembly.share.promised() > 0)
    }

    /// What it was promised is for others.
    pub(in crate::net) fn forget_promise(&mut self) {
        if let Some(assembly) = &mut self.assembly {
            assembly.share.forget_promise();
        }
    }

    /// Bytes for which room is lacking: all that is known to come, and where that is not known, what one buffer brings.
    pub(in crate::net) fn lacks(&self, pool: &ReceivePool) -> usize {
        let Some(assembly) = &self.assembly else { return 0 };
        let bytes = &assembly.bytes;
        let (missing, spare) = match &assembly.body {
            Some(body) => (body.missing(), body.spare()),
            None if self.needed as usize > assembly.rest().len() + 1 => {
                (self.needed as usize - assembly.rest().len(), bytes.capacity() - bytes.len())
            }
            None => (pool.size() as usize, bytes.capacity() - bytes.len()),
        };
        missing.saturating_sub(spare)
    }

    /// Takes a promise of all that is lacking, if that is so little that nobody has to wait for it, and there. Where nobody knows how much
    /// more is to come, what has come is to be little, too.
    pub(in crate::net) fn want_little(&mut self, pool: &ReceivePool) -> bool {
        let (lacks, little) = (self.lacks(pool), pool.size() as usize);
        let needed = self.needed as usize;
        let Some(assembly) = &mut self.assembly else { return true };
        let is_known = assembly.body.is_some() || needed > assembly.rest().len() + 1;
        let is_little = lacks <= little && (is_known || assembly.share.held() <= little);
        let given = is_little && assembly.share.want_little(lacks);
        if given {
            assembly.begin_promised();
        }
        given
    }

    /// Takes a promise of room for all of that, if there is one to be had.
    pub(in crate::net) fn want_room(&mut self, pool: &ReceivePool) -> Promise {
        let lacks = self.lacks(pool);
        let Some(assembly) = self.assembly.as_mut().filter(|_| lacks > 0) else { return Promise::Given };
        let promise = assembly.share.want(lacks);
        assembly.cut |= promise == Promise::Never;
        if promise == Promise::Given {
            assembly.begin_promised();
        }
        promise
    }
}
