//! A message for a thousand actors of one core: by a topic, and by a loop.

use std::cell::Cell;
use std::rc::Rc;

use odeon::prelude::*;

use crate::workbench;

const MEMBERS: u64 = 1024;

#[derive(Message, Clone)]
struct Said(u64);

/// Counts what has come to all members.
struct Member(Rc<Cell<u64>>);

impl Accepts<Said> for Member {
    fn accept(message: Said) -> Said {
        message
    }
}

impl Actor for Member {
    type Message = Said;

    fn handle(&mut self, Said(more): Said, _: &mut Context<Self>) -> Flow {
        self.0.set(self.0.get() + more);
        Flow::Continue
    }
}

/// Has a topic, or a list.
struct Room {
    topic: Topic<Said>,
    list: Vec<Recipient<Said>>,
}

impl Accepts<Said> for Room {
    fn accept(message: Said) -> Said {
        message
    }
}

impl Actor for Room {
    type Message = Said;

    fn handle(&mut self, said: Said, _: &mut Context<Self>) -> Flow {
        for member in &self.list {
            member.tell(said.clone()).or_dead_letter();
        }
        self.topic.publish(said);
        Flow::Continue
    }
}

pub(crate) fn by_topic(count: u64) {
    deliver(count, |room, id, member| room.topic.subscribe(id, member));
}

pub(crate) fn by_loop(count: u64) {
    deliver(count, |room, _, member| room.list.push(member));
}

/// Publishes until so many messages have come, one publication after the other.
fn deliver(count: u64, join: impl Fn(&mut Room, u64, Recipient<Said>)) {
    let (mut bench, come) = (workbench(1), Rc::new(Cell::new(0)));
    let mut room = Room { topic: Topic::new(), list: Vec::new() };
    for id in 0..MEMBERS {
        let member = bench.spawn_on(0, Member(come.clone())).expect("there is room for a member");
        join(&mut room, id, member.recipient());
    }
    let room = bench.spawn_on(0, room).expect("there is room for a room");
    for round in 1..=count / MEMBERS {
        room.tell(Said(1)).or_dead_letter();
        bench.run_until(|| come.get() == round * MEMBERS);
    }
}
