use odeon::prelude::*;

struct Room;

#[derive(Message)]
struct Said(u64);


#[actor]
impl Room {
    #[message]
    fn said(_said: Said) {}

    #[started]
    fn started(_cx: &mut Context<Self>) {}
}

fn main() {}
