//! Connections that are tied: what one receives goes to the output of another, and no user code sees it.
//!
//! Knows: leases, outputs, how the ends of streams are passed on. Must not know what was received, nor the backend.
//!
//! The output of a connection holds what ties it: where its stream goes (`to`), and whose stream comes (`from`). Both ends are set
//! together and taken away together, by the one that ends first: the other is told. While the output that is fed is high, nothing
//! is received for it, and its cell schedules the feeder once it is low.

use super::codec::Decode;
use super::connection::Connection;
use super::inward::Inward;
use super::wire::{Stream, Wire};
use crate::actor::{Addr, Batch, Context, StopReason};
use crate::driver::Pools;
use crate::executor::{Activation, Core, Notice, Output, Tie};
use crate::mem::Key;

/// How the stream of a connection that is tied gets on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forward {
    /// It is not tied, as far as is known.
    No,
    /// What is received goes on at once.
    Flows,
    /// There is no room where it goes.
    Waits,
}

/// Why a connection is not tied to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardError {
    /// It is no connection of this core that lives.
    Gone,
    /// It is this connection itself.
    Itself,
    /// This one is forwarded already, or another feeds that one, or has fed it to its end, or its output has
    /// [ended](crate::Context::shutdown_write).
    Tied,
}

impl std::fmt::Display for ForwardError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            ForwardError::Gone => "what is to be fed has ended, or is no connection of this core",
            ForwardError::Itself => "a connection is not forwarded to itself",
            ForwardError::Tied => {
                "this connection is forwarded already, or another one is forwarded there, or has been to its end, or its output has ended"
            }
        })
    }
}

impl std::error::Error for ForwardError {}

impl<A: Connection> Context<A> {
    /// From now on what this connection receives goes to the output of another connection of this core, and no [frame] of it comes:
    /// bytes in front of the next frame, then those that arrive. Two connections that are forwarded to each other are a proxy.
    ///
    /// - The peer has to wait while half of the other's outbox is queued.
    /// - The end of this peer's stream is passed on: the other's peer reads it behind what was forwarded, and may go on sending. This
    ///   actor is told of it once nothing more is forwarded to it either, so that an answer still arrives after a half-close.
    /// - If one of them ends before, so does the other, with [`StopReason::ForwardEnded`]. What had come for its peer by then is sent, and
    ///   behind it the end of the stream if that had come, else a reset. That drops what the peer's side has not taken: it has
    ///   [`Config::linger_after`](crate::Config::linger_after), a second, from when the kernel took something last.
    /// - One that ends for its idle timeout ends in order, and so does the other one: what had come by then is sent, and behind it the end
    ///   of the stream, to both peers. Where there was no room for some of it, that peer sees a reset.
    /// - What the other writes by itself goes between, and is dropped once the end of the stream has been passed on.
    /// - A [body](Context::read_exact_into) that is under way comes before.
    /// - Bytes in either direction count for the idle timeout of both.
    /// - When the system ends, both have until the close deadline.
    ///
    /// **Costs** no copy of 4 KiB and more as long as receive buffers can be spared, else one; no allocation and no system call of its
    /// own, but one allocation for each connection when it is tied.
    ///
    /// # Errors
    /// See [`ForwardError`]; nothing has changed then.
    ///
    /// [frame]: Connection::frame
    pub fn forward_to<B: Connection>(&mut self, to: Addr<B>) -> Result<(), ForwardError> {
        let (me, to) = (self.cell(), to.raw());
        let tied = self.with_core(|core| if to.core() == core.id { tie(core, me, to.cell()) } else { None });
        tied.flatten().unwrap_or(Err(ForwardError::Gone))
    }

    /// Bytes that this connection has received and handed on, [to another](Context::forward_to) or [to a file](Context::forward_to_file)
    /// that has taken them, until now, or until its end in
    /// [`Actor::stopped`](crate::Actor::stopped). The other's peer need not have taken all of them.
    #[must_use]
    pub fn forwarded_bytes(&self) -> u64 {
        let me = self.cell();
        self.with_core(|core| core.forwarded(me)).unwrap_or(0)
    }
}

fn tie(core: &Core, me: Key, to: Key) -> Option<Result<(), ForwardError>> {
    if me == to {
        return Some(Err(ForwardError::Itself));
    }
    let (mine, other) =
        (core.with_output(me, |output| output.tie())?, core.with_output(to, |output| output.tie())?);
    if core.cells.is_closed(to) {
        return Some(Err(ForwardError::Gone));
    }
    if mine.to.is_some() || other.from.is_some() || other.finished {
        return Some(Err(ForwardError::Tied));
    }
    core.with_output(me, |output| output.set_tie(Tie { to: Some(to), ..mine }))?;
    core.with_output(to, |output| output.set_tie(Tie { from: Some(me), ..other }))?;
    drop(core.notify(to, Notice::Fed));
    core.schedule(me);
    Some(Ok(()))
}

impl<C: Decode> Wire<C> {
    /// True if there is nothing to pass on before more arrives: all has gone, and nothing else comes before.
    #[inline]
    pub(super) fn flows(&self, activation: &Activation<'_>) -> bool {
        self.forward == Forward::Flows
            && self.stream == Stream::Open
            && !self.inward.has_rest()
            && !activation.has_body()
    }

