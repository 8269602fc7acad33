use odeon::prelude::*;

struct Room;

#[derive(Message)]
struct Said(u64);


#[actor]
impl Room {
    #[message]
    fn said(self, _said: Said) {}

    #[call]
    fn count(self: Box<Self>) -> u64 {
        0
    }
}

fn main() {}
