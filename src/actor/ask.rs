//! Questions: what is asked of an actor, and the ways to wait for the answer.
//!
//! Knows: how a question gets there, and who waits. Must not know what is answered.

mod relay;

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::address::{Verbs, put_here};
use super::answer::AnswerFuture;
use super::head::Head;
use super::reply::{Answer, Reply};
use super::{
    AcceptsLocal, Actor, Addr, Context, Flow, IntoFlow, LocalAddr, Message, Priority, SendError, SendTo,
    testing,
};
use crate::executor::blame::user;
use crate::executor::current::Look;
use crate::executor::{
    Activation, AnswerTo, AnyTask, AskError, Core, CoreId, Guest, Kind, Limit, Oneshot, RawAddress, Refused,
    Waiting, current, directory, drop_from, post, stage,
};
use crate::mem::{Key, aside};
use crate::sys::Time;
use relay::Relay;

/// What an actor can be asked: a message that it accepts, or a [`Call`] of one of its methods.
pub trait Question<A: Actor>: 'static {
    /// What is answered.
    type Reply: 'static;

    /// What it consists of: the message, or the arguments of the call, as a tuple.
    type Content: 'static;

    /// What it comes before.
    const PRIORITY: Priority = Priority::User;

    /// Puts the question into what the mailbox holds.
    fn into_message(self, reply: Reply<Self::Reply>) -> A::Message;

    /// Takes the question apart: for a test that answers in the place of the actor.
    fn into_content(self) -> Self::Content;
}

impl<A: AcceptsLocal<M>, M: Message> Question<A> for M {
    type Reply = M::Reply;
    type Content = M;
    const PRIORITY: Priority = <A as AcceptsLocal<M>>::PRIORITY;

    fn into_message(self, reply: Reply<M::Reply>) -> A::Message {
        A::accept_ask(self, reply)
    }

    fn into_content(self) -> M {
        self
    }
}

/// Whoever can be asked a `Q`: every actor for its questions, and [`Anyone`] for a message, through a
/// [`Recipient`](crate::Recipient).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be asked `{Q}`",
    label = "there is nobody who would answer this",
    note = "help: what can be asked is a type with `#[derive(Message)]`, for which the `#[actor]` block of `{Self}` has a `#[message]` handler"
)]
pub trait Receiver<Q>: 'static {
    /// What is answered.
    type Reply: 'static;

    /// What leads to the receiver beside its address.
    #[doc(hidden)]
    type Route: Copy + Send + 'static;

    /// What a question consists of.
    #[doc(hidden)]
    type Content: 'static;

    /// Asks on the receiver's core.
    #[doc(hidden)]
    fn ask_here(route: Self::Route, core: &Core, to: Key, question: Q, reply: Reply<Self::Reply>);

    /// Takes a question apart.
    #[doc(hidden)]
    fn content(question: Q) -> Self::Content;
}

// The compiler speaks of the question and who is asked, not of what each of them lacks.
#[diagnostic::do_not_recommend]
impl<A: Actor, Q: Question<A>> Receiver<Q> for A {
    type Reply = Q::Reply;
    type Route = ();
    type Content = Q::Content;

    #[inline(always)]
    fn ask_here((): (), core: &Core, to: Key, question: Q, reply: Reply<Q::Reply>) {
        ask_here::<A, Q>(core, to, question, reply);
    }

    fn content(question: Q) -> Q::Content {
        question.into_content()
    }
}

/// An actor whose type is hidden by a [`Recipient`](crate::Recipient). There is no value of it.
#[derive(Debug)]
pub enum Anyone {}

impl<M: Message> Receiver<M> for Anyone {
    type Reply = M::Reply;
    type Route = &'static Verbs<M>;
    type Content = M;

    fn ask_here(verbs: &'static Verbs<M>, core: &Core, to: Key, message: M, reply: Reply<M::Reply>) {
        (verbs.ask_here)(core, to, message, reply);
    }

    fn content(message: M) -> M {
        message
    }
}

/// The question that a `#[call]` stands for: the arguments, and how they become what the mailbox holds. The methods that
/// [`actor`](macro@crate::actor) generates on addresses make it. `CONTROL` says that it comes [before others](Priority::Control).
pub struct Call<A: Actor, Args, R: 'static, const CONTROL: bool = false> {
    args: Args,
    into: fn(Args, Reply<R>) -> A::Message,
}

