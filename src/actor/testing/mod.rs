//! A context for calling handlers without a system, and what a test sees through it.
//!
//! Knows: what a handler has begun, and how a test goes on with it. Must not know what is written.
//!
//! A test context has a [`Guest`] core of its own, with one cell whose state is with the test. What the runtime does for an actor is
//! done there as ever, with the state lent to the cell meanwhile. Only the thread, the kernel and the time are left out.

mod asker;
mod probe;
mod questions;

use std::any::type_name;
use std::cell::RefCell;
use std::fmt;
use std::future::IntoFuture;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::ask::reply_to;
use super::head::Head;
use super::reply::Reply;
use super::{Actor, Addr, AskError, Batch, Context, Flow, StopReason, body};
use crate::config::Config;
use crate::executor::{Activation, Core, Guest, Kind, Limit, Oneshot, Output};
use crate::mem::{Key, lend};

pub use asker::Asker;
pub use probe::{Probe, nobody, probe};
use questions::Questions;
pub(super) use questions::{find, hold};

/// A context for unit tests: what handlers are called with, where there is no system. They are ordinary methods:
/// `session.line("/quit", &mut TestContext::new())`.
///
/// Whatever a handler does with its context it can do with this one, and the test looks at what has come of it. Nothing runs by
/// itself: what the handler has begun goes on with [`run`](TestContext::run), the time with
/// [`advance`](TestContext::advance). There is no thread, no socket, and no kernel; the limits are real ones.
///
/// It stays on the thread where it was made. That may be the thread of a system: what is tested there does not reach it, unless it is
/// told something by address. Only what asks the thread and not the context finds no core here, or the system's:
/// [`task::spawn`](crate::task::spawn), [`time::now`](crate::time::now), and the count of dead letters.
///
/// **Costs** a core without a thread: some 200 KB and as many microseconds.
///
/// ```
/// use odeon::prelude::*;
/// use odeon::testing::{TestContext, nobody};
///
/// struct Counter;
///
/// #[actor]
/// impl Counter {
///     #[call]
///     fn count(&self, word: String) -> usize {
///         word.len()
///     }
/// }
///
/// struct Session {
///     counter: Addr<Counter>,
/// }
///
/// #[actor(codec = Lines<80>)]
/// impl Session {
///     #[frame]
///     fn line(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
///         if line == "/quit" {
///             cx.write_line("bye");
///             return Flow::Close;
///         }
///         let place = cx.defer();
///         self.counter.count(line.to_owned()).then(cx, move |_, count, cx| match count {
///             Ok(count) => cx.fill_line(place, count.to_string()),
///             Err(_) => cx.fill_line(place, "not now"),
///         });
///         Flow::Continue
///     }
/// }
///
/// let mut session = Session { counter: nobody() };
/// assert_eq!(session.line("/quit", &mut TestContext::new()), Flow::Close);
///
/// let mut cx = TestContext::new();
/// assert_eq!(session.line("words", &mut cx), Flow::Continue);
/// assert_eq!(session.line("/quit", &mut cx), Flow::Close);
/// assert_eq!((cx.asked(), cx.open_places(), cx.written_text()), (1, 1, String::new()));
///
/// assert_eq!(cx.take_question(), Some(("words".to_owned(),)));
/// cx.answer(Ok(5_usize));
/// assert_eq!(cx.run(&mut session), None);
/// assert_eq!(cx.written_text(), "5\nbye\n");
/// ```
pub struct TestContext<A: Actor> {
    context: Context<A>,
    guest: Rc<Guest>,
    cell: Key,
}

/// So many times the clock is moved on for nothing but what comes again and again. The documentation says it in words.
const IN_VAIN_MAX: u32 = if cfg!(miri) { 100 } else { 100_000 };

/// A core that no socket is read on, and that few bytes are written on: what does not fit into the slots is kept beside them.
fn limits() -> Config {
    Config { send_slots: [8, 4, 2, 1, 0], inbox_capacity: 1024, ..Config::default() }
}

impl<A: Actor> TestContext<A> {
    /// A context with the limits of [`Config::default`]; 1,024 messages from elsewhere wait at most before they are looked at.
    #[must_use]
    pub fn new() -> TestContext<A> {
        TestContext::with_config(limits())
    }

