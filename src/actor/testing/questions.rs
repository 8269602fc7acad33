//! Questions that a test answers.
//!
//! Knows: which question came first, and which answer. Must not know who asked.

use std::any::{Any, type_name};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::Location;
use std::rc::Rc;

use super::super::reply::{Answer, Reply};
use crate::executor::blame::user;
use crate::executor::{Core, Guest};

/// Questions without an answer, or answers without a question.
#[derive(Default)]
pub(super) struct Questions {
    open: RefCell<VecDeque<Box<dyn Open>>>,
    answers: RefCell<VecDeque<Prepared>>,
}

/// An answer of whatever type.
struct Prepared {
    answer: Box<dyn Any>,
    type_name: &'static str,
    given: &'static Location<'static>,
}

/// A question, of whatever type, that waits for the test.
trait Open {
    /// True if somebody waits for the answer.
    fn is_open(&self) -> bool;

    /// What it consists of: an `Option` of it.
    fn content(&mut self) -> &mut dyn Any;

    /// Answers, or says what is wrong with the answer: its type.
    fn answer(self: Box<Self>, answer: Prepared) -> Result<(), Mismatch>;
}

struct Asked<C, T: 'static> {
    content: Option<C>,
    reply: Reply<T>,
}

impl<C: 'static, T: 'static> Open for Asked<C, T> {
    fn is_open(&self) -> bool {
        !self.reply.is_closed()
    }

    fn content(&mut self) -> &mut dyn Any {
        &mut self.content
    }

    fn answer(self: Box<Self>, Prepared { answer, type_name: given, .. }: Prepared) -> Result<(), Mismatch> {
        match answer.downcast::<Answer<T>>().map(|answer| *answer) {
            Ok(Ok(answer)) => self.reply.send(answer),
            Ok(Err(why)) => self.reply.refuse(why),
            Err(_) => return Err(Mismatch { expected: type_name::<T>(), given }),
        }
        Ok(())
    }
}

/// A mistake of the test.
pub(super) struct Mismatch {
    expected: &'static str,
    given: &'static str,
}

impl Mismatch {
    #[track_caller]
    pub(super) fn tell(&self) -> ! {
        panic!("a question is answered by `{}`, and not by `{}`", self.expected, self.given)
    }
}

impl Questions {
    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.open.borrow().iter().filter(|question| question.is_open()).count()
    }

    /// The oldest that is open.
    fn take_oldest(&self) -> Option<Box<dyn Open>> {
        loop {
            // Those that are not are dropped here, while nothing is borrowed.
            let oldest = self.open.borrow_mut().pop_front()?;
            if oldest.is_open() {
                return Some(oldest);
            }
        }
    }

    /// Takes out what the oldest consists of.
    pub(super) fn take_content<C: 'static>(&self) -> Option<C> {
        let mut oldest = self.take_oldest()?;
        let content = oldest.content().downcast_mut::<Option<C>>().and_then(Option::take);
        self.open.borrow_mut().push_front(oldest);
        content
    }

    /// The first answer that nobody has asked for: where the test has given it, and of which type.
    pub(super) fn unasked(&self) -> Option<(&'static Location<'static>, &'static str)> {
        self.answers.borrow().front().map(|first| (first.given, first.type_name))
    }

    /// Answers the oldest, or the next.
    pub(super) fn answer<T: 'static>(
        &self,
        answer: Answer<T>,
        given: &'static Location<'static>,
    ) -> Result<(), Mismatch> {
        let answer = Prepared { answer: Box::new(answer), type_name: type_name::<T>(), given };
        match self.take_oldest() {
            Some(question) => question.answer(answer)?,
            None => self.answers.borrow_mut().push_back(answer),
        }
        Ok(())
    }

    fn ask(&self, question: Box<dyn Open>) {
        let prepared = self.answers.borrow_mut().pop_front();
        match prepared {
            // Found within the runtime, and not its fault.
            Some(answer) => question.answer(answer).unwrap_or_else(|wrong| user(|| wrong.tell())),
            None => self.open.borrow_mut().push_back(question),
        }
    }
}

/// The test whose core this is, if it is that of one.
#[cold]
pub(crate) fn find(core: &Core) -> Option<Rc<Guest>> {
    Guest::find(core.id).filter(|guest| guest.kept().is::<Questions>())
}

/// Leaves a question that finds nobody to the test.
#[cold]
pub(crate) fn hold<C: 'static, T: 'static>(test: &Guest, content: C, reply: Reply<T>) {
    if let Some(questions) = test.kept().downcast_ref::<Questions>() {
        questions.ask(Box::new(Asked { content: Some(content), reply }));
    }
}
