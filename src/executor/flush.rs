//! Waiting until what a connection has written is sent.
//!
//! Knows: outputs by the name of their cell, wakers. Must not know what was written.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::address::{CoreId, RawAddress};
use super::blame::user;
use super::core::Core;
use super::current;
use super::output::{Output, WatchId};
use crate::mem::Key;

/// Waits until the kernel has taken everything that had been written when this was made. What is written meanwhile is not waited
/// for. Fails if a send has failed, then or before. See [`Context::flush`](crate::Context::flush).
#[derive(Debug)]
#[must_use = "nobody waits until this is awaited"]
pub struct Flush {
    connection: RawAddress,
    state: State,
    /// Elsewhere the connection would not be found.
    local: PhantomData<*const ()>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Waits(WatchId),
    /// Nothing was queued.
    Sent,
    /// There is no connection.
    Lost,
}

/// How far what is watched has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// Not all of it has been sent.
    Waits,
    /// All of it has.
    Sent,
    /// The rest of it was dropped.
    Lost,
}

/// Of no connection.
impl Default for Flush {
    fn default() -> Flush {
        Flush {
            connection: RawAddress::new(CoreId(u32::MAX), Key { index: 0, generation: 0 }),
            state: State::Lost,
            local: PhantomData,
        }
    }
}

impl Flush {
    /// Watches the output of a cell of this core.
    pub fn new(core: &Core, cell: Key) -> Flush {
        let state = core.with_output(cell, |output| match output.queued() {
            // Nothing is queued either where a send has failed, of which the actor may not have been told.
            _ if output.is_lost() => State::Lost,
            0 => State::Sent,
            _ => State::Waits(output.watch()),
        });
        let state = state.unwrap_or(State::Lost);
        Flush { connection: core.address(cell), state, local: PhantomData }
    }

    fn with_output<R>(&self, act: impl FnOnce(&mut Output) -> R) -> Option<R> {
        let (at, cell) = (self.connection.core(), self.connection.cell());
        current::at(at, |core| core.and_then(|core| core.with_output(cell, act)))
    }
}

impl Future for Flush {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let watched = match self.state {
            State::Waits(id) => {
                // Cloning and dropping are code of users, so nothing is borrowed meanwhile.
                let waker = cx.waker().clone();
                let looked = self.with_output(|output| output.look(id, waker));
                looked.map_or(Watched::Lost, |(watched, _before)| watched)
            }
            State::Sent => Watched::Sent,
            State::Lost => Watched::Lost,
        };
        match watched {
            Watched::Waits => Poll::Pending,
            Watched::Sent => Poll::Ready(Ok(())),
            Watched::Lost => Poll::Ready(Err(io::Error::new(
                ErrorKind::BrokenPipe,
                "the connection has ended before everything was sent",
            ))),
        }
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        if let State::Waits(id) = self.state {
            drop(self.with_output(|output| output.unwatch(id)));
        }
    }
}

impl Core {
    /// Wakes those who watched something of this cell's output that has been sent, or dropped, and whoever feeds it if there is room
    /// again.
    #[cold]
    pub fn wake_flushed(&self, cell: Key) {
        while let Some(Some(waker)) = self.with_output(cell, Output::next_flushed) {
            let wake = |waker: Waker| user(|| waker.wake());
            self.contain(|| wake(waker));
        }
        let fed = self.with_output(cell, |output| {
            let mut tie = output.tie();
            let goes_on = tie.waits && output.queued() <= output.low();
            tie.waits &= !goes_on;
            output.set_tie(tie);
            tie.from.filter(|_| goes_on)
        });
        if let Some(from) = fed.flatten() {
            self.schedule(from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Flush;

    /// Has two implementations, between which nothing decides, for what is `Send`.
    trait StaysOnItsCore<Which> {
        const TRUE: () = ();
    }

    impl<T> StaysOnItsCore<()> for T {}
    impl<T: Send> StaysOnItsCore<u8> for T {}

    #[test]
    fn what_waits_stays_on_its_core() {
        const { <Flush as StaysOnItsCore<_>>::TRUE }
    }
}
