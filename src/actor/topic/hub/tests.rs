//! Tests of the end of a hub, and of the order in which it hands round.
//!
//! Knows: a core without a thread, of which the test runs one cell after the other. Must not know what becomes of dead letters.

use std::cell::RefCell;
use std::rc::Rc;

use super::*;
use crate::actor::{Accepts, Actor, Context, Flow, Recipient, Topic, spawn};
use crate::config::Config;
use crate::executor::{Demand, Ending, Links, directory};
use crate::sys::Clock;

#[derive(Clone)]
struct Said;

impl Message for Said {
    type Reply = ();
}

struct Listener;

impl Actor for Listener {
    type Message = Said;

    fn handle(&mut self, _: Said, _: &mut Context<Self>) -> Flow {
        Flow::Continue
    }
}

impl Accepts<Said> for Listener {
    fn accept(said: Said) -> Said {
        said
    }
}

/// Some have had the first few already, and nobody those that wait behind these.
#[test]
fn what_a_hub_has_not_handed_round_when_it_is_ended_is_counted_once_each() {
    with_core(
        |config| config.activation_messages = 2,
        |core| {
            let run_all = || while core.run_next() {};
            let mut topic = Topic::new();
            for id in 0..4 {
                let listener = spawn(core, Listener).expect("there is room");
                topic.subscribe(id, listener.recipient());
            }
            run_all();
            let number = topic.open.as_ref().map(|open| open.number).expect("somebody has subscribed");
            let hub = core.hubs.find(number).expect("something stands for it");
            (0..3).for_each(|_| topic.publish(Said));
            assert!(core.run_next(), "it begins to hand round");
            (0..2).for_each(|_| topic.publish(Said));
            assert!(core.demand(hub, Demand::Stop));
            run_all();
            assert_eq!((core.counters.handled.get(), core.counters.dead_letters()), (2, 5));
            assert_eq!((core.hubs.find(number), core.hubs.subscriptions()), (None, 0));
            // Nobody is there whom it is for, until the core ends, which may be why.
            topic.publish(Said);
            assert_eq!(core.counters.dead_letters(), 5);
            core.begin_ending(Ending::All, Box::new(|| ()));
            topic.publish(Said);
            assert_eq!(core.counters.dead_letters(), 6);
            run_all();
        },
    );
}

/// The first publication goes another way than the second, which comes first: before that has gone round, or after it.
#[test]
fn a_publication_that_is_overtaken_is_counted_once_and_waited_for() {
    for together in [true, false] {
        with_core(
            |_| (),
            |core| {
                let run_all = || while core.run_next() {};
                let (mut topic, mut number) = (Topic::<Said>::new(), 0);
                // To who comes second only the second is of any concern.
                for id in 0..2 {
                    topic.subscribe(id, spawn(core, Listener).expect("there is room").recipient());
                    let open = topic.open.as_mut().expect("somebody has subscribed");
                    (open.published, open.ways[0].sent, open.ways[0].publications) = (id + 1, id + 1, id + 1);
                    number = open.number;
                }
                let hub = Key::from_bits(number);
                arrive_publication(hub, (1, Said));
                drop(topic);
                if !together {
                    run_all();
                    assert!(core.hubs.find(number).is_some(), "one is on its way");
                }
                arrive_publication(hub, (0, Said));
                run_all();
                assert_eq!((core.counters.handled.get(), core.counters.dead_letters()), (2, 1));
                assert_eq!((core.hubs.find(number), core.hubs.subscriptions()), (None, 0));
            },
        );
    }
}

#[derive(Clone)]
struct Numbered(u64);

impl Message for Numbered {
    type Reply = ();
}

/// Notes what it gets.
struct Reader(Rc<RefCell<Vec<u64>>>);

impl Actor for Reader {
    type Message = Numbered;

    const MAILBOX_CAPACITY: u32 = 2;

    fn handle(&mut self, Numbered(number): Numbered, _: &mut Context<Self>) -> Flow {
        self.0.borrow_mut().push(number);
        Flow::Continue
    }
}

impl Accepts<Numbered> for Reader {
    fn accept(numbered: Numbered) -> Numbered {
        numbered
    }
}

