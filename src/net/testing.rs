//! What a test sees of the output of a connection.
//!
//! Knows: bytes that may leave, places that are open. Must not know who waits for them.

use super::connection::Connection;
use crate::actor::TestContext;

/// What only connections do.
impl<A: Connection> TestContext<A> {
    /// Takes what has been written and may leave, as a peer would that reads everything: what waits behind an
    /// [open place](crate::Context::defer) is not part of it yet. Up to then it is [queued](crate::Context::queued_bytes).
    pub fn written(&mut self) -> Vec<u8> {
        let (core, cell) = (self.core(), self.cell_of_actor());
        let pool = &core.pools.send;
        let mut written = Vec::new();
        let taken = core.with_output(cell, |output| {
            loop {
                let chain = output.next(pool);
                if chain.is_empty() {
                    return;
                }
                pool.segments(&chain, 0).for_each(|part| written.extend_from_slice(part));
                output.sent(pool, chain.bytes());
                pool.release(chain);
            }
        });
        debug_assert!(taken.is_some(), "a test context has an output");
        core.settle();
        written
    }

    /// The same as text.
    ///
    /// # Panics
    /// When it is no UTF-8.
    #[track_caller]
    pub fn written_text(&mut self) -> String {
        match String::from_utf8(self.written()) {
            Ok(text) => text,
            Err(error) => panic!("what was written is no UTF-8: {:?}", error.as_bytes()),
        }
    }

    /// Places for answers that have not been filled, see [`Context::defer`](crate::Context::defer).
    #[must_use]
    pub fn open_places(&self) -> usize {
        self.core().with_output(self.cell_of_actor(), |output| output.places()).unwrap_or(0) as usize
    }

    /// True if the actor has [paused](crate::Context::pause_reading) reading.
    #[must_use]
    pub fn reading_paused(&self) -> bool {
        self.core().with_output(self.cell_of_actor(), |output| output.holds()).unwrap_or(false)
    }
}
