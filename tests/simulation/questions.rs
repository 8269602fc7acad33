//! The books on questions: each that was begun has one outcome, or its asker ended first; and what was answered in time arrives.
//!
//! Knows: who asked what, who answered, and what came of it. Must not know how actors ask.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use odeon::Time;
use odeon::prelude::*;

use super::journal::{Journal, Token};

/// What is answered: whose question it was. Dropping it may panic.
pub(crate) struct Answer {
    pub(crate) to: u64,
    brittle: bool,
    token: Token,
}

impl Answer {
    pub(crate) fn new(to: u64, brittle: bool, journal: &Journal) -> Answer {
        Answer { to, brittle, token: Token::new(journal) }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let within = odeon::executor::current::with(|core| core.is_some());
        if self.brittle && within && !std::thread::panicking() {
            self.token.journal().panic();
        }
    }
}

/// All questions of one seed. The last is how long an answer may take, if nobody says anything else.
#[derive(Clone)]
pub(crate) struct Questions(Arc<Mutex<Books>>, Journal, Duration);

/// One that has neither an outcome nor been given up.
#[derive(Debug, PartialEq, Eq)]
struct Open {
    how: &'static str,
    /// Its asker waits until then; none if the books do not know.
    until: Option<Time>,
    /// It was answered then.
    answered: Option<Time>,
    /// Somebody who was to answer it did not.
    dropped: bool,
}

impl Open {
    /// True if it may end without an answer now, for this reason.
    fn may_end_by(&self, error: AskError, now: Option<Time>, journal: &Journal) -> bool {
        match error {
            AskError::Timeout => {
                let is_over = self.until.zip(now).is_none_or(|(until, now)| now >= until);
                let was_in_time = self.answered.zip(self.until).is_some_and(|(then, until)| then < until);
                !was_in_time && (is_over || self.dropped)
            }
            // Refused, although it is answered meanwhile: whoever answers sees that later.
            AskError::Cycle(_) => true,
            _ if self.answered.is_some() => false,
            AskError::Unanswered => self.dropped,
            AskError::Panicked => journal.sums().panics > 0,
            AskError::Stopped => {
                let sums = journal.sums();
                sums.stopped > 0 || sums.dropped > 0
            }
            AskError::Full => true,
            _ => false,
        }
    }
}

/// The time in the simulation; none on a thread that runs no core of it.
fn clock() -> Option<Time> {
    odeon::executor::current::with(|core| core.map(|core| core.peek_clock()))
}

#[derive(Default)]
struct Books {
    begun: u64,
    open: BTreeMap<u64, Open>,
    outcomes: u64,
    given_up: u64,
}

impl Questions {
    pub(crate) fn new(journal: &Journal, ask_timeout: Duration) -> Questions {
        Questions(Arc::default(), journal.clone(), ask_timeout)
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A question begins. `still_asks` says, once the pending question is dropped, whether its asker has not ended: then it must
    /// have had an outcome.
    pub(crate) fn begin(
        &self,
        how: &'static str,
        still_asks: impl Fn() -> bool + Send + 'static,
    ) -> (u64, Pending) {
        let mut books = self.books();
        books.begun += 1;
        let id = books.begun;
        books.open.insert(id, Open { how, until: None, answered: None, dropped: false });
        (id, Pending { questions: self.clone(), id, how, still_asks: Box::new(still_asks) })
    }

    /// When everything is over.
    pub(crate) fn balance(&self) {
        let books = self.books();
        assert_eq!(books.open, BTreeMap::new(), "questions that nobody was told the outcome of");
        assert_eq!(books.begun, books.outcomes + books.given_up);
    }
}

/// Held by whoever waits for an answer.
pub(crate) struct Pending {
    questions: Questions,
    id: u64,
    how: &'static str,
    still_asks: Box<dyn Fn() -> bool + Send>,
}

/// What stands for an error in the journal: never zero.
fn number(error: AskError) -> u64 {
    error.to_string().bytes().fold(1, |sum, byte| sum * 31 % 1_000_003 + u64::from(byte))
}

impl Pending {
    /// The outcome has come.
    pub(crate) fn outcome(self, outcome: Result<Answer, AskError>) -> bool {
        let (id, how, journal) = (self.id, self.how, self.questions.1.clone());
        let open = self.questions.books().open.remove(&id);
        journal.expect(open.is_some(), || format!("question {id}, {how}, has a second outcome"));
        self.questions.books().outcomes += 1;
        match &outcome {
            Ok(answer) => journal
                .expect(answer.to == id, || format!("{how}: {} is answered what {id} asked", answer.to)),
            Err(error) => {
                let now = clock();
                let may = open.as_ref().is_none_or(|open| open.may_end_by(*error, now, &journal));
                journal.expect(may, || format!("question {id}: {error}, at {now:?}, of {open:?}"));
            }
        }
        let number = match &outcome {
            Ok(_) => 0,
            Err(error) => number(*error),
        };
        journal.note([id, number, 1]);
        let answered = outcome.is_ok();
        // It may panic: what is to be noted has been.
        drop(self);
        drop(outcome);
        answered
    }

