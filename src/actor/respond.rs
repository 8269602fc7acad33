//! What hooks may take, what hooks and handlers may return, and what follows from it.
//!
//! Knows: types, flows, answers, failures. Must not know who handles what.

use std::fmt::Display;
use std::marker::PhantomData;
use std::ops::Deref;

use super::{Flow, Reply};
use crate::executor::{Cause, current, tell};

/// What a hook may return: nothing, a [`Flow`], or a `Result` of either whose error can be shown. An error ends the actor with
/// [`StopReason::Failed`](crate::StopReason::Failed); it is counted, and told on standard error.
#[diagnostic::on_unimplemented(
    message = "a hook, a continuation (`.then`), or a handler that takes a `Reply`, cannot return `{Self}`",
    label = "not nothing, a `Flow`, or a `Result` of these",
    note = "help: return `()`, `Flow`, or `Result<_, E>` of either, where `E: Display`; a handler that takes `reply: Reply<…>` answers by \
            `reply.send(…)`, one that does not answers what it returns; a continuation that only panics says `-> ()`, as in `|_, _, _| -> ()`"
)]
pub trait IntoFlow {
    /// What follows. `handler` says in reports whose result it is, like `Session::line`.
    fn into_flow(self, handler: &'static str) -> Flow;

    /// The same of a hook behind which the actor ends, whatever that returns.
    #[doc(hidden)]
    #[inline]
    fn into_end(self, handler: &'static str)
    where
        Self: Sized,
    {
        let _ = self.into_flow(handler);
    }
}

impl IntoFlow for () {
    #[inline]
    fn into_flow(self, _: &'static str) -> Flow {
        Flow::Continue
    }
}

impl IntoFlow for Flow {
    #[inline]
    fn into_flow(self, _: &'static str) -> Flow {
        self
    }
}

impl<T: IntoFlow, E: Display> IntoFlow for Result<T, E> {
    #[inline]
    fn into_flow(self, handler: &'static str) -> Flow {
        match self {
            Ok(value) => value.into_flow(handler),
            Err(error) => {
                failed_so(handler, &error, Follows::End);
                current::with(|core| core.map(|core| core.expect_end(Cause::Told)));
                Flow::Fail
            }
        }
    }

    #[inline]
    fn into_end(self, handler: &'static str) {
        if let Err(error) = self.map(|value| value.into_end(handler)) {
            failed_so(handler, &error, Follows::SameEnd);
        }
    }
}

/// What a handler of a message whose reply is `R` may return: an `R`. Where `R` is `()`, also a [`Flow`], or a `Result` of either whose
/// error can be shown: an error is a counted failure, and the asker, if there is one, gets no answer.
#[diagnostic::on_unimplemented(
    message = "a handler of a message that is answered with `{R}` cannot return `{Self}`",
    label = "the answer to this message is `{R}`",
    note = "help: return `{R}`, or say what is answered: `#[message(reply = …)]` on the type of the message"
)]
pub trait Respond<R: 'static> {
    /// What follows where nobody asked.
    fn told(self, handler: &'static str) -> Flow;

    /// Answers whoever asked.
    fn answer(self, reply: Reply<R>, handler: &'static str) -> Flow;
}

impl<R: 'static> Respond<R> for R {
    #[inline]
    fn told(self, _: &'static str) -> Flow {
        Flow::Continue
    }

    #[inline]
    fn answer(self, reply: Reply<R>, _: &'static str) -> Flow {
        reply.send(self);
        Flow::Continue
    }
}

impl Respond<()> for Flow {
    #[inline]
    fn told(self, _: &'static str) -> Flow {
        self
    }

    #[inline]
    fn answer(self, reply: Reply<()>, _: &'static str) -> Flow {
        reply.send(());
        self
    }
}

impl<E: Display + 'static> Respond<()> for Result<(), E> {
    fn told(self, handler: &'static str) -> Flow {
        self.unwrap_or_else(|error| failed_so(handler, &error, Follows::Nothing));
        Flow::Continue
    }

    fn answer(self, reply: Reply<()>, handler: &'static str) -> Flow {
        match self {
            Ok(()) => reply.send(()),
            Err(error) => failed_so(handler, &error, Follows::NoAnswer),
        }
        Flow::Continue
    }
}

impl<E: Display + 'static> Respond<()> for Result<Flow, E> {
    fn told(self, handler: &'static str) -> Flow {
        self.unwrap_or_else(|error| {
            failed_so(handler, &error, Follows::Nothing);
            Flow::Continue
        })
    }

    fn answer(self, reply: Reply<()>, handler: &'static str) -> Flow {
        match self {
            Ok(flow) => flow.answer(reply, handler),
            Err(error) => {
                failed_so(handler, &error, Follows::NoAnswer);
                Flow::Continue
            }
        }
    }
}

