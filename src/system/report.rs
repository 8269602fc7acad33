//! What the end of a system had to cut off, for those who ask and for those who read.
//!
//! Knows: figures and names. Must not know how a system ends.

use std::fmt;

use crate::executor::{CutOff, CutOffKind, Name};
use crate::sys::Count;

/// What a shutdown had to cut off. As text, it is one paragraph that says so.
///
/// But for messages, it is noted on each core as it happens: what ends by itself at the last moment, or because the program aborts it, has
/// not been cut off. The runtime's own actors, such as listeners and supervisors, do not count.
///
/// ```
/// use odeon::prelude::*;
///
/// let system = System::builder().cores(Cores::Count(1)).build()?;
/// let task = system.spawn_task(0, || async { std::future::pending::<()>().await })?;
/// let report = system.shutdown();
/// assert_eq!((report.tasks_cut_off, report.connections_cut_off), (1, 0));
/// assert!(report.to_string().starts_with("1 task (code in "), "{report}");
/// # drop(task);
/// # Ok::<(), odeon::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Connections that had not finished by `Config::drain_deadline`, and were reset: also those whose peers did not read what was queued
    /// for them in time ([`Config::close_deadline`](crate::Config::close_deadline)).
    pub connections_cut_off: usize,
    /// Bytes that were queued for the peers of these, and of which the kernel had not said that it has taken them.
    pub bytes_unsent: u64,
    /// Other actors that had not stopped by the deadline.
    pub actors_cut_off: usize,
    /// Futures that ran by themselves and had not finished: tasks, and those that [served](crate::ListenerBuilder::serve) a connection.
    /// They are dropped when connections have ended, and with these those that an actor had begun in [`stopped`](crate::Actor::stopped).
    pub tasks_cut_off: usize,
    /// Answers for which all of these were still waiting, in continuations or in exclusive asynchronous handlers.
    pub questions_unanswered: usize,
    /// Messages that were not delivered since the end had begun, for whatever [reason](crate::DeadReason), a full mailbox included: mostly what
    /// waited in mailboxes when their actors stopped, and what was sent to actors that had. Questions are messages until they are handled,
    /// and so is what [`System::dead_letters`](crate::System::dead_letters) tells. Not among them is what waited for actors that had no turn
    /// any more because something kept their core until the end, nor, when a second signal ends the process, what waits then. As every
    /// end may have some, they leave it [clean](ShutdownReport::is_clean).
    pub messages_undelivered: u64,
    /// Requests about files that had not ended by `Config::close_deadline` after their core had, such as those to a disk that does not
    /// answer. Nobody hears of their end any more; a line on standard error says what they were. Their memory is kept until then,
    /// or for ever. On io_uring the thread of their core is not waited for: the kernel lets it go when they have ended.
    pub file_requests_left: usize,
    /// How many of which: the first sixteen types that each core has met, and sixteen in all.
    pub names: Vec<CutOffName>,
}

/// How many of one type were cut off, see [`ShutdownReport::names`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CutOffName {
    /// What they were.
    pub kind: CutOffKind,
    /// The name of the actor's type, or of what made the future.
    pub name: String,
    /// How many.
    pub count: usize,
}

impl ShutdownReport {
    pub(super) fn new(cut_off: CutOff, file_requests_left: usize) -> ShutdownReport {
        let named = |(kind, name, count)| CutOffName { kind, name: Name(name).to_string(), count };
        ShutdownReport {
            connections_cut_off: cut_off.connections,
            bytes_unsent: cut_off.bytes_unsent,
            actors_cut_off: cut_off.actors,
            tasks_cut_off: cut_off.tasks,
            questions_unanswered: cut_off.questions,
            messages_undelivered: cut_off.messages,
            file_requests_left,
            names: cut_off.names.into_iter().map(named).collect(),
        }
    }

    /// True if no connection, actor or task was cut off, and no request left behind.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let ShutdownReport { connections_cut_off, actors_cut_off, tasks_cut_off, file_requests_left, .. } =
            self;
        [connections_cut_off, actors_cut_off, tasks_cut_off, file_requests_left]
            .iter()
            .all(|count| **count == 0)
    }

    /// The names of one kind, in brackets.
    fn names_of(&self, kind: CutOffKind, of: usize) -> String {
        let its = self.names.iter().filter(|name| name.kind == kind);
        let mut words: Vec<String> = its.clone().map(CutOffName::to_string).collect();
        let others = of - its.map(|name| name.count).sum::<usize>().min(of);
        if others > 0 && !words.is_empty() {
            words.push(format!("{others} of others"));
        }
        if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
    }
}

impl fmt::Display for CutOffName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            1 => out.write_str(&self.name),
            count => write!(out, "{count} × {}", self.name),
        }
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let mut part = |count: usize, thing, kind, more: String| {
            if count > 0 {
                parts.push(format!("{}{}{more}", Count::of(count, thing), self.names_of(kind, count)));
            }
        };
        let unsent = match self.bytes_unsent {
            0 => String::new(),
            bytes => format!(", {} unsent", Count(bytes, "byte")),
        };
        part(self.connections_cut_off, "connection", CutOffKind::Connection, unsent);
        part(self.actors_cut_off, "actor", CutOffKind::Actor, String::new());
        part(self.tasks_cut_off, "task", CutOffKind::Task, String::new());
        if self.questions_unanswered > 0 {
            parts.push(format!("{} unanswered", Count::of(self.questions_unanswered, "question")));
        }
        if self.messages_undelivered > 0 {
            parts.push(format!("{} undelivered", Count(self.messages_undelivered, "message")));
        }
        if self.file_requests_left > 0 {
            parts.push(format!("{} about files left behind", Count::of(self.file_requests_left, "request")));
        }
        match parts.is_empty() {
            true => out.write_str("nothing was cut off"),
            false => out.write_str(&parts.join("; ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_as_one_paragraph() {
        let name = |kind, name: &str, count| CutOffName { kind, name: name.to_owned(), count };
        let report = ShutdownReport {
            connections_cut_off: 4,
            bytes_unsent: 1,
            actors_cut_off: 1,
            tasks_cut_off: 3,
            questions_unanswered: 2,
            messages_undelivered: 5,
            file_requests_left: 1,
            names: vec![
                name(CutOffKind::Connection, "chat::Session", 3),
                name(CutOffKind::Actor, "chat::Room", 1),
            ],
        };
        assert_eq!(
            report.to_string(),
            "4 connections (3 × chat::Session, 1 of others), 1 byte unsent; 1 actor (chat::Room); 3 tasks; 2 questions unanswered; \
             5 messages undelivered; 1 request about files left behind"
        );
        assert!(!report.is_clean());
        let undelivered = ShutdownReport { messages_undelivered: 1, ..ShutdownReport::default() };
        assert!(undelivered.is_clean());
        assert_eq!(undelivered.to_string(), "1 message undelivered");
        let clean = ShutdownReport::default();
        assert!(clean.is_clean());
        assert_eq!(clean.to_string(), "nothing was cut off");
    }

    #[test]
    fn one_of_any_kind_is_not_clean() {
        let nothing = ShutdownReport::default;
        let each = [
            ShutdownReport { connections_cut_off: 1, ..nothing() },
            ShutdownReport { actors_cut_off: 1, ..nothing() },
            ShutdownReport { tasks_cut_off: 1, ..nothing() },
            ShutdownReport { file_requests_left: 1, ..nothing() },
        ];
        assert!(each.iter().all(|report| !report.is_clean()));
    }
}
