//! Tests of the end of a hub, and of the order in which it hands round.
//!
//! Knows: a core without a thread, of which the test runs one cell after the other. Must not know what becomes of dead letters.

use std::cell::RefCell;
use std::rc::Rc;

use super::*;
use crate::actor::{Accepts, Actor, Context, Flow, Topic, spawn};
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
    let small = Config { receive_buffers: 1, receive_buffer_bytes: 64, ..Config::default() };
    let (config, id) = (Config { activation_messages: 2, ..small }, directory::reserve(1));
    let core = Core::new(id, Rc::new(config), Clock::Virtual(Rc::default()), Links::new(id, [None]));
    let run_all = || while core.run_next() {};
    current::scope(&core, || {
        let mut topic = Topic::new();
        for id in 0..4 {
            let listener = spawn(&core, Listener).expect("there is room");
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
    });
}

/// The first publication goes another way than the second, which comes first: before that has gone round, or after it.
#[test]
fn a_publication_that_is_overtaken_is_counted_once_and_waited_for() {
    for together in [true, false] {
        let config = Config { receive_buffers: 1, receive_buffer_bytes: 64, ..Config::default() };
        let id = directory::reserve(1);
        let core = Core::new(id, Rc::new(config), Clock::Virtual(Rc::default()), Links::new(id, [None]));
        let run_all = || while core.run_next() {};
        current::scope(&core, || {
            let (mut topic, mut number) = (Topic::<Said>::new(), 0);
            // To who comes second only the second is of any concern.
            for id in 0..2 {
                topic.subscribe(id, spawn(&core, Listener).expect("there is room").recipient());
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
        });
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

/// What was published before somebody has subscribed anew goes round with what comes behind, and is handed over before that: at whichever
/// place the new subscription is, and where there is no room for all of it at once.
#[test]
fn who_subscribes_anew_gets_what_comes_by_both_in_order() {
    for left in [0, 1] {
        for others in 0..24 {
            let config = Config { activation_messages: 4, receive_buffers: 1, ..Config::default() };
            let (config, id) = (Config { receive_buffer_bytes: 64, ..config }, directory::reserve(1));
            let core = Core::new(id, Rc::new(config), Clock::Virtual(Rc::default()), Links::new(id, [None]));
            let run_all = || while core.run_next() {};
            let read = Rc::new(RefCell::new(Vec::new()));
            current::scope(&core, || {
                let mut topic = Topic::new();
                let spawn = |read: &Rc<RefCell<Vec<u64>>>| {
                    spawn(&core, Reader(read.clone())).expect("there is room").recipient()
                };
                let reader = spawn(&read);
                (others..others + left).for_each(|id| topic.subscribe(id, spawn(&Rc::default())));
                topic.subscribe(99, reader);
                (0..others).for_each(|id| topic.subscribe(id, spawn(&Rc::default())));
                run_all();
                (others..others + left).for_each(|id| topic.unsubscribe(id));
                run_all();
                for number in 0..6 {
                    topic.publish(Numbered(number));
                    topic.subscribe(99, reader);
                }
                run_all();
            });
            let read = read.take();
            assert!(!read.is_empty() && read.is_sorted(), "{left} {others}: {read:?}");
        }
    }
}
