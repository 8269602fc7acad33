use odeon::prelude::*;

struct Room;

struct Said(u64);

#[actor]
impl Room {
    #[message(concurrent)]
    async fn said(_said: Said) {}
}

fn main() {}