impl<A: Actor, Args: 'static, R: 'static, const CONTROL: bool> Call<A, Args, R, CONTROL> {
    /// Asks an actor. `into` makes what the mailbox holds of the arguments and the reply; it runs on the actor's core.
    pub fn ask(
        to: Addr<A>,
        args: Args,
        into: fn(Args, Reply<R>) -> A::Message,
    ) -> Ask<A, Call<A, Args, R, CONTROL>>
    where
        Args: Send,
        R: Send,
    {
        Ask::new(to.raw(), (), Call { args, into })
    }

    /// Asks an actor on the same core, what need not be [`Send`].
    pub fn ask_local(
        to: LocalAddr<A>,
        args: Args,
        into: fn(Args, Reply<R>) -> A::Message,
    ) -> LocalAsk<A, Call<A, Args, R, CONTROL>> {
        LocalAsk::new(to.raw(), Call { args, into })
    }
}

impl<A: Actor, Args: 'static, R: 'static, const CONTROL: bool> Question<A> for Call<A, Args, R, CONTROL> {
    type Reply = R;
    type Content = Args;
    const PRIORITY: Priority = if CONTROL { Priority::Control } else { Priority::User };

    fn into_message(self, reply: Reply<R>) -> A::Message {
        (self.into)(self.args, reply)
    }

    fn into_content(self) -> Args {
        self.args
    }
}

/// A question that has not been asked yet: see [`Addr::ask`]. It is asked by what is called on it.
///
/// | | who waits | costs |
/// |---|---|---|
/// | [`then`](Ask::then) | an actor: the continuation runs between its messages | no allocation |
/// | `.await` | a task, an asynchronous handler, or a future of any other runtime | one allocation |
/// | [`wait`](Ask::wait) | a thread that is none of a system's; not within a task of another runtime, whose worker it keeps from everything else | two allocations, and the thread sleeps |
/// | [`forward`](Ask::forward) | whoever waits for a reply that the asker holds | no allocation |
///
/// Whoever waits is told within a time, 5 s unless [`timeout`](Ask::timeout) or `Config::ask_timeout` say otherwise. The first counts
/// from when the question is asked, the second from the core's last look at the clock, as [`Context::now`] does. A question whose
/// asker does not wait any more is skipped when its turn comes. An answer may come before messages that the same actor sent
/// earlier, because it has a place of its own and does not stand in the mailbox.
///
/// ```
/// use odeon::prelude::*;
///
/// #[derive(Message)]
/// #[message(reply = u64)]
/// struct Add(u64);
///
/// #[derive(Default)]
/// struct Sum(u64);
///
/// #[actor]
/// impl Sum {
///     #[message]
///     fn add(&mut self, Add(more): Add) -> u64 {
///         self.0 += more;
///         self.0
///     }
/// }
///
/// let system = System::builder().cores(Cores::Count(1)).build()?;
/// let sum = system.spawn(Sum::default())?;
/// assert_eq!(sum.ask(Add(40)).wait(), Ok(40));
/// assert_eq!(sum.ask(Add(2)).wait(), Ok(42));
/// system.shutdown();
/// assert_eq!(sum.ask(Add(1)).wait(), Err(AskError::Stopped));
/// # Ok::<(), odeon::Error>(())
/// ```
#[must_use = "nothing is asked before `.then`, `.await`, `.wait` or `.forward`; where no answer is wanted, `tell` a `#[message]`"]
pub struct Ask<A: Receiver<Q>, Q> {
    to: RawAddress,
    route: A::Route,
    question: Q,
    timeout: Option<Duration>,
}

/// A question to an actor of the same core, which need not be [`Send`]: see [`LocalAddr`]. Otherwise as [`Ask`].
#[must_use = "nothing is asked before `.then`, `.await` or `.forward`; where no answer is wanted, `tell` a `#[message]`"]
pub struct LocalAsk<A: Receiver<Q>, Q> {
    ask: Ask<A, Q>,
    local: PhantomData<*const ()>,
}

impl<A: Receiver<Q>, Q> Ask<A, Q> {
    pub(super) fn new(to: RawAddress, route: A::Route, question: Q) -> Ask<A, Q> {
        Ask { to, route, question, timeout: None }
    }

    /// Waits so long and no longer, from when the question is asked.
    ///
    /// **Costs** a look at the clock, and a timer of its own.
    pub fn timeout(mut self, timeout: Duration) -> Ask<A, Q> {
        self.timeout = Some(timeout);
        self
    }

