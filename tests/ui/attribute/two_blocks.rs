use odeon::prelude::*;

struct Room;

#[derive(Message)]
struct Said(u64);


#[actor]
impl Room {
    #[message]
    fn said(&mut self, _said: Said) {}
}

#[actor]
impl Room {
    #[call]
    fn count(&self) -> u64 {
        0
    }
}

fn main() {}
