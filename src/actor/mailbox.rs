//! What can be chosen of a mailbox.
//!
//! Knows: names of the choices. Must not know how they are carried out.

/// In which order messages of one actor are handled that wait at the same time.
///
/// Each priority is a queue of its own, first in, first out, so what one sender sends at one priority is handled in the order in which
/// it was sent. A stop, an abort, answers and futures come before either.
///
/// ```
/// use odeon::prelude::*;
///
/// #[derive(Message)]
/// struct Line(&'static str);
/// #[derive(Message)]
/// struct Mute;
///
/// #[derive(Default)]
/// struct Screen {
///     muted: bool,
///     shown: usize,
/// }
///
/// #[actor]
/// impl Screen {
///     #[message]
///     fn line(&mut self, Line(text): Line) {
///         self.shown += if self.muted { 0 } else { text.len() };
///     }
///
///     /// Is handled before the lines that wait.
///     #[message(priority = control)]
///     fn mute(&mut self, Mute: Mute) {
///         self.muted = true;
///     }
/// }
///
/// assert_eq!(<Screen as Accepts<Mute>>::PRIORITY, Priority::Control);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Priority {
    /// Before what waits at the usual priority, of which one message is handled after seven of these at the latest. As many wait as
    /// [`Actor::MAILBOX_CAPACITY`](crate::Actor::MAILBOX_CAPACITY) says, beside the others; more are refused. That
    /// holds in the mailbox: in the lane from another core, and in the inbox, it stands behind what was sent before, and is refused
    /// as all else is where they are full.
    ///
    /// **Costs** an actor that is sent one an allocation, once, and then a few nanoseconds for each message, whatever its priority.
    Control,
    /// The usual one.
    User,
}

/// What becomes of a message of the usual [priority](Priority) for which a mailbox has no room: it holds
/// [`Actor::MAILBOX_CAPACITY`](crate::Actor::MAILBOX_CAPACITY). Control messages are refused then, whatever this says; and so are all
/// when the memory for the mailboxes of a core ([`Config::mailbox_bytes_max`](crate::Config::mailbox_bytes_max)) is used up.
///
/// Whoever has asked what is dropped is told [`AskError::Full`](crate::AskError::Full).
///
/// ```
/// use odeon::prelude::*;
/// use odeon::testing::TestContext;
///
/// #[derive(Message)]
/// struct Price(u32);
///
/// #[derive(Default)]
/// struct Display(Vec<u32>);
///
/// /// Who wants to know the newest prices has no use for old ones.
/// #[actor(mailbox(capacity = 2, overflow = drop_oldest))]
/// impl Display {
///     #[message]
///     fn price(&mut self, Price(price): Price) {
///         self.0.push(price);
///     }
/// }
///
/// let (mut display, mut cx) = (Display::default(), TestContext::new());
/// for price in 1..=4 {
///     assert!(cx.me().tell(Price(price)).is_ok());
/// }
/// cx.run(&mut display);
/// assert_eq!(display.0, [3, 4]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum MailboxOverflow {
    /// It is handed back: [`SendError::Full`](crate::SendError::Full). What is on its way from another core becomes a dead letter.
    #[default]
    Refuse,
    /// It becomes a dead letter, and its sender is told `Ok`.
    DropNewest,
    /// The message that has waited longest becomes a dead letter.
    DropOldest,
    /// The actor ends, with [`StopReason::MailboxFull`](crate::StopReason::MailboxFull); the message is handed back.
    Stop,
}
