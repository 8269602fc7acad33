//! Bodies that connections have been asked to receive, until they begin with them.
//!
//! Knows: memory, how much is to come, by the name of a cell. Must not know what is received.

use std::cell::RefCell;

use super::core::Core;
use crate::mem::Key;

/// Memory, and how many bytes are to be received behind what it holds.
#[derive(Debug)]
pub struct Wanted {
    /// What arrives goes behind what it holds.
    pub buffer: Vec<u8>,
    /// How many bytes.
    pub len: usize,
}

/// What cells of one core have asked for and not begun with: few, for each looks after the handler that asked.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    wanted: RefCell<Vec<(Key, Wanted)>>,
}

impl Core {
    /// A connection is to receive a body before anything else. Its cell [has a body](super::Activation::has_body) from now on, and
    /// the actor that runs looks whether it may go on.
    ///
    /// # Errors
    /// What was wanted, if the cell has one already, ends, or is no connection.
    pub fn want_body(&self, cell: Key, wanted: Wanted) -> Result<(), Wanted> {
        let connected = self.with_output(cell, |_| ()).is_some();
        if !connected || self.cells.has_body(cell) || self.cells.is_closed(cell) {
            return Err(wanted);
        }
        self.cells.set_body(cell, true);
        self.bodies.wanted.borrow_mut().push((cell, wanted));
        Ok(())
    }

    /// Takes what the connection has been asked to receive. It still has a body.
    #[must_use]
    pub fn take_wanted(&self, cell: Key) -> Option<Wanted> {
        let mut wanted = self.bodies.wanted.borrow_mut();
        let place = wanted.iter().position(|(asked, _)| *asked == cell)?;
        Some(wanted.swap_remove(place).1)
    }

    /// The connection has no body any more.
    pub fn end_body(&self, cell: Key) {
        drop(self.take_wanted(cell));
        self.cells.set_body(cell, false);
    }
}
