//! What becomes of a message for which a mailbox has no room.
//!
//! Knows: the policies, and who is told. Must not know how there comes to be no room.

use std::any::type_name;

use super::head::{Head, refuse_wrapped};
use super::{Actor, MailboxOverflow, SendError};
use crate::executor::blame::user;
use crate::executor::{Core, DeadReason, Demand, Matter};
use crate::mem::{Key, aside};

impl<A: Actor> Head<A> {
    /// Does what the actor says of a message that its mailbox has no room for. Where it is the memory for all mailboxes that is used
    /// up, it is refused. So it is where a message sends others, as it is wrapped or dropped: that could go on for ever.
    #[cold]
    #[inline(never)]
    pub(super) fn overflow<M>(
        &self,
        core: &Core,
        cell: Key,
        message: M,
        wrap: impl FnOnce(M) -> A::Message,
    ) -> Result<(), SendError<M>> {
        if !self.is_full() || core.dead_letters.is_evicting() {
            return Err(SendError::Full(message));
        }
        match A::MAILBOX_OVERFLOW {
            MailboxOverflow::Refuse => return Err(SendError::Full(message)),
            MailboxOverflow::Stop => {
                let what = format_args!(
                    "ends: its mailbox holds {} (Actor::MAILBOX_CAPACITY), and is to end it when it has no room for more",
                    A::MAILBOX_CAPACITY
                );
                core.report(Matter::Mailbox, type_name::<A>(), what);
                core.demand(cell, Demand::Overflow);
                return Err(SendError::Full(message));
            }
            MailboxOverflow::DropNewest => evict(core, message),
            MailboxOverflow::DropOldest => core.dead_letters.while_evicting(|| {
                let wrapped = user(|| wrap(message));
                let oldest = self.pop_oldest(core);
                if let Err(wrapped) = self.push_wrapped(core, wrapped) {
                    refuse_wrapped(core, aside(wrapped));
                }
                oldest.into_iter().for_each(|oldest| evict(core, oldest));
            }),
        }
        Ok(())
    }
}

/// Drops what has no room. Whoever has asked is told.
fn evict<T>(core: &Core, value: T) {
    core.counters.dead_letter(DeadReason::Overflow);
    core.dead_letters.while_evicting(|| core.drop_unanswered(value));
}
