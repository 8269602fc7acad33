//! What a cell leaves unfinished if it ends now.
//!
//! Knows: the lists of a cell. Must not know why anybody asks.

use super::Kind;
use super::table::{NONE, Table};
use crate::executor::AnyTask;
use crate::executor::core::Core;
use crate::mem::Key;

impl Table {
    /// Calls `each` with the places of what a cell has begun.
    fn each_of(&mut self, desk: u32, mut each: impl FnMut(&mut Table, u32)) {
        let mut at = self.errands(desk).map_or(NONE, |errands| errands.first.get());
        while at != NONE {
            each(self, at);
            at = self.at(at).next.get();
        }
    }
}

impl Core {
    /// Answers that a cell waits for, in continuations and in an exclusive future.
    pub(in super::super) fn unanswered(&self, cell: Key) -> usize {
        let Some(desk) = self.cells.desk(cell) else { return 0 };
        let mut count = 0;
        self.each_wait(cell, |_, _| count += 1);
        let mut table = self.tasks.table.borrow_mut();
        table.each_of(desk, |table, at| count += usize::from(table.at(at).kind.get() == Kind::Answer));
        count
    }

    /// What the future of a task is called; none if it runs now.
    pub(in super::super) fn name_of_task(&self, cell: Key) -> Option<&'static str> {
        let (desk, mut name) = (self.cells.desk(cell)?, None);
        self.tasks.table.borrow_mut().each_of(desk, |table, at| {
            name = name.or_else(|| table.at(at).with_task(|task| task.as_ref().map(AnyTask::name)));
        });
        name
    }
}
