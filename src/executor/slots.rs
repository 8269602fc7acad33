//! The line for send slots.
//!
//! Knows: cells that wait. Must not know what they send.

use super::core::Core;
use super::notice::Notice;
use crate::mem::Key;

impl Core {
    /// Puts a cell behind those that wait for send slots. It is told once some have been released, and waits no more then.
    pub fn wait_for_slots(&self, cell: Key) {
        self.thirsty.borrow_mut().push_back(cell);
    }

    /// Tells the cell that has waited longest for send slots that there are some. False if none waits.
    #[inline]
    pub fn wake_for_slots(&self) -> bool {
        !self.thirsty.borrow().is_empty() && self.wake_first_for_slots()
    }

    #[cold]
    fn wake_first_for_slots(&self) -> bool {
        loop {
            let Some(cell) = self.thirsty.borrow_mut().pop_front() else { return false };
            // One that has ended meanwhile does not use up the turn of the next.
            if self.notify(cell, Notice::Slots).is_ok() {
                return true;
            }
            self.thirsty_ended.set(self.thirsty_ended.get().saturating_sub(1));
        }
    }

    /// A cell that waits for send slots ends. Those that have are taken out of the line once they are half of it.
    pub fn wait_no_more(&self, cell: Key) {
        let mut thirsty = self.thirsty.borrow_mut();
        self.thirsty_ended.set(self.thirsty_ended.get() + 1);
        if self.thirsty_ended.get() * 2 >= thirsty.len() {
            thirsty.retain(|other| *other != cell && self.cells.is_io(*other));
            self.thirsty_ended.set(0);
        }
    }

    /// Cells in the line for send slots.
    #[must_use]
    pub fn waiting_for_slots(&self) -> usize {
        self.thirsty.borrow().len()
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::config::Config;
    use crate::executor::{Activation, Body, CoreId, Demand, Links, Outcome};
    use crate::sys::Clock;

    /// Waits for slots, and ends when it is asked to.
    struct Waits;

    impl Body<()> for Waits {
        fn activate(&self, (): &(), activation: &Activation<'_>) -> Outcome {
            let (core, cell) = (activation.core, activation.cell());
            if core.cells.take_demand(cell).is_none() {
                core.wait_for_slots(cell);
                return Outcome::Rest;
            }
            core.wait_no_more(cell);
            Outcome::Ended
        }
    }

    #[test]
    fn who_ends_leaves_the_line_for_send_slots() {
        let first = CoreId(0);
        let core = Core::new(first, Rc::new(Config::default()), Clock::Monotonic, Links::new(first, []));
        let waits = || {
            let cell = core.spawn_io((), Waits).ok().expect("there is room");
            while core.run_next() {}
            cell
        };
        waits();
        for _ in 0..if cfg!(miri) { 50 } else { 1000 } {
            let cell = waits();
            core.demand(cell, Demand::Stop);
            while core.run_next() {}
        }
        assert!(core.waiting_for_slots() <= 3, "{} are in the line", core.waiting_for_slots());
        assert!(core.wake_for_slots(), "the one that stays is still in it");
        assert!(!core.wake_for_slots());
    }
}
