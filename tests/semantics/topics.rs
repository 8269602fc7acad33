//! What a topic publishes comes to everybody who has subscribed, once, in order, or is known to be missed; and nobody waits for anybody.

use std::time::Duration;

use odeon::prelude::*;

use crate::world::{Notes, On, World, panic_quietly};

/// A publication, and what copying it does.
#[derive(Message)]
struct Said {
    number: u64,
    copying: Option<fn(&Said)>,
    plain: Option<Recipient<Said>>,
}

impl Clone for Said {
    fn clone(&self) -> Said {
        if let Some(copying) = self.copying {
            copying(self);
        }
        Said { number: self.number, copying: self.copying, plain: self.plain }
    }
}

fn said(number: u64) -> Said {
    Said { number, copying: None, plain: None }
}

type Task = Box<dyn FnOnce(&mut Topic<Said>) + Send>;

#[derive(Message)]
struct Do(Task);

/// Has a topic, and does with it what it is told.
#[derive(Default)]
struct Publisher(Topic<Said>);

#[actor]
impl Publisher {
    #[message]
    fn act(&mut self, Do(task): Do) {
        task(&mut self.0);
    }
}

/// Has it done, and answers what came of it.
fn act<R: Send + 'static>(
    world: &World,
    publisher: Addr<Publisher>,
    task: impl FnOnce(&mut Topic<Said>) -> R + Send + 'static,
) -> R {
    let done = Notes::new();
    let noted = done.clone();
    let task = Do(Box::new(move |topic| noted.note(task(topic))));
    assert!(publisher.tell(task).is_ok(), "there is room");
    world.until("what is done with a topic", || done.len() == 1);
    done.take().remove(0)
}

fn publisher(world: &World, core: usize) -> Addr<Publisher> {
    world.spawn(core, Publisher::default())
}

/// What a subscriber notes: whose it is, and a number, or how many it has missed.
type Noted = (u64, Result<u64, u64>);

struct Subscriber<const ROOM: u32>(u64, Notes<Noted>);

#[actor(mailbox(capacity = ROOM))]
impl<const ROOM: u32> Subscriber<ROOM> {
    #[message]
    fn said(&mut self, said: Said) {
        self.1.note((self.0, Ok(said.number)));
    }

    #[message]
    fn lagged(&mut self, Lagged { id, missed }: Lagged) {
        assert_eq!(id, self.0, "it is told by its own name");
        self.1.note((self.0, Err(missed)));
    }
}

/// Much for any case, and little.
const MUCH: u32 = 1024;
const LITTLE: u32 = 4;

/// Subscribers on these cores under the numbers from zero on, and what they note.
fn subscribed(world: &World, to: Addr<Publisher>, cores: &[usize]) -> Notes<Noted> {
    let notes = Notes::new();
    for (id, core) in (0..).zip(cores) {
        let subscriber = world.spawn(*core, Subscriber::<MUCH>(id, notes.clone()));
        // Where the way is short, its end may be late.
        let has_room =
            || act(world, to, move |topic| topic.try_subscribe(id, subscriber.recipient())).is_ok();
        world.until("room on the way", has_room);
    }
    world.settle();
    notes
}

/// What each has noted, in order.
fn by_subscriber(noted: Vec<Noted>, count: u64) -> Vec<Vec<Result<u64, u64>>> {
    let of = |id| noted.iter().filter(|noted| noted.0 == id).map(|noted| noted.1).collect();
    (0..count).map(of).collect()
}

fn numbers(numbers: std::ops::Range<u64>) -> Vec<Result<u64, u64>> {
    numbers.map(Ok).collect()
}

fn actors(world: &World) -> usize {
    world.ledgers().iter().map(|ledger| ledger.actors).sum()
}

