use std::rc::Rc;

use odeon::prelude::*;

#[derive(Message)]
struct Said(Rc<str>);

struct Room;

impl Actor for Room {
    type Message = Said;

    fn handle(&mut self, _: Said, _: &mut Context<Self>) -> Flow {
        Flow::Continue
    }
}

impl Accepts<Said> for Room {
    fn accept(message: Said) -> Said {
        message
    }
}

fn main() {}

fn send(room: Addr<Room>) {
    room.tell(Said(Rc::from("hello"))).or_dead_letter();
}
