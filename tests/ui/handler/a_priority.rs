use odeon::prelude::*;

struct Room;

#[derive(Message)]
struct Said(u64);


#[actor]
impl Room {
    #[message(priority = control)]
    fn said(&mut self, _said: Said) {}
}

fn main() {}