/// What a hook or a handler that takes a `T` can be given: a `T`. Never implemented by hand; it is there for the words of the compiler.
#[diagnostic::on_unimplemented(
    message = "this parameter is a `{T}`, and what is given for it is a `{Self}`",
    label = "what is given is a `{Self}`",
    note = "help: write `{Self}` as the type of this parameter"
)]
#[doc(hidden)]
pub trait Told<T> {
    /// What it is told, as the hook takes it.
    fn hand_over(self) -> T;
}

#[diagnostic::do_not_recommend]
impl<T> Told<T> for T {
    #[inline(always)]
    fn hand_over(self) -> T {
        self
    }
}

/// What a hook is told, as it takes it.
#[doc(hidden)]
#[inline(always)]
pub fn tell_hook<T, G: Told<T>>(told: G) -> T {
    told.hand_over()
}

/// An error that can be told where nobody asked. Follows from [`Display`]; it is there for the words of the compiler.
#[diagnostic::on_unimplemented(
    message = "the error `{Self}` of a handler cannot be shown",
    label = "this has no `Display`",
    note = "help: implement `std::fmt::Display` for it: where nobody asked, an error is told on standard error"
)]
pub trait Failure: Display {}

#[diagnostic::do_not_recommend]
impl<T: Display + ?Sized> Failure for T {}

/// What a handler returns whose message is answered with an `R`, where nobody asked.
#[doc(hidden)]
#[derive(Debug)]
pub struct Unheard<'a, R, T>(&'a T, PhantomData<fn(R)>);

impl<'a, R, T> Unheard<'a, R, T> {
    /// What is returned.
    #[inline(always)]
    #[must_use]
    pub fn of(returned: &'a T) -> Unheard<'a, R, T> {
        Unheard(returned, PhantomData)
    }
}

impl<T, E> Unheard<'_, Result<T, E>, Result<T, E>> {
    /// The answer is a `Result`, whatever it is called: nobody else looks at its error.
    #[inline]
    pub fn tell(self, handler: &'static str)
    where
        E: Failure,
    {
        if let Err(error) = self.0 {
            failed_so(handler, error, Follows::Nothing);
        }
    }
}

/// Of everything else there is nothing to tell. The compiler looks for a method here where there is none above.
impl<R, T> Deref for Unheard<'_, R, T> {
    type Target = NothingUnheard;

    #[inline(always)]
    fn deref(&self) -> &NothingUnheard {
        &NothingUnheard(())
    }
}

/// Of which nothing is to be told.
#[doc(hidden)]
#[derive(Debug)]
pub struct NothingUnheard(());

impl NothingUnheard {
    /// Does nothing.
    #[inline(always)]
    pub fn tell(&self, _: &'static str) {}
}

/// What follows a failure, for whoever reads of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follows {
    /// The actor goes on.
    Nothing,
    /// It goes on, and whoever has asked is answered nothing.
    NoAnswer,
    /// It has failed by that.
    End,
    /// It was ending anyway.
    SameEnd,
    /// The connection is closed that was served.
    Close,
}

impl Follows {
    /// `kept`: a supervisor has the actor that runs.
    fn in_words(self, kept: bool) -> &'static str {
        match self {
            Follows::Nothing => "its actor goes on",
            Follows::NoAnswer => "its actor goes on, and whoever has asked gets no answer",
            Follows::End if kept => "its actor fails, and its supervisor decides",
            Follows::End => "its actor ends",
            Follows::SameEnd => "its actor ends as it would have",
            Follows::Close => "its connection is closed",
        }
    }
}

/// Counts a failure that nobody else is told of, and tells it on standard error, once a second
/// at most of each handler, and later how many more there were.
#[cold]
pub fn failed(handler: &'static str, error: &impl Failure) {
    note(handler, |_, untold| tell(handler, format_args!("failed: {error}"), untold));
}

/// The same, with what follows.
#[cold]
pub(crate) fn failed_so(handler: &'static str, error: &impl Failure, follows: Follows) {
    note(handler, |kept, untold| {
        tell(handler, format_args!("failed: {error}; {}", follows.in_words(kept)), untold);
    });
}

/// Counts a failure, and has it told if it is time for that. `tell` is told whether a supervisor has the actor that runs, and how many there
/// were that were not told.
fn note(handler: &'static str, tell: impl FnOnce(bool, u64)) {
    let noted = current::with(|core| {
        core.map(|core| (core.note_failure(handler), core.cells.is_kept(core.cells.activated())))
    });
    // Outside of a core, everything is told. `Display` is code of users: nothing of the runtime runs around it.
    if let (Some(untold), kept) = noted.unwrap_or((Some(0), false)) {
        tell(kept, untold);
    }
}