    fn deadline(&self) -> Option<Time> {
        deadline(self.timeout, self.to.core())
    }
}

impl<A: Receiver<Q>, Q: Send + 'static> Ask<A, Q>
where
    A::Reply: Send,
{
    /// Asks, and has `then` run on the asking actor once the answer has come, or it is known that there will be none. It never
    /// runs within the handler that asks, and never while another handler of this actor does; messages are handled meanwhile.
    /// What it returns is what a handler may return, such as nothing or a [`Flow`].
    ///
    /// If the asking actor ends first, the continuation is dropped; a connection waits at the end of its peer's stream for none that has no
    /// [place](Context::defer) and was not [announced](Context::expect_answer). So it is if there are as many tasks as `Config::tasks_max` allows
    /// and 1,024 continuations wait already to be told [`AskError::Full`]: that is counted in
    /// [`Ledger::failures`](crate::Ledger::failures) and told on standard error by the continuation's name, and whoever waits for
    /// a reply that it holds is told `Full`. An actor that asks in a loop asks no more than so many questions in one handler.
    ///
    /// **Costs** no allocation for a continuation of up to a kilobyte, with what it holds.
    pub fn then<B, F, O>(self, cx: &mut Context<B>, then: F)
    where
        B: Actor,
        F: FnOnce(&mut B, Result<A::Reply, AskError>, &mut Context<B>) -> O + 'static,
        O: IntoFlow + 'static,
    {
        let asker = cx.me().raw();
        current::at_value::<Then<B, O>, _>(asker.core(), (self, asker.cell(), then));
    }

    /// Asks, and waits for the answer on a thread of the program's own.
    ///
    /// # Errors
    /// [`AskError::WithinCore`] on a thread of a system, without asking; else as for every question.
    ///
    /// # Panics
    /// In a test, when who is to answer is run by this thread itself, with a [`TestContext`](crate::testing::TestContext): such a
    /// question is for [`block_on`](crate::testing::TestContext::block_on).
    #[track_caller]
    pub fn wait(self) -> Result<A::Reply, AskError> {
        if current::with(|core| core.is_some()) {
            return Err(AskError::WithinCore);
        }
        assert!(
            Guest::find(self.to.core()).is_none(),
            "nobody would answer while this thread waits, for it is the one that runs the receiver, with a `TestContext` or a \
             `Probe`: `.await` the answer within `TestContext::block_on` instead of calling `.wait()`"
        );
        let Some(port) = directory::port(self.to.core()) else { return Err(AskError::Stopped) };
        let (to, limit) = (self.to.core(), self.deadline());
        let deadline = stage::now(to).after(self.timeout.unwrap_or(port.ask_timeout));
        let answer = self.begin(limit);
        let waited = stage::wait(to, &answer, Some(deadline));
        if waited.is_none() {
            // A question that has not been handled is skipped.
            answer.close();
        }
        waited.unwrap_or(Err(AskError::Timeout))
    }

    /// Asks on behalf of whoever waits for `reply`: they get the answer. Their time runs on, and a timeout of this question
    /// means nothing.
    pub fn forward(self, reply: Reply<A::Reply>) {
        reply.put_aside();
        current::with(|core| match core {
            Some(core) if core.id == self.to.core() => {
                A::ask_here(self.route, core, self.to.cell(), self.question, reply);
            }
            from => {
                let posted = post(from, self.to, arrive::<A, Q>, (self.route, self.question, reply));
                refused::<A, Q>(from, posted);
            }
        });
    }

    /// Asks; the answer goes to the oneshot.
    fn begin(self, limit: Option<Time>) -> Arc<Oneshot<Answer<A::Reply>>> {
        let answer = oneshot();
        let relay = Relay { answer: answer.clone() };
        current::with(|core| match core {
            Some(core) if core.id == self.to.core() => {
                relay_here::<A, Q>(core, self.to.cell(), (self.route, self.question), limit, relay);
            }
            from => {
                let question = (self.route, self.question);
                let posted = post(from, self.to, arrive_relayed::<A, Q>, (question, limit, relay));
                if let Err(refused) = posted {
                    let (why, ((_, question), _, relay)) = reason(refused);
                    refuse_relayed::<A, Q>(from, why, question, limit, relay);
                }
            }
        });
        answer
    }
}