pub fn each_publication_comes_to_everybody_once_and_in_order(on: On) {
    let world = World::new(on, 3);
    let room = publisher(&world, 1);
    let notes = subscribed(&world, room, &[0, 1, 2, 0, 1, 2, 2]);
    for burst in 0..10 {
        act(&world, room, move |topic| (burst * 20..burst * 20 + 20).for_each(|at| topic.publish(said(at))));
    }
    world.until("all of it", || notes.len() == 7 * 200);
    assert_eq!(by_subscriber(notes.take(), 7), vec![numbers(0..200); 7]);
    assert_eq!(world.dead_letters(), 0);
    world.end();
}

pub fn a_publication_is_one_message_for_each_core(on: On) {
    // Room for few messages from core to core, and for none to each of a hundred subscribers.
    let world = World::with(on, 2, |config| config.lane_capacity = 8);
    let room = publisher(&world, 0);
    let notes = subscribed(&world, room, &[1; 100]);
    act(&world, room, |topic| (0..2).for_each(|at| topic.publish(said(at))));
    world.until("all of it", || notes.len() == 200);
    assert_eq!(world.dead_letters(), 0);
    world.end();
}

/// Such a subscriber with lag, and one with room.
fn little_and_much(world: &World, room: Addr<Publisher>, core: usize) -> Notes<Noted> {
    let notes = Notes::new();
    let little = world.spawn(core, Subscriber::<LITTLE>(0, notes.clone()));
    let much = world.spawn(core, Subscriber::<MUCH>(1, notes.clone()));
    act(world, room, move |topic| {
        topic.subscribe_with_lag(0, little.recipient(), little.recipient());
        topic.subscribe_with_lag(1, much.recipient(), much.recipient());
    });
    notes
}

pub fn who_has_no_room_misses_it_and_is_told_how_much_and_nobody_else_does(on: On) {
    for core in [0, 1] {
        let world = World::with(on, 2, |config| config.activation_time = Duration::from_secs(100));
        let room = publisher(&world, 0);
        let notes = little_and_much(&world, room, core);
        act(&world, room, |topic| (0..20).for_each(|at| topic.publish(said(at))));
        let mut noted = Vec::new();
        let mut until = |who: &[u64], number| {
            world.until("a publication", || {
                noted.extend(notes.take());
                who.iter().all(|who| noted.contains(&(*who, Ok(number))))
            });
        };
        until(&[1], 19);
        // What waits with the other is handled before what its core is told next.
        world.run(core, |_| ());
        act(&world, room, |topic| topic.publish(said(20)));
        until(&[0, 1], 20);
        let noted = by_subscriber(noted, 2);
        assert_eq!(noted[1], numbers(0..21), "the other misses nothing");
        let missed: u64 = noted[0].iter().filter_map(|noted| noted.err()).sum();
        let got = noted[0].iter().filter(|noted| noted.is_ok()).count() as u64;
        assert!(missed > 0 && got >= u64::from(LITTLE), "{noted:?}");
        assert_eq!((got + missed, noted[0].last()), (21, Some(&Ok(20))));
        assert_in_order_with_gaps(&noted[0]);
        assert_eq!(world.dead_letters(), missed);
        world.end();
    }
}

pub fn publications_that_wait_come_to_each_together(on: On) {
    let world = World::with(on, 2, |config| {
        (config.activation_messages, config.activation_time) = (4, Duration::from_secs(100));
    });
    for core in [0, 1] {
        let room = publisher(&world, 0);
        let notes = subscribed(&world, room, &[core; 8]);
        // They wait together wherever they go: nothing else happens there meanwhile.
        let publish = move |topic: &mut Topic<Said>| (0..4).for_each(|at| topic.publish(said(at)));
        act(&world, room, publish);
        world.until("all of it", || notes.len() == 8 * 4);
        let noted = notes.take();
        assert_eq!(by_subscriber(noted.clone(), 8), vec![numbers(0..4); 8]);
        if core == 0 {
            let in_a_row = noted.chunks(4).all(|row| row.iter().all(|noted| noted.0 == row[0].0));
            assert!(in_a_row, "each has handled all four at once: {noted:?}");
        }
    }
    assert_eq!(world.dead_letters(), 0);
    world.end();
}

