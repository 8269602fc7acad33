//! Messages that are not delivered: somebody hears of each, by kind and count.

use std::any::type_name;
use std::collections::BTreeMap;

use odeon::prelude::*;
use odeon::{DeadLetter, DeadReason};

use crate::world::{Notes, On, World};

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
    world.run(0, move |_| {
        (0..5).for_each(|_| narrow.tell(Job).or_dead_letter());
        (0..4).for_each(|_| narrow.tell(Other).or_dead_letter());
        (0..7).for_each(|_| drops.tell(Job).or_dead_letter());
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
            && world.dead_letters() == 18
    });
    let (job, other) = (type_name::<Job>(), type_name::<Other>());
    let (narrow, drops) = (type_name::<Narrow>(), type_name::<Drops>());
    assert_eq!(
        kinds(told),
        expected(&[
            ((DeadReason::Full, job, None), 3),
            ((DeadReason::Full, other, None), 4),
            ((DeadReason::Overflow, type_name::<<Drops as Actor>::Message>(), Some(drops)), 5),
            ((DeadReason::Stopped, type_name::<<Narrow as Actor>::Message>(), Some(narrow)), 2),
            ((DeadReason::Stopped, other, None), 1),
            ((DeadReason::Stopped, job, Some(narrow)), 3),
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
        panic!("as planned");
    }
}

pub fn what_a_supervised_actor_fails_on_is_told(on: On) {
    let world = World::new(on, 1);
    let letters = log(&world, 0);
    let restart = Restart::one_for_one().intensity(5, std::time::Duration::from_secs(60));
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
