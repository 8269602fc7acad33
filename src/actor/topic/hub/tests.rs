//! Tests of the end of a hub.
//!
//! Knows: a core without a thread, of which the test runs one cell after the other. Must not know what becomes of dead letters.

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