pub fn who_has_room_for_one_at_a_time_misses_nothing_where_the_others_have_their_turn(on: On) {
    let world = World::with(on, 1, |config| {
        (config.activation_messages, config.activation_time) = (2, Duration::from_secs(100));
    });
    let (room, notes) = (publisher(&world, 0), Notes::new());
    for id in 0..8 {
        let subscriber = world.spawn(0, Subscriber::<1>(id, notes.clone()));
        act(&world, room, move |topic| topic.subscribe(id, subscriber.recipient()));
    }
    act(&world, room, |topic| (0..40).for_each(|at| topic.publish(said(at))));
    world.until("all of it", || notes.len() as u64 + world.dead_letters() == 8 * 40);
    assert_eq!(by_subscriber(notes.take(), 8), vec![numbers(0..40); 8]);
    world.end();
}

/// Each gap is told where it is, and as large as it is.
fn assert_in_order_with_gaps(noted: &[Result<u64, u64>]) {
    let mut next = None;
    for noted in noted {
        next = match (next, noted) {
            (None, Ok(at)) => Some(at + 1),
            (Some(next), Ok(at)) if next == *at => Some(at + 1),
            (Some(next), Err(missed)) => Some(next + missed),
            (next, noted) => panic!("{noted:?} comes where {next:?} is next"),
        };
    }
}

pub fn who_falls_behind_gets_what_comes_though_nobody_is_left_to_be_told_of_it(on: On) {
    for core in [0, 1] {
        let world = World::with(on, 2, |config| config.activation_time = Duration::from_secs(100));
        let room = publisher(&world, 0);
        let before = actors(&world);
        let (notes, told) = (Notes::new(), Notes::new());
        let little = world.spawn(core, Subscriber::<LITTLE>(0, notes.clone()));
        let teller = world.spawn(core, Subscriber::<MUCH>(0, told.clone()));
        act(&world, room, move |topic| topic.subscribe_with_lag(0, little.recipient(), teller.recipient()));
        teller.stop();
        world.until("its end", || actors(&world) == before + 2);
        act(&world, room, |topic| (0..20).for_each(|at| topic.publish(said(at))));
        world.until("what it misses", || notes.len() as u64 + world.dead_letters() == 20);
        assert!(world.dead_letters() > 0);
        world.run(core, |_| ());
        act(&world, room, |topic| topic.publish(said(20)));
        world.until("the next", || notes.len() as u64 + world.dead_letters() == 21);
        assert_eq!((notes.take().last(), told.len()), (Some(&(0, Ok(20))), 0));
        world.end();
    }
}

/// Does not want to hear the rest where it has missed much, and says so once: by then, others may be known by the same number.
struct Impatient {
    room: Addr<Publisher>,
    heard: Notes<u64>,
    leaves: bool,
}

#[actor(mailbox(capacity = LITTLE))]
impl Impatient {
    #[message]
    fn said(&mut self, said: Said) {
        self.heard.note(said.number);
    }

    #[message]
    fn lagged(&mut self, Lagged { id, missed }: Lagged) {
        if missed > 10 && !std::mem::replace(&mut self.leaves, true) {
            self.room.tell(Do(Box::new(move |topic| topic.unsubscribe(id)))).or_dead_letter();
        }
    }
}

pub fn who_is_told_that_it_has_missed_much_can_leave(on: On) {
    for core in [0, 1] {
        let world = World::with(on, 2, |config| config.activation_time = Duration::from_secs(100));
        let room = publisher(&world, 0);
        let heard = Notes::new();
        let impatient = Impatient { room, heard: heard.clone(), leaves: false };
        let impatient = world.spawn(core, impatient);
        act(&world, room, move |topic| {
            topic.subscribe_with_lag(0, impatient.recipient(), impatient.recipient());
        });
        world.until("its leave", || {
            act(&world, room, |topic| {
                (0..40).for_each(|at| topic.publish(said(at)));
                topic.subscribers() == 0
            })
        });
        // Whoever has subscribed on the same core hears what it does not.
        let notes = subscribed(&world, room, &[core]);
        act(&world, room, |topic| topic.publish(said(100)));
        world.until("what comes then", || notes.len() == 1);
        world.run(core, |_| ());
        assert!(!heard.take().contains(&100));
        world.end();
    }
}

