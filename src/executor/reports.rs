//! What a core says on standard error of the code that runs on it: seldom, however often it happens.
//!
//! Knows: who was reported of what, and when. Must not know what went wrong.
//!
//! Each name has a second of its own, so that whoever fails all the time hides nobody else. What is not told is counted, and the
//! number is told when the second is over, or when the core ends. The names are bounded too: what those do for which there is no
//! place is counted together.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::iter::once;
use std::time::Duration;

use super::core::Core;
use super::counters::Counters;
use crate::mem::Key;
use crate::sys::{Count, Time, warn};

/// From one report to the next of the same matter and name.
const PAUSE: Duration = Duration::from_secs(1);
/// Names that are told apart within that time.
const NAMES_MAX: usize = 64;

/// What a report is about. One does not silence another, also of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matter {
    /// A hook or a handler has failed.
    Failure,
    /// The peer of a connection does not read.
    Outbox,
    /// The peer of a connection is late.
    Late,
    /// The peer of a connection has sent what its codec, or whoever serves it, refuses.
    Malformed,
    /// There is no room for what comes in part.
    Assembly,
    /// Something keeps the core from everything else.
    Slow,
    /// A message was dropped for which a mailbox had no room.
    Mailbox,
    /// A panic has ended an actor.
    Panic,
    /// A supervisor has an actor begun again.
    Restart,
    /// A supervisor has given up.
    Supervisor,
}

impl Matter {
    /// What one of these is, in the singular, and what it is about. One by one they are told in words that say more.
    fn in_words(self) -> (&'static str, &'static str) {
        const REPORT: &str = "more report";
        match self {
            Matter::Failure => ("more failure", ""),
            Matter::Outbox => (REPORT, " of output that a peer does not take,"),
            Matter::Late => (REPORT, " that a peer is late,"),
            Matter::Malformed => (REPORT, " that what a peer has sent is refused,"),
            Matter::Assembly => (REPORT, " that there is no room for what comes in part,"),
            Matter::Slow => (REPORT, " that its core was kept from everything else,"),
            Matter::Mailbox => (REPORT, " that its mailbox has no room,"),
            Matter::Panic => ("more panic", ""),
            Matter::Restart => ("more restart", ""),
            Matter::Supervisor => (REPORT, " that its supervisor gives up,"),
        }
    }
}

/// Why an actor ends, as far as that is known where it goes wrong and not where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It has been told.
    Told,
    /// What it received for a body, or for a file, did not get there.
    Body,
    /// The handler of this name has panicked.
    Panic(&'static str),
}

/// What was told not long ago.
pub(super) struct Reports {
    told: RefCell<Vec<Told>>,
    /// Reports of names for which there was no place.
    others: Cell<u64>,
    /// When something is to be told that has not been.
    due: Cell<Time>,
    /// What is known of the end of a cell that comes next.
    cause: Cell<Option<(Key, Cause)>>,
}

impl Default for Reports {
    fn default() -> Reports {
        Reports {
            told: RefCell::default(),
            others: Cell::new(0),
            due: Cell::new(Time::MAX),
            cause: Cell::new(None),
        }
    }
}

struct Told {
    matter: Matter,
    name: &'static str,
    at: Time,
    untold: u64,
}

impl Told {
    fn end(&self) -> Time {
        self.at.after(PAUSE)
    }
}

impl Reports {
    /// Something has happened: `Some` if it is to be told now, with the number of those before it that were not.
    fn note(&self, matter: Matter, name: &'static str, now: Time) -> Option<u64> {
        let mut told = self.told.borrow_mut();
        if let Some(before) = told.iter_mut().find(|told| told.matter == matter && told.name == name) {
            if now < before.end() {
                before.untold += 1;
                self.be_due(before.end());
                return None;
            }
            before.at = now;
            return Some(std::mem::take(&mut before.untold));
        }
        if told.len() >= NAMES_MAX {
            told.retain(|told| told.untold > 0 || now < told.end());
        }
        if told.len() >= NAMES_MAX {
            self.others.set(self.others.get() + 1);
            self.be_due(now.after(PAUSE));
            return None;
        }
        told.push(Told { matter, name, at: now, untold: 0 });
        Some(0)
    }

