//! The traits that make a type an actor, a message, or a handler of one.
//!
//! Knows: what users implement. Must not know how it is scheduled.

use super::Context;

/// Something that actors can be sent. Derive it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a message",
    label = "actors cannot be sent this",
    note = "a message is a type of your own with `#[derive(Message)]`; what others define goes into one as a field"
)]
pub trait Message: 'static {
    /// What the handler answers; `()` where nobody asks.
    type Reply: 'static;
}

/// What happens after a handler has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "the flow says whether the actor goes on"]
pub enum Flow {
    /// The actor goes on.
    #[default]
    Continue,
    /// The actor stops: its mailbox closes, [`Actor::stopped`] runs, and its connection, if it has one, sends what is
    /// queued and is closed.
    Stop,
    /// The same, said of a connection.
    Close,
}

/// Why an actor ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// A handler answered [`Flow::Stop`] or [`Flow::Close`], or somebody called [`Addr::stop`](super::Addr::stop).
    Stopped,
    /// Somebody called [`Addr::abort`](super::Addr::abort).
    Aborted,
    /// A handler panicked.
    Panicked,
    /// The peer has sent everything that it will send.
    EndOfStream,
    /// The connection failed, with the kernel's error number: `ECONNRESET` where the peer reset it.
    Disconnected(i32),
    /// The peer sent what the codec refuses.
    Malformed,
    /// Nothing was received for as long as the idle timeout.
    Idle,
    /// The peer did not read, and the outbox reached its bound.
    OutboxFull,
}

/// An actor: state, and what it does with a message.
///
/// Handlers run one at a time, on the core where the actor was spawned. They must not block: everything on the core waits
/// for them.
///
/// ```
/// use odeon::prelude::*;
///
/// #[derive(Message)]
/// struct Add(u64);
///
/// #[derive(Default)]
/// struct Sum(u64);
///
/// impl Actor for Sum {
///     type Message = Add;
///     fn handle(&mut self, Add(more): Add, _: &mut Context<Self>) -> Flow {
///         self.0 += more;
///         Flow::Continue
///     }
/// }
///
/// impl Accepts<Add> for Sum {
///     fn accept(message: Add) -> Add {
///         message
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an actor",
    label = "this cannot be spawned, sent messages, or given a context",
    note = "implement `Actor` for `{Self}`: the type of its messages, and what it does with one"
)]
pub trait Actor: Sized + 'static {
    /// Everything that it can be sent: one type, stored inline in the mailbox. An actor with several messages makes it an
    /// enum, and implements [`Accepts`] for each.
    type Message: 'static;

    /// How many messages wait at most. Sending to a full mailbox answers [`SendError::Full`](super::SendError::Full).
    const MAILBOX_CAPACITY: u32 = 1024;

    /// Runs once, before the first message.
    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        let _ = cx;
        Flow::Continue
    }

    /// Handles one message.
    fn handle(&mut self, message: Self::Message, cx: &mut Context<Self>) -> Flow;

    /// Runs once, after the last message. The mailbox is closed already.
    fn stopped(&mut self, reason: StopReason, cx: &mut Context<Self>) {
        let _ = (reason, cx);
    }
}

/// An actor that can be sent an `M`. Senders bound on [`SendTo`], which follows from this.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no handler for `{M}`",
    label = "this message cannot be sent to `{Self}`",
    note = "implement `Accepts<{M}>` for `{Self}`, and handle it in `Actor::handle`"
)]
pub trait Accepts<M: Message>: Actor {
    /// Puts the message into what the mailbox holds.
    fn accept(message: M) -> Self::Message;
}

/// A message that can be sent to an `A`, from any core. Follows from `A: Accepts<Self>`; never implemented by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent to `{A}`",
    label = "not something that `{A}` can be sent",
    note = "a message derives `Message` and is `Send`, and its receiver implements `Accepts` of it"
)]
pub trait SendTo<A: Actor>: Message + Send {
    #[doc(hidden)]
    fn accepted(self) -> A::Message;
}

impl<A: Accepts<M>, M: Message + Send> SendTo<A> for M {
    fn accepted(self) -> A::Message {
        A::accept(self)
    }
}
