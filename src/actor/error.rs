//! What can go wrong when something is sent or spawned.
//!
//! Knows: the reasons, with what is handed back. Must not know how they come about.

use std::any::type_name;
use std::{fmt, io};

use crate::executor::{DeadReason, give_up};

/// A message that was not taken, handed back with the reason. Match on it, or drop and count it by
/// [`or_dead_letter`](OrDeadLetter::or_dead_letter). What it prints is for a log, and not for peers, as with
/// [`AskError`](crate::AskError).
///
/// ```
/// use odeon::prelude::*;
///
/// # #[derive(Message)] struct Job(u32);
/// /// A job goes to the first worker that has space for it.
/// fn assign(mut job: Job, workers: &[Recipient<Job>]) -> Result<(), Job> {
///     for worker in workers {
///         match worker.tell(job) {
///             Ok(()) => return Ok(()),
///             Err(refused) => job = refused.into_message(),
///         }
///     }
///     Err(job)
/// }
/// assert_eq!(assign(Job(7), &[]).unwrap_err().0, 7);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendError<M> {
    /// The receiver's mailbox is full, or the lane to its core is. Try again later, or give up. An actor on the sender's own core
    /// has no lane: there it is the mailbox, or [`Config::mailbox_bytes_max`](crate::Config::mailbox_bytes_max). To another core it is
    /// the lane. [Sizing](crate#sizing) has what to raise.
    Full(M),
    /// The receiver has stopped, and its address will never be valid again.
    Stopped(M),
}

impl<M> SendError<M> {
    /// The message.
    pub fn into_message(self) -> M {
        match self {
            SendError::Full(message) | SendError::Stopped(message) => message,
        }
    }

    pub(super) fn reason(&self) -> DeadReason {
        match self {
            SendError::Full(_) => DeadReason::Full,
            SendError::Stopped(_) => DeadReason::Stopped,
        }
    }
}

impl<M> fmt::Display for SendError<M> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            SendError::Full(_) => {
                "no room: the receiver's mailbox is full (Actor::MAILBOX_CAPACITY, mailbox(capacity = …)), or the lane to its core \
                 (Config::lane_capacity, from other threads Config::inbox_capacity)"
            }
            SendError::Stopped(_) => "the receiver has stopped",
        })
    }
}

impl<M> fmt::Debug for SendError<M> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            SendError::Full(_) => "Full(..)",
            SendError::Stopped(_) => "Stopped(..)",
        })
    }
}

impl<M> std::error::Error for SendError<M> {}

/// As [`ErrorKind::Other`](io::ErrorKind::Other), with the reason and without the message, so that `?` works where a connection is
/// served.
impl<M> From<SendError<M>> for io::Error {
    fn from(error: SendError<M>) -> io::Error {
        io::Error::other(match error {
            SendError::Full(_) => SendError::Full(()),
            SendError::Stopped(_) => SendError::Stopped(()),
        })
    }
}

/// Turns a refusal into a counted dead letter: for messages that may be lost, if it is known how many were. The count is
/// in [`Ledger::dead_letters`](crate::Ledger::dead_letters).
pub trait OrDeadLetter {
    /// Drops the message if it was refused, and counts it among the dead letters with the reason.
    fn or_dead_letter(self);
}

impl<M> OrDeadLetter for Result<(), SendError<M>> {
    fn or_dead_letter(self) {
        if let Err(error) = self {
            give_up(error.reason(), type_name::<M>());
        }
    }
}

/// An actor that could not be spawned, handed back: the core holds as many as `Config::actors_max` allows. What it prints is for a log,
/// and not for peers.
pub struct SpawnError<A>(pub A);

impl<A> fmt::Display for SpawnError<A> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the core holds as many actors as Config::actors_max allows")
    }
}

impl<A> fmt::Debug for SpawnError<A> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SpawnError(..)")
    }
}

impl<A> std::error::Error for SpawnError<A> {}

/// A message that was not set for later: the core has as many tasks as [`Config::tasks_max`](crate::Config::tasks_max) allows. Hands
/// it back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TimerError<M>(pub M);

impl<M> TimerError<M> {
    /// The message.
    pub fn into_message(self) -> M {
        self.0
    }
}

impl<M> fmt::Display for TimerError<M> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the core has as many tasks as Config::tasks_max allows")
    }
}

impl<M> fmt::Debug for TimerError<M> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("TimerError(..)")
    }
}

impl<M> std::error::Error for TimerError<M> {}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_refusal_is_an_error_of_input_and_output_that_says_as_much() {
        // What is sent need not be sent to other threads.
        for error in [SendError::Full(Cell::new(1)), SendError::Stopped(Cell::new(1))] {
            let text = error.to_string();
            let sent = || -> io::Result<()> { Ok(Err(error)?) };
            let error = sent().unwrap_err();
            assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::Other, text));
        }
    }
}
