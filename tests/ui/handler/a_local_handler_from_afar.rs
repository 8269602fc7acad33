use odeon::prelude::*;

struct Room;


use std::rc::Rc;

#[derive(Message)]
struct Shared(Rc<str>);

#[actor]
impl Room {
    #[message(local)]
    fn shared(&mut self, _shared: Shared) {}

    #[call(local)]
    fn title(&self) -> Rc<str> {
        Rc::from("lobby")
    }
}

fn far(room: Addr<Room>) {
    let _ = room.tell(Shared(Rc::from("")));
    let _ = room.title();
}

fn main() {}