    /// True if it goes on being forwarded, and being received for that, whatever waits in its mailbox.
    #[inline]
    pub(super) fn flows_on(&self, activation: &Activation<'_>) -> bool {
        self.paused && self.forward == Forward::Flows && self.receiving && !activation.has_body()
    }

    /// Passes on what has arrived, as far as there is room, and the end of the stream behind it. `Some`: the actor ends.
    #[inline(never)]
    pub(super) fn forward(&mut self, activation: &Activation<'_>) -> Option<Batch> {
        let (core, me) = (activation.core, activation.cell());
        self.forward = Forward::No;
        // What is asked for by its length comes first.
        if activation.has_body() {
            return None;
        }
        let (to, handed) = core.with_fed_output(activation, |output, bytes| {
            (output.tie().from == Some(me)).then(|| {
                let all = !output.is_high() && self.inward.hand_on(&core.pools, output, bytes, u64::MAX);
                let high = output.is_high();
                // At once, not when it is found high: it says when there is room for more.
                output.keep_waiting(!all || high, !all);
                (all, high)
            })
        })?;
        let Some((all, high)) = handed.flatten() else {
            return Some(Batch::End(StopReason::ForwardEnded));
        };
        self.forward = if all && !high { Forward::Flows } else { Forward::Waits };
        if !all && !high {
            // Refused although there is room: it is slots that are missing, and perhaps nothing is queued whose end would tell.
            self.wait_for_slots(activation);
        }
        if !all {
            return None;
        }
        if matches!(self.stream, Stream::Ended | Stream::Finished | Stream::Torn(_)) {
            self.forward = Forward::No;
            core.with_output(me, |output| output.set_tie(Tie { to: None, ..output.tie() }));
            core.with_output(to, |output| {
                output.set_tie(Tie { from: None, waits: false, left: false, finished: true, ..output.tie() })
            });
            // The cell is there: its output was just now.
            drop(core.notify(to, Notice::FeedEnded));
        }
        match self.stream {
            Stream::Failed(errno) | Stream::Torn(errno) => {
                Some(Batch::End(StopReason::Disconnected(errno.into())))
            }
            _ => None,
        }
    }

    /// The actor ends: tells what it is tied to, for which its own stream ends in order if that is `whole`.
    pub(super) fn untie(activation: &Activation<'_>, whole: bool) {
        let (core, me) = (activation.core, activation.cell());
        let tie = core.with_output(me, |output| {
            let tie = output.tie();
            output.set_tie(Tie::default());
            tie
        });
        let Some(Tie { to, from, .. }) = tie else { return };
        if let Some(to) = to {
            core.with_output(to, |output| {
                let tie = output.tie();
                output.set_tie(Tie {
                    from: None,
                    waits: false,
                    left: false,
                    finished: tie.finished || whole,
                    ..tie
                });
            });
            if whole {
                drop(core.notify(to, Notice::FeedEnded));
            }
        }
        if let Some(from) = from {
            core.with_output(from, |output| output.set_tie(Tie { to: None, ..output.tie() }));
        }
        for cell in [to, from].into_iter().flatten() {
            // Whoever has ended meanwhile need not be told.
            drop(core.notify(cell, Notice::Untied));
        }
    }
}

impl<C: Decode> Inward<C> {
    /// Moves what has arrived and has not been looked at to an output, in order, as far as that has room, up to `max` bytes in all, and
    /// counts them. True if nothing is left of those.
    pub(super) fn hand_on(&mut self, pools: &Pools, output: &mut Output, count: &mut u64, max: u64) -> bool {
        let first = |bytes: usize, count: u64| usize::try_from(max - count).unwrap_or(usize::MAX).min(bytes);
        while let Some(bytes) = self.assembled() {
            let bytes = &bytes[..first(bytes.len(), *count)];
            if bytes.is_empty() {
                return true;
            }
            match write_some(pools, output, bytes) {
                0 => return false,
                piece => {
                    self.consume_assembled(piece);
                    *count += piece as u64;
                }
            }
        }
        let Some((mut lease, mut offset)) = self.take_current() else { return true };
        if offset == 0 && first(lease.len(), *count) == lease.len() {
            let bytes = lease.len() as u64;
            match output.forward(pools, lease) {
                Ok(()) => {
                    *count += bytes;
                    return true;
                }
                Err(back) => lease = back,
            }
        }
        while (offset as usize) < lease.len() {
            let rest = &pools.receive.bytes(&lease)[offset as usize..];
            let bytes = &rest[..first(rest.len(), *count)];
            if bytes.is_empty() {
                self.put_current(lease, offset);
                return true;
            }
            match write_some(pools, output, bytes) {
                0 => {
                    self.put_current(lease, offset);
                    return false;
                }
                piece => {
                    offset += piece as u32;
                    *count += piece as u64;
                }
            }
        }
        pools.receive.release(lease);
        true
    }
}

/// Writes as much as there is room for; answers how many bytes.
fn write_some(pools: &Pools, output: &mut Output, bytes: &[u8]) -> usize {
    /// Small enough for the smallest class of slots, so that any free slot is of use.
    const PIECE_MIN: usize = 256;
    let mut piece = bytes.len().min(output.room());
    while piece > 0 && output.write(&pools.send, &bytes[..piece]).is_err() {
        piece = if piece > PIECE_MIN { (piece / 2).max(PIECE_MIN) } else { 0 };
    }
    piece
}