pub fn what_has_no_room_on_its_way_to_a_core_is_missed_there(on: On) {
    let world = World::with(on, 2, |config| config.lane_capacity = 8);
    let room = publisher(&world, 0);
    let notes = Notes::new();
    for (id, core) in [(0, 1), (1, 0)] {
        let subscriber = world.spawn(core, Subscriber::<MUCH>(id, notes.clone()));
        act(&world, room, move |topic| {
            topic.subscribe_with_lag(id, subscriber.recipient(), subscriber.recipient());
        });
    }
    act(&world, room, |topic| (0..100).for_each(|at| topic.publish(said(at))));
    let mut noted = Vec::new();
    let mut until = |what, done: &dyn Fn(&[Noted]) -> bool| {
        world.until(what, || {
            noted.extend(notes.take());
            done(&noted)
        });
    };
    // Then there is room again, for a core takes all that has come before it hands anything round.
    until("the first", &|noted| noted.iter().any(|noted| noted.0 == 0));
    act(&world, room, |topic| topic.publish(said(100)));
    until("the last", &|noted| noted.iter().filter(|noted| noted.1 == Ok(100)).count() == 2);
    let noted = by_subscriber(noted, 2);
    assert_eq!(noted[1], numbers(0..101));
    assert_in_order_with_gaps(&noted[0]);
    let missed: u64 = noted[0].iter().filter_map(|noted| noted.err()).sum();
    assert!(missed > 0, "{noted:?}");
    assert_eq!(world.dead_letters(), missed, "one for each that did not leave");
    world.end();
}

pub fn what_waits_to_be_handed_round_is_bounded_and_what_is_missed_told_at_once(on: On) {
    let world = World::with(on, 1, |config| config.topic_backlog_max = 4);
    let room = publisher(&world, 0);
    let notes = Notes::new();
    let subscriber = world.spawn(0, Subscriber::<MUCH>(0, notes.clone()));
    act(&world, room, move |topic| {
        topic.subscribe_with_lag(0, subscriber.recipient(), subscriber.recipient());
    });
    act(&world, room, |topic| (0..20).for_each(|at| topic.publish(said(at))));
    // Nothing more is published.
    world.until("all of it", || notes.len() == 5);
    let noted = by_subscriber(notes.take(), 1).remove(0);
    assert_eq!(noted, [numbers(0..4), vec![Err(16)]].concat());
    assert_eq!(world.dead_letters(), 16);
    world.end();
}

pub fn what_was_published_before_the_end_of_a_subscription_comes_and_nothing_after(on: On) {
    let world = World::new(on, 2);
    let room = publisher(&world, 0);
    let notes = subscribed(&world, room, &[0, 1, 0, 1]);
    act(&world, room, |topic| {
        topic.publish(said(0));
        topic.unsubscribe(0);
        topic.unsubscribe(1);
        topic.unsubscribe(7);
        topic.publish(said(1));
        assert_eq!(topic.subscribers(), 2);
    });
    world.until("all of it", || notes.len() == 6);
    act(&world, room, |topic| topic.publish(said(2)));
    world.until("the last", || notes.len() == 8);
    let [left, stays] = [numbers(0..1), numbers(0..3)];
    assert_eq!(by_subscriber(notes.take(), 4), [left.clone(), left, stays.clone(), stays]);
    world.end();
}

