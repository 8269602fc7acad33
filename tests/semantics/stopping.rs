//! Promise 8: what comes after what at the end of an actor, and what it is told of why.
//!
//! The socket of a connection closes before its watchers are told: `tests/server/endings.rs`.

use std::future::{Future, pending};
use std::pin::Pin;
use std::task::{Context as Polling, Waker};
use std::time::Duration;

use odeon::prelude::*;
use odeon::{SendError, Timeout};

use crate::world::{Notes, On, World, panic_quietly};

type Trace = Notes<&'static str>;

/// Longer than any case takes.
const AGES: Duration = Duration::from_secs(3600);
/// So few that all places can be filled.
const ACTORS_MAX: u32 = 16;

/// Notes when it is dropped.
struct Noisy(&'static str, Trace);

impl Drop for Noisy {
    fn drop(&mut self) {
        self.1.note(self.0);
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<(), AskError>> + Send>>;

/// A question of which it is looked whether it has been answered.
struct Asked(Option<Answer>, Trace);

impl Asked {
    fn look(&mut self) -> Option<Result<(), AskError>> {
        let polled = self.0.as_mut()?.as_mut().poll(&mut Polling::from_waker(Waker::noop()));
        match polled {
            std::task::Poll::Ready(answer) => {
                self.0 = None;
                Some(answer)
            }
            std::task::Poll::Pending => None,
        }
    }
}

/// The last part of the state.
impl Drop for Asked {
    fn drop(&mut self) {
        let answered = self.look() == Some(Err(AskError::Stopped));
        self.1.note(if answered { "state dropped, asker told" } else { "state dropped" });
    }
}

#[derive(Message)]
struct Waiting {
    _held: Noisy,
}

/// The end comes when this is handled.
#[derive(Message)]
struct Last(End, Addr<Filler>);

#[derive(Message)]
struct Finish(Flow);

struct Subject {
    trace: Trace,
    asked: Asked,
    /// Why it ends, as it is told.
    told: Notes<StopReason>,
}

#[actor(mailbox(capacity = 8, overflow = stop))]
impl Subject {
    /// Begins what an actor can begin.
    #[call]
    fn begin(&mut self, cx: &mut Context<Self>) {
        let noisy = |what| Noisy(what, self.trace.clone());
        assert!(cx.send_after(AGES, Waiting { _held: noisy("timer dropped") }).is_ok(), "there is room");
        let held = noisy("future dropped");
        let _ = cx.concurrent("waits", Timeout::Never, async move {
            let _held = held;
            pending().await
        });
    }

    /// Asks itself, behind all that waits, and ends.
    #[message]
    fn last(&mut self, Last(end, dead): Last, cx: &mut Context<Self>) -> Flow {
        self.asked.0 = Some(Box::pin(cx.me().late().timeout(AGES).into_future()));
        assert!(self.asked.look().is_none(), "it cannot have been handled");
        match end {
            End::Stop => cx.me().stop(),
            End::Abort => cx.me().abort(),
            End::Flow(flow) => return flow,
            End::Panic => panic_quietly(),
            End::Link => cx.link(dead).expect("there is room"),
            End::Overflow => while cx.me().tell(Finish(Flow::Continue)).is_ok() {},
        }
        Flow::Continue
    }

    #[message]
    fn waiting(&mut self, _: Waiting) {}

    #[message]
    fn finish(&mut self, Finish(flow): Finish) -> Flow {
        flow
    }

    /// Is never handled before the end.
    #[call]
    fn late(&mut self) {
        self.trace.note("handled");
    }

    #[stopped]
    fn stopped(&mut self, why: StopReason, cx: &mut Context<Self>) {
        self.told.note(why);
        let closed = matches!(cx.me().tell(Finish(Flow::Stop)), Err(SendError::Stopped(_)));
        self.trace.note(if closed { "mailbox closed" } else { "mailbox open" });
        self.trace.note(if self.asked.look().is_some() { "asker told" } else { "stopped" });
        self.trace.note(if cx.spawn(Filler).is_ok() { "place free" } else { "place taken" });
        // What it begins now ends as well.
        let noisy = Noisy("late timer dropped", self.trace.clone());
        assert!(cx.send_after(AGES, Waiting { _held: noisy }).is_ok(), "there is room");
    }
}

/// Takes a place.
struct Filler;

#[actor]
impl Filler {}

/// Has the end of somebody come, and watches it.
struct Witness(Trace, Notes<StopReason>);

/// How the end comes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Stop,
    Abort,
    Flow(Flow),
    Panic,
    /// It is linked to whoever has ended.
    Link,
    /// Its mailbox has no room.
    Overflow,
}

impl End {
    fn reason(self) -> StopReason {
        match self {
            End::Stop | End::Flow(Flow::Stop | Flow::Close | Flow::Continue) => StopReason::Stopped,
            End::Abort => StopReason::Aborted,
            End::Flow(Flow::Fail) => StopReason::Failed,
            End::Panic => StopReason::Panicked,
            End::Link => StopReason::LinkEnded,
            End::Overflow => StopReason::MailboxFull,
        }
    }
}

#[actor]
impl Witness {
    #[call]
    fn watch(&mut self, who: Addr<Subject>, cx: &mut Context<Self>) {
        cx.watch(who).expect("there is room");
    }

    /// Leaves a message and a question in its mailbox, behind what ends it.
    #[call]
    fn end(&mut self, who: Addr<Subject>, last: Last, cx: &mut Context<Self>) {
        assert!(who.tell(last).is_ok(), "there is room");
        assert!(
            who.tell(Waiting { _held: Noisy("message dropped", self.0.clone()) }).is_ok(),
            "there is room"
        );
        who.late().timeout(AGES).then(cx, |me, answer, _| {
            me.0.note(if answer == Err(AskError::Stopped) { "asker told" } else { "asker told otherwise" });
        });
    }

    #[message]
    fn down(&mut self, Down { reason, .. }: Down, cx: &mut Context<Self>) {
        self.1.note(reason);
        self.0.note("watcher told");
        self.0.note(if cx.spawn(Filler).is_ok() { "place free" } else { "place taken" });
    }
}

const WHOLE: [&str; 11] = [
    "future dropped",
    "timer dropped",
    "mailbox closed",
    "stopped",
    "place taken",
    "late timer dropped",
    "message dropped",
    "state dropped, asker told",
    "asker told",
    "watcher told",
    "place free",
];

/// An address at which nobody is any more.
fn dead(world: &World) -> Addr<Filler> {
    let actors = || world.ledgers()[0].actors;
    let (before, filler) = (actors(), world.spawn(0, Filler));
    filler.stop();
    world.until("its end", || actors() == before);
    filler
}

fn end_in_order(on: On, ends: &[End], spawn: impl Fn(&World, Subject) -> Addr<Subject>) {
    for end in ends.iter().copied() {
        let world =
            World::with(on, 1, |config| (config.actors_max, config.activation_messages) = (ACTORS_MAX, 1));
        let (trace, told, dead) = (Trace::new(), Notes::new(), dead(&world));
        let witness = world.spawn(0, Witness(trace.clone(), told.clone()));
        let asked = Asked(None, trace.clone());
        let subject = spawn(&world, Subject { trace: trace.clone(), asked, told: told.clone() });
        let begun = Notes::new();
        let noted = begun.clone();
        world.run(0, move |cx| {
            witness.watch(subject).then(cx, |_, done, _| done.expect("it is answered"));
            subject.begin().then(cx, move |_, done, _| noted.note(done));
        });
        world.until("all to have begun", || begun.len() == 1);
        assert_eq!(begun.take(), [Ok(())]);
        world.run(0, move |cx| {
            while cx.spawn(Filler).is_ok() {}
            witness.end(subject, Last(end, dead)).then(cx, |_, done, _| done.expect("it is answered"));
        });
        world.until("the end", || trace.len() == WHOLE.len());
        assert_eq!(trace.take(), WHOLE, "{end:?}");
        assert_eq!(told.take(), [end.reason(); 2], "{end:?}: its last hook, and who watches");
        world.end();
    }
}

/// Those that are no failures.
const ENDS: [End; 6] =
    [End::Stop, End::Abort, End::Flow(Flow::Stop), End::Flow(Flow::Close), End::Link, End::Overflow];

pub fn each_part_of_the_end_of_an_actor_comes_in_its_order(on: On) {
    let ends = [&ENDS[..], &[End::Flow(Flow::Fail), End::Panic]].concat();
    end_in_order(on, &ends, |world, subject| world.spawn(0, subject));
}

pub fn each_part_of_the_end_of_a_supervised_actor_comes_in_its_order(on: On) {
    end_in_order(on, &ENDS, |world, subject| {
        let mut only = Some(subject);
        world.supervise(0, Restart::one_for_one(), move || only.take().expect("it is not begun again"))
    });
}