/// Asks at once, when it is made into a future.
impl<A: Receiver<Q>, Q: Send + 'static> IntoFuture for Ask<A, Q>
where
    A::Reply: Send,
{
    type Output = Result<A::Reply, AskError>;
    type IntoFuture = AnswerFuture<A::Reply>;

    fn into_future(self) -> AnswerFuture<A::Reply> {
        let (to, limit) = (self.to, self.deadline());
        AnswerFuture::new(self.begin(limit), to, limit)
    }
}

impl<A: Actor, Q: Question<A>> LocalAsk<A, Q> {
    pub(super) fn new(to: RawAddress, question: Q) -> LocalAsk<A, Q> {
        LocalAsk { ask: Ask::new(to, (), question), local: PhantomData }
    }

    /// As [`Ask::timeout`].
    pub fn timeout(mut self, timeout: Duration) -> LocalAsk<A, Q> {
        self.ask.timeout = Some(timeout);
        self
    }

    /// As [`Ask::then`].
    pub fn then<B, F, O>(self, cx: &mut Context<B>, then: F)
    where
        B: Actor,
        F: FnOnce(&mut B, Result<Q::Reply, AskError>, &mut Context<B>) -> O + 'static,
        O: IntoFlow + 'static,
    {
        let (asker, ask) = (cx.me().raw(), self.ask);
        current::at(asker.core(), |core| {
            let Some(core) = core else { return };
            match begin_answer(core, asker.cell(), ask.timeout, None, then) {
                Some(reply) => ask_local::<A, Q>(core, ask.to, ask.question, reply),
                None => core.drop_contained(ask.question),
            }
        });
    }

    /// As [`Ask::forward`].
    pub fn forward(self, reply: Reply<Q::Reply>) {
        let ask = self.ask;
        reply.put_aside();
        current::at(ask.to.core(), |core| match core {
            Some(core) => ask_local::<A, Q>(core, ask.to, ask.question, reply),
            None => reply.refuse(AskError::Stopped),
        });
    }
}

/// Asks at once, when it is made into a future.
impl<A: Actor, Q: Question<A>> IntoFuture for LocalAsk<A, Q> {
    type Output = Result<Q::Reply, AskError>;
    type IntoFuture = AnswerFuture<Q::Reply>;

    fn into_future(self) -> AnswerFuture<Q::Reply> {
        let answer = oneshot();
        let (limit, ask) = (self.ask.deadline(), self.ask);
        let to = ask.to;
        current::at(to.core(), |core| match core {
            Some(core) => {
                let relay = Relay { answer: answer.clone() };
                relay_here::<A, Q>(core, to.cell(), ((), ask.question), limit, relay);
            }
            None => {
                Relay { answer: answer.clone() }.refuse(AskError::Stopped);
                drop_from(core, ask.question);
            }
        });
        AnswerFuture::new(answer, to, limit)
    }
}

impl<A: Actor> Addr<A> {
    /// Describes a question. Nothing happens until [`then`](Ask::then), `.await`, [`wait`](Ask::wait) or
    /// [`forward`](Ask::forward). See [`Ask`].
    pub fn ask<M: SendTo<A> + Question<A>>(self, message: M) -> Ask<A, M> {
        Ask::new(self.raw(), (), message)
    }
}

/// What [`Ask::then`] does on the core of the asker.
struct Then<B, O>(PhantomData<(B, O)>);

impl<A, Q, B, F, O> Look<(Ask<A, Q>, Key, F)> for Then<B, O>
where
    A: Receiver<Q>,
    A::Reply: Send,
    Q: Send + 'static,
    B: Actor,
    F: FnOnce(&mut B, Answer<A::Reply>, &mut Context<B>) -> O + 'static,
    O: IntoFlow + 'static,
{
    type Result = ();

    #[inline(always)]
    fn look(core: Option<&Core>, (ask, asker, then): (Ask<A, Q>, Key, F)) {
        let Some(core) = core else {
            drop_from(None, ask.question);
            return drop_from(None, then);
        };
        if ask.to.core() != core.id || ask.timeout.is_some() {
            return ask_otherwise::<A, Q, B, F, O>(core, aside((ask, asker, then)));
        }
        match core.begin_next_answer(asker, continuation::<B, A::Reply, F, O>(core, then), None) {
            Ok(task) => {
                let reply = Reply::new(AnswerTo::usual(core, task));
                A::ask_here(ask.route, core, ask.to.cell(), ask.question, reply);
            }
            Err(task) => ask_first(core, aside((ask, asker, task)), type_name::<F>()),
        }
    }
}

