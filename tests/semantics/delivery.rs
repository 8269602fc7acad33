//! Messages that are not delivered: somebody hears of each, by kind and count.

use std::any::type_name;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context as Polling, Poll};
use std::time::Duration;

use futures_core::Stream;

use odeon::prelude::*;
use odeon::{DeadLetter, DeadReason, Handle};

use crate::world::{Notes, On, World, panic_quietly};

#[derive(Message)]
struct Job;

#[derive(Message)]
struct Other;

/// Has room for little.
struct Narrow;

#[actor(mailbox(capacity = 2))]
impl Narrow {
    #[message]
    fn job(&mut self, _: Job) {}

    #[message]
    fn other(&mut self, _: Other) {}
}

/// The same, and drops what is too much.
struct Drops;

#[actor(mailbox(capacity = 2, overflow = drop_newest))]
impl Drops {
    #[message]
    fn job(&mut self, _: Job) {}
}

struct Log(Notes<DeadLetter>);

#[actor]
impl Log {
    #[message]
    fn letter(&mut self, letter: DeadLetter) {
        self.0.note(letter);
    }
}

fn log(world: &World, core: usize) -> Notes<DeadLetter> {
    let notes = Notes::new();
    world.subscribe(world.spawn(core, Log(notes.clone())).recipient());
    notes
}

type Kind = (DeadReason, &'static str, Option<&'static str>);

/// How many there were of each kind.
fn kinds(letters: Vec<DeadLetter>) -> BTreeMap<String, u64> {
    let mut kinds = BTreeMap::new();
    for DeadLetter { reason, message, receiver, count, .. } in letters {
        let kind: Kind = (reason, message.expect("there are few"), receiver);
        *kinds.entry(format!("{kind:?}")).or_default() += count;
    }
    kinds
}

fn expected(kinds: &[(Kind, u64)]) -> BTreeMap<String, u64> {
    kinds.iter().map(|(kind, count)| (format!("{kind:?}"), *count)).collect()
}

pub fn each_kind_is_told_with_its_count(on: On) {
    let world = World::new(on, 2);
    let letters = log(&world, 1);
    let (narrow, drops) = (world.spawn(0, Narrow), world.spawn(0, Drops));
    world.run(0, move |cx| {
        (0..5).for_each(|_| narrow.tell(Job).or_dead_letter());
        (0..4).for_each(|_| narrow.tell(Other).or_dead_letter());
        (0..7).for_each(|_| drops.tell(Job).or_dead_letter());
        // Whoever asks sends the same.
        drops.ask(Job).then(cx, |_, _, _| ());
        narrow.stop();
    });
    world.until("the first", || letters.len() >= 4);
    world.run(0, move |_| narrow.tell(Other).or_dead_letter());
    // From another core, whose own letters are told by it.
    world.run(1, move |_| (0..3).for_each(|_| narrow.tell(Job).or_dead_letter()));
    let mut told = Vec::new();
    world.until("all of them", || {
        told.extend(letters.take());
        told.iter().map(|letter: &DeadLetter| letter.count).sum::<u64>() == world.dead_letters()
            && world.dead_letters() == 19
    });
    let (job, other) = (type_name::<Job>(), type_name::<Other>());
    let (narrow, drops) = (type_name::<Narrow>(), type_name::<Drops>());
    assert_eq!(
        kinds(told),
        expected(&[
            ((DeadReason::Full, job, None), 3),
            ((DeadReason::Full, other, None), 4),
            ((DeadReason::Overflow, job, Some(drops)), 6),
            ((DeadReason::Stopped, other, None), 1),
            // Two that were in the mailbox, and three from another core.
            ((DeadReason::Stopped, job, Some(narrow)), 5),
        ])
    );
    world.end();
}

/// Fails on every job.
struct Clumsy;

#[actor]
impl Clumsy {
    #[message]
    fn job(&mut self, _: Job) {
        panic_quietly();
    }
}

