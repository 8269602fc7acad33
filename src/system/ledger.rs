//! What the cores hold, counted.
//!
//! Knows: the figures of every layer. Must not know how they come about.

use crossbeam_channel::Sender;

use super::{CoreHandle, Result, System, ask_core, on_core};
use crate::driver::DriverLedger;
use crate::executor::{Core, Request, current};
use crate::mem::Key;
use crate::sys::{Time, now};

/// What one core holds, by kind: back at its baseline when nothing is going on. And what has happened on it since it
/// started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Ledger {
    /// Sockets, operations and system calls.
    pub driver: DriverLedger,
    /// Actors, listeners included.
    pub actors: usize,
    /// Those of them that own a socket: connections and listeners.
    pub socket_actors: usize,
    /// Futures that [serve](crate::ListenerBuilder::serve) a connection that has gone, and tasks that an actor has begun as it ended, in
    /// [`stopped`](crate::Actor::stopped), and that have not finished.
    pub epilogues: usize,
    /// Chunks that mailboxes hold.
    pub mailbox_chunks: usize,
    /// Timers that are set, and that somebody waits for.
    pub timers: usize,
    /// Parts of receive buffers that have not been released.
    pub receive_leases: usize,
    /// Receive buffers of which something is kept by [`Bytes`](crate::Bytes), wherever those are: each whole, and until its core
    /// comes to take it back.
    pub receive_kept: usize,
    /// Send slots in use, and parts that are sent from where they lie: counted bytes, and what is forwarded.
    pub send_slots: usize,
    /// Answers that are awaited, and futures that have not finished.
    pub tasks: usize,
    /// Futures that wait for a time.
    pub asleep: usize,
    /// Requests about files that are under way.
    pub file_requests: usize,
    /// Regions ([`fs::Region`](crate::fs::Region)) of which anything is left: a handle, a block, or what waits for either.
    pub regions: usize,
    /// Bytes of memory for what has come in part ([`Config::assembly_bytes_max`](crate::Config::assembly_bytes_max)).
    pub assembly_bytes: usize,
    /// Actors spawned since the start.
    pub spawned: u64,
    /// Messages and frames handled since the start.
    pub handled: u64,
    /// Messages not delivered since the start, for whatever reason.
    pub dead_letters: u64,
    /// Handlers that have panicked since the start.
    pub panics: u64,
    /// Values whose `Drop` has panicked since the start.
    pub drop_panics: u64,
    /// Hooks and handlers that have failed since the start, by an error that nobody was told, by [`Flow::Fail`](crate::Flow::Fail), or
    /// by their time; and what was not begun because a limit was reached.
    pub failures: u64,
    /// Failures since the start after which a [supervisor](crate::Restart) has had actors begin again.
    pub restarts: u64,
    /// Supervisors that have given up since the start, because there were too many failures.
    pub given_up: u64,
    /// Questions that were not handled since the start, because nobody waited for the answer any more.
    pub skipped: u64,
    /// Connections accepted since the start.
    pub connections_opened: u64,
    /// Connections that have ended since the start.
    pub connections_closed: u64,
    /// Those of them that were reset while output was queued, or while the kernel read of it where it lay, because their peer did not
    /// read it by the deadline.
    pub connections_cut_off: u64,
    /// Those of them that ended with [`StopReason::OutboxFull`](crate::StopReason::OutboxFull), because their peer did not read.
    pub connections_outbox_full: u64,
    /// Those of them that ended with [`StopReason::Late`](crate::StopReason::Late), because their peer sent too slowly, or nothing.
    pub connections_late: u64,
    /// Those of them that ended with [`StopReason::AssemblyFull`](crate::StopReason::AssemblyFull), because there was no room for what they
    /// had received.
    pub connections_assembly_full: u64,
    /// Writes since the start for which an outbox had no room, and without which its connection went on
    /// ([`Overflow::Refuse`](crate::Overflow::Refuse)). Those that `try_write` handed back are not among them.
    pub writes_refused: u64,
    /// Writes since the start that waited in an outbox, and were dropped for newer ones
    /// ([`Overflow::DropOldest`](crate::Overflow::DropOldest)).
    pub writes_dropped: u64,
    /// Times since the start that the core was found to have been kept from everything else for longer than
    /// [`Config::slow_handler`](crate::Config::slow_handler), by a handler or whatever else runs on it. Several in one turn of the
    /// core count once, except within a minute of the last: then it looks at each.
    pub slow: u64,
    /// Times that the core has slept since the start.
    pub sleeps: u64,
}