/// Asks an actor of this core, for a continuation that is the first or finds no room.
#[cold]
#[inline(never)]
fn ask_first<A, Q>(core: &Core, (ask, asker, task): (Ask<A, Q>, Key, AnyTask), name: &'static str)
where
    A: Receiver<Q>,
    Q: 'static,
{
    let begun = core.begin_answer(asker, task, None).map(|task| AnswerTo::usual(core, task));
    ask_if_begun(core, ask, begun_or_refused(core, asker, begun, name));
}

fn ask_if_begun<A: Receiver<Q>, Q: 'static>(core: &Core, ask: Ask<A, Q>, reply: Option<Reply<A::Reply>>) {
    match reply {
        Some(reply) => A::ask_here(ask.route, core, ask.to.cell(), ask.question, reply),
        None => core.drop_contained(ask.question),
    }
}

/// Asks an actor of another core, or of this one with a timeout of its own.
#[inline(never)]
fn ask_otherwise<A, Q, B, F, O>(core: &Core, (ask, asker, then): (Ask<A, Q>, Key, F))
where
    A: Receiver<Q>,
    A::Reply: Send,
    Q: Send + 'static,
    B: Actor,
    F: FnOnce(&mut B, Answer<A::Reply>, &mut Context<B>) -> O + 'static,
    O: IntoFlow + 'static,
{
    if ask.to.core() != core.id {
        return ask_elsewhere::<A, Q, B, F, O>(core, (ask, asker, then));
    }
    let reply = begin_answer(core, asker, ask.timeout, None, then);
    ask_if_begun(core, ask, reply);
}

/// Asks an actor of another core.
#[inline(always)]
fn ask_elsewhere<A, Q, B, F, O>(core: &Core, (ask, asker, then): (Ask<A, Q>, Key, F))
where
    A: Receiver<Q>,
    A::Reply: Send,
    Q: Send + 'static,
    B: Actor,
    F: FnOnce(&mut B, Answer<A::Reply>, &mut Context<B>) -> O + 'static,
    O: IntoFlow + 'static,
{
    let Some(reply) = begin_answer(core, asker, ask.timeout, Some(ask.to.core()), then) else {
        return core.drop_contained(ask.question);
    };
    let posted = post(Some(core), ask.to, arrive::<A, Q>, (ask.route, ask.question, reply));
    refused::<A, Q>(Some(core), posted);
}

/// Puts a continuation where an answer will find it; none if the core has as many tasks as it may: then it runs soon, and is
/// told so. `asked`: the core that is asked, if that is another one.
#[inline(always)]
fn begin_answer<B: Actor, T: 'static, F, O>(
    core: &Core,
    asker: Key,
    timeout: Option<Duration>,
    asked: Option<CoreId>,
    then: F,
) -> Option<Reply<T>>
where
    F: FnOnce(&mut B, Answer<T>, &mut Context<B>) -> O + 'static,
    O: IntoFlow + 'static,
{
    let task = continuation::<B, T, F, O>(core, then);
    let begun = match deadline(timeout, core.id) {
        None => core.begin_answer(asker, task, asked).map(|task| AnswerTo::usual(core, task)),
        Some(deadline) => {
            let begun = core.begin_answer_until(asker, task, asked, deadline);
            begun.map(|task| AnswerTo::new(core, task, deadline))
        }
    };
    begun_or_refused(core, asker, begun, type_name::<F>())
}

/// What runs on the asker once an answer has come, where an answer will find it.
#[inline(always)]
fn continuation<B: Actor, T: 'static, F, O>(core: &Core, then: F) -> AnyTask
where
    F: FnOnce(&mut B, Answer<T>, &mut Context<B>) -> O + 'static,
    O: IntoFlow + 'static,
{
    let continuation = Continuation::<B, F> { then, actor: PhantomData };
    AnyTask::waiting::<Answer<T>, _>(core.cells.blocks(), continuation)
}

/// The reply for a continuation that has begun to wait; none if there is no room for it, which it is told soon.
#[inline(always)]
fn begun_or_refused<T: 'static>(
    core: &Core,
    asker: Key,
    begun: Result<AnswerTo<Answer<T>>, AnyTask>,
    name: &'static str,
) -> Option<Reply<T>> {
    match begun {
        Ok(to) => Some(Reply::new(to)),
        Err(task) => {
            refuse_answer::<T>(core, asker, task, name);
            None
        }
    }
}

