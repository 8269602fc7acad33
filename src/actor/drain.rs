//! Ending an actor behind what waits for it.
//!
//! Knows: what closes a mailbox without emptying it, and when it is empty. Must not know in which order messages are taken.
//!
//! The cell is closed at once, as at the end of an actor: nothing more finds it. What is in the mailbox stays, and the actor is asked to stop
//! by whoever finds that empty. So an actor that is not drained pays nothing for this.

use super::head::Head;
use super::watch::fate_of;
use super::{Actor, Addr, StopReason};
use crate::executor::{Activation, Core, Demand, current, insist};
use crate::mem::Key;

impl<A: Actor> Addr<A> {
    /// Stops the actor behind what waits in its mailbox: that is handled, and so is what waits [for room](Addr::send) there; nothing more is taken in.
    /// Who sends from now on is told [`Stopped`](super::SendError::Stopped), the actor itself as well. What is still on its way from another core may
    /// come too late, and is counted as a dead letter then; not so what the caller has sent before.
    ///
    /// When the mailbox is empty, the actor stops as by [`stop`](Addr::stop): what its handlers have begun and not finished is dropped, and what
    /// it has [set aside](super::Context::stash) and not taken back is counted as dead letters. An asynchronous handler with `&mut self`
    /// has finished by then. `stop` and `abort` do not wait for the rest of the messages, and neither does the end of the system. An actor that fails
    /// meanwhile is begun again by its supervisor, and goes on with what is left. Does nothing if it has ended.
    ///
    /// ```
    /// use std::sync::mpsc::{Sender, channel};
    /// use odeon::prelude::*;
    ///
    /// #[derive(Message)]
    /// struct Line(&'static str);
    ///
    /// struct Journal {
    ///     lines: Vec<&'static str>,
    ///     printer: Sender<Vec<&'static str>>,
    /// }
    ///
    /// #[actor]
    /// impl Journal {
    ///     #[message]
    ///     fn line(&mut self, Line(text): Line) {
    ///         self.lines.push(text);
    ///     }
    ///
    ///     #[stopped]
    ///     fn stopped(&mut self) {
    ///         self.printer.send(std::mem::take(&mut self.lines)).expect("it waits");
    ///     }
    /// }
    ///
    /// let system = System::builder().cores(Cores::Count(1)).build()?;
    /// let (printer, printed) = channel();
    /// let journal = system.spawn(Journal { lines: Vec::new(), printer })?;
    /// journal.tell(Line("first"))?;
    /// journal.tell(Line("second"))?;
    /// journal.drain();
    /// journal.tell(Line("too late")).or_dead_letter();
    /// assert_eq!(printed.recv()?, ["first", "second"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Never lost: a thread outside of the system waits while the inbox of the actor's core is full.
    pub fn drain(self) {
        let raw = self.raw();
        current::with(|core| match core {
            Some(core) if core.id == raw.core() => begin::<A>(core, raw.cell()),
            from => insist(from, raw, arrive::<A>, ()),
        });
    }
}

fn arrive<A: Actor>(cell: Key, (): ()) {
    current::with(|core| core.map(|core| begin::<A>(core, cell)));
}

fn begin<A: Actor>(core: &Core, cell: Key) {
    let reached = core.cells.reach(cell, (), |head: &Head<A>, ()| head.begin_to_drain(core, cell));
    if reached.is_ok() {
        Activation::of_started(core, cell, |activation| activation.close(fate_of(StopReason::Stopped)));
    }
}

impl<A: Actor> Head<A> {
    /// Has the actor stop when nothing waits any more. Whoever takes messages from the mailbox alone looks again.
    fn begin_to_drain(&self, core: &Core, cell: Key) {
        core.cells.interrupt();
        self.extra(core).drained.set(Some(cell));
    }

    /// Nothing waits: whoever was to stop then is asked to.
    pub(super) fn end_of_drain(&self, core: &Core) {
        if let Some(cell) = self.extra_if_made().and_then(|extra| extra.drained.get()) {
            core.demand(cell, Demand::Stop);
        }
    }
}
