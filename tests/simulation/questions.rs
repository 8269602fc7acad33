//! The books on questions: each that was begun has one outcome, or its asker ended first.
//!
//! Knows: who asked what, and what came of it. Must not know how actors ask.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

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

/// All questions of one seed.
#[derive(Clone)]
pub(crate) struct Questions(Arc<Mutex<Books>>, Journal);

#[derive(Default)]
struct Books {
    begun: u64,
    /// Those that have neither an outcome nor been given up, by who asked.
    open: BTreeMap<u64, &'static str>,
    outcomes: u64,
    given_up: u64,
}

impl Questions {
    pub(crate) fn new(journal: &Journal) -> Questions {
        Questions(Arc::default(), journal.clone())
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
        books.open.insert(id, how);
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
        let open = self.questions.books().open.remove(&id).is_some();
        journal.expect(open, || format!("question {id}, {how}, has a second outcome"));
        self.questions.books().outcomes += 1;
        if let Ok(answer) = &outcome {
            journal.expect(answer.to == id, || format!("{how}: {} is answered what {id} asked", answer.to));
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

/// What futures wait at until it is opened, by whomever.
#[derive(Default)]
pub(crate) struct Latch(Mutex<(bool, Option<Waker>)>);

impl Latch {
    pub(crate) fn open(&self) {
        let waker = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.0 = true;
            state.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) async fn pass(&self) {
        poll_fn(|cx| {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if state.0 {
                return Poll::Ready(());
            }
            state.1 = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