pub fn who_subscribes_anew_takes_the_place_of_whoever_was_there(on: On) {
    let world = World::new(on, 2);
    let room = publisher(&world, 0);
    let notes = subscribed(&world, room, &[0, 0]);
    for (who, core) in [(2, 0), (3, 1), (4, 0)] {
        let subscriber = world.spawn(core, Subscriber::<MUCH>(who, notes.clone()));
        act(&world, room, move |topic| {
            topic.publish(said(who));
            topic.subscribe(0, subscriber.recipient());
            assert_eq!(topic.subscribers(), 2);
        });
    }
    act(&world, room, |topic| topic.publish(said(5)));
    world.until("all of it", || notes.len() == 8);
    let noted = by_subscriber(notes.take(), 5);
    assert_eq!(noted[0], [Ok(2)]);
    assert_eq!(noted[1], numbers(2..6));
    assert_eq!(noted[2..], [[Ok(3)], [Ok(4)], [Ok(5)]]);
    world.end();
}

pub fn a_subscriber_that_has_ended_is_forgotten(on: On) {
    let world = World::new(on, 2);
    let room = publisher(&world, 0);
    let before = actors(&world);
    let notes = Notes::new();
    for core in [0, 1] {
        let subscriber = world.spawn(core, Subscriber::<MUCH>(0, notes.clone()));
        act(&world, room, move |topic| topic.subscribe(core as u64, subscriber.recipient()));
        subscriber.stop();
        world.until("its end", || actors(&world) == before + 1 + core);
    }
    act(&world, room, |topic| {
        assert_eq!(topic.subscribers(), 2);
        topic.publish(said(0));
    });
    world.until("the end of what served them", || actors(&world) == before);
    let left = |topic: &mut Topic<Said>| {
        topic.unsubscribe(7);
        topic.subscribers()
    };
    assert_eq!(act(&world, room, left), 0);
    assert_eq!((notes.len(), world.dead_letters()), (0, 0));
    world.end();
}

pub fn who_leaves_and_ends_is_taken_off_the_count_once(on: On) {
    let world = World::new(on, 2);
    for core in [0, 1] {
        let room = publisher(&world, 0);
        let notes = subscribed(&world, room, &[core, core]);
        let before = actors(&world);
        let guest = world.spawn(core, Guest);
        act(&world, room, move |topic| topic.subscribe(2, guest.recipient()));
        guest.stop();
        world.until("its end", || actors(&world) == before);
        act(&world, room, |topic| {
            topic.publish(said(0));
            topic.unsubscribe(2);
        });
        world.until("what was published", || notes.len() == 2);
        world.run(core, |_| ());
        assert_eq!(act(&world, room, |topic| topic.subscribers()), 2);
    }
    world.end();
}

/// Lives until it is told to go.
struct Guest;

#[actor]
impl Guest {
    #[message]
    fn said(&mut self, _: Said) {}
}

pub fn subscribers_that_come_and_go_take_no_memory_though_nothing_is_published(on: On) {
    let world = World::new(on, 1);
    let room = publisher(&world, 0);
    for id in 0..1000 {
        let guest = world.spawn(0, Guest);
        act(&world, room, move |topic| topic.subscribe(id, guest.recipient()));
        guest.stop();
    }
    let left = act(&world, room, |topic| topic.subscribers());
    assert!(left < 200, "{left} are kept");
    world.end();
}

/// Publishes one more for each publication that comes to it, so that what hands them round never rests, and has another subscriber for each.
struct Restless {
    topic: Topic<Said>,
    to: Recipient<Said>,
}

#[derive(Message)]
struct Begin;

impl Restless {
    const LAST: u64 = 200;
}

#[actor]
impl Restless {
    #[message]
    fn begin(&mut self, _: Begin, cx: &mut Context<Self>) {
        self.topic.subscribe(0, cx.recipient());
        (0..2).for_each(|at| self.topic.publish(said(at)));
    }

    #[message]
    fn said(&mut self, Said { number, .. }: Said) {
        let next = number + 2;
        if next <= Restless::LAST {
            self.topic.subscribe(next, self.to);
            self.topic.publish(said(next));
            self.topic.unsubscribe(next);
        }
    }
}