fn limit(deadline: Option<Time>) -> Limit {
    deadline.map_or(Limit::Usual, Limit::At)
}

/// When a time is over that begins now: not when the turn began. `asked`: the core that is asked.
#[inline]
fn deadline(timeout: Option<Duration>, asked: CoreId) -> Option<Time> {
    let now = || current::with(|core| core.map_or_else(|| stage::now(asked), Core::read_clock));
    timeout.map(|timeout| now().after(timeout))
}

/// Has a continuation told that there was no room for its question. If too many are to be told that already, or its actor is
/// gone, it is dropped, which is counted; and whoever waits for a reply that it holds is told as much.
#[cold]
fn refuse_answer<T: 'static>(core: &Core, asker: Key, task: AnyTask, name: &'static str) {
    let task = match core.begin(Some(asker), task, Kind::Answer, Limit::Refused) {
        // It has begun just now, and waits.
        Ok((task, _)) => {
            core.answer_task::<Answer<T>>(task, Err(AskError::Full));
            return;
        }
        Err(task) => task,
    };
    if core.cells.exists(asker) {
        core.report_failure(
            name,
            format_args!(
                "is not told that its question found no room: too many are told that, see Config::tasks_max"
            ),
        );
    }
    core.unanswered_because(AskError::Full, || core.drop_contained(task));
}

/// Asks an actor of this core. Whoever waits is told if that cannot be.
#[inline(always)]
pub(super) fn ask_here<A: Actor, Q: Question<A>>(core: &Core, to: Key, question: Q, reply: Reply<Q::Reply>) {
    let wrap = |(question, reply): (Q, Reply<Q::Reply>)| question.into_message(reply);
    if let Err(refused) = put_here::<A, _>(core, to, (question, reply), Q::PRIORITY, wrap) {
        refuse(core, refused);
    }
}

/// Tells whoever waits that the question was not asked.
#[cold]
fn refuse<Q, R: 'static>(core: &Core, refused: SendError<(Q, Reply<R>)>) {
    let (why, (question, reply)) = match refused {
        SendError::Full(both) => (AskError::Full, both),
        SendError::Stopped(both) => (AskError::Stopped, both),
    };
    core.drop_contained(question);
    reply.refuse(why);
}

fn ask_local<A: Actor, Q: Question<A>>(core: &Core, to: RawAddress, question: Q, reply: Reply<Q::Reply>) {
    if to.core() == core.id {
        return ask_here::<A, Q>(core, to.cell(), question, reply);
    }
    // A local address does not leave its core, but that of another system may have been on this thread.
    core.drop_contained(question);
    reply.refuse(AskError::Stopped);
}

/// Asks an actor of this core for somebody whom only a oneshot reaches.
fn relay_here<A: Receiver<Q>, Q>(
    core: &Core,
    to: Key,
    (route, question): (A::Route, Q),
    deadline: Option<Time>,
    relay: Relay<A::Reply>,
) {
    match begin_relay(core, deadline, relay) {
        Some(reply) => A::ask_here(route, core, to, question, reply),
        None => core.drop_contained(question),
    }
}

/// A reply whose answer goes to the oneshot.
pub(super) fn reply_to<T: 'static>(core: &Core, answer: Arc<Oneshot<Answer<T>>>) -> Option<Reply<T>> {
    begin_relay(core, None, Relay { answer })
}

/// A reply for whoever waits behind a relay; none if the core has as many tasks as it may: then they are told so.
fn begin_relay<T: 'static>(core: &Core, deadline: Option<Time>, relay: Relay<T>) -> Option<Reply<T>> {
    let relay = AnyTask::waiting::<Answer<T>, _>(core.cells.blocks(), relay);
    match core.begin(None, relay, Kind::Relay, limit(deadline)) {
        Ok((task, deadline)) => Some(Reply::new(AnswerTo::new(core, task, deadline))),
        Err(relay) => {
            core.unanswered_because(AskError::Full, || core.drop_contained(relay));
            None
        }
    }
}

/// Where an answer comes in. It may be refused if an actor waits for it that handles nothing else meanwhile.
fn oneshot<T>() -> Arc<Oneshot<T>> {
    let watched = current::with(|core| core.is_some_and(Core::is_polling_exclusive));
    Arc::new(Oneshot::watched_if(watched))
}

