use odeon::prelude::*;

struct Room;


use std::rc::Rc;

#[derive(Message)]
struct Shared(Rc<str>);

#[actor]
impl Room {
    #[message]
    fn shared(&mut self, _shared: Shared) {}

    #[call]
    fn title(&self) -> Rc<str> {
        Rc::from("lobby")
    }

    #[call]
    fn rename(&mut self, _first: u64, _name: Rc<str>) {}
}

fn main() {}
