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

use super::report::ShutdownReport;
use super::thread::CoreThread;
use super::{Error, Ledger, Result, System, any_cell, ask_core};
use crate::executor::{Arrive, CoreId, CutOff, CutOffKind, Dead, Ending, Request, current, insist};
use crate::mem::Key;
use crate::sys::{Count, Signals, Time, now, warn};

/// A shutdown that takes longer says what it waits for.
const SILENCE: Duration = Duration::from_millis(500);

/// Plain actors need some time, also when connections have used it up.
pub(super) const LEAST: Duration = Duration::from_millis(100);

impl System {
    /// Stops accepting, lets connections finish what they have received and written, stops the other actors, and joins the
    /// threads. What has not finished by `Config::drain_deadline` is cut off and counted in the report.
    ///
    /// Actors stop after the message that they are handling: what waits in their mailboxes by then is counted as dead
    /// letters, and in the report. Where every message matters, have the last one answered before you shut down.
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

    /// Serves until SIGINT or SIGTERM, then shuts down. What had to be cut off is said on standard error as well.
    ///
    /// A second signal ends the process at once. It says what that cuts off, and ends as a process does by that signal.
    /// However soon it comes: who sends two at a time, such as GNU `timeout`, which sends to the process and to its group, ends it at once
    /// (`timeout --foreground` sends one).
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
        let cores: Vec<CoreId> = self.cores.iter().map(|core| core.id).collect();
        let report = thread::scope(|scope| {
            let _roused = Rouse(&signals);
            let second = || end_at_second(&signals, &cores);
            if thread::Builder::new().name(SECOND_SIGNAL.to_owned()).spawn_scoped(scope, second).is_err() {
                // From here on a signal does again what it did before, which is to end the process.
                signals.let_go();
            }
            self.shutdown()
        });
        if !report.is_clean() {
            warn(format_args!("cut off at the end: {report}"));
        }
        report
    }

    fn end(&mut self) -> ShutdownReport {
        let deadline = now().after(self.config.drain_deadline);
        // What is going on is waited for here as it is in the end, when the threads are joined.
        let mut figures = self.ledgers().unwrap_or_default();
        figures.resize_with(self.cores.len(), Ledger::default);
        let late = self.stage(Ending::Connections, deadline, "Config::drain_deadline", &mut figures);
        let deadline = deadline.max(now().after(LEAST));
        let late_actors = self.stage(Ending::All, deadline, "Config::drain_deadline", &mut figures);
        if late || late_actors {
            // An abort needs a few turns, not the peer.
            let deadline = now().after(self.config.close_deadline);
            self.stage(Ending::Abort, deadline, "Config::close_deadline", &mut figures);
        }
        for core in &self.cores {
            insist(None, any_cell(core.id), finish, ());
        }
        self.join()
    }

    /// Waits until all cores have ended.
    fn join(&mut self) -> ShutdownReport {
        let (mut cut_off, mut file_requests_left, mut dead) = (CutOff::default(), 0, Dead::default());
        for core in &mut self.cores {
            match core.thread.take().map(CoreThread::wait) {
                Some(Ok(end)) => {
                    file_requests_left += end.requests_left;
                    cut_off.merge(end.cut_off);
                    dead.merge(end.dead);
                }
                Some(Err(_)) => crate::sys::abort(format_args!("the thread of core {} panicked", core.id.0)),
                None => {}
            }
        }
        self.cores.clear();
        if !dead.is_none() {
            warn(format_args!("{dead}; System::dead_letters tells an actor of each kind as it happens"));
        }
        ShutdownReport::new(cut_off, file_requests_left)
    }

    /// Says which connections are waited for, and how many futures.
    #[cold]
    fn tell_waiting(&self, deadline: Time, figures: &mut [Ledger]) {
        let until = deadline.min(now().after(SILENCE));
        let waits = self.left(&[CutOffKind::Connection], until).0;
        // They may have ended by now.
        if waits.connections_cut_off > 0 {
            warn(format_args!(
                "shutting down: waits for {waits} to finish, and for their peers to close, for {:?} at most (Config::drain_deadline)",
                self.config.drain_deadline
            ));
        }
        self.look(figures, until);
        let epilogues = sum(figures, |ledger| ledger.epilogues);
        if epilogues > 0 {
            warn(format_args!(
                "shutting down: waits for {} that actors have begun as they ended, or that have served connections, for {:?} at most \
                 (Config::drain_deadline)",
                Count::of(epilogues, "task"),
                self.config.drain_deadline
            ));
        }
    }

    /// Has every core end what the stage ends. True if one of them had not at the deadline, and not when it was asked afterwards:
    /// then `figures` are what they held. `limit`: what sets the deadline.
    fn stage(&self, ending: Ending, deadline: Time, limit: &str, figures: &mut [Ledger]) -> bool {
        /// Each question is a turn of its core. The first may have come together with the order to end, before anything ran, and what
        /// runs then may be told after it.
        const TURNS_AFTERWARDS: usize = 3;
        let (quiet, answers) = bounded(self.cores.len());
        for core in &self.cores {
            insist(None, any_cell(core.id), end_here, (ending, quiet.clone()));
        }
        drop(quiet);
        let mut missing = self.cores.len() - count_until(&answers, deadline.min(now().after(SILENCE)));
        if missing > 0 && ending == Ending::Connections {
            self.tell_waiting(deadline, figures);
        }
        missing -= if missing > 0 { count_until(&answers, deadline) } else { 0 };
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
        // As the report counts them in the end.
        let (kinds, epilogues): (&[CutOffKind], _) = match ending {
            Ending::Connections => (&[CutOffKind::Connection], sum(figures, |ledger| ledger.epilogues)),
            _ => (&[CutOffKind::Connection, CutOffKind::Actor, CutOffKind::Task], 0),
        };
        // The time above may be over, because of one core: all others answer within this.
        let (left, silent) = self.left(kinds, now().after(SILENCE));
        if let Some(left) = in_words(&left, epilogues, silent) {
            warn(format_args!("shutting down: {left} did not finish within {limit}"));
        }
        true
    }

    /// What is left of these kinds, and how many cores have not said that until then.
    fn left(&self, kinds: &[CutOffKind], until: Time) -> (ShutdownReport, usize) {
        let (left, silent) = ask_cut_off(self.cores.iter().map(|core| core.id), tell_left, until);
        (ShutdownReport::new(left.only(kinds), 0), silent)
    }
}

