//! The traits that make a type an actor, a message, or a handler of one.
//!
//! Knows: what users implement. Must not know how it is scheduled.

use std::{fmt, io};

use super::ask::ask_here;
use super::{Context, Flow, MailboxOverflow, OnPanic, Priority, Reply};
use crate::executor::{Core, Interval};
use crate::mem::Key;

/// Something that actors can be sent. Derive it: `#[derive(Message)]`, with `#[message(reply = Type)]` for what is answered.
///
/// A message waits in a mailbox after its sender has gone on, so it owns what it carries. To be sent, it must be [`Send`] as
/// well, because the receiver may live on another core. What many actors are to have is best shared:
///
/// ```
/// use std::sync::Arc;
/// use odeon::prelude::*;
///
/// #[derive(Message, Clone)]
/// struct Said {
///     from: u64,
///     text: Arc<str>,
/// }
///
/// fn publish(said: &Said, members: &[Recipient<Said>]) {
///     for member in members {
///         member.tell(said.clone()).or_dead_letter();
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a message",
    label = "actors cannot be sent this",
    note = "write `#[derive(Message)]` above the type, where it is your own; what others define goes into one as a field"
)]
pub trait Message: 'static {
    /// What the handler answers; `()` where nobody asks.
    type Reply: 'static;

    /// How many bytes it holds beside its own size: for mailboxes that are bounded in bytes ([`Actor::MAILBOX_BYTES`]). By
    /// `#[message(heap_bytes = self.text.len())]` on the type, or none.
    fn heap_bytes(&self) -> usize {
        0
    }
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
    /// The mailbox had no room, and [`Actor::MAILBOX_OVERFLOW`] is [`MailboxOverflow::Stop`].
    MailboxFull,
    /// A hook answered [`Flow::Fail`], or an error; an asynchronous handler has not finished in its time; or what was to be a body, or
    /// to go to a file, did not get there, and the hook that was told went on. It is counted
    /// ([`Ledger::failures`](crate::Ledger::failures)), and told on standard error.
    Failed,
    /// The peer has sent everything that it will send.
    EndOfStream,
    /// The connection failed, with the kernel's error number: `ECONNRESET` where the peer reset it.
    Disconnected(i32),
    /// The peer sent what the codec refuses.
    Malformed,
    /// Nothing was received for as long as the idle timeout.
    Idle,
    /// The peer was late: nothing came of it for as long as the [first byte](crate::Config::first_byte_timeout) may take, or not all of a
    /// [frame or a body](crate::Config::frame_timeout) that it had begun. The connection is closed once what is queued has been sent, which is
    /// counted ([`Ledger::connections_late`](crate::Ledger::connections_late)), and told on standard error, once a second at most of each type of actor.
    Late,
    /// The peer did not read: the outbox reached its bound, half of it was queued for longer than
    /// [`Connection::OUTBOX_GRACE`](crate::Connection::OUTBOX_GRACE), or a send was in flight for `Config::write_stall`. The connection
    /// is reset, which is counted ([`Ledger::connections_outbox_full`](crate::Ledger::connections_outbox_full)), and told on standard
    /// error, once a second at most of each type of actor.
    OutboxFull,
    /// What has come of a frame or a body found no room beside what the core holds of others
    /// ([`Config::assembly_bytes_max`](crate::Config::assembly_bytes_max)). The connection is closed once what is queued has been sent,
    /// which is counted ([`Ledger::connections_assembly_full`](crate::Ledger::connections_assembly_full)), and told on standard error, once a second
    /// at most of each type of actor.
    AssemblyFull,
    /// The connection that this one [forwards to](crate::Context::forward_to), or that is forwarded to it, has ended before.
    /// What had come for the peer is sent, and behind it the end of the stream if that had come too, or if the other one was
    /// [idle](StopReason::Idle); else the connection is reset.
    ForwardEnded,
    /// Its supervisor ends it because of another that has failed: to [begin it again](crate::Restart), or to give up and have the
    /// one above decide, which may begin all of them again. Only [`Actor::stopped`] is told that.
    Restarting,
    /// Its supervisor has given up: after more failures than [`Restart::intensity`](crate::Restart::intensity) allows, of this actor or
    /// of another that it supervises. Where there is no supervisor above, [`Actor::stopped`] of all that have not failed themselves is
    /// told that.
    Escalated,
    /// An actor that it is [linked](crate::Context::link) to has ended.
    LinkEnded,
    /// Nobody knows: it had ended before it was [watched](crate::Context::watch), or its core ended without it. No actor is told this of
    /// itself.
    Gone,
}

