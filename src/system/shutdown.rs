//! The end of a system: stop accepting, drain, stop, join.
//!
//! Knows: the stages and their deadlines. Must not know what actors do.
//!
//! 1. Listeners stop and connections finish what they have received and written, up to `Config::drain_deadline`.
//! 2. The other actors stop. What is left by then is aborted.
//! 3. Every core ends what is in flight, and its thread is joined.

use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::thread::CoreThread;
use super::{Error, Ledger, Result, System, any_cell};
use crate::executor::{Ending, Request, current, insist};
use crate::mem::Key;
use crate::sys::{Count, Signals, Time, now, warn};

/// What a shutdown had to cut off.
///
/// After a deadline the cores are asked what they still hold: what ends before they answer has not been cut off. A core that is
/// kept by a handler for so long that it does not answer within `Config::close_deadline` counts with what it held when it
/// answered last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShutdownReport {
    /// Connections that had not finished by the deadline, and were reset: also those that did not read what was queued
    /// for them within `Config::close_deadline`. And futures that had not finished, although the connection that they
    /// [served](crate::ListenerBuilder::serve) had ended or was ending: each counts besides its connection, if that was cut off too.
    pub connections_cut_off: usize,
    /// Other actors that had not stopped by the deadline.
    pub actors_cut_off: usize,
    /// Requests about files that had not ended by `Config::close_deadline` after their core had, such as those to a disk that does not
    /// answer. Nobody hears of their end any more; a line on standard error says what they were. Their memory is kept until then,
    /// or for ever. On io_uring the thread of their core is not waited for: the kernel lets it go when they have ended.
    pub file_requests_left: usize,
}

impl System {
    /// Stops accepting, lets connections finish what they have received and written, stops the other actors, and joins the
    /// threads. What has not finished by `Config::drain_deadline` is cut off and counted in the report.
    ///
    /// Actors stop after the message that they are handling: what waits in their mailboxes by then is counted as dead
    /// letters. Where every message matters, have the last one answered before you shut down.
    ///
    /// A connection has ended when its peer has closed, too: it is waited for up to `Config::close_deadline`, 5 s. A test whose clients
    /// are sockets of its own drops them first, or lowers that time.
    ///
    /// Within a handler, where nobody can wait for a core to end, it goes on in the background, and the report is empty.
    pub fn shutdown(mut self) -> ShutdownReport {
        if current::with(|core| core.is_some()) {
            return ShutdownReport::default();
        }
        self.end()
    }

    /// Serves until SIGINT or SIGTERM, then shuts down. A second signal ends the process at once.
    ///
    /// # Errors
    /// [`Error::Signals`] when they cannot be caught.
    pub fn run_until_signal(self) -> Result<ShutdownReport> {
        let signals = Signals::catch().map_err(|errno| Error::Signals(errno.into()))?;
        Ok(self.run_until(signals))
    }

    /// The same with signals that have been caught before: for a program that tells others that it is ready, and may be
    /// asked to end at that very moment.
    pub fn run_until(self, signals: Signals) -> ShutdownReport {
        let _which = signals.wait();
        // From here on a signal does again what it did before, which is to end the process.
        drop(signals);
        self.shutdown()
    }

    fn end(&mut self) -> ShutdownReport {
        /// Plain actors need some time, also when connections have used it up.
        const LEAST: Duration = Duration::from_millis(100);
        let deadline = now().after(self.config.drain_deadline);
        // What is going on is waited for here as it is in the end, when the threads are joined.
        let mut figures = self.ledgers().unwrap_or_default();
        figures.resize_with(self.cores.len(), Ledger::default);
        let before = sum(&figures, cut_off);
        let left = |ledger: &Ledger| ledger.socket_actors + ledger.epilogues;
        let late = self.stage(Ending::Connections, deadline, "Config::drain_deadline", left, &mut figures);
        let connections_cut_off = if late {
            // Listeners own sockets, too, and may be late as well. A connection that its own deadline has cut off counts when it
            // has ended, and is not open any more.
            sum(&figures, |ledger| cut_off(ledger) + open(ledger) + ledger.epilogues)
        } else {
            self.look(&mut figures, now().after(self.config.close_deadline));
            sum(&figures, cut_off)
        }
        .saturating_sub(before);
        let deadline = deadline.max(now().after(LEAST));
        let plain = |ledger: &Ledger| ledger.actors - ledger.socket_actors;
        let late_actors = self.stage(Ending::All, deadline, "Config::drain_deadline", plain, &mut figures);
        let actors_cut_off = if late_actors { sum(&figures, plain) } else { 0 };
        if late || late_actors {
            // An abort needs a few turns, not the peer.
            let deadline = now().after(self.config.close_deadline);
            let left = |ledger: &Ledger| ledger.actors;
            self.stage(Ending::Abort, deadline, "Config::close_deadline", left, &mut figures);
        }
        for core in &self.cores {
            insist(None, any_cell(core.id), finish, ());
        }
        let mut file_requests_left = 0;
        for core in &mut self.cores {
            match core.thread.take().map(CoreThread::wait) {
                Some(Ok(left)) => file_requests_left += left,
                Some(Err(_)) => crate::sys::abort(format_args!("the thread of core {} panicked", core.id.0)),
                None => {}
            }
        }
        self.cores.clear();
        ShutdownReport { connections_cut_off, actors_cut_off, file_requests_left }
    }

