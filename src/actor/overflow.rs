//! What becomes of a message for which a mailbox has no room.
//!
//! Knows: the policies, and who is told. Must not know how there comes to be no room.

use std::any::type_name;

use super::head::{Head, name_of, refuse_wrapped};
use super::{Actor, MailboxOverflow, Priority, SendError};
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
                    "ends: its mailbox has no room, and is to end it then: it holds {} (Actor::MAILBOX_CAPACITY, mailbox(capacity = …)), or {} bytes \
                     (Actor::MAILBOX_BYTES)",
                    A::MAILBOX_CAPACITY,
                    A::MAILBOX_BYTES
                );
                core.report(Matter::Mailbox, type_name::<A>(), what);
                core.demand(cell, Demand::Overflow);
                return Err(SendError::Full(message));
            }
            MailboxOverflow::DropNewest => core.dead_letters.while_evicting(|| {
                // A name is for what was sent, and not for how it travels.
                let wrapped = user(|| wrap(message));
                evict::<A, _>(core, name_of::<A>(core, &wrapped), wrapped);
            }),
            MailboxOverflow::DropOldest => self.drop_oldest(core, message, wrap),
        }
        Ok(())
    }

    /// Puts a message in, and drops as many of the oldest as were too many before.
    fn drop_oldest<M>(&self, core: &Core, message: M, wrap: impl FnOnce(M) -> A::Message) {
        core.dead_letters.while_evicting(|| {
            let wrapped = user(|| wrap(message));
            // What is dropped may send others: no more are dropped than were there.
            for _ in 0..self.len() {
                let Some(oldest) = self.pop_oldest(core) else { break };
                if self.is_full() {
                    evict::<A, _>(core, name_of::<A>(core, &oldest), oldest);
                    continue;
                }
                // First, so that nothing that is sent by the other takes the room.
                if let Err(back) = self.push_wrapped(core, wrapped, Priority::User) {
                    refuse_wrapped::<A>(core, aside(back));
                }
                return evict::<A, _>(core, name_of::<A>(core, &oldest), oldest);
            }
            refuse_wrapped::<A>(core, wrapped);
        });
    }
}

/// Drops what has no room. Whoever has asked is told.
fn evict<A: Actor, T>(core: &Core, name: &'static str, value: T) {
    core.dead_letter(DeadReason::Overflow, name, Some(type_name::<A>()));
    core.dead_letters.while_evicting(|| core.drop_unanswered(value));
}