pub fn who_leaves_a_busy_topic_is_forgotten_and_gets_nothing_more(on: On) {
    let world = World::with(on, 1, |config| {
        config.activation_messages = 1;
        config.subscriptions_max = 16;
    });
    let notes = Notes::new();
    let to = world.spawn(0, Subscriber::<MUCH>(0, notes.clone())).recipient();
    world.spawn(0, Restless { topic: Topic::new(), to }).tell(Begin).expect("there is room");
    let expected: Vec<_> = (2..=Restless::LAST).map(|number| (0, Ok(number))).collect();
    world.until("what each of them gets", || notes.len() >= expected.len());
    world.run(0, |_| ());
    let mut got = notes.take();
    // Nothing is promised between those who have subscribed.
    got.sort();
    assert_eq!(got, expected);
    world.end();
}

pub fn what_is_published_to_a_system_that_has_ended_is_a_dead_letter(on: On) {
    let [world, other] = [(); 2].map(|()| World::new(on, 1));
    let (room, notes) = (publisher(&world, 0), Notes::new());
    let subscriber = other.spawn(0, Subscriber::<MUCH>(0, notes.clone()));
    act(&world, room, move |topic| {
        topic.subscribe(0, subscriber.recipient());
        topic.publish(said(0));
    });
    other.until("the first", || notes.len() == 1);
    other.end();
    let left = act(&world, room, |topic| {
        (1..3).for_each(|at| topic.publish(said(at)));
        topic.subscribers()
    });
    // With the first of these it is known that nobody is left.
    assert_eq!((world.dead_letters(), left), (1, 0));
    world.end();
}

pub fn there_are_as_many_subscriptions_as_may_be(on: On) {
    let world = World::with(on, 1, |config| config.subscriptions_max = 3);
    let room = publisher(&world, 0);
    let notes = subscribed(&world, room, &[0; 5]);
    act(&world, room, |topic| topic.publish(said(0)));
    world.until("all of it", || notes.len() == 3);
    assert_eq!(act(&world, room, |topic| topic.subscribers()), 3);
    assert_eq!(world.ledgers()[0].failures, 2);
    // There is room again.
    let again = world.spawn(0, Subscriber::<MUCH>(9, notes.clone()));
    act(&world, room, move |topic| {
        topic.unsubscribe(0);
        topic.publish(said(1));
    });
    world.until("the others", || notes.len() == 5);
    act(&world, room, move |topic| {
        topic.subscribe(9, again.recipient());
        topic.publish(said(2));
    });
    world.until("the new one", || notes.len() == 8);
    world.end();
}

pub fn what_was_published_before_the_end_of_a_topic_comes_and_nothing_is_left(on: On) {
    let world = World::new(on, 2);
    let room = publisher(&world, 0);
    let before = actors(&world);
    let notes = subscribed(&world, room, &[0, 1, 1]);
    assert_eq!(actors(&world), before + 5, "on each core something stands for the topic");
    act(&world, room, move |topic| {
        (0..100).for_each(|at| topic.publish(said(at)));
        room.stop();
    });
    world.until("all of it", || notes.len() == 300);
    assert_eq!(by_subscriber(notes.take(), 3), vec![numbers(0..100); 3]);
    world.until("the end", || actors(&world) == before + 2);
    world.end();
}

pub fn a_copy_that_panics_is_missed_by_one(on: On) {
    let world = World::new(on, 1);
    let room = publisher(&world, 0);
    let notes = Notes::new();
    for id in 0..3 {
        let subscriber = world.spawn(0, Subscriber::<MUCH>(id, notes.clone()));
        act(&world, room, move |topic| {
            topic.subscribe_with_lag(id, subscriber.recipient(), subscriber.recipient());
        });
    }
    thread_local! {
        static COPIES: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
    }
    act(&world, room, |topic| {
        COPIES.set(0);
        let copying = |_: &Said| {
            COPIES.set(COPIES.get() + 1);
            if COPIES.get() == 2 {
                panic_quietly();
            }
        };
        topic.publish(Said { copying: Some(copying), ..said(0) });
        topic.publish(said(1));
    });
    world.until("all of it", || notes.len() == 6);
    let [gets, misses] = [vec![Ok(0), Ok(1)], vec![Err(1), Ok(1)]];
    assert_eq!(by_subscriber(notes.take(), 3), [gets.clone(), misses, gets]);
    assert_eq!((world.dead_letters(), world.ledgers()[0].panics), (1, 1));
    world.end();
}

