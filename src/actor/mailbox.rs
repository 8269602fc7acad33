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
    /// [`Actor::MAILBOX_CAPACITY`](crate::Actor::MAILBOX_CAPACITY) says, beside the others; more are refused.
    ///
    /// **Costs** an actor that is sent one an allocation, once, and then a few nanoseconds for each message, whatever its priority.
    Control,
    /// The usual one.
    User,
}