/// In a few words, for a line in a log: `its peer was idle for too long`.
impl fmt::Display for StopReason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            StopReason::Stopped => "it was stopped",
            StopReason::Aborted => "it was aborted",
            StopReason::Panicked => "it has panicked",
            StopReason::MailboxFull => "its mailbox had no room",
            StopReason::Failed => "it has failed",
            StopReason::EndOfStream => "its stream has ended",
            StopReason::Disconnected(errno) => {
                return write!(out, "its connection has failed: {}", io::Error::from_raw_os_error(*errno));
            }
            StopReason::Malformed => "its peer has sent what its codec refuses",
            StopReason::Idle => "its peer was idle for too long",
            StopReason::Late => "its peer was late with what it was to send",
            StopReason::OutboxFull => "its output has passed a bound, or its peer does not read",
            StopReason::AssemblyFull => "there was no room for what came in part",
            StopReason::ForwardEnded => "the connection that it is tied to has ended",
            StopReason::Restarting => "its supervisor has ended it because of another",
            StopReason::Escalated => "its supervisor has given up",
            StopReason::LinkEnded => "an actor that it is linked to has ended",
            StopReason::Gone => "it had ended before",
        })
    }
}

/// An actor: state, and what it does with a message.
///
/// Handlers run one at a time, on the core where the actor was spawned, so state needs no lock and need not be `Send`. They
/// must not block: everything on the core waits for them. An actor handles up to `Config::activation_messages` before others
/// have their turn.
///
/// A panic ends the actor: [`Actor::stopped`] runs with [`StopReason::Panicked`], and its state is dropped. A
/// [supervisor](crate::manual::supervision), if it has one, begins it again.
///
/// **Costs** of an actor at rest: its state and some 100 bytes. An empty mailbox owns no memory.
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
    note = "write `#[actor]` above an `impl {Self}` block with its handlers, or implement `Actor` by hand"
)]
pub trait Actor: Sized + 'static {
    /// Everything that it can be sent: one type, stored inline in the mailbox. An actor with several messages makes it an
    /// enum, and implements [`Accepts`] for each.
    type Message: 'static;

    /// How many messages wait at most, of each [priority](Priority). Sending to a full mailbox answers
    /// [`SendError::Full`](super::SendError::Full), unless [`Actor::MAILBOX_OVERFLOW`] says otherwise. A
    /// connection whose mailbox is full does not read from its peer. Default 1,024; 0 does not compile:
    ///
    /// ```compile_fail
    /// use odeon::prelude::*;
    ///
    /// struct Deaf;
    ///
    /// impl Actor for Deaf {
    ///     type Message = Never;
    ///     const MAILBOX_CAPACITY: u32 = 0;
    ///     fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
    ///         match message {}
    ///     }
    /// }
    ///
    /// let system = System::builder().build()?;
    /// system.spawn(Deaf)?;
    /// # Ok::<(), odeon::Error>(())
    /// ```
    const MAILBOX_CAPACITY: u32 = 1024;

    /// How many bytes wait at most, of each [priority](Priority): a mailbox is full when what waits weighs as much already, so it may be one
    /// message more. A message weighs its size in the mailbox and its [heap bytes](Actor::heap_bytes_of). Unless given, nothing is
    /// weighed; 0 does not compile.
    ///
    /// **Costs** an actor that says this a few nanoseconds for each message.
    const MAILBOX_BYTES: usize = usize::MAX;

    /// What becomes of a message for which the mailbox has no room.
    const MAILBOX_OVERFLOW: MailboxOverflow = MailboxOverflow::Refuse;

    /// What follows when a handler or a hook panics. Default: [its supervisor](crate::Restart) decides; without one, the actor ends.
    const ON_PANIC: OnPanic = OnPanic::Restart;

    /// How often [`Actor::interval`] is called, for each of up to 32 intervals. They begin with the actor and end with it. The
    /// schedule does not drift: what comes late does not make the next late. What has been missed is left out, unless the
    /// [interval](Interval::missed) says otherwise.
    ///
    /// **Costs** a timer each.
    const INTERVALS: &'static [Interval] = &[];

    /// Runs once, before the first message and the first frame.
    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        let _ = cx;
        Flow::Continue
    }

    /// Handles one message.
    fn handle(&mut self, message: Self::Message, cx: &mut Context<Self>) -> Flow;

    /// How many bytes a message in the mailbox holds beside its own size: where [`Actor::MAILBOX_BYTES`] says that they are bounded.
    /// Asked as it is put in, and as it is taken out.
    fn heap_bytes_of(message: &Self::Message) -> usize {
        let _ = message;
        0
    }

    /// What a message in the mailbox is called where it is told that it was not delivered ([`DeadLetter::message`](super::DeadLetter::message)). An
    /// [`#[actor]`](macro@crate::actor) says the type of the message, or the name of the `#[call]`; unless written, it is the type of all that lies in the mailbox.
    fn name_of(message: &Self::Message) -> &'static str {
        let _ = message;
        std::any::type_name::<Self::Message>()
    }

    /// An interval is over: that of [`Actor::INTERVALS`] with this index.
    fn interval(&mut self, index: usize, cx: &mut Context<Self>) -> Flow {
        let _ = (index, cx);
        Flow::Continue
    }

    /// Runs once, after the last message. The mailbox is closed already; what it still held is counted as dead letters.
    ///
    /// What a connection writes here is sent behind what is queued, and its peer reads the end of the stream, if the reason is
    /// [`Stopped`](StopReason::Stopped), [`LinkEnded`](StopReason::LinkEnded), [`EndOfStream`](StopReason::EndOfStream),
    /// [`Malformed`](StopReason::Malformed), [`Idle`](StopReason::Idle), [`Late`](StopReason::Late) or
    /// [`AssemblyFull`](StopReason::AssemblyFull). After [`ForwardEnded`](StopReason::ForwardEnded) it is sent as well; the peer reads the
    /// end of the stream then if what was forwarded to it has come to its end, and else sees a reset behind all of that. After [`Failed`](StopReason::Failed), [`Panicked`](StopReason::Panicked),
    /// [`Aborted`](StopReason::Aborted), [`MailboxFull`](StopReason::MailboxFull) and [`OutboxFull`](StopReason::OutboxFull) all of that is dropped, and the peer sees a
    /// reset: it shall not take a stream that was cut short for a whole one. So it does if what is written here passes the bound of
    /// the outbox, or a [place](crate::Context::defer) in it is still open. After [`Disconnected`](StopReason::Disconnected) there
    /// is nobody to be sent anything.
    ///
    /// A [task](crate::task::spawn) that is begun here outlives the actor. The end of a system waits for it like for a connection, unless the
    /// actor is one that ends later than those: then it is dropped before it runs, and counted as cut off.
    fn stopped(&mut self, reason: StopReason, cx: &mut Context<Self>) {
        let _ = (reason, cx);
    }
}

