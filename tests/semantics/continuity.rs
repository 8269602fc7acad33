//! Promises 1 and 6: what an actor that is begun again still has. Its places in the lines of others, and theirs in its own, its name, and what
//! it has subscribed to; and what it has not.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use odeon::prelude::*;
use odeon::sys::Random;
use odeon::{NameError, SendError};

use crate::failure::count;
use crate::world::{Notes, On, World, panic_quietly};

/// One of those that a sender sends at one priority.
#[derive(Debug, Clone, Copy)]
struct Letter {
    sender: usize,
    number: u64,
    fatal: bool,
}

#[derive(Message)]
struct Usual(Letter);

#[derive(Message)]
struct Urgent(Letter);

/// Whose, whether it was urgent, and its number.
type Entry = (usize, bool, u64);

struct Clerk(Notes<Entry>);

impl Clerk {
    fn enter(&self, letter: &Letter, urgent: bool) {
        self.0.note((letter.sender, urgent, letter.number));
        if letter.fatal {
            panic_quietly();
        }
    }
}

/// So little room that most of what is sent waits for it.
#[actor(mailbox(capacity = 3))]
impl Clerk {
    #[message]
    fn usual(&mut self, Usual(letter): Usual) {
        self.enter(&letter, false);
    }

    #[message(priority = control)]
    fn urgent(&mut self, Urgent(letter): Urgent) {
        self.enter(&letter, true);
    }
}

/// Waits for all of these at once, which begin in their order.
async fn all<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F::Output>
where
    F::Output: Unpin,
{
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    poll_fn(move |cx| {
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let Poll::Ready(ready) = Pin::new(future).poll(cx)
            {
                *output = Some(ready);
            }
        }
        if outputs.iter().all(Option::is_some) {
            Poll::Ready(outputs.iter_mut().filter_map(Option::take).collect())
        } else {
            Poll::Pending
        }
    })
    .await
}

/// Sends so many at one priority, some of them in bursts that wait for room together. On the clerk's own core others are told it where
/// there is some: on their way from another one they might find none, and be lost. Answers how many that were.
async fn send_all<M>(
    to: Addr<Clerk>,
    (sender, is_near): (usize, bool),
    wrap: fn(Letter) -> M,
    mut random: Random,
    count: u64,
) -> u64
where
    M: Message + SendTo<Clerk> + Unpin,
{
    let mut number = 0;
    while number < count {
        let letter = |number, random: &mut Random| Letter { sender, number, fatal: random.chance(0.2) };
        if is_near && random.chance(0.3) {
            let mut message = wrap(letter(number, &mut random));
            while let Err(SendError::Full(back)) = to.tell(message) {
                message = back;
                odeon::time::sleep(Duration::from_micros(50)).await;
            }
            number += 1;
            continue;
        }
        let end = count.min(number + 1 + random.below(8));
        let burst = (number..end).map(|number| to.send(wrap(letter(number, &mut random)))).collect();
        assert!(all(burst).await.iter().all(Result::is_ok), "it takes everything in");
        number = end;
        if random.chance(0.2) {
            odeon::time::sleep(Duration::from_micros(random.below(1000))).await;
        }
    }
    number
}

