//! What a test sees of the output of a connection.
//!
//! Knows: bytes that may leave, places that are open. Must not know who waits for them.

use super::connection::Connection;
use crate::actor::TestContext;
use crate::executor::Wanted;

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

    /// Takes what was asked of [`Context::read_exact_into`](crate::Context::read_exact_into): the buffer, and how many bytes are to be
    /// appended. Then the next may be asked for; what comes of this one the test tells the actor itself, by its method.
    ///
    /// ```
    /// use odeon::prelude::*;
    /// use odeon::testing::TestContext;
    ///
    /// struct Upload;
    ///
    /// #[actor(codec = Lines<20>)]
    /// impl Upload {
    ///     #[frame]
    ///     fn length(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
    ///         match line.parse().map(|length| cx.read_exact_into(Vec::new(), length)) {
    ///             Ok(Ok(())) => Flow::Continue,
    ///             _ => Flow::Close,
    ///         }
    ///     }
    ///
    ///     #[body]
    ///     fn whole(&mut self, body: Result<Vec<u8>, BodyError>, cx: &mut Context<Self>) -> Result<(), BodyError> {
    ///         cx.write_line(body?.len().to_string());
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let mut cx = TestContext::new();
    /// assert_eq!(Upload.length("3", &mut cx), Flow::Continue);
    /// let (mut body, length) = cx.take_asked_body().expect("it was asked for");
    /// body.resize(length, b'x');
    /// Upload.whole(Ok(body), &mut cx).unwrap();
    /// assert_eq!(cx.written_text(), "3\n");
    /// ```
    pub fn take_asked_body(&mut self) -> Option<(Vec<u8>, usize)> {
        let (core, cell) = (self.core(), self.cell_of_actor());
        let wanted = core.take_wanted(cell);
        core.end_body(cell);
        match wanted? {
            Wanted::Memory { buffer, len } => Some((buffer, len)),
            Wanted::File { .. } => None,
        }
    }

    /// True if the actor has [ended](crate::Context::shutdown_write) its output.
    #[must_use]
    pub fn output_ended(&self) -> bool {
        self.core().with_output(self.cell_of_actor(), |output| output.is_finished()).unwrap_or(false)
    }

    /// True if the actor has [paused](crate::Context::pause_reading) reading.
    #[must_use]
    pub fn reading_paused(&self) -> bool {
        self.core().with_output(self.cell_of_actor(), |output| output.holds()).unwrap_or(false)
    }
}
