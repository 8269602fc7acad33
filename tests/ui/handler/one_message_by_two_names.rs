use odeon::prelude::*;

struct Room;

#[derive(Message)]
struct Said(u64);


type Heard = Said;

#[actor]
impl Room {
    #[message]
    fn said(&mut self, _said: Said) {}

    #[message]
    fn heard(&mut self, _heard: Heard) {}
}

fn main() {}