    /// Something is to be told at this time.
    pub(super) fn be_due(&self, time: Time) {
        self.due.set(self.due.get().min(time));
    }

    /// When there is something to [tell](Self::take_untold).
    fn due(&self) -> Time {
        self.due.get()
    }

    /// What was not told of those whose second is over: matters and names, with their numbers. Those are missing where there was no place.
    fn take_untold(&self, now: Time) -> Vec<(Option<(Matter, &'static str)>, u64)> {
        let mut told = self.told.borrow_mut();
        let over = told.extract_if(.., |told| told.untold > 0 && told.end() <= now);
        let mut untold: Vec<_> = over.map(|told| (Some((told.matter, told.name)), told.untold)).collect();
        let waits = told.iter().filter(|told| told.untold > 0).map(Told::end).min();
        self.due.set(waits.unwrap_or(Time::MAX));
        match self.others.take() {
            0 => {}
            others => untold.push((None, others)),
        }
        untold
    }
}

impl Core {
    /// Counts a failure that nobody else is told of, and says so: of each name once a second at most, and later how many more
    /// there were. `what` goes on behind the name.
    #[cold]
    pub fn report_failure(&self, name: &'static str, what: fmt::Arguments<'_>) {
        if let Some(untold) = self.note_failure(name) {
            tell(name, what, untold);
        }
    }

    /// The same of a failure that its actor does not survive: nothing more is told of that when it ends.
    #[cold]
    pub fn report_last_failure(&self, name: &'static str, what: fmt::Arguments<'_>) {
        self.report_failure(name, what);
        self.expect_end(Cause::Told);
    }

    /// Whose turn is next, by the name that is reported: of a task, that of its future.
    pub(super) fn next_name(&self) -> Option<&'static str> {
        let cell = self.cells.next()?;
        let of_task = if self.is_task(cell) { self.name_of_task(cell) } else { None };
        of_task.or_else(|| self.cells.name(cell))
    }

    /// The cell that runs ends now, for this.
    #[cold]
    pub fn expect_end(&self, cause: Cause) {
        self.reports.cause.set(Some((self.cells.activated(), cause)));
    }

    /// What is known of the end of a cell, for whoever brings it about. Nothing is known of the next, nor of a cell that did not end
    /// after all.
    pub fn take_cause(&self, cell: Key) -> Option<Cause> {
        let (of, cause) = self.reports.cause.take()?;
        (of == cell).then_some(cause)
    }

    /// Counts a failure: `Some` if it is to be [told](tell) now, with the number of those before it that were not.
    #[cold]
    pub fn note_failure(&self, name: &'static str) -> Option<u64> {
        Counters::add(&self.counters.failures, 1);
        self.reports.note(Matter::Failure, name, self.now())
    }

    /// Says something of a name, without counting it as a failure.
    #[cold]
    pub fn report(&self, matter: Matter, name: &'static str, what: fmt::Arguments<'_>) {
        if let Some(untold) = self.reports.note(matter, name, self.now()) {
            tell(name, what, untold);
        }
    }

    /// When [`Core::tell_due`] has something to say.
    pub(super) fn next_report(&self) -> Time {
        self.reports.due()
    }

    /// Says what was held back until now, and what has taken too long.
    #[inline]
    pub(super) fn tell_due(&self) {
        if self.reports.due() <= self.now() {
            self.tell_slow(None);
            self.tell_untold_until(self.now());
        }
    }

    /// Says what was held back, when nothing more comes.
    pub(super) fn tell_all_untold(&self) {
        self.tell_untold_until(Time::MAX);
    }