impl Ledger {
    pub(super) fn of(core: &Core, driver: DriverLedger) -> Ledger {
        let counters = &core.counters;
        Ledger {
            driver,
            actors: core.cells.live(),
            socket_actors: core.cells.live_io(),
            epilogues: core.epilogues(),
            mailbox_chunks: core.chunks.taken(),
            timers: core.timers(),
            receive_leases: core.pools.receive.lent(),
            receive_kept: core.pools.receive.kept(),
            send_slots: core.pools.send.taken(),
            tasks: core.tasks.live(),
            asleep: core.asleep(),
            file_requests: core.file_requests(),
            regions: core.regions(),
            assembly_bytes: core.pools.receive.assembly().held(),
            spawned: counters.started.get(),
            handled: counters.handled.get(),
            dead_letters: counters.dead_letters(),
            panics: counters.panics.get(),
            drop_panics: counters.drop_panics.get(),
            failures: counters.failures.get(),
            restarts: counters.restarts.get(),
            given_up: counters.given_up.get(),
            skipped: counters.skipped.get(),
            connections_opened: counters.connections_opened.get(),
            connections_closed: counters.connections_closed.get(),
            connections_cut_off: counters.connections_cut_off.get(),
            connections_outbox_full: counters.connections_outbox_full.get(),
            connections_late: counters.connections_late.get(),
            connections_assembly_full: counters.connections_assembly_full.get(),
            writes_refused: counters.writes_refused.get(),
            writes_dropped: counters.writes_dropped.get(),
            slow: counters.slow.get(),
            sleeps: counters.sleeps.get(),
        }
    }

    /// What must be back at its baseline when nothing is going on, without what only grows.
    #[must_use]
    pub fn held(&self) -> [usize; 13] {
        self.held_by_name().map(|(_, count)| count)
    }

    /// The same, each with the name of its field.
    pub(crate) fn held_by_name(&self) -> [(&'static str, usize); 13] {
        [
            ("sockets", self.driver.sockets),
            ("operations", self.driver.operations),
            ("actors", self.actors),
            ("mailbox_chunks", self.mailbox_chunks),
            ("timers", self.timers),
            ("receive_leases", self.receive_leases),
            ("receive_kept", self.receive_kept),
            ("send_slots", self.send_slots),
            ("tasks", self.tasks),
            ("asleep", self.asleep),
            ("file_requests", self.file_requests),
            ("regions", self.regions),
            ("assembly_bytes", self.assembly_bytes),
        ]
    }
}

impl System {
    /// What each core holds now.
    ///
    /// # Errors
    /// [`Error::CoreEnded`](super::Error::CoreEnded) when the system is shutting down.
    pub fn ledgers(&self) -> Result<Vec<Ledger>> {
        self.cores.iter().map(|core| on_core(core.id, inspect, ())).collect()
    }

    /// What each core holds that answers until then; of another, `figures` stay what they were. All are asked at once.
    pub(super) fn look(&self, figures: &mut [Ledger], until: Time) {
        let ask = |core: &CoreHandle| ask_core(core.id, inspect, (), until).ok();
        let asked: Vec<_> = self.cores.iter().map(ask).collect();
        for (figures, answers) in figures.iter_mut().zip(asked) {
            let Some(answers) = answers else { continue };
            if let Ok(ledger) = answers.recv_timeout(until.since(now())) {
                *figures = ledger;
            }
        }
    }
}

fn inspect(_: Key, ((), answer): ((), Sender<Ledger>)) {
    current::with(|core| {
        let Some(core) = core else { return };
        core.request(Request::Inspect(Box::new(move |core, driver| {
            // Whoever asked may have given up.
            let _ = answer.send(Ledger::of(core, driver));
        })));
    });
}
