//! What is published may use the very topic that it was published to, while it is copied and dropped.

use std::sync::{Arc, Mutex};

use odeon::prelude::*;

use crate::world::{Notes, On, World};

/// Does something with its own topic, which many share, whenever it is copied and dropped.
#[derive(Message)]
struct Meddling {
    number: u64,
    topic: Arc<Mutex<Topic<Meddling>>>,
    to: Recipient<Meddling>,
}

impl Meddling {
    fn meddle(&self) {
        // Not from within, when it is published.
        if let Ok(mut topic) = self.topic.try_lock() {
            topic.unsubscribe(9);
            topic.subscribe(9, self.to);
        }
    }
}

impl Clone for Meddling {
    fn clone(&self) -> Meddling {
        self.meddle();
        Meddling { number: self.number, topic: self.topic.clone(), to: self.to }
    }
}

impl Drop for Meddling {
    fn drop(&mut self) {
        self.meddle();
    }
}

/// Notes what it gets, and has room for so many.
struct Meddled<const ROOM: u32>(Notes<u64>);

#[actor(mailbox(capacity = ROOM))]
impl<const ROOM: u32> Meddled<ROOM> {
    #[message]
    fn meddling(&mut self, meddling: Meddling) {
        self.0.note(meddling.number);
    }
}

/// The hub that hands it round is the one that is told of all that.
pub fn whatever_copies_and_drops_a_publication_may_use_its_own_topic(on: On) {
    const COUNT: u64 = 40;
    let world = World::new(on, 1);
    let [all, few, last] = [(); 3].map(|()| Notes::new());
    let one = world.spawn(0, Meddled::<1024>(all.clone()));
    let other = world.spawn(0, Meddled::<4>(few.clone()));
    let to = world.spawn(0, Meddled::<1024>(last.clone())).recipient();
    let topic = Arc::new(Mutex::new(Topic::new()));
    let shared = topic.clone();
    world.run(0, move |_| {
        let mut topic = shared.lock().expect("nobody panics here");
        topic.subscribe(0, one.recipient());
        topic.subscribe(1, other.recipient());
        (0..COUNT).for_each(|number| topic.publish(Meddling { number, topic: shared.clone(), to }));
    });
    world.until("all of it", || all.len() as u64 == COUNT);
    assert_eq!(all.take(), Vec::from_iter(0..COUNT));
    assert!((few.len() as u64) < COUNT, "some are dropped for want of room");
    let ledger = world.ledgers()[0];
    assert_eq!((ledger.panics, ledger.drop_panics), (0, 0));
    // It keeps itself.
    world.run(0, move |_| *topic.lock().expect("nobody panics here") = Topic::new());
    world.end();
}
