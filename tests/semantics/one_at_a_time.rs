//! Promise 2: an actor does one thing at a time, on one core; only concurrent handlers interleave, and only where they wait.
//!
//! That whoever waits for itself thereby is told so: `cycles.rs`.

use std::future::poll_fn;
use std::task::Poll;
use std::thread::{self, ThreadId};
use std::time::Duration;

use odeon::Timeout;
use odeon::prelude::*;
use odeon::sys::Random;

use crate::world::{Notes, On, World};

/// What was noted, about which message, and on which thread.
type Trace = Notes<(&'static str, u64, ThreadId)>;

const BIT: Duration = Duration::from_millis(1);

#[derive(Message)]
struct Quick(u64);

#[derive(Message)]
struct Slow(u64, u64);

#[derive(Message)]
struct Beside(u64);

struct Subject(Trace);

impl Subject {
    fn note(&self, what: &'static str, number: u64) {
        self.0.note((what, number, thread::current().id()));
    }
}

#[actor]
impl Subject {
    #[message]
    fn quick(&mut self, Quick(number): Quick) {
        self.note("begun", number);
        self.note("done", number);
    }

    /// Waits as often as it is told to, with its state borrowed.
    #[message]
    async fn slow(&mut self, Slow(number, times): Slow, cx: &mut Context<Self>) {
        self.note("begun", number);
        let _ = cx.send_after(Duration::ZERO, Quick(number + 10_000));
        for _ in 0..times {
            odeon::time::sleep(BIT / 4).await;
        }
        self.note("done", number);
    }

    #[message(concurrent)]
    async fn beside(me: Handle<Self>, Beside(number): Beside) {
        let note = |what| me.with(|me, _| me.note(what, number)).expect("it is there");
        note("begun");
        odeon::time::sleep(BIT).await;
        note("done");
    }
}

fn numbers(trace: Vec<(&'static str, u64, ThreadId)>) -> Vec<(&'static str, u64)> {
    trace.into_iter().map(|(what, number, _)| (what, number)).collect()
}

pub fn nothing_comes_between_the_beginning_and_the_end_of_a_handler(on: On) {
    const EACH: u64 = 20;
    let world = World::new(on, 2);
    let trace = Trace::new();
    let subject = world.spawn(0, Subject(trace.clone()));
    for core in 0..2 {
        let seed = on.random().bits() + core;
        world.begin(core as usize, move |_| {
            let mut random = Random::new(seed);
            for number in core * EACH..(core + 1) * EACH {
                match random.index(2) {
                    0 => subject.tell(Quick(number)).expect("there is room"),
                    _ => subject.tell(Slow(number, random.below(3))).expect("there is room"),
                }
            }
        });
    }
    let mut noted = Vec::new();
    world.until("all of them", || {
        noted.extend(trace.take());
        let done = noted.iter().filter(|(what, number, _)| *what == "done" && *number < 10_000).count();
        // And none of those that the slow ones have sent themselves is in the middle.
        done == 2 * EACH as usize && noted.len() % 2 == 0
    });
    let thread = noted[0].2;
    assert!(noted.iter().all(|(.., its)| *its == thread), "on one core");
    let noted = numbers(noted);
    for pair in noted.chunks(2) {
        assert!(matches!(pair, [("begun", one), ("done", other)] if one == other), "{noted:?}");
    }
    world.end();
}

pub fn concurrent_handlers_go_on_side_by_side_where_they_wait(on: On) {
    let world = World::new(on, 1);
    let trace = Trace::new();
    let subject = world.spawn(0, Subject(trace.clone()));
    world.run(0, move |_| {
        subject.tell(Beside(1)).expect("there is room");
        subject.tell(Quick(2)).expect("there is room");
        subject.tell(Beside(3)).expect("there is room");
    });
    world.until("all of them", || trace.len() == 6);
    let noted = numbers(trace.take());
    let at = |what| noted.iter().position(|noted| *noted == what).expect("it is noted");
    // Both have begun before either goes on, and in their order.
    assert!(at(("begun", 1)) < at(("begun", 3)) && at(("begun", 3)) < at(("done", 1)), "{noted:?}");
    assert!(at(("done", 1)) < at(("done", 3)), "{noted:?}");
    assert_eq!(at(("begun", 2)) + 1, at(("done", 2)), "{noted:?}");
    world.end();
}

#[derive(Message)]
struct Begin(Addr<Clerk>);

#[derive(Message, Clone)]
struct Again;

struct Clerk;

#[actor]
impl Clerk {
    #[call]
    fn work(&mut self) {}
}

/// Always has a message waiting that borrows its state as soon as it is handled, until everything else has come.
struct Busy {
    came: [bool; 4],
    done: Notes<()>,
}

impl Busy {
    fn comes(&mut self, what: usize) {
        self.came[what] = true;
        if self.came == [true; 4] && self.done.len() == 0 {
            self.done.note(());
        }
    }
}

#[actor]
impl Busy {
    #[message]
    fn begin(&mut self, Begin(clerk): Begin, cx: &mut Context<Self>) {
        clerk.work().then(cx, |me, answer, _| {
            answer.expect("the clerk is there");
            me.comes(0);
        });
        cx.send_after(BIT, Quick(1)).expect("there is room");
        cx.me().tell(Beside(2)).expect("there is room");
        (0..2).for_each(|_| cx.me().tell(Again).expect("there is room"));
    }

    #[message]
    async fn again(&mut self, _: Again, cx: &mut Context<Self>) {
        if self.done.len() == 0 {
            cx.me().tell(Again).expect("there is room");
        }
        odeon::time::sleep(BIT / 4).await;
    }

    #[message]
    fn quick(&mut self, Quick(number): Quick) {
        self.comes(number as usize);
    }

    #[message(concurrent)]
    async fn beside(me: Handle<Self>, Beside(number): Beside) {
        odeon::time::sleep(BIT).await;
        me.with(|me, _| me.comes(number as usize)).expect("it is there");
    }

    #[every("1ms")]
    fn tick(&mut self) {
        self.comes(3);
    }
}

pub fn messages_that_wait_keep_nothing_else_waiting_that_was_begun(on: On) {
    // Also where an actor goes on with one thing at a time.
    for messages in [1, 2, 64] {
        let world = World::with(on, 2, |config| config.activation_messages = messages);
        let done = Notes::new();
        let busy = world.spawn(0, Busy { came: [false; 4], done: done.clone() });
        let clerk = world.spawn(1, Clerk);
        world.run(0, move |_| busy.tell(Begin(clerk)).expect("there is room"));
        world.until("an answer, a timer, a future and an interval", || done.len() == 1);
        world.end();
    }
}

#[derive(Message)]
struct Spin;

/// Has its state borrowed again and again by a future beside others, until somebody else has had a turn.
struct Spins {
    other: Addr<Other>,
    others: Notes<()>,
    spun: Notes<u32>,
}

#[actor]
impl Spins {
    #[message(concurrent, timeout = "never")]
    async fn spin(me: Handle<Self>, _: Spin) {
        let begun = me.with(|me, _| {
            me.other.tell(Spin).expect("there is room");
            me.spun.clone()
        });
        let spun = begun.expect("nobody has it now");
        let mut count = 0;
        let again = || {
            me.with(|me, cx| {
                let goes_on = me.others.len() == 0;
                if goes_on {
                    let borrow = async |_: &mut Spins, _: &mut Context<Spins>| Flow::Continue;
                    assert_eq!(cx.exclusive("Spins::spin", Timeout::Never, borrow), Flow::Continue);
                }
                goes_on
            })
        };
        while count < SPINS_MAX && again().expect("nobody has it now") {
            count += 1;
            woken_at_once().await;
        }
        spun.note(count);
    }

    #[every("1h")]
    fn tick(&mut self) {}
}

/// Notes that it has had a turn.
struct Other(Notes<()>);

#[actor]
impl Other {
    #[message]
    fn turn(&mut self, _: Spin) {
        self.0.note(());
    }
}

/// More than any budget.
const SPINS_MAX: u32 = 10_000;

async fn woken_at_once() {
    let mut polled = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

pub fn a_future_that_has_the_state_borrowed_again_and_again_keeps_no_other_actor_waiting(on: On) {
    let world = World::new(on, 1);
    let (others, spun) = (Notes::new(), Notes::new());
    let other = world.spawn(0, Other(others.clone()));
    let spins = world.spawn(0, Spins { other, others, spun: spun.clone() });
    world.run(0, move |_| spins.tell(Spin).expect("there is room"));
    world.until("it to spin no more", || spun.len() == 1);
    assert!(spun.take()[0] < SPINS_MAX, "others have their turn");
    world.end();
}