pub fn what_waits_at_each_priority_keeps_its_order_across_restarts(on: On) {
    const COUNT: u64 = 60;
    let (world, mut random) = (World::new(on, 2), on.random());
    let (entries, sent) = (Notes::new(), Notes::new());
    let mut restart = Restart::one_for_one().intensity(u32::MAX, Duration::from_millis(10));
    if random.chance(0.5) {
        restart = restart.backoff(Duration::from_micros(100)..Duration::from_millis(1));
    }
    let noted = entries.clone();
    let clerk = world.supervise(1, restart, move || Clerk(noted.clone()));
    for (sender, core) in [0, 0, 1, 1].into_iter().enumerate() {
        let (usual, urgent) = (random.fork(), random.fork());
        let done = [sent.clone(), sent.clone()];
        world.run(core, move |_| {
            let ([usually, urgently], from) = (done, (sender, core == 1));
            let usual = send_all(clerk, from, Usual, usual, COUNT);
            let urgent = send_all(clerk, from, Urgent, urgent, COUNT);
            odeon::task::spawn(async move { usually.note(usual.await) }).detach();
            odeon::task::spawn(async move { urgently.note(urgent.await) }).detach();
        });
    }
    world.until("everything that was sent", || sent.len() == 8 && entries.len() as u64 == 8 * COUNT);
    assert_eq!(sent.take(), [COUNT; 8]);
    let entries = entries.take();
    for sender in 0..4 {
        for urgent in [false, true] {
            let its = entries.iter().filter(|entry| (entry.0, entry.1) == (sender, urgent));
            assert!(its.map(|entry| entry.2).eq(0..COUNT), "{sender}, {urgent}: {entries:?}");
        }
    }
    let restarts = count(&world, |ledger| ledger.restarts);
    assert!(restarts > 0);
    world.until("the last beginning", || count(&world, |ledger| ledger.restarts) == world.dead_letters());
    world.end();
}

/// How often it was begun, and what it was asked.
struct Named(u32);

#[actor]
impl Named {
    #[call]
    fn begun(&mut self) -> u32 {
        self.0
    }

    #[call]
    fn fail(&mut self) {
        panic_quietly();
    }
}

pub fn a_name_leads_to_whoever_is_begun_again_and_ends_with_the_last(on: On) {
    let world = World::new(on, 2);
    for core in 0..2 {
        let mut begun = 0;
        let restart = Restart::one_for_one()
            .intensity(3, Duration::from_secs(3600))
            .backoff(Duration::from_millis(2)..Duration::from_millis(2));
        let named = world.supervise(core, restart, move || {
            begun += 1;
            Named(begun)
        });
        world.run(1, move |cx| cx.register("named", named).expect("it is free"));
        for life in 1..=4 {
            // Also while it is down.
            for from in 0..2 {
                assert_eq!(world.run(from, |cx| cx.lookup::<Named>("named")), Ok(named));
                assert_eq!(world.run(from, move |cx| cx.register("named", named)), Ok(()));
            }
            let answers = Notes::new();
            let noted = answers.clone();
            world.run(0, move |cx| {
                let found = cx.lookup::<Named>("named").expect("it has it");
                let begun = noted.clone();
                found.begun().then(cx, move |_, answer, _| begun.note(answer));
                found.fail().then(cx, move |_, answer, _| noted.note(answer.map(|()| 0)));
            });
            world.until("its answers", || answers.len() == 2);
            assert_eq!(answers.take(), [Ok(life), Err(AskError::Panicked)]);
        }
        world.until("the end of its name", || {
            world.run(1 - core, |cx| cx.lookup::<Named>("named"))
                == Err(NameError::Unknown("named".to_owned()))
        });
    }
    world.end();
}

#[derive(Message, Clone)]
struct News {
    number: u64,
    fatal: bool,
}

#[derive(Message)]
struct Join(u64, Recipient<News>);

#[derive(Message)]
struct Publish(News);

#[derive(Default)]
struct Paper(Topic<News>);

#[actor]
impl Paper {
    #[message]
    fn join(&mut self, Join(id, to): Join) {
        self.0.subscribe(id, to);
    }

    #[message]
    fn publish(&mut self, Publish(news): Publish) {
        self.0.publish(news);
    }

    #[call]
    fn subscribers(&mut self) -> usize {
        self.0.subscribers()
    }

    #[call]
    fn fail(&mut self) {
        panic_quietly();
    }
}

struct Reader {
    id: u64,
    paper: Addr<Paper>,
    /// It subscribes as it begins, each time it does.
    again: bool,
    read: Notes<(u64, u64)>,
}

#[actor]
impl Reader {
    #[started]
    fn started(&mut self, cx: &mut Context<Self>) {
        if self.again {
            self.paper.tell(Join(self.id, cx.recipient())).expect("there is room");
        }
    }