pub fn a_copy_may_do_with_topics_what_it_likes(on: On) {
    let world = World::new(on, 1);
    let room = publisher(&world, 0);
    let notes = subscribed(&world, room, &[0, 0]);
    let third = world.spawn(0, Subscriber::<MUCH>(2, notes.clone()));
    act(&world, room, move |topic| {
        // Subscribes, publishes, and ends a topic of the same kind, on the same core, while it is copied.
        let copying = |said: &Said| {
            let mut other = Topic::new();
            other.subscribe(1, said.plain.expect("it is there"));
            other.publish(Said { number: 7, copying: None, plain: None });
        };
        topic.publish(Said { copying: Some(copying), plain: Some(third.recipient()), ..said(0) });
    });
    world.until("all of it", || notes.len() == 4);
    let noted = by_subscriber(notes.take(), 3);
    assert_eq!(noted, [vec![Ok(0)], vec![Ok(0)], vec![Ok(7), Ok(7)]]);
    world.end();
}

/// Notes how much others have noted whenever it is its turn, of which it has two.
struct Witness(Notes<Noted>, Notes<usize>);

#[actor]
impl Witness {
    #[message]
    fn said(&mut self, again: Said, cx: &mut Context<Self>) {
        self.1.note(self.0.len());
        if again.number > 0 {
            cx.me().tell(said(again.number - 1)).expect("there is room");
        }
    }
}

pub fn handing_round_takes_turns_with_other_actors(on: On) {
    let world = World::with(on, 1, |config| config.activation_messages = 8);
    let room = publisher(&world, 0);
    let notes = subscribed(&world, room, &[0; 400]);
    let seen = Notes::new();
    let witness = world.spawn(0, Witness(notes.clone(), seen.clone()));
    act(&world, room, move |topic| {
        topic.publish(said(0));
        witness.tell(said(40)).expect("there is room");
    });
    world.until("all of it", || notes.len() == 400 && seen.len() == 41);
    let seen = seen.take();
    assert!(seen.windows(2).all(|seen| seen[1] <= seen[0] + 8), "between its turns, one batch: {seen:?}");
    world.end();
}

pub fn a_topic_may_be_anywhere(on: On) {
    let world = World::new(on, 2);
    let notes = Notes::new();
    let mut topic = Topic::new();
    for id in 0..4 {
        let subscriber = world.spawn(id as usize % 2, Subscriber::<MUCH>(id, notes.clone()));
        topic.subscribe(id, subscriber.recipient());
    }
    (0..100).for_each(|at| topic.publish(said(at)));
    // It moves to a core.
    let task = move |_: &mut Context<crate::world::Foot>| {
        (100..200).for_each(|at| topic.publish(said(at)));
        topic
    };
    world.until("all of it", || notes.len() == 400);
    let topic = world.run(1, task);
    world.until("all of it", || notes.len() == 800);
    assert_eq!(by_subscriber(notes.take(), 4), vec![numbers(0..200); 4]);
    drop(topic);
    world.end();
}

pub fn a_topic_that_ends_elsewhere_than_where_it_was_subscribed_to_leaves_nothing(on: On) {
    let world = World::new(on, 2);
    let notes = Notes::new();
    let subscriber = world.spawn(1, Subscriber::<MUCH>(0, notes.clone()));
    let before = actors(&world);
    for round in 0..20 {
        let mut topic = Topic::new();
        topic.subscribe(0, subscriber.recipient());
        // What comes from the other core is taken in before that, if both are there.
        world.run(0, move |_| {
            if round % 2 == 0 {
                topic.publish(said(round));
            }
            drop(topic);
        });
        world.run(1, |_| ());
        world.until("the end of what stood for it", || actors(&world) == before);
    }
    assert_eq!(notes.len() as u64 + world.dead_letters(), 10);
    world.end();
}