    /// A context with these limits, to see what a handler does at one: an outbox that is full, an actor that cannot be spawned. The actor
    /// itself counts among `actors_max`. What an actor's own type says of its outbox counts for nothing here.
    ///
    /// # Panics
    /// When a limit cannot be.
    #[must_use]
    #[track_caller]
    pub fn with_config(mut config: Config) -> TestContext<A> {
        if let Err(error) = config.check() {
            panic!("{error}");
        }
        (config.receive_buffers, config.receive_buffer_bytes) = (1, 64);
        let guest = Guest::new(config, Box::new(Questions::default()));
        let core = guest.core();
        let cell = body::reserve::<A>(core).expect("Config::check wants room for one actor at least");
        core.open_output(cell, Output::new(core.config.outbox_bytes_max));
        TestContext { context: Context::at(core.address(cell)), cell, guest }
    }

    /// Goes on with everything that can go on now, as a core would: answers that have come, futures that were woken, messages to
    /// this actor, and those that it has set for times that have passed, however often they come. Answers why the actor ends, if it does: for what a handler has returned, because somebody has stopped it,
    /// or because of its output. [`Actor::stopped`] is not called.
    ///
    /// An exclusive future (`async fn(&mut self, …)`) is run to its end, because it has borrowed the state. Where it waits for a time,
    /// and for an answer that nobody gives, the clock is moved on to the next time that anybody waits for.
    ///
    /// An actor that always has more to do, because it sends to itself, is run for ever.
    ///
    /// # Panics
    /// When code of the actor has panicked: its own message has been told before. When an exclusive future waits for something
    /// that only another thread could do. That is given up also where messages that the actor has set for later come again and again:
    /// once they alone have moved the clock a hundred thousand times.
    #[track_caller]
    pub fn run(&mut self, actor: &mut A) -> Option<StopReason> {
        let ended = self.lent(actor, |core, head| {
            self.go_on(core, head, |batch| match batch {
                Batch::End(reason) => Some(Some(reason)),
                Batch::Empty if !core.cells.is_suspended(self.cell) => Some(None),
                Batch::Empty | Batch::Again => None,
            })
        });
        let ended = match ended {
            Ok(ended) => ended,
            Err(stuck) => stuck.tell::<A>(),
        };
        match self.core().with_output(self.cell, |output| (output.overflowed(), output.is_broken())) {
            Some((true, _)) => Some(StopReason::OutboxFull),
            Some((_, true)) => ended.or(Some(StopReason::Failed)),
            _ => ended,
        }
    }

    /// Waits for a future, and meanwhile for everything that [`run`](TestContext::run) does: for a concurrent handler, or for the answer to
    /// a question that the actor itself is asked, which is how an asynchronous handler is tested. Where all wait, the clock is moved on to
    /// the next time that anybody waits for. Whether the actor would have ended is not asked.
    ///
    /// ```
    /// use std::time::Duration;
    /// use odeon::prelude::*;
    /// use odeon::testing::TestContext;
    /// use odeon::time::sleep;
    ///
    /// #[derive(Default)]
    /// struct Sum(u64);
    ///
    /// #[actor]
    /// impl Sum {
    ///     #[call]
    ///     async fn add(&mut self, more: u64) -> u64 {
    ///         sleep(Duration::from_secs(1)).await;
    ///         self.0 += more;
    ///         self.0
    ///     }
    /// }
    ///
    /// let (mut sum, mut cx) = (Sum::default(), TestContext::new());
    /// let start = cx.now();
    /// assert_eq!(cx.block_on(&mut sum, cx.me().add(40)), Ok(40));
    /// assert_eq!(cx.block_on(&mut sum, cx.me().add(2)), Ok(42));
    /// assert_eq!((sum.0, cx.now().since(start).as_secs()), (42, 2));
    /// ```
    ///
    /// # Panics
    /// As [`run`](TestContext::run), and when the future waits for something that does not come.
    #[track_caller]
    pub fn block_on<F>(&mut self, actor: &mut A, future: F) -> F::Output
    where
        F: IntoFuture<Output: 'static, IntoFuture: 'static>,
    {
        let result = Rc::new(RefCell::new(None));
        let waited = self.lent(actor, |core, head| {
            let (future, result_of) = (future.into_future(), Rc::clone(&result));
            let future = async move {
                *result_of.borrow_mut() = Some(future.await);
                Flow::Continue
            };
            let begun = core.begin_future(self.cell, Limit::Never, type_name::<F>(), future);
            begun.map_err(|_| Stuck::NoRoom)?;
            self.go_on(core, head, |batch| {
                let waits = result.borrow().is_none() || core.cells.is_suspended(self.cell);
                (batch == Batch::Empty && !waits).then_some(())
            })
        });
        if let Err(stuck) = waited {
            stuck.tell::<A>();
        }
        result.take().expect("a future that has been waited for has finished")
    }

