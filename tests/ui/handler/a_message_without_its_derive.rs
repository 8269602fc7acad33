use odeon::prelude::*;

struct Room;

struct Said(u64);

#[actor]
impl Room {
    #[message]
    fn said(&mut self, _said: Said) {}
}

fn main() {}
