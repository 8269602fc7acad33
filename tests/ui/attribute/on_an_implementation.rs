use odeon::prelude::*;

struct Room;

#[derive(Message)]
struct Said(u64);


trait Speak {
    fn said(&mut self, said: Said);
}

#[actor]
impl Speak for Room {
    #[message]
    fn said(&mut self, _said: Said) {}
}

fn main() {}