    /// Moves the clock on, which stands still otherwise: it began with the time of the machine. What was to happen meanwhile happens
    /// with the next [`run`](TestContext::run).
    pub fn advance(&mut self, duration: Duration) {
        self.guest.advance(duration);
    }

    /// Takes what has been sent to this actor, in order, its own messages to itself included.
    /// [`run`](TestContext::run) has them handled instead.
    pub fn messages(&mut self) -> Vec<A::Message> {
        self.guest.receive();
        self.guest.enter(|core| self.with_head(core, |head| std::iter::from_fn(|| head.pop(core)).collect()))
    }

    /// Takes the oldest of these.
    fn message(&mut self) -> Option<A::Message> {
        self.guest.receive();
        self.guest.enter(|core| self.with_head(core, |head| head.pop(core)))
    }

    /// Questions that wait for [`answer`](TestContext::answer): those that the actor has asked of [nobody](super::nobody), or of
    /// actors that are gone, and whose time is not over. Questions to other actors are with those, and answered by them.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.guest.enter(|_| self.questions().count())
    }

    /// What the oldest of these questions consists of: the message, or the arguments of a call as a tuple. None if it is no `C`. It
    /// can be had once, and the answer is waited for as before.
    pub fn take_question<C: 'static>(&mut self) -> Option<C> {
        self.guest.enter(|_| self.questions().take_content())
    }

    /// Answers the oldest of these questions; if there is none, the next one, at once when it is asked. What follows
    /// happens with the next [`run`](TestContext::run): the continuation, or a future that waits.
    ///
    /// # Panics
    /// When the question is answered by another type. Where the answer was there first, the panic comes out of what asks. And when the
    /// context is dropped, unless the test has failed already: where nobody has asked for an answer that was there first.
    #[track_caller]
    pub fn answer<T: 'static>(&mut self, answer: Result<T, AskError>) {
        // Not in a closure: the panic is to name the line of the test.
        let given = Location::caller();
        if let Err(wrong) = self.guest.enter(|_| self.questions().answer(answer, given)) {
            wrong.tell();
        }
    }

    /// A reply for a handler that takes one, and what whoever asked gets to see of it.
    ///
    /// ```
    /// use odeon::prelude::*;
    /// use odeon::testing::TestContext;
    ///
    /// #[derive(Default)]
    /// struct Door {
    ///     waiting: Vec<Reply<usize>>,
    /// }
    ///
    /// #[actor]
    /// impl Door {
    ///     #[call]
    ///     fn wait(&mut self, reply: Reply<usize>) {
    ///         self.waiting.push(reply);
    ///     }
    ///
    ///     #[call]
    ///     fn open(&mut self) {
    ///         self.waiting.drain(..).enumerate().for_each(|(place, reply)| reply.send(place));
    ///     }
    /// }
    ///
    /// let mut cx = TestContext::<Door>::new();
    /// let (mut door, (reply, asker)) = (Door::default(), cx.reply());
    /// door.wait(reply);
    /// assert_eq!(asker.take(), None);
    /// door.open();
    /// assert_eq!(asker.take(), Some(Ok(0)));
    /// ```
    pub fn reply<T: 'static>(&mut self) -> (Reply<T>, Asker<T>) {
        let answer = Arc::new(Oneshot::new());
        let asker = Asker::new(&self.guest, answer.clone());
        let reply = self.guest.enter(|core| reply_to(core, answer));
        (reply.unwrap_or_else(Reply::nobody), asker)
    }

    /// Futures that the actor has begun and that have not finished, exclusive or concurrent, and streams that are attached to it.
    #[must_use]
    pub fn futures(&self) -> usize {
        let tasks = &self.core().tasks;
        [Kind::Exclusive, Kind::Future, Kind::Source].into_iter().map(|kind| tasks.count(kind)).sum()
    }

    /// Actors that this one has spawned. They are kept and not run: what is sent to them waits.
    #[must_use]
    pub fn spawned(&self) -> usize {
        self.core().counters.started.get() as usize
    }

    /// Takes one of these out, to look at it, or to go on with it and a context of its own. None if it is none of them, or was
    /// taken before.
    pub fn take_spawned<B: Actor>(&mut self, spawned: Addr<B>) -> Option<B> {
        let (core, raw) = (self.core(), spawned.raw());
        if raw.core() != core.id {
            return None;
        }
        core.cells.find(raw.cell(), Head::<B>::take_state)?
    }

    /// The core whose current state is that of this test.
    pub(crate) fn core(&self) -> &Core {
        self.guest.core()
    }

    /// The cell of the actor.
    pub(crate) fn cell_of_actor(&self) -> Key {
        self.cell
    }

    fn with_head<R>(&self, core: &Core, act: impl FnOnce(&Head<A>) -> R) -> R {
        core.cells.find(self.cell, act).expect("the cell of a test is there as long as its context")
    }

    fn questions(&self) -> &Questions {
        self.guest.kept().downcast_ref().expect("what is kept with the core of a test are its questions")
    }

    /// Runs something with the state of the actor where the runtime looks for it.
    fn lent<R>(&self, actor: &mut A, run: impl FnOnce(&Core, &Head<A>) -> R) -> R {
        self.guest.enter(|core| {
            self.with_head(core, |head| {
                lend(actor, head.state(), || {
                    let result = run(core, head);
                    if core.cells.is_suspended(self.cell) {
                        // A future still borrows the state. It cannot be kept: the test may do with its actor what it likes.
                        core.end_tasks(self.cell);
                    }
                    result
                })
            })
        })
    }

    /// Takes in what has arrived, and activates the actor once.
    fn step(&self, core: &Core, head: &Head<A>) -> Batch {
        self.guest.receive();
        let mut cx = Context::at(core.address(self.cell));
        match Activation::of_started(core, self.cell, |activation| body::run(head, activation, &mut cx)) {
            // A core would have it in its queue again.
            Batch::Empty if core.cells.has_errands(self.cell) || self.guest.is_due() => Batch::Again,
            batch => batch,
        }
    }

    /// Activates the actor until `done` answers something. Where everything waits, lets time pass.
    fn go_on<R>(&self, core: &Core, head: &Head<A>, done: impl Fn(Batch) -> Option<R>) -> Result<R, Stuck> {
        let mut in_vain = 0;
        loop {
            let batch = self.step(core, head);
            if batch == Batch::End(StopReason::Panicked) {
                return Err(Stuck::Panicked);
            }
            if let Some(result) = done(batch) {
                return Ok(result);
            }
            if batch == Batch::Empty {
                in_vain += u32::from(!self.guest.awaits_more_than_timers());
                if in_vain > IN_VAIN_MAX || !self.guest.advance_to_next() {
                    return Err(Stuck::Waits);
                }
            }
        }
    }
}

