use odeon::prelude::*;

struct Room;

#[derive(Message)]
struct Said(u64);


impl Room {
    #[message]
    fn said(&mut self, _said: Said) {}

    #[call]
    fn count(&self) -> u64 {
        0
    }

    #[every("1s")]
    fn tick(&mut self) {}
}

fn main() {}