/// What cores answer together; and how many have not answered until then.
fn ask_cut_off(
    cores: impl Iterator<Item = CoreId>,
    tell: impl Arrive<((), Sender<CutOff>)>,
    until: Time,
) -> (CutOff, usize) {
    let ask = |core| ask_core(core, tell, (), until).ok();
    let asked: Vec<_> = cores.filter_map(ask).collect();
    let (mut cut_off, mut silent) = (CutOff::default(), 0);
    for answers in asked {
        match answers.recv_timeout(until.since(now())) {
            Ok(its) => cut_off.merge(its),
            Err(_) => silent += 1,
        }
    }
    (cut_off, silent)
}

/// A figure of all cores together.
fn sum(ledgers: &[Ledger], figure: impl Fn(&Ledger) -> usize) -> usize {
    ledgers.iter().map(figure).sum()
}

/// Who has not finished: what the program has, futures that go on after what they served, and cores that have not said what they have.
/// None where all of that has ended meanwhile, or there are only actors of the runtime itself.
fn in_words(left: &ShutdownReport, epilogues: usize, silent: usize) -> Option<String> {
    let mut parts = Vec::new();
    if !left.is_clean() {
        parts.push(left.to_string());
    }
    if epilogues > 0 {
        parts.push(Count::of(epilogues, "task").to_string());
    }
    if silent > 0 {
        parts.push(format!("whatever there is on {} without an answer", Count::of(silent, "core")));
    }
    (!parts.is_empty()).then(|| parts.join(", and "))
}

/// The name of the thread that waits for a second signal, while there is one.
const SECOND_SIGNAL: &str = "odeon-signals";

/// Has whoever waits for a signal wait no more, however the shutdown ends.
struct Rouse<'a>(&'a Signals);