/// Why there is no going on.
#[derive(Debug, Clone, Copy)]
enum Stuck {
    Waits,
    Panicked,
    NoRoom,
}

impl Stuck {
    /// Tells the test what it must not miss. The state of the actor is back with it by now.
    #[track_caller]
    fn tell<A>(self) -> ! {
        let actor = type_name::<A>();
        match self {
            Stuck::Waits => panic!("a future of {actor} waits for what does not come"),
            Stuck::Panicked => panic!("{actor} has panicked, as told above"),
            Stuck::NoRoom => panic!("{actor} has as many tasks as Config::tasks_max allows"),
        }
    }
}

/// Fails a test that takes an answer for granted which nobody has asked for.
impl<A: Actor> Drop for TestContext<A> {
    fn drop(&mut self) {
        if let Some((given, answer)) = self.questions().unasked()
            && !std::thread::panicking()
        {
            let actor = type_name::<A>();
            panic!("{actor} has not asked for the answer, a `{answer}`, that the test gave at {given}");
        }
    }
}

impl<A: Actor> Default for TestContext<A> {
    fn default() -> TestContext<A> {
        TestContext::new()
    }
}

impl<A: Actor> Deref for TestContext<A> {
    type Target = Context<A>;

    fn deref(&self) -> &Context<A> {
        &self.context
    }
}

impl<A: Actor> DerefMut for TestContext<A> {
    fn deref_mut(&mut self) -> &mut Context<A> {
        &mut self.context
    }
}

impl<A: Actor> fmt::Debug for TestContext<A> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TestContext").field("context", &self.context).finish_non_exhaustive()
    }
}
