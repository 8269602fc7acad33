//! The output of connections, which lies on their desks.
//!
//! Knows: whose output is lent, and what follows for whoever reads. Must not know what is in it.

use crate::executor::cell::Activation;
use crate::executor::core::Core;
use crate::executor::output::Output;
use crate::mem::Key;

impl Core {
    /// Gives a cell an output.
    pub fn open_output(&self, cell: Key, output: Output) {
        let mut table = self.tasks.table.borrow_mut();
        let desk = self.desk_of(cell, &mut table);
        table.desks[desk as usize].output = Some(output);
    }

    /// So many bytes more that a cell has received have gone to where they go, unseen by its actor.
    pub fn note_forwarded(&self, cell: Key, bytes: u64) {
        let mut table = self.tasks.table.borrow_mut();
        let desk = self.desk_of(cell, &mut table);
        table.open_errands(desk, cell).forwarded += bytes;
    }

    /// How many these are by now.
    #[must_use]
    pub fn forwarded(&self, cell: Key) -> u64 {
        let Some(desk) = self.cells.desk(cell) else { return 0 };
        self.tasks.table.borrow_mut().errands(desk).map_or(0, |errands| errands.forwarded)
    }

    /// Lends the output of a cell; none if it has none. Nothing that `act` calls may look for an output. Whether reading must
    /// pause after it is seen in an activation of the cell: see [`Activation::pauses`].
    #[inline]
    pub fn with_output<R>(&self, cell: Key, act: impl FnOnce(&mut Output) -> R) -> Option<R> {
        self.with_output_at(self.cells.desk(cell)?, cell, act)
    }

    /// The same for the cell that runs.
    #[inline(always)]
    pub fn with_own_output<R>(
        &self,
        activation: &Activation<'_>,
        act: impl FnOnce(&mut Output) -> R,
    ) -> Option<R> {
        self.with_output_at(activation.desk()?, activation.cell(), act)
    }

    /// Lends the output to which the stream of the cell that runs goes; none if it goes to none, or `None` beside the name of that if it
    /// has no output any more. What `act` counts has been forwarded there, and leaves in an activation of that cell.
    #[inline]
    pub fn with_fed_output<R>(
        &self,
        activation: &Activation<'_>,
        act: impl FnOnce(&mut Output, &mut u64) -> R,
    ) -> Option<(Key, Option<R>)> {
        let (mine, mut bytes) = (activation.desk()?, 0);
        let mut table = self.tasks.table.borrow_mut();
        let to = table.desks[mine as usize].output.as_ref()?.tie().to?;
        let Some(output) = self.cells.desk(to).and_then(|desk| table.desks[desk as usize].output.as_mut())
        else {
            return Some((to, None));
        };
        let result = act(output, &mut bytes);
        if let Some(pauses) = output.tell_pause() {
            self.cells.set_pauses(to, pauses);
        }
        if bytes > 0 {
            table.open_errands(mine, activation.cell()).forwarded += bytes;
            self.cells.schedule(to);
        }
        Some((to, Some(result)))
    }

    #[inline(always)]
    fn with_output_at<R>(&self, desk: u32, cell: Key, act: impl FnOnce(&mut Output) -> R) -> Option<R> {
        let mut table = self.tasks.table.borrow_mut();
        let output = table.desks[desk as usize].output.as_mut()?;
        let result = act(output);
        if let Some(pauses) = output.tell_pause() {
            self.cells.set_pauses(cell, pauses);
        }
        Some(result)
    }
}