/// An actor that can be sent an `M`: says how the message becomes what the mailbox holds. Functions that send are bound by
/// [`SendTo`], which follows from this.
///
/// ```
/// use odeon::prelude::*;
///
/// #[derive(Message)]
/// struct Open;
/// #[derive(Message)]
/// struct Close {
///     slowly: bool,
/// }
///
/// /// Everything that a door can be sent.
/// enum DoorMessage {
///     Open(Open),
///     Close(Close),
/// }
///
/// struct Door {
///     open: bool,
/// }
///
/// impl Actor for Door {
///     type Message = DoorMessage;
///     fn handle(&mut self, message: DoorMessage, _: &mut Context<Self>) -> Flow {
///         self.open = match message {
///             DoorMessage::Open(Open) => true,
///             DoorMessage::Close(Close { slowly }) => slowly && self.open,
///         };
///         Flow::Continue
///     }
/// }
///
/// impl Accepts<Open> for Door {
///     fn accept(message: Open) -> DoorMessage {
///         DoorMessage::Open(message)
///     }
/// }
///
/// impl Accepts<Close> for Door {
///     fn accept(message: Close) -> DoorMessage {
///         DoorMessage::Close(message)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no handler for `{M}`",
    label = "this message cannot be sent to `{Self}`",
    note = "write a `#[message]` handler that takes a `{M}` in the `#[actor]` block of `{Self}`"
)]
pub trait Accepts<M: Message>: Actor {
    /// What it comes before, whether it is told or asked.
    const PRIORITY: Priority = Priority::User;