/// Lends a core without a thread, which nothing else has.
fn with_core(change: impl FnOnce(&mut Config), run: impl FnOnce(&Core)) {
    let mut config = Config { receive_buffers: 1, receive_buffer_bytes: 64, ..Config::default() };
    change(&mut config);
    let id = directory::reserve(1);
    let core = Core::new(id, Rc::new(config), Clock::Virtual(Rc::default()), Links::new(id, [None]));
    current::scope(&core, || run(&core));
}

/// A reader, and what it gets.
fn reader(core: &Core) -> (Recipient<Numbered>, Rc<RefCell<Vec<u64>>>) {
    let read = Rc::default();
    (spawn(core, Reader(Rc::clone(&read))).expect("there is room").recipient(), read)
}

fn assert_in_order(read: &Rc<RefCell<Vec<u64>>>) {
    let read = read.take();
    assert!(!read.is_empty() && read.windows(2).all(|pair| pair[0] < pair[1]), "{read:?}");
}

/// What was published before somebody has subscribed anew goes round with what comes behind, and is handed over before that: at whichever
/// place the new subscription is, and where there is no room for all of it at once.
#[test]
fn who_subscribes_anew_gets_what_comes_by_both_in_order() {
    for (left, others) in (0..2).flat_map(|left| (0..24).map(move |others| (left, others))) {
        with_core(
            |config| config.activation_messages = 4,
            |core| {
                let mut topic = Topic::new();
                let (who, read) = reader(core);
                (others..others + left).for_each(|id| topic.subscribe(id, reader(core).0));
                topic.subscribe(99, who);
                (0..others).for_each(|id| topic.subscribe(id, reader(core).0));
                while core.run_next() {}
                (others..others + left).for_each(|id| topic.unsubscribe(id));
                while core.run_next() {}
                for number in 0..6 {
                    topic.publish(Numbered(number));
                    topic.subscribe(99, who);
                }
                while core.run_next() {}
                assert_in_order(&read);
            },
        );
    }
}

/// Nobody waits for what has had no room on the core: it does not go round.
#[test]
fn who_subscribes_anew_does_not_wait_for_what_is_lost() {
    for (others, backlog) in [(3, 20), (8, 24), (20, 24), (40, 40)] {
        let limits =
            |config: &mut Config| (config.activation_messages, config.topic_backlog_max) = (4, backlog);
        with_core(limits, |core| {
            let mut topic = Topic::new();
            let (who, read) = reader(core);
            topic.subscribe(99, who);
            (0..others).for_each(|id| topic.subscribe(id, reader(core).0));
            while core.run_next() {}
            for number in 0..500 {
                topic.publish(Numbered(number));
                if number % 7 == 6 {
                    topic.subscribe(99, who);
                }
                core.run_next();
            }
            assert!(core.counters.dead_letters() > 0);
            // A copy to each in each way round, and some for those who wait: by then it has come to rest.
            assert!((0..500_000).any(|_| !core.run_next()));
            assert_in_order(&read);
        });
    }
}

/// A topic has moved after one has left, and who subscribes under its number then comes first.
#[test]
fn the_end_of_a_subscription_that_is_overtaken_ends_no_other() {
    with_core(
        |_| (),
        |core| {
            let mut topic = Topic::new();
            let [(old, old_read), (new, new_read)] = [(); 2].map(|()| reader(core));
            topic.subscribe(7, old);
            let open = topic.open.as_mut().expect("somebody has subscribed");
            let (hub, since) = (Key::from_bits(open.number), open.subscribed);
            let (forgotten, shared) = (open.forget.clone(), open.ways[0].shared.clone());
            arrive_publication(hub, (0, Numbered(0)));
            let join = Join {
                id: 7,
                since: since + 1,
                to: new,
                lagged: None,
                next: 1,
                publications: 1,
                forgotten,
                shared,
            };
            arrive_join(hub, join);
            arrive_leave::<Numbered>(hub, Leave { id: 7, since, until: 1 });
            arrive_publication(hub, (1, Numbered(1)));
            while core.run_next() {}
            assert_eq!((old_read.take(), new_read.take()), (vec![0], vec![1]));
            assert_eq!(core.hubs.subscriptions(), 1);
            arrive_leave::<Numbered>(hub, Leave { id: 7, since: since + 1, until: 2 });
            while core.run_next() {}
            assert_eq!(core.hubs.subscriptions(), 0);
        },
    );
}