    /// Its asker waits from now on: so long, or as long as for any answer.
    pub(crate) fn wait(&self, timeout: Option<Duration>) {
        let until = clock().map(|now| now.after(timeout.unwrap_or(self.questions.2)));
        if let Some(open) = self.questions.books().open.get_mut(&self.id) {
            open.until = until;
        }
    }

    /// Its asker gives up.
    pub(crate) fn give_up(mut self) {
        self.still_asks = Box::new(|| false);
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let Pending { questions, id, how, still_asks } = self;
        if questions.books().open.remove(id).is_some() {
            questions.books().given_up += 1;
            let lost = !std::thread::panicking() && still_asks();
            questions
                .1
                .expect(!lost, || format!("question {id}, {how}, has no outcome, and its asker is there"));
            questions.1.note([*id, 0, 2]);
        }
    }
}

/// An answer that somebody owes.
pub(crate) struct Debt<T: 'static> {
    questions: Questions,
    id: u64,
    reply: Option<Reply<T>>,
}

impl<T: 'static> Debt<T> {
    pub(crate) fn new(questions: &Questions, id: u64, reply: Reply<T>) -> Debt<T> {
        Debt { questions: questions.clone(), id, reply: Some(reply) }
    }

    /// Answers.
    pub(crate) fn send(mut self, answer: T) {
        self.note(|open| open.answered = clock());
        self.take().send(answer);
    }

    /// Answers from a thread of its own, which has ended when this returns.
    pub(crate) fn send_from_elsewhere(mut self, answer: T)
    where
        T: Send,
    {
        self.note(|open| open.answered = clock());
        let reply = self.take();
        thread::spawn(move || reply.send(answer)).join().expect("answering does not panic");
    }

    /// Answers, if somebody still waits.
    pub(crate) fn send_if_open(mut self, answer: impl FnOnce() -> T) {
        let Some(reply) = self.take().open() else { return };
        self.reply = Some(reply);
        let answer = answer();
        self.send(answer);
    }

    /// Somebody else owes it from now on.
    pub(crate) fn pass_on(mut self) -> Reply<T> {
        self.take()
    }

    fn take(&mut self) -> Reply<T> {
        self.reply.take().expect("it is owed")
    }

    fn note(&self, change: impl FnOnce(&mut Open)) {
        if let Some(open) = self.questions.books().open.get_mut(&self.id) {
            change(open);
        }
    }
}

impl<T: 'static> Drop for Debt<T> {
    fn drop(&mut self) {
        if self.reply.is_some() {
            self.note(|open| open.dropped = true);
        }
    }
}

/// What futures wait at until it is opened, by whomever.
#[derive(Default)]
pub(crate) struct Latch(Mutex<Waits>);

#[derive(Default)]
struct Waits {
    open: bool,
    waker: Option<Waker>,
    /// Somebody was woken who has not been polled since, or waits for what does not take long.
    owed: bool,
}

impl Latch {
    fn waits(&self) -> MutexGuard<'_, Waits> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn open(&self) {
        let waker = {
            let mut waits = self.waits();
            waits.open = true;
            waits.owed = waits.waker.is_some();
            waits.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// True if somebody waits here who goes on before long, or is dropped.
    pub(crate) fn is_owed(&self) -> bool {
        self.waits().owed
    }

    pub(crate) async fn pass(&self) {
        let _passing = Passing(self);
        poll_fn(|cx| {
            let mut waits = self.waits();
            waits.owed = false;
            if waits.open {
                return Poll::Ready(());
            }
            waits.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Waits here for a future that is ready before long, whatever others do.
    pub(crate) async fn owing<F: Future>(&self, future: F) -> F::Output {
        let _passing = Passing(self);
        self.waits().owed = true;
        future.await
    }

    /// Waits until it is polled again: it wakes itself while it is polled.
    pub(crate) async fn pass_next_time(&self) {
        let mut passing = pin!(self.pass());
        poll_fn(|cx| {
            let polled = passing.as_mut().poll(cx);
            if polled.is_pending() {
                self.open();
            }
            polled
        })
        .await;
    }
}

/// Whoever waits at a latch. One that is dropped waits no more.
struct Passing<'a>(&'a Latch);

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        self.0.waits().owed = false;
    }
}