pub fn what_a_supervised_actor_fails_on_is_told(on: On) {
    let world = World::new(on, 1);
    let letters = log(&world, 0);
    let restart = Restart::one_for_one().intensity(5, Duration::from_secs(60));
    let clumsy = world.supervise(0, restart, || Clumsy);
    world.run(0, move |_| (0..2).for_each(|_| clumsy.tell(Job).or_dead_letter()));
    let mut told = Vec::new();
    world.until("both of them", || {
        told.extend(letters.take());
        told.iter().map(|letter: &DeadLetter| letter.count).sum::<u64>() == 2
    });
    let (message, clumsy) = (type_name::<<Clumsy as Actor>::Message>(), type_name::<Clumsy>());
    assert_eq!(kinds(told), expected(&[((DeadReason::Failed, message, Some(clumsy)), 2)]));
    world.end();
}

/// How a message ends whoever handles it.
#[derive(Debug, Clone, Copy)]
enum End {
    Panic,
    Fail,
    /// It does not finish in its time.
    Late,
}

impl End {
    fn now(self) -> Flow {
        match self {
            End::Panic => panic_quietly(),
            End::Fail => Flow::Fail,
            End::Late => Flow::Continue,
        }
    }
}

#[derive(Message, Clone, Copy)]
struct AtOnce(End);

#[derive(Message)]
struct Alone(End);

#[derive(Message)]
struct Beside(End);

/// Where it comes from, on which an actor fails.
#[derive(Message, Debug, Clone, Copy)]
enum From {
    Mailbox(End),
    Alone(End),
    Beside(End),
    Later(End),
    Again(End),
    Stream(End),
    StreamAlone(End),
    /// No message at all.
    StreamItself,
    Answer,
}

/// A stream of one; of none if it panics.
struct Once<M>(Option<M>);

impl<M: Unpin> Stream for Once<M> {
    type Item = M;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Polling<'_>) -> Poll<Option<M>> {
        match self.0.take() {
            Some(item) => Poll::Ready(Some(item)),
            None => panic_quietly(),
        }
    }
}

/// Fails in every way.
struct Mortal;

#[actor(mailbox(capacity = 64))]
impl Mortal {
    #[message]
    fn begin(&mut self, from: From, cx: &mut Context<Self>) -> Flow {
        let me = cx.me();
        match from {
            From::Mailbox(end) => me.tell(AtOnce(end)).or_dead_letter(),
            From::Alone(end) => me.tell(Alone(end)).or_dead_letter(),
            From::Beside(end) => me.tell(Beside(end)).or_dead_letter(),
            From::Later(end) => _ = cx.send_after(Duration::ZERO, AtOnce(end)).expect("there is room"),
            From::Again(end) => {
                _ = cx.send_every(Duration::from_millis(1), AtOnce(end)).expect("there is room")
            }
            From::Stream(end) => return cx.attach(Once(Some(AtOnce(end)))),
            From::StreamAlone(end) => return cx.attach(Once(Some(Alone(end)))),
            From::StreamItself => return cx.attach(Once::<AtOnce>(None)),
            From::Answer => me.nothing().then(cx, |_, _, _| Flow::Fail),
        }
        Flow::Continue
    }

    #[message]
    fn at_once(&mut self, AtOnce(end): AtOnce) -> Flow {
        end.now()
    }

    #[message(timeout = "1ms")]
    async fn alone(&mut self, Alone(end): Alone) -> Flow {
        finish(end).await;
        end.now()
    }

    #[message(concurrent, timeout = "1ms")]
    async fn beside(_: Handle<Self>, Beside(end): Beside) -> Flow {
        finish(end).await;
        end.now()
    }

    #[call]
    fn nothing(&self) {}
}

/// Goes on at once, or never.
async fn finish(end: End) {
    if matches!(end, End::Late) {
        std::future::pending().await
    }
}

/// Failures of supervised actors, after which they were begun again.
fn restarts(world: &World) -> u64 {
    world.ledgers().iter().map(|ledger| ledger.restarts).sum()
}

