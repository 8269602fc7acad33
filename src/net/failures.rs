//! How the end of the stream from the peer is learnt, and what a send that fails says of it.
//!
//! Knows: what the kernel still tells after a failure, and how often. Must not know who reads, nor the backend.
//!
//! A peer that closes with bytes unread resets the connection, and what it said before lies in the socket, behind a send that fails. So
//! far as somebody reads on, that comes first. The kernel tells of a failure once, to whichever call comes first: a receive that comes
//! second brings what has arrived, and then an end. Whether that end is the peer's, the error number of the first send says: after it,
//! the kernel calls a reset a broken pipe.

use super::codec::Decode;
use super::forward::Forward;
use super::wire::{CLOSE, Stream, Wire};
use crate::driver::ReceiveEnd;
use crate::executor::Activation;
use crate::sys::Errno;

impl<C: Decode> Wire<C> {
    /// A send has failed: the connection has, or has as soon as what had arrived is read. What is watched will not be sent.
    #[cold]
    pub(super) fn send_failed(&mut self, activation: &Activation<'_>, errno: Errno) {
        let number = errno.0 as u16;
        self.stream = match self.stream {
            // What was heard first says most.
            Stream::Failed(first) => Stream::Failed(first),
            Stream::Torn(first) => Stream::Torn(first),
            Stream::Failing(first) => Stream::Failing(first),
            Stream::Open if self.is_read_on(errno) => Stream::Failing(number),
            Stream::Ended | Stream::Finished if Self::has_tie(activation) => Stream::Torn(number),
            _ => Stream::Failed(number),
        };
        activation.core.with_own_output(activation, |output| output.lose());
        activation.core.wake_flushed(activation.cell());
    }

    /// True if what has arrived is passed on still, up to an end behind it: the kernel gives one to a connection that has broken. If there
    /// is no room where it goes, that is when there is.
    fn is_read_on(&self, errno: Errno) -> bool {
        is_broken(errno) && self.is_open() && !self.deaf && self.forward != Forward::No
    }

    /// A receive has ended, for this reason.
    #[cold]
    pub(super) fn receive_ended(&mut self, activation: &Activation<'_>, why: ReceiveEnd) {
        (self.receiving, self.cancelling) = (false, false);
        self.note_unread(activation.core.now());
        self.stream = match (why, self.stream) {
            (ReceiveEnd::EndOfStream, failed @ Stream::Failed(_)) => failed,
            (ReceiveEnd::EndOfStream, Stream::Failing(errno))
                if Errno(errno.into()) == Errno::EPIPE && Self::has_tie(activation) =>
            {
                Stream::Torn(errno)
            }
            (ReceiveEnd::EndOfStream, Stream::Failing(errno)) => Stream::Failed(errno),
            (ReceiveEnd::EndOfStream, _) => Stream::Ended,
            (ReceiveEnd::Failed(errno), _) => Stream::Failed(errno.0 as u16),
            (ReceiveEnd::Cancelled, stream) => stream,
        };
        if !self.is_heard() {
            // Nothing more comes for which there has to be room.
            self.inward.forget_promise();
        }
    }

    /// Everything has been sent, and a reset is to follow, which drops what the kernel has not sent yet. Where it has just taken some,
    /// the peer gets time for that, within the deadline, and is heard out meanwhile.
    #[cold]
    pub(super) fn break_later(&mut self, activation: &Activation<'_>) {
        let core = activation.core;
        let deadline = core.now().after(self.shared.close_deadline).min(self.due);
        let until = self.taken_at.after(core.config.linger_after).min(deadline);
        self.disarm(core);
        if core.now() < until {
            self.timer = core.arm(activation.cell(), CLOSE, until).ok();
        }
        if self.timer.is_none() {
            self.end_now(activation, true);
        }
    }

    /// True if more may come from the peer.
    pub(super) fn is_heard(&self) -> bool {
        matches!(self.stream, Stream::Open | Stream::Failing(_))
    }

    /// True if what comes goes to another connection, which is to get all of it before this one fails.
    pub(super) fn has_tie(activation: &Activation<'_>) -> bool {
        !activation.has_body()
            && activation.core.with_own_output(activation, |output| output.tie().to.is_some()) == Some(true)
    }
}

/// True if a send fails so on a connection that has broken, behind whatever has arrived on it. A kernel that gives a connection up because
/// nobody answers says what it heard last of the way there, if it heard something, instead of that its time is over.
fn is_broken(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::ECONNRESET | Errno::EPIPE | Errno::ETIMEDOUT | Errno::EHOSTUNREACH | Errno::ENETUNREACH
    )
}

#[cfg(test)]
mod tests {
    use super::is_broken;
    use crate::sys::Errno;

    #[test]
    fn a_connection_that_is_given_up_has_broken_whatever_was_heard_of_the_way_there() {
        for errno in [Errno::ETIMEDOUT, Errno::EHOSTUNREACH, Errno::ENETUNREACH] {
            assert!(is_broken(errno), "{errno}");
        }
        // That says something of the send, and not of the connection.
        for errno in [Errno::ENOBUFS, Errno::ENOMEM, Errno::EFAULT] {
            assert!(!is_broken(errno), "{errno}");
        }
    }
}
