use odeon::prelude::*;

#[derive(Message)]
struct Known;

#[derive(Message)]
struct Unknown;

struct Room;

impl Actor for Room {
    type Message = Known;

    fn handle(&mut self, _: Known, _: &mut Context<Self>) -> Flow {
        Flow::Continue
    }
}

impl Accepts<Known> for Room {
    fn accept(message: Known) -> Known {
        message
    }
}

fn main() {}

fn send(room: Addr<Room>) {
    room.tell(Unknown).or_dead_letter();
}

fn hide(room: Addr<Room>) -> Recipient<Unknown> {
    room.recipient()
}
