use odeon::prelude::*;

struct Room;

#[derive(Message)]
struct Said(u64);


#[actor]
impl Room {
    #[message]
    fn said(&mut self, _said: Said) {}

    #[call]
    fn said(&self) -> u64 {
        0
    }
}

fn main() {}
