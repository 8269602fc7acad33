//! Before a listener or a connection stops: what clients did in time is served.
//!
//! Knows: looks, and the silence between them. Must not know what is listened for.
//!
//! Connections in the backlog and requests in the kernel are not seen at once: their completions come with one of the
//! next turns. So whoever stops looks a few times, a turn or more apart, until nothing new has come for several looks in a
//! row. Looks are counted instead of time measured: a core that was not run for a while has not looked meanwhile.

use std::time::Duration;

/// From one look to the next.
pub(super) const BETWEEN_LOOKS: Duration = Duration::from_millis(3);
/// So many looks in a row that find nothing end it: a backend may need one turn to submit and one to collect.
const SILENT_LOOKS: u8 = 3;
/// So many looks end it in any case, however busy the clients are.
const LOOKS_MAX: u8 = 50;

/// How far a last call has come: how many looks there were, and how many of them in a row found nothing, in one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct LastCall(u8);

/// Each look counts as so many.
const LOOK: u8 = SILENT_LOOKS + 1;

const _: () = assert!(LOOKS_MAX <= u8::MAX / LOOK);

impl LastCall {
    /// Something has come.
    pub(super) fn heard(&mut self) {
        self.0 -= self.silent();
    }

    /// A look at what has come since the last one.
    pub(super) fn look(&mut self) {
        self.0 += if self.looks() < LOOKS_MAX { LOOK } else { 0 };
        self.0 += if self.silent() < SILENT_LOOKS { 1 } else { 0 };
    }

    pub(super) fn is_over(self) -> bool {
        self.silent() == SILENT_LOOKS || self.looks() == LOOKS_MAX
    }

    fn looks(self) -> u8 {
        self.0 / LOOK
    }

    fn silent(self) -> u8 {
        self.0 % LOOK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_ends_a_last_call() {
        let mut call = LastCall::default();
        call.look();
        call.look();
        call.heard();
        call.look();
        call.look();
        assert!(!call.is_over());
        call.look();
        assert!(call.is_over());
    }

    #[test]
    fn clients_that_never_rest_do_not_keep_it_up() {
        let mut call = LastCall::default();
        let looks = (1..).take_while(|_| {
            call.heard();
            call.look();
            !call.is_over()
        });
        assert_eq!(looks.count(), usize::from(LOOKS_MAX) - 1);
    }
}