    #[cold]
    fn tell_untold_until(&self, time: Time) {
        for (of, untold) in self.reports.take_untold(time) {
            match of {
                Some((matter, name)) => {
                    let (one, about) = matter.in_words();
                    warn(format_args!("{}: {}{about} within a second", Name(name), Count(untold, one)));
                }
                None => warn(format_args!(
                    "{} of others within a second: more than {NAMES_MAX} have something to report",
                    Count(untold, "more report")
                )),
            }
        }
    }
}

/// Says something of a name, and how often it was not said before. `what` goes on behind the name.
#[cold]
pub fn tell(name: &'static str, what: fmt::Arguments<'_>, untold: u64) {
    match untold {
        0 => warn(format_args!("{} {what}", Name(name))),
        untold => warn(format_args!("{} {what} (and {untold} more before it)", Name(name))),
    }
}

/// How the name of what is stored of an actor begins.
pub(super) const ACTOR: &str = "odeon::actor::head::Head<";
/// The name of what is stored of a task.
pub(super) const TASK: &str = "odeon::task::TaskHead";

/// The name of what users wrote, out of that of a type that is around it.
pub(super) fn of_users(name: &'static str) -> &'static str {
    let inner = |name: &'static str, around: &str| name.strip_prefix(around)?.strip_suffix('>');
    let name = inner(name, ACTOR).unwrap_or(name);
    inner(name, SERVED).map_or(name, that_serves)
}

/// How the name of what serves a connection begins. What was handed over follows, and the future that it makes.
const SERVED: &str = "odeon::net::served::Served<";

/// The function that serves: of a closure that calls one, that one.
fn that_serves(handed_over_and_future: &'static str) -> &'static str {
    let mut open = 0_i32;
    let befores = once(' ').chain(handed_over_and_future.chars());
    let comma = handed_over_and_future.char_indices().zip(befores).find_map(|((at, char), before)| {
        match char {
            '<' | '(' | '[' | '{' => open += 1,
            '>' if before != '-' => open -= 1,
            ')' | ']' | '}' => open -= 1,
            _ => {}
        }
        (char == ',' && open == 0).then_some(at)
    });
    let Some((handed_over, future)) = comma.map(|at| handed_over_and_future.split_at(at)) else {
        return handed_over_and_future;
    };
    let future = future.strip_prefix(", ").unwrap_or(future);
    let by_closures = handed_over.ends_with(CLOSURE) && future.ends_with(CLOSURE);
    if by_closures { future } else { handed_over }
}

/// What the compiler calls a closure, and what an asynchronous function has become, within the function that it stands in.
const CLOSURE: &str = "::{{closure}}";

/// The name of a handler, or of a type, as a reader knows it.
///
/// What the compiler calls a closure, or the future of an asynchronous function, is named by the function around it.
pub struct Name(pub &'static str);

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// How names of the runtime's own begin.
        const OURS: &[(&str, &str)] = &[
            (TASK, "a task"),
            ("odeon::net::listener::ListenerHead", "a listener"),
            ("<odeon::net::connect::Connect as ", "a stream of odeon::connect"),
        ];
        let name = of_users(self.0);
        if let Some((_, name)) = OURS.iter().find(|(ours, _)| name.starts_with(ours)) {
            return out.write_str(name);
        }
        let mut around = name.trim_end_matches(CLOSURE);
        if around.len() < name.len() {
            out.write_str("code in ")?;
        }
        while let Some((before, behind)) = around.split_once(CLOSURE) {
            out.write_str(before)?;
            around = behind;
        }
        out.write_str(around)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILURE: Matter = Matter::Failure;

    fn second(seconds: u64) -> Time {
        Time(1_000_000_000 * seconds)
    }

    #[test]
    fn whoever_fails_all_the_time_hides_nobody_else() {
        let reports = Reports::default();
        assert_eq!(reports.note(FAILURE, "noisy", second(1)), Some(0));
        for _ in 0..37 {
            assert_eq!(reports.note(FAILURE, "noisy", second(1)), None);
        }
        assert_eq!(reports.note(FAILURE, "quiet", second(1)), Some(0));
        assert_eq!(reports.note(Matter::Outbox, "noisy", second(1)), Some(0), "another matter");
        assert_eq!(reports.due(), second(2));
        assert_eq!(reports.take_untold(Time(second(2).0 - 1)), []);
        assert_eq!(reports.due(), second(2), "it is still to be told");
        assert_eq!(reports.take_untold(second(2)), [(Some((FAILURE, "noisy")), 37)]);
        assert_eq!(reports.due(), Time::MAX);
        assert_eq!(reports.note(FAILURE, "noisy", second(2)), Some(0), "and in full again");
    }

    #[test]
    fn what_fails_once_is_told_once_and_nothing_is_due() {
        let reports = Reports::default();
        assert_eq!(reports.note(FAILURE, "quiet", second(1)), Some(0));
        assert_eq!(reports.due(), Time::MAX);
        assert_eq!(reports.take_untold(Time::MAX), []);
    }

    #[test]
    fn what_was_not_told_in_time_is_told_with_the_next() {
        let reports = Reports::default();
        assert_eq!(reports.note(FAILURE, "noisy", second(1)), Some(0));
        assert_eq!(reports.note(FAILURE, "noisy", second(1)), None);
        assert_eq!(reports.note(FAILURE, "noisy", second(3)), Some(1));
        assert_eq!(reports.take_untold(Time::MAX), []);
    }

    #[test]
    fn names_are_bounded_and_what_is_beyond_is_counted() {
        const LONG: &str =
            "each end of this sentence is a name, and none is like another, however many there are";
        const { assert!(LONG.len() > NAMES_MAX + 1) };
        let name = |index: usize| &LONG[index..];
        let reports = Reports::default();
        for index in 0..NAMES_MAX {
            assert_eq!(reports.note(FAILURE, name(index), second(1)), Some(0));
        }
        assert_eq!(reports.note(FAILURE, name(NAMES_MAX), second(1)), None);
        assert_eq!(reports.note(FAILURE, name(NAMES_MAX + 1), second(1)), None);
        assert_eq!(reports.take_untold(second(2)), [(None, 2)]);
        assert_eq!(reports.note(FAILURE, name(NAMES_MAX), second(2)), Some(0), "others are old by now");
        assert_eq!(reports.told.borrow().len(), 1);
    }

    #[test]
    fn names_are_those_that_a_reader_knows() {
        let check = |name, shown: &str| assert_eq!(Name(name).to_string(), shown);
        check("Session::line", "Session::line");
        check("chat::Session", "chat::Session");
        check("sink::serve", "sink::serve");
        check("sink::main::{{closure}}", "code in sink::main");
        check("sink::main::{{closure}}::{{closure}}", "code in sink::main");
        check("sink::main::{{closure}}::serve", "sink::main::serve");
        check(
            "odeon::net::served::Served<sink::main::{{closure}}, sink::main::{{closure}}::{{closure}}>",
            "code in sink::main",
        );
        check(
            "odeon::net::served::Served<sink::main::{{closure}}, sink::serve::{{closure}}>",
            "code in sink::serve",
        );
        check("odeon::net::served::Served<sink::serve, sink::serve::{{closure}}>", "sink::serve");
        check(
            "odeon::net::served::Served<sink::main::{{closure}}, core::pin::Pin<alloc::boxed::Box<dyn sink::Served>>>",
            "code in sink::main",
        );
        check(
            "odeon::net::served::Served<sink::make<(u8, [u8; 2]), fn(u8, u8) -> u8>::{{closure}}, sink::serve<u8>::{{closure}}>",
            "code in sink::serve<u8>",
        );
        check(
            "odeon::actor::head::Head<odeon::net::served::Served<sink::serve, sink::serve::{{closure}}>>",
            "sink::serve",
        );
        check(
            "odeon::net::served::Served<<odeon::net::connect::Connect as core::future::into_future::IntoFuture>::into_future\
             ::{{closure}}::{{closure}}, core::future::ready::Ready<core::result::Result<(), std::io::error::Error>>>",
            "a stream of odeon::connect",
        );
        check("core::option::Option<u8>", "core::option::Option<u8>");
    }
}
