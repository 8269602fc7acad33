//! Bodies that connections have been asked to receive, until they begin with them, and connections that wait for room for what they
//! receive.
//!
//! Knows: memory and files, how much is to come, by the name of a cell. Must not know what is received.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;

use super::core::Core;
use super::files::OpenFile;
use super::notice::Notice;
use crate::mem::Key;

/// How many bytes are to be received, and where they go.
#[derive(Debug)]
pub enum Wanted {
    /// So many, into memory: behind what it holds.
    Memory { buffer: Vec<u8>, len: usize },
    /// So many, or all up to the end of the stream, into a file: from `offset` on.
    File { file: Rc<OpenFile>, offset: u64, len: Option<u64> },
}

impl Wanted {
    /// The memory, of what was to go into memory.
    #[must_use]
    pub fn into_buffer(self) -> Vec<u8> {
        match self {
            Wanted::Memory { buffer, .. } => buffer,
            Wanted::File { .. } => Vec::new(),
        }
    }
}

/// Why a connection is not asked for a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoBody {
    /// It has one already.
    Busy,
    /// It ends, or is no connection.
    Ended,
}

impl fmt::Display for NoBody {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            NoBody::Busy => {
                "the connection receives a body already: ask for the next where it is told what has come of that, in `#[body]` or \
                 `#[forwarded]`"
            }
            NoBody::Ended => "the connection ends: nothing more is received on it",
        })
    }
}

/// What cells of one core have asked for and not begun with: few, for each looks after the handler that asked.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    wanted: RefCell<Vec<(Key, Wanted)>>,
    /// Those that wait for room, the first at the front. Some may have ended.
    line: RefCell<VecDeque<Key>>,
    /// The first has been told, and has not looked yet: it is still the first.
    told: Cell<bool>,
}

impl Core {
    /// A connection is to receive a body before anything else. Its cell [has a body](super::Activation::has_body) from now on, and
    /// the actor that runs looks whether it may go on.
    ///
    /// # Errors
    /// What was wanted, if the cell has one already, ends, or is no connection.
    pub fn want_body(&self, cell: Key, wanted: Wanted) -> Result<(), (NoBody, Wanted)> {
        let connected = self.with_output(cell, |_| ()).is_some();
        if !connected || self.cells.is_closed(cell) {
            return Err((NoBody::Ended, wanted));
        }
        if self.cells.has_body(cell) {
            return Err((NoBody::Busy, wanted));
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

    /// Puts a connection behind those that wait for room for what has come in part. It is told once it is the first.
    pub fn wait_for_room(&self, cell: Key) {
        let mut line = self.bodies.line.borrow_mut();
        // Those that have ended leave once they are half of it.
        if line.len() > 2 * self.cells.live_io() {
            line.retain(|cell| self.cells.is_io(*cell));
        }
        debug_assert!(!line.contains(&cell), "each stands in line once");
        line.push_back(cell);
        self.pools.receive.assembly().be_awaited();
    }

    /// The one that was told finds no room: it is the first again when some is given back.
    pub fn stay_in_line(&self, cell: Key) {
        self.bodies.told.set(false);
        self.bodies.line.borrow_mut().push_front(cell);
        self.pools.receive.assembly().be_awaited();
    }

    /// The one that was told waits no more: tells the next.
    pub fn leave_line_for_room(&self) {
        self.bodies.told.set(false);
        self.call_for_room();
    }

    /// True if any connection waits for room.
    #[must_use]
    pub fn is_anybody_in_line(&self) -> bool {
        self.bodies.told.get() || !self.bodies.line.borrow().is_empty()
    }

    /// Tells the first in line, which then stays or leaves.
    pub(super) fn call_for_room(&self) {
        while !self.bodies.told.get() {
            let Some(cell) = self.bodies.line.borrow_mut().pop_front() else { return };
            self.bodies.told.set(self.notify(cell, Notice::Room).is_ok());
        }
    }

    /// The connection has no body any more.
    pub fn end_body(&self, cell: Key) {
        drop(self.take_wanted(cell));
        self.cells.set_body(cell, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::executor::{Activation, Body, CoreId, Links, Outcome};
    use crate::sys::Clock;

    struct Rests;

    impl Body<()> for Rests {
        fn activate(&self, (): &(), activation: &Activation<'_>) -> Outcome {
            while activation.next_notice().is_some() {}
            Outcome::Rest
        }
    }

    #[test]
    fn whoever_is_told_is_the_first_in_line_until_it_has_looked() {
        let config = Config { receive_buffers: 1, receive_buffer_bytes: 64, ..Config::default() };
        let core = Core::new(CoreId(0), Rc::new(config), Clock::Monotonic, Links::new(CoreId(0), []));
        let [first, second] = [(); 2].map(|()| core.spawn_io((), Rests).ok().expect("there is room"));
        core.wait_for_room(first);
        core.call_for_room();
        assert!(core.cells.has_notice(first) && core.is_anybody_in_line());
        core.wait_for_room(second);
        core.call_for_room();
        assert!(!core.cells.has_notice(second), "the first has not looked");
        core.stay_in_line(first);
        while core.run_next() {}
        core.call_for_room();
        assert_eq!([first, second].map(|cell| core.cells.has_notice(cell)), [true, false]);
        core.leave_line_for_room();
        assert!(core.cells.has_notice(second) && core.is_anybody_in_line());
        core.leave_line_for_room();
        assert!(!core.is_anybody_in_line());
        while core.run_next() {}
    }
}
