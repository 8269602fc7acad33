use odeon::prelude::*;

struct Room;

#[derive(Message)]
struct Said(u64);


#[actor]
impl Room {
    #[message]
    fn said(&mut self, _said: Said, _cx: Context<Self>) {}
}

fn main() {}