    /// Has every core end what the stage ends. True if one of them had not at the deadline, and not when it was asked afterwards:
    /// then `figures` are what they held. `limit`: what sets the deadline.
    fn stage(
        &self,
        ending: Ending,
        deadline: Time,
        limit: &str,
        left: impl Fn(&Ledger) -> usize,
        figures: &mut [Ledger],
    ) -> bool {
        /// Each question is a turn of its core. The first may have come together with the order to end, before anything ran, and what
        /// runs then may be told after it.
        const TURNS_AFTERWARDS: usize = 3;
        let (quiet, answers) = bounded(self.cores.len());
        for core in &self.cores {
            insist(None, any_cell(core.id), end_here, (ending, quiet.clone()));
        }
        drop(quiet);
        let mut missing = self.cores.len() - count_until(&answers, deadline);
        if missing == 0 {
            return false;
        }
        // What has had no turn in this time, because the machine was busy with something else, has not refused to end. But a turn
        // may be as long as any handler.
        let until = now().after(self.config.close_deadline);
        for _ in 0..TURNS_AFTERWARDS {
            self.look(figures, until);
            missing -= answers.try_iter().count();
            if missing == 0 {
                return false;
            }
        }
        let held = sum(figures, left);
        warn(format_args!(
            "shutting down: {} on {} did not finish within {limit}",
            Count::of(held, "actor"),
            Count::of(missing, "core"),
        ));
        true
    }
}

/// A figure of all cores together.
fn sum(ledgers: &[Ledger], figure: impl Fn(&Ledger) -> usize) -> usize {
    ledgers.iter().map(figure).sum()
}

/// Connections that have ended by being cut off.
fn cut_off(ledger: &Ledger) -> usize {
    ledger.connections_cut_off as usize
}

/// Connections that have not ended.
fn open(ledger: &Ledger) -> usize {
    (ledger.connections_opened - ledger.connections_closed) as usize
}

fn count_until(answers: &Receiver<()>, deadline: Time) -> usize {
    let mut count = 0;
    loop {
        let left = deadline.since(now());
        match answers.recv_timeout(left.max(Duration::from_millis(1))) {
            Ok(()) => count += 1,
            Err(_) => return count,
        }
    }
}

fn end_here(_: Key, (ending, quiet): (Ending, Sender<()>)) {
    current::with(|core| {
        if let Some(core) = core {
            // The channel holds an answer from every core.
            core.begin_ending(ending, Box::new(move || quiet.try_send(()).unwrap_or(())));
        }
    });
}

fn finish(_: Key, (): ()) {
    current::with(|core| {
        if let Some(core) = core {
            core.request(Request::Finish);
        }
    });
}

impl Drop for System {
    fn drop(&mut self) {
        if self.cores.is_empty() {
            return;
        }
        if current::with(|core| core.is_none()) {
            self.end();
            return;
        }
        // Within a handler, perhaps of this very system: nobody can wait here for a core to end.
        let system = System {
            cores: std::mem::take(&mut self.cores),
            config: self.config.clone(),
            backend: self.backend,
            features: String::new(),
            connections: self.connections.clone(),
            next: AtomicUsize::new(0),
        };
        let name = "odeon-shutdown".to_owned();
        if let Err(error) = thread::Builder::new().name(name).spawn(move || drop(system)) {
            warn(format_args!("a system that was dropped within a handler goes on: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::post;
    use crate::{Config, Cores};

    /// Keeps its core until somebody lets it go.
    fn stand(_: Key, wait: Receiver<()>) {
        assert!(wait.recv().is_err(), "nothing is sent");
    }

    #[test]
    fn a_core_that_does_not_answer_is_late_with_what_it_held_and_nobody_waits_for_it() {
        let config = Config { close_deadline: Duration::from_millis(1), ..Config::default() };
        let system = System::builder().cores(Cores::Count(2)).config(config).build().expect("it starts");
        let mut figures = system.ledgers().expect("it runs");
        figures.iter_mut().for_each(|figures| figures.actors = 7);
        let (go, wait) = bounded(0);
        assert!(post(None, any_cell(system.cores[1].id), stand, wait).is_ok());
        let late = system.stage(Ending::All, now(), "the deadline", |ledger| ledger.actors, &mut figures);
        assert!(late && figures[1].actors == 7, "it has not answered");
        drop(go);
        system.look(&mut figures, Time::MAX);
        assert!(figures.iter().all(|figures| figures.actors == 0), "both have answered");
        assert!(!system.stage(Ending::All, Time::MAX, "the deadline", |ledger| ledger.actors, &mut figures));
    }
}