    #[message]
    fn news(&mut self, news: News) {
        self.read.note((self.id, news.number));
        if news.fatal {
            panic_quietly();
        }
    }
}

fn subscribers(world: &World, paper: Addr<Paper>) -> usize {
    let answer = Notes::new();
    let noted = answer.clone();
    world.run(0, move |cx| paper.subscribers().then(cx, move |_, count, _| noted.note(count)));
    world.until("an answer", || answer.len() == 1);
    answer.take().remove(0).expect("it is answered")
}

pub fn what_an_actor_has_subscribed_to_still_comes_when_it_is_begun_again(on: On) {
    let restart = Restart::one_for_one().intensity(u32::MAX, Duration::from_millis(10));
    still_comes(on, restart);
    still_comes(on, restart.backoff(Duration::from_millis(1)..Duration::from_millis(3)));
}

fn still_comes(on: On, restart: Restart) {
    const COUNT: u64 = 40;
    let (world, mut random) = (World::new(on, 2), on.random());
    let paper = world.spawn(0, Paper::default());
    let read = Notes::new();
    let readers = [(0, false), (1, false), (0, true), (1, true)];
    for (id, (core, again)) in (0..).zip(readers) {
        let read = read.clone();
        let make = move || Reader { id, paper, again, read: read.clone() };
        let reader = world.supervise(core, restart, make);
        if !again {
            world.run(0, move |_| paper.tell(Join(id, reader.recipient())).expect("there is room"));
        }
    }
    world.until("all to have subscribed", || subscribers(&world, paper) == readers.len());
    let mut failures = 0;
    for number in 0..COUNT {
        let fatal = random.chance(0.25);
        failures += if fatal { readers.len() as u64 } else { 0 };
        world.run(0, move |_| paper.tell(Publish(News { number, fatal })).expect("there is room"));
    }
    // One that has failed is down for as long as others go on, and misses nothing.
    world.until("all of it", || read.len() as u64 == COUNT * readers.len() as u64);
    let read = read.take();
    for id in 0..readers.len() as u64 {
        let its = read.iter().filter(|read| read.0 == id);
        assert!(its.map(|read| read.1).eq(0..COUNT), "{id}: {read:?}");
    }
    world.until("all to have begun again", || count(&world, |ledger| ledger.restarts) == failures);
    assert_eq!((world.dead_letters(), subscribers(&world, paper)), (failures, readers.len()));
    world.end();
}

pub fn who_publishes_and_is_begun_again_has_no_subscribers_and_nobody_is_told(on: On) {
    let world = World::new(on, 2);
    let paper = world.supervise(0, Restart::one_for_one(), Paper::default);
    let read = Notes::new();
    let reader = |id, core| world.spawn(core, Reader { id, paper, again: false, read: read.clone() });
    let (first, second) = (reader(1, 1), reader(2, 0));
    let publish = |number| {
        world.run(0, move |_| {
            paper.tell(Publish(News { number, fatal: false })).expect("there is room");
        });
    };
    world.run(0, move |_| {
        paper.tell(Join(1, first.recipient())).expect("there is room");
        paper.tell(Join(2, second.recipient())).expect("there is room");
    });
    publish(1);
    world.until("what is published", || read.len() == 2);
    let failed = Notes::new();
    let noted = failed.clone();
    world.run(1, move |cx| paper.fail().then(cx, move |_, answer, _| noted.note(answer)));
    world.until("its failure", || failed.len() == 1);
    assert_eq!((failed.take(), subscribers(&world, paper)), (vec![Err(AskError::Panicked)], 0));
    publish(2);
    world.run(0, move |_| paper.tell(Join(1, first.recipient())).expect("there is room"));
    publish(3);
    world.until("what is published", || read.len() == 3);
    let mut read = read.take();
    read.sort_unstable();
    assert_eq!(read, [(1, 1), (1, 3), (2, 1)]);
    world.end();
}
