//! What follows from code of an actor having run.
//!
//! Knows: the four ways to go on. Must not know what ran.

/// What happens after a handler has returned.
///
/// ```
/// use odeon::Flow;
///
/// fn line(line: &str) -> Flow {
///     if line == "/quit" { Flow::Close } else { Flow::Continue }
/// }
/// assert_eq!(line("/quit"), Flow::Close);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "the flow says whether the actor goes on"]
pub enum Flow {
    /// The actor goes on.
    #[default]
    Continue,
    /// The actor stops: its mailbox closes, [`Actor::stopped`](crate::Actor::stopped) runs, and its connection, if it has one,
    /// sends what is queued and is closed.
    Stop,
    /// The same, said of a connection.
    Close,
    /// The actor ends at once, with [`StopReason::Failed`](crate::StopReason::Failed): what a hook answers that could not do its
    /// work. It is counted ([`Ledger::failures`](crate::Ledger::failures)), and told on standard error.
    Fail,
}