impl Drop for Rouse<'_> {
    fn drop(&mut self) {
        self.0.rouse();
    }
}

/// Waits for a second signal, and ends the process by it.
fn end_at_second(signals: &Signals, cores: &[CoreId]) {
    /// What a core has not said by then is not known: it may be kept by a handler, and nobody waits longer for that now.
    const PATIENCE: Duration = Duration::from_secs(1);
    let Some(signal) = signals.wait_unless_roused() else { return };
    let (cut_off, silent) = ask_cut_off(cores.iter().copied(), tell_cut_off, now().after(PATIENCE));
    let silent = match silent {
        0 => String::new(),
        1 => ", and nothing is known of 1 core, which has not answered".to_owned(),
        silent => format!(", and nothing is known of {silent} cores, which have not answered"),
    };
    let report = ShutdownReport::new(cut_off, 0);
    let comes_of_it = if report == ShutdownReport::default() { "" } else { "cut off: " };
    warn(format_args!("a second signal, {signal}: the process ends at once, {comes_of_it}{report}{silent}"));
    signals.end_by(signal)
}

fn tell_cut_off(_: Key, ((), answer): ((), Sender<CutOff>)) {
    current::with(|core| {
        // Whoever asked may have given up.
        core.map(|core| answer.send(core.cut_off_now()))
    });
}

fn tell_left(_: Key, ((), answer): ((), Sender<CutOff>)) {
    // As above.
    current::with(|core| core.map(|core| answer.send(core.left_now())));
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
        // None are left, or they are those of a simulation, which ends them.
        if self.cores.iter().all(|core| core.thread.is_none()) {
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
    use crate::system::thread::CoreEnd;
    use crate::{Config, Cores};

    /// Keeps its core until somebody lets it go.
    fn stand(_: Key, wait: Receiver<()>) {
        assert!(wait.recv().is_err(), "nothing is sent");
    }

    #[test]
    fn what_has_not_finished_is_called_by_its_name() {
        let left = |actors| ShutdownReport { actors_cut_off: actors, ..ShutdownReport::default() };
        let said = [(0, 0, 0), (2, 0, 0), (0, 1, 0), (1, 2, 1)]
            .map(|(actors, tasks, silent)| in_words(&left(actors), tasks, silent));
        let all = "1 actor, and 2 tasks, and whatever there is on 1 core without an answer";
        assert_eq!(
            said.each_ref().map(Option::as_deref),
            [None, Some("2 actors"), Some("1 task"), Some(all)]
        );
    }

    #[test]
    fn a_core_that_does_not_answer_is_late_with_what_it_held_and_nobody_waits_for_it() {
        let config = Config { close_deadline: Duration::from_millis(1), ..Config::default() };
        let system = System::builder().cores(Cores::Count(2)).config(config).build().expect("it starts");
        let mut figures = system.ledgers().expect("it runs");
        figures.iter_mut().for_each(|figures| figures.actors = 7);
        let (go, wait) = bounded(0);
        assert!(post(None, any_cell(system.cores[1].id), stand, wait).is_ok());
        let late = system.stage(Ending::All, now(), "the deadline", &mut figures);
        assert!(late && figures[1].actors == 7, "it has not answered");
        drop(go);
        system.look(&mut figures, Time::MAX);
        assert!(figures.iter().all(|figures| figures.actors == 0), "both have answered");
        assert!(!system.stage(Ending::All, Time::MAX, "the deadline", &mut figures));
    }

    #[test]
    fn what_each_core_has_left_is_counted() {
        let mut system = System::builder().cores(Cores::Count(2)).build().expect("it starts");
        for core in &mut system.cores {
            insist(None, any_cell(core.id), finish, ());
            core.thread.take().map(CoreThread::wait).expect("it runs").expect("it has not panicked");
            core.thread = Some(CoreThread::ended(CoreEnd { requests_left: 3, ..CoreEnd::default() }));
        }
        assert_eq!(system.join(), ShutdownReport { file_requests_left: 6, ..ShutdownReport::default() });
    }
}