pub fn what_is_overtaken_after_a_topic_has_moved_is_a_dead_letter(on: On) {
    let world = World::new(on, 2);
    let notes = Notes::new();
    let subscriber = world.spawn(1, Subscriber::<MUCH>(0, notes.clone()));
    let (before, mut lost) = (actors(&world), 0);
    for _ in 0..20 {
        let mut topic = Topic::new();
        topic.subscribe(0, subscriber.recipient());
        world.run(1, |_| ());
        topic.publish(said(0));
        // By another way, which may be the shorter one.
        world.run(0, move |_| topic.publish(said(1)));
        world.until("the end of what stood for it", || actors(&world) == before);
        world.run(1, |_| ());
        let noted: Vec<_> = notes.take().into_iter().map(|(_, noted)| noted).collect();
        assert!(noted == numbers(0..2) || noted == numbers(1..2), "{noted:?}");
        lost += 2 - noted.len() as u64;
        assert_eq!(world.dead_letters(), lost);
    }
    world.end();
}

/// What by chance comes, goes, is published and finds no room: all that was published is there, or known to be missed.
pub fn by_chance_nothing_is_lost_that_nobody_knows_of(on: On) {
    let mut random = on.random();
    let world = World::with(on, 3, |config| {
        config.lane_capacity = 16;
        config.topic_backlog_max = 8;
    });
    let room = publisher(&world, 0);
    let notes = Notes::new();
    let mut published = 0;
    // Of each: when it has subscribed, and when that has ended.
    let mut times = Vec::new();
    for _ in 0..60 {
        let id = times.len() as u64;
        let core = random.index(3);
        let subscriber = world.spawn(core, Subscriber::<LITTLE>(id, notes.clone()));
        // The way to its core may be full: then it has not subscribed.
        let subscribe = || {
            act(&world, room, move |topic| {
                let before = topic.subscribers();
                topic.subscribe_with_lag(id, subscriber.recipient(), subscriber.recipient());
                topic.subscribers() > before
            })
        };
        world.until("room for it", subscribe);
        times.push((published, None));
        let (from, burst) = (published, random.index(12) as u64);
        published += burst;
        act(&world, room, move |topic| (from..from + burst).for_each(|at| topic.publish(said(at))));
        let leaves = random.index(times.len());
        if random.index(2) == 0 && times[leaves].1.is_none() {
            act(&world, room, move |topic| topic.unsubscribe(leaves as u64));
            times[leaves].1 = Some(published);
        }
    }
    let stay = times.iter().filter(|times| times.1.is_none()).count();
    let mut noted = Vec::new();
    // Until each has been told of everything: one at a time, so that each has room.
    world.until("all of it", || {
        noted.extend(notes.take());
        let at = published;
        published += 1;
        act(&world, room, move |topic| topic.publish(said(at)));
        noted.iter().filter(|(_, noted)| matches!(noted, Ok(number) if *number + 40 > at)).count()
            >= 30 * stay
    });
    let mut last = published;
    world.until("the last", || {
        (last, published) = (published, published + 1);
        act(&world, room, move |topic| topic.publish(said(last)));
        (0..2).for_each(|_| (0..3).for_each(|core| world.run(core, |_| ())));
        noted.extend(notes.take());
        noted.iter().filter(|(_, noted)| *noted == Ok(last)).count() == stay
    });
    for (noted, (from, until)) in by_subscriber(noted, times.len() as u64).iter().zip(&times) {
        let mut next = *from;
        for noted in noted {
            match noted {
                Err(missed) => next += missed,
                Ok(number) => {
                    assert_eq!(*number, next, "{noted:?} from {from}");
                    next += 1;
                }
            }
        }
        // Who has left was not told of what it has missed last.
        assert!(next <= until.unwrap_or(last + 1));
        assert!(until.is_some() || next == last + 1);
    }
    world.end();
}
