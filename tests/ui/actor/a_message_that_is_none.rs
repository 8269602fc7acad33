use odeon::prelude::*;

struct Room;

impl Actor for Room {
    type Message = String;

    fn handle(&mut self, _: String, _: &mut Context<Self>) -> Flow {
        Flow::Continue
    }
}

impl Accepts<String> for Room {
    fn accept(message: String) -> String {
        message
    }
}

fn main() {}

fn send(room: Addr<Room>) {
    room.tell(String::from("hello")).or_dead_letter();
}