    /// Puts the message into what the mailbox holds.
    fn accept(message: M) -> Self::Message;

    /// The same for a message that is to be answered. By default the reply is dropped, so that the asker is told at once that there
    /// is no answer ([`AskError::Unanswered`](crate::AskError::Unanswered)).
    fn accept_ask(message: M, reply: Reply<M::Reply>) -> Self::Message {
        drop(reply);
        Self::accept(message)
    }
}

/// Whatever may go to another core. Follows from [`Send`]; never implemented by hand. It is there for the words of the compiler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent to another core",
    label = "this is not `Send`",
    note = "help: carry what is `Send`, such as an `Arc` instead of an `Rc`",
    note = "help: of a type parameter, say so: `impl<T: Send>`",
    note = "help: or mark the handler `local`, as in `#[message(local)]` or `#[call(local)]`: only actors of the same core reach it then, by \
            `LocalAddr`"
)]
pub trait Sendable {}

// The compiler speaks of what is sent, not of the part of it that is the reason: it names that elsewhere.
#[diagnostic::do_not_recommend]
impl<T: Send + ?Sized> Sendable for T {}

/// What can be made here and live on another core. Follows from [`Send`]; never implemented by hand. It is there for the
/// words of the compiler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent to the core where it is to live",
    label = "this is not `Send`",
    note = "help: let it be made there: `system.spawn_with(0, || …)`, or `cx.spawn(…)` in a handler, whose core is the actor's too"
)]
pub trait Spawnable: Send {}

// As above.
#[diagnostic::do_not_recommend]
impl<A: Send> Spawnable for A {}

/// A message that can be sent to an `A`, from any core. Follows from `A: Accepts<Self>`; never implemented by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent to `{A}`",
    label = "not something that `{A}` can be sent",
    note = "help: a message is a type of your own with `#[derive(Message)]`, for which the `#[actor]` block of `{A}` has a `#[message]` handler",
    note = "help: where that handler is `local`, only actors of the same core reach it, by the `LocalAddr` that `address.local()` finds there",
    note = "help: what is not `Send` goes nowhere else either: carry an `Arc` instead of an `Rc`"
)]
pub trait SendTo<A: Actor>: Message + Send {
    #[doc(hidden)]
    const PRIORITY: Priority;

    #[doc(hidden)]
    fn accepted(self) -> A::Message;

    #[doc(hidden)]
    fn ask_here(core: &Core, to: Key, message: Self, reply: Reply<Self::Reply>);
}

// The compiler speaks of the message and its receiver, not of what each of them lacks.
#[diagnostic::do_not_recommend]
impl<A: Accepts<M>, M: Message + Send> SendTo<A> for M {
    const PRIORITY: Priority = <A as Accepts<M>>::PRIORITY;

    fn accepted(self) -> A::Message {
        A::accept(self)
    }

    fn ask_here(core: &Core, to: Key, message: M, reply: Reply<M::Reply>) {
        ask_here::<A, M>(core, to, message, reply);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_in_a_few_words() {
        let told = |reason: StopReason| format!("Session ends: {reason}");
        assert_eq!(told(StopReason::Idle), "Session ends: its peer was idle for too long");
        assert_eq!(
            told(StopReason::Disconnected(104)),
            "Session ends: its connection has failed: Connection reset by peer (os error 104)"
        );
    }
}
