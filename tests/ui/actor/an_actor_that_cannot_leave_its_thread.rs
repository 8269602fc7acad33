use std::rc::Rc;

use odeon::prelude::*;

struct Room(Rc<str>);

impl Actor for Room {
    type Message = Never;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

fn main() {}

fn start(system: &System) -> odeon::Result<Addr<Room>> {
    system.spawn(Room(Rc::from("lobby")))
}