pub fn whatever_it_comes_by_what_a_supervised_actor_fails_on_is_told_once(on: On) {
    let (mailbox, at_once) = (type_name::<<Mortal as Actor>::Message>(), type_name::<AtOnce>());
    let mut cases = vec![(From::StreamItself, None), (From::Answer, None)];
    for end in [End::Panic, End::Fail] {
        cases.extend([
            (From::Mailbox(end), Some(mailbox)),
            (From::Alone(end), Some(mailbox)),
            (From::Beside(end), Some(mailbox)),
            (From::Later(end), Some(at_once)),
            (From::Again(end), Some(at_once)),
            (From::Stream(end), Some(at_once)),
            (From::StreamAlone(end), Some(mailbox)),
        ]);
    }
    cases.push((From::Alone(End::Late), Some(mailbox)));
    let world = World::new(on, 1);
    let letters = log(&world, 0);
    let restart = Restart::one_for_one().intensity(u32::MAX, Duration::from_secs(60));
    let mortal = world.supervise(0, restart, || Mortal);
    for (number, (from, letter)) in (1..).zip(cases) {
        let before = world.dead_letters();
        mortal.tell(from).or_dead_letter();
        world.until("a restart", || restarts(&world) == number);
        // What was told of the turn in which it failed.
        world.settle();
        let told: Vec<_> = letters.take();
        assert_eq!(world.dead_letters() - before, told.iter().map(|letter| letter.count).sum(), "{from:?}");
        let one = letter.map(|message| ((DeadReason::Failed, message, Some(type_name::<Mortal>())), 1));
        assert_eq!(kinds(told), expected(one.as_slice()), "{from:?}");
    }
    // One beside the others that does not finish is a failure of its own, and not its actor's.
    let failures = || world.ledgers().iter().map(|ledger| ledger.failures).sum::<u64>();
    let before = failures();
    mortal.tell(From::Beside(End::Late)).or_dead_letter();
    world.until("its time", || failures() > before);
    world.settle();
    assert_eq!(letters.len(), 0);
    world.end();
}

pub fn what_ends_an_actor_that_nobody_begins_again_is_no_dead_letter(on: On) {
    let world = World::new(on, 1);
    for end in [End::Panic, End::Fail] {
        for from in
            [From::Mailbox(end), From::Alone(end), From::Beside(end), From::Later(end), From::Stream(end)]
        {
            let before = world.ledgers()[0];
            world.spawn(0, Mortal).tell(from).or_dead_letter();
            world.until("its end", || {
                let now = world.ledgers()[0];
                now.spawned > before.spawned && now.actors == before.actors
            });
        }
    }
    assert_eq!(world.dead_letters(), 0);
    world.end();
}

/// Hears of dead letters, and never has time for them.
struct Busy;

#[derive(Message)]
struct Begin;

#[actor(mailbox(capacity = 2, overflow = drop_oldest))]
impl Busy {
    #[message]
    fn letter(&mut self, _: DeadLetter) {}

    #[message(timeout = "never")]
    async fn begin(&mut self, _: Begin) {
        std::future::pending().await
    }
}

pub fn what_is_not_delivered_of_dead_letters_is_only_counted(on: On) {
    for core in 0..2 {
        let world = World::new(on, 2);
        let (busy, narrow) = (world.spawn(core, Busy), world.spawn(0, Narrow));
        world.subscribe(busy.recipient());
        world.run(core, move |_| busy.tell(Begin).or_dead_letter());
        world.run(core, |_| ());
        for _ in 0..5 {
            world.run(0, move |_| (0..4).for_each(|_| narrow.tell(Job).or_dead_letter()));
        }
        // Ten, and three for which there was no room there; of the first of which it is told as well, where it was not told by itself.
        world.until("all of them", || world.dead_letters() >= 13);
        world.run(0, |_| ());
        let counted = world.dead_letters();
        assert!(counted < 20, "{counted}");
        busy.abort();
        world.end();
    }
}

pub fn a_subscriber_that_has_ended_is_no_harm(on: On) {
    let world = World::new(on, 1);
    let gone = world.spawn(0, Log(Notes::new()));
    world.subscribe(gone.recipient());
    gone.stop();
    let narrow = world.spawn(0, Narrow);
    world.run(0, move |_| (0..4).for_each(|_| narrow.tell(Job).or_dead_letter()));
    world.until("two, and that nobody heard of them", || world.dead_letters() == 3);
    // Another takes its place.
    let letters = log(&world, 0);
    world.run(0, move |_| (0..4).for_each(|_| narrow.tell(Job).or_dead_letter()));
    world.until("what it is told", || letters.len() == 1);
    let [letter] = letters.take()[..] else { panic!("there is one") };
    assert_eq!(
        (letter.reason, letter.message, letter.count),
        (DeadReason::Full, Some(type_name::<Job>()), 2)
    );
    world.end();
}
