//! What is told of messages that were not delivered.
//!
//! Knows: kinds and counts, and who is told. Must not know what was to become of them.

use std::any::type_name;

use super::{Message, Recipient};
use crate::executor::{Core, DeadReason, Undelivered, give_up};

/// Messages that were not delivered, of one kind: what a [subscriber](crate::System::dead_letters) is told.
///
/// Each core tells once a turn how many there were of each kind, so many at once are one message. It tells 64 kinds apart in a turn; of the
/// others it says how many there were for each reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Why.
    pub reason: DeadReason,
    /// The type of the message, or, where an [`#[actor]`](macro@crate::actor) has called it, the name of the call: `Room::find`. Of one on which its
    /// receiver has failed, the type of all that lies in the mailbox of that. None for several together.
    pub message: Option<&'static str>,
    /// The type of the actor that it was for. None where the sender knew no more than a [`Recipient`], or has given up itself.
    pub receiver: Option<&'static str>,
    /// How many.
    pub count: u64,
}

impl Message for DeadLetter {
    type Reply = ();
}

impl From<Undelivered> for DeadLetter {
    fn from(one: Undelivered) -> DeadLetter {
        let Undelivered { reason, message, receiver, count } = one;
        DeadLetter { reason, message, receiver, count }
    }
}

/// Has a core tell somebody of its dead letters from now on.
pub(crate) fn subscribe(core: &Core, to: Recipient<DeadLetter>) {
    core.dead_letters.tell_to(Box::new(move |one| {
        // What is not delivered of these is only counted: it would go on for ever.
        if let Err(refused) = to.tell(one.into()) {
            give_up(refused.reason(), type_name::<DeadLetter>());
        }
    }));
}