type Asked<A, Q> = (<A as Receiver<Q>>::Route, Q, Reply<<A as Receiver<Q>>::Reply>);

fn arrive<A: Receiver<Q>, Q: 'static>(to: Key, asked: Asked<A, Q>) {
    current::with_value::<Arriving<A, Q>, _>((to, asked));
}

struct Arriving<A, Q>(PhantomData<(A, Q)>);

impl<A: Receiver<Q>, Q> Look<(Key, Asked<A, Q>)> for Arriving<A, Q> {
    type Result = ();

    #[inline(always)]
    fn look(core: Option<&Core>, (to, (route, question, reply)): (Key, Asked<A, Q>)) {
        if let Some(core) = core {
            A::ask_here(route, core, to, question, reply);
        }
    }
}

type Relayed<A, Q> = ((<A as Receiver<Q>>::Route, Q), Option<Time>, Relay<<A as Receiver<Q>>::Reply>);

fn arrive_relayed<A: Receiver<Q>, Q>(to: Key, (question, deadline, relay): Relayed<A, Q>) {
    current::with(|core| core.map(|core| relay_here::<A, Q>(core, to, question, deadline, relay)));
}

fn reason<M>(refused: Refused<M>) -> (AskError, M) {
    match refused {
        Refused::Full(message) => (AskError::Full, message),
        Refused::Gone(message) => (AskError::Stopped, message),
    }
}

/// Tells whoever waits that the question did not leave. In a test, it is the test that answers for nobody.
fn refused<A: Receiver<Q>, Q>(from: Option<&Core>, posted: Result<(), Refused<Asked<A, Q>>>) {
    let Err(refused) = posted else { return };
    let (why, (_, question, reply)) = reason(refused);
    if why == AskError::Stopped
        && let Some(test) = from.and_then(testing::find)
    {
        return testing::hold(&test, A::content(question), reply);
    }
    drop_from(from, question);
    reply.refuse(why);
}

/// The same for whom only a relay reaches.
#[cold]
fn refuse_relayed<A: Receiver<Q>, Q>(
    from: Option<&Core>,
    why: AskError,
    question: Q,
    deadline: Option<Time>,
    relay: Relay<A::Reply>,
) {
    let test = from.filter(|_| why == AskError::Stopped).and_then(testing::find);
    let Some(test) = test else {
        relay.refuse(why);
        return drop_from(from, question);
    };
    match begin_relay(test.core(), deadline, relay) {
        Some(reply) => testing::hold(&test, A::content(question), reply),
        None => drop_from(from, question),
    }
}

/// What runs on an actor once an answer has come.
struct Continuation<B, F> {
    then: F,
    actor: PhantomData<fn(B)>,
}

impl<B, T, F, O> Waiting<Answer<T>> for Continuation<B, F>
where
    B: Actor,
    T: 'static,
    F: FnOnce(&mut B, Answer<T>, &mut Context<B>) -> O + 'static,
    O: IntoFlow + 'static,
{
    #[inline]
    fn go_on(self, answer: Option<Answer<T>>, core: &Core, owner: Option<&Activation<'_>>) -> Flow {
        let Some(owner) = owner else {
            self.give_up(core, answer);
            return Flow::Continue;
        };
        // A cell that runs has a head, of the type that the asker's context named: this is called.
        let flow = owner.with_head(|head: &Head<B>| {
            let mut cx = Context::at(owner.address());
            let mut state = head.state().try_borrow_mut();
            let Ok(Some(actor)) = state.as_deref_mut() else {
                self.give_up(core, answer);
                return Flow::Continue;
            };
            let answer = answer.unwrap_or(Err(AskError::Timeout));
            user(|| (self.then)(actor, answer, &mut cx).into_flow(type_name::<F>()))
        });
        flow.unwrap_or(Flow::Continue)
    }
}

impl<B, F> Continuation<B, F> {
    /// There is no state for it. What it holds, and the answer, are values of users.
    #[cold]
    fn give_up<T>(self, core: &Core, answer: Option<Answer<T>>) {
        core.drop_contained(self.then);
        core.drop_contained(answer);
    }
}

impl<A: Receiver<Q>, Q> fmt::Debug for Ask<A, Q> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Ask").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl<A: Receiver<Q>, Q> fmt::Debug for LocalAsk<A, Q> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ask.fmt(out)
    }
}

impl<A: Actor, Args, R, const CONTROL: bool> fmt::Debug for Call<A, Args, R, CONTROL> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Call").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
